import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import { assert, describe, it } from "@effect/vitest"
import { assertNone, assertSome } from "@effect/vitest/utils"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as diagnostics from "node:diagnostics_channel"
import type * as Connection from "../../src/core/Connection.ts"
import type { ConnectionTraced } from "../../src/core/Event.ts"
import * as Middleware from "../../src/http/Middleware.ts"
import * as ConnectionTrace from "../../src/node/ConnectionTrace.ts"
import * as Resilience from "../../src/policy/Resilience.ts"
import * as Observer from "../../src/strategy/Observer.ts"
import * as Recorder from "../../src/testing/Recorder.ts"
import * as certificates from "../support/certificate.ts"
import { eventually } from "../support/eventually.ts"
import * as Fault from "../support/faults.ts"
import { closedPort, serve, type Server, serveRaw, serveTls } from "../support/server.ts"
import { onEachTransport, undici } from "../support/transports.ts"

const certificate = certificates.make()

const channels = [
  "undici:request:create",
  "undici:client:sendHeaders",
  "undici:request:error",
  "net.client.socket",
  "http.client.request.start",
  "http.client.response.finish",
  "effect-resilience:dial"
]

const listening = () => channels.filter((name) => diagnostics.hasSubscribers(name))

/** By name, so that it has to be looked up. */
const named = (server: Server) => server.url.replace("127.0.0.1", "localhost")

interface Run {
  readonly traces: ReadonlyArray<ConnectionTraced>
  readonly spans: ReadonlyArray<Recorder.Span>
}

/** Gets an address so many times in turn, and gives what was told and traced. */
const gets = (url: string, times: number, transport: Layer.Layer<HttpClient.HttpClient>): Effect.Effect<Run> => {
  const traces: Array<ConnectionTraced> = []
  const listener = Observer.sync((event) => void (event._tag === "ConnectionTraced" && traces.push(event)))
  return Effect.gen(function*() {
    const client = Resilience.withAttemptSpan(yield* HttpClient.HttpClient)
    for (let i = 1; i <= times; i++) {
      yield* Effect.exit(Effect.flatMap(client.get(url), ({ text }) => text))
      yield* eventually(() => traces.length === i)
    }
    const recorder = yield* Recorder.Recorder
    return { spans: yield* recorder.spans, traces }
  }).pipe(
    Observer.observe(listener),
    Effect.provide(ConnectionTrace.layer().pipe(Layer.provide(transport))),
    Effect.provide(Recorder.layer)
  )
}

const lengthOf = ({ phases }: Connection.Trace): number =>
  [phases.pool, phases.connect, phases.send, phases.firstByte, phases.body].reduce((sum, each) => sum + Option.getOrElse(each, () => 0), 0)

const some = <A>(option: Option.Option<A>): A => Option.getOrThrow(option)

const phasesOn = (span: Recorder.Span | undefined) => span?.events.map(({ name }) => name.replace("http.client.connection.", ""))

