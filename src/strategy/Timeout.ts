/**
 * A limit on the time of one attempt, over any Effect.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import type { LazyArg } from "effect/Function"
import { dual } from "effect/Function"
import * as Option from "effect/Option"
import * as RuntimeFlags from "effect/RuntimeFlags"
import type { Millis } from "../core/Millis.ts"
import { maxDelay } from "../core/Millis.ts"
import * as Failure from "../core/Failure.ts"
import { durationMillis } from "../core/InvalidOption.ts"
import * as AttemptDeadline from "./AttemptDeadline.ts"
import * as Child from "./Child.ts"
import { change } from "./Surroundings.ts"

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

const isTestClock = (clock: Clock.Clock): boolean => !("scheduler" in clock)

/**
 * Calls `done` after `delay` ms, unless what it answers is called first.
 *
 * @since 0.1.0
 * @category building
 */
export const timer = (clock: Clock.Clock, delay: Millis, done: () => void): () => void => {
  const duration = Duration.millis(delay)
  const scheduler = schedulerOf(clock)
  if (Option.isSome(scheduler)) return scheduler.value.unsafeSchedule(done, duration)
  const sleeping = Effect.runFork(Effect.zipRight(clock.sleep(duration), Effect.sync(done)))
  return () => sleeping.unsafeInterruptAsFork(FiberId.none)
}

/**
 * Runs an effect, and interrupts it when `limit` ms have passed: the one time limit of this library.
 *
 * **Details**
 *
 * One fiber and one timer, and neither where the effect ends without ever waiting (`Effect.timeout` forks two fibers and races
 * them). The effect has been interrupted, and its finalizers have run, when the timeout fails. Where it ends in the same tick as
 * the timer, what it gave is returned: a result that exists is not thrown away. A limit of 2^31 - 1 ms and more is no limit.
 * Where it limits an "attempt", what runs inside can tell when it ends (`AttemptDeadline`).
 *
 * @since 0.1.0
 * @category building
 */
export const within = <A, E, R, E2>(
  self: Effect.Effect<A, E, R>,
  limit: Millis,
  onTimeout: LazyArg<E2>,
  limits: "attempt" | "call" = "call"
): Effect.Effect<A, E | E2, R> =>
  limit >= maxDelay ? self : Effect.withFiberRuntime<A, E | E2, R>((parent, { runtimeFlags }) =>
    // The region cannot be interrupted, so that whoever is interrupted while waiting still interrupts the child; the child runs
    // with the flags that held outside.
    Effect.uninterruptible(Effect.suspend(() => {
      let late = false
      let interrupt = () => {}
      const clock = Context.get(parent.currentDefaultServices, Clock.Clock)
      const set = () => timer(clock, limit, () => {
        late = true
        interrupt()
      })
      // Of those who are due at the same time a test clock wakes the last to have come first, and the effect shall win: there the
      // limit comes before it.
      const early = isTestClock(clock) ? set() : undefined
      const ends = limits === "attempt"
        ? change(AttemptDeadline.ref, AttemptDeadline.earlier(parent, clock.unsafeCurrentTimeMillis() + limit))
        : undefined
      const child = Child.start(self, parent, runtimeFlags, ends)
      const done = child.fiber.unsafePoll()
      if (done !== null) {
        early?.()
        return Child.adopt(child, Exit.flatten(done))
      }
      interrupt = () => child.fiber.unsafeInterruptAsFork(parent.id())
      const ended = Effect.async<Exit.Exit<A, E | E2>>((resume) => {
        const cancel = early ?? set()
        child.fiber.addObserver((exit) => {
          cancel()
          const given = Exit.flatten(exit)
          const timedOut = late && Exit.isFailure(given) && Cause.isInterruptedOnly(given.cause)
          resume(Effect.succeed(timedOut ? Exit.fail(onTimeout()) : given))
        })
      })
      return Effect.matchCauseEffect(Effect.interruptible(ended), {
        // Only the interruption of the caller ends up here.
        onFailure: (cause) =>
          Effect.flatMap(Fiber.interrupt(child.fiber), (exit) => {
            const given = Exit.flatten(exit)
            // Outside, a region may say that it cannot be interrupted, and a part of it inside that it can: who has not been has its way.
            return RuntimeFlags.interruptible(runtimeFlags) || Exit.isFailure(given) && Cause.isInterruptedOnly(given.cause)
              ? Effect.failCause(cause)
              : Child.adopt(child, given)
          }),
        onSuccess: (exit) => Child.adopt(child, exit)
      })
    }))
  )

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
  return within(self, millis, () => new AttemptTimeout({ limit: millis, phase: "headers" }), "attempt")
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
