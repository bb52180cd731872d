import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { FormData as UndiciFormData } from "@effect/platform-node/Undici"
import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { Readable } from "node:stream"
import * as Replay from "../../src/core/Replay.ts"
import * as Resilience from "../../src/policy/Resilience.ts"
import * as Recorder from "../../src/testing/Recorder.ts"
import { eventually } from "../support/eventually.ts"
import * as Fault from "../support/faults.ts"
import { closedPort, type Handler, serve } from "../support/server.ts"
import { type Name, onEachTransport } from "../support/transports.ts"

const text = "one two three"
const bytes = new TextEncoder().encode(text)
const pieces = [bytes.slice(0, 4), bytes.slice(4, 8), bytes.slice(8)]

const generator = async function*(): AsyncGenerator<Uint8Array> {
  for (const piece of pieces) yield piece
}
const webStream = () =>
  new ReadableStream<Uint8Array>({
    start: (controller) => {
      for (const piece of pieces) controller.enqueue(piece)
      controller.close()
    }
  })

/** Takes the whole of a request, and then fails: nobody can say that the body was not sent. */
const wholeThen = (fault: Handler): Handler => (request, response, received) => {
  request.on("end", () => fault(request, response, received))
}
const faults = [["503", Fault.status(503)], ["a reset", Fault.resetBeforeHeaders]] as const

/** A PUT, so that nothing but the body stands in the way of another attempt. */
const put = (url: string, body: HttpBody.HttpBody) =>
  Effect.flatMap(HttpClient.HttpClient, (client) =>
    client.pipe(Resilience.withRetry({ schedule: Schedule.forever, maxAttempts: 3 })).execute(
      HttpClientRequest.setBody(HttpClientRequest.put(url), body)
    ))

const once: ReadonlyArray<readonly [what: string, make: () => HttpBody.HttpBody]> = [
  ["a Readable of Node", () => HttpBody.raw(Readable.from(pieces))],
  ["a ReadableStream", () => HttpBody.raw(webStream())],
  ["an async generator", () => HttpBody.raw(generator())],
  ["a Stream over a ReadableStream", () => {
    const source = webStream()
    return HttpBody.stream(Stream.fromReadableStream({ evaluate: () => source, onError: (error) => error }))
  }],
  ["a Stream over an async generator", () => HttpBody.stream(Stream.fromAsyncIterable(generator(), (error) => error))],
  ["a Stream that nobody has vouched for", () => HttpBody.stream(Stream.fromIterable(pieces))]
]

type Make = (name: Name) => HttpBody.HttpBody
const again: ReadonlyArray<readonly [what: string, make: Make, sent?: RegExp]> = [
  ["nothing", () => HttpBody.empty, /^$/],
  ["text", () => HttpBody.text(text)],
  ["JSON", () => HttpBody.unsafeJson(text), /^"one two three"$/],
  ["a Uint8Array", () => HttpBody.uint8Array(bytes)],
  ["a raw string", () => HttpBody.raw(text)],
  ["a form", (name) => {
    // Of undici it has to be the class that this very undici has.
    const form = name === "undici" ? new UndiciFormData() : new FormData()
    form.append("text", text)
    return HttpBody.formData(form as FormData)
  }, /^--(\S+)\r\ncontent-disposition: form-data; name="text"\r\n\r\none two three\r\n--\1--(?:\r\n)?$/i],
  ["a Stream that was declared", () => Replay.replayable(HttpBody.stream(Stream.fromIterable(pieces)))],
  [
    "a Stream that opens its source each time",
    () => Replay.replayable(HttpBody.stream(Stream.fromReadableStream({ evaluate: webStream, onError: (error) => error })))
  ]
]

onEachTransport((name, layer) => {
  for (const [what, make] of once) {
    for (const [fault, handler] of faults) {
      it.scopedLive(`${what} is never sent twice and never sent empty (${fault})`, () =>
        Effect.gen(function*() {
          const server = yield* serve(wholeThen(handler))
          const { requests } = server.stats
          const recorder = yield* Recorder.make
          yield* Effect.provide(Effect.exit(put(server.url, make())), recorder.layer)
          // Some are more than a transport can take: then nothing whole arrives.
          assert.isAtMost(requests.length, 1)
          assert.strictEqual((yield* recorder.events).filter(({ _tag }) => _tag === "AttemptStarted").length, 1)
          if (taken[name].includes(what)) {
            yield* eventually(() => requests[0]?.closed !== undefined)
            assert.strictEqual(requests[0]?.body(), text)
          }
        }).pipe(Effect.provide(layer())))
    }

    it.scopedLive(`${what} is not even sent again where no connection was made`, () =>
      Effect.gen(function*() {
        const recorder = yield* Recorder.make
        const closed = yield* closedPort
        yield* Effect.provide(Effect.exit(put(closed, make())), recorder.layer)
        assert.strictEqual((yield* recorder.events).filter(({ _tag }) => _tag === "AttemptStarted").length, 1)
      }).pipe(Effect.provide(layer())))
  }

  for (const [what, make, sent = new RegExp(`^${text}$`)] of again) {
    it.scopedLive(`${what} is sent again as it was`, () =>
      Effect.gen(function*() {
        const server = yield* serve(wholeThen(Fault.inTurn(Fault.status(503), Fault.resetBeforeHeaders, Fault.status(200))))
        const response = yield* put(server.url, make(name))
        assert.strictEqual(response.status, 200)
        const { requests } = server.stats
        assert.lengthOf(requests, 3)
        for (const request of requests) assert.match(request.body(), sent)
        const lengths = requests.map(({ body }) => body().length)
        assert.strictEqual(new Set(lengths).size, 1)
        const types = requests.map(({ headers }) => String(headers["content-type"]).replace(/boundary=.*/, ""))
        assert.strictEqual(new Set(types).size, 1)
      }).pipe(Effect.provide(layer())))
  }

  it.scopedLive("the platform's retryTransient sends a generator's body once, and then nothing, and calls that a success", () =>
    Effect.gen(function*() {
      const server = yield* serve(wholeThen(Fault.inTurn(Fault.status(503), Fault.status(200))))
      const response = yield* Effect.flatMap(HttpClient.HttpClient, (client) =>
        client.pipe(HttpClient.retryTransient({ times: 2 })).execute(
          HttpClientRequest.setBody(HttpClientRequest.put(server.url), HttpBody.stream(Stream.fromAsyncIterable(generator(), (error) => error)))
        ))
      assert.deepStrictEqual([response.status, ...server.stats.requests.map(({ body }) => body())], [200, text, ""])
    }).pipe(Effect.provide(layer())))
})

/** What each transport can send at all, of the bodies that can be sent once. */
const taken: Readonly<Record<Name, ReadonlyArray<string>>> = {
  "undici": once.map(([what]) => what),
  "node:http": once.map(([what]) => what).filter((what) => what.startsWith("a Stream")),
  "fetch": once.map(([what]) => what).filter((what) => what.startsWith("a Stream"))
}

describe("a body that was declared", () => {
  it("is still the body that it was", () => {
    const body = HttpBody.stream(Stream.fromIterable(pieces), "text/plain", 13)
    const declared = Replay.replayable(body)
    assert.deepStrictEqual([declared.contentType, declared.contentLength, HttpBody.isHttpBody(declared)], ["text/plain", 13, true])
    const read = Effect.runSync(Stream.runCollect(declared.stream))
    assert.deepStrictEqual(Chunk.toReadonlyArray(read), pieces)
    assert.isFalse(Replay.isReplayable(body))
  })
})
