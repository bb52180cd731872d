/**
 * Who listens to the events of the strategies.
 *
 * An observer is a `Context.Reference` that does nothing by default, so listening changes no requirement in any type, and not
 * listening costs one look-up a call.
 *
 * **Example** (Every wait, with its reason)
 *
 * ```ts
 * import { Backoff, Classifier, Observer, Retry, RetrySchedule } from "effect-resilience"
 * import { Effect } from "effect"
 *
 * const waits: Array<string> = []
 * const log = Observer.sync((event) => {
 *   if (event._tag === "WaitStarted") waits.push(`${event.delay}ms, ${event.because}`)
 * })
 *
 * await Effect.fail("busy").pipe(
 *   Retry.retry({
 *     classifier: Classifier.anyError,
 *     schedule: RetrySchedule.fromBackoff(Backoff.constant("5 millis")),
 *     maxAttempts: 3
 *   }),
 *   Observer.observe(log),
 *   Effect.ignore,
 *   Effect.runPromise
 * )
 *
 * waits // => ["5ms, Backoff", "5ms, Backoff"]
 * ```
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import { dual } from "effect/Function"
import * as Layer from "effect/Layer"
import type { Base, Call, Event } from "../core/Event.ts"

/**
 * Something that listens.
 *
 * @since 0.1.0
 * @category models
 */
export interface Listener {
  /**
   * Called at each event, in order; the effect it answers with is waited for: keep it short. It cannot fail; a defect of it, or
   * an interruption of its own, is logged at debug level and changes nothing for the call.
   */
  readonly on: (event: Event) => Effect.Effect<void>
}

/**
 * The listener of the current fiber.
 *
 * @since 0.1.0
 * @category references
 */
export class Observer extends Context.Reference<Observer>()("effect-resilience/Observer", {
  defaultValue: (): Listener => none
}) {}

/**
 * The listener that does nothing.
 *
 * @since 0.1.0
 * @category constructors
 */
export const none: Listener = { on: () => Effect.void }

/**
 * A listener whose work is an effect.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (on: (event: Event) => Effect.Effect<void>): Listener => ({ on })

/**
 * A listener whose work is done when it is called: the cheapest there is.
 *
 * @since 0.1.0
 * @category constructors
 */
export const sync = (on: (event: Event) => void): Listener => ({
  on: (event) => {
    on(event)
    return Effect.void
  }
})

/**
 * Tells both, the first one first.
 *
 * @since 0.1.0
 * @category combinators
 */
export const both = (first: Listener, second: Listener): Listener => {
  if (first === none) return second
  if (second === none) return first
  return make((event) => {
    const told = emit(first, event)
    return told === Effect.void ? second.on(event) : Effect.flatMap(told, () => second.on(event))
  })
}

/**
 * Lets a listener hear what happens in an effect, beside whoever listens already.
 *
 * @since 0.1.0
 * @category combinators
 */
export const observe: {
  /** Lets a listener hear what happens in an effect, beside whoever listens already. */
  (listener: Listener): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** Lets a listener hear what happens in an effect, beside whoever listens already. */
  <A, E, R>(self: Effect.Effect<A, E, R>, listener: Listener): Effect.Effect<A, E, R>
} = dual(
  2,
  <A, E, R>(self: Effect.Effect<A, E, R>, listener: Listener): Effect.Effect<A, E, R> =>
    Effect.withFiberRuntime((fiber) => Effect.provideService(self, Observer, both(of(fiber), listener)))
)

/**
 * Lets a listener hear what happens in everything the layer is provided to, beside whoever listens already.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (listener: Listener): Layer.Layer<never> =>
  Layer.effect(Observer, Effect.map(Observer, (current) => both(current, listener)))

/**
 * The listener of a fiber, without an effect.
 *
 * @since 0.1.0
 * @category getters
 */
export const of = (fiber: Fiber.RuntimeFiber<unknown, unknown>): Listener =>
  fiber.currentContext.unsafeMap.get(Observer.key) ?? none

/**
 * Tells a listener, whose defects are its own. What is `Effect.void` need not be run.
 *
 * @since 0.1.0
 * @category emitting
 */
export const emit = (listener: Listener, event: Event): Effect.Effect<void> => {
  let told: Effect.Effect<void>
  try {
    told = listener.on(event)
  } catch (defect) {
    return died(defect)
  }
  // Whoever interrupts the call is not stopped here: a fiber that is being interrupted runs no handler.
  return told === Effect.void ? told : Effect.catchAllCause(told, died)
}

/**
 * Tells the listener of the current fiber what happens now. Where nobody listens no event is made.
 *
 * @since 0.1.0
 * @category emitting
 */
export const tell = (about: Call, event: (base: Base) => Event): Effect.Effect<void> =>
  Effect.withFiberRuntime((fiber) => {
    const listener = of(fiber)
    if (listener === none) return Effect.void
    return Effect.flatMap(Clock.currentTimeMillis, (at) => emit(listener, event({ call: about, at })))
  })

const died = (cause: unknown): Effect.Effect<void> => Effect.logDebug("effect-resilience: a listener died", cause)

let calls = 0

/**
 * Names a new call. The id is a counter of this process: it joins events of one call and means nothing else.
 *
 * @since 0.1.0
 * @category emitting
 */
export const call = (name: string): Call => ({ id: ++calls, name })
