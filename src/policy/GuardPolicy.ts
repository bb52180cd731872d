/**
 * What a policy says of sending at all: circuit breaker, bulkhead, adaptive limit, rate limit, adaptive throttle.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as Ceiling from "./Ceiling.ts"
import * as Field from "./Field.ts"
import { Backoff } from "./ResendPolicy.ts"

const { duration, durationAllowed, integer, lazily, list, number, optional, part, word } = Field

const states = () => ({
  per: optional(word(["origin", "client"], { about: "What has a state of its own: each origin, or the client as a whole.", default: "origin" }))
})

const keyed = () => ({
  ...states(),
  keys: optional(integer({ about: "How many origins are remembered.", min: 1, max: Ceiling.keys, default: 10_000 })),
  idle: optional(duration({ about: "After how long without a call an origin is forgotten.", max: Ceiling.window, default: "1 hour" }))
})

const line = (queue: number) => ({
  queue: optional(integer({ about: "How many calls may wait, of each origin.", min: 0, max: Ceiling.queue, default: queue })),
  maxWait: optional(duration({ about: "For how long a call may wait. Left out: as long as its deadline lets it." }))
})

const window = lazily(() =>
  part(
    Schema.Union(
      duration({ about: "The last so long.", max: Ceiling.window }),
      Schema.Struct({ calls: integer({ about: "The last so many calls.", min: 1, max: Ceiling.calls }) })
    ),
    {
      about: "How much of the past is looked at: a time, or a number of calls.",
      allowed: `${durationAllowed({ max: Ceiling.window })}, or an object with \`calls\``,
      default: "30 seconds"
    }
  )
)

const recent = () => ({
  threshold: optional(number({ about: "The share of calls that opens it.", above: 0, max: 1, default: 0.5 })),
  minimumCalls: optional(integer({ about: "Fewer calls than these in the window say nothing.", min: 1, max: Ceiling.calls, default: 10 })),
  window: optional(window)
})

interface Recent {
  readonly minimumCalls?: number
  readonly window?: number | { readonly calls: number }
}

/** A window that counts calls must be able to hold the least that says anything. */
const holds = ({ minimumCalls = 10, window }: Recent) => {
  if (typeof window !== "object" || minimumCalls <= window.calls) return undefined
  return { path: ["minimumCalls"], message: `at most ${window.calls}, the calls that the window holds, and 10 where it is left out` }
}

const Consecutive = lazily(() =>
  Schema.Struct({
    kind: word(["consecutive"], { about: "So many failures with no success between them." }),
    failures: integer({ about: "How many.", min: 1, max: Ceiling.calls })
  })
)

const Rate = lazily(() => Schema.Struct({ kind: word(["rate"], { about: "A share of the recent calls failed." }), ...recent() }).pipe(Schema.filter(holds)))

const SlowRate = lazily(() =>
  Schema.Struct({
    kind: word(["slowRate"], { about: "A share of the recent calls, failed or not, was slow." }),
    slowerThan: duration({ about: "What is slow." }),
    ...recent()
  }).pipe(Schema.filter(holds))
)

const Trip = lazily(() => Schema.Union(Consecutive, Rate, SlowRate))

/**
 * When a breaker opens.
 *
 * @since 0.1.0
 * @category schemas
 */
export const TripPolicy = lazily(() =>
  Schema.Union(
    Consecutive,
    Rate,
    SlowRate,
    Schema.Struct({
      kind: word(["anyOf"], { about: "One of several." }),
      policies: list(part(Trip, { about: "One of them." }), { about: "Which.", atMost: 10 })
    })
  )
)

/** @since 0.1.0 @category models */
export type TripPolicy = Schema.Schema.Type<typeof TripPolicy>

/** A breaker that opens for no time would not be one. */
const isPause = (backoff: Backoff) =>
  backoff.kind === "constant" && backoff.delay === 0 ? { path: ["delay"], message: "a duration of at least \"1 milli\" here" } : undefined

/**
 * Sending nothing for a while to what keeps failing.
 *
 * @since 0.1.0
 * @category schemas
 */
export const CircuitBreaker = lazily(() =>
  Schema.Struct({
    tripPolicy: optional(
      part(TripPolicy, {
        about: "When it opens. Left out: at half of at least 10 calls of the last 30 seconds.",
        allowed: "an object whose `kind` is \"consecutive\", \"rate\", \"slowRate\" or \"anyOf\""
      })
    ),
    openDuration: optional(
      part(Schema.Union(duration({ about: "Always so long." }), Backoff.pipe(Schema.filter(isPause))), {
        about: "How long it stays open. Left out: 5 seconds, doubling with each opening in a row, up to 60 seconds.",
        allowed: `${durationAllowed()}, or a backoff`
      })
    ),
    retryAfterAtMost: optional(
      duration({ about: "The most that a Retry-After of the failure that opened it can make of that.", min: 0, default: "5 minutes" })
    ),
    probes: optional(integer({ about: "How many probes may be on their way at once when it is half open.", min: 1, max: 1_000, default: 1 })),
    successes: optional(integer({ about: "How many probes must succeed to close it.", min: 1, max: 1_000, default: 1 })),
    lease: optional(duration({ about: "After how long a probe that has not come back may be replaced.", default: "30 seconds" })),
    rampUp: optional(
      duration({ about: "For how long after closing only a share of the calls is sent, growing from a tenth to all.", min: 0, default: "0 millis" })
    ),
    onStoreError: optional(
      word(["allow", "fail"], { about: "What becomes of a call when a shared store cannot be asked.", default: "allow" })
    ),
    ...states()
  })
)

/** @since 0.1.0 @category models */
export interface CircuitBreaker extends Schema.Schema.Type<typeof CircuitBreaker> {}

