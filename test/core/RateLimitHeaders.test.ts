import { assertNone, assertSome, deepStrictEqual } from "@effect/vitest/utils"
import { Exit, Option } from "effect"
import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import * as Advice from "../../src/core/Advice.ts"
import * as Classifier from "../../src/core/Classifier.ts"
import { maxDelay } from "../../src/core/Millis.ts"
import * as RateLimitHeaders from "../../src/core/RateLimitHeaders.ts"
import * as StructuredField from "../../src/core/StructuredField.ts"

const runs = { numRuns: 2000 }

/** The values of a list of items, and their parameters. */
const shown = (value: string) =>
  Option.map(StructuredField.parseList(value), (items) =>
    items.map(({ bare, parameters }) => [bare.value, Object.fromEntries([...parameters].map(([name, { value }]) => [name, value]))]))

describe("StructuredField", () => {
  it.each<[string, ReadonlyArray<unknown>]>([
    ["", []],
    ["   ", []],
    ["1", [[1, {}]]],
    ["-0", [[0, {}]]],
    ["-999999999999999", [[-999999999999999, {}]]],
    ["1.5", [[1.5, {}]]],
    ["a, b\t,\t c", [["a", {}], ["b", {}], ["c", {}]]],
    [`"a \\"b\\" \\\\";x;y=?0; z=:aGk=:;x=2`, [[`a "b" \\`, { x: 2, y: false, z: "aGk=" }]]],
    ["*tok/en:1;*a-b.c_d=@1659578233", [["*tok/en:1", { "*a-b.c_d": 1659578233 }]]],
    [`%"f%c3%bc"`, [["f%c3%bc", {}]]],
    ["1 ", [[1, {}]]]
  ])("reads %j", (value, items) => assertSome(shown(value), items))

  it.each([
    ",", "1,", ",1", "1,,2", "1 2", "1;", "1;A=1", "1 ;a", "1;a =1", "1;a= 1", `"a`, `"\\n"`, `"ü"`, `"\t"`, "'a'", "1.", ".5", "1.2345", "1e3", "+1", "--1",
    "1234567890123456", "1234567890123.1", "?2", "?true", ":a b:", ":a", ":=a:", "@1.5", `%"%C3"`, `%"%c"`, "(1 2)", "\t1", "1\n", "1\r", "{}", "a=1"
  ])("does not read %j", (value) => assertNone(StructuredField.parseList(value)))

  it("reads 4096 characters and 64 members, and not one more", () => {
    assert.isTrue(Option.isSome(StructuredField.parseList(`"${"a".repeat(4094)}"`)))
    assertNone(StructuredField.parseList(`"${"a".repeat(4095)}"`))
    const many = (n: number, of: string) => Array.from({ length: n }, () => of)
    assert.isTrue(Option.isSome(StructuredField.parseList(many(64, "1").join())))
    assertNone(StructuredField.parseList(many(65, "1").join()))
    const parameters = (n: number) => `1${Array.from({ length: n }, (_, i) => `;a${i}`).join("")}`
    assert.isTrue(Option.isSome(StructuredField.parseList(parameters(64))))
    assertNone(StructuredField.parseList(parameters(65)))
  })

  it("reads dictionaries, of which the last of one name holds", () => {
    const members = (value: string) =>
      Option.map(StructuredField.parseDictionary(value), (all) => [...all].map(([name, { bare }]) => [name, bare.value]))
    assertSome(members("limit=100, remaining=50,reset=30;x=1"), [["limit", 100], ["remaining", 50], ["reset", 30]])
    assertSome(members("a, b;c, a=2"), [["a", 2], ["b", true]])
    for (const junk of ["a=", "=1", "A=1", "a=1,", "a b", `"a"`, "a=1;"]) assertNone(members(junk))
  })

  const item = fc.oneof(
    fc.integer({ min: -1e9, max: 1e9 }).map(String),
    fc.stringMatching(/^[ !#-[\]-~]{0,12}$/).map((text) => `"${text}"`),
    fc.stringMatching(/^[a-z*][a-z0-9_.*-]{0,8}$/)
  )
  const parameter = fc.tuple(fc.stringMatching(/^[a-z][a-z0-9]{0,3}$/), item).map(([name, value]) => `;${name}=${value}`)
  const member = fc.tuple(item, fc.array(parameter, { maxLength: 4 })).map(([value, parameters]) => value + parameters.join(""))

  it("reads what is put together by the grammar, and one item for each", () =>
    fc.assert(
      fc.property(fc.array(member, { minLength: 1, maxLength: 20 }), fc.constantFrom(",", ", ", " ,\t"), (members, comma) => {
        const items = StructuredField.parseList(members.join(comma))
        assert.strictEqual(Option.getOrThrow(items).length, members.length)
      }),
      runs
    ))

  it("takes its time for nothing: 4 KB of each kind of nonsense in less than a second", () => {
    const start = performance.now()
    for (const junk of ["a", "1", ";", ",", " ", `"`, `\\`, `"\\`, "a;", "a=", ":", "a,", "?1", `%"`, "((", "a;b=", `"a",`]) {
      for (let i = 0; i < 20; i++) StructuredField.parseList(junk.repeat(Math.floor(4096 / junk.length)))
    }
    assert.isBelow(performance.now() - start, 1000)
  })
})

describe("RateLimitHeaders", () => {
  it("reads the examples of the draft", () => {
    const policy = { unit: "requests", window: Option.some(10_000), partition: Option.none() }
    assertSome(RateLimitHeaders.parsePolicies(`"default";q=100;w=10`), [{ name: "default", quota: 100, ...policy }])
    assertSome(RateLimitHeaders.parsePolicies(`"permin";q=50;w=60,"perhr";q=1000;w=3600`), [
      { ...policy, name: "permin", quota: 50, window: Option.some(60_000) },
      { ...policy, name: "perhr", quota: 1000, window: Option.some(3_600_000) }
    ])
    assertSome(RateLimitHeaders.parsePolicies(`"peruser";q=65535;qu="content-bytes";w=10;pk=:sdfjLJUOUH==:`), [
      { ...policy, name: "peruser", quota: 65535, unit: "content-bytes", partition: Option.some("sdfjLJUOUH==") }
    ])
    assertSome(RateLimitHeaders.parseLimits(`"default";r=50;t=30`), [
      { name: "default", remaining: 50, reset: Option.some(30_000), partition: Option.none() }
    ])
    assertSome(RateLimitHeaders.parseLimits(`"default";r=999;pk=:dHJpYWwxMjEzMjM=:`), [
      { name: "default", remaining: 999, reset: Option.none(), partition: Option.some("dHJpYWwxMjEzMjM=") }
    ])
  })

  it.each([
    "", "default;r=1;t=1", `"default"`, `"default";t=1`, `"default";r="1"`, `"default";r=-1`, `"default";r=1.5`, `"default";r=1;t=-1`,
    `"default";r=1;t=1.0`, `"default";r=1;pk="a"`, `"default";r=1, "other"`, "limit=1, reset=1", "remaining=1", "remaining=-1, reset=1"
  ])("does not read the limits %j", (value) => assertNone(RateLimitHeaders.parseLimits(value)))

  it.each([`"a"`, `"a";q=-1`, `"a";q=1;w=0`, `"a";q=1;w=-1`, `"a";q=1;qu=requests`, `"a";q=1;pk=abc`, "a;q=1", "?1;q=1"])(
    "does not read the policies %j",
    (value) => assertNone(RateLimitHeaders.parsePolicies(value))
  )

  const of = (headers: Record<string, string>, now = 0) => RateLimitHeaders.fromHeaders(headers, now)

  it.each<[Record<string, string>, ReadonlyArray<RateLimitHeaders.Quota>]>([
    [{}, []],
    [{ ratelimit: `"a";r=5;t=30, "b";r=900;t=86400` }, [
      { name: "a", remaining: 5, reset: 30_000 },
      { name: "b", remaining: 900, reset: 86_400_000 }
    ]],
    // Without a reset: the window of the policy, or nothing.
    [{ ratelimit: `"a";r=5`, "ratelimit-policy": `"b";q=9;w=1,"a";q=9;w=60` }, [{ name: "a", remaining: 5, reset: 60_000 }]],
    [{ ratelimit: `"a";r=5` }, []],
    // What is no request is not counted.
    [{ ratelimit: `"a";r=5;t=1`, "ratelimit-policy": `"a";q=9;qu="content-bytes"` }, []],
    [{ ratelimit: `"a";r=5;t=1;pk=:eA==:` }, [{ name: "a:eA==", remaining: 5, reset: 1000 }]],
    [{ ratelimit: "limit=100, remaining=50, reset=30" }, [{ name: "", remaining: 50, reset: 30_000 }]],
    [{ "ratelimit-limit": "100, 100;w=60", "ratelimit-remaining": "50", "ratelimit-reset": "30" }, [
      { name: "ratelimit", remaining: 50, reset: 30_000 }
    ]],
    [{ "ratelimit-remaining": "50", "ratelimit-policy": "100;w=60" }, [{ name: "ratelimit", remaining: 50, reset: 60_000 }]],
    [{ "x-ratelimit-remaining": "599.7", "x-ratelimit-reset": "30" }, [{ name: "x-ratelimit", remaining: 599, reset: 30_000 }]],
    [{ "x-rate-limit-remaining": "0", "x-rate-limit-reset": "1" }, [{ name: "x-rate-limit", remaining: 0, reset: 1000 }]],
    // The first that can be read wins; one that cannot is as if it were not there.
    [{ ratelimit: `"a";r=1;t=1`, "x-ratelimit-remaining": "7", "x-ratelimit-reset": "7" }, [{ name: "a", remaining: 1, reset: 1000 }]],
    [{ ratelimit: "junk!", "x-ratelimit-remaining": "7", "x-ratelimit-reset": "7" }, [{ name: "x-ratelimit", remaining: 7, reset: 7000 }]],
    [{ "x-ratelimit-remaining": "7" }, []],
    [{ "x-ratelimit-reset": "7" }, []],
    [{ "x-ratelimit-remaining": "-1", "x-ratelimit-reset": "7" }, []],
    [{ "x-ratelimit-remaining": "NaN", "x-ratelimit-reset": "7" }, []],
    [{ "x-ratelimit-remaining": "7, 7", "x-ratelimit-reset": "7" }, []],
    [{ ratelimit: `"a";r=999999999999999;t=999999999999999` }, [{ name: "a", remaining: 999999999999999, reset: maxDelay }]]
  ])("%j", (headers, quotas) => deepStrictEqual(of(headers), quotas))

  it("reads a reset as a delay, as an epoch in seconds, and as one in ms, by the server's clock", () => {
    const now = 1_700_000_000_000
    const reset = (value: string, more: Record<string, string> = {}) =>
      of({ "x-ratelimit-remaining": "1", "x-ratelimit-reset": value, ...more }, now)[0]?.reset
    assert.deepStrictEqual(["60", "1700000060", "1700000060000", "1600000000"].map((value) => reset(value)), [60_000, 60_000, 60_000, 0])
    // Our clock is an hour fast.
    assert.strictEqual(of({ "x-ratelimit-remaining": "1", "x-ratelimit-reset": "1700000060", date: "Tue, 14 Nov 2023 22:13:20 GMT" }, now + 3_600_000)[0]?.reset, 60_000)
  })

  it("looks at no property but the headers' own", () => {
    const polluted = Object.create({ ratelimit: `"a";r=0;t=60` })
    assert.deepStrictEqual(RateLimitHeaders.fromHeaders(polluted, 0), [])
  })

  const value = fc.oneof(
    fc.string({ maxLength: 60 }),
    fc.string({ unit: fc.constantFrom(..."\"abrtqw;=, 0123456789-.:?@%\\()"), maxLength: 60 }),
    fc.tuple(fc.bigInt(), fc.bigInt()).map(([r, t]) => `"a";r=${r};t=${t}`),
    fc.double().map(String)
  )
  const names = [
    "ratelimit", "ratelimit-policy", "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset", "x-ratelimit-remaining", "x-ratelimit-reset",
    "x-rate-limit-remaining", "x-rate-limit-reset", "date", "retry-after"
  ]
  const headers = fc.dictionary(fc.constantFrom(...names), value)

  it("whatever the headers hold, what comes out is whole numbers from 0 on, none above 25 days, and never more than 64", () =>
    fc.assert(
      fc.property(headers, fc.oneof(fc.double(), fc.constant(1.7e12)), (headers, now) => {
        const quotas = RateLimitHeaders.fromHeaders(headers, now)
        assert.isAtMost(quotas.length, 64)
        for (const { remaining, reset } of quotas) {
          assert.isTrue(Number.isSafeInteger(remaining) && remaining >= 0, String(remaining))
          assert.isTrue(Number.isSafeInteger(reset) && reset >= 0 && reset <= maxDelay, String(reset))
        }
      }),
      { numRuns: 5000 }
    ))
})

describe("Advice", () => {
  const read = Advice.headers(Classifier.http)
  const respond = (status: number, headers: Record<string, string> = {}) => read(Exit.succeed({ status, headers }), 0)

  it("a response without a word of it says nothing, and costs no object", () => {
    assert.strictEqual(respond(200), Advice.silent)
    assert.strictEqual(respond(500), Advice.silent)
  })

  it("a 429 throttles, for as long as its Retry-After says; so does a 503 with one", () => {
    assert.deepStrictEqual(respond(429, { "retry-after": "7" }), { quotas: [], throttled: 7000 })
    assert.deepStrictEqual(respond(429), { quotas: [], throttled: "unsaid" })
    assert.deepStrictEqual(respond(429, { "retry-after": "-1" }), { quotas: [], throttled: "unsaid" })
    assert.deepStrictEqual(respond(503, { "retry-after": "7" }), { quotas: [], throttled: 7000 })
    assert.strictEqual(respond(503), Advice.silent)
  })

  it("quotas are learned from any status", () => {
    for (const status of [200, 301, 404, 500]) {
      assert.deepStrictEqual(respond(status, { ratelimit: `"a";r=3;t=9` }), {
        quotas: [{ name: "a", remaining: 3, reset: 9000 }],
        throttled: "no"
      })
    }
  })

  it("an error throttles where it says so, and an interruption says nothing", () => {
    assert.strictEqual(read(Exit.fail("no"), 0), Advice.silent)
    assert.strictEqual(read(Exit.die("bug"), 0), Advice.silent)
  })
})
