import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { setImmediate } from "node:timers/promises"
import * as HttpScript from "../../src/testing/HttpScript.ts"
import { collect } from "../support/garbage.ts"

/** Collects, and lets the finalizers of what was collected run. */
const collectGarbage = async (): Promise<void> => {
  for (let i = 0; i < 3; i++) {
    collect()
    await setImmediate()
  }
}

const url = "http://users.test/1"
const get = HttpClient.get(url)
const ok = { status: 200 } as const
const play =
  (steps: ReadonlyArray<HttpScript.Step>, options?: HttpScript.Options) =>
  <A, E>(effect: Effect.Effect<A, E, HttpClient.HttpClient | HttpScript.HttpScript>): Effect.Effect<A, E> =>
    Effect.provide(effect, HttpScript.layer(steps, options))
const post = (body: HttpBody.HttpBody) =>
  HttpClient.execute(HttpClientRequest.setBody(HttpClientRequest.post(url), body))
const states = Effect.map(HttpScript.requests, (requests) => requests.map((request) => request.state))
const sent = Effect.map(HttpScript.requests, (requests) => requests.map((request) => request.text))
const failure = <A, E>(exit: Exit.Exit<A, E>): E | undefined =>
  Exit.isFailure(exit) ? Option.getOrUndefined(Cause.failureOption(exit.cause)) : undefined
const codeOf = (error: HttpClientError.HttpClientError): unknown => {
  assert.instanceOf(error.cause, Error)
  return "code" in error.cause ? error.cause.code : undefined
}

describe("steps", () => {
  it.effect("are answered in order, with status, headers and body", () =>
    Effect.gen(function*() {
      const first = yield* get
      const second = yield* get
      assert.deepStrictEqual([first.status, first.headers["retry-after"], yield* first.text], [503, "7", "busy"])
      assert.deepStrictEqual([second.status, yield* second.json], [200, { id: 1 }])
    }).pipe(play([{ status: 503, headers: { "Retry-After": "7" }, body: "busy" }, { status: 200, body: "{\"id\":1}" }])))

  it.effect("say how long a body of known size is, unless the headers do", () =>
    Effect.gen(function*() {
      const lengths = yield* Effect.forEach([1, 2, 3, 4, 5], () => Effect.map(get, (response) => response.headers["content-length"]))
      assert.deepStrictEqual(lengths, ["0", "3", undefined, "99", undefined])
    }).pipe(play([ok, { status: 200, body: "é!" }, { status: 200, body: { chunks: ["a"] } }, {
      status: 200,
      headers: { "content-length": "99" }
    }, { status: 204 }])))

  it.effect("join the lines of one header as fetch does", () =>
    Effect.gen(function*() {
      const response = yield* get
      assert.strictEqual(response.headers["retry-after"], "120, 7")
    }).pipe(play([{ status: 503, headers: { "retry-after": ["120", "7"] } }])))

  it.effect("may have a status that no server should send", () =>
    Effect.gen(function*() {
      const seen = yield* Effect.forEach([1, 2, 3, 4], () => Effect.flatMap(get, (response) => Effect.map(response.text, (text) => [response.status, text])))
      assert.deepStrictEqual(seen, [[0, ""], [99, ""], [204, ""], [999, "x"]])
    }).pipe(play([{ status: 0, body: "x" }, { status: 99, body: "x" }, { status: 204, body: "x" }, { status: 999, body: "x" }])))

  it.effect("answer HEAD without a body, but with its length", () =>
    Effect.gen(function*() {
      const response = yield* HttpClient.head(url)
      assert.deepStrictEqual([response.headers["content-length"], yield* response.text], ["4", ""])
    }).pipe(play([{ status: 200, body: "four" }])))

  it.effect("may be a function of the request, its body included", () =>
    Effect.gen(function*() {
      const response = yield* post(HttpBody.text("hello"))
      assert.strictEqual(yield* response.text, "POST http://users.test/1 hello")
    }).pipe(play([({ method, text, url }) => ({ status: 200, body: `${method} ${url} ${text}` })])))

  it.effect("die with the defect they name", () =>
    Effect.gen(function*() {
      const exit = yield* Effect.exit(get)
      assert.deepStrictEqual(exit, Exit.die("boom"))
      assert.deepStrictEqual(yield* states, ["failed"])
    }).pipe(play([{ dies: "boom" }])))

  it.effect("are answered in virtual time", () =>
    Effect.gen(function*() {
      const fiber = yield* Effect.fork(get)
      yield* TestClock.adjust("1999 millis")
      assert.deepStrictEqual(yield* fiber.poll, Option.none())
      yield* TestClock.adjust("1 millis")
      assert.strictEqual((yield* Fiber.join(fiber)).status, 200)
    }).pipe(play([{ status: 200, after: "2 seconds" }])))
})

