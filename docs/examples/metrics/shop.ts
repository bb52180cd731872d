/**
 * The application: a client for each service, and customers who use them all the time.
 */
import { HttpClient, HttpClientRequest, type HttpClientResponse } from "@effect/platform"
import { Bulkhead, Chaos, CircuitBreaker, Levels, RateLimit, Resilience, RetryBudget } from "effect-resilience"
import { Connections, ConnectionTrace, LeakCheck } from "effect-resilience/node"
import { Context, Effect, Layer, Schedule } from "effect"
import * as Telemetry from "./telemetry.ts"
import type { Switches } from "./trouble.ts"

/** A pool of connections whose levels are shown under its name. */
const pool = (name: string, maxSockets: number) =>
  Effect.gen(function*() {
    const context = yield* Layer.build(
      LeakCheck.layer().pipe(
        Layer.provide(ConnectionTrace.layer()),
        Layer.provideMerge(Connections.layerUndici({ maxSockets, closeWithin: "1 second" }))
      )
    )
    yield* Levels.watch([
      Connections.level(name, Context.get(context, Connections.Connections)),
      LeakCheck.level(name, Context.get(context, LeakCheck.LeakCheck))
    ], Telemetry.every)
    return Context.get(context, HttpClient.HttpClient)
  })

/** All guards are about the same peer, and have one state each. */
const key = () => Telemetry.peer

const read = <E>(call: Effect.Effect<HttpClientResponse.HttpClientResponse, E>) => Effect.flatMap(call, (response) => response.text)

const times = <A, E>(n: number, call: Effect.Effect<A, E>) =>
  Effect.all(Array.from({ length: n }, () => Effect.exit(call)), { concurrency: "unbounded", discard: true })

/** Makes the clients. What comes out goes on for ever: each kind of call is made again and again, ten times a second at most. */
export const open = (peer: string, { isOn }: Switches) =>
  Effect.gen(function*() {
    const wide = yield* pool("shop", 50)
    const narrow = yield* pool("pictures", 2)
    const attempts = (name: string, http = wide) =>
      http.pipe(
        HttpClient.mapRequest(HttpClientRequest.prependUrl(peer)),
        Resilience.withAttemptTimeout("5 seconds"),
        Resilience.withAttemptSpan,
        Resilience.withMetrics(name)
      )

    const breaker = yield* CircuitBreaker.make({ name: "orders", tripPolicy: CircuitBreaker.consecutive(5), openDuration: "2 seconds" })
    const bulkhead = yield* Bulkhead.make({ name: "search", permits: 4, queue: 8 })
    const limiter = yield* RateLimit.make({ name: "prices", limit: 5, window: "1 second" })
    const generous = yield* RetryBudget.make({ ratio: 0.5 })
    const usual = yield* RetryBudget.make()
    const forHedges = yield* RetryBudget.make({ ratio: 0.2 })
    yield* Levels.watch([
      Levels.budget("catalogue", generous),
      Levels.budget("recommendations", usual),
      Levels.budget("search", forHedges),
      Levels.bulkhead(bulkhead)
    ], Telemetry.every)

    const catalogue = attempts("catalogue").pipe(Resilience.withRetry({ name: "catalogue", budget: generous }))
    const orders = attempts("orders").pipe(
      Resilience.withAttemptHeader(),
      Resilience.withCircuitBreaker({ breaker, key }),
      Resilience.withRetry({ name: "orders" }),
      Resilience.withIdempotencyKey()
    )
    const recommendations = attempts("recommendations").pipe(
      Resilience.withRetry({ name: "recommendations", budget: usual }),
      Resilience.withFallback({ name: "recommendations", value: { status: 200, body: "[]" } })
    )
    const search = attempts("search").pipe(
      Resilience.withBulkhead({ bulkhead, key }),
      Resilience.withHedge({ name: "search", delay: "200 millis", budget: forHedges })
    )
    const prices = attempts("prices").pipe(
      Resilience.withRateLimit({ limiter, key }),
      Resilience.withRetry({ name: "prices" })
    )
    const pictures = attempts("pictures", narrow).pipe(Resilience.withRetry({ name: "pictures" }))
    const reviews = attempts("reviews").pipe(Resilience.withRetry({ name: "reviews" }))
    const stock = attempts("stock").pipe(Resilience.withRetry({ name: "stock" }))
    const shaken = attempts("stock").pipe(
      Resilience.withChaos({ name: "stock", faults: [{ status: 503, rate: 0.3 }, { latency: "50 millis", rate: 0.3 }] }),
      Resilience.withRetry({ name: "stock" })
    )

    /** Responses that nobody reads while there is a leak: the last twenty. */
    const forgotten: Array<HttpClientResponse.HttpClientResponse> = []
    const review = Effect.gen(function*() {
      forgotten.push(yield* reviews.get("/reviews"))
      const remembered = isOn("leak") ? forgotten.splice(0, Math.max(forgotten.length - 20, 0)) : forgotten.splice(0)
      yield* Effect.forEach(remembered, ({ text }) => text, { discard: true })
    })

    const calls: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
      read(catalogue.get("/catalogue")),
      read(orders.execute(HttpClientRequest.post("/orders"))),
      read(recommendations.get("/recommendations")),
      times(6, read(search.get("/search"))),
      Effect.suspend(() => times(isOn("crowd") ? 8 : 1, read(pictures.get("/pictures")))),
      read(prices.get("/prices")),
      review,
      Effect.suspend(() => read((isOn("chaos") ? shaken : stock).get("/stock")))
    ]
    const again = (call: Effect.Effect<unknown, unknown>) => Effect.repeat(Effect.exit(call), Schedule.spaced("100 millis"))
    // Chaos is on from here on, for those who have a place for it.
    return Chaos.turnOn(Effect.all(calls.map(again), { concurrency: "unbounded", discard: true }), "shop")
  })
