/**
 * What a request and its response say of themselves on the span of an attempt.
 *
 * @since 0.1.0
 */
import * as Headers from "@effect/platform/Headers"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as UrlParams from "@effect/platform/UrlParams"
import * as Either from "effect/Either"
import type * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type * as Tracer from "effect/Tracer"
import * as Semconv from "../core/Semconv.ts"
import * as Redaction from "./Redaction.ts"
import type { Settings } from "./SpanSettings.ts"

type Request = HttpClientRequest.HttpClientRequest
type Response = HttpClientResponse.HttpClientResponse

/** Beginning and attributes of a span. */
export interface Beginning {
  readonly name: string
  readonly attributes: Record<string, unknown>
}

const writeAddress = (request: Request, redactor: Redaction.Redactor, write: (key: string, value: unknown) => void): void => {
  const url = UrlParams.makeUrl(request.url, request.urlParams, request.hash)
  if (Either.isLeft(url)) return
  write(Semconv.SERVER_ADDRESS, url.right.hostname)
  write(Semconv.SERVER_PORT, Semconv.portOf(url.right))
  write(Semconv.URL_FULL, redactor.url(url.right))
}

/** Only what can be a whole address is taken for one: to parse what is none costs more than all the rest. */
const isWhole = ({ url }: Request): boolean => url.includes("://")

/**
 * What is known of a request when its span begins, so that samplers see it: name and attributes.
 *
 * @since 0.1.0
 * @category constructors
 */
export const beginning = (request: Request, resends: number, { redactor, template }: Settings): Beginning => {
  const known = Semconv.isKnownMethod(request.method)
  const attributes: Record<string, unknown> = { [Semconv.HTTP_REQUEST_METHOD]: known ? request.method : "_OTHER" }
  if (!known) attributes[Semconv.HTTP_REQUEST_METHOD_ORIGINAL] = request.method
  if (resends > 0) attributes[Semconv.HTTP_REQUEST_RESEND_COUNT] = resends
  if (isWhole(request)) writeAddress(request, redactor, (key, value) => void (attributes[key] = value))
  const method = known ? request.method : "HTTP"
  const path = template(request)
  if (Option.isNone(path)) return { name: method, attributes }
  attributes[Semconv.URL_TEMPLATE] = path.value
  return { name: `${method} ${path.value}`, attributes }
}

/** At most so many characters of a header are shown. */
const longestHeader = 1_024

const writeHeaders = (
  span: Tracer.Span,
  fiber: Fiber.RuntimeFiber<unknown, unknown>,
  names: ReadonlyArray<string>,
  headers: Headers.Headers,
  key: (name: string) => string
): void => {
  if (names.length === 0) return
  const secret = fiber.getFiberRef(Headers.currentRedactedNames)
  for (const name of names) {
    const value = headers[name]
    if (value === undefined) continue
    const isSecret = secret.some((each) => typeof each === "string" ? each.toLowerCase() === name : each.test(name))
    span.attribute(key(name), [isSecret ? Redaction.redacted : value.slice(0, longestHeader)])
  }
}

/**
 * Writes what a request has become on its way to the wire, where that is not what its span began with, and its headers.
 *
 * @since 0.1.0
 * @category writing
 */
export const writeFinal = (
  span: Tracer.Span,
  fiber: Fiber.RuntimeFiber<unknown, unknown>,
  first: Request,
  final: Request,
  { redactor, requestHeaders }: Settings
): void => {
  const isSame = first.url === final.url && first.urlParams === final.urlParams && first.hash === final.hash
  if (!isSame || !isWhole(first)) writeAddress(final, redactor, (key, value) => span.attribute(key, value))
  writeHeaders(span, fiber, requestHeaders, final.headers, Semconv.httpRequestHeader)
}

/** The response of node:http, inside what the platform makes of it. */
interface OfNode {
  readonly source?: { readonly httpVersion?: unknown }
}

/** What was spoken: node:http says so, undici and fetch do not. */
const versionOf = (response: Response): string | undefined => {
  // Read with care: any transport's response may come here, in a wrapping or two.
  let inner: OfNode & { readonly original?: object } = response as OfNode
  for (let depth = 0; depth < 4 && inner.original !== undefined; depth++) inner = inner.original
  const version = inner.source?.httpVersion
  return typeof version === "string" && /^\d(\.\d)?$/.test(version) ? version : undefined
}

/**
 * Writes what a response says beside its status.
 *
 * @since 0.1.0
 * @category writing
 */
export const writeResponse = (
  span: Tracer.Span,
  fiber: Fiber.RuntimeFiber<unknown, unknown>,
  response: Response,
  { responseHeaders }: Settings
): void => {
  const version = versionOf(response)
  if (version !== undefined) span.attribute(Semconv.NETWORK_PROTOCOL_VERSION, version)
  writeHeaders(span, fiber, responseHeaders, response.headers, Semconv.httpResponseHeader)
}