describe("failing steps", () => {
  for (const [code, syscall] of [
    ["ECONNREFUSED", "connect"],
    ["EHOSTUNREACH", "connect"],
    ["ENOTFOUND", "getaddrinfo"],
    ["ECONNRESET", "read"],
    ["EPIPE", "write"],
    ["UND_ERR_SOCKET", undefined],
    ["UND_ERR_CONNECT_TIMEOUT", undefined],
    ["DEPTH_ZERO_SELF_SIGNED_CERT", undefined]
  ] as const) {
    it.effect(`${code} is a Transport error whose cause has the code`, () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(get)
        assert.deepStrictEqual([error._tag, error.reason, codeOf(error)], ["RequestError", "Transport", code])
        const { cause } = error
        assert.strictEqual(cause instanceof Error && "syscall" in cause ? cause.syscall : undefined, syscall)
        assert.deepStrictEqual(yield* states, ["failed"])
      }).pipe(play([{ fails: code }])))
  }

  it.effect("may make an error of their own, later", () =>
    Effect.gen(function*() {
      const fiber = yield* Effect.fork(get)
      yield* TestClock.adjust("1 second")
      const error = failure(yield* Fiber.await(fiber))
      assert.deepStrictEqual([error?._tag, error?.reason], ["RequestError", "InvalidUrl"])
      assert.deepStrictEqual(yield* HttpScript.released, [])
    }).pipe(play([{
      fails: (request) => new HttpClientError.RequestError({ request, reason: "InvalidUrl" }),
      after: "1 second"
    }])))
})

describe("the end of a script", () => {
  it.effect("is a defect that names the request", () =>
    Effect.gen(function*() {
      yield* get
      const exit = yield* Effect.exit(HttpClient.put("http://users.test/2?q=1"))
      assert.isTrue(Exit.isFailure(exit) && Cause.isDie(exit.cause))
      assert.include(
        Cause.pretty(Exit.isFailure(exit) ? exit.cause : Cause.empty),
        "HttpScript: request 2, PUT http://users.test/2?q=1, comes after the end of a script of 1. Add a step, or say what follows with atEnd"
      )
    }).pipe(play([ok])))

  it.effect("may repeat the last step", () =>
    Effect.gen(function*() {
      const statuses = yield* Effect.forEach([1, 2, 3, 4], () => Effect.map(get, (response) => response.status))
      assert.deepStrictEqual(statuses, [503, 200, 200, 200])
    }).pipe(play([{ status: 503 }, ok], { atEnd: "repeatLast" })))

  it.effect("may begin anew", () =>
    Effect.gen(function*() {
      const statuses = yield* Effect.forEach([1, 2, 3, 4, 5], () => Effect.map(get, (response) => response.status))
      assert.deepStrictEqual(statuses, [503, 200, 503, 200, 503])
    }).pipe(play([{ status: 503 }, ok], { atEnd: "cycle" })))

  it("cannot repeat where there is no step", () => {
    assert.throws(() => HttpScript.layer([], { atEnd: "cycle" }), /atEnd must be "die" where there is no step to repeat/)
  })

  it.effect("belongs to one build of the layer", () =>
    Effect.gen(function*() {
      const layer = HttpScript.layer([ok])
      yield* Effect.provide(get, layer)
      assert.strictEqual((yield* Effect.provide(get, layer)).status, 200)
    }))
})

