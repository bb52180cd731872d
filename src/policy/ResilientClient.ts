/**
 * A client with everything that a call between services needs, in one line.
 *
 * What it does is what `Resilience` does, in the order of `Order`. By default: attempt timeout, attempt span, retry with a budget,
 * deadline, call span. Every other strategy is a field away, and is a value of `Strategy`, which brings its code with it.
 *
 * **Example** (Drop in: the same tag in, the same tag out)
 *
 * ```ts
 * import { HttpClient } from "@effect/platform"
 * import { ResilientClient } from "effect-resilience"
 * import { HttpScript } from "effect-resilience/testing"
 * import { Effect, Layer } from "effect"
 *
 * const HttpLive = ResilientClient.layer().pipe(Layer.provide(HttpScript.layer([{ status: 503 }, { status: 200 }])))
 *
 * const status = Effect.map(HttpClient.get("http://users.test/1"), (response) => response.status)
 *
 * await status.pipe(Effect.provide(HttpLive), Effect.runPromise) // => 200
 * ```
 *
 * @since 0.1.0
 */
import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { NoExcessProperties } from "effect/Types"
import type * as Classifier from "../core/Classifier.ts"
import type * as Failure from "../core/Failure.ts"
import { InvalidOption } from "../core/InvalidOption.ts"
import * as Deadline from "../http/Deadline.ts"
import * as DropIn from "../http/DropIn.ts"
import * as Middleware from "../http/Middleware.ts"
import type * as Redirect from "../http/Redirect.ts"
import * as Retry from "../http/Retry.ts"
import * as Timeout from "../http/Timeout.ts"
import type * as AdaptiveLimit from "../strategy/AdaptiveLimit.ts"
import type * as AdaptiveThrottle from "../strategy/AdaptiveThrottle.ts"
import type * as Bulkhead from "../strategy/Bulkhead.ts"
import type * as CircuitBreaker from "../strategy/CircuitBreaker.ts"
import type * as RateLimit from "../strategy/RateLimit.ts"
import * as RetryBudget from "../strategy/RetryBudget.ts"
import type * as RetrySchedule from "../strategy/RetrySchedule.ts"
import * as Meter from "../telemetry/Meter.ts"
import * as Trace from "../telemetry/Trace.ts"
import * as Order from "./Order.ts"

