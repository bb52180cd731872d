/**
 * The platform's own spans as OpenTelemetry's conventions want them, without a change to any client: a decorated tracer.
 *
 * **When to use**
 *
 * For clients that have none of our combinators, or no `withAttemptSpan`. What `Trace` writes is right already and passes as it is.
 *
 * **Example** (A client of the platform alone)
 *
 * ```ts
 * import { HttpClient } from "@effect/platform"
 * import { SpanCorrection } from "effect-resilience"
 * import { HttpScript, Recorder } from "effect-resilience/testing"
 * import { Effect, Layer } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   yield* HttpClient.get("http://user:secret@users.test/1?sig=123")
 *   const recorder = yield* Recorder.Recorder
 *   return yield* recorder.spans
 * })
 *
 * const [span] = await program.pipe(
 *   Effect.provide(HttpScript.layer([{ status: 503 }])),
 *   Effect.provide(SpanCorrection.layer().pipe(Layer.provideMerge(Recorder.layer))),
 *   Effect.runPromise
 * )
 *
 * span.name // => "GET"
 * span.attributes["server.address"] // => "users.test"
 * span.attributes["url.full"] // => "http://REDACTED:REDACTED@users.test/1?sig=REDACTED"
 * span.attributes["error.type"] // => "503"
 * ```
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Tracer from "effect/Tracer"
import * as Classifier from "../core/Classifier.ts"
import * as Failure from "../core/Failure.ts"
import * as Outcome from "../core/Outcome.ts"
import * as Semconv from "../core/Semconv.ts"
import * as Redaction from "./Redaction.ts"
import { SpanError } from "./SpanError.ts"

/**
 * What the corrected spans show.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** Default: `Redaction.standard`. */
  readonly redactor?: Redaction.Redactor | undefined
  /** The headers of requests and responses that are shown, in lower case. Default: none. */
  readonly headers?: ReadonlyArray<string> | undefined
}

/** The name that the platform gives a span, and the method in it. */
const platformName = /^http\.client (\S+)$/

const correctName = (name: string, kind: Tracer.SpanKind): string => {
  const [, method] = kind === "client" ? platformName.exec(name) ?? [] : []
  if (method === undefined) return name
  return Semconv.isKnownMethod(method) ? method : "HTTP"
}

/** What is no attribute of a client's span in the conventions: the parts of an address whose whole stands beside them. */
const parts = new Set(["url.query", "url.path", "url.scheme"])

type Pairs = ReadonlyArray<readonly [key: string, value: unknown]>

const ofAddress = (key: string, value: string): Pairs => {
  if (!value.includes("://") || !URL.canParse(value)) return [[key, value]]
  const url = new URL(value)
  return [[key, url.hostname], [Semconv.SERVER_PORT, Semconv.portOf(url)]]
}

const ofHeader = (key: string, value: unknown, headers: ReadonlySet<string>): Pairs => {
  // What is a list has been asked for: the platform writes texts.
  if (Array.isArray(value)) return [[key, value]]
  return headers.has(key.slice(key.lastIndexOf(".") + 1)) ? [[key, [String(value)]]] : []
}

const ofMethod = (key: string, value: unknown): Pairs =>
  typeof value === "string" && value !== "_OTHER" && !Semconv.isKnownMethod(value)
    ? [[key, "_OTHER"], [Semconv.HTTP_REQUEST_METHOD_ORIGINAL, value]]
    : [[key, value]]

/** What is written in the place of one attribute of a span of kind CLIENT: nothing, one or two. */
const corrected = (key: string, value: unknown, redactor: Redaction.Redactor, headers: ReadonlySet<string>): Pairs => {
  if (parts.has(key)) return []
  if (key.startsWith("http.request.header.") || key.startsWith("http.response.header.")) return ofHeader(key, value, headers)
  if (key === Semconv.HTTP_REQUEST_METHOD) return ofMethod(key, value)
  if (typeof value !== "string") return [[key, value]]
  if (key === Semconv.SERVER_ADDRESS) return ofAddress(key, value)
  if (key === Semconv.URL_FULL && URL.canParse(value)) return [[key, redactor.url(new URL(value))]]
  return [[key, redactor.text(value)]]
}

