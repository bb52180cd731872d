/**
 * Every way to read the body of a response.
 */
import type * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import type * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

export type Read = (response: HttpClientResponse.HttpClientResponse) => Effect.Effect<unknown, HttpClientError.ResponseError>

/** undici's request has no form reader at all: it fails before it reads. */
export const readers: ReadonlyArray<readonly [name: string, read: Read]> = [
  ["text", (response) => response.text],
  ["json", (response) => response.json],
  ["arrayBuffer", (response) => response.arrayBuffer],
  ["urlParamsBody", (response) => response.urlParamsBody],
  ["formData", (response) => response.formData],
  ["stream", (response) => Stream.runDrain(response.stream)]
]
