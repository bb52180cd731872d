/**
 * The dashboard, as the JSON that Grafana imports: one row for each question, one panel for each answer.
 */
import { Instrument, Label } from "effect-resilience"
import * as P from "./promql.ts"

export interface Panel {
  readonly title: string
  readonly description: string
  readonly unit: "short" | "s" | "percentunit" | "reqps"
  /** What is drawn, and what its lines are called. */
  readonly queries: ReadonlyArray<{ readonly expr: string; readonly legend: string }>
}

export interface Row {
  readonly title: string
  readonly panels: ReadonlyArray<Panel>
}

const window = "$__rate_interval"
const job: P.Matcher = ["job", "=~", "$job"]
const ours: ReadonlyArray<P.Matcher> = [job, [P.client, "=~", "$client"]]

const legend = (...labels: ReadonlyArray<string>): string => labels.map((label) => `{{${label}}}`).join(" ")

const counted = (title: string, description: string, instrument: Instrument.Instrument, ...by: ReadonlyArray<string>): Panel => ({
  title,
  description,
  unit: "reqps",
  queries: [{ expr: P.rateOf(P.series(instrument, ...ours), window, P.client, ...by), legend: legend(P.client, ...by) }]
})

const quantiles = (
  title: string,
  description: string,
  instrument: Instrument.Instrument,
  by: ReadonlyArray<string>,
  ...matchers: ReadonlyArray<P.Matcher>
): Panel => ({
  title,
  description,
  unit: "s",
  queries: [0.5, 0.99].map((quantile) => ({
    expr: P.quantileOf(quantile, instrument, window, by, ...matchers),
    legend: `p${quantile * 100} ${legend(...by)}`
  }))
})

const level = (title: string, description: string, by: ReadonlyArray<string>, ...instruments: ReadonlyArray<Instrument.Instrument>): Panel => ({
  title,
  description,
  unit: "short",
  queries: instruments.map((instrument) => ({
    expr: `sum by (${by.join(", ")}) (${P.series(instrument, ...ours)})`,
    legend: `${legend(...by)} ${instrument.description}`
  }))
})

const phase = P.labelOf(Label.connectionPhase)
const connection = P.labelOf(Label.connectionState)
const failure = P.labelOf(Label.failure)

