/**
 * What happened, as data. Mechanisms emit these; telemetry listens.
 *
 * From the events of a call alone its timeline can be drawn again: when each attempt began and ended, what it meant, how long
 * was waited and why, and how the call ended. Exactly one `CallEnded` closes every `CallStarted`.
 *
 * @since 0.1.0
 */
import type * as Option from "effect/Option"
import type { Millis } from "./Millis.ts"
import type * as Breaker from "./Breaker.ts"
import type * as ChaosPlan from "./ChaosPlan.ts"
import type * as Connection from "./Connection.ts"
import type * as Decision from "./Decision.ts"
import type { Base } from "./EventBase.ts"
import type * as Failure from "./Failure.ts"
import type * as KeyEvent from "./KeyEvent.ts"
import type * as Outcome from "./Outcome.ts"
import type * as Permits from "./Permits.ts"
import type * as PolicyEvent from "./PolicyEvent.ts"
import type * as ServerEvent from "./ServerEvent.ts"

export type { Base, Call } from "./EventBase.ts"
export type * from "./KeyEvent.ts"
export type * from "./PolicyEvent.ts"
export type * from "./ServerEvent.ts"

/** A call began. @since 0.1.0 @category models */
export interface CallStarted extends Base {
  readonly _tag: "CallStarted"
}

/** An attempt began. @since 0.1.0 @category models */
export interface AttemptStarted extends Base {
  readonly _tag: "AttemptStarted"
  /** Counted from 1. */
  readonly attempt: number
}

/**
 * An attempt ended by itself. One that was interrupted has no such event: the `CallEnded` says so.
 *
 * @since 0.1.0
 * @category models
 */
export interface AttemptEnded extends Base {
  readonly _tag: "AttemptEnded"
  readonly attempt: number
  readonly outcome: Outcome.Outcome
}

/** Another attempt will be made after `delay` ms. @since 0.1.0 @category models */
export interface WaitStarted extends Base {
  readonly _tag: "WaitStarted"
  /** The attempt that failed. */
  readonly attempt: number
  readonly delay: Millis
  readonly because: Decision.Because
  readonly failure: Failure.Failure
}

/**
 * Why an attempt was begun while others were on their way, or at once after one had failed: a fixed delay had passed, or one that was
 * learned, or there was a failure.
 *
 * @since 0.1.0
 * @category models
 */
export type HedgeReason = "Delay" | "Quantile" | "Failure"

/** Another attempt is made without waiting for those before it. @since 0.1.0 @category models */
export interface HedgeStarted extends Base {
  readonly _tag: "HedgeStarted"
  /** The attempt that is begun. */
  readonly attempt: number
  readonly because: HedgeReason
  /** How many ms after the attempt before it. */
  readonly after: Millis
}

/** The delay of a hedge has passed, and it is not made. @since 0.1.0 @category models */
export interface HedgeSkipped extends Base {
  readonly _tag: "HedgeSkipped"
  /** The attempt that it would have been. */
  readonly attempt: number
  readonly because: Decision.GiveUpReason
}

/** Of several attempts one has given the call its end. @since 0.1.0 @category models */
export interface AttemptWon extends Base {
  readonly _tag: "AttemptWon"
  readonly attempt: number
  /** Those that were on their way, and are interrupted: they have no `AttemptEnded`. */
  readonly abandoned: ReadonlyArray<number>
}

/**
 * How a call ended.
 *
 * @since 0.1.0
 * @category models
 */
export type End =
  | { readonly _tag: "Succeeded" }
  | {
    readonly _tag: "GaveUp"
    readonly because: Decision.GiveUpReason
    readonly failure: Failure.Failure
    /** The wait in ms that was not begun, where one was considered. */
    readonly wait: Option.Option<Millis>
  }
  /** It ended with a typed error that the classifier calls neither a success nor a failure. */
  | { readonly _tag: "Ignored" }
  | { readonly _tag: "Interrupted" }
  | { readonly _tag: "Died" }

