/**
 * Faults that are injected on purpose, to see that what stands round them does what it shall.
 *
 * Off, unless `turnOn` or `layer` puts a seed into the context: what costs one look-up then costs nothing more. On, the seed and the
 * attempt decide (`ChaosPlan`), so the same seed and the same calls meet the same faults again.
 *
 * **Example** (The same run, twice)
 *
 * ```ts
 * import { Chaos } from "effect-resilience"
 * import { Effect } from "effect"
 *
 * const call = Effect.succeed("ok").pipe(
 *   Chaos.inject({ faults: [{ failure: () => "injected" as const, rate: 0.5 }] }),
 *   Effect.merge
 * )
 * const run = Effect.replicateEffect(call, 6)
 *
 * await Effect.runPromise(run) // => ["ok", "ok", "ok", "ok", "ok", "ok"]
 * const first = await run.pipe(Chaos.turnOn(7), Effect.runPromise)
 * const second = await run.pipe(Chaos.turnOn(7), Effect.runPromise)
 * first.includes("injected") && first.join() === second.join() // => true
 * ```
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type { LazyArg } from "effect/Function"
import { dual } from "effect/Function"
import * as Layer from "effect/Layer"
import * as ChaosPlan from "../core/ChaosPlan.ts"
import type { Call } from "../core/Event.ts"
import * as CurrentAttempt from "./CurrentAttempt.ts"
import * as Guarded from "./Guarded.ts"
import * as Keyed from "./Keyed.ts"
import * as Observer from "./Observer.ts"

/**
 * A run: its seed, and how many attempts it has seen.
 *
 * @since 0.1.0
 * @category models
 */
export interface Run {
  readonly seed: ChaosPlan.Seed
  /** Counts an attempt, and says of how many of the same place, key and number it is the last. */
  readonly count: (place: string, key: string, attempt: number) => number
}

/**
 * The run of the current fiber; by default there is none.
 *
 * @since 0.1.0
 * @category references
 */
export class Chaos extends Context.Reference<Chaos>()("effect-resilience/Chaos", {
  defaultValue: (): Run | "off" => "off"
}) {}

/** The counters of a run that has more keys begin anew, those first that were not used for longest. */
const maxCounters = 10_000

const start = (seed: ChaosPlan.Seed): Effect.Effect<Run> =>
  Effect.sync(() => {
    CurrentAttempt.want()
    // Nothing is forgotten for being idle: a run that is paused is the same run.
    const counters = Keyed.unsafeMake(() => ({ seen: 0 }), Keyed.limits({ capacity: maxCounters }))
    return { seed, count: (place, key, attempt) => ++counters.get(`${attempt} ${place.length} ${place} ${key}`, 0).seen }
  })

/**
 * Begins a run: from now on, and in what is forked meanwhile, faults are injected where a place for them is.
 *
 * @since 0.1.0
 * @category combinators
 */
export const turnOn: {
  /** Begins a run. */
  (seed: ChaosPlan.Seed): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** Begins a run. */
  <A, E, R>(self: Effect.Effect<A, E, R>, seed: ChaosPlan.Seed): Effect.Effect<A, E, R>
} = dual(2, <A, E, R>(self: Effect.Effect<A, E, R>, seed: ChaosPlan.Seed): Effect.Effect<A, E, R> => {
  const checked = ChaosPlan.seed("Chaos", seed)
  return Effect.flatMap(start(checked), (run) => Effect.provideService(self, Chaos, run))
})

/**
 * Begins a run with each time that the layer is built.
 *
 * **Gotchas**
 *
 * It is for the calls, and not for the client: provide it to the program that calls.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (seed: ChaosPlan.Seed): Layer.Layer<never> => {
  const checked = ChaosPlan.seed("Chaos", seed)
  return Layer.effect(Chaos, start(checked))
}

/**
 * The run of a fiber, without an effect; `undefined` where there is none.
 *
 * @since 0.1.0
 * @category getters
 */
export const of = (fiber: Fiber.RuntimeFiber<unknown, unknown>): Run | undefined => {
  const run: Run | "off" = fiber.currentContext.unsafeMap.get(Chaos.key) ?? "off"
  return run === "off" ? undefined : run
}

