/**
 * A bulkhead: no more than so many calls of a key are on their way at once, and no more than so many wait.
 *
 * A peer that has become slow holds whoever calls it. With a bulkhead it holds a few, and the memory, sockets and patience of the
 * rest of the program are not for it to take.
 *
 * **Example** (One at a time, and nobody waits)
 *
 * ```ts
 * import { Bulkhead } from "effect-resilience"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const bulkhead = yield* Bulkhead.make({ permits: 1 })
 *   const call = Effect.sleep("10 millis").pipe(Bulkhead.protect({ bulkhead }), Effect.as("done"))
 *   const said = Effect.catchTag(call, "BulkheadFull", (error) => Effect.succeed(error.because))
 *   return yield* Effect.all([said, said], { concurrency: "unbounded" })
 * })
 *
 * await Effect.runPromise(program) // => ["done", "QueueFull"]
 * ```
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { dual } from "effect/Function"
import * as Scope from "effect/Scope"
import type { Call } from "../core/Event.ts"
import * as Failure from "../core/Failure.ts"
import { integerIn } from "../core/InvalidOption.ts"
import { format, type Millis } from "../core/Millis.ts"
import * as Permits from "../core/Permits.ts"
import * as Gate from "./Gate.ts"
import * as Guarded from "./Guarded.ts"
import * as Keyed from "./Keyed.ts"
import * as Observer from "./Observer.ts"

/**
 * A call was not sent: as many as may be are on their way, and it may not wait, or not for longer.
 *
 * @since 0.1.0
 * @category errors
 */
export class BulkheadFull extends Data.TaggedError("BulkheadFull")<{
  readonly key: string
  readonly because: Permits.Reason
  /** For how long it waited, in ms; 0 for one that was rejected at once. */
  readonly waited: Millis
}> {
  override get message(): string {
    const when = this.waited === 0 ? "" : `, after ${format(Math.round(this.waited))}`
    return `not sent: the bulkhead of ${JSON.stringify(this.key)} says ${this.because}${when}`
  }

  get [Failure.key](): Failure.Failure {
    return Failure.rejected("BulkheadFull")
  }
}

/**
 * How much a bulkhead lets through, and what it is called.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options extends Permits.Options, Keyed.Options {
  /** How many calls of a key may be on their way at once. 1 or more; infinity is no bulkhead. */
  readonly permits: number
  /** For events. Default: "bulkhead". */
  readonly name?: string | undefined
}

/**
 * A bulkhead: a handle that is passed as a value.
 *
 * @since 0.1.0
 * @category models
 */
export interface Bulkhead {
  readonly name: string
  readonly permits: number
  readonly gates: Gate.Gates<void>
  /** What its events belong to. */
  readonly call: Call
}

/**
 * Makes a bulkhead, with nobody in it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options): Effect.Effect<Bulkhead> => {
  const where = "Bulkhead.make"
  const { name = "bulkhead", permits: given } = options
  const permits = given === Infinity ? given : integerIn(where, "permits", given, { min: 1 })
  const settings = Permits.settings(where, options)
  const limits = Keyed.limits(options)
  return Effect.sync(() => ({
    name,
    permits,
    gates: Gate.unsafeMake<void>(settings, permits, () => {}, limits),
    call: Observer.call(name)
  }))
}

/**
 * How much of a key is going on.
 *
 * @since 0.1.0
 * @category getters
 */
export const load = (self: Bulkhead, key: string = Guarded.defaultKey): Effect.Effect<Permits.Load> =>
  Effect.sync(() => Gate.load(self.gates, key, self.permits))

/**
 * What a call is protected with.
 *
 * @since 0.1.0
 * @category models
 */
export interface ProtectOptions {
  readonly bulkhead: Bulkhead
  /** What shares its permits. Default: "default". */
  readonly key?: string | undefined
}

/**
 * Begins an effect when it has a permit, and gives the permit back when it has ended, however that was.
 *
 * **Details**
 *
 * One bulkhead inside of itself, with the same key, waits for itself: do not.
 *
 * @since 0.1.0
 * @category combinators
 */
