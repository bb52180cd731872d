import { it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import { Cause, Clock, Context, Deferred, Duration, Effect, Exit, Fiber, FiberId, Option, Random, Schedule, TestClock } from "effect"
import { assert, describe, expect } from "vitest"
import * as Backoff from "../../src/core/Backoff.ts"
import * as Classifier from "../../src/core/Classifier.ts"
import type { Event } from "../../src/core/Event.ts"
import * as Failure from "../../src/core/Failure.ts"
import * as Outcome from "../../src/core/Outcome.ts"
import * as Deadline from "../../src/strategy/Deadline.ts"
import * as Observer from "../../src/strategy/Observer.ts"
import * as Loop from "../../src/strategy/Loop.ts"
import * as Retry from "../../src/strategy/Retry.ts"
import * as RetrySchedule from "../../src/strategy/RetrySchedule.ts"

/** An error that says itself what it means. */
class Fault extends Error {
  readonly [Failure.key]: Failure.Failure
  constructor(failure: Failure.Failure) {
    super(failure._tag)
    this[Failure.key] = failure
  }
}
const busy = new Fault(Failure.unavailable({ status: 503 }))
const reset = new Fault(Failure.connectionLost("ECONNRESET"))
const missing = new Fault(Failure.refused(404))
const early = new Fault(Failure.unavailable({ status: 425 }))
const asking = (retryAfter: Duration.DurationInput) =>
  new Fault(Failure.throttled({ status: 429, retryAfter: Option.some(Duration.toMillis(retryAfter)) }))

const constant = (delay: Duration.DurationInput) => RetrySchedule.fromBackoff(Backoff.constant(delay))
const doubling = RetrySchedule.fromBackoff(Backoff.exponential("100 millis"))

/** An effect that plays a script, one exit a run, the last for ever; it writes down when each run began. */
const play = <A, E>(...script: ReadonlyArray<Exit.Exit<A, E>>) => {
  const at: Array<number> = []
  const attempt = Effect.flatMap(Clock.currentTimeMillis, (now): Exit.Exit<A, E> => {
    at.push(now)
    return script[Math.min(at.length, script.length) - 1]!
  })
  return { at, attempt }
}
const fails = (...errors: ReadonlyArray<Fault>) => play<never, Fault>(...errors.map((error) => Exit.fail(error)))

/** Runs an effect to its end in virtual time, and listens. */
const observed = <A, E>(effect: Effect.Effect<A, E>, time: Duration.DurationInput = "1 hour") =>
  Effect.gen(function*() {
    const events: Array<Event> = []
    const fiber = yield* Effect.fork(effect.pipe(Observer.observe(Observer.sync((event) => void events.push(event)))))
    yield* TestClock.adjust(time)
    return { exit: yield* Fiber.await(fiber), events }
  })

/** A clock on which every wait is over at once: no test of a loop needs another. */
const instantClock = (): Clock.Clock & { now: number } => ({
  [Clock.ClockTypeId]: Clock.ClockTypeId,
  now: 0,
  unsafeCurrentTimeMillis() {
    return this.now
  },
  unsafeCurrentTimeNanos() {
    return BigInt(Math.floor(this.now)) * 1_000_000n
  },
  currentTimeMillis: Effect.clockWith((clock) => Effect.sync(() => clock.unsafeCurrentTimeMillis())),
  currentTimeNanos: Effect.clockWith((clock) => Effect.sync(() => clock.unsafeCurrentTimeNanos())),
  sleep(duration) {
    return Effect.sync(() => {
      this.now += Duration.toMillis(duration)
    })
  }
})

const endOf = (events: ReadonlyArray<Event>) => {
  const ends = events.filter((event) => event._tag === "CallEnded")
  assert.strictEqual(ends.length, 1)
  return ends[0]!
}

describe("Retry.retry", () => {
  it.effect("waits as the schedule says, and returns what the last attempt gave", () =>
    Effect.gen(function*() {
      const { at, attempt } = play(Exit.fail(busy), Exit.fail(reset), Exit.succeed("done"))
      const { exit } = yield* observed(Retry.retry(attempt, { schedule: doubling }))
      deepStrictEqual(exit, Exit.succeed("done"))
      deepStrictEqual(at, [0, 100, 300])
    }))

  it.effect("runs once what succeeds", () =>
    Effect.gen(function*() {
      const { at, attempt } = play(Exit.succeed("done"))
      assert.strictEqual(yield* attempt.pipe(Retry.retry({ schedule: doubling })), "done")
      deepStrictEqual(at, [0])
    }))

  it.effect("makes 3 attempts unless told otherwise, on the standard schedule", () =>
    Effect.gen(function*() {
      const { at, attempt } = fails(busy)
      const { exit } = yield* observed(Effect.withRandom(Retry.retry(attempt, {}), Random.make("seed")))
      deepStrictEqual(exit, Exit.fail(busy))
      assert.strictEqual(at.length, 3)
      assert.isAtMost(at[1]!, 100)
      assert.isAtMost(at[2]! - at[1]!, 200)
    }))

  it.effect("makes 10 attempts on a schedule of one's own, which may stop earlier", () =>
    Effect.gen(function*() {
      const ten = fails(busy)
      yield* observed(Retry.retry(ten.attempt, { schedule: constant(1) }))
      assert.strictEqual(ten.at.length, 10)
      const two = fails(busy)
      yield* observed(Retry.retry(two.attempt, { schedule: constant(1).pipe(RetrySchedule.maxAttempts(2)) }))
      assert.strictEqual(two.at.length, 2)
    }))

  for (const maxAttempts of [1, 2, 3, 7]) {
    it.effect(`never makes more than ${maxAttempts} attempts`, () =>
      Effect.gen(function*() {
        const [one, other] = [fails(busy, reset), fails(busy, reset)]
        const options = { schedule: constant(10), maxAttempts }
        yield* observed(Effect.zip(Effect.exit(Retry.retry(one.attempt, options)), Effect.exit(Retry.retryOrFail(other.attempt, options))))
        for (const { at } of [one, other]) deepStrictEqual(at, Array.from({ length: maxAttempts }, (_, i) => at[0]! + i * 10))
      }))
  }

  it.effect("returns the last error by identity", () =>
    Effect.gen(function*() {
      const errors = [1, 2, 3].map((code) => Object.assign(new Fault(Failure.connectionLost(String(code))), { code }))
      const { attempt } = fails(...errors)
      const { exit } = yield* observed(Retry.retry(attempt, { schedule: constant(1), maxAttempts: 3 }))
      assert(Exit.isFailure(exit) && Cause.isFailType(exit.cause))
      assert.strictEqual(exit.cause.error, errors[2])
    }))

  it.effect("returns a value that is a failure to its classifier, as it came", () =>
    Effect.gen(function*() {
      const response = { status: 503, headers: {} }
      const { at, attempt } = play(Exit.succeed(response))
      const { events, exit } = yield* observed(Retry.retry(attempt, { classifier: Classifier.http, schedule: constant(10) }))
      assert(Exit.isSuccess(exit))
      assert.strictEqual(exit.value, response)
      assert.strictEqual(at.length, 10)
      deepStrictEqual(endOf(events).end, {
        _tag: "GaveUp",
        because: "AttemptsExhausted",
        failure: Failure.unavailable({ status: 503 }),
        wait: Option.none()
      })
    }))

  it.effect("returns at once what is terminal, and what nobody knows", () =>
    Effect.gen(function*() {
      for (const error of [missing, new Error("domain"), "text", null, undefined]) {
        const { at, attempt } = play<never, unknown>(Exit.fail(error))
        const { exit } = yield* observed(Retry.retry(attempt, { schedule: constant(1) }))
        deepStrictEqual(exit, Exit.fail(error))
        assert.strictEqual(at.length, 1)
      }
    }))

  it.effect("resends a 425 once", () =>
    Effect.gen(function*() {
      const { at, attempt } = fails(early)
      yield* observed(Retry.retry(attempt, { schedule: constant(10) }))
      assert.strictEqual(at.length, 2)
    }))

  it.effect("stops at a success whatever came before", () =>
    Effect.gen(function*() {
      const { at, attempt } = play(Exit.fail(busy), Exit.fail(reset), Exit.fail(early), Exit.succeed(1), Exit.fail(busy))
      const { exit } = yield* observed(Retry.retry(attempt, { schedule: constant(10) }))
      deepStrictEqual(exit, Exit.succeed(1))
      assert.strictEqual(at.length, 4)
    }))

  it.effect("is a value: run twice, it retries twice from the start", () =>
    Effect.gen(function*() {
      const { at, attempt } = fails(busy)
      const effect = Retry.retry(attempt, { schedule: doubling, maxAttempts: 3 })
      yield* observed(effect, "300 millis")
      yield* observed(effect, "300 millis")
      deepStrictEqual(at, [0, 100, 300, 300, 400, 600])
    }))

  it.effect("has the requirements of the effect and of the schedule", () =>
    Effect.gen(function*() {
      class Config extends Context.Tag("Config")<Config, number>() {}
      const schedule: RetrySchedule.RetrySchedule<Config> = Schedule.delayedEffect(
        Schedule.forever,
        () => Effect.map(Config, Duration.millis)
      )
      const { at, attempt } = fails(busy)
      const effect: Effect.Effect<never, Fault, Config> = Retry.retry(attempt, { schedule, maxAttempts: 3 })
      yield* observed(Effect.provideService(effect, Config, 25))
      deepStrictEqual(at, [0, 25, 50])
    }))
})

describe("Retry, defects and interruption", () => {
  const never = <A, E>(name: string, exit: Exit.Exit<A, E>) =>
    it.effect(`${name} is not retried, and comes out as it went in`, () =>
      Effect.gen(function*() {
        for (const classifier of [Classifier.errors, Classifier.anyError]) {
          const { at, attempt } = play(exit)
          const options = { classifier, schedule: constant(1) }
          deepStrictEqual<unknown>((yield* observed(Retry.retry(attempt, options))).exit, exit)
          deepStrictEqual<unknown>((yield* observed(Retry.retryOrFail(attempt, options))).exit, exit)
          assert.strictEqual(at.length, 2)
        }
      }))

  never("a defect", Exit.die(new Error("bug")))
  never("a defect that is a connection error", Exit.die(Object.assign(new Error("reset"), { code: "ECONNRESET" })))
  never("a defect that carries a failure", Exit.die(busy))
  never("a defect for a bad header", Exit.die(Object.assign(new TypeError("bad"), { code: "ERR_INVALID_CHAR" })))
  never("a defect beside a failure", Exit.failCause(Cause.parallel(Cause.fail(busy), Cause.die("bug"))))
  never("a defect after a failure", Exit.failCause(Cause.sequential(Cause.fail(busy), Cause.die("bug"))))
  never("an interruption", Exit.interrupt(FiberId.none))

  it.effect("they are not retried whatever a classifier makes of them", () =>
    Effect.gen(function*() {
      const everything = Classifier.make("everything", () => Option.some(Outcome.failed(Failure.unavailable())))
      for (const exit of [Exit.die("bug"), Exit.interrupt(FiberId.none)]) {
        const { at, attempt } = play(exit)
        const result = yield* observed(Retry.retry(attempt, { classifier: everything, schedule: constant(1) }))
        deepStrictEqual(result.exit, exit)
        assert.strictEqual(at.length, 1)
      }
    }))

  it.effect("a failure beside an interruption is retried", () =>
    Effect.gen(function*() {
      const { at, attempt } = play(Exit.failCause(Cause.parallel(Cause.fail(busy), Cause.interrupt(FiberId.none))), Exit.succeed(1))
      const { exit } = yield* observed(Retry.retry(attempt, { schedule: constant(1) }))
      deepStrictEqual(exit, Exit.succeed(1))
      assert.strictEqual(at.length, 2)
    }))

  it.effect("a defect after two failures ends the call", () =>
    Effect.gen(function*() {
      const { at, attempt } = play(Exit.fail(busy), Exit.fail(busy), Exit.die("bug"))
      const { events, exit } = yield* observed(Retry.retry(attempt, { schedule: constant(1) }))
      deepStrictEqual(exit, Exit.die("bug"))
      assert.strictEqual(at.length, 3)
      deepStrictEqual(endOf(events).end, { _tag: "Died" })
    }))

  it.effect("an interruption during the wait returns at once", () =>
    Effect.gen(function*() {
      const { at, attempt } = fails(busy)
      const events: Array<Event> = []
      const fiber = yield* Effect.fork(
        Retry.retry(attempt, { schedule: constant("1 minute") }).pipe(Observer.observe(Observer.sync((event) => void events.push(event))))
      )
      yield* TestClock.adjust("10 seconds")
      const exit = yield* Fiber.interrupt(fiber)
      assert.isTrue(Exit.isInterrupted(exit))
      assert.strictEqual(yield* Clock.currentTimeMillis, 10_000)
      yield* TestClock.adjust("1 hour")
      deepStrictEqual(at, [0])
      assert.deepInclude(endOf(events), { at: 10_000, attempts: 1, waited: 60_000, end: { _tag: "Interrupted" } })
    }))

  it.effect("an interruption during an attempt returns when the attempt has let go", () =>
    Effect.gen(function*() {
      const events: Array<Event> = []
      const released: Array<number> = []
      const attempt = Effect.never.pipe(Effect.onInterrupt(() =>
        Effect.zipRight(Effect.sleep("3 seconds"), Effect.map(Clock.currentTimeMillis, (now) => released.push(now)))
      ))
      const fiber = yield* Effect.fork(
        Retry.retry(attempt, {}).pipe(Observer.observe(Observer.sync((event) => void events.push(event))))
      )
      yield* TestClock.adjust("1 second")
      const interrupting = yield* Effect.fork(Fiber.interrupt(fiber))
      yield* TestClock.adjust("10 seconds")
      assert.isTrue(Exit.isInterrupted(yield* Fiber.join(interrupting)))
      deepStrictEqual(released, [4000])
      deepStrictEqual(events.map((event) => event._tag), ["CallStarted", "AttemptStarted", "CallEnded"])
      assert.deepInclude(endOf(events), { attempts: 1, waited: 0, end: { _tag: "Interrupted" } })
    }))
})

describe("Retry and deadlines", () => {
  /** One failure, and a wait of a second, with so much time. */
  const givenTime = (left: Duration.DurationInput) =>
    Effect.gen(function*() {
      const { at, attempt } = fails(busy)
      const { events, exit } = yield* observed(
        Retry.retry(attempt, { schedule: constant("1 second"), maxAttempts: 2 }).pipe(Deadline.within(left))
      )
      return { at, exit, end: endOf(events) }
    })

  it.effect("a wait that ends 1 ms before the deadline is begun", () =>
    Effect.gen(function*() {
      const { at, exit } = yield* givenTime("1001 millis")
      deepStrictEqual(at, [0, 1000])
      deepStrictEqual(exit, Exit.fail(busy))
    }))

  for (const left of [1000, 999, 1]) {
    it.effect(`a wait of 1000 ms is not begun with ${left} ms left: the error comes back at once`, () =>
      Effect.gen(function*() {
        const { at, end, exit } = yield* givenTime(left)
        deepStrictEqual(at, [0])
        deepStrictEqual(exit, Exit.fail(busy))
        assert.strictEqual(end.at, 0)
        deepStrictEqual(end.end, {
          _tag: "GaveUp",
          because: "DeadlineTooClose",
          failure: Failure.unavailable({ status: 503 }),
          wait: Option.some(1000)
        })
      }))
  }

  it.effect("the time of the attempts counts", () =>
    Effect.gen(function*() {
      const { at, attempt } = fails(busy)
      const slow = Effect.zipRight(Effect.sleep("3 seconds"), attempt)
      const { exit } = yield* observed(Retry.retry(slow, { schedule: constant("1 second") }).pipe(Deadline.within("10 seconds")))
      // Failures at 3 and 7 s; the attempt that begins at 8 is cut at 10.
      deepStrictEqual(at, [3000, 7000])
      assert(Exit.isFailure(exit) && Cause.isFailType(exit.cause))
      assert.instanceOf(exit.cause.error, Deadline.DeadlineExceeded)
    }))

  it.effect("an inner deadline is respected by an outer loop only where it surrounds it", () =>
    Effect.gen(function*() {
      const { at, attempt } = fails(busy)
      yield* observed(Retry.retry(Deadline.within(attempt, "1 second"), { schedule: constant("1 minute"), maxAttempts: 2 }))
      deepStrictEqual(at, [0, 60_000])
    }))

  it.effect("a deadline that has passed in an attempt is not retried", () =>
    Effect.gen(function*() {
      let runs = 0
      const attempt = Effect.zipRight(Effect.sync(() => runs++), Effect.never).pipe(Deadline.within("1 second"))
      const { exit } = yield* observed(Retry.retry(attempt, { schedule: constant(1) }))
      assert(Exit.isFailure(exit) && Cause.isFailType(exit.cause))
      assert.strictEqual(exit.cause.error._tag, "DeadlineExceeded")
      assert.strictEqual(runs, 1)
    }))
})

describe("Retry and server hints", () => {
  it.effect("waits for the hint and not a millisecond less", () =>
    Effect.gen(function*() {
      const { at, attempt } = play(Exit.fail(asking("7 seconds")), Exit.succeed(1))
      const fiber = yield* Effect.fork(Retry.retry(attempt, { schedule: constant(100) }))
      yield* TestClock.adjust("6999 millis")
      deepStrictEqual(at, [0])
      yield* TestClock.adjust("1 millis")
      deepStrictEqual(at, [0, 7000])
      yield* Fiber.join(fiber)
    }))

  it.effect("gives up at once on 120 s, with the error in hand", () =>
    Effect.gen(function*() {
      const error = asking("120 seconds")
      const { at, attempt } = fails(error)
      const { events, exit } = yield* observed(Retry.retry(attempt, { schedule: constant(100) }))
      deepStrictEqual(at, [0])
      assert(Exit.isFailure(exit) && Cause.isFailType(exit.cause))
      assert.strictEqual(exit.cause.error, error)
      assert.strictEqual(endOf(events).at, 0)
      deepStrictEqual(endOf(events).end, {
        _tag: "GaveUp",
        because: "RetryAfterTooLong",
        failure: error[Failure.key],
        wait: Option.some(120_000)
      })
    }))

  it.effect("waits 120 s where it is willing to", () =>
    Effect.gen(function*() {
      const { at, attempt } = play(Exit.fail(asking("120 seconds")), Exit.succeed(1))
      yield* observed(Retry.retry(attempt, { schedule: constant(100).pipe(RetrySchedule.honourRetryAfter({ atMost: "2 minutes" })) }))
      deepStrictEqual(at, [0, 120_000])
    }))

  it.effect("a hint of 0 for ever does not storm", () =>
    Effect.gen(function*() {
      const { at, attempt } = fails(asking(0))
      yield* observed(Retry.retry(attempt, { schedule: doubling, maxAttempts: 5 }))
      deepStrictEqual(at, [0, 100, 300, 700, 1500])
    }))
})

describe("Retry.retryOrFail", () => {
  it.effect("fails with the record of every attempt", () =>
    Effect.gen(function*() {
      const { attempt } = fails(busy, reset, busy)
      const slow = Effect.zipRight(Effect.sleep("41 millis"), attempt)
      const { exit } = yield* observed(Retry.retryOrFail(slow, { schedule: doubling, maxAttempts: 3 }))
      assert(Exit.isFailure(exit) && Cause.isFailType(exit.cause))
      const { error } = exit.cause
      assert(error instanceof Retry.RetriesExhausted)
      assert.strictEqual(error._tag, "RetriesExhausted")
      assert.strictEqual(error.because, "AttemptsExhausted")
      assert.strictEqual(error.cause, busy)
      deepStrictEqual(error.attempts, [
        { number: 1, startedAt: 0, endedAt: 41, failure: busy[Failure.key] },
        { number: 2, startedAt: 141, endedAt: 182, failure: reset[Failure.key] },
        { number: 3, startedAt: 382, endedAt: 423, failure: busy[Failure.key] }
      ])
      assert.strictEqual(
        error.message,
        "gave up after 3 attempts (AttemptsExhausted): #1 503 after 41ms, #2 ECONNRESET after 41ms, #3 503 after 41ms"
      )
    }))

  it.effect("says one attempt in the singular", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Retry.retryOrFail(fails(busy).attempt, { maxAttempts: 1 }))
      assert.strictEqual(error.message, "gave up after 1 attempt (AttemptsExhausted): #1 503 after 0ms")
    }))

  const reasons: ReadonlyArray<readonly [string, Effect.Effect<unknown, unknown>]> = [
    ["AttemptsExhausted", Retry.retryOrFail(fails(busy).attempt, { schedule: constant(1) })],
    ["ScheduleExhausted", Retry.retryOrFail(fails(busy).attempt, { schedule: RetrySchedule.none })],
    ["ScheduleExhausted", Retry.retryOrFail(fails(busy).attempt, { schedule: Schedule.recurs(2) })],
    ["TimeExhausted", Retry.retryOrFail(fails(busy).attempt, { schedule: constant("2 seconds").pipe(RetrySchedule.during("3 seconds")) })],
    ["RetryAfterTooLong", Retry.retryOrFail(fails(asking("2 minutes")).attempt, {})],
    ["DeadlineTooClose", Retry.retryOrFail(fails(busy).attempt, { schedule: constant("2 seconds") }).pipe(Deadline.within("1 second"))]
  ]
  for (const [because, effect] of reasons) {
    it.effect(`says why: ${because}`, () =>
      Effect.gen(function*() {
        const { exit } = yield* observed(effect)
        assert(Exit.isFailure(exit) && Cause.isFailType(exit.cause))
        const { error } = exit.cause
        assert(error instanceof Retry.RetriesExhausted)
        assert.strictEqual(error.because, because)
      }))
  }

  it.effect("fails where the last attempt gave a value that is a failure to the classifier", () =>
    Effect.gen(function*() {
      const { attempt } = play(Exit.succeed({ status: 503, headers: {} }))
      const { exit } = yield* observed(Retry.retryOrFail(attempt, { classifier: Classifier.http, schedule: constant(1), maxAttempts: 2 }))
      assert(Exit.isFailure(exit) && Cause.isFailType(exit.cause))
      const { error } = exit.cause
      assert(error instanceof Retry.RetriesExhausted)
      assert.strictEqual(error.attempts.length, 2)
      assert.isUndefined(error.cause)
    }))

  it.effect("gives back a terminal failure as it came, also after others", () =>
    Effect.gen(function*() {
      for (const script of [[missing], [busy, busy, missing], [early, early]]) {
        const { at, attempt } = fails(...script)
        const { exit } = yield* observed(Retry.retryOrFail(attempt, { schedule: constant(1) }))
        assert(Exit.isFailure(exit) && Cause.isFailType(exit.cause))
        assert.strictEqual(exit.cause.error, script.at(-1))
        assert.strictEqual(at.length, script.length)
      }
    }))

  it.effect("gives back success and unknown errors as they came", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* Retry.retryOrFail(Effect.succeed(1), {}), 1)
      assert.strictEqual(yield* Effect.flip(Retry.retryOrFail(Effect.fail("mine"), {})), "mine")
    }))

  it.effect("what it has given up on is not retried by an outer retry", () =>
    Effect.gen(function*() {
      const { at, attempt } = fails(busy)
      const inner = Retry.retryOrFail(attempt, { schedule: constant(1), maxAttempts: 3 })
      const { exit } = yield* observed(Retry.retry(inner, { schedule: constant(1), maxAttempts: 3 }))
      assert(Exit.isFailure(exit) && Cause.isFailType(exit.cause))
      assert.instanceOf(exit.cause.error, Retry.RetriesExhausted)
      assert.strictEqual(at.length, 3)
    }))

  it.effect("nor in the form in which the platform's error has it for a cause", () =>
    Effect.gen(function*() {
      const { at, attempt } = fails(busy)
      const inner = Retry.retryOrFail(attempt, { schedule: constant(1), maxAttempts: 3 }).pipe(
        Effect.mapError((cause) => new Error("folded", { cause }))
      )
      yield* observed(Retry.retry(inner, { schedule: constant(1), maxAttempts: 3 }))
      assert.strictEqual(at.length, 3)
    }))
})

