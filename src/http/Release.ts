/**
 * Letting go of a response that nobody will read.
 *
 * A body that is not read keeps its connection: two discarded 503s are enough to stop a pool of two for ever. What is small is
 * read to its end, so that the connection can be used again; what is large, slow or endless is aborted, because an abort costs a
 * new connection and reading it would cost more. Both happen while the next attempt is being waited for, and have happened before
 * it is made.
 *
 * @since 0.1.0
 */
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as RuntimeFlags from "effect/RuntimeFlags"
import * as Stream from "effect/Stream"
import type { Millis } from "../core/Millis.ts"
import * as Child from "../strategy/Child.ts"
import * as Loop from "../strategy/Loop.ts"
import * as Timeout from "../strategy/Timeout.ts"

/**
 * The largest body in bytes that is read rather than aborted: 64 KiB.
 *
 * @since 0.1.0
 * @category constants
 */
export const drainLimit = 64 * 1024

/**
 * The time in ms that a body is given to be read even where the next attempt is due at once: it saves a connection.
 *
 * @since 0.1.0
 * @category constants
 */
export const grace: Millis = 50

type Plan = "buffer" | "count" | "abort"

const plan = (response: HttpClientResponse.HttpClientResponse): Plan => {
  const length = declaredLength(response)
  if (length <= drainLimit) return "buffer"
  return Number.isFinite(length) ? "abort" : "count"
}

/**
 * The length in bytes that a response declares for its body; infinity where it declares none.
 *
 * A response to HEAD, and one of status 204 or 304, has no body whatever its headers say (RFC 9112 section 6.3).
 *
 * @since 0.1.0
 * @category getters
 */
export const declaredLength = (response: HttpClientResponse.HttpClientResponse): number => {
  const { status } = response
  if (response.request.method === "HEAD" || status === 204 || status === 304) return 0
  const length = response.headers["content-length"]
  return length !== undefined && /^[0-9]+$/.test(length) ? Number(length) : Infinity
}

/**
 * Reads a small body to its end. `stream` aborts by itself when it is left early, and is ten times dearer than a buffer. A body that was
 * read already (by a classifier) or is broken has nothing more to give, whatever it fails with.
 */
const drain = (response: HttpClientResponse.HttpClientResponse, how: "buffer" | "count"): Effect.Effect<unknown, unknown> =>
  how === "buffer" ? response.arrayBuffer : counted(response)

const counted = (response: HttpClientResponse.HttpClientResponse) =>
  Effect.suspend(() => {
    let bytes = 0
    return Stream.runForEachWhile(response.stream, (chunk) => Effect.sync(() => (bytes += chunk.length) <= drainLimit))
  })

/**
 * Aborts the rest of a response, and with it its connection where there was more to come.
 *
 * @since 0.1.0
 * @category releasing
 */
export const abort = (response: HttpClientResponse.HttpClientResponse): Effect.Effect<void> =>
  // The platform aborts when the reading of a body is interrupted, and only then. A fiber forked the usual way could be interrupted
  // before it has begun to read; this one begins at once.
  Effect.withFiberRuntime((fiber, status) => Fiber.interrupt(reading(response.arrayBuffer, fiber, status.runtimeFlags)))

/** Reads in a fiber of its own, on the clock and the scheduler of the one that lets go, and interruptible although that may not be. */
const reading = <A, E>(
  read: Effect.Effect<A, E>,
  parent: Fiber.RuntimeFiber<unknown, unknown>,
  flags: RuntimeFlags.RuntimeFlags
): Reading => Child.start(read, parent, RuntimeFlags.enable(flags, RuntimeFlags.Interruption)).fiber

type Reading = Fiber.RuntimeFiber<unknown>

/**
 * Aborts the rest of a response where no effect can be run: the abort begins at once, and nobody waits for it.
 *
 * @since 0.1.0
 * @category releasing
 */
export const unsafeAbort = (response: HttpClientResponse.HttpClientResponse): void => void Effect.runFork(abort(response))

/**
 * Spends a wait of `delay` ms, and lets go of a response meanwhile.
 *
 * **Details**
 *
 * When it ends, by time or by interruption, the body has been read or aborted. A body that is still arriving when the wait is
 * over is given at least `grace` ms from the beginning.
 *
 * @since 0.1.0
 * @category releasing
 */
export const during = (response: HttpClientResponse.HttpClientResponse, delay: Millis): Effect.Effect<void> =>
  Effect.withFiberRuntime((fiber, status) => {
    const how = plan(response)
    if (how === "abort") return Effect.zipRight(abort(response), Loop.wait(delay))
    const draining = reading(drain(response, how), fiber, status.runtimeFlags)
    if (draining.unsafePoll() !== null) return Loop.wait(delay)
    return waitBeside(draining, delay, Context.get(fiber.currentDefaultServices, Clock.Clock))
  })

/**
 * Waits until a time has passed and a reading has ended, which is interrupted where it takes longer, or where the wait is.
 *
 * It limits itself from here on, so that it ends even where the fiber that is to wait does not live to do so. One step for both waits,
 * and nothing is held of a reading that has ended: many calls wait at once.
 */
const waitBeside = (fiber: Reading, delay: Millis, clock: Clock.Clock): Effect.Effect<void> => {
  let reading: Reading | undefined = fiber
  let waited = delay <= 0
  let resume = (_: Effect.Effect<void>) => {}
  const end = () => reading?.unsafeInterruptAsFork(FiberId.none)
  const goOn = () => {
    if (waited && reading === undefined) resume(Effect.void)
  }
  let cancel = Timeout.timer(clock, waited ? grace : delay, waited ? end : () => {
    waited = true
    if (reading !== undefined && delay < grace) cancel = Timeout.timer(clock, grace - delay, end)
    else end()
    goOn()
  })
  fiber.addObserver(() => {
    reading = undefined
    if (waited) cancel()
    goOn()
  })
  return Effect.async<void>((done) => {
    resume = done
    goOn()
    return Effect.suspend(() => {
      cancel()
      return reading === undefined ? Effect.void : Fiber.interrupt(reading)
    })
  })
}

/**
 * Lets go of a response at once: reads what is small, for at most `grace` ms, and aborts the rest.
 *
 * @since 0.1.0
 * @category releasing
 */
export const now = (response: HttpClientResponse.HttpClientResponse): Effect.Effect<void> => during(response, 0)
