/**
 * One structured line for each call that was not plain, and for what guards and the rest do, through Effect's Logger.
 *
 * A call is plain where its first attempt succeeded. What happened stands in annotations with a closed set of names (`keys`), so that a
 * pipeline can count and filter without reading the message; `trace_id` and `span_id` join it with the trace. Nothing of a request or a
 * response is logged, no header, no body, no message of an error, and no address but the redacted one of a response that nobody reads.
 *
 * **Example** (One line for a call of three attempts)
 *
 * ```ts
 * import { Classifier, Log, Retry, RetrySchedule, Backoff } from "effect-resilience"
 * import { Effect, HashMap, Logger, Option } from "effect"
 *
 * const lines: Array<string> = []
 * const attempts: Array<unknown> = []
 * const logger = Logger.make(({ annotations, logLevel, message }) => {
 *   lines.push(`${logLevel.label} ${String(message)}`)
 *   attempts.push(Option.getOrUndefined(HashMap.get(annotations, "resilience.attempts")))
 * })
 *
 * await Effect.fail("busy").pipe(
 *   Retry.retry({
 *     name: "users",
 *     classifier: Classifier.anyError,
 *     schedule: RetrySchedule.fromBackoff(Backoff.constant("1 millis")),
 *     maxAttempts: 3
 *   }),
 *   Effect.ignore,
 *   Effect.provide(Log.layer()),
 *   Effect.provide(Logger.replace(Logger.defaultLogger, logger)),
 *   Effect.runPromise
 * )
 *
 * lines // => ["WARN users: gave up after 3 attempts, AttemptsExhausted, unavailable"]
 * attempts // => [3]
 * ```
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import type { CallEnded, Event } from "../core/Event.ts"
import * as Failure from "../core/Failure.ts"
import type { Millis } from "../core/Millis.ts"
import * as Semconv from "../core/Semconv.ts"
import * as Observer from "../strategy/Observer.ts"

/**
 * What can be logged: how a call ended that was not plain, and the events of everything else.
 *
 * - `Recovered`: it succeeded, and not at the first attempt
 * - `GaveUp`: nothing more was sent
 * - `Rejected`: what was given up is our own refusal, of which the guard tells by itself
 * - `Ignored`, `Interrupted`, `Died`: see `Event.End`
 *
 * @since 0.1.0
 * @category models
 */
export type Kind =
  | "Recovered"
  | "GaveUp"
  | "Rejected"
  | "Ignored"
  | "Interrupted"
  | "Died"
  | Exclude<Event["_tag"], "CallStarted" | "AttemptStarted" | "AttemptEnded" | "ConnectionTraced" | "CallEnded">

/**
 * At which level each kind is logged; "None" is not at all.
 *
 * @since 0.1.0
 * @category models
 */
export type Levels = { readonly [K in Kind]: LogLevel.Literal }

/**
 * The levels that are used where none is given. What comes with every call while something is wrong is `Debug`; what says that something
 * has begun to be wrong is `Warning`.
 *
 * @since 0.1.0
 * @category constants
 */
export const levels: Levels = {
  Recovered: "Info",
  GaveUp: "Warning",
  Rejected: "Debug",
  Ignored: "Debug",
  Interrupted: "Debug",
  Died: "Error",
  WaitStarted: "None",
  HedgeStarted: "None",
  HedgeSkipped: "Debug",
  AttemptWon: "Debug",
  BreakerOpened: "Warning",
  BreakerHalfOpened: "Info",
  BreakerClosed: "Info",
  BreakerRejected: "Debug",
  RateLimited: "Debug",
  RateLimitDelayed: "None",
  RateLimitPaused: "Warning",
  LoadShed: "Debug",
  BulkheadQueued: "None",
  BulkheadAdmitted: "None",
  BulkheadRejected: "Debug",
  LimitChanged: "Debug",
  LimitQueued: "None",
  LimitAdmitted: "None",
  LimitRejected: "Debug",
  FallbackUsed: "Warning",
  ChaosInjected: "Info",
  IdempotencyBegan: "None",
  IdempotencyAnswered: "Debug",
  IdempotencySettled: "Debug",
  IdempotencyRefused: "Debug",
  IdempotencyBypassed: "Warning",
  RequestTurnedAway: "Debug",
  PolicyApplied: "Info",
  PolicyRejected: "Error",
  ResponseUnread: "Warning"
}

