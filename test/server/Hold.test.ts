import { HttpServerError, HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { Effect, Fiber } from "effect"
import { assert, describe, it } from "vitest"
import * as Hold from "../../src/server/Hold.ts"
import * as IdempotencyStore from "../../src/strategy/IdempotencyStore.ts"
import * as Simulation from "../../src/testing/Simulation.ts"

const request = HttpServerRequest.fromWeb(new Request("http://shop.test/", { method: "POST" }))

/** One keyed request, whose handler has an effect between two moments in which it can be interrupted. */
const scene = () => {
  const state = { effects: 0, settled: [] as Array<Hold.Settled> }
  const store = Effect.runSync(IdempotencyStore.memory())
  const hold: Hold.Hold = {
    record: "k",
    token: "t",
    store,
    lease: 30_000,
    runAtMost: 600_000,
    ttl: 60_000,
    keep: (status) => status < 400,
    resultLimit: 1000,
    whenClientLeaves: "finish",
    onStopped: () => HttpServerResponse.empty({ status: 409 }),
    onSettled: (as) => Effect.sync(() => void state.settled.push(as))
  }
  const app = Effect.yieldNow().pipe(
    Effect.zipRight(Effect.sync(() => void state.effects++)),
    Effect.zipRight(Effect.yieldNow()),
    Effect.as(HttpServerResponse.text("done"))
  )
  const run = Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(store.begin("k", { token: "t", fingerprint: "f", lease: 30_000 }), () => Hold.run(hold, request, app, restore))
  ).pipe(Effect.provideService(HttpServerRequest.HttpServerRequest, request))
  /** What the next request with this key is told. */
  const next = Effect.map(store.begin("k", { token: "u", fingerprint: "f", lease: 30_000 }), ({ _tag }) => _tag)
  return { state, run, next }
}

describe("a key that is held", () => {
  it("is settled once, whichever operation it is interrupted at", () => {
    const seen = { freed: 0, kept: 0, never: 0 }
    const { interrupted, tooLate } = Simulation.sweep(Effect.sync(() => {
      const { next, run, state } = scene()
      return {
        calls: [run],
        check: ([ended]) => Effect.map(next, (told) => {
          const exit = ended?._tag
          assert.include(["Begun", "Done"], told)
          if (state.settled.length === 0) {
            seen.never++
            assert.deepStrictEqual([told, state.effects, exit], ["Begun", 0, "Failure"])
            return
          }
          assert.strictEqual(state.settled.length, 1)
          assert.strictEqual(told, state.settled[0] === "Kept" ? "Done" : "Begun")
          if (state.settled[0] === "Kept") seen.kept++
          else seen.freed++
          if (exit === "Success") assert.deepStrictEqual([told, state.effects], ["Done", 1])
        })
      }
    }))
    assert.isAbove(interrupted, 10)
    assert.isAbove(tooLate, 0)
    for (const count of Object.values(seen)) assert.isAbove(count, 0)
  })

  it("has its request done once and kept, whichever operation its client leaves at", () => {
    const seen = { kept: 0, never: 0 }
    Simulation.sweep(Effect.sync(() => {
      const { next, run, state } = scene()
      const client = Effect.flatMap(Effect.forkDaemon(run), (fiber) =>
        Effect.onInterrupt(Fiber.join(fiber), () => Fiber.interruptAs(fiber, HttpServerError.clientAbortFiberId)))
      return {
        calls: [client],
        check: () => Effect.map(next, (told) => {
          const began = state.settled.length > 0
          if (began) seen.kept++
          else seen.never++
          assert.deepStrictEqual([told, state.effects, state.settled], began ? ["Done", 1, ["Kept"]] : ["Begun", 0, []])
        })
      }
    }))
    for (const count of Object.values(seen)) assert.isAbove(count, 0)
  })
})
