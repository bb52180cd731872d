import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpRouter from "@effect/platform/HttpRouter"
import type * as HttpServerError from "@effect/platform/HttpServerError"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import * as fc from "fast-check"
import { InvalidOption } from "../../src/core/InvalidOption.ts"
import * as Deadline from "../../src/server/Deadline.ts"
import * as Remaining from "../../src/strategy/Deadline.ts"
import { eventually } from "../support/eventually.ts"
import { leavesNothing } from "../support/held.ts"
import { service } from "../support/services.ts"
import { nodeHttp } from "../support/transports.ts"

type Headers = Readonly<Record<string, string>>
type App<E, R = never> = Effect.Effect<HttpServerResponse.HttpServerResponse, E, R | HttpServerRequest.HttpServerRequest>

const requestOf = (headers: Headers) => HttpServerRequest.fromWeb(new Request("http://users.test/1", { headers }))

/** Gives a request to an app, as a server does: in a region that cannot be interrupted. */
const ask = <E>(app: App<E>, headers: Headers) =>
  Effect.uninterruptible(Effect.provideService(app, HttpServerRequest.HttpServerRequest, requestOf(headers)))

const ok = HttpServerResponse.text("ok")
const asking = { "x-request-timeout-ms": "1000" }

/** A handler that takes so long, and what becomes of it. */
const working = (millis: number) => {
  const log: Array<string> = []
  const handler = Effect.interruptible(Effect.sleep(millis)).pipe(
    Effect.onInterrupt(() => Effect.sync(() => log.push("interrupted"))),
    Effect.tap(() => log.push("done")),
    Effect.as(ok)
  )
  return { log, handler }
}

const seen = Effect.map(Remaining.remaining, (left) => HttpServerResponse.text(String(Option.getOrNull(left))))
const textOf = ({ body }: HttpServerResponse.HttpServerResponse) =>
  body._tag === "Uint8Array" ? new TextDecoder().decode(body.body) : assert.fail(body._tag)

