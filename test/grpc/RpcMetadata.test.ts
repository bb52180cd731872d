/**
 * What attempts say of themselves, and when they are made, in virtual time.
 */
import * as HttpClient from "@effect/platform/HttpClient"
import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import { Metadata } from "@grpc/grpc-js"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as TestClock from "effect/TestClock"
import * as Backoff from "../../src/core/Backoff.ts"
import * as Classifier from "../../src/core/Classifier.ts"
import { Grpc, PushbackSchedule, RpcMetadata } from "../../src/grpc/index.ts"
import * as Resilience from "../../src/policy/Resilience.ts"
import * as Deadline from "../../src/strategy/Deadline.ts"
import * as Retry from "../../src/strategy/Retry.ts"
import * as Timeout from "../../src/strategy/Timeout.ts"
import * as HttpScript from "../../src/testing/HttpScript.ts"

const unavailable = (pushback?: string) => ({
  code: 14,
  details: "not now",
  metadata: pushback === undefined ? {} : { "grpc-retry-pushback-ms": pushback }
})

const schedule = PushbackSchedule.fromBackoff(Backoff.exponential("100 millis"))

/** Runs a call whose attempts take 50 ms each, and gives when each began, and what it said. */
const attempts = (
  pushbacks: ReadonlyArray<string | undefined>,
  decorate: (call: Effect.Effect<string, unknown>) => Effect.Effect<string, unknown>
) =>
  Effect.gen(function*() {
    const timeline: Array<number> = []
    const said: Array<Readonly<Record<string, string>>> = []
    const call = Effect.gen(function*() {
      const number = timeline.push(yield* TestClock.currentTimeMillis)
      said.push(yield* RpcMetadata.fields())
      yield* Effect.sleep("50 millis")
      return number > pushbacks.length ? "done" : yield* Effect.fail(unavailable(pushbacks[number - 1]))
    })
    const fiber = yield* Effect.fork(Effect.exit(decorate(call)))
    yield* TestClock.adjust("10 minutes")
    const exit = yield* Fiber.join(fiber)
    return { exit, timeline, said }
  })

describe("without a tracer", () => {
  // First: from the first one on who asks for it, the number of the attempt is known everywhere.
  it.effect("an attempt knows its number as well", () =>
    Effect.gen(function*() {
      const { said } = yield* attempts(["1"], (call) => call.pipe(Grpc.retry(), Effect.withTracerEnabled(false)))
      assert.deepStrictEqual(said, [{}, { "grpc-previous-rpc-attempts": "1" }])
    }))
})

describe("a retry", () => {
  it.effect("waits its backoff, what the server asks, and its backoff from the beginning", () =>
    Effect.gen(function*() {
      const pushbacks = [undefined, undefined, "30", undefined, "0", undefined]
      const { exit, timeline } = yield* attempts(pushbacks, Grpc.retry({ schedule, maxAttempts: 7 }))
      deepStrictEqual(exit, Exit.succeed("done"))
      const waits = timeline.slice(1).map((at, i) => at - (timeline[i] ?? 0) - 50)
      assert.deepStrictEqual(waits, [100, 200, 30, 100, 0, 100])
    }))

  it.effect("waits for 60 s when it is asked to, and not for longer", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual((yield* attempts(["60000"], Grpc.retry())).timeline, [0, 60_050])
      assert.strictEqual((yield* attempts(["60001"], Grpc.retry())).timeline.length, 1)
    }))

  it.effect("begins no wait that ends at the deadline, and one that ends a moment before", () =>
    Effect.gen(function*() {
      const within = (limit: number) => attempts(["1000"], (call) => call.pipe(Grpc.retry(), Deadline.within(limit)))
      assert.strictEqual((yield* within(1050)).timeline.length, 1)
      assert.strictEqual((yield* within(1051)).timeline.length, 2)
    }))

  it.effect("that is interrupted during a wait makes no other attempt", () =>
    Effect.gen(function*() {
      let made = 0
      const call = Effect.suspend(() => Effect.fail(unavailable(String(++made * 1000))))
      const fiber = yield* Effect.fork(call.pipe(Grpc.retry({ maxAttempts: 5 })))
      yield* TestClock.adjust("1500 millis")
      assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(fiber)))
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(made, 2)
    }))
})

