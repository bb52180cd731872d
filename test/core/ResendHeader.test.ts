import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as ResendHeader from "../../src/core/ResendHeader.ts"

const { amzSdkRequest, attempt, maxAttempt } = ResendHeader
const runs = { numRuns: 2000 }

describe("ResendHeader.attempt", () => {
  const table: ReadonlyArray<readonly [string, string, number]> = [
    ["x-retry-attempt", "2", 2],
    ["x-retry-attempt", " 3 ", 3],
    ["x-retry-attempt", "1", 1],
    ["x-retry-attempt", "0", 1],
    ["x-retry-attempt", "-2", 1],
    ["x-retry-attempt", "2.5", 1],
    ["x-retry-attempt", "2, 3", 1],
    ["x-retry-attempt", "true", 1],
    ["x-retry-attempt", "9".repeat(400), maxAttempt],
    ["x-envoy-attempt-count", "2", 2],
    ["x-envoy-attempt-count", "1", 1],
    ["grpc-previous-rpc-attempts", "1", 2],
    ["grpc-previous-rpc-attempts", "0", 1],
    ["grpc-previous-rpc-attempts", "-1", 1],
    ["amz-sdk-request", "attempt=2; max=3", 2],
    ["amz-sdk-request", "attempt=1; max=3", 1],
    ["amz-sdk-request", "ttl=20260101T000000Z; attempt=3; max=3", 3],
    ["amz-sdk-request", "attempt=2;max=3", 2],
    ["amz-sdk-request", "max=3", 1],
    ["amz-sdk-request", "attempt=2=3; max=3", 1],
    ["amz-sdk-request", "attempt=2; attempt=3", 1],
    ["amz-sdk-request", "xattempt=2", 1],
    ["amz-sdk-request", `${"a; ".repeat(200)}attempt=2`, 1],
    ["x-other", "2", 1]
  ]
  for (const [name, value, expected] of table) {
    it(`reads ${name}: ${JSON.stringify(value.slice(0, 40))} as attempt ${expected}`, () => {
      assert.strictEqual(attempt({ [name]: value }), expected)
    })
  }

  it("believes the highest of several", () => {
    assert.strictEqual(attempt({ "x-retry-attempt": "2", "x-envoy-attempt-count": "5", "amz-sdk-request": "attempt=3; max=3" }), 5)
  })

  it("is a whole number from 1 to its cap, whatever the headers are", () => {
    const name = fc.constantFrom("x-retry-attempt", "amz-sdk-request", "x-envoy-attempt-count", "grpc-previous-rpc-attempts")
    const value = fc.oneof(
      fc.string(),
      fc.string({ unit: "binary" }),
      fc.bigInt().map(String),
      fc.double().map(String),
      fc.stringMatching(/^(ttl=[0-9]*;? ?)?(attempt=[0-9]{0,20};? ?){0,2}(max=[0-9]*)?$/)
    )
    fc.assert(fc.property(fc.dictionary(name, value), (headers) => {
      const read = attempt(headers)
      assert.isTrue(Number.isInteger(read) && read >= 1 && read <= maxAttempt, String(read))
    }), runs)
  })

  it("reads what is written", () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: maxAttempt }), fc.integer({ min: 1 }), (number, max) => {
      assert.strictEqual(attempt({ "amz-sdk-request": amzSdkRequest(number, max) }), number)
    }), runs)
  })

  it("takes nothing from a prototype", () => {
    assert.strictEqual(attempt(Object.create({ "x-retry-attempt": "2" })), 1)
  })
})
