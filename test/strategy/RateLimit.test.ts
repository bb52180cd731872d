import { it } from "@effect/vitest"
import { assertNone, assertSome } from "@effect/vitest/utils"
import { Clock, Deferred, Effect, Exit, Fiber, Option, TestClock } from "effect"
import { assert, describe } from "vitest"
import * as Classifier from "../../src/core/Classifier.ts"
import type { Event } from "../../src/core/Event.ts"
import * as Failure from "../../src/core/Failure.ts"
import * as Outcome from "../../src/core/Outcome.ts"
import * as Deadline from "../../src/strategy/Deadline.ts"
import * as Observer from "../../src/strategy/Observer.ts"
import * as RateLimit from "../../src/strategy/RateLimit.ts"
import * as Retry from "../../src/strategy/Retry.ts"

const now = Clock.currentTimeMillis

/** Starts a call that tells when it was let through, or why not. */
const start = (limiter: RateLimit.RateLimit, options: { readonly key?: string; readonly cost?: number } = {}) =>
  Effect.tap(
    Effect.fork(Effect.catchAll(RateLimit.limit(now, { limiter, ...options }), ({ because }) => Effect.succeed(because))),
    () => Effect.yieldNow()
  )
const startAll = (limiter: RateLimit.RateLimit, n: number) => Effect.all(Array.from({ length: n }, () => start(limiter)))

const busy = (hint: Option.Option<number>) => ({ [Failure.key]: Failure.throttled({ status: 429, retryAfter: hint }) })

