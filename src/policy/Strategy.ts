/**
 * The strategies that a `ResilientClient` does not have by default, to be given to it.
 *
 * Each is a value: which strategy, with which options, checked when it is written. What it has to remember (the state of a breaker, the
 * permits of a bulkhead) is allocated when a client is made, for that client. Given a handle that was made before, such as
 * `{ breaker }`, it is shared with whoever else has that.
 *
 * They are not options of the client itself so that a program which uses none of them holds no code of them.
 *
 * **Example** (A client with a circuit breaker and a bulkhead)
 *
 * ```ts
 * import { CircuitBreaker, ResilientClient, Strategy } from "effect-resilience"
 * import { HttpScript } from "effect-resilience/testing"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const users = yield* ResilientClient.make({
 *     circuitBreaker: Strategy.circuitBreaker({ tripPolicy: CircuitBreaker.consecutive(1) }),
 *     bulkhead: Strategy.bulkhead({ permits: 20, queue: 100 }),
 *     retry: "none"
 *   })
 *   yield* users.get("http://users.test/1")
 *   return yield* Effect.flip(users.get("http://users.test/1"))
 * })
 *
 * const error = await program.pipe(Effect.provide(HttpScript.layer([{ status: 503 }])), Effect.runPromise)
 *
 * error._tag // => "CircuitOpen"
 * ```
 *
 * @since 0.1.0
 */
import type * as HttpClientError from "@effect/platform/HttpClientError"
import * as Effect from "effect/Effect"
import type * as Failure from "../core/Failure.ts"
import * as AttemptHeader from "../http/AttemptHeader.ts"
import * as Buffered from "../http/Buffered.ts"
import * as Chaos from "../http/Chaos.ts"
import * as DeadlineHeader from "../http/DeadlineHeader.ts"
import * as Endpoints from "../http/Endpoints.ts"
import * as Fallback from "../http/Fallback.ts"
import * as Guard from "../http/Guard.ts"
import * as Hedge from "../http/Hedge.ts"
import * as IdempotencyKey from "../http/IdempotencyKey.ts"
import * as LastResponse from "../http/LastResponse.ts"
import type * as Middleware from "../http/Middleware.ts"
import * as PerRequest from "../http/PerRequest.ts"
import * as Redirect from "../http/Redirect.ts"
import * as AdaptiveLimit from "../strategy/AdaptiveLimit.ts"
import * as AdaptiveThrottle from "../strategy/AdaptiveThrottle.ts"
import * as Bulkhead from "../strategy/Bulkhead.ts"
import * as CircuitBreaker from "../strategy/CircuitBreaker.ts"
import * as MovingQuantile from "../strategy/MovingQuantile.ts"
import * as RateLimit from "../strategy/RateLimit.ts"
import type * as Order from "./Order.ts"

export type { Client, KeyStrategy, Place, Strategy } from "./Order.ts"

/**
 * Puts a middleware of your own in a place of the order.
 *
 * @since 0.1.0
 * @category constructors
 */
export const of = <P extends Order.Place, E, R>(
  place: P,
  middleware: Middleware.Middleware<E, R>
): Order.Strategy<P, E, R> => ({ place, make: () => Effect.succeed(middleware) })

const guarded = <P extends Order.Place, H, E>(
  place: P,
  handle: Effect.Effect<H>,
  guard: (handle: H, client: Order.Client) => Guard.Guard<E>
): Order.Strategy<P, E> => ({
  place,
  make: (client) => Effect.map(handle, (handle) => Guard.middleware(guard(handle, client)))
})

/**
 * Injects faults into attempts, where a `Chaos` reference turns it on.
 *
 * @since 0.1.0
 * @category constructors
 */
export const chaos = <E = never>(
  options: Chaos.Options<E>
): Order.Strategy<"chaos", E | HttpClientError.RequestError> => of("chaos", Chaos.middleware(options))

/**
 * Tells the other side with each attempt how much time is left.
 *
 * @since 0.1.0
 * @category constructors
 */
