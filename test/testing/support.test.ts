import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Certificate from "../support/certificate.ts"
import { eventually, realTime } from "../support/eventually.ts"
import * as Fault from "../support/faults.ts"
import { closedPort, serve, serveRaw, type Server, serveTls, settled } from "../support/server.ts"
import { type Name, onEachTransport, undici } from "../support/transports.ts"

/** The code of the innermost error that has one, or its name. */
const codeOf = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error)
  if ("code" in error && typeof error.code === "string") return error.code
  return error.cause === undefined ? error.name : codeOf(error.cause)
}

const describeError = (error: HttpClientError.HttpClientError | Cause.TimeoutException): string =>
  error._tag === "TimeoutException" ? error._tag : `${error._tag} ${error.reason} ${codeOf(error.cause)}`

/** What the bare platform client makes of a request and the whole of its answer. */
const outcome = (request: HttpClientRequest.HttpClientRequest, within = 5_000) =>
  HttpClient.execute(request).pipe(
    Effect.flatMap((response) => Effect.map(response.text, (text) => `${response.status} ${text}`)),
    Effect.timeout(within),
    Effect.exit,
    Effect.map((exit) =>
      Exit.isSuccess(exit)
        ? exit.value
        : Option.match(Cause.failureOption(exit.cause), { onNone: () => Cause.pretty(exit.cause), onSome: describeError })
    )
  )

const get = (url: string, within?: number) => outcome(HttpClientRequest.get(url), within)

type Peer = Effect.Effect<Server, never, Scope.Scope>
type Expected = string | Readonly<Record<Name, string>>

const lost = (at: "RequestError Transport" | "ResponseError Decode"): Expected => ({
  "undici": `${at} UND_ERR_SOCKET`,
  "node:http": `${at} ECONNRESET`,
  "fetch": `${at} UND_ERR_SOCKET`
})

const faults: ReadonlyArray<readonly [name: string, peer: Peer, expected: Expected]> = [
  ["a status with a body of known length", serve(Fault.status(503, { body: "busy" })), "503 busy"],
  ["a status with a chunked body", serve(Fault.status(200, { body: "ok", framing: "chunked" })), "200 ok"],
  ["a reset before headers", serve(Fault.resetBeforeHeaders), "RequestError Transport ECONNRESET"],
  ["an end before headers", serve(Fault.finBeforeHeaders), lost("RequestError Transport")],
  ["a reset between headers and body", serve(Fault.status(200, { body: 9, ending: { resetAfter: 0 } })), "ResponseError Decode ECONNRESET"],
  ["a reset in the body", serve(Fault.status(200, { body: 9, ending: { resetAfter: 4 } })), "ResponseError Decode ECONNRESET"],
  ["an end in the body", serve(Fault.status(200, { body: 9, ending: { finAfter: 4 } })), lost("ResponseError Decode")],
  [
    "an end in a chunked body",
    serve(Fault.status(200, { body: 9, framing: "chunked", ending: { finAfter: 4 } })),
    lost("ResponseError Decode")
  ],
  ["a reset as soon as the connection is made", serveRaw(Fault.resetAtOnce), "RequestError Transport ECONNRESET"],
  ["an end in the headers", serveRaw(Fault.cutInHeaders), lost("RequestError Transport")],
  [
    "something that is not HTTP",
    serveRaw(Fault.junk),
    {
      "undici": "RequestError Transport HTTPParserError",
      "node:http": "RequestError Transport HPE_INVALID_CONSTANT",
      "fetch": "RequestError Transport HTTPParserError"
    }
  ],
  [
    "headers that are too large",
    serveRaw(Fault.hugeHeaders),
    {
      "undici": "RequestError Transport UND_ERR_HEADERS_OVERFLOW",
      "node:http": "RequestError Transport HPE_HEADER_OVERFLOW",
      "fetch": "RequestError Transport UND_ERR_HEADERS_OVERFLOW"
    }
  ],
  [
    "a body that is shorter than it says",
    serveRaw(Fault.raw("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc", "fin")),
    lost("ResponseError Decode")
  ],
  ["bytes one by one", serveRaw(Fault.trickle("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", 1)), "200 ok"]
]

