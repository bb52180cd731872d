/**
 * What `expression // => value` becomes. It remembers what it has compared: a comparison that is never reached, or whose
 * failure somebody swallowed, must not pass for one that held.
 */
import * as Equal from "effect/Equal"
import { deepStrictEqual } from "node:assert"

export interface Comparison {
  readonly line: number
  readonly failure: string | undefined
}

const made = new Map<string, Array<Comparison>>()

/** The comparisons made so far by the example with this id. */
export const comparisonsOf = (id: string): ReadonlyArray<Comparison> => made.get(id) ?? []

/** Compares by Effect's equality, else deeply and strictly. */
export const same = (id: string, line: number, actual: unknown, expected: unknown): void => {
  const record = (failure: string | undefined) => made.set(id, [...comparisonsOf(id), { line, failure }])
  try {
    if (!Equal.equals(actual, expected)) deepStrictEqual(actual, expected)
    record(undefined)
  } catch (error) {
    record(error instanceof Error ? error.message : String(error))
    throw error
  }
}
