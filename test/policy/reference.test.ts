import { assert, it } from "@effect/vitest"
import { readFileSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import { reference } from "../support/policyReference.ts"

const page = path.join(import.meta.dirname, "../../docs/policy.md")
const begin = "<!-- generated from the schema: UPDATE_GOLDEN=1 npx vitest run test/policy/reference.test.ts -->"
const end = "<!-- end -->"

it("the reference in docs/policy.md is what the schema says", () => {
  const text = readFileSync(page, "utf8")
  const [before = "", rest = ""] = text.split(begin)
  const [, after = ""] = rest.split(end)
  const generated = `${before}${begin}\n\n${reference()}\n\n${end}${after}`
  if (process.env["UPDATE_GOLDEN"] !== undefined) writeFileSync(page, generated)
  assert.strictEqual(readFileSync(page, "utf8"), generated)
})
