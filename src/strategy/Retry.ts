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
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import { dual } from "effect/Function"
import * as Option from "effect/Option"
import * as Attempt from "../core/Attempt.ts"
import type { Millis } from "../core/Backoff.ts"
import * as Classifier from "../core/Classifier.ts"
import * as Decision from "../core/Decision.ts"
import type { Call, End, Event } from "../core/Event.ts"
import * as Failure from "../core/Failure.ts"
import * as Idempotency from "../core/Idempotency.ts"
import { integerIn } from "../core/InvalidOption.ts"
import * as Outcome from "../core/Outcome.ts"
import * as Deadline from "./Deadline.ts"
import * as Observer from "./Observer.ts"
import * as RetrySchedule from "./RetrySchedule.ts"

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
  /** How many attempts at most, the first included. Default: 3, or 10 with a schedule of your own, which may stop earlier. */
  readonly maxAttempts?: number | undefined
  /** The name of the call in events. Default: "retry". */
  readonly name?: string | undefined
}

/**
 * All attempts that were allowed have failed, with the record of each.
 *
 * @since 0.1.0
 * @category errors
 */
export class RetriesExhausted extends Data.TaggedError("RetriesExhausted")<{
  readonly because: Decision.GiveUpReason
  /** At least one; the last is the one that nothing followed. */
  readonly attempts: ReadonlyArray<Attempt.Attempt>
  /** The error of the last attempt, where it failed with one. */
  readonly cause?: unknown
}> {
  override get message(): string {
    return `gave up after ${this.attempts.length} attempt${this.attempts.length === 1 ? "" : "s"} (${this.because}): ${
      this.attempts.map(Attempt.describe).join(", ")
    }`
  }

  /** The failure of the last attempt: what an outer classifier sees. */
  get [Failure.key](): Failure.Failure {
    return this.attempts[this.attempts.length - 1]!.failure
  }
}

/**
 * Where the current fiber stands in a retry: which attempt it makes, and of what. Spans and headers are written from it.
 *
 * @since 0.1.0
 * @category references
 */
export class CurrentAttempt extends Context.Reference<CurrentAttempt>()("effect-resilience/CurrentAttempt", {
  defaultValue: (): Position => first
}) {}

/** @since 0.1.0 @category models */
export interface Position {
  /** Counted from 1. */
  readonly number: number
  /** What is attempted, by identity: a call made on the way (for a token, say) is not an attempt of it. */
  readonly subject: unknown
}

const first: Position = { number: 1, subject: undefined }

/**
 * What the loop has to know of the thing it repeats. `http/Retry` and `retry` are the two that there are.
 *
 * @since 0.1.0
 * @category building
 */
export interface Work<A, E, R> {
  readonly attempt: Effect.Effect<A, E, R>
  /** Asked after the first failure only. */
  readonly request: () => Idempotency.Repeatable
  readonly subject: unknown
  /** Spends the wait before the next attempt, and lets go of what the lost one holds before it ends. */
  readonly spend: (lost: Exit.Exit<A, E>, delay: Millis) => Effect.Effect<void>
}

/**
 * Options that have been checked, once.
 *
 * @since 0.1.0
 * @category building
 */
export interface Plan<in A, in E, out R> {
  readonly classifier: Classifier.Classifier<A, E>
  readonly schedule: RetrySchedule.RetrySchedule<R>
  readonly maxAttempts: number
  readonly name: string
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
): Plan<A, E, R> => ({
  classifier: options.classifier ?? classifier,
  // Without a schedule R is never: nothing but `options.schedule` mentions it.
  schedule: options.schedule ?? RetrySchedule.standard as RetrySchedule.RetrySchedule<R>,
  maxAttempts: integerIn("Retry", "maxAttempts", options.maxAttempts ?? (options.schedule === undefined ? 3 : 10), { min: 1 }),
  name: options.name ?? "retry"
})

/**
 * What to make of a call that is given up.
 *
 * @since 0.1.0
 * @category building
 */
export type Ending<A, E, E2> = (
  last: Exit.Exit<A, E>,
  because: Decision.GiveUpReason,
  attempts: ReadonlyArray<Attempt.Attempt>
) => Effect.Effect<A, E | E2>

/** Where a call stands while an attempt is being made. `state` belongs to the schedule. */
interface Progress {
  readonly attempt: number
  readonly startedAt: Millis
  readonly attempts: ReadonlyArray<Attempt.Attempt>
  readonly state: unknown
}

/**
 * The loop. Every retry of this library is this one.
 *
 * @since 0.1.0
 * @category building
 */
