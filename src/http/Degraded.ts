/**
 * A service that is not called for now, because somebody said so.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Failure from "../core/Failure.ts"
import type * as Middleware from "./Middleware.ts"

/**
 * Nothing was sent: the service has been switched to degraded.
 *
 * @since 0.1.0
 * @category errors
 */
export class ServiceDegraded extends Data.TaggedError("ServiceDegraded")<{
  readonly service: string
}> {
  override get message(): string {
    return `not sent: ${JSON.stringify(this.service)} is degraded`
  }

  get [Failure.key](): Failure.Failure {
    return Failure.rejected("ServiceDegraded")
  }
}

/**
 * Sends nothing, whatever stands inside. Stand inside of a fallback.
 *
 * @since 0.1.0
 * @category middleware
 */
export const middleware = (service: string): Middleware.Middleware<ServiceDegraded> => {
  const refused = new ServiceDegraded({ service })
  return () => () => Effect.fail(refused)
}
