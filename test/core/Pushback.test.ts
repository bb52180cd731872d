import { assert, describe, it } from "@effect/vitest"
import { assertNone, assertSome, deepStrictEqual } from "@effect/vitest/utils"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as fc from "fast-check"
import * as Classifier from "../../src/core/Classifier.ts"
import * as Decision from "../../src/core/Decision.ts"
import * as Failure from "../../src/core/Failure.ts"
import * as Idempotency from "../../src/core/Idempotency.ts"
import * as Outcome from "../../src/core/Outcome.ts"
import * as Pushback from "../../src/core/Pushback.ts"

const { fromHeaders } = Pushback
const runs = { numRuns: 2000 }

describe("Pushback.fromHeaders", () => {
  const table: ReadonlyArray<readonly [string, string, Pushback.Pushback | undefined]> = [
    ["x-should-retry", "false", "stop"],
    ["x-should-retry", "true", "resend"],
    ["x-should-retry", " False\t", "stop"],
    ["x-should-retry", "", undefined],
    ["x-should-retry", "0", undefined],
    ["x-should-retry", "no", undefined],
    ["x-should-retry", "false, false", undefined],
    ["x-should-retry", "true\n", undefined],
    ["stripe-should-retry", "false", "stop"],
    ["stripe-should-retry", "true", "resend"],
    ["x-envoy-overloaded", "true", "stop"],
    ["x-envoy-overloaded", "", "stop"],
    ["x-envoy-ratelimited", "true", undefined]
  ]
  for (const [name, value, expected] of table) {
    it(`reads ${name}: ${JSON.stringify(value)} as ${expected ?? "nothing"}`, () => {
      deepStrictEqual(fromHeaders({ [name]: value }), Option.fromNullable(expected))
    })
  }

  it("is stop where two disagree", () => {
    assertSome(fromHeaders({ "x-should-retry": "true", "stripe-should-retry": "false" }), "stop")
    assertSome(fromHeaders({ "x-should-retry": "false", "stripe-should-retry": "true" }), "stop")
  })

  it("takes nothing from a prototype", () => {
    assertNone(fromHeaders(Object.create({ "x-should-retry": "false" })))
  })

  it("says one of two words, or nothing, whatever the headers are", () => {
    const name = fc.constantFrom("x-should-retry", "stripe-should-retry", "x-envoy-overloaded")
    const value = fc.oneof(fc.string(), fc.string({ unit: "binary" }), fc.stringMatching(/^[ \t]*(true|false|TRUE|False)?[ \t,]*$/))
    fc.assert(fc.property(fc.dictionary(name, value), (headers) => {
      const said = fromHeaders(headers)
      assert.isTrue(Option.isNone(said) || said.value === "stop" || said.value === "resend")
    }), runs)
  })
})

const failureOf = (status: number, headers: Record<string, string>): Failure.Failure => {
  const outcome = Classifier.run(Classifier.http, Exit.succeed({ status, headers }), 0)
  return Outcome.isFailed(outcome) ? outcome.failure : assert.fail(`${status} is no failure`)
}

describe("a failure that was pushed back", () => {
  it("is the same failure otherwise", () => {
    deepStrictEqual(failureOf(503, { "x-should-retry": "false" }), { ...Failure.unavailable({ status: 503 }), pushback: "stop" })
    deepStrictEqual(failureOf(404, { "x-should-retry": "true" }), { ...Failure.refused(404), pushback: "resend" })
    deepStrictEqual(failureOf(503, { "x-should-retry": "maybe" }), Failure.unavailable({ status: 503 }))
  })

  it("is one where a classifier of somebody's own made it of the response", () => {
    const own = Classifier.onStatus("own", [409], () => Outcome.failed(Failure.unavailable()))
    const outcome = Classifier.run(own, Exit.succeed({ status: 409, headers: { "x-should-retry": "false" } }), 0)
    assert.isTrue(Outcome.isFailed(outcome) && Failure.isPushedBack(outcome.failure))
  })

  it("is not made of a success, nor of what is no answer", () => {
    const success = Classifier.run(Classifier.http, Exit.succeed({ status: 200, headers: { "x-should-retry": "true" } }), 0)
    deepStrictEqual(success, Outcome.success)
    for (const failure of [Failure.connectionLost("ECONNRESET"), Failure.rejected("CircuitOpen"), Failure.malformed("response", "x")]) {
      assert.strictEqual(Failure.withPushback(failure, "resend"), failure)
    }
  })

  it("stays stopped where every error is worth another attempt", () => {
    const response = { status: 503, headers: { "x-should-retry": "false" } }
    const exit = Exit.fail({ _tag: "ResponseError", reason: "StatusCode", response })
    const outcome = Classifier.run(Classifier.anyError, exit, 0)
    assert.isTrue(Outcome.isFailed(outcome) && Failure.resend(outcome.failure) === "no")
  })
})

describe("Decision, after a pushback", () => {
  const situation = (over: Partial<Decision.Situation> = {}): Decision.Situation => ({
    attempt: 1,
    maxAttempts: 3,
    earlier: [],
    request: Idempotency.always,
    deadline: Option.none(),
    ...over
  })
  const decide = (failure: Failure.Failure, over?: Partial<Decision.Situation>) =>
    Decision.decide(situation(over), Outcome.failed(failure), Decision.proceed(100), 0)
  const status = fc.integer({ min: 400, max: 599 })

  it("sends nothing more after a stop, and says why", () => {
    fc.assert(fc.property(status, (code) => {
      const terminal = Failure.resend(failureOf(code, {})) === "no"
      deepStrictEqual(decide(failureOf(code, { "x-should-retry": "false" })), Decision.giveUp(terminal ? "Terminal" : "PushedBack"))
    }), runs)
  })

  it("sends again after a resend what no status would", () => {
    fc.assert(fc.property(status, (code) => {
      assert.strictEqual(decide(failureOf(code, { "stripe-should-retry": "true" }))._tag, "Resend")
    }), runs)
  })

  it("opens no other gate after a resend", () => {
    const asked = failureOf(409, { "x-should-retry": "true" })
    deepStrictEqual(decide(asked, { attempt: 3 }), Decision.giveUp("AttemptsExhausted"))
    deepStrictEqual(decide(asked, { request: { idempotent: false, replayable: true } }), Decision.giveUp("NotIdempotent"))
    deepStrictEqual(decide(asked, { request: { idempotent: true, replayable: false } }), Decision.giveUp("NotReplayable"))
    deepStrictEqual(decide(asked, { deadline: Option.some(100) }), Decision.giveUp("DeadlineTooClose", Option.some(100)))
    deepStrictEqual(
      decide(failureOf(503, { "x-should-retry": "true", "retry-after": "120" })),
      Decision.giveUp("RetryAfterTooLong", Option.some(120_000))
    )
  })

  it("sends a 425 again once all the same", () => {
    const early = failureOf(425, { "x-should-retry": "true" })
    assert.strictEqual(decide(early)._tag, "Resend")
    deepStrictEqual(decide(early, { attempt: 2, earlier: [{ failure: early }] }), Decision.giveUp("Terminal"))
  })
})
