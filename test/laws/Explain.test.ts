import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as fc from "effect/FastCheck"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import { assert, describe, it } from "vitest"
import type * as Budget from "../../src/core/Budget.ts"
import type { Event } from "../../src/core/Event.ts"
import * as Failure from "../../src/core/Failure.ts"
import * as Idempotency from "../../src/core/Idempotency.ts"
import * as Outcome from "../../src/core/Outcome.ts"
import * as Made from "../../src/http/Made.ts"
import * as Bounds from "../../src/policy/Bounds.ts"
import * as Effective from "../../src/policy/Effective.ts"
import * as Explain from "../../src/policy/Explain.ts"
import * as Policy from "../../src/policy/Policy.ts"
import * as PolicyClient from "../../src/policy/PolicyClient.ts"
import * as ResendPolicy from "../../src/policy/ResendPolicy.ts"
import * as Recorder from "../../src/testing/Recorder.ts"
import * as Simulation from "../../src/testing/Simulation.ts"
import * as Answer from "../../src/testing/Answer.ts"

const runs = { numRuns: 1_000 }

/** A busy machine is waited for. */
const patiently = { timeout: 240_000 }

const part = <A, I>(schema: Schema.Schema<A, I>): fc.Arbitrary<A> => Arbitrary.make(Schema.typeSchema(schema))

const limit = fc.oneof(fc.constant("none" as const), fc.integer({ min: 1, max: 60_000 }))
const retry = part(ResendPolicy.Retry)

/** What a call of its own decides: retry, budget, limits. Guards are shared by calls, and told of in outcomes. */
const anyPolicy: fc.Arbitrary<Policy.Policy> = fc.record({
  attemptTimeout: limit,
  budget: fc.oneof(fc.constant("unlimited" as const), part(ResendPolicy.Budget)),
  deadline: limit,
  retry,
  statuses: part(Policy.Statuses)
}, { requiredKeys: [] })

/** What a rule says of all requests. */
const anyRule: fc.Arbitrary<Policy.Rule["use"]> = fc.record({
  attemptTimeout: limit,
  deadline: limit,
  retry: fc.oneof(
    fc.constant("none" as const),
    // The schedule is that of the client.
    fc.record({ maxAttempts: fc.integer({ min: 1, max: 10 }) }),
    retry.map(({ keyHeaders: _, ...rest }) => rest)
  )
}, { requiredKeys: [] })

interface Reply {
  readonly status: number | "ECONNRESET" | "ECONNREFUSED"
  readonly headers: Record<string, string>
  readonly takes: number
}

const reply: fc.Arbitrary<Reply> = fc.record({
  status: fc.constantFrom<Reply["status"]>(200, 204, 404, 408, 409, 425, 425, 429, 500, 500, 501, 502, 503, 503, 503, "ECONNRESET", "ECONNREFUSED"),
  headers: fc.constantFrom<Record<string, string>>({}, {}, {}, { "retry-after": "1" }, { "retry-after": "90" }, { "x-should-retry": "false" }),
  takes: fc.oneof(fc.constantFrom(0, 1, 80, 700, 9_999, 10_000, 10_001, 40_000, Infinity), fc.nat(5_000))
})

const call = fc.record({
  replies: fc.array(reply, { minLength: 10, maxLength: 10 }),
  method: fc.constantFrom("GET" as const, "POST" as const),
  after: fc.constantFrom(0, 1_000, 11_000)
})

type Call = { readonly replies: ReadonlyArray<Reply>; readonly method: "GET" | "POST"; readonly after: number }

const peer = (replies: ReadonlyArray<Reply>) => {
  let sent = 0
  return HttpClient.make((request) =>
    Effect.suspend(() => {
      const { headers, status, takes } = replies[sent++] ?? { status: 200, headers: {}, takes: 0 }
      if (takes === Infinity) return Effect.never
      const answer = typeof status === "number"
        ? Effect.sync(() => Made.make(request, Made.check("peer", { status, headers })))
        : Effect.suspend(() => Effect.fail(Answer.toError({ fails: status }, request)))
      return takes === 0 ? answer : Effect.delay(answer, takes)
    })
  )
}

const step = (policy: Policy.Policy, { headers, status, takes }: Reply): Explain.Step => {
  if (typeof status === "number") return Explain.answered(policy, { status, headers }, takes)
  const failure = status === "ECONNREFUSED" ? Failure.connectFailure("tcp", status) : Failure.connectionLost(status)
  return { outcome: Outcome.failed(failure), takes }
}

