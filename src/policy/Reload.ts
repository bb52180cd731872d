/**
 * From one policy of a service to the next: what is made anew, and what goes on.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Degraded from "../http/Degraded.ts"
import * as Middleware from "../http/Middleware.ts"
import * as Interpreter from "./Interpreter.ts"
import * as Order from "./Order.ts"
import * as Policy from "./Policy.ts"
import type * as PolicyClient from "./PolicyClient.ts"
import * as ResilientClient from "./ResilientClient.ts"

/**
 * What a service is to be.
 *
 * @since 0.1.0
 * @category models
 */
export interface Wanted {
  readonly name: string
  readonly policy: Policy.Policy
  readonly degraded: boolean
}

/** A strategy in its place, and the part of the policy that it was made of. */
interface Part {
  readonly of: string
  readonly middleware: Middleware.Middleware<unknown, unknown>
}

/**
 * A service as it is.
 *
 * @since 0.1.0
 * @category models
 */
export interface Loaded {
  readonly policy: Policy.Policy
  readonly mode: "Normal" | "Degraded"
  /** What a call is made through. */
  readonly stack: Middleware.Middleware<PolicyClient.Failures>
  /** The places whose strategies are other ones than before, or gone. */
  readonly changed: ReadonlyArray<Order.Place>
  readonly parts: ReadonlyMap<Order.Place, Part>
  readonly budget: Order.Client["budget"]
}

/** What stands in a place without a field of its own. */
const others: { readonly [P in Order.Place]?: ReadonlyArray<keyof Policy.Encoded> } = {
  attemptSpan: [],
  callSpan: ["name"],
  resend: ["retry", "hedge", "budget", "idempotencyKey"]
}

/** Those that learn from what attempts come to, or tell of it: what statuses mean is a part of what they do. */
const learning: ReadonlySet<Order.Place> = new Set([
  "rateLimit",
  "circuitBreaker",
  "adaptiveThrottle",
  "adaptiveLimit",
  "bulkhead",
  "resend",
  "fallback"
] satisfies ReadonlyArray<Order.Place>)

const isField = (place: string, policy: Policy.Encoded): place is keyof Policy.Encoded => place in policy

/** The part of a policy that the strategy in a place is made of. */
const partOf = (place: Order.Place, policy: Policy.Encoded): string => {
  const own = others[place] ?? (isField(place, policy) ? [place] : [])
  const fields = learning.has(place) ? [...own, "name" as const, "statuses" as const] : own
  return JSON.stringify(fields.map((field) => policy[field] ?? null))
}

/**
 * Makes what is new of a service, and takes the rest from what it was. Dies with `InvalidOption` where a strategy cannot be made so.
 *
 * @since 0.1.0
 * @category constructors
 */
export const load = (before: Loaded | undefined, { degraded, name, policy }: Wanted): Effect.Effect<Loaded> =>
  Effect.gen(function*() {
    const named = { ...policy, name: policy.name ?? name }
    const encoded = Policy.encode(named)
    const options = Interpreter.options(named)
    const chosen = ResilientClient.chosen(options)
    const isBudgetSame = before !== undefined && JSON.stringify(Policy.encode(before.policy).budget) === JSON.stringify(encoded.budget)
    const client = yield* ResilientClient.client(isBudgetSame ? { ...options, budget: before.budget } : options)
    const parts = new Map<Order.Place, Part>()
    const changed: Array<Order.Place> = []
    for (const place of Order.places) {
      const strategy = chosen[place]
      const old = before?.parts.get(place)
      if (strategy === undefined) {
        if (old !== undefined) changed.push(place)
        continue
      }
      const of = partOf(place, encoded)
      if (old?.of === of) parts.set(place, old)
      else {
        parts.set(place, { of, middleware: yield* strategy.make(client) })
        changed.push(place)
      }
    }
    const mode = degraded ? "Degraded" as const : "Normal" as const
    const isSame = changed.length === 0 && before?.mode === mode
    return { policy, mode, stack: isSame ? before.stack : stackOf(parts, name, mode), changed, parts, budget: client.budget }
  })

/** What stands there while nothing is sent. Everything else waits with what it remembers. */
const whileDegraded: ReadonlySet<Order.Place> = new Set(["fallback", "callSpan"] satisfies ReadonlyArray<Order.Place>)

const stackOf = (parts: Loaded["parts"], name: string, mode: Loaded["mode"]): Loaded["stack"] => {
  const made = [...parts].map(([place, { middleware }]) => [place, middleware] as const)
  const stack = mode === "Normal"
    ? Order.stack(new Map(made))
    : Middleware.stack(Degraded.middleware(name), Order.stack(new Map(made.filter(([place]) => whileDegraded.has(place)))))
  // What a policy chooses can fail with what `PolicyClient` says, and requires nothing.
  return stack as Loaded["stack"]
}

/**
 * Tells whether there is something to tell.
 *
 * @since 0.1.0
 * @category guards
 */
export const isChanged = (before: Loaded | undefined, now: Loaded): boolean => now.changed.length > 0 || before?.mode !== now.mode
