/**
 * No label can grow with traffic: whatever happens, and whoever is called, the series are those that were known before.
 */
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import type * as HttpMethod from "@effect/platform/HttpMethod"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import type { Event } from "../../src/core/Event.ts"
import * as Failure from "../../src/core/Failure.ts"
import * as Instrument from "../../src/core/Instrument.ts"
import * as Label from "../../src/core/Label.ts"
import * as Measurement from "../../src/core/Measurement.ts"
import * as Semconv from "../../src/core/Semconv.ts"
import type * as Meter from "../../src/telemetry/Meter.ts"
import * as Metrics from "../../src/telemetry/Metrics.ts"
import * as Series from "../../src/telemetry/Series.ts"

const text = fc.oneof(fc.string(), fc.fullUnicodeString(), fc.webUrl(), fc.constantFrom("__proto__", "default", "a\nb", "x".repeat(5_000)))
const millis = fc.oneof(fc.double(), fc.nat(), fc.constantFrom(Number.NaN, Infinity, -1))
const count = fc.nat()
const some = <A>(values: fc.Arbitrary<A>) => fc.option(values).map(Option.fromNullable)
const of = (label: Label.Closed) => fc.constantFrom(...label.values)

const failure: fc.Arbitrary<Failure.Failure> = fc.oneof(
  fc.tuple(fc.constantFrom("dns" as const, "tcp" as const, "tls" as const), text).map(([phase, code]) => Failure.connectFailure(phase, code)),
  text.map(Failure.connectionLost),
  fc.constant(Failure.attemptTimedOut()),
  fc.integer().map((status) => Failure.throttled({ status })),
  fc.integer().map((status) => Failure.unavailable({ status })),
  fc.integer().map((status) => Failure.serverFault(status)),
  fc.integer().map(Failure.refused),
  text.map(Failure.untrusted),
  text.map((code) => Failure.malformed("response", code)),
  text.map((code) => Failure.rpcFailure(code)),
  text.map((by) => Failure.rejected(by)),
  text.map(Failure.unknown)
)

/** What each event has beside its call and its time. */
const fields: Readonly<Record<Event["_tag"], Readonly<Record<string, fc.Arbitrary<unknown>>>>> = {
  CallStarted: {},
  AttemptStarted: { attempt: count },
  AttemptEnded: {
    attempt: count,
    outcome: fc.oneof(fc.constant({ _tag: "Success" }), fc.constant({ _tag: "Ignored" }), failure.map((failure) => ({ _tag: "Failed", failure })))
  },
  WaitStarted: { attempt: count, delay: millis, because: of(Label.waitReason), failure },
  HedgeStarted: { attempt: count, because: of(Label.hedgeReason), after: millis },
  HedgeSkipped: { attempt: count, because: of(Label.giveUpReason) },
  AttemptWon: { attempt: count, abandoned: fc.array(count) },
  CallEnded: {
    attempts: count,
    waited: millis,
    end: fc.oneof(
      fc.constantFrom("Succeeded", "Ignored", "Interrupted", "Died").map((_tag) => ({ _tag })),
      fc.record({ _tag: fc.constant("GaveUp"), because: of(Label.giveUpReason), failure, wait: some(millis) })
    )
  },
  BreakerOpened: { key: text, generation: count, because: text, openFor: some(millis) },
  BreakerHalfOpened: { key: text, generation: count, because: text },
  BreakerClosed: { key: text, generation: count, because: text },
  BreakerRejected: { key: text, because: fc.constantFrom("Open", "Probing", "Isolated", "Ramping"), retryAfter: some(millis) },
  RateLimited: { key: text, because: fc.constantFrom("Limit", "Quota", "MaxWait", "Deadline", "QueueFull", "TooLarge"), retryAfter: some(millis) },
  RateLimitDelayed: { key: text, delay: millis },
  RateLimitPaused: { key: text, pause: millis },
  LoadShed: { key: text, probability: fc.double(), requests: count, accepts: count },
  BulkheadQueued: { key: text, waiting: count },
  BulkheadAdmitted: { key: text, waited: millis },
  BulkheadRejected: { key: text, because: fc.constantFrom("QueueFull", "WaitTooLong", "Deadline"), waited: millis },
  LimitChanged: { key: text, from: count, to: count },
  LimitQueued: { key: text, waiting: count },
  LimitAdmitted: { key: text, waited: millis },
  LimitRejected: { key: text, because: fc.constantFrom("QueueFull", "WaitTooLong", "Deadline"), waited: millis },
  FallbackUsed: { because: failure, source: of(Label.fallback), age: some(millis) },
  ChaosInjected: { fault: of(Label.fault).map((_tag) => ({ _tag })), seed: count, attempt: count, ordinal: count },
  IdempotencyBegan: { record: text },
  IdempotencyAnswered: { record: text, as: fc.constantFrom("Replayed", "InProgress", "Mismatch", "NotKept") },
  IdempotencySettled: { record: text, as: of(Label.settled) },
  IdempotencyRefused: { because: fc.constantFrom("Missing", "Malformed", "NoCaller", "Unreadable", "TooLarge", "Store") },
  IdempotencyBypassed: { record: text },
  ConnectionTraced: {
    attempt: count,
    trace: fc.record({
      origin: fc.oneof(fc.webUrl(), text),
      connection: fc.constantFrom(Option.none(), Option.some("new"), Option.some("reused")),
      phases: fc.record(Object.fromEntries(Label.connectionPhase.values.map((phase) => [phase, some(millis)]))),
      end: fc.oneof(
        fc.constant({ _tag: "Completed" }),
        fc.record({ _tag: fc.constantFrom("Failed", "Aborted"), phase: of(Label.connectionPhase), code: text })
      )
    })
  },
  RequestTurnedAway: { because: of(Label.turnedAway), attempt: count },
  PolicyApplied: { changed: fc.array(text), mode: fc.constantFrom("Normal", "Degraded") },
  PolicyRejected: { because: text },
  ResponseUnread: { method: text, url: text, status: fc.integer(), age: millis, because: fc.constantFrom("Age", "Collected") }
}

