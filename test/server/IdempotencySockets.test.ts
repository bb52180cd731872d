import {
  HttpApi, HttpApiBuilder, HttpApiEndpoint, HttpApiGroup, type HttpApp, HttpBody, HttpClient, HttpClientRequest, HttpMiddleware, HttpRouter, HttpServer,
  HttpServerRequest, HttpServerResponse
} from "@effect/platform"
import { NodeHttpServer } from "@effect/platform-node"
import { it } from "@effect/vitest"
import { Deferred, Effect, flow, Layer, Random, Schema, Stream } from "effect"
import * as http from "node:http"
import * as net from "node:net"
import { assert, describe } from "vitest"
import * as Backoff from "../../src/core/Backoff.ts"
import * as ResilientClient from "../../src/policy/ResilientClient.ts"
import * as Strategy from "../../src/policy/Strategy.ts"
import * as RedisStore from "../../src/redis/IdempotencyStore.ts"
import * as Idempotency from "../../src/server/Idempotency.ts"
import * as IdempotencyStore from "../../src/strategy/IdempotencyStore.ts"
import * as Observer from "../../src/strategy/Observer.ts"
import * as RetryBudget from "../../src/strategy/RetryBudget.ts"
import * as RetrySchedule from "../../src/strategy/RetrySchedule.ts"
import { requireBinary } from "../support/debian.ts"
import { eventually } from "../support/eventually.ts"
import { redisClient, redisServer } from "../support/redis.ts"
import { serveRaw } from "../support/server.ts"
import { service } from "../support/services.ts"
import { onEachTransport, undici } from "../support/transports.ts"

const Memory = IdempotencyStore.layerStoreMemory()
const once = Idempotency.middleware({ caller: "shared" })

const order = (key: string, body: HttpBody.HttpBody = HttpBody.text("{}", "application/json")) => (url: string) =>
  HttpClientRequest.post(url).pipe(HttpClientRequest.setHeader("Idempotency-Key", key), HttpClientRequest.setBody(body))

/** Passes bytes on to one of some ports, and resets so many connections, each at some moment. */
const unreliable = (ports: ReadonlyArray<number>, resets: number) => {
  const state = { reset: 0 }
  return Effect.map(
    serveRaw((socket, number) => {
      const upstream = net.connect(ports[number % ports.length] ?? 0, "127.0.0.1")
      socket.pipe(upstream).pipe(socket)
      for (const end of [socket, upstream]) {
        end.on("error", () => {})
        end.on("close", () => {
          socket.destroy()
          upstream.destroy()
        })
      }
      if (state.reset >= resets) return
      state.reset++
      // From before a handler begins until after it has answered, and most of all in between.
      setTimeout(() => socket.resetAndDestroy(), (number * 37) % 250)
    }),
    (server) => ({ url: server.url, state })
  )
}

describe.skipIf(!requireBinary("redis-server"))("50 clients that send the same 20 orders to two servers with one Redis", () => {
  it.scopedLive("have each of them done once, and get the same answer, while connections are reset", () =>
    Effect.gen(function*() {
      const effects = new Map<string, number>()
      const handler = Effect.gen(function*() {
        const body = yield* (yield* HttpServerRequest.HttpServerRequest).text
        yield* Effect.sleep(yield* Random.nextIntBetween(0, 100))
        effects.set(body, (effects.get(body) ?? 0) + 1)
        yield* Effect.sleep(yield* Random.nextIntBetween(100, 200))
        return HttpServerResponse.text(`${body} is ${yield* Random.nextInt}`, { status: 201 })
      })
      const redis = yield* redisServer
      const server = Effect.gen(function*() {
        const store = RedisStore.layerStoreRedis({ client: yield* redisClient(redis) })
        // A slow machine shall not look like a store that is down.
        const mine = Idempotency.middleware({ caller: "shared", storeTimeout: "30 seconds" })
        return yield* Effect.provide(service(mine(HttpRouter.empty.pipe(HttpRouter.post("/", handler)))), store)
      })
      const servers = [yield* server, yield* server]
      const { state, url } = yield* unreliable(servers.map((each) => Number(new URL(each.url).port)), 200)
      const client = yield* ResilientClient.make({
        budget: RetryBudget.unlimited,
        attemptTimeout: "none",
        deadline: "none",
        bufferedBody: Strategy.bufferedBody(),
        retry: {
          maxAttempts: 500,
          schedule: RetrySchedule.fromBackoff(Backoff.constant("20 millis")).pipe(RetrySchedule.honourRetryAfter({ atMost: "60 seconds" }))
        }
      })
      const orders = Array.from({ length: 20 }, (_, i) => `order ${i}`)
      const answers = yield* Effect.forEach(
        Array.from({ length: 50 }),
        (_, who) =>
          // Two that follow each other begin with the same orders.
          Effect.forEach([...orders.slice((who * 3) % 20), ...orders.slice(0, (who * 3) % 20)], (name) =>
            Effect.gen(function*() {
              const response = yield* client.execute(order(name.replace(" ", "-"), HttpBody.text(name))(url))
              return [name, `${response.status} ${yield* response.text}`] as const
            })),
        { concurrency: "unbounded" }
      )
      const all = answers.flat()
      assert.strictEqual(all.length, 1000)
      assert.deepStrictEqual([...effects].sort(), orders.map((name): [string, number] => [name, 1]).sort())
      for (const name of orders) {
        const given = new Set(all.filter(([of]) => of === name).map(([, answer]) => answer))
        assert.strictEqual(given.size, 1, [...given].join())
        assert.match([...given][0] ?? "", new RegExp(`^201 ${name} is `))
      }
      const received = servers.reduce((sum, each) => sum + each.received.length, 0)
      assert.isAtLeast(state.reset, 50)
      assert.isAbove(received, 1000)
      for (const each of servers) {
        assert.isAbove(each.received.length, 0)
        yield* eventually(() => each.pending() === 0)
      }
    }).pipe(Effect.provide(undici.layer({ connections: 50 }))), 120_000)
})

