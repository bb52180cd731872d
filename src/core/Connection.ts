/**
 * Where the time of one request went, between asking for a connection and the last byte of the body.
 *
 * The marks are instants, taken where things happen. The phases are the lengths between them, and leave no gap: those of a request that
 * came to its end add up to its total. A connection that was being opened before the request was there counts from the request on.
 *
 * Source of the phases: Go's `net/http/httptrace`, and the timings of HAR 1.2.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import type { Millis } from "./Millis.ts"

/**
 * The instants of a connection that was opened, in ns of a clock that never goes back. What has not happened, or could not be seen, is
 * left out.
 *
 * @since 0.1.0
 * @category models
 */
export interface Dial {
  readonly started: bigint
  /** The host is a name and no address, so it has to be looked up first. */
  readonly named: boolean
  /** There is TLS on it. */
  readonly secure: boolean
  /** Its parts can be seen: where they cannot, only `ready` is known. */
  readonly split: boolean
  readonly looked?: bigint | undefined
  readonly connected?: bigint | undefined
  /** A request can be written. */
  readonly ready?: bigint | undefined
}

/**
 * The instants of a request. `dial` is the connection that was opened for it; a reused one has none.
 *
 * @since 0.1.0
 * @category models
 */
export interface Marks {
  readonly created: bigint
  readonly dial?: Dial | undefined
  /** A connection was there, and the request began to be written. */
  readonly acquired?: bigint | undefined
  readonly written?: bigint | undefined
  readonly headers?: bigint | undefined
}

/**
 * A part of the way of a request. "connect" stands for "dns", "tcp" and "tls" where they cannot be told apart.
 *
 * @since 0.1.0
 * @category models
 */
export type Phase = "pool" | "dns" | "tcp" | "tls" | "connect" | "send" | "firstByte" | "body"

/**
 * How long each part took, in ms. `None` where it did not come to its end, was not needed, or could not be seen.
 *
 * @since 0.1.0
 * @category models
 */
export interface Phases {
  /** Until the connection began to be opened, or one that was open was free. */
  readonly pool: Option.Option<Millis>
  readonly dns: Option.Option<Millis>
  readonly tcp: Option.Option<Millis>
  readonly tls: Option.Option<Millis>
  /** "dns", "tcp" and "tls" together: until a request could be written. */
  readonly connect: Option.Option<Millis>
  /** Until the request had been written. */
  readonly send: Option.Option<Millis>
  /** From there until the headers had come. */
  readonly firstByte: Option.Option<Millis>
  /** From there until the end of the body. */
  readonly body: Option.Option<Millis>
  readonly total: Millis
}

/**
 * How a request ended on its connection, and in which phase where that was not the end of the body. `code` is that of Node or undici:
 * "ECONNREFUSED".
 *
 * @since 0.1.0
 * @category models
 */
export type End =
  | { readonly _tag: "Completed" }
  | { readonly _tag: "Failed"; readonly phase: Phase; readonly code: string }
  | { readonly _tag: "Aborted"; readonly phase: Phase }

/** The other end of a connection. @since 0.1.0 @category models */
export interface Peer {
  readonly address: string
  readonly port: number
}

/** What a handshake agreed on. @since 0.1.0 @category models */
export interface Tls {
  /** "TLSv1.3". */
  readonly version: string
  /** "h2", "http/1.1"; `None` where nothing was agreed on. */
  readonly alpn: Option.Option<string>
}

/**
 * What is known of a request and its connection when it is over.
 *
 * @since 0.1.0
 * @category models
 */
export interface Trace {
  readonly transport: "undici" | "node:http"
  /** "http://users.test:8080". */
  readonly origin: string
  /** `None` where it never got a connection. */
  readonly connection: Option.Option<"new" | "reused">
  readonly phases: Phases
  readonly end: End
  readonly peer: Option.Option<Peer>
  /** For how long in ms a connection that was reused had been idle. */
  readonly idle: Option.Option<Millis>
  readonly tls: Option.Option<Tls>
}