/** The decisions of a call: of those that ran, from the events, and of those that were explained. */
const ran = (events: ReadonlyArray<Event>, startedAt: number): ReadonlyArray<string> =>
  events.flatMap((event): ReadonlyArray<string> => {
    const at = event.at - startedAt
    switch (event._tag) {
      case "AttemptStarted":
        return [`${at} attempt ${event.attempt}`]
      case "AttemptEnded":
        return [`${at} ${shown(event.outcome)}`]
      case "WaitStarted":
        return [`${at} wait ${event.delay} ${event.because}`]
      case "CallEnded":
        return event.end._tag === "GaveUp"
          ? [`${at} gave up ${event.end.because} ${Option.getOrElse(event.end.wait, () => "")}`]
          : [`${at} ${event.end._tag}`]
      default:
        return []
    }
  })

const shown = (outcome: Outcome.Outcome) => Outcome.isFailed(outcome) ? `${outcome.failure._tag} ${Failure.label(outcome.failure)}` : outcome._tag

const explained = ({ attempts, startedAt }: Explain.Explanation): ReadonlyArray<string> =>
  attempts.flatMap(({ attempt, endedAt, outcome, startedAt: began, verdict }) => {
    const at = endedAt - startedAt
    const begin = `${began - startedAt} attempt ${attempt}`
    const end = Option.map(outcome, (outcome) => `${at} ${shown(outcome)}`)
    switch (verdict._tag) {
      case "Done":
        return [begin, ...Option.toArray(end), `${at} ${Option.getOrThrow(outcome)._tag === "Success" ? "Succeeded" : "Ignored"}`]
      case "Hedged":
        return [begin, "no policy here has a hedge"]
      case "DeadlineExceeded":
        return [begin, `${at} Interrupted`]
      case "Resend":
        return [begin, ...Option.toArray(end), `${at} wait ${verdict.delay} ${verdict.because}`]
      case "GiveUp":
        return [begin, ...Option.toArray(end), `${at} gave up ${verdict.because} ${Option.getOrElse(verdict.wait, () => "")}`]
    }
  })

interface Told {
  readonly ran: ReadonlyArray<ReadonlyArray<string>>
  readonly explained: ReadonlyArray<ReadonlyArray<string>>
  readonly explanations: ReadonlyArray<Explain.Explanation>
  /** Whether something ended in the very ms of the deadline: then either may have been first. */
  readonly tie: boolean
}

/** What is explained is what holds for all requests, where a rule says something of all of them. */
const both = (running: Policy.Policy, calls: ReadonlyArray<Call>, seed: number): Told => {
  const policy = Effective.of(running)[1] ?? running
  const times: Array<number> = []
  const events = Simulation.runSync(
    Effect.gen(function*() {
      const recorder = yield* Recorder.make
      const middleware = yield* PolicyClient.middleware(running)
      for (const { after, method, replies } of calls) {
        yield* Effect.sleep(after)
        times.push(yield* Effect.clockWith((clock) => clock.currentTimeMillis))
        const client = HttpClient.HttpClient.of(peer(replies))
        yield* Effect.exit(middleware(client.execute)(HttpClientRequest.make(method)("http://a.test/"))).pipe(Effect.provide(recorder.layer))
      }
      return yield* recorder.events
    }).pipe(Effect.withRandom(Random.make(seed)))
  )
  const explanations = Effect.runSync(
    Effect.gen(function*() {
      let budget: Budget.Budget = Bounds.budget(policy)
      const told: Array<Explain.Explanation> = []
      for (const [i, { method, replies }] of calls.entries()) {
        const request = method === "POST" ? { idempotent: false, replayable: true } : Idempotency.always
        const steps = replies.map((reply) => step(policy, reply))
        const explanation = yield* Explain.explain(policy, steps, { request, startedAt: times[i] ?? 0, budget })
        budget = explanation.budget
        told.push(explanation)
      }
      return told
    }).pipe(Effect.withRandom(Random.make(seed)))
  )
  return {
    ran: Recorder.calls(events).map((events, i) => ran(events, times[i] ?? 0)),
    explained: explanations.map(explained),
    explanations,
    tie: explanations.some(({ attempts }) => attempts.some(({ left }) => Option.contains(left, 0)))
  }
}

/** Something that never ends is not waited for. */
const ends = (policy: Policy.Policy) => policy.attemptTimeout !== "none" || policy.deadline !== "none"

const isCut = (lines: ReadonlyArray<string>) => lines.at(-1)?.endsWith("Interrupted") ?? false

