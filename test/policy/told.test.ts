/**
 * What lint and explain tell of policies in files. It stands in a text of the same name; `UPDATE_GOLDEN=1` writes that anew.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import * as Failure from "../../src/core/Failure.ts"
import * as Outcome from "../../src/core/Outcome.ts"
import * as Bounds from "../../src/policy/Bounds.ts"
import * as Effective from "../../src/policy/Effective.ts"
import * as Explain from "../../src/policy/Explain.ts"
import * as Explanation from "../../src/policy/Explanation.ts"
import { pathText } from "../../src/policy/InvalidPolicy.ts"
import * as Lint from "../../src/policy/Lint.ts"
import * as LintRule from "../../src/policy/LintRule.ts"
import * as LintRules from "../../src/policy/LintRules.ts"
import * as Order from "../../src/policy/Order.ts"
import * as Policy from "../../src/policy/Policy.ts"
import * as PolicySource from "../../src/policy/PolicySource.ts"

const fixtures = path.join(import.meta.dirname, "fixtures")
const files = ["linted", "valid"].flatMap((kind) =>
  readdirSync(path.join(fixtures, kind)).filter((file) => file.endsWith(".json")).map((file) => [kind, file.slice(0, -".json".length)] as const)
)
const read = (kind: string, file: string) => readFileSync(path.join(fixtures, kind, file), "utf8")

const ten = (step: (policy: Policy.Policy) => Explain.Step) => (policy: Policy.Policy) => Array.from({ length: 10 }, () => step(policy))

/** What a peer may do to a call. */
const scripts: ReadonlyArray<readonly [string, (policy: Policy.Policy) => ReadonlyArray<Explain.Step>]> = [
  ["is down", ten((policy) => Explain.answered(policy, { status: 503, headers: {} }, 120))],
  ["throttles", ten((policy) => Explain.answered(policy, { status: 429, headers: { "retry-after": "7" } }, 40))],
  ["hangs", ten(() => ({ outcome: Outcome.ignored, takes: Infinity }))],
  ["resets, refuses the connection, and recovers", (policy) => [
    { outcome: Outcome.failed(Failure.connectionLost("ECONNRESET")), takes: 10 },
    { outcome: Outcome.failed(Failure.connectFailure("tcp", "ECONNREFUSED")), takes: 1 },
    Explain.answered(policy, { status: 200, headers: {} }, 30)
  ]]
]

const told = (policy: Policy.Policy) =>
  Effect.map(
    Effect.forEach(scripts, ([name, steps]) =>
      Effect.map(Explain.explain(policy, steps(policy)), (explanation) => `when the peer ${name}\n${Explanation.render(explanation)}`)),
    (explained) =>
      [
        Lint.render(Lint.lint(policy, { callsPerSecond: 1 })) || "nothing to object to, at a call a second",
        Explanation.renderBounds(policy),
        ...explained,
        ""
      ].join("\n\n").trimEnd() + "\n"
  ).pipe(Effect.withRandom(Random.fixed([0.5])))

describe("is told as it stands beside it", () => {
  for (const [kind, name] of files) {
    it.effect(name, () =>
      Effect.gen(function*() {
        const text = yield* told(yield* PolicySource.fromJson(read(kind, `${name}.json`)))
        if (process.env["UPDATE_GOLDEN"] !== undefined) writeFileSync(path.join(fixtures, "told", `${name}.txt`), text)
        assert.strictEqual(text, read("told", `${name}.txt`))
      }))
  }

  it("there are at least forty, and no text without a policy", () => {
    assert.isAtLeast(files.length, 40)
    assert.deepStrictEqual(readdirSync(path.join(fixtures, "told")).sort(), files.map(([, name]) => `${name}.txt`).sort())
  })
})

describe("rules", () => {
  const findings = files.filter(([kind]) => kind === "linted").flatMap(([kind, name]) =>
    Lint.lint(Effect.runSync(PolicySource.fromJson(read(kind, `${name}.json`))), { callsPerSecond: 1 })
  )

  it.each(LintRules.all.map(({ id }) => id))("%s finds something in one of the policies", (id) => {
    assert.include(findings.map(({ rule }) => rule), id)
  })

  it("have ids of their own, and a finding has a place, a message and what to do", () => {
    assert.strictEqual(new Set(LintRules.all.map(({ id }) => id)).size, LintRules.all.length)
    for (const finding of findings) assert.isTrue(finding.path.length > 0 && finding.message !== "" && finding.advice !== "")
  })

  it("of one's own are asked in their place", () => {
    const named: LintRule.Rule = {
      id: "named",
      severity: "info",
      about: "A policy has a name.",
      check: ({ policy }) => LintRule.when(policy.name === undefined, () => ({ path: ["name"], message: "it has none", advice: "give it one" }))
    }
    assert.strictEqual(Lint.render(Lint.lint({}, { rules: [named] })), "info name: it has none; give it one [named]")
    assert.deepStrictEqual(Lint.lint({ name: "a" }, { rules: [named] }), [])
  })
})

