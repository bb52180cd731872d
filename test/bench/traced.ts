/**
 * What spans cost with OpenTelemetry's batch processor, beside the platform's one span with the same.
 */
import * as OtelTracer from "@effect/opentelemetry/Tracer"
import type * as HttpClient from "@effect/platform/HttpClient"
import { BasicTracerProvider, BatchSpanProcessor, type SpanExporter } from "@opentelemetry/sdk-trace-base"
import * as Resilience from "effect-resilience/policy/Resilience"
import * as SpanCorrection from "effect-resilience/telemetry/SpanCorrection"
import * as Effect from "effect/Effect"
import type * as Tracer from "effect/Tracer"
import * as Noop from "./noop.ts"
import type { Candidate, Contest } from "./rows.ts"

/** Takes what it is given: what an exporter does with it is not ours. */
const nowhere: SpanExporter = { export: (_spans, done) => done({ code: 0 }), shutdown: () => Promise.resolve() }

const batching = (): Tracer.Tracer => {
  const provider = new BasicTracerProvider({ spanProcessors: [new BatchSpanProcessor(nowhere)] })
  return Effect.runSync(Effect.provideService(OtelTracer.make, OtelTracer.OtelTracer, provider.getTracer("bench")))
}

/** Everything that is compared with a tracer of OpenTelemetry's. */
export const traced = (nullCheck: string): Contest => {
  const tracer = batching()
  const candidate = (name: string, client: HttpClient.HttpClient, within: Tracer.Tracer = tracer): Candidate => ({
    name,
    call: () => Effect.flatMap(client.get(Noop.url), (response) => response.text),
    within: Effect.withTracer(within)
  })
  const bare = Noop.suspending()
  return {
    name: "otel",
    title: "Success at the first attempt, the fiber suspended once, OpenTelemetry's batch processor",
    base: candidate("bare: the platform's span", bare),
    others: [
      candidate(nullCheck, Noop.suspending()),
      candidate("attempt span", Resilience.withAttemptSpan(bare)),
      candidate("call + attempt spans", bare.pipe(Resilience.withAttemptSpan, Resilience.withCallSpan("users"))),
      candidate("the platform's span, corrected", bare, SpanCorrection.correct(tracer))
    ]
  }
}
