/**
 * When to send again, as plain Effect schedules over failures.
 *
 * A retry schedule is a `Schedule.Schedule<unknown, Failure, R>`: its input is the classified failure, it holds no state of its
 * own, and one value serves any number of services at once. Every schedule of Effect is one. Those made here also say why they
 * propose what they propose, which is what events, spans and explanations print.
 *
 * | schedule | proposes, in ms |
 * | --- | --- |
 * | `standard` | 0..100, 0..200, 0..400, ... 0..20000 (throttled: 0..500, 0..1000, ... 0..20000), never less than the server asks |
 * | `fromBackoff(Backoff.constant("1 second"))` | 1000, 1000, 1000, ... |
 * | `none` | nothing |
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as ScheduleDecision from "effect/ScheduleDecision"
import * as ScheduleInterval from "effect/ScheduleInterval"
import * as ScheduleIntervals from "effect/ScheduleIntervals"
import type { Millis } from "../core/Millis.ts"
import * as Backoff from "../core/Backoff.ts"
import * as Decision from "../core/Decision.ts"
import type * as Failure from "../core/Failure.ts"
import { durationMillis, integerIn, numberIn } from "../core/InvalidOption.ts"
import * as Immediate from "./Immediate.ts"

/**
 * A schedule that proposes delays after failures.
 *
 * @since 0.1.0
 * @category models
 */
export type RetrySchedule<R = never> = Schedule.Schedule<unknown, Failure.Failure, R>

/** What a schedule of this module does before it says so in intervals: its next state, and what it proposes. */
type Propose<in In, out R> = (now: Millis, input: In, state: unknown) => Effect.Effect<Proposed, never, R>

type Proposed<S = unknown> = readonly [state: S, proposal: Decision.Proposal]

/** A schedule of this module: what it puts out is what it proposes, with the reason. */
interface Proposing<in In, out R = never> extends Schedule.Schedule<Decision.Proposal, In, R> {
  readonly [propose]?: Propose<In, R>
}

const propose: unique symbol = Symbol.for("effect-resilience/RetrySchedule/propose")

/** A plain schedule, and beside it what it does: for who asks `step`, the intervals need not be made and read again. */
const make = <In, R, S>(
  initial: S,
  own: (now: Millis, input: In, state: S) => Effect.Effect<Proposed<S>, never, R>
): Proposing<In, R> =>
  Object.assign(
    Schedule.makeWithState(initial, (now, input: In, state: S) =>
      Effect.map(own(now, input, state), ([next, proposal]) => answer(next, proposal, now))),
    // Given only the states that it has given itself: those are of its type.
    { [propose]: own as Propose<In, R> }
  )

const answer = <S>(
  state: S,
  proposal: Decision.Proposal,
  now: Millis
): readonly [S, Decision.Proposal, ScheduleDecision.ScheduleDecision] => [
  state,
  proposal,
  proposal._tag === "Stop"
    ? ScheduleDecision.done
    : ScheduleDecision.continueWith(ScheduleInterval.after(now + proposal.delay))
]

/**
 * Asks a schedule what it proposes after a failure, and which state comes next; `Schedule.initial` is the first one.
 *
 * **Details**
 *
 * A schedule of this module says it directly, and mostly at once (the effect is an `Exit`). Of any other, `proposal` reads it.
 *
 * @since 0.1.0
 * @category stepping
 */
export const step = <In, R>(
  self: Schedule.Schedule<unknown, In, R>,
  now: Millis,
  input: In,
  state: unknown
): Effect.Effect<readonly [state: unknown, proposal: Decision.Proposal], never, R> => {
  const own = (self as Partial<Proposing<In, R>>)[propose]
  return own !== undefined
    ? own(now, input, state)
    : Effect.map(self.step(now, input, state), ([next, output, decision]) => [next, proposal(output, decision, now)])
}

const isProposal = (u: unknown): u is Decision.Proposal =>
  typeof u === "object" && u !== null && "_tag" in u && (u._tag === "Proceed" || u._tag === "Stop") && "because" in u

/** What schedules of this module say in an output: Effect's `intersect` and `union` put out pairs, of pairs perhaps. */
const said = (output: unknown): ReadonlyArray<Decision.Proposal> =>
  isProposal(output) ? [output] : Array.isArray(output) ? output.flatMap(said) : []

