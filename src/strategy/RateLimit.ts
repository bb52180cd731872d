/**
 * A rate limit over any Effect: so many calls in so long, for each key. What is too much waits its turn, or is refused.
 *
 * It learns from what the other side answers: one that says "too many, come back in 30 s" is left alone for 30 s. It never sends
 * again by itself: that is what a retry is for.
 *
 * **Example** (Two in a second, in the order in which they came)
 *
 * ```ts
 * import { RateLimit } from "effect-resilience"
 * import { Clock, Effect, Fiber, TestClock, TestContext } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const limiter = yield* RateLimit.make({ limit: 2, window: "1 second" })
 *   const call = RateLimit.limit(Clock.currentTimeMillis, { limiter })
 *   const calls = yield* Effect.fork(Effect.all([call, call, call, call, call], { concurrency: "unbounded" }))
 *   yield* TestClock.adjust("10 seconds")
 *   return yield* Fiber.join(calls)
 * })
 *
 * await program.pipe(Effect.provide(TestContext.TestContext), Effect.runPromise) // => [0, 0, 1000, 1000, 2000]
 * ```
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { dual } from "effect/Function"
import * as Option from "effect/Option"
import * as Advice from "../core/Advice.ts"
import * as Classifier from "../core/Classifier.ts"
import type * as Event from "../core/Event.ts"
import * as Failure from "../core/Failure.ts"
import { durationMillis, integerIn } from "../core/InvalidOption.ts"
import * as Limiter from "../core/Limiter.ts"
import { format, maxDelay, type Millis } from "../core/Millis.ts"
import * as Deadline from "./Deadline.ts"
import * as Guarded from "./Guarded.ts"
import * as Keyed from "./Keyed.ts"
import * as Observer from "./Observer.ts"
import { RateLine, type Waiter } from "./RateLine.ts"

/**
 * A call was not sent: there have been too many.
 *
 * @since 0.1.0
 * @category errors
 */
export class RateLimited extends Data.TaggedError("RateLimited")<{
  readonly key: string
  readonly because: Event.RateLimitReason
  /** In how many ms it could have been sent, where that is known. */
  readonly retryAfter: Option.Option<Millis>
}> {
  override get message(): string {
    const when = Option.match(this.retryAfter, { onNone: () => "", onSome: (millis) => `, the next can be in ${format(millis)}` })
    return `not sent: the rate limit of ${JSON.stringify(this.key)} says ${this.because}${when}`
  }

  get [Failure.key](): Failure.Failure {
    return Failure.rejected("RateLimited", this.retryAfter)
  }
}

/**
 * How much is let through, and what becomes of the rest.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options extends Limiter.Options {
  /** For events. Default: "rate limit". */
  readonly name?: string | undefined
  /** What becomes of a call that is too much: it waits its turn, or fails with `RateLimited`. Default: "wait". */
  readonly onLimit?: "wait" | "fail" | undefined
  /** A call that would have to wait longer fails at once. More than 0. Default: 30 s. */
  readonly maxWait?: Duration.DurationInput | undefined
  /** How many calls may wait, of each key; the next one fails. 1 or more. Default: 10,000. */
  readonly queue?: number | undefined
  /** For how many keys something is remembered, and for how long; at least for as long as it matters. */
  readonly keys?: Keyed.Options | undefined
}

/**
 * A rate limit: a handle that is passed as a value.
 *
 * @since 0.1.0
 * @category models
 */
export interface RateLimit {
  readonly name: string
  readonly settings: Limiter.Settings
  readonly onLimit: "wait" | "fail"
  readonly maxWait: Millis
  readonly queue: number
  readonly lines: Keyed.Keyed<RateLine>
  /** What its events belong to. */
  readonly call: Event.Call
}

