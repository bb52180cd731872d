import { Clock, Duration, Effect, Exit, Fiber, FiberId, type Scheduler } from "effect"
import { assert, describe, it } from "vitest"
import * as Observer from "../../src/strategy/Observer.ts"
import * as RateLimit from "../../src/strategy/RateLimit.ts"

/** A clock that is set by hand, and by whoever sleeps. */
class HandClock implements Clock.Clock {
  readonly [Clock.ClockTypeId]: Clock.ClockTypeId = Clock.ClockTypeId
  now = 0
  readonly currentTimeMillis = Effect.sync(() => this.now)
  readonly currentTimeNanos = Effect.sync(() => this.unsafeCurrentTimeNanos())
  unsafeCurrentTimeMillis() {
    return this.now
  }
  unsafeCurrentTimeNanos() {
    return BigInt(this.now) * 1_000_000n
  }
  sleep(duration: Duration.Duration) {
    const until = this.now + Duration.toMillis(duration)
    return Effect.zipRight(
      Effect.yieldNow(),
      Effect.sync(() => {
        this.now = Math.max(this.now, until)
      })
    )
  }
}

/** Yields at the k-th step of a fiber and interrupts it there. */
class Sweep implements Scheduler.Scheduler {
  private step = 0
  readonly at: number
  constructor(at: number) {
    this.at = at
  }
  get reached() {
    return this.step >= this.at
  }
  shouldYield(fiber: Parameters<Scheduler.Scheduler["shouldYield"]>[0]): number | false {
    if (++this.step !== this.at) return false
    fiber.unsafeInterruptAsFork(FiberId.none)
    return 0
  }
  scheduleTask(task: () => void): void {
    queueMicrotask(task)
  }
}

describe("RateLimit, interrupted at any of its steps", () => {
  const works: ReadonlyArray<readonly [string, Effect.Effect<unknown, string>]> = [
    ["a call that succeeds at once", Effect.void],
    ["a call that fails at once", Effect.fail("no")],
    ["a call that waits", Effect.zipRight(Effect.yieldNow(), Effect.void)],
    ["a call that dies", Effect.die("bug")]
  ]
  const algorithms = ["sliding-window", "token-bucket"] as const
  for (const algorithm of algorithms) {
    for (const inLine of [false, true]) {
      for (const [name, work] of works) {
        it(`${algorithm}: ${name}${inLine ? " after it has stood in line" : ""} has taken one if it was begun, and nothing if not`, async () => {
          let [swept, between, begunAtAll] = [0, 0, 0]
          for (let k = 1; k < 500; k++) {
            const clock = new HandClock()
            const run = <A, E>(effect: Effect.Effect<A, E>) => Effect.runPromiseExit(Effect.withClock(effect, clock))
            const limiter = Effect.runSync(RateLimit.make({ limit: 1, window: 1000, algorithm }))
            const probing = { ...limiter, onLimit: "fail" as const }
            if (inLine) await run(RateLimit.limit(Effect.void, { limiter }))
            let begun = false
            const call = RateLimit.limit(Effect.suspend(() => (begun = true, work)), { limiter })
            const scheduler = new Sweep(k)
            // Somebody listens who takes a while.
            const listener = Observer.make(() => Effect.yieldNow())
            const fiber = Effect.runFork(Effect.withClock(Observer.observe(call, listener), clock), { scheduler })
            await Effect.runPromise(Fiber.await(fiber))
            const line = limiter.lines.peek("default")
            assert.strictEqual(line?.length ?? 0, 0, `somebody is left in line at step ${k}`)
            clock.now = inLine ? 1000 : 0
            const next = await run(RateLimit.limit(Effect.void, { limiter: probing }))
            const taken = Exit.isFailure(next)
            if (begun) assert.isTrue(taken, `begun and not counted at step ${k}`)
            // Between the step that says that it begins and its own first there is one.
            if (!begun && taken) between++
            if (begun) begunAtAll++
            if (!scheduler.reached) break
            swept = k
          }
          assert.isAtMost(between, 1)
          assert.isAbove(begunAtAll, 0)
          assert.isAbove(swept, 5)
          assert.isBelow(swept, 499)
        })
      }
    }
  }

  it("in line: whoever is interrupted at whichever step, those behind it are let through as if it had never come", async () => {
    let swept = 0
    for (let k = 1; k < 500; k++) {
      const clock = new HandClock()
      const limiter = Effect.runSync(RateLimit.make({ limit: 1, window: 1000 }))
      const at: Array<number> = []
      const call = RateLimit.limit(Effect.sync(() => at.push(clock.now)), { limiter })
      const scheduler = new Sweep(k)
      const program = Effect.gen(function*() {
        yield* RateLimit.limit(Effect.void, { limiter })
        const victim = Effect.runFork(Effect.withClock(RateLimit.limit(Effect.never, { limiter }), clock), { scheduler })
        const behind = yield* Effect.fork(Effect.all([call, call], { concurrency: "unbounded" }))
        yield* Fiber.join(behind)
        yield* Effect.sync(() => victim.unsafeInterruptAsFork(FiberId.none))
        yield* Fiber.await(victim)
      })
      await Effect.runPromise(Effect.withClock(program, clock))
      assert.isAtMost(at[0]!, 2000)
      assert.strictEqual(at[1]! - at[0]!, 1000)
      assert.strictEqual(limiter.lines.peek("default")?.length, 0)
      if (!scheduler.reached) break
      swept = k
    }
    assert.isAbove(swept, 5)
  })
})
