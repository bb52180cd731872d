/**
 * The policies of the services that a program calls, by their names, and which of them are degraded: one document.
 *
 * **Example** (Two services, one of which is not called for now)
 *
 * ```ts
 * import { Services } from "effect-resilience"
 * import { Effect } from "effect"
 *
 * const text = `{
 *   "services": {
 *     "billing": { "deadline": "10 seconds" },
 *     "search": { "fallback": { "kind": "value", "body": "[]" } }
 *   },
 *   "degraded": ["search"]
 * }`
 *
 * const services = Effect.runSync(Services.fromJson(text))
 *
 * services.policies.get("billing")?.deadline // => 10_000
 * services.degraded.has("search") // => true
 * ```
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Ceiling from "./Ceiling.ts"
import * as InvalidPolicy from "./InvalidPolicy.ts"
import * as Nearest from "./Nearest.ts"
import * as Policy from "./Policy.ts"

/**
 * Policies by the names of services.
 *
 * @since 0.1.0
 * @category models
 */
export interface Services {
  readonly policies: ReadonlyMap<string, Policy.Policy>
  /** Those to which nothing is sent: their fallback answers, if there is one. */
  readonly degraded: ReadonlySet<string>
}

/**
 * Makes services in code. Throws `InvalidPolicy`, as `Policy.make` does.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  services: Readonly<Record<string, Policy.Encoded>>,
  options: { readonly degraded?: ReadonlyArray<string> | undefined } = {}
): Services => Either.getOrThrowWith(read({ services, degraded: options.degraded ?? [] }), (error) => error)

const fields = ["services", "degraded"]

const whole = (value: unknown, allowed: string) => InvalidPolicy.of({ _tag: "Wrong", path: [], value, allowed })

const isObject = (u: unknown): u is object => typeof u === "object" && u !== null && !Array.isArray(u)

/** Own fields alone: what stands on a prototype is none. */
const own = (u: object): ReadonlyArray<readonly [string, unknown]> => Object.entries(u)

const read = (input: unknown): Either.Either<Services, InvalidPolicy.InvalidPolicy> => {
  const problems: Array<InvalidPolicy.Problem> = []
  const policies = new Map<string, Policy.Policy>()
  const degraded = new Set<string>()
  const wrong = (path: InvalidPolicy.Path, value: unknown, allowed: string) => void problems.push({ _tag: "Wrong", path, value, allowed })
  const readPolicies = (given: unknown) => {
    if (!isObject(given)) return wrong(["services"], given, "an object of policies, by the names of services")
    if (own(given).length > Ceiling.entries) return wrong(["services"], given, `an object of at most ${Ceiling.entries} policies`)
    for (const [name, policy] of own(given)) {
      const decoded = Policy.decodeEither(policy)
      if (Either.isRight(decoded)) policies.set(name, decoded.right)
      else for (const problem of decoded.left.problems) problems.push({ ...problem, path: ["services", name, ...problem.path] })
    }
  }
  const readDegraded = (given: unknown) => {
    if (!Array.isArray(given)) return wrong(["degraded"], given, "a list of names of services")
    given.forEach((name, i) => {
      if (typeof name === "string" && policies.has(name)) degraded.add(name)
      else wrong(["degraded", i], name, `the name of one of the services: ${[...policies.keys()].join(", ")}`)
    })
  }
  if (!isObject(input)) return Either.left(whole(input, "an object with `services`"))
  const document = new Map(own(input))
  if (document.has("services")) readPolicies(document.get("services"))
  else problems.push({ _tag: "Missing", path: ["services"], allowed: "an object of policies, by the names of services" })
  // Names in it are those of services, which must be known first.
  if (problems.length === 0 && document.has("degraded")) readDegraded(document.get("degraded"))
  for (const [name, value] of document) {
    if (!fields.includes(name)) problems.push({ _tag: "Unknown", path: [name], value, nearest: Nearest.of(name, fields), known: fields })
  }
  return problems.length === 0
    ? Either.right({ policies, degraded })
    : Either.left(new InvalidPolicy.InvalidPolicy({ source: Option.none(), problems }))
}

/**
 * Reads services from a value that may be anything. All that is wrong is told at once.
 *
 * @since 0.1.0
 * @category decoding
 */
export const decode = (input: unknown): Effect.Effect<Services, InvalidPolicy.InvalidPolicy> => Effect.suspend(() => read(input))

/**
 * Reads services from a text of JSON.
 *
 * @since 0.1.0
 * @category decoding
 */
export const fromJson = (text: string): Effect.Effect<Services, InvalidPolicy.InvalidPolicy> => {
  if (text.length > Ceiling.bytes) return whole(text, `a text of JSON of at most ${Ceiling.bytes} characters`)
  const parsed = Effect.try({ try: (): unknown => JSON.parse(text), catch: () => whole(text, "a text of JSON") })
  return Effect.flatMap(parsed, decode)
}
