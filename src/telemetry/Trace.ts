/**
 * One trace that shows the call, with each attempt and each wait inside it.
 *
 * A call is one span of kind INTERNAL; each attempt is one span of kind CLIENT below it, and what goes out on the wire is the
 * attempt's own `traceparent`. The platform's span of the attempt is switched off where ours stands, so that there is one and not
 * two. Names and attributes are OpenTelemetry's HTTP conventions.
 *
 * @since 0.1.0
 */
import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as FiberRef from "effect/FiberRef"
import type { LazyArg } from "effect/Function"
import * as HashMap from "effect/HashMap"
import * as Option from "effect/Option"
import type { Predicate } from "effect/Predicate"
import * as Tracer from "effect/Tracer"
import * as Classifier from "../core/Classifier.ts"
import type { ChaosInjected, Event, FallbackUsed } from "../core/Event.ts"
import * as Failure from "../core/Failure.ts"
import * as Outcome from "../core/Outcome.ts"
import * as Semconv from "../core/Semconv.ts"
import type * as Middleware from "../http/Middleware.ts"
import * as Resend from "../http/Resend.ts"
import * as Observer from "../strategy/Observer.ts"
import * as Surroundings from "../strategy/Surroundings.ts"
import * as Propagation from "./Propagation.ts"
import * as RequestAttributes from "./RequestAttributes.ts"
import { SpanError } from "./SpanError.ts"
import * as SpanSettings from "./SpanSettings.ts"

type Request = HttpClientRequest.HttpClientRequest
type Response = HttpClientResponse.HttpClientResponse

const nanosNow = (fiber: Fiber.RuntimeFiber<unknown, unknown>): bigint =>
  fiber.getFiberRef(FiberRef.currentTracerTimingEnabled)
    ? Context.get(fiber.currentDefaultServices, Clock.Clock).unsafeCurrentTimeNanos()
    : 0n

/**
 * Writes on a span what came out, and ends it: `error.type` is the status, the code, or the tag.
 *
 * What is not a success ends the span with a small error of its own, because the platform's errors carry the whole URL, secrets
 * included, in their message. Defects pass as they are, and interruption is no error.
 */
const end = (
  span: Tracer.Span,
  fiber: Fiber.RuntimeFiber<unknown, unknown>,
  exit: Exit.Exit<Response, unknown>
): void => {
  if (Exit.isSuccess(exit)) {
    span.attribute(Semconv.HTTP_RESPONSE_STATUS_CODE, exit.value.status)
    // What the classifier says of most responses, without asking it.
    if (exit.value.status < 400) return span.end(nanosNow(fiber), exit)
  }
  const outcome = Classifier.run(Classifier.http, exit, 0)
  if (!Outcome.isFailed(outcome)) return span.end(nanosNow(fiber), exit)
  span.attribute(Semconv.ERROR_TYPE, Failure.label(outcome.failure))
  const died = Exit.isFailure(exit) && Cause.isDie(exit.cause)
  span.end(nanosNow(fiber), died ? exit : Exit.fail(new SpanError(outcome.failure)))
}

/** The span that a new one stands below: where that one is to be the parent of none, the one above it. */
const parentOf = (fiber: Fiber.RuntimeFiber<unknown, unknown>): Option.Option<Tracer.AnySpan> => {
  let each: Tracer.AnySpan | undefined = fiber.currentContext.unsafeMap.get(Tracer.ParentSpan.key)
  while (each?.context.unsafeMap.get(Tracer.DisablePropagation.key) === true) {
    each = each._tag === "Span" ? Option.getOrUndefined(each.parent) : undefined
  }
  return Option.fromNullable(each)
}

/** `Effect.makeSpan` for a fiber that traces, without the copy of all its references that it makes. */
const begin = (
  fiber: Fiber.RuntimeFiber<unknown, unknown>,
  kind: Tracer.SpanKind,
  { attributes, name }: RequestAttributes.Beginning
): Tracer.Span => {
  const tracer = Context.get(fiber.currentDefaultServices, Tracer.Tracer)
  const linked = fiber.getFiberRef(FiberRef.currentTracerSpanLinks)
  // An array of its own: a tracer may add to it.
  const links = Chunk.isEmpty(linked) ? [] : [...linked]
  const options: Tracer.SpanOptions = { kind, attributes, captureStackTrace: false }
  const span = tracer.span(name, parentOf(fiber), Context.empty(), links, nanosNow(fiber), kind, options)
  const annotations = fiber.getFiberRef(FiberRef.currentTracerSpanAnnotations)
  if (!HashMap.isEmpty(annotations)) HashMap.forEach(annotations, (value, key) => span.attribute(key, value))
  for (const key in attributes) span.attribute(key, attributes[key])
  return span
}

