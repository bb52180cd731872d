/**
 * Policies in the shapes of other libraries, read as ours.
 *
 * What another shape cannot say is left as a `ResilientClient` has it: attempts have a limit, there is a budget, a `Retry-After` is
 * honoured, and what may not be sent twice is not. What ours cannot say is an error where it matters, and stands in the table of the
 * reader where it does not.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import type { Millis } from "../core/Millis.ts"
import * as Ceiling from "./Ceiling.ts"
import * as Field from "./Field.ts"
import * as GoDuration from "./GoDuration.ts"
import type * as GrpcServiceConfig from "./GrpcServiceConfig.ts"
import * as InvalidPolicy from "./InvalidPolicy.ts"
import * as Policy from "./Policy.ts"

const { durationText, integer, number, optional, part, word } = Field

type Read = Effect.Effect<Policy.Policy, InvalidPolicy.InvalidPolicy>

/** Decodes a shape, and what it says as a policy: the ceilings are those of every policy. */
const reader = <A, I>(schema: () => Schema.Schema<A, I>, policy: (shape: A) => Policy.Encoded) => {
  const decoding = Field.once(() => ParseResult.decodeUnknownEither(schema(), { errors: "all", onExcessProperty: "error" }))
  return (input: unknown): Read =>
    Effect.suspend(() =>
      Either.flatMap(
        Either.mapLeft(decoding()(input), (issue) => InvalidPolicy.fromIssue(issue, input)),
        (shape) => Policy.decodeEither(policy(shape))
      )
    )
}

/** A whole number of milliseconds, at least one: rounded up, and never to "at once". */
const text = (millis: Millis): string => durationText(Math.max(1, Math.ceil(millis)))

const millis = (about: string, max: Millis = Ceiling.wait) => optional(integer({ about, min: 1, max }))

/**
 * Reads the flat shape that many teams have: `{ maxRetries, initialDelayMs, backoffFactor, maxDelayMs, jitterEnabled }`.
 *
 * **Details**
 *
 * | theirs | ours |
 * | --- | --- |
 * | `maxRetries: n` | `maxAttempts: n + 1`; 0 is `retry: "none"`; left out it is 2, our 3 attempts |
 * | `initialDelayMs` | `backoff.base`; left out 100 ms |
 * | `backoffFactor` | `backoff.factor`; left out 2 |
 * | `maxDelayMs` | `backoff.cap`; left out 20 s |
 * | `jitterEnabled` | `backoff.jitter`: "full", or "none" where it is false; left out "full" |
 *
 * **Example** (Three retries are four attempts)
 *
 * ```ts
 * import { ForeignPolicy, Policy } from "effect-resilience"
 * import { Effect } from "effect"
 *
 * const policy = Effect.runSync(ForeignPolicy.fromFlat({ maxRetries: 3, initialDelayMs: 200, jitterEnabled: false }))
 *
 * Policy.encode(policy)
 * // => { retry: { maxAttempts: 4, backoff: { kind: "exponential", base: "200 millis", factor: 2, jitter: "none" } } }
 * ```
 *
 * @since 0.1.0
 * @category readers
 */
export const fromFlat: (input: unknown) => Read = reader(
  () =>
    Schema.Struct({
      maxRetries: optional(integer({ about: "How many attempts after the first.", min: 0, max: Ceiling.attempts - 1, default: 2 })),
      initialDelayMs: millis("The first delay in ms."),
      backoffFactor: optional(number({ about: "What each delay is multiplied by.", min: 1, max: 100, default: 2 })),
      maxDelayMs: millis("The longest delay in ms."),
      jitterEnabled: optional(part(Schema.Boolean, { about: "Whether delays are spread.", allowed: "true or false", default: true }))
    }),
  ({ backoffFactor = 2, initialDelayMs = 100, jitterEnabled = true, maxDelayMs, maxRetries = 2 }) =>
    maxRetries === 0 ? { retry: "none" } : {
      retry: {
        maxAttempts: maxRetries + 1,
        backoff: {
          kind: "exponential",
          base: text(initialDelayMs),
          factor: backoffFactor,
          ...(maxDelayMs === undefined ? {} : { cap: text(maxDelayMs) }),
          jitter: jitterEnabled ? "full" : "none"
        }
      }
    }
)

/** A duration of Go, as a text or in nanoseconds. */
const goDuration = (about: string) =>
  optional(part(
    Schema.transformOrFail(Schema.Union(Schema.String, Schema.Number), Schema.Number, {
      strict: true,
      decode: (given, _, ast) =>
        Option.match(GoDuration.millis(given), {
          onNone: () => ParseResult.fail(new ParseResult.Type(ast, given)),
          onSome: ParseResult.succeed
        }),
      encode: (millis) => ParseResult.succeed(`${millis}ms`)
    }),
    { about, allowed: "a duration of Go such as \"500ms\", or a whole number of nanoseconds" }
  ))

