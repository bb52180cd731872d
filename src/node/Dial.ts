/**
 * Connections while they are being opened: what a socket tells of itself, with the instant at which it did.
 *
 * Node tells of a new socket on `net.client.socket`, but not of one with TLS. The pools of this library tell of theirs on a channel of
 * their own, which whoever opens sockets for HTTP in another way can use too.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import * as diagnostics from "node:diagnostics_channel"
import { type EventEmitter, errorMonitor } from "node:events"
import * as net from "node:net"
import type * as tls from "node:tls"
import type * as Connection from "../core/Connection.ts"

/**
 * The channel on which a socket is published, as a `Dialed`, in the same turn in which it was made.
 *
 * @since 0.1.0
 * @category constants
 */
export const channel = diagnostics.channel("effect-resilience:dial")

/**
 * A socket that begins to connect to a host.
 *
 * @since 0.1.0
 * @category models
 */
export interface Dialed {
  readonly socket: net.Socket
  readonly host: string
}

/**
 * Tells whoever listens of a socket that begins to connect. Costs nothing where nobody does.
 *
 * @since 0.1.0
 * @category publishing
 */
export const publish = (socket: net.Socket, host: string): void => {
  if (channel.hasSubscribers) channel.publish({ host, socket } satisfies Dialed)
}

/**
 * What is known of a connection. The instants are written as they come.
 *
 * @since 0.1.0
 * @category models
 */
export interface Link {
  /** `undefined` where it was open before anybody looked. */
  readonly dial: { -readonly [K in keyof Connection.Dial]: Connection.Dial[K] } | undefined
  /** How many requests have been sent on it. */
  uses: number
  /** Since when it has been idle, where that is known. */
  idleSince: bigint | undefined
  /** Read once, when it is first used: they do not change. */
  facts: Facts | undefined
}

/**
 * What does not change on a connection that is open.
 *
 * @since 0.1.0
 * @category models
 */
export interface Facts {
  readonly peer: Option.Option<Connection.Peer>
  readonly tls: Option.Option<Connection.Tls>
}

const isTls = (socket: net.Socket): socket is tls.TLSSocket => "encrypted" in socket

/**
 * Reads what is known of an open socket.
 *
 * @since 0.1.0
 * @category conversions
 */
export const factsOf = (socket: net.Socket): Facts => {
  const { remoteAddress, remotePort } = socket
  const version = isTls(socket) ? socket.getProtocol() : null
  return {
    peer: remoteAddress === undefined || remotePort === undefined
      ? Option.none()
      : Option.some({ address: remoteAddress, port: remotePort }),
    tls: isTls(socket) && version !== null
      ? Option.some({ version, alpn: typeof socket.alpnProtocol === "string" ? Option.some(socket.alpnProtocol) : Option.none() })
      : Option.none()
  }
}

/**
 * The connections that somebody has looked at, by their sockets; and by the errors that they failed with, because that is all that a
 * request is told then.
 *
 * @since 0.1.0
 * @category models
 */
export interface Links {
  readonly of: (socket: net.Socket) => Link
  readonly failedWith: (error: unknown) => Link | undefined
  readonly isKnown: (socket: net.Socket) => boolean
  /** A socket begins to connect, or began to at an instant. */
  readonly begin: (dialed: Dialed, started?: bigint) => Link
  /** A connection has begun to be opened whose socket cannot be seen. What it answers takes the socket, or the error. */
  readonly beginUnseen: (host: string, secure: boolean) => (end: net.Socket | Error) => void
}

/**
 * Makes an empty memory. It holds no socket: what is known of one goes with it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (now: () => bigint): Links => {
  const bySocket = new WeakMap<net.Socket, Link>()
  const byError = new WeakMap<object, Link>()
  const fresh = (dial: Link["dial"]): Link => ({ dial, facts: undefined, idleSince: undefined, uses: 0 })
  const of = (socket: net.Socket): Link => {
    const known = bySocket.get(socket)
    if (known !== undefined) return known
    const link = fresh(undefined)
    bySocket.set(socket, link)
    return link
  }
  const begin = ({ host, socket }: Dialed, started = now()): Link => {
    const known = bySocket.get(socket)
    if (known !== undefined) return known
    const secure = isTls(socket)
    const dial: NonNullable<Link["dial"]> = { named: net.isIP(host) === 0, secure, split: true, started }
    const link = fresh(dial)
    bySocket.set(socket, link)
    // First of all listeners: whoever else listens may begin to send in its own.
    socket.prependOnceListener("lookup", (error: Error | null) => {
      if (error === null) dial.looked = now()
    })
    socket.prependOnceListener("connect", () => {
      dial.connected = now()
      if (!secure) dial.ready = dial.connected
    })
    if (secure) {
      socket.prependOnceListener("secureConnect", () => {
        dial.ready = now()
      })
    }
    // The declarations of sockets know no symbols.
    const emitter: EventEmitter = socket
    emitter.on(errorMonitor, (error: Error) => {
      if (dial.ready === undefined) byError.set(error, link)
    })
    return link
  }
  const beginUnseen = (host: string, secure: boolean) => {
    const dial: NonNullable<Link["dial"]> = { named: net.isIP(host) === 0, secure, split: false, started: now() }
    const link = fresh(dial)
    return (end: net.Socket | Error): void => {
      if (end instanceof Error) {
        if (!byError.has(end)) byError.set(end, link)
      } else if (!bySocket.has(end)) {
        dial.ready = now()
        bySocket.set(end, link)
      }
    }
  }
  return {
    of,
    begin,
    beginUnseen,
    failedWith: (error) => typeof error === "object" && error !== null ? byError.get(error) : undefined,
    isKnown: (socket) => bySocket.has(socket)
  }
}
