/**
 * Several attempts of one call at the same time: when another is begun, when the others are waited for, and when it is over.
 *
 * Data in, data out: a race is a value, and each thing that happens to it gives another. `strategy/Hedge` runs it.
 *
 * | after | while others are on their way | when it was the last one |
 * | --- | --- | --- |
 * | a failure that can pass | another attempt at once, if one is left | the same |
 * | one that asks for fewer requests: `Throttled`, any with a hint, `x-should-retry: false` | no more attempts; wait for the others | the end |
 * | a refusal of our own, or what a retry inside has given up | no more attempts; wait for the others | the end |
 * | one that no attempt can change | the end | the end |
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import * as Decision from "./Decision.ts"
import * as Failure from "./Failure.ts"
import type * as Idempotency from "./Idempotency.ts"
import type { Millis } from "./Millis.ts"

/**
 * What holds for all of a race.
 *
 * @since 0.1.0
 * @category models
 */
export interface Rules {
  /** The first included. */
  readonly maxAttempts: number
  readonly request: Idempotency.Repeatable
  /** In ms since the epoch. */
  readonly deadline: Option.Option<Millis>
}

/**
 * Where a race stands.
 *
 * @since 0.1.0
 * @category models
 */
export interface Race {
  /** How many attempts have begun. */
  readonly started: number
  /** How many of them are on their way. */
  readonly running: number
  /** What those came to that have ended, all of which failed. */
  readonly earlier: ReadonlyArray<{ readonly failure: Failure.Failure }>
  /** Why no other attempt is begun, whatever happens. */
  readonly stopped: Option.Option<Decision.GiveUpReason>
}

/**
 * What to do after a failure.
 *
 * @since 0.1.0
 * @category models
 */
export type Verdict =
  | { readonly _tag: "Start" }
  | { readonly _tag: "Wait" }
  | { readonly _tag: "End"; readonly because: Decision.GiveUpReason }

const start: Verdict = { _tag: "Start" }
const wait: Verdict = { _tag: "Wait" }
const end = (because: Decision.GiveUpReason): Verdict => ({ _tag: "End", because })

/**
 * A race before its first attempt.
 *
 * @since 0.1.0
 * @category constructors
 */
export const initial: Race = { started: 0, running: 0, earlier: [], stopped: Option.none() }

/**
 * An attempt begins.
 *
 * @since 0.1.0
 * @category steps
 */
export const begin = (self: Race): Race => ({ ...self, started: self.started + 1, running: self.running + 1 })

/**
 * Tells whether another attempt may begin at an instant while the first ones have not failed.
 *
 * **Details**
 *
 * For that the request must be one that may be acted on twice: by method or by key, with a body that can be sent again. An attempt
 * that would begin at the deadline has no time.
 *
 * @since 0.1.0
 * @category deciding
 */
export const mayHedge = (self: Race, { deadline, maxAttempts, request }: Rules, at: Millis): boolean =>
  Option.isNone(self.stopped) && self.started < maxAttempts && request.idempotent && request.replayable &&
  !isOver(deadline, at)

/**
 * No other attempt begins from now on. The first reason counts.
 *
 * @since 0.1.0
 * @category steps
 */
export const stop = (self: Race, because: Decision.GiveUpReason): readonly [Verdict, Race] => {
  const stopped = Option.orElse(self.stopped, () => Option.some(because))
  return [self.running > 0 ? wait : end(Option.getOrElse(stopped, () => because)), { ...self, stopped }]
}

/**
 * An attempt has failed. `final`: nothing may follow it, whatever it failed with.
 *
 * **Example** (A failure that can pass, then one that cannot)
 *
 * ```ts
 * import { Failure, Idempotency, Race } from "effect-resilience"
 * import { Option } from "effect"
 *
 * const rules = { maxAttempts: 3, request: Idempotency.always, deadline: Option.none() }
 * const one = Race.begin(Race.initial)
 * const [verdict, race] = Race.fail(one, rules, Failure.unavailable({ status: 503 }), "no", 0)
 * const [second] = Race.fail(Race.begin(race), rules, Failure.refused(404), "no", 0)
 *
 * verdict // => { _tag: "Start" }
 * second // => { _tag: "End", because: "Terminal" }
 * ```
 *
 * @since 0.1.0
 * @category steps
 */
export const fail = (
  self: Race,
  rules: Rules,
  failure: Failure.Failure,
  final: "no" | "givenUp" | "always",
  now: Millis
): readonly [Verdict, Race] => {
  const race: Race = { ...self, running: self.running - 1, earlier: [...self.earlier, { failure }] }
  if (final === "always") return [end("Terminal"), race]
  // Our own refusal, and what was given up inside, say nothing of the others, which may still do well.
  if (final === "givenUp" || failure._tag === "Rejected") return stop(race, "Terminal")
  const { deadline, maxAttempts, request } = rules
  const refusal = Decision.refuse({ attempt: self.started, maxAttempts, earlier: self.earlier, request, deadline }, failure)
  if (Option.isSome(refusal)) {
    const { because } = refusal.value
    return because === "Terminal" ? [end(because), race] : stop(race, because)
  }
  if (asksForFewer(failure)) return stop(race, "PushedBack")
  if (isOver(deadline, now)) return stop(race, "DeadlineTooClose")
  return Option.isSome(race.stopped) ? stop(race, race.stopped.value) : [start, race]
}

const asksForFewer = (failure: Failure.Failure): boolean =>
  failure._tag === "Throttled" || Option.isSome(Failure.retryAfter(failure))

const isOver = (deadline: Option.Option<Millis>, at: Millis): boolean => Option.isSome(deadline) && at >= deadline.value