/**
 * Which strategies a client has. Each field is one strategy; "none" leaves it out.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options<out E = HttpClientError.HttpClientError | DropIn.Refusal, out R = never> {
  /** The name of the call's span, and of the call in events. Default: "http". */
  readonly name?: string | undefined
  /** What a response or an error means to all strategies that have no classifier of their own. Default: `Classifier.http`. */
  readonly classifier?: Classifier.Classifier<HttpClientResponse.HttpClientResponse> | undefined
  /** Default: "none". `Strategy.chaos`. */
  readonly chaos?: Order.Strategy<"chaos", E> | "none" | undefined
  /** Default: "none". `Strategy.deadlineHeader`. */
  readonly deadlineHeader?: Order.Strategy<"deadlineHeader"> | "none" | undefined
  /** Default: "none". `Strategy.attemptHeader`. */
  readonly attemptHeader?: Order.Strategy<"attemptHeader"> | "none" | undefined
  /**
   * Whether the body is read as part of the attempt, so that a truncated one can be sent again. Default: "none": it is handed over
   * as a stream, and what breaks off after that is yours. `Strategy.bufferedBody`.
   */
  readonly bufferedBody?: Order.Strategy<"bufferedBody", HttpClientError.ResponseError> | "none" | undefined
  /** Default: 10 seconds, until the headers have arrived, or the body has where it is buffered. */
  readonly attemptTimeout?: Timeout.Options | Duration.DurationInput | "none" | undefined
  /** Default: "none". `Strategy.redirects`. */
  readonly redirects?: Order.Strategy<"redirects", Redirect.RedirectRefused> | "none" | undefined
  /** Default: "none". `Strategy.rateLimit`. */
  readonly rateLimit?: Order.Strategy<"rateLimit", RateLimit.RateLimited> | "none" | undefined
  /** Default: "none". `Strategy.circuitBreaker`. */
  readonly circuitBreaker?: Order.Strategy<"circuitBreaker", CircuitBreaker.CircuitOpen> | "none" | undefined
  /** Default: "none". `Strategy.adaptiveThrottle`. */
  readonly adaptiveThrottle?: Order.Strategy<"adaptiveThrottle", AdaptiveThrottle.LoadShed> | "none" | undefined
  /** Default: "none". `Strategy.adaptiveLimit`. */
  readonly adaptiveLimit?: Order.Strategy<"adaptiveLimit", AdaptiveLimit.LimitReached> | "none" | undefined
  /** Default: "none". `Strategy.bulkhead`. */
  readonly bulkhead?: Order.Strategy<"bulkhead", Bulkhead.BulkheadFull> | "none" | undefined
  /** Default: "none". `Strategy.endpoints`. */
  readonly endpoints?: Order.Strategy<"endpoints"> | "none" | undefined
  /** Default: 3 attempts, `RetrySchedule.standard`; "none" where there is a hedge. */
  readonly retry?: Omit<Retry.Options<R>, "budget" | "name"> | "none" | undefined
  /** In the place of the retry: giving both throws `InvalidOption`. Default: "none". `Strategy.hedge`. */
  readonly hedge?: Order.Strategy<"resend"> | "none" | undefined
  /**
   * What resends are paid with, those of the retry and those of the hedge: how to make one for each client, or one that is shared.
   * Default: `RetryBudget.make()`, a tenth of the successes of 10 s and 1 a second. `RetryBudget.unlimited` is none.
   */
  readonly budget?: Effect.Effect<RetryBudget.RetryBudget> | RetryBudget.RetryBudget | undefined
  /** Default: "none", because only you know whether the other side honours keys. `Strategy.idempotencyKey`. */
  readonly idempotencyKey?: Order.KeyStrategy | "none" | undefined
  /** Default: "none". `Strategy.fallback`, `Strategy.lastGood`. */
  readonly fallback?: Order.Strategy<"fallback", E, R> | "none" | undefined
  /** Default: 30 seconds for the whole call, its body included. */
  readonly deadline?: Duration.DurationInput | "none" | undefined
  /** What is otherwise for some requests, by their method and path. Default: "none". `Strategy.perRequest`. */
  readonly perRequest?: Order.Strategy<"perRequest"> | "none" | undefined
}

/**
 * The errors that a client has by default beside the platform's.
 *
 * @since 0.1.0
 * @category models
 */
export type Refusal = Timeout.AttemptTimeout | Deadline.DeadlineExceeded

/**
 * The errors that options add: of the attempt timeout and the deadline, unless they say "none", and of each strategy that is given.
 *
 * @since 0.1.0
 * @category models
 */
export type ErrorOf<O> =
  | (O extends { readonly attemptTimeout: "none" } ? never : Timeout.AttemptTimeout)
  | (O extends { readonly deadline: "none" } ? never : Deadline.DeadlineExceeded)
  | (O[keyof O] extends infer S ? S extends Order.Strategy<Order.Place, infer E, unknown> ? E : never : never)

/**
 * The requirements that options add: of a schedule, and of a fallback.
 *
 * @since 0.1.0
 * @category models
 */
export type RequirementOf<O> = O[keyof O] extends infer S
  ? S extends Order.Strategy<Order.Place, unknown, infer R> ? R
  : S extends { readonly schedule: RetrySchedule.RetrySchedule<infer R> } ? R
  : never
  : never

/**
 * A strategy or a schedule of any type. Of errors and requirements nothing is said here, because TypeScript would take what is said for
 * what is meant where a constructor leaves it open.
 */
interface Slot<out P extends Order.Place> {
  readonly place: P
  readonly make: (client: Order.Client) => Effect.Effect<unknown>
}

interface AnySchedule {
  readonly initial: unknown
  readonly step: (now: number, input: Failure.Failure, state: never) => unknown
}

