/**
 * Panels as Grafana writes them: their places, units, colours and legends.
 */
import type { Panel, Row } from "./panels.ts"

export const datasource = { type: "prometheus", uid: "${datasource}" }

/** A filter over the values of a label; all of them are chosen at first. */
export const variable = (name: string, label: string, query: string) => ({
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

/** Of the 24 columns that Grafana has. */
const sizes: Readonly<Record<Panel["kind"], { readonly w: number; readonly h: number }>> = {
  lines: { w: 8, h: 8 },
  number: { w: 4, h: 4 },
  states: { w: 24, h: 6 }
}

const types: Readonly<Record<Panel["kind"], string>> = { lines: "timeseries", number: "stat", states: "state-timeline" }

const steps = (limit: number | undefined) => [
  { color: "green", value: null },
  ...limit === undefined ? [] : [{ color: "red", value: limit }]
]

/** A table under the graph, the largest first: among many lines the one that is looked for is one of the first. */
const legendOf = ({ kind }: Panel) =>
  kind === "lines"
    ? { displayMode: "table", placement: "bottom", calcs: ["lastNotNull", "max"], sortBy: "Max", sortDesc: true }
    : { displayMode: "list", placement: "bottom", showLegend: false }

const options = (panel: Panel) =>
  panel.kind === "number"
    ? { colorMode: "background", graphMode: "area", textMode: "value", reduceOptions: { calcs: ["lastNotNull"] } }
    : { legend: legendOf(panel), tooltip: { mode: panel.kind === "lines" ? "multi" : "single", sort: "desc" } }

const fields = ({ kind, limit, unit }: Panel) => ({
  unit,
  ...kind === "states" ? {} : { min: 0 },
  thresholds: { mode: "absolute", steps: steps(limit) },
  ...kind === "lines" && limit !== undefined ? { custom: { thresholdsStyle: { mode: "dashed" } } } : {},
  ...kind === "states" ? { mappings: [{ type: "value", options: { 1: { text: "firing", color: "red" } } }] } : {}
})

const drawn = (panel: Panel, id: number, at: { readonly x: number; readonly y: number }) => ({
  id,
  type: types[panel.kind],
  title: panel.title,
  description: panel.description,
  datasource,
  gridPos: { ...at, ...sizes[panel.kind] },
  fieldConfig: { defaults: fields(panel), overrides: [] },
  options: options(panel),
  targets: panel.queries.map(({ expr, legend }, n) => ({ refId: String.fromCharCode(65 + n), datasource, expr, legendFormat: legend }))
})

/** Each row begins on a line of its own, and breaks where it is full. */
export const laidOut = (rows: ReadonlyArray<Row>): ReadonlyArray<object> => {
  const panels: Array<object> = []
  let y = 0
  for (const row of rows) {
    panels.push({ id: panels.length + 1, type: "row", title: row.title, collapsed: false, gridPos: { x: 0, y, w: 24, h: 1 }, panels: [] })
    y++
    let x = 0
    let height = 0
    for (const panel of row.panels) {
      const { h, w } = sizes[panel.kind]
      if (x + w > 24) {
        y += height
        x = 0
        height = 0
      }
      panels.push(drawn(panel, panels.length + 1, { x, y }))
      x += w
      height = Math.max(height, h)
    }
    y += height
  }
  return panels
}
