import { HttpClientError, HttpClientRequest, HttpClientResponse } from "@effect/platform"
import { deepStrictEqual } from "@effect/vitest/utils"
import { Cause, Data, Effect, Exit, FiberId, Option } from "effect"
import { assert, describe, it } from "vitest"
import * as Classifier from "../../src/core/Classifier.ts"
import * as Failure from "../../src/core/Failure.ts"
import * as Outcome from "../../src/core/Outcome.ts"
import * as DropIn from "../../src/http/DropIn.ts"
import { DeadlineExceeded } from "../../src/strategy/Deadline.ts"
import { RetriesExhausted } from "../../src/strategy/Retry.ts"
import { AttemptTimeout } from "../../src/strategy/Timeout.ts"

const now = Date.parse("2026-06-15T12:00:00Z")

const respond = (status: number, headers: Readonly<Record<string, string>> = {}) => Exit.succeed({ status, headers })
const httpOf = (exit: Exit.Exit<Classifier.ResponseLike, unknown>) => Classifier.run(Classifier.http, exit, now)
const failed = Outcome.failed

// What the transports raise: measured shapes, made by hand.
const request = HttpClientRequest.get("http://peer.test/")
const response = (status: number, headers: Record<string, string> = {}) =>
  HttpClientResponse.fromWeb(request, new Response(null, { status, headers }))
const transport = (cause: unknown, description?: string) =>
  new HttpClientError.RequestError({ request, reason: "Transport", cause, ...(description === undefined ? {} : { description }) })
const decode = (cause: unknown, status = 200) =>
  new HttpClientError.ResponseError({ request, response: response(status), reason: "Decode", cause })
const statusCode = (status: number, headers?: Record<string, string>) =>
  new HttpClientError.ResponseError({ request, response: response(status, headers), reason: "StatusCode" })
const system = (code: string, syscall: string, message = `${syscall} ${code}`) =>
  Object.assign(new Error(message), { code, errno: -1, syscall })
const coded = (name: string, code: string, message: string) => Object.assign(new Error(message), { name, code })
const fetchFailed = (cause: unknown) => new TypeError("fetch failed", { cause })

const refused = system("ECONNREFUSED", "connect", "connect ECONNREFUSED 127.0.0.1:37491")
const reset = system("ECONNRESET", "read")
const hangUp = Object.assign(new Error("socket hang up"), { code: "ECONNRESET" })
const closed = coded("SocketError", "UND_ERR_SOCKET", "other side closed")
const selfSigned = Object.assign(new Error("self-signed certificate"), { code: "DEPTH_ZERO_SELF_SIGNED_CERT" })
const noHost = system("ENOTFOUND", "getaddrinfo", "getaddrinfo ENOTFOUND nope.invalid")

