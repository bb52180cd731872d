/**
 * Calls that a guard lets pass without a ticket that holds something: what holds of every call holds of them too.
 */
import { Clock, Effect, Exit } from "effect"
import { assert, describe, it } from "vitest"
import * as Breaker from "../../src/core/Breaker.ts"
import type * as Event from "../../src/core/Event.ts"
import * as Failure from "../../src/core/Failure.ts"
import * as Outcome from "../../src/core/Outcome.ts"
import * as BreakerStore from "../../src/strategy/BreakerStore.ts"
import * as CircuitBreaker from "../../src/strategy/CircuitBreaker.ts"
import * as Guarded from "../../src/strategy/Guarded.ts"
import * as Observer from "../../src/strategy/Observer.ts"
import * as Simulation from "../../src/testing/Simulation.ts"

const several = Effect.repeatN(Effect.yieldNow(), 3)
const works: ReadonlyArray<readonly [string, Effect.Effect<unknown, string>, Exit.Exit<unknown, string>["_tag"]]> = [
  ["succeeds at once", Effect.succeed("given"), "Success"],
  ["succeeds after a while", Effect.as(several, "given"), "Success"],
  ["fails after a while", Effect.zipRight(several, Effect.fail("no")), "Failure"],
  ["dies after a while", Effect.zipRight(several, Effect.die("bug")), "Failure"]
]
const stateOf = (breaker: CircuitBreaker.CircuitBreaker): Breaker.State => Effect.runSync(CircuitBreaker.state(breaker))
const countsOf = (state: Breaker.State) =>
  state._tag === "Closed" && state.evidence._tag === "Counted" && state.evidence.window._tag === "Calls"
    ? state.evidence.window.counts
    : assert.fail("it is closed, and counts the last calls")

describe("interruption between any two operations of a call through a closed breaker", () => {
  for (const [name, work, tag] of works) {
    it(`one that ${name} is recorded once, or not where it was interrupted, and the breaker is as good as before`, () => {
      let unrecorded = 0
      const { interrupted, tooLate } = Simulation.sweep(Effect.sync(() => {
        const tripPolicy = CircuitBreaker.rate({ threshold: 1, minimumCalls: 2, window: { calls: 2 } })
        const breaker = Effect.runSync(CircuitBreaker.make({ tripPolicy }))
        let begun = 0
        const call = CircuitBreaker.protect(Effect.suspend(() => (begun++, work)), { breaker })
        return {
          calls: [call],
          check: ([exit]) => {
            const wasInterrupted = exit !== undefined && Exit.isInterrupted(exit)
            if (!wasInterrupted) assert.strictEqual(exit?._tag, tag)
            const { calls, failures } = countsOf(stateOf(breaker))
            if (begun === 0 || name.startsWith("dies")) assert.strictEqual(calls, 0)
            if (!wasInterrupted && !name.startsWith("dies")) assert.deepStrictEqual([calls, failures], [1, name.startsWith("fails") ? 1 : 0])
            if (wasInterrupted && calls === 0) unrecorded++
            // It works: two failures in a row trip it, whatever came of the first call.
            for (let i = 0; i < 2; i++) Effect.runSync(Effect.exit(CircuitBreaker.protect(Effect.fail("no"), { breaker })))
            assert.notStrictEqual(stateOf(breaker)._tag, "Closed")
          }
        }
      }))
      assert.isAbove(interrupted, 3)
      assert.isAbove(unrecorded, 3)
      assert.isAbove(tooLate, 0)
    })
  }

  it("the call that trips it tells of that to the end, however slowly it is listened to", () => {
    let tripped = 0
    const { interrupted } = Simulation.sweep(Effect.sync(() => {
      const breaker = Effect.runSync(CircuitBreaker.make({ tripPolicy: CircuitBreaker.consecutive(1) }))
      const heard: Array<Event.Event["_tag"]> = []
      const listener = Observer.make((event) => Effect.zipRight(several, Effect.sync(() => void heard.push(event._tag))))
      const call = CircuitBreaker.protect(Effect.zipRight(several, Effect.fail("no")), { breaker })
      return {
        calls: [Observer.observe(call, listener)],
        check: () => {
          const hasTripped = stateOf(breaker)._tag !== "Closed"
          if (hasTripped) tripped++
          assert.deepStrictEqual(heard, hasTripped ? ["BreakerOpened"] : [])
        }
      }
    }))
    assert.isAbove(interrupted, 10)
    // While it is told, and afterwards.
    assert.isAbove(tripped, 5)
  })

  it("nothing that passes is a probe: half open, isolated and while it ramps up, all are asked for", () => {
    const settings = Breaker.settings({ tripPolicy: CircuitBreaker.consecutive(1), openDuration: 10, rampUp: 100 })
    const store = Effect.runSync(BreakerStore.memory().open({ name: "breaker", settings, onTransition: () => {} }))
    const pass = (key: string, now: number) => store.passing?.admit(key, now)
    const fail = Effect.runSync(store.admit("a", 0)).answer
    assert(fail._tag === "Admitted" && pass("a", 0) !== undefined)
    Effect.runSync(store.record("a", fail.ticket, Outcome.failed(Failure.unknown("no")), 0))
    assert.strictEqual(pass("a", 9), undefined)
    assert.strictEqual(pass("a", 10), undefined)
    assert.strictEqual(Effect.runSync(store.state("a", 0))._tag, "Open", "to be asked for a ticket has changed nothing")
    const probe = Effect.runSync(store.admit("a", 10)).answer
    assert(probe._tag === "Admitted" && pass("a", 10) === undefined)
    Effect.runSync(store.record("a", probe.ticket, Outcome.success, 11))
    assert.strictEqual(Effect.runSync(store.state("a", 11))._tag, "Closed")
    assert.strictEqual(pass("a", 11), undefined, "it lets calls in by and by")
    assert.strictEqual(Effect.runSync(store.admit("a", 111)).answer._tag, "Admitted")
    assert.notStrictEqual(pass("a", 111), undefined)
    Effect.runSync(store.isolate("a", 111))
    assert.strictEqual(pass("a", 111), undefined)
  })
})

