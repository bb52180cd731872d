/**
 * Reads what a server says of its quotas: how many more requests it will take, and until when.
 *
 * | headers | from |
 * | --- | --- |
 * | `ratelimit`, `ratelimit-policy` | draft-ietf-httpapi-ratelimit-headers-10: `"default";r=50;t=30` |
 * | `ratelimit` as a dictionary | the same draft, version 07: `limit=100, remaining=50, reset=30` |
 * | `ratelimit-limit`, `ratelimit-remaining`, `ratelimit-reset` | the same draft, versions 00 to 06 |
 * | `x-ratelimit-limit`, `-remaining`, `-reset`; `x-rate-limit-...` | custom; the reset a delay, or an epoch in seconds or ms |
 *
 * The first of these that can be read wins. Strict and total: a field with one thing in it that is not of the grammar is as if it
 * were not there, as the draft demands, and every number that comes out is a whole one from 0 on.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import * as HeaderField from "./HeaderField.ts"
import type { Millis } from "./Millis.ts"
import { maxDelay } from "./Millis.ts"
import * as RetryAfter from "./RetryAfter.ts"
import * as StructuredField from "./StructuredField.ts"

/**
 * A rule of the server, as `ratelimit-policy` names it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Policy {
  readonly name: string
  /** How much it allots. */
  readonly quota: number
  /** What that counts: "requests", "content-bytes", "concurrent-requests", or another. */
  readonly unit: string
  /** For how long, in ms. */
  readonly window: Option.Option<Millis>
  /** The partition of the server's capacity that it is about, in base64. */
  readonly partition: Option.Option<string>
}

/**
 * What is left of a quota, as `ratelimit` says it.
 *
 * @since 0.1.0
 * @category models
 */
export interface ServiceLimit {
  /** That of the policy. */
  readonly name: string
  readonly remaining: number
  /** In how many ms there will be more. */
  readonly reset: Option.Option<Millis>
  readonly partition: Option.Option<string>
}

/**
 * What a client has to keep to: so many requests in the next so many ms, and then more.
 *
 * @since 0.1.0
 * @category models
 */
export interface Quota {
  /** Tells the quotas of one server apart. */
  readonly name: string
  readonly remaining: number
  readonly reset: Millis
}

/**
 * Reads the value of a `ratelimit-policy` header. The items of the draft's versions before 08, `100;w=60`, have no name.
 *
 * **Example** (Two rules)
 *
 * ```ts
 * import { RateLimitHeaders } from "effect-resilience"
 * import { Option } from "effect"
 *
 * const policies = RateLimitHeaders.parsePolicies(`"burst";q=100;w=60,"daily";q=1000;w=86400`)
 *
 * Option.map(policies, (all) => all.map(({ name, quota }) => [name, quota])) // => Option.some([["burst", 100], ["daily", 1000]])
 * RateLimitHeaders.parsePolicies(`"burst";w=60`) // => Option.none()
 * ```
 *
 * @since 0.1.0
 * @category parsing
 */
export const parsePolicies = (value: string): Option.Option<ReadonlyArray<Policy>> => parseItems(value, toPolicy)

/**
 * Reads the value of a `ratelimit` header.
 *
 * **Example** (Fifty more in the next 30 s)
 *
 * ```ts
 * import { RateLimitHeaders } from "effect-resilience"
 * import { Option } from "effect"
 *
 * const limits = Option.getOrThrow(RateLimitHeaders.parseLimits(`"default";r=50;t=30`))
 *
 * limits[0].remaining // => 50
 * limits[0].reset // => Option.some(30_000)
 * RateLimitHeaders.parseLimits(`"default";r=-1`) // => Option.none()
 * ```
 *
 * @since 0.1.0
 * @category parsing
 */
export const parseLimits = (value: string): Option.Option<ReadonlyArray<ServiceLimit>> =>
  Option.orElse(parseItems(value, toLimit), () => Option.flatMap(StructuredField.parseDictionary(value), ofDictionary))

/**
 * Reads the quotas, in requests, that the headers of a response speak of. Most often there are none, or one.
 *
 * **Details**
 *
 * `headers` has lower-case names; `now` is the time of the response in ms since the epoch, and matters only where a reset is an
 * instant, and then only if the response has no `date`. One without a reset takes the window of its policy; one without either
 * cannot be kept to, and is left out. Those that count something else than requests are left out too.
 *
 * **Gotchas**
 *
 * What comes out is what the server claims. A delay of up to 25 days can be among it: cap it.
 *
 * **Example** (GitHub)
 *
 * ```ts
 * import { RateLimitHeaders } from "effect-resilience"
 *
 * const headers = { "x-ratelimit-limit": "5000", "x-ratelimit-remaining": "4987", "x-ratelimit-reset": "1700000060" }
 *
 * RateLimitHeaders.fromHeaders(headers, 1_700_000_000_000) // => [{ name: "x-ratelimit", remaining: 4987, reset: 60_000 }]
 * ```
 *
 * @since 0.1.0
 * @category parsing
 */
