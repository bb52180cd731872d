import type * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import type * as Effect from "effect/Effect"
import { describe, expectTypeOf, it } from "vitest"
import { Overrides, Resilience, type RetrySchedule } from "effect-resilience"

declare const typed: HttpClient.HttpClient.With<"own error", "dependency">
declare const needing: RetrySchedule.RetrySchedule<"schedule">

describe("an override", () => {
  const call = typed.get("/1")

  it("leaves the type of an effect as it is, whichever way it is written", () => {
    type Call = Effect.Effect<HttpClientResponse.HttpClientResponse, "own error", "dependency">
    expectTypeOf(call.pipe(Resilience.override({ retry: "none", attemptTimeout: "1 second" }))).toEqualTypeOf<Call>()
    expectTypeOf(Resilience.override(call, { deadline: "none" })).toEqualTypeOf<Call>()
    expectTypeOf(Resilience.override(call, Overrides.make({ retry: { resend: "recklessly" } }))).toEqualTypeOf<Call>()
    expectTypeOf(Resilience.withPerRequest([])(typed)).toEqualTypeOf<typeof typed>()
  })

  it("cannot need anything, nor say what is not known", () => {
    // @ts-expect-error the context of a fiber says nothing about what a schedule needs
    Resilience.override({ retry: { schedule: needing } })
    // @ts-expect-error no such word
    Resilience.override({ retry: "some" })
    // @ts-expect-error no such field
    Resilience.override({ timeout: "1 second" })
    // @ts-expect-error one key would be that of many requests
    Resilience.withPerRequest([{ when: {}, use: { idempotencyKey: "k" } }])
  })
})
