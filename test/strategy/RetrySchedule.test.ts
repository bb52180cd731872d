import { it as effectIt } from "@effect/vitest"
import { deepStrictEqual, notDeepStrictEqual } from "@effect/vitest/utils"
import { Array as Arr, Clock, Duration, Effect, Option, Random, Schedule, ScheduleDecision, ScheduleInterval, TestClock } from "effect"
import { assert, describe, it } from "vitest"
import * as Backoff from "../../src/core/Backoff.ts"
import * as Classifier from "../../src/core/Classifier.ts"
import * as Decision from "../../src/core/Decision.ts"
import * as Failure from "../../src/core/Failure.ts"
import { InvalidOption } from "../../src/core/InvalidOption.ts"
import * as Outcome from "../../src/core/Outcome.ts"
import * as Retry from "../../src/strategy/Retry.ts"
import * as RetrySchedule from "../../src/strategy/RetrySchedule.ts"

const busy = Failure.unavailable({ status: 503 })
const timedOut = Failure.attemptTimedOut()
const throttled = Failure.throttled({ status: 429 })
const refused = Failure.connectFailure("tcp", "ECONNREFUSED")
const asking = (retryAfter: number) => Failure.throttled({ status: 429, retryAfter: Option.some(retryAfter) })

/** Steps a schedule by hand, as the loop does: each failure comes so long after the wait before it, in virtual time. */
const proposals = (
  schedule: RetrySchedule.RetrySchedule,
  failures: ReadonlyArray<Failure.Failure>,
  { attempt = 0, seed = "seed" }: { readonly attempt?: number; readonly seed?: string } = {}
): ReadonlyArray<Decision.Proposal> =>
  Effect.gen(function*() {
    const all: Array<Decision.Proposal> = []
    let now = 1_700_000_000_000
    let state: unknown = schedule.initial
    for (const failure of failures) {
      now += attempt
      const [next, output, decision] = yield* schedule.step(now, failure, state)
      const proposal = RetrySchedule.proposal(output, decision, now)
      all.push(proposal)
      if (proposal._tag === "Stop") break
      state = next
      now += proposal.delay
    }
    return all
  }).pipe(Effect.withRandom(Random.make(seed)), Effect.runSync)

/** The delays, or the reason of the end. */
const delays = (...args: Parameters<typeof proposals>): ReadonlyArray<number | Decision.GiveUpReason> =>
  proposals(...args).map((proposal) => proposal._tag === "Proceed" ? proposal.delay : proposal.because)

/** What the loop makes of a schedule's first proposal. */
const settled = (schedule: RetrySchedule.RetrySchedule, failure: Failure.Failure) =>
  Decision.settle(
    { attempt: 1, maxAttempts: 3, earlier: [], request: { idempotent: true, replayable: true }, deadline: Option.none() },
    failure,
    proposals(schedule, [failure])[0]!,
    1_700_000_000_000
  )

/** What a constructor that is given nonsense must throw. */
const refusal = (construct: () => unknown, where: string, option: string, value: unknown): void => {
  try {
    construct()
  } catch (error) {
    assert(error instanceof InvalidOption)
    deepStrictEqual([error.where, error.option, error.value], [where, option, value])
    return
  }
  assert.fail(`${where}: ${option} ${String(value)} passed`)
}

const constant = (delay: Duration.DurationInput) => RetrySchedule.fromBackoff(Backoff.constant(delay))
const times = (n: number, failure: Failure.Failure = busy) => Arr.replicate(failure, n)

