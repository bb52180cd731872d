import * as Option from "effect/Option"
import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import * as Failure from "../../src/core/Failure.ts"
import * as Race from "../../src/core/Race.ts"

const failures = fc.constantFrom<Failure.Failure>(
  Failure.unavailable({ status: 503 }),
  Failure.unavailable({ status: 425 }),
  Failure.unavailable({ status: 503, retryAfter: Option.some(10) }),
  Failure.throttled({ status: 429 }),
  Failure.serverFault(500),
  Failure.serverFault(501),
  Failure.refused(404),
  Failure.connectFailure("tcp", "ECONNREFUSED"),
  Failure.connectionLost("ECONNRESET"),
  Failure.attemptTimedOut(),
  Failure.rejected("CircuitOpen", Option.some(100)),
  Failure.withPushback(Failure.unavailable({ status: 503 }), "stop"),
  Failure.unknown("?")
)

type Happening =
  | { readonly _tag: "Delay"; readonly paid: boolean }
  | { readonly _tag: "Fails"; readonly failure: Failure.Failure; readonly final: "no" | "givenUp" | "always"; readonly paid: boolean }

const happenings = fc.array(
  fc.oneof(
    fc.record<Happening>({ _tag: fc.constant("Delay" as const), paid: fc.boolean() }),
    fc.record<Happening>({
      _tag: fc.constant("Fails" as const),
      failure: failures,
      final: fc.constantFrom("no" as const, "no" as const, "no" as const, "givenUp" as const, "always" as const),
      paid: fc.boolean()
    })
  ),
  { maxLength: 20 }
)

const rulesOf = fc.record({
  maxAttempts: fc.integer({ min: 1, max: 5 }),
  request: fc.record({ idempotent: fc.boolean(), replayable: fc.boolean() }),
  deadline: fc.option(fc.integer({ min: 0, max: 20 })).map(Option.fromNullable)
})

/** What a shell does: a ms passes with each happening. Tells all that it has seen. */
const play = (rules: Race.Rules, history: ReadonlyArray<Happening>) => {
  const seen: Array<{ readonly race: Race.Race; readonly began: "first" | "delay" | "failure" | "none"; readonly now: number; readonly verdict?: Race.Verdict }> = []
  let race = Race.begin(Race.initial)
  seen.push({ race, began: "first", now: 0 })
  for (const [now, happening] of history.entries()) {
    if (race.running === 0) break
    if (happening._tag === "Delay") {
      if (!Race.mayHedge(race, rules, now) || !happening.paid) continue
      race = Race.begin(race)
      seen.push({ race, began: "delay", now })
      continue
    }
    let [verdict, next] = Race.fail(race, rules, happening.failure, happening.final, now)
    if (verdict._tag === "Start" && !happening.paid) [verdict, next] = Race.stop(next, "BudgetExhausted")
    race = verdict._tag === "Start" ? Race.begin(next) : next
    seen.push({ race, began: verdict._tag === "Start" ? "failure" : "none", now, verdict })
    if (verdict._tag === "End") break
  }
  return seen
}

describe("laws of Race", () => {
  it("there are never more attempts than allowed, neither in all nor at once, and never fewer than none on their way", () =>
    fc.assert(
      fc.property(rulesOf, happenings, (rules, history) => {
        for (const { race } of play(rules, history)) {
          assert.isAtMost(race.started, rules.maxAttempts)
          assert.isTrue(race.running >= 0 && race.running <= race.started)
          assert.strictEqual(race.started, race.running + race.earlier.length)
        }
      }),
      { numRuns: 5000 }
    ))

  it("whoever waits has an attempt on its way, and the end comes at the last failure or at one that is terminal", () =>
    fc.assert(
      fc.property(rulesOf, happenings, (rules, history) => {
        for (const { race, verdict } of play(rules, history)) {
          if (verdict?._tag === "Wait") assert.isAbove(race.running, 0)
          if (verdict?._tag === "End" && verdict.because !== "Terminal") assert.strictEqual(race.running, 0)
        }
      }),
      { numRuns: 5000 }
    ))

  it("once stopped, nothing is begun again", () =>
    fc.assert(
      fc.property(rulesOf, happenings, (rules, history) => {
        const seen = play(rules, history)
        const stopped = seen.findIndex(({ race }) => Option.isSome(race.stopped))
        if (stopped < 0) return
        for (const { began, race } of seen.slice(stopped + 1)) {
          assert.strictEqual(began, "none")
          assert.deepStrictEqual(race.stopped, seen[stopped]?.race.stopped)
        }
      }),
      { numRuns: 5000 }
    ))

  it("what may not be acted on twice has one attempt that can have been sent", () =>
    fc.assert(
      fc.property(rulesOf, happenings, (rules, history) => {
        const { idempotent, replayable } = rules.request
        if (idempotent && replayable) return
        for (const { began, race } of play(rules, history)) {
          assert.notStrictEqual(began, "delay")
          assert.isAtMost(race.running, 1)
          if (began !== "failure") continue
          assert.isTrue(replayable)
          for (const { failure } of race.earlier) assert.strictEqual(Failure.sent(failure), "never")
        }
      }),
      { numRuns: 5000 }
    ))

  it("nothing is begun at the deadline or after it", () =>
    fc.assert(
      fc.property(rulesOf, happenings, (rules, history) => {
        for (const { began, now } of play(rules, history)) {
          if (began === "delay" || began === "failure") assert.isTrue(Option.isNone(rules.deadline) || now < rules.deadline.value)
        }
      }),
      { numRuns: 5000 }
    ))

  it("a peer that asks for fewer requests has no further attempt begun", () =>
    fc.assert(
      fc.property(rulesOf, happenings, (rules, history) => {
        for (const { began, race } of play(rules, history)) {
          const asked = race.earlier.some(({ failure }) => failure._tag === "Throttled" || failure._tag === "Rejected" || Failure.isPushedBack(failure))
          if (asked) assert.strictEqual(began, "none")
        }
      }),
      { numRuns: 5000 }
    ))
})
