import * as Schema from "effect/Schema"
import { Field, Policy } from "effect-resilience"
import { describe, expect, it } from "vitest"

describe("a schema that is made lazily", () => {
  const made = () => {
    let times = 0
    const schema = Field.lazily(() => {
      times++
      return Schema.Struct({ limit: Field.integer({ about: "A limit.", min: 1, max: 10 }) })
    })
    return { schema, times: () => times }
  }

  it("is made by the first who reads with it, and once", () => {
    const { schema, times } = made()
    const list = Schema.suspend(() => Schema.Array(schema))
    expect(times()).toBe(0)
    expect(Schema.decodeUnknownSync(schema)({ limit: 3 })).toEqual({ limit: 3 })
    expect(Schema.decodeUnknownSync(list)([{ limit: 4 }])).toEqual([{ limit: 4 }])
    expect(() => Schema.decodeUnknownSync(schema)({ limit: 11 })).toThrow("limit")
    expect(times()).toBe(1)
  })

  it("is the same as one that was made at once", () => {
    const { schema } = made()
    expect(schema.annotations({ title: "A limit" }).ast.annotations).toEqual(Schema.Struct({}).annotations({ title: "A limit" }).ast.annotations)
    expect(schema.pipe(Schema.pluck("limit"), Schema.encodeSync)(3)).toEqual({ limit: 3 })
    expect(String(schema)).toContain("limit")
    expect(String(Policy.schema)).toContain("readonly retry?")
  })
})
