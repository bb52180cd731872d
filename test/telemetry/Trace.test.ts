import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpMethod from "@effect/platform/HttpMethod"
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberRef from "effect/FiberRef"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as TestClock from "effect/TestClock"
import * as TestContext from "effect/TestContext"
import * as fc from "fast-check"
import type { Event } from "../../src/core/Event.ts"
import * as Failure from "../../src/core/Failure.ts"
import * as Resilience from "../../src/policy/Resilience.ts"
import * as ResilientClient from "../../src/policy/ResilientClient.ts"
import * as Observer from "../../src/strategy/Observer.ts"
import * as HttpScript from "../../src/testing/HttpScript.ts"
import * as Recorder from "../../src/testing/Recorder.ts"

const url = "http://users.test/1"

/** No wait at all: what is left is the counting. */
const atOnce = { schedule: Schedule.forever }

const spans = Effect.flatMap(Recorder.Recorder, (recorder) => recorder.spans)

const play = <A, E>(
  steps: ReadonlyArray<HttpScript.Step>,
  effect: Effect.Effect<A, E, HttpClient.HttpClient | HttpScript.HttpScript | Recorder.Recorder>,
  options?: HttpScript.Options
): Effect.Effect<A, E> => effect.pipe(Effect.provide(HttpScript.layer(steps, options)), Effect.provide(Recorder.layer))

// Any method can be sent; the platform's type has the common ones.
const request = (method: string) => HttpClientRequest.make(method as HttpMethod.HttpMethod)(url)

/** Makes a call with both spans, lets time pass, and gives the spans there are then. */
const call = (
  steps: ReadonlyArray<HttpScript.Step>,
  { name = "users", ...options }: ResilientClient.Options = {},
  sent: HttpClientRequest.HttpClientRequest = request("GET")
) =>
  play(
    steps,
    Effect.gen(function*() {
      const client = yield* ResilientClient.make({ name, retry: atOnce, ...options })
      const fiber = yield* Effect.fork(Effect.exit(client.execute(sent)))
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(fiber)
      return yield* spans
    })
  )

const attemptsOf = (all: ReadonlyArray<Recorder.Span>) => all.filter(({ kind }) => kind === "client")

const callOf = (all: ReadonlyArray<Recorder.Span>): Recorder.Span => {
  const found = all.filter(({ kind }) => kind === "internal")
  assert.lengthOf(found, 1)
  return found[0] as Recorder.Span
}

const values = (all: ReadonlyArray<Recorder.Span>, key: string) => all.map(({ attributes }) => attributes[key])

const attempt = (all: ReadonlyArray<Recorder.Span>, number: number): Recorder.Span => {
  const span = attemptsOf(all)[number - 1]
  if (span === undefined) throw new Error(`no attempt ${number} in\n${Recorder.tree(all)}`)
  return span
}

const endOf = ({ status }: Recorder.Span): "open" | "ok" | "failed" | "died" | "interrupted" => {
  if (status._tag === "Open") return "open"
  if (Exit.isSuccess(status.exit)) return "ok"
  const { cause } = status.exit
  return Cause.isInterruptedOnly(cause) ? "interrupted" : Cause.isDie(cause) ? "died" : "failed"
}

/** What goes out on the wire for a trace. */
interface Ids {
  readonly traceparent: string | undefined
  readonly b3: string | undefined
}

const ids = ({ headers }: HttpScript.Request): Ids => ({ traceparent: headers["traceparent"], b3: headers["b3"] })

const none: Ids = { traceparent: undefined, b3: undefined }

/** The platform's own spans send Zipkin's format too; ours where it is asked for. */
const idsOf = ({ name, parent, spanId, traceId }: Recorder.Span): Ids => ({
  traceparent: `00-${traceId}-${spanId}-01`,
  b3: name.startsWith("http.client") ? [traceId, spanId, "1", ...Option.toArray(parent)].join("-") : undefined
})

