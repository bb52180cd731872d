/**
 * What each fault of a real peer is taken for, and how often it is tried: the table of the design, measured on the three transports.
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { assert, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Classifier from "../../src/core/Classifier.ts"
import * as Failure from "../../src/core/Failure.ts"
import * as Outcome from "../../src/core/Outcome.ts"
import * as Resilience from "../../src/policy/Resilience.ts"
import * as Recorder from "../../src/testing/Recorder.ts"
import * as Certificate from "../support/certificate.ts"
import * as Fault from "../support/faults.ts"
import { closedPort, serve, serveRaw, type Server, serveTls } from "../support/server.ts"
import { type Name, onEachTransport } from "../support/transports.ts"

type Url = Effect.Effect<string, never, Scope.Scope>
type Per<A> = Readonly<Record<Name, A>>

interface Row {
  readonly fault: string
  readonly url: Url
  /** What each attempt fails with. */
  readonly failure: Failure.Failure | Per<Failure.Failure>
  /** How many attempts of 3 are made of a GET, and of a POST without a key. */
  readonly attempts: readonly [get: number, post: number]
}

const urlOf = (peer: Effect.Effect<Server, never, Scope.Scope>): Url => Effect.map(peer, ({ url }) => url)
const raw = (answer: string) => urlOf(serveRaw(Fault.raw(answer, "fin")))
const busy = (status: number) => urlOf(serve(Fault.status(status, { body: "busy" })))

/** The transports on undici agree, and node:http speaks its own language. */
const codes = <A>(make: (code: string) => A, undici: string, nodeHttp: string, fetch = undici): Per<A> => ({
  "undici": make(undici),
  "node:http": make(nodeHttp),
  "fetch": make(fetch)
})
const malformed = (code: string) => Failure.malformed("response", code)
const lost = codes(Failure.connectionLost, "UND_ERR_SOCKET", "ECONNRESET")

const certificate = Certificate.make()
const expired = Certificate.make({ notAfter: new Date(Date.now() - 1_000) })

const never: ReadonlyArray<Row> = [
  {
    fault: "a port that nobody listens on",
    url: closedPort,
    failure: Failure.connectFailure("tcp", "ECONNREFUSED"),
    attempts: [3, 3]
  },
  {
    // A label of 64 octets cannot be: whoever resolves names need not ask anybody.
    fault: "a host that cannot be",
    url: Effect.succeed(`http://${"a".repeat(64)}.invalid/`),
    failure: Failure.connectFailure("dns", "ENOTFOUND"),
    attempts: [3, 3]
  },
  {
    fault: "a certificate signed by itself",
    url: urlOf(serveTls(certificate, Fault.status(200))),
    failure: Failure.untrusted("DEPTH_ZERO_SELF_SIGNED_CERT"),
    attempts: [1, 1]
  },
  {
    fault: "a certificate that has expired",
    url: urlOf(serveTls(expired, Fault.status(200))),
    failure: Failure.untrusted("CERT_HAS_EXPIRED"),
    attempts: [1, 1]
  },
  {
    fault: "TLS to a port that speaks none",
    url: Effect.map(serve(Fault.status(200)), ({ port }) => `https://127.0.0.1:${port}/`),
    failure: codes(Failure.untrusted, "ERR_SSL_WRONG_VERSION_NUMBER", "EPROTO"),
    attempts: [1, 1]
  }
]

const maybe: ReadonlyArray<Row> = [
  {
    fault: "a reset before the headers",
    url: urlOf(serve(Fault.resetBeforeHeaders)),
    failure: Failure.connectionLost("ECONNRESET"),
    attempts: [3, 1]
  },
  { fault: "an end before the headers", url: urlOf(serve(Fault.finBeforeHeaders)), failure: lost, attempts: [3, 1] },
  { fault: "an end in the headers", url: urlOf(serveRaw(Fault.cutInHeaders)), failure: lost, attempts: [3, 1] },
  {
    fault: "HTTP to a port that speaks TLS",
    url: Effect.map(serveTls(certificate, Fault.status(200)), ({ port }) => `http://127.0.0.1:${port}/`),
    failure: lost,
    attempts: [3, 1]
  }
]

