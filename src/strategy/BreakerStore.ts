/**
 * Where the states of a breaker are kept.
 *
 * The store in memory, which is the default, keeps them in this process. One that is shared by processes would have the same
 * interface: `core/Breaker` says what it has to do in one step.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Breaker from "../core/Breaker.ts"
import type { Millis } from "../core/Millis.ts"
import type * as Outcome from "../core/Outcome.ts"
import * as Keyed from "./Keyed.ts"

/**
 * A breaker has changed its state.
 *
 * @since 0.1.0
 * @category models
 */
export interface Transition {
  readonly key: string
  readonly from: Breaker.State["_tag"]
  readonly to: Breaker.State["_tag"]
  /** Grows with each transition of a key. */
  readonly generation: number
  /** In a few words. */
  readonly because: string
  /** For how many ms it is open, where that is known. */
  readonly openFor: Option.Option<Millis>
}

/**
 * A store could not be asked.
 *
 * @since 0.1.0
 * @category errors
 */
export class BreakerStoreError extends Data.TaggedError("BreakerStoreError")<{ readonly cause: unknown }> {}

/**
 * The answer to a call, and the transition that asking has caused.
 *
 * @since 0.1.0
 * @category models
 */
export interface Admission {
  readonly answer: Breaker.Answer
  readonly transition: Transition | undefined
}

/**
 * What a store in this process does at once, for calls of which nothing is to be told. Each may do nothing, and have `admit` or `record`
 * of the store asked instead.
 *
 * @since 0.1.0
 * @category models
 */
export interface Passing {
  /** Gives a ticket where the key is closed for no call, and changes nothing: `Breaker.pass`. */
  readonly admit: (key: string, now: Millis) => Breaker.Ticket | undefined
  /** Records what came of a call, or changes nothing and says `false`: where that is a transition, of which the call has to tell. */
  readonly record: (key: string, ticket: Breaker.Ticket, outcome: Outcome.Outcome, now: Millis) => boolean
}

/**
 * The states of one breaker, by key. `now` is the monotonic clock of the caller in ms.
 *
 * **Details**
 *
 * `admit` and `record` are asked on each call, within a region that cannot be interrupted: they may do their work when they are
 * called, and answer with a value; one that waits has to limit its own time.
 *
 * @since 0.1.0
 * @category models
 */
export interface Store {
  /** How most calls are admitted and recorded, at once. To be left out by a store that is not in this process. */
  readonly passing?: Passing | undefined
  readonly admit: (key: string, now: Millis) => Effect.Effect<Admission, BreakerStoreError>
  readonly record: (
    key: string,
    ticket: Breaker.Ticket,
    outcome: Outcome.Outcome,
    now: Millis
  ) => Effect.Effect<Transition | undefined, BreakerStoreError>
  readonly state: (key: string, now: Millis) => Effect.Effect<Breaker.State, BreakerStoreError>
  readonly isolate: (key: string, now: Millis) => Effect.Effect<Transition | undefined, BreakerStoreError>
  readonly reset: (key: string, now: Millis) => Effect.Effect<Transition | undefined, BreakerStoreError>
}

/**
 * What a store has to know of its breaker.
 *
 * @since 0.1.0
 * @category models
 */
export interface Owner {
  readonly name: string
  readonly settings: Breaker.Settings
  /** To be told of each transition, in their order. */
  readonly onTransition: (transition: Transition) => void
}

/**
 * Opens a store for each breaker that is made.
 *
 * @since 0.1.0
 * @category models
 */
export interface Stores {
  readonly open: (owner: Owner) => Effect.Effect<Store>
}

/**
 * The stores for the breakers that are made in the current context. Default: in memory.
 *
 * @since 0.1.0
 * @category references
 */
export class BreakerStores extends Context.Reference<BreakerStores>()("effect-resilience/BreakerStores", {
  defaultValue: (): Stores => memory()
}) {}

/**
 * Stores in memory, each with room for so many keys.
 *
 * **Gotchas**
 *
 * A key that is forgotten, because it was idle or because there are too many, begins anew: closed. One that was isolated by hand is
 * never forgotten, and does not count.
 *
 * @since 0.1.0
 * @category constructors
 */
export const memory = (options?: Keyed.Options): Stores => {
  const limits = Keyed.limits(options)
  return { open: (owner) => Effect.sync(() => new Memory(owner, limits)) }
}

/**
 * Makes the breakers of a layer keep their states in memory, with room for so many keys.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerStoreMemory = (options?: Keyed.Options): Layer.Layer<never> => Layer.succeed(BreakerStores, memory(options))

/**
 * What stands for the state of a key, and is replaced by each step in one go.
 *
 * Most steps are one more success. Of many keys each state is old when it is replaced, and a garbage collector pays for each such state
 * several times; so successes that can wait are counted beside it, until there is something else to do.
 */