describe("RetrySchedule.fromBackoff", () => {
  it("proposes the delays of the backoff", () => {
    const backoff = Backoff.exponential("100 millis").pipe(Backoff.capped("1 second"))
    deepStrictEqual(delays(RetrySchedule.fromBackoff(backoff), times(6)), [100, 200, 400, 800, 1000, 1000])
  })

  it("gives a decorrelated backoff the delay before", () => {
    const schedule = RetrySchedule.fromBackoff(Backoff.decorrelated("100 millis").pipe(Backoff.capped("5 seconds")))
    const got = delays(schedule, times(50)) as ReadonlyArray<number>
    got.forEach((delay, i) => {
      assert.isAtLeast(delay, 100)
      assert.isAtMost(delay, Math.min(5000, 3 * (i === 0 ? 100 : got[i - 1]!)))
    })
    assert.isAbove(Math.max(...got), 1000)
  })

  it("draws from Random: one seed, one sequence", () => {
    const schedule = RetrySchedule.fromBackoff(Backoff.constant("1 second").pipe(Backoff.fullJitter))
    const once = delays(schedule, times(20), { seed: "a" })
    deepStrictEqual(delays(schedule, times(20), { seed: "a" }), once)
    notDeepStrictEqual(delays(schedule, times(20), { seed: "b" }), once)
    assert.isAbove(new Set(once).size, 15)
  })

  it("makes of a seed exactly what the backoff makes of its draws", () => {
    const backoff = Backoff.exponential("100 millis").pipe(Backoff.equalJitter)
    const draws = Effect.runSync(
      Effect.withRandom(Effect.all(Array.from({ length: 5 }, () => Random.next)), Random.make("seed"))
    )
    deepStrictEqual(
      delays(RetrySchedule.fromBackoff(backoff), times(5)),
      draws.map((draw, index) => Backoff.delay(backoff, { index, draw }))
    )
  })

  it("never ends by itself", () => {
    deepStrictEqual(delays(constant(5), times(1000)), Arr.replicate(5, 1000))
  })

  it("says that its delays are our own backoff", () => {
    deepStrictEqual(proposals(constant(5), times(1)), [Decision.proceed(5, "Backoff", "open")])
  })
})

describe("RetrySchedule.none", () => {
  it("proposes nothing", () => {
    deepStrictEqual(proposals(RetrySchedule.none, times(3)), [Decision.stop("ScheduleExhausted")])
  })
})

describe("RetrySchedule.maxAttempts", () => {
  it.each([1, 2, 3, 10])("%i attempts are one resend fewer", (n) => {
    const expected = [...Arr.replicate(5, 10).slice(0, n - 1), "AttemptsExhausted" as const]
    deepStrictEqual(delays(constant(5).pipe(RetrySchedule.maxAttempts(n)), times(20)), expected)
    deepStrictEqual(delays(RetrySchedule.maxAttempts(constant(5), n), times(20)), expected)
  })

  it("of two limits the smaller one holds", () => {
    for (const [a, b] of [[2, 5], [5, 2]] as const) {
      const schedule = constant(5).pipe(RetrySchedule.maxAttempts(a), RetrySchedule.maxAttempts(b))
      deepStrictEqual(delays(schedule, times(20)), [5, "AttemptsExhausted"])
    }
  })

  it("limits a schedule of Effect", () => {
    deepStrictEqual(delays(RetrySchedule.maxAttempts(Schedule.spaced("1 second"), 2), times(3)), [1000, "AttemptsExhausted"])
  })

  it.each([0, -1, 1.5, NaN, Infinity, 2 ** 53, "3" as never, null as never])("refuses %s at construction", (n) => {
    refusal(() => RetrySchedule.maxAttempts(constant(5), n), "RetrySchedule.maxAttempts", "maxAttempts", n)
    refusal(() => constant(5).pipe(RetrySchedule.maxAttempts(n)), "RetrySchedule.maxAttempts", "maxAttempts", n)
  })

  it("names the option and the value", () => {
    assert.throws(
      () => RetrySchedule.maxAttempts(constant(5), 0),
      "RetrySchedule.maxAttempts: maxAttempts must be an integer >= 1, got 0"
    )
  })
})

