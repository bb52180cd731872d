/**
 * From the exit of an attempt to its meaning.
 *
 * A classifier is a named, partial function: it says what an exit means, or that it has no opinion. Yours goes in front of the
 * default one (`override`) or behind it (`orElse`); it never silently replaces it. What no classifier knows is a success where
 * there is a value, and the terminal `Unknown` where there is a typed error.
 *
 * **Example** (A conflict that this peer wants repeated)
 *
 * ```ts
 * import { Classifier, Failure, Outcome } from "effect-resilience"
 * import { Exit, Option } from "effect"
 *
 * const lockTimeout = Classifier.onStatus("lock timeout", [409], (response) =>
 *   Outcome.failed(Failure.unavailable({ status: response.status })))
 *
 * const classifier = Classifier.http.pipe(Classifier.override(lockTimeout), Classifier.named("billing"))
 * const conflict = Exit.succeed({ status: 409, headers: {} })
 *
 * Classifier.run(Classifier.http, conflict, 0) // => Outcome.failed(Failure.refused(409))
 * Classifier.run(classifier, conflict, 0) // => Outcome.failed(Failure.unavailable({ status: 409 }))
 * ```
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"
import { dual } from "effect/Function"
import * as Option from "effect/Option"
import { type Pipeable, pipeArguments } from "effect/Pipeable"
import { nonEmpty } from "./InvalidOption.ts"
import type { Millis } from "./Millis.ts"
import * as ErrorCode from "./ErrorCode.ts"
import * as Failure from "./Failure.ts"
import * as Outcome from "./Outcome.ts"
import * as RetryAfter from "./RetryAfter.ts"

/**
 * A named, partial function from the exit of an attempt to its meaning.
 *
 * @since 0.1.0
 * @category models
 */
export interface Classifier<in A = unknown, in E = unknown> extends Pipeable {
  readonly name: string
  /** `None` is "no opinion". `now` is the wall clock in ms since the epoch, for hints that are dates. */
  readonly classify: (exit: Exit.Exit<A, E>, now: Millis) => Option.Option<Outcome.Outcome>
}

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

const noOpinion: Option.Option<Outcome.Outcome> = Option.none()
const someSuccess = Option.some(Outcome.success)
const someIgnored = Option.some(Outcome.ignored)

/**
 * Makes a classifier from a function over the whole exit. One that always has an opinion silences whatever stands behind it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = <A = unknown, E = unknown>(
  name: string,
  classify: (exit: Exit.Exit<A, E>, now: Millis) => Option.Option<Outcome.Outcome>
): Classifier<A, E> => ({
  name,
  classify,
  pipe() {
    return pipeArguments(this, arguments)
  }
})

/**
 * Makes a classifier that has an opinion on responses with one of the given statuses.
 *
 * @since 0.1.0
 * @category constructors
 */
export const onStatus = (
  name: string,
  statuses: ReadonlyArray<number>,
  toOutcome: (response: ResponseLike, retryAfter: Option.Option<Millis>) => Outcome.Outcome
): Classifier<ResponseLike, unknown> => {
  nonEmpty("Classifier.onStatus", "statuses", statuses)
  return make(name, (exit, now) => {
    const response = Exit.isSuccess(exit) ? Option.some(exit.value) : responseInError(exit.cause)
    return Option.isSome(response) && statuses.includes(response.value.status)
      ? Option.some(Outcome.pushedBack(toOutcome(response.value, hint(response.value, now)), response.value.headers))
      : noOpinion
  })
}