describe("Classifier.http, responses", () => {
  /** The table of DESIGN.md, written a second time. */
  const expected = (status: number): Outcome.Outcome => {
    if (status < 400) return Outcome.success
    if (status === 429) return failed(Failure.throttled({ status }))
    if ([408, 425, 502, 503, 504].includes(status)) return failed(Failure.unavailable({ status }))
    return failed(status < 500 ? Failure.refused(status) : Failure.serverFault(status))
  }

  it("knows every status from 0 to 1100", () => {
    for (let status = 0; status <= 1100; status++) {
      deepStrictEqual(httpOf(respond(status)), expected(status), String(status))
    }
  })

  it("finds exactly seven statuses worth another attempt", () => {
    const again = Array.from({ length: 1101 }, (_, status) => status).filter((status) => {
      const outcome = httpOf(respond(status))
      return Outcome.isFailed(outcome) && Failure.resend(outcome.failure) !== "no"
    })
    deepStrictEqual(again, [408, 425, 429, 500, 502, 503, 504])
  })

  it.each([
    ["399 is a success", 399, Outcome.success],
    ["400 is not", 400, failed(Failure.refused(400))],
    ["499 is ours", 499, failed(Failure.refused(499))],
    ["500 is theirs", 500, failed(Failure.serverFault(500))],
    ["an invented 999 is terminal", 999, failed(Failure.serverFault(999))],
    ["a status that is no number is terminal", NaN, failed(Failure.serverFault(NaN))]
  ])("%s", (_, status, outcome) => deepStrictEqual(httpOf(respond(status)), outcome))

  const hint = Option.some(7000)
  it.each([
    [429, failed(Failure.throttled({ status: 429, retryAfter: hint }))],
    [503, failed(Failure.throttled({ status: 503, retryAfter: hint }))],
    [408, failed(Failure.unavailable({ status: 408, retryAfter: hint }))],
    [425, failed(Failure.unavailable({ status: 425, retryAfter: hint }))],
    [502, failed(Failure.unavailable({ status: 502, retryAfter: hint }))],
    [504, failed(Failure.unavailable({ status: 504, retryAfter: hint }))],
    [500, failed(Failure.serverFault(500, hint))],
    [200, Outcome.success],
    [301, Outcome.success],
    [404, failed(Failure.refused(404))]
  ])("%i with Retry-After: 7", (status, outcome) => {
    deepStrictEqual(httpOf(respond(status, { "retry-after": "7" })), outcome)
  })

  it("takes a 503 with a hint of 0 for throttling, and with junk for unavailability", () => {
    deepStrictEqual(
      httpOf(respond(503, { "retry-after": "0" })),
      failed(Failure.throttled({ status: 503, retryAfter: Option.some(0) }))
    )
    for (const junk of ["", "-1", "1e9", "soon", "120, 120", "NaN", "Infinity", "0x10"]) {
      deepStrictEqual(httpOf(respond(503, { "retry-after": junk })), failed(Failure.unavailable({ status: 503 })), junk)
    }
  })

  it("reads a hint that is a date by the clock it is given", () => {
    const exit = respond(429, { "retry-after": "Mon, 15 Jun 2026 12:00:30 GMT" })
    deepStrictEqual(httpOf(exit), failed(Failure.throttled({ status: 429, retryAfter: Option.some(30_000) })))
    deepStrictEqual(
      Classifier.run(Classifier.http, exit, now + 10_000),
      failed(Failure.throttled({ status: 429, retryAfter: Option.some(20_000) }))
    )
  })

  it("works on the platform's own response", () => {
    deepStrictEqual(
      httpOf(Exit.succeed(response(503, { "Retry-After": "7" }))),
      failed(Failure.throttled({ status: 503, retryAfter: hint }))
    )
  })
})

