/**
 * Faults on the wire that are injected on purpose: latency, responses, lost connections, bodies that break off.
 *
 * What is injected has the shape of what a transport gives, so that classifiers, breakers and retries take it for real. Stand nearest
 * to the wire with it: what stands outside cannot tell the difference.
 *
 * @since 0.1.0
 */
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type * as ChaosPlan from "../core/ChaosPlan.ts"
import * as ErrorCode from "../core/ErrorCode.ts"
import { integerIn, InvalidOption } from "../core/InvalidOption.ts"
import * as Chaos from "../strategy/Chaos.ts"
import * as Guarded from "../strategy/Guarded.ts"
import * as Made from "./Made.ts"
import type * as Middleware from "./Middleware.ts"
import * as Release from "./Release.ts"
import * as RequestKey from "./RequestKey.ts"
import { Intercepted } from "./Wrapped.ts"

export { Chaos, inject, layer, turnOn } from "../strategy/Chaos.ts"

type Request = HttpClientRequest.HttpClientRequest
type Response = HttpClientResponse.HttpClientResponse

/**
 * What can be injected over HTTP, with the share of attempts that meet it: from 0 to 1.
 *
 * @since 0.1.0
 * @category models
 */
export type Fault<E2 = never> =
  /** A wait before the request is sent. */
  | ChaosPlan.Latency
  /** A response of this status, with nothing sent. */
  | (Made.Spec & { readonly status: number; readonly rate: number })
  /** A connection that is lost or never made: a code that `ErrorCode` knows, such as `ECONNRESET` or `ECONNREFUSED`, with nothing sent. */
  | { readonly connection: string; readonly rate: number }
  /** The request is sent, and the connection is lost after so many bytes of the body. A response without a body comes as it is. */
  | { readonly cutAfter: number; readonly rate: number }
  /** An error of your own, with nothing sent. */
  | { readonly failure: (request: Request) => E2; readonly rate: number }

/**
 * What is injected, where, and how often. The rates of all latencies, and those of everything else, are 1 together at most.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options<E2 = never> {
  readonly faults: ReadonlyArray<Fault<E2>>
  /** Of the place, which draws for itself, and in events. Default: "chaos". */
  readonly name?: string | undefined
  /** What tells requests apart that draw for themselves. Default: `RequestKey.of`, the method and the URL. */
  readonly key?: ((request: Request) => string) | undefined
}

type Checked<E2> =
  | { readonly _tag: "Response"; readonly made: Made.Checked }
  | { readonly _tag: "Connection"; readonly code: string }
  | { readonly _tag: "Cut"; readonly after: number }
  | { readonly _tag: "Failure"; readonly failure: (request: Request) => E2 }

const checked = <E2>(fault: Exclude<Fault<E2>, ChaosPlan.Latency>): Checked<E2> => {
  if ("connection" in fault) return { _tag: "Connection", code: codeIn(fault.connection) }
  if ("cutAfter" in fault) return { _tag: "Cut", after: integerIn("Chaos", "cutAfter", fault.cutAfter, { min: 0 }) }
  if ("failure" in fault) return { _tag: "Failure", failure: fault.failure }
  return { _tag: "Response", made: Made.check("Chaos", fault) }
}

const codeIn = (code: string): string => {
  if (Option.isSome(ErrorCode.toFailure({ code }))) return code
  throw new InvalidOption({ where: "Chaos", option: "connection", value: code, requirement: "a code that ErrorCode knows" })
}

/**
 * Injects faults into attempts, where that is turned on.
 *
 * **Details**
 *
 * Off, it costs one look-up; with rates of 0 it is no middleware at all. What meets what is decided by the seed, the name of the place, the
 * method and URL, the number of the attempt, and by how many attempts of the kind the run has seen: see `ChaosPlan`.
 *
 * **Example** (A retry that has something to do)
 *
 * ```ts
 * import { HttpClient } from "@effect/platform"
 * import { Backoff, Chaos, Resilience, RetrySchedule } from "effect-resilience"
 * import { HttpScript } from "effect-resilience/testing"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const client = (yield* HttpClient.HttpClient).pipe(
 *     Resilience.withChaos({ faults: [{ connection: "ECONNRESET", rate: 0.3 }, { status: 503, rate: 0.2 }] }),
 *     Resilience.withRetry({ maxAttempts: 10, schedule: RetrySchedule.fromBackoff(Backoff.constant(0)) })
 *   )
 *   const responses = yield* Effect.replicateEffect(client.get("http://users.test/1"), 20)
 *   return responses.every(({ status }) => status === 200)
 * })
 *
 * await program.pipe(
 *   Chaos.turnOn("the run of Friday"),
 *   Effect.provide(HttpScript.layer([{ status: 200 }], { atEnd: "repeatLast" })),
 *   Effect.runPromise
 * ) // => true
 * ```
 *
 * @since 0.1.0
 * @category middleware
 */