describe("a call", () => {
  it.effect("is one INTERNAL span, with one CLIENT span for each attempt below it, and its waits on it", () =>
    Effect.gen(function*() {
      const all = yield* call(
        [{ status: 503, headers: { "retry-after": "7" } }, { fails: "ECONNRESET", after: "1 second" }, { status: 200, after: "2 seconds" }],
        { retry: { schedule: Schedule.spaced("500 millis") } }
      )
      const common = "http.request.method=GET"
      const where = "server.address=users.test server.port=80 url.full=http://users.test/1"
      assert.deepStrictEqual(Recorder.tree(all).split("\n"), [
        "users internal 0..10500 ok resilience.name=users resilience.attempts=3 resilience.outcome=Succeeded resilience.waited=7.5 http.response.status_code=200",
        "  @0 resilience.wait resilience.attempt=1 resilience.delay=7 resilience.reason=RetryAfter error.type=503",
        "  @8000 resilience.wait resilience.attempt=2 resilience.delay=0.5 resilience.reason=Schedule error.type=ECONNRESET",
        `  GET client 0..0 failed (503) ${common} ${where} http.response.status_code=503 error.type=503`,
        `  GET client 7000..8000 failed (ECONNRESET) ${common} http.request.resend_count=1 ${where} error.type=ECONNRESET`,
        `  GET client 8500..10500 ok ${common} http.request.resend_count=2 ${where} http.response.status_code=200`
      ])
    }))

  it.effect("shows what backoff waits, in seconds, as it was waited", () =>
    Effect.gen(function*() {
      const all = yield* call([{ status: 503 }, { status: 200 }], { retry: {} })
      const waited = attempt(all, 2).start - attempt(all, 1).start
      assert.isAbove(waited, 0)
      assert.deepStrictEqual(callOf(all).events.map(({ attributes, name }) => [name, attributes]), [
        ["resilience.wait", {
          "resilience.attempt": 1,
          "resilience.delay": waited / 1000,
          "resilience.reason": "Backoff",
          "error.type": "503"
        }]
      ])
      assert.strictEqual(callOf(all).attributes["resilience.waited"], waited / 1000)
    }))

  const giveUps: ReadonlyArray<
    readonly [what: string, steps: ReadonlyArray<HttpScript.Step>, options: ResilientClient.Options, attributes: object]
  > = [
    ["its attempts are used up", [{ status: 503 }, { fails: "ECONNRESET" }], { retry: { ...atOnce, maxAttempts: 2 } }, {
      "resilience.attempt": 2,
      "resilience.reason": "AttemptsExhausted",
      "error.type": "ECONNRESET"
    }],
    ["nothing can help", [{ status: 404 }], {}, {
      "resilience.attempt": 1,
      "resilience.reason": "Terminal",
      "error.type": "404"
    }],
    [
      "the wait would outlive the deadline",
      [{ status: 503, headers: { "retry-after": "20" } }],
      { deadline: "10 seconds", retry: {} },
      {
        "resilience.attempt": 1,
        "resilience.reason": "DeadlineTooClose",
        "resilience.delay": 20,
        "error.type": "503"
      }
    ]
  ]
  for (const [what, steps, options, attributes] of giveUps) {
    it.effect(`says why it was given up: ${what}`, () =>
      Effect.gen(function*() {
        const ended = callOf(yield* call(steps, options))
        const last = ended.events.at(-1)
        assert.deepStrictEqual([last?.name, last?.attributes], ["resilience.give_up", attributes])
        assert.strictEqual(ended.attributes["resilience.outcome"], "GaveUp")
        assert.strictEqual(ended.attributes["resilience.reason"], last?.attributes["resilience.reason"])
      }))
  }

  it.effect("that waited nothing says nothing of waiting", () =>
    Effect.gen(function*() {
      const { attributes, events } = callOf(yield* call([{ status: 200 }]))
      assert.deepStrictEqual(attributes, {
        "resilience.name": "users",
        "resilience.attempts": 1,
        "resilience.outcome": "Succeeded",
        "http.response.status_code": 200
      })
      assert.deepStrictEqual(events, [])
    }))

  it.effect("is a root where there is no span, and one trace with its attempts", () =>
    Effect.gen(function*() {
      const all = yield* call([{ status: 503 }, { status: 200 }])
      assert.isTrue(Option.isNone(callOf(all).parent))
      assert.deepStrictEqual(all.map(({ traceId }) => traceId), Array(3).fill(callOf(all).traceId))
    }))

  it.live("that is made of two in turn has the waits of both", () =>
    play(
      [{ status: 503 }, { status: 200 }],
      Effect.gen(function*() {
        const client = (yield* HttpClient.HttpClient).pipe(
          Resilience.withRetry(atOnce),
          HttpClient.transformResponse((one) => Effect.zipRight(one, one)),
          Resilience.withCallSpan("users")
        )
        yield* client.get(url)
        assert.deepStrictEqual(callOf(yield* spans).events.map(({ name }) => name), ["resilience.wait", "resilience.wait"])
      }),
      { atEnd: "cycle" }
    ))

  it.live("stands below the caller's span", () =>
    play(
      [{ status: 503 }, { status: 200 }],
      Effect.gen(function*() {
        const client = yield* ResilientClient.make({ name: "users", retry: atOnce })
        yield* Effect.withSpan(client.get(url), "caller")
        const [caller, call, first, second] = yield* spans
        const parents = [call, first, second].map((span) => Option.getOrThrow(span!.parent))
        assert.deepStrictEqual(parents, [caller!.spanId, call!.spanId, call!.spanId])
      })
    ))

  it.effect("has no times where the tracer's are off", () =>
    play(
      [{ status: 503 }, { status: 404, after: "2 seconds" }],
      Effect.gen(function*() {
        yield* TestClock.adjust("1 hour")
        const client = yield* ResilientClient.make()
        const fiber = yield* Effect.fork(Effect.withTracerTiming(client.get(url), false))
        yield* TestClock.adjust("1 minute")
        yield* Fiber.join(fiber)
        const all = yield* spans
        const times = all.map(({ events, start, status }) => [start, status._tag === "Ended" && status.at, ...events.map(({ at }) => at)])
        assert.deepStrictEqual(times, [[0, 0, 0, 0], [0, 0], [0, 0]])
      })
    ))

  it.effect("has the name that it is given, or http", () =>
    Effect.gen(function*() {
      assert.strictEqual(callOf(yield* call([{ status: 200 }], { name: "billing" })).name, "billing")
      const unnamed = Effect.flatMap(ResilientClient.make(), (client) => client.get(url))
      const all = yield* play([{ status: 200 }], Effect.zipRight(unnamed, spans))
      assert.strictEqual(callOf(all).name, "http")
    }))
})