/**
 * Reads the five fields of `ExponentialBackOff` of cenkalti/backoff, under the names that they have in Go.
 *
 * **Details**
 *
 * | theirs, and their default | ours |
 * | --- | --- |
 * | `InitialInterval` (500 ms) | `backoff.base` |
 * | `Multiplier` (1.5) | `backoff.factor` |
 * | `RandomizationFactor` (0.5) | `backoff.jitter.proportional`; 0 is "none". Ours does not go beyond the cap |
 * | `MaxInterval` (60 s) | `backoff.cap` |
 * | `MaxElapsedTime` (15 min; 0 is for ever) | `during`, which counts from the first failure; 0 is left out |
 *
 * Theirs has no limit on attempts. Ours has 10, the most that a policy may have.
 *
 * **Example** (Their defaults)
 *
 * ```ts
 * import { ForeignPolicy } from "effect-resilience"
 * import { Effect } from "effect"
 *
 * Effect.runSync(ForeignPolicy.fromCenkalti({ MaxElapsedTime: "2m" })).retry
 * // => { maxAttempts: 10, backoff: { kind: "exponential", base: 500, factor: 1.5, cap: 60_000, jitter: { proportional: 0.5 } }, during: 120_000 }
 * ```
 *
 * @since 0.1.0
 * @category readers
 */
export const fromCenkalti: (input: unknown) => Read = reader(
  () =>
    Schema.Struct({
      InitialInterval: goDuration("The first delay."),
      RandomizationFactor: optional(number({ about: "How far delays are spread.", min: 0, max: 1, default: 0.5 })),
      Multiplier: optional(number({ about: "What each delay is multiplied by.", min: 1, max: 100, default: 1.5 })),
      MaxInterval: goDuration("The longest delay."),
      MaxElapsedTime: goDuration("When to stop.")
    }),
  ({ InitialInterval = 500, MaxElapsedTime = 900_000, MaxInterval = 60_000, Multiplier = 1.5, RandomizationFactor = 0.5 }) => ({
    retry: {
      maxAttempts: Ceiling.attempts,
      backoff: {
        kind: "exponential",
        base: text(InitialInterval),
        factor: Multiplier,
        cap: text(MaxInterval),
        jitter: RandomizationFactor === 0 ? "none" : { proportional: RandomizationFactor }
      },
      ...(MaxElapsedTime === 0 ? {} : { during: text(MaxElapsedTime) })
    }
  })
)

/**
 * Reads the options of avast/retry-go, under their names with a small first letter.
 *
 * **Details**
 *
 * | theirs, and their default | ours |
 * | --- | --- |
 * | `attempts` (10) | `maxAttempts`, which counts the first too, as theirs does; their 0, "until it succeeds", is refused |
 * | `delay` (100 ms) | `backoff.base`, or the `delay` of a constant one |
 * | `maxDelay` (none) | `backoff.cap`; left out 20 s |
 * | `maxJitter` (100 ms) | added to each delay by "combined" and "random" |
 * | `delayType` "fixed" | constant, without jitter |
 * | "backoff" | exponential with a factor of 2, without jitter |
 * | "random" | between 0 and `maxJitter`: constant in full jitter |
 * | "combined" (the default) | exponential in proportional jitter: never sooner than theirs, the first delay exactly as theirs, later ones spread further |
 *
 * **Example** (Their defaults: 100 to 200 ms, then 200 to 400)
 *
 * ```ts
 * import { Backoff, ForeignPolicy, Interpreter } from "effect-resilience"
 * import { Effect } from "effect"
 *
 * const { retry } = Effect.runSync(ForeignPolicy.fromRetryGo({ attempts: 4 }))
 * const backoff = typeof retry === "object" && retry.backoff ? Interpreter.backoff(retry.backoff) : Backoff.constant(0)
 *
 * Backoff.take(backoff, 3, 0) // => [100, 200, 400]
 * Backoff.take(backoff, 3, 1) // => [200, 400, 800]
 * ```
 *
 * @since 0.1.0
 * @category readers
 */
export const fromRetryGo: (input: unknown) => Read = reader(
  () =>
    Schema.Struct({
      attempts: optional(integer({ about: "How many attempts, the first included.", min: 1, max: Ceiling.attempts, default: 10 })),
      delay: goDuration("The first delay."),
      maxDelay: goDuration("The longest delay."),
      maxJitter: goDuration("The longest random delay."),
      delayType: optional(word(["combined", "backoff", "fixed", "random"], { about: "How delays are made.", default: "combined" }))
    }),
  ({ attempts = Ceiling.attempts, delay = 100, delayType = "combined", maxDelay, maxJitter = 100 }) => ({
    retry: {
      maxAttempts: attempts,
      backoff: {
        ...retryGo[maxJitter === 0 && delayType === "combined" ? "backoff" : delayType](delay, maxJitter),
        ...(maxDelay === undefined ? {} : { cap: text(maxDelay) })
      }
    }
  })
)

