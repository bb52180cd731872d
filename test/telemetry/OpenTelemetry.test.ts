/**
 * What an OpenTelemetry backend is given, and what the server sees of it, over real sockets.
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as NodeSdk from "@effect/opentelemetry/NodeSdk"
import { SpanKind, SpanStatusCode } from "@opentelemetry/api"
import { InMemorySpanExporter, type ReadableSpan, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberRef from "effect/FiberRef"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Resilience from "../../src/policy/Resilience.ts"
import { eventually } from "../support/eventually.ts"
import * as Fault from "../support/faults.ts"
import { closedPort, type Received, serve, type Server } from "../support/server.ts"
import { onEachTransport } from "../support/transports.ts"

/** Every strategy and both spans, round a client that something may be mapped on. */
const traced = (client: HttpClient.HttpClient) =>
  client.pipe(
    Resilience.withAttemptTimeout("1 second"),
    Resilience.withAttemptSpan,
    Resilience.withRetry({ schedule: Schedule.spaced("1 millis"), maxAttempts: 4 }),
    Resilience.withDeadline("10 seconds"),
    Resilience.withCallSpan("users")
  )

type Traced = ReturnType<typeof traced>

/** Runs an effect with a tracer of OpenTelemetry's; gives what it did, and the spans that were exported, that is, ended. */
const exporting = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.suspend(() => {
    const exporter = new InMemorySpanExporter()
    const Sdk = NodeSdk.layer(() => ({ resource: { serviceName: "test" }, spanProcessor: new SimpleSpanProcessor(exporter) }))
    // Read before the layer closes, which empties the exporter.
    return Effect.exit(effect).pipe(
      Effect.map((exit) => ({ exit, spans: exporter.getFinishedSpans() as ReadonlyArray<ReadableSpan> })),
      Effect.provide(Sdk)
    )
  })

const get = (client: Traced, url: string) => Effect.flatMap(client.get(url), (response) => response.text)

/** One call of a traced client, and its spans: the call's own, and the attempts' in their order. */
const call = (
  { url }: Pick<Server, "url">,
  decorate: (client: HttpClient.HttpClient) => Traced = traced
) =>
  Effect.gen(function*() {
    const { exit, spans } = yield* exporting(Effect.flatMap(HttpClient.HttpClient, (client) => get(decorate(client), url)))
    const attempts = spans.filter(({ kind }) => kind === SpanKind.CLIENT)
    return { exit, spans, attempts, calls: spans.filter(({ kind }) => kind !== SpanKind.CLIENT) }
  })

const idOf = (span: ReadableSpan | undefined) => span?.spanContext().spanId

const statusOf = ({ status }: ReadableSpan) => [SpanStatusCode[status.code], status.message ?? ""] as const

/** Which span a request says it comes from. */
const cameFrom = ({ headers }: Received) => String(headers["traceparent"]).split("-")[2]

