/**
 * What Node and undici tell of requests, on the channels of `node:diagnostics_channel`.
 *
 * Undici (and `fetch`, which is undici) tells of each step. `node:http` tells of a request and of its response; the rest is heard from the
 * request and its socket themselves.
 *
 * Source: undici `docs/docs/api/DiagnosticsChannel.md`; Node `diagnostics_channel`, built-in channels.
 *
 * @since 0.1.0
 */
import * as diagnostics from "node:diagnostics_channel"
import { errorMonitor } from "node:events"
import type * as http from "node:http"
import type * as net from "node:net"
import * as Dial from "./Dial.ts"
import * as Exchange from "./Exchange.ts"

/**
 * What the channels need to know.
 *
 * @since 0.1.0
 * @category models
 */
export interface Hooks {
  /** In ns, never going back. */
  readonly now: () => bigint
  /** The request that was announced with this `traceparent`, where there is one. */
  readonly find: (traceparent: string) => Exchange.Exchange | undefined
}

/** What is read of undici's requests: the same in its versions 6 and 7. */
interface UndiciRequest {
  readonly origin?: unknown
  readonly headers?: unknown
}

/** What a request is followed by hangs on the request itself, and goes with it. */
const followed = Symbol("effect-resilience/Exchange")

const exchangeOf = (request: object): Exchange.Exchange | undefined => (request as { readonly [followed]?: Exchange.Exchange })[followed]

/** A request may live on for long when it is over, with its response: what followed it does not. */
const follow = (request: object, exchange: Exchange.Exchange | undefined): void => {
  // Requests of undici and of Node are ordinary objects, which nobody freezes.
  ;(request as { [followed]?: Exchange.Exchange | undefined })[followed] = exchange
}

interface ConnectParams {
  readonly hostname?: string | undefined
  readonly protocol?: string | undefined
}

/** Undici's headers are names and values in turn; a string of lines in older versions. */
const traceparentOf = (headers: unknown): string | undefined => {
  if (typeof headers === "string") return /^traceparent: ([^\r\n]{1,128})/im.exec(headers)?.[1]
  if (!Array.isArray(headers)) return undefined
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const name: unknown = headers[i]
    if (typeof name === "string" && name.length === 11 && name.toLowerCase() === "traceparent") return String(headers[i + 1])
  }
  return undefined
}

/** What is published is what the documents of Node and undici say. */
type Handlers = { readonly [channel: string]: (message: never) => void }

const undici = ({ find, now }: Hooks, links: Dial.Links): Handlers => {
  // A socket is made in the same turn as it is told that one will be. With TLS, and a connector that is not ours, it is not seen.
  let expected: { readonly host: string; readonly secure: boolean; readonly connector: object } | undefined
  const unseen = new WeakMap<object, Array<(end: net.Socket | Error) => void>>()
  const begin = (dialed: Dial.Dialed): void => {
    if (expected !== undefined) {
      unseen.get(expected.connector)?.pop()
      expected = undefined
    }
    links.begin(dialed)
  }
  return {
    "undici:client:beforeConnect": ({ connectParams, connector }: { connectParams: ConnectParams; connector: object }) => {
      const { hostname = "", protocol } = connectParams
      const secure = protocol === "https:"
      const waiting = unseen.get(connector) ?? []
      waiting.push(links.beginUnseen(hostname, secure))
      unseen.set(connector, waiting)
      expected = { connector, host: hostname, secure }
    },
    "net.client.socket": ({ socket }: { socket: net.Socket }) => {
      if (expected !== undefined && !expected.secure) begin({ host: expected.host, socket })
    },
    [String(Dial.channel.name)]: begin,
    "undici:client:connected": ({ connector, socket }: { connector: object; socket: net.Socket }) => {
      expected = undefined
      if (!links.isKnown(socket)) unseen.get(connector)?.shift()?.(socket)
    },
    "undici:client:connectError": ({ connector, error }: { connector: object; error: Error }) => {
      expected = undefined
      if (links.failedWith(error) === undefined) unseen.get(connector)?.shift()?.(error)
    },
    "undici:request:create": ({ request }: { request: UndiciRequest }) => {
      const traceparent = traceparentOf(request.headers)
      const exchange = traceparent === undefined ? undefined : find(traceparent)
      if (exchange === undefined) return
      exchange.transport = "undici"
      exchange.origin = String(request.origin)
      follow(request, exchange)
    },
    "undici:client:sendHeaders": ({ request, socket }: { request: UndiciRequest; socket: net.Socket }) => {
      Exchange.acquire(exchangeOf(request), links.of(socket), socket, false, now)
    },
    "undici:request:bodySent": ({ request }: { request: UndiciRequest }) => {
      const exchange = exchangeOf(request)
      if (exchange !== undefined) exchange.written ??= now()
    },
    "undici:request:headers": ({ request }: { request: UndiciRequest }) => {
      const exchange = exchangeOf(request)
      if (exchange !== undefined) Exchange.answer(exchange, now)
    },
    "undici:request:trailers": ({ request }: { request: UndiciRequest }) => {
      const exchange = exchangeOf(request)
      if (exchange === undefined) return
      follow(request, undefined)
      Exchange.end(exchange, { _tag: "Completed" }, now)
    },
    "undici:request:error": ({ error, request }: { error: unknown; request: UndiciRequest }) => {
      const exchange = exchangeOf(request)
      if (exchange === undefined) return
      follow(request, undefined)
      Exchange.unconnected(exchange, links.failedWith(error))
      Exchange.end(exchange, Exchange.failed(exchange, error), now)
    }
  }
}

