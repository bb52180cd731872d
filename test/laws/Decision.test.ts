import { deepStrictEqual } from "@effect/vitest/utils"
import { Option } from "effect"
import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import { maxDelay } from "../../src/core/Backoff.ts"
import * as Decision from "../../src/core/Decision.ts"
import * as Failure from "../../src/core/Failure.ts"
import * as Idempotency from "../../src/core/Idempotency.ts"
import * as Outcome from "../../src/core/Outcome.ts"

const runs = { numRuns: 3000 }

const millis = fc.oneof(
  fc.integer({ min: 0, max: 120_000 }),
  fc.constantFrom(0, 1, 59_999, 60_000, 60_001, maxDelay - 1, maxDelay, maxDelay + 1, 1e300)
)
/** Any number at all: what a schedule of somebody else may propose. */
const number = fc.oneof(millis, fc.double(), fc.constantFrom(NaN, Infinity, -Infinity, -1, -0))
const retryAfter = fc.option(millis, { freq: 2, nil: undefined }).map(Option.fromNullable)
const status = fc.oneof(fc.constantFrom(408, 425, 425, 429, 500, 501, 502, 503, 504), fc.integer({ min: 400, max: 1100 }))

const failure: fc.Arbitrary<Failure.Failure> = fc.oneof(
  fc.constantFrom<Failure.Failure>(
    Failure.connectFailure("tcp", "ECONNREFUSED"),
    Failure.connectionLost("ECONNRESET"),
    Failure.attemptTimedOut(),
    Failure.untrusted("CERT_HAS_EXPIRED"),
    Failure.malformed("response", "SyntaxError"),
    Failure.unknown("?")
  ),
  fc.record({ status, retryAfter }).map(Failure.throttled),
  fc.record({ status, retryAfter }).map(Failure.unavailable),
  fc.tuple(status, retryAfter).map(([code, hint]) => Failure.serverFault(code, hint)),
  fc.tuple(fc.constantFrom("UNAVAILABLE", "INTERNAL"), retryAfter).map(([code, hint]) => Failure.rpcFailure(code, hint)),
  status.map(Failure.refused),
  retryAfter.map((hint) => Failure.rejected("CircuitOpen", hint))
)
const outcome = fc.oneof(
  { weight: 8, arbitrary: failure.map(Outcome.failed) },
  { weight: 1, arbitrary: fc.constantFrom(Outcome.success, Outcome.ignored) }
)
const request = fc.record({ idempotent: fc.boolean(), replayable: fc.boolean() })
const now = fc.integer({ min: 0, max: 4_102_444_800_000 })
const situation: fc.Arbitrary<Decision.Situation> = fc.record({
  attempt: fc.integer({ min: 1, max: 8 }),
  maxAttempts: fc.integer({ min: 1, max: 8 }),
  earlier: fc.array(fc.record({ failure }), { maxLength: 6 }),
  request: fc.oneof(fc.constant(Idempotency.always), request),
  deadline: fc.option(now, { nil: undefined }).map(Option.fromNullable)
})
/** A deadline close enough to `at` to matter. */
const near = fc.tuple(situation, now, fc.integer({ min: -1000, max: 130_000 })).map(([self, at, left]) =>
  [{ ...self, deadline: Option.map(self.deadline, () => at + left) }, at] as const)
const because = fc.constantFrom<Decision.Because>("Backoff", "RetryAfter", "Schedule")
const hint = fc.constantFrom<Decision.Proceed["hint"]>("open", "honoured", "ignored")
const proceed: fc.Arbitrary<Decision.Proceed> = fc.tuple(number, because, hint, fc.option(millis, { freq: 4, nil: undefined })).map((
  [delay, why, how, longest]
) => ({ ...Decision.proceed(delay, why, how), ...(longest === undefined ? {} : { longest }) }))
const stop = fc.constantFrom<Decision.GiveUpReason>("ScheduleExhausted", "TimeExhausted", "AttemptsExhausted").map((reason) =>
  Decision.stop(reason))
const proposal: fc.Arbitrary<Decision.Proposal> = fc.oneof({ weight: 6, arbitrary: proceed }, { weight: 1, arbitrary: stop })

