/**
 * What a server has said of its quotas, kept for as long as it holds.
 *
 * A quota that is learned only ever takes away: it never allows what the client's own limit does not. Until its reset it goes down
 * only, for answers do not come in the order in which they were counted; then it is forgotten. Requests that are on their way are
 * taken for not yet counted: so a quota of 5 lets out 5, however many of them are out at once.
 *
 * Times are ms on a clock that never goes back (`Limiter` sees to that).
 *
 * @since 0.1.0
 */
import type { Millis } from "./Millis.ts"

/**
 * So much until then.
 *
 * @since 0.1.0
 * @category models
 */
export interface ServerQuota {
  readonly name: string
  /** What the server had left when it last said so, less what has ended since without a word of it. */
  readonly remaining: number
  readonly until: Millis
}

/**
 * All that a server has said.
 *
 * @since 0.1.0
 * @category models
 */
export type Quotas = ReadonlyArray<ServerQuota>

/** Nothing was said. @since 0.1.0 @category constructors */
export const none: Quotas = []

/** A server may have a few. Of more than these, the ones with the most left are not kept. */
const maxQuotas = 8

/**
 * In how many ms so much can be sent, with so much on its way; 0 is now.
 *
 * @since 0.1.0
 * @category steps
 */
export const delay = (self: Quotas, cost: number, inFlight: number, time: Millis): Millis => {
  let wait = 0
  for (const { remaining, until } of self) {
    if (remaining - inFlight < cost) wait = Math.max(wait, until - time)
  }
  return wait
}

/**
 * Learns what the answer to one call says.
 *
 * @since 0.1.0
 * @category steps
 */
export const learn = (self: Quotas, said: Quotas, cost: number, time: Millis): Quotas => {
  if (self.length === 0 && said.length === 0) return none
  const known = current(self, time)
  const learned = said.map((quota) => {
    const before = known.find(({ name }) => name === quota.name)
    return before === undefined || quota.remaining < before.remaining ? quota : before
  })
  // The call was counted by all of them; it is no longer on its way.
  const silent = known
    .filter(({ name }) => said.every((quota) => quota.name !== name))
    .map((quota) => ({ ...quota, remaining: Math.max(quota.remaining - cost, 0) }))
  const all = [...learned, ...silent].filter(({ until }) => until > time)
  return all.length <= maxQuotas ? all : all.sort((one, other) => one.remaining - other.remaining).slice(0, maxQuotas)
}

/**
 * Those that hold still.
 *
 * @since 0.1.0
 * @category getters
 */
export const current = (self: Quotas, time: Millis): Quotas =>
  self.every(({ until }) => until > time) ? self : self.filter(({ until }) => until > time)