describe("the log", () => {
  it.effect("counts time from the first request", () =>
    Effect.gen(function*() {
      yield* TestClock.adjust("1 hour")
      yield* get
      yield* TestClock.adjust("100 millis")
      yield* get
      yield* TestClock.adjust("200 millis")
      yield* get
      assert.deepStrictEqual(yield* HttpScript.timeline, [0, 100, 300])
      assert.deepStrictEqual((yield* HttpScript.requests).map(({ at, number }) => [number, at]), [[1, 0], [2, 100], [3, 300]])
    }).pipe(play([ok], { atEnd: "repeatLast" })))

  it.effect("has each request as it was sent", () =>
    Effect.gen(function*() {
      yield* HttpClient.execute(HttpClientRequest.put(url).pipe(
        HttpClientRequest.setUrlParam("q", "a b"),
        HttpClientRequest.setHeader("X-Team", "billing"),
        HttpClientRequest.bodyUnsafeJson({ id: 1 })
      ))
      const [request] = yield* HttpScript.requests
      assert.deepInclude(request, { number: 1, at: 0, method: "PUT", url: `${url}?q=a+b`, text: "{\"id\":1}", state: "unread" })
      assert.deepStrictEqual([request?.headers["x-team"], request?.headers["content-length"]], ["billing", "8"])
      assert.deepStrictEqual(request?.body, new TextEncoder().encode("{\"id\":1}"))
    }).pipe(play([ok])))

  for (const [name, body, text] of [
    ["a string", "abc", "abc"],
    ["an ArrayBuffer", new TextEncoder().encode("abc").buffer, "abc"],
    ["a Blob", new Blob(["abc"]), "abc"],
    ["URLSearchParams", new URLSearchParams({ a: "1" }), "a=1"],
    ["nothing", undefined, ""]
  ] as const) {
    it.effect(`has the bytes of a raw body that is ${name}`, () =>
      Effect.gen(function*() {
        yield* post(HttpBody.raw(body))
        assert.deepStrictEqual(yield* sent, [text])
      }).pipe(play([ok])))
  }

  it.effect("keeps the bytes as they were when they were sent", () =>
    Effect.gen(function*() {
      const bytes = new TextEncoder().encode("abc")
      const body = HttpBody.uint8Array(bytes)
      yield* post(body)
      bytes[0] = 120
      yield* post(body)
      assert.deepStrictEqual(yield* sent, ["abc", "xbc"])
    }).pipe(play([ok], { atEnd: "repeatLast" })))

  it.effect("has the parts of a form", () =>
    Effect.gen(function*() {
      yield* post(HttpBody.formDataRecord({ field: "value" }))
      assert.match((yield* sent)[0] ?? "", /name="field"\r\n\r\nvalue/)
    }).pipe(play([ok])))

  it.effect("has no bytes of what cannot be sent: that fails", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(post(HttpBody.raw({ not: "bytes" })))
      assert.deepStrictEqual([error._tag, String(error.cause)], [
        "RequestError",
        "TypeError: HttpScript: a body of type [object Object] cannot be sent"
      ])
    }).pipe(play([ok])))

  it.effect("has what a stream gave, each time it was run", () =>
    Effect.gen(function*() {
      const again = HttpBody.stream(Stream.make(new Uint8Array([97]), new Uint8Array([98])))
      yield* post(again)
      yield* post(again)
      assert.deepStrictEqual(yield* sent, ["ab", "ab"])
    }).pipe(play([ok], { atEnd: "repeatLast" })))

  it.effect("shows a stream that can be run once as empty the second time", () =>
    Effect.gen(function*() {
      const generator = (async function*() {
        yield new Uint8Array([97])
      })()
      const once = HttpBody.stream(Stream.fromAsyncIterable(generator, (error) => error))
      yield* post(once)
      yield* post(once)
      assert.deepStrictEqual(yield* sent, ["a", ""])
    }).pipe(play([ok], { atEnd: "repeatLast" })))

  it.effect("shows a web stream that is sent twice as a Transport error", () =>
    Effect.gen(function*() {
      const web = new Blob(["abc"]).stream()
      const once = HttpBody.stream(Stream.fromReadableStream(() => web, (error) => error))
      yield* post(once)
      const error = yield* Effect.flip(post(once))
      assert.deepStrictEqual([error._tag, error.reason], ["RequestError", "Transport"])
      assert.deepStrictEqual(yield* sent, ["abc", ""])
    }).pipe(play([ok], { atEnd: "repeatLast" })))

  it.effect("has what was sent before a stream failed", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(post(HttpBody.stream(Stream.concat(Stream.make(new Uint8Array([97])), Stream.fail("disk")))))
      assert.deepStrictEqual([error._tag, error.reason, error.cause], ["RequestError", "Transport", "disk"])
      assert.deepStrictEqual([yield* sent, yield* states], [["a"], ["failed"]])
    }).pipe(play([ok])))

  it.effect("has no body where no connection was made, and leaves a stream unread", () =>
    Effect.gen(function*() {
      let runs = 0
      const body = HttpBody.stream(Stream.suspend(() => (runs++, Stream.make(new Uint8Array([97])))))
      yield* Effect.exit(post(body))
      assert.strictEqual(runs, 0)
      yield* Effect.exit(post(body))
      assert.deepStrictEqual([runs, yield* sent], [1, ["", "a"]])
    }).pipe(play([{ fails: "ECONNREFUSED" }, { fails: "ECONNRESET" }])))
})

