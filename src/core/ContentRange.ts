/**
 * `Content-Range` of RFC 9110 section 14.4, for bytes.
 *
 * Strict, because what is read here decides where bytes are put: a value that is not of the grammar, or that contradicts itself, is not
 * there.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import * as HeaderField from "./HeaderField.ts"

/**
 * Which bytes a response holds, and of how many.
 *
 * @since 0.1.0
 * @category models
 */
export interface Satisfied {
  readonly _tag: "Satisfied"
  /** The position of the first byte, from 0. */
  readonly first: number
  /** The position of the last byte. */
  readonly last: number
  /** Of the whole, where it is told. */
  readonly length: Option.Option<number>
}

/**
 * None of the bytes that were asked for are there.
 *
 * @since 0.1.0
 * @category models
 */
export interface Unsatisfied {
  readonly _tag: "Unsatisfied"
  /** Of the whole. */
  readonly length: number
}

/**
 * What the header says.
 *
 * @since 0.1.0
 * @category models
 */
export type ContentRange = Satisfied | Unsatisfied

const grammar = /^bytes (?:([0-9]{1,16})-([0-9]{1,16})|\*)\/([0-9]{1,16}|\*)$/i

/**
 * Reads a `Content-Range`. Other units, lists, and positions beyond 2^53 are `None`.
 *
 * **Example** (What is one, and what is not)
 *
 * ```ts
 * import { ContentRange } from "effect-resilience"
 * import { Option } from "effect"
 *
 * ContentRange.parse("bytes 5-9/10") // => Option.some({ _tag: "Satisfied", first: 5, last: 9, length: Option.some(10) })
 * ContentRange.parse("bytes *\/10") // => Option.some({ _tag: "Unsatisfied", length: 10 })
 * ContentRange.parse("bytes 5-10/10") // => Option.none()
 * ContentRange.parse("bytes 5-/10") // => Option.none()
 * ```
 *
 * @since 0.1.0
 * @category parsing
 */
export const parse = (value: string): Option.Option<ContentRange> => {
  const match = grammar.exec(HeaderField.trimmed(value))
  if (match === null) return Option.none()
  const [, from, to, of] = match
  const length = of === "*" ? undefined : Number(of)
  if (length !== undefined && !Number.isSafeInteger(length)) return Option.none()
  if (from === undefined) return length === undefined ? Option.none() : Option.some({ _tag: "Unsatisfied", length })
  const first = Number(from)
  const last = Number(to)
  return Number.isSafeInteger(last) && first <= last && (length === undefined || last < length)
    ? Option.some({ _tag: "Satisfied", first, last, length: Option.fromNullable(length) })
    : Option.none()
}
