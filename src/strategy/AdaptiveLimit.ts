/**
 * A bulkhead that finds out by itself how many calls of a key may be on their way at once.
 *
 * A number that is written down is wrong as soon as the other side is scaled, or becomes slower. This one is learned from how calls
 * end: how long they took, and whether the other side said that it was too much.
 *
 * **Example** (Too much, and the limit goes down)
 *
 * ```ts
 * import { AdaptiveLimit, Failure } from "effect-resilience"
 * import { Effect } from "effect"
 *
 * class Busy { get [Failure.key]() { return Failure.throttled() } }
 *
 * const program = Effect.gen(function*() {
 *   const limit = yield* AdaptiveLimit.make({ policy: AdaptiveLimit.aimd({ initial: 20, backoff: 0.5 }) })
 *   yield* Effect.fail(new Busy()).pipe(AdaptiveLimit.protect({ limit }), Effect.ignore)
 *   return yield* AdaptiveLimit.load(limit)
 * })
 *
 * await Effect.runPromise(program) // => { limit: 10, inUse: 0, waiting: 0 }
 * ```
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import * as Classifier from "../core/Classifier.ts"
import type { Call } from "../core/Event.ts"
import * as Failure from "../core/Failure.ts"
import * as LimitPolicy from "../core/LimitPolicy.ts"
import { format, type Millis } from "../core/Millis.ts"
import type * as Outcome from "../core/Outcome.ts"
import * as Permits from "../core/Permits.ts"
import * as Gate from "./Gate.ts"
import * as Guarded from "./Guarded.ts"
import * as Keyed from "./Keyed.ts"
import * as Observer from "./Observer.ts"

export { aimd, gradient, type LimitPolicy } from "../core/LimitPolicy.ts"

/**
 * A call was not sent: as many as may be are on their way, and it may not wait, or not for longer.
 *
 * @since 0.1.0
 * @category errors
 */
export class LimitReached extends Data.TaggedError("LimitReached")<{
  readonly key: string
  /** How many could be on their way at once when it was rejected. */
  readonly limit: number
  readonly because: Permits.Reason
  /** For how long it waited, in ms; 0 for one that was rejected at once. */
  readonly waited: Millis
}> {
  override get message(): string {
    const when = this.waited === 0 ? "" : `, after ${format(Math.round(this.waited))}`
    return `not sent: the limit of ${this.limit} for ${JSON.stringify(this.key)} says ${this.because}${when}`
  }

  get [Failure.key](): Failure.Failure {
    return Failure.rejected("LimitReached")
  }
}

/**
 * How a limit is found, and what it is called.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options extends Permits.Options, Keyed.Options {
  /** Default: `gradient()`, from 1 to 200, beginning with 20. */
  readonly policy?: LimitPolicy.LimitPolicy | undefined
  /** For events. Default: "limit". */
  readonly name?: string | undefined
}

/**
 * An adaptive limit: a handle that is passed as a value.
 *
 * @since 0.1.0
 * @category models
 */
export interface AdaptiveLimit {
  readonly name: string
  readonly policy: LimitPolicy.LimitPolicy
  readonly gates: Gate.Gates<LimitPolicy.State>
  /** What its events belong to. */
  readonly call: Call
}

/**
 * Makes a limit that has learned nothing.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options = {}): Effect.Effect<AdaptiveLimit> => {
  const { name = "limit", policy = LimitPolicy.gradient() } = options
  const settings = Permits.settings("AdaptiveLimit.make", options)
  const limits = Keyed.limits(options)
  return Effect.sync(() => ({
    name,
    policy,
    gates: Gate.unsafeMake(settings, policy.initial, (now) => LimitPolicy.begin(policy, now), limits),
    call: Observer.call(name)
  }))
}

/**
 * How many calls of a key may be on their way now, how many are, and how many wait.
 *
 * @since 0.1.0
 * @category getters
 */
export const load = (self: AdaptiveLimit, key: string = Guarded.defaultKey): Effect.Effect<Permits.Load> =>
  Effect.sync(() => Gate.load(self.gates, key, self.policy.initial))

/**
 * What a call is protected with.
 *
 * @since 0.1.0
 * @category models
 */
