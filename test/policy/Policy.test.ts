import * as FileSystem from "@effect/platform/FileSystem"
import * as HttpClient from "@effect/platform/HttpClient"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import { assertNone, assertSome } from "@effect/vitest/utils"
import * as ConfigError from "effect/ConfigError"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as fc from "effect/FastCheck"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Ceiling from "../../src/policy/Ceiling.ts"
import * as Field from "../../src/policy/Field.ts"
import * as InvalidPolicy from "../../src/policy/InvalidPolicy.ts"
import * as Nearest from "../../src/policy/Nearest.ts"
import * as Policy from "../../src/policy/Policy.ts"
import * as PolicyClient from "../../src/policy/PolicyClient.ts"
import * as PolicySource from "../../src/policy/PolicySource.ts"
import * as HttpScript from "../../src/testing/HttpScript.ts"
import * as Fault from "../support/faults.ts"
import { anyPolicy } from "../support/policies.ts"
import { serve } from "../support/server.ts"
import { onEachTransport } from "../support/transports.ts"

const problems = (input: unknown) => Effect.map(Effect.flip(Policy.decode(input)), ({ problems }) => problems)

describe("decoding", () => {
  it.effect("tells all that is wrong at once, as data", () =>
    Effect.gen(function*() {
      const found = yield* problems({ retry: { maxAttempts: 0, tries: 3 }, rateLimit: { kind: "token-bucket", limit: 1 } })
      assert.deepStrictEqual(found.map(({ _tag, path }) => [_tag, InvalidPolicy.pathText(path)]), [
        ["Missing", "rateLimit.window"],
        ["Unknown", "retry.tries"],
        ["Wrong", "retry.maxAttempts"]
      ])
    }))

  it.effect("gives no value that was not written: prototypes and accessors are not looked at", () =>
    Effect.gen(function*() {
      const inherited = Object.create({ retry: { maxAttempts: 9 } })
      assert.deepStrictEqual(yield* Policy.decode(inherited), {})
      const policy = yield* Policy.decode(JSON.parse(`{ "fallback": { "kind": "value", "headers": { "constructor": "x" } } }`))
      assert.deepStrictEqual(Policy.encode(policy), { fallback: { kind: "value", headers: { constructor: "x" } } })
      assert.isUndefined(Reflect.get({}, "maxAttempts"))
    }))

  it("never throws, and never hangs, whatever comes", () => {
    const keys = fc.constantFrom("retry", "hedge", "kind", "__proto__", "constructor", "deadline", "chaos", "faults", "backoff", "statuses")
    const json = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 5 },
        fc.constantFrom<unknown>(null, true, 0, -1, Infinity, NaN, "none", "10 seconds", "exponential", ""),
        fc.array(tie("value"), { maxLength: 3 }),
        fc.dictionary(keys, tie("value"), { maxKeys: 4 })
      )
    })).value
    fc.assert(
      fc.property(json, (input) => {
        const read = Effect.runSync(Effect.either(Policy.decode(input)))
        if (read._tag === "Left") assert.isAbove(read.left.message.length, 0)
      }),
      { numRuns: 2_000 }
    )
  })

  it("a mistake in one field of any policy is told at its path", () => {
    fc.assert(
      fc.property(anyPolicy, fc.constantFrom("retry", "deadline", "bulkhead", "fallback"), (policy, field) => {
        const error = Effect.runSync(Effect.flip(Policy.decode({ ...Policy.encode(policy), [field]: 7, ...(field === "retry" ? { hedge: "none" } : {}) })))
        assert.deepStrictEqual(error.problems.map(({ path }) => path), [[field]])
      }),
      { numRuns: 200 }
    )
  }, 240_000)

  it("that says the same in another order is the same, and one that says a default is not", () => {
    const one = Policy.make({ deadline: "1 second", fallback: { kind: "value", headers: { a: "1", b: "2" } } })
    assert.isTrue(Policy.equivalence(one, Policy.make({ fallback: { headers: { b: "2", a: "1" }, kind: "value" }, deadline: "1000 millis" })))
    assert.isFalse(Policy.equivalence(one, Policy.make({ deadline: "1 second", fallback: { kind: "value", headers: { a: "1" } } })))
    assert.isFalse(Policy.equivalence({}, Policy.make({ deadline: "30 seconds" })))
  })

  it("in code throws where it is written", () => {
    assert.throws(() => Policy.make({ retry: { maxAttempts: 11 } }), /^retry\.maxAttempts must be a whole number from 1 to 10, got 11$/)
  })

  it("the ceilings are those that the documentation names", () => {
    assert.deepInclude({ ...Ceiling }, { attempts: 10, hedgedAttempts: 5, wait: 3_600_000, window: 86_400_000, queue: 100_000 })
  })
})

