import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as fc from "fast-check"
import * as Hedge from "../../src/http/Hedge.ts"
import * as Resilience from "../../src/policy/Resilience.ts"
import * as CircuitBreaker from "../../src/strategy/CircuitBreaker.ts"
import * as RetryBudget from "../../src/strategy/RetryBudget.ts"
import * as HttpScript from "../../src/testing/HttpScript.ts"
import * as Recorder from "../../src/testing/Recorder.ts"
import * as Simulation from "../../src/testing/Simulation.ts"
import { eventually } from "../support/eventually.ts"
import * as Fault from "../support/faults.ts"
import { serve, settled } from "../support/server.ts"
import { onEachTransport } from "../support/transports.ts"

const url = "http://users.test/1"

const states = Effect.map(HttpScript.requests, (requests) => requests.map(({ state }) => state))

describe("a hedge over HTTP", () => {
  it.effect("wins with its response, whose body is whole; the first request is interrupted", () =>
    Effect.gen(function*() {
      const client = (yield* HttpClient.HttpClient).pipe(Resilience.withHedge({ delay: "100 millis" }))
      const fiber = yield* Effect.fork(Effect.flatMap(client.get(url), (response) => response.text))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(fiber), "second")
      assert.deepStrictEqual(yield* HttpScript.timeline, [0, 100])
      assert.deepStrictEqual(yield* states, ["interrupted", "read"])
    }).pipe(Effect.provide(HttpScript.layer(["hang", { status: 200, body: "second", after: "50 millis" }]))))

  it.effect("takes nothing from the body of the winner when the losers are let go", () =>
    Effect.gen(function*() {
      const client = (yield* HttpClient.HttpClient).pipe(Resilience.withHedge({ delay: "10 millis", maxAttempts: 3 }))
      const fiber = yield* Effect.fork(client.get(url))
      yield* TestClock.adjust("100 millis")
      const response = yield* Fiber.join(fiber)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* response.text, "abc")
    }).pipe(Effect.provide(HttpScript.layer(["hang", { status: 200, after: "40 millis", body: { chunks: ["a", "b", "c"] } }, "hang"]))))

  it.effect("follows a 503 at once, whose body is let go meanwhile", () =>
    Effect.gen(function*() {
      const client = (yield* HttpClient.HttpClient).pipe(Resilience.withHedge({ delay: "1 second" }))
      const fiber = yield* Effect.fork(client.get(url))
      yield* TestClock.adjust("500 millis")
      assert.strictEqual((yield* Fiber.join(fiber)).status, 200)
      assert.deepStrictEqual(yield* HttpScript.timeline, [0, 5])
      assert.deepStrictEqual((yield* states).at(0), "read")
    }).pipe(Effect.provide(HttpScript.layer([{ status: 503, body: "busy", after: 5 }, { status: 200, after: 5 }]))))

  it.effect("returns the last response as it came, with its body, where all fail", () =>
    Effect.gen(function*() {
      const client = (yield* HttpClient.HttpClient).pipe(Resilience.withHedge({ delay: "1 second" }))
      const response = yield* client.get(url)
      assert.deepStrictEqual([response.status, yield* response.text], [502, "last"])
      assert.deepStrictEqual(yield* HttpScript.held, [])
    }).pipe(Effect.provide(HttpScript.layer([{ status: 503, body: "first" }, { status: 502, body: "last" }]))))

  it.effect("lets go of a response that comes after all, where a call that cannot be interrupted has losers that cannot either", () =>
    Effect.gen(function*() {
      const client = (yield* HttpClient.HttpClient).pipe(Resilience.withHedge({ delay: "10 millis" }))
      const fiber = yield* Effect.fork(Effect.uninterruptible(client.get(url)))
      yield* TestClock.adjust("30 millis")
      const won = yield* Fiber.join(fiber)
      assert.strictEqual(yield* won.text, "fast")
      assert.deepStrictEqual(yield* states, ["waiting", "read"])
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* states, ["read", "read"])
      assert.deepStrictEqual(yield* HttpScript.held, [])
    }).pipe(Effect.provide(HttpScript.layer([{ status: 200, after: "200 millis", body: "slow" }, { status: 200, after: "10 millis", body: "fast" }]))))
})