describe("Retry, options", () => {
  for (const maxAttempts of [0, -1, 1.5, NaN, Infinity, -Infinity, 1e21, 2 ** 53, "3" as never, null as never]) {
    it(`refuses maxAttempts ${String(maxAttempts)} at construction`, () => {
      for (const make of [
        () => Retry.retry(Effect.void, { maxAttempts }),
        () => Effect.void.pipe(Retry.retry({ maxAttempts })),
        () => Retry.retryOrFail(Effect.void, { maxAttempts }),
        () => Effect.void.pipe(Retry.retryOrFail({ maxAttempts }))
      ]) {
        // `??` takes null for absent; everything else must be named.
        if (maxAttempts === null) make()
        else expect(make).toThrow(/Retry: maxAttempts must be an integer >= 1, got/)
      }
    })
  }

  it("names the number in the message", () => {
    expect(() => Retry.retry(Effect.void, { maxAttempts: 0 })).toThrow("Retry: maxAttempts must be an integer >= 1, got 0")
    expect(() => Retry.retry(Effect.void, { maxAttempts: NaN })).toThrow("Retry: maxAttempts must be an integer >= 1, got NaN")
  })
})

describe("Retry, events", () => {
  it.effect("a success after two failures, in full", () =>
    Effect.gen(function*() {
      const slow = <A>(exit: Exit.Exit<A, Fault>) => Effect.zipRight(Effect.sleep("40 millis"), exit)
      let runs = 0
      const script = [slow(Exit.fail(busy)), slow(Exit.fail(asking("1 second"))), slow(Exit.succeed("done"))]
      const { events } = yield* observed(Retry.retry(Effect.suspend(() => script[runs++]!), { schedule: doubling, name: "users" }))
      const call = events[0]!.call
      assert.strictEqual(call.name, "users")
      const throttled = asking("1 second")[Failure.key]
      deepStrictEqual(events, [
        { _tag: "CallStarted", call, at: 0 },
        { _tag: "AttemptStarted", call, at: 0, attempt: 1 },
        { _tag: "AttemptEnded", call, at: 40, attempt: 1, outcome: Outcome.failed(busy[Failure.key]) },
        { _tag: "WaitStarted", call, at: 40, attempt: 1, delay: 100, because: "Backoff", failure: busy[Failure.key] },
        { _tag: "AttemptStarted", call, at: 140, attempt: 2 },
        { _tag: "AttemptEnded", call, at: 180, attempt: 2, outcome: Outcome.failed(throttled) },
        { _tag: "WaitStarted", call, at: 180, attempt: 2, delay: 1000, because: "RetryAfter", failure: throttled },
        { _tag: "AttemptStarted", call, at: 1180, attempt: 3 },
        { _tag: "AttemptEnded", call, at: 1220, attempt: 3, outcome: Outcome.success },
        { _tag: "CallEnded", call, at: 1220, attempts: 3, waited: 1100, end: { _tag: "Succeeded" } }
      ])
    }))

  it.effect("two calls have two ids, and the default name", () =>
    Effect.gen(function*() {
      const one = yield* observed(Retry.retry(Effect.void, {}), 0)
      const other = yield* observed(Retry.retry(Effect.void, {}), 0)
      assert.strictEqual(one.events[0]!.call.name, "retry")
      assert.notStrictEqual(one.events[0]!.call.id, other.events[0]!.call.id)
    }))

  it.effect("a typed error that a classifier ignores ends the call as ignored", () =>
    Effect.gen(function*() {
      const classifier = Classifier.make("ignore", () => Option.some(Outcome.ignored))
      const { events, exit } = yield* observed(Retry.retry(fails(busy).attempt, { classifier }))
      deepStrictEqual(exit, Exit.fail(busy))
      deepStrictEqual(endOf(events).end, { _tag: "Ignored" })
    }))

  it.effect("a call that fails has not succeeded, though its classifier calls the error a success", () =>
    Effect.gen(function*() {
      const classifier = Classifier.make("fine", () => Option.some(Outcome.success))
      const { events, exit } = yield* observed(Retry.retry(fails(busy).attempt, { classifier }))
      deepStrictEqual(exit, Exit.fail(busy))
      deepStrictEqual(endOf(events).end, { _tag: "Ignored" })
    }))

  it.effect("a call that is interrupted while a listener hears of its success was interrupted", () =>
    Effect.gen(function*() {
      const ends: Array<Event> = []
      const slow = Observer.make((event) => {
        if (event._tag === "CallEnded") ends.push(event)
        return event._tag === "AttemptEnded" ? Effect.never : Effect.void
      })
      const fiber = yield* Effect.fork(Retry.retry(Effect.void, {}).pipe(Observer.observe(slow)))
      yield* TestClock.adjust(1)
      assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(fiber)))
      deepStrictEqual(endOf(ends).end, { _tag: "Interrupted" })
    }))

  it.effect("a classifier that throws is a defect, and ends the call as such", () =>
    Effect.gen(function*() {
      const bug = new Error("classifier")
      const classifier = Classifier.make("broken", () => {
        throw bug
      })
      const { events, exit } = yield* observed(Retry.retry(fails(busy).attempt, { classifier }))
      deepStrictEqual(exit, Exit.die(bug))
      deepStrictEqual(endOf(events).end, { _tag: "Died" })
    }))

  it.effect("a schedule that dies is a defect, and ends the call as such", () =>
    Effect.gen(function*() {
      const schedule = Schedule.delayedEffect(Schedule.forever, () => Effect.die("schedule"))
      const { events, exit } = yield* observed(Retry.retry(fails(busy).attempt, { schedule }))
      deepStrictEqual(exit, Exit.die("schedule"))
      deepStrictEqual(endOf(events).end, { _tag: "Died" })
    }))

  it.effect("work that throws before it is an effect ends the call it began", () =>
    Effect.gen(function*() {
      const bug = new Error("handler")
      const plan: Loop.Plan<unknown, unknown, never> = Retry.plan(Classifier.errors, {})
      const work: Loop.Work<string, unknown, unknown, never> = {
        attempt: () => {
          throw bug
        },
        repeatable: () => ({ idempotent: true, replayable: true }),
        spend: () => Effect.void
      }
      const { events, exit } = yield* observed(Effect.suspend(() => Loop.run<string, unknown, unknown, never, never, never>(plan, work, "subject", Loop.returnLast)))
      deepStrictEqual(exit, Exit.die(bug))
      deepStrictEqual(endOf(events).end, { _tag: "Died" })
    }))
})

