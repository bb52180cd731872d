import { HttpClient } from "@effect/platform"
import { deepStrictEqual } from "@effect/vitest/utils"
import { Effect, Exit, FiberId, Option } from "effect"
import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import * as Breaker from "../../src/core/Breaker.ts"
import * as Failure from "../../src/core/Failure.ts"
import * as Outcome from "../../src/core/Outcome.ts"
import * as TripPolicy from "../../src/core/TripPolicy.ts"
import * as Resilience from "../../src/policy/Resilience.ts"
import * as CircuitBreaker from "../../src/strategy/CircuitBreaker.ts"
import * as HttpScript from "../../src/testing/HttpScript.ts"
import * as Simulation from "../../src/testing/Simulation.ts"

const runs = { numRuns: 2000 }

const ratio = fc.constantFrom(0.1, 0.5, 1)
const simple: fc.Arbitrary<TripPolicy.TripPolicy> = fc.oneof(
  fc.integer({ min: 1, max: 4 }).map(TripPolicy.consecutive),
  fc.tuple(ratio, fc.integer({ min: 1, max: 5 })).map(([threshold, minimumCalls]) =>
    TripPolicy.rate({ threshold, minimumCalls, window: { duration: 500 } })),
  fc.tuple(ratio, fc.integer({ min: 1, max: 5 })).map(([threshold, minimumCalls]) =>
    TripPolicy.slowRate({ slowerThan: 50, threshold, minimumCalls, window: { calls: 8 } }))
)
const tripPolicy = fc.oneof(simple, fc.tuple(simple, simple).map(([one, other]) => TripPolicy.anyOf(one, other)))
const settings: fc.Arbitrary<Breaker.Settings> = fc.record({
  tripPolicy,
  openDuration: fc.integer({ min: 1, max: 500 }),
  probes: fc.integer({ min: 1, max: 3 }),
  successes: fc.integer({ min: 1, max: 3 }),
  lease: fc.integer({ min: 1, max: 500 }),
  rampUp: fc.constantFrom(0, 300)
}).map(Breaker.settings)

const outcome: fc.Arbitrary<Outcome.Outcome> = fc.oneof(
  fc.constant(Outcome.success),
  fc.constant(Outcome.ignored),
  fc.constant(Outcome.failed(Failure.serverFault(500))),
  fc.integer({ min: 0, max: 2000 }).map((hint) => Outcome.failed(Failure.unavailable({ retryAfter: Option.some(hint) })))
)

/** What can happen: time passes, jumps or stands still; a call asks; one of those on their way ends, is interrupted, or is lost. */
type Step =
  | { readonly _tag: "Time"; readonly by: number }
  | { readonly _tag: "Ask" }
  | { readonly _tag: "End"; readonly which: number; readonly outcome: Outcome.Outcome }
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ _tag: fc.constant("Time" as const), by: fc.integer({ min: 0, max: 300 }) }) },
  { weight: 1, arbitrary: fc.record({ _tag: fc.constant("Time" as const), by: fc.integer({ min: -1e6, max: 1e6 }) }) },
  { weight: 6, arbitrary: fc.constant({ _tag: "Ask" as const }) },
  { weight: 6, arbitrary: fc.record({ _tag: fc.constant("End" as const), which: fc.nat(), outcome }) }
)
const history = fc.array(step, { maxLength: 80 })

/** Plays a history, and shows each step to a witness. */
const play = (
  settings: Breaker.Settings,
  steps: ReadonlyArray<Step>,
  witness: (what: {
    readonly step: Step
    readonly now: number
    readonly before: Breaker.State
    readonly after: Breaker.State
    readonly answer: Breaker.Answer | undefined
    readonly ended: Breaker.Ticket | undefined
    readonly out: ReadonlyArray<Breaker.Ticket>
  }) => void = () => {}
) => {
  let now = 1000
  let state: Breaker.State = Breaker.initial(settings, now)
  const out: Array<Breaker.Ticket> = []
  for (const step of steps) {
    const before = state
    let answer: Breaker.Answer | undefined
    let ended: Breaker.Ticket | undefined
    if (step._tag === "Time") now += step.by
    if (step._tag === "Ask") {
      [answer, state] = Breaker.admit(settings, state, now)
      if (answer._tag === "Admitted") out.push(answer.ticket)
    }
    if (step._tag === "End" && out.length > 0) {
      ended = out.splice(step.which % out.length, 1)[0]!
      state = Breaker.record(settings, state, ended, step.outcome, now)
    }
    witness({ step, now, before, after: state, answer, ended, out })
  }
  return { now, state, out }
}

