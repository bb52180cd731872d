/**
 * What arrives with a request goes on with the calls that its handler makes: `tracestate` and `baggage`.
 *
 * @since 0.1.0
 */
import type * as HttpApp from "@effect/platform/HttpApp"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as Effect from "effect/Effect"
import * as Propagation from "../telemetry/Propagation.ts"

/**
 * Lets every attempt that a handler makes carry the `tracestate` and the `baggage` of its request.
 *
 * **Details**
 *
 * The platform reads `traceparent` by itself. See `Propagation.carry` for what is kept.
 *
 * **Gotchas**
 *
 * Baggage goes to everybody whom the handler calls. Name the keys that may.
 *
 * @since 0.1.0
 * @category middleware
 */
export const middleware = (options?: Propagation.Options) => <E, R>(self: HttpApp.Default<E, R>): HttpApp.Default<E, R> =>
  Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ headers }) => Propagation.carry(self, headers, options))
