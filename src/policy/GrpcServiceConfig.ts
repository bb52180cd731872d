/**
 * gRPC's service config, as JSON: the parts that say how calls are sent again (gRFC A6), how long they may take, and which methods that
 * is for.
 *
 * It can come over DNS from somebody else, so it is checked as the specification has it: what is wrong is an error with its place. What
 * it says of other things, such as load balancing, is not looked at.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import { maxDelay, type Millis } from "../core/Millis.ts"
import * as RpcStatus from "../core/RpcStatus.ts"
import * as Field from "./Field.ts"
import * as InvalidPolicy from "./InvalidPolicy.ts"

const { lazily, optional, part } = Field

/**
 * The most attempts of a call, whatever a config asks for: 5, as in gRPC.
 *
 * @since 0.1.0
 * @category constants
 */
export const maxAttempts = 5

/** The JSON of a protobuf `Duration` that is not negative. The first digit may be missing, as it is in the specification's own example. */
const durationText = /^(?:([0-9]{1,12})(?:\.([0-9]{0,9}))?|\.([0-9]{1,9}))s$/

/**
 * Reads a protobuf duration such as `"0.1s"`, in ms, at most `maxDelay`.
 *
 * **Example** (Three durations)
 *
 * ```ts
 * import { GrpcServiceConfig } from "effect-resilience"
 * import { Option } from "effect"
 *
 * GrpcServiceConfig.duration("1.5s") // => Option.some(1500)
 * GrpcServiceConfig.duration(".1s") // => Option.some(100)
 * GrpcServiceConfig.duration("100ms") // => Option.none()
 * ```
 *
 * @since 0.1.0
 * @category parsing
 */
export const duration = (text: string): Option.Option<Millis> => {
  const match = durationText.exec(text)
  if (match === null) return Option.none()
  const [, seconds = "0", fraction = match[3] ?? ""] = match
  return Option.some(Math.min(Number(seconds) * 1000 + Number(fraction.padEnd(9, "0")) / 1e6, maxDelay))
}

const Duration = (given: { readonly about: string; readonly isPositive: boolean }) =>
  part(
    Schema.transformOrFail(Schema.String, Schema.Number, {
      strict: true,
      decode: (text, _, ast) =>
        Option.match(Option.filter(duration(text), (millis) => millis > 0 || !given.isPositive), {
          onNone: () => ParseResult.fail(new ParseResult.Type(ast, text)),
          onSome: ParseResult.succeed
        }),
      encode: (millis) => ParseResult.succeed(`${millis / 1000}s`)
    }),
    { about: given.about, allowed: `a duration in seconds${given.isPositive ? " of more than 0" : ""}, such as "0.5s"` }
  )

const attempts = lazily(() =>
  part(Schema.Int.pipe(Schema.greaterThanOrEqualTo(2)), {
    about: `How many attempts a call has, the first included. More than ${maxAttempts} are ${maxAttempts}.`,
    allowed: "a whole number from 2"
  })
)

const Code = lazily(() =>
  part(
    Schema.transformOrFail(Schema.Union(Schema.String, Schema.Number), Schema.Literal(...RpcStatus.codes), {
      strict: true,
      decode: (given, _, ast) =>
        Option.match(typeof given === "string" ? RpcStatus.fromName(given) : RpcStatus.fromNumber(given), {
          onNone: () => ParseResult.fail(new ParseResult.Type(ast, given)),
          onSome: ParseResult.succeed
        }),
      encode: ParseResult.succeed
    }),
    { about: "A status code.", allowed: "the name or the number of a status code other than OK" }
  )
)

const codes = "a list of status codes"

const RetryPolicySchema = lazily(() =>
  Schema.Struct({
    maxAttempts: attempts,
    initialBackoff: Duration({ about: "The longest delay before the first resend, before jitter.", isPositive: true }),
    maxBackoff: Duration({ about: "No delay is longer.", isPositive: true }),
    backoffMultiplier: Field.number({ about: "What each delay is multiplied by.", above: 0 }),
    retryableStatusCodes: part(Schema.Array(Code).pipe(Schema.minItems(1)), { about: "After which codes a call is sent again.", allowed: `${codes} that is not empty` })
  })
)