/** What a handler gives. It may throw when it is called: that is a defect of the effect, which ends the span. */
const called = <E, R>(effect: LazyArg<Effect.Effect<Response, E, R>>): Effect.Effect<Response, E, R> => {
  try {
    return effect()
  } catch (defect) {
    return Effect.die(defect)
  }
}

/**
 * Runs an effect inside a new span, which is ended whatever comes out: a response, an error, a defect or an interruption.
 *
 * This is `useSpan`, `withParentSpan`, `provideService` and `locally` in one region (see `Surroundings`): by themselves they would
 * make the two spans of a call twice as dear as the platform's one.
 */
const inSpan = <E, R>(
  fiber: Fiber.RuntimeFiber<unknown, unknown>,
  kind: Tracer.SpanKind,
  beginning: RequestAttributes.Beginning,
  onResponse: (span: Tracer.Span, response: Response) => void,
  open: (span: Tracer.Span) => readonly [changes: ReadonlyArray<Surroundings.Change>, effect: LazyArg<Effect.Effect<Response, E, R>>]
): Effect.Effect<Response, E, R> =>
  Effect.uninterruptibleMask((restore) => {
    const span = begin(fiber, kind, beginning)
    const [changes, effect] = open(span)
    return Surroundings.inside(restore, fiber, changes, called(effect), (exit) => {
      if (Exit.isSuccess(exit)) onResponse(span, exit.value)
      end(span, fiber, exit)
    })
  })

/**
 * Gives each attempt a span of kind CLIENT, whose `traceparent` goes out with it. Stand nearest to the wire with it.
 *
 * **Details**
 *
 * Name: the method, and the template of the path where one is given (`SpanSettings`). Attributes: `http.request.method`,
 * `server.address`, `server.port`, `url.full` (redacted) and `http.request.resend_count` on resends, all of them from the beginning as far
 * as the request is known here; `http.response.status_code`, `network.protocol.version` where the transport says it, headers that were asked
 * for, and `error.type` where it failed; 4xx and 5xx are not OK. The span ends when the headers have arrived. Nothing at all happens where
 * tracing is off for the fiber, or for the request by `HttpClient.withTracerDisabledWhen`; `HttpClient.withTracerPropagation(false)` keeps
 * the headers off the wire.
 *
 * @since 0.1.0
 * @category middleware
 */
export const attemptSpan: Middleware.Middleware = (handler) => (request) =>
  Effect.withFiberRuntime((fiber) => {
    const disabledWhen = fiber.getFiberRef(HttpClient.currentTracerDisabledWhen)
    if (!fiber.getFiberRef(FiberRef.currentTracerEnabled) || disabledWhen(request)) return handler(request)
    const settings = SpanSettings.of(fiber)
    const resends = Resend.count(fiber, request) + Resend.redirects(fiber, request)
    const onResponse = (span: Tracer.Span, response: Response): void =>
      RequestAttributes.writeResponse(span, fiber, response, settings)
    return inSpan(fiber, "client", RequestAttributes.beginning(request, resends, settings), onResponse, (span) => {
      Resend.link(fiber, request, span)
      const propagates = fiber.getFiberRef(HttpClient.currentTracerPropagation)
      const sent = propagates ? Propagation.inject(request, span, fiber, settings.b3) : request
      const write = (final: Request): void => RequestAttributes.writeFinal(span, fiber, request, final, settings)
      return [[
        Surroundings.services(fiber.currentContext, [Tracer.ParentSpan, span]),
        Surroundings.change(HttpClient.currentTracerDisabledWhen, insteadOf(write, sent, propagates, disabledWhen))
      ], () => handler(sent)]
    })
  })

/**
 * Which spans of the platform ours replaces: the one of our own request, which the platform shows here in its final form, and no
 * other (a call for a token made on the way keeps its own). Our `traceparent` marks it; where none is sent, what it asks for does.
 */
const insteadOf = (
  write: (final: Request) => void,
  sent: Request,
  propagates: boolean,
  disabledWhen: Predicate<Request>
): Predicate<Request> =>
(final) => {
  const ours = propagates ? final.headers["traceparent"] === sent.headers["traceparent"] : Resend.isSame(final, sent)
  if (!ours) return disabledWhen(final)
  write(final)
  return true
}

/**
 * Gives each call a span of kind INTERNAL, the parent of its attempts, on which its waits and the reason of its end are written.
 *
 * **Details**
 *
 * Name: what is given. Attributes: `resilience.name` (the same, from the beginning), `resilience.attempts`, `resilience.waited` in seconds,
 * `resilience.outcome`, `resilience.reason` where it was given up, `http.response.status_code`, and `error.type` where it failed. Events: `resilience.wait` with its length, its reason and the failure, and `resilience.give_up`
 * with its reason.
 *
 * @since 0.1.0
 * @category middleware
 */
