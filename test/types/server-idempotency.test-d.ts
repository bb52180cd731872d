import { HttpApiBuilder, type HttpApp, HttpRouter, type HttpServerRequest, type HttpServerResponse } from "@effect/platform"
import { IdempotencyStore } from "effect-resilience"
import * as RedisStore from "effect-resilience/redis/IdempotencyStore"
import * as Idempotency from "effect-resilience/server/Idempotency"
import type { Effect, Layer, Scope } from "effect"
import type { Redis } from "ioredis"
import { describe, expectTypeOf, it } from "vitest"

declare const app: HttpApp.Default<"app", "service">
declare const caller: (request: HttpServerRequest.HttpServerRequest) => Effect.Effect<string, "unauthorized", "sessions">
declare const redis: Redis
declare const store: IdempotencyStore.Store

type Needed = IdempotencyStore.IdempotencyStore | Scope.Scope | HttpServerRequest.HttpServerRequest

describe("Idempotency.middleware", () => {
  it("adds the caller's error and what it needs, and a store", () => {
    expectTypeOf(Idempotency.middleware({ caller })(app)).toEqualTypeOf<
      Effect.Effect<HttpServerResponse.HttpServerResponse, "app" | "unauthorized", "service" | "sessions" | Needed>
    >()
  })

  it("adds no error by itself: a router keeps its own, and an api takes it", () => {
    const once = Idempotency.middleware({ caller: "shared" })
    expectTypeOf(once(app)).toEqualTypeOf<
      Effect.Effect<HttpServerResponse.HttpServerResponse, "app", "service" | Needed>
    >()
    expectTypeOf(HttpRouter.empty.pipe(once)).toExtend<HttpApp.Default<unknown, Needed>>()
    expectTypeOf(HttpRouter.empty.pipe(HttpRouter.use(once))).toExtend<HttpApp.Default<unknown, Needed>>()
    HttpApiBuilder.serve(once)
    // @ts-expect-error an api has no error left to fail with
    HttpApiBuilder.serve(Idempotency.middleware({ caller }))
  })

  it("wants to know whose keys they are", () => {
    // @ts-expect-error no caller
    Idempotency.middleware({})
    // @ts-expect-error not a caller
    Idempotency.middleware({ caller: "everybody" })
  })
})

describe("IdempotencyStore", () => {
  it("fails with its own error only", () => {
    expectTypeOf(store.renew("k", "t", 1)).toEqualTypeOf<Effect.Effect<boolean, IdempotencyStore.IdempotencyStoreError>>()
  })

  it("is a layer, in memory or over ioredis", () => {
    expectTypeOf(IdempotencyStore.layerStoreMemory()).toEqualTypeOf<Layer.Layer<IdempotencyStore.IdempotencyStore>>()
    expectTypeOf(RedisStore.layerStoreRedis({ client: redis })).toEqualTypeOf<Layer.Layer<IdempotencyStore.IdempotencyStore>>()
  })
})
