import * as Headers from "@effect/platform/Headers"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as OtelTracer from "@effect/opentelemetry/Tracer"
import { assert, describe, it } from "@effect/vitest"
import { assertNone, assertSome, deepStrictEqual } from "@effect/vitest/utils"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"
import * as fc from "fast-check"
import * as Resilience from "../../src/policy/Resilience.ts"
import * as Propagation from "../../src/telemetry/Propagation.ts"
import * as HttpScript from "../../src/testing/HttpScript.ts"
import * as Recorder from "../../src/testing/Recorder.ts"

const traceId = "0af7651916cd43dd8448eb211c80319c"
const spanId = "b7ad6b7169203331"
const traceparent = `00-${traceId}-${spanId}-01`

const read = (headers: Record<string, string>, options?: Propagation.Options) => Propagation.fromHeaders(Headers.fromInput(headers), options)

describe("tracestate", () => {
  const of = (tracestate: string, parent = traceparent) => read({ traceparent: parent, tracestate }).tracestate

  const sound = [
    "congo=t61rcWkgMzE",
    "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE",
    "fw529a3039@dt=FfAAAAAAAAAAFA",
    "a=1",
    "a_-*/b=x y",
    `${"k".repeat(256)}=${"v".repeat(256)}`,
    `${"0".repeat(241)}@${"s".repeat(14)}=v`
  ]
  for (const value of sound) it(`goes on: ${value.slice(0, 40)}`, () => assertSome(of(value), value))

  it("loses white space round its entries, and entries that are empty", () => {
    assertSome(of(" a=1 ,, b=2\t,"), "a=1,b=2")
  })

  const spoilt = ["", ",", "A=1", "a", "=1", "a=", "a=1;b=2,c", "a=é", "a=\u0000", "a=b=c", "1a=1", "a@=1", "@a=1", "a@1=1", `${"k".repeat(257)}=1`, `a=${"v".repeat(257)}`, `${"0".repeat(242)}@s=v`, "a=1,B=2"]
  for (const value of spoilt) it(`is dropped: ${JSON.stringify(value).slice(0, 40)}`, () => assertNone(of(value)))

  it("keeps its first 32 entries, and of more than 8,192 characters nothing", () => {
    const many = Array.from({ length: 40 }, (_, index) => `k${index}=1`)
    assertSome(of(many.join(",")), many.slice(0, 32).join(","))
    const long = (length: number) => `a=1,${" ".repeat(length - 4)}`
    assertSome(of(long(8_192)), "a=1")
    assertNone(of(long(8_193)))
  })

  for (const parent of ["", "junk", `00-${"0".repeat(32)}-${spanId}-01`, `00-${traceId}-${"0".repeat(16)}-01`, `ff-${traceId}-${spanId}-01`, `00-${traceId.toUpperCase()}-${spanId}-01`, `00-${traceId}-${spanId}-011`]) {
    it(`is dropped without a traceparent that can be read: ${parent}`, () => {
      assertNone(of("a=1", parent))
      assertNone(read({ traceparent: parent }).traceId)
    })
  }

  it("is read of later versions of traceparent too", () => {
    assertSome(of("a=1", `01-${traceId}-${spanId}-01-what-comes`), "a=1")
  })
})

describe("baggage", () => {
  const of = (baggage: string, options?: Propagation.Options) => read({ baggage }, options).baggage

  for (const value of ["a=1", "tenant=t1,user=u%20v", "a=1;p=2;q", "a=", "k = v ; p"]) {
    it(`goes on: ${value}`, () => assertSome(of(value), value))
  }
  for (const value of ["", ",", "a", "=1", "a=b c", "a=\"q\"", "a=\\", "é=1", "a=é", "a b=1", "a=1;\u0000"]) {
    it(`is dropped: ${JSON.stringify(value)}`, () => assertNone(of(value)))
  }

  it("loses the entries that are malformed, and keeps the others", () => {
    assertSome(of("a=1,b c=2,d=3,=4"), "a=1,d=3")
  })

  it("keeps the entries that are allowed", () => {
    assertSome(of("a=1,b=2,c=3;p", { baggage: ["a", "c"] }), "a=1,c=3;p")
    assertNone(of("a=1", { baggage: [] }))
    assertNone(of("a=1", { baggage: "none" }))
    assertSome(of("a=1", { baggage: "all" }), "a=1")
  })

  it("keeps its first 64 entries, and of more than 8,192 characters nothing", () => {
    const many = Array.from({ length: 70 }, (_, index) => `k${index}=1`)
    assertSome(of(many.join(",")), many.slice(0, 64).join(","))
    assertSome(of(`a=${"1".repeat(8_190)}`), `a=${"1".repeat(8_190)}`)
    assertNone(of(`a=${"1".repeat(8_191)}`))
  })
})

