import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as fc from "fast-check"
import { InvalidOption } from "../../src/core/InvalidOption.ts"
import * as Redirection from "../../src/core/Redirection.ts"
import * as Redirect from "../../src/http/Redirect.ts"
import * as Resilience from "../../src/policy/Resilience.ts"
import * as HttpScript from "../../src/testing/HttpScript.ts"
import * as Recorder from "../../src/testing/Recorder.ts"
import { eventually } from "../support/eventually.ts"
import { leavesNothing } from "../support/held.ts"
import { serve } from "../support/server.ts"
import { nodeHttp, undici } from "../support/transports.ts"

const to = (location: string, status = 302): HttpScript.Step => ({ status, headers: { location } })
const home = "https://files.test/a"

const secrets = Object.fromEntries([...Redirection.credentials, "x-own"].map((name) => [name, "secret"]))

/** Sends a request along a script; gives what came, and what was sent. */
const follow = (
  steps: ReadonlyArray<HttpScript.Step>,
  request: HttpClientRequest.HttpClientRequest = HttpClientRequest.get(home),
  options?: Redirect.Options
) =>
  Effect.gen(function*() {
    const client = (yield* HttpClient.HttpClient).pipe(Resilience.withRedirects(options))
    const result = yield* client.execute(request).pipe(
      Effect.map(({ status }) => status),
      Effect.catchTag("RedirectRefused", (error) => Effect.succeed(error.reason)),
      Effect.orDie
    )
    return { result, sent: yield* HttpScript.requests }
  }).pipe(Effect.provide(HttpScript.layer(steps)))

const methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] as const

describe("Redirect, the method", () => {
  const becomes = (status: number, method: string) =>
    status === 303 && method !== "GET" && method !== "HEAD" || status < 303 && method === "POST" ? "GET" : method

  for (const status of [301, 302, 303, 307, 308]) {
    for (const method of methods) {
      const expected = becomes(status, method)
      it.effect(`after ${status}: ${method} is sent as ${expected}, with a body where it stays`, () =>
        Effect.gen(function*() {
          const hasBody = method !== "GET" && method !== "HEAD"
          const request = HttpClientRequest.make(method)(home).pipe(hasBody ? HttpClientRequest.bodyText("pay", "text/plain") : (self) => self)
          const { result, sent } = yield* follow([to("/b", status), { status: 200 }], request)
          assert.strictEqual(result, 200)
          assert.deepStrictEqual(sent.map((each) => [each.method, each.url]), [[method, home], [expected, "https://files.test/b"]])
          const kept = hasBody && expected === method
          assert.strictEqual(new TextDecoder().decode(sent[1]?.body), kept ? "pay" : "")
          assert.strictEqual(sent[1]?.headers["content-type"], kept ? "text/plain" : undefined)
        }))
    }
  }

  for (const status of [300, 304, 305, 306, 399, 200, 404]) {
    it.effect(`a ${status} is no redirect`, () =>
      Effect.gen(function*() {
        assert.strictEqual((yield* follow([to("/b", status)])).result, status)
      }))
  }

  it.effect("a redirect that says not where to is returned as it came", () =>
    Effect.gen(function*() {
      assert.strictEqual((yield* follow([{ status: 302 }])).result, 302)
    }))
})

describe("Redirect, the headers", () => {
  const sentTo = (location: string, options?: Redirect.Options) =>
    Effect.map(
      follow([to(location), { status: 200 }], HttpClientRequest.get(home, { headers: { ...secrets, accept: "text/plain" } }), options),
      ({ sent }) => Object.keys(sent[1]?.headers ?? {}).filter((name) => name in secrets || name === "accept").sort()
    )
  const all = [...Object.keys(secrets), "accept"].filter((name) => name !== "proxy-authorization").sort()

  for (const location of ["/b", "b", "?q=1", "//files.test/b", "https://FILES.test:443/b", "https://files.test:443/"]) {
    it.effect(`go along within an origin: ${location}`, () =>
      Effect.map(sentTo(location), (names) => assert.deepStrictEqual(names, all)))
  }

  const elsewhere = ["https://cdn.test/b", "//cdn.test/b", "https://files.test:444/b", "https://files.test./b", "https://a.files.test/", "https://files.test.evil.test/"]
  for (const location of elsewhere) {
    it.effect(`stay behind on a change of origin: ${location}`, () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* sentTo(location), ["accept", "x-own"])
        assert.deepStrictEqual(yield* sentTo(location, { secretHeaders: ["X-Own"] }), ["accept"])
      }))
  }

  it.effect("stay behind for good: back at home they are not given again", () =>
    Effect.gen(function*() {
      const { sent } = yield* follow(
        [to("https://cdn.test/b"), to(home), { status: 200 }],
        HttpClientRequest.get(home, { headers: { authorization: "secret" } })
      )
      assert.deepStrictEqual(sent.map(({ headers }) => headers["authorization"]), ["secret", undefined, undefined] as ReadonlyArray<string | undefined>)
    }))
})

