/**
 * What holds of every limit that is learned, and what is found of a peer whose capacity is known.
 */
import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import * as Average from "../../src/core/Average.ts"
import * as Failure from "../../src/core/Failure.ts"
import * as LimitPolicy from "../../src/core/LimitPolicy.ts"
import * as Outcome from "../../src/core/Outcome.ts"

const bounds = fc.record({ min: fc.integer({ min: 1, max: 20 }), more: fc.nat(200), at: fc.double({ min: 0, max: 1, noNaN: true }) }).map(
  ({ at, min, more }) => ({ min, max: min + more, initial: min + Math.floor(more * at) })
)
const policy: fc.Arbitrary<LimitPolicy.LimitPolicy> = fc.oneof(
  fc.tuple(bounds, fc.double({ min: 0.01, max: 0.99, noNaN: true }), fc.option(fc.integer({ min: 1, max: 50 }), { nil: undefined })).map(
    ([bounds, backoff, slowerThan]) => LimitPolicy.aimd({ ...bounds, backoff, slowerThan })
  ),
  fc.tuple(bounds, fc.integer({ min: 1, max: 100 }), fc.integer({ min: 1, max: 5 })).map(([bounds, window, samples]) =>
    LimitPolicy.gradient({ ...bounds, window, samples })
  )
)

const neutral = [Outcome.ignored, Outcome.failed(Failure.rejected("CircuitOpen")), Outcome.failed(Failure.serverFault(500))]
const telling = [Outcome.success, Outcome.failed(Failure.throttled()), Outcome.failed(Failure.attemptTimedOut())]
const ended = (outcomes: ReadonlyArray<Outcome.Outcome>) =>
  fc.record({
    outcome: fc.constantFrom(...outcomes),
    took: fc.oneof(fc.integer({ min: -50, max: 500 }), fc.constantFrom(0, 1e9)),
    inUse: fc.integer({ min: 1, max: 250 }),
    full: fc.boolean(),
    // The clock stands still, goes on, and is set back.
    passed: fc.oneof(fc.constant(0), fc.integer({ min: -200, max: 200 }))
  })

describe("every limit", () => {
  it("is a whole number within its bounds, whatever happens, and however the clock goes", () =>
    fc.assert(
      fc.property(policy, fc.array(ended([...neutral, ...telling]), { maxLength: 60 }), (policy, history) => {
        let now = 1_000
        let state = LimitPolicy.begin(policy, now)
        for (const { full, inUse, outcome, passed, took } of history) {
          now += passed
          state = LimitPolicy.record(policy, state, outcome, { startedAt: now - took, inUse, full }, now)
          const limit = LimitPolicy.limit(state)
          assert(Number.isSafeInteger(limit) && limit >= policy.min && limit <= policy.max, String(limit))
        }
      }),
      { numRuns: 1_000 }
    ))

  it("learns nothing from refusals, from what is ignored, and from failures with another cause", () =>
    fc.assert(
      fc.property(policy, fc.array(ended(neutral), { minLength: 1, maxLength: 20 }), (policy, history) => {
        const begun = LimitPolicy.begin(policy, 0)
        const end = history.reduce((state, { full, inUse, outcome, took }) =>
          LimitPolicy.record(policy, state, outcome, { startedAt: -took, inUse, full }, 10_000), begun)
        assert.strictEqual(end, begun)
      }),
      { numRuns: 1_000 }
    ))

  it("never grows from what is too much", () =>
    fc.assert(
      fc.property(policy, fc.array(ended(telling.slice(1)), { maxLength: 40 }), (policy, history) => {
        let state = LimitPolicy.begin(policy, 0)
        let now = 0
        for (const { full, inUse, outcome, passed, took } of history) {
          now += Math.abs(passed)
          const next = LimitPolicy.record(policy, state, outcome, { startedAt: now - took, inUse, full }, now)
          assert.isAtMost(next.limit, state.limit)
          state = next
        }
      }),
      { numRuns: 1_000 }
    ))
})

/**
 * A peer that serves so many at once, each in 100 ms, and makes the others wait. There are always callers enough. Answers with the
 * mean limit of the last third.
 */
