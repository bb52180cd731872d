/**
 * A circuit breaker over any Effect: it learns from each call, and stops sending to a peer that keeps failing.
 *
 * One breaker has a state for each key, an origin say, and is a value that any number of clients share. Nothing runs between calls:
 * an open breaker is half open when its time is over, because the next call finds it so.
 *
 * **Example** (Five failures in a row)
 *
 * ```ts
 * import { CircuitBreaker } from "effect-resilience"
 * import { Effect, Exit } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const breaker = yield* CircuitBreaker.make({ tripPolicy: CircuitBreaker.consecutive(5), openDuration: "30 seconds" })
 *   let sent = 0
 *   const call = Effect.suspend(() => Effect.fail(`failure ${++sent}`)).pipe(CircuitBreaker.protect({ breaker }))
 *   for (let i = 0; i < 9; i++) yield* Effect.exit(call)
 *   const error = yield* Effect.flip(call)
 *   return [sent, typeof error === "string" ? error : error._tag]
 * })
 *
 * await Effect.runPromise(program) // => [5, "CircuitOpen"]
 * ```
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import { dual } from "effect/Function"
import * as Option from "effect/Option"
import * as PubSub from "effect/PubSub"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as Breaker from "../core/Breaker.ts"
import * as Classifier from "../core/Classifier.ts"
import type { Call } from "../core/Event.ts"
import * as Failure from "../core/Failure.ts"
import { format, type Millis } from "../core/Millis.ts"
import * as BreakerStore from "./BreakerStore.ts"
import * as Guarded from "./Guarded.ts"
import * as Observer from "./Observer.ts"
import * as RetrySchedule from "./RetrySchedule.ts"

export { anyOf, consecutive, never, rate, slowRate, type RateOptions, type TripPolicy } from "../core/TripPolicy.ts"
export { layerStoreMemory, type Transition } from "./BreakerStore.ts"

/**
 * A call was not sent: the breaker is open, probes with others, is isolated, or lets calls in by and by.
 *
 * @since 0.1.0
 * @category errors
 */
export class CircuitOpen extends Data.TaggedError("CircuitOpen")<{
  readonly key: string
  /** "Store": its store could not be asked, and the breaker was told to fail then. */
  readonly because: Breaker.Reason | "Store"
  /** In how many ms a call may be sent again, where that is known. */
  readonly retryAfter: Option.Option<Millis>
}> {
  override get message(): string {
    const when = Option.match(this.retryAfter, { onNone: () => "", onSome: (millis) => `, for another ${format(millis)}` })
    return `not sent: the breaker of ${JSON.stringify(this.key)} says ${this.because}${when}`
  }

  get [Failure.key](): Failure.Failure {
    return Failure.rejected("CircuitOpen", this.retryAfter)
  }
}

/**
 * How a breaker works, and what it is called.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options extends Omit<Breaker.Options, "openDuration"> {
  /**
   * How long it stays open, by the number of openings in a row: always so long, the delays of a backoff or those of any schedule. A
   * schedule is asked once, when the breaker is made, for 32 delays at most; the last one lasts. Default: 5 s, doubling, up to 60 s.
   */
  readonly openDuration?: Breaker.Options["openDuration"] | Schedule.Schedule<unknown> | undefined
  /** For events. Default: "breaker". */
  readonly name?: string | undefined
  /** What becomes of a call when the store cannot be asked: it is sent, or fails with `CircuitOpen`. Default: "allow". */
  readonly onStoreError?: "allow" | "fail" | undefined
}

/**
 * A breaker: a handle that is passed as a value.
 *
 * @since 0.1.0
 * @category models
 */
export interface CircuitBreaker {
  readonly name: string
  readonly settings: Breaker.Settings
  readonly store: BreakerStore.Store
  readonly onStoreError: "allow" | "fail"
  /** What its events belong to. */
  readonly call: Call
  /**
   * Each change of state from now on, of any key, in order. A subscriber that is more than 256 changes behind misses those that come
   * then.
   */
  readonly transitions: Stream.Stream<BreakerStore.Transition>
}

const maxBehind = 256

