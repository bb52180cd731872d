import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpRouter from "@effect/platform/HttpRouter"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as fc from "fast-check"
import { InvalidOption } from "../../src/core/InvalidOption.ts"
import * as DropIn from "../../src/http/DropIn.ts"
import * as Resilience from "../../src/policy/Resilience.ts"
import * as Overload from "../../src/server/Overload.ts"
import * as Observer from "../../src/strategy/Observer.ts"
import * as HttpScript from "../../src/testing/HttpScript.ts"
import * as Fault from "../support/faults.ts"
import { leavesNothing } from "../support/held.ts"
import { serve } from "../support/server.ts"
import { service } from "../support/services.ts"
import { nodeHttp } from "../support/transports.ts"

type Headers = Readonly<Record<string, string>>
type Response = HttpServerResponse.HttpServerResponse
type App<E, R> = Effect.Effect<Response, E, R | HttpServerRequest.HttpServerRequest>

const ask = <E, R>(app: App<E, R>, headers: Headers = {}) => {
  const request = HttpServerRequest.fromWeb(new Request("http://users.test/1", { headers }))
  return Effect.provideService(app, HttpServerRequest.HttpServerRequest, request)
}

const ok = Effect.succeed(HttpServerResponse.text("ok"))
const upstream = "http://upstream.test/"
const eager = { schedule: Schedule.forever, maxAttempts: 3 }

/** What a response says to the caller. */
const said = ({ headers, status }: Response): ReadonlyArray<number | string | undefined> =>
  [status, headers["x-should-retry"], headers["retry-after"]]

const refused = [503, "false", "1"]

/** A handler that calls a peer which answers like this each time, and hands the answer on with a status of its own. */
const relay = (
  decorate: (client: HttpClient.HttpClient) => HttpClient.HttpClient.With<unknown>,
  toResponse: (status: number) => Effect.Effect<Response, unknown>
) =>
  Effect.flatMap(HttpClient.HttpClient, (client) =>
    Effect.flatMap(decorate(client).get(upstream), ({ status }) => toResponse(status)))

const status = (code: number, headers: Headers = {}) => () => Effect.succeed(HttpServerResponse.empty({ status: code, headers }))
const same = (code: number) => Effect.succeed(HttpServerResponse.empty({ status: code }))
const peer = (step: HttpScript.Step) => Effect.provide(HttpScript.layer([step], { atEnd: "repeatLast" }))

describe("server/Overload, of resends", () => {
  const shedding = (told: boolean) => {
    const asked: Array<number> = []
    const app = Overload.middleware({
      shed: ({ attempt }) => Effect.sync(() => asked.push(attempt)).pipe(Effect.as(told)),
      retryAfter: "1500 millis"
    })(ok)
    return { app, asked }
  }

  it.effect("turns them away when it is told to", () =>
    Effect.gen(function*() {
      const { app, asked } = shedding(true)
      assert.deepStrictEqual(said(yield* ask(app, { "x-retry-attempt": "2" })), [503, "false", "2"])
      assert.deepStrictEqual(said(yield* ask(app, { "amz-sdk-request": "attempt=3; max=3" })), [503, "false", "2"])
      assert.deepStrictEqual(asked, [2, 3])
    }))

  it.effect("lets them through when it is not", () =>
    Effect.gen(function*() {
      const { app, asked } = shedding(false)
      assert.deepStrictEqual(said(yield* ask(app, { "x-retry-attempt": "2" })), [200, undefined, undefined])
      assert.deepStrictEqual(asked, [2])
    }))

  it.effect("does not ask about first attempts, nor about junk", () =>
    Effect.gen(function*() {
      const { app, asked } = shedding(true)
      for (const headers of [{}, { "x-retry-attempt": "1" }, { "x-retry-attempt": "two" }] as ReadonlyArray<Headers>) {
        assert.strictEqual((yield* ask(app, headers)).status, 200)
      }
      assert.deepStrictEqual(asked, [])
    }))

  it.effect("fails as the effect that decides does", () =>
    Effect.gen(function*() {
      const app = Overload.middleware({ shed: () => Effect.fail("no metrics") })(ok)
      assert.strictEqual(yield* Effect.flip(ask(app, { "x-retry-attempt": "2" })), "no metrics")
    }))

  it.effect("tells the handler which attempt it is", () =>
    Effect.gen(function*() {
      const app = Effect.map(Overload.attempt, (attempt) => HttpServerResponse.empty({ headers: { attempt: String(attempt) } }))
      assert.strictEqual((yield* ask(app, { "x-retry-attempt": "4" })).headers["attempt"], "4")
      assert.strictEqual((yield* ask(app)).headers["attempt"], "1")
    }))

  it("answers whatever the headers are, and repeats nothing of them", async () => {
    const app = Overload.middleware({ shed: () => Effect.succeed(true) })(ok)
    const names = fc.constantFrom("x-retry-attempt", "amz-sdk-request", "x-envoy-attempt-count", "grpc-previous-rpc-attempts")
    const value = fc.oneof(fc.stringMatching(/^[!-~]{0,30}$/), fc.stringMatching(/^(attempt=)?[0-9]{1,20}$/))
    await fc.assert(
      fc.asyncProperty(fc.dictionary(names, value), async (headers) => {
        const response = await Effect.runPromise(ask(app, headers))
        assert.isTrue(response.status === 200 || said(response).join() === refused.join())
      }),
      { numRuns: 1000 }
    )
  })
})

