/**
 * What a registry tells of the policies of its services.
 *
 * @since 0.1.0
 */
import type { Base } from "./EventBase.ts"

/** Calls of a service are made under another policy from now on. Its `call` names the service. @since 0.1.0 @category models */
export interface PolicyApplied extends Base {
  readonly _tag: "PolicyApplied"
  /** The places of the order whose strategies are others now; the rest keep what they remember. */
  readonly changed: ReadonlyArray<string>
  /** `Degraded`: nothing is sent any more, and the fallback answers. */
  readonly mode: "Normal" | "Degraded"
}

/** An update cannot be used, and what was there before goes on. Its `call` names the registry. @since 0.1.0 @category models */
export interface PolicyRejected extends Base {
  readonly _tag: "PolicyRejected"
  /** What is wrong with it, a line for each. */
  readonly because: string
}