const shapes: ReadonlyArray<readonly [string, unknown, Failure.Failure]> = [
  ["refused (undici, node:http)", transport(refused), Failure.connectFailure("tcp", "ECONNREFUSED")],
  ["refused (fetch)", transport(fetchFailed(refused)), Failure.connectFailure("tcp", "ECONNREFUSED")],
  [
    "refused at every address",
    transport(fetchFailed(Object.assign(new AggregateError([refused, refused]), { code: "ECONNREFUSED" }))),
    Failure.connectFailure("tcp", "ECONNREFUSED")
  ],
  [
    "refused at every address, where only the parts have the code",
    transport(new AggregateError([refused, refused])),
    Failure.connectFailure("tcp", "ECONNREFUSED")
  ],
  [
    "timed out at every address",
    transport(Object.assign(new AggregateError([system("ETIMEDOUT", "connect"), system("ETIMEDOUT", "connect")]), {
      code: "ETIMEDOUT"
    })),
    Failure.connectFailure("tcp", "ETIMEDOUT")
  ],
  [
    "not connected in time (undici)",
    transport(coded("ConnectTimeoutError", "UND_ERR_CONNECT_TIMEOUT", "Connect Timeout Error")),
    Failure.connectFailure("tcp", "UND_ERR_CONNECT_TIMEOUT")
  ],
  ["no such host", transport(noHost), Failure.connectFailure("dns", "ENOTFOUND")],
  ["no such host (fetch)", transport(fetchFailed(noHost)), Failure.connectFailure("dns", "ENOTFOUND")],
  ["name server busy", transport(system("EAI_AGAIN", "getaddrinfo")), Failure.connectFailure("dns", "EAI_AGAIN")],
  ["reset before a response", transport(reset), Failure.connectionLost("ECONNRESET")],
  ["reset before a response (fetch)", transport(fetchFailed(reset)), Failure.connectionLost("ECONNRESET")],
  ["closed before a response (undici)", transport(closed), Failure.connectionLost("UND_ERR_SOCKET")],
  ["closed before a response (fetch)", transport(fetchFailed(closed)), Failure.connectionLost("UND_ERR_SOCKET")],
  ["closed before a response (node:http)", transport(hangUp), Failure.connectionLost("ECONNRESET")],
  ["write to a closed socket", transport(system("EPIPE", "write")), Failure.connectionLost("EPIPE")],
  ["fetch that gives no cause", transport(new TypeError("Failed to fetch")), Failure.connectionLost("unknown")],
  ["transport without a cause", transport(undefined), Failure.connectionLost("unknown")],
  [
    "transport with a cause nobody knows",
    transport(coded("VendorError", "E_VENDOR", "?")),
    Failure.connectionLost("unknown")
  ],
  [
    "junk instead of a response (undici)",
    transport(Object.assign(new Error("Response does not match the HTTP/1.1 protocol"), { name: "HTTPParserError" })),
    Failure.malformed("response", "HTTPParserError")
  ],
  [
    "junk instead of a response (fetch)",
    transport(fetchFailed(Object.assign(new Error("Response does not match"), { name: "HTTPParserError" }))),
    Failure.malformed("response", "HTTPParserError")
  ],
  [
    "junk instead of a response (node:http)",
    transport(Object.assign(new Error("Parse Error: Expected HTTP/"), { code: "HPE_INVALID_CONSTANT" })),
    Failure.malformed("response", "HPE_INVALID_CONSTANT")
  ],
  [
    "headers too large (undici)",
    transport(coded("HeadersOverflowError", "UND_ERR_HEADERS_OVERFLOW", "Headers Overflow Error")),
    Failure.malformed("response", "UND_ERR_HEADERS_OVERFLOW")
  ],
  [
    "headers too large (node:http)",
    transport(Object.assign(new Error("Parse Error: Header overflow"), { code: "HPE_HEADER_OVERFLOW" })),
    Failure.malformed("response", "HPE_HEADER_OVERFLOW")
  ],
  ["self-signed certificate", transport(selfSigned), Failure.untrusted("DEPTH_ZERO_SELF_SIGNED_CERT")],
  ["self-signed certificate (fetch)", transport(fetchFailed(selfSigned)), Failure.untrusted("DEPTH_ZERO_SELF_SIGNED_CERT")],
  [
    "certificate of another host",
    transport(Object.assign(new Error("Hostname/IP does not match"), { code: "ERR_TLS_CERT_ALTNAME_INVALID" })),
    Failure.untrusted("ERR_TLS_CERT_ALTNAME_INVALID")
  ],
  [
    "http where https was asked",
    transport(coded("Error", "ERR_SSL_WRONG_VERSION_NUMBER", "wrong version number")),
    Failure.untrusted("ERR_SSL_WRONG_VERSION_NUMBER")
  ],
  [
    "bad scheme (undici)",
    transport(coded("InvalidArgumentError", "UND_ERR_INVALID_ARG", "Invalid URL protocol")),
    Failure.malformed("request", "UND_ERR_INVALID_ARG")
  ],
  ["bad scheme (fetch)", transport(fetchFailed(new Error("unknown scheme"))), Failure.malformed("url", "unknown scheme")],
  [
    "bad header value (fetch)",
    transport(new TypeError("Headers.append: \"a\nb\" is an invalid header value.")),
    Failure.malformed("request", "TypeError")
  ],
  [
    "relative URL",
    new HttpClientError.RequestError({
      request,
      reason: "InvalidUrl",
      cause: Object.assign(new TypeError("Invalid URL"), { code: "ERR_INVALID_URL" })
    }),
    Failure.malformed("url", "ERR_INVALID_URL")
  ],
  [
    "invalid URL without a cause",
    new HttpClientError.RequestError({ request, reason: "InvalidUrl" }),
    Failure.malformed("url", "InvalidUrl")
  ],
  [
    "body that cannot be encoded",
    new HttpClientError.RequestError({ request, reason: "Encode" }),
    Failure.malformed("request", "Encode")
  ],
  ["body cut short (undici)", decode(closed), Failure.connectionLost("UND_ERR_SOCKET")],
  ["body cut short (node:http)", decode(Object.assign(new Error("aborted"), { code: "ECONNRESET" })), Failure.connectionLost("ECONNRESET")],
  [
    "body cut short (fetch)",
    decode(new TypeError("terminated", { cause: closed })),
    Failure.connectionLost("UND_ERR_SOCKET")
  ],
  ["body that is not JSON", decode(new SyntaxError("Unexpected token <")), Failure.malformed("response", "SyntaxError")],
  ["body of a 503 that is not JSON", decode(new SyntaxError("Unexpected token <"), 503), Failure.malformed("response", "SyntaxError")],
  ["body that no schema knows", decode({ _tag: "ParseError", issue: {} }), Failure.malformed("response", "Decode")],
  [
    "no body",
    new HttpClientError.ResponseError({ request, response: response(200), reason: "EmptyBody" }),
    Failure.malformed("response", "EmptyBody")
  ],
  ["filterStatusOk on 503", statusCode(503), Failure.unavailable({ status: 503 })],
  [
    "filterStatusOk on 503 with a hint",
    statusCode(503, { "Retry-After": "7" }),
    Failure.throttled({ status: 503, retryAfter: Option.some(7000) })
  ],
  ["filterStatusOk on 404", statusCode(404), Failure.refused(404)],
  ["filterStatusOk on 500", statusCode(500), Failure.serverFault(500)],
  ["Effect's timeout", new Cause.TimeoutException(), Failure.attemptTimedOut()],
  ["Effect's timeout below a transport error", transport(new Cause.TimeoutException()), Failure.attemptTimedOut()],
  [
    "our attempt timeout",
    new AttemptTimeout({ limit: 2000, phase: "body" }),
    Failure.attemptTimedOut(Option.some(2000), "body")
  ],
  ["our deadline", new DeadlineExceeded({ deadline: 1, limit: 1000 }), Failure.rejected("DeadlineExceeded")],
  [
    "our deadline below the platform's error, as a body reader raises it",
    decode(new DeadlineExceeded({ deadline: 1, limit: 1000 })),
    Failure.rejected("DeadlineExceeded")
  ],
  [
    "our attempt timeout in the drop-in face",
    new DropIn.RefusalError({ request, reason: "Transport", cause: new AttemptTimeout({ limit: 5, phase: "headers" }) }),
    Failure.attemptTimedOut(Option.some(5))
  ],
  [
    "our deadline in the drop-in face",
    new DropIn.RefusalError({ request, reason: "Transport", cause: new DeadlineExceeded({ deadline: 1, limit: 5 }) }),
    Failure.rejected("DeadlineExceeded")
  ],
  [
    "an error of one's own that carries its failure, below another one",
    new Data.Error<{ readonly cause: unknown }>({ cause: { [Failure.key]: Failure.rejected("CircuitOpen", Option.some(9)) } }),
    Failure.rejected("CircuitOpen", Option.some(9))
  ]
]

