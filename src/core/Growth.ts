/**
 * How delays grow from one resend to the next: the formulas behind a `Backoff`, before its jitter and its cap.
 *
 * @since 0.1.0
 */
import { format, maxDelay, type Millis } from "./Millis.ts"

/**
 * How delays grow from one resend to the next, before jitter and cap.
 *
 * @since 0.1.0
 * @category models
 */
export type Growth =
  | { readonly _tag: "Constant"; readonly base: Millis }
  | { readonly _tag: "Linear"; readonly base: Millis; readonly step: Millis }
  | { readonly _tag: "Exponential"; readonly base: Millis; readonly factor: number }
  | { readonly _tag: "Fibonacci"; readonly base: Millis }
  | { readonly _tag: "Decorrelated"; readonly base: Millis; readonly factor: number }

/**
 * A place in the sequence of delays.
 *
 * @since 0.1.0
 * @category models
 */
export interface Step {
  /** 0 for the delay before the first resend. Anything but a positive integer counts as 0. */
  readonly index: number
  /** The delay before this one; only `decorrelated` looks at it, and not at index 0. Absent or NaN counts as the base. */
  readonly previous?: Millis | undefined
}

/**
 * Returns what a growth says at a step, at its longest if it says an interval; possibly infinite, never NaN.
 *
 * @since 0.1.0
 * @category arithmetic
 */
export const longest = (growth: Growth, { index: given, previous }: Step): Millis => {
  const index = Number.isInteger(given) && given > 0 ? given : 0
  switch (growth._tag) {
    case "Constant":
      return growth.base
    case "Linear":
      return growth.base + growth.step * index
    case "Exponential":
      return growth.base * growth.factor ** index
    case "Fibonacci": {
      let [current, next] = [growth.base, growth.base]
      for (let i = 0; i < index && current < maxDelay; i++) [current, next] = [next, current + next]
      return current
    }
    case "Decorrelated": {
      const before = index === 0 || previous === undefined || Number.isNaN(previous) ? growth.base : previous
      return Math.max(growth.base, growth.factor * before)
    }
  }
}

/**
 * Says in a few words how delays grow: `exponential 100ms x2`.
 *
 * @since 0.1.0
 * @category getters
 */
export const describe = (growth: Growth): string => {
  const start = `${growth._tag.toLowerCase()} ${format(growth.base)}`
  switch (growth._tag) {
    case "Constant":
    case "Fibonacci":
      return start
    case "Linear":
      return `${start} +${format(growth.step)}`
    case "Exponential":
    case "Decorrelated":
      return `${start} x${growth.factor}`
  }
}
