/**
 * What a policy means: the options of a `ResilientClient` that it stands for.
 *
 * It decides nothing. Each field has its place in one table, a field that is left out stays left out, and "none" stays "none". So a
 * policy behaves as the options do that are written by hand, which is a law with a test.
 *
 * @since 0.1.0
 */
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Backoff from "../core/Backoff.ts"
import * as Classifier from "../core/Classifier.ts"
import * as Failure from "../core/Failure.ts"
import * as LimitPolicy from "../core/LimitPolicy.ts"
import * as Outcome from "../core/Outcome.ts"
import * as TripPolicy from "../core/TripPolicy.ts"
import type * as Window from "../core/Window.ts"
import * as Budget from "../strategy/RetryBudget.ts"
import * as RetrySchedule from "../strategy/RetrySchedule.ts"
import type * as GuardPolicy from "./GuardPolicy.ts"
import type * as Policy from "./Policy.ts"
import type * as ResendPolicy from "./ResendPolicy.ts"
import type * as ResilientClient from "./ResilientClient.ts"
import * as Strategy from "./Strategy.ts"
import type * as WirePolicy from "./WirePolicy.ts"

/**
 * The backoff of a policy.
 *
 * @since 0.1.0
 * @category parts
 */
export const backoff = (policy: ResendPolicy.Backoff): Backoff.Backoff => {
  const capped = Backoff.capped(grown(policy), policy.cap ?? "20 seconds")
  // What is decorrelated is random by itself.
  return policy.kind === "decorrelated" ? capped : jittered(capped, policy.jitter ?? "full")
}

const grown = (policy: ResendPolicy.Backoff): Backoff.Backoff => {
  switch (policy.kind) {
    case "constant":
      return Backoff.constant(policy.delay)
    case "linear":
      return Backoff.linear(policy.base, policy.step)
    case "exponential":
      return Backoff.exponential(policy.base, policy.factor)
    case "fibonacci":
      return Backoff.fibonacci(policy.base)
    case "decorrelated":
      return Backoff.decorrelated(policy.base, policy.factor)
  }
}

const jittered = (self: Backoff.Backoff, jitter: "full" | "equal" | "none" | { readonly proportional: number }): Backoff.Backoff => {
  if (typeof jitter === "object") return Backoff.proportionalJitter(self, jitter.proportional)
  return { full: Backoff.fullJitter, equal: Backoff.equalJitter, none: Backoff.withoutJitter }[jitter](self)
}

/**
 * When a retry of a policy sends again, the number of attempts aside.
 *
 * @since 0.1.0
 * @category parts
 */
export const schedule = ({ backoff: given, byFailure, during, retryAfter }: ResendPolicy.Retry): RetrySchedule.RetrySchedule => {
  const usual: RetrySchedule.RetrySchedule = given === undefined ? RetrySchedule.standard : RetrySchedule.fromBackoff(backoff(given))
  const each = byFailure === undefined ? usual : RetrySchedule.byFailure(casesOf(byFailure, usual), usual)
  const timed = during === undefined ? each : RetrySchedule.during(each, during)
  if (retryAfter === undefined) return timed
  return retryAfter === "ignore" ? RetrySchedule.ignoreRetryAfter(timed) : RetrySchedule.honourRetryAfter(timed, retryAfter)
}

const casesOf = (cases: ResendPolicy.Cases, usual: RetrySchedule.RetrySchedule): RetrySchedule.Cases<never> =>
  Object.fromEntries(Object.entries<ResendPolicy.Case | "none">({ ...cases }).map(([tag, given]) => [tag, scheduleOf(given, usual)]))

const scheduleOf = (given: ResendPolicy.Case | "none", usual: RetrySchedule.RetrySchedule): RetrySchedule.RetrySchedule => {
  if (given === "none") return RetrySchedule.none
  const own = given.backoff === undefined ? usual : RetrySchedule.fromBackoff(backoff(given.backoff))
  return given.maxAttempts === undefined ? own : RetrySchedule.maxAttempts(own, given.maxAttempts)
}

