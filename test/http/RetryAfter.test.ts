import * as HttpClient from "@effect/platform/HttpClient"
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as TestClock from "effect/TestClock"
import * as Backoff from "../../src/core/Backoff.ts"
import type * as Decision from "../../src/core/Decision.ts"
import * as Resilience from "../../src/policy/Resilience.ts"
import * as RetrySchedule from "../../src/strategy/RetrySchedule.ts"
import * as HttpScript from "../../src/testing/HttpScript.ts"
import * as Recorder from "../../src/testing/Recorder.ts"
import * as Fault from "../support/faults.ts"
import { serve, serveRaw, type Stats } from "../support/server.ts"
import { type Name, onEachTransport } from "../support/transports.ts"

const url = "http://users.test/1"

/** A fixed backoff, in ms, and no jitter: whatever differs from it is the hint's doing. */
const own = 100
const schedule = RetrySchedule.fromBackoff(Backoff.constant(own))

const hinted = (status: number, name: string, value: string | ReadonlyArray<string>): HttpScript.Respond => ({
  status,
  headers: { [name]: value }
})

/** When the attempts of a call were made, in ms since the first one, in virtual time. */
const timeline = (answer: HttpScript.Respond, within: "1 hour" | "1 day" = "1 hour") =>
  Effect.gen(function*() {
    const script = yield* HttpScript.make([answer], { atEnd: "repeatLast" })
    const client = script.client.pipe(Resilience.withRetry({ schedule, maxAttempts: 3 }))
    const fiber = yield* Effect.fork(client.get(url))
    yield* TestClock.adjust(within)
    assert.strictEqual((yield* Fiber.join(fiber)).status, answer.status)
    return yield* script.timeline
  })

const statuses = [429, 503] as const
const names = ["retry-after", "Retry-After"] as const

describe("a hint that can be read", () => {
  const table: ReadonlyArray<readonly [name: string, value: string, timeline: ReadonlyArray<number>]> = [
    ["retry-after", "0", [0, 100, 200]],
    ["retry-after", "00", [0, 100, 200]],
    ["retry-after", "1", [0, 1000, 2000]],
    ["retry-after", "  1  ", [0, 1000, 2000]],
    ["retry-after", "59", [0, 59_000, 118_000]],
    ["retry-after", "60", [0, 60_000, 120_000]],
    ["retry-after-ms", "99.5", [0, 100, 200]],
    ["retry-after-ms", "100.5", [0, 101, 202]],
    ["retry-after-ms", "1500", [0, 1500, 3000]],
    ["x-amz-retry-after", "1500", [0, 1500, 3000]],
    // Given up: the cap is a minute.
    ["retry-after", "61", [0]],
    ["retry-after", "120", [0]],
    ["retry-after", "86400", [0]],
    ["retry-after", "2147483", [0]],
    ["retry-after", "2147484", [0]],
    ["retry-after", "9999999999", [0]],
    ["retry-after", "9223372037", [0]],
    ["retry-after", "9".repeat(400), [0]],
    ["retry-after-ms", "60000.5", [0]]
  ]
  for (const [name, value, expected] of table) {
    it.effect(`${name}: ${value.slice(0, 30)} makes attempts at ${expected.join(", ")} ms`, () =>
      Effect.gen(function*() {
        for (const status of statuses) assert.deepStrictEqual(yield* timeline(hinted(status, name, value)), expected)
      }))
  }

  it.effect("a date is waited for; one that has passed falls back on the backoff; one far away is given up", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(Date.UTC(2030, 0, 1, 12))
      const at = (millis: number) => new Date(millis).toUTCString()
      const run = (value: (now: number) => string) =>
        Effect.flatMap(Clock.currentTimeMillis, (now) => timeline(hinted(503, "retry-after", value(now))))
      assert.deepStrictEqual(yield* run((now) => at(now + 7_000)), [0, 7_000, 7_100])
      assert.deepStrictEqual(yield* run((now) => at(now - 7_000)), [0, 100, 200])
      assert.deepStrictEqual(yield* run((now) => at(now)), [0, 100, 200])
      assert.deepStrictEqual(yield* run(() => "Thu, 01 Jan 1970 00:00:00 GMT"), [0, 100, 200])
      assert.deepStrictEqual(yield* run(() => "Fri, 31 Dec 9999 23:59:59 GMT"), [0])
      assert.deepStrictEqual(yield* run((now) => at(now + 120_000)), [0])
    }))

  it.effect("a hint of 0, for ever, is no hot loop: the computed backoff holds", () =>
    Effect.gen(function*() {
      const script = yield* HttpScript.make([hinted(503, "retry-after", "0")], { atEnd: "repeatLast" })
      const fiber = yield* Effect.fork(script.client.pipe(Resilience.withRetry({ schedule, maxAttempts: 50 })).get(url))
      yield* TestClock.adjust("1 hour")
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(yield* script.timeline, Array.from({ length: 50 }, (_, index) => index * own))
    }))

  it.effect("is honoured whatever schedule is given, one of Effect's own included", () =>
    Effect.gen(function*() {
      for (const plain of [Schedule.forever, Schedule.spaced("10 millis"), Schedule.exponential("1 millis"), Schedule.recurs(5)]) {
        const script = yield* HttpScript.make([hinted(503, "retry-after", "7"), { status: 200 }])
        const fiber = yield* Effect.fork(script.client.pipe(Resilience.withRetry({ schedule: plain })).get(url))
        yield* TestClock.adjust("7 seconds")
        yield* Fiber.join(fiber)
        assert.deepStrictEqual(yield* script.timeline, [0, 7000])
      }
    }))
})