const atLeastNothing = (millis: Millis): string => durationText(Math.ceil(millis))

const retryGo = {
  fixed: (delay: Millis) => ({ kind: "constant", delay: atLeastNothing(delay), jitter: "none" }) as const,
  random: (_: Millis, maxJitter: Millis) => ({ kind: "constant", delay: atLeastNothing(maxJitter), jitter: "full" }) as const,
  backoff: (delay: Millis) => ({ kind: "exponential", base: text(delay), factor: 2, jitter: "none" }) as const,
  // In the middle of [delay, delay + maxJitter], and as far from it as both ends are.
  combined: (delay: Millis, maxJitter: Millis) =>
    ({
      kind: "exponential",
      base: text(delay + maxJitter / 2),
      factor: 2,
      jitter: { proportional: maxJitter / (2 * delay + maxJitter) }
    }) as const
}

/** The kinds of failure of HTTP that a status of gRPC stands for. */
const kinds = {
  ConnectFailure: ["UNAVAILABLE"],
  ConnectionLost: ["UNAVAILABLE"],
  Unavailable: ["UNAVAILABLE"],
  Throttled: ["RESOURCE_EXHAUSTED"],
  ServerFault: ["INTERNAL", "UNKNOWN"],
  AttemptTimedOut: ["DEADLINE_EXCEEDED"]
} as const

/**
 * Reads what a gRPC service config says of a method (`GrpcServiceConfig.forMethod`), for a client of the same service over HTTP.
 *
 * **Details**
 *
 * | theirs | ours |
 * | --- | --- |
 * | `timeout` | `deadline` |
 * | `retryPolicy.maxAttempts` | `maxAttempts`: both count the first, and both end at 5 there |
 * | `initialBackoff`, `backoffMultiplier`, `maxBackoff` | `backoff.base`, `factor`, `cap` |
 * | the jitter of the specification, 20 % up and down | `backoff.jitter.proportional: 0.2` |
 * | `retryableStatusCodes` | `byFailure`: "none" for each kind that no code of the list stands for |
 * | `hedgingPolicy.maxAttempts`, `hedgingDelay` | `hedge.maxAttempts`, `hedge.delay` |
 * | `nonFatalStatusCodes` | what ours goes on after by itself |
 * | `retryThrottling` | `budget`, of the kind "throttle" |
 *
 * UNAVAILABLE stands for connections that fail and for 502, 503, 504, RESOURCE_EXHAUSTED for 429, INTERNAL and UNKNOWN for 500,
 * DEADLINE_EXCEEDED for an attempt that takes too long. What a gRPC status means to a call over gRPC is for `effect-resilience/grpc`.
 *
 * @since 0.1.0
 * @category readers
 */
export const fromGrpc = (
  { resending, timeout }: GrpcServiceConfig.MethodConfig,
  retryThrottling: GrpcServiceConfig.GrpcServiceConfig["retryThrottling"] = Option.none()
): Read =>
  Effect.suspend(() =>
    Policy.decodeEither({
      ...resent(resending),
      ...Option.match(retryThrottling, { onNone: () => ({}), onSome: (tokens) => ({ budget: { kind: "throttle", ...tokens } }) }),
      ...Option.match(timeout, { onNone: () => ({}), onSome: (millis) => ({ deadline: text(millis) }) })
    })
  )

const resent = (resending: GrpcServiceConfig.MethodConfig["resending"]): Policy.Encoded => {
  switch (resending._tag) {
    case "None":
      return { retry: "none" }
    case "Hedging": {
      const { hedgingDelay, maxAttempts } = resending.policy
      return { hedge: { delay: atLeastNothing(hedgingDelay), maxAttempts } }
    }
    case "Retry": {
      const { backoffMultiplier, initialBackoff, maxAttempts, maxBackoff, retryableStatusCodes } = resending.policy
      const codes: ReadonlySet<string> = new Set(retryableStatusCodes)
      const never = Object.entries(kinds).filter(([, stand]) => !stand.some((code) => codes.has(code)))
      return {
        retry: {
          maxAttempts,
          backoff: {
            kind: "exponential",
            base: text(initialBackoff),
            factor: backoffMultiplier,
            cap: text(maxBackoff),
            jitter: { proportional: 0.2 }
          },
          byFailure: Object.fromEntries(never.map(([kind]) => [kind, "none"]))
        }
      }
    }
  }
}
