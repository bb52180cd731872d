import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { InvalidOption } from "../../src/core/InvalidOption.ts"
import * as Deadline from "../../src/http/Deadline.ts"
import * as Resume from "../../src/http/Resume.ts"
import * as Resilience from "../../src/policy/Resilience.ts"
import * as RetryBudget from "../../src/strategy/RetryBudget.ts"
import * as HttpScript from "../../src/testing/HttpScript.ts"
import * as Recorder from "../../src/testing/Recorder.ts"
import { eventually, realTime } from "../support/eventually.ts"
import * as Fault from "../support/faults.ts"
import { leavesNothing } from "../support/held.ts"
import { type Handler, serve, settled } from "../support/server.ts"
import { onEachTransport } from "../support/transports.ts"

const request = HttpClientRequest.get("http://files.test/a")
const etag = "\"v1\""
const spaced = Schedule.spaced("1 second")

/** The first answer of "hello", cut after so many characters. */
const first = (size: number, headers: Record<string, string> = {}): HttpScript.Step => ({
  status: 200,
  headers: { etag, "content-length": "5", ...headers },
  body: { chunks: size === 0 ? [] : ["hello".slice(0, size)], ending: "cut" }
})

const rest = (from: number, to = 5, ending: "complete" | "cut" = "complete", headers: Record<string, string> = {}): HttpScript.Respond => ({
  status: 206,
  headers: { etag, "content-range": `bytes ${from}-4/5`, ...headers },
  body: { chunks: ["hello".slice(from, to)], ending }
})

/** Reads a body along a script, while time goes on; gives what was given, and how it ended. */
const read = (steps: ReadonlyArray<HttpScript.Step>, options: Resume.Options = { schedule: spaced, maxAttempts: 5 }) =>
  Effect.gen(function*() {
    const client = yield* HttpClient.HttpClient
    let given = ""
    const decoder = new TextDecoder()
    const run = Stream.runForEach(Resume.stream(client, request, options), (bytes) =>
      Effect.sync(() => {
        given += decoder.decode(bytes)
      }))
    const fiber = yield* Effect.fork(Effect.either(run))
    yield* TestClock.adjust("1 minutes")
    const result = yield* Fiber.join(fiber)
    assert.deepStrictEqual(yield* HttpScript.held, [])
    return {
      given,
      error: result._tag === "Left" ? result.left : undefined,
      timeline: yield* HttpScript.timeline,
      ranges: (yield* HttpScript.requests).map(({ headers }) => headers["range"] ?? "whole")
    }
  }).pipe(Effect.provide(HttpScript.layer(steps)))

const reasonOf = (error: unknown): string =>
  error instanceof Resume.ResumeRefused ? error.reason : HttpClientError.isHttpClientError(error) ? error.reason : String(error)

