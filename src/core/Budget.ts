/**
 * What resends may be paid with: the arithmetic of a retry budget.
 *
 * A budget is a value; each of these functions gives another. Four kinds are here, which differ in what fills them and what a
 * resend costs:
 *
 * | kind | filled by | a resend costs | a resend is allowed while | as in |
 * | --- | --- | --- | --- | --- |
 * | `ratio` | `ratio` for each first attempt that succeeds, and a reserve; both forgotten after `window` | 1 | that much is left | Finagle, Linkerd, tower |
 * | `throttle` | `tokenRatio` for each success | 1 for each failed attempt, sent again or not | more than half is left | gRPC |
 * | `quota` | 1 for each first attempt that succeeds; its cost back where a resend succeeds | by kind of failure | that much is left | the AWS SDKs |
 * | `unlimited`, `none` | | nothing; everything | always; never | |
 *
 * **Example** (Ten successes pay for one resend)
 *
 * ```ts
 * import { Budget } from "effect-resilience"
 *
 * const empty = Budget.ratio({ floorPerSecond: 0 })
 * const ten = Array.from({ length: 10 }).reduce((budget: Budget.Budget) => Budget.succeeded(budget, undefined, 0), empty)
 *
 * Budget.balance(ten, 0) // => 1
 * Budget.balance(ten, 10_000) // => 0
 * ```
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import type * as Failure from "./Failure.ts"
import { durationMillis, integerIn, numberIn } from "./InvalidOption.ts"
import { type Millis, slot } from "./Millis.ts"

/**
 * What is left to pay resends with, and how it grows.
 *
 * @since 0.1.0
 * @category models
 */
export type Budget = Unlimited | None | Ratio | Throttle | Quota

/** Every resend is paid. @since 0.1.0 @category models */
export interface Unlimited {
  readonly _tag: "Unlimited"
}

/** No resend is paid. @since 0.1.0 @category models */
export interface None {
  readonly _tag: "None"
}

/** The first attempts that succeeded in a time, and what was spent in it. */
interface Sum {
  readonly successes: number
  readonly spent: number
}

/** A part of the successes of a window. @since 0.1.0 @category models */
export interface Ratio {
  readonly _tag: "Ratio"
  readonly ratio: number
  /** What is there without any success. */
  readonly reserve: number
  /** The length of a slot in ms; ten are a window. */
  readonly width: Millis
  /** The number of the current slot, counted from time 0. */
  readonly newest: number
  readonly current: Sum
  /** The ten before it, the oldest first. */
  readonly older: ReadonlyArray<Sum>
  /**
   * What of those is in the window: the successes of the last nine, which lie within it wherever in its slot the present is, and
   * what was spent in all ten, which reach into it.
   */
  readonly past: Sum
}

/** gRPC's tokens. @since 0.1.0 @category models */
export interface Throttle {
  readonly _tag: "Throttle"
  readonly maxTokens: number
  readonly tokenRatio: number
  readonly tokens: number
}

/** What a resend costs after each kind of failure; one that is not named costs `otherwise`. @since 0.1.0 @category models */
export type Costs = { readonly [K in Failure.Tag]?: number | undefined } & { readonly otherwise: number }

/** The quota of the AWS SDKs. @since 0.1.0 @category models */
export interface Quota {
  readonly _tag: "Quota"
  readonly capacity: number
  readonly costs: Costs
  readonly tokens: number
}

/** Pays for every resend. @since 0.1.0 @category constructors */
export const unlimited: Budget = { _tag: "Unlimited" }

/** Pays for no resend. @since 0.1.0 @category constructors */
export const none: Budget = { _tag: "None" }

/**
 * How a budget is filled that allows a part of the successes.
 *
 * @since 0.1.0
 * @category models
 */
export interface RatioOptions {
  /** How many resends a success pays for: from 0. Default: 0.1. */
  readonly ratio?: number | undefined
  /** How many resends a second are paid for without any success: from 0. They can be spent at once, a window's worth. Default: 1. */
  readonly floorPerSecond?: number | undefined
  /** How long a success counts, and how long a resend: more than 0. Default: 10 seconds. */
  readonly window?: Duration.DurationInput | undefined
}

