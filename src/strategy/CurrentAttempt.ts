/**
 * Which attempt is being made.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Fiber from "effect/Fiber"
import * as FiberRef from "effect/FiberRef"
import type * as Tracer from "effect/Tracer"

/**
 * Where the current fiber stands in a retry: which attempt it makes, and of what.
 *
 * **Gotchas**
 *
 * Nobody pays for it where nobody reads it: it is written where tracing is on, where calls are nested, and everywhere once `want`
 * has been called in this process. Elsewhere it says that every attempt is the first.
 *
 * @since 0.1.0
 * @category references
 */
export class CurrentAttempt extends Context.Reference<CurrentAttempt>()("effect-resilience/CurrentAttempt", {
  defaultValue: (): Position => first
}) {}

/** A place in a retry. @since 0.1.0 @category models */
export interface Position {
  /** Counted from 1. */
  readonly number: number
  /** What is attempted: a call made on the way (for a token, say) is not an attempt of it. */
  readonly subject: unknown
  /** Those that are attempted at the same time, where there can be some. */
  readonly siblings?: Siblings | undefined
}

/** The attempts of one hedged call: what the span of each is linked to. @since 0.1.0 @category models */
export interface Siblings {
  /** The span of the first attempt, which writes itself here. */
  first: Tracer.AnySpan | undefined
}

const first: Position = { number: 1, subject: undefined }

/**
 * Where a fiber stands, without an effect.
 *
 * @since 0.1.0
 * @category getters
 */
export const of = (fiber: Fiber.RuntimeFiber<unknown, unknown>): Position =>
  fiber.currentContext.unsafeMap.get(CurrentAttempt.key) ?? first

/**
 * Tells whether a fiber makes an attempt already: the first attempt of a call within must not be taken for a resend of that one.
 *
 * @since 0.1.0
 * @category guards
 */
export const isNested = (fiber: Fiber.RuntimeFiber<unknown, unknown>): boolean =>
  fiber.currentContext.unsafeMap.has(CurrentAttempt.key)

let wanted = false

/**
 * Asks that the current attempt be written from now on, with and without a tracer. Whoever reads it says so when it is made: the
 * price, some 2 KB for each resend, is then paid by every retry of this process.
 *
 * @since 0.1.0
 * @category references
 */
export const want = (): void => {
  wanted = true
}

/**
 * Tells whether anybody reads what a fiber writes.
 *
 * @since 0.1.0
 * @category guards
 */
export const isWanted = (fiber: Fiber.RuntimeFiber<unknown, unknown>): boolean =>
  wanted || fiber.getFiberRef(FiberRef.currentTracerEnabled)
