/**
 * From a call to a collector: what a backend is given by both ways of exporting, for each way a call can end.
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as Headers from "@effect/platform/Headers"
import * as OtelTracer from "@effect/opentelemetry/Tracer"
import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import type { Attributes } from "@opentelemetry/api"
import { SamplingDecision, type Sampler } from "@opentelemetry/sdk-trace-base"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Tracer from "effect/Tracer"
import * as Resilience from "../../src/policy/Resilience.ts"
import * as CircuitBreaker from "../../src/strategy/CircuitBreaker.ts"
import * as Propagation from "../../src/telemetry/Propagation.ts"
import * as Sampling from "../../src/telemetry/Sampling.ts"
import * as SpanSettings from "../../src/telemetry/SpanSettings.ts"
import { eventually } from "../support/eventually.ts"
import * as Fault from "../support/faults.ts"
import * as Collector from "../support/otlp.ts"
import { type Handler, serve, type Server } from "../support/server.ts"
import { undici } from "../support/transports.ts"

type Client = HttpClient.HttpClient.With<unknown>

const internal = 1
const client = 3
const error = 2

/** The tree of what was exported, ids by the names and the order of the spans; ids that are not unique or of two traces would show. */
const tree = (spans: ReadonlyArray<Collector.Exported>) => {
  const nameOf = (id: string | undefined) => {
    const index = spans.findIndex(({ spanId }) => spanId === id)
    return index === -1 ? undefined : `${spans[index]?.name}${index}`
  }
  assert.strictEqual(new Set(spans.map(({ spanId }) => spanId)).size, spans.length)
  assert.isAtMost(new Set(spans.map(({ traceId }) => traceId)).size, 1)
  return spans.map((span) => ({
    span: nameOf(span.spanId),
    kind: span.kind,
    below: nameOf(span.parentSpanId),
    links: span.links.map(({ spanId }) => nameOf(spanId)),
    resends: span.attributes["http.request.resend_count"],
    status: span.attributes["http.response.status_code"],
    error: span.attributes["error.type"],
    failed: span.status.code === error
  }))
}

const attempt = (index: number, rest: object) => ({
  span: `GET${index}`,
  kind: client,
  below: "users0",
  links: [],
  resends: index === 1 ? undefined : index - 1,
  status: undefined,
  error: undefined,
  failed: false,
  ...rest
})

const call = (rest: object) => ({
  span: "users0",
  kind: internal,
  below: undefined,
  links: [],
  resends: undefined,
  status: undefined,
  error: undefined,
  failed: false,
  ...rest
})

const traced = (strategy: (client: Client) => Client) => (client: HttpClient.HttpClient): Client =>
  client.pipe(
    Resilience.withAttemptTimeout("1 second"),
    Resilience.withAttemptSpan,
    strategy,
    Resilience.withCallSpan("users")
  )

const retried = traced(Resilience.withRetry({ schedule: Schedule.spaced("1 millis"), maxAttempts: 3 }))

interface Scenario {
  readonly handler: Handler
  readonly client: (client: HttpClient.HttpClient) => Client
  readonly interrupt?: boolean
  readonly spans: ReadonlyArray<object>
  /** The outcome that the call's span says. */
  readonly outcome: string | undefined
}

const failing = (label: string) => ({ status: /^\d+$/.test(label) ? Number(label) : undefined, error: label, failed: true })

