import type * as grpc from "@grpc/grpc-js"
import type * as RpcClientError from "@effect/rpc/RpcClientError"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Random from "effect/Random"
import type * as Schedule from "effect/Schedule"
import { describe, expectTypeOf, it } from "vitest"
import type * as InvalidPolicy from "../../src/policy/InvalidPolicy.ts"
import { Grpc, RpcClassifier, RpcMetadata, ServiceConfig } from "../../src/grpc/index.ts"
import type * as Classifier from "../../src/core/Classifier.ts"
import type * as Deadline from "../../src/strategy/Deadline.ts"
import type { RetriesExhausted } from "../../src/strategy/RetriesExhausted.ts"

declare const client: grpc.Client
declare const metadata: () => grpc.Metadata

interface User {
  readonly name: string
}

declare const call: Effect.Effect<User, grpc.ServiceError>
declare const typed: Effect.Effect<User, RpcClientError.RpcClientError | "moving", Random.Random>

describe("a unary call", () => {
  it("takes the request, gives the reply and fails with the client's own error", () => {
    const find = Grpc.unary(
      (id: string, metadata: grpc.Metadata, done: Grpc.Done<User, grpc.ServiceError>) =>
        client.makeUnaryRequest("/a.B/C", (_: string) => Buffer.of(), (_: Buffer): User => ({ name: "" }), id, metadata, done),
      metadata
    )
    expectTypeOf(find).toEqualTypeOf<(request: string, own?: grpc.Metadata) => Effect.Effect<User, grpc.ServiceError>>()
    // @ts-expect-error the request is a text
    find(1)
  })

  it("fails with the shape of that error where nothing else is said", () => {
    const find = Grpc.unary(
      (id: string, metadata: grpc.Metadata, done: Grpc.Done<User>) =>
        client.makeUnaryRequest("/a.B/C", (_: string) => Buffer.of(), (_: Buffer): User => ({ name: "" }), id, metadata, done),
      metadata
    )
    expectTypeOf(find("1")).toEqualTypeOf<Effect.Effect<User, Grpc.ServiceError>>()
  })
})

describe("retry and hedge", () => {
  it("add no error, and ask for what a schedule asks for", () => {
    expectTypeOf(call.pipe(Grpc.retry())).toEqualTypeOf<typeof call>()
    expectTypeOf(Grpc.retry(call)).toEqualTypeOf<typeof call>()
    expectTypeOf(typed.pipe(Grpc.retry({ codes: ["ABORTED"] }))).toEqualTypeOf<typeof typed>()
    expectTypeOf(call.pipe(Grpc.hedge({ delay: 1 }))).toEqualTypeOf<typeof call>()
    const schedule = {} as Schedule.Schedule<unknown, unknown, Random.Random>
    expectTypeOf(call.pipe(Grpc.retry({ schedule }))).toEqualTypeOf<Effect.Effect<User, grpc.ServiceError, Random.Random>>()
  })

  it("fail with the history where that is asked for", () => {
    expectTypeOf(call.pipe(Grpc.retryOrFail())).toEqualTypeOf<Effect.Effect<User, grpc.ServiceError | RetriesExhausted>>()
  })

  it("refuse what is no code, and a classifier of other errors", () => {
    // @ts-expect-error OK is no failure
    Grpc.retry(call, { codes: ["OK"] })
    // @ts-expect-error it could not read a ServiceError
    Grpc.retry(call, { classifier: {} as Classifier.Classifier<unknown, "moving"> })
    // @ts-expect-error a delay has to be given
    Grpc.hedge(call, {})
  })
})

describe("the rest", () => {
  it("has exact errors", () => {
    expectTypeOf(ServiceConfig.make({})).toEqualTypeOf<Effect.Effect<ServiceConfig.ServiceConfig, InvalidPolicy.InvalidPolicy>>()
    const protect = {} as ServiceConfig.ServiceConfig
    expectTypeOf(call.pipe(protect.protect("/a.B/C"))).toEqualTypeOf<Effect.Effect<User, grpc.ServiceError | Deadline.DeadlineExceeded>>()
    expectTypeOf(RpcMetadata.timeLeft).toEqualTypeOf<Effect.Effect<Option.Option<number>>>()
    expectTypeOf(RpcMetadata.write(metadata())).toEqualTypeOf<Effect.Effect<grpc.Metadata>>()
    expectTypeOf(RpcClassifier.errors).toEqualTypeOf<Classifier.Classifier>()
  })
})
