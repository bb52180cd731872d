import type { HttpClient, HttpClientError } from "@effect/platform"
import { AdaptiveThrottle, DropIn, type Event, RateLimit, Resilience } from "effect-resilience"
import { type Duration, Effect, type Option } from "effect"
import { describe, expectTypeOf, it } from "vitest"

declare const limiter: RateLimit.RateLimit
declare const throttle: AdaptiveThrottle.AdaptiveThrottle
declare const client: HttpClient.HttpClient
declare const effect: Effect.Effect<number, "no", "service">

describe("RateLimit", () => {
  it("adds RateLimited to the error, and nothing else", () => {
    type Limited = Effect.Effect<number, "no" | RateLimit.RateLimited, "service">
    expectTypeOf(RateLimit.limit(effect, { limiter })).toEqualTypeOf<Limited>()
    expectTypeOf(effect.pipe(RateLimit.limit({ limiter, key: "a", cost: 2 }))).toEqualTypeOf<Limited>()
  })

  it("adds it to the error of a client", () => {
    expectTypeOf(client.pipe(Resilience.withRateLimit({ limiter }))).toEqualTypeOf<
      HttpClient.HttpClient.With<HttpClientError.HttpClientError | RateLimit.RateLimited>
    >()
    Resilience.withRateLimit({ limiter, cost: (request) => request.url.length })
    // @ts-expect-error it is not said what it is to learn from
    Resilience.withRateLimit({ limiter, learn: "body" })
  })

  it("says why and for how long", () => {
    expectTypeOf<RateLimit.RateLimited["because"]>().toEqualTypeOf<Event.RateLimitReason>()
    expectTypeOf<RateLimit.RateLimited["retryAfter"]>().toEqualTypeOf<Option.Option<number>>()
  })

  it("needs a limit and a window", () => {
    expectTypeOf(RateLimit.make({ limit: 1, window: "1 second" })).toEqualTypeOf<Effect.Effect<RateLimit.RateLimit>>()
    expectTypeOf<RateLimit.Options["window"]>().toEqualTypeOf<Duration.DurationInput>()
    // @ts-expect-error there is no window by default
    RateLimit.make({ limit: 1 })
    // @ts-expect-error no such algorithm
    RateLimit.make({ limit: 1, window: 1, algorithm: "fixed-window" })
  })
})

describe("DropIn", () => {
  it("folds both refusals into the platform's error", () => {
    const limited = client.pipe(Resilience.withRateLimit({ limiter }), Resilience.withAdaptiveThrottle({ throttle }))
    expectTypeOf(DropIn.fold(limited)).toEqualTypeOf<HttpClient.HttpClient>()
  })
})

describe("AdaptiveThrottle", () => {
  it("adds LoadShed to the error, and nothing else", () => {
    expectTypeOf(AdaptiveThrottle.shed(effect, { throttle })).toEqualTypeOf<
      Effect.Effect<number, "no" | AdaptiveThrottle.LoadShed, "service">
    >()
    expectTypeOf(Effect.never.pipe(AdaptiveThrottle.shed({ throttle }))).toEqualTypeOf<Effect.Effect<never, AdaptiveThrottle.LoadShed>>()
    expectTypeOf(client.pipe(Resilience.withAdaptiveThrottle({ throttle }))).toEqualTypeOf<
      HttpClient.HttpClient.With<HttpClientError.HttpClientError | AdaptiveThrottle.LoadShed>
    >()
  })
})
