/**
 * A body that goes on where it broke off.
 *
 * A retry ends where a response is handed over: what breaks off after that is its reader's. Here the body of a GET is a stream that the
 * retry stands around: after a cut the rest is asked for with `Range`, on condition that it is still the same representation, and put
 * behind what is there. One loop, one counter, one budget, for the response and for its body.
 *
 * @since 0.1.0
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import * as Take from "effect/Take"
import * as Classifier from "../core/Classifier.ts"
import * as ErrorCode from "../core/ErrorCode.ts"
import * as Failure from "../core/Failure.ts"
import { InvalidOption } from "../core/InvalidOption.ts"
import * as Resumption from "../core/Resumption.ts"
import * as Loop from "../strategy/Loop.ts"
import * as Retry from "../strategy/Retry.ts"
import * as CurrentOverrides from "./CurrentOverrides.ts"
import * as Release from "./Release.ts"
import * as Work from "./Work.ts"

type Request = HttpClientRequest.HttpClientRequest
type Response = HttpClientResponse.HttpClientResponse

/**
 * A body was not continued. What has been given of it is right as far as it goes, and not all.
 *
 * @since 0.1.0
 * @category errors
 */
export class ResumeRefused extends Data.TaggedError("ResumeRefused")<{
  readonly reason: Resumption.Reason
  /** How many bytes have been given. */
  readonly received: number
  /** Of the answer that was refused; `None` where nothing was asked for. */
  readonly status: Option.Option<number>
  /** What the body broke off with, where it cannot be continued. */
  readonly cause?: unknown
}> {
  override get message(): string {
    const status = Option.match(this.status, { onNone: () => "", onSome: (status) => ` (${status})` })
    return `a body was not continued after ${this.received} bytes: ${this.reason}${status}`
  }

  /** Asked again, the other side would say the same. */
  get [Failure.key](): Failure.Failure {
    return Failure.malformed("response", this._tag)
  }
}