describe("an attempt", () => {
  for (const method of ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY"]) {
    it.effect(`of a ${method} has its name`, () =>
      Effect.gen(function*() {
        const span = attempt(yield* call([{ status: 200 }], {}, request(method)), 1)
        assert.deepStrictEqual([span.name, span.attributes["http.request.method"]], [method, method])
        assert.notProperty(span.attributes, "http.request.method_original")
      }))
  }

  for (const method of ["PURGE", "get"]) {
    it.effect(`of a ${method}, which no standard knows, is HTTP and _OTHER`, () =>
      Effect.gen(function*() {
        const { attributes, name } = attempt(yield* call([{ status: 200 }], {}, request(method)), 1)
        assert.deepStrictEqual(
          [name, attributes["http.request.method"], attributes["http.request.method_original"]],
          ["HTTP", "_OTHER", method]
        )
      }))
  }

  for (const [address, host, port] of [
    ["http://users.test/1", "users.test", 80],
    ["https://users.test/1", "users.test", 443],
    ["http://users.test:8080/1", "users.test", 8080],
    ["https://users.test:8443/1", "users.test", 8443],
    ["https://users.test:80/1", "users.test", 80],
    ["http://[::1]:3000/1", "[::1]", 3000]
  ] as const) {
    it.effect(`to ${address} has the host alone and always a port`, () =>
      Effect.gen(function*() {
        const { attributes } = attempt(yield* call([{ status: 200 }], {}, HttpClientRequest.get(address)), 1)
        assert.deepStrictEqual([attributes["server.address"], attributes["server.port"]], [host, port])
      }))
  }

  it.live("shows the address that was asked in the end, without its secrets", () =>
    play(
      [{ status: 503 }, { status: 200 }],
      Effect.gen(function*() {
        const client = (yield* HttpClient.HttpClient).pipe(
          HttpClient.mapRequest(HttpClientRequest.prependUrl("https://user:canary@api.test:8443/v1")),
          HttpClient.mapRequest(HttpClientRequest.appendUrlParam("X-Amz-Signature", "canary")),
          Resilience.withAttemptSpan,
          Resilience.withRetry(atOnce)
        )
        yield* client.get("/items?sig=canary", { urlParams: { page: 2 }, hash: "top" })
        const address = "https://REDACTED:REDACTED@api.test:8443/v1/items?sig=REDACTED&page=2&X-Amz-Signature=REDACTED#top"
        const all = yield* spans
        assert.deepStrictEqual(values(all, "url.full"), [address, address])
        assert.deepStrictEqual(values(all, "server.address"), ["api.test", "api.test"])
        assert.deepStrictEqual(values(all, "server.port"), [8443, 8443])
        assert.isTrue((yield* HttpScript.requests).every(({ url }) => url.includes("canary")))
      })
    ))

  it.live("shows it too where no traceparent marks it", () =>
    play(
      [{ status: 503 }, { status: 200 }],
      Effect.gen(function*() {
        const client = (yield* HttpClient.HttpClient).pipe(
          HttpClient.mapRequest(HttpClientRequest.prependUrl("https://user:canary@api.test")),
          Resilience.withAttemptSpan,
          Resilience.withRetry(atOnce),
          HttpClient.withTracerPropagation(false)
        )
        yield* client.get("/items")
        const address = "https://REDACTED:REDACTED@api.test/items"
        assert.deepStrictEqual(values(yield* spans, "url.full"), [address, address])
        assert.deepStrictEqual(values(yield* spans, "http.request.resend_count"), [undefined, 1])
      })
    ))

  it.effect("of an address that is none has no attributes of it", () =>
    Effect.gen(function*() {
      const { attributes } = attempt(yield* call([], {}, HttpClientRequest.get("no address")), 1)
      assert.deepStrictEqual(attributes, { "http.request.method": "GET", "error.type": "malformed" })
    }))

  it.effect("says how many times the request was sent before: nothing, 1, 2", () =>
    Effect.gen(function*() {
      const all = attemptsOf(yield* call([{ status: 503 }, { status: 503 }, { status: 200 }]))
      assert.notProperty(all[0]?.attributes, "http.request.resend_count")
      assert.deepStrictEqual(values(all, "http.request.resend_count"), [undefined, 1, 2])
    }))

  it.live("is one span and not two, and its ids are the ones on the wire", () =>
    play(
      [{ status: 503 }, { status: 503 }, { status: 200 }],
      Effect.gen(function*() {
        const client = yield* ResilientClient.make({ retry: atOnce })
        yield* client.get(url)
        const all = yield* spans
        assert.lengthOf(all, 4)
        assert.deepStrictEqual((yield* HttpScript.requests).map(ids), attemptsOf(all).map(idsOf))
      })
    ))

  it.live("has a span of its own where nothing stands round it", () =>
    play(
      [{ status: 200 }],
      Effect.gen(function*() {
        yield* (yield* HttpClient.HttpClient).pipe(Resilience.withAttemptSpan).get(url)
        const all = yield* spans
        assert.deepStrictEqual(all.map(({ name, parent }) => [name, parent]), [["GET", Option.none()]])
        assert.deepStrictEqual((yield* HttpScript.requests).map(ids), all.map(idsOf))
      })
    ))
})

