/**
 * The rules that a policy is checked against, as data: what each is called, how much it matters, what it looks for, what to do.
 *
 * A rule sees the policy, its bounds, and what it is told of the traffic. It answers with the places that it objects to.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import { format, type Millis } from "../core/Millis.ts"
import * as Bounds from "./Bounds.ts"
import type * as GuardPolicy from "./GuardPolicy.ts"
import type { Path } from "./InvalidPolicy.ts"
import type * as Policy from "./Policy.ts"
import type * as ResendPolicy from "./ResendPolicy.ts"

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

const { isThere } = Bounds

const when = (holds: boolean, objection: () => Objection): ReadonlyArray<Objection> => holds ? [objection()] : []

const attemptTimeoutOverDeadline: Rule = {
  id: "attempt-timeout-over-deadline",
  severity: "error",
  about: "An attempt may take as long as the whole call, so a slow one is never followed by another.",
  check: ({ bounds, policy }) => {
    const [limit, deadline] = [Bounds.attemptLimit(policy), Bounds.deadline(policy)]
    return when(Number.isFinite(limit) && limit >= deadline && (bounds.attempts > 1 || limit > deadline), () => ({
      path: ["attemptTimeout"],
      message: `an attempt may take ${format(limit)}, and the call ${format(deadline)}`,
      advice: `make it shorter than ${format(deadline)} divided by the ${bounds.attempts} attempts of a call`
    }))
  }
}

const worstCaseOverDeadline: Rule = {
  id: "worst-case-over-deadline",
  severity: "warning",
  about: "The attempts and the waits between them take longer than the deadline, where each takes as long as it may.",
  check: ({ bounds, policy }) => {
    const deadline = Bounds.deadline(policy)
    const limit = Bounds.attemptLimit(policy)
    if (!Number.isFinite(deadline) || bounds.attempts === 1 || limit >= deadline) return []
    const whole = Option.getOrElse(bounds.undisturbed, () => Infinity)
    const begins = Option.getOrElse(bounds.lastBegins, () => Infinity)
    const long = (millis: Millis) => Number.isFinite(millis) ? format(millis) : "longer than anything"
    if (begins >= deadline) {
      return [{
        path: ["deadline"],
        message: `attempt ${bounds.attempts} can begin as late as after ${long(begins)}, and the call ends after ${format(deadline)}`,
        advice: "make the deadline longer, the attempt timeout, the waits or the lines shorter, or allow fewer attempts"
      }]
    }
    return when(whole > deadline, () => ({
      path: ["deadline"],
      message: `all attempts can take ${long(whole)}, so the last may be cut off after ${format(deadline - begins)}`,
      advice: "make the deadline longer, or the attempt timeout shorter",
      severity: "info"
    }))
  }
}

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

const breakerWindowTooShort: Rule = {
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

const minimumCallsUnreachable: Rule = {
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

const leaseUnderAttemptTimeout: Rule = {
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

const retryWithoutBudget: Rule = {
  id: "resend-without-budget",
  severity: "warning",
  about: "Nothing limits resends while the other side is down, and each call becomes as many requests as it has attempts.",
  check: ({ bounds }) =>
    when(bounds.attempts > 1 && bounds.resendsPerSecond === Infinity, () => ({
      path: ["budget"],
      message: `a call is up to ${bounds.attempts} requests while the other side is down`,
      advice: "leave it out, or give it a kind: \"ratio\", \"throttle\" or \"quota\""
    }))
}

const resendRecklessly: Rule = {
  id: "resend-of-non-idempotent",
  severity: "error",
  about: "Requests that are not idempotent are sent again, and what they do is done twice.",
  check: ({ policy: { hedge, retry } }) =>
    ([["retry", retry], ["hedge", hedge]] as const).flatMap(([field, given]) =>
      when(isThere(given) && given.resend === "recklessly" && (given.maxAttempts ?? 3) > 1, () => ({
        path: [field, "resend"],
        message: field === "hedge"
          ? "a POST is sent twice though nothing has failed"
          : "a POST is sent again though the first may have been acted on",
        advice: "leave it out, and give such requests an `idempotencyKey` that the other side honours"
      }))
    )
}

const keyNotRecognised: Rule = {
  id: "key-not-recognised",
  severity: "error",
  about: "Calls are given a key under a name that the retry does not know, so they are not sent again for it.",
  check: ({ policy: { hedge, idempotencyKey, retry } }) => {
    if (!isThere(idempotencyKey)) return []
    const name = (idempotencyKey.header ?? "Idempotency-Key").toLowerCase()
    return ([["retry", retry], ["hedge", hedge]] as const).flatMap(([field, given]) => {
      const known = isThere(given) ? given.keyHeaders : undefined
      return when(known !== undefined && !known.some((each) => each.toLowerCase() === name), () => ({
        path: [field, "keyHeaders"],
        message: `${idempotencyKey.header ?? "Idempotency-Key"} is not among them`,
        advice: "add it, or leave `keyHeaders` out: the header of the `idempotencyKey` is known without it"
      }))
    })
  }
}

/** The backoffs of a policy and where they stand; that of a breaker too. */
const backoffs = ({ circuitBreaker, retry }: Policy.Policy): ReadonlyArray<readonly [ResendPolicy.Backoff, Path]> => {
  const found: Array<readonly [ResendPolicy.Backoff, Path]> = []
  if (isThere(retry)) {
    if (retry.backoff !== undefined) found.push([retry.backoff, ["retry", "backoff"]])
    for (const [kind, given] of Object.entries<ResendPolicy.Case | "none">({ ...retry.byFailure })) {
      if (given !== "none" && given.backoff !== undefined) found.push([given.backoff, ["retry", "byFailure", kind, "backoff"]])
    }
  }
  if (isThere(circuitBreaker) && typeof circuitBreaker.openDuration === "object") {
    found.push([circuitBreaker.openDuration, ["circuitBreaker", "openDuration"]])
  }
  return found
}

