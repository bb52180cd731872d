/**
 * Whether the body of a request can be sent a second time, byte for byte.
 *
 * A stream says nothing about that: some run again, some have been read. Sent again, the second kind goes out empty, and the
 * peer answers 200 to it. So a stream is taken for one that can be read once, until its owner says otherwise.
 *
 * @since 0.1.0
 */

/**
 * What is looked at: the platform's `HttpBody`, structurally.
 *
 * @since 0.1.0
 * @category models
 */
export interface BodyLike {
  readonly _tag: string
  readonly body?: unknown
}

const declared: unique symbol = Symbol.for("effect-resilience/Replay/declared")

/** The web's immutable value types, by their class string: the same in every realm, and no DOM types are needed. */
const immutable = new Set([
  "[object ArrayBuffer]",
  "[object Blob]",
  "[object File]",
  "[object FormData]",
  "[object URLSearchParams]"
])

const isValue = (u: unknown): boolean =>
  u === null || u === undefined || typeof u === "string" || ArrayBuffer.isView(u) ||
  immutable.has(Object.prototype.toString.call(u))

/**
 * Tells whether a body can be sent again: bytes, text, a form or a blob can; a stream can when `replayable` declared it so.
 *
 * @since 0.1.0
 * @category guards
 */
export const isReplayable = (body: BodyLike): boolean => {
  switch (body._tag) {
    case "Empty":
    case "Uint8Array":
    case "FormData":
      return true
    case "Raw":
      return isValue(body.body) || declared in body
    default:
      return declared in body
  }
}

/**
 * Declares that each run of a body's stream gives the same bytes again.
 *
 * **When to use**
 *
 * With a stream that opens its source anew each time it is run: a file, `Stream.fromIterable`, a `ReadableStream` made inside
 * the thunk. Never with a stream over something that is already open.
 *
 * **Example** (A stream that runs again)
 *
 * ```ts
 * import { HttpBody } from "@effect/platform"
 * import { Replay } from "effect-resilience"
 * import { Stream } from "effect"
 *
 * const body = HttpBody.stream(Stream.make(new Uint8Array([1]), new Uint8Array([2])))
 *
 * Replay.isReplayable(body) // => false
 * Replay.isReplayable(Replay.replayable(body)) // => true
 * ```
 *
 * @since 0.1.0
 * @category combinators
 */
export const replayable = <B extends BodyLike>(body: B): B => {
  if (isReplayable(body)) return body
  const copy: B = Object.create(Object.getPrototypeOf(body), Object.getOwnPropertyDescriptors(body))
  Object.defineProperty(copy, declared, { value: true })
  return copy
}
