/**
 * A real gRPC server on 127.0.0.1, whose messages are plain texts: no protobuf. It remembers what it was sent, and closes with its scope.
 */
import * as grpc from "@grpc/grpc-js"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as http2 from "node:http2"
import type * as net from "node:net"
import { Grpc } from "../../src/grpc/index.ts"

const toBytes = (text: string) => Buffer.from(text)
const fromBytes = (bytes: Buffer) => bytes.toString()

export const path = "/test.Echo/Say"

export type Call = grpc.ServerUnaryCall<string, string>
export type Handler = (call: Call, reply: grpc.sendUnaryData<string>) => void

/** Ends a call with a status, and metadata. */
export const fail = (code: grpc.status, metadata: Record<string, string> = {}): Handler => (_, reply) => {
  const trailers = new grpc.Metadata()
  for (const [key, value] of Object.entries(metadata)) trailers.set(key, value)
  reply({ code, details: grpc.status[code], metadata: trailers })
}

export const echo: Handler = (call, reply) => reply(null, call.request)

/** Never replies. */
export const hang: Handler = () => {}

export interface Received {
  /** By the monotonic clock, in ms. */
  readonly at: number
  readonly metadata: Record<string, unknown>
  /** How long the server was told that the answer is waited for, in ms; Infinity where it was not. */
  readonly timeLeft: number
  /** Whether the server was told that nobody waits any more. */
  cancelled: boolean
}

/** A server whose nth call is handled by the nth handler, and by the last one from then on. */
export const serve = (
  ...handlers: readonly [Handler, ...ReadonlyArray<Handler>]
): Effect.Effect<{ readonly address: string; readonly received: ReadonlyArray<Received> }, never, Scope.Scope> =>
  Effect.gen(function*() {
    const received: Array<Received> = []
    const server = yield* Effect.acquireRelease(
      Effect.sync(() => new grpc.Server()),
      (server) => Effect.sync(() => server.forceShutdown())
    )
    server.addService(
      {
        say: {
          path,
          requestStream: false,
          responseStream: false,
          requestSerialize: toBytes,
          requestDeserialize: fromBytes,
          responseSerialize: toBytes,
          responseDeserialize: fromBytes
        }
      },
      {
        say: (call: Call, reply: grpc.sendUnaryData<string>) => {
          const timeLeft = Number(call.getDeadline()) - Date.now()
          const one: Received = { at: performance.now(), metadata: call.metadata.getMap(), timeLeft, cancelled: false }
          const handler = handlers[Math.min(received.push(one), handlers.length) - 1]
          call.on("cancelled", () => {
            one.cancelled = true
          })
          handler?.(call, reply)
        }
      }
    )
    const port = yield* Effect.async<number>((resume) =>
      server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) =>
        resume(error === null ? Effect.succeed(port) : Effect.die(error))))
    return { address: `127.0.0.1:${port}`, received }
  })

/** A client of such a server. Nothing is retried by grpc-js itself, and nothing is asked of DNS. */
export const client = (address: string, options: grpc.ClientOptions = {}) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() =>
        new grpc.Client(address, grpc.credentials.createInsecure(), {
          "grpc.enable_retries": 0,
          "grpc.service_config_disable_resolution": 1,
          ...options
        })
      ),
      (client) => Effect.sync(() => client.close())
    ),
    (client) =>
      Grpc.unary(
        (text: string, metadata: grpc.Metadata, done: Grpc.Done<string, grpc.ServiceError>) =>
          client.makeUnaryRequest(path, toBytes, fromBytes, text, metadata, done),
        () => new grpc.Metadata()
      )
  )

/** What an http2 server answers to the nth stream: a reset with a code, or a message. */
export type Step = { readonly reset: number } | { readonly text: string }

/** A server below the level of grpc-js, which can refuse streams. */
export const serveStreams = (
  ...steps: readonly [Step, ...ReadonlyArray<Step>]
): Effect.Effect<{ readonly address: string; readonly streams: ReadonlyArray<http2.IncomingHttpHeaders> }, never, Scope.Scope> =>
  Effect.gen(function*() {
    const streams: Array<http2.IncomingHttpHeaders> = []
    const server = http2.createServer()
    const sessions = new Set<http2.ServerHttp2Session>()
    server.on("session", (session) => sessions.add(session))
    server.on("stream", (stream, headers) => {
      stream.on("error", () => {})
      const step = steps[Math.min(streams.push(headers), steps.length) - 1]
      if (step === undefined) return
      if ("reset" in step) return stream.close(step.reset)
      const message = toBytes(step.text)
      const frame = Buffer.alloc(5)
      frame.writeUInt32BE(message.length, 1)
      stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true })
      stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }))
      stream.end(Buffer.concat([frame, message]))
    })
    yield* Effect.acquireRelease(
      Effect.async<void>((resume) => {
        server.listen(0, "127.0.0.1", () => resume(Effect.void))
      }),
      () =>
        Effect.async<void>((resume) => {
          for (const session of sessions) session.destroy()
          server.close(() => resume(Effect.void))
        })
    )
    // A server that listens on a port has an address.
    return { address: `127.0.0.1:${(server.address() as net.AddressInfo).port}`, streams }
  })
