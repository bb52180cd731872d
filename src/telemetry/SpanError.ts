/**
 * What a span ends with where its effect failed, or gave a response that is an error: a name and a short message, and nothing else.
 *
 * The platform's errors carry the whole URL, secrets included, in their message, and an exporter copies the message.
 *
 * @since 0.1.0
 */
import * as Failure from "../core/Failure.ts"

/**
 * The error of a span. Its message is the value of `error.type`.
 *
 * @since 0.1.0
 * @category errors
 */
export class SpanError extends Error {
  override readonly name: string
  constructor(failure: Failure.Failure) {
    super(Failure.label(failure))
    this.name = failure._tag
  }
}
