/**
 * Time in the pure core: plain numbers of milliseconds.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"

/**
 * A length of time, or an instant since the epoch, in milliseconds.
 *
 * @since 0.1.0
 * @category models
 */
export type Millis = number

/**
 * The longest delay that a JavaScript timer can wait: 2^31 - 1 ms, almost 25 days. A longer one fires at once or never.
 *
 * @since 0.1.0
 * @category constants
 */
export const maxDelay: Millis = 2_147_483_647

/**
 * Writes a time for people: `1s 500ms`, and `0ms` for none.
 *
 * @since 0.1.0
 * @category getters
 */
export const format = (millis: Millis): string => millis === 0 ? "0ms" : Duration.format(Duration.millis(millis))

/**
 * The number of the slot of `width` ms that an instant is in, counted from time 0.
 *
 * A division can come out a rounding below the whole number that it is: 4,670 ms are the beginning of slot 100 of 46.7 ms, and not the
 * end of slot 99. So what is that near to the next slot is in it: what has passed is never taken for less.
 *
 * @since 0.1.0
 * @category getters
 */
export const slot = (now: Millis, width: Millis): number => {
  const exact = now / width
  return Math.floor(exact + Math.abs(exact) * 4 * Number.EPSILON)
}
