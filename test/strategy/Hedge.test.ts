import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberRef from "effect/FiberRef"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as TestClock from "effect/TestClock"
import * as Classifier from "../../src/core/Classifier.ts"
import * as Failure from "../../src/core/Failure.ts"
import * as Outcome from "../../src/core/Outcome.ts"
import * as CurrentAttempt from "../../src/strategy/CurrentAttempt.ts"
import * as Deadline from "../../src/strategy/Deadline.ts"
import * as Hedge from "../../src/strategy/Hedge.ts"
import * as Observer from "../../src/strategy/Observer.ts"
import * as Retry from "../../src/strategy/Retry.ts"
import * as RetryBudget from "../../src/strategy/RetryBudget.ts"
import * as Recorder from "../../src/testing/Recorder.ts"
import * as Option from "effect/Option"

type Step = { readonly after: number | "never"; readonly gives: Exit.Exit<string, unknown> }

const good = (after: number, value = `after ${after}`): Step => ({ after, gives: Exit.succeed(value) })
const bad = (after: number, failure: Failure.Failure): Step => ({ after, gives: Exit.fail({ [Failure.key]: failure }) })
const busy = Failure.unavailable({ status: 503 })
const never: Step = { after: "never", gives: Exit.void as Exit.Exit<never> }

/** An effect that does something else each time, and what became of each run. */
const scripted = (steps: ReadonlyArray<Step>) => {
  const states: Array<string> = []
  const effect = Effect.suspend(() => {
    const { after, gives } = steps[states.length] ?? never
    const index = states.push("running") - 1
    const run = after === "never" ? Effect.never : after === 0 ? gives : Effect.zipRight(Effect.sleep(after), gives)
    return Effect.onExit(run, (exit) => Effect.sync(() => void (states[index] = Exit.isInterrupted(exit) ? "interrupted" : "ended")))
  })
  return { effect, states }
}

/** Runs a call for so long; tells its exit, its timeline, and what became of each attempt. */
const story = (steps: ReadonlyArray<Step>, options: Hedge.Options<unknown, unknown>, time = 10_000) =>
  Effect.gen(function*() {
    const recorder = yield* Recorder.make
    const { effect, states } = scripted(steps)
    const fiber = yield* Effect.fork(Effect.exit(effect.pipe(Hedge.hedge(options), Observer.observe(recorder.listener))))
    yield* TestClock.adjust(time)
    const exit = yield* Fiber.join(fiber)
    return { exit, lines: Recorder.timeline(yield* recorder.events), states, events: yield* recorder.events }
  })

describe("a hedge", () => {
  it.effect("is not begun where the first attempt is in time: 99 of 100 ms", () =>
    Effect.gen(function*() {
      const { exit, lines, states } = yield* story([good(99)], { delay: 100 })
      deepStrictEqual(exit, Exit.succeed("after 99"))
      assert.deepStrictEqual(lines, ["0 attempt 1", "99 succeeded"])
      assert.deepStrictEqual(states, ["ended"])
    }))

  it.effect("is begun when the delay has passed, and wins: the first is interrupted", () =>
    Effect.gen(function*() {
      const { events, exit, lines, states } = yield* story([never, good(50, "second")], { delay: 100 })
      deepStrictEqual(exit, Exit.succeed("second"))
      assert.deepStrictEqual(lines, ["0 attempt 1", "100 hedge 2 Delay", "100 attempt 2", "150 won 2 -1", "150 succeeded"])
      assert.deepStrictEqual(states, ["interrupted", "ended"])
      const hedged = events.find((event) => event._tag === "HedgeStarted")
      assert.strictEqual(hedged?.after, 100)
    }))

  it.effect("may lose: the first attempt wins where it is the faster after all", () =>
    Effect.gen(function*() {
      const { exit, lines, states } = yield* story([good(120), good(50)], { delay: 100 })
      deepStrictEqual(exit, Exit.succeed("after 120"))
      assert.deepStrictEqual(lines, ["0 attempt 1", "100 hedge 2 Delay", "100 attempt 2", "120 won 1 -2", "120 succeeded"])
      assert.deepStrictEqual(states, ["ended", "interrupted"])
    }))

  it.effect("is begun for each attempt, the delay counted from the one before, and no oftener than allowed", () =>
    Effect.gen(function*() {
      const recorder = yield* Recorder.make
      const { effect, states } = scripted([never, never, never, never])
      const fiber = yield* Effect.fork(effect.pipe(Hedge.hedge({ delay: 100, maxAttempts: 3 }), Observer.observe(recorder.listener)))
      yield* TestClock.adjust(1000)
      assert.deepStrictEqual(Recorder.timeline(yield* recorder.events), [
        "0 attempt 1", "100 hedge 2 Delay", "100 attempt 2", "200 hedge 3 Delay", "200 attempt 3"
      ])
      assert.deepStrictEqual(states, ["running", "running", "running"])
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(states, ["interrupted", "interrupted", "interrupted"])
    }))

  it.effect("begins all at once where the delay is 0, unless the first has answered by then", () =>
    Effect.gen(function*() {
      const { lines } = yield* story([good(10), good(5), good(20)], { delay: 0, maxAttempts: 3 })
      assert.deepStrictEqual(lines, [
        "0 attempt 1", "0 hedge 2 Delay", "0 attempt 2", "0 hedge 3 Delay", "0 attempt 3", "5 won 2 -1 -3", "5 succeeded"
      ])
      assert.deepStrictEqual((yield* story([good(0)], { delay: 0 })).lines, ["0 attempt 1", "0 succeeded"])
    }))

  it.effect("of infinite delay begins another attempt only after a failure", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual((yield* story([good(9000)], { delay: Infinity })).lines, ["0 attempt 1", "9000 succeeded"])
      assert.deepStrictEqual((yield* story([bad(40, busy), good(10)], { delay: Infinity })).lines, [
        "0 attempt 1", "40 failed 503", "40 hedge 2 Failure", "40 attempt 2", "50 won 2", "50 succeeded"
      ])
    }))
})

