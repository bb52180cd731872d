import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as TestClock from "effect/TestClock"
import * as fc from "fast-check"
import * as Classifier from "../../src/core/Classifier.ts"
import * as Failure from "../../src/core/Failure.ts"
import * as Outcome from "../../src/core/Outcome.ts"
import * as Release from "../../src/http/Release.ts"
import type * as Retry from "../../src/http/Retry.ts"
import * as Resilience from "../../src/policy/Resilience.ts"
import * as HttpScript from "../../src/testing/HttpScript.ts"
import { eventually } from "../support/eventually.ts"
import * as Fault from "../support/faults.ts"
import { type Handler, serve, type Server, settled } from "../support/server.ts"
import { type Name, onEachTransport, transports } from "../support/transports.ts"

const KB = 1024
const ok = Fault.status(200, { body: "ok" })

/** A peer that says no so many times to each URL, and then yes. */
const reluctant = (no: Handler, times: number): Handler => {
  const asked = new Map<string, number>()
  return (request, response, received) => {
    const before = asked.get(received.url) ?? 0
    asked.set(received.url, before + 1)
    return (before < times ? no : ok)(request, response, received)
  }
}

/**
 * What becomes of a body, and so of its connection. `read`: it goes back to the pool. `aborted`: it is closed, and the next request
 * needs another. `closed`: it is closed by the transport, whatever becomes of the body.
 */
type Fate = "read" | "aborted" | "closed"

/**
 * The pool has two connections, both of which may come to be used. Of node:http an abort costs one more. undici, with which fetch
 * fetches too, dials twice for it: again for the connection that was destroyed, and for the next request, which cannot wait for that.
 */
const mostConnections = (name: Name, fate: Fate, resends: number, calls = 1): number => {
  if (fate === "read") return 2
  return calls + (fate === "closed" || name === "node:http" ? resends : 2 * resends)
}

interface Call {
  readonly path?: string | undefined
  readonly method?: "GET" | "HEAD" | undefined
  readonly retry?: Retry.Options | undefined
  readonly filter?: boolean | undefined
}

/** So many resends with no time between them, and the body of the answer that came in the end. */
const call = (server: Server, times: number, { filter = false, method = "GET", path = "", retry = {} }: Call = {}) =>
  Effect.gen(function*() {
    const bare = yield* HttpClient.HttpClient
    const client = (filter ? HttpClient.filterStatusOk(bare) : bare).pipe(
      Resilience.withRetry({ schedule: Schedule.forever, maxAttempts: times + 1, ...retry })
    )
    return yield* Effect.flatMap(client.execute(HttpClientRequest.make(method)(server.url + path)), (response) => response.text)
  })

/** Runs calls on a pool of 2, and then sees on the server's side that nothing is left. */
const onPool = (
  name: Name,
  layer: Layer.Layer<HttpClient.HttpClient>,
  server: Server,
  times: number,
  fate: Fate,
  calls: ReadonlyArray<Effect.Effect<unknown, unknown, HttpClient.HttpClient>>
) =>
  Effect.gen(function*() {
    const { stats } = server
    yield* Effect.gen(function*() {
      yield* Effect.all(calls, { concurrency: "unbounded" })
      assert.lengthOf(stats.requests, times + calls.length)
      assert.isAtMost(stats.connections, mostConnections(name, fate, times, calls.length))
      // While the client still lives every answer is over, and nothing is open but what the pool keeps.
      yield* eventually(() => stats.requests.every(({ closed }) => closed !== undefined) && stats.open <= 2)
    }).pipe(Effect.provide(layer))
    yield* settled(server)
  })

const no = (answer?: Fault.Answer) => Fault.status(503, answer)

interface Case extends Call {
  readonly body: string
  readonly no: Handler
  readonly fate: Fate | Readonly<Record<Name, Fate>>
}

const asUnavailable = Classifier.http.pipe(Classifier.override(
  Classifier.onStatus("not yet", [204], ({ status }) => Outcome.failed(Failure.unavailable({ status })))
))

