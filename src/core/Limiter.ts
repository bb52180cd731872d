/**
 * A rate limiter as arithmetic: a state, and the steps from one state to the next.
 *
 * A limiter has a limit of its own, a token bucket (`Gcra`) or a sliding window (`SlidingWindow`), and learns from the answers of the
 * server (`ServerQuota`): what that allows less, it allows less. `admit` lets a call through or says how long it would have to wait;
 * `giveBack` undoes that for a call that was never made; `settle` says what came of one that was.
 *
 * `now` may stand still or go back. A limiter has a time of its own, which only goes on when `now` does: set back, a clock neither
 * lets more through nor makes anybody wait longer than the limit says.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Advice from "./Advice.ts"
import * as Gcra from "./Gcra.ts"
import { durationMillis, integerIn, InvalidOption } from "./InvalidOption.ts"
import type { Millis } from "./Millis.ts"
import { maxDelay } from "./Millis.ts"
import * as ServerQuota from "./ServerQuota.ts"
import * as SlidingWindow from "./SlidingWindow.ts"

/**
 * How much is let through.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** How many calls, or how much of their cost. 1 or more. */
  readonly limit: number
  /** In how long. */
  readonly window: Duration.DurationInput
  /**
   * "sliding-window": never more than the limit in any time as long as the window. "token-bucket": the limit over the long run, evenly,
   * and a burst on top of it. Default: "sliding-window".
   */
  readonly algorithm?: "sliding-window" | "token-bucket" | undefined
  /** How many at once, of a token bucket; 1 spaces calls evenly. 1 or more. Default: the limit. */
  readonly burst?: number | undefined
  /** The longest that a word of the server can keep calls back. Default: 5 minutes. */
  readonly pauseAtMost?: Duration.DurationInput | undefined
  /** How long calls are kept back when the server throttles and does not say for how long. Default: 1 s. */
  readonly pause?: Duration.DurationInput | undefined
}

type Own =
  | { readonly _tag: "TokenBucket"; readonly gcra: Gcra.Settings }
  | { readonly _tag: "SlidingWindow"; readonly window: SlidingWindow.Settings }

/**
 * Options that have been checked.
 *
 * @since 0.1.0
 * @category models
 */
export interface Settings {
  readonly own: Own
  /** The most that one call can cost. */
  readonly most: number
  readonly pauseAtMost: Millis
  readonly pause: Millis
}

const where = "RateLimit.make"
const positive = { minExclusive: 0, max: maxDelay }

/**
 * Checks options, and fills in the defaults.
 *
 * @since 0.1.0
 * @category constructors
 */
export const settings = (options: Options): Settings => {
  const limit = integerIn(where, "limit", options.limit, { min: 1 })
  const window = durationMillis(where, "window", options.window, positive)
  const pauses = {
    pauseAtMost: durationMillis(where, "pauseAtMost", options.pauseAtMost ?? "5 minutes", positive),
    pause: durationMillis(where, "pause", options.pause ?? "1 second", { max: maxDelay })
  }
  if (options.algorithm === "token-bucket") {
    const burst = integerIn(where, "burst", options.burst ?? limit, { min: 1 })
    return { own: { _tag: "TokenBucket", gcra: Gcra.settings(limit, window, burst) }, most: burst, ...pauses }
  }
  if (options.burst !== undefined) {
    throw new InvalidOption({ where, option: "burst", value: options.burst, requirement: "left out of a sliding window" })
  }
  return { own: { _tag: "SlidingWindow", window: { limit, window } }, most: limit, ...pauses }
}

/**
 * Checks what a call costs: a whole number from 1 on.
 *
 * @since 0.1.0
 * @category constructors
 */
export const cost = (given: number): number => integerIn("RateLimit", "cost", given, { min: 1 })

/**
 * The state of a limiter.
 *
 * @since 0.1.0
 * @category models
 */
