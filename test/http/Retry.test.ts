import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as TestClock from "effect/TestClock"
import * as fc from "fast-check"
import type * as Attempt from "../../src/core/Attempt.ts"
import * as Classifier from "../../src/core/Classifier.ts"
import * as Failure from "../../src/core/Failure.ts"
import * as Idempotency from "../../src/core/Idempotency.ts"
import * as Retry from "../../src/http/Retry.ts"
import * as Resilience from "../../src/policy/Resilience.ts"
import * as Observer from "../../src/strategy/Observer.ts"
import * as HttpScript from "../../src/testing/HttpScript.ts"
import * as Fault from "../support/faults.ts"
import { serve, settled } from "../support/server.ts"
import { onEachTransport } from "../support/transports.ts"

const url = "http://users.test/1"

/** No wait at all: what is left is the counting. */
const atOnce = { schedule: Schedule.forever }

const play = <A, E>(
  steps: ReadonlyArray<HttpScript.Step>,
  effect: Effect.Effect<A, E, HttpClient.HttpClient | HttpScript.HttpScript>,
  options?: HttpScript.Options
): Effect.Effect<A, E> => Effect.provide(effect, HttpScript.layer(steps, options))

/** What one step of a script means to the next attempt. */
type Meaning = "success" | "terminal" | "once" | "resend" | "unsent"

const step = (meaning: Meaning, answer: HttpScript.Answer) => ({ meaning, answer })

const bodies = fc.constantFrom<HttpScript.Respond["body"]>(
  "",
  "busy",
  "x".repeat(70_000),
  { chunks: ["a", "b"] },
  { chunks: ["a".repeat(40_000), "b".repeat(40_000)] },
  { chunks: ["a"], ending: "cut" },
  { chunks: ["a".repeat(9_000)], ending: "endless" }
)
const respond = (status: number) => bodies.map((body): HttpScript.Answer => ({ status, body }))
const steps = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(408, 429, 500, 502, 503, 504).chain(respond).map((answer) => step("resend", answer)) },
  { weight: 1, arbitrary: respond(425).map((answer) => step("once", answer)) },
  {
    weight: 4,
    arbitrary: fc.constantFrom("ECONNRESET", "UND_ERR_SOCKET", "EPIPE").map((fails) => step("resend", { fails }))
  },
  { weight: 1, arbitrary: fc.constantFrom("ECONNREFUSED", "ENOTFOUND").map((fails) => step("unsent", { fails })) },
  { weight: 1, arbitrary: fc.constantFrom(400, 404, 501, 505, 999).chain(respond).map((answer) => step("terminal", answer)) },
  { weight: 1, arbitrary: fc.constant(step("terminal", { fails: "CERT_HAS_EXPIRED" })) },
  { weight: 1, arbitrary: fc.constant(step("terminal", { dies: new Error("a defect") })) },
  { weight: 1, arbitrary: fc.constantFrom(200, 204, 304).chain(respond).map((answer) => step("success", answer)) }
)
const methods = fc.constantFrom(
  { method: "GET" as const, key: undefined },
  { method: "PUT" as const, key: undefined },
  { method: "POST" as const, key: undefined },
  { method: "POST" as const, key: "k1" }
)
const scripts = fc.record({
  script: fc.array(steps, { minLength: 1, maxLength: 6 }),
  maxAttempts: fc.integer({ min: 1, max: 7 }),
  request: methods
})

/** How many attempts a script explains, read off the tables of the design by hand. */
const explained = (script: ReadonlyArray<{ readonly meaning: Meaning }>, maxAttempts: number, repeatable: boolean): number => {
  let onces = 0
  for (let attempt = 1; attempt < maxAttempts; attempt++) {
    const meaning = script[(attempt - 1) % script.length]?.meaning
    if (meaning === "success" || meaning === "terminal") return attempt
    if (meaning === "once" && ++onces > 1) return attempt
    if (meaning !== "unsent" && !repeatable) return attempt
  }
  return maxAttempts
}

