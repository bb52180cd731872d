import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as Backoff from "../../src/core/Backoff.ts"
import * as Classifier from "../../src/core/Classifier.ts"
import * as Failure from "../../src/core/Failure.ts"
import * as Outcome from "../../src/core/Outcome.ts"
import * as Chaos from "../../src/http/Chaos.ts"
import * as Resilience from "../../src/policy/Resilience.ts"
import * as CircuitBreaker from "../../src/strategy/CircuitBreaker.ts"
import * as Observer from "../../src/strategy/Observer.ts"
import * as RetrySchedule from "../../src/strategy/RetrySchedule.ts"
import * as HttpScript from "../../src/testing/HttpScript.ts"
import * as Recorder from "../../src/testing/Recorder.ts"
import { eventually } from "../support/eventually.ts"
import * as Fault from "../support/faults.ts"
import { type Read, readers } from "../support/readers.ts"
import { closedPort, serve, type Server } from "../support/server.ts"
import { told } from "../support/told.ts"
import { onEachTransport } from "../support/transports.ts"

type Response = HttpClientResponse.HttpClientResponse

const url = "http://users.test/1"
const play = (steps: ReadonlyArray<HttpScript.Step>, options: HttpScript.Options = { atEnd: "repeatLast" }) => Effect.provide(HttpScript.layer(steps, options))
const wrapped = <E2 = never>(options: Chaos.Options<E2>) =>
  Effect.map(HttpClient.HttpClient, (client) => client.pipe(Resilience.withChaos(options)))
const spaced = (delay: number) => RetrySchedule.fromBackoff(Backoff.constant(delay))

/** What a classifier sees of an error, and what code that matches on errors does. */
const shape = (exit: Exit.Exit<unknown, unknown>) => {
  const error = Exit.isFailure(exit) ? Option.getOrUndefined(Cause.failureOption(exit.cause)) : undefined
  if (!HttpClientError.isHttpClientError(error)) return assert.fail(`no error of the platform: ${String(error)}`)
  const outcome = Classifier.run(Classifier.http, exit as Exit.Exit<never, unknown>, 0)
  if (!Outcome.isFailed(outcome)) return assert.fail("no failure")
  const { failure } = outcome
  const hasCode = error.cause instanceof Error
  return { tag: error._tag, reason: error.reason, failure: failure._tag, sent: Failure.sent(failure), resend: Failure.resend(failure), hasCode }
}