describe("Retry, listeners", () => {
  const listeners: ReadonlyArray<readonly [string, Observer.Listener]> = [
    ["throws", Observer.sync(() => {
      throw new Error("listener")
    })],
    ["dies", Observer.make(() => Effect.die("listener"))],
    ["dies later", Observer.make(() => Effect.zipRight(Effect.yieldNow(), Effect.die("listener")))],
    ["interrupts itself", Observer.make(() => Effect.interrupt)],
    ["is slow", Observer.make(() => Effect.sleep("1 millis"))]
  ]
  for (const [name, listener] of listeners) {
    it.effect(`a listener that ${name} changes nothing`, () =>
      Effect.gen(function*() {
        const success = play(Exit.fail(busy), Exit.fail(reset), Exit.succeed("done"))
        const one = yield* observed(Retry.retry(success.attempt, { schedule: doubling }).pipe(Observer.observe(listener)))
        deepStrictEqual(one.exit, Exit.succeed("done"))
        assert.strictEqual(success.at.length, 3)
        assert.strictEqual(one.events.filter((event) => event._tag === "CallEnded").length, 1)
        const failure = fails(busy)
        const other = yield* observed(
          Retry.retry(failure.attempt, { schedule: doubling, maxAttempts: 2 }).pipe(Observer.observe(listener))
        )
        deepStrictEqual(other.exit, Exit.fail(busy))
        assert.strictEqual(failure.at.length, 2)
      }))
  }

  it.effect("a listener that hangs in the middle of a call does not keep it from being interrupted", () =>
    Effect.gen(function*() {
      for (const tag of ["AttemptStarted", "AttemptEnded", "WaitStarted"]) {
        const hung = yield* Deferred.make<void>()
        const ends: Array<Event> = []
        const hanging = Observer.make((event) => {
          if (event._tag === "CallEnded") ends.push(event)
          return event._tag === tag ? Effect.zipRight(Deferred.succeed(hung, undefined), Effect.never) : Effect.void
        })
        const fiber = yield* Effect.fork(Retry.retry(fails(busy).attempt, {}).pipe(Observer.observe(hanging)))
        yield* Deferred.await(hung)
        assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(fiber)), tag)
        deepStrictEqual(endOf(ends).end, { _tag: "Interrupted" }, tag)
      }
    }))
})