const honouring = fc.record({
  atMost: millis,
  jitter: fc.double({ min: 0, max: 1, noNaN: true }),
  draw: fc.oneof(fc.double({ min: 0, max: 1, noNaN: true }), number)
})

/** What is decided for arbitrary data, and the data. */
const decided = fc.tuple(near, outcome, proposal).map(([[self, at], what, proposed]) => ({
  self,
  at,
  outcome: what,
  proposed,
  decision: Decision.decide(self, what, proposed, at)
}))

describe("laws of Decision.decide", () => {
  it("answers every failure, and nothing else, with a resend or the reason for none", () =>
    fc.assert(
      fc.property(decided, ({ decision, outcome }) => {
        assert.strictEqual(decision._tag === "Done", !Outcome.isFailed(outcome))
      }),
      runs
    ))

  it("never sends again what cannot succeed", () =>
    fc.assert(
      fc.property(decided, ({ decision, outcome }) => {
        if (Outcome.isFailed(outcome) && Failure.resend(outcome.failure) === "no") deepStrictEqual(decision, Decision.giveUp("Terminal"))
      }),
      runs
    ))

  it("never sends again when the attempts are used up", () =>
    fc.assert(
      fc.property(decided, ({ decision, self }) => {
        if (self.attempt >= self.maxAttempts) assert.notStrictEqual(decision._tag, "Resend")
      }),
      runs
    ))

  it("never sends again where 1 attempt is allowed", () =>
    fc.assert(
      fc.property(situation, outcome, proposal, now, (self, what, proposed, at) => {
        assert.notStrictEqual(Decision.decide({ ...self, maxAttempts: 1 }, what, proposed, at)._tag, "Resend")
      }),
      runs
    ))

  it("never sends again through a closed gate", () =>
    fc.assert(
      fc.property(decided, ({ decision, outcome, self }) => {
        if (Outcome.isFailed(outcome) && Option.isSome(Idempotency.objection(self.request, outcome.failure))) {
          assert.notStrictEqual(decision._tag, "Resend")
        }
      }),
      runs
    ))

  it("never sends again what a schedule has stopped", () =>
    fc.assert(
      fc.property(decided, ({ decision, proposed }) => {
        if (proposed._tag === "Stop") assert.notStrictEqual(decision._tag, "Resend")
      }),
      runs
    ))

  it("sends a 425 again once", () =>
    fc.assert(
      fc.property(situation, proposal, now, fc.nat(), (self, proposed, at, where) => {
        const early = Failure.unavailable({ status: 425 })
        const index = where % (self.earlier.length + 1)
        const earlier = [...self.earlier.slice(0, index), { failure: early }, ...self.earlier.slice(index)]
        deepStrictEqual(
          Decision.decide({ ...self, earlier }, Outcome.failed(early), proposed, at),
          Decision.giveUp("Terminal")
        )
      }),
      runs
    ))

  it("never waits less than was asked, unless a schedule ignores what is asked", () =>
    fc.assert(
      fc.property(decided, ({ decision, outcome, proposed }) => {
        if (decision._tag !== "Resend" || !Outcome.isFailed(outcome) || proposed._tag === "Stop" || proposed.hint === "ignored") return
        const asked = Option.getOrElse(Failure.retryAfter(outcome.failure), () => 0)
        assert.isAtLeast(decision.delay, Math.min(asked, maxDelay))
      }),
      runs
    ))

  it("never waits for a hint beyond the cap that nobody has raised", () =>
    fc.assert(
      fc.property(decided, ({ decision, outcome, proposed }) => {
        if (!Outcome.isFailed(outcome) || proposed._tag === "Stop" || proposed.hint !== "open") return
        const asked = Option.getOrElse(Failure.retryAfter(outcome.failure), () => 0)
        if (asked > Decision.defaultRetryAfterCap) assert.notStrictEqual(decision._tag, "Resend")
      }),
      runs
    ))

  it("waits between 0 and 2^31 - 1 ms", () =>
    fc.assert(
      fc.property(decided, ({ decision }) => {
        if (decision._tag === "Resend") assert.isTrue(decision.delay >= 0 && decision.delay <= 2 ** 31 - 1, String(decision.delay))
      }),
      runs
    ))

  it("begins no wait that reaches the deadline, nor one that outlives the time of the schedule", () =>
    fc.assert(
      fc.property(decided, ({ at, decision, proposed, self }) => {
        if (decision._tag !== "Resend") return
        if (Option.isSome(self.deadline)) assert.isBelow(at + decision.delay, self.deadline.value)
        if (proposed._tag === "Proceed" && proposed.longest !== undefined) assert.isAtMost(decision.delay, proposed.longest)
      }),
      runs
    ))

  it("an earlier deadline never makes a resend of a surrender, nor another wait of a wait", () =>
    fc.assert(
      fc.property(near, outcome, proposal, fc.nat(200_000), ([self, at], what, proposed, sooner) => {
        const later = Decision.decide(self, what, proposed, at)
        const deadline = Option.some(Option.getOrElse(self.deadline, () => at + 100_000) - sooner)
        const earlier = Decision.decide({ ...self, deadline }, what, proposed, at)
        if (earlier._tag === "Resend") deepStrictEqual(earlier, later)
      }),
      runs
    ))

  it("fewer attempts never make a resend of a surrender", () =>
    fc.assert(
      fc.property(near, outcome, proposal, fc.nat(8), ([self, at], what, proposed, fewer) => {
        const decision = Decision.decide({ ...self, maxAttempts: self.maxAttempts - fewer }, what, proposed, at)
        if (decision._tag === "Resend") deepStrictEqual(decision, Decision.decide(self, what, proposed, at))
      }),
      runs
    ))

  it("is refuse, or else settle", () =>
    fc.assert(
      fc.property(decided, ({ at, decision, outcome, proposed, self }) => {
        if (!Outcome.isFailed(outcome)) return
        deepStrictEqual(
          decision,
          Option.getOrElse(Decision.refuse(self, outcome.failure), () => Decision.settle(self, outcome.failure, proposed, at))
        )
      }),
      runs
    ))
})

