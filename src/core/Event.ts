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
import type * as Decision from "./Decision.ts"
import type * as Failure from "./Failure.ts"
import type * as Outcome from "./Outcome.ts"

/**
 * The call that an event belongs to. `id` is unique in this process.
 *
 * @since 0.1.0
 * @category models
 */
export interface Call {
  readonly id: number
  readonly name: string
}

interface Base {
  readonly call: Call
  /** Wall clock, ms since the epoch. */
  readonly at: Millis
}

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
  | CallEnded
  | BreakerOpened
  | BreakerHalfOpened
  | BreakerClosed
  | BreakerRejected
