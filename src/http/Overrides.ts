/**
 * What a single call has other than its client: no retry, another schedule, limit, key or budget.
 *
 * Overrides stand in the context of a fiber and are read by the strategies of the client that is called. They change what that client
 * has, and add no strategy that it has not: so they can add no error to its type.
 *
 * **Example** (A health check is sent once)
 *
 * ```ts
 * import { HttpClient } from "@effect/platform"
 * import { Resilience } from "effect-resilience"
 * import { HttpScript } from "effect-resilience/testing"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const users = (yield* HttpClient.HttpClient).pipe(Resilience.withRetry())
 *   const health = yield* users.get("http://users.test/health").pipe(Resilience.override({ retry: "none" }))
 *   return [health.status, (yield* HttpScript.requests).length]
 * })
 *
 * await program.pipe(Effect.provide(HttpScript.layer([{ status: 503 }])), Effect.runPromise) // => [503, 1]
 * ```
 *
 * @since 0.1.0
 */
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Classifier from "../core/Classifier.ts"
import * as Idempotency from "../core/Idempotency.ts"
import { InvalidOption, integerIn } from "../core/InvalidOption.ts"
import { maxDelay, type Millis } from "../core/Millis.ts"
import * as Hedge from "../strategy/Hedge.ts"
import type * as Contest from "../strategy/Contest.ts"
import type * as Loop from "../strategy/Loop.ts"
import type * as Retry from "../strategy/Retry.ts"
import * as RetryBudget from "../strategy/RetryBudget.ts"
import * as Surroundings from "../strategy/Surroundings.ts"
import * as Timeout from "../strategy/Timeout.ts"
import * as CurrentOverrides from "./CurrentOverrides.ts"
import * as Resend from "./Resend.ts"
import * as Work from "./Work.ts"

type Request = HttpClientRequest.HttpClientRequest

/**
 * What a retry does otherwise. Whatever is left out is as in the client, `maxAttempts` too where the schedule is another.
 *
 * @since 0.1.0
 * @category models
 */
export interface RetryOptions extends Pick<Retry.Options, "schedule" | "maxAttempts" | "givenUp">, Pick<Work.Gate, "resend"> {}

/**
 * What a hedge does otherwise. Whatever is left out is as in the client.
 *
 * @since 0.1.0
 * @category models
 */
export interface HedgeOptions extends Partial<Pick<Hedge.Options, "delay" | "maxAttempts">>, Pick<Work.Gate, "resend"> {}

/**
 * What is otherwise. Whatever is left out is as in the client.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** "none": `maxAttempts` of 1, for a hedge too unless `hedge` says something. */
  readonly retry?: RetryOptions | "none" | undefined
  /** "none": `maxAttempts` of 1. */
  readonly hedge?: HedgeOptions | "none" | undefined
  /** What the resends of a retry or a hedge are paid with. */
  readonly budget?: RetryBudget.RetryBudget | undefined
  /** More than 0. "none": no limit on an attempt. */
  readonly attemptTimeout?: Duration.DurationInput | "none" | undefined
  /** More than 0. "none": no deadline but that of the caller, which nothing here can make later. */
  readonly deadline?: Duration.DurationInput | "none" | undefined
  /**
   * The key of the one request that is sent, whatever its method. A key that stands in its header already stays there. A second request
   * that is another one fails: the other side would take it for the first.
   */
  readonly idempotencyKey?: string | undefined
  /**
   * Whether the calls that a call makes on its way, for a token say, have these too. "call": they have not. "nested": they have.
   * Default: "call".
   */
  readonly reach?: "call" | "nested" | undefined
}

/**
 * Options that have been checked. Made once, the strategies need not be derived again for each call.
 *
 * @since 0.1.0
 * @category models
 */
export class Overrides extends Data.Class<{
  readonly retry: RetryOptions | undefined
  readonly hedge: HedgeOptions | undefined
  readonly budget: RetryBudget.RetryBudget | undefined
  /** In ms; 2^31 - 1 is none. */
  readonly attemptTimeout: Millis | undefined
  /** In ms; 2^31 - 1 is none. */
  readonly deadline: Millis | undefined
  readonly idempotencyKey: string | undefined
  readonly reach: "call" | "nested" | undefined
}> {}

const where = "Overrides"

const limitOf = (limit: Duration.DurationInput | "none" | undefined): Millis | undefined =>
  limit === undefined ? undefined : limit === "none" ? maxDelay : Timeout.limitMillis(where, limit)

/** A word that is not known would be taken for the default, or for the opposite of what was meant. */
const oneOf = (option: string, value: unknown, words: ReadonlyArray<string>): void => {
  if (value === undefined || typeof value === "string" && words.includes(value)) return
  throw new InvalidOption({ where, option, value, requirement: `one of ${words.map((word) => `"${word}"`).join(", ")}` })
}