describe("a body that breaks off", () => {
  it.effect("goes on where it broke off, again and again, after the waits of the schedule", () =>
    Effect.gen(function*() {
      const { error, given, ranges, timeline } = yield* read([first(2), rest(2, 3, "cut"), rest(3)])
      assert.deepStrictEqual([given, error], ["hello", undefined])
      assert.deepStrictEqual(timeline, [0, 1000, 2000])
      assert.deepStrictEqual(ranges, ["whole", "bytes=2-", "bytes=3-"])
    }))

  it.effect("is asked for on condition that it is the same, and as it is", () =>
    Effect.gen(function*() {
      const client = yield* HttpClient.HttpClient
      yield* Stream.runDrain(Resume.stream(client, request, { schedule: Schedule.spaced(0) }))
      const conditions = (yield* HttpScript.requests).map(({ headers }) =>
        ["if-range", "if-match", "accept-encoding"].map((name) => headers[name] ?? ""))
      assert.deepStrictEqual(conditions, [["", "", "identity"], [etag, etag, "identity"]])
    }).pipe(Effect.provide(HttpScript.layer([first(2), rest(2)]))))

  it.effect("is one call with one counter, in which failures to begin count too", () =>
    Effect.gen(function*() {
      const recorder = yield* Recorder.Recorder
      const steps: ReadonlyArray<HttpScript.Step> = [{ status: 503 }, first(2), { fails: "ECONNREFUSED" }, rest(2, 4, "cut")]
      const { error, given } = yield* read(steps, { schedule: spaced, maxAttempts: 4 })
      assert.deepStrictEqual([given, reasonOf(error)], ["hell", "Decode"])
      assert.deepStrictEqual(Recorder.timeline(yield* recorder.events).filter((line) => / attempt |gave up/.test(line)), [
        "0 attempt 1", "1000 attempt 2", "2000 attempt 3", "3000 attempt 4", "3000 gave up AttemptsExhausted"
      ])
    }).pipe(Effect.provide(Recorder.layer)))

  it.effect("is begun anew where no byte had come, also as another representation", () =>
    Effect.gen(function*() {
      const { error, given, ranges } = yield* read([first(0), { status: 200, headers: { etag: "\"v2\"" }, body: "other" }])
      assert.deepStrictEqual([given, error], ["other", undefined])
      assert.deepStrictEqual(ranges, ["whole", "whole"])
    }))

  it.effect("has come to its end where the other side has no more, and there was no length", () =>
    Effect.gen(function*() {
      const chunked: HttpScript.Step = { status: 200, headers: { etag }, body: { chunks: ["hello"], ending: "cut" } }
      const { error, given } = yield* read([chunked, { status: 416, headers: { etag, "content-range": "bytes */5" } }])
      assert.deepStrictEqual([given, error], ["hello", undefined])
    }))

  it.effect("is cut where it ends before its length, and may come in parts", () =>
    Effect.gen(function*() {
      const parts = [rest(2, 3, "complete", { "content-range": "bytes 2-2/5" }), rest(3)]
      const { error, given, ranges } = yield* read([first(2), ...parts])
      assert.deepStrictEqual([given, error], ["hello", undefined])
      assert.deepStrictEqual(ranges, ["whole", "bytes=2-", "bytes=3-"])
      const short = yield* read([{ status: 200, headers: { "content-length": "5" }, body: { chunks: ["hel"] } }])
      assert.deepStrictEqual([short.given, reasonOf(short.error)], ["hel", "NotResumable"])
    }))

  it.effect("goes on as an override says", () =>
    Effect.gen(function*() {
      const body = Resume.stream(yield* HttpClient.HttpClient, request, { schedule: Schedule.spaced(0) })
      const error = yield* Effect.flip(Stream.runDrain(body).pipe(Resilience.override({ retry: "none" })))
      assert.strictEqual(reasonOf(error), "Decode")
      assert.strictEqual((yield* HttpScript.requests).length, 1)
    }).pipe(Effect.provide(HttpScript.layer([first(2)]))))

  it.effect("is not waited for past the deadline, nor without a budget", () =>
    Effect.gen(function*() {
      const poor = yield* RetryBudget.make({ floorPerSecond: 0, ratio: 0.01 })
      const broke = yield* read([first(2), rest(2)], { schedule: spaced, budget: poor })
      assert.deepStrictEqual([broke.given, reasonOf(broke.error), broke.timeline], ["he", "Decode", [0]])
      const late = yield* Effect.gen(function*() {
        const client = yield* HttpClient.HttpClient
        const run = Stream.runDrain(Resume.stream(client, request, { schedule: Schedule.spaced("10 seconds") }))
        return yield* Effect.flip(Deadline.within(run, "5 seconds"))
      }).pipe(Effect.provide(HttpScript.layer([first(2), rest(2)])))
      // At once, and not after five seconds.
      assert.strictEqual(reasonOf(late), "Decode")
    }))
})

describe("what is not put behind what is there", () => {
  const rows: ReadonlyArray<readonly [string, HttpScript.Step, string]> = [
    ["another representation", rest(2, 5, "complete", { etag: "\"v2\"" }), "Changed"],
    ["one of a weak tag", rest(2, 5, "complete", { etag: "W/\"v1\"" }), "Changed"],
    ["another place", rest(2, 5, "complete", { "content-range": "bytes 1-4/5" }), "InvalidRange"],
    ["another length", rest(2, 5, "complete", { "content-range": "bytes 2-4/6" }), "LengthMismatch"],
    ["the whole", { status: 200, headers: { etag }, body: "hello" }, "RangeIgnored"],
    ["something encoded", rest(2, 5, "complete", { "content-encoding": "gzip" }), "Encoded"],
    ["nothing, because it has changed", { status: 412 }, "Changed"],
    ["too much", { status: 206, headers: { etag, "content-range": "bytes 2-4/5" }, body: { chunks: ["l", "loo"] } }, "TooLong"],
    ["a body without an end", { status: 200, headers: { etag }, body: { chunks: ["hello"], ending: "endless" } }, "RangeIgnored"]
  ]
  for (const [name, step, reason] of rows) {
    it.effect(`${name}: ${reason}, and the answer is let go`, () =>
      Effect.gen(function*() {
        const { error, given, timeline } = yield* read([first(2), step])
        assert.deepStrictEqual([given, reasonOf(error)], [reason === "TooLong" ? "hel" : "he", reason])
        assert.deepStrictEqual(timeline, [0, 1000])
      }))
  }

  const whole: ReadonlyArray<readonly [string, Record<string, string>]> = [
    ["a tag", { etag: "" }],
    ["a strong tag", { etag: "W/\"v1\"" }],
    ["ranges", { "accept-ranges": "none" }],
    ["its own bytes", { "content-encoding": "gzip" }]
  ]
  for (const [name, headers] of whole) {
    it.effect(`a first answer without ${name} is given, and not continued`, () =>
      Effect.gen(function*() {
        const { error, given, timeline } = yield* read([first(2, headers)])
        assert.deepStrictEqual([given, reasonOf(error), timeline], ["he", "NotResumable", [0]])
        assert.strictEqual(error instanceof Resume.ResumeRefused && reasonOf(error.cause), "Decode")
      }))
  }

  it.effect("an error, which is the platform's, at the beginning as in the middle; its response is let go", () =>
    Effect.gen(function*() {
      const gone = yield* read([first(2), { status: 404, body: { chunks: ["x"], ending: "endless" } }])
      assert.deepStrictEqual([gone.given, reasonOf(gone.error)], ["he", "StatusCode"])
      const busy = yield* read([{ status: 503 }, { status: 503 }], { schedule: spaced, maxAttempts: 2 })
      assert.deepStrictEqual([busy.given, reasonOf(busy.error), busy.timeline], ["", "StatusCode", [0, 1000]])
    }))

  it.effect("a part that nobody asked for", () =>
    Effect.map(read([rest(2)]), ({ error, given }) => assert.deepStrictEqual([given, reasonOf(error)], ["", "Status"])))
})