describe("RetrySchedule.during", () => {
  it.each([
    ["59.999 s", "59999 millis", [1000, "TimeExhausted"]],
    ["60 s", "60 seconds", [1000, 59_000, "TimeExhausted"]],
    ["60.001 s", "60001 millis", [1000, 59_000, "TimeExhausted"]]
  ] as const)("begins a wait that ends 60 s after the first failure, where %s are allowed: %s", (_, limit, expected) => {
    const schedule = RetrySchedule.byFailure({ Throttled: constant("59 seconds") }, constant("1 second"))
    deepStrictEqual(delays(RetrySchedule.during(schedule, limit), [busy, throttled, busy]), expected)
    deepStrictEqual(delays(schedule.pipe(RetrySchedule.during(limit)), [busy, throttled, busy]), expected)
  })

  it("counts the time of the attempts after the first", () => {
    const schedule = constant("1 second").pipe(RetrySchedule.during("10 seconds"))
    // Failures at 0, 4 and 8 s: the third wait would end at 9 s, the fourth at 13 s.
    deepStrictEqual(delays(schedule, times(9), { attempt: 3000 }), [1000, 1000, 1000, "TimeExhausted"])
  })

  it("allows no wait in no time, and one of 0", () => {
    deepStrictEqual(delays(constant(1).pipe(RetrySchedule.during(0)), times(2)), ["TimeExhausted"])
    deepStrictEqual(delays(constant(0).pipe(RetrySchedule.during(0)), times(2)), [0, 0])
  })

  it("says which wait it did not begin", () => {
    deepStrictEqual(proposals(constant("2 seconds").pipe(RetrySchedule.during("1 second")), times(1)), [
      Decision.stop("TimeExhausted", Option.some(2000))
    ])
  })

  it("keeps its word where a hint lengthens the wait", () => {
    const schedule = constant("100 millis").pipe(RetrySchedule.during("10 seconds"))
    deepStrictEqual(settled(schedule, asking(10_000)), Decision.resend(10_000, "RetryAfter"))
    deepStrictEqual(settled(schedule, asking(10_001)), Decision.giveUp("TimeExhausted", Option.some(10_001)))
    const honouring = schedule.pipe(RetrySchedule.honourRetryAfter())
    deepStrictEqual(delays(honouring, [asking(10_000)]), [10_000])
    deepStrictEqual(delays(honouring, [asking(10_001)]), ["TimeExhausted"])
  })

  it("keeps its word where another schedule of Effect lengthens the wait", () => {
    const schedule = constant("6 seconds").pipe(RetrySchedule.during("10 seconds"))
    deepStrictEqual(
      settled(Schedule.modifyDelay(schedule, (_, delay) => Duration.times(delay, 2)), busy),
      Decision.giveUp("TimeExhausted", Option.some(12_000))
    )
    deepStrictEqual(
      settled(Schedule.intersect(schedule, Schedule.spaced("11 seconds")), busy),
      Decision.giveUp("TimeExhausted", Option.some(11_000))
    )
  })

  it("of two limits the smaller one holds", () => {
    for (const [a, b] of [["10 seconds", "1 minute"], ["1 minute", "10 seconds"]] as const) {
      const schedule = constant("1 second").pipe(RetrySchedule.during(a), RetrySchedule.during(b))
      deepStrictEqual(settled(schedule, asking(20_000)), Decision.giveUp("TimeExhausted", Option.some(20_000)))
    }
  })

  it.each([-1, NaN, "-1 second" as const, Infinity, Duration.infinity, "soon" as never])("refuses %s at construction", (limit) => {
    refusal(() => RetrySchedule.during(constant(5), limit), "RetrySchedule.during", "limit", limit)
  })
})

