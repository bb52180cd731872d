/**
 * A limit on a whole call over HTTP: its attempts, its waits, and the reading of its body.
 *
 * @since 0.1.0
 */
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import { maxDelay, type Millis } from "../core/Millis.ts"
import * as Deadline from "../strategy/Deadline.ts"
import * as Timeout from "../strategy/Timeout.ts"
import * as Body from "./Body.ts"
import * as CurrentOverrides from "./CurrentOverrides.ts"
import type * as Middleware from "./Middleware.ts"

export { Deadline, DeadlineExceeded, remaining, within } from "../strategy/Deadline.ts"

/**
 * Gives a call so long, its body included; nested deadlines take the earlier one. More than 0, else `InvalidOption` is thrown;
 * infinity is no deadline.
 *
 * @since 0.1.0
 * @category middleware
 */
export const middleware = (limit: Duration.DurationInput): Middleware.Middleware<Deadline.DeadlineExceeded> => {
  const millis = Timeout.limitMillis("Deadline", limit)
  return <E, R>(handler: Middleware.Handler<E, R>): Middleware.Handler<E | Deadline.DeadlineExceeded, R> => (request) =>
    Effect.withFiberRuntime<Response, E | Deadline.DeadlineExceeded, R>((fiber) => {
      const other = CurrentOverrides.of(fiber, request)
      if (other === undefined) return limited(fiber, handler(request), millis)
      return other.bind(limited(fiber, Effect.suspend(() => handler(request)), other.deadline ?? millis), request)
    })
}

type Response = HttpClientResponse.HttpClientResponse

const limited = <E, R>(
  fiber: Fiber.RuntimeFiber<unknown, unknown>,
  call: Effect.Effect<Response, E, R>,
  millis: Millis
): Effect.Effect<Response, E | Deadline.DeadlineExceeded, R> => {
  if (millis >= maxDelay) return call
  const now = Context.get(fiber.currentDefaultServices, Clock.Clock).unsafeCurrentTimeMillis()
  const deadline = Math.min(now + millis, Option.getOrElse(Deadline.of(fiber), () => Infinity))
  const exceeded = () => new Deadline.DeadlineExceeded({ deadline, limit: deadline - now })
  return Effect.map(
    Deadline.until(call, deadline, millis),
    (response) => Body.readableUntil(response, deadline, exceeded)
  )
}
