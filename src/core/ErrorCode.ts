/**
 * What the codes of Node, undici, OpenSSL and the HTTP parser mean.
 *
 * Nothing here is guessed from a message where there is a code; the few messages that are read belong to `fetch`, which has
 * none, and each stands with the runtime that writes it.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import * as Failure from "./Failure.ts"

const dns = new Set(["ENOTFOUND", "EAI_AGAIN", "EAI_FAIL", "EAI_NODATA", "EAI_NONAME", "ENODATA", "ESERVFAIL", "ETIMEOUT"])

const tcp = new Set([
  "ECONNREFUSED",
  "EHOSTUNREACH",
  "EHOSTDOWN",
  "ENETUNREACH",
  "ENETDOWN",
  "EADDRNOTAVAIL",
  "EADDRINUSE",
  "EMFILE",
  "ENFILE",
  "ERR_SOCKET_CLOSED_BEFORE_CONNECTION",
  "ERR_SOCKET_CONNECTION_TIMEOUT",
  "UND_ERR_CONNECT_TIMEOUT"
])

const lost = new Set([
  "ECONNRESET",
  "ECONNABORTED",
  "EPIPE",
  "ETIMEDOUT",
  "ENOTCONN",
  "ERR_STREAM_PREMATURE_CLOSE",
  "ERR_STREAM_DESTROYED",
  "ERR_SOCKET_CLOSED",
  "ERR_HTTP2_STREAM_ERROR",
  "ERR_HTTP2_SESSION_ERROR",
  "ERR_HTTP2_GOAWAY_SESSION",
  "UND_ERR_SOCKET",
  "UND_ERR_CLOSED",
  "UND_ERR_DESTROYED",
  "UND_ERR_HEADERS_TIMEOUT",
  "UND_ERR_BODY_TIMEOUT"
])

/** OpenSSL's verification errors that Node passes on as codes, beside the families matched by prefix below. */
const untrusted = new Set([
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_GET_CRL",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "UNABLE_TO_DECRYPT_CERT_SIGNATURE",
  "UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY",
  "INVALID_CA",
  "INVALID_PURPOSE",
  "HOSTNAME_MISMATCH",
  "PATH_LENGTH_EXCEEDED",
  "EPROTO"
])

const untrustedPrefixes = ["CERT_", "CRL_", "ERR_TLS_CERT", "ERR_SSL_", "ERR_TLS_INVALID_PROTOCOL"]

const badRequest = new Set([
  "ERR_INVALID_CHAR",
  "ERR_INVALID_HTTP_TOKEN",
  "ERR_HTTP_INVALID_HEADER_VALUE",
  "ERR_UNESCAPED_CHARACTERS",
  "ERR_INVALID_ARG_TYPE",
  "ERR_INVALID_ARG_VALUE",
  "UND_ERR_INVALID_ARG",
  "UND_ERR_NOT_SUPPORTED",
  "UND_ERR_REQ_CONTENT_LENGTH_MISMATCH"
])

const badUrl = new Set(["ERR_INVALID_PROTOCOL", "ERR_INVALID_URL"])

const badResponse = new Set(["UND_ERR_HEADERS_OVERFLOW", "UND_ERR_RES_CONTENT_LENGTH_MISMATCH", "UND_ERR_RES_EXCEEDED_MAX_SIZE"])

/**
 * Every code that is known by itself, and not by how it begins: what a metric may show.
 *
 * @since 0.1.0
 * @category constants
 */
export const known: ReadonlyArray<string> = /* @__PURE__ */ [dns, tcp, lost, untrusted, badRequest, badUrl, badResponse].flatMap((codes) => [...codes])

/** `fetch` reports a broken connection as a TypeError with one of these messages: undici, Chromium, Firefox, Safari, Bun. */
const fetchLost = /^(?:fetch failed|terminated|failed to fetch|networkerror\b.*|load failed|network (?:error|connection lost).*|the network connection was lost.*)$/i

/** `fetch` refuses a request before it sends it with a TypeError too (undici, Chromium). Bounded, so that time is linear. */
const fetchMalformed = /invalid header|header.{0,20}invalid|is an invalid|invalid url|failed to parse url/i

