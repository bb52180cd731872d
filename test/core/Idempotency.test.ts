import { Headers } from "@effect/platform"
import { deepStrictEqual } from "@effect/vitest/utils"
import { Option } from "effect"
import { assert, describe, it } from "vitest"
import * as Failure from "../../src/core/Failure.ts"
import * as Idempotency from "../../src/core/Idempotency.ts"

const idempotent = ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "QUERY"]
const others = ["POST", "PATCH", "CONNECT", "PROPFIND", "", "__proto__", "constructor"]

describe("Idempotency", () => {
  it.each(idempotent)("%s may be repeated", (method) => assert.isTrue(Idempotency.isIdempotent(method, {})))

  it.each(others)("%j may not", (method) => assert.isFalse(Idempotency.isIdempotent(method, {})))

  it("methods are case-sensitive, as HTTP has them", () => {
    for (const method of idempotent) assert.isFalse(Idempotency.isIdempotent(method.toLowerCase(), {}))
  })

  it.each<readonly [string, Readonly<Record<string, string | undefined>>, boolean]>([
    ["a key", { "idempotency-key": "k" }, true],
    ["a key under the older name", { "x-idempotency-key": "k" }, true],
    ["a key of another kind", { "x-request-id": "k" }, false],
    ["an undefined key", { "idempotency-key": undefined }, false],
    ["an empty key, which is none", { "idempotency-key": "" }, false],
    ["a key of spaces, which is empty on the wire", { "idempotency-key": " \t" }, false],
    ["a name in upper case, which no header of the platform has", { "Idempotency-Key": "k" }, false],
    ["a key that only the prototype has", Object.create({ "idempotency-key": "k" }), false]
  ])("a POST with %s", (_, headers, expected) => {
    assert.strictEqual(Idempotency.isIdempotent("POST", headers), expected)
  })

  it("sees the key of the platform's headers whatever its case was", () => {
    assert.isTrue(Idempotency.isIdempotent("POST", Headers.fromInput({ "Idempotency-KEY": "k" })))
  })

  it("names of one's own replace the usual ones", () => {
    assert.isTrue(Idempotency.isIdempotent("POST", { "x-order": "k" }, ["x-order"]))
    assert.isFalse(Idempotency.isIdempotent("POST", { "idempotency-key": "k" }, ["x-order"]))
    assert.isFalse(Idempotency.isIdempotent("POST", { "idempotency-key": "k" }, []))
    assert.isFalse(Idempotency.isIdempotent("POST", {}, ["constructor", "__proto__", "toString"]))
  })

  const reset = Failure.connectionLost("ECONNRESET")
  const neverSent = Failure.connectFailure("tcp", "ECONNREFUSED")
  const answered = Failure.unavailable({ status: 503 })

  it.each<readonly [idempotent: boolean, replayable: boolean, Option.Option<Idempotency.Objection>, Option.Option<Idempotency.Objection>]>([
    [true, true, Option.none(), Option.none()],
    [false, true, Option.some("NotIdempotent"), Option.none()],
    [true, false, Option.some("NotReplayable"), Option.some("NotReplayable")],
    [false, false, Option.some("NotReplayable"), Option.some("NotReplayable")]
  ])("idempotent: %s, replayable: %s", (idempotent, replayable, maybeSent, never) => {
    const request = { idempotent, replayable }
    deepStrictEqual(Idempotency.objection(request, reset), maybeSent)
    deepStrictEqual(Idempotency.objection(request, answered), maybeSent)
    deepStrictEqual(Idempotency.objection(request, neverSent), never)
  })

  it("has no objection to what may always be sent again", () => {
    for (const failure of [reset, neverSent, answered]) {
      deepStrictEqual(Idempotency.objection(Idempotency.always, failure), Option.none())
    }
  })

  it.each([
    ["idempotent", Failure.throttled({ status: 429 }), "NotIdempotent"],
    ["throttled", Failure.throttled({ status: 429 }), undefined],
    ["throttled", Failure.throttled({ status: 403 }), undefined],
    ["throttled", Failure.throttled({ status: 503 }), "NotIdempotent"],
    ["throttled", Failure.throttled(), undefined],
    ["throttled", answered, "NotIdempotent"],
    ["throttled", reset, "NotIdempotent"],
    ["throttled", neverSent, undefined],
    ["recklessly", answered, undefined],
    ["recklessly", reset, undefined]
  ] as const)("under the gate %s a POST after %o: %s", (gate, failure, objection) => {
    const post = { idempotent: false, replayable: true }
    deepStrictEqual(Idempotency.objection(Idempotency.under(post, gate), failure), Option.fromNullable(objection))
    // No gate lets a body be sent again that can be read once.
    const stream = Idempotency.under({ idempotent: false, replayable: false }, gate)
    deepStrictEqual(Idempotency.objection(stream, failure), Option.some("NotReplayable"))
  })

  it("objects to a second POST after everything that may have been sent", () => {
    const post = { idempotent: false, replayable: true }
    for (const failure of [reset, answered, Failure.attemptTimedOut(), Failure.serverFault(500), Failure.unknown("?")]) {
      deepStrictEqual(Idempotency.objection(post, failure), Option.some("NotIdempotent"), failure._tag)
    }
  })
})
