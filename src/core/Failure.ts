/**
 * What went wrong in one attempt, as a tagged union.
 *
 * A `Failure` is plain data: it can be matched, printed, counted and given its own schedule. It says what the caller needs
 * in order to decide whether to send again: how much of the request can have reached the other side, whether the same
 * request can ever succeed, and how long the other side asked to be left alone.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import type { Millis } from "./Millis.ts"
import type * as Pushback from "./Pushback.ts"
import * as RpcStatus from "./RpcStatus.ts"

/**
 * The connection was never made, so the request was never sent: refused, no such host, unreachable, connect timeout.
 * @since 0.1.0 @category models
 */
export interface ConnectFailure {
  readonly _tag: "ConnectFailure"
  readonly phase: "dns" | "tcp" | "tls"
  /** The platform's code, such as `ECONNREFUSED` or `ENOTFOUND`. */
  readonly code: string
}

/**
 * The connection broke after the request may have been sent: reset, closed, cut in the middle of the body.
 * @since 0.1.0 @category models
 */
export interface ConnectionLost {
  readonly _tag: "ConnectionLost"
  /** The platform's code, such as `ECONNRESET`; `unknown` where it gives none. */
  readonly code: string
}

/** Our own limit on one attempt passed. @since 0.1.0 @category models */
export interface AttemptTimedOut {
  readonly _tag: "AttemptTimedOut"
  /** The limit in ms, where the error says it. */
  readonly limit: Option.Option<Millis>
  readonly phase: "headers" | "body"
}

/**
 * The other side is healthy and asks for fewer requests: 429, or 503 with a hint that can be read.
 * @since 0.1.0 @category models
 */
export interface Throttled extends Pushback.Answered {
  readonly _tag: "Throttled"
  readonly status: Option.Option<number>
  readonly retryAfter: Option.Option<Millis>
}

/**
 * The other side cannot serve now and may soon: 408, 425, 502, 503, 504.
 * @since 0.1.0 @category models
 */
export interface Unavailable extends Pushback.Answered {
  readonly _tag: "Unavailable"
  readonly status: Option.Option<number>
  readonly retryAfter: Option.Option<Millis>
}

/**
 * The other side failed: 500 and the remaining 5xx. Only a 500 is worth another attempt.
 * @since 0.1.0 @category models
 */
export interface ServerFault extends Pushback.Answered {
  readonly _tag: "ServerFault"
  readonly status: number
  readonly retryAfter: Option.Option<Millis>
}

/**
 * The other side is healthy and says no: the 4xx that no other tag covers.
 * @since 0.1.0 @category models
 */
export interface Refused extends Pushback.Answered {
  readonly _tag: "Refused"
  readonly status: number
}

/**
 * The other side could not prove who it is: certificate, or TLS policy. Nothing was sent.
 * @since 0.1.0 @category models
 */
export interface Untrusted {
  readonly _tag: "Untrusted"
  readonly code: string
}

/**
 * The request or the response is not well formed and never will be: invalid URL, bad header, undecodable body.
 * @since 0.1.0 @category models
 */
export interface Malformed {
  readonly _tag: "Malformed"
  readonly what: "url" | "request" | "response"
  readonly code: string
}

/** A gRPC or Connect call ended with a status code. @since 0.1.0 @category models */
export interface RpcFailure extends Pushback.Answered {
  readonly _tag: "RpcFailure"
  /** The canonical name, such as `UNAVAILABLE`. */
  readonly code: string
  /** How long the server asked to wait; `None` where it asked nothing. */
  readonly retryAfter: Option.Option<Millis>
  /** Whether the same call can succeed later, where that is said of the method. Absent: by the code. */
  readonly resend?: Resend | undefined
}

/**
 * We refused to send: our own breaker, bulkhead, limiter or deadline. It says nothing about the other side.
 * @since 0.1.0 @category models
 */
export interface Rejected {
  readonly _tag: "Rejected"
  /** The tag of the refusal, such as `CircuitOpen`. */
  readonly by: string
  readonly retryAfter: Option.Option<Millis>
}

/** A typed error that no classifier knows. @since 0.1.0 @category models */
export interface Unknown {
  readonly _tag: "Unknown"
  readonly error: unknown
}

/** What went wrong in one attempt. @since 0.1.0 @category models */
export type Failure =
  | ConnectFailure
  | ConnectionLost
  | AttemptTimedOut
  | Throttled
  | Unavailable
  | ServerFault
  | Refused
  | Untrusted
  | Malformed
  | RpcFailure
  | Rejected
  | Unknown

