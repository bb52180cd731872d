/**
 * The shell of every guard: breaker, bulkhead, rate limit, adaptive limit, adaptive throttle.
 *
 * A guard answers two questions: may this call be sent, and what came of it. The second is asked exactly once for each call that
 * was admitted, whatever became of it: success, failure, defect, interruption. Between the two the call runs as it would without
 * a guard.
 *
 * **Example** (A guard that counts what is on its way)
 *
 * ```ts
 * import { Guarded } from "effect-resilience"
 * import { Effect, Exit } from "effect"
 *
 * let inUse = 0
 * const counted = <A>(): Guarded.Guard<number, A, unknown, "full"> => ({
 *   admit: () => inUse < 1 ? Effect.succeed(++inUse) : Effect.fail("full" as const),
 *   announce: () => Effect.void,
 *   settle: (_caller, _ticket, exit) => {
 *     inUse--
 *     return exit
 *   }
 * })
 * const inner = Guarded.run(counted<string>(), "key", Effect.succeed("inner"))
 * const exit = await Effect.runPromiseExit(Guarded.run(counted(), "key", inner))
 *
 * Exit.isFailure(exit) && inUse === 0 // => true
 * ```
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Classifier from "../core/Classifier.ts"
import type { Call, Event } from "../core/Event.ts"
import type { Millis } from "../core/Millis.ts"
import * as Outcome from "../core/Outcome.ts"
import * as Observer from "./Observer.ts"
import type { Restore } from "./Surroundings.ts"

/**
 * The call that asks.
 *
 * @since 0.1.0
 * @category models
 */
export interface Caller {
  /** Which of the states of the guard it is about. */
  readonly key: string
  readonly fiber: Fiber.RuntimeFiber<unknown, unknown>
  readonly clock: Clock.Clock
  /** Makes a wait interruptible. What was taken before it has to be given back in a handler outside of it. */
  readonly restore: Restore
}

/**
 * What a guard answers.
 *
 * **Details**
 *
 * `admit` and `settle` are called by the fiber of the call, in a region that cannot be interrupted. Where they do their work
 * when they are called, and answer with a value (`Effect.succeed`, an `Exit`), they cost no step.
 *
 * @since 0.1.0
 * @category models
 */
export interface Guard<in out Ticket, in out A, in E, out E2> {
  /** How calls pass of which nothing has to come back. To be left out where each ticket holds something, as a permit does. */
  readonly passing?: Passing<Ticket, A, E> | undefined
  /** Gives a ticket for a call that may be sent, when it may, or refuses it. A wait is put into `caller.restore`. */
  readonly admit: (caller: Caller) => Effect.Effect<Ticket, E2>
  /** What is to be told of an admission, by listeners that may take their time: interrupted with the call, and settled like it. */
  readonly announce: (caller: Caller, ticket: Ticket) => Effect.Effect<void>
  /** Told when a call begins, which one that is interrupted before it never does. To be left out where that is all the same. */
  readonly begin?: ((ticket: Ticket) => void) | undefined
  /** Takes a ticket back, once. What it answers with is what the call gives: the exit, as a rule. */
  readonly settle: <E3 extends E>(caller: Caller, ticket: Ticket, exit: Exit.Exit<A, E3>) => Effect.Effect<A, E3>
}

/**
 * How a guard lets calls pass that it need not shield from interruption, which is most of what a guard costs.
 *
 * **Details**
 *
 * A call that is interrupted between the two, or before the second could be asked, is as if it had never asked: the ticket is not
 * settled. Both do their work when they are called, and nothing has to be told of it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Passing<in out Ticket, in A, in E> {
  /** Gives a ticket and changes nothing by it, or gives none: then the guard is asked to `admit`. */
  readonly admit: (key: string, clock: Clock.Clock) => Ticket | undefined
  /** Takes the ticket of a call back that has ended; or changes nothing and says `false`: then the guard is asked to `settle`. */
  readonly settle: (caller: Caller, ticket: Ticket, exit: Exit.Exit<A, E>) => boolean
}

/**
 * Sends an effect through a guard: it is not begun where that refuses it, and each ticket is settled exactly once; one that holds
 * nothing (`Passing`), unless the call is interrupted.
 *
 * @since 0.1.0
 * @category building
 */
export const run = <Ticket, A, Known, E extends Known, R, E2>(
  guard: Guard<Ticket, A, Known, E2>,
  key: string,
  self: Effect.Effect<A, E, R>
): Effect.Effect<A, E | E2, R> =>
  guard.passing === undefined ? shielded(guard, key, self) : pass(guard, guard.passing, key, self)

const pass = <Ticket, A, Known, E extends Known, R, E2>(
  guard: Guard<Ticket, A, Known, E2>,
  passing: Passing<Ticket, A, Known>,
  key: string,
  self: Effect.Effect<A, E, R>
): Effect.Effect<A, E | E2, R> =>
  Effect.withFiberRuntime((fiber) => {
    const clock = clockOf(fiber)
    const ticket = passing.admit(key, clock)
    if (ticket === undefined) return shielded(guard, key, self)
    const caller: Caller = { key, fiber, clock, restore: asItIs }
    const ended = (exit: Exit.Exit<A, E>): Effect.Effect<A, E> =>
      passing.settle(caller, ticket, exit) ? exit : Effect.uninterruptible(Effect.suspend(() => guard.settle(caller, ticket, exit)))
    // Skipped where the call is interrupted, as handlers of an interruptible region are: see `Passing`.
    return Effect.matchCauseEffect(self, {
      onFailure: (cause) => ended(Exit.failCause(cause)),
      onSuccess: (value) => ended(Exit.succeed(value))
    })
  })

