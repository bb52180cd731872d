import { it } from "@effect/vitest"
import { Clock, Effect, Exit, Fiber, Option, TestClock } from "effect"
import { assert, describe } from "vitest"
import * as Backoff from "../../src/core/Backoff.ts"
import * as Classifier from "../../src/core/Classifier.ts"
import type { Event } from "../../src/core/Event.ts"
import * as Outcome from "../../src/core/Outcome.ts"
import * as CircuitBreaker from "../../src/strategy/CircuitBreaker.ts"
import * as Observer from "../../src/strategy/Observer.ts"
import * as Retry from "../../src/strategy/Retry.ts"
import * as RetryBudget from "../../src/strategy/RetryBudget.ts"
import * as RetrySchedule from "../../src/strategy/RetrySchedule.ts"
import * as Simulation from "../../src/testing/Simulation.ts"

const every = (delay: "1 millis" | "1 second") => ({
  classifier: Classifier.anyError,
  schedule: RetrySchedule.fromBackoff(Backoff.constant(delay)),
  maxAttempts: 3
})

const fails = Effect.suspend(() => Effect.fail(new Error("busy")))

/** Ten tokens, which come back ten seconds later; successes pay for nothing. */
const reserveOfTen = RetryBudget.make({ ratio: 0, floorPerSecond: 1, window: "10 seconds" })

