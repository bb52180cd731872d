/**
 * Remembers what was said and traced: the events of the strategies, and the spans of whoever opens some.
 *
 * Both are plain data when they come out, with deterministic ids and times, so a test can compare them, and both can be printed
 * for the message of one that fails.
 *
 * **Example** (A timeline from events alone)
 *
 * ```ts
 * import { Backoff, Classifier, Retry, RetrySchedule } from "effect-resilience"
 * import { Recorder } from "effect-resilience/testing"
 * import { Effect, Fiber, TestClock, TestContext } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const recorder = yield* Recorder.Recorder
 *   const fiber = yield* Effect.fork(Effect.flip(Effect.fail("busy").pipe(Retry.retry({
 *     classifier: Classifier.anyError,
 *     schedule: RetrySchedule.fromBackoff(Backoff.constant("1 second")),
 *     maxAttempts: 2
 *   }))))
 *   yield* TestClock.adjust("1 second")
 *   yield* Fiber.join(fiber)
 *   return Recorder.timeline(yield* recorder.events)
 * })
 *
 * const lines = await program.pipe(Effect.provide(Recorder.layer), Effect.provide(TestContext.TestContext), Effect.runPromise)
 *
 * lines.slice(0, 3) // => ["0 attempt 1", "0 failed unavailable", "0 wait 1000 Backoff"]
 * lines.slice(3) // => ["1000 attempt 2", "1000 failed unavailable", "1000 gave up AttemptsExhausted"]
 * ```
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"
import type { Millis } from "../core/Millis.ts"
import type { Event } from "../core/Event.ts"
import * as Failure from "../core/Failure.ts"
import * as Observer from "../strategy/Observer.ts"
import type * as SpanRecord from "../telemetry/SpanRecord.ts"

export type { SpanEvent, SpanStatus } from "../telemetry/SpanRecord.ts"

/** @since 0.1.0 @category models */
export interface SpanLink extends SpanRecord.SpanLink {
  readonly attributes: Readonly<Record<string, unknown>>
}

/**
 * A span as it was when it was looked at. Trace ids have 32 hexadecimal digits, span ids 16, both counted from 1 in the order in which
 * they began. One whose status stays `Open` was never ended.
 *
 * @since 0.1.0
 * @category models
 */
export interface Span extends SpanRecord.SpanRecord {
  readonly links: ReadonlyArray<SpanLink>
  /** What was written after the end, and so would be lost with OpenTelemetry: `attribute k`, `event e`, `links`, `end`. */
  readonly late: ReadonlyArray<string>
}

/**
 * What records, and what has been recorded.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service {
  readonly listener: Observer.Listener
  readonly tracer: Tracer.Tracer
  /** In the order in which they happened. */
  readonly events: Effect.Effect<ReadonlyArray<Event>>
  /** In the order in which they began. */
  readonly spans: Effect.Effect<ReadonlyArray<Span>>
  /** Sets the listener, beside the one that listens already, and the tracer. */
  readonly layer: Layer.Layer<never>
}

/**
 * The recorder of the current context.
 *
 * @since 0.1.0
 * @category tags
 */
export class Recorder extends Context.Tag("effect-resilience/Recorder")<Recorder, Service>() {}

const toMillis = (nanos: bigint): Millis => Number(nanos) / 1e6

const hex = (count: number, digits: number): string => count.toString(16).padStart(digits, "0")

class RecordedSpan implements Tracer.Span {
  readonly _tag = "Span"
  readonly sampled = true
  readonly attributes = new Map<string, unknown>()
  readonly links: Array<Tracer.SpanLink>
  readonly events: Array<SpanRecord.SpanEvent> = []
  readonly late: Array<string> = []
  status: Tracer.SpanStatus
  readonly name: string
  readonly traceId: string
  readonly spanId: string
  readonly parent: Option.Option<Tracer.AnySpan>
  readonly context: Context.Context<never>
  readonly kind: Tracer.SpanKind

