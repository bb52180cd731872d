/**
 * The deadline of a caller, kept by the server: what nobody waits for any more is not worked on.
 *
 * The caller says how much time it has (`http/DeadlineHeader`, gRPC, Envoy). The handler, and everything that it calls, has that as its
 * deadline: clients of this library begin no wait that would outlive it, and tell it on. So a chain of services ends as one.
 *
 * @since 0.1.0
 */
import type * as HttpApp from "@effect/platform/HttpApp"
import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { durationMillis, nonEmpty } from "../core/InvalidOption.ts"
import type { Millis } from "../core/Millis.ts"
import * as ResendHeader from "../core/ResendHeader.ts"
import type { RequestTurnedAway } from "../core/ServerEvent.ts"
import * as TimeoutHeader from "../core/TimeoutHeader.ts"
import * as Deadline from "../strategy/Deadline.ts"
import * as Observer from "../strategy/Observer.ts"
import * as Surroundings from "../strategy/Surroundings.ts"
import * as Timeout from "../strategy/Timeout.ts"
import * as Problem from "./Problem.ts"

/**
 * What is believed of a caller, and what it is given.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** For events. Default: "deadline". */
  readonly name?: string | undefined
  /** Which headers are read; of several, the shortest time holds. Default: all that `TimeoutHeader` knows. */
  readonly read?: ReadonlyArray<TimeoutHeader.Encoding> | undefined
  /** What the way there and back takes, and is taken off: from 0. Default: 0. */
  readonly allowance?: Duration.DurationInput | undefined
  /** The most that a request is given, whatever it asks for: more than 0. Default: 5 minutes. */
  readonly atMost?: Duration.DurationInput | undefined
  /** What a request is given that says nothing, or nothing that can be read: more than 0. Default: it has no deadline. */
  readonly otherwise?: Duration.DurationInput | undefined
}

/**
 * Gives a handler the time that its caller has, interrupts it when that is over, and answers 504 instead.
 *
 * **Details**
 *
 * A request whose time is over when it arrives is answered without the handler being begun. The handler's finalizers have run when the
 * 504 is sent. A handler that fails when its time is over is answered 504 too, since that is why; a response that it has given is sent.
 * Each 504 is told of: `RequestTurnedAway`, because it came `Late` or was `OutOfTime`.
 *
 * **Gotchas**
 *
 * Stand round the app, or the handlers of a router (`HttpRouter.use`): what is given to `HttpServer.serve` stands outside of the sending
 * of the response. The platform makes the routes of a router interruptible, except those that are marked `uninterruptible`; an app
 * that is no router is not, and has to say so itself: `Effect.interruptible(app)`.
 *
 * It ends where the response has been given: a body that is streamed afterwards ends with its connection, when the caller goes.
 *
 * **Example** (A handler that takes longer than its caller waits)
 *
 * ```ts
 * import { HttpServerRequest, HttpServerResponse } from "@effect/platform"
 * import { Deadline } from "effect-resilience/server"
 * import { Effect } from "effect"
 *
 * const app = Effect.never.pipe(
 *   Effect.as(HttpServerResponse.empty()),
 *   Deadline.middleware({ allowance: "5 millis" })
 * )
 *
 * const request = HttpServerRequest.fromWeb(new Request("http://users.test/1", { headers: { "x-request-timeout-ms": "20" } }))
 *
 * const response = await app.pipe(Effect.provideService(HttpServerRequest.HttpServerRequest, request), Effect.runPromise)
 *
 * response.status // => 504
 * ```
 *
 * @since 0.1.0
 * @category middleware
 */
export const middleware = (options: Options = {}) => {
  const { otherwise } = options
  const read = nonEmpty("server/Deadline", "read", options.read ?? TimeoutHeader.encodings)
  const allowance = durationMillis("server/Deadline", "allowance", options.allowance ?? 0, { min: 0 })
  const atMost = durationMillis("server/Deadline", "atMost", options.atMost ?? "5 minutes", { minExclusive: 0 })
  const unasked = Option.map(Option.fromNullable(otherwise), (time) =>
    durationMillis("server/Deadline", "otherwise", time, { minExclusive: 0 }))
  const given = (request: HttpServerRequest.HttpServerRequest): Option.Option<Millis> =>
    Option.match(TimeoutHeader.fromHeaders(request.headers, read), {
      onNone: () => unasked,
      onSome: (asked) => Option.some(Math.min(asked - allowance, atMost))
    })
  const call = Observer.call(options.name ?? "deadline")
  return <E, R>(app: HttpApp.Default<E, R>): HttpApp.Default<E, R> =>
    Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) =>
      Option.match(given(request), {
        onNone: () => app,
        onSome: (limit) => {
          const turnAway = (because: RequestTurnedAway["because"]) =>
            Effect.as(
              Observer.tell(call, (base) => ({ _tag: "RequestTurnedAway", ...base, because, attempt: ResendHeader.attempt(request.headers) })),
              late
            )
          return limit > 0 ? within(app, limit, () => turnAway("OutOfTime")) : turnAway("Late")
        }
      }))
}

/** `Deadline.until` with an end of its own: an error of the app's that is called the same is another one. */
const within = <E, R>(
  app: HttpApp.Default<E, R>,
  limit: Millis,
  onEnd: () => Effect.Effect<HttpServerResponse.HttpServerResponse>
): HttpApp.Default<E, R> =>
  Effect.withFiberRuntime((fiber) => {
    const clock = Context.get(fiber.currentDefaultServices, Clock.Clock)
    const now = clock.unsafeCurrentTimeMillis()
    const deadline = Math.min(now + limit, Option.getOrElse(Deadline.of(fiber), () => Infinity))
    const limited = Timeout.within(
      Surroundings.provide(app, Deadline.Deadline, Option.some(deadline)),
      Math.max(deadline - now, 0),
      (): IsOver => isOver
    )
    return Effect.catchAll(limited, (error) =>
      isTheEnd(error) || clock.unsafeCurrentTimeMillis() >= deadline ? onEnd() : Effect.fail(error))
  })

interface IsOver {
  readonly _tag: "IsOver"
}

const isOver: IsOver = { _tag: "IsOver" }

const isTheEnd = (error: unknown): error is IsOver => error === isOver

const problem = Problem.respond({
  status: 504,
  title: "Deadline exceeded",
  detail: "The time that the caller gave to this request is over."
})

/**
 * The answer to a request whose time is over. Its body is a stream: the caller is often gone by now, and of another body the platform's
 * server on Node waits for the end, which then never comes.
 */
const late = problem.body._tag === "Uint8Array"
  ? HttpServerResponse.setBody(
    problem,
    HttpBody.stream(Stream.make(problem.body.body), problem.body.contentType, problem.body.contentLength)
  )
  : problem
