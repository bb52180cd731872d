/**
 * A limit on the time of one attempt, over any Effect.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type { LazyArg } from "effect/Function"
import { dual } from "effect/Function"
import * as Option from "effect/Option"
import type { Millis } from "../core/Backoff.ts"
import { maxDelay } from "../core/Backoff.ts"
import * as Failure from "../core/Failure.ts"
import { durationMillis } from "../core/InvalidOption.ts"

/**
 * An attempt took longer than its limit.
 *
 * @since 0.1.0
 * @category errors
 */
export class AttemptTimeout extends Data.TaggedError("AttemptTimeout")<{
  /** In ms. */
  readonly limit: Millis
  /** What was being waited for. */
  readonly phase: "headers" | "body"
}> {
  override get message(): string {
    return `no ${this.phase === "headers" ? "response" : "end of the body"} within ${this.limit}ms`
  }

  get [Failure.key](): Failure.Failure {
    return Failure.attemptTimedOut(Option.some(this.limit), this.phase)
  }
}

/**
 * The platform's live clock has a scheduler, which its type does not show: a timer without a fiber. A test clock has none, and
 * there a forked sleep does the same.
 */
const schedulerOf = (clock: Clock.Clock): Option.Option<Clock.ClockScheduler> => {
  if (!("scheduler" in clock) || typeof clock.scheduler !== "function") return Option.none()
  // ClockImpl.scheduler() is `Effect.succeed(...)`, which is an Exit: it can be read without being run.
  const scheduler: unknown = clock.scheduler()
  return Exit.isExit(scheduler) && Exit.isSuccess(scheduler)
    ? Option.some(scheduler.value as Clock.ClockScheduler)
    : Option.none()
}

/** The exit of a fiber, or `None` where `limit` ms pass first. */
const exitWithin = <A, E>(child: Fiber.RuntimeFiber<A, E>, limit: Millis): Effect.Effect<Option.Option<Exit.Exit<A, E>>> =>
  Effect.clockWith((clock) => {
    const duration = Duration.millis(limit)
    const scheduler = schedulerOf(clock)
    if (Option.isNone(scheduler)) {
      return Effect.raceFirst(Effect.asSome(Fiber.await(child)), Effect.as(clock.sleep(duration), Option.none()))
    }
    return Effect.async<Option.Option<Exit.Exit<A, E>>>((resume) => {
      const cancel = scheduler.value.unsafeSchedule(() => resume(Effect.succeedNone), duration)
      child.addObserver((exit) => {
        cancel()
        resume(Effect.succeed(Option.some(exit)))
      })
      return Effect.sync(cancel)
    })
  })

/**
 * Runs an effect, and interrupts it when `limit` ms have passed: the one timer of this library.
 *
 * **Details**
 *
 * One forked fiber and one timer (`Effect.timeout` forks two and races them: three times the cost). The effect has been
 * interrupted, and its finalizers have run, when the timeout fails. Where it ends in the same tick as the timer, what it gave
 * is returned: a result that exists is not thrown away. A limit of 2^31 - 1 ms and more is no limit.
 *
 * @since 0.1.0
 * @category building
 */
export const within = <A, E, R, E2>(
  self: Effect.Effect<A, E, R>,
  limit: Millis,
  onTimeout: LazyArg<E2>
): Effect.Effect<A, E | E2, R> =>
  limit >= maxDelay ? self : Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(Effect.fork(restore(self)), (child) =>
      Effect.matchCauseEffect(restore(exitWithin(child, limit)), {
        // Only the interruption of the caller ends up here, and this region cannot be interrupted: nothing is left running.
        onFailure: (cause) => Effect.zipRight(Fiber.interrupt(child), Effect.failCause(cause)),
        onSuccess: (exit): Effect.Effect<A, E | E2> =>
          Option.isSome(exit)
            ? adopt(child, exit.value)
            : Effect.flatMap(Fiber.interrupt(child), (late): Effect.Effect<A, E | E2> =>
              Exit.isFailure(late) && Cause.isInterruptedOnly(late.cause)
                ? Effect.fail(onTimeout())
                : adopt(child, late))
      }))
  )

/** The exit of a child, with what it changed in the fiber's references, as if it had run in this fiber. */
const adopt = <A, E>(child: Fiber.RuntimeFiber<A, E>, exit: Exit.Exit<A, E>): Effect.Effect<A, E> =>
  Exit.isSuccess(exit) ? Effect.zipRight(child.inheritAll, exit) : exit

/**
 * Fails with `AttemptTimeout` when an effect takes longer than so long.
 *
 * **Example** (A limit on an effect that never ends)
 *
 * ```ts
 * import { Timeout } from "effect-resilience"
 * import { Effect, Either } from "effect"
 *
 * const result = await Effect.never.pipe(Timeout.timeout("10 millis"), Effect.either, Effect.runPromise)
 *
 * Either.isLeft(result) && result.left.message // => "no response within 10ms"
 * ```
 *
 * @since 0.1.0
 * @category combinators
 */
export const timeout: {
  /** Fails with `AttemptTimeout` when an effect takes longer than so long. */
  (limit: Duration.DurationInput): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E | AttemptTimeout, R>
  /** Fails with `AttemptTimeout` when an effect takes longer than so long. */
  <A, E, R>(self: Effect.Effect<A, E, R>, limit: Duration.DurationInput): Effect.Effect<A, E | AttemptTimeout, R>
} = dual(2, <A, E, R>(self: Effect.Effect<A, E, R>, limit: Duration.DurationInput) => {
  const millis = limitMillis("Timeout.timeout", limit)
  return within(self, millis, () => new AttemptTimeout({ limit: millis, phase: "headers" }))
})

/**
 * Checks a limit: more than 0; infinity is no limit.
 *
 * @since 0.1.0
 * @category building
 */
export const limitMillis = (where: string, limit: Duration.DurationInput): Millis =>
  limit === Infinity || Duration.isDuration(limit) && !Duration.isFinite(limit)
    ? maxDelay
    : durationMillis(where, "limit", limit, { minExclusive: 0 })
