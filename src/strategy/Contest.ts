/**
 * The loop that every hedge of this library is: it runs the attempts of a call side by side, and gives what wins.
 *
 * What happens comes to the fiber of the call one thing after the other: an attempt has ended, the delay is over. `Race` says
 * what follows. `strategy/Hedge` and `http/Hedge` give it the work.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type * as RuntimeFlags from "effect/RuntimeFlags"
import type * as Budget from "../core/Budget.ts"
import * as Classifier from "../core/Classifier.ts"
import * as Decision from "../core/Decision.ts"
import type { HedgeReason } from "../core/Event.ts"
import { maxDelay, type Millis } from "../core/Millis.ts"
import * as Outcome from "../core/Outcome.ts"
import * as Race from "../core/Race.ts"
import * as Account from "./Account.ts"
import * as Child from "./Child.ts"
import * as CurrentAttempt from "./CurrentAttempt.ts"
import * as Deadline from "./Deadline.ts"
import * as GivenUp from "./GivenUp.ts"
import { clockOf, monotonic } from "./Guarded.ts"
import type { Work } from "./Loop.ts"
import type { MovingQuantile } from "./MovingQuantile.ts"
import type { RetryBudget } from "./RetryBudget.ts"
import * as Surroundings from "./Surroundings.ts"
import * as Timeout from "./Timeout.ts"

export type { Work } from "./Loop.ts"

/**
 * Options that have been checked, once.
 *
 * @since 0.1.0
 * @category models
 */
export interface Plan<in A, in E> {
  readonly classifier: Classifier.Classifier<A, E>
  /** In ms; 2^31 - 1 is never. */
  readonly delay: Millis | MovingQuantile
  readonly maxAttempts: number
  readonly budget: RetryBudget | undefined
  readonly name: string
}

/**
 * Runs one call. `key` says which latencies are those of its like.
 *
 * @since 0.1.0
 * @category running
 */
export const run = <S, A, E, R>(plan: Plan<A, E>, work: Work<S, A, E, R>, subject: S, key: string): Effect.Effect<A, E, R> =>
  Effect.withFiberRuntime<A, E, R>((fiber, { runtimeFlags }) =>
    Account.keep(fiber, runtimeFlags, plan.name, work.drop, (restore, account) => {
      const call = new Call(plan, work, subject, key, fiber, runtimeFlags, account)
      // Handlers of an interruptible region are skipped when it is interrupted: this one is interrupted inside of `restore` only.
      return Effect.matchCauseEffect(restore(Effect.suspend(() => call.begin())), {
        onFailure: (cause) => Effect.zipRight(call.abandon(), Effect.failCause(cause)),
        onSuccess: ({ child, exit }) => Child.adopt(child, exit)
      })
    })
  )

/** An attempt that has begun. */
interface Racer<out A, out E> {
  readonly number: number
  readonly child: Child.Child<A, E>
  readonly began: Millis
  readonly since: GivenUp.Moment
  readonly paid: Budget.Payment | undefined
}

/** An attempt that has ended. */
interface Ended<out A, out E> extends Racer<A, E> {
  readonly exit: Exit.Exit<A, E>
}

/** One call, which one fiber runs. Its attempts and its timer only leave word (`arrive`, `due`) and wake it. */
class Call<S, A, E, R> {
  private readonly plan: Plan<A, E>
  private readonly work: Work<S, A, E, R>
  private readonly subject: S
  private readonly key: string
  private readonly fiber: Fiber.RuntimeFiber<unknown, unknown>
  private readonly flags: RuntimeFlags.RuntimeFlags
  private readonly account: Account.Account | undefined
  private readonly rules: Race.Rules
  private readonly delay: Millis
  private readonly reason: HedgeReason
  private readonly siblings: CurrentAttempt.Siblings = { first: undefined }

  private race = Race.initial
  private phase: "racing" | "won" | "abandoned" = "racing"
  private readonly running = new Set<Racer<A, E>>()
  private readonly inbox: Array<Ended<A, E>> = []
  private wake = () => {}
  private cancel: (() => void) | undefined
  private isDue = false
  /** The delay has been spent without a hedge, because the budget did not pay for it. */
  private isPoor = false
  private began: Millis = 0
  /** What is being looked at, and what has been paid for an attempt that has not begun. */
  private held: Exit.Exit<A, E> | undefined
  private unsent: Budget.Payment | undefined

