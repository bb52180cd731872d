/**
 * A real Prometheus scrapes real clients that meet real failures: each alert fires, and each panel has something to show.
 */
import * as NodeSdk from "@effect/opentelemetry/NodeSdk"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import { assert, describe, it } from "@effect/vitest"
import { PrometheusExporter } from "@opentelemetry/exporter-prometheus"
import type { MetricReader } from "@opentelemetry/sdk-metrics"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import { rows } from "../../docs/observability/dashboard.ts"
import { rulesFile } from "../../docs/observability/generate.ts"
import { rules, type Settings } from "../../docs/observability/rules.ts"
import * as Backoff from "../../src/core/Backoff.ts"
import * as Chaos from "../../src/http/Chaos.ts"
import * as Connections from "../../src/node/Connections.ts"
import * as ConnectionTrace from "../../src/node/ConnectionTrace.ts"
import * as LeakCheck from "../../src/node/LeakCheck.ts"
import * as Resilience from "../../src/policy/Resilience.ts"
import * as Idempotency from "../../src/server/Idempotency.ts"
import * as Bulkhead from "../../src/strategy/Bulkhead.ts"
import * as CircuitBreaker from "../../src/strategy/CircuitBreaker.ts"
import * as IdempotencyStore from "../../src/strategy/IdempotencyStore.ts"
import * as RateLimit from "../../src/strategy/RateLimit.ts"
import * as RetryBudget from "../../src/strategy/RetryBudget.ts"
import * as RetrySchedule from "../../src/strategy/RetrySchedule.ts"
import * as Levels from "../../src/telemetry/Levels.ts"
import * as Metrics from "../../src/telemetry/Metrics.ts"
import { requireBinary } from "../support/debian.ts"
import { prometheus } from "../support/prometheus.ts"
import { closedPort, serve } from "../support/server.ts"
import { service } from "../support/services.ts"

/** As committed, but faster, and with limits that a loopback server can exceed. */
const settings: Settings = {
  window: "10s",
  soon: "1s",
  later: "1s",
  retryRatio: 0.1,
  giveUpRatio: 0.05,
  attemptP99: 0.05,
  poolP99: 0.05
}

/** Fine, down, every other time down, slow, or too busy: as the path says. */
const peer = serve((request, response, { number }) => {
  const path = request.url ?? ""
  const answer = (status: number) => {
    response.statusCode = status
    if (path === "/busy") response.setHeader("retry-after", "1")
    response.end("ok")
  }
  if (path === "/slow") setTimeout(() => answer(200), 100)
  else answer(path === "/down" ? 503 : path === "/flaky" && number % 2 === 0 ? 503 : path === "/busy" ? 429 : 200)
})

const atOnce = { schedule: RetrySchedule.fromBackoff(Backoff.constant("1 millis")), maxAttempts: 3 }

/** An application that meets all there is. Each call is made again and again, every 100 ms. */
const traffic = (url: string, closed: string, keyed: string, budget: RetryBudget.RetryBudget, bulkhead: Bulkhead.Bulkhead) =>
  Effect.gen(function*() {
    const base = yield* HttpClient.HttpClient
    const get = (client: HttpClient.HttpClient.With<unknown>, path: string) => Effect.flatMap(client.get(path), (response) => response.text)
    const attempts = (name: string) => base.pipe(Resilience.withAttemptSpan, Resilience.withMetrics(name))
    const breaker = yield* CircuitBreaker.make({ tripPolicy: CircuitBreaker.consecutive(2), openDuration: "1 second", name: "guarded" })
    const limiter = (onLimit: "wait" | "fail") => RateLimit.make({ limit: 2, window: "1 second", name: "limited", onLimit, maxWait: "2 seconds" })

    const flaky = Resilience.withRetry({ ...atOnce, name: "flaky" })(attempts("flaky"))
    const poor = Resilience.withRetry({ ...atOnce, name: "poor", budget })(attempts("poor"))
    const guarded = Resilience.withCircuitBreaker({ breaker })(attempts("guarded"))
    const slow = Resilience.withBulkhead({ bulkhead })(attempts("slow"))
    const patient = Resilience.withRateLimit({ limiter: yield* limiter("wait") })(attempts("limited"))
    const hasty = Resilience.withRateLimit({ limiter: yield* limiter("fail") })(attempts("limited"))
    const hedged = Resilience.withHedge({ delay: "5 millis", name: "hedged" })(attempts("hedged"))
    const unhedged = Resilience.withHedge({ delay: "5 millis", name: "hedged", budget: RetryBudget.none })(attempts("hedged"))
    const fallen = Resilience.withFallback({ value: { status: 200 }, name: "fallen" })(attempts("fallen"))
    const chaotic = Resilience.withChaos({ faults: [{ status: 503, rate: 1 }], name: "chaotic" })(attempts("chaotic"))
    let orders = 0
    const order = Effect.suspend(() =>
      base.execute(HttpClientRequest.post(keyed).pipe(
        HttpClientRequest.setHeader("Idempotency-Key", `order-${Math.floor(orders++ / 2)}`),
        HttpClientRequest.bodyText("{}", "application/json")
      ))
    )
    const calls: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
      get(flaky, `${url}flaky`),
      get(flaky, closed),
      get(poor, `${url}down`),
      get(guarded, `${url}down`),
      // Of four at once one is sent, two wait, and one is rejected; in the pool are two connections.
      Effect.all(Array.from({ length: 4 }, () => Effect.exit(get(slow, `${url}slow`))), { concurrency: "unbounded" }),
      Effect.all(Array.from({ length: 4 }, () => get(attempts("crowd"), `${url}slow`)), { concurrency: "unbounded" }),
      get(patient, url),
      get(hasty, `${url}busy`),
      get(hedged, `${url}slow`),
      get(unhedged, `${url}slow`),
      get(fallen, `${url}down`),
      Chaos.turnOn(get(chaotic, url), 1),
      Effect.flatMap(order, (response) => response.text)
    ]
    yield* Effect.all(calls.map((call) => Effect.repeat(Effect.exit(call), Schedule.spaced("100 millis"))), {
      concurrency: "unbounded",
      discard: true
    })
  })

