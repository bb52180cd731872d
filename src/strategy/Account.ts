/**
 * The account of one call: turns what a loop does into events, and sees to it that exactly one `CallEnded` closes the call.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as FiberRef from "effect/FiberRef"
import * as Option from "effect/Option"
import * as RuntimeFlags from "effect/RuntimeFlags"
import type * as Decision from "../core/Decision.ts"
import type { Call, End, Event, HedgeReason } from "../core/Event.ts"
import type * as Failure from "../core/Failure.ts"
import type { Millis } from "../core/Millis.ts"
import type * as Outcome from "../core/Outcome.ts"
import { clockOf } from "./Guarded.ts"
import * as Observer from "./Observer.ts"
import type { Restore } from "./Surroundings.ts"

/**
 * Goes on at once where there is nothing to tell: the success path of a call that nobody observes is flat.
 *
 * @since 0.1.0
 * @category telling
 */
export const tell = <A, E, R>(told: Effect.Effect<void> | undefined, next: () => Effect.Effect<A, E, R>) =>
  told === undefined || told === Effect.void ? next() : Effect.flatMap(told, next)

/**
 * What is told of a call that somebody observes.
 *
 * @since 0.1.0
 * @category models
 */
export interface Account {
  readonly started: Effect.Effect<void>
  readonly attemptStarted: (attempt: number) => Effect.Effect<void>
  readonly attemptEnded: (attempt: number, outcome: Outcome.Outcome) => Effect.Effect<void>
  readonly waitStarted: (attempt: number, decision: Decision.Resend, failure: Failure.Failure) => Effect.Effect<void>
  readonly hedgeStarted: (attempt: number, because: HedgeReason, after: Millis) => Effect.Effect<void>
  readonly hedgeSkipped: (attempt: number, because: Decision.GiveUpReason) => Effect.Effect<void>
  readonly attemptWon: (attempt: number, abandoned: ReadonlyArray<number>) => Effect.Effect<void>
  readonly gaveUp: (decision: Decision.GiveUp, failure: Failure.Failure) => Effect.Effect<void>
  readonly ended: (exit: Exit.Exit<unknown, unknown>) => Effect.Effect<void>
}

/** It remembers what must be known at the end: one fiber runs a call, so plain variables will do. */
const open = (listener: Observer.Listener, clock: Clock.Clock, name: string): Account => {
  const call = Observer.call(name)
  let attempts = 0
  let waited = 0
  let surrender: Option.Option<End> = Option.none()
  const emit = (event: (base: { readonly call: Call; readonly at: Millis }) => Event) =>
    Observer.emit(listener, event({ call, at: clock.unsafeCurrentTimeMillis() }))
  return {
    started: emit((base) => ({ _tag: "CallStarted", ...base })),
    attemptStarted: (attempt) => {
      attempts = attempt
      return emit((base) => ({ _tag: "AttemptStarted", ...base, attempt }))
    },
    attemptEnded: (attempt, outcome) => emit((base) => ({ _tag: "AttemptEnded", ...base, attempt, outcome })),
    waitStarted: (attempt, { because, delay }, failure) => {
      waited += delay
      return emit((base) => ({ _tag: "WaitStarted", ...base, attempt, delay, because, failure }))
    },
    hedgeStarted: (attempt, because, after) => emit((base) => ({ _tag: "HedgeStarted", ...base, attempt, because, after })),
    hedgeSkipped: (attempt, because) => emit((base) => ({ _tag: "HedgeSkipped", ...base, attempt, because })),
    attemptWon: (attempt, abandoned) => emit((base) => ({ _tag: "AttemptWon", ...base, attempt, abandoned })),
    gaveUp: ({ because, wait }, failure) => {
      surrender = Option.some({ _tag: "GaveUp", because, failure, wait })
      return Effect.void
    },
    ended: (exit) =>
      emit((base) => ({ _tag: "CallEnded", ...base, attempts, waited, end: endOf(exit, surrender) }))
  }
}

/**
 * Opens the account of a call where somebody observes it, and runs the call in a region that is interrupted inside of `restore` only.
 *
 * **Details**
 *
 * Who is interrupted after the call has given something leaves the region as one who was interrupted, and does not get it: that is
 * dropped.
 *
 * @since 0.1.0
 * @category telling
 */
export const keep = <A, E, R>(
  fiber: Fiber.RuntimeFiber<unknown, unknown>,
  runtimeFlags: RuntimeFlags.RuntimeFlags,
  name: string,
  drop: ((lost: Exit.Exit<A>) => Effect.Effect<void>) | undefined,
  call: (restore: Restore, account: Account | undefined) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.uninterruptibleMask((restore) => {
    const listener = Observer.of(fiber)
    // Opened here, where nothing can come between the beginning that is told and the end: to open it tells a listener already.
    const account = listener === Observer.none ? undefined : open(listener, clockOf(fiber), name)
    const kept = account === undefined
      ? call(restore, account)
      : tell(account.started, () => Effect.onExit(Effect.suspend(() => call(restore, account)), account.ended))
    if (drop === undefined || !RuntimeFlags.interruptible(runtimeFlags)) return kept
    return Effect.flatMap(kept, (value) => {
      const exit = Exit.succeed(value)
      return Cause.isEmpty(fiber.getFiberRef(FiberRef.interruptedCause)) ? exit : Effect.zipRight(drop(exit), exit)
    })
  })

/** A call that gave up returns what it has, which may be a value; one that is interrupted while it does so was interrupted. */
const endOf = (exit: Exit.Exit<unknown, unknown>, surrender: Option.Option<End>): End => {
  if (Exit.isFailure(exit) && Cause.isInterruptedOnly(exit.cause)) return { _tag: "Interrupted" }
  if (Option.isSome(surrender)) return surrender.value
  if (Exit.isSuccess(exit)) return { _tag: "Succeeded" }
  return Cause.isDie(exit.cause) ? { _tag: "Died" } : { _tag: "Ignored" }
}
