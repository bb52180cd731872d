import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import { Deferred, Effect, Exit, Fiber, Option, Scope, TestClock } from "effect"
import type { Event } from "../../src/core/Event.ts"
import * as Failure from "../../src/core/Failure.ts"
import * as Bulkhead from "../../src/strategy/Bulkhead.ts"
import * as Deadline from "../../src/strategy/Deadline.ts"
import * as Observer from "../../src/strategy/Observer.ts"
import * as Retry from "../../src/strategy/Retry.ts"

const idle = (limit: number) => ({ limit, inUse: 0, waiting: 0 })

/** Takes `millis`, and says how it ended and when. */
const timed = (bulkhead: Bulkhead.Bulkhead, millis: number, key?: string) =>
  Effect.sleep(millis).pipe(
    Bulkhead.protect({ bulkhead, key }),
    Effect.match({ onFailure: (error) => error._tag === "BulkheadFull" ? error.because : error, onSuccess: () => "done" as const }),
    Effect.zipWith(TestClock.currentTimeMillis, (how, at) => [how, at] as const)
  )

describe("Bulkhead", () => {
  it.effect("so many are on their way, so many wait in the order in which they came, the rest is rejected at once", () =>
    Effect.gen(function*() {
      const bulkhead = yield* Bulkhead.make({ permits: 2, queue: 3 })
      const fibers = yield* Effect.forEach([10, 20, 5, 7, 1, 1], (millis) => Effect.fork(timed(bulkhead, millis)))
      yield* Effect.yieldNow()
      deepStrictEqual(yield* Bulkhead.load(bulkhead), { limit: 2, inUse: 2, waiting: 3 })
      yield* TestClock.adjust(100)
      deepStrictEqual(yield* Fiber.join(Fiber.all(fibers)), [
        ["done", 10],
        ["done", 20],
        ["done", 15],
        ["done", 22],
        ["done", 21],
        ["QueueFull", 0]
      ])
      deepStrictEqual(yield* Bulkhead.load(bulkhead), idle(2))
    }))

  it.effect("waits for as long as it may: the permit at 99 ms is taken, at 100 ms the wait is over", () =>
    Effect.gen(function*() {
      for (const [taken, expected] of [[99, ["done", 100]], [101, ["WaitTooLong", 100]]] as const) {
        const start = yield* TestClock.currentTimeMillis
        const bulkhead = yield* Bulkhead.make({ permits: 1, queue: 1, maxWait: 100 })
        const holder = yield* Effect.fork(timed(bulkhead, taken))
        const waiter = yield* Effect.fork(timed(bulkhead, 1))
        yield* TestClock.adjust(200)
        const [how, at] = yield* waiter
        deepStrictEqual<unknown>([how, at - start], expected)
        yield* holder
        deepStrictEqual(yield* Bulkhead.load(bulkhead), idle(1))
      }
    }))

  it.effect("waits no longer than the deadline, and not at all where that has passed", () =>
    Effect.gen(function*() {
      const bulkhead = yield* Bulkhead.make({ permits: 1, queue: 9, maxWait: 100 })
      const holder = yield* Effect.fork(timed(bulkhead, 1_000))
      const late = (deadline: number) => Effect.provideService(timed(bulkhead, 1), Deadline.Deadline, Option.some(deadline))
      const waiters = yield* Effect.forEach([50, 100, 101], (deadline) => Effect.fork(late(deadline)))
      yield* Effect.yieldNow()
      deepStrictEqual(yield* late(0), ["Deadline", 0])
      yield* TestClock.adjust(1_000)
      deepStrictEqual(yield* Fiber.join(Fiber.all(waiters)), [["Deadline", 50], ["Deadline", 100], ["WaitTooLong", 100]])
      yield* holder
    }))

  it.effect("an interrupted waiter leaves no hole, first, in the middle or last", () =>
    Effect.gen(function*() {
      for (const gone of [0, 1, 2]) {
        const bulkhead = yield* Bulkhead.make({ permits: 1, queue: 3 })
        const gate = yield* Deferred.make<void>()
        const holder = yield* Effect.fork(Bulkhead.protect(Deferred.await(gate), { bulkhead }))
        yield* Effect.yieldNow()
        const order: Array<number> = []
        const waiters = yield* Effect.forEach([0, 1, 2], (n) => Effect.fork(Bulkhead.protect(Effect.sync(() => void order.push(n)), { bulkhead })))
        yield* Effect.yieldNow()
        yield* Fiber.interrupt(waiters[gone]!)
        deepStrictEqual(yield* Bulkhead.load(bulkhead), { limit: 1, inUse: 1, waiting: 2 })
        yield* Deferred.succeed(gate, undefined)
        yield* Fiber.join(holder)
        yield* Fiber.awaitAll(waiters)
        deepStrictEqual(order, [0, 1, 2].filter((n) => n !== gone))
        deepStrictEqual(yield* Bulkhead.load(bulkhead), idle(1))
      }
    }))

  it.effect("each key has permits of its own", () =>
    Effect.gen(function*() {
      const bulkhead = yield* Bulkhead.make({ permits: 1 })
      const one = yield* Effect.fork(timed(bulkhead, 10, "a"))
      yield* Effect.yieldNow()
      deepStrictEqual((yield* timed(bulkhead, 0, "a"))[0], "QueueFull")
      const other = yield* Effect.fork(timed(bulkhead, 5, "b"))
      yield* TestClock.adjust(10)
      deepStrictEqual([yield* one, yield* other], [["done", 10], ["done", 5]])
    }))

  it.effect("a key in use keeps its permits when it has to make room, and when it is idle for longer than keys are kept", () =>
    Effect.gen(function*() {
      const bulkhead = yield* Bulkhead.make({ permits: 1, capacity: 1, idle: "1 minute" })
      const gate = yield* Deferred.make<void>()
      const long = "k".repeat(600)
      const holders = yield* Effect.forEach(["a", long], (key) => Effect.fork(Bulkhead.protect(Deferred.await(gate), { bulkhead, key })))
      yield* Effect.yieldNow()
      for (let i = 0; i < 100; i++) deepStrictEqual((yield* Effect.exit(Bulkhead.protect(Effect.void, { bulkhead, key: `other ${i}` })))._tag, "Success")
      yield* TestClock.adjust("2 minutes")
      for (const key of ["a", long]) {
        deepStrictEqual(yield* Bulkhead.load(bulkhead, key), { limit: 1, inUse: 1, waiting: 0 })
        deepStrictEqual((yield* timed(bulkhead, 0, key))[0], "QueueFull")
      }
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.joinAll(holders)
      for (const key of ["a", long]) {
        deepStrictEqual(yield* Bulkhead.load(bulkhead, key), idle(1))
        deepStrictEqual(yield* Bulkhead.protect(Effect.succeed(1), { bulkhead, key }), 1)
      }
    }))

  it.effect("gives what the effect gives, and the permit back, whatever that is", () =>
    Effect.gen(function*() {
      const bulkhead = yield* Bulkhead.make({ permits: 1 })
      for (const exit of [Exit.succeed(1), Exit.fail("no"), Exit.die("bug"), Exit.interrupt((yield* Effect.fiberId))]) {
        const effect: Effect.Effect<number, string> = exit
        deepStrictEqual<unknown>(yield* Effect.exit(Bulkhead.protect(effect, { bulkhead })), exit)
        deepStrictEqual(yield* Bulkhead.load(bulkhead), idle(1))
      }
    }))

  it("with infinity permits it is the identity", () => {
    const bulkhead = Effect.runSync(Bulkhead.make({ permits: Infinity }))
    const effect = Effect.sync(() => 1)
    assert.strictEqual(Bulkhead.protect(effect, { bulkhead }), effect)
  })

  it("nonsense is refused when it is made", () => {
    for (const permits of [0, -1, 1.5, NaN, -Infinity]) assert.throws(() => Bulkhead.make({ permits }), `got ${permits}`)
    for (const queue of [-1, 0.5, NaN, Infinity]) assert.throws(() => Bulkhead.make({ permits: 1, queue }), `got ${queue}`)
    for (const maxWait of [0, -1, NaN]) assert.throws(() => Bulkhead.make({ permits: 1, maxWait }), `got ${maxWait}`)
  })

  it.effect("hold keeps a permit until its scope is closed", () =>
    Effect.gen(function*() {
      const bulkhead = yield* Bulkhead.make({ permits: 1 })
      const scope = yield* Scope.make()
      yield* Scope.extend(Bulkhead.hold({ bulkhead }), scope)
      deepStrictEqual((yield* timed(bulkhead, 0))[0], "QueueFull")
      yield* Scope.close(scope, Exit.void)
      deepStrictEqual(yield* Bulkhead.load(bulkhead), idle(1))
      // A scope that is closed already.
      yield* Scope.extend(Bulkhead.hold({ bulkhead }), scope)
      deepStrictEqual(yield* Bulkhead.load(bulkhead), idle(1))
    }))

  it.effect("tells who queued, who was admitted after what wait, and who was rejected, and why", () =>
    Effect.gen(function*() {
      const events: Array<Event> = []
      const bulkhead = yield* Bulkhead.make({ permits: 1, queue: 2, maxWait: 15, name: "users" })
      yield* Effect.forEach([10, 10, 10, 10], (millis) => timed(bulkhead, millis), { concurrency: "unbounded" }).pipe(
        Observer.observe(Observer.sync((event) => void events.push(event))),
        Effect.fork,
        Effect.zipRight(TestClock.adjust(100))
      )
      const base = { call: bulkhead.call, key: "default" }
      deepStrictEqual(events, [
        { _tag: "BulkheadQueued", ...base, at: 0, waiting: 1 },
        { _tag: "BulkheadQueued", ...base, at: 0, waiting: 2 },
        { _tag: "BulkheadRejected", ...base, at: 0, because: "QueueFull", waited: 0 },
        { _tag: "BulkheadAdmitted", ...base, at: 10, waited: 10 },
        { _tag: "BulkheadRejected", ...base, at: 15, because: "WaitTooLong", waited: 15 }
      ])
      assert.strictEqual(bulkhead.call.name, "users")
    }))

  it.effect("a refusal says what it is to people and to a classifier, and no retry sends it again", () =>
    Effect.gen(function*() {
      const bulkhead = yield* Bulkhead.make({ permits: 1, queue: 1, maxWait: 40 })
      yield* Effect.fork(timed(bulkhead, 1_000, "users"))
      yield* Effect.yieldNow()
      const waiter = yield* Effect.fork(Effect.flip(Effect.void.pipe(Bulkhead.protect({ bulkhead, key: "users" }), Retry.retry({}))))
      yield* TestClock.adjust(40)
      const error = yield* waiter
      assert.strictEqual(error.message, `not sent: the bulkhead of "users" says WaitTooLong, after 40ms`)
      assert.deepStrictEqual(error[Failure.key], Failure.rejected("BulkheadFull"))
    }))

  it.effect("a listener that never ends holds its caller only, and a permit given meanwhile comes back when that is interrupted", () =>
    Effect.gen(function*() {
      const bulkhead = yield* Bulkhead.make({ permits: 1, queue: 2 })
      const holder = yield* Effect.fork(timed(bulkhead, 10))
      yield* Effect.yieldNow()
      const stuck = yield* Effect.fork(Observer.observe(timed(bulkhead, 0), Observer.make(() => Effect.never)))
      const next = yield* Effect.fork(timed(bulkhead, 0))
      yield* TestClock.adjust(10)
      yield* holder
      deepStrictEqual(yield* Bulkhead.load(bulkhead), { limit: 1, inUse: 1, waiting: 1 })
      yield* Fiber.interrupt(stuck)
      deepStrictEqual(yield* next, ["done", 10])
      deepStrictEqual(yield* Bulkhead.load(bulkhead), idle(1))
    }))
})
