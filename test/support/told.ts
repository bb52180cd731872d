/**
 * What an effect tells whoever listens.
 */
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type { Event } from "../../src/core/Event.ts"
import * as Observer from "../../src/strategy/Observer.ts"

type Of<T extends Event["_tag"]> = Extract<Event, { readonly _tag: T }>

/** Runs an effect, and gives its exit with the events of one kind that it told of, in order. */
export const told = <T extends Event["_tag"], A, E, R>(
  tag: T,
  effect: Effect.Effect<A, E, R>
): Effect.Effect<readonly [exit: Exit.Exit<A, E>, events: ReadonlyArray<Of<T>>], never, R> =>
  Effect.suspend(() => {
    const events: Array<Of<T>> = []
    const isOfTag = (event: Event): event is Of<T> => event._tag === tag
    const listener = Observer.sync((event) => void (isOfTag(event) && events.push(event)))
    return Effect.map(Effect.exit(Observer.observe(effect, listener)), (exit) => [exit, events] as const)
  })
