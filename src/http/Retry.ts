/**
 * Retry over HTTP: the one loop of `strategy/Retry`, with the gates and the housekeeping that HTTP needs.
 *
 * What is sent again must be idempotent by method or key, or provably never have been sent, and its body must be one that can be
 * sent again. A response that is given up for another attempt is released while that one is waited for.
 *
 * @since 0.1.0
 */
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Classifier from "../core/Classifier.ts"
import * as Loop from "../strategy/Loop.ts"
import * as Retry from "../strategy/Retry.ts"
import * as CurrentOverrides from "./CurrentOverrides.ts"
import type * as Middleware from "./Middleware.ts"
import * as Release from "./Release.ts"
import * as Work from "./Work.ts"

export { CurrentAttempt, RetriesExhausted, retry, retryOrFail } from "../strategy/Retry.ts"

/**
 * How to retry HTTP calls.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options<out R = never>
  extends Retry.Options<HttpClientResponse.HttpClientResponse, unknown, R>, Work.Gate
{}

type Response = HttpClientResponse.HttpClientResponse

const make = <R2, E2>(
  options: Options<R2>,
  ending: <E>(...args: Parameters<Loop.Ending<Response, E, E2>>) => Effect.Effect<Response, E | E2>
): Middleware.Middleware<E2, R2> => {
  const plan = Retry.plan<Response, unknown, R2>(Classifier.http, { ...options, name: options.name ?? "http" })
  const repeatable = Work.repeatable("Retry", options)
  return <E, R>(handler: Middleware.Handler<E, R>): Middleware.Handler<E | E2, R | R2> => {
    const work = Work.of(handler, repeatable)
    const instead: Loop.Instead<HttpClientRequest.HttpClientRequest, Response, E | E2, R | R2> = (fiber, request) => {
      const other = CurrentOverrides.of(fiber, request)
      return other?.bind(Loop.run(other.retry(plan), other.work("Retry", work, options), request, ending), request)
    }
    return (request) => Loop.run(plan, work, request, ending, instead)
  }
}

/**
 * Sends a request again while it fails in a way that can pass; at the end returns what the last attempt gave.
 *
 * @since 0.1.0
 * @category middleware
 */
export const middleware = <R = never>(options: Options<R> = {}): Middleware.Middleware<never, R> =>
  make<R, never>(options, Loop.returnLast)

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
    const response = because === "Terminal" ? Option.none() : Work.responseOf(last)
    const failed = Loop.failExhausted(last, because, attempts)
    return Option.isSome(response) ? Effect.zipRight(Release.now(response.value), failed) : failed
  })