/**
 * Every name that an annotation of a line can have: what it is about, which trace it belongs to, and what happened.
 *
 * @since 0.1.0
 * @category constants
 */
export const keys = [
  Semconv.RESILIENCE_EVENT,
  "trace_id",
  "span_id",
  Semconv.ERROR_TYPE,
  Semconv.HTTP_RESPONSE_STATUS_CODE,
  Semconv.URL_FULL,
  Semconv.RESILIENCE_NAME,
  Semconv.RESILIENCE_KEY,
  Semconv.RESILIENCE_OUTCOME,
  Semconv.RESILIENCE_ATTEMPT,
  Semconv.RESILIENCE_ATTEMPTS,
  Semconv.RESILIENCE_WAITED,
  Semconv.RESILIENCE_DELAY,
  Semconv.RESILIENCE_REASON,
  Semconv.RESILIENCE_FALLBACK,
  Semconv.RESILIENCE_AGE,
  Semconv.RESILIENCE_FAULT,
  Semconv.RESILIENCE_SEED,
  Semconv.RESILIENCE_LIMIT
] as const

/**
 * A line: what kind it is, its message, and what stands beside it. Times are in seconds.
 *
 * @since 0.1.0
 * @category models
 */
export interface Line {
  readonly kind: Kind
  readonly message: string
  readonly annotations: Readonly<Partial<Record<(typeof keys)[number], string | number>>>
}

const seconds = (millis: Millis): number => millis / 1000

/** Only where it is known. */
const delayOf = (millis: Option.Option<Millis>) =>
  Option.match(millis, { onNone: () => ({}), onSome: (millis) => ({ [Semconv.RESILIENCE_DELAY]: seconds(millis) }) })

const errorOf = (failure: Failure.Failure) => ({ [Semconv.ERROR_TYPE]: Failure.label(failure) })

const counted = (number: number, what: string): string => `${number} ${what}${number === 1 ? "" : "s"}`

const ofEnd = (event: CallEnded): Option.Option<Line> => {
  const { attempts, call, end, waited } = event
  if (end._tag === "Succeeded" && attempts <= 1 && waited === 0) return Option.none()
  const annotations = {
    [Semconv.RESILIENCE_NAME]: call.name,
    [Semconv.RESILIENCE_OUTCOME]: end._tag,
    [Semconv.RESILIENCE_ATTEMPTS]: attempts,
    [Semconv.RESILIENCE_WAITED]: seconds(waited)
  }
  const after = `after ${counted(attempts, "attempt")}`
  if (end._tag === "GaveUp") {
    return Option.some({
      kind: end.failure._tag === "Rejected" ? "Rejected" : "GaveUp",
      message: `${call.name}: gave up ${after}, ${end.because}, ${Failure.label(end.failure)}`,
      annotations: { ...annotations, [Semconv.RESILIENCE_REASON]: end.because, ...errorOf(end.failure), ...delayOf(end.wait) }
    })
  }
  const kind = end._tag === "Succeeded" ? "Recovered" : end._tag
  return Option.some({ kind, message: `${call.name}: ${end._tag.toLowerCase()} ${after}`, annotations })
}

