import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as TestClock from "effect/TestClock"
import * as Timeout from "../../src/http/Timeout.ts"
import * as Resilience from "../../src/policy/Resilience.ts"
import * as HttpScript from "../../src/testing/HttpScript.ts"
import { eventually, lookAfter, realTime } from "../support/eventually.ts"
import * as Fault from "../support/faults.ts"
import { leavesNothing } from "../support/held.ts"
import { readers } from "../support/readers.ts"
import { serve, serveRaw, type Server } from "../support/server.ts"
import { onEachTransport } from "../support/transports.ts"

/** How long after a limit an attempt may still go on, and its socket be open. In real ms. */
const grace = 50

type Response = HttpClientResponse.HttpClientResponse

/** Makes one attempt; `received` is told when its headers have come. */
const attempt = <A, E>(
  { url }: Server,
  options: Timeout.Options | number,
  read: (response: Response) => Effect.Effect<A, E>,
  received: () => void = () => {}
) =>
  Effect.flatMap(HttpClient.HttpClient, (client) =>
    Effect.flatMap(client.pipe(Resilience.withAttemptTimeout(options)).get(url), (response) => {
      received()
      return read(response)
    }))

/**
 * Runs an attempt on the test's clock, so that no real delay can use its limit up: waits until it has come as far as it will, lets the limit
 * pass, and sees that it ends then and not 1 ms before, and that its connection is closed soon after.
 */