const cases: ReadonlyArray<Case> = [
  { body: "of 0 B", no: no(), fate: "read" },
  { body: "of 1 KB", no: no({ body: KB }), fate: "read" },
  { body: "of 64 KB", no: no({ body: 64 * KB }), fate: "read" },
  { body: "of 1 MB", no: no({ body: KB * KB }), fate: "aborted" },
  { body: "of 8 KB in chunks", no: no({ body: 8 * KB, framing: "chunked" }), fate: "read" },
  { body: "of 1 MB in chunks", no: no({ body: KB * KB, framing: "chunked" }), fate: "aborted" },
  { body: "without an end", no: no({ ending: "endless" }), fate: "aborted" },
  { body: "of 1 KB, made an error by filterStatusOk,", no: no({ body: KB }), fate: "read", filter: true },
  { body: "of 1 MB, made an error by filterStatusOk,", no: no({ body: KB * KB }), fate: "aborted", filter: true },
  { body: "that a 204 cannot have", no: Fault.status(204), fate: "read", retry: { classifier: asUnavailable } },
  {
    body: "announced to HEAD",
    no: no({ body: KB * KB }),
    // undici closes after each HEAD, for the sake of servers that send a body after all.
    fate: { "undici": "closed", "node:http": "read", "fetch": "closed" },
    method: "HEAD"
  }
]

onEachTransport((name, layer) => {
  const resends = 200

  for (const { body, fate: fates, no, ...options } of cases) {
    const fate = typeof fates === "string" ? fates : fates[name]
    const most = mostConnections(name, fate, resends)
    it.scopedLive(`${resends} resends of a 503 with a body ${body} use at most ${most} connections`, () =>
      Effect.gen(function*() {
        const server = yield* serve(reluctant(no, resends))
        const text = options.method === "HEAD" ? "" : "ok"
        const calls = [Effect.map(call(server, resends, options), (read) => assert.strictEqual(read, text))]
        yield* onPool(name, layer(), server, resends, fate, calls)
      }))
  }

  it.scopedLive("a body that breaks off costs no more than an abort", () =>
    Effect.gen(function*() {
      const server = yield* serve(reluctant(no({ body: 9, ending: { finAfter: 4 } }), 40))
      yield* onPool(name, layer(), server, 40, "aborted", [call(server, 40)])
    }))

  it.scopedLive(`${resends} resends wait while they read, and one connection is enough`, () =>
    Effect.gen(function*() {
      const server = yield* serve(reluctant(no({ body: 64 * KB }), resends))
      const patient = call(server, resends, { retry: { schedule: Schedule.spaced("1 millis") } })
      yield* onPool(name, layer(), server, resends, "read", [patient])
      assert.strictEqual(server.stats.connections, 1)
    }))

  it.scopedLive("the platform's retryTransient stops for ever after 2", () =>
    Effect.gen(function*() {
      const server = yield* serve(reluctant(no({ body: 256 * KB }), resends))
      yield* Effect.gen(function*() {
        const client = (yield* HttpClient.HttpClient).pipe(HttpClient.retryTransient({ times: resends }))
        const exit = yield* Effect.exit(Effect.timeout(client.get(server.url), "250 millis"))
        assert.isTrue(Exit.isFailure(exit))
        assert.lengthOf(server.stats.requests, 2)
      }).pipe(Effect.provide(layer()))
    }))
})

describe("a body that stalls", () => {
  // Each is given 50 ms and then aborted. So all are tried at once, and each pool has two calls that have half of the resends to make.
  const half = 100
  const stall = { body: KB, ending: { stallAfter: 9 } }

  it.scopedLive(`is aborted ${2 * half} times on each transport, and the pool goes on`, () =>
    Effect.forEach(
      transports.flatMap((transport) => (["length", "chunked"] as const).map((framing) => ({ ...transport, framing }))),
      ({ framing, layer, name }) =>
        Effect.gen(function*() {
          const server = yield* serve(reluctant(no({ ...stall, framing }), half))
          const calls = ["a", "b"].map((path) => call(server, half, { path }))
          yield* onPool(name, layer(), server, 2 * half, "aborted", calls)
          const aborted = server.stats.requests.filter(({ closed }) => closed?.how === "aborted")
          assert.lengthOf(aborted, 2 * half)
        }),
      { concurrency: "unbounded" }
    ), 30_000)
})

const url = "http://users.test/1"

const bytes = (size: number) => new Uint8Array(size)

