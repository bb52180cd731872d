import type * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as Stream from "effect/Stream"
import { describe, expectTypeOf, it } from "vitest"
import { Resume, type RetrySchedule } from "effect-resilience"

declare const client: HttpClient.HttpClient
declare const typed: HttpClient.HttpClient.With<"own error", "dependency">
declare const request: HttpClientRequest.HttpClientRequest
declare const needing: RetrySchedule.RetrySchedule<"schedule">

describe("a body that is resumed", () => {
  it("adds its refusal, and the platform's error of a body", () => {
    expectTypeOf(Resume.stream(client, request))
      .toEqualTypeOf<Stream.Stream<Uint8Array, HttpClientError.HttpClientError | Resume.ResumeRefused>>()
    expectTypeOf(Resume.stream(typed, request))
      .toEqualTypeOf<Stream.Stream<Uint8Array, "own error" | HttpClientError.ResponseError | Resume.ResumeRefused, "dependency">>()
  })

  it("brings along what a schedule needs", () => {
    expectTypeOf(Resume.stream(typed, request, { schedule: needing }))
      .toEqualTypeOf<
        Stream.Stream<Uint8Array, "own error" | HttpClientError.ResponseError | Resume.ResumeRefused, "dependency" | "schedule">
      >()
  })
})