describe("the number of attempts", () => {
  it("is what the script explains and never above maxAttempts, for any interleaving of responses and errors", () =>
    fc.assert(
      fc.asyncProperty(scripts, async ({ maxAttempts, request, script }) => {
        const made = await Effect.gen(function*() {
          const client = (yield* HttpClient.HttpClient).pipe(Resilience.withRetry({ ...atOnce, maxAttempts }))
          const bare = HttpClientRequest.make(request.method)(url)
          const sent = request.key === undefined ? bare : HttpClientRequest.setHeader(bare, "idempotency-key", request.key)
          yield* Effect.exit(client.execute(sent))
          return (yield* HttpScript.requests).length
        }).pipe(
          Effect.provide(HttpScript.layer(script.map(({ answer }) => answer), { atEnd: "cycle" })),
          Effect.runPromise
        )
        assert.isAtMost(made, maxAttempts)
        const repeatable = Idempotency.isIdempotent(request.method, {}) || request.key !== undefined
        assert.strictEqual(made, explained(script, maxAttempts, repeatable))
      }),
      { numRuns: 1500 }
    ), 30_000)

  const story: ReadonlyArray<HttpScript.Step> = [{ status: 503 }, { status: 503 }, { status: 503 }, { fails: "ECONNRESET" }]
  const count = (decorate: (client: HttpClient.HttpClient) => HttpClient.HttpClient) =>
    play(
      story,
      Effect.gen(function*() {
        yield* Effect.exit(decorate(yield* HttpClient.HttpClient).get(url))
        return (yield* HttpScript.requests).length
      }),
      { atEnd: "cycle" }
    )

  it.live("is 4 where 4 are allowed, on 503, 503, 503, reset, again and again; the platform's retryTransient makes 16", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* count(Resilience.withRetry({ ...atOnce, maxAttempts: 4 })), 4)
      assert.strictEqual(yield* count(HttpClient.retryTransient({ times: 3 })), 16)
    }))

  onEachTransport((_, layer) => {
    it.scopedLive("is 4 where 4 are allowed, on 503, 503, 503, reset, again and again; the platform's retryTransient makes 16", () =>
      Effect.gen(function*() {
        const busy = Fault.status(503)
        const story = [busy, busy, busy, Fault.resetBeforeHeaders]
        const server = yield* serve((...args) => story[(args[2].number - 1) % 4]?.(...args))
        const requests = (decorate: (client: HttpClient.HttpClient) => HttpClient.HttpClient) =>
          Effect.gen(function*() {
            const before = server.stats.requests.length
            yield* Effect.exit(decorate(yield* HttpClient.HttpClient).get(server.url))
            return server.stats.requests.length - before
          })
        yield* Effect.gen(function*() {
          assert.strictEqual(yield* requests(Resilience.withRetry({ ...atOnce, maxAttempts: 4 })), 4)
          // The platform leaves each body unread, so it needs a connection for each 503.
          assert.strictEqual(yield* requests(HttpClient.retryTransient({ times: 3 })), 16)
        }).pipe(Effect.provide(layer({ connections: 20 })))
        yield* settled(server)
      }))
  })

  it.live("is 1 where 1 is allowed", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* count(Resilience.withRetry({ maxAttempts: 1 })), 1)
    }))

  it.effect("is 3 by default, and 10 with a schedule of one's own", () =>
    Effect.gen(function*() {
      const fiber = yield* Effect.fork(count(Resilience.withRetry()))
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* Fiber.join(fiber), 3)
      assert.strictEqual(yield* count(Resilience.withRetry(atOnce)), 10)
    }))
})

