/**
 * What a server says when it refuses: a problem of RFC 9457, as `application/problem+json`.
 *
 * Nothing of the request stands in it.
 *
 * @since 0.1.0
 */
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"

/**
 * What is wrong.
 *
 * @since 0.1.0
 * @category models
 */
export interface Problem {
  readonly status: number
  /** In a few words, the same each time. */
  readonly title: string
  /** What the client can do about it. */
  readonly detail?: string | undefined
  /** A link to what is known of problems of this kind. Default: "about:blank", which says no more than the status. */
  readonly type?: string | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
}

/**
 * Answers with a problem.
 *
 * **Example** (What goes out)
 *
 * ```ts
 * import * as Problem from "effect-resilience/server/Problem"
 *
 * const response = Problem.respond({ status: 409, title: "Busy", headers: { "retry-after": "1" } })
 *
 * response.status // => 409
 * response.headers["content-type"] // => "application/problem+json"
 * response.headers["retry-after"] // => "1"
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const respond = (
  { detail, headers = {}, status, title, type = "about:blank" }: Problem
): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.text(JSON.stringify({ type, title, status, ...(detail === undefined ? {} : { detail }) }), {
    status,
    contentType: "application/problem+json",
    headers
  })
