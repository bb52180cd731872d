/**
 * Tells the other side which attempt a request is, so that an overloaded server can turn resends away first.
 *
 * Stand innermost with it, above the retry.
 *
 * @since 0.1.0
 */
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Effect from "effect/Effect"
import { integerIn } from "../core/InvalidOption.ts"
import * as ResendHeader from "../core/ResendHeader.ts"
import { want } from "../strategy/CurrentAttempt.ts"
import type * as Middleware from "./Middleware.ts"
import * as Resend from "./Resend.ts"

/**
 * What is told.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * Writes `amz-sdk-request: attempt=2; max=3` as well, on each attempt: from 1, and the number that the retry is given. Default: it is
   * not written.
   */
  readonly amzSdkRequest?: { readonly maxAttempts: number } | undefined
}

/**
 * Writes the number of the attempt, counted from 1, into `x-retry-attempt` of each resend. A first attempt does not have the header.
 *
 * **Gotchas**
 *
 * A header of this name that a request carries already is replaced, on a first attempt by "1": one that was copied from an incoming
 * request counts the attempts of another call.
 *
 * **Example** (Three attempts)
 *
 * ```ts
 * import { HttpClient } from "@effect/platform"
 * import { Resilience } from "effect-resilience"
 * import { HttpScript } from "effect-resilience/testing"
 * import { Effect, Schedule } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const client = (yield* HttpClient.HttpClient).pipe(
 *     Resilience.withAttemptHeader(),
 *     Resilience.withRetry({ schedule: Schedule.spaced("1 millis") })
 *   )
 *   yield* client.get("http://users.test/1")
 *   return (yield* HttpScript.requests).map((request) => request.headers["x-retry-attempt"])
 * })
 *
 * const peer = HttpScript.layer([{ status: 503 }, { status: 503 }, { status: 200 }])
 *
 * await program.pipe(Effect.provide(peer), Effect.runPromise) // => [undefined, "2", "3"]
 * ```
 *
 * @since 0.1.0
 * @category middleware
 */
export const middleware = (options: Options = {}): Middleware.Middleware => {
  const max = options.amzSdkRequest === undefined
    ? undefined
    : integerIn("AttemptHeader", "maxAttempts", options.amzSdkRequest.maxAttempts, { min: 1 })
  want()
  return (handler) => (request) =>
    Effect.withFiberRuntime((fiber) => {
      const attempt = Resend.count(fiber, request) + 1
      return handler(numbered(request, attempt, max))
    })
}

const numbered = (
  request: HttpClientRequest.HttpClientRequest,
  attempt: number,
  max: number | undefined
): HttpClientRequest.HttpClientRequest => {
  const marked = attempt > 1 || Object.hasOwn(request.headers, "x-retry-attempt")
    ? HttpClientRequest.setHeader(request, "x-retry-attempt", String(attempt))
    : request
  return max === undefined
    ? marked
    : HttpClientRequest.setHeader(marked, "amz-sdk-request", ResendHeader.amzSdkRequest(attempt, max))
}