describe("RetrySchedule.honourRetryAfter", () => {
  it("waits for the longer of hint and backoff", () => {
    const schedule = constant(100).pipe(RetrySchedule.honourRetryAfter())
    deepStrictEqual(delays(schedule, [asking(99), asking(100), asking(101), asking(0), busy]), [100, 100, 101, 100, 100])
  })

  it("gives up beyond 60 s unless told otherwise", () => {
    const schedule = constant(100).pipe(RetrySchedule.honourRetryAfter())
    deepStrictEqual(delays(schedule, [asking(60_000), asking(60_001)]), [60_000, "RetryAfterTooLong"])
  })

  it.each([
    ["data-last", (self: RetrySchedule.RetrySchedule) => self.pipe(RetrySchedule.honourRetryAfter({ atMost: "2 minutes" }))],
    ["data-first", (self: RetrySchedule.RetrySchedule) => RetrySchedule.honourRetryAfter(self, { atMost: "2 minutes" })]
  ])("%s: gives up beyond what it is told", (_, honouring) => {
    deepStrictEqual(delays(honouring(constant(100)), [asking(120_000), asking(120_001)]), [120_000, "RetryAfterTooLong"])
  })

  it("data-first without options has the default", () => {
    deepStrictEqual(delays(RetrySchedule.honourRetryAfter(constant(100)), [asking(60_001)]), ["RetryAfterTooLong"])
  })

  it("says which hint was too long", () => {
    deepStrictEqual(proposals(RetrySchedule.honourRetryAfter(constant(100)), [asking(61_000)]), [
      Decision.stop("RetryAfterTooLong", Option.some(61_000))
    ])
  })

  it("says why the delay is what it is", () => {
    const schedule = constant(100).pipe(RetrySchedule.honourRetryAfter())
    deepStrictEqual(proposals(schedule, [asking(7000), busy]), [
      Decision.proceed(7000, "RetryAfter", "honoured"),
      Decision.proceed(100, "Backoff", "open")
    ])
  })

  it("jitter only lengthens, by a part of the hint that differs from time to time", () => {
    const schedule = constant(100).pipe(RetrySchedule.honourRetryAfter({ jitter: 0.5 }))
    const got = delays(schedule, times(200, asking(10_000))) as ReadonlyArray<number>
    assert.isAtLeast(Math.min(...got), 10_000)
    assert.isAtMost(Math.max(...got), 15_000)
    assert.isBelow(Math.min(...got), 10_500)
    assert.isAbove(Math.max(...got), 14_500)
    deepStrictEqual(delays(schedule, times(200, asking(10_000))), got)
  })

  it("its limit is the one that counts in the loop", () => {
    const schedule = constant(100).pipe(RetrySchedule.honourRetryAfter({ atMost: "2 minutes" }))
    deepStrictEqual(settled(schedule, asking(120_000)), Decision.resend(120_000, "RetryAfter"))
    deepStrictEqual(settled(constant(100), asking(120_000)), Decision.giveUp("RetryAfterTooLong", Option.some(120_000)))
  })

  it("can be said of the standard schedule", () => {
    const patient = RetrySchedule.standard.pipe(RetrySchedule.honourRetryAfter({ atMost: "5 minutes" }))
    deepStrictEqual(settled(patient, asking(120_000)), Decision.resend(120_000, "RetryAfter"))
    const impatient = RetrySchedule.standard.pipe(RetrySchedule.honourRetryAfter({ atMost: "10 seconds" }))
    deepStrictEqual(settled(impatient, asking(11_000)), Decision.giveUp("RetryAfterTooLong", Option.some(11_000)))
  })

  it.each([
    ["atMost", -1],
    ["atMost", NaN],
    ["atMost", Infinity],
    ["jitter", -0.1],
    ["jitter", 1.000_000_1],
    ["jitter", NaN]
  ])("refuses %s %d at construction", (option, value) => {
    refusal(() => RetrySchedule.honourRetryAfter(constant(5), { [option]: value }), "RetrySchedule.honourRetryAfter", option, value)
    refusal(() => RetrySchedule.honourRetryAfter({ [option]: value })(constant(5)), "RetrySchedule.honourRetryAfter", option, value)
  })
})

describe("RetrySchedule.ignoreRetryAfter", () => {
  it("keeps the backoff, whatever is asked", () => {
    const schedule = constant(100).pipe(RetrySchedule.ignoreRetryAfter)
    for (const hint of [0, 7000, 120_000]) deepStrictEqual(settled(schedule, asking(hint)), Decision.resend(100, "Backoff"))
  })

  it("can be said of the standard schedule", () => {
    const decision = settled(RetrySchedule.standard.pipe(RetrySchedule.ignoreRetryAfter), asking(50_000))
    assert(decision._tag === "Resend")
    assert.isAtMost(decision.delay, 500)
  })

  it("leaves a stop alone", () => {
    deepStrictEqual(proposals(RetrySchedule.none.pipe(RetrySchedule.ignoreRetryAfter), times(1)), [
      Decision.stop("ScheduleExhausted")
    ])
  })
})

