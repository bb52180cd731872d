/**
 * What a retry has given up: a retry outside of it must not begin again.
 *
 * Three attempts inside of three attempts are nine. So whatever a retry of this library gives up, it marks, and no other one sends
 * it again, as long as it is still the same value or error, or leads to it: as its `cause`, as the response of a `ResponseError`, or
 * as what a response of ours was made of.
 *
 * **Gotchas**
 *
 * An error that is mapped to another one without its `cause` is another failure. One error value that is shared by all calls (a
 * constant) is taken for given up by whoever sees it fail while another fiber gives it up.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"
import { hasProperty } from "effect/Predicate"

/**
 * A point in the order in which things are given up in this process.
 *
 * @since 0.1.0
 * @category models
 */
export type Moment = number

let latest: Moment = 0
const moments = new WeakMap<object, Moment>()

/**
 * Says which moment it is.
 *
 * @since 0.1.0
 * @category getters
 */
export const now = (): Moment => latest

/**
 * Marks what an exit holds as given up.
 *
 * @since 0.1.0
 * @category marking
 */
export const mark = (exit: Exit.Exit<unknown, unknown>): void => {
  latest += 1
  for (const held of heldBy(exit)) if (isObject(held)) moments.set(held, latest)
}

/**
 * Tells whether what an exit holds, or leads to, was given up after a moment.
 *
 * @since 0.1.0
 * @category guards
 */
export const isMarked = (exit: Exit.Exit<unknown, unknown>, since: Moment): boolean =>
  latest > since && heldBy(exit).some((held) => leadsToMarked(held, since, maxDepth))

/**
 * The key under which something made of something else says of what.
 *
 * @since 0.1.0
 * @category models
 */
export const source: unique symbol = Symbol.for("effect-resilience/GivenUp/source")

/** A cause is marked too: an error that is no object has no other identity. */
const heldBy = (exit: Exit.Exit<unknown, unknown>): ReadonlyArray<unknown> =>
  Exit.isSuccess(exit) ? [exit.value] : [exit.cause, ...failuresOf(exit.cause)]

const failuresOf = (cause: Cause.Cause<unknown>): ReadonlyArray<unknown> =>
  cause._tag === "Fail" ? [cause.error] : Array.from(Cause.failures(cause))

const isObject = (u: unknown): u is object => typeof u === "object" && u !== null

/** A chain of causes that is longer, or a ring, is somebody's mistake. */
const maxDepth = 8

const leadsToMarked = (u: unknown, since: Moment, depth: number): boolean => {
  if (!isObject(u)) return false
  if ((moments.get(u) ?? 0) > since) return true
  return depth > 0 && leads.some((key) => hasProperty(u, key) && leadsToMarked(u[key], since, depth - 1))
}

const leads = [source, "cause", "response"] as const
