import { deepStrictEqual } from "@effect/vitest/utils"
import { Option } from "effect"
import { assert, describe, it } from "vitest"
import { maxDelay } from "../../src/core/Backoff.ts"
import * as Decision from "../../src/core/Decision.ts"
import * as Failure from "../../src/core/Failure.ts"
import * as Idempotency from "../../src/core/Idempotency.ts"
import * as Outcome from "../../src/core/Outcome.ts"

const now = 1_000_000
const first: Decision.Situation = {
  attempt: 1,
  maxAttempts: 3,
  earlier: [],
  request: Idempotency.always,
  deadline: Option.none()
}
const post = { idempotent: false, replayable: true }
const stream = { idempotent: true, replayable: false }
const due = (at: number) => ({ ...first, deadline: Option.some(at) })

const busy = Failure.unavailable({ status: 503 })
const refused = Failure.connectFailure("tcp", "ECONNREFUSED")
const early = Failure.unavailable({ status: 425 })
const asking = (retryAfter: number) => Failure.throttled({ status: 429, retryAfter: Option.some(retryAfter) })

const wait100 = Decision.proceed(100)
const resend = Decision.resend
const giveUp = Decision.giveUp

const table: ReadonlyArray<
  readonly [fact: string, Decision.Situation, Outcome.Outcome, Decision.Proposal, expected: Decision.Decision]