const asItIs: Restore = (effect) => effect

const shielded = <Ticket, A, Known, E extends Known, R, E2>(
  guard: Guard<Ticket, A, Known, E2>,
  key: string,
  self: Effect.Effect<A, E, R>
): Effect.Effect<A, E | E2, R> =>
  // Handlers of an interruptible region are skipped when it is interrupted. This one is interrupted only inside of `restore`,
  // from before the ticket is given until it has been settled.
  Effect.uninterruptibleMask((restore) => {
    // What runs, runs in a fiber. To be given it by `withFiberRuntime` would be one more step of each call.
    const fiber = Option.getOrThrow(Fiber.getCurrentFiber())
    const caller: Caller = { key, fiber, clock: clockOf(fiber), restore }
    const asked = guard.admit(caller)
    if (isKnown(asked)) return admitted(guard, caller, asked.value, self)
    return Effect.flatMap(asked, (ticket) => admitted(guard, caller, ticket, self))
  })

const admitted = <Ticket, A, Known, E extends Known, R, E2>(
  guard: Guard<Ticket, A, Known, E2>,
  caller: Caller,
  ticket: Ticket,
  self: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.matchCauseEffect(caller.restore(after(guard.announce(caller, ticket), begun(guard, ticket, self))), {
    onFailure: (cause) => guard.settle(caller, ticket, Exit.failCause(cause)),
    onSuccess: (value) => guard.settle(caller, ticket, Exit.succeed(value))
  })

const begun = <Ticket, A, Known, E extends Known, R, E2>(
  { begin }: Guard<Ticket, A, Known, E2>,
  ticket: Ticket,
  self: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  begin === undefined ? self : Effect.suspend(() => {
    begin(ticket)
    return self
  })

/**
 * Says whether an effect is a value already, with which one can go on at once.
 *
 * @since 0.1.0
 * @category guards
 */
export const isKnown = <A, E>(effect: Effect.Effect<A, E>): effect is Exit.Success<A, never> =>
  Exit.isExit(effect) && Exit.isSuccess(effect)

/**
 * Goes on with an effect when another has been run. What is `Effect.void` need not be run.
 *
 * @since 0.1.0
 * @category building
 */
export const after = <A, E, R>(told: Effect.Effect<void>, self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  told === Effect.void ? self : Effect.zipRight(told, self)

/**
 * Refuses a call, when that has been told. The error is made where it is needed, for it looks at the stack.
 *
 * @since 0.1.0
 * @category building
 */
export const refuse = <E2>(caller: Caller, told: Effect.Effect<void>, error: () => E2): Effect.Effect<never, E2> =>
  told === Effect.void ? Effect.failSync(error) : caller.restore(Effect.zipRight(told, Effect.failSync(error)))

/**
 * What an exit means to a guard.
 *
 * @since 0.1.0
 * @category models
 */
export interface Meaning {
  readonly outcome: Outcome.Outcome
  /** The classifier died: its defect is the call's, and what it was asked about means nothing. */
  readonly died?: Exit.Exit<never>
}

/**
 * Asks a classifier what an exit means. Where the classifier dies, the ticket is settled all the same.
 *
 * @since 0.1.0
 * @category building
 */
export const meaning = <A, E>(classifier: Classifier.Classifier<A, E>, exit: Exit.Exit<A, E>, clock: Clock.Clock): Meaning => {
  try {
    return { outcome: Classifier.run(classifier, exit, clock.unsafeCurrentTimeMillis()) }
  } catch (defect) {
    return { outcome: Outcome.ignored, died: Exit.die(defect) }
  }
}

/**
 * What all events have, of a guard that many calls share.
 *
 * @since 0.1.0
 * @category models
 */
export interface Told {
  readonly call: Call
  readonly at: Millis
}

/**
 * Tells whoever listens to a fiber what happened. Where nobody does, the event is not made, and the answer is `Effect.void`.
 *
 * @since 0.1.0
 * @category emitting
 */
export const tell = (
  call: Call,
  fiber: Fiber.RuntimeFiber<unknown, unknown>,
  event: (told: Told) => Event
): Effect.Effect<void> => {
  const listener = Observer.of(fiber)
  return listener === Observer.none
    ? Effect.void
    : Observer.emit(listener, event({ call, at: clockOf(fiber).unsafeCurrentTimeMillis() }))
}

/**
 * The clock of a fiber, without an effect.
 *
 * @since 0.1.0
 * @category getters
 */
export const clockOf = (fiber: Fiber.RuntimeFiber<unknown, unknown>): Clock.Clock =>
  fiber.currentDefaultServices.unsafeMap.get(Clock.Clock.key)

/**
 * Monotonic time in ms: setting the clock of the machine neither opens a guard nor keeps it closed.
 *
 * @since 0.1.0
 * @category getters
 */
export const monotonic = (clock: Clock.Clock): Millis => Number(clock.unsafeCurrentTimeNanos()) / 1e6

/**
 * The key where none is given.
 *
 * @since 0.1.0
 * @category constants
 */
export const defaultKey = "default"