onEachTransport((name, layer) => {
  const transport = name === "node:http" ? "node:http" : "undici"

  it.scopedLive("the first request shows how its connection was opened, the second that it was there", () =>
    Effect.gen(function*() {
      const server = yield* serve(Fault.status(200, { body: "hello" }))
      const { spans, traces } = yield* gets(named(server), 2, layer({ connections: 1 }))
      const [first, second] = traces.map(({ trace }) => trace)
      assert.isDefined(first)
      assert.isDefined(second)
      if (first === undefined || second === undefined) return
      assert.deepStrictEqual([first.transport, second.transport], [transport, transport])
      assert.deepStrictEqual([first.end._tag, second.end._tag], ["Completed", "Completed"])
      assertSome(first.connection, "new")
      assert.isTrue(Option.isSome(first.phases.dns))
      assert.isTrue(Option.isSome(first.phases.tcp))
      assertNone(first.phases.tls)
      assertNone(first.idle)
      assertSome(second.connection, "reused")
      for (const each of ["dns", "tcp", "tls", "connect"] as const) assertNone(second.phases[each])
      assert.isTrue(Option.isSome(second.idle))
      for (const each of [first, second]) {
        assert.isTrue(Option.isSome(each.phases.pool) && Option.isSome(each.phases.send))
        assert.isTrue(Option.isSome(each.phases.firstByte) && Option.isSome(each.phases.body))
        assert.closeTo(lengthOf(each), each.phases.total, 1e-6)
        assert.strictEqual(some(each.peer).port, server.port)
        assertNone(each.tls)
        assert.strictEqual(each.origin, `http://localhost:${server.port}`)
      }
      assert.strictEqual(server.stats.connections, 1)
      assert.deepStrictEqual(traces.map(({ spanId, traceId }) => [traceId, spanId]), spans.map(({ spanId, traceId }) => [traceId, spanId]))
      assert.deepStrictEqual(phasesOn(spans[0]), ["pool", "dns", "tcp", "send", "first_byte"])
      assert.deepStrictEqual(phasesOn(spans[1]), ["pool", "send", "first_byte"])
      assert.strictEqual(spans[0]?.attributes["network.peer.port"], server.port)
      assert.deepStrictEqual(spans.map(({ attributes }) => attributes["http.client.connection.state"]), ["new", "reused"])
      assert.deepStrictEqual(spans.flatMap(({ late }) => late), [])
      const instants = spans.flatMap(({ events }) => events.map(({ at }) => at))
      assert.deepStrictEqual(instants, [...instants].sort((a, b) => a - b))
    }))

  it.scopedLive("over TLS it shows the handshake and what was agreed on", () =>
    Effect.gen(function*() {
      const server = yield* serveTls(certificate, Fault.status(200, { body: "hello" }))
      const { spans, traces } = yield* gets(named(server), 2, layer({ ca: certificate.cert, connections: 1 }))
      const [first, second] = traces.map(({ trace }) => trace)
      if (first === undefined || second === undefined) return assert.fail("two traces")
      assertSome(first.connection, "new")
      assert.isTrue(Option.isSome(first.phases.connect))
      // A connector that is not ours shows no part of it.
      for (const each of ["dns", "tcp", "tls"] as const) assert.strictEqual(Option.isSome(first.phases[each]), name === "node:http", each)
      assertSome(second.connection, "reused")
      assertNone(second.phases.connect)
      for (const { phases, tls } of [first, second]) {
        assert.closeTo(lengthOf({ ...first, phases }), phases.total, 1e-6)
        assert.strictEqual(some(tls).version, "TLSv1.3")
      }
      assert.strictEqual(spans[0]?.attributes["tls.protocol.version"], "1.3")
      assert.include(phasesOn(spans[0]) ?? [], name === "node:http" ? "tls" : "connect")
    }))

  it.scopedLive("a refused port shows that it was TCP", () =>
    Effect.gen(function*() {
      const { spans, traces } = yield* gets(yield* closedPort, 1, layer())
      const trace = traces[0]?.trace
      assert.deepStrictEqual(trace?.end, { _tag: "Failed", phase: "tcp", code: "ECONNREFUSED" })
      assertNone(trace?.connection ?? Option.some("new"))
      assert.deepStrictEqual(phasesOn(spans[0]), ["pool", "failed"])
      assert.deepStrictEqual(spans[0]?.events.at(-1)?.attributes, {
        "http.client.connection.phase": "tcp",
        "error.type": "ECONNREFUSED"
      })
    }))

  it.scopedLive("a host without an address shows that it was DNS", () =>
    Effect.gen(function*() {
      const { traces } = yield* gets("http://nobody.invalid/", 1, layer())
      const end = traces[0]?.trace.end
      assert.strictEqual(end?._tag === "Failed" ? end.phase : end?._tag, "dns")
    }))

  it.scopedLive("a certificate that nobody trusts shows where it failed", () =>
    Effect.gen(function*() {
      const server = yield* serveTls(certificate, Fault.status(200))
      const { traces } = yield* gets(server.url, 1, layer())
      assert.deepStrictEqual(traces[0]?.trace.end, {
        _tag: "Failed",
        phase: name === "node:http" ? "tls" : "connect",
        code: "DEPTH_ZERO_SELF_SIGNED_CERT"
      })
    }))

  it.scopedLive("a peer that closes without an answer shows that the first byte did not come", () =>
    Effect.gen(function*() {
      const server = yield* serveRaw((socket) => socket.once("data", () => socket.destroy()))
      const { traces } = yield* gets(server.url, 1, layer())
      const trace = traces[0]?.trace
      assert.strictEqual(trace?.end._tag === "Failed" ? trace.end.phase : trace?.end._tag, "firstByte")
      assertSome(trace?.connection ?? Option.none(), "new")
    }))

  it.scopedLive("an attempt that is interrupted shows what it was waiting for", () =>
    Effect.gen(function*() {
      const server = yield* serve(Fault.hang)
      const traces: Array<ConnectionTraced> = []
      const listener = Observer.sync((event) => void (event._tag === "ConnectionTraced" && traces.push(event)))
      yield* Effect.gen(function*() {
        const client = Resilience.withAttemptSpan(yield* HttpClient.HttpClient)
        yield* Effect.raceFirst(client.get(server.url), Effect.zipRight(eventually(() => server.stats.requests.length === 1), Effect.sleep(20)))
        yield* eventually(() => traces.length === 1)
        assert.deepStrictEqual(traces[0]?.trace.end, { _tag: "Aborted", phase: "firstByte" })
        const recorder = yield* Recorder.Recorder
        const [span] = yield* recorder.spans
        assert.deepStrictEqual(phasesOn(span)?.slice(-2), ["send", "failed"])
        assert.deepStrictEqual(span?.late, [])
      }).pipe(
        Observer.observe(listener),
        Effect.provide(ConnectionTrace.layer().pipe(Layer.provide(layer()))),
        Effect.provide(Recorder.layer)
      )
    }))

  it.scopedLive("of requests that stand in line, the last shows how long", () =>
    Effect.gen(function*() {
      const server = yield* serve((_, response) => void setTimeout(() => response.end("x"), 30))
      const traces: Array<ConnectionTraced> = []
      const listener = Observer.sync((event) => void (event._tag === "ConnectionTraced" && traces.push(event)))
      yield* Effect.gen(function*() {
        const client = Resilience.withAttemptSpan(yield* HttpClient.HttpClient)
        const get = Effect.flatMap(client.get(server.url), ({ text }) => text)
        yield* Effect.all([get, get, get], { concurrency: 3 })
        yield* eventually(() => traces.length === 3)
        const [first, , third] = traces.map(({ trace }) => trace)
        if (first === undefined || third === undefined) return assert.fail("three traces")
        assertSome(first.connection, "new")
        assertSome(third.connection, "reused")
        // Two answers come before it, each after 30 ms.
        assert.isAtLeast(some(third.phases.pool), 50)
      }).pipe(
        Observer.observe(listener),
        Effect.provide(ConnectionTrace.layer().pipe(Layer.provide(layer({ connections: 1 })))),
        Effect.provide(Recorder.layer)
      )
    }))

  it.scopedLive("what is sent twice within an attempt is on its span twice", () =>
    Effect.gen(function*() {
      const server = yield* serve(Fault.status(200, { body: "hello" }))
      const traces: Array<ConnectionTraced> = []
      const listener = Observer.sync((event) => void (event._tag === "ConnectionTraced" && traces.push(event)))
      yield* Effect.gen(function*() {
        const twice: Middleware.Middleware<HttpClientError.ResponseError> = (handler) => (request) =>
          Effect.zipRight(Effect.flatMap(handler(request), ({ text }) => text), handler(request))
        const client = Resilience.withAttemptSpan(Middleware.applyTo(yield* HttpClient.HttpClient, twice))
        yield* Effect.flatMap(client.get(server.url), ({ text }) => text)
        yield* eventually(() => traces.length === 2)
        const recorder = yield* Recorder.Recorder
        const [span, ...others] = yield* recorder.spans
        assert.deepStrictEqual(others, [])
        assert.deepStrictEqual(phasesOn(span), ["pool", "tcp", "send", "first_byte", "pool", "send", "first_byte"])
        assert.deepStrictEqual(span?.late, [])
        assert.deepStrictEqual(traces.map(({ spanId, trace }) => [spanId, trace.end._tag]), [
          [span?.spanId, "Completed"],
          [span?.spanId, "Completed"]
        ])
      }).pipe(
        Observer.observe(listener),
        Effect.provide(ConnectionTrace.layer().pipe(Layer.provide(layer({ connections: 1 })))),
        Effect.provide(Recorder.layer)
      )
    }))

  it.scopedLive("of more attempts than it may follow, the oldest is let go", () =>
    Effect.gen(function*() {
      const server = yield* serve((_, response) => void setTimeout(() => response.end("x"), 30))
      yield* Effect.gen(function*() {
        const client = Resilience.withAttemptSpan(yield* HttpClient.HttpClient)
        const get = Effect.flatMap(client.get(server.url), ({ text }) => text)
        yield* Effect.all([get, get], { concurrency: 2 })
        const recorder = yield* Recorder.Recorder
        const [first, second] = yield* recorder.spans
        assert.deepStrictEqual(phasesOn(first), [])
        assert.deepStrictEqual(phasesOn(second), ["pool", "tcp", "send", "first_byte"])
      }).pipe(
        Effect.provide(ConnectionTrace.layer({ capacity: 1 }).pipe(Layer.provide(layer({ connections: 2 })))),
        Effect.provide(Recorder.layer)
      )
    }))
})

