/**
 * The labels of metrics, and all that they can say.
 *
 * A backend keeps a series for each combination of labels, so a label that traffic can make grow is a way to bring it down. Each label
 * has a closed set of values; whatever is not in it becomes one of it. Only names, keys and servers come from outside, and of those no
 * more are let in than `Meter` has been told.
 *
 * @since 0.1.0
 */
import type * as Breaker from "./Breaker.ts"
import type * as ChaosPlan from "./ChaosPlan.ts"
import type * as Connection from "./Connection.ts"
import type * as Decision from "./Decision.ts"
import * as ErrorCode from "./ErrorCode.ts"
import type * as Event from "./Event.ts"
import * as Failure from "./Failure.ts"
import type * as Permits from "./Permits.ts"
import * as RpcStatus from "./RpcStatus.ts"
import * as Semconv from "./Semconv.ts"

/**
 * What a label is called, and what it can say. "names", "keys" and "servers" are open sets, which `Meter` closes.
 *
 * @since 0.1.0
 * @category models
 */
export interface Label {
  readonly name: string
  readonly values: ReadonlyArray<string> | "names" | "keys" | "servers"
}

/**
 * A label that can say so much and no more.
 *
 * @since 0.1.0
 * @category models
 */
export interface Closed extends Label {
  readonly values: ReadonlyArray<string>
}

/** The value of whatever is beyond an open set. @since 0.1.0 @category constants */
export const other = "other"
/** The value of what no convention knows. @since 0.1.0 @category constants */
export const unknown = "_OTHER"

/** What a record with a field for each member of a union has: all of them, and the compiler sees to it. */
const all = <A extends string>(members: Readonly<Record<A, true>>): ReadonlyArray<string> => Object.keys(members)

/** Of a closed set: the value itself where it is in it. */
const oneOf = (values: ReadonlyArray<string>, orElse: string) => {
  const known = new Set(values)
  return (value: string): string => known.has(value) ? value : orElse
}

/** What a client or a guard is called. @since 0.1.0 @category labels */
export const name: Label = { name: Semconv.RESILIENCE_NAME, values: "names" }
/** Which of the states of a guard it is about. @since 0.1.0 @category labels */
export const key: Label = { name: Semconv.RESILIENCE_KEY, values: "keys" }

/** How calls end. @since 0.1.0 @category labels */
export const outcome: Closed = {
  name: Semconv.RESILIENCE_OUTCOME,
  values: all<Event.End["_tag"]>({ Succeeded: true, GaveUp: true, Ignored: true, Interrupted: true, Died: true })
}

/** Why a wait has its length. @since 0.1.0 @category labels */
export const waitReason: Closed = {
  name: Semconv.RESILIENCE_REASON,
  values: all<Decision.Because>({ Backoff: true, RetryAfter: true, Schedule: true })
}

/** Why nothing more was sent. @since 0.1.0 @category labels */
export const giveUpReason: Closed = {
  name: Semconv.RESILIENCE_REASON,
  values: all<Decision.GiveUpReason>({
    Terminal: true,
    PushedBack: true,
    AttemptsExhausted: true,
    ScheduleExhausted: true,
    TimeExhausted: true,
    RetryAfterTooLong: true,
    DeadlineTooClose: true,
    BudgetExhausted: true,
    NotIdempotent: true,
    NotReplayable: true
  })
}

/**
 * Why a call ended with a failure. "Refused" is a `Terminal` of a healthy peer, which said no: that is no outage, as an expired certificate
 * and an open breaker are, which end a call too.
 *
 * @since 0.1.0
 * @category labels
 */
export const endReason: Closed = { name: Semconv.RESILIENCE_REASON, values: [...giveUpReason.values, "Refused"] }

/** Why an attempt was begun beside others. @since 0.1.0 @category labels */
export const hedgeReason: Closed = {
  name: Semconv.RESILIENCE_REASON,
  values: all<Event.HedgeReason>({ Delay: true, Quantile: true, Failure: true })
}

