/**
 * What the answer to a call says to a rate limiter: how much more will be taken, and whether this was too much.
 *
 * @since 0.1.0
 */
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Classifier from "./Classifier.ts"
import type * as Failure from "./Failure.ts"
import type { Millis } from "./Millis.ts"
import type * as Outcome from "./Outcome.ts"
import * as RateLimitHeaders from "./RateLimitHeaders.ts"

/**
 * What an answer says.
 *
 * @since 0.1.0
 * @category models
 */
export interface Advice {
  readonly quotas: ReadonlyArray<RateLimitHeaders.Quota>
  /** Whether the call was refused because there were too many: for how many ms from now, where that was said. */
  readonly throttled: "no" | "unsaid" | Millis
}

/**
 * Reads the advice in an exit. `now` is in ms since the epoch.
 *
 * @since 0.1.0
 * @category models
 */
export type Reader<in A, in E> = (exit: Exit.Exit<A, E>, now: Millis) => Advice

/**
 * The advice of an answer that says nothing.
 *
 * @since 0.1.0
 * @category constructors
 */
export const silent: Advice = { quotas: [], throttled: "no" }

/**
 * Learns nothing.
 *
 * @since 0.1.0
 * @category readers
 */
export const none: Reader<unknown, unknown> = () => silent

/**
 * Learns from a failure that is `Throttled`, or an RPC that is RESOURCE_EXHAUSTED, and how long it asks to wait.
 *
 * @since 0.1.0
 * @category readers
 */
export const throttling =
  <A, E>(classifier: Classifier.Classifier<A, E>): Reader<A, E> =>
  (exit, now) => {
    const throttled = throttledBy(Classifier.run(classifier, exit, now))
    return throttled === "no" ? silent : { quotas: [], throttled }
  }

/**
 * Learns from that, and from the quotas that a response tells of, whatever its status: see `RateLimitHeaders`.
 *
 * **Example** (A response that is a success, and the last one for a minute)
 *
 * ```ts
 * import { Advice, Classifier } from "effect-resilience"
 * import { Exit } from "effect"
 *
 * const response = { status: 200, headers: { ratelimit: `"default";r=0;t=60` } }
 *
 * Advice.headers(Classifier.http)(Exit.succeed(response), 0)
 * // => { quotas: [{ name: "default", remaining: 0, reset: 60_000 }], throttled: "no" }
 * ```
 *
 * @since 0.1.0
 * @category readers
 */
export const headers =
  <A extends Classifier.ResponseLike, E>(classifier: Classifier.Classifier<A, E>): Reader<A, E> =>
  (exit, now) => {
    const throttled = throttledBy(Classifier.run(classifier, exit, now))
    if (Exit.isFailure(exit)) return throttled === "no" ? silent : { quotas: [], throttled }
    const quotas = RateLimitHeaders.fromHeaders(exit.value.headers, now)
    return quotas.length === 0 && throttled === "no" ? silent : { quotas, throttled }
  }

const throttledBy = (outcome: Outcome.Outcome): Advice["throttled"] =>
  outcome._tag === "Failed" && isThrottling(outcome.failure)
    ? Option.getOrElse(outcome.failure.retryAfter, () => "unsaid" as const)
    : "no"

const isThrottling = (failure: Failure.Failure): failure is Failure.Throttled | Failure.RpcFailure =>
  failure._tag === "Throttled" || (failure._tag === "RpcFailure" && failure.code === "RESOURCE_EXHAUSTED")
