import * as HttpClient from "@effect/platform/HttpClient"
import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as Console from "effect/Console"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import * as Backoff from "../../src/core/Backoff.ts"
import * as Resilience from "../../src/policy/Resilience.ts"
import * as RetrySchedule from "../../src/strategy/RetrySchedule.ts"
import * as SpanRecord from "../../src/telemetry/SpanRecord.ts"
import * as Waterfall from "../../src/telemetry/Waterfall.ts"
import * as HttpScript from "../../src/testing/HttpScript.ts"
import * as Recorder from "../../src/testing/Recorder.ts"

const url = "http://users.test/1"

const traced = Effect.map(HttpClient.HttpClient, (client) =>
  client.pipe(
    Resilience.withAttemptTimeout("300 millis"),
    Resilience.withAttemptSpan,
    Resilience.withRetry({ schedule: RetrySchedule.honourRetryAfter(RetrySchedule.fromBackoff(Backoff.constant("1 second"))), maxAttempts: 4 }),
    Resilience.withDeadline("20 seconds"),
    Resilience.withCallSpan("users")
  ))

/** Makes a call, lets time pass in steps, and gives what was printed. */
const printed = (steps: ReadonlyArray<HttpScript.Step>, options: Waterfall.Options = {}, interruptAfter?: Duration.DurationInput) =>
  Effect.gen(function*() {
    const pictures: Array<string> = []
    const call = Effect.gen(function*() {
      const fiber = yield* Effect.fork(Effect.flatMap(traced, (client) => client.get(url)))
      if (interruptAfter !== undefined) {
        yield* TestClock.adjust(interruptAfter)
        yield* Fiber.interrupt(fiber)
      }
      yield* TestClock.adjust("1 minute")
      yield* Fiber.await(fiber)
    })
    yield* call.pipe(
      Effect.provide(HttpScript.layer(steps)),
      Effect.provide(Waterfall.layer({ print: (picture) => void pictures.push(picture), ...options }))
    )
    return pictures
  })

/** A span of a test's own, in ms since 0. */
const span = (
  spanId: string,
  { attributes = {}, events = [], from, kind = "internal", name = spanId, parent, to }: {
    readonly from: number
    readonly to?: number
    readonly parent?: string
    readonly name?: string
    readonly kind?: SpanRecord.SpanRecord["kind"]
    readonly attributes?: Record<string, unknown>
    readonly events?: SpanRecord.SpanRecord["events"]
  }
): SpanRecord.SpanRecord => ({
  spanId,
  traceId: "t",
  name,
  kind,
  parent: Option.fromNullable(parent),
  start: from,
  status: to === undefined ? { _tag: "Open" } : { _tag: "Ended", at: to, exit: Exit.void },
  attributes,
  events,
  links: []
})

