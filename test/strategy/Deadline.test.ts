import { it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import { Cause, Clock, Duration, Effect, Exit, Fiber, FiberRef, Option, TestClock } from "effect"
import { assert, describe, expect } from "vitest"
import * as Failure from "../../src/core/Failure.ts"
import * as Deadline from "../../src/strategy/Deadline.ts"
import * as Timeout from "../../src/strategy/Timeout.ts"

const exceeded = (exit: Exit.Exit<unknown, unknown> | null, expected: { readonly deadline?: number; readonly limit: number }) => {
  assert(exit !== null && Exit.isFailure(exit) && Cause.isFailType(exit.cause), `no deadline: ${String(exit)}`)
  const { error } = exit.cause
  assert(error instanceof Deadline.DeadlineExceeded)
  assert.strictEqual(error.limit, expected.limit)
  if (expected.deadline !== undefined) assert.strictEqual(error.deadline, expected.deadline)
}

/** Writes down what it runs, and how much time was left then. */
const watched = () => {
  const left: Array<number | undefined> = []
  const look = Effect.map(Deadline.remaining, (remaining) => void left.push(Option.getOrUndefined(remaining)))
  return { left, look }
}

describe("Deadline.within", () => {
  const clocks: ReadonlyArray<readonly [string, typeof it.live, pass: (millis: number) => Effect.Effect<void>]> = [
    ["live clock", it.live, (millis) => Effect.sleep(millis + 10)],
    ["test clock", it.effect as typeof it.live, (millis) => TestClock.adjust(millis)]
  ]

  for (const [clock, test, pass] of clocks) {
    describe(clock, () => {
      test("gives what comes in time", () =>
        Effect.gen(function*() {
          assert.strictEqual(yield* Deadline.within(Effect.succeed("at once"), 20), "at once")
          const fiber = yield* Effect.fork(Effect.as(Effect.sleep(10), "done").pipe(Deadline.within(100)))
          yield* pass(20)
          deepStrictEqual(fiber.unsafePoll(), Exit.succeed("done"))
        }))

      test("fails with DeadlineExceeded when the time is over, and the effect has let go", () =>
        Effect.gen(function*() {
          let released = false
          const start = yield* Clock.currentTimeMillis
          const fiber = yield* Effect.fork(
            Effect.never.pipe(Effect.onInterrupt(() => Effect.sync(() => released = true)), Deadline.within("20 millis"))
          )
          yield* pass(20)
          const exit = yield* Fiber.await(fiber)
          exceeded(exit, { limit: 20 })
          assert.isTrue(released)
          assert(Exit.isFailure(exit) && Cause.isFailType(exit.cause))
          assert.isAtLeast(exit.cause.error.deadline, start + 20)
          assert.isAtMost(exit.cause.error.deadline, yield* Clock.currentTimeMillis)
          assert.strictEqual(exit.cause.error.message, "the deadline passed: the call had 20ms")
          deepStrictEqual(exit.cause.error[Failure.key], Failure.rejected("DeadlineExceeded"))
        }))

      test("of two deadlines the earlier holds, the inner one", () =>
        Effect.gen(function*() {
          const inner = Effect.exit(Effect.never.pipe(Deadline.within(20)))
          const fiber = yield* Effect.fork(Effect.zipLeft(inner, Effect.sleep(5)).pipe(Deadline.within(200)))
          yield* pass(40)
          // The inner one ended the inner effect only.
          exceeded(yield* Fiber.join(fiber), { limit: 20 })
        }))

      test("of two deadlines the earlier holds, the outer one", () =>
        Effect.gen(function*() {
          let caught = false
          const inner = Effect.catchTag(Effect.never.pipe(Deadline.within(200)), "DeadlineExceeded", () =>
            Effect.sync(() => caught = true))
          const fiber = yield* Effect.fork(Effect.exit(inner.pipe(Deadline.within(20))))
          yield* pass(20)
          exceeded(yield* Fiber.join(fiber), { limit: 20 })
          assert.isFalse(caught)
        }))

      test("what is forked sees the deadline too", () =>
        Effect.gen(function*() {
          const { left, look } = watched()
          yield* Effect.flatMap(Effect.fork(look), Fiber.join).pipe(Deadline.within("1 hour"))
          assert.isTrue(left[0]! > 3_500_000 && left[0]! <= 3_600_000)
        }))

      test("is over when its effect is", () =>
        Effect.gen(function*() {
          const { left, look } = watched()
          yield* Effect.zipRight(Deadline.within(Effect.zipRight(Effect.yieldNow(), look), 1000), look)
          yield* Effect.exit(Deadline.within(Effect.zipRight(Effect.yieldNow(), Effect.fail("no")), 1000))
          yield* look
          assert.isDefined(left[0])
          deepStrictEqual(left.slice(1), [undefined, undefined])
        }))

      test("what the effect changes in other references stays changed", () =>
        Effect.gen(function*() {
          const ref = FiberRef.unsafeMake("before")
          yield* Deadline.within(Effect.zipRight(Effect.yieldNow(), FiberRef.set(ref, "after")), 1000)
          assert.strictEqual(yield* FiberRef.get(ref), "after")
        }))
    })
  }

  it.effect("is exact, from both sides", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(1_000_000)
      const fiber = yield* Effect.fork(Deadline.within(Effect.never, "10 seconds"))
      yield* TestClock.adjust(9999)
      assert.isNull(fiber.unsafePoll())
      yield* TestClock.adjust(1)
      exceeded(yield* Fiber.await(fiber), { deadline: 1_010_000, limit: 10_000 })
    }))

  it.effect("reached in the same tick as a success, it is a success", () =>
    Effect.gen(function*() {
      const fiber = yield* Effect.fork(Deadline.within(Effect.as(Effect.sleep("10 seconds"), "done"), "10 seconds"))
      yield* TestClock.adjust("10 seconds")
      deepStrictEqual(yield* Fiber.await(fiber), Exit.succeed("done"))
    }))

  it.effect("covers all the attempts and waits of an effect, and not each anew", () =>
    Effect.gen(function*() {
      const { left, look } = watched()
      const attempt = Effect.zipRight(look, Effect.sleep("3 seconds"))
      const fiber = yield* Effect.fork(Effect.forever(attempt).pipe(Deadline.within("10 seconds")))
      yield* TestClock.adjust("1 minute")
      exceeded(yield* Fiber.await(fiber), { deadline: 10_000, limit: 10_000 })
      deepStrictEqual(left, [10_000, 7000, 4000, 1000])
    }))

  it.effect("a later deadline inside changes nothing: the outer one is what is seen", () =>
    Effect.gen(function*() {
      const { left, look } = watched()
      yield* look.pipe(Deadline.within("1 minute"), Deadline.within("1 second"))
      yield* look.pipe(Deadline.within("1 second"), Deadline.within("1 second"))
      yield* look.pipe(Deadline.within("1 second"), Deadline.within("1 minute"))
      deepStrictEqual(left, [1000, 1000, 1000])
    }))

  it.effect("an attempt timeout inside is as it is", () =>
    Effect.gen(function*() {
      const fiber = yield* Effect.fork(Effect.never.pipe(Timeout.timeout("1 second"), Deadline.within("10 seconds")))
      yield* TestClock.adjust("1 second")
      const exit = yield* Fiber.await(fiber)
      assert(Exit.isFailure(exit) && Cause.isFailType(exit.cause))
      assert.strictEqual(exit.cause.error._tag, "AttemptTimeout")
    }))

  it("no limit is the identity: the same reference", () => {
    const effect = Effect.succeed(1)
    for (const limit of [Infinity, Duration.infinity, 2 ** 31]) {
      assert.strictEqual<unknown>(Deadline.within(effect, limit), effect)
      assert.strictEqual<unknown>(effect.pipe(Deadline.within(limit)), effect)
    }
  })

  for (const limit of [0, -1, NaN, -Infinity, Duration.zero, "-1 second" as const, "soon" as never]) {
    it(`refuses ${String(limit)} at construction, and names it`, () => {
      expect(() => Deadline.within(Effect.void, limit)).toThrow(/Deadline\.within: limit must be a finite duration > 0 ms, got/)
      expect(() => Effect.void.pipe(Deadline.within(limit))).toThrow(/Deadline\.within: limit must be a finite duration > 0 ms, got/)
    })
  }
})

