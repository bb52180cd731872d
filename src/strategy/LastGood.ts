/**
 * The last good value of each key, in bounded memory.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { durationMillis } from "../core/InvalidOption.ts"
import type { Millis } from "../core/Millis.ts"
import * as Keyed from "./Keyed.ts"

/**
 * How much is kept, and for how long.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** A value that is older is not given. More than 0. Default: 1 hour. */
  readonly maxAge?: Duration.DurationInput | undefined
  /** There are never more keys than these. 1 or more. Default: 1,000. */
  readonly capacity?: number | undefined
}

/**
 * A value, and when it was good. `now` and `at` are by one clock, in ms: the monotonic one of Effect's `Clock`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Good<out A> {
  readonly value: A
  readonly at: Millis
}

/**
 * The last good values by their keys: a handle that is passed as a value. To be used by one fiber at a time, as everything that is
 * synchronous is.
 *
 * @since 0.1.0
 * @category models
 */
export interface LastGood<in out A> {
  readonly maxAge: Millis
  /** Keeps a value, unless a later one is there. */
  readonly put: (key: string, value: A, at: Millis) => void
  /** The value of a key, unless it is older than `maxAge`. */
  readonly get: (key: string, now: Millis) => Option.Option<Good<A>>
  readonly remove: (key: string) => void
  readonly size: () => number
}

/** A longer key is kept nothing of: it would hold more memory than what it stands for. */
const maxKeyLength = 8192

interface Cell<A> {
  /** The whole of it, where `Keyed` may know it by a hash: another key of the same hash must not be given this value. */
  key: string
  good: Good<A> | undefined
}

/**
 * Makes an empty store.
 *
 * **Example** (The last value that was good)
 *
 * ```ts
 * import { LastGood } from "effect-resilience"
 * import { Effect, Option } from "effect"
 *
 * const program = Effect.map(LastGood.make<number>({ maxAge: "1 minute" }), (rates) => {
 *   rates.put("EUR", 1.08, 0)
 *   return [rates.get("EUR", 60_000), rates.get("EUR", 60_001)].map(Option.isSome)
 * })
 *
 * Effect.runSync(program) // => [true, false]
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = <A>({ capacity = 1_000, maxAge = "1 hour" }: Options = {}): Effect.Effect<LastGood<A>> => {
  const millis = durationMillis("LastGood", "maxAge", maxAge, { minExclusive: 0 })
  // A sweep may forget what is as old as this, and `get` still gives it at exactly its age.
  const limits = Keyed.limits({ capacity, idle: millis + 1 })
  return Effect.sync(() => {
    const cells = Keyed.unsafeMake((key): Cell<A> => ({ key, good: undefined }), limits)
    return {
      maxAge: millis,
      put: (key, value, at) => {
        if (key.length > maxKeyLength) return
        const cell = cells.get(key, at)
        if (cell.key === key && cell.good !== undefined && cell.good.at > at) return
        cell.key = key
        cell.good = { value, at }
      },
      get: (key, now) => {
        const cell = cells.peek(key)
        if (cell === undefined || cell.key !== key || cell.good === undefined) return Option.none()
        return now - cell.good.at <= millis ? Option.some(cell.good) : Option.none()
      },
      remove: (key) => void (cells.peek(key)?.key === key && cells.remove(key)),
      size: cells.size
    }
  })
}
