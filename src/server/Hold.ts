/**
 * Runs a handler while a key is held for it, and settles the key: with the response, or by freeing it.
 *
 * **Details**
 *
 * The handler runs in a fiber of its own, so that a client that goes away need not stop it: to repeat a request that was half done is what the
 * key is there to prevent. The request's fiber waits for it, and so does the request's scope.
 *
 * The key is settled before the response goes out. Where the middleware stands round a whole server, the response is written below it: so
 * it settles in a pre-response handler, which runs just before that, and where it stands round a router, when that has answered.
 *
 * @since 0.1.0
 */
import * as HttpApp from "@effect/platform/HttpApp"
import * as HttpServerError from "@effect/platform/HttpServerError"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import type * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as HashSet from "effect/HashSet"
import * as Schedule from "effect/Schedule"
import type { Millis } from "../core/Millis.ts"
import type * as IdempotencyStore from "../strategy/IdempotencyStore.ts"
import type { Restore } from "../strategy/Surroundings.ts"
import * as StoredResponse from "./StoredResponse.ts"

type Response = HttpServerResponse.HttpServerResponse

/**
 * Why a handler was stopped.
 *
 * @since 0.1.0
 * @category models
 */
export type Stopped = "Lost" | "TooLong"

/**
 * What came of the key.
 *
 * @since 0.1.0
 * @category models
 */
export type Settled = "Kept" | "NotKept" | "Freed" | "Lost" | "Unreachable"

/**
 * What has to be known to hold a key.
 *
 * @since 0.1.0
 * @category models
 */
export interface Hold {
  /** The key's record in the store, and the token that holds it. */
  readonly record: string
  readonly token: string
  /** Its effects end within a time limit of their own. */
  readonly store: IdempotencyStore.Store
  readonly lease: Millis
  readonly runAtMost: Millis
  readonly ttl: Millis
  readonly keep: (status: number) => boolean
  /** The longest text of a response that is kept. */
  readonly resultLimit: number
  readonly whenClientLeaves: "finish" | "interrupt"
  /** What the client is answered where the handler was stopped, or had lost the key. */
  readonly onStopped: (why: Stopped) => Response
  readonly onSettled: (as: Settled) => Effect.Effect<void>
}

/** Where in its life a hold is. */
interface Progress {
  settled: boolean
  /** Why the handler was interrupted from here. */
  interrupted: Stopped | "Request" | undefined
  /** The client has gone: there is nobody to write a response to. */
  left: boolean
}

/** What the platform writes on a request when its response has gone out. */
const handled = Symbol.for("@effect/platform/HttpApp/handled")

/**
 * Runs an app under a key that was begun. Not to be interrupted, but for `restore`.
 *
 * @since 0.1.0
 * @category building
 */
export const run = <E, R>(
  hold: Hold,
  request: HttpServerRequest.HttpServerRequest,
  app: HttpApp.Default<E, R>,
  restore: Restore
): HttpApp.Default<E, R> =>
  Effect.gen(function*() {
    const outer = yield* HttpServerRequest.HttpServerRequest
    const settled = yield* Deferred.make<void>()
    const progress: Progress = { settled: false, interrupted: undefined, left: false }
    // No child of this fiber in Effect's sense: those are interrupted with it, at once.
    const child = yield* Effect.forkDaemon(
      Effect.ensuring(
        handle(hold, progress, restore(Effect.provideService(app, HttpServerRequest.HttpServerRequest, request))),
        Deferred.succeed(settled, undefined)
      )
    )
    // The platform lets nothing be interrupted but the handlers of routes. This fiber waits for one, wherever it stands.
    const waited = yield* Effect.exit(Effect.interruptible(Fiber.await(child)))
    if (Exit.isSuccess(waited)) return yield* adopt(child, waited.value, request, outer)
    if (hold.whenClientLeaves === "finish" && isClient(waited.cause)) {
      progress.left = true
      yield* Deferred.await(settled)
      // What may be left is a response that is being written, which does not end where the connection has.
      yield* Fiber.interruptFork(child)
      return yield* Effect.failCause(waited.cause)
    }
    progress.interrupted ??= "Request"
    const ended = yield* Fiber.interrupt(child)
    return yield* Exit.isSuccess(ended) ? adopt(child, ended, request, outer) : Effect.failCause(waited.cause)
  })

const isClient = (cause: Cause.Cause<unknown>): boolean =>
  HashSet.has(Cause.interruptors(cause), HttpServerError.clientAbortFiberId)