export const fromHeaders = (headers: HeaderField.Headers, now: Millis): ReadonlyArray<Quota> => {
  if (isSilent(headers)) return none
  const limits = Option.flatMap(HeaderField.get(headers, "ratelimit"), parseLimits)
  if (Option.isSome(limits)) return quotas(limits.value, policiesOf(headers))
  for (const prefix of prefixes) {
    const remaining = Option.flatMap(HeaderField.get(headers, prefix.remaining), HeaderField.decimal)
    if (Option.isNone(remaining)) continue
    const reset = Option.orElse(
      Option.flatMap(HeaderField.get(headers, prefix.reset), (value) =>
        RetryAfter.parseReset(value, RetryAfter.serverNow(headers, now))),
      () => Option.flatMap(Option.fromNullable(policiesOf(headers)[0]), ({ window }) => window)
    )
    if (Option.isSome(reset)) return [{ name: prefix.name, remaining: whole(remaining.value), reset: reset.value }]
  }
  return none
}

const none: ReadonlyArray<Quota> = []

const prefixes = ["ratelimit", "x-ratelimit", "x-rate-limit"].map((name) => ({
  name,
  remaining: `${name}-remaining`,
  reset: `${name}-reset`
}))

/** There is no quota in headers without one of these. Most have none, and every response is asked: so by name, and not in a loop. */
const isSilent = (headers: HeaderField.Headers): boolean =>
  headers["ratelimit"] === undefined && headers["ratelimit-remaining"] === undefined &&
  headers["x-ratelimit-remaining"] === undefined && headers["x-rate-limit-remaining"] === undefined

const policiesOf = (headers: HeaderField.Headers): ReadonlyArray<Policy> =>
  Option.getOrElse(Option.flatMap(HeaderField.get(headers, "ratelimit-policy"), parsePolicies), () => [])

const quotas = (limits: ReadonlyArray<ServiceLimit>, policies: ReadonlyArray<Policy>): ReadonlyArray<Quota> =>
  limits.flatMap(({ name, partition, remaining, reset }) => {
    const policy = policies.find((policy) => policy.name === name)
    const until = Option.orElse(reset, () => Option.flatMap(Option.fromNullable(policy), ({ window }) => window))
    if (Option.isNone(until) || (policy !== undefined && policy.unit !== requests)) return []
    const key = Option.match(partition, { onNone: () => name, onSome: (partition) => `${name}:${partition}` })
    return [{ name: key, remaining, reset: until.value }]
  })

const requests = "requests"

type Parameters = StructuredField.Item["parameters"]

const parseItems = <A>(
  value: string,
  read: (item: StructuredField.Item) => Option.Option<A>
): Option.Option<ReadonlyArray<A>> =>
  Option.flatMap(StructuredField.parseList(value), (items) => {
    const all = items.map(read)
    return all.length > 0 ? Option.all(all) : Option.none()
  })

const toPolicy = ({ bare, parameters }: StructuredField.Item): Option.Option<Policy> => {
  const named = bare._tag === "String"
  const quota = named ? parameters.get("q") : bare
  const unit = parameters.get("qu")
  return Option.all({
    name: Option.some(named ? bare.value : ""),
    quota: count(quota),
    unit: unit === undefined ? Option.some(requests) : text(unit),
    window: optional(parameters, "w", (window) => Option.filter(seconds(window), (millis) => millis > 0)),
    partition: optional(parameters, "pk", bytes)
  })
}

const toLimit = ({ bare, parameters }: StructuredField.Item): Option.Option<ServiceLimit> =>
  Option.all({
    name: text(bare),
    remaining: count(parameters.get("r")),
    reset: optional(parameters, "t", seconds),
    partition: optional(parameters, "pk", bytes)
  })

/** `limit=100, remaining=50, reset=30`. */
const ofDictionary = (
  dictionary: ReadonlyMap<string, StructuredField.Item>
): Option.Option<ReadonlyArray<ServiceLimit>> =>
  Option.map(
    Option.all([count(dictionary.get("remaining")?.bare), seconds(dictionary.get("reset")?.bare)]),
    ([remaining, reset]) => [{ name: "", remaining, reset: Option.some(reset), partition: Option.none() }]
  )

type Bare = StructuredField.BareItem | undefined

const count = (bare: Bare): Option.Option<number> =>
  bare?._tag === "Integer" && bare.value >= 0 ? Option.some(bare.value) : Option.none()

const seconds = (bare: Bare): Option.Option<Millis> =>
  Option.map(count(bare), (seconds) => Math.min(seconds * 1000, maxDelay))

const text = (bare: Bare): Option.Option<string> => bare?._tag === "String" ? Option.some(bare.value) : Option.none()

const bytes = (bare: Bare): Option.Option<string> => bare?._tag === "Bytes" ? Option.some(bare.value) : Option.none()

/** A parameter may be missing; one that is there and wrong spoils the whole. */
const optional = <A>(
  parameters: Parameters,
  name: string,
  read: (bare: Bare) => Option.Option<A>
): Option.Option<Option.Option<A>> => {
  const bare = parameters.get(name)
  return bare === undefined ? Option.some(Option.none()) : Option.map(read(bare), Option.some)
}

/** Some count in fractions of requests. */
const whole = (remaining: number): number => Math.min(Math.floor(remaining), Number.MAX_SAFE_INTEGER)
