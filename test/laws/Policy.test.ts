import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fc from "effect/FastCheck"
import * as HttpClient from "@effect/platform/HttpClient"
import * as timers from "node:timers/promises"
import * as Backoff from "../../src/core/Backoff.ts"
import * as Classifier from "../../src/core/Classifier.ts"
import * as Failure from "../../src/core/Failure.ts"
import * as LimitPolicy from "../../src/core/LimitPolicy.ts"
import * as Outcome from "../../src/core/Outcome.ts"
import * as Fallback from "../../src/http/Fallback.ts"
import * as LastResponse from "../../src/http/LastResponse.ts"
import type * as Middleware from "../../src/http/Middleware.ts"
import type * as GuardPolicy from "../../src/policy/GuardPolicy.ts"
import * as Interpreter from "../../src/policy/Interpreter.ts"
import * as Policy from "../../src/policy/Policy.ts"
import * as PolicyClient from "../../src/policy/PolicyClient.ts"
import type * as ResendPolicy from "../../src/policy/ResendPolicy.ts"
import * as Resilience from "../../src/policy/Resilience.ts"
import * as ResilientClient from "../../src/policy/ResilientClient.ts"
import * as AdaptiveLimit from "../../src/strategy/AdaptiveLimit.ts"
import * as AdaptiveThrottle from "../../src/strategy/AdaptiveThrottle.ts"
import * as Bulkhead from "../../src/strategy/Bulkhead.ts"
import * as CircuitBreaker from "../../src/strategy/CircuitBreaker.ts"
import * as MovingQuantile from "../../src/strategy/MovingQuantile.ts"
import * as RateLimit from "../../src/strategy/RateLimit.ts"
import * as RetryBudget from "../../src/strategy/RetryBudget.ts"
import * as RetrySchedule from "../../src/strategy/RetrySchedule.ts"
import { anyLoad, anyPolicy, anyPolicyAtOnce, anyScript, anyStreams, parts, play, playScript } from "../support/policies.ts"

type Client = HttpClient.HttpClient.With<unknown>

// A policy written out as a pipe, by hand, of the combinators that a program would use, in the order that DESIGN gives. Nothing of
// src/policy but `Resilience` is used.

const backoff = (policy: ResendPolicy.Backoff): Backoff.Backoff => {
  const base = policy.kind === "constant"
    ? Backoff.constant(policy.delay)
    : policy.kind === "linear"
    ? Backoff.linear(policy.base, policy.step ?? policy.base)
    : policy.kind === "exponential"
    ? Backoff.exponential(policy.base, policy.factor ?? 2)
    : policy.kind === "fibonacci"
    ? Backoff.fibonacci(policy.base)
    : Backoff.decorrelated(policy.base, policy.factor ?? 3)
  const capped = base.pipe(Backoff.capped(policy.cap ?? 20_000))
  if (policy.kind === "decorrelated") return capped
  const { jitter = "full" } = policy
  if (jitter === "full") return capped.pipe(Backoff.fullJitter)
  if (jitter === "equal") return capped.pipe(Backoff.equalJitter)
  return jitter === "none" ? capped : capped.pipe(Backoff.proportionalJitter(jitter.proportional))
}

const schedule = (retry: ResendPolicy.Retry): RetrySchedule.RetrySchedule => {
  const usual: RetrySchedule.RetrySchedule = retry.backoff ? RetrySchedule.fromBackoff(backoff(retry.backoff)) : RetrySchedule.standard
  const one = (tag: keyof ResendPolicy.Cases): RetrySchedule.RetrySchedule | undefined => {
    const each = retry.byFailure?.[tag]
    if (each === undefined || each === "none") return each && RetrySchedule.none
    const own = each.backoff ? RetrySchedule.fromBackoff(backoff(each.backoff)) : usual
    return each.maxAttempts ? own.pipe(RetrySchedule.maxAttempts(each.maxAttempts)) : own
  }
  const each = RetrySchedule.byFailure({
    ConnectFailure: one("ConnectFailure"),
    ConnectionLost: one("ConnectionLost"),
    AttemptTimedOut: one("AttemptTimedOut"),
    Throttled: one("Throttled"),
    Unavailable: one("Unavailable"),
    ServerFault: one("ServerFault"),
    RpcFailure: one("RpcFailure"),
    Rejected: one("Rejected")
  }, usual)
  const timed = retry.during === undefined ? each : each.pipe(RetrySchedule.during(retry.during))
  if (retry.retryAfter === "ignore") return RetrySchedule.ignoreRetryAfter(timed)
  return retry.retryAfter === undefined
    ? timed
    : timed.pipe(RetrySchedule.honourRetryAfter({ atMost: retry.retryAfter.atMost ?? 60_000, jitter: retry.retryAfter.jitter ?? 0 }))
}

