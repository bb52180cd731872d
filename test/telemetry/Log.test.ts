import * as HttpClient from "@effect/platform/HttpClient"
import { assert, describe, it } from "@effect/vitest"
import { assertNone, deepStrictEqual } from "@effect/vitest/utils"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as HashMap from "effect/HashMap"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import * as Backoff from "../../src/core/Backoff.ts"
import type { End, Event } from "../../src/core/Event.ts"
import * as Failure from "../../src/core/Failure.ts"
import * as Resilience from "../../src/policy/Resilience.ts"
import * as CircuitBreaker from "../../src/strategy/CircuitBreaker.ts"
import * as Observer from "../../src/strategy/Observer.ts"
import * as RetrySchedule from "../../src/strategy/RetrySchedule.ts"
import * as Log from "../../src/telemetry/Log.ts"
import * as HttpScript from "../../src/testing/HttpScript.ts"
import * as Recorder from "../../src/testing/Recorder.ts"

const url = "http://user:CANARY@users.test/1?sig=CANARY"

interface Logged {
  readonly level: string
  readonly message: string
  readonly annotations: Readonly<Record<string, unknown>>
}

/** What is logged while an effect runs, every level included. */
const logged = <A, E, R>(effect: Effect.Effect<A, E, R>, levels?: Partial<Log.Levels>) =>
  Effect.gen(function*() {
    const lines: Array<Logged> = []
    const logger = Logger.make<unknown, void>(({ annotations, logLevel, message }) =>
      void lines.push({
        level: logLevel.label,
        message: Array.isArray(message) ? message.join(" ") : String(message),
        annotations: Object.fromEntries(HashMap.entries(annotations))
      }))
    yield* effect.pipe(
      Effect.exit,
      Effect.provide(Layer.mergeAll(
        Log.layer(levels),
        Logger.replace(Logger.defaultLogger, logger),
        Logger.minimumLogLevel(LogLevel.All)
      ))
    )
    return lines
  })

const users = Effect.map(HttpClient.HttpClient, (client) =>
  client.pipe(
    Resilience.withAttemptSpan,
    Resilience.withRetry({ schedule: RetrySchedule.fromBackoff(Backoff.constant("1 second")), maxAttempts: 3, name: "users" }),
    Resilience.withCallSpan("users")
  ))

const call = Effect.gen(function*() {
  const client = yield* users
  const fiber = yield* Effect.fork(Effect.exit(client.get(url)))
  yield* TestClock.adjust("1 minute")
  yield* Fiber.join(fiber)
})

const told = (event: Event) => Effect.withFiberRuntime<void>((fiber) => Observer.emit(Observer.of(fiber), event))

const base = { call: { id: 1, name: "users" }, at: 0 }
const guard = { ...base, key: "http://users.test" }
const failure = Failure.unavailable({ status: 503 })
const refusal = Failure.rejected("CircuitOpen")

const ended = (end: End, attempts = 1, waited = 0): Event => ({ ...base, _tag: "CallEnded", attempts, waited, end })
const gaveUp = (failure: Failure.Failure): End => ({ _tag: "GaveUp", because: "Terminal", failure, wait: Option.none() })

