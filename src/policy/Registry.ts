/**
 * Named services with named policies, which can be replaced while the program runs.
 *
 * An update is taken as a whole or not at all. It holds from the next call on: calls that are on their way end under what they began
 * with. A strategy whose own part of the policy is the same goes on with what it remembers: an open breaker stays open, a budget keeps its
 * tokens. One that is no longer in the policy is gone.
 *
 * **Example** (No more calls to a service, and back, by changing data)
 *
 * ```ts
 * import { Registry, Services } from "effect-resilience"
 * import { HttpScript } from "effect-resilience/testing"
 * import { Effect } from "effect"
 *
 * const policies = { search: { fallback: { kind: "value", body: "nothing found" } } } as const
 *
 * const program = Effect.gen(function*() {
 *   const registry = yield* Registry.make(Services.make(policies))
 *   const search = yield* registry.service("search")
 *   const read = Effect.flatMap(search.get("http://search.test/"), (response) => response.text)
 *   const before = yield* read
 *   yield* registry.update(Effect.succeed(Services.make(policies, { degraded: ["search"] })))
 *   const degraded = yield* read
 *   yield* registry.update(Effect.succeed(Services.make(policies)))
 *   return [before, degraded, yield* read]
 * })
 *
 * const script = HttpScript.layer([{ status: 200, body: "a" }, { status: 200, body: "b" }])
 *
 * await program.pipe(Effect.provide(script), Effect.runPromise) // => ["a", "nothing found", "b"]
 * ```
 *
 * @since 0.1.0
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Event } from "../core/Event.ts"
import * as DropIn from "../http/DropIn.ts"
import * as Middleware from "../http/Middleware.ts"
import * as Observer from "../strategy/Observer.ts"
import * as Nearest from "./Nearest.ts"
import type * as PolicyClient from "./PolicyClient.ts"
import * as Reload from "./Reload.ts"
import type * as Services from "./Services.ts"

/**
 * No service has this name.
 *
 * @since 0.1.0
 * @category errors
 */
export class UnknownService extends Data.TaggedError("UnknownService")<{
  readonly service: string
  readonly known: ReadonlyArray<string>
}> {
  override get message(): string {
    const nearest = Option.match(Nearest.of(this.service, this.known), { onNone: () => "", onSome: (name) => `; did you mean ${JSON.stringify(name)}?` })
    return `no service is called ${JSON.stringify(this.service)}${nearest}`
  }
}

/**
 * A change of the services, which may turn out to be none: its message says why.
 *
 * @since 0.1.0
 * @category models
 */
export type Update<R = never> = Effect.Effect<Services.Services, { readonly message: string }, R>

/**
 * The services of a program.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /**
   * Makes a client of a service. It follows the updates. All clients of a service share its breakers, budgets and limits.
   */
  readonly service: (
    name: string
  ) => Effect.Effect<HttpClient.HttpClient.With<PolicyClient.Failures>, UnknownService, HttpClient.HttpClient>
  /** Takes an update, and tells whether it was used. One that fails leaves everything as it is, and is told of in an event. */
  readonly update: <R>(update: Update<R>) => Effect.Effect<boolean, never, R>
  /** What holds now. A service that an update leaves out keeps what it had. */
  readonly services: Effect.Effect<Services.Services>
}

/**
 * The registry of an application.
 *
 * @since 0.1.0
 * @category tags
 */
export class Registry extends Context.Tag("effect-resilience/Registry")<Registry, Service>() {}

const emit = (name: string, event: (base: Pick<Event, "call" | "at">) => Event): Effect.Effect<void> =>
  Effect.flatMap(Effect.all([Observer.Observer, Clock.currentTimeMillis]), ([listener, at]) =>
    Observer.emit(listener, event({ call: Observer.call(name), at })))

/**
 * Makes a registry.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (initial: Services.Services): Effect.Effect<Service> =>
  Effect.gen(function*() {
    const slots = new Map<string, Reload.Loaded>()
    const turn = yield* Effect.makeSemaphore(1)
    const load = (services: Services.Services) =>
      Effect.forEach(services.policies, ([name, policy]) =>
        Effect.map(Reload.load(slots.get(name), { name, policy, degraded: services.degraded.has(name) }), (loaded) => [name, loaded] as const))
    const apply = (services: Services.Services) =>
      Effect.flatMap(load(services), (loaded) => {
        const changes = loaded.filter(([name, next]) => Reload.isChanged(slots.get(name), next))
        // All of them in one step, so that no call sees a half of it.
        for (const [name, next] of loaded) slots.set(name, next)
        return Effect.succeed(changes)
      })
    yield* apply(initial)
    const rejected = (because: string) =>
      Effect.as(emit("registry", (base) => ({ _tag: "PolicyRejected", ...base, because })), false)
    const taken = (services: Services.Services) =>
      apply(services).pipe(
        Effect.flatMap(Effect.forEach(([name, { changed, mode }]) =>
          emit(name, (base) => ({ _tag: "PolicyApplied", ...base, changed, mode })), { discard: true })),
        Effect.as(true),
        // What a schema lets pass, and a strategy does not: its message says what.
        Effect.catchAllDefect((defect) => rejected(defect instanceof Error ? defect.message : String(defect)))
      )
    return {
      service: (name) =>
        Effect.flatMap(HttpClient.HttpClient, (client) =>
          slots.has(name)
            ? Effect.succeed(Middleware.applyTo(client, following(() => slots.get(name)?.stack ?? Middleware.identity)))
            : new UnknownService({ service: name, known: [...slots.keys()] })),
      // Read first, and then wait for the turn: a slow source does not hold up another.
      update: (update) =>
        Effect.matchEffect(update, {
          onFailure: ({ message }) => rejected(message),
          onSuccess: (services) => turn.withPermits(1)(Effect.uninterruptible(taken(services)))
        }),
      services: Effect.sync(() => ({
        policies: new Map([...slots].map(([name, { policy }]) => [name, policy])),
        degraded: new Set([...slots].flatMap(([name, { mode }]) => mode === "Degraded" ? [name] : []))
      }))
    }
  })

/** The stack that holds when a call begins, for the whole of that call. */
const following = (current: () => Middleware.Middleware<PolicyClient.Failures>): Middleware.Middleware<PolicyClient.Failures> => (handler) => {
  let stack = current()
  let applied = stack(handler)
  // Asked when the call is run, and not when it is written: the effect of a call may be run again and again.
  return (request) =>
    Effect.suspend(() => {
      const now = current()
      if (now !== stack) {
        stack = now
        applied = now(handler)
      }
      return applied(request)
    })
}

