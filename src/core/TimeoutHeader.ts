/**
 * The time that a call has left, as a header: a length and not an instant, so that the two clocks need not agree.
 *
 * | encoding, which is the name of the header | value | from |
 * | --- | --- | --- |
 * | `x-request-timeout-ms` | whole milliseconds | this library's own |
 * | `grpc-timeout` | up to 8 digits and a unit: `H` `M` `S` `m` `u` `n` | the gRPC protocol over HTTP/2 |
 * | `x-envoy-expected-rq-timeout-ms` | whole milliseconds | Envoy |
 *
 * What is written is rounded down, and so is what is read: nobody is promised more time than there is. What is read is at most
 * `maxDelay`; what is not of the grammar is `None`.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import type { Millis } from "./Millis.ts"
import { maxDelay } from "./Millis.ts"
import * as HeaderField from "./HeaderField.ts"

/**
 * How a time is written. Each is the name of its header.
 *
 * @since 0.1.0
 * @category models
 */
export type Encoding = "x-request-timeout-ms" | "grpc-timeout" | "x-envoy-expected-rq-timeout-ms"

/**
 * Every encoding.
 *
 * @since 0.1.0
 * @category constants
 */
export const encodings: ReadonlyArray<Encoding> = ["x-request-timeout-ms", "grpc-timeout", "x-envoy-expected-rq-timeout-ms"]

/** The most digits that `grpc-timeout` may have. */
const grpcDigits = 8

const grpcTimeout = new RegExp(`^[0-9]{1,${grpcDigits}}[HMSmun]$`)

const units = new Map([["H", 3_600_000], ["M", 60_000], ["S", 1000], ["m", 1], ["u", 1e-3], ["n", 1e-6]])

/** What is no number is no time: of two mistakes, asking for too little is the one that is noticed. */
const whole = (remaining: Millis): number =>
  Number.isNaN(remaining) ? 1 : Math.min(Math.max(Math.floor(remaining), 1), maxDelay)

/**
 * Writes how much time is left, in ms, as the value of a header.
 *
 * **Details**
 *
 * At least 1 ms, because to some receivers 0 is no limit at all, and at most `maxDelay`. `grpc-timeout` is in ms as long as 8
 * digits will do, and in seconds from 27.7 hours on.
 *
 * **Example** (Three ways to say it)
 *
 * ```ts
 * import { TimeoutHeader } from "effect-resilience"
 *
 * TimeoutHeader.encode(1500.9, "x-request-timeout-ms") // => "1500"
 * TimeoutHeader.encode(1500.9, "grpc-timeout") // => "1500m"
 * TimeoutHeader.encode(172_800_999, "grpc-timeout") // => "172800S"
 * ```
 *
 * @since 0.1.0
 * @category encoding
 */
export const encode = (remaining: Millis, encoding: Encoding): string => {
  const millis = whole(remaining)
  if (encoding !== "grpc-timeout") return String(millis)
  return millis < 10 ** grpcDigits ? `${millis}m` : `${Math.floor(millis / 1000)}S`
}

/**
 * Reads the value of one header, in ms.
 *
 * **Details**
 *
 * 0 is no time left; except to Envoy, whose timeouts of 0 are none.
 *
 * **Example** (Strict)
 *
 * ```ts
 * import { TimeoutHeader } from "effect-resilience"
 * import { Option } from "effect"
 *
 * TimeoutHeader.parse("2S", "grpc-timeout") // => Option.some(2000)
 * TimeoutHeader.parse("1999999n", "grpc-timeout") // => Option.some(1)
 * TimeoutHeader.parse("123456789m", "grpc-timeout") // => Option.none()
 * TimeoutHeader.parse("-1", "x-request-timeout-ms") // => Option.none()
 * ```
 *
 * @since 0.1.0
 * @category parsing
 */
export const parse = (value: string, encoding: Encoding): Option.Option<Millis> => {
  if (encoding === "grpc-timeout") return parseGrpc(HeaderField.trimmed(value))
  const millis = Option.map(HeaderField.integer(value), (asked) => Math.min(asked, maxDelay))
  return encoding === "x-envoy-expected-rq-timeout-ms" ? Option.filter(millis, (asked) => asked > 0) : millis
}

const parseGrpc = (value: string): Option.Option<Millis> => {
  const unit = units.get(value.slice(-1))
  if (unit === undefined || !grpcTimeout.test(value)) return Option.none()
  return Option.some(Math.min(Math.floor(Number(value.slice(0, -1)) * unit), maxDelay))
}

/**
 * Reads the time left from the headers of a request, in ms: the shortest of those that can be read.
 *
 * **Details**
 *
 * A proxy on the way may have added a limit of its own beside that of the caller, and both hold.
 *
 * **Example** (A proxy allows less than the caller)
 *
 * ```ts
 * import { TimeoutHeader } from "effect-resilience"
 * import { Option } from "effect"
 *
 * const headers = { "x-request-timeout-ms": "900", "x-envoy-expected-rq-timeout-ms": "250", "grpc-timeout": "soon" }
 *
 * TimeoutHeader.fromHeaders(headers) // => Option.some(250)
 * TimeoutHeader.fromHeaders(headers, ["grpc-timeout"]) // => Option.none()
 * ```
 *
 * @since 0.1.0
 * @category parsing
 */
export const fromHeaders = (
  headers: HeaderField.Headers,
  read: ReadonlyArray<Encoding> = encodings
): Option.Option<Millis> => {
  let shortest: Option.Option<Millis> = Option.none()
  for (const encoding of read) {
    const asked = Option.flatMap(HeaderField.get(headers, encoding), (value) => parse(value, encoding))
    if (Option.isSome(asked) && (Option.isNone(shortest) || asked.value < shortest.value)) shortest = asked
  }
  return shortest
}
