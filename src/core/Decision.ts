/**
 * The heart: one pure function that says, after an attempt, whether to send again, when, and why.
 *
 * `decide` is data in, data out. The HTTP loop, the loop over any Effect, and whatever explains or simulates a policy are shells
 * round this function, so what is explained is what runs. A schedule only *proposes*; this module disposes.
 *
 * **Example** (A 503 that asks for more time than is left)
 *
 * ```ts
 * import { Decision, Failure, Idempotency, Outcome } from "effect-resilience"
 * import { Option } from "effect"
 *
 * const situation = { attempt: 1, maxAttempts: 3, earlier: [], request: Idempotency.always, deadline: Option.some(10_000) }
 * const busy = Outcome.failed(Failure.throttled({ status: 503, retryAfter: Option.some(7_000) }))
 * const proposal = Decision.proceed(100)
 *
 * Decision.decide(situation, busy, proposal, 1_000) // => Decision.resend(7_000, "RetryAfter")
 * Decision.decide(situation, busy, proposal, 5_800) // => Decision.giveUp("DeadlineTooClose", Option.some(7_000))
 * ```
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import type { Millis } from "./Millis.ts"
import { maxDelay } from "./Millis.ts"
import * as Failure from "./Failure.ts"
import * as Idempotency from "./Idempotency.ts"
import * as Outcome from "./Outcome.ts"

/**
 * Why a delay has the length it has: our own backoff, the server's hint, or a schedule that does not say.
 *
 * @since 0.1.0
 * @category models
 */
export type Because = "Backoff" | "RetryAfter" | "Schedule"

/**
 * Why nothing more is sent.
 *
 * - `Terminal`: the same request cannot succeed
 * - `PushedBack`: it might, and the other side said that it shall not be sent again, or (to a hedge) asked for fewer requests
 * - `AttemptsExhausted`: the last attempt that is allowed has been made
 * - `ScheduleExhausted`: the schedule has ended
 * - `TimeExhausted`: the wait would outlive the time that the schedule allows (`RetrySchedule.during`)
 * - `NotIdempotent`, `NotReplayable`: it may not be sent twice
 * - `RetryAfterTooLong`: the server asks for more than we are willing to wait
 * - `DeadlineTooClose`: the wait would outlive the deadline
 * - `BudgetExhausted`: the budget that many calls share pays for no more resends
 *
 * @since 0.1.0
 * @category models
 */
export type GiveUpReason =
  | "Terminal"
  | "PushedBack"
  | "AttemptsExhausted"
  | "ScheduleExhausted"
  | "TimeExhausted"
  | "RetryAfterTooLong"
  | "DeadlineTooClose"
  | "BudgetExhausted"
  | Idempotency.Objection

/**
 * What a schedule proposes after a failure.
 *
 * @since 0.1.0
 * @category models
 */
export type Proposal = Proceed | Stop

/** Send again after a delay. @since 0.1.0 @category models */
export interface Proceed {
  readonly _tag: "Proceed"
  /** In ms. */
  readonly delay: Millis
  readonly because: Because
  /** What has become of the server's hint: held against a limit of the schedule's own, not looked at, or left to `decide`. */
  readonly hint: "honoured" | "ignored" | "open"
  /** The longest wait in ms that the schedule has time for. Absent: any. */
  readonly longest?: Millis | undefined
}

/** Send nothing more. @since 0.1.0 @category models */
export interface Stop {
  readonly _tag: "Stop"
  readonly because: GiveUpReason
  /** The wait in ms that was not begun, where one was considered. */
  readonly wait: Option.Option<Millis>
}

/**
 * What is decided after an attempt.
 *
 * @since 0.1.0
 * @category models
 */
export type Decision = Done | Resend | GiveUp

/** Nothing to decide: the outcome is a success, or neither success nor failure.
 * @since 0.1.0 @category models */
export interface Done {
  readonly _tag: "Done"
}

/** Send again after `delay` ms. @since 0.1.0 @category models */
export interface Resend {
  readonly _tag: "Resend"
  readonly delay: Millis
  readonly because: Because
}

/** Return what happened. @since 0.1.0 @category models */
export interface GiveUp {
  readonly _tag: "GiveUp"
  readonly because: GiveUpReason
  /** The wait in ms that was not begun, where one was considered. */
  readonly wait: Option.Option<Millis>
}

/**
 * Where a call stands when an attempt has ended.
 *
 * @since 0.1.0
 * @category models
 */
export interface Situation {
  /** The number of the attempt that has ended; the first is 1. */
  readonly attempt: number
  /** How many attempts are allowed, the first included. */
  readonly maxAttempts: number
  /** The attempts before this one, all of which failed. */
  readonly earlier: ReadonlyArray<{ readonly failure: Failure.Failure }>
  readonly request: Idempotency.Repeatable
  /** In ms since the epoch. */
  readonly deadline: Option.Option<Millis>
}

const done: Done = { _tag: "Done" }

/** Proposes a delay in ms. @since 0.1.0 @category constructors */
export const proceed = (delay: Millis, because: Because = "Backoff", hint: Proceed["hint"] = "open"): Proceed => ({
  _tag: "Proceed",
  delay,
  because,
  hint
})

