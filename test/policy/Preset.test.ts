import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as TestClock from "effect/TestClock"
import * as ErrorBody from "../../src/http/ErrorBody.ts"
import * as Bounds from "../../src/policy/Bounds.ts"
import * as Lint from "../../src/policy/Lint.ts"
import * as Policy from "../../src/policy/Policy.ts"
import * as Preset from "../../src/policy/Preset.ts"
import * as HttpScript from "../../src/testing/HttpScript.ts"
import * as Recorder from "../../src/testing/Recorder.ts"

const presets = Object.entries(Preset).flatMap(([name, preset]) => typeof preset === "object" && "policy" in preset ? [[name, preset] as const] : [])

/** Plays a call against a script with the longest delays, or those of the draw: when requests were sent, the last status, their headers. */
const play = (preset: Preset.Preset, steps: ReadonlyArray<HttpScript.Step>, request = HttpClientRequest.get("https://api.test/"), draw = 1) =>
  Effect.gen(function*() {
    const client = yield* Preset.make(preset)
    const fiber = yield* Effect.fork(Effect.flatMap(client.execute(request), (response) => Effect.zip(Effect.succeed(response.status), response.text)))
    yield* TestClock.adjust("1 hour")
    const [status, body] = yield* Fiber.join(fiber)
    return { at: yield* HttpScript.timeline, status, body, requests: yield* HttpScript.requests }
  }).pipe(Effect.withRandom(Random.fixed([draw])), Effect.provide(HttpScript.layer(steps, { atEnd: "repeatLast" })))

const post = HttpClientRequest.post("https://api.test/")

describe("all presets", () => {
  it("are found here", () => {
    assert.deepStrictEqual(presets.map(([name]) => name).sort(), [
      "anthropic",
      "aws",
      "background",
      "dynamoDb",
      "github",
      "googleCloud",
      "healthCheck",
      "interactive",
      "openai",
      "slack",
      "standard",
      "stripe",
      "webhookDelivery"
    ])
  })

  it.each(presets)("%s is a policy in which lint finds nothing, at a call a second too", (_, preset) => {
    const policy = Policy.make(preset.policy)
    assert.strictEqual(Lint.render(Lint.lint(policy)), "")
    assert.strictEqual(Lint.render(Lint.lint(policy, { callsPerSecond: 1 })), "")
  })

  it.each(presets)("%s comes to an end", (_, preset) => {
    assert.isTrue(Option.isSome(Bounds.of(Policy.make(preset.policy)).wallTime))
  })
})

describe("for kinds of calls", () => {
  it.effect("standard: three attempts, 100 and 200 ms apart at most", () =>
    Effect.gen(function*() {
      const { at, status } = yield* play(Preset.standard, [{ status: 500 }])
      assert.deepStrictEqual([at, status], [[0, 100, 300], 500])
    }))

  it.effect("standard: the breaker opens after ten failures", () =>
    Effect.gen(function*() {
      const client = yield* Preset.make(Preset.standard)
      const calls = Effect.forEach(Array.from({ length: 12 }), () => Effect.exit(client.get("https://api.test/")))
      const fiber = yield* Effect.fork(calls)
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(fiber)
      assert.isAtMost((yield* HttpScript.requests).length, 16)
    }).pipe(Effect.provide(HttpScript.layer([{ status: 500 }], { atEnd: "repeatLast" }))))

  it.effect("interactive: one resend within 50 ms, and a hint of a second is not waited for", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual((yield* play(Preset.interactive, [{ status: 503 }, { status: 200 }])).at, [0, 50])
      assert.deepStrictEqual((yield* play(Preset.interactive, [{ status: 503, headers: { "retry-after": "1" } }])).at, [0])
    }))

  it.effect("background: five attempts, 1, 2, 4 and 8 s apart at most", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual((yield* play(Preset.background, [{ status: 502 }])).at, [0, 1_000, 3_000, 7_000, 15_000])
    }))

  it.effect("webhookDelivery: six attempts under one webhook-id, the longest waits 5, 20, 80, 320 and 900 s", () =>
    Effect.gen(function*() {
      const { at, requests } = yield* play(Preset.webhookDelivery, [{ status: 500 }], post)
      assert.deepStrictEqual(at, [0, 5_000, 25_000, 105_000, 425_000, 1_325_000])
      assert.strictEqual(new Set(requests.map(({ headers }) => headers["webhook-id"])).size, 1)
      assert.isString(requests[0]?.headers["webhook-id"])
    }))

  it.effect("webhookDelivery: a redirect is no delivery, and 410 is final", () =>
    Effect.gen(function*() {
      const recorder = yield* Recorder.make
      const { at } = yield* Effect.provide(play(Preset.webhookDelivery, [{ status: 302, headers: { location: "/b" } }], post), recorder.layer)
      assert.deepStrictEqual(at, [0])
      assert.include((yield* recorder.events).map((event) => event._tag === "CallEnded" ? event.end._tag : ""), "GaveUp")
      assert.deepStrictEqual((yield* play(Preset.webhookDelivery, [{ status: 410 }], post)).at, [0])
    }))

  it.effect("healthCheck: one attempt, and what it said", () =>
    Effect.gen(function*() {
      const { at, status } = yield* play(Preset.healthCheck, [{ status: 503 }])
      assert.deepStrictEqual([at, status], [[0], 503])
    }))
})

