/**
 * Two pools of connections that are kept alive, under the same limits: a dispatcher of undici, and a pair of agents of `node:http`.
 *
 * @since 0.1.0
 */
import { Agent, buildConnector, Client, type Dispatcher, errors, Pool as Origin } from "@effect/platform-node/Undici"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as http from "node:http"
import * as https from "node:https"
import * as net from "node:net"
import type * as tls from "node:tls"
import * as ErrorCode from "../core/ErrorCode.ts"
import type { Millis } from "../core/Millis.ts"
import * as Sockets from "./Sockets.ts"

/**
 * The options of a pool, decoded: durations in ms.
 *
 * @since 0.1.0
 * @category models
 */
export interface Settings extends Sockets.Limits {
  readonly maxSockets: number
  readonly idleTimeout: Millis
  readonly closeWithin: Millis
  readonly tls: tls.SecureContextOptions
}

/**
 * A pool and its sockets.
 *
 * @since 0.1.0
 * @category models
 */
export interface Pool<A> {
  readonly pool: A
  readonly sockets: Sockets.Sockets
}

/** Waits for an end, but not longer than so long. What is waited for holds nothing. */
const atMost = (self: Effect.Effect<void>, limit: Millis): Effect.Effect<void> =>
  Effect.raceFirst(Effect.interruptible(self), Effect.interruptible(Effect.sleep(limit)))

/**
 * A dispatcher. When the scope closes it takes no more requests, waits for those that run, and ends the rest.
 *
 * @since 0.1.0
 * @category constructors
 */
export const undici = (settings: Settings): Effect.Effect<Pool<Dispatcher>, never, Scope.Scope> =>
  Effect.flatMap(Effect.clock, (clock) => {
    const sockets = Sockets.make(clock, settings)
    const connect = buildConnector({ ...settings.tls, timeout: 0 })
    /** A client has one connection at a time: the pool has many clients. */
    const client = (origin: URL, options: object): Client => {
      let current: net.Socket | undefined
      const made = new Client(origin, {
        ...options,
        connect: (to, callback) => {
          // Its type does not say that it answers with the socket, which has not begun to connect.
          const socket: unknown = connect(to, callback)
          if (!(socket instanceof net.Socket)) return
          current = socket
          sockets.begin(socket, to.hostname)
        }
      })
      // It is told before the pool is, which would send the next request on the same connection.
      made.on("drain", () => {
        // What undici itself ends a connection with that has been idle for too long: no request fails with it.
        if (current !== undefined && sockets.isOld(current)) current.destroy(new errors.InformationalError("max lifetime"))
      })
      return made
    }
    const options = { keepAliveMaxTimeout: settings.idleTimeout, keepAliveTimeout: settings.idleTimeout }
    const acquire = Effect.sync(() =>
      new Agent({
        factory: (origin: string | URL) => new Origin(origin, { ...options, connections: settings.maxSockets, factory: client })
      })
    )
    return Effect.map(
      Effect.acquireRelease(acquire, (agent) =>
        Effect.promise(() => agent.close()).pipe(
          (closed) => atMost(closed, settings.closeWithin),
          Effect.zipRight(Effect.promise(() => agent.destroy())),
          Effect.zipRight(Effect.sync(sockets.destroy)),
          Effect.zipRight(sockets.gone)
        )),
      (pool) => ({ pool, sockets })
    )
  })

/**
 * A pair of agents. When the scope closes no connection is kept alive any more; what runs is waited for, and the rest ended. Later requests
 * are refused.
 *
 * @since 0.1.0
 * @category constructors
 */
export const agents = (settings: Settings): Effect.Effect<Pool<NodeHttpClient.HttpAgent>, never, Scope.Scope> =>
  Effect.flatMap(Effect.clock, (clock) => {
    const sockets = Sockets.make(clock, settings)
    let state: "open" | "closing" | "closed" = "open"
    const kept = <A extends http.Agent>(agent: A): A => {
      const create = agent.createConnection.bind(agent)
      agent.createConnection = (options, callback) => {
        if (state === "closed") {
          callback?.(ErrorCode.toError("ERR_SOCKET_CLOSED_BEFORE_CONNECTION"), new net.Socket())
          return undefined
        }
        const socket = create(options, callback)
        if (socket instanceof net.Socket) sockets.begin(socket, options.host ?? "localhost")
        return socket
      }
      // It answers whether the socket may be used again, which its type does not say.
      const keep = agent.keepSocketAlive.bind(agent) as (socket: Parameters<http.Agent["keepSocketAlive"]>[0]) => unknown
      agent.keepSocketAlive = (socket) =>
        state === "open" && !(socket instanceof net.Socket && sockets.isOld(socket)) && keep(socket) !== false
      return agent
    }
    const options: http.AgentOptions = {
      keepAlive: true,
      maxFreeSockets: settings.maxSockets,
      maxSockets: settings.maxSockets,
      timeout: settings.idleTimeout
    }
    const free = (agent: http.Agent): void => {
      for (const idle of Object.values(agent.freeSockets)) for (const socket of idle ?? []) socket.destroy()
    }
    const acquire = Effect.sync((): NodeHttpClient.HttpAgent => ({
      [NodeHttpClient.HttpAgentTypeId]: NodeHttpClient.HttpAgentTypeId,
      http: kept(new http.Agent(options)),
      https: kept(new https.Agent({ ...options, ...settings.tls }))
    }))
    return Effect.map(
      Effect.acquireRelease(acquire, (pair) =>
        Effect.sync(() => {
          state = "closing"
          free(pair.http)
          free(pair.https)
        }).pipe(
          Effect.zipRight(atMost(sockets.gone, settings.closeWithin)),
          Effect.zipRight(Effect.sync(() => {
            state = "closed"
            sockets.destroy()
          })),
          Effect.zipRight(sockets.gone)
        )),
      (pool) => ({ pool, sockets })
    )
  })