/** What "none" is: a limit like any other, which an inner scope may raise, and whatever else it says does not. */
const once = { maxAttempts: 1 }

/**
 * Checks options. Throws `InvalidOption` on those that cannot be.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options): Overrides => {
  const { attemptTimeout, budget, deadline, hedge, idempotencyKey, reach, retry } = options
  oneOf("reach", reach, ["call", "nested"])
  if (typeof retry === "object") {
    if (retry.maxAttempts !== undefined) integerIn(where, "retry.maxAttempts", retry.maxAttempts, { min: 1 })
    oneOf("retry.resend", retry.resend, Idempotency.gates)
    oneOf("retry.givenUp", retry.givenUp, ["final", "recklessly"])
  } else oneOf("retry", retry, ["none"])
  if (typeof hedge === "object") {
    Hedge.plan(Classifier.errors, { delay: 0, ...defined(hedge) })
    oneOf("hedge.resend", hedge.resend, Idempotency.gates)
  } else oneOf("hedge", hedge, ["none"])
  if (idempotencyKey === "") {
    throw new InvalidOption({ where, option: "idempotencyKey", value: "", requirement: "a key that is not empty" })
  }
  return new Overrides({
    retry: retry === "none" ? once : retry,
    hedge: hedge === "none" || hedge === undefined && retry === "none" ? once : hedge,
    budget,
    attemptTimeout: limitOf(attemptTimeout),
    deadline: limitOf(deadline),
    idempotencyKey,
    reach
  })
}

/** Without what is undefined, which would take the place of what is there. */
export const defined = <A extends object>(self: A): A =>
  // What is left out may be left out: it could have been undefined.
  Object.fromEntries(Object.entries(self).filter(([, value]) => value !== undefined)) as A

const joined = <A extends object>(outer: A | undefined, inner: A | undefined): A | undefined =>
  outer === undefined || inner === undefined ? inner ?? outer : { ...outer, ...defined(inner) }

/**
 * Joins two: what the inner ones say holds, and what they leave out is as in the outer ones. So it is within `retry` and `hedge`, where
 * "none" says `maxAttempts: 1`. It is associative.
 *
 * @since 0.1.0
 * @category combinators
 */
export const merge = (outer: Overrides, inner: Overrides): Overrides =>
  new Overrides({
    ...outer,
    ...defined(inner),
    retry: joined(outer.retry, inner.retry),
    hedge: joined(outer.hedge, inner.hedge)
  })

/** The request that a key was sent with. One for each run of a scope. */
interface Keyed {
  request: Request | undefined
}

/** Overrides as they stand in the context of a fiber; `request` is undefined where no call has begun yet. */
class Standing implements CurrentOverrides.CurrentOverrides {
  readonly overrides: Overrides
  readonly request: Request | undefined
  readonly keyed: Keyed

  constructor(overrides: Overrides, request: Request | undefined, keyed: Keyed) {
    this.overrides = overrides
    this.request = request
    this.keyed = keyed
  }

  get attemptTimeout(): Millis | undefined {
    return this.overrides.attemptTimeout
  }

  get deadline(): Millis | undefined {
    return this.overrides.deadline
  }

  isFor(fiber: Fiber.RuntimeFiber<unknown, unknown>, request: Request): boolean {
    if (this.request === undefined || Resend.isSame(request, this.request)) return true
    // Where it was redirected to, it is the same call.
    const { from } = Context.get(fiber.currentContext, Resend.Hop)
    return from !== undefined && Resend.redirects(fiber, request) > 0 && Resend.isSame(from, this.request)
  }

  bind<A, E, R>(self: Effect.Effect<A, E, R>, request: Request): Effect.Effect<A, E, R> {
    return this.request !== undefined || this.overrides.reach === "nested"
      ? self
      : provide(self, new Standing(this.overrides, request, this.keyed))
  }

  keyFor(request: Request): { readonly key: string } | { readonly problem: string } | undefined {
    const { keyed, overrides: { idempotencyKey: key } } = this
    if (key === undefined) return undefined
    keyed.request ??= request
    return Resend.isSame(request, keyed.request)
      ? { key }
      : { problem: "the key was given for one request, and another has been sent with it" }
  }

  /** The number of attempts stays that of the client, though a schedule of its own would have allowed it more. */
  retry<A, E, R>(plan: Loop.Plan<A, E, R>): Loop.Plan<A, E, R> {
    const { budget, retry } = this.overrides
    if (retry === undefined && budget === undefined) return plan
    return derived(this.overrides, plan, () => {
      const { givenUp, maxAttempts, schedule }: RetryOptions = { ...retry }
      return {
        ...plan,
        schedule: schedule ?? plan.schedule,
        maxAttempts: maxAttempts ?? plan.maxAttempts,
        givenUp: givenUp ?? plan.givenUp,
        // One that is unlimited is not asked.
        budget: budget === undefined ? plan.budget : budget === RetryBudget.unlimited ? undefined : budget
      }
    })
  }

