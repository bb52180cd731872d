/**
 * The policies that calls can be under: that of the client, and what each of its rules for some requests makes of it.
 *
 * @since 0.1.0
 */
import type * as Policy from "./Policy.ts"
import type * as ResendPolicy from "./ResendPolicy.ts"

type Use = Policy.Rule["use"]

/**
 * Tells whether a strategy is there that is not there by default.
 *
 * @since 0.1.0
 * @category guards
 */
export const isThere = <A>(given: A | "none" | undefined): given is A => given !== undefined && given !== "none"

/** What a rule leaves out is as in the client. A schedule is one thing: a rule that says a part of it has one of its own. */
const retryOf = (own: ResendPolicy.Retry, given: Exclude<Use["retry"], "none" | undefined>): ResendPolicy.Retry => {
  const { backoff, byFailure, during, givenUp, keyHeaders, maxAttempts, resend, retryAfter } = own
  const schedule = { backoff, byFailure, during, retryAfter }
  const isAsInClient = [given.backoff, given.byFailure, given.during, given.retryAfter].every((part) => part === undefined)
  return defined({ ...(isAsInClient ? schedule : {}), givenUp, keyHeaders, maxAttempts, resend, ...given })
}

const defined = <A extends object>(self: { readonly [K in keyof A]: A[K] | undefined }): A =>
  // A field that is undefined is one that is left out.
  Object.fromEntries(Object.entries(self).filter(([, value]) => value !== undefined)) as A

/** Rules change what is there, and add nothing that is not. */
const under = (policy: Policy.Policy, { attemptTimeout, deadline, hedge, retry }: Use): Policy.Policy => {
  const once = { maxAttempts: 1 }
  const own = policy.retry ?? {}
  const isHedged = isThere(policy.hedge)
  return defined<Policy.Policy>({
    ...policy,
    perRequest: "none",
    attemptTimeout: attemptTimeout === undefined || policy.attemptTimeout === "none" ? policy.attemptTimeout : attemptTimeout,
    deadline: deadline === undefined || policy.deadline === "none" ? policy.deadline : deadline,
    hedge: isThere(policy.hedge) && (hedge === "none" || retry === "none") ? { ...policy.hedge, ...once } : policy.hedge,
    retry: isHedged || own === "none" || retry === undefined
      ? policy.retry
      : retry === "none" ? { ...own, ...once } : retryOf(own, retry)
  })
}

/**
 * The policy for requests that meet no rule, and then that of each rule, in their order.
 *
 * **Example** (A health check that is sent once)
 *
 * ```ts
 * import { Effective, Policy } from "effect-resilience"
 *
 * const policy = Policy.make({
 *   retry: { maxAttempts: 4 },
 *   perRequest: [{ when: { paths: ["/health"] }, use: { retry: "none", deadline: "1 second" } }]
 * })
 *
 * Effective.of(policy).map(({ deadline, retry }) => [retry, deadline])
 * // => [[{ maxAttempts: 4 }, undefined], [{ maxAttempts: 1 }, 1_000]]
 * ```
 *
 * @since 0.1.0
 * @category getters
 */
export const of = (policy: Policy.Policy): ReadonlyArray<Policy.Policy> => {
  const { perRequest } = policy
  return isThere(perRequest) ? [under(policy, {}), ...perRequest.map(({ use }) => under(policy, use))] : [policy]
}
