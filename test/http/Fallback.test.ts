import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { assert, describe, it } from "@effect/vitest"
import { assertSome, deepStrictEqual } from "@effect/vitest/utils"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as Classifier from "../../src/core/Classifier.ts"
import type * as Failure from "../../src/core/Failure.ts"
import * as Outcome from "../../src/core/Outcome.ts"
import * as DropIn from "../../src/http/DropIn.ts"
import * as Fallback from "../../src/http/Fallback.ts"
import * as LastResponse from "../../src/http/LastResponse.ts"
import * as Resilience from "../../src/policy/Resilience.ts"
import * as CircuitBreaker from "../../src/strategy/CircuitBreaker.ts"
import * as Observer from "../../src/strategy/Observer.ts"
import * as HttpScript from "../../src/testing/HttpScript.ts"
import * as Recorder from "../../src/testing/Recorder.ts"
import { eventually } from "../support/eventually.ts"
import * as Fault from "../support/faults.ts"
import { closedPort, serve } from "../support/server.ts"
import { told } from "../support/told.ts"
import { onEachTransport } from "../support/transports.ts"

const url = "http://users.test/1"
const play = (steps: ReadonlyArray<HttpScript.Step>, options?: HttpScript.Options) => Effect.provide(HttpScript.layer(steps, options))
const wrapped = <K extends Failure.Tag = Fallback.Outage, E2 = never>(options: Fallback.Options<K, E2>) =>
  Effect.map(HttpClient.HttpClient, (client) => client.pipe(Resilience.withFallback(options)))
const textOf = (response: HttpClientResponse.HttpClientResponse) => response.text

