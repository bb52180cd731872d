import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as TestClock from "effect/TestClock"
import * as fc from "fast-check"
import { InvalidOption } from "../../src/core/InvalidOption.ts"
import * as Deadline from "../../src/http/Deadline.ts"
import * as IdempotencyKey from "../../src/http/IdempotencyKey.ts"
import * as Overrides from "../../src/http/Overrides.ts"
import * as PerRequest from "../../src/http/PerRequest.ts"
import * as Resilience from "../../src/policy/Resilience.ts"
import * as RetryBudget from "../../src/strategy/RetryBudget.ts"
import * as HttpScript from "../../src/testing/HttpScript.ts"

const url = "http://users.test/1"
const busy = HttpScript.layer([{ status: 503 }], { atEnd: "repeatLast" })
const hanging = HttpScript.layer(["hang"], { atEnd: "repeatLast" })

/** Attempts at 0, 1 and 2 s, of at most 10 s each, within 1 minute. */
const client = Effect.map(HttpClient.HttpClient, (wire) =>
  wire.pipe(
    Resilience.withAttemptTimeout("10 seconds"),
    Resilience.withRetry({ schedule: Schedule.spaced("1 second"), maxAttempts: 3 }),
    Resilience.withIdempotencyKey(),
    Resilience.withDeadline("1 minute")
  ))

/** When attempts were made, in a run of the clock that is longer than any call here. */
const timelineOf = <A, E, R>(call: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.fork(Effect.exit(call))
    yield* TestClock.adjust("10 minutes")
    yield* Fiber.join(fiber)
    return yield* HttpScript.timeline
  })

const keys = Effect.map(HttpScript.requests, (requests) => requests.map(({ headers }) => headers["idempotency-key"]))

