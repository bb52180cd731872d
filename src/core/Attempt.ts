/**
 * The record of one attempt that failed.
 *
 * @since 0.1.0
 */
import type { Millis } from "./Millis.ts"
import * as Failure from "./Failure.ts"

/**
 * One attempt that failed. Attempts are counted from 1; instants are wall clock ms since the epoch.
 *
 * @since 0.1.0
 * @category models
 */
export interface Attempt {
  readonly number: number
  readonly startedAt: Millis
  readonly endedAt: Millis
  readonly failure: Failure.Failure
}

/**
 * One line for people: `#2 503 after 41ms`. A clock that was set back in between makes it 0 and not less.
 *
 * @since 0.1.0
 * @category getters
 */
export const describe = (self: Attempt): string =>
  `#${self.number} ${Failure.label(self.failure)} after ${Math.max(0, self.endedAt - self.startedAt)}ms`
