/**
 * Permits that are taken and given back, and the line of those who wait for one: what a bulkhead and an adaptive limit have in
 * common.
 *
 * There is a gate for each key. Permits go to those who wait in the order in which they came. One that is given back goes from hand
 * to hand, so nobody who comes later can take it; a waiter that is interrupted, or whose time is over, leaves no hole in the line.
 *
 * @since 0.1.0
 */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type { Millis } from "../core/Millis.ts"
import * as Permits from "../core/Permits.ts"
import * as Deadline from "./Deadline.ts"
import * as Guarded from "./Guarded.ts"
import * as Keyed from "./Keyed.ts"
import * as Timeout from "./Timeout.ts"

/**
 * The gate of a key. To be changed by the functions of this module only, except for what its owner keeps.
 *
 * @since 0.1.0
 * @category models
 */
export interface Gate<in out Kept> extends Permits.Load {
  readonly key: string
  limit: number
  inUse: number
  waiting: number
  /** What the owner has learned about the key. */
  kept: Kept
}

/** A call has a permit. @since 0.1.0 @category models */
export interface Admitted<in out Kept> {
  readonly _tag: "Admitted"
  readonly gate: Gate<Kept>
  /** Whether it stood in line. */
  readonly queued: boolean
  /** How long it waited in ms; 0 for one that had not to. */
  readonly waited: Millis
}

/** A call has none. @since 0.1.0 @category models */
export interface Rejected<in out Kept> {
  readonly _tag: "Rejected"
  readonly gate: Gate<Kept>
  readonly because: Permits.Reason
  readonly waited: Millis
}

/**
 * Gates by their keys.
 *
 * @since 0.1.0
 * @category models
 */
export interface Gates<in out Kept> {
  /** The gate of a key, made where there is none. */
  readonly get: (key: string, now: Millis) => Gate<Kept>
  /** The gate of a key, if there is one. */
  readonly peek: (key: string) => Gate<Kept> | undefined
  /**
   * Takes a permit for a call, when one is free for it. Within a region that cannot be interrupted, and answers at once (with an
   * `Exit`) where it need not wait. `onQueued` is told how many wait, and answers with what is to be told of it.
   */
  readonly enter: (
    caller: Guarded.Caller,
    onQueued: (waiting: number) => Effect.Effect<void>
  ) => Effect.Effect<Admitted<Kept>, Rejected<Kept>>
  /** Gives a permit back. Once for each that was taken. */
  readonly leave: (gate: Gate<Kept>) => void
  /** Allows more, or fewer, from now on. Nobody who is on the way is stopped. */
  readonly resize: (gate: Gate<Kept>, limit: number) => void
}

/**
 * Makes gates of so many permits each.
 *
 * **Details**
 *
 * A key that is in use is not forgotten, though it has to make room for others: there are never more gates than the cap and as many
 * as are in use beyond it. A call that is on its way keeps its permit, and it comes back to the gate that it was taken from.
 *
 * @since 0.1.0
 * @category constructors
 */
export const unsafeMake = <Kept>(
  settings: Permits.Settings,
  limit: number,
  keep: (now: Millis) => Kept,
  limits: Keyed.Limits
): Gates<Kept> => new Line(settings, limit, keep, limits)

/**
 * How much of a key is going on; `limit` is that of a key that nobody has used.
 *
 * @since 0.1.0
 * @category getters
 */
export const load = <Kept>(self: Gates<Kept>, key: string, limit: number): Permits.Load => {
  const gate = self.peek(key)
  return gate === undefined
    ? { limit, inUse: 0, waiting: 0 }
    : { limit: gate.limit, inUse: gate.inUse, waiting: gate.waiting }
}

/** Somebody in line. */
interface Waiter<Kept> {
  readonly gate: Row<Kept>
  readonly clock: Clock.Clock
  readonly since: Millis
  /** When its wait is over, on the monotonic clock. */
  readonly until: Millis
  state: "Waiting" | "Admitted" | "Rejected"
  before: Waiter<Kept> | undefined
  behind: Waiter<Kept> | undefined
  wake: () => void
}

/** A gate with its line. Who leaves it from the middle is found at once, however long it is. */
class Row<in out Kept> implements Gate<Kept> {
  readonly key: string
  limit: number
  inUse = 0
  waiting = 0
  kept: Kept
  first: Waiter<Kept> | undefined = undefined
  last: Waiter<Kept> | undefined = undefined
  /** The answer to every call that need not wait. */
  readonly atOnce: Exit.Exit<Admitted<Kept>> = Exit.succeed({ _tag: "Admitted", gate: this, queued: false, waited: 0 })

  constructor(key: string, limit: number, kept: Kept) {
    this.key = key
    this.limit = limit
    this.kept = kept
  }
}

const nobody = () => {}

class Line<Kept> implements Gates<Kept> {
  private readonly settings: Permits.Settings
  private readonly gates: Keyed.Keyed<Row<Kept>>
  /** Those in use that had to make room. */
  private readonly aside = new Map<string, Row<Kept>>()