describe("a failure", () => {
  it.effect("that can pass begins the next attempt at once, and does not win", () =>
    Effect.gen(function*() {
      const { exit, lines } = yield* story([bad(10, busy), good(30)], { delay: 100 })
      deepStrictEqual(exit, Exit.succeed("after 30"))
      assert.deepStrictEqual(lines, ["0 attempt 1", "10 failed 503", "10 hedge 2 Failure", "10 attempt 2", "40 won 2", "40 succeeded"])
    }))

  it.effect("of the hedge leaves the first attempt going, where no other is left", () =>
    Effect.gen(function*() {
      const { exit, lines } = yield* story([good(300), bad(10, busy)], { delay: 100 })
      deepStrictEqual(exit, Exit.succeed("after 300"))
      assert.deepStrictEqual(lines, [
        "0 attempt 1", "100 hedge 2 Delay", "100 attempt 2", "110 failed 503", "300 won 1", "300 succeeded"
      ])
    }))

  it.effect("that nothing can change ends the call, and interrupts the others", () =>
    Effect.gen(function*() {
      const { exit, lines, states } = yield* story([never, bad(10, Failure.refused(404))], { delay: 100, maxAttempts: 3 })
      assert.isTrue(Exit.isFailure(exit))
      assert.deepStrictEqual(lines, [
        "0 attempt 1", "100 hedge 2 Delay", "100 attempt 2", "110 failed 404", "110 won 2 -1", "110 gave up Terminal"
      ])
      assert.deepStrictEqual(states, ["interrupted", "ended"])
    }))

  const orders: ReadonlyArray<readonly [string, number, number, string]> = [
    ["first then second", 150, 100, "second"],
    ["second then first", 300, 50, "first"]
  ]
  for (const [order, first, second, last] of orders) {
    it.effect(`of all attempts: the one that came last is what the call gives (${order})`, () =>
      Effect.gen(function*() {
        const fails = (after: number, name: string): Step => ({ after, gives: Exit.fail({ name, [Failure.key]: busy }) })
        const { exit } = yield* story([fails(first, "first"), fails(second, "second")], { delay: 100 })
        assert.isTrue(Exit.isFailure(exit))
        const error = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
        assert.strictEqual((error as { readonly name: string }).name, last)
      }))
  }

  const pushbacks: ReadonlyArray<readonly [string, Failure.Failure]> = [
    ["a 429", Failure.throttled({ status: 429 })],
    ["a 503 with Retry-After", Failure.throttled({ status: 503, retryAfter: Option.some(1000) })],
    ["a 500 with Retry-After", Failure.serverFault(500, Option.some(1000))]
  ]
  for (const [what, failure] of pushbacks) {
    it.effect(`that asks for fewer requests begins no other (${what}); what is on its way may still win`, () =>
      Effect.gen(function*() {
        const alone = yield* story([bad(10, failure), good(0)], { delay: 100, maxAttempts: 3 })
        assert.deepStrictEqual(alone.lines.slice(2), ["10 gave up PushedBack"])
        const beside = yield* story([bad(110, failure), good(500), good(0)], { delay: 100, maxAttempts: 3 })
        deepStrictEqual(beside.exit, Exit.succeed("after 500"))
        assert.deepStrictEqual(beside.lines.slice(4), ["600 won 2", "600 succeeded"])
        assert.lengthOf(beside.states, 2)
      }))
  }

  it.effect("of our own making (an open breaker) ends no attempt that is on its way", () =>
    Effect.gen(function*() {
      const { exit, lines } = yield* story([good(300), bad(0, Failure.rejected("CircuitOpen"))], { delay: 100, maxAttempts: 3 })
      deepStrictEqual(exit, Exit.succeed("after 300"))
      assert.deepStrictEqual(lines.slice(3), ["100 failed CircuitOpen", "300 won 1", "300 succeeded"])
    }))

  it.effect("of the kind `once` is resent once: a second one ends the call", () =>
    Effect.gen(function*() {
      const early = Failure.unavailable({ status: 425 })
      const { lines } = yield* story([bad(5, early), bad(5, early), good(0)], { delay: Infinity, maxAttempts: 5 })
      assert.deepStrictEqual(lines.at(-1), "10 gave up Terminal")
    }))
})

