import * as HttpApi from "@effect/platform/HttpApi"
import * as HttpApiClient from "@effect/platform/HttpApiClient"
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import { layerContext } from "@effect/platform-node/NodeHttpServer"
import * as Rpc from "@effect/rpc/Rpc"
import * as RpcClient from "@effect/rpc/RpcClient"
import * as RpcGroup from "@effect/rpc/RpcGroup"
import * as RpcSerialization from "@effect/rpc/RpcSerialization"
import * as RpcServer from "@effect/rpc/RpcServer"
import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import * as path from "node:path"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as MetricState from "effect/MetricState"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/TestClock"
import * as Classifier from "../../src/core/Classifier.ts"
import * as Failure from "../../src/core/Failure.ts"
import * as Outcome from "../../src/core/Outcome.ts"
import * as DropIn from "../../src/http/DropIn.ts"
import * as Resilience from "../../src/policy/Resilience.ts"
import * as ResilientClient from "../../src/policy/ResilientClient.ts"
import * as Strategy from "../../src/policy/Strategy.ts"
import * as CircuitBreaker from "../../src/strategy/CircuitBreaker.ts"
import * as RetryBudget from "../../src/strategy/RetryBudget.ts"
import * as Metrics from "../../src/telemetry/Metrics.ts"
import * as HttpScript from "../../src/testing/HttpScript.ts"
import * as Recorder from "../../src/testing/Recorder.ts"
import * as Fault from "../support/faults.ts"
import { type Handler, serve } from "../support/server.ts"
import { onEachTransport } from "../support/transports.ts"

const url = "http://users.test/1"
const quickly = { schedule: Schedule.recurs(4) }

/** Advances the test clock while an effect runs, and gives what came out. */
const after = <A, E, R>(time: Duration.DurationInput, effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.fork(effect)
    yield* TestClock.adjust(time)
    return yield* Fiber.await(fiber)
  })

describe("the defaults", () => {
  it.effect("three attempts, and the last response as it came", () =>
    Effect.gen(function*() {
      const client = yield* ResilientClient.make()
      const exit = yield* after("1 minute", client.get(url))
      assert.strictEqual((yield* exit).status, 503)
      assert.strictEqual((yield* HttpScript.requests).length, 3)
    }).pipe(Effect.provide(HttpScript.layer([{ status: 503 }], { atEnd: "repeatLast" }))))

  it.effect("10 s for an attempt: not after 9.999, but after 10", () =>
    Effect.gen(function*() {
      const client = yield* ResilientClient.make({ retry: "none" })
      const fiber = yield* Effect.fork(Effect.flip(client.get(url)))
      yield* TestClock.adjust(9_999)
      assert.strictEqual(fiber.unsafePoll(), null)
      yield* TestClock.adjust(1)
      assert.strictEqual((yield* Fiber.join(fiber))._tag, "AttemptTimeout")
    }).pipe(Effect.provide(HttpScript.layer(["hang"]))))

  it.effect("30 s for a call, its body included", () =>
    Effect.gen(function*() {
      const client = yield* ResilientClient.make()
      const fiber = yield* Effect.fork(Effect.flatMap(client.get(url), (response) => Effect.flip(response.text)))
      yield* TestClock.adjust(29_999)
      assert.strictEqual(fiber.unsafePoll(), null)
      yield* TestClock.adjust(1)
      const error = yield* Fiber.join(fiber)
      assert.strictEqual(error.reason, "Decode")
      assert.propertyVal(error.cause, "_tag", "DeadlineExceeded")
    }).pipe(Effect.provide(HttpScript.layer([{ status: 200, body: { chunks: ["a"], ending: "hang" } }]))))

  it.effect("a hint of 60 s is too long for a deadline of 30 s, and one of 20 s is waited for", () =>
    Effect.gen(function*() {
      const client = yield* ResilientClient.make()
      assert.strictEqual((yield* yield* after("0 seconds", client.get(url))).status, 503)
      assert.strictEqual((yield* yield* after("20 seconds", client.get(url))).status, 200)
      assert.deepStrictEqual(yield* HttpScript.timeline, [0, 0, 20_000])
    }).pipe(Effect.provide(HttpScript.layer([
      { status: 503, headers: { "retry-after": "60" } },
      { status: 503, headers: { "retry-after": "20" } },
      { status: 200 }
    ]))))

  it.effect("no key, so a POST is sent once", () =>
    Effect.gen(function*() {
      const client = yield* ResilientClient.make()
      assert.strictEqual((yield* yield* after("1 minute", client.post(url))).status, 503)
      const requests = yield* HttpScript.requests
      assert.strictEqual(requests.length, 1)
      assert.notProperty(requests[0]?.headers, "idempotency-key")
    }).pipe(Effect.provide(HttpScript.layer([{ status: 503 }], { atEnd: "repeatLast" }))))

  it.effect("one span for the call and one for each attempt", () =>
    Effect.gen(function*() {
      const client = yield* ResilientClient.make({ name: "users" })
      yield* after("1 minute", client.get(url))
      const spans = yield* Effect.flatMap(Recorder.Recorder, (recorder) => recorder.spans)
      assert.deepStrictEqual(spans.map((span) => [span.name, span.kind]), [
        ["users", "internal"],
        ["GET", "client"],
        ["GET", "client"]
      ])
      assert.deepStrictEqual(Recorder.open(spans), [])
    }).pipe(Effect.provide(HttpScript.layer([{ status: 503 }, { status: 200 }])), Effect.provide(Recorder.layer)))
})