describe("Deadline.until", () => {
  const ran = () => {
    let count = 0
    return { effect: Effect.sync(() => ++count), get count() {
      return count
    } }
  }

  for (const [fact, deadline, count] of [["passed", 999_999, 0], ["is now", 1_000_000, 0], ["is 1 ms away", 1_000_001, 1]] as const) {
    it.effect(`an instant that ${fact}: the effect is run ${count} times`, () =>
      Effect.gen(function*() {
        yield* TestClock.setTime(1_000_000)
        const one = ran()
        const exit = yield* Effect.exit(Deadline.until(one.effect, deadline, 5000))
        assert.strictEqual(one.count, count)
        if (count === 0) exceeded(exit, { deadline, limit: 5000 })
        else deepStrictEqual(exit, Exit.succeed(1))
      }))
  }

  it.effect("nothing is begun, either, where the deadline of the fiber has passed: not even in a finalizer", () =>
    Effect.gen(function*() {
      const late = ran()
      let inFinalizer: Exit.Exit<unknown, unknown> | null = null
      const cleaning = Effect.flatMap(Effect.exit(Deadline.within(late.effect, "1 minute")), (exit) => Effect.sync(() => inFinalizer = exit))
      const fiber = yield* Effect.fork(Effect.never.pipe(Effect.ensuring(cleaning), Deadline.within("1 second")))
      yield* TestClock.adjust("1 second")
      exceeded(yield* Fiber.await(fiber), { deadline: 1000, limit: 1000 })
      exceeded(inFinalizer, { deadline: 1000, limit: 60_000 })
      assert.strictEqual(late.count, 0)
    }))

  it.effect("a timer is set only where the deadline is the earlier one", () =>
    Effect.gen(function*() {
      const fiber = yield* Effect.fork(Effect.never.pipe(
        Deadline.within("3 seconds"),
        Deadline.within("2 seconds"),
        Deadline.within("1 second"),
        Deadline.within("1 second"),
        Deadline.within("2 seconds")
      ))
      yield* TestClock.adjust(1)
      deepStrictEqual(Array.from(yield* TestClock.sleeps()).sort((a, b) => a - b), [1000, 2000])
      yield* Fiber.interrupt(fiber)
    }))
})

