/**
 * Where a redirect leads, with which method, and what must not go along.
 *
 * | status | GET, HEAD | POST | others |
 * | --- | --- | --- | --- |
 * | 301, 302 | as it is | GET without the body | as it is, with the body |
 * | 303 | as it is | GET without the body | GET without the body |
 * | 307, 308 | as it is | as it is, with the body | as it is, with the body |
 *
 * RFC 9110 section 15.4, and what browsers do where it leaves a choice. Any other status is no redirect.
 *
 * @since 0.1.0
 */

/**
 * Why a redirect is not followed.
 *
 * - `TooMany`: there were as many before as are allowed
 * - `Invalid`: its address is none, or longer than 8 KiB
 * - `Scheme`: it leads to something else than http and https
 * - `UserInfo`: its address names a user
 * - `Downgrade`: it leads from https to http
 * - `NotReplayable`: it asks for the body again, which can be sent once
 * - `NotAllowed`: the caller's own rule refused it
 *
 * @since 0.1.0
 * @category models
 */
export type Reason = "TooMany" | "Invalid" | "Scheme" | "UserInfo" | "Downgrade" | "NotReplayable" | "NotAllowed"

/**
 * A redirect that can be followed.
 *
 * @since 0.1.0
 * @category models
 */
export interface Follow {
  readonly _tag: "Follow"
  readonly from: URL
  readonly to: URL
  readonly method: string
  readonly body: "keep" | "drop"
}

/**
 * What becomes of a response: it is no redirect, it is followed, or it is refused.
 *
 * @since 0.1.0
 * @category models
 */
export type Step = { readonly _tag: "Stay" } | Follow | { readonly _tag: "Refuse"; readonly reason: Reason }

/**
 * The request that was redirected.
 *
 * @since 0.1.0
 * @category models
 */
export interface Sent {
  readonly url: URL
  /** In upper case. */
  readonly method: string
  /** The body can be sent again, byte for byte. */
  readonly replayable: boolean
  /** How many redirects led to it. */
  readonly hops: number
}

/**
 * What is allowed.
 *
 * @since 0.1.0
 * @category models
 */
export interface Rules {
  readonly maxRedirects: number
  readonly downgrade: "refuse" | "allow"
  readonly allow: (follow: Follow) => boolean
}

const stay: Step = { _tag: "Stay" }
const refuse = (reason: Reason): Step => ({ _tag: "Refuse", reason })

const statuses: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

const maxLength = 8192

/**
 * Decides what becomes of a response. `location` is its header of that name, which may be relative.
 *
 * **Example** (A table in code)
 *
 * ```ts
 * import { Redirection } from "effect-resilience"
 *
 * const rules: Redirection.Rules = { maxRedirects: 5, downgrade: "refuse", allow: () => true }
 * const sent: Redirection.Sent = { url: new URL("https://a.test/x"), method: "POST", replayable: true, hops: 0 }
 *
 * const seen = Redirection.step(sent, 303, "/y", rules)
 * seen._tag === "Follow" && [seen.method, seen.body, seen.to.href] // => ["GET", "drop", "https://a.test/y"]
 *
 * Redirection.step(sent, 302, "http://a.test/y", rules) // => { _tag: "Refuse", reason: "Downgrade" }
 * Redirection.step(sent, 304, "/y", rules) // => { _tag: "Stay" }
 * ```
 *
 * @since 0.1.0
 * @category deciding
 */
export const step = (sent: Sent, status: number, location: string | undefined, rules: Rules): Step => {
  if (!statuses.has(status) || location === undefined) return stay
  const to = parse(location, sent.url)
  if (to === undefined) return refuse("Invalid")
  if (to.protocol !== "https:" && to.protocol !== "http:") return refuse("Scheme")
  if (to.username !== "" || to.password !== "") return refuse("UserInfo")
  if (sent.hops >= rules.maxRedirects) return refuse("TooMany")
  if (rules.downgrade === "refuse" && sent.url.protocol === "https:" && to.protocol === "http:") return refuse("Downgrade")
  const becomesGet = status === 303 ? sent.method !== "GET" && sent.method !== "HEAD" : status < 303 && sent.method === "POST"
  if (!becomesGet && !sent.replayable) return refuse("NotReplayable")
  const follow: Follow = {
    _tag: "Follow",
    from: sent.url,
    to,
    method: becomesGet ? "GET" : sent.method,
    body: becomesGet ? "drop" : "keep"
  }
  return rules.allow(follow) ? follow : refuse("NotAllowed")
}

const parse = (location: string, base: URL): URL | undefined => {
  if (location.length > maxLength) return undefined
  try {
    return new URL(location, base)
  } catch {
    return undefined
  }
}

/**
 * The headers that stay behind on a change of origin, in lower case: who is calling, and which call it is.
 *
 * @since 0.1.0
 * @category constants
 */
export const credentials: ReadonlyArray<string> = [
  "authorization",
  "proxy-authorization",
  "cookie",
  "idempotency-key",
  "x-idempotency-key",
  "x-api-key",
  "api-key",
  "x-auth-token",
  "x-csrf-token",
  "x-xsrf-token",
  "x-amz-security-token"
]

/** Those that belong to the connection or to the old address, whichever the new one is. */
const ofTheHop: ReadonlySet<string> = new Set(["host", "proxy-authorization", "content-length"])

/**
 * The headers that go along: all but those of the connection, of a body that does not, and, to another origin, the secret ones.
 *
 * **Details**
 *
 * Two addresses have the same origin where scheme, host and port are the same once they have been parsed. `isSecret` is asked about
 * names in lower case.
 *
 * @since 0.1.0
 * @category deciding
 */
export const headers = (
  follow: Follow,
  sent: Readonly<Record<string, string>>,
  isSecret: (name: string) => boolean
): Record<string, string> => {
  const elsewhere = follow.from.origin !== follow.to.origin
  return Object.fromEntries(Object.entries(sent).filter(([name]) => {
    const lower = name.toLowerCase()
    if (ofTheHop.has(lower) || follow.body === "drop" && lower.startsWith("content-")) return false
    return !(elsewhere && (credentials.includes(lower) || isSecret(lower)))
  }))
}
