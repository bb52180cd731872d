import * as HttpClient from "@effect/platform/HttpClient"
import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import { Effect, Fiber, Stream, TestClock } from "effect"
import type { ServerResponse } from "node:http"
import * as Guard from "../../src/http/Guard.ts"
import * as Middleware from "../../src/http/Middleware.ts"
import * as Release from "../../src/http/Release.ts"
import * as Resilience from "../../src/policy/Resilience.ts"
import * as AdaptiveLimit from "../../src/strategy/AdaptiveLimit.ts"
import * as Bulkhead from "../../src/strategy/Bulkhead.ts"
import * as HttpScript from "../../src/testing/HttpScript.ts"
import { eventually } from "../support/eventually.ts"
import { eventuallyCollected } from "../support/garbage.ts"
import { serve } from "../support/server.ts"
import { onEachTransport } from "../support/transports.ts"

const inUse = (bulkhead: Bulkhead.Bulkhead, url: string) =>
  Effect.runSync(Bulkhead.load(bulkhead, Guard.origin(url))).inUse

onEachTransport((_, layer) => {
  it.scopedLive("holds a permit until the body is over: read, read as a stream, left early, aborted, or released", () =>
    Effect.gen(function*() {
      const server = yield* serve((_, response) => {
        response.write("first")
        setTimeout(() => response.end("last"), 5)
      })
      const bulkhead = yield* Bulkhead.make({ permits: 1 })
      const client = (yield* HttpClient.HttpClient).pipe(Resilience.withBulkhead({ bulkhead, holdUntil: "body" }))
      const readers: Record<string, (response: Effect.Effect.Success<ReturnType<typeof client.get>>) => Effect.Effect<unknown, unknown>> = {
        text: (response) => response.text,
        arrayBuffer: (response) => response.arrayBuffer,
        urlParamsBody: (response) => response.urlParamsBody,
        json: (response) => Effect.flip(response.json),
        stream: (response) => Stream.runDrain(response.stream),
        "left early": (response) => Stream.runDrain(Stream.take(response.stream, 1)),
        abort: (response) => Release.abort(response),
        release: (response) => Release.now(response)
      }
      for (const [name, read] of Object.entries(readers)) {
        const response = yield* client.get(server.url)
        assert.strictEqual(inUse(bulkhead, server.url), 1, name)
        assert.strictEqual((yield* Effect.flip(client.get(server.url)))._tag, "BulkheadFull", name)
        yield* read(response)
        assert.strictEqual(inUse(bulkhead, server.url), 0, name)
      }
      assert.strictEqual(server.stats.requests.length, Object.keys(readers).length)
    }).pipe(Effect.provide(layer({ connections: 8 }))))

  it.scopedLive("many calls through few permits: the server sees no more of them at once, and each is answered", () =>
    Effect.gen(function*() {
      let open = 0
      let most = 0
      const server = yield* serve((_, response) => {
        most = Math.max(most, ++open)
        response.write("a")
        setTimeout(() => {
          open--
          response.end("b")
        }, 2)
      })
      const bulkhead = yield* Bulkhead.make({ permits: 3, queue: 100 })
      const client = (yield* HttpClient.HttpClient).pipe(Resilience.withBulkhead({ bulkhead, holdUntil: "body" }))
      const bodies = yield* Effect.all(
        Array.from({ length: 40 }, () => Effect.flatMap(client.get(server.url), (response) => response.text)),
        { concurrency: "unbounded" }
      )
      deepStrictEqual(new Set(bodies), new Set(["ab"]))
      assert.strictEqual(most, 3)
      assert.strictEqual(inUse(bulkhead, server.url), 0)
    }).pipe(Effect.provide(layer({ connections: 8 }))))

  it.scopedLive("a call that is interrupted while it waits, is sent, or is being read, gives back what it has", () =>
    Effect.gen(function*() {
      const answers: Array<ServerResponse> = []
      const server = yield* serve((request, response) => {
        answers.push(response)
        if (request.url === "/body") response.write("begun")
        if (request.url === "/now") response.end("now")
      })
      const bulkhead = yield* Bulkhead.make({ permits: 1, queue: 1 })
      const client = (yield* HttpClient.HttpClient).pipe(Resilience.withBulkhead({ bulkhead, holdUntil: "body" }))
      const get = (path: string) => Effect.flatMap(client.get(`${server.url}${path}`), (response) => response.text)
      for (const path of ["headers", "body"]) {
        const before = answers.length
        const sent = yield* Effect.fork(get(path))
        yield* eventually(() => answers.length > before)
        const waiting = yield* Effect.fork(get("now"))
        yield* eventually(() => Effect.runSync(Bulkhead.load(bulkhead, Guard.origin(server.url))).waiting === 1)
        yield* Fiber.interrupt(waiting)
        yield* Fiber.interrupt(sent)
        assert.strictEqual(inUse(bulkhead, server.url), 0)
        assert.strictEqual(yield* get("now"), "now")
      }
    }).pipe(Effect.provide(layer({ connections: 8 }))))
})

