/**
 * Tells the other side how long the answer is waited for, so that it does no work for nobody.
 *
 * Stand innermost with it, nearest to the wire: each attempt then says what is left when it is sent.
 *
 * @since 0.1.0
 */
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { InvalidOption } from "../core/InvalidOption.ts"
import * as TimeoutHeader from "../core/TimeoutHeader.ts"
import * as AttemptDeadline from "../strategy/AttemptDeadline.ts"
import * as Deadline from "../strategy/Deadline.ts"
import type * as Middleware from "./Middleware.ts"

/**
 * How the time is told.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** Default: "x-request-timeout-ms". */
  readonly encoding?: TimeoutHeader.Encoding | undefined
}

/**
 * Gives each request the time that it has left, in a header: until the deadline of its call, or the limit of its attempt where that is
 * earlier.
 *
 * **Details**
 *
 * A request of which neither is known passes as it is. A header of the same name that it carries already is replaced: one that was
 * copied from an incoming request says what was left when that was sent.
 *
 * **Example** (Two attempts of a call with a second)
 *
 * ```ts
 * import { HttpClient } from "@effect/platform"
 * import { Resilience } from "effect-resilience"
 * import { HttpScript } from "effect-resilience/testing"
 * import { Effect, Fiber, Schedule, TestClock, TestContext } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const client = (yield* HttpClient.HttpClient).pipe(
 *     Resilience.withDeadlineHeader(),
 *     Resilience.withAttemptTimeout("600 millis"),
 *     Resilience.withRetry({ schedule: Schedule.spaced("100 millis") }),
 *     Resilience.withDeadline("1 second")
 *   )
 *   const fiber = yield* Effect.fork(client.get("http://users.test/1"))
 *   yield* TestClock.adjust("1 second")
 *   yield* Fiber.join(fiber)
 *   return (yield* HttpScript.requests).map((request) => request.headers["x-request-timeout-ms"])
 * })
 *
 * const peer = HttpScript.layer([{ status: 503, after: "500 millis" }, { status: 200 }])
 *
 * await program.pipe(Effect.provide(peer), Effect.provide(TestContext.TestContext), Effect.runPromise) // => ["600", "400"]
 * ```
 *
 * @since 0.1.0
 * @category middleware
 */
export const middleware = (options: Options = {}): Middleware.Middleware => {
  const { encoding = "x-request-timeout-ms" } = options
  if (!TimeoutHeader.encodings.includes(encoding)) {
    const requirement = `one of ${TimeoutHeader.encodings.join(", ")}`
    throw new InvalidOption({ where: "DeadlineHeader", option: "encoding", value: encoding, requirement })
  }
  return (handler) => (request) =>
    Effect.withFiberRuntime((fiber) => {
      const ends = Math.min(until(Deadline.of(fiber)), until(AttemptDeadline.of(fiber)))
      if (ends === Infinity) return handler(request)
      const now = Context.get(fiber.currentDefaultServices, Clock.Clock).unsafeCurrentTimeMillis()
      return handler(HttpClientRequest.setHeader(request, encoding, TimeoutHeader.encode(ends - now, encoding)))
    })
}

const until = Option.getOrElse(() => Infinity)
