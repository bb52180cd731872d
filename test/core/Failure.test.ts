import { deepStrictEqual } from "@effect/vitest/utils"
import { Option } from "effect"
import { assert, describe, it } from "vitest"
import * as Failure from "../../src/core/Failure.ts"

const secret = new Error("token=hunter2")

const table: ReadonlyArray<readonly [name: string, failure: Failure.Failure, Failure.Sent, Failure.Resend, label: string]> = [
  ["no such host", Failure.connectFailure("dns", "ENOTFOUND"), "never", "always", "ENOTFOUND"],
  ["connection refused", Failure.connectFailure("tcp", "ECONNREFUSED"), "never", "always", "ECONNREFUSED"],
  ["closed in the TLS handshake", Failure.connectFailure("tls", "ECONNRESET"), "never", "always", "ECONNRESET"],
  ["connection reset", Failure.connectionLost("ECONNRESET"), "maybe", "always", "ECONNRESET"],
  ["no headers in time", Failure.attemptTimedOut(), "maybe", "always", "timeout"],
  ["no end of the body in time", Failure.attemptTimedOut(Option.some(10), "body"), "maybe", "always", "timeout"],
  ["429", Failure.throttled({ status: 429 }), "yes", "always", "429"],
  ["throttled without a status", Failure.throttled(), "yes", "always", "throttled"],
  ["408", Failure.unavailable({ status: 408 }), "yes", "always", "408"],
  ["425", Failure.unavailable({ status: 425 }), "yes", "once", "425"],
  ["502", Failure.unavailable({ status: 502 }), "yes", "always", "502"],
  ["503", Failure.unavailable({ status: 503 }), "yes", "always", "503"],
  ["504", Failure.unavailable({ status: 504 }), "yes", "always", "504"],
  ["unavailable without a status", Failure.unavailable(), "yes", "always", "unavailable"],
  ["500", Failure.serverFault(500), "yes", "always", "500"],
  ["501", Failure.serverFault(501), "yes", "no", "501"],
  ["505", Failure.serverFault(505), "yes", "no", "505"],
  ["an invented 999", Failure.serverFault(999), "yes", "no", "999"],
  ["404", Failure.refused(404), "yes", "no", "404"],
  ["expired certificate", Failure.untrusted("CERT_HAS_EXPIRED"), "never", "no", "CERT_HAS_EXPIRED"],
  ["invalid URL", Failure.malformed("url", "ERR_INVALID_URL"), "never", "no", "malformed"],
  ["invalid header", Failure.malformed("request", "ERR_INVALID_CHAR"), "never", "no", "malformed"],
  ["not JSON", Failure.malformed("response", "SyntaxError"), "yes", "no", "malformed"],
  ["gRPC UNAVAILABLE", Failure.rpcFailure("UNAVAILABLE"), "yes", "always", "UNAVAILABLE"],
  ["gRPC RESOURCE_EXHAUSTED", Failure.rpcFailure("RESOURCE_EXHAUSTED"), "yes", "always", "RESOURCE_EXHAUSTED"],
  ["gRPC DEADLINE_EXCEEDED", Failure.rpcFailure("DEADLINE_EXCEEDED"), "yes", "no", "DEADLINE_EXCEEDED"],
  ["gRPC INTERNAL", Failure.rpcFailure("INTERNAL"), "yes", "no", "INTERNAL"],
  ["open circuit", Failure.rejected("CircuitOpen"), "never", "no", "CircuitOpen"],
  ["nobody knows", Failure.unknown(secret), "maybe", "no", "_OTHER"]
]

/** One of each: a tag that is added and forgotten here does not compile. */
const tags: { readonly [K in Failure.Tag]: true } = {
  ConnectFailure: true,
  ConnectionLost: true,
  AttemptTimedOut: true,
  Throttled: true,
  Unavailable: true,
  ServerFault: true,
  Refused: true,
  Untrusted: true,
  Malformed: true,
  RpcFailure: true,
  Rejected: true,
  Unknown: true
}

