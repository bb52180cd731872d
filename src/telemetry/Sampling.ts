/**
 * Samplers of OpenTelemetry that see what a span is about.
 *
 * `@effect/opentelemetry` begins each span without attributes and writes them afterwards, when the sampler has decided. What an Effect
 * tracer is told when a span begins has them, so a decorated tracer hands them to a decorated sampler. Between the two there is one call
 * that does not wait, and nothing else can come in.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Tracer from "effect/Tracer"

/**
 * OpenTelemetry's `Sampler`, by its shape.
 *
 * @since 0.1.0
 * @category models
 */
export interface Sampler<in C, in K, in A extends object, in L, out Result> {
  readonly shouldSample: (context: C, traceId: string, spanName: string, spanKind: K, attributes: A, links: L) => Result
  readonly toString: () => string
}

/**
 * A sampler, and the layer that tells it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Sampling<in C, in K, in A extends object, in L, out Result> {
  /** Goes where the sampler would have gone: `tracerConfig: { sampler }`. */
  readonly sampler: Sampler<C, K, A, L, Result>
  /** Goes over the SDK's layer: `sampling.layer.pipe(Layer.provideMerge(NodeSdk.layer(...)))`. */
  readonly layer: Layer.Layer<never>
}

/**
 * Lets a sampler see the attributes with which a span begins.
 *
 * **Details**
 *
 * Of the spans of this library: method, host, port, redacted address, template and resend count of an attempt, and the name of a call.
 * Of others, the `attributes` of `Effect.withSpan`.
 *
 * **Example** (No spans of health checks)
 *
 * ```ts
 * import { Sampling } from "effect-resilience"
 *
 * const notOfHealth = {
 *   shouldSample: (_context: unknown, _traceId: string, _name: string, _kind: number, attributes: Record<string, unknown>) => (
 *     { decision: String(attributes["url.full"]).endsWith("/health") ? 0 : 2 }
 *   ),
 *   toString: () => "not of health"
 * }
 *
 * const sampling = Sampling.make(notOfHealth)
 *
 * sampling.sampler.toString() // => "not of health"
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = <C, K, A extends object, L, Result>(sampler: Sampler<C, K, A, L, Result>): Sampling<C, K, A, L, Result> => {
  let beginning: Record<string, unknown> | undefined
  return {
    sampler: {
      shouldSample: (context, traceId, spanName, spanKind, attributes, links) =>
        sampler.shouldSample(context, traceId, spanName, spanKind, beginning === undefined ? attributes : { ...beginning, ...attributes }, links),
      toString: () => sampler.toString()
    },
    layer: Layer.unwrapEffect(Effect.map(Effect.tracer, (tracer) =>
      Layer.setTracer(Tracer.make({
        span: (...begun) => {
          beginning = begun[6]?.attributes
          try {
            return tracer.span(...begun)
          } finally {
            beginning = undefined
          }
        },
        context: (execution, fiber) => tracer.context(execution, fiber)
      }))))
  }
}
