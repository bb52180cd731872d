/**
 * Reads the `Cache-Control` header of a request or a response (RFC 9111 section 5.2, RFC 5861).
 *
 * Total and strict, and careful where it must guess: what cannot be read says less is allowed, never more. A header that is too long to
 * be meant is read as `no-store`, a number that is none as 0, and of two numbers the smaller one holds (RFC 9111 section 4.2.1).
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import * as HeaderField from "./HeaderField.ts"
import type { Millis } from "./Millis.ts"

/**
 * What a header allows and forbids. Numbers of seconds are in ms here.
 *
 * @since 0.1.0
 * @category models
 */
export interface CacheControl {
  readonly noStore: boolean
  /** Also where it names fields: what is told of a part is taken to be told of the whole. */
  readonly noCache: boolean
  readonly public: boolean
  /** Also where it names fields. */
  readonly private: boolean
  readonly mustRevalidate: boolean
  readonly proxyRevalidate: boolean
  readonly maxAge: Option.Option<Millis>
  readonly sMaxAge: Option.Option<Millis>
  readonly staleIfError: Option.Option<Millis>
  /** Infinity where it stands without a number. */
  readonly maxStale: Option.Option<Millis>
  readonly minFresh: Option.Option<Millis>
}

/** Longer headers and longer lists are not meant. */
const maxLength = 4096
const maxDirectives = 64

const directive = /^[ \t]*(?:([!#$%&'*+.^_`|~0-9a-z-]+)(?:=(?:"((?:[^"\\]|\\.)*)"|([^\s",]*)))?)?[ \t]*(?:,|$)/i

/** The directives in order, names in lower case; `undefined` where the text is no list of them. */
const directives = (text: string): ReadonlyArray<readonly [name: string, value: string | undefined]> | undefined => {
  if (text.length > maxLength) return undefined
  const found: Array<readonly [string, string | undefined]> = []
  let rest = text
  while (rest !== "") {
    const match = directive.exec(rest)
    if (match === null || match[0] === "" || found.length === maxDirectives) return undefined
    const [all, name, quoted, token] = match
    if (name !== undefined) found.push([name.toLowerCase(), quoted ?? token])
    rest = rest.slice(all.length)
  }
  return found
}

/** What cannot be represented is 2^31 s (RFC 9111 section 1.2.2): 68 years. */
const maxSeconds = 2_147_483_648

const seconds = (value: string | undefined): Millis =>
  Math.min(Option.getOrElse(HeaderField.integer(value ?? ""), () => 0), maxSeconds) * 1000

/**
 * Reads the value of a `Cache-Control` header; `undefined` is a header that is not there.
 *
 * **Example** (What a server may say)
 *
 * ```ts
 * import { CacheControl } from "effect-resilience"
 * import { Option } from "effect"
 *
 * const told = CacheControl.parse("max-age=60, stale-if-error=\"600\", PRIVATE")
 *
 * told.maxAge // => Option.some(60_000)
 * told.staleIfError // => Option.some(600_000)
 * told.private // => true
 * CacheControl.parse("max-age=soon").maxAge // => Option.some(0)
 * ```
 *
 * @since 0.1.0
 * @category parsing
 */
export const parse = (value: string | undefined): CacheControl => {
  const list = value === undefined ? [] : directives(value)
  const has = (name: string): boolean => list?.some(([each]) => each === name) ?? false
  const least = (name: string, whenBare: Millis = 0): Option.Option<Millis> => {
    const all = (list ?? []).filter(([each]) => each === name)
    return all.length === 0
      ? Option.none()
      : Option.some(Math.min(...all.map(([, each]) => each === undefined ? whenBare : seconds(each))))
  }
  return {
    noStore: list === undefined || has("no-store"),
    noCache: has("no-cache"),
    public: has("public"),
    private: has("private"),
    mustRevalidate: has("must-revalidate"),
    proxyRevalidate: has("proxy-revalidate"),
    maxAge: least("max-age"),
    sMaxAge: least("s-maxage"),
    staleIfError: least("stale-if-error"),
    maxStale: least("max-stale", Infinity),
    minFresh: least("min-fresh")
  }
}
