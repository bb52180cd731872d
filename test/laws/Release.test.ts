/**
 * No response is lost: whenever a call is interrupted, it leaves nothing open that its caller has not been given.
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, type Layer } from "effect"
import * as Backoff from "../../src/core/Backoff.ts"
import * as Resilience from "../../src/policy/Resilience.ts"
import * as ResilientClient from "../../src/policy/ResilientClient.ts"
import * as Bulkhead from "../../src/strategy/Bulkhead.ts"
import * as CircuitBreaker from "../../src/strategy/CircuitBreaker.ts"
import * as Observer from "../../src/strategy/Observer.ts"
import * as RetryBudget from "../../src/strategy/RetryBudget.ts"
import * as RetrySchedule from "../../src/strategy/RetrySchedule.ts"
import * as HttpScript from "../../src/testing/HttpScript.ts"
import * as Simulation from "../../src/testing/Simulation.ts"

const schedule = RetrySchedule.fromBackoff(Backoff.constant("20 millis"))
const silently = Observer.layer(Observer.none)
const slowly = Observer.layer(Observer.make(() => Effect.sleep("5 millis")))

const answers: ReadonlyArray<HttpScript.Step> = [
  { status: 503, body: "busy", after: "3 millis" },
  { status: 503, body: { chunks: ["busy", "busy"], every: "4 millis" }, after: "3 millis" },
  { status: 503, body: { chunks: ["busy"], ending: "hang" } },
  { status: 200, body: { chunks: ["a", "b"], every: "2 millis" }, after: "3 millis" }
]

type Decorate = (client: HttpClient.HttpClient) => Effect.Effect<HttpClient.HttpClient.With<unknown>>

const retry = { schedule, maxAttempts: 4 }

const clients: ReadonlyArray<readonly [string, Decorate]> = [
  ["a bare client", Effect.succeed],
  ["a retry", (client) => Effect.succeed(client.pipe(Resilience.withRetry(retry)))],
  ["a retry with a budget", (client) =>
    Effect.map(RetryBudget.make(), (budget) => client.pipe(Resilience.withRetry({ ...retry, budget })))],
  ["a retry that fails in the end", (client) => Effect.succeed(client.pipe(Resilience.withRetryOrFail({ ...retry, maxAttempts: 3 })))],
  ["a retry within a deadline", (client) => Effect.succeed(client.pipe(Resilience.withRetry(retry), Resilience.withDeadline("1 minute")))],
  ["a retry of limited attempts", (client) =>
    Effect.succeed(client.pipe(Resilience.withAttemptTimeout("10 seconds"), Resilience.withRetry(retry)))],
  ["guarded attempts", (client) =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker.make()
      const bulkhead = yield* Bulkhead.make({ permits: 1 })
      return client.pipe(Resilience.withCircuitBreaker({ breaker }), Resilience.withBulkhead({ bulkhead, holdUntil: "body" }), Resilience.withRetry(retry))
    })],
  ["hedged attempts", (client) => Effect.succeed(client.pipe(Resilience.withHedge({ delay: "2 millis", maxAttempts: 4 })))],
  ["a resilient client", (client) => Effect.provideService(ResilientClient.make({ retry }), HttpClient.HttpClient, client)]
]

/** When calls are interrupted, in ms: all through their life, and after its end. */
const moments = Array.from({ length: 60 }, (_, i) => i * 2.5)

/** What is left open by calls that are interrupted, one at each moment; whoever is given a response reads it. */
const leftOpen = (decorate: Decorate, layer: Layer.Layer<never>): Effect.Effect<ReadonlyArray<string>, Simulation.Stuck> =>
  Simulation.run(Effect.gen(function*() {
    const found = yield* Effect.forEach(moments, (at) =>
      Effect.gen(function*() {
        const script = yield* HttpScript.make(answers, { atEnd: "repeatLast" })
        const client = yield* decorate(script.client)
        const read = Effect.flatMap(client.execute(HttpClientRequest.get("http://users.test/1")), (response) => response.text)
        const fiber = yield* Effect.fork(Effect.provide(read, layer))
        yield* Effect.sleep(at)
        const exit = yield* Fiber.interrupt(fiber)
        // What is let go of while nobody waits has its time.
        yield* Effect.sleep("1 minute")
        return { at, held: yield* script.held, interrupted: Exit.isInterrupted(exit) }
      }), { concurrency: "unbounded" })
    assert.isAbove(found.filter(({ interrupted }) => interrupted).length, 1)
    return found.flatMap(({ at, held }) => held.length > 0 ? [`interrupted at ${at} ms: ${held.join(", ")}`] : [])
  }))

describe("interrupted whenever it waits", () => {
  for (const [name, decorate] of clients) {
    it.effect(`${name} leaves no response open`, () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* leftOpen(decorate, silently), [])
        assert.deepStrictEqual(yield* leftOpen(decorate, slowly), [])
      }), 60_000)
  }
})
