/**
 * What the guards and a budget add to a call that succeeds, and what many keys cost instead of one.
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Resilience from "effect-resilience/policy/Resilience"
import * as AdaptiveLimit from "effect-resilience/strategy/AdaptiveLimit"
import * as AdaptiveThrottle from "effect-resilience/strategy/AdaptiveThrottle"
import * as Bulkhead from "effect-resilience/strategy/Bulkhead"
import * as CircuitBreaker from "effect-resilience/strategy/CircuitBreaker"
import * as RateLimit from "effect-resilience/strategy/RateLimit"
import * as RetryBudget from "effect-resilience/strategy/RetryBudget"
import * as Effect from "effect/Effect"
import * as Noop from "./noop.ts"
import type { Candidate, Contest } from "./rows.ts"

type Client = HttpClient.HttpClient.With<unknown>

const many = 10_000
const oneUrl = [Noop.url]
const oneOrigin = Array.from({ length: many }, (_, i) => `http://users-${many}.test/v1/users/${i}`)
const manyOrigins = Array.from({ length: many }, (_, i) => `http://users-${i}.test/v1/users/1`)

/** Goes round these URLs. */
const get = (name: string, client: Client, urls: ReadonlyArray<string> = oneUrl): Candidate => {
  let next = 0
  return {
    name,
    call: () => {
      next = next + 1 === urls.length ? 0 : next + 1
      return Effect.flatMap(client.get(urls[next] ?? Noop.url), (response) => response.text)
    }
  }
}

/** One that has been round once: to make the state of a key is another thing than to have ten thousand. */
const seasoned = (name: string, client: Client, urls: ReadonlyArray<string>): Candidate => {
  const candidate = get(name, client, urls)
  Effect.runSync(Effect.withTracerEnabled(Effect.forEach(urls, candidate.call, { discard: true }), false))
  return candidate
}

/** None of them rejects anything: what is measured is a call that is sent. */
const make = <A>(effect: Effect.Effect<A>): A => Effect.runSync(effect)
const breaker = () => Resilience.withCircuitBreaker({ breaker: make(CircuitBreaker.make()) })
const bulkhead = () => ({ bulkhead: make(Bulkhead.make({ permits: 100 })) })
const rateLimit = () => ({ limiter: make(RateLimit.make({ limit: 1_000_000_000, window: "1 second" })) })

/** To be measured with tracing off. */
export const guards = (nullCheck: string): ReadonlyArray<Contest> => {
  const bare = Noop.prompt()
  return [
    {
      name: "guards",
      title: "Success at the first attempt, answered at once, guarded, tracing off",
      base: get("bare", bare),
      others: [
        get(nullCheck, Noop.prompt()),
        get("circuit breaker", breaker()(bare)),
        get("bulkhead", Resilience.withBulkhead(bulkhead())(bare)),
        get("bulkhead, until the body is over", Resilience.withBulkhead({ ...bulkhead(), holdUntil: "body" })(bare)),
        get("rate limit", Resilience.withRateLimit(rateLimit())(bare)),
        get("adaptive limit", Resilience.withAdaptiveLimit({ limit: make(AdaptiveLimit.make()) })(bare)),
        get("adaptive throttle", Resilience.withAdaptiveThrottle({ throttle: make(AdaptiveThrottle.make()) })(bare))
      ]
    },
    {
      name: "budget",
      title: "A retry whose first attempt succeeds, tracing off",
      base: get("retry, no budget", Resilience.withRetry()(bare)),
      others: [
        get("no budget again (null check)", Resilience.withRetry()(bare)),
        get("retry with a budget", Resilience.withRetry({ budget: make(RetryBudget.make()) })(bare))
      ]
    },
    {
      name: "keys",
      title: "A circuit breaker over 10,000 URLs in turn, tracing off",
      callsOfTurn: many,
      base: seasoned("one key", breaker()(bare), oneOrigin),
      others: [
        seasoned("one key again (null check)", breaker()(bare), oneOrigin),
        seasoned("10,000 keys", breaker()(bare), manyOrigins)
      ]
    }
  ]
}