describe("RetrySchedule.byFailure", () => {
  const each = RetrySchedule.byFailure({
    AttemptTimedOut: constant("1 second").pipe(RetrySchedule.maxAttempts(4)),
    Throttled: constant("2 seconds").pipe(RetrySchedule.maxAttempts(6)),
    ConnectFailure: RetrySchedule.none
  }, constant("5 millis"))

  it("timeouts 3 x 1 s", () => {
    deepStrictEqual(delays(each, times(9, timedOut)), [1000, 1000, 1000, "AttemptsExhausted"])
  })

  it("throttling 5 x 2 s", () => {
    deepStrictEqual(delays(each, times(9, throttled)), [2000, 2000, 2000, 2000, 2000, "AttemptsExhausted"])
  })

  it("refused connections never", () => {
    deepStrictEqual(delays(each, times(9, refused)), ["ScheduleExhausted"])
  })

  it("anything else otherwise", () => {
    deepStrictEqual(delays(each, times(4, busy)), [5, 5, 5, 5])
  })

  it("counts each kind by itself", () => {
    deepStrictEqual(
      delays(each, [timedOut, throttled, timedOut, busy, throttled, timedOut, throttled, timedOut]),
      [1000, 2000, 1000, 5, 2000, 1000, 2000, "AttemptsExhausted"]
    )
  })

  it("steps a backoff only by failures of its kind", () => {
    const growing = RetrySchedule.byFailure(
      { Throttled: RetrySchedule.fromBackoff(Backoff.exponential("1 second")) },
      RetrySchedule.fromBackoff(Backoff.exponential("10 millis"))
    )
    deepStrictEqual(
      delays(growing, [busy, throttled, busy, throttled, timedOut, throttled]),
      [10, 1000, 20, 2000, 40, 4000]
    )
  })

  it("a limit outside counts all kinds together", () => {
    deepStrictEqual(
      delays(each.pipe(RetrySchedule.maxAttempts(3)), [timedOut, throttled, timedOut]),
      [1000, 2000, "AttemptsExhausted"]
    )
  })

  it("takes the schedules of Effect, with their own limits", () => {
    const schedule = RetrySchedule.byFailure({
      AttemptTimedOut: Schedule.spaced("1 second").pipe(Schedule.intersect(Schedule.recurs(3))),
      Throttled: Schedule.spaced("2 seconds").pipe(Schedule.intersect(Schedule.recurs(5)))
    }, RetrySchedule.none)
    deepStrictEqual(delays(schedule, times(9, timedOut)), [1000, 1000, 1000, "ScheduleExhausted"])
    deepStrictEqual(delays(schedule, times(9, throttled)), [2000, 2000, 2000, 2000, 2000, "ScheduleExhausted"])
    deepStrictEqual(delays(schedule, times(9, busy)), ["ScheduleExhausted"])
  })

  it("a kind that is named undefined takes otherwise", () => {
    deepStrictEqual(delays(RetrySchedule.byFailure({ Throttled: undefined }, constant(7)), [throttled]), [7])
  })

  it("looks at the cases' own names only", () => {
    const inherited = Object.create({ Throttled: constant(1) }) as RetrySchedule.Cases<never>
    deepStrictEqual(delays(RetrySchedule.byFailure(inherited, constant(7)), [throttled]), [7])
    const odd = JSON.parse("{\"__proto__\":1,\"constructor\":1}") as RetrySchedule.Cases<never>
    deepStrictEqual(delays(RetrySchedule.byFailure(odd, constant(7)), [throttled]), [7])
  })

  it("gives each schedule failures of its own kind", () => {
    const seen: Array<string> = []
    const listening = <K extends Failure.Tag>(name: K) =>
      Schedule.spaced(1).pipe(Schedule.tapInput((failure: Failure.Of<K>) => Effect.sync(() => seen.push(`${name} ${failure._tag}`))))
    const schedule = RetrySchedule.byFailure({ Throttled: listening("Throttled"), AttemptTimedOut: listening("AttemptTimedOut") }, constant(1))
    delays(schedule, [throttled, busy, timedOut, throttled])
    deepStrictEqual(seen, ["Throttled Throttled", "AttemptTimedOut AttemptTimedOut", "Throttled Throttled"])
  })
})

