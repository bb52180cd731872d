/**
 * A policy: what protects the calls to a service, as data. It can be read from a file or the environment, printed, compared, checked and
 * replaced while a program runs.
 *
 * Each field names a strategy. A field that is left out leaves the strategy as a `ResilientClient` has it, which for most is not
 * there; "none" says that it is not there. Durations are texts such as "10 seconds", and milliseconds in a policy that has been
 * decoded.
 *
 * **Example** (A policy in code)
 *
 * ```ts
 * import { Policy } from "effect-resilience"
 *
 * const billing = Policy.make({
 *   name: "billing",
 *   attemptTimeout: "2 seconds",
 *   retry: { maxAttempts: 4, byFailure: { Throttled: { maxAttempts: 2 } } },
 *   circuitBreaker: { tripPolicy: { kind: "consecutive", failures: 5 }, openDuration: "30 seconds" },
 *   deadline: "10 seconds"
 * })
 *
 * billing.deadline // => 10_000
 * Policy.encode(billing).deadline // => "10 seconds"
 * ```
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Equivalence from "effect/Equivalence"
import * as JSONSchema from "effect/JSONSchema"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import * as Field from "./Field.ts"
import * as GuardPolicy from "./GuardPolicy.ts"
import * as InvalidPolicy from "./InvalidPolicy.ts"
import * as PolicyShape from "./PolicyShape.ts"
import * as ResendPolicy from "./ResendPolicy.ts"
import * as WirePolicy from "./WirePolicy.ts"

const { duration, durationAllowed, integer, lazily, list, once, optional, part, text, word } = Field

const none = lazily(() => word(["none"], { about: "Not there." }))

/** A strategy that may be left out, or said not to be there. */
const strategy = <A, I>(schema: Schema.Schema<A, I>, given: { readonly about: string; readonly default: unknown }) =>
  optional(part(Schema.Union(none, schema), { ...given, allowed: "\"none\" or an object" }))

const absent = "none"

const status = lazily(() => list(integer({ about: "A status.", min: 100, max: 599 }), { about: "Statuses." }))

const meaning = (about: string) => optional(part(status, { about, allowed: "a list of statuses, each from 100 to 599" }))

/**
 * Statuses that mean something else than they do by default.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Statuses = lazily(() =>
  Schema.Struct({
    Success: meaning("It is what was wanted."),
    Throttled: meaning("The other side asks for fewer requests: sent again after a longer wait, and no reason to open a breaker."),
    Unavailable: meaning("The other side cannot serve now: sent again."),
    Refused: meaning("The other side says no: not sent again.")
  })
)

const known = ["Success", "Throttled", "Unavailable", "Refused"] as const

/** A status has one meaning. */
const isOnce = (statuses: Statuses) => {
  const seen = new Set<number>()
  for (const name of known) {
    for (const [i, status] of (statuses[name] ?? []).entries()) {
      if (seen.has(status)) return { path: [name, i], message: "a status that is named once" }
      seen.add(status)
    }
  }
  return undefined
}

/** @since 0.1.0 @category models */
export interface Statuses extends Schema.Schema.Type<typeof Statuses> {}

/** A rule of what is otherwise for some requests. */
const Rule = lazily(() =>
  Schema.Struct({
    when: part(
      Schema.Struct({
        methods: optional(list(Field.method("A method."), { about: "One of these methods. Left out: any." })),
        paths: optional(
          list(
            text({
              about: "A path, or with /* at its end everything below it.",
              allowed: "a path that begins with a /, without * but for /* at its end",
              pattern: /^\/(?:[^*]*\/)?(?:[^*]+|\*)?$/,
              atMost: 2_048
            }).annotations({ arbitrary: () => (fc) => fc.constantFrom("/", "/1", "/2", "/*", "/users/*") }),
            { about: "One of these paths. Left out: any." }
          )
        )
      }),
      { about: "Which requests: those that all of this holds for." }
    ),
    use: part(
      Schema.Struct({
        retry: optional(part(Schema.Union(none, ResendPolicy.RuleRetry), { about: "How these are sent again. What is left out is as in the client.", allowed: "\"none\" or an object" })),
        hedge: optional(part(none, { about: "\"none\": these are not hedged.", allowed: "\"none\"" })),
        attemptTimeout: optional(
          part(Schema.Union(none, duration({ about: "For an attempt." })), { about: "How long an attempt may take.", allowed: `"none" or ${durationAllowed()}` })
        ),
        deadline: optional(
          part(Schema.Union(none, duration({ about: "For the call." })), { about: "How long a call may take.", allowed: `"none" or ${durationAllowed()}` })
        )
      }),
      { about: "What is otherwise for them." }
    )
  })
)

