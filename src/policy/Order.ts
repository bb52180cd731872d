/**
 * The order in which strategies stand round a client, and the fold that puts them there.
 *
 * The order is one list. A strategy says which place it takes, and is made, with all that it has to remember, when the client is. What
 * is not there takes no place: the fold does not know what any of them does.
 *
 * @since 0.1.0
 */
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import type * as Classifier from "../core/Classifier.ts"
import * as Middleware from "../http/Middleware.ts"
import type * as RetryBudget from "../strategy/RetryBudget.ts"

/**
 * The places, from the wire to the caller.
 *
 * **Details**
 *
 * | place | why there |
 * | --- | --- |
 * | `chaos` | what is injected looks like the wire to everything else |
 * | `deadlineHeader`, `attemptHeader` | said anew in each attempt, and with all limits known |
 * | `bufferedBody` | the body is part of the attempt, and its limit covers it |
 * | `attemptTimeout` | one attempt, without any wait for permission to send it |
 * | `attemptMetrics` | counts the time of attempts, those that took too long too |
 * | `attemptSpan` | says so where an attempt took too long |
 * | `redirects` | each hop has a limit and a span of its own |
 * | `rateLimit` | takes nothing for a call that is rejected further out |
 * | `circuitBreaker` | learns from each attempt |
 * | `adaptiveThrottle` | counts what a breaker rejects as a call that was not accepted |
 * | `adaptiveLimit`, `bulkhead` | no permit is held while a retry waits |
 * | `endpoints` | each has a breaker of its own; knows the attempts of a call by their request |
 * | `resend` | the retry or the hedge |
 * | `idempotencyKey` | one key for all attempts |
 * | `fallback` | after the last attempt; inside of the deadline, which it cannot make up for |
 * | `deadline` | everything, and the reading of the body |
 * | `perRequest` | what is otherwise for some requests is known to all of the above |
 * | `callSpan` | tells of all of it |
 *
 * @since 0.1.0
 * @category order
 */
export const places = [
  "chaos",
  "deadlineHeader",
  "attemptHeader",
  "bufferedBody",
  "attemptTimeout",
  "attemptMetrics",
  "attemptSpan",
  "redirects",
  "rateLimit",
  "circuitBreaker",
  "adaptiveThrottle",
  "adaptiveLimit",
  "bulkhead",
  "endpoints",
  "resend",
  "idempotencyKey",
  "fallback",
  "deadline",
  "perRequest",
  "callSpan"
] as const

/** A place in the order. @since 0.1.0 @category order */
export type Place = (typeof places)[number]

/**
 * What strategies have in common with the others of their client.
 *
 * @since 0.1.0
 * @category models
 */
export interface Client {
  /** Of the calls, in events and spans. */
  readonly name: string
  /** What resends are paid with. */
  readonly budget: RetryBudget.RetryBudget
  /** What a response or an error means. Default: `Classifier.http`. */
  readonly classifier: Classifier.Classifier<HttpClientResponse.HttpClientResponse> | undefined
  /** The headers that make a request idempotent, where they are not the usual ones. */
  readonly keyHeaders: ReadonlyArray<string> | undefined
}

/**
 * A strategy that has been chosen and checked, and not been made yet.
 *
 * @since 0.1.0
 * @category models
 */
export interface Strategy<out P extends Place, out E = never, out R = never> {
  readonly place: P
  /** Allocates what it has to remember. */
  readonly make: (client: Client) => Effect.Effect<Middleware.Middleware<E, R>>
}

/**
 * The strategy that gives a call its key.
 *
 * @since 0.1.0
 * @category models
 */
export interface KeyStrategy extends Strategy<"idempotencyKey"> {
  /** The headers that it writes, where they are not the usual ones: what has one is idempotent to the others of the client. */
  readonly keyHeaders: ReadonlyArray<string> | undefined
}

/**
 * Chosen strategies by their places.
 *
 * @since 0.1.0
 * @category models
 */
export type Chosen = { readonly [P in Place]?: Strategy<P, unknown, unknown> | undefined }

/**
 * Strategies that have been made, by their places. Whoever has two of them can take some places from the one and the rest from the other:
 * what stands in a place keeps what it remembers.
 *
 * @since 0.1.0
 * @category models
 */
export type Made = ReadonlyMap<Place, Middleware.Middleware<unknown, unknown>>

/**
 * Makes what was chosen.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (chosen: Chosen, client: Client): Effect.Effect<Made> => {
  const strategies = places.flatMap((place) => chosen[place] ?? [])
  return Effect.map(
    Effect.forEach(strategies, ({ make, place }) => Effect.map(make(client), (made) => [place, made] as const)),
    (entries) => new Map(entries)
  )
}

/**
 * Puts what was made in its order.
 *
 * @since 0.1.0
 * @category combinators
 */
export const stack = (made: Made): Middleware.Middleware<unknown, unknown> =>
  Middleware.stack(...places.flatMap((place) => made.get(place) ?? []))
