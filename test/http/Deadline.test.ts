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
import * as Deadline from "../../src/http/Deadline.ts"
import * as Resilience from "../../src/policy/Resilience.ts"
import * as HttpScript from "../../src/testing/HttpScript.ts"
import * as Recorder from "../../src/testing/Recorder.ts"
import { eventually, realTime } from "../support/eventually.ts"
import * as Fault from "../support/faults.ts"
import { serve, type Server, settled } from "../support/server.ts"
import { onEachTransport } from "../support/transports.ts"

/** How long after its deadline a call may still go on, and its socket be open. In real ms. */
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

type Limited = HttpClient.HttpClient.With<unknown>
type Decorate = (client: HttpClient.HttpClient) => Limited

const call = <A, E>({ url }: Server, decorate: Decorate, read: (response: Response) => Effect.Effect<A, E>) =>
  Effect.flatMap(HttpClient.HttpClient, (client) => Effect.flatMap(decorate(client).get(url), read))

/** Makes a call, sees that it is over and its connection closed soon after its deadline and not before, and says what it fails with. */
const cutAt = <A, E, R>(limit: number, { stats }: Server, effect: Effect.Effect<A, E, R>): Effect.Effect<unknown, A, R> =>
  Effect.gen(function*() {
    const start = performance.now()
    let isOver = false
    const look = lookAfter(limit + grace, () => [isOver, stats.requests.every(({ closed }) => closed?.how === "aborted")])
    const error = yield* Effect.flip(effect)
    isOver = true
    // A timer counts whole ms.
    assert.isAtLeast(performance.now() - start, limit - 1)
    assert.deepStrictEqual(yield* look, [true, true])
    return error
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

/** The refusal that an error is or was made from, with the limit that held. */
const refusal = (error: unknown): unknown => {
  const found = error instanceof Error && "reason" in error && error.reason === "Decode" ? error.cause : error
  // By the platform's clock, which counts whole ms.
  return found instanceof Deadline.DeadlineExceeded ? Math.round(found.limit / 10) * 10 : found
}

const stalled = Fault.status(200, {
  body: "a=1&b=2",
  headers: { "content-type": "application/x-www-form-urlencoded" },
  ending: { stallAfter: 3 }
})

onEachTransport((name, layer) => {
  const test = (what: string, body: Effect.Effect<void, unknown, HttpClient.HttpClient | Scope.Scope>) =>
    it.live(what, () => leavesNothing(Effect.provide(body, layer({ connections: 4 }))))

  test("a call without an answer fails at its deadline, and its socket is closed", Effect.gen(function*() {
    const server = yield* serve(Fault.hang)
    const error = yield* cutAt(100, server, call(server, Resilience.withDeadline(100), Effect.succeed))
    assert.strictEqual(refusal(error), 100)
  }))

  test("attempts and waits end at the deadline together; no wait is begun that would outlive it", Effect.gen(function*() {
    const server = yield* serve(Fault.inTurn(Fault.status(503), Fault.hang))
    const recorder = yield* Recorder.make
    let isOver = false
    const look = lookAfter(300 + grace, () => [isOver, server.stats.requests.every(({ closed }) => closed !== undefined)])
    const decorate: Decorate = (client) =>
      client.pipe(
        Resilience.withAttemptTimeout("30 millis"),
        Resilience.withRetry({ schedule: Schedule.spaced("10 millis"), maxAttempts: 100 }),
        Resilience.withDeadline(300)
      )
    const error = yield* Effect.provide(Effect.flip(call(server, decorate, Effect.succeed)), recorder.layer)
    isOver = true
    assert.deepStrictEqual(yield* look, [true, true])
    const end = (yield* recorder.events).at(-1)
    assert.strictEqual(end?._tag, "CallEnded")
    if (end?._tag !== "CallEnded") return
    assert.isAtLeast(end.attempts, 3)
    // The last attempt is cut by the deadline, or its own limit came first and then the wait would have been in vain.
    if (refusal(error) === 300) assert.strictEqual(end.end._tag, "Interrupted")
    else assert.deepInclude(end.end, { _tag: "GaveUp", because: "DeadlineTooClose" })
  }))

  test("a wait that would outlive the deadline is not begun: the response comes back", Effect.gen(function*() {
    const server = yield* serve(Fault.status(503, { body: "busy" }))
    const decorate: Decorate = (client) =>
      client.pipe(Resilience.withRetry({ schedule: Schedule.spaced("1 hour") }), Resilience.withDeadline("1 minute"))
    assert.strictEqual(yield* call(server, decorate, (response) => response.text), "busy")
    assert.lengthOf(server.stats.requests, 1)
  }))

  test("each reader of a body that stalls fails at the deadline, and its socket is closed", Effect.gen(function*() {
    // undici's request has no form reader at all: it fails before it reads.
    const able = readers.filter(([reader]) => name !== "undici" || reader !== "formData")
    yield* Effect.forEach(able, ([reader, read]) =>
      Effect.gen(function*() {
        const server = yield* serve(stalled)
        const error = yield* cutAt(400, server, call(server, Resilience.withDeadline(400), read))
        assert.deepInclude(error, { _tag: "ResponseError", reason: "Decode" }, reader)
        assert.strictEqual(refusal(error), 400)
      }), { concurrency: "unbounded" })
  }))

  test("the time before the headers is taken from the body's", Effect.gen(function*() {
    const server = yield* serve((...args) => void setTimeout(() => stalled(...args), 150))
    const error = yield* cutAt(400, server, call(server, Resilience.withDeadline(400), (response) => response.text))
    assert.strictEqual(refusal(error), 400)
  }))

  test("of two deadlines the earlier holds, whichever is inside, for headers and for bodies read outside both", Effect.gen(function*() {
    const cases = [[400, 60_000], [60_000, 400]].flatMap(([inner = 0, outer = 0]) =>
      [Fault.hang, stalled].map((handler) => ({ handler, inner, outer }))
    )
    yield* Effect.forEach(cases, ({ handler, inner, outer }) =>
      Effect.gen(function*() {
        const server = yield* serve(handler)
        const decorate: Decorate = (client) => client.pipe(Resilience.withDeadline(inner), Resilience.withDeadline(outer))
        const error = yield* cutAt(400, server, call(server, decorate, (response) => response.text))
        assert.strictEqual(refusal(error), 400)
      }), { concurrency: "unbounded" })
  }))

  test("of a deadline round one call and one round many the earlier holds", Effect.gen(function*() {
    yield* Effect.forEach([[400, 60_000], [60_000, 400]], ([inner = 0, outer = 0]) =>
      Effect.gen(function*() {
        const server = yield* serve(stalled)
        const one = call(server, Resilience.withDeadline(inner), (response) => response.text)
        const error = yield* cutAt(400, server, Deadline.within(one, outer))
        assert.strictEqual(refusal(error), 400)
      }), { concurrency: "unbounded" })
  }))

  test("a body outlives no deadline that held when its response was asked for", Effect.gen(function*() {
    const server = yield* serve(stalled)
    const response = Deadline.within(call(server, Resilience.withDeadline(60_000), Effect.succeed), 400)
    const error = yield* cutAt(400, server, Effect.flatMap(response, ({ text }) => text))
    assert.strictEqual(refusal(error), 400)
  }))

  test("a call that begins after the deadline of its fiber sends nothing", Effect.gen(function*() {
    const server = yield* serve(Fault.status(200))
    const late = Effect.zipRight(Effect.uninterruptible(realTime(15)), call(server, Resilience.withDeadline(100), Effect.succeed))
    const exit = yield* Effect.exit(Deadline.within(late, 5))
    assert.isTrue(Exit.isFailure(exit))
    assert.lengthOf(server.stats.requests, 0)
  }))

  test("whoever is interrupted in a wait returns at once, and the response that was lost holds nothing", Effect.gen(function*() {
    const server = yield* serve(Fault.status(503, { body: 9, ending: { stallAfter: 4 } }))
    const fiber = yield* Effect.fork(call(
      server,
      (client) => client.pipe(Resilience.withRetry({ schedule: Schedule.spaced("10 seconds") }), Resilience.withDeadline("1 minute")),
      Effect.succeed
    ))
    yield* eventually(() => server.stats.requests.length === 1)
    yield* realTime(20)
    yield* interruptAtOnce(server, fiber)
  }))

  for (const [where, handler] of [["before the headers", Fault.hang], ["in the body", stalled]] as const) {
    test(`whoever is interrupted ${where} returns at once, and the socket is closed`, Effect.gen(function*() {
      const server = yield* serve(handler)
      const fiber = yield* Effect.fork(call(
        server,
        (client) => client.pipe(Resilience.withAttemptTimeout("1 minute"), Resilience.withRetry(), Resilience.withDeadline("1 minute")),
        (response) => response.text
      ))
      yield* eventually(() => server.stats.requests.length === 1)
      yield* realTime(20)
      yield* interruptAtOnce(server, fiber)
    }))
  }

  test("an interruption at any time leaves the pool whole", Effect.gen(function*() {
    const server = yield* serve((request, response, received) => {
      const answer = received.number % 3 === 0 ? Fault.status(200, { body: "ok" }) : Fault.status(503, { body: "busy" })
      setTimeout(() => answer(request, response, received), received.number % 4)
    })
    const client = (yield* HttpClient.HttpClient).pipe(
      Resilience.withAttemptTimeout("10 seconds"),
      Resilience.withRetry({ schedule: Schedule.spaced("1 millis"), maxAttempts: 100 }),
      Resilience.withDeadline("20 seconds")
    )
    const text = Effect.flatMap(client.get(server.url), (response) => response.text)
    yield* Effect.forEach(
      Array.from({ length: 120 }, (_, index) => index % 15),
      (delay) => Effect.flatMap(Effect.fork(text), (fiber) => Effect.zipRight(realTime(delay), Fiber.interrupt(fiber))),
      { concurrency: 4 }
    )
    yield* eventually(() => server.stats.requests.every(({ closed }) => closed !== undefined))
    assert.deepStrictEqual(yield* Effect.all([text, text, text, text], { concurrency: 4 }), ["ok", "ok", "ok", "ok"])
  }))

  it.live("when the layer closes nothing is open", () =>
    leavesNothing(Effect.gen(function*() {
      const server = yield* serve(Fault.inTurn(Fault.status(503), Fault.hang, Fault.status(200, { body: "ok" })))
      yield* Effect.provide(
        call(
          server,
          (client) =>
            client.pipe(
              Resilience.withAttemptTimeout("200 millis"),
              Resilience.withRetry({ schedule: Schedule.spaced("1 millis") }),
              Resilience.withDeadline("10 seconds")
            ),
          (response) => response.text
        ),
        layer()
      )
      yield* settled(server)
    })))
})

describe("in virtual time", () => {
  const url = "http://users.test/1"
  const play = (steps: ReadonlyArray<HttpScript.Step>) => Effect.provide(HttpScript.layer(steps, { atEnd: "repeatLast" }))

  it.effect("no attempt starts at the deadline or later, and none is missing before", () =>
    Effect.gen(function*() {
      const client = (yield* HttpClient.HttpClient).pipe(
        Resilience.withRetry({ schedule: Schedule.spaced("1 second"), maxAttempts: 100 }),
        Resilience.withDeadline("5 seconds")
      )
      const fiber = yield* Effect.fork(client.get(url))
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* Fiber.join(fiber)).status, 503)
      assert.deepStrictEqual(yield* HttpScript.timeline, [0, 1000, 2000, 3000, 4000])
    }).pipe(play([{ status: 503 }])))

  it.effect("an answer in the tick of the deadline is an answer", () =>
    Effect.gen(function*() {
      const client = (yield* HttpClient.HttpClient).pipe(Resilience.withDeadline("1 second"))
      const fiber = yield* Effect.fork(client.get(url))
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(fiber)).status, 200)
    }).pipe(play([{ status: 200, after: "1 second" }])))

  it.effect("what is left of it is seen by whatever a call does on its way", () =>
    Effect.gen(function*() {
      const seen: Array<unknown> = []
      const client = (yield* HttpClient.HttpClient).pipe(
        HttpClient.tapRequest(() => Effect.map(Deadline.remaining, (left) => seen.push(left))),
        Resilience.withRetry({ schedule: Schedule.spaced("1 second") }),
        Resilience.withDeadline("5 seconds")
      )
      const fiber = yield* Effect.fork(client.get(url))
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(fiber)
      assert.deepInclude(seen[0], { _tag: "Some", value: 5000 })
      assert.deepInclude(seen[1], { _tag: "Some", value: 4000 })
      assert.deepInclude(yield* Deadline.remaining, { _tag: "None" })
    }).pipe(play([{ status: 503 }, { status: 200 }])))
})
