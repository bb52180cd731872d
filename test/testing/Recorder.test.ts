import * as HttpClient from "@effect/platform/HttpClient"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as TestClock from "effect/TestClock"
import * as Tracer from "effect/Tracer"
import type { Call, Event } from "../../src/core/Event.ts"
import * as Failure from "../../src/core/Failure.ts"
import * as Outcome from "../../src/core/Outcome.ts"
import * as Observer from "../../src/strategy/Observer.ts"
import * as HttpScript from "../../src/testing/HttpScript.ts"
import * as Recorder from "../../src/testing/Recorder.ts"

const recorded = Effect.provide(Recorder.layer)
const spans = Effect.flatMap(Recorder.Recorder, (recorder) => recorder.spans)
const events = Effect.flatMap(Recorder.Recorder, (recorder) => recorder.events)
const tree = Effect.map(spans, Recorder.tree)

const busy = Failure.throttled({ status: 503, retryAfter: Option.some(7_000) })
const failed = Outcome.failed(busy)

/** One call, 7 s long: a 503 that asks for the wait, and a success. */
const retried = (call: Call, at: number): ReadonlyArray<Event> => [
  { _tag: "CallStarted", call, at },
  { _tag: "AttemptStarted", call, at, attempt: 1 },
  { _tag: "AttemptEnded", call, at, attempt: 1, outcome: failed },
  { _tag: "WaitStarted", call, at, attempt: 1, delay: 7_000, because: "RetryAfter", failure: busy },
  { _tag: "AttemptStarted", call, at: at + 7_000, attempt: 2 },
  { _tag: "AttemptEnded", call, at: at + 7_000, attempt: 2, outcome: Outcome.success },
  { _tag: "CallEnded", call, at: at + 7_000, attempts: 2, waited: 7_000, end: { _tag: "Succeeded" } }
]

const users = { id: 41, name: "users" }
const orders = { id: 42, name: "orders" }

describe("timeline", () => {
  it("tells a call again from its events", () => {
    assert.deepStrictEqual(Recorder.timeline(retried(users, 1_700_000_000_000)), [
      "0 attempt 1",
      "0 failed 503",
      "0 wait 7000 RetryAfter",
      "7000 attempt 2",
      "7000 succeeded"
    ])
  })

  for (const [end, line] of [
    [{ _tag: "GaveUp", because: "AttemptsExhausted", failure: busy, wait: Option.none() }, "5 gave up AttemptsExhausted"],
    [{ _tag: "Ignored" }, "5 ignored"],
    [{ _tag: "Interrupted" }, "5 interrupted"],
    [{ _tag: "Died" }, "5 died"]
  ] as const) {
    it(`says how a call ended: ${end._tag}`, () => {
      assert.deepStrictEqual(
        Recorder.timeline([
          { _tag: "CallStarted", call: users, at: 0 },
          { _tag: "CallEnded", call: users, at: 5, attempts: 0, waited: 0, end }
        ]),
        [line]
      )
    })
  }

  it("is empty where nothing happened", () => {
    assert.deepStrictEqual(Recorder.timeline([]), [])
  })

  it("names the call where there is more than one", () => {
    const both = [...retried(users, 0).slice(0, 4), ...retried(orders, 100), ...retried(users, 0).slice(4)]
    assert.deepStrictEqual(Recorder.timeline(both), [
      "users#1 0 attempt 1",
      "users#1 0 failed 503",
      "users#1 0 wait 7000 RetryAfter",
      "orders#2 100 attempt 1",
      "orders#2 100 failed 503",
      "orders#2 100 wait 7000 RetryAfter",
      "orders#2 7100 attempt 2",
      "orders#2 7100 succeeded",
      "users#1 7000 attempt 2",
      "users#1 7000 succeeded"
    ])
    assert.deepStrictEqual(Recorder.calls(both), [retried(users, 0), retried(orders, 100)])
  })
})

describe("events", () => {
  it.effect("are kept in order, and given to who listened already", () =>
    Effect.gen(function*() {
      const heard = yield* Ref.make<ReadonlyArray<Event>>([])
      const outer = Observer.make((event) => Ref.update(heard, (before) => [...before, event]))
      const all = retried(users, 0)
      const seen = yield* Effect.zipRight(
        Effect.flatMap(Observer.Observer, (listener) => Effect.forEach(all, (event) => Observer.emit(listener, event))),
        events
      ).pipe(recorded, Observer.observe(outer))
      assert.deepStrictEqual(seen, all)
      assert.deepStrictEqual(yield* Ref.get(heard), all)
    }))

  it.effect("of two recorders do not mix", () =>
    Effect.gen(function*() {
      const one = yield* Recorder.make
      const other = yield* Recorder.make
      yield* Effect.withSpan(Effect.void, "a").pipe(Effect.provide(one.layer))
      assert.deepStrictEqual([(yield* one.spans).length, (yield* other.spans).length], [1, 0])
    }))
})

