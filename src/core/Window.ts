/**
 * The recent past, counted: how many calls, how many failures, how many slow ones.
 *
 * A window is a value; what comes out of `add` is another. One over the last n calls forgets the oldest for each new one. One over
 * time counts in ten buckets and forgets a bucket at a time: a call is counted for at least nine tenths of the duration, and never
 * when the whole of it has passed.
 *
 * `now` may stand still or go back. Set back, the clock moves the window with it: what was counted keeps its age, nothing that was
 * forgotten returns, and nothing is kept for longer than the duration from then on.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import { durationMillis, integerIn } from "./InvalidOption.ts"
import { type Millis, slot } from "./Millis.ts"

/**
 * What a window has counted.
 *
 * @since 0.1.0
 * @category models
 */
export interface Counts {
  readonly calls: number
  readonly failures: number
  readonly slow: number
}

/**
 * One call, as a window counts it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Mark {
  readonly failed: boolean
  readonly slow: boolean
}

/**
 * How much of the past is looked at: the last so many calls, or the last so long.
 *
 * @since 0.1.0
 * @category models
 */
export type Options = { readonly calls: number } | { readonly duration: Duration.DurationInput }

interface CallsWindow {
  readonly _tag: "Calls"
  readonly size: number
  readonly counts: Counts
  /** A ring of marks, 15 to a word, 2 bits each. */
  readonly words: ReadonlyArray<number>
  /** The place of the next mark, which is that of the oldest when the window is full. */
  readonly next: number
}

interface TimeWindow {
  readonly _tag: "Time"
  /** The length of a bucket in ms. */
  readonly width: Millis
  /** The number of the last bucket, counted from time 0. */
  readonly newest: number
  /** The nine before it, the oldest first. */
  readonly older: ReadonlyArray<Counts>
  /** What is in those. */
  readonly past: Counts
  /** What is in all ten. To add a call is to add to this, so that it copies no bucket. */
  readonly counts: Counts
}

/**
 * A sliding window.
 *
 * @since 0.1.0
 * @category models
 */
export type Window = CallsWindow | TimeWindow

/** The largest window over calls: each record copies it, at 4 bytes for 15 calls. */
const maxCalls = 10_000
const bucketCount = 10
const perWord = 15
const none: Counts = { calls: 0, failures: 0, slow: 0 }
const noBuckets: ReadonlyArray<Counts> = Array.from({ length: bucketCount - 1 }, () => none)

/**
 * Makes an empty window over the last `calls` calls (1 to 10,000) or the last `duration` (more than 0).
 *
 * **Example** (The last three calls)
 *
 * ```ts
 * import { Window } from "effect-resilience"
 *
 * const [failure, success] = [{ failed: true, slow: false }, { failed: false, slow: false }]
 * const window = [failure, success, success, success].reduce(
 *   (window, mark) => Window.add(window, mark, 0),
 *   Window.make("example", { calls: 3 })
 * )
 *
 * Window.counts(window, 0) // => { calls: 3, failures: 0, slow: 0 }
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (where: string, options: Options): Window => {
  if ("calls" in options) {
    const size = integerIn(where, "window.calls", options.calls, { min: 1, max: maxCalls })
    const words = Array.from({ length: Math.ceil(size / perWord) }, () => 0)
    return { _tag: "Calls", size, counts: none, words, next: 0 }
  }
  const width = durationMillis(where, "window.duration", options.duration, { minExclusive: 0 }) / bucketCount
  return { _tag: "Time", width, newest: 0, older: noBuckets, past: none, counts: none }
}

/**
 * Counts a call that ended now.
 *
 * @since 0.1.0
 * @category counting
 */
export const add = (self: Window, mark: Mark, now: Millis): Window =>
  self._tag === "Calls" ? addToCalls(self, mark) : addToTime(advance(self, now), mark)

/**
 * Counts so many more calls, neither failed nor slow, that ended when the last one did.
 *
 * @since 0.1.0
 * @category counting
 */
export const addPlain = (self: Window, calls: number): Window =>
  self._tag === "Calls" ? plainCalls(self, calls) : { ...self, counts: { ...self.counts, calls: self.counts.calls + calls } }

