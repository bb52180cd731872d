/**
 * What metrics add to a call that succeeds: to one that could be measured and is not, and to one that is.
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Middleware from "effect-resilience/http/Middleware"
import * as Retry from "effect-resilience/http/Retry"
import * as Observer from "effect-resilience/strategy/Observer"
import * as Meter from "effect-resilience/telemetry/Meter"
import * as Metrics from "effect-resilience/telemetry/Metrics"
import * as Series from "effect-resilience/telemetry/Series"
import * as Trace from "effect-resilience/telemetry/Trace"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Noop from "./noop.ts"
import type { Candidate, Contest } from "./rows.ts"

const candidate = (name: string, client: HttpClient.HttpClient.With<unknown>, within?: Candidate["within"]): Candidate => ({
  name,
  call: () => Effect.flatMap(client.get(Noop.url), (response) => response.text),
  ...(within === undefined ? {} : { within })
})

const plain = () => Middleware.applyTo(Noop.prompt(), Retry.middleware({ name: "bench" }))
const measurable = () => Middleware.applyTo(Noop.prompt(), Middleware.stack(Meter.attempt("bench"), Retry.middleware({ name: "bench" })))

/** All that could be seen of a call, and nobody looks. */
const seeable = () =>
  Middleware.applyTo(
    Noop.prompt(),
    Middleware.stack(Trace.attemptSpan, Meter.attempt("bench"), Retry.middleware({ name: "bench" }), Trace.callSpan("bench"))
  )

/** As in an application, the series are there long since. What is sampled beside is not of the calls. */
const measured = (): NonNullable<Candidate["within"]> => {
  const meter = Series.unsafeMake()
  const context = Context.make(Observer.Observer, Metrics.listener(meter)).pipe(Context.add(Meter.CurrentMeter, meter))
  return (calls) => Effect.provide(calls, context)
}

export const metrics = (nullCheck: string): ReadonlyArray<Contest> => [{
  name: "metrics",
  title: "Success at the first attempt with a retry, answered at once, tracing off",
  base: candidate("retry", plain()),
  others: [
    candidate(nullCheck, plain()),
    candidate("metrics that nobody records", measurable()),
    candidate("metrics and spans that nobody records", seeable()),
    candidate("metrics", measurable(), measured())
  ]
}]
