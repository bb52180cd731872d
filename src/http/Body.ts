/**
 * A response whose body must have been read by an instant.
 *
 * The platform hands a response over when its headers have arrived; what limits the call then limits nothing of the body. This
 * wraps each reader, so that a limit goes on to hold, and the socket is closed when it passes.
 *
 * @since 0.1.0
 */
import type * as Headers from "@effect/platform/Headers"
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as HttpIncomingMessage from "@effect/platform/HttpIncomingMessage"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { LazyArg } from "effect/Function"
import * as Inspectable from "effect/Inspectable"
import type * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { Millis } from "../core/Millis.ts"
import * as Timeout from "../strategy/Timeout.ts"
import * as Release from "./Release.ts"

/**
 * Limits the reading of a response's body.
 *
 * **Details**
 *
 * A reader that is still reading at `until` (ms since the epoch), or begins later, fails with the platform's `ResponseError` of
 * reason `Decode`, whose `cause` is what `onTimeout` gives; the response is aborted.
 *
 * @since 0.1.0
 * @category combinators
 */
export const readableUntil = (
  response: HttpClientResponse.HttpClientResponse,
  until: Millis,
  onTimeout: LazyArg<Error>
): HttpClientResponse.HttpClientResponse => new LimitedResponse(response, until, onTimeout)

class LimitedResponse extends Inspectable.Class implements HttpClientResponse.HttpClientResponse {
  readonly [HttpClientResponse.TypeId]: HttpClientResponse.TypeId = HttpClientResponse.TypeId
  readonly [HttpIncomingMessage.TypeId]: HttpIncomingMessage.TypeId = HttpIncomingMessage.TypeId
  private readonly original: HttpClientResponse.HttpClientResponse
  private readonly until: Millis
  private readonly onTimeout: LazyArg<Error>

  constructor(original: HttpClientResponse.HttpClientResponse, until: Millis, onTimeout: LazyArg<Error>) {
    super()
    this.original = original
    this.until = until
    this.onTimeout = onTimeout
  }

  private error(): HttpClientError.ResponseError {
    const cause = this.onTimeout()
    return new HttpClientError.ResponseError({
      request: this.request,
      response: this,
      reason: "Decode",
      cause,
      description: cause.message
    })
  }

  private limited<A>(
    read: Effect.Effect<A, HttpClientError.ResponseError>
  ): Effect.Effect<A, HttpClientError.ResponseError> {
    return Effect.flatMap(Clock.currentTimeMillis, (now) =>
      now < this.until
        ? Timeout.within(read, this.until - now, () => this.error())
        : this.late)
  }

  private get late(): Effect.Effect<never, HttpClientError.ResponseError> {
    return Effect.zipRight(Release.abort(this.original), Effect.suspend(() => Effect.fail(this.error())))
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

  get cookies(): HttpClientResponse.HttpClientResponse["cookies"] {
    return this.original.cookies
  }

  get remoteAddress(): Option.Option<string> {
    return this.original.remoteAddress
  }

  get text(): Effect.Effect<string, HttpClientError.ResponseError> {
    return this.limited(this.original.text)
  }

  get json(): Effect.Effect<unknown, HttpClientError.ResponseError> {
    return this.limited(this.original.json)
  }

  get arrayBuffer(): Effect.Effect<ArrayBuffer, HttpClientError.ResponseError> {
    return this.limited(this.original.arrayBuffer)
  }

  get formData(): HttpClientResponse.HttpClientResponse["formData"] {
    return this.limited(this.original.formData)
  }

  get urlParamsBody(): HttpClientResponse.HttpClientResponse["urlParamsBody"] {
    return this.limited(this.original.urlParamsBody)
  }

  get stream(): Stream.Stream<Uint8Array, HttpClientError.ResponseError> {
    return Stream.unwrap(Effect.map(Clock.currentTimeMillis, (now) =>
      now < this.until
        ? Stream.interruptWhen(
          this.original.stream,
          Effect.flatMap(Effect.sleep(Duration.millis(this.until - now)), () => Effect.fail(this.error()))
        )
        : Stream.fromEffect(this.late)))
  }

  toJSON(): unknown {
    return this.original.toJSON()
  }
}
