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
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as FiberRef from "effect/FiberRef"
import { dual } from "effect/Function"
import * as Option from "effect/Option"
import { hasProperty } from "effect/Predicate"
import type * as Attempt from "../core/Attempt.ts"
import type { Millis } from "../core/Millis.ts"
import * as Classifier from "../core/Classifier.ts"
import * as Decision from "../core/Decision.ts"
import type * as Failure from "../core/Failure.ts"
import * as Idempotency from "../core/Idempotency.ts"
import { integerIn } from "../core/InvalidOption.ts"
import * as Outcome from "../core/Outcome.ts"
import * as Account from "./Account.ts"
import { CurrentAttempt, isNested } from "./CurrentAttempt.ts"
import * as Deadline from "./Deadline.ts"
import * as Observer from "./Observer.ts"
import { RetriesExhausted } from "./RetriesExhausted.ts"
import * as RetrySchedule from "./RetrySchedule.ts"
import * as Surroundings from "./Surroundings.ts"

export { CurrentAttempt, type Position } from "./CurrentAttempt.ts"
export { RetriesExhausted } from "./RetriesExhausted.ts"

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
  /** The name of the call in events. Default: "retry". */
  readonly name?: string | undefined
}

/**
 * What the loop has to know of the things it repeats. `http/Retry` and `retry` are the two that there are.
 *
 * @since 0.1.0
 * @category building
 */
export interface Work<in S, in out A, in out E, out R> {
  /** Makes one attempt of a subject; asked again for each attempt. */
  readonly attempt: (subject: S) => Effect.Effect<A, E, R>
  /** Asked after the first failure only. */
  readonly repeatable: (subject: S) => Idempotency.Repeatable
  /** Spends the wait before the next attempt, and lets go of what the lost one holds before it ends. */
  readonly spend: (lost: Exit.Exit<A, E>, delay: Millis) => Effect.Effect<void>
  /** Lets go at once of what an attempt holds, where the call ends before anybody could have it. Default: it holds nothing. */
  readonly drop?: ((lost: Exit.Exit<A, E>) => Effect.Effect<void>) | undefined
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
): Plan<A, E, R> => {
  // Without a schedule R is never: nothing but `options.schedule` mentions it.
  const schedule = options.schedule ?? RetrySchedule.standard as RetrySchedule.RetrySchedule<R>
  const maxAttempts = options.maxAttempts ?? (options.schedule === undefined ? 3 : 10)
  return {
    classifier: options.classifier ?? classifier,
    schedule,
    maxAttempts: integerIn("Retry", "maxAttempts", maxAttempts, { min: 1 }),
    name: options.name ?? "retry"
  }
}

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

/**
 * The loop. Every retry of this library is this one.
 *
 * @since 0.1.0
 * @category building
 */
export const run = <S, A, E, R, E2, R2>(
  plan: Plan<A, E, R2>,
  work: Work<S, A, E, R>,
  subject: S,
  ending: Ending<A, E, E2>
): Effect.Effect<A, E | E2, R | R2> =>
  Effect.withFiberRuntime<A, E | E2, R | R2>((fiber) => {
    const listener = Observer.of(fiber)
    if (listener !== Observer.none) {
      // What is begun is ended: from the first event on, the region cannot be interrupted, and nothing is done outside an effect.
      return Effect.uninterruptibleMask((restore) => {
        const account = Account.open(listener, clockOf(fiber), plan.name)
        const call = Effect.suspend(() => new Run(plan, work, subject, ending, fiber, account).go())
        return Account.tell(account.started, () => Effect.onExit(restore(call), account.ended))
      })
    }
    if (isNested(fiber)) return new Run(plan, work, subject, ending, fiber, undefined).go()
    // The first attempt of a call that nobody observes, which is most often the only one, is made without any of that.
    const startedAt = clockOf(fiber).unsafeCurrentTimeMillis()
    return Effect.matchCauseEffect(work.attempt(subject), {
      onFailure: (cause) => first(plan, work, subject, ending, fiber, startedAt, Exit.failCause(cause)),
      onSuccess: (value) => first(plan, work, subject, ending, fiber, startedAt, Exit.succeed(value))
    })
  })