describe("laws of Decision.honour", () => {
  it("is idempotent", () =>
    fc.assert(
      fc.property(proposal, failure, honouring, (proposed, what, options) => {
        const once = Decision.honour(proposed, what, options)
        deepStrictEqual(Decision.honour(once, what, options), once)
      }),
      runs
    ))

  it("never shortens a delay, nor waits less than the hint, whatever the draw", () =>
    fc.assert(
      fc.property(proceed, failure, honouring, (proposed, what, options) => {
        const honoured = Decision.honour(proposed, what, options)
        if (honoured._tag === "Stop" || proposed.hint === "ignored") return
        assert.isFalse(honoured.delay < proposed.delay)
        const asked = Failure.retryAfter(what)
        if (Option.isSome(asked)) assert.isFalse(honoured.delay < Math.min(asked.value, maxDelay))
      }),
      runs
    ))

  it("jitter only lengthens, and by no more than its ratio", () =>
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 60_000 }), honouring, (asked, options) => {
        const busy = Failure.throttled({ retryAfter: Option.some(asked) })
        const honoured = Decision.honour(Decision.proceed(0), busy, { ...options, atMost: 60_000 })
        assert(honoured._tag === "Proceed")
        assert.isAtLeast(honoured.delay, asked)
        assert.isAtMost(honoured.delay, Math.ceil(asked * (1 + options.jitter)))
      }),
      runs
    ))

  it("stops exactly where the hint is beyond the cap, or outlives the time of the schedule", () =>
    fc.assert(
      fc.property(proceed, failure, honouring, (proposed, what, options) => {
        const asked = Option.getOrElse(Failure.retryAfter(what), () => 0)
        const honoured = Decision.honour(proposed, what, options)
        if (proposed.hint !== "ignored" && asked > options.atMost) {
          deepStrictEqual(honoured, Decision.stop("RetryAfterTooLong", Option.some(asked)))
        } else if (honoured._tag === "Stop") {
          assert.strictEqual(honoured.because, "TimeExhausted")
          assert.isAbove(Option.getOrThrow(honoured.wait), proposed.longest!)
        }
      }),
      runs
    ))
})
