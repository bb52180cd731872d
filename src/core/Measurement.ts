/**
 * What an event adds to which metric.
 *
 * @since 0.1.0
 */
import type * as Option from "effect/Option"
import type * as Connection from "./Connection.ts"
import type * as Event from "./Event.ts"
import * as Instrument from "./Instrument.ts"
import * as Label from "./Label.ts"
import type { Millis } from "./Millis.ts"

/**
 * A value of a metric: what is added to a counter or a histogram, or what a gauge shows from now on.
 *
 * @since 0.1.0
 * @category models
 */
export interface Measurement {
  readonly instrument: Instrument.Instrument
  /** In the order of the labels of the instrument; "" leaves a label out. */
  readonly labels: ReadonlyArray<string>
  readonly value: number
}

/** A host and a port, as they are shown. @since 0.1.0 @category models */
export interface Server {
  readonly address: string
  /** "" where it is not shown. */
  readonly port: string
}

/**
 * What closes the open sets: how a name, a key and the server of a URL are shown.
 *
 * @since 0.1.0
 * @category models
 */
export interface Bounds {
  readonly name: (name: string) => string
  readonly key: (key: string) => string
  readonly server: (url: string) => Server
}

/** A value of a metric. @since 0.1.0 @category constructors */
export const make = (instrument: Instrument.Instrument, value: number, ...labels: ReadonlyArray<string>): Measurement => ({
  instrument,
  labels,
  value
})

const none: ReadonlyArray<Measurement> = []

/**
 * What an event adds. It says nothing of how much is left, or on its way: that is sampled.
 *
 * **Example** (A wait of 200 ms)
 *
 * ```ts
 * import { Failure, Measurement } from "effect-resilience"
 *
 * const asItIs = { name: (name: string) => name, key: (key: string) => key, server: () => ({ address: "", port: "" }) }
 * const wait = {
 *   _tag: "WaitStarted",
 *   call: { id: 1, name: "users" },
 *   at: 0,
 *   attempt: 1,
 *   delay: 200,
 *   because: "Backoff",
 *   failure: Failure.unavailable()
 * } as const
 * const added = Measurement.fromEvent(wait, asItIs)
 *
 * added.map(({ instrument, labels, value }) => [instrument.name, ...labels, value])
 * // => [["resilience.resends", "users", "Backoff", "Unavailable", 1], ["resilience.wait.duration", "users", "Backoff", 0.2]]
 * ```
 *
 * @since 0.1.0
 * @category conversions
 */
export const fromEvent = (event: Event.Event, bounds: Bounds): ReadonlyArray<Measurement> => {
  const name = bounds.name(event.call.name)
  switch (event._tag) {
    case "CallStarted":
      return none
    case "AttemptStarted":
      return [make(Instrument.attempts, 1, name)]
    case "AttemptEnded":
      return event.outcome._tag === "Failed" ? [make(Instrument.failures, 1, name, event.outcome.failure._tag)] : none
    case "WaitStarted":
      return [
        make(Instrument.resends, 1, name, event.because, event.failure._tag),
        make(Instrument.waits, seconds(event.delay), name, event.because)
      ]
    case "HedgeStarted":
      return [make(Instrument.hedges, 1, name, event.because)]
    case "HedgeSkipped":
      return [make(Instrument.hedgesSkipped, 1, name, event.because)]
    case "AttemptWon":
      return [make(Instrument.hedgesWon, 1, name, event.attempt === 1 ? "first" : "hedge")]
    case "CallEnded": {
      const { end } = event
      const ended = make(Instrument.calls, 1, name, end._tag)
      return end._tag === "GaveUp" ? [ended, make(Instrument.giveUps, 1, name, Label.ofGiveUp(end.because, end.failure))] : [ended]
    }
    case "FallbackUsed":
      return [make(Instrument.fallbacks, 1, name, event.source)]
    case "ChaosInjected":
      return [make(Instrument.faults, 1, name, event.fault._tag)]
    case "IdempotencyBegan":
      return [make(Instrument.keyedRequests, 1, name, "Began")]
    case "IdempotencyBypassed":
      return [make(Instrument.keyedRequests, 1, name, "Bypassed")]
    case "IdempotencyAnswered":
      return [make(Instrument.keyedRequests, 1, name, event.as)]
    case "IdempotencyRefused":
      return [make(Instrument.keyedRequests, 1, name, event.because)]
    case "IdempotencySettled":
      return [make(Instrument.keysSettled, 1, name, event.as)]
    case "RequestTurnedAway":
      return [make(Instrument.turnedAway, 1, name, event.because)]
    case "ConnectionTraced":
      return fromConnection(event.trace, bounds.server(event.trace.origin))
    // Those that are unread are a level, and not what happened; what changes rarely is for logs.
    case "ResponseUnread":
    case "PolicyApplied":
    case "PolicyRejected":
      return none
    default:
      return fromGuard(event, name, bounds.key(event.key))
  }
}