describe("stripe", () => {
  it.effect("a POST after a 409, under the same key; half of 0.5 s and 1 s at least", () =>
    Effect.gen(function*() {
      const { at, requests } = yield* play(Preset.stripe, [{ status: 409 }, { status: 500 }, { status: 200 }], post, 0)
      assert.deepStrictEqual(at, [0, 250, 750])
      assert.strictEqual(new Set(requests.map(({ headers }) => headers["idempotency-key"])).size, 1)
    }))

  it.effect("429 is not sent again, unless stripe-should-retry says so; and 500 is not where it says no", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual((yield* play(Preset.stripe, [{ status: 429 }])).at, [0])
      assert.deepStrictEqual((yield* play(Preset.stripe, [{ status: 429, headers: { "stripe-should-retry": "true" } }, { status: 200 }])).at, [0, 500])
      assert.deepStrictEqual((yield* play(Preset.stripe, [{ status: 500, headers: { "stripe-should-retry": "false" } }])).at, [0])
    }))
})

describe("github", () => {
  const secondary = { status: 403, body: "{\"message\":\"You have exceeded a secondary rate limit.\"}" }

  it.effect("a secondary limit waits for a minute, or for its retry-after", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual((yield* play(Preset.github, [secondary, { status: 200 }], undefined, 0)).at, [0, 60_000])
      assert.deepStrictEqual((yield* play(Preset.github, [secondary, { status: 500 }], post, 0)).at, [0, 60_000])
      const hinted = { ...secondary, headers: { "retry-after": "90" } }
      assert.deepStrictEqual((yield* play(Preset.github, [hinted, { status: 200 }], undefined, 0)).at, [0, 90_000])
    }))

  it.effect("a primary limit waits for its reset and a second", () =>
    Effect.gen(function*() {
      const primary = { status: 403, headers: { "x-ratelimit-remaining": "0", "x-ratelimit-reset": "120" } }
      assert.deepStrictEqual((yield* play(Preset.github, [primary, { status: 200 }], undefined, 0)).at, [0, 121_000])
    }))

  it.effect("a primary limit of more than 5 minutes is not waited for", () =>
    Effect.gen(function*() {
      const primary = { status: 429, headers: { "x-ratelimit-remaining": "0", "x-ratelimit-reset": "300" } }
      assert.deepStrictEqual((yield* play(Preset.github, [primary])).at, [0])
    }))

  it.effect("another 403 is final, and its body is there to be read", () =>
    Effect.gen(function*() {
      const { at, body } = yield* play(Preset.github, [{ status: 403, body: "no such right" }])
      assert.deepStrictEqual([at, body], [[0], "no such right"])
    }))
})

describe("openai and anthropic", () => {
  it.effect("a POST after 529 and 409, half of 0.5 s and of 1 s at least; retry-after-ms is obeyed", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual((yield* play(Preset.anthropic, [{ status: 529 }, { status: 409 }, { status: 200 }], post, 0)).at, [0, 250, 750])
      assert.deepStrictEqual((yield* play(Preset.openai, [{ status: 429, headers: { "retry-after-ms": "1500.5" } }, { status: 200 }], post)).at, [0, 1_501])
    }))

  it.effect("x-should-retry overrides the status, both ways", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual((yield* play(Preset.openai, [{ status: 400, headers: { "x-should-retry": "true" } }, { status: 200 }], post)).at, [0, 500])
      assert.deepStrictEqual((yield* play(Preset.openai, [{ status: 500, headers: { "x-should-retry": "false" } }], post)).at, [0])
    }))
})

describe("slack", () => {
  it.effect("a 429 waits for its retry-after; errors six attempts in five minutes", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual((yield* play(Preset.slack, [{ status: 429, headers: { "retry-after": "30" } }, { status: 200 }], undefined, 0)).at, [0, 30_000])
      const message = yield* play(Preset.slack, [{ status: 429, headers: { "retry-after": "30" } }, { status: 503 }], post, 0)
      assert.deepStrictEqual([message.at, message.status], [[0, 30_000], 503])
      const lost = { fails: "ECONNRESET" }
      const { at } = yield* play(Preset.slack, [lost, lost, lost, lost, lost, { status: 200 }])
      assert.deepStrictEqual(at, [0, 1_000, 4_860, 19_760, 77_272, 299_270])
    }))
})

