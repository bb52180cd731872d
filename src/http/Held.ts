/**
 * A response that holds something until its body is over: a permit, say.
 *
 * It is over when it has been read, whatever came of that, when it has been aborted, or when nobody can read it any more. The last
 * is known late: the response has to be collected as garbage first, as with the connection that the platform holds for it.
 *
 * @since 0.1.0
 */
import type * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"
import * as Release from "./Release.ts"
import { Intercepted, type Reader } from "./Wrapped.ts"

/**
 * Calls `release` when the body of a response is over; at once where it has none. It may be called more than once.
 *
 * @since 0.1.0
 * @category combinators
 */
export const untilRead = (
  response: HttpClientResponse.HttpClientResponse,
  release: () => void
): HttpClientResponse.HttpClientResponse => {
  if (Release.declaredLength(response) === 0) {
    release()
    return response
  }
  const held = new HeldResponse(response, release)
  dropped.register(held, release, held)
  return held
}

const dropped = new FinalizationRegistry<() => void>((release) => release())

class HeldResponse extends Intercepted {
  private readonly release: () => void

  constructor(original: HttpClientResponse.HttpClientResponse, release: () => void) {
    super(original)
    this.release = release
  }

  private over<Ended>(ended: Ended): Ended {
    dropped.unregister(this)
    this.release()
    return ended
  }

  /** What `Effect.ensuring` does, in fewer steps: what is to be done then is no effect. */
  protected read<A>(reader: Reader<A>): Effect.Effect<A, HttpClientError.ResponseError> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.matchCauseEffect(restore(reader(this.original)), {
        onFailure: (cause) => this.over(Exit.failCause(cause)),
        onSuccess: (value) => this.over(Exit.succeed(value))
      })
    )
  }

  get stream(): Stream.Stream<Uint8Array, HttpClientError.ResponseError> {
    return Stream.ensuring(this.original.stream, Effect.sync(() => this.over(undefined)))
  }
}
