/**
 * Three real services in a row, and what becomes of a call when the last one is slow or dead.
 */
import type * as HttpApp from "@effect/platform/HttpApp"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpRouter from "@effect/platform/HttpRouter"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import { assert, describe, it } from "@effect/vitest"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Resilience from "../../src/policy/Resilience.ts"
import * as Deadline from "../../src/server/Deadline.ts"
import * as Overload from "../../src/server/Overload.ts"
import { DeadlineExceeded } from "../../src/strategy/Deadline.ts"
import { eventually } from "../support/eventually.ts"
import * as Fault from "../support/faults.ts"
import { leavesNothing } from "../support/held.ts"
import { type Handler, serve } from "../support/server.ts"
import { service } from "../support/services.ts"
import { onEachTransport } from "../support/transports.ts"

type App = HttpApp.Default<unknown, HttpClient.HttpClient>

type Calls = HttpClient.HttpClient.With<unknown>

/** An app of one route, which calls another service and hands its answer on. */
const relay = (url: string, decorate: (client: HttpClient.HttpClient) => Calls): App =>
  HttpRouter.empty.pipe(HttpRouter.get(
    "/",
    Effect.gen(function*() {
      const client = decorate(yield* HttpClient.HttpClient)
      const response = yield* client.get(url)
      const body = yield* response.text
      // As a stream: of a text for somebody who has gone the platform's server waits for the end, which does not come.
      return HttpServerResponse.stream(Stream.succeed(new TextEncoder().encode(body)), { status: response.status })
    })
  ))

onEachTransport((_, layer) => {
  const test = (what: string, body: Effect.Effect<void, unknown, HttpClient.HttpClient | Scope.Scope>) =>
    it.live(what, () => leavesNothing(Effect.provide(body, layer({ connections: 16 }))))

  describe("a slow third service", () => {
    const limit = 300
    const decorate = (client: HttpClient.HttpClient) =>
      client.pipe(Resilience.withDeadlineHeader(), Resilience.withAttemptTimeout("10 seconds"), Resilience.withRetry())

    /** One call; gives how many ms after its deadline the work in the third service had been ended, where it had been begun. */
    const lateness = Effect.gen(function*() {
      let ended: number | undefined
      const work = Effect.onInterrupt(Effect.never, () => Effect.sync(() => ended = performance.now()))
      const third = yield* service(HttpRouter.empty.pipe(HttpRouter.get("/", work), HttpRouter.use(Deadline.middleware())))
      const second = yield* service(Deadline.middleware()(relay(third.url, decorate)))
      const first = yield* service(Deadline.middleware()(relay(second.url, decorate)))
      const client = decorate(yield* HttpClient.HttpClient).pipe(Resilience.withDeadline(limit))
      // The first connections take their time.
      yield* Effect.ignore(client.get(first.url.replace(/\/$/, "/nowhere")))
      const start = performance.now()
      // The first service may be the first to see that the time is over: then it says so.
      const end = yield* Effect.merge(client.get(first.url))
      assert.isTrue(end instanceof DeadlineExceeded || "status" in end && end.status === 504)
      yield* eventually(() => [first, second, third].every((each) => each.pending() === 0), "8 seconds")
      if (third.received.length === 0) return Infinity
      const told = [first, second, third].map(({ received }) => Number(received.at(-1)?.["x-request-timeout-ms"]))
      assert.isTrue(told.every((left, index) => left > 0 && left <= (told[index - 1] ?? limit)), told.join())
      return (ended ?? Infinity) - start - limit
    })

    test(
      "ends within 100 ms of the caller's deadline, and nothing stays open",
      Effect.gen(function*() {
        // The bound is for the services: a machine that is busy with something else may have ten tries.
        const seen: Array<number> = []
        while (seen.length < 10 && !seen.some((late) => late < 100)) seen.push(yield* Effect.scoped(lateness))
        assert.isTrue(seen.some((late) => late < 100), seen.join())
        // And not before: a timer counts whole ms, and so does each header.
        assert.isTrue(seen.every((late) => late > -20), seen.join())
      })
    )
  })

  describe("a dead third service", () => {
    const attempts = 3
    const eager = { schedule: Schedule.forever, maxAttempts: attempts }
    const decorate = (limit: Duration.DurationInput) => (client: HttpClient.HttpClient) =>
      client.pipe(Resilience.withAttemptHeader(), Resilience.withAttemptTimeout(limit), Resilience.withRetry(eager))

    /** Calls the first service a few times, one after the other; `edge` is what its app and the one of the second have round them. */
    const callThrough = (url: string, limit: Duration.DurationInput, calls: number, edge: (app: App) => App) =>
      Effect.gen(function*() {
        const second = yield* service(edge(relay(url, decorate(limit))))
        const first = yield* service(edge(relay(second.url, decorate("10 seconds"))))
        const client = decorate("10 seconds")(yield* HttpClient.HttpClient)
        const answers = yield* Effect.forEach(Array.from({ length: calls }), () => client.get(first.url))
        return { answers, first, second }
      })

    const dead: ReadonlyArray<readonly [what: string, handler: Handler, limit: Duration.DurationInput]> = [
      ["answers 503", Fault.status(503), "10 seconds"],
      ["resets", Fault.resetBeforeHeaders, "10 seconds"],
      ["never answers", Fault.hang, "200 millis"]
    ]

    for (const [what, handler, limit] of dead) {
      test(
        `that ${what} receives the attempts of one layer for each call, and not the product`,
        Effect.gen(function*() {
          const calls = 4
          const third = yield* serve(handler)
          const { answers, first, second } = yield* callThrough(third.url, limit, calls, Overload.middleware())
          // An attempt can be over before it has arrived.
          if (handler === Fault.hang) assert.isAtMost(third.stats.requests.length, attempts * calls)
          else assert.strictEqual(third.stats.requests.length, attempts * calls)
          assert.strictEqual(second.received.length, calls)
          assert.strictEqual(first.received.length, calls)
          for (const { headers, status } of answers) {
            assert.strictEqual(status, 503)
            assert.strictEqual(headers["x-should-retry"], "false")
            assert.strictEqual(headers["retry-after"], "1")
          }
          if (handler === Fault.hang) return
          const said = third.stats.requests.map(({ headers }) => headers["x-retry-attempt"])
          assert.deepStrictEqual(said, answers.flatMap(() => [undefined, "2", "3"]))
        })
      )
    }

    test(
      "receives the product where nobody says that it has given up",
      Effect.gen(function*() {
        const third = yield* serve(Fault.status(503))
        yield* callThrough(third.url, "10 seconds", 1, (app) => app)
        assert.strictEqual(third.stats.requests.length, attempts ** 3)
      })
    )
  })
})