describe("what is passed through", () => {
  it.effect("a defect ends the call as it is", () =>
    Effect.gen(function*() {
      const bug = new Error("bug")
      const { exit, states } = yield* story([never, { after: 5, gives: Exit.die(bug) }], { delay: 100 })
      deepStrictEqual(exit, Exit.die(bug))
      assert.deepStrictEqual(states, ["interrupted", "ended"])
    }))

  it.effect("an interruption from inside ends the call", () =>
    Effect.gen(function*() {
      const { exit } = yield* story([{ after: 5, gives: Exit.interrupt((yield* Effect.fiberId)) }, good(0)], { delay: 100 })
      assert.isTrue(Exit.isFailure(exit) && Cause.isInterruptedOnly(exit.cause))
    }))

  it.effect("a classifier that dies takes the call with it, and all its attempts", () =>
    Effect.gen(function*() {
      const classifier = Classifier.make("broken", () => {
        throw new Error("classifier")
      })
      const { exit, states } = yield* story([never, good(5)], { delay: 100, classifier })
      assert.isTrue(Exit.isFailure(exit) && Cause.isDie(exit.cause))
      assert.deepStrictEqual(states, ["interrupted", "ended"])
    }))

  it.effect("a value that a classifier calls a failure does not win", () =>
    Effect.gen(function*() {
      const classifier = Classifier.make<unknown, unknown>("empty", (exit) =>
        Exit.isSuccess(exit) && exit.value === "" ? Option.some(Outcome.failed(busy)) : Option.none())
      const { exit } = yield* story([good(10, ""), good(10, "full")], { delay: 100, classifier })
      deepStrictEqual(exit, Exit.succeed("full"))
    }))

  it.scoped("what the winner changed in the fiber's references, and nothing of the losers", () =>
    Effect.gen(function*() {
      const ref = yield* FiberRef.make("before")
      let runs = 0
      const fiber = yield* Effect.fork(
        Effect.suspend(() => {
          const run = ++runs
          return Effect.zipRight(FiberRef.set(ref, `run ${run}`), run === 1 ? Effect.never : Effect.sleep(10))
        }).pipe(Hedge.hedge({ delay: 100 }), Effect.zipRight(FiberRef.get(ref)))
      )
      yield* TestClock.adjust(200)
      assert.strictEqual(yield* Fiber.join(fiber), "run 2")
    }))
})