describe("the layer", () => {
  it.live("listens while its scope is open, and not before or after", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(listening(), [])
      yield* Effect.gen(function*() {
        yield* HttpClient.HttpClient
        assert.deepStrictEqual(listening(), channels)
      }).pipe(Effect.provide(ConnectionTrace.layer().pipe(Layer.provide(FetchHttpClient.layer))))
      assert.deepStrictEqual(listening(), [])
    }))

  it.scopedLive("two of them hear the same, each with its own memory", () =>
    Effect.gen(function*() {
      const server = yield* serve(Fault.status(200, { body: "x" }))
      const [one, other] = yield* Effect.all([
        gets(server.url, 2, FetchHttpClient.layer),
        gets(server.url, 2, FetchHttpClient.layer)
      ], { concurrency: 2 })
      assert.deepStrictEqual([one.traces.length, other.traces.length], [2, 2])
    }))

  it.scopedLive("what has no attempt span passes untouched", () =>
    Effect.gen(function*() {
      const server = yield* serve(Fault.status(200, { body: "x" }))
      const traces: Array<string> = []
      const text = yield* Effect.flatMap(HttpClient.get(server.url), ({ text }) => text).pipe(
        Observer.observe(Observer.sync((event) => void traces.push(event._tag))),
        Effect.provide(ConnectionTrace.layer().pipe(Layer.provide(FetchHttpClient.layer)))
      )
      assert.strictEqual(text, "x")
      assert.deepStrictEqual(traces, [])
    }))

  it.scopedLive("what goes out under a span of one's own is followed while that span is open, and not after", () =>
    Effect.gen(function*() {
      const server = yield* serve(Fault.status(200, { body: "x" }))
      const traces: Array<string> = []
      const listener = Observer.sync((event) => void (event._tag === "ConnectionTraced" && traces.push(event.spanId)))
      yield* Effect.gen(function*() {
        const client = HttpClient.withTracerDisabledWhen(yield* HttpClient.HttpClient, () => true)
        const span = yield* Effect.makeSpan("mine")
        const headers = { traceparent: `00-${span.traceId}-${span.spanId}-01` }
        const get = Effect.withParentSpan(Effect.flatMap(client.get(server.url, { headers }), ({ text }) => text), span)
        yield* get
        yield* eventually(() => traces.length === 1)
        span.end(yield* Clock.currentTimeNanos, Exit.void)
        const recorder = yield* Recorder.Recorder
        assert.deepStrictEqual(phasesOn((yield* recorder.spans)[0]), ["pool", "tcp", "send", "first_byte"])
        yield* get
        // Its trace would have come before that of a request which is made after it, on the same connection.
        const other = yield* Effect.makeSpan("another")
        yield* Effect.withParentSpan(
          Effect.flatMap(
            client.get(server.url, { headers: { traceparent: `00-${other.traceId}-${other.spanId}-01` } }),
            ({ text }) => text
          ),
          other
        )
        yield* eventually(() => traces.includes(other.spanId))
        assert.deepStrictEqual(traces, [span.spanId, other.spanId])
        assert.deepStrictEqual((yield* recorder.spans).flatMap(({ late }) => late), [])
      }).pipe(
        Observer.observe(listener),
        Effect.provide(ConnectionTrace.layer().pipe(Layer.provide(undici.layer({ connections: 1 })))),
        Effect.provide(Recorder.layer)
      )
    }))

  it("refuses a capacity that is none", () => {
    for (const capacity of [0, -1, NaN, 1.5, Infinity]) assert.throws(() => ConnectionTrace.layer({ capacity }), /capacity must be an integer >= 1/)
  })
})