const fromGuard = (event: Extract<Event.Event, Event.OfGuard>, name: string, key: string): ReadonlyArray<Measurement> => {
  switch (event._tag) {
    case "BreakerOpened":
    case "BreakerHalfOpened":
    case "BreakerClosed":
      return [make(Instrument.breakerTransitions, 1, name, key, becameOf(event))]
    case "BreakerRejected":
      return [rejected(name, key, "CircuitBreaker", event.because)]
    case "RateLimited":
      return [rejected(name, key, "RateLimit", event.because)]
    case "RateLimitDelayed":
      return [delayed(name, key, "RateLimit", event.delay)]
    case "RateLimitPaused":
      return [make(Instrument.pauses, 1, name, key)]
    case "LoadShed":
      return [rejected(name, key, "AdaptiveThrottle", "LoadShed")]
    case "BulkheadAdmitted":
      return [delayed(name, key, "Bulkhead", event.waited)]
    case "BulkheadRejected":
      return [rejected(name, key, "Bulkhead", event.because)]
    case "LimitAdmitted":
      return [delayed(name, key, "AdaptiveLimit", event.waited)]
    case "LimitRejected":
      return [rejected(name, key, "AdaptiveLimit", event.because)]
    // That it waits is seen when it is let through, and how many do, and what the limit is, by sampling.
    case "BulkheadQueued":
    case "LimitQueued":
    case "LimitChanged":
      return none
  }
}

const phases = ["pool", "dns", "tcp", "tls", "connect", "send", "firstByte", "body"] as const satisfies ReadonlyArray<Connection.Phase>

const fromConnection = (trace: Connection.Trace, { address, port }: Server): ReadonlyArray<Measurement> => [
  ...phases.flatMap((phase) => {
    const length = trace.phases[phase]
    return length._tag === "None" ? [] : [make(Instrument.connectionPhase, seconds(length.value), phase, address, port)]
  }),
  ...trace.connection._tag === "None" ? [] : [make(Instrument.connections, 1, trace.connection.value, address, port)],
  ...trace.end._tag === "Completed"
    ? []
    : [make(Instrument.connectionFailures, 1, trace.end.phase, trace.end._tag === "Failed" ? "failed" : "aborted", address, port)]
]

/**
 * The state that a breaker has come to.
 *
 * @since 0.1.0
 * @category getters
 */
export const becameOf = (event: Event.BreakerOpened | Event.BreakerHalfOpened | Event.BreakerClosed): Label.BreakerState =>
  event._tag === "BreakerOpened" ? "Open" : event._tag === "BreakerHalfOpened" ? "HalfOpen" : "Closed"

const rejected = (name: string, key: string, guard: Label.Guard, because: string): Measurement =>
  make(Instrument.rejections, 1, name, key, guard, because)

const delayed = (name: string, key: string, guard: Label.Guard, delay: Millis): Measurement =>
  make(Instrument.guardDelay, seconds(delay), name, key, guard)

/** Never less than nothing: a clock can be set back. What is no length at all is none. */
const seconds = (millis: Millis): number => millis > 0 && Number.isFinite(millis) ? millis / 1000 : 0

/** What a request over HTTP was, as far as it is known. @since 0.1.0 @category models */
export interface Request extends Server {
  /** The name of the client, as it is to be shown. */
  readonly name: string
  readonly method: string
  readonly status: Option.Option<number>
  /** A value of `Label.errorType`; "" where nothing went wrong. */
  readonly error: string
  /** In seconds. */
  readonly duration: number
}

/**
 * What a request adds to `http.client.request.duration`.
 *
 * @since 0.1.0
 * @category conversions
 */
export const fromRequest = ({ address, duration, error, method, name, port, status }: Request): Measurement =>
  make(
    Instrument.requestDuration,
    Math.max(0, duration),
    name,
    Label.ofMethod(method),
    address,
    port,
    status._tag === "Some" ? Label.ofStatus(status.value) : "",
    error
  )
