import { HttpBody, HttpClientRequest } from "@effect/platform"
import { deepStrictEqual } from "@effect/vitest/utils"
import { Effect, Stream } from "effect"
import { Readable } from "node:stream"
import { assert, describe, it } from "vitest"
import * as Replay from "../../src/core/Replay.ts"

const bytes = new Uint8Array([1, 2, 3])
const form = () => {
  const data = new FormData()
  data.set("a", "1")
  return data
}
const oneShot = async function*() {
  yield bytes
}

const bodies: ReadonlyArray<readonly [string, HttpBody.HttpBody, boolean]> = [
  ["no body", HttpBody.empty, true],
  ["text", HttpBody.text("a"), true],
  ["JSON", HttpBody.unsafeJson({ a: 1 }), true],
  ["bytes", HttpBody.uint8Array(bytes), true],
  ["URL parameters", HttpBody.urlParams([["a", "1"]]), true],
  ["a form", HttpBody.formData(form()), true],
  ["raw text", HttpBody.raw("a"), true],
  ["raw empty text", HttpBody.raw(""), true],
  ["raw bytes", HttpBody.raw(bytes), true],
  ["a raw Buffer", HttpBody.raw(Buffer.from("a")), true],
  ["a raw DataView", HttpBody.raw(new DataView(new ArrayBuffer(1))), true],
  ["a raw ArrayBuffer", HttpBody.raw(new ArrayBuffer(1)), true],
  ["a raw Blob", HttpBody.raw(new Blob(["a"])), true],
  ["a raw URLSearchParams", HttpBody.raw(new URLSearchParams("a=1")), true],
  ["a raw FormData", HttpBody.raw(form()), true],
  ["raw null", HttpBody.raw(null), true],
  ["raw undefined", HttpBody.raw(undefined), true],
  ["a raw Readable of node", HttpBody.raw(Readable.from(["a"])), false],
  ["a raw ReadableStream of the web", HttpBody.raw(new ReadableStream()), false],
  ["a raw async generator", HttpBody.raw(oneShot()), false],
  ["a raw Response", HttpBody.raw(new Response("a")), false],
  ["a raw object", HttpBody.raw({}), false],
  ["a raw array", HttpBody.raw(["a"]), false],
  ["a raw function", HttpBody.raw(() => "a"), false],
  ["a stream that runs again, which nobody can see", HttpBody.stream(Stream.make(bytes)), false],
  ["a stream that runs once", HttpBody.stream(Stream.fromAsyncIterable(oneShot(), String)), false]
]

const collect = (body: HttpBody.HttpBody) => {
  assert(body._tag === "Stream")
  return Effect.runPromise(Effect.map(Stream.runCollect(body.stream), (chunks) => Array.from(chunks)))
}

describe("Replay", () => {
  it.each(bodies)("%s", (_, body, expected) => {
    assert.strictEqual(Replay.isReplayable(body), expected)
  })

  it.each(bodies)("%s, declared replayable", (_, body, wasReplayable) => {
    const declared = Replay.replayable(body)
    assert.isTrue(Replay.isReplayable(declared))
    // The original is what it was; what needed no declaration is not copied.
    assert.strictEqual(Replay.isReplayable(body), wasReplayable)
    assert.strictEqual(declared === body, wasReplayable)
    assert.strictEqual(Replay.replayable(declared), declared)
    // It is still the platform's body, in every respect that can be seen.
    assert.isTrue(HttpBody.isHttpBody(declared))
    assert.strictEqual(declared._tag, body._tag)
    assert.strictEqual(declared.contentType, body.contentType)
    assert.strictEqual(declared.contentLength, body.contentLength)
    deepStrictEqual(Object.keys(declared), Object.keys(body))
    assert.strictEqual(JSON.stringify(declared), JSON.stringify(body))
  })

  it("a declared stream gives its bytes, each time", async () => {
    const body = Replay.replayable(HttpBody.stream(Stream.make(bytes, new Uint8Array([4])), "application/x", 4))
    deepStrictEqual(await collect(body), [bytes, new Uint8Array([4])])
    deepStrictEqual(await collect(body), [bytes, new Uint8Array([4])])
  })

  it("stays declared in a request, through the mappings that leave the body alone", () => {
    const body = Replay.replayable(HttpBody.stream(Stream.make(bytes), "application/x"))
    const request = HttpClientRequest.post("/", { body }).pipe(
      HttpClientRequest.prependUrl("http://peer.test"),
      HttpClientRequest.setHeader("a", "b")
    )
    assert.strictEqual(request.body, body)
    assert.strictEqual(request.headers["content-type"], "application/x")
    assert.isTrue(Replay.isReplayable(request.body))
  })

  it("a body that is put in the place of a declared one is not declared", () => {
    const declared = HttpClientRequest.post("/", { body: Replay.replayable(HttpBody.stream(Stream.make(bytes))) })
    assert.isFalse(Replay.isReplayable(HttpClientRequest.bodyStream(declared, Stream.make(bytes)).body))
  })

  it("declares a frozen body too", () => {
    const frozen = Object.freeze(HttpBody.stream(Stream.make(bytes)))
    assert.isTrue(Replay.isReplayable(Replay.replayable(frozen)))
    assert.isFalse(Replay.isReplayable(frozen))
  })

  it("takes a body of a tag nobody knows for one that can be read once", () => {
    assert.isFalse(Replay.isReplayable({ _tag: "Lottery", body: "a" }))
    assert.isTrue(Replay.isReplayable(Replay.replayable({ _tag: "Lottery", body: "a" })))
  })
})