const silences: ReadonlyArray<readonly [name: string, peer: Peer, isHttp: boolean]> = [
  ["no answer", serve(Fault.hang), true],
  ["no answer on a raw connection", serveRaw(Fault.silent), false],
  ["a body that stalls", serve(Fault.status(200, { body: 9, ending: { stallAfter: 4 } })), true],
  ["a body that stalls before its first byte", serve(Fault.status(200, { body: 9, ending: { stallAfter: 0 } })), true],
  ["a body that never ends", serve(Fault.status(200, { ending: "endless" })), true]
]

onEachTransport((name, layer) => {
  for (const [fault, peer, expected] of faults) {
    it.scopedLive(`${fault} is ${typeof expected === "string" ? expected : expected[name]}`, () =>
      Effect.gen(function*() {
        const server = yield* peer
        assert.strictEqual(yield* Effect.provide(get(server.url), layer()), typeof expected === "string" ? expected : expected[name])
        yield* settled(server)
      }))
  }

  for (const [silence, peer, isHttp] of silences) {
    it.scopedLive(`${silence} lasts until it is interrupted, and then the connection is closed`, () =>
      Effect.gen(function*() {
        const server = yield* peer
        const { requests } = server.stats
        yield* Effect.gen(function*() {
          const fiber = yield* Effect.fork(get(server.url))
          yield* eventually(() => (isHttp ? requests.length === 1 : server.stats.open === 1))
          yield* realTime(10)
          assert.deepStrictEqual(yield* fiber.poll, Option.none())
          yield* Fiber.interrupt(fiber)
          // fetch and undici dial again after an abort: what goes is the connection of the request.
          if (isHttp) yield* eventually(() => requests[0]?.closed?.how === "aborted")
        }).pipe(Effect.provide(layer()))
        yield* settled(server)
      }))
  }

  it.scopedLive("a port that nobody listens on is ECONNREFUSED", () =>
    Effect.gen(function*() {
      const url = yield* closedPort
      assert.strictEqual(yield* Effect.provide(get(url), layer()), "RequestError Transport ECONNREFUSED")
    }))

  it.scopedLive("a certificate is refused unless it is trusted, in date and for this host", () =>
    Effect.gen(function*() {
      const answer = Fault.status(200, { body: "ok" })
      const good = Certificate.make()
      const server = yield* serveTls(good, answer)
      assert.strictEqual(yield* Effect.provide(get(server.url), layer()), "RequestError Transport DEPTH_ZERO_SELF_SIGNED_CERT")
      assert.strictEqual(yield* Effect.provide(get(server.url), layer({ ca: good.cert })), "200 ok")
      assert.strictEqual(server.stats.requests[0]?.connection, 2)
      const old = Certificate.make({ notAfter: new Date(Date.now() - 1_000) })
      const expired = yield* serveTls(old, answer)
      assert.strictEqual(yield* Effect.provide(get(expired.url), layer({ ca: old.cert })), "RequestError Transport CERT_HAS_EXPIRED")
      const foreign = Certificate.make({ name: "other.test" })
      const wrong = yield* serveTls(foreign, answer)
      assert.strictEqual(
        yield* Effect.provide(get(wrong.url), layer({ ca: foreign.cert })),
        "RequestError Transport ERR_TLS_CERT_ALTNAME_INVALID"
      )
    }))

  it.scopedLive("keeps to its pool, and reuses it", () =>
    Effect.gen(function*() {
      const server = yield* serve((_, response) => void setTimeout(() => response.end("ok"), 2))
      yield* Effect.gen(function*() {
        const all = yield* Effect.all(Array.from({ length: 12 }, () => get(server.url)), { concurrency: "unbounded" })
        assert.deepStrictEqual(new Set(all), new Set(["200 ok"]))
        assert.deepInclude(server.stats, { connections: 3, open: 3, mostOpen: 3 })
        assert.deepStrictEqual(new Set(server.stats.requests.map(({ connection }) => connection)), new Set([1, 2, 3]))
      }).pipe(Effect.provide(layer({ connections: 3 })))
      yield* settled(server)
    }))

  it.scopedLive("is stopped by as many unread responses as it has connections", () =>
    Effect.gen(function*() {
      const server = yield* serve(Fault.status(503, { body: 256 * 1024 }))
      yield* Effect.gen(function*() {
        const client = yield* HttpClient.HttpClient
        const held = [yield* client.get(server.url), yield* client.get(server.url)]
        assert.strictEqual(yield* get(server.url, 40), "TimeoutException")
        assert.lengthOf(server.stats.requests, 2)
        assert.lengthOf(held, 2)
      }).pipe(Effect.provide(layer({ connections: 2 })))
      yield* settled(server)
    }))

  it.scopedLive("loses a connection that the server closes when it is idle", () =>
    Effect.gen(function*() {
      const server = yield* serveRaw(Fault.closeIdle(5))
      yield* Effect.gen(function*() {
        assert.strictEqual(yield* get(server.url), "200 ok")
        yield* settled(server)
        assert.strictEqual(yield* get(server.url), "200 ok")
        assert.strictEqual(server.stats.connections, 2)
      }).pipe(Effect.provide(layer({ connections: 1 })))
    }))

  it.scopedLive("sends what the server then has in its log", () =>
    Effect.gen(function*() {
      const server = yield* serve(Fault.inTurn(Fault.status(503), Fault.status(200, { headers: { "x-is": "well" } })))
      yield* Effect.gen(function*() {
        const send = (text: string) =>
          outcome(HttpClientRequest.post(`${server.url}items?q=1`).pipe(
            HttpClientRequest.setHeader("x-team", "billing"),
            HttpClientRequest.bodyText(text)
          ))
        assert.deepStrictEqual([yield* send("one"), yield* send("two"), yield* send("three")], ["503 ", "200 ", "200 "])
        const seen = server.stats.requests
        assert.deepStrictEqual(seen.map((request) => [request.number, request.method, request.url, request.body()]), [
          [1, "POST", "/items?q=1", "one"],
          [2, "POST", "/items?q=1", "two"],
          [3, "POST", "/items?q=1", "three"]
        ])
        assert.strictEqual(seen[0]?.headers["x-team"], "billing")
        yield* eventually(() => seen.every((request) => request.closed?.how === "finished"))
        assert.isTrue(seen.every((request) => request.closed !== undefined && request.closed.at >= request.at))
      }).pipe(Effect.provide(layer()))
    }))

  const early: Record<"keep" | "close", Record<Name, string>> = {
    keep: { "undici": "503 ", "node:http": "TimeoutException", "fetch": "503 " },
    close: { "undici": "503 ", "node:http": "RequestError Transport", "fetch": "503 " }
  }
  for (const connection of ["keep", "close"] as const) {
    it.scopedLive(`an answer before the end of an upload (${connection}) is ${early[connection][name]}`, () =>
      Effect.gen(function*() {
        const server = yield* serve(Fault.early(503, connection))
        // More than the buffers of the two sockets can hold.
        const upload = HttpClientRequest.bodyUint8Array(HttpClientRequest.post(server.url), new Uint8Array(16 << 20))
        // EPIPE or ECONNRESET: which of them is a race between the two halves of the connection.
        const found = (yield* Effect.provide(outcome(upload, 500), layer())).replace(/ (?:EPIPE|ECONNRESET)$/, "")
        assert.strictEqual(found, early[connection][name])
      }))
  }
})

