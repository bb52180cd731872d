/**
 * Which keys of breakers are open, as far as their events tell.
 *
 * A breaker has no timer: when its time is over it says nothing until the next call comes. Here it is half open from then on, as the breaker
 * itself would answer, and forgotten after an hour without news, as the breaker forgets it. So a peer that nobody calls any more does not
 * raise an alarm for ever.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Event from "../core/Event.ts"
import * as Instrument from "../core/Instrument.ts"
import * as Measurement from "../core/Measurement.ts"
import type { Millis } from "../core/Millis.ts"
import * as Keyed from "../strategy/Keyed.ts"
import type * as Levels from "./Levels.ts"

/**
 * The keys that are not closed, of all breakers that are heard.
 *
 * @since 0.1.0
 * @category models
 */
export interface OpenBreakers extends Levels.Level {
  readonly hear: (event: Event.Event) => void
}

interface Entry {
  readonly name: string
  readonly key: string
  readonly at: Millis
  /** Until when it is open, in ms since the epoch. */
  readonly until: Millis
}

const maxKeys = 10_000
const idle: Millis = 3_600_000

/**
 * Begins with none.
 *
 * @since 0.1.0
 * @category constructors
 */
export const unsafeMake = (): OpenBreakers => {
  const entries = new Map<string, Entry>()
  // What has been shown once is shown as 0 from then on: labels are bounded, so these are.
  const seen = new Map<string, readonly [name: string, key: string]>()

  const put = ({ at, call, key }: Event.OfGuard, until: Millis): void => {
    const id = `${call.id} ${Keyed.bounded(key)}`
    // The oldest news goes first.
    entries.delete(id)
    const [oldest] = entries.keys()
    if (entries.size >= maxKeys && oldest !== undefined) entries.delete(oldest)
    entries.set(id, { name: call.name, key: Keyed.bounded(key), at, until })
  }

  return {
    hear: (event) => {
      if (event._tag === "BreakerOpened") put(event, Option.match(event.openFor, { onNone: () => Infinity, onSome: (millis) => event.at + millis }))
      else if (event._tag === "BreakerHalfOpened") put(event, event.at)
      else if (event._tag === "BreakerClosed") entries.delete(`${event.call.id} ${Keyed.bounded(event.key)}`)
    },
    read: (meter) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        const counts = new Map<string, { open: number; halfOpen: number }>()
        for (const [id, { at, key, name, until }] of entries) {
          if (now >= until && now - at >= idle) {
            entries.delete(id)
            continue
          }
          const labels = [meter.name(name), meter.key(key)] as const
          const shown = labels.join("\n")
          seen.set(shown, labels)
          const count = counts.get(shown) ?? { open: 0, halfOpen: 0 }
          counts.set(shown, count)
          if (now < until) count.open++
          else count.halfOpen++
        }
        return [...seen].flatMap(([shown, labels]) => {
          const { halfOpen, open } = counts.get(shown) ?? { open: 0, halfOpen: 0 }
          return [
            Measurement.make(Instrument.breakerKeys, open, ...labels, "Open"),
            Measurement.make(Instrument.breakerKeys, halfOpen, ...labels, "HalfOpen")
          ]
        })
      })
  }
}
