/**
 * A real server on loopback that has a bad night: it answers each request for the order in another way, and the last one well.
 */
import { Effect, type Scope } from "effect"
import * as http from "node:http"
import type * as net from "node:net"

/** What the server does, request by request. */
const script: ReadonlyArray<http.RequestListener> = [
  (_, response) => errorPage(response, 503),
  () => {}, // hangs
  (_, response) => errorPage(response, 429, { "retry-after": "1" }),
  (request) => request.socket.resetAndDestroy(),
  (_, response) => response.end("{\"order\":42}")
]

/** An error page as a proxy sends it, with its styles and its pictures inside: 64 KB. */
const errorPage = (response: http.ServerResponse, status: number, headers: http.OutgoingHttpHeaders = {}) => {
  const page = Buffer.alloc(64 * 1024, "<p>Sorry</p>")
  response.writeHead(status, { "content-length": page.length, ...headers }).end(page)
}

/** The time in ms that the server thinks before it does what it does. */
const thinks = 40

export interface Server {
  readonly url: string
  /** The span id in the `traceparent` of each request for the order, in the order of their arrival. */
  readonly received: ReadonlyArray<string>
  /** How many connections have been accepted, and how many of them are open. */
  readonly connections: { readonly opened: number; readonly open: number }
}

/** Starts a server on a free port. It plays the script on `/orders/42`, and answers anything else well; it closes with the scope. */
export const start: Effect.Effect<Server, never, Scope.Scope> = Effect.suspend(() => {
  const received: Array<string> = []
  const connections = { opened: 0, open: 0 }
  let rehearsals = 0
  // As most servers do, this one keeps an idle connection for a minute: Node's 5 seconds are the exception.
  const server = http.createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
    if (request.url === "/rehearsal" && rehearsals++ === 0) return errorPage(response, 503)
    if (request.url !== "/orders/42") return void response.end("{}")
    const act = script[Math.min(received.length, script.length - 1)]
    received.push(String(request.headers["traceparent"]).split("-")[2] ?? "")
    setTimeout(() => act?.(request, response), thinks)
  })
  server.on("connection", (socket: net.Socket) => {
    connections.opened++
    connections.open++
    socket.on("error", () => {}) // a client that times out hangs up
    socket.on("close", () => connections.open--)
  })
  return Effect.map(
    Effect.acquireRelease(listen(server), () => close(server)),
    (port) => ({ url: `http://127.0.0.1:${port}`, received, connections })
  )
})

const listen = (server: http.Server): Effect.Effect<number> =>
  Effect.async((resume) => {
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      resume(typeof address === "object" && address !== null ? Effect.succeed(address.port) : Effect.dieMessage("no port"))
    })
  })

const close = (server: http.Server): Effect.Effect<void> =>
  Effect.async((resume) => {
    server.close(() => resume(Effect.void))
    server.closeAllConnections()
  })
