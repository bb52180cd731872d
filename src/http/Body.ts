/**
 * A response whose body must have been read by an instant.
 *
 * The platform hands a response over when its headers have arrived; what limits the call then limits nothing of the body. This
 * wraps each reader, so that a limit goes on to hold, and the socket is closed when it passes.
 *
 * @since 0.1.0
 */
import type * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { LazyArg } from "effect/Function"
import * as Stream from "effect/Stream"
import type { Millis } from "../core/Millis.ts"
import * as Timeout from "../strategy/Timeout.ts"
import * as Release from "./Release.ts"
import { Intercepted, type Reader } from "./Wrapped.ts"

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

class LimitedResponse extends Intercepted {
  private readonly until: Millis
  private readonly onTimeout: LazyArg<Error>

  constructor(original: HttpClientResponse.HttpClientResponse, until: Millis, onTimeout: LazyArg<Error>) {
    super(original)
    this.until = until
    this.onTimeout = onTimeout
  }

  private error(): HttpClientError.ResponseError {
    const cause = this.onTimeout()
    return this.decodeError(cause, cause.message)
  }

  protected read<A>(reader: Reader<A>): Effect.Effect<A, HttpClientError.ResponseError> {
    return Effect.flatMap(Clock.currentTimeMillis, (now) =>
      now < this.until
        ? Timeout.within(reader(this.original), this.until - now, () => this.error())
        : this.late)
  }

  private get late(): Effect.Effect<never, HttpClientError.ResponseError> {
    return Effect.zipRight(Release.abort(this.original), Effect.suspend(() => Effect.fail(this.error())))
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
}