/** A call ended. @since 0.1.0 @category models */
export interface CallEnded extends Base {
  readonly _tag: "CallEnded"
  /** How many attempts were begun. */
  readonly attempts: number
  /** The sum of the delays of the waits that were begun, in ms; one that was interrupted counts in full. */
  readonly waited: Millis
  readonly end: End
}

/**
 * What a guard, which many calls share, tells: its `call` names the guard, and is the same for all of them.
 *
 * @since 0.1.0
 * @category models
 */
export interface OfGuard extends Base {
  /** Which of its states it is about: that of an origin, say. */
  readonly key: string
}

interface BreakerChanged extends OfGuard {
  /** Grows with each change of the key. */
  readonly generation: number
  /** In a few words. */
  readonly because: string
}

/** Calls of a key are rejected from now on. @since 0.1.0 @category models */
export interface BreakerOpened extends BreakerChanged {
  readonly _tag: "BreakerOpened"
  /** For how many ms; `None` where it was isolated by hand. */
  readonly openFor: Option.Option<Millis>
}

/** Its time is over, and a call is sent as a probe. @since 0.1.0 @category models */
export interface BreakerHalfOpened extends BreakerChanged {
  readonly _tag: "BreakerHalfOpened"
}

/** Calls of a key are sent again. @since 0.1.0 @category models */
export interface BreakerClosed extends BreakerChanged {
  readonly _tag: "BreakerClosed"
}

/** A call was not sent. @since 0.1.0 @category models */
export interface BreakerRejected extends OfGuard {
  readonly _tag: "BreakerRejected"
  readonly because: Breaker.Reason
  /** In how many ms a call may be sent again, where that is known. */
  readonly retryAfter: Option.Option<Millis>
}

/**
 * Why a call was not let through by a rate limit.
 *
 * - `Limit`: there have been too many, and it is not to wait
 * - `Quota`: the server has said that it will take no more, and it is not to wait
 * - `MaxWait`: it would have had to wait too long
 * - `Deadline`: it would have had to wait past its deadline
 * - `QueueFull`: too many wait already
 * - `TooLarge`: it costs more than can ever be let through at once
 *
 * @since 0.1.0
 * @category models
 */
export type RateLimitReason = "Limit" | "Quota" | "MaxWait" | "Deadline" | "QueueFull" | "TooLarge"

/** A call was not sent. @since 0.1.0 @category models */
export interface RateLimited extends OfGuard {
  readonly _tag: "RateLimited"
  readonly because: RateLimitReason
  /** In how many ms it could have been sent, where that is known. */
  readonly retryAfter: Option.Option<Millis>
}

/** A call waits its turn. @since 0.1.0 @category models */
export interface RateLimitDelayed extends OfGuard {
  readonly _tag: "RateLimitDelayed"
  /** For how many ms, as far as can be told. */
  readonly delay: Millis
}

/** The server has said that it will take no more for a while: no call of the key is let through. @since 0.1.0 @category models */
export interface RateLimitPaused extends OfGuard {
  readonly _tag: "RateLimitPaused"
  /** For how many ms. */
  readonly pause: Millis
}

/** A call was not sent, because the other side has accepted too few of those before it. @since 0.1.0 @category models */
export interface LoadShed extends OfGuard {
  readonly _tag: "LoadShed"
  /** With which a call was rejected then. */
  readonly probability: number
  /** How many calls were made in the window, those that were not sent included. */
  readonly requests: number
  /** How many of those were accepted. */
  readonly accepts: number
}

/** Something else is given in the place of a failure. Its `call` names the fallback. @since 0.1.0 @category models */
export interface FallbackUsed extends Base {
  readonly _tag: "FallbackUsed"
  /** The failure that nobody will see. */
  readonly because: Failure.Failure
  readonly source: "Effect" | "Value" | "LastGood"
  /** How old in ms what is given is, where it was good once. */
  readonly age: Option.Option<Millis>
}

/** An attempt meets a fault that was injected. Its `call` names the place. @since 0.1.0 @category models */
export interface ChaosInjected extends Base {
  readonly _tag: "ChaosInjected"
  readonly fault: ChaosPlan.Injected
  /** What makes the run be replayed. */
  readonly seed: ChaosPlan.Seed
  readonly attempt: number
  readonly ordinal: number
}

