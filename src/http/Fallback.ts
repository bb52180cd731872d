/**
 * Something else in the place of a failed call over HTTP: what another handler gives, a response made from a value, or the last good
 * response.
 *
 * @since 0.1.0
 */
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Classifier from "../core/Classifier.ts"
import type * as Failure from "../core/Failure.ts"
import * as Fallback from "../strategy/Fallback.ts"
import * as Guarded from "../strategy/Guarded.ts"
import * as LastResponse from "./LastResponse.ts"
import * as Made from "./Made.ts"
import type * as Middleware from "./Middleware.ts"
import * as Release from "./Release.ts"
import * as Work from "./Work.ts"

export { fallback, type Outage, outage, staleIfError } from "../strategy/Fallback.ts"

type Request = HttpClientRequest.HttpClientRequest
type Response = HttpClientResponse.HttpClientResponse

/**
 * What is given in the place of a failure.
 *
 * @since 0.1.0
 * @category models
 */
export type Instead<K extends Failure.Tag, E2, R2> =
  /** What another handler gives: `replica.execute`, say. */
  | { readonly to: (request: Request, failure: Failure.Of<K>) => Effect.Effect<Response, E2, R2> }
  /** A response that is made of this. */
  | { readonly value: Made.Spec | ((request: Request, failure: Failure.Of<K>) => Made.Spec) }
  /** The last good response to the same request, where there is one: otherwise the failure comes out as it was. */
  | { readonly lastGood: LastResponse.LastResponse }

/**
 * For which failures a fallback is used, and which.
 *
 * @since 0.1.0
 * @category models
 */
export type Options<K extends Failure.Tag = Fallback.Outage, E2 = never, R2 = never> =
  & Fallback.Choice<K>
  & {
    /** What a response or an error means. Default: `Classifier.http`. */
    readonly classifier?: Classifier.Classifier<Response> | undefined
  }
  & Instead<K, E2, R2>

type Lost = Exit.Exit<Response, unknown>

const release = (lost: Lost): Effect.Effect<void> => {
  const response = Work.responseOf(lost)
  return Option.isSome(response) ? Release.now(response.value) : Effect.void
}

const unsafeDrop = (lost: Lost): void => void Option.map(Work.responseOf(lost), Release.unsafeAbort)

/**
 * Gives something else in the place of a failed call.
 *
 * **Details**
 *
 * What was lost is let go of before anything else is made: a small body is read, a large one aborted. Defects, interruption and every failure
 * that was not chosen come out as they were. Where the fallback fails itself, its own error comes out; the first error stands behind it in the
 * `Cause`, and the first response in the event.
 *
 * **Gotchas**
 *
 * A fallback is given the request as it is here, and an error that passes here: stand outside of the retry, and inside of the deadline, which a
 * fallback cannot make up for. A body that breaks off after its headers have arrived is past every fallback, unless it is read inside of
 * it (`Buffered`). A request body that can be read once has been read, when another handler is given it.
 *
 * **Example** (The last good response)
 *
 * ```ts
 * import { HttpClient } from "@effect/platform"
 * import { LastResponse, Resilience } from "effect-resilience"
 * import { HttpScript } from "effect-resilience/testing"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const lastGood = yield* LastResponse.make({ maxAge: "10 minutes" })
 *   const client = (yield* HttpClient.HttpClient).pipe(Resilience.withFallback({ lastGood }))
 *   const read = Effect.flatMap(client.get("http://prices.test/EUR"), (response) =>
 *     Effect.map(response.text, (text) => [text, response.headers["warning"]]))
 *   return [yield* read, yield* read]
 * }).pipe(Effect.provide(HttpScript.layer([{ status: 200, body: "1.08" }, { status: 503 }])))
 *
 * await Effect.runPromise(program)
 * // => [["1.08", undefined], ["1.08", "110 - \"Response is Stale\", 111 - \"Revalidation Failed\""]]
 * ```
 *
 * @since 0.1.0
 * @category middleware
 */
export const middleware = <K extends Failure.Tag = Fallback.Outage, E2 = never, R2 = never>(
  options: Options<K, E2, R2>
): Middleware.Middleware<E2, R2> => {
  const plan = Fallback.plan(options.classifier ?? Classifier.http, options)
  if ("lastGood" in options) return staleWith(plan, options.lastGood)
  const find = finderOf(options)
  return (handler) => (request) =>
    Fallback.run(plan, { find: (failure) => find(request, failure), release, unsafeDrop }, handler(request))
}

/** Only a failure that was chosen is asked for: it is of one of the kinds. */
const finderOf = <K extends Failure.Tag, E2, R2>(
  options: Exclude<Instead<K, E2, R2>, { readonly lastGood: LastResponse.LastResponse }>
): (request: Request, failure: Failure.Failure) => Fallback.Found<Response, E2, R2> => {
  if ("to" in options) {
    const { to } = options
    return (request, failure) => ({ source: "Effect", effect: Effect.suspend(() => to(request, failure as Failure.Of<K>)) })
  }
  const { value } = options
  if (typeof value !== "function") {
    const checked = Made.check("Fallback", value)
    return (request) => ({ source: "Value", effect: Effect.sync(() => Made.make(request, checked)) })
  }
  return (request, failure) => ({
    source: "Value",
    effect: Effect.sync(() => Made.make(request, Made.check("Fallback", value(request, failure as Failure.Of<K>))))
  })
}

const staleWith = (plan: Fallback.Plan<Response, unknown>, lastGood: LastResponse.LastResponse): Middleware.Middleware =>
(handler) =>
(request) =>
  !LastResponse.isEligible(request) ? handler(request) : Effect.clockWith((clock) => {
    const startedAt = Guarded.monotonic(clock)
    return Fallback.run(plan, {
      keep: (response) => LastResponse.keeping(lastGood, request, response, clock, startedAt),
      find: () =>
        Option.getOrUndefined(Option.map(LastResponse.find(lastGood, request, clock), ({ age, response }): Fallback.Found<Response> => ({
          source: "LastGood",
          age,
          effect: Effect.succeed(response)
        }))),
      release,
      unsafeDrop
    }, handler(request))
  })
