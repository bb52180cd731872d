/**
 * A test of resilience: a scripted peer, virtual time, and the timeline as the assertion.
 *
 * `npx tsx docs/examples/test-with-script.ts` runs it as it stands. In a suite it is
 * `it.effect("waits for Retry-After, then succeeds", () => waitsForRetryAfter)` of `@effect/vitest`, which brings the test clock.
 */
import { HttpClient } from "@effect/platform"
import { Resilience } from "effect-resilience"
import { HttpScript, Recorder } from "effect-resilience/testing"
import { Effect, Fiber, Layer, Random, TestClock, TestContext } from "effect"
import assert from "node:assert"

/** What is tested: seven seconds are a long time for a test, and none at all on a clock that the test moves. */
const makeUsers = Effect.map(HttpClient.HttpClient, (client) =>
  client.pipe(
    Resilience.withAttemptTimeout("2 seconds"),
    Resilience.withRetry({ maxAttempts: 4 }),
    Resilience.withDeadline("10 seconds")
  ))

const waitsForRetryAfter = Effect.gen(function*() {
  const users = yield* makeUsers
  const recorder = yield* Recorder.Recorder

  const fiber = yield* Effect.fork(users.get("http://users.test/1"))
  yield* TestClock.adjust("10 seconds")
  const response = yield* Fiber.join(fiber)

  assert.strictEqual(response.status, 200)
  // When each request began, in ms: the peer hangs, is given up after 2 s, and then asks for 7 s.
  assert.deepStrictEqual(yield* HttpScript.timeline, [0, 2_050, 9_050])
  // The same from inside, with the reason of each wait.
  const timeline = Recorder.timeline(yield* recorder.events)
  assert.deepStrictEqual(timeline, [
    "0 attempt 1",
    "2000 failed timeout",
    "2000 wait 50 Backoff",
    "2050 attempt 2",
    "2050 failed 503",
    "2050 wait 7000 RetryAfter",
    "9050 attempt 3",
    "9050 succeeded"
  ])
  // Nothing that was not returned still holds a connection.
  assert.deepStrictEqual(yield* HttpScript.held, [3])
  return timeline
}).pipe(
  Effect.withRandom(Random.fixed([0.5])), // jitter of a known size
  Effect.provide(Layer.merge(
    HttpScript.layer(["hang", { status: 503, headers: { "retry-after": "7" } }, { status: 200 }]),
    Recorder.layer
  ))
)

const timeline = await waitsForRetryAfter.pipe(Effect.provide(TestContext.TestContext), Effect.runPromise)
console.log(timeline.join("\n"))
