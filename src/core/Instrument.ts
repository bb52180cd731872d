/**
 * The metrics, as data: what each is called, what it counts in, and which labels it has.
 *
 * What is recorded, the dashboard, the rules and the page of the documentation are made of these. Names are OpenTelemetry's where it
 * has one; those under `resilience.` are ours. Units are UCUM, as OpenTelemetry writes them: a unit in braces counts things.
 *
 * @since 0.1.0
 */
import * as Label from "./Label.ts"
import * as Semconv from "./Semconv.ts"

/**
 * One metric.
 *
 * @since 0.1.0
 * @category models
 */
export interface Instrument {
  readonly name: string
  readonly kind: "counter" | "gauge" | "histogram"
  readonly unit: string
  readonly description: string
  readonly labels: ReadonlyArray<Label.Label>
  /** The upper ends of the buckets of a histogram. */
  readonly boundaries: ReadonlyArray<number>
}

const counter = (name: string, unit: string, description: string, ...labels: ReadonlyArray<Label.Label>): Instrument => ({
  name,
  kind: "counter",
  unit,
  description,
  labels,
  boundaries: []
})

const gauge = (name: string, unit: string, description: string, ...labels: ReadonlyArray<Label.Label>): Instrument => ({
  name,
  kind: "gauge",
  unit,
  description,
  labels,
  boundaries: []
})

/** The buckets of `http.client.request.duration` in OpenTelemetry's conventions, in seconds. @since 0.1.0 @category constants */
export const requestBoundaries: ReadonlyArray<number> = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]

/** The buckets of what we wait for ourselves, in seconds: up to the longest `Retry-After` that is honoured. @since 0.1.0 @category constants */
export const waitBoundaries: ReadonlyArray<number> = [0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]

const seconds = (
  name: string,
  description: string,
  boundaries: ReadonlyArray<number>,
  ...labels: ReadonlyArray<Label.Label>
): Instrument => ({ name, kind: "histogram", unit: "s", description, labels, boundaries })

/** How long an attempt took until its headers had come. @since 0.1.0 @category http */
export const requestDuration: Instrument = seconds(
  "http.client.request.duration",
  "Duration of HTTP client requests.",
  requestBoundaries,
  Label.name,
  Label.requestMethod,
  Label.serverAddress,
  Label.serverPort,
  Label.responseStatus,
  Label.errorType
)

/** How long the parts of the way of a request took; the wait for a connection is "pool". @since 0.1.0 @category http */
export const connectionPhase: Instrument = seconds(
  Semconv.METRIC_CONNECTION_PHASE,
  "Duration of the phases of HTTP client connections.",
  requestBoundaries,
  Label.connectionPhase,
  Label.serverAddress,
  Label.serverPort
)

/** Requests that got a connection. @since 0.1.0 @category http */
export const connections: Instrument = counter(
  Semconv.METRIC_CONNECTION_REQUESTS,
  "{request}",
  "Requests by how they got their connection.",
  Label.connectionState,
  Label.serverAddress,
  Label.serverPort
)

/** Requests that were over before their body was. @since 0.1.0 @category http */
export const connectionFailures: Instrument = counter(
  Semconv.METRIC_CONNECTION_FAILURES,
  "{request}",
  "Requests that failed or were aborted, by the phase they were in.",
  Label.connectionPhase,
  Label.connectionEnd,
  Label.serverAddress,
  Label.serverPort
)

/** Calls that ended. @since 0.1.0 @category calls */
export const calls: Instrument = counter("resilience.calls", "{call}", "Calls that ended.", Label.name, Label.outcome)

/** Attempts that were begun. @since 0.1.0 @category calls */
export const attempts: Instrument = counter("resilience.attempts", "{attempt}", "Attempts that were begun.", Label.name)

/** Attempts that failed. @since 0.1.0 @category calls */
export const failures: Instrument = counter("resilience.failures", "{attempt}", "Attempts that failed.", Label.name, Label.failure)

/** Waits that were begun, after each of which a request is sent again. @since 0.1.0 @category calls */
export const resends: Instrument = counter(
  "resilience.resends",
  "{attempt}",
  "Attempts that follow one that failed.",
  Label.name,
  Label.waitReason,
  Label.failure
)

/** How long is waited between two attempts. @since 0.1.0 @category calls */
export const waits: Instrument = seconds(
  "resilience.wait.duration",
  "Waits between two attempts.",
  waitBoundaries,
  Label.name,
  Label.waitReason
)

/** Calls that ended with a failure, and why nothing more was sent. @since 0.1.0 @category calls */
export const giveUps: Instrument = counter(
  "resilience.give_ups",
  "{call}",
  "Calls that ended with a failure.",
  Label.name,
  Label.endReason
)

/** Attempts that were begun beside others. @since 0.1.0 @category calls */
export const hedges: Instrument = counter("resilience.hedges", "{attempt}", "Hedges that were sent.", Label.name, Label.hedgeReason)

/** Hedges that were not sent. @since 0.1.0 @category calls */
export const hedgesSkipped: Instrument = counter(
  "resilience.hedges.skipped",
  "{attempt}",
  "Hedges that were not sent.",
  Label.name,
  Label.giveUpReason
)