describe("Redirect, what is refused", () => {
  const table: ReadonlyArray<readonly [string, Redirection.Reason]> = [
    ["http://files.test/b", "Downgrade"],
    ["https://user@files.test/b", "UserInfo"],
    ["https://files.test:secret@evil.test/", "UserInfo"],
    ["file:///etc/passwd", "Scheme"],
    ["javascript:alert(1)", "Scheme"],
    ["unix:/var/run/docker.sock", "Scheme"],
    ["data:text/plain,hi", "Scheme"],
    ["https://", "Invalid"],
    ["https://a b/", "Invalid"],
    [`/${"a".repeat(9000)}`, "Invalid"]
  ]
  for (const [location, reason] of table) {
    it.effect(`${location.slice(0, 40)}: ${reason}`, () =>
      Effect.gen(function*() {
        const { result, sent } = yield* follow([to(location)])
        assert.strictEqual(result, reason)
        assert.strictEqual(sent.length, 1)
      }))
  }

  it.effect("one more than are allowed, and not one less", () =>
    Effect.gen(function*() {
      const hops = (count: number) => [...Array.from({ length: count }, (_, index) => to(`/${index}`)), { status: 200 } as const]
      assert.strictEqual((yield* follow(hops(5))).result, 200)
      assert.strictEqual((yield* follow(hops(6))).result, "TooMany")
      assert.strictEqual((yield* follow(hops(1), undefined, { maxRedirects: 0 })).result, "TooMany")
    }))

  it.effect("a body that can be sent once, where it would be sent again", () =>
    Effect.gen(function*() {
      const request = () => HttpClientRequest.post(home).pipe(HttpClientRequest.setBody(HttpBody.stream(Stream.make(new Uint8Array([1])))))
      assert.strictEqual((yield* follow([to("/b", 307)], request())).result, "NotReplayable")
      assert.strictEqual((yield* follow([to("/b", 303), { status: 200 }], request())).result, 200)
    }))

  it.effect("what the caller's rule refuses, and a downgrade only where it is not allowed", () =>
    Effect.gen(function*() {
      const allow = ({ to }: Redirection.Follow) => to.hostname.endsWith(".test")
      assert.strictEqual((yield* follow([to("https://169.254.169.254/")], undefined, { allow })).result, "NotAllowed")
      assert.strictEqual((yield* follow([to("https://b.test/"), { status: 200 }], undefined, { allow })).result, 200)
      assert.strictEqual((yield* follow([to("http://b.test/"), { status: 200 }], undefined, { downgrade: "allow" })).result, 200)
    }))

  it("tells no more of an address than its origin", () => {
    const error = new Redirect.RedirectRefused({ reason: "Scheme", status: 302, from: "https://files.test" })
    assert.strictEqual(error.message, "a redirect (302) of https://files.test was not followed: Scheme")
  })

  it("options that make no sense", () => {
    for (const maxRedirects of [-1, NaN, 1.5, Infinity]) assert.throws(() => Redirect.middleware({ maxRedirects }), InvalidOption)
  })
})

describe("Redirection.step", () => {
  const rules: Redirection.Rules = { maxRedirects: 5, downgrade: "refuse", allow: () => true }
  const location = fc.oneof(
    fc.string(),
    fc.string({ unit: "binary" }),
    fc.webUrl({ withFragments: true, withQueryParameters: true }),
    fc.tuple(fc.constantFrom("http:", "https:", "HTTPS:", "ftp:", "//", "\\\\", "https:\\\\", ""), fc.string()).map((parts) => parts.join(""))
  )

  it("never throws, and follows only to http or https, without a user, never down, whatever it is told", () => {
    fc.assert(
      fc.property(location, fc.constantFrom(...methods), fc.integer({ min: 100, max: 599 }), fc.boolean(), (told, method, status, replayable) => {
        const step = Redirection.step({ url: new URL(home), method, replayable, hops: 0 }, status, told, rules)
        if (step._tag !== "Follow") return
        assert.strictEqual(step.to.protocol, "https:")
        assert.strictEqual(step.to.username + step.to.password, "")
        assert.isTrue(step.body === "drop" || replayable)
        const sent = Redirection.headers(step, secrets, () => false)
        if (step.to.host !== "files.test") assert.deepStrictEqual(Object.keys(sent), ["x-own"])
      }),
      { numRuns: 3000 }
    )
  })
})

