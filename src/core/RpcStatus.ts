/**
 * The status codes of gRPC, which Connect shares: their names, their numbers, and what they are over HTTP.
 *
 * | number | name | Connect | HTTP (Connect) | sent again by default |
 * | --- | --- | --- | --- | --- |
 * | 1 | `CANCELLED` | `canceled` | 499 | no |
 * | 2 | `UNKNOWN` | `unknown` | 500 | no |
 * | 3 | `INVALID_ARGUMENT` | `invalid_argument` | 400 | no |
 * | 4 | `DEADLINE_EXCEEDED` | `deadline_exceeded` | 504 | no |
 * | 5 | `NOT_FOUND` | `not_found` | 404 | no |
 * | 6 | `ALREADY_EXISTS` | `already_exists` | 409 | no |
 * | 7 | `PERMISSION_DENIED` | `permission_denied` | 403 | no |
 * | 8 | `RESOURCE_EXHAUSTED` | `resource_exhausted` | 429 | yes |
 * | 9 | `FAILED_PRECONDITION` | `failed_precondition` | 400 | no |
 * | 10 | `ABORTED` | `aborted` | 409 | no |
 * | 11 | `OUT_OF_RANGE` | `out_of_range` | 400 | no |
 * | 12 | `UNIMPLEMENTED` | `unimplemented` | 501 | no |
 * | 13 | `INTERNAL` | `internal` | 500 | no |
 * | 14 | `UNAVAILABLE` | `unavailable` | 503 | yes |
 * | 15 | `DATA_LOSS` | `data_loss` | 500 | no |
 * | 16 | `UNAUTHENTICATED` | `unauthenticated` | 401 | no |
 *
 * Names and numbers are those of `google.rpc.Code`; the statuses are those of the Connect protocol.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"

/**
 * Every code that is a failure, in the order of the numbers, from 1 on. `OK`, which is 0, is none.
 *
 * @since 0.1.0
 * @category constants
 */
export const codes = [
  "CANCELLED",
  "UNKNOWN",
  "INVALID_ARGUMENT",
  "DEADLINE_EXCEEDED",
  "NOT_FOUND",
  "ALREADY_EXISTS",
  "PERMISSION_DENIED",
  "RESOURCE_EXHAUSTED",
  "FAILED_PRECONDITION",
  "ABORTED",
  "OUT_OF_RANGE",
  "UNIMPLEMENTED",
  "INTERNAL",
  "UNAVAILABLE",
  "DATA_LOSS",
  "UNAUTHENTICATED"
] as const

/**
 * A code that is a failure.
 *
 * @since 0.1.0
 * @category models
 */
export type Code = typeof codes[number]

/**
 * The codes after which a call is sent again where nothing else is said.
 *
 * @since 0.1.0
 * @category constants
 */
export const retryable: ReadonlyArray<Code> = ["UNAVAILABLE", "RESOURCE_EXHAUSTED"]

/**
 * Tells whether a call is sent again after a code where nothing else is said.
 *
 * @since 0.1.0
 * @category guards
 */
export const isRetryable = (code: string): boolean => (retryable as ReadonlyArray<string>).includes(code)

/**
 * The code of a number, from 1 to 16.
 *
 * @since 0.1.0
 * @category conversions
 */
export const fromNumber = (number: number): Option.Option<Code> =>
  Number.isInteger(number) ? Option.fromNullable(codes[number - 1]) : Option.none()

/**
 * The number of a code.
 *
 * @since 0.1.0
 * @category conversions
 */
export const toNumber = (code: Code): number => codes.indexOf(code) + 1

/** The longest name has 19 characters: what is longer need not be looked at. */
const longest = 20

/**
 * The code of a name, in any case: `UNAVAILABLE` as in gRPC, `unavailable` as in Connect.
 *
 * **Example** (Two protocols, one code)
 *
 * ```ts
 * import { RpcStatus } from "effect-resilience"
 * import { Option } from "effect"
 *
 * RpcStatus.fromName("CANCELLED") // => Option.some("CANCELLED")
 * RpcStatus.fromName("canceled") // => Option.some("CANCELLED")
 * RpcStatus.fromName("OK") // => Option.none()
 * ```
 *
 * @since 0.1.0
 * @category conversions
 */
export const fromName = (name: string): Option.Option<Code> => {
  if (name.length > longest) return Option.none()
  const upper = name.toUpperCase()
  // Connect has one l.
  const wanted = upper === "CANCELED" ? "CANCELLED" : upper
  return Option.fromNullable(codes.find((code) => code === wanted))
}

/**
 * The name of a code as Connect writes it.
 *
 * @since 0.1.0
 * @category conversions
 */
export const toConnect = (code: Code): string => code === "CANCELLED" ? "canceled" : code.toLowerCase()

/**
 * The code that an HTTP status stands for where a server, or a proxy before it, gives no code.
 *
 * **Details**
 *
 * gRPC and Connect have the same table. It is not the other direction of `toHttp`: 404 is a path that nobody serves, `UNIMPLEMENTED`.
 *
 * **Example** (A proxy that turns a call away)
 *
 * ```ts
 * import { RpcStatus } from "effect-resilience"
 *
 * RpcStatus.fromHttp(429) // => "UNAVAILABLE"
 * RpcStatus.fromHttp(404) // => "UNIMPLEMENTED"
 * RpcStatus.fromHttp(500) // => "UNKNOWN"
 * ```
 *
 * @since 0.1.0
 * @category conversions
 */
export const fromHttp = (status: number): Code => {
  switch (status) {
    case 400:
      return "INTERNAL"
    case 401:
      return "UNAUTHENTICATED"
    case 403:
      return "PERMISSION_DENIED"
    case 404:
      return "UNIMPLEMENTED"
    case 429:
    case 502:
    case 503:
    case 504:
      return "UNAVAILABLE"
    default:
      return "UNKNOWN"
  }
}

/**
 * The HTTP status with which a Connect server answers a code.
 *
 * @since 0.1.0
 * @category conversions
 */
export const toHttp = (code: Code): number => {
  switch (code) {
    case "CANCELLED":
      return 499
    case "INVALID_ARGUMENT":
    case "FAILED_PRECONDITION":
    case "OUT_OF_RANGE":
      return 400
    case "DEADLINE_EXCEEDED":
      return 504
    case "NOT_FOUND":
      return 404
    case "ALREADY_EXISTS":
    case "ABORTED":
      return 409
    case "PERMISSION_DENIED":
      return 403
    case "RESOURCE_EXHAUSTED":
      return 429
    case "UNIMPLEMENTED":
      return 501
    case "UNAVAILABLE":
      return 503
    case "UNAUTHENTICATED":
      return 401
    case "UNKNOWN":
    case "INTERNAL":
    case "DATA_LOSS":
      return 500
  }
}
