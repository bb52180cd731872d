/**
 * What a server remembers of an idempotency key, as arithmetic: nothing, a request in progress, or a finished one with its result.
 *
 * A request that begins holds the key with a token, for as long as a lease. The token fences it: whoever has lost the key, because
 * the lease ran out and another began, can neither finish nor free it. A lease that nobody renews ends by itself, so a holder that
 * has crashed blocks nobody for longer.
 *
 * `now` should be a clock that is never set. One that stands still or goes back does no harm: what was to last so long lasts at most
 * so long from then on.
 *
 * @since 0.1.0
 */
import type { Millis } from "./Millis.ts"

/** Nothing is known of the key. @since 0.1.0 @category models */
export interface Absent {
  readonly _tag: "Absent"
}

/** A request holds the key. @since 0.1.0 @category models */
export interface InProgress {
  readonly _tag: "InProgress"
  /** Names the holder: no two requests have the same. */
  readonly token: string
  /** What the request is: another one under the same key has another. */
  readonly fingerprint: string
  readonly since: Millis
  readonly until: Millis
}

/** A request has finished. @since 0.1.0 @category models */
export interface Completed<out A> {
  readonly _tag: "Completed"
  readonly fingerprint: string
  readonly result: A
  readonly since: Millis
  readonly until: Millis
}

/**
 * What is known of a key.
 *
 * @since 0.1.0
 * @category models
 */
export type Record<A> = Absent | InProgress | Completed<A>

/**
 * The answer to a request that wants to begin.
 *
 * - `Begun`: it holds the key now
 * - `Busy`: another holds it, whose lease ends in so many ms unless it is renewed
 * - `Mismatch`: the key belongs to another request
 * - `Done`: the request has been finished before, with this result
 *
 * @since 0.1.0
 * @category models
 */
export type Answer<A> =
  | { readonly _tag: "Begun" }
  | { readonly _tag: "Busy"; readonly leaseEnds: Millis }
  | { readonly _tag: "Mismatch" }
  | { readonly _tag: "Done"; readonly result: A }

/**
 * A request that wants to begin.
 *
 * @since 0.1.0
 * @category models
 */
export interface Claim {
  readonly token: string
  readonly fingerprint: string
  /** For how long it holds the key, unless it renews that. In ms, more than 0. */
  readonly lease: Millis
}

/**
 * The record of a key that nobody has used.
 *
 * @since 0.1.0
 * @category constructors
 */
export const absent: Absent = { _tag: "Absent" }

const begun = { _tag: "Begun" } as const
const mismatch = { _tag: "Mismatch" } as const

/**
 * The record as it is now: nothing is left of one whose time is over.
 *
 * @since 0.1.0
 * @category getters
 */
export const current = <A>(record: Record<A>, now: Millis): Record<A> => {
  if (record._tag === "Absent") return record
  // A clock that was set back: it lasts no longer from now on than it was to last from the start.
  if (now < record.since) return { ...record, since: now, until: now + record.until - record.since }
  return now < record.until ? record : absent
}

/**
 * Lets a request begin, or says why it may not.
 *
 * **Details**
 *
 * That the key belongs to another request is said first, whether that one is finished or not: waiting would change nothing.
 *
 * **Example** (The same request again)
 *
 * ```ts
 * import { IdempotencyRecord } from "effect-resilience"
 *
 * const claim = { token: "1", fingerprint: "POST /orders", lease: 30_000 }
 *
 * const [first, held] = IdempotencyRecord.begin(IdempotencyRecord.absent, claim, 0)
 * first // => { _tag: "Begun" }
 * IdempotencyRecord.begin(held, { ...claim, token: "2" }, 10_000)[0] // => { _tag: "Busy", leaseEnds: 20000 }
 *
 * const [, finished] = IdempotencyRecord.complete(held, "1", "201", 86_400_000, 12_000)
 * IdempotencyRecord.begin(finished, { ...claim, token: "3" }, 20_000)[0] // => { _tag: "Done", result: "201" }
 * ```
 *
 * @since 0.1.0
 * @category steps
 */
export const begin = <A>(record: Record<A>, claim: Claim, now: Millis): readonly [answer: Answer<A>, record: Record<A>] => {
  const known = current(record, now)
  if (known._tag === "Absent") {
    const { fingerprint, lease, token } = claim
    return [begun, { _tag: "InProgress", token, fingerprint, since: now, until: now + lease }]
  }
  if (known.fingerprint !== claim.fingerprint) return [mismatch, known]
  return known._tag === "Completed"
    ? [{ _tag: "Done", result: known.result }, known]
    : [{ _tag: "Busy", leaseEnds: known.until - now }, known]
}

/**
 * Lets the holder of a key hold it for `lease` ms from now on. `false` says that it holds it no longer; nothing has changed then.
 *
 * @since 0.1.0
 * @category steps
 */
export const renew = <A>(
  record: Record<A>,
  token: string,
  lease: Millis,
  now: Millis
): readonly [held: boolean, record: Record<A>] => {
  const known = held(record, token, now)
  return known === undefined ? [false, current(record, now)] : [true, { ...known, since: now, until: now + lease }]
}

/**
 * Writes down what came of the holder's request, for `ttl` ms. `false` says that it holds the key no longer; nothing has changed then.
 *
 * @since 0.1.0
 * @category steps
 */
export const complete = <A>(
  record: Record<A>,
  token: string,
  result: A,
  ttl: Millis,
  now: Millis
): readonly [held: boolean, record: Record<A>] => {
  const known = held(record, token, now)
  if (known === undefined) return [false, current(record, now)]
  return [true, { _tag: "Completed", fingerprint: known.fingerprint, result, since: now, until: now + ttl }]
}

/**
 * Frees the key of its holder, as if it had never been used. `false` says that it holds it no longer; nothing has changed then.
 *
 * @since 0.1.0
 * @category steps
 */
export const release = <A>(record: Record<A>, token: string, now: Millis): readonly [held: boolean, record: Record<A>] =>
  held(record, token, now) === undefined ? [false, current(record, now)] : [true, absent]

const held = <A>(record: Record<A>, token: string, now: Millis): InProgress | undefined => {
  const known = current(record, now)
  return known._tag === "InProgress" && known.token === token ? known : undefined
}
