/**
 * A response that is another one but for the reading of its body.
 *
 * @since 0.1.0
 */
import type * as Headers from "@effect/platform/Headers"
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as HttpIncomingMessage from "@effect/platform/HttpIncomingMessage"
import type * as Effect from "effect/Effect"
import * as Inspectable from "effect/Inspectable"
import type * as Option from "effect/Option"
import type * as Stream from "effect/Stream"
import * as GivenUp from "../strategy/GivenUp.ts"

type Response = HttpClientResponse.HttpClientResponse

/**
 * Everything of a response except its readers, which whoever extends it gives.
 *
 * @since 0.1.0
 * @category models
 */
export abstract class Wrapped extends Inspectable.Class implements Response {
  readonly [HttpClientResponse.TypeId]: HttpClientResponse.TypeId = HttpClientResponse.TypeId
  readonly [HttpIncomingMessage.TypeId]: HttpIncomingMessage.TypeId = HttpIncomingMessage.TypeId
  protected readonly original: Response

  constructor(original: Response) {
    super()
    this.original = original
  }

  /** What was given up is so in a wrapping too. */
  get [GivenUp.source](): Response {
    return this.original
  }

  get request(): HttpClientRequest.HttpClientRequest {
    return this.original.request
  }

  get status(): number {
    return this.original.status
  }

  get headers(): Headers.Headers {
    return this.original.headers
  }

  get cookies(): Response["cookies"] {
    return this.original.cookies
  }

  get remoteAddress(): Option.Option<string> {
    return this.original.remoteAddress
  }

  abstract get text(): Effect.Effect<string, HttpClientError.ResponseError>
  abstract get json(): Effect.Effect<unknown, HttpClientError.ResponseError>
  abstract get arrayBuffer(): Effect.Effect<ArrayBuffer, HttpClientError.ResponseError>
  abstract get formData(): Response["formData"]
  abstract get urlParamsBody(): Response["urlParamsBody"]
  abstract get stream(): Stream.Stream<Uint8Array, HttpClientError.ResponseError>

  /** The error of a body that cannot be given: the platform's, of reason `Decode`. */
  protected decodeError(cause: unknown, description?: string): HttpClientError.ResponseError {
    return new HttpClientError.ResponseError({
      request: this.request,
      response: this,
      reason: "Decode",
      cause,
      ...(description === undefined ? {} : { description })
    })
  }

  toJSON(): unknown {
    return this.original.toJSON()
  }
}

/**
 * Reads the body of a response in one way: as text, say.
 *
 * @since 0.1.0
 * @category models
 */
export type Reader<A> = (response: Response) => Effect.Effect<A, HttpClientError.ResponseError>

/**
 * A response whose body is read as the one that is wrapped reads it, each time through `read`.
 *
 * @since 0.1.0
 * @category models
 */
export abstract class Intercepted extends Wrapped {
  /** What a reader of it does; `reader` is that of a response which has the body. */
  protected abstract read<A>(reader: Reader<A>): Effect.Effect<A, HttpClientError.ResponseError>

  get text(): Response["text"] {
    return this.read((response) => response.text)
  }

  get json(): Response["json"] {
    return this.read((response) => response.json)
  }

  get arrayBuffer(): Response["arrayBuffer"] {
    return this.read((response) => response.arrayBuffer)
  }

  get formData(): Response["formData"] {
    return this.read((response) => response.formData)
  }

  get urlParamsBody(): Response["urlParamsBody"] {
    return this.read((response) => response.urlParamsBody)
  }
}