const hints = ["ignored", "honoured"] as const

/**
 * Reads what one step of any schedule proposes.
 *
 * **Details**
 *
 * The interval decides; what schedules of this module put out adds the reason, and what they have decided about hints and time,
 * also where Effect has combined them with others (`intersect`, `union`, `jittered`). A delay that is not a finite number, as
 * Effect's own exponential gives after a thousand steps, is the longest there is and not none.
 *
 * @since 0.1.0
 * @category stepping
 */
export const proposal = (
  output: unknown,
  decision: ScheduleDecision.ScheduleDecision,
  now: Millis
): Decision.Proposal => {
  if (ScheduleDecision.isDone(decision)) {
    return said(output).find((part) => part._tag === "Stop") ?? Decision.stop("ScheduleExhausted")
  }
  const wait = ScheduleIntervals.start(decision.intervals) - now
  const delay = Number.isFinite(wait) ? Math.min(Math.max(wait, 0), Backoff.maxDelay) : Backoff.maxDelay
  if (isProposal(output) && output._tag === "Proceed") return { ...output, delay }
  const parts = said(output).filter((part) => part._tag === "Proceed")
  const because = parts.find((part) => part.delay === delay)?.because ?? "Schedule"
  const hint = hints.find((one) => parts.some((part) => part.hint === one)) ?? "open"
  const longest = Math.min(...parts.map((part) => part.longest ?? Infinity))
  return { ...Decision.proceed(delay, because, hint), ...(longest < Infinity ? { longest } : {}) }
}

const mapProposal = <In, R, S2>(
  self: Schedule.Schedule<unknown, In, R>,
  initial: S2,
  f: (proposal: Decision.Proposal, input: In, state: S2, now: Millis) => Effect.Effect<readonly [Decision.Proposal, S2]>
): Proposing<In, R> =>
  make([self.initial, initial] as readonly [unknown, S2], (now, input: In, [inner, outer]) =>
    Immediate.flatMap(step(self, now, input, inner), ([nextInner, proposed]) =>
      Immediate.flatMap(f(proposed, input, outer, now), ([mapped, nextOuter]) =>
        Effect.succeed([[nextInner, nextOuter], mapped] as const))))

/**
 * Proposes the delays of a backoff. The draw comes from Effect's `Random`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromBackoff = (backoff: Backoff.Backoff): Proposing<unknown> => {
  const next = ({ index, previous }: Progress, draw: number): Effect.Effect<Proposed<Progress>> => {
    const delay = Backoff.delay(backoff, { index, previous, draw })
    return Effect.succeed([{ index: index + 1, previous: delay }, Decision.proceed(delay)])
  }
  const certain = backoff.jitter._tag === "None" && backoff.growth._tag !== "Decorrelated"
  return make({ index: 0, previous: 0 }, (_now, _input: unknown, state: Progress) =>
    certain ? next(state, 0) : Effect.flatMap(Random.next, (draw) => next(state, draw)))
}

/** How far a backoff has come. */
interface Progress {
  readonly index: number
  readonly previous: Millis
}

/**
 * Proposes nothing: whatever it is for is not sent again.
 *
 * @since 0.1.0
 * @category constructors
 */
export const none: Proposing<unknown> = make(undefined, () =>
  Effect.succeed([undefined, Decision.stop("ScheduleExhausted")]))

/**
 * Allows so many attempts, the first included: from 1, else it throws `InvalidOption`. Inside `byFailure` it counts the failures of
 * that kind.
 *
 * **Example** (Three attempts are two resends)
 *
 * ```ts
 * import { Backoff, Failure, RetrySchedule } from "effect-resilience"
 * import { Effect, Schedule } from "effect"
 *
 * const schedule = RetrySchedule.fromBackoff(Backoff.constant("1 second")).pipe(RetrySchedule.maxAttempts(3))
 * const busy = Failure.unavailable({ status: 503 })
 *
 * const proposals = await Effect.runPromise(Schedule.run(schedule, 0, [busy, busy, busy, busy]))
 *
 * Array.from(proposals, (proposal) => proposal._tag) // => ["Proceed", "Proceed", "Stop"]
 * ```
 *
 * @since 0.1.0
 * @category combinators
 */
