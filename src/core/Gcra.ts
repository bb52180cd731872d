/**
 * The generic cell rate algorithm: a token bucket that is one number.
 *
 * A bucket holds `burst` tokens and gains `limit` of them in each window, evenly. Instead of counting tokens it remembers the instant
 * at which it will be full again (the theoretical arrival time of ITU-T I.371): each token that is taken moves that instant one
 * interval away, and what it costs to wait is a subtraction.
 *
 * In any time of length t it lets through at most `burst + limit * (t + 1 ms) / window`. The ms is that of timers, which count in whole
 * ones: without it a limit of 2,000 a second and a burst of 1 would come to 1,000 a second.
 *
 * Times are ms on a clock that never goes back (`Limiter` sees to that).
 *
 * @since 0.1.0
 */
import type { Millis } from "./Millis.ts"

/**
 * How fast a bucket fills, and how much it holds.
 *
 * @since 0.1.0
 * @category models
 */
export interface Settings {
  /** How long one token takes to come. */
  readonly interval: Millis
  /** How long it takes from empty to full. */
  readonly capacity: Millis
}

/**
 * A bucket: the instant at which it is full.
 *
 * @since 0.1.0
 * @category models
 */
export type Bucket = Millis

/** What sums of fractions of a ms may be off by. */
const tolerance = 1e-6

/**
 * Checked numbers: `limit` tokens each `window` ms, and room for `burst`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const settings = (limit: number, window: Millis, burst: number): Settings => ({
  interval: window / limit,
  capacity: burst * (window / limit)
})

/**
 * A full bucket.
 *
 * @since 0.1.0
 * @category constructors
 */
export const full: Bucket = -Infinity

/**
 * In how many ms so many tokens can be taken; 0 is now.
 *
 * **Example** (Two at once, and then one each 100 ms)
 *
 * ```ts
 * import { Gcra } from "effect-resilience"
 *
 * const settings = Gcra.settings(10, 1000, 2)
 * const taken = Gcra.take(settings, Gcra.take(settings, Gcra.full, 1, 0), 1, 0)
 *
 * Gcra.delay(settings, taken, 1, 0) // => 100
 * Gcra.delay(settings, taken, 2, 0) // => 200
 * Gcra.delay(settings, taken, 1, 100) // => 0
 * ```
 *
 * @since 0.1.0
 * @category steps
 */
export const delay = ({ capacity, interval }: Settings, bucket: Bucket, cost: number, time: Millis): Millis => {
  const wait = Math.max(bucket - time, 0) + cost * interval - capacity
  return wait > tolerance ? wait : 0
}

/** A bucket that has been full for less than this has become so just now. */
const timerMillis = 1

/**
 * Takes tokens, which are there.
 *
 * @since 0.1.0
 * @category steps
 */
export const take = ({ interval }: Settings, bucket: Bucket, cost: number, time: Millis): Bucket =>
  (bucket > time - timerMillis ? bucket : time) + cost * interval

/**
 * Gives back tokens that were taken at an earlier time and not used.
 *
 * **Details**
 *
 * What has come in since then might have found the bucket full if they had not been taken: so much is not given back, and the bound
 * on what is let through holds for what was used.
 *
 * @since 0.1.0
 * @category steps
 */
export const giveBack = ({ interval }: Settings, bucket: Bucket, cost: number, takenAt: Millis, time: Millis): Bucket =>
  bucket - Math.max(cost * interval - Math.max(time - takenAt, 0), 0)

/**
 * Takes all tokens there are.
 *
 * @since 0.1.0
 * @category steps
 */
export const empty = ({ capacity }: Settings, bucket: Bucket, time: Millis): Bucket => Math.max(bucket, time + capacity)
