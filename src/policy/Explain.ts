/**
 * What a policy does, attempt by attempt, when attempts come to this and that: each decision, with its reason.
 *
 * The outcomes are made up, or read from the events of a call that was recorded. What decides about them here is what decides when the
 * policy runs: the same schedule, the same `Decision`, the same `Budget`. Only time and the network are told instead of lived through.
 *
 * **Example** (A server that asks for more time than is left)
 *
 * ```ts
 * import { Explain, Explanation, Failure, Outcome, Policy } from "effect-resilience"
 * import { Effect, Option, Random } from "effect"
 *
 * const policy = Policy.make({ deadline: "5 seconds", retry: { backoff: { kind: "constant", delay: "1 second", jitter: "none" } } })
 * const busy = Outcome.failed(Failure.unavailable({ status: 502 }))
 * const asking = Outcome.failed(Failure.throttled({ status: 503, retryAfter: Option.some(7_000) }))
 *
 * const explanation = Effect.runSync(Explain.explain(policy, [{ outcome: busy, takes: 100 }, { outcome: asking, takes: 50 }]))
 *
 * const [first, second, end] = Explanation.render(explanation).split("\n")
 *
 * first // => "attempt 1 at 0ms: 502 after 100ms; wait 1s (Backoff)"
 * second // => "attempt 2 at 1s 100ms: 503 after 50ms, Retry-After 7s > 3s 850ms left; give up, DeadlineTooClose"
 * end // => "ended after 1s 150ms, with 2 attempts"
 * ```
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Budget from "../core/Budget.ts"
import * as Classifier from "../core/Classifier.ts"
import * as Decision from "../core/Decision.ts"
import type { Event } from "../core/Event.ts"
import * as Failure from "../core/Failure.ts"
import * as Idempotency from "../core/Idempotency.ts"
import { numberIn } from "../core/InvalidOption.ts"
import type { Millis } from "../core/Millis.ts"
import * as Outcome from "../core/Outcome.ts"
import * as RetrySchedule from "../strategy/RetrySchedule.ts"
import * as Bounds from "./Bounds.ts"
import * as Effective from "./Effective.ts"
import * as Interpreter from "./Interpreter.ts"
import type * as Policy from "./Policy.ts"

/**
 * What one attempt comes to, if it is let.
 *
 * @since 0.1.0
 * @category models
 */
export interface Step {
  readonly outcome: Outcome.Outcome
  /** How many ms it takes, from 0; infinity for one that hangs. */
  readonly takes: Millis
}

/**
 * What a call begins with.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** Whether the request may be sent twice. Default: `Idempotency.always`, as a GET is. */
  readonly request?: Idempotency.Repeatable | undefined
  /** When the call begins, in ms. Default: 0. */
  readonly startedAt?: Millis | undefined
  /** What resends are paid with. Default: the budget of the policy, before any call. */
  readonly budget?: Budget.Budget | undefined
}

/**
 * What was decided after an attempt: as `Decision.Decision` has it, or that the deadline came first, or that a hedge decides, which a list
 * of outcomes does not describe.
 *
 * @since 0.1.0
 * @category models
 */
export type Verdict = Decision.Decision | { readonly _tag: "DeadlineExceeded" } | { readonly _tag: "Hedged" }

/**
 * An attempt, and what was decided.
 *
 * @since 0.1.0
 * @category models
 */
export interface Explained {
  /** Counted from 1. */
  readonly attempt: number
  readonly startedAt: Millis
  readonly endedAt: Millis
  /** What it came to under this policy; none for one that the deadline cut off. */
  readonly outcome: Option.Option<Outcome.Outcome>
  readonly verdict: Verdict
  /** How many ms the call has left; none without a deadline. */
  readonly left: Option.Option<Millis>
  /** What the budget held when it was asked for a resend; none where it was not asked. */
  readonly balance: Option.Option<number>
}

/**
 * A call, explained.
 *
 * @since 0.1.0
 * @category models
 */
export interface Explanation {
  readonly startedAt: Millis
  readonly endedAt: Millis
  readonly attempts: ReadonlyArray<Explained>
  /** Whether the call has ended. If not, more outcomes are needed to say how it does. */
  readonly complete: boolean
  /** What is left to pay resends with, for the next call. */
  readonly budget: Budget.Budget
}