  constructor(
    plan: Plan<A, E>,
    work: Work<S, A, E, R>,
    subject: S,
    key: string,
    fiber: Fiber.RuntimeFiber<unknown, unknown>,
    flags: RuntimeFlags.RuntimeFlags,
    account: Account.Account | undefined
  ) {
    this.plan = plan
    this.work = work
    this.subject = subject
    this.key = key
    this.fiber = fiber
    this.flags = flags
    this.account = account
    this.rules = { maxAttempts: plan.maxAttempts, request: work.repeatable(subject), deadline: Deadline.of(fiber) }
    const learned = typeof plan.delay === "number" ? Option.none() : plan.delay.known(key, this.now)
    this.reason = Option.isSome(learned) ? "Quantile" : "Delay"
    this.delay = Option.getOrElse(learned, () => typeof plan.delay === "number" ? plan.delay : plan.delay.fallback)
  }

  private get clock(): Clock.Clock {
    return clockOf(this.fiber)
  }

  /** Monotonic. */
  private get now(): Millis {
    return monotonic(this.clock)
  }

  /** Begins an attempt, and waits for what happens. */
  begin(because?: HedgeReason): Effect.Effect<Ended<A, E>, never, R> {
    const { account } = this
    this.race = Race.begin(this.race)
    const number = this.race.started
    const hedged = because === undefined ? undefined : account?.hedgeStarted(number, because, Math.round(this.now - this.began))
    return Account.tell(hedged, () =>
      Account.tell(account?.attemptStarted(number), () => {
        this.launch(number)
        return this.next()
      }))
  }

  private launch(number: number): void {
    const attempt = Effect.suspend(() => this.work.attempt(this.subject))
    const isTold = CurrentAttempt.isNested(this.fiber) || CurrentAttempt.isWanted(this.fiber)
    const position = { number, subject: this.subject, siblings: this.siblings }
    const told = isTold ? Surroundings.provide(attempt, CurrentAttempt.CurrentAttempt, position) : attempt
    const since = GivenUp.now()
    const began = this.now
    const paid = this.unsent
    this.unsent = undefined
    this.began = began
    this.isDue = false
    this.cancel?.()
    this.cancel = undefined
    const child = Child.start(told, this.fiber, this.flags)
    const racer: Racer<A, E> = { number, child, began, since, paid }
    this.running.add(racer)
    child.fiber.addObserver((exit) => this.arrive({ ...racer, exit: Exit.flatten(exit) }, racer))
  }

  /** Called by an attempt when it has ended. */
  private arrive(ended: Ended<A, E>, racer: Racer<A, E>): void {
    this.running.delete(racer)
    if (this.phase === "won") return this.release(ended.exit)
    this.inbox.push(ended)
    this.wake()
  }

  /** What has ended comes before what is due: a result that is there needs no other attempt. */
  private next(): Effect.Effect<Ended<A, E>, never, R> {
    const ended = this.inbox.shift()
    if (ended !== undefined) return this.settle(ended)
    if (this.isDue) return this.hedge()
    const left = this.began + this.delay - this.now
    const { clock } = this
    if (this.cancel === undefined && this.delay < maxDelay && !this.isPoor &&
      Race.mayHedge(this.race, this.rules, clock.unsafeCurrentTimeMillis() + Math.max(left, 0))) {
      if (left <= 0) return this.hedge()
      this.cancel = Timeout.timer(clock, left, () => {
        this.isDue = true
        this.wake()
      })
    }
    return Effect.flatMap(this.word, () => this.next())
  }

  /** Waits for word. */
  private get word(): Effect.Effect<void> {
    return Effect.async<void>((resume) => {
      if (this.inbox.length > 0 || this.isDue) return resume(Effect.void)
      this.wake = () => {
        this.wake = () => {}
        resume(Effect.void)
      }
    })
  }

  /** The delay is over. */
  private hedge(): Effect.Effect<Ended<A, E>, never, R> {
    this.isDue = false
    if (!Race.mayHedge(this.race, this.rules, this.clock.unsafeCurrentTimeMillis())) return this.next()
    if (this.pay({ floor: false })) return this.begin(this.reason)
    this.isPoor = true
    return Account.tell(this.account?.hedgeSkipped(this.race.started + 1, "BudgetExhausted"), () => this.next())
  }