describe("server/Deadline", () => {
  const within = (handlerTakes: number, clockGoes: number, headers: Headers, options?: Deadline.Options) =>
    Effect.gen(function*() {
      const { handler, log } = working(handlerTakes)
      const fiber = yield* Effect.fork(ask(Deadline.middleware(options)(handler), headers))
      yield* TestClock.adjust(clockGoes)
      const over = fiber.unsafePoll() !== null
      yield* TestClock.adjust("1 hour")
      return { over, status: (yield* Fiber.join(fiber)).status, log }
    })

  it.effect("interrupts a handler at the deadline and not 1 ms before, and answers 504", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* within(5000, 999, asking), { over: false, status: 504, log: ["interrupted"] })
      assert.deepStrictEqual(yield* within(5000, 1000, asking), { over: true, status: 504, log: ["interrupted"] })
    }))

  it.effect("lets one that is in time alone, to the last ms", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* within(999, 999, asking), { over: true, status: 200, log: ["done"] })
      assert.deepStrictEqual(yield* within(1000, 1000, asking), { over: true, status: 200, log: ["done"] })
    }))

  it.effect("takes off the allowance, and gives no more than the most", () =>
    Effect.gen(function*() {
      const allowance = { allowance: 50 }
      assert.deepStrictEqual(yield* within(5000, 949, asking, allowance), { over: false, status: 504, log: ["interrupted"] })
      assert.deepStrictEqual(yield* within(5000, 950, asking, allowance), { over: true, status: 504, log: ["interrupted"] })
      const atMost = { atMost: 300 }
      assert.deepStrictEqual(yield* within(5000, 299, asking, atMost), { over: false, status: 504, log: ["interrupted"] })
      assert.deepStrictEqual(yield* within(5000, 300, { "grpc-timeout": "99999999H" }, atMost), { over: true, status: 504, log: ["interrupted"] })
    }))

  it.effect("begins nothing where the time is over on arrival", () =>
    Effect.gen(function*() {
      for (const headers of [{ "x-request-timeout-ms": "0" }, { "grpc-timeout": "10m" }]) {
        const { handler, log } = working(0)
        const response = yield* ask(Deadline.middleware({ allowance: 10 })(handler), headers)
        assert.deepStrictEqual([response.status, log], [504, []])
      }
    }))

  it.effect("gives its own time to those who say nothing, or nothing that can be read", () =>
    Effect.gen(function*() {
      for (const headers of [{}, { "x-request-timeout-ms": "soon" }, { "grpc-timeout": "1s" }] as ReadonlyArray<Headers>) {
        assert.strictEqual(textOf(yield* ask(Deadline.middleware()(seen), headers)), "null")
        assert.strictEqual(textOf(yield* ask(Deadline.middleware({ otherwise: 700 })(seen), headers)), "700")
      }
    }))

  it.effect("lets the handler and what it calls see what is left", () =>
    Effect.gen(function*() {
      const app = Deadline.middleware()(Effect.zipRight(Effect.sleep(400), Effect.flatMap(Effect.fork(seen), Fiber.join)))
      const fiber = yield* Effect.fork(ask(app, asking))
      yield* TestClock.adjust(400)
      assert.strictEqual(textOf(yield* Fiber.join(fiber)), "600")
      const nested = Deadline.middleware({ atMost: 5000 })(Deadline.middleware({ atMost: 300 })(Deadline.middleware()(seen)))
      assert.strictEqual(textOf(yield* ask(nested, asking)), "300")
    }))

  it.effect("answers 504 where the handler fails because its time is over, and leaves other failures alone", () =>
    Effect.gen(function*() {
      const late = Effect.fail(new Remaining.DeadlineExceeded({ deadline: 0, limit: 0 }))
      const early = yield* Effect.exit(ask(Deadline.middleware()(late), asking))
      assert.propertyVal(early, "_tag", "Failure")
      const fiber = yield* Effect.fork(ask(Deadline.middleware()(Effect.zipRight(Effect.sleep(1000), late)), asking))
      yield* TestClock.adjust(1000)
      assert.strictEqual((yield* Fiber.join(fiber)).status, 504)
    }))

  it.effect("lets a defect through", () =>
    Effect.gen(function*() {
      const exit = yield* Effect.exit(ask(Deadline.middleware()(Effect.die("bug")), asking))
      assert.include(String(exit), "bug")
    }))

  it.effect("does not interrupt what cannot be, and takes its answer", () =>
    Effect.gen(function*() {
      const payment = Effect.as(Effect.uninterruptible(Effect.sleep(5000)), ok)
      const fiber = yield* Effect.fork(ask(Deadline.middleware()(payment), asking))
      yield* TestClock.adjust(4999)
      assert.isNull(fiber.unsafePoll())
      yield* TestClock.adjust(1)
      assert.strictEqual((yield* Fiber.join(fiber)).status, 200)
    }))

  it.effect("is a problem that says nothing of the request", () =>
    Effect.gen(function*() {
      const secret = { "x-request-timeout-ms": "0", "x-secret": "hunter2" }
      const response = HttpServerResponse.toWeb(yield* ask(Deadline.middleware()(Effect.succeed(ok)), secret))
      assert.strictEqual(response.headers.get("content-type"), "application/problem+json")
      assert.deepStrictEqual(yield* Effect.promise(() => response.json()), {
        type: "about:blank",
        title: "Deadline exceeded",
        status: 504,
        detail: "The time that the caller gave to this request is over."
      })
    }))

  it.live("is interrupted with its caller, where the region round it cannot be", () =>
    leavesNothing(Effect.gen(function*() {
      let interrupted = false
      const work = Effect.onInterrupt(Effect.never, () => Effect.sync(() => interrupted = true))
      const { pending, received, url } = yield* service(Deadline.middleware()(HttpRouter.empty.pipe(HttpRouter.get("/", work))))
      const controller = new AbortController()
      const call = fetch(url, { headers: { "x-request-timeout-ms": "60000" }, signal: controller.signal }).catch(() => undefined)
      yield* eventually(() => received.length === 1)
      controller.abort()
      yield* Effect.promise(() => call)
      yield* eventually(() => interrupted && pending() === 0)
    })))

  it("answers whatever the headers are", async () => {
    const value = fc.oneof(
      fc.stringMatching(/^[ -~]{0,30}$/),
      fc.stringMatching(/^[0-9]{0,12}[HMSmun]?$/)
    )
    const names = fc.constantFrom("x-request-timeout-ms", "grpc-timeout", "x-envoy-expected-rq-timeout-ms")
    const app = Deadline.middleware({ atMost: "1 minute" })(seen)
    await fc.assert(
      fc.asyncProperty(fc.dictionary(names, value), async (headers) => {
        const response = await Effect.runPromise(ask(app, headers))
        if (response.status === 504) return
        const left = textOf(response)
        assert.isTrue(left === "null" || Number(left) >= 0 && Number(left) <= 60_000, left)
      }),
      { numRuns: 1000 }
    )
  })

  it("refuses options that make no sense", () => {
    const wrong: ReadonlyArray<Deadline.Options> = [
      { atMost: 0 }, { atMost: NaN }, { atMost: -1 }, { atMost: Infinity }, { allowance: -1 }, { allowance: NaN }, { otherwise: 0 }, { read: [] }
    ]
    for (const options of wrong) assert.throws(() => Deadline.middleware(options), InvalidOption, "server/Deadline")
  })
})