/**
 * A place where faults are injected, and which.
 *
 * @since 0.1.0
 * @category building
 */
export interface Place<out F> {
  readonly name: string
  readonly plan: ChaosPlan.Plan<F>
  /** What its events belong to. */
  readonly call: Call
}

/**
 * Makes a place.
 *
 * @since 0.1.0
 * @category building
 */
export const place = <F>(
  name: string,
  latencies: ReadonlyArray<ChaosPlan.Latency>,
  faults: ReadonlyArray<ChaosPlan.Rule<F>>
): Place<F> => ({ name, plan: ChaosPlan.make("Chaos", latencies, faults), call: Observer.call(name) })

/**
 * Does to one attempt what its run has chosen for it: waits, and then sends it as it is or lets the fault have it.
 *
 * **Details**
 *
 * To be called by the fiber itself. `meet` is given the fault, and what tells of it: to be run when the fault takes place.
 *
 * @since 0.1.0
 * @category building
 */
export const perform = <F, A, E, R, A2, E2, R2>(
  { call, name, plan }: Place<F>,
  run: Run,
  fiber: Fiber.RuntimeFiber<unknown, unknown>,
  key: string,
  send: Effect.Effect<A, E, R>,
  meet: (fault: F, tell: (fault: ChaosPlan.Injected) => Effect.Effect<void>) => Effect.Effect<A2, E2, R2>
): Effect.Effect<A | A2, E | E2, R | R2> => {
  const attempt = Context.get(fiber.currentContext, CurrentAttempt.CurrentAttempt).number
  const ordinal = run.count(name, key, attempt)
  const { delay, fault } = ChaosPlan.choose(plan, run.seed, { place: name, key, attempt, ordinal })
  const tell = (fault: ChaosPlan.Injected) =>
    Guarded.tell(call, fiber, (base) => ({ _tag: "ChaosInjected", ...base, fault, seed: run.seed, attempt, ordinal }))
  const next: Effect.Effect<A | A2, E | E2, R | R2> = fault === undefined ? send : Effect.suspend(() => meet(fault, tell))
  return delay === 0
    ? next
    : Guarded.after(tell({ _tag: "Latency", delay }), Effect.zipRight(Effect.sleep(Duration.millis(delay)), next))
}

/**
 * What can be injected into any effect: a wait before it is begun, and a failure in its place.
 *
 * @since 0.1.0
 * @category models
 */
export type Fault<E2> = ChaosPlan.Latency | { readonly failure: LazyArg<E2>; readonly rate: number }

/**
 * What is injected, where, and how often. Rates are shares of all attempts, from 0 to 1; those of all latencies, and those of all failures,
 * are 1 together at most.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options<E2> {
  readonly faults: ReadonlyArray<Fault<E2>>
  /** Of the place, which draws for itself, and in events. Default: "chaos". */
  readonly name?: string | undefined
  /** What tells calls apart that draw for themselves: a method, say. Default: "default". */
  readonly key?: string | undefined
}

/**
 * Injects faults into an effect, where that is turned on.
 *
 * @since 0.1.0
 * @category combinators
 */
export const inject: {
  /** Injects faults into an effect, where that is turned on. */
  <E2 = never>(options: Options<E2>): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E | E2, R>
  /** Injects faults into an effect, where that is turned on. */
  <A, E, R, E2 = never>(self: Effect.Effect<A, E, R>, options: Options<E2>): Effect.Effect<A, E | E2, R>
} = dual(2, <A, E, R, E2>(self: Effect.Effect<A, E, R>, options: Options<E2>): Effect.Effect<A, E | E2, R> => {
  const { faults, key = Guarded.defaultKey, name = "chaos" } = options
  const latencies = faults.flatMap((each) => "latency" in each ? [each] : [])
  const failures = faults.flatMap((each) => "failure" in each ? [{ rate: each.rate, fault: each.failure }] : [])
  const here = place(name, latencies, failures)
  return here.plan.isEmpty ? self : Effect.withFiberRuntime<A, E | E2, R>((fiber) => {
    const run = of(fiber)
    return run === undefined
      ? self
      : perform(here, run, fiber, key, self, (failure, tell) => Guarded.after(tell({ _tag: "Failure" }), Effect.failSync(failure)))
  })
})
