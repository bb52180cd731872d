/**
 * The loop that every retry of this library is: one loop, one counter, one decision, one budget.
 *
 * It runs an attempt, asks the classifier what its exit means, asks the schedule what it proposes, and lets `Decision` dispose. The
 * delay is known, and paid for, before it is spent. `strategy/Retry` and `http/Retry` give it the work; nothing else loops.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type * as Attempt from "../core/Attempt.ts"
import type * as Budget from "../core/Budget.ts"
import type { Millis } from "../core/Millis.ts"
import * as Classifier from "../core/Classifier.ts"
import * as Decision from "../core/Decision.ts"
import type * as Failure from "../core/Failure.ts"
import type * as Idempotency from "../core/Idempotency.ts"
import * as Outcome from "../core/Outcome.ts"
import * as Account from "./Account.ts"
import * as CurrentAttempt from "./CurrentAttempt.ts"
import * as Deadline from "./Deadline.ts"
import * as GivenUp from "./GivenUp.ts"
import { clockOf } from "./Guarded.ts"
import * as Immediate from "./Immediate.ts"
import * as Observer from "./Observer.ts"
import { RetriesExhausted } from "./RetriesExhausted.ts"
import type { RetryBudget } from "./RetryBudget.ts"
import * as RetrySchedule from "./RetrySchedule.ts"
import * as Surroundings from "./Surroundings.ts"

/**
 * What the loop has to know of the things it repeats. `http/Work` and `strategy/Retry` give it.
 *
 * @since 0.1.0
 * @category models
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
 * @category models
 */
export interface Plan<in A, in E, out R> {
  readonly classifier: Classifier.Classifier<A, E>
  readonly schedule: RetrySchedule.RetrySchedule<R>
  readonly maxAttempts: number
  readonly name: string
  readonly budget: RetryBudget | undefined
  readonly givenUp: "final" | "recklessly"
}

/**
 * What to make of a call that is given up.
 *
 * @since 0.1.0
 * @category models
 */
export type Ending<A, E, E2> = (
  last: Exit.Exit<A, E>,
  because: Decision.GiveUpReason,
  attempts: ReadonlyArray<Attempt.Attempt>
) => Effect.Effect<A, E | E2>

/**
 * Another effect in the place of a call, where what surrounds its fiber asks for one.
 *
 * @since 0.1.0
 * @category models
 */
export type Instead<S, A, E, R> = (
  fiber: Fiber.RuntimeFiber<unknown, unknown>,
  subject: S
) => Effect.Effect<A, E, R> | undefined

/**
 * Runs one call, or what is asked for instead.
 *
 * @since 0.1.0
 * @category running
 */
