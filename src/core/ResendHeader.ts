/**
 * Which attempt a request is, as a header: a server that is overloaded can then turn resends away before first attempts.
 *
 * | header | value | on the first attempt |
 * | --- | --- | --- |
 * | `x-retry-attempt` | the number of the attempt, counted from 1 | absent |
 * | `amz-sdk-request` | `attempt=2; max=3` | `attempt=1; max=3` |
 * | `x-envoy-attempt-count` | the number of the attempt, counted from 1 | `1` |
 * | `grpc-previous-rpc-attempts` | how many attempts were made before | absent |
 *
 * The first two are written by this library, all four are read. The number is what the other side claims: good enough to choose
 * whom to turn away, and for nothing else.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import * as HeaderField from "./HeaderField.ts"

/**
 * The largest number of an attempt that is read; what claims to be more is taken for this: 1000.
 *
 * @since 0.1.0
 * @category constants
 */
export const maxAttempt = 1000

/**
 * Writes the value of `amz-sdk-request`.
 *
 * **Example** (The second of three)
 *
 * ```ts
 * import { ResendHeader } from "effect-resilience"
 *
 * ResendHeader.amzSdkRequest(2, 3) // => "attempt=2; max=3"
 * ```
 *
 * @since 0.1.0
 * @category encoding
 */
export const amzSdkRequest = (attempt: number, maxAttempts: number): string => `attempt=${attempt}; max=${maxAttempts}`

type Read = (value: string) => Option.Option<number>

/** Parameters in any order, as the SDKs write them: `ttl=20260101T000000Z; attempt=2; max=3`. */
const parseAmz: Read = (value) => {
  if (value.length > 256) return Option.none()
  let attempt: Option.Option<number> = Option.none()
  for (const parameter of value.split(";")) {
    const text = HeaderField.trimmed(parameter)
    if (!text.startsWith("attempt=")) continue
    // Said twice it is not said.
    if (Option.isSome(attempt)) return Option.none()
    attempt = HeaderField.integer(text.slice("attempt=".length))
  }
  return attempt
}

const readers: ReadonlyArray<readonly [name: string, read: Read]> = [
  ["x-retry-attempt", HeaderField.integer],
  ["amz-sdk-request", parseAmz],
  ["x-envoy-attempt-count", HeaderField.integer],
  ["grpc-previous-rpc-attempts", (value) => Option.map(HeaderField.integer(value), (previous) => previous + 1)]
]

/**
 * Reads which attempt a request is, counted from 1: the highest that its headers claim, and 1 where they claim nothing.
 *
 * **Example** (A resend, a first attempt, and junk)
 *
 * ```ts
 * import { ResendHeader } from "effect-resilience"
 *
 * ResendHeader.attempt({ "x-retry-attempt": "2" }) // => 2
 * ResendHeader.attempt({ "amz-sdk-request": "attempt=1; max=3" }) // => 1
 * ResendHeader.attempt({ "x-retry-attempt": "two" }) // => 1
 * ```
 *
 * @since 0.1.0
 * @category parsing
 */
export const attempt = (headers: HeaderField.Headers): number => {
  let highest = 1
  for (const [name, read] of readers) {
    const claimed = Option.flatMap(HeaderField.get(headers, name), read)
    if (Option.isSome(claimed)) highest = Math.max(highest, Math.min(claimed.value, maxAttempt))
  }
  return highest
}
