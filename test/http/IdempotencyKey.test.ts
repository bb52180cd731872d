import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schedule from "effect/Schedule"
import * as fc from "fast-check"
import * as Failure from "../../src/core/Failure.ts"
import { InvalidOption } from "../../src/core/InvalidOption.ts"
import * as Outcome from "../../src/core/Outcome.ts"
import * as IdempotencyKey from "../../src/http/IdempotencyKey.ts"
import * as Resilience from "../../src/policy/Resilience.ts"
import * as ResilientClient from "../../src/policy/ResilientClient.ts"
import * as Strategy from "../../src/policy/Strategy.ts"
import * as HttpScript from "../../src/testing/HttpScript.ts"
import * as Recorder from "../../src/testing/Recorder.ts"
import * as Fault from "../support/faults.ts"
import { closedPort, serve, settled } from "../support/server.ts"
import { onEachTransport } from "../support/transports.ts"

const url = "http://orders.test/"
const atOnce = { schedule: Schedule.forever, maxAttempts: 3 }
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

const header = (name: string) =>
  Effect.map(HttpScript.requests, (requests) => requests.map(({ headers }): string | undefined => headers[name]))
const minting = (key: string) => Effect.provideService(IdempotencyKey.Generator, Effect.succeed(key))
const play = (steps: ReadonlyArray<HttpScript.Step>) => Effect.provide(HttpScript.layer(steps))
const three: ReadonlyArray<HttpScript.Step> = [{ status: 503 }, { fails: "ECONNRESET" }, { status: 201 }]

/** A mapping that costs a call each time it is run, as the signing of a request does. */
const signed = () => {
  let runs = 0
  return HttpClient.mapRequestEffect((request: HttpClientRequest.HttpClientRequest) =>
    Effect.sync(() => HttpClientRequest.setHeader(request, "authorization", `Bearer ${++runs}`))
  )
}

