/**
 * How long to wait before the next attempt: a value that can be printed, compared and stored, and that holds no state.
 *
 * A backoff answers with an *interval* of delays, and a random draw picks one point of it. The growth says how the
 * interval moves from one delay to the next, the jitter how wide it is, and the cap is a wall that it never crosses.
 * Since the cap comes last it is hard, and since it cuts the interval and not the drawn delay, a delay at the cap is still
 * random: clients that have all reached it do not fall into step.
 *
 * The intervals before the first five resends, in milliseconds. (For `decorrelated`, whose interval
 * depends on the delay before it: when each delay is the longest possible.)
 *
 * | backoff | index 0 | 1 | 2 | 3 | 4 |
 * | --- | --- | --- | --- | --- | --- |
 * | `Backoff.constant(100)` | 100 | 100 | 100 | 100 | 100 |
 * | `Backoff.linear(100)` | 100 | 200 | 300 | 400 | 500 |
 * | `Backoff.linear(100, 50)` | 100 | 150 | 200 | 250 | 300 |
 * | `Backoff.exponential(100)` | 100 | 200 | 400 | 800 | 1600 |
 * | `Backoff.exponential(100, 1.5)` | 100 | 150 | 225 | 337.5 | 506.25 |
 * | `Backoff.fibonacci(100)` | 100 | 100 | 200 | 300 | 500 |
 * | `Backoff.decorrelated(100)` | 100..300 | 100..900 | 100..2700 | 100..8100 | 100..24300 |
 * | `Backoff.exponential(100).pipe(Backoff.capped(500))` | 100 | 200 | 400 | 500 | 500 |
 * | `Backoff.exponential(100).pipe(Backoff.capped(500), Backoff.fullJitter)` | 0..100 | 0..200 | 0..400 | 0..500 | 0..500 |
 * | `Backoff.exponential(100).pipe(Backoff.capped(500), Backoff.equalJitter)` | 50..100 | 100..200 | 200..400 | 250..500 | 250..500 |
 * | `Backoff.exponential(100).pipe(Backoff.capped(500), Backoff.proportionalJitter(0.2))` | 80..120 | 160..240 | 320..480 | 400..500 | 400..500 |
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Equal from "effect/Equal"
import { dual } from "effect/Function"
import * as Hash from "effect/Hash"
import { type Inspectable, NodeInspectSymbol } from "effect/Inspectable"
import { type Pipeable, pipeArguments } from "effect/Pipeable"
import { hasProperty } from "effect/Predicate"
import * as Growth from "./Growth.ts"
import { durationMillis, integerIn, numberIn } from "./InvalidOption.ts"
import { format, maxDelay, type Millis } from "./Millis.ts"

export { maxDelay, type Millis } from "./Millis.ts"

const TypeId: unique symbol = Symbol.for("effect-resilience/Backoff")

/**
 * How far a delay may be from what the growth says.
 *
 * @since 0.1.0
 * @category models
 */
export type Jitter =
  | { readonly _tag: "None" }
  | { readonly _tag: "Full" }
  | { readonly _tag: "Equal" }
  | { readonly _tag: "Proportional"; readonly ratio: number }

/**
 * How long to wait before each resend, as data. Two backoffs with the same data are equal.
 *
 * @since 0.1.0
 * @category models
 */
export interface Backoff extends Pipeable, Inspectable, Equal.Equal {
  readonly [TypeId]: typeof TypeId
  readonly growth: Growth.Growth
  readonly jitter: Jitter
  /** No delay is longer. 1 to `maxDelay`. */
  readonly cap: Millis
}