describe("a lost response", () => {
  const lost = fc.constantFrom<HttpScript.Answer>(
    { status: 503 },
    { status: 503, body: "busy" },
    { status: 503, body: bytes(64 * KB) },
    { status: 503, body: bytes(64 * KB + 1) },
    { status: 503, body: { chunks: ["a", "b"] } },
    { status: 503, body: { chunks: [bytes(60 * KB), bytes(60 * KB)] } },
    { status: 503, body: { chunks: ["a", "b"], ending: "cut" } },
    { status: 503, body: { chunks: [bytes(9 * KB)], ending: "endless" } },
    { status: 503, headers: { "content-length": "junk" }, body: "busy" },
    { fails: "ECONNRESET" }
  )

  it("is released before the next attempt starts, whatever its body; only the returned one is left to its reader", () =>
    fc.assert(
      fc.asyncProperty(fc.array(lost, { minLength: 1, maxLength: 6 }), fc.boolean(), fc.boolean(), (steps, filter, succeeds) =>
        Effect.gen(function*() {
          const bare = yield* HttpClient.HttpClient
          const client = (filter ? HttpClient.filterStatusOk(bare) : bare).pipe(
            Resilience.withRetry({ schedule: Schedule.forever, maxAttempts: steps.length + (succeeds ? 1 : 0) })
          )
          yield* Effect.exit(client.get(url))
          const answered = steps.flatMap((step, index) => typeof step === "object" && "status" in step ? [index + 1] : [])
          const last = succeeds ? steps.length + 1 : steps.length
          const released = yield* HttpScript.released
          assert.deepStrictEqual(
            released.map(({ before, request }) => [request, before]),
            answered.filter((number) => number !== last).map((number) => [number, number + 1])
          )
          assert.deepStrictEqual(yield* HttpScript.held, succeeds || answered.includes(last) ? [last] : [])
        }).pipe(
          Effect.provide(HttpScript.layer([...steps, { status: 200, body: "ok" }])),
          Effect.runPromise
        )),
      { numRuns: 1000 }
    ), 20_000)

  const stalled: HttpScript.Answer = { status: 503, body: { chunks: ["a"], ending: "hang" } }
  const play = (steps: ReadonlyArray<HttpScript.Step>) => Effect.provide(HttpScript.layer(steps))
  const retrying = (retry: Retry.Options) =>
    Effect.flatMap(HttpClient.HttpClient, (client) => client.pipe(Resilience.withRetry(retry)).get(url))

  it.effect("that stalls is aborted when the wait is over, and not earlier than after the grace", () =>
    Effect.gen(function*() {
      const atOnce = yield* Effect.fork(retrying({ schedule: Schedule.forever }))
      yield* TestClock.adjust(Release.grace)
      yield* Fiber.join(atOnce)
      assert.deepStrictEqual(yield* HttpScript.released, [{ request: 1, how: "aborted", at: Release.grace, before: 2 }])
      assert.deepStrictEqual(yield* HttpScript.timeline, [0, Release.grace])
    }).pipe(play([stalled, { status: 200 }])))

  it.effect("that stalls is given the whole of a longer wait", () =>
    Effect.gen(function*() {
      const later = yield* Effect.fork(retrying({ schedule: Schedule.spaced("1 second") }))
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(later)
      assert.deepStrictEqual(yield* HttpScript.released, [{ request: 1, how: "aborted", at: 1000, before: 2 }])
      assert.deepStrictEqual(yield* HttpScript.timeline, [0, 1000])
    }).pipe(play([stalled, { status: 200 }])))

  it.effect("is aborted at once where the caller is interrupted in the wait", () =>
    Effect.gen(function*() {
      const fiber = yield* Effect.fork(retrying({ schedule: Schedule.spaced("1 hour") }))
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* HttpScript.held, [1])
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(yield* HttpScript.released, [{ request: 1, how: "aborted", at: 60_000, before: 2 }])
    }).pipe(play([stalled])))

  it.effect("was read by the classifier, and is not read again", () =>
    Effect.gen(function*() {
      const reading = HttpClient.transform(yield* HttpClient.HttpClient, (attempt) => Effect.tap(attempt, (response) => response.text))
      const response = yield* reading.pipe(Resilience.withRetry({ schedule: Schedule.forever })).get(url)
      assert.strictEqual(response.status, 200)
      assert.deepStrictEqual((yield* HttpScript.released).map(({ how, request }) => [request, how]), [[1, "read"], [2, "read"]])
    }).pipe(play([{ status: 503, body: "busy" }, { status: 200, body: "ok" }])))
})

describe("now", () => {
  const half = bytes(Release.drainLimit / 2)

  it.live("reads what is small and aborts what is not", () =>
    Effect.gen(function*() {
      const client = yield* HttpClient.HttpClient
      for (let i = 0; i < 3; i++) yield* Effect.flatMap(client.get(url), Release.now)
      assert.deepStrictEqual((yield* HttpScript.released).map(({ how }) => how), ["read", "aborted", "aborted"])
    }).pipe(Effect.provide(HttpScript.layer([
      { status: 200, headers: { "content-length": `${Release.drainLimit}` }, body: { chunks: [half, half] } },
      { status: 200, headers: { "content-length": `${Release.drainLimit + 1}` }, body: { chunks: [half, half, bytes(1)] } },
      { status: 200, body: { chunks: ["a"], ending: "hang" } }
    ]))))
})
