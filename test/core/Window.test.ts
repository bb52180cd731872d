import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import * as Window from "../../src/core/Window.ts"

const ok = { failed: false, slow: false }
const failed = { failed: true, slow: false }
const slow = { failed: false, slow: true }
const duration = 1000
const time = Window.make("test", { duration })
const of = (calls: number) => Window.make("test", { calls })

describe("Window over time", () => {
  it("counts a call until its duration has passed, and not then", () => {
    const window = Window.add(time, failed, 5000)
    assert.deepStrictEqual(Window.counts(window, 5999), { calls: 1, failures: 1, slow: 0 })
    assert.deepStrictEqual(Window.counts(window, 6000), { calls: 0, failures: 0, slow: 0 })
  })

  it("counts a call in the middle of a bucket for nine tenths at least", () => {
    const window = Window.add(time, failed, 5099)
    assert.strictEqual(Window.counts(window, 5099 + 900).calls, 1)
    assert.strictEqual(Window.counts(window, 6000).calls, 0)
  })

  it("forgets a bucket at a time", () => {
    const window = [5000, 5100, 5100, 5900].reduce((window, at) => Window.add(window, slow, at), time)
    assert.deepStrictEqual([5900, 5999, 6000, 6099, 6100, 6899, 6900].map((now) => Window.counts(window, now).slow), [4, 4, 3, 3, 1, 1, 0])
  })

  it("a clock that stands still counts on", () => {
    let window = time
    for (let i = 0; i < 10_000; i++) window = Window.add(window, failed, 77)
    assert.strictEqual(Window.counts(window, 77).failures, 10_000)
  })

  it("a clock that was set back by an hour forgets nothing at once, and all of it one duration later", () => {
    const window = Window.add(Window.add(time, failed, 3_600_000), failed, 1000)
    assert.strictEqual(Window.counts(window, 1000).calls, 2)
    assert.strictEqual(Window.counts(window, 1999).calls, 2)
    assert.strictEqual(Window.counts(window, 2000).calls, 0)
  })

  it("what was forgotten does not come back when the clock does", () => {
    const window = Window.add(Window.add(time, failed, 5000), ok, 60_000)
    assert.deepStrictEqual(Window.counts(window, 5000), { calls: 1, failures: 0, slow: 0 })
  })

  it("a clock that jumps ahead by 100 days empties it", () => {
    assert.strictEqual(Window.counts(Window.add(time, failed, 0), 8_640_000_000).calls, 0)
  })
})

describe("Window over calls", () => {
  it("takes a million plain calls at once", () => {
    const window = Window.addPlain(Window.add(of(40), failed, 0), 1_000_000)
    assert.deepStrictEqual(Window.counts(window, 0), { calls: 40, failures: 0, slow: 0 })
  })

  it("knows the last n, whenever they were", () => {
    const window = [failed, slow, ok, failed].reduce((window, mark) => Window.add(window, mark, 0), of(3))
    assert.deepStrictEqual(Window.counts(window, 1e12), { calls: 3, failures: 1, slow: 1 })
  })
})

describe("laws of Window", () => {
  const mark = fc.record({ failed: fc.boolean(), slow: fc.boolean() })
  const sum = (marks: ReadonlyArray<Window.Mark>): Window.Counts => ({
    calls: marks.length,
    failures: marks.filter((each) => each.failed).length,
    slow: marks.filter((each) => each.slow).length
  })

  it("over calls: the counts are those of the last n", () =>
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 50 }), fc.array(mark, { maxLength: 200 }), (calls, marks) => {
        let window = of(calls)
        marks.forEach((mark, i) => {
          window = Window.add(window, mark, 0)
          assert.deepStrictEqual(Window.counts(window, 0), sum(marks.slice(Math.max(0, i + 1 - calls), i + 1)))
        })
      }),
      { numRuns: 1000 }
    ))

  it("over time: the counts are those of the buckets that are not too old, and no value is changed", () =>
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.integer({ min: 0, max: 400 }), mark), { maxLength: 100 }), (steps) => {
        let [window, now] = [time, 0]
        const past: Array<readonly [number, Window.Mark]> = []
        for (const [passed, mark] of steps) {
          now += passed
          const before = Window.counts(window, now)
          const next = Window.add(window, mark, now)
          assert.deepStrictEqual(Window.counts(window, now), before)
          window = next
          past.push([now, mark])
          const recent = past.filter(([at]) => Math.floor(now / 100) - Math.floor(at / 100) < 10)
          assert.deepStrictEqual(Window.counts(window, now), sum(recent.map(([, mark]) => mark)))
        }
      }),
      { numRuns: 1000 }
    ))

  it("so many plain calls at once are as many one by one, at the time of the last one", () =>
    fc.assert(
      fc.property(
        fc.oneof(fc.integer({ min: 1, max: 50 }).map(of), fc.constant(time)),
        fc.array(fc.tuple(fc.integer({ min: 0, max: 400 }), mark), { maxLength: 60 }),
        fc.nat(120),
        (empty, steps, calls) => {
          let [window, now] = [empty, 0]
          for (const [passed, mark] of steps) window = Window.add(window, mark, now += passed)
          assert.strictEqual(Window.isAsLast(window, now), true)
          let oneByOne = window
          for (let i = 0; i < calls; i++) oneByOne = Window.add(oneByOne, ok, now)
          assert.deepStrictEqual(Window.addPlain(window, calls), oneByOne)
        }
      ),
      { numRuns: 2000 }
    ))

  it("whatever the clock does, nothing is negative, and a still clock empties nothing", () =>
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.integer({ min: -1e7, max: 1e7 }), mark)), (steps) => {
        let window = time
        for (const [now, mark] of steps) {
          window = Window.add(window, mark, now)
          const { calls, failures, slow } = Window.counts(window, now)
          assert.isTrue(calls >= 1 && failures >= 0 && failures <= calls && slow >= 0 && slow <= calls)
        }
        const last = steps.at(-1)
        if (last !== undefined) assert.strictEqual(Window.counts(window, last[0] + duration).calls, 0)
      }),
      { numRuns: 1000 }
    ))
})

describe("Window.make", () => {
  it("refuses what cannot be", () => {
    for (const calls of [-1, 0, 1.5, NaN, Infinity, 10_001]) assert.throws(() => of(calls), /window\.calls/)
    for (const duration of [-1, 0, NaN, Infinity]) assert.throws(() => Window.make("test", { duration }), /window\.duration/)
    of(10_000)
    Window.make("test", { duration: 1 })
  })

  it("forgets at the very end of the window, where the width of a bucket is no whole number", () => {
    for (let i = 1; i < 2_000; i++) {
      const duration = 467
      const window = Window.add(Window.make("test", { duration }), { failed: false, slow: false }, i * 46.7)
      assert.strictEqual(Window.counts(window, i * 46.7 + duration).calls, 0, `${i}`)
    }
  })
})
