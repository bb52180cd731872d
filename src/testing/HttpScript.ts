/**
 * A scripted peer: an `HttpClient` whose answers are data, in virtual time, and which remembers what was done to it.
 *
 * No socket is opened. Everything else is the platform's own: requests go through `HttpClient.make`, with its spans, headers and
 * abort signal, and bodies are web streams that can be read, aborted or forgotten as over a wire. So a test can say not
 * only how often was asked and when, but also which response was let go, how, and before which request.
 *
 * **Example** (Waits for Retry-After, then succeeds)
 *
 * ```ts
 * import { HttpClient } from "@effect/platform"
 * import { Resilience } from "effect-resilience"
 * import { HttpScript } from "effect-resilience/testing"
 * import { Effect, Fiber, TestClock, TestContext } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const users = (yield* HttpClient.HttpClient).pipe(Resilience.withRetry())
 *   const fiber = yield* Effect.fork(users.get("http://users.test/1"))
 *   yield* TestClock.adjust("7 seconds")
 *   yield* Fiber.join(fiber)
 *   return yield* HttpScript.timeline
 * })
 *
 * const script = HttpScript.layer([{ status: 503, headers: { "retry-after": "7" } }, { status: 200 }])
 *
 * await program.pipe(Effect.provide(script), Effect.provide(TestContext.TestContext), Effect.runPromise) // => [0, 7000]
 * ```
 *
 * @since 0.1.0
 */
import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import type { Millis } from "../core/Millis.ts"
import { InvalidOption } from "../core/InvalidOption.ts"
import * as Answer from "./Answer.ts"
import * as Log from "./Log.ts"
import * as Wire from "./Wire.ts"

export type { Answer, Chunks, Die, Fail, Respond } from "./Answer.ts"
export type { Release, Request, State } from "./Log.ts"

/**
 * One step of a script: an answer, a function of the request that gives one, or `"ask"`, which leaves the request to `handle`.
 * The last two see a request whose body has been received.
 *
 * @since 0.1.0
 * @category models
 */
export type Step = Answer.Answer | "ask" | ((request: Log.Request) => Answer.Answer)

/**
 * What a script does beyond its steps.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** What a request meets that comes after the last step. "die": a defect that names it. Default: "die". */
  readonly atEnd?: "die" | "repeatLast" | "cycle" | undefined
}

/**
 * A request that waits for a test to answer it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Exchange {
  readonly request: Log.Request
  /** Answers, and tells whether that was the answer: not where there was one already, or where the caller has gone. */
  readonly respond: (answer: Answer.Answer) => Effect.Effect<boolean>
}

/**
 * The peer seen from its own side.
 *
 * @since 0.1.0
 * @category models
 */
export interface Handle {
  /** Waits for the next request that a step `"ask"` has left to the test and whose caller still waits. */
  readonly next: Effect.Effect<Exchange>
  /** Whether no request waits for an answer. */
  readonly idle: Effect.Effect<boolean>
}

/**
 * A client, and what was done with it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Script extends Handle {
  readonly client: HttpClient.HttpClient
  readonly requests: Effect.Effect<ReadonlyArray<Log.Request>>
  readonly timeline: Effect.Effect<ReadonlyArray<Millis>>
  readonly released: Effect.Effect<ReadonlyArray<Log.Release>>
  readonly held: Effect.Effect<ReadonlyArray<number>>
}

/**
 * The script that plays in the current context.
 *
 * @since 0.1.0
 * @category tags
 */
export class HttpScript extends Context.Tag("effect-resilience/HttpScript")<HttpScript, Script>() {}

const stepAt = (steps: ReadonlyArray<Step>, index: number, atEnd: Options["atEnd"]): Step | undefined =>
  steps[index] ?? (atEnd === "cycle" ? steps[index % steps.length] : atEnd === "repeatLast" ? steps.at(-1) : undefined)

const pastTheEnd = (entry: Log.Entry, length: number): string =>
  `HttpScript: request ${entry.number}, ${entry.request.method} ${entry.url}, comes after the end of a script of ${length}. ` +
  "Add a step, or say what follows with atEnd"

type Result = Effect.Effect<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError>

const perform = (
  log: Log.Log,
  entry: Log.Entry,
  answer: Answer.Answer,
  signal: AbortSignal,
  clock: Clock.Clock
): Result => {
  if (answer === "hang") return Effect.never
  const result = Effect.suspend((): Result => {
    if ("dies" in answer) return Effect.die(answer.dies)
    if ("fails" in answer) return Effect.fail(Answer.toError(answer, entry.request))
    entry.response = Wire.respond(answer, entry.request, signal, clock, Log.follow(log, entry, clock))
    entry.state = "unread"
    return Effect.succeed(entry.response)
  })
  return answer.after === undefined ? result : Effect.delay(result, answer.after)
}

interface Asked {
  readonly entry: Log.Entry
  readonly answer: Deferred.Deferred<Answer.Answer>
}

