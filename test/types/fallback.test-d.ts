import type { HttpClient, HttpClientError, HttpClientRequest, HttpClientResponse } from "@effect/platform"
import { Chaos, type CircuitBreaker, DropIn, type Failure, Fallback, LastGood, type LastResponse, Resilience } from "effect-resilience"
import { inject, turnOn } from "effect-resilience/strategy/Chaos"
import { Effect, type Layer } from "effect"
import { describe, expectTypeOf, it } from "vitest"

declare const client: HttpClient.HttpClient
declare const guarded: HttpClient.HttpClient.With<HttpClientError.HttpClientError | CircuitBreaker.CircuitOpen, "dependency">
declare const effect: Effect.Effect<number, "no", "service">
declare const lastGood: LastGood.LastGood<number>
declare const responses: LastResponse.LastResponse

type Platform = HttpClientError.HttpClientError
type With<E, R = never> = HttpClient.HttpClient.With<E, R>

describe("a fallback over any effect", () => {
  it("adds what the fallback gives and fails with, and takes no error away", () => {
    expectTypeOf(Fallback.fallback(effect, { value: "instead" })).toEqualTypeOf<Effect.Effect<number | string, "no", "service">>()
    expectTypeOf(effect.pipe(Fallback.fallback({ on: ["Unknown"], value: "instead" })))
      .toEqualTypeOf<Effect.Effect<number | string, "no", "service">>()
    const other = null as unknown as Effect.Effect<boolean, "own", "other">
    expectTypeOf(effect.pipe(Fallback.fallback({ to: () => other })))
      .toEqualTypeOf<Effect.Effect<number | boolean, "no" | "own", "service" | "other">>()
    expectTypeOf(Fallback.fallback(effect, { on: ["Rejected"], to: () => Effect.fail("own" as const) }))
      .toEqualTypeOf<Effect.Effect<number, "no" | "own", "service">>()
  })

  it("knows the failures it is for", () => {
    effect.pipe(Fallback.fallback({
      to: (failure) => {
        expectTypeOf(failure).toEqualTypeOf<Failure.Of<Fallback.Outage>>()
        return Effect.void
      }
    }))
    effect.pipe(Fallback.fallback({
      on: ["Rejected", "Throttled"],
      where: (failure) => {
        expectTypeOf(failure).toEqualTypeOf<Failure.Rejected | Failure.Throttled>()
        return true
      },
      to: (failure) => {
        expectTypeOf(failure).toEqualTypeOf<Failure.Rejected | Failure.Throttled>()
        return Effect.void
      }
    }))
    // @ts-expect-error there is no such kind of failure
    effect.pipe(Fallback.fallback({ on: ["Tiredness"], value: 1 }))
    // @ts-expect-error nothing to fall back to
    effect.pipe(Fallback.fallback({ on: ["Rejected"] }))
  })

  it("the last good value is one of the effect's own", () => {
    expectTypeOf(effect.pipe(Fallback.staleIfError({ lastGood }))).toEqualTypeOf<Effect.Effect<number, "no", "service">>()
    expectTypeOf(Fallback.staleIfError(effect, { lastGood, on: ["Refused"] })).toEqualTypeOf<Effect.Effect<number, "no", "service">>()
    // @ts-expect-error numbers are kept there, and no texts
    Effect.succeed("text").pipe(Fallback.staleIfError({ lastGood }))
    expectTypeOf(LastGood.make<string>()).toEqualTypeOf<Effect.Effect<LastGood.LastGood<string>>>()
  })
})

describe("withFallback", () => {
  it("adds nothing for a value and for the last good response", () => {
    expectTypeOf(client.pipe(Resilience.withFallback({ value: { json: [] } }))).toEqualTypeOf<With<Platform>>()
    expectTypeOf(client.pipe(Resilience.withFallback({ lastGood: responses }))).toEqualTypeOf<With<Platform>>()
    expectTypeOf(guarded.pipe(Resilience.withFallback({ lastGood: responses, on: ["Rejected"] })))
      .toEqualTypeOf<With<Platform | CircuitBreaker.CircuitOpen, "dependency">>()
  })

  it("adds what another handler fails with and needs", () => {
    const handler = null as unknown as (
      request: HttpClientRequest.HttpClientRequest
    ) => Effect.Effect<HttpClientResponse.HttpClientResponse, "own", "other">
    expectTypeOf(client.pipe(Resilience.withFallback({ to: handler }))).toEqualTypeOf<With<Platform | "own", "other">>()
    expectTypeOf(client.pipe(Resilience.withFallback({ to: guarded.execute })))
      .toEqualTypeOf<With<Platform | CircuitBreaker.CircuitOpen, "dependency">>()
    expectTypeOf(DropIn.fold(client.pipe(Resilience.withFallback({ to: client.execute })))).toEqualTypeOf<With<Platform>>()
  })

  it("knows the failures it is for", () => {
    client.pipe(Resilience.withFallback({
      on: ["Rejected"],
      to: (request, failure) => {
        expectTypeOf(failure).toEqualTypeOf<Failure.Rejected>()
        return client.execute(request)
      }
    }))
    // @ts-expect-error a text is no response
    client.pipe(Resilience.withFallback({ to: () => Effect.succeed("text") }))
    // @ts-expect-error a status is a number
    client.pipe(Resilience.withFallback({ value: { status: "200" } }))
  })
})

describe("chaos", () => {
  it("adds the errors it injects, and needs nothing", () => {
    expectTypeOf(effect.pipe(inject({ faults: [{ latency: 1, rate: 0.1 }] }))).toEqualTypeOf<Effect.Effect<number, "no", "service">>()
    expectTypeOf(effect.pipe(inject({ faults: [{ failure: () => "own" as const, rate: 0.1 }] })))
      .toEqualTypeOf<Effect.Effect<number, "no" | "own", "service">>()
    expectTypeOf(turnOn(effect, 1)).toEqualTypeOf<typeof effect>()
    expectTypeOf(effect.pipe(turnOn("friday"))).toEqualTypeOf<typeof effect>()
    expectTypeOf(Chaos.layer(1)).toEqualTypeOf<Layer.Layer<never>>()
  })

  it("over a client: the platform's own, and what is given", () => {
    expectTypeOf(client.pipe(Resilience.withChaos({ faults: [{ status: 503, rate: 0.1 }, { connection: "ECONNRESET", rate: 0.1 }] })))
      .toEqualTypeOf<With<Platform>>()
    expectTypeOf(client.pipe(Resilience.withChaos({ faults: [{ failure: () => "own" as const, rate: 0.1 }] })))
      .toEqualTypeOf<With<Platform | "own">>()
    // @ts-expect-error how often has to be said
    client.pipe(Resilience.withChaos({ faults: [{ status: 503 }] }))
    // @ts-expect-error a status has to be said
    client.pipe(Resilience.withChaos({ faults: [{ body: "x", rate: 1 }] }))
  })
})
