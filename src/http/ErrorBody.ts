/**
 * Reading the bodies of errors, so that a classifier can see what they say.
 *
 * Some services say with the status that there is an error, and in the body alone which: a 403 of GitHub is a limit or a missing right, a
 * 400 of AWS a throttling or a mistake. What is read here is small, bounded, and can be read again by whoever gets the response.
 *
 * @since 0.1.0
 */
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { integerIn, nonEmpty } from "../core/InvalidOption.ts"
import * as GivenUp from "../strategy/GivenUp.ts"
import { BufferedResponse, joined } from "./Buffered.ts"
import type * as Middleware from "./Middleware.ts"
import * as Release from "./Release.ts"

/**
 * Which bodies are read, and how much of them.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly statuses: ReadonlyArray<number>
  /** The longest body in bytes. Default: 64 KiB. */
  readonly atMost?: number | undefined
}

type Response = HttpClientResponse.HttpClientResponse

/** A response whose body has been read for its text. */
class ErrorResponse extends BufferedResponse {
  readonly said: string

  constructor(original: Response, body: Uint8Array) {
    super(original, body)
    this.said = new TextDecoder().decode(body)
  }
}

/**
 * Reads the bodies of responses with these statuses before they are handed over. Stand inside the attempt timeout.
 *
 * **Details**
 *
 * A body that is said to be longer than `atMost` is not read, and one that turns out to be is cut off there. What a broken
 * connection left of it is the body: the status is known, and an error is an error without its last words.
 *
 * **Example** (A 403 that is a limit)
 *
 * ```ts
 * import { HttpClient } from "@effect/platform"
 * import { ErrorBody, Middleware } from "effect-resilience"
 * import { HttpScript } from "effect-resilience/testing"
 * import { Effect, Option } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const client = Middleware.applyTo(yield* HttpClient.HttpClient, ErrorBody.middleware({ statuses: [403] }))
 *   const response = yield* client.get("http://api.test/")
 *   return [ErrorBody.textOf(response), yield* response.text]
 * }).pipe(Effect.provide(HttpScript.layer([{ status: 403, body: "too fast" }])))
 *
 * await Effect.runPromise(program) // => [Option.some("too fast"), "too fast"]
 * ```
 *
 * @since 0.1.0
 * @category middleware
 */
export const middleware = (options: Options): Middleware.Middleware => {
  const atMost = integerIn("ErrorBody", "atMost", options.atMost ?? 65_536, { min: 0 })
  const statuses = new Set(nonEmpty("ErrorBody", "statuses", options.statuses))
  return (handler) => (request) =>
    Effect.flatMap(handler(request), (response) => {
      const length = Release.declaredLength(response)
      return !statuses.has(response.status) || Number.isFinite(length) && length > atMost ? Effect.succeed(response) : read(response, atMost)
    })
}

const read = (response: Response, atMost: number): Effect.Effect<Response> =>
  Effect.suspend(() => {
    const chunks: Array<Uint8Array> = []
    let size = 0
    const reading = Stream.runForEachWhile(response.stream, (chunk) =>
      Effect.sync(() => {
        const kept = chunk.subarray(0, atMost - size)
        chunks.push(kept)
        size += kept.length
        return kept.length === chunk.length
      }))
    return Effect.map(Effect.ignore(reading), () => new ErrorResponse(response, joined(chunks, size)))
  })

/**
 * What the body of a response says, where it has been read here.
 *
 * @since 0.1.0
 * @category getters
 */
export const textOf = (response: unknown): Option.Option<string> => {
  let link = response
  // Who wraps a response says which: a deadline, say, that holds for its readers.
  for (let depth = 0; depth < 10 && typeof link === "object" && link !== null; depth++) {
    if (link instanceof ErrorResponse) return Option.some(link.said)
    link = GivenUp.source in link ? link[GivenUp.source] : undefined
  }
  return Option.none()
}
