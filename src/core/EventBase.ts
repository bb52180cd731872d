/**
 * What all events have in common.
 *
 * @since 0.1.0
 */
import type { Millis } from "./Millis.ts"

/**
 * The call that an event belongs to. `id` is unique in this process.
 *
 * @since 0.1.0
 * @category models
 */
export interface Call {
  readonly id: number
  readonly name: string
}

/** What every event says. @since 0.1.0 @category models */
export interface Base {
  readonly call: Call
  /** Wall clock, ms since the epoch. */
  readonly at: Millis
}
