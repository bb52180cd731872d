/**
 * What a rule is that policies are checked against: what it is called, how much it matters, what it looks for, what to do.
 *
 * A rule sees the policy, its bounds, and what it is told of the traffic. It answers with the places that it objects to.
 *
 * @since 0.1.0
 */
import type * as Option from "effect/Option"
import type * as Bounds from "./Bounds.ts"
import type { Path } from "./InvalidPolicy.ts"
import type * as Policy from "./Policy.ts"

/**
 * How much a finding matters.
 *
 * - `error`: the policy cannot do what it says, or does harm
 * - `warning`: it does, in some case that will come
 * - `info`: worth knowing
 *
 * @since 0.1.0
 * @category models
 */
export type Severity = "error" | "warning" | "info"

/**
 * What a rule sees.
 *
 * @since 0.1.0
 * @category models
 */
export interface Subject {
  readonly policy: Policy.Policy
  readonly bounds: Bounds.Bounds
  /** How many calls a second are made, of each origin, where that is known. */
  readonly callsPerSecond: Option.Option<number>
}

/**
 * A place that a rule objects to.
 *
 * @since 0.1.0
 * @category models
 */
export interface Objection {
  readonly path: Path
  /** What is there, and why that is not good. */
  readonly message: string
  /** What to do. */
  readonly advice: string
  /** Where it is not that of the rule. */
  readonly severity?: Severity
}

/**
 * A rule.
 *
 * @since 0.1.0
 * @category models
 */
export interface Rule {
  readonly id: string
  readonly severity: Severity
  /** What it is about, in a sentence. */
  readonly about: string
  readonly check: (subject: Subject) => ReadonlyArray<Objection>
}

/**
 * Objects where something holds.
 *
 * @since 0.1.0
 * @category constructors
 */
export const when = (holds: boolean, objection: () => Objection): ReadonlyArray<Objection> => holds ? [objection()] : []
