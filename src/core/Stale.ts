/**
 * Which responses may be kept for bad times, and when one of them may be given in the place of an error: RFC 9111 and RFC 5861.
 *
 * Nothing is ever validated here, and nothing is given while the peer answers: this is no cache. So of what a cache may do only the
 * part is left that concerns a cache which is disconnected (RFC 9111 section 4.2.4), and where that leaves a choice the careful one
 * is taken.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import type { Millis } from "./Millis.ts"
import * as CacheControl from "./CacheControl.ts"
import * as HeaderField from "./HeaderField.ts"
import * as HttpDate from "./HttpDate.ts"

/**
 * Whose responses are kept together. "shared": many users', so what is for one of them is not kept. "private": also that, and it is only
 * given for the same `authorization` and `cookie`.
 *
 * @since 0.1.0
 * @category models
 */
export type Kind = "shared" | "private"

/**
 * A request as it is seen before it is sent.
 *
 * @since 0.1.0
 * @category models
 */
export interface Asked {
  readonly method: string
  readonly headers: HeaderField.Headers
  readonly hasBody: boolean
}

/**
 * A request, and the response that came.
 *
 * @since 0.1.0
 * @category models
 */
export interface Exchange {
  readonly asked: Asked
  /** The headers as they went out, with what was added on the way. */
  readonly sent: HeaderField.Headers
  readonly status: number
  readonly headers: HeaderField.Headers
  /** When the headers had arrived, by the wall clock. */
  readonly receivedAt: Millis
  /** The same by a clock that is never set. */
  readonly keptAt: Millis
  /** How long that took. */
  readonly responseDelay: Millis
}

/**
 * What is kept of an exchange, beside the body.
 *
 * @since 0.1.0
 * @category models
 */
export interface Kept {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** The age that it had when it was received (RFC 9111 section 4.2.3). */
  readonly initialAge: Millis
  /** By a clock that is never set. */
  readonly keptAt: Millis
  /** How old it may be and still count as fresh; 0 where nobody said so. */
  readonly lifetime: Millis
  readonly mayBeStale: boolean
  /** For how long after it became stale its server allows it to be given. */
  readonly staleIfError: Option.Option<Millis>
  /** The request headers that it was selected by, with their values. */
  readonly selecting: ReadonlyArray<readonly [name: string, value: string | undefined]>
}

/**
 * What is given of it: its headers, and how old it is.
 *
 * @since 0.1.0
 * @category models
 */
export interface Served {
  readonly headers: Readonly<Record<string, string>>
  readonly age: Millis
  readonly isStale: boolean
}

/** The good ones among the statuses that are cacheable by themselves (RFC 9110 section 15.1). A 404 is an answer, and no good one. */
const statuses = new Set([200, 203, 204, 300, 301, 308])

/** Beside those, what is said anew of each response that is given in the place of another. */
const dropped = new Set([...HeaderField.notToBeKept, "warning"])

const header = (headers: HeaderField.Headers, name: string): string | undefined =>
  Option.getOrUndefined(HeaderField.get(headers, name))

const cacheControl = (headers: HeaderField.Headers): CacheControl.CacheControl => CacheControl.parse(header(headers, "cache-control"))

/**
 * Tells whether the response to a request may be kept, or one that is kept be given for it, as far as the request is concerned: GET or
 * HEAD, without a body and without `range`, and nothing in its `cache-control` against it.
 *
 * @since 0.1.0
 * @category guards
 */
export const isEligible = ({ hasBody, headers, method }: Asked): boolean => {
  if (method !== "GET" && method !== "HEAD" || hasBody || header(headers, "range") !== undefined) return false
  const { noCache, noStore } = cacheControl(headers)
  return !noCache && !noStore
}

/**
 * What is kept of an exchange whose request is eligible; `None` where it may not be.
 *
 * **Details**
 *
 * Not kept: other statuses than 200, 203, 204, 300, 301 and 308; `no-store`; `no-cache`; `Vary: *`; and in a shared store `private`, and the
 * response to a request with `authorization` or `cookie`, unless it is `public` or says how a shared cache shall treat it. A response that
 * varies is kept for the same values of the headers it names, as they were sent; where one of them was added on the way, and so cannot be
 * known of the next request, it is not kept.
 *
 * @since 0.1.0
 * @category keeping
 */
export const keep = (kind: Kind, exchange: Exchange): Option.Option<Kept> => {
  const { asked, headers, keptAt, sent, status } = exchange
  const told = cacheControl(headers)
  const isShared = kind === "shared"
  if (!statuses.has(status) || told.noStore || told.noCache || isShared && told.private) return Option.none()
  const isPersonal = ["authorization", "cookie"].some((name) => header(sent, name) !== undefined)
  const isForAll = told.public || told.mustRevalidate || Option.isSome(told.sMaxAge)
  if (isShared && isPersonal && !isForAll) return Option.none()
  const varying = fieldNames(header(headers, "vary"))
  if (varying === undefined) return Option.none()
  const names = isShared ? varying : [...varying, "authorization", "cookie"]
  if (names.some((name) => header(sent, name) !== header(asked.headers, name))) return Option.none()
  return Option.some({
    status,
    headers: lasting(headers),
    initialAge: initialAge(exchange),
    keptAt,
    lifetime: lifetime(exchange, told, isShared),
    mayBeStale: !told.mustRevalidate && !(isShared && (told.proxyRevalidate || Option.isSome(told.sMaxAge))),
    staleIfError: told.staleIfError,
    selecting: names.map((name) => [name, header(sent, name)])
  })
}