const nodeHttp = ({ find, now }: Hooks, links: Dial.Links): Handlers => {
  const connected = (request: http.ClientRequest, exchange: Exchange.Exchange | undefined, socket: net.Socket): void => {
    // Another agent than ours: its socket is seen when it is being opened already.
    if (exchange !== undefined && socket.connecting && !links.isKnown(socket)) {
      links.begin({ host: request.host, socket }, exchange.created)
    }
    Exchange.acquire(exchange, links.of(socket), socket, request.reusedSocket, now)
  }
  return {
    "http.client.request.start": ({ request }: { request: http.ClientRequest }) => {
      const traceparent = request.getHeader("traceparent")
      const exchange = typeof traceparent === "string" ? find(traceparent) : undefined
      // Who waits for a connection is not told that it is a used one: all uses are counted, also those that nobody follows.
      if (request.socket === null || request.socket === undefined) {
        request.once("socket", (socket: net.Socket) => connected(request, exchange, socket))
      } else connected(request, exchange, request.socket)
      if (exchange === undefined) return
      exchange.transport = "node:http"
      exchange.origin = `${request.protocol}//${String(request.getHeader("host") ?? request.host)}`
      follow(request, exchange)
      if (request.writableFinished) exchange.written = now()
      else request.once("finish", () => (exchange.written ??= now()))
      const fail = (error: unknown) => Exchange.end(exchange, Exchange.failed(exchange, error), now)
      request.once(errorMonitor, fail)
      request.once("close", () => {
        // What has a response ends with that.
        if (exchange.headers === undefined) fail(undefined)
      })
    },
    "http.client.response.finish": ({ request, response }: { request: http.ClientRequest; response: http.IncomingMessage }) => {
      const exchange = exchangeOf(request)
      if (exchange === undefined) return
      Exchange.answer(exchange, now)
      response.once("end", () => Exchange.end(exchange, { _tag: "Completed" }, now))
      response.once(errorMonitor, (error: unknown) => Exchange.end(exchange, Exchange.failed(exchange, error), now))
      response.once("close", () => {
        // Nobody wanted the rest of it.
        if (!response.readableEnded) Exchange.end(exchange, { _tag: "Aborted", phase: "body" }, now)
      })
    }
  }
}

/**
 * Begins to listen. What it answers ends that.
 *
 * @since 0.1.0
 * @category subscribing
 */
export const subscribe = (hooks: Hooks): () => void => {
  const links = Dial.make(hooks.now)
  const handlers = Object.entries({ ...undici(hooks, links), ...nodeHttp(hooks, links) }).map(
    // Each handler is given what is published on its channel, and nothing else.
    ([name, handler]) => [name, handler as unknown as diagnostics.ChannelListener] as const
  )
  for (const [name, handler] of handlers) diagnostics.subscribe(name, handler)
  return () => {
    for (const [name, handler] of handlers) diagnostics.unsubscribe(name, handler)
  }
}