describe.skipIf(!requireBinary("redis-server"))("a server whose Redis is gone", () => {
  it.scopedLive("answers keyed requests with 503 in the time that the store has, does nothing, and serves the others", () =>
    Effect.gen(function*() {
      let done = 0
      const redis = yield* redisServer
      // As ioredis is by default: it connects again for ever, and commands wait for that.
      const store = RedisStore.layerStoreRedis({ client: yield* redisClient(redis) })
      const { url } = yield* Effect.provide(service(once(Effect.sync(() => HttpServerResponse.text(`${++done}`)))), store)
      assert.strictEqual((yield* HttpClient.execute(order("a")(url))).status, 200)
      yield* redis.kill
      const refused = yield* HttpClient.execute(order("b")(url))
      assert.deepStrictEqual([refused.status, refused.headers["retry-after"], done], [503, "1", 1])
      assert.strictEqual((yield* HttpClient.post(url)).status, 200)
    }).pipe(Effect.provide(undici.layer())))
})

onEachTransport((_, transport) => {
  it.scopedLive("a keyed request is done once, its body read by the handler, and its answer given again", () =>
    Effect.gen(function*() {
      let done = 0
      const app = HttpRouter.empty.pipe(
        HttpRouter.post("/orders", Effect.gen(function*() {
          const request = yield* HttpServerRequest.HttpServerRequest
          const body = yield* request.json
          const read = [
            new TextDecoder().decode(yield* request.arrayBuffer),
            yield* Stream.mkString(Stream.decodeText(request.stream)),
            yield* request.text
          ]
          for (const each of read) assert.deepStrictEqual<unknown>(JSON.parse(each), body)
          return yield* HttpServerResponse.json({ number: ++done, body }, { status: 201 })
        })),
        once
      )
      const { url } = yield* service(app)
      const send = (key: string, body: string) =>
        Effect.flatMap(HttpClient.execute(order(key, HttpBody.text(body, "application/json"))(`${url}orders`)), (response) =>
          Effect.map(response.text, (text) => [response.status, text, response.headers["idempotent-replayed"] ?? "first"] as const))
      assert.deepStrictEqual(yield* send("a", "{\"x\":\"\u00e9\"}"), [201, "{\"number\":1,\"body\":{\"x\":\"\u00e9\"}}", "first"])
      assert.deepStrictEqual(yield* send("\"a\"", "{\"x\":\"\u00e9\"}"), [201, "{\"number\":1,\"body\":{\"x\":\"\u00e9\"}}", "true"])
      assert.strictEqual((yield* send("a", "{}"))[0], 422)
      assert.strictEqual((yield* send("a, b", "{}"))[0], 400)
      assert.strictEqual(done, 1)
    }).pipe(Effect.provide([Memory, transport()])))

  it.scopedLive("a body that is too long and does not say so is refused with an answer", () =>
    Effect.gen(function*() {
      const app = Idempotency.middleware({ caller: "shared", requestLimit: 1000 })(Effect.succeed(HttpServerResponse.empty()))
      const { url } = yield* service(app)
      const chunk = new Uint8Array(600)
      const fits = HttpBody.stream(Stream.make(chunk))
      const tooLong = HttpBody.stream(Stream.make(chunk, chunk))
      assert.strictEqual((yield* HttpClient.execute(order("a", fits)(url))).status, 204)
      assert.strictEqual((yield* HttpClient.execute(order("b", tooLong)(url))).status, 413)
    }).pipe(Effect.provide([Memory, transport()])))
})