describe("layer", () => {
  it.effect("prints each call when it has ended: attempts, waits with their reason, and what came of each", () =>
    Effect.gen(function*() {
      const [picture, ...more] = yield* printed([{ status: 503 }, "hang", { status: 429, headers: { "retry-after": "2" } }, { status: 200 }])
      deepStrictEqual(more, [])
      deepStrictEqual((picture ?? "").split("\n"), [
        "                  0s       1s        2s       3s        4s        5s",
        " users            ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━        4300 ms  200",
        " ├ GET            █                                                   0 ms  503",
        " │   wait         ┄┄┄┄┄┄┄┄┄                                        1000 ms  backoff 1s",
        " ├ GET #2                  ███                                      300 ms  timeout",
        " │   wait                     ┄┄┄┄┄┄┄┄┄┄                           1000 ms  backoff 1s",
        " ├ GET #3                               █                             0 ms  429",
        " │   wait                               ┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄        2000 ms  server asked for 2s",
        " └ GET #4                                                  █          0 ms  200"
      ])
    }))

  it.effect("prints a call that is interrupted while it waits, and the wait up to there", () =>
    Effect.gen(function*() {
      const [picture] = yield* printed([{ status: 503 }], {}, "400 millis")
      const lines = (picture ?? "").split("\n").slice(1)
      assert.match(lines[0] ?? "", /^ users .* 400 ms {2}interrupted$/)
      assert.match(lines[2] ?? "", /^ {5}wait .* 400 ms {2}backoff 1s$/)
      assert.lengthOf(lines, 3)
    }))

  it.effect("prints only what failed where that is asked for", () =>
    Effect.gen(function*() {
      const options = { traces: "failed" } as const
      assert.lengthOf(yield* printed([{ status: 200 }], options), 0)
      assert.lengthOf(yield* printed([{ status: 404 }], options), 1)
    }))

  it.effect("prints one picture for what one span of the application holds", () =>
    Effect.gen(function*() {
      const pictures: Array<string> = []
      yield* Effect.gen(function*() {
        const client = yield* traced
        yield* client.get(url)
        yield* client.get(url)
      }).pipe(
        Effect.withSpan("checkout"),
        Effect.provide(HttpScript.layer([{ status: 200 }, { status: 200 }])),
        Effect.provide(Waterfall.layer({ print: (picture) => void pictures.push(picture) }))
      )
      deepStrictEqual(pictures.map((picture) => picture.split("\n").slice(1).map((line) => line.slice(1, 17).trimEnd())), [
        ["checkout", "├ users", "  └ GET", "└ users", "  └ GET"]
      ])
    }))

  it.effect("lets the tracer that is there go on: it sees what it saw without", () =>
    Effect.gen(function*() {
      const recorder = yield* Recorder.make
      const run = Effect.withSpan(
        Effect.zipRight(Effect.annotateCurrentSpan("a", 1), Effect.withSpan(Effect.fail("no"), "inner")).pipe(Effect.ignore),
        "outer"
      )
      yield* Effect.provide(run, Waterfall.layer({ print: () => {} }).pipe(Layer.provideMerge(recorder.layer)))
      const spans = yield* recorder.spans
      deepStrictEqual(spans.map(({ attributes: { a }, late, name, status }) => [name, a, status._tag, late]), [
        ["outer", 1, "Ended", []],
        ["inner", undefined, "Ended", []]
      ])
    }))

  it.effect("prints through Effect's console where it is told no other way", () =>
    Effect.gen(function*() {
      const printed: Array<unknown> = []
      const plain = yield* Effect.consoleWith(Effect.succeed)
      const listening: Console.Console = { ...plain, unsafe: { ...plain.unsafe, log: (...said) => void printed.push(...said) } }
      yield* Effect.withSpan(Effect.void, "job").pipe(Effect.provide(Waterfall.layer({ columns: 60 }).pipe(Layer.provide(Console.setConsole(listening)))))
      assert.lengthOf(printed, 1)
      assert.match(String(printed[0]), /\n job {14}━ .* 0 ms$/)
    }))

  it("refuses a width that there is no room in, where it is made", () => {
    for (const columns of [59, 401, NaN, 60.5, Infinity, -1]) {
      assert.throws(() => Waterfall.layer({ columns }), /Waterfall.layer: columns must be an integer/)
      assert.throws(() => Waterfall.draw([], { columns }), /Waterfall.draw: columns/)
    }
    for (const columns of [60, 400]) deepStrictEqual(Waterfall.draw([], { columns }), [])
  })
})

describe("rows", () => {
  it("of spans that have not ended have no end, and neither went well nor badly", () => {
    deepStrictEqual(Waterfall.rows([span("a", { from: 5 })]), [
      { what: "call", label: "a", depth: 0, from: 5, to: Option.none(), note: "", went: "neither" }
    ])
  })

  it("stand below their parents, deep as they are, and those of an unknown parent at the top", () => {
    const rows = Waterfall.rows([
      span("a", { from: 0, to: 9 }),
      span("b", { from: 1, to: 2, parent: "a" }),
      span("c", { from: 3, to: 4, parent: "b", kind: "client" }),
      span("d", { from: 5, to: 6, parent: "elsewhere" })
    ])
    deepStrictEqual(rows.map(({ depth, label, what }) => [label, depth, what]), [
      ["a", 0, "call"],
      ["b", 1, "call"],
      ["c", 2, "attempt"],
      ["d", 0, "call"]
    ])
  })

  it("of spans that are each other's parents are none, and are found in finite time", () => {
    deepStrictEqual(Waterfall.rows([span("a", { from: 0, parent: "b" }), span("b", { from: 0, parent: "a" })]), [])
    assert.lengthOf(Waterfall.rows([span("a", { from: 0, parent: "a" })]), 1)
  })

  it("put a wait between its two attempts, also where everything happens in one instant", () => {
    const wait = (attempt: number) => ({
      name: "resilience.wait",
      at: 0,
      attributes: { "resilience.attempt": attempt, "resilience.delay": 0, "resilience.reason": "Schedule" }
    })
    const attempt = (id: string) => span(id, { from: 0, to: 0, parent: "call", kind: "client" })
    const rows = Waterfall.rows([
      span("call", { from: 0, to: 0, events: [wait(1), wait(2)] }),
      attempt("1"),
      attempt("2"),
      attempt("3")
    ])
    deepStrictEqual(rows.map(({ label }) => label), ["call", "1", "wait", "2", "wait", "3"])
  })
})

