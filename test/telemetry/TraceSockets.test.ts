import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Resilience from "../../src/policy/Resilience.ts"
import * as ResilientClient from "../../src/policy/ResilientClient.ts"
import * as Recorder from "../../src/testing/Recorder.ts"
import * as Fault from "../support/faults.ts"
import { closedPort, type Received, serve, type Server, settled } from "../support/server.ts"
import { onEachTransport } from "../support/transports.ts"

const atOnce = { schedule: Schedule.forever }

const recorded = Effect.provide(Recorder.layer)
const spans = Effect.flatMap(Recorder.Recorder, (recorder) => recorder.spans)

const isAttempt = ({ kind }: Recorder.Span) => kind === "client"

const values = (all: ReadonlyArray<Recorder.Span>, key: string) => all.map(({ attributes }) => attributes[key])

const traceparents = ({ stats }: Server) => stats.requests.map(({ headers }: Received) => headers["traceparent"])

const traceparentOf = ({ spanId, traceId }: Recorder.Span) => `00-${traceId}-${spanId}-01`

const busy = Fault.status(503, { body: "busy" })

onEachTransport((_, layer) => {
  it.scopedLive("what arrives with each attempt is that attempt's own span, in the caller's trace", () =>
    Effect.gen(function*() {
      const server = yield* serve(Fault.inTurn(busy, Fault.resetBeforeHeaders, Fault.hang, Fault.status(200)))
      yield* Effect.gen(function*() {
        const client = yield* ResilientClient.make({ attemptTimeout: "1 second", retry: { ...atOnce, maxAttempts: 4 } })
        yield* Effect.withSpan(Effect.flatMap(client.get(server.url), ({ text }) => text), "caller")
        const all = yield* spans
        const attempts = all.filter(isAttempt)
        assert.deepStrictEqual(all.map(({ kind, name }) => [kind, name]), [
          ["internal", "caller"],
          ["internal", "http"],
          ...attempts.map(() => ["client", "GET"])
        ])
        assert.deepStrictEqual(traceparents(server), attempts.map(traceparentOf), Recorder.tree(all))
        assert.strictEqual(new Set(traceparents(server)).size, 4)
        assert.isTrue(all.every(({ traceId }) => traceId === all[0]?.traceId))
        assert.isTrue(attempts.every(({ parent }) => Option.contains(parent, all[1]?.spanId)))
        const [, reset] = values(attempts, "error.type")
        // What a reset is called is the transport's business.
        assert.include(["ECONNRESET", "UND_ERR_SOCKET"], reset)
        assert.deepStrictEqual(values(attempts, "error.type"), ["503", reset, "timeout", undefined], Recorder.tree(all))
        assert.deepStrictEqual(values(attempts, "http.response.status_code"), [503, undefined, undefined, 200])
        assert.deepStrictEqual(values(attempts, "http.request.resend_count"), [undefined, 1, 2, 3])
        assert.deepStrictEqual(values(attempts, "server.address"), Array(4).fill("127.0.0.1"))
        assert.deepStrictEqual(values(attempts, "server.port"), Array(4).fill(server.port))
        assert.deepStrictEqual(values(attempts, "url.full"), Array(4).fill(server.url))
        assert.deepStrictEqual(Recorder.open(all), [])
        assert.deepStrictEqual(all.flatMap(({ late }) => late), [])
      }).pipe(Effect.provide(layer()), recorded)
      yield* settled(server)
    }))

  it.scopedLive("a connection that is refused is named by its code", () =>
    Effect.gen(function*() {
      const address = yield* closedPort
      const all = yield* Effect.gen(function*() {
        const client = yield* ResilientClient.make({ retry: { ...atOnce, maxAttempts: 2 } })
        yield* Effect.flip(client.get(address))
        return yield* spans
      }).pipe(Effect.provide(layer()), recorded)
      assert.deepStrictEqual(values(all, "error.type"), Array(3).fill("ECONNREFUSED"), Recorder.tree(all))
      assert.deepStrictEqual(values(all.filter(isAttempt), "url.full"), [address, address])
    }))

  for (const propagates of [true, false]) {
    it.scopedLive(`a call made on the way sends its own, or none, with propagation ${propagates ? "on" : "off"}`, () =>
      Effect.gen(function*() {
        const server = yield* serve(Fault.inTurn(busy, Fault.status(200)))
        const auth = yield* serve(Fault.status(200, { body: "t" }))
        yield* Effect.gen(function*() {
          const bare = yield* HttpClient.HttpClient
          const client = bare.pipe(
            HttpClient.mapRequestEffect((request) =>
              Effect.map(Effect.flatMap(bare.post(auth.url), ({ text }) => text), (t) => HttpClientRequest.bearerToken(request, t))
            ),
            Resilience.withAttemptSpan,
            Resilience.withRetry(atOnce),
            HttpClient.withTracerPropagation(propagates)
          )
          yield* Effect.flatMap(client.get(server.url), ({ text }) => text)
          const all = yield* spans
          const [attempts, tokens] = ["GET", "http.client POST"].map((name) => all.filter((span) => span.name === name))
          const sent = (these: ReadonlyArray<Recorder.Span> = []) => these.map((span) => propagates ? traceparentOf(span) : undefined)
          assert.deepStrictEqual([attempts?.length, tokens?.length, all.length], [2, 2, 4], Recorder.tree(all))
          assert.deepStrictEqual(traceparents(server), sent(attempts))
          assert.deepStrictEqual(traceparents(auth), sent(tokens))
          assert.deepStrictEqual(values(tokens ?? [], "http.request.resend_count"), [undefined, undefined])
          assert.deepStrictEqual(tokens?.map(({ parent }) => parent), attempts?.map(({ spanId }) => Option.some(spanId)))
          assert.isTrue(propagates || server.stats.requests.every(({ headers }) => headers["b3"] === undefined))
        }).pipe(Effect.provide(layer()), recorded)
        yield* settled(server)
      }))
  }

  it.scopedLive("nothing arrives where tracing is off", () =>
    Effect.gen(function*() {
      const server = yield* serve(Fault.inTurn(busy, Fault.status(200)))
      const all = yield* Effect.gen(function*() {
        const client = yield* ResilientClient.make({ retry: atOnce })
        yield* Effect.withTracerEnabled(Effect.flatMap(client.get(server.url), ({ text }) => text), false)
        return yield* spans
      }).pipe(Effect.provide(layer()), recorded)
      assert.deepStrictEqual(all, [])
      assert.deepStrictEqual(server.stats.requests.map(({ headers }) => [headers["traceparent"], headers["b3"]]), [
        [undefined, undefined],
        [undefined, undefined]
      ])
      yield* settled(server)
    }))
})
