/**
 * Draws what took time as bars under one another, on one scale.
 */
import { Option } from "effect"
import { bold, dim, green, red } from "./terminal.ts"

export interface Row {
  readonly what: "call" | "attempt" | "wait"
  readonly label: string
  /** In ms since the epoch. */
  readonly from: number
  /** `None` while it lasts. */
  readonly to: Option.Option<number>
  readonly note: string
  readonly went: "well" | "badly" | "neither"
}

export interface Options {
  readonly now: number
  /** The width of the whole picture, in characters. */
  readonly columns: number
  /** The time in ms that there is room for. It grows, should something last longer. */
  readonly horizon: number
}

const labels = 16
const times = 8
const notes = 20

const plain = (text: string): string => text
const strokes = { call: "━", attempt: "█", wait: "┄" }
const tones = { well: green, badly: red, neither: plain }

/** Waits step back, calls stand out; colour is for what attempts came to. */
const toneOf = ({ went, what }: Row) => (what === "wait" ? dim : tones[went])

export const draw = (rows: ReadonlyArray<Row>, { columns, horizon: room, now }: Options): ReadonlyArray<string> => {
  const width = columns - labels - times - notes - 4
  const origin = Math.min(...rows.map((row) => row.from))
  const endOf = (row: Row): number => Option.getOrElse(row.to, () => now)
  const horizon = Math.max(room, ...rows.map((row) => Math.ceil((endOf(row) - origin) / 500) * 500))
  const column = (millis: number): number => Math.floor(millis / horizon * width)

  const bar = (row: Row): string => {
    const first = Math.min(column(row.from - origin), width - 1)
    const length = Math.max(column(endOf(row) - origin) - first, 1)
    const stroke = strokes[row.what].repeat(length)
    const tone = row.what === "call" ? plain : toneOf(row)
    return " ".repeat(first) + tone(stroke) + " ".repeat(width - first - length)
  }

  const label = (row: Row, index: number): string => {
    if (row.what === "call") return bold(row.label.padEnd(labels))
    if (row.what === "wait") return dim(`│   ${row.label}`.padEnd(labels))
    const isLast = rows.slice(index + 1).every((later) => later.what !== "attempt")
    return `${dim(isLast ? "└" : "├")} ${row.label.padEnd(labels - 2)}`
  }

  return [
    ` ${" ".repeat(labels)} ${dim(ruler(horizon, width))}`,
    ...rows.map((row, index) => {
      const lasted = `${Math.round(endOf(row) - row.from)} ms`.padStart(times)
      return ` ${label(row, index)} ${bar(row)}${dim(lasted)}  ${toneOf(row)(row.note.slice(0, notes))}`
    })
  ]
}

/** A mark for each second, or each half of one where there is room. */
const ruler = (horizon: number, width: number): string => {
  const step = width * 500 / horizon > 6 ? 500 : 1_000
  let marks = ""
  for (let at = 0; at <= horizon; at += step) marks = `${marks.padEnd(Math.floor(at / horizon * width))}${at / 1000}s`
  return marks
}
