import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { assert, describe, it } from "vitest"
import * as Observer from "../../src/strategy/Observer.ts"
import * as RateLimit from "../../src/strategy/RateLimit.ts"
import * as Simulation from "../../src/testing/Simulation.ts"

/** Goes on when it is so late, if it is not later. */
const until = (millis: number) => Effect.flatMap(Clock.currentTimeMillis, (now) => Effect.sleep(Math.max(0, millis - now)))

describe("RateLimit, interrupted at any of its steps", () => {
  const works: ReadonlyArray<readonly [string, Effect.Effect<unknown, string>]> = [
    ["a call that succeeds at once", Effect.void],
    ["a call that fails at once", Effect.fail("no")],
    ["a call that waits", Effect.zipRight(Effect.yieldNow(), Effect.void)],
    ["a call that dies", Effect.die("bug")]
  ]
  const algorithms = ["sliding-window", "token-bucket"] as const
  for (const algorithm of algorithms) {
    for (const inLine of [false, true]) {
      for (const [name, work] of works) {
        it(`${algorithm}: ${name}${inLine ? " after it has stood in line" : ""} has taken one if it was begun, and nothing if not`, () => {
          let [between, begunAtAll] = [0, 0]
          const { interrupted } = Simulation.sweep(Effect.gen(function*() {
            const limiter = yield* RateLimit.make({ limit: 1, window: 1000, algorithm })
            if (inLine) yield* Effect.orDie(RateLimit.limit(Effect.void, { limiter }))
            let begun = false
            const call = RateLimit.limit(Effect.suspend(() => (begun = true, work)), { limiter })
            // Somebody listens who takes a while.
            const listener = Observer.make(() => Effect.yieldNow())
            return {
              calls: [Observer.observe(call, listener)],
              check: () =>
                Effect.gen(function*() {
                  assert.strictEqual(limiter.lines.peek("default")?.length ?? 0, 0, "somebody is left in line")
                  if (inLine) yield* until(1000)
                  const taken = Exit.isFailure(yield* Effect.exit(RateLimit.limit(Effect.void, { limiter: { ...limiter, onLimit: "fail" } })))
                  if (begun) assert.isTrue(taken, "begun and not counted")
                  // Between the step that says that it begins and its own first there is one.
                  if (!begun && taken) between++
                  if (begun) begunAtAll++
                })
            }
          }))
          assert.isAtMost(between, 1)
          assert.isAbove(begunAtAll, 0)
          assert.isAbove(interrupted, 5)
        })
      }
    }
  }

  it("in line: whoever is interrupted at whichever step, those behind it are let through as if it had never come", () => {
    const { interrupted } = Simulation.sweep(Effect.gen(function*() {
      const limiter = yield* RateLimit.make({ limit: 1, window: 1000 })
      yield* Effect.orDie(RateLimit.limit(Effect.void, { limiter }))
      const at: Array<number> = []
      const call = RateLimit.limit(Effect.map(Clock.currentTimeMillis, (now) => at.push(now)), { limiter })
      return {
        calls: [RateLimit.limit(Effect.sleep("1 hour"), { limiter }), call, call],
        check: () => {
          assert.strictEqual(at.length, 2)
          assert.isAtMost(at[0]!, 2000)
          assert.strictEqual(at[1]! - at[0]!, 1000)
          assert.strictEqual(limiter.lines.peek("default")?.length, 0)
        }
      }
    }))
    assert.isAbove(interrupted, 5)
  })
})