/**
 * Makes a classifier that has an opinion on typed errors: `toOutcome` answers `None` for the ones it does not know.
 *
 * **Example** (Any error whose tag says so)
 *
 * ```ts
 * import { Classifier, Failure, Outcome } from "effect-resilience"
 * import { Exit, Option } from "effect"
 *
 * const busy = Classifier.onError("busy", (error: { readonly _tag: string }) =>
 *   error._tag === "Busy" ? Option.some(Outcome.failed(Failure.unavailable())) : Option.none())
 *
 * Classifier.run(busy, Exit.fail({ _tag: "Busy" }), 0) // => Outcome.failed(Failure.unavailable())
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const onError = <E>(
  name: string,
  toOutcome: (error: E, now: Millis) => Option.Option<Outcome.Outcome>
): Classifier<unknown, E> =>
  make(name, (exit, now) => {
    if (Exit.isSuccess(exit)) return noOpinion
    for (const error of Cause.failures(exit.cause)) {
      const outcome = toOutcome(error, now)
      if (Option.isSome(outcome)) return outcome
    }
    return noOpinion
  })

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

const hint = (self: ResponseLike, now: Millis): Option.Option<Millis> =>
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

const responseInError = (cause: Cause.Cause<unknown>): Option.Option<ResponseLike> =>
  Option.flatMap(Cause.failureOption(cause), statusErrorResponse)

const ofLink = (error: unknown, now: Millis): Option.Option<Outcome.Outcome> => {
  if (Failure.isCarrier(error)) return Option.some(Outcome.failed(error[Failure.key]))
  const refusal = statusErrorResponse(error)
  if (Option.isSome(refusal)) return Option.some(response(refusal.value, now))
  if (tagOf(error) === "TimeoutException") return Option.some(Outcome.failed(Failure.attemptTimedOut()))
  return Option.map(ErrorCode.toFailure(error), Outcome.failed)
}

/** What a platform error means when nothing in its chain of causes has a known code. */
const ofShape = (error: unknown): Option.Option<Outcome.Outcome> => {
  const tag = tagOf(error)
  const reason = reasonOf(error)
  if (tag === "RequestError") {
    if (reason === "InvalidUrl") return Option.some(Outcome.failed(Failure.malformed("url", "InvalidUrl")))
    if (reason === "Encode") return Option.some(Outcome.failed(Failure.malformed("request", "Encode")))
    if (reason === "Transport") return Option.some(Outcome.failed(Failure.connectionLost("unknown")))
  }
  if (tag === "ResponseError" && typeof reason === "string") {
    return Option.some(Outcome.failed(Failure.malformed("response", reason)))
  }
  return noOpinion
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
    const seen = new Set<unknown>()
    let level: ReadonlyArray<unknown> = [self]
    for (let depth = 0; depth < maxDepth && level.length > 0; depth++) {
      const next: Array<unknown> = []
      let outcome = noOpinion
      for (const link of level) {
        if (link === null || typeof link !== "object" || seen.has(link) || seen.size >= maxErrors) continue
        seen.add(link)
        outcome = cautious(outcome, ofLink(link, now))
        if (Option.isSome(outcome)) continue
        if ("cause" in link) next.push(link.cause)
        if ("errors" in link && Array.isArray(link.errors)) next.push(...link.errors.slice(0, maxErrors))
      }
      if (Option.isSome(outcome)) return outcome
      level = next
    }
    return ofShape(self)
  } catch {
    return noOpinion
  }
}

/**
 * A failed exit: typed errors (most often one, and nothing else; node:http raises two in parallel), unless there is a defect.
 * node:http throws for a bad scheme or header: such a defect is `Malformed`. Any other says nothing about the peer.
 */
const ofCause = (cause: Cause.Cause<unknown>, now: Millis): Option.Option<Outcome.Outcome> => {
  if (cause._tag === "Fail") return error(cause.error, now)
  for (const defect of Cause.defects(cause)) {
    const failure = ErrorCode.toFailure(defect)
    return Option.some(
      Option.isSome(failure) && failure.value._tag === "Malformed" ? Outcome.failed(failure.value) : Outcome.ignored
    )
  }
  let outcome = noOpinion
  let interrupted = true
  for (const failure of Cause.failures(cause)) {
    interrupted = false
    outcome = cautious(outcome, error(failure, now))
  }
  return interrupted ? someIgnored : outcome
}

/**
 * The default for HTTP: responses by status, errors by what caused them, defects and interruption ignored.
 *
 * @since 0.1.0
 * @category classifiers
 */
export const http: Classifier<ResponseLike, unknown> = make(
  "http",
  (exit, now) =>
    Exit.isSuccess(exit)
      ? exit.value.status < 400 ? someSuccess : Option.some(response(exit.value, now))
      : ofCause(exit.cause, now)
)

