/**
 * What responses and errors mean where nobody says otherwise: what the default classifiers know.
 *
 * A response means what its status and headers say; an error what the first of its causes says that is known. Nothing is guessed.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Option from "effect/Option"
import type { Millis } from "./Millis.ts"
import * as ErrorCode from "./ErrorCode.ts"
import * as Failure from "./Failure.ts"
import * as Outcome from "./Outcome.ts"
import * as RetryAfter from "./RetryAfter.ts"

/**
 * What a classifier needs to see of a response. Header names are in lower case.
 *
 * @since 0.1.0
 * @category models
 */
export interface ResponseLike {
  readonly status: number
  readonly headers: Readonly<Record<string, string | undefined>>
}

const unknown: Option.Option<Outcome.Outcome> = Option.none()
const ignored = Option.some(Outcome.ignored)
const failed = (failure: Failure.Failure): Option.Option<Outcome.Outcome> => Option.some(Outcome.failed(failure))

/**
 * The meaning of a response by its status and headers: the table of the guide.
 *
 * **Details**
 *
 * Below 400 is a success. 429, and 503 with a hint, are `Throttled`; 408, 425, 502, 503 and 504 are `Unavailable`; the other
 * 4xx are `Refused`; everything else, invented statuses such as 999 included, is `ServerFault`, of which only 500 is resent.
 *
 * @since 0.1.0
 * @category classifying
 */
export const response = (self: ResponseLike, now: Millis): Outcome.Outcome =>
  self.status < 400 ? Outcome.success : Outcome.pushedBack(byStatus(self, now), self.headers)

const byStatus = (self: ResponseLike, now: Millis): Outcome.Outcome => {
  const { status } = self
  switch (status) {
    case 429:
      return Outcome.failed(Failure.throttled({ status, retryAfter: hint(self, now) }))
    case 503: {
      const retryAfter = hint(self, now)
      return Outcome.failed(
        Option.isSome(retryAfter) ? Failure.throttled({ status, retryAfter }) : Failure.unavailable({ status })
      )
    }
    case 408:
    case 425:
    case 502:
    case 504:
      return Outcome.failed(Failure.unavailable({ status, retryAfter: hint(self, now) }))
    default:
      return Outcome.failed(status < 500 ? Failure.refused(status) : Failure.serverFault(status, hint(self, now)))
  }
}

/**
 * How long a response asks to be left alone, in ms.
 *
 * @since 0.1.0
 * @category getters
 */
export const hint = (self: ResponseLike, now: Millis): Option.Option<Millis> =>
  RetryAfter.fromHeaders(self.headers, { now, status: self.status })

/** How deep a `cause` chain is followed, and how many errors are looked at: a cycle or a forest must not hold a call up. */
const maxDepth = 10
const maxErrors = 64

/** How much speaks against sending again: most of all that it cannot help, then what can have reached the other side. */
const caution = (self: Option.Option<Outcome.Outcome>): number => {
  if (Option.isNone(self)) return -1
  if (!Outcome.isFailed(self.value)) return 0
  const { failure } = self.value
  return Failure.resend(failure) === "no" ? 4 : { never: 1, maybe: 2, yes: 3 }[Failure.sent(failure)]
}

/**
 * Of two opinions of equal right, the more cautious one, and the first of equals: what may have been sent must not pass for what
 * never was.
 */
const cautious = (
  one: Option.Option<Outcome.Outcome>,
  other: Option.Option<Outcome.Outcome>
): Option.Option<Outcome.Outcome> => caution(other) > caution(one) ? other : one

const tagOf = (u: unknown): unknown => typeof u === "object" && u !== null && "_tag" in u ? u._tag : undefined

const reasonOf = (u: unknown): unknown => typeof u === "object" && u !== null && "reason" in u ? u.reason : undefined

const isResponseLike = (u: unknown): u is ResponseLike =>
  typeof u === "object" && u !== null && "status" in u && typeof u.status === "number" &&
  "headers" in u && typeof u.headers === "object" && u.headers !== null

/** The response inside the platform's `ResponseError` of reason `StatusCode`, as `filterStatusOk` raises it. */
const statusErrorResponse = (error: unknown): Option.Option<ResponseLike> =>
  typeof error === "object" && error !== null && tagOf(error) === "ResponseError" && reasonOf(error) === "StatusCode" &&
    "response" in error && isResponseLike(error.response)
    ? Option.some(error.response)
    : Option.none()

/**
 * The response inside a cause that is such an error.
 *
 * @since 0.1.0
 * @category getters
 */
