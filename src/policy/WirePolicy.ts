/**
 * What a policy says of the requests themselves: faults, headers, the body, the time limit, where they are sent, their key; and what is
 * given in the place of a response.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as ErrorCode from "../core/ErrorCode.ts"
import * as TimeoutHeader from "../core/TimeoutHeader.ts"
import { outage } from "../strategy/Fallback.ts"
import * as Ceiling from "./Ceiling.ts"
import * as Field from "./Field.ts"

const { duration, integer, lazily, list, number, optional, part, text, word } = Field

const headerValue = lazily(() =>
  text({
    about: "The value of a header.",
    allowed: "the value of a header: visible ASCII, spaces and tabs",
    pattern: /^[\t\x20-\x7e]*$/,
    atMost: 8_192
  })
)

const made = () => ({
  headers: optional(
    part(Schema.Record({ key: Field.headerName({ about: "The name of a header." }), value: headerValue }), {
      about: "The headers of the response.",
      allowed: "an object of headers, each a text"
    })
  ),
  body: optional(
    text({ about: "The body of the response, as it is sent.", allowed: `a text of at most ${Ceiling.text} characters` })
  )
})

const rate = lazily(() => number({ about: "The share of attempts that meet it.", min: 0, max: 1 }))

const isCode = (code: string) => Option.isSome(ErrorCode.toFailure({ code }))

const Fault = lazily(() =>
  Schema.Union(
    Schema.Struct({
      kind: word(["latency"], { about: "A wait before the request is sent." }),
      latency: duration({ about: "How long." }),
      rate
    }),
    Schema.Struct({
      kind: word(["response"], { about: "A response, with nothing sent." }),
      status: integer({ about: "Its status.", min: 200, max: 599 }),
      ...made(),
      rate
    }),
    Schema.Struct({
      kind: word(["connection"], { about: "A connection that is lost or never made, with nothing sent." }),
      code: part(Schema.String.pipe(Schema.maxLength(Ceiling.name), Schema.filter(isCode)).annotations({
        arbitrary: () => (fc) => fc.constantFrom("ECONNRESET", "ECONNREFUSED", "ETIMEDOUT", "ENOTFOUND")
      }), {
        about: "What the transport says.",
        allowed: "a code such as \"ECONNRESET\" or \"ECONNREFUSED\""
      }),
      rate
    }),
    Schema.Struct({
      kind: word(["cut"], { about: "The request is sent, and the connection lost while the body is read." }),
      after: integer({ about: "After how many bytes of the body.", min: 0, max: Ceiling.bytes }),
      rate
    })
  )
)

/** 0.7 + 0.2 + 0.1 may be a little more than 1. */
const rounding = 1e-9

const isShare = (faults: ReadonlyArray<Schema.Schema.Type<typeof Fault>>) =>
  [true, false].every((isLatency) =>
    faults.reduce((sum, { kind, rate }) => (kind === "latency") === isLatency ? sum + rate : sum, 0) <= 1 + rounding)

const faults = "a list of 1 to 100 faults, the rates of all latencies, and those of all others, being 1 together at most"

/**
 * Faults that are injected where a `Chaos` reference turns them on.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Chaos = lazily(() =>
  Schema.Struct({
    faults: part(list(part(Fault, { about: "A fault." }), { about: "Which." }).pipe(Schema.filter(isShare)), {
      about: "What is injected, and how often.",
      allowed: faults
    })
  })
)

/** @since 0.1.0 @category models */
export interface Chaos extends Schema.Schema.Type<typeof Chaos> {}

/**
 * Telling the other side how much time is left.
 *
 * @since 0.1.0
 * @category schemas
 */
export const DeadlineHeader = lazily(() =>
  Schema.Struct({
    encoding: optional(
      word([TimeoutHeader.encodings[0] ?? "x-request-timeout-ms", ...TimeoutHeader.encodings.slice(1)], {
        about: "Which header, and how the time is written in it.",
        default: "x-request-timeout-ms"
      })
    )
  })
)

/** @since 0.1.0 @category models */
export interface DeadlineHeader extends Schema.Schema.Type<typeof DeadlineHeader> {}

/**
 * Telling the other side which attempt it is.
 *
 * @since 0.1.0
 * @category schemas
 */
export const AttemptHeader = lazily(() =>
  Schema.Struct({
    amzSdkRequest: optional(
      part(
        Schema.Struct({ maxAttempts: integer({ about: "The number that the header gives as the most.", min: 1, max: Ceiling.attempts }) }),
        { about: "Writes `amz-sdk-request` as well, on each attempt." }
      )
    )
  })
)

/** @since 0.1.0 @category models */
export interface AttemptHeader extends Schema.Schema.Type<typeof AttemptHeader> {}

/**
 * Reading the body as part of the attempt.
 *
 * @since 0.1.0
 * @category schemas
 */
