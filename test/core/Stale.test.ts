import { deepStrictEqual } from "@effect/vitest/utils"
import * as Option from "effect/Option"
import { assert, describe, it } from "vitest"
import * as Stale from "../../src/core/Stale.ts"

const at = Date.UTC(2026, 0, 1)
const hour = 3_600_000
const day = 24 * hour
const httpDate = (millis: number) => new Date(millis).toUTCString()

interface Given {
  readonly kind?: Stale.Kind
  readonly asked?: Record<string, string>
  readonly sent?: Record<string, string>
  readonly status?: number
  readonly responseDelay?: number
}

const keep = (headers: Record<string, string>, { asked = {}, kind = "shared", responseDelay = 0, sent = asked, status = 200 }: Given = {}) =>
  Stale.keep(kind, {
    asked: { method: "GET", headers: asked, hasBody: false },
    sent,
    status,
    headers,
    receivedAt: at,
    keptAt: 1_000,
    responseDelay
  })

const isKept = (headers: Record<string, string>, given?: Given) => Option.isSome(keep(headers, given))

/** What is given `later` ms after. */
const serve = (headers: Record<string, string>, later: number, asked: Record<string, string> = {}, given: Given = {}, maxAge = day) =>
  Option.flatMap(keep(headers, { asked, ...given }), (kept) => Stale.serve(kept, asked, 1_000 + later, maxAge))

const isServed = (...args: Parameters<typeof serve>) => Option.isSome(serve(...args))

describe("which requests", () => {
  it("are eligible: GET and HEAD without a body, a range, no-store or no-cache", () => {
    const is = (method: string, headers: Record<string, string> = {}, hasBody = false) => Stale.isEligible({ method, headers, hasBody })
    assert.deepStrictEqual([is("GET"), is("HEAD"), is("GET", { "cache-control": "max-age=0" })], [true, true, true])
    for (const method of ["POST", "PUT", "PATCH", "DELETE", "QUERY", "OPTIONS", "get"]) assert.isFalse(is(method), method)
    assert.isFalse(is("GET", {}, true))
    assert.isFalse(is("GET", { range: "bytes=0-1" }))
    assert.isFalse(is("GET", { "cache-control": "no-store" }))
    assert.isFalse(is("GET", { "cache-control": "no-cache" }))
  })
})

describe("which responses", () => {
  it("are kept: the good ones among the cacheable statuses", () => {
    const kept = Array.from({ length: 500 }, (_, index) => index + 100).filter((status) => isKept({}, { status }))
    assert.deepStrictEqual(kept, [200, 203, 204, 300, 301, 308])
  })

  it("are not kept where they say so", () => {
    for (const value of ["no-store", "no-cache", "private", "no-cache=\"x\"", "max-age=60, no-store", "nonsense \"", "private=\"x\""]) {
      assert.isFalse(isKept({ "cache-control": value }), value)
    }
    assert.isTrue(isKept({ "cache-control": "private" }, { kind: "private" }))
    assert.isFalse(isKept({ "cache-control": "no-store" }, { kind: "private" }))
  })

  it("for one user are only kept where they are for all, or in a store of one", () => {
    for (const name of ["authorization", "cookie"]) {
      const asked = { [name]: "secret" }
      assert.isFalse(isKept({}, { asked }))
      assert.isFalse(isKept({ "cache-control": "max-age=60" }, { asked }))
      for (const told of ["public", "s-maxage=60", "must-revalidate"]) assert.isTrue(isKept({ "cache-control": told }, { asked }), told)
      assert.isTrue(isKept({}, { asked, kind: "private" }))
    }
  })

  it("for one user are not kept where who that is was only known on the way", () => {
    assert.isFalse(isKept({}, { sent: { authorization: "secret" } }))
    assert.isFalse(isKept({}, { sent: { authorization: "secret" }, kind: "private" }))
    assert.isTrue(isKept({}, { sent: { traceparent: "00-1" } }))
  })

  it("that vary are kept for the same values, and not by what was added on the way, nor by everything", () => {
    const asked = { "accept-language": "de", accept: "a/b" }
    assert.isTrue(isServed({ vary: "Accept-Language , accept" }, 0, asked))
    const kept = Option.getOrThrow(keep({ vary: "accept-language" }, { asked }))
    const languages = [{ "accept-language": "de" }, { "accept-language": "fr" }, {}]
    assert.deepStrictEqual(languages.map((headers) => Option.isSome(Stale.serve(kept, headers, 1_000, day))), [true, false, false])
    assert.isFalse(isKept({ vary: "accept-language" }, { asked: {}, sent: asked }))
    for (const vary of ["*", "accept, *", "a b", Array(33).fill("accept").join(",")]) assert.isFalse(isKept({ vary }, { asked }), vary)
    assert.isTrue(isKept({ vary: Array(32).fill("accept").join(",") }, { asked }))
    assert.isTrue(isKept({ vary: "" }))
  })

  it("of one user are not given to another", () => {
    const kept = Option.getOrThrow(keep({}, { asked: { authorization: "ada" }, kind: "private" }))
    for (const headers of [{ authorization: "bob" }, {}, { authorization: "ada", cookie: "x" }]) {
      assert.isTrue(Option.isNone(Stale.serve(kept, headers, 1_000, day)))
    }
    assert.isTrue(Option.isSome(Stale.serve(kept, { authorization: "ada" }, 1_000, day)))
  })

  it("are kept without what belongs to a connection, a user or that very answer", () => {
    const served = Option.getOrThrow(serve({
      "content-type": "a/b",
      "set-cookie": "session=1",
      connection: "close, X-Hop",
      "x-hop": "1",
      "keep-alive": "timeout=5",
      warning: "199 - \"x\"",
      etag: "\"v\""
    }, 0))
    assert.deepStrictEqual(served.headers, {
      "content-type": "a/b",
      etag: "\"v\"",
      age: "0",
      warning: "110 - \"Response is Stale\", 111 - \"Revalidation Failed\""
    })
  })
})

