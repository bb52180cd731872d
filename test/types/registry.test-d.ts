/**
 * What clients of a registry can fail with, and what a registry needs.
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import type * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { describe, expectTypeOf, it } from "vitest"
import { type Degraded, type DropIn, Preset, Registry, Services, type ServicesSource } from "effect-resilience"

type Failures = HttpClientError.HttpClientError | DropIn.Refusal

describe("a registry", () => {
  it("gives clients that can be degraded", () => {
    expectTypeOf(Registry.service("billing")).toEqualTypeOf<
      Effect.Effect<HttpClient.HttpClient.With<Failures>, Registry.UnknownService, HttpClient.HttpClient | Registry.Registry>
    >()
    expectTypeOf<Degraded.ServiceDegraded>().toExtend<DropIn.Refusal>()
  })

  it("gives clients that fit wherever one is wanted", () => {
    expectTypeOf(Registry.serviceDropIn("billing")).toEqualTypeOf<
      Effect.Effect<HttpClient.HttpClient, Registry.UnknownService, HttpClient.HttpClient | Registry.Registry>
    >()
  })

  it("from a stream needs what the stream needs, and nothing else", () => {
    expectTypeOf(Registry.layer({ initial: Services.make({}), updates: Stream.empty })).toEqualTypeOf<Layer.Layer<Registry.Registry>>()
  })

  it("from a file can fail when it is made, and not later", () => {
    expectTypeOf<Layer.Layer.Error<ReturnType<typeof ServicesSource.layer>>["_tag"]>().toEqualTypeOf<"InvalidPolicy" | "SystemError" | "BadArgument">()
  })
})

describe("a preset", () => {
  it("has both faces", () => {
    expectTypeOf(Preset.make(Preset.stripe)).toEqualTypeOf<Effect.Effect<HttpClient.HttpClient.With<Failures>, never, HttpClient.HttpClient>>()
    expectTypeOf(Preset.layer(Preset.stripe)).toEqualTypeOf<Layer.Layer<HttpClient.HttpClient, never, HttpClient.HttpClient>>()
  })
})
