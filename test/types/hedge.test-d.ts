import type { HttpClient, HttpClientError, HttpClientRequest } from "@effect/platform"
import { type CircuitBreaker, Classifier, Endpoints, Hedge, Middleware, type MovingQuantile, Outcome, Resilience } from "effect-resilience"
import { Effect, Option } from "effect"
import { describe, expectTypeOf, it } from "vitest"

declare const client: HttpClient.HttpClient
declare const breaker: CircuitBreaker.CircuitBreaker
declare const effect: Effect.Effect<number, "no", "service">

describe("Hedge", () => {
  it("adds nothing to what an effect fails with and needs", () => {
    expectTypeOf(Hedge.hedge(effect, { delay: "1 second" })).toEqualTypeOf<typeof effect>()
    expectTypeOf(effect.pipe(Hedge.hedge({ delay: Infinity, maxAttempts: 3 }))).toEqualTypeOf<typeof effect>()
    expectTypeOf(Effect.never.pipe(Hedge.hedge({ delay: 0 }))).toEqualTypeOf<Effect.Effect<never>>()
  })

  it("wants a delay: a duration or what has been learned", () => {
    // @ts-expect-error no number is right for all
    Hedge.hedge(effect, {})
    expectTypeOf(Hedge.movingQuantile({ fallback: 100 })).toEqualTypeOf<Effect.Effect<MovingQuantile.MovingQuantile>>()
    // @ts-expect-error a quantile has to be made first
    Hedge.hedge(effect, { delay: Hedge.movingQuantile({ fallback: 100 }) })
    // @ts-expect-error until enough is known there must be a delay
    Hedge.movingQuantile({ quantile: 0.9 })
  })

  it("takes a classifier of what the effect gives, and refuses another", () => {
    const mine = Classifier.make("mine", (_: unknown) => Option.some(Outcome.success))
    expectTypeOf(Hedge.hedge(effect, { delay: 1, classifier: mine })).toEqualTypeOf<typeof effect>()
    const ofResponses = Classifier.onStatus("409", [409], () => Outcome.success)
    // @ts-expect-error a number is not a response
    Hedge.hedge(effect, { delay: 1, classifier: ofResponses })
  })
})

describe("withHedge and withEndpoints", () => {
  it("leave the type of a client as it is", () => {
    expectTypeOf(client.pipe(Resilience.withHedge({ delay: "1 second" }))).toEqualTypeOf<HttpClient.HttpClient>()
    expectTypeOf(client.pipe(Resilience.withEndpoints(["https://a.test"]))).toEqualTypeOf<HttpClient.HttpClient>()
    expectTypeOf(Middleware.applyTo(client, Endpoints.middleware({ baseUrls: [], start: "inTurn" }))).toEqualTypeOf<HttpClient.HttpClient>()
  })

  it("keep what stands inside in the error", () => {
    const users = client.pipe(
      Resilience.withCircuitBreaker({ breaker }),
      Resilience.withEndpoints(["https://a.test"]),
      Resilience.withHedge({ delay: "1 second", key: (request: HttpClientRequest.HttpClientRequest) => request.url })
    )
    expectTypeOf(users).toEqualTypeOf<HttpClient.HttpClient.With<HttpClientError.HttpClientError | CircuitBreaker.CircuitOpen>>()
  })

  it("are constructed from what can be given, and nothing else", () => {
    // @ts-expect-error "first" or "inTurn"
    Endpoints.middleware({ baseUrls: [], start: "random" })
    // @ts-expect-error "idempotent" or "recklessly"
    Resilience.withHedge({ delay: 1, resend: "always" })
  })
})