describe("server/Deadline on a socket", () => {
  /** A caller that names a deadline and waits for as long as it takes. */
  const call = (url: string, headers: Headers) => Effect.promise(() => fetch(url, { headers, keepalive: false }))

  /** An app as a router, as the handler of a route, as none at all, and where it should not stand. */
  const placed = (work: Effect.Effect<HttpServerResponse.HttpServerResponse>) => {
    const router = HttpRouter.empty.pipe(HttpRouter.get("/", work))
    const deadline = Deadline.middleware()
    return [
      ["round a router", deadline(router)],
      ["on the routes of a router", HttpRouter.use(router, deadline)],
      ["round an app that is interruptible", deadline(Effect.interruptible(work))]
    ] as const
  }

  for (const index of [0, 1, 2] as const) {
    const [where] = placed(Effect.succeed(ok))[index]
    it.live(`${where}: ends the handler of a caller that stays, and answers`, () =>
      leavesNothing(Effect.gen(function*() {
        let interrupted = false
        const work = Effect.onInterrupt(Effect.never, () => Effect.sync(() => interrupted = true))
        const { pending, url } = yield* service<HttpServerError.RouteNotFound, never>(placed(work)[index][1])
        const response = yield* call(url, { "grpc-timeout": "30m" })
        assert.isTrue(interrupted)
        assert.deepStrictEqual([response.status, response.headers.get("content-type")], [504, "application/problem+json"])
        assert.propertyVal(yield* Effect.promise(() => response.json()), "status", 504)
        yield* eventually(() => pending() === 0)
      })))
  }

  it.live("a route that is marked uninterruptible is not interrupted", () =>
    leavesNothing(Effect.gen(function*() {
      const work = Effect.as(Effect.sleep("60 millis"), ok)
      const router = HttpRouter.empty.pipe(HttpRouter.get("/", work, { uninterruptible: true }))
      const { url } = yield* service(Deadline.middleware()(router))
      assert.strictEqual((yield* call(url, { "x-request-timeout-ms": "20" })).status, 200)
    })))

  it.live("a second call on the same connection has its own time", () =>
    leavesNothing(Effect.gen(function*() {
      const { url } = yield* service(HttpRouter.use(HttpRouter.empty.pipe(HttpRouter.get("/", seen)), Deadline.middleware()))
      const ask = (left: string) =>
        Effect.flatMap(
          HttpClient.get(url, { headers: { "x-request-timeout-ms": left } }),
          (response) => response.text
        )
      assert.isAtMost(Number(yield* ask("5000")), 5000)
      assert.isAbove(Number(yield* ask("90000")), 5000)
      assert.strictEqual(yield* Effect.flatMap(HttpClient.get(url), (response) => response.text), "null")
    }).pipe(Effect.provide(nodeHttp.layer()))))
})