/**
 * Makes a script that no layer carries.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (steps: ReadonlyArray<Step>, options: Options = {}): Effect.Effect<Script> => {
  if (steps.length === 0 && options.atEnd !== undefined && options.atEnd !== "die") {
    const requirement = "\"die\" where there is no step to repeat"
    throw new InvalidOption({ where: "HttpScript", option: "atEnd", value: options.atEnd, requirement })
  }
  return Effect.map(Queue.unbounded<Asked>(), (asked) => build(steps, options, asked))
}

const build = (steps: ReadonlyArray<Step>, options: Options, asked: Queue.Queue<Asked>): Script => {
  const log = Log.empty()

  const decide = (entry: Log.Entry, step: Step): Effect.Effect<Answer.Answer> => {
    if (typeof step === "function") return Effect.sync(() => step(Log.toRequest(log, entry)))
    if (step !== "ask") return Effect.succeed(step)
    return Effect.flatMap(Deferred.make<Answer.Answer>(), (answer) =>
      Effect.zipRight(Queue.offer(asked, { entry, answer }), Deferred.await(answer)))
  }

  const serve = (entry: Log.Entry, signal: AbortSignal, clock: Clock.Clock): Result => {
    const step = stepAt(steps, entry.number - 1, options.atEnd)
    if (step === undefined) return Effect.dieMessage(pastTheEnd(entry, steps.length))
    const isRefused = typeof step === "object" && Answer.isNeverSent(step)
    return Effect.zipRight(
      isRefused ? Effect.void : Wire.send(entry.request, (chunk) => entry.sent.push(chunk)),
      Effect.flatMap(decide(entry, step), (answer) => perform(log, entry, answer, signal, clock))
    )
  }

  const client = HttpClient.make((request, url, signal) =>
    Effect.clockWith((clock) => {
      const entry = Log.begin(log, request, url.toString(), clock.unsafeCurrentTimeMillis())
      return Effect.onError(serve(entry, signal, clock), (cause) =>
        Effect.sync(() => {
          entry.state = Cause.isInterruptedOnly(cause) ? "interrupted" : "failed"
        }))
    })
  )

  const toExchange = ({ answer, entry }: Asked): Exchange => ({
    request: Log.toRequest(log, entry),
    respond: (given) => Effect.suspend(() => isWaiting(entry) ? Deferred.succeed(answer, given) : Effect.succeed(false))
  })

  const next: Effect.Effect<Exchange> = Effect.flatMap(Queue.take(asked), (one) =>
    isWaiting(one.entry) ? Effect.succeed(toExchange(one)) : next)

  return {
    client,
    next,
    idle: Effect.sync(() => !log.entries.some(isWaiting)),
    requests: Effect.sync(() => log.entries.map((entry) => Log.toRequest(log, entry))),
    timeline: Effect.sync(() => Log.timeline(log)),
    released: Effect.sync(() => log.releases.slice()),
    held: Effect.sync(() => Log.held(log))
  }
}

const isWaiting = (entry: Log.Entry): boolean => entry.state === "waiting"

/**
 * Provides the client of a script, and the script. It is built anew with each layer, and begins at its first step.
 *
 * **Gotchas**
 *
 * Spans are on by default in the platform, so requests carry `traceparent` and `b3` headers: pick headers by name.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  steps: ReadonlyArray<Step>,
  options?: Options
): Layer.Layer<HttpClient.HttpClient | HttpScript> =>
  Layer.effectContext(
    Effect.map(make(steps, options), (script) =>
      Context.add(Context.make(HttpScript, script), HttpClient.HttpClient, script.client))
  )

/**
 * Provides a client whose every request waits for the test to answer it: see `handle`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerHandle: Layer.Layer<HttpClient.HttpClient | HttpScript> = layer(["ask"], { atEnd: "repeatLast" })

/**
 * The peer's side, for a test that answers each request itself.
 *
 * **Example** (Two requests, answered in reverse)
 *
 * ```ts
 * import { HttpClient } from "@effect/platform"
 * import { HttpScript } from "effect-resilience/testing"
 * import { Effect, Fiber } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const peer = yield* HttpScript.handle
 *   const get = (path: string) => Effect.flatMap(HttpClient.get(`http://users.test/${path}`), (response) => response.text)
 *   const both = yield* Effect.fork(Effect.all([get("a"), get("b")], { concurrency: 2 }))
 *   const first = yield* peer.next
 *   const second = yield* peer.next
 *   yield* second.respond({ status: 200, body: `for ${second.request.url}` })
 *   yield* first.respond({ status: 200, body: `for ${first.request.url}` })
 *   return yield* Fiber.join(both)
 * })
 *
 * const bodies = await program.pipe(Effect.provide(HttpScript.layerHandle), Effect.runPromise)
 *
 * bodies // => ["for http://users.test/a", "for http://users.test/b"]
 * ```
 *
 * @since 0.1.0
 * @category accessors
 */
export const handle: Effect.Effect<Handle, never, HttpScript> = HttpScript

/**
 * The requests so far, each as it was sent and with what has become of it.
 *
 * @since 0.1.0
 * @category accessors
 */
export const requests: Effect.Effect<ReadonlyArray<Log.Request>, never, HttpScript> = Effect.flatMap(
  HttpScript,
  (script) => script.requests
)

/**
 * When each request began, in ms since the first one began.
 *
 * @since 0.1.0
 * @category accessors
 */
export const timeline: Effect.Effect<ReadonlyArray<Millis>, never, HttpScript> = Effect.flatMap(
  HttpScript,
  (script) => script.timeline
)

/**
 * The responses that hold their connection no longer, in the order in which they were let go.
 *
 * @since 0.1.0
 * @category accessors
 */
export const released: Effect.Effect<ReadonlyArray<Log.Release>, never, HttpScript> = Effect.flatMap(
  HttpScript,
  (script) => script.released
)

/**
 * The numbers of the requests whose responses still hold their connection: they have not been read to the end, nor aborted.
 *
 * @since 0.1.0
 * @category accessors
 */
export const held: Effect.Effect<ReadonlyArray<number>, never, HttpScript> = Effect.flatMap(
  HttpScript,
  (script) => script.held
)
