/**
 * Whether a request may be sent again for the sake of what the other side may already have done with it.
 *
 * RFC 9110 section 9.2.2: a client should not repeat a request automatically unless its method is idempotent, it knows that the
 * request is, or it can tell that the first one was never applied. The gate is exactly that, and a body that can be sent again.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import * as Failure from "./Failure.ts"

/**
 * The methods that RFC 9110 (and the QUERY draft) define as idempotent.
 *
 * @since 0.1.0
 * @category constants
 */
export const idempotentMethods: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "QUERY"])

/**
 * The headers that mark a request as keyed, in lower case.
 *
 * @since 0.1.0
 * @category constants
 */
export const keyHeaders: ReadonlyArray<string> = ["idempotency-key", "x-idempotency-key"]

/**
 * What the gate has to know of a request.
 *
 * @since 0.1.0
 * @category models
 */
export interface Repeatable {
  /** The method is idempotent, or the request carries a key that makes it so. */
  readonly idempotent: boolean
  /** The body can be sent again, byte for byte. */
  readonly replayable: boolean
  /** What the other side does with such a request where it throttles it, if that is known. "unapplied": nothing. */
  readonly throttled?: "unapplied" | undefined
}

/**
 * Which requests may be sent again, whose body can be.
 *
 * - "idempotent": by method, by key, or never sent.
 * - "throttled": also any that was throttled (429, or what a classifier calls so). For a server that says it does nothing with such a
 *   request. A 503 with a `Retry-After` is not enough: what answers may be a proxy that had passed the request on.
 * - "recklessly": any, though the other side may then act on it twice.
 *
 * @since 0.1.0
 * @category models
 */
export type Gate = "idempotent" | "throttled" | "recklessly"

/**
 * Every gate, the strictest first.
 *
 * @since 0.1.0
 * @category constants
 */
export const gates = ["idempotent", "throttled", "recklessly"] as const satisfies ReadonlyArray<Gate>

/**
 * What a request is to one gate.
 *
 * @since 0.1.0
 * @category combinators
 */
export const under = (self: Repeatable, gate: Gate): Repeatable => {
  switch (gate) {
    case "idempotent":
      return self
    case "throttled":
      return { ...self, throttled: "unapplied" }
    case "recklessly":
      return { ...self, idempotent: true }
  }
}

/**
 * Why a request may not be sent again.
 *
 * @since 0.1.0
 * @category models
 */
export type Objection = "NotIdempotent" | "NotReplayable"

/**
 * A request that may always be sent again.
 *
 * @since 0.1.0
 * @category constants
 */
export const always: Repeatable = { idempotent: true, replayable: true }

/**
 * Tells whether a request of this method (in upper case), with these headers (names in lower case), is idempotent. An empty key is none.
 *
 * @since 0.1.0
 * @category guards
 */
export const isIdempotent = (
  method: string,
  headers: Readonly<Record<string, string | undefined>>,
  keys: ReadonlyArray<string> = keyHeaders
): boolean =>
  // A header is what the request itself holds, never a property of a prototype.
  idempotentMethods.has(method) || keys.some((name) => Object.hasOwn(headers, name) && headers[name]?.trim())

/**
 * The objection to sending a request again after a failure, if there is one.
 *
 * **Example** (A POST)
 *
 * ```ts
 * import { Failure, Idempotency } from "effect-resilience"
 * import { Option } from "effect"
 *
 * const post = { idempotent: false, replayable: true }
 *
 * Idempotency.objection(post, Failure.unavailable({ status: 503 })) // => Option.some("NotIdempotent")
 * Idempotency.objection(post, Failure.connectFailure("tcp", "ECONNREFUSED")) // => Option.none()
 * Idempotency.objection(post, Failure.throttled({ status: 429 })) // => Option.some("NotIdempotent")
 * Idempotency.objection(Idempotency.under(post, "throttled"), Failure.throttled({ status: 429 })) // => Option.none()
 * ```
 *
 * @since 0.1.0
 * @category deciding
 */
export const objection = (self: Repeatable, failure: Failure.Failure): Option.Option<Objection> => {
  if (!self.replayable) return Option.some("NotReplayable")
  const isUnapplied = Failure.sent(failure) === "never" ||
    self.throttled === "unapplied" && failure._tag === "Throttled" && !Option.contains(failure.status, 503)
  return self.idempotent || isUnapplied ? Option.none() : Option.some("NotIdempotent")
}
