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
import * as FiberRefs from "effect/FiberRefs"

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
  const map = copyOf(context.unsafeMap)
  for (const [tag, service] of replaced) map.set(tag.key, service)
  return change(FiberRef.currentContext, Context.unsafeMake(map))
}

/** `new Map(self)`, which makes a list of two for each entry on the way: twice as much as the copy. */
const copyOf = <K, V>(self: ReadonlyMap<K, V>): Map<K, V> => {
  const copy = new Map<K, V>()
  self.forEach((value, key) => copy.set(key, value))
  return copy
}

/** What every fiber has and its type does not show: its references as the one object that they are, to be read and to be put back. */
interface Open {
  readonly _fiberRefs?: FiberRefs.FiberRefs
  readonly setFiberRefs: (refs: FiberRefs.FiberRefs) => void
}

const open = (fiber: Fiber.RuntimeFiber<unknown, unknown>) => fiber as unknown as Open

/**
 * The references of a fiber as they are: while none is written, this is the same object. (`getFiberRefs` makes a new one each time,
 * because it writes the runtime flags first.)
 *
 * @since 0.1.0
 * @category getters
 */
export const refsOf = (fiber: Fiber.RuntimeFiber<unknown, unknown>): FiberRefs.FiberRefs =>
  open(fiber)._fiberRefs ?? fiber.getFiberRefs()

/**
 * All changes at once: each by itself would copy the references. (`FiberRefs.updateManyAs` asks whether what was there before equals
 * what is written, which makes and keeps a hash of both.)
 */
const changed = (refs: FiberRefs.FiberRefs, fiber: Fiber.RuntimeFiber<unknown, unknown>, changes: ReadonlyArray<Change>): FiberRefs.FiberRefs => {
  const locals = copyOf(refs.locals)
  const id = fiber.id()
  for (const { ref, value } of changes) {
    const before = locals.get(ref) ?? []
    // Whoever joins this fiber finds by the fibers below what it began with: they stay, and only what this one wrote itself is replaced.
    locals.set(ref, [[id, value], ...(before[0]?.[0] === id ? before.slice(1) : before)])
  }
  return FiberRefs.unsafeMake(locals)
}

/** Tells whether references hold the same. Where they are read or written in between, they are another object all the same. */
const isSame = (self: FiberRefs.FiberRefs, that: FiberRefs.FiberRefs): boolean => {
  if (self === that) return true
  if (self.locals.size !== that.locals.size) return false
  for (const ref of self.locals.keys()) {
    if (self.locals.get(ref)?.[0][1] !== that.locals.get(ref)?.[0][1]) return false
  }
  return true
}

/** What changes made of what was there before, undone: what else was written since stays. */
const undone = (refs: FiberRefs.FiberRefs, changes: ReadonlyArray<Change>, before: FiberRefs.FiberRefs): FiberRefs.FiberRefs => {
  const locals = copyOf(refs.locals)
  for (const { ref } of changes) {
    const held = before.locals.get(ref)
    if (held === undefined) locals.delete(ref)
    else locals.set(ref, held)
  }
  return FiberRefs.unsafeMake(locals)
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
  const outer = refsOf(fiber)
  const inner = changed(outer, fiber, changes)
  const leave = (exit: Exit.Exit<A, E>) => {
    onExit(exit)
    const refs = refsOf(fiber)
    // What the effect has changed beside them stays as it has left it.
    open(fiber).setFiberRefs(isSame(refs, inner) ? outer : undone(refs, changes, outer))
    return exit
  }
  open(fiber).setFiberRefs(inner)
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
): Effect.Effect<A, E, R> => Effect.withFiberRuntime((fiber) => provideIn(fiber, self, tag, service))

/**
 * `provide`, for the fiber that is at work and will run the effect at once: a step less.
 *
 * @since 0.1.0
 * @category building
 */
export const provideIn = <A, E, R, I, S>(
  fiber: Fiber.RuntimeFiber<unknown, unknown>,
  self: Effect.Effect<A, E, R>,
  tag: Context.Tag<I, S>,
  service: S
): Effect.Effect<A, E, R> =>
  Effect.uninterruptibleMask((restore) => inside(restore, fiber, [services(fiber.currentContext, [tag, service])], self, ignore))

const ignore = () => {}
