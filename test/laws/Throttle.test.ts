import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import * as Failure from "../../src/core/Failure.ts"
import * as Outcome from "../../src/core/Outcome.ts"
import * as Throttle from "../../src/core/Throttle.ts"

const runs = { numRuns: 1000 }

const settings = fc.record({
  k: fc.constantFrom(1, 1.1, 1.5, 2, 4),
  window: fc.integer({ min: 10, max: 2000 }),
  minimumRequests: fc.integer({ min: 0, max: 5 }),
  rejectAtMost: fc.constantFrom(0.5, 0.9, 1),
  sendEvery: fc.integer({ min: 1, max: 500 })
}).map(Throttle.settings)

const busy = Outcome.failed(Failure.throttled())
const outcome = fc.constantFrom(Outcome.success, Outcome.ignored, busy, Outcome.failed(Failure.serverFault(500)))
type Step =
  | { readonly _tag: "Time"; readonly by: number }
  | { readonly _tag: "Call"; readonly draw: number; readonly outcome: Outcome.Outcome }
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ _tag: fc.constant("Time" as const), by: fc.integer({ min: 0, max: 100 }) }) },
  { weight: 1, arbitrary: fc.record({ _tag: fc.constant("Time" as const), by: fc.integer({ min: -10_000, max: 10_000 }) }) },
  { weight: 8, arbitrary: fc.record({ _tag: fc.constant("Call" as const), draw: fc.double({ min: 0, max: 0.999, noNaN: true }), outcome }) }
)
const history = fc.array(step, { maxLength: 120 })

/** One call after another: decides, counts, and shows each decision to a witness. */
const play = (
  settings: Throttle.Settings,
  steps: ReadonlyArray<Step>,
  witness: (what: { readonly odds: Throttle.Odds; readonly now: number; readonly sent: boolean; readonly outcome: Outcome.Outcome }) => void
) => {
  let now = 1000
  let state = Throttle.initial(settings)
  for (const step of steps) {
    if (step._tag === "Time") {
      now += step.by
      continue
    }
    const odds = Throttle.odds(settings, state, now)
    const sent = !(step.draw < odds.probability)
    witness({ odds, now, sent, outcome: step.outcome })
    state = sent ? Throttle.record(Throttle.sent(state, now), step.outcome, now) : Throttle.rejected(state, now)
  }
  return { now, state }
}

describe("laws of Throttle", () => {
  it("the probability is from 0 to below 1, and that of the formula up to the most where anything is rejected", () =>
    fc.assert(
      fc.property(settings, history, (settings, steps) => {
        play(settings, steps, ({ odds: { accepts, probability, requests } }) => {
          assert.isTrue(probability >= 0 && probability < 1, String(probability))
          assert.isTrue(requests >= 0 && accepts >= 0)
          if (probability > 0) assert.strictEqual(probability, Math.min((requests - settings.k * accepts) / (requests + 1), settings.rejectAtMost))
        })
      }),
      runs
    ))

  it("a peer that accepts one in k is sent everything", () =>
    fc.assert(
      fc.property(settings, history, (settings, steps) => {
        play(settings, steps.map((step) => step._tag === "Call" ? { ...step, outcome: Outcome.success } : step), ({ sent }) => assert.isTrue(sent))
      }),
      runs
    ))

  it("nothing is rejected below the minimum, and never for as long as sendEvery", () =>
    fc.assert(
      fc.property(settings, history, (settings, steps) => {
        let sentAt = -Infinity
        play(settings, steps.map((step) => step._tag === "Call" ? { ...step, outcome: busy } : step), ({ now, odds, sent }) => {
          if (!sent) {
            assert.isAtLeast(odds.requests, settings.minimumRequests)
            assert.isBelow(now - sentAt, settings.sendEvery)
          } else sentAt = now
        })
      }),
      runs
    ))

  it("what says nothing about the peer is as if it had not been", () =>
    fc.assert(
      fc.property(settings, history, fc.nat({ max: 20 }), (settings, steps, more) => {
        const { now, state } = play(settings, steps, () => {})
        const before = Throttle.odds(settings, state, now)
        let after = state
        for (let i = 0; i < more; i++) after = Throttle.record(Throttle.sent(after, now), Outcome.ignored, now)
        const { accepts, requests } = Throttle.odds(settings, after, now)
        assert.deepStrictEqual([requests, accepts], [before.requests, before.accepts])
      }),
      runs
    ))

  it("when the window has passed nothing of it is left", () =>
    fc.assert(
      fc.property(settings, history, (settings, steps) => {
        let seen = 0
        const { state } = play(settings, steps, ({ now }) => {
          seen = Math.max(seen, now)
        })
        assert.deepStrictEqual(Throttle.odds(settings, state, seen + settings.window), { probability: 0, requests: 0, accepts: 0 })
      }),
      runs
    ))

  it("what a peer that accepts every n-th call is sent comes to about k times what it accepts", () => {
    for (const k of [1.1, 2, 4]) {
      const settings = Throttle.settings({ k, window: "1 minute" })
      let state = Throttle.initial(settings)
      let [sent, accepted, seed] = [0, 0, 1]
      for (let now = 0; now < 600_000; now += 10) {
        // The peer takes 20 a second of the 100 that are made.
        seed = seed * 48_271 % 2_147_483_647
        if (seed / 2_147_483_647 < Throttle.odds(settings, state, now).probability) {
          state = Throttle.rejected(state, now)
          continue
        }
        state = Throttle.sent(state, now)
        const accepts = accepted < now / 50
        state = Throttle.record(state, accepts ? Outcome.success : busy, now)
        if (accepts) accepted++
        if (now >= 300_000) sent++
      }
      const expected = Math.min(20 * k, 100)
      assert.closeTo(sent / 300, expected, expected * 0.15, `k = ${k}`)
    }
  })
})