const HedgingPolicySchema = lazily(() =>
  Schema.Struct({
    maxAttempts: attempts,
    hedgingDelay: optional(Duration({ about: "How long an attempt is waited for. Left out: all are sent at once.", isPositive: false })),
    nonFatalStatusCodes: optional(part(Schema.Array(Code), { about: "After which codes the others go on.", allowed: codes }))
  })
)

/** An empty text is one that is left out, as protobuf has it. */
const nameText = (about: string) => optional(part(Schema.String, { about, allowed: "a text" }))

const NameSchema = lazily(() =>
  Schema.Struct({
    service: nameText("The name of a service with its package. Left out: every service."),
    method: nameText("The name of a method. Left out: every method of the service.")
  }).pipe(Schema.filter(({ method = "", service = "" }) =>
    method !== "" && service === "" ? { path: ["method"], message: "left out where there is no service" } : undefined))
)

const MethodSchema = lazily(() =>
  Schema.Struct({
    name: part(Schema.Array(NameSchema), { about: "Which methods it is for.", allowed: "a list of objects with `service` and `method`" }),
    timeout: optional(Duration({ about: "How long a call may take.", isPositive: true })),
    retryPolicy: optional(part(RetryPolicySchema, { about: "How a call is sent again." })),
    hedgingPolicy: optional(part(HedgingPolicySchema, { about: "How a call is sent several times at once." }))
  }).pipe(Schema.filter(({ hedgingPolicy, retryPolicy }) =>
    hedgingPolicy !== undefined && retryPolicy !== undefined
      ? { path: ["hedgingPolicy"], message: "left out where there is a retryPolicy" }
      : undefined))
)

const ThrottlingSchema = lazily(() =>
  Schema.Struct({
    maxTokens: Field.integer({ about: "Where the tokens begin, and the most there are.", min: 1, max: 1000 }),
    tokenRatio: Field.number({ about: "What a success adds; three decimals count.", min: 0.001 })
  })
)

type Name = Schema.Schema.Type<typeof NameSchema>

const keyOf = ({ method = "", service = "" }: Name): string => service === "" ? "" : `${service}/${method}`

const ConfigSchema = lazily(() =>
  Schema.Struct({
    methodConfig: optional(part(Schema.Array(MethodSchema), { about: "What holds for which methods.", allowed: "a list of objects" })),
    retryThrottling: optional(part(ThrottlingSchema, { about: "What resends are paid with." }))
  }).pipe(Schema.filter(({ methodConfig = [] }) => {
    const seen = new Set<string>()
    for (const [i, { name }] of methodConfig.entries()) {
      for (const [j, each] of name.entries()) {
        if (seen.has(keyOf(each))) return { path: ["methodConfig", i, "name", j], message: "a name that stands nowhere else in the config" }
        seen.add(keyOf(each))
      }
    }
    return undefined
  }))
)

/** How a call is sent again. Lengths are in ms, `maxAttempts` is at most 5. @since 0.1.0 @category models */
export interface RetryPolicy extends Schema.Schema.Type<typeof RetryPolicySchema> {}

/** How a call is sent several times at once. @since 0.1.0 @category models */
export interface HedgingPolicy {
  /** 2 to 5. */
  readonly maxAttempts: number
  /** In ms. */
  readonly hedgingDelay: Millis
  readonly nonFatalStatusCodes: ReadonlyArray<RpcStatus.Code>
}

/**
 * What holds for a method.
 *
 * @since 0.1.0
 * @category models
 */
export interface MethodConfig {
  /** In ms. */
  readonly timeout: Option.Option<Millis>
  readonly resending:
    | { readonly _tag: "None" }
    | { readonly _tag: "Retry"; readonly policy: RetryPolicy }
    | { readonly _tag: "Hedging"; readonly policy: HedgingPolicy }
}

