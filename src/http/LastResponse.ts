/**
 * The last good response to each request, kept as it is read, in bounded memory.
 *
 * This is no cache: nothing is given from it while the peer answers. A response is kept when its reader has come to the end of its body,
 * which costs no time and shows that the body was whole; one that is too large, that nobody reads, or that may not be kept
 * (`Stale.keep`) is handed on as it came.
 *
 * @since 0.1.0
 */
import type * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { integerIn } from "../core/InvalidOption.ts"
import type { Millis } from "../core/Millis.ts"
import * as Stale from "../core/Stale.ts"
import * as Guarded from "../strategy/Guarded.ts"
import * as LastGood from "../strategy/LastGood.ts"
import * as Buffered from "./Buffered.ts"
import * as Made from "./Made.ts"
import * as Release from "./Release.ts"
import * as RequestKey from "./RequestKey.ts"
import { Intercepted, type Reader } from "./Wrapped.ts"

type Request = HttpClientRequest.HttpClientRequest
type Response = HttpClientResponse.HttpClientResponse

/**
 * What is kept, and for how long.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options extends LastGood.Options {
  /** The longest body in bytes that is kept: with `capacity` the bound of the memory. Default: 64 KiB. */
  readonly atMost?: number | undefined
  /**
   * Whose responses come together here: those of many users, or of one. "shared" keeps nothing that is for one of them; "private" gives it
   * only for the same `authorization` and `cookie`. Default: "shared".
   */
  readonly kind?: Stale.Kind | undefined
  /** What tells one thing that is asked for from another. Default: `RequestKey.of`. */
  readonly key?: ((request: Request) => string) | undefined
}

interface Entry {
  readonly kept: Stale.Kept
  readonly body: Uint8Array
}

/**
 * The last good responses: a handle that is passed as a value, and shared by the clients of one service.
 *
 * @since 0.1.0
 * @category models
 */
export interface LastResponse {
  readonly store: LastGood.LastGood<Entry>
  readonly atMost: number
  readonly kind: Stale.Kind
  readonly key: (request: Request) => string
}

/**
 * Makes an empty store.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options = {}): Effect.Effect<LastResponse> => {
  const { key = RequestKey.of, kind = "shared" } = options
  const atMost = integerIn("LastResponse", "atMost", options.atMost ?? 64 * 1024, { min: 0 })
  return Effect.map(LastGood.make<Entry>(options), (store) => ({ store, atMost, kind, key }))
}

const askedOf = ({ body, headers, method }: Request): Stale.Asked => ({ method, headers, hasBody: body._tag !== "Empty" })

/**
 * Tells whether anything is kept of what comes for a request, or given for it.
 *
 * @since 0.1.0
 * @category guards
 */
export const isEligible = (request: Request): boolean => Stale.isEligible(askedOf(request))

/**
 * Keeps a good response as it is read: what comes out is to be handed on in its place.
 *
 * **Details**
 *
 * To be called when its headers have arrived; `startedAt` is when its request was begun, by the monotonic clock in ms. A response that may
 * not be kept puts an end to what was kept before it.
 *
 * @since 0.1.0
 * @category keeping
 */
export const keeping = (self: LastResponse, request: Request, response: Response, clock: Clock.Clock, startedAt: Millis): Response => {
  const key = self.key(request)
  const keptAt = Guarded.monotonic(clock)
  const kept = Stale.keep(self.kind, {
    asked: askedOf(request),
    sent: response.request.headers,
    status: response.status,
    headers: response.headers,
    receivedAt: clock.unsafeCurrentTimeMillis(),
    keptAt,
    responseDelay: keptAt - startedAt
  })
  if (Option.isNone(kept)) {
    self.store.remove(key)
    return response
  }
  const put = (body: Uint8Array): void => {
    if (body.length <= self.atMost) self.store.put(key, { kept: kept.value, body }, keptAt)
  }
  const length = Release.declaredLength(response)
  if (length === 0) put(new Uint8Array())
  return length === 0 || Number.isFinite(length) && length > self.atMost ? response : new WatchedResponse(response, self.atMost, put)
}

/**
 * The last good response to a request, if it may be given now; and its age in ms.
 *
 * @since 0.1.0
 * @category giving
 */
export const find = (
  self: LastResponse,
  request: Request,
  clock: Clock.Clock
): Option.Option<{ readonly response: Response; readonly age: Millis }> => {
  const now = Guarded.monotonic(clock)
  return Option.flatMap(self.store.get(self.key(request), now), ({ value: { body, kept } }) =>
    Option.map(Stale.serve(kept, request.headers, now, self.store.maxAge), ({ age, headers }) => ({
      age,
      response: Made.make(request, { status: kept.status, headers, body })
    })))
}

/** A response that tells of its body when that has been read to its end. */
class WatchedResponse extends Intercepted {
  private readonly atMost: number
  private readonly onWhole: (body: Uint8Array) => void
  /** What was read once is there for the next reader, as the platform has it for the text. */
  private whole: Buffered.BufferedResponse | undefined

  constructor(original: Response, atMost: number, onWhole: (body: Uint8Array) => void) {
    super(original)
    this.atMost = atMost
    this.onWhole = onWhole
  }

  protected read<A>(reader: Reader<A>): Effect.Effect<A, HttpClientError.ResponseError> {
    return Effect.suspend(() =>
      this.whole !== undefined ? reader(this.whole) : Effect.flatMap(this.original.arrayBuffer, (buffer) => {
        const body = new Uint8Array(buffer)
        this.whole = new Buffered.BufferedResponse(this.original, body)
        this.onWhole(body)
        return reader(this.whole)
      }))
  }

  get stream(): Stream.Stream<Uint8Array, HttpClientError.ResponseError> {
    return Stream.suspend(() => {
      if (this.whole !== undefined) return this.whole.stream
      const chunks: Array<Uint8Array> = []
      let size = 0
      const seen = Stream.mapChunks(this.original.stream, (arrived) => {
        for (const chunk of arrived) {
          size += chunk.length
          if (size <= this.atMost) chunks.push(chunk.slice())
          else chunks.length = 0
        }
        return arrived
      })
      // Comes to pass when the body has ended, and not where its reader stops early or it breaks off.
      const ended = Stream.execute(Effect.sync(() => {
        if (size <= this.atMost) this.onWhole(Buffered.joined(chunks, size))
      }))
      return Stream.concat(seen, ended)
    })
  }
}