describe("Classifier, errors by what caused them", () => {
  it.each(shapes)("%s", (_, error, failure) => {
    deepStrictEqual(httpOf(Exit.fail(error)), failed(failure))
    deepStrictEqual(Classifier.run(Classifier.errors, Exit.fail(error), now), failed(failure))
    deepStrictEqual(Classifier.error(error, now), Option.some(failed(failure)))
  })

  it("sees that a timed out attempt was behind RetriesExhausted", () => {
    const failure = Failure.attemptTimedOut(Option.some(5))
    const error = new RetriesExhausted({
      because: "AttemptsExhausted",
      attempts: [{ number: 1, startedAt: 0, endedAt: 5, failure }]
    })
    assert.strictEqual(Failure.label(Option.getOrThrow(Option.filter(Classifier.error(error, now), Outcome.isFailed)).failure), "timeout")
  })

  it.each([
    ["a domain error", new Data.Error<{ readonly why: string }>({ why: "sold out" })],
    ["a plain Error", new Error("ECONNRESET")],
    ["a string", "ECONNRESET"],
    ["a number", 503],
    ["null", null],
    ["undefined", undefined],
    ["a Map", new Map([["code", "ECONNRESET"]])],
    ["a tag of somebody else", { _tag: "RequestError", reason: "Unauthorized" }],
    ["a number for a code", Object.assign(new Error("x"), { code: 104 })],
    ["an error that could carry a failure, and carries none", { [Failure.key]: undefined }],
    ["__proto__ for a code", Object.assign(new Error("x"), { code: "__proto__" })]
  ])("does not know %s: Unknown, terminal, with the error in it", (_, error) => {
    deepStrictEqual(httpOf(Exit.fail(error)), failed(Failure.unknown(error)))
    assert.strictEqual(Failure.resend(Failure.unknown(error)), "no")
  })

  it.each([
    ["no response", { _tag: "ResponseError", reason: "StatusCode" }],
    ["a null response", { _tag: "ResponseError", reason: "StatusCode", response: null }],
    ["a response without a status", { _tag: "ResponseError", reason: "StatusCode", response: { headers: {} } }],
    ["a response without headers", { _tag: "ResponseError", reason: "StatusCode", response: { status: 503 } }],
    ["a reason that cannot be printed", { _tag: "ResponseError", reason: Object.create(null) }]
  ])("does not fall over an error that only looks like the platform's: %s", (_, error) => {
    assert.strictEqual(httpOf(Exit.fail(error))._tag, "Failed")
  })

  it("takes the first link that says something, from the outside in", () => {
    deepStrictEqual(
      Classifier.error(new Error("outer", { cause: Object.assign(new Error("x", { cause: refused }), { code: "EPIPE" }) }), now),
      Option.some(failed(Failure.connectionLost("EPIPE")))
    )
  })

  it("takes, of parts of equal depth, the one that may have been sent: a POST must not slip through", () => {
    for (const parts of [[refused, reset], [reset, refused], [noHost, refused, reset, refused]]) {
      deepStrictEqual(
        Classifier.error(new AggregateError(parts), now),
        Option.some(failed(Failure.connectionLost("ECONNRESET")))
      )
    }
  })

  it("takes, of parts of equal depth and equal right, the first", () => {
    const pipe = system("EPIPE", "write")
    for (const [parts, code] of [[[reset, pipe], "ECONNRESET"], [[pipe, reset], "EPIPE"]] as const) {
      deepStrictEqual(Classifier.error(new AggregateError(parts), now), Option.some(failed(Failure.connectionLost(code))))
    }
  })

  it("takes, of parts of equal depth, the one that cannot pass", () => {
    for (const parts of [[selfSigned, refused], [reset, selfSigned], [statusCode(503), selfSigned]]) {
      deepStrictEqual(
        Classifier.error(new AggregateError(parts), now),
        Option.some(failed(Failure.untrusted("DEPTH_ZERO_SELF_SIGNED_CERT")))
      )
    }
  })
})

