import { Option } from "effect"
import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import { maxDelay } from "../../src/core/Backoff.ts"
import * as RetryAfter from "../../src/core/RetryAfter.ts"

const now = Date.parse("2026-06-15T12:00:00Z")
const imf = (instant: number) => new Date(instant).toUTCString()

type Headers = Readonly<Record<string, string | undefined>>
const parsed = (value: string, clock = now) => Option.getOrUndefined(RetryAfter.parse(value, clock))
const hint = (headers: Headers, status = 429, clock = now) =>
  Option.getOrUndefined(RetryAfter.fromHeaders(headers, { now: clock, status }))

/** A delay is what a timer can wait. */
const assertDelay = (delay: number | undefined) => {
  if (delay === undefined) return
  assert.isTrue(Number.isInteger(delay) && delay >= 0 && delay <= maxDelay && !Object.is(delay, -0), `${delay}`)
}

const past = imf(now - 60_000)

/** The rows of "Retry-After / RateLimit header values". `undefined`: malformed, so that the caller's own backoff holds. */
const rows: ReadonlyArray<readonly [string, string, number | undefined]> = [
  ...["-1", "-5", "-Infinity"].map((value) => ["H-01", value, undefined] as const),
  ...["NaN", "null", "true", "undefined", "[object Object]"].map((value) => ["H-02", value, undefined] as const),
  ...["1e9", "1e3", "1E3"].map((value) => ["H-03", value, undefined] as const),
  ["H-04", "Infinity", undefined],
  ["H-05", "2147483", 2_147_483_000],
  ["H-05", "2147484", maxDelay],
  ["H-06", "9999999999", maxDelay],
  ["H-06", "9223372037", maxDelay],
  ["H-06", "9".repeat(400), maxDelay],
  ["H-06", `${"0".repeat(400)}7`, 7000],
  ["H-07", "0", 0],
  ["H-07", "00", 0],
  ...["0.5", "1.0", "+1", "1s", "1 second", "0x10", "1_000", "0b1", "1,5"].map((value) => ["H-08", value, undefined] as const),
  ["H-09", "\"1\"", undefined],
  ["H-10", "", undefined],
  ["H-10", "   ", undefined],
  ["H-10", "\t", undefined],
  ["H-10", "  1  ", 1000],
  ["H-10", "1\t", 1000],
  ["H-10", `\t ${imf(now + 5000)} \t`, 5000],
  ["H-10", "1\u00a0", undefined],
  ["H-10", "1\n", undefined],
  ["H-10", "1 2", undefined],
  ...["120, 120", "120,120", "1, 9999999999", "0, 120", `${past}, ${past}`].map((value) => ["H-11", value, undefined] as const),
  ...["\u0661\u0662", "\u00b2", "1\u00b2", "\uff11\uff12"].map((value) => ["H-12", value, undefined] as const),
  ["H-13", past, 0],
  ["H-13", imf(now), 0],
  ["H-13", imf(now - 1000), 0],
  ["H-13", imf(now + 1000), 1000],
  ["H-14", "Fri, 31 Dec 9999 23:59:59 GMT", maxDelay],
  ["H-14", "Sat, 01 Jan 10000 00:00:00 GMT", undefined],
  ["H-14", "Thu, 01 Jan 1970 00:00:00 GMT", 0],
  ["H-14", "Sat, 01 Jan 0000 00:00:00 GMT", 0],
  ["H-15", "Monday, 15-Jun-26 12:00:07 GMT", 7000],
  ["H-15", "Mon Jun 15 12:00:07 2026", 7000],
  ["H-15", "Fri Jul  3 12:00:00 2026", 18 * 86_400_000],
  ["H-15", "Monday, 15-Jun-76 12:00:00 GMT", maxDelay],
  ["H-15", "Tuesday, 15-Jun-76 12:00:01 GMT", 0],
  ["H-15", "Fri, 3 Jul 2026 12:00:00 GMT", undefined],
  ["H-15", "Mon, 15 Jun 2026 12:00:07 UTC", undefined],
  ["H-15", "Mon, 15 Jun 2026 12:00:07 +0000", undefined],
  ["H-15", "Mon, 15 jun 2026 12:00:07 GMT", undefined],
  ["H-17", "Sat, 31 Dec 2016 23:59:60 GMT", 0],
  ["H-17", "Mon, 15 Jun 2026 25:99:99 GMT", undefined],
  ["H-17", "Thu, 32 Dec 2026 12:00:00 GMT", undefined],
  ["H-17", "Mon, 30 Feb 2026 12:00:00 GMT", undefined],
  ["H-17", "Tue, 15 Jun 2026 12:00:07 GMT", undefined],
  ["H-18", "2026-06-15T12:00:07Z", undefined],
  ["H-18", "1704067200", maxDelay],
  ["H-18", "1704067200000", maxDelay]
]

