/**
 * Real services: an app of the platform behind a real server on 127.0.0.1, that counts what it is asked and closes with its scope.
 */
import type * as HttpApp from "@effect/platform/HttpApp"
import type * as HttpServerError from "@effect/platform/HttpServerError"
import type * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as http from "node:http"
import type * as net from "node:net"

export interface Service {
  /** With a `/` at the end. */
  readonly url: string
  /** The headers of each request, in the order in which they came. */
  readonly received: ReadonlyArray<http.IncomingHttpHeaders>
  /** How many requests have neither been answered nor ended with their connection. */
  readonly pending: () => number
}

export const service = <E, R, R2 = R>(
  app: HttpApp.Default<E, R>,
  middleware?: (app: HttpApp.Default<E, R>) => HttpApp.Default<E, R2>
): Effect.Effect<
  Service,
  HttpServerError.ServeError,
  Exclude<R | R2, HttpServerRequest.HttpServerRequest> | Scope.Scope
> =>
  Effect.gen(function*() {
    const received: Array<http.IncomingHttpHeaders> = []
    const sockets = new Set<net.Socket>()
    let pending = 0
    const create = () => {
      // Longer than any test: a server that closes idle connections is a fault of its own.
      const server = http.createServer({ keepAliveTimeout: 60_000 })
      server.on("connection", (socket) => {
        sockets.add(socket)
        socket.on("close", () => sockets.delete(socket))
      })
      server.on("request", (request, response) => {
        received.push(request.headers)
        pending++
        response.on("close", () => pending--)
      })
      return server
    }
    const server = yield* NodeHttpServer.make(create, { host: "127.0.0.1", port: 0 })
    // Before the server is closed, which waits for its connections.
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        for (const socket of sockets) socket.destroy()
      })
    )
    yield* middleware === undefined ? server.serve(app) : server.serve(app, middleware)
    if (server.address._tag !== "TcpAddress") return yield* Effect.dieMessage("a server without a port")
    return { url: `http://127.0.0.1:${server.address.port}/`, received, pending: () => pending }
  })