describe("the module", () => {
  const root = path.resolve(import.meta.dirname, "../../src")

  /** What a module brings along, types aside. */
  const imported = (file: string, seen: Set<string> = new Set()): ReadonlySet<string> => {
    if (seen.has(file)) return seen
    seen.add(file)
    for (const [, specifier = ""] of readFileSync(path.join(root, file), "utf8").matchAll(/^(?:import|export) (?!type )[^;]*?from "([^"]+)"$/gm)) {
      if (specifier.startsWith(".")) imported(path.join(path.dirname(file), specifier), seen)
      else seen.add(specifier)
    }
    return seen
  }

  it("brings along no schema, no policy, and no strategy that is not there by default", () => {
    const all = [...imported("policy/ResilientClient.ts")]
    assert.include(all, "http/Retry.ts")
    assert.deepStrictEqual(all.filter((each) => /^effect\/(Schema|ParseResult|JSONSchema|Config)/.test(each)), [])
    assert.deepStrictEqual(all.filter((each) => each.startsWith("policy/")), ["policy/ResilientClient.ts", "policy/Order.ts"])
    const absent = /(CircuitBreaker|Bulkhead|AdaptiveLimit|AdaptiveThrottle|RateLimit|Fallback|Chaos|Endpoints|Redirect)\.ts$/
    assert.deepStrictEqual(all.filter((each) => absent.test(each)), [])
    assert.includeMembers([...imported("policy/PolicyClient.ts")], ["http/Chaos.ts", "strategy/CircuitBreaker.ts"])
  })
})

describe("each strategy", () => {
  it.effect("can be left out", () =>
    Effect.gen(function*() {
      const client = yield* ResilientClient.make({ attemptTimeout: "none", retry: "none", deadline: "none" })
      const fiber = yield* Effect.fork(client.get(url))
      yield* TestClock.adjust("1 day")
      assert.strictEqual(fiber.unsafePoll(), null)
      yield* Fiber.interrupt(fiber)
    }).pipe(Effect.provide(HttpScript.layer(["hang"]))))

  it.effect("a key under a name of one's own opens the gate of the retry", () =>
    Effect.gen(function*() {
      const client = yield* ResilientClient.make({ retry: quickly, idempotencyKey: Strategy.idempotencyKey({ header: "X-Request-Key" }) })
      assert.strictEqual((yield* client.post(url)).status, 201)
      const keys = (yield* HttpScript.requests).map((request) => request.headers["x-request-key"])
      assert.strictEqual(keys.length, 2)
      assert.isString(keys[0])
      assert.strictEqual(keys[0], keys[1])
    }).pipe(Effect.provide(HttpScript.layer([{ status: 503 }, { status: 201 }]))))

  it("is checked when the client is made", () => {
    const options: ReadonlyArray<readonly [ResilientClient.Options, RegExp]> = [
      [{ retry: { maxAttempts: 0 } }, /maxAttempts.*0/],
      [{ retry: { maxAttempts: NaN } }, /maxAttempts.*NaN/],
      [{ attemptTimeout: -1 }, /limit.*-1/],
      [{ attemptTimeout: { limit: NaN } }, /limit.*NaN/],
      [{ deadline: 0 }, /limit.*0/]
    ]
    for (const [option, message] of options) assert.throws(() => ResilientClient.middleware(option), message)
  })
})