describe("RetrySchedule.standard", () => {
  const bounds = (failure: Failure.Failure, index: number, seeds = 200) => {
    const got = Array.from({ length: seeds }, (_, i) => delays(RetrySchedule.standard, times(index + 1, failure), { seed: String(i) })[index])
    return [Math.min(...got as ReadonlyArray<number>), Math.max(...got as ReadonlyArray<number>)] as const
  }

  it.each([[0, 100], [1, 200], [2, 400], [7, 12_800], [8, 20_000], [30, 20_000]])("delay %i of a failure is 0 to %i ms", (index, cap) => {
    const [least, most] = bounds(busy, index)
    assert.isAtLeast(least, 0)
    assert.isBelow(least, cap * 0.1)
    assert.isAbove(most, cap * 0.9)
    assert.isAtMost(most, cap)
  })

  it.each([[0, 500], [1, 1000], [5, 16_000], [6, 20_000]])("delay %i of throttling is 0 to %i ms", (index, cap) => {
    const [least, most] = bounds(throttled, index)
    assert.isBelow(least, cap * 0.1)
    assert.isAbove(most, cap * 0.9)
    assert.isAtMost(most, cap)
  })

  it("honours a hint up to a minute in the loop", () => {
    deepStrictEqual(settled(RetrySchedule.standard, asking(60_000)), Decision.resend(60_000, "RetryAfter"))
    deepStrictEqual(settled(RetrySchedule.standard, asking(60_001)), Decision.giveUp("RetryAfterTooLong", Option.some(60_001)))
  })
})