describe("the losers", () => {
  it.effect("do not hold the winner up, however long they take to go", () =>
    Effect.gen(function*() {
      let runs = 0
      let gone = false
      const slowToGo = Effect.onInterrupt(Effect.never, () => Effect.zipRight(Effect.sleep("1 hour"), Effect.sync(() => gone = true)))
      const effect = Effect.suspend((): Effect.Effect<string> => ++runs === 1 ? slowToGo : Effect.succeed("won"))
      const fiber = yield* Effect.fork(effect.pipe(Hedge.hedge({ delay: 100 })))
      yield* TestClock.adjust(100)
      assert.deepStrictEqual(fiber.unsafePoll(), Exit.succeed("won"))
      assert.isFalse(gone)
      yield* TestClock.adjust("1 hour")
      assert.isTrue(gone)
    }))

  it.effect("that die while they go change nothing, and are logged at debug level", () =>
    Effect.gen(function*() {
      const logged: Array<string> = []
      const logger = Logger.make(({ logLevel, message }) => void logged.push(`${logLevel.label} ${String(message)}`))
      let runs = 0
      const dying = Effect.onInterrupt(Effect.never, () => Effect.die("in a finalizer"))
      const effect = Effect.suspend((): Effect.Effect<string> => ++runs === 1 ? dying : Effect.succeed("won"))
      const fiber = yield* effect.pipe(
        Hedge.hedge({ delay: 100 }),
        Effect.provide(Logger.replace(Logger.defaultLogger, logger)),
        Logger.withMinimumLogLevel(LogLevel.Debug),
        Effect.fork
      )
      yield* TestClock.adjust(100)
      assert.strictEqual(yield* Fiber.join(fiber), "won")
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(logged, ["DEBUG Fiber terminated with an unhandled error"])
    }))

  it.effect("are waited for by whoever interrupts the call", () =>
    Effect.gen(function*() {
      const go = yield* Deferred.make<void>()
      const gone: Array<number> = []
      let runs = 0
      const effect = Effect.suspend(() => {
        const run = ++runs
        return Effect.onInterrupt(Effect.never, () => Effect.zipRight(Deferred.await(go), Effect.sync(() => gone.push(run))))
      })
      const fiber = yield* Effect.fork(effect.pipe(Hedge.hedge({ delay: 100, maxAttempts: 3 })))
      yield* TestClock.adjust(500)
      const interrupting = yield* Effect.fork(Fiber.interrupt(fiber))
      yield* TestClock.adjust(1)
      assert.isNull(interrupting.unsafePoll())
      yield* Deferred.succeed(go, undefined)
      yield* Fiber.join(interrupting)
      assert.deepStrictEqual(gone.sort(), [1, 2, 3])
    }))
})

describe("the deadline", () => {
  it.effect("has no hedge begun at it, and one begun before", () =>
    Effect.gen(function*() {
      for (const [limit, attempts] of [[100, 1], [101, 2]] as const) {
        const { effect, states } = scripted([never, never])
        const fiber = yield* Effect.fork(Effect.exit(effect.pipe(Hedge.hedge({ delay: 100 }), Deadline.within(limit))))
        yield* TestClock.adjust(1000)
        yield* Fiber.join(fiber)
        assert.deepStrictEqual(states, Array.from({ length: attempts }, () => "interrupted"))
      }
    }))
})

describe("the budget", () => {
  it.effect("pays for no hedge from its reserve, and tells of it; a success pays for one", () =>
    Effect.gen(function*() {
      const budget = yield* RetryBudget.make({ ratio: 1, floorPerSecond: 1, window: "1 hour" })
      const poor = yield* story([good(150), good(0)], { delay: 100, budget })
      assert.deepStrictEqual(poor.lines, ["0 attempt 1", "100 no hedge 2 BudgetExhausted", "150 succeeded"])
      // That success has paid for it.
      const rich = yield* story([never, good(5)], { delay: 100, budget }, 1000)
      assert.deepStrictEqual(rich.lines.slice(1, 3), ["100 hedge 2 Delay", "100 attempt 2"])
    }))

  it.effect("pays from its reserve for an attempt that takes the place of a failed one, and not where others go on", () =>
    Effect.gen(function*() {
      const reserve = yield* RetryBudget.make({ ratio: 0, floorPerSecond: 1 })
      const alone = yield* story([bad(5, busy), good(5)], { delay: 100, budget: reserve })
      deepStrictEqual(alone.exit, Exit.succeed("after 5"))
      const none = yield* story([bad(5, busy), good(5)], { delay: 100, budget: RetryBudget.none })
      assert.deepStrictEqual(none.lines.at(-1), "5 gave up BudgetExhausted")
    }))

  it.effect("is not asked again in a call that it did not pay for, whose delay is 0 or whose first attempt fails beside others", () =>
    Effect.gen(function*() {
      const at0 = yield* story([good(50), good(0)], { delay: 0, maxAttempts: 5, budget: RetryBudget.none })
      assert.deepStrictEqual(at0.lines, ["0 attempt 1", "0 no hedge 2 BudgetExhausted", "50 succeeded"])
      const budget = yield* RetryBudget.make({ ratio: 1, floorPerSecond: 1, window: "1 hour" })
      yield* story([good(0)], { delay: 100, budget }, 0)
      const beside = yield* story([good(500), bad(10, busy), good(0)], { delay: 100, maxAttempts: 3, budget }, 1000)
      assert.deepStrictEqual(beside.lines.slice(3), ["110 failed 503", "500 won 1", "500 succeeded"])
    }))

  it.effect("has back what was paid for an attempt that a listener kept from beginning, or that a breaker turned away", () =>
    Effect.gen(function*() {
      const budget = yield* RetryBudget.make({ ratio: 0.5, floorPerSecond: 0, window: "1 hour" })
      for (let i = 0; i < 4; i++) yield* story([good(0)], { delay: 100, budget }, 0)
      assert.strictEqual(yield* budget.balance, 2)
      const { effect } = scripted([never, never])
      const stuck = Observer.make((event) => event._tag === "HedgeStarted" ? Effect.never : Effect.void)
      const fiber = yield* Effect.fork(effect.pipe(Hedge.hedge({ delay: 100, budget }), Observer.observe(stuck)))
      yield* TestClock.adjust(100)
      assert.strictEqual(yield* budget.balance, 1)
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(yield* budget.balance, 2)
      yield* story([good(200), bad(0, Failure.rejected("CircuitOpen"))], { delay: 100, budget }, 200)
      assert.strictEqual(yield* budget.balance, 2.5)
    }))
})

