import * as HttpClient from "@effect/platform/HttpClient"
import { assert, describe, it } from "@effect/vitest"
import { assertNone, assertSome } from "@effect/vitest/utils"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import * as Classifier from "../../src/core/Classifier.ts"
import type { ConnectionTraced } from "../../src/core/Event.ts"
import * as Outcome from "../../src/core/Outcome.ts"
import * as Connections from "../../src/node/Connections.ts"
import * as ConnectionTrace from "../../src/node/ConnectionTrace.ts"
import * as Resilience from "../../src/policy/Resilience.ts"
import * as Observer from "../../src/strategy/Observer.ts"
import * as certificates from "../support/certificate.ts"
import { eventually, realTime } from "../support/eventually.ts"
import * as Fault from "../support/faults.ts"
import { serve, type Server, serveRaw, serveTls } from "../support/server.ts"

const certificate = certificates.make()

interface Pooled {
  readonly name: string
  readonly layer: (options?: Connections.Options) => Layer.Layer<HttpClient.HttpClient | Connections.Connections>
}

const pools: ReadonlyArray<Pooled> = [
  { name: "undici", layer: Connections.layerUndici },
  { name: "node:http", layer: Connections.layerNodeHttp }
]

const text = (url: string) => Effect.flatMap(HttpClient.get(url), (response) => response.text)

const snapshot = Effect.flatMap(Connections.Connections, (pool) => pool.snapshot)

const connectionsOf = ({ stats }: Server) => stats.requests.map(({ connection }) => connection)

/** The pool of a layer in a scope that the test closes. */
const open = (layer: Layer.Layer<HttpClient.HttpClient | Connections.Connections>) =>
  Effect.gen(function*() {
    const scope = yield* Scope.make()
    const context = yield* Layer.buildWithScope(layer, scope)
    return { scope, provide: Effect.provide(context), close: Scope.close(scope, Exit.void) }
  })