/**
 * Tells whether a call that ended now would be counted where the last one was. A window over calls does not look at the time.
 *
 * @since 0.1.0
 * @category getters
 */
export const isAsLast = (self: Window, now: Millis): boolean => self._tag === "Calls" || slot(now, self.width) === self.newest

/**
 * Returns what is counted now.
 *
 * @since 0.1.0
 * @category getters
 */
export const counts = (self: Window, now: Millis): Counts =>
  self._tag === "Calls" ? self.counts : advance(self, now).counts

/**
 * The most calls that a window can count; infinite for one over time.
 *
 * @since 0.1.0
 * @category getters
 */
export const capacity = (self: Window): number => self._tag === "Calls" ? self.size : Infinity

const plus = (self: Counts, failed: boolean, slow: boolean): Counts => ({
  calls: self.calls + 1,
  failures: failed ? self.failures + 1 : self.failures,
  slow: slow ? self.slow + 1 : self.slow
})

const addToCalls = (self: CallsWindow, { failed, slow }: Mark): CallsWindow => {
  const { next, size } = self
  const index = Math.floor(next / perWord)
  const shift = 2 * (next % perWord)
  const word = self.words[index] ?? 0
  const words = self.words.slice()
  words[index] = (word & ~(3 << shift)) | ((failed ? 1 : 0) | (slow ? 2 : 0)) << shift
  const { calls, failures, slow: wereSlow } = plus(self.counts, failed, slow)
  const counts = calls > size
    ? { calls: size, failures: failures - (word >> shift & 1), slow: wereSlow - (word >> shift + 1 & 1) }
    : { calls, failures, slow: wereSlow }
  return { _tag: "Calls", size, counts, words, next: next + 1 === size ? 0 : next + 1 }
}

/** As many of them as there is room for take the places of the oldest. */
const plainCalls = (self: CallsWindow, calls: number): CallsWindow => {
  const { counts, size } = self
  const words = self.words.slice()
  const next = (self.next + calls) % size
  let { failures, slow } = counts
  for (let left = Math.min(calls, size), place = next; left > 0; left--) {
    place = place === 0 ? size - 1 : place - 1
    const index = Math.floor(place / perWord)
    const shift = 2 * (place % perWord)
    const word = words[index] ?? 0
    failures -= word >> shift & 1
    slow -= word >> shift + 1 & 1
    words[index] = word & ~(3 << shift)
  }
  return { _tag: "Calls", size, counts: { calls: Math.min(counts.calls + calls, size), failures, slow }, words, next }
}

const addToTime = ({ counts, newest, older, past, width }: TimeWindow, { failed, slow }: Mark): TimeWindow => ({
  _tag: "Time",
  width,
  newest,
  older,
  past,
  counts: plus(counts, failed, slow)
})

/** Begins the buckets that are due. */
const advance = (self: TimeWindow, now: Millis): TimeWindow => {
  const index = slot(now, self.width)
  if (index === self.newest) return self
  // A clock that was set back takes the buckets with it.
  if (index < self.newest) return { ...self, newest: index }
  const begun = index - self.newest
  if (begun >= bucketCount || self.counts.calls === 0) return { ...self, newest: index, older: noBuckets, past: none, counts: none }
  // The oldest go, and what was the newest comes behind the others. In those after it nothing was counted.
  const last = minus(self.counts, self.past)
  const older = self.older.map((_, i) => self.older[i + begun] ?? (i + begun === bucketCount - 1 ? last : none))
  let { calls, failures, slow } = self.counts
  for (let i = 0; i < begun; i++) {
    const gone = self.older[i] ?? none
    calls -= gone.calls
    failures -= gone.failures
    slow -= gone.slow
  }
  const past: Counts = { calls, failures, slow }
  return { _tag: "Time", width: self.width, newest: index, older, past, counts: past }
}

const minus = (one: Counts, other: Counts): Counts => ({
  calls: one.calls - other.calls,
  failures: one.failures - other.failures,
  slow: one.slow - other.slow
})
