/**
 * What tells one thing that is asked for from another.
 *
 * @since 0.1.0
 */
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as UrlParams from "@effect/platform/UrlParams"

/**
 * The method of a request and its URL with the parameters, without the fragment. The URL is as the request has it where this is asked.
 *
 * **Example** (A request with parameters)
 *
 * ```ts
 * import { HttpClientRequest } from "@effect/platform"
 * import { RequestKey } from "effect-resilience"
 *
 * RequestKey.of(HttpClientRequest.get("http://users.test/", { urlParams: { page: "2" } })) // => "GET http://users.test/ page=2"
 * ```
 *
 * @since 0.1.0
 * @category getters
 */
export const of = ({ method, url, urlParams }: HttpClientRequest.HttpClientRequest): string =>
  urlParams.length === 0 ? `${method} ${url}` : `${method} ${url} ${UrlParams.toString(urlParams)}`
