/**
 * Policies and peers at random, and what comes of the one meeting the other.
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Arbitrary from "effect/Arbitrary"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as fc from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/TestClock"
import * as TestContext from "effect/TestContext"
import type * as Middleware from "../../src/http/Middleware.ts"
import * as Chaos from "../../src/http/Chaos.ts"
import * as IdempotencyKey from "../../src/http/IdempotencyKey.ts"
import * as Made from "../../src/http/Made.ts"
import * as Policy from "../../src/policy/Policy.ts"
import * as Answer from "../../src/testing/Answer.ts"
import * as HttpScript from "../../src/testing/HttpScript.ts"
import * as Recorder from "../../src/testing/Recorder.ts"
import * as Simulation from "../../src/testing/Simulation.ts"
import { applyTo } from "../../src/http/Middleware.ts"

/** Any policy that there can be. Of many rules for some requests, two: the rest would take most of the time. */
export const anyPolicy: fc.Arbitrary<Policy.Policy> = Arbitrary.make(Schema.typeSchema(Policy.schema)).map((policy) => ({
  ...policy,
  ...(typeof policy.perRequest === "object" ? { perRequest: policy.perRequest.slice(0, 2) } : {})
}))

/** Lets go of lost responses at once: those whose reading has a limit of its own are read by a fiber that knows no virtual time. */
export const anyPolicyAtOnce = anyPolicy.map(({ attemptTimeout, ...policy }): Policy.Policy => ({
  ...policy,
  ...(typeof attemptTimeout === "object"
    ? { attemptTimeout: attemptTimeout.limit }
    : attemptTimeout === undefined ? {} : { attemptTimeout })
}))

const fails: ReadonlyArray<HttpScript.Step> = ["ECONNREFUSED", "ECONNRESET", "ENOTFOUND", "CERT_HAS_EXPIRED"].map((fails) => ({ fails }))

const respond = (bodies: ReadonlyArray<string | HttpScript.Chunks>) => fc.record({
  status: fc.constantFrom(200, 200, 200, 201, 302, 404, 408, 409, 425, 429, 500, 501, 502, 503, 503, 504),
  headers: fc.constantFrom<Record<string, string>>(
    {},
    {},
    { "retry-after": "1" },
    { "retry-after": "90" },
    { "x-should-retry": "false" },
    { location: "http://b.test/2" },
    { "ratelimit-limit": "10", "ratelimit-remaining": "0", "ratelimit-reset": "2" }
  ),
  body: fc.constantFrom(...bodies),
  after: fc.constantFrom(0, 0, 5, 80, 700, 40_000)
})

const script = (bodies: ReadonlyArray<string | HttpScript.Chunks>): fc.Arbitrary<ReadonlyArray<HttpScript.Step>> =>
  fc.array(
    fc.oneof(
      { weight: 6, arbitrary: respond(bodies) },
      { weight: 1, arbitrary: fc.constantFrom(...fails) },
      { weight: 1, arbitrary: fc.constant<HttpScript.Step>("hang") }
    ),
    { minLength: 1, maxLength: 6 }
  )

const texts = ["", "hello"]

/** What a peer does, request by request; at the end it begins anew. */
export const anyScript = script(texts)

/** The same with bodies that come in pieces. */
export const anyStreams = script([...texts, { chunks: ["hel"], ending: "cut" }, { chunks: ["a", "b"], every: 50 }])

/** What is asked of it. */
export interface Load {
  readonly method: "GET" | "POST" | "PUT"
  readonly url: string
  /** In ms after the one before. */
  readonly after: number
}

export const anyLoad: fc.Arbitrary<ReadonlyArray<Load>> = fc.array(
  fc.record({
    method: fc.constantFrom("GET", "GET", "POST", "PUT"),
    // The last is sent where endpoints say.
    url: fc.constantFrom("http://a.test/1", "http://a.test/2", "/1"),
    after: fc.constantFrom(0, 0, 1, 200, 31_000)
  }),
  { minLength: 1, maxLength: 6 }
)

/** An error as its tag and its message, an id as when it was first seen: everything else is compared as it is. */
const plain = (value: unknown): string => {
  const ids = new Map<unknown, number>()
  return JSON.stringify(value, (key, value) => {
    if (key === "call" && typeof value === "object") {
      if (!ids.has(value.id)) ids.set(value.id, ids.size + 1)
      return `${value.name}#${ids.get(value.id)}`
    }
    return value instanceof Error ? `${value.name}: ${value.message}` : value
  }, 1)
}