> = [
  ["a success is done", first, Outcome.success, wait100, { _tag: "Done" }],
  ["what is ignored is done", first, Outcome.ignored, wait100, { _tag: "Done" }],
  ["a failure that can pass is sent again", first, Outcome.failed(busy), wait100, resend(100, "Backoff")],
  ["a schedule that does not say why", first, Outcome.failed(busy), Decision.proceed(7, "Schedule"), resend(7, "Schedule")],
  ["a 404 is not", first, Outcome.failed(Failure.refused(404)), wait100, giveUp("Terminal")],
  ["a 501 is not", first, Outcome.failed(Failure.serverFault(501)), wait100, giveUp("Terminal")],
  ["an unknown error is not", first, Outcome.failed(Failure.unknown("?")), wait100, giveUp("Terminal")],
  ["our own rejection is not", first, Outcome.failed(Failure.rejected("CircuitOpen", Option.some(5))), wait100, giveUp("Terminal")],
  ["attempt 2 of 3 is followed by one more", { ...first, attempt: 2 }, Outcome.failed(busy), wait100, resend(100, "Backoff")],
  ["attempt 3 of 3 is the last", { ...first, attempt: 3 }, Outcome.failed(busy), wait100, giveUp("AttemptsExhausted")],
  ["attempt 4 of 3 is the last too", { ...first, attempt: 4 }, Outcome.failed(busy), wait100, giveUp("AttemptsExhausted")],
  ["1 attempt is no retry", { ...first, maxAttempts: 1 }, Outcome.failed(busy), wait100, giveUp("AttemptsExhausted")],
  ["terminal is said before exhausted", { ...first, attempt: 3 }, Outcome.failed(Failure.refused(404)), wait100, giveUp("Terminal")],
  ["a POST after a 503", { ...first, request: post }, Outcome.failed(busy), wait100, giveUp("NotIdempotent")],
  ["a POST that was never sent", { ...first, request: post }, Outcome.failed(refused), wait100, resend(100, "Backoff")],
  ["a stream after a 503", { ...first, request: stream }, Outcome.failed(busy), wait100, giveUp("NotReplayable")],
  ["a stream, though never sent", { ...first, request: stream }, Outcome.failed(refused), wait100, giveUp("NotReplayable")],
  ["exhausted is said before the gate", { ...first, attempt: 3, request: post }, Outcome.failed(busy), wait100, giveUp("AttemptsExhausted")],
  ["425 once", first, Outcome.failed(early), wait100, resend(100, "Backoff")],
  ["425 after a 503", { ...first, attempt: 2, earlier: [{ failure: busy }] }, Outcome.failed(early), wait100, resend(100, "Backoff")],
  ["425 twice", { ...first, attempt: 2, earlier: [{ failure: early }] }, Outcome.failed(early), wait100, giveUp("Terminal")],
  [
    "425, 503, 425",
    { ...first, attempt: 3, maxAttempts: 9, earlier: [{ failure: early }, { failure: busy }] },
    Outcome.failed(early),
    wait100,
    giveUp("Terminal")
  ],
  ["503 after a 425", { ...first, attempt: 2, earlier: [{ failure: early }] }, Outcome.failed(busy), wait100, resend(100, "Backoff")],
  ["a schedule that has ended", first, Outcome.failed(busy), Decision.stop("ScheduleExhausted"), giveUp("ScheduleExhausted")],
  [
    "a schedule that stops, with the wait it did not begin",
    first,
    Outcome.failed(busy),
    Decision.stop("TimeExhausted", Option.some(9)),
    giveUp("TimeExhausted", Option.some(9))
  ],
  ["the gate is asked before the schedule", { ...first, request: post }, Outcome.failed(busy), Decision.stop("ScheduleExhausted"), giveUp("NotIdempotent")],
  // Hints
  ["a longer hint is the delay", first, Outcome.failed(asking(7000)), wait100, resend(7000, "RetryAfter")],
  ["a shorter hint is not", first, Outcome.failed(asking(99)), wait100, resend(100, "Backoff")],
  ["an equal hint is not", first, Outcome.failed(asking(100)), wait100, resend(100, "Backoff")],
  ["a hint of 0 is the backoff", first, Outcome.failed(asking(0)), wait100, resend(100, "Backoff")],
  ["a hint of a fraction is rounded up", first, Outcome.failed(asking(100.2)), wait100, resend(101, "RetryAfter")],
  ["a hint of a minute is waited for", first, Outcome.failed(asking(60_000)), wait100, resend(60_000, "RetryAfter")],
  ["a hint of a minute and 1 ms is not", first, Outcome.failed(asking(60_001)), wait100, giveUp("RetryAfterTooLong", Option.some(60_001))],
  ["a hint of two minutes is not", first, Outcome.failed(asking(120_000)), wait100, giveUp("RetryAfterTooLong", Option.some(120_000))],
  [
    "a long hint that the schedule has taken on",
    first,
    Outcome.failed(asking(120_000)),
    Decision.proceed(120_000, "RetryAfter", "honoured"),
    resend(120_000, "RetryAfter")
  ],
  [
    "a delay that was shortened below a hint that the schedule has taken on",
    first,
    Outcome.failed(asking(120_000)),
    Decision.proceed(96_000, "RetryAfter", "honoured"),
    resend(120_000, "RetryAfter")
  ],
  ["a hint that the schedule does not look at", first, Outcome.failed(asking(120_000)), Decision.proceed(100, "Backoff", "ignored"), resend(100, "Backoff")],
  ["a hint in a 500", first, Outcome.failed(Failure.serverFault(500, Option.some(7000))), wait100, resend(7000, "RetryAfter")],
  [
    "a hint that outlives the time of the schedule",
    first,
    Outcome.failed(asking(7000)),
    { ...wait100, longest: 6999 },
    giveUp("TimeExhausted", Option.some(7000))
  ],
  ["a hint that just fits the time of the schedule", first, Outcome.failed(asking(7000)), { ...wait100, longest: 7000 }, resend(7000, "RetryAfter")],
  [
    "a delay that was lengthened beyond the time of the schedule",
    first,
    Outcome.failed(busy),
    { ...Decision.proceed(101, "Backoff", "ignored"), longest: 100 },
    giveUp("TimeExhausted", Option.some(101))
  ],
  // Deadlines
  ["a wait that ends 1 ms before the deadline", due(now + 101), Outcome.failed(busy), wait100, resend(100, "Backoff")],
  ["a wait that ends at the deadline", due(now + 100), Outcome.failed(busy), wait100, giveUp("DeadlineTooClose", Option.some(100))],
  ["a wait that ends past the deadline", due(now + 99), Outcome.failed(busy), wait100, giveUp("DeadlineTooClose", Option.some(100))],
  ["a deadline that has passed", due(now - 1), Outcome.failed(busy), Decision.proceed(0), giveUp("DeadlineTooClose", Option.some(0))],
  ["no wait, 1 ms before the deadline", due(now + 1), Outcome.failed(busy), Decision.proceed(0), resend(0, "Backoff")],
  ["no wait, at the deadline", due(now), Outcome.failed(busy), Decision.proceed(0), giveUp("DeadlineTooClose", Option.some(0))],
  ["a hint of 120 s before a deadline of 10 s", due(now + 10_000), Outcome.failed(asking(120_000)), wait100, giveUp("RetryAfterTooLong", Option.some(120_000))],
  ["a hint of 12 s before a deadline of 10 s", due(now + 10_000), Outcome.failed(asking(12_000)), wait100, giveUp("DeadlineTooClose", Option.some(12_000))],
  // Delays that are none
  ["a negative delay is 0", first, Outcome.failed(busy), Decision.proceed(-5), resend(0, "Backoff")],
  ["an infinite delay is the longest there is", first, Outcome.failed(busy), Decision.proceed(Infinity), resend(maxDelay, "Backoff")],
  ["a delay that is no number is the longest there is, not none", first, Outcome.failed(busy), Decision.proceed(NaN), resend(maxDelay, "Backoff")],
  [
    "a delay that is no number does not slip past the deadline",
    due(now + 10_000),
    Outcome.failed(busy),
    Decision.proceed(NaN),
    giveUp("DeadlineTooClose", Option.some(maxDelay))
  ],
  ["2^31 - 1 ms is the longest delay", first, Outcome.failed(busy), Decision.proceed(2 ** 31), resend(2 ** 31 - 1, "Backoff")]
]

