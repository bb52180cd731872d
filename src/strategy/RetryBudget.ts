/**
 * A budget for resends, shared by any number of calls: it keeps retries from multiplying the load of a peer that is in trouble.
 *
 * Three attempts a call are three times the load just when there is least to spare. A budget allows resends while they are a small
 * part of what succeeds, and so next to none in a full outage. One handle is shared by everything that sends to the same peer,
 * retries and hedges alike. It is asked before a wait, never after it.
 *
 * **Example** (A peer that is down gets the reserve, and no more)
 *
 * ```ts
 * import { Backoff, Classifier, Retry, RetryBudget, RetrySchedule } from "effect-resilience"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const budget = yield* RetryBudget.make({ ratio: 0.1, floorPerSecond: 1, window: "10 seconds" })
 *   let sent = 0
 *   const call = Effect.suspend(() => Effect.fail(`failure ${++sent}`)).pipe(Retry.retry({
 *     classifier: Classifier.anyError,
 *     schedule: RetrySchedule.fromBackoff(Backoff.constant("0 millis")),
 *     maxAttempts: 3,
 *     budget
 *   }))
 *   for (let i = 0; i < 100; i++) yield* Effect.exit(call)
 *   return sent
 * })
 *
 * await Effect.runPromise(program) // => 110
 * ```
 *
 * @since 0.1.0
 */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Budget from "../core/Budget.ts"
import { monotonic } from "./Guarded.ts"

/**
 * A budget: a handle that is passed as a value.
 *
 * **Details**
 *
 * Its functions do what they say when they are called. They are for whoever sends: `Retry` and `Hedge` call them.
 *
 * @since 0.1.0
 * @category models
 */
export interface RetryBudget {
  /** An attempt succeeded: a first one, or one that had been paid for. */
  readonly succeeded: (clock: Clock.Clock, paid: Budget.Payment | undefined) => void
  /** An attempt failed in a way that could pass. */
  readonly failed: () => void
  /** Pays for a resend; gives nothing where that cannot be paid. */
  readonly withdraw: (clock: Clock.Clock, request: Budget.Request) => Budget.Payment | undefined
  /** Gives back what was paid for a resend that was not sent. */
  readonly refund: (clock: Clock.Clock, payment: Budget.Payment) => void
  /** What is left: see `Budget.balance`. */
  readonly balance: Effect.Effect<number>
}

/**
 * Makes a budget that allows a part of the successes of a window, and a reserve.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options?: Budget.RatioOptions): Effect.Effect<RetryBudget> => allocate(Budget.ratio(options))

/**
 * Makes gRPC's retry throttling: resends while more than half of the tokens are there.
 *
 * @since 0.1.0
 * @category constructors
 */
export const throttle = (options: Budget.ThrottleOptions): Effect.Effect<RetryBudget> => allocate(Budget.throttle(options))

/**
 * Makes the quota of the AWS SDKs: a cost for each kind of failure, given back where the resend succeeds.
 *
 * @since 0.1.0
 * @category constructors
 */
export const quota = (options?: Budget.QuotaOptions): Effect.Effect<RetryBudget> => allocate(Budget.quota(options))

const allocate = (initial: Budget.Budget): Effect.Effect<RetryBudget> => Effect.sync(() => unsafeMake(initial))

/**
 * Makes a budget at once.
 *
 * @since 0.1.0
 * @category building
 */
export const unsafeMake = (initial: Budget.Budget): RetryBudget => {
  let state = initial
  return {
    succeeded: (clock, paid) => {
      state = Budget.succeeded(state, paid, monotonic(clock))
    },
    failed: () => {
      state = Budget.failed(state)
    },
    withdraw: (clock, request) => {
      const paid = Budget.withdraw(state, request, monotonic(clock))
      if (paid === undefined) return undefined
      const [payment, rest] = paid
      state = rest
      return payment
    },
    refund: (clock, payment) => {
      state = Budget.refund(state, payment, monotonic(clock))
    },
    balance: Effect.clockWith((clock) => Effect.sync(() => Budget.balance(state, monotonic(clock))))
  }
}

/**
 * Pays for every resend.
 *
 * @since 0.1.0
 * @category constructors
 */
export const unlimited: RetryBudget = unsafeMake(Budget.unlimited)

/**
 * Pays for no resend.
 *
 * @since 0.1.0
 * @category constructors
 */
export const none: RetryBudget = unsafeMake(Budget.none)