const inDashboard = rows.flatMap(({ panels }) => panels).flatMap(({ queries, title }) => queries.map(({ expr }, i) => ({
  title: `${title} ${i + 1}`,
  expr: expr.replaceAll("$__rate_interval", settings.window).replaceAll("$job", "test").replaceAll("$client", ".*")
})))

describe.skipIf(!requireBinary("prometheus"))("Prometheus", () => {
  it.scopedLive("sees each alert fire, and has data for each panel", () =>
    Effect.gen(function*() {
      const { url } = yield* peer
      const closed = yield* closedPort
      const handler = Idempotency.middleware({ caller: "shared" })(Effect.succeed(HttpServerResponse.text("done")))
      const budget = yield* RetryBudget.make()
      const bulkhead = yield* Bulkhead.make({ permits: 1, queue: 2, name: "slow" })
      // The exporter has no way to be given a free port: its handler has a server of ours.
      const exporter = new PrometheusExporter({ preventServerStart: true })
      const metrics = yield* serve((request, response) => exporter.getMetricsRequestHandler(request, response))
      const Telemetry = Layer.merge(
        NodeSdk.layer(() => ({
          resource: { serviceName: "test" },
          // It is a reader, of another copy of the SDK.
          metricReader: exporter as unknown as MetricReader
        })),
        Metrics.layer({
          levels: [Levels.budget("poor", budget), Levels.bulkhead(bulkhead)],
          keys: { [new URL(url).origin]: "peer" },
          every: "200 millis"
        })
      )
      const Transport = LeakCheck.layer().pipe(
        Layer.provide(ConnectionTrace.layer()),
        Layer.provideMerge(Connections.layerUndici({ maxSockets: 2 }))
      )
      const application = Effect.gen(function*() {
        const keyed = yield* service(handler)
        const levels = [Connections.level("pool", yield* Connections.Connections), LeakCheck.level("pool", yield* LeakCheck.LeakCheck)]
        yield* Levels.watch(levels, "200 millis")
        yield* traffic(url, closed, keyed.url, budget, bulkhead)
      }).pipe(
        Effect.scoped,
        Effect.provide(IdempotencyStore.layerStoreMemory()),
        Effect.provide(Transport),
        Effect.provide(Telemetry)
      )
      yield* Effect.forkScoped(application)
      const seen = yield* prometheus({ target: `127.0.0.1:${metrics.port}`, rules: rulesFile(settings), interval: "1s" })

      // What is seen once is seen: an alert may come and go.
      const missing = new Set([...rules(settings).alerts.map(({ alert }) => alert), ...inDashboard.map(({ title }) => title)])
      const look = Effect.gen(function*() {
        for (const { annotations, labels, state } of yield* seen.alerts) {
          if (state !== "firing") continue
          missing.delete(labels["alertname"] ?? "")
          // A label that is not there would leave a hole in the text.
          assert.match(annotations["summary"] ?? "", /^[\w.]+: /)
          assert.notInclude(annotations["description"] ?? "", "%!")
        }
        for (const { expr, title } of inDashboard) {
          if (missing.has(title) && (yield* seen.query(expr)).some(({ value }) => Number.isFinite(value))) missing.delete(title)
        }
      })
      yield* Effect.repeat(look, { schedule: Schedule.spaced("250 millis").pipe(Schedule.upTo("60 seconds")), until: () => missing.size === 0 })
      assert.deepStrictEqual([...missing], [])

      const recorded = yield* seen.query("{__name__=~\"client:.*|server:.*\"}")
      assert.deepStrictEqual(
        [...new Set(recorded.map(({ metric }) => metric["__name__"]))].sort(),
        rules(settings).recordings.map(({ record }) => record).sort()
      )
    }), 90_000)
})
