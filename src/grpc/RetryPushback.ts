/**
 * What a gRPC server says about sending again: `grpc-retry-pushback-ms` in the metadata that ends a call (gRFC A6).
 *
 * | value | means |
 * | --- | --- |
 * | none | nothing is said |
 * | `0` to `2147483647`, without needless zeros | send again after so many ms |
 * | anything else: negative, not a number, more than one | send nothing more |
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import { maxDelay, type Millis } from "../core/Millis.ts"

/**
 * What is said.
 *
 * @since 0.1.0
 * @category models
 */
export type RetryPushback = { readonly _tag: "Stop" } | { readonly _tag: "After"; readonly delay: Millis }

/**
 * The key under which it stands.
 *
 * @since 0.1.0
 * @category constants
 */
export const key = "grpc-retry-pushback-ms"

const stop: RetryPushback = { _tag: "Stop" }

const digits = /^(?:0|[1-9][0-9]{0,9})$/

/**
 * Reads one value. It always says something: what cannot be read is a stop, as the specification has it.
 *
 * **Example** (A wait, and two refusals)
 *
 * ```ts
 * import { RetryPushback } from "effect-resilience/grpc"
 *
 * RetryPushback.parse("250") // => { _tag: "After", delay: 250 }
 * RetryPushback.parse("-1") // => { _tag: "Stop" }
 * RetryPushback.parse("0250") // => { _tag: "Stop" }
 * ```
 *
 * @since 0.1.0
 * @category parsing
 */
export const parse = (value: string): RetryPushback => {
  const delay = digits.test(value) ? Number(value) : Infinity
  return delay <= maxDelay ? { _tag: "After", delay } : stop
}

/**
 * Reads the metadata of a call: that of grpc-js, the `Headers` of Connect, or a plain record with names in lower case.
 *
 * **Details**
 *
 * Of metadata that is none of these nothing is read. Several values contradict one another: stop.
 *
 * **Example** (Three kinds of metadata)
 *
 * ```ts
 * import { RetryPushback } from "effect-resilience/grpc"
 * import { Option } from "effect"
 *
 * RetryPushback.fromMetadata(new Headers({ "grpc-retry-pushback-ms": "100" })) // => Option.some({ _tag: "After", delay: 100 })
 * RetryPushback.fromMetadata({ "grpc-retry-pushback-ms": ["100", "200"] }) // => Option.some({ _tag: "Stop" })
 * RetryPushback.fromMetadata({}) // => Option.none()
 * ```
 *
 * @since 0.1.0
 * @category parsing
 */
export const fromMetadata = (metadata: unknown): Option.Option<RetryPushback> => {
  const values = valuesOf(metadata)
  if (values.length === 0) return Option.none()
  const [value] = values
  return Option.some(values.length === 1 && typeof value === "string" ? parse(value) : stop)
}

const valuesOf = (metadata: unknown): ReadonlyArray<unknown> => {
  if (typeof metadata !== "object" || metadata === null) return []
  const held: unknown = "get" in metadata && typeof metadata.get === "function"
    ? metadata.get(key)
    : Object.hasOwn(metadata, key) ? Reflect.get(metadata, key) : undefined
  if (held === undefined || held === null) return []
  return Array.isArray(held) ? held : [held]
}
