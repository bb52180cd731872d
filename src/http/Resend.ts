/**
 * Whether a request is one that has been sent before.
 *
 * @since 0.1.0
 */
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Context from "effect/Context"
import type * as Fiber from "effect/Fiber"
import { hasProperty } from "effect/Predicate"
import type * as Tracer from "effect/Tracer"
import * as CurrentAttempt from "../strategy/CurrentAttempt.ts"

type Request = HttpClientRequest.HttpClientRequest

/**
 * Tells whether one request is the other after mappings that leave what it asks for, such as `prependUrl` and `setHeader`.
 *
 * @since 0.1.0
 * @category guards
 */
export const isSame = (mapped: Request, request: Request): boolean =>
  mapped.method === request.method && mapped.body === request.body && mapped.url.endsWith(request.url)

const isRequest = (u: unknown): u is Request => hasProperty(u, HttpClientRequest.TypeId)

/**
 * The redirects that led to a request: how many, from which request, to which.
 *
 * @since 0.1.0
 * @category references
 */
export class Hop extends Context.Reference<Hop>()("effect-resilience/Resend/Hop", {
  defaultValue: (): Hops => none
}) {}

interface Hops {
  readonly count: number
  readonly from?: Request
  readonly to?: Request
}

const none: Hops = { count: 0 }

const hopsOf = (fiber: Fiber.RuntimeFiber<unknown, unknown>): Hops => fiber.currentContext.unsafeMap.get(Hop.key) ?? none

/**
 * How many times this request has been sent before in the call that a fiber makes: 0 for a first attempt, and for another request
 * that is made on the way (for a token, say). Redirects do not count.
 *
 * @since 0.1.0
 * @category getters
 */
export const count = (fiber: Fiber.RuntimeFiber<unknown, unknown>, request: Request): number => {
  const { number, subject } = CurrentAttempt.of(fiber)
  if (number <= 1 || !isRequest(subject)) return 0
  if (isSame(request, subject)) return number - 1
  const { from } = hopsOf(fiber)
  return from !== undefined && redirects(fiber, request) > 0 && isSame(from, subject) ? number - 1 : 0
}

/**
 * How many redirects led to this request.
 *
 * @since 0.1.0
 * @category getters
 */
export const redirects = (fiber: Fiber.RuntimeFiber<unknown, unknown>, request: Request): number => {
  const { count, to } = hopsOf(fiber)
  return to !== undefined && isSame(request, to) ? count : 0
}

/**
 * Links the span of an attempt to that of the first attempt, where attempts of a call can be on their way at the same time.
 *
 * @since 0.1.0
 * @category tracing
 */
export const link = (fiber: Fiber.RuntimeFiber<unknown, unknown>, request: Request, span: Tracer.Span): void => {
  const { number, siblings, subject } = CurrentAttempt.of(fiber)
  if (siblings === undefined || !isRequest(subject) || !isSame(request, subject)) return
  if (number === 1) siblings.first ??= span
  else if (siblings.first !== undefined) span.addLinks([{ _tag: "SpanLink", span: siblings.first, attributes: {} }])
}
