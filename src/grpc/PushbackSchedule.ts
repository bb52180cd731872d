/**
 * When to send again, as gRPC has it: after a backoff or, where the server says when, exactly then.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as ScheduleDecision from "effect/ScheduleDecision"
import * as ScheduleInterval from "effect/ScheduleInterval"
import * as Backoff from "../core/Backoff.ts"
import * as Decision from "../core/Decision.ts"
import * as Failure from "../core/Failure.ts"
import { durationMillis } from "../core/InvalidOption.ts"
import type { Millis } from "../core/Millis.ts"

/**
 * How a server is believed.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** The longest wait that a server can ask for, from 0; where it asks for more, nothing more is sent. Default: 60 seconds. */
  readonly atMost?: Duration.DurationInput | undefined
}

/** How far the backoff has come since the server last said when. */
interface Progress {
  readonly index: number
  readonly previous: Millis
}

const anew: Progress = { index: 0, previous: 0 }

/**
 * Proposes the delays of a backoff and, after a failure with which the server says when to come back, exactly that wait; the backoff begins
 * anew after it (gRFC A6).
 *
 * **Gotchas**
 *
 * A wait of 0 is one: where a server says so, the next attempt is made at once. `RetrySchedule` waits no less than its backoff then.
 *
 * **Example** (The server says when)
 *
 * ```ts
 * import { Backoff, Failure } from "effect-resilience"
 * import { PushbackSchedule } from "effect-resilience/grpc"
 * import { Effect, Option, Schedule } from "effect"
 *
 * const schedule = PushbackSchedule.fromBackoff(Backoff.exponential("100 millis"))
 * const busy = Failure.rpcFailure("UNAVAILABLE")
 * const told = Failure.rpcFailure("UNAVAILABLE", Option.some(30))
 *
 * const proposals = await Effect.runPromise(Schedule.run(schedule, 0, [busy, busy, told, busy]))
 *
 * Array.from(proposals, (proposal) => proposal._tag === "Proceed" ? proposal.delay : proposal.because) // => [100, 200, 30, 100]
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromBackoff = (
  backoff: Backoff.Backoff,
  options: Options = {}
): Schedule.Schedule<Decision.Proposal, Failure.Failure> => {
  const atMost = durationMillis("PushbackSchedule", "atMost", options.atMost ?? Decision.defaultRetryAfterCap)
  return Schedule.makeWithState(anew, (now, failure: Failure.Failure, { index, previous }: Progress) => {
    if (Option.isSome(Failure.retryAfter(failure))) {
      // A floor over nothing is the wait itself.
      return Effect.succeed(answer(anew, Decision.honour(Decision.proceed(0), failure, { atMost, jitter: 0, draw: 0 }), now))
    }
    return Effect.map(Random.next, (draw) => {
      const delay = Backoff.delay(backoff, { index, previous, draw })
      return answer({ index: index + 1, previous: delay }, Decision.proceed(delay), now)
    })
  })
}

const answer = (
  state: Progress,
  proposal: Decision.Proposal,
  now: Millis
): [Progress, Decision.Proposal, ScheduleDecision.ScheduleDecision] => [
  state,
  proposal,
  proposal._tag === "Stop" ? ScheduleDecision.done : ScheduleDecision.continueWith(ScheduleInterval.after(now + proposal.delay))
]