/**
 * All delays that are possible at a place in the sequence, both ends included: `0 <= atLeast <= atMost <= cap`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Interval {
  readonly atLeast: Millis
  readonly atMost: Millis
}

const Prototype = {
  [TypeId]: TypeId,
  [Equal.symbol](this: Backoff, that: unknown): boolean {
    return isBackoff(that) && JSON.stringify(this) === JSON.stringify(that)
  },
  [Hash.symbol](this: Backoff): number {
    return Hash.string(JSON.stringify(this))
  },
  toJSON(this: Backoff) {
    return { _id: "Backoff", growth: this.growth, jitter: this.jitter, cap: this.cap }
  },
  toString(this: Backoff): string {
    return `Backoff(${describe(this)})`
  },
  [NodeInspectSymbol](this: Backoff): unknown {
    return this.toJSON()
  },
  pipe() {
    return pipeArguments(this, arguments)
  }
}

const make = (growth: Growth.Growth, jitter: Jitter = { _tag: "None" }, cap: Millis = maxDelay): Backoff =>
  Object.assign(Object.create(Prototype), { growth, jitter, cap })

/** A base that grows must be something to grow from, and a timer counts whole milliseconds. */
const growing = { min: 1, max: maxDelay }

/**
 * Returns whether a value is a `Backoff`.
 *
 * @since 0.1.0
 * @category guards
 */
export const isBackoff = (u: unknown): u is Backoff => hasProperty(u, TypeId)

/**
 * Makes a backoff that always waits the same time: 0 to `maxDelay`. 0 says "at once", and is safe only for few attempts.
 *
 * @since 0.1.0
 * @category constructors
 */
export const constant = (delay: Duration.DurationInput): Backoff =>
  make({ _tag: "Constant", base: durationMillis("Backoff.constant", "delay", delay, { min: 0, max: maxDelay }) })

/**
 * Makes a backoff that grows by the same step each time: `base + step * index`.
 *
 * `base` is 1 ms to `maxDelay`; `step` is 0 to `maxDelay`, and is the base unless given.
 *
 * @since 0.1.0
 * @category constructors
 */
export const linear = (base: Duration.DurationInput, step: Duration.DurationInput = base): Backoff =>
  make({
    _tag: "Linear",
    base: durationMillis("Backoff.linear", "base", base, growing),
    step: durationMillis("Backoff.linear", "step", step, { min: 0, max: maxDelay })
  })

/**
 * Makes a backoff that grows by a factor each time: `base * factor ^ index`.
 *
 * `base` is 1 ms to `maxDelay`. `factor` is a finite number from 1, and 2 unless given. However large the index, the delay
 * stays at the cap: it never overflows to 0.
 *
 * **Example** (Doubling, up to a second, in full jitter)
 *
 * ```ts
 * import { Backoff } from "effect-resilience"
 *
 * const backoff = Backoff.exponential("200 millis").pipe(Backoff.capped("1 second"), Backoff.fullJitter)
 *
 * Backoff.take(backoff, 4) // => [200, 400, 800, 1000]
 * Backoff.take(backoff, 4, 0.5) // => [100, 200, 400, 500]
 * Backoff.describe(backoff) // => "exponential 200ms x2, full jitter, at most 1s"
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const exponential = (base: Duration.DurationInput, factor = 2): Backoff =>
  make({
    _tag: "Exponential",
    base: durationMillis("Backoff.exponential", "base", base, growing),
    factor: numberIn("Backoff.exponential", "factor", factor, { min: 1 })
  })

/**
 * Makes a backoff that grows as the Fibonacci numbers 1, 1, 2, 3, 5, 8 do, by a factor of about 1.62.
 *
 * `base` is 1 ms to `maxDelay`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fibonacci = (base: Duration.DurationInput): Backoff =>
  make({ _tag: "Fibonacci", base: durationMillis("Backoff.fibonacci", "base", base, growing) })

/**
 * Makes a backoff whose every delay lies between the base and some times the delay before it.
 *
 * The interval is `[base, max(base, factor * previous)]`, as in "Exponential Backoff And Jitter" (AWS Architecture
 * Blog, 2015), with the base as the previous delay at index 0. `base` is 1 ms to `maxDelay`. `factor` is a finite
 * number from 1, and 3 unless given. It is random by itself and needs no jitter.
 *
 * **Example** (The longest delays, and those of a draw in the middle)
 *
 * ```ts
 * import { Backoff } from "effect-resilience"
 *
 * const backoff = Backoff.decorrelated("100 millis").pipe(Backoff.capped("5 seconds"))
 *
 * Backoff.take(backoff, 5) // => [300, 900, 2700, 5000, 5000]
 * Backoff.take(backoff, 5, 0.5) // => [200, 350, 575, 913, 1420]
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const decorrelated = (base: Duration.DurationInput, factor = 3): Backoff =>
  make({
    _tag: "Decorrelated",
    base: durationMillis("Backoff.decorrelated", "base", base, growing),
    factor: numberIn("Backoff.decorrelated", "factor", factor, { min: 1 })
  })

/**
 * Lets no delay be longer than this.
 *
 * `cap` is 1 ms to `maxDelay`, which is the cap of every backoff unless a smaller one is given. It does not matter whether it
 * stands before or after the jitter. Of two caps the smaller one holds. A cap below the base makes the growth constant.
 *
 * @since 0.1.0
 * @category combinators
 */
