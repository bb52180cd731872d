import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Metric from "effect/Metric"
import * as MetricState from "effect/MetricState"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as TestClock from "effect/TestClock"
import type * as Decision from "../../src/core/Decision.ts"
import type { Event } from "../../src/core/Event.ts"
import * as Failure from "../../src/core/Failure.ts"
import { InvalidOption } from "../../src/core/InvalidOption.ts"
import * as Instrument from "../../src/core/Instrument.ts"
import * as Measurement from "../../src/core/Measurement.ts"
import type * as Middleware from "../../src/http/Middleware.ts"
import * as Resilience from "../../src/policy/Resilience.ts"
import * as Bulkhead from "../../src/strategy/Bulkhead.ts"
import * as CircuitBreaker from "../../src/strategy/CircuitBreaker.ts"
import * as Observer from "../../src/strategy/Observer.ts"
import * as RetryBudget from "../../src/strategy/RetryBudget.ts"
import * as Levels from "../../src/telemetry/Levels.ts"
import * as Meter from "../../src/telemetry/Meter.ts"
import * as Metrics from "../../src/telemetry/Metrics.ts"
import * as OpenBreakers from "../../src/telemetry/OpenBreakers.ts"
import * as Series from "../../src/telemetry/Series.ts"
import * as HttpScript from "../../src/testing/HttpScript.ts"

const url = "http://users.test/1"

/** The series of one client, guard or middleware: of the whole process, these are known by a name that no other test has. */
const seriesOf = (name: string) =>
  Effect.map(Metric.snapshot, (pairs) => {
    const found: Record<string, number> = {}
    for (const { metricKey, metricState } of pairs) {
      const labels = Object.fromEntries(metricKey.tags.map(({ key, value }) => [key, value]))
      if (labels["resilience.name"] !== name) continue
      delete labels["resilience.name"]
      delete labels["unit"]
      const id = [metricKey.name, ...Object.values(labels)].join(" ")
      if (MetricState.isCounterState(metricState)) found[id] = Number(metricState.count)
      if (MetricState.isGaugeState(metricState)) found[id] = Number(metricState.value)
      if (MetricState.isHistogramState(metricState)) found[id] = metricState.sum
    }
    return found
  })

/** Without those that are 0. */
const counted = (name: string) =>
  Effect.map(seriesOf(name), (series) => Object.fromEntries(Object.entries(series).filter(([, value]) => value !== 0)))

const measured = <A, E>(
  steps: ReadonlyArray<HttpScript.Step>,
  effect: Effect.Effect<A, E, HttpClient.HttpClient | HttpScript.HttpScript>,
  options?: Metrics.Options
) => effect.pipe(Effect.provide(HttpScript.layer(steps)), Effect.provide(Metrics.layer(options)))