/**
 * How often, and when, a body is asked for again.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options<out R = never> extends Retry.Options<Response, unknown, R> {}

/** The headers that this writes, and those by which a whole would come as something else. */
const conditions: ReadonlySet<string> = new Set(["range", "if-range", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since"])

const checked = (request: Request): void => {
  const invalid = (option: string, value: unknown, requirement: string) =>
    new InvalidOption({ where: "Resume.stream", option, value, requirement })
  if (request.method !== "GET") throw invalid("request.method", request.method, "GET")
  const header = Object.keys(request.headers).find((name) => conditions.has(name.toLowerCase()))
  if (header !== undefined) throw invalid("request.headers", header, "without a range or a condition of their own")
}

const repeatable = Work.repeatable("Resume", {})

/**
 * Gets a body as a stream, and asks for the rest where it breaks off.
 *
 * **When to use**
 *
 * For what is too large to be read into memory as part of an attempt (`Buffered`), or to be begun again.
 *
 * **Details**
 *
 * Each run of the stream is a call, with attempts counted from 1: one for the first answer, and one for each time that the rest is asked
 * for. Nothing is sent before somebody reads. A body can be continued where its first answer has a strong `ETag`, no encoding, and no
 * `Accept-Ranges: none`; the request says `Accept-Encoding: identity`. The rest is asked for with `Range`, `If-Range` and `If-Match`, and
 * taken only as 206 with the same `ETag` and a `Content-Range` that begins with the next byte and has the same length. Whatever else
 * comes fails with `ResumeRefused`. A body that broke off before its first byte is asked for anew.
 *
 * An answer of 400 or more is what the classifier makes of it; the last one fails the stream with the platform's `ResponseError` of reason
 * `StatusCode`. A body that ends before its length is `ConnectionLost`.
 *
 * **Gotchas**
 *
 * The bytes that were given before an error are given: who writes them to a file must not take the file for whole before the stream has
 * ended. The client should have no retry of its own: it would resend inside of this one. Throws `InvalidOption` for a request that is no
 * GET, or has a range or condition of its own.
 *
 * **Example** (A body that breaks off)
 *
 * ```ts
 * import { HttpClient, HttpClientRequest } from "@effect/platform"
 * import { Resume } from "effect-resilience"
 * import { HttpScript } from "effect-resilience/testing"
 * import { Effect, Schedule, Stream } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const client = yield* HttpClient.HttpClient
 *   const body = Resume.stream(client, HttpClientRequest.get("http://files.test/a"), { schedule: Schedule.spaced("1 millis") })
 *   const text = yield* body.pipe(Stream.decodeText(), Stream.mkString)
 *   return [text, (yield* HttpScript.requests).map(({ headers }) => headers["range"])]
 * })
 *
 * const peer = HttpScript.layer([
 *   { status: 200, headers: { etag: "\"v1\"", "content-length": "5" }, body: { chunks: ["hel"], ending: "cut" } },
 *   { status: 206, headers: { etag: "\"v1\"", "content-range": "bytes 3-4/5" }, body: "lo" }
 * ])
 *
 * await program.pipe(Effect.provide(peer), Effect.runPromise) // => ["hello", [undefined, "bytes=3-"]]
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const stream = <E, R, R2 = never>(
  client: HttpClient.HttpClient.With<E, R>,
  request: Request,
  options: Options<R2> = {}
): Stream.Stream<Uint8Array, E | HttpClientError.ResponseError | ResumeRefused, R | R2> => {
  checked(request)
  const plan = Retry.plan<Response, unknown, R2>(Classifier.http, { ...options, name: options.name ?? "resume" })
  type Error = E | HttpClientError.ResponseError | ResumeRefused
  return Stream.unwrapScoped(Effect.gen(function*() {
    // Of one place: what is read from the socket is what is read here, and one chunk more.
    const queue = yield* Effect.acquireRelease(Queue.bounded<Take.Take<Uint8Array, Error>>(1), Queue.shutdown)
    const download = new Download(client, (bytes) => Queue.offer(queue, Take.of(bytes)))
    const work = { attempt: (asked: Request) => download.attempt(asked), repeatable, spend: Work.spend, drop: Work.drop }
    const instead: Loop.Instead<Request, Response, Error, R | R2> = (fiber, asked) => {
      const other = CurrentOverrides.of(fiber, asked)
      return other?.bind(Loop.run(other.retry(plan), work, asked, Loop.returnLast<Response, Error>), asked)
    }
    const call = Effect.flatMap(Loop.run(plan, work, request, Loop.returnLast<Response, Error>, instead), failed)
    yield* Effect.forkScoped(Effect.interruptible(Effect.matchCauseEffect(call, {
      onFailure: (cause) => Queue.offer(queue, Take.failCause(cause)),
      onSuccess: () => Queue.offer(queue, Take.end)
    })))
    return Stream.flattenTake(Stream.fromQueue(queue, { maxChunkSize: 1 }))
  }))
}

/** An answer that no attempt could better, as the platform's `filterStatusOk` has it. */
const failed = (response: Response): Effect.Effect<void, HttpClientError.ResponseError> =>
  response.status < 400
    ? Effect.void
    : Effect.zipRight(
      Release.now(response),
      new HttpClientError.ResponseError({ request: response.request, response, reason: "StatusCode", description: "no body" })
    )

/** One run of a stream. Its attempts come one after the other. */
class Download<E, R> {
  private readonly client: HttpClient.HttpClient.With<E, R>
  private readonly emit: (bytes: Uint8Array) => Effect.Effect<unknown>
  private state = Resumption.initial
  /** The answer that has given bytes last: what the call gives where the rest turns out to be nothing. */
  private latest: Response | undefined
  /** What the body broke off with. */
  private cut: HttpClientError.ResponseError | undefined

  constructor(client: HttpClient.HttpClient.With<E, R>, emit: (bytes: Uint8Array) => Effect.Effect<unknown>) {
    this.client = client
    this.emit = emit
  }

  private refused(reason: Resumption.Reason, response?: Response): ResumeRefused {
    const { received } = this.state
    const cause = reason === "NotResumable" ? { cause: this.cut } : {}
    return new ResumeRefused({ reason, received, status: Option.map(Option.fromNullable(response), ({ status }) => status), ...cause })
  }

  attempt(request: Request): Effect.Effect<Response, E | HttpClientError.ResponseError | ResumeRefused, R> {
    const asked = Resumption.ask(this.state)
    if (asked._tag === "Refuse") return this.refused(asked.reason)
    const headers = asked._tag === "Whole" ? {} : { range: asked.range, "if-range": asked.etag, "if-match": asked.etag }
    const sent = HttpClientRequest.setHeaders(request, { ...headers, "accept-encoding": "identity" })
    return Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(restore(this.client.execute(sent)), (response) =>
        // The reading of a body that has begun ends its connection by itself; one that has not begun would leave it open.
        Effect.onInterrupt(restore(Effect.suspend(() => this.read(response))), () => Release.abort(response))))
  }

  private read(response: Response): Effect.Effect<Response, HttpClientError.ResponseError | ResumeRefused> {
    const answer = Resumption.answer(this.state, response.status, response.headers)
    switch (answer._tag) {
      case "Failed":
        return Effect.succeed(response)
      case "Refuse":
        return Effect.zipRight(Release.now(response), this.refused(answer.reason, response))
      case "Complete":
        return Effect.as(Release.now(response), this.latest ?? response)
      case "State":
        this.state = answer
        this.latest = response
        return this.pump(response)
    }
  }

  private pump(response: Response): Effect.Effect<Response, HttpClientError.ResponseError | ResumeRefused> {
    const body = Stream.runForEach(response.stream, (bytes) => {
      const taken = Resumption.take(this.state, bytes.length)
      if (taken._tag === "Refuse") return Effect.fail(this.refused(taken.reason, response))
      this.state = taken
      return this.emit(bytes)
    })
    return Effect.matchEffect(body, {
      onSuccess: () => this.ended(response, undefined),
      // `fetch` gives a response without a body none to read.
      onFailure: (error) =>
        error._tag === "ResumeRefused"
          ? Effect.fail(error)
          : this.ended(response, error.reason === "EmptyBody" ? undefined : error)
    })
  }

  private ended(
    response: Response,
    error: HttpClientError.ResponseError | undefined
  ): Effect.Effect<Response, HttpClientError.ResponseError | ResumeRefused> {
    if (Resumption.isComplete(this.state, error === undefined ? "ended" : "cut")) return Effect.succeed(response)
    const cut = error ?? this.tooShort(response)
    this.cut = cut
    // Asked for what cannot be asked for, the next attempt would fail with this; so nobody waits for it.
    const next = Resumption.ask(this.state)
    return next._tag === "Refuse" ? this.refused(next.reason, response) : Effect.fail(cut)
  }

  private tooShort(response: Response): HttpClientError.ResponseError {
    const { received, total } = this.state
    return new HttpClientError.ResponseError({
      request: response.request,
      response,
      reason: "Decode",
      cause: ErrorCode.toError("ECONNRESET"),
      description: `the body ended after ${received} of ${Option.getOrElse(total, () => 0)} bytes`
    })
  }
}
