/**
 * Where the time of each attempt went on its connection: waiting for one, DNS, TCP, TLS, writing the request, the first byte, the body.
 *
 * It listens on the channels on which Node and undici tell of requests, and knows an attempt by the `traceparent` that goes out with it.
 * So it works for undici, `node:http` and `fetch` as they are, and needs nothing but the span of the attempt (`Resilience.withAttemptSpan`,
 * which `ResilientClient` has).
 *
 * **Details**
 *
 * What is known when the headers have come, or when the attempt has failed, is written on the attempt's span: one event for each phase, at
 * its instant. When the body is over too, the whole is told as a `ConnectionTraced` event. The channels are those of the process: the layer
 * listens while its scope is open, and what is not provided costs nothing.
 *
 * @since 0.1.0
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"
import * as Connection from "../core/Connection.ts"
import { integerIn } from "../core/InvalidOption.ts"
import * as Semconv from "../core/Semconv.ts"
import * as Middleware from "../http/Middleware.ts"
import * as CurrentAttempt from "../strategy/CurrentAttempt.ts"
import * as Observer from "../strategy/Observer.ts"
import * as Channels from "./Channels.ts"
import * as Exchange from "./Exchange.ts"

/**
 * How much is remembered.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * How many attempts may wait for their headers at once and be followed; of more, the oldest are not. Each is forgotten when its attempt
   * is over. Default: 10,000.
   */
  readonly capacity?: number | undefined
}

/** The name of each phase's event, made once. */
const eventNames: { readonly [K in Connection.Phase]: string } = {
  pool: `${Semconv.EVENT_CONNECTION}pool`,
  dns: `${Semconv.EVENT_CONNECTION}dns`,
  tcp: `${Semconv.EVENT_CONNECTION}tcp`,
  tls: `${Semconv.EVENT_CONNECTION}tls`,
  connect: `${Semconv.EVENT_CONNECTION}connect`,
  send: `${Semconv.EVENT_CONNECTION}send`,
  firstByte: `${Semconv.EVENT_CONNECTION}first_byte`,
  body: `${Semconv.EVENT_CONNECTION}body`
}

/** Writes on the span of an attempt what is known so far. */
const write = (span: Tracer.Span, exchange: Exchange.Exchange, now: () => bigint): void => {
  const { end, idle } = exchange
  const connection = Exchange.connectionOf(exchange)
  if (connection !== undefined) span.attribute(Semconv.CONNECTION_STATE, connection)
  if (idle !== undefined) span.attribute(Semconv.CONNECTION_IDLE, Number(idle) / 1e9)
  const facts = Exchange.factsOf(exchange)
  if (facts !== undefined) {
    const { peer, tls } = facts
    if (Option.isSome(peer)) {
      span.attribute(Semconv.NETWORK_PEER_ADDRESS, peer.value.address)
      span.attribute(Semconv.NETWORK_PEER_PORT, peer.value.port)
    }
    if (Option.isSome(tls)) {
      // The conventions have the number alone.
      span.attribute(Semconv.TLS_PROTOCOL_VERSION, tls.value.version.replace(/^TLSv/, ""))
      if (Option.isSome(tls.value.alpn)) span.attribute(Semconv.TLS_NEXT_PROTOCOL, tls.value.alpn.value)
    }
  }
  Connection.forEachStep(exchange, undefined, (phase, at, length) =>
    span.event(eventNames[phase], at, { [Semconv.CONNECTION_DURATION]: length / 1000 }))
  if (end === undefined || end._tag === "Completed") return
  span.event(Semconv.EVENT_CONNECTION_FAILED, now(), {
    [Semconv.CONNECTION_PHASE]: end.phase,
    [Semconv.ERROR_TYPE]: end._tag === "Failed" ? end.code : "aborted"
  })
}

/** Where the id of a span stands in a `traceparent`: after the version and the id of the trace. */
const spanIdAt = "00-".length + 32 + "-".length

/** The span that the request goes out under, while it is open: that of the attempt, and no other. */
const spanOf = (fiber: Fiber.RuntimeFiber<unknown, unknown>, traceparent: string): Tracer.Span | undefined => {
  const span: unknown = fiber.currentContext.unsafeMap.get(Tracer.ParentSpan.key)
  // The tag holds spans of either kind.
  const parent = span as Tracer.AnySpan | undefined
  return parent?._tag === "Span" && parent.status._tag === "Started" && traceparent.startsWith(parent.spanId, spanIdAt) ? parent : undefined
}

