/**
 * What the middlewares of a server tell of requests that they answer themselves: over sockets, and where nothing is told.
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpRouter from "@effect/platform/HttpRouter"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as TestClock from "effect/TestClock"
import type { Event } from "../../src/core/Event.ts"
import * as Resilience from "../../src/policy/Resilience.ts"
import * as Deadline from "../../src/server/Deadline.ts"
import * as Overload from "../../src/server/Overload.ts"
import * as Observer from "../../src/strategy/Observer.ts"
import * as Fault from "../support/faults.ts"
import { leavesNothing } from "../support/held.ts"
import { serve } from "../support/server.ts"
import { service } from "../support/services.ts"
import { onEachTransport } from "../support/transports.ts"

type Headers = Readonly<Record<string, string>>
type App<E, R> = Effect.Effect<HttpServerResponse.HttpServerResponse, E, R | HttpServerRequest.HttpServerRequest>

const ok = HttpServerResponse.text("ok")

const turnedAway = () => {
  const heard: Array<readonly [at: number, name: string, because: string, attempt: number]> = []
  const layer = Observer.layer(Observer.sync((event: Event) => {
    if (event._tag === "RequestTurnedAway") heard.push([event.at, event.call.name, event.because, event.attempt])
  }))
  return { heard, layer, said: () => heard.map(([, ...rest]) => rest.join(" ")) }
}

const ask = <E, R>(app: App<E, R>, headers: Headers) =>
  Effect.provideService(app, HttpServerRequest.HttpServerRequest, HttpServerRequest.fromWeb(new Request("http://users.test/1", { headers })))

describe("events of a server", () => {
  onEachTransport((_, transport) => {
    it.live("say why each request was turned away, and which attempt it claimed to be", () =>
      leavesNothing(Effect.gen(function*() {
        const { layer, said } = turnedAway()
        const dead = yield* serve(Fault.resetBeforeHeaders)
        const upstream = Effect.flatMap(HttpClient.HttpClient, (client) =>
          Resilience.withRetry({ schedule: Schedule.forever, maxAttempts: 2 })(client).get(dead.url))
        const router = HttpRouter.empty.pipe(
          HttpRouter.get("/", Effect.succeed(ok)),
          HttpRouter.get("/never", Effect.never),
          HttpRouter.get("/upstream", Effect.as(upstream, ok))
        )
        const app = HttpRouter.use(
          router,
          (app) => app.pipe(
            Overload.middleware({ name: "users", shed: ({ attempt }) => Effect.succeed(attempt > 2) }),
            Deadline.middleware({ allowance: "5 millis" })
          )
        )
        const { url } = yield* Effect.provide(service(app), layer)
        const get = (path: string, headers: Headers = {}) =>
          Effect.flatMap(HttpClient.get(`${url}${path}`, { headers }), (response) => Effect.as(response.text, response.status))

        assert.strictEqual(yield* get("", { "x-retry-attempt": "2", "x-request-timeout-ms": "60000" }), 200)
        assert.deepStrictEqual(said(), [])
        assert.strictEqual(yield* get("", { "x-request-timeout-ms": "5" }), 504)
        assert.strictEqual(yield* get("never", { "x-request-timeout-ms": "30", "x-retry-attempt": "2" }), 504)
        assert.strictEqual(yield* get("", { "x-retry-attempt": "3" }), 503)
        assert.strictEqual(yield* get("upstream"), 503)
        assert.deepStrictEqual(said(), ["deadline Late 1", "deadline OutOfTime 2", "users Shed 3", "users GivenUp 1"])
      }).pipe(Effect.provide(transport()))))
  })

  it.effect("are told at the instant of the answer, once, and not of what the handler answered itself", () =>
    Effect.gen(function*() {
      const { heard, layer } = turnedAway()
      const run = Effect.gen(function*() {
        const sleeping = Effect.as(Effect.interruptible(Effect.sleep("5 seconds")), ok)
        const late = yield* Effect.fork(ask(Deadline.middleware({ name: "d" })(sleeping), { "x-request-timeout-ms": "1000" }))
        yield* TestClock.adjust("1 second")
        assert.strictEqual((yield* Fiber.join(late)).status, 504)
        assert.deepStrictEqual(heard, [[1000, "d", "OutOfTime", 1]])

        const busy = Effect.succeed(HttpServerResponse.empty({ status: 503 }))
        yield* ask(Overload.middleware({ shed: () => Effect.succeed(false) })(busy), { "x-retry-attempt": "2" })
        yield* Effect.exit(ask(Overload.middleware()(Effect.fail("something else")), {}))
        yield* Effect.exit(ask(Deadline.middleware()(Effect.fail("something else")), { "x-request-timeout-ms": "1000" }))
        assert.strictEqual(heard.length, 1)
      })
      yield* Effect.provide(run, layer)
    }))

  it.effect("are not needed: the answers are the same where nobody listens, or where whoever listens dies", () =>
    Effect.gen(function*() {
      const shed = ask(Overload.middleware({ shed: () => Effect.succeed(true) })(Effect.succeed(ok)), { "x-retry-attempt": "2" })
      const late = ask(Deadline.middleware({ allowance: "1 second" })(Effect.succeed(ok)), { "x-request-timeout-ms": "1000" })
      const both = Effect.map(Effect.all([shed, late]), (responses) => responses.map(({ status }) => status))
      assert.deepStrictEqual(yield* both, [503, 504])
      assert.deepStrictEqual(yield* Effect.provide(both, Observer.layer(Observer.make(() => Effect.die("deaf")))), [503, 504])
    }))
})