it.effect("counts the time of its attempts under its name, where metrics are wanted", () =>
  Effect.gen(function*() {
    const client = yield* ResilientClient.make({ name: "users", retry: quickly })
    yield* client.get(url)
    const durations = (yield* Metric.snapshot).filter(({ metricKey }) => metricKey.name === "http.client.request.duration")
    const mine = durations.filter(({ metricKey }) => [...metricKey.tags].some(({ value }) => value === "users"))
    const counts = mine.map(({ metricState }) => MetricState.isHistogramState(metricState) ? metricState.count : 0)
    assert.strictEqual(counts.reduce((sum, count) => sum + count, 0), 2)
  }).pipe(Effect.provide(HttpScript.layer([{ status: 503 }, { status: 200 }])), Effect.provide(Metrics.layer())))

describe("the budget", () => {
  const outage = HttpScript.layer([{ status: 503 }], { atEnd: "repeatLast" })
  const hundred = (client: HttpClient.HttpClient.With<unknown>) => after("1 millis", Effect.replicateEffect(Effect.exit(client.get(url)), 100))
  const atOnce = { schedule: Schedule.recurs(4) }

  it.effect("is there by default: a hundred calls in an outage are a reserve of ten resends, and no more", () =>
    Effect.gen(function*() {
      yield* hundred(yield* ResilientClient.make({ retry: atOnce }))
      assert.lengthOf(yield* HttpScript.requests, 110)
    }).pipe(Effect.provide(outage)))

  it.effect("belongs to one client, also where two are made of the same options", () =>
    Effect.gen(function*() {
      const making = ResilientClient.make({ retry: atOnce })
      yield* hundred(yield* making)
      yield* hundred(yield* making)
      assert.lengthOf(yield* HttpScript.requests, 220)
    }).pipe(Effect.provide(outage)))

  it.effect("that was made before is shared by all who are given it", () =>
    Effect.gen(function*() {
      const budget = yield* RetryBudget.make()
      yield* hundred(yield* ResilientClient.make({ retry: atOnce, budget }))
      yield* hundred(yield* ResilientClient.make({ retry: atOnce, budget }))
      assert.lengthOf(yield* HttpScript.requests, 210)
    }).pipe(Effect.provide(outage)))

  it.effect("can be made for each client in another way, or be none", () =>
    Effect.gen(function*() {
      yield* hundred(yield* ResilientClient.make({ retry: atOnce, budget: RetryBudget.make({ floorPerSecond: 2 }) }))
      assert.lengthOf(yield* HttpScript.requests, 120)
      yield* hundred(yield* ResilientClient.make({ retry: { maxAttempts: 3, ...atOnce }, budget: RetryBudget.unlimited }))
      assert.lengthOf(yield* HttpScript.requests, 420)
    }).pipe(Effect.provide(outage)))

  it.effect("pays for hedges too", () =>
    Effect.gen(function*() {
      const client = yield* ResilientClient.make({ hedge: Strategy.hedge({ delay: "1 second" }), budget: RetryBudget.none, attemptTimeout: "none" })
      const fiber = yield* Effect.fork(client.get(url))
      yield* TestClock.adjust("2 seconds")
      assert.lengthOf(yield* HttpScript.requests, 1)
      yield* Fiber.interrupt(fiber)
    }).pipe(Effect.provide(HttpScript.layer(["hang"], { atEnd: "repeatLast" }))))
})

