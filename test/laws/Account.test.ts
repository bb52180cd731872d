/**
 * Interrupted at any step, a call that was told to have begun is told to have ended, once: whatever makes its attempts.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Backoff from "../../src/core/Backoff.ts"
import type { Event } from "../../src/core/Event.ts"
import * as Failure from "../../src/core/Failure.ts"
import * as Hedge from "../../src/strategy/Hedge.ts"
import * as Observer from "../../src/strategy/Observer.ts"
import * as Retry from "../../src/strategy/Retry.ts"
import * as RetrySchedule from "../../src/strategy/RetrySchedule.ts"
import * as Simulation from "../../src/testing/Simulation.ts"

class Busy {
  readonly [Failure.key] = Failure.unavailable({ status: 503 })
}

const fails = Effect.delay(Effect.fail(new Busy()), 10)

const schedule = RetrySchedule.fromBackoff(Backoff.constant("10 millis"))

const callers = {
  "a retry": Retry.retry(fails, { schedule }),
  "a hedge": Hedge.hedge(fails, { delay: 5 }),
  "a hedge in a retry": Retry.retry(Hedge.hedge(fails, { delay: 5 }), { schedule })
}

const listeners = {
  "that answers at once": (heard: Array<Event>) => Observer.sync((event) => void heard.push(event)),
  "that takes its time": (heard: Array<Event>) =>
    Observer.make((event) => Effect.zipRight(Effect.sync(() => heard.push(event)), Effect.sleep(1)))
}

describe("a call is told to have begun and to have ended equally often", () => {
  for (const [caller, call] of Object.entries(callers)) {
    for (const [which, listen] of Object.entries(listeners)) {
      it(`${caller}, to a listener ${which}, interrupted at every step`, () => {
        const swept = Simulation.sweep(Effect.sync(() => {
          const heard: Array<Event> = []
          const told = (tag: Event["_tag"]) => heard.filter(({ _tag }) => _tag === tag).map(({ call }) => call.id).sort()
          return {
            calls: [Observer.observe(call, listen(heard))],
            check: () => assert.deepStrictEqual(told("CallEnded"), told("CallStarted"))
          }
        }))
        assert.isAbove(swept.interrupted, 10)
      })
    }
  }
})
