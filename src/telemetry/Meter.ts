/**
 * What records metrics, if anything does, and the request that it is told of.
 *
 * A meter is a `Context.Reference` that records nothing by default: a client that could be measured costs one look-up a request more.
 * `Metrics.layer` provides one.
 *
 * @since 0.1.0
 */
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type * as Measurement from "../core/Measurement.ts"
import type * as Middleware from "../http/Middleware.ts"

/**
 * A request that was sent, and what came of it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Sent {
  /** What the client is called. */
  readonly name: string
  readonly request: HttpClientRequest.HttpClientRequest
  readonly exit: Exit.Exit<HttpClientResponse.HttpClientResponse, unknown>
  readonly nanos: bigint
}

/**
 * What records metrics.
 *
 * @since 0.1.0
 * @category models
 */
export interface Meter extends Measurement.Bounds {
  readonly record: (measurement: Measurement.Measurement) => void
  readonly request: (sent: Sent) => void
  /** The keys that are shown. */
  readonly keys: ReadonlyArray<string>
}

/**
 * The meter that records nothing.
 *
 * @since 0.1.0
 * @category constructors
 */
export const none: Meter = {
  record: () => {},
  request: () => {},
  name: (name) => name,
  key: (key) => key,
  server: () => ({ address: "", port: "" }),
  keys: []
}

/**
 * The meter of the current fiber: it records nothing by default.
 *
 * @since 0.1.0
 * @category references
 */
export class CurrentMeter extends Context.Reference<CurrentMeter>()("effect-resilience/Meter", {
  defaultValue: (): Meter => none
}) {}

/**
 * The meter of a fiber, without an effect.
 *
 * @since 0.1.0
 * @category getters
 */
export const of = (fiber: Fiber.RuntimeFiber<unknown, unknown>): Meter => fiber.currentContext.unsafeMap.get(CurrentMeter.key) ?? none

/**
 * Records how long each attempt takes until its headers have come, as `http.client.request.duration`. Stand where the attempt span stands.
 *
 * **Details**
 *
 * `name` is shown as `resilience.name`. The server is that of the request as it was sent, where the response or the error says which that
 * was. An attempt that is interrupted, a loser of a hedge say, is recorded too: its `error.type` is "interrupted".
 *
 * @since 0.1.0
 * @category middleware
 */
export const attempt = (name: string): Middleware.Middleware => (handler) => (request) =>
  Effect.withFiberRuntime((fiber) => {
    const meter = of(fiber)
    if (meter === none) return handler(request)
    return Effect.uninterruptibleMask((restore) => {
      const clock: Clock.Clock = fiber.currentDefaultServices.unsafeMap.get(Clock.Clock.key)
      const began = clock.unsafeCurrentTimeNanos()
      const ended = (exit: Exit.Exit<HttpClientResponse.HttpClientResponse, unknown>) =>
        meter.request({ name, request, exit, nanos: clock.unsafeCurrentTimeNanos() - began })
      // A handler may throw when it is called: suspended, that is a defect of the effect.
      return Effect.matchCauseEffect(restore(Effect.suspend(() => handler(request))), {
        onFailure: (cause) => {
          const exit = Exit.failCause(cause)
          ended(exit)
          return exit
        },
        onSuccess: (response) => {
          const exit = Exit.succeed(response)
          ended(exit)
          return exit
        }
      })
    })
  })