describe("how a span ends", () => {
  const refusal = (request: HttpClientRequest.HttpClientRequest) =>
    new HttpClientError.RequestError({
      request,
      reason: "Transport",
      cause: Object.assign(new Error("open"), { [Failure.key]: Failure.rejected("CircuitOpen") })
    })

  const ends: ReadonlyArray<readonly [answer: HttpScript.Answer, type: string | undefined, status: number | undefined]> = [
    [{ status: 200 }, undefined, 200],
    [{ status: 304 }, undefined, 304],
    [{ status: 399 }, undefined, 399],
    [{ status: 400 }, "400", 400],
    [{ status: 404 }, "404", 404],
    [{ status: 429 }, "429", 429],
    [{ status: 500 }, "500", 500],
    [{ status: 503 }, "503", 503],
    [{ status: 599 }, "599", 599],
    [{ fails: "ECONNREFUSED" }, "ECONNREFUSED", undefined],
    [{ fails: "ECONNRESET" }, "ECONNRESET", undefined],
    [{ fails: "UND_ERR_SOCKET" }, "UND_ERR_SOCKET", undefined],
    [{ fails: "CERT_HAS_EXPIRED" }, "CERT_HAS_EXPIRED", undefined],
    [{ fails: refusal }, "CircuitOpen", undefined],
    ["hang", "timeout", undefined]
  ]
  for (const [answer, type, status] of ends) {
    const what = type === "CircuitOpen" ? "a refusal" : JSON.stringify(answer)
    it.effect(`${what} is ${type === undefined ? "no error" : `an error, ${type}`}`, () =>
      Effect.gen(function*() {
        const all = yield* call([answer], { retry: "none" })
        assert.lengthOf(all, 2)
        for (const span of all) {
          assert.deepStrictEqual(values([span], "error.type"), [type], Recorder.tree(all))
          assert.deepStrictEqual(values([span], "http.response.status_code"), [status])
          assert.strictEqual(endOf(span), type === undefined ? "ok" : "failed")
          if (span.status._tag === "Ended" && Exit.isFailure(span.status.exit)) {
            assert.propertyVal(Cause.squash(span.status.exit.cause), "message", type)
          }
        }
      }))
  }

  it.effect("an attempt that took too long says timeout, and ends when its time is over", () =>
    Effect.gen(function*() {
      const all = yield* call(["hang", { status: 200 }], { attemptTimeout: "2 seconds" })
      const tooLong = attempt(all, 1)
      assert.deepStrictEqual(
        [tooLong.attributes["error.type"], endOf(tooLong), tooLong.status],
        ["timeout", "failed", { ...tooLong.status, at: 2_000 }]
      )
      assert.deepStrictEqual([endOf(attempt(all, 2)), endOf(callOf(all))], ["ok", "ok"])
    }))

  it.effect("a call past its deadline says DeadlineExceeded; its attempt was interrupted, which is no error", () =>
    Effect.gen(function*() {
      const all = yield* call(["hang"], { deadline: "5 seconds" })
      assert.deepStrictEqual([callOf(all).attributes["error.type"], endOf(callOf(all))], ["DeadlineExceeded", "failed"])
      assert.deepStrictEqual([attempt(all, 1).attributes["error.type"], endOf(attempt(all, 1))], [undefined, "interrupted"])
    }))

  it.effect("an attempt that an inner deadline refused says DeadlineExceeded", () =>
    play(
      ["hang"],
      Effect.gen(function*() {
        const client = (yield* HttpClient.HttpClient).pipe(Resilience.withDeadline("1 second"), Resilience.withAttemptSpan)
        const fiber = yield* Effect.fork(Effect.exit(client.get(url)))
        yield* TestClock.adjust("1 second")
        yield* Fiber.join(fiber)
        assert.deepStrictEqual(values(yield* spans, "error.type"), ["DeadlineExceeded"])
      })
    ))

  it.live("a call that orFail ends says what its last attempt said", () =>
    play(
      [{ status: 503 }, { fails: "ECONNRESET" }],
      Effect.gen(function*() {
        const client = (yield* HttpClient.HttpClient).pipe(
          Resilience.withAttemptSpan,
          Resilience.withRetryOrFail({ ...atOnce, maxAttempts: 2 }),
          Resilience.withCallSpan("users")
        )
        yield* Effect.flip(client.get(url))
        assert.deepStrictEqual(values(yield* spans, "error.type"), ["ECONNRESET", "503", "ECONNRESET"])
      })
    ))

  it.live("an error that nobody knows is _OTHER", () =>
    play(
      [],
      Effect.gen(function*() {
        const client = (yield* HttpClient.HttpClient).pipe(
          HttpClient.mapRequestEffect(() => Effect.fail({ _tag: "NoToken" as const })),
          Resilience.withAttemptSpan,
          Resilience.withCallSpan("users")
        )
        yield* Effect.flip(client.get(url))
        assert.deepStrictEqual(values(yield* spans, "error.type"), ["_OTHER", "_OTHER"])
      })
    ))

  it.effect("a defect is kept as it is, and is no error of the peer's", () =>
    Effect.gen(function*() {
      const defect = new Error("mine")
      const all = yield* call([{ dies: defect }])
      assert.deepStrictEqual(all.map(endOf), ["died", "died"])
      assert.deepStrictEqual(values(all, "error.type"), [undefined, undefined])
      for (const { status } of all) {
        // Effect gives an error that is raised inside a span another identity, and the same prototype, message and stack.
        const died = status._tag === "Ended" && Exit.isFailure(status.exit) ? Cause.squash(status.exit.cause) : undefined
        assert.strictEqual(died instanceof Error ? died.stack : undefined, defect.stack)
      }
    }))

  it.live("what throws where it should have failed ends its span too", () =>
    play(
      [],
      Effect.gen(function*() {
        const client = (yield* HttpClient.HttpClient).pipe(
          HttpClient.transformResponse((): ReturnType<HttpClient.HttpClient["execute"]> => {
            throw new Error("mine")
          }),
          Resilience.withAttemptSpan,
          Resilience.withRetry(atOnce),
          Resilience.withCallSpan("users")
        )
        const exit = yield* Effect.exit(client.get(url))
        assert.isTrue(Exit.isFailure(exit) && Cause.isDie(exit.cause))
        assert.deepStrictEqual((yield* spans).map(endOf), ["died", "died"])
      })
    ))

  it.effect("an interruption ends both spans, and is no error", () =>
    play(
      [{ status: 503 }, "hang"],
      Effect.gen(function*() {
        const client = yield* ResilientClient.make({ retry: atOnce })
        const fiber = yield* Effect.fork(client.get(url))
        yield* TestClock.adjust("3 seconds")
        yield* Fiber.interrupt(fiber)
        const all = yield* spans
        assert.deepStrictEqual(all.map(endOf), ["interrupted", "failed", "interrupted"])
        assert.deepStrictEqual(values(all, "error.type"), [undefined, "503", undefined])
        assert.strictEqual(callOf(all).attributes["resilience.attempts"], 2)
      })
    ))

  it.effect("an interruption while waiting ends the call, and shows the wait", () =>
    play(
      [{ status: 503, headers: { "retry-after": "9" } }],
      Effect.gen(function*() {
        const client = yield* ResilientClient.make()
        const fiber = yield* Effect.fork(client.get(url))
        yield* TestClock.adjust("3 seconds")
        assert.deepStrictEqual((yield* spans).map(endOf), ["open", "failed"])
        yield* Fiber.interrupt(fiber)
        const all = yield* spans
        assert.deepStrictEqual(all.map(endOf), ["interrupted", "failed"])
        assert.deepStrictEqual(callOf(all).events.map(({ name }) => name), ["resilience.wait"])
      })
    ))

  type Met = { readonly status: number } | { readonly fails: string } | { readonly dies: Error } | "hang"

  const met: fc.Arbitrary<Met> = fc.oneof(
    { weight: 5, arbitrary: fc.constantFrom(408, 425, 429, 500, 502, 503, 504).map((status) => ({ status })) },
    { weight: 3, arbitrary: fc.constantFrom("ECONNRESET", "ECONNREFUSED", "UND_ERR_SOCKET").map((fails) => ({ fails })) },
    { weight: 1, arbitrary: fc.constantFrom(200, 304, 400, 404, 501).map((status) => ({ status })) },
    { weight: 1, arbitrary: fc.constant({ fails: "CERT_HAS_EXPIRED" }) },
    { weight: 1, arbitrary: fc.constant({ dies: new Error("a defect") }) },
    { weight: 2, arbitrary: fc.constant("hang" as const) }
  )

  /** What ends an attempt that hangs. */
  const limits = fc.constantFrom<ResilientClient.Options>(
    { attemptTimeout: "1 second", deadline: "none" },
    { attemptTimeout: "none", deadline: "1 second" },
    { attemptTimeout: "none", deadline: "none" }
  )

  const said = (span: Recorder.Span) => [span.attributes["error.type"], endOf(span)]

  const ofAttempt = (met: Met | undefined, limit: ResilientClient.Options) => {
    if (met === undefined || met === "hang") return limit.attemptTimeout === "none" ? [undefined, "interrupted"] : ["timeout", "failed"]
    if ("dies" in met) return [undefined, "died"]
    if ("fails" in met) return [met.fails, "failed"]
    return met.status < 400 ? [undefined, "ok"] : [String(met.status), "failed"]
  }

  it("leaves no span open, writes on none that has ended, and says on each what happened, for any script", () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(met, { minLength: 1, maxLength: 5 }),
        limits,
        fc.integer({ min: 1, max: 6 }),
        fc.boolean(),
        async (script, limit, maxAttempts, propagates) => {
          const [all, requests] = await play(
            script,
            Effect.gen(function*() {
              const client = yield* ResilientClient.make({ ...limit, retry: { ...atOnce, maxAttempts } })
              const fiber = yield* Effect.fork(HttpClient.withTracerPropagation(client, propagates).get(url))
              yield* TestClock.adjust("1 minute")
              yield* Fiber.interrupt(fiber)
              return [yield* spans, yield* HttpScript.requests] as const
            }),
            { atEnd: "cycle" }
          ).pipe(Effect.provide(TestContext.TestContext), Effect.runPromise)
          const attempts = attemptsOf(all)
          const call = callOf(all)
          assert.deepStrictEqual(Recorder.open(all), [])
          assert.deepStrictEqual(all.flatMap(({ late }) => late), [])
          assert.lengthOf(attempts, requests.length)
          assert.deepStrictEqual(requests.map(ids), attempts.map((span) => propagates ? idsOf(span) : none))
          for (const [index, span] of attempts.entries()) {
            assert.deepStrictEqual(span.parent, Option.some(call.spanId))
            assert.strictEqual(span.attributes["http.request.resend_count"], index === 0 ? undefined : index)
            assert.deepStrictEqual(said(span), ofAttempt(script[index % script.length], limit), Recorder.tree(all))
          }
          const last = ofAttempt(script[(attempts.length - 1) % script.length], limit)
          const late = last[1] === "interrupted" && limit.deadline !== "none"
          assert.deepStrictEqual(said(call), late ? ["DeadlineExceeded", "failed"] : last, Recorder.tree(all))
          assert.strictEqual(call.attributes["resilience.attempts"], attempts.length)
          assert.lengthOf(call.events.filter(({ name }) => name === "resilience.wait"), attempts.length - 1)
        }
      ),
      { numRuns: 50 }
    ))
})

