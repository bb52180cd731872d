/**
 * Clients with a pool of connections that has limits, and an end.
 *
 * The platform's layers keep undici's defaults: any number of connections, none of which ever grows too old, and an end that cuts what is
 * running. Those of `node:http` keep no connection alive at all. Here both have the same limits, and when their scope closes they wait for
 * what is running, for a time, and leave nothing open.
 *
 * @since 0.1.0
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type * as tls from "node:tls"
import * as Instrument from "../core/Instrument.ts"
import { durationMillis, integerIn } from "../core/InvalidOption.ts"
import * as Measurement from "../core/Measurement.ts"
import { maxDelay } from "../core/Millis.ts"
import type * as Levels from "../telemetry/Levels.ts"
import * as Pool from "./Pool.ts"
import type * as Sockets from "./Sockets.ts"

/**
 * The limits of a pool.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** The most connections to one origin at once; further requests wait in line. Default: 50. */
  readonly maxSockets?: number | undefined
  /** How long a connection is kept that nobody uses. A server that names a shorter time is obeyed. Default: 15 seconds. */
  readonly idleTimeout?: Duration.DurationInput | undefined
  /**
   * How long a connection may be open. One that is older ends with the request that is on it: so a change of addresses is noticed, and
   * load is spread again. Default: 5 minutes.
   */
  readonly maxLifetime?: Duration.DurationInput | undefined
  /** How long opening a connection may take: DNS, TCP and TLS together. Default: 5 seconds. */
  readonly connectTimeout?: Duration.DurationInput | undefined
  /** How long running requests are waited for when the scope closes. Default: 10 seconds. */
  readonly closeWithin?: Duration.DurationInput | undefined
  /** What to trust, and what to show: `ca`, `cert`, `key`. Default: what Node trusts. */
  readonly tls?: tls.SecureContextOptions | undefined
}

/**
 * How many sockets a pool has.
 *
 * @since 0.1.0
 * @category models
 */
export interface Snapshot {
  /** On the way to being open: DNS, TCP, TLS. */
  readonly connecting: number
  readonly open: number
}

/**
 * The pool of a client, to be looked at.
 *
 * @since 0.1.0
 * @category tags
 */
export class Connections extends Context.Tag("effect-resilience/node/Connections")<Connections, Service>() {}

/** @since 0.1.0 @category models */
export interface Service {
  readonly snapshot: Effect.Effect<Snapshot>
}

const settings = (where: string, options: Options): Pool.Settings => {
  const length = (
    option: "idleTimeout" | "maxLifetime" | "connectTimeout",
    byDefault: Duration.DurationInput
  ): number => durationMillis(where, option, options[option] ?? byDefault, { minExclusive: 0, max: maxDelay })
  return {
    maxSockets: integerIn(where, "maxSockets", options.maxSockets ?? 50, { min: 1 }),
    idleTimeout: length("idleTimeout", "15 seconds"),
    maxLifetime: length("maxLifetime", "5 minutes"),
    connectTimeout: length("connectTimeout", "5 seconds"),
    closeWithin: durationMillis(where, "closeWithin", options.closeWithin ?? "10 seconds", { max: maxDelay }),
    tls: options.tls ?? {}
  }
}

const service = (sockets: Sockets.Sockets): Service => ({ snapshot: Effect.sync(sockets.count) })

const pooled = <I, A>(
  tag: Context.Tag<I, A>,
  make: Effect.Effect<Pool.Pool<A>, never, Scope.Scope>
): Layer.Layer<I | Connections> =>
  Layer.scopedContext(
    Effect.map(make, ({ pool, sockets }) => Context.add(Context.make(Connections, service(sockets)), tag, pool))
  )

/**
 * The client over undici, with a pool of its own. The dispatcher is there too, for a `fetch` that shall share it.
 *
 * **Example** (A pool for one service)
 *
 * ```ts
 * import { Connections } from "effect-resilience/node"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const pool = yield* Connections.Connections
 *   return yield* pool.snapshot
 * })
 *
 * const HttpLive = Connections.layerUndici({ maxSockets: 20, connectTimeout: "2 seconds" })
 *
 * await program.pipe(Effect.provide(HttpLive), Effect.runPromise) // => { connecting: 0, open: 0 }
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerUndici = (
  options: Options = {}
): Layer.Layer<HttpClient.HttpClient | NodeHttpClient.Dispatcher | Connections> =>
  Layer.provideMerge(
    NodeHttpClient.layerUndiciWithoutDispatcher,
    pooled(NodeHttpClient.Dispatcher, Pool.undici(settings("Connections.layerUndici", options)))
  )

/**
 * The client over `node:http` and `node:https`, with a pool of its own.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerNodeHttp = (
  options: Options = {}
): Layer.Layer<HttpClient.HttpClient | NodeHttpClient.HttpAgent | Connections> =>
  Layer.provideMerge(
    NodeHttpClient.layerWithoutAgent,
    pooled(NodeHttpClient.HttpAgent, Pool.agents(settings("Connections.layerNodeHttp", options)))
  )

/**
 * The open sockets of a pool as a gauge of `Metrics.layer`. `name` is shown as `resilience.name`.
 *
 * @since 0.1.0
 * @category metrics
 */
export const level = (name: string, connections: Service): Levels.Level => ({
  read: (meter) =>
    Effect.map(connections.snapshot, ({ open }) => [Measurement.make(Instrument.openConnections, open, meter.name(name))])
})
