/**
 * Where a body that broke off goes on, and whether what comes then may be put behind what is there.
 *
 * A state and three steps: what to ask for, what an answer means, how many bytes have come. A byte is taken only at its place in the one
 * representation that the first answer began, which a strong entity tag names; anything else is refused.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import * as ContentRange from "./ContentRange.ts"
import * as HeaderField from "./HeaderField.ts"

/**
 * Why a body is not continued.
 *
 * - `Status`: an answer that is neither the whole, nor a part, nor an error
 * - `NotResumable`: it broke off, and the first answer had no strong entity tag, or an encoding, or said `Accept-Ranges: none`
 * - `Changed`: there is another representation now
 * - `RangeIgnored`: the whole came in the place of the rest
 * - `InvalidRange`: a part that is none, or another one than was asked for
 * - `LengthMismatch`: the whole has another length now
 * - `Encoded`: a part of something else than of the bytes that are there
 * - `TooLong`: more bytes came than were announced
 *
 * @since 0.1.0
 * @category models
 */
export type Reason =
  | "Status"
  | "NotResumable"
  | "Changed"
  | "RangeIgnored"
  | "InvalidRange"
  | "LengthMismatch"
  | "Encoded"
  | "TooLong"

/** Nothing of it is taken. @since 0.1.0 @category models */
export interface Refuse {
  readonly _tag: "Refuse"
  readonly reason: Reason
}

/**
 * How far a body has come.
 *
 * @since 0.1.0
 * @category models
 */
export interface State {
  readonly _tag: "State"
  /** How many bytes are there. */
  readonly received: number
  /** Of the whole, where it is known. */
  readonly total: Option.Option<number>
  /** The strong entity tag by which the rest can be asked for. */
  readonly etag: Option.Option<string>
  /** Where the current answer ends, where that is known. */
  readonly until: Option.Option<number>
}

/** What to ask for. @since 0.1.0 @category models */
export type Ask =
  | { readonly _tag: "Whole" }
  | { readonly _tag: "Rest"; readonly range: string; readonly etag: string }
  | Refuse

/**
 * What an answer means: its body goes on at this state; nothing was missing; it is an error of the other side, of which nothing is said
 * here; it is refused.
 *
 * @since 0.1.0
 * @category models
 */
export type Answer = State | { readonly _tag: "Complete" } | { readonly _tag: "Failed" } | Refuse

const none = Option.none<never>()
const refuse = (reason: Reason): Refuse => ({ _tag: "Refuse", reason })

/** Nothing is there. @since 0.1.0 @category constructors */
export const initial: State = { _tag: "State", received: 0, total: none, etag: none, until: none }

/** RFC 9110 section 8.8.3: visible characters but the quote, in quotes. `W/` in front of it makes a weak one, which names no bytes. */
const strong = /^"[\x21\x23-\x7e\x80-\xff]{0,1022}"$/

/**
 * The strong entity tag in headers, if there is one.
 *
 * @since 0.1.0
 * @category getters
 */
export const strongTag = (headers: HeaderField.Headers): Option.Option<string> =>
  Option.filter(Option.map(HeaderField.get(headers, "etag"), HeaderField.trimmed), (tag) => strong.test(tag))

const isEncoded = (headers: HeaderField.Headers): boolean =>
  Option.exists(HeaderField.get(headers, "content-encoding"), (coding) => !/^(?:identity)?$/i.test(HeaderField.trimmed(coding)))

const lengthOf = (headers: HeaderField.Headers): Option.Option<number> =>
  Option.filter(Option.flatMap(HeaderField.get(headers, "content-length"), HeaderField.integer), Number.isSafeInteger)

/**
 * Says what to ask for.
 *
 * **Details**
 *
 * The whole as long as no byte is there, whatever was there before: nothing has to fit to it.
 *
 * @since 0.1.0
 * @category deciding
 */
export const ask = ({ etag, received }: State): Ask => {
  if (received === 0) return { _tag: "Whole" }
  return Option.isNone(etag) ? refuse("NotResumable") : { _tag: "Rest", range: `bytes=${received}-`, etag: etag.value }
}

