/**
 * What can be said of a policy without running it: the most attempts of a call, its longest time, and the load it makes in an outage.
 *
 * Each is a bound: no call of the policy does more, whatever the other side answers. The shortest bound that simple arithmetic gives is
 * taken, and where there is none, none is invented.
 *
 * **Example** (The defaults)
 *
 * ```ts
 * import { Bounds } from "effect-resilience"
 * import { Option } from "effect"
 *
 * const bounds = Bounds.of({})
 *
 * bounds.attempts // => 3
 * bounds.wallTime // => Option.some(30_000)
 * Bounds.loadFactor(bounds, 100) // => 1.01
 * ```
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import * as Backoff from "../core/Backoff.ts"
import * as Budget from "../core/Budget.ts"
import { defaultRetryAfterCap } from "../core/Decision.ts"
import type { Millis } from "../core/Millis.ts"
import * as Effective from "./Effective.ts"
import * as Interpreter from "./Interpreter.ts"
import type * as Policy from "./Policy.ts"
import type * as ResendPolicy from "./ResendPolicy.ts"

/**
 * The bounds of a policy.
 *
 * @since 0.1.0
 * @category models
 */
export interface Bounds {
  /** The most attempts of a call, the first included. */
  readonly attempts: number
  /** The longest time of a call until its response is handed over, in ms. `None`: nothing bounds it. */
  readonly wallTime: Option.Option<Millis>
  /** The same if there were no deadline, and the other side asked for no longer waits than those of the backoff. */
  readonly undisturbed: Option.Option<Millis>
  /** The longest time before the last attempt begins, under the same conditions. */
  readonly lastBegins: Option.Option<Millis>
  /** How many resends are paid at once when everything begins to fail; infinity where nothing limits them. */
  readonly resendsAtOnce: number
  /** How many resends a second are paid while nothing succeeds, for as long as that lasts. */
  readonly resendsPerSecond: number
}

const { isThere } = Effective

/**
 * The limit of an attempt of a policy in ms; infinity where there is none.
 *
 * @since 0.1.0
 * @category parts
 */
export const attemptLimit = ({ attemptTimeout = 10_000 }: Policy.Policy): Millis => {
  if (attemptTimeout === "none") return Infinity
  return typeof attemptTimeout === "number" ? attemptTimeout : attemptTimeout.limit
}

/**
 * The deadline of a call of a policy in ms; infinity where there is none.
 *
 * @since 0.1.0
 * @category parts
 */
export const deadline = ({ deadline = 30_000 }: Policy.Policy): Millis => deadline === "none" ? Infinity : deadline

/**
 * The retry of a policy, where it has one.
 *
 * @since 0.1.0
 * @category parts
 */
export const retry = ({ hedge, retry }: Policy.Policy): Option.Option<ResendPolicy.Retry> =>
  retry === "none" || isThere(hedge) ? Option.none() : Option.some(retry ?? {})

/**
 * The budget of a policy, as it is at first.
 *
 * @since 0.1.0
 * @category parts
 */
export const budget = ({ budget = { kind: "ratio" } }: Policy.Policy): Budget.Budget => {
  if (budget === "unlimited") return Budget.unlimited
  switch (budget.kind) {
    case "ratio":
      return Budget.ratio(budget)
    case "throttle":
      return Budget.throttle(budget)
    case "quota":
      return Budget.quota(budget)
  }
}

/** How long a call may stand in the lines of its guards, for each attempt. */
const lines = (policy: Policy.Policy): Millis => {
  const line = ({ maxWait = Infinity, queue = 0 }: { readonly maxWait?: number; readonly queue?: number }) => queue === 0 ? 0 : maxWait
  const { adaptiveLimit, bulkhead, rateLimit } = policy
  return (isThere(rateLimit) && rateLimit.onLimit !== "fail" ? rateLimit.maxWait ?? 30_000 : 0) +
    (isThere(bulkhead) ? line(bulkhead) : 0) + (isThere(adaptiveLimit) ? line(adaptiveLimit) : 0)
}