const readers: Record<string, (response: HttpClientResponse.HttpClientResponse) => Effect.Effect<unknown, unknown>> = {
  text: (response) => response.text,
  json: (response) => response.json,
  arrayBuffer: (response) => response.arrayBuffer,
  stream: (response) => Stream.runDrain(response.stream)
}

describe("a response", () => {
  it.effect("is held until it is read, even when it is empty", () =>
    Effect.gen(function*() {
      const empty = yield* get
      const full = yield* get
      assert.deepStrictEqual([yield* HttpScript.held, yield* states], [[1, 2], ["unread", "unread"]])
      yield* full.text
      assert.deepStrictEqual([yield* HttpScript.held, yield* states], [[1], ["unread", "read"]])
      yield* empty.text
      assert.deepStrictEqual([yield* HttpScript.held, yield* states], [[], ["read", "read"]])
      assert.deepStrictEqual((yield* HttpScript.released).map(({ request }) => request), [2, 1])
    }).pipe(play([ok, { status: 200, body: "x" }])))

  for (const [name, read] of Object.entries(readers)) {
    it.effect(`is read by ${name}`, () =>
      Effect.gen(function*() {
        yield* read(yield* get)
        assert.deepStrictEqual(yield* HttpScript.released, [{ request: 1, how: "read", at: 0, before: 2 }])
      }).pipe(play([{ status: 200, body: "[1]" }])))

    it.effect(`is aborted when ${name} is interrupted`, () =>
      Effect.gen(function*() {
        const fiber = yield* Effect.fork(read(yield* get))
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(yield* states, ["reading"])
        yield* Fiber.interrupt(fiber)
        assert.deepStrictEqual(yield* HttpScript.released, [{ request: 1, how: "aborted", at: 1000, before: 2 }])
      }).pipe(play([{ status: 200, body: { chunks: ["["], ending: "hang" } }])))

    it.effect(`fails ${name} when it is cut`, () =>
      Effect.gen(function*() {
        const error = failure(yield* Effect.exit(read(yield* get)))
        assert.instanceOf(error, HttpClientError.ResponseError)
        assert.deepStrictEqual([error.reason, codeOf(error)], ["Decode", "ECONNRESET"])
        assert.deepStrictEqual(yield* HttpScript.released, [{ request: 1, how: "cut", at: 0, before: 2 }])
      }).pipe(play([{ status: 200, body: { chunks: ["["], ending: "cut" } }])))
  }

  it.effect("is aborted when a stream of it ends early", () =>
    Effect.gen(function*() {
      const response = yield* get
      const chunks = yield* Stream.runCollect(Stream.take(response.stream, 3))
      assert.deepStrictEqual([...chunks].map((chunk) => new TextDecoder().decode(chunk)), ["a", "bc", "a"])
      assert.deepInclude((yield* HttpScript.requests)[0], { state: "aborted", delivered: 4 })
    }).pipe(play([{ status: 200, body: { chunks: ["a", "bc"], ending: "endless" } }])))

  it.effect("ends after 64 MiB even when it is endless", () =>
    Effect.gen(function*() {
      const exit = yield* Effect.exit(Stream.runDrain((yield* get).stream))
      assert.include(String(failure(exit)?.cause), "nobody stopped an endless body of 64 MiB")
    }).pipe(play([{ status: 200, body: { chunks: [new Uint8Array(8 << 20)], ending: "endless" } }])))

  it.effect("comes slowly, in virtual time", () =>
    Effect.gen(function*() {
      const fiber = yield* Effect.fork(Effect.flatMap(get, (response) => response.text))
      yield* TestClock.adjust("2999 millis")
      assert.strictEqual((yield* HttpScript.requests)[0]?.delivered, 2)
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* Fiber.join(fiber), "abc")
      assert.deepStrictEqual((yield* HttpScript.released).map(({ at }) => at), [3000])
    }).pipe(play([{ status: 200, body: { chunks: ["a", "b", "c"], every: "1 second" } }])))

  it.effect("that comes slowly can be given up between two chunks", () =>
    Effect.gen(function*() {
      const fiber = yield* Effect.fork(Effect.flatMap(get, (response) => Effect.timeout(response.text, "1500 millis")))
      yield* TestClock.adjust("1 minute")
      assert.isTrue(Exit.isFailure(yield* Fiber.await(fiber)))
      assert.deepInclude((yield* HttpScript.requests)[0], { state: "aborted", delivered: 1 })
      assert.deepStrictEqual((yield* HttpScript.released).map(({ at }) => at), [1500])
    }).pipe(play([{ status: 200, body: { chunks: ["a", "b"], every: "1 second", ending: "endless" } }])))

  it.effect("says before which request it was let go", () =>
    Effect.gen(function*() {
      const first = yield* get
      const second = yield* get
      yield* second.text
      yield* TestClock.adjust("1 second")
      yield* get
      yield* first.text
      assert.deepStrictEqual(yield* HttpScript.released, [
        { request: 2, how: "read", at: 0, before: 3 },
        { request: 1, how: "read", at: 1000, before: 4 }
      ])
    }).pipe(play([ok], { atEnd: "repeatLast" })))

  it.effect("is aborted by the scope of a scoped client", () =>
    Effect.gen(function*() {
      const client = HttpClient.withScope(yield* HttpClient.HttpClient)
      yield* Effect.scoped(client.get(url))
      assert.deepStrictEqual(yield* states, ["aborted"])
    }).pipe(play([ok])))

  it.effect("is aborted by a scoped client's stream that ends early, before the scope does", () =>
    Effect.gen(function*() {
      const client = HttpClient.withScope(yield* HttpClient.HttpClient)
      const response = yield* client.get(url)
      yield* Stream.runDrain(Stream.take(response.stream, 1))
      assert.deepStrictEqual(yield* states, ["aborted"])
    }).pipe(Effect.scoped, play([{ status: 200, body: { chunks: ["a", "b"] } }])))

  it.effect("that was dropped stays held, whatever the garbage collector does", () =>
    Effect.gen(function*() {
      yield* Effect.repeatN(get, 20)
      yield* Effect.promise(collectGarbage)
      assert.lengthOf(yield* HttpScript.held, 21)
    }).pipe(play([ok], { atEnd: "repeatLast" })))
})

