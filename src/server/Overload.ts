/**
 * What an overloaded chain of services says to its callers: not now, and not again.
 *
 * Three attempts in each of three services are twenty-seven requests to the last one, at the time when it can bear least. So a
 * service that has given up on another says so (`x-should-retry: false`), and its callers do not begin again; and one that has too much
 * to do turns those away first who have been answered, or given up, before.
 *
 * @since 0.1.0
 */
import type * as HttpApp from "@effect/platform/HttpApp"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type { Event } from "../core/Event.ts"
import * as Failure from "../core/Failure.ts"
import { durationMillis } from "../core/InvalidOption.ts"
import type { Millis } from "../core/Millis.ts"
import { maxDelay } from "../core/Millis.ts"
import * as ResendHeader from "../core/ResendHeader.ts"
import type { RequestTurnedAway } from "../core/ServerEvent.ts"
import * as GivenUp from "../strategy/GivenUp.ts"
import * as Loop from "../strategy/Loop.ts"
import * as Observer from "../strategy/Observer.ts"
import * as Surroundings from "../strategy/Surroundings.ts"
import * as Problem from "./Problem.ts"

/**
 * A request that says it has been sent before.
 *
 * @since 0.1.0
 * @category models
 */
export interface Resend {
  readonly request: HttpServerRequest.HttpServerRequest
  /** The number of the attempt, as the caller claims it: from 2 to `ResendHeader.maxAttempt`. */
  readonly attempt: number
}

/**
 * What a server turns away, and for how long.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options<in out E = never, in out R = never> {
  /** For events. Default: "overload". */
  readonly name?: string | undefined
  /** Whether a resend is turned away; asked of resends only. Default: none is. */
  readonly shed?: ((resend: Resend) => Effect.Effect<boolean, E, R>) | undefined
  /** What `Retry-After` says at least, in whole seconds: more than 0. Default: 1 second. */
  readonly retryAfter?: Duration.DurationInput | undefined
}

/**
 * Which attempt the current request is, counted from 1, as the caller claims it.
 *
 * @since 0.1.0
 * @category getters
 */
export const attempt: Effect.Effect<number, never, HttpServerRequest.HttpServerRequest> = Effect.map(
  HttpServerRequest.HttpServerRequest,
  (request) => ResendHeader.attempt(request.headers)
)

/**
 * Turns resends away when it is told to, and tells the caller not to begin again where a call of the handler's own was given up.
 *
 * **Details**
 *
 * - A resend for which `shed` answers true: 503, `Retry-After`, `x-should-retry: false`. The handler is not begun.
 * - A handler that fails with what a retry of this library has given up (`RetriesExhausted`; the last error of a call; either of them as
 *   a cause): the same.
 * - A response of 500 and above, given after a call was given up: as it is, with `x-should-retry: false` unless it has one, and on a 503
 *   `Retry-After` unless it has one.
 *
 * `Retry-After` is what the given up service asked for, where that is longer than `retryAfter`. A client that allows one attempt gives
 * nothing up: it leaves retrying to its caller. Any other failure is not touched. The first two are told of: `RequestTurnedAway`, because
 * it was `Shed` or a call was `GivenUp`.
 *
 * **Gotchas**
 *
 * Stand round the app, or the handlers of a router (`HttpRouter.use`): what is given to `HttpServer.serve` stands outside of the sending
 * of the response. Calls that the handler starts in a fiber that does not have its references (a cache that was made before) are known by
 * their error only.
 *
 * **Example** (A resend comes while there is too much to do)
 *
 * ```ts
 * import { HttpServerRequest, HttpServerResponse } from "@effect/platform"
 * import { Overload } from "effect-resilience/server"
 * import { Effect } from "effect"
 *
 * const app = Effect.succeed(HttpServerResponse.empty()).pipe(
 *   Overload.middleware({ shed: ({ attempt }) => Effect.succeed(attempt > 2) })
 * )
 *
 * const ask = (attempt: string) => {
 *   const request = HttpServerRequest.fromWeb(new Request("http://users.test/1", { headers: { "x-retry-attempt": attempt } }))
 *   return app.pipe(Effect.provideService(HttpServerRequest.HttpServerRequest, request), Effect.runPromise)
 * }
 *
 * const [second, third] = [await ask("2"), await ask("3")]
 *
 * second.status // => 204
 * third.status // => 503
 * third.headers["x-should-retry"] // => "false"
 * ```
 *
 * @since 0.1.0
 * @category middleware
 */