describe("a call made on the way", () => {
  const token = HttpClientRequest.post("https://auth.test/token")
  // Of the same method as the request round it, and one that may be sent again.
  const me = HttpClientRequest.get("https://auth.test/me")

  it.live("is told apart by its traceparent, also where it looks more like the request than what is sent in the end", () =>
    play(
      [{ status: 200 }],
      Effect.gen(function*() {
        const auth = yield* HttpScript.make([{ status: 200 }])
        const client = (yield* HttpClient.HttpClient).pipe(
          HttpClient.mapRequest(HttpClientRequest.setUrl("http://moved.test/2")),
          HttpClient.mapRequestEffect((request) => Effect.as(auth.client.execute(me), request)),
          Resilience.withAttemptSpan
        )
        yield* client.get("/me")
        const all = yield* spans
        assert.deepStrictEqual(all.map(({ attributes, name }) => [name, attributes["url.full"]]), [
          ["GET", "http://moved.test/2"],
          ["http.client GET", me.url]
        ])
        assert.deepStrictEqual([...yield* HttpScript.requests, ...yield* auth.requests].map(ids), all.map(idsOf))
      })
    ))

  for (const propagates of [true, false]) {
    it.live(`keeps the platform's span, below the attempt that made it, with propagation ${propagates ? "on" : "off"}`, () =>
      play(
        [{ status: 503 }, { status: 503 }, { status: 200 }],
        Effect.gen(function*() {
          const auth = yield* HttpScript.make([{ status: 200, body: "t" }], { atEnd: "repeatLast" })
          const client = (yield* HttpClient.HttpClient).pipe(
            HttpClient.mapRequestEffect((request) =>
              Effect.map(Effect.flatMap(auth.client.execute(token), ({ text }) => text), (t) => HttpClientRequest.bearerToken(request, t))
            ),
            Resilience.withAttemptSpan,
            Resilience.withRetry(atOnce),
            Resilience.withCallSpan("users"),
            HttpClient.withTracerPropagation(propagates)
          )
          yield* client.get(url)
          const all = yield* spans
          const tokens = all.filter(({ name }) => name === "http.client POST")
          const attempts = all.filter(({ name }) => name === "GET")
          assert.lengthOf(all, 7, Recorder.tree(all))
          assert.deepStrictEqual(values(attempts, "http.request.resend_count"), [undefined, 1, 2])
          assert.deepStrictEqual(values(attempts, "url.full"), [url, url, url])
          for (const [index, span] of tokens.entries()) {
            assert.deepStrictEqual(span.parent, Option.some(attempts[index]?.spanId))
            assert.strictEqual(span.attributes["url.full"], token.url)
            assert.notProperty(span.attributes, "http.request.resend_count")
          }
          assert.deepStrictEqual((yield* auth.requests).map(ids), tokens.map((span) => propagates ? idsOf(span) : none))
          assert.deepStrictEqual((yield* HttpScript.requests).map(ids), attempts.map((span) => propagates ? idsOf(span) : none))
          assert.deepStrictEqual(Recorder.open(all), [])
        })
      ))

    it.live(`has no span where tracing is off for it, with propagation ${propagates ? "on" : "off"}`, () =>
      play(
        [{ status: 200 }],
        Effect.gen(function*() {
          const auth = yield* HttpScript.make([{ status: 200 }])
          const client = (yield* HttpClient.HttpClient).pipe(
            HttpClient.mapRequestEffect((request) => Effect.as(auth.client.execute(token), request)),
            Resilience.withAttemptSpan,
            HttpClient.withTracerPropagation(propagates),
            HttpClient.withTracerDisabledWhen((request) => request.url === token.url)
          )
          yield* client.get(url)
          assert.deepStrictEqual((yield* spans).map(({ name }) => name), ["GET"])
          assert.deepStrictEqual((yield* auth.requests).map(ids), [none])
        })
      ))

    it.live(`with strategies of its own writes on a span of its own, with propagation ${propagates ? "on" : "off"}`, () =>
      play(
        [{ status: 503 }, { status: 200 }],
        Effect.gen(function*() {
          const peer = yield* HttpScript.make([{ status: 200 }, { fails: "ECONNRESET" }, { status: 500 }, { status: 404 }])
          const auth = yield* Effect.provideService(
            ResilientClient.make({ name: "auth", retry: atOnce }),
            HttpClient.HttpClient,
            peer.client
          )
          const client = (yield* HttpClient.HttpClient).pipe(
            HttpClient.mapRequestEffect((request) => Effect.as(auth.execute(me), request)),
            Resilience.withAttemptSpan,
            Resilience.withRetry(atOnce),
            Resilience.withCallSpan("users"),
            HttpClient.withTracerPropagation(propagates)
          )
          yield* client.get(url)
          const all = yield* spans
          const below = (parent: Recorder.Span | undefined) =>
            all.filter((span) => Option.contains(span.parent, parent?.spanId))
          const [users] = all
          const attempts = below(users)
          const auths = attempts.map((attempt) => below(attempt)[0])
          const events = (span: Recorder.Span | undefined) =>
            span?.events.map(({ attributes, name }) => [name, attributes["resilience.attempt"], attributes["error.type"]])
          assert.deepStrictEqual([users, ...auths].map((span) => [span?.name, span?.attributes["resilience.attempts"]]), [
            ["users", 2],
            ["auth", 1],
            ["auth", 3]
          ])
          assert.deepStrictEqual(events(users), [["resilience.wait", 1, "503"]])
          assert.deepStrictEqual(events(auths[0]), [])
          assert.deepStrictEqual(events(auths[1]), [
            ["resilience.wait", 1, "ECONNRESET"],
            ["resilience.wait", 2, "500"],
            ["resilience.give_up", 3, "404"]
          ])
          assert.deepStrictEqual(values(attempts, "http.request.resend_count"), [undefined, 1])
          assert.deepStrictEqual(
            auths.map((auth) => values(below(auth), "http.request.resend_count")),
            [[undefined], [undefined, 1, 2]]
          )
        })
      ))
  }
})