describe("a stream of a body", () => {
  const endless = { status: 200, headers: { etag }, body: { chunks: ["x".repeat(1024)], ending: "endless" } } as const

  it.effect("sends nothing before it is run, and is a call of its own each time", () =>
    Effect.gen(function*() {
      const body = Resume.stream(yield* HttpClient.HttpClient, request)
      assert.deepStrictEqual(yield* HttpScript.timeline, [])
      const text = Stream.mkString(Stream.decodeText(body))
      assert.deepStrictEqual([yield* text, yield* text], ["hello", "hello"])
    }).pipe(Effect.provide(HttpScript.layer([{ status: 200, body: "hello" }], { atEnd: "repeatLast" }))))

  it.effect("that is left early lets go of its response", () =>
    Effect.gen(function*() {
      yield* Stream.runDrain(Stream.take(Resume.stream(yield* HttpClient.HttpClient, request), 2))
      assert.deepStrictEqual(yield* HttpScript.held, [])
      assert.strictEqual((yield* HttpScript.requests)[0]?.state, "aborted")
    }).pipe(Effect.provide(HttpScript.layer([endless]))))

  const moments: ReadonlyArray<readonly [string, ReadonlyArray<HttpScript.Step>, string]> = [
    ["while it waits for the first answer", ["hang"], "interrupted"],
    ["while it reads", [{ ...endless, body: { chunks: ["he"], ending: "hang" } }], "aborted"],
    ["while it waits to go on", [first(2)], "cut"],
    ["while it waits for the rest", [first(2), "hang"], "interrupted"],
    ["while it reads the rest", [first(2), { ...rest(2), body: { chunks: ["l"], ending: "hang" } }], "aborted"]
  ]
  for (const [name, steps, state] of moments) {
    it.effect(`can be interrupted ${name}, and leaves nothing`, () =>
      Effect.gen(function*() {
        const options = { schedule: Schedule.spaced("10 seconds") }
        const fiber = yield* Effect.fork(Stream.runDrain(Resume.stream(yield* HttpClient.HttpClient, request, options)))
        yield* TestClock.adjust("5 seconds")
        if (steps.length > 1) yield* TestClock.adjust("10 seconds")
        yield* Fiber.interrupt(fiber)
        const last = (yield* HttpScript.requests).at(-1)
        assert.strictEqual(last?.number, steps.length)
        assert.isTrue(last?.state === state || state === "cut", String(last?.state))
        assert.deepStrictEqual(yield* HttpScript.held, [])
      }).pipe(Effect.provide(HttpScript.layer(steps))))
  }

  it.effect("dies with a client that dies", () =>
    Effect.gen(function*() {
      const exit = yield* Effect.exit(Stream.runDrain(Resume.stream(yield* HttpClient.HttpClient, request)))
      assert.strictEqual(exit._tag === "Failure" && exit.cause._tag, "Die")
    }).pipe(Effect.provide(HttpScript.layer([{ dies: "boom" }]))))

  it.effect("is of a GET without a range of its own", () =>
    Effect.gen(function*() {
      const client = yield* HttpClient.HttpClient
      const bad = [
        HttpClientRequest.post("/"),
        HttpClientRequest.head("/"),
        HttpClientRequest.setHeader(request, "Range", "bytes=1-"),
        HttpClientRequest.setHeader(request, "if-none-match", etag)
      ]
      for (const each of bad) assert.throws(() => Resume.stream(client, each), InvalidOption)
      assert.throws(() => Resume.stream(client, request, { maxAttempts: 0 }), InvalidOption)
    }).pipe(Effect.provide(HttpScript.layer([]))))
})

