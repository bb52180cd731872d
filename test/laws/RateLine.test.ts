/**
 * A line counts calls that taught nothing beside its state. What it answers is what the state alone would say.
 */
import { Clock } from "effect"
import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import * as Advice from "../../src/core/Advice.ts"
import * as Limiter from "../../src/core/Limiter.ts"
import { RateLine } from "../../src/strategy/RateLine.ts"

type Step =
  | { readonly _tag: "Time"; readonly by: number }
  | { readonly _tag: "Ask"; readonly cost: number }
  | { readonly _tag: "End" | "GiveBack"; readonly which: number; readonly advice: Advice.Advice }

const quota = fc.record({ name: fc.constantFrom("a", "b"), remaining: fc.nat(6), reset: fc.integer({ min: 1, max: 400 }) })
const advice: fc.Arbitrary<Advice.Advice> = fc.oneof(
  { weight: 9, arbitrary: fc.constant(Advice.silent) },
  { weight: 2, arbitrary: fc.record({ quotas: fc.array(quota, { maxLength: 2 }), throttled: fc.constantFrom("no" as const, 50) }) }
)
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ _tag: fc.constant("Time" as const), by: fc.integer({ min: -20, max: 200 }) }) },
  { weight: 5, arbitrary: fc.record({ _tag: fc.constant("Ask" as const), cost: fc.integer({ min: 1, max: 3 }) }) },
  { weight: 5, arbitrary: fc.record({ _tag: fc.constantFrom("End" as const, "End" as const, "GiveBack" as const), which: fc.nat(), advice }) }
)
const options: fc.Arbitrary<Limiter.Options> = fc.record({
  limit: fc.integer({ min: 10, max: 40 }),
  window: fc.constantFrom(100, 1000),
  algorithm: fc.constantFrom("sliding-window" as const, "token-bucket" as const)
})

describe("laws of RateLine", () => {
  it("with nobody in line, it lets through and keeps back what the limiter does", () => {
    let learnedLate = 0
    fc.assert(
      fc.property(options, fc.array(step, { minLength: 20, maxLength: 100 }), (options, steps) => {
        const settings = Limiter.settings(options)
        let now = 1000
        const clock: Clock.Clock = Object.assign(Object.create(Clock.make()), { unsafeCurrentTimeNanos: () => BigInt(now * 1e6) })
        const line = new RateLine("key", settings, now)
        let state = Limiter.initial(now)
        const out: Array<Limiter.Ticket> = []
        for (const step of steps) {
          if (step._tag === "Time") now += step.by
          else if (step._tag === "Ask") {
            const [answer, next] = Limiter.admit(settings, state, step.cost, now)
            state = next
            assert.deepStrictEqual(line.ask(step.cost, now, Infinity), answer)
            if (answer._tag === "Admitted") out.push(answer.ticket)
          } else {
            const [ticket] = out.splice(step.which % Math.max(out.length, 1), 1)
            if (ticket === undefined) continue
            if (step._tag === "GiveBack") {
              state = Limiter.giveBack(settings, state, ticket, now)
              line.giveBack(ticket, now)
            } else {
              if (step.advice.quotas.length > 0 && state.quotas.length === 0 && out.length > 0) learnedLate++
              state = Limiter.settle(settings, state, ticket, step.advice, Limiter.isPlain(state, step.advice) ? state.at : now)
              line.settle(ticket, step.advice, clock)
            }
          }
          assert.strictEqual(line.paused(now), Limiter.paused(state, now))
        }
      }),
      { numRuns: 1500 }
    )
    assert.isAbove(learnedLate, 200)
  })
})