const found = (policy: LimitPolicy.LimitPolicy, places: number, seconds: number, answers: (inUse: number) => Outcome.Outcome) => {
  let now = 0
  let state = LimitPolicy.begin(policy, now)
  const free = Array.from({ length: places }, () => 0)
  /** In the order in which they end. */
  const running: Array<{ readonly startedAt: number; readonly endsAt: number; readonly inUse: number }> = []
  const seen: Array<number> = []
  // A peer is never quite regular.
  let seed = 1
  const jitter = () => (seed = seed * 16_807 % 2_147_483_647) / 2_147_483_647
  while (now < seconds * 1_000) {
    while (running.length < LimitPolicy.limit(state)) {
      const place = free.indexOf(Math.min(...free))
      const endsAt = Math.max(now, free[place]!) + 90 + 20 * jitter()
      free[place] = endsAt
      const call = { startedAt: now, endsAt, inUse: running.length + 1 }
      const at = running.findIndex((other) => other.endsAt > endsAt)
      running.splice(at === -1 ? running.length : at, 0, call)
    }
    const { endsAt, inUse, startedAt } = running[0]!
    now = endsAt
    const full = running.length >= LimitPolicy.limit(state)
    state = LimitPolicy.record(policy, state, answers(inUse), { startedAt, inUse, full }, now)
    running.shift()
    if (now > seconds * 667) seen.push(LimitPolicy.limit(state))
  }
  return seen.reduce((sum, limit) => sum + limit, 0) / seen.length
}

describe("of a peer that serves 20 at once", () => {
  it("gradient finds no fewer than are served and not more than twice as many, from below", () => {
    const mean = found(LimitPolicy.gradient({ initial: 1 }), 20, 600, () => Outcome.success)
    assert(mean >= 18 && mean <= 45, String(mean))
  })

  it("gradient lowers a limit that was right when the peer becomes three times as slow", () => {
    const policy = LimitPolicy.gradient({ initial: 40, samples: 10 })
    let state = LimitPolicy.begin(policy, 0)
    let now = 0
    const second = (took: number) => {
      for (let i = 0; i < 50; i++) {
        now += 20
        state = LimitPolicy.record(policy, state, Outcome.success, { startedAt: now - took, inUse: LimitPolicy.limit(state), full: true }, now)
      }
    }
    for (let i = 0; i < 60; i++) second(100)
    const before = LimitPolicy.limit(state)
    for (let i = 0; i < 10; i++) second(300)
    assert.isBelow(LimitPolicy.limit(state), before)
  })

  it("aimd finds what the peer lets through before it says that it is too much", () => {
    const tooMuch = (inUse: number) => inUse > 30 ? Outcome.failed(Failure.unavailable({ status: 503 })) : Outcome.success
    for (const initial of [1, 100]) {
      const mean = found(LimitPolicy.aimd({ initial }), 30, 120, tooMuch)
      assert(mean >= 24 && mean <= 31, String(mean))
    }
  })
})

describe("Average", () => {
  it("lies between the least and the most that it was given", () =>
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 1e6, noNaN: true }), { minLength: 1 }), fc.integer({ min: 1, max: 100 }), (numbers, age) => {
        const { value } = numbers.reduce(Average.add, Average.make(age))
        assert.isAtLeast(value, Math.min(...numbers) - 1e-6)
        assert.isAtMost(value, Math.max(...numbers) + 1e-6)
      }),
      { numRuns: 1_000 }
    ))

  it("a relation is a number from -1 to 1, and 1 of what grows evenly", () =>
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.double({ min: 0, max: 1e6, noNaN: true }), fc.double({ min: 0, max: 1e6, noNaN: true })), { maxLength: 60 }), fc.integer({ min: 1, max: 9 }), (pairs, slope) => {
        const { correlation, variation } = Average.relation(pairs)
        assert(correlation >= -1 && correlation <= 1 && variation >= 0)
        const even = pairs.map((_, n) => [n, slope * n] as const)
        assert.closeTo(Average.relation(even).correlation, even.length < 10 ? 0 : 1, 1e-9)
        assert.isAtMost(Average.addPair(pairs, 1, 1, 50).length, 50)
      }),
      { numRuns: 1_000 }
    ))
})