/** Proposes to stop; `wait` is the delay in ms that was considered. @since 0.1.0 @category constructors */
export const stop = (because: GiveUpReason, wait: Option.Option<Millis> = Option.none()): Stop => ({
  _tag: "Stop",
  because,
  wait
})

/** Decides to send again after a delay in ms. @since 0.1.0 @category constructors */
export const resend = (delay: Millis, because: Because): Resend => ({ _tag: "Resend", delay, because })

/** Decides to stop; `wait` is the delay in ms that was considered. @since 0.1.0 @category constructors */
export const giveUp = (because: GiveUpReason, wait: Option.Option<Millis> = Option.none()): GiveUp => ({
  _tag: "GiveUp",
  because,
  wait
})

/**
 * The longest server hint that is honoured where nothing else is said, in ms: one minute.
 *
 * @since 0.1.0
 * @category constants
 */
export const defaultRetryAfterCap: Millis = 60_000

/**
 * Makes a proposal wait at least as long as the server asked, or stop where it asked for too long.
 *
 * **Details**
 *
 * The hint is a floor: the delay is the longer of the hint and the proposal, so a hint of 0 falls back on the backoff and
 * cannot storm. Clamping a long hint would retry earlier than asked, so beyond `atMost` nothing is sent. `jitter` only
 * lengthens: the floor becomes `hint * (1 + draw * jitter)` (jitter 0 to 1, draw in [0, 1)), which spreads callers that were all told the same number.
 * Honoured twice, the smaller `atMost` holds.
 *
 * @since 0.1.0
 * @category deciding
 */
export const honour = (
  self: Proposal,
  failure: Failure.Failure,
  options: { readonly atMost: Millis; readonly jitter: number; readonly draw: number }
): Proposal => {
  if (self._tag === "Stop") return self
  const asked = Failure.retryAfter(failure)
  if (self.hint === "ignored" || Option.isNone(asked)) return inTime(self)
  if (asked.value > options.atMost) return stop("RetryAfterTooLong", asked)
  // As for a backoff: a draw that is none lengthens, rather than shortens.
  const draw = Number.isNaN(options.draw) ? 1 : Math.min(Math.max(options.draw, 0), 1)
  const floor = Math.min(Math.ceil(asked.value * (1 + draw * options.jitter)), maxDelay)
  const hint = "honoured"
  return inTime(floor > self.delay ? { ...self, delay: floor, because: "RetryAfter", hint } : { ...self, hint })
}

const inTime = (self: Proceed): Proposal =>
  self.longest !== undefined && self.delay > self.longest ? stop("TimeExhausted", Option.some(self.delay)) : self

const byDefault = { atMost: defaultRetryAfterCap, jitter: 0, draw: 0 }

/** A delay that a timer can wait. What is no number is the longest, and not none. */
const bounded = (delay: Millis): Millis => Number.isNaN(delay) ? maxDelay : Math.min(Math.max(delay, 0), maxDelay)

/** What has been held against a limit already keeps its floor: who steps a schedule further may have shortened the delay. */
const asFloor = { ...byDefault, atMost: Infinity }

/**
 * The first half: whether this failure, in this situation, rules another attempt out before any schedule is asked.
 *
 * @since 0.1.0
 * @category deciding
 */
export const refuse = (self: Situation, failure: Failure.Failure): Option.Option<GiveUp> => {
  const again = Failure.resend(failure)
  if (again === "no" || (again === "once" && self.earlier.some((before) => Failure.resend(before.failure) === "once"))) {
    return Option.some(giveUp(Failure.isPushedBack(failure) ? "PushedBack" : "Terminal"))
  }
  if (self.attempt >= self.maxAttempts) return Option.some(giveUp("AttemptsExhausted"))
  return Option.map(Idempotency.objection(self.request, failure), (objection) => giveUp(objection))
}

/**
 * The second half: what becomes of a schedule's proposal.
 *
 * @since 0.1.0
 * @category deciding
 */
export const settle = (self: Situation, failure: Failure.Failure, proposal: Proposal, now: Millis): Resend | GiveUp => {
  if (proposal._tag === "Stop") return giveUp(proposal.because, proposal.wait)
  const proposed = { ...proposal, delay: bounded(proposal.delay) }
  const honoured = honour(proposed, failure, proposal.hint === "honoured" ? asFloor : byDefault)
  if (honoured._tag === "Stop") return giveUp(honoured.because, honoured.wait)
  const { delay } = honoured
  // An attempt that would start at the deadline has no time: the wait before it would be in vain.
  return Option.isSome(self.deadline) && now + delay >= self.deadline.value
    ? giveUp("DeadlineTooClose", Option.some(delay))
    : resend(delay, honoured.because)
}

/**
 * Decides what happens after an attempt. `now` is in ms since the epoch; the draw of chance is already in the proposal.
 *
 * @since 0.1.0
 * @category deciding
 */
export const decide = (self: Situation, outcome: Outcome.Outcome, proposal: Proposal, now: Millis): Decision => {
  if (!Outcome.isFailed(outcome)) return done
  const refusal = refuse(self, outcome.failure)
  return Option.isSome(refusal) ? refusal.value : settle(self, outcome.failure, proposal, now)
}
