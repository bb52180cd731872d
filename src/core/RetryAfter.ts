/**
 * Reads how long a server asks us to wait: header in, `Option` of milliseconds out.
 *
 * Strict, because a value that is read wrongly is worse than one that is not read: a `Retry-After` that
 * becomes 0 or NaN is a storm. What cannot be read is as if it were not there, and the caller's own backoff holds.
 * Every delay is a whole number of milliseconds from 0 to `maxDelay`, rounded up: never early.
 *
 * The first of these headers that can be read wins:
 *
 * | header | value | from |
 * | --- | --- | --- |
 * | `retry-after-ms`, `x-ms-retry-after-ms` | milliseconds, with or without a fraction | OpenAI, Azure |
 * | `retry-after` | whole seconds, or a date | RFC 9110 section 10.2.3 |
 * | `x-amz-retry-after` | whole milliseconds | AWS |
 * | `ratelimit-reset`, `x-ratelimit-reset`, `x-rate-limit-reset` | whole seconds, or an epoch in seconds or ms | quotas |
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import type { Millis } from "./Backoff.ts"
import { maxDelay } from "./Backoff.ts"
import * as HttpDate from "./HttpDate.ts"

/**
 * Reads a delay in whole seconds: ASCII digits, with spaces and tabs round them.
 *
 * **Details**
 *
 * A number of any length is read; from 2147484 seconds on the delay is `maxDelay`. Signs, fractions, exponents, units
 * and lists (`"120, 120"`) are `None`.
 *
 * **Example** (Seconds and nothing else)
 *
 * ```ts
 * import { RetryAfter } from "effect-resilience"
 * import { Option } from "effect"
 *
 * RetryAfter.parseDelaySeconds("120") // => Option.some(120_000)
 * RetryAfter.parseDelaySeconds("1e9") // => Option.none()
 * ```
 *
 * @since 0.1.0
 * @category parsing
 */
export const parseDelaySeconds = (value: string): Option.Option<Millis> =>
  Option.map(integer(value), (seconds) => bounded(seconds * 1000))

/**
 * Reads the value of a `Retry-After` header as a delay from now: whole seconds or an HTTP date.
 *
 * **Details**
 *
 * `now` is in milliseconds since the epoch. A date that has passed is a delay of 0. When `now` is not a finite
 * number, dates are `None`.
 *
 * **Example** (A date seven seconds away, and one that has passed)
 *
 * ```ts
 * import { RetryAfter } from "effect-resilience"
 * import { Option } from "effect"
 *
 * const now = 784_111_770_000
 *
 * RetryAfter.parse("Sun, 06 Nov 1994 08:49:37 GMT", now) // => Option.some(7000)
 * RetryAfter.parse("Sun, 06 Nov 1994 08:49:00 GMT", now) // => Option.some(0)
 * RetryAfter.parse("soon", now) // => Option.none()
 * ```
 *
 * @since 0.1.0
 * @category parsing
 */
export const parse = (value: string, now: Millis): Option.Option<Millis> =>
  Option.orElse(
    parseDelaySeconds(value),
    () => Option.flatMap(HttpDate.parse(trimmed(value), now), (date) => until(date, now))
  )

/**
 * Reads the delay that the headers of a response ask for.
 *
 * **Details**
 *
 * `headers` has lower-case names. `now` is the time of the response in milliseconds since the epoch, `status` its status.
 *
 * The `date` of the response, when it can be read, takes the place of now for everything that is an instant: two instants of
 * the server's clock have the right distance even when our clock is wrong.
 *
 * A reset of a quota says when the quota is full again, and many servers send it with every response. So it is
 * a delay only when the quota is used up: when the header with `remaining` in place of `reset` is 0, or when there is none
 * and the status is 429. A reset above 1e12 is an epoch in milliseconds, one above 1e9 an epoch in seconds.
 *
 * **Example** (A server whose clock is an hour slow; a quota)
 *
 * ```ts
 * import { RetryAfter } from "effect-resilience"
 * import { Option } from "effect"
 *
 * const busy = { date: "Sun, 06 Nov 1994 08:49:37 GMT", "retry-after": "Sun, 06 Nov 1994 08:50:07 GMT" }
 * const healthy = { "x-ratelimit-reset": "60", "x-ratelimit-remaining": "17" }
 * const spent = { "x-ratelimit-reset": "60", "x-ratelimit-remaining": "0" }
 *
 * RetryAfter.fromHeaders(busy, { now: 784_115_377_000, status: 503 }) // => Option.some(30_000)
 * RetryAfter.fromHeaders(healthy, { now: 0, status: 503 }) // => Option.none()
 * RetryAfter.fromHeaders(spent, { now: 0, status: 403 }) // => Option.some(60_000)
 * ```
 *
 * @since 0.1.0
 * @category parsing
 */