describe("what is hedged", () => {
  const post = HttpClientRequest.post(url).pipe(HttpClientRequest.bodyText("order"))
  const stream = HttpClientRequest.put(url).pipe(HttpClientRequest.setBody(HttpBody.stream(Stream.make(new Uint8Array([1])))))
  const cases: ReadonlyArray<readonly [string, HttpClientRequest.HttpClientRequest, number, Partial<Hedge.Options>]> = [
    ["a GET is", HttpClientRequest.get(url), 2, {}],
    ["a PUT with a body that can be sent again is", HttpClientRequest.put(url).pipe(HttpClientRequest.bodyText("x")), 2, {}],
    ["a PUT with a stream is not", stream, 1, {}],
    ["a POST without a key is not", post, 1, {}],
    ["a POST with an empty key is not", HttpClientRequest.setHeader(post, "idempotency-key", ""), 1, {}],
    ["a POST with a key is", HttpClientRequest.setHeader(post, "idempotency-key", "k1"), 2, {}],
    ["a POST with a key of another name is, where that is said", HttpClientRequest.setHeader(post, "x-key", "k1"), 2, { keyHeaders: ["X-Key"] }],
    ["a POST without a key is, recklessly", post, 2, { resend: "recklessly" }]
  ]
  for (const [what, request, attempts, options] of cases) {
    it.effect(what, () =>
      Effect.gen(function*() {
        const client = (yield* HttpClient.HttpClient).pipe(Resilience.withHedge({ delay: "10 millis", ...options }))
        const fiber = yield* Effect.fork(client.execute(request))
        yield* TestClock.adjust("1 second")
        assert.lengthOf(yield* HttpScript.requests, attempts)
        yield* Fiber.interrupt(fiber)
        assert.deepStrictEqual(yield* states, Array.from({ length: attempts }, () => "interrupted"))
      }).pipe(Effect.provide(HttpScript.layer(["hang"], { atEnd: "repeatLast" }))))
  }

  it.effect("a POST that was provably never sent is sent again, one at a time", () =>
    Effect.gen(function*() {
      const client = (yield* HttpClient.HttpClient).pipe(Resilience.withHedge({ delay: "10 millis", maxAttempts: 3 }))
      const fiber = yield* Effect.fork(client.execute(post))
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(fiber)).status, 201)
      assert.deepStrictEqual(yield* HttpScript.timeline, [0, 0])
    }).pipe(Effect.provide(HttpScript.layer([{ fails: "ECONNREFUSED" }, { status: 201, after: "500 millis" }]))))

  it.effect("all attempts of a call have the same key", () =>
    Effect.gen(function*() {
      const client = (yield* HttpClient.HttpClient).pipe(
        Resilience.withHedge({ delay: "10 millis", maxAttempts: 3 }),
        Resilience.withIdempotencyKey()
      )
      const fiber = yield* Effect.fork(client.execute(post))
      yield* TestClock.adjust("1 second")
      const keys = (yield* HttpScript.requests).map(({ headers }) => headers["idempotency-key"])
      assert.lengthOf(keys, 3)
      assert.lengthOf([...new Set(keys)], 1)
      yield* Fiber.interrupt(fiber)
    }).pipe(Effect.provide(HttpScript.layer(["hang"], { atEnd: "repeatLast" }))))
})

