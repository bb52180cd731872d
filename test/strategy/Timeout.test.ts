import { it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import {
  Cause,
  Clock,
  Context,
  Deferred,
  Duration,
  Effect,
  Exit,
  Fiber,
  FiberId,
  FiberRef,
  Logger,
  LogLevel,
  Option,
  TestClock
} from "effect"
import { assert, describe, expect } from "vitest"
import * as Failure from "../../src/core/Failure.ts"
import * as Timeout from "../../src/strategy/Timeout.ts"

/** A clock with a scheduler, as the live one, whose timers go off when they are told to. */
class ManualClock implements Clock.Clock {
  readonly [Clock.ClockTypeId]: Clock.ClockTypeId = Clock.ClockTypeId
  readonly timers = new Map<() => void, number>()
  now = 0
  set = 0
  readonly currentTimeMillis = Effect.sync(() => this.now)
  readonly currentTimeNanos = Effect.sync(() => this.unsafeCurrentTimeNanos())
  unsafeCurrentTimeMillis() {
    return this.now
  }
  unsafeCurrentTimeNanos() {
    return BigInt(Math.floor(this.now * 1e6))
  }
  readonly unsafeSchedule = (task: () => void, duration: Duration.Duration) => {
    this.set++
    this.timers.set(task, this.now + Duration.toMillis(duration))
    return () => this.timers.delete(task)
  }
  scheduler() {
    return Effect.succeed<Clock.ClockScheduler>(this)
  }
  sleep(duration: Duration.Duration) {
    return Effect.async<void>((resume) => {
      const cancel = this.unsafeSchedule(() => resume(Effect.void), duration)
      return Effect.sync(cancel)
    })
  }
  /** Lets every timer that is due go off, all in this tick. */
  advance(millis: number) {
    this.now += millis
    const due = Array.from(this.timers).filter(([, at]) => at <= this.now)
    for (const [task] of due) if (this.timers.delete(task)) task()
  }
}

const settle = Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
const timersOfTheProcess = () => process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length

const timedOut = (limit: number) => (exit: Exit.Exit<unknown, unknown>) => {
  assert(Exit.isFailure(exit) && Cause.isFailType(exit.cause), `no timeout: ${String(exit)}`)
  assert(exit.cause.error instanceof Timeout.AttemptTimeout)
  assert.strictEqual(exit.cause.error.limit, limit)
}

describe("Timeout.timeout", () => {
  // `it.effect` is `it.live` on another clock. Each timer that goes off costs a test clock milliseconds.
  const clocks: ReadonlyArray<readonly [string, typeof it.live, many: number, pass: (millis: number) => Effect.Effect<void>]> = [
    ["live clock", it.live, 1000, (millis) => Effect.sleep(millis + 10)],
    ["test clock", it.effect as typeof it.live, 100, (millis) => TestClock.adjust(millis)]
  ]

  for (const [clock, test, many, pass] of clocks) {
    describe(clock, () => {
      test("gives what the effect gives in time", () =>
        Effect.gen(function*() {
          const fiber = yield* Effect.fork(Effect.as(Effect.sleep(10), "done").pipe(Timeout.timeout(100)))
          yield* pass(20)
          deepStrictEqual(fiber.unsafePoll(), Exit.succeed("done"))
        }))

      test("gives at once what is there at once", () =>
        Effect.gen(function*() {
          assert.strictEqual(yield* Timeout.timeout(Effect.succeed("done"), 100), "done")
          const error = { no: "class" }
          assert.strictEqual(yield* Effect.flip(Timeout.timeout(Effect.fail(error), 100)), error as never)
          deepStrictEqual(yield* Effect.exit(Timeout.timeout(Effect.die("bug"), 100)), Exit.die("bug"))
          assert.isTrue(Exit.isInterrupted(yield* Effect.exit(Timeout.timeout(Effect.interrupt, 100))))
        }))

      test("gives errors, defects and interruptions that come in time as they came", () =>
        Effect.gen(function*() {
          const error = { no: "class" }
          const cause = Cause.parallel(Cause.fail(error), Cause.die("bug"))
          const exits = [Exit.fail(error), Exit.die("bug"), Exit.interrupt(FiberId.none), Exit.failCause(cause)]
          const fibers = yield* Effect.forEach(exits, (exit) =>
            Effect.fork(Timeout.timeout(Effect.zipRight(Effect.sleep(10), exit), 1000)))
          yield* pass(20)
          deepStrictEqual(yield* Effect.forEach(fibers, Fiber.await), exits)
        }))

      test("fails with AttemptTimeout when the time is over", () =>
        Effect.gen(function*() {
          const fiber = yield* Effect.fork(Effect.never.pipe(Timeout.timeout("20 millis")))
          yield* pass(20)
          const exit = yield* Fiber.await(fiber)
          timedOut(20)(exit)
          assert(Exit.isFailure(exit) && Cause.isFailType(exit.cause))
          assert.strictEqual(exit.cause.error.phase, "headers")
          assert.strictEqual(exit.cause.error.message, "no response within 20ms")
          deepStrictEqual(exit.cause.error[Failure.key], Failure.attemptTimedOut(Option.some(20), "headers"))
        }))

      test("fails when the effect has been interrupted and its finalizers have run", () =>
        Effect.gen(function*() {
          const steps: Array<string> = []
          const effect = Effect.never.pipe(
            Effect.onInterrupt(() => Effect.zipRight(Effect.sleep(30), Effect.sync(() => steps.push("released")))),
            Timeout.timeout(20),
            Effect.onError(() => Effect.sync(() => steps.push("failed")))
          )
          const fiber = yield* Effect.fork(effect)
          yield* pass(20)
          deepStrictEqual(steps, [])
          yield* pass(30)
          timedOut(20)(yield* Fiber.await(fiber))
          deepStrictEqual(steps, ["released", "failed"])
        }))

      test("interruption from outside interrupts the effect, and returns when it has let go", () =>
        Effect.gen(function*() {
          const steps: Array<string> = []
          const effect = Effect.never.pipe(
            Effect.onInterrupt(() => Effect.zipRight(Effect.sleep(30), Effect.sync(() => steps.push("released")))),
            Timeout.timeout("1 hour")
          )
          const fiber = yield* Effect.fork(effect)
          yield* pass(10)
          const interrupting = yield* Effect.fork(Effect.tap(Fiber.interrupt(fiber), () => steps.push("returned")))
          yield* pass(10)
          deepStrictEqual(steps, [])
          yield* pass(30)
          assert.isTrue(Exit.isInterrupted(yield* Fiber.join(interrupting)))
          deepStrictEqual(steps, ["released", "returned"])
        }))

      test("the services, references and spans of the caller are those of the effect", () =>
        Effect.gen(function*() {
          class Name extends Context.Tag("Name")<Name, string>() {}
          const ref = FiberRef.unsafeMake("default")
          const seen = Effect.all([Name, FiberRef.get(ref), Effect.map(Effect.currentSpan, (span) => span.name)])
          const late = Timeout.timeout(Effect.zipRight(Effect.sleep(10), seen), 1000)
          const fiber = yield* Effect.fork(
            Effect.all([Timeout.timeout(seen, 1000), late]).pipe(
              Effect.provideService(Name, "given"),
              Effect.locally(ref, "local"),
              Effect.withSpan("span")
            )
          )
          yield* pass(20)
          deepStrictEqual(yield* Fiber.join(fiber), [["given", "local", "span"], ["given", "local", "span"]])
        }))

      test("what the effect changes in references stays changed where it succeeds, and only there", () =>
        Effect.gen(function*() {
          const ref = FiberRef.unsafeMake("before")
          const set = FiberRef.set(ref, "after")
          const after = (effect: Effect.Effect<unknown, unknown>) =>
            Effect.fork(Effect.zipRight(Effect.exit(Timeout.timeout(effect, 50)), FiberRef.get(ref)))
          const fibers = yield* Effect.all([
            after(set),
            after(Effect.zipRight(Effect.sleep(10), set)),
            after(Effect.zipRight(set, Effect.sleep(10))),
            after(Effect.zipRight(set, Effect.fail("no"))),
            after(Effect.zipRight(set, Effect.never))
          ])
          yield* pass(60)
          deepStrictEqual(yield* Effect.forEach(fibers, Fiber.join), ["after", "after", "after", "before", "before"])
        }))

      test("works in an uninterruptible region: what comes in time comes when it comes", () =>
        Effect.gen(function*() {
          const fiber = yield* Effect.fork(Effect.uninterruptible(Timeout.timeout(Effect.as(Effect.sleep(10), "done"), 1000)))
          yield* pass(15)
          deepStrictEqual(fiber.unsafePoll(), Exit.succeed("done"))
        }))

      test("works in an uninterruptible region: what comes late comes late, for it may not be interrupted", () =>
        Effect.gen(function*() {
          const fiber = yield* Effect.fork(Effect.uninterruptible(Timeout.timeout(Effect.as(Effect.sleep(60), "done"), 20)))
          yield* pass(25)
          assert.isNull(fiber.unsafePoll())
          yield* pass(50)
          deepStrictEqual(yield* Fiber.await(fiber), Exit.succeed("done"))
        }))

      test("in an uninterruptible region the part that may be interrupted is", () =>
        Effect.gen(function*() {
          const fiber = yield* Effect.fork(Effect.uninterruptible(Timeout.timeout(Effect.interruptible(Effect.never), 20)))
          yield* pass(20)
          timedOut(20)(yield* Fiber.await(fiber))
        }))

      test("of two limits the earlier holds, from both sides", () =>
        Effect.gen(function*() {
          const inner = yield* Effect.fork(Effect.never.pipe(Timeout.timeout(20), Timeout.timeout(40)))
          const outer = yield* Effect.fork(Effect.never.pipe(Timeout.timeout(40), Timeout.timeout(20)))
          yield* pass(20)
          timedOut(20)(yield* Fiber.await(inner))
          timedOut(20)(yield* Fiber.await(outer))
        }))

      test("holds for an effect that yields all the time", () =>
        Effect.gen(function*() {
          const fiber = yield* Effect.fork(Timeout.timeout(Effect.forever(Effect.yieldNow()), 20))
          yield* pass(20)
          timedOut(20)(yield* Fiber.await(fiber))
        }))

      test(`${many} at once: each in its own time`, () =>
        Effect.gen(function*() {
          const fibers = yield* Effect.forEach(Array.from({ length: many }, (_, i) => i), (i) =>
            Effect.fork(Timeout.timeout(Effect.as(i % 2 === 0 ? Effect.sleep(1) : Effect.never, i), 60)))
          yield* pass(60)
          const exits = yield* Effect.forEach(fibers, Fiber.await)
          exits.forEach((exit, i) => i % 2 === 0 ? deepStrictEqual(exit, Exit.succeed(i)) : timedOut(60)(exit))
        }))
    })
  }

  it.effect("is exact on a test clock, from both sides", () =>
    Effect.gen(function*() {
      const fiber = yield* Effect.fork(Timeout.timeout(Effect.never, "2 seconds"))
      yield* TestClock.adjust(1999)
      assert.isNull(fiber.unsafePoll())
      yield* TestClock.adjust(1)
      timedOut(2000)(yield* Fiber.await(fiber))
    }))

  it.live("is early by no more than the live clock's own rounding", () =>
    Effect.gen(function*() {
      const start = performance.now()
      yield* Effect.flip(Timeout.timeout(Effect.never, 50))
      assert.isAtLeast(performance.now() - start, 48)
    }))
})

describe("Timeout, the same tick", () => {
  it.live("an effect that has ended when the timer goes off has won", () =>
    Effect.gen(function*() {
      const clock = new ManualClock()
      let end: () => void = () => {}
      const effect = Effect.async<string>((resume) => {
        end = () => resume(Effect.succeed("done"))
      })
      const fiber = yield* Effect.fork(Effect.withClock(Timeout.timeout(effect, 20), clock))
      yield* settle
      end()
      yield* settle
      clock.advance(20)
      deepStrictEqual(yield* Fiber.await(fiber), Exit.succeed("done"))
      assert.strictEqual(clock.timers.size, 0)
    }))

  it.live("a timer that goes off first is a timeout, also where a result follows in its tick", () =>
    Effect.gen(function*() {
      const clock = new ManualClock()
      const done = yield* Deferred.make<string>()
      const fiber = yield* Effect.fork(Effect.withClock(Timeout.timeout(Deferred.await(done), 20), clock))
      yield* settle
      clock.unsafeSchedule(() => Deferred.unsafeDone(done, Exit.succeed("done")), Duration.millis(20))
      clock.advance(20)
      timedOut(20)(yield* Fiber.await(fiber))
      assert.strictEqual(clock.timers.size, 0)
    }))

  it.live("on the live clock a result that is due with the timer, and was first, is returned", () =>
    Effect.gen(function*() {
      for (let i = 0; i < 20; i++) {
        assert.strictEqual(yield* Timeout.timeout(Effect.as(Effect.sleep(5), "done"), 5), "done")
      }
    }))

  it.effect("on the test clock too, in one wait or in several", () =>
    Effect.gen(function*() {
      const one = yield* Effect.fork(Timeout.timeout(Effect.as(Effect.sleep(5), "done"), 5))
      const several = yield* Effect.fork(Timeout.timeout(Effect.as(Effect.repeatN(Effect.sleep(1), 4), "done"), 5))
      const late = yield* Effect.fork(Timeout.timeout(Effect.as(Effect.repeatN(Effect.sleep(1), 5), "done"), 5))
      yield* TestClock.adjust(5)
      deepStrictEqual(yield* Fiber.await(one), Exit.succeed("done"))
      deepStrictEqual(yield* Fiber.await(several), Exit.succeed("done"))
      timedOut(5)(yield* Fiber.await(late))
    }))

  it.live("a result that exists is never thrown away", () =>
    Effect.gen(function*() {
      const exits = yield* Effect.forEach(
        Array.from({ length: 400 }, (_, i) => i),
        (i) =>
          Effect.suspend(() => {
            let exists = false
            return Effect.sleep(4 + i % 3).pipe(
              Effect.map(() => {
                exists = true
                return "done"
              }),
              Timeout.timeout(5),
              Effect.exit,
              Effect.map((exit) => ({ exists, exit }))
            )
          }),
        { concurrency: "unbounded" }
      )
      for (const { exists, exit } of exits) {
        if (exists) deepStrictEqual(exit, Exit.succeed("done"))
        else timedOut(5)(exit)
      }
    }))
})

describe("Timeout, what it leaves behind", () => {
  it.live("an effect that ends without waiting sets no timer", () =>
    Effect.gen(function*() {
      const clock = new ManualClock()
      yield* Effect.withClock(Timeout.timeout(Effect.succeed(1), 20), clock)
      yield* Effect.withClock(Effect.exit(Timeout.timeout(Effect.fail(1), 20)), clock)
      assert.strictEqual(clock.set, 0)
    }))

  it.effect("nor is a fiber left that waits on a test clock", () =>
    Effect.gen(function*() {
      const before = Fiber.unsafeRoots().length
      yield* Effect.repeatN(Effect.exit(Timeout.timeout(Effect.succeed(1), 20)), 99)
      yield* Effect.repeatN(Effect.exit(Timeout.timeout(Effect.zipRight(Effect.yieldNow(), Effect.fail(1)), 20)), 99)
      yield* TestClock.adjust(1)
      assert.isAtMost(Fiber.unsafeRoots().length, before)
    }))

  it.live("no timer, however it ends", () =>
    Effect.gen(function*() {
      const clock = new ManualClock()
      const run = <A, E>(effect: Effect.Effect<A, E>) => Effect.fork(Effect.withClock(Timeout.timeout(effect, 20), clock))
      const ends = yield* Deferred.make<void>()
      const [success, failure, late, interrupted] = yield* Effect.all([
        run(Deferred.await(ends)),
        run(Effect.zipRight(Deferred.await(ends), Effect.fail("no"))),
        run(Effect.never),
        run(Effect.never)
      ])
      yield* settle
      assert.strictEqual(clock.timers.size, 4)
      yield* Deferred.succeed(ends, undefined)
      yield* Fiber.await(success)
      yield* Fiber.await(failure)
      assert.strictEqual(clock.timers.size, 2)
      yield* Fiber.interrupt(interrupted)
      assert.strictEqual(clock.timers.size, 1)
      clock.advance(20)
      timedOut(20)(yield* Fiber.await(late))
      assert.strictEqual(clock.timers.size, 0)
      assert.strictEqual(clock.set, 4)
    }))

  it.live("no timer in the process either", () =>
    Effect.gen(function*() {
      yield* settle
      const before = timersOfTheProcess()
      // Effect.never has a timer of its own.
      const never = Effect.async<never>(() => {})
      const fibers = yield* Effect.forEach(Array.from({ length: 50 }), () => Effect.fork(Timeout.timeout(never, "1 hour")))
      yield* Effect.forEach(Array.from({ length: 50 }), () => Timeout.timeout(settle, "1 hour"))
      // The test runner has a timer or two of its own.
      assert.approximately(timersOfTheProcess(), before + 50, 5)
      yield* Fiber.interruptAll(fibers)
      assert.approximately(timersOfTheProcess(), before, 5)
    }))

  it.live("nothing in the log: an error that is returned is not unhandled", () =>
    Effect.gen(function*() {
      const lines: Array<unknown> = []
      const logger = Logger.make(({ message }) => void lines.push(message))
      const failing = Effect.zipRight(Effect.yieldNow(), Effect.fail("no"))
      yield* Effect.all([
        Effect.exit(Timeout.timeout(failing, 1000)),
        Effect.exit(Timeout.timeout(Effect.fail("no"), 1000)),
        Effect.exit(Timeout.timeout(Effect.zipRight(Effect.yieldNow(), Effect.die("bug")), 1000)),
        Effect.exit(Timeout.timeout(Effect.never, 5))
      ]).pipe(Effect.provide(Logger.replace(Logger.defaultLogger, logger)), Logger.withMinimumLogLevel(LogLevel.All))
      deepStrictEqual(lines, [])
    }))

  it.live("a child of the effect ends with it, as without a limit it would with its fiber", () =>
    Effect.gen(function*() {
      let stopped = false
      const background = Effect.never.pipe(Effect.onInterrupt(() => Effect.sync(() => stopped = true)))
      yield* Effect.exit(Timeout.timeout(Effect.zipRight(Effect.fork(background), Effect.never), 10))
      yield* settle
      assert.isTrue(stopped)
    }))
})

describe("Timeout, limits", () => {
  const effect = Effect.succeed(1)

  it("no limit is the identity: the same reference", () => {
    for (const limit of [Infinity, Duration.infinity, Duration.millis(2 ** 31 - 1), 2 ** 31, 1e300]) {
      assert.strictEqual<unknown>(Timeout.timeout(effect, limit), effect)
      assert.strictEqual<unknown>(effect.pipe(Timeout.timeout(limit)), effect)
    }
  })

  it("the longest limit that is one is 2^31 - 2 ms", () => {
    assert.notStrictEqual<unknown>(Timeout.timeout(effect, 2 ** 31 - 2), effect)
  })

  for (const limit of [0, -1, NaN, -Infinity, Duration.zero, Duration.millis(-1), Duration.millis(NaN), "-1 second" as const, "soon" as never]) {
    it(`refuses ${String(limit)} at construction, and names it`, () => {
      expect(() => Timeout.timeout(effect, limit)).toThrow(/Timeout\.timeout: limit must be a finite duration > 0 ms, got/)
      expect(() => effect.pipe(Timeout.timeout(limit))).toThrow(/Timeout\.timeout: limit must be a finite duration > 0 ms, got/)
    })
  }

  it.live("a fraction of a millisecond is a limit", () =>
    Effect.gen(function*() {
      timedOut(0.5)(yield* Effect.exit(Timeout.timeout(Effect.never, "500 micros")))
    }))

  it("says what was waited for", () => {
    assert.strictEqual(new Timeout.AttemptTimeout({ limit: 5, phase: "headers" }).message, "no response within 5ms")
    assert.strictEqual(new Timeout.AttemptTimeout({ limit: 5, phase: "body" }).message, "no end of the body within 5ms")
  })

  it.live("within fails with what it is given, made when it is needed", () =>
    Effect.gen(function*() {
      let made = 0
      const late = () => ++made
      assert.strictEqual(yield* Timeout.within(settle.pipe(Effect.as("done")), 1000, late), "done")
      assert.strictEqual(made, 0)
      assert.strictEqual(yield* Effect.flip(Timeout.within(Effect.never, 5, late)), 1)
      assert.strictEqual(made, 1)
    }))

  it.live("a hundred limits in one another are one effect", () =>
    Effect.gen(function*() {
      let nested: Effect.Effect<string, Timeout.AttemptTimeout> = Effect.as(Effect.sleep(5), "done")
      for (let i = 0; i < 100; i++) nested = Timeout.timeout(nested, 1000 + i)
      assert.strictEqual(yield* nested, "done")
    }))

  it.live("a hundred thousand limits one after the other do not grow the stack", () =>
    Effect.gen(function*() {
      let count = 0
      const once = Timeout.timeout(Effect.sync(() => ++count), 1000)
      yield* Effect.repeatN(once, 99_999)
      assert.strictEqual(count, 100_000)
    }))

  it.live("a wall clock that jumps does not move a limit", () =>
    Effect.gen(function*() {
      const clock = new ManualClock()
      clock.now = 1_000_000
      const fiber = yield* Effect.fork(Effect.withClock(Timeout.timeout(Effect.never, 1000), clock))
      yield* settle
      // The timer is monotonic: it is still there, and goes off by its own time.
      clock.now -= 3_600_000
      clock.advance(0)
      yield* settle
      assert.isNull(fiber.unsafePoll())
      clock.now = 1_000_999
      clock.advance(1)
      timedOut(1000)(yield* Fiber.await(fiber))
    }))
})
