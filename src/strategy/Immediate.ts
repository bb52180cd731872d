/**
 * Effects whose result is there already, and need not be run to be had.
 *
 * `Effect.succeed` and `Effect.fail` give Exits: where most effects of a kind are such, asking saves a step of the fiber each time.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"

/**
 * Tells whether an effect has succeeded already.
 *
 * @since 0.1.0
 * @category guards
 */
export const isSuccess = <A, E, R>(self: Effect.Effect<A, E, R>): self is Exit.Success<A, E> =>
  Exit.isExit(self) && Exit.isSuccess(self)

/**
 * `Effect.flatMap`, without a step where the first effect has succeeded already: `f` is then called at once.
 *
 * **Gotchas**
 *
 * What `f` throws is thrown here. Call it where a fiber runs you.
 *
 * @since 0.1.0
 * @category sequencing
 */
export const flatMap = <A, E, R, B, E2, R2>(
  self: Effect.Effect<A, E, R>,
  f: (value: A) => Effect.Effect<B, E2, R2>
): Effect.Effect<B, E | E2, R | R2> => isSuccess(self) ? f(self.value) : Effect.flatMap(self, f)