/**
 * Takes each update of a stream, until it ends.
 *
 * @since 0.1.0
 * @category updating
 */
export const follow = <E = never, R = never, R2 = never>(self: Service, updates: Stream.Stream<Update<R2>, E, R>): Effect.Effect<void, E, R | R2> =>
  Stream.runForEach(updates, self.update)

/**
 * Updates that are pulled, again and again: at once, and whenever the schedule says so.
 *
 * @since 0.1.0
 * @category updating
 */
export const pulling = <R, R2>(update: Update<R>, schedule: Schedule.Schedule<unknown, unknown, R2>): Stream.Stream<Update<R>, never, R2> =>
  Stream.concat(Stream.succeed(update), Stream.map(Stream.fromSchedule(schedule), () => update))

/**
 * Makes the registry of an application, which takes the updates of a stream for as long as the application runs. Where that ends with an
 * error, an event says so, and the last policies hold.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = <E = never, R = never, R2 = never>(options: {
  readonly initial: Services.Services
  readonly updates: Stream.Stream<Update<R2>, E, R>
}): Layer.Layer<Registry, never, Exclude<R | R2, Scope.Scope>> =>
  Layer.scoped(
    Registry,
    Effect.tap(make(options.initial), (self) => Effect.forkScoped(followed(self, options.updates)))
  )

/**
 * Follows updates in the background of a scope; where the stream ends with an error, an event says so.
 *
 * @since 0.1.0
 * @category updating
 */
export const followed = <E = never, R = never, R2 = never>(self: Service, updates: Stream.Stream<Update<R2>, E, R>): Effect.Effect<void, never, R | R2> =>
  Effect.catchAll(follow(self, updates), (error) =>
    Effect.asVoid(self.update(Effect.fail({ message: `no more updates: ${error instanceof Error ? error.message : String(error)}` }))))

/**
 * The client of a service of the application's registry.
 *
 * @since 0.1.0
 * @category accessors
 */
export const service = (
  name: string
): Effect.Effect<HttpClient.HttpClient.With<PolicyClient.Failures>, UnknownService, HttpClient.HttpClient | Registry> =>
  Effect.flatMap(Registry, (registry) => registry.service(name))

/**
 * The client of a service, wherever an `HttpClient` is wanted: refusals are folded into the platform's error.
 *
 * @since 0.1.0
 * @category accessors
 */
export const serviceDropIn = (name: string): Effect.Effect<HttpClient.HttpClient, UnknownService, HttpClient.HttpClient | Registry> =>
  Effect.map(service(name), DropIn.fold)

/**
 * The client of a service of the application's registry, under a tag: that of `PolicyClient.Service`, or any other.
 *
 * **Example** (A typed tag for a service)
 *
 * ```ts
 * import { PolicyClient, Registry, Services } from "effect-resilience"
 * import { HttpScript } from "effect-resilience/testing"
 * import { Effect, Layer, Stream } from "effect"
 *
 * class Billing extends PolicyClient.Service<Billing>()("Billing") {}
 *
 * const registry = Registry.layer({ initial: Services.make({ billing: { deadline: "5 seconds" } }), updates: Stream.empty })
 * const BillingLive = Registry.layerService(Billing, "billing").pipe(Layer.provide(registry))
 *
 * const status = Effect.flatMap(Billing, (billing) => Effect.map(billing.get("http://billing.test/"), (response) => response.status))
 *
 * await status.pipe(
 *   Effect.provide(BillingLive),
 *   Effect.provide(HttpScript.layer([{ status: 200 }])),
 *   Effect.runPromise
 * ) // => 200
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerService = <Self>(
  tag: Context.Tag<Self, HttpClient.HttpClient.With<PolicyClient.Failures>>,
  name: string
): Layer.Layer<Self, UnknownService, HttpClient.HttpClient | Registry> => Layer.effect(tag, service(name))
