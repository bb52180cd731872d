import { it } from "@effect/vitest"
import { Effect, TestClock } from "effect"
import { assert, describe } from "vitest"
import { InvalidOption } from "../../src/core/InvalidOption.ts"
import * as IdempotencyStore from "../../src/strategy/IdempotencyStore.ts"

const claim = (token: string, fingerprint = "a") => ({ token, fingerprint, lease: 30_000 })
const tag = (store: IdempotencyStore.Store, key: string, token: string) =>
  Effect.map(Effect.either(store.begin(key, claim(token))), (answer) => answer._tag === "Left" ? answer.left.cause : answer.right._tag)

const finish = (store: IdempotencyStore.Store, key: string, result: string, ttl = 60_000) =>
  Effect.gen(function*() {
    assert.deepStrictEqual(yield* store.begin(key, claim(key)), { _tag: "Begun" })
    return yield* Effect.either(store.complete(key, key, result, ttl))
  })

describe("the store in memory", () => {
  it.effect("forgets what was finished first where it has no room for another record", () =>
    Effect.gen(function*() {
      const store = yield* IdempotencyStore.memory({ capacity: 2 })
      for (const key of ["1", "2", "3"]) yield* finish(store, key, key)
      assert.strictEqual(yield* tag(store, "3", "x"), "Done")
      assert.strictEqual(yield* tag(store, "2", "x"), "Done")
      assert.strictEqual(yield* tag(store, "1", "x"), "Begun")
    }))

  it.effect("forgets what was finished first where the results are too long together", () =>
    Effect.gen(function*() {
      const store = yield* IdempotencyStore.memory({ size: 10 })
      yield* finish(store, "1", "four")
      yield* finish(store, "2", "fives")
      assert.strictEqual(yield* tag(store, "1", "x"), "Done")
      yield* finish(store, "3", "4444")
      assert.strictEqual(yield* tag(store, "1", "x"), "Begun")
      assert.strictEqual(yield* tag(store, "2", "x"), "Done")
      assert.strictEqual(yield* tag(store, "3", "x"), "Done")
    }))

  it.effect("takes a result of its whole size and none that is longer", () =>
    Effect.gen(function*() {
      const store = yield* IdempotencyStore.memory({ size: 10 })
      assert.strictEqual((yield* finish(store, "1", "x".repeat(10)))._tag, "Right")
      const longer = yield* finish(store, "2", "x".repeat(11))
      assert.strictEqual(longer._tag === "Left" && longer.left.message, "the idempotency store failed to complete: the result is too long")
      assert.strictEqual(yield* tag(store, "2", "x"), "Busy")
      assert.strictEqual(yield* tag(store, "1", "x"), "Done")
    }))

  it.effect("forgets none that is in progress: it is full of them until a lease ends", () =>
    Effect.gen(function*() {
      const store = yield* IdempotencyStore.memory({ capacity: 2 })
      assert.strictEqual(yield* tag(store, "1", "a"), "Begun")
      yield* TestClock.adjust(10_000)
      assert.strictEqual(yield* tag(store, "2", "b"), "Begun")
      assert.strictEqual(yield* tag(store, "3", "c"), "it is full")
      assert.strictEqual(yield* tag(store, "1", "c"), "Busy")
      yield* TestClock.adjust(19_999)
      assert.strictEqual(yield* tag(store, "3", "c"), "it is full")
      yield* TestClock.adjust(1)
      assert.strictEqual(yield* tag(store, "3", "c"), "Begun")
      assert.strictEqual(yield* tag(store, "2", "d"), "Busy")
    }))

  it.effect("keeps a result for its ttl and no longer", () =>
    Effect.gen(function*() {
      const store = yield* IdempotencyStore.memory()
      yield* finish(store, "1", "done", 60_000)
      yield* TestClock.adjust(59_999)
      assert.deepStrictEqual(yield* store.begin("1", claim("x")), { _tag: "Done", result: "done" })
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(yield* store.begin("1", claim("x")), { _tag: "Begun" })
    }))

  it("refuses room for nothing", () => {
    for (const options of [{ capacity: 0 }, { capacity: NaN }, { size: 0 }, { size: -1 }, { size: Infinity }]) {
      assert.throws(() => IdempotencyStore.memory(options), InvalidOption)
    }
  })
})
