/**
 * A circuit breaker over HTTP, with a state for each origin.
 *
 * It learns when the headers of a response have arrived, or when there are none to come. What becomes of the body afterwards it
 * does not see, unless the body is read inside of it (`Buffered`).
 *
 * @since 0.1.0
 */
import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Classifier from "../core/Classifier.ts"
import * as CircuitBreaker from "../strategy/CircuitBreaker.ts"
import type * as Middleware from "./Middleware.ts"

/**
 * What protects which requests.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly breaker: CircuitBreaker.CircuitBreaker
  /** Whose health a request is about. Default: `origin`, of its URL. */
  readonly key?: ((request: HttpClientRequest.HttpClientRequest) => string) | undefined
  /** What a response or an error means. Default: `Classifier.http`. */
  readonly classifier?: Classifier.Classifier<HttpClientResponse.HttpClientResponse> | undefined
}

const scheme = /^[a-z][a-z0-9+.-]*$/i

/** The place of the first `/`, `?` or `#` from a place on, or the end. */
const endOfAuthority = (url: string, from: number): number => {
  let end = from
  for (; end < url.length; end++) {
    const code = url.charCodeAt(end)
    if (code === 47 || code === 63 || code === 35) break
  }
  return end
}

/**
 * The origin of a URL, in lower case, without credentials and the default port. A URL without a host has none: "".
 *
 * **Example** (What a key looks like)
 *
 * ```ts
 * import { Guard } from "effect-resilience"
 *
 * Guard.origin("https://Ada:secret@Users.test:443/1?x=y") // => "https://users.test"
 * Guard.origin("http://users.test:8080") // => "http://users.test:8080"
 * Guard.origin("/users/1") // => ""
 * ```
 *
 * @since 0.1.0
 * @category getters
 */
export const origin = (url: string): string => {
  // By hand: it is done on each call, and an expression for all of it costs three times as much.
  const colon = url.indexOf("://")
  const end = endOfAuthority(url, colon + 3)
  const isHttp = url.startsWith("http://") || url.startsWith("https://")
  if (colon < 1 || !isHttp && !scheme.test(url.slice(0, colon))) return ""
  const at = url.lastIndexOf("@", end - 1)
  const host = at > colon ? url.slice(at + 1, end) : url.slice(colon + 3, end)
  if (host === "") return ""
  const lower = (at > colon ? `${url.slice(0, colon + 3)}${host}` : url.slice(0, end)).toLowerCase()
  if (lower.startsWith("http://") && lower.endsWith(":80")) return lower.slice(0, -3)
  return lower.startsWith("https://") && lower.endsWith(":443") ? lower.slice(0, -4) : lower
}

const byOrigin = (request: HttpClientRequest.HttpClientRequest): string => origin(request.url)

/**
 * Sends no request where the breaker of its key rejects it, and tells the breaker what came of each that was sent.
 *
 * **Gotchas**
 *
 * A middleware sees a request before the mappings of the client below it: where one of them makes the origin (`prependUrl`), use
 * `guard`, or give a key.
 *
 * @since 0.1.0
 * @category middleware
 */
export const middleware = (options: Options): Middleware.Middleware<CircuitBreaker.CircuitOpen> => {
  const { breaker, classifier = Classifier.http, key = byOrigin } = options
  return (handler) => (request) => CircuitBreaker.run(breaker, key(request), classifier, handler(request))
}

/**
 * The same round a client, whose request mappings come first: what gives the key is the request as it is sent.
 *
 * @since 0.1.0
 * @category combinators
 */
export const guard = (options: Options) => {
  const { breaker, classifier = Classifier.http, key = byOrigin } = options
  return <E, R>(
    client: HttpClient.HttpClient.With<E, R>
  ): HttpClient.HttpClient.With<E | CircuitBreaker.CircuitOpen, R> =>
    HttpClient.transform(client, (effect, request) => CircuitBreaker.run(breaker, key(request), classifier, effect))
}
