import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as timers from "node:timers/promises"
import * as Timeout from "../../src/http/Timeout.ts"
import * as Resilience from "../../src/policy/Resilience.ts"
import * as HttpScript from "../../src/testing/HttpScript.ts"
import { eventually, realTime } from "../support/eventually.ts"
import * as Fault from "../support/faults.ts"
import { serve, serveRaw, type Server } from "../support/server.ts"
import { onEachTransport } from "../support/transports.ts"

/** How long after a limit an attempt may still go on, and its socket be open. In real ms. */
const grace = 50

type Response = HttpClientResponse.HttpClientResponse

const readers: ReadonlyArray<readonly [name: string, read: (response: Response) => Effect.Effect<unknown, unknown>]> = [
  ["text", (response) => response.text],
  ["json", (response) => response.json],
  ["arrayBuffer", (response) => response.arrayBuffer],
  ["urlParamsBody", (response) => response.urlParamsBody],
  ["formData", (response) => response.formData],
  ["stream", (response) => Stream.runDrain(response.stream)]
]

/** What the process holds: whatever keeps it alive, and the fibers that have not ended. */
const held = (): ReadonlyMap<string, number> => {
  const counts = new Map([["fibers", Fiber.unsafeRoots().length]])
  for (const name of process.getActiveResourcesInfo()) counts.set(name, (counts.get(name) ?? 0) + 1)
  return counts
}

/** Closes the scope of a test, and then sees that no socket, timer or fiber is left of it. */
const leavesNothing = <A, E>(test: Effect.Effect<A, E, Scope.Scope>) =>
  Effect.gen(function*() {
    const before = held()
    yield* Effect.scoped(test)
    yield* eventually(() => [...held()].every(([name, count]) => count <= (before.get(name) ?? 0)))
  })

/**
 * Looks after so many ms. The clock is that of the event loop, which a busy machine stops for everybody. Some turns of the loop are granted
 * on top, which take no time: in one a fiber goes on, in another a socket is closed, in a third the server reads that.
 */
const lookAfter = <A>(millis: number, look: () => A): Effect.Effect<A> => {
  const seen = timers.setTimeout(millis).then(async () => {
    for (let turn = 0; turn < 10; turn++) await timers.setImmediate()
    return look()
  })
  return Effect.promise(() => seen)
}

const get = ({ url }: Server, options: Timeout.Options | number) =>
  Effect.flatMap(HttpClient.HttpClient, (client) => client.pipe(Resilience.withAttemptTimeout(options)).get(url))

/** Makes one attempt, sees that it is over and its connection closed soon after its limit and not before, and says how it ended. */
const attempt = <A, E>(
  { stats, url }: Server,
  options: { readonly limit: number; readonly covers?: "headers" | "body" },
  read: (response: Response) => Effect.Effect<A, E>
) =>
  Effect.gen(function*() {
    let [start, isOver] = [NaN, false]
    let look: Effect.Effect<unknown> = Effect.void
    const client = (yield* HttpClient.HttpClient).pipe(
      HttpClient.tapRequest(() =>
        Effect.sync(() => {
          start = performance.now()
          look = lookAfter(options.limit + grace, () => [isOver, stats.requests.every(({ closed }) => closed?.how === "aborted")])
        })
      ),
      Resilience.withAttemptTimeout(options)
    )
    const exit = yield* Effect.exit(Effect.flatMap(client.get(url), read))
    isOver = true
    // A timer counts whole ms.
    assert.isAtLeast(performance.now() - start, options.limit - 1)
    assert.deepStrictEqual(yield* look, [true, true])
    return exit
  })

/** Interrupts a fiber, and sees that it returns at once, and that nothing is open soon after. */
const interruptAtOnce = ({ stats }: Server, fiber: Fiber.RuntimeFiber<unknown, unknown>) =>
  Effect.gen(function*() {
    let isOver = false
    const look = lookAfter(grace, () => [isOver, stats.requests.at(-1)?.closed?.how])
    yield* Fiber.interrupt(fiber)
    isOver = true
    assert.deepStrictEqual(yield* look, [true, "aborted"])
  })

const stalled = Fault.status(200, {
  body: "a=1&b=2",
  headers: { "content-type": "application/x-www-form-urlencoded" },
  ending: { stallAfter: 3 }
})

/** On both sides of a limit of 40, and mostly near it. */
const delays = [...Array.from({ length: 40 }, (_, index) => 2 * index), ...Array.from({ length: 120 }, (_, index) => 35 + index % 8)]