/**
 * Makes a breaker, closed for each key.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options = {}): Effect.Effect<CircuitBreaker> => {
  const { name = "breaker", onStoreError = "allow", openDuration, ...others } = options
  const schedule = Schedule.isSchedule(openDuration) ? openDuration : undefined
  // What is wrong is said at once, of all but the delays of a schedule.
  const known = Breaker.settings(Schedule.isSchedule(openDuration) ? others : { ...others, openDuration })
  return Effect.gen(function*() {
    const settings = schedule === undefined
      ? known
      : Breaker.settings({ ...others, openDuration: { delays: yield* delaysOf(schedule) } })
    const pubsub = yield* PubSub.dropping<BreakerStore.Transition>(maxBehind)
    const stores = yield* BreakerStore.BreakerStores
    const store = yield* stores.open({ name, settings, onTransition: (transition) => pubsub.unsafeOffer(transition) })
    return { name, settings, store, onStoreError, call: Observer.call(name), transitions: Stream.fromPubSub(pubsub) }
  })
}

const ask = <A, E>(f: (now: Millis) => Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.clockWith((clock) => Effect.suspend(() => f(Guarded.monotonic(clock))))

const maxDelays = 32

/** The delays of a schedule as it would give them if each were spent, on a clock of its own. */
const delaysOf = (schedule: Schedule.Schedule<unknown>): Effect.Effect<ReadonlyArray<Millis>> =>
  Effect.gen(function*() {
    const delays: Array<Millis> = []
    let now = yield* Clock.currentTimeMillis
    let state: unknown = schedule.initial
    while (delays.length < maxDelays) {
      const [next, proposal] = yield* RetrySchedule.step(schedule, now, undefined, state)
      if (proposal._tag === "Stop") break
      delays.push(proposal.delay)
      now += proposal.delay
      state = next
    }
    return delays
  })

/**
 * The state of a key now.
 *
 * @since 0.1.0
 * @category getters
 */
export const state = (
  self: CircuitBreaker,
  key: string = Guarded.defaultKey
): Effect.Effect<Breaker.State, BreakerStore.BreakerStoreError> => ask((now) => self.store.state(key, now))

/**
 * Rejects every call of a key from now on, until `reset`. What is on its way goes on.
 *
 * @since 0.1.0
 * @category control
 */
export const isolate = (
  self: CircuitBreaker,
  key: string = Guarded.defaultKey
): Effect.Effect<void, BreakerStore.BreakerStoreError> => command(self, (now) => self.store.isolate(key, now))

/**
 * Begins anew for a key: closed, with nothing counted. What is on its way is not counted either.
 *
 * @since 0.1.0
 * @category control
 */
export const reset = (
  self: CircuitBreaker,
  key: string = Guarded.defaultKey
): Effect.Effect<void, BreakerStore.BreakerStoreError> => command(self, (now) => self.store.reset(key, now))

const command = (
  self: CircuitBreaker,
  run: (now: Millis) => Effect.Effect<BreakerStore.Transition | undefined, BreakerStore.BreakerStoreError>
): Effect.Effect<void, BreakerStore.BreakerStoreError> =>
  Effect.withFiberRuntime((fiber) => Effect.flatMap(ask(run), (transition) => tell(self, fiber, transition)))

/**
 * What a call is protected with.
 *
 * @since 0.1.0
 * @category models
 */
export interface ProtectOptions<in A = unknown, in E = unknown> {
  readonly breaker: CircuitBreaker
  /** Whose health it is about. Default: "default". */
  readonly key?: string | undefined
  /** What an exit means. Default: `Classifier.errors`. */
  readonly classifier?: Classifier.Classifier<A, E> | undefined
}

/**
 * Sends an effect through a breaker: it is not begun where that rejects it, and what comes of it is recorded.
 *
 * **Details**
 *
 * What counts: see `Health.of`. With the default classifier every typed error is a failure, unless it carries a `Failure` that
 * says otherwise. Defects and interruption count neither way; the probe that such a call was goes back.
 *
 * @since 0.1.0
 * @category combinators
 */
export const protect: {
  /** Sends an effect through a breaker. */
  <A, E>(options: ProtectOptions<A, E>): <R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E | CircuitOpen, R>
  /** Sends an effect through a breaker. */
  <A, E, R>(self: Effect.Effect<A, E, R>, options: ProtectOptions<A, E>): Effect.Effect<A, E | CircuitOpen, R>
} = dual(
  2,
  <A, E, R>(self: Effect.Effect<A, E, R>, options: ProtectOptions<A, E>): Effect.Effect<A, E | CircuitOpen, R> =>
    Guarded.run(guard(options.breaker, options.classifier ?? Classifier.errors), options.key ?? Guarded.defaultKey, self)
)

