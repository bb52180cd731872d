/**
 * A circuit breaker as arithmetic: a state, and two steps from one state to the next.
 *
 * `admit` says whether a call may be sent and, if so, gives it a ticket; `record` says what came of it. A ticket belongs to the
 * state in which it was given: each change of state begins a new generation, and what an earlier one has to say is not heard. In
 * half-open a ticket is the lease of a probe: it ends when its result is recorded, whatever that is, or else with time, so no probe
 * that is lost keeps the breaker where it is.
 *
 * `now` should be a clock that is never set. One that stands still or goes back does no harm: what was to last so long lasts at
 * most so long from then on.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Backoff from "./Backoff.ts"
import * as Failure from "./Failure.ts"
import * as Health from "./Health.ts"
import { durationMillis, integerIn, InvalidOption, nonEmpty } from "./InvalidOption.ts"
import type { Millis } from "./Millis.ts"
import type * as Outcome from "./Outcome.ts"
import * as TripPolicy from "./TripPolicy.ts"

/**
 * How a breaker works.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** When it opens. Default: `rate()`, which is 50 % of at least 10 outcomes in 30 s. */
  readonly tripPolicy?: TripPolicy.TripPolicy | undefined
  /**
   * How long it stays open: always so long, or the delays of a backoff, or these, by the number of openings in a row. Of a jittered
   * backoff, the longest; of delays, the last one from there on. Default: 5 s, doubling, up to 60 s.
   */
  readonly openDuration?: Duration.DurationInput | Backoff.Backoff | Delays | undefined
  /** The most that a `Retry-After` of the failure that opened it can make of that. Default: 5 minutes. */
  readonly retryAfterAtMost?: Duration.DurationInput | undefined
  /** How many probes may be on their way at once when half open. 1 or more. Default: 1. */
  readonly probes?: number | undefined
  /** How many probes must succeed to close it. 1 or more. Default: 1. */
  readonly successes?: number | undefined
  /** After how long a probe that has not come back may be replaced. Default: 30 s. */
  readonly lease?: Duration.DurationInput | undefined
  /** For how long after closing only a share of the calls is admitted, growing from a tenth to all. Default: 0, all at once. */
  readonly rampUp?: Duration.DurationInput | undefined
}

/**
 * Delays in ms, one after the other, each from 1 ms on. At least one.
 *
 * @since 0.1.0
 * @category models
 */
export interface Delays {
  readonly delays: ReadonlyArray<Millis>
}

/**
 * Options that have been checked.
 *
 * @since 0.1.0
 * @category models
 */
export interface Settings {
  readonly tripPolicy: TripPolicy.TripPolicy
  readonly openDuration: Backoff.Backoff | Delays
  readonly retryAfterAtMost: Millis
  readonly probes: number
  readonly successes: number
  readonly lease: Millis
  readonly rampUp: Millis
}

const growing = Backoff.capped(Backoff.exponential("5 seconds"), "60 seconds")
const positive = { minExclusive: 0 }
const where = "CircuitBreaker.make"

/**
 * Checks options, and fills in the defaults.
 *
 * @since 0.1.0
 * @category constructors
 */
export const settings = (options: Options = {}): Settings => ({
  tripPolicy: options.tripPolicy ?? TripPolicy.rate(),
  openDuration: openDuration(options.openDuration ?? growing),
  retryAfterAtMost: durationMillis(where, "retryAfterAtMost", options.retryAfterAtMost ?? "5 minutes"),
  probes: integerIn(where, "probes", options.probes ?? 1, { min: 1 }),
  successes: integerIn(where, "successes", options.successes ?? 1, { min: 1 }),
  lease: durationMillis(where, "lease", options.lease ?? "30 seconds", positive),
  rampUp: durationMillis(where, "rampUp", options.rampUp ?? 0)
})

const openDuration = (given: Duration.DurationInput | Backoff.Backoff | Delays): Backoff.Backoff | Delays => {
  if (isDelays(given)) {
    nonEmpty(where, "openDuration", given.delays)
    return { delays: given.delays.map((delay) => durationMillis(where, "openDuration", delay, { min: 1 })) }
  }
  if (!Backoff.isBackoff(given)) return Backoff.constant(durationMillis(where, "openDuration", given, { min: 1 }))
  const { atMost } = Backoff.bounds(given, { index: 0 })
  if (atMost >= 1) return given
  throw new InvalidOption({ where, option: "openDuration", value: atMost, requirement: "a backoff from 1 ms on" })
}

const isDelays = (given: Duration.DurationInput | Backoff.Backoff | Delays): given is Delays =>
  typeof given === "object" && "delays" in given

const openFor = (given: Backoff.Backoff | Delays, openings: number): Millis =>
  Backoff.isBackoff(given)
    ? Backoff.bounds(given, { index: openings - 1 }).atMost
    : given.delays[Math.min(openings, given.delays.length) - 1] ?? 0