describe("aws", () => {
  const throttling = { status: 400, body: "{\"__type\":\"com.amazonaws.dynamodb.v20120810#ThrottlingException\"}" }

  it.effect("50 ms and 100 ms at most after a fault, a second after throttling, which may be a 400", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual((yield* play(Preset.aws, [{ status: 500 }, { status: 502 }, { status: 200 }], post)).at, [0, 50, 150])
      assert.deepStrictEqual((yield* play(Preset.aws, [throttling, { status: 200 }], post)).at, [0, 1_000])
      const byHeader = { status: 400, headers: { "x-amzn-errortype": "ThrottlingException:http://internal.amazon.com/" } }
      assert.deepStrictEqual((yield* play(Preset.aws, [byHeader, { status: 200 }], post)).at, [0, 1_000])
      const xml = { status: 503, body: "<Error><Code>SlowDown</Code></Error>" }
      assert.deepStrictEqual((yield* play(Preset.aws, [xml, { status: 200 }])).at, [0, 1_000])
    }))

  it.effect("another 400 is final; x-amz-retry-after is in ms", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual((yield* play(Preset.aws, [{ status: 400, body: "{\"__type\":\"ValidationException\"}" }])).at, [0])
      assert.deepStrictEqual((yield* play(Preset.aws, [{ status: 503, headers: { "x-amz-retry-after": "2500" } }, { status: 200 }], undefined, 0)).at, [0, 2_500])
    }))

  it.effect("one amz-sdk-invocation-id for a call, and the attempts are counted", () =>
    Effect.gen(function*() {
      const { requests } = yield* play(Preset.aws, [{ status: 500 }, { status: 200 }], post)
      assert.strictEqual(new Set(requests.map(({ headers }) => headers["amz-sdk-invocation-id"])).size, 1)
      assert.deepStrictEqual(requests.map(({ headers }) => headers["amz-sdk-request"]), ["attempt=1; max=3", "attempt=2; max=3"])
    }))

  it.effect("the quota pays for 35 resends after faults, and then for none", () =>
    Effect.gen(function*() {
      const client = yield* Preset.make(Preset.aws)
      const fiber = yield* Effect.fork(Effect.forEach(Array.from({ length: 60 }), () => client.get("https://api.test/")))
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(fiber)
      assert.strictEqual((yield* HttpScript.requests).length, 60 + Math.floor(500 / 14))
    }).pipe(Effect.provide(HttpScript.layer([{ status: 500 }], { atEnd: "repeatLast" }))))

  it.effect("dynamoDb: four attempts from 25 ms", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual((yield* play(Preset.dynamoDb, [{ status: 500 }], post)).at, [0, 25, 75, 175])
    }))
})

describe("googleCloud", () => {
  it.effect("five attempts, 1, 2, 4 and 8 s apart at most; a POST is not sent again", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual((yield* play(Preset.googleCloud, [{ status: 503 }])).at, [0, 1_000, 3_000, 7_000, 15_000])
      assert.deepStrictEqual((yield* play(Preset.googleCloud, [{ status: 503 }], post)).at, [0])
    }))
})

describe("the bodies of errors", () => {
  const text = (step: HttpScript.Step, options: ErrorBody.Options) =>
    Effect.gen(function*() {
      const response = yield* ErrorBody.middleware(options)((yield* HttpScript.HttpScript).client.execute)(HttpClientRequest.get("https://api.test/"))
      return [ErrorBody.textOf(response), yield* response.text] as const
    }).pipe(Effect.provide(HttpScript.layer([step])))

  it.effect("are read for the statuses that are named, and can be read again", () =>
    Effect.gen(function*() {
      deepStrictEqual(yield* text({ status: 403, body: "hello" }, { statuses: [403] }), [Option.some("hello"), "hello"])
      deepStrictEqual(yield* text({ status: 404, body: "hello" }, { statuses: [403] }), [Option.none(), "hello"])
    }))

  it.effect("up to so many bytes: one that says that it is longer is left, one that does not is cut off", () =>
    Effect.gen(function*() {
      const options = { statuses: [403], atMost: 5 }
      deepStrictEqual(yield* text({ status: 403, body: "hello" }, options), [Option.some("hello"), "hello"])
      deepStrictEqual(yield* text({ status: 403, headers: { "content-length": "6" }, body: "hello!" }, options), [Option.none(), "hello!"])
      deepStrictEqual(yield* text({ status: 403, body: { chunks: ["hel", "lo!"] } }, options), [Option.some("hello"), "hello"])
    }))

  it.effect("as far as they came, where the connection is cut", () =>
    Effect.gen(function*() {
      deepStrictEqual(yield* text({ status: 403, body: { chunks: ["hel"], ending: "cut" } }, { statuses: [403] }), [Option.some("hel"), "hel"])
    }))
})
