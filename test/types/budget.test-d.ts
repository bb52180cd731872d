import type * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import { Budget, Classifier, type Hedge, Resilience, Retry, RetryBudget } from "effect-resilience"
import { Effect } from "effect"
import { describe, expectTypeOf, it } from "vitest"

declare const client: HttpClient.HttpClient
declare const budget: RetryBudget.RetryBudget

describe("a budget", () => {
  it("is made by an effect that cannot fail and needs nothing", () => {
    expectTypeOf(RetryBudget.make()).toEqualTypeOf<Effect.Effect<RetryBudget.RetryBudget>>()
    expectTypeOf(RetryBudget.throttle({ maxTokens: 10, tokenRatio: 0.1 })).toEqualTypeOf<Effect.Effect<RetryBudget.RetryBudget>>()
    expectTypeOf(RetryBudget.quota()).toEqualTypeOf<Effect.Effect<RetryBudget.RetryBudget>>()
    expectTypeOf(RetryBudget.unlimited).toEqualTypeOf<RetryBudget.RetryBudget>()
  })

  it("adds no error: what went wrong is what comes out", () => {
    expectTypeOf(client.pipe(Resilience.withRetry({ budget }))).toEqualTypeOf<
      HttpClient.HttpClient.With<HttpClientError.HttpClientError>
    >()
    expectTypeOf(client.pipe(Resilience.withHedge({ delay: "1 second", budget }))).toEqualTypeOf<
      HttpClient.HttpClient.With<HttpClientError.HttpClientError>
    >()
    expectTypeOf(Effect.fail("busy" as const).pipe(Retry.retry({ classifier: Classifier.anyError, budget }))).toEqualTypeOf<
      Effect.Effect<never, "busy">
    >()
  })

  it("is one type for retries and hedges", () => {
    expectTypeOf<NonNullable<Hedge.Options["budget"]>>().toEqualTypeOf<NonNullable<Retry.Options["budget"]>>()
  })

  it("knows the kinds of failures by name", () => {
    Budget.quota({ costs: { Throttled: 5, otherwise: 14 } })
    // @ts-expect-error: there is no failure of this name
    Budget.quota({ costs: { Throtled: 5, otherwise: 14 } })
    // @ts-expect-error: what is not named must cost something too
    Budget.quota({ costs: { Throttled: 5 } })
  })
})
