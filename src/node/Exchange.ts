/**
 * One request on its way, between the attempt that it belongs to and the channels that tell of it.
 *
 * An attempt is opened before it is sent, is found by the `traceparent` that goes out with it, and is taken out again when its headers have
 * come or it has failed, whatever became of the request. From then on it hangs on the request alone, and goes with it.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import { hasProperty } from "effect/Predicate"
import type * as net from "node:net"
import * as Connection from "../core/Connection.ts"
import * as Dial from "./Dial.ts"

/**
 * What is known of a request so far. It is written by the channels.
 *
 * @since 0.1.0
 * @category models
 */
export interface Exchange {
  /** Whether a transport has been seen to send it. */
  transport: Connection.Trace["transport"] | undefined
  origin: string
  created: bigint
  link: Dial.Link | undefined
  socket: net.Socket | undefined
  connection: "new" | "reused" | undefined
  idle: bigint | undefined
  acquired: bigint | undefined
  written: bigint | undefined
  headers: bigint | undefined
  ended: boolean
  readonly onEnd: (trace: Connection.Trace) => void
}

/**
 * Makes one for a request that is handed to its transport.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (created: bigint, onEnd: Exchange["onEnd"]): Exchange => ({
  transport: undefined,
  origin: "",
  created,
  link: undefined,
  socket: undefined,
  connection: undefined,
  idle: undefined,
  acquired: undefined,
  written: undefined,
  headers: undefined,
  ended: false,
  onEnd
})

/**
 * The instants as they are now.
 *
 * @since 0.1.0
 * @category conversions
 */
export const marksOf = ({ acquired, connection, created, headers, link, written }: Exchange): Connection.Marks => ({
  created,
  acquired,
  written,
  headers,
  dial: connection === "reused" ? undefined : link?.dial
})

/**
 * The request has a connection, and begins to be written on it.
 *
 * @since 0.1.0
 * @category recording
 */
export const acquire = (self: Exchange | undefined, link: Dial.Link, socket: net.Socket, reused: boolean, now: () => bigint): void => {
  const used = link.uses++ > 0 || reused
  const { idleSince } = link
  link.idleSince = undefined
  if (self === undefined) return
  self.acquired = now()
  self.link = link
  self.socket = socket
  // A connection that was there before anybody looked has been used, for all that is known.
  self.connection = used ? "reused" : "new"
  self.idle = idleSince === undefined ? undefined : self.acquired - idleSince
}

const word = /^[A-Za-z][A-Za-z0-9_]{0,63}$/

/** The code of an error where it is a plain word, its name where that is one: what a peer says does not get through. */
const codeOf = (error: unknown): string => {
  const said = [hasProperty(error, "code") ? error.code : undefined, hasProperty(error, "name") ? error.name : undefined]
  return said.find((each): each is string => typeof each === "string" && word.test(each)) ?? "unknown"
}

const isAbort = (error: unknown): boolean => {
  const code = codeOf(error)
  return code === "AbortError" || code === "ABORT_ERR" || code === "UND_ERR_ABORTED"
}

/**
 * How a request ends that ends with an error, or is left.
 *
 * @since 0.1.0
 * @category conversions
 */
export const failed = (self: Exchange, error: unknown): Connection.End => {
  const phase = Connection.phaseOf(marksOf(self))
  return isAbort(error) ? { _tag: "Aborted", phase } : { _tag: "Failed", phase, code: codeOf(error) }
}

/**
 * What is known of the other side, once there is a connection: it is read while the socket is open, and kept.
 *
 * @since 0.1.0
 * @category getters
 */
export const factsOf = ({ link, socket }: Exchange): Option.Option<Dial.Facts> => {
  if (link === undefined) return Option.none()
  if (link.facts === undefined && socket?.remoteAddress !== undefined) link.facts = Dial.factsOf(socket)
  return Option.fromNullable(link.facts)
}

/**
 * How the request got its connection: not by one that never came to be open.
 *
 * @since 0.1.0
 * @category getters
 */
export const connectionOf = ({ connection, link }: Exchange): Connection.Trace["connection"] =>
  connection === "new" && link?.dial !== undefined && link.dial.ready === undefined ? Option.none() : Option.fromNullable(connection)

/**
 * The headers have come, or those of a response before the response (1xx): the first ones count.
 *
 * @since 0.1.0
 * @category recording
 */
export const answer = (self: Exchange, now: () => bigint): void => {
  self.headers ??= now()
  factsOf(self)
}

/**
 * The request is over. Only the first end counts.
 *
 * @since 0.1.0
 * @category recording
 */
export const end = (self: Exchange, how: Connection.End, now: () => bigint): void => {
  const { link, origin, transport } = self
  if (self.ended || transport === undefined) return
  self.ended = true
  const at = now()
  if (link !== undefined && how._tag === "Completed") link.idleSince = at
  const facts = factsOf(self)
  // What is over keeps no socket.
  self.socket = undefined
  self.onEnd({
    transport,
    origin,
    connection: connectionOf(self),
    phases: Connection.phases(marksOf(self), at),
    end: how,
    peer: Option.flatMap(facts, ({ peer }) => peer),
    idle: self.idle === undefined ? Option.none() : Option.some(Number(self.idle) / 1e6),
    tls: Option.flatMap(facts, ({ tls }) => tls)
  })
}