describe("server/Overload, of a call that was given up", () => {
  const guarded = <E, R>(app: App<E, R>) => ask(Overload.middleware()(app))
  const failing = (client: HttpClient.HttpClient) => client.pipe(Resilience.withRetryOrFail(eager))
  const returning = (client: HttpClient.HttpClient) => client.pipe(Resilience.withRetry(eager))
  const busy = { status: 503 }

  const errors: ReadonlyArray<readonly [string, Parameters<typeof relay>[0]]> = [
    ["RetriesExhausted", failing],
    ["RetriesExhausted in its drop-in form", (client) => DropIn.fold(failing(client))],
    ["the last error as it came", (client) => HttpClient.filterStatusOk(returning(client))]
  ]
  for (const [what, decorate] of errors) {
    it.effect(`says so where the handler fails with ${what}`, () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(said(yield* guarded(relay(decorate, same))), refused)
      }).pipe(peer(busy)))
  }

  it.effect("says so where the handler dies of it", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(said(yield* guarded(Effect.orDie(relay(failing, same)))), refused)
    }).pipe(peer(busy)))

  it.effect("says so on whatever answer of 500 and above the handler gives", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(said(yield* guarded(relay(returning, status(503)))), refused)
      assert.deepStrictEqual(said(yield* guarded(relay(returning, status(502)))), [502, "false", undefined])
      assert.deepStrictEqual(said(yield* guarded(relay(returning, status(500)))), [500, "false", undefined])
    }).pipe(peer(busy)))

  it.effect("leaves what the handler says itself", () =>
    Effect.gen(function*() {
      const own = { "x-should-retry": "true", "retry-after": "9" }
      assert.deepStrictEqual(said(yield* guarded(relay(returning, status(503, own)))), [503, "true", "9"])
      assert.deepStrictEqual(said(yield* guarded(relay(returning, status(200)))), [200, undefined, undefined])
      assert.deepStrictEqual(said(yield* guarded(relay(returning, status(404)))), [404, undefined, undefined])
    }).pipe(peer(busy)))

  it.effect("asks to wait as long as the given up one does", () =>
    Effect.gen(function*() {
      const long = { status: 503, headers: { "retry-after": "90" } }
      assert.deepStrictEqual(said(yield* guarded(relay(failing, same)).pipe(peer(long))), [503, "false", "90"])
      assert.deepStrictEqual(said(yield* guarded(relay(returning, same)).pipe(peer(long))), [503, "false", "90"])
    }))

  it.effect("says nothing where nobody gave anything up", () =>
    Effect.gen(function*() {
      const untouched = [503, undefined, undefined]
      // One attempt only: whether to send again is left to the caller.
      const once = (client: HttpClient.HttpClient) => client.pipe(Resilience.withRetry({ maxAttempts: 1 }))
      assert.deepStrictEqual(said(yield* guarded(relay(once, same)).pipe(peer(busy))), untouched)
      assert.deepStrictEqual(said(yield* guarded(relay((client) => client, same)).pipe(peer(busy))), untouched)
      // Terminal: no retry could have helped.
      assert.deepStrictEqual(said(yield* guarded(relay(returning, status(503))).pipe(peer({ status: 404 }))), untouched)
      assert.strictEqual(yield* Effect.flip(guarded(Effect.fail("own"))), "own")
    }))

  it.effect("hands on a no that it was given", () =>
    Effect.gen(function*() {
      const pushed = { status: 503, headers: { "x-should-retry": "false" } }
      assert.deepStrictEqual(said(yield* guarded(relay(returning, same)).pipe(peer(pushed))), refused)
    }))

  it.effect("keeps the listener that was there, and leaves none", () =>
    Effect.gen(function*() {
      const events: Array<string> = []
      const listener = Observer.sync((event) => void events.push(event._tag))
      yield* Effect.provideService(guarded(relay(failing, same)), Observer.Observer, listener)
      assert.strictEqual(events.filter((tag) => tag === "AttemptStarted").length, 3)
      assert.strictEqual(yield* Observer.Observer, Observer.none)
    }).pipe(peer(busy)))

  it("refuses a wait that is none", () => {
    for (const retryAfter of [0, -1, NaN, Infinity]) {
      assert.throws(() => Overload.middleware({ retryAfter }), InvalidOption, "retryAfter")
    }
  })
})

