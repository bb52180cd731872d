/**
 * What the middlewares of a server tell of requests that they answer themselves.
 *
 * @since 0.1.0
 */
import type { Base } from "./EventBase.ts"

/**
 * A request was answered in the place of its handler: 504 where the time of the caller is over, 503 where it shall not send again. Its
 * `call` names the middleware.
 *
 * @since 0.1.0
 * @category models
 */
export interface RequestTurnedAway extends Base {
  readonly _tag: "RequestTurnedAway"
  /**
   * `Late`: its time was over when it came, and the handler was not begun. `OutOfTime`: it was over before the handler was done. `Shed`: it
   * had been sent before, and there is too much to do. `GivenUp`: the handler failed with a call of its own that was given up.
   */
  readonly because: "Late" | "OutOfTime" | "Shed" | "GivenUp"
  /** Which attempt it is, as the caller claims: from 1. */
  readonly attempt: number
}
