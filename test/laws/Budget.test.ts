/**
 * Laws of the budget's arithmetic, over random histories.
 */
import { it } from "@effect/vitest"
import * as fc from "fast-check"
import { assert, describe } from "vitest"
import * as Budget from "../../src/core/Budget.ts"
import * as Failure from "../../src/core/Failure.ts"

const runs = { numRuns: 2_000 }

type Step = { readonly after: number; readonly what: "success" | "resend" | "hedge" | "refund" | "failure" }

const history = (maxStep: number) =>
  fc.array(
    fc.record({
      after: fc.oneof(fc.constant(0), fc.double({ min: 0, max: maxStep, noNaN: true })),
      what: fc.constantFrom<Step["what"]>("success", "success", "success", "resend", "resend", "hedge", "refund", "failure")
    }),
    { maxLength: 150 }
  )

/** What came of a history: the times of successes, and the times and payments of resends that were not given back. */
const play = (initial: Budget.Budget, steps: ReadonlyArray<Step>) => {
  let budget = initial
  let now = 0
  const successes: Array<number> = []
  const resends: Array<{ at: number; payment: Budget.Payment; hedge: boolean }> = []
  const refused: Array<number> = []
  for (const { after, what } of steps) {
    now += after
    if (what === "success") {
      successes.push(now)
      budget = Budget.succeeded(budget, undefined, now)
    } else if (what === "failure") budget = Budget.failed(budget)
    else if (what === "refund") {
      const last = resends.pop()
      if (last !== undefined) budget = Budget.refund(budget, last.payment, now)
    } else {
      const paid = Budget.withdraw(budget, { floor: what === "resend" }, now)
      if (paid === undefined) refused.push(now)
      else {
        const [payment, rest] = paid
        budget = rest
        resends.push({ at: now, payment, hedge: what === "hedge" })
      }
    }
    assert.isAtLeast(Budget.balance(budget, now), 0)
  }
  return { budget, now, successes, resends, refused }
}