interface Cell {
  state: Breaker.State
  /** How many are not in the state yet. */
  successes: number
}

/** The state with all that was recorded. */
const whole = ({ state, successes }: Cell): Breaker.State => Breaker.addSuccesses(state, successes)

/** Replaces it by one that came of the whole. */
const put = (cell: Cell, state: Breaker.State): void => {
  cell.state = state
  cell.successes = 0
}

class Memory implements Store {
  private readonly owner: Owner
  private readonly cells: Keyed.Keyed<Cell>
  /** Those that are isolated by hand. */
  private readonly isolated = new Map<string, Cell>()
  /** Above each generation that was forgotten: a ticket of it must not count for the one that begins anew. */
  private generation = 0

  constructor(owner: Owner, limits: Keyed.Limits) {
    this.owner = owner
    this.cells = Keyed.unsafeMake(
      (_, now) => ({ state: Breaker.initial(owner.settings, now, this.generation), successes: 0 }),
      limits,
      (cell) => this.forget(cell)
    )
  }

  readonly passing: Passing = {
    admit: (key, now) => Breaker.pass(this.cell(key, now).state, now),
    record: (key, ticket, outcome, now) => {
      const cell = this.cells.peek(key)
      if (cell === undefined) return true
      const { settings } = this.owner
      if (Breaker.canWait(settings, cell.state, ticket, outcome, now)) cell.successes++
      else {
        const state = Breaker.record(settings, whole(cell), ticket, outcome, now)
        if (state.generation !== cell.state.generation) return false
        put(cell, state)
      }
      return true
    }
  }

  readonly admit = (key: string, now: Millis): Effect.Effect<Admission> => {
    const cell = this.cell(key, now)
    const [answer, state] = Breaker.admit(this.owner.settings, whole(cell), now)
    return Effect.succeed({ answer, transition: this.move(key, cell, state) })
  }

  readonly record = (
    key: string,
    ticket: Breaker.Ticket,
    outcome: Outcome.Outcome,
    now: Millis
  ): Effect.Effect<Transition | undefined> => {
    const cell = this.cells.peek(key)
    if (cell === undefined) return nothing
    return Effect.succeed(this.move(key, cell, Breaker.record(this.owner.settings, whole(cell), ticket, outcome, now)))
  }

  readonly state = (key: string, now: Millis): Effect.Effect<Breaker.State> =>
    Effect.sync(() => {
      const cell = this.isolated.get(key) ?? this.cells.peek(key)
      return cell === undefined
        ? Breaker.initial(this.owner.settings, now, this.generation)
        : Breaker.current(whole(cell), now)
    })

  readonly isolate = (key: string, now: Millis): Effect.Effect<Transition | undefined> =>
    Effect.sync(() => {
      if (this.isolated.has(key)) return undefined
      const cell = this.cell(key, now)
      this.forget(this.cells.remove(key) ?? cell)
      this.isolated.set(key, cell)
      return this.move(key, cell, Breaker.isolated(this.generation))
    })

  readonly reset = (key: string, now: Millis): Effect.Effect<Transition | undefined> =>
    Effect.sync(() => {
      const cell = this.isolated.get(key) ?? this.cells.peek(key)
      if (cell === undefined) return undefined
      this.forget(cell)
      this.isolated.delete(key)
      this.cells.remove(key)
      const fresh = this.cells.get(key, now)
      const wasClosed = cell.state._tag === "Closed"
      return wasClosed ? undefined : this.tell(key, cell.state, fresh.state)
    })

  private cell(key: string, now: Millis): Cell {
    return this.isolated.size > 0 ? this.isolated.get(key) ?? this.cells.get(key, now) : this.cells.get(key, now)
  }

  private forget({ state }: Cell): void {
    this.generation = Math.max(this.generation, state.generation + 1)
  }

  private move(key: string, cell: Cell, after: Breaker.State): Transition | undefined {
    const before = cell.state
    put(cell, after)
    return before.generation === after.generation ? undefined : this.tell(key, before, after)
  }

  private tell(key: string, before: Breaker.State, after: Breaker.State): Transition {
    const transition: Transition = {
      key,
      from: before._tag,
      to: after._tag,
      generation: after.generation,
      because: becauseOf(before, after),
      openFor: after._tag === "Open" ? Option.some(after.until - after.since) : Option.none()
    }
    this.owner.onTransition(transition)
    return transition
  }
}

const nothing: Effect.Effect<undefined> = Effect.succeed(undefined)

const becauseOf = (before: Breaker.State, after: Breaker.State): string => {
  switch (after._tag) {
    case "Open":
      return after.because
    case "HalfOpen":
      return "its time is over"
    case "Isolated":
      return "isolated"
    case "Closed":
      return before._tag === "HalfOpen" && after.openings > 0 ? "the probes succeeded" : "reset"
  }
}