onEachTransport((name, layer) => {
  it.scopedLive("a call is one trace: an INTERNAL span, a CLIENT span for each attempt, and each attempt's id on the wire", () =>
    Effect.gen(function*() {
      const server = yield* serve(Fault.inTurn(Fault.status(503), Fault.resetBeforeHeaders, Fault.status(429), Fault.status(200)))
      const { attempts, calls, exit } = yield* call(server)
      assert.isTrue(Exit.isSuccess(exit))
      assert.deepStrictEqual(calls.map(({ kind, name }) => [name, kind]), [["users", SpanKind.INTERNAL]])
      const [users] = calls
      assert.isUndefined(users?.parentSpanContext)
      assert.deepStrictEqual(
        attempts.map(({ attributes, name, parentSpanContext }) => ({
          name,
          below: parentSpanContext?.spanId,
          resends: attributes["http.request.resend_count"],
          status: attributes["http.response.status_code"],
          error: attributes["error.type"]
        })),
        [
          { name: "GET", below: idOf(users), resends: undefined, status: 503, error: "503" },
          { name: "GET", below: idOf(users), resends: 1, status: undefined, error: "ECONNRESET" },
          { name: "GET", below: idOf(users), resends: 2, status: 429, error: "429" },
          { name: "GET", below: idOf(users), resends: 3, status: 200, error: undefined }
        ]
      )
      assert.deepStrictEqual(attempts.map(statusOf), [["ERROR", "503"], ["ERROR", "ECONNRESET"], ["ERROR", "429"], ["OK", ""]])
      assert.deepStrictEqual(server.stats.requests.map(cameFrom), attempts.map(idOf))
      assert.strictEqual(new Set([users, ...attempts].map((span) => span?.spanContext().traceId)).size, 1)

      assert.strictEqual(users?.attributes["resilience.attempts"], 4)
      assert.deepStrictEqual(users?.events.map((event) => [event.name, event.attributes?.["resilience.reason"], event.attributes?.["error.type"]]), [
        ["resilience.wait", "Schedule", "503"],
        ["resilience.wait", "Schedule", "ECONNRESET"],
        ["resilience.wait", "Schedule", "429"]
      ])
      for (const { attributes } of attempts) {
        assert.strictEqual(attributes["server.address"], "127.0.0.1")
        assert.strictEqual(attributes["server.port"], server.port)
        assert.strictEqual(attributes["url.full"], server.url)
        assert.strictEqual(attributes["http.request.method"], "GET")
      }
    }).pipe(Effect.provide(layer())))

  const endings: ReadonlyArray<readonly [
    what: string,
    handler: Parameters<typeof serve>[0],
    expected: { readonly attempts: Array<string>; readonly call: string; readonly because: string | undefined }
  ]> = [
    ["a 404", Fault.status(404), { attempts: ["404"], call: "404", because: "Terminal" }],
    ["a 503 to the end", Fault.status(503), { attempts: ["503", "503", "503", "503"], call: "503", because: "AttemptsExhausted" }],
    ["a hint that is too long", Fault.status(503, { headers: { "retry-after": "61" } }), {
      attempts: ["503"],
      call: "503",
      because: "RetryAfterTooLong"
    }]
  ]
  for (const [what, handler, expected] of endings) {
    it.scopedLive(`${what} is no OK, and the call says why nothing more was sent`, () =>
      Effect.gen(function*() {
        const { attempts, calls } = yield* call(yield* serve(handler))
        assert.deepStrictEqual(attempts.map(({ attributes }) => attributes["error.type"]), expected.attempts)
        assert.deepStrictEqual([...attempts, ...calls].map(({ status }) => status.code).filter((code) => code !== SpanStatusCode.ERROR), [])
        assert.strictEqual(calls[0]?.attributes["error.type"], expected.call)
        const end = calls[0]?.events.find((event) => event.name === "resilience.give_up")
        assert.strictEqual(end?.attributes?.["resilience.reason"], expected.because)
      }).pipe(Effect.provide(layer())))
  }

  it.scopedLive("a late attempt says timeout, and a late call says DeadlineExceeded", () =>
    Effect.gen(function*() {
      const server = yield* serve(Fault.hang)
      const late = yield* call(server, (client) =>
        client.pipe(
          Resilience.withAttemptTimeout("50 millis"),
          Resilience.withAttemptSpan,
          Resilience.withRetry({ schedule: Schedule.spaced("1 millis"), maxAttempts: 2 }),
          Resilience.withDeadline("10 seconds"),
          Resilience.withCallSpan("users")
        ))
      assert.deepStrictEqual(late.attempts.map(({ attributes }) => attributes["error.type"]), ["timeout", "timeout"])
      assert.deepStrictEqual(late.spans.map(statusOf), [["ERROR", "timeout"], ["ERROR", "timeout"], ["ERROR", "timeout"]])

      const cut = yield* call(server, (client) =>
        client.pipe(
          Resilience.withAttemptTimeout("10 seconds"),
          Resilience.withAttemptSpan,
          Resilience.withRetry(),
          Resilience.withDeadline("50 millis"),
          Resilience.withCallSpan("users")
        ))
      assert.deepStrictEqual(cut.calls.map(statusOf), [["ERROR", "DeadlineExceeded"]])
      // The attempt was interrupted: that is no error of the peer's.
      assert.lengthOf(cut.attempts, 1)
      assert.notStrictEqual(cut.attempts[0]?.status.code, SpanStatusCode.ERROR)
      assert.notProperty(cut.attempts[0]?.attributes, "error.type")
    }).pipe(Effect.provide(layer())))

  it.scopedLive("an interruption ends both spans, and neither is an error", () =>
    Effect.gen(function*() {
      const server = yield* serve(Fault.hang)
      const { spans } = yield* exporting(Effect.gen(function*() {
        const client = traced(yield* HttpClient.HttpClient)
        const fiber = yield* Effect.fork(client.get(server.url))
        yield* eventually(() => server.stats.requests.length === 1)
        yield* Fiber.interrupt(fiber)
      }))
      assert.deepStrictEqual(spans.map(({ kind }) => kind), [SpanKind.CLIENT, SpanKind.INTERNAL])
      for (const { attributes, status } of spans) {
        assert.notStrictEqual(status.code, SpanStatusCode.ERROR)
        assert.notProperty(attributes, "error.type")
      }
    }).pipe(Effect.provide(layer())))

  it.scopedLive("a request that cannot be sent ends both spans with an error, also where it is a defect", () =>
    Effect.gen(function*() {
      const { spans } = yield* call({ url: "ftp://127.0.0.1/" })
      assert.deepStrictEqual(spans.map(({ kind, status }) => [kind, status.code]), [
        [SpanKind.CLIENT, SpanStatusCode.ERROR],
        [SpanKind.INTERNAL, SpanStatusCode.ERROR]
      ])
    }).pipe(Effect.provide(layer())))

  it.scopedLive("the body is read within nobody's span, and the call's ends before", () =>
    Effect.gen(function*() {
      const server = yield* serve(Fault.status(200, { body: "ok", ending: { finAfter: 1 } }))
      const { exit, spans } = yield* call(server)
      assert.isTrue(Exit.isFailure(exit))
      assert.deepStrictEqual(spans.map(({ status }) => status.code), [SpanStatusCode.OK, SpanStatusCode.OK])
    }).pipe(Effect.provide(layer())))

  // What is off for a request is off for what is sent, and the call is none of that.
  const off: ReadonlyArray<readonly [string, (client: Traced) => Traced, left: ReadonlyArray<string>]> = [
    ["for the fiber", HttpClient.transformResponse(Effect.withTracerEnabled(false)), []],
    ["for the request", HttpClient.withTracerDisabledWhen(() => true), ["users"]]
  ]
  for (const [what, without, left] of off) {
    it.scopedLive(`where tracing is off ${what} there is no span of an attempt, and no header`, () =>
      Effect.gen(function*() {
        const server = yield* serve(Fault.inTurn(Fault.status(503), Fault.status(200)))
        const { exit, spans } = yield* call(server, (client) => without(traced(client)))
        assert.isTrue(Exit.isSuccess(exit))
        assert.deepStrictEqual(spans.map((span) => span.name), left)
        assert.deepStrictEqual(server.stats.requests.map(({ headers }) => [headers["traceparent"], headers["b3"]]), [
          [undefined, undefined],
          [undefined, undefined]
        ])
      }).pipe(Effect.provide(layer())))
  }

  it.scopedLive("where nothing is to be propagated there are spans, and no headers", () =>
    Effect.gen(function*() {
      const server = yield* serve(Fault.inTurn(Fault.status(503), Fault.status(200)))
      const { attempts, spans } = yield* call(server, (client) => HttpClient.withTracerPropagation(traced(client), false))
      assert.deepStrictEqual(attempts.map(({ attributes }) => attributes["http.request.resend_count"]), [undefined, 1])
      assert.lengthOf(spans, 3)
      assert.deepStrictEqual(server.stats.requests.map(({ headers }) => [headers["traceparent"], headers["b3"]]), [
        [undefined, undefined],
        [undefined, undefined]
      ])
    }).pipe(Effect.provide(layer())))

  for (const propagates of [true, false]) {
    it.scopedLive(`a call for a token on the way keeps its own span, and is no resend${propagates ? "" : " (nothing propagated)"}`, () =>
      Effect.gen(function*() {
        const server = yield* serve(Fault.inTurn(Fault.status(503), Fault.status(200)))
        const tokens = yield* serve(Fault.status(200, { body: "t" }))
        const { attempts, calls } = yield* call(server, (client) =>
          HttpClient.withTracerPropagation(
            traced(client.pipe(HttpClient.mapRequestEffect((request) =>
              Effect.orDie(Effect.map(Effect.flatMap(client.get(tokens.url), (response) => response.text), (token) =>
                HttpClientRequest.bearerToken(request, token)))
            ))),
            propagates
          ))
        const ours = attempts.filter((span) => span.name === "GET")
        const theirs = attempts.filter((span) => span.name === "http.client GET")
        assert.lengthOf(calls, 1)
        assert.deepStrictEqual(ours.map(({ attributes }) => attributes["http.request.resend_count"]), [undefined, 1])
        assert.deepStrictEqual(ours.map(({ attributes }) => attributes["url.full"]), [server.url, server.url])
        assert.deepStrictEqual(theirs.map(({ attributes }) => attributes["http.request.resend_count"]), [undefined, undefined])
        assert.deepStrictEqual(theirs.map(({ attributes }) => attributes["url.full"]), [tokens.url, tokens.url])
        // Each is made within an attempt, and is its child.
        assert.deepStrictEqual(theirs.map(({ parentSpanContext }) => parentSpanContext?.spanId), ours.map(idOf))
        if (!propagates) return
        assert.deepStrictEqual(server.stats.requests.map(cameFrom), ours.map(idOf))
        assert.deepStrictEqual(tokens.stats.requests.map(cameFrom), theirs.map(idOf))
        assert.deepStrictEqual(server.stats.requests.map(({ headers }) => headers.authorization), ["Bearer t", "Bearer t"])
      }).pipe(Effect.provide(layer())))
  }

  it.scopedLive("no secret is in any span: not in an attribute, an event, a status or an exception", () =>
    Effect.gen(function*() {
      const canary = "CANARY"
      const secrets = `sig=${canary}1&Signature=${canary}2&X-Amz-Signature=${canary}3&X-Amz-Security-Token=${canary}4&X-Amz-Credential=${canary}5` +
        `&X-Goog-Signature=${canary}6&AWSAccessKeyId=${canary}7`
      const headers = Object.fromEntries(
        ["authorization", "proxy-authorization", "cookie", "x-api-key", "api-key", "x-auth-token", "idempotency-key", "x-amz-security-token"]
          .map((header) => [header, canary])
      )
      const refused = yield* closedPort
      const handlers = [
        Fault.status(200, { headers: { "set-cookie": canary, "x-secret": canary }, body: canary }),
        Fault.status(503, { headers: { "set-cookie": canary }, body: canary }),
        Fault.status(404, { body: canary }),
        Fault.resetBeforeHeaders,
        Fault.hang,
        Fault.status(200, { body: 9, ending: { resetAfter: 1 } })
      ]
      const urls = [refused, "ftp://127.0.0.1/", "http://["]
      for (const handler of handlers) urls.push((yield* serve(handler)).url)
      for (const url of urls) {
        for (const credentials of ["", `user${canary}:pass${canary}@`]) {
          const request = HttpClientRequest.put(`${url.replace("//", `//${credentials}`)}?${secrets}`).pipe(
            HttpClientRequest.setHeaders(headers),
            HttpClientRequest.bodyText(canary)
          )
          const { spans } = yield* exporting(Effect.flatMap(HttpClient.HttpClient, (client) =>
            Effect.flatMap(
              client.pipe(
                Resilience.withAttemptTimeout("30 millis"),
                Resilience.withAttemptSpan,
                Resilience.withRetryOrFail({ schedule: Schedule.forever, maxAttempts: 2 }),
                Resilience.withDeadline("10 seconds"),
                Resilience.withCallSpan("users")
              ).execute(request),
              (response) => response.text
            )))
          assert.isAtLeast(spans.length, 2, url)
          for (const { attributes, events, links, name, status } of spans) {
            assert.notInclude(JSON.stringify({ attributes, events, links, name, status }), canary)
          }
        }
      }
    }).pipe(Effect.provide(layer({ connections: 20 }))))

  it.scopedLive("what surrounds a call is as it was before, however it ended; what was changed within it stays", () =>
    Effect.gen(function*() {
      const ref = FiberRef.unsafeMake(0)
      const disabled = () => false
      const bump = HttpClient.tapRequest(() => FiberRef.update(ref, (count) => count + 1))
      const answers = yield* serve(Fault.inTurn(Fault.status(503), Fault.status(200)))
      const silence = yield* serve(Fault.hang)
      const { exit } = yield* exporting(Effect.gen(function*() {
        const client = yield* HttpClient.HttpClient
        const caller = yield* Effect.currentSpan
        const before = yield* FiberRef.get(FiberRef.currentContext)
        const calls = [
          traced(bump(client)).get(answers.url),
          traced(bump(client)).get("http://["),
          traced(bump(client)).get(name === "node:http" ? "ftp://127.0.0.1/" : yield* closedPort),
          traced(HttpClient.transform(client, () => Effect.interrupt)).get(answers.url),
          traced(client).get(silence.url).pipe(Effect.timeout("30 millis")),
          Resilience.withDeadline("30 millis")(traced(client)).get(silence.url)
        ]
        for (const each of calls) {
          yield* Effect.exit(each)
          assert.strictEqual(yield* Effect.currentSpan, caller)
          assert.strictEqual(yield* FiberRef.get(FiberRef.currentContext), before)
          assert.strictEqual(yield* FiberRef.get(HttpClient.currentTracerDisabledWhen), disabled)
        }
        // Two attempts of the first call. What a failed one changed is lost where it ran in a fiber of its own, as with `Effect.timeout`.
        assert.isAtLeast(yield* FiberRef.get(ref), 2)
      }).pipe(Effect.withSpan("caller"), Effect.locally(HttpClient.currentTracerDisabledWhen, disabled)))
      assert.deepStrictEqual(exit, Exit.void)
    }).pipe(Effect.provide(layer())))

  it.scopedLive("what a call changes within it stays, where no limit gives it a fiber of its own", () =>
    Effect.gen(function*() {
      const ref = FiberRef.unsafeMake(0)
      const server = yield* serve(Fault.inTurn(Fault.status(503), Fault.resetBeforeHeaders, Fault.status(200)))
      const { exit } = yield* exporting(Effect.gen(function*() {
        const client = (yield* HttpClient.HttpClient).pipe(
          HttpClient.tapRequest(() => FiberRef.update(ref, (count) => count + 1)),
          Resilience.withAttemptSpan,
          Resilience.withRetry({ schedule: Schedule.forever }),
          Resilience.withCallSpan("users")
        )
        yield* client.get(server.url)
        assert.strictEqual(yield* FiberRef.get(ref), 3)
        assert.isTrue(Option.isNone(yield* Effect.option(Effect.currentSpan)))
      }))
      assert.deepStrictEqual(exit, Exit.void)
    }).pipe(Effect.provide(layer())))
})