describe("Metrics", () => {
  it.effect("counts calls by outcome, attempts, failures, resends and waits by reason, and lengths in seconds", () =>
    measured(
      [{ status: 503 }, { status: 503, headers: { "retry-after": "7" } }, { status: 200, after: "2 seconds" }, { status: 404 }],
      Effect.gen(function*() {
        const client = (yield* HttpClient.HttpClient).pipe(
          Resilience.withMetrics("m1"),
          Resilience.withRetry({ schedule: Schedule.spaced("100 millis"), maxAttempts: 4, name: "m1" })
        )
        const fiber = yield* Effect.fork(Effect.zipRight(client.get(url), client.get(url)))
        yield* TestClock.adjust("1 minute")
        yield* Fiber.join(fiber)
        assert.deepStrictEqual(yield* counted("m1"), {
          "resilience.calls Succeeded": 1,
          "resilience.calls GaveUp": 1,
          "resilience.give_ups Refused": 1,
          "resilience.attempts": 4,
          "resilience.failures Unavailable": 1,
          "resilience.failures Throttled": 1,
          "resilience.failures Refused": 1,
          "resilience.resends Schedule Unavailable": 1,
          "resilience.resends RetryAfter Throttled": 1,
          "resilience.wait.duration Schedule": 0.1,
          "resilience.wait.duration RetryAfter": 7,
          "http.client.request.duration GET users.test 80 200": 2
        })
        const all = Object.keys(yield* seriesOf("m1"))
        assert.includeMembers(all, ["http.client.request.duration GET users.test 80 503 503", "http.client.request.duration GET users.test 80 404 404"])
      })
    ))

  it("tells a healthy peer that says no from everything else that ends a call at once", () => {
    const asItIs = { name: (name: string) => name, key: (key: string) => key, server: () => ({ address: "", port: "" }) }
    const reasonOf = (because: Decision.GiveUpReason, failure: Failure.Failure) => {
      const end: Event = {
        _tag: "CallEnded",
        call: { id: 1, name: "users" },
        at: 0,
        attempts: 1,
        waited: 0,
        end: { _tag: "GaveUp", because, failure, wait: Option.none() }
      }
      return Measurement.fromEvent(end, asItIs).find(({ instrument }) => instrument === Instrument.giveUps)?.labels[1]
    }
    assert.strictEqual(reasonOf("Terminal", Failure.refused(404)), "Refused")
    assert.strictEqual(reasonOf("Terminal", Failure.untrusted("CERT_HAS_EXPIRED")), "Terminal")
    assert.strictEqual(reasonOf("Terminal", Failure.rejected("CircuitOpen")), "Terminal")
    assert.strictEqual(reasonOf("AttemptsExhausted", Failure.refused(404)), "AttemptsExhausted")
  })

  it.effect("has the counters of a call at 0 before any of them counts", () =>
    Effect.gen(function*() {
      const fiber = yield* Effect.fork(measured([{ after: "1 minute", status: 200 }], Effect.flatMap(HttpClient.HttpClient, (client) =>
        Resilience.withRetry({ name: "m2" })(client).get(url))))
      yield* TestClock.adjust("1 second")
      const series = yield* seriesOf("m2")
      assert.strictEqual(series["resilience.give_ups BudgetExhausted"], 0)
      assert.strictEqual(series["resilience.calls Succeeded"], 0)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(yield* counted("m2"), { "resilience.attempts": 1, "resilience.calls Interrupted": 1 })
    }))

  it.effect("records an attempt that is interrupted, that dies, or that throws, once", () =>
    Effect.gen(function*() {
      const run = (handler: Middleware.Handler<never, never>) =>
        Meter.attempt("m3")(handler)(HttpClientRequest.get(url)).pipe(Effect.provide(Metrics.layer()))
      const fiber = yield* Effect.fork(run(() => Effect.never))
      yield* TestClock.adjust("3 seconds")
      yield* Fiber.interrupt(fiber)
      yield* Effect.exit(run(() => Effect.die("gone")))
      const thrown = yield* Effect.exit(run(() => {
        throw new Error("thrown")
      }))
      assert.isTrue(Exit.isFailure(thrown))
      const series = yield* seriesOf("m3")
      assert.strictEqual(series["http.client.request.duration GET users.test 80 interrupted"], 3)
      assert.strictEqual(series["http.client.request.duration GET users.test 80 defect"], 0)
      assert.strictEqual(Object.keys(series).length, 2)
    }))

  it.effect("names the server of the request as it was sent, and none that is not listed", () =>
    measured(
      [{ status: 200 }, { status: 200 }],
      Effect.gen(function*() {
        const base = yield* HttpClient.HttpClient
        const to = (origin: string) => HttpClient.mapRequest(base, HttpClientRequest.prependUrl(origin))
        yield* Resilience.withMetrics("m4")(to("https://api.test")).get("/1")
        yield* Resilience.withMetrics("m4")(to("http://elsewhere.test")).get("/2")
        assert.deepStrictEqual(Object.keys(yield* seriesOf("m4")), [
          "http.client.request.duration GET api.test 443 200",
          "http.client.request.duration GET other 200"
        ])
      }),
      { servers: ["https://api.test"] }
    ))

  it.effect("records nothing, and asks nothing, where it is not provided", () =>
    Effect.gen(function*() {
      const handler = () => Effect.die("not run")
      const request = HttpClientRequest.get(url)
      const inner = Effect.die("this one")
      const same = yield* Effect.exit(Meter.attempt("m5")(() => inner)(request))
      assert.deepStrictEqual(same, Exit.die("this one"))
      yield* Effect.exit(Meter.attempt("m5")(handler)(request))
      assert.deepStrictEqual(yield* seriesOf("m5"), {})
    }))

  it.effect("goes on telling whoever listened before", () =>
    Effect.gen(function*() {
      const heard: Array<string> = []
      yield* measured([{ status: 200 }], Effect.flatMap(HttpClient.HttpClient, (client) => Resilience.withRetry({ name: "m6" })(client).get(url))).pipe(
        Observer.observe(Observer.sync((event) => void heard.push(event._tag)))
      )
      assert.deepStrictEqual(heard, ["CallStarted", "AttemptStarted", "AttemptEnded", "CallEnded"])
      assert.deepStrictEqual(yield* counted("m6"), { "resilience.attempts": 1, "resilience.calls Succeeded": 1 })
    }))

  it("refuses options that cannot be, at once", () => {
    for (const options of [{ every: 0 }, { every: "1 year" }, { maxNames: -1 }, { maxNames: 1.5 }, { servers: Number.NaN }, { servers: ["api.test"] }, {
      keys: { a: "" }
    }, { keys: { a: "b\nc" } }] as ReadonlyArray<Metrics.Options>) {
      assert.throws(() => Metrics.layer(options), InvalidOption)
    }
  })
})