describe("Classifier, causes", () => {
  const fail = Cause.fail(transport(refused))
  const interrupt = Cause.interrupt(FiberId.none)
  const die = Cause.die(new Error("bug"))
  const bySelf = failed(Failure.connectFailure("tcp", "ECONNREFUSED"))

  it.each<readonly [string, Cause.Cause<unknown>, Outcome.Outcome]>([
    ["two equal failures in parallel (node:http)", Cause.parallel(fail, fail), bySelf],
    ["a failure and one that nobody knows", Cause.parallel(Cause.fail("?"), fail), bySelf],
    ["a failure after one that nobody knows", Cause.sequential(Cause.fail("?"), fail), bySelf],
    ["one that was never sent and one that may have been", Cause.parallel(fail, Cause.fail(transport(reset))), failed(Failure.connectionLost("ECONNRESET"))],
    [
      "a body that cannot be sent, and the connection that breaks for it",
      Cause.parallel(Cause.fail(transport(hangUp)), Cause.fail(new HttpClientError.RequestError({ request, reason: "Encode" }))),
      failed(Failure.malformed("request", "Encode"))
    ],
    ["a failure and an interruption", Cause.parallel(fail, interrupt), bySelf],
    ["an interruption, then a failure", Cause.sequential(interrupt, fail), bySelf],
    ["a failure and a defect", Cause.parallel(fail, die), Outcome.ignored],
    ["a failure, and a defect in its finalizer", Cause.sequential(fail, die), Outcome.ignored],
    ["a defect", die, Outcome.ignored],
    ["a defect and an interruption", Cause.parallel(die, interrupt), Outcome.ignored],
    ["a defect that is a connection error", Cause.die(reset), Outcome.ignored],
    ["a defect that is a platform error", Cause.die(transport(refused)), Outcome.ignored],
    ["a defect that is undefined", Cause.die(undefined), Outcome.ignored],
    ["an interruption", interrupt, Outcome.ignored],
    ["two interruptions", Cause.parallel(interrupt, interrupt), Outcome.ignored],
    ["nothing", Cause.empty, Outcome.ignored],
    [
      "the defect of node:http for a bad scheme",
      Cause.die(Object.assign(new TypeError("Protocol \"ftp:\" not supported. Expected \"http:\""), { code: "ERR_INVALID_PROTOCOL" })),
      failed(Failure.malformed("url", "ERR_INVALID_PROTOCOL"))
    ],
    [
      "the defect of node:http for a bad header",
      Cause.die(Object.assign(new TypeError("Invalid character in header content [\"x-bad\"]"), { code: "ERR_INVALID_CHAR" })),
      failed(Failure.malformed("request", "ERR_INVALID_CHAR"))
    ]
  ])("%s", (_, cause, outcome) => {
    deepStrictEqual(httpOf(Exit.failCause(cause)), outcome)
    deepStrictEqual(Classifier.run(Classifier.errors, Exit.failCause(cause), now), outcome)
  })

  it("a real parallel failure is what Effect makes it", () => {
    const exit = Effect.runSyncExit(Effect.exit(Effect.failCause(Cause.parallel(fail, fail))).pipe(Effect.flatten))
    deepStrictEqual(httpOf(exit as Exit.Exit<never, unknown>), bySelf)
  })
})

