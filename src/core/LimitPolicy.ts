/**
 * How many calls may be on their way at once, learned from how they end: as arithmetic.
 *
 * Two policies. `gradient` compares how long calls take now with how long they used to take: where it has become longer, calls wait
 * on the other side, and how many of them do is what it can send less. `aimd` needs to be told: one more for each round of
 * successes, a share less when the other side says that it is too much.
 *
 * Sources: `gradient` after the limiter of failsafe-go (gradient, with the thresholds of TCP Vegas, and correlation against slow
 * drift upwards); `aimd` after Chiu and Jain (1989), as TCP has it.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Average from "./Average.ts"
import { durationMillis, integerIn, InvalidOption, numberIn } from "./InvalidOption.ts"
import type { Millis } from "./Millis.ts"
import type * as Outcome from "./Outcome.ts"
import * as Quantile from "./Quantile.ts"

/**
 * Between which numbers a limit stays, and with which it begins.
 *
 * @since 0.1.0
 * @category models
 */
export interface Bounds {
  /** 1 or more. Default: 1. */
  readonly min?: number | undefined
  /** From `min` on. Default: 200. */
  readonly max?: number | undefined
  /** From `min` to `max`. Default: 20, or the nearest of the two. */
  readonly initial?: number | undefined
}

interface Range {
  readonly min: number
  readonly max: number
  readonly initial: number
}

/** One more for each round of successes, a share less for each round in which it was too much. @since 0.1.0 @category models */
export interface Aimd extends Range {
  readonly _tag: "Aimd"
  readonly backoff: number
  readonly slowerThan: Millis
}

/** More while calls take as long as they used to, less when they take longer. @since 0.1.0 @category models */
export interface Gradient extends Range {
  readonly _tag: "Gradient"
  readonly window: Millis
  readonly samples: number
  readonly quantile: number
  readonly baseline: number
}

/**
 * How a limit is found.
 *
 * @since 0.1.0
 * @category models
 */
export type LimitPolicy = Aimd | Gradient

const range = (where: string, { initial, max = 200, min = 1 }: Bounds): Range => {
  const least = integerIn(where, "min", min, { min: 1 })
  const most = integerIn(where, "max", max, { min: least })
  return {
    min: least,
    max: most,
    initial: integerIn(where, "initial", initial ?? Math.min(Math.max(20, least), most), { min: least, max: most })
  }
}

/**
 * One more for each round of successes, a share less when the other side says that it is too much: additive increase,
 * multiplicative decrease.
 *
 * @since 0.1.0
 * @category constructors
 */
export const aimd = (
  options: Bounds & {
    /** What is left of the limit when it was too much: more than 0, less than 1. Default: 0.9. */
    readonly backoff?: number | undefined
    /** A success that took longer was too much as well. Default: none does. */
    readonly slowerThan?: Duration.DurationInput | undefined
  } = {}
): Aimd => {
  const where = "LimitPolicy.aimd"
  const { backoff = 0.9, slowerThan } = options
  if (numberIn(where, "backoff", backoff, { minExclusive: 0, max: 1 }) === 1) {
    throw new InvalidOption({ where, option: "backoff", value: backoff, requirement: "less than 1" })
  }
  const slow = slowerThan === undefined ? Infinity : durationMillis(where, "slowerThan", slowerThan, { minExclusive: 0 })
  return { _tag: "Aimd", ...range(where, options), backoff, slowerThan: slow }
}

/**
 * More while calls take as long as they used to, less when they take longer. It is looked at once a window.
 *
 * @since 0.1.0
 * @category constructors
 */
export const gradient = (
  options: Bounds & {
    /** How long calls are looked at before the limit is. More than 0. Default: 1 s. */
    readonly window?: Duration.DurationInput | undefined
    /** A window goes on until there are so many. 1 or more. Default: 50. */
    readonly samples?: number | undefined
    /** Which of their times is taken: 0.9 is longer than 90 % of them. Between 0 and 1. Default: 0.9. */
    readonly quantile?: number | undefined
    /** How many windows what they used to take is made of. 1 or more. Default: 60. */
    readonly baseline?: number | undefined
  } = {}
): Gradient => {
  const where = "LimitPolicy.gradient"
  const { baseline = 60, quantile = 0.9, samples = 50, window = "1 second" } = options
  return {
    _tag: "Gradient",
    ...range(where, options),
    window: durationMillis(where, "window", window, { minExclusive: 0 }),
    samples: integerIn(where, "samples", samples, { min: 1 }),
    quantile: numberIn(where, "quantile", quantile, { min: 0, max: 1 }),
    baseline: integerIn(where, "baseline", baseline, { min: 1 })
  }
}

