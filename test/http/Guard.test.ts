import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { Effect, Either, Option, TestClock } from "effect"
import * as Backoff from "../../src/core/Backoff.ts"
import * as Failure from "../../src/core/Failure.ts"
import * as DropIn from "../../src/http/DropIn.ts"
import * as Guard from "../../src/http/Guard.ts"
import * as Middleware from "../../src/http/Middleware.ts"
import * as Resilience from "../../src/policy/Resilience.ts"
import * as CircuitBreaker from "../../src/strategy/CircuitBreaker.ts"
import * as RetrySchedule from "../../src/strategy/RetrySchedule.ts"
import * as HttpScript from "../../src/testing/HttpScript.ts"
import { closedPort, serve } from "../support/server.ts"
import { onEachTransport } from "../support/transports.ts"

const make = CircuitBreaker.make({ tripPolicy: CircuitBreaker.consecutive(3), openDuration: "30 seconds" })

/** The status, or the tag of the error. */
const get = <E extends { readonly _tag: string }>(client: HttpClient.HttpClient.With<E>, url: string) =>
  Effect.map(Effect.either(Effect.scoped(Effect.tap(client.get(url), (response) => Effect.ignore(response.text)))), (result) =>
    Either.isRight(result) ? result.right.status : result.left._tag)

onEachTransport((_, layer) => {
  it.scoped("trips, rejects with no request at the server, probes when half open, closes", () =>
    Effect.gen(function*() {
      let healthy = false
      const server = yield* serve((_, response) => {
        response.statusCode = healthy ? 200 : 500
        response.end("body")
      })
      const breaker = yield* make
      const client = (yield* HttpClient.HttpClient).pipe(Resilience.withCircuitBreaker({ breaker }))
      const statuses = yield* Effect.replicateEffect(get(client, server.url), 3)
      assert.deepStrictEqual(statuses, [500, 500, 500])
      yield* TestClock.adjust("29999 millis")
      assert.deepStrictEqual(yield* Effect.replicateEffect(get(client, server.url), 5), Array(5).fill("CircuitOpen"))
      assert.strictEqual(server.stats.requests.length, 3)
      yield* TestClock.adjust(1)
      assert.strictEqual(yield* get(client, server.url), 500)
      assert.strictEqual(yield* get(client, server.url), "CircuitOpen")
      assert.strictEqual(server.stats.requests.length, 4)
      healthy = true
      yield* TestClock.adjust("30 seconds")
      const probes = yield* Effect.all(Array.from({ length: 10 }, () => get(client, server.url)), { concurrency: "unbounded" })
      assert.deepStrictEqual(probes.filter((each) => each === 200), [200])
      assert.strictEqual(server.stats.requests.length, 5)
      assert.strictEqual((yield* CircuitBreaker.state(breaker, server.url.slice(0, -1)))._tag, "Closed")
      assert.strictEqual(yield* get(client, server.url), 200)
    }).pipe(Effect.provide(layer())))

  it.scoped("refused connections trip it, and another origin is not concerned", () =>
    Effect.gen(function*() {
      const server = yield* serve((_, response) => void response.end("body"))
      const nobody = yield* closedPort
      const breaker = yield* make
      const client = (yield* HttpClient.HttpClient).pipe(Resilience.withCircuitBreaker({ breaker }))
      const tags = yield* Effect.replicateEffect(get(client, nobody), 4)
      assert.deepStrictEqual(tags, ["RequestError", "RequestError", "RequestError", "CircuitOpen"])
      assert.strictEqual(yield* get(client, server.url), 200)
    }).pipe(Effect.provide(layer())))
})