const slots = 10
const nothing: Sum = { successes: 0, spent: 0 }
const noSlots: ReadonlyArray<Sum> = Array.from({ length: slots }, () => nothing)

/**
 * Allows a part of the successes of a window, and a reserve.
 *
 * **Details**
 *
 * At each resend: resends of the window that ends with it, it included, <= ratio x successes of the same window + reserve, where
 * the reserve is `floorPerSecond` x the seconds of the window. Time is counted in tenths of the window, and where that leaves a
 * doubt the budget is the stricter.
 *
 * @since 0.1.0
 * @category constructors
 */
export const ratio = (options: RatioOptions = {}): Budget => {
  const where = "RetryBudget.make"
  const window = durationMillis(where, "window", options.window ?? "10 seconds", { minExclusive: 0 })
  const floor = numberIn(where, "floorPerSecond", options.floorPerSecond ?? 1, { min: 0 })
  return {
    _tag: "Ratio",
    ratio: numberIn(where, "ratio", options.ratio ?? 0.1, { min: 0 }),
    reserve: floor * window / 1000,
    width: window / slots,
    newest: 0,
    current: nothing,
    older: noSlots,
    past: nothing
  }
}

/**
 * gRPC's retry throttling (gRFC A6).
 *
 * @since 0.1.0
 * @category models
 */
export interface ThrottleOptions {
  /** Where it begins, and the most it holds: 1 to 1,000. */
  readonly maxTokens: number
  /** What a success adds: more than 0. gRPC reads three decimals of it, and so does this. */
  readonly tokenRatio: number
}

/**
 * Allows resends while more than half of the tokens are there; each failed attempt takes one, each success adds a part of one.
 *
 * @since 0.1.0
 * @category constructors
 */
export const throttle = (options: ThrottleOptions): Budget => {
  const where = "RetryBudget.throttle"
  const maxTokens = integerIn(where, "maxTokens", options.maxTokens, { min: 1, max: 1000 })
  const tokenRatio = numberIn(where, "tokenRatio", options.tokenRatio, { min: 0.001 })
  return { _tag: "Throttle", maxTokens, tokenRatio: Math.floor(tokenRatio * 1000) / 1000, tokens: maxTokens }
}

/**
 * The quota of the AWS SDKs.
 *
 * @since 0.1.0
 * @category models
 */
export interface QuotaOptions {
  /** Where it begins, and the most it holds: from 1. Default: 500. */
  readonly capacity?: number | undefined
  /** Each from 0. Default: 5 after `Throttled`, 14 otherwise, as in the SDKs since November 2026. */
  readonly costs?: Costs | undefined
}

/**
 * Takes a cost for each resend and gives it back where that resend succeeds; a first attempt that succeeds adds 1.
 *
 * @since 0.1.0
 * @category constructors
 */
export const quota = (options: QuotaOptions = {}): Budget => {
  const where = "RetryBudget.quota"
  const capacity = integerIn(where, "capacity", options.capacity ?? 500, { min: 1 })
  const costs = options.costs ?? { Throttled: 5, otherwise: 14 }
  for (const [kind, cost] of Object.entries(costs)) {
    if (cost !== undefined) numberIn(where, `costs.${kind}`, cost, { min: 0 })
  }
  return { _tag: "Quota", capacity, costs, tokens: capacity }
}

/**
 * What was paid, and in which slot of time.
 *
 * @since 0.1.0
 * @category models
 */
export interface Payment {
  readonly cost: number
  readonly slot: number
}

/**
 * An attempt succeeded: a first one, or one that had been paid for.
 *
 * @since 0.1.0
 * @category steps
 */
export const succeeded = (self: Budget, paid: Payment | undefined, now: Millis): Budget => {
  switch (self._tag) {
    case "Ratio": {
      if (paid !== undefined) return self
      const then = advance(self, now)
      return { ...then, current: { successes: then.current.successes + 1, spent: then.current.spent } }
    }
    case "Throttle":
      return { ...self, tokens: Math.min(self.tokens + self.tokenRatio, self.maxTokens) }
    case "Quota":
      return self.tokens === self.capacity ? self : { ...self, tokens: Math.min(self.tokens + (paid === undefined ? 1 : paid.cost), self.capacity) }
    default:
      return self
  }
}

