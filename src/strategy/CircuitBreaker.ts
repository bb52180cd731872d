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
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import { dual } from "effect/Function"
import * as Option from "effect/Option"
import * as PubSub from "effect/PubSub"
import * as Stream from "effect/Stream"
import * as Breaker from "../core/Breaker.ts"
import * as Classifier from "../core/Classifier.ts"
import type { Call, Event } from "../core/Event.ts"
import * as Failure from "../core/Failure.ts"
import { format, type Millis } from "../core/Millis.ts"
import * as Outcome from "../core/Outcome.ts"
import * as BreakerStore from "./BreakerStore.ts"
import * as Observer from "./Observer.ts"
import type { Restore } from "./Surroundings.ts"

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
export interface Options extends Breaker.Options {
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
  const settings = Breaker.settings(options)
  const { name = "breaker", onStoreError = "allow" } = options
  return Effect.gen(function*() {
    const pubsub = yield* PubSub.dropping<BreakerStore.Transition>(maxBehind)
    const stores = yield* BreakerStore.BreakerStores
    const store = yield* stores.open({ name, settings, onTransition: (transition) => pubsub.unsafeOffer(transition) })
    return { name, settings, store, onStoreError, call: Observer.call(name), transitions: Stream.fromPubSub(pubsub) }
  })
}

/** The key where none is given. */
const defaultKey = "default"

/**
 * Monotonic time in ms: setting the clock of the machine neither opens a breaker nor keeps it open.
 */
const monotonic = (clock: Clock.Clock): Millis => Number(clock.unsafeCurrentTimeNanos()) / 1e6

/** Read on each call, directly: see Retry. */
const clockOf = (fiber: Fiber.RuntimeFiber<unknown, unknown>): Clock.Clock =>
  fiber.currentDefaultServices.unsafeMap.get(Clock.Clock.key)