describe("strategies", () => {
  it.effect("remember for the client that they were made with", () =>
    Effect.gen(function*() {
      const making = ResilientClient.make({
        retry: "none",
        circuitBreaker: Strategy.circuitBreaker({ tripPolicy: CircuitBreaker.consecutive(1) })
      })
      const [first, second] = [yield* making, yield* making]
      yield* first.get(url)
      assert.propertyVal(yield* Effect.flip(first.get(url)), "_tag", "CircuitOpen")
      assert.strictEqual((yield* second.get(url)).status, 503)
    }).pipe(Effect.provide(HttpScript.layer([{ status: 503 }], { atEnd: "repeatLast" }))))

  it.effect("of a handle are shared", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker.make({ tripPolicy: CircuitBreaker.consecutive(1) })
      const making = ResilientClient.make({ retry: "none", circuitBreaker: Strategy.circuitBreaker({ breaker }) })
      yield* (yield* making).get(url)
      assert.propertyVal(yield* Effect.flip((yield* making).get(url)), "_tag", "CircuitOpen")
    }).pipe(Effect.provide(HttpScript.layer([{ status: 503 }], { atEnd: "repeatLast" }))))

  it.effect("have the classifier of the client, unless they have their own", () =>
    Effect.gen(function*() {
      const conflict = Classifier.override(
        Classifier.http,
        Classifier.onStatus("conflict", [409], ({ status }) => Outcome.failed(Failure.unavailable({ status })))
      )
      const tripPolicy = CircuitBreaker.consecutive(1)
      const breaking = (circuitBreaker: ReturnType<typeof Strategy.circuitBreaker>) =>
        Effect.flatMap(ResilientClient.make({ retry: "none", classifier: conflict, circuitBreaker }), (client) =>
          Effect.zipRight(client.get(url), Effect.exit(client.get(url))))
      assert.isTrue(Exit.isFailure(yield* breaking(Strategy.circuitBreaker({ tripPolicy }))))
      assert.isTrue(Exit.isSuccess(yield* breaking(Strategy.circuitBreaker({ tripPolicy, classifier: Classifier.http }))))
      const retrying = yield* ResilientClient.make({ retry: { schedule: Schedule.recurs(1) }, classifier: conflict })
      const before = (yield* HttpScript.requests).length
      yield* retrying.get(url)
      assert.strictEqual((yield* HttpScript.requests).length - before, 2)
    }).pipe(Effect.provide(HttpScript.layer([{ status: 409 }], { atEnd: "repeatLast" }))))

  it.effect("stand where the table says: no permit is held while a retry waits, and the fallback comes after the last attempt", () =>
    Effect.gen(function*() {
      const client = yield* ResilientClient.make({
        retry: { schedule: Schedule.spaced("1 second"), maxAttempts: 2 },
        bulkhead: Strategy.bulkhead({ permits: 1 }),
        fallback: Strategy.fallback({ value: { status: 203 } })
      })
      const calls = yield* Effect.fork(Effect.all([client.get(url), Effect.delay(client.get(url), "500 millis")], { concurrency: 2 }))
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual((yield* Fiber.join(calls)).map(({ status }) => status), [203, 203])
      assert.deepStrictEqual(yield* HttpScript.timeline, [0, 500, 1000, 1500])
    }).pipe(Effect.provide(HttpScript.layer([{ status: 503 }], { atEnd: "repeatLast" }))))

  it("cannot be a retry and a hedge at once", () => {
    const hedge = Strategy.hedge({ delay: "1 second" })
    assert.throws(() => ResilientClient.make({ retry: {}, hedge }), /retry must be left out, or "none", where there is a hedge/)
    assert.doesNotThrow(() => ResilientClient.make({ retry: "none", hedge }))
  })

  it("are checked where they are written", () => {
    const mistakes: ReadonlyArray<() => unknown> = [
      () => Strategy.hedge({ delay: -1 }),
      () => Strategy.hedge({ delay: { fallback: "1 second", quantile: 2 } }),
      () => Strategy.hedge({ delay: "1 second", maxAttempts: 6 }),
      () => Strategy.bulkhead({ permits: 0 }),
      () => Strategy.circuitBreaker({ probes: 0 }),
      () => Strategy.rateLimit({ limit: 0, window: "1 second" }),
      () => Strategy.adaptiveThrottle({ k: 0 }),
      () => Strategy.adaptiveLimit({ queue: -1 }),
      () => Strategy.endpoints([]),
      () => Strategy.idempotencyKey({ header: "a b" }),
      () => Strategy.bufferedBody({ atMost: -1 }),
      () => Strategy.fallback({ value: { status: 99 } }),
      () => Strategy.lastGood({ maxAge: 0 }),
      () => Strategy.chaos({ faults: [{ status: 503, rate: 2 }] }),
      () => Strategy.attemptHeader({ amzSdkRequest: { maxAttempts: 0 } }),
      () => Strategy.redirects({ maxRedirects: -1 })
    ]
    for (const mistake of mistakes) assert.throws(mistake, /must be/)
  })
})