onEachTransport((_, layer) => {
  for (
    const [what, fault] of [
      ["small", Fault.status(503, { body: 100 })],
      ["of no known length", Fault.status(503, { body: 100, framing: "chunked" })],
      ["large", Fault.status(503, { body: 1024 * 1024 })],
      ["endless", Fault.status(503, { ending: "endless" })]
    ] as const
  ) {
    it.scopedLive(`a lost response that is ${what} is let go of before the fallback is begun: one connection is enough`, () =>
      Effect.gen(function*() {
        const server = yield* serve((request, response, received) =>
          (request.url === "/replica" ? Fault.status(200, { body: "replica" }) : fault)(request, response, received))
        const bare = yield* HttpClient.HttpClient
        const client = bare.pipe(Resilience.withFallback({ to: () => bare.get(`${server.url}replica`) }))
        for (let call = 0; call < 3; call++) {
          assert.strictEqual(yield* Effect.flatMap(client.get(server.url), textOf), "replica")
        }
        const { requests } = server.stats
        yield* eventually(() => requests.every(({ closed }) => closed !== undefined))
        assert.deepStrictEqual(requests.map((each) => each.url), ["/", "/replica", "/", "/replica", "/", "/replica"])
      }).pipe(Effect.provide(layer({ connections: 1 }))))
  }

  it.scoped("the last good response is given while the peer answers 503, resets, or is gone, and it is whole", () =>
    Effect.gen(function*() {
      let fault: Fault.Answer | undefined
      let isReset = false
      const server = yield* serve((request, response, received) => {
        if (isReset) return Fault.resetBeforeHeaders(request, response, received)
        if (fault !== undefined) return Fault.status(503, fault)(request, response, received)
        response.writeHead(200, { "content-type": "application/json", "cache-control": "max-age=60", etag: "\"v1\"", "set-cookie": "a=1" })
        response.write("{\"rate\":")
        response.end("1.08}")
      })
      const lastGood = yield* LastResponse.make()
      const client = (yield* HttpClient.HttpClient).pipe(Resilience.withFallback({ lastGood }))
      const first = yield* client.get(server.url)
      assert.deepStrictEqual(Object.keys(first.cookies.cookies), ["a"])
      assert.deepStrictEqual(yield* first.json, { rate: 1.08 })
      for (const step of ["503", "endless 503", "reset"]) {
        fault = step === "endless 503" ? { ending: "endless" } : { body: "busy" }
        isReset = step === "reset"
        const fiber = yield* Effect.fork(client.get(server.url))
        // The body of an endless one is read for a while of the test's clock.
        if (step === "endless 503") yield* eventually(() => server.stats.requests.length === 3)
        const look = yield* Effect.fork(Effect.forever(TestClock.adjust(50)))
        const response = yield* Fiber.join(fiber)
        yield* Fiber.interrupt(look)
        assert.deepStrictEqual([response.status, response.headers["etag"], response.headers["content-type"]], [200, "\"v1\"", "application/json"])
        assert.match(response.headers["warning"] ?? "", /111 - "Revalidation Failed"$/)
        assert.match(response.headers["age"] ?? "", /^[0-9]+$/)
        assert.isUndefined(response.headers["set-cookie"])
        assert.strictEqual(response.request.url, server.url)
        assert.deepStrictEqual([yield* response.json, yield* response.text], [{ rate: 1.08 }, "{\"rate\":1.08}"])
        assert.strictEqual(yield* Stream.mkString(Stream.decodeText(response.stream)), "{\"rate\":1.08}")
      }
      yield* eventually(() => server.stats.requests.every(({ closed }) => closed !== undefined))
    }).pipe(Effect.provide(layer({ connections: 1 }))))

  it.scopedLive("a peer that is gone: whoever asked it before is given what it said", () =>
    Effect.gen(function*() {
      const server = yield* serve(Fault.status(200, { body: "hello" }))
      const nobody = yield* closedPort
      const lastGood = yield* LastResponse.make({ key: ({ method }) => method })
      const client = (yield* HttpClient.HttpClient).pipe(Resilience.withFallback({ lastGood }))
      assert.strictEqual((yield* Effect.flip(client.get(nobody)))._tag, "RequestError")
      yield* Effect.flatMap(client.get(server.url), textOf)
      assert.strictEqual(yield* Effect.flatMap(client.get(nobody), textOf), "hello")
    }).pipe(Effect.provide(layer())))

  const ways: ReadonlyArray<readonly [string, (response: HttpClientResponse.HttpClientResponse) => Effect.Effect<unknown, HttpClientError.ResponseError>]> = [
    ["text", textOf],
    ["stream", (response) => Stream.runDrain(response.stream)]
  ]
  for (const [reader, read] of ways) {
    it.scopedLive(`a body that breaks off, read as ${reader}, is not kept, and the one before it is`, () =>
      Effect.gen(function*() {
        const server = yield* serve(Fault.inTurn(
          Fault.status(200, { body: "whole" }),
          Fault.status(200, { body: "broken off", ending: { finAfter: 4 } }),
          Fault.status(503)
        ))
        const lastGood = yield* LastResponse.make()
        const client = (yield* HttpClient.HttpClient).pipe(Resilience.withFallback({ lastGood }))
        const ask = Effect.flatMap(client.get(server.url), read)
        yield* ask
        assert.isTrue(Exit.isFailure(yield* Effect.exit(ask)))
        assert.strictEqual(yield* Effect.flatMap(client.get(server.url), textOf), "whole")
      }).pipe(Effect.provide(layer({ connections: 1 }))))
  }

  it.scopedLive("what is kept is read as it would have been, by each reader", () =>
    Effect.gen(function*() {
      const form = "a=1&b=2"
      const server = yield* serve(Fault.status(200, { body: form, headers: { "content-type": "application/x-www-form-urlencoded" } }))
      const lastGood = yield* LastResponse.make()
      const client = (yield* HttpClient.HttpClient).pipe(Resilience.withFallback({ lastGood }))
      const response = yield* client.get(server.url)
      assert.strictEqual(yield* response.text, form)
      assert.strictEqual(yield* response.text, form)
      assert.strictEqual((yield* response.arrayBuffer).byteLength, 7)
      assert.deepStrictEqual(yield* response.urlParamsBody, [["a", "1"], ["b", "2"]])
      assert.strictEqual((yield* response.formData).get("b"), "2")
      assert.strictEqual(yield* Stream.mkString(Stream.decodeText(response.stream)), form)
      assert.strictEqual(lastGood.store.size(), 1)
      const streamed = yield* client.get(server.url)
      assert.strictEqual(yield* Stream.mkString(Stream.decodeText(streamed.stream)), form)
    }).pipe(Effect.provide(layer())))
})

