import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as TestClock from "effect/TestClock"
import * as Endpoints from "../../src/http/Endpoints.ts"
import * as Resilience from "../../src/policy/Resilience.ts"
import * as Bulkhead from "../../src/strategy/Bulkhead.ts"
import * as CircuitBreaker from "../../src/strategy/CircuitBreaker.ts"
import * as HttpScript from "../../src/testing/HttpScript.ts"
import { eventually } from "../support/eventually.ts"
import * as Fault from "../support/faults.ts"
import { closedPort, serve, settled } from "../support/server.ts"
import { onEachTransport } from "../support/transports.ts"

const a = "https://a.test"
const b = "https://b.test"
const c = "https://c.test"
const atOnce = { schedule: Schedule.forever }

/** The hosts that were asked, in order: `abc`. */
const asked = Effect.map(HttpScript.requests, (requests) => requests.map(({ url }) => new URL(url).hostname.charAt(0)).join(""))

const play = <A, E>(
  steps: ReadonlyArray<HttpScript.Step>,
  effect: Effect.Effect<A, E, HttpClient.HttpClient | HttpScript.HttpScript>,
  options: HttpScript.Options = { atEnd: "repeatLast" }
): Effect.Effect<A, E> => Effect.provide(effect, HttpScript.layer(steps, options))

describe("the attempts of a call", () => {
  it.live("go to each endpoint before one is asked twice, and then to the one that failed longest ago", () =>
    play([{ status: 503 }], Effect.gen(function*() {
      const client = (yield* HttpClient.HttpClient).pipe(Resilience.withEndpoints([a, b, c]), Resilience.withRetry({ ...atOnce, maxAttempts: 7 }))
      yield* client.get("/1")
      assert.strictEqual(yield* asked, "abcabca")
    })))

  it.live("begin at the first, whatever came of the call before", () =>
    play([{ status: 503 }, { status: 200 }, { status: 200 }], Effect.gen(function*() {
      const client = (yield* HttpClient.HttpClient).pipe(Resilience.withEndpoints([a, b, c]), Resilience.withRetry(atOnce))
      yield* client.get("/1")
      yield* client.get("/1")
      assert.strictEqual(yield* asked, "aba")
    })))

  it.live("begin at each in turn where that is said", () =>
    play([{ status: 200 }], Effect.gen(function*() {
      const client = (yield* HttpClient.HttpClient).pipe(Resilience.withEndpoints({ baseUrls: [a, b, c], start: "inTurn" }))
      yield* Effect.replicateEffect(client.get("/1"), 4)
      assert.strictEqual(yield* asked, "abca")
    })))

  it.effect("that are hedges go to another while the first is still asked", () =>
    play(["hang", "hang", { status: 200 }], Effect.gen(function*() {
      const client = (yield* HttpClient.HttpClient).pipe(
        Resilience.withEndpoints([a, b, c]),
        Resilience.withHedge({ delay: 10, maxAttempts: 3 })
      )
      const fiber = yield* Effect.fork(client.get("/1"))
      yield* TestClock.adjust(100)
      yield* Fiber.join(fiber)
      assert.strictEqual(yield* asked, "abc")
    })))

  it.effect("of two hedged calls of one request value are told apart", () =>
    play(["hang"], Effect.gen(function*() {
      const client = (yield* HttpClient.HttpClient).pipe(Resilience.withEndpoints([a, b]), Resilience.withHedge({ delay: 10 }))
      const request = HttpClientRequest.get("/1")
      const fibers = yield* Effect.forEach([1, 2], () => Effect.fork(client.execute(request)))
      yield* TestClock.adjust(100)
      assert.strictEqual(yield* asked, "aabb")
      yield* Fiber.interruptAll(fibers)
    })))

  it.live("of one request value that is sent again and again begin at the first after each success", () =>
    play([{ status: 200 }], Effect.gen(function*() {
      const client = (yield* HttpClient.HttpClient).pipe(Resilience.withEndpoints([a, b]), Resilience.withRetry(atOnce))
      yield* Effect.replicateEffect(client.execute(HttpClientRequest.get("/1")), 3)
      const request = HttpClientRequest.get("/1")
      yield* Effect.replicateEffect(client.execute(request), 3)
      assert.strictEqual(yield* asked, "aaaaaa")
    })))
})

