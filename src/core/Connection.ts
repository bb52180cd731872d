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

type Visit = (phase: Phase, at: bigint, length: Millis) => void

/** One phase, where it has ended; and the instant at which the next one begins. */
const visited = (visit: Visit, phase: Phase, began: bigint, ended: bigint | undefined): bigint => {
  if (ended === undefined) return began
  const at = later(ended, began)
  visit(phase, at, millis(began, at))
  return at
}

/**
 * Visits the phases that have ended, in order and without a gap, each with the instant at which it ended and how long it took. With `ended`
 * the body is one of them.
 *
 * **Details**
 *
 * No length is negative, whatever the order of the marks. A server may answer before it has got all of the request: then writing it is
 * over with the headers.
 *
 * @since 0.1.0
 * @category conversions
 */
export const forEachStep = ({ acquired, created, dial, headers, written }: Marks, ended: bigint | undefined, visit: Visit): void => {
  let last = visited(visit, "pool", created, dial === undefined ? acquired : dial.started)
  if (dial?.split === true) {
    if (dial.named) last = visited(visit, "dns", last, dial.looked)
    last = visited(visit, "tcp", last, dial.connected)
    if (dial.secure) last = visited(visit, "tls", last, dial.ready)
  } else if (dial !== undefined) last = visited(visit, "connect", last, dial.ready)
  last = visited(visit, "send", last, headers === undefined || written === undefined || written < headers ? written : headers)
  last = visited(visit, "firstByte", last, headers)
  if (headers !== undefined) visited(visit, "body", last, ended)
}

/**
 * The same as data.
 *
 * @since 0.1.0
 * @category conversions
 */
export const steps = (marks: Marks, ended?: bigint): ReadonlyArray<Step> => {
  const all: Array<Step> = []
  forEachStep(marks, ended, (phase, at, length) => void all.push({ phase, at, length }))
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
  // All of its fields from the beginning: an object that grows is made several times over.
  const all: { -readonly [K in keyof Phases]: Phases[K] } = {
    pool: Option.none(),
    dns: Option.none(),
    tcp: Option.none(),
    tls: Option.none(),
    connect: Option.none(),
    send: Option.none(),
    firstByte: Option.none(),
    body: Option.none(),
    total: millis(marks.created, ended)
  }
  forEachStep(marks, ended, (phase, _at, length) => {
    all[phase] = Option.some(length)
  })
  if (marks.dial?.split === true && marks.dial.ready !== undefined) {
    all.connect = Option.some(lengthOf(all.dns) + lengthOf(all.tcp) + lengthOf(all.tls))
  }
  return all
}

const lengthOf = (phase: Option.Option<Millis>): Millis => Option.getOrElse(phase, () => 0)

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
