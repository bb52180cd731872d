/**
 * A client with everything that a call between services needs, in one line.
 *
 * What it does is what `Resilience` does, in the canonical order: attempt timeout, attempt span, retry, idempotency key, deadline,
 * call span.
 *
 * **Example** (Drop in: the same tag in, the same tag out)
 *
 * ```ts
 * import { HttpClient } from "@effect/platform"
 * import { ResilientClient } from "effect-resilience"
 * import { HttpScript } from "effect-resilience/testing"
 * import { Effect, Layer } from "effect"
 *
 * const HttpLive = ResilientClient.layer().pipe(Layer.provide(HttpScript.layer([{ status: 503 }, { status: 200 }])))
 *
 * const status = Effect.map(HttpClient.get("http://users.test/1"), (response) => response.status)
 *
 * await status.pipe(Effect.provide(HttpLive), Effect.runPromise) // => 200
 * ```
 *
 * @since 0.1.0
 */
import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Buffered from "../http/Buffered.ts"
import * as Deadline from "../http/Deadline.ts"
import * as DropIn from "../http/DropIn.ts"
import * as IdempotencyKey from "../http/IdempotencyKey.ts"
import * as Middleware from "../http/Middleware.ts"
import * as Retry from "../http/Retry.ts"
import * as Timeout from "../http/Timeout.ts"
import * as Trace from "../telemetry/Trace.ts"

/**
 * Which strategies a client has. Each field is one strategy; "none" leaves it out.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options<out R = never> {
  /** The name of the call's span, and of the call in events. Default: "http". */
  readonly name?: string | undefined
  /**
   * Whether the body is read as part of the attempt, so that a truncated one can be sent again. Default: "none": it is handed over
   * as a stream, and what breaks off after that is yours.
   */
  readonly bufferedBody?: Buffered.Options | "none" | undefined
  /** Default: 10 seconds, until the headers have arrived, or the body has where it is buffered. */
  readonly attemptTimeout?: Timeout.Options | Duration.DurationInput | "none" | undefined
  /** Default: 3 attempts, `RetrySchedule.standard`. */
  readonly retry?: Omit<Retry.Options<R>, "name"> | "none" | undefined
  /** Default: "none", because only you know whether the other side honours keys. */
  readonly idempotencyKey?: IdempotencyKey.Options | "none" | undefined
  /** Default: 30 seconds for the whole call, its body included. */
  readonly deadline?: Duration.DurationInput | "none" | undefined
}

/**
 * The errors that a client of this module can fail with beside the platform's.
 *
 * @since 0.1.0
 * @category models
 */
export type Refusal = Timeout.AttemptTimeout | Deadline.DeadlineExceeded

/**
 * All strategies of the options as one middleware.
 *
 * @since 0.1.0
 * @category constructors
 */
export const middleware = <R = never>(
  options: Options<R> = {}
): Middleware.Middleware<Refusal | HttpClientError.HttpClientError, R> => {
  const {
    attemptTimeout = "10 seconds",
    bufferedBody = "none",
    deadline = "30 seconds",
    idempotencyKey = "none",
    name = "http",
    retry = {}
  } = options
  // A key under a name of your own makes a request idempotent too.
  const keyHeaders = idempotencyKey !== "none" && idempotencyKey.header !== undefined
    ? { keyHeaders: [idempotencyKey.header] }
    : {}
  return Middleware.stack(
    bufferedBody === "none" ? Middleware.identity : Buffered.middleware(bufferedBody),
    attemptTimeout === "none" ? Middleware.identity : Timeout.middleware(attemptTimeout),
    // Outside the limit, so that the span of an attempt that took too long says so.
    Trace.attemptSpan,
    retry === "none" ? Middleware.identity : Retry.middleware({ ...keyHeaders, ...retry, name }),
    idempotencyKey === "none" ? Middleware.identity : IdempotencyKey.middleware(idempotencyKey),
    deadline === "none" ? Middleware.identity : Deadline.middleware(deadline),
    Trace.callSpan(name)
  )
}

/**
 * Makes a client whose error type shows what was added.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = <R = never>(
  options?: Options<R>
): Effect.Effect<
  HttpClient.HttpClient.With<HttpClientError.HttpClientError | Refusal, R>,
  never,
  HttpClient.HttpClient
> => Effect.map(HttpClient.HttpClient, Middleware.applyTo(middleware(options)))

/**
 * Makes a client that fits wherever an `HttpClient` is wanted: refusals are folded into the platform's error (`DropIn`).
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeDropIn = (options?: Options): Effect.Effect<HttpClient.HttpClient, never, HttpClient.HttpClient> =>
  Effect.map(make(options), DropIn.fold)

/**
 * Replaces the client of an application by a resilient one. Application code does not change.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options?: Options): Layer.Layer<HttpClient.HttpClient, never, HttpClient.HttpClient> =>
  Layer.effect(HttpClient.HttpClient, makeDropIn(options))