describe("server/Overload on sockets", () => {
  it.live("an overloaded service serves first attempts, and no client comes again a third time", () =>
    leavesNothing(Effect.gen(function*() {
      let served = 0
      const flaky = Effect.sync(() => HttpServerResponse.empty({ status: ++served % 2 === 1 ? 503 : 200 }))
      const app = HttpRouter.use(
        HttpRouter.empty.pipe(HttpRouter.get("/", flaky)),
        Overload.middleware({ shed: () => Effect.succeed(true) })
      )
      const { received, url } = yield* service(app)
      const client = (yield* HttpClient.HttpClient).pipe(Resilience.withAttemptHeader(), Resilience.withRetry(eager))
      const statuses = yield* Effect.forEach([1, 2, 3], () =>
        Effect.flatMap(client.get(url), (response) => Effect.as(response.text, response.status)))
      assert.deepStrictEqual(statuses, [503, 200, 503])
      assert.deepStrictEqual(received.map((headers) => headers["x-retry-attempt"]), [undefined, "2", undefined, undefined, "2"])
      assert.strictEqual(served, 3)
    }).pipe(Effect.provide(nodeHttp.layer()))))

  it.live("round the routes of a router it says the same", () =>
    leavesNothing(Effect.gen(function*() {
      const dead = yield* serve(Fault.resetBeforeHeaders)
      const call = Effect.flatMap(HttpClient.HttpClient, (client) => client.pipe(Resilience.withRetry(eager)).get(dead.url))
      const router = HttpRouter.empty.pipe(HttpRouter.get("/", Effect.as(call, HttpServerResponse.empty())))
      const { url } = yield* service(HttpRouter.use(router, Overload.middleware()))
      const response = yield* Effect.promise(() => fetch(url))
      assert.deepStrictEqual(
        [response.status, response.headers.get("x-should-retry"), response.headers.get("content-type")],
        [503, "false", "application/problem+json"]
      )
      assert.strictEqual((yield* Effect.promise(() => response.text())).includes("127.0.0.1"), false)
      assert.strictEqual(dead.stats.requests.length, 3)
    }).pipe(Effect.provide(nodeHttp.layer()))))
})