/**
 * An attempt failed in a way that could pass.
 *
 * @since 0.1.0
 * @category steps
 */
export const failed = (self: Budget): Budget =>
  self._tag === "Throttle" ? { ...self, tokens: Math.max(self.tokens - 1, 0) } : self

/**
 * What a resend needs.
 *
 * @since 0.1.0
 * @category models
 */
export interface Request {
  /** The failure after which is sent again; absent for a hedge, which follows none. */
  readonly failure?: Failure.Failure | undefined
  /** Whether the reserve may be spent. A hedge may not: it is a luxury. */
  readonly floor: boolean
}

const free: Payment = { cost: 0, slot: 0 }

/**
 * Pays for a resend: what was paid, and what is left. Absent where it cannot be paid.
 *
 * @since 0.1.0
 * @category steps
 */
export const withdraw = (self: Budget, request: Request, now: Millis): readonly [Payment, Budget] | undefined => {
  switch (self._tag) {
    case "Unlimited":
      return [free, self]
    case "None":
      return undefined
    case "Ratio": {
      const then = advance(self, now)
      if (available(then) - (request.floor ? 0 : then.reserve) < 1 - rounding) return undefined
      const { spent, successes } = then.current
      return [{ cost: 1, slot: then.newest }, { ...then, current: { successes, spent: spent + 1 } }]
    }
    case "Throttle":
      return self.tokens > self.maxTokens / 2 ? [free, self] : undefined
    case "Quota": {
      const cost = (request.failure === undefined ? undefined : self.costs[request.failure._tag]) ?? self.costs.otherwise
      return cost > self.tokens ? undefined : [{ cost, slot: 0 }, { ...self, tokens: self.tokens - cost }]
    }
  }
}

/**
 * Gives back what was paid for a resend that was not sent. What was paid so long ago that it is forgotten has come back already.
 *
 * @since 0.1.0
 * @category steps
 */
export const refund = (self: Budget, { cost, slot }: Payment, now: Millis): Budget => {
  if (self._tag === "Quota") return { ...self, tokens: Math.min(self.tokens + cost, self.capacity) }
  if (self._tag !== "Ratio") return self
  const then = advance(self, now)
  const back = ({ spent, successes }: Sum): Sum => ({ successes, spent: Math.max(spent - cost, 0) })
  if (slot === then.newest) return { ...then, current: back(then.current) }
  const older = then.older.map((sum, index) => then.newest - slots + index === slot ? back(sum) : sum)
  return { ...then, older, past: inWindow(older) }
}

/**
 * How many resends could be paid now, or what is left in tokens for a `quota` and a `throttle`. Infinity where nothing limits them.
 *
 * @since 0.1.0
 * @category getters
 */
export const balance = (self: Budget, now: Millis): number => {
  switch (self._tag) {
    case "Unlimited":
      return Infinity
    case "None":
      return 0
    case "Ratio":
      return Math.max(available(advance(self, now)), 0)
    default:
      return self.tokens
  }
}

/** What a product of decimals may be off by. */
const rounding = 1e-9

const available = ({ current, past, ratio, reserve }: Ratio): number =>
  reserve + ratio * (past.successes + current.successes) - past.spent - current.spent

/** Begins the slots that are due. A clock that was set back takes them with it. */
const advance = (self: Ratio, now: Millis): Ratio => {
  const newest = slot(now, self.width)
  const begun = newest - self.newest
  if (begun === 0) return self
  if (begun < 0) return { ...self, newest }
  if (begun > slots) return { ...self, newest, current: nothing, older: noSlots, past: nothing }
  const older = [...self.older, self.current, ...noSlots.slice(0, begun - 1)].slice(begun)
  return { ...self, newest, current: nothing, older, past: inWindow(older) }
}

const inWindow = (older: ReadonlyArray<Sum>): Sum => ({
  successes: older.reduce((sum, slot, index) => index === 0 ? sum : sum + slot.successes, 0),
  spent: older.reduce((sum, slot) => sum + slot.spent, 0)
})