describe("Guard", () => {
  const play = (answers: ReadonlyArray<HttpScript.Step>) => HttpScript.layer(answers, { atEnd: "repeatLast" })

  it.effect("429 and other 4xx do not trip it, a 503 that says for how long does and is taken at its word", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker.make({ tripPolicy: CircuitBreaker.consecutive(1) })
      const client = (yield* HttpClient.HttpClient).pipe(Resilience.withCircuitBreaker({ breaker }))
      const seen = yield* Effect.replicateEffect(get(client, "http://users.test/"), 4)
      assert.deepStrictEqual(seen, [429, 404, 503, "CircuitOpen"])
      yield* TestClock.adjust("41999 millis")
      assert.strictEqual(yield* get(client, "http://users.test/"), "CircuitOpen")
      yield* TestClock.adjust(1)
      assert.strictEqual(yield* get(client, "http://users.test/"), 200)
      assert.deepStrictEqual(yield* HttpScript.timeline, [0, 0, 0, 42_000])
    }).pipe(Effect.provide(play([
      { status: 429, headers: { "retry-after": "9" } },
      { status: 404 },
      { status: 503, headers: { "retry-after": "42" } },
      { status: 200 }
    ]))))

  it.effect("inside a retry each attempt counts, and the call ends when it opens", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker.make({ tripPolicy: CircuitBreaker.consecutive(2) })
      const client = (yield* HttpClient.HttpClient).pipe(
        Resilience.withCircuitBreaker({ breaker }),
        Resilience.withRetry({ maxAttempts: 5, schedule: RetrySchedule.fromBackoff(Backoff.constant(0)) })
      )
      assert.strictEqual(yield* get(client, "http://users.test/"), "CircuitOpen")
      assert.strictEqual((yield* HttpScript.requests).length, 2)
    }).pipe(Effect.provide(play([{ status: 500 }]))))

  it.effect("an attempt that is cut by its limit inside of it has failed", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker.make({ tripPolicy: CircuitBreaker.consecutive(1) })
      const client = (yield* HttpClient.HttpClient).pipe(
        Resilience.withAttemptTimeout("1 second"),
        Resilience.withCircuitBreaker({ breaker })
      )
      const fiber = yield* Effect.fork(get(client, "http://users.test/"))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* fiber, "AttemptTimeout")
      assert.strictEqual(yield* get(client, "http://users.test/"), "CircuitOpen")
    }).pipe(Effect.provide(play(["hang"]))))

  it.effect("the key is the origin of the request as it is sent, or as it is told", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker.make({ tripPolicy: CircuitBreaker.consecutive(1) })
      const bare = yield* HttpClient.HttpClient
      const prefixed = bare.pipe(
        HttpClient.mapRequest(HttpClientRequest.prependUrl("http://Users.test:80")),
        Resilience.withCircuitBreaker({ breaker })
      )
      yield* get(prefixed, "/1")
      const tag = (key: string) => Effect.map(CircuitBreaker.state(breaker, key), ({ _tag }) => _tag)
      assert.deepStrictEqual([yield* tag("http://users.test"), yield* tag("")], ["Open", "Closed"])
      const told = bare.pipe(Resilience.withCircuitBreaker({ breaker, key: (request) => request.method }))
      yield* get(told, "http://users.test/")
      assert.strictEqual(yield* tag("GET"), "Open")
      const below = Middleware.applyTo(bare, Guard.middleware(Guard.circuitBreaker({ breaker })))
      assert.strictEqual(yield* get(below, "http://users.test/2"), "CircuitOpen")
    }).pipe(Effect.provide(play([{ status: 500 }]))))

  it.effect("the key is right whatever the request before was", () =>
    Effect.gen(function*() {
      const urls = ["http://a.test/1", "http://a.test/2", "http://a.test.evil/", "http://a.test:81/", "http://a.test", "http://a.test?q", "/x", "http://u@a.test/", "http://A.test/"]
      for (const first of urls) {
        for (const second of urls) {
          const breaker = yield* CircuitBreaker.make({ tripPolicy: CircuitBreaker.consecutive(1) })
          const client = (yield* HttpClient.HttpClient).pipe(Resilience.withCircuitBreaker({ breaker }))
          yield* CircuitBreaker.isolate(breaker, Guard.origin(second))
          yield* get(client, first)
          assert.strictEqual(yield* get(client, second), "CircuitOpen", `${second} after ${first}`)
        }
      }
    }).pipe(Effect.provide(play([{ status: 200 }]))))

  it.effect("folded into the platform's error it is still there", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker.make()
      yield* CircuitBreaker.isolate(breaker, "http://users.test")
      const client = DropIn.fold((yield* HttpClient.HttpClient).pipe(Resilience.withCircuitBreaker({ breaker })))
      const error = yield* Effect.flip(client.get("http://users.test/"))
      const refusal = DropIn.refusal(error)
      assert.strictEqual(error._tag, "RequestError")
      assert(Option.isSome(refusal) && refusal.value instanceof CircuitBreaker.CircuitOpen)
      assert.deepStrictEqual(refusal.value[Failure.key], Failure.rejected("CircuitOpen"))
    }).pipe(Effect.provide(play([{ status: 500 }]))))
})

