/**
 * Retry over HTTP: the one loop of `strategy/Retry`, with the gates and the housekeeping that HTTP needs.
 *
 * What is sent again must be idempotent by method or key, or provably never have been sent, and its body must be one that can be
 * sent again. A response that is given up for another attempt is released while that one is waited for.
 *
 * @since 0.1.0
 */
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type { Millis } from "../core/Millis.ts"
import * as Classifier from "../core/Classifier.ts"
import * as Idempotency from "../core/Idempotency.ts"
import { nonEmpty } from "../core/InvalidOption.ts"
import * as Replay from "../core/Replay.ts"
import * as Retry from "../strategy/Retry.ts"
import type * as Middleware from "./Middleware.ts"
import * as Release from "./Release.ts"

export { CurrentAttempt, RetriesExhausted, retry, retryOrFail } from "../strategy/Retry.ts"

/**
 * How to retry HTTP calls.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options<out R = never> extends Retry.Options<HttpClientResponse.HttpClientResponse, unknown, R> {
  /** The headers that make a request idempotent, whatever its method. Default: `Idempotency-Key`, `X-Idempotency-Key`. */
  readonly keyHeaders?: ReadonlyArray<string> | undefined
  /**
   * Which requests may be sent again. "idempotent": by method, by key, or never sent. "recklessly": any whose body can be sent
   * again, though the other side may then act on it twice. Default: "idempotent".
   */
  readonly resend?: "idempotent" | "recklessly" | undefined
}

type Request = HttpClientRequest.HttpClientRequest
type Response = HttpClientResponse.HttpClientResponse

/** The response that an exit holds: as its value, or inside the error that `filterStatus` made of it. */
const responseOf = (exit: Exit.Exit<Response, unknown>): Option.Option<Response> =>
  Exit.isSuccess(exit)
    ? Option.some(exit.value)
    : Option.flatMap(Cause.failureOption(exit.cause), (error) =>
      HttpClientError.isHttpClientError(error) && error._tag === "ResponseError"
        ? Option.some(error.response)
        : Option.none())

const spend = (lost: Exit.Exit<Response, unknown>, delay: Millis): Effect.Effect<void> => {
  const response = responseOf(lost)
  return Option.isSome(response) ? Release.during(response.value, delay) : Retry.wait(delay)
}

const drop = (lost: Exit.Exit<Response, unknown>): Effect.Effect<void> => {
  const response = responseOf(lost)
  return Option.isSome(response) ? Release.abort(response.value) : Effect.void
}

/** A classifier that dies takes its call with it, and then nobody will have the response. */
const lettingGo = <A extends Response, E>(classifier: Classifier.Classifier<A, E>): Classifier.Classifier<A, E> =>
  Classifier.make(classifier.name, (exit, now) => {
    try {
      return classifier.classify(exit, now)
    } catch (defect) {
      Option.map(responseOf(exit), Release.unsafeAbort)
      throw defect
    }
  })

const make = <R2, E2>(
  options: Options<R2>,
  ending: <E>(...args: Parameters<Retry.Ending<Response, E, E2>>) => Effect.Effect<Response, E | E2>
): Middleware.Middleware<E2, R2> => {
  const classifier = options.classifier === undefined ? Classifier.http : lettingGo(options.classifier)
  const plan = Retry.plan<Response, unknown, R2>(Classifier.http, { ...options, classifier, name: options.name ?? "http" })
  const keys = nonEmpty("Retry", "keyHeaders", options.keyHeaders ?? Idempotency.keyHeaders).map((name) => name.toLowerCase())
  const recklessly = options.resend === "recklessly"
  const repeatable = (request: Request): Idempotency.Repeatable => ({
    idempotent: recklessly || Idempotency.isIdempotent(request.method, request.headers, keys),
    replayable: Replay.isReplayable(request.body)
  })
  const workOf = <E, R>(handler: Middleware.Handler<E, R>): Retry.Work<Request, Response, E, R> => ({
    attempt: handler,
    repeatable,
    spend,
    drop
  })
  return (handler) => {
    const work = workOf(handler)
    return (request) => Retry.run(plan, work, request, ending)
  }
}

/**
 * Sends a request again while it fails in a way that can pass; at the end returns what the last attempt gave.
 *
 * @since 0.1.0
 * @category middleware
 */
export const middleware = <R = never>(options: Options<R> = {}): Middleware.Middleware<never, R> =>
  make<R, never>(options, Retry.returnLast)

/**
 * Like `middleware`, but fails with `RetriesExhausted` and the record of every attempt where it gives up on a failure that could
 * have passed.
 *
 * **Details**
 *
 * A failure that nothing could have helped (a 404, say) comes back as it came. The response of the last attempt is released: its
 * status stands in the record, its body is not to be had.
 *
 * @since 0.1.0
 * @category middleware
 */
export const orFail = <R = never>(options: Options<R> = {}): Middleware.Middleware<Retry.RetriesExhausted, R> =>
  make<R, Retry.RetriesExhausted>(options, (last, because, attempts) => {
    const response = because === "Terminal" ? Option.none() : responseOf(last)
    const failed = Retry.failExhausted(last, because, attempts)
    return Option.isSome(response) ? Effect.zipRight(Release.now(response.value), failed) : failed
  })
