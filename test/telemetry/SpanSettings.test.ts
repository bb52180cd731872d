import * as Headers from "@effect/platform/Headers"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"
import * as Resilience from "../../src/policy/Resilience.ts"
import * as ResilientClient from "../../src/policy/ResilientClient.ts"
import * as Redaction from "../../src/telemetry/Redaction.ts"
import * as SpanSettings from "../../src/telemetry/SpanSettings.ts"
import * as HttpScript from "../../src/testing/HttpScript.ts"
import * as Recorder from "../../src/testing/Recorder.ts"

const url = "http://users.test/users/42?sig=CANARY&token=CANARY2"

/** The attempts' spans of one call, and what was sent. */
const play = (
  options: SpanSettings.Options,
  {
    decorate = (client) => client,
    request = HttpClientRequest.get(url),
    steps = [{ status: 200 }]
  }: {
    readonly steps?: ReadonlyArray<HttpScript.Step>
    readonly request?: HttpClientRequest.HttpClientRequest
    readonly decorate?: (client: HttpClient.HttpClient) => HttpClient.HttpClient
  } = {}
) =>
  Effect.gen(function*() {
    const client = (yield* HttpClient.HttpClient).pipe(decorate, Resilience.withAttemptSpan)
    yield* client.execute(request).pipe(Effect.provide(SpanSettings.layer(options)))
    const recorder = yield* Recorder.Recorder
    const [span] = yield* recorder.spans
    const [sent] = yield* HttpScript.requests
    if (span === undefined || sent === undefined) throw new Error("nothing was sent")
    return { span, sent }
  }).pipe(Effect.provide(HttpScript.layer(steps)), Effect.provide(Recorder.layer))

describe("what a span says when it begins", () => {
  /** The options that a tracer, and with it a sampler, is given. */
  const begun = (call: Effect.Effect<unknown, unknown, HttpClient.HttpClient>, steps: ReadonlyArray<HttpScript.Step> = [{ status: 200 }]) =>
    Effect.gen(function*() {
      const seen: Array<readonly [string, unknown]> = []
      const tracer = yield* Effect.tracer
      const watching = Tracer.make({
        span: (...given) => {
          seen.push([given[0], given[6]?.attributes])
          return tracer.span(...given)
        },
        context: (execution, fiber) => tracer.context(execution, fiber)
      })
      yield* Effect.exit(Effect.withTracer(call, watching)).pipe(Effect.provide(HttpScript.layer(steps)))
      return seen
    })

  it.live("is all that is known of the request, redacted, and the policy of the call", () =>
    Effect.gen(function*() {
      const retry = { maxAttempts: 2 }
      const call = Effect.flatMap(ResilientClient.make({ name: "users", retry }), (client) => client.get("http://u:CANARY@users.test:81/1?sig=CANARY"))
      const attempt = {
        "http.request.method": "GET",
        "server.address": "users.test",
        "server.port": 81,
        "url.full": "http://REDACTED:REDACTED@users.test:81/1?sig=REDACTED"
      }
      deepStrictEqual(yield* begun(call, [{ fails: "ECONNREFUSED" }, { status: 200 }]), [
        ["users", { "resilience.name": "users" }],
        ["GET", attempt],
        ["GET", { ...attempt, "http.request.resend_count": 1 }]
      ])
    }))

  it.live("is the method alone where the address is made on the way; then the span says it all the same", () =>
    Effect.gen(function*() {
      const call = Effect.flatMap(HttpClient.HttpClient, (client) =>
        client.pipe(HttpClient.mapRequest(HttpClientRequest.prependUrl("http://users.test")), Resilience.withAttemptSpan).get("/users/42"))
      deepStrictEqual(yield* begun(call), [["GET", { "http.request.method": "GET" }]])
      const { span } = yield* play({}, {
        request: HttpClientRequest.get("/users/42"),
        decorate: HttpClient.mapRequest(HttpClientRequest.prependUrl("http://users.test"))
      })
      assert.strictEqual(span.attributes["url.full"], "http://users.test/users/42")
      assert.strictEqual(span.attributes["server.port"], 80)
    }))

  it.live("is corrected where the address changes on the way", () =>
    Effect.gen(function*() {
      const changes: ReadonlyArray<readonly [(request: HttpClientRequest.HttpClientRequest) => HttpClientRequest.HttpClientRequest, string]> = [
        [HttpClientRequest.setUrl("https://moved.test/2"), "https://moved.test/2?sig=REDACTED"],
        [HttpClientRequest.setUrlParam("page", "2"), "http://users.test/users/42?sig=REDACTED&page=2"],
        [HttpClientRequest.setHash("part"), "http://users.test/users/42?sig=REDACTED#part"]
      ]
      for (const [change, full] of changes) {
        const request = HttpClientRequest.get("http://users.test/users/42", { urlParams: { sig: "CANARY" } })
        const { span } = yield* play({}, { request, decorate: HttpClient.mapRequest(change) })
        assert.strictEqual(span.attributes["url.full"], full)
      }
    }))
})

