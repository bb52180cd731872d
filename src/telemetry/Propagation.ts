/**
 * What goes out with an attempt so that the other side's spans hang below it, and what arrived with a request and goes on.
 *
 * `traceparent` is the attempt's own. `tracestate` and `baggage` belong to whoever began the trace: a service hands them on as they
 * came. The platform's server drops both, so what shall survive is carried by `carry`, round the handling of a request.
 *
 * **Example** (A handler whose calls carry what arrived)
 *
 * ```ts
 * import { Headers } from "@effect/platform"
 * import { Propagation, ResilientClient } from "effect-resilience"
 * import { HttpScript, Recorder } from "effect-resilience/testing"
 * import { Effect } from "effect"
 *
 * const arrived = Headers.fromInput({ baggage: "tenant=t1,secret=s" })
 *
 * const handler = Effect.gen(function*() {
 *   const users = yield* ResilientClient.make()
 *   yield* users.get("http://users.test/1")
 *   return (yield* HttpScript.requests).map(({ headers }) => headers["baggage"])
 * })
 *
 * await handler.pipe(
 *   Propagation.carry(arrived, { baggage: ["tenant"] }),
 *   Effect.provide(HttpScript.layer([{ status: 200 }])),
 *   Effect.provide(Recorder.layer),
 *   Effect.runPromise
 * ) // => ["tenant=t1"]
 * ```
 *
 * @since 0.1.0
 */
import type * as Headers from "@effect/platform/Headers"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import { dual } from "effect/Function"
import * as Option from "effect/Option"
import type * as Tracer from "effect/Tracer"

/**
 * What arrived and goes on.
 *
 * @since 0.1.0
 * @category models
 */
export interface Carried {
  /** The trace that `tracestate` belongs to: it goes on in no other. */
  readonly traceId: Option.Option<string>
  readonly tracestate: Option.Option<string>
  readonly baggage: Option.Option<string>
}

/**
 * Nothing.
 *
 * @since 0.1.0
 * @category constants
 */
export const nothing: Carried = { traceId: Option.none(), tracestate: Option.none(), baggage: Option.none() }

/**
 * What the current fiber carries.
 *
 * @since 0.1.0
 * @category references
 */
export class Propagated extends Context.Reference<Propagated>()("effect-resilience/Propagation", {
  defaultValue: (): Carried => nothing
}) {}

/** Which entries of a baggage go on. */
type Allowed = "all" | "none" | ReadonlyArray<string>

/**
 * What of it goes on.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** The keys of the entries of `baggage` that go on. Default: "all". */
  readonly baggage?: Allowed | undefined
}

/** Longer ones are dropped: it is what W3C's Baggage has everybody take. */
const longest = 8_192

/** Of so many entries the first are kept: W3C's limits. */
const most = { tracestate: 32, baggage: 64 }

const traceparent = /^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-|$)/

const stateEntry = /^(?:[a-z][a-z0-9_\-*/]{0,255}|[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13})=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/