describe("spans", () => {
  it.effect("of the attempts are siblings below the call, each linked to the first", () =>
    Effect.gen(function*() {
      const recorder = yield* Recorder.Recorder
      const client = (yield* HttpClient.HttpClient).pipe(
        Resilience.withAttemptSpan,
        Resilience.withHedge({ delay: "10 millis" }),
        Resilience.withCallSpan("users")
      )
      const fiber = yield* Effect.fork(client.get(url))
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(fiber)
      const spans = yield* recorder.spans
      const [call, first, second] = spans
      assert.lengthOf(spans, 3)
      assert.deepStrictEqual([first?.parent, second?.parent].map((parent) => parent?._tag === "Some" ? parent.value : ""), [call?.spanId, call?.spanId])
      assert.deepStrictEqual(first?.links, [])
      assert.deepStrictEqual(second?.links.map(({ spanId }) => spanId), [first?.spanId])
      assert.strictEqual(second?.attributes["http.request.resend_count"], 1)
      assert.deepStrictEqual(call?.events.map(({ name }) => name), ["resilience.hedge", "resilience.won"])
      assert.deepStrictEqual(Recorder.open(spans), [])
    }).pipe(
      Effect.provide(Recorder.layer),
      Effect.provide(HttpScript.layer(["hang", { status: 200, after: "20 millis" }]))
    ))
})

describe("over a breaker", () => {
  it.effect("an attempt that it turns away ends none that is on its way", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker.make({ tripPolicy: CircuitBreaker.consecutive(1) })
      const client = (yield* HttpClient.HttpClient).pipe(
        Resilience.withCircuitBreaker({ breaker }),
        Resilience.withHedge({ delay: "10 millis", maxAttempts: 3 })
      )
      const fiber = yield* Effect.fork(client.get(url))
      yield* TestClock.adjust("1 second")
      // The second fails and opens the breaker, which turns the third away; the first is still good.
      assert.strictEqual((yield* Fiber.join(fiber)).status, 200)
      assert.lengthOf(yield* HttpScript.requests, 2)
    }).pipe(Effect.provide(HttpScript.layer([{ status: 200, after: "100 millis" }, { status: 500, after: "5 millis" }]))))
})

describe("an abandoned attempt", () => {
  it.effect("counts neither way with a breaker, and gives a probe back", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker.make({ tripPolicy: CircuitBreaker.consecutive(1), openDuration: "1 second", probes: 2 })
      const key = "http://users.test"
      const client = (yield* HttpClient.HttpClient).pipe(
        Resilience.withCircuitBreaker({ breaker }),
        Resilience.withHedge({ delay: "10 millis" })
      )
      const call = Effect.gen(function*() {
        const fiber = yield* Effect.fork(client.get(url))
        yield* TestClock.adjust("500 millis")
        return (yield* Fiber.join(fiber)).status
      })
      assert.strictEqual(yield* call, 200)
      assert.strictEqual((yield* CircuitBreaker.state(breaker, key))._tag, "Closed")
      assert.strictEqual(yield* call, 404)
      yield* Effect.ignore(client.post(url))
      assert.strictEqual((yield* CircuitBreaker.state(breaker, key))._tag, "Open")
      yield* TestClock.adjust("1 second")
      // Half open: both are probes, the one that hangs is abandoned, the other closes it.
      assert.strictEqual(yield* call, 200)
      assert.strictEqual((yield* CircuitBreaker.state(breaker, key))._tag, "Closed")
    }).pipe(Effect.provide(HttpScript.layer([
      "hang",
      { status: 200 },
      "hang",
      { status: 404 },
      { status: 500 },
      "hang",
      { status: 200 }
    ], { atEnd: "die" }))))
})

/** Random peers, and an interruption at a random time. */
const answers = fc.record({
  after: fc.integer({ min: 0, max: 40 }),
  answer: fc.constantFrom<HttpScript.Answer>(
    { status: 200, body: "ok" },
    { status: 200, body: { chunks: ["a", "b"] } },
    { status: 503, body: "x".repeat(70_000) },
    { status: 503, body: { chunks: ["a"], ending: "endless" } },
    { status: 429, body: "less" },
    { status: 404, body: "none" },
    { fails: "ECONNRESET" },
    { dies: new Error("a defect") },
    "hang"
  )
}).map(({ after, answer }): HttpScript.Answer => answer === "hang" || "dies" in answer || "fails" in answer ? answer : { ...answer, after })

