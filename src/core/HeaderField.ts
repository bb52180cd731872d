/**
 * Reads header fields that somebody else wrote: what they hold is not trusted, and what is not of the grammar is not there.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"

/**
 * Headers with lower-case names, as the platform has them.
 *
 * @since 0.1.0
 * @category models
 */
export type Headers = Readonly<Record<string, string | undefined>>

/**
 * The fields that a kept response must not have: they belong to its connection, to one user, or to the way to that one caller (RFC 9111
 * section 3.1).
 *
 * @since 0.1.0
 * @category constants
 */
export const notToBeKept: ReadonlyArray<string> = [
  "age",
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authentication-info",
  "proxy-authorization",
  "proxy-connection",
  "set-cookie",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade"
]

/**
 * The value of a header: only what the headers themselves hold, never a property of a polluted prototype.
 *
 * @since 0.1.0
 * @category getters
 */
export const get = (headers: Headers, name: string): Option.Option<string> => {
  const value: unknown = Object.hasOwn(headers, name) ? headers[name] : undefined
  return typeof value === "string" ? Option.some(value) : Option.none()
}

/**
 * A value without the optional white space of HTTP round it: space and tab only. Linear in its length.
 *
 * @since 0.1.0
 * @category parsing
 */
export const trimmed = (value: string): string => {
  // By hand: `/[ \t]+$/` takes quadratic time on runs of spaces.
  let [start, end] = [0, value.length]
  while (start < end && isSpace(value.charCodeAt(start))) start++
  while (end > start && isSpace(value.charCodeAt(end - 1))) end--
  return value.slice(start, end)
}

const isSpace = (code: number): boolean => code === 0x20 || code === 0x09

/**
 * Reads ASCII digits as a number, of any length; beyond what a number can hold it is Infinity. Signs, fractions, exponents, units and
 * lists are `None`.
 *
 * **Example** (Digits and nothing else)
 *
 * ```ts
 * import { HeaderField } from "effect-resilience"
 * import { Option } from "effect"
 *
 * HeaderField.integer(" 120 ") // => Option.some(120)
 * HeaderField.integer("1e9") // => Option.none()
 * HeaderField.integer("120, 120") // => Option.none()
 * ```
 *
 * @since 0.1.0
 * @category parsing
 */
export const integer = (value: string): Option.Option<number> => numeral(/^[0-9]+$/, value)

/**
 * Reads ASCII digits with or without a fraction, as `integer` does.
 *
 * @since 0.1.0
 * @category parsing
 */
export const decimal = (value: string): Option.Option<number> => numeral(/^[0-9]+(?:\.[0-9]+)?$/, value)

/** The grammar has no sign, no exponent and no space: `Number` gives no NaN for what it lets through, at most Infinity. */
const numeral = (grammar: RegExp, value: string): Option.Option<number> => {
  const text = trimmed(value)
  return grammar.test(text) ? Option.some(Number(text)) : Option.none()
}