describe("Retry-After, row by row", () => {
  // H-16 (time zones) is in HttpDate.test.ts, H-19 and H-20 are below.
  for (const status of [429, 503, 413]) {
    it.each(rows)(`${status} %s: %s`, (_, value, expected) => {
      assert.strictEqual(hint({ "retry-after": value }, status), expected)
      assert.strictEqual(hint({ "content-length": "0", "retry-after": value, via: "1.1 x" }, status), expected)
      assert.strictEqual(parsed(value), expected)
    })
  }

  it("reads seconds without a clock", () => {
    for (const [, value, expected] of rows) {
      if (/^[\s0-9]*$/.test(value)) assert.deepStrictEqual(RetryAfter.parseDelaySeconds(value), Option.fromNullable(expected))
    }
    assert.deepStrictEqual(RetryAfter.parseDelaySeconds(imf(now + 5000)), Option.none())
  })

  it("is at most what a timer can wait, from both sides", () => {
    assert.strictEqual(parsed("2147482"), 2_147_482_000)
    assert.strictEqual(parsed("2147483"), 2_147_483_000)
    assert.strictEqual(parsed("2147484"), 2_147_483_647)
    assert.strictEqual(parsed(imf(now + 2_147_483_000)), 2_147_483_000)
    assert.strictEqual(parsed(imf(now + 2_147_484_000)), 2_147_483_647)
  })

  it("is rounded up where our clock stands between two seconds", () => {
    assert.strictEqual(parsed(imf(now + 5000), now + 1), 4999)
    assert.strictEqual(parsed(imf(now + 5000), now + 0.25), 5000)
    assert.strictEqual(parsed(imf(now), now + 0.25), 0)
  })

  it("gives no delay for a date without a clock, and seconds still", () => {
    for (const clock of [NaN, Infinity, -Infinity]) {
      assert.isUndefined(parsed(imf(now), clock))
      assert.isUndefined(parsed("Monday, 15-Jun-26 12:00:07 GMT", clock))
      assert.strictEqual(parsed("7", clock), 7000)
      assert.isUndefined(hint({ "x-ratelimit-reset": "1781524807" }, 429, clock))
      assert.isUndefined(hint({ "x-ratelimit-reset": "1781524807000" }, 429, clock))
    }
  })
})

describe("H-19: long values", () => {
  const size = 100_000
  it.each([
    ["Sunday, ", "Sunday, ".repeat(size / 8)],
    ["spaces", " ".repeat(size)],
    ["spaces round a digit", `${" ".repeat(size / 2)}1${" ".repeat(size / 2)}`],
    ["spaces round an x", `${" ".repeat(size / 2)}x${" ".repeat(size / 2)}`],
    ["x between spaces", `x${" ".repeat(size)}x`],
    ["tabs and spaces", `1${" \t".repeat(size / 2)}1`],
    ["digits", "9".repeat(size)],
    ["zeros", "0".repeat(size)],
    ["digits and an x", `${"9".repeat(size)}x`],
    ["digits, a point, digits and an x", `${"9".repeat(size / 2)}.${"9".repeat(size / 2)}x`],
    ["commas", "1, ".repeat(size / 3)],
    ["a date and spaces", `Sun, 06 Nov 1994 08:49:37 GMT${" ".repeat(size)}x`],
    ["a date of many days", `Sun, ${"0".repeat(size)}6 Nov 1994 08:49:37 GMT`]
  ])("%s are read in less than 5 ms", (_, value) => {
    const headers = {
      date: value,
      "retry-after-ms": value,
      "x-ms-retry-after-ms": value,
      "retry-after": value,
      "x-amz-retry-after": value,
      "x-ratelimit-remaining": value,
      "x-ratelimit-reset": value
    }
    // The best of five: the machine may be busy, but time that is quadratic is never short.
    const fastest = (read: () => unknown) =>
      Math.min(...[1, 2, 3, 4, 5].map(() => {
        const start = performance.now()
        read()
        return performance.now() - start
      }))
    assert.isBelow(fastest(() => parsed(value)), 5)
    // Eight headers of this size.
    assert.isBelow(fastest(() => hint(headers)), 8 * 5)
    assertDelay(hint(headers))
  })
})

