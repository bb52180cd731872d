/**
 * What a policy says of sending again: backoff, retry, budget, hedge.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { defaultRetryAfterCap } from "../core/Decision.ts"
import * as Idempotency from "../core/Idempotency.ts"
import * as Ceiling from "./Ceiling.ts"
import * as Field from "./Field.ts"

const { duration, durationAllowed, durationText, integer, lazily, list, number, optional, part, word } = Field

const jitter = lazily(() =>
  part(
    Schema.Union(
      word(["full", "equal", "none"], { about: "By a whole, by a half, or not at all." }),
      Schema.Struct({ proportional: number({ about: "By this part of the delay, up or down.", above: 0, max: 1 }) })
    ),
    {
      about: "How far delays are spread: \"full\" from 0 to the delay, \"equal\" from half of it, `proportional` by a part of it up or down.",
      allowed: "\"full\", \"equal\", \"none\" or an object with `proportional`",
      default: "full"
    }
  )
)

const spread = () => ({
  cap: optional(duration({ about: "No delay is longer.", default: "20 seconds" })),
  jitter: optional(jitter)
})

const base = lazily(() => duration({ about: "The first delay, before jitter." }))

/**
 * How long to wait before each resend.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Backoff = lazily(() =>
  Schema.Union(
    Schema.Struct({ kind: word(["constant"], { about: "Always the same." }), delay: duration({ about: "Each delay, before jitter.", min: 0 }), ...spread() }),
    Schema.Struct({
      kind: word(["linear"], { about: "Longer by the same step each time." }),
      base,
      step: optional(duration({ about: "What each delay is longer by. Left out: the base.", min: 0 })),
      ...spread()
    }),
    Schema.Struct({
      kind: word(["exponential"], { about: "Longer by a factor each time." }),
      base,
      factor: optional(number({ about: "What each delay is multiplied by.", min: 1, max: 100, default: 2 })),
      ...spread()
    }),
    Schema.Struct({ kind: word(["fibonacci"], { about: "Longer as the Fibonacci numbers are." }), base, ...spread() }),
    Schema.Struct({
      kind: word(["decorrelated"], { about: "Between the base and some times the delay before: random by itself." }),
      base,
      factor: optional(number({ about: "How many times the delay before it a delay can be.", min: 1, max: 100, default: 3 })),
      cap: spread().cap
    })
  )
)

/** @since 0.1.0 @category models */
export type Backoff = Schema.Schema.Type<typeof Backoff>

const backoff = (given: { readonly about: string; readonly default?: unknown }) =>
  part(Backoff, { ...given, allowed: "an object whose `kind` is \"constant\", \"linear\", \"exponential\", \"fibonacci\" or \"decorrelated\"" })

const maxAttempts = (about: string) => integer({ about, min: 1, max: Ceiling.attempts, default: 3 })

/**
 * What is done after one kind of failure.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Case = lazily(() =>
  Schema.Struct({
    maxAttempts: optional(
      integer({ about: "After how many failures of this kind nothing more is sent. Left out: the limit of the retry alone.", min: 1, max: Ceiling.attempts })
    ),
    backoff: optional(backoff({ about: "How long to wait after a failure of this kind. Left out: what the retry does by default." }))
  })
)

/** @since 0.1.0 @category models */
export interface Case extends Schema.Schema.Type<typeof Case> {}

const aCase = (after: string) =>
  optional(
    part(Schema.Union(word(["none"], { about: "Nothing more is sent." }), Case), {
      about: `After ${after}. "none": nothing more is sent.`,
      allowed: "\"none\" or an object"
    })
  )

/**
 * What is done after each kind of failure that can pass.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Cases = lazily(() =>
  Schema.Struct({
    ConnectFailure: aCase("a connection that was never made"),
    ConnectionLost: aCase("a connection that broke"),
    AttemptTimedOut: aCase("an attempt that took longer than its limit"),
    Throttled: aCase("a response that asks for fewer requests: 429, or 503 with a Retry-After"),
    Unavailable: aCase("a response that says \"not now\": 408, 425, 502, 503, 504"),
    ServerFault: aCase("a response of 500"),
    RpcFailure: aCase("a gRPC or Connect status that can pass"),
    Rejected: aCase("a refusal of our own, such as an open circuit breaker")
  })
)

/** @since 0.1.0 @category models */
export interface Cases extends Schema.Schema.Type<typeof Cases> {}

const keyHeader = lazily(() => Field.headerName({ about: "The name of a header." }))

const resend = () =>
  optional(
    word(Idempotency.gates, {
      about: "Which requests may be sent again: those that are idempotent by method or key, these and what was throttled, or all whose body can be sent again.",
      default: "idempotent"
    })
  )

const gate = () => ({
  keyHeaders: optional(
    list(keyHeader, {
      about: "The headers that make a request idempotent, whatever its method.",
      default: ["Idempotency-Key", "X-Idempotency-Key"]
    })
  ),
  resend: resend()
})