export interface State {
  /** The last `now` that was seen. */
  readonly at: Millis
  /** The limiter's own time then. */
  readonly time: Millis
  readonly bucket: Gcra.Bucket
  readonly log: SlidingWindow.Log
  readonly quotas: ServerQuota.Quotas
  /** The cost of what was let through, and has not been settled or given back. */
  readonly inFlight: number
}

/**
 * That a call was let through, and when in the limiter's time.
 *
 * @since 0.1.0
 * @category models
 */
export interface Ticket {
  readonly cost: number
  readonly takenAt: Millis
}

/**
 * What comes of asking: a ticket, or how long to wait until it is worth asking again; more than 0.
 *
 * @since 0.1.0
 * @category models
 */
export type Answer =
  | { readonly _tag: "Admitted"; readonly ticket: Ticket }
  | { readonly _tag: "Wait"; readonly delay: Millis; readonly because: "Limit" | "Quota" }

/**
 * A limiter that has let nothing through.
 *
 * @since 0.1.0
 * @category constructors
 */
export const initial = (now: Millis): State => ({
  at: now,
  time: 0,
  bucket: Gcra.full,
  log: SlidingWindow.empty,
  quotas: ServerQuota.none,
  inFlight: 0
})

const timeAt = ({ at, time }: State, now: Millis): Millis => now > at ? time + (now - at) : time

/** The same in whole ms, never early, but for what a sum of fractions may be off by. */
const wholeMillis = (delay: Millis): Millis => Math.min(Math.ceil(delay - 1e-6), maxDelay)

/**
 * Lets a call through, or says how long it has to wait. `cost` is at most `settings.most`.
 *
 * **Example** (The third in a second waits for the first to be a second old)
 *
 * ```ts
 * import { Limiter } from "effect-resilience"
 *
 * const settings = Limiter.settings({ limit: 2, window: "1 second" })
 * const [, one] = Limiter.admit(settings, Limiter.initial(0), 1, 0)
 * const [, two] = Limiter.admit(settings, one, 1, 300)
 * const [answer] = Limiter.admit(settings, two, 1, 400)
 *
 * answer // => { _tag: "Wait", delay: 600, because: "Limit" }
 * ```
 *
 * @since 0.1.0
 * @category steps
 */
export const admit = (settings: Settings, state: State, cost: number, now: Millis): readonly [Answer, State] => {
  const time = timeAt(state, now)
  const { bucket, inFlight, log, quotas } = state
  const own = settings.own._tag === "TokenBucket"
    ? Gcra.delay(settings.own.gcra, bucket, cost, time)
    : SlidingWindow.delay(settings.own.window, log, cost, time)
  const served = quotas.length === 0 ? 0 : ServerQuota.delay(quotas, cost, inFlight, time)
  if (own > 0 || served > 0) {
    const because = served > own ? "Quota" : "Limit"
    return [{ _tag: "Wait", delay: wholeMillis(Math.max(own, served)), because }, { ...state, at: now, time }]
  }
  return [{ _tag: "Admitted", ticket: { cost, takenAt: time } }, {
    at: now,
    time,
    bucket: settings.own._tag === "TokenBucket" ? Gcra.take(settings.own.gcra, bucket, cost, time) : bucket,
    log: settings.own._tag === "SlidingWindow" ? SlidingWindow.take(settings.own.window, log, cost, time) : log,
    quotas,
    inFlight: inFlight + cost
  }]
}

/**
 * Lets a call through as soon as that can be, and says in how many ms from `now` that is: what would come of waiting, if nothing
 * else happened until then. One after another, a line of calls can be followed into the future.
 *
 * @since 0.1.0
 * @category steps
 */
export const reserve = (settings: Settings, state: State, cost: number, now: Millis): readonly [Millis, State] => {
  const from = Math.max(now, state.at)
  const [answer, next] = admit(settings, state, cost, from)
  if (answer._tag === "Admitted") return [from - now, next]
  const then = from + answer.delay
  return [then - now, admit(settings, next, cost, then)[1]]
}