  private pay(request: Budget.Request): boolean {
    const { budget } = this.plan
    if (budget === undefined) return true
    this.unsent = budget.withdraw(this.clock, request)
    return this.unsent !== undefined
  }

  private settle(ended: Ended<A, E>): Effect.Effect<Ended<A, E>, never, R> {
    const { exit, number, paid } = ended
    const { budget, classifier } = this.plan
    this.held = exit
    const outcome = Classifier.run(classifier, exit, this.clock.unsafeCurrentTimeMillis())
    const failure = Outcome.isFailed(outcome) ? outcome.failure : undefined
    // A fast failure says nothing about how long an answer takes.
    if (failure === undefined || failure._tag === "AttemptTimedOut") this.observe(ended)
    if (outcome._tag === "Success") budget?.succeeded(this.clock, paid)
    // Our own breaker, say, did not let it through.
    if (failure?._tag === "Rejected" && paid !== undefined) budget?.refund(this.clock, paid)
    return Account.tell(this.account?.attemptEnded(number, outcome), () => {
      if (failure === undefined) return this.win(ended, true)
      const final = isFinal(exit) ? "always" : GivenUp.isMarked(exit, ended.since) ? "givenUp" : "no"
      let [verdict, race] = Race.fail(this.race, this.rules, failure, final, this.clock.unsafeCurrentTimeMillis())
      if (verdict._tag !== "End" || verdict.because !== "Terminal") budget?.failed()
      if (verdict._tag === "Start" && !this.pay({ failure, floor: race.running === 0 })) {
        [verdict, race] = Race.stop(race, "BudgetExhausted")
      }
      this.race = race
      if (verdict._tag === "End") {
        if (verdict.because !== "Terminal" && (race.started > 1 || verdict.because !== "AttemptsExhausted")) GivenUp.mark(exit)
        return Account.tell(this.account?.gaveUp(Decision.giveUp(verdict.because), failure), () => this.win(ended, false))
      }
      this.held = undefined
      this.release(exit)
      return verdict._tag === "Start" ? this.begin("Failure") : this.next()
    })
  }

  private observe({ began }: Racer<A, E>): void {
    if (typeof this.plan.delay !== "number") this.plan.delay.observe(this.key, this.now - began, this.now)
  }

  /** The call has its end. Whoever is still on the way is sent home, and nobody waits for that. */
  private win(ended: Ended<A, E>, isGood: boolean): Effect.Effect<Ended<A, E>> {
    this.phase = "won"
    this.cancel?.()
    const abandoned = [...this.running]
    for (const each of abandoned) {
      // It took at least so long: without these only the fast ones would be seen.
      if (isGood) this.observe(each)
      each.child.fiber.unsafeInterruptAsFork(this.fiber.id())
    }
    for (const { exit } of this.inbox.splice(0)) this.release(exit)
    if (this.race.started === 1) return Effect.succeed(ended)
    return Account.tell(this.account?.attemptWon(ended.number, abandoned.map(({ number }) => number)), () => Effect.succeed(ended))
  }

  /** Lets go of what an attempt holds that nobody will have, beside the call. What has died is logged by Effect, at debug level. */
  private release(exit: Exit.Exit<A, E>): void {
    const released = this.work.spend(exit, 0)
    if (released !== Effect.void) Child.start(released, this.fiber, this.flags)
  }

  /** The call was interrupted, or died: all its attempts have ended, and have been let go, when this has. */
  abandon(): Effect.Effect<void> {
    this.phase = "abandoned"
    this.cancel?.()
    if (this.unsent !== undefined) this.plan.budget?.refund(this.clock, this.unsent)
    const running = [...this.running]
    for (const { child } of running) child.fiber.unsafeInterruptAsFork(this.fiber.id())
    const { drop } = this.work
    const ended = Effect.forEach(running, ({ child }) => Fiber.await(child.fiber), { discard: true })
    if (drop === undefined) return ended
    return Effect.zipRight(ended, Effect.suspend(() => {
      const exits = this.inbox.splice(0).map(({ exit }) => exit)
      return Effect.forEach(this.held === undefined ? exits : [this.held, ...exits], drop, { discard: true })
    }))
  }
}

/** Defects and interruption are never followed by another attempt, whatever a classifier says. */
const isFinal = (exit: Exit.Exit<unknown, unknown>): boolean =>
  Exit.isFailure(exit) && (Cause.isDie(exit.cause) || Option.isNone(Cause.failureOption(exit.cause)))