describe("a POST", () => {
  it.live("is given one key, which every attempt of its call carries; the next call has another", () =>
    Effect.gen(function*() {
      const client = (yield* HttpClient.HttpClient).pipe(Resilience.withRetry(atOnce), Resilience.withIdempotencyKey())
      yield* client.post(url)
      yield* client.post(url)
      const [a, b, c, d, ...rest] = yield* header("idempotency-key")
      assert.match(a ?? "", uuid)
      assert.match(d ?? "", uuid)
      assert.deepStrictEqual([b, c], [a, a])
      assert.notStrictEqual(d, a)
      assert.deepStrictEqual(rest, [d, d])
    }).pipe(play([...three, ...three])))

  it.live("keeps its own key", () =>
    Effect.gen(function*() {
      const client = (yield* HttpClient.HttpClient).pipe(Resilience.withRetry(atOnce), Resilience.withIdempotencyKey())
      yield* client.post(url, { headers: { "Idempotency-Key": "order-42" } })
      assert.deepStrictEqual(yield* header("idempotency-key"), ["order-42", "order-42", "order-42"])
    }).pipe(play(three)))

  it.live("with the platform's retryTransient has another key on each attempt", () =>
    Effect.gen(function*() {
      const client = (yield* HttpClient.HttpClient).pipe(
        HttpClient.retryTransient({ times: 2 }),
        HttpClient.mapRequestEffect((request) =>
          Effect.map(Effect.flatten(IdempotencyKey.Generator), (key) => HttpClientRequest.setHeader(request, "idempotency-key", key)))
      )
      yield* client.post(url)
      const keys = yield* header("idempotency-key")
      assert.strictEqual(new Set(keys).size, 3)
    }).pipe(play(three)))

  onEachTransport((_, layer) => {
    it.scopedLive("arrives with the same key and a new signature on each attempt", () =>
      Effect.gen(function*() {
        const server = yield* serve(Fault.inTurn(Fault.status(503), Fault.resetBeforeHeaders, Fault.status(201)))
        yield* Effect.gen(function*() {
          const client = (yield* HttpClient.HttpClient).pipe(
            signed(),
            Resilience.withRetry(atOnce),
            Resilience.withIdempotencyKey()
          )
          yield* Effect.flatMap(client.post(server.url), (response) => response.text)
          const { requests } = server.stats
          const key = requests[0]?.headers["idempotency-key"]
          assert.match(String(key), uuid)
          assert.deepStrictEqual(
            requests.map(({ headers }) => [headers["idempotency-key"], headers.authorization]),
            [[key, "Bearer 1"], [key, "Bearer 2"], [key, "Bearer 3"]]
          )
        }).pipe(Effect.provide(layer()))
        yield* settled(server)
      }))

    it.scopedLive("without a key is sent once, whether it is answered 503 or reset", () =>
      Effect.gen(function*() {
        for (const fault of [Fault.status(503), Fault.resetBeforeHeaders, Fault.finBeforeHeaders]) {
          const server = yield* serve(fault)
          yield* Effect.gen(function*() {
            const client = (yield* HttpClient.HttpClient).pipe(Resilience.withRetry(atOnce))
            yield* Effect.exit(client.post(server.url))
            assert.lengthOf(server.stats.requests, 1)
            yield* Effect.exit(client.post(server.url, { headers: { "idempotency-key": "" } }))
            assert.lengthOf(server.stats.requests, 2)
          }).pipe(Effect.provide(layer({ connections: 3 })))
        }
      }))

    it.scopedLive("that was refused a connection is sent again without a key", () =>
      Effect.gen(function*() {
        const closed = yield* closedPort
        const recorder = yield* Recorder.make
        const client = (yield* HttpClient.HttpClient).pipe(Resilience.withRetry(atOnce))
        yield* Effect.provide(Effect.flip(client.post(closed)), recorder.layer)
        assert.deepStrictEqual(
          (yield* recorder.events).flatMap((event) => (event._tag === "AttemptEnded" ? [event.outcome] : [])),
          Array.from({ length: 3 }, () => Outcome.failed(Failure.connectFailure("tcp", "ECONNREFUSED")))
        )
      }).pipe(Effect.provide(layer())))

    it.scopedLive("that was given a bad key is not sent at all", () =>
      Effect.gen(function*() {
        const server = yield* serve(Fault.status(201))
        const client = (yield* HttpClient.HttpClient).pipe(Resilience.withRetry(atOnce), Resilience.withIdempotencyKey())
        for (const [, key] of bad) {
          const error = yield* Effect.flip(minting(key)(client.post(server.url)))
          assert.deepStrictEqual([error._tag, error.reason], ["RequestError", "Encode"])
        }
        assert.deepStrictEqual([server.stats.requests.length, server.stats.connections], [0, 0])
      }).pipe(Effect.provide(layer())))

    it.scopedLive("has its latin1 key written byte for byte", () =>
      Effect.gen(function*() {
        const server = yield* serve(Fault.status(201))
        const client = (yield* HttpClient.HttpClient).pipe(Resilience.withIdempotencyKey())
        yield* Effect.flatMap(minting("café ÿ~1")(client.post(server.url)), (response) => response.text)
        assert.strictEqual(server.stats.requests[0]?.headers["idempotency-key"], "café ÿ~1")
      }).pipe(Effect.provide(layer())))
  })

  const gates: ReadonlyArray<readonly [string, ResilientClient.Options, string, number]> = [
    ["by default, without a key", {}, "", 1],
    ["keyed", { idempotencyKey: Strategy.idempotencyKey() }, "idempotency-key", 3],
    ["keyed under X-Idempotency-Key", { idempotencyKey: Strategy.idempotencyKey({ header: "X-Idempotency-Key" }) }, "x-idempotency-key", 3],
    ["keyed under a name of its own", { idempotencyKey: Strategy.idempotencyKey({ header: "X-Request-Id" }) }, "x-request-id", 3]
  ]
  for (const [what, options, name, attempts] of gates) {
    it.live(`of ResilientClient, ${what}, is sent ${attempts} times`, () =>
      Effect.gen(function*() {
        const client = yield* ResilientClient.make({ ...options, retry: atOnce })
        yield* Effect.exit(client.post(url))
        const keys = yield* header(name)
        assert.lengthOf(keys, attempts)
        assert.strictEqual(new Set(keys).size, 1)
        if (name !== "") assert.match(keys[0] ?? "", uuid)
      }).pipe(play(three)))
  }

  it.effect("throttled needs no key where the server does nothing with what it throttles, and needs one after a 503", () =>
    Effect.gen(function*() {
      const client = (yield* HttpClient.HttpClient).pipe(Resilience.withRetry({ ...atOnce, resend: "throttled" }))
      assert.strictEqual((yield* client.post(url)).status, 503)
      assert.lengthOf(yield* HttpScript.requests, 2)
      assert.strictEqual((yield* client.post(url)).status, 503)
      assert.lengthOf(yield* HttpScript.requests, 3)
    }).pipe(play([{ status: 429 }, { status: 503, headers: { "retry-after": "0" } }, { status: 503 }])))

  it.live("recklessly sent again needs no key", () =>
    Effect.gen(function*() {
      const client = (yield* HttpClient.HttpClient).pipe(Resilience.withRetry({ ...atOnce, resend: "recklessly" }))
      yield* client.post(url)
      assert.deepStrictEqual(yield* header("idempotency-key"), [undefined, undefined, undefined])
    }).pipe(play(three)))
})

describe("a request of another method", () => {
  it.live("is left as it is, unless it is asked for", () =>
    Effect.gen(function*() {
      const bare = yield* HttpClient.HttpClient
      const usual = bare.pipe(Resilience.withIdempotencyKey())
      const puts = bare.pipe(Resilience.withIdempotencyKey({ methods: ["put"] }))
      yield* minting("k")(Effect.all([usual.get(url), usual.put(url), usual.del(url), usual.patch(url), puts.put(url), puts.post(url)]))
      assert.deepStrictEqual(yield* header("idempotency-key"), [undefined, undefined, undefined, "k", "k", undefined])
    }).pipe(play(Array.from({ length: 6 }, () => ({ status: 200 })))))
})

