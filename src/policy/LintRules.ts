/**
 * The rules that policies are checked against.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import { format, type Millis } from "../core/Millis.ts"
import * as Bounds from "./Bounds.ts"
import * as BreakerRules from "./BreakerRules.ts"
import * as Effective from "./Effective.ts"
import type { Path } from "./InvalidPolicy.ts"
import { type Rule, when } from "./LintRule.ts"
import type * as Policy from "./Policy.ts"
import type * as ResendPolicy from "./ResendPolicy.ts"

const { isThere } = Effective

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

/** The retry and the hedge, where they are. */
const resending = ({ hedge, retry }: Pick<Policy.Policy, "hedge" | "retry">) =>
  ([["retry", retry], ["hedge", hedge]] as const).flatMap(([field, given]) => isThere(given) ? [[field, given] as const] : [])

const resendRecklessly: Rule = {
  id: "resend-of-non-idempotent",
  severity: "error",
  about: "Requests that are not idempotent are sent again, and what they do is done twice.",
  check: ({ policy }) =>
    resending(policy).flatMap(([field, given]) =>
      when(given.resend === "recklessly" && (given.maxAttempts ?? 3) > 1, () => ({
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
  check: ({ policy }) => {
    const { idempotencyKey } = policy
    if (!isThere(idempotencyKey)) return []
    const name = (idempotencyKey.header ?? "Idempotency-Key").toLowerCase()
    return resending(policy).flatMap(([field, { keyHeaders: known }]) =>
      when(known !== undefined && !known.some((each) => each.toLowerCase() === name), () => ({
        path: [field, "keyHeaders"],
        message: `${idempotencyKey.header ?? "Idempotency-Key"} is not among them`,
        advice: "add it, or leave `keyHeaders` out: the header of the `idempotencyKey` is known without it"
      }))
    )
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
        advice: "wait some 10 ms at least"
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
  BreakerRules.windowTooShort,
  BreakerRules.minimumCallsUnreachable,
  BreakerRules.leaseTooShort,
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
