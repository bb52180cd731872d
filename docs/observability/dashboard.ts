/**
 * The dashboard, as the JSON that Grafana imports: one row for each question, one panel for each answer. What is asked first stands first.
 */
import * as Instrument from "../../src/core/Instrument.ts"
import * as Label from "../../src/core/Label.ts"
import { laidOut, variable } from "./grafana.ts"
import { counted, job, legend, levels, limited, lines, number, ours, quantiles, rare, type Row, window } from "./panels.ts"
import * as P from "./promql.ts"
import { defaults } from "./rules.ts"

const { attemptP99, giveUpRatio, poolP99, retryRatio, unread } = defaults

const phase = P.labelOf(Label.connectionPhase)
const connection = P.labelOf(Label.connectionState)
const failure = P.labelOf(Label.failure)
const status = P.labelOf(Label.responseStatus)

const firing: ReadonlyArray<P.Matcher> = [["alertname", "=~", "Resilience.+"], ["alertstate", "=", "firing"], job]
const alerts = `ALERTS${P.within(firing)}`

export const rows: ReadonlyArray<Row> = [
  {
    title: "Now",
    panels: [
      limited(1, number("Alerts", "How many fire. Of a job, whichever client is chosen.", "short", `count(${alerts}) or vector(0)`)),
      number("Calls", "All that ended, well or not.", "reqps", P.rateOf(P.series(Instrument.calls, ...ours), window)),
      limited(
        giveUpRatio,
        number("Given up", "Of all calls, those that failed, but for what a healthy peer refused.", "percentunit", P.giveUpRatio(window, [], ...ours))
      ),
      limited(
        retryRatio,
        number("Retry ratio", "Of all attempts, those that follow one that failed.", "percentunit", P.retryRatio(window, [], ...ours))
      ),
      limited(
        attemptP99,
        number("Slow attempts", "One attempt of a hundred takes so long, or longer.", "s", P.quantileOf(0.99, Instrument.requestDuration, window, [], ...ours, P.ended))
      ),
      limited(1, number("Breakers", "Keys that are open or half open.", "short", `sum(${P.series(Instrument.breakerKeys, ...ours)}) or vector(0)`)),
      {
        title: "Firing",
        description: "Which alerts fired when, and for which client or server.",
        kind: "states",
        unit: "short",
        queries: [{
          expr: `max by (alertname, ${P.client}, ${P.server}) (${alerts})`,
          legend: `{{alertname}} ${legend(P.client, P.server)}`
        }]
      }
    ]
  },
  {
    title: "Calls",
    panels: [
      counted("Calls", "By how they ended.", Instrument.calls, P.labelOf(Label.outcome)),
      limited(
        giveUpRatio,
        lines(
          "Given up",
          "Of all calls, those that ended with a failure, but for what a healthy peer refused.",
          "percentunit",
          P.giveUpRatio(window, [P.client], ...ours),
          legend(P.client)
        )
      ),
      counted(
        "Reasons for giving up",
        "Why nothing more was sent. Refused is the answer of a healthy peer; Terminal is what cannot succeed, such as a rejection of an open breaker or an expired certificate.",
        Instrument.giveUps,
        P.reason
      )
    ]
  },
  {
    title: "Attempts",
    panels: [
      limited(
        retryRatio,
        lines(
          "Retry ratio",
          "Of all attempts, those that follow one that failed.",
          "percentunit",
          P.retryRatio(window, [P.client], ...ours),
          legend(P.client)
        )
      ),
      counted("Failures", "What went wrong in attempts.", Instrument.failures, failure),
      counted("Resends", "Why the wait before them had its length, and what had failed.", Instrument.resends, P.reason, failure),
      limited(
        attemptP99,
        quantiles("Duration of attempts", "Until the headers had come.", Instrument.requestDuration, [P.client, P.server], ...ours, P.ended)
      ),
      lines(
        "Attempts by status",
        "Those without a status failed before there was a response.",
        "reqps",
        P.rateOf(P.partOf(Instrument.requestDuration, "count", ...ours), window, P.server, status),
        legend(P.server, status)
      ),
      quantiles("Waits between attempts", "What was decided, not what was slept.", Instrument.waits, [P.client], ...ours)
    ]
  },
  {
    title: "Protection",
    panels: [
      lines(
        "Budget",
        "Resends that can still be paid for, where they are fewest. Below 1 none is sent.",
        "short",
        `min by (${P.client}) (${P.series(Instrument.budgetBalance, ...ours)})`,
        legend(P.client)
      ),
      levels("Breakers", "Keys that are not closed.", [P.client, P.key, P.labelOf(Label.breakerState)], { "": Instrument.breakerKeys }),
      rare("Transitions of breakers", "What they became.", Instrument.breakerTransitions, P.key, P.labelOf(Label.breakerState)),
      counted("Rejections", "Calls that a guard did not let be sent, and why.", Instrument.rejections, P.guard, P.reason),
      levels("Permits", "Of bulkheads and adaptive limits.", [P.client, P.key, P.guard], {
        "in use": Instrument.permitsInUse,
        waiting: Instrument.permitsWaiting,
        limit: Instrument.permits
      }),
      quantiles("Waits for a guard", "How long calls waited until they were let through.", Instrument.guardDelay, [P.client, P.guard], ...ours),
      rare("Pauses", "Times that a server said that it takes no more for a while.", Instrument.pauses, P.key)
    ]
  },
  {
    title: "Hedges, fallbacks and chaos",
    panels: [
      counted("Hedges", "Attempts that were begun beside others, and why.", Instrument.hedges, P.reason),
      counted("Won by", "Which attempt gave the answer of a call with hedges.", Instrument.hedgesWon, P.labelOf(Label.winner)),
      counted("Hedges not sent", "Why not.", Instrument.hedgesSkipped, P.reason),
      counted("Fallbacks", "Where what was given in the place of a failure came from.", Instrument.fallbacks, P.labelOf(Label.fallback)),
      counted("Injected faults", "Of chaos, where it is turned on.", Instrument.faults, P.labelOf(Label.fault))
    ]
  },
  {
    title: "Connections",
    panels: [
      limited(poolP99, quantiles("Waits for a connection", "In the line of the pool.", Instrument.connectionPhase, [P.server], job, P.pool)),
      lines(
        "Phases",
        "Where the time of a request goes, on average.",
        "s",
        `${P.rateOf(P.partOf(Instrument.connectionPhase, "sum", job), window, phase)} / ${
          P.rateOf(P.partOf(Instrument.connectionPhase, "count", job), window, phase)
        }`,
        legend(phase)
      ),
      lines(
        "New and reused connections",
        "How requests got theirs.",
        "reqps",
        P.rateOf(P.series(Instrument.connections, job), window, connection),
        legend(connection)
      ),
      lines(
        "Lost requests",
        "In which phase requests failed, or were aborted.",
        "reqps",
        P.rateOf(P.series(Instrument.connectionFailures, job), window, phase, P.labelOf(Label.connectionEnd)),
        legend(phase, P.labelOf(Label.connectionEnd))
      ),
      levels("Open connections", "Of the pools that are sampled.", [P.client], { "": Instrument.openConnections }),
      limited(
        unread,
        levels("Unread responses", "Neither read nor released: each takes memory, and a connection where its body is long.", [P.client], {
          "": Instrument.unreadResponses
        })
      )
    ]
  },
  {
    title: "Server",
    panels: [
      counted("Turned away", "Requests that were answered in the place of their handler, and why.", Instrument.turnedAway, P.reason),
      counted("Keyed requests", "What was done with requests under a key.", Instrument.keyedRequests, P.labelOf(Label.keyed)),
      counted("Settled keys", "What came of requests that had begun under a key.", Instrument.keysSettled, P.labelOf(Label.settled))
    ]
  }
]

/** Any metric of ours: a server has no calls, and a guard can have a name that no client has. */
const any = (...matchers: ReadonlyArray<P.Matcher>): string => P.within([["__name__", "=~", "resilience_.+|http_client_.+"], ...matchers])

export const dashboard = () => ({
  title: "effect-resilience",
  uid: "effect-resilience",
  description: "Calls, attempts and what protects them. Made by docs/observability/generate.ts of effect-resilience.",
  tags: ["effect", "http", "resilience"],
  schemaVersion: 38,
  version: 1,
  editable: true,
  graphTooltip: 1,
  refresh: "30s",
  time: { from: "now-1h", to: "now" },
  templating: {
    list: [
      { name: "datasource", label: "Data source", type: "datasource", query: "prometheus", current: {} },
      variable("job", "Job", `label_values(${any()}, job)`),
      variable("client", "Client or guard", `label_values(${any(job)}, ${P.client})`)
    ]
  },
  panels: laidOut(rows)
})

