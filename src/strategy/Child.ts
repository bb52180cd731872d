/**
 * A fiber that runs at once, in the place of the one that starts it.
 *
 * @since 0.1.0
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as FiberRef from "effect/FiberRef"
import * as FiberRefs from "effect/FiberRefs"
import { identity } from "effect/Function"
import * as Runtime from "effect/Runtime"
import type * as RuntimeFlags from "effect/RuntimeFlags"
import { type Change, refsOf } from "./Surroundings.ts"

/**
 * A fiber, and the references that it began with.
 *
 * @since 0.1.0
 * @category models
 */
export interface Child<out A, out E> {
  /** Its exit is its value: a fiber that fails is logged by Effect as unhandled, and this failure goes to the caller. */
  readonly fiber: Fiber.RuntimeFiber<Exit.Exit<A, E>>
  readonly inherited: FiberRefs.FiberRefs
}

/**
 * Starts a fiber as a child of another would be, except that it runs at once, and costs a fifth. Whoever starts it interrupts it.
 * `change` is a reference that it begins with instead.
 *
 * @since 0.1.0
 * @category building
 */
export const start = <A, E, R>(
  self: Effect.Effect<A, E, R>,
  parent: Fiber.RuntimeFiber<unknown, unknown>,
  runtimeFlags: RuntimeFlags.RuntimeFlags,
  change?: Change
): Child<A, E> => {
  let inherited = refsOf(parent)
  const runtime = Runtime.make({
    // The context of the running fiber has what its effects require: R is part of it.
    context: parent.currentContext as Context.Context<R>,
    // Any would be copied: the child is given those of its parent below, as they are.
    fiberRefs: noRefs,
    runtimeFlags
  })
  const fiber = Runtime.runFork(runtime, Effect.exit(self), {
    updateRefs: (_, fiberId) => {
      if (!areInheritedAsTheyAre(inherited)) inherited = FiberRefs.forkAs(inherited, fiberId)
      if (change !== undefined) inherited = FiberRefs.updateAs(inherited, { fiberId, fiberRef: change.ref, value: change.value })
      return inherited
    }
  })
  return { fiber, inherited }
}

const noRefs = FiberRefs.empty()

/** What a reference says of the children of its fiber, which every one has and its type does not show. */
interface Forking {
  readonly fork: unknown
  readonly patch: (patch: unknown) => (value: unknown) => unknown
}

/** Whether a child has what its parent has. A reference can have it otherwise, as that of a pending interruption does. */
const areInheritedAsTheyAre = ({ locals }: FiberRefs.FiberRefs): boolean => {
  let all = true
  locals.forEach((stack, ref) => {
    const { fork, patch } = ref as unknown as Forking
    if (all && fork !== identity) all = patch(fork)(stack[0][1]) === stack[0][1]
  })
  return all
}

/**
 * Gives the exit of a child, with what it changed in the references of its fiber, as if it had run in this fiber.
 *
 * @since 0.1.0
 * @category building
 */
export const adopt = <A, E, E2>(child: Child<A, E>, exit: Exit.Exit<A, E2>): Effect.Effect<A, E2> =>
  Exit.isFailure(exit) || isAsItBegan(child) ? exit : Effect.zipRight(child.fiber.inheritAll, exit)

/** Whether there is nothing to inherit. Whoever changes a reference for a while (a span does) writes the same value back. */
const isAsItBegan = <A, E>({ fiber, inherited }: Child<A, E>): boolean => {
  const refs = refsOf(fiber)
  if (refs === inherited) return true
  let same = true
  refs.locals.forEach((stack, ref) => {
    // The flags stand there only as somebody last wrote them down, which is no change of them.
    if (same && ref !== FiberRef.currentRuntimeFlags) same = FiberRefs.getOrDefault(inherited, ref) === stack[0][1]
  })
  return same
}