describe("Retry.CurrentAttempt", () => {
  const seeing = (numbers: Array<number>) => Effect.map(Retry.CurrentAttempt, ({ number }) => void numbers.push(number))

  it.effect("counts the attempts from 1", () =>
    Effect.gen(function*() {
      const numbers: Array<number> = []
      const { attempt } = fails(busy)
      yield* observed(Retry.retry(Effect.zipRight(seeing(numbers), attempt), { schedule: constant(1), maxAttempts: 4 }))
      deepStrictEqual(numbers, [1, 2, 3, 4])
    }))

  it.effect("is 1 outside, before and after", () =>
    Effect.gen(function*() {
      const numbers: Array<number> = []
      yield* seeing(numbers)
      yield* observed(Effect.ensuring(Retry.retry(fails(busy).attempt, { schedule: constant(1) }), seeing(numbers)))
      yield* seeing(numbers)
      deepStrictEqual(numbers, [1, 1, 1])
    }))

  it.effect("the first attempt of a call inside a resend is a first attempt", () =>
    Effect.gen(function*() {
      const numbers: Array<number> = []
      const inner = Effect.zipRight(seeing(numbers), fails(busy).attempt)
      const outer = Retry.retry(inner, { schedule: constant(1), maxAttempts: 2 })
      yield* observed(Retry.retry(outer, { schedule: constant(1), maxAttempts: 3, givenUp: "recklessly" }))
      deepStrictEqual(numbers, [1, 2, 1, 2, 1, 2])
    }))

  it.effect("names what is attempted, by identity", () =>
    Effect.gen(function*() {
      const subjects: Array<unknown> = []
      const attempt: Effect.Effect<never, Fault> = Effect.zipRight(
        Effect.map(Retry.CurrentAttempt, ({ subject }) => void subjects.push(subject)),
        fails(busy).attempt
      )
      yield* observed(Retry.retry(attempt, { schedule: constant(1), maxAttempts: 2 }))
      assert.strictEqual(subjects[1], attempt)
    }))
})

