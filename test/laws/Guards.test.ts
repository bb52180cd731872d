/**
 * Whatever is interrupted when, every permit and every probe comes back.
 */
import * as fc from "fast-check"
import { Clock, Effect, Fiber, Option, TestClock, TestContext } from "effect"
import { assert, describe, it } from "vitest"
import * as Classifier from "../../src/core/Classifier.ts"
import * as LimitPolicy from "../../src/core/LimitPolicy.ts"
import * as Permits from "../../src/core/Permits.ts"
import * as AdaptiveLimit from "../../src/strategy/AdaptiveLimit.ts"
import * as Bulkhead from "../../src/strategy/Bulkhead.ts"
import * as CircuitBreaker from "../../src/strategy/CircuitBreaker.ts"
import * as Hedge from "../../src/strategy/Hedge.ts"
import * as Observer from "../../src/strategy/Observer.ts"
import * as RetryBudget from "../../src/strategy/RetryBudget.ts"
import * as Simulation from "../../src/testing/Simulation.ts"

/** A listener that takes its time. */
const slowly = Observer.observe(Observer.make(() => Effect.yieldNow()))
/** A clock that stands still. */
const clockAt = (now: number): Clock.Clock =>
  Object.assign(Object.create(Clock.make()), { unsafeCurrentTimeMillis: () => now, unsafeCurrentTimeNanos: () => BigInt(now * 1e6) })
const several = Effect.repeatN(Effect.yieldNow(), 3)

describe("interruption between any two operations", () => {
  for (const [name, victim] of [["of who has the permit", 0], ["of the first in line", 1], ["of the last in line", 2]] as const) {
    it(`bulkhead, ${name}: the others are sent, no permit is lost, no two are sent at once`, () => {
      const seen = new Set<string>()
      const { interrupted, tooLate } = Simulation.sweep(Effect.sync(() => {
        const bulkhead = Effect.runSync(Bulkhead.make({ permits: 1, queue: 2 }))
        let inside = 0
        let most = 0
        const body = Effect.acquireUseRelease(
          Effect.sync(() => {
            most = Math.max(most, ++inside)
          }),
          () => several,
          () => Effect.sync(() => void inside--)
        )
        const call = slowly(Bulkhead.protect(body, { bulkhead }))
        return {
          calls: [call, call, call],
          victim,
          check: (ended) => {
            const exits = ended.map(({ _tag }) => _tag)
            seen.add(exits.join())
            assert.deepStrictEqual(Effect.runSync(Bulkhead.load(bulkhead)), { limit: 1, inUse: 0, waiting: 0 })
            assert.strictEqual(most, 1)
            assert.deepStrictEqual(exits.filter((_, i) => i !== victim), ["Success", "Success"])
          }
        }
      }))
      assert.isAbove(interrupted, 50)
      assert.isAbove(tooLate, 0)
    })
  }

  it("breaker: the probe comes back, and the next call is one", () => {
    const { interrupted, tooLate } = Simulation.sweep(Effect.sync(() => {
      const breaker = Effect.runSync(CircuitBreaker.make({ tripPolicy: CircuitBreaker.consecutive(1), openDuration: 1 }))
      Effect.runSync(Effect.exit(Effect.withClock(CircuitBreaker.protect(Effect.fail("no"), { breaker }), clockAt(0))))
      const call = (effect: Effect.Effect<unknown, unknown>) =>
        Effect.withClock(slowly(CircuitBreaker.protect(effect, { breaker })), clockAt(10))
      return {
        calls: [call(several)],
        check: ([exit]) => {
          const { _tag } = Effect.runSync(Effect.withClock(CircuitBreaker.state(breaker), clockAt(10)))
          if (exit?._tag === "Success") assert.strictEqual(_tag, "Closed")
          // Half open with its probe back, or closed by a probe that had succeeded: in each case the next call is sent.
          assert.strictEqual(Effect.runSync(call(Effect.succeed("sent"))), "sent")
          assert.strictEqual(Effect.runSync(Effect.withClock(CircuitBreaker.state(breaker), clockAt(10)))._tag, "Closed")
        }
      }
    }))
    assert.isAbove(interrupted, 20)
    assert.isAbove(tooLate, 0)
  })

  for (const [name, victim] of [["of who is on the way", 0], ["of who waits", 1]] as const) {
    it(`adaptive limit, ${name}: nothing is on its way and nobody waits in the end`, () => {
      const { interrupted, tooLate } = Simulation.sweep(Effect.gen(function*() {
        const limit = yield* AdaptiveLimit.make({ policy: LimitPolicy.aimd({ initial: 1, min: 1, max: 1 }), queue: 1 })
        const call = slowly(AdaptiveLimit.protect(several, { limit }))
        return {
          calls: [call, call],
          victim,
          check: (exits) => {
            assert.strictEqual(exits[1 - victim]?._tag, "Success")
            return Effect.map(AdaptiveLimit.load(limit), ({ inUse, waiting }) => assert.deepStrictEqual([inUse, waiting], [0, 0]))
          }
        }
      }))
      assert.isAbove(interrupted, 20)
      assert.isAbove(tooLate, 0)
    })
  }

  it("hedge: a token that was paid is that of an attempt that began, or it is back", () => {
    const { interrupted, tooLate } = Simulation.sweep(Effect.gen(function*() {
      const budget = yield* RetryBudget.quota({ capacity: 10, costs: { otherwise: 1 } })
      let begun = 0
      let ended = 0
      const attempt = Effect.acquireUseRelease(Effect.sync(() => void begun++), () => Effect.sleep(100), () => Effect.sync(() => void ended++))
      return {
        calls: [Hedge.hedge(attempt, { delay: 10, maxAttempts: 3, budget })],
        check: () =>
          Effect.map(Effect.zipRight(Effect.sleep(1000), budget.balance), (balance) => {
            assert.strictEqual(ended, begun)
            // A first attempt that succeeds adds none where the quota is full.
            assert.isAtLeast(balance, 10 - Math.max(begun - 1, 0) - 1)
            assert.isAtMost(balance, 10)
          })
      }
    }))
    assert.isAbove(interrupted, 20)
    assert.isAbove(tooLate, 0)
  })

  it("a guard in a guard in a guard gives everything back", () => {
    const { interrupted } = Simulation.sweep(Effect.sync(() => {
      const outer = Effect.runSync(Bulkhead.make({ permits: 2 }))
      const inner = Effect.runSync(Bulkhead.make({ permits: 1, queue: 1 }))
      const breaker = Effect.runSync(CircuitBreaker.make())
      const call = several.pipe(
        Bulkhead.protect({ bulkhead: inner }),
        CircuitBreaker.protect({ breaker, classifier: Classifier.errors }),
        Bulkhead.protect({ bulkhead: outer })
      )
      return {
        calls: [call, call],
        victim: 1,
        check: () => {
          assert.strictEqual(Effect.runSync(Bulkhead.load(outer)).inUse, 0)
          assert.deepStrictEqual(Effect.runSync(Bulkhead.load(inner)), { limit: 1, inUse: 0, waiting: 0 })
        }
      }
    }))
    assert.isAbove(interrupted, 20)
  })
})