/**
 * Makes a rate limit, with nothing let through yet of any key.
 *
 * **Gotchas**
 *
 * It counts what this process sends. Many processes share a limit only through what each learns from the server.
 *
 * A key that is forgotten, because it was idle or because there are too many, begins anew with all of its limit.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options): Effect.Effect<RateLimit> => {
  const where = "RateLimit.make"
  const settings = Limiter.settings(options)
  const maxWait = durationMillis(where, "maxWait", options.maxWait ?? "30 seconds", { minExclusive: 0, max: maxDelay })
  const queue = integerIn(where, "queue", options.queue ?? 10_000, { min: 1 })
  const { capacity, idle } = Keyed.limits(options.keys)
  const limits = { capacity, idle: Math.max(idle, Limiter.memory(settings)) }
  const { name = "rate limit", onLimit = "wait" } = options
  return Effect.sync(() => ({
    name,
    settings,
    onLimit,
    maxWait,
    queue,
    lines: Keyed.unsafeMake((key, now) => new RateLine(key, settings, now), limits),
    call: Observer.call(name)
  }))
}

/**
 * What a call is limited with.
 *
 * @since 0.1.0
 * @category models
 */
export interface LimitOptions<in A = unknown, in E = unknown> {
  readonly limiter: RateLimit
  /** Whose limit it is. Default: "default". */
  readonly key?: string | undefined
  /** How much of the limit it takes. A whole number from 1 on. Default: 1. */
  readonly cost?: number | undefined
  /** What an exit means: the limit learns from one that is `Throttled`. Default: `Classifier.errors`. */
  readonly classifier?: Classifier.Classifier<A, E> | undefined
}

/**
 * Lets an effect begin when the limit allows it.
 *
 * **Details**
 *
 * Those who wait are let through in the order in which they came, also past one that asks for less. A wait that could not end
 * in time, by `maxWait` or by the deadline of the fiber, is not begun; one that a pause of the server makes too long ends there. A
 * call that is interrupted before it has begun takes nothing of the limit.
 *
 * @since 0.1.0
 * @category combinators
 */
export const limit: {
  /** Lets an effect begin when the limit allows it. */
  <A, E>(options: LimitOptions<A, E>): <R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E | RateLimited, R>
  /** Lets an effect begin when the limit allows it. */
  <A, E, R>(self: Effect.Effect<A, E, R>, options: LimitOptions<A, E>): Effect.Effect<A, E | RateLimited, R>
} = dual(
  2,
  <A, E, R>(self: Effect.Effect<A, E, R>, options: LimitOptions<A, E>): Effect.Effect<A, E | RateLimited, R> => {
    const { classifier = Classifier.errors, cost = 1, key = Guarded.defaultKey, limiter } = options
    return Guarded.run(guard(limiter, Advice.throttling(classifier), cost), key, self)
  }
)

/**
 * For how many ms nothing of a key is sent from now on, because the server has said so; 0 where it has not.
 *
 * @since 0.1.0
 * @category getters
 */
export const paused = (self: RateLimit, key: string = Guarded.defaultKey): Effect.Effect<Millis> =>
  Effect.clockWith((clock) => Effect.sync(() => self.lines.peek(key)?.paused(Guarded.monotonic(clock)) ?? 0))

/** A call that was let through. */
interface Pass {
  readonly line: RateLine
  readonly ticket: Limiter.Ticket
  begun: boolean
}

/**
 * A rate limit, and how it reads what comes of a call, as a guard.
 *
 * @since 0.1.0
 * @category building
 */
export const guard = <A, E>(
  limiter: RateLimit,
  read: Advice.Reader<A, E>,
  given: number = 1
): Guarded.Guard<Pass, A, E, RateLimited> => {
  const cost = Limiter.cost(given)
  return {
    admit: (caller) => admit(limiter, cost, caller),
    announce: () => Effect.void,
    // From here on the call is made: one that is interrupted earlier has cost nothing.
    begin: (pass) => {
      pass.begun = true
    },
    settle: (caller, pass, exit) => settle(limiter, read, caller, pass, exit)
  }
}

const admit = (limiter: RateLimit, cost: number, caller: Guarded.Caller): Effect.Effect<Pass, RateLimited> => {
  const now = Guarded.monotonic(caller.clock)
  const line = limiter.lines.get(caller.key, now)
  if (cost > limiter.settings.most) return refuse(limiter, caller, "TooLarge", Option.none())
  const isEmpty = line.length === 0
  const patience = isEmpty ? nothing : patienceOf(limiter, caller)
  const answer = line.ask(cost, now, patience.atMost)
  if (answer._tag === "Admitted") return Effect.succeed({ line, ticket: answer.ticket, begun: false })
  const { because, delay } = answer
  const retryAfter = Option.some(delay)
  if (limiter.onLimit === "fail") return refuse(limiter, caller, because, retryAfter)
  const { atMost, because: tooLong } = isEmpty ? patienceOf(limiter, caller) : patience
  if (delay > atMost) return refuse(limiter, caller, tooLong, retryAfter)
  if (line.length >= limiter.queue) return refuse(limiter, caller, "QueueFull", retryAfter)
  return wait(limiter, caller, line, line.join(cost, caller.clock, now, now + atMost), delay, tooLong)
}

