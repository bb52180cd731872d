import type * as HttpApp from "@effect/platform/HttpApp"
import type * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpRouter from "@effect/platform/HttpRouter"
import type * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { describe, expectTypeOf, it } from "vitest"
import { DropIn, type Redirect, Resilience } from "effect-resilience"
import { Deadline, Overload } from "effect-resilience/server"

class Dependency extends Context.Tag("Dependency")<Dependency, number>() {}
class Gauge extends Context.Tag("Gauge")<Gauge, number>() {}

declare const app: HttpApp.Default<"own error", Dependency>
declare const router: HttpRouter.HttpRouter<"own error", Dependency>
declare const client: HttpClient.HttpClient

describe("a server's middleware", () => {
  it("adds no error for a deadline: its refusal is an answer", () => {
    expectTypeOf(Deadline.middleware()(app)).toEqualTypeOf<typeof app>()
    expectTypeOf(Deadline.middleware()(router)).toExtend<HttpApp.Default<unknown, Dependency>>()
  })

  it("adds what the effect that decides to shed can fail with, and needs", () => {
    expectTypeOf(Overload.middleware()(app)).toEqualTypeOf<typeof app>()
    const shed = () => Effect.flatMap(Gauge, (load) => load > 100 ? Effect.fail("no gauge" as const) : Effect.succeed(load > 1))
    expectTypeOf(Overload.middleware({ shed })(app)).toEqualTypeOf<
      HttpApp.Default<"own error" | "no gauge", Dependency | Gauge>
    >()
  })

  it("needs a request to say which attempt it is", () => {
    expectTypeOf(Overload.attempt).toEqualTypeOf<Effect.Effect<number, never, HttpServerRequest.HttpServerRequest>>()
  })
})

describe("the headers of a client", () => {
  it("add no error", () => {
    type Same = HttpClient.HttpClient.With<HttpClientError.HttpClientError>
    expectTypeOf(Resilience.withDeadlineHeader()(client)).toEqualTypeOf<Same>()
    expectTypeOf(Resilience.withAttemptHeader()(client)).toEqualTypeOf<Same>()
  })

  it("of which none is added by redirects, but their refusal", () => {
    expectTypeOf(Resilience.withRedirects()(client)).toEqualTypeOf<
      HttpClient.HttpClient.With<HttpClientError.HttpClientError | Redirect.RedirectRefused>
    >()
    const folded: HttpClient.HttpClient = DropIn.fold(Resilience.withRedirects()(client))
    expectTypeOf(folded).toEqualTypeOf<HttpClient.HttpClient>()
  })

  it("are written in one of three ways", () => {
    Resilience.withDeadlineHeader({ encoding: "grpc-timeout" })
    // @ts-expect-error there is no such encoding
    Resilience.withDeadlineHeader({ encoding: "x-timeout" })
    // @ts-expect-error a number, not a word
    Resilience.withAttemptHeader({ amzSdkRequest: { maxAttempts: "3" } })
  })
})
