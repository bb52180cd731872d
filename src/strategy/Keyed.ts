/**
 * One guard for each key, in bounded memory.
 *
 * Keys come from requests, so anybody may invent them: there are never more guards than the cap, the one that was not used for longest
 * goes first (roughly: one that was used gets a second turn), and one that nobody has used for a while goes by itself, at the next
 * use of any. There is no timer. A key is compared as it is, also `__proto__`; one that is too long is known by its hash.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Hash from "effect/Hash"
import { durationMillis, integerIn } from "../core/InvalidOption.ts"
import type { Millis } from "../core/Millis.ts"

/**
 * How many guards are kept, and for how long.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** There are never more guards than these. 1 or more. Default: 10,000. */
  readonly capacity?: number | undefined
  /** A guard that was not used for so long is forgotten. Default: 1 hour. */
  readonly idle?: Duration.DurationInput | undefined
}

/**
 * Options that have been checked.
 *
 * @since 0.1.0
 * @category models
 */
export interface Limits {
  readonly capacity: number
  readonly idle: Millis
}

/**
 * Checks options, and fills in the defaults.
 *
 * @since 0.1.0
 * @category building
 */
export const limits = ({ capacity = 10_000, idle = "1 hour" }: Options = {}): Limits => ({
  capacity: integerIn("Keyed", "capacity", capacity, { min: 1 }),
  idle: durationMillis("Keyed", "idle", idle, { minExclusive: 0 })
})

/**
 * Guards by their keys. To be used by one fiber at a time, as everything that is synchronous is.
 *
 * @since 0.1.0
 * @category models
 */
export interface Keyed<out A> {
  /** The guard of a key, made where there is none. This is a use of it. `now` is any clock in ms. */
  readonly get: (key: string, now: Millis) => A
  /** The guard of a key, if there is one. This is no use of it. */
  readonly peek: (key: string) => A | undefined
  /** Forgets the guard of a key, and tells which it was. */
  readonly remove: (key: string) => A | undefined
  readonly size: () => number
}

/** Longer keys are known by their length and hash. */
const maxKeyLength = 512
/** How many guards get a second turn before one of them has to go after all. */
const maxTurns = 32

/**
 * The name by which a key is known: itself, or the hash of one that is longer than 512 characters.
 *
 * @since 0.1.0
 * @category building
 */
export const bounded = (key: string): string =>
  key.length <= maxKeyLength ? key : `${key.length}#${Hash.string(key)}#${Hash.string(key.slice(-maxKeyLength))}`

/** A part of a text holds the whole of it in memory; a copy of the part does not. */
const copy = (key: string): string => key.split("").join("")

interface Slot<A> {
  readonly key: string
  readonly guard: A
  usedAt: Millis
  usedAgain: boolean
}

/**
 * Makes guards when they are first asked for. `onEvict` is told of each that is forgotten, except by `remove`.
 *
 * **Example** (The third key takes the place of the first)
 *
 * ```ts
 * import { Keyed } from "effect-resilience"
 * import { Effect } from "effect"
 *
 * const program = Effect.map(Keyed.make((key) => ({ key }), { capacity: 2 }), (guards) => {
 *   for (const key of ["a", "b", "c"]) guards.get(key, 0)
 *   return [guards.size(), guards.peek("a"), guards.peek("c")]
 * })
 *
 * Effect.runSync(program) // => [2, undefined, { key: "c" }]
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = <A>(
  create: (key: string, now: Millis) => A,
  options: Options = {},
  onEvict: (guard: A) => void = () => {}
): Effect.Effect<Keyed<A>> => {
  const checked = limits(options)
  return Effect.sync(() => unsafeMake(create, checked, onEvict))
}

/**
 * Like `make`, but at once.
 *
 * @since 0.1.0
 * @category building
 */
export const unsafeMake = <A>(
  create: (key: string, now: Millis) => A,
  limits: Limits,
  onEvict: (guard: A) => void = () => {}
): Keyed<A> => new Slots(create, limits, onEvict)

class Slots<A> implements Keyed<A> {
  private readonly slots = new Map<string, Slot<A>>()
  private sweptAt = -Infinity
  private readonly create: (key: string, now: Millis) => A
  private readonly capacity: number
  private readonly idle: Millis
  private readonly onEvict: (guard: A) => void

  constructor(create: (key: string, now: Millis) => A, { capacity, idle }: Limits, onEvict: (guard: A) => void) {
    this.create = create
    this.capacity = capacity
    this.idle = idle
    this.onEvict = onEvict
  }

  readonly size = (): number => this.slots.size

  readonly peek = (key: string): A | undefined => this.slots.get(bounded(key))?.guard

  readonly remove = (key: string): A | undefined => {
    const slot = this.slots.get(bounded(key))
    if (slot !== undefined) this.slots.delete(slot.key)
    return slot?.guard
  }

  readonly get = (given: string, now: Millis): A => {
    this.sweep(now)
    const key = bounded(given)
    const slot = this.slots.get(key)
    if (slot !== undefined) {
      if (now - slot.usedAt < this.idle) {
        slot.usedAt = now
        slot.usedAgain = true
        return slot.guard
      }
      this.evict(slot)
    }
    if (this.slots.size >= this.capacity) this.makeRoom()
    const own = copy(key)
    const guard = this.create(own, now)
    this.slots.set(own, { key: own, guard, usedAt: now, usedAgain: false })
    return guard
  }

  private evict(slot: Slot<A>): void {
    this.slots.delete(slot.key)
    this.onEvict(slot.guard)
  }

  /** The oldest goes, unless it was used since it had its turn. */
  private makeRoom(): void {
    let turns = 0
    for (const slot of this.slots.values()) {
      if (!slot.usedAgain || turns === maxTurns) return this.evict(slot)
      turns++
      slot.usedAgain = false
      this.slots.delete(slot.key)
      this.slots.set(slot.key, slot)
    }
  }

  /** Looks at all of them, a few times in the time after which one is idle. */
  private sweep(now: Millis): void {
    const since = now - this.sweptAt
    if (since >= 0 && since < this.idle / 4) return
    this.sweptAt = now
    for (const slot of this.slots.values()) {
      // A clock that was set back: what lies ahead of it was used just now.
      if (slot.usedAt > now) slot.usedAt = now
      if (now - slot.usedAt >= this.idle) this.evict(slot)
    }
  }
}
