/**
 * Overrides by request: rules that are written when a client is built.
 *
 * Which endpoint may be sent twice, and how long it takes, belongs to the service and not to each place that calls it.
 *
 * @since 0.1.0
 */
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import { InvalidOption, nonEmpty } from "../core/InvalidOption.ts"
import type * as Middleware from "./Middleware.ts"
import * as Overrides from "./Overrides.ts"

type Request = HttpClientRequest.HttpClientRequest
type Response = HttpClientResponse.HttpClientResponse

/**
 * Which requests a rule is for: those that all fields hold for.
 *
 * @since 0.1.0
 * @category models
 */
export interface When {
  /** Default: all. */
  readonly methods?: ReadonlyArray<string> | undefined
  /**
   * The path, as it is in the request that the client is given: after `.` and `..` have been resolved, without query. A text is the whole
   * path, or with `/*` at its end everything below; an expression is searched for in it. Default: all.
   */
  readonly paths?: ReadonlyArray<string | RegExp> | undefined
}

/**
 * A rule: which requests, and what is otherwise for them.
 *
 * @since 0.1.0
 * @category models
 */
export interface Rule {
  readonly when: When
  /** Without a key: one for many requests would make all of them one. */
  readonly use: Omit<Overrides.Options, "idempotencyKey"> & { readonly idempotencyKey?: undefined }
}

/**
 * What is otherwise for a request: the first rule that it meets, or what a function says. `undefined`: nothing.
 *
 * @since 0.1.0
 * @category models
 */
export type Options = ReadonlyArray<Rule> | ((request: Request) => Overrides.Options | Overrides.Overrides | undefined)

/**
 * The path of a URL, absolute or relative, with `.` and `..` resolved. One that cannot be read has none: "".
 *
 * **Example** (What a rule sees)
 *
 * ```ts
 * import { PerRequest } from "effect-resilience"
 *
 * PerRequest.path("https://users.test/users/../health?deep=1") // => "/health"
 * PerRequest.path("users/1") // => "/users/1"
 * ```
 *
 * @since 0.1.0
 * @category getters
 */
export const path = (url: string): string => {
  try {
    return new URL(url, "http://relative.invalid/").pathname
  } catch {
    return ""
  }
}

type Meets = (request: Request) => boolean

const invalid = (option: string, value: unknown, requirement: string) =>
  new InvalidOption({ where: "PerRequest", option, value, requirement })

const pathTest = (given: string | RegExp): (path: string) => boolean => {
  // `search` begins at the start, whatever an expression with state remembers.
  if (given instanceof RegExp) return (path) => path.search(given) >= 0
  if (!given.startsWith("/")) throw invalid("paths", given, "paths that begin with \"/\"")
  if (given.slice(0, -1).includes("*") || given.endsWith("*") && !given.endsWith("/*")) {
    throw invalid("paths", given, "paths without \"*\", but for \"/*\" at the end")
  }
  if (!given.endsWith("/*")) return (path) => path === given
  const below = given.slice(0, -1)
  return (path) => path.startsWith(below)
}

const meets = ({ methods, paths }: When): Meets => {
  const upper = methods === undefined ? undefined : new Set(nonEmpty("PerRequest", "methods", methods).map((each) => each.toUpperCase()))
  const tests = paths === undefined ? undefined : nonEmpty("PerRequest", "paths", paths).map(pathTest)
  return (request) => {
    if (upper !== undefined && !upper.has(request.method)) return false
    if (tests === undefined) return true
    const at = path(request.url)
    return tests.some((test) => test(at))
  }
}

const compiled = (options: Options): (request: Request) => Overrides.Overrides | undefined => {
  if (typeof options === "function") {
    const known = new WeakMap<Overrides.Options, Overrides.Overrides>()
    return (request) => {
      const given = options(request)
      if (given === undefined || given instanceof Overrides.Overrides) return given
      const made = known.get(given) ?? Overrides.make(given)
      known.set(given, made)
      return made
    }
  }
  const rules = options.map(({ use, when }) => {
    if (use.idempotencyKey !== undefined) throw invalid("idempotencyKey", "a key", "left out: it would be one key for many requests")
    return { meets: meets(when), overrides: Overrides.make(use) }
  })
  return (request) => rules.find((rule) => rule.meets(request))?.overrides
}

/**
 * Gives requests overrides by rules. Stand outside of everything that they are about.
 *
 * **Details**
 *
 * What a scope says (`Overrides.override`) stands in front of a rule, and a rule in front of the client, field by field. Of the rules the
 * first that a request meets holds, and no other. What cannot be throws `InvalidOption` when the client is built; what a function gives,
 * when it gives it.
 *
 * **Example** (By method and path)
 *
 * ```ts
 * import { HttpClient } from "@effect/platform"
 * import { Resilience } from "effect-resilience"
 * import { HttpScript } from "effect-resilience/testing"
 * import { Effect, Schedule } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const users = (yield* HttpClient.HttpClient).pipe(
 *     Resilience.withRetry({ schedule: Schedule.spaced("1 millis"), maxAttempts: 3 }),
 *     Resilience.withPerRequest([{ when: { methods: ["GET"], paths: ["/health"] }, use: { retry: "none" } }])
 *   )
 *   yield* users.get("http://users.test/health")
 *   yield* users.get("http://users.test/1")
 *   return (yield* HttpScript.requests).map(({ url }) => url)
 * })
 *
 * const peer = HttpScript.layer([{ status: 503 }], { atEnd: "repeatLast" })
 *
 * await program.pipe(Effect.provide(peer), Effect.runPromise)
 * // => ["http://users.test/health", "http://users.test/1", "http://users.test/1", "http://users.test/1"]
 * ```
 *
 * @since 0.1.0
 * @category middleware
 */
export const middleware = (options: Options): Middleware.Middleware => {
  const find = compiled(options)
  return <E, R>(handler: Middleware.Handler<E, R>): Middleware.Handler<E, R> => (request) =>
    Effect.suspend<Response, E, R>(() => {
      const own = find(request)
      return own === undefined ? handler(request) : Overrides.bindOwn(Effect.suspend(() => handler(request)), own, request)
    })
}
