/**
 * A limit on a whole call: an instant, not a length, so that it can travel.
 *
 * The deadline of a fiber is seen by everything it calls. Nested deadlines take the earlier one; attempts, waits and body reads
 * all end at the same instant; a wait that would outlive it is not begun.
 *
 * **Example** (The inner deadline cannot extend the outer one)
 *
 * ```ts
 * import { Deadline } from "effect-resilience"
 * import { Effect, Option } from "effect"
 *
 * const remaining = Effect.map(Deadline.remaining, Option.exists((left) => left <= 1_000))
 *
 * await remaining.pipe(Deadline.within("1 minute"), Deadline.within("1 second"), Effect.runPromise) // => true
 * ```
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import { dual } from "effect/Function"
import * as Option from "effect/Option"
import type { Millis } from "../core/Millis.ts"
import { maxDelay } from "../core/Millis.ts"
import * as Failure from "../core/Failure.ts"
import * as Surroundings from "./Surroundings.ts"
import * as Timeout from "./Timeout.ts"

/**
 * The deadline of a call has passed.
 *
 * @since 0.1.0
 * @category errors
 */
export class DeadlineExceeded extends Data.TaggedError("DeadlineExceeded")<{
  /** The instant, in ms since the epoch. */
  readonly deadline: Millis
  /** How long the call was given when it began, in ms. */
  readonly limit: Millis
}> {
  override get message(): string {
    return `the deadline passed: the call had ${this.limit}ms`
  }

  /** To an outer retry a deadline is our own refusal: it says nothing about the peer, and nothing is sent again. */
  get [Failure.key](): Failure.Failure {
    return Failure.rejected("DeadlineExceeded")
  }
}

/**
 * The deadline of the current fiber, in ms since the epoch.
 *
 * @since 0.1.0
 * @category references
 */
export class Deadline extends Context.Reference<Deadline>()("effect-resilience/Deadline", {
  defaultValue: (): Option.Option<Millis> => Option.none()
}) {}

/**
 * The deadline of a fiber, without an effect.
 *
 * @since 0.1.0
 * @category getters
 */
export const of = (fiber: Fiber.RuntimeFiber<unknown, unknown>): Option.Option<Millis> =>
  Context.get(fiber.currentContext, Deadline)

/**
 * How much time the current fiber has left in ms, never negative; `None` where it has no deadline.
 *
 * @since 0.1.0
 * @category getters
 */
export const remaining: Effect.Effect<Option.Option<Millis>> = Effect.flatMap(Deadline, (deadline) =>
  Option.isNone(deadline)
    ? Effect.succeedNone
    : Effect.map(Clock.currentTimeMillis, (now) => Option.some(Math.max(0, deadline.value - now))))

/**
 * Runs an effect with an instant as its deadline, or with the current one where that is earlier.
 *
 * **Details**
 *
 * Nothing is begun when the earlier instant has passed already. A timer is set only where this deadline is the earlier one: the
 * outer one has its own.
 *
 * @since 0.1.0
 * @category building
 */
export const until = <A, E, R>(
  self: Effect.Effect<A, E, R>,
  deadline: Millis,
  limit: Millis
): Effect.Effect<A, E | DeadlineExceeded, R> =>
  Effect.withFiberRuntime<A, E | DeadlineExceeded, R>((fiber) => {
    const current = Option.getOrElse(of(fiber), () => Infinity)
    const now = Context.get(fiber.currentDefaultServices, Clock.Clock).unsafeCurrentTimeMillis()
    const earlier = Math.min(current, deadline)
    const exceeded = () => new DeadlineExceeded({ deadline: earlier, limit })
    if (earlier <= now) return Effect.fail(exceeded())
    return current <= deadline
      ? self
      : Timeout.within(Surroundings.provide(self, Deadline, Option.some(deadline)), deadline - now, exceeded)
  })

/**
 * Gives an effect so long, everything it calls included; it fails with `DeadlineExceeded` when the time is over.
 *
 * @since 0.1.0
 * @category combinators
 */
export const within: {
  /** Gives an effect so long, everything it calls included. */
  (limit: Duration.DurationInput): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E | DeadlineExceeded, R>
  /** Gives an effect so long, everything it calls included. */
  <A, E, R>(self: Effect.Effect<A, E, R>, limit: Duration.DurationInput): Effect.Effect<A, E | DeadlineExceeded, R>
} = dual(2, <A, E, R>(self: Effect.Effect<A, E, R>, limit: Duration.DurationInput) => {
  const millis = Timeout.limitMillis("Deadline.within", limit)
  return millis >= maxDelay
    ? self
    : Effect.flatMap(Clock.currentTimeMillis, (now) => until(self, now + millis, millis))
})
