/**
 * The metrics of the shop, and the page where Prometheus finds them.
 */
import * as NodeSdk from "@effect/opentelemetry/NodeSdk"
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { PrometheusExporter, PrometheusSerializer } from "@opentelemetry/exporter-prometheus"
import type { MetricReader } from "@opentelemetry/sdk-metrics"
import { Metrics } from "effect-resilience"
import { Effect, Layer, Option } from "effect"
import * as Trouble from "./trouble.ts"

/** How often levels are sampled: more often than usual, so that the demo shows at once what is switched on. */
export const every = "200 millis"

/** The key of all guards, which all stand before the same peer. */
export const peer = "peer"

/** It would have a server of its own; here the page has something else to offer too. */
const exporter = new PrometheusExporter({ preventServerStart: true })

export const layer = Layer.merge(
  NodeSdk.layer(() => ({
    resource: { serviceName: "shop" },
    // It is a reader, of another copy of the SDK.
    metricReader: exporter as unknown as MetricReader
  })),
  Metrics.layer({ keys: { [peer]: peer }, every })
)

const metrics = Effect.map(Effect.promise(() => exporter.collect()), ({ resourceMetrics }) =>
  HttpServerResponse.text(new PrometheusSerializer().serialize(resourceMetrics), { contentType: "text/plain; version=0.0.4" }))

/** `/metrics`, and `/trouble`, which takes what shall go wrong: "all", "none", or names. */
export const page = (switches: Trouble.Switches) => {
  const current = Effect.sync(() => HttpServerResponse.text(`${switches.text()}\n`))
  const change = Effect.gen(function*() {
    const asked = Trouble.parse(yield* Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => request.text))
    if (Option.isNone(asked)) return HttpServerResponse.text(`all, none, or some of ${Trouble.all.join(",")}\n`, { status: 400 })
    switches.set(asked.value)
    return yield* current
  })
  return HttpRouter.empty.pipe(HttpRouter.get("/metrics", metrics), HttpRouter.get("/trouble", current), HttpRouter.put("/trouble", change))
}
