/**
 * Hedging over HTTP: another request is sent while the first is on its way, and the first good response is what the call gives.
 *
 * Only what may be acted on twice is hedged: idempotent by method or key, with a body that can be sent again. The losers are
 * interrupted, which closes their sockets; a response that comes too late is let go.
 *
 * @since 0.1.0
 */
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import * as Classifier from "../core/Classifier.ts"
import * as Contest from "../strategy/Contest.ts"
import * as Hedge from "../strategy/Hedge.ts"
import * as Guard from "./Guard.ts"
import * as CurrentOverrides from "./CurrentOverrides.ts"
import type * as Middleware from "./Middleware.ts"
import * as Work from "./Work.ts"

export { hedge, movingQuantile, type MovingQuantile } from "../strategy/Hedge.ts"

/**
 * How to hedge HTTP calls.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options extends Hedge.Options<HttpClientResponse.HttpClientResponse, unknown>, Work.Gate {
  /** Which requests a `movingQuantile` takes for alike. Default: those of one origin, which a request without a host has none of. */
  readonly key?: ((request: HttpClientRequest.HttpClientRequest) => string) | undefined
}

/** A request that is nobody else's: by it the attempts of one call are told from those of another (`Endpoints`). */
const own = (request: HttpClientRequest.HttpClientRequest): HttpClientRequest.HttpClientRequest =>
  HttpClientRequest.updateUrl(request, identity)

/**
 * Sends a request once more after a delay while the first is on its way, and at once after a failure that can pass.
 *
 * **Details**
 *
 * A request that may not be sent twice is sent once, except after a failure that proves that it was never sent. A server that asks
 * for fewer requests (429, or any `Retry-After`) is sent none on top of those on their way. What is waited for is the headers; put
 * `Buffered` inside to have the body decide.
 *
 * @since 0.1.0
 * @category middleware
 */
export const middleware = (options: Options): Middleware.Middleware => {
  const plan = Hedge.plan<HttpClientResponse.HttpClientResponse, unknown>(Classifier.http, { ...options, name: options.name ?? "http" })
  const repeatable = Work.repeatable("Hedge", options)
  const { key = (request) => Guard.origin(request.url) } = options
  return <E, R>(handler: Middleware.Handler<E, R>): Middleware.Handler<E, R> => {
    const work = Work.of(handler, repeatable)
    return (request) =>
      Effect.withFiberRuntime<HttpClientResponse.HttpClientResponse, E, R>((fiber) => {
        const other = CurrentOverrides.of(fiber, request)
        if (other === undefined) return Contest.run(plan, work, own(request), key(request))
        const call = Effect.suspend(() => Contest.run(other.hedge(plan), other.work("Hedge", work, options), own(request), key(request)))
        return other.bind(call, request)
      })
  }
}