/** What is otherwise for some requests. @since 0.1.0 @category models */
export interface Rule extends Schema.Schema.Type<typeof Rule> {}

const Fields = lazily(() =>
  Schema.Struct({
    version: optional(part(Schema.Literal(1), { about: "The version of this format.", allowed: "1", default: 1 })),
    $schema: optional(text({ about: "Where an editor finds the JSON Schema. Nothing else looks at it.", allowed: "a text", atMost: 2_048 })),
    name: optional(
      text({
        about: "The name of the call's span, and of the call in events.",
        allowed: "a text of 1 to 100 characters, none of them a control character",
        pattern: /^[^\p{Cc}]+$/u,
        atMost: 100,
        default: "http"
      })
    ),
    statuses: optional(part(Statuses.pipe(Schema.filter(isOnce)), { about: "What some statuses mean to all strategies, where that is not what they mean by default." })),
    chaos: strategy(WirePolicy.Chaos, { about: "Faults that are injected into attempts, where a `Chaos` reference turns them on.", default: absent }),
    deadlineHeader: strategy(WirePolicy.DeadlineHeader, { about: "Tells the other side with each attempt how much time is left.", default: absent }),
    attemptHeader: strategy(WirePolicy.AttemptHeader, { about: "Tells the other side with each resend which attempt it is.", default: absent }),
    bufferedBody: strategy(WirePolicy.BufferedBody, {
      about: "Reads the body as part of the attempt, so that the limit of the attempt covers it and one that is cut is sent for again.",
      default: absent
    }),
    attemptTimeout: optional(
      part(Schema.Union(none, duration({ about: "Until the headers have arrived, or the body where it is buffered." }), WirePolicy.AttemptTimeout), {
        about: "How long an attempt may take.",
        allowed: `"none", ${durationAllowed()}, or an object with \`limit\``,
        default: "10 seconds"
      })
    ),
    redirects: strategy(WirePolicy.Redirects, { about: "Follows redirects without giving credentials, keys or bodies away.", default: absent }),
    rateLimit: strategy(GuardPolicy.RateLimit, { about: "So many calls in so long.", default: absent }),
    circuitBreaker: strategy(GuardPolicy.CircuitBreaker, { about: "Sends nothing for a while to what keeps failing.", default: absent }),
    adaptiveThrottle: strategy(GuardPolicy.AdaptiveThrottle, {
      about: "Does not send a share of the calls while the other side rejects too many.",
      default: absent
    }),
    adaptiveLimit: strategy(GuardPolicy.AdaptiveLimit, {
      about: "As many calls at once as can be served without making them wait, which is learned.",
      default: absent
    }),
    bulkhead: strategy(GuardPolicy.Bulkhead, { about: "So many calls at once.", default: absent }),
    endpoints: strategy(WirePolicy.Endpoints, { about: "Sends each attempt of a call to another of these.", default: absent }),
    retry: strategy(ResendPolicy.Retry, { about: "Sends a request again while it fails in a way that can pass.", default: {} }),
    hedge: strategy(ResendPolicy.Hedge, {
      about: "Sends a request once more before the first attempt has ended; in the place of the retry.",
      default: absent
    }),
    budget: optional(
      part(Schema.Union(word(["unlimited"], { about: "Nothing has to be paid." }), ResendPolicy.Budget), {
        about: "What resends are paid with, those of the retry and of the hedge alike.",
        allowed: "\"unlimited\" or an object whose `kind` is \"ratio\", \"throttle\" or \"quota\"",
        default: { kind: "ratio" }
      })
    ),
    idempotencyKey: strategy(WirePolicy.IdempotencyKey, { about: "Gives each call a key that is the same on each of its attempts.", default: absent }),
    fallback: strategy(WirePolicy.Fallback, { about: "Gives something else in the place of a failure.", default: absent }),
    deadline: optional(
      part(Schema.Union(none, duration({ about: "For the call." })), {
        about: "How long a call may take: its attempts, its waits, and the reading of its body.",
        allowed: `"none" or ${durationAllowed()}, such as "10 seconds"`,
        default: "30 seconds"
      })
    ),
    perRequest: optional(
      part(Schema.Union(none, list(part(Rule, { about: "A rule." }), { about: "Rules." })), {
        about: "What is otherwise for some requests: of these rules the first that a request meets.",
        allowed: "\"none\" or a list of 1 to 100 rules",
        default: absent
      })
    )
  })
)