const scenarios: Readonly<Record<string, Scenario>> = {
  "a success": {
    handler: Fault.status(200),
    client: retried,
    spans: [call({ status: 200 }), attempt(1, { status: 200 })],
    outcome: "Succeeded"
  },
  "a retry": {
    handler: Fault.inTurn(Fault.status(503), Fault.resetBeforeHeaders, Fault.status(200)),
    client: retried,
    spans: [
      call({ status: 200 }),
      attempt(1, failing("503")),
      attempt(2, failing("ECONNRESET")),
      attempt(3, { status: 200 })
    ],
    outcome: "Succeeded"
  },
  "a timeout": {
    handler: Fault.hang,
    client: traced(Resilience.withRetry({ maxAttempts: 1 })),
    spans: [call(failing("timeout")), attempt(1, failing("timeout"))],
    outcome: "GaveUp"
  },
  "a circuit that is open": {
    handler: Fault.status(500),
    client: (client) => {
      const breaker = Effect.runSync(CircuitBreaker.make({ tripPolicy: CircuitBreaker.consecutive(1), openDuration: "1 minute" }))
      return client.pipe(
        Resilience.withAttemptSpan,
        Resilience.withCircuitBreaker({ breaker }),
        Resilience.withRetry({ schedule: Schedule.spaced("1 millis"), maxAttempts: 3 }),
        Resilience.withCallSpan("users")
      )
    },
    spans: [call(failing("CircuitOpen")), attempt(1, failing("500"))],
    outcome: "GaveUp"
  },
  "a hedge": {
    handler: Fault.inTurn(Fault.hang, Fault.status(200)),
    client: (client) =>
      client.pipe(
        Resilience.withAttemptSpan,
        Resilience.withHedge({ delay: "50 millis" }),
        Resilience.withCallSpan("users")
      ),
    spans: [call({ status: 200 }), attempt(1, {}), attempt(2, { status: 200, links: ["GET1"] })],
    outcome: "Succeeded"
  },
  "an interruption": {
    handler: Fault.hang,
    client: traced(Resilience.withRetry()),
    interrupt: true,
    spans: [call({}), attempt(1, {})],
    outcome: "Interrupted"
  },
  "a defect": {
    handler: Fault.status(200),
    client: (client) => retried(HttpClient.mapRequestEffect(client, () => Effect.die(new Error("bug")))),
    spans: [call({ failed: true }), attempt(1, { failed: true })],
    outcome: "Died"
  }
}

/** Runs an effect with an exporter, whose layer is closed before what arrived is looked at. */
const exported = <A, E>(
  layer: (url: string) => Layer.Layer<never>,
  effect: Effect.Effect<A, E, HttpClient.HttpClient>
) =>
  Effect.gen(function*() {
    const collector = yield* Collector.collector
    // The transport stands outside: an exporter has its own, and what a hedge has abandoned ends beside the call.
    yield* Effect.exit(effect).pipe(Effect.provide(layer(collector.url)))
    return collector.spans()
  }).pipe(Effect.provide(undici.layer({ connections: 8 })))

const idsOf = ({ stats }: Server) => stats.requests.map(({ headers }) => headers["traceparent"])

for (const [name, layer] of Collector.exporters) {
  describe(name, () => {
    for (const [what, scenario] of Object.entries(scenarios)) {
      it.scopedLive(`${what}: one call, its attempts, their ids, links and resend counts`, () =>
        Effect.gen(function*() {
          const server = yield* serve(scenario.handler)
          const spans = yield* exported(layer, Effect.gen(function*() {
            const users = scenario.client(yield* HttpClient.HttpClient)
            const running = yield* Effect.fork(Effect.flatMap(users.get(server.url), ({ text }) => text))
            if (scenario.interrupt === true) {
              yield* eventually(() => server.stats.requests.length === 1)
              yield* Fiber.interrupt(running)
            }
            yield* Fiber.await(running)
            // A loser ends beside the call.
            yield* eventually(() => server.stats.requests.every(({ closed }) => closed !== undefined))
          }))
          deepStrictEqual(tree(spans), scenario.spans as never)
          const [users, ...attempts] = spans
          assert.strictEqual(users?.attributes["resilience.name"], "users")
          assert.strictEqual(users?.attributes["resilience.outcome"], scenario.outcome)
          if (scenario.outcome === "GaveUp") assert.isString(users?.attributes["resilience.reason"])
          deepStrictEqual(
            idsOf(server),
            attempts.slice(0, server.stats.requests.length).map(({ spanId, traceId }) => `00-${traceId}-${spanId}-01`)
          )
        }))
    }

    it.scopedLive("the state of a trace and its baggage survive, and b3 goes out where it is asked for", () =>
      Effect.gen(function*() {
        const server = yield* serve(Fault.inTurn(Fault.status(503), Fault.status(200)))
        const traceId = "0af7651916cd43dd8448eb211c80319c"
        const spanId = "b7ad6b7169203331"
        const spans = yield* exported(layer, Effect.gen(function*() {
          const users = retried(yield* HttpClient.HttpClient)
          yield* users.get(server.url).pipe(
            Propagation.carry(Headers.fromInput({ traceparent: `00-${traceId}-${spanId}-01`, tracestate: "a=1,b=2", baggage: "tenant=t1" })),
            SpanSettings.withSettings({ b3: "single" }),
            Effect.withParentSpan(OtelTracer.makeExternalSpan({ traceId, spanId, traceFlags: 1, traceState: "a=1,b=2" }))
          )
        }))
        const [, ...attempts] = spans
        assert.lengthOf(attempts, 2)
        deepStrictEqual(
          server.stats.requests.map(({ headers }) => [headers["traceparent"], headers["tracestate"], headers["baggage"], headers["b3"]]),
          attempts.map((span) => [
            `00-${traceId}-${span.spanId}-01`,
            "a=1,b=2",
            "tenant=t1",
            `${traceId}-${span.spanId}-1-${span.parentSpanId}`
          ])
        )
      }))
  })
}

