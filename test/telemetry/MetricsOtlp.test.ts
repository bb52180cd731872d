/**
 * What an OTLP receiver is given of the metrics, over a real socket.
 */
import * as OtlpMetrics from "@effect/opentelemetry/OtlpMetrics"
import * as OtlpSerialization from "@effect/opentelemetry/OtlpSerialization"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Instrument from "../../src/core/Instrument.ts"
import * as Resilience from "../../src/policy/Resilience.ts"
import * as Metrics from "../../src/telemetry/Metrics.ts"
import { serve } from "../support/server.ts"

interface Attribute {
  readonly key: string
  readonly value: { readonly stringValue: string }
}

interface Point {
  readonly attributes: ReadonlyArray<Attribute>
  readonly count?: number
  readonly asDouble?: number
  readonly explicitBounds?: ReadonlyArray<number>
}

interface Exported {
  readonly name: string
  readonly unit: string
  readonly histogram?: { readonly dataPoints: ReadonlyArray<Point> }
  readonly sum?: { readonly isMonotonic: boolean; readonly dataPoints: ReadonlyArray<Point> }
}

const labelsOf = ({ attributes }: Point) => Object.fromEntries(attributes.map(({ key, value }) => [key, value.stringValue]))

it.scopedLive("OTLP has the names, units, buckets and attributes of the conventions", () =>
  Effect.gen(function*() {
    const peer = yield* serve((_, response) => void response.end("ok"))
    const receiver = yield* serve((_, response) => void response.end("{}"))
    const Exporter = OtlpMetrics.layer({ url: `${receiver.url}v1/metrics`, resource: { serviceName: "test" } }).pipe(
      Layer.provide(FetchHttpClient.layer),
      Layer.provide(OtlpSerialization.layerJson)
    )
    const application = Effect.flatMap(HttpClient.HttpClient, (client) =>
      client.pipe(Resilience.withMetrics("otlp"), Resilience.withRetry({ name: "otlp" })).get(peer.url)
    )
    // What there is is exported when the layer ends.
    yield* Effect.provide(application, Layer.mergeAll(Metrics.layer(), FetchHttpClient.layer, Exporter))

    const body = receiver.stats.requests.at(-1)?.body() ?? ""
    // The shape is OTLP's.
    const { resourceMetrics: [{ scopeMetrics: [{ metrics }] }] } = JSON.parse(body) as {
      readonly resourceMetrics: readonly [{ readonly scopeMetrics: readonly [{ readonly metrics: ReadonlyArray<Exported> }] }]
    }
    const named = (name: string) => metrics.find((each) => each.name === name)
    // Metrics are of the whole process: these are the points of this client, whatever others have counted before.
    const ofClient = (points: ReadonlyArray<Point> | undefined) => points?.filter((each) => labelsOf(each)["resilience.name"] === "otlp") ?? []

    const duration = named("http.client.request.duration")
    assert.strictEqual(duration?.unit, "s")
    const [point, ...others] = ofClient(duration?.histogram?.dataPoints)
    assert.deepStrictEqual(others, [])
    assert.deepStrictEqual(point?.explicitBounds, [...Instrument.requestBoundaries])
    assert.strictEqual(point?.count, 1)
    assert.deepStrictEqual(point === undefined ? undefined : labelsOf(point), {
      "resilience.name": "otlp",
      "http.request.method": "GET",
      "server.address": "127.0.0.1",
      "server.port": String(peer.port),
      "http.response.status_code": "200",
      unit: "s"
    })

    const calls = named("resilience.calls")
    assert.strictEqual(calls?.unit, "{call}")
    assert.strictEqual(calls?.sum?.isMonotonic, true)
    const succeeded = ofClient(calls?.sum?.dataPoints).find((each) => labelsOf(each)["resilience.outcome"] === "Succeeded")
    assert.strictEqual(succeeded?.asDouble, 1)
  }))