onEachTransport((name, layer) => {
  const pairs: ReadonlyArray<readonly [string, Chaos.Fault, Effect.Effect<string, never, Scope.Scope>]> = [
    ["a connection that is reset", { connection: "ECONNRESET", rate: 1 }, Effect.map(serve(Fault.resetBeforeHeaders), ({ url }) => url)],
    ["a connection that is closed", { connection: "UND_ERR_SOCKET", rate: 1 }, Effect.map(serve(Fault.finBeforeHeaders), ({ url }) => url)],
    ["a port that nobody listens on", { connection: "ECONNREFUSED", rate: 1 }, closedPort],
    ["a host that is not known", { connection: "ENOTFOUND", rate: 1 }, Effect.succeed(`http://${"a".repeat(64)}.invalid/`)]
  ]
  for (const [what, fault, real] of pairs) {
    it.scopedLive(`${what}: what is injected has the shape of the real one`, () =>
      Effect.gen(function*() {
        const client = yield* HttpClient.HttpClient
        const one = yield* Effect.exit(client.get(yield* real))
        const injected = yield* Effect.exit(client.pipe(Resilience.withChaos({ faults: [fault] })).get(url).pipe(Chaos.turnOn(1)))
        assert.deepStrictEqual(shape(injected), shape(one))
      }).pipe(Effect.provide(layer())))
  }

  const whole = { body: "0123456789", framing: "chunked" } as const
  const read = ({ url }: Server, cutAfter: number | undefined, reader: Read) =>
    Effect.flatMap(HttpClient.HttpClient, (client) =>
      (cutAfter === undefined ? client : client.pipe(Resilience.withChaos({ faults: [{ cutAfter, rate: 1 }] }))).get(url).pipe(
        Effect.flatMap(reader),
        Chaos.turnOn(1)
      ))

  for (const [reader, by] of readers) {
    if (name === "undici" && reader === "formData") continue
    it.scopedLive(`a body that is cut, read as ${reader}, has the shape of one that a peer has cut, and its connection is closed`, () =>
      Effect.gen(function*() {
        const broken = yield* serve(Fault.status(200, { ...whole, ending: { resetAfter: 4 } }))
        const fine = yield* serve(Fault.status(200, { body: 1024 * 1024, framing: "chunked" }))
        const one = yield* Effect.exit(read(broken, undefined, by))
        const injected = yield* Effect.exit(read(fine, 4, by))
        assert.deepStrictEqual(shape(injected), shape(one))
        assert.deepStrictEqual(shape(yield* Effect.exit(read(fine, 0, by))), shape(one))
        yield* eventually(() => fine.stats.requests.every(({ closed }) => closed !== undefined))
      }).pipe(Effect.provide(layer())))
  }

  it.scopedLive("a body is cut after so many bytes, which its reader has had, or at its end", () =>
    Effect.gen(function*() {
      const server = yield* serve(Fault.status(200, whole))
      for (const [cutAfter, expected] of [[0, ""], [4, "0123"], [10, "0123456789"], [11, "0123456789"]] as const) {
        let had = ""
        const exit = yield* Effect.exit(read(server, cutAfter, (response) =>
          Stream.runForEach(response.stream, (chunk) => Effect.sync(() => (had += new TextDecoder().decode(chunk))))))
        assert.strictEqual(had, expected)
        assert.strictEqual(shape(exit).failure, "ConnectionLost")
      }
    }).pipe(Effect.provide(layer())))

  it.scopedLive("nothing of what is injected in its place reaches the peer, and a retry comes through", () =>
    Effect.gen(function*() {
      const server = yield* serve(Fault.status(200, { body: "ok" }))
      const client = (yield* HttpClient.HttpClient).pipe(
        Resilience.withChaos({ faults: [{ connection: "ECONNRESET", rate: 0.4 }, { status: 503, body: "busy", rate: 0.3 }] }),
        Resilience.withRetry({ maxAttempts: 50, schedule: spaced(0) })
      )
      const call = Effect.flatMap(client.get(server.url), (response) => response.text)
      const [exit, events] = yield* told("ChaosInjected", Chaos.turnOn(Effect.replicateEffect(call, 20), 5))
      deepStrictEqual(exit, Exit.succeed(Array<string>(20).fill("ok")))
      assert.lengthOf(server.stats.requests, 20)
      assert.sameMembers([...new Set(events.map(({ fault }) => fault._tag))], ["Connection", "Response"])
    }).pipe(Effect.provide(layer({ connections: 1 }))))
})