describe("draw", () => {
  const drawn = (spans: ReadonlyArray<SpanRecord.SpanRecord>, options?: Waterfall.DrawOptions) => Waterfall.draw(Waterfall.rows(spans), options)

  it("shows what could steer a terminal as dots", () => {
    const [, line] = drawn([span("a", { name: "\u001b[2J\u0007x\r\n\u202ey", from: 0, to: 1, attributes: { "error.type": "\u001b]0;t\u0007" } })])
    assert.notMatch(line ?? "", /\p{Cc}|\u202e/u)
    assert.include(line ?? "", "·[2J·x··")
  })

  it("never goes over its width, however long a name is and however deep it stands", () => {
    const spans = Array.from({ length: 40 }, (_, index) =>
      span(`${index}`, {
        name: "n".repeat(300),
        from: index,
        to: 1_000_000,
        attributes: { "error.type": "e".repeat(300) },
        ...(index === 0 ? {} : { parent: `${index - 1}` })
      }))
    for (const columns of [60, 96, 400]) {
      for (const line of drawn(spans, { columns })) assert.isAtMost(line.length, columns, line)
    }
  })

  it("draws what has not ended up to now, and keeps the scale that is asked for", () => {
    const short = drawn([span("a", { from: 0 })], { now: 500, horizon: 2_000, columns: 96 })
    assert.include(short[0] ?? "", "2s")
    const bar = (short[1] ?? "").split("━").length - 1
    assert.strictEqual(bar, Math.floor(48 / 4))
  })

  it("paints only where colours are asked for", () => {
    const spans = [span("a", { from: 0, to: 1 })]
    // The escape character is what is looked for.
    assert.isFalse(drawn(spans).join("").includes("\u001b"))
    assert.isTrue(drawn(spans, { colour: "ansi" }).join("").includes("\u001b[1m"))
  })
})

describe("keeping", () => {
  it.effect("hands over a trace once, with what began below it and has not ended as open", () =>
    Effect.gen(function*() {
      const traces: Array<ReadonlyArray<SpanRecord.SpanRecord>> = []
      const tracer = SpanRecord.keeping(yield* Effect.tracer, (spans) => void traces.push(spans))
      const child = yield* Effect.withSpan(Effect.fork(Effect.withSpan(Effect.never, "child")).pipe(Effect.tap(Effect.yieldNow())), "root").pipe(
        Effect.withTracer(tracer)
      )
      deepStrictEqual(traces.map((spans) => spans.map(({ name, status }) => [name, status._tag])), [[["root", "Ended"], ["child", "Open"]]])
      yield* Fiber.interrupt(child)
      assert.lengthOf(traces, 1)
    }))

  it.effect("keeps a thousand spans of a trace and no more", () =>
    Effect.gen(function*() {
      const counts: Array<number> = []
      const tracer = SpanRecord.keeping(yield* Effect.tracer, (spans) => void counts.push(spans.length))
      const many = (count: number) =>
        Effect.withTracer(Effect.withSpan(Effect.repeatN(Effect.withSpan(Effect.void, "leaf"), count - 2), "root"), tracer)
      yield* many(999)
      yield* many(1_000)
      yield* many(1_001)
      deepStrictEqual(counts, [999, 1_000, 1_000])
    }))
})