export const maxAttempts: {
  /** Allows so many attempts, the first included. */
  (atMost: number): <In, R>(self: Schedule.Schedule<unknown, In, R>) => Proposing<In, R>
  /** Allows so many attempts, the first included. */
  <In, R>(self: Schedule.Schedule<unknown, In, R>, atMost: number): Proposing<In, R>
} = dual(2, <In, R>(self: Schedule.Schedule<unknown, In, R>, atMost: number): Proposing<In, R> => {
  const limit = integerIn("RetrySchedule.maxAttempts", "maxAttempts", atMost, { min: 1 })
  return mapProposal(self, 1, (proposed, _input, attempt) =>
    Effect.succeed([attempt >= limit ? Decision.stop("AttemptsExhausted") : proposed, attempt + 1]))
})

/**
 * Begins no wait that would end later than so long after the first failure: from 0, else it throws `InvalidOption`.
 *
 * **Gotchas**
 *
 * A schedule first hears of a call when its first attempt has failed. To limit the whole call, attempts included, use a deadline.
 *
 * @since 0.1.0
 * @category combinators
 */
export const during: {
  /** Begins no wait that would end later than so long after the first failure. */
  (limit: Duration.DurationInput): <In, R>(self: Schedule.Schedule<unknown, In, R>) => Proposing<In, R>
  /** Begins no wait that would end later than so long after the first failure. */
  <In, R>(self: Schedule.Schedule<unknown, In, R>, limit: Duration.DurationInput): Proposing<In, R>
} = dual(2, <In, R>(self: Schedule.Schedule<unknown, In, R>, limit: Duration.DurationInput): Proposing<In, R> => {
  const atMost = durationMillis("RetrySchedule.during", "limit", limit)
  return mapProposal(self, Option.none<Millis>(), (proposed, _input, started, now) => {
    const since = Option.getOrElse(started, () => now)
    const left = atMost - Math.max(now - since, 0)
    return Effect.succeed([within(proposed, left), Option.some(since)])
  })
})

/** A hint can still lengthen the delay, so the limit goes on with the proposal. */
const within = (self: Decision.Proposal, left: Millis): Decision.Proposal => {
  if (self._tag === "Stop") return self
  if (self.delay > left) return Decision.stop("TimeExhausted", Option.some(self.delay))
  return { ...self, longest: Math.min(self.longest ?? Infinity, left) }
}

/**
 * How server hints are honoured.
 *
 * @since 0.1.0
 * @category models
 */
export interface HonourOptions {
  /** The longest hint that is waited for, from 0; beyond it nothing more is sent. Default: 60 seconds. */
  readonly atMost?: Duration.DurationInput | undefined
  /** Lengthens a hint by a random part of itself, up to this ratio (0 to 1), to spread callers. Default: 0. */
  readonly jitter?: number | undefined
}

/**
 * Never waits less than the server asked, and gives up where it asks for too much.
 *
 * **Details**
 *
 * Every retry of this library does this by default, whatever its schedule. Say it yourself to choose another limit, to spread
 * callers with `jitter`, or for a schedule that is also stepped elsewhere.
 *
 * @since 0.1.0
 * @category combinators
 */
export const honourRetryAfter: {
  /** Never waits less than the server asked, and gives up where it asks for too much. */
  (options?: HonourOptions): <R>(self: RetrySchedule<R>) => Proposing<Failure.Failure, R>
  /** Never waits less than the server asked, and gives up where it asks for too much. */
  <R>(self: RetrySchedule<R>, options?: HonourOptions): Proposing<Failure.Failure, R>
} = dual(
  (args) => Schedule.isSchedule(args[0]),
  <R>(self: RetrySchedule<R>, options: HonourOptions = {}): Proposing<Failure.Failure, R> => {
    const atMost = durationMillis("RetrySchedule.honourRetryAfter", "atMost", options.atMost ?? Decision.defaultRetryAfterCap)
    const jitter = numberIn("RetrySchedule.honourRetryAfter", "jitter", options.jitter ?? 0, { min: 0, max: 1 })
    const draws = jitter === 0 ? Effect.succeed(0) : Random.next
    return mapProposal(self, undefined, (proposed, failure, state) =>
      Effect.map(draws, (draw) => [Decision.honour(proposed, failure, { atMost, jitter, draw }), state]))
  }
)

