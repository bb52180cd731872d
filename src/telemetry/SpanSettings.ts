/**
 * What the spans of attempts show, beside what they always do, and in which formats their ids go out.
 *
 * A `Context.Reference`: an application sets it once with `layer`, a client or a single call with `withSettings` and `withTemplate`.
 *
 * **Example** (A name that does not differ from user to user)
 *
 * ```ts
 * import { HttpClient } from "@effect/platform"
 * import { ResilientClient, SpanSettings } from "effect-resilience"
 * import { HttpScript, Recorder } from "effect-resilience/testing"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const users = yield* ResilientClient.make({ name: "users" })
 *   yield* users.get("http://users.test/users/42").pipe(SpanSettings.withTemplate("/users/{id}"))
 *   const recorder = yield* Recorder.Recorder
 *   return yield* recorder.spans
 * })
 *
 * const [, attempt] = await program.pipe(
 *   Effect.provide(HttpScript.layer([{ status: 200 }])),
 *   Effect.provide(Recorder.layer),
 *   Effect.runPromise
 * )
 *
 * attempt.name // => "GET /users/{id}"
 * attempt.attributes["url.template"] // => "/users/{id}"
 * ```
 *
 * @since 0.1.0
 */
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import { dual } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as InvalidOption from "../core/InvalidOption.ts"
import * as Redaction from "./Redaction.ts"

/**
 * What can be set.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** What `url.full` shows of an address. Default: `Redaction.standard`. */
  readonly redactor?: Redaction.Redactor | undefined
  /**
   * The path with names in the place of what differs from request to request, for the span's name and `url.template`. It is asked with the
   * request as it comes to the span. Default: none is known.
   */
  readonly template?: ((request: HttpClientRequest.HttpClientRequest) => Option.Option<string>) | undefined
  /**
   * The headers of requests that are shown. The values of those that `Headers.currentRedactedNames` names are `REDACTED`, and of
   * each value 1,024 characters are shown. Default: none.
   */
  readonly requestHeaders?: ReadonlyArray<string> | undefined
  /** The headers of responses that are shown, as with those of requests. Default: none. */
  readonly responseHeaders?: ReadonlyArray<string> | undefined
  /** Whether the ids go out in Zipkin's format too, in one header or in several. Default: "none". */
  readonly b3?: "none" | "single" | "multi" | undefined
}

/**
 * What is set.
 *
 * @since 0.1.0
 * @category models
 */
export interface Settings {
  readonly redactor: Redaction.Redactor
  readonly template: (request: HttpClientRequest.HttpClientRequest) => Option.Option<string>
  /** In lower case. */
  readonly requestHeaders: ReadonlyArray<string>
  /** In lower case. */
  readonly responseHeaders: ReadonlyArray<string>
  readonly b3: "none" | "single" | "multi"
}

const noTemplate = (): Option.Option<string> => Option.none()

/**
 * What is set where nothing is.
 *
 * @since 0.1.0
 * @category constants
 */
export const standard: Settings = {
  redactor: Redaction.standard,
  template: noTemplate,
  requestHeaders: [],
  responseHeaders: [],
  b3: "none"
}

/**
 * The settings of the current fiber.
 *
 * @since 0.1.0
 * @category references
 */
export class SpanSettings extends Context.Reference<SpanSettings>()("effect-resilience/SpanSettings", {
  defaultValue: (): Settings => standard
}) {}

/**
 * The settings of a fiber, without an effect.
 *
 * @since 0.1.0
 * @category getters
 */
export const of = (fiber: Fiber.RuntimeFiber<unknown, unknown>): Settings =>
  fiber.currentContext.unsafeMap.get(SpanSettings.key) ?? standard

/** The token of RFC 9110. */
const fieldName = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/

const names = (option: string, given: ReadonlyArray<string>): ReadonlyArray<string> =>
  given.map((name) => {
    if (fieldName.test(name)) return name.toLowerCase()
    throw new InvalidOption.InvalidOption({ where: "SpanSettings", option, value: name, requirement: "the name of a header" })
  })

/** What is given, over what was set before. */
const set = (before: Settings, { b3, redactor, requestHeaders, responseHeaders, template }: Options): Settings => ({
  redactor: redactor ?? before.redactor,
  template: template ?? before.template,
  requestHeaders: requestHeaders === undefined ? before.requestHeaders : names("requestHeaders", requestHeaders),
  responseHeaders: responseHeaders === undefined ? before.responseHeaders : names("responseHeaders", responseHeaders),
  b3: b3 ?? before.b3
})

/**
 * Sets what is given for everything the layer is provided to. What is left out stays as it was.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Options): Layer.Layer<never> => {
  // Names that are none fail here and not where the layer is built.
  set(standard, options)
  return Layer.effect(SpanSettings, Effect.map(SpanSettings, (before) => set(before, options)))
}

/**
 * Sets what is given for an effect: for a client, by `HttpClient.transformResponse`. What is left out stays as it was.
 *
 * @since 0.1.0
 * @category combinators
 */
export const withSettings: {
  /** Sets what is given for an effect: for a client, by `HttpClient.transformResponse`. What is left out stays as it was. */
  (options: Options): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** Sets what is given for an effect: for a client, by `HttpClient.transformResponse`. What is left out stays as it was. */
  <A, E, R>(self: Effect.Effect<A, E, R>, options: Options): Effect.Effect<A, E, R>
} = /* @__PURE__ */ dual(2, <A, E, R>(self: Effect.Effect<A, E, R>, options: Options): Effect.Effect<A, E, R> => {
  set(standard, options)
  return Effect.withFiberRuntime((fiber) => Effect.provideService(self, SpanSettings, set(of(fiber), options)))
})

/**
 * Gives the attempts of a call the path with names in the place of what differs from request to request.
 *
 * **Gotchas**
 *
 * What stands in it stands in the name of a span. An id in it makes a name for each user.
 *
 * @since 0.1.0
 * @category combinators
 */
export const withTemplate: {
  /** Gives the attempts of a call the path with names in the place of what differs from request to request. */
  (template: string): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** Gives the attempts of a call the path with names in the place of what differs from request to request. */
  <A, E, R>(self: Effect.Effect<A, E, R>, template: string): Effect.Effect<A, E, R>
} = /* @__PURE__ */ dual(2, <A, E, R>(self: Effect.Effect<A, E, R>, template: string): Effect.Effect<A, E, R> =>
  withSettings(self, { template: () => Option.some(template) }))