describe("reading", () => {
  it("is total, ends soon, and gives nothing that splits a header; what it gave it gives again", () => {
    const odd = fc.oneof(fc.string({ unit: "binary" }), fc.stringMatching(/^[a-z@=;, %\t-]*$/), fc.constantFrom("a=1".repeat(2_000), ",".repeat(8_192), "a".repeat(8_192), "a@".repeat(4_000), "=;".repeat(4_000)))
    fc.assert(fc.property(odd, odd, (tracestate, baggage) => {
      const carried = Propagation.fromHeaders(Headers.unsafeFromRecord({ traceparent, tracestate, baggage }))
      for (const each of [carried.tracestate, carried.baggage]) assert.match(Option.getOrElse(each, () => ""), /^[\t\x20-\x7e]*$/)
      const again = read({
        traceparent,
        ...Option.match(carried.tracestate, { onNone: () => ({}), onSome: (tracestate) => ({ tracestate }) }),
        ...Option.match(carried.baggage, { onNone: () => ({}), onSome: (baggage) => ({ baggage }) })
      })
      deepStrictEqual(again, carried)
    }), { numRuns: 2_000 })
  })
})

describe("carrying", () => {
  /** What goes out with an attempt, below a span of elsewhere. */
  const sent = (
    arrived: Record<string, string>,
    parent: Tracer.AnySpan = Tracer.externalSpan({ traceId, spanId }),
    decorate: (client: HttpClient.HttpClient) => HttpClient.HttpClient = (client) => client,
    own: Record<string, string> = {}
  ) =>
    Effect.gen(function*() {
      const client = decorate((yield* HttpClient.HttpClient).pipe(Resilience.withAttemptSpan, Resilience.withRetry(), Resilience.withCallSpan("users")))
      yield* client.execute(HttpClientRequest.get("http://users.test/1").pipe(HttpClientRequest.setHeaders(own))).pipe(
        Propagation.carry(Headers.fromInput(arrived)),
        Effect.withParentSpan(parent)
      )
      const [request] = yield* HttpScript.requests
      const { baggage, traceparent, tracestate } = request?.headers ?? {}
      const shown: Readonly<Record<"baggage" | "tracestate" | "trace", string | undefined>> = { baggage, tracestate, trace: traceparent?.split("-")[1] }
      return shown
    }).pipe(Effect.provide(HttpScript.layer([{ status: 200 }])), Effect.provide(Recorder.layer))

  const arrived = { traceparent, tracestate: "a=1,b=2", baggage: "tenant=t1" }

  it.live("lets both go on with every attempt of the trace", () =>
    Effect.gen(function*() {
      deepStrictEqual(yield* sent(arrived), { baggage: "tenant=t1", tracestate: "a=1,b=2", trace: traceId })
    }))

  it.live("keeps the state of one trace out of another", () =>
    Effect.gen(function*() {
      const other = "f".repeat(32)
      deepStrictEqual(yield* sent(arrived, Tracer.externalSpan({ traceId: other, spanId })), { baggage: "tenant=t1", tracestate: undefined, trace: other })
    }))

  it.live("leaves what a request has of its own", () =>
    Effect.gen(function*() {
      const own = { tracestate: "own=1", baggage: "own=2" }
      deepStrictEqual(yield* sent(arrived, undefined, undefined, own), { baggage: "own=2", tracestate: "own=1", trace: traceId })
    }))

  it.live("sends nothing where nothing is to be propagated", () =>
    Effect.gen(function*() {
      deepStrictEqual(yield* sent(arrived, undefined, HttpClient.withTracerPropagation(false)), { baggage: undefined, tracestate: undefined, trace: undefined })
    }))

  it.live("sends the state that @effect/opentelemetry keeps of a trace begun elsewhere", () =>
    Effect.gen(function*() {
      const parent = OtelTracer.makeExternalSpan({ traceId, spanId, traceState: "otel=1" })
      deepStrictEqual(yield* sent({}, parent), { baggage: undefined, tracestate: "otel=1", trace: traceId })
      // What the tracer keeps may have been changed by a sampler: it goes before what arrived.
      deepStrictEqual((yield* sent(arrived, parent)).tracestate, "otel=1")
    }))
})