describe("a body", () => {
  it.scopedLive("that was read above the middleware is no empty one: the request dies", () =>
    Effect.gen(function*() {
      let done = 0
      const app = once(Effect.sync(() => HttpServerResponse.text(`${++done}`)))
      const above = Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => Effect.zipRight(request.text, app))
      const { url } = yield* service(Effect.orDie(above))
      assert.strictEqual((yield* HttpClient.execute(order("a")(url))).status, 500)
      assert.strictEqual(done, 0)
      assert.strictEqual((yield* HttpClient.execute(order("b", HttpBody.text(""))(url))).status, 200)
    }).pipe(Effect.provide([Memory, undici.layer()])))

  it.scopedLive("that ends before its end is done nothing with", () =>
    Effect.gen(function*() {
      let done = 0
      const events: Array<string> = []
      const told = Observer.sync((event) => {
        events.push("because" in event ? `${event._tag} ${String(event.because)}` : event._tag)
      })
      const { pending, url } = yield* service(Observer.observe(once(Effect.sync(() => HttpServerResponse.text(`${++done}`))), told))
      const socket = net.connect(Number(new URL(url).port), "127.0.0.1")
      socket.on("error", () => {})
      socket.write("POST / HTTP/1.1\r\nhost: a\r\nidempotency-key: a\r\ncontent-length: 10\r\n\r\n12345")
      yield* eventually(() => pending() === 1)
      socket.resetAndDestroy()
      yield* eventually(() => pending() === 0 && events.length === 1)
      assert.deepStrictEqual([done, events], [0, ["IdempotencyRefused Unreadable"]])
    }).pipe(Effect.provide([Memory, undici.layer()])))
})

/** A route that has begun, and ends when it is told to: in the one place the platform interrupts. */
const held = Effect.gen(function*() {
  const state = { begun: 0, ended: 0, interrupted: 0 }
  const [started, go] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
  const handler = Effect.suspend(() => {
    state.begun++
    return Effect.zipRight(Deferred.succeed(started, undefined), Deferred.await(go)).pipe(
      Effect.onInterrupt(() => Effect.sync(() => state.interrupted++)),
      Effect.map(() => HttpServerResponse.text(`order ${++state.ended}`))
    )
  })
  return { state, started, go, app: HttpRouter.empty.pipe(HttpRouter.post("/", handler)) }
})

/** Round a router, and round the whole server. */
const positions = [
  ["round a router", <E, R>(app: HttpApp.Default<E, R>, once: Idempotency.Middleware<never, never>) => service(once(app))],
  ["round a server", <E, R>(app: HttpApp.Default<E, R>, once: Idempotency.Middleware<never, never>) => service(app, once)]
] as const

for (const [position, serve] of positions) {
  const send = (url: string) =>
    Effect.flatMap(HttpClient.execute(order("a")(url)), (response) =>
      Effect.map(response.text, (text) => [response.status, text, response.headers["idempotent-replayed"] ?? "first"] as const))

  /** Sends a request, and resets its connection once the handler has begun. */
  const leave = (url: string, started: Deferred.Deferred<void>) =>
    Effect.gen(function*() {
      const socket = net.connect(Number(new URL(url).port), "127.0.0.1")
      socket.on("error", () => {})
      socket.write("POST / HTTP/1.1\r\nhost: a\r\nidempotency-key: a\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}")
      yield* Deferred.await(started)
      socket.resetAndDestroy()
    })

  describe(`${position}, a route`, () => {
    it.scopedLive("finishes though its client has gone", () =>
      Effect.gen(function*() {
        const { app, go, started, state } = yield* held
        const { pending, url } = yield* serve(app, once)
        yield* leave(url, started)
        yield* eventually(() => pending() === 0)
        assert.strictEqual((yield* send(url))[0], 409)
        assert.deepStrictEqual(state, { begun: 1, ended: 0, interrupted: 0 })
        yield* Deferred.succeed(go, undefined)
        let last = yield* send(url)
        while (last[0] === 409) last = yield* Effect.delay(send(url), "10 millis")
        assert.deepStrictEqual(last, [200, "order 1", "true"])
        assert.deepStrictEqual(state, { begun: 1, ended: 1, interrupted: 0 })
      }).pipe(Effect.provide([Memory, undici.layer()])))

    it.scopedLive("ends with its client where it is told to, and its key is free", () =>
      Effect.gen(function*() {
        const { app, go, started, state } = yield* held
        const mine = Idempotency.middleware({ caller: "shared", whenClientLeaves: "interrupt" })
        const { url } = yield* serve(app, mine)
        yield* leave(url, started)
        yield* eventually(() => state.interrupted === 1)
        yield* Deferred.succeed(go, undefined)
        let last = yield* send(url)
        while (last[0] === 409) last = yield* Effect.delay(send(url), "10 millis")
        assert.deepStrictEqual(last, [200, "order 1", "first"])
        assert.deepStrictEqual(yield* send(url), [200, "order 1", "true"])
      }).pipe(Effect.provide([Memory, undici.layer()])))

    it.scopedLive("that takes too long is answered with 503, and its key is free", () =>
      Effect.gen(function*() {
        const { app, go, state } = yield* held
        const mine = Idempotency.middleware({ caller: "shared", runAtMost: "2 seconds" })
        const { url } = yield* serve(app, mine)
        const late = yield* send(url)
        assert.deepStrictEqual([late[0], JSON.parse(late[1]).title], [503, "The request took too long"])
        assert.strictEqual(state.interrupted, 1)
        yield* Deferred.succeed(go, undefined)
        assert.deepStrictEqual(yield* send(url), [200, "order 1", "first"])
      }).pipe(Effect.provide([Memory, undici.layer()])))
  })
}