interface Plan {
  readonly at: number
  readonly takes: number
  readonly key: string
  readonly interruptedAt: number
}

const plan: fc.Arbitrary<Plan> = fc.record({
  at: fc.nat(20),
  takes: fc.nat(15),
  key: fc.constantFrom("a", "b"),
  interruptedAt: fc.oneof(fc.constant(Infinity), fc.nat(40))
})

describe("over random histories", () => {
  it("a bulkhead lets no more than its permits in, first come first served, and ends as it began", () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(plan, { maxLength: 12 }),
        fc.integer({ min: 1, max: 3 }),
        fc.nat(4),
        fc.constantFrom(undefined, 3, 10),
        (plans, permits, queue, maxWait) =>
          Effect.runPromise(Effect.provide(
            Effect.gen(function*() {
              const bulkhead = yield* Bulkhead.make({ permits, queue, maxWait, capacity: 1 })
              const inside = { a: 0, b: 0 } as Record<string, number>
              const served: Record<string, Array<number>> = { a: [], b: [] }
              const call = ({ at, key, takes }: Plan) =>
                Bulkhead.protect(
                  Effect.acquireUseRelease(
                    Effect.sync(() => {
                      served[key]!.push(at)
                      assert.isAtMost(inside[key] = inside[key]! + 1, permits)
                    }),
                    () => Effect.sleep(takes),
                    () => Effect.sync(() => void (inside[key] = inside[key]! - 1))
                  ),
                  { bulkhead, key }
                )
              const fibers: Array<{ readonly plan: Plan; readonly fiber: Fiber.Fiber<unknown, unknown> }> = []
              for (let now = 0; now <= 40; now++) {
                for (const each of plans) if (each.at === now) fibers.push({ plan: each, fiber: yield* Effect.fork(call(each)) })
                yield* Effect.yieldNow()
                for (const each of fibers) if (each.plan.interruptedAt === now) yield* Fiber.interruptFork(each.fiber)
                for (const key of ["a", "b"]) {
                  const load = yield* Bulkhead.load(bulkhead, key)
                  assert.isAtMost(load.inUse, permits)
                  assert.isAtMost(load.waiting, queue)
                }
                yield* TestClock.adjust(1)
              }
              yield* TestClock.adjust(1_000)
              for (const { fiber } of fibers) yield* Fiber.await(fiber)
              for (const key of ["a", "b"]) {
                assert.deepStrictEqual(yield* Bulkhead.load(bulkhead, key), { limit: permits, inUse: 0, waiting: 0 })
                assert.deepStrictEqual(served[key], [...served[key]!].sort((one, other) => one - other))
              }
            }),
            TestContext.TestContext
          ))
      ),
      { numRuns: 25 }
    ), 60_000)
})

describe("Permits.ask", () => {
  const load = fc.record({ limit: fc.integer({ min: 1, max: 9 }), inUse: fc.nat(12), waiting: fc.nat(9) })
  const left = fc.option(fc.integer({ min: -50, max: 500 })).map(Option.fromNullable)
  const settings = fc.record({ queue: fc.nat(6), maxWait: fc.option(fc.integer({ min: 1, max: 500 })).map(Option.fromNullable) })

  it("admits where a permit is free and nobody waits, lets no more wait than may, and none for longer than is left", () =>
    fc.assert(
      fc.property(settings, load, left, (settings, load, left) => {
        const answer = Permits.ask(settings, load, left)
        assert.strictEqual(answer._tag === "Admitted", load.inUse < load.limit && load.waiting === 0)
        if (answer._tag !== "Queued") return
        assert.isBelow(load.waiting, settings.queue)
        const ends = [...Option.toArray(left), ...Option.toArray(settings.maxWait)]
        assert.deepStrictEqual(Option.toArray(answer.atMost), ends.length === 0 ? [] : [Math.min(...ends)])
        assert.isAbove(Math.min(...ends), 0)
      }),
      { numRuns: 2_000 }
    ))
})