describe("what Effect gives every span", () => {
  /** Both spans of a call that is made within something. */
  const spansOf = (within: <A, E>(call: Effect.Effect<A, E>) => Effect.Effect<A, E>) =>
    Effect.gen(function*() {
      const client = (yield* HttpClient.HttpClient).pipe(Resilience.withAttemptSpan, Resilience.withCallSpan("users"))
      yield* within(client.get(url))
      const recorder = yield* Recorder.Recorder
      return (yield* recorder.spans).filter(({ name }) => name !== "outer" && name !== "hidden")
    }).pipe(Effect.provide(HttpScript.layer([{ status: 200 }])), Effect.provide(Recorder.layer))

  it.live("ours have too: annotations", () =>
    Effect.gen(function*() {
      const spans = yield* spansOf(Effect.annotateSpans("tenant", "t1"))
      deepStrictEqual(spans.map(({ attributes, name }) => [name, attributes["tenant"]]), [["users", "t1"], ["GET", "t1"]])
    }))

  it.live("ours have too: links, each in a list of its own", () =>
    Effect.gen(function*() {
      const other = Tracer.externalSpan({ traceId: "f".repeat(32), spanId: "e".repeat(16) })
      const spans = yield* spansOf(Effect.linkSpans(other))
      deepStrictEqual(spans.map(({ links, name }) => [name, links.map(({ spanId }) => spanId)]), [["users", [other.spanId]], ["GET", [other.spanId]]])
    }))

  it.live("ours have too: a parent that is the parent of none is passed over", () =>
    Effect.gen(function*() {
      const spans = yield* spansOf((call) =>
        Effect.withSpan(Effect.withSpan(call, "hidden", { context: Context.make(Tracer.DisablePropagation, true) }), "outer"))
      const [users, attempt] = spans
      deepStrictEqual(attempt?.parent, Option.fromNullable(users?.spanId))
      assert.isTrue(Option.isSome(users?.parent ?? Option.none()))
      const none = yield* spansOf((call) => Effect.withSpan(call, "hidden", { root: true, context: Context.make(Tracer.DisablePropagation, true) }))
      deepStrictEqual(none.map(({ parent }) => Option.isSome(parent)), [false, true])
    }))
})

describe("a template", () => {
  it.live("stands in the name, after the method, and in url.template", () =>
    Effect.gen(function*() {
      const template = ({ url }: HttpClientRequest.HttpClientRequest) => Option.some(new URL(url).pathname.replace(/\d+/, "{id}"))
      const { span } = yield* play({ template })
      assert.strictEqual(span.name, "GET /users/{id}")
      assert.strictEqual(span.attributes["url.template"], "/users/{id}")
    }))

  it.live("stands behind HTTP where the method is none that is known", () =>
    Effect.gen(function*() {
      // Any method can be sent; the platform's type has the common ones.
      const request = HttpClientRequest.make("BREW" as "GET")(url)
      const { span } = yield* play({ template: () => Option.some("/pots") }, { request })
      assert.strictEqual(span.name, "HTTP /pots")
    }))

  it.live("of one call is of no other", () =>
    Effect.gen(function*() {
      const client = (yield* HttpClient.HttpClient).pipe(Resilience.withAttemptSpan)
      yield* client.get(url).pipe(SpanSettings.withTemplate("/users/{id}"))
      yield* client.get(url)
      const recorder = yield* Recorder.Recorder
      deepStrictEqual((yield* recorder.spans).map(({ name }) => name), ["GET /users/{id}", "GET"])
    }).pipe(Effect.provide(HttpScript.layer([{ status: 200 }, { status: 200 }])), Effect.provide(Recorder.layer)))
})

describe("headers", () => {
  const request = HttpClientRequest.setHeaders(HttpClientRequest.get(url), {
    "x-tenant": "t1",
    authorization: "CANARY",
    "x-api-key": "CANARY",
    "x-long": "l".repeat(2_000)
  })
  const headersOf = ({ attributes }: Recorder.Span) => Object.fromEntries(Object.entries(attributes).filter(([key]) => key.includes(".header.")))

  it.live("are not shown where none are asked for", () =>
    Effect.gen(function*() {
      const { span } = yield* play({}, { request, steps: [{ status: 200, headers: { "x-region": "eu" } }] })
      deepStrictEqual(headersOf(span), {})
    }))

  it.live("that are asked for are lists, by any case of their name; what is not there is not shown", () =>
    Effect.gen(function*() {
      const { span } = yield* play(
        { requestHeaders: ["X-Tenant", "x-none"], responseHeaders: ["X-Region"] },
        { request, steps: [{ status: 503, headers: { "x-region": "eu", "x-other": "o" } }] }
      )
      deepStrictEqual(headersOf(span), { "http.request.header.x-tenant": ["t1"], "http.response.header.x-region": ["eu"] })
    }))

  it.live("that are secret are redacted, also where they are asked for, and long ones are cut", () =>
    Effect.gen(function*() {
      const { span } = yield* play({ requestHeaders: ["authorization", "x-api-key", "x-long", "x-tenant"] }, { request }).pipe(
        Effect.locally(Headers.currentRedactedNames, ["authorization", /^x-api/, "X-Tenant"])
      )
      deepStrictEqual(headersOf(span), {
        "http.request.header.authorization": ["REDACTED"],
        "http.request.header.x-api-key": ["REDACTED"],
        "http.request.header.x-long": ["l".repeat(1_024)],
        "http.request.header.x-tenant": ["REDACTED"]
      })
    }))

  it.live("are those that are sent in the end", () =>
    Effect.gen(function*() {
      const { span } = yield* play({ requestHeaders: ["x-late"] }, { decorate: HttpClient.mapRequest(HttpClientRequest.setHeader("x-late", "1")) })
      deepStrictEqual(headersOf(span), { "http.request.header.x-late": ["1"] })
    }))

  it("have names, or nothing is made", () => {
    for (const name of ["", "a b", "a\r\n", "é", ":x"]) {
      assert.throws(() => SpanSettings.layer({ requestHeaders: [name] }), /requestHeaders must be the name of a header/)
      assert.throws(() => SpanSettings.withSettings(Effect.void, { responseHeaders: [name] }), /responseHeaders/)
    }
  })
})

