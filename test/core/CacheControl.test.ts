import * as Option from "effect/Option"
import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import * as CacheControl from "../../src/core/CacheControl.ts"

const { parse } = CacheControl

const maxAge = (value: string): number | undefined => Option.getOrUndefined(parse(value).maxAge)

describe("CacheControl", () => {
  it("a header that is not there says nothing", () => {
    const said = Object.values(parse(undefined)).filter((each) => each === true || Option.isOption(each) && Option.isSome(each))
    assert.deepStrictEqual(said, [])
    assert.deepStrictEqual(parse(""), parse(undefined))
  })

  it("reads directives in any case, with spaces and empty members, quoted or not", () => {
    const told = parse(" , PUBLIC,\tmax-age=\"60\" ,,Stale-If-Error=7,must-revalidate")
    assert.deepStrictEqual([told.public, told.mustRevalidate, told.noStore], [true, true, false])
    assert.deepStrictEqual([Option.getOrNull(told.maxAge), Option.getOrNull(told.staleIfError)], [60_000, 7_000])
  })

  it("of two numbers the smaller one holds, and what is no number is 0", () => {
    const table: ReadonlyArray<readonly [string, number | undefined]> = [
      ["max-age=60, max-age=10", 10_000],
      ["max-age=10, max-age=60", 10_000],
      ["max-age=60, max-age=soon", 0],
      ["max-age", 0],
      ["max-age=", 0],
      ["max-age=-1", 0],
      ["max-age=1.5", 0],
      ["max-age=1e9", 0],
      ["max-age=99999999999999999999", 2_147_483_648_000],
      ["s-maxage=5", undefined],
      ["x-max-age=5", undefined]
    ]
    for (const [text, expected] of table) assert.strictEqual(maxAge(text), expected, text)
  })

  it("max-stale without a number is any staleness", () => {
    assert.strictEqual(Option.getOrNull(parse("max-stale").maxStale), Infinity)
    assert.strictEqual(Option.getOrNull(parse("max-stale=3").maxStale), 3_000)
  })

  it("what names fields is said of the whole", () => {
    assert.isTrue(parse("private=\"set-cookie, x\"").private)
    assert.isTrue(parse("no-cache=\"a\\\"b\"").noCache)
  })

  it("what cannot be read is no-store", () => {
    for (const text of ["max-age=60 60", "a=\"b", "=5", "max age", "@", "a,".repeat(65), `a=${"b".repeat(4096)}`]) {
      assert.isTrue(parse(text).noStore, text)
    }
    assert.isFalse(parse("a,".repeat(64)).noStore)
    assert.isFalse(parse(`a=${"b".repeat(4094)}`).noStore)
  })

  it("is total, and gives no number that is not finite but for max-stale", () => {
    const text = fc.oneof(
      fc.string(),
      fc.fullUnicodeString(),
      fc.array(fc.constantFrom("max-age", "=", "\"", ",", " ", "\\", "9", "max-stale", "stale-if-error", "\u0000")).map((all) => all.join(""))
    )
    fc.assert(
      fc.property(text, (value) => {
        const { maxAge, minFresh, sMaxAge, staleIfError } = parse(value)
        for (const each of [maxAge, minFresh, sMaxAge, staleIfError]) {
          const millis = Option.getOrElse(each, () => 0)
          assert.isTrue(Number.isSafeInteger(millis) && millis >= 0)
        }
      }),
      { numRuns: 2000 }
    )
  })
})