describe("a request that is not answered", () => {
  for (const [name, steps] of [["hangs", ["hang"]], ["is slow", [{ status: 200, after: "1 hour" }]]] as const) {
    it.effect(`is interrupted where the peer ${name}`, () =>
      Effect.gen(function*() {
        const fiber = yield* Effect.fork(Effect.timeout(get, "2 seconds"))
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(yield* states, ["waiting"])
        yield* TestClock.adjust("1 second")
        assert.strictEqual(failure(yield* Fiber.await(fiber))?._tag, "TimeoutException")
        assert.deepStrictEqual([yield* states, yield* HttpScript.released], [["interrupted"], []])
      }).pipe(play(steps)))
  }

  it.effect("has sent what it had sent", () =>
    Effect.gen(function*() {
      const body = Stream.make(1, 2, 3).pipe(Stream.mapEffect((n) => Effect.as(Effect.sleep("1 second"), new Uint8Array([96 + n]))))
      const fiber = yield* Effect.fork(post(HttpBody.stream(body)))
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual([yield* sent, yield* states], [["ab"], ["interrupted"]])
    }).pipe(play([ok])))
})

describe("the handle", () => {
  const driven = Effect.provide(HttpScript.layerHandle)

  it.effect("gives the requests in order and answers them in any", () =>
    Effect.gen(function*() {
      const peer = yield* HttpScript.handle
      assert.isTrue(yield* peer.idle)
      const text = (path: string) => Effect.flatMap(HttpClient.get(`http://users.test/${path}`), (response) => response.text)
      const both = yield* Effect.fork(Effect.all([text("a"), text("b")], { concurrency: 2 }))
      const first = yield* peer.next
      const second = yield* peer.next
      assert.isFalse(yield* peer.idle)
      assert.isTrue(yield* second.respond({ status: 200, body: second.request.url }))
      assert.isTrue(yield* first.respond({ status: 200, body: first.request.url }))
      assert.deepStrictEqual(yield* Fiber.join(both), ["http://users.test/a", "http://users.test/b"])
      assert.isTrue(yield* peer.idle)
    }).pipe(driven))

  it.effect("waits for a request that has not come", () =>
    Effect.gen(function*() {
      const peer = yield* HttpScript.handle
      const answered = yield* Effect.fork(Effect.flatMap(peer.next, (exchange) => exchange.respond({ fails: "ECONNRESET" })))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* answered.poll, Option.none())
      assert.strictEqual(codeOf(yield* Effect.flip(get)), "ECONNRESET")
      assert.isTrue(yield* Fiber.join(answered))
    }).pipe(driven))

  it.effect("cannot answer twice, nor a caller who has gone", () =>
    Effect.gen(function*() {
      const peer = yield* HttpScript.handle
      const first = yield* Effect.fork(get)
      const exchange = yield* peer.next
      assert.deepStrictEqual([yield* exchange.respond(ok), yield* exchange.respond(ok)], [true, false])
      yield* Fiber.join(first)
      const second = yield* Effect.fork(get)
      const other = yield* peer.next
      yield* Fiber.interrupt(second)
      assert.isFalse(yield* other.respond(ok))
      assert.isTrue(yield* peer.idle)
    }).pipe(driven))

  it.effect("passes over a request whose caller has gone", () =>
    Effect.gen(function*() {
      const peer = yield* HttpScript.handle
      const gone = yield* Effect.fork(get)
      yield* TestClock.adjust(0)
      yield* Fiber.interrupt(gone)
      yield* Effect.fork(get)
      assert.strictEqual((yield* peer.next).request.number, 2)
    }).pipe(driven))

  it.effect("takes the steps of a script that are left to it", () =>
    Effect.gen(function*() {
      const peer = yield* HttpScript.handle
      assert.strictEqual((yield* get).status, 503)
      const fiber = yield* Effect.fork(get)
      yield* Effect.flatMap(peer.next, (exchange) => exchange.respond({ status: 202, after: "1 second" }))
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(fiber)).status, 202)
    }).pipe(play([{ status: 503 }, "ask"])))
})

describe("make", () => {
  it.effect("gives a script without a layer", () =>
    Effect.gen(function*() {
      const script = yield* HttpScript.make([ok])
      yield* script.client.get(url)
      yield* TestClock.adjust(Duration.seconds(1))
      assert.deepStrictEqual([yield* script.timeline, yield* script.held], [[0], [1]])
    }))
})
