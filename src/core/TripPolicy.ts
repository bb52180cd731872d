/**
 * When a breaker opens, as data.
 *
 * A policy is looked at after every outcome, successes included. What it has seen so far is its evidence, a value beside it.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import { durationMillis, integerIn, InvalidOption, numberIn } from "./InvalidOption.ts"
import { format, type Millis } from "./Millis.ts"
import * as Window from "./Window.ts"

/** So many failures, with no success between them. @since 0.1.0 @category models */
export interface Consecutive {
  readonly _tag: "Consecutive"
  readonly failures: number
}

/** A share of the recent calls failed. @since 0.1.0 @category models */
export interface Rate {
  readonly _tag: "Rate"
  readonly threshold: number
  readonly minimumCalls: number
  readonly window: Window.Window
}

/** A share of the recent calls, failed or not, took longer than so long. @since 0.1.0 @category models */
export interface SlowRate {
  readonly _tag: "SlowRate"
  readonly slowerThan: Millis
  readonly threshold: number
  readonly minimumCalls: number
  readonly window: Window.Window
}

/** One of several. @since 0.1.0 @category models */
export interface AnyOf {
  readonly _tag: "AnyOf"
  readonly policies: ReadonlyArray<TripPolicy>
}

/**
 * When a breaker opens.
 *
 * @since 0.1.0
 * @category models
 */
export type TripPolicy = Consecutive | Rate | SlowRate | AnyOf

/**
 * What share of how many recent calls.
 *
 * @since 0.1.0
 * @category models
 */
export interface RateOptions {
  /** The share that trips, more than 0 and at most 1. Default: 0.5. */
  readonly threshold?: number | undefined
  /** Fewer calls than these in the window say nothing. 1 or more, and no more than the window holds. Default: 10. */
  readonly minimumCalls?: number | undefined
  /** What is recent. Default: `{ duration: "30 seconds" }`. */
  readonly window?: Window.Options | undefined
}

/**
 * Trips at so many failures in a row. 1 or more.
 *
 * @since 0.1.0
 * @category constructors
 */
export const consecutive = (failures: number): TripPolicy => ({
  _tag: "Consecutive",
  failures: integerIn("CircuitBreaker.consecutive", "failures", failures, { min: 1 })
})

const rateOf = (where: string, { minimumCalls = 10, threshold = 0.5, window = { duration: "30 seconds" } }: RateOptions) => {
  const empty = Window.make(where, window)
  const calls = integerIn(where, "minimumCalls", minimumCalls, { min: 1 })
  if (calls > Window.capacity(empty)) {
    throw new InvalidOption({
      where,
      option: "minimumCalls",
      value: minimumCalls,
      requirement: `at most ${Window.capacity(empty)}, the calls that the window holds`
    })
  }
  return {
    threshold: numberIn(where, "threshold", threshold, { minExclusive: 0, max: 1 }),
    minimumCalls: calls,
    window: empty
  }
}

/**
 * Trips when a share of the recent calls has failed.
 *
 * @since 0.1.0
 * @category constructors
 */
export const rate = (options: RateOptions = {}): TripPolicy => ({ _tag: "Rate", ...rateOf("CircuitBreaker.rate", options) })

/**
 * Trips when a share of the recent calls, failed or not, took longer than `slowerThan`.
 *
 * **Gotchas**
 *
 * A call that is cut by a time limit is as slow as the limit: `slowerThan` must be shorter than that to see it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const slowRate = (options: RateOptions & { readonly slowerThan: Duration.DurationInput }): TripPolicy => ({
  _tag: "SlowRate",
  slowerThan: durationMillis("CircuitBreaker.slowRate", "slowerThan", options.slowerThan, { minExclusive: 0 }),
  ...rateOf("CircuitBreaker.slowRate", options)
})

/**
 * Trips when one of the policies does.
 *
 * @since 0.1.0
 * @category constructors
 */
export const anyOf = (first: TripPolicy, ...others: ReadonlyArray<TripPolicy>): TripPolicy => ({
  _tag: "AnyOf",
  policies: [first, ...others]
})

/**
 * Never trips: for a breaker that is only opened by hand.
 *
 * @since 0.1.0
 * @category constructors
 */
export const never: TripPolicy = { _tag: "AnyOf", policies: [] }

/**
 * What a policy has seen.
 *
 * @since 0.1.0
 * @category models
 */