/**
 * A breaker and what exits mean to it, as a guard.
 *
 * @since 0.1.0
 * @category building
 */
export const guard = <A, E>(
  breaker: CircuitBreaker,
  classifier: Classifier.Classifier<A, E>
): Guarded.Guard<Sent | undefined, A, E, CircuitOpen> => ({
  passing: breaker.store.passing && passing(breaker.store.passing, classifier),
  admit: (caller) => {
    const asked = breaker.store.admit(caller.key, Guarded.monotonic(caller.clock))
    return Guarded.isKnown(asked)
      ? answered(breaker, caller, asked.value)
      : Effect.matchEffect(asked, {
        onFailure: () => unknown(breaker, caller),
        onSuccess: (admission) => answered(breaker, caller, admission)
      })
  },
  announce: ({ fiber }, sent) => sent === undefined ? Effect.void : tell(breaker, fiber, sent.transition),
  settle: (caller, sent, exit) => sent === undefined ? exit : settle(breaker, classifier, caller, sent, exit)
})

const passing = <A, E>(
  store: BreakerStore.Passing,
  classifier: Classifier.Classifier<A, E>
): Guarded.Passing<Sent | undefined, A, E> => ({
  admit: (key, clock) => store.admit(key, Guarded.monotonic(clock)),
  settle: ({ clock, key }, sent, exit) => {
    const { died, outcome } = Guarded.meaning(classifier, exit, clock)
    return sent !== undefined && died === undefined && store.record(key, sent, outcome, Guarded.monotonic(clock))
  }
})

/** A call that was admitted, and the transition that this has caused. Where the store was not to be asked, there is none. */
interface Sent extends Breaker.Ticket {
  readonly transition?: BreakerStore.Transition
}

const answered = (
  breaker: CircuitBreaker,
  caller: Guarded.Caller,
  { answer, transition }: BreakerStore.Admission
): Effect.Effect<Sent, CircuitOpen> => {
  if (answer._tag === "Admitted") return Effect.succeed(transition === undefined ? answer.ticket : { ...answer.ticket, transition })
  const { key } = caller
  const { because, retryAfter } = answer
  const told = Guarded.tell(breaker.call, caller.fiber, (base) => ({ _tag: "BreakerRejected", ...base, key, because, retryAfter }))
  return Guarded.refuse(caller, told, () => new CircuitOpen({ key, because, retryAfter }))
}

const unknown = ({ onStoreError }: CircuitBreaker, { key }: Guarded.Caller): Effect.Effect<undefined, CircuitOpen> =>
  onStoreError === "allow"
    ? Effect.succeed(undefined)
    : Effect.failSync(() => new CircuitOpen({ key, because: "Store", retryAfter: Option.none() }))

const settle = <A, E, E3 extends E>(
  breaker: CircuitBreaker,
  classifier: Classifier.Classifier<A, E>,
  { clock, fiber, key }: Guarded.Caller,
  ticket: Breaker.Ticket,
  exit: Exit.Exit<A, E3>
): Effect.Effect<A, E3> => {
  const { died, outcome } = Guarded.meaning(classifier, exit, clock)
  const ended = died ?? exit
  const recorded = breaker.store.record(key, ticket, outcome, Guarded.monotonic(clock))
  return Guarded.isKnown(recorded)
    ? Guarded.after(tell(breaker, fiber, recorded.value), ended)
    : Effect.matchEffect(recorded, {
      onFailure: () => ended,
      onSuccess: (transition) => Guarded.after(tell(breaker, fiber, transition), ended)
    })
}

const tell = (
  breaker: CircuitBreaker,
  fiber: Fiber.RuntimeFiber<unknown, unknown>,
  transition: BreakerStore.Transition | undefined
): Effect.Effect<void> => {
  if (transition === undefined) return Effect.void
  const { because, generation, key, openFor, to } = transition
  return Guarded.tell(breaker.call, fiber, (base) => {
    const about = { ...base, key, generation, because }
    switch (to) {
      case "Closed":
        return { _tag: "BreakerClosed", ...about }
      case "HalfOpen":
        return { _tag: "BreakerHalfOpened", ...about }
      default:
        return { _tag: "BreakerOpened", ...about, openFor }
    }
  })
}