const malformedAnswers: ReadonlyArray<Row> = [
  {
    fault: "something that is not HTTP",
    url: urlOf(serveRaw(Fault.junk)),
    failure: codes(malformed, "HTTPParserError", "HPE_INVALID_CONSTANT"),
    attempts: [1, 1]
  },
  {
    fault: "a head of 40 KB",
    url: urlOf(serveRaw(Fault.hugeHeaders)),
    failure: codes(malformed, "UND_ERR_HEADERS_OVERFLOW", "HPE_HEADER_OVERFLOW"),
    attempts: [1, 1]
  },
  {
    fault: "a status that is no number",
    url: raw("HTTP/1.1 abc OK\r\n\r\n"),
    failure: codes(malformed, "HTTPParserError", "HPE_INVALID_STATUS"),
    attempts: [1, 1]
  },
  {
    fault: "NUL in a header",
    url: raw("HTTP/1.1 200 OK\r\nx: a\0b\r\ncontent-length: 0\r\n\r\n"),
    failure: codes(malformed, "HTTPParserError", "HPE_INVALID_HEADER_TOKEN"),
    attempts: [1, 1]
  },
  {
    fault: "two lengths",
    url: raw("HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab"),
    failure: codes(malformed, "UND_ERR_RES_CONTENT_LENGTH_MISMATCH", "HPE_UNEXPECTED_CONTENT_LENGTH"),
    attempts: [1, 1]
  },
  {
    fault: "a length and chunks",
    url: raw("HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"),
    failure: codes(malformed, "UND_ERR_RES_CONTENT_LENGTH_MISMATCH", "HPE_INVALID_TRANSFER_ENCODING"),
    attempts: [1, 1]
  }
]

const answers: ReadonlyArray<Row> = [
  ...[408, 502, 503, 504].map((status): Row => ({
    fault: `${status}`,
    url: busy(status),
    failure: Failure.unavailable({ status }),
    attempts: [3, 1]
  })),
  { fault: "425, which is tried once more", url: busy(425), failure: Failure.unavailable({ status: 425 }), attempts: [2, 1] },
  { fault: "429", url: busy(429), failure: Failure.throttled({ status: 429 }), attempts: [3, 1] },
  {
    fault: "503 with a hint",
    url: urlOf(serve(Fault.status(503, { headers: { "retry-after": "0" } }))),
    failure: Failure.throttled({ status: 503, retryAfter: Option.some(0) }),
    attempts: [3, 1]
  },
  { fault: "500", url: busy(500), failure: Failure.serverFault(500), attempts: [3, 1] },
  ...[501, 505, 599].map((status): Row => ({
    fault: `${status}`,
    url: busy(status),
    failure: Failure.serverFault(status),
    attempts: [1, 1]
  })),
  {
    fault: "999",
    url: raw("HTTP/1.1 999 What\r\ncontent-length: 0\r\n\r\n"),
    failure: Failure.serverFault(999),
    attempts: [1, 1]
  },
  ...[400, 401, 403, 404, 409, 413, 422].map((status): Row => ({
    fault: `${status}`,
    url: busy(status),
    failure: Failure.refused(status),
    attempts: [1, 1]
  })),
  {
    fault: "a 503 that is cut in the body",
    url: urlOf(serve(Fault.status(503, { body: 9, ending: { resetAfter: 4 } }))),
    failure: Failure.unavailable({ status: 503 }),
    attempts: [3, 1]
  }
]

