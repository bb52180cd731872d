/**
 * Waiting in real time for what a socket does, also where a test's clock is virtual.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { setImmediate, setTimeout } from "node:timers/promises"

/** A pause of real time. Only for faults that need one: to wait for a fact, use `eventually`. */
export const realTime = (duration: Duration.DurationInput): Effect.Effect<void> =>
  Effect.promise((signal) => setTimeout(Duration.toMillis(duration), undefined, { signal }).catch(() => undefined))

/** Waits until the condition holds; dies, showing it, when it does not hold in time. */
export const eventually = (
  condition: () => boolean,
  within: Duration.DurationInput = "2 seconds"
): Effect.Effect<void> =>
  Effect.suspend(() => {
    const end = performance.now() + Duration.toMillis(within)
    const poll: Effect.Effect<void> = Effect.suspend(() => {
      if (condition()) return Effect.void
      if (performance.now() < end) return Effect.zipRight(realTime(1), poll)
      return Effect.dieMessage(`not within ${Duration.format(Duration.decode(within))}: ${String(condition)}`)
    })
    return poll
  })

/**
 * Looks after so many ms. The clock is that of the event loop, which a busy machine stops for everybody. Some turns of the loop are granted
 * on top, which take no time: in one a fiber goes on, in another a socket is closed, in a third the server reads that.
 */
export const lookAfter = <A>(millis: number, look: () => A): Effect.Effect<A> => {
  const seen = setTimeout(millis).then(async () => {
    for (let turn = 0; turn < 10; turn++) await setImmediate()
    return look()
  })
  return Effect.promise(() => seen)
}
