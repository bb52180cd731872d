import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import * as Advice from "../../src/core/Advice.ts"
import * as Limiter from "../../src/core/Limiter.ts"
import { maxDelay } from "../../src/core/Millis.ts"

const runs = { numRuns: 1000 }

interface Case {
  readonly options: Limiter.Options
  readonly limit: number
  readonly window: number
  readonly burst: number
}

/** Of the long ones a hundredth is longer than what passes between two calls: they share entries of a log. */
const window = fc.oneof(fc.integer({ min: 1, max: 3000 }), fc.integer({ min: 10_000, max: 100_000 }))
const sliding: fc.Arbitrary<Case> = fc.record({ limit: fc.integer({ min: 1, max: 8 }), window })
  .map(({ limit, window }) => ({ options: { limit, window }, limit, window, burst: limit }))
const bucket: fc.Arbitrary<Case> = fc.record({
  limit: fc.integer({ min: 1, max: 8 }),
  window: fc.integer({ min: 1, max: 3000 }),
  burst: fc.integer({ min: 1, max: 8 })
}).map((numbers) => ({ options: { ...numbers, algorithm: "token-bucket" as const }, ...numbers }))

/** What can happen: time passes, jumps either way or stands still; a call asks; one that was let through is not made, or ends. */
type Step =
  | { readonly _tag: "Time"; readonly by: number }
  | { readonly _tag: "Ask"; readonly cost: number; /** Waits for as long as it is told. */ readonly waits: boolean }
  | { readonly _tag: "GiveBack"; readonly which: number }
  | { readonly _tag: "Settle"; readonly which: number; readonly advice: Advice.Advice }

const throttled: fc.Arbitrary<Advice.Advice["throttled"]> = fc.oneof(
  fc.constantFrom("no" as const, "unsaid" as const),
  fc.constantFrom(0, 1, 500, maxDelay),
  fc.integer({ min: 0, max: 5000 })
)
const quota = fc.record({
  name: fc.constantFrom("a", "b", "c"),
  remaining: fc.integer({ min: 0, max: 5 }),
  reset: fc.oneof(fc.integer({ min: 0, max: 3000 }), fc.constant(maxDelay))
})
const advice: fc.Arbitrary<Advice.Advice> = fc.oneof(
  fc.constant(Advice.silent),
  fc.record({ quotas: fc.array(quota, { maxLength: 3 }), throttled })
)
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ _tag: fc.constant("Time" as const), by: fc.integer({ min: 0, max: 900 }) }) },
  { weight: 1, arbitrary: fc.record({ _tag: fc.constant("Time" as const), by: fc.integer({ min: -100_000, max: 0 }) }) },
  { weight: 10, arbitrary: fc.record({ _tag: fc.constant("Ask" as const), cost: fc.integer({ min: 1, max: 3 }), waits: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ _tag: fc.constant("GiveBack" as const), which: fc.nat() }) },
  { weight: 4, arbitrary: fc.record({ _tag: fc.constant("Settle" as const), which: fc.nat(), advice }) }
)
const history = fc.array(step, { minLength: 20, maxLength: 120 })

interface Admission {
  readonly ticket: Limiter.Ticket
  /** By a clock that stands still where the other one goes back. */
  readonly at: number
}

