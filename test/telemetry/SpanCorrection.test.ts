import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpMethod from "@effect/platform/HttpMethod"
import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/TestClock"
import * as Resilience from "../../src/policy/Resilience.ts"
import * as Redaction from "../../src/telemetry/Redaction.ts"
import * as SpanCorrection from "../../src/telemetry/SpanCorrection.ts"
import * as HttpScript from "../../src/testing/HttpScript.ts"
import * as Recorder from "../../src/testing/Recorder.ts"

/** The spans of an effect, corrected. */
const corrected = <A, E, R>(effect: Effect.Effect<A, E, R>, options?: SpanCorrection.Options) =>
  Effect.gen(function*() {
    const recorder = yield* Recorder.make
    yield* Effect.exit(Effect.provide(effect, SpanCorrection.layer(options).pipe(Layer.provideMerge(recorder.layer))))
    return yield* recorder.spans
  })

const request = (method: string, url: string) => HttpClientRequest.make(method as HttpMethod.HttpMethod)(url)

/** The platform's client, with none of our combinators, and its one span. */
const bare = (step: HttpScript.Step, url: string, options?: SpanCorrection.Options, method = "GET") =>
  Effect.map(
    corrected(
      Effect.flatMap(HttpClient.HttpClient, (client) =>
        client.execute(request(method, url).pipe(HttpClientRequest.setHeaders({ authorization: "CANARY", "x-tenant": "t1" })))).pipe(
          Effect.provide(HttpScript.layer([step]))
        ),
      options
    ),
    ([span]) => {
      if (span === undefined) throw new Error("no span")
      return span
    }
  )

const errorOf = ({ status }: Recorder.Span): unknown =>
  status._tag === "Ended" && Exit.isFailure(status.exit) ? Cause.squash(status.exit.cause) : undefined

const secret = "https://user:CANARY@users.test:8443/v1/1?sig=CANARY&page=2"

describe("a span of the platform", () => {
  it.effect("has the names and values of the conventions, and no secret", () =>
    Effect.gen(function*() {
      const span = yield* bare({ status: 200, headers: { "set-cookie": "CANARY" } }, secret)
      assert.strictEqual(span.name, "GET")
      deepStrictEqual(span.attributes, {
        "http.request.method": "GET",
        "server.address": "users.test",
        "server.port": 8443,
        "url.full": "https://REDACTED:REDACTED@users.test:8443/v1/1?sig=REDACTED&page=2",
        "http.response.status_code": 200
      })
      assert.isUndefined(errorOf(span))
    }))

  it.effect("has a port where the address has none", () =>
    Effect.gen(function*() {
      assert.strictEqual((yield* bare({ status: 200 }, "https://users.test/")).attributes["server.port"], 443)
      assert.strictEqual((yield* bare({ status: 200 }, "http://users.test/")).attributes["server.port"], 80)
      assert.strictEqual((yield* bare({ status: 200 }, "http://[::1]/")).attributes["server.address"], "[::1]")
    }))

  it.effect("of a method that no standard knows is HTTP and _OTHER", () =>
    Effect.gen(function*() {
      const span = yield* bare({ status: 200 }, "http://users.test/", {}, "BREW")
      assert.strictEqual(span.name, "HTTP")
      assert.strictEqual(span.attributes["http.request.method"], "_OTHER")
      assert.strictEqual(span.attributes["http.request.method_original"], "BREW")
    }))

  for (const status of [399, 400, 404, 429, 500, 503]) {
    it.effect(`of a ${status} is ${status < 400 ? "no error" : "an error"}`, () =>
      Effect.gen(function*() {
        const span = yield* bare({ status }, "http://users.test/")
        assert.strictEqual(span.attributes["error.type"], status < 400 ? undefined : `${status}`)
        const error = errorOf(span)
        if (status < 400) assert.isUndefined(error)
        else assert.propertyVal(error, "message", `${status}`)
      }))
  }

  it.effect("of a connection that is refused says its code, and not where to", () =>
    Effect.gen(function*() {
      const span = yield* bare({ fails: "ECONNREFUSED" }, secret)
      assert.strictEqual(span.attributes["error.type"], "ECONNREFUSED")
      assert.propertyVal(errorOf(span), "message", "ECONNREFUSED")
      assert.notInclude(JSON.stringify(span), "CANARY")
    }))

  it.effect("that is interrupted, or dies, is as it was", () =>
    Effect.gen(function*() {
      const interrupted = yield* corrected(Effect.gen(function*() {
        const fiber = yield* Effect.fork(HttpClient.get("http://users.test/"))
        yield* TestClock.adjust("1 millis")
        yield* Fiber.interrupt(fiber)
      }).pipe(Effect.provide(HttpScript.layer(["hang"]))))
      deepStrictEqual(interrupted.map(({ attributes, status }) => [
        attributes["error.type"],
        status._tag === "Ended" && Exit.isInterrupted(status.exit)
      ]), [[undefined, true]])
    }))

  it.effect("shows the headers that are asked for, as lists", () =>
    Effect.gen(function*() {
      const span = yield* bare({ status: 200, headers: { "x-region": "eu", "x-other": "o" } }, "http://users.test/", { headers: ["x-tenant", "x-region"] })
      deepStrictEqual(Object.entries(span.attributes).filter(([key]) => key.includes("header")), [
        ["http.request.header.x-tenant", ["t1"]],
        ["http.response.header.x-region", ["eu"]]
      ])
    }))
})

