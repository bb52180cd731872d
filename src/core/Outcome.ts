/**
 * What an attempt means to the strategies round it: a success, a failure of the other side, or neither.
 *
 * Three values and not two: a refusal of our own, an interruption and a defect say nothing about the health of the other
 * side, so a breaker must not count them either way.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import * as Failure from "./Failure.ts"
import type * as HeaderField from "./HeaderField.ts"
import * as Pushback from "./Pushback.ts"

/** The other side did well. @since 0.1.0 @category models */
export interface Success {
  readonly _tag: "Success"
}

/** Neither: it says nothing about the other side. @since 0.1.0 @category models */
export interface Ignored {
  readonly _tag: "Ignored"
}

/** The other side did badly. @since 0.1.0 @category models */
export interface Failed {
  readonly _tag: "Failed"
  readonly failure: Failure.Failure
}

/**
 * The meaning of one attempt.
 *
 * @since 0.1.0
 * @category models
 */
export type Outcome = Success | Ignored | Failed

/** A success. @since 0.1.0 @category constructors */
export const success: Outcome = { _tag: "Success" }

/** Neither a success nor a failure. @since 0.1.0 @category constructors */
export const ignored: Outcome = { _tag: "Ignored" }

/** A failure. @since 0.1.0 @category constructors */
export const failed = (failure: Failure.Failure): Outcome => ({ _tag: "Failed", failure })

/** Tells whether an outcome is a failure. @since 0.1.0 @category guards */
export const isFailed = (self: Outcome): self is Failed => self._tag === "Failed"

/**
 * The same outcome, and what the other side says in its headers about sending again (`Pushback`). A success stays one.
 *
 * @since 0.1.0
 * @category combinators
 */
export const pushedBack = (self: Outcome, headers: HeaderField.Headers): Outcome => {
  if (!isFailed(self)) return self
  const said = Pushback.fromHeaders(headers)
  return Option.isNone(said) ? self : failed(Failure.withPushback(self.failure, said.value))
}