describe("an override of one call", () => {
  const rows: ReadonlyArray<readonly [string, Overrides.Options, ReadonlyArray<number>]> = [
    ["nothing", {}, [0, 1000, 2000]],
    ["no retry", { retry: "none" }, [0]],
    ["fewer attempts", { retry: { maxAttempts: 2 } }, [0, 1000]],
    ["more attempts", { retry: { maxAttempts: 5 } }, [0, 1000, 2000, 3000, 4000]],
    ["another schedule, and as many attempts", { retry: { schedule: Schedule.spaced("5 seconds") } }, [0, 5000, 10_000]],
    ["both", { retry: { schedule: Schedule.spaced("5 seconds"), maxAttempts: 2 } }, [0, 5000]],
    ["a deadline that leaves time for two", { deadline: "1500 millis" }, [0, 1000]],
    ["what a hedge would do", { hedge: { delay: 0, maxAttempts: 5 } }, [0, 1000, 2000]]
  ]
  for (const [name, options, expected] of rows) {
    it.effect(`has ${name}, and the next call has not`, () =>
      Effect.gen(function*() {
        const users = yield* client
        assert.deepStrictEqual(yield* timelineOf(users.get(url).pipe(Resilience.override(options))), expected)
        yield* timelineOf(users.get(url))
        const start = 600_000
        assert.deepStrictEqual((yield* HttpScript.timeline).slice(expected.length), [start, start + 1000, start + 2000])
      }).pipe(Effect.provide(busy)))
  }

  it.effect("has a longer limit for an attempt, a shorter one, and none", () =>
    Effect.gen(function*() {
      const users = yield* client
      const long = yield* timelineOf(users.get(url).pipe(Resilience.override({ attemptTimeout: "20 seconds" })))
      assert.deepStrictEqual(long, [0, 21_000, 42_000])
      const short = yield* timelineOf(users.get(url).pipe(Resilience.override({ attemptTimeout: "2 seconds" })))
      assert.deepStrictEqual(short.slice(3), [600_000, 603_000, 606_000])
      const error = yield* Effect.fork(Effect.flip(users.get(url).pipe(Resilience.override({ attemptTimeout: "none", deadline: "3 minutes" }))))
      yield* TestClock.adjust("179 seconds")
      assert.strictEqual(error.unsafePoll(), null)
      yield* TestClock.adjust("1 seconds")
      assert.strictEqual((yield* Fiber.join(error))._tag, "DeadlineExceeded")
      assert.strictEqual((yield* HttpScript.timeline).length, 7)
    }).pipe(Effect.provide(hanging)))

  it.effect("has a limit where the client's is infinity, and no deadline later than the caller's", () =>
    Effect.gen(function*() {
      const users = (yield* HttpClient.HttpClient).pipe(
        Resilience.withAttemptTimeout(Infinity),
        Resilience.withDeadline(Infinity)
      )
      const fork = (options: Overrides.Options) => Effect.fork(Effect.flip(users.get(url).pipe(Resilience.override(options))))
      const late = yield* fork({ attemptTimeout: "1 seconds" })
      const inherited = yield* Effect.fork(Effect.flip(users.get(url).pipe(Resilience.override({ deadline: "1 hours" }), Deadline.within("3 seconds"))))
      yield* TestClock.adjust("1 seconds")
      assert.strictEqual((yield* Fiber.join(late))._tag, "AttemptTimeout")
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual((yield* Fiber.join(inherited))._tag, "DeadlineExceeded")
    }).pipe(Effect.provide(hanging)))

  it.effect("pays with another budget", () =>
    Effect.gen(function*() {
      const poor = yield* RetryBudget.make({ floorPerSecond: 0, ratio: 0.01 })
      const users = (yield* HttpClient.HttpClient).pipe(Resilience.withRetry({ schedule: Schedule.spaced("1 second"), budget: poor, maxAttempts: 3 }))
      assert.deepStrictEqual(yield* timelineOf(users.get(url)), [0])
      const rich = users.get(url).pipe(Resilience.override({ budget: RetryBudget.unlimited }))
      assert.deepStrictEqual((yield* timelineOf(rich)).slice(1), [600_000, 601_000, 602_000])
    }).pipe(Effect.provide(busy)))

  it.effect("sends a POST again where it says recklessly, and only there", () =>
    Effect.gen(function*() {
      const users = (yield* HttpClient.HttpClient).pipe(Resilience.withRetry({ schedule: Schedule.spaced("1 second"), maxAttempts: 2 }))
      assert.deepStrictEqual(yield* timelineOf(users.post(url).pipe(Resilience.override({ retry: { maxAttempts: 5 } }))), [0])
      const recklessly = users.post(url).pipe(Resilience.override({ retry: { resend: "recklessly" } }))
      assert.deepStrictEqual((yield* timelineOf(recklessly)).slice(1), [600_000, 601_000])
    }).pipe(Effect.provide(busy)))

  it.effect("is not hedged where it has no retry, or no hedge", () =>
    Effect.gen(function*() {
      const users = (yield* HttpClient.HttpClient).pipe(
        Resilience.withAttemptTimeout("30 seconds"),
        Resilience.withHedge({ delay: "1 second" })
      )
      const times = (options: Overrides.Options) => timelineOf(users.get(url).pipe(Resilience.override(options)))
      assert.deepStrictEqual(yield* times({}), [0, 1000])
      assert.deepStrictEqual((yield* times({ retry: "none" })).slice(2), [600_000])
      assert.deepStrictEqual((yield* times({ hedge: "none" })).slice(3), [1_200_000])
      assert.deepStrictEqual((yield* times({ hedge: { delay: "3 seconds", maxAttempts: 3 } })).slice(4), [1_800_000, 1_803_000, 1_806_000])
      assert.deepStrictEqual((yield* times({ retry: "none", hedge: { maxAttempts: 2 } })).slice(7), [2_400_000, 2_401_000])
    }).pipe(Effect.provide(hanging)))
})