const again = () => ({
  maxAttempts: optional(maxAttempts("How many attempts a call has, the first included.")),
  backoff: optional(
    backoff({
      about: "How long to wait between attempts. Left out: exponential in full jitter from 100 ms, after throttling from 500 ms, up to 20 s."
    })
  ),
  byFailure: optional(part(Cases, { about: "What is different after some kinds of failure." })),
  retryAfter: optional(
    part(
      Schema.Union(
        word(["ignore"], { about: "What the server asks is not looked at." }),
        Schema.Struct({
          atMost: optional(
            duration({
              about: "The longest wait that a server can ask for; where it asks for more, nothing more is sent.",
              min: 0,
              default: durationText(defaultRetryAfterCap)
            })
          ),
          jitter: optional(number({ about: "What a hint is lengthened by at random, as a part of it.", min: 0, max: 1, default: 0 }))
        })
      ),
      { about: "How a Retry-After is honoured.", allowed: "\"ignore\" or an object" }
    )
  ),
  during: optional(duration({ about: "No wait is begun that would end later than so long after the first failure." })),
  givenUp: optional(
    word(["final", "recklessly"], {
      about: "Whether a failure that a retry inside of this one has given up stays given up.",
      default: "final"
    })
  )
})

/**
 * Sending again after a failure.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Retry = lazily(() => Schema.Struct({ ...again(), ...gate() }))

/** @since 0.1.0 @category models */
export interface Retry extends Schema.Schema.Type<typeof Retry> {}

/**
 * Sending some requests of a client again otherwise than the others. Which headers are keys is said once, for the client.
 *
 * @since 0.1.0
 * @category schemas
 */
export const RuleRetry = lazily(() => Schema.Struct({ ...again(), resend: resend() }))

const cost = (after: string) => optional(number({ about: `After ${after}.`, min: 0, max: Ceiling.rate }))

/**
 * What resends are paid with, retries and hedges alike.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Budget = lazily(() =>
  Schema.Union(
    Schema.Struct({
      kind: word(["ratio"], { about: "A part of the successes of a window, and a reserve." }),
      ratio: optional(number({ about: "How many resends a success pays for.", min: 0, max: 10, default: 0.1 })),
      floorPerSecond: optional(
        number({ about: "How many resends a second are paid for without any success.", min: 0, max: 10_000, default: 1 })
      ),
      window: optional(duration({ about: "How long a success counts, and a resend.", max: Ceiling.window, default: "10 seconds" }))
    }),
    Schema.Struct({
      kind: word(["throttle"], { about: "The tokens of gRPC: resends while more than half of them are there." }),
      maxTokens: integer({ about: "Where it begins, and the most it holds.", min: 1, max: 1_000 }),
      tokenRatio: number({ about: "What a success adds; three decimals count.", min: 0.001, max: 1_000 })
    }),
    Schema.Struct({
      kind: word(["quota"], { about: "The tokens of the AWS SDKs: a resend costs some, and gives them back where it succeeds." }),
      capacity: optional(integer({ about: "Where it begins, and the most it holds.", min: 1, max: Ceiling.rate, default: 500 })),
      costs: optional(
        part(
          Schema.Struct({
            ConnectFailure: cost("a connection that was never made"),
            ConnectionLost: cost("a connection that broke"),
            AttemptTimedOut: cost("an attempt that took longer than its limit"),
            Throttled: cost("a response that asks for fewer requests"),
            Unavailable: cost("a response that says \"not now\""),
            ServerFault: cost("a response of 500"),
            RpcFailure: cost("a gRPC or Connect status that can pass"),
            Rejected: cost("a refusal of our own"),
            otherwise: number({ about: "After any failure that is not named.", min: 0, max: Ceiling.rate })
          }),
          { about: "What a resend costs, by the kind of failure before it.", default: { Throttled: 5, otherwise: 14 } }
        )
      )
    })
  )
)

/** @since 0.1.0 @category models */
export type Budget = Schema.Schema.Type<typeof Budget>

/**
 * Sending once more before the first attempt has ended, in the place of a retry.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Hedge = lazily(() =>
  Schema.Struct({
    delay: part(
      Schema.Union(
        duration({ about: "How long the latest attempt is waited for.", min: 0 }),
        Schema.Struct({
          quantile: optional(
            number({ about: "The share of recent attempts that are over before the delay.", above: 0, max: 1, default: 0.95 })
          ),
          fallback: duration({ about: "The delay until enough attempts have been seen.", min: 0 }),
          minimumSamples: optional(
            integer({ about: "How many attempts must have been seen.", min: 1, max: Ceiling.calls, default: 20 })
          ),
          atLeast: optional(duration({ about: "The shortest delay that is learned.", default: "1 milli" })),
          window: optional(duration({ about: "How long an attempt is remembered.", max: Ceiling.window, default: "30 seconds" }))
        })
      ),
      {
        about: "How long the latest attempt is waited for before the next is begun: a fixed time, or one that is learned.",
        allowed: `${durationAllowed({ min: 0 })}, or an object with \`fallback\``
      }
    ),
    maxAttempts: optional(
      integer({ about: "How many attempts a call has, the first included.", min: 1, max: Ceiling.hedgedAttempts, default: 2 })
    ),
    ...gate()
  })
)

/** @since 0.1.0 @category models */
export interface Hedge extends Schema.Schema.Type<typeof Hedge> {}