/**
 * Any options, for inference.
 *
 * @since 0.1.0
 * @category models
 */
export interface Any extends Omit<Options<never>, "chaos" | "fallback" | "retry"> {
  readonly chaos?: Slot<"chaos"> | "none" | undefined
  readonly fallback?: Slot<"fallback"> | "none" | undefined
  readonly retry?: Omit<Retry.Options<never>, "budget" | "name" | "schedule"> & { readonly schedule?: AnySchedule | undefined } | "none" | undefined
}

/** Every strategy is a slot, and every schedule is any schedule: only the types of what they fail with and need are given back. */
const known = (options: Any): Options<unknown, unknown> => options as Options<unknown, unknown>

const chosenOf = <P extends Order.Place, E, R>(
  given: Order.Strategy<P, E, R> | "none" | undefined
): Order.Strategy<P, E, R> | undefined => given === "none" ? undefined : given

/** What is checked where it is written, and remembers nothing. */
const fixed = <P extends Order.Place, A, E>(
  place: P,
  given: A | "none",
  middleware: (given: A) => Middleware.Middleware<E>
): Order.Strategy<P, E> | undefined => {
  if (given === "none") return undefined
  const made = middleware(given)
  return { place, make: () => Effect.succeed(made) }
}

const resendOf = ({ hedge = "none", retry }: Options<unknown, unknown>): Order.Strategy<"resend", never, unknown> | undefined => {
  if (hedge !== "none") {
    if (retry === undefined || retry === "none") return hedge
    const requirement = "left out, or \"none\", where there is a hedge"
    throw new InvalidOption({ where: "ResilientClient", option: "retry", value: retry, requirement })
  }
  if (retry === "none") return undefined
  Retry.middleware(retry)
  return {
    place: "resend",
    make: ({ budget, classifier, keyHeaders, name }) =>
      Effect.sync(() =>
        Retry.middleware({
          ...retry,
          classifier: retry?.classifier ?? classifier,
          keyHeaders: retry?.keyHeaders ?? keyHeaders,
          budget,
          name
        })
      )
  }
}

/**
 * The strategies that options choose, in their places. Throws `InvalidOption` on options that cannot be.
 *
 * @since 0.1.0
 * @category building
 */
export const chosen = (any: Any): Order.Chosen => {
  const options = known(any)
  const { attemptTimeout = "10 seconds", deadline = "30 seconds", name = "http" } = options
  return {
    chaos: chosenOf(options.chaos),
    deadlineHeader: chosenOf(options.deadlineHeader),
    attemptHeader: chosenOf(options.attemptHeader),
    bufferedBody: chosenOf(options.bufferedBody),
    attemptTimeout: fixed("attemptTimeout", attemptTimeout, Timeout.middleware),
    attemptMetrics: fixed("attemptMetrics", { name }, ({ name }) => Meter.attempt(name)),
    attemptSpan: fixed("attemptSpan", Trace.attemptSpan, (span) => span),
    redirects: chosenOf(options.redirects),
    rateLimit: chosenOf(options.rateLimit),
    circuitBreaker: chosenOf(options.circuitBreaker),
    adaptiveThrottle: chosenOf(options.adaptiveThrottle),
    adaptiveLimit: chosenOf(options.adaptiveLimit),
    bulkhead: chosenOf(options.bulkhead),
    endpoints: chosenOf(options.endpoints),
    resend: resendOf(options),
    idempotencyKey: chosenOf(options.idempotencyKey),
    fallback: chosenOf(options.fallback),
    deadline: fixed("deadline", deadline, Deadline.middleware),
    perRequest: chosenOf(options.perRequest),
    callSpan: fixed("callSpan", { name }, (span) => Trace.callSpan(span.name))
  }
}

/**
 * Allocates what the strategies of a client have in common: its budget, unless that is shared.
 *
 * @since 0.1.0
 * @category building
 */