export const callSpan = (name: string): Middleware.Middleware => (handler) => (request) =>
  Effect.withFiberRuntime((fiber) => {
    if (!fiber.getFiberRef(FiberRef.currentTracerEnabled)) return handler(request)
    return inSpan(fiber, "internal", { name, attributes: { [Semconv.RESILIENCE_NAME]: name } }, nothingMore, (span) => {
      const listener = Observer.both(Observer.of(fiber), writer(span, fiber))
      const services = Surroundings.services(fiber.currentContext, [Tracer.ParentSpan, span], [Observer.Observer, listener])
      return [[services], () => handler(request)]
    })
  })

const nothingMore = () => {}

/** Writes the events of a call on its span. Of the calls made meanwhile only one that no other contains is its own. */
const writer = (span: Tracer.Span, fiber: Fiber.RuntimeFiber<unknown, unknown>): Observer.Listener => {
  let current: Option.Option<number> = Option.none()
  return Observer.sync((event: Event) => {
    if (event._tag === "FallbackUsed") return writeFallback(span, nanosNow(fiber), event)
    if (event._tag === "ChaosInjected") return writeChaos(span, nanosNow(fiber), event)
    if (event._tag === "CallStarted" && Option.isNone(current)) current = Option.some(event.call.id)
    if (!Option.contains(current, event.call.id)) return
    switch (event._tag) {
      case "WaitStarted":
        span.event(Semconv.EVENT_WAIT, nanosNow(fiber), {
          [Semconv.RESILIENCE_ATTEMPT]: event.attempt,
          [Semconv.RESILIENCE_DELAY]: event.delay / 1000,
          [Semconv.RESILIENCE_REASON]: event.because,
          [Semconv.ERROR_TYPE]: Failure.label(event.failure)
        })
        return
      case "HedgeStarted":
        span.event(Semconv.EVENT_HEDGE, nanosNow(fiber), {
          [Semconv.RESILIENCE_ATTEMPT]: event.attempt,
          [Semconv.RESILIENCE_DELAY]: event.after / 1000,
          [Semconv.RESILIENCE_REASON]: event.because
        })
        return
      case "AttemptWon":
        span.event(Semconv.EVENT_WON, nanosNow(fiber), { [Semconv.RESILIENCE_ATTEMPT]: event.attempt })
        return
      case "CallEnded":
        current = Option.none()
        span.attribute(Semconv.RESILIENCE_ATTEMPTS, event.attempts)
        span.attribute(Semconv.RESILIENCE_OUTCOME, event.end._tag)
        if (event.waited > 0) span.attribute(Semconv.RESILIENCE_WAITED, event.waited / 1000)
        if (event.end._tag === "GaveUp") {
          span.attribute(Semconv.RESILIENCE_REASON, event.end.because)
          span.event(Semconv.EVENT_GIVE_UP, nanosNow(fiber), {
            [Semconv.RESILIENCE_ATTEMPT]: event.attempts,
            [Semconv.RESILIENCE_REASON]: event.end.because,
            [Semconv.ERROR_TYPE]: Failure.label(event.end.failure),
            ...Option.match(event.end.wait, {
              onNone: () => ({}),
              onSome: (wait) => ({ [Semconv.RESILIENCE_DELAY]: wait / 1000 })
            })
          })
        }
        return
      default:
        return
    }
  })
}

const writeFallback = (span: Tracer.Span, now: bigint, { age, because, call, source }: FallbackUsed): void => {
  span.attribute(Semconv.RESILIENCE_FALLBACK, source)
  span.event(Semconv.EVENT_FALLBACK, now, {
    [Semconv.RESILIENCE_NAME]: call.name,
    [Semconv.RESILIENCE_FALLBACK]: source,
    [Semconv.ERROR_TYPE]: Failure.label(because),
    ...Option.match(age, { onNone: () => ({}), onSome: (millis) => ({ [Semconv.RESILIENCE_AGE]: millis / 1000 }) })
  })
}

const writeChaos = (span: Tracer.Span, now: bigint, { attempt, call, fault, seed }: ChaosInjected): void =>
  span.event(Semconv.EVENT_CHAOS, now, {
    [Semconv.RESILIENCE_NAME]: call.name,
    [Semconv.RESILIENCE_ATTEMPT]: attempt,
    [Semconv.RESILIENCE_FAULT]: fault._tag,
    [Semconv.RESILIENCE_SEED]: seed
  })
