/**
 * Running an effect with other services than its fiber has.
 *
 * `Effect.provideService` and `Effect.locally` do the same, at three times the cost: what a strategy puts round every call must be
 * cheaper than the call. Like them, this restores what was before however the effect ends.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as FiberRef from "effect/FiberRef"

/**
 * What makes a part of an uninterruptible region interruptible again, as `Effect.uninterruptibleMask` gives it.
 *
 * @since 0.1.0
 * @category models
 */
export type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

/**
 * One reference of a fiber, and what it holds meanwhile.
 *
 * @since 0.1.0
 * @category models
 */
export interface Change {
  readonly ref: FiberRef.FiberRef<unknown>
  readonly value: unknown
}

/**
 * Says what a reference holds meanwhile.
 *
 * @since 0.1.0
 * @category constructors
 */
export const change = <A>(ref: FiberRef.FiberRef<A>, value: A): Change => ({
  // Only ever written with the value beside it, and with what was read from it: both are of its type.
  ref: ref as FiberRef.FiberRef<unknown>,
  value
})

/**
 * Says which services an effect has instead: the context of the fiber with these replaced, in one copy.
 *
 * @since 0.1.0
 * @category constructors
 */
export const services = (
  context: Context.Context<never>,
  ...replaced: ReadonlyArray<readonly [tag: { readonly key: string }, service: unknown]>
): Change => {
  const map = new Map(context.unsafeMap)
  for (const [tag, service] of replaced) map.set(tag.key, service)
  return change(FiberRef.currentContext, Context.unsafeMake(map))
}

/** The type of a fiber shows how to read its references and not how to write them, which each of them can. */
interface Writable {
  readonly setFiberRef: (ref: FiberRef.FiberRef<unknown>, value: unknown) => void
}

const write = (fiber: Fiber.RuntimeFiber<unknown, unknown>, changes: ReadonlyArray<Change>): void => {
  for (const { ref, value } of changes) (fiber as unknown as Writable).setFiberRef(ref, value)
}

/**
 * Runs an effect with the references of its fiber changed, and tells `onExit` what came out of it, whatever that is.
 *
 * **Details**
 *
 * To be called by the fiber itself, in an uninterruptible region whose `restore` it is given, and the effect to be run at once:
 * then nothing is left changed, and `onExit` is called, also where the effect is interrupted.
 *
 * @since 0.1.0
 * @category building
 */
export const inside = <A, E, R>(
  restore: Restore,
  fiber: Fiber.RuntimeFiber<unknown, unknown>,
  changes: ReadonlyArray<Change>,
  effect: Effect.Effect<A, E, R>,
  onExit: (exit: Exit.Exit<A, E>) => void
): Effect.Effect<A, E, R> => {
  const outer = changes.map(({ ref }) => change(ref, fiber.getFiberRef(ref)))
  const leave = (exit: Exit.Exit<A, E>) => {
    onExit(exit)
    write(fiber, outer)
    return exit
  }
  write(fiber, changes)
  return Effect.matchCauseEffect(restore(effect), {
    onFailure: (cause) => leave(Exit.failCause(cause)),
    onSuccess: (value) => leave(Exit.succeed(value))
  })
}

/**
 * Runs an effect with one service replaced.
 *
 * @since 0.1.0
 * @category combinators
 */
export const provide = <A, E, R, I, S>(
  self: Effect.Effect<A, E, R>,
  tag: Context.Tag<I, S>,
  service: S
): Effect.Effect<A, E, R> =>
  Effect.withFiberRuntime((fiber) =>
    Effect.uninterruptibleMask((restore) =>
      inside(restore, fiber, [services(fiber.currentContext, [tag, service])], self, ignore)
    )
  )

const ignore = () => {}
