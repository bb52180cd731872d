import { deepStrictEqual } from "@effect/vitest/utils"
import { Cause, Clock, type Duration, Effect, Exit, Fiber, FiberId, FiberRef } from "effect"
import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import * as Deadline from "../../src/strategy/Deadline.ts"
import * as Timeout from "../../src/strategy/Timeout.ts"
import * as Simulation from "../../src/testing/Simulation.ts"

/** The clock there is, which counts the timers that are set on it and those who sleep, until they are over or given up. */
class CountingClock implements Clock.Clock {
  readonly [Clock.ClockTypeId]: Clock.ClockTypeId = Clock.ClockTypeId
  private readonly clock: Clock.Clock
  private readonly timers: Clock.ClockScheduler
  readonly currentTimeMillis: Effect.Effect<number>
  readonly currentTimeNanos: Effect.Effect<bigint>
  pending = 0
  constructor(clock: Clock.Clock, timers: Clock.ClockScheduler) {
    this.clock = clock
    this.timers = timers
    this.currentTimeMillis = clock.currentTimeMillis
    this.currentTimeNanos = clock.currentTimeNanos
  }
  unsafeCurrentTimeMillis() {
    return this.clock.unsafeCurrentTimeMillis()
  }
  unsafeCurrentTimeNanos() {
    return this.clock.unsafeCurrentTimeNanos()
  }
  scheduler() {
    return Effect.succeed<Clock.ClockScheduler>({
      unsafeSchedule: (task, duration) => {
        this.pending++
        const cancel = this.timers.unsafeSchedule(() => {
          this.pending--
          task()
        }, duration)
        return () => {
          const cancelled = cancel()
          if (cancelled) this.pending--
          return cancelled
        }
      }
    })
  }
  // Not its timer: one step after that is set, and one before it would be cancelled, Effect's own sleep can be interrupted.
  sleep(duration: Duration.Duration) {
    return Effect.acquireUseRelease(
      Effect.sync(() => this.pending++),
      () => this.clock.sleep(duration),
      () => Effect.sync(() => this.pending--)
    )
  }
}

const counting: Effect.Effect<CountingClock> = Effect.clockWith((clock) =>
  // That of a simulation has timers, as the live one has; the interface does not say so.
  Effect.map((clock as Clock.Clock & { scheduler: () => Effect.Effect<Clock.ClockScheduler> }).scheduler(), (timers) => new CountingClock(clock, timers))
)

const isTimeout = (exit: Exit.Exit<unknown, unknown>): boolean =>
  Exit.isFailure(exit) && Cause.isFailType(exit.cause) && exit.cause.error instanceof Timeout.AttemptTimeout

