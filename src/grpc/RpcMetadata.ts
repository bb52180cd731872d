/**
 * What an RPC tells the server about itself: how much time it has, and how many attempts came before it.
 *
 * | key | value | written |
 * | --- | --- | --- |
 * | `grpc-timeout` | what is left until the deadline of the call, or the limit of the attempt where that is earlier | where either is known |
 * | `grpc-previous-rpc-attempts` | the number of attempts before this one | on each resend |
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type { Millis } from "../core/Millis.ts"
import * as TimeoutHeader from "../core/TimeoutHeader.ts"
import * as AttemptDeadline from "../strategy/AttemptDeadline.ts"
import { CurrentAttempt, want } from "../strategy/CurrentAttempt.ts"
import * as Deadline from "../strategy/Deadline.ts"

/**
 * Metadata that can be written to, as that of grpc-js and its like.
 *
 * @since 0.1.0
 * @category models
 */
export interface Writable<M> {
  readonly clone: () => M
  readonly set: (key: string, value: string) => void
  readonly remove: (key: string) => void
}

const timeout = "grpc-timeout"
const attempts = "grpc-previous-rpc-attempts"

type AnyFiber = Fiber.RuntimeFiber<unknown, unknown>

/**
 * When what a fiber does ends at the latest, in ms since the epoch.
 *
 * @since 0.1.0
 * @category getters
 */
export const ends = (fiber: AnyFiber): Option.Option<Millis> => {
  const [call, attempt] = [Deadline.of(fiber), AttemptDeadline.of(fiber)]
  return Option.isSome(call) && Option.isSome(attempt) ? Option.some(Math.min(call.value, attempt.value)) : Option.orElse(call, () => attempt)
}

/**
 * How many attempts of this call came before the one that a fiber makes.
 *
 * **Details**
 *
 * Those of a retry or a hedge over any Effect. Attempts of an HTTP request, on whose way an RPC is made (for a token, say), are not
 * attempts of that RPC.
 */
const previousAttempts = (fiber: AnyFiber): number => {
  const { number, subject } = Context.get(fiber.currentContext, CurrentAttempt)
  return Effect.isEffect(subject) ? number - 1 : 0
}

/**
 * How much time the current attempt has left in ms, never negative: until the deadline of its call, or its own limit where that is
 * earlier; `None` where it has neither.
 *
 * **When to use**
 *
 * For a client that takes its own time limit, such as `timeoutMs` of Connect.
 *
 * @since 0.1.0
 * @category getters
 */
export const timeLeft: Effect.Effect<Option.Option<Millis>> = Effect.withFiberRuntime((fiber) =>
  Effect.succeed(Option.map(ends(fiber), (end) => Math.max(0, end - nowOf(fiber)))))

/**
 * The wall clock of a fiber.
 *
 * @since 0.1.0
 * @category getters
 */
export const nowOf = (fiber: AnyFiber): Millis =>
  Context.get(fiber.currentDefaultServices, Clock.Clock).unsafeCurrentTimeMillis()

/** What the current attempt says, as plain fields: for headers. */
const fieldsOf = (fiber: AnyFiber): Readonly<Record<string, string>> => {
  const end = ends(fiber)
  const previous = previousAttempts(fiber)
  return {
    ...(Option.isSome(end) ? { [timeout]: TimeoutHeader.encode(end.value - nowOf(fiber), timeout) } : {}),
    ...(previous > 0 ? { [attempts]: String(previous) } : {})
  }
}

/**
 * What the current attempt says, as a plain record: for clients that take headers.
 *
 * **Example** (The second attempt of a call with a second)
 *
 * ```ts
 * import { Classifier, Deadline, Retry } from "effect-resilience"
 * import { RpcMetadata } from "effect-resilience/grpc"
 * import { Effect, Schedule, TestContext } from "effect"
 *
 * const said: Array<unknown> = []
 * const call = RpcMetadata.fields().pipe(Effect.map((fields) => said.push(fields)), Effect.zipRight(Effect.fail("busy")))
 *
 * await call.pipe(
 *   Retry.retry({ classifier: Classifier.anyError, schedule: Schedule.recurs(1) }),
 *   Deadline.within("1 second"),
 *   Effect.exit,
 *   Effect.provide(TestContext.TestContext),
 *   Effect.runPromise
 * )
 *
 * said // => [{ "grpc-timeout": "1000m" }, { "grpc-timeout": "1000m", "grpc-previous-rpc-attempts": "1" }]
 * ```
 *
 * @since 0.1.0
 * @category metadata
 */
export const fields = (): Effect.Effect<Readonly<Record<string, string>>> => {
  want()
  return Effect.withFiberRuntime((fiber) => Effect.succeed(fieldsOf(fiber)))
}

/**
 * Writes into a copy of metadata what the current attempt says.
 *
 * **Details**
 *
 * Keys of the same name that it has are replaced, or taken away where nothing is said: metadata that was copied from an incoming call
 * speaks of that one.
 *
 * @since 0.1.0
 * @category metadata
 */
export const write = <M extends Writable<M>>(metadata: M): Effect.Effect<M> => {
  want()
  return Effect.withFiberRuntime((fiber) => Effect.sync(() => written(fiber, metadata)))
}

/**
 * As `write`, for a fiber and at once. Whoever calls it has called `want` of `CurrentAttempt`.
 *
 * @since 0.1.0
 * @category building
 */
export const written = <M extends Writable<M>>(fiber: AnyFiber, metadata: M): M => {
  const copy = metadata.clone()
  for (const key of [timeout, attempts]) copy.remove(key)
  for (const [key, value] of Object.entries(fieldsOf(fiber))) copy.set(key, value)
  return copy
}
