import { Duration, Equal, Hash, pipe } from "effect"
import * as fc from "fast-check"
import { readFileSync } from "node:fs"
import { assert, describe, it } from "vitest"
import * as Backoff from "../../src/core/Backoff.ts"
import { durationMillis, integerIn, InvalidOption, numberIn } from "../../src/core/InvalidOption.ts"

const law = <Ts>(property: fc.IProperty<Ts>): void => fc.assert(property, { numRuns: 2000 })

const base = fc.oneof(fc.integer({ min: 1, max: 10_000 }), fc.double({ min: 1, max: Backoff.maxDelay, noNaN: true }))
const factor = fc.oneof(fc.constantFrom(1, 1.5, 2, 3, 10), fc.double({ min: 1, max: 1e300, noNaN: true }))
const cap = fc.oneof(fc.integer({ min: 1, max: 60_000 }), fc.double({ min: 1, max: Backoff.maxDelay, noNaN: true }))
const ratio = fc.oneof(fc.constantFrom(0.1, 0.2, 1), fc.double({ min: 0.000_001, max: 1, noNaN: true }))
const index = fc.oneof(
  fc.integer({ min: 0, max: 40 }),
  fc.constantFrom(1017, 1018, 1020, 1024, 1466, 1_000_000),
  fc.integer({ min: 0, max: 1_000_000 })
)
/** A sound draw, as `Random.next` gives it. */
const draw = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
/** Everything a number can be: NaN, infinities, -0 and the rest. */
const anything = fc.oneof(fc.constantFrom(NaN, Infinity, -Infinity, -0, -1, 2, 0.5, 1.5), fc.double())

const stepped = fc.oneof(
  base.map((b) => Backoff.constant(b)),
  fc.tuple(base, base).map(([b, step]) => Backoff.linear(b, step)),
  fc.tuple(base, factor).map(([b, f]) => Backoff.exponential(b, f)),
  base.map((b) => Backoff.fibonacci(b))
)
const grown = fc.oneof(
  { weight: 4, arbitrary: stepped },
  { weight: 1, arbitrary: fc.tuple(base, factor).map(([b, f]) => Backoff.decorrelated(b, f)) }
)
const jitter = fc.oneof(
  fc.constant(Backoff.withoutJitter),
  fc.constant(Backoff.fullJitter),
  fc.constant(Backoff.equalJitter),
  ratio.map((r) => Backoff.proportionalJitter(r))
)
const backoff = fc.tuple(grown, jitter, fc.option(cap, { nil: undefined })).map(([self, jittered, limit]) =>
  limit === undefined ? jittered(self) : Backoff.capped(jittered(self), limit)
)

/** The widest and the narrowest end that can be reached, each delay the longest possible. */
const longestPath = (self: Backoff.Backoff, n: number): ReadonlyArray<Backoff.Interval> => {
  const intervals: Array<Backoff.Interval> = []
  while (intervals.length < n) {
    intervals.push(Backoff.bounds(self, { index: intervals.length, previous: intervals.at(-1)?.atMost }))
  }
  return intervals
}

