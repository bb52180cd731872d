import { deepStrictEqual } from "@effect/vitest/utils"
import * as Option from "effect/Option"
import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import * as Stale from "../../src/core/Stale.ts"

const runs = { numRuns: 2000 }

const directive = fc.oneof(
  fc.constantFrom("no-store", "no-cache", "private", "public", "must-revalidate", "proxy-revalidate", "max-stale", "x"),
  fc.tuple(fc.constantFrom("max-age", "s-maxage", "stale-if-error", "max-stale", "min-fresh"), fc.integer({ min: 0, max: 200 }))
    .map(([name, seconds]) => `${name}=${seconds}`)
)
const cacheControl = fc.array(directive, { maxLength: 3 }).map((all) => all.join(", "))
const headers = (more: fc.Arbitrary<Record<string, string>>): fc.Arbitrary<Record<string, string>> =>
  fc.tuple(more, fc.option(cacheControl, { nil: undefined })).map(([rest, told]) => told === undefined ? rest : { ...rest, "cache-control": told })

const personal = fc.dictionary(fc.constantFrom("accept", "authorization", "cookie", "x-team"), fc.constantFrom("a", "b"), { maxKeys: 3 })
const junk = fc.dictionary(fc.constantFrom("age", "date", "expires", "vary", "warning", "connection", "set-cookie"), fc.string(), { maxKeys: 4 })
const sound = fc.record({
  age: fc.integer({ min: 0, max: 100 }).map(String),
  vary: fc.constantFrom("", "accept", "Accept, x-team", "*")
}, { requiredKeys: [] }) as fc.Arbitrary<Record<string, string>>

const exchange: fc.Arbitrary<Stale.Exchange> = fc.record({
  asked: headers(personal),
  added: personal,
  status: fc.constantFrom(200, 200, 200, 204, 301, 404, 500),
  headers: headers(fc.oneof(sound, junk)),
  keptAt: fc.integer({ min: 0, max: 1e6 }),
  responseDelay: fc.integer({ min: -1_000, max: 10_000 })
}).map(({ added, asked, ...rest }) => ({
  ...rest,
  asked: { method: "GET", headers: asked, hasBody: false },
  sent: { ...added, ...asked },
  receivedAt: 1_767_225_600_000
}))
const kind = fc.constantFrom<Stale.Kind>("shared", "private")
const time = fc.integer({ min: -500_000, max: 500_000 })
const limit = fc.integer({ min: 1, max: 500_000 })

const isServed = (kind: Stale.Kind, exchange: Stale.Exchange, asked: Record<string, string | undefined>, later: number, maxAge: number) =>
  Option.isSome(Option.flatMap(Stale.keep(kind, exchange), (kept) => Stale.serve(kept, asked, exchange.keptAt + later, maxAge)))

describe("the last good response", () => {
  it("what is given is never older than it may be, and its age is whole and told", () => {
    fc.assert(
      fc.property(kind, exchange, time, limit, (kind, exchange, later, maxAge) => {
        const served = Option.flatMap(Stale.keep(kind, exchange), (kept) =>
          Stale.serve(kept, exchange.asked.headers, exchange.keptAt + later, maxAge))
        if (Option.isNone(served)) return
        const { age, headers, isStale } = served.value
        assert.isTrue(age >= 0 && age <= maxAge && age >= later)
        assert.match(headers["age"] ?? "", /^[0-9]+$/)
        assert.strictEqual(headers["warning"]?.includes("110"), isStale)
        assert.notProperty(headers, "set-cookie")
      }),
      runs
    )
  })

  it("what is not given is not given later, nor under a lower limit", () => {
    fc.assert(
      fc.property(kind, exchange, time, time, limit, limit, (kind, exchange, one, other, low, high) => {
        const [early, late] = one < other ? [one, other] : [other, one]
        const [less, more] = low < high ? [low, high] : [high, low]
        const asked = exchange.asked.headers
        assert.isTrue(!isServed(kind, exchange, asked, late, less) || isServed(kind, exchange, asked, early, less))
        assert.isTrue(!isServed(kind, exchange, asked, late, less) || isServed(kind, exchange, asked, late, more))
      }),
      runs
    )
  })

  it("what is for one user is given to that user or to nobody", () => {
    fc.assert(
      fc.property(kind, exchange, personal, (kind, exchange, other) => {
        const told = exchange.headers["cache-control"] ?? ""
        const isForAll = kind === "shared" && /public|must-revalidate|s-maxage/.test(told)
        const isPersonal = ["authorization", "cookie"].some((name) => exchange.sent[name] !== undefined)
        const isSame = ["authorization", "cookie"].every((name) => exchange.sent[name] === other[name])
        if (!isPersonal || isSame || isForAll) return
        assert.isFalse(isServed(kind, exchange, other, 0, Infinity))
      }),
      runs
    )
  })

  it("a directive that forbids forbids, whatever stands beside it", () => {
    fc.assert(
      fc.property(kind, exchange, fc.constantFrom("no-store", "no-cache"), (kind, exchange, forbids) => {
        const told = { ...exchange.headers, "cache-control": `${exchange.headers["cache-control"] ?? ""}, ${forbids}` }
        deepStrictEqual(Stale.keep(kind, { ...exchange, headers: told }), Option.none())
      }),
      runs
    )
  })
})