describe("an idempotency key of an override", () => {
  it.effect("is the key of all attempts of that request, of any method", () =>
    Effect.gen(function*() {
      const users = yield* client
      yield* timelineOf(users.post(url).pipe(Resilience.override({ idempotencyKey: "order-42" })))
      yield* timelineOf(users.get(url).pipe(Resilience.override({ idempotencyKey: "order-43" })))
      assert.deepStrictEqual(yield* keys, [..."222"].map(() => "order-42").concat(["order-43", "order-43", "order-43"]))
    }).pipe(Effect.provide(busy)))

  it.effect("is not given to another request of the same scope, and is to the same one again", () =>
    Effect.gen(function*() {
      const users = yield* client
      const first = users.post(url)
      const error = yield* Effect.flip(
        Effect.zip(Effect.zip(first, first), users.post("http://users.test/2")).pipe(Resilience.override({ idempotencyKey: "order-42" }))
      )
      assert.strictEqual(error._tag === "RequestError" && error.reason, "Encode")
      assert.instanceOf(error._tag === "RequestError" && error.cause, IdempotencyKey.InvalidIdempotencyKey)
      assert.deepStrictEqual(yield* keys, ["order-42", "order-42"])
    }).pipe(Effect.provide(HttpScript.layer([{ status: 200 }], { atEnd: "repeatLast" }))))

  it.effect("is for one of two requests that are sent at the same time", () =>
    Effect.gen(function*() {
      const users = yield* client
      const both = Effect.all([Effect.exit(users.post(url)), Effect.exit(users.post("http://users.test/2"))], { concurrency: 2 })
      const exits = yield* both.pipe(Resilience.override({ idempotencyKey: "order-42" }))
      assert.deepStrictEqual(exits.map(({ _tag }) => _tag), ["Success", "Failure"])
    }).pipe(Effect.provide(HttpScript.layer([{ status: 200 }]))))

  it.effect("does not take the place of one that the request carries, and is checked as that is", () =>
    Effect.gen(function*() {
      const users = yield* client
      const own = HttpClientRequest.post(url).pipe(HttpClientRequest.setHeader("idempotency-key", "own"))
      yield* users.execute(own).pipe(Resilience.override({ idempotencyKey: "order-42" }))
      const error = yield* Effect.flip(users.post(url).pipe(Resilience.override({ idempotencyKey: "a\r\nb" })))
      assert.strictEqual(error._tag, "RequestError")
      assert.deepStrictEqual(yield* keys, ["own"])
    }).pipe(Effect.provide(HttpScript.layer([{ status: 200 }]))))
})

