/**
 * Finds responses that nobody reads and nobody releases: each holds a connection, and a pool that has lost all of its connections so
 * stands still without an error.
 *
 * Each response is counted from when it is handed over until somebody begins to read it. That is all there is to do with one: to release
 * it is to read it or to begin to, and to be interrupted. Where one is left for too long a `ResponseUnread` event says which.
 *
 * **Details**
 *
 * One fiber looks a few times in the time that a response is given, at the oldest only. A response that was closed otherwise (by the Scope
 * of `HttpClient.withScope`) is none, where its transport says so: undici and `node:http` do, `fetch` does not.
 *
 * @since 0.1.0
 */
import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as UrlParams from "@effect/platform/UrlParams"
import type * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { hasProperty } from "effect/Predicate"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { IncomingMessage } from "node:http"
import { Readable } from "node:stream"
import type { Call } from "../core/Event.ts"
import * as Instrument from "../core/Instrument.ts"
import { durationMillis, integerIn } from "../core/InvalidOption.ts"
import * as Measurement from "../core/Measurement.ts"
import { maxDelay, type Millis } from "../core/Millis.ts"
import * as Middleware from "../http/Middleware.ts"
import * as Release from "../http/Release.ts"
import { Intercepted, type Reader } from "../http/Wrapped.ts"
import * as Observer from "../strategy/Observer.ts"
import type * as Levels from "../telemetry/Levels.ts"
import * as Redaction from "../telemetry/Redaction.ts"

type Response = HttpClientResponse.HttpClientResponse

/**
 * When a response is one too many.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** How long a response may be neither read nor released. Default: 30 seconds. */
  readonly after?: Duration.DurationInput | undefined
  /** How many responses are remembered at once; more are counted as `unwatched`, and not looked at. Default: 10,000. */
  readonly capacity?: number | undefined
}

/**
 * How many responses there are that nobody has begun to read.
 *
 * @since 0.1.0
 * @category models
 */
export interface Snapshot {
  readonly unread: number
  /** How long ago the oldest of them was handed over, in ms. */
  readonly oldest: Option.Option<Millis>
  /** How many events have been told so far. */
  readonly reported: number
  /** How many responses came when there was no more room. */
  readonly unwatched: number
}

/** @since 0.1.0 @category models */
export interface Service {
  readonly snapshot: Effect.Effect<Snapshot>
}

/**
 * The leak check of a client, to be looked at.
 *
 * @since 0.1.0
 * @category tags
 */
export class LeakCheck extends Context.Tag("effect-resilience/node/LeakCheck")<LeakCheck, Service>() {}

/** What is kept of a request: not its body. */
type Address = Pick<Response["request"], "method" | "url" | "urlParams" | "hash">

interface Entry {
  /** In ns of a clock that never goes back. */
  readonly since: bigint
  readonly address: Address
  readonly status: number
  readonly listener: Observer.Listener
  /** Whoever has the response keeps it; the check does not. */
  response: WeakRef<Watched> | undefined
  reported: boolean
}

/** The platform's responses hold the transport's: undici's has the body beside it, and an abortable one has another inside. */
const sourceOf = (response: unknown, depth = 4): Readable | undefined => {
  if (response instanceof Readable) return response
  if (depth === 0) return undefined
  if (hasProperty(response, "original")) return sourceOf(response.original, depth - 1)
  if (hasProperty(response, "source")) return sourceOf(response.source, depth - 1)
  return hasProperty(response, "body") ? sourceOf(response.body, 0) : undefined
}

/** Without a body it holds nothing; but for `node:http`, which does not see even the end of none before somebody reads it. */
const holds = (response: Response, source: Readable | undefined): boolean =>
  source instanceof IncomingMessage || Release.declaredLength(response) > 0

const urlOf = ({ hash, url, urlParams }: Address): string =>
  Either.match(UrlParams.makeUrl(url, urlParams, hash), { onLeft: () => "invalid", onRight: Redaction.url })

/** Tells when somebody begins to read. */
class Watched extends Intercepted {
  private readonly touch: () => void

  constructor(original: Response, touch: () => void) {
    super(original)
    this.touch = touch
  }

  protected read<A>(reader: Reader<A>): Effect.Effect<A, HttpClientError.ResponseError> {
    return Effect.suspend(() => {
      this.touch()
      return reader(this.original)
    })
  }

  get stream(): Stream.Stream<Uint8Array, HttpClientError.ResponseError> {
    return Stream.suspend(() => {
      this.touch()
      return this.original.stream
    })
  }
}

/** How often the check looks: so many times in the time that a response is given, and each second at least. */
const interval = (after: Millis): Millis => Math.min(Math.max(after / 4, 1), 1000)

