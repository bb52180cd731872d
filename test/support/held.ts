/**
 * What a process holds, and tests that leave nothing of it behind.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import { eventually } from "./eventually.ts"

/** What the process holds: whatever keeps it alive, and the fibers that have not ended. */
export const held = (): ReadonlyMap<string, number> => {
  const counts = new Map([["fibers", Fiber.unsafeRoots().length]])
  for (const name of process.getActiveResourcesInfo()) counts.set(name, (counts.get(name) ?? 0) + 1)
  return counts
}

/** Closes the scope of a test, and then sees that no socket, timer or fiber is left of it. */
export const leavesNothing = <A, E, R>(test: Effect.Effect<A, E, R | Scope.Scope>): Effect.Effect<A, E, Exclude<R, Scope.Scope>> =>
  Effect.gen(function*() {
    const before = held()
    const result = yield* Effect.scoped(test)
    const left = () => [...held()].filter(([name, count]) => count > (before.get(name) ?? 0))
    yield* eventually(() => left().length === 0).pipe(
      Effect.catchAllCause((cause) => Effect.dieMessage(`left behind: ${left().join("; ")} (${Cause.pretty(cause)})`))
    )
    return result
  })