export const protect: {
  /** Begins an effect when it has a permit. */
  (options: ProtectOptions): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E | BulkheadFull, R>
  /** Begins an effect when it has a permit. */
  <A, E, R>(self: Effect.Effect<A, E, R>, options: ProtectOptions): Effect.Effect<A, E | BulkheadFull, R>
} = dual(
  2,
  <A, E, R>(self: Effect.Effect<A, E, R>, options: ProtectOptions): Effect.Effect<A, E | BulkheadFull, R> =>
    options.bulkhead.permits === Infinity
      ? self
      : Guarded.run(guard<A>(options.bulkhead), options.key ?? Guarded.defaultKey, self)
)

/**
 * Takes a permit for as long as the scope lasts: for what goes on after an effect has given its value.
 *
 * @since 0.1.0
 * @category combinators
 */
export const hold = (
  { bulkhead, key = Guarded.defaultKey }: ProtectOptions
): Effect.Effect<void, BulkheadFull, Scope.Scope> =>
  bulkhead.permits === Infinity ? Effect.void : Effect.flatMap(Effect.scope, (scope) => {
    const untilClosed = guardWith<void>(bulkhead, (_caller, _value, release) =>
      Scope.addFinalizer(scope, Effect.sync(release)))
    return Guarded.run(untilClosed, key, Effect.void)
  })

/**
 * A permit, and for how long its call waited for it.
 *
 * @since 0.1.0
 * @category models
 */
export type Ticket = Gate.Admitted<void>

/**
 * A bulkhead as a guard: a permit is given back when the call has ended.
 *
 * @since 0.1.0
 * @category building
 */
export const guard = <A>(bulkhead: Bulkhead): Guarded.Guard<Ticket, A, unknown, BulkheadFull> => ({
  ...entrance(bulkhead),
  settle: (_caller, { gate }, exit) => {
    bulkhead.gates.leave(gate)
    return exit
  }
})

/**
 * A bulkhead as a guard whose permit is kept when the call has succeeded, until `release` is called: once counts, more do nothing.
 *
 * **Details**
 *
 * `keep` is given what the call gave, and answers with what it is to give instead. It is called in a region that cannot be
 * interrupted.
 *
 * @since 0.1.0
 * @category building
 */
export const guardWith = <A>(
  bulkhead: Bulkhead,
  keep: (caller: Guarded.Caller, value: A, release: () => void) => Effect.Effect<A>
): Guarded.Guard<Ticket, A, unknown, BulkheadFull> => ({
  ...entrance(bulkhead),
  settle: (caller, { gate }, exit) => {
    let isHeld = true
    const release = () => {
      if (isHeld) bulkhead.gates.leave(gate)
      isHeld = false
    }
    if (Exit.isSuccess(exit)) return keep(caller, exit.value, release)
    release()
    return exit
  }
})

const entrance = (
  bulkhead: Bulkhead
): Pick<Guarded.Guard<Ticket, unknown, unknown, BulkheadFull>, "admit" | "announce"> => ({
  admit: (caller) => {
    const entered = bulkhead.gates.enter(caller, (waiting) =>
      Guarded.tell(bulkhead.call, caller.fiber, (told) => ({ _tag: "BulkheadQueued", ...told, key: caller.key, waiting })))
    return Guarded.isKnown(entered) ? entered : Effect.catchAll(entered, (rejected) => refuse(bulkhead, caller, rejected))
  },
  announce: ({ fiber, key }, { queued, waited }) =>
    queued
      ? Guarded.tell(bulkhead.call, fiber, (told) => ({ _tag: "BulkheadAdmitted", ...told, key, waited }))
      : Effect.void
})

const refuse = (
  { call }: Bulkhead,
  caller: Guarded.Caller,
  { because, waited }: Gate.Rejected<void>
): Effect.Effect<never, BulkheadFull> => {
  const { fiber, key } = caller
  const told = Guarded.tell(call, fiber, (base) => ({ _tag: "BulkheadRejected", ...base, key, because, waited }))
  return Guarded.refuse(caller, told, () => new BulkheadFull({ key, because, waited }))
}
