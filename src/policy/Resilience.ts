/**
 * The strategies as combinators over the platform's `HttpClient`, one line each.
 *
 * A client is read downwards, from the wire to the caller: what stands above runs once per attempt, what stands below once per
 * call. Each combinator adds to the error type exactly what it can fail with.
 *
 * **Example** (A client for one service)
 *
 * ```ts
 * import { HttpClient } from "@effect/platform"
 * import { Resilience } from "effect-resilience"
 * import { HttpScript } from "effect-resilience/testing"
 * import { Effect } from "effect"
 *
 * const makeUsers = Effect.map(HttpClient.HttpClient, (client) =>
 *   client.pipe(
 *     Resilience.withAttemptTimeout("2 seconds"),
 *     Resilience.withAttemptSpan,
 *     Resilience.withRetry({ maxAttempts: 4 }),
 *     Resilience.withDeadline("10 seconds"),
 *     Resilience.withCallSpan("users")
 *   ))
 *
 * const program = Effect.gen(function*() {
 *   const users = yield* makeUsers
 *   return (yield* users.get("http://users.test/1")).status
 * })
 *
 * await program.pipe(Effect.provide(HttpScript.layer([{ status: 503 }, { status: 200 }])), Effect.runPromise) // => 200
 * ```
 *
 * @since 0.1.0
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import type * as Duration from "effect/Duration"
import type * as Failure from "../core/Failure.ts"
import * as AttemptHeader from "../http/AttemptHeader.ts"
import * as Buffered from "../http/Buffered.ts"
import * as Chaos from "../http/Chaos.ts"
import * as Deadline from "../http/Deadline.ts"
import * as DeadlineHeader from "../http/DeadlineHeader.ts"
import * as Fallback from "../http/Fallback.ts"
import * as Endpoints from "../http/Endpoints.ts"
import * as Guard from "../http/Guard.ts"
import * as Hedge from "../http/Hedge.ts"
import * as IdempotencyKey from "../http/IdempotencyKey.ts"
import * as Middleware from "../http/Middleware.ts"
import * as Overrides from "../http/Overrides.ts"
import * as PerRequest from "../http/PerRequest.ts"
import * as Redirect from "../http/Redirect.ts"
import * as Retry from "../http/Retry.ts"
import * as Timeout from "../http/Timeout.ts"
import type * as AdaptiveLimit from "../strategy/AdaptiveLimit.ts"
import type * as AdaptiveThrottle from "../strategy/AdaptiveThrottle.ts"
import type * as Bulkhead from "../strategy/Bulkhead.ts"
import type * as CircuitBreaker from "../strategy/CircuitBreaker.ts"
import type * as RateLimit from "../strategy/RateLimit.ts"
import * as Meter from "../telemetry/Meter.ts"
import * as Trace from "../telemetry/Trace.ts"

/**
 * A combinator over clients that adds the errors and requirements of its own.
 *
 * @since 0.1.0
 * @category models
 */
export type Combinator<E2 = never, R2 = never> = <E, R>(
  client: HttpClient.HttpClient.With<E, R>
) => HttpClient.HttpClient.With<E | E2, R | R2>

/**
 * Tells the other side with each attempt how much time is left. Stand nearest to the wire with it.
 *
 * @since 0.1.0
 * @category combinators
 */
export const withDeadlineHeader = (options?: DeadlineHeader.Options): Combinator =>
  Middleware.applyTo(DeadlineHeader.middleware(options))

/**
 * Tells the other side with each resend which attempt it is. Stand nearest to the wire with it.
 *
 * @since 0.1.0
 * @category combinators
 */
export const withAttemptHeader = (options?: AttemptHeader.Options): Combinator =>
  Middleware.applyTo(AttemptHeader.middleware(options))

/**
 * Gives each attempt a span of kind CLIENT in the place of the platform's.
 *
 * @since 0.1.0
 * @category combinators
 */
export const withAttemptSpan: Combinator = Middleware.applyTo(Trace.attemptSpan)

/**
 * Records how long each attempt takes, where `Metrics.layer` is provided. Stand where the attempt span stands.
 *
 * @since 0.1.0
 * @category combinators
 */
export const withMetrics = (name: string): Combinator => Middleware.applyTo(Meter.attempt(name))

/**
 * Interrupts an attempt that takes longer than so long.
 *
 * @since 0.1.0
 * @category combinators
 */
export const withAttemptTimeout = (
  options: Timeout.Options | Duration.DurationInput
): Combinator<Timeout.AttemptTimeout> => Middleware.applyTo(Timeout.middleware(options))

/**
 * Sends no request where the breaker of its origin is open.
 *
 * @since 0.1.0
 * @category combinators
 */
export const withCircuitBreaker = (options: Guard.CircuitBreakerOptions): Combinator<CircuitBreaker.CircuitOpen> =>
  Guard.client(Guard.circuitBreaker(options))

/**
 * Sends no more than so many requests of an origin at once.
 *
 * @since 0.1.0
 * @category combinators
 */
export const withBulkhead = (options: Guard.BulkheadOptions): Combinator<Bulkhead.BulkheadFull> =>
  Guard.client(Guard.bulkhead(options))