/** How long a call may wait, and why not longer. */
interface Patience {
  readonly atMost: Millis
  readonly because: Event.RateLimitReason
}

const nothing: Patience = { atMost: 0, because: "MaxWait" }

/** A wait that ends at the deadline leaves no time for the call. */
const patienceOf = ({ maxWait }: RateLimit, { clock, fiber }: Guarded.Caller): Patience => {
  const deadline = Deadline.of(fiber)
  const left = Option.isSome(deadline) ? deadline.value - clock.unsafeCurrentTimeMillis() - 1 : Infinity
  return left < maxWait ? { atMost: left, because: "Deadline" } : { atMost: maxWait, because: "MaxWait" }
}

const wait = (
  limiter: RateLimit,
  caller: Guarded.Caller,
  line: RateLine,
  waiter: Waiter,
  delay: Millis,
  tooLong: Event.RateLimitReason
): Effect.Effect<Pass, RateLimited> => {
  const { fiber, key, restore } = caller
  const told = Guarded.tell(limiter.call, fiber, (base) => ({ _tag: "RateLimitDelayed", ...base, key, delay }))
  const woken = Effect.async<void>((resume) => {
    waiter.wake = () => resume(Effect.void)
    if (waiter.state._tag !== "Waiting") waiter.wake()
  })
  return Effect.matchCauseEffect(restore(Guarded.after(told, woken)), {
    onFailure: (cause) => {
      line.leave(waiter)
      return Effect.failCause(cause)
    },
    onSuccess: () => {
      const { state } = waiter
      if (state._tag === "Admitted") return Effect.succeed({ line, ticket: state.ticket, begun: false })
      return refuse(limiter, caller, tooLong, state._tag === "Late" ? Option.some(state.delay) : Option.none())
    }
  })
}

const refuse = (
  { call }: RateLimit,
  caller: Guarded.Caller,
  because: Event.RateLimitReason,
  retryAfter: Option.Option<Millis>
): Effect.Effect<never, RateLimited> => {
  const { fiber, key } = caller
  const told = Guarded.tell(call, fiber, (base) => ({ _tag: "RateLimited", ...base, key, because, retryAfter }))
  return Guarded.refuse(caller, told, () => new RateLimited({ key, because, retryAfter }))
}

const settle = <A, E, E3 extends E>(
  { call }: RateLimit,
  read: Advice.Reader<A, E>,
  { clock, fiber, key }: Guarded.Caller,
  { begun, line, ticket }: Pass,
  exit: Exit.Exit<A, E3>
): Effect.Effect<A, E3> => {
  if (!begun) {
    line.giveBack(ticket, Guarded.monotonic(clock))
    return exit
  }
  const { advice, died } = heard(read, exit, clock)
  const pause = line.settle(ticket, advice, clock)
  const ended = died ?? exit
  if (pause === 0) return ended
  return Guarded.after(Guarded.tell(call, fiber, (base) => ({ _tag: "RateLimitPaused", ...base, key, pause })), ended)
}

interface Heard {
  readonly advice: Advice.Advice
  /** The classifier died: its defect is the call's, which is settled all the same. */
  readonly died?: Exit.Exit<never>
}

const silent: Heard = { advice: Advice.silent }

const heard = <A, E>(read: Advice.Reader<A, E>, exit: Exit.Exit<A, E>, clock: Clock.Clock): Heard => {
  if (Exit.isFailure(exit) && Cause.isInterruptedOnly(exit.cause)) return silent
  try {
    const advice = read(exit, clock.unsafeCurrentTimeMillis())
    return advice === Advice.silent ? silent : { advice }
  } catch (defect) {
    return { advice: Advice.silent, died: Exit.die(defect) }
  }
}
