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
import * as FiberRef from "effect/FiberRef"

/**
 * What makes a part of an uninterruptible region interruptible again, as `Effect.uninterruptibleMask` gives it.
 *
 * @since 0.1.0
 * @category models
 */
export type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

/**
 * Runs an effect between `enter` and `leave`. It must itself run in an uninterruptible region, whose `restore` it is given: then
 * `leave` runs whatever comes out of the effect, interruption included.
 *
 * @since 0.1.0
 * @category building
 */
export const between = <A, E, R>(
  restore: Restore,
  enter: Effect.Effect<void>,
  effect: Effect.Effect<A, E, R>,
  leave: (exit: Exit.Exit<A, E>) => Effect.Effect<void>
): Effect.Effect<A, E, R> => {
  const after = (exit: Exit.Exit<A, E>) => Effect.zipRight(leave(exit), exit)
  return Effect.zipRight(
    enter,
    Effect.matchCauseEffect(restore(effect), {
      onFailure: (cause) => after(Exit.failCause(cause)),
      onSuccess: (value) => after(Exit.succeed(value))
    })
  )
}

/**
 * The context of a fiber with some services replaced: one copy, however many there are.
 *
 * @since 0.1.0
 * @category building
 */
export const replace = (
  context: Context.Context<never>,
  ...services: ReadonlyArray<readonly [tag: { readonly key: string }, service: unknown]>
): Context.Context<never> => {
  const map = new Map(context.unsafeMap)
  for (const [tag, service] of services) map.set(tag.key, service)
  return Context.unsafeMake(map)
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
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(FiberRef.get(FiberRef.currentContext), (outer) =>
      between(restore, enter(replace(outer, [tag, service])), self, () => enter(outer)))
  )

const enter = (context: Context.Context<never>): Effect.Effect<void> => FiberRef.set(FiberRef.currentContext, context)