export const rows: ReadonlyArray<Row> = [
  {
    title: "Calls",
    panels: [
      counted("Calls", "By how they ended.", Instrument.calls, P.labelOf(Label.outcome)),
      {
        title: "Given up",
        description: "Of all calls, those that ended with a failure, but for what a healthy peer refused.",
        unit: "percentunit",
        queries: [{ expr: P.giveUpRatio(window, [P.client], ...ours), legend: legend(P.client) }]
      },
      counted("Reasons for giving up", "Why nothing more was sent.", Instrument.giveUps, P.reason)
    ]
  },
  {
    title: "Attempts",
    panels: [
      {
        title: "Retry ratio",
        description: "Of all attempts, those that follow one that failed.",
        unit: "percentunit",
        queries: [{ expr: P.retryRatio(window, [P.client], ...ours), legend: legend(P.client) }]
      },
      counted("Failures", "What went wrong in attempts.", Instrument.failures, failure),
      counted("Resends", "Why the wait before them had its length, and what had failed.", Instrument.resends, P.reason, failure),
      quantiles("Duration of attempts", "Until the headers had come.", Instrument.requestDuration, [P.client, P.server], ...ours, P.ended),
      {
        title: "Attempts by status",
        description: "Those without a status failed before there was a response.",
        unit: "reqps",
        queries: [{
          expr: P.rateOf(P.partOf(Instrument.requestDuration, "count", ...ours), window, P.server, P.labelOf(Label.responseStatus)),
          legend: legend(P.server, P.labelOf(Label.responseStatus))
        }]
      },
      quantiles("Waits between attempts", "What was decided, not what was slept.", Instrument.waits, [P.client], ...ours)
    ]
  },
  {
    title: "Protection",
    panels: [
      {
        title: "Budget",
        description: "What is left to pay resends with, where it is least.",
        unit: "short",
        queries: [{ expr: `min by (${P.client}) (${P.series(Instrument.budgetBalance, ...ours)})`, legend: legend(P.client) }]
      },
      level("Breakers", "Keys that are not closed.", [P.client, P.key, P.labelOf(Label.breakerState)], Instrument.breakerKeys),
      counted("Transitions of breakers", "What they became.", Instrument.breakerTransitions, P.key, P.labelOf(Label.breakerState)),
      counted("Rejections", "Calls that a guard did not let be sent.", Instrument.rejections, P.guard, P.reason),
      level("Permits", "Taken, waited for, and there at all.", [P.client, P.key, P.guard], Instrument.permitsInUse, Instrument.permitsWaiting, Instrument.permits),
      quantiles("Waits for a guard", "How long calls waited until they were let through.", Instrument.guardDelay, [P.client, P.guard], ...ours),
      counted("Pauses", "Times that a server said that it takes no more for a while.", Instrument.pauses, P.key)
    ]
  },
  {
    title: "In the place of a retry, and of an answer",
    panels: [
      counted("Hedges", "Attempts that were begun beside others.", Instrument.hedges, P.reason),
      counted("Won by", "Which attempt gave the answer.", Instrument.hedgesWon, P.labelOf(Label.winner)),
      counted("Hedges not sent", "Why not.", Instrument.hedgesSkipped, P.reason),
      counted("Fallbacks", "Where what was given came from.", Instrument.fallbacks, P.labelOf(Label.fallback)),
      counted("Injected faults", "Of chaos, which is on.", Instrument.faults, P.labelOf(Label.fault))
    ]
  },
  {
    title: "Connections",
    panels: [
      quantiles("Waits for a connection", "Of the pool.", Instrument.connectionPhase, [P.server], job, P.pool),
      {
        title: "Phases",
        description: "Where the time goes, on average.",
        unit: "s",
        queries: [{
          expr: `${P.rateOf(P.partOf(Instrument.connectionPhase, "sum", job), window, phase)} / ${
            P.rateOf(P.partOf(Instrument.connectionPhase, "count", job), window, phase)
          }`,
          legend: legend(phase)
        }]
      },
      {
        title: "New and reused connections",
        description: "How requests got theirs.",
        unit: "reqps",
        queries: [{ expr: P.rateOf(P.series(Instrument.connections, job), window, connection), legend: legend(connection) }]
      },
      {
        title: "Lost connections",
        description: "In which phase requests failed, or were aborted.",
        unit: "reqps",
        queries: [{
          expr: P.rateOf(P.series(Instrument.connectionFailures, job), window, phase, P.labelOf(Label.connectionEnd)),
          legend: legend(phase, P.labelOf(Label.connectionEnd))
        }]
      },
      level("Open connections", "Of the pools that are sampled.", [P.client], Instrument.openConnections),
      level("Unread responses", "Neither read nor released: each holds a connection.", [P.client], Instrument.unreadResponses)
    ]
  },
  {
    title: "Idempotency of a server",
    panels: [
      counted("Requests under keys", "What was done with them.", Instrument.keyedRequests, P.labelOf(Label.keyed)),
      counted("Keys", "What came of requests that had begun.", Instrument.keysSettled, P.labelOf(Label.settled))
    ]
  }
]

const width = 8
const height = 8

const datasource = { type: "prometheus", uid: "${datasource}" }

const variable = (name: string, label: string, query: string) => ({
  name,
  label,
  type: "query",
  datasource,
  query: { query, refId: name },
  definition: query,
  refresh: 2,
  sort: 1,
  includeAll: true,
  multi: true,
  allValue: ".*",
  current: { text: "All", value: "$__all" }
})

/** Each row begins on a line of its own; three panels stand beside each other. */
const laidOut = (): ReadonlyArray<object> => {
  const panels: Array<object> = []
  let y = 0
  for (const row of rows) {
    panels.push({ id: panels.length + 1, type: "row", title: row.title, collapsed: false, gridPos: { x: 0, y, w: 24, h: 1 }, panels: [] })
    y++
    row.panels.forEach(({ description, queries, title, unit }, i) => {
      panels.push({
        id: panels.length + 1,
        type: "timeseries",
        title,
        description,
        datasource,
        gridPos: { x: (i % 3) * width, y: y + Math.floor(i / 3) * height, w: width, h: height },
        fieldConfig: { defaults: { unit, min: 0 }, overrides: [] },
        options: { legend: { displayMode: "list", placement: "bottom" }, tooltip: { mode: "multi" } },
        targets: queries.map(({ expr, legend }, n) => ({ refId: String.fromCharCode(65 + n), datasource, expr, legendFormat: legend }))
      })
    })
    y += Math.ceil(row.panels.length / 3) * height
  }
  return panels
}

export const dashboard = () => ({
  title: "effect-resilience",
  uid: "effect-resilience",
  tags: ["effect", "http", "resilience"],
  schemaVersion: 38,
  version: 1,
  editable: true,
  refresh: "30s",
  time: { from: "now-1h", to: "now" },
  templating: {
    list: [
      { name: "datasource", label: "Data source", type: "datasource", query: "prometheus", current: {} },
      variable("job", "Job", `label_values(${P.series(Instrument.calls)}, job)`),
      variable("client", "Client", `label_values(${P.series(Instrument.calls, job)}, ${P.client})`)
    ]
  },
  panels: laidOut()
})
