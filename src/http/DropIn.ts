/**
 * The second face of a client: no error in its type but the platform's.
 *
 * The tag `HttpClient.HttpClient`, `HttpApiClient`, `RpcClient` and the AI clients all want a client that fails with
 * `HttpClientError`. Refusals of this library are folded into it; nothing of them is lost.
 *
 * @since 0.1.0
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as AdaptiveLimit from "../strategy/AdaptiveLimit.ts"
import type * as AdaptiveThrottle from "../strategy/AdaptiveThrottle.ts"
import type * as Bulkhead from "../strategy/Bulkhead.ts"
import type * as CircuitBreaker from "../strategy/CircuitBreaker.ts"
import type * as Deadline from "../strategy/Deadline.ts"
import type * as RateLimit from "../strategy/RateLimit.ts"
import type * as Retry from "../strategy/Retry.ts"
import type * as Timeout from "../strategy/Timeout.ts"
import type * as Degraded from "./Degraded.ts"
import type * as Redirect from "./Redirect.ts"

/**
 * What this library adds to the errors of a client.
 *
 * @since 0.1.0
 * @category models
 */
export type Refusal =
  | Timeout.AttemptTimeout
  | Deadline.DeadlineExceeded
  | Retry.RetriesExhausted
  | CircuitBreaker.CircuitOpen
  | Bulkhead.BulkheadFull
  | AdaptiveLimit.LimitReached
  | RateLimit.RateLimited
  | AdaptiveThrottle.LoadShed
  | Redirect.RedirectRefused
  | Degraded.ServiceDegraded

/**
 * A refusal in the form of the platform's error: tag `RequestError`, reason `Transport`, the refusal as its `cause`.
 *
 * **Gotchas**
 *
 * To the platform's own `retryTransient` every `Transport` error is worth another attempt. The classifiers of this library look at
 * the cause.
 *
 * @since 0.1.0
 * @category errors
 */
export class RefusalError extends HttpClientError.RequestError {
  declare readonly cause: Refusal
}

/**
 * The refusal that an error was made from. A limit that passed while a body was read is the `cause` of its `ResponseError` instead.
 *
 * @since 0.1.0
 * @category getters
 */
export const refusal = (error: unknown): Option.Option<Refusal> =>
  error instanceof RefusalError ? Option.some(error.cause) : Option.none()

/**
 * Folds the refusals of a client into the platform's error, so that it fits wherever an `HttpClient` is wanted.
 *
 * **Example** (As a layer)
 *
 * ```ts
 * import { HttpClient } from "@effect/platform"
 * import { DropIn, Resilience } from "effect-resilience"
 * import { HttpScript } from "effect-resilience/testing"
 * import { Effect, Layer, Option } from "effect"
 *
 * const HttpLive = Layer.effect(
 *   HttpClient.HttpClient,
 *   Effect.map(HttpClient.HttpClient, (client) => DropIn.fold(client.pipe(Resilience.withDeadline("20 millis"))))
 * ).pipe(Layer.provide(HttpScript.layer([{ status: 200, after: "1 minute" }])))
 *
 * const error = await HttpClient.get("http://slow.test/").pipe(Effect.flip, Effect.provide(HttpLive), Effect.runPromise)
 *
 * error._tag // => "RequestError"
 * Option.map(DropIn.refusal(error), (refusal) => refusal._tag) // => Option.some("DeadlineExceeded")
 * ```
 *
 * @since 0.1.0
 * @category combinators
 */
export const fold = <R>(
  client: HttpClient.HttpClient.With<HttpClientError.HttpClientError | Refusal, R>
): HttpClient.HttpClient.With<HttpClientError.HttpClientError, R> =>
  HttpClient.makeWith<never, never, HttpClientError.HttpClientError, R>(
    Effect.flatMap((request) =>
      Effect.catchAll(client.execute(request), (error): Effect.Effect<never, HttpClientError.HttpClientError> =>
        HttpClientError.isHttpClientError(error)
          ? Effect.fail(error)
          : new RefusalError({ request, reason: "Transport", cause: error, description: error.message }))
    ),
    Effect.succeed
  )