describe("at the end", () => {
  const last = <A, E>(exit: Exit.Exit<A, E>): unknown =>
    Exit.isSuccess(exit) ? exit.value : Option.getOrUndefined(Cause.failureOption(exit.cause))

  /** The same client, and what it gave for each attempt. */
  const watched = (client: HttpClient.HttpClient) => {
    const seen: Array<Exit.Exit<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError>> = []
    const outer = HttpClient.transform(client, (attempt) =>
      Effect.flatMap(Effect.exit(attempt), (exit) => {
        seen.push(exit)
        return exit
      }))
    return { seen, outer }
  }

  const endings: ReadonlyArray<readonly [string, HttpScript.Answer]> = [
    ["a response", { status: 503, body: "busy" }],
    ["an error", { fails: "ECONNRESET" }],
    ["a response that no other attempt would change", { status: 404, body: "busy" }],
    ["an error that no other attempt would change", { fails: "CERT_HAS_EXPIRED" }]
  ]
  for (const [what, answer] of endings) {
    it.live(`${what} comes back as it came: the same value`, () =>
      play(
        [{ status: 503 }, answer],
        Effect.gen(function*() {
          const { outer, seen } = watched(yield* HttpClient.HttpClient)
          const exit = yield* Effect.exit(outer.pipe(Resilience.withRetry({ ...atOnce, maxAttempts: 2 })).get(url))
          assert.lengthOf(seen, 2)
          assert.isDefined(last(exit))
          assert.strictEqual(last(exit), last(seen[1] ?? Exit.void))
          if (Exit.isSuccess(exit)) assert.strictEqual(yield* exit.value.text, "busy")
        })
      ))
  }

  const labels = (attempts: ReadonlyArray<Attempt.Attempt>) => attempts.map(({ failure, number }) => [number, Failure.label(failure)])

  it.effect("orFail fails with the record of every attempt, and releases the last response", () =>
    Effect.gen(function*() {
      const client = (yield* HttpClient.HttpClient).pipe(
        Resilience.withRetryOrFail({ schedule: Schedule.spaced("1 second"), maxAttempts: 3 })
      )
      const fiber = yield* Effect.fork(Effect.flip(client.get(url)))
      yield* TestClock.adjust("3 seconds")
      const error = yield* Fiber.join(fiber)
      assert.strictEqual(error._tag, "RetriesExhausted")
      if (error._tag !== "RetriesExhausted") return
      assert.deepStrictEqual(labels(error.attempts), [[1, "503"], [2, "ECONNRESET"], [3, "500"]])
      assert.deepStrictEqual(error.attempts.map(({ endedAt, startedAt }) => [startedAt, endedAt]), [[0, 250], [1250, 1250], [2250, 2250]])
      assert.strictEqual(error.because, "AttemptsExhausted")
      assert.strictEqual(error.message, "gave up after 3 attempts (AttemptsExhausted): #1 503 after 250ms, #2 ECONNRESET after 0ms, #3 500 after 0ms")
      assert.deepStrictEqual((yield* HttpScript.released).map(({ how, request }) => [request, how]), [[1, "read"], [3, "read"]])
      assert.deepStrictEqual(yield* HttpScript.held, [])
    }).pipe(Effect.provide(HttpScript.layer([
      { status: 503, after: "250 millis", body: "busy" },
      { fails: "ECONNRESET" },
      { status: 500, body: "broken" }
    ]))))

  it.live("orFail keeps the last error as its cause, and is classified as the failure that it ended with", () =>
    play(
      [{ status: 503 }, { fails: "ECONNRESET" }],
      Effect.gen(function*() {
        const { outer, seen } = watched(yield* HttpClient.HttpClient)
        const error = yield* Effect.flip(outer.pipe(Resilience.withRetryOrFail({ ...atOnce, maxAttempts: 2 })).get(url))
        assert.strictEqual(error.cause, last(seen[1] ?? Exit.void))
        assert.deepStrictEqual(
          Classifier.run(Classifier.http, Exit.fail(error), 0),
          { _tag: "Failed", failure: Failure.connectionLost("ECONNRESET") }
        )
      })
    ))

  it.live("orFail returns what nothing could have helped as it came", () =>
    play(
      [{ status: 503 }, { status: 404, body: "none" }],
      Effect.gen(function*() {
        const client = (yield* HttpClient.HttpClient).pipe(Resilience.withRetryOrFail({ ...atOnce, maxAttempts: 5 }))
        const response = yield* client.get(url)
        assert.deepStrictEqual([response.status, yield* response.text], [404, "none"])
      })
    ))
})