/** The time that a function works, in ms: what other processes do meanwhile is not counted. */
const work = (f: () => void): number => {
  const before = process.cpuUsage()
  f()
  const { system, user } = process.cpuUsage(before)
  return (user + system) / 1000
}

describe("Classifier, hostile errors", () => {
  const within50ms = (error: unknown, expected: Outcome.Outcome) => {
    assert.isBelow(work(() => deepStrictEqual(httpOf(Exit.fail(error)), expected)), 50)
  }
  const chainOf = (depth: number, innermost: unknown): unknown =>
    Array.from({ length: depth }).reduce<unknown>((cause) => new Error("wrapped", { cause }), innermost)

  it("walks through a cycle of causes once", () => {
    const first = new Error("first")
    const second = new Error("second", { cause: first })
    first.cause = second
    within50ms(second, failed(Failure.unknown(second)))
    first.cause = first
    within50ms(first, failed(Failure.unknown(first)))
    const parts = new AggregateError([])
    parts.errors.push(parts, refused)
    within50ms(parts, failed(Failure.connectFailure("tcp", "ECONNREFUSED")))
  })

  it("follows causes nine links down and no further", () => {
    within50ms(chainOf(9, refused), failed(Failure.connectFailure("tcp", "ECONNREFUSED")))
    const deeper = chainOf(10, refused)
    within50ms(deeper, failed(Failure.unknown(deeper)))
  })

  it("gives up on a thousand links", () => {
    const deep = chainOf(1000, refused)
    within50ms(deep, failed(Failure.unknown(deep)))
    within50ms(transport(deep), failed(Failure.connectionLost("unknown")))
  })

  it("looks at some of a hundred thousand errors", () => {
    const errors = Array.from({ length: 100_000 }, (_, i) => new Error(String(i)))
    const many = new AggregateError(errors)
    within50ms(many, failed(Failure.unknown(many)))
    within50ms(new AggregateError([refused, ...errors]), failed(Failure.connectFailure("tcp", "ECONNREFUSED")))
    const nested = new AggregateError(Array.from({ length: 300 }, () => many))
    within50ms(nested, failed(Failure.unknown(nested)))
  })

  it("looks at no error twice, and at 64 in all", () => {
    let looked = 0
    const forest = (depth: number): Error =>
      Object.defineProperty(new AggregateError(depth === 0 ? [] : Array.from({ length: 20 }, () => forest(depth - 1))), "code", {
        get: () => {
          looked++
          return "?"
        }
      })
    const tree = forest(3)
    within50ms(tree, failed(Failure.unknown(tree)))
    assert.strictEqual(looked, 64)
    const knot = new AggregateError([])
    knot.errors.push(...Array.from({ length: 64 }, () => knot))
    within50ms(knot, failed(Failure.unknown(knot)))
  })

  it("survives a cause of twenty thousand failures", () => {
    let cause: Cause.Cause<unknown> = Cause.fail(refused)
    for (let i = 0; i < 20_000; i++) cause = i % 2 === 0 ? Cause.parallel(cause, Cause.fail(i)) : Cause.sequential(Cause.fail(i), cause)
    const took = work(() =>
      deepStrictEqual(httpOf(Exit.failCause(cause)), failed(Failure.connectFailure("tcp", "ECONNREFUSED"))))
    assert.isBelow(took, 1000)
  })

  const throwing = (property: string) =>
    Object.defineProperty(new Error("x"), property, { get: () => { throw new Error("do not read me") } })
  const revoked = (() => {
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    return proxy
  })()

  it.each<readonly [string, unknown]>([
    ...["code", "name", "message", "cause", "errors", "_tag", "syscall"].map((name) =>
      [`a getter of ${name} that throws`, throwing(name)] as const
    ),
    ["a revoked proxy", revoked],
    ["a proxy that throws at everything", new Proxy({}, { has: () => { throw new Error("no") }, get: () => { throw new Error("no") } })],
    ["a code that throws below a reason", Object.assign(throwing("code"), { _tag: "ResponseError", reason: "StatusCode" })]
  ])("does not know %s, and does not throw", (_, error) => {
    const outcome = httpOf(Exit.fail(error))
    assert.strictEqual(outcome._tag, "Failed")
    assert.strictEqual(Outcome.isFailed(outcome) ? Failure.resend(outcome.failure) : undefined, "no")
    deepStrictEqual(httpOf(Exit.die(error)), Outcome.ignored)
  })

  it("does not take a cause of undefined or null for one", () => {
    for (const cause of [undefined, null, 0, "", "ECONNRESET", Symbol("x")]) {
      const error = new Error("x", { cause })
      deepStrictEqual(httpOf(Exit.fail(error)), failed(Failure.unknown(error)))
    }
  })
})