/** Each kind of line by an event that gives it: the compiler sees to it that none is missing. */
const examples: { readonly [K in Log.Kind]: Event } = {
  Recovered: ended({ _tag: "Succeeded" }, 2, 1_000),
  GaveUp: ended(gaveUp(failure)),
  Rejected: ended(gaveUp(refusal)),
  Ignored: ended({ _tag: "Ignored" }),
  Interrupted: ended({ _tag: "Interrupted" }),
  Died: ended({ _tag: "Died" }),
  WaitStarted: { ...base, _tag: "WaitStarted", attempt: 1, delay: 100, because: "Backoff", failure },
  HedgeStarted: { ...base, _tag: "HedgeStarted", attempt: 2, because: "Delay", after: 100 },
  HedgeSkipped: { ...base, _tag: "HedgeSkipped", attempt: 2, because: "BudgetExhausted" },
  AttemptWon: { ...base, _tag: "AttemptWon", attempt: 2, abandoned: [1] },
  BreakerOpened: { ...guard, _tag: "BreakerOpened", generation: 1, because: "5 in a row", openFor: Option.some(5_000) },
  BreakerHalfOpened: { ...guard, _tag: "BreakerHalfOpened", generation: 2, because: "time" },
  BreakerClosed: { ...guard, _tag: "BreakerClosed", generation: 3, because: "probe" },
  BreakerRejected: { ...guard, _tag: "BreakerRejected", because: "Open", retryAfter: Option.none() },
  RateLimited: { ...guard, _tag: "RateLimited", because: "Limit", retryAfter: Option.some(10) },
  RateLimitDelayed: { ...guard, _tag: "RateLimitDelayed", delay: 10 },
  RateLimitPaused: { ...guard, _tag: "RateLimitPaused", pause: 10 },
  LoadShed: { ...guard, _tag: "LoadShed", probability: 0.5, requests: 100, accepts: 10 },
  BulkheadQueued: { ...guard, _tag: "BulkheadQueued", waiting: 1 },
  BulkheadAdmitted: { ...guard, _tag: "BulkheadAdmitted", waited: 10 },
  BulkheadRejected: { ...guard, _tag: "BulkheadRejected", because: "QueueFull", waited: 0 },
  LimitChanged: { ...guard, _tag: "LimitChanged", from: 10, to: 9 },
  LimitQueued: { ...guard, _tag: "LimitQueued", waiting: 1 },
  LimitAdmitted: { ...guard, _tag: "LimitAdmitted", waited: 10 },
  LimitRejected: { ...guard, _tag: "LimitRejected", because: "Deadline", waited: 10 },
  FallbackUsed: { ...base, _tag: "FallbackUsed", because: failure, source: "LastGood", age: Option.some(60_000) },
  ChaosInjected: { ...base, _tag: "ChaosInjected", fault: { _tag: "Failure" }, seed: "s", attempt: 1, ordinal: 0 },
  IdempotencyBegan: { ...base, _tag: "IdempotencyBegan", record: "d" },
  IdempotencyAnswered: { ...base, _tag: "IdempotencyAnswered", record: "d", as: "Replayed" },
  IdempotencySettled: { ...base, _tag: "IdempotencySettled", record: "d", as: "Kept" },
  IdempotencyRefused: { ...base, _tag: "IdempotencyRefused", because: "Missing" },
  IdempotencyBypassed: { ...base, _tag: "IdempotencyBypassed", record: "d" },
  PolicyApplied: { ...base, _tag: "PolicyApplied", changed: ["resend"], mode: "Normal" },
  RequestTurnedAway: { ...base, _tag: "RequestTurnedAway", because: "Shed", attempt: 2 },
  PolicyRejected: { ...base, _tag: "PolicyRejected", because: "it is no JSON" },
  ResponseUnread: { ...base, _tag: "ResponseUnread", method: "GET", url: "http://users.test/", status: 200, age: 60_000, because: "Age" }
}

describe("a call", () => {
  it.effect("that succeeds at once has no line", () =>
    Effect.gen(function*() {
      deepStrictEqual(yield* logged(call.pipe(Effect.provide(HttpScript.layer([{ status: 200 }])))), [])
    }))

  it.effect("that needed more has one line, which names its trace", () =>
    Effect.gen(function*() {
      const recorder = yield* Recorder.make
      const lines = yield* logged(call.pipe(
        Effect.provide(HttpScript.layer([{ status: 503 }, { status: 200 }])),
        Effect.provide(recorder.layer)
      ))
      const [users] = yield* recorder.spans
      deepStrictEqual(lines, [{
        level: "INFO",
        message: "users: succeeded after 2 attempts",
        annotations: {
          "resilience.event": "Recovered",
          trace_id: users?.traceId,
          span_id: users?.spanId,
          "resilience.name": "users",
          "resilience.outcome": "Succeeded",
          "resilience.attempts": 2,
          "resilience.waited": 1
        }
      }])
    }))

  it.effect("that is given up says why, and what failed, in one line", () =>
    Effect.gen(function*() {
      const lines = yield* logged(call.pipe(Effect.provide(HttpScript.layer([{ status: 503 }, { status: 503 }, { status: 500 }]))))
      deepStrictEqual(lines.map(({ annotations: { span_id, trace_id, ...rest }, ...line }) => ({ ...line, rest, span_id: typeof span_id, trace_id: typeof trace_id })), [{
        level: "WARN",
        message: "users: gave up after 3 attempts, AttemptsExhausted, 500",
        span_id: "string",
        trace_id: "string",
        rest: {
          "resilience.event": "GaveUp",
          "resilience.name": "users",
          "resilience.outcome": "GaveUp",
          "resilience.attempts": 3,
          "resilience.waited": 2,
          "resilience.reason": "AttemptsExhausted",
          "error.type": "500"
        }
      }])
    }))

  it.effect("that is interrupted, and one that dies, say so", () =>
    Effect.gen(function*() {
      const interrupted = yield* logged(Effect.gen(function*() {
        const client = yield* users
        const fiber = yield* Effect.fork(client.get(url))
        yield* TestClock.adjust("1 millis")
        yield* Fiber.interrupt(fiber)
      }).pipe(Effect.provide(HttpScript.layer(["hang"]))))
      deepStrictEqual(interrupted.map(({ level, message }) => [level, message]), [["DEBUG", "users: interrupted after 1 attempt"]])
      const died = yield* logged(Effect.gen(function*() {
        const client = HttpClient.transform(yield* HttpClient.HttpClient, () => Effect.die("bug")).pipe(Resilience.withRetry({ name: "users" }))
        yield* client.get(url)
      }).pipe(Effect.provide(HttpScript.layer([{ status: 200 }]))))
      deepStrictEqual(died.map(({ level, message }) => [level, message]), [["ERROR", "users: died after 1 attempt"]])
    }))

  it.effect("has no trace where there is no span", () =>
    Effect.gen(function*() {
      const [line] = yield* logged(told(examples.Recovered))
      assert.notProperty(line?.annotations, "trace_id")
      assert.notProperty(line?.annotations, "span_id")
    }))

  it.effect("says nothing of what was asked: no address, no message of an error", () =>
    Effect.gen(function*() {
      const all: Partial<Record<Log.Kind, LogLevel.Literal>> = Object.fromEntries(Object.keys(Log.levels).map((kind) => [kind, "Info"]))
      const lines = yield* logged(call.pipe(Effect.provide(HttpScript.layer([{ status: 503 }, { fails: "ECONNRESET" }, { fails: "ECONNREFUSED" }]))), all)
      assert.isAbove(lines.length, 2)
      assert.notInclude(JSON.stringify(lines), "CANARY")
    }))
})

