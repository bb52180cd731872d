import { deepStrictEqual } from "@effect/vitest/utils"
import { Option } from "effect"
import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import * as ErrorCode from "../../src/core/ErrorCode.ts"
import * as Failure from "../../src/core/Failure.ts"

const coded = (code: string, more: object = {}) => Object.assign(new Error("something"), { code }, more)

const of = (error: unknown): Failure.Failure | undefined => Option.getOrUndefined(ErrorCode.toFailure(error))

describe("ErrorCode", () => {
  it.each([
    "ENOTFOUND",
    "EAI_AGAIN",
    "EAI_FAIL",
    "EAI_NODATA",
    "ENODATA",
    "ESERVFAIL",
    "ETIMEOUT"
  ])("%s: no such host", (code) => {
    deepStrictEqual(of(coded(code)), Failure.connectFailure("dns", code))
  })

  it.each([
    "ECONNREFUSED",
    "EHOSTUNREACH",
    "ENETUNREACH",
    "EADDRNOTAVAIL",
    "EMFILE",
    "ENFILE",
    "ERR_SOCKET_CLOSED_BEFORE_CONNECTION",
    "ERR_SOCKET_CONNECTION_TIMEOUT",
    "UND_ERR_CONNECT_TIMEOUT"
  ])("%s: never connected", (code) => {
    deepStrictEqual(of(coded(code)), Failure.connectFailure("tcp", code))
  })

  it.each([
    "ECONNRESET",
    "ECONNABORTED",
    "EPIPE",
    "ETIMEDOUT",
    "ERR_STREAM_PREMATURE_CLOSE",
    "ERR_HTTP2_GOAWAY_SESSION",
    "UND_ERR_SOCKET",
    "UND_ERR_CLOSED",
    "UND_ERR_DESTROYED",
    "UND_ERR_HEADERS_TIMEOUT",
    "UND_ERR_BODY_TIMEOUT"
  ])("%s: lost, perhaps after it was sent", (code) => {
    deepStrictEqual(of(coded(code)), Failure.connectionLost(code))
  })

  it.each([
    "DEPTH_ZERO_SELF_SIGNED_CERT",
    "SELF_SIGNED_CERT_IN_CHAIN",
    "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
    "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
    "CERT_HAS_EXPIRED",
    "CERT_NOT_YET_VALID",
    "CERT_REVOKED",
    "CRL_HAS_EXPIRED",
    "ERR_TLS_CERT_ALTNAME_INVALID",
    "ERR_SSL_WRONG_VERSION_NUMBER",
    "ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION",
    "HOSTNAME_MISMATCH",
    "EPROTO"
  ])("%s: not to be trusted", (code) => {
    deepStrictEqual(of(coded(code)), Failure.untrusted(code))
  })

  it.each([
    ["ERR_INVALID_CHAR", "request"],
    ["ERR_INVALID_HTTP_TOKEN", "request"],
    ["ERR_UNESCAPED_CHARACTERS", "request"],
    ["UND_ERR_INVALID_ARG", "request"],
    ["UND_ERR_REQ_CONTENT_LENGTH_MISMATCH", "request"],
    ["ERR_INVALID_PROTOCOL", "url"],
    ["ERR_INVALID_URL", "url"],
    ["UND_ERR_HEADERS_OVERFLOW", "response"],
    ["UND_ERR_RES_CONTENT_LENGTH_MISMATCH", "response"],
    ["HPE_INVALID_CONSTANT", "response"],
    ["HPE_HEADER_OVERFLOW", "response"],
    ["HPE_SOMETHING_OF_NEXT_YEAR", "response"]
  ] as const)("%s: a malformed %s", (code, what) => {
    deepStrictEqual(of(coded(code)), Failure.malformed(what, code))
  })

  it("tells a time-out while connecting from one on a connection by the system call", () => {
    deepStrictEqual(of(coded("ETIMEDOUT", { syscall: "connect" })), Failure.connectFailure("tcp", "ETIMEDOUT"))
    deepStrictEqual(of(coded("ETIMEDOUT", { syscall: "read" })), Failure.connectionLost("ETIMEDOUT"))
  })

  it("believes the system call before the code", () => {
    deepStrictEqual(of(coded("EACCES", { syscall: "connect" })), Failure.connectFailure("tcp", "EACCES"))
    deepStrictEqual(of(coded("EBUSY", { syscall: "getaddrinfo" })), Failure.connectFailure("dns", "EBUSY"))
  })

  it("knows a connection that closed in the TLS handshake, on which nothing can have been sent", () => {
    const error = Object.assign(new Error("Client network socket disconnected before secure TLS connection was established"), {
      code: "ECONNRESET"
    })
    deepStrictEqual(of(error), Failure.connectFailure("tls", "ECONNRESET"))
  })

  /** The happy eyeballs of Node: all addresses of a host have failed, and the system call stands in the parts only. */
  it("knows that nothing was sent where every address of a host timed out", () => {
    const one = (address: string) =>
      Object.assign(new Error(`connect ETIMEDOUT ${address}:443`), { code: "ETIMEDOUT", errno: -110, syscall: "connect", address })
    const error = Object.assign(new AggregateError([one("::1"), one("127.0.0.1")], ""), { code: "ETIMEDOUT" })
    const failures = [error, ...error.errors].map(of).filter((failure) => failure !== undefined)
    deepStrictEqual(failures[0], Failure.connectFailure("tcp", "ETIMEDOUT"))
  })

  it.each([
    ["fetch failed", "undici"],
    ["terminated", "undici, in the body"],
    ["Failed to fetch", "Chromium"],
    ["NetworkError when attempting to fetch resource.", "Firefox"],
    ["Load failed", "Safari"],
    ["Network connection lost.", "Workers"],
    ["The network connection was lost.", "Safari"]
  ])("a TypeError that says %j (%s) is a lost connection", (message) => {
    deepStrictEqual(of(new TypeError(message)), Failure.connectionLost("unknown"))
  })

  it.each([
    ["Headers.append: \"a\nb\" is an invalid header value.", "undici"],
    ["Failed to execute 'append' on 'Headers': Invalid value", "Chromium"],
    ["Invalid header value char", "node"],
    ["Failed to parse URL from /x", "undici"]
  ])("a TypeError that says %j (%s) is a malformed request", (message) => {
    deepStrictEqual(of(new TypeError(message)), Failure.malformed("request", "TypeError"))
  })

  it.each(["x is not a function", "Cannot read properties of undefined (reading 'fetch')", "I fetch failed", "terminated early"])(
    "a TypeError that says %j is a mistake in a program",
    (message) => assert.strictEqual(of(new TypeError(message)), undefined)
  )

  it("has no opinion on fetch's TypeError where its cause says more", () => {
    assert.strictEqual(of(new TypeError("fetch failed", { cause: coded("ECONNREFUSED") })), undefined)
  })

  it("takes fetch's TypeError for a lost connection where its cause is undefined", () => {
    deepStrictEqual(of(new TypeError("fetch failed", { cause: undefined })), Failure.connectionLost("unknown"))
  })

  it.each([
    ["a SyntaxError", new SyntaxError("Unexpected token < in JSON"), Failure.malformed("response", "SyntaxError")],
    [
      "undici's parser error, which has no code",
      Object.assign(new Error("Response does not match the HTTP/1.1 protocol"), { name: "HTTPParserError", code: undefined }),
      Failure.malformed("response", "HTTPParserError")
    ],
    ["undici's unknown scheme", new Error("unknown scheme"), Failure.malformed("url", "unknown scheme")]
  ])("%s is malformed", (_, error, expected) => deepStrictEqual(of(error), expected))

  it.each([
    ["a number as code, as DOMException has", Object.assign(new Error("aborted"), { code: 20, name: "AbortError" })],
    ["an empty code", coded("")],
    ["a code in lower case", coded("econnreset")],
    ["a code with a space", coded(" ECONNRESET")],
    ["a code nobody knows", coded("E_VENDOR_42")],
    ["__proto__ as code", coded("__proto__")],
    ["constructor as code", coded("constructor")],
    ["toString as code", coded("toString")],
    ["a plain error", new Error("boom")],
    ["an object without a prototype", Object.create(null)],
    ["a string", "ECONNRESET"],
    ["null", null],
    ["undefined", undefined],
    ["a number", 104],
    ["a symbol", Symbol("ECONNRESET")],
    ["a function", () => "ECONNRESET"]
  ])("has no opinion on %s", (_, error) => assert.strictEqual(of(error), undefined))

  it("knows a code below a name from the prototype chain", () => {
    deepStrictEqual(of(JSON.parse("{\"__proto__\":{\"code\":\"EPIPE\"},\"code\":\"ECONNRESET\"}")), Failure.connectionLost("ECONNRESET"))
  })

  it("is total: any value has a failure or has none", () => {
    const key = fc.constantFrom("code", "name", "message", "syscall", "cause", "errors", "__proto__")
    const value = fc.oneof(
      fc.constantFrom<unknown>("ECONNRESET", "TypeError", "SyntaxError", "HTTPParserError", "fetch failed", "connect", "HPE_X"),
      fc.anything()
    )
    fc.assert(
      fc.property(fc.oneof(fc.anything(), fc.dictionary(key, value)), (error) => {
        const failure = ErrorCode.toFailure(error)
        assert.isTrue(Option.isNone(failure) || typeof failure.value._tag === "string")
      }),
      { numRuns: 2000 }
    )
  })

  it.each([
    ["a getter that throws", Object.defineProperty(new Error("x"), "code", { get: () => { throw new Error("no") } })],
    ["a revoked proxy", (() => {
      const { proxy, revoke } = Proxy.revocable({}, {})
      revoke()
      return proxy
    })()]
  ])("has no opinion on %s", (_, error) => assert.isTrue(Option.isNone(ErrorCode.toFailure(error))))

  it.each(["header", "networkerror ", "network error", "fetch failed ", "is an ", "invalid ", " "])(
    "reads 100 KB of %j in linear time",
    (piece) => {
      const error = new TypeError(piece.repeat(Math.ceil(100_000 / piece.length)))
      // The time that this process works: what others do meanwhile is not counted.
      const before = process.cpuUsage()
      ErrorCode.toFailure(error)
      assert.isBelow(process.cpuUsage(before).user / 1000, 50)
    }
  )
})