const retry = (policy: ResendPolicy.Retry): ResilientClient.Options["retry"] => ({
  schedule: schedule(policy),
  maxAttempts: policy.maxAttempts ?? 3,
  givenUp: policy.givenUp,
  keyHeaders: policy.keyHeaders,
  resend: policy.resend
})

const budget = (policy: ResendPolicy.Budget | "unlimited"): ResilientClient.Options["budget"] => {
  if (policy === "unlimited") return Budget.unlimited
  switch (policy.kind) {
    case "ratio":
      return Budget.make(policy)
    case "throttle":
      return Budget.throttle(policy)
    case "quota":
      return Budget.quota(policy)
  }
}

const trip = (policy: GuardPolicy.TripPolicy): TripPolicy.TripPolicy => {
  switch (policy.kind) {
    case "consecutive":
      return TripPolicy.consecutive(policy.failures)
    case "rate":
      return TripPolicy.rate({ ...policy, window: windowOf(policy.window) })
    case "slowRate":
      return TripPolicy.slowRate({ ...policy, window: windowOf(policy.window) })
    case "anyOf": {
      const [first = TripPolicy.never, ...others] = policy.policies.map(trip)
      return TripPolicy.anyOf(first, ...others)
    }
  }
}

const windowOf = (window: number | { readonly calls: number } | undefined): Window.Options | undefined =>
  typeof window === "number" ? { duration: window } : window

/** One state for the client, under its own name, or else the state of the origin. */
const keyOf = (per: "origin" | "client" | undefined) => per === "client" ? () => "client" : undefined

const breaker = ({ openDuration, per, tripPolicy, ...policy }: GuardPolicy.CircuitBreaker, name: string | undefined) =>
  Strategy.circuitBreaker({
    ...policy,
    name,
    key: keyOf(per),
    tripPolicy: tripPolicy === undefined ? undefined : trip(tripPolicy),
    openDuration: typeof openDuration === "object" ? backoff(openDuration) : openDuration
  })

const bulkhead = ({ keys, per, ...policy }: GuardPolicy.Bulkhead, name: string | undefined) =>
  Strategy.bulkhead({ ...policy, name, key: keyOf(per), capacity: keys })

const adaptiveLimit = (policy: GuardPolicy.AdaptiveLimit, name: string | undefined) =>
  Strategy.adaptiveLimit({
    policy: policy.kind === "aimd" ? LimitPolicy.aimd(policy) : LimitPolicy.gradient(policy),
    name,
    key: keyOf(policy.per),
    queue: policy.queue,
    maxWait: policy.maxWait,
    capacity: policy.keys,
    idle: policy.idle
  })

const rateLimit = ({ idle, keys, kind, per, ...policy }: GuardPolicy.RateLimit, name: string | undefined) =>
  Strategy.rateLimit({ ...policy, algorithm: kind, name, key: keyOf(per), keys: { capacity: keys, idle } })

const throttle = ({ idle, keys, per, ...policy }: GuardPolicy.AdaptiveThrottle, name: string | undefined) =>
  Strategy.adaptiveThrottle({ ...policy, name, key: keyOf(per), keys: { capacity: keys, idle } })

type Fault = WirePolicy.Chaos["faults"][number]

const fault = (policy: Fault) => {
  switch (policy.kind) {
    case "latency":
      return { latency: policy.latency, rate: policy.rate }
    case "response":
      return policy
    case "connection":
      return { connection: policy.code, rate: policy.rate }
    case "cut":
      return { cutAfter: policy.after, rate: policy.rate }
  }
}

const fallback = (policy: WirePolicy.Fallback, name: string | undefined) =>
  policy.kind === "value"
    ? Strategy.fallback({ value: policy, on: policy.on, name })
    : Strategy.lastGood({ ...policy, kind: policy.responses, name })

/** What a rule leaves out is as in the client, its schedule too. */
const rule = ({ use, when }: Policy.Rule) => ({
  when,
  use: {
    ...use,
    retry: given(use.retry, (policy) => {
      const { backoff, byFailure, during, givenUp, maxAttempts, resend, retryAfter } = policy
      const isAsInClient = [backoff, byFailure, during, retryAfter].every((part) => part === undefined)
      return { schedule: isAsInClient ? undefined : schedule(policy), maxAttempts, givenUp, resend }
    })
  }
})