describe("RateLimit", () => {
  it.effect("returns what the effect gives, whatever it is", () =>
    Effect.gen(function*() {
      const limiter = yield* RateLimit.make({ limit: 10, window: "1 second" })
      for (const exit of [Exit.succeed(1), Exit.fail("no"), Exit.die("bug")]) {
        const effect: Effect.Effect<number, string> = exit
        assert.deepStrictEqual<unknown>(yield* Effect.exit(RateLimit.limit(effect, { limiter })), exit)
      }
    }))

  it.effect("a sliding window: the third of two in a minute is let through at 60 000 ms and not at 59 999", () =>
    Effect.gen(function*() {
      const limiter = yield* RateLimit.make({ limit: 2, window: "1 minute", onLimit: "fail" })
      const call = Effect.either(RateLimit.limit(now, { limiter }))
      yield* call
      yield* TestClock.adjust("20 seconds")
      yield* call
      yield* TestClock.adjust(39_999)
      const refused = yield* Effect.flip(RateLimit.limit(now, { limiter }))
      assert.deepStrictEqual([refused._tag, refused.key, refused.because], ["RateLimited", "default", "Limit"])
      assertSome(refused.retryAfter, 1)
      yield* TestClock.adjust(1)
      assert.strictEqual(yield* RateLimit.limit(now, { limiter }), 60_000)
      // The second one is a minute old only 20 s later.
      assertSome((yield* Effect.flip(RateLimit.limit(now, { limiter }))).retryAfter, 20_000)
    }))

  it.effect("a token bucket: a burst at once, then one each interval", () =>
    Effect.gen(function*() {
      const limiter = yield* RateLimit.make({ limit: 10, window: "1 second", algorithm: "token-bucket", burst: 3 })
      const calls = yield* startAll(limiter, 6)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* Fiber.join(Fiber.all(calls)), [0, 0, 0, 100, 200, 300])
    }))

  it.effect("a burst of 1 spaces calls evenly, also where the interval is no whole number of ms", () =>
    Effect.gen(function*() {
      const limiter = yield* RateLimit.make({ limit: 3, window: "1 second", algorithm: "token-bucket", burst: 1 })
      const calls = yield* startAll(limiter, 4)
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(yield* Fiber.join(Fiber.all(calls)), [0, 334, 667, 1000])
    }))

  it.effect("the limit is reached also where calls come in faster than timers can tell", () =>
    Effect.gen(function*() {
      const limiter = yield* RateLimit.make({ limit: 5000, window: "1 second", algorithm: "token-bucket", burst: 1 })
      const calls = yield* startAll(limiter, 51)
      yield* TestClock.adjust("10 millis")
      const ends = yield* Fiber.join(Fiber.all(calls))
      assert.strictEqual(ends.at(-1), 10)
    }))

  it.effect("those who wait are let through in the order in which they came, also past one that asks for less", () =>
    Effect.gen(function*() {
      const limiter = yield* RateLimit.make({ limit: 3, window: "1 second" })
      const order: Array<string> = []
      const call = (name: string, cost: number) =>
        Effect.zipLeft(
          Effect.fork(RateLimit.limit(Effect.map(now, (at) => order.push(`${name}@${at}`)), { limiter, cost })),
          Effect.yieldNow()
        )
      yield* call("a", 2)
      yield* call("b", 2)
      yield* call("c", 1)
      yield* call("d", 3)
      yield* call("e", 1)
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(order, ["a@0", "b@1000", "c@1000", "d@2000", "e@3000"])
    }))

  it.effect("one that is interrupted in line has taken nothing, and those behind it move up", () =>
    Effect.gen(function*() {
      const limiter = yield* RateLimit.make({ limit: 1, window: "1 second" })
      const [, second, third, fourth] = yield* startAll(limiter, 4)
      yield* TestClock.adjust(500)
      yield* Fiber.interrupt(second!)
      yield* TestClock.adjust(500)
      assert.strictEqual(yield* Fiber.join(third!), 1000)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(fourth!), 2000)
    }))

  it.effect("when the first in line is interrupted, one behind it that asks for less goes as soon as it can", () =>
    Effect.gen(function*() {
      const limiter = yield* RateLimit.make({ limit: 3, window: "1 second" })
      yield* start(limiter, { cost: 2 })
      const large = yield* start(limiter, { cost: 3 })
      const small = yield* start(limiter)
      yield* TestClock.adjust(400)
      yield* Fiber.interrupt(large)
      assert.strictEqual(yield* Fiber.join(small), 400)
    }))

  it.effect("a wait that fits exactly into maxWait is begun, and one that is 1 ms longer is not", () =>
    Effect.gen(function*() {
      for (const [maxWait, ends] of [[1000, [0, 1000]], [999, [0, "MaxWait"]]] as const) {
        const limiter = yield* RateLimit.make({ limit: 1, window: "1 second", maxWait })
        const begun = yield* now
        const calls = yield* startAll(limiter, 2)
        const refusedAtOnce = (yield* Fiber.poll(calls[1]!))._tag === "Some"
        assert.strictEqual(refusedAtOnce, maxWait === 999)
        yield* TestClock.adjust("1 second")
        const relative = (yield* Fiber.join(Fiber.all(calls))).map((end) => typeof end === "number" ? end - begun : end)
        assert.deepStrictEqual(relative, [...ends])
      }
    }))

  it.effect("a wait that would end at the deadline is not begun; one that leaves 1 ms is", () =>
    Effect.gen(function*() {
      for (const [within, begins] of [[1000, false], [1001, true]] as const) {
        const limiter = yield* RateLimit.make({ limit: 1, window: "1 second" })
        yield* RateLimit.limit(Effect.void, { limiter })
        const fiber = yield* Effect.fork(Effect.either(RateLimit.limit(Effect.void, { limiter }).pipe(Deadline.within(within))))
        yield* Effect.yieldNow()
        const done = yield* Fiber.poll(fiber)
        assert.strictEqual(Option.isNone(done), begins)
        yield* TestClock.adjust("1 second")
        const result = yield* Fiber.join(fiber)
        if (begins) assert.strictEqual(result._tag, "Right")
        else {
          const error = result._tag === "Left" ? result.left : undefined
          assert.deepStrictEqual([error?._tag, error?._tag === "RateLimited" && error.because], ["RateLimited", "Deadline"])
          assert.strictEqual(error?._tag === "RateLimited" && Option.getOrNull(error.retryAfter), 1000)
        }
      }
    }))

  it.effect("the line counts too: who would have to wait too long behind the others does not begin to, until one of them leaves", () =>
    Effect.gen(function*() {
      const limiter = yield* RateLimit.make({ limit: 1, window: "1 second", maxWait: "2 seconds" })
      const [, second] = yield* startAll(limiter, 3)
      assert.strictEqual(yield* Effect.map(Effect.flip(RateLimit.limit(now, { limiter })), ({ because }) => because), "MaxWait")
      yield* Fiber.interrupt(second!)
      const last = yield* start(limiter)
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* Fiber.join(last), 2000)
    }))

  it.effect("the queue holds so many, and not one more; each key has its own", () =>
    Effect.gen(function*() {
      const limiter = yield* RateLimit.make({ limit: 1, window: "1 second", queue: 2 })
      const calls = yield* startAll(limiter, 4)
      assert.strictEqual(yield* Fiber.join(calls[3]!), "QueueFull")
      assert.strictEqual(yield* Fiber.join(yield* start(limiter, { key: "other" })), 0)
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(yield* Fiber.join(Fiber.all(calls.slice(0, 3))), [0, 1000, 2000])
    }))

  it.effect("what costs more than the limit is refused for good, and what costs all of it is not", () =>
    Effect.gen(function*() {
      const limiter = yield* RateLimit.make({ limit: 3, window: "1 second" })
      const error = yield* Effect.flip(RateLimit.limit(now, { limiter, cost: 4 }))
      assert.strictEqual(error.because, "TooLarge")
      assertNone(error.retryAfter)
      assert.strictEqual(yield* RateLimit.limit(now, { limiter, cost: 3 }), 0)
    }))

  it.effect("a peer that throttles is left alone for as long as it says, by those who wait already as well", () =>
    Effect.gen(function*() {
      const limiter = yield* RateLimit.make({ limit: 2, window: "1 second", maxWait: "8 seconds" })
      const gate = yield* Deferred.make<void>()
      const refused = Effect.zipRight(Deferred.await(gate), Effect.fail(busy(Option.some(7000))))
      const call = yield* Effect.fork(Effect.exit(RateLimit.limit(refused, { limiter })))
      const calls = yield* startAll(limiter, 4)
      yield* TestClock.adjust(500)
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(call)
      assert.strictEqual(yield* RateLimit.paused(limiter), 7000)
      assert.strictEqual(yield* RateLimit.paused(limiter, "other"), 0)
      yield* TestClock.adjust(6999)
      assert.strictEqual(yield* RateLimit.paused(limiter), 1)
      const done = yield* Effect.forEach(calls, (call) => Effect.map(Fiber.poll(call), Option.isSome))
      // The first was let through at once. The last would have had to wait for 8.5 s in all: it was sent away when that was known.
      assert.deepStrictEqual(done, [true, false, false, true])
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(yield* Fiber.join(Fiber.all(calls)), [0, 7500, 7500, "MaxWait"])
    }))

  it.effect("one that says nothing of how long pauses for 1 s, and one that says 25 days for no more than pauseAtMost", () =>
    Effect.gen(function*() {
      for (const [hint, pause] of [[Option.none(), 1000], [Option.some(2_147_483_647), 300_000], [Option.some(0), 0]] as const) {
        const limiter = yield* RateLimit.make({ limit: 100, window: "1 second" })
        yield* Effect.exit(RateLimit.limit(Effect.fail(busy(hint)), { limiter }))
        assert.strictEqual(yield* RateLimit.paused(limiter), pause)
      }
    }))

  it.effect("it never sends again by itself", () =>
    Effect.gen(function*() {
      const limiter = yield* RateLimit.make({ limit: 100, window: "1 second" })
      let sent = 0
      yield* Effect.exit(RateLimit.limit(Effect.suspend(() => Effect.fail((sent++, busy(Option.none())))), { limiter }))
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(sent, 1)
    }))

  it.effect("a refusal says what it is, to people and to a retry, which does not send again", () =>
    Effect.gen(function*() {
      const limiter = yield* RateLimit.make({ limit: 1, window: "1 minute", onLimit: "fail" })
      yield* RateLimit.limit(Effect.void, { limiter, key: "users" })
      const error = yield* RateLimit.limit(Effect.void, { limiter, key: "users" }).pipe(Retry.retry({}), Effect.flip)
      assert.strictEqual(error.message, `not sent: the rate limit of "users" says Limit, the next can be in 1m`)
      assert.deepStrictEqual(error[Failure.key], Failure.rejected("RateLimited", Option.some(60_000)))
    }))

  it.effect("asks the classifier it is given; where that dies, the call does", () =>
    Effect.gen(function*() {
      const limiter = yield* RateLimit.make({ limit: 100, window: "1 second" })
      const mine = Classifier.onError("mine", (error: string) =>
        error === "slow down" ? Option.some(Outcome.failed(Failure.throttled({ retryAfter: Option.some(5) }))) : Option.none())
      yield* Effect.exit(RateLimit.limit(Effect.fail("slow down"), { limiter, classifier: mine }))
      assert.strictEqual(yield* RateLimit.paused(limiter), 5)
      const dying = Classifier.make("dying", () => {
        throw new Error("bug")
      })
      const exit = yield* Effect.exit(RateLimit.limit(Effect.void, { limiter, key: "other", classifier: dying }))
      assert.isTrue(Exit.isFailure(exit))
    }))

  it.effect("tells who waits and for how long, who is refused and why, and what was learned", () =>
    Effect.gen(function*() {
      const limiter = yield* RateLimit.make({ name: "users", limit: 1, window: "1 second", queue: 1 })
      const events: Array<unknown> = []
      const log = Observer.sync((event: Event) => {
        const { at, call, ...rest } = event as Event & Record<string, unknown>
        events.push([call.name, at, rest])
      })
      const call = RateLimit.limit(Effect.fail(busy(Option.some(9000))), { limiter, key: "k" }).pipe(Effect.exit, Observer.observe(log))
      yield* Effect.fork(call)
      yield* Effect.yieldNow()
      yield* TestClock.adjust(300)
      yield* Effect.fork(call)
      yield* Effect.yieldNow()
      yield* call
      assert.deepStrictEqual(events, [
        ["users", 0, { _tag: "RateLimitPaused", key: "k", pause: 9000 }],
        ["users", 300, { _tag: "RateLimitDelayed", key: "k", delay: 8700 }],
        ["users", 300, { _tag: "RateLimited", key: "k", because: "QueueFull", retryAfter: Option.some(9700) }]
      ])
    }))

  it("refuses numbers it cannot work with, where it is made", () => {
    const window = "1 second" as const
    for (const limit of [0, -1, 1.5, NaN, Infinity]) assert.throws(() => RateLimit.make({ limit, window }), /RateLimit\.make: limit must be/)
    for (const window of [0, -1, NaN, Infinity, 2 ** 31]) assert.throws(() => RateLimit.make({ limit: 1, window }), /window must be/)
    assert.throws(() => RateLimit.make({ limit: 1, window, burst: 2 }), /burst must be left out/)
    assert.throws(() => RateLimit.make({ limit: 1, window, algorithm: "token-bucket", burst: 0 }), /burst must be/)
    assert.throws(() => RateLimit.make({ limit: 1, window, maxWait: 0 }), /maxWait must be/)
    assert.throws(() => RateLimit.make({ limit: 1, window, queue: 0 }), /queue must be/)
    assert.throws(() => RateLimit.make({ limit: 1, window, pauseAtMost: NaN }), /pauseAtMost must be/)
  })

  it.effect("a cost of nothing, or of a half, is a mistake", () =>
    Effect.gen(function*() {
      const limiter = yield* RateLimit.make({ limit: 1, window: "1 second" })
      for (const cost of [0, -1, 0.5, NaN]) assert.throws(() => RateLimit.limit(Effect.void, { limiter, cost }), /cost must be/)
    }))

  it.effect("a million keys do not grow it past its cap, and a key that is forgotten begins anew", () =>
    Effect.gen(function*() {
      const limiter = yield* RateLimit.make({ limit: 1, window: "1 minute", onLimit: "fail", keys: { capacity: 100 } })
      for (let i = 0; i < 1_000_000; i++) limiter.lines.get(`key ${i}`, 0)
      assert.strictEqual(limiter.lines.size(), 100)
    }))

  it.effect("a key that is paused is not forgotten for being idle as long as that matters", () =>
    Effect.gen(function*() {
      const limiter = yield* RateLimit.make({ limit: 1, window: "2 hours", onLimit: "fail", keys: { idle: "1 second" } })
      yield* RateLimit.limit(Effect.void, { limiter })
      yield* TestClock.adjust("119 minutes")
      assert.strictEqual((yield* Effect.flip(RateLimit.limit(Effect.void, { limiter }))).because, "Limit")
    }))
})
