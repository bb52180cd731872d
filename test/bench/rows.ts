/**
 * What is compared in memory: sections of clients that do the same, the first of each being what the others are measured by.
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as Resilience from "effect-resilience/policy/Resilience"
import * as ResilientClient from "effect-resilience/policy/ResilientClient"
import * as Backoff from "effect-resilience/core/Backoff"
import * as AdaptiveThrottle from "effect-resilience/strategy/AdaptiveThrottle"
import * as RateLimit from "effect-resilience/strategy/RateLimit"
import * as RetryBudget from "effect-resilience/strategy/RetryBudget"
import * as MovingQuantile from "effect-resilience/strategy/MovingQuantile"
import * as RetrySchedule from "effect-resilience/strategy/RetrySchedule"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { guards } from "./guards.ts"
import { metrics } from "./metrics.ts"
import * as Noop from "./noop.ts"
import { traced } from "./traced.ts"

type Client = HttpClient.HttpClient.With<unknown>

export interface Candidate {
  readonly name: string
  /** One call, its body read. */
  readonly call: () => Effect.Effect<unknown, unknown>
  /** What many calls are made in. Default: nothing. */
  readonly within?: (calls: Effect.Effect<void, unknown>) => Effect.Effect<void, unknown>
}

export interface Contest {
  readonly name: string
  readonly title: string
  /** What the others are compared with. */
  readonly base: Candidate
  readonly others: ReadonlyArray<Candidate>
  /** The fewest calls of a turn, where what they have in common is to be gone through. Default: as many as take the time of a turn. */
  readonly callsOfTurn?: number
}

export const nullCheck = "bare again (null check)"

/** The request is made anew for each call, as an application does. */
const get = (client: Client) => (): Effect.Effect<unknown, unknown> =>
  Effect.flatMap(client.get(Noop.url), (response) => response.text)

const candidate = (name: string, client: Client): Candidate => ({ name, call: get(client) })

const bothSpans = (client: HttpClient.HttpClient) =>
  client.pipe(Resilience.withAttemptSpan, Resilience.withCallSpan("users"))

/** What `ResilientClient.make()` gives, for a client that is at hand. */
const shipped = (client: HttpClient.HttpClient, options?: ResilientClient.Options): Client =>
  Effect.runSync(Effect.provideService(ResilientClient.make(options), HttpClient.HttpClient, client))

const limit = "10 seconds"

/** What is fast here is hedged by nobody: no attempt has taken the time that must pass at the least. */
const learning = () => Effect.runSync(MovingQuantile.make({ fallback: limit, atLeast: limit }))

/** A budget that is asked, and never empty: two resends for each call are more than the default one pays for. */
const ample = () => RetryBudget.make({ floorPerSecond: 1_000_000_000 })

/** A rate limit that is never reached. */
const plenty = () => Effect.runSync(RateLimit.make({ limit: 1_000_000_000, window: "1 second" }))

const successes = (transport: () => HttpClient.HttpClient, tracing: Tracing): ReadonlyArray<Candidate> => {
  const bare = transport()
  return [
    candidate(nullCheck, transport()),
    candidate("retry", Resilience.withRetry()(bare)),
    candidate("attempt timeout", Resilience.withAttemptTimeout(limit)(bare)),
    candidate("rate limit", Resilience.withRateLimit({ limiter: plenty() })(bare)),
    candidate("adaptive throttle", Resilience.withAdaptiveThrottle({ throttle: Effect.runSync(AdaptiveThrottle.make()) })(bare)),
    candidate("hedge that never fires", Resilience.withHedge({ delay: limit })(bare)),
    candidate("hedge that learns and never fires", Resilience.withHedge({ delay: learning() })(bare)),
    candidate("endpoints", Resilience.withEndpoints(["http://users.test"])(bare)),
    candidate("retry + attempt timeout", bare.pipe(Resilience.withAttemptTimeout(limit), Resilience.withRetry())),
    ...(tracing === "on"
      ? [candidate("attempt span", Resilience.withAttemptSpan(bare)), candidate("call + attempt spans", bothSpans(bare))]
      : []),
    candidate("ResilientClient.make()", shipped(bare)),
    candidate("platform: retryTransient", HttpClient.retryTransient(bare, { times: 3 })),
    candidate("platform: Effect.timeout", HttpClient.transformResponse(bare, Effect.timeout(limit)))
  ]
}

/** Reads a body so that it can be aborted when it takes too long: in a fiber, since the platform aborts by interruption alone. */
const drained = (client: Client) => (): Effect.Effect<unknown, unknown> =>
  Effect.flatMap(client.get(Noop.url), (response) => Effect.suspend(() => Fiber.join(Effect.runFork(response.text))))

/** No wait at all: the waits are not what is measured. */
const atOnce = RetrySchedule.fromBackoff(Backoff.constant(0))

const thrice = (how: "refused" | "busy"): Pick<Contest, "base" | "others"> => {
  const bare = (read: (client: Client) => Candidate["call"] = get): Candidate["call"] => {
    const client = Noop.failFailSucceed(how)
    const call = get(client)
    const lost = how === "refused" ? () => Effect.exit(call()) : read(client)
    return () => Effect.flatMap(lost(), () => Effect.flatMap(lost(), call))
  }
  return {
    base: { name: "three bare executes", call: bare() },
    others: [
      { name: nullCheck, call: bare() },
      ...(how === "busy" ? [{ name: "bare, what is lost read in a fiber", call: bare(drained) }] : []),
      candidate("retry", Resilience.withRetry({ schedule: atOnce })(Noop.failFailSucceed(how))),
      candidate("ResilientClient.make()", shipped(Noop.failFailSucceed(how), { retry: { schedule: atOnce }, budget: ample() })),
      candidate("platform: retryTransient", HttpClient.retryTransient(Noop.failFailSucceed(how), { times: 3 }))
    ]
  }
}

export type Tracing = "off" | "on"

/** Everything that is compared, with tracing off for the whole fiber or on with Effect's default tracer. */
export const contests = (tracing: Tracing): ReadonlyArray<Contest> => [
  {
    name: tracing,
    title: `Success at the first attempt, answered at once, tracing ${tracing}`,
    base: candidate("bare", Noop.prompt()),
    others: successes(Noop.prompt, tracing)
  },
  {
    name: `${tracing}-async`,
    title: `Success at the first attempt, the fiber suspended once, tracing ${tracing}`,
    base: candidate("bare", Noop.suspending()),
    others: successes(Noop.suspending, tracing)
  },
  {
    name: `refused-${tracing}`,
    title: `Fail, fail, succeed, refused connections, no wait, tracing ${tracing}`,
    ...thrice("refused")
  },
  {
    name: `busy-${tracing}`,
    title: `Fail, fail, succeed, 503 with a body to release, no wait, tracing ${tracing}`,
    ...thrice("busy")
  },
  ...(tracing === "off" ? [...guards(nullCheck), ...metrics(nullCheck)] : [traced(nullCheck)])
]

/** Many calls, one after another, in one fiber. */
export const batch = (
  { call, within = (calls) => calls }: Pick<Candidate, "call" | "within">,
  times: number,
  tracing: Tracing
): Effect.Effect<void, unknown> => {
  const calls = within(Effect.suspend(() => {
    let done = 0
    return Effect.whileLoop({ while: () => done < times, body: call, step: () => void done++ })
  }))
  return tracing === "off" ? Effect.withTracerEnabled(calls, false) : calls
}