describe("each attempt", () => {
  it.effect("says how many came before it, and what is left then", () =>
    Effect.gen(function*() {
      const { said } = yield* attempts(["100", "100"], (call) => call.pipe(Grpc.retry(), Deadline.within("1 second")))
      assert.deepStrictEqual(said, [
        { "grpc-timeout": "1000m" },
        { "grpc-timeout": "850m", "grpc-previous-rpc-attempts": "1" },
        { "grpc-timeout": "700m", "grpc-previous-rpc-attempts": "2" }
      ])
    }))

  it.effect("says its own limit where that is earlier, and nothing where there is none", () =>
    Effect.gen(function*() {
      const limited = (call: Effect.Effect<string, unknown>) => call.pipe(Timeout.timeout("400 millis"), Grpc.retry({ maxAttempts: 5 }))
      const { said } = yield* attempts(["300", "300"], (call) => Deadline.within(limited(call), "1 second"))
      assert.deepStrictEqual(said.map((fields) => fields["grpc-timeout"]), ["400m", "400m", "300m"])
      assert.deepStrictEqual((yield* attempts([], limited)).said, [{ "grpc-timeout": "400m" }])
      assert.deepStrictEqual((yield* attempts([], Grpc.retry())).said, [{}])
    }))

  it.effect("of a hedge says how many were begun before it", () =>
    Effect.gen(function*() {
      const said: Array<unknown> = []
      const call = Effect.zipRight(Effect.map(RpcMetadata.fields(), (fields) => said.push(fields)), Effect.never)
      const fiber = yield* Effect.fork(call.pipe(Grpc.hedge({ delay: "10 millis", maxAttempts: 3 })))
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(said, [{}, { "grpc-previous-rpc-attempts": "1" }, { "grpc-previous-rpc-attempts": "2" }])
    }))

  it.effect("is counted by a plain retry too, and not by that of an HTTP request on whose way it is made", () =>
    Effect.gen(function*() {
      const plain = yield* attempts([undefined], Retry.retry({ classifier: Classifier.anyError, schedule: Schedule.spaced("1 second") }))
      assert.deepStrictEqual(plain.said, [{}, { "grpc-previous-rpc-attempts": "1" }])
      const said: Array<unknown> = []
      const token = Effect.map(RpcMetadata.fields(), (fields) => void said.push(fields))
      const client = (yield* HttpClient.HttpClient).pipe(
        HttpClient.mapRequestEffect((request) => Effect.as(token, request)),
        Resilience.withRetry({ schedule: Schedule.spaced("1 second") })
      )
      const fiber = yield* Effect.fork(client.get("http://users.test/1"))
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(said, [{}, {}])
    }).pipe(Effect.provide(HttpScript.layer([{ status: 503 }, { status: 200 }]))))
})

describe("write", () => {
  it.effect("changes a copy: what speaks of another call is taken away, the rest stays", () =>
    Effect.gen(function*() {
      const copied = new Metadata({ waitForReady: true })
      for (const key of ["grpc-timeout", "grpc-previous-rpc-attempts", "x-user"]) copied.set(key, "1")
      const bare = yield* RpcMetadata.write(copied)
      assert.deepStrictEqual(bare.getMap(), { "x-user": "1" })
      assert.deepStrictEqual(bare.getOptions(), { waitForReady: true })
      const timed = yield* Deadline.within(RpcMetadata.write(copied), "2 seconds")
      assert.deepStrictEqual(timed.getMap(), { "x-user": "1", "grpc-timeout": "2000m" })
      assert.strictEqual(Object.keys(copied.getMap()).length, 3)
    }))
})

describe("timeLeft", () => {
  it.effect("is the shorter of the two times, and never negative", () =>
    Effect.gen(function*() {
      deepStrictEqual(yield* RpcMetadata.timeLeft, Option.none())
      deepStrictEqual(yield* RpcMetadata.timeLeft.pipe(Timeout.timeout("1 second"), Deadline.within("3 seconds")), Option.some(1000))
      deepStrictEqual(yield* RpcMetadata.timeLeft.pipe(Timeout.timeout("3 seconds"), Deadline.within("1 second")), Option.some(1000))
      // A region that cannot be interrupted goes on when its time is over.
      const late = Effect.uninterruptible(Effect.zipRight(Effect.sleep("2 seconds"), Effect.map(RpcMetadata.timeLeft, (left) => void seen.push(left))))
      const seen: Array<Option.Option<number>> = []
      const fiber = yield* Effect.fork(Effect.exit(late.pipe(Deadline.within("1 second"))))
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(fiber)
      deepStrictEqual(seen, [Option.some(0)])
    }))
})
