/**
 * What a scripted peer does with a request, as data.
 *
 * @since 0.1.0
 */
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as ErrorCode from "../core/ErrorCode.ts"
import * as Failure from "../core/Failure.ts"

/**
 * The body of a response, piece by piece.
 *
 * @since 0.1.0
 * @category models
 */
export interface Chunks {
  readonly chunks: ReadonlyArray<string | Uint8Array>
  /** The time before each chunk, spent while somebody reads. Default: none. */
  readonly every?: Duration.DurationInput | undefined
  /**
   * What comes after the chunks: the end; nothing, ever; the loss of the connection; the same chunks again and again, up to
   * 64 MiB. Default: "complete".
   */
  readonly ending?: "complete" | "hang" | "cut" | "endless" | undefined
}

/**
 * Answers with a response.
 *
 * **Details**
 *
 * A body of known size has a `content-length`, unless `headers` says otherwise; one made of chunks has none. A list of values
 * gives a header more than one line, which arrive joined, as `fetch` joins them.
 *
 * @since 0.1.0
 * @category models
 */
export interface Respond {
  readonly status: number
  readonly headers?: Readonly<Record<string, string | ReadonlyArray<string>>> | undefined
  /** Default: empty. */
  readonly body?: string | Uint8Array | Chunks | undefined
  /** The time between the request's last byte and the answer. Default: none. */
  readonly after?: Duration.DurationInput | undefined
}

/**
 * Fails, as a transport does: with a code of Node or undici such as `ECONNREFUSED`, or with the error that a function makes.
 *
 * **Details**
 *
 * A code becomes a `RequestError` of reason `Transport` whose cause carries the code. Where the code says that no connection
 * was made, nothing of the request's body is read.
 *
 * @since 0.1.0
 * @category models
 */
export interface Fail {
  readonly fails: string | ((request: HttpClientRequest.HttpClientRequest) => HttpClientError.HttpClientError)
  /** Default: none. */
  readonly after?: Duration.DurationInput | undefined
}

/**
 * Dies with a defect.
 *
 * @since 0.1.0
 * @category models
 */
export interface Die {
  readonly dies: unknown
  /** Default: none. */
  readonly after?: Duration.DurationInput | undefined
}

/**
 * What becomes of one request. `"hang"`: it is received and never answered.
 *
 * @since 0.1.0
 * @category models
 */
export type Answer = Respond | Fail | Die | "hang"

/**
 * The error of a step that fails.
 *
 * @since 0.1.0
 * @category errors
 */
export const toError = (
  { fails }: Fail,
  request: HttpClientRequest.HttpClientRequest
): HttpClientError.HttpClientError =>
  typeof fails === "string"
    ? new HttpClientError.RequestError({ request, reason: "Transport", cause: ErrorCode.toError(fails) })
    : fails(request)

/**
 * Tells whether an answer means that nothing of the request was ever sent.
 *
 * @since 0.1.0
 * @category guards
 */
export const isNeverSent = (answer: Answer): boolean =>
  typeof answer === "object" && "fails" in answer && typeof answer.fails === "string" &&
  Option.exists(ErrorCode.toFailure({ code: answer.fails }), (failure) => Failure.sent(failure) === "never")
