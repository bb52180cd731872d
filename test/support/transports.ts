/**
 * The three transports of the platform, each with a pool that is small enough to be exhausted, and closed with its layer.
 */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import type * as HttpClient from "@effect/platform/HttpClient"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { Agent } from "@effect/platform-node/Undici"
import { describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"

export interface Options {
  /** The most connections to one origin. Default: 2. */
  readonly connections?: number | undefined
  /** A certificate to trust, as PEM. Default: none but the system's. */
  readonly ca?: string | undefined
}

export type Name = "undici" | "node:http" | "fetch"

export interface Transport {
  readonly name: Name
  readonly layer: (options?: Options) => Layer.Layer<HttpClient.HttpClient>
}

const agent = ({ ca, connections = 2 }: Options): Effect.Effect<Agent, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => new Agent({ connections, ...(ca === undefined ? {} : { connect: { ca } }) })),
    (dispatcher) => Effect.promise(() => dispatcher.destroy())
  )

export const undici: Transport = {
  name: "undici",
  layer: (options = {}) =>
    Layer.provide(NodeHttpClient.layerUndiciWithoutDispatcher, Layer.scoped(NodeHttpClient.Dispatcher, agent(options)))
}

export const nodeHttp: Transport = {
  name: "node:http",
  layer: ({ ca, connections = 2 } = {}) =>
    Layer.provide(
      NodeHttpClient.layerWithoutAgent,
      NodeHttpClient.makeAgentLayer({ keepAlive: true, maxSockets: connections, ...(ca === undefined ? {} : { ca }) })
    )
}

export const fetch: Transport = {
  name: "fetch",
  layer: (options = {}) =>
    Layer.provide(
      FetchHttpClient.layer,
      // Node's fetch takes any undici's dispatcher; its declarations know only the one of the undici inside Node.
      Layer.scoped(FetchHttpClient.RequestInit, Effect.map(agent(options), (dispatcher): RequestInit => ({ dispatcher: dispatcher as never })))
    )
}

export const transports: ReadonlyArray<Transport> = [undici, nodeHttp, fetch]

/** Describes the same facts of each transport. */
export const onEachTransport = (f: (name: Name, layer: Transport["layer"]) => void): void => {
  for (const { layer, name } of transports) describe(`over ${name}`, () => f(name, layer))
}