const bad: ReadonlyArray<readonly [what: string, key: string]> = [
  ["empty", ""],
  ["CR", "a\rb"],
  ["LF", "a\nb"],
  ["CR LF and a header", "a\r\nx-admin: 1"],
  ["NUL", "a\0b"],
  ["DEL", "a\u007fb"],
  ["C1", "a\u0085b"],
  ["U+010A, whose low byte is LF", "a\u010ab"],
  ["U+010D, whose low byte is CR", "a\u010db"],
  ["an emoji", "a😀b"],
  ["a high surrogate alone", "a\ud800b"],
  ["a low surrogate alone", "a\udc00b"],
  ["300 characters", "a".repeat(300)],
  ["256 characters", "a".repeat(256)],
  ["a space in front", " a"],
  ["a tab behind", "a\t"]
]

describe("a key that no header may hold", () => {
  for (const [what, key] of bad) {
    it.live(`is refused, and nothing is sent: ${what}`, () =>
      Effect.gen(function*() {
        const client = (yield* HttpClient.HttpClient).pipe(Resilience.withRetry(atOnce), Resilience.withIdempotencyKey())
        const minted = yield* Effect.flip(minting(key)(client.post(url)))
        const own = yield* Effect.flip(
          // Not with `post`: the platform's headers are plain data, and take anything.
          client.execute(HttpClientRequest.setHeader(HttpClientRequest.post(url), "idempotency-key", key))
        )
        for (const error of [minted, own] satisfies ReadonlyArray<HttpClientError.HttpClientError>) {
          assert.strictEqual(error.reason, "Encode")
          assert.instanceOf(error.cause, IdempotencyKey.InvalidIdempotencyKey)
          assert.match(String(error.message), /Idempotency-Key: the key /)
          if (key.trim().length > 1) assert.notInclude(String(error.message), key)
        }
        assert.deepStrictEqual(yield* HttpScript.requests, [])
      }).pipe(play([])))
  }

  it("is refused, and any other is written as it is, for every string", () =>
    fc.assert(
      fc.property(fc.fullUnicodeString({ maxLength: 300 }), fc.constantFrom("bare" as const, "structured" as const), (key, format) => {
        const written = Effect.runSync(Effect.either(IdempotencyKey.encode(key, { format })))
        const latin1 = /^[\x20-\x7e\xa0-\xff\t]{1,255}$/.test(key) && key.trim() === key
        const ascii = /^[\x20-\x7e]{1,255}$/.test(key) && key.trim() === key
        assert.strictEqual(Either.isRight(written), format === "bare" ? latin1 : ascii)
        if (Either.isLeft(written)) return
        // JSON is a superset of the strings of RFC 9651 here: backslash escapes for `"` and `\`, and visible ASCII.
        assert.strictEqual(format === "bare" ? written.right : JSON.parse(written.right), key)
        assert.isFalse(/[\r\n\0]/.test(written.right))
      }),
      { numRuns: 3000 }
    ))
})

describe("a key", () => {
  it.live("is written as a string of RFC 9651 where that is asked for", () =>
    Effect.gen(function*() {
      const client = (yield* HttpClient.HttpClient).pipe(Resilience.withIdempotencyKey({ format: "structured" }))
      yield* minting("a\"b\\c")(client.post(url))
      yield* client.post(url, { headers: { "idempotency-key": "\"mine\"" } })
      assert.deepStrictEqual(yield* header("idempotency-key"), ["\"a\\\"b\\\\c\"", "\"mine\""])
    }).pipe(play([{ status: 201 }, { status: 201 }])))

  it("has 122 random bits, each of which takes both values, and 100,000 are different", () => {
    const keys = Effect.runSync(Effect.replicateEffect(Effect.flatten(IdempotencyKey.Generator), 100_000))
    assert.strictEqual(new Set(keys).size, 100_000)
    // Bits that are always 1, and always 0, of all keys: the version and the variant, 6 bits, and no other.
    let ones = (1n << 128n) - 1n
    let zeros = ones
    for (const key of keys) {
      assert.match(key, uuid)
      const bits = BigInt(`0x${key.replaceAll("-", "")}`)
      ones &= bits
      zeros &= ~bits
    }
    const count = (bits: bigint) => bits.toString(2).replaceAll("0", "").length
    assert.strictEqual(128 - count(ones) - count(zeros), 122)
  })

  it.effect("does not come from Effect's Random, whose seed has 32 bits", () =>
    Effect.gen(function*() {
      const mint = Effect.flatten(IdempotencyKey.Generator)
      const [a, b] = [yield* Effect.withRandomFixed(mint, [1]), yield* Effect.withRandomFixed(mint, [1])]
      assert.notStrictEqual(a, b)
    }))
})

describe("a name that is no header's", () => {
  for (const header of ["", "a b", "a:b", "a\r\nb", "ключ"]) {
    it(`is refused when the middleware is made: ${JSON.stringify(header)}`, () => {
      assert.throws(() => Resilience.withIdempotencyKey({ header }), InvalidOption, /header must be the name of a header, got /)
    })
  }
})