const noJitter: Rule = {
  id: "no-jitter",
  severity: "warning",
  about: "Callers that failed at the same time come back at the same time, and fail again.",
  check: ({ bounds, policy }) =>
    backoffs(policy).flatMap(([backoff, path]) =>
      // A breaker waits for itself alone, and has one probe.
      when(bounds.attempts > 1 && path[0] === "retry" && backoff.kind !== "decorrelated" && backoff.jitter === "none" && longest(backoff) > 0, () => ({
        path: [...path, "jitter"],
        message: "all callers wait equally long",
        advice: "leave it out, which is \"full\", or say \"equal\" where a least wait is wanted"
      }))
    )
}

const longest = (backoff: ResendPolicy.Backoff): Millis => backoff.kind === "constant" ? backoff.delay : backoff.base

const noWait: Rule = {
  id: "no-wait",
  severity: "warning",
  about: "A resend follows at once, into what has just failed.",
  check: ({ bounds, policy }) =>
    backoffs(policy).flatMap(([backoff, path]) =>
      when(bounds.attempts > 1 && longest(backoff) === 0, () => ({
        path: [...path, "delay"],
        message: "there is no wait between attempts",
        advice: "wait at least some 10 ms, or let an `endpoints` send the next attempt elsewhere"
      }))
    )
}

const hintIgnored: Rule = {
  id: "retry-after-ignored",
  severity: "warning",
  about: "The other side says when to come back, and is not listened to.",
  check: ({ bounds, policy: { retry } }) =>
    when(bounds.attempts > 1 && isThere(retry) && retry.retryAfter === "ignore", () => ({
      path: ["retry", "retryAfter"],
      message: "a Retry-After is not looked at",
      advice: "leave it out, or bound it with `atMost`"
    }))
}

const unreachableCase: Rule = {
  id: "case-never-reached",
  severity: "warning",
  about: "One kind of failure is allowed more attempts than all of them.",
  check: ({ policy: { retry } }) => {
    if (!isThere(retry)) return []
    const { byFailure, maxAttempts = 3 } = retry
    return Object.entries<ResendPolicy.Case | "none">({ ...byFailure }).flatMap(([kind, given]) =>
      when(given !== "none" && (given.maxAttempts ?? 0) > maxAttempts, () => ({
        path: ["retry", "byFailure", kind, "maxAttempts"],
        message: `it allows ${given === "none" ? 0 : given.maxAttempts} attempts, and the retry ${maxAttempts}`,
        advice: `make it at most ${maxAttempts}, or the \`maxAttempts\` of the retry larger`
      }))
    )
  }
}

