/**
 * The platform's client on undici, with a pool so small that what is not given back is missed.
 */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { Agent } from "@effect/platform-node/Undici"
import { type HttpClient } from "@effect/platform"
import { Effect, Layer, type Scope } from "effect"

export const size = 2

export interface Pool {
  readonly client: Layer.Layer<HttpClient.HttpClient>
  /** How many of the connections still carry an answer that nobody has read, or wait for one. */
  readonly busy: Effect.Effect<number>
}

/** Makes a pool, which closes with the scope. */
export const make: Effect.Effect<Pool, never, Scope.Scope> = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => new Agent({ connections: size })),
    (agent) => Effect.promise(() => agent.destroy())
  ),
  (agent) => ({
    client: Layer.provide(NodeHttpClient.layerUndiciWithoutDispatcher, Layer.succeed(NodeHttpClient.Dispatcher, agent)),
    busy: Effect.sync(() => Object.values(agent.stats).reduce((sum, origin) => sum + origin.running, 0))
  })
)