const play = (
  settings: Limiter.Settings,
  steps: ReadonlyArray<Step>,
  witness: (what: {
    readonly step: Step
    readonly now: number
    readonly elapsed: number
    readonly before: Limiter.State
    readonly after: Limiter.State
    readonly answer: Limiter.Answer | undefined
  }) => void = () => {}
) => {
  let now = 1000
  let elapsed = 0
  let state = Limiter.initial(now)
  const out: Array<Admission> = []
  let used: Array<Admission> = []
  for (const step of steps) {
    const before = state
    let answer: Limiter.Answer | undefined
    switch (step._tag) {
      case "Time":
        now += step.by
        elapsed += Math.max(step.by, 0)
        // Somebody looks at the clock, or else what it did meanwhile is not seen.
        state = Limiter.at(state, now)
        break
      case "Ask":
        if (step.cost > settings.most) break
        ;[answer, state] = Limiter.admit(settings, state, step.cost, now)
        if (step.waits && answer._tag === "Wait") {
          now += answer.delay
          elapsed += answer.delay
          ;[answer, state] = Limiter.admit(settings, state, step.cost, now)
        }
        if (answer._tag === "Admitted") {
          const admission = { ticket: answer.ticket, at: elapsed }
          out.push(admission)
          used.push(admission)
        }
        break
      case "GiveBack":
      case "Settle": {
        if (out.length === 0) break
        const [admission] = out.splice(step.which % out.length, 1)
        if (step._tag === "Settle") state = Limiter.settle(settings, state, admission!.ticket, step.advice, now)
        else {
          state = Limiter.giveBack(settings, state, admission!.ticket, now)
          used = used.filter((each) => each !== admission)
        }
      }
    }
    witness({ step, now, elapsed, before, after: state, answer })
  }
  return { now, elapsed, state, out, used }
}

const sum = (admissions: ReadonlyArray<Admission>) => admissions.reduce((sum, { ticket }) => sum + ticket.cost, 0)

