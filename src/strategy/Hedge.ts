/**
 * Hedging over any Effect: another attempt is begun while the first goes on, and the first good one is what the call gives.
 *
 * One slow server among many makes one call in a hundred slow. Sent again to another after a delay that most calls do not reach, such
 * a call is as fast as its second attempt, for a few per cent more load. A hedge takes the place of a retry: one loop, one counter, one
 * budget.
 *
 * **Example** (The second attempt is the faster one)
 *
 * ```ts
 * import { Hedge } from "effect-resilience"
 * import { Effect } from "effect"
 *
 * let calls = 0
 * const lookup = Effect.suspend(() => ++calls === 1 ? Effect.never : Effect.succeed(`answer ${calls}`))
 *
 * await lookup.pipe(Hedge.hedge({ delay: "5 millis" }), Effect.runPromise) // => "answer 2"
 * ```
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import * as Classifier from "../core/Classifier.ts"
import * as Idempotency from "../core/Idempotency.ts"
import { durationMillis, integerIn } from "../core/InvalidOption.ts"
import { maxDelay } from "../core/Millis.ts"
import * as Contest from "./Contest.ts"
import * as MovingQuantile from "./MovingQuantile.ts"
import type { RetryBudget } from "./RetryBudget.ts"

export { make as movingQuantile, type MovingQuantile } from "./MovingQuantile.ts"

/**
 * How to hedge.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options<in A = never, in E = never> {
  /**
   * How long the latest attempt is waited for before the next is begun: a duration, or what a `movingQuantile` has learned. 0 begins all
   * at once; infinity begins another only after a failure.
   */
  readonly delay: Duration.DurationInput | MovingQuantile.MovingQuantile
  /** How many attempts at most, the first included: 1 to 5. Default: 2. */
  readonly maxAttempts?: number | undefined
  /** What each exit means. Default: `Classifier.errors` for an Effect, `Classifier.http` for a client. */
  readonly classifier?: Classifier.Classifier<A, E> | undefined
  /**
   * What further attempts are paid with; share it with the retries of the same peer. A hedge has no part in its reserve. Default:
   * nothing has to be paid.
   */
  readonly budget?: RetryBudget | undefined
  /** The name of the call in events. Default: "hedge". */
  readonly name?: string | undefined
}

/** The most attempts of a call, as in gRPC. */
const ceiling = 5

/**
 * Checks options and fills in the defaults.
 *
 * @since 0.1.0
 * @category building
 */
export const plan = <A, E>(classifier: Classifier.Classifier<A, E>, options: Options<A, E>): Contest.Plan<A, E> => ({
  classifier: options.classifier ?? classifier,
  delay: delayOf(options.delay),
  maxAttempts: integerIn("Hedge", "maxAttempts", options.maxAttempts ?? 2, { min: 1, max: ceiling }),
  budget: options.budget,
  name: options.name ?? "hedge"
})

const delayOf = (delay: Options["delay"]): Contest.Plan<never, never>["delay"] => {
  if (MovingQuantile.isMovingQuantile(delay)) return delay
  if (delay === Infinity || Duration.isDuration(delay) && !Duration.isFinite(delay)) return maxDelay
  return durationMillis("Hedge", "delay", delay)
}

/** What an effect is to the contest: its own subject, whose attempt is itself, and which holds nothing. */
const anyEffect: Contest.Work<Effect.Effect<never>, never, never, never> = {
  attempt: (self) => self,
  repeatable: () => Idempotency.always,
  spend: () => Effect.void
}

/** What `anyEffect` does holds at every type. */
const workOf = <A, E, R>() => anyEffect as unknown as Contest.Work<Effect.Effect<A, E, R>, A, E, R>

/**
 * Runs an effect, and once more after a delay while the first goes on; gives what comes first and is no failure that can pass.
 *
 * **Details**
 *
 * Whoever writes this says that the effect may be run more than once, and at the same time. A failure that can pass begins the next
 * attempt at once; one that no attempt can change ends the call, and so do a defect and an interruption from inside. Where all
 * fail, the failure that came last is what the call gives. The others are interrupted when one has won, and nobody waits for them. Who
 * interrupts the call waits until all its attempts have ended.
 *
 * **Gotchas**
 *
 * An attempt that holds something (a connection, a lock) must give it back when it is interrupted, and also when it has succeeded
 * and yet lost: let it hold things in a scope of its own.
 *
 * @since 0.1.0
 * @category combinators
 */
export const hedge: {
  /** Runs an effect, and once more after a delay while the first goes on. */
  <A2, E2>(options: Options<A2, E2>): <A extends A2, E extends E2, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** Runs an effect, and once more after a delay while the first goes on. */
  <A, E, R>(self: Effect.Effect<A, E, R>, options: Options<A, E>): Effect.Effect<A, E, R>
} = dual(2, <A, E, R>(self: Effect.Effect<A, E, R>, options: Options<A, E>): Effect.Effect<A, E, R> =>
  Contest.run(plan(Classifier.errors, options), workOf<A, E, R>(), self, "default"))
