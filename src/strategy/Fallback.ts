/**
 * Something else in the place of a failure: another effect, a value, or what was good last.
 *
 * A fallback is chosen by what the failure means, and not by the error that carries it. Defects and interruption are no failures: they
 * pass. So does every failure that is not asked for: the error type of what comes out keeps all errors that went in.
 *
 * **Example** (A value while the peer is not to be had)
 *
 * ```ts
 * import { Classifier, CircuitBreaker, Fallback } from "effect-resilience"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const breaker = yield* CircuitBreaker.make()
 *   yield* CircuitBreaker.isolate(breaker)
 *   return yield* Effect.succeed("live").pipe(
 *     CircuitBreaker.protect({ breaker }),
 *     Fallback.fallback({ on: ["Rejected"], to: (failure) => Effect.succeed(`without it, for ${failure.by}`) })
 *   )
 * })
 *
 * await Effect.runPromise(program) // => "without it, for CircuitOpen"
 * ```
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import { dual } from "effect/Function"
import * as Option from "effect/Option"
import type { Predicate } from "effect/Predicate"
import * as Classifier from "../core/Classifier.ts"
import type { Call, FallbackUsed } from "../core/Event.ts"
import type * as Failure from "../core/Failure.ts"
import { nonEmpty } from "../core/InvalidOption.ts"
import type { Millis } from "../core/Millis.ts"
import * as Outcome from "../core/Outcome.ts"
import * as Guarded from "./Guarded.ts"
import type * as LastGood from "./LastGood.ts"
import * as Observer from "./Observer.ts"
import type { Restore } from "./Surroundings.ts"

/**
 * The kinds of failure that say that there is no answer to be had now: what a fallback is for, where nothing else is said.
 *
 * **Details**
 *
 * `Refused`, `Malformed`, `Untrusted`, `RpcFailure` and `Unknown` are not among them: each is an answer, or a mistake that a fallback would
 * hide, or can be either.
 *
 * @since 0.1.0
 * @category constants
 */
export const outage = [
  "ConnectFailure",
  "ConnectionLost",
  "AttemptTimedOut",
  "Throttled",
  "Unavailable",
  "ServerFault",
  "Rejected"
] as const satisfies ReadonlyArray<Failure.Tag>

/** A kind of failure in `outage`. @since 0.1.0 @category models */
export type Outage = (typeof outage)[number]

/**
 * For which failures a fallback is used, and what it is called.
 *
 * @since 0.1.0
 * @category models
 */
export interface Choice<K extends Failure.Tag = Outage> {
  /** The kinds of failure. Default: `outage`. */
  readonly on?: ReadonlyArray<K> | undefined
  /** Which of these. Default: all. */
  readonly where?: Predicate<Failure.Of<K>> | undefined
  /** For events. Default: "fallback". */
  readonly name?: string | undefined
}

/**
 * What is given in the place of a failure.
 *
 * @since 0.1.0
 * @category models
 */
export type Instead<K extends Failure.Tag, A2, E2, R2> =
  | { readonly to: (failure: Failure.Of<K>) => Effect.Effect<A2, E2, R2> }
  | { readonly value: A2 }

/**
 * What exits mean.
 *
 * @since 0.1.0
 * @category models
 */
export interface Classified<in A = unknown, in E = unknown> {
  /** Default: `Classifier.errors`. */
  readonly classifier?: Classifier.Classifier<A, E> | undefined
}

/**
 * A choice that has been checked, once.
 *
 * @since 0.1.0
 * @category building
 */
export interface Plan<in A, in E> {
  readonly classifier: Classifier.Classifier<A, E>
  readonly isChosen: Predicate<Failure.Failure>
  /** What its events belong to. */
  readonly call: Call
}

/**
 * Checks a choice and fills in the defaults.
 *
 * @since 0.1.0
 * @category building
 */
export const plan = <A, E, K extends Failure.Tag>(
  classifier: Classifier.Classifier<A, E>,
  { name = "fallback", on, where }: Choice<K>
): Plan<A, E> => {
  const tags: ReadonlySet<Failure.Tag> = new Set(nonEmpty<Failure.Tag>("Fallback", "on", on ?? outage))
  return {
    classifier,
    // A failure whose tag is among them is one of those that `where` is a predicate of.
    isChosen: (failure) => tags.has(failure._tag) && (where === undefined || where(failure as Failure.Of<K>)),
    call: Observer.call(name)
  }
}

/**
 * What is to be had for one failure.
 *
 * @since 0.1.0
 * @category building
 */
export interface Found<out A2, out E2 = never, out R2 = never> {
  readonly source: FallbackUsed["source"]
  readonly age?: Millis | undefined
  readonly effect: Effect.Effect<A2, E2, R2>
}

/**
 * What a fallback has to know of what it stands round. Each is called by the fiber of the call.
 *
 * @since 0.1.0
 * @category building
 */
