import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { InvalidOption } from "../../src/core/InvalidOption.ts"
import * as AttemptHeader from "../../src/http/AttemptHeader.ts"
import * as Resilience from "../../src/policy/Resilience.ts"
import * as HttpScript from "../../src/testing/HttpScript.ts"
import * as Fault from "../support/faults.ts"
import { serve } from "../support/server.ts"
import { onEachTransport } from "../support/transports.ts"

const url = "http://users.test/1"
const atOnce = { schedule: Schedule.forever, maxAttempts: 3 }
const busy = HttpScript.layer([{ status: 503 }], { atEnd: "repeatLast" })

const headers = (name: string) =>
  Effect.map(HttpScript.requests, (requests) => requests.map((request): string | undefined => request.headers[name]))

describe("AttemptHeader", () => {
  it.effect("stands on resends only, and counts the attempts from 1", () =>
    Effect.gen(function*() {
      const client = (yield* HttpClient.HttpClient).pipe(Resilience.withAttemptHeader(), Resilience.withRetry(atOnce))
      yield* client.get(url)
      yield* client.get(url)
      assert.deepStrictEqual(yield* headers("x-retry-attempt"), [undefined, "2", "3", undefined, "2", "3"])
      assert.deepStrictEqual(yield* headers("amz-sdk-request"), Array.from({ length: 6 }, () => undefined))
    }).pipe(Effect.provide(busy)))

  it.effect("stands there with tracing off too", () =>
    Effect.gen(function*() {
      const client = (yield* HttpClient.HttpClient).pipe(Resilience.withAttemptHeader(), Resilience.withRetry(atOnce))
      yield* Effect.withTracerEnabled(client.get(url), false)
      assert.deepStrictEqual(yield* headers("x-retry-attempt"), [undefined, "2", "3"])
    }).pipe(Effect.provide(busy)))

  it.effect("says the first attempt too in the way of AWS, where it is asked to", () =>
    Effect.gen(function*() {
      const client = (yield* HttpClient.HttpClient).pipe(
        Resilience.withAttemptHeader({ amzSdkRequest: { maxAttempts: 3 } }),
        Resilience.withRetry(atOnce)
      )
      yield* client.get(url)
      assert.deepStrictEqual(yield* headers("amz-sdk-request"), ["attempt=1; max=3", "attempt=2; max=3", "attempt=3; max=3"])
    }).pipe(Effect.provide(busy)))

  it.effect("does not number a request that is made on the way", () =>
    Effect.gen(function*() {
      const bare = (yield* HttpClient.HttpClient).pipe(Resilience.withAttemptHeader())
      const client = bare.pipe(
        HttpClient.mapRequestEffect((request) => Effect.as(bare.get("http://tokens.test/"), request)),
        Resilience.withRetry(atOnce)
      )
      yield* client.get(url)
      assert.deepStrictEqual(yield* headers("x-retry-attempt"), [undefined, undefined, undefined, "2", undefined, "3"])
    }).pipe(Effect.provide(busy)))

  it.effect("does not pass on what was copied from an incoming request", () =>
    Effect.gen(function*() {
      const client = (yield* HttpClient.HttpClient).pipe(Resilience.withAttemptHeader(), Resilience.withRetry(atOnce))
      yield* client.execute(HttpClientRequest.get(url).pipe(HttpClientRequest.setHeader("X-Retry-Attempt", "9")))
      assert.deepStrictEqual(yield* headers("x-retry-attempt"), ["1", "2", "3"])
    }).pipe(Effect.provide(busy)))

  it("refuses a number of attempts that there cannot be", () => {
    for (const maxAttempts of [0, -1, NaN, 1.5, Infinity]) {
      assert.throws(() => AttemptHeader.middleware({ amzSdkRequest: { maxAttempts } }), InvalidOption, "maxAttempts")
    }
  })
})

describe("a client that is told whether to send again", () => {
  const play = (status: number, said: Record<string, string>) =>
    Effect.gen(function*() {
      const client = (yield* HttpClient.HttpClient).pipe(Resilience.withRetry(atOnce))
      const response = yield* client.get(url)
      return [response.status, (yield* HttpScript.requests).length]
    }).pipe(Effect.provide(HttpScript.layer([{ status, headers: said }], { atEnd: "repeatLast" })))

  const table: ReadonlyArray<readonly [number, Record<string, string>, number]> = [
    [503, {}, 3],
    [503, { "x-should-retry": "false" }, 1],
    [503, { "stripe-should-retry": "false" }, 1],
    [503, { "x-envoy-overloaded": "true" }, 1],
    [429, { "x-should-retry": "false", "retry-after": "0" }, 1],
    [503, { "x-should-retry": "perhaps" }, 3],
    [409, {}, 1],
    [409, { "x-should-retry": "true" }, 3],
    [404, { "stripe-should-retry": "true" }, 3],
    [501, { "x-should-retry": "true" }, 3],
    [200, { "x-should-retry": "true" }, 1]
  ]
  for (const [status, said, attempts] of table) {
    it.effect(`makes ${attempts} of 3 attempts at ${status} ${JSON.stringify(said)}, and returns what came`, () =>
      Effect.map(play(status, said), (seen) => assert.deepStrictEqual(seen, [status, attempts])))
  }

  it.effect("sends no POST again all the same", () =>
    Effect.gen(function*() {
      const client = (yield* HttpClient.HttpClient).pipe(Resilience.withRetry(atOnce))
      assert.strictEqual((yield* client.post(url)).status, 409)
      assert.strictEqual((yield* HttpScript.requests).length, 1)
    }).pipe(Effect.provide(HttpScript.layer([{ status: 409, headers: { "x-should-retry": "true" } }]))))
})

onEachTransport((_, layer) => {
  it.scopedLive("the server sees the number, and its no ends the call", () =>
    Effect.gen(function*() {
      const server = yield* serve(Fault.inTurn(Fault.status(503), Fault.status(503, { headers: { "x-should-retry": "false" } })))
      const client = (yield* HttpClient.HttpClient).pipe(
        Resilience.withAttemptHeader(),
        Resilience.withRetry({ schedule: Schedule.forever, maxAttempts: 9 })
      )
      assert.strictEqual((yield* client.get(server.url)).status, 503)
      assert.deepStrictEqual(server.stats.requests.map(({ headers }) => headers["x-retry-attempt"]), [undefined, "2"])
    }).pipe(Effect.provide(layer())))
})
