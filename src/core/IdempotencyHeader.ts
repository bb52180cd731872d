/**
 * Reads the `Idempotency-Key` that a client has sent.
 *
 * draft-ietf-httpapi-idempotency-key-header makes it a string of RFC 9651 (8941), in quotes. Most clients send it bare. Both are
 * read, by a strict grammar: a key is looked up, compared and put into a store, so what is not clearly one key is none.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import * as HeaderField from "./HeaderField.ts"

/**
 * Which ways of writing a key are read.
 *
 * - `bare`: as it is: visible ASCII, without `"`, `,`, `;` and `\`
 * - `structured`: as a string of RFC 9651, in quotes, without parameters
 * - `any`: either; `abc` and `"abc"` are the same key
 *
 * @since 0.1.0
 * @category models
 */
export type Format = "any" | "bare" | "structured"

/**
 * The longest key that is read, in characters: as long as the longest that `IdempotencyKey` sends.
 *
 * @since 0.1.0
 * @category constants
 */
export const maxLength = 255

/** Of two header lines a server makes one, with a comma between them: that is not one key. */
const bare = /^[!#-+\--:<-[\]-~]+$/

/** RFC 9651 section 3.3.3: visible ASCII and space; a quote and a backslash stand behind a backslash, and nothing else does. */
const structured = /^"(?:[ !#-[\]-~]|\\["\\])+"$/

/**
 * Reads a key. Total: whatever the header holds, it is one key of 1 to 255 characters, or `None`.
 *
 * **Example** (The same key twice, and no key)
 *
 * ```ts
 * import { IdempotencyHeader } from "effect-resilience"
 * import { Option } from "effect"
 *
 * IdempotencyHeader.parse("order-42") // => Option.some("order-42")
 * IdempotencyHeader.parse("\"order-42\"") // => Option.some("order-42")
 * IdempotencyHeader.parse("order-42, order-43") // => Option.none()
 * IdempotencyHeader.parse("order-42", "structured") // => Option.none()
 * ```
 *
 * @since 0.1.0
 * @category parsing
 */
export const parse = (value: string, format: Format = "any"): Option.Option<string> => {
  // The longest string of a key: each character behind a backslash, and two quotes. Space around it is HTTP's.
  if (value.length > 4 * maxLength) return Option.none()
  const text = HeaderField.trimmed(value)
  const key = text.startsWith("\"")
    ? format !== "bare" && structured.test(text) ? text.slice(1, -1).replace(/\\(["\\])/g, "$1") : ""
    : format !== "structured" && bare.test(text)
    ? text
    : ""
  return key.length > 0 && key.length <= maxLength ? Option.some(key) : Option.none()
}
