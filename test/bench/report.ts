/**
 * What a bench has to say, as data first and as a table after that.
 */
import type { Quartiles } from "./stats.ts"

export interface Row {
  readonly name: string
  readonly measures: Readonly<Record<string, Quartiles>>
}

export interface Column {
  /** Which measure of the rows it shows. */
  readonly measure: string
  readonly header: string
  readonly digits: number
  readonly shows: "median" | "quartiles"
}

/** Rows that were measured together, in turns, and may be compared. */
export interface Section {
  readonly name: string
  readonly title: string
  readonly columns: ReadonlyArray<Column>
  readonly rows: ReadonlyArray<Row>
  /** What a reader must know to read the figures. */
  readonly notes: ReadonlyArray<string>
}

/** What a limit came to. */
export interface Verdict {
  readonly section: string
  readonly row: string
  readonly measure: string
  readonly label: string
  readonly atMost: number
  /** What was asked for, where that is less. */
  readonly asked?: number
  readonly value: number
  readonly held: boolean
}

const figure = (value: number, digits: number): string => value.toFixed(digits)

const cell = (column: Column, row: Row): string => {
  const measured = row.measures[column.measure]
  if (measured === undefined) return ""
  const { median, q1, q3 } = measured
  const middle = figure(median, column.digits)
  return column.shows === "median" ? middle : `${middle} [${figure(q1, column.digits)}..${figure(q3, column.digits)}]`
}

const said = ({ asked, atMost, held, label }: Verdict): string =>
  `${label} ${Number(atMost.toFixed(2))}${asked === undefined ? "" : ` (asked: ${asked})`} ${held ? "ok" : "MISSED"}`

/** The sections as aligned text, with what the limits came to at the end of each row. */
export const table = (sections: ReadonlyArray<Section>, verdicts: ReadonlyArray<Verdict>): string =>
  sections.map((section) => {
    const lines = section.rows.map((row) => ({
      name: row.name,
      cells: section.columns.map((column) => cell(column, row)),
      limits: verdicts.filter((each) => each.section === section.name && each.row === row.name).map(said).join(", ")
    }))
    const headers = { name: "", cells: section.columns.map((column) => column.header), limits: "limit" }
    const all = lines.some((line) => line.limits !== "") ? [headers, ...lines] : [{ ...headers, limits: "" }, ...lines]
    const nameWidth = Math.max(...all.map((line) => line.name.length))
    const widths = section.columns.map((_, i) => Math.max(...all.map((line) => line.cells[i]!.length)))
    const text = all.map(({ cells, limits, name }) =>
      [name.padEnd(nameWidth), ...cells.map((each, i) => each.padStart(widths[i]!)), limits].join("   ").trimEnd()
    )
    return [section.title, "", ...text.map((line) => `  ${line}`), "", ...section.notes.map((note) => `  ${note}`)].join("\n").trimEnd()
  }).join("\n\n")
