import { deepStrictEqual } from "@effect/vitest/utils"
import * as Option from "effect/Option"
import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import * as Quantile from "../../src/core/Quantile.ts"

const window = 3000
const empty = Quantile.make("test", { window })

interface Timed {
  readonly millis: number
  readonly now: number
}

const of = (times: ReadonlyArray<Timed>): Quantile.Quantile =>
  times.reduce((seen, { millis, now }) => Quantile.add(seen, millis, now), empty)

/** The nearest rank, by sorting. */
const exact = (times: ReadonlyArray<number>, q: number): number => {
  const sorted = [...times].sort((one, other) => one - other)
  return sorted[Math.max(1, Math.ceil(q * sorted.length - sorted.length * Number.EPSILON)) - 1] ?? NaN
}

/** Latencies as they are: some tight, some with a long tail, some that are the same. */
const latency = fc.oneof(
  fc.double({ min: 0, max: 50, noNaN: true }),
  fc.double({ min: 0, max: 15, noNaN: true }).map((x) => Math.exp(x)),
  fc.integer({ min: 0, max: 30_000 }),
  fc.constantFrom(0, 0.5, 1, 1.0000001, 2, 10, 1000, Quantile.largest)
)
const share = fc.oneof(fc.double({ min: 0, max: 1, noNaN: true }), fc.constantFrom(0, 0.5, 0.9, 0.95, 0.99, 1))
const clock = fc.double({ min: -1e6, max: 1e6, noNaN: true })
const anything = fc.oneof(fc.double(), fc.constantFrom(NaN, Infinity, -Infinity, -0, -1, 1e308))

const close = (answer: number, truth: number): boolean =>
  truth <= 1 ? answer === 1 : Math.abs(answer - truth) <= truth * (Quantile.relativeError + 1e-9)

describe("laws of Quantile", () => {
  it("an answer is within 3 % of the exact nearest rank, from 1 ms to the largest", () =>
    fc.assert(
      fc.property(fc.array(latency, { minLength: 1, maxLength: 60 }), share, clock, (times, q, now) => {
        const answer = Quantile.at(of(times.map((millis) => ({ millis, now }))), q, now)
        assert.isTrue(close(Option.getOrElse(answer, () => NaN), exact(times, q)), `${String(answer)} for ${exact(times, q)}`)
      }),
      { numRuns: 3000 }
    ))

  it("is the same in whatever order the times of one instant come", () =>
    fc.assert(
      fc.property(fc.array(latency, { maxLength: 30 }), share, (times, q) => {
        const at = (list: ReadonlyArray<number>) => Quantile.at(of(list.map((millis) => ({ millis, now: 0 }))), q, 0)
        deepStrictEqual(at(times), at([...times].sort((one, other) => other - one)))
      }),
      { numRuns: 1000 }
    ))

  it("grows with its share, and lies between what was seen least and most", () =>
    fc.assert(
      fc.property(fc.array(latency, { minLength: 1, maxLength: 30 }), share, share, (times, one, other) => {
        const seen = of(times.map((millis) => ({ millis, now: 0 })))
        const at = (q: number) => Option.getOrThrow(Quantile.at(seen, q, 0))
        assert.isAtMost(at(Math.min(one, other)), at(Math.max(one, other)))
        assert.isTrue(at(0) <= at(one) && at(one) <= at(1))
      }),
      { numRuns: 1000 }
    ))

  it("a time counts for two thirds of the window at least, and never when the whole has passed", () =>
    fc.assert(
      fc.property(latency, fc.double({ min: 0, max: 1e6, noNaN: true }), fc.integer({ min: 0, max: 9000 }), (millis, now, later) => {
        const count = Quantile.count(Quantile.add(empty, millis, now), now + later)
        if (later < window * 2 / 3) assert.strictEqual(count, 1)
        if (later >= window) assert.strictEqual(count, 0)
      }),
      { numRuns: 3000 }
    ))

  it("counts what an exact window would: no less than two thirds of it, no more than all of it", () =>
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 2500 }), { maxLength: 40 }), (gaps) => {
        const nows = gaps.map((_, i) => gaps.slice(0, i + 1).reduce((sum, gap) => sum + gap, 0))
        const now = nows.at(-1) ?? 0
        const count = Quantile.count(of(nows.map((at) => ({ millis: 5, now: at }))), now)
        assert.isAtLeast(count, nows.filter((at) => now - at < window * 2 / 3).length)
        assert.isAtMost(count, nows.filter((at) => now - at < window).length)
      }),
      { numRuns: 2000 }
    ))

  it("keeps its size, however many times there were", () =>
    fc.assert(
      fc.property(fc.array(fc.record({ millis: latency, now: clock }), { maxLength: 80 }), (times) => {
        const { turns } = of(times)
        assert.strictEqual(turns.length, 3)
        for (const pages of turns) {
          assert.strictEqual(pages.length, 16)
          for (const page of pages) {
            assert.strictEqual(page.counts.length, 16)
            assert.strictEqual(page.total, page.counts.reduce((sum, count) => sum + count, 0))
          }
        }
      }),
      { numRuns: 1000 }
    ))

  it("a clock that stands still, goes back or says nothing loses nothing that is not old, and answers no nonsense", () =>
    fc.assert(
      fc.property(
        fc.array(fc.record({ millis: anything, now: anything }), { maxLength: 30 }),
        anything,
        anything,
        (times, q, now) => {
          const seen = of(times)
          const count = Quantile.count(seen, now)
          assert.isTrue(Number.isInteger(count) && count >= 0 && count <= times.length)
          const answer = Quantile.at(seen, q, now)
          assert.strictEqual(Option.isSome(answer), count > 0)
          if (Option.isSome(answer)) assert.isTrue(answer.value >= 1 && answer.value <= Quantile.largest * 1.04)
        }
      ),
      { numRuns: 3000 }
    ))

  it("set back, the clock takes what was counted with it", () =>
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1e6 }), fc.integer({ min: 1, max: 1e6 }), (now, back) => {
        const seen = Quantile.add(Quantile.add(empty, 10, now), 10, now - back)
        assert.strictEqual(Quantile.count(seen, now - back), 2)
        assert.strictEqual(Quantile.count(seen, now - back + window), 0)
      }),
      { numRuns: 1000 }
    ))
})

describe("Quantile", () => {
  it("has these first values", () => {
    const row = (times: ReadonlyArray<number>) =>
      [0.5, 0.95, 1].map((q) => Math.round(Option.getOrThrow(Quantile.at(of(times.map((millis) => ({ millis, now: 0 }))), q, 0)) * 10) / 10)
    assert.deepStrictEqual(row([100]), [98.6, 98.6, 98.6])
    assert.deepStrictEqual(row(Array.from({ length: 100 }, (_, i) => i + 1)), [50.9, 92.8, 98.6])
    assert.deepStrictEqual(row([...Array.from({ length: 99 }, () => 10), 2000]), [10.1, 10.1, 1981.9])
    assert.deepStrictEqual(row([0]), [1, 1, 1])
  })

  it("is refused a window of no length", () => {
    for (const none of [0, -1, NaN, Infinity]) assert.throws(() => Quantile.make("test", { window: none }), /test: window/)
  })
})