describe("a duration", () => {
  it("is read and written without a loss", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: Ceiling.window }), (millis) => {
        assertSome(Field.durationMillis(Field.durationText(millis)), millis)
      }),
      { numRuns: 2_000 }
    )
  })

  it("of a fraction is one of whole milliseconds, or none", () => {
    assertSome(Field.durationMillis("1.5 seconds"), 1500)
    assertSome(Field.durationMillis("0.001 seconds"), 1)
    assertSome(Field.durationMillis("1 second"), 1000)
    assertSome(Field.durationMillis("2 minutes"), 120_000)
    for (const text of ["0.5 millis", "1.0001 seconds", "-1 second", "1e3 millis", "1second", " 1 second", "1  second", "1 fortnight", "NaN seconds", "Infinity millis", "1 nanos", ""]) {
      assertNone(Field.durationMillis(text))
    }
  })
})

describe("the nearest name", () => {
  it("is the one that was meant, through a typing error, another case or another hand", () => {
    const known = ["maxAttempts", "backoff", "byFailure", "retryAfter"]
    for (const [typed, meant] of [["maxAttemps", "maxAttempts"], ["max_attempts", "maxAttempts"], ["MAX-ATTEMPTS", "maxAttempts"], ["bakcoff", "backoff"], ["retry_after", "retryAfter"]] as const) {
      assertSome(Nearest.of(typed, known), meant)
    }
    assertNone(Nearest.of("somethingElse", known))
    assertNone(Nearest.of("x", []))
  })

  it("has a distance that is one of edits: none to itself, the same both ways, no more than the longer text", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 12 }), fc.string({ maxLength: 12 }), (a, b) => {
        assert.strictEqual(Nearest.distance(a, a), 0)
        assert.strictEqual(Nearest.distance(a, b), Nearest.distance(b, a))
        assert.isAtMost(Nearest.distance(a, b), Math.max(a.length, b.length))
        assert.isAtLeast(Nearest.distance(a, b), Math.abs(a.length - b.length))
      }),
      { numRuns: 1_000 }
    )
  })
})