describe("Deadline.remaining", () => {
  it.effect("is none where there is no deadline", () =>
    Effect.gen(function*() {
      deepStrictEqual(yield* Deadline.remaining, Option.none())
      deepStrictEqual(yield* Deadline.Deadline, Option.none())
    }))

  it.effect("goes down to 0, and not below", () =>
    Effect.gen(function*() {
      const { left, look } = watched()
      const step = Effect.zipRight(look, Effect.sleep("400 millis"))
      const fiber = yield* Effect.fork(Effect.uninterruptible(Effect.repeatN(step, 3)).pipe(Deadline.within("1 second")))
      yield* TestClock.adjust(1599)
      assert.isNull(fiber.unsafePoll())
      yield* TestClock.adjust(1)
      // What may not be interrupted runs to its end; then the time is over.
      exceeded(yield* Fiber.await(fiber), { deadline: 1000, limit: 1000 })
      deepStrictEqual(left, [1000, 600, 200, 0])
    }))

  it.effect("is the same for a fiber and for an effect", () =>
    Effect.gen(function*() {
      yield* Deadline.within(
        Effect.withFiberRuntime((fiber) => Effect.sync(() => deepStrictEqual(Deadline.of(fiber), Option.some(1000)))),
        "1 second"
      )
    }))

  it.effect("a clock that is set back gives time, and breaks nothing", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(3_600_000)
      const { left, look } = watched()
      const step = Effect.zipRight(look, Effect.sleep("600 millis"))
      const fiber = yield* Effect.fork(Effect.forever(step).pipe(Deadline.within("1 second")))
      yield* TestClock.adjust("100 millis")
      yield* TestClock.setTime(0)
      assert.isNull(fiber.unsafePoll())
      yield* TestClock.setTime(3_601_000)
      exceeded(yield* Fiber.await(fiber), { deadline: 3_601_000, limit: 1000 })
      deepStrictEqual(left, [1000, 400])
    }))
})
