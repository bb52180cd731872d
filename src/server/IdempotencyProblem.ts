/**
 * The refusals of the idempotency middleware, as problems. The titles are those of draft-ietf-httpapi-idempotency-key-header where it
 * has one.
 *
 * @since 0.1.0
 */
import type * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import { InvalidOption } from "../core/InvalidOption.ts"
import type { Millis } from "../core/Millis.ts"
import * as Problem from "./Problem.ts"

/**
 * Where the draft is read.
 *
 * @since 0.1.0
 * @category constants
 */
export const draft = "https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/"

/**
 * Why a request is not done.
 *
 * @since 0.1.0
 * @category models
 */
export type Reason =
  | "InProgress"
  | "Malformed"
  | "Mismatch"
  | "Missing"
  | "NoCaller"
  | "NotKept"
  | "Store"
  | "TooLarge"
  | "TooLong"
  | "Unreadable"

/**
 * Answers for each reason, of one middleware.
 *
 * @since 0.1.0
 * @category models
 */
export interface Refusals {
  readonly respond: (reason: Reason) => HttpServerResponse.HttpServerResponse
}

interface Refusal {
  readonly status: number
  readonly title: string
  readonly detail: string
  /** What the client is told about sending it again, where the status alone does not say it. */
  readonly again?: "later" | "never"
}

const refusals = (header: string): Readonly<Record<Reason, Refusal>> => ({
  Missing: {
    status: 400,
    title: `${header} is missing`,
    detail: `This operation requires a ${header}, and the same one each time the request is repeated.`
  },
  Malformed: {
    status: 400,
    title: `${header} is not valid`,
    detail: "A key has 1 to 255 visible ASCII characters. It is sent once, and written bare or as a string of RFC 9651."
  },
  NoCaller: {
    status: 403,
    title: "The caller is not known",
    detail: `A ${header} belongs to a caller, and this request has none.`
  },
  TooLarge: {
    status: 413,
    title: "The content is too large",
    detail: `A request with a ${header} is held in memory, and this one is longer than is allowed.`
  },
  Unreadable: {
    status: 400,
    title: "The content cannot be read",
    detail: "It ended before its end."
  },
  Mismatch: {
    status: 422,
    title: `${header} is already used`,
    detail: `The ${header} was used for another request: another method, path or content. A new request needs a new key.`
  },
  InProgress: {
    status: 409,
    title: `A request is outstanding for this ${header}`,
    detail: `A request with the same ${header} is being processed. Repeat it to get its response.`,
    again: "later"
  },
  NotKept: {
    status: 409,
    title: "The response was not kept",
    detail: `The request with this ${header} was processed, and its response could not be kept. It will not be processed again.`,
    again: "never"
  },
  Store: {
    status: 503,
    title: "Keys cannot be looked up",
    detail: `Whether this ${header} was used before is not known at the moment. The request was not processed.`,
    again: "later"
  },
  TooLong: {
    status: 503,
    title: "The request took too long",
    detail: "Processing it was stopped.",
    again: "later"
  }
})

/** RFC 3986 characters, but for those that would end the link. */
const uri = /^https?:\/\/[!#$%&'()*+,\-./0-9:;=?@A-Z[\]_a-z~]+$/

/**
 * Makes the answers of a middleware whose key stands in this header.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (header: string, documentation: string, retryAfter: Millis): Refusals => {
  if (!uri.test(documentation)) {
    throw new InvalidOption({
      where: "Idempotency.middleware",
      option: "documentation",
      value: documentation,
      requirement: "an http or https URL"
    })
  }
  const all = refusals(header)
  const link = `<${documentation}>; rel="describedby"; type="text/html"`
  const later = { "retry-after": String(Math.max(1, Math.ceil(retryAfter / 1000))), "x-should-retry": "true" }
  return {
    respond: (reason) => {
      const { again, detail, status, title } = all[reason]
      const headers = again === "later" ? { link, ...later } : again === "never" ? { link, "x-should-retry": "false" } : { link }
      return Problem.respond({ status, title, detail, type: documentation, headers })
    }
  }
}
