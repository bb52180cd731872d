import { deepStrictEqual } from "@effect/vitest/utils"
import { Cause, Clock, Duration, Effect, Exit, FiberId, Option, Random, Schedule } from "effect"
import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import * as Backoff from "../../src/core/Backoff.ts"
import * as Classifier from "../../src/core/Classifier.ts"
import type { Event } from "../../src/core/Event.ts"
import * as Failure from "../../src/core/Failure.ts"
import * as Outcome from "../../src/core/Outcome.ts"
import * as Deadline from "../../src/strategy/Deadline.ts"
import * as Observer from "../../src/strategy/Observer.ts"
import * as Retry from "../../src/strategy/Retry.ts"
import * as RetrySchedule from "../../src/strategy/RetrySchedule.ts"
import * as Simulation from "../../src/testing/Simulation.ts"

const runs = { numRuns: 2000 }
const start = 1_700_000_000_000

/** A clock on which every sleep is over at once. It writes down how long each was. */
class InstantClock implements Clock.Clock {
  readonly [Clock.ClockTypeId]: Clock.ClockTypeId = Clock.ClockTypeId
  readonly sleeps: Array<number> = []
  now = start
  readonly currentTimeMillis = Effect.sync(() => this.now)
  readonly currentTimeNanos = Effect.sync(() => this.unsafeCurrentTimeNanos())
  unsafeCurrentTimeMillis() {
    return this.now
  }
  unsafeCurrentTimeNanos() {
    return BigInt(this.now) * 1_000_000n
  }
  sleep(duration: Duration.Duration) {
    return Effect.sync(() => {
      this.sleeps.push(Duration.toMillis(duration))
      this.now += Duration.toMillis(duration)
    })
  }
}

interface Carrying {
  readonly [Failure.key]: Failure.Failure
}
const hint = fc.option(fc.integer({ min: 0, max: 90_000 }), { freq: 2, nil: undefined }).map(Option.fromNullable)
const failure: fc.Arbitrary<Failure.Failure> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.oneof(
      hint.map((retryAfter) => Failure.throttled({ status: 429, retryAfter })),
      hint.map((retryAfter) => Failure.unavailable({ status: 503, retryAfter })),
      fc.constantFrom<Failure.Failure>(
        Failure.connectionLost("ECONNRESET"),
        Failure.connectFailure("tcp", "ECONNREFUSED"),
        Failure.attemptTimedOut(),
        Failure.serverFault(500),
        Failure.unavailable({ status: 425 })
      )
    )
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom<Failure.Failure>(Failure.refused(404), Failure.rejected("CircuitOpen"), Failure.serverFault(501))
  }
)
const error: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 8, arbitrary: failure.map((carried): Carrying => ({ [Failure.key]: carried })) },
  { weight: 1, arbitrary: fc.constantFrom("nobody knows", Object.assign(new Error("x"), { code: "EPIPE" })) }
)
const interrupt = Cause.interrupt(FiberId.none)
const cause: fc.Arbitrary<Cause.Cause<unknown>> = fc.oneof(
  { weight: 12, arbitrary: error.map(Cause.fail) },
  { weight: 1, arbitrary: fc.constant(Cause.die("bug")) },
  { weight: 1, arbitrary: fc.constant(interrupt) },
  { weight: 1, arbitrary: error.map((one) => Cause.parallel(Cause.fail(one), interrupt)) },
  { weight: 1, arbitrary: error.map((one) => Cause.sequential(Cause.fail(one), Cause.die("bug"))) },
  { weight: 1, arbitrary: fc.tuple(error, error).map(([one, other]) => Cause.parallel(Cause.fail(one), Cause.fail(other))) }
)
/** What one attempt gives, and how long it takes. The value is a response, so that a value can be a failure too. */
const attempt = fc.record({
  took: fc.integer({ min: 0, max: 5000 }),
  exit: fc.oneof(
    { weight: 1, arbitrary: fc.constantFrom(200, 429, 503, 404, 425).map((status) => Exit.succeed({ status, headers: {} })) },
    { weight: 4, arbitrary: cause.map((value) => Exit.failCause(value)) }
  )
})
type Attempt = typeof attempt extends fc.Arbitrary<infer A> ? A : never