onEachTransport((name, layer) => {
  it.live("an attempt without an answer fails at its limit, and its socket is closed", () =>
    leavesNothing(Effect.gen(function*() {
      const server = yield* serve(Fault.hang)
      const exit = yield* attempt(server, { limit: 100 }, Effect.succeed)
      assert.deepStrictEqual(exit, Exit.fail(new Timeout.AttemptTimeout({ limit: 100, phase: "headers" })))
      assert.lengthOf(server.stats.requests, 1)
    }).pipe(Effect.provide(layer()))))

  it.live("an attempt whose headers come byte by byte fails at its limit", () =>
    leavesNothing(Effect.gen(function*() {
      const server = yield* serveRaw(Fault.trickle(`HTTP/1.1 200 OK\r\nx: ${"a".repeat(2_000)}\r\n\r\n`, 1))
      const exit = yield* attempt(server, { limit: 60 }, Effect.succeed)
      assert.deepStrictEqual(exit, Exit.fail(new Timeout.AttemptTimeout({ limit: 60, phase: "headers" })))
    }).pipe(Effect.provide(layer()))))

  it.live("a body that stalls fails each of its readers at the limit, and its socket is closed", () =>
    leavesNothing(Effect.gen(function*() {
      const limit = 400
      // undici's request has no form reader at all: it fails before it reads.
      const able = readers.filter(([reader]) => name !== "undici" || reader !== "formData")
      yield* Effect.forEach(able, ([reader, read]) =>
        Effect.gen(function*() {
          const server = yield* serve(stalled)
          const exit = yield* attempt(server, { limit, covers: "body" }, read)
          const error: unknown = yield* Effect.flip(exit)
          const description = `no end of the body within ${limit}ms`
          assert.deepInclude(error, { _tag: "ResponseError", reason: "Decode", description }, reader)
          assert.deepStrictEqual((error as Error).cause, new Timeout.AttemptTimeout({ limit, phase: "body" }))
        }), { concurrency: "unbounded" })
    }).pipe(Effect.provide(layer()))))

  it.live("a body that is not asked for in time cannot be had any more, and its socket is closed", () =>
    leavesNothing(Effect.gen(function*() {
      const server = yield* serve(stalled)
      yield* Effect.forEach(readers, ([, read]) =>
        Effect.gen(function*() {
          const response = yield* get(server, { limit: 400, covers: "body" })
          yield* realTime(410)
          const error: unknown = yield* Effect.flip(read(response))
          assert.deepStrictEqual((error as Error).cause, new Timeout.AttemptTimeout({ limit: 400, phase: "body" }))
        }), { concurrency: "unbounded" })
      yield* eventually(() => server.stats.requests.every(({ closed }) => closed?.how === "aborted"))
    }).pipe(Effect.provide(layer({ connections: readers.length })))))

  it.live("a body is not limited where only the headers are", () =>
    leavesNothing(Effect.gen(function*() {
      const server = yield* serve((_, response) => {
        response.write("slow")
        setTimeout(() => response.end(" but whole"), 600)
      })
      const response = yield* get(server, 400)
      assert.strictEqual(yield* response.text, "slow but whole")
    }).pipe(Effect.provide(layer()))))

  it.live("what comes in time is as it would be without a limit", () =>
    leavesNothing(Effect.gen(function*() {
      const server = yield* serve((_, response) => {
        response.writeHead(201, { "content-type": "application/json", "x-is": "well", "set-cookie": "a=1" })
        response.write("{\"a\":")
        setTimeout(() => response.end("1}"), 5)
      })
      const response = yield* get(server, { limit: 2_000, covers: "body" })
      assert.deepStrictEqual([response.status, response.headers["x-is"]], [201, "well"])
      assert.strictEqual(response.request.url, server.url)
      assert.deepStrictEqual(Object.keys(response.cookies.cookies), ["a"])
      assert.deepStrictEqual(yield* response.json, { a: 1 })
      for (const [, read] of readers.filter(([reader]) => reader === "stream" || reader === "arrayBuffer")) {
        yield* Effect.flatMap(get(server, { limit: 2_000, covers: "body" }), read)
      }
      yield* eventually(() => server.stats.requests.every(({ closed }) => closed?.how === "finished"))
      assert.strictEqual(server.stats.connections, 1)
    }).pipe(Effect.provide(layer({ connections: 1 })))))

  it.live("an attempt that is late is made again, and its socket does not wait for that", () =>
    leavesNothing(Effect.gen(function*() {
      const server = yield* serve(Fault.inTurn(Fault.hang, Fault.hang, Fault.status(200, { body: "ok" })))
      const client = (yield* HttpClient.HttpClient).pipe(
        Resilience.withAttemptTimeout(100),
        Resilience.withRetry({ schedule: Schedule.spaced("1 millis") })
      )
      assert.strictEqual(yield* Effect.flatMap(client.get(server.url), (response) => response.text), "ok")
      const [first, second, third, ...rest] = server.stats.requests
      assert.lengthOf(rest, 0)
      assert.deepStrictEqual([first?.closed?.how, second?.closed?.how], ["aborted", "aborted"])
      assert.isBelow(first?.closed?.at ?? NaN, third?.at ?? NaN)
    }).pipe(Effect.provide(layer()))))

  it.live("whatever comes first, at the very edge, no response is lost on the way: the pool goes on", () =>
    leavesNothing(Effect.gen(function*() {
      const server = yield* serve((request, response) => {
        setTimeout(() => response.end("ok"), Number(request.url?.slice(1)))
      })
      yield* Effect.gen(function*() {
        const bare = yield* HttpClient.HttpClient
        const read = (delay: number) => (client: HttpClient.HttpClient.With<unknown>) =>
          Effect.exit(Effect.flatMap(client.get(`${server.url}${delay}`), (response) => response.text))
        const client = bare.pipe(Resilience.withAttemptTimeout({ limit: 40, covers: "body" }))
        const exits = yield* Effect.forEach(delays, (delay) => read(delay)(client), { concurrency: 12 })
        assert.isTrue(exits.some(Exit.isSuccess) && exits.some(Exit.isFailure))
        yield* eventually(() => server.stats.requests.every(({ closed }) => closed !== undefined))
        assert.deepStrictEqual(yield* read(0)(bare), Exit.succeed("ok"))
      }).pipe(Effect.provide(layer({ connections: 12 })))
    })))

  it.live("whoever is interrupted while an attempt is made returns at once, and the socket is closed", () =>
    leavesNothing(Effect.gen(function*() {
      const server = yield* serve(Fault.hang)
      const fiber = yield* Effect.fork(get(server, 10_000))
      yield* eventually(() => server.stats.requests.length === 1)
      yield* interruptAtOnce(server, fiber)
    }).pipe(Effect.provide(layer()))))

  it.live("whoever is interrupted while a body is read returns at once, and the socket is closed", () =>
    leavesNothing(Effect.gen(function*() {
      const server = yield* serve(stalled)
      for (const [, read] of readers.filter(([reader]) => reader === "text" || reader === "stream")) {
        const response = yield* get(server, { limit: 10_000, covers: "body" })
        const fiber = yield* Effect.fork(read(response))
        yield* realTime(5)
        yield* interruptAtOnce(server, fiber)
      }
    }).pipe(Effect.provide(layer()))))
})

