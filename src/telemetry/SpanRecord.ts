/**
 * Spans as plain data, and a tracer that keeps them while it lets another one make them.
 *
 * What draws a trace (`Waterfall`, `TracePage`) needs no backend and knows no tracer: it is given these records. They are kept
 * by the trace and no longer: when the first span of one ends they are handed over, and nothing is held any more.
 *
 * @since 0.1.0
 */
import type * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"
import type { Millis } from "../core/Millis.ts"

/**
 * Something that was noted on a span. `at` is in ms since the epoch.
 *
 * @since 0.1.0
 * @category models
 */
export interface SpanEvent {
  readonly name: string
  readonly at: Millis
  readonly attributes: Readonly<Record<string, unknown>>
}

/** Another span that a span points to. @since 0.1.0 @category models */
export interface SpanLink {
  readonly traceId: string
  readonly spanId: string
}

/**
 * Whether a span has ended, and with what.
 *
 * @since 0.1.0
 * @category models
 */
export type SpanStatus =
  | { readonly _tag: "Open" }
  | { readonly _tag: "Ended"; readonly at: Millis; readonly exit: Exit.Exit<unknown, unknown> }

/**
 * A span as it was when it was looked at. Instants are in ms since the epoch. The spans of `testing/Recorder` are such records too.
 *
 * @since 0.1.0
 * @category models
 */
export interface SpanRecord {
  readonly name: string
  readonly kind: Tracer.SpanKind
  readonly traceId: string
  readonly spanId: string
  /** The span id of the parent, which need not be among the records. */
  readonly parent: Option.Option<string>
  readonly start: Millis
  readonly status: SpanStatus
  readonly attributes: Readonly<Record<string, unknown>>
  readonly events: ReadonlyArray<SpanEvent>
  readonly links: ReadonlyArray<SpanLink>
}

/** How many spans of one trace are kept; what is more is not drawn. */
const mostSpans = 1_000

const toMillis = (nanos: bigint): Millis => Number(nanos) / 1e6

interface Kept {
  readonly span: Tracer.Span
  readonly events: Array<SpanEvent>
}

/** The spans below one that has no parent here, itself the first. */
interface Trace {
  readonly root: Tracer.Span
  readonly kept: Array<Kept>
}

const toRecord = ({ events, span }: Kept): SpanRecord => ({
  name: span.name,
  kind: span.kind,
  traceId: span.traceId,
  spanId: span.spanId,
  parent: Option.map(span.parent, ({ spanId }) => spanId),
  start: toMillis(span.status.startTime),
  status: span.status._tag === "Ended"
    ? { _tag: "Ended", at: toMillis(span.status.endTime), exit: span.status.exit }
    : { _tag: "Open" },
  attributes: Object.fromEntries(span.attributes),
  events: events.slice(),
  links: span.links.map(({ span: { spanId, traceId } }) => ({ traceId, spanId }))
})

/**
 * Lets a tracer make its spans as it does, and hands over all spans of a trace when the first of them has ended.
 *
 * **Details**
 *
 * The first is the one whose parent was not made here. What was begun below it and has not ended by then is `Open`. Of one trace
 * 1,000 spans are kept.
 *
 * **Gotchas**
 *
 * `onTrace` is called within the fiber that ends the span: it must not throw, and should be short.
 *
 * @since 0.1.0
 * @category decorators
 */
export const keeping = (tracer: Tracer.Tracer, onTrace: (spans: ReadonlyArray<SpanRecord>) => void): Tracer.Tracer => {
  const traces = new WeakMap<Tracer.AnySpan, Trace>()
  return Tracer.make({
    span: (...begun) => {
      const span = tracer.span(...begun)
      const kept: Kept = { span, events: [] }
      const parent = Option.flatMap(span.parent, (parent) => Option.fromNullable(traces.get(parent)))
      const trace = Option.getOrElse(parent, (): Trace => ({ root: span, kept: [] }))
      traces.set(span, trace)
      if (trace.kept.length < mostSpans) trace.kept.push(kept)
      // The methods of the span itself are replaced: a tracer may want to see its own spans again, and would not know a wrapper.
      const { end, event } = span
      span.event = (name, startTime, attributes) => {
        kept.events.push({ name, at: toMillis(startTime), attributes: attributes ?? {} })
        event.call(span, name, startTime, attributes)
      }
      span.end = (endTime, exit) => {
        end.call(span, endTime, exit)
        if (trace.root === span) onTrace(trace.kept.map(toRecord))
      }
      return span
    },
    context: (execution, fiber) => tracer.context(execution, fiber)
  })
}