export const BufferedBody = lazily(() =>
  Schema.Struct({
    atMost: optional(integer({ about: "The longest body in bytes; a longer one fails.", min: 0, max: Ceiling.bytes, default: 1_048_576 }))
  })
)

/** @since 0.1.0 @category models */
export interface BufferedBody extends Schema.Schema.Type<typeof BufferedBody> {}

/**
 * The limit of one attempt.
 *
 * @since 0.1.0
 * @category schemas
 */
export const AttemptTimeout = lazily(() =>
  Schema.Struct({
    limit: duration({ about: "How long an attempt may take." }),
    covers: optional(
      word(["headers", "body"], { about: "What the limit covers: until the headers have arrived, or until the body has been read.", default: "headers" })
    )
  })
)

/** @since 0.1.0 @category models */
export interface AttemptTimeout extends Schema.Schema.Type<typeof AttemptTimeout> {}

/**
 * Following redirects.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Redirects = lazily(() =>
  Schema.Struct({
    maxRedirects: optional(integer({ about: "How many in a row.", min: 0, max: 20, default: 5 })),
    downgrade: optional(
      word(["refuse", "allow"], { about: "What to do where one leads from https to http.", default: "refuse" })
    ),
    secretHeaders: optional(
      list(Field.headerName({ about: "The name of a header." }), {
        about: "Headers that stay behind on a change of origin, beside credentials and keys."
      })
    )
  })
)

/** @since 0.1.0 @category models */
export interface Redirects extends Schema.Schema.Type<typeof Redirects> {}

const baseUrl = lazily(() =>
  part(
    Schema.String.pipe(
      Schema.maxLength(2_048),
      Schema.filter((url) => /^https?:\/\/[^/?#]/i.test(url) && !/[?#]/.test(url) && URL.canParse(url))
    ).annotations({ arbitrary: () => (fc) => fc.webUrl({ withFragments: false, withQueryParameters: false }) }),
    { about: "A URL.", allowed: "an absolute URL of http: or https: without query and fragment" }
  )
)

/**
 * The base URLs that serve the same.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Endpoints = lazily(() =>
  Schema.Struct({
    baseUrls: list(baseUrl, { about: "The URL of a request, which begins with a /, is put behind them." }),
    start: optional(
      word(["first", "inTurn"], { about: "Where the first attempt of a call goes: always to the first, or to each in turn.", default: "first" })
    )
  })
)

/** @since 0.1.0 @category models */
export interface Endpoints extends Schema.Schema.Type<typeof Endpoints> {}

/**
 * A key by which the other side knows a request again.
 *
 * @since 0.1.0
 * @category schemas
 */
export const IdempotencyKey = lazily(() =>
  Schema.Struct({
    header: optional(Field.headerName({ about: "The header that it is sent in.", default: "Idempotency-Key" })),
    format: optional(
      word(["bare", "structured"], { about: "As it is, or as a string of RFC 9651, in quotes.", default: "bare" })
    ),
    methods: optional(list(Field.method("A method."), { about: "The methods that are given a key.", default: ["POST", "PATCH"] }))
  })
)

/** @since 0.1.0 @category models */
export interface IdempotencyKey extends Schema.Schema.Type<typeof IdempotencyKey> {}

const on = () => ({
  on: optional(
    list(
      word(
        [
          "ConnectFailure",
          "ConnectionLost",
          "AttemptTimedOut",
          "Throttled",
          "Unavailable",
          "ServerFault",
          "Refused",
          "Untrusted",
          "Malformed",
          "RpcFailure",
          "Rejected",
          "Unknown"
        ],
        { about: "A kind of failure." }
      ),
      { about: "After which kinds of failure.", default: outage }
    )
  )
})

/**
 * What is given in the place of a failure.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Fallback = lazily(() =>
  Schema.Union(
    Schema.Struct({
      kind: word(["value"], { about: "A response that is written here." }),
      status: optional(integer({ about: "Its status.", min: 200, max: 599, default: 200 })),
      ...made(),
      ...on()
    }),
    Schema.Struct({
      kind: word(["lastGood"], { about: "The last good response to the same request." }),
      maxAge: optional(duration({ about: "One that is older is not given.", max: Ceiling.window, default: "1 hour" })),
      capacity: optional(integer({ about: "How many are remembered.", min: 1, max: Ceiling.keys, default: 1_000 })),
      atMost: optional(integer({ about: "The longest body in bytes that is remembered.", min: 0, max: Ceiling.bytes, default: 65_536 })),
      responses: optional(
        word(["shared", "private"], {
          about: "Whose responses come together here: those of many users, or of one.",
          default: "shared"
        })
      ),
      ...on()
    })
  )
)

/** @since 0.1.0 @category models */
export type Fallback = Schema.Schema.Type<typeof Fallback>