describe("a server", () => {
  it.scopedLive("closes with its scope, whoever is still connected", () =>
    Effect.gen(function*() {
      const stats = yield* Effect.scoped(Effect.gen(function*() {
        const { stats, url } = yield* serve(Fault.hang)
        yield* Effect.forkScoped(get(url))
        yield* eventually(() => stats.requests.length === 1)
        assert.strictEqual(stats.open, 1)
        return stats
      }))
      yield* eventually(() => stats.open === 0)
    }).pipe(Effect.provide(undici.layer())))
})

describe("eventually", () => {
  it.live("waits for a fact", () =>
    Effect.gen(function*() {
      let isTrue = false
      yield* Effect.fork(Effect.zipRight(realTime(5), Effect.sync(() => (isTrue = true))))
      yield* eventually(() => isTrue)
      assert.isTrue(isTrue)
    }))

  it.effect("waits in real time, whatever the test's clock says, and shows what did not come true", () =>
    Effect.gen(function*() {
      const exit = yield* Effect.exit(eventually(() => 1 + 1 === 3, "20 millis"))
      assert.isTrue(Exit.isFailure(exit) && Cause.isDie(exit.cause))
      assert.include(Exit.isFailure(exit) ? Cause.pretty(exit.cause) : "", "not within 20ms: () => 1 + 1 === 3")
    }))
})
