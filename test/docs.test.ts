/**
 * Every example of the documentation is a test: in the doc comments of `src`, in the README and in `docs`.
 * How an example is written, and what its fence may say: test/support/examples/collect.ts and rewrite.ts.
 */
import { rmSync } from "node:fs"
import * as path from "node:path"
import { afterAll, describe, expect, it } from "vitest"
import { check } from "./support/examples/check.ts"
import { collect, nameOf } from "./support/examples/collect.ts"

const root = path.resolve(import.meta.dirname, "..")
const examples = collect(root)
// Of this process alone: two runs may overlap.
const folder = path.join(root, `test/.cache/examples-${process.pid}`)
const checked = await check(folder, examples)

afterAll(() => rmSync(folder, { recursive: true, force: true }))

it("finds the examples", () => {
  expect(examples.length).toBeGreaterThan(0)
})

for (const { example, failure, path, usesVitest } of checked) {
  const name = example.mode === "no-run" ? `${nameOf(example)} (types only)` : nameOf(example)
  if (usesVitest && failure === undefined) {
    describe(name, () => import(path))
  } else {
    it(name, () => {
      if (failure !== undefined) expect.fail(`${nameOf(example)}: ${failure}`)
    })
  }
}