/** Calls of more than one attempt at once, and which of them won. @since 0.1.0 @category calls */
export const hedgesWon: Instrument = counter(
  "resilience.hedges.decided",
  "{call}",
  "Calls with hedges, by which attempt gave the answer.",
  Label.name,
  Label.winner
)

/** Failures in whose place something else was given. @since 0.1.0 @category calls */
export const fallbacks: Instrument = counter("resilience.fallbacks", "{call}", "Fallbacks that were used.", Label.name, Label.fallback)

/** Faults that were injected. @since 0.1.0 @category calls */
export const faults: Instrument = counter("resilience.faults", "{fault}", "Faults that were injected.", Label.name, Label.fault)

/** What a budget can pay. Sampled. @since 0.1.0 @category guards */
export const budgetBalance: Instrument = gauge("resilience.budget.balance", "{token}", "What is left of a budget.", Label.name)

/** Calls that a guard did not let be sent. @since 0.1.0 @category guards */
export const rejections: Instrument = counter(
  "resilience.rejections",
  "{call}",
  "Calls that a guard did not let be sent.",
  Label.name,
  Label.key,
  Label.guard,
  Label.rejectReason
)

/** Changes of the state of a breaker. @since 0.1.0 @category guards */
export const breakerTransitions: Instrument = counter(
  "resilience.breaker.transitions",
  "{transition}",
  "Changes of the state of a breaker, by what it became.",
  Label.name,
  Label.key,
  Label.breakerState
)

/** How many keys of a breaker are open, and half open. Sampled. @since 0.1.0 @category guards */
export const breakerKeys: Instrument = gauge(
  "resilience.breaker.keys",
  "{key}",
  "Keys of a breaker that are not closed.",
  Label.name,
  Label.key,
  { ...Label.breakerState, values: ["Open", "HalfOpen"] }
)

/** How many may be on their way at once. Sampled. @since 0.1.0 @category guards */
export const permits: Instrument = gauge("resilience.permits.limit", "{permit}", "Permits there are.", Label.name, Label.key, Label.guard)

/** How many are on their way. Sampled. @since 0.1.0 @category guards */
export const permitsInUse: Instrument = gauge(
  "resilience.permits.in_use",
  "{permit}",
  "Permits that are taken.",
  Label.name,
  Label.key,
  Label.guard
)

/** How many wait for a permit. Sampled. @since 0.1.0 @category guards */
export const permitsWaiting: Instrument = gauge(
  "resilience.permits.waiting",
  "{call}",
  "Calls that wait for a permit.",
  Label.name,
  Label.key,
  Label.guard
)

/** How long calls waited until a guard let them be sent. @since 0.1.0 @category guards */
export const guardDelay: Instrument = seconds(
  "resilience.guard.delay",
  "How long calls waited until a guard let them be sent.",
  waitBoundaries,
  Label.name,
  Label.key,
  Label.guard
)

/** Times that a server said that it will take no more for a while. @since 0.1.0 @category guards */
export const pauses: Instrument = counter(
  "resilience.rate_limit.pauses",
  "{pause}",
  "Times that a server said that it takes no more for a while.",
  Label.name,
  Label.key
)

/** Requests that a server answered in the place of the handler. @since 0.1.0 @category server */
export const turnedAway: Instrument = counter(
  "resilience.server.turned_away",
  "{request}",
  "Requests that a server turned away, or ended.",
  Label.name,
  Label.turnedAway
)

/** Requests that came to a server's idempotency middleware. @since 0.1.0 @category server */
export const keyedRequests: Instrument = counter(
  "resilience.idempotency.requests",
  "{request}",
  "Requests under idempotency keys, by what was done with them.",
  Label.name,
  Label.keyed
)

/** What came of requests that had begun under a key. @since 0.1.0 @category server */
export const keysSettled: Instrument = counter(
  "resilience.idempotency.settlements",
  "{request}",
  "Requests that had begun under an idempotency key, by what came of them.",
  Label.name,
  Label.settled
)

/** Sockets of a pool. Sampled. @since 0.1.0 @category http */
export const openConnections: Instrument = gauge(
  Semconv.METRIC_OPEN_CONNECTIONS,
  "{connection}",
  "Connections of a pool that are open.",
  Label.name
)

/** Responses that nobody has begun to read or to release. Sampled. @since 0.1.0 @category http */
export const unreadResponses: Instrument = gauge(
  Semconv.METRIC_UNREAD_RESPONSES,
  "{response}",
  "Responses that are neither read nor released.",
  Label.name
)

/** All of them. @since 0.1.0 @category constants */
export const all: ReadonlyArray<Instrument> = [
  requestDuration,
  connectionPhase,
  connections,
  connectionFailures,
  openConnections,
  unreadResponses,
  calls,
  attempts,
  failures,
  resends,
  waits,
  giveUps,
  hedges,
  hedgesSkipped,
  hedgesWon,
  fallbacks,
  faults,
  budgetBalance,
  rejections,
  breakerTransitions,
  breakerKeys,
  permits,
  permitsInUse,
  permitsWaiting,
  guardDelay,
  pauses,
  turnedAway,
  keyedRequests,
  keysSettled
]