describe("RetryBudget", () => {
  it.effect("pays for the reserve, then returns the original failure and says why", () =>
    Effect.gen(function*() {
      const budget = yield* reserveOfTen
      const events: Array<Event> = []
      let sent = 0
      const error = new Error("as it came")
      const call = Effect.suspend(() => {
        sent += 1
        return Effect.fail(error)
      }).pipe(Retry.retry({ ...every("1 millis"), budget }), Observer.observe(Observer.sync((event) => void events.push(event))))
      const fiber = yield* Effect.fork(Effect.forEach(Array.from({ length: 6 }), () => Effect.flip(call)))
      yield* TestClock.adjust("1 second")
      const errors = yield* Fiber.join(fiber)
      assert.isTrue(errors.every((each) => each === error))
      assert.strictEqual(sent, 6 + 10)
      assert.strictEqual(yield* budget.balance, 0)
      const reasons = events.flatMap((event) => event._tag === "CallEnded" && event.end._tag === "GaveUp" ? [event.end.because] : [])
      assert.deepStrictEqual(reasons, [...Array.from({ length: 5 }, () => "AttemptsExhausted"), "BudgetExhausted"])
      const last = events.at(-1)
      assert.isTrue(last?._tag === "CallEnded" && last.end._tag === "GaveUp" && Option.contains(last.end.wait, 1) && last.waited === 0)
    }))

  it.effect("is asked before the wait: a call that cannot pay fails at once", () =>
    Effect.gen(function*() {
      const exit = yield* Effect.exit(fails.pipe(Retry.retry({ ...every("1 second"), budget: RetryBudget.none })))
      assert.isTrue(Exit.isFailure(exit))
    }))

  it.effect("takes its tokens when the wait begins, and gets them back when it is interrupted", () =>
    Effect.gen(function*() {
      const budget = yield* reserveOfTen
      const fibers = yield* Effect.forEach(Array.from({ length: 7 }), () => Effect.fork(fails.pipe(Retry.retry({ ...every("1 second"), budget }))))
      yield* TestClock.adjust("999 millis")
      assert.strictEqual(yield* budget.balance, 3)
      yield* Fiber.interruptAll(fibers.slice(0, 4))
      assert.strictEqual(yield* budget.balance, 7)
      // The three that are left send, and what they have paid stays paid; each pays for one more.
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* budget.balance, 4)
      yield* Fiber.interruptAll(fibers)
      assert.strictEqual(yield* budget.balance, 7)
    }))

  it.effect("tokens come back when they were spent a window ago, not before", () =>
    Effect.gen(function*() {
      const budget = yield* reserveOfTen
      const call = Effect.exit(fails.pipe(Retry.retry({ ...every("1 millis"), schedule: RetrySchedule.fromBackoff(Backoff.constant(0)), budget })))
      yield* Effect.replicateEffect(call, 5)
      assert.strictEqual(yield* budget.balance, 0)
      yield* TestClock.adjust("9999 millis")
      assert.strictEqual(yield* budget.balance, 0)
      // Counted in tenths of a window: what was spent at the beginning of one is forgotten at the end of the eleventh.
      yield* TestClock.adjust("1001 millis")
      assert.strictEqual(yield* budget.balance, 10)
    }))

  it.effect("first attempts that succeed pay in; resends that succeed, and what is neither success nor failure, do not", () =>
    Effect.gen(function*() {
      const budget = yield* RetryBudget.make({ ratio: 0.5, floorPerSecond: 1, window: "10 seconds" })
      const options = { ...every("1 millis"), schedule: RetrySchedule.fromBackoff(Backoff.constant(0)), budget }
      yield* Retry.retry(Effect.succeed(1), options)
      assert.strictEqual(yield* budget.balance, 10.5)
      let runs = 0
      yield* Retry.retry(Effect.suspend(() => ++runs < 2 ? fails : Effect.succeed(1)), options)
      assert.strictEqual(yield* budget.balance, 9.5)
      yield* Effect.exit(Retry.retry(fails, { ...options, classifier: Classifier.make("ignores", () => Option.some(Outcome.ignored)) }))
      assert.strictEqual(yield* budget.balance, 9.5)
    }))

  it.effect("is paid in while somebody listens too", () =>
    Effect.gen(function*() {
      const budget = yield* RetryBudget.make({ ratio: 0.5, floorPerSecond: 0 })
      yield* Retry.retry(Effect.succeed(1), { ...every("1 millis"), budget }).pipe(Observer.observe(Observer.sync(() => {})))
      assert.strictEqual(yield* budget.balance, 0.5)
    }))

  it.effect("gRPC's throttle: no resend from the moment that half of the tokens are gone, and successes bring them back by and by", () =>
    Effect.gen(function*() {
      const budget = yield* RetryBudget.throttle({ maxTokens: 10, tokenRatio: 0.5 })
      const options = { ...every("1 millis"), schedule: RetrySchedule.fromBackoff(Backoff.constant(0)), budget }
      let sent = 0
      const call = Effect.exit(Retry.retry(Effect.suspend(() => { sent += 1; return fails }), options))
      yield* call
      assert.deepStrictEqual([sent, yield* budget.balance], [3, 7])
      yield* call
      assert.deepStrictEqual([sent, yield* budget.balance], [5, 5])
      yield* call
      assert.deepStrictEqual([sent, yield* budget.balance], [6, 4])
      yield* Effect.replicateEffect(Retry.retry(Effect.void, options), 5)
      assert.strictEqual(yield* budget.balance, 6.5)
      yield* call
      assert.deepStrictEqual([sent, yield* budget.balance], [8, 4.5])
    }))

  it.effect("a failure that could not pass takes none of gRPC's tokens", () =>
    Effect.gen(function*() {
      const budget = yield* RetryBudget.throttle({ maxTokens: 10, tokenRatio: 0.5 })
      yield* Effect.exit(Retry.retry(fails, { ...every("1 millis"), classifier: Classifier.errors, budget }))
      assert.strictEqual(yield* budget.balance, 10)
    }))

  it.effect("AWS's quota: a resend that succeeds gets its cost back", () =>
    Effect.gen(function*() {
      const budget = yield* RetryBudget.quota({ capacity: 30 })
      const options = { ...every("1 millis"), schedule: RetrySchedule.fromBackoff(Backoff.constant(0)), budget }
      let runs = 0
      yield* Retry.retry(Effect.suspend(() => ++runs < 3 ? fails : Effect.succeed(1)), options)
      // 14 for each of two resends; the second one succeeded.
      assert.strictEqual(yield* budget.balance, 16)
      yield* Effect.exit(Retry.retry(fails, options))
      assert.strictEqual(yield* budget.balance, 2)
      yield* Retry.retry(Effect.void, options)
      assert.strictEqual(yield* budget.balance, 3)
    }))

  it("interrupted at any step, a call keeps no token for a wait that was not spent", () => {
    // Its resend is paid in the wait, so that an interruption before the second attempt gives the token back.
    const { interrupted } = Simulation.sweep(Effect.gen(function*() {
      const budget = yield* reserveOfTen
      let sent = 0
      const call = Effect.suspend(() => {
        sent += 1
        return fails
      }).pipe(Retry.retry({ ...every("1 second"), budget, maxAttempts: 4 }))
      const check = () =>
        Effect.gen(function*() {
          const balance = yield* budget.balance
          // Waits that are over are paid; one that is not over is not, and no more can be left than what is sent again has cost.
          assert.isAtLeast(balance, 10 - Math.floor((yield* Clock.currentTimeMillis) / 1000))
          assert.isAtMost(balance, 10 - Math.max(sent - 1, 0))
        })
      return { calls: [call], check }
    }))
    assert.isAbove(interrupted, 30)
  })

  it("nonsense is refused where it is made, by name and number", () => {
    const table: ReadonlyArray<readonly [() => unknown, string]> = [
      [() => RetryBudget.make({ ratio: NaN }), "RetryBudget.make: ratio must be a finite number >= 0, got NaN"],
      [() => RetryBudget.make({ ratio: -0.1 }), "RetryBudget.make: ratio must be a finite number >= 0, got -0.1"],
      [() => RetryBudget.make({ floorPerSecond: Infinity }), "RetryBudget.make: floorPerSecond must be a finite number >= 0, got Infinity"],
      [() => RetryBudget.make({ window: 0 }), "window must be"],
      [() => RetryBudget.throttle({ maxTokens: 1001, tokenRatio: 1 }), "maxTokens must be an integer >= 1 and <= 1000, got 1001"],
      [() => RetryBudget.throttle({ maxTokens: 10, tokenRatio: 0.0009 }), "tokenRatio must be"],
      [() => RetryBudget.quota({ capacity: 0 }), "capacity must be an integer >= 1, got 0"],
      [() => RetryBudget.quota({ costs: { Throttled: -1, otherwise: 1 } }), "costs.Throttled must be a finite number >= 0, got -1"]
    ]
    for (const [make, message] of table) assert.throws(make, message)
  })
})

