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
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as HttpTraceContext from "@effect/platform/HttpTraceContext"
import * as UrlParams from "@effect/platform/UrlParams"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as FiberRef from "effect/FiberRef"
import type { LazyArg } from "effect/Function"
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
import * as Redaction from "./Redaction.ts"

type Request = HttpClientRequest.HttpClientRequest
type Response = HttpClientResponse.HttpClientResponse

/** What a span ends with when its effect did not fail and yet did not succeed: a response that is an error. */
class SpanError extends Error {
  override readonly name: string
  constructor(failure: Failure.Failure) {
    super(Failure.label(failure))
    this.name = failure._tag
  }
}

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
  if (Exit.isSuccess(exit)) span.attribute(Semconv.HTTP_RESPONSE_STATUS_CODE, exit.value.status)
  const outcome = Classifier.run(Classifier.http, exit, 0)
  if (!Outcome.isFailed(outcome)) return span.end(nanosNow(fiber), exit)
  span.attribute(Semconv.ERROR_TYPE, Failure.label(outcome.failure))
  const died = Exit.isFailure(exit) && Cause.isDie(exit.cause)
  span.end(nanosNow(fiber), died ? exit : Exit.fail(new SpanError(outcome.failure)))
}

/**
 * Runs an effect inside a new span, which is ended whatever comes out: a response, an error, a defect or an interruption.
 *
 * This is `useSpan`, `withParentSpan`, `provideService` and `locally` in one region (see `Surroundings`): by themselves they would
 * make the two spans of a call twice as dear as the platform's one.
 */
const inSpan = <E, R>(
  fiber: Fiber.RuntimeFiber<unknown, unknown>,
  name: string,
  kind: Tracer.SpanKind,
  open: (span: Tracer.Span) => readonly [changes: readonly [Surroundings.Change, ...ReadonlyArray<Surroundings.Change>], effect: LazyArg<Effect.Effect<Response, E, R>>]
): Effect.Effect<Response, E, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(Effect.makeSpan(name, { kind, captureStackTrace: false }), (span) => {
      const [changes, effect] = open(span)
      // A handler may throw when it is called: suspended, that is a defect of the effect, which ends the span.
      return Surroundings.inside(restore, fiber, changes, Effect.suspend(effect), (exit) => end(span, fiber, exit))
    })
  )

const known = new Set(["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY"])

const describe = (span: Tracer.Span, request: Request): void => {
  const url = UrlParams.makeUrl(request.url, request.urlParams, request.hash)
  if (Either.isLeft(url)) return
  const { hostname, port, protocol } = url.right
  span.attribute(Semconv.SERVER_ADDRESS, hostname)
  span.attribute(Semconv.SERVER_PORT, port !== "" ? Number(port) : protocol === "https:" ? 443 : 80)
  span.attribute(Semconv.URL_FULL, Redaction.url(url.right))
}

/**
 * Gives each attempt a span of kind CLIENT, whose `traceparent` goes out with it. Stand nearest to the wire with it.
 *
 * **Details**
 *
 * Name: the method. Attributes: `http.request.method`, `server.address`, `server.port`, `url.full` (redacted),
 * `http.response.status_code`, `http.request.resend_count` on resends, and `error.type` where it failed; 4xx and 5xx are not OK.
 * The span ends when the headers have arrived. Nothing at all happens where tracing is off for the fiber, or for the request by
 * `HttpClient.withTracerDisabledWhen`; `HttpClient.withTracerPropagation(false)` keeps the headers off the wire.
 *
 * @since 0.1.0
 * @category middleware
 */
export const attemptSpan: Middleware.Middleware = (handler) => (request) =>
  Effect.withFiberRuntime((fiber) => {
    const disabledWhen = fiber.getFiberRef(HttpClient.currentTracerDisabledWhen)
    if (!fiber.getFiberRef(FiberRef.currentTracerEnabled) || disabledWhen(request)) return handler(request)
    const standard = known.has(request.method)
    return inSpan(fiber, standard ? request.method : "HTTP", "client", (span) => {
      span.attribute(Semconv.HTTP_REQUEST_METHOD, standard ? request.method : "_OTHER")
      if (!standard) span.attribute(Semconv.HTTP_REQUEST_METHOD_ORIGINAL, request.method)
      const resends = Resend.count(fiber, request) + Resend.redirects(fiber, request)
      if (resends > 0) span.attribute(Semconv.HTTP_REQUEST_RESEND_COUNT, resends)
      Resend.link(fiber, request, span)
      const propagates = fiber.getFiberRef(HttpClient.currentTracerPropagation)
      const sent = propagates ? HttpClientRequest.setHeaders(request, HttpTraceContext.toHeaders(span)) : request
      return [[
        Surroundings.services(fiber.currentContext, [Tracer.ParentSpan, span]),
        Surroundings.change(HttpClient.currentTracerDisabledWhen, insteadOf(span, sent, propagates, disabledWhen))
      ], () => handler(sent)]
    })
  })

/**
 * Which spans of the platform ours replaces: the one of our own request, which the platform shows here in its final form, and no
 * other (a call for a token made on the way keeps its own). Our `traceparent` marks it; where none is sent, what it asks for does.
 */
const insteadOf = (
  span: Tracer.Span,
  sent: Request,
  propagates: boolean,
  disabledWhen: Predicate<Request>
): Predicate<Request> =>
(final) => {
  const ours = propagates ? final.headers["traceparent"] === sent.headers["traceparent"] : Resend.isSame(final, sent)
  if (!ours) return disabledWhen(final)
  describe(span, final)
  return true
}

/**
 * Gives each call a span of kind INTERNAL, the parent of its attempts, on which its waits and the reason of its end are written.
 *
 * **Details**
 *
 * Name: what is given. Attributes: `resilience.attempts`, `resilience.waited` in seconds, `http.response.status_code`, and
 * `error.type` where it failed. Events: `resilience.wait` with its length, its reason and the failure, and `resilience.give_up`
 * with its reason.
 *
 * @since 0.1.0
 * @category middleware
 */
export const callSpan = (name: string): Middleware.Middleware => (handler) => (request) =>
  Effect.withFiberRuntime((fiber) => {
    if (!fiber.getFiberRef(FiberRef.currentTracerEnabled)) return handler(request)
    return inSpan(fiber, name, "internal", (span) => {
      const listener = Observer.both(Observer.of(fiber), writer(span, fiber))
      const services = Surroundings.services(fiber.currentContext, [Tracer.ParentSpan, span], [Observer.Observer, listener])
      return [[services], () => handler(request)]
    })
  })

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
        if (event.waited > 0) span.attribute(Semconv.RESILIENCE_WAITED, event.waited / 1000)
        if (event.end._tag === "GaveUp") {
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