describe("what the loop does not touch", () => {
  it.live("a defect passes through unchanged, after 1 attempt", () =>
    play(
      [{ dies: new Error("mine") }],
      Effect.gen(function*() {
        const bare = yield* HttpClient.HttpClient
        const thrown = new Error("mine")
        const dying = HttpClient.transform(bare, () => Effect.die(thrown))
        const exit = yield* Effect.exit(dying.pipe(Resilience.withRetry(atOnce)).get(url))
        assert.deepStrictEqual(exit, Exit.die(thrown))
        assert.isTrue(Exit.isFailure(exit) && Option.contains(Cause.dieOption(exit.cause), thrown))
        const scripted = yield* Effect.exit(bare.pipe(Resilience.withRetry(atOnce)).get(url))
        assert.isTrue(Exit.isFailure(scripted) && Cause.isDie(scripted.cause))
        assert.lengthOf(yield* HttpScript.requests, 1)
      })
    ))

  it.effect("an interruption from inside an attempt is not retried", () =>
    play(
      [{ status: 503 }],
      Effect.gen(function*() {
        let attempts = 0
        const interrupting = HttpClient.transform(yield* HttpClient.HttpClient, () =>
          Effect.suspend(() => {
            attempts++
            return Effect.interrupt
          }))
        const exit = yield* Effect.exit(interrupting.pipe(Resilience.withRetry(atOnce)).get(url))
        assert.isTrue(Exit.isFailure(exit) && Cause.isInterruptedOnly(exit.cause))
        assert.strictEqual(attempts, 1)
      })
    ))

  it.effect("an interruption from outside ends an attempt at once", () =>
    Effect.gen(function*() {
      const client = (yield* HttpClient.HttpClient).pipe(Resilience.withRetry(atOnce))
      const fiber = yield* Effect.fork(client.get(url))
      yield* Effect.yieldNow()
      const exit = yield* Fiber.interrupt(fiber)
      assert.isTrue(Exit.isFailure(exit) && Cause.isInterruptedOnly(exit.cause))
      assert.deepStrictEqual((yield* HttpScript.requests).map(({ state }) => state), ["interrupted"])
    }).pipe(Effect.provide(HttpScript.layer(["hang"]))))
})

describe("CurrentAttempt", () => {
  it.live("says which attempt is made", () =>
    play(
      [{ status: 503 }, { status: 503 }, { status: 200 }],
      Effect.gen(function*() {
        const numbers: Array<number> = []
        const client = (yield* HttpClient.HttpClient).pipe(
          HttpClient.mapRequestEffect((request) =>
            Effect.map(Retry.CurrentAttempt, ({ number }) => {
              numbers.push(number)
              return request
            })),
          Resilience.withRetry(atOnce)
        )
        yield* client.get(url)
        assert.deepStrictEqual(numbers, [1, 2, 3])
        assert.strictEqual((yield* Retry.CurrentAttempt).number, 1)
      })
    ))
})

describe("a response that the caller is not given", () => {
  const hearing = (tag: "AttemptEnded" | "CallEnded") =>
    Observer.make((event) => event._tag === tag ? Effect.sleep("1 second") : Effect.void)

  for (const tag of ["AttemptEnded", "CallEnded"] as const) {
    it.effect(`because it is interrupted while somebody is told ${tag} is released`, () =>
      Effect.gen(function*() {
        const script = yield* HttpScript.make([{ status: 200, body: "never read" }])
        const call = script.client.pipe(Resilience.withRetry(atOnce)).get(url)
        const fiber = yield* Effect.fork(call.pipe(Observer.observe(hearing(tag))))
        yield* TestClock.adjust("500 millis")
        assert.deepStrictEqual(yield* script.held, [1])
        const interrupting = yield* Effect.fork(Fiber.interrupt(fiber))
        yield* TestClock.adjust("1 second")
        assert.isTrue(Exit.isInterrupted(yield* Fiber.join(interrupting)))
        assert.deepStrictEqual(yield* script.held, [])
      }))

    it.effect(`is given to a caller that cannot be interrupted then, ${tag} or not`, () =>
      Effect.gen(function*() {
        const script = yield* HttpScript.make([{ status: 200, body: "read" }])
        const call = script.client.pipe(Resilience.withRetry(atOnce)).get(url)
        let read = ""
        const reading = Effect.flatMap(call, (response) => Effect.map(response.text, (text) => read = text))
        const fiber = yield* Effect.fork(Effect.uninterruptible(reading.pipe(Observer.observe(hearing(tag)))))
        yield* TestClock.adjust("500 millis")
        const interrupting = yield* Effect.fork(Fiber.interrupt(fiber))
        yield* TestClock.adjust("2 seconds")
        yield* Fiber.join(interrupting)
        assert.strictEqual(read, "read")
      }))
  }
})