describe("a fallback over HTTP", () => {
  it.effect("a response of a kind that was chosen has another one in its place, and is released first", () =>
    Effect.gen(function*() {
      const bare = yield* HttpClient.HttpClient
      const client = bare.pipe(Resilience.withFallback({ on: ["Unavailable"], to: ({ method }, { status }) => bare.get(`${url}?${method}=${Option.getOrNull(status)}`) }))
      const [exit, events] = yield* told("FallbackUsed", client.get(url))
      assert.strictEqual(Exit.isSuccess(exit) && exit.value.status, 201)
      assert.deepStrictEqual((yield* HttpScript.requests).map((request) => request.url), [url, `${url}?GET=503`])
      assert.deepInclude((yield* HttpScript.released)[0], { request: 1, before: 2 })
      assert.deepStrictEqual(events.map(({ because, source }) => [because._tag, source]), [["Unavailable", "Effect"]])
      assert.strictEqual((yield* client.get(url)).status, 404)
    }).pipe(play([{ status: 503, body: "busy" }, { status: 201 }, { status: 404 }])))

  it.effect("the response inside of an error is released too", () =>
    Effect.gen(function*() {
      const client = HttpClient.filterStatusOk(yield* HttpClient.HttpClient).pipe(Resilience.withFallback({ value: { json: { rate: 1 } } }))
      const response = yield* client.get(url)
      assert.deepStrictEqual([response.status, response.headers["content-type"], response.headers["content-length"]], [200, "application/json", "10"])
      assert.deepStrictEqual([yield* response.json, yield* response.json], [{ rate: 1 }, { rate: 1 }])
      assert.deepStrictEqual(yield* HttpScript.held, [])
    }).pipe(play([{ status: 503, body: "busy" }])))

  it.effect("a value is made anew for each call, and may be made of the request and the failure", () =>
    Effect.gen(function*() {
      const client = yield* wrapped({
        on: ["Unavailable", "Refused"],
        value: ({ url }, failure) => ({ status: 203, headers: { "X-Because": failure._tag }, body: url })
      })
      const first = yield* client.get(url)
      assert.deepStrictEqual([first.status, first.headers["x-because"], yield* first.text], [203, "Unavailable", url])
      assert.strictEqual((yield* client.get(url)).headers["x-because"], "Refused")
      const head = yield* client.head(url)
      assert.deepStrictEqual([head.status, yield* head.text, head.headers["content-length"]], [203, "", undefined])
    }).pipe(play([{ status: 503 }, { status: 404 }, { status: 503 }])))

  it("a value that is no response is a mistake", () => {
    for (const value of [{ status: 99 }, { status: 600 }, { status: NaN }, { headers: { "a b": "" } }, { headers: { a: "x\r\ny: z" } }, { json: 1n }]) {
      assert.throws(() => Fallback.middleware({ value }), /Fallback: /)
    }
  })

  it.effect("a function that makes none is a defect of the call, and not a mistake of the peer", () =>
    Effect.gen(function*() {
      const client = yield* wrapped({ value: () => ({ status: 1 }) })
      const exit = yield* Effect.exit(client.get(url))
      assert.isTrue(Exit.isFailure(exit) && Cause.isDie(exit.cause))
      assert.deepStrictEqual(yield* HttpScript.held, [])
    }).pipe(play([{ status: 503 }])))

  it.effect("our own refusals are found, also folded into the platform's error", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker.make()
      yield* CircuitBreaker.isolate(breaker, "http://users.test")
      const typed = (yield* HttpClient.HttpClient).pipe(Resilience.withCircuitBreaker({ breaker }))
      const seen: Array<string> = []
      const options = {
        on: ["Rejected"] as const,
        to: (_: unknown, { by }: Failure.Rejected) => Effect.zipRight(Effect.sync(() => seen.push(by)), Effect.fail("own" as const))
      }
      assert.strictEqual(yield* Effect.flip(typed.pipe(Resilience.withFallback(options)).get(url)), "own")
      assert.strictEqual(yield* Effect.flip(DropIn.fold(typed).pipe(Resilience.withFallback(options)).get(url)), "own")
      const late = (yield* HttpClient.HttpClient).pipe(
        Resilience.withAttemptTimeout("1 second"),
        DropIn.fold,
        Resilience.withFallback({ on: ["AttemptTimedOut"], value: { body: "late" } })
      )
      const fiber = yield* Effect.fork(Effect.flatMap(late.get(url), textOf))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* fiber, "late")
      assert.deepStrictEqual(seen, ["CircuitOpen", "CircuitOpen"])
    }).pipe(play(["hang"])))

  it.effect("one that fails gives its own error, with the first behind it", () =>
    Effect.gen(function*() {
      const client = yield* wrapped({ to: () => Effect.fail("own" as const) })
      const error = yield* Effect.flip(client.get(url))
      assert.strictEqual(error, "own")
      const exit = yield* Effect.exit(client.get(url))
      const failures = Exit.isFailure(exit) ? Array.from(Cause.failures(exit.cause)) : []
      assert.deepStrictEqual(failures.map((each) => each === "own" ? each : (each as HttpClientError.RequestError).reason), ["own", "Transport"])
    }).pipe(play([{ status: 503 }, { fails: "ECONNREFUSED" }])))

  const script = Effect.runSync(HttpScript.make([
    { status: 503, body: "busy" },
    { status: 503, body: { chunks: ["a"], ending: "hang" } },
    { status: 503, body: "busy" }
  ]))

  it.effect("a response that was lost is let go of where the call is interrupted meanwhile, or a classifier dies", () =>
    Effect.gen(function*() {
      const told = yield* Deferred.make<void>()
      const slow = Observer.make((event) => event._tag === "FallbackUsed" ? Effect.zipRight(Deferred.succeed(told, undefined), Effect.never) : Effect.void)
      const client = yield* wrapped({ to: () => Effect.die("begun") })
      const telling = yield* Effect.fork(Observer.observe(client.get(url), slow))
      yield* Deferred.await(told)
      yield* Fiber.interrupt(telling)
      assert.deepStrictEqual(yield* HttpScript.held, [])
      // The body never ends: it is being read when the call is interrupted.
      const releasing = yield* Effect.fork(client.get(url))
      yield* eventually(() => Effect.runSync(Effect.map(script.requests, (all) => all.length)) === 2)
      yield* Fiber.interrupt(releasing)
      assert.deepStrictEqual(yield* HttpScript.held, [])
      const dying = yield* wrapped({
        where: () => {
          throw new Error("no")
        },
        value: {}
      })
      assert.isTrue(Exit.isFailure(yield* Effect.exit(dying.get(url))))
      yield* eventually(() => Effect.runSync(script.held).length === 0)
    }).pipe(Effect.provideService(HttpScript.HttpScript, script), Effect.provideService(HttpClient.HttpClient, script.client)))
})