describe("the age", () => {
  const age = (headers: Record<string, string>, later: number, responseDelay = 0) =>
    Option.getOrThrow(serve(headers, later, {}, { responseDelay }, Infinity)).age

  it("is what it was told to be, or what its date says, whichever is more, and the time since then", () => {
    assert.strictEqual(age({}, 0), 0)
    assert.strictEqual(age({}, 1_500), 1_500)
    assert.strictEqual(age({ age: "30" }, 500), 30_500)
    assert.strictEqual(age({ age: "30" }, 500, 2_000), 32_500)
    assert.strictEqual(age({ date: httpDate(at - 60_000) }, 500), 60_500)
    assert.strictEqual(age({ date: httpDate(at - 60_000), age: "90" }, 0), 90_000)
    assert.strictEqual(age({ date: httpDate(at + hour) }, 500), 500)
    assert.strictEqual(age({ date: "yesterday" }, 500), 500)
  })

  it("does not shrink where the clock goes back", () => {
    assert.strictEqual(age({ age: "30" }, -day), 30_000)
  })

  it("is told in whole seconds, rounded down", () => {
    assert.strictEqual(Option.getOrThrow(serve({}, 59_999)).headers["age"], "59")
    assert.strictEqual(Option.getOrThrow(serve({}, 60_000)).headers["age"], "60")
  })

  it("that is no number is never young enough", () => {
    for (const value of ["old", "-1", "1.5", ""]) assert.isFalse(isServed({ age: value }, 0), value)
  })

  it("has a limit", () => {
    deepStrictEqual([60_000, 60_001].map((later) => isServed({}, later, {}, {}, 60_000)), [true, false])
    deepStrictEqual([30_000, 30_001].map((later) => isServed({ age: "30" }, later, {}, {}, 60_000)), [true, false])
  })

  it("has the limits that the request names", () => {
    const asked = { "cache-control": "max-age=60" }
    deepStrictEqual([60_000, 60_001].map((later) => isServed({}, later, asked)), [true, false])
    const fresh = { "cache-control": "min-fresh=10" }
    deepStrictEqual([50_000, 50_001].map((later) => isServed({ "cache-control": "max-age=60" }, later, fresh)), [true, false])
  })
})

describe("what is stale", () => {
  const isStale = (headers: Record<string, string>, later: number, kind: Stale.Kind = "shared") =>
    Option.getOrNull(Option.map(serve(headers, later, {}, { kind }), (served) => served.isStale))

  it("is so from the end of its lifetime on: s-maxage, max-age, expires, or none", () => {
    const until = 60_000
    for (const headers of [{ "cache-control": "max-age=60" }, { expires: httpDate(at + until) }, {
      date: httpDate(at - 5_000),
      expires: httpDate(at + until - 5_000),
      age: "0"
    }] as ReadonlyArray<Record<string, string>>) {
      const late = "date" in headers ? 5_000 : 0
      deepStrictEqual([isStale(headers, until - 1 - late), isStale(headers, until - late)], [false, true])
    }
    assert.isTrue(isStale({}, 0))
    assert.isTrue(isStale({ expires: "0" }, 0))
    deepStrictEqual([59_999, 60_000].map((later) => isStale({ "cache-control": "s-maxage=1, max-age=60" }, later, "private")), [false, true])
  })

  it("is not given where it says so, and is as long as it is fresh", () => {
    for (const told of ["max-age=60, must-revalidate", "max-age=60, proxy-revalidate", "s-maxage=60"]) {
      deepStrictEqual([59_999, 60_000].map((later) => isStale({ "cache-control": told }, later)), [false, null], told)
    }
    assert.isTrue(isStale({ "cache-control": "max-age=60, proxy-revalidate" }, 60_000, "private"))
    assert.isNull(isStale({ "cache-control": "max-age=60, must-revalidate" }, 60_000, "private"))
  })

  it("is given for as long as the response's stale-if-error, and the request's, and its max-stale say", () => {
    const told = { "cache-control": "max-age=60, stale-if-error=30" }
    deepStrictEqual([90_000, 90_001].map((later) => isServed(told, later)), [true, false])
    const lasting = { "cache-control": "max-age=60" }
    for (const asked of ["stale-if-error=30", "max-stale=30"]) {
      deepStrictEqual([90_000, 90_001].map((later) => isServed(lasting, later, { "cache-control": asked })), [true, false], asked)
    }
    assert.isTrue(isServed(lasting, hour, { "cache-control": "max-stale" }))
  })

  it("is told in the warning, beside that nobody answered", () => {
    const warning = (later: number) => Option.getOrThrow(serve({ "cache-control": "max-age=60" }, later)).headers["warning"]
    assert.strictEqual(warning(59_999), "111 - \"Revalidation Failed\"")
    assert.strictEqual(warning(60_000), "110 - \"Response is Stale\", 111 - \"Revalidation Failed\"")
  })
})