const schedule: fc.Arbitrary<RetrySchedule.RetrySchedule> = fc.oneof(
  fc.integer({ min: 0, max: 10_000 }).map((delay) => RetrySchedule.fromBackoff(Backoff.constant(delay))),
  fc.integer({ min: 1, max: 5000 }).map((base) => RetrySchedule.fromBackoff(Backoff.fullJitter(Backoff.exponential(base)))),
  fc.constant<RetrySchedule.RetrySchedule>(RetrySchedule.standard),
  fc.constant<RetrySchedule.RetrySchedule>(RetrySchedule.none),
  fc.nat(5).map((n): RetrySchedule.RetrySchedule => Schedule.recurs(n)),
  fc.integer({ min: 1, max: 10_000 }).map((delay): RetrySchedule.RetrySchedule => Schedule.jittered(Schedule.spaced(delay))),
  fc.integer({ min: 0, max: 60_000 }).map((limit) => RetrySchedule.standard.pipe(RetrySchedule.during(limit)))
)
const classifier = fc.constantFrom<Classifier.Classifier<Classifier.ResponseLike>>(
  Classifier.http,
  Classifier.errors,
  Classifier.anyError,
  Classifier.make("everything is a failure", () => Option.some(Outcome.failed(Failure.unavailable()))),
  Classifier.make("everything is fine", () => Option.some(Outcome.success)),
  Classifier.make("nothing is known", () => Option.none())
)
const scenario = fc.record({
  script: fc.array(attempt, { minLength: 1, maxLength: 12 }),
  schedule,
  classifier,
  maxAttempts: fc.integer({ min: 1, max: 6 }),
  deadline: fc.option(fc.integer({ min: 0, max: 60_000 }), { nil: undefined }),
  orFail: fc.boolean(),
  seed: fc.integer()
})
type Scenario = typeof scenario extends fc.Arbitrary<infer A> ? A : never

/** One call, played: the attempts that ran with their begin and end, what was told, and what came out. */
const play = ({ classifier, deadline, maxAttempts, orFail, schedule, script, seed }: Scenario) => {
  const clock = new InstantClock()
  const ran: Array<Attempt & { readonly from: number; readonly to: number }> = []
  const events: Array<Event> = []
  const work = Effect.suspend((): Exit.Exit<Classifier.ResponseLike, unknown> => {
    const step = script[ran.length % script.length]!
    const from = clock.now
    clock.now += step.took
    ran.push({ ...step, from, to: clock.now })
    return step.exit
  })
  const options = { classifier, schedule, maxAttempts }
  const call: Effect.Effect<Classifier.ResponseLike, unknown> = orFail ? Retry.retryOrFail(work, options) : Retry.retry(work, options)
  const exit = call.pipe(
    Effect.provideService(Deadline.Deadline, Option.map(Option.fromNullable(deadline), (left) => start + left)),
    Observer.observe(Observer.sync((event) => void events.push(event))),
    Effect.withRandom(Random.make(seed)),
    Effect.withClock(clock),
    Effect.runSyncExit
  )
  return { clock, ran, events, exit, deadline: deadline === undefined ? Infinity : start + deadline }
}

const law = (check: (scenario: Scenario, played: ReturnType<typeof play>) => void) => () =>
  fc.assert(fc.property(scenario, (one) => check(one, play(one))), runs)

/** The same times: a fraction of a millisecond is rounded to nanoseconds by `Duration`. */
const same = (one: ReadonlyArray<number>, other: ReadonlyArray<number>): void => {
  assert.strictEqual(one.length, other.length)
  one.forEach((time, i) => assert.approximately(time, other[i]!, 0.01))
}

const tagged = <T extends Event["_tag"]>(events: ReadonlyArray<Event>, tag: T) =>
  events.filter((event): event is Extract<Event, { readonly _tag: T }> => event._tag === tag)