type Protect = Effect.Effect<(attempt: Effect.Effect<void, Error>) => Effect.Effect<void, unknown>>

/** Attempts per call when a peer is down for 60 s, after 30 s in which it was not, and 100 calls come each second. */
const loadInOutage = (protect: Protect): number =>
  Simulation.runSync(Effect.gen(function*() {
    let sent = 0
    let down = false
    const peer = Effect.suspend(() => {
      sent += 1
      return Effect.delay(down ? Effect.fail(new Error("down")) : Effect.void, "50 millis")
    })
    const client = (yield* protect)(peer)
    yield* Simulation.load(client, { perSecond: 100, seconds: 30 })
    down = true
    sent = 0
    const calls = yield* Simulation.load(client, { perSecond: 100, seconds: 60 })
    assert.isTrue(calls.every(Exit.isFailure))
    return sent / calls.length
  }))

describe("the load of a total outage of 60 s, 100 calls a second, 3 attempts allowed", () => {
  const three = { classifier: Classifier.anyError, schedule: RetrySchedule.standard, maxAttempts: 3 }

  it("without protection is 3", () => {
    assert.strictEqual(loadInOutage(Effect.succeed(Retry.retry(three))), 3)
  })

  it("with the default budget is at most 1.15", () => {
    const load = loadInOutage(Effect.map(RetryBudget.make(), (budget) => Retry.retry({ ...three, budget })))
    assert.isAbove(load, 1)
    assert.isAtMost(load, 1.15)
  })

  it("with the default budget and breaker is a quarter: most calls are not sent", () => {
    const load = loadInOutage(Effect.gen(function*() {
      const budget = yield* RetryBudget.make()
      const breaker = yield* CircuitBreaker.make()
      const protect = CircuitBreaker.protect({ breaker, classifier: Classifier.anyError })
      return (attempt: Effect.Effect<void, Error>) => attempt.pipe(protect, Retry.retry({ ...three, budget }))
    }))
    assert.isAbove(load, 0)
    assert.isAtMost(load, 0.35)
  })

  it("with gRPC's throttle and with AWS's quota is below 1.15 too", () => {
    for (const make of [RetryBudget.throttle({ maxTokens: 10, tokenRatio: 0.1 }), RetryBudget.quota()]) {
      assert.isAtMost(loadInOutage(Effect.map(make, (budget) => Retry.retry({ ...three, budget }))), 1.15)
    }
  })
})
