/**
 * Retry over HTTP: the one loop of `strategy/Retry`, with the gates and the housekeeping that HTTP needs.
 *
 * What is sent again must be idempotent by method or key, or provably never have been sent, and its body must be one that can be
 * sent again. A response that is given up for another attempt is released while that one is waited for.
 *
 * @since 0.1.0
 */
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Classifier from "../core/Classifier.ts"
import * as Loop from "../strategy/Loop.ts"
import * as Retry from "../strategy/Retry.ts"
import * as RetryBudget from "../strategy/RetryBudget.ts"
import type * as Middleware from "./Middleware.ts"
import * as Overrides from "./Overrides.ts"
import * as Release from "./Release.ts"
import * as Work from "./Work.ts"

export { CurrentAttempt, RetriesExhausted, retry, retryOrFail } from "../strategy/Retry.ts"

/**
 * How to retry HTTP calls.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options<out R = never>
  extends Retry.Options<HttpClientResponse.HttpClientResponse, unknown, R>, Work.Gate
{}

type Response = HttpClientResponse.HttpClientResponse

const make = <R2, E2>(
  options: Options<R2>,
  ending: <E>(...args: Parameters<Loop.Ending<Response, E, E2>>) => Effect.Effect<Response, E | E2>
): Middleware.Middleware<E2, R2> => {
  const plan = Retry.plan<Response, unknown, R2>(Classifier.http, { ...options, name: options.name ?? "http" })
  const repeatable = Work.repeatable("Retry", options)
  return <E, R>(handler: Middleware.Handler<E, R>): Middleware.Handler<E | E2, R | R2> => {
    const work = Work.of(handler, repeatable)
    const derived = new WeakMap<Overrides.Overrides, readonly [typeof plan, typeof work]>()
    const derive = (overrides: Overrides.Overrides): readonly [typeof plan, typeof work] => {
      if (overrides.retry === undefined && overrides.budget === undefined) return [plan, work]
      const known = derived.get(overrides)
      if (known !== undefined) return known
      const { resend } = overrides.retry === "none" ? {} : { ...overrides.retry }
      const made = [
        planOf(plan, overrides),
        resend === undefined ? work : Work.of(handler, Work.repeatable("Retry", { ...options, resend }))
      ] as const
      derived.set(overrides, made)
      return made
    }
    const instead: Loop.Instead<HttpClientRequest.HttpClientRequest, Response, E | E2, R | R2> = (fiber, request) => {
      const entry = Overrides.of(fiber, request)
      if (entry === undefined) return undefined
      const [otherPlan, otherWork] = derive(entry.overrides)
      return Overrides.bind(Loop.run(otherPlan, otherWork, request, ending), entry, request)
    }
    return (request) => Loop.run(plan, work, request, ending, instead)
  }
}

/** The number of attempts stays that of the client, though a schedule of its own would have allowed it more. */
const planOf = <R>(plan: Loop.Plan<Response, unknown, R>, { budget, retry }: Overrides.Overrides): Loop.Plan<Response, unknown, R> => {
  const { givenUp, maxAttempts, schedule } = retry === "none" ? { maxAttempts: 1 } as Overrides.RetryOptions : { ...retry }
  return {
    ...plan,
    schedule: schedule ?? plan.schedule,
    maxAttempts: maxAttempts ?? plan.maxAttempts,
    givenUp: givenUp ?? plan.givenUp,
    budget: budget === undefined ? plan.budget : budget === RetryBudget.unlimited ? undefined : budget
  }
}

/**
 * Sends a request again while it fails in a way that can pass; at the end returns what the last attempt gave.
 *
 * @since 0.1.0
 * @category middleware
 */
export const middleware = <R = never>(options: Options<R> = {}): Middleware.Middleware<never, R> =>
  make<R, never>(options, Loop.returnLast)

/**
 * Like `middleware`, but fails with `RetriesExhausted` and the record of every attempt where it gives up on a failure that could
 * have passed.
 *
 * **Details**
 *
 * A failure that nothing could have helped (a 404, say) comes back as it came. The response of the last attempt is released: its
 * status stands in the record, its body is not to be had.
 *
 * @since 0.1.0
 * @category middleware
 */
export const orFail = <R = never>(options: Options<R> = {}): Middleware.Middleware<Retry.RetriesExhausted, R> =>
  make<R, Retry.RetriesExhausted>(options, (last, because, attempts) => {
    const response = because === "Terminal" ? Option.none() : Work.responseOf(last)
    const failed = Loop.failExhausted(last, because, attempts)
    return Option.isSome(response) ? Effect.zipRight(Release.now(response.value), failed) : failed
  })
