import * as HttpClient from "@effect/platform/HttpClient"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Either, Fiber, TestClock } from "effect"
import type { ServerResponse } from "node:http"
import type { Event } from "../../src/core/Event.ts"
import * as Resilience from "../../src/policy/Resilience.ts"
import * as AdaptiveThrottle from "../../src/strategy/AdaptiveThrottle.ts"
import * as Observer from "../../src/strategy/Observer.ts"
import * as RateLimit from "../../src/strategy/RateLimit.ts"
import * as HttpScript from "../../src/testing/HttpScript.ts"
import { eventually } from "../support/eventually.ts"
import { serve } from "../support/server.ts"
import { onEachTransport } from "../support/transports.ts"

/** The status, or why it was not sent. */
const get = <E extends { readonly _tag: string }>(client: HttpClient.HttpClient.With<E>, url: string) =>
  Effect.map(Effect.either(Effect.scoped(Effect.tap(client.get(url), (response) => Effect.ignore(response.text)))), (result) =>
    Either.isRight(result) ? result.right.status : "because" in result.left ? result.left.because : result.left._tag)

const many = { limit: 1_000_000, window: "1 minute", onLimit: "fail" } as const

onEachTransport((_, layer) => {
  /** One request, answered with these headers; for how long what follows is kept back. */
  const pauseAfter = (answer: (response: ServerResponse) => void) =>
    Effect.gen(function*() {
      const server = yield* serve((_, response) => {
        answer(response)
        response.end("body")
      })
      const limiter = yield* RateLimit.make(many)
      const client = (yield* HttpClient.HttpClient).pipe(Resilience.withRateLimit({ limiter }))
      yield* get(client, server.url)
      return yield* RateLimit.paused(limiter, server.url.slice(0, -1))
    }).pipe(Effect.provide(layer()), Effect.scoped)

  const answers: ReadonlyArray<readonly [string, number, (response: ServerResponse) => void]> = [
    ["a response without a word of it", 0, () => {}],
    ["RateLimit of the draft, used up", 30_000, (response) => response.setHeader("RateLimit", `"default";r=0;t=30`)],
    ["RateLimit of the draft, not used up", 0, (response) => response.setHeader("RateLimit", `"default";r=1;t=30`)],
    ["RateLimit on two lines, the second used up", 60_000, (response) => response.setHeader("RateLimit", [`"a";r=5;t=30`, `"b";r=0;t=60`])],
    ["RateLimit and the window of RateLimit-Policy", 10_000, (response) => {
      response.setHeader("RateLimit", `"default";r=0`)
      response.setHeader("RateLimit-Policy", `"default";q=100;w=10`)
    }],
    ["the headers of the draft's versions before 07", 20_000, (response) => {
      response.setHeader("RateLimit-Limit", "100")
      response.setHeader("RateLimit-Remaining", "0")
      response.setHeader("RateLimit-Reset", "20")
    }],
    ["X-RateLimit", 40_000, (response) => {
      response.setHeader("X-RateLimit-Limit", "60")
      response.setHeader("X-RateLimit-Remaining", "0")
      response.setHeader("X-RateLimit-Reset", "40")
    }],
    ["a 429 that says for how long", 17_000, (response) => {
      response.statusCode = 429
      response.setHeader("Retry-After", "17")
    }],
    ["a 429 that says nothing", 1000, (response) => void (response.statusCode = 429)],
    ["a 429 with a Retry-After that is none", 1000, (response) => {
      response.statusCode = 429
      response.setHeader("Retry-After", "soon")
    }],
    ["a Retry-After of 68 years", 300_000, (response) => {
      response.statusCode = 429
      response.setHeader("Retry-After", "2147483648")
    }],
    ["junk", 0, (response) => {
      response.setHeader("RateLimit", `"default";r=0;t=-1`)
      response.setHeader("X-RateLimit-Remaining", "none")
      response.setHeader("X-RateLimit-Reset", "1e9")
    }]
  ]
  for (const [name, pause, answer] of answers) {
    it.effect(`${name}: ${pause} ms`, () => Effect.map(pauseAfter(answer), (paused) => assert.strictEqual(paused, pause)))
  }

  it.scoped("what is left of a quota is sent, and no more until its reset, whether one after another or at once", () =>
    Effect.gen(function*() {
      let left = 4
      const server = yield* serve((_, response) => {
        response.statusCode = left > 0 ? 200 : 429
        left = Math.max(left - 1, 0)
        response.setHeader("RateLimit", `"default";r=${left};t=60`)
        response.end("body")
      })
      const limiter = yield* RateLimit.make({ limit: 1_000_000, window: "1 minute", maxWait: "2 minutes" })
      const client = (yield* HttpClient.HttpClient).pipe(Resilience.withRateLimit({ limiter }))
      assert.strictEqual(yield* get(client, server.url), 200)
      // Three are left. Of ten at once three are sent.
      let done = 0
      const call = Effect.tap(get(client, server.url), () => Effect.sync(() => void done++))
      const ten = yield* Effect.fork(Effect.all(Array.from({ length: 10 }, () => call), { concurrency: "unbounded" }))
      yield* eventually(() => done === 3, "10 seconds")
      yield* TestClock.adjust("59999 millis")
      assert.deepStrictEqual([done, server.stats.requests.length], [3, 4])
      left = 100
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(yield* Fiber.join(ten), Array(10).fill(200))
      assert.strictEqual(server.stats.requests.length, 11)
    }).pipe(Effect.provide(layer())))

  it.scoped("another origin is not concerned", () =>
    Effect.gen(function*() {
      const busy = yield* serve((_, response) => void response.writeHead(429, { "retry-after": "60" }).end())
      const idle = yield* serve((_, response) => void response.end())
      const limiter = yield* RateLimit.make(many)
      const client = (yield* HttpClient.HttpClient).pipe(Resilience.withRateLimit({ limiter }))
      const ends = [yield* get(client, busy.url), yield* get(client, busy.url), yield* get(client, idle.url)]
      assert.deepStrictEqual(ends, [429, "Quota", 200])
      assert.strictEqual(busy.stats.requests.length, 1)
    }).pipe(Effect.provide(layer())))

  it.scoped("adaptive throttle: a server that rejects everything is soon sent a tenth", () =>
    Effect.gen(function*() {
      const server = yield* serve((_, response) => void response.writeHead(503).end())
      const throttle = yield* AdaptiveThrottle.make()
      const client = (yield* HttpClient.HttpClient).pipe(Resilience.withAdaptiveThrottle({ throttle }))
      const ends = yield* Effect.replicateEffect(get(client, server.url), 500)
      assert.strictEqual(ends.filter((end) => end === 503).length, server.stats.requests.length)
      assert.strictEqual(ends.filter((end) => end === "LoadShed").length, 500 - server.stats.requests.length)
      // Ten, and then a tenth of 490.
      assert.strictEqual(server.stats.requests.length, 10 + 49)
    }).pipe(Effect.withRandomFixed([0.85, 0.5, 0.1, 0.3, 0.7, 0, 0.2, 0.4, 0.6, 0.95]), Effect.provide(layer())))
})

