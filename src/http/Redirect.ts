/**
 * Following redirects without giving anything away.
 *
 * The platform's `followRedirects` sends `Authorization`, `Cookie` and `Idempotency-Key` to wherever it is led, and a POST with its body
 * after each 3xx. Here credentials and keys stay with the origin that they were meant for, methods follow RFC 9110, and what looks
 * like an attack is refused.
 *
 * @since 0.1.0
 */
import * as Headers from "@effect/platform/Headers"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as UrlParams from "@effect/platform/UrlParams"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Fiber from "effect/Fiber"
import { isString } from "effect/Predicate"
import * as Failure from "../core/Failure.ts"
import { integerIn } from "../core/InvalidOption.ts"
import * as Redirection from "../core/Redirection.ts"
import * as Replay from "../core/Replay.ts"
import * as Surroundings from "../strategy/Surroundings.ts"
import type * as Middleware from "./Middleware.ts"
import * as Release from "./Release.ts"
import * as Resend from "./Resend.ts"

/**
 * A redirect was not followed. Of addresses only the origins are told, because the rest may hold a secret.
 *
 * @since 0.1.0
 * @category errors
 */
export class RedirectRefused extends Data.TaggedError("RedirectRefused")<{
  readonly reason: Redirection.Reason
  readonly status: number
  /** The origin that redirected. */
  readonly from: string
}> {
  override get message(): string {
    return `a redirect (${this.status}) of ${this.from} was not followed: ${this.reason}`
  }

  /** The same request will be led the same way. */
  get [Failure.key](): Failure.Failure {
    return Failure.malformed("response", this._tag)
  }
}

/**
 * Which redirects are followed.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** How many in a row: from 0. Default: 5. */
  readonly maxRedirects?: number | undefined
  /** What to do where one leads from https to http. Default: "refuse". */
  readonly downgrade?: "refuse" | "allow" | undefined
  /** The last word on each that nothing else refuses: an allow list of hosts, say. Default: all are followed. */
  readonly allow?: ((follow: Redirection.Follow) => boolean) | undefined
  /** Headers that stay behind on a change of origin, beside `Redirection.credentials` and what the platform redacts. */
  readonly secretHeaders?: ReadonlyArray<string> | undefined
}

type Request = HttpClientRequest.HttpClientRequest
type Response = HttpClientResponse.HttpClientResponse

/**
 * Follows redirects, each as a request of its own, and lets go of the responses that redirect.
 *
 * **When to use**
 *
 * Stand below the span and the limit of an attempt, so that each hop has its own, and above the retry. A retry begins at the first
 * address again.
 *
 * **Details**
 *
 * To another origin go no credentials and no keys. A body is sent again where the method table keeps it and it can be. A 3xx without
 * `Location`, and one that is no redirect (304), is returned as it came. One that is not followed fails with `RedirectRefused`.
 *
 * **Gotchas**
 *
 * What is mapped into requests above (`HttpClient.mapRequest` nearer to the wire) is mapped into each hop: put tokens and `prependUrl`
 * below. fetch follows redirects by itself unless its `RequestInit` says `redirect: "manual"`. An address inside your own network
 * is an address like any other: for callers that you do not trust, give `allow`.
 *
 * **Example** (A token stays at home)
 *
 * ```ts
 * import { HttpClient } from "@effect/platform"
 * import { Resilience } from "effect-resilience"
 * import { HttpScript } from "effect-resilience/testing"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const files = (yield* HttpClient.HttpClient).pipe(Resilience.withRedirects())
 *   yield* files.get("https://files.test/a", { headers: { authorization: "Bearer secret", accept: "text/plain" } })
 *   return (yield* HttpScript.requests).map(({ headers, url }) => [url, headers["authorization"], headers["accept"]])
 * })
 *
 * const peer = HttpScript.layer([{ status: 302, headers: { location: "https://cdn.test/a" } }, { status: 200 }])
 *
 * await program.pipe(Effect.provide(peer), Effect.runPromise)
 * // => [["https://files.test/a", "Bearer secret", "text/plain"], ["https://cdn.test/a", undefined, "text/plain"]]
 * ```
 *
 * @since 0.1.0
 * @category middleware
 */
export const middleware = (options: Options = {}): Middleware.Middleware<RedirectRefused> => {
  const rules: Redirection.Rules = {
    maxRedirects: integerIn("Redirect", "maxRedirects", options.maxRedirects ?? 5, { min: 0 }),
    downgrade: options.downgrade ?? "refuse",
    allow: options.allow ?? (() => true)
  }
  const own = new Set((options.secretHeaders ?? []).map((name) => name.toLowerCase()))
  return <E, R>(handler: Middleware.Handler<E, R>): Middleware.Handler<E | RedirectRefused, R> => {
    const go = (request: Request, first: Request, hops: number): Effect.Effect<Response, E | RedirectRefused, R> =>
      Effect.flatMap(hops === 0 ? handler(request) : atHop(handler, request, first, hops), (response) =>
        Effect.withFiberRuntime<Response, E | RedirectRefused, R>((fiber) => {
          const step = stepOf(response, request, hops, rules)
          if (step._tag === "Stay") return Effect.succeed(response)
          if (step._tag === "Refuse") {
            const from = Either.match(urlOf(response.request), { onLeft: () => "", onRight: ({ origin }) => origin })
            const refused = new RedirectRefused({ reason: step.reason, status: response.status, from })
            return Effect.zipRight(Release.now(response), refused)
          }
          const next = requestOf(step, request, isSecret(fiber, own))
          return Effect.flatMap(Release.now(response), () => go(next, first, hops + 1))
        }))
    return (request) => go(request, request, 0)
  }
}

const urlOf = (request: Request) => UrlParams.makeUrl(request.url, request.urlParams, request.hash)

/** A handler may have mapped the request: what counts is where it was sent, and what we would send again. */
const stepOf = (response: Response, request: Request, hops: number, rules: Redirection.Rules): Redirection.Step => {
  const url = urlOf(response.request)
  if (Either.isLeft(url)) return { _tag: "Stay" }
  const sent = { url: url.right, method: request.method, replayable: Replay.isReplayable(request.body), hops }
  return Redirection.step(sent, response.status, response.headers["location"], rules)
}

const requestOf = (follow: Redirection.Follow, request: Request, isSecret: (name: string) => boolean): Request =>
  // Where the method changes it becomes GET; else it is the one that the request had. The platform's options have no body for GET and
  // HEAD, and its requests may: one that is kept was there before.
  HttpClientRequest.make(follow.method as typeof request.method)(follow.to.href, {
    headers: Redirection.headers(follow, request.headers, isSecret),
    ...(follow.body === "keep" ? { body: request.body } : {})
  } as HttpClientRequest.Options)

const isSecret = (fiber: Fiber.RuntimeFiber<unknown, unknown>, own: ReadonlySet<string>) => {
  const redacted = fiber.getFiberRef(Headers.currentRedactedNames)
  return (name: string): boolean =>
    own.has(name) || redacted.some((each) => isString(each) ? each.toLowerCase() === name : each.test(name))
}

const atHop = <E, R>(handler: Middleware.Handler<E, R>, request: Request, first: Request, count: number) =>
  Surroundings.provide(Effect.suspend(() => handler(request)), Resend.Hop, { count, from: first, to: request })