describe("overrides that meet", () => {
  it("are joined in any order of joining, and nothing changes nothing", () => {
    const some = <A>(...values: ReadonlyArray<A>) => fc.option(fc.constantFrom(...values), { nil: undefined })
    const retry = fc.record<Overrides.RetryOptions>({ maxAttempts: some(1, 2, 5), givenUp: some("final", "recklessly"), resend: some("idempotent", "recklessly") })
    const hedge = fc.record<Overrides.HedgeOptions>({ delay: some(0, 5), maxAttempts: some(1, 2), resend: some("idempotent", "recklessly") })
    const options: fc.Arbitrary<Overrides.Overrides> = fc.record<Overrides.Options>({
      retry: fc.option(fc.oneof(fc.constant("none" as const), retry), { nil: undefined }),
      hedge: fc.option(fc.oneof(fc.constant("none" as const), hedge), { nil: undefined }),
      budget: some(RetryBudget.unlimited),
      attemptTimeout: some<"none" | number>("none", 1, 2),
      deadline: some<"none" | number>("none", 1, 2),
      idempotencyKey: some("a", "b"),
      reach: some("call", "nested")
    }).map(Overrides.make)
    const plain = (self: Overrides.Overrides) => JSON.parse(JSON.stringify({ ...self, budget: self.budget !== undefined }))
    fc.assert(fc.property(options, options, options, (a, b, c) => {
      const { merge } = Overrides
      assert.deepStrictEqual(plain(merge(merge(a, b), c)), plain(merge(a, merge(b, c))))
      assert.deepStrictEqual(plain(merge(Overrides.make({}), a)), plain(a))
      assert.deepStrictEqual(plain(merge(a, Overrides.make({}))), plain(a))
    }), { numRuns: 2_000 })
  })

  it.effect("hold field by field: the inner scope, then the outer, then the client", () =>
    Effect.gen(function*() {
      const users = yield* client
      const call = users.get(url).pipe(
        Resilience.override({ retry: { maxAttempts: 2 } }),
        Resilience.override({ retry: { maxAttempts: 5, schedule: Schedule.spaced("4 seconds") }, deadline: "1 seconds" }),
        Resilience.override({ deadline: "30 seconds" })
      )
      assert.deepStrictEqual(yield* timelineOf(call), [0])
      const without = users.get(url).pipe(
        Resilience.override({ retry: { maxAttempts: 2 }, deadline: "30 seconds" }),
        Resilience.override({ retry: { maxAttempts: 5, schedule: Schedule.spaced("4 seconds") }, deadline: "1 seconds" })
      )
      assert.deepStrictEqual((yield* timelineOf(without)).slice(1), [600_000, 604_000])
      const again = users.get(url).pipe(Resilience.override({ retry: { maxAttempts: 2 } }), Resilience.override({ retry: "none" }))
      assert.deepStrictEqual((yield* timelineOf(again)).slice(3), [1_200_000, 1_201_000])
      const still = users.get(url).pipe(Resilience.override({ retry: { schedule: Schedule.spaced(0) } }), Resilience.override({ retry: "none" }))
      assert.deepStrictEqual((yield* timelineOf(still)).slice(5), [1_800_000])
    }).pipe(Effect.provide(busy)))

  it.effect("hold for each fiber as its own scope says", () =>
    Effect.gen(function*() {
      const users = yield* client
      const timeline = yield* timelineOf(Effect.all([
        users.get("http://users.test/a").pipe(Resilience.override({ retry: "none" })),
        users.get("http://users.test/b").pipe(Resilience.override({ retry: { maxAttempts: 2 } })),
        users.get("http://users.test/c")
      ], { concurrency: 3 }))
      assert.deepStrictEqual(timeline, [0, 0, 0, 1000, 1000, 2000])
      const urls = (yield* HttpScript.requests).map((request) => request.url.slice(-1))
      assert.deepStrictEqual(["a", "b", "c"].map((name) => urls.filter((each) => each === name).length), [1, 2, 3])
    }).pipe(Effect.provide(busy)))

  for (const [reach, expected] of [["call", 3], ["nested", 1], [undefined, 3]] as const) {
    it.effect(`a token that a call needs is fetched with those of the call: reach ${reach}, ${expected} attempts`, () =>
      Effect.gen(function*() {
        const tokens = yield* client
        const users = (yield* HttpClient.HttpClient).pipe(
          HttpClient.mapRequestEffect((request) =>
            Effect.as(Effect.ignore(tokens.get("http://tokens.test/new")), HttpClientRequest.setHeader(request, "x", "y"))),
          Resilience.withRetry({ schedule: Schedule.spaced("1 second"), maxAttempts: 3 })
        )
        yield* timelineOf(users.get(url).pipe(Resilience.override({ retry: "none", reach })))
        const urls = (yield* HttpScript.requests).map((request) => new URL(request.url).hostname)
        assert.deepStrictEqual(urls, [...Array.from({ length: expected }, () => "tokens.test"), "users.test"])
      }).pipe(Effect.provide(busy)))
  }

  it.effect("hold where a call is redirected to", () =>
    Effect.gen(function*() {
      const users = (yield* HttpClient.HttpClient).pipe(
        Resilience.withAttemptTimeout("10 seconds"),
        Resilience.withRedirects(),
        Resilience.withRetry({ maxAttempts: 1 })
      )
      const fiber = yield* Effect.fork(Effect.flip(users.get(url).pipe(Resilience.override({ attemptTimeout: "2 seconds" }))))
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual((yield* Fiber.join(fiber))._tag, "AttemptTimeout")
      assert.strictEqual((yield* HttpScript.requests)[1]?.url, "http://users.test/moved")
    }).pipe(Effect.provide(HttpScript.layer([{ status: 307, headers: { location: "/moved" } }, "hang"]))))

  it.effect("a call on the way has what its own scope says", () =>
    Effect.gen(function*() {
      const tokens = yield* client
      const token = tokens.get("http://tokens.test/new").pipe(Resilience.override({ retry: { maxAttempts: 2 } }), Effect.ignore)
      const users = (yield* HttpClient.HttpClient).pipe(
        HttpClient.mapRequestEffect((request) => Effect.as(token, request)),
        Resilience.withRetry({ schedule: Schedule.spaced("1 second"), maxAttempts: 3 })
      )
      yield* timelineOf(users.get(url).pipe(Resilience.override({ retry: "none" })))
      assert.strictEqual((yield* HttpScript.requests).length, 3)
    }).pipe(Effect.provide(busy)))
})

