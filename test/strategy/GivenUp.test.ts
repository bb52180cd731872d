import { it } from "@effect/vitest"
import { Cause, Data, Effect, Exit, Fiber, TestClock } from "effect"
import { assert, describe } from "vitest"
import * as Backoff from "../../src/core/Backoff.ts"
import * as Classifier from "../../src/core/Classifier.ts"
import type { Event } from "../../src/core/Event.ts"
import * as Resilience from "../../src/policy/Resilience.ts"
import * as ResilientClient from "../../src/policy/ResilientClient.ts"
import * as Observer from "../../src/strategy/Observer.ts"
import * as Retry from "../../src/strategy/Retry.ts"
import * as RetrySchedule from "../../src/strategy/RetrySchedule.ts"
import * as HttpClient from "@effect/platform/HttpClient"
import * as DropIn from "../../src/http/DropIn.ts"
import * as Middleware from "../../src/http/Middleware.ts"
import * as HttpScript from "../../src/testing/HttpScript.ts"

const three = {
  classifier: Classifier.anyError,
  schedule: RetrySchedule.fromBackoff(Backoff.constant("1 second")),
  maxAttempts: 3
}

class Wrapping extends Data.TaggedError("Wrapping")<{ readonly cause: unknown }> {}

/** How many times an effect is run when all the time it could want has passed, and what came out. */
const counted = <E>(make: (attempt: Effect.Effect<never, Error>) => Effect.Effect<unknown, E>) =>
  Effect.gen(function*() {
    let runs = 0
    const attempt = Effect.suspend(() => Effect.fail(new Error(`failure ${++runs}`)))
    const fiber = yield* Effect.fork(make(attempt))
    yield* TestClock.adjust("1 hour")
    return { runs, exit: yield* Fiber.await(fiber) }
  })

