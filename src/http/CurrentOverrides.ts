/**
 * Where the strategies of a client look for what a call has otherwise. What can be otherwise is told by `Overrides`, whose code is only
 * in a program that uses it.
 *
 * @since 0.1.0
 */
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type { Millis } from "../core/Millis.ts"
import type * as Contest from "../strategy/Contest.ts"
import type * as Loop from "../strategy/Loop.ts"
import type * as Work from "./Work.ts"

type Request = HttpClientRequest.HttpClientRequest

/**
 * What a call has otherwise, as each strategy asks for it.
 *
 * @since 0.1.0
 * @category models
 */
export interface CurrentOverrides {
  /** Whether they are those of a request: not where they are of another call, on whose way this one is. */
  readonly isFor: (fiber: Fiber.RuntimeFiber<unknown, unknown>, request: Request) => boolean
  /** Runs what a strategy does with a request, so that they are those of this request, and of no other that is sent on the way. */
  readonly bind: <A, E, R>(self: Effect.Effect<A, E, R>, request: Request) => Effect.Effect<A, E, R>
  /** In the place of a client's, in ms; 2^31 - 1 is none. */
  readonly attemptTimeout: Millis | undefined
  /** In the place of a client's, in ms; 2^31 - 1 is none. */
  readonly deadline: Millis | undefined
  /** The key for a request, or why it cannot have it. */
  readonly keyFor: (request: Request) => { readonly key: string } | { readonly problem: string } | undefined
  /** The plan in the place of a client's. */
  readonly retry: <A, E, R>(plan: Loop.Plan<A, E, R>) => Loop.Plan<A, E, R>
  /** The plan in the place of a client's. */
  readonly hedge: <A, E>(plan: Contest.Plan<A, E>) => Contest.Plan<A, E>
  /** The work in the place of a client's: that with another gate. */
  readonly work: <E, R>(of: "Retry" | "Hedge", work: Resent<E, R>, gate: Work.Gate) => Resent<E, R>
}

/** The work of a loop over HTTP. @since 0.1.0 @category models */
export type Resent<E, R> = ReturnType<typeof Work.of<E, R>>

/**
 * The overrides of the current fiber.
 *
 * @since 0.1.0
 * @category references
 */
export class Current extends Context.Reference<Current>()("effect-resilience/Overrides", {
  defaultValue: (): CurrentOverrides | undefined => undefined
}) {}

/**
 * The overrides for a request, if there are some. Without any it is one look into a map.
 *
 * @since 0.1.0
 * @category getters
 */
export const of = (fiber: Fiber.RuntimeFiber<unknown, unknown>, request: Request): CurrentOverrides | undefined => {
  const current: CurrentOverrides | undefined = fiber.currentContext.unsafeMap.get(Current.key)
  return current?.isFor(fiber, request) === true ? current : undefined
}