  hedge<A, E>(plan: Contest.Plan<A, E>): Contest.Plan<A, E> {
    const { budget, hedge } = this.overrides
    if (hedge === undefined && budget === undefined) return plan
    return derived(this.overrides, plan, () => {
      const { delay, maxAttempts }: HedgeOptions = { ...hedge }
      return {
        ...plan,
        delay: delay === undefined ? plan.delay : Hedge.plan(Classifier.errors, { delay }).delay,
        maxAttempts: maxAttempts ?? plan.maxAttempts,
        budget: budget ?? plan.budget
      }
    })
  }

  work<E, R>(of: "Retry" | "Hedge", work: CurrentOverrides.Resent<E, R>, gate: Work.Gate): CurrentOverrides.Resent<E, R> {
    const { hedge, retry } = this.overrides
    const resend = (of === "Retry" ? retry : hedge)?.resend
    return resend === undefined ? work : { ...work, repeatable: Work.repeatable(of, { ...gate, resend }) }
  }
}

const plans = new WeakMap<Overrides, WeakMap<object, object>>()

/** Derives a plan once for each plan and each overrides, and keeps it as long as both live. */
const derived = <P extends object>(overrides: Overrides, plan: P, make: () => P): P => {
  const known = plans.get(overrides) ?? new WeakMap<object, object>()
  plans.set(overrides, known)
  // What is kept under a plan was made of it.
  const made = known.get(plan) as P | undefined ?? make()
  known.set(plan, made)
  return made
}

const provide = <A, E, R>(self: Effect.Effect<A, E, R>, standing: Standing): Effect.Effect<A, E, R> =>
  Surroundings.provide(self, CurrentOverrides.Current, standing)

const standingIn = (fiber: Fiber.RuntimeFiber<unknown, unknown>): Standing | undefined => {
  const current = Context.get(fiber.currentContext, CurrentOverrides.Current)
  return current instanceof Standing ? current : undefined
}

/**
 * Runs an effect with a request's own overrides, in front of which stand those of the scope that it is sent in.
 *
 * @since 0.1.0
 * @category building
 */
export const bindOwn = <A, E, R>(
  self: Effect.Effect<A, E, R>,
  own: Overrides,
  request: Request
): Effect.Effect<A, E, R> =>
  Effect.withFiberRuntime<A, E, R>((fiber) => {
    const standing = standingIn(fiber)
    const scope = standing?.isFor(fiber, request) === true ? standing : undefined
    const overrides = scope === undefined ? own : merge(own, scope.overrides)
    const keyed = scope?.overrides.idempotencyKey === undefined ? { request: undefined } : scope.keyed
    return provide(self, new Standing(overrides, overrides.reach === "nested" ? undefined : request, keyed))
  })

/**
 * Makes the calls of an effect otherwise than their clients say. Throws `InvalidOption` on options that cannot be.
 *
 * **Details**
 *
 * They hold for each call that the effect makes. Of nested ones the inner hold, field by field. They do not hold for what a call needs on
 * its way (a token of another service, say) unless `reach` says so. A strategy that the client has not is not added.
 *
 * **Gotchas**
 *
 * The deadline of the caller still holds: `deadline` takes the place of the client's. What is made less safe says so: `"recklessly"`,
 * `"none"`, `RetryBudget.unlimited`.
 *
 * @since 0.1.0
 * @category combinators
 */
export const override: {
  /** Makes the calls of an effect otherwise than their clients say. */
  (options: Options | Overrides): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** Makes the calls of an effect otherwise than their clients say. */
  <A, E, R>(self: Effect.Effect<A, E, R>, options: Options | Overrides): Effect.Effect<A, E, R>
} = (...args: readonly [Given] | readonly [Effect.Effect<unknown, unknown, unknown>, Given]) => {
  // Not `dual`, which would check the options with each effect, where it is too late. What comes out has the type of what goes in.
  if (args.length === 2) return within(args[0], checked(args[1])) as never
  const overrides = checked(args[0])
  return (<A, E, R>(self: Effect.Effect<A, E, R>) => within(self, overrides)) as never
}

type Given = Options | Overrides

const checked = (options: Given): Overrides => options instanceof Overrides ? options : make(options)

const within = <A, E, R>(self: Effect.Effect<A, E, R>, inner: Overrides): Effect.Effect<A, E, R> =>
  Effect.withFiberRuntime<A, E, R>((fiber) => {
    const outer = standingIn(fiber)
    // Those of a call, on whose way this is, are not its own.
    const scope = outer?.request === undefined ? outer : undefined
    const overrides = scope === undefined ? inner : merge(scope.overrides, inner)
    const keyed = scope !== undefined && inner.idempotencyKey === undefined ? scope.keyed : { request: undefined }
    return provide(self, new Standing(overrides, undefined, keyed))
  })
