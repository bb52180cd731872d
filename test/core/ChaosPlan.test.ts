import { assert, describe, it } from "vitest"
import * as ChaosPlan from "../../src/core/ChaosPlan.ts"

const at = (ordinal: number, more: Partial<ChaosPlan.Position> = {}): ChaosPlan.Position =>
  ({ place: "wire", key: "GET /", attempt: 1, ordinal, ...more })

describe("make", () => {
  it("refuses what is no share", () => {
    for (const rate of [-0.01, 1.01, NaN, Infinity, -Infinity]) {
      assert.throws(() => ChaosPlan.make("T", [], [{ rate, fault: 1 }]), /T: rate must be/)
      assert.throws(() => ChaosPlan.make("T", [{ rate, latency: 1 }], []), /T: rate must be/)
    }
  })

  it("refuses shares that are more than 1 together, of faults and of latencies each for themselves", () => {
    assert.throws(() => ChaosPlan.make("T", [], [{ rate: 0.6, fault: 1 }, { rate: 0.41, fault: 2 }]), /all other faults together .* got 1\.01/)
    assert.throws(() => ChaosPlan.make("T", [{ rate: 0.6, latency: 1 }, { rate: 0.5, latency: 2 }], []), /all latencies together/)
    ChaosPlan.make("T", [{ rate: 1, latency: 1 }], [{ rate: 1, fault: 1 }])
    ChaosPlan.make("T", [], [0.7, 0.1, 0.1, 0.1].map((rate) => ({ rate, fault: 1 })))
  })

  it("refuses a latency that is none", () => {
    for (const latency of [0, -1, NaN, Infinity, 2 ** 31]) assert.throws(() => ChaosPlan.make("T", [{ rate: 1, latency }], []), /T: latency/)
    ChaosPlan.make("T", [{ rate: 1, latency: 2 ** 31 - 1 }], [])
  })

  it("knows that nothing can happen", () => {
    assert.isTrue(ChaosPlan.make("T", [], []).isEmpty)
    assert.isTrue(ChaosPlan.make("T", [{ rate: 0, latency: 1 }], [{ rate: 0, fault: 1 }]).isEmpty)
    assert.isFalse(ChaosPlan.make("T", [], [{ rate: 1e-9, fault: 1 }]).isEmpty)
  })

  it("refuses a seed that is no number", () => {
    for (const seed of [NaN, Infinity]) assert.throws(() => ChaosPlan.seed("T", seed), /T: seed/)
    assert.strictEqual(ChaosPlan.seed("T", "friday"), "friday")
    assert.strictEqual(ChaosPlan.seed("T", -0), 0)
  })
})

describe("choose", () => {
  const plan = ChaosPlan.make("T", [{ rate: 0.5, latency: 10 }], [{ rate: 0.5, fault: "x" }])
  const series = (seed: ChaosPlan.Seed, more: Partial<ChaosPlan.Position> = {}) =>
    Array.from({ length: 64 }, (_, index) => {
      const { delay, fault } = ChaosPlan.choose(plan, seed, at(index + 1, more))
      return `${delay}${fault ?? "-"}`
    }).join(" ")

  it("draws anew for each seed, place, key, attempt and ordinal, and for the latency and the fault", () => {
    const all = [
      series(1), series(2), series("1"), series(1, { place: "other" }), series(1, { key: "GET /2" }), series(1, { attempt: 2 }),
      series(1, { place: "wir", key: "e GET /" })
    ]
    assert.strictEqual(new Set(all).size, all.length)
    assert.strictEqual(new Set(series(1).split(" ")).size, 4)
  })

  it("chooses what it always chose: a run of an earlier version can be replayed", () => {
    const draws = [ChaosPlan.draw(7, "a"), ChaosPlan.draw("7", "a"), ChaosPlan.draw(7, ""), ChaosPlan.draw(7, "\u{1f600}")]
    assert.deepStrictEqual(draws.map((u) => u.toFixed(12)), ["0.235022027253", "0.103277283451", "0.938394956217", "0.580275490069"])
  })

  it("a rate of 0 never meets, whatever stands beside it, and rates of 1 together always", () => {
    const never = ChaosPlan.make("T", [], [{ rate: 0, fault: "never" }, { rate: 1, fault: "always" }, { rate: 0, fault: "never" }])
    const whole = ChaosPlan.make("T", [], Array.from({ length: 10 }, (_, index) => ({ rate: 0.1, fault: index })))
    for (let ordinal = 1; ordinal <= 5_000; ordinal++) {
      assert.strictEqual(ChaosPlan.choose(never, 1, at(ordinal)).fault, "always")
      assert.isDefined(ChaosPlan.choose(whole, 1, at(ordinal)).fault)
    }
  })
})
