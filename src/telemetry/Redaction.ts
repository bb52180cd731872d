/**
 * What must not stand in a trace or a log.
 *
 * An address can hold a user and a password, and a signature that lets anyone do what the request does. The message of an error
 * often holds the address. Both are shown with `REDACTED` in their place.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"

/**
 * The query parameters whose values are signatures or keys: the list of OpenTelemetry's `url.full`, and AWS's version 4.
 *
 * @since 0.1.0
 * @category constants
 */
export const signatureParameters: ReadonlyArray<string> = [
  "AWSAccessKeyId",
  "Signature",
  "sig",
  "X-Goog-Signature",
  "X-Amz-Signature",
  "X-Amz-Credential",
  "X-Amz-Security-Token"
]

/**
 * What stands in the place of a secret.
 *
 * @since 0.1.0
 * @category constants
 */
export const redacted = "REDACTED"

/**
 * What is redacted of an address, beside user and password.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** The names of query parameters, exactly as they are written; "all" of them. Default: `signatureParameters`. */
  readonly parameters?: ReadonlyArray<string> | "all" | undefined
}

/**
 * What redacts.
 *
 * @since 0.1.0
 * @category models
 */
export interface Redactor {
  /** The address as it may be shown. */
  readonly url: (url: URL) => string
  /** A text in which every address is as it may be shown. */
  readonly text: (text: string) => string
}

const credentials = /(:\/\/)[^/?#\r\n]*@/g

/**
 * Makes a redactor.
 *
 * **Example** (Parameters of your own)
 *
 * ```ts
 * import { Redaction } from "effect-resilience"
 *
 * const ours = Redaction.make({ parameters: [...Redaction.signatureParameters, "token"] })
 *
 * ours.url(new URL("https://api.test/a?token=123&page=2")) // => "https://api.test/a?token=REDACTED&page=2"
 * ours.text("reset (GET https://user:secret@api.test/a?token=123 )") // => "reset (GET https://REDACTED:REDACTED@api.test/a?token=REDACTED )"
 * Redaction.make({ parameters: "all" }).url(new URL("https://api.test/a?page=2")) // => "https://api.test/a?page=REDACTED"
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = ({ parameters = signatureParameters }: Options = {}): Redactor => {
  const namesIn = (url: URL): ReadonlyArray<string> =>
    parameters === "all" ? [...url.searchParams.keys()] : parameters.filter((name) => url.searchParams.has(name))
  const quoted = parameters === "all" ? ["[^=&#\\s]+"] : parameters.map((name) => name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"))
  const values = new RegExp(`([?&](?:${quoted.join("|")})=)[^&#\\s]*`, "g")
  return {
    url: (url) => {
      const names = url.search === "" ? [] : namesIn(url)
      if (url.username === "" && url.password === "" && names.length === 0) return url.href
      const copy = new URL(url)
      if (copy.username !== "") copy.username = redacted
      if (copy.password !== "") copy.password = redacted
      for (const name of names) copy.searchParams.set(name, redacted)
      return copy.href
    },
    text: (text) => {
      const named = quoted.length === 0 || !text.includes("=") ? text : text.replace(values, `$1${redacted}`)
      return named.includes("@") ? named.replace(credentials, `$1${redacted}:${redacted}@`) : named
    }
  }
}

/**
 * The redactor with the defaults.
 *
 * @since 0.1.0
 * @category constants
 */
export const standard: Redactor = make()

/**
 * The address of a request as a trace may show it: user and password, and the values of signature parameters, are replaced.
 *
 * **Example** (A signed URL)
 *
 * ```ts
 * import { Redaction } from "effect-resilience"
 *
 * Redaction.url(new URL("https://user:secret@files.test/a?sig=123&page=2")) // => "https://REDACTED:REDACTED@files.test/a?sig=REDACTED&page=2"
 * ```
 *
 * @since 0.1.0
 * @category redacting
 */
export const url: (self: URL) => string = standard.url

/**
 * A text, of an error say, in which the secrets of every address are replaced.
 *
 * **Gotchas**
 *
 * A value ends at white space, `&` or `#`, so a bracket or a comma that follows it is gone with it. What stands between `://` and an `@` in
 * the same line is taken for credentials, unless there is a `/`, `?` or `#` before it.
 *
 * @since 0.1.0
 * @category redacting
 */
export const text: (self: string) => string = standard.text

/** What lies deeper in the causes of an error is left out: they may go in a circle. */
const deepest = 8

/** As it came where nothing in it was a secret; else a copy, because the one that came is the caller's. */
const error = (self: unknown, redactor: Redactor, depth = 0): unknown => {
  if (typeof self === "string") return redactor.text(self)
  if (typeof self !== "object" || self === null) return self
  if (!(self instanceof Error)) {
    const shown = Cause.pretty(Cause.fail(self))
    const safe = redactor.text(shown)
    return safe === shown ? self : safe
  }
  const message = redactor.text(self.message)
  const stack = self.stack === undefined ? undefined : redactor.text(self.stack)
  const inner = self.cause === undefined || depth === deepest ? undefined : error(self.cause, redactor, depth + 1)
  if (message === self.message && stack === self.stack && inner === self.cause) return self
  const copy = new Error(message, inner === undefined ? undefined : { cause: inner })
  copy.name = self.name
  copy.stack = stack ?? ""
  return copy
}

/**
 * What went wrong, with the secrets of every address in its messages replaced: of failures, of defects, and of what caused them.
 *
 * **Details**
 *
 * An error in which there was nothing to replace is the same value. One in which there was is replaced by a plain `Error` with its name,
 * message and stack; the error that came is not touched.
 *
 * @since 0.1.0
 * @category redacting
 */
export const cause = <E>(self: Cause.Cause<E>, redactor: Redactor = standard): Cause.Cause<unknown> =>
  Cause.match(self, {
    onEmpty: Cause.empty as Cause.Cause<unknown>,
    onFail: (failure): Cause.Cause<unknown> => Cause.fail(error(failure, redactor)),
    onDie: (defect) => Cause.die(error(defect, redactor)),
    onInterrupt: Cause.interrupt,
    onSequential: Cause.sequential,
    onParallel: Cause.parallel
  })
