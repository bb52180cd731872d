/**
 * gRPC's service config at work: `GrpcServiceConfig` in terms of the strategies.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Backoff from "../core/Backoff.ts"
import * as GrpcServiceConfig from "../policy/GrpcServiceConfig.ts"
import type * as InvalidPolicy from "../policy/InvalidPolicy.ts"
import * as Deadline from "../strategy/Deadline.ts"
import * as RetryBudget from "../strategy/RetryBudget.ts"
import * as Grpc from "./Grpc.ts"
import * as PushbackSchedule from "./PushbackSchedule.ts"

/**
 * How a retry policy is kept.
 *
 * **Details**
 *
 * Delays are those of gRPC: `initialBackoff` times `backoffMultiplier` for each resend before, up to `maxBackoff`, and 20 % more or less.
 * Unlike there, no delay is longer than `maxBackoff` by jitter. A multiplier below 1, with which delays would shrink, counts as 1, and a
 * backoff below 1 ms as 1 ms.
 *
 * @since 0.1.0
 * @category conversions
 */
export const retryOptions = (policy: GrpcServiceConfig.RetryPolicy) => ({
  codes: policy.retryableStatusCodes,
  maxAttempts: policy.maxAttempts,
  schedule: PushbackSchedule.fromBackoff(backoff(policy))
})

/**
 * The backoff of a retry policy.
 *
 * @since 0.1.0
 * @category conversions
 */
export const backoff = ({ backoffMultiplier, initialBackoff, maxBackoff }: GrpcServiceConfig.RetryPolicy): Backoff.Backoff =>
  Backoff.exponential(Math.max(initialBackoff, 1), Math.max(backoffMultiplier, 1)).pipe(
    Backoff.capped(Math.max(maxBackoff, 1)),
    Backoff.proportionalJitter(0.2)
  )

/**
 * How a hedging policy is kept.
 *
 * @since 0.1.0
 * @category conversions
 */
export const hedgeOptions = ({ hedgingDelay, maxAttempts, nonFatalStatusCodes }: GrpcServiceConfig.HedgingPolicy) => ({
  codes: nonFatalStatusCodes,
  delay: hedgingDelay,
  maxAttempts
})

/**
 * A service config at work for one server: its throttling is shared by all that is made of it.
 *
 * @since 0.1.0
 * @category models
 */
export interface ServiceConfig {
  /**
   * Makes calls of a method, by its path, as the config has them. Without a policy for it they are as they were, but for what the server
   * cannot have seen.
   */
  readonly protect: (
    path: string
  ) => <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E | Deadline.DeadlineExceeded, R>
  /** What resends are paid with; unlimited where nothing is said. */
  readonly budget: RetryBudget.RetryBudget
}

/**
 * Reads a service config, and makes its budget: once for each server.
 *
 * **Example** (A method that is retried, and one that is not)
 *
 * ```ts
 * import { ServiceConfig } from "effect-resilience/grpc"
 * import { Effect } from "effect"
 *
 * const json = {
 *   methodConfig: [{
 *     name: [{ service: "users.Users", method: "Find" }],
 *     timeout: "2s",
 *     retryPolicy: {
 *       maxAttempts: 3,
 *       initialBackoff: "0.001s",
 *       maxBackoff: "0.01s",
 *       backoffMultiplier: 2,
 *       retryableStatusCodes: ["UNAVAILABLE"]
 *     }
 *   }],
 *   retryThrottling: { maxTokens: 10, tokenRatio: 0.1 }
 * }
 *
 * const program = Effect.gen(function*() {
 *   const users = yield* ServiceConfig.make(json)
 *   let sent = 0
 *   const call = Effect.suspend(() => Effect.fail({ code: 14, details: `failure ${++sent}` }))
 *   yield* Effect.exit(call.pipe(users.protect("/users.Users/Find")))
 *   yield* Effect.exit(call.pipe(users.protect("/users.Users/Rename")))
 *   return [sent, yield* users.budget.balance]
 * })
 *
 * await Effect.runPromise(program) // => [4, 7]
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (json: unknown): Effect.Effect<ServiceConfig, InvalidPolicy.InvalidPolicy> =>
  Effect.gen(function*() {
    const config = yield* GrpcServiceConfig.decode(json)
    const budget = Option.isSome(config.retryThrottling)
      ? yield* RetryBudget.throttle(config.retryThrottling.value)
      : RetryBudget.unlimited
    return { budget, protect: (path) => protection(GrpcServiceConfig.forMethod(config, path), budget) }
  })

const protection = ({ resending, timeout }: GrpcServiceConfig.MethodConfig, budget: RetryBudget.RetryBudget) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E | Deadline.DeadlineExceeded, R> => {
    const call = resent(self, resending, budget)
    return Option.isNone(timeout) ? call : Deadline.within(call, timeout.value)
  }

const resent = <A, E, R>(
  self: Effect.Effect<A, E, R>,
  resending: GrpcServiceConfig.MethodConfig["resending"],
  budget: RetryBudget.RetryBudget
): Effect.Effect<A, E, R> => {
  switch (resending._tag) {
    case "Retry":
      return Grpc.retry(self, { ...retryOptions(resending.policy), budget })
    case "Hedging":
      return Grpc.hedge(self, { ...hedgeOptions(resending.policy), budget })
    case "None":
      // Such a call fills the budget, and no code of it takes from it.
      return Grpc.retry(self, { codes: [], maxAttempts: 1, budget })
  }
}