/**
 * A service config that has been checked.
 *
 * @since 0.1.0
 * @category models
 */
export interface GrpcServiceConfig {
  /** By `package.Service/Method`, `package.Service/`, and the empty text for all others. */
  readonly methods: ReadonlyMap<string, MethodConfig>
  readonly retryThrottling: Option.Option<Schema.Schema.Type<typeof ThrottlingSchema>>
}

const atMostFive = (asked: number): number => Math.min(asked, maxAttempts)

const resendingOf = ({ hedgingPolicy, retryPolicy }: Schema.Schema.Type<typeof MethodSchema>): MethodConfig["resending"] => {
  if (retryPolicy !== undefined) {
    return { _tag: "Retry", policy: { ...retryPolicy, maxAttempts: atMostFive(retryPolicy.maxAttempts) } }
  }
  if (hedgingPolicy === undefined) return { _tag: "None" }
  const { hedgingDelay = 0, nonFatalStatusCodes = [] } = hedgingPolicy
  return { _tag: "Hedging", policy: { maxAttempts: atMostFive(hedgingPolicy.maxAttempts), hedgingDelay, nonFatalStatusCodes } }
}

const checked = ({ methodConfig = [], retryThrottling }: Schema.Schema.Type<typeof ConfigSchema>): GrpcServiceConfig => ({
  methods: new Map(methodConfig.flatMap((each) => {
    const method = { timeout: Option.fromNullable(each.timeout), resending: resendingOf(each) }
    return each.name.map((name) => [keyOf(name), method] as const)
  })),
  retryThrottling: Option.fromNullable(retryThrottling)
})

const decoding = Field.once(() => ParseResult.decodeUnknownEither(ConfigSchema, { errors: "all", onExcessProperty: "ignore" }))

/**
 * Reads a service config from a value that may be anything: what `JSON.parse` gives, say.
 *
 * **Details**
 *
 * More than five attempts are five, and no error: the specification has it so, against configs that come from elsewhere.
 *
 * **Example** (A retry policy for one service)
 *
 * ```ts
 * import { GrpcServiceConfig } from "effect-resilience"
 * import { Effect } from "effect"
 *
 * const retryPolicy = {
 *   maxAttempts: 9,
 *   initialBackoff: "0.1s",
 *   maxBackoff: "1s",
 *   backoffMultiplier: 2,
 *   retryableStatusCodes: ["UNAVAILABLE"]
 * }
 *
 * const config = await Effect.runPromise(GrpcServiceConfig.decode({ methodConfig: [{ name: [{ service: "users.Users" }], retryPolicy }] }))
 *
 * const { resending } = GrpcServiceConfig.forMethod(config, "/users.Users/Find")
 *
 * resending._tag === "Retry" ? [resending.policy.maxAttempts, resending.policy.maxBackoff] : [] // => [5, 1000]
 * ```
 *
 * @since 0.1.0
 * @category decoding
 */
export const decode = (input: unknown): Effect.Effect<GrpcServiceConfig, InvalidPolicy.InvalidPolicy> =>
  Effect.suspend(() =>
    Either.mapBoth(decoding()(input), { onLeft: (issue) => InvalidPolicy.fromIssue(issue, input), onRight: checked })
  )

const nothing: MethodConfig = { timeout: Option.none(), resending: { _tag: "None" } }

/**
 * What holds for a method, by its path (`/package.Service/Method`, with or without the first slash): that of the method, else of its
 * service, else of all.
 *
 * @since 0.1.0
 * @category getters
 */
export const forMethod = ({ methods }: GrpcServiceConfig, path: string): MethodConfig => {
  const key = path.startsWith("/") ? path.slice(1) : path
  const service = key.slice(0, key.lastIndexOf("/") + 1)
  return methods.get(key) ?? methods.get(service) ?? methods.get("") ?? nothing
}
