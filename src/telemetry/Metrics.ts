/**
 * Metrics of what the strategies do, as Effect's own metrics: what Prometheus or an OTLP receiver is given is a matter of the exporter.
 *
 * What happened is counted from events; how much is left, or on its way, is sampled. Each label has a closed set of values (`Label`), so
 * the number of series is known before the first request. `Instrument` lists them all.
 *
 * **Example** (One attempt more than calls)
 *
 * ```ts
 * import { HttpClient } from "@effect/platform"
 * import { Metrics, ResilientClient } from "effect-resilience"
 * import { HttpScript } from "effect-resilience/testing"
 * import { Effect, Metric, MetricState } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const accounts = yield* ResilientClient.make({ name: "accounts", retry: { maxAttempts: 2 } })
 *   yield* accounts.get("http://accounts.test/1")
 *   const counts = { "resilience.calls": 0, "resilience.attempts": 0, "resilience.resends": 0 }
 *   for (const { metricKey: { name, tags }, metricState } of yield* Metric.snapshot) {
 *     // Effect has one registry for a whole process: these are the series of this client.
 *     if (!tags.some(({ value }) => value === "accounts")) continue
 *     if (name in counts && MetricState.isCounterState(metricState)) counts[name as keyof typeof counts] += Number(metricState.count)
 *   }
 *   return counts
 * })
 *
 * await program.pipe(
 *   Effect.provide(HttpScript.layer([{ status: 503 }, { status: 200 }])),
 *   Effect.provide(Metrics.layer()),
 *   Effect.runPromise
 * ) // => { "resilience.calls": 1, "resilience.attempts": 2, "resilience.resends": 1 }
 * ```
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Instrument from "../core/Instrument.ts"
import { durationMillis } from "../core/InvalidOption.ts"
import * as Label from "../core/Label.ts"
import * as Measurement from "../core/Measurement.ts"
import { maxDelay } from "../core/Millis.ts"
import * as Observer from "../strategy/Observer.ts"
import * as Levels from "./Levels.ts"
import * as Meter from "./Meter.ts"
import * as OpenBreakers from "./OpenBreakers.ts"
import * as Series from "./Series.ts"

/**
 * What is measured, and shown.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options extends Series.Options {
  /** What is sampled beside the states of breakers. Default: nothing. */
  readonly levels?: ReadonlyArray<Levels.Level> | undefined
  /** How often levels are sampled. More than 0, below 2^31 ms. Default: 5 seconds. */
  readonly every?: Duration.DurationInput | undefined
}

/** The counters of a call, each at 0 from its first one on: what begins at 1 has no increase, and an alert would not see it. */
const begin = (meter: Meter.Meter, name: string): void => {
  for (const { instrument, label } of beginning) {
    for (const value of label.values) meter.record(Measurement.make(instrument, 0, name, value))
  }
}

const beginning = [
  { instrument: Instrument.calls, label: Label.outcome },
  { instrument: Instrument.giveUps, label: Label.endReason },
  { instrument: Instrument.failures, label: Label.failure }
]

/**
 * A listener that records what it hears.
 *
 * @since 0.1.0
 * @category building
 */
export const listener = (meter: Meter.Meter): Observer.Listener => {
  const begun = new Set<string>()
  return Observer.sync((event) => {
    if (event._tag === "CallStarted") {
      const name = meter.name(event.call.name)
      if (begun.has(name)) return
      begun.add(name)
      return begin(meter, name)
    }
    for (const measurement of Measurement.fromEvent(event, meter)) meter.record(measurement)
  })
}

/**
 * Records metrics of everything the layer is provided to: of what is observed, and of the attempts of clients that are measured
 * (`Meter.attempt`).
 *
 * **Details**
 *
 * Whoever listens already goes on listening. Levels are sampled in a fiber that ends with the layer. Throws `InvalidOption` on options that
 * cannot be.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = ({ every = "5 seconds", levels = [], ...bounds }: Options = {}): Layer.Layer<never> => {
  durationMillis("Metrics", "every", every, { minExclusive: 0, max: maxDelay })
  // What is wrong is said at once; each layer that is built has bounds of its own.
  Series.unsafeMake(bounds)
  return Layer.scopedContext(Effect.gen(function*() {
    const meter = Series.unsafeMake(bounds)
    const breakers = OpenBreakers.unsafeMake()
    const current = yield* Observer.Observer
    yield* Effect.provideService(Levels.watch([breakers, ...levels], every), Meter.CurrentMeter, meter)
    const hearing = Observer.both(Observer.sync(breakers.hear), listener(meter))
    return Context.make(Observer.Observer, Observer.both(current, hearing)).pipe(Context.add(Meter.CurrentMeter, meter))
  }))
}