interface AimdState {
  readonly _tag: "Aimd"
  readonly limit: number
  /** When it was lowered: what began before says nothing about what came of that. */
  readonly loweredAt: Millis
}

interface GradientState {
  readonly _tag: "Gradient"
  readonly limit: number
  readonly since: Millis
  readonly times: Quantile.Quantile
  readonly samples: number
  readonly overloads: number
  /** The most that were on their way at once. */
  readonly most: number
  /** What the last windows said. */
  readonly last: ReadonlyArray<Millis>
  readonly recent: Average.Average
  readonly usual: Average.Average
  readonly throughputs: Average.Pairs
  readonly latencies: Average.Pairs
}

/**
 * What has been learned so far. `limit` may be between two whole numbers; see `limit`.
 *
 * @since 0.1.0
 * @category models
 */
export type State = AimdState | GradientState

/**
 * A call that has ended.
 *
 * @since 0.1.0
 * @category models
 */
export interface Sample {
  readonly startedAt: Millis
  /** How many were on their way when it began, itself included. */
  readonly inUse: number
  /** Whether as many are on their way now as may be. */
  readonly full: boolean
}

const noTimes = Quantile.make("LimitPolicy.gradient", { window: "1 day" })

/**
 * The state of a limit that has seen nothing.
 *
 * @since 0.1.0
 * @category constructors
 */
export const begin = (policy: LimitPolicy, now: Millis): State =>
  policy._tag === "Aimd" ? { _tag: "Aimd", limit: policy.initial, loweredAt: -Infinity } : {
    _tag: "Gradient",
    limit: policy.initial,
    ...newWindow(now),
    last: [],
    recent: Average.make(medianOf),
    usual: Average.make(policy.baseline),
    throughputs: [],
    latencies: []
  }

const newWindow = (since: Millis) => ({ since, times: noTimes, samples: 0, overloads: 0, most: 0 })

/**
 * How many may be on their way at once: a whole number.
 *
 * @since 0.1.0
 * @category getters
 */
export const limit = (state: State): number => Math.floor(state.limit)

/**
 * What an outcome says about the limit: it was in time, it was too much, or nothing.
 *
 * **Details**
 *
 * Too much: 429 and 503, 502 and 504, an attempt that was cut by its limit, and the gRPC statuses that mean the same. In time: a
 * success, and any other 4xx. Nothing: our own refusals, interruption and defects, and failures that have another cause; those end
 * early or late for reasons of their own.
 *
 * @since 0.1.0
 * @category recording
 */
export const signal = (outcome: Outcome.Outcome): "InTime" | "TooMuch" | "Nothing" => {
  if (outcome._tag === "Success") return "InTime"
  if (outcome._tag === "Ignored") return "Nothing"
  switch (outcome.failure._tag) {
    case "Throttled":
    case "Unavailable":
    case "AttemptTimedOut":
      return "TooMuch"
    case "RpcFailure":
      return tooMuch.has(outcome.failure.code) ? "TooMuch" : "Nothing"
    case "Refused":
      return "InTime"
    default:
      return "Nothing"
  }
}