describe("what is sampled", () => {
  it.effect("is a budget that fills, and permits that are taken, without an event", () =>
    Effect.gen(function*() {
      const budget = yield* RetryBudget.make({ ratio: 0, floorPerSecond: 1, window: "10 seconds" })
      const bulkhead = yield* Bulkhead.make({ permits: 2, queue: 5, name: "m7" })
      const call = Effect.sleep("20 seconds").pipe(Bulkhead.protect({ bulkhead }))
      yield* Effect.gen(function*() {
        assert.strictEqual((yield* seriesOf("m7"))["resilience.budget.balance"], undefined)
        yield* Effect.yieldNow()
        const full = (yield* seriesOf("m7"))["resilience.budget.balance"]
        assert.isAbove(full ?? 0, 0)
        yield* Effect.fork(Effect.all([call, call, call], { concurrency: "unbounded" }))
        yield* TestClock.adjust("5 seconds")
        const busy = yield* seriesOf("m7")
        assert.deepInclude(busy, {
          "resilience.permits.limit default Bulkhead": 2,
          "resilience.permits.in_use default Bulkhead": 2,
          "resilience.permits.waiting default Bulkhead": 1
        })
        yield* TestClock.adjust("1 minute")
        const idle = yield* seriesOf("m7")
        assert.strictEqual(idle["resilience.permits.in_use default Bulkhead"], 0)
        assert.strictEqual(idle["resilience.permits.waiting default Bulkhead"], 0)
      }).pipe(Effect.provide(Metrics.layer({ levels: [Levels.budget("m7", budget), Levels.bulkhead(bulkhead)] })))
    }))

  it.effect("ends with its layer", () =>
    Effect.gen(function*() {
      let reads = 0
      const level: Levels.Level = { read: () => Effect.sync(() => (reads++, [])) }
      yield* Effect.provide(TestClock.adjust("9 seconds"), Metrics.layer({ levels: [level], every: "1 second" }))
      const during = reads
      assert.isAtLeast(during, 9)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(reads, during)
    }))

  it.effect("is read where it is made, below the layer, and nowhere without one", () =>
    Effect.gen(function*() {
      let reads = 0
      const level: Levels.Level = { read: () => Effect.sync(() => (reads++, [])) }
      const watched = Effect.scoped(Effect.zipRight(Levels.watch([level], "1 second"), TestClock.adjust("3500 millis")))
      yield* watched
      assert.strictEqual(reads, 0)
      yield* Effect.provide(watched, Metrics.layer())
      assert.strictEqual(reads, 4)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(reads, 4)
      assert.throws(() => Levels.watch([level], 0), InvalidOption)
    }))

  it.effect("goes on where one level dies, or throws", () =>
    Effect.gen(function*() {
      const broken: Levels.Level = { read: () => Effect.die("broken") }
      const worse: Levels.Level = {
        read: () => {
          throw new Error("worse")
        }
      }
      const well: Levels.Level = { read: (meter) => Effect.succeed([Measurement.make(Instrument.budgetBalance, 4, meter.name("m8"))]) }
      yield* Levels.sample(Series.unsafeMake(), [broken, worse, well, well])
      // What has the same labels adds up.
      assert.deepStrictEqual(yield* seriesOf("m8"), { "resilience.budget.balance": 8 })
    }))
})

