/**
 * The services that the shop calls: well, unless they are in trouble.
 */
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "@effect/platform"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import { Idempotency, Overload } from "effect-resilience/server"
import { type Duration, Effect } from "effect"
import type { Switches } from "./trouble.ts"

const ok = HttpServerResponse.text("ok")
const unavailable = HttpServerResponse.empty({ status: 503 })
const tooMany = HttpServerResponse.empty({ status: 429, headers: { "retry-after": "1" } })

/** The connection is lost in the place of an answer. */
const breakOff = Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
  NodeHttpServerRequest.toIncomingMessage(request).socket.resetAndDestroy()
  return Effect.never
})

/** Each page takes some time, as far as it is known how much. */
const after = (time: Duration.DurationInput) => Effect.delay(Effect.succeed(ok), time)

export const app = ({ isOn }: Switches) => {
  let pages = 0
  const catalogue = Effect.suspend(() => {
    pages++
    if (!isOn("flaky") || pages % 2 === 0) return after("5 millis")
    return pages % 4 === 1 ? Effect.succeed(unavailable) : breakOff
  })

  // While there is too much to do, nobody is asked to come again.
  const shedding = Overload.middleware({ name: "orders", shed: () => Effect.sync(() => isOn("outage")) })
  // What is done once is done once, however often it is sent.
  const once = Idempotency.middleware({ caller: "shared", name: "orders" })
  const order = Effect.delay(Effect.sync(() => isOn("outage") ? unavailable : HttpServerResponse.empty({ status: 201 })), "5 millis")

  return HttpRouter.empty.pipe(
    HttpRouter.get("/catalogue", catalogue),
    HttpRouter.post("/orders", shedding(once(order))),
    HttpRouter.get("/recommendations", Effect.sync(() => isOn("poverty") ? unavailable : ok)),
    HttpRouter.get("/search", Effect.suspend(() => after(isOn("slow") ? "1500 millis" : "5 millis"))),
    HttpRouter.get("/pictures", after("150 millis")),
    HttpRouter.get("/reviews", Effect.succeed(ok)),
    HttpRouter.get("/prices", Effect.sync(() => isOn("quota") ? tooMany : ok)),
    HttpRouter.get("/stock", Effect.succeed(ok))
  )
}