/**
 * The middleware with what it counts, until the scope closes. Stand with it nearest to the wire.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  options: Options = {}
): Effect.Effect<{ readonly middleware: Middleware.Middleware; readonly service: Service }, never, Scope.Scope> =>
  Effect.suspend(() => {
    const { after, capacity } = settings("LeakCheck.make", options)
    return Effect.flatMap(Effect.clock, (clock) => {
      const { look, middleware, service } = check(clock, after, capacity)
      const looking = Effect.forever(Effect.zipRight(Effect.sleep(interval(after)), look))
      return Effect.as(Effect.forkScoped(Effect.interruptible(looking)), { middleware, service })
    })
  })

const settings = (where: string, options: Options): { readonly after: Millis; readonly capacity: number } => ({
  after: durationMillis(where, "after", options.after ?? "30 seconds", { minExclusive: 0, max: maxDelay }),
  capacity: integerIn(where, "capacity", options.capacity ?? 10_000, { min: 1 })
})

const check = (clock: Clock.Clock, after: Millis, capacity: number) => {
  const call: Call = Observer.call("leak check")
  /** In the order in which they were handed over. */
  const entries = new Set<Entry>()
  const collected: Array<Entry> = []
  const counts = { reported: 0, unwatched: 0 }
  const dropped = new FinalizationRegistry<Entry>((entry) => {
    if (entries.delete(entry) && !entry.reported) collected.push(entry)
  })
  const ageOf = ({ since }: Entry): Millis => Math.max(0, Number(clock.unsafeCurrentTimeNanos() - since) / 1e6)
  /** Aborted, or gone with its connection. What was collected before is aborted for that, and stays to be told of. */
  const closed = (entry: Entry): void => {
    if (entry.response?.deref() !== undefined) entries.delete(entry)
  }
  const report = (entry: Entry, because: "Age" | "Collected"): Effect.Effect<void> => {
    const { address, listener, status } = entry
    entry.reported = true
    counts.reported++
    return Observer.emit(listener, {
      _tag: "ResponseUnread",
      call,
      at: clock.unsafeCurrentTimeMillis(),
      method: address.method,
      url: urlOf(address),
      status,
      age: ageOf(entry),
      because
    })
  }
  const look = Effect.suspend(() => {
    const found: Array<Effect.Effect<void>> = collected.splice(0).map((entry) => report(entry, "Collected"))
    for (const entry of entries) {
      if (ageOf(entry) < after) break
      if (!entry.reported) found.push(report(entry, "Age"))
    }
    return Effect.all(found, { discard: true })
  })
  const watch = (response: Response, listener: Observer.Listener): Response => {
    const source = sourceOf(response)
    if (!holds(response, source)) return response
    if (entries.size >= capacity) {
      counts.unwatched++
      return response
    }
    const { hash, method, url, urlParams } = response.request
    const entry: Entry = {
      since: clock.unsafeCurrentTimeNanos(),
      address: { hash, method, url, urlParams },
      status: response.status,
      listener,
      response: undefined,
      reported: false
    }
    entries.add(entry)
    const watched = new Watched(response, () => {
      if (entries.delete(entry)) dropped.unregister(entry)
    })
    entry.response = new WeakRef(watched)
    dropped.register(watched, entry, entry)
    source?.once("close", () => closed(entry))
    return watched
  }
  const middleware: Middleware.Middleware = (handler) => (request) =>
    Effect.withFiberRuntime((fiber) => Effect.map(handler(request), (response) => watch(response, Observer.of(fiber))))
  const snapshot = Effect.sync((): Snapshot => {
    const [oldest] = entries
    return { unread: entries.size, oldest: Option.map(Option.fromNullable(oldest), ageOf), ...counts }
  })
  return { look, middleware, service: { snapshot } satisfies Service }
}

/**
 * Watches the responses of the client that it is given, and gives it on. Provide it to `ResilientClient.layer`, and a transport to it.
 *
 * **Example** (Two gauges)
 *
 * ```ts
 * import { FetchHttpClient } from "@effect/platform"
 * import { LeakCheck } from "effect-resilience/node"
 * import { Effect, Layer } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const check = yield* LeakCheck.LeakCheck
 *   const { reported, unread } = yield* check.snapshot
 *   return { reported, unread }
 * })
 *
 * const HttpLive = LeakCheck.layer({ after: "10 seconds" }).pipe(Layer.provide(FetchHttpClient.layer))
 *
 * await program.pipe(Effect.provide(HttpLive), Effect.runPromise) // => { reported: 0, unread: 0 }
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  options: Options = {}
): Layer.Layer<HttpClient.HttpClient | LeakCheck, never, HttpClient.HttpClient> => {
  const checked = make(settings("LeakCheck.layer", options))
  return Layer.scopedContext(
    Effect.zipWith(HttpClient.HttpClient, checked, (client, { middleware, service }) =>
      Context.make(HttpClient.HttpClient, Middleware.applyTo(client, middleware)).pipe(Context.add(LeakCheck, service)))
  )
}

/**
 * The responses that nobody reads as a gauge of `Metrics.layer`. `name` is shown as `resilience.name`.
 *
 * @since 0.1.0
 * @category metrics
 */
export const level = (name: string, check: Service): Levels.Level => ({
  read: (meter) =>
    Effect.map(check.snapshot, ({ unread }) => [Measurement.make(Instrument.unreadResponses, unread, meter.name(name))])
})
