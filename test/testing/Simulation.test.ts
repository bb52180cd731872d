import { Cause, Clock, Deferred, Effect, Exit, Fiber, Schedule } from "effect"
import { assert, describe, it } from "vitest"
import * as Timeout from "../../src/strategy/Timeout.ts"
import * as Simulation from "../../src/testing/Simulation.ts"

describe("Simulation", () => {
  it("a wait is over when nothing else is to be done, and takes its time on the clock", () => {
    const real = performance.now()
    const program = Effect.gen(function*() {
      yield* Effect.sleep("3 days")
      return [yield* Clock.currentTimeMillis, yield* Clock.currentTimeNanos]
    })
    assert.deepStrictEqual(Simulation.runSync(program), [259_200_000, 259_200_000_000_000n])
    assert.isBelow(performance.now() - real, 5_000)
  })

  it("those who wait wake in the order of their time, and of equal ones the first to have come first", () => {
    const woken: Array<string> = []
    const sleeper = (name: string, millis: number) => Effect.delay(Effect.sync(() => void woken.push(name)), millis)
    Simulation.runSync(Effect.all([sleeper("late", 20), sleeper("a", 10), sleeper("b", 10), sleeper("c", 10), sleeper("early", 1)], {
      concurrency: "unbounded"
    }))
    assert.deepStrictEqual(woken, ["early", "a", "b", "c", "late"])
  })

  it("a heap of timers goes off in order", () => {
    const woken: Array<number> = []
    const times = Array.from({ length: 500 }, (_, i) => i * 7919 % 1009)
    Simulation.runSync(Effect.forEach(times, (time) => Effect.delay(Effect.sync(() => void woken.push(time)), time), { concurrency: "unbounded" }))
    assert.deepStrictEqual(woken, [...times].sort((a, b) => a - b))
  })

  it("what nothing will bring fails, and the program's finalizers have run", () => {
    let finalized = false
    const program = Effect.flatMap(Deferred.make<void>(), Deferred.await).pipe(
      Effect.delay("5 seconds"),
      Effect.ensuring(Effect.delay(Effect.sync(() => finalized = true), "1 second"))
    )
    const exit = Simulation.runSyncExit(program)
    assert.isTrue(Exit.isFailure(exit) && Cause.failures(exit.cause).pipe((all) => Array.from(all)[0]!.at === 5_000))
    assert.isTrue(finalized)
  })

  it("a limit passes, one that was not reached leaves nothing to wait for", () => {
    const program = Effect.gen(function*() {
      const late = yield* Effect.flip(Timeout.timeout(Effect.never, "10 seconds"))
      const early = yield* Timeout.timeout(Effect.delay(Effect.succeed("early"), "1 second"), "10 hours")
      return [late._tag, early, yield* Clock.currentTimeMillis]
    })
    assert.deepStrictEqual(Simulation.runSync(program), ["AttemptTimeout", "early", 11_000])
  })

  it("a fiber that never waits lets others have their turn", () => {
    const program = Effect.gen(function*() {
      const busy = yield* Effect.fork(Effect.forever(Effect.void))
      const other = yield* Effect.fork(Effect.succeed("had its turn"))
      const result = yield* Fiber.join(other)
      yield* Fiber.interrupt(busy)
      return result
    })
    assert.strictEqual(Simulation.runSync(program), "had its turn")
  })

  it("schedules of Effect pass too", () => {
    let runs = 0
    const program = Effect.sync(() => void runs++).pipe(Effect.repeat(Schedule.spaced("1 minute").pipe(Schedule.upTo("1 hour"))))
    Simulation.runSync(program)
    assert.isAbove(runs, 59)
  })

  it("a load is so many calls a second for so many seconds, and every exit", () => {
    let calls = 0
    const exits = Simulation.runSync(Simulation.load(Effect.suspend(() => ++calls % 2 === 0 ? Effect.fail("even") : Effect.void), { perSecond: 100, seconds: 3 }))
    assert.strictEqual(exits.length, 300)
    assert.strictEqual(exits.filter(Exit.isSuccess).length, 150)
  })
})

describe("Simulation.sweep", () => {
  /** Takes a permit, and gives it back: rightly, or so that an interruption in between loses it. */
  const sweep = (protect: (permits: { free: number }, use: Effect.Effect<void>) => Effect.Effect<void>) =>
    Simulation.sweep(Effect.sync(() => {
      const permits = { free: 1 }
      return {
        calls: [protect(permits, Effect.sleep("1 second"))],
        check: () => Effect.sync(() => assert.strictEqual(permits.free, 1, "a permit is lost"))
      }
    }))

  it("finds the step at which an interruption loses a permit", () => {
    const wrong = () =>
      sweep((permits, use) =>
        Effect.gen(function*() {
          permits.free -= 1
          yield* Effect.yieldNow()
          yield* Effect.ensuring(use, Effect.sync(() => permits.free += 1))
        }))
    assert.throws(wrong, /interrupted at step \d+: .*a permit is lost/s)
  })

  it("passes what is right, at every step", () => {
    const { interrupted, tooLate } = sweep((permits, use) =>
      Effect.acquireUseRelease(Effect.sync(() => void (permits.free -= 1)), () => use, () => Effect.sync(() => void (permits.free += 1))))
    assert.isAbove(interrupted, 5)
    assert.isAbove(tooLate, 0)
  })

  it("interrupts the one that was named, while others run and it waits for them too", () => {
    const ends = new Set<string>()
    Simulation.sweep(Effect.map(Deferred.make<string>(), (answer) => ({
      calls: [Effect.delay(Deferred.succeed(answer, "said"), "1 second"), Deferred.await(answer)],
      victim: 1,
      check: ([first, second]) => {
        assert.isTrue(first !== undefined && Exit.isSuccess(first))
        ends.add(second === undefined ? "none" : Exit.isSuccess(second) ? "answered" : Exit.isInterrupted(second) ? "interrupted" : "failed")
      }
    })))
    assert.deepStrictEqual([...ends].sort(), ["answered", "interrupted"])
  })
})
