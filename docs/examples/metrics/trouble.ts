/**
 * What can go wrong in the demo, each with a switch.
 */
import { Option } from "effect"

export interface Description {
  /** What happens. */
  readonly says: string
  /** The alerts that fire of it, and what each is about. */
  readonly alerts: Readonly<Record<string, string>>
}

export const troubles = {
  flaky: {
    says: "every other page of the catalogue is a 503, or breaks off",
    alerts: { ResilienceRetryRatioHigh: "catalogue" }
  },
  outage: {
    says: "orders are answered 503, and resends turned away: calls are given up, and the breaker opens",
    alerts: { ResilienceGiveUps: "orders", ResilienceBreakerOpen: "orders" }
  },
  poverty: {
    says: "recommendations are answered 503, until the budget is empty; a fallback is shown",
    alerts: { ResilienceBudgetEmpty: "recommendations" }
  },
  slow: {
    says: "a search takes 1.5 s: hedges are sent, and the bulkhead is full",
    alerts: { ResilienceAttemptSlow: "search" }
  },
  crowd: {
    says: "eight at a time ask for pictures, over two connections",
    alerts: { ResiliencePoolWait: "127.0.0.1" }
  },
  leak: {
    says: "reviews are asked for, and not read",
    alerts: { ResilienceResponsesUnread: "shop" }
  },
  quota: { says: "prices are answered 429, and the rate limit pauses", alerts: {} },
  chaos: { says: "faults are injected into calls for the stock", alerts: {} }
} as const satisfies Readonly<Record<string, Description>>

export type Trouble = keyof typeof troubles

const isTrouble = (name: string): name is Trouble => Object.hasOwn(troubles, name)

export const all: ReadonlyArray<Trouble> = Object.keys(troubles).filter(isTrouble)

/** "all", "none", or names with commas between them. */
export const parse = (text: string): Option.Option<ReadonlySet<Trouble>> => {
  if (text === "all") return Option.some(new Set(all))
  if (text === "none") return Option.some(new Set())
  const names = text.split(",").map((name) => name.trim())
  return names.every(isTrouble) ? Option.some(new Set(names)) : Option.none()
}

export interface Switches {
  readonly isOn: (trouble: Trouble) => boolean
  readonly set: (on: ReadonlySet<Trouble>) => void
  /** Those that are on, or "all is well". */
  readonly text: () => string
}

export const switches = (initial: ReadonlySet<Trouble>): Switches => {
  let on = initial
  return {
    isOn: (trouble) => on.has(trouble),
    set: (next) => {
      on = next
    },
    text: () => on.size === 0 ? "all is well" : [...on].join(", ")
  }
}