  constructor(count: number, ...[name, parent, context, links, startTime, kind]: Parameters<Tracer.Tracer["span"]>) {
    this.name = name
    this.parent = parent
    this.context = context
    this.links = [...links]
    this.kind = kind
    this.status = { _tag: "Started", startTime }
    this.spanId = hex(count, 16)
    this.traceId = Option.isSome(parent) ? parent.value.traceId : hex(count, 32)
  }

  /** Writes, unless the span has ended: a backend would drop it then. */
  private write(what: string, f: () => void): void {
    if (this.status._tag === "Ended") this.late.push(what)
    else f()
  }

  attribute(key: string, value: unknown): void {
    this.write(`attribute ${key}`, () => this.attributes.set(key, value))
  }

  event(name: string, startTime: bigint, attributes: Record<string, unknown> = {}): void {
    this.write(`event ${name}`, () => this.events.push({ name, at: toMillis(startTime), attributes }))
  }

  addLinks(links: ReadonlyArray<Tracer.SpanLink>): void {
    this.write("links", () => this.links.push(...links))
  }

  end(endTime: bigint, exit: Exit.Exit<unknown, unknown>): void {
    this.write("end", () => {
      this.status = { _tag: "Ended", startTime: this.status.startTime, endTime, exit }
    })
  }
}

const toSpan = (self: RecordedSpan): Span => ({
  name: self.name,
  kind: self.kind,
  traceId: self.traceId,
  spanId: self.spanId,
  parent: Option.map(self.parent, (parent) => parent.spanId),
  start: toMillis(self.status.startTime),
  status: self.status._tag === "Ended"
    ? { _tag: "Ended", at: toMillis(self.status.endTime), exit: self.status.exit }
    : { _tag: "Open" },
  attributes: Object.fromEntries(self.attributes),
  events: self.events.slice(),
  links: self.links.map(({ attributes, span }) => ({ traceId: span.traceId, spanId: span.spanId, attributes })),
  late: self.late.slice()
})

/**
 * Makes a recorder.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<Service> = Effect.sync(() => {
  const events: Array<Event> = []
  const spans: Array<RecordedSpan> = []
  const listener = Observer.make((event) => Effect.sync(() => void events.push(event)))
  const tracer = Tracer.make({
    span: (...begun) => {
      const span = new RecordedSpan(spans.length + 1, ...begun)
      spans.push(span)
      return span
    },
    context: (f) => f()
  })
  return {
    listener,
    tracer,
    events: Effect.sync(() => events.slice()),
    spans: Effect.sync(() => spans.map(toSpan)),
    layer: Layer.merge(Observer.layer(listener), Layer.setTracer(tracer))
  }
})

/**
 * Records all that happens in what the layer is provided to, and provides the recorder.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<Recorder> = Layer.unwrapEffect(
  Effect.map(make, (recorder) => Layer.merge(Layer.succeed(Recorder, recorder), recorder.layer))
)

/**
 * The spans that were never ended.
 *
 * @since 0.1.0
 * @category getters
 */
export const open = (spans: ReadonlyArray<Span>): ReadonlyArray<Span> => spans.filter(({ status }) => status._tag === "Open")

/**
 * The events of each call, the calls in the order in which they began.
 *
 * @since 0.1.0
 * @category getters
 */
export const calls = (events: ReadonlyArray<Event>): ReadonlyArray<ReadonlyArray<Event>> => {
  const byId = new Map<number, Array<Event>>()
  for (const event of events) {
    const call = byId.get(event.call.id)
    if (call === undefined) byId.set(event.call.id, [event])
    else call.push(event)
  }
  return [...byId.values()]
}

/** What an event adds to a timeline. An attempt that did not fail adds nothing: the end of the call says how it went. */
const line = (event: Event): Option.Option<string> => {
  switch (event._tag) {
    case "AttemptStarted":
      return Option.some(`attempt ${event.attempt}`)
    case "AttemptEnded":
      return event.outcome._tag === "Failed" ? Option.some(`failed ${Failure.label(event.outcome.failure)}`) : Option.none()
    case "WaitStarted":
      return Option.some(`wait ${event.delay} ${event.because}`)
    case "HedgeStarted":
      return Option.some(`hedge ${event.attempt} ${event.because}`)
    case "HedgeSkipped":
      return Option.some(`no hedge ${event.attempt} ${event.because}`)
    case "AttemptWon":
      return Option.some(`won ${[event.attempt, ...event.abandoned.map((number) => `-${number}`)].join(" ")}`)
    case "CallEnded":
      return Option.some(event.end._tag === "GaveUp" ? `gave up ${event.end.because}` : event.end._tag.toLowerCase())
    default:
      return Option.none()
  }
}