/** What follows a first attempt of which nothing has been told: its exit, or all that a retry needs. */
const first = <S, A, E, R, E2, R2>(
  plan: Plan<A, E, R2>,
  work: Work<S, A, E, R>,
  subject: S,
  ending: Ending<A, E, E2>,
  fiber: Fiber.RuntimeFiber<unknown, unknown>,
  startedAt: Millis,
  exit: Exit.Exit<A, E>
): Effect.Effect<A, E | E2, R | R2> => {
  const outcome = Classifier.run(plan.classifier, exit, clockOf(fiber).unsafeCurrentTimeMillis())
  return Outcome.isFailed(outcome)
    ? new Run(plan, work, subject, ending, fiber, undefined, startedAt).lose(exit, outcome.failure)
    : exit
}

// These are read on each call: the maps behind the contexts directly, because each step less is measured in the bench.
const clockOf = (fiber: Fiber.RuntimeFiber<unknown, unknown>): Clock.Clock =>
  fiber.currentDefaultServices.unsafeMap.get(Clock.Clock.key)

/** One call, which one fiber runs. */
class Run<S, A, E, R, E2, R2> {
  private readonly plan: Plan<A, E, R2>
  private readonly work: Work<S, A, E, R>
  private readonly subject: S
  private readonly ending: Ending<A, E, E2>
  private readonly fiber: Fiber.RuntimeFiber<unknown, unknown>
  private readonly account: Account.Account | undefined

  private attempt = 1
  private startedAt: Millis
  private attempts: Array<Attempt.Attempt> = []
  private state: unknown

  constructor(
    plan: Plan<A, E, R2>,
    work: Work<S, A, E, R>,
    subject: S,
    ending: Ending<A, E, E2>,
    fiber: Fiber.RuntimeFiber<unknown, unknown>,
    account: Account.Account | undefined,
    startedAt: Millis = 0
  ) {
    this.startedAt = startedAt
    this.plan = plan
    this.work = work
    this.subject = subject
    this.ending = ending
    this.fiber = fiber
    this.account = account
    this.state = plan.schedule.initial
  }

  private get now(): Millis {
    return clockOf(this.fiber).unsafeCurrentTimeMillis()
  }

  go(): Effect.Effect<A, E | E2, R | R2> {
    return this.account === undefined
      ? this.make()
      : Account.tell(this.account.attemptStarted(this.attempt), () => this.make())
  }

  private make(): Effect.Effect<A, E | E2, R | R2> {
    this.startedAt = this.now
    const made = this.work.attempt(this.subject)
    const attempted = isNested(this.fiber) || this.attempt > 1 && this.fiber.getFiberRef(FiberRef.currentTracerEnabled)
      ? Surroundings.provide(made, CurrentAttempt, { number: this.attempt, subject: this.subject })
      : made
    return Effect.matchCauseEffect(attempted, {
      onFailure: (cause) => this.settle(Exit.failCause(cause)),
      onSuccess: (value) => this.settle(Exit.succeed(value))
    })
  }

  private settle(exit: Exit.Exit<A, E>): Effect.Effect<A, E | E2, R | R2> {
    const outcome = Classifier.run(this.plan.classifier, exit, this.now)
    if (this.account === undefined) return Outcome.isFailed(outcome) ? this.lose(exit, outcome.failure) : exit
    return Account.tell(this.between(exit, this.account.attemptEnded(this.attempt, outcome)), () =>
      Outcome.isFailed(outcome) ? this.lose(exit, outcome.failure) : exit)
  }