describe("tracing off", () => {
  /** The spans, and the trace headers of each request. */
  const quiet = (decorate: (client: HttpClient.HttpClient) => HttpClient.HttpClient, urls = [url]) =>
    play(
      [{ status: 503 }, { status: 200 }],
      Effect.gen(function*() {
        const client = decorate(yield* ResilientClient.makeDropIn({ retry: atOnce }))
        yield* Effect.forEach(urls, (url) => client.get(url))
        return [yield* spans, (yield* HttpScript.requests).map(ids)] as const
      }),
      { atEnd: "cycle" }
    )

  it.live("for the effect: no span, no header", () =>
    Effect.gen(function*() {
      const [all, headers] = yield* quiet(HttpClient.transformResponse(Effect.withTracerEnabled(false)))
      assert.deepStrictEqual([all, headers], [[], [none, none]])
    }))

  it.live("for the request: no span of an attempt, neither ours nor the platform's, and no header", () =>
    Effect.gen(function*() {
      const [all, headers] = yield* quiet(HttpClient.withTracerDisabledWhen(() => true))
      assert.deepStrictEqual([all.map(({ name }) => name), headers], [["http"], [none, none]])
    }))

  it.live("for some requests: the others have theirs", () =>
    Effect.gen(function*() {
      const other = "http://users.test/health"
      const [all, headers] = yield* quiet(HttpClient.withTracerDisabledWhen((request) => request.url === other), [other, url])
      const attempts = attemptsOf(all)
      assert.deepStrictEqual(values(attempts, "url.full"), [url, url])
      assert.deepStrictEqual(headers, [none, none, ...attempts.map(idsOf)])
    }))

  it.live("for the wire: all spans, no header", () =>
    Effect.gen(function*() {
      const [all, headers] = yield* quiet(HttpClient.withTracerPropagation(false))
      assert.deepStrictEqual(all.map(({ name }) => name), ["http", "GET", "GET"])
      assert.deepStrictEqual(headers, [none, none])
    }))
})