describe("laws of Limiter", () => {
  it("a sliding window lets through never more than its limit in any time as long as the window", () =>
    fc.assert(
      fc.property(sliding, history, ({ limit, options, window }, steps) => {
        const { used } = play(Limiter.settings(options), steps)
        for (const { at } of used) assert.isAtMost(sum(used.filter((each) => each.at >= at && each.at < at + window)), limit)
      }),
      runs
    ))

  it("a token bucket lets through never more than its burst and what comes in, in any time and 1 ms", () =>
    fc.assert(
      fc.property(bucket, history, ({ burst, limit, options, window }, steps) => {
        const { used } = play(Limiter.settings(options), steps)
        for (const from of used) {
          for (const to of used) {
            if (to.at < from.at) continue
            const between = used.filter(({ at }) => at >= from.at && at <= to.at)
            assert.isAtMost(sum(between), burst + (to.at - from.at + 1) * limit / window + 1e-6)
          }
        }
      }),
      runs
    ))

  it("no call waits longer than it says, and none is let through earlier: by its own limit at its delay it is admitted, and not 1 ms before", () =>
    fc.assert(
      fc.property(fc.oneof(sliding, bucket), history, fc.integer({ min: 1, max: 3 }), ({ options }, steps, cost) => {
        const settings = Limiter.settings(options)
        if (cost > settings.most) return
        const { now, state } = play(settings, steps)
        const [answer] = Limiter.admit(settings, state, cost, now)
        if (answer._tag === "Admitted") return
        assert.isAtLeast(answer.delay, 1)
        assert.strictEqual(answer.delay, Math.trunc(answer.delay))
        assert.strictEqual(Limiter.admit(settings, state, cost, now + answer.delay)[0]._tag, "Admitted")
        if (answer.delay > 1) assert.strictEqual(Limiter.admit(settings, state, cost, now + answer.delay - 1)[0]._tag, "Wait")
      }),
      runs
    ))

  it("no wait is longer than the window, the burst, or a pause can make it, whatever server and clock do", () =>
    fc.assert(
      fc.property(fc.oneof(sliding, bucket), history, ({ options, ...numbers }, steps) => {
        const settings = Limiter.settings({ ...options, pauseAtMost: 4000 })
        const own = options.algorithm === "token-bucket" ? numbers.burst * numbers.window / numbers.limit : numbers.window
        play(settings, steps, ({ answer }) => {
          if (answer?._tag === "Wait") assert.isAtMost(answer.delay, Math.ceil(Math.max(own, 4000)) + 1)
        })
      }),
      runs
    ))

  it("what is given back at once is as if it had not been taken", () =>
    fc.assert(
      fc.property(fc.oneof(sliding, bucket), history, fc.integer({ min: 1, max: 3 }), ({ options }, steps, cost) => {
        const settings = Limiter.settings(options)
        if (cost > settings.most) return
        const { now, state } = play(settings, steps)
        const [answer, taken] = Limiter.admit(settings, state, cost, now)
        if (answer._tag !== "Admitted") return
        const back = Limiter.giveBack(settings, taken, answer.ticket, now)
        assert.strictEqual(back.inFlight, state.inFlight)
        for (const after of [0, 1, 7, 100, 900]) {
          for (let asked = 1; asked <= settings.most; asked++) {
            const [one, other] = [back, state].map((each) => Limiter.admit(settings, each, asked, now + after)[0])
            const delay = (answer: Limiter.Answer | undefined) => answer?._tag === "Wait" ? answer.delay : 0
            // An entry of the log may have been made to last a hundredth of the window longer by the one that left it.
            const grain = options.algorithm === "token-bucket" ? 1 : Math.ceil(settings.own._tag === "SlidingWindow" ? settings.own.window.window / 100 : 0)
            assert.isAtMost(Math.abs(delay(one) - delay(other)), grain)
          }
        }
      }),
      runs
    ))

  it("of what is on its way nothing is lost and nothing made up", () =>
    fc.assert(
      fc.property(fc.oneof(sliding, bucket), history, ({ options }, steps) => {
        const { out, state } = play(Limiter.settings(options), steps)
        assert.strictEqual(state.inFlight, sum(out))
      }),
      runs
    ))

  it("a quota of n lets n out until its reset, whatever else is on its way or comes back meanwhile", () =>
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 6 }), fc.array(fc.constantFrom("ask", "end", "fail"), { maxLength: 60 }), (remaining, steps) => {
        const settings = Limiter.settings({ limit: 1_000_000, window: "1 second" })
        const [first, begun] = Limiter.admit(settings, Limiter.initial(0), 1, 0)
        if (first._tag !== "Admitted") return assert.fail("the first was not let through")
        const said = { quotas: [{ name: "q", remaining, reset: 1000 }], throttled: "no" } as const
        let state = Limiter.settle(settings, begun, first.ticket, said, 0)
        const out: Array<Limiter.Ticket> = []
        let sent = 0
        for (const what of steps) {
          if (what === "ask") {
            const [answer, next] = Limiter.admit(settings, state, 1, 999)
            state = next
            if (answer._tag === "Wait") assert.deepStrictEqual(answer, { _tag: "Wait", delay: 1, because: "Quota" })
            else {
              sent++
              out.push(answer.ticket)
            }
          } else {
            const ticket = out.shift()
            if (ticket === undefined) continue
            // The server counts each: what it says has gone down by what it has seen. Or the answer never comes.
            const left = { quotas: [{ name: "q", remaining: Math.max(remaining - sent, 0), reset: 1 }], throttled: "no" } as const
            state = Limiter.settle(settings, state, ticket, what === "end" ? left : Advice.silent, 999)
          }
        }
        assert.isAtMost(sent, remaining)
        assert.strictEqual(Limiter.admit(settings, state, 1, 1000)[0]._tag, "Admitted")
      }),
      runs
    ))

  it("a line that is followed into the future comes out as it then does", () =>
    fc.assert(
      fc.property(fc.oneof(sliding, bucket), history, fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 20 }), ({ options }, steps, costs) => {
        const settings = Limiter.settings(options)
        const { now, state } = play(settings, steps)
        let future = Limiter.at(state, now)
        let live = future
        let then = now
        for (const cost of costs.filter((cost) => cost <= settings.most)) {
          const [delay, next] = Limiter.reserve(settings, future, cost, now)
          future = next
          for (let tries = 0;; tries++) {
            const [answer, after] = Limiter.admit(settings, live, cost, then)
            live = after
            if (answer._tag === "Admitted") break
            assert.isBelow(tries, 3)
            then += answer.delay
          }
          assert.strictEqual(delay, then - now)
        }
      }),
      runs
    ))
})
