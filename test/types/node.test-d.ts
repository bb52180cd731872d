import type * as HttpClient from "@effect/platform/HttpClient"
import type * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import type * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { describe, expectTypeOf, it } from "vitest"
import type { Connection, Event, Middleware } from "../../src/index.ts"
import { ResilientClient } from "../../src/index.ts"
import { Connections, ConnectionTrace, LeakCheck } from "../../src/node/index.ts"

describe("the layers of Node", () => {
  it("give a client and need nothing, or a client", () => {
    expectTypeOf(Connections.layerUndici()).toEqualTypeOf<
      Layer.Layer<HttpClient.HttpClient | NodeHttpClient.Dispatcher | Connections.Connections>
    >()
    expectTypeOf(Connections.layerNodeHttp({ maxSockets: 1 })).toEqualTypeOf<
      Layer.Layer<HttpClient.HttpClient | NodeHttpClient.HttpAgent | Connections.Connections>
    >()
    expectTypeOf(ConnectionTrace.layer()).toEqualTypeOf<Layer.Layer<HttpClient.HttpClient, never, HttpClient.HttpClient>>()
    expectTypeOf(LeakCheck.layer()).toEqualTypeOf<
      Layer.Layer<HttpClient.HttpClient | LeakCheck.LeakCheck, never, HttpClient.HttpClient>
    >()
  })

  it("stand below a resilient client, and add no error to it", () => {
    expectTypeOf(
      ResilientClient.layer().pipe(Layer.provide(ConnectionTrace.layer()), Layer.provide(LeakCheck.layer()), Layer.provide(Connections.layerUndici()))
    ).toEqualTypeOf<Layer.Layer<HttpClient.HttpClient>>()
    expectTypeOf(ConnectionTrace.make()).toEqualTypeOf<Effect.Effect<Middleware.Middleware, never, Scope.Scope>>()
  })

  it("take no option that is not theirs", () => {
    // @ts-expect-error it is called maxSockets
    Connections.layerUndici({ connections: 1 })
    // @ts-expect-error a number of responses, and no duration
    LeakCheck.layer({ capacity: "1 second" })
  })
})

describe("a trace of a connection", () => {
  it("says where it failed only where it did", () => {
    expectTypeOf<Extract<Connection.End, { readonly _tag: "Completed" }>>().not.toHaveProperty("phase")
    expectTypeOf<Extract<Connection.End, { readonly _tag: "Failed" }>["phase"]>().toEqualTypeOf<Connection.Phase>()
    expectTypeOf<Extract<Event.Event, { readonly _tag: "ConnectionTraced" }>["trace"]>().toEqualTypeOf<Connection.Trace>()
    expectTypeOf<Extract<Event.Event, { readonly _tag: "ResponseUnread" }>["because"]>().toEqualTypeOf<"Age" | "Collected">()
  })
})
