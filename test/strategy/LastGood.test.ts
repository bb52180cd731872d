import { assertNone, assertSome } from "@effect/vitest/utils"
import * as Effect from "effect/Effect"
import * as Hash from "effect/Hash"
import { assert, describe, it } from "vitest"
import * as LastGood from "../../src/strategy/LastGood.ts"

const make = <A = number>(options?: LastGood.Options) => Effect.runSync(LastGood.make<A>(options))

describe("LastGood", () => {
  it("gives what was put last, until it is too old", () => {
    const store = make({ maxAge: "1 minute" })
    store.put("a", 1, 0)
    store.put("a", 2, 1_000)
    assertSome(store.get("a", 61_000), { value: 2, at: 1_000 })
    assertNone(store.get("a", 61_001))
    assertNone(store.get("b", 0))
  })

  it("what comes late does not take the place of what is newer", () => {
    const store = make()
    store.put("a", 2, 1_000)
    store.put("a", 1, 999)
    assertSome(store.get("a", 1_000), { value: 2, at: 1_000 })
    store.put("a", 3, 1_000)
    assertSome(store.get("a", 1_000), { value: 3, at: 1_000 })
  })

  it("gives it at exactly its greatest age, also where another key was put then", () => {
    const store = make({ maxAge: 1_000 })
    store.put("a", 1, 0)
    store.put("b", 2, 1_000)
    assertSome(store.get("a", 1_000), { value: 1, at: 0 })
  })

  it("a clock that goes back makes nothing too old", () => {
    const store = make({ maxAge: 1_000 })
    store.put("a", 1, 5_000)
    assertSome(store.get("a", 0), { value: 1, at: 5_000 })
  })

  it("removes one key, and may be asked for one that is not there", () => {
    const store = make()
    store.put("a", 1, 0)
    store.remove("b")
    assertSome(store.get("a", 0), { value: 1, at: 0 })
    store.remove("a")
    assertNone(store.get("a", 0))
  })

  it("has never more keys than its capacity", () => {
    const store = make({ capacity: 3 })
    for (let index = 0; index < 10_000; index++) store.put(`key ${index}`, index, index / 1_000)
    assert.strictEqual(store.size(), 3)
    assertSome(store.get("key 9999", 10), { value: 9_999, at: 9.999 })
  })

  it("long keys that share their hash do not share their value", () => {
    const tail = "x".repeat(600)
    const [one, other] = [`00008t${tail}`, `0000fj${tail}`]
    assert.strictEqual(Hash.string(one), Hash.string(other))
    const store = make<string>()
    store.put(one, "one", 0)
    store.put(other, "other", 0)
    assertNone(store.get(one, 0))
    assertSome(store.get(other, 0), { value: "other", at: 0 })
    store.remove(one)
    assertSome(store.get(other, 0), { value: "other", at: 0 })
  })

  it("a key of more than 8,192 characters is not kept", () => {
    const store = make()
    store.put("k".repeat(8_192), 1, 0)
    store.put("l".repeat(8_193), 1, 0)
    assert.strictEqual(store.size(), 1)
  })

  it("refuses what is no age and no capacity", () => {
    for (const maxAge of [0, -1, NaN, Infinity]) assert.throws(() => make({ maxAge }), /LastGood: maxAge/)
    for (const capacity of [0, 1.5, NaN]) assert.throws(() => make({ capacity }), /capacity/)
  })
})
