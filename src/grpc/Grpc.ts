/**
 * Retry and hedging for RPCs, with the rules of gRPC: thin layers over the strategies for any Effect.
 *
 * What fails with an error of `@grpc/grpc-js`, of Connect or of an `@effect/rpc` client is known by its shape (`RpcError`). A server that
 * says when to come back, or not to, is obeyed (`RetryPushback`). A call that the server cannot have seen is sent again once at once.
 *
 * **Example** (Not now, and then an answer)
 *
 * ```ts
 * import { Grpc } from "effect-resilience/grpc"
 * import { Effect } from "effect"
 *
 * let calls = 0
 * const find = Effect.suspend(() =>
 *   ++calls === 1 ? Effect.fail({ code: 14, details: "not now", metadata: { "grpc-retry-pushback-ms": "1" } }) : Effect.succeed("Ada"))
 *
 * await find.pipe(Grpc.retry(), Effect.runPromise) // => "Ada"
 * ```
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import * as Backoff from "../core/Backoff.ts"
import * as Classifier from "../core/Classifier.ts"
import { nonEmpty } from "../core/InvalidOption.ts"
import * as Hedging from "../strategy/Hedge.ts"
import type { RetriesExhausted } from "../strategy/RetriesExhausted.ts"
import * as RetrySchedule from "../strategy/RetrySchedule.ts"
import * as Retrying from "../strategy/Retry.ts"
import * as PushbackSchedule from "./PushbackSchedule.ts"
import * as RpcClassifier from "./RpcClassifier.ts"
import * as RpcError from "./RpcError.ts"

export type { ServiceError } from "./RpcError.ts"
export { type Begun, type Done, unary } from "./Unary.ts"

/**
 * What holds for RPCs.
 *
 * @since 0.1.0
 * @category models
 */
export interface RpcOptions<in A = never, in E = never> extends RpcClassifier.Options {
  /** Asked first what an exit means: for typed errors of your own. Default: `RpcClassifier` with `codes`, and `Classifier.errors` behind it. */
  readonly classifier?: Classifier.Classifier<A, E> | undefined
  /** What becomes of a call that the server cannot have seen: it is sent again once at once, which counts nowhere, or not. Default: "once". */
  readonly unseen?: "once" | "never" | undefined
}

/**
 * How to retry.
 *
 * @since 0.1.0
 * @category models
 */
export interface RetryOptions<in A = never, in E = never, out R = never>
  extends RpcOptions<A, E>, Omit<Retrying.Options<A, E, R>, "classifier">
{}

/**
 * How to hedge.
 *
 * @since 0.1.0
 * @category models
 */
export interface HedgeOptions<in A = never, in E = never> extends RpcOptions<A, E>, Omit<Hedging.Options<A, E>, "classifier"> {}

/**
 * The default schedule: full jitter from 100 ms, doubling up to 20 s, and after an RPC exactly what the server asks for, up to 60 s.
 *
 * @since 0.1.0
 * @category schedules
 */
export const schedule: RetrySchedule.RetrySchedule = RetrySchedule.byFailure({
  RpcFailure: PushbackSchedule.fromBackoff(Backoff.exponential("100 millis").pipe(Backoff.capped("20 seconds"), Backoff.fullJitter))
})

/** A list of codes is looked at even where a classifier goes before it. */
const classifierOf = <A, E>({ classifier, codes }: RpcOptions<A, E>): Classifier.Classifier<A, E> => {
  const rpc = codes === undefined
    ? RpcClassifier.errors
    : Classifier.errors.pipe(Classifier.override(RpcClassifier.make({ codes })), Classifier.named("rpc"))
  return classifier === undefined ? rpc : Classifier.override(rpc, classifier)
}

/** What is repeated: one call, of which one attempt may be made twice. */
const seen = <A, E, R>(self: Effect.Effect<A, E, R>, unseen: RpcOptions["unseen"]): (() => Effect.Effect<A, E, R>) => {
  if (unseen === "never") return () => self
  return () => {
    let isSpent = false
    return Effect.catchAllCause(self, (cause) => {
      if (isSpent || cause._tag !== "Fail" || !RpcError.isUnseen(cause.error)) return Effect.failCause(cause)
      isSpent = true
      return self
    })
  }
}

const planned = <A, E, R>({ classifier, codes, schedule: own, unseen, ...rest }: RetryOptions<A, E, R>) => {
  // None at all is said with one attempt; for a hedge it means that every code ends the call.
  if (codes !== undefined && rest.maxAttempts !== 1) nonEmpty("Grpc.retry", "codes", codes)
  const checked: Retrying.Options<A, E, R> = {
    ...rest,
    name: rest.name ?? "grpc",
    classifier: classifierOf({ classifier, codes }),
    // Without a schedule R is never: nothing but `schedule` mentions it.
    schedule: own ?? schedule as RetrySchedule.RetrySchedule<R>,
    maxAttempts: rest.maxAttempts ?? (own === undefined ? 3 : undefined)
  }
  // Now, and not with the first call.
  Retrying.plan(Classifier.errors, checked)
  return [checked, unseen] as const
}