const adjust = TestClock.adjust("10 seconds")

describe("Guard.bulkhead", () => {
  const play = (answers: ReadonlyArray<HttpScript.Step>) => HttpScript.layer(answers, { atEnd: "repeatLast" })

  it.effect("gives a permit back with the headers, unless it is told to hold it", () =>
    Effect.gen(function*() {
      const bulkhead = yield* Bulkhead.make({ permits: 1 })
      const bare = yield* HttpClient.HttpClient
      const client = bare.pipe(Resilience.withBulkhead({ bulkhead }))
      const [one, other] = [yield* client.get("http://users.test/1"), yield* client.get("http://users.test/2")]
      deepStrictEqual([one.status, other.status], [200, 200])
      const below = Middleware.applyTo(bare, Guard.middleware(Guard.bulkhead({ bulkhead, holdUntil: "body" })))
      const held = yield* below.get("http://users.test/3")
      assert.strictEqual((yield* Effect.flip(client.get("http://users.test/4")))._tag, "BulkheadFull")
      assert.strictEqual((yield* client.get("http://orders.test/1")).status, 200)
      deepStrictEqual([yield* held.text, yield* held.text], ["hello", "hello"])
      assert.strictEqual(inUse(bulkhead, "http://users.test/"), 0)
    }).pipe(Effect.provide(play([{ status: 200, body: "hello" }]))))

  it.effect("holds nothing for a response without a body, and nothing for an error", () =>
    Effect.gen(function*() {
      const bulkhead = yield* Bulkhead.make({ permits: 1 })
      const client = (yield* HttpClient.HttpClient).pipe(Resilience.withBulkhead({ bulkhead, holdUntil: "body" }))
      yield* client.get("http://users.test/1")
      yield* client.head("http://users.test/1")
      yield* Effect.flip(client.get("http://users.test/1"))
      assert.strictEqual(inUse(bulkhead, "http://users.test/"), 0)
    }).pipe(Effect.provide(play([{ status: 204 }, { status: 200, body: "not there" }, { fails: "ECONNREFUSED" }]))))

  it.effect("a retry that lets go of a failed response has its permit back for the next attempt", () =>
    Effect.gen(function*() {
      const bulkhead = yield* Bulkhead.make({ permits: 1 })
      const client = (yield* HttpClient.HttpClient).pipe(
        Resilience.withBulkhead({ bulkhead, holdUntil: "body" }),
        Resilience.withRetry({ maxAttempts: 3 })
      )
      const fiber = yield* Effect.fork(Effect.flatMap(client.get("http://users.test/1"), (response) => response.text))
      yield* Effect.yieldNow()
      assert.strictEqual(yield* Effect.zipRight(adjust, Fiber.join(fiber)), "hello")
      assert.strictEqual(inUse(bulkhead, "http://users.test/"), 0)
    }).pipe(Effect.provide(play([{ status: 503, body: "busy" }, { status: 200, body: "hello" }]))))

  it.live("a response that nobody can read any more has its permit back when it is collected", () =>
    Effect.gen(function*() {
      const bulkhead = yield* Bulkhead.make({ permits: 1 })
      const client = (yield* HttpClient.HttpClient).pipe(Resilience.withBulkhead({ bulkhead, holdUntil: "body" }))
      yield* Effect.asVoid(client.get("http://users.test/1"))
      assert.strictEqual(inUse(bulkhead, "http://users.test/"), 1)
      yield* eventuallyCollected(() => inUse(bulkhead, "http://users.test/") === 0)
    }).pipe(Effect.provide(HttpScript.layer([{ status: 200, body: "hello" }]))))

  it("with infinity permits it is the identity", () => {
    const guard = Guard.bulkhead({ bulkhead: Effect.runSync(Bulkhead.make({ permits: Infinity })) })
    const effect = Effect.never
    assert.strictEqual(guard(effect, undefined as never), effect)
  })
})

describe("Guard.adaptiveLimit", () => {
  it.effect("learns from 503 and 429, of each origin for itself", () =>
    Effect.gen(function*() {
      const limit = yield* AdaptiveLimit.make({ policy: AdaptiveLimit.aimd({ initial: 20, backoff: 0.5 }) })
      const client = (yield* HttpClient.HttpClient).pipe(Resilience.withAdaptiveLimit({ limit }))
      const after = (url: string) =>
        Effect.zipRight(client.get(url), Effect.map(AdaptiveLimit.load(limit, Guard.origin(url)), (load) => load.limit))
      deepStrictEqual([yield* after("http://a.test/"), yield* after("http://b.test/"), yield* after("http://c.test/")], [10, 10, 20])
    }).pipe(Effect.provide(HttpScript.layer([{ status: 503 }, { status: 429 }, { status: 404 }]))))
})
