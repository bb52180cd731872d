/**
 * What must not stand in a trace.
 *
 * @since 0.1.0
 */

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

const redacted = "REDACTED"

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
export const url = (self: URL): string => {
  const secretive = self.search !== "" && signatureParameters.some((name) => self.searchParams.has(name))
  if (self.username === "" && self.password === "" && !secretive) return self.href
  const copy = new URL(self)
  if (copy.username !== "") copy.username = redacted
  if (copy.password !== "") copy.password = redacted
  if (secretive) {
    for (const name of signatureParameters) if (copy.searchParams.has(name)) copy.searchParams.set(name, redacted)
  }
  return copy.href
}