/**
 * Runs an RPC again while it fails in a way that can pass; at the end returns what the last attempt gave.
 *
 * **Details**
 *
 * After `UNAVAILABLE` and `RESOURCE_EXHAUSTED`, or the `codes` given, and after what `Classifier.errors` knows to pass (a connection that
 * was refused). With `grpc-retry-pushback-ms` the server says when, or that it shall not be; it opens no other gate. What it does to a
 * deadline and to a budget is as with `Retry`.
 *
 * **Gotchas**
 *
 * Whoever writes this says that the call may be made more than once. grpc-js retries by itself where a service config says so: see the
 * guide.
 *
 * @since 0.1.0
 * @category combinators
 */
export const retry: {
  /** Runs an RPC again while it fails in a way that can pass. */
  <A2, E2, R2 = never>(
    options?: RetryOptions<A2, E2, R2>
  ): <A extends A2, E extends E2, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R | R2>
  /** Runs an RPC again while it fails in a way that can pass. */
  <A, E, R, R2 = never>(self: Effect.Effect<A, E, R>, options?: RetryOptions<A, E, R2>): Effect.Effect<A, E, R | R2>
} = dual(
  (args) => Effect.isEffect(args[0]),
  <A, E, R, R2>(self: Effect.Effect<A, E, R>, options: RetryOptions<A, E, R2> = {}): Effect.Effect<A, E, R | R2> => {
    const [plan, unseen] = planned(options)
    const attempts = seen(self, unseen)
    return Effect.suspend(() => Retrying.retry(attempts(), plan))
  }
)

/**
 * Like `retry`, but fails with `RetriesExhausted` and every attempt where it gives up on a failure that could have passed.
 *
 * @since 0.1.0
 * @category combinators
 */
export const retryOrFail: {
  /** Like `retry`, but fails with `RetriesExhausted` where it gives up. */
  <A2, E2, R2 = never>(
    options?: RetryOptions<A2, E2, R2>
  ): <A extends A2, E extends E2, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E | RetriesExhausted, R | R2>
  /** Like `retry`, but fails with `RetriesExhausted` where it gives up. */
  <A, E, R, R2 = never>(
    self: Effect.Effect<A, E, R>,
    options?: RetryOptions<A, E, R2>
  ): Effect.Effect<A, E | RetriesExhausted, R | R2>
} = dual(
  (args) => Effect.isEffect(args[0]),
  <A, E, R, R2>(
    self: Effect.Effect<A, E, R>,
    options: RetryOptions<A, E, R2> = {}
  ): Effect.Effect<A, E | RetriesExhausted, R | R2> => {
    const [plan, unseen] = planned(options)
    const attempts = seen(self, unseen)
    return Effect.suspend(() => Retrying.retryOrFail(attempts(), plan))
  }
)

/**
 * Runs an RPC, and once more after a delay while the first goes on; gives what comes first and is no failure that can pass.
 *
 * **Details**
 *
 * After one of the `codes` ("non-fatal" in gRPC's words) the next attempt begins at once; any other ends the call. A server that pushes
 * back, with a wait or without, is sent no more attempts of this call; those on their way go on.
 *
 * **Gotchas**
 *
 * Whoever writes this says that the call may be made more than once, and at the same time.
 *
 * @since 0.1.0
 * @category combinators
 */
export const hedge: {
  /** Runs an RPC, and once more after a delay while the first goes on. */
  <A2, E2>(options: HedgeOptions<A2, E2>): <A extends A2, E extends E2, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** Runs an RPC, and once more after a delay while the first goes on. */
  <A, E, R>(self: Effect.Effect<A, E, R>, options: HedgeOptions<A, E>): Effect.Effect<A, E, R>
} = dual(2, <A, E, R>(self: Effect.Effect<A, E, R>, options: HedgeOptions<A, E>): Effect.Effect<A, E, R> => {
  const { classifier, codes, unseen, ...rest } = options
  const plan: Hedging.Options<A, E> = { ...rest, name: rest.name ?? "grpc", classifier: classifierOf({ classifier, codes }) }
  // Now, and not with the first call.
  Hedging.plan(Classifier.errors, plan)
  const attempts = seen(self, unseen)
  return Effect.suspend(() => Hedging.hedge(attempts(), plan))
})
