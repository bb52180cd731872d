import * as HttpClient from "@effect/platform/HttpClient"
import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as Classifier from "../../src/core/Classifier.ts"
import * as Failure from "../../src/core/Failure.ts"
import { InvalidOption } from "../../src/core/InvalidOption.ts"
import * as Outcome from "../../src/core/Outcome.ts"
import * as Buffered from "../../src/http/Buffered.ts"
import * as Resilience from "../../src/policy/Resilience.ts"
import * as ResilientClient from "../../src/policy/ResilientClient.ts"
import * as Strategy from "../../src/policy/Strategy.ts"
import * as HttpScript from "../../src/testing/HttpScript.ts"
import { eventually } from "../support/eventually.ts"
import * as Fault from "../support/faults.ts"
import { serve } from "../support/server.ts"
import { onEachTransport } from "../support/transports.ts"

const soon = { schedule: Schedule.recurs(3) }

const client = (options?: Buffered.Options) =>
  Effect.map(HttpClient.HttpClient, (base) => base.pipe(Resilience.withBufferedBody(options), Resilience.withRetry(soon)))

onEachTransport((_, layer) => {
  it.scopedLive("a truncated body is sent for again, and the whole one is what the caller reads", () =>
    Effect.gen(function*() {
      const server = yield* serve(Fault.inTurn(
        Fault.status(200, { body: "a whole body", ending: { finAfter: 4 } }),
        Fault.status(200, { body: "a whole body", framing: "chunked", ending: { resetAfter: 4 } }),
        Fault.status(200, { body: "a whole body" })
      ))
      const response = yield* Effect.flatMap(client(), (http) => http.get(server.url))
      assert.strictEqual(yield* response.text, "a whole body")
      assert.strictEqual(server.stats.requests.length, 3)
    }).pipe(Effect.provide(layer())))

  it.scopedLive("the attempt's limit covers the body, and the next attempt makes up for a stalled one", () =>
    Effect.gen(function*() {
      const server = yield* serve(Fault.inTurn(
        Fault.status(200, { body: "a whole body", ending: { stallAfter: 4 } }),
        Fault.status(200, { body: "a whole body" })
      ))
      const http = (yield* HttpClient.HttpClient).pipe(
        Resilience.withBufferedBody(),
        Resilience.withAttemptTimeout("1 second"),
        Resilience.withRetry(soon)
      )
      const response = yield* http.get(server.url)
      assert.strictEqual(yield* response.text, "a whole body")
      assert.strictEqual(server.stats.requests.length, 2)
    }).pipe(Effect.provide(layer())))

  for (const framing of ["length", "chunked"] as const) {
    it.scopedLive(`a body of exactly the limit is read, one byte more fails, once, and is aborted (${framing})`, () =>
      Effect.gen(function*() {
        const server = yield* serve(Fault.inTurn(
          Fault.status(200, { body: 1000, framing }),
          Fault.status(200, { body: 1001, framing })
        ))
        const http = yield* client({ atMost: 1000 })
        const whole = yield* Effect.flatMap(http.get(server.url), (response) => response.arrayBuffer)
        assert.strictEqual(whole.byteLength, 1000)
        const error = yield* Effect.flip(http.get(server.url))
        assert.strictEqual(error._tag, "ResponseError")
        assert.include(error.message, "longer than 1000 bytes")
        assert.strictEqual(server.stats.requests.length, 2)
      }).pipe(Effect.provide(layer())))
  }

  it.scopedLive("an endless body stops at the limit", () =>
    Effect.gen(function*() {
      const server = yield* serve(Fault.status(200, { ending: "endless" }))
      const error = yield* Effect.flip(Effect.flatMap(client({ atMost: 10_000 }), (http) => http.get(server.url)))
      assert.strictEqual(error._tag, "ResponseError")
      yield* eventually(() => server.stats.open === 0)
    }).pipe(Effect.provide(layer())))

  it.scopedLive("a response without a body is one with an empty body", () =>
    Effect.gen(function*() {
      const server = yield* serve(Fault.inTurn(Fault.status(204), Fault.status(200, { body: 100 }), Fault.status(205)))
      const http = yield* client({ atMost: 10 })
      assert.strictEqual(yield* Effect.flatMap(http.get(server.url), (response) => response.text), "")
      assert.strictEqual(yield* Effect.flatMap(http.head(server.url), (response) => response.text), "")
      assert.strictEqual(yield* Effect.flatMap(http.get(server.url), (response) => response.text), "")
    }).pipe(Effect.provide(layer())))
})

describe("what was read", () => {
  const read = <A, E>(
    body: string,
    contentType: string,
    f: (response: Effect.Effect.Success<ReturnType<HttpClient.HttpClient["get"]>>) => Effect.Effect<A, E>
  ) =>
    client().pipe(
      Effect.flatMap((http) => http.get("http://users.test/1")),
      Effect.flatMap(f),
      Effect.provide(HttpScript.layer([{ status: 200, headers: { "content-type": contentType, "x-own": "1" }, body }]))
    )

  it.effect("can be read by every reader, and by each more than once", () =>
    Effect.gen(function*() {
      const form = "application/x-www-form-urlencoded"
      assert.deepStrictEqual(yield* read(`{"a":1}`, "application/json", (r) => Effect.zip(r.json, r.json)), [{ a: 1 }, { a: 1 }])
      assert.deepStrictEqual(yield* read("", "application/json", (r) => r.json), null)
      assert.deepStrictEqual(yield* read("a=1&b=2", form, (r) => r.urlParamsBody), [["a", "1"], ["b", "2"]])
      assert.strictEqual((yield* read("a=1&b=2", form, (r) => r.formData)).get("b"), "2")
      const chunks = yield* read("abc", "text/plain", (r) => Stream.runCollect(r.stream))
      assert.deepStrictEqual(Chunk.toReadonlyArray(chunks), [new TextEncoder().encode("abc")])
      assert.strictEqual((yield* read("", "text/plain", Effect.succeed)).headers["x-own"], "1")
    }))

  it.effect("is the reader's own copy", () =>
    read("abc", "text/plain", (response) =>
      Effect.gen(function*() {
        new Uint8Array(yield* response.arrayBuffer).fill(0)
        assert.strictEqual(yield* response.text, "abc")
      })))

  it.effect("fails as the platform does where it is not what it should be", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(read("{", "application/json", (response) => response.json))
      assert.strictEqual(error.reason, "Decode")
      assert.deepStrictEqual(Classifier.error(error, 0).pipe((outcome) => outcome._tag === "Some" && outcome.value),
        Outcome.failed(Failure.malformed("response", "SyntaxError")))
    }))
})

describe("options", () => {
  it("are checked at construction", () => {
    for (const atMost of [-1, 1.5, NaN, Infinity]) {
      assert.throws(() => Buffered.middleware({ atMost }), InvalidOption, /atMost/)
    }
  })

  it.effect("of a ResilientClient read the body inside its attempts", () =>
    Effect.gen(function*() {
      const http = yield* ResilientClient.make({ bufferedBody: Strategy.bufferedBody({ atMost: 100 }), retry: soon })
      const response = yield* http.get("http://users.test/1")
      assert.strictEqual(yield* response.text, "hello")
      assert.strictEqual((yield* HttpScript.requests).length, 2)
    }).pipe(Effect.provide(HttpScript.layer([
      { status: 200, body: { chunks: ["hel"], ending: "cut" } },
      { status: 200, body: "hello" }
    ]))))
})