describe("H-20: clocks that disagree", () => {
  const hour = 3_600_000

  it.each([-hour, 0, hour])("a date is measured from the date of the server when our clock is off by %d ms", (skew) => {
    const headers = { date: imf(now), "retry-after": imf(now + 30_000) }
    assert.strictEqual(hint(headers, 503, now + skew), 30_000)
  })

  it.each([-hour, 0, hour])("an epoch is measured from the date of the server when our clock is off by %d ms", (skew) => {
    const [inSeconds, inMillis] = [String(now / 1000 + 30), String(now + 30_500)]
    assert.strictEqual(hint({ date: imf(now), "x-ratelimit-reset": inSeconds }, 429, now + skew), 30_000)
    assert.strictEqual(hint({ date: imf(now), "x-ratelimit-reset": inMillis }, 429, now + skew), 30_500)
  })

  it("a date before the date of the server is a delay of 0", () => {
    assert.strictEqual(hint({ date: imf(now), "retry-after": imf(now - 1000) }, 503, now - hour), 0)
  })

  it("a date that cannot be read leaves our own clock", () => {
    for (const date of ["", "now", "Tue, 15 Jun 2026 12:00:00 GMT"]) {
      assert.strictEqual(hint({ date, "retry-after": imf(now + 30_000) }, 503, now + 10_000), 20_000)
    }
  })

  it("the date of the server does not change a number of seconds or milliseconds", () => {
    const date = imf(now - hour)
    assert.strictEqual(hint({ date, "retry-after": "7" }), 7000)
    assert.strictEqual(hint({ date, "retry-after-ms": "7" }), 7)
    assert.strictEqual(hint({ date, "ratelimit-reset": "7" }), 7000)
  })

  it("the date of the server may be in any form, with white space round it", () => {
    for (const date of ["Monday, 15-Jun-26 12:00:00 GMT", "Mon Jun 15 12:00:00 2026", ` ${imf(now)}\t`]) {
      assert.strictEqual(hint({ date, "retry-after": imf(now + 30_000) }, 503, now + hour), 30_000)
    }
  })
})