describe("rules by request", () => {
  const ruled = (options: PerRequest.Options) => Effect.map(client, Resilience.withPerRequest(options))

  it.effect("hold for the methods and paths that they name; the first that is met holds alone", () =>
    Effect.gen(function*() {
      const users = yield* ruled([
        { when: { methods: ["get"], paths: ["/health", /^\/live$/g] }, use: { retry: "none" } },
        { when: { paths: ["/slow/*"] }, use: { retry: { maxAttempts: 2 } } },
        { when: { methods: ["GET"] }, use: { retry: { maxAttempts: 4 }, deadline: "10 minutes" } }
      ])
      const attempts = (call: Effect.Effect<unknown, unknown>) =>
        Effect.gen(function*() {
          const before = (yield* HttpScript.timeline).length
          return (yield* timelineOf(call)).length - before
        })
      const rows: ReadonlyArray<readonly [Effect.Effect<unknown, unknown>, number]> = [
        [users.get("http://users.test/health?deep=1#x"), 1],
        [users.get("http://users.test/a/../health"), 1],
        [users.get("http://users.test/live"), 1],
        [users.get("http://users.test/live"), 1],
        [users.get("http://users.test/health/"), 4],
        [users.post("http://users.test/health"), 3],
        [users.get("http://users.test/slow/a"), 2],
        [users.get("http://users.test/slow"), 4],
        [users.get("http://users.test/slow/../fast"), 4],
        [users.get("http://users.test/health").pipe(Resilience.override({ retry: { maxAttempts: 2 } })), 2],
        [users.get("http://users.test/slow/a").pipe(Resilience.override({ deadline: "500 millis" })), 1]
      ]
      for (const [index, [call, expected]] of rows.entries()) assert.strictEqual(yield* attempts(call), expected, `row ${index}`)
    }).pipe(Effect.provide(busy)))

  it.effect("may be a function of the request, which may have a key for each", () =>
    Effect.gen(function*() {
      const users = yield* ruled((request) =>
        request.method === "POST" ? { idempotencyKey: request.url.slice(-7), retry: "none" } : undefined)
      const orders = Effect.zip(users.post("http://users.test/order-1"), users.post("http://users.test/order-2"))
      yield* timelineOf(orders)
      yield* timelineOf(orders.pipe(Resilience.override({ retry: { maxAttempts: 2 } })))
      assert.deepStrictEqual(yield* keys, ["order-1", "order-2", "order-1", "order-1", "order-2", "order-2"])
    }).pipe(Effect.provide(busy)))

  it("cannot be with a key, without a list, or with a path that is none", () => {
    const rules: ReadonlyArray<unknown> = [
      { when: {}, use: { idempotencyKey: "k" } },
      { when: { methods: [] }, use: {} },
      { when: { paths: [] }, use: {} },
      { when: { paths: ["health"] }, use: {} },
      { when: { paths: ["/a*"] }, use: {} },
      { when: { paths: ["/*/a"] }, use: {} },
      { when: {}, use: { retry: { maxAttempts: 0 } } }
    ]
    for (const rule of rules) assert.throws(() => PerRequest.middleware([rule as PerRequest.Rule]), InvalidOption)
  })

  it("read no path from what is no URL", () => {
    for (const url of ["http://", "http://[", "http://a b/"]) assert.strictEqual(PerRequest.path(url), "")
  })
})

describe("options that cannot be", () => {
  const bad: ReadonlyArray<unknown> = [
    { retry: "some" },
    { retry: { maxAttempts: 0 } },
    { retry: { maxAttempts: NaN } },
    { retry: { maxAttempts: 1.5 } },
    { retry: { resend: "reckless" } },
    { retry: { givenUp: "never" } },
    { hedge: { maxAttempts: 6 } },
    { hedge: { delay: -1 } },
    { hedge: { resend: "" } },
    { hedge: false },
    { attemptTimeout: 0 },
    { attemptTimeout: -1 },
    { attemptTimeout: NaN },
    { deadline: 0 },
    { deadline: "soon" },
    { idempotencyKey: "" },
    { reach: "all" }
  ]
  for (const options of bad) {
    it(`throw where they are made: ${JSON.stringify(options)}`, () => {
      assert.throws(() => Resilience.override(options as Overrides.Options), InvalidOption)
    })
  }
})