/**
 * The default for any other Effect: a value is a success, an error is what caused it.
 *
 * **Gotchas**
 *
 * An error of your own domain is `Unknown`, hence terminal, unless it carries a `Failure` (`Failure.key`), wraps an error that
 * is known, or a classifier of yours (`onError`) goes in front.
 *
 * @since 0.1.0
 * @category classifiers
 */
export const errors: Classifier<unknown, unknown> = make(
  "errors",
  (exit, now) => Exit.isSuccess(exit) ? someSuccess : ofCause(exit.cause, now)
)

/**
 * A classifier to which every typed error is `Unavailable`: for an Effect that is known to fail only in ways that pass.
 *
 * @since 0.1.0
 * @category classifiers
 */
export const anyError: Classifier<unknown, unknown> = make("any error", (exit, now) => {
  const outcome = errors.classify(exit, now)
  const terminal = Option.isNone(outcome) ||
    Outcome.isFailed(outcome.value) && Failure.resend(outcome.value.failure) === "no" && !Failure.isPushedBack(outcome.value.failure)
  return terminal && Exit.isFailure(exit) && Option.isSome(Cause.failureOption(exit.cause))
    ? Option.some(Outcome.failed(Failure.unavailable()))
    : outcome
})

/**
 * Asks `that` where `self` has no opinion.
 *
 * @since 0.1.0
 * @category combinators
 */
export const orElse: {
  /** Asks `that` where `self` has no opinion. */
  <A2, E2>(that: Classifier<A2, E2>): <A, E>(self: Classifier<A, E>) => Classifier<A & A2, E & E2>
  /** Asks `that` where `self` has no opinion. */
  <A, E, A2, E2>(self: Classifier<A, E>, that: Classifier<A2, E2>): Classifier<A & A2, E & E2>
} = dual(
  2,
  <A, E, A2, E2>(self: Classifier<A, E>, that: Classifier<A2, E2>): Classifier<A & A2, E & E2> =>
    make(`${self.name} or else ${that.name}`, (exit, now) => {
      const outcome = self.classify(exit, now)
      return Option.isSome(outcome) ? outcome : that.classify(exit, now)
    })
)

/**
 * Asks `that` first, and `self` where it has no opinion.
 *
 * @since 0.1.0
 * @category combinators
 */
export const override: {
  /** Asks `that` first, and `self` where it has no opinion. */
  <A2, E2>(that: Classifier<A2, E2>): <A, E>(self: Classifier<A, E>) => Classifier<A & A2, E & E2>
  /** Asks `that` first, and `self` where it has no opinion. */
  <A, E, A2, E2>(self: Classifier<A, E>, that: Classifier<A2, E2>): Classifier<A & A2, E & E2>
} = dual(2, <A, E, A2, E2>(self: Classifier<A, E>, that: Classifier<A2, E2>) => orElse(that, self))

/**
 * Gives a classifier another name, which is what telemetry and explanations print.
 *
 * @since 0.1.0
 * @category combinators
 */
export const named: {
  /** Gives a classifier another name. */
  (name: string): <A, E>(self: Classifier<A, E>) => Classifier<A, E>
  /** Gives a classifier another name. */
  <A, E>(self: Classifier<A, E>, name: string): Classifier<A, E>
} = dual(2, <A, E>(self: Classifier<A, E>, name: string): Classifier<A, E> => make(name, self.classify))

/**
 * Classifies an exit, and never has no opinion: an unknown value is a success, an unknown error is `Unknown`.
 *
 * @since 0.1.0
 * @category classifying
 */
export const run = <A, E>(self: Classifier<A, E>, exit: Exit.Exit<A, E>, now: Millis): Outcome.Outcome => {
  const outcome = self.classify(exit, now)
  if (Option.isSome(outcome)) return outcome.value
  if (Exit.isSuccess(exit)) return Outcome.success
  const error = Cause.failureOption(exit.cause)
  return Option.isSome(error) ? Outcome.failed(Failure.unknown(error.value)) : Outcome.ignored
}