const resource = Uint8Array.from({ length: 300_000 }, (_, at) => (at * 31 + (at >> 8)) & 0xff)

/** A server that honours ranges, and ends its answers one after the other after so many bytes; the rest are whole. */
const cutting = (cuts: ReadonlyArray<number>, how: "resetAfter" | "finAfter", framing: "length" | "chunked"): Handler =>
  (incoming, response, received) => {
    const from = Number(/^bytes=([0-9]+)-$/.exec(incoming.headers.range ?? "bytes=0-")?.[1])
    const body = resource.subarray(from)
    const range = { "content-range": `bytes ${from}-${resource.length - 1}/${resource.length}` }
    const after = cuts[received.number - 1]
    const isWhole = incoming.headers.range === undefined
    const headers = { etag, ...(isWhole ? {} : range), ...(framing === "length" ? { "content-length": body.length } : {}) }
    const ending = after === undefined ? "complete" : { [how]: Math.min(after, body.length - 1) } as unknown as Fault.Ending
    Fault.status(isWhole ? 200 : 206, { body, framing, headers, ending })(incoming, response, received)
  }

onEachTransport((_, layer) => {
  const cuts = [100_000, 1, 0, 70_000, 65_536]
  for (const how of ["resetAfter", "finAfter"] as const) {
    for (const framing of ["length", "chunked"] as const) {
      it.live(`is whole after ${cuts.length} cuts (${how}, ${framing}), and nothing stays open`, () =>
        leavesNothing(Effect.gen(function*() {
          const server = yield* serve(cutting(cuts, how, framing))
          const bytes = yield* Effect.gen(function*() {
            const body = Resume.stream(yield* HttpClient.HttpClient, HttpClientRequest.get(server.url), {
              schedule: Schedule.spaced("5 millis"),
              maxAttempts: 10
            })
            return Buffer.concat([...yield* Stream.runCollect(body)])
          }).pipe(Effect.provide(layer()))
          // What is cut by a reset may be lost on the way to the reader, though it was sent: the number of requests tells of it.
          assert.isTrue(bytes.equals(resource), `${bytes.length} of ${resource.length} bytes`)
          assert.strictEqual(server.stats.requests.length, cuts.length + 1)
          yield* settled(server)
        })), 20_000)
    }
  }

  it.live("closes its connection when its reader leaves or is interrupted", () =>
    leavesNothing(Effect.gen(function*() {
      const server = yield* serve(Fault.status(200, { headers: { etag }, body: 65_536, ending: "endless" }))
      yield* Effect.gen(function*() {
        const body = Resume.stream(yield* HttpClient.HttpClient, HttpClientRequest.get(server.url))
        yield* Stream.runDrain(Stream.take(body, 3))
        yield* settled(server)
        const fiber = yield* Effect.fork(Stream.runDrain(body))
        yield* eventually(() => server.stats.requests.length === 2)
        yield* realTime(20)
        yield* Fiber.interrupt(fiber)
        yield* settled(server)
      }).pipe(Effect.provide(layer()))
    })), 20_000)

  it.live("takes no more from the socket than is read", () =>
    Effect.gen(function*() {
      const size = 256 * 1024 * 1024
      const chunk = Buffer.alloc(64 * 1024, "x")
      let written = 0
      const server = yield* serve((_, response) => {
        response.writeHead(200, { etag, "content-length": size })
        const more = (): void => {
          while (!response.destroyed && written < size) {
            written += chunk.length
            if (!response.write(chunk)) return
          }
        }
        response.on("drain", more)
        more()
      })
      yield* Effect.gen(function*() {
        const gate = yield* Deferred.make<void>()
        const body = Resume.stream(yield* HttpClient.HttpClient, HttpClientRequest.get(server.url))
        let seen = 0
        const fiber = yield* Effect.fork(Stream.runForEach(body, (bytes) => {
          seen += bytes.length
          return seen > 1024 * 1024 ? Deferred.await(gate) : Effect.void
        }))
        yield* eventually(() => seen > 1024 * 1024, "10 seconds")
        yield* realTime(500)
        assert.isBelow(written, 64 * 1024 * 1024)
        yield* Fiber.interrupt(fiber)
        yield* settled(server)
      }).pipe(Effect.provide(layer()))
    }).pipe(Effect.scoped), 20_000)
})
