/**
 * A real redis-server on 127.0.0.1, which ends with its scope. It keeps nothing on disk.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { Redis, type RedisOptions } from "ioredis"
import { type ChildProcess, spawn } from "node:child_process"
import * as net from "node:net"

export interface Server {
  readonly port: number
  /** Kills it (SIGKILL), and waits until it is gone. */
  readonly kill: Effect.Effect<void>
}

const host = "127.0.0.1"

const freePort: Effect.Effect<number> = Effect.async((resume) => {
  const server = net.createServer()
  server.listen(0, host, () => {
    const address = server.address()
    const port = typeof address === "object" && address !== null ? address.port : 0
    server.close(() => resume(Effect.succeed(port)))
  })
})

/** Begins a server, and answers once it takes connections. A port that somebody took meanwhile ends it: then it is begun again. */
const begin: Effect.Effect<{ readonly port: number; readonly child: ChildProcess }> = Effect.flatMap(freePort, (port) =>
  Effect.async<{ readonly port: number; readonly child: ChildProcess } | undefined>((resume) => {
    const args = ["--port", String(port), "--bind", host, "--save", "", "--appendonly", "no", "--loglevel", "notice"]
    const child = spawn("redis-server", args, { stdio: ["ignore", "pipe", "ignore"] })
    let said = ""
    child.stdout.on("data", (chunk: Buffer) => {
      said += chunk.toString()
      if (said.includes("Ready to accept connections")) resume(Effect.succeed({ port, child }))
    })
    child.once("exit", () => resume(Effect.succeed(undefined)))
    child.once("error", (error) => resume(Effect.die(error)))
  })).pipe(
    Effect.flatMap((begun) => begun === undefined ? Effect.fail("ended") : Effect.succeed(begun)),
    Effect.retry({ times: 5 }),
    Effect.orDie
  )

const end = (child: ChildProcess): Effect.Effect<void> =>
  Effect.async((resume) => {
    if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
    child.once("exit", () => resume(Effect.void))
    child.kill("SIGKILL")
  })

export const redisServer: Effect.Effect<Server, never, Scope.Scope> = Effect.map(
  Effect.acquireRelease(begin, ({ child }) => end(child)),
  ({ child, port }) => ({ port, kill: end(child) })
)

/** A client of a server, closed with its scope. Its errors are what its commands answer, and nothing else. */
export const redisClient = ({ port }: { readonly port: number }, options: RedisOptions = {}): Effect.Effect<Redis, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const client = new Redis({ host, port, ...options })
      client.on("error", () => {})
      return client
    }),
    (client) => Effect.sync(() => client.disconnect())
  )