export const deadlineHeader = (options?: DeadlineHeader.Options): Order.Strategy<"deadlineHeader"> =>
  of("deadlineHeader", DeadlineHeader.middleware(options))

/**
 * Tells the other side with each resend which attempt it is.
 *
 * @since 0.1.0
 * @category constructors
 */
export const attemptHeader = (options?: AttemptHeader.Options): Order.Strategy<"attemptHeader"> =>
  of("attemptHeader", AttemptHeader.middleware(options))

/**
 * Reads the body as part of the attempt.
 *
 * @since 0.1.0
 * @category constructors
 */
export const bufferedBody = (options?: Buffered.Options): Order.Strategy<"bufferedBody", HttpClientError.ResponseError> =>
  of("bufferedBody", Buffered.middleware(options))

/**
 * Follows redirects without giving credentials, keys or bodies away.
 *
 * @since 0.1.0
 * @category constructors
 */
export const redirects = (options?: Redirect.Options): Order.Strategy<"redirects", Redirect.RedirectRefused> =>
  of("redirects", Redirect.middleware(options))

/**
 * Sends so many requests of an origin in so long.
 *
 * @since 0.1.0
 * @category constructors
 */
export const rateLimit = (
  options: Guard.RateLimitOptions | RateLimit.Options & Omit<Guard.RateLimitOptions, "limiter">
): Order.Strategy<"rateLimit", RateLimit.RateLimited> =>
  guarded("rateLimit", "limiter" in options ? Effect.succeed(options.limiter) : RateLimit.make(options), (limiter, client) =>
    Guard.rateLimit({ ...options, limiter, classifier: options.classifier ?? client.classifier }))

/**
 * Sends nothing for a while to an origin that keeps failing.
 *
 * @since 0.1.0
 * @category constructors
 */
export const circuitBreaker = (
  options: Guard.CircuitBreakerOptions | CircuitBreaker.Options & Omit<Guard.CircuitBreakerOptions, "breaker"> = {}
): Order.Strategy<"circuitBreaker", CircuitBreaker.CircuitOpen> =>
  guarded("circuitBreaker", "breaker" in options ? Effect.succeed(options.breaker) : CircuitBreaker.make(options), (breaker, client) =>
    Guard.circuitBreaker({ ...options, breaker, classifier: options.classifier ?? client.classifier }))

/**
 * Does not send a share of the requests while an origin rejects too many.
 *
 * @since 0.1.0
 * @category constructors
 */
export const adaptiveThrottle = (
  options: Guard.AdaptiveThrottleOptions | AdaptiveThrottle.Options & Omit<Guard.AdaptiveThrottleOptions, "throttle"> = {}
): Order.Strategy<"adaptiveThrottle", AdaptiveThrottle.LoadShed> =>
  guarded(
    "adaptiveThrottle",
    "throttle" in options ? Effect.succeed(options.throttle) : AdaptiveThrottle.make(options),
    (throttle, client) => Guard.adaptiveThrottle({ ...options, throttle, classifier: options.classifier ?? client.classifier })
  )

/**
 * Sends as many requests of an origin at once as it can serve without making them wait, which is learned.
 *
 * @since 0.1.0
 * @category constructors
 */
export const adaptiveLimit = (
  options: Guard.AdaptiveLimitOptions | AdaptiveLimit.Options & Omit<Guard.AdaptiveLimitOptions, "limit"> = {}
): Order.Strategy<"adaptiveLimit", AdaptiveLimit.LimitReached> =>
  guarded("adaptiveLimit", "limit" in options ? Effect.succeed(options.limit) : AdaptiveLimit.make(options), (limit, client) =>
    Guard.adaptiveLimit({ ...options, limit, classifier: options.classifier ?? client.classifier }))

/**
 * Sends so many requests of an origin at once.
 *
 * @since 0.1.0
 * @category constructors
 */