describe("a sampler", () => {
  it.effect("is given nothing of one span for another, also where beginning one throws", () =>
    Effect.gen(function*() {
      const given: Array<object> = []
      const sampling = Sampling.make({
        shouldSample: (_context: unknown, _traceId: string, _name: string, _kind: number, attributes: object, _links: unknown) => void given.push(attributes),
        toString: () => "watching"
      })
      const sample = (attributes: object) => sampling.sampler.shouldSample(undefined, "", "", 0, attributes, undefined)
      let throws = false
      const outer = yield* Effect.tracer
      const inner = Tracer.make({
        span: (...begun) => {
          sample({ own: 1 })
          if (throws) throw new Error("no")
          return outer.span(...begun)
        },
        context: (execution) => execution()
      })
      const run = Effect.exit(Effect.withSpan(Effect.void, "job", { attributes: { a: 1 } })).pipe(
        Effect.provide(sampling.layer),
        Effect.withTracer(inner)
      )
      yield* run
      sample({ later: 1 })
      throws = true
      yield* run
      sample({ later: 2 })
      deepStrictEqual(given, [{ a: 1, own: 1 }, { later: 1 }, { a: 1, own: 1 }, { later: 2 }])
    }))

  const [, nodeSdk] = Collector.exporters.find(([name]) => name === "NodeSdk")!

  /** Keeps what it is asked about, and drops the attempts of one host. */
  const watching = () => {
    const seen: Array<readonly [string, Attributes]> = []
    const sampler: Sampler = {
      shouldSample: (_context, _traceId, name, _kind, attributes) => {
        seen.push([name, attributes])
        const isDropped = attributes["url.template"] === "/health"
        return { decision: isDropped ? SamplingDecision.NOT_RECORD : SamplingDecision.RECORD_AND_SAMPLED }
      },
      toString: () => "watching"
    }
    return { seen, sampler }
  }

  const health = (server: Server) =>
    Effect.flatMap(HttpClient.HttpClient, (client) =>
      retried(client).get(server.url).pipe(SpanSettings.withTemplate("/health")))

  it.scopedLive("sees nothing without a layer of ours, and with it what each span is about", () =>
    Effect.gen(function*() {
      const server = yield* serve(Fault.status(200))
      const blind = watching()
      assert.lengthOf(yield* exported((url) => nodeSdk(url, blind.sampler), health(server)), 2)
      deepStrictEqual(blind.seen.map(([name, attributes]) => [name, attributes]), [["users", {}], ["GET /health", {}]])

      const { sampler, seen } = watching()
      const sampling = Sampling.make(sampler)
      const spans = yield* exported((url) => sampling.layer.pipe(Layer.provide(nodeSdk(url, sampling.sampler))), health(server))
      deepStrictEqual(seen, [["users", { "resilience.name": "users" }], ["GET /health", {
        "http.request.method": "GET",
        "server.address": "127.0.0.1",
        "server.port": server.port,
        "url.full": server.url,
        "url.template": "/health"
      }]])
      deepStrictEqual(spans.map(({ name }) => name), ["users"])
      // What is not sampled says so to the other side.
      assert.match(idsOf(server).at(-1) as string, /-00$/)
    }))
})