describe("the table of the module", () => {
  const source = readFileSync(new URL("../../src/core/Backoff.ts", import.meta.url), "utf8")
  const rows = source.split("\n")
    .filter((line) => line.startsWith(" * | `Backoff."))
    .map((line) => line.slice(4, -1).split("|").map((cell) => cell.trim()).filter((cell) => cell !== ""))

  it("has a row for every kind of growth and jitter", () => {
    const text = rows.map(([expression]) => expression).join("\n")
    for (const kind of ["constant", "linear", "exponential", "fibonacci", "decorrelated", "fullJitter", "equalJitter", "proportionalJitter"]) {
      assert.include(text, `Backoff.${kind}`)
    }
  })

  it.each(rows)("%s", (expression, ...cells) => {
    const self = new Function("Backoff", `return ${expression!.replaceAll("`", "")}`)(Backoff) as Backoff.Backoff
    const printed = longestPath(self, 5).map(({ atLeast, atMost }) => atLeast === atMost ? `${atLeast}` : `${atLeast}..${atMost}`)
    assert.deepStrictEqual(printed, cells)
  })
})

describe("growth", () => {
  it("doubles unless another factor is given", () => {
    assert.deepStrictEqual(Backoff.take(Backoff.exponential("100 millis"), 5), [100, 200, 400, 800, 1600])
    assert.deepStrictEqual(Backoff.take(Backoff.exponential("100 millis", 10), 3), [100, 1000, 10_000])
  })

  it("keeps the base when the factor is 1 or the step is 0", () => {
    assert.deepStrictEqual(Backoff.take(Backoff.exponential(70, 1), 4), [70, 70, 70, 70])
    assert.deepStrictEqual(Backoff.take(Backoff.linear(70, 0), 4), [70, 70, 70, 70])
  })

  it("takes the base as the step of a line", () => {
    assert.deepStrictEqual(Backoff.take(Backoff.linear("1 second"), 3), [1000, 2000, 3000])
  })

  it("triples the previous delay at most when it is decorrelated", () => {
    const self = Backoff.decorrelated(100)
    assert.deepStrictEqual(Backoff.bounds(self, { index: 1, previous: 250 }), { atLeast: 100, atMost: 750 })
    assert.deepStrictEqual(Backoff.bounds(self, { index: 1, previous: 20 }), { atLeast: 100, atMost: 100 })
    assert.deepStrictEqual(Backoff.bounds(self, { index: 1, previous: -Infinity }), { atLeast: 100, atMost: 100 })
    assert.deepStrictEqual(Backoff.bounds(self, { index: 1, previous: Infinity }), { atLeast: 100, atMost: Backoff.maxDelay })
  })

  it("starts a decorrelated sequence at the base, whatever the previous delay is", () => {
    const self = Backoff.decorrelated(100)
    for (const previous of [undefined, 0, 7000, NaN]) {
      assert.deepStrictEqual(Backoff.bounds(self, { index: 0, previous }), { atLeast: 100, atMost: 300 })
    }
    for (const previous of [undefined, NaN]) {
      assert.deepStrictEqual(Backoff.bounds(self, { index: 5, previous }), { atLeast: 100, atMost: 300 })
    }
  })

  it("counts an index that is not a positive integer as 0", () => {
    for (const strange of [-1, -1e9, 0.5, 1.5, NaN, Infinity, -Infinity]) {
      assert.strictEqual(Backoff.delay(Backoff.exponential(100), { index: strange, draw: 0 }), 100, `${strange}`)
    }
  })

  it.each([25, 26, 1017, 1018, 1019, 1020, 1023, 1024, 1466, 10_000, 1_000_000, Number.MAX_SAFE_INTEGER, 1e300])(
    "is at the longest delay, not at 0, at index %d",
    (far) => {
      for (const self of [Backoff.exponential(100), Backoff.fibonacci("30 minutes"), Backoff.linear("20 days")]) {
        assert.strictEqual(Backoff.delay(self, { index: far, draw: 0.5 }), Backoff.maxDelay)
      }
    }
  )

  it("reaches the longest delay from below", () => {
    // 100 * 2^24 is below 2^31, 100 * 2^25 is above.
    assert.strictEqual(Backoff.delay(Backoff.exponential(100), { index: 24, draw: 0 }), 1_677_721_600)
    assert.strictEqual(Backoff.delay(Backoff.exponential(100), { index: 25, draw: 0 }), Backoff.maxDelay)
    // F(45) = 1134903170 and F(46) = 1836311903 are below, F(47) is above.
    assert.strictEqual(Backoff.delay(Backoff.fibonacci(1), { index: 45, draw: 0 }), 1_836_311_903)
    assert.strictEqual(Backoff.delay(Backoff.fibonacci(1), { index: 46, draw: 0 }), Backoff.maxDelay)
  })
})

describe("draw", () => {
  const self = Backoff.constant(1000).pipe(Backoff.equalJitter)

  it.each([[0, 500], [0.5, 750], [1, 1000], [-1, 500], [-Infinity, 500], [1.5, 1000], [Infinity, 1000], [NaN, 1000]])(
    "%d gives %d of 500..1000",
    (drawn, expected) => assert.strictEqual(Backoff.delay(self, { index: 0, draw: drawn }), expected)
  )

  it("rounds to the nearest millisecond", () => {
    assert.strictEqual(Backoff.delay(Backoff.constant(1.4), { index: 0, draw: 0 }), 1)
    assert.strictEqual(Backoff.delay(Backoff.constant(1.5), { index: 0, draw: 0 }), 2)
  })

  it("does not round above a cap that is a fraction", () => {
    assert.strictEqual(Backoff.delay(Backoff.capped(Backoff.constant(10), 1.9), { index: 0, draw: 0 }), 1)
  })
})

describe("combinators", () => {
  it("are data-first and data-last", () => {
    const self = Backoff.exponential(100)
    assert.deepStrictEqual(Backoff.capped(self, 500), self.pipe(Backoff.capped(500)))
    assert.deepStrictEqual(Backoff.proportionalJitter(self, 0.3), self.pipe(Backoff.proportionalJitter(0.3)))
    assert.deepStrictEqual(Backoff.take(self, 3, 0), self.pipe(Backoff.take(3, 0)))
    assert.deepStrictEqual(Backoff.bounds(self, { index: 3 }), self.pipe(Backoff.bounds({ index: 3 })))
    assert.deepStrictEqual(Backoff.delay(self, { index: 3, draw: 0 }), self.pipe(Backoff.delay({ index: 3, draw: 0 })))
  })

  it("give a ratio of 0.2 in each way of asking for the default", () => {
    const self = Backoff.constant(1000)
    const expected: Backoff.Jitter = { _tag: "Proportional", ratio: 0.2 }
    assert.deepStrictEqual(self.pipe(Backoff.proportionalJitter()).jitter, expected)
    assert.deepStrictEqual(Backoff.proportionalJitter(self).jitter, expected)
    assert.deepStrictEqual(self.pipe(Backoff.proportionalJitter).jitter, expected)
  })

  it("leave the original as it was", () => {
    const self = Backoff.exponential(100)
    self.pipe(Backoff.capped(500), Backoff.fullJitter)
    assert.deepStrictEqual(Backoff.take(self, 4, 0), [100, 200, 400, 800])
  })

  it("keep the last jitter only", () => {
    const self = Backoff.exponential(100)
    assert.deepStrictEqual(self.pipe(Backoff.fullJitter, Backoff.equalJitter), self.pipe(Backoff.equalJitter))
    assert.deepStrictEqual(self.pipe(Backoff.fullJitter, Backoff.withoutJitter), self)
  })

  it("make the growth constant when the cap is below the base", () => {
    assert.deepStrictEqual(Backoff.take(Backoff.exponential(1000).pipe(Backoff.capped(300)), 3), [300, 300, 300])
    assert.deepStrictEqual(Backoff.take(Backoff.decorrelated(1000).pipe(Backoff.capped(300)), 3, 0), [300, 300, 300])
  })
})

describe("laws", () => {
  it("every delay is a finite integer from 0 to the cap, whatever the step and the draw are", () => {
    law(fc.property(backoff, fc.oneof(index, anything), fc.option(anything, { nil: undefined }), anything, (self, at, previous, drawn) => {
      const delay = Backoff.delay(self, { index: at, previous, draw: drawn })
      assert.isTrue(Number.isSafeInteger(delay), `${delay}`)
      assert.isFalse(Object.is(delay, -0))
      assert.isAtLeast(delay, 0)
      assert.isAtMost(delay, Math.min(self.cap, Backoff.maxDelay))
    }))
  })

  it("the interval is within 0 and the cap, and holds the delay to the nearest millisecond", () => {
    law(fc.property(backoff, index, fc.option(anything, { nil: undefined }), draw, (self, at, previous, drawn) => {
      const { atLeast, atMost } = Backoff.bounds(self, { index: at, previous })
      assert.isTrue(0 <= atLeast && atLeast <= atMost && atMost <= self.cap, `${atLeast}..${atMost}`)
      const delay = Backoff.delay(self, { index: at, previous, draw: drawn })
      assert.isAtLeast(delay, Math.floor(atLeast))
      assert.isAtMost(delay, Math.ceil(atMost))
    }))
  })

  it("a larger draw is never a shorter delay, and the ends of the draw are the ends of the interval", () => {
    const whole = fc.tuple(
      fc.integer({ min: 2, max: 1000 }).chain((b) => fc.constantFrom(Backoff.constant(2 * b), Backoff.linear(2 * b), Backoff.exponential(2 * b))),
      fc.constantFrom(Backoff.withoutJitter, Backoff.fullJitter, Backoff.equalJitter)
    ).map(([self, jittered]) => jittered(self))
    law(fc.property(whole, fc.integer({ min: 0, max: 15 }), draw, draw, (self, at, a, b) => {
      const delay = (drawn: number) => Backoff.delay(self, { index: at, draw: drawn })
      assert.isAtMost(delay(Math.min(a, b)), delay(Math.max(a, b)))
      assert.deepStrictEqual({ atLeast: delay(0), atMost: delay(1) }, Backoff.bounds(self, { index: at }))
    }))
  })

  it("growth never shrinks from one index to the next", () => {
    law(fc.property(stepped, jitter, cap, index, (self, jittered, limit, at) => {
      const capped = jittered(self).pipe(Backoff.capped(limit))
      const [here, next] = [Backoff.bounds(capped, { index: at }), Backoff.bounds(capped, { index: at + 1 })]
      // Powers of a fraction are exact to 16 digits, so two that are equal may differ in the last one.
      assert.isAtLeast(next.atMost, here.atMost * (1 - 1e-12))
      assert.isAtLeast(next.atLeast, here.atLeast * (1 - 1e-12))
    }))
  })

  it("a decorrelated delay is at least the base, at most the cap, and at most factor times the one before", () => {
    law(fc.property(fc.integer({ min: 1, max: 1000 }), fc.constantFrom(1, 2, 3), fc.integer({ min: 1000, max: 60_000 }), fc.array(draw, { minLength: 1, maxLength: 20 }), (from, times, limit, draws) => {
      const self = Backoff.decorrelated(from, times).pipe(Backoff.capped(limit))
      let previous: number | undefined
      for (const [at, drawn] of draws.entries()) {
        const delay = Backoff.delay(self, { index: at, previous, draw: drawn })
        assert.isAtLeast(delay, from)
        assert.isAtMost(delay, Math.min(limit, times * (previous ?? from)))
        previous = delay
      }
    }))
  })

  it("jitter is still there at the cap", () => {
    const limit = fc.integer({ min: 10, max: 60_000 })
    law(fc.property(stepped, limit, fc.constantFrom(Backoff.fullJitter, Backoff.equalJitter, Backoff.proportionalJitter(0.5)), index, (self, at, jittered, i) => {
      const capped = Backoff.exponential(at).pipe(jittered, Backoff.capped(at))
      assert.isBelow(Backoff.delay(capped, { index: i, draw: 0.2 }), Backoff.delay(capped, { index: i, draw: 0.8 }))
      const wide = Backoff.bounds(jittered(self).pipe(Backoff.capped(at)), { index: i })
      assert.isBelow(wide.atLeast, wide.atMost)
    }))
  })

  it("full jitter is 0..d, equal jitter d/2..d, proportional jitter d(1-r)..d(1+r) cut at the cap", () => {
    law(fc.property(stepped, cap, ratio, index, (self, limit, r, at) => {
      const capped = self.pipe(Backoff.capped(limit))
      const d = Backoff.bounds(capped, { index: at }).atMost
      assert.deepStrictEqual(Backoff.bounds(capped, { index: at }), { atLeast: d, atMost: d })
      assert.deepStrictEqual(Backoff.bounds(Backoff.fullJitter(capped), { index: at }), { atLeast: 0, atMost: d })
      assert.deepStrictEqual(Backoff.bounds(Backoff.equalJitter(capped), { index: at }), { atLeast: d / 2, atMost: d })
      assert.deepStrictEqual(Backoff.bounds(Backoff.proportionalJitter(capped, r), { index: at }), {
        atLeast: d * (1 - r),
        atMost: Math.min(d * (1 + r), capped.cap)
      })
    }))
  })

  it("the order of cap and jitter in a pipe does not matter", () => {
    law(fc.property(grown, jitter, cap, (self, jittered, limit) => {
      assert.deepStrictEqual(self.pipe(jittered, Backoff.capped(limit)), self.pipe(Backoff.capped(limit), jittered))
    }))
  })

  it("of two caps the smaller one holds, in either order", () => {
    law(fc.property(backoff, cap, cap, (self, a, b) => {
      const smaller = self.pipe(Backoff.capped(Math.min(a, b)))
      assert.deepStrictEqual(self.pipe(Backoff.capped(a), Backoff.capped(b)), smaller)
      assert.deepStrictEqual(self.pipe(Backoff.capped(b), Backoff.capped(a)), smaller)
    }))
  })

  it("taking is stepping", () => {
    law(fc.property(backoff, fc.integer({ min: 0, max: 12 }), draw, (self, n, drawn) => {
      const delays: Array<number> = []
      for (let at = 0; at < n; at++) delays.push(Backoff.delay(self, { index: at, previous: delays[at - 1], draw: drawn }))
      assert.deepStrictEqual(Backoff.take(self, n, drawn), delays)
    }))
  })
})

describe("a value", () => {
  const make = () => Backoff.exponential("100 millis").pipe(Backoff.capped("5 seconds"), Backoff.fullJitter)

  it("is equal to another with the same data", () => {
    assert.isTrue(Equal.equals(make(), make()))
    assert.strictEqual(Hash.hash(make()), Hash.hash(make()))
    assert.isFalse(Equal.equals(make(), make().pipe(Backoff.capped("4 seconds"))))
    assert.isFalse(Equal.equals(make(), make().pipe(Backoff.equalJitter)))
    assert.isFalse(Equal.equals(make(), Backoff.exponential("101 millis").pipe(Backoff.capped("5 seconds"), Backoff.fullJitter)))
    assert.notStrictEqual(Hash.hash(make()), Hash.hash(Backoff.constant(1)))
    // Without the hash, which differs first: two hashes may collide.
    assert.isTrue(make()[Equal.symbol](make()))
    assert.isFalse(make()[Equal.symbol](Backoff.constant(1)))
  })

  it("is not equal to plain data that looks like it", () => {
    assert.isFalse(Equal.equals(make(), JSON.parse(JSON.stringify(make()))))
    assert.isFalse(make()[Equal.symbol](JSON.parse(JSON.stringify(make()))))
  })

  it("survives JSON", () => {
    assert.deepStrictEqual(JSON.parse(JSON.stringify(make())), {
      _id: "Backoff",
      growth: { _tag: "Exponential", base: 100, factor: 2 },
      jitter: { _tag: "Full" },
      cap: 5000
    })
  })

  it("is known by its guard, and to another copy of the package", () => {
    assert.isTrue(Symbol.for("effect-resilience/Backoff") in make())
    assert.isTrue(Backoff.isBackoff(make()))
    assert.isFalse(Backoff.isBackoff({ growth: make().growth, jitter: make().jitter, cap: 1 }))
    assert.isFalse(Backoff.isBackoff(undefined))
  })

  it.each<[Backoff.Backoff, string]>([
    [make(), "exponential 100ms x2, full jitter, at most 5s"],
    [Backoff.constant(0), "constant 0ms"],
    [Backoff.constant("90 seconds").pipe(Backoff.equalJitter), "constant 1m 30s, equal jitter"],
    [Backoff.linear(100, 50), "linear 100ms +50ms"],
    [Backoff.linear(100, 0), "linear 100ms +0ms"],
    [Backoff.exponential(100, 1.5), "exponential 100ms x1.5"],
    [Backoff.fibonacci(100).pipe(Backoff.proportionalJitter(0.07)), "fibonacci 100ms, 7% jitter"],
    [Backoff.decorrelated("1 second").pipe(Backoff.capped("1 minute")), "decorrelated 1s x3, at most 1m"],
    [Backoff.constant(1).pipe(Backoff.capped(Backoff.maxDelay)), "constant 1ms"]
  ])("describes itself %#", (self, line) => {
    assert.strictEqual(Backoff.describe(self), line)
    assert.strictEqual(`${self}`, `Backoff(${line})`)
  })

  it("shows its data to an inspector", () => {
    const inspect = Symbol.for("nodejs.util.inspect.custom")
    const self = make() as unknown as Record<symbol, () => unknown>
    assert.deepStrictEqual(self[inspect]!(), JSON.parse(JSON.stringify(make())))
  })

  it("pipes", () => assert.strictEqual(pipe(make(), Backoff.describe), make().pipe(Backoff.describe)))
})

/** Durations that are never right, as a program in JavaScript or a config file may hold them. */
const nonsense: ReadonlyArray<readonly [string, unknown]> = [
  ["-1", -1],
  ["-0.001", -0.001],
  ["NaN", NaN],
  ["Infinity", Infinity],
  ["-Infinity", -Infinity],
  ["1e300", 1e300],
  ["2^31", 2 ** 31],
  ["'5'", "5"],
  ["'5 sec'", "5 sec"],
  ["'1e3 millis'", "1e3 millis"],
  ["'NaN seconds'", "NaN seconds"],
  ["'-5 seconds'", "-5 seconds"],
  ["400 digits", `${"9".repeat(400)} millis`],
  ["-1n", -1n],
  ["[NaN, 0]", [NaN, 0]],
  ["[0, -1]", [0, -1]],
  ["[Infinity, 0]", [Infinity, 0]],
  ["[1e300, 0]", [1e300, 0]],
  ["[1]", [1]],
  ["Duration.infinity", Duration.infinity],
  ["null", null],
  ["undefined", undefined],
  ["{}", {}],
  ["true", true]
]

const refused = (make: () => unknown, option: string, requirement?: string): InvalidOption => {
  try {
    make()
  } catch (error) {
    assert.instanceOf(error, InvalidOption)
    assert.strictEqual(error.option, option)
    if (requirement !== undefined) assert.strictEqual(error.requirement, requirement)
    return error
  }
  return assert.fail(`${option} was accepted`)
}

describe("construction", () => {
  const constructors: ReadonlyArray<readonly [string, string, (input: Duration.DurationInput) => unknown]> = [
    ["constant", "delay", Backoff.constant],
    ["linear", "base", (input) => Backoff.linear(input, 1)],
    ["linear", "step", (input) => Backoff.linear(1, input)],
    ["exponential", "base", (input) => Backoff.exponential(input)],
    ["fibonacci", "base", Backoff.fibonacci],
    ["decorrelated", "base", (input) => Backoff.decorrelated(input)],
    ["capped", "cap", (input) => Backoff.capped(Backoff.constant(1), input)]
  ]

  it.each(constructors)("%s refuses nonsense for %s", (where, option, make) => {
    for (const [label, input] of nonsense) {
      // `undefined` asks for the default step.
      if (option === "step" && input === undefined) continue
      const error = refused(() => make(input as Duration.DurationInput), option)
      assert.strictEqual(error.where, `Backoff.${where}`, label)
      assert.deepStrictEqual(error.value, input)
    }
  })

  it.each(constructors)("%s draws the line of %s at the right number", (where, option, make) => {
    const zeroIsSound = where === "constant" || option === "step"
    for (const zero of [0, -0, "0 millis", 0n, Duration.zero, [0, 0]] as const) {
      if (zeroIsSound) make(zero)
      else refused(() => make(zero), option, `a finite duration >= 1 ms and <= 2147483647 ms`)
    }
    if (!zeroIsSound) refused(() => make(0.999), option)
    make(1)
    make("1 millis")
    make(Backoff.maxDelay)
    refused(() => make(Backoff.maxDelay + 1), option)
    refused(() => make("25 days"), option)
  })

  it.each([NaN, 0, -1, 0.999, Infinity, -Infinity])("refuses a factor of %d", (wrong) => {
    const requirement = "a finite number >= 1"
    assert.strictEqual(refused(() => Backoff.exponential(1, wrong), "factor", requirement).where, "Backoff.exponential")
    assert.strictEqual(refused(() => Backoff.decorrelated(1, wrong), "factor", requirement).where, "Backoff.decorrelated")
  })

  it("says what is wrong with a factor", () => {
    assert.strictEqual(
      refused(() => Backoff.exponential(100, NaN), "factor").message,
      "Backoff.exponential: factor must be a finite number >= 1, got NaN"
    )
  })

  it.each([NaN, 0, -0, -0.1, 1.000_000_1, Infinity])("refuses a ratio of %d", (wrong) => {
    const requirement = "a finite number > 0 and <= 1"
    refused(() => Backoff.constant(1).pipe(Backoff.proportionalJitter(wrong)), "ratio", requirement)
    const error = refused(() => Backoff.proportionalJitter(Backoff.constant(1), wrong), "ratio", requirement)
    assert.strictEqual(error.where, "Backoff.proportionalJitter")
  })

  it("accepts a ratio of 1, which is 0..2d", () => {
    const self = Backoff.constant(100).pipe(Backoff.proportionalJitter(1))
    assert.deepStrictEqual(Backoff.bounds(self, { index: 0 }), { atLeast: 0, atMost: 200 })
  })

  it.each([-1, 0.5, NaN, Infinity])("refuses to take %d delays", (wrong) => {
    assert.strictEqual(refused(() => Backoff.take(Backoff.constant(1), wrong), "n", "an integer >= 0").where, "Backoff.take")
  })
})

describe("InvalidOption", () => {
  it("is an error that carries what was asked for and what was given", () => {
    const error = refused(() => integerIn("Retry.make", "maxAttempts", 0, { min: 1, max: 10 }), "maxAttempts")
    assert.instanceOf(error, Error)
    assert.strictEqual(`${error}`, "InvalidOption: Retry.make: maxAttempts must be an integer >= 1 and <= 10, got 0")
    assert.deepStrictEqual({ ...error }, {
      name: "InvalidOption",
      where: "Retry.make",
      option: "maxAttempts",
      value: 0,
      requirement: "an integer >= 1 and <= 10"
    })
  })

  it.each<[unknown, string]>([
    ["5 sec", `"5 sec"`],
    ["x".repeat(61), `"${"x".repeat(60)}..."`],
    ["x".repeat(60), `"${"x".repeat(60)}"`],
    [-12n, "-12n"],
    [null, "null"],
    [undefined, "undefined"],
    [{ secret: "canary" }, "an object"],
    [["canary"], "an array"],
    [() => "canary", "a function"],
    [Symbol("s"), "Symbol(s)"],
    [Duration.infinity, "Duration(Infinity)"]
  ])("prints a wrong value shortly and safely: %#", (value, printed) => {
    const { message } = refused(() => durationMillis("a", "b", value as Duration.DurationInput, { max: 1 }), "b")
    assert.strictEqual(message, `a: b must be a finite duration >= 0 ms and <= 1 ms, got ${printed}`)
  })

  it("accepts a number in its range, both ends from both sides", () => {
    const within = { min: 1, max: 2 }
    assert.deepStrictEqual([1, 1.5, 2].map((n) => numberIn("a", "b", n, within)), [1, 1.5, 2])
    for (const wrong of [0.999, 2.001, NaN, Infinity, -Infinity, "1", null, undefined, 1n]) {
      refused(() => numberIn("a", "b", wrong, within), "b", "a finite number >= 1 and <= 2")
    }
    assert.strictEqual(numberIn("a", "b", Number.MIN_VALUE, { minExclusive: 0 }), Number.MIN_VALUE)
    refused(() => numberIn("a", "b", 0, { minExclusive: 0 }), "b", "a finite number > 0")
    refused(() => numberIn("a", "b", Infinity), "b", "a finite number")
    assert.strictEqual(numberIn("a", "b", -5), -5)
  })

  it("accepts an integer in its range, both ends from both sides", () => {
    const within = { min: 1, max: 10 }
    assert.deepStrictEqual([1, 10].map((n) => integerIn("a", "b", n, within)), [1, 10])
    for (const wrong of [0, 11, 1.5, NaN, Infinity, 1e21, 2 ** 53, "3", null, undefined, 3n]) {
      refused(() => integerIn("a", "b", wrong, within), "b", "an integer >= 1 and <= 10")
    }
    refused(() => integerIn("a", "b", 2 ** 53), "b", "an integer")
    assert.strictEqual(integerIn("a", "b", 2 ** 53 - 1), 2 ** 53 - 1)
  })

  it("gives 0 for -0", () => {
    assert.isTrue(Object.is(numberIn("a", "b", -0), 0))
    assert.isTrue(Object.is(integerIn("a", "b", -0), 0))
    assert.isTrue(Object.is(durationMillis("a", "b", -0), 0))
  })

  it.each<[Duration.DurationInput, number]>([
    [0, 0],
    [1.5, 1.5],
    ["2 seconds", 2000],
    ["1500 micros", 1.5],
    [5_000_000n, 5],
    [[1, 500_000_000], 1500],
    [Duration.minutes(1), 60_000],
    ["25 days", 2_160_000_000]
  ])("reads the duration %s", (input, millis) => assert.strictEqual(durationMillis("a", "b", input), millis))

  it.each(nonsense.filter(([label]) => !["1e300", "2^31"].includes(label)))("refuses the duration %s", (_, input) => {
    refused(() => durationMillis("a", "b", input as Duration.DurationInput), "b", "a finite duration >= 0 ms")
  })

  it("can leave 0 out of a range of durations", () => {
    assert.strictEqual(durationMillis("a", "b", 0.001, { minExclusive: 0 }), 0.001)
    for (const zero of [0, "0 seconds", Duration.millis(-1), Duration.millis(NaN)] as const) {
      refused(() => durationMillis("a", "b", zero, { minExclusive: 0 }), "b", "a finite duration > 0 ms")
    }
  })
})