  constructor(settings: Permits.Settings, limit: number, keep: (now: Millis) => Kept, limits: Keyed.Limits) {
    this.settings = settings
    this.gates = Keyed.unsafeMake(
      (key, now) => new Row(key, limit, keep(now)),
      limits,
      (gate) => {
        if (gate.inUse > 0) this.aside.set(gate.key, gate)
      }
    )
  }

  readonly get = (key: string, now: Millis): Row<Kept> => {
    const gate = this.gates.get(key, now)
    // One that is in use goes on to be the gate of its key: it may just have had to make room, for the one above even.
    return this.aside.size === 0 ? gate : this.aside.get(gate.key) ?? gate
  }

  readonly peek = (key: string): Row<Kept> | undefined => this.aside.get(Keyed.bounded(key)) ?? this.gates.peek(key)

  readonly enter = (
    caller: Guarded.Caller,
    onQueued: (waiting: number) => Effect.Effect<void>
  ): Effect.Effect<Admitted<Kept>, Rejected<Kept>> => {
    const now = Guarded.monotonic(caller.clock)
    const gate = this.get(caller.key, now)
    const answer = Permits.isFree(gate) ? Permits.admitted : Permits.ask(this.settings, gate, left(caller))
    switch (answer._tag) {
      case "Admitted":
        gate.inUse++
        return gate.atOnce
      case "Rejected":
        return Exit.fail({ _tag: "Rejected", gate, because: answer.because, waited: 0 })
      case "Queued":
        return this.wait(caller, gate, now, answer.atMost, answer.because, onQueued)
    }
  }

  readonly leave = (gate: Gate<Kept>): void => {
    gate.inUse--
    // Every gate was made here, with a line.
    this.serve(gate as Row<Kept>)
    if (gate.inUse === 0 && this.aside.size > 0 && this.aside.get(gate.key) === gate) this.aside.delete(gate.key)
  }

  readonly resize = (gate: Gate<Kept>, limit: number): void => {
    gate.limit = limit
    this.serve(gate as Row<Kept>)
  }

  private wait(
    caller: Guarded.Caller,
    gate: Row<Kept>,
    since: Millis,
    atMost: Option.Option<Millis>,
    because: Permits.Reason,
    onQueued: (waiting: number) => Effect.Effect<void>
  ): Effect.Effect<Admitted<Kept>, Rejected<Kept>> {
    // It is in line from here on, and not from when the effect is run: who leaves in between would not know of it.
    const { clock } = caller
    const until = since + Option.getOrElse(atMost, () => Infinity)
    const waiter: Waiter<Kept> = { gate, clock, since, until, state: "Waiting", before: gate.last, behind: undefined, wake: nobody }
    if (gate.last === undefined) gate.first = waiter
    else gate.last.behind = waiter
    gate.last = waiter
    gate.waiting++
    const cancel = Option.isSome(atMost) ? Timeout.timer(clock, atMost.value, () => expire(waiter)) : nobody
    const woken = Effect.async<void>((resume) => {
      if (waiter.state === "Waiting") waiter.wake = () => resume(Effect.void)
      else resume(Effect.void)
    })
    return Effect.matchCauseEffect(caller.restore(Guarded.after(onQueued(gate.waiting), woken)), {
      onFailure: (cause) => {
        cancel()
        if (waiter.state === "Waiting") remove(waiter, "Rejected")
        else if (waiter.state === "Admitted") this.leave(gate)
        return Effect.failCause(cause)
      },
      onSuccess: () => {
        cancel()
        const waited = Math.max(0, Guarded.monotonic(clock) - since)
        return waiter.state === "Admitted"
          ? Exit.succeed<Admitted<Kept>>({ _tag: "Admitted", gate, queued: true, waited })
          : Exit.fail<Rejected<Kept>>({ _tag: "Rejected", gate, because, waited })
      }
    })
  }

  /** Gives what is free to those who wait, the first one first; none to whoever's time is over, though no timer has said so yet. */
  private serve(gate: Row<Kept>): void {
    while (gate.first !== undefined && gate.inUse < gate.limit) {
      const waiter = gate.first
      if (Guarded.monotonic(waiter.clock) >= waiter.until) {
        expire(waiter)
        continue
      }
      gate.inUse++
      remove(waiter, "Admitted")
      waiter.wake()
    }
  }
}

const left = (caller: Guarded.Caller): Option.Option<Millis> =>
  Option.map(Deadline.of(caller.fiber), (deadline) => deadline - caller.clock.unsafeCurrentTimeMillis())

const expire = <Kept>(waiter: Waiter<Kept>): void => {
  if (waiter.state !== "Waiting") return
  remove(waiter, "Rejected")
  waiter.wake()
}

const remove = <Kept>(waiter: Waiter<Kept>, state: "Admitted" | "Rejected"): void => {
  const { before, behind, gate } = waiter
  if (before === undefined) gate.first = behind
  else before.behind = behind
  if (behind === undefined) gate.last = before
  else behind.before = before
  waiter.before = waiter.behind = undefined
  waiter.state = state
  gate.waiting--
}
