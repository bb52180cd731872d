/**
 * The state of a rate limit for one key, and the line of those who wait for it.
 *
 * Nobody takes from the limiter before it is their turn: the first in line is let through when its time has come, then the next
 * one is looked at. So one that is interrupted, or whose time is over, has taken nothing, and leaves no hole. There is one timer,
 * that of the first.
 *
 * @since 0.1.0
 */
import type * as Clock from "effect/Clock"
import type * as Advice from "../core/Advice.ts"
import * as Limiter from "../core/Limiter.ts"
import type { Millis } from "../core/Millis.ts"
import * as Guarded from "./Guarded.ts"
import * as Timeout from "./Timeout.ts"

/**
 * Somebody in line.
 *
 * @since 0.1.0
 * @category models
 */
export interface Waiter {
  readonly cost: number
  readonly clock: Clock.Clock
  /** The last moment at which it is worth being let through, on the monotonic clock. */
  readonly latest: Millis
  /** `late` is how many ms after it joined it could have been let through, where that was too late. */
  state: { readonly _tag: "Waiting" } | { readonly _tag: "Admitted"; readonly ticket: Limiter.Ticket } | {
    readonly _tag: "Late"
    readonly delay: Millis
  } | { readonly _tag: "Gone" }
  before: Waiter | undefined
  behind: Waiter | undefined
  wake: () => void
}

const waiting = { _tag: "Waiting" } as const
const gone = { _tag: "Gone" } as const
const nobody = () => {}

/**
 * What a call meets that asks: it is let through, or it would have to wait so long.
 *
 * @since 0.1.0
 * @category models
 */
export type Answer = Limiter.Answer

/**
 * A limiter with its line.
 *
 * @since 0.1.0
 * @category models
 */
export class RateLine {
  readonly key: string
  private readonly settings: Limiter.Settings
  private state: Limiter.State
  /** The cost of calls that have ended and are still on their way in the state, which looks at that when it has learned of a quota. */
  private ended = 0
  private first: Waiter | undefined
  private last: Waiter | undefined
  private size = 0
  private cancel = nobody
  /** The state as it will be when all who wait have been let through, if nothing else happens. */
  private future: Limiter.State | undefined
  /** When that was followed from the present; before all time where something has happened since that may have changed it. */
  private reckonedAt: Millis = -Infinity

  constructor(key: string, settings: Limiter.Settings, now: Millis) {
    this.key = key
    this.settings = settings
    this.state = Limiter.initial(now)
  }

  /** How many wait. */
  get length(): number {
    return this.size
  }

  /** Lets a call through at once, or says how long it would have to wait behind the others. `mostDelay` is what it would wait. */
  readonly ask = (cost: number, now: Millis, mostDelay: Millis): Answer => {
    if (this.first === undefined) {
      const [answer, state] = Limiter.admit(this.settings, this.state, cost, now)
      this.state = state
      return answer
    }
    const [delay] = this.reserve(this.future, cost, now)
    // What is remembered of the future may be too late, where somebody has left the line. Nobody is refused because of that.
    const isCurrent = this.reckonedAt <= now && this.reckonedAt > -Infinity
    if (delay <= mostDelay || isCurrent) return { _tag: "Wait", delay, because: "Limit" }
    this.reckon(now)
    this.serve(now)
    return this.ask(cost, now, mostDelay)
  }

  /** Stands in line. */
  readonly join = (cost: number, clock: Clock.Clock, now: Millis, latest: Millis): Waiter => {
    const waiter: Waiter = { cost, clock, latest, state: waiting, before: this.last, behind: undefined, wake: nobody }
    this.future = this.reserve(this.future, cost, now)[1]
    if (this.last === undefined) this.first = waiter
    else this.last.behind = waiter
    this.last = waiter
    this.size++
    if (this.first === waiter) this.serve(now)
    return waiter
  }

  /** Leaves the line, or gives back what was taken, without having made a call. */
  readonly leave = (waiter: Waiter): void => {
    const now = Guarded.monotonic(waiter.clock)
    if (waiter.state._tag === "Admitted") this.giveBack(waiter.state.ticket, now)
    if (waiter.state._tag !== "Waiting") return
    const wasFirst = this.first === waiter
    this.remove(waiter, gone)
    this.reckonedAt = -Infinity
    if (wasFirst) this.serve(now)
  }

  /** Undoes the admission of a call that was never made. */
  readonly giveBack = (ticket: Limiter.Ticket, now: Millis): void => {
    this.state = Limiter.giveBack(this.settings, this.state, ticket, now)
    this.reckonedAt = -Infinity
    if (this.first !== undefined) this.serve(now)
  }

  /** Learns what came of a call. The answer is for how long everything is kept back from now on, where that is news. */
  readonly settle = (ticket: Limiter.Ticket, advice: Advice.Advice, clock: Clock.Clock): Millis => {
    if (Limiter.isPlain(this.state, advice)) {
      this.ended += ticket.cost
      return 0
    }
    const before = Limiter.ended(this.state, this.ended)
    const now = Guarded.monotonic(clock)
    this.state = Limiter.settle(this.settings, before, ticket, advice, now)
    this.ended = 0
    if (before.quotas === this.state.quotas) return 0
    this.reckonedAt = -Infinity
    const paused = Limiter.paused(this.state, now)
    const isNews = paused > Limiter.paused(before, now)
    if (this.first !== undefined) {
      if (isNews) this.reckon(now)
      this.serve(now)
    }
    return isNews ? paused : 0
  }

  /** For how many ms nothing is let through, because the server has said so. */
  readonly paused = (now: Millis): Millis => Limiter.paused(this.state, now)

  /** Those who wait are let through as far as that can be; for the one who then is first a timer is set. */
  private serve(now: Millis): void {
    this.cancel()
    this.cancel = nobody
    while (this.first !== undefined) {
      const waiter = this.first
      const [answer, state] = Limiter.admit(this.settings, this.state, waiter.cost, now)
      this.state = state
      if (answer._tag === "Wait" && now + answer.delay <= waiter.latest) {
        this.cancel = Timeout.timer(waiter.clock, answer.delay, () => this.serve(Guarded.monotonic(waiter.clock)))
        return
      }
      this.remove(waiter, answer._tag === "Wait" ? { _tag: "Late", delay: answer.delay } : answer)
      waiter.wake()
    }
    this.future = undefined
  }

  /** Follows the line into the future, and sends those away whose time will be over. */
  private reckon(now: Millis): void {
    let future: Limiter.State = Limiter.at(this.state, now)
    for (let waiter = this.first; waiter !== undefined;) {
      const { behind } = waiter
      const [delay, next] = Limiter.reserve(this.settings, future, waiter.cost, now)
      if (now + delay <= waiter.latest) future = next
      else {
        this.remove(waiter, { _tag: "Late", delay })
        waiter.wake()
      }
      waiter = behind
    }
    this.future = future
    this.reckonedAt = now
  }

  private reserve(future: Limiter.State | undefined, cost: number, now: Millis): readonly [Millis, Limiter.State] {
    return Limiter.reserve(this.settings, future ?? Limiter.at(this.state, now), cost, now)
  }

  private remove(waiter: Waiter, state: Waiter["state"]): void {
    const { before, behind } = waiter
    if (before === undefined) this.first = behind
    else before.behind = behind
    if (behind === undefined) this.last = before
    else behind.before = before
    waiter.before = waiter.behind = undefined
    waiter.state = state
    this.size--
  }
}
