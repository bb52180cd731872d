/**
 * The checker of examples can fail: an example that is wrong in any of these ways does not pass.
 */
import { rmSync } from "node:fs"
import * as path from "node:path"
import { afterAll, describe, expect, it } from "vitest"
import { check } from "./check.ts"
import { fromMarkdown, fromSource, nameOf } from "./collect.ts"
import { rewrite } from "./rewrite.ts"

const fence = "```"

/** The example, then what must be said of it: nothing when it holds. */
const cases: ReadonlyArray<readonly [name: string, code: string, failure: RegExp | undefined, words?: string]> = [
  ["a comparison that holds", "const a: number = 1 + 1\na // => 2", undefined],
  ["a deep comparison that holds", "[{ a: 1 }] // => [{ a: 1 }]", undefined],
  ["a statement over several lines", "[1, 2]\n  .map((n) => n * 2) // => [2, 4]", undefined],
  ["a value on the line below", "[1, 2]\n// => [1, 2]", undefined],
  ["a wrong value on the line below", "[1, 2]\n// => [1]", /on line 2 of the block/],
  ["top-level await", "await Promise.resolve(3) // => 3", undefined],
  ["a call of assert", "import * as assert from \"node:assert\"\nassert.equal(1, 1)", undefined],
  [
    "Effect's equality and a yield*",
    "import { Effect, Option } from \"effect\"\n" +
    "await Effect.runPromise(Effect.gen(function*() {\n  yield* Effect.succeed(Option.some(1)) // => Option.some(1)\n}))",
    undefined
  ],
  ["the package by its name", "import * as all from \"effect-resilience\"\ntypeof all // => \"object\"", undefined],
  ["a wrong comparison", "1 + 1 // => 3", /on line 1 of the block[^]*2 !== 3/],
  ["a comparison that is only loosely true", "1 as unknown // => \"1\"", /on line 1 of the block/],
  ["a wrong call of assert", "import * as assert from \"node:assert\"\nassert.equal(1, 2)", /1 == 2/],
  ["a wrong comparison that is swallowed", "try {\n  1 // => 2\n} catch {}", /on line 2 of the block/],
  ["a comparison that is not reached", "const f = () => {\n  1 // => 1\n}\ntypeof f // => \"function\"", /never reached.* line 2/],
  ["a type error", "const a: string = 1\na // => 1", /line 1:7 of the block: error TS2322/],
  ["a type error where nothing is run", "const a: string = 1", /line 1:7 of the block: error TS2322/, "no-run"],
  ["no error where nothing is run", "const a: string = process.exit(1)", undefined, "no-run"],
  ["no assertion", "const a = 1\nconsole.log(a)", /it asserts nothing/],
  ["an arrow after a declaration", "const a = 1 // => 1", /must follow an expression statement/],
  ["a rejection that nobody handles", "1 // => 1\nvoid Promise.reject(new Error(\"lost\"))", /unhandled rejection: Error: lost/],
  ["the end of the process", "1 // => 1\nprocess.exit(0)", /the process ended with code 0/],
  ["a loop without end", "1 // => 1\nfor (;;) {}", /it took more than 5000 ms/],
  [
    "the network, by a socket",
    "import { connect } from \"node:net\"\nconnect(80, \"192.0.2.1\")\n1 // => 1",
    /an example is offline: no connection to 192\.0\.2\.1/
  ],
  [
    "the network, by fetch",
    "const lost = await fetch(\"http://192.0.2.1/\").catch((error) => error.cause.message)\nlost // => \"\"",
    /an example is offline: no connection to 192\.0\.2\.1/
  ],
  [
    "this machine, which is allowed",
    "import { createServer } from \"node:http\"\nimport type { AddressInfo } from \"node:net\"\n" +
    "const server = createServer((_, response) => response.end(\"hi\")).listen(0, \"127.0.0.1\")\n" +
    "await new Promise((resolve) => server.once(\"listening\", resolve))\n" +
    "const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`\n" +
    "await (await fetch(url)).text() // => \"hi\"\nserver.closeAllConnections()\nserver.close()",
    undefined
  ]
]

describe("check", async () => {
  const examples = cases.flatMap(([, code, , words], index) =>
    fromMarkdown(`case-${index}.md`, `${fence}ts ${words ?? ""}\n${code}\n${fence}`)
  )
  const folder = path.resolve(import.meta.dirname, `../../.cache/checker-${process.pid}`)
  const checked = await check(folder, examples)

  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it("answers for each example", () => {
    expect(checked.map(({ example }) => nameOf(example))).toEqual(cases.map((_, index) => `case-${index}.md:2`))
  })

  for (const [index, [name, , failure]] of cases.entries()) {
    it(`${failure === undefined ? "passes" : "fails"}: ${name}`, () => {
      if (failure === undefined) expect(checked[index]?.failure).toBeUndefined()
      else expect(checked[index]?.failure).toMatch(failure)
    })
  }
})

describe("fromSource", () => {
  const source = [
    "const glob = \"src/**/*.ts\"",
    "/**",
    " * Doubles.",
    " *",
    " * **Example** (Twice)",
    " *",
    ` * ${fence}ts`,
    " * const two = 2",
    " * if (two) {",
    " *   two // => 2",
    " * }",
    ` * ${fence}`,
    " */",
    "export const double = 1"
  ]

  it("keeps the code's indentation and knows its line", () => {
    expect(fromSource("a.ts", source.join("\n"))).toEqual([
      { file: "a.ts", line: 8, code: "const two = 2\nif (two) {\n  two // => 2\n}", mode: "run" }
    ])
  })

  it("refuses an example without a block", () => {
    const lines = source.filter((_, index) => index < 6 || index > 11)
    expect(() => fromSource("a.ts", lines.join("\n"))).toThrow("a.ts:2: this comment announces 1 examples and has 0 ts blocks")
  })
})

describe("fromMarkdown", () => {
  it("takes ts blocks only, and not those shown within another block", () => {
    const text = ["````md", `${fence}ts`, "no", fence, "````", `${fence}json`, "{}", fence, `${fence}ts no-check`, "x", fence]
    expect(fromMarkdown("a.md", text.join("\n"))).toEqual([{ file: "a.md", line: 10, code: "x", mode: "no-check" }])
  })

  it("refuses a fence that is not closed, and a word it does not know", () => {
    expect(() => fromMarkdown("a.md", `${fence}ts\nx`)).toThrow("a.md:1: this fence is not closed")
    expect(() => fromMarkdown("a.md", `${fence}ts norun\nx\n${fence}`)).toThrow("not \"norun\"")
  })
})

describe("rewrite", () => {
  it("leaves every line where it was", () => {
    const { code } = rewrite("const a = [\n  1\n]\na // => [1]\nconst b = a", "id", "./same.ts")
    expect(code.split("\n").slice(0, 5)).toEqual([
      "const a = [",
      "  1",
      "]",
      "__same(\"id\", 4, (a), ([1]));",
      "const b = a"
    ])
  })

  it("knows what vitest has to run", () => {
    expect(rewrite("import { it } from \"@effect/vitest\"", "id", "./same.ts").usesVitest).toBe(true)
    expect(rewrite("import { Effect } from \"effect\"", "id", "./same.ts").usesVitest).toBe(false)
  })
})