/** What an event says beside its name, and in which words. */
const said = (event: Extract<Event, { readonly _tag: Kind }>): readonly [text: string, annotations: Line["annotations"]] => {
  switch (event._tag) {
    case "WaitStarted":
      return [`waits for ${event.delay} ms after attempt ${event.attempt}, ${event.because}`, {
        [Semconv.RESILIENCE_ATTEMPT]: event.attempt,
        [Semconv.RESILIENCE_DELAY]: seconds(event.delay),
        [Semconv.RESILIENCE_REASON]: event.because,
        ...errorOf(event.failure)
      }]
    case "HedgeStarted":
      return [`hedged with attempt ${event.attempt} after ${event.after} ms, ${event.because}`, {
        [Semconv.RESILIENCE_ATTEMPT]: event.attempt,
        [Semconv.RESILIENCE_DELAY]: seconds(event.after),
        [Semconv.RESILIENCE_REASON]: event.because
      }]
    case "HedgeSkipped":
      return [`not hedged, ${event.because}`, {
        [Semconv.RESILIENCE_ATTEMPT]: event.attempt,
        [Semconv.RESILIENCE_REASON]: event.because
      }]
    case "AttemptWon":
      return [`attempt ${event.attempt} won`, { [Semconv.RESILIENCE_ATTEMPT]: event.attempt }]
    case "BreakerOpened":
      return [`circuit open, ${event.because}`, { [Semconv.RESILIENCE_REASON]: event.because, ...delayOf(event.openFor) }]
    case "BreakerHalfOpened":
      return [`circuit half open, ${event.because}`, { [Semconv.RESILIENCE_REASON]: event.because }]
    case "BreakerClosed":
      return [`circuit closed, ${event.because}`, { [Semconv.RESILIENCE_REASON]: event.because }]
    case "BreakerRejected":
      return [`rejected by the circuit breaker, ${event.because}`, {
        [Semconv.RESILIENCE_REASON]: event.because,
        ...delayOf(event.retryAfter)
      }]
    case "RateLimited":
      return [`rejected by the rate limit, ${event.because}`, {
        [Semconv.RESILIENCE_REASON]: event.because,
        ...delayOf(event.retryAfter)
      }]
    case "RateLimitDelayed":
      return [`waits for ${event.delay} ms at the rate limit`, { [Semconv.RESILIENCE_DELAY]: seconds(event.delay) }]
    case "RateLimitPaused":
      return [`paused for ${event.pause} ms by the server's quota`, { [Semconv.RESILIENCE_DELAY]: seconds(event.pause) }]
    case "LoadShed":
      return [`rejected by the throttle, ${event.accepts} of ${event.requests} accepted`, {}]
    case "BulkheadQueued":
    case "LimitQueued":
      return [`stands in line, ${event.waiting} wait`, {}]
    case "BulkheadAdmitted":
    case "LimitAdmitted":
      return [`admitted after ${event.waited} ms in line`, { [Semconv.RESILIENCE_WAITED]: seconds(event.waited) }]
    case "BulkheadRejected":
    case "LimitRejected":
      return [`rejected by the ${event._tag === "LimitRejected" ? "adaptive limit" : "bulkhead"}, ${event.because}`, {
        [Semconv.RESILIENCE_REASON]: event.because,
        [Semconv.RESILIENCE_WAITED]: seconds(event.waited)
      }]
    case "LimitChanged":
      return [`limit ${event.from} to ${event.to}`, { [Semconv.RESILIENCE_LIMIT]: event.to }]
    case "FallbackUsed":
      return [`fallback ${event.source} in the place of ${Failure.label(event.because)}`, {
        [Semconv.RESILIENCE_FALLBACK]: event.source,
        ...errorOf(event.because),
        ...Option.match(event.age, { onNone: () => ({}), onSome: (age) => ({ [Semconv.RESILIENCE_AGE]: seconds(age) }) })
      }]
    case "ChaosInjected":
      return [`chaos ${event.fault._tag} at attempt ${event.attempt}`, {
        [Semconv.RESILIENCE_ATTEMPT]: event.attempt,
        [Semconv.RESILIENCE_FAULT]: event.fault._tag,
        [Semconv.RESILIENCE_SEED]: event.seed
      }]
    case "IdempotencyBegan":
      return ["a keyed request began", {}]
    case "IdempotencyAnswered":
      return [`a keyed request was answered, ${event.as}`, { [Semconv.RESILIENCE_OUTCOME]: event.as }]
    case "IdempotencySettled":
      return [`a keyed request was settled, ${event.as}`, { [Semconv.RESILIENCE_OUTCOME]: event.as }]
    case "IdempotencyRefused":
      return [`a keyed request was refused, ${event.because}`, { [Semconv.RESILIENCE_REASON]: event.because }]
    case "IdempotencyBypassed":
      return ["a keyed request was run without the store", {}]
    case "RequestTurnedAway":
      return [`turned away attempt ${event.attempt} of a request, ${event.because}`, {
        [Semconv.RESILIENCE_ATTEMPT]: event.attempt,
        [Semconv.RESILIENCE_REASON]: event.because
      }]
    case "PolicyApplied":
      return [`a policy was applied, ${event.mode}${event.changed.length === 0 ? "" : `: ${event.changed.join(", ")}`}`, { [Semconv.RESILIENCE_OUTCOME]: event.mode }]
    case "PolicyRejected":
      return [`a policy was rejected: ${event.because}`, {}]
    case "ResponseUnread":
      return [`a response of ${event.status} is unread after ${event.age} ms, ${event.because}`, {
        [Semconv.URL_FULL]: event.url,
        [Semconv.HTTP_RESPONSE_STATUS_CODE]: event.status,
        [Semconv.RESILIENCE_AGE]: seconds(event.age),
        [Semconv.RESILIENCE_REASON]: event.because
      }]
  }
}