describe("an endpoint that is turned away by its breaker", () => {
  const guarded = Effect.gen(function*() {
    const breaker = yield* CircuitBreaker.make({ tripPolicy: CircuitBreaker.consecutive(1), openDuration: "1 hour" })
    const client = (yield* HttpClient.HttpClient).pipe(Resilience.withCircuitBreaker({ breaker }), Resilience.withEndpoints([a, b]))
    return { breaker, client }
  })

  it.effect("is left out at once, in the same attempt, for any method", () =>
    play([{ status: 201 }], Effect.gen(function*() {
      const { breaker, client } = yield* guarded
      yield* CircuitBreaker.isolate(breaker, a)
      assert.strictEqual((yield* client.post("/orders")).status, 201)
      assert.strictEqual(yield* asked, "b")
    })))

  it.effect("or by a full bulkhead is left out as well", () =>
    play(["hang", { status: 200 }], Effect.gen(function*() {
      const bulkhead = yield* Bulkhead.make({ permits: 1, queue: 0 })
      const client = (yield* HttpClient.HttpClient).pipe(Resilience.withBulkhead({ bulkhead }), Resilience.withEndpoints([a, b]))
      const first = yield* Effect.fork(client.get("/1"))
      yield* Effect.yieldNow()
      assert.strictEqual((yield* client.get("/2")).status, 200)
      assert.strictEqual(yield* asked, "ab")
      yield* Fiber.interrupt(first)
    })))

  it.effect("fails the attempt with the last refusal where all are", () =>
    play([{ status: 201 }], Effect.gen(function*() {
      const { breaker, client } = yield* guarded
      yield* CircuitBreaker.isolate(breaker, a)
      yield* CircuitBreaker.isolate(breaker, b)
      const error = yield* Effect.flip(client.get("/1"))
      assert.isTrue(error._tag === "CircuitOpen" && error.key === b)
      assert.strictEqual(yield* asked, "")
    })))

  it.effect("does not make its peers fail: each has its own state", () =>
    play([{ status: 500 }, { status: 200 }], Effect.gen(function*() {
      const { breaker, client } = yield* guarded
      assert.strictEqual((yield* client.get("/1")).status, 500)
      assert.deepStrictEqual((yield* CircuitBreaker.state(breaker, a))._tag, "Open")
      assert.strictEqual((yield* client.get("/1")).status, 200)
      assert.strictEqual(yield* asked, "ab")
    })))

  it.live("is not mistaken for one that a retry inside has given up on", () =>
    play([{ fails: "ECONNRESET" }], Effect.gen(function*() {
      const client = (yield* HttpClient.HttpClient).pipe(
        Resilience.withRetryOrFail({ ...atOnce, maxAttempts: 2 }),
        Resilience.withEndpoints([a, b])
      )
      assert.isTrue(Exit.isFailure(yield* Effect.exit(client.get("/1"))))
      assert.strictEqual(yield* asked, "aa")
    })))

  it.effect("is not mistaken for one whose deadline has passed: that may have been sent", () =>
    play(["hang"], Effect.gen(function*() {
      const client = (yield* HttpClient.HttpClient).pipe(Resilience.withDeadline("1 second"), Resilience.withEndpoints([a, b]))
      const fiber = yield* Effect.fork(Effect.flip(client.post("/orders")))
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* Fiber.join(fiber))._tag, "DeadlineExceeded")
      assert.strictEqual(yield* asked, "a")
    })))
})

describe("a URL", () => {
  const joined: ReadonlyArray<readonly [base: string, url: string, sent: string]> = [
    ["https://a.test", "/1", "https://a.test/1"],
    ["https://a.test/", "/1", "https://a.test/1"],
    ["https://a.test/api", "/1", "https://a.test/api/1"],
    ["https://a.test/api/", "1", "https://a.test/api/1"],
    ["https://a.test", "1", "https://a.test/1"],
    ["https://a.test", "", "https://a.test/"],
    ["https://a.test", "?q=1", "https://a.test/?q=1"],
    ["https://a.test", "@evil.test/", "https://a.test/@evil.test/"],
    ["https://a.test", ".evil.test", "https://a.test/.evil.test"],
    ["https://a.test", ":81/", "https://a.test/:81/"],
    ["https://a.test", "//evil.test/", "https://a.test//evil.test/"],
    ["https://a.test", "https://else.test/2", "https://else.test/2"]
  ]
  for (const [base, url, sent] of joined) {
    it.live(`${JSON.stringify(url)} behind ${base} is ${sent}`, () =>
      play([{ status: 200 }], Effect.gen(function*() {
        const client = (yield* HttpClient.HttpClient).pipe(Resilience.withEndpoints([base]))
        yield* client.execute(HttpClientRequest.get(url))
        assert.deepStrictEqual((yield* HttpScript.requests).map((request) => request.url), [sent])
      })))
  }

  it("that is no base is thrown where it is given, without its password", () => {
    for (const wrong of ["", "/api", "a.test", "ftp://a.test", "https://", "https://a.test?x=1", "https://a.test#x"]) {
      assert.throws(() => Endpoints.middleware([a, wrong]), /Endpoints: baseUrls/)
    }
    assert.throws(() => Endpoints.middleware([]), /Endpoints: baseUrls/)
    try {
      Endpoints.middleware(["https://ada:secret@a.test?x"])
      assert.fail("not thrown")
    } catch (error) {
      assert.notInclude(String(error), "secret")
    }
  })
})

describe("over real sockets", () => {
  onEachTransport((_, layer) => {
    it.scopedLive("a hedge goes to the server that answers, a retry past the one that refuses", () =>
      Effect.gen(function*() {
        const slow = yield* serve(Fault.hang)
        const fast = yield* serve(Fault.status(200, { body: "ok" }))
        const refusing = yield* closedPort
        yield* Effect.gen(function*() {
          const bare = yield* HttpClient.HttpClient
          const read = (client: HttpClient.HttpClient) => Effect.flatMap(client.get("/1"), (response) => response.text)
          const hedged = bare.pipe(Resilience.withEndpoints([slow.url, fast.url]), Resilience.withHedge({ delay: "20 millis" }))
          assert.strictEqual(yield* read(hedged), "ok")
          yield* eventually(() => slow.stats.requests[0]?.closed?.how === "aborted", "10 seconds")
          const retried = bare.pipe(Resilience.withEndpoints([refusing, fast.url]), Resilience.withRetry(atOnce))
          assert.strictEqual(yield* read(retried), "ok")
          assert.lengthOf(fast.stats.requests, 2)
        }).pipe(Effect.provide(layer()))
        yield* settled(slow)
        yield* settled(fast)
      }))
  })
})