describe("laws of Hedge over HTTP", () => {
  it("no response is left held, no attempt goes on, and there are never more than allowed, whenever the call is interrupted", () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(answers, { minLength: 5, maxLength: 5 }),
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 0, max: 20 }),
        fc.integer({ min: 0, max: 60 }),
        (script, maxAttempts, delay, interruptedAt) =>
          Effect.gen(function*() {
            const recorder = yield* Recorder.Recorder
            const client = (yield* HttpClient.HttpClient).pipe(Resilience.withHedge({ delay, maxAttempts }))
            const fiber = yield* Effect.fork(client.get(url))
            yield* Effect.sleep(interruptedAt)
            const exit = yield* Fiber.interrupt(fiber)
            yield* Effect.sleep("1 second")
            const requests = yield* HttpScript.requests
            assert.isAtMost(requests.length, maxAttempts)
            assert.notInclude(requests.map(({ state }) => state), "waiting")
            const returned = Exit.isSuccess(exit) ? [exit.value] : []
            const held = yield* HttpScript.held
            assert.lengthOf(held, returned.length)
            for (const response of returned) {
              if (response.status !== 503) yield* response.text
            }
            const events = yield* recorder.events
            assert.lengthOf(events.filter(({ _tag }) => _tag === "CallStarted"), 1)
            assert.lengthOf(events.filter(({ _tag }) => _tag === "CallEnded"), 1)
            assert.strictEqual(events.at(-1)?._tag, "CallEnded")
          }).pipe(
            Effect.provide(Recorder.layer),
            Effect.provide(HttpScript.layer(script)),
            Simulation.run,
            Effect.runPromise
          )
      ),
      { numRuns: 200 }
    ), 60_000)

  it("hedges, over many calls, are no more than the budget's part of the successes", () =>
    fc.assert(
      fc.property(fc.array(fc.boolean(), { minLength: 20, maxLength: 60 }), (slow) =>
        Simulation.runSync(Effect.gen(function*() {
          const budget = yield* RetryBudget.make({ ratio: 0.2, floorPerSecond: 10, window: "1 hour" })
          let next = 0
          const peer = Effect.suspend(() => next++ >= 0 && current ? Effect.never : Effect.void)
          let current = false
          const sent: Array<number> = []
          let successes = 0
          for (const isSlow of slow) {
            current = isSlow
            const before = next
            const fiber = yield* Effect.fork(Hedge.hedge(peer, { delay: 0, maxAttempts: 5, budget }))
            yield* Effect.yieldNow()
            yield* Effect.yieldNow()
            yield* Fiber.interrupt(fiber)
            if (!isSlow) successes++
            sent.push(next - before)
            const hedges = sent.reduce((sum, attempts) => sum + attempts - 1, 0)
            assert.isAtMost(hedges, 0.2 * successes + 1e-9)
          }
        }))),
      { numRuns: 300 }
    ), 60_000)

  it("a hedge that never fires changes nothing: the same exits, the same requests", () =>
    fc.assert(
      fc.asyncProperty(answers, fc.constantFrom<"infinite" | "single">("infinite", "single"), (answer, which) => {
        const failing = typeof answer === "object" && ("fails" in answer || "status" in answer && answer.status !== 200 && answer.status !== 404)
        if (which === "infinite" && failing || answer === "hang") return Promise.resolve()
        const play = (decorate: (client: HttpClient.HttpClient) => HttpClient.HttpClient) =>
          Effect.gen(function*() {
            const exit = Exit.map(yield* Effect.exit(decorate(yield* HttpClient.HttpClient).get(url)), (response) => response.status)
            yield* Effect.sleep("1 second")
            const outcome = Exit.isFailure(exit) ? Cause.squash(exit.cause) : exit.value
            return [outcome instanceof Error ? outcome.message : outcome, yield* HttpScript.timeline, yield* states]
          }).pipe(Effect.provide(HttpScript.layer([answer])), Simulation.run, Effect.runPromise)
        const options = which === "infinite" ? { delay: Infinity, maxAttempts: 5 } : { delay: 0, maxAttempts: 1 }
        return Promise.all([play((client) => client), play(Resilience.withHedge(options))]).then(([plain, hedged]) =>
          assert.deepStrictEqual(hedged, plain))
      }),
      { numRuns: 60 }
    ), 60_000)
})

