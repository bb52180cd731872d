/**
 * Tests of what is let go of only when nobody can reach it any more.
 */
import type * as Effect from "effect/Effect"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { eventually } from "./eventually.ts"

setFlagsFromString("--expose-gc")

/** Collects what nobody can reach. Who waits to be told of that is told in a later turn of the event loop. */
// The flag above gives every new context one.
export const collect = runInNewContext("gc") as () => void

/** Waits until the condition holds, and collects meanwhile: not all the time, since that takes as long as the whole process has memory. */
export const eventuallyCollected = (condition: () => boolean): Effect.Effect<void> => {
  let next = 0
  return eventually(() => {
    if (performance.now() >= next) {
      collect()
      next = performance.now() + 100
    }
    return condition()
  }, "10 seconds")
}
