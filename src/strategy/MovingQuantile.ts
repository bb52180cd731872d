/**
 * How long the attempts of the recent past took, for each key: the delay of a hedge that learns.
 *
 * A hedge that begins when 95 of 100 attempts would have been over adds at most some 5 % to the load, however fast the peer is
 * today. What it learns from is forgotten when it is old (`Quantile`).
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { hasProperty } from "effect/Predicate"
import { durationMillis, integerIn, numberIn } from "../core/InvalidOption.ts"
import { maxDelay, type Millis } from "../core/Millis.ts"
import * as Quantile from "../core/Quantile.ts"
import * as Keyed from "./Keyed.ts"

/**
 * What is learned, and what holds until enough is known.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options extends Quantile.Options, Keyed.Options {
  /** The share of attempts that are over before the delay: above 0, up to 1. Default: 0.95. */
  readonly quantile?: number | undefined
  /** The delay until `minimumSamples` attempts have been seen in the window. */
  readonly fallback: Duration.DurationInput
  /** How many attempts there must be in the window: from 1. Default: 20. */
  readonly minimumSamples?: number | undefined
  /** The shortest delay that comes out. Default: 1 ms. */
  readonly atLeast?: Duration.DurationInput | undefined
}

const TypeId: unique symbol = Symbol.for("effect-resilience/MovingQuantile")

/**
 * A handle that is passed as a value, and that clients can share.
 *
 * **Details**
 *
 * Its functions do what they say when they are called. They are for whoever sends. `now` is any clock in ms, always the same one.
 *
 * @since 0.1.0
 * @category models
 */
export interface MovingQuantile {
  readonly [TypeId]: typeof TypeId
  /** Counts an attempt that took so many ms, or at least so many. */
  readonly observe: (key: string, millis: Millis, now: Millis) => void
  /** What is known now; `None` below the minimum of samples. */
  readonly known: (key: string, now: Millis) => Option.Option<Millis>
  /** The delay where nothing is known, in ms. */
  readonly fallback: Millis
}

/**
 * Tells whether a value is one of these.
 *
 * @since 0.1.0
 * @category guards
 */
export const isMovingQuantile = (u: unknown): u is MovingQuantile => hasProperty(u, TypeId)

/**
 * Makes one that has seen nothing. Keys beyond `capacity` (default: 1,000), and those that were not used for `idle` (default: 1 hour), are
 * forgotten.
 *
 * **Example** (The delay before and after three attempts)
 *
 * ```ts
 * import { MovingQuantile } from "effect-resilience"
 * import { Effect, Option } from "effect"
 *
 * const program = Effect.map(MovingQuantile.make({ quantile: 0.5, fallback: "200 millis", minimumSamples: 3 }), (latency) => {
 *   const before = latency.known("users", 0)
 *   for (const millis of [10, 20, 30]) latency.observe("users", millis, 0)
 *   return [before, Option.map(latency.known("users", 0), Math.round)]
 * })
 *
 * Effect.runSync(program) // => [Option.none(), Option.some(20)]
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options): Effect.Effect<MovingQuantile> => {
  const where = "MovingQuantile"
  const empty = Quantile.make(where, options)
  const quantile = numberIn(where, "quantile", options.quantile ?? 0.95, { minExclusive: 0, max: 1 })
  const fallback = durationMillis(where, "fallback", options.fallback, { max: maxDelay })
  const minimum = integerIn(where, "minimumSamples", options.minimumSamples ?? 20, { min: 1 })
  const atLeast = durationMillis(where, "atLeast", options.atLeast ?? 1, { max: maxDelay })
  const limits = Keyed.limits({ ...options, capacity: options.capacity ?? 1000 })
  return Effect.sync(() => {
    const keys = Keyed.unsafeMake(() => ({ seen: empty }), limits)
    return {
      [TypeId]: TypeId,
      fallback,
      observe: (key, millis, now) => {
        const of = keys.get(key, now)
        of.seen = Quantile.add(of.seen, millis, now)
      },
      known: (key, now) => {
        const of = keys.peek(key)
        if (of === undefined || Quantile.count(of.seen, now) < minimum) return Option.none()
        return Option.map(Quantile.at(of.seen, quantile, now), (millis) => Math.max(millis, atLeast))
      }
    }
  })
}