/**
 * Sends no more requests of an origin at once than it can serve without making them wait, which is learned from how long they take.
 *
 * @since 0.1.0
 * @category combinators
 */
export const withAdaptiveLimit = (options: Guard.AdaptiveLimitOptions): Combinator<AdaptiveLimit.LimitReached> =>
  Guard.client(Guard.adaptiveLimit(options))

/**
 * Sends no more requests to an origin than its rate limit allows, and learns from what the server says of its quotas.
 *
 * @since 0.1.0
 * @category combinators
 */
export const withRateLimit = (options: Guard.RateLimitOptions): Combinator<RateLimit.RateLimited> =>
  Guard.client(Guard.rateLimit(options))

/**
 * Sends a share of the requests only while an origin rejects too many.
 *
 * @since 0.1.0
 * @category combinators
 */
export const withAdaptiveThrottle = (options: Guard.AdaptiveThrottleOptions): Combinator<AdaptiveThrottle.LoadShed> =>
  Guard.client(Guard.adaptiveThrottle(options))

/**
 * Reads the body as part of the attempt, so that the attempt's limit covers it and a truncated one can be sent again.
 *
 * @since 0.1.0
 * @category combinators
 */
export const withBufferedBody = (options?: Buffered.Options): Combinator<HttpClientError.ResponseError> =>
  Middleware.applyTo(Buffered.middleware(options))

/**
 * Follows redirects, each as an attempt of its own, and leaves credentials and keys behind on a change of origin.
 *
 * @since 0.1.0
 * @category combinators
 */
export const withRedirects = (options?: Redirect.Options): Combinator<Redirect.RedirectRefused> =>
  Middleware.applyTo(Redirect.middleware(options))

/**
 * Sends a request again while it fails in a way that can pass; at the end returns what the last attempt gave.
 *
 * @since 0.1.0
 * @category combinators
 */
export const withRetry = <R = never>(options?: Retry.Options<R>): Combinator<never, R> =>
  Middleware.applyTo(Retry.middleware(options))

/**
 * Like `withRetry`, but fails with `RetriesExhausted` and the record of every attempt where it gives up.
 *
 * @since 0.1.0
 * @category combinators
 */
export const withRetryOrFail = <R = never>(options?: Retry.Options<R>): Combinator<Retry.RetriesExhausted, R> =>
  Middleware.applyTo(Retry.orFail(options))

/**
 * Sends a request once more after a delay while the first is on its way; the first good response is what the call gives.
 *
 * In the place of a retry, not around it.
 *
 * @since 0.1.0
 * @category combinators
 */
export const withHedge = (options: Hedge.Options): Combinator => Middleware.applyTo(Hedge.middleware(options))

/**
 * Sends each attempt of a call to another of these base URLs. Above the retry or the hedge, below the circuit breaker.
 *
 * @since 0.1.0
 * @category combinators
 */
export const withEndpoints = (options: Endpoints.Options | ReadonlyArray<string>): Combinator =>
  Middleware.applyTo(Endpoints.middleware(options))

/**
 * Gives each POST and PATCH a key that is the same on each of its attempts.
 *
 * @since 0.1.0
 * @category combinators
 */
export const withIdempotencyKey = (
  options?: IdempotencyKey.Options
): Combinator<HttpClientError.RequestError> => Middleware.applyTo(IdempotencyKey.middleware(options))

/**
 * Injects faults into attempts, where a `Chaos` reference turns it on. Stand nearest to the wire with it.
 *
 * @since 0.1.0
 * @category combinators
 */
export const withChaos = <E2 = never>(
  options: Chaos.Options<E2>
): Combinator<E2 | HttpClientError.RequestError> => Middleware.applyTo(Chaos.middleware(options))

/**
 * Gives something else in the place of a call that failed: what another handler gives, a value, or the last good response.
 *
 * @since 0.1.0
 * @category combinators
 */
export const withFallback = <K extends Failure.Tag = Fallback.Outage, E2 = never, R2 = never>(
  options: Fallback.Options<K, E2, R2>
): Combinator<E2, R2> => Middleware.applyTo(Fallback.middleware(options))

/**
 * Gives a call so long: its attempts, its waits, and the reading of its body.
 *
 * @since 0.1.0
 * @category combinators
 */
export const withDeadline = (limit: Duration.DurationInput): Combinator<Deadline.DeadlineExceeded> =>
  Middleware.applyTo(Deadline.middleware(limit))

/**
 * Makes the calls of an effect otherwise than their clients say: `client.get(url).pipe(Resilience.override({ retry: "none" }))`.
 *
 * @since 0.1.0
 * @category overriding
 */
export const override = Overrides.override

/**
 * Gives requests overrides by rules: which methods and paths, and what is otherwise for them. Below everything that they are about.
 *
 * @since 0.1.0
 * @category combinators
 */
export const withPerRequest = (options: PerRequest.Options): Combinator => Middleware.applyTo(PerRequest.middleware(options))

/**
 * Gives each call a span of kind INTERNAL, on which its waits and the reason of its end are written.
 *
 * @since 0.1.0
 * @category combinators
 */
export const withCallSpan = (name: string): Combinator => Middleware.applyTo(Trace.callSpan(name))
