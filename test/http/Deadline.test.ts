import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import * as Deadline from "../../src/http/Deadline.ts"
import * as Resilience from "../../src/policy/Resilience.ts"
import * as HttpScript from "../../src/testing/HttpScript.ts"
import * as Recorder from "../../src/testing/Recorder.ts"
import { eventually, lookAfter, realTime } from "../support/eventually.ts"
import * as Fault from "../support/faults.ts"
import { leavesNothing } from "../support/held.ts"
import { readers } from "../support/readers.ts"
import { serve, type Server, settled } from "../support/server.ts"
import { onEachTransport } from "../support/transports.ts"

/** How long after its deadline a call may still go on, and its socket be open. In real ms. */
const grace = 50

type Response = HttpClientResponse.HttpClientResponse

type Limited = HttpClient.HttpClient.With<unknown>
type Decorate = (client: HttpClient.HttpClient) => Limited

/** Makes one call; `received` is told when its headers have come. */
const call = <A, E>(
  { url }: Server,
  decorate: Decorate,
  read: (response: Response) => Effect.Effect<A, E>,
  received: () => void = () => {}
) =>
  Effect.flatMap(HttpClient.HttpClient, (client) =>
    Effect.flatMap(decorate(client).get(url), (response) => {
      received()
      return read(response)
    }))

/**
 * Runs a call on the test's clock, so that no real delay can use its time up: waits until it has come as far as it will, lets the deadline
 * pass, and sees that it ends then and not 1 ms before, and that its connection is closed soon after.
 */
