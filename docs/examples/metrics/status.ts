/**
 * What the demo prints: how to look at it, and how the shop is.
 */
import * as Instrument from "effect-resilience/core/Instrument"
import { Clock, Console, Duration, Effect, Metric, type MetricPair, MetricState } from "effect"
import { type Description, type Switches, troubles } from "./trouble.ts"

export const print = (...lines: ReadonlyArray<string>): Effect.Effect<void> => Console.log(lines.join("\n"))

const described: ReadonlyArray<readonly [string, Description]> = Object.entries(troubles)

export const introduce = (url: string) =>
  print(
    ` metrics     ${url}/metrics`,
    " prometheus  prometheus --config.file=docs/observability/prometheus.yml --storage.tsdb.path=$(mktemp -d)",
    " dashboard   docs/observability/dashboard.json, for Grafana to import",
    ` trouble     curl -X PUT -d slow,leak ${url}/trouble`,
    "",
    ...described.map(([name, { alerts, says }]) => `   ${name.padEnd(8)} ${says}${Object.keys(alerts).map((alert) => `\n${" ".repeat(14)}-> ${alert}`).join("")}`),
    "   all, none",
    ""
  )

/** What a counter or a gauge comes to, over all of its series. */
const total = (pairs: ReadonlyArray<MetricPair.MetricPair.Untyped>, { name }: Instrument.Instrument): number =>
  pairs.reduce((sum, { metricKey, metricState }) => {
    if (metricKey.name !== name) return sum
    if (MetricState.isCounterState(metricState)) return sum + Number(metricState.count)
    return MetricState.isGaugeState(metricState) ? sum + Number(metricState.value) : sum
  }, 0)

const counters = {
  "calls": Instrument.calls,
  "given up": Instrument.giveUps,
  "resends": Instrument.resends,
  "rejections": Instrument.rejections,
  "fallbacks": Instrument.fallbacks
}

const gauges = {
  "breakers not closed": Instrument.breakerKeys,
  "open connections": Instrument.openConnections,
  "unread responses": Instrument.unreadResponses
}

/** Every 5 seconds a line of what has happened since the last one, and of what there is; for so many seconds. */
export const tell = (switches: Switches, seconds: number) =>
  Effect.gen(function*() {
    const began = yield* Clock.currentTimeMillis
    const before = new Map<string, number>()
    const line = Effect.gen(function*() {
      const pairs = yield* Metric.snapshot
      const now = Math.round((yield* Clock.currentTimeMillis) - began) / 1000
      const parts = Object.entries(counters).map(([word, instrument]) => {
        const counted = total(pairs, instrument)
        const since = counted - (before.get(word) ?? 0)
        before.set(word, counted)
        return `${since} ${word}`
      })
      const there = Object.entries(gauges).map(([word, instrument]) => `${total(pairs, instrument)} ${word}`)
      yield* print(` ${now.toFixed(0).padStart(4)} s  ${switches.text()}`, `         ${[...parts, ...there].join(", ")}`)
    })
    const telling = Effect.forever(Effect.delay(line, "5 seconds"))
    yield* Number.isFinite(seconds) ? Effect.timeoutOption(telling, Duration.seconds(seconds)) : telling
  })
