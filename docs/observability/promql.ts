/**
 * The metrics as Prometheus knows them, and the queries over them.
 *
 * A histogram of seconds has two names. OpenTelemetry's own translation, which the collector and Prometheus' OTLP receiver do, appends the
 * unit; the exporter of OpenTelemetry for Node does not. A query asks for either, so one dashboard and one file of rules fit both.
 */
import * as Instrument from "../../src/core/Instrument.ts"
import * as Label from "../../src/core/Label.ts"

/** A label of a metric, as Prometheus spells it. */
export const labelOf = ({ name }: Pick<Label.Label, "name">): string => name.replace(/[^a-zA-Z0-9_]/g, "_")

export const client = labelOf(Label.name)
export const reason = labelOf(Label.endReason)
export const key = labelOf(Label.key)
export const guard = labelOf(Label.guard)
export const server = labelOf(Label.serverAddress)

const base = ({ name }: Instrument.Instrument): string => name.replace(/[^a-zA-Z0-9_]/g, "_")

/** The names of a histogram's parts: without the unit, and with it. */
export const namesOf = (instrument: Instrument.Instrument, part: "bucket" | "sum" | "count"): readonly [string, string] => [
  `${base(instrument)}_${part}`,
  `${base(instrument)}_seconds_${part}`
]

/** What a series must say: `["job", "=~", "$job"]`. */
export type Matcher = readonly [label: string, operator: "=" | "!=" | "=~" | "!~", value: string]

/** Matchers as a selector: nothing where there are none. */
export const within = (matchers: ReadonlyArray<Matcher>): string =>
  matchers.length === 0 ? "" : `{${matchers.map(([label, operator, value]) => `${label}${operator}${JSON.stringify(value)}`).join(",")}}`

/** The series of a counter or a gauge. */
export const series = (instrument: Instrument.Instrument, ...matchers: ReadonlyArray<Matcher>): string =>
  `${base(instrument)}${instrument.kind === "counter" ? "_total" : ""}${within(matchers)}`

/** The series of a part of a histogram, by either name. */
export const partOf = (
  instrument: Instrument.Instrument,
  part: "bucket" | "sum" | "count",
  ...matchers: ReadonlyArray<Matcher>
): string => within([["__name__", "=~", namesOf(instrument, part).join("|")], ...matchers])

/** How much a second, summed up. */
export const rateOf = (selector: string, window: string, ...by: ReadonlyArray<string>): string =>
  `sum${by.length === 0 ? "" : ` by (${by.join(", ")}) `}(rate(${selector}[${window}]))`

/** A quantile of a histogram. */
export const quantileOf = (
  quantile: number,
  instrument: Instrument.Instrument,
  window: string,
  by: ReadonlyArray<string>,
  ...matchers: ReadonlyArray<Matcher>
): string => `histogram_quantile(${quantile}, ${rateOf(partOf(instrument, "bucket", ...matchers), window, "le", ...by)})`

/** Which attempts say something about the peer: those that nobody interrupted. */
export const ended: Matcher = [labelOf(Label.errorType), "!=", "interrupted"]

/** Which give-ups are an outage: a healthy peer that says no is none. */
export const outage: Matcher = [reason, "!=", "Refused"]

/** Which part of a connection is the wait for it. */
export const pool: Matcher = [labelOf(Label.connectionPhase), "=", "pool"]

/** Resends in relation to attempts: 0 where there were none. */
export const retryRatio = (window: string, by: ReadonlyArray<string>, ...matchers: ReadonlyArray<Matcher>): string => {
  const attempts = rateOf(series(Instrument.attempts, ...matchers), window, ...by)
  return `(${rateOf(series(Instrument.resends, ...matchers), window, ...by)} or 0 * ${attempts}) / ${attempts}`
}

/** Calls that ended with a failure, but for those that a healthy peer refused, in relation to all. */
export const giveUpRatio = (window: string, by: ReadonlyArray<string>, ...matchers: ReadonlyArray<Matcher>): string =>
  `${rateOf(series(Instrument.giveUps, outage, ...matchers), window, ...by)} / ${rateOf(series(Instrument.calls, ...matchers), window, ...by)}`