export const middleware = <E2 = never>(
  options: Options<E2>
): Middleware.Middleware<E2 | HttpClientError.RequestError> => {
  const { faults, key = RequestKey.of, name = "chaos" } = options
  const latencies = faults.flatMap((each) => "latency" in each ? [each] : [])
  const others = faults.flatMap((each) => "latency" in each ? [] : [{ rate: each.rate, fault: checked(each) }])
  const place = Chaos.place(name, latencies, others)
  if (place.plan.isEmpty) return (handler) => handler
  return (handler) => (request) =>
    Effect.withFiberRuntime((fiber) => {
      const run = Chaos.of(fiber)
      if (run === undefined) return handler(request)
      const send = Effect.suspend(() => handler(request))
      return Chaos.perform(place, run, fiber, key(request), send, (fault, tell) => meet(fault, tell, request, send))
    })
}

const meet = <E, R, E2>(
  fault: Checked<E2>,
  tell: (fault: ChaosPlan.Injected) => Effect.Effect<void>,
  request: Request,
  send: Effect.Effect<Response, E, R>
): Effect.Effect<Response, E | E2 | HttpClientError.RequestError, R> => {
  switch (fault._tag) {
    case "Response":
      return Guarded.after(
        tell({ _tag: "Response", status: fault.made.status }),
        Effect.sync(() => Made.make(request, fault.made))
      )
    case "Connection": {
      const { code } = fault
      return Guarded.after(
        tell({ _tag: "Connection", code }),
        Effect.failSync(() => new HttpClientError.RequestError({ request, reason: "Transport", cause: ErrorCode.toError(code) }))
      )
    }
    case "Failure":
      return Guarded.after(tell({ _tag: "Failure" }), Effect.failSync(() => fault.failure(request)))
    case "Cut": {
      const { after } = fault
      return Effect.flatMap(send, (response) =>
        Release.declaredLength(response) === 0
          ? Effect.succeed(response)
          : Effect.as(
            // Where a listener that waits is interrupted nobody will have the response.
            Effect.onError(tell({ _tag: "Cut", after }), () => Release.abort(response)),
            new CutResponse(response, after)
          ))
    }
  }
}

/** A response whose connection is lost after so many bytes of its body, however it is read. */
class CutResponse extends Intercepted {
  private readonly after: number

  constructor(original: Response, after: number) {
    super(original)
    this.after = after
  }

  /** What node:http raises: the platform puts it below an error of reason `Decode`. */
  private get lost(): Effect.Effect<never, HttpClientError.ResponseError> {
    return Effect.failSync(() => this.decodeError(Object.assign(new Error("aborted"), { code: "ECONNRESET" })))
  }

  protected read(): Effect.Effect<never, HttpClientError.ResponseError> {
    return Effect.zipRight(Stream.runDrain(this.stream), this.lost)
  }

  get stream(): Stream.Stream<Uint8Array, HttpClientError.ResponseError> {
    const { after, original } = this
    const lost = Stream.fromEffect(this.lost)
    if (after === 0) return Stream.concat(Stream.execute(Release.abort(original)), lost)
    return original.stream.pipe(
      // `fetch` gives a response without a body none to read.
      Stream.catchAll((error) => error.reason === "EmptyBody" ? Stream.empty : Stream.fail(error)),
      Stream.mapAccum(after, (left, chunk) => [left - chunk.length, { chunk: chunk.subarray(0, left), isLast: chunk.length >= left }]),
      // Ending early aborts the response.
      Stream.takeUntil(({ isLast }) => isLast),
      Stream.map(({ chunk }) => chunk),
      Stream.concat(lost)
    )
  }
}