describe("RetrySchedule and the schedules of Effect", () => {
  it("a plain schedule says that it is one", () => {
    deepStrictEqual(proposals(Schedule.spaced("1 second"), times(1)), [Decision.proceed(1000, "Schedule")])
    deepStrictEqual(delays(Schedule.recurs(2), times(9)), [0, 0, "ScheduleExhausted"])
    deepStrictEqual(delays(Schedule.exponential("100 millis"), times(4)), [100, 200, 400, 800])
    deepStrictEqual(delays(Schedule.fibonacci("100 millis"), times(5)), [100, 100, 200, 300, 500])
  })

  it("intersect waits for the longer, ends with the shorter, and keeps the reason of the one that decides", () => {
    const schedule = constant("1 second").pipe(Schedule.intersect(Schedule.recurs(2)))
    deepStrictEqual(proposals(schedule, times(9)), [
      Decision.proceed(1000, "Backoff"),
      Decision.proceed(1000, "Backoff"),
      Decision.stop("ScheduleExhausted")
    ])
    deepStrictEqual(proposals(Schedule.intersect(constant("1 second"), Schedule.spaced("3 seconds")), times(1)), [
      Decision.proceed(3000, "Schedule")
    ])
  })

  it("a stop keeps its reason in a pair", () => {
    const schedule = constant(5).pipe(RetrySchedule.maxAttempts(2), Schedule.intersect(Schedule.spaced(7)), Schedule.intersect(Schedule.forever))
    deepStrictEqual(delays(schedule, times(9)), [7, "AttemptsExhausted"])
  })

  it("union waits for the shorter, and goes on while one does", () => {
    const schedule = Schedule.union(constant("1 second").pipe(RetrySchedule.maxAttempts(3)), Schedule.spaced("3 seconds"))
    deepStrictEqual(delays(schedule, times(4)), [1000, 1000, 3000, 3000])
  })

  it("what is decided about hints outlives a combination", () => {
    const patient = constant(100).pipe(RetrySchedule.honourRetryAfter({ atMost: "5 minutes" }))
    const deaf = constant(100).pipe(RetrySchedule.ignoreRetryAfter)
    const combinations: ReadonlyArray<(self: RetrySchedule.RetrySchedule) => RetrySchedule.RetrySchedule> = [
      (self) => Schedule.intersect(self, Schedule.recurs(3)),
      (self) => Schedule.union(self, Schedule.spaced("1 second")),
      (self) => Schedule.addDelay(self, () => "0 millis"),
      RetrySchedule.maxAttempts(3),
      RetrySchedule.during("10 minutes")
    ]
    for (const combine of combinations) {
      deepStrictEqual(settled(combine(patient), asking(120_000)), Decision.resend(120_000, "RetryAfter"))
      deepStrictEqual(settled(combine(deaf), asking(120_000)), Decision.resend(100, "Backoff"))
    }
  })

  it("jitter of Effect's does not shorten a hint that was honoured", () => {
    const schedule = constant(100).pipe(RetrySchedule.honourRetryAfter(), Schedule.jitteredWith({ min: 0, max: 0.1 }))
    deepStrictEqual(settled(schedule, asking(7000)), Decision.resend(7000, "RetryAfter"))
    const decision = settled(schedule, busy)
    assert(decision._tag === "Resend")
    assert.isAtMost(decision.delay, 10)
  })

  it("jittered keeps the reason, and moves the delay", () => {
    const got = proposals(constant("1 second").pipe(Schedule.jittered), times(50))
    for (const proposal of got) {
      assert(proposal._tag === "Proceed")
      assert.strictEqual(proposal.because, "Backoff")
      assert.isTrue(proposal.delay >= 800 && proposal.delay <= 1200)
    }
    assert.isAbove(new Set(got.map((proposal) => proposal._tag === "Proceed" && proposal.delay)).size, 30)
  })

  it("what is no number after a thousand steps is the longest delay, never 0 and never for ever", () => {
    for (const schedule of [
      Schedule.exponential("1 second"),
      Schedule.exponential("1 second").pipe(Schedule.jittered),
      Schedule.exponential("1 second").pipe(RetrySchedule.honourRetryAfter()),
      RetrySchedule.byFailure({}, Schedule.exponential("1 second")),
      Schedule.fibonacci("1 second")
    ]) {
      const got = delays(schedule, times(1600)) as ReadonlyArray<number>
      assert.strictEqual(got.length, 1600)
      got.forEach((delay, i) => {
        assert.isAtMost(delay, Backoff.maxDelay, String(i))
        if (i > 60) assert.strictEqual(delay, Backoff.maxDelay, String(i))
      })
    }
  })

  it("an interval that begins nowhere is the longest delay too", () => {
    for (const start of [NaN, Infinity, -Infinity]) {
      const schedule = Schedule.makeWithState(undefined, (_now, _input: unknown, state) =>
        Effect.succeed([state, "?", ScheduleDecision.continueWith(ScheduleInterval.after(start))] as const))
      deepStrictEqual(proposals(schedule, times(1)), [Decision.proceed(Backoff.maxDelay, "Schedule")])
    }
  })

  it("an interval that has begun is no delay", () => {
    const schedule = Schedule.makeWithState(undefined, (now, _input: unknown, state) =>
      Effect.succeed([state, "?", ScheduleDecision.continueWith(ScheduleInterval.after(now - 5))] as const))
    deepStrictEqual(delays(schedule, times(2)), [0, 0])
  })

  it("an intersection that Effect ends at infinity ends", () => {
    const schedule = Schedule.exponential("1 second").pipe(Schedule.intersect(Schedule.recurs(5000)))
    const got = delays(schedule, times(1600))
    assert.strictEqual(got.at(-1), "ScheduleExhausted")
    assert.isTrue(got.slice(61, -1).every((delay) => delay === Backoff.maxDelay))
  })

  it("one value has no state: two calls in turn are as two calls one after the other", () => {
    const schedule = RetrySchedule.byFailure(
      { Throttled: RetrySchedule.fromBackoff(Backoff.exponential("1 second")).pipe(RetrySchedule.maxAttempts(4)) },
      RetrySchedule.fromBackoff(Backoff.exponential("100 millis")).pipe(RetrySchedule.during("10 seconds"))
    ).pipe(RetrySchedule.honourRetryAfter(), RetrySchedule.maxAttempts(10))
    const failures = [busy, throttled, busy, throttled, busy]
    const alone = delays(schedule, failures)
    const states: [unknown, unknown] = [schedule.initial, schedule.initial]
    const inTurn: [Array<unknown>, Array<unknown>] = [[], []]
    for (const failure of failures) {
      for (const call of [0, 1] as const) {
        const [next, output, decision] = Effect.runSync(schedule.step(0, failure, states[call]))
        states[call] = next
        const proposal = RetrySchedule.proposal(output, decision, 0)
        inTurn[call].push(proposal._tag === "Proceed" ? proposal.delay : proposal.because)
      }
    }
    deepStrictEqual(inTurn, [[...alone], [...alone]])
    deepStrictEqual(delays(schedule, failures), alone)
  })
})