describe("a guard of one's own", () => {
  /** Lets calls pass or not, and settles what has passed at once or not. */
  const make = (passes: boolean, atOnce: boolean) => {
    const told: Array<string> = []
    const guard: Guarded.Guard<string, unknown, unknown, never> = {
      passing: {
        admit: () => passes ? "passed" : undefined,
        settle: (_caller, ticket, exit) => {
          if (atOnce) told.push(`settle ${ticket}: ${exit._tag}`, "settled")
          return atOnce
        }
      },
      admit: () => Effect.succeed("admitted"),
      announce: () => Effect.void,
      begin: (ticket) => void told.push(`begin ${ticket}`),
      settle: (_caller, ticket, exit) => {
        told.push(`settle ${ticket}: ${exit._tag}`)
        return Effect.zipRight(several, Effect.flatMap(Effect.sync(() => told.push("settled")), () => exit))
      }
    }
    return { guard, told }
  }

  it("is asked to admit what it does not let pass, and to settle what it does not settle at once", () => {
    for (const atOnce of [true, false]) {
      for (const passes of [true, false]) {
        const { guard, told } = make(passes, atOnce)
        assert.strictEqual(Effect.runSync(Guarded.run(guard, "key", Effect.succeed(1))), 1)
        Effect.runSyncExit(Guarded.run(guard, "key", Effect.fail("no")))
        assert.deepStrictEqual(told, passes
          ? ["settle passed: Success", "settled", "settle passed: Failure", "settled"]
          : [
            "begin admitted", "settle admitted: Success", "settled",
            "begin admitted", "settle admitted: Failure", "settled"
          ])
      }
    }
  })

  for (const atOnce of [true, false]) {
    it(`settles what passed ${atOnce ? "at once" : "by and by"} at most once, to the end where it begins to, and always where the call is not interrupted`, () => {
      const { interrupted, tooLate } = Simulation.sweep(Effect.sync(() => {
        const { guard, told } = make(true, atOnce)
        return {
          calls: [Guarded.run(guard, "key", several)],
          check: ([exit]) => {
            if (exit?._tag === "Success" || told.length > 0) assert.deepStrictEqual(told, ["settle passed: Success", "settled"])
          }
        }
      }))
      assert.isAbove(interrupted, 10)
      assert.isAbove(tooLate, 0)
    })
  }

  it("always settles in a region that cannot be interrupted, though the fiber is", () => {
    const { interrupted } = Simulation.sweep(Effect.sync(() => {
      const { guard, told } = make(true, false)
      let begun = false
      const work = Effect.zipRight(Effect.sync(() => (begun = true)), several)
      return {
        calls: [Effect.uninterruptible(Guarded.run(guard, "key", work))],
        check: () => assert.deepStrictEqual(told, begun ? ["settle passed: Success", "settled"] : [])
      }
    }))
    assert.isAbove(interrupted, 1)
  })
})

describe("time", () => {
  it("a breaker of many keys forgets none of the failures between successes that were counted beside them", () => {
    const breaker = Effect.runSync(CircuitBreaker.make({ tripPolicy: CircuitBreaker.rate({ threshold: 0.5, minimumCalls: 4 }) }))
    const clock = { now: 0 }
    const at: Clock.Clock = Object.assign(Object.create(Clock.make()), {
      unsafeCurrentTimeMillis: () => clock.now,
      unsafeCurrentTimeNanos: () => BigInt(clock.now * 1e6)
    })
    const run = (effect: Effect.Effect<unknown, unknown>, key: string) =>
      Effect.runSync(Effect.withClock(Effect.exit(CircuitBreaker.protect(effect, { breaker, key })), at))
    for (let i = 0; i < 100; i++) for (const key of ["a", "b"]) run(Effect.void, key)
    for (let i = 0; i < 99; i++) run(Effect.fail("no"), "a")
    const state = () => Effect.runSync(Effect.withClock(CircuitBreaker.state(breaker, "a"), at))._tag
    assert.strictEqual(state(), "Closed")
    run(Effect.fail("no"), "a")
    assert.strictEqual(state(), "Open")
    assert.strictEqual(Effect.runSync(Effect.withClock(CircuitBreaker.state(breaker, "b"), at))._tag, "Closed")
  })
})