describe("explain", patiently, () => {
  it("decides what the loop decides, over any policy, any outcomes, and calls that share a budget", () => {
    let waits = 0
    fc.assert(
      fc.property(anyPolicy, fc.array(call, { minLength: 1, maxLength: 3 }), fc.integer(), (policy, calls, seed) => {
        fc.pre(ends(policy))
        const told = both(policy, calls, seed)
        fc.pre(!told.tie || told.explained.every((lines) => !isCut(lines)) && told.ran.every((lines) => !isCut(lines)))
        assert.deepStrictEqual(told.explained, told.ran)
        waits += told.ran.flat().filter((line) => line.includes(" wait ")).length
      }),
      runs
    )
    assert.isAbove(waits, 200)
  })

  it("under a rule for some requests as well", () => {
    const withRule = fc.tuple(anyPolicy, anyRule).map(([policy, use]): Policy.Policy => ({ ...policy, perRequest: [{ when: {}, use }] }))
    let ruled = 0
    fc.assert(
      fc.property(withRule, call, fc.integer(), (policy, call, seed) => {
        fc.pre(Effective.of(policy).every(ends))
        const told = both(policy, [call], seed)
        fc.pre(!told.tie || told.explained.every((lines) => !isCut(lines)) && told.ran.every((lines) => !isCut(lines)))
        assert.deepStrictEqual(told.explained, told.ran)
        if (JSON.stringify(Effective.of(policy)[0]) !== JSON.stringify(Effective.of(policy)[1])) ruled++
      }),
      runs
    )
    assert.isAbove(ruled, 200)
  })

  it("reads from the events of a call what explains the same call again", () => {
    fc.assert(
      fc.property(anyPolicy, call, fc.integer(), (policy, call, seed) => {
        fc.pre(ends(policy))
        const recorded = Simulation.runSync(
          Effect.gen(function*() {
            const recorder = yield* Recorder.make
            const middleware = yield* PolicyClient.middleware(policy)
            yield* Effect.exit(middleware(peer(call.replies).execute)(HttpClientRequest.get("http://a.test/"))).pipe(Effect.provide(recorder.layer))
            return yield* recorder.events
          }).pipe(Effect.withRandom(Random.make(seed)))
        )
        const explanation = Effect.runSync(Effect.withRandom(Explain.explain(policy, Explain.fromEvents(recorded)), Random.make(seed)))
        fc.pre(!explanation.attempts.some(({ left }) => Option.contains(left, 0)) || !isCut(ran(recorded, 0)))
        assert.deepStrictEqual(explained(explanation), ran(recorded, 0))
      }),
      runs
    )
  })
})

describe("bounds", patiently, () => {
  it("no call has more attempts or takes longer, whatever it meets", () => {
    fc.assert(
      fc.property(anyPolicy, call, fc.integer(), (policy, { replies }, seed) => {
        const { attempts, wallTime } = Bounds.of(policy)
        const steps = replies.map((reply) => step(policy, reply))
        const explanation = Effect.runSync(Effect.withRandom(Explain.explain(policy, steps), Random.make(seed)))
        assert.isAtMost(explanation.attempts.length, attempts)
        if (Option.isSome(wallTime)) assert.isAtMost(explanation.endedAt, wallTime.value)
      }),
      runs
    )
  })

  it("and some call comes to them: the longest waits, attempts that take all of their time", () => {
    const worst = Effect.runSync(
      Explain.explain({ deadline: "none", budget: "unlimited", retry: { backoff: { kind: "exponential", base: 100, jitter: "none" } } }, [
        { outcome: Outcome.ignored, takes: Infinity },
        { outcome: Outcome.ignored, takes: Infinity },
        { outcome: Outcome.ignored, takes: Infinity }
      ])
    )
    const bounds = Bounds.of({ deadline: "none", retry: { backoff: { kind: "exponential", base: 100, jitter: "none" } } })
    assert.deepStrictEqual([worst.attempts.length, worst.endedAt], [3, 30_300])
    assert.deepStrictEqual([bounds.attempts, Option.getOrThrow(bounds.undisturbed)], [3, 30_300])
  })

  it("the resends of an outage are what the budget pays without any success", () => {
    const policy: Policy.Policy = { budget: { kind: "ratio", floorPerSecond: 2, window: 5_000 }, retry: { backoff: { kind: "constant", delay: 1 } } }
    const sent = Simulation.runSync(
      Effect.gen(function*() {
        let sent = 0
        const client = HttpClient.make((request) => Effect.sync(() => (sent++, Made.make(request, Made.check("peer", { status: 500 })))))
        const middleware = yield* PolicyClient.middleware(policy)
        yield* Simulation.load(Effect.exit(middleware(client.execute)(HttpClientRequest.get("http://a.test/"))), { perSecond: 20, seconds: 100 })
        return sent
      })
    )
    const bounds = Bounds.of(policy)
    assert.deepStrictEqual([bounds.resendsAtOnce, bounds.resendsPerSecond], [10, 2])
    assert.strictEqual(Bounds.loadFactor(bounds, 20), 1.1)
    assert.isAtMost(sent / 2_000, 1.1 + 10 / 2_000)
    assert.isAbove(sent / 2_000, 1.08)
  })
})