describe("RetrySchedule in virtual time", () => {
  const failing = (failure: Failure.Failure) => {
    const at: Array<number> = []
    return { at, attempt: Effect.zipRight(Effect.map(Clock.currentTimeMillis, (now) => at.push(now)), Effect.fail(failure)) }
  }

  effectIt.effect("works with Effect's own retry", () =>
    Effect.gen(function*() {
      const { at, attempt } = failing(throttled)
      const schedule = constant("1 second").pipe(RetrySchedule.maxAttempts(4), RetrySchedule.honourRetryAfter())
      const fiber = yield* Effect.fork(Effect.flip(Effect.retry(attempt, schedule)))
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* fiber, throttled)
      deepStrictEqual(at, [0, 1000, 2000, 3000])
    }))

  effectIt.effect("honours hints in Effect's own retry too", () =>
    Effect.gen(function*() {
      const { at, attempt } = failing(asking(7000))
      const schedule = constant("1 second").pipe(RetrySchedule.honourRetryAfter(), RetrySchedule.maxAttempts(3))
      const fiber = yield* Effect.fork(Effect.exit(Effect.retry(attempt, schedule)))
      yield* TestClock.adjust("1 minute")
      yield* fiber
      deepStrictEqual(at, [0, 7000, 14_000])
    }))

  effectIt.effect("one value serves two concurrent calls", () =>
    Effect.gen(function*() {
      const schedule = RetrySchedule.fromBackoff(Backoff.exponential("100 millis")).pipe(RetrySchedule.maxAttempts(4))
      const [a, b] = [failing(busy), failing(busy)]
      const classifier = Classifier.onError("failures", (error: Failure.Failure) => Option.some(Outcome.failed(error)))
      const fibers = [
        yield* Effect.fork(Effect.exit(Retry.retry(a.attempt, { schedule, classifier }))),
        yield* Effect.fork(Effect.exit(Effect.delay(Retry.retry(b.attempt, { schedule, classifier }), "50 millis")))
      ]
      yield* TestClock.adjust("1 minute")
      for (const fiber of fibers) yield* fiber
      deepStrictEqual(a.at, [0, 100, 300, 700])
      deepStrictEqual(b.at, [50, 150, 350, 750])
    }))

  effectIt.effect("exponential of Effect's at step 1100 does not sleep for ever in the loop", () =>
    Effect.gen(function*() {
      const at: Array<number> = []
      const attempt = Effect.zipRight(Effect.map(Clock.currentTimeMillis, (now) => at.push(now)), Effect.fail("busy"))
      const late = Schedule.makeWithState(
        // As it stands after 1100 steps.
        Effect.runSync(Effect.gen(function*() {
          const exponential = Schedule.exponential("1 second")
          let state: unknown = exponential.initial
          for (let i = 0; i < 1100; i++) state = (yield* exponential.step(0, undefined, state))[0]
          return state
        })),
        (now, input, state) => Schedule.exponential("1 second").step(now, input, state)
      )
      const fiber = yield* Effect.fork(
        Effect.exit(Retry.retry(attempt, { schedule: late, maxAttempts: 2, classifier: Classifier.anyError }))
      )
      yield* TestClock.adjust(Duration.millis(Backoff.maxDelay - 1))
      deepStrictEqual(at, [0])
      yield* TestClock.adjust("1 millis")
      yield* fiber
      deepStrictEqual(at, [0, Backoff.maxDelay])
    }))
})