/** Calls pass and are counted. @since 0.1.0 @category models */
export interface Closed {
  readonly _tag: "Closed"
  readonly generation: number
  readonly since: Millis
  /** How often it has opened in a row, and for how long the last time. 0 for one that has always been closed. */
  readonly openings: number
  readonly lastOpen: Millis
  readonly evidence: TripPolicy.Evidence
  /** While calls are let in again by and by: the share of the next call that earlier ones have left over. */
  readonly ramp: Option.Option<number>
}

/** Calls are rejected until an instant. @since 0.1.0 @category models */
export interface Open {
  readonly _tag: "Open"
  readonly generation: number
  readonly since: Millis
  readonly until: Millis
  readonly openings: number
  /** In a few words. */
  readonly because: string
}

/** A few calls pass, as probes. @since 0.1.0 @category models */
export interface HalfOpen {
  readonly _tag: "HalfOpen"
  readonly generation: number
  readonly openings: number
  readonly lastOpen: Millis
  readonly successes: number
  /** How many probes have been sent in all. */
  readonly sent: number
  readonly leases: ReadonlyArray<{ readonly probe: number; readonly until: Millis }>
}

/** Calls are rejected until somebody resets it. @since 0.1.0 @category models */
export interface Isolated {
  readonly _tag: "Isolated"
  readonly generation: number
}

/**
 * The state of a breaker.
 *
 * @since 0.1.0
 * @category models
 */
export type State = Closed | Open | HalfOpen | Isolated

/**
 * The right to send one call, and the duty to record what came of it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Ticket {
  readonly generation: number
  readonly startedAt: Millis
  /** The number of the probe that it is, counted from 1; `None` for a call through a closed breaker. */
  readonly probe: Option.Option<number>
}

/** Why a call was rejected. @since 0.1.0 @category models */
export type Reason = "Open" | "Probing" | "Isolated" | "Ramping"

/**
 * The answer to a call that wants to be sent.
 *
 * @since 0.1.0
 * @category models
 */
export type Answer =
  | { readonly _tag: "Admitted"; readonly ticket: Ticket }
  | {
    readonly _tag: "Rejected"
    readonly because: Reason
    /** In how many ms the next call may be admitted, where that is known. */
    readonly retryAfter: Option.Option<Millis>
  }

/**
 * The state of a breaker that has seen nothing. A generation above all that went before keeps their tickets from counting.
 *
 * @since 0.1.0
 * @category constructors
 */
export const initial = (settings: Settings, now: Millis, generation = 0): Closed => ({
  _tag: "Closed",
  generation,
  since: now,
  openings: 0,
  lastOpen: 0,
  evidence: TripPolicy.begin(settings.tripPolicy),
  ramp: Option.none()
})

/**
 * The state that rejects every call, until it is replaced by an `initial` one of a later generation.
 *
 * @since 0.1.0
 * @category constructors
 */
export const isolated = (generation: number): Isolated => ({ _tag: "Isolated", generation })

const reject = (because: Reason, retryAfter: Option.Option<Millis> = Option.none()): Answer => ({
  _tag: "Rejected",
  because,
  retryAfter
})

/**
 * The ticket of a call that is sent through a closed breaker, which asking does not change; `undefined` where `admit` has to be asked.
 *
 * @since 0.1.0
 * @category admitting
 */
export const pass = (state: State, now: Millis): Ticket | undefined =>
  state._tag === "Closed" && Option.isNone(state.ramp) ? through(state, now) : undefined

const through = ({ generation }: Closed, startedAt: Millis): Ticket => ({ generation, startedAt, probe: Option.none() })

/**
 * Says whether a call may be sent now, and what the state is then.
 *
 * @since 0.1.0
 * @category admitting
 */
export const admit = (settings: Settings, state: State, now: Millis): readonly [answer: Answer, state: State] => {
  switch (state._tag) {
    case "Closed":
      return Option.isNone(state.ramp)
        ? [{ _tag: "Admitted", ticket: through(state, now) }, state]
        : admitShare(settings, state, state.ramp.value, now)
    case "Open": {
      const open = now < state.since ? { ...state, since: now, until: now + state.until - state.since } : state
      return now < open.until
        ? [reject("Open", Option.some(open.until - now)), open]
        : probe(settings, halfOpen(open), now)
    }
    case "HalfOpen":
      return probe(settings, state, now)
    case "Isolated":
      return [reject("Isolated"), state]
  }
}

const halfOpen = ({ generation, openings, since, until }: Open): HalfOpen => ({
  _tag: "HalfOpen",
  generation: generation + 1,
  openings,
  lastOpen: until - since,
  successes: 0,
  sent: 0,
  leases: []
})

const probe = (settings: Settings, state: HalfOpen, now: Millis): readonly [Answer, State] => {
  const end = now + settings.lease
  // None ends later than one that begins now: a clock that was set back makes no lease longer.
  const leases = state.leases.flatMap(({ probe, until }) => until <= now ? [] : [{ probe, until: Math.min(until, end) }])
  if (leases.length >= settings.probes) return [reject("Probing"), { ...state, leases }]
  const sent = state.sent + 1
  return [
    { _tag: "Admitted", ticket: { generation: state.generation, startedAt: now, probe: Option.some(sent) } },
    { ...state, sent, leases: [...leases, { probe: sent, until: end }] }
  ]
}