describe("laws of Retry, for any script of outcomes", () => {
  it(
    "attempts never exceed maxAttempts",
    law(({ maxAttempts }, { ran }) => {
      assert.isAtLeast(ran.length, 1)
      assert.isAtMost(ran.length, maxAttempts)
    })
  )

  it(
    "nothing follows a success, a defect or an interruption",
    law(({ classifier }, { ran }) => {
      for (const { exit } of ran.slice(0, -1)) {
        if (Exit.isFailure(exit)) assert.isTrue(Cause.isFailure(exit.cause) && !Cause.isDie(exit.cause))
        assert.strictEqual(Classifier.run(classifier, exit, start)._tag, "Failed")
      }
    })
  )

  it(
    "what comes out is what the last attempt gave, the same value or error",
    law(({ orFail }, { exit, ran }) => {
      const last = ran.at(-1)!.exit
      if (Exit.isFailure(exit) && Cause.isFailType(exit.cause) && exit.cause.error instanceof Retry.RetriesExhausted) {
        assert.isTrue(orFail)
        assert.strictEqual(exit.cause.error.cause, Exit.isFailure(last) ? Option.getOrUndefined(Cause.failureOption(last.cause)) : undefined)
        assert.strictEqual(exit.cause.error.attempts.length, ran.length)
      } else if (Exit.isSuccess(last)) {
        assert(Exit.isSuccess(exit))
        assert.strictEqual(exit.value, last.value)
      } else {
        assert(Exit.isFailure(exit))
        deepStrictEqual(exit.cause, last.cause)
        if (Cause.isFailType(last.cause) && Cause.isFailType(exit.cause)) assert.strictEqual(exit.cause.error, last.cause.error)
      }
    })
  )

  it(
    "one call is started and one is ended, first and last of all that is told",
    law((_, { events }) => {
      assert.strictEqual(tagged(events, "CallStarted").length, 1)
      assert.strictEqual(tagged(events, "CallEnded").length, 1)
      assert.strictEqual(events[0]!._tag, "CallStarted")
      assert.strictEqual(events.at(-1)!._tag, "CallEnded")
      assert.strictEqual(new Set(events.map((event) => event.call)).size, 1)
    })
  )

  it(
    "the events alone rebuild the timeline",
    law((_, { clock, events, ran }) => {
      deepStrictEqual(
        tagged(events, "AttemptStarted").map(({ at, attempt }) => [attempt, at]),
        ran.map(({ from }, i) => [i + 1, from])
      )
      deepStrictEqual(
        tagged(events, "AttemptEnded").map(({ at, attempt }) => [attempt, at]),
        ran.map(({ to }, i) => [i + 1, to])
      )
      const waits = tagged(events, "WaitStarted")
      deepStrictEqual(
        waits.map(({ at, attempt }) => [attempt, at]),
        ran.slice(0, -1).map(({ to }, i) => [i + 1, to])
      )
      same(waits.map(({ at, delay }) => at + delay), ran.slice(1).map(({ from }) => from))
      same(waits.map(({ delay }) => delay).filter((delay) => delay > 0), clock.sleeps)
      const end = tagged(events, "CallEnded")[0]!
      assert.strictEqual(end.at, clock.now)
      assert.strictEqual(end.attempts, ran.length)
      same([end.waited], [clock.sleeps.reduce((sum, sleep) => sum + sleep, 0)])
    })
  )

  it(
    "the end that is told is the end there was",
    law((_, { events, exit, ran }) => {
      const { end } = tagged(events, "CallEnded")[0]!
      const last = tagged(events, "AttemptEnded").at(-1)!.outcome
      switch (end._tag) {
        case "Succeeded":
          return assert.isTrue(Exit.isSuccess(exit))
        case "GaveUp":
          return deepStrictEqual(last, Outcome.failed(end.failure))
        case "Interrupted":
          return assert.isTrue(Exit.isInterrupted(exit))
        case "Died":
          return assert.isTrue(Exit.isFailure(exit) && Cause.isDie(exit.cause))
        case "Ignored":
          assert.notStrictEqual(last._tag, "Failed")
          return assert.isTrue(Exit.isFailure(exit) && Exit.isFailure(ran.at(-1)!.exit))
      }
    })
  )

  it(
    "no attempt begins, and no wait is begun, that would end at or past the deadline",
    law((_, { deadline, events, ran }) => {
      for (const { from } of ran.slice(1)) assert.isBelow(from, deadline)
      for (const { at, delay } of tagged(events, "WaitStarted")) assert.isBelow(at + delay, deadline)
    })
  )

  it(
    "a wait is never shorter than the hint, nor is a hint beyond a minute waited for",
    law((_, { events }) => {
      for (const { delay, failure } of tagged(events, "WaitStarted")) {
        const asked = Option.getOrElse(Failure.retryAfter(failure), () => 0)
        assert.isAtLeast(delay, asked)
        assert.isAtMost(asked, 60_000)
      }
    })
  )

  it(
    "a 425 is sent again once",
    law((_, { events }) => {
      const again = tagged(events, "WaitStarted").filter(({ failure }) => Option.contains(Failure.status(failure), 425))
      assert.isAtMost(again.length, 1)
    })
  )

  it(
    "maxAttempts 1 is no retry",
    law((one) => {
      const { ran } = play({ ...one, maxAttempts: 1, orFail: false })
      assert.strictEqual(ran.length, 1)
    })
  )

  it(
    "an earlier deadline never gives more attempts",
    law((one, { ran }) => {
      const earlier = play({ ...one, deadline: Math.floor((one.deadline ?? 60_000) / 2) })
      assert.isAtMost(earlier.ran.length, ran.length)
      deepStrictEqual(earlier.ran, ran.slice(0, earlier.ran.length))
    })
  )

  it(
    "fewer attempts are a beginning of more",
    law((one, { ran }) => {
      const fewer = play({ ...one, maxAttempts: Math.ceil(one.maxAttempts / 2) })
      deepStrictEqual(fewer.ran, ran.slice(0, fewer.ran.length))
    })
  )

  it(
    "who listens changes nothing",
    law((one, { exit, ran }) => {
      const clock = new InstantClock()
      let count = 0
      const work = Effect.suspend((): Exit.Exit<Classifier.ResponseLike, unknown> => {
        const step = one.script[count++ % one.script.length]!
        clock.now += step.took
        return step.exit
      })
      const silent = Retry.retry(work, one).pipe(
        Effect.provideService(Deadline.Deadline, Option.map(Option.fromNullable(one.deadline), (left) => start + left)),
        Effect.withRandom(Random.make(one.seed)),
        Effect.withClock(clock),
        Effect.runSyncExit
      )
      assert.strictEqual(count, ran.length)
      if (!one.orFail) deepStrictEqual(silent, exit)
    })
  )
})