/**
 * Makes the middleware, which follows each attempt that comes by until the scope is closed. Stand with it nearest to the wire, inside the
 * span of the attempt.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options = {}): Effect.Effect<Middleware.Middleware, never, Scope.Scope> =>
  Effect.suspend(() => {
    const capacity = integerIn("ConnectionTrace.make", "capacity", options.capacity ?? 10_000, { min: 1 })
    return Effect.gen(function*() {
      const clock = yield* Effect.clock
      const fork = yield* FiberSet.makeRuntime<never>()
      const announced = new Map<string, Exchange.Exchange>()
      const call = Observer.call("connection")
      const now = () => clock.unsafeCurrentTimeNanos()
      yield* Effect.acquireRelease(
        Effect.sync(() => Channels.subscribe({ now, find: (traceparent) => announced.get(traceparent) })),
        (unsubscribe) =>
          Effect.sync(() => {
            unsubscribe()
            announced.clear()
          })
      )
      const onEnd = ({ attempt, listener, spanId, traceId }: Exchange.Exchange, trace: Connection.Trace): void => {
        const told = Observer.emit(listener, {
          _tag: "ConnectionTraced",
          call,
          at: clock.unsafeCurrentTimeMillis(),
          attempt,
          traceId,
          spanId,
          trace
        })
        // Nobody waits for a listener here: what takes time has a fiber of its own, which ends with the layer.
        if (told !== Effect.void) fork(told)
      }
      const settle = (span: Tracer.Span, exchange: Exchange.Exchange): void => {
        if (exchange.transport !== undefined && span.sampled) write(span, exchange, now)
      }
      /** The attempt is over, and its span is about to end. */
      const close = (span: Tracer.Span, traceparent: string): void => {
        const exchange = announced.get(traceparent)
        if (exchange === undefined) return
        announced.delete(traceparent)
        // It was left before it was answered. The transport may say so later, and the span ends now.
        if (exchange.headers === undefined) Exchange.end(exchange, Exchange.left(exchange), now)
        settle(span, exchange)
      }
      const announce = (fiber: Fiber.RuntimeFiber<unknown, unknown>, traceparent: string, span: Tracer.Span): void => {
        const attempt = CurrentAttempt.of(fiber).number
        const exchange = Exchange.make(span.traceId, span.spanId, attempt, Observer.of(fiber), now(), onEnd)
        const former = announced.get(traceparent)
        announced.set(traceparent, exchange)
        // What is sent again within the attempt, a redirect that is followed say, goes out under the same span: what was before is written now.
        if (former === undefined) {
          // The method of the span itself is replaced, as in `SpanRecord`. A region of our own round the request would hear of the end of
          // the attempt too, and cost half as much again as all the rest.
          const { end } = span
          span.end = (endTime, exit) => {
            close(span, traceparent)
            end.call(span, endTime, exit)
          }
        } else if (former.headers !== undefined || former.end !== undefined) settle(span, former)
        if (announced.size > capacity) announced.delete(announced.keys().next().value ?? traceparent)
      }
      const middleware: Middleware.Middleware = (handler) => (request) => {
        const traceparent = request.headers["traceparent"]
        if (traceparent === undefined) return handler(request)
        return Effect.withFiberRuntime((fiber) => {
          const span = spanOf(fiber, traceparent)
          if (span !== undefined) announce(fiber, traceparent, span)
          return handler(request)
        })
      }
      return middleware
    })
  })

/**
 * Follows the attempts of the client that it is given, and gives it on. Provide it to `ResilientClient.layer`, and a transport to it.
 *
 * **Example** (What a client with phases is made of)
 *
 * ```ts
 * import { ResilientClient } from "effect-resilience"
 * import { Connections, ConnectionTrace } from "effect-resilience/node"
 * import { Layer } from "effect"
 *
 * const HttpLive = ResilientClient.layer().pipe(
 *   Layer.provide(ConnectionTrace.layer()),
 *   Layer.provide(Connections.layerUndici({ maxSockets: 20 }))
 * )
 *
 * Layer.isLayer(HttpLive) // => true
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Options = {}): Layer.Layer<HttpClient.HttpClient, never, HttpClient.HttpClient> => {
  // Options that are wrong stop the program here, and not when the layer is built.
  const middleware = make({ capacity: integerIn("ConnectionTrace.layer", "capacity", options.capacity ?? 10_000, { min: 1 }) })
  return Layer.scoped(
    HttpClient.HttpClient,
    Effect.zipWith(HttpClient.HttpClient, middleware, (client, follow) => Middleware.applyTo(client, follow))
  )
}
