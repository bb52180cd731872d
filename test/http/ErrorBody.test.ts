import * as HttpClient from "@effect/platform/HttpClient"
import { assert, it } from "@effect/vitest"
import { assertNone, assertSome } from "@effect/vitest/utils"
import * as Effect from "effect/Effect"
import * as ErrorBody from "../../src/http/ErrorBody.ts"
import * as Middleware from "../../src/http/Middleware.ts"
import * as Preset from "../../src/policy/Preset.ts"
import * as Fault from "../support/faults.ts"
import { serve } from "../support/server.ts"
import { onEachTransport } from "../support/transports.ts"

const reading = (options: Partial<ErrorBody.Options> = {}) =>
  Effect.map(HttpClient.HttpClient, (client) => Middleware.applyTo(client, ErrorBody.middleware({ statuses: [403], ...options })))

onEachTransport((_, layer) => {
  it.scopedLive("the body of an error is read, and read again", () =>
    Effect.gen(function*() {
      const server = yield* serve(Fault.inTurn(
        Fault.status(403, { body: "with a length" }),
        Fault.status(403, { body: "in chunks", framing: "chunked" }),
        Fault.status(403, { body: "" }),
        Fault.status(200, { body: "no error" })
      ))
      const client = yield* reading()
      for (const body of ["with a length", "in chunks", ""]) {
        const response = yield* client.get(server.url)
        assertSome(ErrorBody.textOf(response), body)
        assert.strictEqual(yield* response.text, body)
        assert.strictEqual(yield* response.text, body)
      }
      const response = yield* client.get(server.url)
      assertNone(ErrorBody.textOf(response))
      assert.strictEqual(yield* response.text, "no error")
    }).pipe(Effect.provide(layer())))

  it.scopedLive("one that is too long is cut off, or left where it says so", () =>
    Effect.gen(function*() {
      const server = yield* serve(Fault.inTurn(
        Fault.status(403, { body: "a long body", framing: "chunked" }),
        Fault.status(403, { body: "a long body" })
      ))
      const client = yield* reading({ atMost: 6 })
      const cut = yield* client.get(server.url)
      assertSome(ErrorBody.textOf(cut), "a long")
      const left = yield* client.get(server.url)
      assertNone(ErrorBody.textOf(left))
      assert.strictEqual(yield* left.text, "a long body")
    }).pipe(Effect.provide(layer())))

  it.scopedLive("one whose connection breaks is what came of it, and the status stands", () =>
    Effect.gen(function*() {
      const server = yield* serve(Fault.status(403, { body: "a whole body", framing: "chunked", ending: { finAfter: 7 } }))
      const response = yield* Effect.flatMap(reading(), (client) => client.get(server.url))
      assert.strictEqual(response.status, 403)
      assertSome(ErrorBody.textOf(response), "a whole")
    }).pipe(Effect.provide(layer())))

  it.scopedLive("a secondary limit of GitHub is known by its body, over a socket too", () =>
    Effect.gen(function*() {
      const server = yield* serve(Fault.inTurn(
        Fault.status(403, { body: "You have exceeded a secondary rate limit", headers: { "retry-after": "0" } }),
        Fault.status(403, { body: "no such right" })
      ))
      const policy = { ...Preset.github.policy, retry: { backoff: { kind: "constant", delay: "1 milli" } } } as const
      const github = yield* Preset.make({ ...Preset.github, policy })
      const response = yield* github.get(server.url)
      assert.deepStrictEqual([response.status, yield* response.text, server.stats.requests.length], [403, "no such right", 2])
    }).pipe(Effect.provide(layer())))
})