// The fields are those of each tag; the compiler cannot see that through the table.
const event = fc.oneof(
  ...Object.entries(fields).map(([tag, own]) =>
    fc.record({ _tag: fc.constant(tag), call: fc.record({ id: count, name: text }), at: millis, ...own })
  )
) as fc.Arbitrary<unknown> as fc.Arbitrary<Event>

// Any method can be sent; the platform's type has the common ones.
const request = fc.tuple(fc.oneof(text, fc.constantFrom("GET", "get", "X1")), fc.oneof(fc.webUrl(), text)).map(([method, url]) =>
  HttpClientRequest.make(method as HttpMethod.HttpMethod)(url)
)

const sent: fc.Arbitrary<Meter.Sent> = fc.tuple(text, request, fc.oneof(fc.integer(), fc.integer({ min: 200, max: 599 }), text), fc.bigInt()).map(
  ([name, request, outcome, nanos]) => ({
    name,
    request,
    nanos,
    exit: typeof outcome === "number"
      // Nothing is read of it but its status, its headers and its request.
      ? Exit.succeed(Object.assign(Object.create(null), { request, status: outcome, headers: {} }) as HttpClientResponse.HttpClientResponse)
      : Exit.fail(new HttpClientError.RequestError({ request, reason: "Transport", cause: Object.assign(new Error(outcome), { code: outcome }) }))
  })
)

const raw: fc.Arbitrary<Measurement.Measurement> = fc.record({
  instrument: fc.constantFrom(...Instrument.all),
  labels: fc.array(text, { maxLength: 8 }),
  value: fc.double()
})

/** Everything that can be told, each kind on the way by which it comes. */
const traffic = fc.array(
  fc.oneof(
    event.map((event) => (_: Meter.Meter, hear: (event: Event) => unknown) => void hear(event)),
    sent.map((sent) => (meter: Meter.Meter) => meter.request(sent)),
    raw.map((measurement) => (meter: Meter.Meter) => meter.record(measurement))
  ),
  { maxLength: 40 }
)

const options = { maxNames: 3, keys: { "https://api.test": "api" }, servers: 2 }

interface Made {
  readonly instrument: Instrument.Instrument
  readonly labels: ReadonlyArray<string>
}