/**
 * Never looks at what the server asked for.
 *
 * **Gotchas**
 *
 * A peer that says when to come back means it. This is for one that is known to say nonsense.
 *
 * @since 0.1.0
 * @category combinators
 */
export const ignoreRetryAfter = <In, R>(self: Schedule.Schedule<unknown, In, R>): Proposing<In, R> =>
  mapProposal(self, undefined, (proposed, _failure, state) =>
    Effect.succeed([proposed._tag === "Stop" ? proposed : { ...proposed, hint: "ignored" }, state]))

/**
 * One schedule for each kind of failure. A kind that is not named takes `otherwise`.
 *
 * @since 0.1.0
 * @category models
 */
export type Cases<R> = {
  readonly [K in Failure.Tag]?: Schedule.Schedule<unknown, Failure.Of<K>, R> | undefined
}

/**
 * Gives each kind of failure its own schedule and limit, stepped only by failures of that kind.
 *
 * **Details**
 *
 * What is not worth another attempt (a `Refused`, say) is not sent again whatever schedule it is given here: that is a matter of
 * classification. A kind named with `none` is never sent again.
 *
 * **Example** (Timeouts 3 times after 1 s, throttling 5 times after 2 s, refused connections never, anything else as usual)
 *
 * ```ts
 * import { Failure, RetrySchedule } from "effect-resilience"
 * import { Effect, Schedule } from "effect"
 *
 * const schedule = RetrySchedule.byFailure({
 *   AttemptTimedOut: Schedule.spaced("1 second").pipe(Schedule.intersect(Schedule.recurs(3))),
 *   Throttled: Schedule.spaced("2 seconds").pipe(Schedule.intersect(Schedule.recurs(5))),
 *   ConnectFailure: RetrySchedule.none
 * })
 *
 * const proposals = await Effect.runPromise(Schedule.run(schedule, 0, [
 *   Failure.attemptTimedOut(),
 *   Failure.throttled({ status: 429 }),
 *   Failure.connectFailure("tcp", "ECONNREFUSED")
 * ]))
 *
 * Array.from(proposals, (proposal) => proposal._tag === "Proceed" ? proposal.delay : proposal.because) // => [1000, 2000, "ScheduleExhausted"]
 * ```
 *
 * @since 0.1.0
 * @category combinators
 */
export const byFailure = <R = never, R2 = never>(
  cases: Cases<R>,
  otherwise: RetrySchedule<R2> = standard as RetrySchedule<never>
): Proposing<Failure.Failure, R | R2> => {
  // Looked up by own name only, and each step is given the failures of its own tag: that is what `Cases` says.
  const named = new Map(Object.entries(cases)) as ReadonlyMap<string, RetrySchedule<R> | undefined>
  return make(new Map<string, unknown>() as ReadonlyMap<string, unknown>, (now, failure: Failure.Failure, states) => {
    const own = named.get(failure._tag)
    const schedule: RetrySchedule<R | R2> = own ?? otherwise
    const slot = own === undefined ? "" : failure._tag
    const state = states.has(slot) ? states.get(slot) : schedule.initial
    return Immediate.flatMap(step(schedule, now, failure, state), ([next, proposed]) =>
      Effect.succeed([new Map(states).set(slot, next), proposed]))
  })
}

const cap = "20 seconds"

/**
 * The default: full jitter from 100 ms (500 ms where the peer throttles), doubling up to 20 s.
 *
 * **Details**
 *
 * The numbers and the two bases are those of the AWS SDKs' standard mode. It sets no limit on attempts: `Retry` does, at 3. It
 * leaves hints to `Retry`, which honours them up to 60 s; put `honourRetryAfter` or `ignoreRetryAfter` behind it to have it otherwise.
 *
 * @since 0.1.0
 * @category schedules
 */
export const standard: Proposing<Failure.Failure> = byFailure(
  { Throttled: fromBackoff(Backoff.exponential("500 millis").pipe(Backoff.capped(cap), Backoff.fullJitter)) },
  fromBackoff(Backoff.exponential("100 millis").pipe(Backoff.capped(cap), Backoff.fullJitter))
)