describe("in virtual time", () => {
  const url = "http://users.test/1"
  const play = (steps: ReadonlyArray<HttpScript.Step>) => Effect.provide(HttpScript.layer(steps))

  it.effect("an answer in the tick of the limit is an answer", () =>
    Effect.gen(function*() {
      const client = (yield* HttpClient.HttpClient).pipe(Resilience.withAttemptTimeout("1 second"))
      const fiber = yield* Effect.fork(client.get(url))
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(fiber)).status, 200)
    }).pipe(play([{ status: 200, after: "1 second" }])))

  it.effect("the time of the headers and of the body is one time", () =>
    Effect.gen(function*() {
      const client = (yield* HttpClient.HttpClient).pipe(Resilience.withAttemptTimeout({ limit: "1 second", covers: "body" }))
      const read = Effect.flatMap(client.get(url), (response) => response.text)
      const fiber = yield* Effect.fork(Effect.exit(Effect.zip(read, Effect.exit(read))))
      yield* TestClock.adjust("1 hour")
      const exit = yield* Fiber.join(fiber)
      assert.isTrue(Exit.isSuccess(exit))
      if (!Exit.isSuccess(exit)) return
      assert.strictEqual(exit.value[0], "ab")
      assert.isTrue(Exit.isFailure(exit.value[1]))
      assert.deepStrictEqual((yield* HttpScript.released).map(({ at, how }) => [at, how]), [[900, "read"], [900 + 1000, "aborted"]])
    }).pipe(play([
      { status: 200, after: "500 millis", body: { chunks: ["a", "b"], every: "200 millis" } },
      { status: 200, after: "700 millis", body: { chunks: ["a", "b"], every: "200 millis" } }
    ])))
})