const counting = (given: Series.Options) => {
  const made: Array<Made> = []
  const values: Array<number> = []
  const meter = Series.unsafeMakeWith((instrument, labels) => {
    made.push({ instrument, labels })
    return { unsafeUpdate: (value) => void values.push(value) }
  }, given)
  const { on } = Metrics.listener(meter)
  return { made, values, meter, on }
}

const shown = (made: ReadonlyArray<Made>, kind: Label.Label["values"]) =>
  new Set(made.flatMap(({ instrument, labels }) => labels.filter((_, i) => instrument.labels[i]?.values === kind)))

describe("labels", () => {
  it("are of closed sets, whatever the traffic, and however much of it there is", () => {
    // One meter for all runs: what grows would grow.
    const { made, meter, on } = counting(options)
    fc.assert(
      fc.property(traffic, (all) => {
        for (const each of all) each(meter, on)
      }),
      { numRuns: 3_000 }
    )
    for (const { instrument, labels } of made) {
      assert.strictEqual(labels.length, instrument.labels.length)
      instrument.labels.forEach((label, i) => {
        if (typeof label.values !== "string") assert.include([...label.values, Label.unknown], labels[i])
      })
    }
    assert.isAtMost(shown(made, "names").size, options.maxNames + 1)
    assert.includeMembers(["default", "api", "other"], [...shown(made, "keys")])
    // Of two servers, an address and a port; what is neither, and what is not known.
    assert.isAtMost(shown(made, "servers").size, 2 * options.servers + 2)
    const ids = made.map(({ instrument, labels }) => [instrument.name, ...labels].join("\n"))
    assert.strictEqual(new Set(ids).size, ids.length)
  })

  it("come from every event, and each instrument that is not sampled has one", () => {
    const { made, meter, on } = counting({})
    fc.assert(
      fc.property(fc.array(event), sent, (events, sent) => {
        for (const each of events) on(each)
        meter.request(sent)
      }),
      { numRuns: 1_000, seed: 1 }
    )
    const elsewhere = [
      Instrument.openConnections,
      Instrument.unreadResponses,
      Instrument.budgetBalance,
      Instrument.breakerKeys,
      Instrument.permits,
      Instrument.permitsInUse,
      Instrument.permitsWaiting
    ]
    const recorded = new Set(made.map(({ instrument }) => instrument))
    assert.deepStrictEqual(Instrument.all.filter((instrument) => !recorded.has(instrument) && !elsewhere.includes(instrument)), [])
  })

  it("are not what a key says, unless it is in the list", () => {
    fc.assert(
      fc.property(text, (key) => {
        const { meter } = counting(options)
        const own = Object.entries(options.keys).find(([each]) => each === key)
        assert.strictEqual(meter.key(key), key === "default" ? "default" : own === undefined ? "other" : own[1])
      }),
      { numRuns: 1_000 }
    )
  })

  it("say of a status what RFC 9110 says to take it for", () => {
    fc.assert(
      fc.property(fc.integer({ min: 100, max: 599 }), (status) => {
        const label = Label.ofStatus(status)
        assert.isTrue(label === String(status) || label === `${Math.floor(status / 100)}00`)
      }),
      { numRuns: 1_000 }
    )
    assert.deepStrictEqual([200, 299, 429, 499, 511, 599, 600, 99, Number.NaN, -500].map(Label.ofStatus), [
      "200", "200", "429", "400", "511", "500", "_OTHER", "_OTHER", "_OTHER", "_OTHER"
    ])
  })
})

describe("the methods", () => {
  it("are those that spans have too", () => {
    const methods = Label.requestMethod.values.filter((method) => method !== Label.unknown)
    assert.deepStrictEqual(methods.filter((method) => !Semconv.isKnownMethod(method)), [])
    fc.assert(fc.property(text, (method) => assert.strictEqual(Label.ofMethod(method), Semconv.isKnownMethod(method) ? method : "_OTHER")), {
      numRuns: 1_000
    })
  })
})

describe("what is recorded", () => {
  it("is never less than 0 for a clock that was set back, and a length in seconds", () => {
    fc.assert(
      fc.property(event, (event) => {
        for (const { instrument, value } of Measurement.fromEvent(event, counting({}).meter)) {
          if (instrument.kind === "counter") assert.strictEqual(value, 1)
          else assert.isTrue(value >= 0 && Number.isFinite(value))
        }
      }),
      { numRuns: 1_000 }
    )
  })
})
