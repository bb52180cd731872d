/**
 * Adaptive throttling over any Effect: where the other side rejects too much, a share of the calls is not sent.
 *
 * A breaker knows open and closed; this has every degree between. It needs no limit to be known, and finds the share by itself:
 * about as much is sent as the other side accepts, times `k`. See `core/Throttle` for the formula.
 *
 * **Example** (A peer that is down)
 *
 * ```ts
 * import { AdaptiveThrottle, Failure } from "effect-resilience"
 * import { Effect, TestContext } from "effect"
 *
 * class Busy { readonly [Failure.key] = Failure.throttled({ status: 429 }) }
 *
 * const program = Effect.gen(function*() {
 *   const throttle = yield* AdaptiveThrottle.make()
 *   let sent = 0
 *   const call = Effect.suspend(() => Effect.fail((sent++, new Busy()))).pipe(AdaptiveThrottle.shed({ throttle }))
 *   for (let i = 0; i < 1000; i++) yield* Effect.exit(call)
 *   return sent < 250
 * })
 *
 * await program.pipe(Effect.provide(TestContext.TestContext), Effect.runPromise) // => true
 * ```
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Classifier from "../core/Classifier.ts"
import type * as Event from "../core/Event.ts"
import * as Failure from "../core/Failure.ts"
import type { Millis } from "../core/Millis.ts"
import * as Throttle from "../core/Throttle.ts"
import * as Guarded from "./Guarded.ts"
import * as Keyed from "./Keyed.ts"
import * as Observer from "./Observer.ts"

/**
 * A call was not sent: the other side has accepted too few of those before it.
 *
 * @since 0.1.0
 * @category errors
 */
export class LoadShed extends Data.TaggedError("LoadShed")<{
  readonly key: string
  /** With which a call was rejected then. */
  readonly probability: number
}> {
  override get message(): string {
    return `not sent: ${JSON.stringify(this.key)} accepts too little, and ${(this.probability * 100).toFixed(1)} % is not sent`
  }

  get [Failure.key](): Failure.Failure {
    return Failure.rejected("LoadShed", Option.none())
  }
}

/**
 * How much is rejected, and what it is called.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options extends Throttle.Options {
  /** For events. Default: "throttle". */
  readonly name?: string | undefined
  /** For how many keys something is remembered, and for how long; at least for the window. */
  readonly keys?: Keyed.Options | undefined
}

/** What stands for the state of a key, and is replaced by each step in one go. */
interface Cell {
  state: Throttle.State
}

/**
 * An adaptive throttle: a handle that is passed as a value.
 *
 * @since 0.1.0
 * @category models
 */
export interface AdaptiveThrottle {
  readonly name: string
  readonly settings: Throttle.Settings
  readonly cells: Keyed.Keyed<Cell>
  /** What its events belong to. */
  readonly call: Event.Call
}

/**
 * Makes a throttle, with nothing counted yet of any key.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options = {}): Effect.Effect<AdaptiveThrottle> => {
  const settings = Throttle.settings(options)
  const { capacity, idle } = Keyed.limits(options.keys)
  const limits = { capacity, idle: Math.max(idle, settings.window) }
  const { name = "throttle" } = options
  return Effect.sync(() => ({
    name,
    settings,
    cells: Keyed.unsafeMake((): Cell => ({ state: Throttle.initial(settings) }), limits),
    call: Observer.call(name)
  }))
}

/**
 * With which probability a call of a key is rejected now, and what that comes from.
 *
 * @since 0.1.0
 * @category getters
 */
export const odds = (self: AdaptiveThrottle, key: string = Guarded.defaultKey): Effect.Effect<Throttle.Odds> =>
  Effect.clockWith((clock) =>
    Effect.sync(() =>
      Throttle.odds(self.settings, self.cells.peek(key)?.state ?? Throttle.initial(self.settings), Guarded.monotonic(clock))
    )
  )

/**
 * What a call is throttled with.
 *
 * @since 0.1.0
 * @category models
 */
export interface ShedOptions<in A = unknown, in E = unknown> {
  readonly throttle: AdaptiveThrottle
  /** Whose load it is about. Default: "default". */
  readonly key?: string | undefined
  /** What an exit means; which outcomes are accepted: see `Throttle.judge`. Default: `Classifier.errors`. */
  readonly classifier?: Classifier.Classifier<A, E> | undefined
}

/**
 * Begins an effect, or fails with `LoadShed`, as chance will have it.
 *
 * **Details**
 *
 * The draw comes from Effect's `Random`, and is made only where something is rejected at all.
 *
 * @since 0.1.0
 * @category combinators
 */
export const shed: {
  /** Begins an effect, or fails with `LoadShed`, as chance will have it. */
  <A, E>(options: ShedOptions<A, E>): <R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E | LoadShed, R>
  /** Begins an effect, or fails with `LoadShed`, as chance will have it. */
  <A, E, R>(self: Effect.Effect<A, E, R>, options: ShedOptions<A, E>): Effect.Effect<A, E | LoadShed, R>
} = dual(
  2,
  <A, E, R>(self: Effect.Effect<A, E, R>, options: ShedOptions<A, E>): Effect.Effect<A, E | LoadShed, R> =>
    Guarded.run(guard(options.throttle, options.classifier ?? Classifier.errors), options.key ?? Guarded.defaultKey, self)
)

/**
 * A throttle and what exits mean to it, as a guard.
 *
 * @since 0.1.0
 * @category building
 */
export const guard = <A, E>(
  throttle: AdaptiveThrottle,
  classifier: Classifier.Classifier<A, E>
): Guarded.Guard<Cell, A, E, LoadShed> => ({
  admit: (caller) => {
    const now = Guarded.monotonic(caller.clock)
    const cell = throttle.cells.get(caller.key, now)
    const odds = Throttle.odds(throttle.settings, cell.state, now)
    if (odds.probability === 0) return send(cell, now)
    return Effect.flatMap(Random.next, (draw) =>
      draw < odds.probability ? reject(throttle, caller, cell, odds, now) : send(cell, now))
  },
  announce: () => Effect.void,
  settle: ({ clock }, cell, exit) => {
    const { died, outcome } = Guarded.meaning(classifier, exit, clock)
    cell.state = Throttle.record(cell.state, outcome, Guarded.monotonic(clock))
    return died ?? exit
  }
})

const send = (cell: Cell, now: Millis): Effect.Effect<Cell> => {
  cell.state = Throttle.sent(cell.state, now)
  return Effect.succeed(cell)
}

const reject = (
  { call }: AdaptiveThrottle,
  caller: Guarded.Caller,
  cell: Cell,
  { accepts, probability, requests }: Throttle.Odds,
  now: Millis
): Effect.Effect<never, LoadShed> => {
  const { fiber, key } = caller
  cell.state = Throttle.rejected(cell.state, now)
  const told = Guarded.tell(call, fiber, (base) => ({ _tag: "LoadShed", ...base, key, probability, requests, accepts }))
  return Guarded.refuse(caller, told, () => new LoadShed({ key, probability }))
}