/** An attempt under the limits of the policy: when it ends, and as what. */
const limited = (policy: Policy.Policy, { outcome, takes }: Step): Step => {
  const limit = Bounds.attemptLimit(policy)
  // One that ends in the same ms has ended.
  if (takes <= limit) return { outcome, takes }
  const { attemptTimeout } = policy
  const phase = typeof attemptTimeout === "object" ? attemptTimeout.covers : undefined
  return { outcome: Outcome.failed(Failure.attemptTimedOut(Option.some(limit), phase)), takes: limit }
}

/** Where a call stands before an attempt. */
interface State {
  readonly attempt: number
  readonly now: Millis
  readonly schedule: unknown
  readonly budget: Budget.Budget
  /** What the attempt has cost. */
  readonly paid: Budget.Payment | undefined
  readonly earlier: ReadonlyArray<{ readonly failure: Failure.Failure }>
}

/** What holds for all attempts. */
interface Call {
  readonly policy: Policy.Policy
  readonly schedule: RetrySchedule.RetrySchedule
  readonly maxAttempts: number
  readonly request: Idempotency.Repeatable
  readonly deadline: Option.Option<Millis>
}

/** What comes of one attempt: what there is to tell, and where the call stands after it. `next` is absent where it has ended. */
interface Turn {
  readonly told: Explained
  readonly budget: Budget.Budget
  readonly next?: State
}

const turn = (call: Call, state: State, step: Step): Effect.Effect<Turn> => {
  const { outcome, takes } = limited(call.policy, step)
  const at = Math.min(state.now + takes, Option.getOrElse(call.deadline, () => Infinity))
  const told = {
    attempt: state.attempt,
    startedAt: state.now,
    endedAt: at,
    outcome: Option.some(outcome),
    left: Option.map(call.deadline, (deadline) => deadline - at),
    balance: Option.none<number>()
  }
  if (at < state.now + takes) {
    return Effect.succeed({ told: { ...told, outcome: Option.none(), verdict: { _tag: "DeadlineExceeded" } }, budget: state.budget })
  }
  if (!Outcome.isFailed(outcome)) {
    const budget = outcome._tag === "Success" ? Budget.succeeded(state.budget, state.paid, at) : state.budget
    return Effect.succeed({ told: { ...told, verdict: { _tag: "Done" } }, budget })
  }
  return Effective.isThere(call.policy.hedge)
    ? Effect.succeed({ told: { ...told, verdict: { _tag: "Hedged" } }, budget: state.budget })
    : lose(call, state, outcome.failure, told)
}

const lose = (call: Call, state: State, failure: Failure.Failure, told: Omit<Explained, "verdict">): Effect.Effect<Turn> => {
  const now = told.endedAt
  const situation: Decision.Situation = { ...call, attempt: state.attempt, earlier: state.earlier }
  const refusal = Decision.refuse(situation, failure)
  const isTerminal = Option.isSome(refusal) && refusal.value.because === "Terminal"
  const budget = isTerminal ? state.budget : Budget.failed(state.budget)
  if (Option.isSome(refusal)) return Effect.succeed({ told: { ...told, verdict: refusal.value }, budget })
  return Effect.map(RetrySchedule.step(call.schedule, now, failure, state.schedule), ([schedule, proposal]): Turn => {
    const verdict = Decision.settle(situation, failure, proposal, now)
    if (verdict._tag === "GiveUp") return { told: { ...told, verdict }, budget }
    const balance = Option.some(Budget.balance(budget, now))
    const paid = Budget.withdraw(budget, { failure, floor: true }, now)
    if (paid === undefined) {
      return { told: { ...told, verdict: Decision.giveUp("BudgetExhausted", Option.some(verdict.delay)), balance }, budget }
    }
    const [payment, rest] = paid
    const earlier = [...state.earlier, { failure }]
    const next = { attempt: state.attempt + 1, now: now + verdict.delay, schedule, budget: rest, paid: payment, earlier }
    return { told: { ...told, verdict, balance }, budget: rest, next }
  })
}

