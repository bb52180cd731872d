/**
 * The onion: a handler takes a request and gives a response; a middleware takes a handler and gives a handler.
 *
 * The platform's own combinators are not an onion: what is mapped outside `retryTransient` runs again with each attempt, and an
 * idempotency key minted there changes with it. Here what stands inside runs once per attempt and what stands outside runs once
 * per call, in the order in which it is written.
 *
 * **Example** (A middleware of your own)
 *
 * ```ts
 * import { HttpClientRequest } from "@effect/platform"
 * import { Middleware } from "effect-resilience"
 * import { HttpScript } from "effect-resilience/testing"
 * import { HttpClient } from "@effect/platform"
 * import { Effect } from "effect"
 *
 * const tagged: Middleware.Middleware = (handler) => (request) =>
 *   handler(HttpClientRequest.setHeader(request, "x-team", "billing"))
 *
 * const program = Effect.gen(function*() {
 *   const client = Middleware.applyTo(yield* HttpClient.HttpClient, tagged)
 *   yield* client.get("http://users.test/1")
 *   return (yield* HttpScript.requests).map((request) => request.headers["x-team"])
 * })
 *
 * await program.pipe(Effect.provide(HttpScript.layer([{ status: 200 }])), Effect.runPromise) // => ["billing"]
 * ```
 *
 * @since 0.1.0
 */
import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import { dual, identity as same } from "effect/Function"
import * as Immediate from "../strategy/Immediate.ts"

/**
 * From a request to its response. Like any function that gives an effect it does nothing by itself: what it does, it does in the
 * effect, each time that is run.
 *
 * @since 0.1.0
 * @category models
 */
export type Handler<E, R> = (
  request: HttpClientRequest.HttpClientRequest
) => Effect.Effect<HttpClientResponse.HttpClientResponse, E, R>

/**
 * From a handler to a handler, adding the errors and requirements of its own.
 *
 * @since 0.1.0
 * @category models
 */
export type Middleware<E2 = never, R2 = never> = <E, R>(handler: Handler<E, R>) => Handler<E | E2, R | R2>

/**
 * The middleware that changes nothing.
 *
 * @since 0.1.0
 * @category constructors
 */
export const identity: Middleware = same

/**
 * Stacks middlewares, the first one nearest to the wire.
 *
 * @since 0.1.0
 * @category combinators
 */
export const stack = <Layers extends ReadonlyArray<Middleware<unknown, unknown>>>(
  ...layers: Layers
): Middleware<ErrorOf<Layers[number]>, RequirementOf<Layers[number]>> =>
// Each layer adds its own E and R to what it is given: together they add the union, which the fold cannot express.
  ((handler: Handler<unknown, unknown>) => layers.reduce((inner, layer) => layer(inner), handler)) as Middleware<
    ErrorOf<Layers[number]>,
    RequirementOf<Layers[number]>
  >

/**
 * The errors that a middleware adds.
 *
 * @since 0.1.0
 * @category models
 */
export type ErrorOf<M> = M extends Middleware<infer E, infer _R> ? E : never

/**
 * The requirements that a middleware adds.
 *
 * @since 0.1.0
 * @category models
 */
export type RequirementOf<M> = M extends Middleware<infer _E, infer R> ? R : never

/**
 * Puts a middleware round a client.
 *
 * **Details**
 *
 * The one lift of this library. Request mappings of the client given are inside, and run once per attempt; those added to the
 * client that comes out are outside, and run once per call.
 *
 * @since 0.1.0
 * @category combinators
 */
export const applyTo: {
  /** Puts a middleware round a client. */
  <E2, R2>(
    middleware: Middleware<E2, R2>
  ): <E, R>(client: HttpClient.HttpClient.With<E, R>) => HttpClient.HttpClient.With<E | E2, R | R2>
  /** Puts a middleware round a client. */
  <E, R, E2, R2>(
    client: HttpClient.HttpClient.With<E, R>,
    middleware: Middleware<E2, R2>
  ): HttpClient.HttpClient.With<E | E2, R | R2>
} = dual(
  2,
  <E, R, E2, R2>(
    client: HttpClient.HttpClient.With<E, R>,
    middleware: Middleware<E2, R2>
  ): HttpClient.HttpClient.With<E | E2, R | R2> => {
    const handler = middleware(client.execute)
    return HttpClient.makeWith<never, never, E | E2, R | R2>(
      // Where nothing maps the request outside, it is there already.
      (request) => Immediate.flatMap(request, handler),
      Effect.succeed
    )
  }
)