/**
 * The line of an event: none for what is plain.
 *
 * **Details**
 *
 * `resilience.key` is the key of a guard, or the digest under which a server's store has a key.
 *
 * @since 0.1.0
 * @category rendering
 */
export const line = (event: Event): Option.Option<Line> => {
  if (event._tag === "CallEnded") return ofEnd(event)
  switch (event._tag) {
    case "CallStarted":
    case "AttemptStarted":
    case "AttemptEnded":
    case "ConnectionTraced":
      return Option.none()
    default:
      return Option.some(ofEvent(event))
  }
}

const ofEvent = (event: Extract<Event, { readonly _tag: Kind }>): Line => {
  const key = "key" in event ? event.key : "record" in event ? event.record : undefined
  const [text, annotations] = said(event)
  return {
    kind: event._tag,
    message: `${event.call.name}${"key" in event ? ` [${event.key}]` : ""}: ${text}`,
    annotations: {
      [Semconv.RESILIENCE_NAME]: event.call.name,
      ...(key === undefined ? {} : { [Semconv.RESILIENCE_KEY]: key }),
      ...annotations
    }
  }
}

/** These are worth a warning whatever the level of their kind is, unless that is "None": a keyed request may be done twice. */
const isGrave = (event: Event): boolean =>
  (event._tag === "IdempotencySettled" && (event.as === "Lost" || event.as === "Unreachable")) ||
  (event._tag === "IdempotencyRefused" && event.because === "Store")

/**
 * A listener that logs, at the levels that are given and the defaults of the rest.
 *
 * **Details**
 *
 * The trace is the one of the fiber that tells: the call's span where there is one. A line is one step of the fiber that makes the call; what
 * is not logged is none.
 *
 * @since 0.1.0
 * @category constructors
 */
export const listener = (overrides: Partial<Levels> = {}): Observer.Listener => {
  const at: Levels = { ...levels, ...overrides }
  return Observer.make((event) => {
    const found = line(event)
    if (Option.isNone(found) || at[found.value.kind] === "None") return Effect.void
    const { annotations, kind, message } = found.value
    const chosen = LogLevel.fromLiteral(at[kind])
    const level = isGrave(event) && LogLevel.lessThan(chosen, LogLevel.Warning) ? LogLevel.Warning : chosen
    return Effect.withFiberRuntime<void>((fiber) => {
      const span = fiber.currentSpan
      const trace = span === undefined ? {} : { trace_id: span.traceId, span_id: span.spanId }
      return Effect.annotateLogs(Effect.logWithLevel(level, message), { [Semconv.RESILIENCE_EVENT]: kind, ...trace, ...annotations })
    })
  })
}

/**
 * Logs what happens in everything the layer is provided to, beside whoever listens already.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (overrides?: Partial<Levels>): Layer.Layer<never> => Observer.layer(listener(overrides))