describe("Classifier.errors and Classifier.anyError", () => {
  it("take any value for a success", () => {
    for (const value of [undefined, null, 0, { status: 503, headers: {} }]) {
      deepStrictEqual(Classifier.run(Classifier.errors, Exit.succeed(value), now), Outcome.success)
      deepStrictEqual(Classifier.run(Classifier.anyError, Exit.succeed(value), now), Outcome.success)
    }
  })

  it("anyError takes what is terminal or unknown for unavailability", () => {
    for (const error of ["busy", new Error("busy"), statusCode(404), transport(selfSigned), null]) {
      deepStrictEqual(Classifier.run(Classifier.anyError, Exit.fail(error), now), failed(Failure.unavailable()))
    }
  })

  it("anyError keeps what is known and can pass", () => {
    for (const [error, failure] of [
      [transport(refused), Failure.connectFailure("tcp", "ECONNREFUSED")],
      [statusCode(429, { "Retry-After": "7" }), Failure.throttled({ status: 429, retryAfter: Option.some(7000) })]
    ] as const) deepStrictEqual(Classifier.run(Classifier.anyError, Exit.fail(error), now), failed(failure))
  })

  it("anyError leaves defects and interruption alone", () => {
    deepStrictEqual(Classifier.run(Classifier.anyError, Exit.die("bug"), now), Outcome.ignored)
    deepStrictEqual(Classifier.run(Classifier.anyError, Exit.interrupt(FiberId.none), now), Outcome.ignored)
    const malformed = Object.assign(new TypeError("x"), { code: "ERR_INVALID_CHAR" })
    deepStrictEqual(
      Classifier.run(Classifier.anyError, Exit.die(malformed), now),
      failed(Failure.malformed("request", "ERR_INVALID_CHAR"))
    )
  })
})