describe("other spans", () => {
  it.effect("keep what they say, without the secrets of addresses in it", () =>
    Effect.gen(function*() {
      const [span] = yield* corrected(Effect.withSpan(
        Effect.annotateCurrentSpan({ note: `asked ${secret}`, count: 3, list: ["a"] }),
        "job",
        { attributes: { from: secret } }
      ))
      deepStrictEqual(span?.attributes, {
        from: "https://REDACTED:REDACTED@users.test:8443/v1/1?sig=REDACTED&page=2",
        note: "asked https://REDACTED:REDACTED@users.test:8443/v1/1?sig=REDACTED&page=2",
        count: 3,
        list: ["a"]
      })
    }))

  it.effect("have events without the secrets of addresses in them", () =>
    Effect.gen(function*() {
      const note = Effect.flatMap(Effect.orDie(Effect.currentSpan), (span) => Effect.sync(() => span.event("asked", 0n, { url: secret, count: 1 })))
      const [span] = yield* corrected(Effect.withSpan(note, "job"))
      deepStrictEqual(span?.events.map(({ attributes, name }) => [name, attributes]), [
        ["asked", { url: "https://REDACTED:REDACTED@users.test:8443/v1/1?sig=REDACTED&page=2", count: 1 }]
      ])
    }))

  it.effect("end with the error that came, without the secrets in its message, its stack and its causes; the caller's is untouched", () =>
    Effect.gen(function*() {
      const error = new Error(`cannot reach ${secret}`, { cause: new TypeError(`bad ${secret}`) })
      const [span] = yield* corrected(Effect.withSpan(Effect.fail(error), "job"))
      const shown = errorOf(span as Recorder.Span)
      assert.instanceOf(shown, Error)
      assert.notInclude(`${shown.message} ${shown.stack} ${String(shown.cause)}`, "CANARY")
      assert.include(shown.message, "cannot reach https://REDACTED:REDACTED@users.test:8443")
      assert.include(error.message, "CANARY")
    }))

  it.effect("of kind CLIENT that are of no request are no errors of one", () =>
    Effect.gen(function*() {
      const [span] = yield* corrected(Effect.withSpan(Effect.fail("no"), "SELECT", { kind: "client" }))
      assert.strictEqual(span?.name, "SELECT")
      assert.notProperty(span?.attributes, "error.type")
    }))
})

it.effect("spans of ours are the same with and without", () =>
  Effect.gen(function*() {
    const call = Effect.gen(function*() {
      const client = (yield* HttpClient.HttpClient).pipe(Resilience.withAttemptSpan, Resilience.withCallSpan("users"))
      yield* client.get(secret)
    }).pipe(Effect.provide(HttpScript.layer([{ status: 404 }])))
    const recorder = yield* Recorder.make
    yield* Effect.exit(Effect.provide(call, recorder.layer))
    const shape = (spans: ReadonlyArray<Recorder.Span>) =>
      spans.map((span) => [span.name, span.kind, span.attributes, span.events, String(errorOf(span)), span.late])
    deepStrictEqual(shape(yield* corrected(call)), shape(yield* recorder.spans))
  }))

describe("causes", () => {
  it("are redacted in every part, and keep their shape", () => {
    const both = Cause.parallel(Cause.sequential(Cause.fail(secret), Cause.die(new Error(secret))), Cause.fail({ _tag: "Odd", secret }))
    const safe = Redaction.cause(both)
    assert.notInclude(Cause.pretty(safe), "CANARY")
    assert.strictEqual(safe._tag, "Parallel")
  })

  it("without a secret hold the very same errors", () => {
    const error = new Error("no", { cause: new Error("really") })
    const odd = { _tag: "Odd" }
    deepStrictEqual([...Cause.failures(Redaction.cause(Cause.fail(error)))].map((each) => each === error), [true])
    deepStrictEqual([...Cause.defects(Redaction.cause(Cause.die(odd)))].map((each) => each === odd), [true])
  })

  it("that hold themselves come to an end", () => {
    const [one, two] = [new Error(`a ${secret}`), new Error(`b ${secret}`)]
    one.cause = two
    two.cause = one
    const [shown] = Cause.failures(Redaction.cause(Cause.fail(one)))
    let depth = 0
    for (let each = shown; each instanceof Error; each = each.cause) {
      assert.notInclude(`${each.message} ${each.stack}`, "CANARY")
      depth++
    }
    assert.isAtMost(depth, 10)
  })
})