describe("Failure", () => {
  it("has a row below for every tag", () => {
    deepStrictEqual(new Set(table.map(([, failure]) => failure._tag)), new Set(Object.keys(tags)))
  })

  it.each(table)("%s: what was sent, whether to send again, its label", (_, failure, sent, resend, label) => {
    deepStrictEqual([Failure.sent(failure), Failure.resend(failure), Failure.label(failure)], [sent, resend, label])
  })

  it("was never sent, and is terminal, where we rejected it ourselves", () => {
    const rejected = Failure.rejected("RateLimited", Option.some(250))
    assert.strictEqual(Failure.sent(rejected), "never")
    assert.strictEqual(Failure.resend(rejected), "no")
    deepStrictEqual(Failure.retryAfter(rejected), Option.some(250))
  })

  it("only 500 of all 5xx that are server faults is worth another attempt", () => {
    for (let status = 500; status < 1100; status++) {
      assert.strictEqual(Failure.resend(Failure.serverFault(status)), status === 500 ? "always" : "no", String(status))
    }
  })

  it("only 425 of all statuses is worth one more attempt and not two", () => {
    for (let status = 0; status < 1100; status++) {
      assert.strictEqual(Failure.resend(Failure.unavailable({ status })), status === 425 ? "once" : "always", String(status))
    }
  })

  const hinted: ReadonlyArray<readonly [string, Failure.Failure, Option.Option<number>, Option.Option<number>]> = [
    ["throttled", Failure.throttled({ status: 429, retryAfter: Option.some(7) }), Option.some(429), Option.some(7)],
    ["throttled, hint of 0", Failure.throttled({ retryAfter: Option.some(0) }), Option.none(), Option.some(0)],
    ["unavailable", Failure.unavailable({ status: 503, retryAfter: Option.some(7) }), Option.some(503), Option.some(7)],
    ["unavailable, no hint", Failure.unavailable({ status: 503 }), Option.some(503), Option.none()],
    ["server fault", Failure.serverFault(500, Option.some(7)), Option.some(500), Option.some(7)],
    ["refused", Failure.refused(404), Option.some(404), Option.none()],
    ["gRPC", Failure.rpcFailure("UNAVAILABLE", Option.some(7)), Option.none(), Option.some(7)],
    ["rejected", Failure.rejected("CircuitOpen", Option.some(7)), Option.none(), Option.some(7)],
    ["lost", Failure.connectionLost("EPIPE"), Option.none(), Option.none()],
    ["timed out", Failure.attemptTimedOut(Option.some(10)), Option.none(), Option.none()],
    ["unknown, whatever the error holds", Failure.unknown({ status: 503, retryAfter: 7 }), Option.none(), Option.none()]
  ]

  it.each(hinted)("%s: its status and its hint", (_, failure, status, retryAfter) => {
    deepStrictEqual([Failure.status(failure), Failure.retryAfter(failure)], [status, retryAfter])
  })

  it("says nothing of an unknown error in its label", () => {
    assert.notInclude(Failure.label(Failure.unknown(secret)), "hunter2")
  })

  it.each([
    ["an error of one's own", { [Failure.key]: Failure.unavailable() }, true],
    ["an instance that inherits it", Object.create({ [Failure.key]: Failure.unavailable() }), true],
    ["an error without it", new Error("no"), false],
    ["an error that has none this time", { [Failure.key]: undefined }, false],
    ["an error that has null", { [Failure.key]: null }, false],
    ["null", null, false],
    ["undefined", undefined, false],
    ["a string", "Failure", false],
    ["a number", 1, false]
  ])("%s: whether it carries its own failure", (_, value, expected) => {
    assert.strictEqual(Failure.isCarrier(value), expected)
  })

  it("is carried under a key that every copy of this library shares", () => {
    assert.strictEqual(Failure.key, Symbol.for("effect-resilience/Failure"))
  })
})
