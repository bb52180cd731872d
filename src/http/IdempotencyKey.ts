/**
 * A key by which the other side knows a request again: minted once per call, the same on each attempt.
 *
 * Stand outside the retry with it. The retry takes a keyed request for idempotent, whatever its method; the other side has to
 * honour the key for that to be true.
 *
 * @since 0.1.0
 */
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Failure from "../core/Failure.ts"
import { InvalidOption, nonEmpty } from "../core/InvalidOption.ts"
import * as CurrentOverrides from "./CurrentOverrides.ts"
import type * as Middleware from "./Middleware.ts"

/**
 * A key that cannot be put on the wire. The key itself is left out of the message: some treat it as a secret.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidIdempotencyKey extends Data.TaggedError("InvalidIdempotencyKey")<{
  readonly header: string
  /** What is wrong, and where. */
  readonly problem: string
}> {
  override get message(): string {
    return `${this.header}: ${this.problem}`
  }

  get [Failure.key](): Failure.Failure {
    return Failure.malformed("request", this._tag)
  }
}

/**
 * How a key is written into the header.
 *
 * - `bare`: as it is, which is what Stripe and most others take
 * - `structured`: as a string of RFC 9651, in quotes, which is what draft-ietf-httpapi-idempotency-key-header asks for
 *
 * @since 0.1.0
 * @category models
 */
export type Format = "bare" | "structured"

/**
 * Which requests are keyed, and how.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** Default: "Idempotency-Key". */
  readonly header?: string | undefined
  /** Default: "bare". */
  readonly format?: Format | undefined
  /** The methods that are given a key. Default: POST and PATCH. */
  readonly methods?: ReadonlyArray<string> | undefined
}

/**
 * Where keys come from: at least 122 random bits each.
 *
 * **Details**
 *
 * The default is a version 4 UUID of the platform's cryptographic source, which has exactly these 122 bits. Effect's `Random` is
 * not used: its generator is seeded with 32 bits, and two processes would sooner or later mint the same key. Provide your own
 * for tests, or for keys that your domain already has.
 *
 * @since 0.1.0
 * @category references
 */
export class Generator extends Context.Reference<Generator>()("effect-resilience/IdempotencyKey/Generator", {
  defaultValue: (): Effect.Effect<string> => Effect.sync(() => globalThis.crypto.randomUUID())
}) {}

const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/

/** The longest key that is sent: other sides cut or refuse longer ones (Stripe at 255). */
const maxLength = 255

/** What a field value may hold: RFC 9110 for a bare one (visible latin1, space, tab), RFC 9651 for a string (visible ASCII, space). */
const allowed: Record<Format, (code: number) => boolean> = {
  bare: (code) => code === 0x09 || (code >= 0x20 && code <= 0x7e) || (code >= 0xa0 && code <= 0xff),
  structured: (code) => code >= 0x20 && code <= 0x7e
}

const problemOf = (key: string, format: Format): string | undefined => {
  if (key.length === 0) return "the key is empty"
  if (key.length > maxLength) return `the key has ${key.length} characters, at most ${maxLength} are sent`
  if (key.trim() !== key) return "the key begins or ends with white space, which the other side would not see"
  for (let i = 0; i < key.length; i++) {
    const code = key.charCodeAt(i)
    if (!allowed[format](code)) {
      return `the key has U+${code.toString(16).toUpperCase().padStart(4, "0")} at position ${i}, which no header may hold`
    }
  }
  return undefined
}

/**
 * Writes a key as a header value, or says why it cannot be one.
 *
 * **Example** (Two formats)
 *
 * ```ts
 * import { IdempotencyKey } from "effect-resilience"
 * import { Effect } from "effect"
 *
 * Effect.runSync(IdempotencyKey.encode("order-42", { format: "bare" })) // => "order-42"
 * Effect.runSync(IdempotencyKey.encode("order-42", { format: "structured" })) // => "\"order-42\""
 * ```
 *
 * @since 0.1.0
 * @category encoding
 */
