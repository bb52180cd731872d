/**
 * A small collector for OTLP over HTTP as JSON, and both ways from Effect to it.
 */
import * as NodeSdk from "@effect/opentelemetry/NodeSdk"
import * as Otlp from "@effect/opentelemetry/Otlp"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import { BatchSpanProcessor, type ReadableSpan, type Sampler, type SpanExporter } from "@opentelemetry/sdk-trace-base"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as http from "node:http"
import { serve } from "./server.ts"

type Value = { readonly stringValue?: string; readonly intValue?: number | string; readonly doubleValue?: number; readonly boolValue?: boolean; readonly arrayValue?: { readonly values: ReadonlyArray<Value> } }
type Pairs = ReadonlyArray<{ readonly key: string; readonly value: Value }>

/** A span on the wire. */
interface OtlpSpan {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly name: string
  readonly kind: number
  readonly startTimeUnixNano: string
  readonly endTimeUnixNano: string
  readonly attributes: Pairs
  readonly events: ReadonlyArray<{ readonly name: string; readonly attributes: Pairs }>
  readonly links: ReadonlyArray<{ readonly traceId: string; readonly spanId: string }>
  readonly status: { readonly code?: number; readonly message?: string }
}

/** A span as a test wants it. */
export interface Exported extends Omit<OtlpSpan, "attributes" | "events"> {
  readonly attributes: Readonly<Record<string, unknown>>
  readonly events: ReadonlyArray<{ readonly name: string; readonly attributes: Readonly<Record<string, unknown>> }>
}

const valueOf = (value: Value): unknown =>
  value.arrayValue !== undefined
    ? value.arrayValue.values.map(valueOf)
    : value.intValue !== undefined ? Number(value.intValue) : value.stringValue ?? value.doubleValue ?? value.boolValue

const record = (pairs: Pairs): Readonly<Record<string, unknown>> => Object.fromEntries(pairs.map(({ key, value }) => [key, valueOf(value)]))

const toExported = ({ attributes, events, ...span }: OtlpSpan): Exported => ({
  ...span,
  attributes: record(attributes),
  events: events.map(({ attributes, name }) => ({ name, attributes: record(attributes) }))
})

export interface Collector {
  readonly url: string
  /** What has been exported, in the order in which the spans began. */
  readonly spans: () => ReadonlyArray<Exported>
}

/** Starts a collector, which ends with the scope. */
export const collector: Effect.Effect<Collector, never, Scope.Scope> = Effect.gen(function*() {
  const spans: Array<OtlpSpan> = []
  const server = yield* serve((request, response) => {
    let body = ""
    request.setEncoding("utf8").on("data", (chunk: string) => void (body += chunk)).on("end", () => {
      const isTraces = request.url === "/v1/traces"
      if (isTraces && request.headers["content-type"]?.startsWith("application/json") !== true) return void response.writeHead(415).end()
      if (isTraces) {
        const { resourceSpans } = JSON.parse(body) as { resourceSpans: ReadonlyArray<{ scopeSpans: ReadonlyArray<{ spans: ReadonlyArray<OtlpSpan> }> }> }
        spans.push(...resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans)))
      }
      response.writeHead(200, { "content-type": "application/json" }).end("{}")
    })
  })
  const url = server.url.replace(/\/$/, "")
  const begun = ({ startTimeUnixNano }: OtlpSpan): bigint => BigInt(startTimeUnixNano)
  return {
    url,
    spans: () => spans.slice().sort((one, other) => begun(one) < begun(other) ? -1 : begun(one) > begun(other) ? 1 : 0).map(toExported)
  }
})

const nanos = ([seconds, nanos]: readonly [number, number]): string => String(BigInt(seconds) * 1_000_000_000n + BigInt(nanos))

const toValue = (value: unknown): Value =>
  Array.isArray(value)
    ? { arrayValue: { values: value.map(toValue) } }
    : typeof value === "number"
    ? Number.isInteger(value) ? { intValue: value } : { doubleValue: value }
    : typeof value === "boolean" ? { boolValue: value } : { stringValue: String(value) }

const toPairs = (attributes: object = {}): Pairs => Object.entries(attributes).map(([key, value]) => ({ key, value: toValue(value) }))

/** The SDK's spans as OTLP has them: its kinds and states are numbered from 0, and OTLP's kinds from 1. */
const toOtlp = (span: ReadableSpan): OtlpSpan => ({
  traceId: span.spanContext().traceId,
  spanId: span.spanContext().spanId,
  ...(span.parentSpanContext === undefined ? {} : { parentSpanId: span.parentSpanContext.spanId }),
  name: span.name,
  kind: span.kind + 1,
  startTimeUnixNano: nanos(span.startTime),
  endTimeUnixNano: nanos(span.endTime),
  attributes: toPairs(span.attributes),
  events: span.events.map(({ attributes, name }) => ({ name, attributes: toPairs(attributes) })),
  links: span.links.map(({ context: { spanId, traceId } }) => ({ spanId, traceId })),
  status: { code: span.status.code, ...(span.status.message === undefined ? {} : { message: span.status.message }) }
})

/** What the SDK's own exporter does, without its dependencies. */
const exporter = (url: string): SpanExporter => ({
  export: (spans, done) => {
    const body = JSON.stringify({ resourceSpans: [{ resource: {}, scopeSpans: [{ scope: {}, spans: spans.map(toOtlp) }] }] })
    const request = http.request(`${url}/v1/traces`, { method: "POST", headers: { "content-type": "application/json" } }, (response) => {
      response.resume().on("end", () => done({ code: response.statusCode === 200 ? 0 : 1 }))
    })
    request.on("error", (error) => done({ code: 1, error })).end(body)
  },
  shutdown: () => Promise.resolve()
})

/** Both ways by which an application exports; what is left is sent when the layer closes. */
export const exporters: ReadonlyArray<readonly [name: string, layer: (url: string, sampler?: Sampler) => Layer.Layer<never>]> = [
  ["NodeSdk", (url, sampler) =>
    Layer.discard(NodeSdk.layer(() => ({
      resource: { serviceName: "test" },
      spanProcessor: new BatchSpanProcessor(exporter(url)),
      ...(sampler === undefined ? {} : { tracerConfig: { sampler } })
    })))],
  ["Otlp", (url) =>
    Otlp.layerJson({ baseUrl: url, resource: { serviceName: "test" }, tracerExportInterval: "1 hour", shutdownTimeout: "10 seconds" }).pipe(
      Layer.provide(FetchHttpClient.layer)
    )]
]
