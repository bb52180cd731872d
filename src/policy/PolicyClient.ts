/**
 * Clients of policies: what `ResilientClient` does with options, with data.
 *
 * **Example** (A layer from a file's text)
 *
 * ```ts
 * import { HttpClient } from "@effect/platform"
 * import { PolicyClient, PolicySource } from "effect-resilience"
 * import { HttpScript } from "effect-resilience/testing"
 * import { Effect, Layer } from "effect"
 *
 * const text = `{ "name": "users", "retry": { "maxAttempts": 2, "backoff": { "kind": "constant", "delay": "1 milli" } } }`
 *
 * const HttpLive = Layer.unwrapEffect(Effect.map(PolicySource.fromJson(text), PolicyClient.layer))
 *
 * const status = Effect.map(HttpClient.get("http://users.test/1"), (response) => response.status)
 *
 * await status.pipe(
 *   Effect.provide(HttpLive),
 *   Effect.provide(HttpScript.layer([{ status: 503 }, { status: 200 }])),
 *   Effect.runPromise
 * ) // => 200
 * ```
 *
 * @since 0.1.0
 */
import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as DropIn from "../http/DropIn.ts"
import * as Middleware from "../http/Middleware.ts"
import * as Interpreter from "./Interpreter.ts"
import * as Order from "./Order.ts"
import type * as Policy from "./Policy.ts"
import * as ResilientClient from "./ResilientClient.ts"

/**
 * What the client of a policy can fail with. Which of these a policy can bring about is known when it is read, and not to its type.
 *
 * @since 0.1.0
 * @category models
 */
export type Failures = HttpClientError.HttpClientError | DropIn.Refusal

/**
 * All strategies of a policy as one middleware. Each time it is made, they are others.
 *
 * @since 0.1.0
 * @category constructors
 */
export const middleware = (policy: Policy.Policy): Effect.Effect<Middleware.Middleware<Failures>> =>
  ResilientClient.middleware(Interpreter.options(policy))

/**
 * All strategies of a policy, each in its place: for whoever replaces some of them by those of another policy, and keeps the rest with what
 * they remember.
 *
 * @since 0.1.0
 * @category building
 */
export const made = (policy: Policy.Policy): Effect.Effect<Order.Made> => {
  const options = Interpreter.options(policy)
  const chosen = ResilientClient.chosen(options)
  return Effect.flatMap(ResilientClient.client(options), (client) => Order.make(chosen, client))
}

/**
 * Makes the client of a policy.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  policy: Policy.Policy
): Effect.Effect<HttpClient.HttpClient.With<Failures>, never, HttpClient.HttpClient> =>
  Effect.flatMap(HttpClient.HttpClient, (client) => Effect.map(middleware(policy), (made) => Middleware.applyTo(client, made)))

/**
 * Makes the client of a policy that fits wherever an `HttpClient` is wanted.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeDropIn = (policy: Policy.Policy): Effect.Effect<HttpClient.HttpClient, never, HttpClient.HttpClient> =>
  Effect.map(make(policy), DropIn.fold)

/**
 * Replaces the client of an application by that of a policy.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (policy: Policy.Policy): Layer.Layer<HttpClient.HttpClient, never, HttpClient.HttpClient> =>
  Layer.effect(HttpClient.HttpClient, makeDropIn(policy))

/**
 * The client of one service: a tag, and the layer that makes it of a policy.
 *
 * @since 0.1.0
 * @category models
 */
export interface ServiceClass<Self, Id extends string> extends Context.TagClass<Self, Id, HttpClient.HttpClient.With<Failures>> {
  readonly layer: (policy: Policy.Policy) => Layer.Layer<Self, never, HttpClient.HttpClient>
}

/**
 * Makes a tag for the client of one service.
 *
 * **Example** (A service with a policy)
 *
 * ```ts
 * import { Policy, PolicyClient } from "effect-resilience"
 * import { HttpScript } from "effect-resilience/testing"
 * import { Effect } from "effect"
 *
 * class Billing extends PolicyClient.Service<Billing>()("Billing") {}
 *
 * const status = Effect.flatMap(Billing, (billing) => Effect.map(billing.get("http://billing.test/"), (response) => response.status))
 *
 * await status.pipe(
 *   Effect.provide(Billing.layer(Policy.make({ name: "billing", deadline: "5 seconds" }))),
 *   Effect.provide(HttpScript.layer([{ status: 200 }])),
 *   Effect.runPromise
 * ) // => 200
 * ```
 *
 * @since 0.1.0
 * @category tags
 */
export const Service = <Self>() => <const Id extends string>(id: Id): ServiceClass<Self, Id> => {
  const tag = Context.Tag(id)<Self, HttpClient.HttpClient.With<Failures>>()
  return Object.assign(tag, { layer: (policy: Policy.Policy) => Layer.effect(tag, make(policy)) })
}
