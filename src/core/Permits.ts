/**
 * Who may be sent when only so many may be on their way at once, as arithmetic.
 *
 * A call takes a permit that is free, or stands in line for one, or is refused. It is never made to wait where that can only be
 * in vain: in a line that is full, or with a deadline that has passed.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import { durationMillis, integerIn } from "./InvalidOption.ts"
import type { Millis } from "./Millis.ts"

/**
 * How calls wait for a permit.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** How many calls may wait, of each key. 0 or more. Default: 0, nobody waits. */
  readonly queue?: number | undefined
  /** For how long at most. More than 0. Default: as long as the deadline of the call lets it. */
  readonly maxWait?: Duration.DurationInput | undefined
}

/**
 * Options that have been checked.
 *
 * @since 0.1.0
 * @category models
 */
export interface Settings {
  readonly queue: number
  readonly maxWait: Option.Option<Millis>
}

/**
 * Checks options, and fills in the defaults.
 *
 * @since 0.1.0
 * @category constructors
 */
export const settings = (where: string, { maxWait, queue = 0 }: Options): Settings => ({
  queue: integerIn(where, "queue", queue, { min: 0 }),
  maxWait: Option.map(Option.fromNullable(maxWait), (given) => durationMillis(where, "maxWait", given, { minExclusive: 0 }))
})

/**
 * How much is going on.
 *
 * @since 0.1.0
 * @category models
 */
export interface Load {
  /** How many may be on their way at once. */
  readonly limit: number
  /** How many permits are taken: more than the limit where that was lowered meanwhile. */
  readonly inUse: number
  /** How many calls wait for one. */
  readonly waiting: number
}

/**
 * Why a call was refused: so many waited already, it waited for as long as it may, or its deadline came first.
 *
 * @since 0.1.0
 * @category models
 */
export type Reason = "QueueFull" | "WaitTooLong" | "Deadline"

/**
 * The answer to a call that wants a permit.
 *
 * @since 0.1.0
 * @category models
 */
export type Answer =
  | { readonly _tag: "Admitted" }
  /** For at most so many ms, where it has an end; `because` is what it is refused for then. */
  | { readonly _tag: "Queued"; readonly atMost: Option.Option<Millis>; readonly because: Reason }
  | { readonly _tag: "Rejected"; readonly because: Reason }

/** The answer to a call that takes a permit. @since 0.1.0 @category admitting */
export const admitted: Answer = { _tag: "Admitted" }

const queueFull: Answer = { _tag: "Rejected", because: "QueueFull" }
const tooLate: Answer = { _tag: "Rejected", because: "Deadline" }

/**
 * Tells whether a permit is free for whoever asks now. Whoever waits is first: one that is free while somebody waits is on its way
 * to him.
 *
 * @since 0.1.0
 * @category admitting
 */
export const isFree = ({ inUse, limit, waiting }: Load): boolean => inUse < limit && waiting === 0

/**
 * Says what becomes of a call that has `left` ms until its deadline.
 *
 * **Example** (One is on its way, one may wait)
 *
 * ```ts
 * import { Permits } from "effect-resilience"
 * import { Option } from "effect"
 *
 * const settings = Permits.settings("example", { queue: 1, maxWait: "2 seconds" })
 * const ask = (inUse: number, waiting: number) =>
 *   Permits.ask(settings, { limit: 1, inUse, waiting }, Option.some(500))
 *
 * ask(0, 0) // => { _tag: "Admitted" }
 * ask(1, 0) // => { _tag: "Queued", atMost: Option.some(500), because: "Deadline" }
 * ask(1, 1) // => { _tag: "Rejected", because: "QueueFull" }
 * ```
 *
 * @since 0.1.0
 * @category admitting
 */
export const ask = (settings: Settings, load: Load, left: Option.Option<Millis>): Answer => {
  if (isFree(load)) return admitted
  if (load.waiting >= settings.queue) return queueFull
  if (Option.isNone(left)) return { _tag: "Queued", atMost: settings.maxWait, because: "WaitTooLong" }
  if (left.value <= 0) return tooLate
  return Option.isSome(settings.maxWait) && settings.maxWait.value < left.value
    ? { _tag: "Queued", atMost: settings.maxWait, because: "WaitTooLong" }
    : { _tag: "Queued", atMost: left, because: "Deadline" }
}
