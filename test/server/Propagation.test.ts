import * as HttpApp from "@effect/platform/HttpApp"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import { describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Resilience from "../../src/policy/Resilience.ts"
import * as Propagation from "../../src/server/Propagation.ts"
import type { Options } from "../../src/telemetry/Propagation.ts"
import * as HttpScript from "../../src/testing/HttpScript.ts"

const traceId = "0af7651916cd43dd8448eb211c80319c"
const arrived = { traceparent: `00-${traceId}-b7ad6b7169203331-01`, tracestate: "a=1", baggage: "tenant=t1,secret=s" }

/** What a handler's two attempts send, for a request to it. */
const sent = (decorate: (app: HttpApp.Default<unknown>) => HttpApp.Default<unknown>) =>
  Effect.gen(function*() {
    const script = yield* HttpScript.make([{ status: 503 }, { status: 200 }])
    const users = script.client.pipe(
      Resilience.withAttemptSpan,
      Resilience.withRetry({ schedule: Schedule.forever }),
      Resilience.withCallSpan("users")
    )
    const app = Effect.as(Effect.orDie(users.get("http://users.test/1")), HttpServerResponse.empty())
    const handler = HttpApp.toWebHandler(decorate(app))
    yield* Effect.promise(() => handler(new Request("http://shop.test/", { headers: arrived })))
    const requests = yield* script.requests
    return requests.map(({ headers }) => [headers["traceparent"]?.split("-")[1], headers["tracestate"], headers["baggage"]])
  })

const carrying = (options?: Options) => sent((app) => Propagation.middleware(options)(app))

describe("the state of a trace and its baggage", () => {
  it.live("end at the server where nobody carries them", () =>
    Effect.gen(function*() {
      deepStrictEqual(yield* sent((app) => app), [[traceId, undefined, undefined], [traceId, undefined, undefined]])
    }))

  it.live("go on with every attempt of a handler that does", () =>
    Effect.gen(function*() {
      const all = [traceId, "a=1", "tenant=t1,secret=s"]
      deepStrictEqual(yield* carrying(), [all, all])
    }))

  it.live("go on with the keys that may", () =>
    Effect.gen(function*() {
      const some = [traceId, "a=1", "tenant=t1"]
      deepStrictEqual(yield* carrying({ baggage: ["tenant"] }), [some, some])
      const none = [traceId, "a=1", undefined]
      deepStrictEqual(yield* carrying({ baggage: "none" }), [none, none])
    }))
})
