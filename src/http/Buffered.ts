/**
 * Reading the body as part of the attempt.
 *
 * A response is handed over when its headers have arrived, and a body that breaks off after that is past every retry. Read inside
 * the attempt, it is the attempt's: its time limit covers it, a truncated one is `ConnectionLost`, and the retry may send again.
 * The price is that the whole body is held in memory, and that nothing of it can be used before its end.
 *
 * @since 0.1.0
 */
import type * as Headers from "@effect/platform/Headers"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as UrlParams from "@effect/platform/UrlParams"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { integerIn } from "../core/InvalidOption.ts"
import type * as Middleware from "./Middleware.ts"
import * as Release from "./Release.ts"
import { Wrapped } from "./Wrapped.ts"

/**
 * How much is read, of responses below 400.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** The longest body in bytes; a longer one fails. Default: 1 MiB. */
  readonly atMost?: number | undefined
}

type Response = HttpClientResponse.HttpClientResponse

/**
 * Reads the body before the response is handed over. Stand inside the attempt timeout and the retry with it.
 *
 * **Details**
 *
 * A response that is an error is handed over as it came: the retry releases it, and its body is not worth an attempt of its own.
 * A body longer than `atMost` fails with the platform's `ResponseError` of reason `Decode`, and is aborted. That is `Malformed`:
 * it would be as long the next time.
 *
 * **Example** (A body that breaks off, and the attempt that makes up for it)
 *
 * ```ts
 * import { HttpClient } from "@effect/platform"
 * import { Resilience } from "effect-resilience"
 * import { HttpScript } from "effect-resilience/testing"
 * import { Effect, Schedule } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const client = (yield* HttpClient.HttpClient).pipe(
 *     Resilience.withBufferedBody(),
 *     Resilience.withRetry({ schedule: Schedule.spaced("1 millis") })
 *   )
 *   const response = yield* client.get("http://users.test/1")
 *   return yield* response.text
 * }).pipe(Effect.provide(HttpScript.layer([
 *   { status: 200, body: { chunks: ["hel"], ending: "cut" } },
 *   { status: 200, body: "hello" }
 * ])))
 *
 * await Effect.runPromise(program) // => "hello"
 * ```
 *
 * @since 0.1.0
 * @category middleware
 */
export const middleware = (options: Options = {}): Middleware.Middleware<HttpClientError.ResponseError> => {
  const atMost = integerIn("Buffered", "atMost", options.atMost ?? 1024 * 1024, { min: 0 })
  return (handler) => (request) =>
    Effect.flatMap(handler(request), (response) =>
      response.status >= 400
        ? Effect.succeed(response)
        : Effect.map(bytes(response, atMost), (body) => new BufferedResponse(response, body)))
}

const tooLong = (response: Response, atMost: number): HttpClientError.ResponseError =>
  new HttpClientError.ResponseError({
    request: response.request,
    response,
    reason: "Decode",
    description: `the body is longer than ${atMost} bytes`
  })

const bytes = (response: Response, atMost: number): Effect.Effect<Uint8Array, HttpClientError.ResponseError> => {
  const length = Release.declaredLength(response)
  if (length <= atMost) return Effect.map(response.arrayBuffer, (buffer) => new Uint8Array(buffer))
  if (Number.isFinite(length)) return Effect.zipRight(Release.abort(response), Effect.fail(tooLong(response, atMost)))
  return Effect.suspend(() => {
    const chunks: Array<Uint8Array> = []
    let size = 0
    // Failing inside the stream ends it early, and ending it early aborts the response.
    return Effect.map(
      Stream.runForEach(response.stream, (chunk) => {
        chunks.push(chunk)
        size += chunk.length
        return size > atMost ? Effect.fail(tooLong(response, atMost)) : Effect.void
      }),
      () => joined(chunks, size)
    )
  }).pipe(
    // `fetch` gives a response without a body none to read.
    Effect.catchIf((error) => error.reason === "EmptyBody", () => Effect.succeed(new Uint8Array()))
  )
}

/**
 * Joins the chunks of a body of so many bytes.
 *
 * @since 0.1.0
 * @category bytes
 */
export const joined = (chunks: ReadonlyArray<Uint8Array>, size: number): Uint8Array => {
  const all = new Uint8Array(size)
  let offset = 0
  for (const chunk of chunks) {
    all.set(chunk, offset)
    offset += chunk.length
  }
  return all
}

/**
 * A response whose body has been read, and can be read again and again.
 *
 * @since 0.1.0
 * @category models
 */
export class BufferedResponse extends Wrapped {
  private readonly body: Uint8Array

  constructor(original: Response, body: Uint8Array) {
    super(original)
    this.body = body
  }

  get arrayBuffer(): Effect.Effect<ArrayBuffer, HttpClientError.ResponseError> {
    // A copy: what one reader does to it must not be seen by the next.
    return Effect.sync(() => new Uint8Array(this.body).buffer)
  }

  get text(): Effect.Effect<string, HttpClientError.ResponseError> {
    return Effect.sync(() => new TextDecoder().decode(this.body))
  }

  get json(): Effect.Effect<unknown, HttpClientError.ResponseError> {
    return Effect.tryMap(this.text, {
      try: (text): unknown => text === "" ? null : JSON.parse(text),
      catch: (cause) => this.decodeError(cause)
    })
  }

  get urlParamsBody(): Response["urlParamsBody"] {
    return Effect.map(this.text, (text) => UrlParams.fromInput(new URLSearchParams(text)))
  }

  get formData(): Response["formData"] {
    return Effect.flatMap(this.arrayBuffer, (body) => HttpClientResponse.fromWeb(this.request, web(body, this.headers)).formData)
  }

  get stream(): Stream.Stream<Uint8Array, HttpClientError.ResponseError> {
    return Stream.sync(() => new Uint8Array(this.body))
  }
}

const web = (body: ArrayBuffer, headers: Headers.Headers): globalThis.Response =>
  new globalThis.Response(body, { headers: { "content-type": headers["content-type"] ?? "" } })