describe("a guard", () => {
  it.effect("that opens is one warning, whose calls that are refused say it at debug level only", () =>
    Effect.gen(function*() {
      const lines = yield* logged(Effect.gen(function*() {
        const breaker = yield* CircuitBreaker.make({ tripPolicy: CircuitBreaker.consecutive(1), openDuration: "1 minute" })
        const client = (yield* HttpClient.HttpClient).pipe(
          Resilience.withCircuitBreaker({ breaker }),
          Resilience.withRetry({ maxAttempts: 1, name: "users" })
        )
        yield* Effect.exit(client.get("http://users.test/1"))
        yield* Effect.exit(client.get("http://users.test/1"))
        yield* Effect.exit(client.get("http://users.test/1"))
      }).pipe(Effect.provide(HttpScript.layer([{ status: 500 }]))))
      const told = lines.map(({ annotations, level }) => [level, annotations["resilience.event"]])
      deepStrictEqual(told.filter(([level]) => level !== "DEBUG"), [["WARN", "BreakerOpened"], ["WARN", "GaveUp"]])
      deepStrictEqual(told.filter(([level]) => level === "DEBUG"), [
        ["DEBUG", "BreakerRejected"],
        ["DEBUG", "Rejected"],
        ["DEBUG", "BreakerRejected"],
        ["DEBUG", "Rejected"]
      ])
      const opened = lines.find(({ annotations }) => annotations["resilience.event"] === "BreakerOpened")
      assert.strictEqual(opened?.annotations["resilience.key"], "http://users.test")
      assert.strictEqual(opened?.annotations["resilience.delay"], 60)
    }))
})

describe("every kind", () => {
  for (const [kind, event] of Object.entries(examples)) {
    it.effect(`${kind} is logged at its level, which can be changed, with names of the closed set and plain values`, () =>
      Effect.gen(function*() {
        // The keys of the table are the kinds.
        const level = Log.levels[kind as Log.Kind]
        const [line, ...more] = yield* logged(told(event))
        deepStrictEqual(more, [])
        assert.strictEqual(line?.level, level === "None" ? undefined : LogLevel.fromLiteral(level).label)
        deepStrictEqual(yield* logged(told(event), { [kind]: "None" }), [])
        const [fatal] = yield* logged(told(event), { [kind]: "Fatal" })
        assert.strictEqual(fatal?.level, "FATAL")
        assert.strictEqual(fatal?.annotations["resilience.event"], kind)
        for (const [key, value] of Object.entries(fatal?.annotations ?? {})) {
          assert.include(Log.keys, key)
          assert.include(["string", "number"], typeof value)
        }
        assert.match(fatal?.message ?? "", /^users( \[http:\/\/users\.test\])?: \S/)
      }))
  }

  it.effect("that says a keyed request may be done twice is a warning, whatever its level, and silent where it is to be", () =>
    Effect.gen(function*() {
      for (const as of ["Lost", "Unreachable"] as const) {
        const event: Event = { ...base, _tag: "IdempotencySettled", record: "d", as }
        deepStrictEqual((yield* logged(told(event))).map(({ level }) => level), ["WARN"])
        deepStrictEqual((yield* logged(told(event), { IdempotencySettled: "Error" })).map(({ level }) => level), ["ERROR"])
        deepStrictEqual(yield* logged(told(event), { IdempotencySettled: "None" }), [])
      }
      const store: Event = { ...base, _tag: "IdempotencyRefused", because: "Store" }
      deepStrictEqual((yield* logged(told(store))).map(({ level }) => level), ["WARN"])
    }))

  it("of what is plain is none", () => {
    assertNone(Log.line({ ...base, _tag: "CallStarted" }))
    assertNone(Log.line({ ...base, _tag: "AttemptStarted", attempt: 1 }))
    assertNone(Log.line({ ...base, _tag: "AttemptEnded", attempt: 1, outcome: { _tag: "Success" } }))
    assertNone(Log.line(ended({ _tag: "Succeeded" })))
  })
})