describe("a hint that cannot be read", () => {
  const junk: ReadonlyArray<string> = [
    "-1", "-5", "-Infinity", "NaN", "null", "true", "undefined", "[object Object]", "1e9", "1e3", "Infinity",
    "0.5", "1.0", "+1", "1s", "1 second", "0x10", "1_000", "0b1", "1,5", "\"1\"", "", " ", "\t",
    "120, 120", "1, 9999999999", "0, 120", "2030-01-01T12:00:07Z", "Tue, 01 Jan 2030 12:00:07 +0000",
    "Tue, 32 Jan 2030 12:00:07 GMT", "Tue, 01 Jan 2030 25:99:99 GMT", "Mon, 01 Jan 2030 12:00:07 GMT",
    "Fri, 31 Dec 10000 23:59:59 GMT", "tomorrow", "Sunday, ".repeat(12_500), " ".repeat(100_000)
  ]

  it.effect("is as if it were not there: the backoff holds", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(Date.UTC(2030, 0, 1, 12))
      const runs = junk.flatMap((value) => statuses.flatMap((status) => names.map((name) => ({ value, answer: hinted(status, name, value) }))))
      yield* Effect.forEach(runs, ({ answer, value }) =>
        Effect.map(timeline(answer), (found) => assert.deepStrictEqual(found, [0, own, 2 * own], value.slice(0, 40))), { concurrency: 8 })
    }))

  it.effect("is as if it were not there, in two lines too", () =>
    Effect.gen(function*() {
      for (const lines of [["120", "120"], ["1", "9999999999"], ["0", "120"], ["junk", "1"]]) {
        assert.deepStrictEqual(yield* timeline(hinted(503, "retry-after", lines)), [0, own, 2 * own])
      }
    }))
})

/**
 * Between arrivals, in whole ms, a begun one counting as one: a timer of Node counts whole ms from a clock that has only those, and
 * so fires up to one of them early by a finer clock, which is what the server has.
 */
const gaps = ({ requests }: Stats): ReadonlyArray<number> =>
  requests.slice(1).map(({ at }, index) => Math.ceil(at - (requests[index]?.at ?? NaN)))

/** Real ms between two attempts where no hint holds. */
const backoff = 30
const retry = { schedule: RetrySchedule.fromBackoff(Backoff.constant(backoff)), maxAttempts: 3 }

const busy = (lines: string) => `HTTP/1.1 503 Busy\r\n${lines}content-length: 4\r\n\r\nbusy`

