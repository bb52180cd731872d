import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { assert, describe, it } from "@effect/vitest"
import { assertNone, assertSome } from "@effect/vitest/utils"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import type { ResponseUnread } from "../../src/core/Event.ts"
import * as Release from "../../src/http/Release.ts"
import * as LeakCheck from "../../src/node/LeakCheck.ts"
import * as ResilientClient from "../../src/policy/ResilientClient.ts"
import * as Observer from "../../src/strategy/Observer.ts"
import { eventually, realTime } from "../support/eventually.ts"
import * as Fault from "../support/faults.ts"
import { eventuallyCollected } from "../support/garbage.ts"
import { serve } from "../support/server.ts"
import { onEachTransport, undici } from "../support/transports.ts"

const large = Fault.status(200, { body: "x".repeat(1_000_000) })

const snapshot = Effect.flatMap(LeakCheck.LeakCheck, (check) => check.snapshot)

/** Runs an effect with a leak check, and gives what it tells. */
const checked = <A, E>(
  transport: Layer.Layer<HttpClient.HttpClient>,
  effect: (events: ReadonlyArray<ResponseUnread>) => Effect.Effect<A, E, HttpClient.HttpClient | LeakCheck.LeakCheck>,
  options?: LeakCheck.Options
) => {
  const events: Array<ResponseUnread> = []
  return effect(events).pipe(
    Observer.observe(Observer.sync((event) => void (event._tag === "ResponseUnread" && events.push(event)))),
    Effect.provide(LeakCheck.layer(options).pipe(Layer.provide(transport)))
  )
}

type Read = (response: HttpClientResponse.HttpClientResponse) => Effect.Effect<unknown, unknown>

const ways: Readonly<Record<string, Read>> = {
  text: (response) => response.text,
  arrayBuffer: (response) => response.arrayBuffer,
  stream: (response) => Stream.runDrain(response.stream),
  "a release": Release.now,
  "an abort": Release.abort
}

onEachTransport((name, layer) => {
  it.scoped("a response that nobody reads is told of when its time is over, once, and counted until then", () =>
    Effect.gen(function*() {
      const server = yield* serve(large)
      yield* checked(layer(), (events) =>
        Effect.gen(function*() {
          const response = yield* HttpClient.get(`${server.url}a?sig=secret`)
          assertSome((yield* snapshot).oldest, 0)
          yield* TestClock.adjust("29999 millis")
          assert.deepStrictEqual(events, [])
          assert.strictEqual((yield* snapshot).unread, 1)
          yield* TestClock.adjust("1 millis")
          assert.strictEqual(events.length, 1)
          const { age, because, method, status, url } = events[0] ?? assert.fail()
          assert.deepStrictEqual({ age, because, method, status, url }, {
            age: 30_000,
            because: "Age",
            method: "GET",
            status: 200,
            url: `${server.url}a?sig=REDACTED`
          })
          yield* TestClock.adjust("10 seconds")
          assert.strictEqual(events.length, 1)
          const { oldest, ...counts } = yield* snapshot
          assert.deepStrictEqual(counts, { reported: 1, unread: 1, unwatched: 0 })
          assertSome(oldest, 40_000)
          yield* Effect.exit(response.text)
          assert.strictEqual((yield* snapshot).unread, 0)
        }))
    }))

  for (const [way, read] of Object.entries(ways)) {
    it.scopedLive(`a response that ends with ${way} is none`, () =>
      Effect.gen(function*() {
        const server = yield* serve(large)
        yield* checked(layer(), (events) =>
          Effect.gen(function*() {
            const response = yield* HttpClient.get(server.url)
            assert.strictEqual((yield* snapshot).unread, 1)
            yield* Effect.exit(read(response))
            const { oldest, ...counts } = yield* snapshot
            assert.deepStrictEqual(counts, { reported: 0, unread: 0, unwatched: 0 })
            assertNone(oldest)
            assert.deepStrictEqual(events, [])
          }))
      }))
  }

  it.scopedLive("the responses of lost attempts are none: a retry lets go of them", () =>
    Effect.gen(function*() {
      const server = yield* serve(Fault.inTurn(Fault.status(503, { body: "busy" }), Fault.status(200, { body: "x" })))
      yield* checked(layer(), () =>
        Effect.gen(function*() {
          const client = yield* ResilientClient.make()
          const response = yield* client.get(server.url)
          assert.strictEqual((yield* snapshot).unread, 1)
          yield* response.text
          assert.strictEqual((yield* snapshot).unread, 0)
        }))
    }))

  it.scopedLive(`a response that its scope has closed is ${name === "fetch" ? "one, because the transport does not say so" : "none"}`, () =>
    Effect.gen(function*() {
      const server = yield* serve(large)
      yield* checked(layer(), () =>
        Effect.gen(function*() {
          const client = HttpClient.withScope(yield* HttpClient.HttpClient)
          const scope = yield* Scope.make()
          yield* Scope.extend(client.get(server.url), scope)
          assert.strictEqual((yield* snapshot).unread, 1)
          yield* Scope.close(scope, Exit.void)
          yield* eventually(() => server.stats.requests[0]?.closed !== undefined)
          const unread = name === "fetch" ? 1 : 0
          yield* Effect.repeat(Effect.zipRight(realTime(5), snapshot), { until: (seen) => seen.unread === unread, times: 200 })
          assert.strictEqual((yield* snapshot).unread, unread)
        }))
    }))

  it.scopedLive("a response without a body is one only where it holds its connection", () =>
    Effect.gen(function*() {
      const server = yield* serve(Fault.status(204))
      yield* checked(layer(), () =>
        Effect.gen(function*() {
          yield* HttpClient.get(server.url)
          assert.strictEqual((yield* snapshot).unread, name === "node:http" ? 1 : 0)
        }))
    }))

  it.scopedLive("what nobody can read any more is told of before its time", () =>
    Effect.gen(function*() {
      const server = yield* serve(large)
      yield* checked(layer(), (events) =>
        Effect.gen(function*() {
          yield* Effect.asVoid(HttpClient.get(server.url))
          yield* eventuallyCollected(() => events.length === 1)
          assert.strictEqual(events[0]?.because, "Collected")
          assert.strictEqual((yield* snapshot).unread, 0)
        }), { after: "1 hour" })
    }))
})

describe("a leak check", () => {
  it.scopedLive("remembers so many, and counts those that come when there is no room", () =>
    Effect.gen(function*() {
      const server = yield* serve(large)
      yield* checked(undici.layer(), () =>
        Effect.gen(function*() {
          const kept = [yield* HttpClient.get(server.url), yield* HttpClient.get(server.url)]
          const { unread, unwatched } = yield* snapshot
          assert.deepStrictEqual([unread, unwatched], [1, 1])
          yield* Effect.forEach(kept, (response) => response.text)
          assert.strictEqual((yield* snapshot).unread, 0)
        }), { capacity: 1 })
    }))

  it("refuses options that are none", () => {
    for (const after of [0, -1, NaN, Infinity, 2 ** 31]) assert.throws(() => LeakCheck.layer({ after }), /after must be a finite duration/)
    for (const capacity of [0, -1, NaN, 1.5]) assert.throws(() => LeakCheck.layer({ capacity }), /capacity must be an integer >= 1/)
  })
})