describe("H-21: other headers", () => {
  it.each([
    ["1500", 1500],
    ["0", 0],
    ["1500.2", 1501],
    ["0.001", 1],
    [" 20\t", 20],
    ["2147483647", maxDelay],
    ["2147483648", maxDelay],
    ["9".repeat(400), maxDelay],
    ["-1", undefined],
    ["1e3", undefined],
    [".5", undefined],
    ["5.", undefined],
    ["1.5.5", undefined],
    ["Infinity", undefined],
    ["NaN", undefined],
    ["0x10", undefined],
    ["100, 100", undefined],
    ["", undefined]
  ])("a number of milliseconds: %s", (value, expected) => {
    assert.strictEqual(hint({ "retry-after-ms": value }, 503), expected)
    assert.strictEqual(hint({ "x-ms-retry-after-ms": value }, 503), expected)
  })

  it.each([
    ["1500", 1500],
    ["9999999999", maxDelay],
    ["1500.2", undefined],
    ["-1", undefined],
    ["1, 1", undefined]
  ])("x-amz-retry-after: %s", (value, expected) => assert.strictEqual(hint({ "x-amz-retry-after": value }, 503), expected))

  const inOrder: ReadonlyArray<readonly [string, string, number]> = [
    ["retry-after-ms", "1", 1],
    ["x-ms-retry-after-ms", "2", 2],
    ["retry-after", "3", 3000],
    ["x-amz-retry-after", "4", 4],
    ["ratelimit-reset", "5", 5000],
    ["x-ratelimit-reset", "6", 6000],
    ["x-rate-limit-reset", "7", 7000]
  ]

  it.each(inOrder.map((row, i) => [row[0], i] as const))("%s wins over those after it, in any order on the wire", (_, i) => {
    const headers = inOrder.slice(i).map(([name, value]) => [name, value] as const)
    assert.strictEqual(hint(Object.fromEntries(headers)), inOrder[i]![2])
    assert.strictEqual(hint(Object.fromEntries(headers.map((_, k) => headers[headers.length - 1 - k]!))), inOrder[i]![2])
  })

  it.each(inOrder.slice(1).map((row, i) => [inOrder[i]![0], i] as const))("%s is as if absent when malformed", (_, i) => {
    for (const junk of ["-1", "soon", "", "120, 120", "NaN"]) {
      const headers = inOrder.map(([name, value], k) => [name, k <= i ? junk : value] as const)
      assert.strictEqual(hint(Object.fromEntries(headers)), inOrder[i + 1]![2], junk)
    }
  })

  it("a delay of 0 is a delay, not absent", () => {
    assert.strictEqual(hint({ "retry-after-ms": "0", "retry-after": "9" }), 0)
  })

  it("does not read the structured RateLimit field, nor names it does not know", () => {
    assert.isUndefined(hint({ ratelimit: "\"default\";r=0;t=9999999999", "Retry-After": "1", "x-retry-after": "1" }))
  })

  it("reads only what the response itself holds, and only strings", () => {
    assert.isUndefined(hint(Object.create({ "retry-after": "0" })))
    assert.isUndefined(hint({ "retry-after": undefined }))
    assert.isUndefined(hint({ "retry-after": ["1"] } as unknown as Headers))
    assert.strictEqual(hint(Object.assign(Object.create(null), { "retry-after": "1" })), 1000)
  })
})

describe.each(["ratelimit", "x-ratelimit", "x-rate-limit"])("the quota of %s", (quota) => {
  const reset = (value: string, remaining?: string, status = 429, clock = now) =>
    hint({ [`${quota}-reset`]: value, ...(remaining === undefined ? {} : { [`${quota}-remaining`]: remaining }) }, status, clock)

  it("is read on a 429, and on any status when nothing remains", () => {
    assert.strictEqual(reset("60"), 60_000)
    for (const nothing of ["0", "00", " 0 ", "0.0"]) {
      for (const status of [429, 403, 503, 200]) assert.strictEqual(reset("60", nothing, status), 60_000, `${status} ${nothing}`)
    }
  })

  it("is not read on another status when it does not say what remains", () => {
    for (const status of [428, 430, 403, 503, 200]) {
      assert.isUndefined(reset("60", undefined, status))
      for (const junk of ["", "none", "-1", "0, 0"]) assert.isUndefined(reset("60", junk, status), junk)
    }
  })

  it("is not read when something remains, even on a 429", () => {
    for (const something of ["1", "17", "0.5", "4999", "9".repeat(400)]) {
      for (const status of [429, 403, 503]) assert.isUndefined(reset("60", something, status), something)
    }
  })

  it("takes what remains in a malformed header for unknown", () => {
    for (const junk of ["", "none", "-1", "0, 0"]) assert.strictEqual(reset("60", junk), 60_000, junk)
  })

  it("looks at what remains of the same quota only", () => {
    const other = quota === "ratelimit" ? "x-ratelimit" : "ratelimit"
    assert.isUndefined(hint({ [`${quota}-reset`]: "60", [`${other}-remaining`]: "0" }, 503))
    assert.strictEqual(hint({ [`${quota}-reset`]: "60", [`${other}-remaining`]: "5" }, 429), 60_000)
  })

  it("does not keep the next quota from being read when it is not used up", () => {
    const headers = { [`${quota}-reset`]: "60", [`${quota}-remaining`]: "5" }
    const next = quota === "x-rate-limit" ? "x-ratelimit" : "x-rate-limit"
    assert.strictEqual(hint({ ...headers, [`${next}-reset`]: "9", [`${next}-remaining`]: "0" }), 9000)
  })

  it("is a delay up to 1e9, an epoch in seconds up to 1e12, then an epoch in milliseconds", () => {
    const clock = 999_999_999_000
    assert.strictEqual(reset("0"), 0)
    assert.strictEqual(reset("1000000000", undefined, 429, clock), maxDelay)
    assert.strictEqual(reset("1000000001", undefined, 429, clock), 2000)
    assert.strictEqual(reset("1000000000000", undefined, 429, clock), maxDelay)
    assert.strictEqual(reset("1000000000001", undefined, 429, clock), 1001)
  })

  it("is 0 when the epoch has passed, and rounded up when it has not", () => {
    assert.strictEqual(reset(String(now / 1000 - 1)), 0)
    assert.strictEqual(reset(String(now - 1)), 0)
    assert.strictEqual(reset(String(now / 1000)), 0)
    assert.strictEqual(reset(String(now + 7), undefined, 429, now + 0.5), 7)
  })

  it.each(["-1", "1.5", "1e3", "soon", "60, 60", "1s", "", imf(now + 5000)])("is absent when it is %s", (value) => {
    assert.isUndefined(reset(value, "0"))
  })
})

