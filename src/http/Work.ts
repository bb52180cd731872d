/**
 * What HTTP is to a loop that sends a request more than once: which request may be, and what is done with a response that nobody
 * will have. The retry and the hedge share it.
 *
 * @since 0.1.0
 */
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type { Millis } from "../core/Millis.ts"
import * as Idempotency from "../core/Idempotency.ts"
import { nonEmpty } from "../core/InvalidOption.ts"
import * as Replay from "../core/Replay.ts"
import * as Loop from "../strategy/Loop.ts"
import type * as Middleware from "./Middleware.ts"
import * as Release from "./Release.ts"

type Request = HttpClientRequest.HttpClientRequest
type Response = HttpClientResponse.HttpClientResponse

/**
 * Which requests may be sent more than once.
 *
 * @since 0.1.0
 * @category models
 */
export interface Gate {
  /** The headers that make a request idempotent, whatever its method. Default: `Idempotency-Key`, `X-Idempotency-Key`. */
  readonly keyHeaders?: ReadonlyArray<string> | undefined
  /**
   * Which requests may be sent again: see `Idempotency.Gate`. To a hedge "throttled" is "idempotent", since nothing has failed yet.
   * Default: "idempotent".
   */
  readonly resend?: Idempotency.Gate | undefined
}

/**
 * Checks a gate, and tells of a request what `Idempotency` has to know of it. `where` names the strategy in the message of `InvalidOption`.
 *
 * @since 0.1.0
 * @category building
 */
export const repeatable = (where: string, gate: Gate): (request: Request) => Idempotency.Repeatable => {
  const keys = nonEmpty(where, "keyHeaders", gate.keyHeaders ?? Idempotency.keyHeaders).map((name) => name.toLowerCase())
  const { resend = "idempotent" } = gate
  return (request) =>
    Idempotency.under({
      idempotent: Idempotency.isIdempotent(request.method, request.headers, keys),
      replayable: Replay.isReplayable(request.body)
    }, resend)
}

/**
 * The response that an exit holds: as its value, or inside the error that `filterStatus` made of it.
 *
 * @since 0.1.0
 * @category getters
 */
export const responseOf = (exit: Exit.Exit<Response, unknown>): Option.Option<Response> => {
  if (Exit.isSuccess(exit)) return Option.some(exit.value)
  return exit.cause._tag === "Fail"
    ? responseIn(exit.cause.error)
    : Option.flatMap(Cause.failureOption(exit.cause), responseIn)
}

const responseIn = (error: unknown): Option.Option<Response> =>
  HttpClientError.isHttpClientError(error) && error._tag === "ResponseError" ? Option.some(error.response) : Option.none()

/**
 * Spends a wait of `delay` ms, and lets go of the response of the lost attempt meanwhile.
 *
 * @since 0.1.0
 * @category releasing
 */
export const spend = (lost: Exit.Exit<Response, unknown>, delay: Millis): Effect.Effect<void> => {
  const response = responseOf(lost)
  return Option.isSome(response) ? Release.during(response.value, delay) : Loop.wait(delay)
}

/**
 * Lets go at once of the response of an attempt that nobody will have.
 *
 * @since 0.1.0
 * @category releasing
 */
export const drop = (lost: Exit.Exit<Response, unknown>): Effect.Effect<void> => {
  const response = responseOf(lost)
  return Option.isSome(response) ? Release.abort(response.value) : Effect.void
}

/**
 * A handler as the work of a loop.
 *
 * @since 0.1.0
 * @category constructors
 */
export const of = <E, R>(
  handler: Middleware.Handler<E, R>,
  repeatable: (request: Request) => Idempotency.Repeatable
): Loop.Work<Request, Response, E, R> => ({ attempt: handler, repeatable, spend, drop })