onEachTransport((name, layer) => {
  const get = (to: string) =>
    Effect.flatMap(HttpClient.HttpClient, (client) => client.pipe(Resilience.withRetry(retry)).get(to))
  const parallel = { concurrency: "unbounded" } as const

  it.scopedLive("a hint is never shortened, on the clock of the server", () => {
    const hints: ReadonlyArray<readonly [header: string, value: string, atLeast: number]> = [
      ["retry-after", "1", 1000],
      ["retry-after-ms", "250", 250],
      ["retry-after-ms", "33.4", 33.4],
      ["x-amz-retry-after", "80", 80],
      ["retry-after", "0", backoff],
      ["retry-after", "Thu, 01 Jan 1970 00:00:00 GMT", backoff]
    ]
    return Effect.forEach(hints, ([header, value, atLeast]) =>
      Effect.gen(function*() {
        const server = yield* serve(Fault.inTurn(Fault.status(503, { headers: { [header]: value } }), Fault.status(200)))
        assert.strictEqual((yield* get(server.url)).status, 200)
        const found = gaps(server.stats)
        assert.lengthOf(found, 1)
        assert.isAtLeast(found[0] ?? NaN, atLeast, `${header}: ${value}`)
      }), parallel).pipe(Effect.provide(layer({ connections: 9 })))
  })

  it.scopedLive("a date is waited for, on the clock of the server", () =>
    Effect.gen(function*() {
      // The first whole second that is some way off: a date has no ms.
      const until = Math.ceil(Date.now() / 1000 + 0.1) * 1000
      let arrived = 0
      const server = yield* serve((request, response, received) => {
        arrived = Date.now()
        response.sendDate = false
        const answer = received.number > 1 ? Fault.status(200) : Fault.status(503, { headers: { "retry-after": new Date(until).toUTCString() } })
        answer(request, response, received)
      })
      assert.strictEqual((yield* get(server.url)).status, 200)
      assert.isAtLeast(arrived, until)
    }).pipe(Effect.provide(layer())))

  const tooLong: ReadonlyArray<readonly [hint: string, deadline: "10 seconds" | "10 minutes", because: Decision.GiveUpReason]> = [
    ["120", "10 minutes", "RetryAfterTooLong"],
    ["20", "10 seconds", "DeadlineTooClose"],
    ["120", "10 seconds", "RetryAfterTooLong"],
    ["9999999999", "10 minutes", "RetryAfterTooLong"],
    ["Fri, 31 Dec 9999 23:59:59 GMT", "10 minutes", "RetryAfterTooLong"]
  ]
  for (const [hint, deadline, because] of tooLong) {
    it.scopedLive(`${hint} against a deadline of ${deadline} gives up at once, the response in hand (${because})`, () =>
      Effect.gen(function*() {
        const server = yield* serve(Fault.status(503, { headers: { "retry-after": hint }, body: "come back" }))
        const recorder = yield* Recorder.make
        const client = (yield* HttpClient.HttpClient).pipe(Resilience.withRetry(retry), Resilience.withDeadline(deadline))
        const response = yield* Effect.provide(client.get(server.url), recorder.layer)
        assert.deepStrictEqual([response.status, yield* response.text], [503, "come back"])
        assert.lengthOf(server.stats.requests, 1)
        const [, , answered, end, ...rest] = yield* recorder.events
        assert.deepStrictEqual([answered?._tag, end?._tag, rest.length], ["AttemptEnded", "CallEnded", 0])
        assert.strictEqual(end?._tag === "CallEnded" && end.end._tag === "GaveUp" && end.end.because, because)
        assert.isBelow((end?.at ?? NaN) - (answered?.at ?? NaN), 100)
      }).pipe(Effect.provide(layer())))
  }

  it.scopedLive("junk off the wire is as if it were not there: no hang, and no hot loop", () => {
    const junk = ["-1", "1e9", "NaN", "Infinity", "0x10", "\"1\"", "1.5", "120, 120", "\xb2", "\xd9\xa1", "", "soon", "x".repeat(9_000)]
    return Effect.forEach(junk, (value) =>
      Effect.gen(function*() {
        const server = yield* serveRaw(Fault.raw(busy(`Retry-After: ${value}\r\n`)))
        const recorder = yield* Recorder.make
        const response = yield* Effect.provide(get(server.url), recorder.layer)
        assert.strictEqual(yield* response.text, "busy")
        const starts = (yield* recorder.events).flatMap(({ _tag, at }) => (_tag === "AttemptStarted" ? [at] : []))
        assert.lengthOf(starts, 3)
        for (const [index, at] of starts.entries()) {
          if (index > 0) assert.isAtLeast(at - (starts[index - 1] ?? NaN), backoff, value.slice(0, 30))
        }
      }), parallel).pipe(Effect.provide(layer({ connections: 9 })))
  })

  // Two lines: fetch and undici join them, which is junk; node:http shows the first and drops the other.
  const attempts: ReadonlyArray<readonly [lines: readonly [string, string], Readonly<Record<Name, number>>]> = [
    [["120", "120"], { "undici": 3, "node:http": 1, "fetch": 3 }],
    [["120", "0"], { "undici": 3, "node:http": 1, "fetch": 3 }],
    [["0", "120"], { "undici": 3, "node:http": 3, "fetch": 3 }],
    [["junk", "120"], { "undici": 3, "node:http": 3, "fetch": 3 }]
  ]
  for (const [lines, expected] of attempts) {
    it.scopedLive(`two lines, ${lines.join(" and ")}, make ${expected[name]} attempts, and no hot loop`, () =>
      Effect.gen(function*() {
        const headers = lines.flatMap((line) => ["retry-after", line]).concat("content-length", "0")
        const server = yield* serve((_, response) => response.writeHead(503, headers).end())
        yield* get(server.url)
        const found = gaps(server.stats)
        assert.lengthOf(found, expected[name] - 1)
        for (const gap of found) assert.isAtLeast(gap, backoff)
      }).pipe(Effect.provide(layer())))
  }
})