describe("a service", () => {
  class Users extends ResilientClient.Service<Users>()("Users", { retry: "none", deadline: "1 second" }) {}
  class Orders extends ResilientClient.Service<Orders>()("Orders", { retry: quickly }) {}

  it.effect("has a client of its own beside others", () =>
    Effect.gen(function*() {
      const statuses = Effect.gen(function*() {
        return [(yield* (yield* Users).get(url)).status, (yield* (yield* Orders).get(url)).status]
      })
      assert.deepStrictEqual(yield* Effect.provide(statuses, Layer.merge(Users.layer, Orders.layer)), [503, 200])
    }).pipe(Effect.provide(HttpScript.layer([{ status: 503 }, { status: 503 }, { status: 200 }]))))
})

describe("the drop-in face", () => {
  it.effect("folds a refusal into the platform's error, and nothing of it is lost", () =>
    Effect.gen(function*() {
      const client = yield* ResilientClient.makeDropIn({ retry: "none", attemptTimeout: "1 second" })
      const error = yield* Effect.flip(yield* Effect.map(after("1 second", client.get(url)), (exit) => exit))
      assert.isTrue(HttpClientError.isHttpClientError(error))
      assert.strictEqual(error._tag, "RequestError")
      assert.strictEqual(error.reason, "Transport")
      assert.propertyVal(Option.getOrThrow(DropIn.refusal(error)), "_tag", "AttemptTimeout")
      // A classifier of ours looks through it.
      assert.deepStrictEqual(
        Option.getOrThrow(Classifier.error(error, 0)),
        Outcome.failed(Failure.attemptTimedOut(Option.some(1000), "headers"))
      )
    }).pipe(Effect.provide(HttpScript.layer(["hang"]))))

  it.effect("hands the platform's own errors on as they are", () =>
    Effect.gen(function*() {
      const base = yield* HttpClient.HttpClient
      const own = yield* Effect.flip(base.get(url))
      const client = yield* ResilientClient.makeDropIn({ retry: "none" })
      const error = yield* Effect.flip(client.get(url))
      assert.strictEqual(error.constructor, own.constructor)
      assert.isTrue(Option.isNone(DropIn.refusal(error)))
    }).pipe(Effect.provide(HttpScript.layer([{ fails: "ECONNREFUSED" }], { atEnd: "repeatLast" }))))
})

const api = HttpApi.make("users").add(
  HttpApiGroup.make("users").add(HttpApiEndpoint.get("name", "/name").addSuccess(Schema.String))
)

const greetings = RpcGroup.make(Rpc.make("greet", { payload: { name: Schema.String }, success: Schema.String }))

