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
import type { Millis } from "./Millis.ts"
import { maxDelay } from "./Millis.ts"
import { decimal, get as header, type Headers, integer, trimmed } from "./HeaderField.ts"
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
  headers: Headers,
  options: { readonly now: Millis; readonly status: number }
): Option.Option<Millis> => {
  for (const { name, read } of hints) {
    const value = header(headers, name)
    if (Option.isNone(value)) continue
    const hint = read(value.value, headers, options)
    if (Option.isSome(hint)) return hint
  }
  return Option.none()
}

/** A header that may say how long to wait, and how to read it. */
interface Hint {
  readonly name: string
  readonly read: (value: string, headers: Headers, at: { readonly now: Millis; readonly status: number }) => Option.Option<Millis>
}

/**
 * The time of the response by the clock of the server, where its `date` can be read, or else `now`. In ms since the epoch.
 *
 * @since 0.1.0
 * @category parsing
 */
export const serverNow = (headers: Headers, now: Millis): Millis =>
  Option.getOrElse(Option.flatMap(header(headers, "date"), (date) => HttpDate.parse(trimmed(date), now)), () => now)

const millis = (name: string, numeral: (value: string) => Option.Option<number>): Hint => ({
  name,
  read: (value) => Option.map(numeral(value), bounded)
})

const reset = (quota: string): Hint => ({
  name: `${quota}-reset`,
  read: (value, headers, { now, status }) =>
    Option.match(Option.flatMap(header(headers, `${quota}-remaining`), decimal), {
      onNone: () => status === 429,
      onSome: (remaining) => remaining === 0
    })
      ? parseReset(value, serverNow(headers, now))
      : Option.none()
})

/**
 * Reads when a quota is full again, as a delay from now: whole seconds, or an instant in seconds (above 1e9) or ms (above 1e12) since
 * the epoch.
 *
 * @since 0.1.0
 * @category parsing
 */
export const parseReset = (value: string, now: Millis): Option.Option<Millis> =>
  Option.flatMap(integer(value), (reset) => {
    if (reset > 1e12) return until(reset, now)
    if (reset > 1e9) return until(reset * 1000, now)
    return Option.some(bounded(reset * 1000))
  })

const until = (instant: Millis, now: Millis): Option.Option<Millis> =>
  Number.isFinite(now) ? Option.some(bounded(instant - now)) : Option.none()

const bounded = (delay: Millis): Millis => Math.min(Math.max(Math.ceil(delay), 0), maxDelay)

/** In the order in which they are believed: the first that can be read wins. */
const hints: ReadonlyArray<Hint> = [
  millis("retry-after-ms", decimal),
  millis("x-ms-retry-after-ms", decimal),
  { name: "retry-after", read: (value, headers, { now }) => parse(value, serverNow(headers, now)) },
  millis("x-amz-retry-after", integer),
  reset("ratelimit"),
  reset("x-ratelimit"),
  reset("x-rate-limit")
]