/** As the definition reads, for each URL by itself. */
const plainly = (url: string): string => {
  const [, scheme = "", host = ""] = /^([a-z][a-z0-9+.-]*:)\/\/(?:[^/?#]*@)?([^/?#]*)/i.exec(url) ?? []
  const lower = `${scheme}//${host}`.toLowerCase()
  if (host === "") return ""
  return lower.replace(/^(http:.*):80$|^(https:.*):443$/s, "$1$2")
}

describe("origin", () => {
  const part = fc.constantFrom(
    "http", "https", "HTTP", "ws", ":", "//", "://", "/", "?", "#", "@", ".", "-", "a", "users", "B", "[::1]", ":80", ":443", ":8", ":080", "0", "\n", " "
  )
  const text = fc.array(part, { maxLength: 9 }).map((parts) => parts.join(""))
  const url = fc.oneof(text, fc.tuple(fc.constantFrom("http://", "https://"), text).map(([scheme, rest]) => scheme + rest), fc.webUrl())

  it("of any text, is that of the definition", () =>
    fc.assert(fc.property(url, (url) => assert.strictEqual(Guard.origin(url), plainly(url))), { numRuns: 10_000 }))

  it("is the key of each request, whichever were before", () =>
    fc.assert(
      fc.property(fc.array(fc.oneof(url, fc.constantFrom("http://a.test/1", "http://a.test/2", "http://a.test", "http://a.test:80/")), { maxLength: 8 }), (urls) => {
        const keys: Array<string> = []
        const guard = Guard.make<number, never>({
          admit: ({ key }) => Effect.succeed(keys.push(key)),
          announce: () => Effect.void,
          settle: (_caller, _ticket, exit) => exit
        })
        for (const url of urls) Effect.runSyncExit(guard(Effect.fail("not sent"), HttpClientRequest.get("").pipe(HttpClientRequest.setUrl(url))))
        assert.deepStrictEqual(keys, urls.map(plainly))
      }),
      { numRuns: 2000 }
    ))

  it("is the scheme, the host and the port, in lower case", () => {
    const table = [
      ["http://a.test", "http://a.test"],
      ["HTTP://A.Test:80/x", "http://a.test"],
      ["https://a.test:443?q", "https://a.test"],
      ["https://a.test:80#f", "https://a.test:80"],
      ["http://a.test:443/", "http://a.test:443"],
      ["https://u:p@ss@a.test/x@y", "https://a.test"],
      ["http://[::1]:8080/", "http://[::1]:8080"],
      ["/users/1", ""],
      ["", ""],
      ["http://", ""],
      ["http://user@", ""],
      ["/r?to=http://a.test", ""],
      ["?to=http://a.test", ""]
    ] as const
    for (const [url, expected] of table) assert.strictEqual(Guard.origin(url), expected, url)
  })

  it("is what the platform's URL says", () =>
    fc.assert(
      fc.property(fc.webUrl({ withQueryParameters: true, withFragments: true, authoritySettings: { withPort: true, withUserInfo: true } }), (url) => {
        fc.pre(URL.canParse(url))
        const { host, origin } = new URL(url)
        // A port is kept as it was written, and "http://a:" or "http://a:007" is nobody's origin.
        fc.pre(!/:0|:($|[/?#])/.test(url.slice(8)) && host !== "")
        assert.strictEqual(Guard.origin(url), origin)
      }),
      { numRuns: 1000 }
    ))
})