describe("Redirect, among the others", () => {
  it.effect("each hop has a span, a number and what is left of the time; the redirecting response is let go before the next request", () =>
    Effect.gen(function*() {
      const client = (yield* HttpClient.HttpClient).pipe(
        Resilience.withDeadlineHeader(),
        Resilience.withAttemptHeader(),
        Resilience.withAttemptTimeout("2 seconds"),
        Resilience.withAttemptSpan,
        Resilience.withRedirects(),
        Resilience.withRetry({ schedule: Schedule.spaced("1 second"), maxAttempts: 2 }),
        Resilience.withDeadline("5 seconds")
      )
      const fiber = yield* Effect.fork(client.get(home))
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual((yield* Fiber.join(fiber)).status, 200)
      const sent = yield* HttpScript.requests
      assert.deepStrictEqual(
        sent.map(({ headers, url }) => [url, headers["x-request-timeout-ms"], headers["x-retry-attempt"]] as ReadonlyArray<string | undefined>),
        [
          [home, "2000", undefined],
          ["https://files.test/b", "2000", undefined],
          [home, "2000", "2"],
          ["https://files.test/b", "2000", "2"]
        ]
      )
      const spans = yield* (yield* Recorder.Recorder).spans
      assert.deepStrictEqual(spans.map(({ attributes }) => attributes["http.request.resend_count"]), [undefined, 1, 1, 2])
      assert.deepStrictEqual((yield* HttpScript.released).map(({ before, request }) => [request, before]), [[1, 2], [2, 3], [3, 4]])
    }).pipe(
      Effect.provide(HttpScript.layer([to("/b"), { status: 503 }, to("/b"), { status: 200 }])),
      Effect.provide(Recorder.layer)
    ))

  for (const { layer, name } of [undici, nodeHttp]) {
    it.live(`over ${name}: two origins, a pool of one each, and nothing left open`, () =>
      leavesNothing(Effect.gen(function*() {
        const cdn = yield* serve((_, response) => void response.end("file"))
        const site = yield* serve((_, response) => {
          response.writeHead(302, { location: `${cdn.url}x` })
          response.end("x".repeat(2000))
        })
        const client = (yield* HttpClient.HttpClient).pipe(Resilience.withRedirects())
        for (let call = 0; call < 5; call++) {
          const response = yield* client.get(site.url, { headers: { authorization: "secret", accept: "text/plain" } })
          assert.strictEqual(yield* response.text, "file")
        }
        yield* eventually(() => site.stats.requests.every(({ closed }) => closed?.how === "finished"))
        assert.strictEqual(site.stats.connections, 1)
        assert.isTrue(site.stats.requests.every(({ headers }) => headers.authorization === "secret"))
        assert.isTrue(cdn.stats.requests.every(({ headers }) => headers.authorization === undefined && headers.accept === "text/plain"))
        assert.strictEqual(cdn.stats.requests.length, 5)
      }).pipe(Effect.provide(layer({ connections: 1 })))))
  }

  it.scopedLive("over fetch, where it is told not to follow by itself", () =>
    Effect.gen(function*() {
      const cdn = yield* serve((_, response) => void response.writeHead(200, { connection: "close" }).end("file"))
      const site = yield* serve((_, response) => {
        response.writeHead(302, { connection: "close", location: cdn.url })
        response.end()
      })
      const client = (yield* HttpClient.HttpClient).pipe(Resilience.withRedirects())
      const response = yield* client.get(site.url, { headers: { "idempotency-key": "secret" } })
      assert.strictEqual(yield* response.text, "file")
      assert.strictEqual(site.stats.requests[0]?.headers["idempotency-key"], "secret")
      assert.isUndefined(cdn.stats.requests[0]?.headers["idempotency-key"])
    }).pipe(
      Effect.provide(FetchHttpClient.layer),
      Effect.provideService(FetchHttpClient.RequestInit, { redirect: "manual" })
    ))
})
