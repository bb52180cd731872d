import { it } from "@effect/vitest"
import { Clock, Deferred, Effect, Exit, Fiber, Option, TestClock } from "effect"
import { assert, describe } from "vitest"
import * as Classifier from "../../src/core/Classifier.ts"
import type { Event } from "../../src/core/Event.ts"
import * as Failure from "../../src/core/Failure.ts"
import * as Outcome from "../../src/core/Outcome.ts"
import * as Throttle from "../../src/core/Throttle.ts"
import * as AdaptiveThrottle from "../../src/strategy/AdaptiveThrottle.ts"
import * as Observer from "../../src/strategy/Observer.ts"
import * as Retry from "../../src/strategy/Retry.ts"

const busy = { [Failure.key]: Failure.throttled({ status: 429 }) }
const always = <A, E, R>(effect: Effect.Effect<A, E, R>, draw: number) => Effect.withRandomFixed(effect, [draw])

/** A throttle that has seen ten calls rejected: the odds are 10/11. */
const loaded = (options: AdaptiveThrottle.Options = {}) =>
  Effect.tap(AdaptiveThrottle.make(options), (throttle) =>
    Effect.replicateEffect(Effect.exit(AdaptiveThrottle.shed(Effect.fail(busy), { throttle })), 10))

describe("AdaptiveThrottle", () => {
  it.effect("returns what the effect gives, whatever it is", () =>
    Effect.gen(function*() {
      const throttle = yield* AdaptiveThrottle.make()
      for (const exit of [Exit.succeed(1), Exit.fail("no"), Exit.die("bug")]) {
        const effect: Effect.Effect<number, string> = exit
        assert.deepStrictEqual<unknown>(yield* Effect.exit(AdaptiveThrottle.shed(effect, { throttle })), exit)
      }
    }))

  it.effect("a draw below the probability is rejected, and one that is equal is sent", () =>
    Effect.gen(function*() {
      for (const [draw, rejected] of [[0.9 - 1e-9, true], [0.9, false]] as const) {
        const throttle = yield* loaded()
        assert.deepStrictEqual(yield* AdaptiveThrottle.odds(throttle), { probability: 0.9, requests: 10, accepts: 0 })
        let begun = false
        const exit = yield* Effect.exit(always(AdaptiveThrottle.shed(Effect.sync(() => void (begun = true)), { throttle }), draw))
        assert.deepStrictEqual([Exit.isFailure(exit), begun], [rejected, !rejected])
        assert.strictEqual((yield* AdaptiveThrottle.odds(throttle)).requests, 11)
      }
    }))

  it.effect("a call counts when it is sent and not when it ends", () =>
    Effect.gen(function*() {
      const throttle = yield* AdaptiveThrottle.make()
      const gate = yield* Deferred.make<void>()
      const call = AdaptiveThrottle.shed(Deferred.await(gate), { throttle })
      const calls = yield* Effect.replicateEffect(Effect.fork(call), 9)
      yield* Effect.yieldNow()
      assert.deepStrictEqual(yield* AdaptiveThrottle.odds(throttle), { probability: 0, requests: 9, accepts: 0 })
      const tenth = yield* Effect.fork(call)
      yield* Effect.yieldNow()
      assert.strictEqual((yield* AdaptiveThrottle.odds(throttle)).probability, 0.9)
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(Fiber.all(calls))
      yield* Fiber.join(tenth)
      assert.deepStrictEqual(yield* AdaptiveThrottle.odds(throttle), { probability: 0, requests: 10, accepts: 10 })
    }))

  it.effect("nothing is rejected while there are nine, and with ten there is", () =>
    Effect.gen(function*() {
      const throttle = yield* AdaptiveThrottle.make()
      const call = Effect.either(always(AdaptiveThrottle.shed(Effect.fail(busy), { throttle }), 0))
      const tags = yield* Effect.replicateEffect(Effect.map(call, (either) => either._tag === "Left" && "_tag" in either.left), 12)
      assert.deepStrictEqual(tags, [...Array(10).fill(false), true, true])
    }))

  it.effect("when nothing was sent for 1 s the next call is, whatever the draw; after 999 ms it is not", () =>
    Effect.gen(function*() {
      const throttle = yield* loaded()
      const call = Effect.exit(always(AdaptiveThrottle.shed(Clock.currentTimeMillis, { throttle }), 0))
      yield* TestClock.adjust(999)
      assert.isTrue(Exit.isFailure(yield* call))
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(yield* call, Exit.succeed(1000))
      assert.isTrue(Exit.isFailure(yield* call))
    }))

  it.effect("what happened 2 minutes ago does not count", () =>
    Effect.gen(function*() {
      const throttle = yield* loaded()
      yield* TestClock.adjust("107 seconds")
      assert.strictEqual((yield* AdaptiveThrottle.odds(throttle)).requests, 10)
      yield* TestClock.adjust("13 seconds")
      assert.strictEqual((yield* AdaptiveThrottle.odds(throttle)).requests, 0)
    }))

  it.effect("each key has its own odds", () =>
    Effect.gen(function*() {
      const throttle = yield* loaded()
      assert.strictEqual((yield* AdaptiveThrottle.odds(throttle, "other")).requests, 0)
      yield* always(AdaptiveThrottle.shed(Effect.void, { throttle, key: "other" }), 0)
    }))

  it.effect("a call that is interrupted, or rejected by a guard inside, counts for nothing", () =>
    Effect.gen(function*() {
      const throttle = yield* AdaptiveThrottle.make()
      const fiber = yield* Effect.fork(AdaptiveThrottle.shed(Effect.never, { throttle }))
      yield* Effect.yieldNow()
      yield* Fiber.interrupt(fiber)
      yield* Effect.exit(AdaptiveThrottle.shed(Effect.fail({ [Failure.key]: Failure.rejected("CircuitOpen") }), { throttle }))
      yield* Effect.exit(AdaptiveThrottle.shed(Effect.die("bug"), { throttle }))
      assert.deepStrictEqual(yield* AdaptiveThrottle.odds(throttle), { probability: 0, requests: 0, accepts: 0 })
    }))

  it("knows what a peer accepts: an answer, were it an error, and what is not one", () => {
    const judged = (failure: Failure.Failure) => Throttle.judge(Outcome.failed(failure))
    assert.strictEqual(Throttle.judge(Outcome.success), "accepted")
    assert.strictEqual(Throttle.judge(Outcome.ignored), "unknown")
    const accepted = [Failure.refused(404), Failure.serverFault(500), Failure.malformed("response", "Decode"), Failure.rpcFailure("NOT_FOUND")]
    const rejected = [
      Failure.throttled(), Failure.unavailable({ status: 503 }), Failure.connectFailure("tcp", "ECONNREFUSED"), Failure.connectionLost("ECONNRESET"),
      Failure.attemptTimedOut(), Failure.rpcFailure("UNAVAILABLE"), Failure.rpcFailure("RESOURCE_EXHAUSTED")
    ]
    const unknown = [Failure.rejected("CircuitOpen"), Failure.malformed("url", "InvalidUrl"), Failure.untrusted("CERT"), Failure.unknown("no")]
    assert.deepStrictEqual([accepted, rejected, unknown].map((each) => [...new Set(each.map(judged))]), [["accepted"], ["rejected"], ["unknown"]])
  })

  it.effect("a refusal says what it is: to people, to a retry, and to who listens", () =>
    Effect.gen(function*() {
      const throttle = yield* loaded({ name: "users" })
      const events: Array<unknown> = []
      const log = Observer.sync((event: Event) => {
        if (event._tag === "LoadShed") events.push([event.call.name, event.key, event.probability, event.requests, event.accepts])
      })
      const error = yield* always(AdaptiveThrottle.shed(Effect.void, { throttle }), 0).pipe(Retry.retry({}), Observer.observe(log), Effect.flip)
      assert.strictEqual(error.message, `not sent: "default" accepts too little, and 90.0 % is not sent`)
      assert.deepStrictEqual(error[Failure.key], Failure.rejected("LoadShed", Option.none()))
      assert.deepStrictEqual(events, [["users", "default", 0.9, 10, 0]])
    }))

  it.effect("a classifier that dies is the call's defect, and counts for nothing", () =>
    Effect.gen(function*() {
      const throttle = yield* AdaptiveThrottle.make()
      const dying = Classifier.make("dying", () => {
        throw new Error("bug")
      })
      assert.isTrue(Exit.isFailure(yield* Effect.exit(AdaptiveThrottle.shed(Effect.void, { throttle, classifier: dying }))))
      assert.strictEqual((yield* AdaptiveThrottle.odds(throttle)).requests, 0)
    }))

  it("refuses numbers it cannot work with, where it is made", () => {
    for (const k of [0, 0.99, NaN, Infinity, -1]) assert.throws(() => AdaptiveThrottle.make({ k }), /AdaptiveThrottle\.make: k must be/)
    for (const window of [0, NaN, Infinity]) assert.throws(() => AdaptiveThrottle.make({ window }), /window must be/)
    for (const minimumRequests of [-1, 0.5, NaN]) assert.throws(() => AdaptiveThrottle.make({ minimumRequests }), /minimumRequests must be/)
    for (const rejectAtMost of [0, 1.1, NaN]) assert.throws(() => AdaptiveThrottle.make({ rejectAtMost }), /rejectAtMost must be/)
    for (const sendEvery of [0, NaN]) assert.throws(() => AdaptiveThrottle.make({ sendEvery }), /sendEvery must be/)
  })

  it.effect("an outage: all is sent until there are k times as many as were accepted, then less and less, and afterwards it comes back", () =>
    Effect.gen(function*() {
      const throttle = yield* AdaptiveThrottle.make({ window: "20 seconds" })
      let [down, sent] = [false, 0]
      const call = Effect.suspend(() => (sent++, down ? Effect.fail(busy) : Effect.void)).pipe(AdaptiveThrottle.shed({ throttle }), Effect.exit)
      const seconds = (n: number) =>
        Effect.gen(function*() {
          sent = 0
          for (let i = 0; i < n; i++) {
            yield* Effect.replicateEffect(call, 100)
            yield* TestClock.adjust("1 second")
          }
          return sent
        })
      assert.strictEqual(yield* seconds(5), 500)
      down = true
      // 500, and then of each of the 500 after them 1000 / requests: 1000 ln 1.5.
      assert.closeTo(yield* seconds(10), 905, 100)
      yield* seconds(20)
      // A tenth.
      assert.closeTo(yield* seconds(10), 100, 60)
      down = false
      yield* seconds(60)
      assert.strictEqual(yield* seconds(5), 500)
    }))
})
