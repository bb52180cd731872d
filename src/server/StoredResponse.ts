/**
 * A response as a text that can be stored, and back.
 *
 * **Details**
 *
 * What is kept is the status, the bytes of the body, and the headers but for those that belong to one connection or one moment: hop
 * by hop (RFC 9110 section 7.6.1, and what `Connection` names), `Date`, `Age`, `Content-Length` (the body says that), and `Set-Cookie`, which
 * is for the client that was there and not for whoever repeats its request.
 *
 * A body that is a stream is not kept: to collect it would hold back its first byte, for ever where it has no end.
 *
 * @since 0.1.0
 */
import * as Headers from "@effect/platform/Headers"
import type * as HttpBody from "@effect/platform/HttpBody"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Option from "effect/Option"
import * as HeaderField from "../core/HeaderField.ts"

/**
 * What is known of a response that went out.
 *
 * - `Kept`: all of it
 * - `NotKept`: that it went out; it was too long, or a stream
 *
 * @since 0.1.0
 * @category models
 */
export type StoredResponse =
  | { readonly _tag: "Kept"; readonly response: HttpServerResponse.HttpServerResponse }
  | { readonly _tag: "NotKept" }

/**
 * The header that marks a response as one that was given before.
 *
 * @since 0.1.0
 * @category constants
 */
export const replayedHeader = "idempotent-replayed"

/** Beside those, what is made anew of each response. */
const dropped: ReadonlySet<string> = new Set([...HeaderField.notToBeKept, "content-length", "date", replayedHeader])

/** The text of a response of which only that it went out is known. */
const notKept = JSON.stringify({ v: 1 })

/**
 * Writes a response as a text of at most `limit` characters; where that is too few, or the body is a stream, as `NotKept`.
 *
 * @since 0.1.0
 * @category encoding
 */
export const encode = (response: HttpServerResponse.HttpServerResponse, limit: number): string => {
  const body = bytesOf(response.body)
  // Four characters for three bytes: what cannot fit is not encoded first.
  if (body === undefined || body.length > limit) return notKept
  const text = JSON.stringify({
    v: 1,
    status: response.status,
    headers: kept(response.headers),
    body: Encoding.encodeBase64(body)
  })
  return text.length > limit ? notKept : text
}

/**
 * Tells whether a text that `encode` has written is that of a whole response.
 *
 * @since 0.1.0
 * @category guards
 */
export const isKept = (text: string): boolean => text !== notKept

const bytesOf = (body: HttpBody.HttpBody): Uint8Array | undefined => {
  switch (body._tag) {
    case "Empty":
      return new Uint8Array()
    case "Uint8Array":
      return body.body
    case "Raw":
      if (typeof body.body === "string") return new TextEncoder().encode(body.body)
      return body.body instanceof Uint8Array ? body.body : undefined
    default:
      return undefined
  }
}

const kept = (headers: Headers.Headers): ReadonlyArray<readonly [string, string]> => {
  const named = new Set((headers["connection"] ?? "").split(",").map((name) => name.trim().toLowerCase()))
  return Object.entries(headers).filter(([name]) => !dropped.has(name) && !named.has(name))
}

/**
 * Reads what `encode` has written. `None` for any other text: a store is shared, and what others write into it is not trusted.
 *
 * @since 0.1.0
 * @category decoding
 */
export const decode = (text: string): Option.Option<StoredResponse> => {
  if (text === notKept) return Option.some({ _tag: "NotKept" })
  try {
    const { body, headers, status, v }: Fields = JSON.parse(text)
    if (v !== 1 || !isStatus(status) || !isHeaders(headers) || typeof body !== "string") return Option.none()
    return Option.map(Either.getRight(Encoding.decodeBase64(body)), (bytes) => ({
      _tag: "Kept",
      response: respond(status, Headers.fromInput(headers), bytes)
    }))
  } catch {
    return Option.none()
  }
}

/** What JSON may have held. */
interface Fields {
  readonly v?: unknown
  readonly status?: unknown
  readonly headers?: unknown
  readonly body?: unknown
}

const isStatus = (value: unknown): value is number => Number.isInteger(value) && Number(value) >= 200 && Number(value) <= 599

const name = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/
/** RFC 9110 section 5.5: no control but the tab. */
const value = /^[\t\x20-\x7e\x80-\xff]*$/

const isHeaders = (given: unknown): given is ReadonlyArray<readonly [string, string]> =>
  Array.isArray(given) && given.every((entry: unknown) =>
    Array.isArray(entry) && entry.length === 2 && typeof entry[0] === "string" && typeof entry[1] === "string" &&
    name.test(entry[0]) && value.test(entry[1])
  )

const respond = (status: number, headers: Headers.Headers, bytes: Uint8Array): HttpServerResponse.HttpServerResponse => {
  const marked = Headers.set(headers, replayedHeader, "true")
  if (bytes.length === 0) return HttpServerResponse.empty({ status, headers: marked })
  // `uint8Array` gives a body without a type one: then it is raw.
  return headers["content-type"] === undefined
    ? HttpServerResponse.raw(bytes, { status, headers: marked, contentLength: bytes.length })
    : HttpServerResponse.uint8Array(bytes, { status, headers: marked })
}
