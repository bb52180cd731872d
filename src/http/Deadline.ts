/**
 * A limit on a whole call over HTTP: its attempts, its waits, and the reading of its body.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { maxDelay } from "../core/Millis.ts"
import * as Deadline from "../strategy/Deadline.ts"
import * as Timeout from "../strategy/Timeout.ts"
import * as Body from "./Body.ts"
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
  if (millis >= maxDelay) return (handler) => handler
  return (handler) => (request) =>
    Effect.flatMap(Effect.zip(Clock.currentTimeMillis, Deadline.Deadline), ([now, outer]) => {
      const deadline = Math.min(now + millis, Option.getOrElse(outer, () => Infinity))
      const exceeded = () => new Deadline.DeadlineExceeded({ deadline, limit: deadline - now })
      return Effect.map(
        Deadline.until(handler(request), deadline, millis),
        (response) => Body.readableUntil(response, deadline, exceeded)
      )
    })
}