export interface ProtectOptions<in A = unknown, in E = unknown> {
  readonly limit: AdaptiveLimit
  /** What has a limit of its own. Default: "default". */
  readonly key?: string | undefined
  /** What an exit means. Default: `Classifier.errors`. */
  readonly classifier?: Classifier.Classifier<A, E> | undefined
}

/**
 * Begins an effect when the limit lets it, and learns from how it ends.
 *
 * **Details**
 *
 * The time that counts begins when the effect does: to wait in line is no sign of a slow peer. What an exit says about the limit: see
 * `LimitPolicy.signal`. A limit that goes down stops nobody who is on the way.
 *
 * @since 0.1.0
 * @category combinators
 */
export const protect: {
  /** Begins an effect when the limit lets it, and learns from how it ends. */
  <A, E>(options: ProtectOptions<A, E>): <R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E | LimitReached, R>
  /** Begins an effect when the limit lets it, and learns from how it ends. */
  <A, E, R>(self: Effect.Effect<A, E, R>, options: ProtectOptions<A, E>): Effect.Effect<A, E | LimitReached, R>
} = dual(
  2,
  <A, E, R>(self: Effect.Effect<A, E, R>, options: ProtectOptions<A, E>): Effect.Effect<A, E | LimitReached, R> =>
    Guarded.run(guard(options.limit, options.classifier ?? Classifier.errors), options.key ?? Guarded.defaultKey, self)
)

/**
 * A permit, and what was going on when it was given.
 *
 * @since 0.1.0
 * @category models
 */
export interface Ticket {
  readonly entry: Gate.Admitted<LimitPolicy.State>
  readonly startedAt: Millis
  readonly inUse: number
}

/**
 * A limit and what exits mean to it, as a guard.
 *
 * @since 0.1.0
 * @category building
 */
export const guard = <A, E>(
  limit: AdaptiveLimit,
  classifier: Classifier.Classifier<A, E>
): Guarded.Guard<Ticket, A, E, LimitReached> => ({
  admit: (caller) => {
    const entered = limit.gates.enter(caller, (waiting) =>
      Guarded.tell(limit.call, caller.fiber, (told) => ({ _tag: "LimitQueued", ...told, key: caller.key, waiting })))
    return Guarded.isKnown(entered) ? Effect.succeed(ticket(caller, entered.value)) : Effect.matchEffect(entered, {
      onFailure: (rejected) => refuse(limit, caller, rejected),
      onSuccess: (entry) => Effect.succeed(ticket(caller, entry))
    })
  },
  announce: ({ fiber, key }, { entry: { queued, waited } }) =>
    queued
      ? Guarded.tell(limit.call, fiber, (told) => ({ _tag: "LimitAdmitted", ...told, key, waited }))
      : Effect.void,
  settle: (caller, ticket, exit) => {
    const { died, outcome } = Guarded.meaning(classifier, exit, caller.clock)
    return Guarded.after(settle(limit, caller, ticket, outcome), died ?? exit)
  }
})

const ticket = ({ clock }: Guarded.Caller, entry: Gate.Admitted<LimitPolicy.State>): Ticket => ({
  entry,
  startedAt: Guarded.monotonic(clock),
  inUse: entry.gate.inUse
})

const refuse = (
  { call }: AdaptiveLimit,
  caller: Guarded.Caller,
  { because, gate, waited }: Gate.Rejected<LimitPolicy.State>
): Effect.Effect<never, LimitReached> => {
  const { fiber, key } = caller
  const told = Guarded.tell(call, fiber, (base) => ({ _tag: "LimitRejected", ...base, key, because, waited }))
  return Guarded.refuse(caller, told, () => new LimitReached({ key, limit: gate.limit, because, waited }))
}

const settle = (
  { call, gates, policy }: AdaptiveLimit,
  { clock, fiber, key }: Guarded.Caller,
  { entry: { gate }, inUse, startedAt }: Ticket,
  outcome: Outcome.Outcome
): Effect.Effect<void> => {
  const from = gate.limit
  const full = gate.inUse >= gate.limit
  const state = LimitPolicy.record(policy, gate.kept, outcome, { startedAt, inUse, full }, Guarded.monotonic(clock))
  const to = LimitPolicy.limit(state)
  gate.kept = state
  if (to !== from) gates.resize(gate, to)
  gates.leave(gate)
  return to === from
    ? Effect.void
    : Guarded.tell(call, fiber, (told) => ({ _tag: "LimitChanged", ...told, key, from, to }))
}