export const run = <S, A, E, R, E2, R2>(
  plan: Plan<A, E, R2>,
  work: Work<S, A, E, R>,
  subject: S,
  ending: Ending<A, E, E2>,
  instead?: Instead<S, A, E | E2, R | R2>
): Effect.Effect<A, E | E2, R | R2> =>
  Effect.withFiberRuntime<A, E | E2, R | R2>((fiber, status) => {
    const other = instead?.(fiber, subject)
    if (other !== undefined) return other
    if (Observer.of(fiber) !== Observer.none) {
      return Account.keep(fiber, status.runtimeFlags, plan.name, work.drop, (restore, account) =>
        restore(Effect.suspend(() => new Run(plan, work, subject, ending, fiber, account).go())))
    }
    if (CurrentAttempt.isNested(fiber)) return new Run(plan, work, subject, ending, fiber, undefined).go()
    // The first attempt of a call that nobody observes, which is most often the only one, is made without any of that.
    const startedAt = clockOf(fiber).unsafeCurrentTimeMillis()
    const since = GivenUp.now()
    return Effect.matchCauseEffect(work.attempt(subject), {
      onFailure: (cause) => first(plan, work, subject, ending, fiber, startedAt, since, Exit.failCause(cause)),
      onSuccess: (value) => first(plan, work, subject, ending, fiber, startedAt, since, Exit.succeed(value))
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
  since: GivenUp.Moment,
  exit: Exit.Exit<A, E>
): Effect.Effect<A, E | E2, R | R2> => {
  const outcome = judge(plan, work, exit, clockOf(fiber))
  if (Effect.isEffect(outcome)) return outcome
  if (Outcome.isFailed(outcome)) {
    return new Run(plan, work, subject, ending, fiber, undefined, startedAt, since).lose(exit, outcome.failure)
  }
  if (plan.budget !== undefined && outcome._tag === "Success") plan.budget.succeeded(clockOf(fiber), undefined)
  return exit
}

/** What an exit means. A classifier that dies takes its call with it, and then nobody will have what the attempt holds. */
const judge = <S, A, E, R, R2>(
  plan: Plan<A, E, R2>,
  work: Work<S, A, E, R>,
  exit: Exit.Exit<A, E>,
  clock: Clock.Clock
): Outcome.Outcome | Effect.Effect<never> => {
  try {
    return Classifier.run(plan.classifier, exit, clock.unsafeCurrentTimeMillis())
  } catch (defect) {
    return work.drop === undefined ? Effect.die(defect) : Effect.zipRight(work.drop(exit), Effect.die(defect))
  }
}

/** What was lost, and is to be followed by another attempt. */
interface Lost<A, E> {
  readonly exit: Exit.Exit<A, E>
  readonly failure: Failure.Failure
  readonly decision: Decision.Resend
}

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
  private since: GivenUp.Moment
  private attempts: Array<Attempt.Attempt> = []
  private state: unknown
  /** What the current attempt has cost. */
  private paid: Budget.Payment | undefined
  /** Here, and not in a closure, because a closure would be held for as long as the call waits. */
  private lost: Lost<A, E> | undefined

  constructor(
    plan: Plan<A, E, R2>,
    work: Work<S, A, E, R>,
    subject: S,
    ending: Ending<A, E, E2>,
    fiber: Fiber.RuntimeFiber<unknown, unknown>,
    account: Account.Account | undefined,
    startedAt: Millis = 0,
    since: GivenUp.Moment = 0
  ) {
    this.startedAt = startedAt
    this.since = since
    this.plan = plan
    this.work = work
    this.subject = subject
    this.ending = ending
    this.fiber = fiber
    this.account = account
    this.state = plan.schedule.initial
  }

  private get clock(): Clock.Clock {
    return clockOf(this.fiber)
  }

  go(): Effect.Effect<A, E | E2, R | R2> {
    return this.account === undefined
      ? this.make()
      : Account.tell(this.account.attemptStarted(this.attempt), () => this.make())
  }

  private make(): Effect.Effect<A, E | E2, R | R2> {
    this.startedAt = this.clock.unsafeCurrentTimeMillis()
    this.since = GivenUp.now()
    const made = this.work.attempt(this.subject)
    const attempted = CurrentAttempt.isNested(this.fiber) || this.attempt > 1 && CurrentAttempt.isWanted(this.fiber)
      ? Surroundings.provideIn(this.fiber, made, CurrentAttempt.CurrentAttempt, { number: this.attempt, subject: this.subject })
      : made
    return Effect.matchCauseEffect(attempted, {
      onFailure: (cause) => this.settle(Exit.failCause(cause)),
      onSuccess: (value) => this.settle(Exit.succeed(value))
    })
  }

  private settle(exit: Exit.Exit<A, E>): Effect.Effect<A, E | E2, R | R2> {
    const outcome = judge(this.plan, this.work, exit, this.clock)
    if (Effect.isEffect(outcome)) return outcome
    if (outcome._tag === "Success") this.plan.budget?.succeeded(this.clock, this.paid)
    if (this.account === undefined) return Outcome.isFailed(outcome) ? this.lose(exit, outcome.failure) : exit
    return Account.tell(this.between(exit, this.account.attemptEnded(this.attempt, outcome)), () =>
      Outcome.isFailed(outcome) ? this.lose(exit, outcome.failure) : exit)
  }

  lose(exit: Exit.Exit<A, E>, failure: Failure.Failure): Effect.Effect<A, E | E2, R | R2> {
    const now = this.clock.unsafeCurrentTimeMillis()
    const situation: Decision.Situation = {
      attempt: this.attempt,
      maxAttempts: this.plan.maxAttempts,
      earlier: this.attempts,
      request: this.work.repeatable(this.subject),
      deadline: Deadline.of(this.fiber)
    }
    const refusal = this.isFinal(exit) ? Option.some(Decision.giveUp("Terminal")) : Decision.refuse(situation, failure)
    // Appended in place: a copy for each attempt makes the time of many attempts quadratic. (The first makes an array of one, where
    // an empty array would grow to seventeen places, of which a waiting call needs one.)
    const made = { number: this.attempt, startedAt: this.startedAt, endedAt: now, failure }
    if (this.attempts.length === 0) this.attempts = [made]
    else this.attempts.push(made)
    if (Option.isNone(refusal) || refusal.value.because !== "Terminal") this.plan.budget?.failed()
    if (Option.isSome(refusal)) return this.giveUp(refusal.value, exit, failure)
    const proposed = RetrySchedule.step(this.plan.schedule, now, failure, this.state)
    return Immediate.flatMap(this.between(exit, proposed), ([state, proposal]) => {
      this.state = state
      const decision = Decision.settle(situation, failure, proposal, this.clock.unsafeCurrentTimeMillis())
      return decision._tag === "GiveUp" ? this.giveUp(decision, exit, failure) : this.again({ exit, failure, decision })
    })
  }

  /** Waits, and goes on. A waiting call holds on to itself, and to nothing of the attempt that it lost. */
  private again(lost: Lost<A, E>): Effect.Effect<A, E | E2, R | R2> {
    this.lost = lost
    return Immediate.flatMap(this.plan.budget === undefined ? this.waiting : this.paying(this.plan.budget, lost.failure), () => this.next())
  }

  /** The wait, which holds what was lost until it runs; or that there is nothing to wait for. */
  private get waiting(): Effect.Effect<void> {
    let wait: Effect.Effect<void> | undefined = this.wait()
    if (Immediate.isSuccess(wait)) return wait
    return Effect.suspend(() => {
      const held = wait
      wait = undefined
      return held ?? Effect.void
    })
  }

  private wait(): Effect.Effect<void> {
    const { lost } = this
    if (lost === undefined) return Effect.void
    const { decision, exit, failure } = lost
    this.lost = undefined
    return Account.tell(this.account && this.between(exit, this.account.waitStarted(this.attempt, decision, failure)), () =>
      this.work.spend(exit, decision.delay))
  }

  /** Asks the budget before the wait. What is paid for a wait that is interrupted comes back. */
  private paying(budget: RetryBudget, failure: Failure.Failure): Effect.Effect<void> {
    return Effect.uninterruptibleMask((restore) => {
      const payment = budget.withdraw(this.clock, { failure, floor: true })
      if (payment === undefined) return Effect.void
      this.paid = payment
      const { waiting } = this
      return Immediate.isSuccess(waiting) ? waiting : Effect.matchCauseEffect(restore(waiting), {
        onFailure: (cause) => {
          budget.refund(this.clock, payment)
          return Effect.failCause(cause)
        },
        onSuccess: () => Effect.void
      })
    })
  }

  private next(): Effect.Effect<A, E | E2, R | R2> {
    const { lost } = this
    if (lost !== undefined) {
      this.lost = undefined
      return this.giveUp(Decision.giveUp("BudgetExhausted", Option.some(lost.decision.delay)), lost.exit, lost.failure)
    }
    this.attempt += 1
    return this.go()
  }

  /** What is done between an attempt and what follows: where it is interrupted, or dies, nobody will have what the attempt holds. */
  private between<B, E3, R3>(exit: Exit.Exit<A, E>, effect: Effect.Effect<B, E3, R3>): Effect.Effect<B, E3, R3> {
    const { drop } = this.work
    return drop === undefined || Exit.isExit(effect) ? effect : Effect.onError(effect, () => drop(exit))
  }

  private giveUp(decision: Decision.GiveUp, exit: Exit.Exit<A, E>, failure: Failure.Failure): Effect.Effect<A, E | E2, R | R2> {
    if (isSurrender(decision.because, this.attempt)) GivenUp.mark(exit)
    return Account.tell(this.account?.gaveUp(decision, failure), () => this.ending(exit, decision.because, this.attempts))
  }

  /**
   * Whether nothing can follow, whatever a classifier says: defects and interruption are not retried, nor is what a retry inside
   * this one has given up already.
   */
  private isFinal(exit: Exit.Exit<unknown, unknown>): boolean {
    if (Exit.isFailure(exit) && exit.cause._tag !== "Fail") {
      if (Cause.isDie(exit.cause) || Option.isNone(Cause.failureOption(exit.cause))) return true
    }
    return this.plan.givenUp === "final" && GivenUp.isMarked(exit, this.since)
  }
}

/**
 * Tells whether the end of a call is a giving up, after which nobody shall begin again. Nothing was given up where the failure could
 * not pass, nor by a retry that allows one attempt, which is as if it were not there.
 *
 * @since 0.1.0
 * @category guards
 */
export const isSurrender = (because: Decision.GiveUpReason, attempts: number): boolean =>
  because !== "Terminal" && (attempts > 1 || because !== "AttemptsExhausted" && because !== "ScheduleExhausted")

/**
 * Returns the last exit as it came.
 *
 * @since 0.1.0
 * @category endings
 */
export const returnLast = <A, E>(last: Exit.Exit<A, E>): Effect.Effect<A, E> => last

/**
 * Fails with `RetriesExhausted`, unless the last failure was terminal: that one is returned as it came.
 *
 * @since 0.1.0
 * @category endings
 */
export const failExhausted = <A, E>(
  last: Exit.Exit<A, E>,
  because: Decision.GiveUpReason,
  attempts: ReadonlyArray<Attempt.Attempt>
): Effect.Effect<A, E | RetriesExhausted> => {
  if (because === "Terminal") return last
  const cause = Exit.isFailure(last) ? Option.getOrUndefined(Cause.failureOption(last.cause)) : undefined
  const failed = Exit.fail(new RetriesExhausted({ because, attempts, ...(cause === undefined ? {} : { cause }) }))
  GivenUp.mark(failed)
  return failed
}

/**
 * Spends a wait of `delay` ms. A wait of 0 sets no timer.
 *
 * @since 0.1.0
 * @category building
 */
export const wait = (delay: Millis): Effect.Effect<void> =>
  delay > 0 ? Effect.sleep(Duration.millis(delay)) : Effect.void