interface Resending {
  readonly retry?: unknown
  readonly hedge?: unknown
}

const isThere = (u: unknown): boolean => u !== undefined && u !== "none"

const oneOfThem = ({ hedge, retry }: Resending) =>
  isThere(retry) && isThere(hedge)
    ? { path: ["hedge"], message: "left out where there is a `retry`, in whose place it stands" }
    : undefined

/**
 * The schema of a policy.
 *
 * @since 0.1.0
 * @category schemas
 */
export const schema: Schema.Schema<Policy, Encoded> = lazily(() => Fields.pipe(Schema.filter(oneOfThem)))

/**
 * A policy that has been decoded: durations are milliseconds.
 *
 * @since 0.1.0
 * @category models
 */
export interface Policy extends Schema.Schema.Type<typeof Fields> {}

/**
 * A policy as it is written: durations are texts.
 *
 * @since 0.1.0
 * @category models
 */
export interface Encoded extends Schema.Schema.Encoded<typeof Fields> {}

const options = { errors: "all", onExcessProperty: "error" } as const

const decoding = once(() => ParseResult.decodeUnknownEither(schema, options))
const encoding = once(() => ParseResult.encodeSync(schema, options))

/**
 * Reads a policy at once: see `decode`.
 *
 * @since 0.1.0
 * @category decoding
 */
export const decodeEither = (input: unknown): Either.Either<Policy, InvalidPolicy.InvalidPolicy> =>
  Either.mapLeft(decoding()(input), (issue) => InvalidPolicy.fromIssue(issue, input))

/**
 * Reads a policy from a value that may be anything: what `JSON.parse` gives, say.
 *
 * **Details**
 *
 * All that is wrong with it is told at once. A field that is not known is an error, and the nearest that is known is named.
 *
 * @since 0.1.0
 * @category decoding
 */
export const decode = (input: unknown): Effect.Effect<Policy, InvalidPolicy.InvalidPolicy> => Effect.suspend(() => decodeEither(input))

/**
 * Makes a policy in code. Throws `InvalidPolicy` on one that is none, as constructors do: it is a mistake in the program.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (input: Encoded): Policy => Either.getOrThrowWith(decodeEither(input), (error) => error)

/**
 * Writes a policy as JSON has it. What was left out stays left out.
 *
 * @since 0.1.0
 * @category encoding
 */
export const encode = (policy: Policy): Encoded => encoding()(policy)

/** Policies are plain: texts, numbers, lists and objects. An order of fields says nothing. */
const isSame = (one: unknown, other: unknown): boolean => {
  if (typeof one !== "object" || typeof other !== "object" || one === null || other === null) return one === other
  if (Array.isArray(one) !== Array.isArray(other)) return false
  const keys = Object.keys(one)
  return keys.length === Object.keys(other).length &&
    keys.every((key) => Object.hasOwn(other, key) && isSame(Reflect.get(one, key), Reflect.get(other, key)))
}

/**
 * Tells whether two policies say the same, field by field. One that says what holds by default anyhow, and one that leaves it out, do not.
 *
 * @since 0.1.0
 * @category equivalence
 */
export const equivalence: Equivalence.Equivalence<Policy> = isSame

/**
 * Gives the JSON Schema (draft 7) of policies, with descriptions and defaults: for editors.
 *
 * @since 0.1.0
 * @category encoding
 */
export const jsonSchema = (): Readonly<Record<string, unknown>> =>
  PolicyShape.annotate({ ...JSONSchema.make(schema) }, PolicyShape.membersOf(schema.ast))