export const capped: {
  (cap: Duration.DurationInput): (self: Backoff) => Backoff
  /** Lets no delay be longer than this. */
  (self: Backoff, cap: Duration.DurationInput): Backoff
} = dual(2, (self: Backoff, cap: Duration.DurationInput): Backoff =>
  make(self.growth, self.jitter, Math.min(self.cap, durationMillis("Backoff.capped", "cap", cap, growing))))

/**
 * Draws delays from `[0, d]`, where d is what the growth says: the spread that keeps a herd of clients furthest apart.
 *
 * A backoff has one jitter: the last one given replaces the others, so that jitter is never put upon jitter.
 *
 * A delay can be close to 0. Where a pause is needed for its own sake, `equalJitter` keeps half of it.
 *
 * @since 0.1.0
 * @category combinators
 */
export const fullJitter = (self: Backoff): Backoff => make(self.growth, { _tag: "Full" }, self.cap)

/**
 * Draws delays from `[d/2, d]`, where d is what the growth says: at least half of the pause is kept.
 *
 * @since 0.1.0
 * @category combinators
 */
export const equalJitter = (self: Backoff): Backoff => make(self.growth, { _tag: "Equal" }, self.cap)

/**
 * Draws delays from `[d * (1 - ratio), d * (1 + ratio)]`, where d is what the growth says.
 *
 * `ratio` is above 0 and at most 1, and 0.2 unless given. The cap cuts off what is above it, also here.
 *
 * @since 0.1.0
 * @category combinators
 */
export const proportionalJitter: {
  (ratio?: number): (self: Backoff) => Backoff
  /** Draws delays from `[d * (1 - ratio), d * (1 + ratio)]`, where d is what the growth says. */
  (self: Backoff, ratio?: number): Backoff
} = dual((args) => isBackoff(args[0]), (self: Backoff, ratio = 0.2): Backoff =>
  make(
    self.growth,
    { _tag: "Proportional", ratio: numberIn("Backoff.proportionalJitter", "ratio", ratio, { minExclusive: 0, max: 1 }) },
    self.cap
  ))

/**
 * Takes the jitter away: delays are exactly what the growth says.
 *
 * @since 0.1.0
 * @category combinators
 */
export const withoutJitter = (self: Backoff): Backoff => make(self.growth, { _tag: "None" }, self.cap)

/**
 * Returns the interval in which the delay at a step lies.
 *
 * First the growth, cut at the cap; then the jitter widens it; then what is above the cap is cut off.
 * Total: every index and every previous delay has an interval.
 *
 * **Example** (At the cap a delay is still random)
 *
 * ```ts
 * import { Backoff } from "effect-resilience"
 *
 * const backoff = Backoff.exponential("1 second").pipe(Backoff.capped("20 seconds"), Backoff.equalJitter)
 *
 * Backoff.bounds(backoff, { index: 1 }) // => { atLeast: 1000, atMost: 2000 }
 * Backoff.bounds(backoff, { index: 1_000_000 }) // => { atLeast: 10_000, atMost: 20_000 }
 * ```
 *
 * @since 0.1.0
 * @category arithmetic
 */