describe("laws", () => {
  const number = fc.oneof(fc.nat().map(String), fc.double().map(String), fc.bigInt().map(String), fc.stringMatching(/^[0-9]{1,30}$/))
  const instant = fc.integer({ min: -62_000_000_000, max: 253_300_000_000 }).map((second) => second * 1000)
  const date = instant.map(imf)
  const value = fc.oneof(
    number,
    date,
    fc.string({ unit: "binary" }),
    fc.tuple(number, fc.constantFrom("", " ", "\t", ",", ", ", "s", "\u0000"), number).map((parts) => parts.join(""))
  )
  const clock = fc.oneof(fc.double(), fc.integer({ min: 0, max: 253_402_300_799_000 }))
  const name = fc.constantFrom(
    "date",
    "retry-after-ms",
    "x-ms-retry-after-ms",
    "retry-after",
    "x-amz-retry-after",
    ...["ratelimit", "x-ratelimit", "x-rate-limit"].flatMap((quota) => [`${quota}-reset`, `${quota}-remaining`])
  )
  const runs = { numRuns: 5000 }

  it("whatever the value is, the answer is none or an integer that a timer can wait", () => {
    fc.assert(
      fc.property(value, clock, (text, at) => {
        assertDelay(parsed(text, at))
        assertDelay(Option.getOrUndefined(RetryAfter.parseDelaySeconds(text)))
      }),
      runs
    )
  })

  it("whatever the headers are, the answer is none or an integer that a timer can wait", () => {
    fc.assert(
      fc.property(fc.dictionary(name, value), fc.constantFrom(200, 403, 429, 503), clock, (headers, status, at) => {
        assertDelay(hint(headers, status, at))
      }),
      runs
    )
  })

  it("is never early: a date is waited for to its second, seconds are waited for in full", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2_147_000 }), fc.double({ min: 0, max: 999, noNaN: true }), (seconds, late) => {
        assert.strictEqual(parsed(String(seconds)), seconds * 1000)
        const target = now + seconds * 1000
        const delay = parsed(imf(target), now + late) ?? NaN
        assert.isAtLeast(now + late + delay, target)
        assert.isBelow(delay, Math.max(target - now - late, 0) + 1)
      }),
      runs
    )
  })

  it("white space round a value does not change it", () => {
    const space = fc.stringMatching(/^[ \t]{0,4}$/)
    fc.assert(
      fc.property(value, space, space, (text, before, after) => {
        assert.strictEqual(parsed(before + text + after), parsed(text))
      }),
      runs
    )
  })

  it("the date of the server makes our clock irrelevant", () => {
    fc.assert(
      fc.property(instant, fc.integer({ min: -10_000, max: 3_000_000 }), clock, (base, seconds, at) => {
        const headers = { date: imf(base), "retry-after": imf(base + seconds * 1000) }
        assert.strictEqual(hint(headers, 503, at), Math.min(Math.max(seconds * 1000, 0), maxDelay))
      }),
      runs
    )
  })
})
