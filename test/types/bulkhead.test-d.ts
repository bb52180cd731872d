import type { HttpClient, HttpClientError, HttpClientResponse } from "@effect/platform"
import { AdaptiveLimit, Bulkhead, CircuitBreaker, Classifier, DropIn, Guard, type Guarded, Middleware, Outcome, type Permits, Resilience } from "effect-resilience"
import { Effect, Option, Schedule, type Scope } from "effect"
import { describe, expectTypeOf, it } from "vitest"

declare const bulkhead: Bulkhead.Bulkhead
declare const limit: AdaptiveLimit.AdaptiveLimit
declare const client: HttpClient.HttpClient
declare const effect: Effect.Effect<number, "no", "service">

describe("Bulkhead", () => {
  it("adds BulkheadFull to the error, and nothing else", () => {
    type Protected = Effect.Effect<number, "no" | Bulkhead.BulkheadFull, "service">
    expectTypeOf(Bulkhead.protect(effect, { bulkhead })).toEqualTypeOf<Protected>()
    expectTypeOf(effect.pipe(Bulkhead.protect({ bulkhead, key: "a" }))).toEqualTypeOf<Protected>()
    expectTypeOf(Bulkhead.hold({ bulkhead })).toEqualTypeOf<Effect.Effect<void, Bulkhead.BulkheadFull, Scope.Scope>>()
    expectTypeOf<Bulkhead.BulkheadFull["because"]>().toEqualTypeOf<Permits.Reason>()
  })

  it("needs a number of permits", () => {
    expectTypeOf(Bulkhead.make({ permits: 1 })).toEqualTypeOf<Effect.Effect<Bulkhead.Bulkhead>>()
    // @ts-expect-error there is no number that is right everywhere
    Bulkhead.make({})
  })

  it("adds BulkheadFull to the error of a client, and folds into the platform's", () => {
    type Limited = HttpClient.HttpClient.With<HttpClientError.HttpClientError | Bulkhead.BulkheadFull>
    expectTypeOf(client.pipe(Resilience.withBulkhead({ bulkhead, holdUntil: "body" }))).toEqualTypeOf<Limited>()
    expectTypeOf(Middleware.applyTo(client, Guard.middleware(Guard.bulkhead({ bulkhead })))).toEqualTypeOf<Limited>()
    expectTypeOf(DropIn.fold(client.pipe(Resilience.withBulkhead({ bulkhead })))).toEqualTypeOf<HttpClient.HttpClient.With<HttpClientError.HttpClientError>>()
    // @ts-expect-error headers or body
    Resilience.withBulkhead({ bulkhead, holdUntil: "scope" })
  })
})

describe("AdaptiveLimit", () => {
  it("adds LimitReached to the error, and nothing else", () => {
    expectTypeOf(AdaptiveLimit.protect(effect, { limit })).toEqualTypeOf<Effect.Effect<number, "no" | AdaptiveLimit.LimitReached, "service">>()
    expectTypeOf(client.pipe(Resilience.withAdaptiveLimit({ limit }))).toEqualTypeOf<
      HttpClient.HttpClient.With<HttpClientError.HttpClientError | AdaptiveLimit.LimitReached>
    >()
  })

  it("takes a classifier of what the effect gives, and refuses another", () => {
    const mine = Classifier.make("mine", (_: unknown) => Option.some(Outcome.success))
    expectTypeOf(AdaptiveLimit.protect(effect, { limit, classifier: mine })).toExtend<Effect.Effect<number, unknown, "service">>()
    const ofResponses = Classifier.onStatus("409", [409], () => Outcome.success)
    // @ts-expect-error a number is not a response
    AdaptiveLimit.protect(effect, { limit, classifier: ofResponses })
  })
})

describe("Guard.make", () => {
  it("takes a guard over responses, and adds its error to a client", () => {
    const mine: Guarded.Guard<number, HttpClientResponse.HttpClientResponse, unknown, "full"> = {
      admit: () => Effect.succeed(1),
      announce: () => Effect.void,
      settle: (_caller, _ticket, exit) => exit
    }
    expectTypeOf(Guard.client(Guard.make(mine))(client)).toEqualTypeOf<HttpClient.HttpClient.With<HttpClientError.HttpClientError | "full">>()
    // @ts-expect-error a guard over numbers is none over responses
    Guard.make({ ...mine, settle: (_caller: unknown, _ticket: number, _exit: unknown) => Effect.succeed(1) })
  })
})

describe("CircuitBreaker.make", () => {
  it("takes any schedule that needs nothing for how long it stays open", () => {
    CircuitBreaker.make({ openDuration: Schedule.exponential("1 second") })
    // @ts-expect-error nobody would give it what it needs
    CircuitBreaker.make({ openDuration: Schedule.recurWhileEffect(() => Effect.as(bulkheadService, true)) })
  })
})

declare const bulkheadService: Effect.Effect<void, never, "service">