describe("sources", () => {
  it.effect("a file is named in what is wrong with it", () =>
    Effect.gen(function*() {
      const files = yield* FileSystem.FileSystem
      const path = `${yield* files.makeTempDirectoryScoped()}/billing.json`
      yield* files.writeFileString(path, `{ "name": "billing", "deadline": "5 seconds" }`)
      assert.deepStrictEqual(yield* PolicySource.fromFile(path), { name: "billing", deadline: 5000 })
      yield* files.writeFileString(path, `{ "deadline": "5 secs",\n "retries": 3 }`)
      const error = yield* Effect.flip(PolicySource.fromFile(path))
      assert.strictEqual(
        error.message,
        `${path}: retries is not known, got 3: there are ${Object.keys(Policy.jsonSchema()["properties"] as object).join(", ")}\n` +
          `${path}: deadline must be "none" or a duration from "1 milli" to "1 hour", such as "10 seconds", got "5 secs"`
      )
      yield* files.writeFileString(path, `{\n  "deadline": "5 seconds",\n}`)
      assert.strictEqual((yield* Effect.flip(PolicySource.fromFile(path))).message, `${path}: the policy must be JSON, and is not from line 3, column 1 on`)
    }).pipe(Effect.scoped, Effect.provide(NodeFileSystem.layer)))

  it.effect("a text that is too long is not parsed", () =>
    Effect.map(Effect.flip(PolicySource.fromJson(`{ "name": "${"x".repeat(1_100_000)}" }`)), ({ message }) =>
      assert.strictEqual(message, "the policy must be a text of at most 1048576 characters, got 1100014")))

  const fromEnvironment = (variables: Readonly<Record<string, string>>) =>
    Effect.withConfigProvider(
      PolicySource.fromConfig("payments"),
      ConfigProvider.constantCase(ConfigProvider.fromMap(new Map(Object.entries(variables)), { pathDelim: "_" }))
    )

  it.effect("the environment: numbers, words, lists, JSON, and kinds", () =>
    Effect.gen(function*() {
      const policy = yield* fromEnvironment({
        PAYMENTS_NAME: "payments",
        PAYMENTS_RETRY_MAX_ATTEMPTS: "4",
        PAYMENTS_RETRY_BACKOFF_KIND: "exponential",
        PAYMENTS_RETRY_BACKOFF_BASE: "200 millis",
        PAYMENTS_RETRY_BACKOFF_JITTER_PROPORTIONAL: "0.25",
        PAYMENTS_RETRY_BY_FAILURE_THROTTLED_MAX_ATTEMPTS: "2",
        PAYMENTS_RETRY_BY_FAILURE_CONNECT_FAILURE: "none",
        PAYMENTS_CIRCUIT_BREAKER: "{}",
        PAYMENTS_BULKHEAD: `{ "permits": 5 }`,
        PAYMENTS_IDEMPOTENCY_KEY_METHODS: "POST, PATCH",
        PAYMENTS_STATUSES_THROTTLED: "403,429",
        PAYMENTS_CHAOS_FAULTS: `[{ "kind": "latency", "latency": "1 second", "rate": 0.5 }]`,
        PAYMENTS_ATTEMPT_TIMEOUT: "2 seconds",
        PAYMENTS_DEADLINE: "none",
        PAYMENTS_URL: "https://payments.test",
        OTHER_DEADLINE: "1 second"
      })
      assert.deepStrictEqual(Policy.encode(policy), {
        name: "payments",
        statuses: { Throttled: [403, 429] },
        chaos: { faults: [{ kind: "latency", latency: "1 second", rate: 0.5 }] },
        attemptTimeout: "2 seconds",
        circuitBreaker: {},
        bulkhead: { permits: 5 },
        retry: {
          maxAttempts: 4,
          backoff: { kind: "exponential", base: "200 millis", jitter: { proportional: 0.25 } },
          byFailure: { Throttled: { maxAttempts: 2 }, ConnectFailure: "none" }
        },
        idempotencyKey: { methods: ["POST", "PATCH"] },
        deadline: "none"
      })
    }))

  it.effect("an environment that says nothing is the policy that says nothing", () =>
    Effect.map(fromEnvironment({ OTHER: "x" }), (policy) => assert.deepStrictEqual(policy, {})))

  it.effect("what is wrong in the environment is told by its path", () =>
    Effect.map(Effect.flip(fromEnvironment({ PAYMENTS_RETRY_MAX_ATTEMPTS: "many", PAYMENTS_DEADLINE: "" })), (error) => {
      assert.isTrue(ConfigError.isInvalidData(error))
      assert.include(String(error), "retry.maxAttempts must be a whole number from 1 to 10, got \"many\"")
      assert.include(String(error), "deadline must be \"none\"")
    }))

  it("any policy can be had from the configuration, as JSON in it", () => {
    fc.assert(
      fc.property(anyPolicy, (policy) => {
        const variables = Object.entries(Policy.encode(policy)).map(([key, value]) =>
          [`p.${key}`, typeof value === "string" ? value : JSON.stringify(value)] as const
        )
        const provider = ConfigProvider.fromMap(new Map(variables), { pathDelim: "." })
        assert.deepStrictEqual(Effect.runSync(Effect.withConfigProvider(PolicySource.fromConfig("p"), provider)), policy)
      }),
      { numRuns: 200 }
    )
  }, 240_000)
})

