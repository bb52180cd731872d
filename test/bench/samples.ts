/**
 * Measurements as they were taken, from one process or from several, and what they come to together.
 *
 * What a compiler makes of a program differs from process to process by more than the rounds of one differ: so there are several.
 */
import type { Row } from "./report.ts"
import { exactly, quartiles } from "./stats.ts"

/** One candidate in turns with its base: a figure of each round. */
export interface Samples {
  readonly name: string
  readonly base: ReadonlyArray<number>
  readonly own: ReadonlyArray<number>
  readonly ratio: ReadonlyArray<number>
}

export interface Result {
  readonly name: string
  readonly title: string
  /** The name of what the others are compared with. */
  readonly base: string
  readonly others: ReadonlyArray<Samples>
}

/** Rows with the measure and its ratio (`time`, `timeRatio`), the base first. */
export const pool = (measure: string, results: ReadonlyArray<Result>): ReadonlyArray<Row> => {
  const [first] = results
  if (first === undefined) return []
  const row = (name: string, own: ReadonlyArray<number>, ratio: ReadonlyArray<number>): Row => ({
    name,
    measures: { [measure]: quartiles(own), [`${measure}Ratio`]: ratio.length === 0 ? exactly(1) : quartiles(ratio) }
  })
  const all = results.flatMap((each) => each.others)
  return [
    row(first.base, all.flatMap((each) => each.base), []),
    ...first.others.map(({ name }) => {
      const same = all.filter((each) => each.name === name)
      return row(name, same.flatMap((each) => each.own), same.flatMap((each) => each.ratio))
    })
  ]
}