/** Those that `sent` calls "yes", but for an answer that is malformed. */
type Answer = Throttled | Unavailable | ServerFault | Refused | RpcFailure

/** The name of a kind of failure. @since 0.1.0 @category models */
export type Tag = Failure["_tag"]

/** The failure of the given kind. @since 0.1.0 @category models */
export type Of<K extends Tag> = Extract<Failure, { readonly _tag: K }>

type Hint = { readonly status?: number | undefined; readonly retryAfter?: Option.Option<Millis> | undefined }

const known = ({ retryAfter = Option.none(), status }: Hint) => ({ status: Option.fromNullable(status), retryAfter })

/** A connection that was never made. @since 0.1.0 @category constructors */
export const connectFailure = (phase: ConnectFailure["phase"], code: string): ConnectFailure => ({
  _tag: "ConnectFailure",
  phase,
  code
})

/** A connection that broke. @since 0.1.0 @category constructors */
export const connectionLost = (code: string): ConnectionLost => ({ _tag: "ConnectionLost", code })

/** An attempt that took longer than our limit, in ms. @since 0.1.0 @category constructors */
export const attemptTimedOut = (
  limit: Option.Option<Millis> = Option.none(),
  phase: AttemptTimedOut["phase"] = "headers"
): AttemptTimedOut => ({ _tag: "AttemptTimedOut", limit, phase })

/** A peer that asks for fewer requests; the hint in ms. @since 0.1.0 @category constructors */
export const throttled = (hint: Hint = {}): Throttled => ({ _tag: "Throttled", ...known(hint) })

/** A peer that cannot serve now; the hint in ms. @since 0.1.0 @category constructors */
export const unavailable = (hint: Hint = {}): Unavailable => ({ _tag: "Unavailable", ...known(hint) })

/** A peer that failed; the hint in ms. @since 0.1.0 @category constructors */
export const serverFault = (status: number, retryAfter: Option.Option<Millis> = Option.none()): ServerFault => ({
  _tag: "ServerFault",
  status,
  retryAfter
})

/** A healthy peer that says no. @since 0.1.0 @category constructors */
export const refused = (status: number): Refused => ({ _tag: "Refused", status })

/** A peer that could not prove who it is. @since 0.1.0 @category constructors */
export const untrusted = (code: string): Untrusted => ({ _tag: "Untrusted", code })

/** A request or response that is not well formed. @since 0.1.0 @category constructors */
export const malformed = (what: Malformed["what"], code: string): Malformed => ({ _tag: "Malformed", what, code })

/** A gRPC or Connect status; the hint in ms. @since 0.1.0 @category constructors */
export const rpcFailure = (code: string, retryAfter: Option.Option<Millis> = Option.none(), resend?: Resend): RpcFailure => ({
  _tag: "RpcFailure",
  code,
  retryAfter,
  ...(resend === undefined ? {} : { resend })
})

/** A refusal of our own; the hint in ms. @since 0.1.0 @category constructors */
export const rejected = (by: string, retryAfter: Option.Option<Millis> = Option.none()): Rejected => ({
  _tag: "Rejected",
  by,
  retryAfter
})

/** An answer, and what it says about sending again; of what is no answer nothing is said. @since 0.1.0 @category constructors */
export const withPushback = (self: Failure, pushback: Pushback.Pushback): Failure =>
  sent(self) === "yes" && self._tag !== "Malformed" ? { ...self as Answer, pushback } : self

/** A typed error that nobody knows. @since 0.1.0 @category constructors */
export const unknown = (error: unknown): Unknown => ({ _tag: "Unknown", error })

/**
 * How much of the request can have reached the other side.
 *
 * - `never`: provably nothing, so any method may be sent again
 * - `maybe`: it may have been received and acted on
 * - `yes`: the other side answered
 *
 * @since 0.1.0 @category models
 */
export type Sent = "never" | "maybe" | "yes"

/**
 * Whether the same request can succeed later.
 *
 * - `always`: yes
 * - `once`: one more attempt in this call, and no more after a second failure of this kind (425 Too Early, RFC 8470)
 * - `no`: terminal
 *
 * @since 0.1.0 @category models
 */
export type Resend = "always" | "once" | "no"

/**
 * Says how much of the request can have reached the other side.
 *
 * @since 0.1.0
 * @category getters
 */
