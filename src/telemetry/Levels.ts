/**
 * What is sampled: how much is left, and how much is on its way.
 *
 * Events say what happened, and a level changes while nothing does: a budget fills by itself, and the last call of a bulkhead leaves it
 * without a word. So levels are read from the handles, every few seconds, and not in each call.
 *
 * **Example** (A budget and a bulkhead)
 *
 * ```ts
 * import { Bulkhead, Levels, Metrics, RetryBudget } from "effect-resilience"
 * import { Effect, Layer } from "effect"
 *
 * const MetricsLive = Layer.unwrapEffect(Effect.gen(function*() {
 *   const budget = yield* RetryBudget.make()
 *   const bulkhead = yield* Bulkhead.make({ permits: 10, name: "users" })
 *   // Give the same handles to the client.
 *   return Metrics.layer({ levels: [Levels.budget("users", budget), Levels.bulkhead(bulkhead)] })
 * }))
 *
 * await Effect.runPromise(Effect.provide(Effect.succeed("measured"), MetricsLive)) // => "measured"
 * ```
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Instrument from "../core/Instrument.ts"
import { durationMillis } from "../core/InvalidOption.ts"
import type * as Label from "../core/Label.ts"
import * as Measurement from "../core/Measurement.ts"
import { maxDelay } from "../core/Millis.ts"
import type * as Permits from "../core/Permits.ts"
import * as AdaptiveLimit from "../strategy/AdaptiveLimit.ts"
import * as Bulkhead from "../strategy/Bulkhead.ts"
import type { RetryBudget } from "../strategy/RetryBudget.ts"
import * as Meter from "./Meter.ts"

/**
 * Something that can be read at any time.
 *
 * @since 0.1.0
 * @category models
 */
export interface Level {
  readonly read: (meter: Meter.Meter) => Effect.Effect<ReadonlyArray<Measurement.Measurement>>
}

/**
 * What a budget can pay. One that pays for everything shows nothing.
 *
 * @since 0.1.0
 * @category constructors
 */
export const budget = (name: string, budget: RetryBudget): Level => ({
  read: (meter) =>
    Effect.map(budget.balance, (balance) =>
      Number.isFinite(balance) ? [Measurement.make(Instrument.budgetBalance, balance, meter.name(name))] : [])
})

const permits = (guard: Label.Guard, name: string, load: (key: string) => Effect.Effect<Permits.Load>): Level => ({
  read: (meter) =>
    Effect.map(Effect.forEach(meter.keys, (key) => Effect.map(load(key), (load) => [key, load] as const)), (loads) =>
      loads.flatMap(([key, { inUse, limit, waiting }]) => {
        const labels = [meter.name(name), meter.key(key), guard]
        return [
          Measurement.make(Instrument.permits, limit, ...labels),
          Measurement.make(Instrument.permitsInUse, inUse, ...labels),
          Measurement.make(Instrument.permitsWaiting, waiting, ...labels)
        ]
      }))
})

/**
 * The permits of a bulkhead, for each key that is shown.
 *
 * @since 0.1.0
 * @category constructors
 */
export const bulkhead = (bulkhead: Bulkhead.Bulkhead): Level =>
  bulkhead.permits === Infinity
    ? { read: () => Effect.succeed([]) }
    : permits("Bulkhead", bulkhead.name, (key) => Bulkhead.load(bulkhead, key))

/**
 * The permits of an adaptive limit, for each key that is shown.
 *
 * @since 0.1.0
 * @category constructors
 */
export const adaptiveLimit = (limit: AdaptiveLimit.AdaptiveLimit): Level =>
  permits("AdaptiveLimit", limit.name, (key) => AdaptiveLimit.load(limit, key))

/**
 * Reads levels and records them. What is shown under the same labels adds up.
 *
 * @since 0.1.0
 * @category sampling
 */
export const sample = (meter: Meter.Meter, levels: ReadonlyArray<Level>): Effect.Effect<void> =>
  Effect.map(Effect.forEach(levels, (level) => safely(Effect.suspend(() => level.read(meter)))), (read) => {
    const sums = new Map<string, Measurement.Measurement>()
    for (const measurement of read.flat()) {
      const id = [measurement.instrument.name, ...measurement.labels].join("\n")
      sums.set(id, { ...measurement, value: measurement.value + (sums.get(id)?.value ?? 0) })
    }
    for (const measurement of sums.values()) meter.record(measurement)
  })

/**
 * Samples levels until the scope is closed, at once and then again and again, into the meter of the fiber. Without one nothing is done.
 *
 * **When to use**
 *
 * For handles that are made below `Metrics.layer`. For others there is its option `levels`.
 *
 * **Details**
 *
 * `every` is more than 0 and below 2^31 ms. Default: 5 seconds. Throws `InvalidOption` on one that is not.
 *
 * @since 0.1.0
 * @category sampling
 */
export const watch = (levels: ReadonlyArray<Level>, every: Duration.DurationInput = "5 seconds"): Effect.Effect<void, never, Scope.Scope> => {
  const period = durationMillis("Levels.watch", "every", every, { minExclusive: 0, max: maxDelay })
  return Effect.flatMap(Meter.CurrentMeter, (meter) =>
    meter === Meter.none
      ? Effect.void
      : Effect.asVoid(Effect.forkScoped(Effect.repeat(sample(meter, levels), Schedule.spaced(period)))))
}

/** A level that cannot be read is not shown; the others are. */
const safely = (read: Effect.Effect<ReadonlyArray<Measurement.Measurement>>) =>
  Effect.catchAllCause(read, (cause) => Effect.as(Effect.logDebug("effect-resilience: a level could not be read", cause), []))