const outcome = (exit: Exit.Exit<unknown, unknown>): unknown =>
  Exit.isSuccess(exit) ? exit.value : Cause.isInterruptedOnly(exit.cause) ? "interrupted" : Cause.squash(exit.cause)

/** What is left of a run. */
type Seen = ReadonlyArray<string>

interface Peer {
  readonly client: HttpClient.HttpClient
  readonly requests: Effect.Effect<ReadonlyArray<unknown>>
}

/**
 * A peer that plays a script, whose bodies are there at once: the web streams of `HttpScript` wait for promises, which no virtual time
 * brings about.
 */
const atOnce = (steps: ReadonlyArray<HttpScript.Step>): Effect.Effect<Peer> =>
  Effect.sync(() => {
    const requests: Array<unknown> = []
    const client = HttpClient.make((request, url) =>
      Effect.clockWith((clock) => {
        const step = steps[requests.length % steps.length]!
        requests.push([clock.unsafeCurrentTimeMillis(), request.method, url.toString(), request.headers])
        if (typeof step !== "object" || "dies" in step) return Effect.never
        const answer = Effect.suspend(() =>
          "fails" in step
            ? Effect.fail(Answer.toError(step, request))
            // The arbitrary gives single values and texts.
            : Effect.succeed(Made.make(request, Made.check("peer", step as Made.Spec)))
        )
        return step.after === undefined ? answer : Effect.delay(answer, step.after)
      })
    )
    return { client, requests: Effect.sync(() => requests) }
  })

const scripted = (steps: ReadonlyArray<HttpScript.Step>): Effect.Effect<Peer> =>
  Effect.map(HttpScript.make(steps, { atEnd: "cycle" }), ({ client, released, requests, timeline }) => ({
    client,
    requests: Effect.all([
      timeline,
      Effect.map(requests, (all) => all.map(({ headers, method, url }) => [method, url, headers])),
      released
    ])
  }))

const played = (peer: Effect.Effect<Peer>, making: Effect.Effect<Middleware.Middleware<unknown>>, load: ReadonlyArray<Load>, seed: number) => {
  let keys = 0
  let at = 0
  return Effect.gen(function*() {
    const { client: bare, requests } = yield* peer
    const recorder = yield* Recorder.make
    const client: HttpClient.HttpClient.With<unknown> = applyTo(bare, yield* making)
    const calls = load.map(({ after, method, url }) =>
      client.execute(HttpClientRequest.make(method)(url)).pipe(
        Effect.flatMap((response) => Effect.map(response.text, (text) => [response.status, response.headers, text])),
        Effect.timeoutOption("2 days"),
        Effect.exit,
        Effect.delay(at += after)
      ))
    const exits = yield* Effect.provide(Effect.all(calls, { concurrency: "unbounded" }), recorder.layer)
    return [plain(exits.map(outcome)), plain(yield* requests), plain(yield* recorder.events), Recorder.tree(yield* recorder.spans)]
  }).pipe(
    Chaos.turnOn(seed),
    Effect.withRandom(Random.make(seed)),
    Effect.provideService(IdempotencyKey.Generator, Effect.sync(() => `key-${++keys}`))
  )
}

/** What `play` and `playScript` give. */
export const parts = ["outcomes", "requests", "events", "spans"] as const

/** Plays a load against a peer through a middleware, in virtual time and with a seed. Bodies are texts. */
export const play = (
  making: Effect.Effect<Middleware.Middleware<unknown>>,
  steps: ReadonlyArray<HttpScript.Step>,
  load: ReadonlyArray<Load>,
  seed: number
): Seen => Simulation.runSync(played(atOnce(steps), making, load, seed))

/** The same against an `HttpScript`, on the test's clock: bodies come in pieces, and what is let go of is seen. */
export const playScript = (
  making: Effect.Effect<Middleware.Middleware<unknown>>,
  steps: ReadonlyArray<HttpScript.Step>,
  load: ReadonlyArray<Load>,
  seed: number
): Effect.Effect<Seen> =>
  Effect.gen(function*() {
    const fiber = yield* Effect.fork(played(scripted(steps), making, load, seed))
    yield* TestClock.adjust("3 days")
    return yield* Fiber.join(fiber)
  }).pipe(Effect.provide(TestContext.TestContext))