describe("Retry, interrupted at any of its steps", () => {
  const kinds: ReadonlyArray<readonly [string, (tell: (event: Event) => void) => Observer.Listener]> = [
    ["synchronous", (tell) => Observer.sync(tell)],
    ["of effects", (tell) => Observer.make((event) => Effect.sync(() => tell(event)))],
    ["that waits", (tell) => Observer.make((event) => Effect.zipRight(Effect.yieldNow(), Effect.sync(() => tell(event))))]
  ]
  for (const [kind, listener] of kinds) {
    it(`tells a listener ${kind} of one end for each beginning`, () => {
      const { interrupted } = Simulation.sweep(Effect.sync(() => {
        const events: Array<Event> = []
        let open = 0
        const failing: Effect.Effect<never, Carrying> = Effect.acquireUseRelease(
          Effect.sync(() => open++),
          () => Effect.zipRight(Effect.yieldNow(), Effect.fail({ [Failure.key]: Failure.connectionLost("ECONNRESET") })),
          () => Effect.sync(() => open--)
        )
        const options = { schedule: RetrySchedule.fromBackoff(Backoff.constant(1)), maxAttempts: 3 }
        return {
          calls: [Observer.observe(Retry.retryOrFail(failing, options), listener((event) => void events.push(event)))],
          check: () => {
            const seen = events.map((event) => event._tag).join(", ")
            assert.strictEqual(tagged(events, "CallEnded").length, tagged(events, "CallStarted").length, seen)
            if (events.length > 0) assert.strictEqual(events.at(-1)!._tag, "CallEnded", seen)
            assert.strictEqual(open, 0, seen)
          }
        }
      }))
      assert.isAbove(interrupted, 50)
    })
  }
})