const trip = (policy: GuardPolicy.TripPolicy): CircuitBreaker.TripPolicy => {
  if (policy.kind === "consecutive") return CircuitBreaker.consecutive(policy.failures)
  if (policy.kind === "anyOf") {
    const [first, ...others] = policy.policies.map(trip)
    return CircuitBreaker.anyOf(first!, ...others)
  }
  const recent = {
    threshold: policy.threshold ?? 0.5,
    minimumCalls: policy.minimumCalls ?? 10,
    window: typeof policy.window === "object" ? policy.window : { duration: policy.window ?? 30_000 }
  }
  return policy.kind === "rate" ? CircuitBreaker.rate(recent) : CircuitBreaker.slowRate({ ...recent, slowerThan: policy.slowerThan })
}

const keyOf = (per?: "origin" | "client") => per === "client" ? { key: () => "client" } : {}

const byHand = (policy: Policy.Policy): Effect.Effect<(client: HttpClient.HttpClient) => Client> =>
  Effect.gen(function*() {
    const name = policy.name ?? "http"
    const named = policy.name === undefined ? {} : { name }
    const { Refused = [], Success = [], Throttled = [], Unavailable = [] } = policy.statuses ?? {}
    const classifier = Classifier.override(
      Classifier.http,
      Classifier.make<Classifier.ResponseLike, unknown>("the statuses of the policy", (exit, now) => {
        const one = (statuses: ReadonlyArray<number>, to: Parameters<typeof Classifier.onStatus>[2]) =>
          statuses.length === 0 ? Classifier.make("no opinion", () => ({ _tag: "None" } as never)) : Classifier.onStatus("one", statuses, to)
        return Classifier.orElse(
          Classifier.orElse(
            one(Success, () => Outcome.success),
            one(Throttled, ({ status }, retryAfter) => Outcome.failed(Failure.throttled({ status, retryAfter })))
          ),
          Classifier.orElse(
            one(Unavailable, ({ status }, retryAfter) => Outcome.failed(Failure.unavailable({ status, retryAfter }))),
            one(Refused, ({ status }) => Outcome.failed(Failure.refused(status)))
          )
        ).classify(exit, now)
      })
    )
    const layers: Array<(client: Client) => Client> = []
    const add = (layer: (client: Client) => Client) => void layers.push(layer)

    if (policy.chaos !== undefined && policy.chaos !== "none") {
      add(Resilience.withChaos({
        faults: policy.chaos.faults.map((fault) =>
          fault.kind === "latency"
            ? { latency: fault.latency, rate: fault.rate }
            : fault.kind === "connection"
            ? { connection: fault.code, rate: fault.rate }
            : fault.kind === "cut"
            ? { cutAfter: fault.after, rate: fault.rate }
            : { status: fault.status, headers: fault.headers, body: fault.body, rate: fault.rate }
        )
      }))
    }
    if (typeof policy.deadlineHeader === "object") add(Resilience.withDeadlineHeader(policy.deadlineHeader))
    if (typeof policy.attemptHeader === "object") add(Resilience.withAttemptHeader(policy.attemptHeader))
    if (typeof policy.bufferedBody === "object") add(Resilience.withBufferedBody(policy.bufferedBody))
    if (policy.attemptTimeout !== "none") add(Resilience.withAttemptTimeout(policy.attemptTimeout ?? 10_000))
    add(Resilience.withMetrics(name))
    add(Resilience.withAttemptSpan)
    if (typeof policy.redirects === "object") add(Resilience.withRedirects(policy.redirects))
    if (typeof policy.rateLimit === "object") {
      const { rateLimit } = policy
      const limiter = yield* RateLimit.make({
        ...named,
        limit: rateLimit.limit,
        window: rateLimit.window,
        algorithm: rateLimit.kind,
        burst: rateLimit.kind === "token-bucket" ? rateLimit.burst : undefined,
        onLimit: rateLimit.onLimit,
        maxWait: rateLimit.maxWait,
        queue: rateLimit.queue,
        pause: rateLimit.pause,
        pauseAtMost: rateLimit.pauseAtMost,
        keys: { capacity: rateLimit.keys, idle: rateLimit.idle }
      })
      add(Resilience.withRateLimit({ limiter, learn: rateLimit.learn, classifier, ...keyOf(rateLimit.per) }))
    }
    if (typeof policy.circuitBreaker === "object") {
      const { openDuration, per, tripPolicy, ...others } = policy.circuitBreaker
      const breaker = yield* CircuitBreaker.make({
        ...named,
        ...others,
        ...(tripPolicy === undefined ? {} : { tripPolicy: trip(tripPolicy) }),
        ...(openDuration === undefined ? {} : { openDuration: typeof openDuration === "number" ? openDuration : backoff(openDuration) })
      })
      add(Resilience.withCircuitBreaker({ breaker, classifier, ...keyOf(per) }))
    }
    if (typeof policy.adaptiveThrottle === "object") {
      const { idle, k, keys, minimumRequests, per, sendEvery, window } = policy.adaptiveThrottle
      const throttle = yield* AdaptiveThrottle.make({ ...named, k, minimumRequests, sendEvery, window, keys: { capacity: keys, idle } })
      add(Resilience.withAdaptiveThrottle({ throttle, classifier, ...keyOf(per) }))
    }
    if (typeof policy.adaptiveLimit === "object") {
      const given = policy.adaptiveLimit
      const limit = yield* AdaptiveLimit.make({
        ...named,
        policy: given.kind === "aimd" ? LimitPolicy.aimd(given) : LimitPolicy.gradient(given),
        queue: given.queue,
        maxWait: given.maxWait,
        capacity: given.keys,
        idle: given.idle
      })
      add(Resilience.withAdaptiveLimit({ limit, classifier, ...keyOf(given.per) }))
    }
    if (typeof policy.bulkhead === "object") {
      const { holdUntil, idle, keys, maxWait, per, permits, queue } = policy.bulkhead
      const bulkhead = yield* Bulkhead.make({ ...named, permits, queue, maxWait, capacity: keys, idle })
      add(Resilience.withBulkhead({ bulkhead, holdUntil, ...keyOf(per) }))
    }
    if (typeof policy.endpoints === "object") add(Resilience.withEndpoints(policy.endpoints))
    const ownKey = typeof policy.idempotencyKey === "object" && policy.idempotencyKey.header !== undefined
      ? { keyHeaders: [policy.idempotencyKey.header] }
      : {}
    const budget = policy.budget === undefined
      ? yield* RetryBudget.make()
      : policy.budget === "unlimited"
      ? RetryBudget.unlimited
      : policy.budget.kind === "ratio"
      ? yield* RetryBudget.make(policy.budget)
      : policy.budget.kind === "throttle"
      ? yield* RetryBudget.throttle(policy.budget)
      : yield* RetryBudget.quota(policy.budget)
    if (typeof policy.hedge === "object") {
      const { delay, keyHeaders, maxAttempts, resend } = policy.hedge
      add(Resilience.withHedge({
        delay: typeof delay === "object" ? yield* MovingQuantile.make(delay) : delay,
        classifier,
        maxAttempts,
        resend,
        budget,
        name,
        ...ownKey,
        ...(keyHeaders === undefined ? {} : { keyHeaders })
      }))
    } else if (policy.retry !== "none") {
      const retry = policy.retry ?? {}
      add(Resilience.withRetry({
        schedule: schedule(retry),
        classifier,
        maxAttempts: retry.maxAttempts ?? 3,
        givenUp: retry.givenUp,
        resend: retry.resend,
        budget,
        name,
        ...ownKey,
        ...(retry.keyHeaders === undefined ? {} : { keyHeaders: retry.keyHeaders })
      }))
    }
    if (typeof policy.idempotencyKey === "object") add(Resilience.withIdempotencyKey(policy.idempotencyKey))
    if (typeof policy.fallback === "object") {
      const { fallback } = policy
      const on = fallback.on ?? Fallback.outage
      if (fallback.kind === "value") {
        add(Resilience.withFallback({
          ...named,
          classifier,
          on,
          value: { status: fallback.status, headers: fallback.headers, body: fallback.body }
        }))
      } else {
        const lastGood = yield* LastResponse.make({ ...fallback, kind: fallback.responses })
        add(Resilience.withFallback({ ...named, classifier, on, lastGood }))
      }
    }
    if (policy.deadline !== "none") add(Resilience.withDeadline(policy.deadline ?? 30_000))
    if (typeof policy.perRequest === "object") {
      add(Resilience.withPerRequest(policy.perRequest.map(({ use, when }) => {
        if (use.retry === undefined || use.retry === "none") return { when, use: { ...use, retry: use.retry } }
        const { givenUp, maxAttempts, resend } = use.retry
        const own = use.retry.backoff || use.retry.byFailure || use.retry.during || use.retry.retryAfter ? { schedule: schedule(use.retry) } : {}
        return { when, use: { ...use, retry: { ...own, maxAttempts, givenUp, resend } } }
      })))
    }
    add(Resilience.withCallSpan(name))
    return (client) => layers.reduce<Client>((inner, layer) => layer(inner), client)
  })