const cutAt = <A, E, R>(limit: number, { stats }: Server, comesSoFar: () => boolean, effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.fork(Effect.flip(effect))
    const look = yield* Effect.fork(Effect.zipRight(
      Effect.sleep(limit),
      Effect.suspend(() => lookAfter(grace, () => [fiber.unsafePoll() !== null, stats.open, stats.requests.at(-1)?.closed?.how]))
    ))
    yield* eventually(comesSoFar)
    yield* TestClock.adjust(limit - 1)
    assert.isNull(fiber.unsafePoll())
    yield* TestClock.adjust(1)
    const [isOver, open, how] = yield* Fiber.join(look)
    assert.isTrue(isOver)
    // A raw server knows no requests; undici dials again after an abort.
    assert.isTrue(how === "aborted" || stats.requests.length === 0 && Number(open) <= 1)
    return yield* Fiber.join(fiber)
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

onEachTransport((name, layer) => {
  it.live("an attempt without an answer fails at its limit, and its socket is closed", () =>
    leavesNothing(Effect.gen(function*() {
      const limit = 400
      const server = yield* serve(Fault.hang)
      const start = performance.now()
      let isOver = false
      const look = lookAfter(limit + grace, () => [isOver, server.stats.requests.every(({ closed }) => closed?.how === "aborted")])
      const exit = yield* Effect.exit(attempt(server, limit, Effect.succeed))
      isOver = true
      assert.deepStrictEqual(exit, Exit.fail(new Timeout.AttemptTimeout({ limit, phase: "headers" })))
      // A timer counts whole ms.
      assert.isAtLeast(performance.now() - start, limit - 1)
      assert.deepStrictEqual(yield* look, [true, true])
    }).pipe(Effect.provide(layer()))))

  it.effect("an attempt without an answer fails at its limit and not before, and its socket is closed", () =>
    leavesNothing(Effect.gen(function*() {
      const server = yield* serve(Fault.hang)
      const error = yield* cutAt(1_000, server, () => server.stats.requests.length === 1, attempt(server, 1_000, Effect.succeed))
      assert.deepStrictEqual(error, new Timeout.AttemptTimeout({ limit: 1_000, phase: "headers" }))
    }).pipe(Effect.provide(layer()))))

  it.effect("an attempt whose headers come byte by byte fails at its limit", () =>
    leavesNothing(Effect.gen(function*() {
      const server = yield* serveRaw(Fault.trickle(`HTTP/1.1 200 OK\r\nx: ${"a".repeat(20_000)}\r\n\r\n`, 1))
      const error = yield* cutAt(1_000, server, () => server.stats.open === 1, attempt(server, 1_000, Effect.succeed))
      assert.deepStrictEqual(error, new Timeout.AttemptTimeout({ limit: 1_000, phase: "headers" }))
    }).pipe(Effect.provide(layer()))))

  for (const [reader, read] of readers) {
    // undici's request has no form reader at all: it fails before it reads.
    if (name === "undici" && reader === "formData") continue
    it.effect(`a body that stalls fails ${reader} at the limit, and its socket is closed`, () =>
      leavesNothing(Effect.gen(function*() {
        const server = yield* serve(stalled)
        let hasHeaders = false
        const one = attempt(server, { limit: 1_000, covers: "body" }, read, () => (hasHeaders = true))
        const error: unknown = yield* cutAt(1_000, server, () => hasHeaders, one)
        assert.deepInclude(error, { _tag: "ResponseError", reason: "Decode", description: "no end of the body within 1000ms" })
        assert.deepStrictEqual((error as Error).cause, new Timeout.AttemptTimeout({ limit: 1_000, phase: "body" }))
      }).pipe(Effect.provide(layer()))))
  }

  it.effect("a body that is not asked for in time cannot be had any more, and its socket is closed", () =>
    leavesNothing(Effect.gen(function*() {
      const server = yield* serve(stalled)
      for (const [reader, read] of readers) {
        const response = yield* attempt(server, { limit: 1_000, covers: "body" }, Effect.succeed)
        yield* TestClock.adjust(1_000)
        const error: unknown = yield* Effect.flip(read(response))
        assert.deepStrictEqual((error as Error).cause, new Timeout.AttemptTimeout({ limit: 1_000, phase: "body" }), reader)
      }
      yield* eventually(() => server.stats.requests.every(({ closed }) => closed?.how === "aborted"))
    }).pipe(Effect.provide(layer()))))

  it.effect("a body is not limited where only the headers are", () =>
    leavesNothing(Effect.gen(function*() {
      let finish = () => {}
      const server = yield* serve((_, response) => {
        response.write("slow")
        finish = () => void response.end(" but whole")
      })
      const response = yield* attempt(server, 1_000, Effect.succeed)
      const fiber = yield* Effect.fork(response.text)
      yield* TestClock.adjust("1 hour")
      finish()
      assert.strictEqual(yield* Fiber.join(fiber), "slow but whole")
    }).pipe(Effect.provide(layer()))))

  it.live("what comes in time is as it would be without a limit", () =>
    leavesNothing(Effect.gen(function*() {
      const server = yield* serve((_, response) => {
        response.writeHead(201, { "content-type": "application/json", "x-is": "well", "set-cookie": "a=1" })
        response.write("{\"a\":")
        setTimeout(() => response.end("1}"), 5)
      })
      const limited = <A, E>(read: (response: Response) => Effect.Effect<A, E>) =>
        attempt(server, { limit: 10_000, covers: "body" }, read)
      const response = yield* limited(Effect.succeed)
      assert.deepStrictEqual([response.status, response.headers["x-is"]], [201, "well"])
      assert.strictEqual(response.request.url, server.url)
      assert.deepStrictEqual(Object.keys(response.cookies.cookies), ["a"])
      assert.deepStrictEqual(yield* response.json, { a: 1 })
      for (const [, read] of readers.filter(([reader]) => reader === "stream" || reader === "arrayBuffer")) yield* limited(read)
      yield* eventually(() => server.stats.requests.every(({ closed }) => closed?.how === "finished"))
      assert.strictEqual(server.stats.connections, 1)
    }).pipe(Effect.provide(layer({ connections: 1 })))))

  it.effect("an attempt that is late is made again, and its socket does not wait for that", () =>
    leavesNothing(Effect.gen(function*() {
      const server = yield* serve(Fault.inTurn(Fault.hang, Fault.hang, Fault.status(200, { body: "ok" })))
      const { requests } = server.stats
      const client = (yield* HttpClient.HttpClient).pipe(
        Resilience.withAttemptTimeout("1 second"),
        Resilience.withRetry({ schedule: Schedule.spaced("1 hour") })
      )
      const fiber = yield* Effect.fork(Effect.flatMap(client.get(server.url), (response) => response.text))
      for (const number of [1, 2]) {
        yield* eventually(() => requests.length === number)
        yield* TestClock.adjust("1 second")
        yield* eventually(() => requests.at(-1)?.closed?.how === "aborted")
        assert.lengthOf(requests, number)
        yield* TestClock.adjust("1 hour")
      }
      assert.strictEqual(yield* Fiber.join(fiber), "ok")
    }).pipe(Effect.provide(layer()))))

  it.effect("whatever comes first, at the very edge, no response is lost on the way: the pool goes on", () =>
    leavesNothing(Effect.gen(function*() {
      let answer = () => {}
      const server = yield* serve((_, response) => {
        answer = () => void response.end("ok")
      })
      const { requests } = server.stats
      // After how many real ms the answer comes: a limit on the test's clock takes some 5 to pass. "early" is before that, and "never" is never.
      const delays = [...Array.from({ length: 80 }, (_, index) => index % 10), "early", "never"] as const
      for (const [index, delay] of delays.entries()) {
        const fiber = yield* Effect.fork(attempt(server, { limit: 1_000, covers: "body" }, (response) => response.text))
        yield* eventually(() => requests.length === index + 1)
        if (delay === "early") {
          answer()
          yield* Fiber.await(fiber)
        }
        const passing = yield* Effect.fork(TestClock.adjust(1_000))
        if (typeof delay === "number") yield* Effect.zipRight(realTime(delay), Effect.sync(answer))
        yield* Fiber.join(passing)
        const exit = yield* Fiber.await(fiber)
        if (typeof delay === "string") assert.strictEqual(Exit.isSuccess(exit), delay === "early")
        answer()
      }
      yield* eventually(() => requests.every(({ closed }) => closed !== undefined))
    }).pipe(Effect.provide(layer()))))

  it.live("whoever is interrupted while an attempt is made returns at once, and the socket is closed", () =>
    leavesNothing(Effect.gen(function*() {
      const server = yield* serve(Fault.hang)
      const fiber = yield* Effect.fork(attempt(server, 10_000, Effect.succeed))
      yield* eventually(() => server.stats.requests.length === 1)
      yield* interruptAtOnce(server, fiber)
    }).pipe(Effect.provide(layer()))))

  it.live("whoever is interrupted while a body is read returns at once, and the socket is closed", () =>
    leavesNothing(Effect.gen(function*() {
      const server = yield* serve(stalled)
      for (const [, read] of readers.filter(([reader]) => reader === "text" || reader === "stream")) {
        const response = yield* attempt(server, { limit: 10_000, covers: "body" }, Effect.succeed)
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