const maxNames = 32

/** The names in a list, in lower case; `undefined` for `*`, and for what is no list of names. */
const fieldNames = (value: string = ""): ReadonlyArray<string> | undefined => {
  const names = value.split(",", maxNames + 1).map((name) => HeaderField.trimmed(name).toLowerCase()).filter((name) => name !== "")
  return names.length <= maxNames && names.every((name) => /^[!#$%&'+.^_`|~0-9a-z-]+$/.test(name)) ? names : undefined
}

/** Where `connection` is no list of names, nothing can be told of what belongs to it: RFC 9110 has the known ones be dropped anyway. */
const lasting = (headers: HeaderField.Headers): Readonly<Record<string, string>> => {
  const ofConnection = fieldNames(header(headers, "connection")) ?? []
  const entries = Object.entries(headers).flatMap(([name, value]): ReadonlyArray<[string, string]> =>
    value === undefined || dropped.has(name) || ofConnection.includes(name) ? [] : [[name, value]])
  return Object.fromEntries(entries)
}

const date = (headers: HeaderField.Headers, name: string, now: Millis): Option.Option<Millis> => {
  const value = header(headers, name)
  return value === undefined ? Option.none() : HttpDate.parse(HeaderField.trimmed(value), now)
}

const initialAge = ({ headers, receivedAt, responseDelay }: Exchange): Millis => {
  // What is no number of seconds is infinitely old: nobody can say how much younger.
  const age = header(headers, "age")
  const told = age === undefined ? 0 : Option.getOrElse(HeaderField.integer(age), () => Infinity) * 1000
  const sentAt = Option.getOrElse(date(headers, "date", receivedAt), () => receivedAt)
  return Math.max(0, receivedAt - sentAt, told + Math.max(0, responseDelay))
}

const lifetime = ({ headers, receivedAt }: Exchange, told: CacheControl.CacheControl, isShared: boolean): Millis => {
  if (isShared && Option.isSome(told.sMaxAge)) return told.sMaxAge.value
  if (Option.isSome(told.maxAge)) return told.maxAge.value
  const sentAt = Option.getOrElse(date(headers, "date", receivedAt), () => receivedAt)
  return Option.match(date(headers, "expires", receivedAt), { onNone: () => 0, onSome: (at) => Math.max(0, at - sentAt) })
}

/**
 * What is given for an eligible request at `now` (by the clock of `keptAt`), where that is not older than `maxAge` ms.
 *
 * **Details**
 *
 * Not given: what was selected by other headers; what is too old for `maxAge`, or for the request's `max-age` or `min-fresh`; and what is
 * stale where that may not be (`must-revalidate`, in a shared store `s-maxage` and `proxy-revalidate`), or for longer than the response's or the
 * request's `stale-if-error` or the request's `max-stale` say. Without any of these, that somebody asked for this strategy is the permission
 * that RFC 9111 section 4.2.4 wants. A clock that goes back makes nothing younger than it was.
 *
 * `Age` is in whole seconds. `Warning` is 111 (no answer could be had), and 110 before it where it is stale; RFC 9111 has retired the header, and
 * nothing else says the same.
 *
 * @since 0.1.0
 * @category serving
 */
export const serve = (self: Kept, headers: HeaderField.Headers, now: Millis, maxAge: Millis): Option.Option<Served> => {
  if (self.selecting.some(([name, value]) => header(headers, name) !== value)) return Option.none()
  const age = self.initialAge + Math.max(0, now - self.keptAt)
  const wanted = cacheControl(headers)
  const exceeds = (n: Millis, limit: Option.Option<Millis>): boolean => Option.exists(limit, (most) => n > most)
  if (age > maxAge || exceeds(age, wanted.maxAge)) return Option.none()
  if (Option.exists(wanted.minFresh, (least) => self.lifetime - age < least)) return Option.none()
  const isStale = age >= self.lifetime
  const staleness = age - self.lifetime
  if (isStale) {
    if (!self.mayBeStale) return Option.none()
    if ([self.staleIfError, wanted.staleIfError, wanted.maxStale].some((limit) => exceeds(staleness, limit))) return Option.none()
  }
  const failed = "111 - \"Revalidation Failed\""
  const warning = isStale ? `110 - "Response is Stale", ${failed}` : failed
  return Option.some({ age, isStale, headers: { ...self.headers, age: String(Math.floor(age / 1000)), warning } })
}
