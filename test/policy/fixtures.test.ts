/**
 * Policies in files. Beside each that is none stands what is told of it; `UPDATE_GOLDEN=1` writes that anew.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import * as Interpreter from "../../src/policy/Interpreter.ts"
import * as Policy from "../../src/policy/Policy.ts"
import * as PolicySource from "../../src/policy/PolicySource.ts"
import * as ResilientClient from "../../src/policy/ResilientClient.ts"

const folder = (kind: string) => path.join(import.meta.dirname, "fixtures", kind)
const names = (kind: string) =>
  readdirSync(folder(kind)).filter((file) => file.endsWith(".json")).map((file) => file.slice(0, -".json".length)).sort()
const text = (kind: string, file: string) => readFileSync(path.join(folder(kind), file), "utf8")

it("there are more than thirty", () => {
  assert.isAtLeast(names("valid").length, 20)
  assert.isAtLeast(names("invalid").length, 30)
})

describe("is read, written as it was, and a client can be made of it", () => {
  for (const name of names("valid")) {
    it.effect(name, () =>
      Effect.gen(function*() {
        const json = text("valid", `${name}.json`)
        const policy = yield* PolicySource.fromJson(json)
        assert.deepStrictEqual(Policy.encode(policy), JSON.parse(json))
        ResilientClient.chosen(Interpreter.options(policy))
      }))
  }
})

describe("is refused, with each place, what stands there and what may", () => {
  for (const name of names("invalid")) {
    it.effect(name, () =>
      Effect.gen(function*() {
        const { message } = yield* Effect.flip(PolicySource.fromJson(text("invalid", `${name}.json`)))
        const golden = `${message}\n`
        if (process.env["UPDATE_GOLDEN"] !== undefined) writeFileSync(path.join(folder("invalid"), `${name}.txt`), golden)
        assert.strictEqual(golden, text("invalid", `${name}.txt`))
      }))
  }
})