const baggageKey = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*=[ \t]*[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*[ \t]*(?:;|$)/
const baggageProperties = /^[\x20\t\x21\x23-\x2b\x2d-\x5b\x5d-\x7e]*$/

const entries = (header: string): ReadonlyArray<string> => header.split(",").map((entry) => entry.trim()).filter((entry) => entry !== "")

const joined = (kept: ReadonlyArray<string>): Option.Option<string> => kept.length === 0 ? Option.none() : Option.some(kept.join(","))

/** One entry that is malformed spoils the whole: the vendor's own rule. */
const tracestateOf = (header: string | undefined): Option.Option<string> => {
  if (header === undefined || header.length > longest) return Option.none()
  const found = entries(header)
  return found.every((entry) => stateEntry.test(entry)) ? joined(found.slice(0, most.tracestate)) : Option.none()
}

const baggageOf = (header: string | undefined, allowed: Allowed): Option.Option<string> => {
  if (header === undefined || allowed === "none" || header.length > longest) return Option.none()
  return joined(entries(header).filter((entry) => {
    const key = baggageKey.exec(entry)?.[1]
    return key !== undefined && baggageProperties.test(entry) && (allowed === "all" || allowed.includes(key))
  }).slice(0, most.baggage))
}

/**
 * Reads what arrived, and keeps what is well formed: of `tracestate` all or nothing and 32 entries, of `baggage` each entry by itself and 64
 * of them. A header of more than 8,192 characters is dropped. Without a `traceparent` there is no `tracestate`.
 *
 * @since 0.1.0
 * @category decoding
 */
export const fromHeaders = (headers: Headers.Headers, { baggage = "all" }: Options = {}): Carried => {
  const traceId = Option.fromNullable(traceparent.exec(headers["traceparent"] ?? "")?.[1])
  return {
    traceId,
    tracestate: Option.flatMap(traceId, () => tracestateOf(headers["tracestate"])),
    baggage: baggageOf(headers["baggage"], baggage)
  }
}

/**
 * Lets what arrived go on with every attempt that is made in an effect.
 *
 * **Gotchas**
 *
 * Baggage goes to everybody who is called there, also outside the house. Name the keys, or have a client that goes outside send nothing by
 * `HttpClient.withTracerPropagation(false)`.
 *
 * @since 0.1.0
 * @category combinators
 */
export const carry: {
  /** Lets what arrived go on with every attempt that is made in an effect. */
  (headers: Headers.Headers, options?: Options): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** Lets what arrived go on with every attempt that is made in an effect. */
  <A, E, R>(self: Effect.Effect<A, E, R>, headers: Headers.Headers, options?: Options): Effect.Effect<A, E, R>
} = /* @__PURE__ */ dual(
  (args) => Effect.isEffect(args[0]),
  <A, E, R>(self: Effect.Effect<A, E, R>, headers: Headers.Headers, options?: Options): Effect.Effect<A, E, R> =>
    Effect.provideService(self, Propagated, fromHeaders(headers, options))
)

/** The key under which `@effect/opentelemetry` keeps the state of a trace that was begun elsewhere. */
const otelTraceState = "@effect/opentelemetry/Tracer/OtelTraceState"

interface Serializable {
  readonly serialize?: () => string
}

/** What a span of `@effect/opentelemetry` has and its type does not say: OpenTelemetry's own span. */
interface OtelSpan {
  readonly span?: { readonly spanContext?: () => { readonly traceState?: Serializable } }
}

/** The state that the tracer itself keeps: OpenTelemetry's span has it, or the span of elsewhere that the trace goes on from. */
const stateOf = (self: Tracer.Span): string | undefined => {
  // Read with care: any tracer's span may come here.
  const otel = (self as OtelSpan).span
  if (typeof otel?.spanContext === "function") return otel.spanContext().traceState?.serialize?.()
  let each: Tracer.AnySpan = self
  while (each._tag === "Span" && Option.isSome(each.parent)) each = each.parent.value
  const state: Serializable | undefined = each.context.unsafeMap.get(otelTraceState)
  return state?.serialize?.()
}

const flag = ({ sampled }: Tracer.Span): "1" | "0" => sampled ? "1" : "0"

/** Zipkin's formats. */
const b3Headers = (span: Tracer.Span, b3: "single" | "multi"): Record<string, string> => {
  const parent = Option.map(span.parent, ({ spanId }) => spanId)
  if (b3 === "single") return { b3: [span.traceId, span.spanId, flag(span), ...Option.toArray(parent)].join("-") }
  return {
    "x-b3-traceid": span.traceId,
    "x-b3-spanid": span.spanId,
    "x-b3-sampled": flag(span),
    ...Option.match(parent, { onNone: () => ({}), onSome: (id) => ({ "x-b3-parentspanid": id }) })
  }
}

/**
 * The `traceparent` of a span.
 *
 * @since 0.1.0
 * @category encoding
 */
export const traceparentOf = (span: Tracer.Span): string => `00-${span.traceId}-${span.spanId}-0${flag(span)}`

/**
 * A request with what a span adds to its headers: `traceparent` always, and `tracestate` and `baggage` where there are some and the
 * request has none of its own.
 *
 * @since 0.1.0
 * @category encoding
 */
export const inject = (
  request: HttpClientRequest.HttpClientRequest,
  span: Tracer.Span,
  fiber: Fiber.RuntimeFiber<unknown, unknown>,
  b3: "none" | "single" | "multi" = "none"
): HttpClientRequest.HttpClientRequest => {
  const carried: Carried | undefined = fiber.currentContext.unsafeMap.get(Propagated.key)
  const state = stateOf(span) ?? (carried !== undefined && Option.contains(carried.traceId, span.traceId)
    ? Option.getOrUndefined(carried.tracestate)
    : undefined)
  const baggage = carried === undefined ? undefined : Option.getOrUndefined(carried.baggage)
  // One header after another: most often there is one, and one is written for a third of what some are.
  let sent = HttpClientRequest.setHeader(request, "traceparent", traceparentOf(span))
  if (state !== undefined && state !== "" && !("tracestate" in request.headers)) sent = HttpClientRequest.setHeader(sent, "tracestate", state)
  if (baggage !== undefined && !("baggage" in request.headers)) sent = HttpClientRequest.setHeader(sent, "baggage", baggage)
  return b3 === "none" ? sent : HttpClientRequest.setHeaders(sent, b3Headers(span, b3))
}