export const run = <A, E, R, E2, R2>(
  plan: Plan<A, E, R2>,
  work: Work<A, E, R>,
  ending: Ending<A, E, E2>
): Effect.Effect<A, E | E2, R | R2> =>
  Effect.withFiberRuntime<A, E | E2, R | R2>((fiber) => {
    const clock = Context.get(fiber.currentDefaultServices, Clock.Clock)
    const listener = Observer.of(fiber)
    return listener === Observer.none
      ? loop(plan, work, ending, fiber, clock, undefined)
      : Effect.suspend(() => {
        const account = open(listener, clock, plan.name)
        return Effect.onExit(
          tell(account.started, () => loop(plan, work, ending, fiber, clock, account)),
          account.ended
        )
      })
  })

const loop = <A, E, R, E2, R2>(
  plan: Plan<A, E, R2>,
  work: Work<A, E, R>,
  ending: Ending<A, E, E2>,
  fiber: Fiber.RuntimeFiber<unknown, unknown>,
  clock: Clock.Clock,
  account: Account | undefined
): Effect.Effect<A, E | E2, R | R2> => {
  const nested = Context.get(fiber.currentContext, CurrentAttempt) !== first

  const go = (progress: Progress): Effect.Effect<A, E | E2, R | R2> => {
    const { attempt } = progress
    // The first attempt of a call that is itself made inside a resend must not be taken for that resend.
    const attempted = attempt > 1 || nested
      ? Effect.provideService(work.attempt, CurrentAttempt, { number: attempt, subject: work.subject })
      : work.attempt
    const settle = (exit: Exit.Exit<A, E>) => {
      const outcome = Classifier.run(plan.classifier, exit, clock.unsafeCurrentTimeMillis())
      return tell(account?.attemptEnded(attempt, outcome), () =>
        Outcome.isFailed(outcome) ? lost(progress, exit, outcome.failure) : exit)
    }
    return tell(account?.attemptStarted(attempt), () =>
      Effect.matchCauseEffect(attempted, {
        onFailure: (cause) => settle(Exit.failCause(cause)),
        onSuccess: (value) => settle(Exit.succeed(value))
      }))
  }

  const lost = (progress: Progress, exit: Exit.Exit<A, E>, failure: Failure.Failure): Effect.Effect<A, E | E2, R | R2> => {
    const now = clock.unsafeCurrentTimeMillis()
    const { attempt, startedAt } = progress
    const attempts = [...progress.attempts, { number: attempt, startedAt, endedAt: now, failure }]
    const giveUp = (decision: Decision.GiveUp) =>
      tell(account?.gaveUp(decision, failure), () => ending(exit, decision.because, attempts))
    const situation: Decision.Situation = {
      attempt,
      maxAttempts: plan.maxAttempts,
      earlier: progress.attempts.map((before) => before.failure),
      request: work.request(),
      deadline: Deadline.of(fiber)
    }
    const refusal = Decision.refuse(situation, failure)
    if (Option.isSome(refusal)) return giveUp(refusal.value)
    return Effect.flatMap(plan.schedule.step(now, failure, progress.state), ([state, output, answer]) => {
      const proposal = RetrySchedule.proposal(output, answer, now)
      const decision = Decision.settle(situation, failure, proposal, clock.unsafeCurrentTimeMillis())
      if (decision._tag === "GiveUp") return giveUp(decision)
      return tell(account?.waitStarted(attempt, decision, failure), () =>
        Effect.flatMap(work.spend(exit, decision.delay), () =>
          go({ attempt: attempt + 1, startedAt: clock.unsafeCurrentTimeMillis(), attempts, state })))
    })
  }

  return go({ attempt: 1, startedAt: clock.unsafeCurrentTimeMillis(), attempts: none, state: plan.schedule.initial })
}

const none: ReadonlyArray<never> = []

/** Goes on at once where nobody listens: the success path of a call without an observer is flat. */
const tell = <A, E, R>(told: Effect.Effect<void> | undefined, next: () => Effect.Effect<A, E, R>) =>
  told === undefined || told === Effect.void ? next() : Effect.flatMap(told, next)

/** What is told of an observed call, and what must be known at its end. One fiber runs a call, so plain fields will do. */
interface Account {
  readonly started: Effect.Effect<void>
  readonly attemptStarted: (attempt: number) => Effect.Effect<void>
  readonly attemptEnded: (attempt: number, outcome: Outcome.Outcome) => Effect.Effect<void>
  readonly waitStarted: (attempt: number, decision: Decision.Resend, failure: Failure.Failure) => Effect.Effect<void>
  readonly gaveUp: (decision: Decision.GiveUp, failure: Failure.Failure) => Effect.Effect<void>
  readonly ended: (exit: Exit.Exit<unknown, unknown>) => Effect.Effect<void>
}