/** The longest time of one attempt: each hop of a redirect has a limit of its own. */
const attemptTime = (policy: Policy.Policy): Millis => {
  const { redirects } = policy
  const hops = isThere(redirects) ? 1 + (redirects.maxRedirects ?? 5) : 1
  return hops * attemptLimit(policy) + lines(policy)
}

/** The delays of one kind of failure, the longest of each: as many as it may have. */
type Delays = ReadonlyArray<Millis>

const standard: ReadonlyArray<Backoff.Backoff> = ["100 millis" as const, "500 millis" as const].map((base) =>
  Backoff.exponential(base).pipe(Backoff.capped("20 seconds"), Backoff.fullJitter)
)

const delays = (backoffs: ReadonlyArray<Backoff.Backoff>, count: number): Delays => {
  const each = backoffs.map((backoff) => Backoff.take(backoff, count))
  return Array.from({ length: count }, (_, i) => Math.max(...each.map((taken) => taken[i] ?? 0)))
}

/** The kinds of failure that can pass. */
const kinds = ["ConnectFailure", "ConnectionLost", "AttemptTimedOut", "Throttled", "Unavailable", "ServerFault", "RpcFailure"] as const

/** What each kind of failure can add: the kinds without a case of their own share one. */
const slots = (retry: ResendPolicy.Retry, resends: number): ReadonlyArray<Delays> => {
  const usual = retry.backoff === undefined ? standard : [Interpreter.backoff(retry.backoff)]
  const cases = retry.byFailure ?? {}
  const named = kinds.flatMap((kind) => cases[kind] ?? [])
  const own = named.flatMap((given) => {
    if (given === "none") return []
    const count = Math.min(resends, (given.maxAttempts ?? Infinity) - 1)
    return [delays(given.backoff === undefined ? usual : [Interpreter.backoff(given.backoff)], count)]
  })
  return named.length === kinds.length ? own : [...own, delays(usual, resends)]
}

/** The most that so many waits can come to, by their number: the best of any mixture of failures. */
const longestWaits = (slots: ReadonlyArray<Delays>, resends: number): Delays => {
  let best: ReadonlyArray<number> = [0, ...Array.from({ length: resends }, () => -Infinity)]
  for (const slot of slots) {
    const sums = slot.reduce<ReadonlyArray<number>>((sums, delay) => [...sums, (sums.at(-1) ?? 0) + delay], [0])
    best = best.map((_, count) => Math.max(...sums.slice(0, count + 1).map((sum, taken) => sum + (best[count - taken] ?? -Infinity))))
  }
  return best.filter((sum) => sum > -Infinity)
}

/** The attempts of a call and its longest times, without a deadline. */
interface Times {
  readonly attempts: number
  readonly lastBegins: Millis
  readonly whole: Millis
  /** The whole, where the other side asks for as long waits as it may. */
  readonly disturbed: Millis
}

const retrying = (policy: Policy.Policy, retry: ResendPolicy.Retry): Times => {
  const attempt = attemptTime(policy)
  const resends = (retry.maxAttempts ?? 3) - 1
  const waits = longestWaits(slots(retry, resends), resends)
  const last = waits.length - 1
  const { retryAfter = {} } = retry
  const hint = retryAfter === "ignore" ? 0 : Math.ceil((retryAfter.atMost ?? defaultRetryAfterCap) * (1 + (retryAfter.jitter ?? 0)))
  // With `during`, the last wait has ended so long after the first failure: the attempts between are in that time.
  const within = (between: Millis) => last === 0 ? 0 : attempt + Math.min(between, retry.during ?? Infinity)
  // A wait is the longer of the two, so no longer than both.
  const own = (last === 0 ? 0 : waits[last] ?? 0) + Math.max(last - 1, 0) * attempt
  const lastBegins = within(own)
  return { attempts: last + 1, lastBegins, whole: lastBegins + attempt, disturbed: within(own + last * hint) + attempt }
}