/** Serves an RPC group by the platform's own web handler. */
const rpcHandler = Effect.gen(function*() {
  const implementation = greetings.toLayer({ greet: ({ name }) => Effect.succeed(`hello ${name}`) })
  const web = RpcServer.toWebHandler(greetings, {
    layer: Layer.mergeAll(implementation, RpcSerialization.layerJson, layerContext)
  })
  yield* Effect.addFinalizer(() => Effect.promise(() => web.dispose()))
  const handler: Handler = (request, response) => {
    const chunks: Array<Buffer> = []
    request.on("data", (chunk: Buffer) => chunks.push(chunk))
    request.on("end", () => {
      const asked = new Request(`http://${request.headers.host}${request.url}`, {
        method: request.method ?? "GET",
        headers: { "content-type": request.headers["content-type"] ?? "" },
        body: Buffer.concat(chunks)
      })
      const answering = async () => {
        const answer = await web.handler(asked)
        response.writeHead(answer.status, Object.fromEntries(answer.headers))
        response.end(Buffer.from(await answer.arrayBuffer()))
      }
      void answering()
    })
  }
  return handler
})

onEachTransport((_, layer) => {
  const resilient = (options: ResilientClient.Options) => Layer.provide(ResilientClient.layer(options), layer())
  const json = { headers: { "content-type": "application/json" } }

  it.scopedLive("an HttpApiClient over the layer does not notice two failures", () =>
    Effect.gen(function*() {
      const server = yield* serve(Fault.inTurn(
        Fault.status(503, { body: 70_000 }),
        Fault.resetBeforeHeaders,
        Fault.status(200, { ...json, body: `"Ada"` })
      ))
      const client = yield* HttpApiClient.make(api, { baseUrl: server.url })
      assert.strictEqual(yield* client.users.name(), "Ada")
      assert.strictEqual(server.stats.requests.length, 3)
    }).pipe(Effect.provide(resilient({ retry: quickly }))))

  it.scopedLive("an HttpApiClient takes a folded client as its transformation", () =>
    Effect.gen(function*() {
      const server = yield* serve(Fault.inTurn(Fault.status(503), Fault.status(200, { ...json, body: `"Ada"` })))
      const client = yield* HttpApiClient.make(api, {
        baseUrl: server.url,
        transformClient: (base) => DropIn.fold(base.pipe(Resilience.withRetry(quickly), Resilience.withDeadline("5 seconds")))
      })
      assert.strictEqual(yield* client.users.name(), "Ada")
    }).pipe(Effect.provide(layer())))

  it.scopedLive("an RpcClient over the layer sends its POST again, with the same key", () =>
    Effect.gen(function*() {
      const server = yield* serve(Fault.inTurn(Fault.status(503), yield* rpcHandler))
      const Protocol = RpcClient.layerProtocolHttp({ url: server.url }).pipe(
        Layer.provide([RpcSerialization.layerJson, resilient({ retry: quickly, idempotencyKey: Strategy.idempotencyKey() })])
      )
      const greeting = yield* RpcClient.make(greetings).pipe(
        Effect.flatMap((client) => client.greet({ name: "Ada" })),
        Effect.provide(Protocol)
      )
      assert.strictEqual(greeting, "hello Ada")
      const keys = server.stats.requests.map((request) => request.headers["idempotency-key"])
      assert.strictEqual(keys.length, 2)
      assert.isString(keys[0])
      assert.strictEqual(keys[0], keys[1])
    }))

  it.scopedLive("a layer of one's own replaces the client of the application", () =>
    Effect.gen(function*() {
      const server = yield* serve(Fault.inTurn(Fault.status(503), Fault.status(200, { body: "Ada" })))
      const Own = Layer.effect(
        HttpClient.HttpClient,
        Effect.map(HttpClient.HttpClient, (base) => DropIn.fold(Resilience.withRetryOrFail(quickly)(base)))
      )
      const text = HttpClient.get(server.url).pipe(Effect.flatMap((response) => response.text))
      assert.strictEqual(yield* Effect.provide(text, Layer.provide(Own, layer())), "Ada")
    }))
})