export const bounds: {
  (step: Growth.Step): (self: Backoff) => Interval
  /** Returns the interval in which the delay at a step lies. */
  (self: Backoff, step: Growth.Step): Interval
} = dual(2, ({ cap, growth, jitter }: Backoff, step: Growth.Step): Interval => {
  const atMost = Math.min(Growth.longest(growth, step), cap)
  const atLeast = growth._tag === "Decorrelated" ? Math.min(growth.base, cap) : atMost
  switch (jitter._tag) {
    case "None":
      return { atLeast, atMost }
    case "Full":
      return { atLeast: 0, atMost }
    case "Equal":
      return { atLeast: atLeast / 2, atMost }
    case "Proportional":
      return { atLeast: atLeast * (1 - jitter.ratio), atMost: Math.min(atMost * (1 + jitter.ratio), cap) }
  }
})

/**
 * Returns the delay at a step: the point of its interval that the draw picks, in whole milliseconds.
 *
 * `draw` is a random number in [0, 1), as `Random.next` gives: 0 is the shortest delay. Total: a draw below 0 counts as 0,
 * one above 1 as 1, and NaN as 1, for an error should wait and not storm. The result is an integer from 0 to the cap.
 *
 * **Example** (Three draws at the same step)
 *
 * ```ts
 * import { Backoff } from "effect-resilience"
 *
 * const backoff = Backoff.exponential("100 millis").pipe(Backoff.fullJitter)
 *
 * Backoff.delay(backoff, { index: 3, draw: 0 }) // => 0
 * Backoff.delay(backoff, { index: 3, draw: 0.25 }) // => 200
 * Backoff.delay(backoff, { index: 3, draw: NaN }) // => 800
 * ```
 *
 * @since 0.1.0
 * @category arithmetic
 */
export const delay: {
  (step: Growth.Step & { readonly draw: number }): (self: Backoff) => Millis
  /** Returns the delay at a step: the point of its interval that the draw picks, in whole milliseconds. */
  (self: Backoff, step: Growth.Step & { readonly draw: number }): Millis
} = dual(2, (self: Backoff, step: Growth.Step & { readonly draw: number }): Millis => {
  const { atLeast, atMost } = bounds(self, step)
  const draw = Number.isNaN(step.draw) ? 1 : Math.min(Math.max(step.draw, 0), 1)
  return Math.min(Math.round(atLeast + draw * (atMost - atLeast)), Math.floor(self.cap))
})

/**
 * Returns the first n delays, all for the same draw: the longest ones unless a draw is given.
 *
 * `n` is an integer from 0. Each delay is the `previous` of the next, as it is in a retry.
 *
 * @since 0.1.0
 * @category arithmetic
 */
export const take: {
  (n: number, draw?: number): (self: Backoff) => ReadonlyArray<Millis>
  /** Returns the first n delays, all for the same draw: the longest ones unless a draw is given. */
  (self: Backoff, n: number, draw?: number): ReadonlyArray<Millis>
} = dual((args) => isBackoff(args[0]), (self: Backoff, n: number, draw = 1): ReadonlyArray<Millis> => {
  const delays: Array<Millis> = []
  const count = integerIn("Backoff.take", "n", n, { min: 0 })
  while (delays.length < count) delays.push(delay(self, { index: delays.length, previous: delays.at(-1), draw }))
  return delays
})

/**
 * Says in one line what a backoff does.
 *
 * **Example** (Two backoffs)
 *
 * ```ts
 * import { Backoff } from "effect-resilience"
 *
 * Backoff.describe(Backoff.constant("1 second")) // => "constant 1s"
 * Backoff.describe(Backoff.linear("100 millis", "50 millis").pipe(Backoff.proportionalJitter(0.2), Backoff.capped("1 minute")))
 * // => "linear 100ms +50ms, 20% jitter, at most 1m"
 * ```
 *
 * @since 0.1.0
 * @category getters
 */
export const describe = ({ cap, growth, jitter }: Backoff): string =>
  [Growth.describe(growth), jitterText(jitter), cap < maxDelay ? `at most ${format(cap)}` : ""]
    .filter((part) => part !== "").join(", ")

const jitterText = (jitter: Jitter): string => {
  switch (jitter._tag) {
    case "None":
      return ""
    case "Full":
      return "full jitter"
    case "Equal":
      return "equal jitter"
    case "Proportional":
      // 12 digits hide that 0.07 * 100 is 7.000000000000001.
      return `${Number((jitter.ratio * 100).toPrecision(12))}% jitter`
  }
}

