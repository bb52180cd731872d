/**
 * Retry over any Effect: one loop, one counter, one decision.
 *
 * The loop runs an attempt, asks the classifier what its exit means, asks the schedule what it proposes, and lets `Decision`
 * dispose. The delay is known before it is spent, so a wait that cannot pay off is never begun. What comes out at the end is what
 * the last attempt gave: the same value, or the same error.
 *
 * **Example** (A plain Effect)
 *
 * ```ts
 * import { Backoff, Classifier, Retry, RetrySchedule } from "effect-resilience"
 * import { Effect } from "effect"
 *
 * let calls = 0
 * const flaky = Effect.suspend(() => ++calls < 3 ? Effect.fail("busy") : Effect.succeed(`worked at call ${calls}`))
 *
 * const resilient = flaky.pipe(Retry.retry({
 *   classifier: Classifier.anyError,
 *   schedule: RetrySchedule.fromBackoff(Backoff.constant("1 millis")),
 *   maxAttempts: 4
 * }))
 *
 * await Effect.runPromise(resilient) // => "worked at call 3"
 * ```
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import * as Classifier from "../core/Classifier.ts"
import * as Idempotency from "../core/Idempotency.ts"
import { integerIn } from "../core/InvalidOption.ts"
import * as Loop from "./Loop.ts"
import { RetriesExhausted } from "./RetriesExhausted.ts"
import * as RetryBudget from "./RetryBudget.ts"
import * as RetrySchedule from "./RetrySchedule.ts"

export { CurrentAttempt, type Position } from "./CurrentAttempt.ts"
export { RetriesExhausted }

/**
 * How to retry.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options<in A = never, in E = never, out R = never> {
  /** What each exit means. Default: `Classifier.errors` for an Effect, `Classifier.http` for a client. */
  readonly classifier?: Classifier.Classifier<A, E> | undefined
  /** When to send again. Default: `RetrySchedule.standard`. */
  readonly schedule?: RetrySchedule.RetrySchedule<R> | undefined
  /** How many attempts at most, the first included: from 1. Default: 3, or 10 with a schedule of your own, which may stop earlier. */
  readonly maxAttempts?: number | undefined
  /** What resends are paid with, shared by all who have it. Default: `RetryBudget.unlimited`. */
  readonly budget?: RetryBudget.RetryBudget | undefined
  /**
   * What becomes of a failure that a retry inside of this one has given up. "final": it is not sent again. "recklessly": it may be,
   * and the attempts of both multiply. Default: "final".
   */
  readonly givenUp?: "final" | "recklessly" | undefined
  /** The name of the call in events. Default: "retry". */
  readonly name?: string | undefined
}

/**
 * Checks options and fills in the defaults.
 *
 * @since 0.1.0
 * @category building
 */
export const plan = <A, E, R>(
  classifier: Classifier.Classifier<A, E>,
  options: Options<A, E, R>
): Loop.Plan<A, E, R> => {
  // Without a schedule R is never: nothing but `options.schedule` mentions it.
  const schedule = options.schedule ?? RetrySchedule.standard as RetrySchedule.RetrySchedule<R>
  const maxAttempts = options.maxAttempts ?? (options.schedule === undefined ? 3 : 10)
  return {
    classifier: options.classifier ?? classifier,
    schedule,
    maxAttempts: integerIn("Retry", "maxAttempts", maxAttempts, { min: 1 }),
    name: options.name ?? "retry",
    // One that is unlimited is not asked: it would answer yes.
    budget: options.budget === RetryBudget.unlimited ? undefined : options.budget,
    givenUp: options.givenUp ?? "final"
  }
}

const anyEffect: Loop.Work<Effect.Effect<never, never, never>, never, never, never> = {
  attempt: (self) => self,
  repeatable: () => Idempotency.always,
  spend: (_, delay) => Loop.wait(delay)
}

/** An effect is its own subject, and its attempt is itself: what `anyEffect` does holds at every type. */
const workOf = <A, E, R>() => anyEffect as unknown as Loop.Work<Effect.Effect<A, E, R>, A, E, R>

/**
 * Runs an effect again while it fails in a way that can pass; at the end returns what the last attempt gave.
 *
 * **Details**
 *
 * Whoever writes this says that the effect may be run more than once. Defects and interruption are never retried. A deadline
 * that surrounds the effect (`Deadline`) is respected: no wait is begun that would outlive it.
 *
 * @since 0.1.0
 * @category combinators
 */
export const retry: {
  /** Runs an effect again while it fails in a way that can pass; at the end returns what the last attempt gave. */
  <A2, E2, R2 = never>(
    options: Options<A2, E2, R2>
  ): <A extends A2, E extends E2, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R | R2>
  /** Runs an effect again while it fails in a way that can pass; at the end returns what the last attempt gave. */
  <A, E, R, R2 = never>(self: Effect.Effect<A, E, R>, options: Options<A, E, R2>): Effect.Effect<A, E, R | R2>
} = dual(2, <A, E, R, R2>(self: Effect.Effect<A, E, R>, options: Options<A, E, R2>): Effect.Effect<A, E, R | R2> =>
  Loop.run(plan(Classifier.errors, options), workOf<A, E, R>(), self, Loop.returnLast))

/**
 * Like `retry`, but fails with `RetriesExhausted` and every attempt where it gives up on a failure that could have passed.
 *
 * @since 0.1.0
 * @category combinators
 */
export const retryOrFail: {
  /** Like `retry`, but fails with `RetriesExhausted` where it gives up. */
  <A2, E2, R2 = never>(
    options: Options<A2, E2, R2>
  ): <A extends A2, E extends E2, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E | RetriesExhausted, R | R2>
  /** Like `retry`, but fails with `RetriesExhausted` where it gives up. */
  <A, E, R, R2 = never>(
    self: Effect.Effect<A, E, R>,
    options: Options<A, E, R2>
  ): Effect.Effect<A, E | RetriesExhausted, R | R2>
} = dual(
  2,
  <A, E, R, R2>(self: Effect.Effect<A, E, R>, options: Options<A, E, R2>): Effect.Effect<A, E | RetriesExhausted, R | R2> =>
    Loop.run(plan(Classifier.errors, options), workOf<A, E, R>(), self, Loop.failExhausted)
)
