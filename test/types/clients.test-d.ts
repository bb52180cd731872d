/**
 * Where the platform wants a client, and which face of ours fits there.
 */
import * as HttpApi from "@effect/platform/HttpApi"
import * as HttpApiClient from "@effect/platform/HttpApiClient"
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as RpcClient from "@effect/rpc/RpcClient"
import type * as RpcSerialization from "@effect/rpc/RpcSerialization"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { describe, expectTypeOf, it } from "vitest"
import type { Deadline, Retry, Timeout } from "effect-resilience"
import { DropIn, Resilience, ResilientClient } from "effect-resilience"

declare const client: HttpClient.HttpClient

type Platform = HttpClientError.HttpClientError

const api = HttpApi.make("users").add(
  HttpApiGroup.make("users").add(HttpApiEndpoint.get("name", "/name").addSuccess(Schema.String))
)

describe("the tag HttpClient", () => {
  it("takes the drop-in face", () => {
    expectTypeOf(Layer.effect(HttpClient.HttpClient, ResilientClient.makeDropIn()))
      .toEqualTypeOf<Layer.Layer<HttpClient.HttpClient, never, HttpClient.HttpClient>>()
    expectTypeOf(Layer.provide(ResilientClient.layer(), Layer.succeed(HttpClient.HttpClient, client)))
      .toEqualTypeOf<Layer.Layer<HttpClient.HttpClient>>()
  })

  it("takes what adds no error as it is", () => {
    expectTypeOf(Layer.succeed(HttpClient.HttpClient, client.pipe(Resilience.withRetry(), Resilience.withIdempotencyKey())))
      .toEqualTypeOf<Layer.Layer<HttpClient.HttpClient>>()
  })

  it("refuses the typed face", () => {
    // @ts-expect-error AttemptTimeout and DeadlineExceeded are no HttpClientError
    Layer.effect(HttpClient.HttpClient, ResilientClient.make())
    // @ts-expect-error nor is RetriesExhausted
    Layer.succeed(HttpClient.HttpClient, Resilience.withRetryOrFail()(client))
  })
})

describe("HttpApiClient", () => {
  it("takes a folded client as a transformation, and refuses one that is not", () => {
    HttpApiClient.make(api, { transformClient: (base) => DropIn.fold(Resilience.withDeadline("1 second")(base)) })
    // @ts-expect-error DeadlineExceeded is no HttpClientError
    HttpApiClient.make(api, { transformClient: (base) => Resilience.withDeadline("1 second")(base) })
  })

  it("shows what a typed client adds in the errors of its methods", () => {
    const typed = Resilience.withDeadline("1 second")(client)
    const name = Effect.flatMap(HttpApiClient.makeWith(api, { httpClient: typed }), (users) => users.users.name())
    expectTypeOf<Effect.Effect.Error<typeof name>>().extract<{ readonly _tag: "DeadlineExceeded" }>()
      .toEqualTypeOf<Deadline.DeadlineExceeded>()
  })
})

describe("RpcClient", () => {
  it("takes the layer", () => {
    expectTypeOf(Layer.provide(RpcClient.layerProtocolHttp({ url: "/" }), Layer.provide(ResilientClient.layer(), Layer.succeed(HttpClient.HttpClient, client))))
      .toEqualTypeOf<Layer.Layer<RpcClient.Protocol, never, RpcSerialization.RpcSerialization>>()
  })

  it("takes a combinator as its transformation, where that adds nothing", () => {
    RpcClient.layerProtocolHttp({ url: "/", transformClient: Resilience.withRetry() })
    // @ts-expect-error it adds an error to whatever client it is given
    RpcClient.layerProtocolHttp({ url: "/", transformClient: Resilience.withDeadline("1 second") })
  })
})

describe("a pipe of all combinators", () => {
  it("has exactly the errors of its parts", () => {
    const piped = client.pipe(
      Resilience.withBufferedBody(),
      Resilience.withAttemptTimeout("2 seconds"),
      Resilience.withAttemptSpan,
      Resilience.withRetryOrFail({ maxAttempts: 4 }),
      Resilience.withIdempotencyKey(),
      Resilience.withDeadline("10 seconds"),
      Resilience.withCallSpan("users")
    )
    type Errors = Platform | Timeout.AttemptTimeout | Retry.RetriesExhausted | Deadline.DeadlineExceeded
    expectTypeOf(piped.get("/")).toEqualTypeOf<Effect.Effect<HttpClientResponse.HttpClientResponse, Errors>>()
    expectTypeOf(DropIn.fold(piped).get("/")).toEqualTypeOf<Effect.Effect<HttpClientResponse.HttpClientResponse, Platform>>()
  })

  it("without any of them is the client that it was", () => {
    expectTypeOf(client.pipe(Resilience.withRetry(), Resilience.withAttemptSpan, Resilience.withCallSpan("users")))
      .toExtend<HttpClient.HttpClient>()
  })
})
