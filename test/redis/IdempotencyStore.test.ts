import { it } from "@effect/vitest"
import { Effect, Either, Exit, Fiber } from "effect"
import * as fc from "fast-check"
import { assert, describe } from "vitest"
import { InvalidOption } from "../../src/core/InvalidOption.ts"
import * as RedisStore from "../../src/redis/IdempotencyStore.ts"
import type { IdempotencyStoreError } from "../../src/strategy/IdempotencyStore.ts"
import { requireBinary } from "../support/debian.ts"
import { eventually } from "../support/eventually.ts"
import { redisClient, redisServer } from "../support/redis.ts"

const claim = (token: string, fingerprint = "f1", lease = 60_000) => ({ token, fingerprint, lease })

const make = (prefix?: string) =>
  Effect.gen(function*() {
    const client = yield* redisClient(yield* redisServer)
    return { client, store: RedisStore.make({ client, ...(prefix === undefined ? {} : { prefix }) }) }
  })

describe.skipIf(!requireBinary("redis-server"))("the store in Redis", () => {
  it.scopedLive("begins once, tells others so, and gives them the result", () =>
    Effect.gen(function*() {
      const { client, store } = yield* make("mine:")
      assert.deepStrictEqual(yield* store.begin("k", claim("a")), { _tag: "Begun" })
      assert.deepStrictEqual(yield* store.begin("k", claim("b", "f2")), { _tag: "Mismatch" })
      const busy = yield* store.begin("k", claim("b"))
      assert.isTrue(busy._tag === "Busy" && busy.leaseEnds > 0 && busy.leaseEnds <= 60_000)
      assert.isTrue(yield* store.renew("k", "a", 90_000))
      assert.isAbove(yield* Effect.promise(() => client.pttl("mine:k")), 60_000)
      const result = "{\"a:b\":\"\u00e9\n:\"}"
      assert.isTrue(yield* store.complete("k", "a", result, 120_000))
      assert.isAbove(yield* Effect.promise(() => client.pttl("mine:k")), 90_000)
      assert.deepStrictEqual(yield* store.begin("k", claim("b")), { _tag: "Done", result })
      assert.deepStrictEqual(yield* store.begin("k", claim("b", "f2")), { _tag: "Mismatch" })
      assert.deepStrictEqual(yield* Effect.promise(() => client.keys("*")), ["mine:k"])
    }))

  it.scopedLive("listens to nobody but the holder", () =>
    Effect.gen(function*() {
      const { store } = yield* make()
      yield* store.begin("k", claim("a"))
      for (const other of ["", "b", "a:f", "A"]) {
        assert.isFalse(yield* store.renew("k", other, 1))
        assert.isFalse(yield* store.complete("k", other, "x", 1))
        assert.isFalse(yield* store.release("k", other))
      }
      assert.isTrue(yield* store.release("k", "a"))
      assert.isFalse(yield* store.release("k", "a"))
      assert.isFalse(yield* store.complete("k", "a", "late", 1000))
      assert.deepStrictEqual(yield* store.begin("k", claim("b")), { _tag: "Begun" })
      assert.isTrue(yield* store.complete("k", "b", "done", 60_000))
      for (const token of ["a", "b"]) {
        assert.isFalse(yield* store.renew("k", token, 1))
        assert.isFalse(yield* store.complete("k", token, "late", 1))
        assert.isFalse(yield* store.release("k", token))
      }
    }))

  it.scopedLive("frees the key of a holder that has crashed when its lease ends, and hears no more of it", () =>
    Effect.gen(function*() {
      const server = yield* redisServer
      const crashing = yield* redisClient(server)
      const store = RedisStore.make({ client: yield* redisClient(server) })
      const crashed = RedisStore.make({ client: crashing })
      assert.deepStrictEqual(yield* crashed.begin("k", claim("a", "f1", 3000)), { _tag: "Begun" })
      crashing.disconnect()
      assert.strictEqual((yield* store.begin("k", claim("b")))._tag, "Busy")
      const begun = yield* store.begin("k", claim("b")).pipe(
        Effect.delay("50 millis"),
        Effect.repeat({ until: (answer) => answer._tag !== "Busy" })
      )
      assert.deepStrictEqual(begun, { _tag: "Begun" })
      assert.isFalse(yield* store.complete("k", "a", "late", 60_000))
      assert.isTrue(yield* store.complete("k", "b", "done", 60_000))
      assert.deepStrictEqual(yield* store.begin("k", claim("c")), { _tag: "Done", result: "done" })
    }))

  it.scopedLive("lets one of 200 that come at once begin", () =>
    Effect.gen(function*() {
      const { store } = yield* make()
      const answers = yield* Effect.forEach(
        Array.from({ length: 200 }, (_, i) => `t${i}`),
        (token) => store.begin("k", claim(token)),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(answers.filter(({ _tag }) => _tag === "Begun").length, 1)
      assert.strictEqual(answers.filter(({ _tag }) => _tag === "Busy").length, 199)
    }))

  it.scopedLive("keeps any key apart and any result whole", () =>
    Effect.gen(function*() {
      const { store } = yield* make()
      let n = 0
      yield* Effect.promise(() =>
        fc.assert(
          fc.asyncProperty(fc.fullUnicodeString(), fc.fullUnicodeString(), (key, result) =>
            Effect.gen(function*() {
              const id = `${++n}:${key}`
              assert.deepStrictEqual(yield* store.begin(id, claim("t")), { _tag: "Begun" })
              assert.isTrue(yield* store.complete(id, "t", result, 60_000))
              assert.deepStrictEqual(yield* store.begin(id, claim("u")), { _tag: "Done", result })
            }).pipe(Effect.runPromise)),
          { numRuns: 200 }
        )
      )
    }))

  it.scopedLive("fails, typed, on what is not its own", () =>
    Effect.gen(function*() {
      const { client, store } = yield* make("")
      yield* Effect.promise(async () => {
        for (const [key, value] of [["a", "x"], ["b", ""], ["c", "c:"], ["d", "p::f1"], ["e", "c::x"]] as const) await client.set(key, value)
        await client.rpush("list", "1")
      })
      for (const key of ["a", "b", "c", "d", "e", "list"]) {
        const answer = yield* Effect.either(store.begin(key, claim("t")))
        assert.isTrue(Either.isLeft(answer) && answer.left._tag === "IdempotencyStoreError", key)
      }
      const error = yield* Effect.flip(store.begin("z", claim("a:b")))
      assert.include(error.message, "no name")
      assert.deepStrictEqual(yield* store.begin("z", claim("t")), { _tag: "Begun" })
    }))

  it.scopedLive("fails, typed, when the server is gone", () =>
    Effect.gen(function*() {
      const server = yield* redisServer
      const client = yield* redisClient(server, { maxRetriesPerRequest: 0, retryStrategy: () => null })
      const store = RedisStore.make({ client })
      yield* store.begin("k", claim("t"))
      yield* server.kill
      yield* eventually(() => client.status === "end")
      const asked: ReadonlyArray<Effect.Effect<unknown, IdempotencyStoreError>> = [store.begin("k", claim("t")), store.renew("k", "t", 1), store.complete("k", "t", "", 1), store.release("k", "t")]
      for (const each of asked) assert.strictEqual((yield* Effect.flip(each))._tag, "IdempotencyStoreError")
    }))

  it.scopedLive("takes back what it may have begun when it is interrupted", () =>
    Effect.gen(function*() {
      const { client, store } = yield* make()
      const blocker = client.duplicate()
      yield* Effect.addFinalizer(() => Effect.sync(() => blocker.disconnect()))
      // No script is run while a pause lasts, and each of them after.
      yield* Effect.promise(() => blocker.call("CLIENT", "PAUSE", "60000", "WRITE"))
      const asked = yield* Effect.fork(store.begin("k", claim("t")))
      yield* Effect.sleep("50 millis")
      assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(asked)))
      yield* Effect.promise(() => blocker.call("CLIENT", "UNPAUSE"))
      assert.deepStrictEqual(yield* store.begin("k", claim("u")), { _tag: "Begun" })
    }))
})

describe("RedisStore.make", () => {
  it("wants a client", () => {
    // @ts-expect-error no client
    assert.throws(() => RedisStore.make({ client: {} }), InvalidOption)
  })
})
