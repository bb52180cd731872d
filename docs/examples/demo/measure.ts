/**
 * Plays the script once for a client, draws it while it lasts, and measures what it has cost.
 */
import { type HttpClient } from "@effect/platform"
import { type Event, Waterfall } from "effect-resilience"
import { Recorder } from "effect-resilience/testing"
import { Clock, Effect, Exit, Option, Random } from "effect"
import * as Pool from "./pool.ts"
import { attemptsIn, endOf, resultOf } from "./spans.ts"
import * as Server from "./server.ts"
import * as Terminal from "./terminal.ts"

export interface Contender<E> {
  readonly fetch: (url: string) => Effect.Effect<unknown, E, HttpClient.HttpClient>
  readonly rows: (recorded: Recorded) => ReadonlyArray<Waterfall.Row>
  /** How much time the picture has room for, in ms. */
  readonly horizon: number
}

export interface Recorded {
  readonly spans: ReadonlyArray<Recorder.Span>
  readonly events: ReadonlyArray<Event.Event>
  /** The span ids that the server was sent. */
  readonly received: ReadonlyArray<string>
}

export interface Measured extends Recorded {
  /** A status, or the name of an error. */
  readonly result: string
  readonly millis: number
  /** From the answer that said `Retry-After: 1` to the next attempt, in ms. */
  readonly waited: Option.Option<number>
  readonly opened: number
  readonly open: number
  /** Connections that an old answer holds. */
  readonly held: number
  /** How long a second call over the same pool took, in ms, where it was answered within a second. */
  readonly next: Option.Option<number>
}

/** The time from the answer of an attempt that was throttled to the next attempt. */
const pauseAfterThrottling = (spans: ReadonlyArray<Recorder.Span>): Option.Option<number> => {
  const attempts = attemptsIn(spans)
  const index = attempts.findIndex((span) => span.attributes["http.response.status_code"] === 429)
  const [throttled, next] = [attempts[index], attempts[index + 1]]
  if (throttled === undefined || next === undefined) return Option.none()
  return Option.map(endOf(throttled), (end) => next.start - end)
}

const timed = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const start = yield* Clock.currentTimeMillis
    const exit = yield* Effect.exit(effect)
    return { exit, millis: (yield* Clock.currentTimeMillis) - start }
  })

/** Makes calls that nobody looks at, so that the first bar shows the server and not the start of Node. */
export const rehearse = <E>(fetch: Contender<E>["fetch"]) =>
  Effect.gen(function*() {
    const server = yield* Server.start
    const pool = yield* Pool.make
    const recorder = yield* Recorder.make
    const call = Effect.provide(fetch(`${server.url}/rehearsal`), recorder.layer)
    yield* Effect.provide(Effect.repeatN(call, 9), pool.client)
  }).pipe(Effect.scoped)

/** Plays the script for a client. */
export const measure = <E>(contender: Contender<E>) =>
  Effect.gen(function*() {
    const server = yield* Server.start
    const pool = yield* Pool.make
    const recorder = yield* Recorder.make

    const recorded = Effect.map(
      Effect.all([recorder.spans, recorder.events]),
      ([spans, events]): Recorded => ({ spans, events, received: server.received })
    )
    const picture = Effect.zipWith(recorded, Clock.currentTimeMillis, (recorded, now) =>
      Waterfall.draw(contender.rows(recorded), {
        now,
        columns: Terminal.columns(),
        horizon: contender.horizon,
        colour: Terminal.inColour ? "ansi" : "none"
      }))

    const call = contender.fetch(`${server.url}/orders/42`).pipe(
      Effect.provide(recorder.layer),
      // A seed, so that chance tells the same story each time.
      Effect.withRandom(Random.make("a bad night")),
      timed
    )
    const { exit, millis } = yield* Terminal.whileDrawing(picture)(Effect.provide(call, pool.client))
    const { open, opened } = server.connections
    const held = yield* pool.busy

    const second = yield* contender.fetch(`${server.url}/ping`).pipe(
      Effect.timeoutOption("1 second"),
      timed,
      Effect.provide(pool.client)
    )
    const next = Exit.isSuccess(second.exit) && Option.isSome(second.exit.value) ? Option.some(second.millis) : Option.none()

    const all = yield* recorded
    const result = resultOf(exit, all.spans)
    return { ...all, result, millis, waited: pauseAfterThrottling(all.spans), opened, open, held, next } satisfies Measured
  }).pipe(Effect.scoped)