/** Which attempt gave a call its end. @since 0.1.0 @category labels */
export const winner: Closed = { name: "resilience.winner", values: ["first", "hedge"] }

/** What went wrong in an attempt. @since 0.1.0 @category labels */
export const failure: Closed = {
  name: "resilience.failure",
  values: all<Failure.Tag>({
    ConnectFailure: true,
    ConnectionLost: true,
    AttemptTimedOut: true,
    Throttled: true,
    Unavailable: true,
    ServerFault: true,
    Refused: true,
    Untrusted: true,
    Malformed: true,
    RpcFailure: true,
    Rejected: true,
    Unknown: true
  })
}

/** The guards. @since 0.1.0 @category models */
export type Guard = "CircuitBreaker" | "RateLimit" | "Bulkhead" | "AdaptiveLimit" | "AdaptiveThrottle"

/** Which guard it is. @since 0.1.0 @category labels */
export const guard: Closed = {
  name: "resilience.guard",
  values: all<Guard>({ CircuitBreaker: true, RateLimit: true, Bulkhead: true, AdaptiveLimit: true, AdaptiveThrottle: true })
}

/** Why a guard did not let a call be sent. @since 0.1.0 @category labels */
export const rejectReason: Closed = {
  name: Semconv.RESILIENCE_REASON,
  values: all<Breaker.Reason | Event.RateLimitReason | Permits.Reason | "LoadShed">({
    Open: true,
    Probing: true,
    Isolated: true,
    Ramping: true,
    Limit: true,
    Quota: true,
    MaxWait: true,
    Deadline: true,
    QueueFull: true,
    TooLarge: true,
    WaitTooLong: true,
    LoadShed: true
  })
}

/** The states of a breaker. @since 0.1.0 @category models */
export type BreakerState = "Open" | "HalfOpen" | "Closed"

/** What a breaker has become. @since 0.1.0 @category labels */
export const breakerState: Closed = {
  name: "resilience.state",
  values: all<BreakerState>({ Open: true, HalfOpen: true, Closed: true })
}

/** Where something else came from. @since 0.1.0 @category labels */
export const fallback: Closed = {
  name: Semconv.RESILIENCE_FALLBACK,
  values: all<Event.FallbackUsed["source"]>({ Effect: true, Value: true, LastGood: true })
}

/** Which fault was injected. @since 0.1.0 @category labels */
export const fault: Closed = {
  name: Semconv.RESILIENCE_FAULT,
  values: all<ChaosPlan.Injected["_tag"]>({ Latency: true, Failure: true, Response: true, Connection: true, Cut: true })
}

/** What a server did with a request under a key, or one that has none. @since 0.1.0 @category labels */
export const keyed: Closed = {
  name: "resilience.result",
  values: all<
    "Began" | "Bypassed" | Event.IdempotencyAnswered["as"] | Event.IdempotencyRefused["because"]
  >({
    Began: true,
    Bypassed: true,
    Replayed: true,
    InProgress: true,
    Mismatch: true,
    NotKept: true,
    Missing: true,
    Malformed: true,
    NoCaller: true,
    Unreadable: true,
    TooLarge: true,
    Store: true
  })
}

/** Why a server answered a request in the place of its handler. @since 0.1.0 @category labels */
export const turnedAway: Closed = {
  name: Semconv.RESILIENCE_REASON,
  values: all<Event.RequestTurnedAway["because"]>({ Late: true, OutOfTime: true, Shed: true, GivenUp: true })
}

/** What came of a key. @since 0.1.0 @category labels */
export const settled: Closed = {
  name: "resilience.result",
  values: all<Event.IdempotencySettled["as"]>({ Kept: true, NotKept: true, Freed: true, Lost: true, Unreachable: true })
}

const methods = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY", unknown]

/** The method. @since 0.1.0 @category labels */
export const requestMethod: Closed = { name: Semconv.HTTP_REQUEST_METHOD, values: methods }