const cutAt = <A, E, R>(limit: number, { stats }: Server, comesSoFar: () => boolean, effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.fork(Effect.flip(effect))
    const look = yield* Effect.fork(Effect.zipRight(
      Effect.sleep(limit),
      Effect.suspend(() => lookAfter(grace, () => [fiber.unsafePoll() !== null, stats.requests.at(-1)?.closed?.how]))
    ))
    yield* eventually(comesSoFar)
    yield* TestClock.adjust(limit - 1)
    assert.isNull(fiber.unsafePoll())
    yield* TestClock.adjust(1)
    assert.deepStrictEqual(yield* Fiber.join(look), [true, "aborted"])
    return (yield* Fiber.join(fiber)) as unknown
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

/** The limit of the refusal that an error is or was made from. */
const limitIn = (error: unknown): number | undefined => {
  const found = error instanceof Error && "reason" in error && error.reason === "Decode" ? error.cause : error
  return found instanceof Deadline.DeadlineExceeded ? found.limit : undefined
}

const stalled = Fault.status(200, {
  body: "a=1&b=2",
  headers: { "content-type": "application/x-www-form-urlencoded" },
  ending: { stallAfter: 3 }
})

onEachTransport((name, layer) => {
  type Body = Effect.Effect<void, unknown, HttpClient.HttpClient | Scope.Scope>
  const test = (what: string, body: Body) => it.live(what, () => leavesNothing(Effect.provide(body, layer({ connections: 4 }))))
  const testVirtual = (what: string, body: Body) => it.effect(what, () => leavesNothing(Effect.provide(body, layer({ connections: 4 }))))

  test("a call without an answer fails at its deadline, and its socket is closed", Effect.gen(function*() {
    const limit = 400
    const server = yield* serve(Fault.hang)
    const start = performance.now()
    let isOver = false
    const look = lookAfter(limit + grace, () => [isOver, server.stats.requests.every(({ closed }) => closed?.how === "aborted")])
    const error = yield* Effect.flip(call(server, Resilience.withDeadline(limit), Effect.succeed))
    isOver = true
    assert.strictEqual(limitIn(error), limit)
    // A timer counts whole ms.
    assert.isAtLeast(performance.now() - start, limit - 1)
    assert.deepStrictEqual(yield* look, [true, true])
  }))

  test("attempts and waits end at the deadline together; no wait is begun that would outlive it", Effect.gen(function*() {
    const limit = 300
    const server = yield* serve(Fault.inTurn(Fault.status(503), Fault.hang))
    const recorder = yield* Recorder.make
    let isOver = false
    const look = lookAfter(limit + grace, () => [isOver, server.stats.requests.every(({ closed }) => closed !== undefined)])
    const decorate: Decorate = (client) =>
      client.pipe(
        Resilience.withAttemptTimeout("30 millis"),
        Resilience.withRetry({ schedule: Schedule.spaced("10 millis"), maxAttempts: 100 }),
        Resilience.withDeadline(limit)
      )
    const error = yield* Effect.provide(Effect.flip(call(server, decorate, Effect.succeed)), recorder.layer)
    isOver = true
    assert.deepStrictEqual(yield* look, [true, true])
    const end = (yield* recorder.events).at(-1)
    assert.strictEqual(end?._tag, "CallEnded")
    if (end?._tag !== "CallEnded") return
    // The last attempt is cut by the deadline, or its own limit came first and then the wait would have been in vain.
    if (limitIn(error) === limit) assert.strictEqual(end.end._tag, "Interrupted")
    else assert.deepInclude(end.end, { _tag: "GaveUp", because: "DeadlineTooClose" })
  }))

  test("a wait that would outlive the deadline is not begun: the response comes back", Effect.gen(function*() {
    const server = yield* serve(Fault.status(503, { body: "busy" }))
    const decorate: Decorate = (client) =>
      client.pipe(Resilience.withRetry({ schedule: Schedule.spaced("1 hour") }), Resilience.withDeadline("1 minute"))
    assert.strictEqual(yield* call(server, decorate, (response) => response.text), "busy")
    assert.lengthOf(server.stats.requests, 1)
  }))

  for (const [reader, read] of readers) {
    // undici's request has no form reader at all: it fails before it reads.
    if (name === "undici" && reader === "formData") continue
    testVirtual(`${reader} of a body that stalls fails at the deadline, and its socket is closed`, Effect.gen(function*() {
      const server = yield* serve(stalled)
      let hasHeaders = false
      const one = call(server, Resilience.withDeadline(1_000), read, () => (hasHeaders = true))
      const error = yield* cutAt(1_000, server, () => hasHeaders, one)
      assert.deepInclude(error, { _tag: "ResponseError", reason: "Decode" })
      assert.strictEqual(limitIn(error), 1_000)
    }))
  }

  testVirtual("the time before the headers is taken from the body's", Effect.gen(function*() {
    let answer = () => {}
    const server = yield* serve((...args) => {
      answer = () => stalled(...args)
    })
    let hasHeaders = false
    const fiber = yield* Effect.fork(call(server, Resilience.withDeadline(1_000), (response) => response.text, () => (hasHeaders = true)))
    yield* eventually(() => server.stats.requests.length === 1)
    yield* TestClock.adjust(700)
    answer()
    const error = yield* cutAt(300, server, () => hasHeaders, Fiber.join(fiber))
    assert.strictEqual(limitIn(error), 1_000)
  }))

  const nested: ReadonlyArray<readonly [inner: number, outer: number]> = [[1_000, 60_000], [60_000, 1_000]]
  for (const [inner, outer] of nested) {
    const decorate: Decorate = (client) => client.pipe(Resilience.withDeadline(inner), Resilience.withDeadline(outer))

    testVirtual(`of ${inner} ms within ${outer} ms the earlier holds, for the headers`, Effect.gen(function*() {
      const server = yield* serve(Fault.hang)
      const one = call(server, decorate, Effect.succeed)
      assert.strictEqual(limitIn(yield* cutAt(1_000, server, () => server.stats.requests.length === 1, one)), 1_000)
    }))

    testVirtual(`of ${inner} ms within ${outer} ms the earlier holds, for the body, though it is read outside both`, Effect.gen(function*() {
      const server = yield* serve(stalled)
      let hasHeaders = false
      const one = call(server, decorate, (response) => response.text, () => (hasHeaders = true))
      assert.strictEqual(limitIn(yield* cutAt(1_000, server, () => hasHeaders, one)), 1_000)
    }))

    testVirtual(`of ${inner} ms round one call and ${outer} ms round many the earlier holds`, Effect.gen(function*() {
      const server = yield* serve(stalled)
      let hasHeaders = false
      const one = call(server, Resilience.withDeadline(inner), (response) => response.text, () => (hasHeaders = true))
      assert.strictEqual(limitIn(yield* cutAt(1_000, server, () => hasHeaders, Deadline.within(one, outer))), 1_000)
    }))
  }

  testVirtual("a body outlives no deadline that held when its response was asked for", Effect.gen(function*() {
    const server = yield* serve(stalled)
    let hasHeaders = false
    const response = Deadline.within(call(server, Resilience.withDeadline(60_000), Effect.succeed, () => (hasHeaders = true)), 1_000)
    const error = yield* cutAt(1_000, server, () => hasHeaders, Effect.flatMap(response, ({ text }) => text))
    assert.strictEqual(limitIn(error), 1_000)
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