export const sent = (self: Failure): Sent => {
  switch (self._tag) {
    case "ConnectFailure":
    case "Untrusted":
    case "Rejected":
      return "never"
    case "ConnectionLost":
    case "AttemptTimedOut":
    case "Unknown":
      return "maybe"
    case "Malformed":
      return self.what === "response" ? "yes" : "never"
    default:
      return "yes"
  }
}

/**
 * Says whether the same request can succeed later.
 *
 * **Details**
 *
 * This is the column "default" of the table in the guide, unless the other side said otherwise (`Pushback`). What may be sent again
 * for the sake of the *other side's* state (method, key, body) is another question: see `Idempotency`.
 *
 * @since 0.1.0
 * @category getters
 */
export const resend = (self: Failure): Resend => {
  const again = byKind(self)
  if (isPushedBack(self)) return "no"
  return again === "no" && "pushback" in self && self.pushback === "resend" ? "always" : again
}

/**
 * Tells whether nothing more is sent for the only reason that the other side said so (`Pushback`).
 *
 * @since 0.1.0
 * @category guards
 */
export const isPushedBack = (self: Failure): boolean =>
  "pushback" in self && self.pushback === "stop" && byKind(self) !== "no"

const byKind = (self: Failure): Resend => {
  switch (self._tag) {
    case "ConnectFailure":
    case "ConnectionLost":
    case "AttemptTimedOut":
    case "Throttled":
      return "always"
    case "Unavailable":
      return Option.contains(self.status, 425) ? "once" : "always"
    case "ServerFault":
      return self.status === 500 ? "always" : "no"
    case "RpcFailure":
      return self.resend ?? (RpcStatus.isRetryable(self.code) ? "always" : "no")
    default:
      return "no"
  }
}

/**
 * The time in ms for which the other side (or our own refusal) asked to be left alone.
 *
 * @since 0.1.0
 * @category getters
 */
export const retryAfter = (self: Failure): Option.Option<Millis> => "retryAfter" in self ? self.retryAfter : Option.none()

/**
 * The HTTP status that the failure was read from.
 *
 * @since 0.1.0
 * @category getters
 */
export const status = (self: Failure): Option.Option<number> => {
  if (!("status" in self)) return Option.none()
  return typeof self.status === "number" ? Option.some(self.status) : self.status
}

/**
 * A short, bounded name for logs, spans and labels: the status, the code, or the tag.
 *
 * **Details**
 *
 * It is the value of the OpenTelemetry attribute `error.type`: the status where there is one, else the platform's code,
 * else the tag in snake case.
 *
 * **Example** (What an on-call engineer reads)
 *
 * ```ts
 * import { Failure } from "effect-resilience"
 *
 * Failure.label(Failure.unavailable({ status: 503 })) // => "503"
 * Failure.label(Failure.connectionLost("ECONNRESET")) // => "ECONNRESET"
 * Failure.label(Failure.attemptTimedOut()) // => "timeout"
 * ```
 *
 * @since 0.1.0
 * @category getters
 */
export const label = (self: Failure): string => {
  const code = status(self)
  if (Option.isSome(code)) return String(code.value)
  switch (self._tag) {
    case "ConnectFailure":
    case "ConnectionLost":
    case "Untrusted":
    case "RpcFailure":
      return self.code
    case "AttemptTimedOut":
      return "timeout"
    case "Throttled":
      return "throttled"
    case "Unavailable":
      return "unavailable"
    case "Malformed":
      return "malformed"
    case "Rejected":
      return self.by
    default:
      return "_OTHER"
  }
}

/**
 * The key under which an error carries its own `Failure`.
 *
 * **When to use**
 *
 * Give an error class of your own this property, and every classifier of this library knows what it means without being told.
 *
 * @since 0.1.0
 * @category carrying
 */
export const key: unique symbol = Symbol.for("effect-resilience/Failure")

/**
 * An error that carries its own `Failure`.
 *
 * @since 0.1.0
 * @category carrying
 */
export interface Carrier {
  readonly [key]: Failure
}

/**
 * Tells whether a value carries its own `Failure`. One that says it has none, with `undefined` or `null`, does not.
 *
 * @since 0.1.0
 * @category carrying
 */
export const isCarrier = (u: unknown): u is Carrier =>
  typeof u === "object" && u !== null && key in u && typeof u[key] === "object" && u[key] !== null