/**
 * Says what an answer to that means.
 *
 * **Example** (A part is taken where it fits, and only there)
 *
 * ```ts
 * import { Resumption } from "effect-resilience"
 * import { Option } from "effect"
 *
 * const state: Resumption.State = { ...Resumption.initial, received: 5, total: Option.some(10), etag: Option.some("\"a\"") }
 * const part = (etag: string, range: string) => Resumption.answer(state, 206, { etag, "content-range": range })
 *
 * part("\"a\"", "bytes 5-9/10")._tag // => "State"
 * part("\"a\"", "bytes 4-9/10") // => { _tag: "Refuse", reason: "InvalidRange" }
 * part("\"b\"", "bytes 5-9/10") // => { _tag: "Refuse", reason: "Changed" }
 * Resumption.answer(state, 200, { etag: "\"a\"" }) // => { _tag: "Refuse", reason: "RangeIgnored" }
 * ```
 *
 * @since 0.1.0
 * @category deciding
 */
export const answer = (state: State, status: number, headers: HeaderField.Headers): Answer =>
  state.received === 0 ? begun(status, headers) : continued(state, status, headers)

const begun = (status: number, headers: HeaderField.Headers): Answer => {
  if (status >= 400) return { _tag: "Failed" }
  // What a proxy has changed (203) is not what the entity tag names.
  if (status === 203 || status === 204) return initial
  if (status !== 200) return refuse("Status")
  // What arrives may have been decoded on the way: then neither the length nor a position is one of what the other side has.
  if (isEncoded(headers)) return initial
  const total = lengthOf(headers)
  const acceptsNone = Option.exists(HeaderField.get(headers, "accept-ranges"), (value) => /^none$/i.test(HeaderField.trimmed(value)))
  return { ...initial, total, until: total, etag: acceptsNone ? none : strongTag(headers) }
}

const continued = (state: State, status: number, headers: HeaderField.Headers): Answer => {
  const tag = HeaderField.get(headers, "etag")
  const isSame = Option.isSome(tag) && Option.contains(state.etag, HeaderField.trimmed(tag.value))
  switch (status) {
    case 206:
      return isSame ? part(state, headers) : refuse("Changed")
    case 200:
      return refuse(isSame || Option.isNone(tag) ? "RangeIgnored" : "Changed")
    case 412:
      return refuse("Changed")
    case 416: {
      // Of a body without a length the end may have come, and not been seen.
      const range = rangeOf(headers)
      const isEnd = Option.exists(range, (range) => range._tag === "Unsatisfied" && range.length === state.received)
      return isSame && isEnd && Option.isNone(state.total) ? { _tag: "Complete" } : refuse(isSame ? "InvalidRange" : "Changed")
    }
    default:
      return status >= 400 ? { _tag: "Failed" } : refuse("Status")
  }
}

const rangeOf = (headers: HeaderField.Headers) => Option.flatMap(HeaderField.get(headers, "content-range"), ContentRange.parse)

const part = (state: State, headers: HeaderField.Headers): Answer => {
  if (isEncoded(headers)) return refuse("Encoded")
  const range = Option.getOrUndefined(rangeOf(headers))
  if (range?._tag !== "Satisfied" || range.first !== state.received) return refuse("InvalidRange")
  const total = Option.getOrUndefined(Option.orElse(range.length, () => state.total))
  // Without a length nobody could say that it has come to its end.
  if (total === undefined) return refuse("InvalidRange")
  if (Option.isSome(state.total) && state.total.value !== total) return refuse("LengthMismatch")
  const until = range.last + 1
  if (until > total) return refuse("InvalidRange")
  if (Option.exists(lengthOf(headers), (length) => length !== until - range.first)) return refuse("LengthMismatch")
  return { ...state, total: Option.some(total), until: Option.some(until) }
}

/**
 * Takes so many bytes, or none of them where they are more than were announced.
 *
 * @since 0.1.0
 * @category deciding
 */
export const take = (state: State, size: number): State | Refuse => {
  const received = state.received + size
  return Option.exists(state.until, (until) => received > until) ? refuse("TooLong") : { ...state, received }
}

/**
 * Tells whether all bytes are there when an answer has come to its end. `ending` says how: without a length only one that was ended well is
 * the end.
 *
 * @since 0.1.0
 * @category guards
 */
export const isComplete = ({ received, total }: State, ending: "ended" | "cut"): boolean =>
  Option.match(total, { onNone: () => ending === "ended", onSome: (length) => received === length })
