import { deepStrictEqual } from "@effect/vitest/utils"
import { Cause, Clock, Duration, Effect, Exit, type Fiber, FiberId, FiberRef, type Scheduler } from "effect"
import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import * as Deadline from "../../src/strategy/Deadline.ts"
import * as Timeout from "../../src/strategy/Timeout.ts"

/** A clock with a scheduler, as the live one, on which time passes when it is told to: first timers first, each in its own tick. */
class ManualClock implements Clock.Clock {
  readonly [Clock.ClockTypeId]: Clock.ClockTypeId = Clock.ClockTypeId
  private readonly timers = new Set<{ readonly at: number; readonly task: () => void }>()
  now = 1_700_000_000_000
  readonly currentTimeMillis = Effect.sync(() => this.now)
  readonly currentTimeNanos = Effect.sync(() => this.unsafeCurrentTimeNanos())
  get pending(): number {
    return this.timers.size
  }
  unsafeCurrentTimeMillis() {
    return this.now
  }
  unsafeCurrentTimeNanos() {
    return BigInt(this.now) * 1_000_000n
  }
  readonly unsafeSchedule = (task: () => void, duration: Duration.Duration) => {
    const timer = { at: this.now + Duration.toMillis(duration), task }
    this.timers.add(timer)
    return () => this.timers.delete(timer)
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
  /** Lets time pass until no timer is left, or a fiber has ended. */
  async run(fiber: Fiber.RuntimeFiber<unknown, unknown>) {
    for (let i = 0; i < 1000 && fiber.unsafePoll() === null; i++) {
      await microtasks()
      const next = [...this.timers].sort((one, other) => one.at - other.at)[0]
      if (next === undefined) continue
      this.timers.delete(next)
      this.now = next.at
      next.task()
    }
    await microtasks()
    return fiber.unsafePoll()
  }
}

const microtasks = async () => {
  for (let i = 0; i < 20; i++) await Promise.resolve()
}

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
      fc.asyncProperty(program, async ({ end, interruptAt, limit, release, steps }) => {
        const clock = new ManualClock()
        const start = clock.now
        const [acquired, released] = [[] as Array<number>, [] as Array<number>]
        const work = Effect.acquireUseRelease(
          Effect.sync(() => acquired.push(clock.now)),
          () => Effect.zipRight(Effect.forEach(steps, (step) => Effect.sleep(step), { discard: true }), end),
          () => Effect.zipRight(release === 0 ? Effect.void : Effect.sleep(release), Effect.sync(() => released.push(clock.now)))
        )
        const fiber = Effect.runFork(Effect.withClock(Timeout.timeout(work, limit), clock))
        if (interruptAt !== undefined) {
          clock.unsafeSchedule(() => fiber.unsafeInterruptAsFork(FiberId.none), Duration.millis(interruptAt))
        }
        const exit = await clock.run(fiber)
        assert(exit !== null)
        deepStrictEqual(acquired, [start])
        assert.strictEqual(released.length, 1)
        if (interruptAt === undefined) {
          const used = steps.reduce((sum, step) => sum + step, 0)
          if (used + release < limit) deepStrictEqual<unknown>(exit, end)
          // Between the two the limit passes while the release, which may not be interrupted, goes on.
          if (used > limit) {
            assert.isTrue(isTimeout(exit), String(exit))
            deepStrictEqual(released, [start + limit + release])
          }
        }
        // Nothing is left but, perhaps, the interruption of this test itself.
        assert.isAtMost(clock.pending, interruptAt === undefined ? 0 : 1)
      }),
      { numRuns: 1000 }
    ))

  it("nested limits and deadlines: the earliest is the one that cuts", () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ kind: fc.constantFrom("timeout", "deadline"), limit: fc.integer({ min: 1, max: 50 }) }), { minLength: 1, maxLength: 5 }),
        async (limits) => {
          const clock = new ManualClock()
          const start = clock.now
          const never: Effect.Effect<never, Timeout.AttemptTimeout | Deadline.DeadlineExceeded> = Effect.async<never>(() => {})
          const limited = limits.reduce(
            (effect, { kind, limit }) => kind === "timeout" ? Timeout.timeout(effect, limit) : Deadline.within(effect, limit),
            never
          )
          const exit = await clock.run(Effect.runFork(Effect.withClock(limited, clock)))
          const earliest = Math.min(...limits.map(({ limit }) => limit))
          assert(exit !== null && Exit.isFailure(exit) && Cause.isFailType(exit.cause))
          const { error } = exit.cause
          assert(error instanceof Timeout.AttemptTimeout || error instanceof Deadline.DeadlineExceeded)
          assert.strictEqual(error.limit, earliest)
          assert.strictEqual(clock.now, start + earliest)
          assert.strictEqual(clock.pending, 0)
        }
      ),
      { numRuns: 1000 }
    ))
})

/** Yields at the k-th step of any fiber, and interrupts the first fiber there: a place where nobody looks. */
class Sweep implements Scheduler.Scheduler {
  private step = 0
  private root: { readonly unsafeInterruptAsFork: (id: FiberId.FiberId) => void } | undefined
  readonly at: number
  constructor(at: number) {
    this.at = at
  }
  get reached(): boolean {
    return this.step >= this.at
  }
  shouldYield(fiber: Parameters<Scheduler.Scheduler["shouldYield"]>[0]): number | false {
    this.root ??= fiber
    if (++this.step !== this.at) return false
    this.root.unsafeInterruptAsFork(FiberId.none)
    return 0
  }
  scheduleTask(task: () => void): void {
    queueMicrotask(task)
  }
}

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
    it(`${kind} is released, and leaves no timer`, async () => {
      let steps = 0
      for (let k = 1; k < 5000; k++) {
        const clock = new ManualClock()
        const scheduler = new Sweep(k)
        let open = 0
        const work = Effect.acquireUseRelease(Effect.sync(() => open++), () => use, () => Effect.sync(() => open--))
        const limited = work.pipe(Timeout.timeout(10), Deadline.within(15), Effect.withClock(clock))
        const exit = await clock.run(Effect.runFork(limited, { scheduler }))
        const at = `interrupted at step ${k}: ${String(exit)}`
        assert.isNotNull(exit, at)
        assert.strictEqual(open, 0, at)
        assert.strictEqual(clock.pending, 0, at)
        if (!scheduler.reached) {
          steps = k - 1
          break
        }
      }
      assert.isAbove(steps, 20)
    })
  }
})
