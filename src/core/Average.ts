/**
 * A moving average, and how two numbers move together: what an adaptive limit knows of the past.
 *
 * @since 0.1.0
 */

/**
 * An average in which the past weighs less and less. The first ten numbers weigh the same: one alone is no average.
 *
 * @since 0.1.0
 * @category models
 */
export interface Average {
  /** After how many numbers one weighs half as much, roughly. */
  readonly age: number
  readonly count: number
  readonly value: number
}

const warmUp = 10

/**
 * An average of nothing.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (age: number): Average => ({ age, count: 0, value: 0 })

/**
 * Takes a number into an average: with the factor 2 / (age + 1), once it is warm.
 *
 * @since 0.1.0
 * @category counting
 */
export const add = ({ age, count, value }: Average, n: number): Average => ({
  age,
  count: Math.min(count + 1, warmUp),
  value: value + (n - value) * (count < warmUp ? 1 / (count + 1) : 2 / (age + 1))
})

/**
 * The last so many pairs of numbers.
 *
 * @since 0.1.0
 * @category models
 */
export type Pairs = ReadonlyArray<readonly [x: number, y: number]>

/**
 * Adds a pair, and forgets the oldest where there would be more than so many.
 *
 * @since 0.1.0
 * @category counting
 */
export const addPair = (pairs: Pairs, x: number, y: number, atMost: number): Pairs => [...pairs.slice(1 - atMost), [x, y]]

/**
 * How pairs move together: Pearson's coefficient, from -1 to 1, and how much y varies beside its mean. Both are 0 where there are
 * fewer than ten, and the first where one of the two stands still.
 *
 * **Example** (Twice as much)
 *
 * ```ts
 * import { Average } from "effect-resilience"
 *
 * const pairs = Array.from({ length: 10 }, (_, n) => [n, 2 * n] as const)
 *
 * Average.relation(pairs).correlation.toFixed(3) // => "1.000"
 * ```
 *
 * @since 0.1.0
 * @category getters
 */
export const relation = (pairs: Pairs): { readonly correlation: number; readonly variation: number } => {
  const n = pairs.length
  if (n < warmUp) return { correlation: 0, variation: 0 }
  const meanX = pairs.reduce((sum, [x]) => sum + x, 0) / n
  const meanY = pairs.reduce((sum, [, y]) => sum + y, 0) / n
  const both = pairs.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0)
  const squaresX = pairs.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0)
  const squaresY = pairs.reduce((sum, [, y]) => sum + (y - meanY) ** 2, 0)
  const product = Math.sqrt(squaresX) * Math.sqrt(squaresY)
  return {
    // Rounding may take it a little too far.
    correlation: product > 0 ? Math.max(-1, Math.min(1, both / product)) : 0,
    variation: meanY > 0 ? Math.sqrt(squaresY / n) / meanY : 0
  }
}