export const responseIn = (cause: Cause.Cause<unknown>): Option.Option<ResponseLike> =>
  cause._tag === "Fail"
    ? statusErrorResponse(cause.error)
    : Option.flatMap(Cause.failureOption(cause), statusErrorResponse)

const ofLink = (error: unknown, now: Millis): Option.Option<Outcome.Outcome> => {
  if (Failure.isCarrier(error)) return failed(error[Failure.key])
  const refusal = statusErrorResponse(error)
  if (Option.isSome(refusal)) return Option.some(response(refusal.value, now))
  if (tagOf(error) === "TimeoutException") return failed(Failure.attemptTimedOut())
  return Option.map(ErrorCode.toFailure(error), Outcome.failed)
}

/** What a platform error means when nothing in its chain of causes has a known code. */
const ofShape = (error: unknown): Option.Option<Outcome.Outcome> => {
  const tag = tagOf(error)
  const reason = reasonOf(error)
  if (tag === "RequestError") {
    if (reason === "InvalidUrl") return failed(Failure.malformed("url", "InvalidUrl"))
    if (reason === "Encode") return failed(Failure.malformed("request", "Encode"))
    if (reason === "Transport") return failed(Failure.connectionLost("unknown"))
  }
  if (tag === "ResponseError" && typeof reason === "string") {
    return failed(Failure.malformed("response", reason))
  }
  return unknown
}

/**
 * The meaning of a typed error: follows its causes, from the outside in, to the first that says what happened.
 *
 * **Details**
 *
 * Through `cause`, and through the `errors` of an `AggregateError` (which is what Node raises when all addresses of a host refuse).
 * In this order at each link: a `Failure` that the error carries itself, a response with a status, a timeout, a code of Node,
 * undici, OpenSSL or the HTTP parser. So a truncated body (`ECONNRESET` below a `Decode` error) is `ConnectionLost`, and JSON
 * that is not JSON (`SyntaxError` below the same `Decode` error) is `Malformed`.
 *
 * Total: an error that cannot be read (a getter that throws, a revoked proxy) is one that nobody knows.
 *
 * @since 0.1.0
 * @category classifying
 */
export const error = (self: unknown, now: Millis): Option.Option<Outcome.Outcome> => {
  try {
    let link = self
    // A ring of causes ends with the depth: nothing need be remembered of a chain.
    for (let depth = 0; depth < maxDepth && typeof link === "object" && link !== null; depth++) {
      const outcome = ofLink(link, now)
      if (Option.isSome(outcome)) return outcome
      if ("errors" in link && Array.isArray(link.errors)) return Option.orElse(ofTree(link, depth, now), () => ofShape(self))
      link = "cause" in link ? link.cause : undefined
    }
    return ofShape(self)
  } catch {
    return unknown
  }
}

/** What stands below an error that has several: level by level, and of each level the most cautious. */
const ofTree = (root: object, rootDepth: number, now: Millis): Option.Option<Outcome.Outcome> => {
  const seen = new Set<unknown>([root])
  let level = below(root)
  for (let depth = rootDepth + 1; depth < maxDepth && level.length > 0; depth++) {
    const next: Array<unknown> = []
    let outcome = unknown
    for (const link of level) {
      if (link === null || typeof link !== "object" || seen.has(link) || seen.size >= maxErrors) continue
      seen.add(link)
      outcome = cautious(outcome, ofLink(link, now))
      if (Option.isNone(outcome)) next.push(...below(link))
    }
    if (Option.isSome(outcome)) return outcome
    level = next
  }
  return unknown
}

const below = (link: object): ReadonlyArray<unknown> => [
  ...("cause" in link ? [link.cause] : []),
  ...("errors" in link && Array.isArray(link.errors) ? link.errors.slice(0, maxErrors) : [])
]

/**
 * The meaning of a failed exit: that of its typed errors, unless there is a defect.
 *
 * **Details**
 *
 * Most often there is one error, and nothing else; node:http raises two in parallel, of which the more cautious opinion counts.
 * It throws for a bad scheme or header: such a defect is `Malformed`. Any other, and interruption, says nothing about the peer.
 *
 * @since 0.1.0
 * @category classifying
 */
export const cause = (self: Cause.Cause<unknown>, now: Millis): Option.Option<Outcome.Outcome> => {
  if (self._tag === "Fail") return error(self.error, now)
  for (const defect of Cause.defects(self)) {
    const failure = ErrorCode.toFailure(defect)
    return Option.isSome(failure) && failure.value._tag === "Malformed" ? failed(failure.value) : ignored
  }
  let outcome = unknown
  let interrupted = true
  for (const failure of Cause.failures(self)) {
    interrupted = false
    outcome = cautious(outcome, error(failure, now))
  }
  return interrupted ? ignored : outcome
}