class Taken extends Schema.TaggedError<Taken>()("Taken", { name: Schema.String }) {}

const api = HttpApi.make("shop").add(
  HttpApiGroup.make("orders").add(
    HttpApiEndpoint.post("place", "/orders")
      .setPayload(Schema.Struct({ name: Schema.String }))
      .addSuccess(Schema.Struct({ number: Schema.Number }), { status: 201 })
      .addError(Taken, { status: 409 })
  )
)

/** A server whose every connection can be cut. */
const cuttable = () => {
  const sockets = new Set<net.Socket>()
  const create = () =>
    http.createServer().on("connection", (socket: net.Socket) => {
      sockets.add(socket)
    })
  return { sockets, create }
}

describe("an HttpApi", () => {
  it.scopedLive("does a keyed request once with the middleware round its server, typed errors included", () =>
    Effect.gen(function*() {
      let done = 0
      const started = yield* Deferred.make<void>()
      const go = yield* Deferred.make<void>()
      const Orders = HttpApiBuilder.group(api, "orders", (handlers) =>
        handlers.handle("place", ({ payload }) =>
          Effect.gen(function*() {
            const number = ++done
            if (payload.name === "taken") return yield* new Taken({ name: `${number}` })
            if (payload.name === "slow") {
              yield* Deferred.succeed(started, undefined)
              yield* Deferred.await(go)
            }
            return { number }
          })))
      const { create, sockets } = cuttable()
      const Api = HttpApiBuilder.serve(flow(once, HttpMiddleware.cors())).pipe(
        Layer.provide(HttpApiBuilder.api(api)),
        Layer.provide(Orders),
        Layer.provide(Memory),
        Layer.provideMerge(NodeHttpServer.layer(create, { host: "127.0.0.1", port: 0 }))
      )
      yield* Effect.gen(function*() {
        const { address } = yield* HttpServer.HttpServer
        const url = `http://127.0.0.1:${address._tag === "TcpAddress" ? address.port : 0}/orders`
        const send = (key: string, name: string) =>
          Effect.flatMap(
            HttpClient.execute(order(key, HttpBody.unsafeJson({ name }))(url)),
            (response) => Effect.map(response.text, (text) => [response.status, text, response.headers["idempotent-replayed"] ?? "first"] as const)
          )
        assert.deepStrictEqual(yield* send("a", "x"), [201, "{\"number\":1}", "first"])
        assert.deepStrictEqual(yield* send("a", "x"), [201, "{\"number\":1}", "true"])
        assert.deepStrictEqual(yield* send("b", "taken"), [409, "{\"name\":\"2\",\"_tag\":\"Taken\"}", "first"])
        assert.deepStrictEqual(yield* send("b", "taken"), [409, "{\"name\":\"2\",\"_tag\":\"Taken\"}", "true"])
        // The payload is refused below: that is the result of this request too.
        assert.strictEqual((yield* HttpClient.execute(order("c", HttpBody.unsafeJson({}))(url))).status, 400)
        const replayed = yield* HttpClient.execute(order("a", HttpBody.unsafeJson({ name: "x" }))(url))
        assert.strictEqual(replayed.headers["access-control-allow-origin"], "*")
        const gone = yield* Effect.fork(send("d", "slow"))
        yield* Deferred.await(started)
        for (const socket of sockets) socket.resetAndDestroy()
        assert.strictEqual((yield* Effect.exit(gone))._tag, "Failure")
        assert.strictEqual((yield* send("d", "slow"))[0], 409)
        yield* Deferred.succeed(go, undefined)
        let last: readonly [number, string, string] = [0, "", ""]
        while (last[0] !== 201) {
          last = yield* send("d", "slow")
          yield* Effect.sleep("10 millis")
        }
        assert.deepStrictEqual(last, [201, "{\"number\":3}", "true"])
        assert.strictEqual(done, 3)
        for (const socket of sockets) socket.destroy()
      }).pipe(Effect.provide(Api))
    }).pipe(Effect.provide(undici.layer())))
})