describe("spans", () => {
  it.effect("keep all that was said of them, with ids that are counted", () =>
    Effect.gen(function*() {
      const outside = Tracer.externalSpan({ spanId: "b7ad6b7169203331", traceId: "0af7651916cd43dd8448eb211c80319c" })
      yield* TestClock.adjust("1 second")
      const fiber = yield* Effect.fork(
        Effect.gen(function*() {
          const span = yield* Effect.currentSpan
          span.event("sent", 1_250_000_000n, { bytes: 3 })
          span.addLinks([{ _tag: "SpanLink", span: outside, attributes: { why: "cause" } }])
          yield* Effect.sleep("500 millis")
        }).pipe(Effect.withSpan("GET", { kind: "client", attributes: { attempt: 1 }, parent: outside }))
      )
      yield* TestClock.adjust("500 millis")
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(yield* spans, [{
        name: "GET",
        kind: "client",
        traceId: "0af7651916cd43dd8448eb211c80319c",
        spanId: "0000000000000001",
        parent: Option.some("b7ad6b7169203331"),
        start: 1_000,
        status: { _tag: "Ended", at: 1_500, exit: Exit.void },
        attributes: { attempt: 1 },
        events: [{ name: "sent", at: 1_250, attributes: { bytes: 3 } }],
        links: [{ traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331", attributes: { why: "cause" } }],
        late: []
      }])
    }).pipe(recorded))

  it.effect("share the trace of their parent; a root begins one", () =>
    Effect.gen(function*() {
      yield* Effect.void.pipe(Effect.withSpan("child"), Effect.withSpan("root"))
      yield* Effect.withSpan(Effect.void, "other")
      assert.deepStrictEqual((yield* spans).map(({ name, parent, spanId, traceId }) => [name, traceId, spanId, parent]), [
        ["root", "00000000000000000000000000000001", "0000000000000001", Option.none()],
        ["child", "00000000000000000000000000000001", "0000000000000002", Option.some("0000000000000001")],
        ["other", "00000000000000000000000000000003", "0000000000000003", Option.none()]
      ])
    }).pipe(recorded))

  it.effect("that are never ended are open", () =>
    Effect.gen(function*() {
      yield* Effect.makeSpan("forgotten")
      yield* Effect.withSpan(Effect.void, "ended")
      assert.deepStrictEqual(Recorder.open(yield* spans).map(({ name }) => name), ["forgotten"])
    }).pipe(recorded))

  it.effect("tell what was written after their end, and drop it as a backend does", () =>
    Effect.gen(function*() {
      const span = yield* Effect.useSpan("early", Effect.succeed)
      span.attribute("a", 1)
      span.event("e", 0n)
      span.addLinks([])
      span.end(9_000_000n, Exit.fail("again"))
      const [seen] = yield* spans
      assert.deepStrictEqual(seen?.late, ["attribute a", "event e", "links", "end"])
      assert.deepInclude(seen, { attributes: {}, events: [], links: [] })
      assert.isTrue(seen?.status._tag === "Ended" && Exit.isSuccess(seen.status.exit))
    }).pipe(recorded))

  it.effect("are what an HTTP client opens, and what it sends on", () =>
    Effect.gen(function*() {
      yield* Effect.withSpan(HttpClient.get("http://users.test/1"), "call")
      const [, client] = yield* spans
      assert.deepInclude(client, { name: "http.client GET", kind: "client", parent: Option.some("0000000000000001") })
      assert.strictEqual(client?.attributes["http.response.status_code"], 200)
      assert.strictEqual(
        (yield* HttpScript.requests)[0]?.headers["traceparent"],
        "00-00000000000000000000000000000001-0000000000000002-01"
      )
    }).pipe(recorded, Effect.provide(HttpScript.layer([{ status: 200 }]))))
})

describe("tree", () => {
  it.effect("draws spans below their parents, with how they ended", () =>
    Effect.gen(function*() {
      yield* TestClock.adjust("1 hour")
      const attempt = (number: number, effect: Effect.Effect<unknown, unknown>) =>
        Effect.withSpan(Effect.delay(effect, "100 millis"), "GET", { kind: "client", attributes: { attempt: number } })
      const call = attempt(1, Effect.fail(new Error("reset"))).pipe(
        Effect.catchAll(() => Effect.flatMap(Effect.currentSpan, (span) => Effect.sync(() => span.event("retry", 3_600_100_000_000n)))),
        Effect.zipRight(attempt(2, Effect.void)),
        Effect.withSpan("users")
      )
      const fiber = yield* Effect.fork(call)
      const lost = yield* Effect.fork(Effect.withSpan(Effect.never, "lost"))
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(fiber)
      yield* Fiber.interrupt(lost)
      yield* Effect.makeSpan("forgotten", { context: Context.empty() })
      yield* Effect.exit(Effect.withSpan(Effect.die("boom"), "dead"))
      const late = yield* Effect.useSpan("late", Effect.succeed)
      late.attribute("bytes", 3)
      assert.deepStrictEqual((yield* tree).split("\n"), [
        "users internal 0..200 ok",
        "  @100 retry",
        "  GET client 0..100 failed (reset) attempt=1",
        "  GET client 100..200 ok attempt=2",
        "lost internal 0..1000 interrupted",
        "forgotten internal 1000.. OPEN",
        "dead internal 1000..1000 died (boom)",
        "late internal 1000..1000 ok",
        "  LATE attribute bytes"
      ])
    }).pipe(recorded))

  it.effect("puts a span whose parent it does not know at the root", () =>
    Effect.gen(function*() {
      const outside = Tracer.externalSpan({ spanId: "b7ad6b7169203331", traceId: "0af7651916cd43dd8448eb211c80319c" })
      yield* Effect.withSpan(Effect.void, "GET", { parent: outside })
      assert.strictEqual(yield* tree, "GET internal 0..0 ok")
    }).pipe(recorded))
})