export type Evidence =
  | { readonly _tag: "Consecutive"; readonly policy: Consecutive; readonly failures: number }
  | { readonly _tag: "Counted"; readonly policy: Rate | SlowRate; readonly window: Window.Window }
  | { readonly _tag: "AnyOf"; readonly each: ReadonlyArray<Evidence> }

/**
 * The evidence of a policy that has seen nothing.
 *
 * @since 0.1.0
 * @category evidence
 */
export const begin = (policy: TripPolicy): Evidence => {
  switch (policy._tag) {
    case "Consecutive":
      return { _tag: "Consecutive", policy, failures: 0 }
    case "AnyOf":
      return { _tag: "AnyOf", each: policy.policies.map(begin) }
    default:
      return { _tag: "Counted", policy, window: policy.window }
  }
}

/**
 * Adds a call that ended now, after `took` ms.
 *
 * @since 0.1.0
 * @category evidence
 */
export const add = (self: Evidence, failed: boolean, took: Millis, now: Millis): Evidence => {
  switch (self._tag) {
    case "Consecutive":
      if (failed) return { ...self, failures: self.failures + 1 }
      return self.failures === 0 ? self : { ...self, failures: 0 }
    case "Counted":
      return {
        _tag: "Counted",
        policy: self.policy,
        window: Window.add(self.window, { failed, slow: isSlow(self.policy, took) }, now)
      }
    case "AnyOf":
      return self.each.length === 0 ? self : { _tag: "AnyOf", each: self.each.map((each) => add(each, failed, took, now)) }
  }
}

/**
 * Adds so many calls that succeeded, none of them slow, when the last one ended.
 *
 * @since 0.1.0
 * @category evidence
 */
export const addSuccesses = (self: Evidence, calls: number): Evidence => {
  switch (self._tag) {
    case "Consecutive":
      return self.failures === 0 ? self : { ...self, failures: 0 }
    case "Counted":
      return { _tag: "Counted", policy: self.policy, window: Window.addPlain(self.window, calls) }
    case "AnyOf":
      return { _tag: "AnyOf", each: self.each.map((each) => addSuccesses(each, calls)) }
  }
}

/**
 * Tells of evidence that was not enough whether a success that ends now, and is not slow, can be added later, together with any
 * number of others: it is counted where the last call was, and no number of them makes it enough.
 *
 * **Details**
 *
 * Successes alone are enough where the calls are fewer than the policy asks for: of ten calls of which nine failed, the tenth may be
 * the success.
 *
 * @since 0.1.0
 * @category evidence
 */
export const canWait = (self: Evidence, now: Millis): boolean => {
  switch (self._tag) {
    case "Consecutive":
      return self.failures === 0
    case "Counted": {
      if (!Window.isAsLast(self.window, now)) return false
      const { calls, failures, slow } = Window.counts(self.window, now)
      return (self.policy._tag === "Rate" ? failures : slow) === 0 || calls >= self.policy.minimumCalls
    }
    case "AnyOf":
      return self.each.every((each) => canWait(each, now))
  }
}

/**
 * Tells whether the evidence is enough, in a few words where it is.
 *
 * @since 0.1.0
 * @category evidence
 */
export const verdict = (self: Evidence, now: Millis): string | undefined => {
  switch (self._tag) {
    case "Consecutive":
      return self.failures < self.policy.failures ? undefined : `${self.failures} failures in a row`
    case "Counted": {
      const { policy } = self
      const { calls, failures, slow } = Window.counts(self.window, now)
      const counted = policy._tag === "Rate" ? failures : slow
      // The quotient is rounded as the threshold was when it was written: 3 of 30 are 0.1.
      if (calls < policy.minimumCalls || counted / calls < policy.threshold) return undefined
      return policy._tag === "Rate"
        ? `${counted} of ${calls} calls failed`
        : `${counted} of ${calls} calls took longer than ${format(policy.slowerThan)}`
    }
    case "AnyOf":
      for (const each of self.each) {
        const reason = verdict(each, now)
        if (reason !== undefined) return reason
      }
      return undefined
  }
}

/**
 * Tells whether a call that took so long is slow to a policy.
 *
 * @since 0.1.0
 * @category evidence
 */
export const isSlow = (policy: TripPolicy, took: Millis): boolean =>
  policy._tag === "SlowRate" ? took > policy.slowerThan : policy._tag === "AnyOf" && policy.policies.some((each) => isSlow(each, took))