describe("at the boundary", () => {
  const ids = (policy: Policy.Encoded, callsPerSecond?: number) =>
    Lint.lint(Policy.make(policy), { callsPerSecond }).map(({ rule, severity }) => `${severity} ${rule}`)

  it("an attempt of 10 s in a call of 10 s is an error, and one of 9.999 s leaves no time for another", () => {
    assert.deepStrictEqual(ids({ attemptTimeout: "10 seconds", deadline: "10 seconds" }), ["error attempt-timeout-over-deadline"])
    assert.deepStrictEqual(ids({ attemptTimeout: "9.999 seconds", deadline: "10 seconds" }), ["warning worst-case-over-deadline"])
    assert.deepStrictEqual(ids({ attemptTimeout: "10 seconds", deadline: "10 seconds", retry: "none" }), [])
  })

  it("all attempts and waits may take as long as the call, and not a ms longer", () => {
    const policy: Policy.Encoded = { attemptTimeout: "1 second", retry: { maxAttempts: 2, backoff: { kind: "constant", delay: "1 second" } } }
    assert.deepStrictEqual(ids({ ...policy, deadline: "3 seconds" }), [])
    assert.deepStrictEqual(ids({ ...policy, deadline: "2.999 seconds" }), ["info worst-case-over-deadline"])
    assert.deepStrictEqual(ids({ ...policy, deadline: "2 seconds" }), ["warning worst-case-over-deadline"])
  })

  it("the window of a breaker is twice an attempt, and holds as many calls as it waits for", () => {
    const policy = (window: string, minimumCalls = 10): Policy.Encoded => ({
      attemptTimeout: "5 seconds",
      circuitBreaker: { tripPolicy: { kind: "rate", window, minimumCalls } }
    })
    assert.deepStrictEqual(ids(policy("10 seconds")), [])
    assert.deepStrictEqual(ids(policy("9.999 seconds")), ["warning breaker-window-too-short"])
    assert.deepStrictEqual(ids(policy("10 seconds"), 1), [])
    assert.deepStrictEqual(ids(policy("10 seconds", 11), 1), ["warning minimum-calls-unreachable"])
    assert.deepStrictEqual(ids({ attemptTimeout: "5 seconds", circuitBreaker: {} }, 0.3), ["warning minimum-calls-unreachable"])
  })

  it("what a rule for some requests makes of a policy is looked at, and stands in the rule", () => {
    const policy = Policy.make({
      attemptTimeout: "1 second",
      budget: "unlimited",
      retry: { maxAttempts: 2 },
      perRequest: [
        { when: { paths: ["/health"] }, use: { retry: "none" } },
        { when: { methods: ["POST"] }, use: { retry: { resend: "recklessly" } } },
        { when: {}, use: { retry: { maxAttempts: 4, backoff: { kind: "constant", delay: "1 second", jitter: "none" } }, deadline: "2 seconds" } }
      ]
    })
    assert.deepStrictEqual(Lint.lint(policy).map(({ path, rule }) => [rule, pathText(path)]), [
      ["resend-of-non-idempotent", "perRequest[1].use.retry.resend"],
      ["resend-without-budget", "budget"],
      ["worst-case-over-deadline", "perRequest[2].use.deadline"],
      ["resend-without-budget", "perRequest[2].use"],
      ["no-jitter", "perRequest[2].use.retry.backoff.jitter"]
    ])
    assert.deepStrictEqual(Effective.of(policy).map((each) => Bounds.of(each).attempts), [2, 1, 2, 4])
    assert.strictEqual(Bounds.of(policy).attempts, 4)
  })

  it("a rule changes what is there, and adds nothing", () => {
    const policy = Policy.make({ retry: "none", attemptTimeout: "none", perRequest: [{ when: {}, use: { retry: { maxAttempts: 3 }, attemptTimeout: "1 second" } }] })
    assert.deepStrictEqual(Effective.of(policy)[1], { retry: "none", attemptTimeout: "none", perRequest: "none" })
    const hedged = Policy.make({ retry: "none", hedge: { delay: "100 millis" }, perRequest: [{ when: {}, use: { retry: "none" } }] })
    assert.strictEqual(Bounds.of(Effective.of(hedged)[1] ?? hedged).attempts, 1)
  })

  it("a rate that is none throws", () => {
    assert.throws(() => Lint.lint({}, { callsPerSecond: 0 }), /Lint: callsPerSecond must be a finite number > 0, got 0/)
    assert.throws(() => Lint.lint({}, { callsPerSecond: NaN }), /got NaN/)
  })
})