describe("a moving quantile", () => {
  it.effect("is the delay when enough has been seen, and the fallback before", () =>
    Effect.gen(function*() {
      const delay = yield* Hedge.movingQuantile({ quantile: 0.9, fallback: 1000, minimumSamples: 10, window: "1 hour" })
      for (let i = 0; i < 10; i++) {
        assert.notInclude((yield* story([good(100)], { delay }, 100)).lines.join(), "hedge")
      }
      const { events, lines } = yield* story([never, good(0)], { delay })
      assert.include(lines[1], "hedge 2 Quantile")
      const hedged = events.find((event) => event._tag === "HedgeStarted")
      assert.isTrue(hedged !== undefined && hedged.after >= 97 && hedged.after <= 103, String(hedged?.after))
    }))

  it.effect("counts a loser for as long as it was waited for, and no fast failure", () =>
    Effect.gen(function*() {
      const delay = yield* Hedge.movingQuantile({ quantile: 0.5, fallback: 100, minimumSamples: 2, window: "1 hour" })
      yield* story([bad(1, busy), bad(1, busy)], { delay })
      deepStrictEqual(delay.known("default", 0), Option.none())
      yield* story([never, good(300)], { delay })
      // 400 ms of the first, 300 ms of the second.
      const known = Option.getOrThrow(delay.known("default", 0))
      assert.isTrue(known >= 291 && known <= 309, String(known))
    }))
})

describe("inside and around", () => {
  it.effect("each attempt knows its number, and that it has siblings", () =>
    Effect.gen(function*() {
      const seen: Array<number> = []
      const effect = Effect.flatMap(CurrentAttempt.CurrentAttempt, ({ number }) => {
        seen.push(number)
        return number < 3 ? Effect.never : Effect.void
      })
      const fiber = yield* Effect.fork(effect.pipe(Hedge.hedge({ delay: 10, maxAttempts: 3 })))
      yield* TestClock.adjust(100)
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(seen, [1, 2, 3])
    }))

  it.effect("what a hedge has given up is not retried around it; what a retry has given up is not hedged around it", () =>
    Effect.gen(function*() {
      const run = (wrap: (effect: Effect.Effect<string, unknown>) => Effect.Effect<string, unknown>) =>
        Effect.gen(function*() {
          const { effect, states } = scripted(Array.from({ length: 9 }, () => bad(0, busy)))
          const fiber = yield* Effect.fork(Effect.exit(wrap(effect)))
          yield* TestClock.adjust("1 hour")
          yield* Fiber.join(fiber)
          return states.length
        })
      assert.strictEqual(yield* run((effect) => effect.pipe(Hedge.hedge({ delay: 10 }), Retry.retry({}))), 2)
      assert.strictEqual(yield* run((effect) => effect.pipe(Retry.retry({}), Hedge.hedge({ delay: Infinity }))), 3)
    }))
})

describe("options", () => {
  it("that make no sense are thrown where they are given", () => {
    for (const maxAttempts of [0, 6, 1.5, NaN]) assert.throws(() => Hedge.hedge(Effect.void, { delay: 1, maxAttempts }), /Hedge: maxAttempts/)
    for (const delay of [-1, NaN]) assert.throws(() => Hedge.hedge(Effect.void, { delay }), /Hedge: delay/)
    for (const quantile of [0, 1.1, NaN]) assert.throws(() => Hedge.movingQuantile({ quantile, fallback: 1 }), /quantile/)
    for (const fallback of [-1, NaN, Infinity]) assert.throws(() => Hedge.movingQuantile({ fallback }), /fallback/)
    assert.throws(() => Hedge.movingQuantile({ fallback: 1, minimumSamples: 0 }), /minimumSamples/)
    assert.throws(() => Hedge.movingQuantile({ fallback: 1, window: 0 }), /window/)
  })
})