const property = (u: object, name: "code" | "name" | "message" | "syscall"): string => {
  const value: unknown = (u as Readonly<Record<string, unknown>>)[name]
  return typeof value === "string" ? value : ""
}

/**
 * The failure that one error, its causes left aside, stands for; `None` where nothing in it says so.
 *
 * **Details**
 *
 * Total: an error that cannot be read (a getter that throws, a revoked proxy) says nothing.
 *
 * @since 0.1.0
 * @category conversions
 */
export const toFailure = (error: unknown): Option.Option<Failure.Failure> => {
  if (typeof error !== "object" || error === null) return Option.none()
  try {
    const code = property(error, "code")
    return code === "" ? fromName(error) : fromCode(error, code)
  } catch {
    return Option.none()
  }
}

const fromCode = (error: object, code: string): Option.Option<Failure.Failure> => {
  const syscall = property(error, "syscall")
  if (syscall === "getaddrinfo" || dns.has(code)) return Option.some(Failure.connectFailure("dns", code))
  if (syscall === "connect" || tcp.has(code)) return Option.some(Failure.connectFailure("tcp", code))
  if (lost.has(code)) {
    // Node gives the error over all addresses of a host the code of the first, and not its system call: the parts say more.
    if ("errors" in error && Array.isArray(error.errors) && error.errors.length > 0) return Option.none()
    // Node's own words for a peer that closed in the middle of the TLS handshake: no request can have been sent.
    return Option.some(
      property(error, "message").includes("before secure TLS connection was established")
        ? Failure.connectFailure("tls", code)
        : Failure.connectionLost(code)
    )
  }
  if (untrusted.has(code) || untrustedPrefixes.some((prefix) => code.startsWith(prefix))) {
    return Option.some(Failure.untrusted(code))
  }
  if (badRequest.has(code)) return Option.some(Failure.malformed("request", code))
  if (badUrl.has(code)) return Option.some(Failure.malformed("url", code))
  if (badResponse.has(code) || code.startsWith("HPE_")) return Option.some(Failure.malformed("response", code))
  return Option.none()
}

/** The message is read last, and only where it is needed: the platform's errors put theirs together each time. */
const fromName = (error: object): Option.Option<Failure.Failure> => {
  switch (property(error, "name")) {
    case "HTTPParserError":
      return Option.some(Failure.malformed("response", "HTTPParserError"))
    case "SyntaxError":
      return Option.some(Failure.malformed("response", "SyntaxError"))
    case "TypeError": {
      // A TypeError with a cause is only the wrapping of `fetch`: what happened stands one link further on.
      if ("cause" in error && error.cause !== undefined) return Option.none()
      const message = property(error, "message")
      if (fetchLost.test(message)) return Option.some(Failure.connectionLost("unknown"))
      return fetchMalformed.test(message) ? Option.some(Failure.malformed("request", "TypeError")) : Option.none()
    }
    case "Error":
      // undici's `fetch` wraps this for a scheme that is not http(s).
      return property(error, "message") === "unknown scheme"
        ? Option.some(Failure.malformed("url", "unknown scheme"))
        : Option.none()
    default:
      return Option.none()
  }
}

/** The system call that Node names beside a code. */
const syscallOf = (code: string): string | undefined => {
  const failure = Option.getOrUndefined(toFailure({ code }))
  if (failure?._tag === "ConnectFailure" && !code.includes("_ERR_")) return failure.phase === "dns" ? "getaddrinfo" : "connect"
  if (code === "EPIPE") return "write"
  return code === "ECONNRESET" || code === "ETIMEDOUT" ? "read" : undefined
}

/**
 * The error that Node raises with a code, for a fault that is played.
 *
 * **Example** (A connection that was refused)
 *
 * ```ts
 * import { ErrorCode } from "effect-resilience"
 *
 * const error = ErrorCode.toError("ECONNREFUSED")
 *
 * error.message // => "connect ECONNREFUSED"
 * ErrorCode.toFailure(error) // => ErrorCode.toFailure({ code: "ECONNREFUSED", syscall: "connect" })
 * ```
 *
 * @since 0.1.0
 * @category conversions
 */
export const toError = (code: string): Error => {
  const syscall = syscallOf(code)
  return syscall === undefined
    ? Object.assign(new Error(code), { code })
    : Object.assign(new Error(`${syscall} ${code}`), { code, syscall })
}
