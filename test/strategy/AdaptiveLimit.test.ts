import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import { Deferred, Effect, Fiber, TestClock } from "effect"
import * as Classifier from "../../src/core/Classifier.ts"
import type { Event } from "../../src/core/Event.ts"
import * as Failure from "../../src/core/Failure.ts"
import * as AdaptiveLimit from "../../src/strategy/AdaptiveLimit.ts"
import * as Observer from "../../src/strategy/Observer.ts"
import * as Retry from "../../src/strategy/Retry.ts"

class Fails {
  readonly failure: Failure.Failure
  constructor(failure: Failure.Failure) {
    this.failure = failure
  }
  get [Failure.key](): Failure.Failure {
    return this.failure
  }
}
const fail = (failure: Failure.Failure) => Effect.fail(new Fails(failure))
const limitOf = (limit: AdaptiveLimit.AdaptiveLimit) => Effect.map(AdaptiveLimit.load(limit), (load) => load.limit)
const events = () => {
  const all: Array<Event> = []
  return { all, observe: Observer.observe(Observer.sync((event) => void all.push(event))) }
}

describe("AdaptiveLimit", () => {
  it.effect("aimd: what is too much takes its share once, however many of the same round say so", () =>
    Effect.gen(function*() {
      const limit = yield* AdaptiveLimit.make({ policy: AdaptiveLimit.aimd({ initial: 10, backoff: 0.5 }) })
      const call = AdaptiveLimit.protect(Effect.zipRight(Effect.sleep(10), fail(Failure.throttled())), { limit })
      const fibers = yield* Effect.forEach([1, 2, 3], () => Effect.fork(Effect.exit(call)))
      yield* TestClock.adjust(10)
      yield* Fiber.joinAll(fibers)
      deepStrictEqual(yield* limitOf(limit), 5)
      const next = yield* Effect.fork(Effect.exit(call))
      yield* TestClock.adjust(10)
      yield* next
      deepStrictEqual(yield* limitOf(limit), 2)
    }))

  it.effect("only what says something about the load changes it", () =>
    Effect.gen(function*() {
      const policy = AdaptiveLimit.aimd({ initial: 10, backoff: 0.5 })
      const after = (effect: Effect.Effect<unknown, unknown>, classifier = Classifier.errors) =>
        Effect.gen(function*() {
          const limit = yield* AdaptiveLimit.make({ policy })
          yield* TestClock.adjust(1)
          yield* Effect.exit(AdaptiveLimit.protect(effect, { limit, classifier }))
          deepStrictEqual((yield* AdaptiveLimit.load(limit)).inUse, 0)
          return yield* limitOf(limit)
        })
      for (const failure of [Failure.throttled(), Failure.unavailable({ status: 503 }), Failure.attemptTimedOut(), Failure.rpcFailure("UNAVAILABLE")]) {
        deepStrictEqual(yield* after(fail(failure)), 5, failure._tag)
      }
      for (const failure of [Failure.rejected("CircuitOpen"), Failure.refused(404), Failure.serverFault(500), Failure.connectionLost("ECONNRESET"), Failure.rpcFailure("INTERNAL"), Failure.unknown("x")]) {
        deepStrictEqual(yield* after(fail(failure)), 10, failure._tag)
      }
      deepStrictEqual(yield* after(Effect.die("bug")), 10)
      deepStrictEqual(yield* after(Effect.interrupt), 10)
      const dies: typeof Classifier.errors = Classifier.onError("dies", () => {
        throw new Error("bug")
      })
      deepStrictEqual(yield* after(Effect.fail("no"), dies), 10)
    }))

  it.effect("a limit that goes down stops nobody, and admits nobody until enough have ended; one that goes up wakes who waits", () =>
    Effect.gen(function*() {
      const limit = yield* AdaptiveLimit.make({ policy: AdaptiveLimit.aimd({ initial: 4, max: 4, backoff: 0.5 }), queue: 5 })
      const gates = yield* Effect.replicateEffect(Deferred.make<void>(), 4)
      const calls = yield* Effect.forEach(gates, (gate) => Effect.fork(AdaptiveLimit.protect(Deferred.await(gate), { limit })))
      yield* Effect.yieldNow()
      const queued = yield* Effect.fork(Effect.exit(AdaptiveLimit.protect(fail(Failure.throttled()), { limit })))
      const later = yield* Effect.forEach([1, 2], () => Effect.fork(AdaptiveLimit.protect(Effect.never, { limit })))
      yield* Effect.yieldNow()
      deepStrictEqual(yield* AdaptiveLimit.load(limit), { limit: 4, inUse: 4, waiting: 3 })
      yield* Deferred.succeed(gates[0]!, undefined)
      yield* queued
      // The one that waited was told that it is too much: half of it is left, and three are still on their way.
      deepStrictEqual(yield* AdaptiveLimit.load(limit), { limit: 2, inUse: 3, waiting: 2 })
      yield* Deferred.succeed(gates[1]!, undefined)
      yield* Fiber.join(calls[1]!)
      deepStrictEqual(yield* AdaptiveLimit.load(limit), { limit: 2, inUse: 2, waiting: 2 })
      yield* Deferred.succeed(gates[2]!, undefined)
      yield* Fiber.join(calls[2]!)
      yield* Effect.yieldNow()
      deepStrictEqual(yield* AdaptiveLimit.load(limit), { limit: 2, inUse: 2, waiting: 1 })
      yield* Fiber.interruptAll(later)
      deepStrictEqual(yield* AdaptiveLimit.load(limit), { limit: 2, inUse: 1, waiting: 0 })
    }))

  it.effect("the wait in line is no part of the time that counts", () =>
    Effect.gen(function*() {
      const policy = AdaptiveLimit.aimd({ initial: 1, max: 2, slowerThan: 15, backoff: 0.5 })
      const limit = yield* AdaptiveLimit.make({ policy, queue: 9 })
      const { all, observe } = events()
      const call = observe(AdaptiveLimit.protect(Effect.sleep(10), { limit }))
      const fibers = yield* Effect.forEach([1, 2, 3], () => Effect.fork(call))
      yield* TestClock.adjust(50)
      yield* Fiber.joinAll(fibers)
      const base = { call: limit.call, key: "default" }
      deepStrictEqual(all, [
        { _tag: "LimitQueued", ...base, at: 0, waiting: 1 },
        { _tag: "LimitQueued", ...base, at: 0, waiting: 2 },
        { _tag: "LimitChanged", ...base, at: 10, from: 1, to: 2 },
        { _tag: "LimitAdmitted", ...base, at: 10, waited: 10 },
        { _tag: "LimitAdmitted", ...base, at: 10, waited: 10 }
      ])
    }))

  it.effect("a refusal says what it is to people and to a classifier, and no retry sends it again", () =>
    Effect.gen(function*() {
      const limit = yield* AdaptiveLimit.make({ policy: AdaptiveLimit.aimd({ initial: 1 }) })
      const holder = yield* Effect.fork(AdaptiveLimit.protect(Effect.never, { limit }))
      yield* Effect.yieldNow()
      const { all, observe } = events()
      const error = yield* Effect.void.pipe(AdaptiveLimit.protect({ limit }), Retry.retry({}), observe, Effect.flip)
      assert.strictEqual(error.message, `not sent: the limit of 1 for "default" says QueueFull`)
      assert.deepStrictEqual(error[Failure.key], Failure.rejected("LimitReached"))
      assert.deepStrictEqual(all.filter((event) => event._tag === "LimitRejected").length, 1)
      yield* Fiber.interrupt(holder)
    }))

  it("nonsense is refused when it is made", () => {
    const { aimd, gradient } = AdaptiveLimit
    for (const bounds of [{ min: 0 }, { min: 5, max: 4 }, { initial: 201 }, { min: 5, initial: 4 }, { max: Infinity }, { initial: NaN }]) {
      assert.throws(() => aimd(bounds), "got")
      assert.throws(() => gradient(bounds), "got")
    }
    for (const backoff of [0, 1, -1, NaN]) assert.throws(() => aimd({ backoff }), `got ${backoff}`)
    for (const window of [0, -1, Infinity]) assert.throws(() => gradient({ window }), "window")
    for (const quantile of [-0.1, 1.1, NaN]) assert.throws(() => gradient({ quantile }), `got ${quantile}`)
    for (const n of [0, 1.5, NaN]) {
      assert.throws(() => gradient({ samples: n }), `got ${n}`)
      assert.throws(() => gradient({ baseline: n }), `got ${n}`)
    }
  })
})
