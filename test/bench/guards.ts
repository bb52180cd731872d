/**
 * What the guards add to a call that succeeds, and what many keys add to one.
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Resilience from "effect-resilience/policy/Resilience"
import * as AdaptiveLimit from "effect-resilience/strategy/AdaptiveLimit"
import * as Bulkhead from "effect-resilience/strategy/Bulkhead"
import * as CircuitBreaker from "effect-resilience/strategy/CircuitBreaker"
import * as Effect from "effect/Effect"
import * as Noop from "./noop.ts"
import type { Candidate, Contest } from "./rows.ts"

type Client = HttpClient.HttpClient.With<unknown>

/** Goes round these origins. */
const get = (name: string, client: Client, origins: number): Candidate => {
  const urls = Array.from({ length: origins }, (_, i) => origins === 1 ? Noop.url : `http://users-${i}.test/v1/users/1`)
  let next = 0
  return {
    name,
    call: () => {
      next = next + 1 === origins ? 0 : next + 1
      return Effect.flatMap(client.get(urls[next] ?? Noop.url), (response) => response.text)
    }
  }
}

const permits = { permits: 100 }
const breaker = () => ({ breaker: Effect.runSync(CircuitBreaker.make()) })
const bulkhead = () => ({ bulkhead: Effect.runSync(Bulkhead.make(permits)) })
const many = 10_000

/** To be measured with tracing off. */
export const guards = (): ReadonlyArray<Contest> => {
  const bare = Noop.prompt()
  const limit = Effect.runSync(AdaptiveLimit.make())
  return [
    {
      name: "guards",
      title: "Success at the first attempt, answered at once, guarded, tracing off",
      base: get("bare", bare, 1),
      others: [
        get("bare again (null check)", Noop.prompt(), 1),
        get("circuit breaker", Resilience.withCircuitBreaker(breaker())(bare), 1),
        get("bulkhead", Resilience.withBulkhead(bulkhead())(bare), 1),
        get("bulkhead, until the body is over", Resilience.withBulkhead({ ...bulkhead(), holdUntil: "body" })(bare), 1),
        get("adaptive limit", Resilience.withAdaptiveLimit({ limit })(bare), 1)
      ]
    },
    {
      name: "keys",
      title: "The same over 10,000 origins in turn, tracing off",
      base: get("bare", bare, many),
      others: [
        get("circuit breaker, one key", Resilience.withCircuitBreaker({ ...breaker(), key: () => "one" })(bare), many),
        get("circuit breaker, 10,000 keys", Resilience.withCircuitBreaker(breaker())(bare), many),
        get("bulkhead, 10,000 keys", Resilience.withBulkhead(bulkhead())(bare), many)
      ]
    }
  ]
}