export const fromHeaders = (
  headers: Readonly<Record<string, string | undefined>>,
  options: { readonly now: Millis; readonly status: number }
): Option.Option<Millis> => {
  const header = (name: string): Option.Option<string> => {
    // Only what the response itself holds, never a property of a polluted prototype.
    const value: unknown = Object.hasOwn(headers, name) ? headers[name] : undefined
    return typeof value === "string" ? Option.some(value) : Option.none()
  }

  const serverNow = Option.getOrElse(
    Option.flatMap(header("date"), (date) => HttpDate.parse(trimmed(date), options.now)),
    () => options.now
  )

  const isUsedUp = (quota: string): boolean =>
    Option.match(Option.flatMap(header(`${quota}-remaining`), decimal), {
      onNone: () => options.status === 429,
      onSome: (remaining) => remaining === 0
    })

  const hints: ReadonlyArray<() => Option.Option<Millis>> = [
    () => Option.map(Option.flatMap(header("retry-after-ms"), decimal), bounded),
    () => Option.map(Option.flatMap(header("x-ms-retry-after-ms"), decimal), bounded),
    () => Option.flatMap(header("retry-after"), (value) => parse(value, serverNow)),
    () => Option.map(Option.flatMap(header("x-amz-retry-after"), integer), bounded),
    ...["ratelimit", "x-ratelimit", "x-rate-limit"].map((quota) => () =>
      isUsedUp(quota) ? Option.flatMap(header(`${quota}-reset`), (value) => parseReset(value, serverNow)) : Option.none()
    )
  ]
  return hints.reduce((found, hint) => Option.orElse(found, hint), Option.none<Millis>())
}

const parseReset = (value: string, now: Millis): Option.Option<Millis> =>
  Option.flatMap(integer(value), (reset) => {
    if (reset > 1e12) return until(reset, now)
    if (reset > 1e9) return until(reset * 1000, now)
    return Option.some(bounded(reset * 1000))
  })

const integer = (value: string): Option.Option<number> => numeral(/^[0-9]+$/, value)

const decimal = (value: string): Option.Option<number> => numeral(/^[0-9]+(?:\.[0-9]+)?$/, value)

/** The grammar has no sign, no exponent and no space: `Number` gives no NaN for what it lets through, at most Infinity. */
const numeral = (grammar: RegExp, value: string): Option.Option<number> => {
  const text = trimmed(value)
  return grammar.test(text) ? Option.some(Number(text)) : Option.none()
}

const until = (instant: Millis, now: Millis): Option.Option<Millis> =>
  Number.isFinite(now) ? Option.some(bounded(instant - now)) : Option.none()

const bounded = (delay: Millis): Millis => Math.min(Math.max(Math.ceil(delay), 0), maxDelay)

/** Without the optional white space of HTTP, space and tab only. By hand: `/[ \t]+$/` takes quadratic time on runs of spaces. */
const trimmed = (value: string): string => {
  let [start, end] = [0, value.length]
  while (start < end && isSpace(value.charCodeAt(start))) start++
  while (end > start && isSpace(value.charCodeAt(end - 1))) end--
  return value.slice(start, end)
}

const isSpace = (code: number): boolean => code === 0x20 || code === 0x09
