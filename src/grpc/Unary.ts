/**
 * A unary call of a grpc-js client, as an Effect.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type { Millis } from "../core/Millis.ts"
import { want } from "../strategy/CurrentAttempt.ts"
import * as RpcError from "./RpcError.ts"
import * as RpcMetadata from "./RpcMetadata.ts"

/**
 * What a client calls when a call is over.
 *
 * @since 0.1.0
 * @category models
 */
export type Done<A, E = RpcError.ServiceError> = (error: E | null, value?: A | undefined) => void

/**
 * What a client gives when it has begun a call.
 *
 * @since 0.1.0
 * @category models
 */
export interface Begun {
  readonly cancel: () => void
}

/**
 * Makes an Effect of a method of a client: it fails with the client's own error, and cancels the call when it is interrupted.
 *
 * **Details**
 *
 * `begin` hands the request, the metadata and the callback on to the client; the types that it gives them are those of the effect. Each
 * attempt has a copy of the metadata that `metadata` makes, or of the one given with the request, and in it what `RpcMetadata` says.
 *
 * The time is told as a length, so that the two clocks need not agree, and is kept by interruption (`Deadline`, `Timeout`). Where the
 * server notices first that it is over, its `DEADLINE_EXCEEDED` is not taken for an answer.
 *
 * **Gotchas**
 *
 * A client that is given a `deadline` of its own by `begin` writes that instead. What `begin` throws is a defect: grpc-js does it on a
 * channel that was closed.
 *
 * **Example** (A client as grpc-js makes them)
 *
 * ```ts no-run
 * import { Deadline } from "effect-resilience"
 * import { Grpc } from "effect-resilience/grpc"
 * import { Client, credentials, Metadata } from "@grpc/grpc-js"
 * import type { ServiceError } from "@grpc/grpc-js"
 *
 * const client = new Client("users.test:443", credentials.createSsl())
 * const path = "/users.Users/Find"
 *
 * const find = Grpc.unary(
 *   (id: Buffer, metadata: Metadata, done: Grpc.Done<Buffer, ServiceError>) =>
 *     client.makeUnaryRequest(path, (request: Buffer) => request, (reply: Buffer) => reply, id, metadata, done),
 *   () => new Metadata()
 * )
 *
 * const user = find(Buffer.from("1")).pipe(Grpc.retry(), Deadline.within("2 seconds"))
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const unary = <Request, A, E, M extends RpcMetadata.Writable<M>>(
  begin: (request: Request, metadata: M, done: Done<A, E>) => Begun,
  metadata: () => M
): (request: Request, own?: M) => Effect.Effect<A, E> => {
  want()
  return (request, own) =>
    Effect.withFiberRuntime<A, E>((fiber) => {
      const call = Effect.async<A, E>((resume) => {
        const begun = begin(request, RpcMetadata.written(fiber, own ?? metadata()), (error, value) =>
          // A client that reports no error has a value.
          resume(error === null || error === undefined ? Effect.succeed(value as A) : Effect.fail(error)))
        return Effect.sync(() => begun.cancel())
      })
      const end = RpcMetadata.ends(fiber)
      return Option.isNone(end) ? call : Effect.catchAll(call, (error) => Effect.zipRight(lateness(fiber, end.value, error), Effect.fail(error)))
    })
}

/** How much the two timers may be apart: what a header rounds down, and what a timer does. In ms. */
const apart: Millis = 5

/** Whoever set the time interrupts when it is over, and says so better than the server that was a little faster. */
const lateness = (fiber: Fiber.RuntimeFiber<unknown, unknown>, end: Millis, error: unknown): Effect.Effect<void> => {
  const left = end - RpcMetadata.nowOf(fiber)
  return left <= apart && Option.exists(RpcError.status(error), ({ code }) => code === "DEADLINE_EXCEEDED")
    ? Effect.sleep(Math.max(left, 0) + apart)
    : Effect.void
}