describe("what surrounds a call", () => {
  const disabledWhen = (request: HttpClientRequest.HttpClientRequest) => request.url === "http://never.test/"

  const surroundings = Effect.all({
    span: Effect.map(Effect.currentSpan, ({ spanId }) => spanId),
    observer: Observer.Observer,
    disabledWhen: FiberRef.get(HttpClient.currentTracerDisabledWhen)
  })

  // No limit: with one an attempt has a fiber of its own, which leaves nothing behind.
  const ofOneFiber = (client: HttpClient.HttpClient) =>
    client.pipe(Resilience.withAttemptSpan, Resilience.withRetry(atOnce), Resilience.withCallSpan("users"))

  for (const [what, answer] of [
    ["a success", { status: 200 }],
    ["a response that is a failure", { status: 404 }],
    ["a failure", { fails: "CERT_HAS_EXPIRED" }],
    ["a defect", { dies: new Error("mine") }],
    ["an interruption", "hang"]
  ] as const) {
    it.effect(`is the caller's again after ${what}`, () =>
      play(
        [{ status: 503 }, answer],
        Effect.gen(function*() {
          const seen: Array<Effect.Effect.Success<typeof surroundings>> = []
          const look = Effect.flatMap(surroundings, (now) => Effect.sync(() => seen.push(now)))
          // What maps the request runs where the spans are: there it can be seen that they changed something.
          const client = (yield* HttpClient.HttpClient).pipe(
            HttpClient.mapRequestEffect((request) => Effect.as(Effect.orDie(look), request)),
            ofOneFiber
          )
          const fiber = yield* Effect.uninterruptibleMask((restore) =>
            look.pipe(Effect.zipRight(Effect.exit(restore(client.get(url)))), Effect.zipLeft(look))
          ).pipe(
            Effect.withSpan("caller"),
            Effect.locally(HttpClient.currentTracerDisabledWhen, disabledWhen),
            Effect.fork
          )
          yield* TestClock.adjust("1 second")
          yield* Fiber.interrupt(fiber)
          const [before, first, second, after] = seen
          assert.lengthOf(seen, 4)
          for (const key of ["span", "observer", "disabledWhen"] as const) {
            assert.strictEqual(after?.[key], before?.[key], key)
            assert.notStrictEqual(first?.[key], before?.[key], key)
            assert.notStrictEqual(second?.[key], before?.[key], key)
          }
          assert.strictEqual(after?.disabledWhen, disabledWhen)
          const all = yield* spans
          assert.strictEqual(all.find(({ name }) => name === "caller")?.spanId, after?.span)
          assert.deepStrictEqual(Recorder.open(all), [])
        })
      ))
  }

  const clients: ReadonlyArray<readonly [string, (client: HttpClient.HttpClient) => Effect.Effect<HttpClient.HttpClient>]> = [
    ["in one fiber", (client) => Effect.succeed(ofOneFiber(client))],
    [
      "in a fiber of its own",
      (client) => Effect.provideService(ResilientClient.makeDropIn({ retry: atOnce }), HttpClient.HttpClient, client)
    ]
  ]
  for (const [where, make] of clients) {
    it.live(`keeps what an attempt ${where} changed in a FiberRef`, () =>
      play(
        [{ status: 503 }, { status: 200 }],
        Effect.scoped(Effect.gen(function*() {
          const count = yield* FiberRef.make(0)
          const client = yield* make(
            HttpClient.tapRequest(yield* HttpClient.HttpClient, () => FiberRef.update(count, (n) => n + 1))
          )
          yield* client.get(url)
          assert.strictEqual(yield* FiberRef.get(count), 2)
        }))
      ))
  }

  it.effect("has its observer, who hears all that he hears without a span", () =>
    Effect.gen(function*() {
      const heard = (decorate: Resilience.Combinator) =>
        Effect.gen(function*() {
          const events: Array<Event> = []
          const client = (yield* HttpClient.HttpClient).pipe(Resilience.withRetry({ schedule: Schedule.spaced("2 seconds") }), decorate)
          const fiber = yield* Effect.fork(
            Observer.observe(client.get(url), Observer.make((event) => Effect.sync(() => void events.push(event))))
          )
          yield* TestClock.adjust("1 minute")
          yield* Fiber.join(fiber)
          return [Recorder.timeline(events), events.length]
        })
      const story = <A, E>(effect: Effect.Effect<A, E, HttpClient.HttpClient>) =>
        play([{ status: 503 }, { fails: "ECONNRESET" }, { status: 404 }], effect)
      const without = yield* story(heard((client) => client))
      assert.deepStrictEqual(without, [
        [
          "0 attempt 1",
          "0 failed 503",
          "0 wait 2000 Schedule",
          "2000 attempt 2",
          "2000 failed ECONNRESET",
          "2000 wait 2000 Schedule",
          "4000 attempt 3",
          "4000 failed 404",
          "4000 gave up Terminal"
        ],
        10
      ])
      assert.deepStrictEqual(yield* story(heard(Resilience.withCallSpan("users"))), without)
    }))
})
