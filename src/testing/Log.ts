/**
 * What a scripted peer remembers: the requests in their order, and what became of their responses.
 *
 * @since 0.1.0
 */
import type * as Headers from "@effect/platform/Headers"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import type * as HttpMethod from "@effect/platform/HttpMethod"
import type * as Clock from "effect/Clock"
import type { Millis } from "../core/Millis.ts"
import * as Wire from "./Wire.ts"

/**
 * How far a request has come.
 *
 * - `waiting`: no answer yet
 * - `interrupted`: its caller went away before there was an answer
 * - `failed`: the answer was an error or a defect
 * - `unread`, `reading`: it has a response that holds its connection
 * - `read`, `aborted`, `cut`: its response was read to the end, given up before the end, or broke off
 *
 * @since 0.1.0
 * @category models
 */
export type State = "waiting" | "interrupted" | "failed" | Wire.Transfer

/**
 * A request as it was sent, and what has become of it so far.
 *
 * @since 0.1.0
 * @category models
 */
export interface Request {
  /** Counted from 1, in the order in which the requests began. */
  readonly number: number
  /** Since the script's first request, in ms. */
  readonly at: Millis
  readonly method: HttpMethod.HttpMethod
  /** In full, with its query. */
  readonly url: string
  readonly headers: Headers.Headers
  /** The bytes of the body that were sent: for a stream, what running it gave. */
  readonly body: Uint8Array
  /** `body`, read as UTF-8. */
  readonly text: string
  readonly state: State
  /** How many bytes of the response's body have been handed out. */
  readonly delivered: number
}

/**
 * A response that holds its connection no longer.
 *
 * @since 0.1.0
 * @category models
 */
export interface Release {
  /** The number of its request. */
  readonly request: number
  readonly how: "read" | "aborted" | "cut"
  /** Since the script's first request, in ms. */
  readonly at: Millis
  /** The number of the next request: it begins after this release, if it comes at all. */
  readonly before: number
}

/**
 * What is known of one request. It changes from the callbacks of a web stream, out of reach of a Ref.
 *
 * @since 0.1.0
 * @category models
 */
export interface Entry {
  readonly number: number
  readonly began: Millis
  readonly request: HttpClientRequest.HttpClientRequest
  readonly url: string
  readonly sent: Array<Uint8Array>
  state: State
  delivered: number
  /** Kept, because the platform aborts the responses that the garbage collector finds: here a leak stays a leak. */
  response: HttpClientResponse.HttpClientResponse | undefined
}

/**
 * All that is known.
 *
 * @since 0.1.0
 * @category models
 */
export interface Log {
  readonly entries: Array<Entry>
  readonly releases: Array<Release>
}

/** @since 0.1.0 @category constructors */
export const empty = (): Log => ({ entries: [], releases: [] })

const since = (self: Log, instant: Millis): Millis => instant - (self.entries[0]?.began ?? instant)

/**
 * Notes that a request has begun.
 *
 * @since 0.1.0
 * @category noting
 */
export const begin = (
  self: Log,
  request: HttpClientRequest.HttpClientRequest,
  url: string,
  now: Millis
): Entry => {
  const entry: Entry = {
    number: self.entries.length + 1,
    began: now,
    request,
    url,
    sent: [],
    state: "waiting",
    delivered: 0,
    response: undefined
  }
  self.entries.push(entry)
  return entry
}

/**
 * Notes what is done to the response of a request.
 *
 * @since 0.1.0
 * @category noting
 */
export const follow =
  (self: Log, entry: Entry, clock: Clock.Clock) => (transfer: Wire.Transfer, delivered: number): void => {
    entry.state = transfer
    entry.delivered = delivered
    if (Wire.isOpen(transfer)) return
    const at = since(self, clock.unsafeCurrentTimeMillis())
    self.releases.push({ request: entry.number, how: transfer, at, before: self.entries.length + 1 })
  }

/**
 * The request of an entry, as it is now.
 *
 * @since 0.1.0
 * @category getters
 */
export const toRequest = (self: Log, entry: Entry): Request => {
  const body = Wire.concat(entry.sent)
  return {
    number: entry.number,
    at: since(self, entry.began),
    method: entry.request.method,
    url: entry.url,
    headers: entry.request.headers,
    body,
    text: new TextDecoder().decode(body),
    state: entry.state,
    delivered: entry.delivered
  }
}

/**
 * When each request began, in ms since the first.
 *
 * @since 0.1.0
 * @category getters
 */
export const timeline = (self: Log): ReadonlyArray<Millis> => self.entries.map((entry) => since(self, entry.began))

/**
 * The numbers of the requests whose responses hold their connection.
 *
 * @since 0.1.0
 * @category getters
 */
export const held = (self: Log): ReadonlyArray<number> =>
  self.entries.filter(({ state }) => state === "unread" || state === "reading").map(({ number }) => number)