describe("chaos over HTTP", () => {
  const all: ReadonlyArray<Chaos.Fault> = [
    { latency: "1 second", rate: 0.5 },
    { status: 503, headers: { "retry-after": "2" }, body: "busy", rate: 0.25 },
    { connection: "ECONNRESET", rate: 0.25 },
    { cutAfter: 1, rate: 0.25 }
  ]

  it.effect("does nothing where it is not turned on", () =>
    Effect.gen(function*() {
      const client = yield* wrapped({ faults: all.map((fault) => ({ ...fault, rate: 0.25 })) })
      const [exit, events] = yield* told("ChaosInjected", Effect.replicateEffect(Effect.flatMap(client.get(url), (response) => response.text), 50))
      deepStrictEqual(exit, Exit.succeed(Array<string>(50).fill("ok")))
      assert.lengthOf(events, 0)
      assert.deepStrictEqual(yield* HttpScript.timeline, Array(50).fill(0))
    }).pipe(play([{ status: 200, body: "ok" }])))

  it.effect("a run is replayed by its seed, to the last event", () =>
    Effect.gen(function*() {
      const client = (yield* wrapped({ faults: all })).pipe(Resilience.withRetry({ maxAttempts: 5, schedule: spaced(10) }))
      const run = (seed: number) =>
        Effect.gen(function*() {
          const calls = Effect.forEach([1, 2, 3, 4, 5, 6, 7, 8], (id) =>
            Effect.exit(Effect.flatMap(client.get(`http://users.test/${id}`), (response) => response.text)), { concurrency: "unbounded" })
          const fiber = yield* Effect.fork(told("ChaosInjected", Chaos.turnOn(calls, seed)))
          yield* TestClock.adjust("1 hour")
          const [exits, events] = yield* fiber
          const first = events[0]!.at
          return [
            Exit.isSuccess(exits) && exits.value.map((exit) => Exit.isSuccess(exit) ? exit.value : shape(exit).failure),
            events.map(({ at, attempt, fault, ordinal }) => [at - first, attempt, ordinal, fault])
          ]
        })
      const one = yield* run(7)
      assert.deepStrictEqual(yield* run(7), one)
      assert.notDeepEqual(yield* run(8), one)
    }).pipe(play([{ status: 200, body: "ok" }])))

  it.effect("a response that is injected is one: status, headers, body, read again and again", () =>
    Effect.gen(function*() {
      const client = yield* wrapped({ faults: [{ status: 429, headers: { "Retry-After": "7", "set-cookie": "a=1" }, json: { error: "busy" }, rate: 1 }] })
      const [exit, events] = yield* told("ChaosInjected", Chaos.turnOn(client.get(url), 1))
      if (!Exit.isSuccess(exit)) return assert.fail("no response")
      const response = exit.value
      deepStrictEqual(Classifier.run(Classifier.http, exit, 0), Outcome.failed(Failure.throttled({ status: 429, retryAfter: Option.some(7_000) })))
      assert.deepStrictEqual([response.headers["content-type"], response.headers["content-length"]], ["application/json", "16"])
      assert.deepStrictEqual([yield* response.json, yield* response.json], [{ error: "busy" }, { error: "busy" }])
      assert.deepStrictEqual(Object.keys(response.cookies.cookies), ["a"])
      assert.strictEqual(response.request.url, url)
      assert.deepStrictEqual(events.map(({ fault }) => fault), [{ _tag: "Response", status: 429 }])
      assert.lengthOf(yield* HttpScript.requests, 0)
    }).pipe(play([{ status: 200 }])))

  it.effect("latency is spent before the request is sent, and an attempt timeout outside cuts it", () =>
    Effect.gen(function*() {
      const client = yield* wrapped({ faults: [{ latency: "5 seconds", rate: 1 }] })
      const fiber = yield* Effect.fork(Chaos.turnOn(client.get(url), 1))
      yield* TestClock.adjust("4999 millis")
      assert.lengthOf(yield* HttpScript.requests, 0)
      yield* TestClock.adjust(1)
      assert.strictEqual((yield* fiber).status, 200)
      const limited = client.pipe(Resilience.withAttemptTimeout("1 second"))
      const late = yield* Effect.fork(Effect.flip(Chaos.turnOn(limited.get(url), 1)))
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* late)._tag, "AttemptTimeout")
      assert.lengthOf(yield* HttpScript.requests, 1)
    }).pipe(play([{ status: 200 }])))

  it.effect("an error of one's own comes out as it is made", () =>
    Effect.gen(function*() {
      const client = yield* wrapped({ faults: [{ failure: ({ method }) => ({ _tag: "Mine" as const, method }), rate: 1 }] })
      assert.deepStrictEqual(yield* Effect.flip(Chaos.turnOn(client.get(url), 1)), { _tag: "Mine", method: "GET" })
    }).pipe(play([], {})))

  it.effect("a cut in the middle of many chunks lets nothing more through, and aborts the response", () =>
    Effect.gen(function*() {
      for (const [cutAfter, expected] of [[4, "0123"], [3, "012"], [100, "012345678"]] as const) {
        const client = yield* wrapped({ faults: [{ cutAfter, rate: 1 }] })
        let had = ""
        const exit = yield* Effect.exit(Chaos.turnOn(Effect.flatMap(client.get(url), ({ stream }) =>
          Stream.runForEach(stream, (chunk) => Effect.sync(() => (had += new TextDecoder().decode(chunk))))), 1))
        assert.strictEqual(had, expected)
        assert.strictEqual(shape(exit).failure, "ConnectionLost")
      }
      assert.deepStrictEqual((yield* HttpScript.released).map(({ how }) => how), ["aborted", "aborted", "read"])
    }).pipe(play([{ status: 200, body: { chunks: ["012", "345", "678"] } }])))

  it.effect("a response without a body is not cut, and nothing is told of it", () =>
    Effect.gen(function*() {
      const client = yield* wrapped({ faults: [{ cutAfter: 0, rate: 1 }] })
      for (const response of [client.head(url), client.get(url)]) {
        const [exit, events] = yield* told("ChaosInjected", Chaos.turnOn(Effect.flatMap(response, (one) => one.text), 1))
        deepStrictEqual(exit, Exit.succeed(""))
        assert.lengthOf(events, 0)
      }
    }).pipe(play([{ status: 204 }])))

  it.effect("a cut response is let go of where a listener that is told of it is interrupted", () =>
    Effect.gen(function*() {
      const client = yield* wrapped({ faults: [{ cutAfter: 0, rate: 1 }] })
      const slow = Observer.make((event) => event._tag === "ChaosInjected" ? Effect.never : Effect.void)
      const fiber = yield* Effect.fork(Observer.observe(Chaos.turnOn(client.get(url), 1), slow))
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(yield* HttpScript.held, [1])
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(yield* HttpScript.held, [])
    }).pipe(play([{ status: 200, body: "ok" }])))

  it.effect("a breaker takes it for real", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker.make({ tripPolicy: CircuitBreaker.consecutive(3) })
      const client = (yield* wrapped({ faults: [{ connection: "ETIMEDOUT", rate: 1 }] })).pipe(Resilience.withCircuitBreaker({ breaker }))
      const tags = yield* Chaos.turnOn(Effect.replicateEffect(Effect.flip(client.get(url)), 4), 1)
      assert.deepStrictEqual(tags.map(({ _tag }) => _tag), ["RequestError", "RequestError", "RequestError", "CircuitOpen"])
    }).pipe(play([], {})))

  it.effect("is written on the span of the call, with the seed", () =>
    Effect.gen(function*() {
      const recorder = yield* Recorder.make
      const client = (yield* wrapped({ name: "wire", faults: [{ status: 503, rate: 1 }] })).pipe(
        Resilience.withAttemptSpan,
        Resilience.withRetry({ maxAttempts: 2, schedule: spaced(0) }),
        Resilience.withCallSpan("users")
      )
      yield* client.get(url).pipe(Chaos.turnOn("friday"), Effect.provide(recorder.layer))
      const span = (yield* recorder.spans).find(({ name }) => name === "users")
      const injected = (attempt: number) => ({
        name: "resilience.chaos",
        at: 0,
        attributes: { "resilience.name": "wire", "resilience.attempt": attempt, "resilience.fault": "Response", "resilience.seed": "friday" }
      })
      assert.deepStrictEqual(span?.events.filter(({ name }) => name === "resilience.chaos"), [injected(1), injected(2)])
    }).pipe(play([{ status: 200 }])))

  it.effect("methods and URLs draw for themselves, and so does each name", () =>
    Effect.gen(function*() {
      const faults: ReadonlyArray<Chaos.Fault> = [{ status: 503, rate: 0.5 }]
      const run = (name: string, ask: (client: HttpClient.HttpClient.With<HttpClientError.HttpClientError>) => Effect.Effect<Response, unknown>) =>
        Effect.flatMap(wrapped({ faults, name }), (client) =>
          Effect.map(Chaos.turnOn(Effect.replicateEffect(ask(client), 48), 1), (all) => all.map(({ status }) => status).join()))
      const runs = yield* Effect.all([
        run("a", (client) => client.get(url)),
        run("b", (client) => client.get(url)),
        run("a", (client) => client.del(url)),
        run("a", (client) => client.get(`${url}?x=1`)),
        run("a", (client) => client.get(url, { urlParams: { x: "1" } }))
      ])
      assert.strictEqual(new Set(runs).size, runs.length)
    }).pipe(play([{ status: 200 }])))

  it("with rates of 0 it is no middleware", () => {
    const handler = () => Effect.die("handler")
    assert.strictEqual(Chaos.middleware({ faults: [{ status: 503, rate: 0 }, { latency: 1, rate: 0 }] })(handler), handler)
  })

  it("refuses what cannot be", () => {
    const refused: ReadonlyArray<readonly [Chaos.Fault, RegExp]> = [
      [{ status: 99, rate: 0.1 }, /Chaos: status/],
      [{ status: 503, rate: 1.1 }, /Chaos: rate/],
      [{ status: 503, rate: NaN }, /Chaos: rate/],
      [{ status: 503, headers: { "a\n": "" }, rate: 0.1 }, /Chaos: headers/],
      [{ connection: "ENONSENSE", rate: 0.1 }, /Chaos: connection must be a code that ErrorCode knows, got "ENONSENSE"/],
      [{ cutAfter: -1, rate: 0.1 }, /Chaos: cutAfter/],
      [{ latency: 0, rate: 0.1 }, /Chaos: latency/]
    ]
    for (const [fault, message] of refused) assert.throws(() => Chaos.middleware({ faults: [fault] }), message)
    assert.throws(() => Chaos.middleware({ faults: [{ status: 503, rate: 0.6 }, { connection: "ECONNRESET", rate: 0.5 }] }), /together/)
  })
})
