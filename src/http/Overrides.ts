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
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Classifier from "../core/Classifier.ts"
import { InvalidOption, integerIn } from "../core/InvalidOption.ts"
import { maxDelay, type Millis } from "../core/Millis.ts"
import * as Hedge from "../strategy/Hedge.ts"
import type * as Retry from "../strategy/Retry.ts"
import type * as RetryBudget from "../strategy/RetryBudget.ts"
import * as Surroundings from "../strategy/Surroundings.ts"
import * as Timeout from "../strategy/Timeout.ts"
import * as Resend from "./Resend.ts"
import type * as Work from "./Work.ts"

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
  /** "none": one attempt, of a hedge too unless `hedge` says more. */
  readonly retry?: RetryOptions | "none" | undefined
  /** "none": one attempt. */
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

/** What checked options hold. Limits are in ms; one of 2^31 - 1 is none. */
interface Checked {
  readonly retry: RetryOptions | "none" | undefined
  readonly hedge: HedgeOptions | "none" | undefined
  readonly budget: RetryBudget.RetryBudget | undefined
  readonly attemptTimeout: Millis | undefined
  readonly deadline: Millis | undefined
  readonly idempotencyKey: string | undefined
  readonly reach: "call" | "nested" | undefined
}

/**
 * Options that have been checked. Made once, the strategies need not be derived again for each call.
 *
 * @since 0.1.0
 * @category models
 */
export class Overrides implements Checked {
  readonly retry: RetryOptions | "none" | undefined
  readonly hedge: HedgeOptions | "none" | undefined
  readonly budget: RetryBudget.RetryBudget | undefined
  /** In ms; 2^31 - 1 is none. */
  readonly attemptTimeout: Millis | undefined
  /** In ms; 2^31 - 1 is none. */
  readonly deadline: Millis | undefined
  readonly idempotencyKey: string | undefined
  readonly reach: "call" | "nested" | undefined

  constructor(checked: Checked) {
    this.retry = checked.retry
    this.hedge = checked.hedge
    this.budget = checked.budget
    this.attemptTimeout = checked.attemptTimeout
    this.deadline = checked.deadline
    this.idempotencyKey = checked.idempotencyKey
    this.reach = checked.reach
  }
}

const where = "Overrides"

const limitOf = (limit: Duration.DurationInput | "none" | undefined): Millis | undefined =>
  limit === undefined ? undefined : limit === "none" ? maxDelay : Timeout.limitMillis(where, limit)

/** A word that is not known would be taken for the default, or for the opposite of what was meant. */
const oneOf = (option: string, value: unknown, words: ReadonlyArray<string>): void => {
  if (value === undefined || typeof value === "string" && words.includes(value)) return
  throw new InvalidOption({ where, option, value, requirement: `one of ${words.map((word) => `"${word}"`).join(", ")}` })
}

const resends = ["idempotent", "recklessly"]

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
    oneOf("retry.resend", retry.resend, resends)
    oneOf("retry.givenUp", retry.givenUp, ["final", "recklessly"])
  } else oneOf("retry", retry, ["none"])
  if (typeof hedge === "object") {
    Hedge.plan(Classifier.errors, { delay: 0, ...defined(hedge) })
    oneOf("hedge.resend", hedge.resend, resends)
  } else oneOf("hedge", hedge, ["none"])
  if (idempotencyKey === "") {
    throw new InvalidOption({ where, option: "idempotencyKey", value: "", requirement: "a key that is not empty" })
  }
  return new Overrides({
    retry,
    hedge: hedge ?? (retry === "none" ? "none" : undefined),
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

const joined = <A extends object>(outer: A | "none" | undefined, inner: A | "none" | undefined): A | "none" | undefined =>
  typeof outer === "object" && typeof inner === "object" ? { ...outer, ...defined(inner) } : inner ?? outer

/**
 * Joins two: what the inner ones say holds, and what they leave out is as in the outer ones. So it is within `retry` and `hedge`.
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

/**
 * Overrides as they stand in the context of a fiber.
 *
 * @since 0.1.0
 * @category models
 */
export interface Entry {
  readonly overrides: Overrides
  /** The request whose they are; undefined where no call has begun yet. */
  readonly request: Request | undefined
  /** The request that the key was sent with. One for each run of a scope. */
  readonly keyed: { request: Request | undefined }
}

/**
 * The overrides of the current fiber.
 *
 * @since 0.1.0
 * @category references
 */
export class Current extends Context.Reference<Current>()("effect-resilience/Overrides", {
  defaultValue: (): Entry | undefined => undefined
}) {}

const entryOf = (fiber: Fiber.RuntimeFiber<unknown, unknown>): Entry | undefined =>
  fiber.currentContext.unsafeMap.get(Current.key)

/**
 * The overrides for a request, if there are some: those of the scope that it is sent in, unless they are of another call, on whose way
 * this one is.
 *
 * @since 0.1.0
 * @category getters
 */
export const of = (fiber: Fiber.RuntimeFiber<unknown, unknown>, request: Request): Entry | undefined => {
  const entry = entryOf(fiber)
  return entry === undefined || entry.request === undefined || Resend.isSame(request, entry.request) ? entry : undefined
}

const isBound = (entry: Entry): boolean => entry.request !== undefined || entry.overrides.reach === "nested"

/**
 * Runs what a strategy does with a request, so that the overrides are those of this request, and of no other that is sent on the way.
 *
 * @since 0.1.0
 * @category building
 */
export const bind = <A, E, R>(self: Effect.Effect<A, E, R>, entry: Entry, request: Request): Effect.Effect<A, E, R> =>
  isBound(entry) ? self : Surroundings.provide(self, Current, { ...entry, request })

/**
 * Runs an effect with a request's own overrides, in front of which stand those of the scope that it is sent in.
 *
 * @since 0.1.0
 * @category building
 */
export const bindOwn = <A, E, R>(
  self: Effect.Effect<A, E, R>,
  own: Overrides,
  entry: Entry | undefined,
  request: Request
): Effect.Effect<A, E, R> => {
  const overrides = entry === undefined ? own : merge(own, entry.overrides)
  const keyed = entry?.overrides.idempotencyKey === undefined ? { request: undefined } : entry.keyed
  return Surroundings.provide(self, Current, { overrides, request: overrides.reach === "nested" ? undefined : request, keyed })
}

/**
 * The key that overrides have for a request; undefined where they have none, and "taken" where another request was sent with it.
 *
 * @since 0.1.0
 * @category getters
 */
export const keyFor = (entry: Entry, request: Request): { readonly key: string } | "taken" | undefined => {
  const { keyed, overrides: { idempotencyKey: key } } = entry
  if (key === undefined) return undefined
  keyed.request ??= request
  return Resend.isSame(request, keyed.request) ? { key } : "taken"
}

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
    const outer = entryOf(fiber)
    const overrides = outer === undefined || outer.request !== undefined ? inner : merge(outer.overrides, inner)
    const keyed = outer?.request === undefined && inner.idempotencyKey === undefined && outer !== undefined
      ? outer.keyed
      : { request: undefined }
    return Surroundings.provide(self, Current, { overrides, request: undefined, keyed })
  })
