/**
 * The recent past, measured: below which time did so many in a hundred calls stay?
 *
 * A histogram whose buckets grow by a fixed factor, as in DDSketch (Masson, Rim, Lee: "DDSketch", VLDB 2019): 256 of them reach from
 * 1 ms to more than an hour, and what comes out is within 3 % of the exact answer, whatever the times look like. Three histograms take
 * turns, so that old times are forgotten: a time is counted for at least two thirds of the window, and never when the whole of it
 * has passed. P² would need less memory; it cannot forget, and has no bound on its error.
 *
 * `now` may stand still or go back. Set back, the clock moves the window with it.
 *
 * | times added (ms) | 0.5 | 0.95 | 1 |
 * | --- | --- | --- | --- |
 * | 100 | 98.6 | 98.6 | 98.6 |
 * | 1, 2, 3, ... 100 | 50.9 | 92.8 | 98.6 |
 * | 10 (99 of them), 2000 | 10.1 | 10.1 | 1981.9 |
 * | 0 | 1 | 1 | 1 |
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import { durationMillis } from "./InvalidOption.ts"
import { type Millis, slot } from "./Millis.ts"

/**
 * How much of the past is looked at.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** A time is forgotten when this has passed. More than 0. Default: 30 seconds. */
  readonly window?: Duration.DurationInput | undefined
}

/** 16 buckets that lie side by side. To add a time copies one page and the list of pages, not all 256 buckets. */
interface Page {
  readonly total: number
  readonly counts: ReadonlyArray<number>
}

type Histogram = ReadonlyArray<Page>

/**
 * Times of the recent past. Its size does not depend on how many there were.
 *
 * @since 0.1.0
 * @category models
 */
export interface Quantile {
  /** The length of a turn in ms. */
  readonly width: Millis
  /** The number of the last turn, counted from time 0. */
  readonly newest: number
  /** The oldest first; the last one is that which is being filled. */
  readonly turns: ReadonlyArray<Histogram>
}

/**
 * How far from the exact answer an answer can be: 3 % of it, between 1 ms and `largest`.
 *
 * @since 0.1.0
 * @category constants
 */
export const relativeError = 0.03

const growth = (1 + relativeError) / (1 - relativeError)
const logGrowth = Math.log(growth)
const perPage = 16
const pageCount = 16
const turnCount = 3
const lastBucket = perPage * pageCount - 1

/**
 * The largest time in ms that is told from a larger one: about 73 minutes.
 *
 * @since 0.1.0
 * @category constants
 */
export const largest: Millis = Math.floor(growth ** lastBucket)

const emptyPage: Page = { total: 0, counts: Array.from({ length: perPage }, () => 0) }
const emptyHistogram: Histogram = Array.from({ length: pageCount }, () => emptyPage)
const noTurns: ReadonlyArray<Histogram> = Array.from({ length: turnCount }, () => emptyHistogram)

/**
 * Makes one that has seen nothing.
 *
 * **Example** (Nineteen fast calls and a slow one)
 *
 * ```ts
 * import { Quantile } from "effect-resilience"
 * import { Option } from "effect"
 *
 * const times = [...Array.from({ length: 19 }, () => 20), 900]
 * const seen = times.reduce((seen, time) => Quantile.add(seen, time, 0), Quantile.make("example"))
 * const rounded = (q: number, now: number) => Option.map(Quantile.at(seen, q, now), Math.round)
 *
 * rounded(0.95, 0) // => Option.some(20)
 * rounded(0.99, 0) // => Option.some(908)
 * rounded(0.99, 30_000) // => Option.none()
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (where: string, { window = "30 seconds" }: Options = {}): Quantile => ({
  width: durationMillis(where, "window", window, { minExclusive: 0 }) / turnCount,
  newest: 0,
  turns: noTurns
})

/** Bucket i holds what is above growth^(i-1) and not above growth^i; bucket 0 all up to 1 ms, the last one all beyond. */
const bucketOf = (millis: Millis): number =>
  millis <= 1 ? 0 : Math.min(Math.ceil(Math.log(millis) / logGrowth), lastBucket)

/** The time that is at most 3 % away from all that a bucket holds. */
const timeOf = (bucket: number): Millis => bucket === 0 ? 1 : 2 * growth ** bucket / (growth + 1)

/**
 * Counts a time in ms. What is no number, or negative, is not counted.
 *
 * @since 0.1.0
 * @category counting
 */
export const add = (self: Quantile, millis: Millis, now: Millis): Quantile => {
  if (!(millis >= 0)) return self
  const { newest, turns, width } = advance(self, now)
  const bucket = bucketOf(millis)
  const current = (turns.at(-1) ?? emptyHistogram).slice()
  const place = Math.floor(bucket / perPage)
  const page = current[place] ?? emptyPage
  const counts = page.counts.slice()
  counts[bucket % perPage] = (counts[bucket % perPage] ?? 0) + 1
  current[place] = { total: page.total + 1, counts }
  return { width, newest, turns: [...turns.slice(0, -1), current] }
}

/** Begins the turns that are due. */
const advance = (self: Quantile, now: Millis): Quantile => {
  const index = slot(now, self.width)
  // A clock that says nothing moves nothing; one that was set back takes the turns with it.
  if (index === self.newest || Number.isNaN(index)) return self
  if (index < self.newest) return { ...self, newest: index }
  const begun = Math.min(index - self.newest, turnCount)
  return { ...self, newest: index, turns: [...self.turns, ...noTurns.slice(0, begun)].slice(begun) }
}

const total = (turns: ReadonlyArray<Histogram>): number => {
  let sum = 0
  for (const pages of turns) for (const page of pages) sum += page.total
  return sum
}

/**
 * How many times are counted now.
 *
 * @since 0.1.0
 * @category getters
 */
export const count = (self: Quantile, now: Millis): number => total(advance(self, now).turns)

/**
 * The time in ms that a share `q` of the times do not exceed; `None` where there are none.
 *
 * **Details**
 *
 * The nearest rank: of n times the one at place `ceil(q n)`, and at least the first. Within 3 % of it from 1 ms to `largest`;
 * 1 for what is below, about `largest` for what is above. `q` is taken into 0 to 1; NaN is 1.
 *
 * @since 0.1.0
 * @category getters
 */
export const at = (self: Quantile, q: number, now: Millis): Option.Option<Millis> => {
  const { turns } = advance(self, now)
  const all = total(turns)
  if (all === 0) return Option.none()
  const share = Number.isNaN(q) ? 1 : Math.min(Math.max(q, 0), 1)
  // The product of a share and a number may be the next double above a whole number.
  let rank = Math.max(1, Math.ceil(share * all - all * Number.EPSILON))
  for (let place = 0; place < pageCount; place++) {
    const within = turns.reduce((sum, pages) => sum + (pages[place]?.total ?? 0), 0)
    if (rank > within) {
      rank -= within
      continue
    }
    for (let slot = 0; slot < perPage; slot++) {
      rank -= turns.reduce((sum, pages) => sum + (pages[place]?.counts[slot] ?? 0), 0)
      if (rank <= 0) return Option.some(timeOf(place * perPage + slot))
    }
  }
  return Option.some(timeOf(lastBucket))
}