describe("the last good response", () => {
  const down = { status: 503 } as const
  const stale = (options?: LastResponse.Options) => Effect.flatMap(LastResponse.make(options), (lastGood) =>
    Effect.map(wrapped({ lastGood, name: "stale" }), (client) => ({ client, store: lastGood.store })))

  it.effect("is told of with its age, which counts on while it is kept", () =>
    Effect.gen(function*() {
      const { client } = yield* stale({ maxAge: "10 minutes" })
      yield* Effect.flatMap(client.get(url), textOf)
      yield* TestClock.adjust("90 seconds")
      const [exit, [event]] = yield* told("FallbackUsed", client.get(url))
      if (!Exit.isSuccess(exit)) return assert.fail("no response")
      assert.deepStrictEqual([exit.value.headers["age"], exit.value.headers["warning"]], ["120", "110 - \"Response is Stale\", 111 - \"Revalidation Failed\""])
      assert.deepStrictEqual([event?.call.name, event?.source, event?.because._tag], ["stale", "LastGood", "Unavailable"])
      assertSome(event!.age, 120_000)
      yield* TestClock.adjust("480 seconds")
      assert.strictEqual((yield* client.get(url)).headers["age"], "600")
      yield* TestClock.adjust(1)
      assert.strictEqual((yield* client.get(url)).status, 503)
    }).pipe(play([{ status: 200, headers: { age: "30" }, body: "a" }, down], { atEnd: "repeatLast" })))

  it.effect("the time that the response took makes it older", () =>
    Effect.gen(function*() {
      const { client } = yield* stale()
      const fiber = yield* Effect.fork(Effect.flatMap(client.get(url), textOf))
      yield* TestClock.adjust("7 seconds")
      yield* fiber
      assert.strictEqual((yield* client.get(url)).headers["age"], "7")
    }).pipe(play([{ status: 200, after: "7 seconds", body: "a" }, down])))

  it.effect("a failure without one comes out as it is, with its body", () =>
    Effect.gen(function*() {
      const { client } = yield* stale()
      const [exit, events] = yield* told("FallbackUsed", Effect.flatMap(client.get(url), textOf))
      deepStrictEqual(exit, Exit.succeed("busy"))
      assert.lengthOf(events, 0)
    }).pipe(play([{ status: 503, body: "busy" }])))

  it.effect("each URL, with its parameters, and each method has its own", () =>
    Effect.gen(function*() {
      const { client, store } = yield* stale()
      const page = (number: number) => HttpClientRequest.get(url, { urlParams: { page: number } })
      for (const number of [1, 2]) yield* Effect.flatMap(client.execute(page(number)), textOf)
      yield* client.head(url)
      assert.strictEqual(store.size(), 3)
      assert.strictEqual(yield* Effect.flatMap(client.execute(page(1)), textOf), "one")
      assert.strictEqual(yield* Effect.flatMap(client.execute(page(2)), textOf), "two")
      assert.strictEqual((yield* client.get(url)).status, 503)
      const head = yield* client.head(url)
      assert.deepStrictEqual([head.status, head.headers["content-length"], head.headers["age"]], [200, "5", "0"])
    }).pipe(play([{ status: 200, body: "one" }, { status: 200, body: "two" }, { status: 200, body: "three" }, down], { atEnd: "repeatLast" })))

  it.effect("nothing is kept of what may not be, is too long, or nobody has read to its end", () =>
    Effect.gen(function*() {
      const { client, store } = yield* stale({ atMost: 4 })
      const get = (request = HttpClientRequest.get(url)) => Effect.flatMap(client.execute(request), textOf)
      yield* get()
      yield* get()
      yield* get()
      yield* Effect.flatMap(client.get(url), (response) => Stream.runDrain(response.stream))
      yield* get(HttpClientRequest.post(url))
      yield* get(HttpClientRequest.setHeader(HttpClientRequest.get(url), "authorization", "secret"))
      yield* get(HttpClientRequest.setHeader(HttpClientRequest.get(url), "range", "bytes=0-1"))
      yield* client.get(url)
      yield* Effect.flatMap(client.get(url), (response) => Stream.runDrain(Stream.take(response.stream, 1)))
      assert.strictEqual(store.size(), 0)
      yield* get()
      assert.strictEqual(store.size(), 1)
    }).pipe(play([
      { status: 200, headers: { "cache-control": "no-store" }, body: "a" },
      { status: 200, body: "12345" },
      { status: 200, body: { chunks: ["123", "45"] } },
      { status: 200, body: { chunks: ["123", "45"] } },
      { status: 200, body: "a" },
      { status: 200, body: "a" },
      { status: 200, body: "a" },
      { status: 200, body: "a" },
      { status: 200, body: { chunks: ["1", "2"] } },
      { status: 200, body: { chunks: ["123", "4"] } }
    ])))

  it.effect("a response that may not be kept ends what was kept before it", () =>
    Effect.gen(function*() {
      const { client, store } = yield* stale()
      yield* Effect.flatMap(client.get(url), textOf)
      assert.strictEqual(store.size(), 1)
      yield* Effect.flatMap(client.get(url), textOf)
      assert.strictEqual(store.size(), 0)
    }).pipe(play([{ status: 200, body: "a" }, { status: 200, headers: { "cache-control": "no-store" }, body: "b" }])))

  it.effect("a response that was read late does not take the place of one that came after it", () =>
    Effect.gen(function*() {
      const { client } = yield* stale()
      const early = yield* client.get(url)
      yield* TestClock.adjust("1 second")
      yield* Effect.flatMap(client.get(url), textOf)
      assert.strictEqual(yield* early.text, "early")
      assert.strictEqual(yield* Effect.flatMap(client.get(url), textOf), "late")
    }).pipe(play([{ status: 200, body: "early" }, { status: 200, body: "late" }, down])))

  it.effect("who asks is not told what another was: a header that is added on the way", () =>
    Effect.gen(function*() {
      const lastGood = yield* LastResponse.make({ kind: "private" })
      let token = "ada"
      const client = (yield* HttpClient.HttpClient).pipe(
        HttpClient.mapRequest((request) => HttpClientRequest.bearerToken(request, token)),
        Resilience.withFallback({ lastGood })
      )
      yield* Effect.flatMap(client.get(url), textOf)
      token = "bob"
      assert.strictEqual((yield* client.get(url)).status, 503)
      assert.strictEqual(lastGood.store.size(), 0)
    }).pipe(play([{ status: 200, body: "ada's" }, down])))

  it.effect("is not given for one user where it was another's", () =>
    Effect.gen(function*() {
      const { client } = yield* stale({ kind: "private" })
      const as = (user: string) => Effect.flatMap(client.execute(HttpClientRequest.bearerToken(HttpClientRequest.get(url), user)), textOf)
      yield* as("ada")
      assert.deepStrictEqual([yield* as("bob"), yield* as("ada")], ["busy", "ada's"])
    }).pipe(play([{ status: 200, body: "ada's" }, { status: 503, body: "busy" }], { atEnd: "repeatLast" })))

  it.effect("what one reader does to its bytes the next one does not see", () =>
    Effect.gen(function*() {
      const { client } = yield* stale()
      new Uint8Array(yield* Effect.flatMap(client.get(url), (response) => response.arrayBuffer)).fill(0)
      const first = yield* client.get(url)
      new Uint8Array(yield* first.arrayBuffer).fill(0)
      yield* Stream.runForEach(first.stream, (chunk) => Effect.sync(() => chunk.fill(0)))
      assert.strictEqual(yield* first.text, "good")
      assert.strictEqual(yield* Effect.flatMap(client.get(url), textOf), "good")
    }).pipe(play([{ status: 200, body: "good" }, down, down])))

  it.effect("is of a size that is bounded: capacity and bytes of each", () =>
    Effect.gen(function*() {
      const { client, store } = yield* stale({ capacity: 10, atMost: 1_000 })
      for (let index = 0; index < 200; index++) yield* Effect.flatMap(client.get(`${url}/${index}`), textOf)
      assert.strictEqual(store.size(), 10)
      assert.strictEqual(yield* Effect.flatMap(client.get(`${url}/199`), textOf), "x".repeat(1_000))
    }).pipe(play([...Array.from({ length: 200 }, () => ({ status: 200, body: "x".repeat(1_000) })), down])))

  it("refuses what is no size", () => {
    for (const atMost of [-1, 1.5, NaN]) assert.throws(() => LastResponse.make({ atMost }), /LastResponse: atMost/)
  })

  it.effect("is written on the span of the call: why, what, and how old", () =>
    Effect.gen(function*() {
      const recorder = yield* Recorder.make
      const lastGood = yield* LastResponse.make()
      const client = (yield* HttpClient.HttpClient).pipe(
        Resilience.withAttemptSpan,
        Resilience.withRetry({ maxAttempts: 1 }),
        Resilience.withFallback({ lastGood, name: "prices" }),
        Resilience.withCallSpan("users")
      )
      const read = Effect.flatMap(client.get(url), textOf)
      yield* Effect.gen(function*() {
        yield* read
        yield* TestClock.adjust("1500 millis")
        yield* read
      }).pipe(Effect.provide(recorder.layer))
      const [without, used] = (yield* recorder.spans).filter(({ name }) => name === "users")
      assert.isUndefined(without?.attributes["resilience.fallback"])
      assert.strictEqual(used?.attributes["resilience.fallback"], "LastGood")
      assert.deepStrictEqual(used?.events.filter(({ name }) => name === "resilience.fallback"), [{
        name: "resilience.fallback",
        at: 1_500,
        attributes: { "resilience.name": "prices", "resilience.fallback": "LastGood", "error.type": "503", "resilience.age": 1.5 }
      }])
      assert.deepStrictEqual(used?.late, [])
    }).pipe(play([{ status: 200, body: "good" }, down])))

  it.effect("is a success to what stands outside, and the call ends with it", () =>
    Effect.gen(function*() {
      const { client } = yield* stale()
      yield* Effect.flatMap(client.get(url), textOf)
      const exit = yield* Effect.exit(client.get(url))
      deepStrictEqual(Classifier.run(Classifier.http, exit, 0), Outcome.success)
      assert.isFalse(Exit.isSuccess(exit) && HttpClientError.isHttpClientError(exit.value))
    }).pipe(play([{ status: 200, body: "good" }, { fails: "ECONNRESET" }])))
})
