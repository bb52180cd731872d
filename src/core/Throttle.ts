/**
 * Client-side throttling, as the SRE book has it: a client that has many of its requests rejected rejects some itself.
 *
 * In a window the calls that were made (`requests`) and those that the other side accepted (`accepts`) are counted. A call is rejected
 * with the probability `max(0, (requests - k * accepts) / (requests + 1))`: none as long as one in k is accepted, and of a peer that
 * accepts nothing almost all. A call that was rejected here is a request as well, so it goes on until the peer accepts more.
 * (Beyer and others, Site Reliability Engineering, chapter 21, equation 21-1.)
 *
 * A request is counted when it is made and not when it ends: a peer that answers late is left alone no later for it.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import type * as Failure from "./Failure.ts"
import { durationMillis, integerIn, numberIn } from "./InvalidOption.ts"
import type { Millis } from "./Millis.ts"
import { maxDelay } from "./Millis.ts"
import type * as Outcome from "./Outcome.ts"
import * as Window from "./Window.ts"

/**
 * How much is rejected, and when.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * How many calls are made for each that the peer accepts. 1 or more: with 2 the peer still sees as many that it rejects as it
   * accepts, and so do we see when it is better; a lower one spares it more. Default: 2.
   */
  readonly k?: number | undefined
  /** How much of the past is looked at. Default: 2 minutes. */
  readonly window?: Duration.DurationInput | undefined
  /** Nothing is rejected while there are fewer calls than these in the window. 0 or more. Default: 10. */
  readonly minimumRequests?: number | undefined
  /**
   * The largest probability, above 0 and up to 1. What is sent all the same is how it is noticed that the peer is back: the less that
   * is, the longer it takes. Default: 0.9.
   */
  readonly rejectAtMost?: number | undefined
  /** When nothing has been sent for so long, the next call is: so a client that calls less often is not held back. Default: 1 s. */
  readonly sendEvery?: Duration.DurationInput | undefined
}

/**
 * Options that have been checked.
 *
 * @since 0.1.0
 * @category models
 */
export interface Settings {
  readonly k: number
  readonly minimumRequests: number
  readonly rejectAtMost: number
  readonly sendEvery: Millis
  readonly empty: Window.Window
  readonly window: Millis
}

const where = "AdaptiveThrottle.make"

/**
 * Checks options, and fills in the defaults.
 *
 * @since 0.1.0
 * @category constructors
 */
export const settings = (options: Options = {}): Settings => {
  const window = durationMillis(where, "window", options.window ?? "2 minutes", { minExclusive: 0, max: maxDelay })
  return {
    k: numberIn(where, "k", options.k ?? 2, { min: 1 }),
    minimumRequests: integerIn(where, "minimumRequests", options.minimumRequests ?? 10, { min: 0 }),
    rejectAtMost: numberIn(where, "rejectAtMost", options.rejectAtMost ?? 0.9, { minExclusive: 0, max: 1 }),
    sendEvery: durationMillis(where, "sendEvery", options.sendEvery ?? "1 second", { minExclusive: 0, max: maxDelay }),
    empty: Window.make(where, { duration: window }),
    window
  }
}

/**
 * What has been counted.
 *
 * @since 0.1.0
 * @category models
 */
export interface State {
  /** Each call when it is made. */
  readonly made: Window.Window
  /** Each that says something about the peer, or says that it says nothing (a "failure" of this window), when it ends. */
  readonly ended: Window.Window
  readonly sentAt: Millis
}

/**
 * Nothing counted.
 *
 * @since 0.1.0
 * @category constructors
 */
export const initial = ({ empty }: Settings): State => ({ made: empty, ended: empty, sentAt: -Infinity })

/**
 * What there is to decide on.
 *
 * @since 0.1.0
 * @category models
 */
export interface Odds {
  /** With which the next call is rejected: from 0 to `rejectAtMost`, and below 1. */
  readonly probability: number
  readonly requests: number
  readonly accepts: number
}

/**
 * With which probability a call is rejected now.
 *
 * **Example** (Ten calls, two of them accepted)
 *
 * ```ts
 * import { Outcome, Throttle } from "effect-resilience"
 *
 * const settings = Throttle.settings()
 * let state = Throttle.initial(settings)
 * for (let i = 0; i < 10; i++) state = Throttle.sent(state, 0)
 * for (let i = 0; i < 2; i++) state = Throttle.record(state, Outcome.success, 0)
 *
 * Throttle.odds(settings, state, 0) // => { probability: 6 / 11, requests: 10, accepts: 2 }
 * ```
 *
 * @since 0.1.0
 * @category getters
 */
export const odds = ({ k, minimumRequests, rejectAtMost, sendEvery }: Settings, state: State, now: Millis): Odds => {
  const made = Window.counts(state.made, now)
  const { calls, failures: unknown } = Window.counts(state.ended, now)
  const accepts = calls - unknown
  const requests = Math.max(made.calls - unknown, 0)
  // A clock that was set back has sent nothing yet.
  const isDue = !(now >= state.sentAt && now - state.sentAt < sendEvery)
  if (isDue || requests < minimumRequests) return { probability: 0, requests, accepts }
  const formula = (requests - k * accepts) / (requests + 1)
  return { probability: Math.min(Math.max(0, formula), rejectAtMost), requests, accepts }
}

/**
 * Counts a call that is sent.
 *
 * @since 0.1.0
 * @category steps
 */
export const sent = (state: State, now: Millis): State => ({ made: Window.add(state.made, mark, now), ended: state.ended, sentAt: now })

/**
 * Counts a call that is rejected here.
 *
 * @since 0.1.0
 * @category steps
 */
export const rejected = (state: State, now: Millis): State => ({
  made: Window.add(state.made, mark, now),
  ended: state.ended,
  sentAt: state.sentAt
})

/**
 * Counts what came of a call that was sent.
 *
 * @since 0.1.0
 * @category steps
 */
export const record = (state: State, outcome: Outcome.Outcome, now: Millis): State => {
  const verdict = judge(outcome)
  if (verdict === "rejected") return state
  return { made: state.made, ended: Window.add(state.ended, verdict === "accepted" ? mark : unsaid, now), sentAt: state.sentAt }
}

const mark: Window.Mark = { failed: false, slow: false }
const unsaid: Window.Mark = { failed: true, slow: false }

/**
 * What an outcome says about the peer: it has accepted the call, which it can have answered with an error; it has not, for it is
 * overloaded or away; or nothing, as where a call is interrupted or rejected by a guard of our own. Of the last kind are calls as if
 * they had not been made.
 *
 * @since 0.1.0
 * @category getters
 */
export const judge = (outcome: Outcome.Outcome): "accepted" | "rejected" | "unknown" => {
  if (outcome._tag === "Success") return "accepted"
  return outcome._tag === "Ignored" ? "unknown" : ofFailure(outcome.failure)
}

const ofFailure = (failure: Failure.Failure): "accepted" | "rejected" | "unknown" => {
  switch (failure._tag) {
    case "Throttled":
    case "Unavailable":
    case "ConnectFailure":
    case "ConnectionLost":
    case "AttemptTimedOut":
      return "rejected"
    case "RpcFailure":
      return failure.code === "UNAVAILABLE" || failure.code === "RESOURCE_EXHAUSTED" ? "rejected" : "accepted"
    case "Refused":
    case "ServerFault":
      return "accepted"
    case "Malformed":
      return failure.what === "response" ? "accepted" : "unknown"
    default:
      return "unknown"
  }
}
