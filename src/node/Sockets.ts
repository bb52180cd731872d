/**
 * The sockets of a pool: which there are, since when, and an end to those that do not come to be open in time.
 *
 * @since 0.1.0
 */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as net from "node:net"
import type { Millis } from "../core/Millis.ts"
import * as Timeout from "../strategy/Timeout.ts"
import * as Dial from "./Dial.ts"

/**
 * The sockets of one pool.
 *
 * @since 0.1.0
 * @category models
 */
export interface Sockets {
  /** Looks after a socket that begins to connect. */
  readonly begin: (socket: net.Socket, host: string) => void
  /** Whether a socket has been open for as long as it may be. */
  readonly isOld: (socket: net.Socket) => boolean
  readonly count: () => { readonly connecting: number; readonly open: number }
  /** Ends when no socket is left. */
  readonly gone: Effect.Effect<void>
  /** Ends all that are left, whatever they are doing. */
  readonly destroy: () => void
}

/**
 * The limits, in ms.
 *
 * @since 0.1.0
 * @category models
 */
export interface Limits {
  readonly connectTimeout: Millis
  readonly maxLifetime: Millis
}

/** The code is Node's own for this, which classifiers know: nothing has been sent. */
const tooSlow = (host: string, limit: Millis): Error =>
  Object.assign(new Error(`no connection to ${host} within ${limit}ms`), { code: "ERR_SOCKET_CONNECTION_TIMEOUT" })

/**
 * Makes an empty set.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (clock: Clock.Clock, { connectTimeout, maxLifetime }: Limits): Sockets => {
  /** Each with the instant in ns at which it was open. */
  const sockets = new Map<net.Socket, bigint | undefined>()
  const waiting = new Set<() => void>()
  const lifetime = BigInt(Math.round(maxLifetime * 1e6))
  return {
    begin: (socket, host) => {
      sockets.set(socket, undefined)
      const cancel = Timeout.timer(clock, connectTimeout, () => {
        socket.destroy(tooSlow(host, connectTimeout))
      })
      socket.once("encrypted" in socket ? "secureConnect" : "connect", () => {
        cancel()
        sockets.set(socket, clock.unsafeCurrentTimeNanos())
      })
      socket.once("close", () => {
        cancel()
        sockets.delete(socket)
        if (sockets.size === 0) for (const wake of waiting) wake()
      })
      Dial.publish(socket, host)
    },
    isOld: (socket) => {
      const since = sockets.get(socket)
      return since !== undefined && clock.unsafeCurrentTimeNanos() - since >= lifetime
    },
    count: () => {
      let open = 0
      for (const since of sockets.values()) if (since !== undefined) open++
      return { connecting: sockets.size - open, open }
    },
    gone: Effect.async((resume) => {
      const wake = () => {
        waiting.delete(wake)
        resume(Effect.void)
      }
      if (sockets.size === 0) return wake()
      waiting.add(wake)
      return Effect.sync(() => waiting.delete(wake))
    }),
    destroy: () => {
      for (const socket of sockets.keys()) socket.destroy()
    }
  }
}
