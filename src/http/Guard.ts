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

const authority = /^([a-z][a-z0-9+.-]*:)\/\/(?:[^/?#]*@)?([^/?#]*)/i

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
  const [, scheme = "", host = ""] = authority.exec(url) ?? []
  const lower = `${scheme}//${host}`.toLowerCase()
  if (host === "") return ""
  if (lower.startsWith("http://") && lower.endsWith(":80")) return lower.slice(0, -3)
  return lower.startsWith("https://") && lower.endsWith(":443") ? lower.slice(0, -4) : lower
}

/** Most clients talk to one origin: that of the request before is known by how the URL begins, and is the same text. */
const byOrigin = () => {
  let beginning: string | undefined
  let last = ""
  return ({ url }: HttpClientRequest.HttpClientRequest): string => {
    if (beginning !== undefined && url.startsWith(beginning)) return last
    last = origin(url)
    const [authorityOfIt = ""] = authority.exec(url) ?? []
    beginning = last !== "" && url[authorityOfIt.length] === "/" ? `${authorityOfIt}/` : undefined
    return last
  }
}

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
  const { breaker, classifier = Classifier.http, key = byOrigin() } = options
  return (handler) => (request) => CircuitBreaker.run(breaker, key(request), classifier, handler(request))
}

/**
 * The same round a client, whose request mappings come first: what gives the key is the request as it is sent.
 *
 * @since 0.1.0
 * @category combinators
 */
export const guard = (options: Options) => {
  const { breaker, classifier = Classifier.http, key = byOrigin() } = options
  return <E, R>(
    client: HttpClient.HttpClient.With<E, R>
  ): HttpClient.HttpClient.With<E | CircuitBreaker.CircuitOpen, R> =>
    HttpClient.transform(client, (effect, request) => CircuitBreaker.run(breaker, key(request), classifier, effect))
}