describe("redaction", () => {
  it.live("is what is set", () =>
    Effect.gen(function*() {
      const token = Redaction.make({ parameters: ["token"] })
      assert.strictEqual((yield* play({})).span.attributes["url.full"], "http://users.test/users/42?sig=REDACTED&token=CANARY2")
      assert.strictEqual((yield* play({ redactor: token })).span.attributes["url.full"], "http://users.test/users/42?sig=CANARY&token=REDACTED")
      const all = Redaction.make({ parameters: "all" })
      assert.strictEqual((yield* play({ redactor: all })).span.attributes["url.full"], "http://users.test/users/42?sig=REDACTED&token=REDACTED")
    }))
})

describe("b3", () => {
  const b3Of = ({ headers }: HttpScript.Request) => Object.fromEntries(Object.entries(headers).filter(([key]) => key.includes("b3")))
  const caller = { traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331" }

  it.live("is not sent where it is not asked for", () =>
    Effect.gen(function*() {
      const { sent, span } = yield* play({})
      deepStrictEqual(b3Of(sent), {})
      assert.strictEqual(sent.headers["traceparent"], `00-${span.traceId}-${span.spanId}-01`)
    }))

  for (const sampled of [true, false]) {
    it.live(`is sent in one header or in several, beside traceparent, ${sampled ? "sampled" : "not sampled"}`, () =>
      Effect.gen(function*() {
        const tracer = yield* Effect.tracer
        // A tracer whose sampler says the same of every span.
        const deciding = Tracer.make({
          span: (...begun) => Object.assign(tracer.span(...begun), { sampled }),
          context: (execution, fiber) => tracer.context(execution, fiber)
        })
        const sent = (b3: "single" | "multi") =>
          Effect.gen(function*() {
            const client = (yield* HttpClient.HttpClient).pipe(Resilience.withAttemptSpan)
            yield* client.get(url).pipe(
              SpanSettings.withSettings({ b3 }),
              Effect.withParentSpan(Tracer.externalSpan({ ...caller, sampled })),
              Effect.withTracer(deciding)
            )
            const [request] = yield* HttpScript.requests
            const [, , spanId, flags] = String(request?.headers["traceparent"]).split("-")
            return { flags, spanId, b3: b3Of(request as HttpScript.Request) }
          }).pipe(Effect.provide(HttpScript.layer([{ status: 200 }])))
        const bit = sampled ? "1" : "0"
        const single = yield* sent("single")
        assert.strictEqual(single.flags, `0${bit}`)
        deepStrictEqual(single.b3, { b3: `${caller.traceId}-${single.spanId}-${bit}-${caller.spanId}` })
        const multi = yield* sent("multi")
        deepStrictEqual(multi.b3, {
          "x-b3-traceid": caller.traceId,
          "x-b3-spanid": String(multi.spanId),
          "x-b3-sampled": bit,
          "x-b3-parentspanid": caller.spanId
        })
      }))
  }

  it.live("of a root names no parent", () =>
    Effect.gen(function*() {
      deepStrictEqual(Object.keys(b3Of((yield* play({ b3: "multi" })).sent)).sort(), ["x-b3-sampled", "x-b3-spanid", "x-b3-traceid"])
      assert.match((yield* play({ b3: "single" })).sent.headers["b3"] ?? "", /^[0-9a-f]{32}-[0-9a-f]{16}-1$/)
    }))
})

it.effect("what is left out stays as it was set before", () =>
  Effect.gen(function*() {
    const settings = yield* SpanSettings.SpanSettings.pipe(
      SpanSettings.withSettings({ b3: "multi" }),
      Effect.provide(SpanSettings.layer({ requestHeaders: ["x-b"] }).pipe(Layer.provide(SpanSettings.layer({ b3: "single", responseHeaders: ["x-a"] }))))
    )
    deepStrictEqual([settings.b3, settings.requestHeaders, settings.responseHeaders], ["multi", ["x-b"], ["x-a"]])
  }))
