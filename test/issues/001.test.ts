/**
 * A response was held for ever where a call ended between two attempts: while the schedule was asked, a listener told, or by a defect of
 * the classifier. Nobody had it, and nobody had let go of it; over node:http not even the garbage collector does.
 */
import * as HttpClient from "@effect/platform/HttpClient"
import { assert, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as TestClock from "effect/TestClock"
import * as Classifier from "../../src/core/Classifier.ts"
import type * as Retry from "../../src/http/Retry.ts"
import * as Resilience from "../../src/policy/Resilience.ts"
import * as Observer from "../../src/strategy/Observer.ts"
import * as HttpScript from "../../src/testing/HttpScript.ts"
import { eventually } from "../support/eventually.ts"
import * as Fault from "../support/faults.ts"
import { serve } from "../support/server.ts"
import { onEachTransport } from "../support/transports.ts"

const get = (url: string, retry: Retry.Options, filter = false) =>
  Effect.flatMap(HttpClient.HttpClient, (client) =>
    (filter ? HttpClient.filterStatusOk(client) : client).pipe(Resilience.withRetry(retry)).get(url))

/** A listener that never has done with one kind of event. */
const stuckAt = (tag: "AttemptEnded" | "WaitStarted") =>
  Observer.observe(Observer.make((event) => (event._tag === tag ? Effect.never : Effect.void)))

const asking = Schedule.recurs(1).pipe(Schedule.modifyDelayEffect(() => Effect.never))
const dying = Schedule.recurs(1).pipe(Schedule.modifyDelayEffect(() => Effect.die("mine")))

const url = "http://users.test/1"
const busy = HttpScript.layer([{ status: 503, body: "busy" }], { atEnd: "repeatLast" })

const interrupted: ReadonlyArray<readonly [what: string, call: Effect.Effect<unknown, unknown, HttpClient.HttpClient>]> = [
  ["the schedule is asked", get(url, { schedule: asking })],
  ["the schedule is asked about an error that holds a response", get(url, { schedule: asking }, true)],
  ["a listener is told of the attempt", stuckAt("AttemptEnded")(get(url, { schedule: Schedule.forever }))],
  ["a listener is told of an attempt that nothing follows", stuckAt("AttemptEnded")(get(url, { maxAttempts: 1 }))],
  ["a listener is told of the wait", stuckAt("WaitStarted")(get(url, { schedule: Schedule.forever }))]
]
for (const [what, call] of interrupted) {
  it.effect(`a response is let go where the call is interrupted while ${what}`, () =>
    Effect.gen(function*() {
      const fiber = yield* Effect.fork(call)
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* HttpScript.held, [1])
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(yield* HttpScript.held, [])
    }).pipe(Effect.provide(busy)))
}

it.effect("a response is let go where the schedule dies", () =>
  Effect.gen(function*() {
    const exit = yield* Effect.exit(get(url, { schedule: dying }))
    assert.deepStrictEqual(exit, Exit.die("mine"))
    assert.deepStrictEqual(yield* HttpScript.held, [])
  }).pipe(Effect.provide(busy)))

it.effect("a response is let go where the classifier dies, and the defect is the same value", () =>
  Effect.gen(function*() {
    const mine = new Error("mine")
    const classifier = Classifier.make("mine", () => {
      throw mine
    })
    for (const filter of [false, true]) {
      const exit = yield* Effect.exit(get(url, { classifier }, filter))
      assert.isTrue(Exit.isFailure(exit) && Option.contains(Cause.dieOption(exit.cause), mine))
    }
    const script = yield* HttpScript.HttpScript
    yield* Effect.repeat(script.held, { until: (held) => held.length === 0, times: 100 })
    assert.deepStrictEqual(yield* script.held, [])
    assert.lengthOf(yield* script.requests, 2)
  }).pipe(Effect.provide(busy)))

onEachTransport((_, layer) => {
  it.scopedLive("a pool of 2 outlives 10 calls that are interrupted while the schedule is asked", () =>
    Effect.gen(function*() {
      const server = yield* serve((request, response, received) =>
        (received.number <= 10 ? Fault.status(503, { body: 100_000 }) : Fault.status(200))(request, response, received)
      )
      for (let made = 1; made <= 10; made++) {
        const fiber = yield* Effect.fork(get(server.url, { schedule: asking }))
        yield* eventually(() => server.stats.requests.length === made && server.stats.requests.at(-1)?.closed !== undefined)
        yield* Effect.yieldNow()
        yield* Fiber.interrupt(fiber)
      }
      assert.strictEqual((yield* get(server.url, {})).status, 200)
    }).pipe(Effect.provide(layer())))
})
