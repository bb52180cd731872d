/**
 * Guards over HTTP: a circuit breaker, say, with a state for each origin.
 *
 * A guard is lifted to a client (`client`, which sees each request as it is sent) or to a middleware (`middleware`). It learns when
 * the headers of a response have arrived, or when there are none to come. What becomes of the body afterwards it does not see,
 * unless the body is read inside of it (`Buffered`).
 *
 * @since 0.1.0
 */
import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import * as Advice from "../core/Advice.ts"
import * as Classifier from "../core/Classifier.ts"
import * as AdaptiveLimit from "../strategy/AdaptiveLimit.ts"
import * as AdaptiveThrottle from "../strategy/AdaptiveThrottle.ts"
import * as Bulkhead from "../strategy/Bulkhead.ts"
import * as CircuitBreaker from "../strategy/CircuitBreaker.ts"
import * as Guarded from "../strategy/Guarded.ts"
import * as RateLimit from "../strategy/RateLimit.ts"
import * as Held from "./Held.ts"
import type * as Middleware from "./Middleware.ts"
import * as Release from "./Release.ts"

/**
 * From the effect that sends a request to one that sends it only where the guard lets it.
 *
 * @since 0.1.0
 * @category models
 */
export type Guard<E2> = <E, R>(
  effect: Effect.Effect<HttpClientResponse.HttpClientResponse, E, R>,
  request: HttpClientRequest.HttpClientRequest
) => Effect.Effect<HttpClientResponse.HttpClientResponse, E | E2, R>

/**
 * Which of the states of a guard a request is about.
 *
 * @since 0.1.0
 * @category models
 */
export type KeyOf = (request: HttpClientRequest.HttpClientRequest) => string