describe("Classifier, composed", () => {
  const conflict = Classifier.onStatus("conflict", [409], ({ status }) => failed(Failure.unavailable({ status })))
  const busy = Classifier.onError("busy", (error: unknown) =>
    error === "busy" ? Option.some(failed(Failure.throttled())) : Option.none())

  it("onStatus has an opinion on its statuses only", () => {
    deepStrictEqual(conflict.classify(respond(409), now), Option.some(failed(Failure.unavailable({ status: 409 }))))
    deepStrictEqual(conflict.classify(respond(408), now), Option.none())
    deepStrictEqual(conflict.classify(Exit.fail("409"), now), Option.none())
    deepStrictEqual(conflict.classify(Exit.die("409"), now), Option.none())
  })

  it("onStatus sees the status that filterStatusOk made an error of", () => {
    deepStrictEqual(
      conflict.classify(Exit.fail(statusCode(409)), now),
      Option.some(failed(Failure.unavailable({ status: 409 })))
    )
    deepStrictEqual(conflict.classify(Exit.fail(decode(new SyntaxError("x"), 409)), now), Option.none())
  })

  it("onStatus is given the hint of the response", () => {
    const quota = Classifier.onStatus("quota", [403], ({ status }, retryAfter) => failed(Failure.throttled({ status, retryAfter })))
    deepStrictEqual(
      Classifier.run(quota, respond(403, { "retry-after": "9" }), now),
      failed(Failure.throttled({ status: 403, retryAfter: Option.some(9000) }))
    )
  })

  it("onError is asked for each typed error of a cause, and for nothing else", () => {
    deepStrictEqual(
      busy.classify(Exit.failCause(Cause.parallel(Cause.fail("idle"), Cause.fail("busy"))), now),
      Option.some(failed(Failure.throttled()))
    )
    deepStrictEqual(busy.classify(Exit.die("busy"), now), Option.none())
    deepStrictEqual(busy.classify(Exit.succeed("busy"), now), Option.none())
  })

  it("orElse asks the second where the first has no opinion", () => {
    const both = Classifier.orElse(busy, Classifier.errors)
    deepStrictEqual(Classifier.run(both, Exit.fail("busy"), now), failed(Failure.throttled()))
    deepStrictEqual(Classifier.run(both, Exit.fail(reset), now), failed(Failure.connectionLost("ECONNRESET")))
  })

  it("override asks the new one first, and keeps every opinion of the default where it has none", () => {
    const overridden = Classifier.http.pipe(Classifier.override(conflict))
    for (let status = 0; status <= 1100; status++) {
      deepStrictEqual(
        Classifier.run(overridden, respond(status), now),
        status === 409 ? failed(Failure.unavailable({ status })) : httpOf(respond(status)),
        String(status)
      )
    }
    for (const [name, error] of shapes) {
      deepStrictEqual(Classifier.run(overridden, Exit.fail(error), now), httpOf(Exit.fail(error)), name)
    }
  })

  it("says who it is", () => {
    assert.strictEqual(Classifier.http.name, "http")
    assert.strictEqual(Classifier.http.pipe(Classifier.override(conflict)).name, "conflict or else http")
    assert.strictEqual(Classifier.http.pipe(Classifier.override(conflict), Classifier.named("billing")).name, "billing")
    assert.strictEqual(Classifier.named(conflict, "x").classify, conflict.classify)
  })

  it("run has an opinion where no classifier has one", () => {
    const none = Classifier.make("none", () => Option.none())
    deepStrictEqual(Classifier.run(none, Exit.succeed(1), now), Outcome.success)
    deepStrictEqual(Classifier.run(none, Exit.fail("x"), now), failed(Failure.unknown("x")))
    deepStrictEqual(Classifier.run(none, Exit.die("x"), now), Outcome.ignored)
    deepStrictEqual(Classifier.run(none, Exit.interrupt(FiberId.none), now), Outcome.ignored)
  })
})
