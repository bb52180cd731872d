import { assertNone, assertSome } from "@effect/vitest/utils"
import { Effect, Option } from "effect"
import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import * as IdempotencyHeader from "../../src/core/IdempotencyHeader.ts"
import * as IdempotencyKey from "../../src/http/IdempotencyKey.ts"

const { parse } = IdempotencyHeader

describe("IdempotencyHeader", () => {
  it("reads keys", () => {
    const uuid = "8e03978e-40d5-43e8-bc93-6894a57f9324"
    for (const [value, key] of [
      [uuid, uuid],
      [`"${uuid}"`, uuid],
      ["  a\t", "a"],
      ["a=b:c/d+e.f~g!h#i$j%k&l'm(n)o*p<q>r?s@t[u]v^w_x`y{z|0}-1", "a=b:c/d+e.f~g!h#i$j%k&l'm(n)o*p<q>r?s@t[u]v^w_x`y{z|0}-1"],
      ["\"a b, c; d\"", "a b, c; d"],
      ["\"a\\\"b\\\\c\"", "a\"b\\c"],
      ["\" \"", " "],
      ["x".repeat(255), "x".repeat(255)],
      [`"${"\\\"".repeat(255)}"`, "\"".repeat(255)]
    ] as const) assertSome(parse(value), key)
  })

  it("reads nothing else", () => {
    for (const value of [
      "",
      " ",
      "\"\"",
      "a b",
      "a,b",
      "a, a",
      "a;b=1",
      "a\\b",
      "a\"b",
      "\"a",
      "a\"",
      "\"a\"b",
      "\"a\"b\"",
      "\"a\", \"b\"",
      "\"a\";p=1",
      "\"a\\nb\"",
      "\"a\\\"",
      "\"a\u00e9\"",
      "a\u00e9",
      "a\u0000",
      "a\r\nx: y",
      "a\n",
      "\u00a0a",
      "x".repeat(256),
      `"${"x".repeat(256)}"`,
      " ".repeat(100_000) + "a"
    ]) assertNone(parse(value))
  })

  it("reads one of the two ways where it is told to", () => {
    assertSome(parse("a", "bare"), "a")
    assertNone(parse("\"a\"", "bare"))
    assertSome(parse("\"a\"", "structured"), "a")
    assertNone(parse("a", "structured"))
  })

  it("never throws, and gives keys of 1 to 255 visible characters and spaces", () => {
    const any = fc.oneof(fc.fullUnicodeString(), fc.string({ maxLength: 600 }), fc.stringOf(fc.constantFrom("\"", "\\", "a", " ", ",", ";", "\n")))
    let read = 0
    fc.assert(fc.property(any, fc.constantFrom("any" as const, "bare" as const, "structured" as const), (value, format) => {
      const key = parse(value, format)
      if (Option.isSome(key)) {
        read++
        assert.match(key.value, /^[\x20-\x7e]{1,255}$/)
      }
    }), { numRuns: 5000 })
    assert.isAbove(read, 100)
  })

  it("reads each key that is written as a string, and says that it is the same", () => {
    const key = fc.stringOf(fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)), { minLength: 1, maxLength: 255 })
    fc.assert(fc.property(key, (key) => {
      fc.pre(key.trim() === key)
      assertSome(parse(Effect.runSync(IdempotencyKey.encode(key, { format: "structured" }))), key)
      const bare = parse(Effect.runSync(IdempotencyKey.encode(key)))
      // What looks like a string is read as one.
      if (Option.isSome(bare) && !key.startsWith("\"")) assert.strictEqual(bare.value, key)
    }), { numRuns: 2000 })
  })
})