describe("Decision.decide", () => {
  it.each(table)("%s", (_, situation, outcome, proposal, expected) => {
    deepStrictEqual(Decision.decide(situation, outcome, proposal, now), expected)
  })
})

describe("Decision.honour", () => {
  const options = { atMost: 60_000, jitter: 0, draw: 0 }

  it("leaves a stop alone", () => {
    const stop = Decision.stop("ScheduleExhausted")
    assert.strictEqual(Decision.honour(stop, asking(120_000), options), stop)
  })

  it("is satisfied with a delay as long as the hint", () => {
    deepStrictEqual(Decision.honour(Decision.proceed(7000), asking(7000), options), Decision.proceed(7000, "Backoff", "honoured"))
  })

  it.each([
    [0, 0.5, 10_000],
    [0.5, 0.5, 12_500],
    [1, 0.5, 15_000],
    [0.999_999, 1, 20_000],
    [0.5, 0, 10_000],
    [1, 1, 20_000]
  ])("a draw of %d with jitter %d makes %d of a hint of 10 s", (draw, jitter, delay) => {
    deepStrictEqual(
      Decision.honour(wait100, asking(10_000), { atMost: 60_000, jitter, draw }),
      Decision.proceed(delay, "RetryAfter", "honoured")
    )
  })

  it.each([
    [-1, 10_000],
    [2, 15_000],
    [NaN, 15_000],
    [Infinity, 15_000],
    [-Infinity, 10_000]
  ])("a draw of %d, from a Random that is none, does not shorten", (draw, delay) => {
    deepStrictEqual(
      Decision.honour(wait100, asking(10_000), { atMost: 60_000, jitter: 0.5, draw }),
      Decision.proceed(delay, "RetryAfter", "honoured")
    )
  })

  it("holds the hint against the cap, not what jitter makes of it", () => {
    const jittered = { atMost: 60_000, jitter: 1, draw: 0.5 }
    deepStrictEqual(Decision.honour(wait100, asking(60_000), jittered), Decision.proceed(90_000, "RetryAfter", "honoured"))
    deepStrictEqual(Decision.honour(wait100, asking(60_001), jittered), Decision.stop("RetryAfterTooLong", Option.some(60_001)))
  })

  it("of two caps the smaller one holds, in either order", () => {
    const [strict, patient] = [{ ...options, atMost: 10_000 }, { ...options, atMost: 300_000 }]
    const stopped = Decision.stop("RetryAfterTooLong", Option.some(120_000))
    deepStrictEqual(Decision.honour(Decision.honour(wait100, asking(120_000), strict), asking(120_000), patient), stopped)
    deepStrictEqual(Decision.honour(Decision.honour(wait100, asking(120_000), patient), asking(120_000), strict), stopped)
  })

  it("never waits longer than a timer can", () => {
    const all = { atMost: Infinity, jitter: 1, draw: 1 }
    deepStrictEqual(Decision.honour(wait100, asking(1e300), all), Decision.proceed(maxDelay, "RetryAfter", "honoured"))
    deepStrictEqual(Decision.honour(wait100, asking(Infinity), all), Decision.proceed(maxDelay, "RetryAfter", "honoured"))
  })

  it("takes a hint that is no number for none", () => {
    deepStrictEqual(Decision.honour(wait100, asking(NaN), options), Decision.proceed(100, "Backoff", "honoured"))
    deepStrictEqual(Decision.honour(wait100, asking(-5), options), Decision.proceed(100, "Backoff", "honoured"))
  })
})
