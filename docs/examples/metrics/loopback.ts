/**
 * A port of this machine, and what is served there.
 */
import type { HttpServer, HttpServerError } from "@effect/platform"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { Effect, type Scope } from "effect"
import * as http from "node:http"

export interface Loopback {
  readonly url: string
  readonly serve: HttpServer.HttpServer["serve"]
}

/** Listens: 0 is a free port. It closes with the scope, and cuts what is still running then. */
export const listen = (port: number): Effect.Effect<Loopback, HttpServerError.ServeError, Scope.Scope> =>
  Effect.gen(function*() {
    const node = http.createServer({ keepAliveTimeout: 60_000 })
    const server = yield* NodeHttpServer.make(() => node, { host: "127.0.0.1", port })
    yield* Effect.addFinalizer(() => Effect.sync(() => node.closeAllConnections()))
    if (server.address._tag !== "TcpAddress") return yield* Effect.dieMessage("a server without a port")
    return { url: `http://127.0.0.1:${server.address.port}`, serve: server.serve }
  })