const withoutSecrets = (attributes: Readonly<Record<string, unknown>>, redactor: Redaction.Redactor): Record<string, unknown> =>
  Object.fromEntries(Object.entries(attributes).map(([key, value]) => [key, typeof value === "string" ? redactor.text(value) : value]))

/**
 * Lets a tracer make its spans as it does, and corrects what is written on them.
 *
 * **Details**
 *
 * On a span of kind CLIENT: the name is the method, `server.address` the host, `server.port` always there, `url.full` redacted,
 * headers and the parts of the address left out, and what has no success is an error with its `error.type`. On every span: no secret of an
 * address in the texts of its attributes and events, and in the messages of errors.
 *
 * **Gotchas**
 *
 * How many times a request was sent before is known to a retry only: without `withAttemptSpan` there is no
 * `http.request.resend_count`. Corrections cost each span some us; spans of `Trace` need none.
 *
 * @since 0.1.0
 * @category decorators
 */
export const correct = (tracer: Tracer.Tracer, options: Options = {}): Tracer.Tracer => {
  const { headers = [], redactor = Redaction.standard } = options
  const shown = new Set(headers)
  return Tracer.make({
    span: (name, parent, context, links, startTime, kind, options) => {
      const isClient = kind === "client"
      const rewrite = (key: string, value: unknown): Pairs =>
        isClient ? corrected(key, value, redactor, shown) : [[key, typeof value === "string" ? redactor.text(value) : value]]
      const begun = options?.attributes === undefined
        ? options
        : { ...options, attributes: Object.fromEntries(Object.entries(options.attributes).flatMap(([key, value]) => rewrite(key, value))) }
      const span = tracer.span(correctName(name, kind), parent, context, links, startTime, kind, begun)
      // The methods of the span itself are replaced: a tracer may want to see its own spans again, and would not know a wrapper.
      const { attribute, end, event } = span
      span.attribute = (key, value) => {
        for (const [each, instead] of rewrite(key, value)) attribute.call(span, each, instead)
      }
      span.event = (name, at, attributes) => event.call(span, name, at, attributes && withoutSecrets(attributes, redactor))
      span.end = (at, exit) => end.call(span, at, isClient ? ended(span, exit, redactor) : safe(exit, redactor))
      return span
    },
    context: (execution, fiber) => tracer.context(execution, fiber)
  })
}

const safe = (exit: Exit.Exit<unknown, unknown>, redactor: Redaction.Redactor): Exit.Exit<unknown, unknown> =>
  Exit.isFailure(exit) ? Exit.failCause(Redaction.cause(exit.cause, redactor)) : exit

/** How a span of a request ends: as an error where it says a status that is one, or failed. */
const ended = (span: Tracer.Span, exit: Exit.Exit<unknown, unknown>, redactor: Redaction.Redactor): Exit.Exit<unknown, unknown> => {
  // A span that says no method is none of a request: one of a database, or of a message.
  if (!span.attributes.has(Semconv.HTTP_REQUEST_METHOD) || span.attributes.has(Semconv.ERROR_TYPE)) return safe(exit, redactor)
  if (Exit.isFailure(exit) && (Cause.isDie(exit.cause) || Cause.isInterruptedOnly(exit.cause))) return safe(exit, redactor)
  const status = span.attributes.get(Semconv.HTTP_RESPONSE_STATUS_CODE)
  if (Exit.isSuccess(exit) && typeof status !== "number") return exit
  const outcome = Classifier.run(Classifier.http, Exit.map(exit, () => ({ status: Number(status), headers: {} })), 0)
  if (!Outcome.isFailed(outcome)) return safe(exit, redactor)
  span.attribute(Semconv.ERROR_TYPE, Failure.label(outcome.failure))
  return Exit.fail(new SpanError(outcome.failure))
}

/**
 * Corrects the spans of all that the layer is provided to.
 *
 * **Details**
 *
 * The tracer that is there when the layer is built goes on: give it after an exporter, `SpanCorrection.layer().pipe(Layer.provideMerge(exporter))`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Options = {}): Layer.Layer<never> =>
  Layer.unwrapEffect(Effect.map(Effect.tracer, (tracer) => Layer.setTracer(correct(tracer, options))))
