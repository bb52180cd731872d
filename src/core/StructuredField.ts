/**
 * Reads structured field values of HTTP: the lists and dictionaries of items of RFC 9651, strictly and in linear time.
 *
 * What is not of the grammar is `None` as a whole, as the RFC demands. Inner lists are not read: no field that is read here has
 * them. The bytes of a byte sequence stay as they are written, so that those with stray bits at the end, as in the examples of the
 * RateLimit draft, can be told apart as well.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"

/**
 * A value without its parameters.
 *
 * @since 0.1.0
 * @category models
 */
export type BareItem =
  | { readonly _tag: "Integer"; readonly value: number }
  | { readonly _tag: "Decimal"; readonly value: number }
  | { readonly _tag: "String"; readonly value: string }
  | { readonly _tag: "Token"; readonly value: string }
  /** In base64. */
  | { readonly _tag: "Bytes"; readonly value: string }
  | { readonly _tag: "Boolean"; readonly value: boolean }
  /** Seconds since the epoch. */
  | { readonly _tag: "Date"; readonly value: number }
  /** With its percent signs. */
  | { readonly _tag: "DisplayString"; readonly value: string }

/**
 * A value with its parameters. Of two parameters with one name the last one holds.
 *
 * @since 0.1.0
 * @category models
 */
export interface Item {
  readonly bare: BareItem
  readonly parameters: ReadonlyMap<string, BareItem>
}

/** A longer value is not read. */
const maxLength = 4096
/** One with more members, or a member with more parameters, neither. */
const maxMembers = 64

/**
 * Reads a list of items. An empty value is an empty list.
 *
 * **Example** (A quota)
 *
 * ```ts
 * import { StructuredField } from "effect-resilience"
 * import { Option } from "effect"
 *
 * const items = Option.getOrThrow(StructuredField.parseList(`"default";r=50;t=30`))
 *
 * items[0].bare // => { _tag: "String", value: "default" }
 * items[0].parameters.get("t") // => { _tag: "Integer", value: 30 }
 * StructuredField.parseList("50;") // => Option.none()
 * ```
 *
 * @since 0.1.0
 * @category parsing
 */
export const parseList = (value: string): Option.Option<ReadonlyArray<Item>> => {
  const items: Array<Item> = []
  const all = members(value, (at) => {
    const item = readItem(at)
    if (item !== undefined) items.push(item)
    return item !== undefined && items.length <= maxMembers
  })
  return all ? Option.some(items) : Option.none()
}

/**
 * Reads a dictionary of items. Of two members with one name the last one holds; one without a value is true.
 *
 * @since 0.1.0
 * @category parsing
 */
export const parseDictionary = (value: string): Option.Option<ReadonlyMap<string, Item>> => {
  const dictionary = new Map<string, Item>()
  const all = members(value, (at) => {
    const name = take(at, keyOf)
    if (name === undefined) return false
    const item = at.text[at.index] === "=" ? (at.index++, readItem(at)) : parameterised({ _tag: "Boolean", value: true }, at)
    if (item !== undefined) dictionary.set(name, item)
    return item !== undefined && dictionary.size <= maxMembers
  })
  return all ? Option.some(dictionary) : Option.none()
}

/** Where the reading of a text has come to. */
interface Cursor {
  readonly text: string
  index: number
}

/** What members have in common: commas between them, none at the end, and nothing else. */
const members = (text: string, read: (at: Cursor) => boolean): boolean => {
  if (text.length > maxLength) return false
  const at: Cursor = { text, index: 0 }
  skip(at, spaces)
  if (at.index === text.length) return true
  while (read(at)) {
    // White space at the end of a field is no part of it, whichever it is.
    skip(at, whiteSpace)
    if (at.index === text.length) return true
    if (text[at.index++] !== ",") return false
    skip(at, whiteSpace)
  }
  return false
}

const spaces = / */y
const whiteSpace = /[ \t]*/y
const keyOf = /[a-z*][a-z0-9_.*-]*/y

const skip = (at: Cursor, what: RegExp): void => {
  take(at, what)
}

/** What stands here, if it is of that form; sticky expressions without a choice that could be taken back: linear. */
const take = (at: Cursor, form: RegExp): string | undefined => {
  form.lastIndex = at.index
  const found = form.exec(at.text)
  if (found === null) return undefined
  at.index = form.lastIndex
  return found[0]
}

const readItem = (at: Cursor): Item | undefined => {
  const bare = readBare(at)
  return bare === undefined ? undefined : parameterised(bare, at)
}

const noParameters: ReadonlyMap<string, BareItem> = new Map()

const parameterised = (bare: BareItem, at: Cursor): Item | undefined => {
  if (at.text[at.index] !== ";") return { bare, parameters: noParameters }
  const parameters = new Map<string, BareItem>()
  while (at.text[at.index] === ";") {
    at.index++
    skip(at, spaces)
    const name = take(at, keyOf)
    if (name === undefined) return undefined
    let value: BareItem | undefined = { _tag: "Boolean", value: true }
    if (at.text[at.index] === "=") {
      at.index++
      value = readBare(at)
    }
    if (value === undefined || parameters.size >= maxMembers) return undefined
    parameters.set(name, value)
  }
  return { bare, parameters }
}

/** Each form begins with a character that no other begins with: which one it is is known before it is read. */
const readBare = (at: Cursor): BareItem | undefined => {
  for (const { form, read } of forms) {
    const found = take(at, form)
    if (found !== undefined) return read(found)
  }
  return undefined
}

interface Form {
  readonly form: RegExp
  readonly read: (text: string) => BareItem
}

/** -0 and 0 are one number to a reader of headers. */
const number = (text: string): number => Number(text) + 0

const forms: ReadonlyArray<Form> = [
  { form: /-?[0-9]{1,12}\.[0-9]{1,3}/y, read: (text) => ({ _tag: "Decimal", value: number(text) }) },
  { form: /-?[0-9]{1,15}/y, read: (text) => ({ _tag: "Integer", value: number(text) }) },
  {
    form: /"(?:[ !#-[\]-~]|\\["\\])*"/y,
    read: (text) => ({ _tag: "String", value: text.slice(1, -1).replace(/\\(["\\])/g, "$1") })
  },
  { form: /[A-Za-z*][!#$%&'*+.^_`|~A-Za-z0-9:/-]*/y, read: (text) => ({ _tag: "Token", value: text }) },
  { form: /:[A-Za-z0-9+/]*={0,2}:/y, read: (text) => ({ _tag: "Bytes", value: text.slice(1, -1) }) },
  { form: /\?[01]/y, read: (text) => ({ _tag: "Boolean", value: text === "?1" }) },
  { form: /@-?[0-9]{1,15}/y, read: (text) => ({ _tag: "Date", value: number(text.slice(1)) }) },
  { form: /%"(?:[ !#$&-~]|%[0-9a-f]{2})*"/y, read: (text) => ({ _tag: "DisplayString", value: text.slice(2, -1) }) }
]
