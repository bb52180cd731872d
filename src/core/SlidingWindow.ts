/**
 * A sliding window: never more than `limit` in any time as long as the window.
 *
 * It is a log and not a counter. The usual counter (so much of the last window, so much of this one) supposes that calls come
 * evenly; where they do not, it lets through more than the limit. A log remembers when each call was let through. Calls within a
 * hundredth of the window share an entry, and the entry lasts as long as its last call: so there are never more than about a hundred
 * entries, the bound is exact, and a call waits at most a hundredth of the window longer than it would have to.
 *
 * Times are ms on a clock that never goes back (`Limiter` sees to that).
 *
 * @since 0.1.0
 */
import type { Millis } from "./Millis.ts"

/**
 * How much, in how long.
 *
 * @since 0.1.0
 * @category models
 */
export interface Settings {
  readonly limit: number
  readonly window: Millis
}

/** Calls that were let through between two instants. */
interface Entry {
  readonly from: Millis
  readonly to: Millis
  readonly cost: number
}

/**
 * A log: the oldest first.
 *
 * @since 0.1.0
 * @category models
 */
export interface Log {
  readonly older: ReadonlyArray<Entry>
  readonly newest: Entry
  /** Of all entries. */
  readonly cost: number
}

/** The entries of a window begin a hundredth of it apart, at least. */
const grains = 100
/** What sums of fractions of a ms may be off by. */
const tolerance = 1e-6

const nobody: Entry = { from: -Infinity, to: -Infinity, cost: 0 }

/**
 * A log without entries.
 *
 * @since 0.1.0
 * @category constructors
 */
export const empty: Log = { older: [], newest: nobody, cost: 0 }

/**
 * In how many ms so much can be let through; 0 is now. Of more than the limit it tells when the window is empty.
 *
 * **Example** (Two in any second)
 *
 * ```ts
 * import { SlidingWindow } from "effect-resilience"
 *
 * const settings = { limit: 2, window: 1000 }
 * const log = SlidingWindow.take(settings, SlidingWindow.take(settings, SlidingWindow.empty, 1, 0), 1, 400)
 *
 * SlidingWindow.delay(settings, log, 1, 500) // => 500
 * SlidingWindow.delay(settings, log, 2, 500) // => 900
 * SlidingWindow.delay(settings, log, 1, 1000) // => 0
 * ```
 *
 * @since 0.1.0
 * @category steps
 */
export const delay = ({ limit, window }: Settings, log: Log, cost: number, time: Millis): Millis => {
  let left = log.cost
  let wait = 0
  for (let i = 0; left > 0 && left + cost > limit; i++) {
    const entry = log.older[i] ?? log.newest
    left -= entry.cost
    wait = entry.to + window - time
    if (entry === log.newest) break
  }
  return wait > tolerance ? wait : 0
}

/**
 * Lets so much through, which can be, and forgets what is over.
 *
 * @since 0.1.0
 * @category steps
 */
export const take = (settings: Settings, log: Log, cost: number, time: Millis): Log => {
  const { cost: before, newest, older } = current(settings, log, time)
  if (newest.cost > 0 && time - newest.from < settings.window / grains) {
    return { older, newest: { from: newest.from, to: Math.max(time, newest.to), cost: newest.cost + cost }, cost: before + cost }
  }
  return {
    older: newest.cost > 0 ? [...older, newest] : older,
    newest: { from: time, to: time, cost },
    cost: before + cost
  }
}

const isOver = ({ to }: Entry, window: Millis, time: Millis): boolean => to + window - time <= tolerance

const current = ({ window }: Settings, log: Log, time: Millis): Log => {
  if (log.cost === 0 || !isOver(log.older[0] ?? log.newest, window, time)) return log
  if (isOver(log.newest, window, time)) return empty
  return summed(log.older.filter((entry) => !isOver(entry, window, time)), log.newest)
}

/**
 * Takes back what was let through at `takenAt` and not used.
 *
 * @since 0.1.0
 * @category steps
 */
export const giveBack = (log: Log, cost: number, takenAt: Millis): Log => {
  const isIts = ({ from, to }: Entry) => from <= takenAt && takenAt <= to
  const less = (entry: Entry): Entry => ({ ...entry, cost: Math.max(entry.cost - cost, 0) })
  if (isIts(log.newest)) return summed(log.older, less(log.newest))
  const index = log.older.findIndex(isIts)
  return index < 0 ? log : summed(log.older.map((entry, i) => i === index ? less(entry) : entry), log.newest)
}

const summed = (older: ReadonlyArray<Entry>, newest: Entry): Log => ({
  older,
  newest,
  cost: older.reduce((sum, { cost }) => sum + cost, newest.cost)
})