describe("over real sockets", () => {
  onEachTransport((_, layer) => {
    it.scopedLive("the second answer wins, the first request's connection is closed, and nothing is left open", () =>
      Effect.gen(function*() {
        const server = yield* serve(Fault.inTurn(Fault.hang, Fault.status(200, { body: "second" })))
        yield* Effect.gen(function*() {
          const client = (yield* HttpClient.HttpClient).pipe(Resilience.withHedge({ delay: "50 millis" }))
          const body = yield* Effect.flatMap(client.get(server.url), (response) => response.text)
          assert.strictEqual(body, "second")
          yield* eventually(() => server.stats.requests[0]?.closed?.how === "aborted", "10 seconds")
          assert.strictEqual(server.stats.requests[1]?.closed?.how, "finished")
          assert.lengthOf(server.stats.requests, 2)
        }).pipe(Effect.provide(layer({ connections: 2 })))
        yield* settled(server)
      }))

    it.scopedLive("of many calls one after the other none leaves a connection open", () =>
      Effect.gen(function*() {
        const answer = Fault.status(200, { body: "ok" })
        const server = yield* serve((...args) => args[2].number % 2 === 1 ? Fault.hang(...args) : answer(...args))
        yield* Effect.gen(function*() {
          const client = (yield* HttpClient.HttpClient).pipe(Resilience.withHedge({ delay: "5 millis" }))
          const one = Effect.flatMap(client.get(server.url), (response) => response.text)
          const bodies = yield* Effect.replicateEffect(one, 10)
          assert.deepStrictEqual([...new Set(bodies)], ["ok"])
          const hung = () => server.stats.requests.filter(({ closed }) => closed === undefined)
          yield* eventually(() => hung().length === 0, "10 seconds")
          yield* eventually(() => server.stats.open <= 2, "10 seconds")
        }).pipe(Effect.provide(layer({ connections: 2 })))
        yield* settled(server)
      }))

    it.scopedLive("a POST without a key is sent once, however long it takes", () =>
      Effect.gen(function*() {
        const server = yield* serve(Fault.inTurn((_, response) => void setTimeout(() => response.end("late"), 300), Fault.status(200)))
        yield* Effect.gen(function*() {
          const client = (yield* HttpClient.HttpClient).pipe(Resilience.withHedge({ delay: "5 millis", maxAttempts: 5 }))
          const response = yield* client.post(server.url, { body: HttpBody.text("order") })
          assert.strictEqual(yield* response.text, "late")
          assert.lengthOf(server.stats.requests, 1)
        }).pipe(Effect.provide(layer()))
        yield* settled(server)
      }))

    it.scopedLive("who interrupts the call closes the connections of all its attempts", () =>
      Effect.gen(function*() {
        const server = yield* serve(Fault.hang)
        yield* Effect.gen(function*() {
          const client = (yield* HttpClient.HttpClient).pipe(Resilience.withHedge({ delay: "5 millis", maxAttempts: 3 }))
          const fiber = yield* Effect.fork(client.get(server.url))
          yield* eventually(() => server.stats.requests.length === 3, "10 seconds")
          yield* Fiber.interrupt(fiber)
          yield* eventually(() => server.stats.requests.every(({ closed }) => closed?.how === "aborted"), "10 seconds")
        }).pipe(Effect.provide(layer({ connections: 3 })))
        yield* settled(server)
      }))
  })
})