const authority = /^([a-z][a-z0-9+.-]*:)\/\/(?:[^/?#]*@)?([^/?#]*)/i

/**
 * The origin of a URL, in lower case, without credentials and the default port. A URL without a host has none: "".
 *
 * **Example** (What a key looks like)
 *
 * ```ts
 * import { Guard } from "effect-resilience"
 *
 * Guard.origin("https://Ada:secret@Users.test:443/1?x=y") // => "https://users.test"
 * Guard.origin("http://users.test:8080") // => "http://users.test:8080"
 * Guard.origin("/users/1") // => ""
 * ```
 *
 * @since 0.1.0
 * @category getters
 */
export const origin = (url: string): string => {
  const length = plainLength(url)
  return length > 0 ? url.slice(0, length) : originIn(authority.exec(url))
}

const originIn = (match: RegExpExecArray | null): string => {
  const [, scheme = "", host = ""] = match ?? []
  const lower = `${scheme}//${host}`.toLowerCase()
  if (host === "") return ""
  if (lower.startsWith("http://") && lower.endsWith(":80")) return lower.slice(0, -3)
  return lower.startsWith("https://") && lower.endsWith(":443") ? lower.slice(0, -4) : lower
}

/** What most URLs begin with: their origin as it is written here, in lower case, without credentials and the default port. */
const plain = /https?:\/\/[a-z0-9.-]+(?::(?!80\b|443\b)[0-9]+)?(?=[/?#]|$)/y

/** The length of that, to see which allocates nothing; 0 where a URL begins with something else. */
const plainLength = (url: string): number => {
  plain.lastIndex = 0
  return plain.test(url) ? plain.lastIndex : 0
}

/** Most clients talk to one origin: where a URL begins with that of the one before, it is that, the same text. */
const byOrigin = (): KeyOf => {
  let last = ""
  return ({ url }) => {
    if (last !== "" && url[last.length] === "/" && url.startsWith(last)) return last
    const length = plainLength(url)
    if (length === 0) return originIn(authority.exec(url))
    last = url.slice(0, length)
    return last
  }
}

/**
 * A guard over any Effect as one over HTTP. Without a key it has a state for each `origin`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = <Ticket, E2>(
  guard: Guarded.Guard<Ticket, HttpClientResponse.HttpClientResponse, unknown, E2>,
  key: KeyOf = byOrigin()
): Guard<E2> =>
(effect, request) => Guarded.run(guard, key(request), effect)

/**
 * Puts a guard round a client, whose request mappings come first: what gives the key is the request as it is sent.
 *
 * @since 0.1.0
 * @category combinators
 */
export const client = <E2>(guard: Guard<E2>) =>
<E, R>(self: HttpClient.HttpClient.With<E, R>): HttpClient.HttpClient.With<E | E2, R> => HttpClient.transform(self, guard<E, R>)

/**
 * A guard as a middleware.
 *
 * **Gotchas**
 *
 * A middleware sees a request before the mappings of the client below it: where one of them makes the origin (`prependUrl`), use
 * `client`, or give a key.
 *
 * @since 0.1.0
 * @category middleware
 */
export const middleware = <E2>(guard: Guard<E2>): Middleware.Middleware<E2> => (handler) => (request) =>
  guard(handler(request), request)

/**
 * What a breaker protects.
 *
 * @since 0.1.0
 * @category models
 */
export interface CircuitBreakerOptions {
  readonly breaker: CircuitBreaker.CircuitBreaker
  /** Whose health a request is about. Default: `origin`, of its URL. */
  readonly key?: KeyOf | undefined
  /** What a response or an error means. Default: `Classifier.http`. */
  readonly classifier?: Classifier.Classifier<HttpClientResponse.HttpClientResponse> | undefined
}

/**
 * Sends no request where the breaker of its key rejects it, and tells the breaker what came of each that was sent.
 *
 * @since 0.1.0
 * @category guards
 */
export const circuitBreaker = (
  { breaker, classifier = Classifier.http, key }: CircuitBreakerOptions
): Guard<CircuitBreaker.CircuitOpen> => make(CircuitBreaker.guard(breaker, classifier), key)

/**
 * What a bulkhead protects, and for how long.
 *
 * @since 0.1.0
 * @category models
 */
export interface BulkheadOptions {
  readonly bulkhead: Bulkhead.Bulkhead
  /** What shares its permits. Default: `origin`, of the URL. */
  readonly key?: KeyOf | undefined
  /**
   * When a permit is given back: when the headers have arrived, or when the body has been read or aborted as well. A response
   * whose body nobody reads keeps its permit until it is collected as garbage. Default: "headers".
   */
  readonly holdUntil?: "headers" | "body" | undefined
}

/**
 * Sends a request when it has a permit.
 *
 * @since 0.1.0
 * @category guards
 */
export const bulkhead = (
  { bulkhead, holdUntil = "headers", key }: BulkheadOptions
): Guard<Bulkhead.BulkheadFull> => {
  if (bulkhead.permits === Infinity) return (effect) => effect
  return make(holdUntil === "headers" ? Bulkhead.guard(bulkhead) : Bulkhead.guardWith(bulkhead, keep), key)
}

/** A caller that is being interrupted is given no response, and nobody will read it. */
const keep = (
  { fiber }: Guarded.Caller,
  response: HttpClientResponse.HttpClientResponse,
  release: () => void
): Effect.Effect<HttpClientResponse.HttpClientResponse> => {
  const held = Held.untilRead(response, release)
  const isWanted = Cause.isEmpty(fiber.getFiberRef(FiberRef.interruptedCause))
  return isWanted ? Effect.succeed(held) : Effect.as(Release.abort(held), held)
}

/**
 * What limits how many requests are sent.
 *
 * @since 0.1.0
 * @category models
 */
export interface RateLimitOptions {
  readonly limiter: RateLimit.RateLimit
  /** Whose limit a request takes from. Default: `origin`, of its URL. */
  readonly key?: KeyOf | undefined
  /** How much of the limit it takes. A whole number from 1 on. Default: 1. */
  readonly cost?: number | ((request: HttpClientRequest.HttpClientRequest) => number) | undefined
  /**
   * What it learns from a response: the quotas of its headers and the hint of one that throttles, the latter alone, or nothing.
   * Default: "headers".
   */
  readonly learn?: "headers" | "throttling" | "nothing" | undefined
  /** What a response or an error means. Default: `Classifier.http`. */
  readonly classifier?: Classifier.Classifier<HttpClientResponse.HttpClientResponse> | undefined
}

/**
 * Sends a request when the rate limit of its key allows it, and learns from the response how much more the server will take.
 *
 * @since 0.1.0
 * @category guards
 */
export const rateLimit = (options: RateLimitOptions): Guard<RateLimit.RateLimited> => {
  const { classifier = Classifier.http, cost = 1, learn = "headers", limiter } = options
  const read = learn === "headers"
    ? Advice.headers(classifier)
    : learn === "throttling"
    ? Advice.throttling(classifier)
    : Advice.none
  if (typeof cost === "number") return make(RateLimit.guard(limiter, read, cost), options.key)
  const key = options.key ?? byOrigin()
  return (effect, request) =>
    Effect.suspend(() => Guarded.run(RateLimit.guard(limiter, read, cost(request)), key(request), effect))
}

/**
 * What is spared by not sending all.
 *
 * @since 0.1.0
 * @category models
 */
export interface AdaptiveThrottleOptions {
  readonly throttle: AdaptiveThrottle.AdaptiveThrottle
  /** Whose load a request is. Default: `origin`, of its URL. */
  readonly key?: KeyOf | undefined
  /** What a response or an error means. Default: `Classifier.http`. */
  readonly classifier?: Classifier.Classifier<HttpClientResponse.HttpClientResponse> | undefined
}

/**
 * Sends a request or, where its origin rejects too much of what it is sent, does not.
 *
 * @since 0.1.0
 * @category guards
 */
export const adaptiveThrottle = (
  { classifier = Classifier.http, key, throttle }: AdaptiveThrottleOptions
): Guard<AdaptiveThrottle.LoadShed> => make(AdaptiveThrottle.guard(throttle, classifier), key)

/**
 * What has a limit that is learned.
 *
 * @since 0.1.0
 * @category models
 */
export interface AdaptiveLimitOptions {
  readonly limit: AdaptiveLimit.AdaptiveLimit
  /** What has a limit of its own. Default: `origin`, of the URL. */
  readonly key?: KeyOf | undefined
  /** What a response or an error means. Default: `Classifier.http`. */
  readonly classifier?: Classifier.Classifier<HttpClientResponse.HttpClientResponse> | undefined
}

/**
 * Sends a request when the limit of its key lets it, and learns from how long its headers took.
 *
 * @since 0.1.0
 * @category guards
 */
export const adaptiveLimit = (
  { classifier = Classifier.http, key, limit }: AdaptiveLimitOptions
): Guard<AdaptiveLimit.LimitReached> => make(AdaptiveLimit.guard(limit, classifier), key)