describe("Retry, size", () => {
  it("100 000 attempts without a wait neither grow the stack nor take long", () => {
    let runs = 0
    const attempt = Effect.suspend(() => ++runs < 100_000 ? Effect.fail(busy) : Effect.succeed("done"))
    const before = process.cpuUsage()
    const effect = Retry.retry(attempt, { schedule: constant(0), maxAttempts: 100_000 })
    assert.strictEqual(Effect.runSync(Effect.withClock(effect, instantClock())), "done")
    assert.strictEqual(runs, 100_000)
    // The time that this process works. Quadratic, it was a minute.
    assert.isBelow(process.cpuUsage(before).user / 1000, 5000)
  })

  it("100 000 attempts on a listener do not either", () => {
    let [runs, events] = [0, 0]
    const attempt = Effect.suspend(() => ++runs < 100_000 ? Effect.fail(busy) : Effect.succeed("done"))
    const effect = Retry.retry(attempt, { schedule: constant(0), maxAttempts: 100_000 }).pipe(
      Observer.observe(Observer.sync(() => void events++))
    )
    assert.strictEqual(Effect.runSync(Effect.withClock(effect, instantClock())), "done")
    assert.strictEqual(events, 2 + 3 * 100_000 - 1)
  })

  it("a clock that jumps back breaks nothing", () => {
    const clock = instantClock()
    clock.now = 1_000_000
    let runs = 0
    const attempt = Effect.suspend(() => {
      runs++
      clock.now -= 60_000
      return Effect.fail(busy)
    })
    const error = Effect.runSync(
      Retry.retryOrFail(attempt, { schedule: constant(10).pipe(RetrySchedule.during("1 minute")), maxAttempts: 4 }).pipe(
        Effect.flip,
        Effect.withClock(clock)
      )
    )
    assert.strictEqual(runs, 4)
    assert(error instanceof Retry.RetriesExhausted)
    assert.notInclude(error.message, "-")
  })
})