describe("laws of Timeout", () => {
  const millis = fc.integer({ min: 1, max: 40 })
  const end = fc.constantFrom<Exit.Exit<string, string>>(
    Exit.succeed("done"),
    Exit.fail("no"),
    Exit.die("bug"),
    Exit.interrupt(FiberId.none)
  )
  /** An effect of several steps, with finalizers that take time: what it is, and when it would end by itself. */
  const program = fc.record({
    steps: fc.array(millis, { maxLength: 4 }),
    end,
    release: fc.integer({ min: 0, max: 10 }),
    limit: fc.integer({ min: 1, max: 100 }),
    interruptAt: fc.option(fc.integer({ min: 0, max: 120 }), { nil: undefined })
  })

  it("an effect ends as it would without a limit, or is cut at the limit, and nothing of it is left", () =>
    fc.assert(
      fc.property(program, ({ end, interruptAt, limit, release, steps }) =>
        Simulation.runSync(Effect.gen(function*() {
          const clock = yield* counting
          const [acquired, released] = [[] as Array<number>, [] as Array<number>]
          const work = Effect.acquireUseRelease(
            Effect.map(Clock.currentTimeMillis, (now) => acquired.push(now)),
            () => Effect.zipRight(Effect.forEach(steps, (step) => Effect.sleep(step), { discard: true }), end),
            () => Effect.zipRight(release === 0 ? Effect.void : Effect.sleep(release), Effect.map(Clock.currentTimeMillis, (now) => released.push(now)))
          )
          const fiber = yield* Effect.fork(Effect.withClock(Timeout.timeout(work, limit), clock))
          // Before it is interrupted it has begun.
          yield* Effect.yieldNow()
          if (interruptAt !== undefined) yield* Effect.fork(Effect.delay(Fiber.interruptAsFork(fiber, FiberId.none), interruptAt))
          const exit = yield* Fiber.await(fiber)
          deepStrictEqual(acquired, [0])
          assert.strictEqual(released.length, 1)
          if (interruptAt === undefined) {
            const used = steps.reduce((sum, step) => sum + step, 0)
            if (used + release < limit) deepStrictEqual<unknown>(exit, end)
            // Between the two the limit passes while the release, which may not be interrupted, goes on.
            if (used > limit) {
              assert.isTrue(isTimeout(exit), String(exit))
              deepStrictEqual(released, [limit + release])
            }
          }
          assert.strictEqual(clock.pending, 0)
        }))),
      { numRuns: 1000 }
    ))

  it("nested limits and deadlines: the earliest is the one that cuts", () =>
    fc.assert(
      fc.property(
        fc.array(fc.record({ kind: fc.constantFrom("timeout", "deadline"), limit: fc.integer({ min: 1, max: 50 }) }), { minLength: 1, maxLength: 5 }),
        (limits) =>
          Simulation.runSync(Effect.gen(function*() {
            const clock = yield* counting
            const never: Effect.Effect<never, Timeout.AttemptTimeout | Deadline.DeadlineExceeded> = Effect.async<never>(() => {})
            const limited = limits.reduce(
              (effect, { kind, limit }) => kind === "timeout" ? Timeout.timeout(effect, limit) : Deadline.within(effect, limit),
              never
            )
            const exit = yield* Effect.exit(Effect.withClock(limited, clock))
            const earliest = Math.min(...limits.map(({ limit }) => limit))
            assert(Exit.isFailure(exit) && Cause.isFailType(exit.cause))
            const { error } = exit.cause
            assert(error instanceof Timeout.AttemptTimeout || error instanceof Deadline.DeadlineExceeded)
            assert.strictEqual(error.limit, earliest)
            assert.strictEqual(yield* Clock.currentTimeMillis, earliest)
            assert.strictEqual(clock.pending, 0)
          }))
      ),
      { numRuns: 1000 }
    ))
})

describe("Timeout, interrupted at any of its steps", () => {
  const ref = FiberRef.unsafeMake(0)
  const kinds: ReadonlyArray<readonly [string, Effect.Effect<unknown>]> = [
    ["an effect that ends at once", Effect.void],
    ["an effect that ends in time", Effect.sleep(5)],
    ["an effect that is late", Effect.async<never>(() => {})],
    ["an effect that changes a reference", Effect.zipRight(Effect.sleep(1), FiberRef.set(ref, 1))],
    ["an effect that may not be interrupted", Effect.uninterruptible(Effect.sleep(20))]
  ]
  for (const [kind, use] of kinds) {
    it(`${kind} is released, and leaves no timer`, () => {
      const { interrupted, tooLate } = Simulation.sweep(Effect.gen(function*() {
        const clock = yield* counting
        let open = 0
        const work = Effect.acquireUseRelease(Effect.sync(() => open++), () => use, () => Effect.sync(() => open--))
        return {
          calls: [work.pipe(Timeout.timeout(10), Deadline.within(15), Effect.withClock(clock))],
          // When nothing else is to be done at this instant.
          check: ([exit]) =>
            Effect.map(Effect.sleep(0), () => {
              assert.strictEqual(open, 0, String(exit))
              assert.strictEqual(clock.pending, 0, String(exit))
            })
        }
      }))
      assert.isAbove(interrupted + tooLate, 20)
    })
  }
})