const open = (listener: Observer.Listener, clock: Clock.Clock, name: string): Account => {
  const call = Observer.call(name)
  let attempts = 0
  let waited = 0
  let end: Option.Option<End> = Option.none()
  const emit = (event: (base: { readonly call: Call; readonly at: Millis }) => Event) =>
    Observer.emit(listener, event({ call, at: clock.unsafeCurrentTimeMillis() }))
  return {
    started: emit((base) => ({ _tag: "CallStarted", ...base })),
    attemptStarted: (attempt) => {
      attempts = attempt
      return emit((base) => ({ _tag: "AttemptStarted", ...base, attempt }))
    },
    attemptEnded: (attempt, outcome) => {
      if (outcome._tag === "Success") end = Option.some({ _tag: "Succeeded" })
      return emit((base) => ({ _tag: "AttemptEnded", ...base, attempt, outcome }))
    },
    waitStarted: (attempt, { because, delay }, failure) => {
      waited += delay
      return emit((base) => ({ _tag: "WaitStarted", ...base, attempt, delay, because, failure }))
    },
    gaveUp: ({ because, wait }, failure) => {
      end = Option.some({ _tag: "GaveUp", because, failure, wait })
      return Effect.void
    },
    ended: (exit) =>
      emit((base) => ({ _tag: "CallEnded", ...base, attempts, waited, end: Option.getOrElse(end, () => endOf(exit)) }))
  }
}

const endOf = (exit: Exit.Exit<unknown, unknown>): End => {
  if (Exit.isSuccess(exit)) return { _tag: "Succeeded" }
  if (Cause.isInterruptedOnly(exit.cause)) return { _tag: "Interrupted" }
  return Cause.isDie(exit.cause) ? { _tag: "Died" } : { _tag: "Ignored" }
}

/**
 * Returns the last exit as it came.
 *
 * @since 0.1.0
 * @category building
 */
export const returnLast = <A, E>(last: Exit.Exit<A, E>): Effect.Effect<A, E> => last

/**
 * Fails with `RetriesExhausted`, unless the last failure was terminal: that one is returned as it came.
 *
 * @since 0.1.0
 * @category building
 */
export const failExhausted = <A, E>(
  last: Exit.Exit<A, E>,
  because: Decision.GiveUpReason,
  attempts: ReadonlyArray<Attempt.Attempt>
): Effect.Effect<A, E | RetriesExhausted> => {
  if (because === "Terminal") return last
  const cause = Exit.isFailure(last) ? Option.getOrUndefined(Cause.failureOption(last.cause)) : undefined
  return new RetriesExhausted({ because, attempts, ...(cause === undefined ? {} : { cause }) })
}

const workOf = <A, E, R>(attempt: Effect.Effect<A, E, R>): Work<A, E, R> => ({
  attempt,
  request: () => Idempotency.always,
  subject: attempt,
  spend: (_, delay) => Effect.sleep(Duration.millis(delay))
})

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
  <A, E, R2 = never>(options: Options<A, E, R2>): <R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R | R2>
  /** Runs an effect again while it fails in a way that can pass; at the end returns what the last attempt gave. */
  <A, E, R, R2 = never>(self: Effect.Effect<A, E, R>, options: Options<A, E, R2>): Effect.Effect<A, E, R | R2>
} = dual(2, <A, E, R, R2>(self: Effect.Effect<A, E, R>, options: Options<A, E, R2>): Effect.Effect<A, E, R | R2> =>
  run(plan(Classifier.errors, options), workOf(self), returnLast))

/**
 * Like `retry`, but fails with `RetriesExhausted` and every attempt where it gives up on a failure that could have passed.
 *
 * @since 0.1.0
 * @category combinators
 */
export const retryOrFail: {
  /** Like `retry`, but fails with `RetriesExhausted` where it gives up. */
  <A, E, R2 = never>(
    options: Options<A, E, R2>
  ): <R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E | RetriesExhausted, R | R2>
  /** Like `retry`, but fails with `RetriesExhausted` where it gives up. */
  <A, E, R, R2 = never>(
    self: Effect.Effect<A, E, R>,
    options: Options<A, E, R2>
  ): Effect.Effect<A, E | RetriesExhausted, R | R2>
} = dual(
  2,
  <A, E, R, R2>(self: Effect.Effect<A, E, R>, options: Options<A, E, R2>): Effect.Effect<A, E | RetriesExhausted, R | R2> =>
    run(plan(Classifier.errors, options), workOf(self), failExhausted)
)
