/**
 * What is not good about a policy that is valid: limits that contradict each other, and ways to make an outage worse.
 *
 * A policy goes in, findings come out; nothing is run. The rules are data (`LintRules.all`), and an application can add its own.
 *
 * **Example** (An attempt that may take as long as the call)
 *
 * ```ts
 * import { Lint, Policy } from "effect-resilience"
 *
 * const findings = Lint.lint(Policy.make({ attemptTimeout: "10 seconds", deadline: "5 seconds" }))
 *
 * Lint.render(findings)
 * // => "error attemptTimeout: an attempt may take 10s, and the call 5s; make it shorter than 5s divided by the 3 attempts of a call [attempt-timeout-over-deadline]"
 * ```
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import { InvalidOption, numberIn } from "../core/InvalidOption.ts"
import * as Bounds from "./Bounds.ts"
import * as Effective from "./Effective.ts"
import { type Path, pathText } from "./InvalidPolicy.ts"
import type * as LintRule from "./LintRule.ts"
import * as LintRules from "./LintRules.ts"
import * as Order from "./Order.ts"
import type * as Policy from "./Policy.ts"

/**
 * What is not good, where, and what to do.
 *
 * @since 0.1.0
 * @category models
 */
export interface Finding {
  /** The id of the rule. */
  readonly rule: string
  readonly severity: LintRule.Severity
  readonly path: Path
  readonly message: string
  readonly advice: string
}

/**
 * What is known beside the policy.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** How many calls a second are made, of each origin: more than 0. Left out, what depends on it is not checked. */
  readonly callsPerSecond?: number | undefined
  /** Default: `LintRules.all`. */
  readonly rules?: ReadonlyArray<LintRule.Rule> | undefined
}

/**
 * Checks a policy: the worst findings first, and among equals in the order of the rules.
 *
 * @since 0.1.0
 * @category checking
 */
export const lint = (policy: Policy.Policy, options: Options = {}): ReadonlyArray<Finding> => {
  const { callsPerSecond, rules = LintRules.all } = options
  const rate = Option.map(Option.fromNullable(callsPerSecond), (rate) => numberIn("Lint", "callsPerSecond", rate, { minExclusive: 0 }))
  const check = (policy: Policy.Policy): ReadonlyArray<Finding> => {
    const subject: LintRule.Subject = { policy, bounds: Bounds.of(policy), callsPerSecond: rate }
    return rules.flatMap((rule) =>
      rule.check(subject).map(({ advice, message, path, severity = rule.severity }): Finding => ({ rule: rule.id, severity, path, message, advice }))
    )
  }
  const [client = policy, ...others] = Effective.of(policy)
  const own = check(client)
  const findings = [...own, ...others.flatMap((other, i) => {
    const use = typeof policy.perRequest === "object" ? policy.perRequest[i]?.use ?? {} : {}
    return check(other).filter((finding) => !own.some((known) => isSame(known, finding))).map((finding) => inRule(finding, i, use))
  })]
  return severities.flatMap((severity) => findings.filter((finding) => finding.severity === severity))
}

const isSame = (one: Finding, other: Finding): boolean => one.rule === other.rule && one.message === other.message

/** A finding about what a rule makes of a policy stands in the rule, at the field that it says itself if there is one. */
const inRule = (finding: Finding, index: number, use: object): Finding => {
  const [field = ""] = finding.path
  return { ...finding, path: ["perRequest", index, "use", ...(Object.hasOwn(use, field) ? finding.path : [])] }
}

const severities: ReadonlyArray<LintRule.Severity> = ["error", "warning", "info"]

/**
 * Checks the order of a pipe that is written by hand, from the wire to the caller, against the one that policies have.
 *
 * **Example** (A breaker that sees calls, and not attempts)
 *
 * ```ts
 * import { Lint } from "effect-resilience"
 *
 * Lint.order(["attemptTimeout", "circuitBreaker", "resend", "deadline"]) // => []
 * Lint.order(["attemptTimeout", "resend", "circuitBreaker"]).map((finding) => finding.message)
 * // => ["circuitBreaker stands outside of resend"]
 * ```
 *
 * @since 0.1.0
 * @category checking
 */
export const order = (places: ReadonlyArray<Order.Place>): ReadonlyArray<Finding> => {
  const rank = (place: Order.Place) => {
    const at = Order.places.indexOf(place)
    if (at >= 0) return at
    throw new InvalidOption({ where: "Lint.order", option: "place", value: place, requirement: `one of ${Order.places.join(", ")}` })
  }
  const ranks = places.map(rank)
  return places.flatMap((place, i): ReadonlyArray<Finding> => {
    const before = places.slice(0, i).filter((_, j) => (ranks[j] ?? 0) >= (ranks[i] ?? 0))
    const [first] = before
    if (first === undefined) return []
    const twice = first === place
    return [{
      rule: twice && place === "resend" ? "retry-outside-retry" : "order",
      severity: twice && place === "resend" ? "error" : "warning",
      path: [i],
      message: twice ? `${place} stands there twice` : `${place} stands outside of ${first}`,
      advice: twice ? "leave one of them out" : `put it inside of ${first}, nearer to the wire`
    }]
  })
}

/**
 * Writes findings, one to a line.
 *
 * @since 0.1.0
 * @category rendering
 */
export const render = (findings: ReadonlyArray<Finding>): string =>
  findings.map(({ advice, message, path, rule, severity }) => `${severity} ${pathText(path)}: ${message}; ${advice} [${rule}]`).join("\n")