  lose(exit: Exit.Exit<A, E>, failure: Failure.Failure): Effect.Effect<A, E | E2, R | R2> {
    const now = this.now
    const situation: Decision.Situation = {
      attempt: this.attempt,
      maxAttempts: this.plan.maxAttempts,
      earlier: this.attempts,
      request: this.work.repeatable(this.subject),
      deadline: Deadline.of(this.fiber)
    }
    const refusal = isFinal(exit) ? Option.some(Decision.giveUp("Terminal")) : Decision.refuse(situation, failure)
    // Appended in place: a copy for each attempt makes the time of many attempts quadratic. (The first makes an array of one, where
    // an empty array would grow to seventeen places, of which a waiting call needs one.)
    const made = { number: this.attempt, startedAt: this.startedAt, endedAt: now, failure }
    if (this.attempts.length === 0) this.attempts = [made]
    else this.attempts.push(made)
    if (Option.isSome(refusal)) return this.giveUp(refusal.value, exit, failure)
    return Effect.flatMap(this.between(exit, this.plan.schedule.step(now, failure, this.state)), ([state, output, answer]) => {
      this.state = state
      const proposal = RetrySchedule.proposal(output, answer, now)
      const decision = Decision.settle(situation, failure, proposal, this.now)
      return decision._tag === "GiveUp" ? this.giveUp(decision, exit, failure) : this.wait(decision, exit, failure)
    })
  }

  private wait(decision: Decision.Resend, exit: Exit.Exit<A, E>, failure: Failure.Failure): Effect.Effect<A, E | E2, R | R2> {
    const { again } = this
    return Account.tell(this.account && this.between(exit, this.account.waitStarted(this.attempt, decision, failure)), () =>
      Effect.flatMap(this.work.spend(exit, decision.delay), again))
  }

  /** What a waiting call holds on to: itself, and nothing of the attempt that it lost. */
  private get again() {
    return (): Effect.Effect<A, E | E2, R | R2> => {
      this.attempt += 1
      return this.go()
    }
  }

  /** What is done between an attempt and what follows: where it is interrupted, or dies, nobody will have what the attempt holds. */
  private between<B, E3, R3>(exit: Exit.Exit<A, E>, effect: Effect.Effect<B, E3, R3>): Effect.Effect<B, E3, R3> {
    const { drop } = this.work
    return drop === undefined || Exit.isExit(effect) ? effect : Effect.onError(effect, () => drop(exit))
  }

  private giveUp(decision: Decision.GiveUp, exit: Exit.Exit<A, E>, failure: Failure.Failure): Effect.Effect<A, E | E2, R | R2> {
    return Account.tell(this.account?.gaveUp(decision, failure), () => this.ending(exit, decision.because, this.attempts))
  }
}

/**
 * Whether nothing can follow, whatever a classifier says: defects and interruption are not retried, nor is what a retry inside this
 * one has given up already (in its drop-in form too, where it is the cause of the platform's error).
 */
const isFinal = (exit: Exit.Exit<unknown, unknown>): boolean => {
  if (Exit.isSuccess(exit)) return false
  const error = exit.cause._tag === "Fail" ? Option.some(exit.cause.error) : Cause.failureOption(exit.cause)
  return Option.isNone(error) || exit.cause._tag !== "Fail" && Cause.isDie(exit.cause) || isExhausted(error.value) ||
    hasProperty(error.value, "cause") && isExhausted(error.value.cause)
}

const isExhausted = (u: unknown): boolean => u instanceof RetriesExhausted

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

/**
 * Spends a wait of `delay` ms. A wait of 0 sets no timer.
 *
 * @since 0.1.0
 * @category building
 */
export const wait = (delay: Millis): Effect.Effect<void> =>
  delay > 0 ? Effect.sleep(Duration.millis(delay)) : Effect.void

const anyEffect: Work<Effect.Effect<never, never, never>, never, never, never> = {
  attempt: (self) => self,
  repeatable: () => Idempotency.always,
  spend: (_, delay) => wait(delay)
}

/** An effect is its own subject, and its attempt is itself: what `anyEffect` does holds at every type. */
const workOf = <A, E, R>() => anyEffect as unknown as Work<Effect.Effect<A, E, R>, A, E, R>

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
  run(plan(Classifier.errors, options), workOf<A, E, R>(), self, returnLast))

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
    run(plan(Classifier.errors, options), workOf<A, E, R>(), self, failExhausted)
)
