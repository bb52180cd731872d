/**
 * `@effect/rpc` over real sockets: what passes on the way is sent again by the HTTP client below, what a handler says by the retry above.
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import { assert, describe, it } from "@effect/vitest"
import * as Rpc from "@effect/rpc/Rpc"
import * as RpcClient from "@effect/rpc/RpcClient"
import * as RpcClientError from "@effect/rpc/RpcClientError"
import * as RpcGroup from "@effect/rpc/RpcGroup"
import * as RpcSerialization from "@effect/rpc/RpcSerialization"
import * as RpcServer from "@effect/rpc/RpcServer"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Backoff from "../../src/core/Backoff.ts"
import * as Classifier from "../../src/core/Classifier.ts"
import * as Failure from "../../src/core/Failure.ts"
import * as Outcome from "../../src/core/Outcome.ts"
import { Grpc, PushbackSchedule } from "../../src/grpc/index.ts"
import * as ResilientClient from "../../src/policy/ResilientClient.ts"
import * as Strategy from "../../src/policy/Strategy.ts"
import * as RetrySchedule from "../../src/strategy/RetrySchedule.ts"
import { service } from "../support/services.ts"
import { told } from "../support/told.ts"
import { onEachTransport } from "../support/transports.ts"

class Busy extends Schema.TaggedError<Busy>()("Busy", { code: Schema.Literal("RESOURCE_EXHAUSTED", "NOT_FOUND") }) {}

class Moving extends Schema.TaggedError<Moving>()("Moving", {}) {}

const Users = RpcGroup.make(
  Rpc.make("Find", { payload: { id: Schema.String }, success: Schema.String, error: Schema.Union(Busy, Moving) })
)

type Said = Effect.Effect<string, Busy | Moving>

const soon = PushbackSchedule.fromBackoff(Backoff.constant("1 milli"))

/** A server whose nth call is handled by the nth effect; before it something that turns the first requests away. */
const serveUsers = (turnedAway: number, ...handlers: readonly [Said, ...ReadonlyArray<Said>]) =>
  Effect.gen(function*() {
    let calls = 0
    const live = Users.toLayer({ Find: () => Effect.suspend(() => handlers[Math.min(calls++, handlers.length - 1)] ?? handlers[0]) })
    const app = yield* RpcServer.toHttpApp(Users).pipe(Effect.provide(Layer.merge(live, RpcSerialization.layerJson)))
    let requests = 0
    const server = yield* service(app, (app) =>
      Effect.suspend(() => ++requests <= turnedAway ? Effect.succeed(HttpServerResponse.empty({ status: 503 })) : app))
    return { url: server.url, received: server.received, calls: () => calls }
  })

const clientOf = (url: string) =>
  RpcClient.make(Users).pipe(
    Effect.provide(RpcClient.layerProtocolHttp({ url })),
    Effect.provide(RpcSerialization.layerJson)
  )

/**
 * POSTs of an RPC may be sent again, since each call has its key. Without `filterStatusOk` the client dies of a body that is no list of
 * responses, such as that of a 503.
 */
const below = Layer.effect(HttpClient.HttpClient, Effect.map(HttpClient.HttpClient, HttpClient.filterStatusOk)).pipe(
  Layer.provide(ResilientClient.layer({
    idempotencyKey: Strategy.idempotencyKey(),
    retry: { schedule: RetrySchedule.fromBackoff(Backoff.constant("1 milli")), maxAttempts: 3 }
  }))
)

/** Where nobody listens any more. */
const nowhere = Effect.scoped(Effect.map(serveUsers(0, Effect.succeed("Ada")), ({ url }) => url))

onEachTransport((_, layer) => {
  describe("an HTTP client that retries, below @effect/rpc", () => {
    it.scopedLive("sends a call again that something on the way turned away, under one key", () =>
      Effect.gen(function*() {
        const server = yield* serveUsers(2, Effect.succeed("Ada"))
        const users = yield* clientOf(server.url)
        assert.strictEqual(yield* users.Find({ id: "1" }), "Ada")
        assert.strictEqual(server.received.length, 3)
        assert.strictEqual(server.calls(), 1)
        assert.strictEqual(new Set(server.received.map((headers) => headers["idempotency-key"])).size, 1)
      }).pipe(Effect.provide(below), Effect.provide(layer())))

    it.scopedLive("has the last word: what it gave up is not begun again by a retry above", () =>
      Effect.gen(function*() {
        const server = yield* serveUsers(Infinity, Effect.succeed("Ada"))
        const users = yield* clientOf(server.url)
        const error = yield* Effect.flip(users.Find({ id: "1" }).pipe(Grpc.retry({ schedule: soon })))
        assert.instanceOf(error, RpcClientError.RpcClientError)
        assert.strictEqual(server.received.length, 3)
        assert.strictEqual(server.calls(), 0)
      }).pipe(Effect.provide(below), Effect.provide(layer())))
  })

  describe("a retry above @effect/rpc", () => {
    it.scopedLive("sends a call again after a typed error with a code that can pass", () =>
      Effect.gen(function*() {
        const busy = Effect.fail(new Busy({ code: "RESOURCE_EXHAUSTED" }))
        const server = yield* serveUsers(0, busy, busy, Effect.succeed("Ada"))
        const users = yield* clientOf(server.url)
        assert.strictEqual(yield* users.Find({ id: "1" }).pipe(Grpc.retry({ schedule: soon })), "Ada")
        assert.strictEqual(server.calls(), 3)
      }).pipe(Effect.provide(below), Effect.provide(layer())))

    it.scopedLive("returns a typed error with any other code, and one without, as it came", () =>
      Effect.gen(function*() {
        const server = yield* serveUsers(0, Effect.fail(new Busy({ code: "NOT_FOUND" })), Effect.fail(new Moving()))
        const users = yield* clientOf(server.url)
        const call = users.Find({ id: "1" }).pipe(Grpc.retry({ schedule: soon }))
        assert.instanceOf(yield* Effect.flip(call), Busy)
        assert.instanceOf(yield* Effect.flip(call), Moving)
        assert.strictEqual(server.calls(), 2)
      }).pipe(Effect.provide(below), Effect.provide(layer())))

    it.scopedLive("asks a classifier of yours first", () =>
      Effect.gen(function*() {
        const server = yield* serveUsers(0, Effect.fail(new Moving()), Effect.fail(new Busy({ code: "RESOURCE_EXHAUSTED" })), Effect.succeed("Ada"))
        const users = yield* clientOf(server.url)
        const classifier = Classifier.onError("moving", (error: Busy | Moving | RpcClientError.RpcClientError) =>
          error._tag === "Moving" ? Option.some(Outcome.failed(Failure.unavailable())) : Option.none())
        assert.strictEqual(yield* users.Find({ id: "1" }).pipe(Grpc.retry({ classifier, schedule: soon })), "Ada")
        assert.strictEqual(server.calls(), 3)
      }).pipe(Effect.provide(below), Effect.provide(layer())))

    it.scopedLive("knows what is below an RpcClientError: a server that is not there", () =>
      Effect.gen(function*() {
        const users = yield* clientOf(yield* nowhere)
        const [, events] = yield* told("AttemptEnded", users.Find({ id: "1" }).pipe(Grpc.retry({ schedule: soon, maxAttempts: 2 })))
        const tags = events.map(({ outcome }) => outcome._tag === "Failed" ? outcome.failure._tag : outcome._tag)
        assert.deepStrictEqual(tags, ["ConnectFailure", "ConnectFailure"])
      }).pipe(Effect.provide(layer())))
  })
})