/** The same as a middleware, so that both are put round a client in the same way. */
const asMiddleware = (making: Effect.Effect<(client: HttpClient.HttpClient) => Client>): Effect.Effect<Middleware.Middleware<unknown>> =>
  Effect.map(making, (pipe): Middleware.Middleware<unknown> => (handler) => {
    // What a handler fails with and needs is the platform's and nothing here.
    const inner = HttpClient.makeWith(Effect.flatMap(handler), Effect.succeed) as unknown as HttpClient.HttpClient
    return pipe(inner).execute as never
  })

/** A hundred runs at a time, and between them a turn of the event loop, which the reporter of the tests wants to have now and then. */
const thousand = async <Ts extends ReadonlyArray<unknown>>(property: fc.IProperty<[...Ts]>) => {
  for (let i = 0; i < 10; i++) {
    fc.assert(property, { numRuns: 100 })
    await timers.setImmediate()
  }
}

describe("a policy", () => {
  it("equals its hand-written pipe in outcomes, timeline, requests, events and spans", () =>
    thousand(
      fc.property(anyPolicyAtOnce, anyScript, anyLoad, fc.integer(), (policy, script, load, seed) => {
        const ours = play(PolicyClient.middleware(policy), script, load, seed)
        const theirs = play(asMiddleware(byHand(policy)), script, load, seed)
        for (const [i, part] of parts.entries()) assert.strictEqual(ours[i], theirs[i], part)
      })
    ), 240_000)

  it("equals it too where bodies come in pieces, and lets go of the same", () =>
    fc.assert(
      fc.asyncProperty(anyPolicy, anyStreams, anyLoad, fc.integer(), async (policy, script, load, seed) => {
        const ours = await Effect.runPromise(playScript(PolicyClient.middleware(policy), script, load, seed))
        const theirs = await Effect.runPromise(playScript(asMiddleware(byHand(policy)), script, load, seed))
        for (const [i, part] of parts.entries()) assert.strictEqual(ours[i], theirs[i], part)
      }),
      { numRuns: 20 }
    ), 240_000)

  it("comes back as it was from its own text", () =>
    thousand(
      fc.property(anyPolicy, (policy) => {
        const text = JSON.stringify(Policy.encode(policy))
        const decoded = Effect.runSync(Policy.decode(JSON.parse(text)))
        assert.deepStrictEqual(decoded, policy)
        assert.isTrue(Policy.equivalence(decoded, policy))
        assert.strictEqual(JSON.stringify(Policy.encode(decoded)), text)
      })
    ), 240_000)

  it("says the same as itself, and as another only where both are written alike", () =>
    thousand(
      fc.property(anyPolicy, anyPolicy, fc.boolean(), (one, other, same) => {
        const that: Policy.Policy = same ? structuredClone(one) : other
        assert.strictEqual(Policy.equivalence(one, that), JSON.stringify(Policy.encode(one)) === JSON.stringify(Policy.encode(that)))
      })
    ), 240_000)

  it("that has been decoded is one that a client can be made of", () =>
    thousand(
      fc.property(anyPolicy, (policy) => {
        ResilientClient.chosen(Interpreter.options(policy))
      })
    ), 240_000)
})
