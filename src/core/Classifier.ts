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
import * as Failure from "./Failure.ts"
import type { ResponseLike } from "./Meaning.ts"
import * as Meaning from "./Meaning.ts"
import * as Outcome from "./Outcome.ts"

export { error, response, type ResponseLike } from "./Meaning.ts"

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

const noOpinion: Option.Option<Outcome.Outcome> = Option.none()
const someSuccess = Option.some(Outcome.success)

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
    const response = Exit.isSuccess(exit) ? Option.some(exit.value) : Meaning.responseIn(exit.cause)
    return Option.isSome(response) && statuses.includes(response.value.status)
      ? Option.some(Outcome.pushedBack(toOutcome(response.value, Meaning.hint(response.value, now)), response.value.headers))
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
 * The default for HTTP: responses by status, errors by what caused them, defects and interruption ignored.
 *
 * @since 0.1.0
 * @category classifiers
 */
export const http: Classifier<ResponseLike, unknown> = make(
  "http",
  (exit, now) =>
    Exit.isSuccess(exit)
      ? exit.value.status < 400 ? someSuccess : Option.some(Meaning.response(exit.value, now))
      : Meaning.cause(exit.cause, now)
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
  (exit, now) => Exit.isSuccess(exit) ? someSuccess : Meaning.cause(exit.cause, now)
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