describe("laws of Budget", () => {
  const ratios = fc.record({
    ratio: fc.constantFrom(0, 0.1, 0.25, 0.29, 1, 2),
    floorPerSecond: fc.constantFrom(0, 0.5, 1, 3),
    window: fc.constantFrom(1_000, 10_000, 60_000)
  })

  it("ratio: in the window that ends with any resend, resends <= ratio x successes + reserve", () => {
    fc.assert(
      fc.property(ratios, history(2_000), (options, steps) => {
        const { resends, successes } = play(Budget.ratio(options), steps)
        const reserve = options.floorPerSecond * options.window / 1000
        for (const [index, { at }] of resends.entries()) {
          const within = (time: number) => time > at - options.window && time <= at
          const sent = resends.slice(0, index + 1).filter((each) => within(each.at)).length
          assert.isAtMost(sent, options.ratio * successes.filter(within).length + reserve + 1e-6)
        }
      }),
      runs
    )
  })

  it("ratio: a success pays for a resend while it is in the window, and never once it is not", () => {
    const around = fc.oneof(fc.double({ min: 0, max: 0.9, noNaN: true }), fc.double({ min: 0.9, max: 1.1, noNaN: true }))
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1e6, noNaN: true }), around, fc.constantFrom(1_000, 10_000), (start, age, window) => {
        const budget = Budget.succeeded(Budget.ratio({ ratio: 1, floorPerSecond: 0, window }), undefined, start)
        const paid = Budget.withdraw(budget, { floor: true }, start + age * window) !== undefined
        if (age < 0.9) assert.isTrue(paid)
        if (age >= 1) assert.isFalse(paid)
      }),
      runs
    )
  })

  it("ratio: over any span, resends <= ratio x successes of it and of the window before it + one reserve for each window begun", () => {
    fc.assert(
      fc.property(ratios, history(3_000), fc.double({ min: 0, max: 1, noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true }), (options, steps, a, b) => {
        const { now, resends, successes } = play(Budget.ratio(options), steps)
        const [from, to] = [Math.min(a, b) * now, Math.max(a, b) * now]
        const windows = Math.ceil((to - from) / options.window) + 1
        const sent = resends.filter(({ at }) => at > from && at <= to).length
        const paying = successes.filter((at) => at > from - options.window && at <= to).length
        assert.isAtMost(sent, options.ratio * paying + windows * options.floorPerSecond * options.window / 1000 + 1e-6)
      }),
      runs
    )
  })

  it("ratio: a hedge is never paid from the reserve", () => {
    fc.assert(
      fc.property(ratios, history(2_000), (options, steps) => {
        const { resends, successes } = play(Budget.ratio(options), steps.filter(({ what }) => what !== "resend"))
        for (const [index, { at }] of resends.entries()) {
          const within = (time: number) => time > at - options.window && time <= at
          const sent = resends.slice(0, index + 1).filter((each) => within(each.at)).length
          assert.isAtMost(sent, options.ratio * successes.filter(within).length + 1e-6)
        }
      }),
      runs
    )
  })

  it("what is refunded at once was never taken, for every kind", () => {
    const kinds = fc.constantFrom(Budget.ratio({ ratio: 0.5 }), Budget.throttle({ maxTokens: 10, tokenRatio: 0.1 }), Budget.quota({ capacity: 50 }))
    fc.assert(
      fc.property(kinds, history(500), fc.integer({ min: 1, max: 5 }), (initial, steps, times) => {
        const { budget, now } = play(initial, steps)
        const before = Budget.balance(budget, now)
        let then = budget
        const payments: Array<Budget.Payment> = []
        for (let i = 0; i < times; i++) {
          const paid = Budget.withdraw(then, { floor: true }, now)
          if (paid === undefined) break
          payments.push(paid[0])
          then = paid[1]
        }
        for (const payment of payments) then = Budget.refund(then, payment, now)
        assert.closeTo(Budget.balance(then, now), before, 1e-9)
      }),
      runs
    )
  })

  it("ratio: what is refunded in a later slot comes back to the slot it was taken from, and is not there twice when that one is forgotten", () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 30_000, noNaN: true }), fc.double({ min: 0, max: 30_000, noNaN: true }), (wait, later) => {
        const full = Budget.ratio({ ratio: 0, floorPerSecond: 1, window: "10 seconds" })
        const paid = Budget.withdraw(full, { floor: true }, 0)
        if (paid === undefined) return assert.fail("the reserve pays")
        const [payment, rest] = paid
        const back = Budget.refund(rest, payment, wait)
        assert.strictEqual(Budget.balance(back, wait), 10)
        assert.strictEqual(Budget.balance(back, wait + later), 10)
      }),
      runs
    )
  })

  it("a clock that is set back fills nothing and empties nothing", () => {
    fc.assert(
      fc.property(ratios, history(500), fc.double({ min: 0, max: 1e9, noNaN: true }), (options, steps, back) => {
        const { budget, now } = play(Budget.ratio(options), steps)
        const then = Budget.succeeded(Budget.ratio(options), undefined, now - back)
        assert.closeTo(Budget.balance(budget, now - back), Budget.balance(budget, now), 1e-9)
        assert.isAtMost(Budget.balance(then, now), options.ratio + options.floorPerSecond * options.window / 1000)
      }),
      runs
    )
  })

  it("throttle: tokens stay within 0 and the most, and more than half of them must be there", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1000 }), fc.double({ min: 0.001, max: 5, noNaN: true }), history(1), (maxTokens, tokenRatio, steps) => {
        const { budget } = play(Budget.throttle({ maxTokens, tokenRatio }), steps)
        const tokens = Budget.balance(budget, 0)
        assert.isTrue(tokens >= 0 && tokens <= maxTokens)
        assert.strictEqual(Budget.withdraw(budget, { floor: true }, 0) !== undefined, tokens > maxTokens / 2)
      }),
      runs
    )
  })

  it("quota: tokens stay within 0 and the capacity; what is paid is by kind, and all of it comes back where the resend succeeds", () => {
    const failures = fc.constantFrom(Failure.throttled(), Failure.unavailable(), Failure.connectionLost("ECONNRESET"))
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 500 }), fc.array(fc.tuple(failures, fc.boolean()), { maxLength: 100 }), (capacity, steps) => {
        let budget = Budget.quota({ capacity })
        for (const [failure, succeeds] of steps) {
          const before = Budget.balance(budget, 0)
          const cost = failure._tag === "Throttled" ? 5 : 14
          const paid = Budget.withdraw(budget, { failure, floor: true }, 0)
          assert.strictEqual(paid !== undefined, before >= cost)
          if (paid === undefined) continue
          assert.strictEqual(paid[0].cost, cost)
          budget = succeeds ? Budget.succeeded(paid[1], paid[0], 0) : paid[1]
          assert.strictEqual(Budget.balance(budget, 0), succeeds ? before : before - cost)
        }
        assert.strictEqual(Budget.balance(Budget.succeeded(budget, undefined, 0), 0), Math.min(capacity, Budget.balance(budget, 0) + 1))
      }),
      runs
    )
  })
})