describe("a retry inside of a retry", () => {
  const table: ReadonlyArray<readonly [string, (attempt: Effect.Effect<never, Error>) => Effect.Effect<unknown, unknown>, runs: number]> = [
    ["is not begun again", (attempt) => attempt.pipe(Retry.retry(three), Retry.retry(three)), 3],
    ["is not begun again, however deep", (attempt) => attempt.pipe(Retry.retry(three), Retry.retry(three), Retry.retry(three)), 3],
    ["is begun again where that is asked for by name", (attempt) =>
      attempt.pipe(Retry.retry(three), Retry.retry({ ...three, givenUp: "recklessly" })), 9],
    ["is seen through an error that says its cause", (attempt) =>
      attempt.pipe(Retry.retry(three), Effect.mapError((cause) => new Wrapping({ cause: new Wrapping({ cause }) })), Retry.retry(three)), 3],
    ["is another failure once it is mapped to an error without a cause", (attempt) =>
      attempt.pipe(Retry.retry(three), Effect.mapError(() => new Error("mapped")), Retry.retry(three)), 9],
    ["is seen through RetriesExhausted", (attempt) => attempt.pipe(Retry.retryOrFail(three), Retry.retry(three)), 3],
    ["is seen where the error is no object", (attempt) =>
      attempt.pipe(Effect.mapError(() => "text"), Retry.retry(three), Retry.retry(three)), 3],
    ["is seen from another fiber", (attempt) =>
      Effect.flatten(Effect.flatMap(Effect.fork(Retry.retry(attempt, three)), Fiber.await)).pipe(Retry.retry(three)), 3],
    ["that allows one attempt is as if it were not there", (attempt) =>
      attempt.pipe(Retry.retry({ ...three, maxAttempts: 1 }), Retry.retry(three)), 3],
    ["whose schedule allows none is as if it were not there", (attempt) =>
      attempt.pipe(Retry.retry({ ...three, schedule: RetrySchedule.none }), Retry.retry(three)), 3],
    ["that handed a terminal failure on gave nothing up", (attempt) =>
      attempt.pipe(Retry.retry({ classifier: Classifier.errors }), Retry.retry(three)), 3]
  ]
  for (const [name, make, expected] of table) {
    it.effect(name, () =>
      Effect.gen(function*() {
        const { exit, runs } = yield* counted(make)
        assert.strictEqual(runs, expected)
        assert.isTrue(Exit.isFailure(exit))
      }))
  }

  it.effect("whose failure was made up for is no reason not to try another one again", () =>
    Effect.gen(function*() {
      const { runs } = yield* counted((attempt) =>
        attempt.pipe(
          Retry.retry(three),
          Effect.catchAll(() => Effect.fail(new Error("of the second source"))),
          Retry.retry({ ...three, maxAttempts: 2 })
        )
      )
      assert.strictEqual(runs, 6)
    }))

  it.effect("does not forbid a failure of the same value that came before or comes after", () =>
    Effect.gen(function*() {
      const shared = new Error("a constant")
      let runs = 0
      const attempt = Effect.suspend(() => {
        runs += 1
        return Effect.fail(shared)
      })
      const inner = yield* Effect.fork(Retry.retry(attempt, three))
      yield* TestClock.adjust("1 hour")
      yield* Fiber.await(inner)
      runs = 0
      const fiber = yield* Effect.fork(Retry.retry(attempt, three))
      yield* TestClock.adjust("1 hour")
      const exit = yield* Fiber.await(fiber)
      assert.strictEqual(runs, 3)
      assert.isTrue(Exit.isFailure(exit) && Cause.failures(exit.cause).pipe((all) => Array.from(all)[0] === shared))
    }))

  it.effect("tells both calls, and the outer one why it ended", () =>
    Effect.gen(function*() {
      const events: Array<Event> = []
      yield* counted((attempt) =>
        attempt.pipe(
          Retry.retry({ ...three, name: "in" }),
          Retry.retry({ ...three, name: "out" }),
          Observer.observe(Observer.sync((event) => void events.push(event)))
        )
      )
      const told = events.flatMap((event) =>
        event._tag === "CallEnded" && event.end._tag === "GaveUp" ? [[event.call.name, event.attempts, event.end.because]] : []
      )
      assert.deepStrictEqual(told, [["in", 3, "AttemptsExhausted"], ["out", 1, "Terminal"]])
    }))
})

describe("a resilient client inside of a resilient client", () => {
  const answers: ReadonlyArray<readonly [string, HttpScript.Answer]> = [
    ["a response", { status: 503 }],
    ["an error", { fails: "ECONNREFUSED" }]
  ]
  for (const [name, answer] of answers) {
    it.effect(`sends three requests and not nine: ${name}`, () =>
      Effect.gen(function*() {
        const script = yield* HttpScript.make([answer], { atEnd: "repeatLast" })
        const inner = Middleware.applyTo(script.client, yield* ResilientClient.middleware({ deadline: "1 minute" }))
        const outer = inner.pipe(DropIn.fold, HttpClient.filterStatusOk, Middleware.applyTo(yield* ResilientClient.middleware({ deadline: "2 minutes" })))
        const fiber = yield* Effect.fork(outer.get("http://users.test/1").pipe(Retry.retry(three)))
        yield* TestClock.adjust("10 minutes")
        assert.isTrue(Exit.isFailure(yield* Fiber.await(fiber)))
        assert.lengthOf(yield* script.requests, 3)
      }))
  }

  it.effect("sends three requests, the response wrapped by a deadline between them", () =>
    Effect.gen(function*() {
      const script = yield* HttpScript.make([{ status: 503 }], { atEnd: "repeatLast" })
      const client = script.client.pipe(
        Resilience.withRetry(), Resilience.withDeadline("1 minute"), Resilience.withRetry(), Resilience.withDeadline("2 minutes")
      )
      const fiber = yield* Effect.fork(client.get("http://users.test/1"))
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual((yield* Fiber.join(fiber)).status, 503)
      assert.lengthOf(yield* script.requests, 3)
    }))
})