/**
 * Explains one call: what the policy decides when its attempts come to these outcomes, one after the other.
 *
 * **Details**
 *
 * The draws of jitter come from Effect's `Random`: give it a seed, or fixed numbers (`Random.fixed`), to see the same each time. Outcomes
 * beyond the end of the call are not looked at. Of a resend that is decided, the wait is over before the next attempt begins.
 *
 * **Gotchas**
 *
 * What a breaker or a limit would reject is given as an outcome, `Failure.rejected("CircuitOpen")`: guards are shared by many calls, and
 * one call does not say what they do. An attempt that stands in their lines takes longer. A hedge sends attempts side by side, which a
 * list of outcomes does not describe: a policy with one is explained up to the failure of its first attempt.
 * Rules for some requests are not looked at: explain what such a rule makes of the policy, `Effective.of`.
 *
 * @since 0.1.0
 * @category explaining
 */
export const explain = (policy: Policy.Policy, steps: ReadonlyArray<Step>, options: Options = {}): Effect.Effect<Explanation> =>
  Effect.suspend(() => {
    for (const { takes } of steps) if (takes !== Infinity) numberIn("Explain", "takes", takes, { min: 0 })
    const { request = Idempotency.always } = options
    const startedAt = numberIn("Explain", "startedAt", options.startedAt ?? 0)
    const retry = Option.getOrUndefined(Bounds.retry(policy))
    const limit = Bounds.deadline(policy)
    const call: Call = {
      policy,
      schedule: retry === undefined ? RetrySchedule.none : Interpreter.schedule(retry),
      // Without a retry it is as if it allowed one attempt.
      maxAttempts: retry === undefined ? 1 : retry.maxAttempts ?? 3,
      request: Idempotency.under(request, retry?.resend ?? "idempotent"),
      deadline: Number.isFinite(limit) ? Option.some(startedAt + limit) : Option.none()
    }
    const budget = options.budget ?? Bounds.budget(policy)
    const first: State = { attempt: 1, now: startedAt, schedule: call.schedule.initial, budget, paid: undefined, earlier: [] }
    return turns(call, first, steps, { startedAt, endedAt: startedAt, attempts: [], complete: false, budget })
  })

const turns = (call: Call, state: State, [step, ...steps]: ReadonlyArray<Step>, sofar: Explanation): Effect.Effect<Explanation> => {
  // Ten at most: the ceiling of attempts is that of the recursion.
  if (step === undefined) return Effect.succeed(sofar)
  return Effect.flatMap(turn(call, state, step), ({ budget, next, told }) => {
    const attempts = [...sofar.attempts, told]
    const after = { ...sofar, endedAt: told.endedAt, attempts, budget }
    return next === undefined
      ? Effect.succeed({ ...after, complete: told.verdict._tag !== "Hedged" })
      : turns(call, next, steps, { ...after, endedAt: next.now })
  })
}

/**
 * The outcome that a response is under a policy.
 *
 * @since 0.1.0
 * @category explaining
 */
export const answered = (policy: Policy.Policy, response: Classifier.ResponseLike, takes: Millis = 0): Step => ({
  // What it classifies by is status and headers, whatever else a response has.
  outcome: Classifier.run<Classifier.ResponseLike, unknown>(
    Interpreter.classifier(policy.statuses ?? {}) as Classifier.Classifier<unknown>,
    Exit.succeed(response),
    0
  ),
  takes
})

/**
 * Reads what the attempts of a recorded call came to, from its events: to ask what another policy would have done.
 *
 * **Details**
 *
 * `events` are those of one call; others among them are passed over by their `call`. An attempt that did not end, because the call was
 * over before, is one that hangs.
 *
 * @since 0.1.0
 * @category explaining
 */
export const fromEvents = (events: ReadonlyArray<Event>): ReadonlyArray<Step> => {
  const first = events.find((event) => event._tag === "CallStarted" || event._tag === "AttemptStarted")
  const own = events.filter((event) => event.call.id === first?.call.id)
  return own.flatMap((event): ReadonlyArray<Step> => {
    if (event._tag !== "AttemptStarted") return []
    const end = own.find((other) => other._tag === "AttemptEnded" && other.attempt === event.attempt)
    return end?._tag === "AttemptEnded"
      ? [{ outcome: end.outcome, takes: Math.max(end.at - event.at, 0) }]
      : [{ outcome: Outcome.ignored, takes: Infinity }]
  })
}