/**
 * Draws the timeline again from events alone: one line each, with the ms since the first of them.
 *
 * **Details**
 *
 * Where there are events of more than one call, each line begins with the call's name and its number among them, as in
 * `http#2 100 attempt 1`.
 *
 * @since 0.1.0
 * @category rendering
 */
export const timeline = (events: ReadonlyArray<Event>): ReadonlyArray<string> => {
  const origin = events[0]?.at ?? 0
  const ids = [...new Set(events.map((event) => event.call.id))]
  return events.flatMap((event) => {
    const which = ids.length > 1 ? `${event.call.name}#${ids.indexOf(event.call.id) + 1} ` : ""
    return Option.toArray(Option.map(line(event), (text) => `${which}${event.at - origin} ${text}`))
  })
}

const describe = (exit: Exit.Exit<unknown, unknown>): string => {
  if (Exit.isSuccess(exit)) return "ok"
  if (Cause.isInterruptedOnly(exit.cause)) return "interrupted"
  const error = Cause.squash(exit.cause)
  return `${Cause.isDie(exit.cause) ? "died" : "failed"} (${error instanceof Error ? error.message : String(error)})`
}

/** Effect notes where a span that failed was made; that is a path on somebody's machine. */
const pairs = ({ "code.stacktrace": _, ...attributes }: Readonly<Record<string, unknown>>): string =>
  Object.entries(attributes).map(([key, value]) => ` ${key}=${String(value)}`).join("")

/**
 * Draws spans as a tree, for the message of a test that fails: name, kind, first and last ms since the first span began, how it ended,
 * attributes; below it its events, its links and its children.
 *
 * **Example** (A span that was forgotten)
 *
 * ```ts
 * import { Recorder } from "effect-resilience/testing"
 * import { Effect, TestContext } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const recorder = yield* Recorder.Recorder
 *   const outer = Effect.withSpan(Effect.withSpan(Effect.void, "inner", { attributes: { attempt: 1 } }), "outer")
 *   yield* Effect.zipRight(outer, Effect.makeSpan("forgotten"))
 *   return Recorder.tree(yield* recorder.spans)
 * })
 *
 * const tree = await program.pipe(Effect.provide(Recorder.layer), Effect.provide(TestContext.TestContext), Effect.runPromise)
 *
 * tree.split("\n") // => ["outer internal 0..0 ok", "  inner internal 0..0 ok attempt=1", "forgotten internal 0.. OPEN"]
 * ```
 *
 * @since 0.1.0
 * @category rendering
 */
export const tree = (spans: ReadonlyArray<Span>): string => {
  const origin = Math.min(...spans.map((span) => span.start))
  const known = new Set(spans.map((span) => span.spanId))
  const below = (id: Option.Option<string>): ReadonlyArray<Span> =>
    spans.filter(({ parent }) =>
      Option.isSome(id) ? Option.contains(parent, id.value) : !Option.exists(parent, (other) => known.has(other)))
  const draw = (span: Span, indent: string): ReadonlyArray<string> => {
    const { status } = span
    const ended = status._tag === "Open" ? ".. OPEN" : `..${status.at - origin} ${describe(status.exit)}`
    return [
      `${indent}${span.name} ${span.kind} ${span.start - origin}${ended}${pairs(span.attributes)}`,
      ...span.events.map((event) => `${indent}  @${event.at - origin} ${event.name}${pairs(event.attributes)}`),
      ...span.links.map((link) => `${indent}  -> ${link.spanId}${pairs(link.attributes)}`),
      ...span.late.map((what) => `${indent}  LATE ${what}`),
      ...below(Option.some(span.spanId)).flatMap((child) => draw(child, `${indent}  `))
    ]
  }
  return below(Option.none()).flatMap((span) => draw(span, "")).join("\n")
}
