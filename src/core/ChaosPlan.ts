/**
 * Which faults are injected into which attempt: a pure choice from a seed and from what the attempt is, so that a run can be replayed.
 *
 * Nothing is drawn while a program runs. The seed, the key of a request (its method and URL), the number of the attempt and its
 * ordinal are hashed, and the hash is the draw: the same seed and the same requests meet the same faults again, in any order in which
 * keys are interleaved, on any machine.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import { durationMillis, InvalidOption, numberIn } from "./InvalidOption.ts"
import { maxDelay, type Millis } from "./Millis.ts"

/**
 * What a run is decided by.
 *
 * @since 0.1.0
 * @category models
 */
export type Seed = number | string

/**
 * An attempt, as far as the choice is concerned.
 *
 * @since 0.1.0
 * @category models
 */
export interface Position {
  /** Where faults are injected: two places draw independently. */
  readonly place: string
  /** Over HTTP the method and the URL. */
  readonly key: string
  /** The number of the attempt, counted from 1. */
  readonly attempt: number
  /** Of how many attempts of that number, of that key, in that place, this is the last one; counted from 1. */
  readonly ordinal: number
}

/**
 * A fault, and the share of attempts that meet it: from 0 to 1.
 *
 * @since 0.1.0
 * @category models
 */
export interface Rule<out F> {
  readonly rate: number
  readonly fault: F
}

/**
 * A time before an attempt is sent, and the share of attempts that meet it: from 0 to 1.
 *
 * @since 0.1.0
 * @category models
 */
export interface Latency {
  readonly rate: number
  /** More than 0, below 2^31 ms. */
  readonly latency: Duration.DurationInput
}

/**
 * What was injected, as events tell it.
 *
 * @since 0.1.0
 * @category models
 */
export type Injected =
  /** In ms. */
  | { readonly _tag: "Latency"; readonly delay: Millis }
  /** An error of the user's. */
  | { readonly _tag: "Failure" }
  | { readonly _tag: "Response"; readonly status: number }
  /** The connection is lost, or never made. */
  | { readonly _tag: "Connection"; readonly code: string }
  /** The connection is lost after so many bytes of the body. */
  | { readonly _tag: "Cut"; readonly after: number }

interface Delay {
  readonly rate: number
  readonly delay: Millis
}

/**
 * Rules that have been checked.
 *
 * @since 0.1.0
 * @category models
 */
export interface Plan<out F> {
  readonly delays: ReadonlyArray<Delay>
  readonly faults: ReadonlyArray<Rule<F>>
  /** No rule has a rate above 0. */
  readonly isEmpty: boolean
}

/**
 * What an attempt meets: a delay in ms, which is 0 most often, and then a fault or none.
 *
 * @since 0.1.0
 * @category models
 */
export interface Choice<out F> {
  readonly delay: Millis
  readonly fault: F | undefined
}

/**
 * Checks rules. Throws `InvalidOption` on a rate that is no share, and where the rates of what excludes each other exceed 1 together.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = <F>(where: string, latencies: ReadonlyArray<Latency>, faults: ReadonlyArray<Rule<F>>): Plan<F> => {
  const delays = latencies.map(({ latency, rate }) => ({
    rate: share(where, rate),
    delay: durationMillis(where, "latency", latency, { minExclusive: 0, max: maxDelay })
  }))
  const rules = faults.map(({ fault, rate }) => ({ rate: share(where, rate), fault }))
  together(where, "the rates of all latencies together", delays)
  together(where, "the rates of all other faults together", rules)
  return { delays, faults: rules, isEmpty: [...delays, ...rules].every(({ rate }) => rate === 0) }
}

const share = (where: string, rate: number): number => numberIn(where, "rate", rate, { min: 0, max: 1 })

/** 0.1 ten times over is a little less than 1, and 0.7 + 0.2 + 0.1 a little more or less: what is lost in a sum of doubles is no mistake. */
const rounding = 1e-9

const together = (where: string, option: string, rules: ReadonlyArray<{ readonly rate: number }>): void => {
  const value = rules.reduce((sum, { rate }) => sum + rate, 0)
  if (value > 1 + rounding) throw new InvalidOption({ where, option, value, requirement: "a finite number >= 0 and <= 1" })
}

/**
 * Checks a seed: a text, or a number that is finite.
 *
 * @since 0.1.0
 * @category constructors
 */
export const seed = (where: string, input: Seed): Seed =>
  typeof input === "string" ? input : numberIn(where, "seed", input)

/**
 * What an attempt meets.
 *
 * **Details**
 *
 * The delay and the fault are drawn independently of each other. Of several delays an attempt meets one at most, each at its own rate,
 * and of several faults likewise.
 *
 * **Example** (The same seed chooses the same)
 *
 * ```ts
 * import { ChaosPlan } from "effect-resilience"
 *
 * const plan = ChaosPlan.make("test", [], [{ rate: 0.5, fault: "reset" }])
 * const run = (seed: number) =>
 *   [1, 2, 3, 4, 5, 6].map((ordinal) => ChaosPlan.choose(plan, seed, { place: "wire", key: "GET /", attempt: 1, ordinal }).fault ?? "-")
 *
 * run(7) // => ["reset", "-", "-", "-", "-", "-"]
 * run(7).join() === run(7).join() // => true
 * ```
 *
 * @since 0.1.0
 * @category choosing
 */
export const choose = <F>(self: Plan<F>, seed: Seed, position: Position): Choice<F> => {
  const { attempt, key, ordinal, place } = position
  const text = `${attempt} ${ordinal} ${place.length} ${place} ${key}`
  return {
    delay: pick(self.delays, () => draw(seed, `delay ${text}`))?.delay ?? 0,
    fault: pick(self.faults, () => draw(seed, `fault ${text}`))?.fault
  }
}

/** Each rule owns as much of the numbers from 0 to 1 as its rate; a rate of 1 owns all of them. */
const pick = <R extends { readonly rate: number }>(rules: ReadonlyArray<R>, draw: () => number): R | undefined => {
  if (rules.length === 0) return undefined
  const u = draw()
  let end = 0
  for (const rule of rules) {
    end += rule.rate
    if (u < end) return rule
  }
  // The sum of rates that make up 1 can be a little less than 1.
  return end > 1 - rounding ? rules.filter(({ rate }) => rate > 0).at(-1) : undefined
}

/**
 * A number from 0 (included) to 1 (not included) that a seed and a text decide; as evenly spread as one that is drawn.
 *
 * **Details**
 *
 * The 53 bits of cyrb53 (bryc, public domain): two multiplicative hashes, mixed as the last step of MurmurHash3 does.
 *
 * @since 0.1.0
 * @category choosing
 */
export const draw = (seed: Seed, text: string): number => {
  const whole = `${typeof seed} ${String(seed).length} ${seed} ${text}`
  let low = 0xdeadbeef
  let high = 0x41c6ce57
  for (let i = 0; i < whole.length; i++) {
    const unit = whole.charCodeAt(i)
    low = Math.imul(low ^ unit, 2654435761)
    high = Math.imul(high ^ unit, 1597334677)
  }
  low = Math.imul(low ^ (low >>> 16), 2246822507) ^ Math.imul(high ^ (high >>> 13), 3266489909)
  high = Math.imul(high ^ (high >>> 16), 2246822507) ^ Math.imul(low ^ (low >>> 13), 3266489909)
  return ((high & 0x1fffff) * 4294967296 + (low >>> 0)) / 9007199254740992
}