const meanings: { readonly [K in keyof Policy.Statuses]-?: Parameters<typeof Classifier.onStatus>[2] } = {
  Success: () => Outcome.success,
  Throttled: ({ status }, retryAfter) => Outcome.failed(Failure.throttled({ status, retryAfter })),
  Unavailable: ({ status }, retryAfter) => Outcome.failed(Failure.unavailable({ status, retryAfter })),
  Refused: ({ status }) => Outcome.failed(Failure.refused(status))
}

/**
 * What statuses mean to the strategies of a policy.
 *
 * @since 0.1.0
 * @category parts
 */
export const classifier = (policy: Policy.Statuses): Classifier.Classifier<HttpClientResponse.HttpClientResponse> =>
  ([["Success", policy.Success], ["Throttled", policy.Throttled], ["Unavailable", policy.Unavailable], ["Refused", policy.Refused]] as const)
    .reduce<Classifier.Classifier<Classifier.ResponseLike, unknown>>(
      (self, [name, statuses]) =>
        statuses === undefined ? self : Classifier.override(self, Classifier.onStatus(`${name} ${statuses.join(" ")}`, statuses, meanings[name])),
      Classifier.http
    )

/** What is left out stays left out, and "none" is said as it is. */
const given = <A extends object, B>(policy: A | "none" | undefined, f: (policy: A) => B): B | "none" | undefined =>
  typeof policy === "object" ? f(policy) : policy

/** The same of a field that has no "none". */
const known = <A, B>(policy: A | undefined, f: (policy: A) => B): B | undefined => policy === undefined ? undefined : f(policy)

/**
 * The options that a policy stands for.
 *
 * **Example** (A client of a policy)
 *
 * ```ts
 * import { Interpreter, Policy, ResilientClient } from "effect-resilience"
 * import { HttpScript } from "effect-resilience/testing"
 * import { Effect } from "effect"
 *
 * const policy = Policy.make({ retry: { maxAttempts: 2, backoff: { kind: "constant", delay: "1 milli" } } })
 *
 * const program = Effect.gen(function*() {
 *   const users = yield* ResilientClient.make(Interpreter.options(policy))
 *   return (yield* users.get("http://users.test/1")).status
 * })
 *
 * await program.pipe(Effect.provide(HttpScript.layer([{ status: 503 }, { status: 200 }])), Effect.runPromise) // => 200
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const options = (policy: Policy.Policy): ResilientClient.Options => {
  const { name } = policy
  return {
    name,
    classifier: known(policy.statuses, classifier),
    chaos: given(policy.chaos, ({ faults }) => Strategy.chaos({ faults: faults.map(fault) })),
    deadlineHeader: given(policy.deadlineHeader, Strategy.deadlineHeader),
    attemptHeader: given(policy.attemptHeader, Strategy.attemptHeader),
    bufferedBody: given(policy.bufferedBody, Strategy.bufferedBody),
    attemptTimeout: policy.attemptTimeout,
    redirects: given(policy.redirects, Strategy.redirects),
    rateLimit: given(policy.rateLimit, (policy) => rateLimit(policy, name)),
    circuitBreaker: given(policy.circuitBreaker, (policy) => breaker(policy, name)),
    adaptiveThrottle: given(policy.adaptiveThrottle, (policy) => throttle(policy, name)),
    adaptiveLimit: given(policy.adaptiveLimit, (policy) => adaptiveLimit(policy, name)),
    bulkhead: given(policy.bulkhead, (policy) => bulkhead(policy, name)),
    endpoints: given(policy.endpoints, Strategy.endpoints),
    retry: given(policy.retry, retry),
    hedge: given(policy.hedge, Strategy.hedge),
    budget: known(policy.budget, budget),
    idempotencyKey: given(policy.idempotencyKey, Strategy.idempotencyKey),
    fallback: given(policy.fallback, (policy) => fallback(policy, name)),
    deadline: policy.deadline,
    perRequest: given(policy.perRequest, (rules) => Strategy.perRequest(rules.map(rule)))
  }
}
