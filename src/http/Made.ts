/**
 * A response that nobody sent: made here, from a value.
 *
 * @since 0.1.0
 */
import * as Cookies from "@effect/platform/Cookies"
import * as Headers from "@effect/platform/Headers"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as HttpIncomingMessage from "@effect/platform/HttpIncomingMessage"
import * as Buffered from "./Buffered.ts"
import { InvalidOption, integerIn } from "../core/InvalidOption.ts"

/**
 * What a response is made of.
 *
 * @since 0.1.0
 * @category models
 */
export interface Spec {
  /** From 200 to 599. Default: 200. */
  readonly status?: number | undefined
  /** Names in any case. Default: none, and the `content-type` of `json`. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** Default: empty. */
  readonly body?: string | Uint8Array | undefined
  /** A value that is sent as JSON, in the place of `body`. */
  readonly json?: unknown
}

/**
 * A spec that has been checked: header names in lower case, the body as bytes.
 *
 * @since 0.1.0
 * @category models
 */
export interface Checked {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

const encoder = new TextEncoder()

const token = /^[!#$%&'*+.^_`|~0-9a-z-]+$/

/** What HTTP lets into a value: no control characters but the tab. */
const isValue = (value: string): boolean => !/[^\t\x20-\x7e\x80-\xff]/.test(value)

/**
 * Checks a spec. Throws `InvalidOption` on what is no response: a status that is none, a header that could not be sent, a value that JSON
 * does not know.
 *
 * @since 0.1.0
 * @category constructors
 */
export const check = (where: string, { body = "", headers = {}, json, status }: Spec): Checked => {
  const given: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers)) {
    const lower = name.toLowerCase()
    if (!token.test(lower)) throw invalid(where, "headers", name, "names of HTTP")
    if (typeof value !== "string" || !isValue(value)) throw invalid(where, `headers.${lower}`, value, "a value of HTTP")
    given[lower] = value
  }
  const checkedStatus = integerIn(where, "status", status ?? 200, { min: 200, max: 599 })
  if (json === undefined) return { status: checkedStatus, headers: given, body: typeof body === "string" ? encoder.encode(body) : body.slice() }
  return {
    status: checkedStatus,
    headers: { "content-type": "application/json", ...given },
    body: encoder.encode(written(where, json))
  }
}

const invalid = (where: string, option: string, value: unknown, requirement: string) =>
  new InvalidOption({ where, option, value, requirement })

const written = (where: string, json: unknown): string => {
  try {
    const text: unknown = JSON.stringify(json)
    if (typeof text === "string") return text
  } catch {
    // A cycle, a bigint, or a `toJSON` that throws.
  }
  throw invalid(where, "json", json, "a value that JSON knows")
}

const isBodiless = (request: HttpClientRequest.HttpClientRequest, status: number): boolean =>
  request.method === "HEAD" || status === 204 || status === 205 || status === 304

/**
 * Makes a response to a request. Its body can be read again and again.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (request: HttpClientRequest.HttpClientRequest, checked: Checked): HttpClientResponse.HttpClientResponse =>
  new MadeResponse(request, checked)

class MadeResponse extends Buffered.BufferedResponse {
  private readonly made: Headers.Headers

  constructor(request: HttpClientRequest.HttpClientRequest, { body, headers, status }: Checked) {
    const bodiless = isBodiless(request, status)
    super(
      HttpClientResponse.fromWeb(request, new globalThis.Response(null, { status })),
      bodiless ? new Uint8Array() : body
    )
    const framed = bodiless || "content-length" in headers || "transfer-encoding" in headers
    this.made = Headers.fromInput(framed ? headers : { ...headers, "content-length": String(body.length) })
  }

  override get headers(): Headers.Headers {
    return this.made
  }

  override get cookies(): Cookies.Cookies {
    return Cookies.fromSetCookie(this.made["set-cookie"] ?? [])
  }

  override toJSON(): unknown {
    return HttpIncomingMessage.inspect(this, {
      _id: "effect-resilience/Made",
      request: this.request.toJSON(),
      status: this.status
    })
  }
}