/** A call stands in line for a permit. @since 0.1.0 @category models */
export interface BulkheadQueued extends OfGuard {
  readonly _tag: "BulkheadQueued"
  /** How many wait, this one included. */
  readonly waiting: number
}

/** A call that stood in line has its permit, and is sent. @since 0.1.0 @category models */
export interface BulkheadAdmitted extends OfGuard {
  readonly _tag: "BulkheadAdmitted"
  /** For how many ms it waited. */
  readonly waited: Millis
}

/** A call was not sent. @since 0.1.0 @category models */
export interface BulkheadRejected extends OfGuard {
  readonly _tag: "BulkheadRejected"
  readonly because: Permits.Reason
  /** For how many ms it waited; 0 for one that was rejected at once. */
  readonly waited: Millis
}

/** Another number of calls may be on their way at once from now on. @since 0.1.0 @category models */
export interface LimitChanged extends OfGuard {
  readonly _tag: "LimitChanged"
  readonly from: number
  readonly to: number
}

/** A call stands in line for a permit of an adaptive limit. @since 0.1.0 @category models */
export interface LimitQueued extends OfGuard {
  readonly _tag: "LimitQueued"
  /** How many wait, this one included. */
  readonly waiting: number
}

/** A call that stood in line for an adaptive limit has its permit, and is sent. @since 0.1.0 @category models */
export interface LimitAdmitted extends OfGuard {
  readonly _tag: "LimitAdmitted"
  /** For how many ms it waited. */
  readonly waited: Millis
}

/** An adaptive limit did not let a call be sent. @since 0.1.0 @category models */
export interface LimitRejected extends OfGuard {
  readonly _tag: "LimitRejected"
  readonly because: Permits.Reason
  /** For how many ms it waited; 0 for one that was rejected at once. */
  readonly waited: Millis
}

/**
 * A request is over on its connection: its body has been read, or it has failed, or was aborted. Its `call` names what traces; the ids
 * join it with the attempt.
 *
 * @since 0.1.0
 * @category models
 */
export interface ConnectionTraced extends Base {
  readonly _tag: "ConnectionTraced"
  /** Counted from 1. */
  readonly attempt: number
  readonly traceId: string
  /** Of the span of the attempt. */
  readonly spanId: string
  readonly trace: Connection.Trace
}

/** The body of a response is kept waiting, and its connection with it. Its `call` names the leak check. @since 0.1.0 @category models */
export interface ResponseUnread extends Base {
  readonly _tag: "ResponseUnread"
  readonly method: string
  /** Redacted. */
  readonly url: string
  readonly status: number
  /** How long ago it was handed over, in ms. */
  readonly age: Millis
  /** `Age`: it is neither read nor released. `Collected`: nobody can do either any more. */
  readonly because: "Age" | "Collected"
}

/**
 * What happened.
 *
 * @since 0.1.0
 * @category models
 */
export type Event =
  | CallStarted
  | AttemptStarted
  | AttemptEnded
  | WaitStarted
  | HedgeStarted
  | HedgeSkipped
  | AttemptWon
  | CallEnded
  | BreakerOpened
  | BreakerHalfOpened
  | BreakerClosed
  | BreakerRejected
  | RateLimited
  | RateLimitDelayed
  | RateLimitPaused
  | LoadShed
  | BulkheadQueued
  | BulkheadAdmitted
  | BulkheadRejected
  | LimitChanged
  | LimitQueued
  | LimitAdmitted
  | LimitRejected
  | FallbackUsed
  | ChaosInjected
  | KeyEvent.IdempotencyBegan
  | KeyEvent.IdempotencyAnswered
  | KeyEvent.IdempotencySettled
  | KeyEvent.IdempotencyRefused
  | KeyEvent.IdempotencyBypassed
  | PolicyEvent.PolicyApplied
  | PolicyEvent.PolicyRejected
  | ServerEvent.RequestTurnedAway
  | ConnectionTraced
  | ResponseUnread