/** The statuses that IANA has registered; another one is what RFC 9110, section 15, says to take it for: the first of its class. */
const statuses = [
  [100, 104],
  [200, 208],
  [226, 226],
  [300, 308],
  [400, 418],
  [421, 426],
  [428, 429],
  [431, 431],
  [451, 451],
  [500, 508],
  [510, 511]
].flatMap(([from = 0, to = 0]) => Array.from({ length: to - from + 1 }, (_, i) => String(from + i)))

/** The status; none where there was no response. @since 0.1.0 @category labels */
export const responseStatus: Closed = { name: Semconv.HTTP_RESPONSE_STATUS_CODE, values: ["", ...statuses, unknown] }

const errorTypes = [
  "",
  ...statuses,
  ...ErrorCode.known,
  "CERT_HAS_EXPIRED",
  "CERT_NOT_YET_VALID",
  "CERT_REVOKED",
  "ERR_TLS_CERT_ALTNAME_INVALID",
  ...RpcStatus.codes,
  "CircuitOpen",
  "BulkheadFull",
  "LimitReached",
  "RateLimited",
  "LoadShed",
  "DeadlineExceeded",
  "timeout",
  "throttled",
  "unavailable",
  "malformed",
  "interrupted",
  "defect",
  unknown
]

/** What went wrong; none where nothing did. @since 0.1.0 @category labels */
export const errorType: Closed = { name: Semconv.ERROR_TYPE, values: errorTypes }

/** A part of the way of a request. @since 0.1.0 @category labels */
export const connectionPhase: Closed = {
  name: Semconv.CONNECTION_PHASE,
  values: all<Connection.Phase>({
    pool: true,
    dns: true,
    tcp: true,
    tls: true,
    connect: true,
    send: true,
    firstByte: true,
    body: true
  })
}

/** How a request got its connection. @since 0.1.0 @category labels */
export const connectionState: Closed = { name: Semconv.CONNECTION_STATE, values: ["new", "reused"] }

/** How it ended on its connection, before the body was over. @since 0.1.0 @category labels */
export const connectionEnd: Closed = { name: Semconv.ERROR_TYPE, values: ["failed", "aborted"] }

/** The host that a request went to. @since 0.1.0 @category labels */
export const serverAddress: Label = { name: Semconv.SERVER_ADDRESS, values: "servers" }
/** The port that a request went to. @since 0.1.0 @category labels */
export const serverPort: Label = { name: Semconv.SERVER_PORT, values: "servers" }

/** The label of a method. @since 0.1.0 @category values */
export const ofMethod: (method: string) => string = oneOf(methods, unknown)

const registered = oneOf(statuses, unknown)

/**
 * The label of a status: itself where it is registered, or the first of its class.
 *
 * **Example** (A registered one, one that is not, and none)
 *
 * ```ts
 * import { Label } from "effect-resilience"
 *
 * Label.ofStatus(503) // => "503"
 * Label.ofStatus(499) // => "400"
 * Label.ofStatus(999) // => "_OTHER"
 * ```
 *
 * @since 0.1.0
 * @category values
 */
export const ofStatus = (status: number): string => {
  const itself = registered(String(status))
  return itself === unknown ? registered(`${Math.floor(status / 100)}00`) : itself
}

/** The label of why a call was given up: `endReason`. @since 0.1.0 @category values */
export const ofGiveUp = (because: Decision.GiveUpReason, { _tag }: Failure.Failure): string =>
  because === "Terminal" && _tag === "Refused" ? "Refused" : because

const inErrorTypes = oneOf(errorTypes, unknown)

/**
 * The label of what went wrong: `Failure.label`, where that is a registered status or a code that is known.
 *
 * @since 0.1.0
 * @category values
 */
export const ofFailure = (self: Failure.Failure): string => {
  const status = Failure.status(self)
  return status._tag === "Some" ? ofStatus(status.value) : inErrorTypes(Failure.label(self))
}
