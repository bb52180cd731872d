/**
 * What the rules are tested with, by `promtool test rules`: each alert fires on what it is for, and on nothing that is well.
 */
import * as Instrument from "../../src/core/Instrument.ts"
import * as Label from "../../src/core/Label.ts"
import * as P from "./promql.ts"

/** A series, and its values minute by minute. */
type Input = readonly [series: string, values: string]

const labelled = (series: string, labels: Readonly<Record<string, string>>): string =>
  `${series}{${Object.entries({ job: "shop", ...labels }).map(([name, value]) => `${name}=${JSON.stringify(value)}`).join(",")}}`

const users = { [P.client]: "users" }
const state = P.labelOf(Label.breakerState)
const failure = P.labelOf(Label.failure)

/** A series of the client "users". */
const of = (instrument: Instrument.Instrument, labels: Readonly<Record<string, string>> = {}): string =>
  labelled(P.series(instrument), { ...users, ...labels })

const exhausted = of(Instrument.giveUps, { [P.reason]: "BudgetExhausted" })
const balance = of(Instrument.budgetBalance)
const open = of(Instrument.breakerKeys, { [P.key]: "api", [state]: "Open" })

/** A histogram of which so many of a hundred a minute are fast, by one of its two names. */
const histogram = (instrument: Instrument.Instrument, named: 0 | 1, labels: Readonly<Record<string, string>>, fast: number) =>
  ([["0.05", fast], ["5", 100], ["+Inf", 100]] as const).map(([le, each]): Input => [
    labelled(P.namesOf(instrument, "bucket")[named], { ...labels, le }),
    `0+${each}x20`
  ])

const attempts = (named: 0 | 1, fast: number) => histogram(Instrument.requestDuration, named, users, fast)
const waits = (named: 0 | 1, fast: number) =>
  histogram(Instrument.connectionPhase, named, { [P.server]: "api.test", [P.labelOf(Label.connectionPhase)]: "pool" }, fast)

/** A hundred calls a minute, of which a healthy peer refuses ten, and ten whose responses are about to be read. */
const well: ReadonlyArray<Input> = [
  [of(Instrument.attempts), "0+100x20"],
  [of(Instrument.calls, { [P.labelOf(Label.outcome)]: "Succeeded" }), "0+90x20"],
  [of(Instrument.calls, { [P.labelOf(Label.outcome)]: "GaveUp" }), "0+10x20"],
  [of(Instrument.giveUps, { [P.reason]: "Refused" }), "0+10x20"],
  [of(Instrument.unreadResponses), "10x20"],
  [exhausted, "0x20"],
  [balance, "10x20"],
  [open, "0x20"]
]

/** All as it is when it is well, but for these. */
const but = (...others: ReadonlyArray<Input>): ReadonlyArray<Input> => [
  ...well.filter(([series]) => others.every(([other]) => other !== series)),
  ...others
]

const cases: ReadonlyArray<readonly [name: string, input: ReadonlyArray<Input>, fires: ReadonlyArray<string>]> = [
  ["nothing fires where all is well", [...well, ...attempts(0, 100), ...waits(1, 100)], []],
  [
    "one attempt of five is a resend",
    but([of(Instrument.resends, { [P.reason]: "Backoff", [failure]: "Unavailable" }), "0+20x20"]),
    ["ResilienceRetryRatioHigh"]
  ],
  ["one call of fifty is given up for want of a budget", but([exhausted, "0+2x20"]), ["ResilienceBudgetEmpty"]],
  ["a budget has nothing left", but([balance, "0.5x20"]), ["ResilienceBudgetEmpty"]],
  ["a breaker is open", but([open, "0x10 1x10"]), ["ResilienceBreakerOpen"]],
  ["one call of ten fails", but([of(Instrument.giveUps, { [P.reason]: "AttemptsExhausted" }), "0+10x20"]), ["ResilienceGiveUps"]],
  ["one call of ten meets an expired certificate", but([of(Instrument.giveUps, { [P.reason]: "Terminal" }), "0+10x20"]), ["ResilienceGiveUps"]],
  ["responses pile up", but([of(Instrument.unreadResponses), "0+1x20"]), ["ResilienceResponsesUnread"]],
  ["many responses are unread now and then", but([of(Instrument.unreadResponses), "50 0 50 50 0 50 50 0 50 50 0 50 50 0 50 50 0 50 50 0 50"]), []],
  ...([0, 1] as const).flatMap((named) => {
    const how = named === 0 ? "as the exporter for Node names it" : "as OTLP names it"
    return [
      [`attempts are slow, ${how}`, [...well, ...attempts(named, 50)], ["ResilienceAttemptSlow"]],
      [`requests wait for a connection, ${how}`, [...well, ...waits(named, 50)], ["ResiliencePoolWait"]]
    ] as const
  })
]

export const tests = {
  rule_files: ["rules.yaml"],
  evaluation_interval: "1m",
  tests: cases.map(([name, input, fires]) => ({
    name,
    interval: "1m",
    input_series: input.map(([series, values]) => ({ series, values })),
    promql_expr_test: [{
      expr: "count by (alertname) (ALERTS{alertstate=\"firing\"})",
      eval_time: "20m",
      exp_samples: fires.map((alertname) => ({ labels: `{alertname=${JSON.stringify(alertname)}}`, value: 1 }))
    }]
  }))
}
