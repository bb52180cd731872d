/**
 * The kinds of panels, each of which says what it asks Prometheus.
 */
import type * as Instrument from "../../src/core/Instrument.ts"
import * as P from "./promql.ts"

export interface Panel {
  readonly title: string
  readonly description: string
  /** Lines over time; the last number alone; or when something was so. */
  readonly kind: "lines" | "number" | "states"
  /** "cpm": so many a minute, for what is rare. */
  readonly unit: "short" | "s" | "percentunit" | "reqps" | "cpm"
  /** Above this an alert fires, after a while: what is more is red. */
  readonly limit?: number | undefined
  /** What is drawn, and what its lines are called. */
  readonly queries: ReadonlyArray<{ readonly expr: string; readonly legend: string }>
}

/** What stands beside each other under a title. */
export interface Row {
  readonly title: string
  readonly panels: ReadonlyArray<Panel>
}

/** What Grafana makes as long as the graph can show, and at least four scrapes. */
export const window = "$__rate_interval"
export const job: P.Matcher = ["job", "=~", "$job"]
export const ours: ReadonlyArray<P.Matcher> = [job, [P.client, "=~", "$client"]]

/** The values of labels, one after the other. */
export const legend = (...labels: ReadonlyArray<string>): string => labels.map((label) => `{{${label}}}`).join(" ")

/** One query, over time. */
export const lines = (title: string, description: string, unit: Panel["unit"], expr: string, legend: string): Panel => ({
  title,
  description,
  kind: "lines",
  unit,
  queries: [{ expr, legend }]
})

/** One number, over all that is chosen. */
export const number = (title: string, description: string, unit: Panel["unit"], expr: string): Panel => ({
  title,
  description,
  kind: "number",
  unit,
  queries: [{ expr, legend: title }]
})

/** How many a second, by client and by some more. */
export const counted = (title: string, description: string, instrument: Instrument.Instrument, ...by: ReadonlyArray<string>): Panel =>
  lines(title, description, "reqps", P.rateOf(P.series(instrument, ...ours), window, P.client, ...by), legend(P.client, ...by))

/** How many a minute, of what is rare. */
export const rare = (title: string, description: string, instrument: Instrument.Instrument, ...by: ReadonlyArray<string>): Panel =>
  lines(title, description, "cpm", `60 * ${P.rateOf(P.series(instrument, ...ours), window, P.client, ...by)}`, legend(P.client, ...by))

/** The middle one and the slowest of a hundred. */
export const quantiles = (
  title: string,
  description: string,
  instrument: Instrument.Instrument,
  by: ReadonlyArray<string>,
  ...matchers: ReadonlyArray<P.Matcher>
): Panel => ({
  title,
  description,
  kind: "lines",
  unit: "s",
  queries: [0.5, 0.99].map((quantile) => ({
    expr: P.quantileOf(quantile, instrument, window, by, ...matchers),
    legend: `p${quantile * 100} ${legend(...by)}`
  }))
})

/** What there is now; each gauge with a word for it, where there are several. */
export const levels = (
  title: string,
  description: string,
  by: ReadonlyArray<string>,
  gauges: Readonly<Record<string, Instrument.Instrument>>
): Panel => ({
  title,
  description,
  kind: "lines",
  unit: "short",
  queries: Object.entries(gauges).map(([word, instrument]) => ({
    expr: `sum by (${by.join(", ")}) (${P.series(instrument, ...ours)})`,
    legend: `${legend(...by)} ${word}`.trimEnd()
  }))
})

/** Draws the limit of an alert. */
export const limited = (limit: number, panel: Panel): Panel => ({ ...panel, limit })