const tooMuch = new Set(["UNAVAILABLE", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED"])

/**
 * Says what the limit is after a call has ended.
 *
 * @since 0.1.0
 * @category recording
 */
export const record = (policy: LimitPolicy, state: State, outcome: Outcome.Outcome, sample: Sample, now: Millis): State => {
  const said = signal(outcome)
  if (said === "Nothing") return state
  // A state is made by `begin` of its policy, and stays of that kind.
  return policy._tag === "Aimd"
    ? recordAimd(policy, state as AimdState, said === "TooMuch", sample, now)
    : recordGradient(policy, state as GradientState, said === "TooMuch", sample, now)
}

const within = ({ max, min }: Range, limit: number): number => Math.min(max, Math.max(min, limit))

const recordAimd = (policy: Aimd, state: AimdState, failed: boolean, sample: Sample, now: Millis): AimdState => {
  const { limit } = state
  if (failed || now - sample.startedAt > policy.slowerThan) {
    if (sample.startedAt < state.loweredAt && state.loweredAt <= now) return state
    return { _tag: "Aimd", limit: within(policy, limit * policy.backoff), loweredAt: now }
  }
  // Where half of it is not used, nothing was learned about more.
  return sample.inUse * 2 < limit || limit === policy.max
    ? state
    : { _tag: "Aimd", limit: within(policy, limit + 1 / limit), loweredAt: state.loweredAt }
}

/** Times are counted 50 to a ms: so 20 us are told from 40, and a minute from more. */
const perMilli = 50
const medianOf = 5
const pairs = 50
const maxFactor = 5
const overloadShare = 0.1

const recordGradient = (policy: Gradient, state: GradientState, failed: boolean, sample: Sample, now: Millis): GradientState => {
  const { last, latencies, limit, recent, throughputs, usual } = state
  const took = Math.max(0, now - sample.startedAt)
  const window: GradientState = {
    _tag: "Gradient",
    limit,
    // A clock that was set back begins the window anew.
    since: Math.min(state.since, now),
    times: failed ? state.times : Quantile.add(state.times, took * perMilli, 0),
    samples: failed ? state.samples : state.samples + 1,
    overloads: failed ? state.overloads + 1 : state.overloads,
    most: Math.max(state.most, sample.inUse),
    last,
    recent,
    usual,
    throughputs,
    latencies
  }
  const isOver = now - window.since >= policy.window && window.samples + window.overloads >= policy.samples
  return isOver ? concluded(policy, window, sample.full, now) : window
}

/** What a window comes to. */
const concluded = (policy: Gradient, state: GradientState, full: boolean, now: Millis): GradientState => {
  const { limit, most, overloads, samples } = state
  const lowered = { ...state, ...newWindow(now), limit: within(policy, limit * (1 - overloadShare)) }
  if (overloads > overloadShare * (samples + overloads)) return lowered
  const time = Option.getOrElse(Quantile.at(state.times, policy.quantile, 0), () => 1) / perMilli
  const last = [...state.last.slice(1 - medianOf), time]
  const recent = Average.add(state.recent, median(last))
  const usual = Average.add(state.usual, recent.value)
  const throughputs = Average.addPair(state.throughputs, most, most / recent.value, pairs)
  const latencies = Average.addPair(state.latencies, most, recent.value, pairs)
  const queued = Math.ceil(limit * (1 - usual.value / recent.value))
  const step = Math.max(1, Math.log10(limit))
  const next = limit + step * direction(queued, limit, full, throughputs, latencies)
  return {
    ...state,
    ...newWindow(now),
    // One that is never filled would grow for ever, and be no limit when it is needed.
    limit: within(policy, next > most * maxFactor ? limit - step : next),
    last,
    recent,
    usual,
    throughputs,
    latencies
  }
}

const direction = (
  queued: number,
  limit: number,
  full: boolean,
  throughputs: Average.Pairs,
  latencies: Average.Pairs
): -1 | 0 | 1 => {
  const logarithm = Math.max(1, Math.log10(limit))
  if (queued > 6 * logarithm) return -1
  if (full) {
    // It is all used, and more of it has brought nothing but longer times.
    const { correlation, variation } = Average.relation(throughputs)
    const slower = Average.relation(latencies).correlation > 0.5
    if (correlation < 0 || slower && (correlation < 0.3 || variation < 0.2)) return -1
  }
  return queued < 3 * logarithm ? 1 : 0
}

const median = (times: ReadonlyArray<Millis>): Millis => {
  const sorted = [...times].sort((one, other) => one - other)
  return sorted[Math.floor(sorted.length / 2)] ?? 0
}