/** What the child ended with, and what it has changed, as if it had run in this fiber. */
const adopt = <E>(
  child: Fiber.RuntimeFiber<Response, E>,
  exit: Exit.Exit<Response, E>,
  request: HttpServerRequest.HttpServerRequest,
  outer: HttpServerRequest.HttpServerRequest
): Effect.Effect<Response, E> =>
  Effect.zipRight(
    child.inheritAll,
    Effect.suspend(() => {
      // Below a whole server the response has gone out, and that must be known of the request that the server knows.
      if (Object.hasOwn(request, handled)) Object.assign(outer, { [handled]: true })
      return exit
    })
  )

/** What the platform makes of a route that was interrupted. */
const isInterruption = ({ body, status }: Response): boolean => body._tag === "Empty" && (status === 499 || status === 503)

const handle = <E, R>(hold: Hold, progress: Progress, app: Effect.Effect<Response, E, R>): Effect.Effect<Response, E, R> =>
  Effect.withFiberRuntime((self) => {
    const stop = (why: Stopped): void => {
      if (progress.settled) return
      progress.interrupted ??= why
      self.unsafeInterruptAsFork(self.id())
    }
    return Effect.flatMap(Effect.fork(Effect.interruptible(renewals(hold, stop))), (renewer) => {
      const settled = <A>(by: Effect.Effect<A>): Effect.Effect<A> => {
        progress.settled = true
        return Effect.zipRight(Fiber.interrupt(renewer), by)
      }
      const settle = (response: Response): Effect.Effect<Response> =>
        Effect.uninterruptible(Effect.suspend(() => {
          if (progress.settled) return Effect.succeed(response)
          const { interrupted } = progress
          if (interrupted !== undefined && isInterruption(response)) {
            return settled(Effect.as(release(hold), interrupted === "Request" ? response : hold.onStopped(interrupted)))
          }
          return Effect.flatMap(settled(finish(hold, response)), (response) =>
            progress.left ? Effect.failCause(Cause.interrupt(HttpServerError.clientAbortFiberId)) : Effect.succeed(response))
        }))
      const ended = (exit: Exit.Exit<Response, E>): Effect.Effect<Response, E> => {
        if (progress.settled) return exit
        if (Exit.isSuccess(exit)) return settle(exit.value)
        if (Cause.isInterruptedOnly(exit.cause)) {
          const { interrupted } = progress
          const answer = interrupted === undefined || interrupted === "Request" ? exit : Exit.succeed(hold.onStopped(interrupted))
          return Effect.zipRight(settled(release(hold)), answer)
        }
        // A failure that the platform answers with a response that is kept: this is what the client gets, now and later.
        return Effect.flatMap(HttpServerError.causeResponse(exit.cause), ([response]) =>
          hold.keep(response.status) ? settle(response) : Effect.zipRight(settled(release(hold)), exit))
      }
      return Effect.zipRight(
        HttpApp.appendPreResponseHandler((_, response) => settle(response)),
        Effect.flatMap(Effect.exit(app), ended)
      )
    })
  })

/** Renews the lease three times in its length, so that two failures to reach the store lose nothing. */
const renewals = (hold: Hold, stop: (why: Stopped) => void): Effect.Effect<void> => {
  const after = (run: Millis): Effect.Effect<void> => {
    const pause = Math.min(hold.lease / 3, hold.runAtMost - run)
    if (pause <= 0) return Effect.sync(() => stop("TooLong"))
    return Effect.flatMap(Effect.delay(Effect.option(hold.store.renew(hold.record, hold.token, hold.lease)), pause), (held) =>
      held._tag === "Some" && !held.value ? Effect.sync(() => stop("Lost")) : after(run + pause))
  }
  return after(0)
}

/** A response that was given stands: it goes out though the store cannot be told. It is told a few times, since much hangs on it. */
const again = Schedule.intersect(Schedule.spaced(100), Schedule.recurs(2))

const finish = (hold: Hold, response: Response): Effect.Effect<Response> => {
  if (!hold.keep(response.status)) return Effect.as(release(hold), response)
  const text = StoredResponse.encode(response, hold.resultLimit)
  const told = Effect.option(Effect.retry(hold.store.complete(hold.record, hold.token, text, hold.ttl), again))
  return Effect.flatMap(told, (held) => {
    if (held._tag === "None") return Effect.as(hold.onSettled("Unreachable"), response)
    if (!held.value) return Effect.as(hold.onSettled("Lost"), hold.onStopped("Lost"))
    return Effect.as(hold.onSettled(StoredResponse.isKept(text) ? "Kept" : "NotKept"), response)
  })
}

const release = (hold: Hold): Effect.Effect<void> =>
  Effect.flatMap(Effect.option(hold.store.release(hold.record, hold.token)), (held) =>
    hold.onSettled(held._tag === "None" ? "Unreachable" : held.value ? "Freed" : "Lost"))
