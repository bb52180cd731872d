/**
 * Real peers on 127.0.0.1 that count what the client does to them, and close with their scope.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as http from "node:http"
import * as https from "node:https"
import * as net from "node:net"
import type { Certificate } from "./certificate.ts"
import { eventually } from "./eventually.ts"

/** A request as it was received. Times are in real ms since the server began. */
export interface Received {
  /** Counted from 1. */
  readonly number: number
  /** Which of the server's connections brought it; counted from 1. */
  readonly connection: number
  readonly method: string
  readonly url: string
  readonly headers: http.IncomingHttpHeaders
  readonly at: number
  /** What has come of the body so far. */
  readonly body: () => string
  /** When the answer was over, and whether all of it had been sent. */
  closed: { readonly at: number; readonly how: "finished" | "aborted" } | undefined
}

export interface Stats {
  readonly requests: Array<Received>
  /** How many connections have been accepted. */
  connections: number
  /** How many of them are open now. */
  open: number
  /** The most that were open at once. */
  mostOpen: number
}

export interface Server {
  /** With a `/` at the end. */
  readonly url: string
  readonly port: number
  readonly stats: Stats
}

/** What a server does with a request: plain node. The body of the request is being received meanwhile, unless it is paused. */
export type Handler = (request: http.IncomingMessage, response: http.ServerResponse, received: Received) => void

/** What a raw server does with a connection, the first of which is number 1. */
export type Connection = (socket: net.Socket, number: number) => void

const host = "127.0.0.1"

const noStats = (): Stats => ({ requests: [], connections: 0, open: 0, mostOpen: 0 })

const listen = (server: net.Server, at: string): Effect.Effect<number> =>
  Effect.async((resume) => {
    server.listen(0, at, () => {
      const address = server.address()
      resume(
        typeof address === "object" && address !== null
          ? Effect.succeed(address.port)
          : Effect.dieMessage(`a server without a port: ${String(address)}`)
      )
    })
  })

const close = (server: net.Server): Effect.Effect<void> =>
  Effect.async((resume) => {
    server.close(() => resume(Effect.void))
  })

/** Counts connections; with the scope, destroys those that are left, and closes. */
const start = (
  server: net.Server,
  scheme: "http" | "https",
  stats: Stats,
  onConnection: Connection = () => {}
): Effect.Effect<Server, never, Scope.Scope> => {
  const sockets = new Set<net.Socket>()
  server.on("connection", (socket: net.Socket) => {
    const number = ++stats.connections
    stats.open++
    stats.mostOpen = Math.max(stats.mostOpen, stats.open)
    sockets.add(socket)
    // A reset by the client is what many tests are about.
    socket.on("error", () => {})
    socket.on("close", () => {
      stats.open--
      sockets.delete(socket)
    })
    onConnection(socket, number)
  })
  return Effect.acquireRelease(
    Effect.map(listen(server, host), (port) => ({ url: `${scheme}://${host}:${port}/`, port, stats })),
    () =>
      Effect.suspend(() => {
        for (const socket of sockets) socket.destroy()
        return close(server)
      })
  )
}

const receive = (stats: Stats, request: http.IncomingMessage, connection: number, at: number): Received => {
  const chunks: Array<Buffer> = []
  const received: Received = {
    number: stats.requests.length + 1,
    connection,
    method: request.method ?? "",
    url: request.url ?? "",
    headers: request.headers,
    at,
    body: () => Buffer.concat(chunks).toString(),
    closed: undefined
  }
  request.on("data", (chunk: Buffer) => chunks.push(chunk))
  request.on("error", () => {})
  stats.requests.push(received)
  return received
}

const serveHttp = (
  create: (listener: http.RequestListener) => http.Server | https.Server,
  scheme: "http" | "https",
  handler: Handler
): Effect.Effect<Server, never, Scope.Scope> =>
  Effect.suspend(() => {
    const stats = noStats()
    const origin = performance.now()
    // Over TLS a request has another socket than the one that was accepted, on the same remote port.
    const connections = new Map<number | undefined, number>()
    const server = create((request, response) => {
      const connection = connections.get(request.socket.remotePort) ?? 0
      const received = receive(stats, request, connection, performance.now() - origin)
      response.on("error", () => {})
      response.on("close", () => {
        received.closed = { at: performance.now() - origin, how: response.writableFinished ? "finished" : "aborted" }
      })
      handler(request, response, received)
    })
    return start(server, scheme, stats, (socket, number) => connections.set(socket.remotePort, number))
  })

/** Longer than any test: a server that closes idle connections is a fault of its own. */
const settings = { keepAliveTimeout: 60_000 }

/** An HTTP server. */
export const serve = (handler: Handler): Effect.Effect<Server, never, Scope.Scope> =>
  serveHttp((listener) => http.createServer(settings, listener), "http", handler)

/** An HTTPS server. */
export const serveTls = (certificate: Certificate, handler: Handler): Effect.Effect<Server, never, Scope.Scope> =>
  serveHttp((listener) => https.createServer({ ...settings, ...certificate }, listener), "https", handler)

/** A TCP server. Its `stats.requests` stay empty. */
export const serveRaw = (onConnection: Connection): Effect.Effect<Server, never, Scope.Scope> =>
  Effect.suspend(() => start(net.createServer(), "http", noStats(), onConnection))

/**
 * The URL of a port that nobody listens on. On Linux it is one of an address that no test listens on, so that no server that begins
 * later can be given it.
 */
export const closedPort: Effect.Effect<string> = Effect.suspend(() => {
  const server = net.createServer()
  const at = process.platform === "linux" ? "127.0.0.9" : host
  return Effect.map(Effect.zipLeft(listen(server, at), close(server)), (port) => `http://${at}:${port}/`)
})

/** Waits until no connection to the server is open. */
export const settled = ({ stats }: Server): Effect.Effect<void> => eventually(() => stats.open === 0)
