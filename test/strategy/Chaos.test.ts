import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import * as Backoff from "../../src/core/Backoff.ts"
import * as Classifier from "../../src/core/Classifier.ts"
import type { ChaosInjected } from "../../src/core/Event.ts"
import * as Chaos from "../../src/strategy/Chaos.ts"
import * as Retry from "../../src/strategy/Retry.ts"
import * as RetrySchedule from "../../src/strategy/RetrySchedule.ts"
import { told } from "../support/told.ts"

const half = Chaos.inject({ faults: [{ failure: () => "injected" as const, rate: 0.5 }] })
const run = (times: number) => Effect.replicateEffect(Effect.merge(half(Effect.succeed("ok" as const))), times)

describe("Chaos", () => {
  it.effect("does nothing where it is not turned on", () =>
    Effect.gen(function*() {
      const [exit, events] = yield* told("ChaosInjected", run(100))
      deepStrictEqual(exit, Exit.succeed(Array(100).fill("ok" as const)))
      assert.lengthOf(events, 0)
    }))

  it.effect("a run is the same for the same seed, whichever way it is turned on, and another for another one", () =>
    Effect.gen(function*() {
      const first = yield* Chaos.turnOn(run(64), 7)
      assert.sameMembers([...new Set(first)], ["ok", "injected"])
      assert.deepStrictEqual(yield* Chaos.turnOn(run(64), 7), first)
      assert.deepStrictEqual(yield* run(64).pipe(Effect.provide(Chaos.layer(7))), first)
      assert.notDeepEqual(yield* Chaos.turnOn(run(64), 8), first)
      assert.notDeepEqual(yield* Chaos.turnOn(run(64), "7"), first)
    }))

  it.effect("goes on from one call to the next, and in what is forked meanwhile", () =>
    Effect.gen(function*() {
      const inOne = yield* Chaos.turnOn(run(64), 7)
      const inTwo = yield* Chaos.turnOn(Effect.gen(function*() {
        const before = yield* run(10)
        return [...before, ...(yield* Fiber.join(yield* Effect.fork(run(54))))]
      }), 7)
      assert.deepStrictEqual(inTwo, inOne)
    }))

  it.effect("keys draw for themselves: how they are interleaved changes nothing", () =>
    Effect.gen(function*() {
      const call = (key: string) =>
        Effect.merge(Chaos.inject(Effect.succeed("ok"), { key, faults: [{ failure: () => "injected", rate: 0.5 }] }))
      const apart = yield* Chaos.turnOn(Effect.all([Effect.replicateEffect(call("a"), 32), Effect.replicateEffect(call("b"), 32)]), 1)
      const mixed = yield* Chaos.turnOn(Effect.replicateEffect(Effect.all([call("b"), call("a")]), 32), 1)
      assert.deepStrictEqual([mixed.map(([, a]) => a), mixed.map(([b]) => b)], apart)
      assert.notDeepEqual(apart[0], apart[1])
    }))

  it.effect("a wait is spent on the clock before the call is begun, and told before that", () =>
    Effect.gen(function*() {
      let begun = false
      const slow = Chaos.inject(Effect.sync(() => (begun = true)), { name: "db", faults: [{ latency: "30 seconds", rate: 1 }] })
      const fiber = yield* Effect.fork(told("ChaosInjected", Chaos.turnOn(slow, 1)))
      yield* TestClock.adjust("29999 millis")
      assert.isFalse(begun)
      yield* TestClock.adjust(1)
      const [, events] = yield* fiber
      assert.isTrue(begun)
      assert.deepStrictEqual(events.map(({ at, attempt, call, fault, ordinal, seed }) => [at, attempt, call.name, fault, ordinal, seed]), [
        [0, 1, "db", { _tag: "Latency", delay: 30_000 }, 1, 1]
      ])
    }))

  it.effect("whoever waits can be interrupted", () =>
    Effect.gen(function*() {
      const slow = Chaos.inject(Effect.die("begun"), { faults: [{ latency: "1 hour", rate: 1 }] })
      const fiber = yield* Effect.fork(Chaos.turnOn(slow, 1))
      yield* TestClock.adjust("1 second")
      assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(fiber)))
    }))

  it.effect("a call can meet a wait and a failure", () =>
    Effect.gen(function*() {
      const both = Chaos.inject(Effect.die("begun"), { faults: [{ latency: 10, rate: 1 }, { failure: () => "no", rate: 1 }] })
      const fiber = yield* Effect.fork(told("ChaosInjected", Chaos.turnOn(both, 1)))
      yield* TestClock.adjust(10)
      const [exit, events] = yield* fiber
      deepStrictEqual(exit, Exit.fail("no"))
      assert.deepStrictEqual(events.map(({ at, fault }) => [at, fault._tag]), [[0, "Latency"], [10, "Failure"]])
    }))

  it.effect("each attempt of a retry draws for itself, by its number", () =>
    Effect.gen(function*() {
      const schedule = RetrySchedule.fromBackoff(Backoff.constant(0))
      const call = half(Effect.succeed("ok")).pipe(Retry.retry({ classifier: Classifier.anyError, schedule, maxAttempts: 20 }))
      const [first, events] = yield* told("ChaosInjected", Chaos.turnOn(Effect.replicateEffect(call, 32), 3))
      assert.isTrue(Exit.isSuccess(first))
      assert.isAbove(Math.max(...events.map(({ attempt }) => attempt)), 2)
      // Of each number the calls that came so far are counted on their own.
      for (const { attempt, ordinal } of events) assert.isAtMost(ordinal, attempt === 1 ? 32 : events.length)
      const [, again] = yield* told("ChaosInjected", Chaos.turnOn(Effect.replicateEffect(call, 32), 3))
      const short = ({ attempt, ordinal }: ChaosInjected) => `${attempt}/${ordinal}`
      assert.deepStrictEqual(again.map(short), events.map(short))
      const [, untraced] = yield* told("ChaosInjected", Effect.withTracerEnabled(Chaos.turnOn(Effect.replicateEffect(call, 32), 3), false))
      assert.deepStrictEqual(untraced.map(short), events.map(short))
    }))

  it("with rates of 0 it is no wrapping at all", () => {
    const effect = Effect.succeed(1)
    assert.strictEqual(Chaos.inject(effect, { faults: [{ latency: 1, rate: 0 }, { failure: () => "no", rate: 0 }] }), effect)
    assert.strictEqual(Chaos.inject(effect, { faults: [] }), effect)
  })

  it("refuses rates and seeds that are none when it is made", () => {
    for (const rate of [NaN, -1, 1.1]) assert.throws(() => Chaos.inject({ faults: [{ latency: 1, rate }] })(Effect.void), /Chaos: rate/)
    assert.throws(() => Chaos.turnOn(Effect.void, NaN), /Chaos: seed/)
    assert.throws(() => Chaos.layer(Infinity), /Chaos: seed/)
  })
})