describe("open breakers", () => {
  const told = (_tag: "BreakerOpened" | "BreakerHalfOpened" | "BreakerClosed", at: number, key = "http://a.test", openFor = Option.some(5_000)) =>
    ({ _tag, call: { id: 1, name: "b1" }, at, key, generation: 1, because: "test", openFor }) as Event

  const counts = (breakers: OpenBreakers.OpenBreakers) =>
    Effect.map(breakers.read(Meter.none), (read) => read.map(({ labels, value }) => [...labels.slice(1), value]))

  it.effect("are open until their time is over, then half open, then forgotten", () =>
    Effect.gen(function*() {
      const breakers = OpenBreakers.unsafeMake()
      const at = (open: number, halfOpen: number) => [["http://a.test", "Open", open], ["http://a.test", "HalfOpen", halfOpen]]
      assert.deepStrictEqual(yield* counts(breakers), [])
      breakers.hear(told("BreakerOpened", 0))
      assert.deepStrictEqual(yield* counts(breakers), at(1, 0))
      yield* TestClock.adjust(4_999)
      assert.deepStrictEqual(yield* counts(breakers), at(1, 0))
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(yield* counts(breakers), at(0, 1))
      yield* TestClock.adjust("59 minutes")
      assert.deepStrictEqual(yield* counts(breakers), at(0, 1))
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* counts(breakers), at(0, 0))
    }))

  it.effect("are closed when that is told, and stay isolated for as long as it takes", () =>
    Effect.gen(function*() {
      const breakers = OpenBreakers.unsafeMake()
      breakers.hear(told("BreakerOpened", 0, "isolated", Option.none()))
      breakers.hear(told("BreakerOpened", 0, "closed"))
      breakers.hear(told("BreakerHalfOpened", 10, "closed"))
      breakers.hear(told("BreakerClosed", 20, "closed"))
      yield* TestClock.adjust("1 day")
      assert.deepStrictEqual(yield* counts(breakers), [["isolated", "Open", 1], ["isolated", "HalfOpen", 0]])
    }))

  it.effect("keep no more keys than a breaker does", () =>
    Effect.gen(function*() {
      const breakers = OpenBreakers.unsafeMake()
      for (let i = 0; i < 10_100; i++) breakers.hear(told("BreakerOpened", 0, `http://${i}.test`))
      const read = yield* breakers.read({ ...Meter.none, key: () => "other" })
      assert.deepStrictEqual(read.map(({ labels, value }) => [...labels, value]), [["b1", "other", "Open", 10_000], ["b1", "other", "HalfOpen", 0]])
    }))

  it.effect("are those of a real breaker", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker.make({ tripPolicy: CircuitBreaker.consecutive(2), openDuration: "30 seconds", name: "b2" })
      const call = Effect.fail("no").pipe(CircuitBreaker.protect({ breaker, key: "http://a.test" }), Effect.exit)
      yield* Effect.gen(function*() {
        yield* Effect.all([call, call, call])
        yield* TestClock.adjust("5 seconds")
        assert.deepStrictEqual(yield* counted("b2"), {
          "resilience.breaker.transitions a Open": 1,
          "resilience.breaker.keys a Open": 1,
          "resilience.rejections a CircuitBreaker Open": 1
        })
        yield* TestClock.adjust("25 seconds")
        assert.strictEqual((yield* counted("b2"))["resilience.breaker.keys a HalfOpen"], 1)
        yield* Effect.void.pipe(CircuitBreaker.protect({ breaker, key: "http://a.test" }))
        yield* TestClock.adjust("5 seconds")
        assert.deepStrictEqual(yield* counted("b2"), {
          "resilience.breaker.transitions a Open": 1,
          "resilience.breaker.transitions a HalfOpen": 1,
          "resilience.breaker.transitions a Closed": 1,
          "resilience.rejections a CircuitBreaker Open": 1
        })
      }).pipe(Effect.provide(Metrics.layer({ keys: { "http://a.test": "a" } })))
    }))
})
