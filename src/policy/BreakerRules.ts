/**
 * The rules about circuit breakers.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import { format } from "../core/Millis.ts"
import * as Bounds from "./Bounds.ts"
import * as Effective from "./Effective.ts"
import type * as GuardPolicy from "./GuardPolicy.ts"
import type { Path } from "./InvalidPolicy.ts"
import { type Rule, when } from "./LintRule.ts"
import type * as Policy from "./Policy.ts"

const { isThere } = Effective

/** Each trip policy that looks at the recent past, and where it stands. */
const recent = (given: GuardPolicy.TripPolicy | undefined, path: Path): ReadonlyArray<readonly [Recent, Path]> => {
  const { kind } = given ?? { kind: "rate" }
  if (given?.kind === "anyOf") return given.policies.flatMap((policy, i) => recent(policy, [...path, "policies", i]))
  // Without any, it is the default: half of at least 10 calls in 30 seconds.
  return kind === "consecutive" ? [] : [[given ?? {}, path] as readonly [Recent, Path]]
}

interface Recent {
  readonly minimumCalls?: number
  readonly window?: number | { readonly calls: number }
}

const trips = ({ circuitBreaker }: Policy.Policy) =>
  isThere(circuitBreaker) ? recent(circuitBreaker.tripPolicy, ["circuitBreaker", "tripPolicy"]) : []

/** @since 0.1.0 @category rules */
export const windowTooShort: Rule = {
  id: "breaker-window-too-short",
  severity: "warning",
  about: "The window of a breaker is shorter than two attempts that time out, so it forgets them before it can count them.",
  check: ({ policy }) =>
    trips(policy).flatMap(([{ window = 30_000 }, path]) => {
      const limit = Bounds.attemptLimit(policy)
      return when(typeof window === "number" && Number.isFinite(limit) && window < 2 * limit, () => ({
        path: [...path, "window"],
        message: `it looks at ${typeof window === "number" ? format(window) : ""}, and an attempt may take ${format(limit)}`,
        advice: `make it at least ${format(2 * limit)}, or the attempt timeout shorter`
      }))
    })
}

/** @since 0.1.0 @category rules */
export const minimumCallsUnreachable: Rule = {
  id: "minimum-calls-unreachable",
  severity: "warning",
  about: "There are never as many calls in the window of a breaker as it waits for, so it never opens.",
  check: ({ callsPerSecond, policy }) =>
    Option.match(callsPerSecond, {
      onNone: () => [],
      onSome: (rate) =>
        trips(policy).flatMap(([{ minimumCalls = 10, window = 30_000 }, path]) => {
          if (typeof window !== "number") return []
          const calls = rate * window / 1_000
          return when(calls < minimumCalls, () => ({
            path: [...path, "minimumCalls"],
            message: `it waits for ${minimumCalls} calls, and in ${format(window)} there are ${Number(calls.toPrecision(3))}`,
            advice: "make it smaller or the window longer, or count failures in a row (`consecutive`)"
          }))
        })
    })
}

/** @since 0.1.0 @category rules */
export const leaseTooShort: Rule = {
  id: "lease-under-attempt-timeout",
  severity: "warning",
  about: "The lease of a probe ends before its attempt does, so a second probe is sent while the first is on its way.",
  check: ({ policy: { circuitBreaker, ...policy } }) => {
    if (!isThere(circuitBreaker)) return []
    const { lease = 30_000 } = circuitBreaker
    const limit = Bounds.attemptLimit(policy)
    return when(Number.isFinite(limit) && lease < limit, () => ({
      path: ["circuitBreaker", "lease"],
      message: `a probe may be replaced after ${format(lease)}, and take ${format(limit)}`,
      advice: `make it at least ${format(limit)}`
    }))
  }
}
