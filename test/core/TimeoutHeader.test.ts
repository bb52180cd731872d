import { assert, describe, it } from "@effect/vitest"
import { assertNone, assertSome, deepStrictEqual } from "@effect/vitest/utils"
import * as Option from "effect/Option"
import * as fc from "fast-check"
import { maxDelay } from "../../src/core/Millis.ts"
import * as TimeoutHeader from "../../src/core/TimeoutHeader.ts"

const { encode, encodings, fromHeaders, parse } = TimeoutHeader
const runs = { numRuns: 2000 }
const encoding = fc.constantFrom(...encodings)

/** Text that is nearly right, and text that is not. */
const junk = fc.oneof(
  fc.string(),
  fc.string({ unit: "binary" }),
  fc.stringMatching(/^[ \t]*[-+]?[0-9]{0,24}(\.[0-9]{0,4})?(e[0-9])?[HMSmunh]?[ \t]*$/),
  fc.stringMatching(/^[0-9]{1,9}[HMSmun]?(, ?[0-9]{1,9}[HMSmun]?)?$/)
)

describe("TimeoutHeader.parse", () => {
  const table: ReadonlyArray<readonly [TimeoutHeader.Encoding, string, number | undefined]> = [
    ["x-request-timeout-ms", "0", 0],
    ["x-request-timeout-ms", "1", 1],
    ["x-request-timeout-ms", " 250\t", 250],
    ["x-request-timeout-ms", "00250", 250],
    ["x-request-timeout-ms", "2147483646", 2_147_483_646],
    ["x-request-timeout-ms", "9".repeat(400), maxDelay],
    ["x-request-timeout-ms", "", undefined],
    ["x-request-timeout-ms", "-1", undefined],
    ["x-request-timeout-ms", "+1", undefined],
    ["x-request-timeout-ms", "1.5", undefined],
    ["x-request-timeout-ms", "1e3", undefined],
    ["x-request-timeout-ms", "0x10", undefined],
    ["x-request-timeout-ms", "100ms", undefined],
    ["x-request-timeout-ms", "100, 100", undefined],
    ["x-request-timeout-ms", "NaN", undefined],
    ["x-request-timeout-ms", "Infinity", undefined],
    ["x-request-timeout-ms", "١٢", undefined],
    ["x-request-timeout-ms", "1\n2", undefined],
    ["x-request-timeout-ms", "12\n", undefined],
    ["x-envoy-expected-rq-timeout-ms", "0", undefined],
    ["x-envoy-expected-rq-timeout-ms", "1", 1],
    ["grpc-timeout", "1H", 3_600_000],
    ["grpc-timeout", "1M", 60_000],
    ["grpc-timeout", "1S", 1000],
    ["grpc-timeout", "1m", 1],
    ["grpc-timeout", "1000u", 1],
    ["grpc-timeout", "999u", 0],
    ["grpc-timeout", "99999999n", 99],
    ["grpc-timeout", "0S", 0],
    ["grpc-timeout", "99999999H", maxDelay],
    ["grpc-timeout", "100000000n", undefined],
    ["grpc-timeout", "1", undefined],
    ["grpc-timeout", "S", undefined],
    ["grpc-timeout", "1 S", undefined],
    ["grpc-timeout", "1s", undefined],
    ["grpc-timeout", "1h", undefined],
    ["grpc-timeout", "-1S", undefined],
    ["grpc-timeout", "1.5S", undefined],
    ["grpc-timeout", "1S\n", undefined],
    ["grpc-timeout", "1SS", undefined]
  ]
  for (const [name, value, expected] of table) {
    it(`reads ${name}: ${JSON.stringify(value.slice(0, 20))} as ${expected ?? "nothing"}`, () => {
      deepStrictEqual(parse(value, name), Option.fromNullable(expected))
    })
  }

  it("gives none or a whole number of ms that a timer can wait, whatever the value is", () => {
    fc.assert(fc.property(junk, encoding, (value, name) => {
      const asked = parse(value, name)
      if (Option.isSome(asked)) {
        assert.isTrue(Number.isInteger(asked.value) && asked.value >= 0 && asked.value <= maxDelay, String(asked.value))
      }
    }), runs)
  })
})

describe("TimeoutHeader.encode", () => {
  it("gives nobody more time than there is, and loses less than a unit", () => {
    fc.assert(fc.property(fc.double({ min: 1, max: maxDelay, noNaN: true }), encoding, (remaining, name) => {
      const read = Option.getOrThrow(parse(encode(remaining, name), name))
      assert.isAtMost(read, remaining)
      assert.isBelow(remaining - read, name === "grpc-timeout" && remaining >= 1e8 ? 1001 : 1)
    }), runs)
  })

  it("gives a header whatever number it is given, of at least 1 ms", () => {
    fc.assert(fc.property(fc.oneof(fc.double(), fc.constantFrom(NaN, Infinity, -Infinity, -0, 0, 1e300)), encoding, (remaining, name) => {
      const read = Option.getOrThrow(parse(encode(remaining, name), name))
      assert.isAtLeast(read, 1)
      assert.isAtMost(read, maxDelay)
    }), runs)
  })

  it("keeps to the eight digits of gRPC, in ms as long as they do", () => {
    assert.strictEqual(encode(99_999_999, "grpc-timeout"), "99999999m")
    assert.strictEqual(encode(100_000_000, "grpc-timeout"), "100000S")
    assert.strictEqual(encode(Infinity, "grpc-timeout"), "2147483S")
  })
})

describe("TimeoutHeader.fromHeaders", () => {
  it("takes the shortest of those that can be read", () => {
    fc.assert(fc.property(fc.dictionary(encoding, junk), (headers) => {
      const each = encodings.flatMap((name) => {
        const value = headers[name]
        return value === undefined ? [] : Option.toArray(parse(value, name))
      })
      deepStrictEqual(fromHeaders(headers), each.length === 0 ? Option.none() : Option.some(Math.min(...each)))
    }), runs)
  })

  it("reads only what it is told to", () => {
    assertNone(fromHeaders({ "grpc-timeout": "1S" }, ["x-request-timeout-ms"]))
    assertSome(fromHeaders({ "grpc-timeout": "1S", "x-request-timeout-ms": "1" }, ["grpc-timeout"]), 1000)
  })

  it("takes nothing from a prototype", () => {
    assertNone(fromHeaders(Object.create({ "x-request-timeout-ms": "1" })))
  })
})