export const bulkhead = (
  options: Guard.BulkheadOptions | Bulkhead.Options & Omit<Guard.BulkheadOptions, "bulkhead">
): Order.Strategy<"bulkhead", Bulkhead.BulkheadFull> =>
  guarded("bulkhead", "bulkhead" in options ? Effect.succeed(options.bulkhead) : Bulkhead.make(options), (bulkhead) =>
    Guard.bulkhead({ ...options, bulkhead }))

/**
 * Sends each attempt of a call to another of these base URLs.
 *
 * @since 0.1.0
 * @category constructors
 */
export const endpoints = (options: Endpoints.Options | ReadonlyArray<string>): Order.Strategy<"endpoints"> =>
  of("endpoints", Endpoints.middleware(options))

/**
 * How to hedge the calls of a client.
 *
 * @since 0.1.0
 * @category models
 */
export interface HedgeOptions extends Omit<Hedge.Options, "budget" | "delay" | "name"> {
  /** A duration, a handle that is shared with others, or how to make one for each client. See `Hedge`. */
  readonly delay: Hedge.Options["delay"] | MovingQuantile.Options
}

const isLearned = (delay: HedgeOptions["delay"]): delay is MovingQuantile.Options => typeof delay === "object" && "fallback" in delay &&
  !MovingQuantile.isMovingQuantile(delay)

/**
 * Sends a request once more before the first attempt has ended, in the place of the retry. Further attempts are paid with the budget
 * of the client.
 *
 * @since 0.1.0
 * @category constructors
 */
export const hedge = ({ delay, ...options }: HedgeOptions): Order.Strategy<"resend"> => {
  const learning: Effect.Effect<Hedge.Options["delay"]> = isLearned(delay) ? MovingQuantile.make(delay) : Effect.succeed(delay)
  // Checked here. What it is paid with belongs to the client.
  Hedge.middleware({ ...options, delay: isLearned(delay) ? delay.fallback : delay })
  return {
    place: "resend",
    make: ({ budget, classifier, keyHeaders, name }) =>
      Effect.map(learning, (delay) =>
        Hedge.middleware({
          ...options,
          delay,
          classifier: options.classifier ?? classifier,
          keyHeaders: options.keyHeaders ?? keyHeaders,
          budget,
          name
        }))
  }
}

/**
 * Gives each call a key that is the same on each of its attempts, and makes it one that may be sent again.
 *
 * @since 0.1.0
 * @category constructors
 */
export const idempotencyKey = (options: IdempotencyKey.Options = {}): Order.KeyStrategy => ({
  ...of("idempotencyKey", IdempotencyKey.middleware(options)),
  keyHeaders: options.header === undefined ? undefined : [options.header]
})

/**
 * Gives something else in the place of a call that failed.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fallback = <K extends Failure.Tag = Fallback.Outage, E = never, R = never>(
  options: Fallback.Options<K, E, R>
): Order.Strategy<"fallback", E, R> => {
  Fallback.middleware(options)
  return {
    place: "fallback",
    make: ({ classifier }) =>
      Effect.sync(() => Fallback.middleware({ ...options, classifier: options.classifier ?? classifier }))
  }
}

/**
 * Gives the last good response in the place of a call that failed, where there is one.
 *
 * @since 0.1.0
 * @category constructors
 */
export const lastGood = <K extends Failure.Tag = Fallback.Outage>(
  options: LastResponse.Options & Omit<Fallback.Options<K>, "to" | "value" | "lastGood"> = {}
): Order.Strategy<"fallback"> => {
  const store = LastResponse.make(options)
  return {
    place: "fallback",
    make: (client) => Effect.flatMap(store, (lastGood) => fallback<K>({ ...options, lastGood }).make(client))
  }
}

/**
 * Makes some requests otherwise than the client says, by rules: which methods and paths, and what is otherwise for them.
 *
 * @since 0.1.0
 * @category constructors
 */
export const perRequest = (rules: PerRequest.Options): Order.Strategy<"perRequest"> => of("perRequest", PerRequest.middleware(rules))
