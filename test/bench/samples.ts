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

/** Rows with the measure, its ratio and what is over the base (`time`, `timeRatio`, `timeOver`), the base first. */
export const pool = (measure: string, results: ReadonlyArray<Result>): ReadonlyArray<Row> => {
  const [first] = results
  if (first === undefined) return []
  const row = (name: string, samples: ReadonlyArray<Samples>): Row => ({
    name,
    measures: {
      [measure]: quartiles(samples.flatMap((each) => each.own)),
      [`${measure}Ratio`]: quartiles(samples.flatMap((each) => each.ratio)),
      [`${measure}Over`]: quartiles(samples.flatMap(({ base, own }) => own.map((each, i) => each - base[i]!)))
    }
  })
  const all = results.flatMap((each) => each.others)
  const base = quartiles(all.flatMap((each) => each.base))
  return [
    { name: first.base, measures: { [measure]: base, [`${measure}Ratio`]: exactly(1), [`${measure}Over`]: exactly(0) } },
    ...first.others.map(({ name }) => row(name, all.filter((each) => each.name === name)))
  ]
}