describe("the order of a pipe", () => {
  it("that is ours is not objected to", () => {
    assert.deepStrictEqual(Lint.order(Order.places), [])
    assert.deepStrictEqual(Lint.order([]), [])
  })

  it("a breaker outside of the retry, a bulkhead too, and a retry outside of a retry", () => {
    assert.deepStrictEqual(
      Lint.order(["attemptTimeout", "resend", "circuitBreaker", "bulkhead", "resend"]).map(({ message, rule, severity }) => [severity, rule, message]),
      [
        ["warning", "order", "circuitBreaker stands outside of resend"],
        ["warning", "order", "bulkhead stands outside of resend"],
        ["error", "retry-outside-retry", "resend stands there twice"]
      ]
    )
  })
})

describe("explain", () => {
  const run = (policy: Policy.Encoded, steps: ReadonlyArray<Explain.Step>, options?: Explain.Options) =>
    Effect.runSync(Effect.map(Explain.explain(Policy.make(policy), steps, options), Explanation.render))
  const down: Explain.Step = { outcome: Outcome.failed(Failure.unavailable({ status: 503 })), takes: 100 }

  it("says that a POST is not sent again, and that it would be if it had not been sent", () => {
    const request = { idempotent: false, replayable: true }
    assert.strictEqual(run({}, [down], { request }), "attempt 1 at 0ms: 503 after 100ms; give up, NotIdempotent\nended after 100ms, with 1 attempt")
    const never: Explain.Step = { outcome: Outcome.failed(Failure.connectFailure("tcp", "ECONNREFUSED")), takes: 1 }
    const steady: Policy.Encoded = { retry: { backoff: { kind: "constant", delay: "10 millis", jitter: "none" } } }
    assert.include(run(steady, [never], { request }), "wait 10ms (Backoff)")
  })

  it("says that the budget is empty, and what it holds", () => {
    const policy: Policy.Encoded = { budget: { kind: "quota", capacity: 5, costs: { otherwise: 14 } } }
    assert.include(run(policy, [down]), "give up, BudgetExhausted (it holds 5)")
  })

  it("says that more has to be known", () => {
    assert.include(run({ retry: { backoff: { kind: "constant", delay: "1 second", jitter: "none" } } }, [down]), "not ended after 1s 100ms: attempt 2 begins")
    assert.strictEqual(run({}, []), "not ended after 0ms: attempt 1 begins, and what it comes to is not known")
  })

  it("says that the deadline cut an attempt off", () => {
    const policy: Policy.Encoded = { attemptTimeout: "none", deadline: "2 seconds" }
    assert.strictEqual(
      run(policy, [{ outcome: Outcome.success, takes: Infinity }]),
      "attempt 1 at 0ms: cut off by the deadline after 2s; DeadlineExceeded\nended after 2s, with 1 attempt"
    )
  })

  it("leaves what follows the first failure to a hedge", () => {
    const hedged: Policy.Encoded = { retry: "none", hedge: { delay: "100 millis" } }
    assert.strictEqual(
      run(hedged, [down, down]),
      "attempt 1 at 0ms: 503 after 100ms; the hedge decides, and what its other attempts come to is not known\nnot ended after 100ms"
    )
    assert.include(run(hedged, [{ outcome: Outcome.success, takes: 5 }]), "ended after 5ms, with 1 attempt")
  })

  it("of a time that is none throws", () => {
    assert.throws(() => run({}, [{ outcome: Outcome.success, takes: -1 }]), /Explain: takes must be/)
    assert.throws(() => run({}, [{ outcome: Outcome.success, takes: NaN }]), /Explain: takes must be/)
  })
})