describe("rate limit over HttpClient", () => {
  const play = (answers: ReadonlyArray<HttpScript.Step>) => HttpScript.layer(answers, { atEnd: "repeatLast" })

  it.effect("inside a retry the next attempt waits for the pause that the last one has brought, and is sent once", () =>
    Effect.gen(function*() {
      const limiter = yield* RateLimit.make({ limit: 100, window: "1 second" })
      const events: Array<string> = []
      const log = Observer.sync((event: Event) => events.push(event._tag))
      const client = (yield* HttpClient.HttpClient).pipe(Resilience.withRateLimit({ limiter }), Resilience.withRetry({ maxAttempts: 3 }))
      const fiber = yield* Effect.fork(Observer.observe(get(client, "http://users.test/"), log))
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* Fiber.join(fiber), 200)
      const timeline = yield* HttpScript.timeline
      assert.strictEqual(timeline.length, 2)
      assert.isAtLeast(timeline[1]!, 7000)
      assert.include(events, "RateLimitPaused")
    }).pipe(Effect.provide(play([{ status: 429, headers: { "retry-after": "7" } }, { status: 200 }]))))

  it.effect("a request takes what it costs, by itself or as it is told", () =>
    Effect.gen(function*() {
      const limiter = yield* RateLimit.make({ limit: 10, window: "1 minute", onLimit: "fail" })
      const bare = yield* HttpClient.HttpClient
      const two = bare.pipe(Resilience.withRateLimit({ limiter, cost: 2 }))
      const told = bare.pipe(Resilience.withRateLimit({ limiter, cost: (request) => request.url.endsWith("/search") ? 5 : 1 }))
      const ends = [
        yield* get(two, "http://users.test/"),
        yield* get(told, "http://users.test/search"),
        yield* get(told, "http://users.test/search"),
        yield* get(told, "http://users.test/"),
        yield* get(two, "http://users.test/"),
        yield* get(two, "http://users.test/")
      ]
      assert.deepStrictEqual(ends, [200, 200, "Limit", 200, 200, "Limit"])
    }).pipe(Effect.provide(play([{ status: 200 }]))))

  it.effect("it learns nothing, or from what throttles alone, where it is told so", () =>
    Effect.gen(function*() {
      for (const [learn, pause] of [["headers", 60_000], ["throttling", 9000], ["nothing", 0]] as const) {
        const limiter = yield* RateLimit.make(many)
        const client = (yield* HttpClient.HttpClient).pipe(Resilience.withRateLimit({ limiter, learn }))
        yield* get(client, "http://users.test/")
        assert.strictEqual(yield* RateLimit.paused(limiter, "http://users.test"), pause)
      }
    }).pipe(Effect.provide(play([{ status: 429, headers: { "retry-after": "9", ratelimit: `"a";r=0;t=60` } }]))))

  it.effect("a request that is interrupted on its way has been counted, and is on its way no longer", () =>
    Effect.gen(function*() {
      const limiter = yield* RateLimit.make({ limit: 1, window: "1 minute", onLimit: "fail" })
      const client = (yield* HttpClient.HttpClient).pipe(Resilience.withRateLimit({ limiter }))
      const fiber = yield* Effect.fork(get(client, "http://users.test/"))
      yield* Effect.yieldNow()
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(yield* get(client, "http://users.test/"), "Limit")
    }).pipe(Effect.provide(play(["hang"]))))
})
