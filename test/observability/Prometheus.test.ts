/**
 * A real Prometheus scrapes the demo, in which everything goes wrong: each alert fires, and each panel has something to show.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as net from "node:net"
import { pipeline } from "node:stream"
import { troubles } from "../../docs/examples/metrics/trouble.ts"
import { rows } from "../../docs/observability/dashboard.ts"
import { rulesFile } from "../../docs/observability/generate.ts"
import * as P from "../../docs/observability/promql.ts"
import { defaults, rules, type Settings } from "../../docs/observability/rules.ts"
import * as Instrument from "../../src/core/Instrument.ts"
import { requireBinary } from "../support/debian.ts"
import { demo } from "../support/demo.ts"
import { type Alert, prometheus } from "../support/prometheus.ts"
import { serveRaw } from "../support/server.ts"

/** The limits are those that are committed; only the times are shorter. */
const settings: Settings = { ...defaults, window: "1s", soon: "200ms", later: "200ms" }
const interval = "200ms"

const panels = rows.flatMap((row) =>
  row.panels.flatMap(({ queries, title }) =>
    queries.map(({ expr }, i) => ({
      title: `${row.title}, ${title} ${i + 1}`,
      expr: expr.replaceAll("$__rate_interval", settings.window).replaceAll("$job", "test").replaceAll("$client", ".*")
    }))
  )
)

/** Each alert with what the demo says that it will be about. */
const announced = Object.values(troubles).flatMap(({ alerts }) => Object.entries(alerts).map((alert) => alert.join(" of ")))

const about = ({ labels }: Alert): string => `${labels["alertname"]} of ${labels[P.client] ?? labels[P.server]}`

/**
 * A port that is known before the demo has one. Prometheus looks for its targets 5 s after it has begun, so it begins first.
 */
const gate = Effect.gen(function*() {
  let open: number | undefined
  const { port } = yield* serveRaw((socket) => {
    if (open === undefined) socket.destroy()
    else pipeline(socket, net.connect(open, "127.0.0.1"), socket, () => {})
  })
  return { target: `127.0.0.1:${port}`, to: (url: string) => Effect.sync(() => void (open = Number(new URL(url).port))) }
})

/** What a counter of the exporter comes to, over all of its series. */
const total = (text: string, instrument: Instrument.Instrument): number =>
  text.split("\n").filter((line) => line.startsWith(`${P.series(instrument)}{`)).reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0)

describe.skipIf(!requireBinary("prometheus"))("Prometheus", () => {
  it.scopedLive("sees each alert of the demo fire for what it is about, and has data for each panel", () =>
    Effect.gen(function*() {
      const { target, to } = yield* gate
      const starting = yield* Effect.fork(prometheus({ target, rules: rulesFile(settings), interval }))
      const shop = yield* demo()

      const page = yield* Effect.repeat(Effect.delay(shop.metrics, "50 millis"), { until: (text) => total(text, Instrument.calls) >= 10 })
      const wrong = [Instrument.failures, Instrument.resends, Instrument.giveUps, Instrument.rejections, Instrument.breakerKeys]
      assert.deepStrictEqual(wrong.filter((instrument) => total(page, instrument) > 0), [], "all is well")

      assert.strictEqual(yield* shop.trouble("all"), `${Object.keys(troubles).join(", ")}\n`)
      yield* to(shop.url)
      const seen = yield* starting

      // What is seen once is seen: an alert may come and go.
      const missing = new Set([...announced, ...panels.map(({ title }) => title)])
      const fired = new Map<string, Alert>()
      const look = Effect.gen(function*() {
        for (const alert of yield* seen.alerts) {
          if (alert.state !== "firing") continue
          fired.set(about(alert), alert)
          missing.delete(about(alert))
        }
        for (const { expr, title } of panels) {
          if (missing.has(title) && (yield* seen.query(expr)).some(({ value }) => Number.isFinite(value))) missing.delete(title)
        }
      })
      yield* Effect.repeat(look, { schedule: Schedule.spaced("100 millis").pipe(Schedule.upTo("60 seconds")), until: () => missing.size === 0 })
      assert.deepStrictEqual([...missing], [])

      assert.deepStrictEqual(
        [...new Set([...fired.values()].map(({ labels }) => labels["alertname"]))].sort(),
        rules(settings).alerts.map(({ alert }) => alert).sort()
      )
      for (const { annotations } of fired.values()) {
        // A label that is not there would leave a hole in the text.
        assert.match(annotations["summary"] ?? "", /^[\w.]+: /)
        assert.notInclude(annotations["description"] ?? "", "%!")
      }
      // Too many ask for pictures, and nobody reads reviews: their peer is well.
      const wronged = /(RetryRatioHigh|BudgetEmpty|BreakerOpen|GiveUps) of (pictures|reviews)$/
      assert.deepStrictEqual([...fired.keys()].filter((text) => wronged.test(text)), [])

      const recorded = yield* seen.query("{__name__=~\"client:.*|server:.*\"}")
      assert.deepStrictEqual(
        [...new Set(recorded.map(({ metric }) => metric["__name__"]))].sort(),
        rules(settings).recordings.map(({ record }) => record).sort()
      )

      yield* shop.interrupt
      assert.strictEqual(yield* shop.ended, 0, shop.printed())
    }), 120_000)
})
