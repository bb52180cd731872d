import { assert, describe, it } from "@effect/vitest"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as fc from "fast-check"
import type * as SpanRecord from "../../src/telemetry/SpanRecord.ts"
import * as TracePage from "../../src/telemetry/TracePage.ts"

const trace = (text: string): ReadonlyArray<SpanRecord.SpanRecord> => [
  {
    name: text,
    kind: "internal",
    traceId: text,
    spanId: "1",
    parent: Option.none(),
    start: 1_000,
    status: { _tag: "Ended", at: 1_250, exit: Exit.void },
    attributes: { [text]: text, list: [text, text], "code.stacktrace": "at a place of mine" },
    events: [
      { name: text, at: 1_100, attributes: { [text]: text } },
      { name: "resilience.wait", at: 1_100, attributes: { "resilience.attempt": 1, "resilience.delay": 0.05, "resilience.reason": text } }
    ],
    links: [{ traceId: text, spanId: text }]
  },
  {
    name: "GET",
    kind: "client",
    traceId: text,
    spanId: "2",
    parent: Option.some("1"),
    start: 1_150,
    status: { _tag: "Open" },
    attributes: { "error.type": text, "url.full": text },
    events: [],
    links: []
  }
]

/** The tags of a document that was made with no text in it: what any other document must have too, and nothing beside it. */
const tagsOf = (markup: string): ReadonlyArray<string> => [...markup.matchAll(/<[^>]*>/g)].map(([tag]) => tag)

/** Tags by their names alone: lengths and places differ. */
const namesOf = (markup: string) => tagsOf(markup).map((tag) => tag.replace(/[\s>].*$/s, ""))

const attacks = [
  "<script>alert(1)</script>",
  "</title></svg></style><img src=x onerror=alert(1)>",
  "\" onload=\"alert(1)",
  "' onload='alert(1)",
  "]]><x>",
  "--><x>",
  "&lt;script&gt;",
  "javascript:alert(1)",
  "\u0000\u0008\u001b[2J\u202e\ud800",
  "a".repeat(10_000)
]

describe("escape", () => {
  it("leaves nothing that opens or closes markup or an attribute", () => {
    fc.assert(fc.property(fc.oneof(fc.string({ unit: "binary" }), fc.stringMatching(/^[<>"'&a;#]*$/)), (text) => {
      assert.notMatch(TracePage.escape(text), /[<>"']|&(?!(amp|lt|gt|quot|#39);)/)
    }), { numRuns: 2_000 })
  })

  it("says the same to a reader: what was escaped can be read back", () => {
    const back = (text: string) =>
      text.replace(/&(amp|lt|gt|quot|#39);/g, (_, name: string) => ({ amp: "&", lt: "<", gt: ">", quot: "\"", "#39": "'" })[name] ?? "")
    fc.assert(fc.property(fc.string(), (text) => {
      assert.strictEqual(back(TracePage.escape(text)), text)
    }), { numRuns: 2_000 })
  })

  it("leaves nothing that XML cannot hold or that turns the direction of what follows", () => {
    assert.strictEqual(TracePage.escape("a\u0000b\u001bc\u202ed\ud800e\ufffef"), "a\ufffdb\ufffdc\ufffdd\ufffde\ufffdf")
    assert.strictEqual(TracePage.escape("a\tb\nc\u{1f600}d"), "a\tb\nc\u{1f600}d")
  })
})

for (const [what, render] of [["svg", TracePage.svg], ["html", TracePage.html]] as const) {
  describe(what, () => {
    it("has the same markup whatever the spans say", () => {
      const plain = namesOf(render(trace("plain")))
      for (const attack of attacks) assert.deepStrictEqual(namesOf(render(trace(attack))), plain, attack.slice(0, 60))
      fc.assert(fc.property(fc.string({ minLength: 1 }).filter((text) => !["list", "code.stacktrace"].includes(text)), (text) => {
        // A key that is a number moves in front of the others, and takes nothing with it.
        assert.deepStrictEqual(namesOf(render(trace(text))), plain)
      }), { numRuns: 1_000 })
    })

    it("has no script, no link and nothing that is loaded", () => {
      for (const attack of attacks) {
        for (const tag of tagsOf(render(trace(attack)))) {
          assert.notMatch(tag, /^<\/?(script|a|img|image|iframe|object|embed|link|use|foreignObject)\b/i)
          assert.notMatch(tag, /\s(href|src|on\w+|xlink:href)\s*=/i)
        }
      }
    })

    it("shows no path of the machine, and of a long value the beginning", () => {
      const page = render(trace("a".repeat(10_000)))
      assert.notInclude(page, "at a place of mine")
      assert.isBelow(page.length, 60_000)
    })

    it("is drawn of no spans at all", () => {
      assert.include(render([]), "No spans")
    })
  })
}

describe("svg", () => {
  it("is said to those who cannot see it: what each bar is, when, how long, and what came of it", () => {
    const svg = TracePage.svg(trace("users"))
    assert.include(svg, "role=\"img\"")
    assert.include(svg, "<title>users</title>")
    assert.include(svg, "<title>GET: from 150 ms, for 100 ms, not ended</title>")
    assert.include(svg, "<title>users: from 0 ms, for 250 ms, succeeded</title>")
  })

  it("has a number wherever one must stand, also of spans without a length", () => {
    const [span] = trace("a")
    for (const spans of [[], trace("a"), span === undefined ? [] : [{ ...span, status: { _tag: "Open" } as const, events: [] }]]) {
      assert.notMatch(TracePage.svg(spans), /NaN|Infinity/)
    }
  })
})

describe("html", () => {
  it("forbids by its own policy what it does not have", () => {
    assert.include(TracePage.html(trace("users")), "content=\"default-src 'none'; style-src 'unsafe-inline'\"")
  })

  it("is called what it is told, or what its first span is called", () => {
    assert.include(TracePage.html(trace("users")), "<title>users</title>")
    assert.include(TracePage.html(trace("users"), { title: "a < b" }), "<title>a &lt; b</title>")
  })

  it("has all that the spans say", () => {
    const page = TracePage.html(trace("q&a"))
    for (const said of ["<dt>url.full</dt><dd>q&amp;a</dd>", "<dt>list</dt><dd>q&amp;a, q&amp;a</dd>", "<dt>resilience.delay</dt><dd>0.05</dd>", "links to q&amp;a"]) {
      assert.include(page, said)
    }
  })
})