describe("the JSON Schema", () => {
  interface Json {
    readonly description?: string
    readonly default?: unknown
    readonly properties?: Readonly<Record<string, Json>>
    readonly anyOf?: ReadonlyArray<Json>
    readonly items?: Json
    readonly additionalProperties?: unknown
  }
  const json = Policy.jsonSchema() as Json

  const nested = (at: Json, path: string): ReadonlyArray<readonly [path: string, json: Json]> => [
    ...Object.entries(at.properties ?? {}).flatMap(([name, each]) => [[`${path}.${name}`, each] as const, ...nested(each, `${path}.${name}`)]),
    ...(at.anyOf ?? []).flatMap((each) => nested(each, path)),
    ...(at.items === undefined ? [] : nested(at.items, path))
  ]

  it("says of each field, at any depth, what it does, and allows no other", () => {
    const fields = nested(json, "")
    assert.isAbove(fields.length, 150)
    for (const [path, field] of fields) {
      assert.isString(field.description, path)
      assert.match(field.description!, /\.$/, path)
      if (Object.keys(field.properties ?? {}).length > 0) assert.isFalse(field.additionalProperties, path)
    }
  })

  it("says what holds where a field is left out, as a policy writes it", () => {
    const defaults = Object.fromEntries(nested(json, "").filter(([, field]) => field.default !== undefined).map(([path, field]) => [path, field.default]))
    assert.deepInclude(defaults, {
      ".attemptTimeout": "10 seconds",
      ".deadline": "30 seconds",
      ".circuitBreaker": "none",
      ".budget": { kind: "ratio" },
      ".retry": {},
      ".retry.maxAttempts": 3,
      ".retry.backoff.jitter": "full",
      ".circuitBreaker.tripPolicy.window": "30 seconds"
    })
  })

  it("has defaults that are policies themselves, and mean the same as nothing", () => {
    for (const [name, field] of Object.entries(json.properties ?? {})) {
      if (field.default === undefined) continue
      assert.doesNotThrow(() => Policy.make({ [name]: field.default }), name)
    }
  })
})

onEachTransport((_, layer) => {
  it.scopedLive("a policy holds over a socket: its retry, its breaker, its key, its fallback", () =>
    Effect.gen(function*() {
      const server = yield* serve(Fault.inTurn(
        Fault.status(503, { body: 70_000 }),
        Fault.resetBeforeHeaders,
        Fault.status(201, { body: "made" }),
        Fault.status(500),
        Fault.status(500),
        Fault.status(500)
      ))
      const policy = yield* PolicySource.fromJson(JSON.stringify({
        retry: { maxAttempts: 3, backoff: { kind: "constant", delay: "5 millis" } },
        idempotencyKey: {},
        circuitBreaker: { tripPolicy: { kind: "consecutive", failures: 3 }, openDuration: "1 hour" },
        fallback: { kind: "value", status: 203, body: "without it" }
      }))
      const read = Effect.flatMap(HttpClient.post(server.url), (response) => Effect.map(response.text, (text) => [response.status, text]))
      const replies = yield* Effect.provide(Effect.all([read, read, read]), Layer.provide(PolicyClient.layer(policy), layer()))
      assert.deepStrictEqual(replies, [[201, "made"], [203, "without it"], [203, "without it"]])
      // The third call finds the breaker open, and sends nothing.
      assert.lengthOf(server.stats.requests, 6)
      const keys = server.stats.requests.map(({ headers }) => headers["idempotency-key"])
      assert.strictEqual(new Set(keys).size, 2)
    }))
})

describe("a client of a policy", () => {
  class Billing extends PolicyClient.Service<Billing>()("Billing") {}

  it.effect("is behind a tag of its own, made of the policy", () =>
    Effect.gen(function*() {
      const script = yield* HttpScript.make([{ fails: "ECONNREFUSED" }, { status: 200 }])
      const policy = Policy.make({ retry: { maxAttempts: 2, backoff: { kind: "constant", delay: "0 millis" } } })
      const status = Effect.flatMap(Billing, (billing) => Effect.map(billing.get("http://billing.test/"), (response) => response.status))
      const layer = Layer.provide(Billing.layer(policy), Layer.succeed(HttpClient.HttpClient, script.client))
      assert.strictEqual(yield* Effect.provide(status, layer), 200)
    }))

  it.effect("keeps in each place what another can go on with", () =>
    Effect.gen(function*() {
      const made = yield* PolicyClient.made(Policy.make({ circuitBreaker: {}, retry: "none", deadline: "none" }))
      assert.deepStrictEqual([...made.keys()], ["attemptTimeout", "attemptMetrics", "attemptSpan", "circuitBreaker", "callSpan"])
      assert.isTrue(Option.isSome(Option.fromNullable(made.get("circuitBreaker"))))
    }))
})
