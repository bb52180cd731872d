import { deepStrictEqual } from "@effect/vitest/utils"
import { Effect, Option, Random, Schedule } from "effect"
import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import * as Backoff from "../../src/core/Backoff.ts"
import * as Decision from "../../src/core/Decision.ts"
import * as Failure from "../../src/core/Failure.ts"
import * as Idempotency from "../../src/core/Idempotency.ts"
import * as RetrySchedule from "../../src/strategy/RetrySchedule.ts"

const runs = { numRuns: 1000 }

type Plain = RetrySchedule.RetrySchedule

const millis = fc.integer({ min: 1, max: 30_000 })
const jitter = fc.constantFrom(Backoff.fullJitter, Backoff.equalJitter, Backoff.withoutJitter, Backoff.proportionalJitter(0.3))
const own: fc.Arbitrary<Plain> = fc.oneof(
  fc.tuple(millis, jitter).map(([base, j]) => RetrySchedule.fromBackoff(j(Backoff.exponential(base)))),
  fc.tuple(millis, jitter).map(([base, j]) => RetrySchedule.fromBackoff(j(Backoff.constant(base)))),
  millis.map((base) => RetrySchedule.fromBackoff(Backoff.decorrelated(base))),
  fc.constant<Plain>(RetrySchedule.standard)
)
const effects: fc.Arbitrary<Plain> = fc.oneof(
  millis.map((delay): Plain => Schedule.spaced(delay)),
  millis.map((delay): Plain => Schedule.exponential(delay).pipe(Schedule.jittered)),
  fc.nat(6).map((n): Plain => Schedule.recurs(n)),
  fc.constant<Plain>(RetrySchedule.none)
)
/** Schedules of this library and of Effect, in any composition that does not ignore hints. */
const schedule: fc.Arbitrary<Plain> = fc.letrec<{ readonly schedule: Plain }>((tie) => ({
  schedule: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    own,
    effects,
    fc.tuple(tie("schedule"), fc.integer({ min: 1, max: 8 })).map(([self, n]) => RetrySchedule.maxAttempts(self, n)),
    fc.tuple(tie("schedule"), fc.integer({ min: 0, max: 100_000 })).map(([self, limit]) => RetrySchedule.during(self, limit)),
    fc.tuple(tie("schedule"), fc.integer({ min: 0, max: 200_000 }), fc.double({ min: 0, max: 1, noNaN: true })).map((
      [self, atMost, ratio]
    ) => RetrySchedule.honourRetryAfter(self, { atMost, jitter: ratio })),
    fc.tuple(tie("schedule"), tie("schedule"), tie("schedule")).map(([a, b, c]) =>
      RetrySchedule.byFailure<never, never>({ Throttled: a, ConnectionLost: b }, c)
    ),
    fc.tuple(tie("schedule"), tie("schedule")).map(([a, b]): Plain => Schedule.intersect(a, b)),
    fc.tuple(tie("schedule"), tie("schedule")).map(([a, b]): Plain => Schedule.union(a, b)),
    tie("schedule").map((self): Plain => Schedule.jittered(self)),
    tie("schedule").map((self): Plain => Schedule.jitteredWith(self, { min: 0, max: 3 }))
  )
})).schedule

const retryAfter = fc.option(fc.integer({ min: 0, max: 200_000 }), { nil: undefined }).map(Option.fromNullable)
const failure: fc.Arbitrary<Failure.Failure> = fc.oneof(
  retryAfter.map((hint) => Failure.throttled({ status: 429, retryAfter: hint })),
  retryAfter.map((hint) => Failure.unavailable({ status: 503, retryAfter: hint })),
  fc.constant(Failure.connectionLost("ECONNRESET"))
)
const failures = fc.array(failure, { minLength: 1, maxLength: 12 })

interface Step {
  readonly failure: Failure.Failure
  readonly proposal: Decision.Proposal
  readonly decision: Decision.Resend | Decision.GiveUp
  /** Since the first failure. */
  readonly at: number
}

