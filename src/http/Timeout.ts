/**
 * A limit on the time of one attempt, over HTTP.
 *
 * @since 0.1.0
 */
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { maxDelay, type Millis } from "../core/Millis.ts"
import * as Timeout from "../strategy/Timeout.ts"
import * as Body from "./Body.ts"
import * as CurrentOverrides from "./CurrentOverrides.ts"
import type * as Middleware from "./Middleware.ts"

export { AttemptTimeout, timeout } from "../strategy/Timeout.ts"

/**
 * How long an attempt may take, and how much of it that is.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** More than 0, else `InvalidOption` is thrown; infinity is no limit. */
  readonly limit: Duration.DurationInput
  /**
   * What the limit covers: the time until the headers have arrived, or until the body has been read as well. Default: "headers".
   * A body that is late fails its reader, after the response was handed over: no retry sees that.
   */
  readonly covers?: "headers" | "body" | undefined
}

/**
 * Interrupts an attempt, closing its socket, when it takes longer than so long.
 *
 * @since 0.1.0
 * @category middleware
 */
export const middleware = (options: Options | Duration.DurationInput): Middleware.Middleware<Timeout.AttemptTimeout> => {
  const { covers = "headers", limit }: Options = isOptions(options) ? options : { limit: options }
  const millis = Timeout.limitMillis("Timeout", limit)
  const ofClient = limited(millis, covers)
  return <E, R>(handler: Middleware.Handler<E, R>): Middleware.Handler<E | Timeout.AttemptTimeout, R> => (request) =>
    Effect.withFiberRuntime<Response, E | Timeout.AttemptTimeout, R>((fiber) => {
      const other = CurrentOverrides.of(fiber, request)
      if (other === undefined) return ofClient(handler(request))
      const { attemptTimeout } = other
      const limit = attemptTimeout === undefined ? ofClient : limited(attemptTimeout, covers)
      return other.bind(limit(Effect.suspend(() => handler(request))), request)
    })
}

type Response = HttpClientResponse.HttpClientResponse

const limited = (millis: Millis, covers: "headers" | "body") => {
  const late = (phase: "headers" | "body") => () => new Timeout.AttemptTimeout({ limit: millis, phase })
  const headers = late("headers")
  const body = late("body")
  return <E, R>(attempt: Effect.Effect<Response, E, R>): Effect.Effect<Response, E | Timeout.AttemptTimeout, R> =>
    covers === "headers" || millis >= maxDelay
      ? Timeout.within(attempt, millis, headers, "attempt")
      : Effect.flatMap(Clock.currentTimeMillis, (start) =>
        Effect.map(
          Timeout.within(attempt, millis, headers, "attempt"),
          (response) => Body.readableUntil(response, start + millis, body)
        ))
}

const isOptions = (u: Options | Duration.DurationInput): u is Options =>
  typeof u === "object" && "limit" in u