export interface Work<in out A, in E, out A2, out E2, out R2> {
  /** What is given where all went well. Default: what came. */
  readonly keep?: ((value: A) => A) | undefined
  /** What there is for a failure; `undefined` where there is nothing, and the failure comes out. */
  readonly find: (failure: Failure.Failure) => Found<A2, E2, R2> | undefined
  /** Lets go of what a lost exit holds, before anything else is made. Default: it holds nothing. */
  readonly release?: ((lost: Exit.Exit<A, E>) => Effect.Effect<void>) | undefined
  /** The same where it cannot be waited for. */
  readonly unsafeDrop?: ((lost: Exit.Exit<A, E>) => void) | undefined
}

/**
 * Runs an effect, and something else where it fails in a way that was chosen. Every fallback of this library is this one.
 *
 * @since 0.1.0
 * @category building
 */
export const run = <A, E, R, A2, E2, R2>(
  plan: Plan<A, E>,
  work: Work<A, E, A2, E2, R2>,
  self: Effect.Effect<A, E, R>
): Effect.Effect<A | A2, E | E2, R | R2> =>
  Effect.withFiberRuntime((fiber) =>
    // Interrupted only inside of `restore`: what an exit holds is let go of whenever that comes.
    Effect.uninterruptibleMask((restore) =>
      Effect.matchCauseEffect(restore(self), {
        onFailure: (cause) => judge(plan, work, fiber, restore, Exit.failCause(cause)),
        onSuccess: (value) => judge(plan, work, fiber, restore, Exit.succeed(value))
      })
    )
  )

type Verdict<A, A2, E2, R2> =
  | { readonly _tag: "Given"; readonly exit: Exit.Exit<A> | undefined }
  | { readonly _tag: "Instead"; readonly failure: Failure.Failure; readonly found: Found<A2, E2, R2> }

const asItCame: Verdict<never, never, never, never> = { _tag: "Given", exit: undefined }

/** Whatever a classifier calls them, a defect and an interruption are no failures. */
const isFailure = <A, E>(exit: Exit.Exit<A, E>): boolean =>
  Exit.isSuccess(exit) || Option.isSome(Cause.failureOption(exit.cause)) && !Cause.isDie(exit.cause)

const verdict = <A, E, A2, E2, R2>(
  { classifier, isChosen }: Plan<A, E>,
  work: Work<A, E, A2, E2, R2>,
  fiber: Fiber.RuntimeFiber<unknown, unknown>,
  exit: Exit.Exit<A, E>
): Verdict<A, A2, E2, R2> => {
  const outcome = Classifier.run(classifier, exit, Guarded.clockOf(fiber).unsafeCurrentTimeMillis())
  if (outcome._tag === "Success" && work.keep !== undefined && Exit.isSuccess(exit)) {
    return { _tag: "Given", exit: Exit.succeed(work.keep(exit.value)) }
  }
  if (!Outcome.isFailed(outcome) || !isFailure(exit) || !isChosen(outcome.failure)) return asItCame
  const found = work.find(outcome.failure)
  return found === undefined ? asItCame : { _tag: "Instead", failure: outcome.failure, found }
}

const judge = <A, E, A2, E2, R2>(
  plan: Plan<A, E>,
  work: Work<A, E, A2, E2, R2>,
  fiber: Fiber.RuntimeFiber<unknown, unknown>,
  restore: Restore,
  exit: Exit.Exit<A, E>
): Effect.Effect<A | A2, E | E2, R2> => {
  let judged: Verdict<A, A2, E2, R2>
  try {
    judged = verdict(plan, work, fiber, exit)
  } catch (defect) {
    // A classifier or a predicate that dies takes its call with it, and then nobody will have what the exit holds.
    work.unsafeDrop?.(exit)
    return Exit.die(defect)
  }
  if (judged._tag === "Given") return judged.exit ?? exit
  const { failure, found } = judged
  const told = Guarded.tell(plan.call, fiber, (base) => ({
    _tag: "FallbackUsed",
    ...base,
    because: failure,
    source: found.source,
    age: Option.fromNullable(found.age)
  }))
  const given = Effect.catchAllCause(restore(Guarded.after(told, found.effect)), (cause) => Effect.failCause(withFirst(cause, exit)))
  if (work.release === undefined) return given
  const released = Effect.onError(restore(work.release(exit)), () => Effect.sync(() => work.unsafeDrop?.(exit)))
  return Effect.zipRight(released, given)
}

/**
 * The cause of a fallback that failed, and after it the first one, where both are typed errors: the error that comes out is the one of the
 * fallback, and whoever looks at the whole cause finds the other. A defect or an interruption stays alone: beside a typed error Effect's
 * handlers would take it for one.
 */
const withFirst = <E, E2>(own: Cause.Cause<E2>, lost: Exit.Exit<unknown, E>): Cause.Cause<E | E2> =>
  Exit.isFailure(lost) && isTyped(own) ? Cause.sequential(own, lost.cause) : own

const isTyped = (cause: Cause.Cause<unknown>): boolean => !Cause.isDie(cause) && !Cause.isInterrupted(cause)

