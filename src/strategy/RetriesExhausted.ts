/**
 * The end of a retry, as an error with its history.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Attempt from "../core/Attempt.ts"
import type * as Decision from "../core/Decision.ts"
import * as Failure from "../core/Failure.ts"

/**
 * All attempts that were allowed have failed, with the record of each.
 *
 * @since 0.1.0
 * @category errors
 */
export class RetriesExhausted extends Data.TaggedError("RetriesExhausted")<{
  readonly because: Decision.GiveUpReason
  /** At least one; the last is the one that nothing followed. */
  readonly attempts: ReadonlyArray<Attempt.Attempt>
  /** The error of the last attempt, where it failed with one. */
  readonly cause?: unknown
}> {
  override get message(): string {
    return `gave up after ${this.attempts.length} attempt${this.attempts.length === 1 ? "" : "s"} (${this.because}): ${
      this.attempts.map(Attempt.describe).join(", ")
    }`
  }

  /** The failure of the last attempt: what an outer classifier sees. */
  get [Failure.key](): Failure.Failure {
    return this.attempts.at(-1)?.failure ?? Failure.unknown(this)
  }
}
