import type { HttpClient, HttpClientError, HttpClientResponse } from "@effect/platform"
import { CircuitBreaker, Classifier, DropIn, Guard, Middleware, Outcome, Resilience, type TripPolicy } from "effect-resilience"
import { Effect, Option, type Stream } from "effect"
import { describe, expectTypeOf, it } from "vitest"

declare const breaker: CircuitBreaker.CircuitBreaker
declare const client: HttpClient.HttpClient
declare const effect: Effect.Effect<number, "no", "service">

describe("CircuitBreaker", () => {
  it("adds CircuitOpen to the error, and nothing else", () => {
    type Protected = Effect.Effect<number, "no" | CircuitBreaker.CircuitOpen, "service">
    expectTypeOf(CircuitBreaker.protect(effect, { breaker })).toEqualTypeOf<Protected>()
    expectTypeOf(effect.pipe(CircuitBreaker.protect({ breaker, key: "a" }))).toEqualTypeOf<Protected>()
    expectTypeOf(Effect.never.pipe(CircuitBreaker.protect({ breaker }))).toEqualTypeOf<Effect.Effect<never, CircuitBreaker.CircuitOpen>>()
  })

  it("is handled by its tag", () => {
    const handled = CircuitBreaker.protect(effect, { breaker }).pipe(Effect.catchIf((error) => error !== "no", () => Effect.succeed(0)))
    expectTypeOf(handled).toExtend<Effect.Effect<number, "no" | CircuitBreaker.CircuitOpen, "service">>()
    expectTypeOf<CircuitBreaker.CircuitOpen["retryAfter"]>().toEqualTypeOf<Option.Option<number>>()
    expectTypeOf<CircuitBreaker.CircuitOpen["key"]>().toEqualTypeOf<string>()
  })

  it("takes a classifier of what the effect gives, and refuses another", () => {
    const mine = Classifier.make("mine", (_: unknown) => Option.some(Outcome.success))
    expectTypeOf(CircuitBreaker.protect(effect, { breaker, classifier: mine })).toExtend<Effect.Effect<number, unknown, "service">>()
    const ofResponses = Classifier.onStatus("409", [409], () => Outcome.success)
    // @ts-expect-error a number is not a response
    CircuitBreaker.protect(effect, { breaker, classifier: ofResponses })
  })

  it("make needs nothing and cannot fail; policies are data", () => {
    expectTypeOf(CircuitBreaker.make()).toEqualTypeOf<Effect.Effect<CircuitBreaker.CircuitBreaker>>()
    expectTypeOf(CircuitBreaker.consecutive(1)).toEqualTypeOf<TripPolicy.TripPolicy>()
    expectTypeOf<CircuitBreaker.CircuitBreaker["transitions"]>().toEqualTypeOf<Stream.Stream<CircuitBreaker.Transition>>()
    // @ts-expect-error a window is over calls or over time
    CircuitBreaker.rate({ window: 100 })
    // @ts-expect-error none is no choice
    CircuitBreaker.anyOf()
  })
})

describe("withCircuitBreaker", () => {
  type Guarded = HttpClient.HttpClient.With<HttpClientError.HttpClientError | CircuitBreaker.CircuitOpen>

  it("adds CircuitOpen to the error of a client", () => {
    expectTypeOf(client.pipe(Resilience.withCircuitBreaker({ breaker }))).toEqualTypeOf<Guarded>()
    expectTypeOf(Middleware.applyTo(client, Guard.middleware(Guard.circuitBreaker({ breaker })))).toEqualTypeOf<Guarded>()
    expectTypeOf(client.pipe(Resilience.withCircuitBreaker({ breaker, key: (request) => request.url, classifier: Classifier.http }))).toEqualTypeOf<Guarded>()
  })

  it("folds into the platform's client", () => {
    expectTypeOf(DropIn.fold(client.pipe(Resilience.withCircuitBreaker({ breaker })))).toEqualTypeOf<HttpClient.HttpClient.With<HttpClientError.HttpClientError>>()
  })

  it("takes a classifier of responses", () => {
    const mine = Classifier.make("mine", (_: unknown) => Option.some(Outcome.success))
    expectTypeOf<Guard.CircuitBreakerOptions["classifier"]>().toEqualTypeOf<Classifier.Classifier<HttpClientResponse.HttpClientResponse> | undefined>()
    client.pipe(Resilience.withCircuitBreaker({ breaker, classifier: mine }))
  })
})