/**
 * So many calls at once.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Bulkhead = lazily(() =>
  Schema.Struct({
    permits: integer({ about: "How many calls may be on their way at once, of each origin.", min: 1, max: Ceiling.permits }),
    ...line(0),
    holdUntil: optional(
      word(["headers", "body"], { about: "Until when a call counts: its headers have arrived, or its body has been read too.", default: "headers" })
    ),
    ...keyed()
  })
)

/** @since 0.1.0 @category models */
export interface Bulkhead extends Schema.Schema.Type<typeof Bulkhead> {}

const bounds = () => ({
  min: optional(integer({ about: "The limit never goes below.", min: 1, max: Ceiling.permits, default: 1 })),
  max: optional(integer({ about: "The limit never goes above.", min: 1, max: Ceiling.permits, default: 200 })),
  initial: optional(integer({ about: "Where it begins. Left out: 20, or the nearest that is allowed.", min: 1, max: Ceiling.permits }))
})

interface Bounds {
  readonly min?: number
  readonly max?: number
  readonly initial?: number
}

const inOrder = ({ initial, max = 200, min = 1 }: Bounds) => {
  if (min > max) return { path: ["max"], message: `a whole number from ${min}, the \`min\`, on, and 200 where it is left out` }
  if (initial !== undefined && (initial < min || initial > max)) {
    return { path: ["initial"], message: `a whole number from ${min} to ${max}, the \`min\` and the \`max\`` }
  }
  return undefined
}

/**
 * As many calls at once as can be served without making them wait, which is learned.
 *
 * @since 0.1.0
 * @category schemas
 */
export const AdaptiveLimit = lazily(() =>
  Schema.Union(
    Schema.Struct({
      kind: word(["gradient"], { about: "More while calls take as long as they used to, less when they take longer." }),
      ...bounds(),
      window: optional(duration({ about: "How long calls are looked at before the limit is.", max: Ceiling.window, default: "1 second" })),
      samples: optional(integer({ about: "A window goes on until there are so many.", min: 1, max: Ceiling.calls, default: 50 })),
      quantile: optional(number({ about: "Which of their times is taken.", min: 0, max: 1, default: 0.9 })),
      baseline: optional(integer({ about: "How many windows what they used to take is made of.", min: 1, max: 1_000, default: 60 })),
      ...line(0),
      ...keyed()
    }).pipe(Schema.filter(inOrder)),
    Schema.Struct({
      kind: word(["aimd"], { about: "One more for each round of successes, a share less when it is too much." }),
      ...bounds(),
      backoff: optional(number({ about: "What is left of the limit when it was too much.", above: 0, below: 1, default: 0.9 })),
      slowerThan: optional(duration({ about: "A success that took longer was too much as well. Left out: none was." })),
      ...line(0),
      ...keyed()
    }).pipe(Schema.filter(inOrder))
  )
)

/** @since 0.1.0 @category models */
export type AdaptiveLimit = Schema.Schema.Type<typeof AdaptiveLimit>

const rated = () => ({
  limit: integer({ about: "How many calls.", min: 1, max: Ceiling.rate }),
  window: duration({ about: "In how long.", max: Ceiling.window })
})

const queued = () => ({
  onLimit: optional(word(["wait", "fail"], { about: "What becomes of a call that is too much.", default: "wait" })),
  maxWait: optional(duration({ about: "A call that would have to wait longer fails at once.", default: "30 seconds" })),
  queue: optional(integer({ about: "How many calls may wait, of each origin.", min: 1, max: Ceiling.queue, default: 10_000 })),
  learn: optional(
    word(["headers", "throttling", "nothing"], {
      about: "What it learns from a response: the quotas in its headers and its hints, the hints alone, or nothing.",
      default: "headers"
    })
  ),
  pauseAtMost: optional(duration({ about: "The longest that a server can keep calls back.", default: "5 minutes" })),
  pause: optional(
    duration({ about: "How long calls are kept back when the server throttles and does not say for how long.", min: 0, default: "1 second" })
  ),
  ...keyed()
})

/**
 * So many calls in so long.
 *
 * @since 0.1.0
 * @category schemas
 */
export const RateLimit = lazily(() =>
  Schema.Union(
    Schema.Struct({
      kind: word(["sliding-window"], { about: "Never more in any time as long as the window." }),
      ...rated(),
      ...queued()
    }),
    Schema.Struct({
      kind: word(["token-bucket"], { about: "So many over the long run, evenly, and a burst on top." }),
      ...rated(),
      burst: optional(integer({ about: "How many at once; 1 spaces calls evenly. Left out: the limit.", min: 1, max: Ceiling.rate })),
      ...queued()
    })
  )
)

/** @since 0.1.0 @category models */
export type RateLimit = Schema.Schema.Type<typeof RateLimit>

/**
 * Not sending a share of the calls while the other side rejects too many.
 *
 * @since 0.1.0
 * @category schemas
 */
export const AdaptiveThrottle = lazily(() =>
  Schema.Struct({
    k: optional(number({ about: "How many calls are made for each that is accepted.", min: 1, max: 100, default: 2 })),
    window: optional(duration({ about: "How much of the past is looked at.", max: Ceiling.window, default: "2 minutes" })),
    minimumRequests: optional(
      integer({ about: "Nothing is rejected while there are fewer calls in the window.", min: 0, max: Ceiling.calls, default: 10 })
    ),
    sendEvery: optional(duration({ about: "When nothing has been sent for so long, the next call is.", default: "1 second" })),
    ...keyed()
  })
)

/** @since 0.1.0 @category models */
export interface AdaptiveThrottle extends Schema.Schema.Type<typeof AdaptiveThrottle> {}