export const encode = (
  key: string,
  { format = "bare", header = "Idempotency-Key" }: Options = {}
): Effect.Effect<string, InvalidIdempotencyKey> => {
  const problem = problemOf(key, format)
  if (problem !== undefined) return new InvalidIdempotencyKey({ header, problem })
  return Effect.succeed(format === "bare" ? key : `"${key.replace(/["\\]/g, "\\$&")}"`)
}

/**
 * Gives each call a key, unless its request has one.
 *
 * **Details**
 *
 * A key that the request already carries is sent as it is, once it has been checked; else one that is given for it (`Overrides`). A key that no header may hold (CR, LF, NUL,
 * anything outside latin1) fails here with the platform's `RequestError` of reason `Encode`, whose cause is
 * `InvalidIdempotencyKey`, and nothing is sent.
 *
 * **Example** (One key, two attempts)
 *
 * ```ts
 * import { HttpClient } from "@effect/platform"
 * import { IdempotencyKey, Resilience } from "effect-resilience"
 * import { HttpScript } from "effect-resilience/testing"
 * import { Effect, Schedule } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const client = (yield* HttpClient.HttpClient).pipe(
 *     Resilience.withRetry({ schedule: Schedule.spaced("1 millis") }),
 *     Resilience.withIdempotencyKey()
 *   )
 *   yield* client.post("http://orders.test/")
 *   return (yield* HttpScript.requests).map((request) => request.headers["idempotency-key"])
 * }).pipe(
 *   Effect.provideService(IdempotencyKey.Generator, Effect.succeed("order-42")),
 *   Effect.provide(HttpScript.layer([{ status: 503 }, { status: 201 }]))
 * )
 *
 * await Effect.runPromise(program) // => ["order-42", "order-42"]
 * ```
 *
 * @since 0.1.0
 * @category middleware
 */
export const middleware = (options: Options = {}): Middleware.Middleware<HttpClientError.RequestError> => {
  const { format = "bare", header = "Idempotency-Key", methods = ["POST", "PATCH"] } = options
  if (!token.test(header)) {
    throw new InvalidOption({ where: "IdempotencyKey", option: "header", value: header, requirement: "the name of a header" })
  }
  const name = header.toLowerCase()
  const keyed = new Set(nonEmpty("IdempotencyKey", "methods", methods).map((method) => method.toUpperCase()))
  const refused = (request: HttpClientRequest.HttpClientRequest, cause: InvalidIdempotencyKey) =>
    new HttpClientError.RequestError({ request, reason: "Encode", cause, description: cause.message })
  const written = (key: string, request: HttpClientRequest.HttpClientRequest, format: Format) =>
    Effect.mapError(encode(key, { header, format }), (cause) => refused(request, cause))
  return <E, R>(handler: Middleware.Handler<E, R>): Middleware.Handler<E | HttpClientError.RequestError, R> => {
    const send = (key: string, request: HttpClientRequest.HttpClientRequest) =>
      Effect.flatMap(written(key, request, format), (value) => handler(HttpClientRequest.setHeader(request, header, value)))
    return (request) => {
      const own = request.headers[name]
      // A key that stands in the header already is written in whichever format its writer chose.
      if (own !== undefined) return Effect.flatMap(written(own, request, "bare"), () => handler(request))
      return Effect.withFiberRuntime<HttpClientResponse.HttpClientResponse, E | HttpClientError.RequestError, R>((fiber) => {
        const given = CurrentOverrides.of(fiber, request)?.keyFor(request)
        if (given !== undefined) {
          return "key" in given
            ? send(given.key, request)
            : Effect.fail(refused(request, new InvalidIdempotencyKey({ header, problem: given.problem })))
        }
        if (!keyed.has(request.method)) return handler(request)
        return Effect.flatMap(Context.get(fiber.currentContext, Generator), (key) => send(key, request))
      })
    }
  }
}