/** Steps a schedule as the loop does, each attempt taking no time, until it gives up. */
const steps = (self: Plain, all: ReadonlyArray<Failure.Failure>, seed: number): ReadonlyArray<Step> =>
  Effect.gen(function*() {
    const taken: Array<Step> = []
    const start = 1_700_000_000_000
    let now = start
    let state: unknown = self.initial
    for (const failure of all) {
      const [next, output, intervals] = yield* self.step(now, failure, state)
      const proposal = RetrySchedule.proposal(output, intervals, now)
      const situation = { attempt: 1, maxAttempts: 2, earlier: [], request: Idempotency.always, deadline: Option.none() }
      const decision = Decision.settle(situation, failure, proposal, now)
      taken.push({ failure, proposal, decision, at: now - start })
      if (decision._tag === "GiveUp") break
      state = next
      now += decision.delay
    }
    return taken
  }).pipe(Effect.withRandom(Random.make(seed)), Effect.runSync)

const law = (check: (self: Plain, failures: ReadonlyArray<Failure.Failure>, seed: number) => void) => () =>
  fc.assert(fc.property(schedule, failures, fc.integer(), check), runs)

describe("laws of RetrySchedule, in any composition with Effect's own", () => {
  it(
    "delays are finite, at least 0 and at most 2^31 - 1",
    law((self, all, seed) => {
      for (const { decision, proposal } of steps(self, all, seed)) {
        for (const said of [proposal, decision]) {
          if ("delay" in said) assert.isTrue(said.delay >= 0 && said.delay <= 2 ** 31 - 1, String(said.delay))
        }
      }
    })
  )

  it(
    "no wait is shorter than its hint",
    law((self, all, seed) => {
      for (const { decision, failure } of steps(self, all, seed)) {
        if (decision._tag === "Resend") assert.isAtLeast(decision.delay, Option.getOrElse(Failure.retryAfter(failure), () => 0))
      }
    })
  )

  it(
    "a hint is never waited for beyond the cap that stands outermost",
    law((self, all, seed) => {
      const capped = RetrySchedule.honourRetryAfter(self, { atMost: 5000 })
      for (const { decision, failure } of steps(capped, all, seed)) {
        if (Option.getOrElse(Failure.retryAfter(failure), () => 0) > 5000) assert.strictEqual(decision._tag, "GiveUp")
      }
    })
  )

  it(
    "maxAttempts(n) proposes fewer than n",
    law((self, all, seed) => {
      for (const n of [1, 2, 5]) {
        const proceeds = steps(RetrySchedule.maxAttempts(self, n), all, seed).filter(({ proposal }) => proposal._tag === "Proceed")
        assert.isBelow(proceeds.length, n)
      }
    })
  )

  it(
    "maxAttempts changes nothing before it stops",
    law((self, all, seed) => {
      const free = steps(self, all, seed)
      const limited = steps(RetrySchedule.maxAttempts(self, 4), all, seed)
      deepStrictEqual(limited.slice(0, 3).map(({ decision }) => decision), free.slice(0, 3).map(({ decision }) => decision))
    })
  )

  it(
    "during begins no wait that ends too late",
    law((self, all, seed) => {
      for (const { at, decision } of steps(RetrySchedule.during(self, "30 seconds"), all, seed)) {
        if (decision._tag === "Resend") assert.isAtMost(at + decision.delay, 30_000)
      }
    })
  )

  it(
    "one value has no state: the same seed gives the same steps, again and again",
    law((self, all, seed) => {
      const once = steps(self, all, seed)
      deepStrictEqual(steps(self, all, seed), once)
    })
  )

  it(
    "byFailure without cases is otherwise",
    law((self, all, seed) => {
      deepStrictEqual(
        steps(RetrySchedule.byFailure({}, self), all, seed).map(({ decision }) => decision),
        steps(self, all, seed).map(({ decision }) => decision)
      )
    })
  )

  it(
    "byFailure steps a case by its own failures only",
    law((self, all, seed) => {
      const schedule = RetrySchedule.byFailure<never, never>({ ConnectionLost: RetrySchedule.fromBackoff(Backoff.linear(1)) }, self)
      const lost = steps(schedule, all, seed).filter(({ failure }) => failure._tag === "ConnectionLost")
      deepStrictEqual(
        lost.map(({ decision }) => decision),
        lost.map((_, index) => Decision.resend(index + 1, "Backoff"))
      )
    })
  )
})