const ask = <A, E>(f: (now: Millis) => Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.clockWith((clock) => Effect.suspend(() => f(monotonic(clock))))

/**
 * The state of a key now.
 *
 * @since 0.1.0
 * @category getters
 */
export const state = (
  self: CircuitBreaker,
  key: string = defaultKey
): Effect.Effect<Breaker.State, BreakerStore.BreakerStoreError> => ask((now) => self.store.state(key, now))

/**
 * Rejects every call of a key from now on, until `reset`. What is on its way goes on.
 *
 * @since 0.1.0
 * @category control
 */
export const isolate = (
  self: CircuitBreaker,
  key: string = defaultKey
): Effect.Effect<void, BreakerStore.BreakerStoreError> => command(self, (now) => self.store.isolate(key, now))

/**
 * Begins anew for a key: closed, with nothing counted. What is on its way is not counted either.
 *
 * @since 0.1.0
 * @category control
 */
export const reset = (
  self: CircuitBreaker,
  key: string = defaultKey
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
 * What counts: see `Breaker.health`. With the default classifier every typed error is a failure, unless it carries a `Failure` that
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
    run(options.breaker, options.key ?? defaultKey, options.classifier ?? Classifier.errors, self)
)

/**
 * The same with all its arguments in a row. Every breaker of this library is this one.
 *
 * @since 0.1.0
 * @category building
 */
export const run = <A, E, R>(
  breaker: CircuitBreaker,
  key: string,
  classifier: Classifier.Classifier<A, E>,
  self: Effect.Effect<A, E, R>
): Effect.Effect<A, E | CircuitOpen, R> =>
  Effect.withFiberRuntime((fiber) =>
    // From the moment it is admitted to the moment it is recorded a call is interrupted only inside of `restore`: no probe is lost.
    Effect.uninterruptibleMask((restore) => {
      const clock = clockOf(fiber)
      const call: Admitted<A, E, R> = { breaker, key, classifier, self, fiber, clock, restore }
      return whenKnown<BreakerStore.Admission, A, E | CircuitOpen, R>(
        breaker.store.admit(key, monotonic(clock)),
        (admission) => admitted(call, admission),
        () => breaker.onStoreError === "allow" ? restore(self) : new CircuitOpen({ key, because: "Store", retryAfter: Option.none() })
      )
    })
  )

/** What is known of a call while it is made. */
interface Admitted<A, E, R> {
  readonly breaker: CircuitBreaker
  readonly key: string
  readonly classifier: Classifier.Classifier<A, E>
  readonly self: Effect.Effect<A, E, R>
  readonly fiber: Fiber.RuntimeFiber<unknown, unknown>
  readonly clock: Clock.Clock
  readonly restore: Restore
}

/** Goes on at once where a store has answered when it was called. */
const whenKnown = <B, A, E, R>(
  asked: Effect.Effect<B, BreakerStore.BreakerStoreError>,
  onAnswer: (answer: B) => Effect.Effect<A, E, R>,
  onError: (error: BreakerStore.BreakerStoreError) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  isKnown(asked) ? onAnswer(asked.value) : Effect.matchEffect(asked, { onFailure: onError, onSuccess: onAnswer })

const isKnown = <A, E>(effect: Effect.Effect<A, E>): effect is Exit.Success<A, E> =>
  Exit.isExit(effect) && Exit.isSuccess(effect)

const admitted = <A, E, R>(
  call: Admitted<A, E, R>,
  { answer, transition }: BreakerStore.Admission
): Effect.Effect<A, E | CircuitOpen, R> => {
  const { breaker, fiber, key, restore, self } = call
  const told = tell(breaker, fiber, transition)
  if (answer._tag === "Rejected") {
    const { because, retryAfter } = answer
    const rejected = emit(breaker, fiber, (base) => ({ _tag: "BreakerRejected", ...base, key, because, retryAfter }))
    const refusal = Effect.suspend(() => new CircuitOpen({ key, because, retryAfter }))
    return restore(rejected === Effect.void ? refusal : Effect.zipRight(rejected, refusal))
  }
  // A listener that waits is interrupted with the call.
  const sent = told === Effect.void ? self : Effect.zipRight(told, self)
  return Effect.matchCauseEffect(restore(sent), {
    onFailure: (cause) => settle(call, answer.ticket, Exit.failCause(cause)),
    onSuccess: (value) => settle(call, answer.ticket, Exit.succeed(value))
  })
}

const settle = <A, E, R>(call: Admitted<A, E, R>, ticket: Breaker.Ticket, exit: Exit.Exit<A, E>): Effect.Effect<A, E> => {
  const { breaker, classifier, clock, fiber, key } = call
  const { died, outcome } = meaning(classifier, exit, clock)
  const ended = died ?? exit
  return whenKnown(
    breaker.store.record(key, ticket, outcome, monotonic(clock)),
    (transition) => {
      const told = tell(breaker, fiber, transition)
      return told === Effect.void ? ended : Effect.zipRight(told, ended)
    },
    () => ended
  )
}

interface Meaning {
  readonly outcome: Outcome.Outcome
  /** The classifier died: its defect is the call's, and its probe goes back all the same. */
  readonly died?: Exit.Exit<never>
}

const meaning = <A, E>(classifier: Classifier.Classifier<A, E>, exit: Exit.Exit<A, E>, clock: Clock.Clock): Meaning => {
  try {
    return { outcome: Classifier.run(classifier, exit, clock.unsafeCurrentTimeMillis()) }
  } catch (defect) {
    return { outcome: Outcome.ignored, died: Exit.die(defect) }
  }
}

type Base = { readonly call: Call; readonly at: Millis }

const emit = (
  { call }: CircuitBreaker,
  fiber: Fiber.RuntimeFiber<unknown, unknown>,
  event: (base: Base) => Event
): Effect.Effect<void> => {
  const listener = Observer.of(fiber)
  return listener === Observer.none
    ? Effect.void
    : Observer.emit(listener, event({ call, at: clockOf(fiber).unsafeCurrentTimeMillis() }))
}

const tell = (
  breaker: CircuitBreaker,
  fiber: Fiber.RuntimeFiber<unknown, unknown>,
  transition: BreakerStore.Transition | undefined
): Effect.Effect<void> => {
  if (transition === undefined) return Effect.void
  const { because, generation, key, openFor, to } = transition
  return emit(breaker, fiber, (base) => {
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