const retryOutsideRetry: Rule = {
  id: "retry-outside-retry",
  severity: "error",
  about: "What a retry inside has given up is begun anew, and the attempts of both multiply.",
  check: ({ bounds, policy: { retry } }) =>
    when(isThere(retry) && retry.givenUp === "recklessly" && bounds.attempts > 1, () => ({
      path: ["retry", "givenUp"],
      message: `each attempt of a retry inside is made up to ${bounds.attempts} times`,
      advice: "leave it out, and retry in one place"
    }))
}

const hedgeNeverBegins: Rule = {
  id: "hedge-never-begins",
  severity: "error",
  about: "A hedge waits as long as an attempt may take, so it never begins beside one.",
  check: ({ policy }) => {
    const { hedge } = policy
    if (!isThere(hedge)) return []
    const { delay } = hedge
    const wait = typeof delay === "number" ? delay : delay.fallback
    const limit = Math.min(Bounds.attemptLimit(policy), Bounds.deadline(policy))
    return when(wait >= limit, () => ({
      path: typeof delay === "number" ? ["hedge", "delay"] : ["hedge", "delay", "fallback"],
      message: `it waits ${format(wait)}, and an attempt may take ${format(limit)}`,
      advice: "make it about as long as the slowest twentieth of attempts takes"
    }))
  }
}

const unbounded: Rule = {
  id: "unbounded",
  severity: "warning",
  about: "Something may take, or hold, as much as there is.",
  check: ({ policy }) => {
    const [limit, deadline] = [Bounds.attemptLimit(policy), Bounds.deadline(policy)]
    const { adaptiveLimit, bulkhead } = policy
    return [
      ...when(deadline === Infinity, () => ({
        path: ["deadline"],
        message: limit === Infinity ? "a call may take for ever" : "nothing bounds the call as a whole, nor the reading of its body",
        advice: "give it a deadline",
        severity: limit === Infinity ? "error" : "warning"
      })),
      ...when(limit === Infinity && deadline < Infinity, () => ({
        path: ["attemptTimeout"],
        message: `one attempt that hangs takes all ${format(deadline)} of the call`,
        advice: "give it an attempt timeout that leaves time for another attempt"
      })),
      ...([["bulkhead", bulkhead], ["adaptiveLimit", adaptiveLimit]] as const).flatMap(([field, guard]) =>
        when(isThere(guard) && (guard.queue ?? 0) > 0 && guard.maxWait === undefined && deadline === Infinity, () => ({
          path: [field, "maxWait"],
          message: "a call may wait in the line for ever",
          advice: "give it a `maxWait`, or the call a deadline"
        }))
      )
    ]
  }
}

const fallbackHidesMistakes: Rule = {
  id: "fallback-hides-mistakes",
  severity: "warning",
  about: "A fallback takes the place of failures that are mistakes of the caller, or a breach of trust.",
  check: ({ policy: { fallback } }) => {
    if (!isThere(fallback)) return []
    const hidden = (fallback.on ?? []).filter((kind) => ["Refused", "Untrusted", "Malformed", "Unknown"].includes(kind))
    return when(hidden.length > 0, () => ({
      path: ["fallback", "on"],
      message: `nobody sees that there was ${hidden.join(" or ")}`,
      advice: "leave it out, which is outages only"
    }))
  }
}

/**
 * All rules, in the order in which their findings are told.
 *
 * @since 0.1.0
 * @category rules
 */
export const all: ReadonlyArray<Rule> = [
  attemptTimeoutOverDeadline,
  worstCaseOverDeadline,
  unbounded,
  breakerWindowTooShort,
  minimumCallsUnreachable,
  leaseUnderAttemptTimeout,
  retryWithoutBudget,
  resendRecklessly,
  keyNotRecognised,
  retryOutsideRetry,
  noJitter,
  noWait,
  hintIgnored,
  unreachableCase,
  hedgeNeverBegins,
  fallbackHidesMistakes
]