for (const { layer, name } of pools) {
  describe(`a pool of ${name}`, () => {
    it.scopedLive("opens as many connections as it may, uses them again, and leaves none open", () =>
      Effect.gen(function*() {
        const server = yield* serve((_, response) => void setTimeout(() => response.end("x"), 5))
        const pool = yield* open(layer({ maxSockets: 3 }))
        yield* pool.provide(Effect.gen(function*() {
          yield* Effect.all(Array.from({ length: 12 }, () => text(server.url)), { concurrency: "unbounded" })
          assert.strictEqual(server.stats.mostOpen, 3)
          assert.strictEqual(server.stats.connections, 3)
          assert.deepStrictEqual(yield* snapshot, { connecting: 0, open: 3 })
        }))
        yield* pool.close
        yield* eventually(() => server.stats.open === 0)
      }))

    it.scopedLive("ends a connection that has been idle for too long", () =>
      Effect.gen(function*() {
        const server = yield* serve(Fault.status(200, { body: "x" }))
        yield* Effect.gen(function*() {
          yield* text(server.url)
          assert.strictEqual(server.stats.open, 1)
          yield* eventually(() => server.stats.open === 0, "5 seconds")
          assert.deepStrictEqual(yield* snapshot, { connecting: 0, open: 0 })
        }).pipe(Effect.provide(layer({ idleTimeout: "100 millis" })))
      }))

    it.scopedLive("sends on no connection that is too old, and loses no request by that", () =>
      Effect.gen(function*() {
        const server = yield* serve(Fault.status(200, { body: "x" }))
        yield* Effect.gen(function*() {
          for (let i = 0; i < 4; i++) assert.strictEqual(yield* text(server.url), "x")
          assert.strictEqual(server.stats.connections, 4)
          const all = yield* Effect.all(Array.from({ length: 40 }, () => text(server.url)), { concurrency: "unbounded" })
          assert.deepStrictEqual(all, Array(40).fill("x"))
          assert.isAtMost(server.stats.mostOpen, 2)
        }).pipe(Effect.provide(layer({ maxLifetime: "1 nanos", maxSockets: 1 })))
        yield* eventually(() => server.stats.open === 0)
      }))

    it.scopedLive("keeps one that is not", () =>
      Effect.gen(function*() {
        const server = yield* serve(Fault.status(200, { body: "x" }))
        yield* Effect.gen(function*() {
          for (let i = 0; i < 4; i++) yield* text(server.url)
          assert.deepStrictEqual(connectionsOf(server), [1, 1, 1, 1])
        }).pipe(Effect.provide(layer({ maxLifetime: "1 minute", maxSockets: 1 })))
      }))

    it.scopedLive("gives up a connection that does not come to be open, as one that never was", () =>
      Effect.gen(function*() {
        // TCP connects, and the handshake is never answered.
        const server = yield* serveRaw((socket) => socket.resume())
        yield* Effect.gen(function*() {
          const exit = yield* Effect.exit(HttpClient.get(server.url.replace("http:", "https:")))
          const outcome = Classifier.run(Classifier.http, exit, 0)
          assert.isTrue(Outcome.isFailed(outcome))
          if (!Outcome.isFailed(outcome)) return
          assert.strictEqual(outcome.failure._tag, "ConnectFailure")
          yield* eventually(() => server.stats.open === 0)
          assert.deepStrictEqual(yield* snapshot, { connecting: 0, open: 0 })
        }).pipe(Effect.provide(layer({ connectTimeout: "50 millis" })))
      }))

    it.scoped("measures that limit on the clock of the program", () =>
      Effect.gen(function*() {
        const server = yield* serveRaw((socket) => socket.resume())
        yield* Effect.gen(function*() {
          const fiber = yield* Effect.fork(Effect.exit(text(server.url.replace("http:", "https:"))))
          yield* eventually(() => server.stats.open === 1)
          yield* TestClock.adjust("2999 millis")
          yield* realTime(20)
          assert.strictEqual(fiber.unsafePoll(), null)
          yield* TestClock.adjust("1 millis")
          assert.isTrue(Exit.isFailure(yield* Fiber.join(fiber)))
        }).pipe(Effect.provide(layer({ connectTimeout: "3 seconds", closeWithin: 0 })))
      }))

    it.scopedLive("waits for what is running when its scope closes, also for what stands in line", () =>
      Effect.gen(function*() {
        const server = yield* serve((_, response) => void setTimeout(() => response.end("x"), 50))
        const pool = yield* open(layer({ maxSockets: 1 }))
        const running = yield* Effect.fork(pool.provide(Effect.all([text(server.url), text(server.url)], { concurrency: 2 })))
        yield* eventually(() => server.stats.requests.length === 1)
        yield* pool.close
        assert.deepStrictEqual(yield* Fiber.join(running), ["x", "x"])
        yield* eventually(() => server.stats.open === 0)
      }))

    it.scopedLive("ends what runs for longer than it waits, and what nobody reads", () =>
      Effect.gen(function*() {
        const server = yield* serve(Fault.inTurn(Fault.status(200, { body: "x".repeat(1_000_000) }), Fault.hang))
        const pool = yield* open(layer({ closeWithin: "50 millis" }))
        const unread = yield* pool.provide(HttpClient.get(server.url))
        const running = yield* Effect.fork(pool.provide(Effect.exit(text(server.url))))
        yield* eventually(() => server.stats.requests.length === 2)
        yield* pool.close
        assert.isTrue(Exit.isFailure(yield* Fiber.join(running)))
        yield* eventually(() => server.stats.open === 0)
        assert.strictEqual(unread.status, 200)
      }))

    it.scopedLive("sends nothing when its scope has closed", () =>
      Effect.gen(function*() {
        const server = yield* serve(Fault.status(200, { body: "x" }))
        const pool = yield* open(layer())
        yield* pool.provide(text(server.url))
        yield* pool.close
        assert.isTrue(Exit.isFailure(yield* Effect.exit(pool.provide(text(server.url)))))
        assert.strictEqual(server.stats.requests.length, 1)
        yield* eventually(() => server.stats.open === 0)
      }))

    it.scopedLive("shows DNS, TCP and TLS apart, and what was agreed on", () =>
      Effect.gen(function*() {
        const server = yield* serveTls(certificate, Fault.status(200, { body: "x" }))
        const traces: Array<ConnectionTraced> = []
        const listener = Observer.sync((event) => void (event._tag === "ConnectionTraced" && traces.push(event)))
        yield* Effect.gen(function*() {
          const client = Resilience.withAttemptSpan(yield* HttpClient.HttpClient)
          for (let i = 1; i <= 2; i++) {
            yield* Effect.flatMap(client.get(server.url.replace("127.0.0.1", "localhost")), (response) => response.text)
            yield* eventually(() => traces.length === i)
          }
        }).pipe(
          Observer.observe(listener),
          Effect.provide(ConnectionTrace.layer().pipe(Layer.provide(layer({ maxSockets: 1, tls: { ca: certificate.cert } }))))
        )
        const [first, second] = traces.map(({ trace }) => trace)
        if (first === undefined || second === undefined) return assert.fail("two traces")
        const { connect, dns, tcp, tls } = first.phases
        const parts = [dns, tcp, tls].map((each) => Option.getOrThrow(each))
        assert.closeTo(parts.reduce((sum, each) => sum + each, 0), Option.getOrThrow(connect), 1e-6)
        assertSome(Option.map(first.tls, ({ version }) => version), "TLSv1.3")
        assertSome(second.connection, "reused")
        assertNone(second.phases.connect)
      }))

    it.scopedLive("shows that it was TLS where the handshake fails", () =>
      Effect.gen(function*() {
        const server = yield* serveTls(certificate, Fault.status(200))
        const traces: Array<ConnectionTraced> = []
        const listener = Observer.sync((event) => void (event._tag === "ConnectionTraced" && traces.push(event)))
        yield* Effect.gen(function*() {
          const client = Resilience.withAttemptSpan(yield* HttpClient.HttpClient)
          yield* Effect.exit(client.get(server.url))
          yield* eventually(() => traces.length === 1)
        }).pipe(Observer.observe(listener), Effect.provide(ConnectionTrace.layer().pipe(Layer.provide(layer()))))
        assert.deepStrictEqual(traces[0]?.trace.end, { _tag: "Failed", phase: "tls", code: "DEPTH_ZERO_SELF_SIGNED_CERT" })
      }))
  })

  describe(`options of a pool of ${name}`, () => {
    it("are refused where they are made", () => {
      for (const maxSockets of [0, -1, NaN, 1.5, Infinity]) assert.throws(() => layer({ maxSockets }), /maxSockets must be an integer >= 1/)
      for (const option of ["idleTimeout", "maxLifetime", "connectTimeout"] as const) {
        for (const value of [0, -1, NaN, Infinity, 2 ** 31]) assert.throws(() => layer({ [option]: value }), new RegExp(`${option} must be a finite duration`))
      }
      for (const closeWithin of [-1, NaN, Infinity]) assert.throws(() => layer({ closeWithin }), /closeWithin must be a finite duration/)
      layer({ closeWithin: 0, maxSockets: 1, idleTimeout: 1, maxLifetime: 1, connectTimeout: 1 })
    })
  })
}