describe("laws of Breaker", () => {
  it("probes are conserved: there are never more leases than probes, and each is held by a ticket that is out", () =>
    fc.assert(
      fc.property(settings, history, (settings, steps) => {
        play(settings, steps, ({ after, out }) => {
          if (after._tag !== "HalfOpen") return
          assert.isAtMost(after.leases.length, settings.probes)
          const held = out.filter(({ generation }) => generation === after.generation).map(({ probe }) => Option.getOrNull(probe))
          for (const { probe } of after.leases) assert.include(held, probe)
        })
      }),
      runs
    ))

  it("probes go back: when all tickets have ended, ignored, a half open breaker admits as many as it may at once", () =>
    fc.assert(
      fc.property(settings, history, (settings, steps) => {
        const { now, out, state: last } = play(settings, steps)
        let state = last
        for (const ticket of out) state = Breaker.record(settings, state, ticket, Outcome.ignored, now)
        assert.strictEqual(state._tag, last._tag)
        if (state._tag !== "HalfOpen") return
        for (let i = 0; i <= settings.probes; i++) {
          const [answer, next] = Breaker.admit(settings, state, now)
          assert.strictEqual(answer._tag, i < settings.probes ? "Admitted" : "Rejected")
          state = next
        }
      }),
      runs
    ))

  it("what an earlier generation has to say changes nothing, and each change of state begins a generation", () =>
    fc.assert(
      fc.property(settings, history, (settings, steps) => {
        play(settings, steps, ({ after, before, ended }) => {
          if (ended !== undefined && ended.generation !== before.generation) assert.strictEqual(after, before)
          if (after._tag !== before._tag) assert.strictEqual(after.generation, before.generation + 1)
          else assert.strictEqual(after.generation, before.generation)
        })
      }),
      runs
    ))

  it("never wedged: after any history, though no call on its way ever ends, a call is admitted once time has passed", () =>
    fc.assert(
      fc.property(settings, history, (settings, steps) => {
        let { now, state } = play(settings, steps)
        // One look for the breaker to see that the clock was set back.
        state = Breaker.admit(settings, state, now)[1]
        now += Math.max(settings.retryAfterAtMost, 60_000)
        assert.strictEqual(Breaker.admit(settings, state, now)[0]._tag, "Admitted")
      }),
      runs
    ))

  it("a rejection that says when is right: not a ms before, and then", () =>
    fc.assert(
      fc.property(settings, history, (settings, steps) => {
        play(settings, steps, ({ after, answer, now }) => {
          if (answer?._tag !== "Rejected" || Option.isNone(answer.retryAfter)) return
          const { value } = answer.retryAfter
          assert.isAbove(value, 0)
          assert.strictEqual(Breaker.admit(settings, after, now + value)[0]._tag, "Admitted")
          assert.strictEqual(Breaker.admit(settings, after, now + value - 1)[0]._tag, "Rejected")
        })
      }),
      runs
    ))

  it("with the clock going forward, an open breaker admits nothing before its time", () =>
    fc.assert(
      fc.property(settings, history, (settings, steps) => {
        const forward = steps.filter((step) => step._tag !== "Time" || step.by >= 0)
        play(settings, forward, ({ answer, before, now }) => {
          if (before._tag === "Open" && answer?._tag === "Admitted") assert.isAtLeast(now, before.until)
        })
      }),
      runs
    ))

  it("one that never trips admits everything, whatever happens", () =>
    fc.assert(
      fc.property(history, (steps) => {
        play(Breaker.settings({ tripPolicy: TripPolicy.never }), steps, ({ answer, after }) => {
          assert.notStrictEqual(answer?._tag, "Rejected")
          assert.strictEqual(after._tag, "Closed")
        })
      }),
      runs
    ))
})

describe("laws of CircuitBreaker", () => {
  const exit: fc.Arbitrary<Exit.Exit<number, string>> = fc.constantFrom(
    Exit.succeed(1), Exit.fail("no"), Exit.die("bug"), Exit.interrupt(FiberId.none)
  )

  it("one that never trips is the identity", () =>
    fc.assert(
      fc.property(fc.array(exit, { maxLength: 20 }), (exits) => {
        const breaker = Effect.runSync(CircuitBreaker.make({ tripPolicy: CircuitBreaker.never }))
        for (const exit of exits) deepStrictEqual(Effect.runSyncExit(CircuitBreaker.protect(exit, { breaker })), exit)
      }),
      { numRuns: 1000 }
    ))

  it("a call that is rejected sends nothing, and one that is not sends one request", () =>
    fc.assert(
      fc.property(fc.array(fc.constantFrom(200, 404, 429, 500, 503), { minLength: 1, maxLength: 30 }), (statuses) =>
        Simulation.runSync(
          Effect.gen(function*() {
            const breaker = yield* CircuitBreaker.make({ tripPolicy: CircuitBreaker.consecutive(2) })
            const client = (yield* HttpClient.HttpClient).pipe(Resilience.withCircuitBreaker({ breaker }))
            let sent = 0
            for (const _ of statuses) {
              const exit = yield* Effect.exit(client.get("http://users.test/"))
              if (Exit.isSuccess(exit)) sent++
              assert.strictEqual((yield* HttpScript.requests).length, sent)
            }
          }).pipe(Effect.provide(HttpScript.layer(statuses.map((status) => ({ status })))))
        )),
      { numRuns: 1000 }
    ))
})

describe("CircuitBreaker, interrupted at any of its steps", () => {
  const works: ReadonlyArray<readonly [string, Effect.Effect<unknown, string>]> = [
    ["a probe that succeeds at once", Effect.void],
    ["a probe that fails at once", Effect.fail("no")],
    ["a probe that waits", Effect.zipRight(Effect.yieldNow(), Effect.void)],
    ["a probe that dies", Effect.die("bug")]
  ]
  for (const [name, work] of works) {
    it(`${name} holds no lease when it has ended`, () => {
      const { interrupted, tooLate } = Simulation.sweep(Effect.gen(function*() {
        const breaker = yield* CircuitBreaker.make({ tripPolicy: CircuitBreaker.consecutive(1), openDuration: 1000, lease: "1 hour" })
        yield* Effect.exit(CircuitBreaker.protect(Effect.fail("no"), { breaker }))
        yield* Effect.sleep(1000)
        return {
          calls: [CircuitBreaker.protect(work, { breaker })],
          check: () =>
            Effect.gen(function*() {
              const state = yield* CircuitBreaker.state(breaker)
              if (state._tag === "HalfOpen") assert.deepStrictEqual(state.leases, [])
              yield* Effect.sleep("16 minutes")
              yield* CircuitBreaker.protect(Effect.void, { breaker })
            })
        }
      }))
      assert.isAbove(interrupted, 5)
      assert.isAbove(tooLate, 0)
    })
  }
})