const hedging = (policy: Policy.Policy, { delay, maxAttempts = 2 }: ResendPolicy.Hedge): Times => {
  const attempt = attemptTime(policy)
  // The next begins when the delay is over, or the last one before it.
  const gap = Math.min(typeof delay === "number" ? delay : Infinity, attempt)
  const lastBegins = maxAttempts === 1 ? 0 : (maxAttempts - 1) * gap
  return { attempts: maxAttempts, lastBegins, whole: lastBegins + attempt, disturbed: lastBegins + attempt }
}

const times = (policy: Policy.Policy): Times => {
  if (isThere(policy.hedge)) return hedging(policy, policy.hedge)
  return Option.match(retry(policy), {
    onNone: () => ({ attempts: 1, lastBegins: 0, whole: attemptTime(policy), disturbed: attemptTime(policy) }),
    onSome: (retry) => retrying(policy, retry)
  })
}

const finite = (millis: Millis): Option.Option<Millis> => Number.isFinite(millis) ? Option.some(millis) : Option.none()

/** What a budget pays when everything begins to fail, and in each second after. */
const paid = (policy: Policy.Policy): Pick<Bounds, "resendsAtOnce" | "resendsPerSecond"> => {
  const own = budget(policy)
  switch (own._tag) {
    case "Unlimited":
      return { resendsAtOnce: Infinity, resendsPerSecond: Infinity }
    case "None":
      return { resendsAtOnce: 0, resendsPerSecond: 0 }
    case "Ratio": {
      // A hedge may not spend the reserve.
      const reserve = isThere(policy.hedge) ? 0 : own.reserve
      return { resendsAtOnce: reserve, resendsPerSecond: reserve * 1000 / (own.width * 10) }
    }
    case "Throttle":
      return { resendsAtOnce: Math.ceil(own.maxTokens / 2), resendsPerSecond: 0 }
    case "Quota": {
      const least = Math.min(own.costs.otherwise, ...kinds.flatMap((kind) => own.costs[kind] ?? []))
      return least === 0
        ? { resendsAtOnce: Infinity, resendsPerSecond: Infinity }
        : { resendsAtOnce: Math.floor(own.capacity / least), resendsPerSecond: 0 }
    }
  }
}

const ofOne = (policy: Policy.Policy): Bounds => {
  const { attempts, disturbed, lastBegins, whole } = times(policy)
  return {
    attempts,
    wallTime: finite(Math.min(disturbed, deadline(policy))),
    undisturbed: finite(whole),
    lastBegins: finite(lastBegins),
    ...(attempts === 1 ? { resendsAtOnce: 0, resendsPerSecond: 0 } : paid(policy))
  }
}

const later = (one: Option.Option<Millis>, other: Option.Option<Millis>) => Option.zipWith(one, other, Math.max)

const wider = (one: Bounds, other: Bounds): Bounds => ({
  attempts: Math.max(one.attempts, other.attempts),
  wallTime: later(one.wallTime, other.wallTime),
  undisturbed: later(one.undisturbed, other.undisturbed),
  lastBegins: later(one.lastBegins, other.lastBegins),
  resendsAtOnce: Math.max(one.resendsAtOnce, other.resendsAtOnce),
  resendsPerSecond: Math.max(one.resendsPerSecond, other.resendsPerSecond)
})

/**
 * The bounds of a policy.
 *
 * **Details**
 *
 * A body that is read after its response was handed over is bounded by the deadline alone. What a ratio budget is paid by successes is
 * on top of `resendsAtOnce`, which says what is there without any. Where a policy has rules for some requests, these are the bounds of
 * all of them; `Effective.of` gives each.
 *
 * @since 0.1.0
 * @category constructors
 */
export const of = (policy: Policy.Policy): Bounds => Effective.of(policy).map(ofOne).reduce(wider)

/**
 * How many requests the other side gets for each call while it is down, at so many calls a second, in the long run: 1 is no more than
 * without any resends. An open breaker makes it less.
 *
 * @since 0.1.0
 * @category getters
 */
export const loadFactor = (self: Bounds, callsPerSecond: number): number =>
  1 + Math.min(self.attempts - 1, callsPerSecond > 0 ? self.resendsPerSecond / callsPerSecond : self.attempts - 1)