export const client = ({ budget = RetryBudget.make(), classifier, idempotencyKey, name = "http" }: Any): Effect.Effect<Order.Client> => {
  const keyHeaders = typeof idempotencyKey === "object" ? idempotencyKey.keyHeaders : undefined
  return Effect.map(Effect.isEffect(budget) ? budget : Effect.succeed(budget), (budget) => ({ budget, classifier, keyHeaders, name }))
}

/**
 * Makes all strategies of the options, and of them one middleware. Each time it is run, they are others.
 *
 * @since 0.1.0
 * @category constructors
 */
export const middleware = <const O extends NoExcessProperties<Any, O> = {}>(
  options?: O
): Effect.Effect<Middleware.Middleware<HttpClientError.HttpClientError | ErrorOf<O>, RequirementOf<O>>> => {
  const given: Any = options ?? {}
  const strategies = chosen(given)
  return Effect.map(
    Effect.flatMap(client(given), (common) => Order.make(strategies, common)),
    // What was chosen can fail with what the types of the options say.
    (made) => Order.stack(made) as Middleware.Middleware<HttpClientError.HttpClientError | ErrorOf<O>, RequirementOf<O>>
  )
}

/**
 * Makes a client whose error type shows what was added.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = <const O extends NoExcessProperties<Any, O> = {}>(
  options?: O
): Effect.Effect<
  HttpClient.HttpClient.With<HttpClientError.HttpClientError | ErrorOf<O>, RequirementOf<O>>,
  never,
  HttpClient.HttpClient
> => {
  const making = middleware(options)
  return Effect.flatMap(HttpClient.HttpClient, (client) => Effect.map(making, (made) => Middleware.applyTo(client, made)))
}

/**
 * Makes a client that fits wherever an `HttpClient` is wanted: refusals are folded into the platform's error (`DropIn`).
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeDropIn = (options?: Options): Effect.Effect<HttpClient.HttpClient, never, HttpClient.HttpClient> =>
  Effect.map(make(options), DropIn.fold)

/**
 * Replaces the client of an application by a resilient one. Application code does not change.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options?: Options): Layer.Layer<HttpClient.HttpClient, never, HttpClient.HttpClient> =>
  Layer.effect(HttpClient.HttpClient, makeDropIn(options))

/**
 * The client of one service: a tag, and the layer that makes it.
 *
 * @since 0.1.0
 * @category models
 */
export interface ServiceClass<Self, Id extends string, E, R> extends Context.TagClass<Self, Id, HttpClient.HttpClient.With<E, R>> {
  readonly layer: Layer.Layer<Self, never, HttpClient.HttpClient>
}

/**
 * Makes a tag for the client of one service, whose type shows exactly what that client can fail with.
 *
 * **When to use**
 *
 * Where a program talks to several services, each with strategies and a state of its own. For one that talks to one, `layer` replaces the
 * `HttpClient` itself.
 *
 * **Example** (A service and the program that calls it)
 *
 * ```ts
 * import { ResilientClient } from "effect-resilience"
 * import { HttpScript } from "effect-resilience/testing"
 * import { Effect } from "effect"
 *
 * class Users extends ResilientClient.Service<Users>()("Users", { name: "users", deadline: "5 seconds" }) {}
 *
 * const status = Effect.flatMap(Users, (users) => Effect.map(users.get("http://users.test/1"), (response) => response.status))
 *
 * await status.pipe(Effect.provide(Users.layer), Effect.provide(HttpScript.layer([{ status: 200 }])), Effect.runPromise) // => 200
 * ```
 *
 * @since 0.1.0
 * @category tags
 */
export const Service = <Self>() =>
<const Id extends string, const O extends NoExcessProperties<Any, O> = {}>(
  id: Id,
  options?: O
): ServiceClass<Self, Id, HttpClientError.HttpClientError | ErrorOf<O>, RequirementOf<O>> => {
  const tag = Context.Tag(id)<Self, HttpClient.HttpClient.With<HttpClientError.HttpClientError | ErrorOf<O>, RequirementOf<O>>>()
  return Object.assign(tag, { layer: Layer.effect(tag, make(options)) })
}