const foundIn = <K extends Failure.Tag, A2, E2, R2>(instead: Instead<K, A2, E2, R2>) =>
(failure: Failure.Failure): Found<A2, E2, R2> =>
  "to" in instead
    // Only a failure that was chosen comes here. Suspended, so that a function that throws is a defect of the effect.
    ? { source: "Effect", effect: Effect.suspend(() => instead.to(failure as Failure.Of<K>)) }
    : { source: "Value", effect: Effect.succeed(instead.value) }

/**
 * Gives another effect, or a value, in the place of a failure that was chosen.
 *
 * **Details**
 *
 * Every other failure, defect and interruption comes out as it was. Where the fallback fails itself, its own error comes out, and the
 * first cause stands behind it in the `Cause`. `FallbackUsed` is told before the fallback is begun.
 *
 * **Gotchas**
 *
 * With the default classifier an error of your own domain is `Unknown`, and no fallback is used for it: name it in `on`, or say
 * what it means with a classifier.
 *
 * @since 0.1.0
 * @category combinators
 */
export const fallback: {
  /** Gives another effect, or a value, in the place of a failure that was chosen. */
  <A2, E2 = never, R2 = never, K extends Failure.Tag = Outage>(
    options: Choice<K> & Classified & Instead<K, A2, E2, R2>
  ): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A | A2, E | E2, R | R2>
  /** Gives another effect, or a value, in the place of a failure that was chosen. */
  <A, E, R, A2, E2 = never, R2 = never, K extends Failure.Tag = Outage>(
    self: Effect.Effect<A, E, R>,
    options: Choice<K> & Classified<A, E> & Instead<K, A2, E2, R2>
  ): Effect.Effect<A | A2, E | E2, R | R2>
} = dual(2, <A, E, R, A2, E2, R2, K extends Failure.Tag>(
  self: Effect.Effect<A, E, R>,
  options: Choice<K> & Classified<A, E> & Instead<K, A2, E2, R2>
): Effect.Effect<A | A2, E | E2, R | R2> =>
  run<A, E, R, A2, E2, R2>(plan(options.classifier ?? Classifier.errors, options), { find: foundIn(options) }, self))

/**
 * Where what was good is kept, and under which key.
 *
 * @since 0.1.0
 * @category models
 */
export interface Kept<in out A> {
  readonly lastGood: LastGood.LastGood<A>
  /** Default: "default". */
  readonly key?: string | undefined
}

/**
 * Keeps what an effect gives when it succeeds, and gives that again in the place of a failure that was chosen.
 *
 * **Details**
 *
 * Where there is nothing to give, or it is too old, the failure comes out as it was.
 *
 * **Example** (The last good value)
 *
 * ```ts
 * import { Fallback, Failure, LastGood } from "effect-resilience"
 * import { Effect } from "effect"
 *
 * class Down extends Error {
 *   readonly [Failure.key] = Failure.unavailable()
 * }
 *
 * const program = Effect.gen(function*() {
 *   const lastGood = yield* LastGood.make<number>({ maxAge: "10 minutes" })
 *   const rate = (source: Effect.Effect<number, Down>) => source.pipe(Fallback.staleIfError({ lastGood, key: "EUR" }))
 *   yield* rate(Effect.succeed(1.08))
 *   return yield* rate(Effect.fail(new Down()))
 * })
 *
 * await Effect.runPromise(program) // => 1.08
 * ```
 *
 * @since 0.1.0
 * @category combinators
 */
export const staleIfError: {
  /** Keeps what an effect gives when it succeeds, and gives that again in the place of a failure that was chosen. */
  <A, K extends Failure.Tag = Outage>(
    options: Choice<K> & Classified & Kept<A>
  ): <E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** Keeps what an effect gives when it succeeds, and gives that again in the place of a failure that was chosen. */
  <A, E, R, K extends Failure.Tag = Outage>(
    self: Effect.Effect<A, E, R>,
    options: Choice<K> & Classified<A, E> & Kept<A>
  ): Effect.Effect<A, E, R>
} = dual(2, <A, E, R, K extends Failure.Tag>(
  self: Effect.Effect<A, E, R>,
  options: Choice<K> & Classified<A, E> & Kept<A>
): Effect.Effect<A, E, R> => {
  const { classifier = Classifier.errors, key = Guarded.defaultKey, lastGood } = options
  const checked = plan(classifier, options)
  return Effect.clockWith((clock) =>
    run<A, E, R, A, never, never>(checked, {
      keep: (value) => {
        lastGood.put(key, value, Guarded.monotonic(clock))
        return value
      },
      find: () => {
        const now = Guarded.monotonic(clock)
        return Option.getOrUndefined(Option.map(lastGood.get(key, now), ({ at, value }): Found<A> => ({
          source: "LastGood",
          age: Math.max(0, now - at),
          effect: Effect.succeed(value)
        })))
      }
    }, self))
})
