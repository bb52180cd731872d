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
import * as Observer from "../strategy/Observer.ts"
import * as Dial from "./Dial.ts"

/**
 * What is known of a request so far. It is written by the channels. Its instants are the marks of `Connection` as they are.
 *
 * @since 0.1.0
 * @category models
 */
export interface Exchange extends Connection.Marks {
  /** Of the span of its attempt, which it does not hold: a request may live on for long, and would keep the whole trace. */
  readonly traceId: string
  readonly spanId: string
  /** Which attempt it is. */
  readonly attempt: number
  readonly listener: Observer.Listener
  /** Whether a transport has been seen to send it. */
  transport: Connection.Trace["transport"] | undefined
  origin: string
  link: Dial.Link | undefined
  dial: Dial.Link["dial"]
  socket: net.Socket | undefined
  connection: "new" | "reused" | undefined
  idle: bigint | undefined
  acquired: bigint | undefined
  written: bigint | undefined
  headers: bigint | undefined
  end: Connection.End | undefined
  /** Told of the whole when it is over, where anybody listens. */
  readonly onEnd: (self: Exchange, trace: Connection.Trace) => void
}

/**
 * Makes one for a request that is handed to its transport. All of its fields are there from the beginning, so that there is one shape of it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  traceId: string,
  spanId: string,
  attempt: number,
  listener: Observer.Listener,
  created: bigint,
  onEnd: Exchange["onEnd"]
): Exchange => ({
  traceId,
  spanId,
  attempt,
  listener,
  transport: undefined,
  origin: "",
  created,
  link: undefined,
  dial: undefined,
  socket: undefined,
  connection: undefined,
  idle: undefined,
  acquired: undefined,
  written: undefined,
  headers: undefined,
  end: undefined,
  onEnd
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
  self.dial = used ? undefined : link.dial
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
 * How a request ends that is left by whoever sent it.
 *
 * @since 0.1.0
 * @category conversions
 */
export const left = (self: Exchange): Connection.End => ({ _tag: "Aborted", phase: Connection.phaseOf(self) })

/**
 * How a request ends that ends with an error.
 *
 * @since 0.1.0
 * @category conversions
 */
export const failed = (self: Exchange, error: unknown): Connection.End =>
  isAbort(error) ? left(self) : { _tag: "Failed", phase: Connection.phaseOf(self), code: codeOf(error) }

/**
 * What is known of the other side, once there is a connection: it is read while the socket is open, and kept.
 *
 * @since 0.1.0
 * @category getters
 */
export const factsOf = ({ link, socket }: Exchange): Dial.Facts | undefined => {
  if (link === undefined) return undefined
  if (link.facts === undefined && socket?.remoteAddress !== undefined) link.facts = Dial.factsOf(socket)
  return link.facts
}

/**
 * How the request got its connection: not by one that never came to be open.
 *
 * @since 0.1.0
 * @category getters
 */
export const connectionOf = ({ connection, dial }: Exchange): Exchange["connection"] =>
  dial !== undefined && dial.ready === undefined ? undefined : connection

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
 * It never got a connection, because the one that was being opened for it failed.
 *
 * @since 0.1.0
 * @category recording
 */
export const unconnected = (self: Exchange, link: Dial.Link | undefined): void => {
  if (self.link !== undefined || link === undefined) return
  self.link = link
  self.dial = link.dial
}

/**
 * The request is over. Only the first end counts.
 *
 * @since 0.1.0
 * @category recording
 */
export const end = (self: Exchange, how: Connection.End, now: () => bigint): void => {
  const { link, listener, origin, transport } = self
  if (self.end !== undefined || transport === undefined) return
  self.end = how
  const at = now()
  if (link !== undefined && how._tag === "Completed") link.idleSince = at
  const facts = factsOf(self)
  // What is over keeps no socket.
  self.socket = undefined
  if (listener === Observer.none) return
  self.onEnd(self, {
    transport,
    origin,
    connection: Option.fromNullable(connectionOf(self)),
    phases: Connection.phases(self, at),
    end: how,
    peer: facts === undefined ? Option.none() : facts.peer,
    idle: self.idle === undefined ? Option.none() : Option.some(Number(self.idle) / 1e6),
    tls: facts === undefined ? Option.none() : facts.tls
  })
}