export const middleware = <E2 = never, R2 = never>(options: Options<E2, R2> = {}) => {
  const { shed } = options
  const least = durationMillis("server/Overload", "retryAfter", options.retryAfter ?? "1 second", { minExclusive: 0, max: maxDelay })
  const call = Observer.call(options.name ?? "overload")
  return <E, R>(app: HttpApp.Default<E, R>): HttpApp.Default<E | E2, R | R2> =>
    Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
      const attempt = ResendHeader.attempt(request.headers)
      const turnAway: TurnAway = (because, retryAfter) =>
        Effect.as(Observer.tell(call, (base) => ({ _tag: "RequestTurnedAway", ...base, because, attempt })), refusal(because, retryAfter))
      const isShed = shed === undefined || attempt === 1 ? Effect.succeed(false) : shed({ request, attempt })
      return Effect.flatMap(isShed, (is) => is ? turnAway("Shed", least) : observed(app, least, turnAway))
    })
}

/** Answers in the place of the handler, and tells of it. */
type TurnAway = (
  because: Extract<RequestTurnedAway["because"], "Shed" | "GivenUp">,
  retryAfter: Millis
) => Effect.Effect<HttpServerResponse.HttpServerResponse>

/** What became of the calls of a handler: the longest time that one which was given up asked for, in ms. */
interface Heard {
  asked: Option.Option<Millis>
}

const observed = <E, R>(app: HttpApp.Default<E, R>, least: Millis, turnAway: TurnAway): HttpApp.Default<E, R> =>
  Effect.withFiberRuntime((fiber) => {
    const heard: Heard = { asked: Option.none() }
    const since = GivenUp.now()
    const listener = Observer.both(Observer.of(fiber), Observer.sync((event) => hear(heard, event)))
    return Effect.matchCauseEffect(Surroundings.provide(app, Observer.Observer, listener), {
      onFailure: (cause) =>
        isGivenUp(cause, since)
          ? turnAway("GivenUp", longest(heard, least))
          : Effect.failCause(cause),
      onSuccess: (response) => Effect.succeed(Option.isSome(heard.asked) ? told(response, longest(heard, least)) : response)
    })
  })

const hear = (heard: Heard, event: Event): void => {
  if (event._tag !== "CallEnded" || event.end._tag !== "GaveUp") return
  if (!Loop.isSurrender(event.end.because, event.attempts)) return
  const asked = Option.getOrElse(Failure.retryAfter(event.end.failure), () => 0)
  heard.asked = Option.some(Math.max(asked, Option.getOrElse(heard.asked, () => 0)))
}

const longest = (heard: Heard, least: Millis): Millis => Math.max(least, Option.getOrElse(heard.asked, () => 0))

/** A defect too: whoever does not expect an error lets the handler die of it. */
const isGivenUp = (cause: Cause.Cause<unknown>, since: GivenUp.Moment): boolean =>
  GivenUp.isMarked(Exit.failCause(cause), since) ||
  Array.from(Cause.defects(cause)).some((defect) => GivenUp.isMarked(Exit.fail(defect), since))

const seconds = (delay: Millis): string => String(Math.ceil(delay / 1000))

const problems = {
  Shed: { title: "Overloaded", detail: "Requests that were sent before are turned away now." },
  GivenUp: { title: "Upstream unavailable", detail: "A service that this one needs does not answer." }
}

const refusal = (because: keyof typeof problems, retryAfter: Millis): HttpServerResponse.HttpServerResponse =>
  Problem.respond({ status: 503, ...problems[because], headers: { "retry-after": seconds(retryAfter), "x-should-retry": "false" } })

/** What the handler has said itself holds. */
const told = (response: HttpServerResponse.HttpServerResponse, retryAfter: Millis): HttpServerResponse.HttpServerResponse => {
  if (response.status < 500) return response
  return HttpServerResponse.setHeaders(response, {
    "x-should-retry": "false",
    ...(response.status === 503 ? { "retry-after": seconds(retryAfter) } : {}),
    ...response.headers
  })
}