/** Makes a call of at most 3 attempts; says how it ended and what each attempt was taken for. */
const outcomes = (method: "GET" | "POST", url: string, headers: Readonly<Record<string, string>> = {}) =>
  Effect.gen(function*() {
    const recorder = yield* Recorder.make
    const client = (yield* HttpClient.HttpClient).pipe(Resilience.withRetry({ schedule: Schedule.forever, maxAttempts: 3 }))
    const request = HttpClientRequest.setHeaders(HttpClientRequest.make(method)(url), headers)
    const exit = yield* Effect.exit(Effect.provide(client.execute(request), recorder.layer))
    const seen = (yield* recorder.events).flatMap((event) => (event._tag === "AttemptEnded" ? [event.outcome] : []))
    return { exit, seen }
  })

const isPer = <A extends object>(u: A | Per<A>): u is Per<A> => "node:http" in u

onEachTransport((name, layer) => {
  for (const { attempts, failure: failures, fault, url } of [...never, ...maybe, ...malformedAnswers, ...answers]) {
    const failure = isPer(failures) ? failures[name] : failures
    const [get, post] = attempts
    it.scopedLive(`${fault} is ${failure._tag} ${Failure.label(failure)}: a GET is tried ${get} times, a POST ${post}`, () =>
      Effect.gen(function*() {
        const to = yield* url
        for (const [method, times] of [["GET", get], ["POST", post]] as const) {
          const { exit, seen } = yield* outcomes(method, to)
          assert.deepStrictEqual(seen, Array.from({ length: times }, () => Outcome.failed(failure)), method)
          // A typed error or a response: what came last, and no other.
          assert.deepStrictEqual(Classifier.run(Classifier.http, exit, 0), Outcome.failed(failure))
          assert.isTrue(Exit.isSuccess(exit) || Option.isSome(Cause.failureOption(exit.cause)))
        }
      }).pipe(Effect.provide(layer())))
  }

  it.scopedLive("a connection that is reset as soon as it is made is sent again where nothing can have been sent, and only there", () =>
    Effect.gen(function*() {
      const { url } = yield* serveRaw(Fault.resetAtOnce)
      const never = Outcome.failed(Failure.connectFailure("tcp", "ECONNRESET"))
      for (let i = 0; i < 20; i++) {
        const { seen } = yield* outcomes("POST", url)
        // Whether the reset is there before the connection is, is a race in the kernel. Once something was sent, that is the end of it.
        const resent = seen.slice(0, -1)
        assert.deepStrictEqual(resent, resent.map(() => never))
        const last = seen.at(-1)
        if (seen.length < 3) assert.strictEqual(last !== undefined && Outcome.isFailed(last) && last.failure._tag, "ConnectionLost")
      }
    }).pipe(Effect.provide(layer())))

  // node:http throws for these, which makes them defects; they pass through as they are.
  const bad: ReadonlyArray<readonly [what: string, url: string, headers: Record<string, string>, Per<Failure.Failure>]> = [
    ["a scheme that is not HTTP", "ftp://127.0.0.1/", {}, {
      "undici": Failure.malformed("request", "UND_ERR_INVALID_ARG"),
      "node:http": Failure.malformed("url", "ERR_INVALID_PROTOCOL"),
      "fetch": Failure.malformed("url", "unknown scheme")
    }],
    ["a header with a line break", "http://127.0.0.1:1/", { "x-bad": "a\nb" }, {
      "undici": Failure.malformed("request", "UND_ERR_INVALID_ARG"),
      "node:http": Failure.malformed("request", "ERR_INVALID_CHAR"),
      "fetch": Failure.malformed("request", "TypeError")
    }]
  ]
  for (const [what, url, headers, failure] of bad) {
    it.scopedLive(`${what} is Malformed, and tried once${name === "node:http" ? ": the defect is the same value" : ""}`, () =>
      Effect.gen(function*() {
        const request = HttpClientRequest.setHeaders(HttpClientRequest.get(url), headers)
        const thrown: Array<Exit.Exit<unknown, unknown>> = []
        const client = HttpClient.transform(yield* HttpClient.HttpClient, (attempt) =>
          Effect.onExit(attempt, (exit) => Effect.sync(() => void thrown.push(exit))))
        const exit = yield* Effect.exit(client.pipe(Resilience.withRetry({ schedule: Schedule.forever })).execute(request))
        assert.lengthOf(thrown, 1)
        assert.strictEqual(Exit.isFailure(exit) && Cause.isDie(exit.cause), name === "node:http")
        const value = (found: Exit.Exit<unknown, unknown>) => (Exit.isFailure(found) ? Cause.squash(found.cause) : undefined)
        assert.isDefined(value(exit))
        assert.strictEqual(value(exit), value(thrown[0] ?? Exit.void))
        const { seen } = yield* outcomes("GET", url, headers)
        assert.deepStrictEqual(seen, [Outcome.failed(failure[name])])
      }).pipe(Effect.provide(layer())))
  }

  it.scopedLive("a URL that is none is Malformed, and tried once", () =>
    Effect.gen(function*() {
      const { seen } = yield* outcomes("GET", "http://[")
      assert.deepStrictEqual(seen, [Outcome.failed(Failure.malformed("url", "ERR_INVALID_URL"))])
    }).pipe(Effect.provide(layer())))

  const cut = [
    ["an end", { finAfter: 4 }, isPer(lost) ? lost[name] : lost],
    ["a reset", { resetAfter: 4 }, Failure.connectionLost("ECONNRESET")]
  ] as const
  for (const [what, ending, failure] of cut) {
    for (const framing of ["length", "chunked"] as const) {
      it.scopedLive(`${what} in the body of a 200 (${framing}) is never a success of its reader, and is ConnectionLost`, () =>
        Effect.gen(function*() {
          const { url } = yield* serve(Fault.status(200, { body: "123456789", framing, ending }))
          const { exit, seen } = yield* outcomes("GET", url)
          assert.deepStrictEqual(seen, [Outcome.success])
          const read = yield* Effect.exit(Effect.flatMap(exit, (response) => response.text))
          assert.deepStrictEqual(Classifier.run(Classifier.errors, read, 0), Outcome.failed(failure))
        }).pipe(Effect.provide(layer())))
    }
  }

  it.scopedLive("what is not JSON is Malformed, and so no truncated body", () =>
    Effect.gen(function*() {
      const { url } = yield* serve(Fault.status(200, { body: "{\"a\":" }))
      const { exit } = yield* outcomes("GET", url)
      const read = yield* Effect.exit(Effect.flatMap(exit, (response) => response.json))
      assert.deepStrictEqual(
        Classifier.run(Classifier.errors, read, 0),
        Outcome.failed(Failure.malformed("response", "SyntaxError"))
      )
    }).pipe(Effect.provide(layer())))

  it.scopedLive("silence is AttemptTimedOut: a GET is tried 3 times, a POST once", () =>
    Effect.gen(function*() {
      const { stats, url } = yield* serve(Fault.hang)
      const client = (yield* HttpClient.HttpClient).pipe(
        Resilience.withAttemptTimeout("100 millis"),
        Resilience.withRetry({ schedule: Schedule.forever, maxAttempts: 3 })
      )
      for (const [method, times] of [["GET", 3], ["POST", 1]] as const) {
        const recorder = yield* Recorder.make
        const error = yield* Effect.flip(Effect.provide(client.execute(HttpClientRequest.make(method)(url)), recorder.layer))
        assert.strictEqual(error._tag, "AttemptTimeout")
        const seen = (yield* recorder.events).flatMap((event) => (event._tag === "AttemptEnded" ? [event.outcome] : []))
        assert.deepStrictEqual(seen, Array.from({ length: times }, () => Outcome.failed(Failure.attemptTimedOut(Option.some(100)))))
      }
      assert.isAtMost(stats.requests.length, 4)
    }).pipe(Effect.provide(layer())))
})
