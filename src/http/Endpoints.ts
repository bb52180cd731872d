/**
 * A list of base URLs that serve the same: each attempt of a call goes to another of them.
 *
 * Stand directly inside the retry or the hedge with it, and outside of the circuit breaker, which then has a state for each endpoint. An
 * endpoint whose breaker is open (or whose bulkhead or limit is full) is left out at once: nothing was sent, so that costs no attempt.
 *
 * @since 0.1.0
 */
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Classifier from "../core/Classifier.ts"
import { InvalidOption, nonEmpty } from "../core/InvalidOption.ts"
import * as Outcome from "../core/Outcome.ts"
import type * as Middleware from "./Middleware.ts"

/**
 * Where to send.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** Absolute URLs of `http:` or `https:`, at least one. The URL of a request is put behind them. */
  readonly baseUrls: ReadonlyArray<string>
  /**
   * Where the first attempt of a call goes: to the first of the list, the others being for when that fails, or to each in turn. Default:
   * "first".
   */
  readonly start?: "first" | "inTurn" | undefined
}

type Request = HttpClientRequest.HttpClientRequest
type Response = HttpClientResponse.HttpClientResponse

/**
 * What has been tried for one request value: `at` counts up, so the smallest is the one that was longest ago.
 */
interface Tries {
  /** When each endpoint was last tried; 0 is never. */
  readonly at: Array<number>
  readonly failed: Array<boolean>
  count: number
  readonly from: number
}

const parse = (baseUrl: string): string => {
  if (/^https?:\/\/[^/?#]/i.test(baseUrl) && !/[?#]/.test(baseUrl) && URL.canParse(baseUrl)) return baseUrl.replace(/\/+$/, "")
  throw new InvalidOption({
    where: "Endpoints",
    option: "baseUrls",
    // A base URL may have a password in it.
    value: baseUrl.replace(/\/\/[^/]*@/, "//"),
    requirement: "absolute URLs of http: or https: without query and fragment"
  })
}

/** Whatever a URL begins with, it stays behind the host: `@other.test` is a path here, and no host. */
const join = (baseUrl: string, url: string): string => url === "" || /^[/?#]/.test(url) ? baseUrl + url : `${baseUrl}/${url}`

/** The one to try next: never tried before tried, tried and not failed before failed, then the one that was longest ago. */
const choose = ({ at, failed, from }: Tries, isRefused: (index: number) => boolean): number => {
  let best = -1
  const rank = (index: number): number => at[index] === 0 ? 0 : failed[index] === true ? 2 : 1
  for (let i = 0; i < at.length; i++) {
    const index = (from + i) % at.length
    if (isRefused(index)) continue
    const isBetter = best < 0 || rank(index) < rank(best) || rank(index) === rank(best) && (at[index] ?? 0) < (at[best] ?? 0)
    if (isBetter) best = index
  }
  return best
}

/** Whether we refused to send: provably nothing has reached the endpoint. A deadline inside may pass after the request was sent. */
const isRefusal = (error: unknown): boolean => {
  const outcome = Classifier.error(error, 0)
  return Option.isSome(outcome) && Outcome.isFailed(outcome.value) && outcome.value.failure._tag === "Rejected" &&
    outcome.value.failure.by !== "DeadlineExceeded"
}

/**
 * Sends each attempt of a call to the endpoint that its earlier attempts have not tried, as long as there is one.
 *
 * **Details**
 *
 * The attempts of a call are known by their request, which a retry and a hedge give again for each. When all endpoints have been tried,
 * the one that did not fail is taken, then the one that was tried longest ago. Where all refuse, the last refusal is what the attempt
 * fails with.
 *
 * A request whose URL is absolute already is sent where it says.
 *
 * **Gotchas**
 *
 * Whatever stands between this and the retry and makes a request of its own for each attempt hides that they belong together. Calls
 * of one request value at the same time, below a retry, share what they have tried: a preference, and never a reason not to send.
 *
 * **Example** (The second attempt goes to the second endpoint)
 *
 * ```ts
 * import { HttpClient } from "@effect/platform"
 * import { Resilience } from "effect-resilience"
 * import { HttpScript } from "effect-resilience/testing"
 * import { Effect, Schedule } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const users = (yield* HttpClient.HttpClient).pipe(
 *     Resilience.withEndpoints(["https://a.users.test", "https://b.users.test/api"]),
 *     Resilience.withRetry({ schedule: Schedule.spaced("1 millis") })
 *   )
 *   yield* users.get("/1")
 *   return (yield* HttpScript.requests).map(({ url }) => url)
 * })
 *
 * await program.pipe(Effect.provide(HttpScript.layer([{ status: 503 }, { status: 200 }])), Effect.runPromise)
 * // => ["https://a.users.test/1", "https://b.users.test/api/1"]
 * ```
 *
 * @since 0.1.0
 * @category middleware
 */
export const middleware = (options: Options | ReadonlyArray<string>): Middleware.Middleware => {
  const { baseUrls: given, start = "first" }: Options = isList(options) ? { baseUrls: options } : options
  const baseUrls = nonEmpty("Endpoints", "baseUrls", given).map(parse)
  return <E, R>(handler: Middleware.Handler<E, R>): Middleware.Handler<E, R> => {
    const calls = new WeakMap<Request, Tries>()
    let turn = 0
    const triesOf = (request: Request): Tries => {
      const known = calls.get(request)
      if (known !== undefined) return known
      const tries: Tries = { at: baseUrls.map(() => 0), failed: baseUrls.map(() => false), count: 0, from: turn }
      if (start === "inTurn") turn = (turn + 1) % baseUrls.length
      calls.set(request, tries)
      return tries
    }
    const attempt = (request: Request, tries: Tries, index: number, refused: ReadonlySet<number>): Effect.Effect<Response, E, R> => {
      tries.at[index] = ++tries.count
      const sent = HttpClientRequest.updateUrl(request, (url) => join(baseUrls[index] ?? "", url))
      return Effect.matchCauseEffect(handler(sent), {
        onFailure: (cause) => {
          tries.failed[index] = true
          if (cause._tag !== "Fail" || !isRefusal(cause.error)) return Effect.failCause(cause)
          const without = new Set(refused).add(index)
          const next = choose(tries, (other) => without.has(other))
          return next < 0 ? Effect.failCause(cause) : attempt(request, tries, next, without)
        },
        onSuccess: (response) => {
          // The next call of the same request value begins anew.
          if (response.status < 400) calls.delete(request)
          else tries.failed[index] = true
          return Effect.succeed(response)
        }
      })
    }
    return (request) =>
      Effect.suspend(() => {
        if (/^[a-z][a-z0-9+.-]*:/i.test(request.url)) return handler(request)
        const tries = triesOf(request)
        return attempt(request, tries, choose(tries, () => false), none)
      })
  }
}

const none: ReadonlySet<number> = new Set()

const isList = (u: Options | ReadonlyArray<string>): u is ReadonlyArray<string> => Array.isArray(u)