const millis = (from: bigint, to: bigint): Millis => to <= from ? 0 : Number(to - from) / 1e6

const later = (a: bigint, b: bigint): bigint => a > b ? a : b

/**
 * A phase with the instant at which it ended, and how long it took.
 *
 * @since 0.1.0
 * @category models
 */
export interface Step {
  readonly phase: Phase
  readonly at: bigint
  readonly length: Millis
}

/**
 * The phases that have ended, in order and without a gap: what is written on a span. With `ended` the body is one of them.
 *
 * **Details**
 *
 * No length is negative, whatever the order of the marks. A server may answer before it has got all of the request: then writing it is
 * over with the headers.
 *
 * @since 0.1.0
 * @category conversions
 */
export const steps = (marks: Marks, ended?: bigint): ReadonlyArray<Step> => {
  const { acquired, created, dial, headers, written } = marks
  const all: Array<Step> = []
  let last = created
  const add = (phase: Phase, at: bigint | undefined): void => {
    if (at === undefined) return
    const end = later(at, last)
    all.push({ phase, at: end, length: millis(last, end) })
    last = end
  }
  if (dial === undefined) add("pool", acquired)
  else {
    add("pool", dial.started)
    if (dial.split) {
      if (dial.named) add("dns", dial.looked)
      add("tcp", dial.connected)
      if (dial.secure) add("tls", dial.ready)
    } else add("connect", dial.ready)
  }
  add("send", headers === undefined || written === undefined || written < headers ? written : headers)
  add("firstByte", headers)
  if (headers !== undefined) add("body", ended)
  return all
}

/**
 * The lengths between the marks of a request that was over at `ended`.
 *
 * **Example** (A new connection)
 *
 * ```ts
 * import { Connection } from "effect-resilience"
 * import { Option } from "effect"
 *
 * const ms = (n: number) => BigInt(n) * 1_000_000n
 * const dial = { started: ms(1), named: true, secure: false, split: true, looked: ms(3), connected: ms(4), ready: ms(4) }
 * const phases = Connection.phases({ created: ms(0), dial, acquired: ms(5), written: ms(5), headers: ms(25) }, ms(30))
 *
 * Option.getOrNull(phases.dns) // => 2
 * Option.getOrNull(phases.connect) // => 3
 * Option.getOrNull(phases.firstByte) // => 20
 * phases.total // => 30
 * ```
 *
 * @since 0.1.0
 * @category conversions
 */
export const phases = (marks: Marks, ended: bigint): Phases => {
  const lengths: { [K in Phase]?: Millis } = {}
  for (const { length, phase } of steps(marks, ended)) lengths[phase] = length
  const { dns = 0, tcp = 0, tls = 0, connect = dns + tcp + tls } = lengths
  return {
    pool: Option.fromNullable(lengths.pool),
    dns: Option.fromNullable(lengths.dns),
    tcp: Option.fromNullable(lengths.tcp),
    tls: Option.fromNullable(lengths.tls),
    connect: marks.dial?.ready === undefined ? Option.none() : Option.some(connect),
    send: Option.fromNullable(lengths.send),
    firstByte: Option.fromNullable(lengths.firstByte),
    body: Option.fromNullable(lengths.body),
    total: millis(marks.created, ended)
  }
}

/**
 * The phase that a request is in: the one that it fails in.
 *
 * @since 0.1.0
 * @category getters
 */
export const phaseOf = ({ acquired, dial, headers, written }: Marks): Phase => {
  if (headers !== undefined) return "body"
  if (written !== undefined) return "firstByte"
  if (dial === undefined) return acquired === undefined ? "pool" : "send"
  if (dial.ready !== undefined) return "send"
  if (!dial.split) return "connect"
  if (dial.connected !== undefined) return "tls"
  return dial.named && dial.looked === undefined ? "dns" : "tcp"
}
