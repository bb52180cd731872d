/**
 * When the attempt that a fiber makes ends at the latest: what an attempt timeout tells those inside of it.
 *
 * A deadline (`Deadline`) is for a whole call, and everything below it may wait until then. This one is for those who tell the other
 * side how long they will listen.
 *
 * @since 0.1.0
 */
import type * as Fiber from "effect/Fiber"
import * as FiberRef from "effect/FiberRef"
import { globalValue } from "effect/GlobalValue"
import * as Option from "effect/Option"
import type { Millis } from "../core/Millis.ts"

/**
 * The instant in ms since the epoch; `None` where the attempt has no limit.
 *
 * **Details**
 *
 * Fibers that the attempt starts have it too. It never comes back to the fiber that the attempt was made for.
 *
 * @since 0.1.0
 * @category references
 */
export const ref: FiberRef.FiberRef<Option.Option<Millis>> = globalValue(
  "effect-resilience/AttemptDeadline",
  () => FiberRef.unsafeMake<Option.Option<Millis>>(Option.none(), { join: (outer) => outer })
)

/**
 * The instant at which the attempt of a fiber ends, without an effect.
 *
 * @since 0.1.0
 * @category getters
 */
export const of = (fiber: Fiber.RuntimeFiber<unknown, unknown>): Option.Option<Millis> => fiber.getFiberRef(ref)

/**
 * The earlier of an instant and the one that a fiber has already: an attempt inside an attempt does not outlive it.
 *
 * @since 0.1.0
 * @category getters
 */
export const earlier = (fiber: Fiber.RuntimeFiber<unknown, unknown>, ends: Millis): Option.Option<Millis> => {
  const outer = of(fiber)
  return Option.isSome(outer) && outer.value <= ends ? outer : Option.some(ends)
}