const smallestShare = 0.1

/** At a share of 0.3 it admits the 4th call, the 7th, the 10th: without chance, and at worst one of eleven. */
const admitShare = (settings: Settings, state: Closed, left: number, now: Millis): readonly [Answer, State] => {
  const since = Math.min(state.since, now)
  const share = Math.max(smallestShare, (now - since) / settings.rampUp)
  const ticket = through(state, now)
  if (share >= 1) return [{ _tag: "Admitted", ticket }, { ...state, ramp: Option.none() }]
  const credit = left + share
  return credit >= 1
    ? [{ _tag: "Admitted", ticket }, { ...state, since, ramp: Option.some(credit - 1) }]
    : [reject("Ramping"), { ...state, since, ramp: Option.some(credit) }]
}

/**
 * Says what came of a call that was admitted, and what the state is then. To be called once for each ticket; what is recorded of
 * an earlier generation, or of a probe that was replaced, changes nothing.
 *
 * @since 0.1.0
 * @category recording
 */
export const record = (settings: Settings, state: State, ticket: Ticket, outcome: Outcome.Outcome, now: Millis): State => {
  if (ticket.generation !== state.generation) return state
  const said = Health.of(outcome)
  const took = Math.max(0, now - ticket.startedAt)
  switch (state._tag) {
    case "Closed": {
      if (said === "Ignored") return state
      const evidence = TripPolicy.add(state.evidence, said === "Failed", took, now)
      if (evidence === state.evidence) return state
      const because = TripPolicy.verdict(evidence, now)
      if (because === undefined) return learned(state, evidence)
      // It has flapped where it was closed for less long than it had been open.
      const openings = now - state.since < state.lastOpen ? state.openings + 1 : 1
      return open(settings, state, openings, because, outcome, now)
    }
    case "HalfOpen": {
      const leases = state.leases.filter(({ probe }) => !Option.contains(ticket.probe, probe))
      if (leases.length === state.leases.length) return state
      if (said === "Ignored") return { ...state, leases }
      const slow = TripPolicy.isSlow(settings.tripPolicy, took)
      if (said === "Failed" || slow) {
        return open(settings, state, state.openings + 1, slow ? "a slow probe" : "a failed probe", outcome, now)
      }
      const successes = state.successes + 1
      return successes < settings.successes ? { ...state, successes, leases } : {
        ...initial(settings, now, state.generation + 1),
        openings: state.openings,
        lastOpen: state.lastOpen,
        ramp: settings.rampUp > 0 ? Option.some(0) : Option.none()
      }
    }
    default:
      return state
  }
}

/**
 * Tells whether to record this is to count one more success of a closed breaker, which any number of others may follow before it is
 * counted: whoever keeps the state may keep their number beside it, and add them when something else happens (`addSuccesses`).
 *
 * @since 0.1.0
 * @category recording
 */
export const canWait = (settings: Settings, state: State, ticket: Ticket, outcome: Outcome.Outcome, now: Millis): boolean =>
  state._tag === "Closed" &&
  ticket.generation === state.generation &&
  Health.of(outcome) === "Success" &&
  !TripPolicy.isSlow(settings.tripPolicy, now - ticket.startedAt) &&
  TripPolicy.canWait(state.evidence, now)

/**
 * The state when so many successes have been recorded, of which each could wait (`canWait`).
 *
 * @since 0.1.0
 * @category recording
 */
export const addSuccesses = (state: State, successes: number): State =>
  state._tag === "Closed" && successes > 0 ? learned(state, TripPolicy.addSuccesses(state.evidence, successes)) : state

/** Written out: this is on the success path, and spreading costs twice as much. */
const learned = ({ generation, lastOpen, openings, ramp, since }: Closed, evidence: TripPolicy.Evidence): Closed => ({
  _tag: "Closed",
  generation,
  since,
  openings,
  lastOpen,
  evidence,
  ramp
})

const open = (
  settings: Settings,
  { generation }: State,
  openings: number,
  because: string,
  outcome: Outcome.Outcome,
  now: Millis
): Open => {
  const own = openFor(settings.openDuration, openings)
  const hint = outcome._tag === "Failed" ? Option.getOrElse(Failure.retryAfter(outcome.failure), () => 0) : 0
  const length = Math.max(own, Math.min(hint, settings.retryAfterAtMost))
  return { _tag: "Open", generation: generation + 1, since: now, until: now + length, openings, because }
}

/**
 * The state as it is now: an open breaker whose time is over is half open, though no call has come yet.
 *
 * @since 0.1.0
 * @category getters
 */
export const current = (state: State, now: Millis): State =>
  state._tag === "Open" && now >= state.until ? halfOpen(state) : state