/**
 * The same state, seen now.
 *
 * @since 0.1.0
 * @category steps
 */
export const at = (state: State, now: Millis): State => ({ ...state, at: now, time: timeAt(state, now) })

/**
 * Undoes the admission of a call that was never made.
 *
 * @since 0.1.0
 * @category steps
 */
export const giveBack = (settings: Settings, state: State, { cost, takenAt }: Ticket, now: Millis): State => {
  const time = timeAt(state, now)
  return {
    at: now,
    time,
    bucket: settings.own._tag === "TokenBucket"
      ? Gcra.giveBack(settings.own.gcra, state.bucket, cost, takenAt, time)
      : state.bucket,
    log: settings.own._tag === "SlidingWindow" ? SlidingWindow.giveBack(state.log, cost, takenAt) : state.log,
    quotas: state.quotas,
    inFlight: Math.max(state.inFlight - cost, 0)
  }
}

/** The name of no quota of a server: theirs come from headers, which hold no line break. */
const throttle = "\n"

/**
 * Says what came of a call that was let through: it is no longer on its way, and the server has said this.
 *
 * **Details**
 *
 * A server that throttles pauses everything of the key until then. One that does not say for how long, by this word or by a quota
 * that is used up, pauses it for `pause`. Nothing that it says holds for longer than `pauseAtMost`.
 *
 * @since 0.1.0
 * @category steps
 */
export const settle = (settings: Settings, state: State, { cost }: Ticket, advice: Advice.Advice, now: Millis): State => {
  const { at, bucket, log } = state
  const inFlight = Math.max(state.inFlight - cost, 0)
  if (isPlain(state, advice)) return { at, time: state.time, bucket, log, quotas: ServerQuota.none, inFlight }
  const time = timeAt(state, now)
  const quotas = ServerQuota.learn(state.quotas, said(settings, advice, time), cost, time)
  return { at: now, time, bucket, log, quotas, inFlight }
}

/**
 * The state when so much is no longer on its way, of which nothing was learned.
 *
 * @since 0.1.0
 * @category steps
 */
export const ended = (state: State, cost: number): State =>
  cost === 0 ? state : { ...state, inFlight: Math.max(state.inFlight - cost, 0) }

/**
 * Says whether there is nothing to learn and nothing to remember. What is on its way matters to a quota only, so whoever keeps the state
 * may keep the cost of such calls beside it until something is learned (`ended`).
 *
 * @since 0.1.0
 * @category getters
 */
export const isPlain = ({ quotas }: State, advice: Advice.Advice): boolean => quotas.length === 0 && advice === Advice.silent

const said = (settings: Settings, { quotas, throttled }: Advice.Advice, time: Millis): ServerQuota.Quotas => {
  const until = (delay: Millis) => time + Math.min(delay, settings.pauseAtMost)
  const learned = quotas.map(({ name, remaining, reset }) => ({ name, remaining, until: until(reset) }))
  if (throttled === "no" || (throttled === "unsaid" && quotas.some(isUsedUp))) return learned
  return [...learned, { name: throttle, remaining: 0, until: until(throttled === "unsaid" ? settings.pause : throttled) }]
}

const isUsedUp = ({ remaining, reset }: Advice.Advice["quotas"][number]): boolean => remaining === 0 && reset > 0

/**
 * After how many ms in which nothing is let through nothing of it matters any more.
 *
 * @since 0.1.0
 * @category getters
 */
export const memory = ({ own, pauseAtMost }: Settings): Millis =>
  Math.max(own._tag === "TokenBucket" ? own.gcra.capacity : own.window.window, pauseAtMost)

/**
 * For how many ms nothing is let through, because the server has said so; 0 where it has not.
 *
 * @since 0.1.0
 * @category getters
 */
export const paused = (state: State, now: Millis): Millis =>
  state.quotas.length === 0 ? 0 : ServerQuota.delay(state.quotas, 1, 0, timeAt(state, now))
