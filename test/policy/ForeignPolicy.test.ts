import { assert, describe, it } from "@effect/vitest"
import { assertNone, assertSome } from "@effect/vitest/utils"
import * as Effect from "effect/Effect"
import * as fc from "effect/FastCheck"
import * as ForeignPolicy from "../../src/policy/ForeignPolicy.ts"
import * as GoDuration from "../../src/policy/GoDuration.ts"
import * as GrpcServiceConfig from "../../src/policy/GrpcServiceConfig.ts"
import * as Policy from "../../src/policy/Policy.ts"

type Reader = (input: unknown) => Effect.Effect<Policy.Policy, { readonly message: string }>

const reads = (reader: Reader, table: ReadonlyArray<readonly [what: string, input: unknown, policy: Policy.Encoded]>) => {
  for (const [what, input, policy] of table) {
    it.effect(what, () => Effect.map(reader(input), (read) => assert.deepStrictEqual(Policy.encode(read), policy)))
  }
}

const refuses = (reader: Reader, table: ReadonlyArray<readonly [what: string, input: unknown, message: string]>) => {
  for (const [what, input, message] of table) {
    it.effect(`refuses ${what}`, () => Effect.map(Effect.flip(reader(input)), (error) => assert.strictEqual(error.message, message)))
  }
}

const exponential = { kind: "exponential", base: "100 millis", factor: 2, jitter: "full" } as const

describe("the flat shape", () => {
  reads(ForeignPolicy.fromFlat, [
    ["with nothing in it is three attempts", {}, { retry: { maxAttempts: 3, backoff: exponential } }],
    ["counts retries: 1 is two attempts", { maxRetries: 1 }, { retry: { maxAttempts: 2, backoff: exponential } }],
    ["counts retries: 9 is ten attempts", { maxRetries: 9 }, { retry: { maxAttempts: 10, backoff: exponential } }],
    ["without a retry has none", { maxRetries: 0, initialDelayMs: 50 }, { retry: "none" }],
    [
      "with all of it",
      { maxRetries: 3, initialDelayMs: 250, backoffFactor: 1.5, maxDelayMs: 4000, jitterEnabled: false },
      { retry: { maxAttempts: 4, backoff: { kind: "exponential", base: "250 millis", factor: 1.5, cap: "4 seconds", jitter: "none" } } }
    ]
  ])
  refuses(ForeignPolicy.fromFlat, [
    ["more than ten attempts", { maxRetries: 10 }, "maxRetries must be a whole number from 0 to 9, got 10"],
    ["a delay of nothing", { initialDelayMs: 0 }, "initialDelayMs must be a whole number from 1 to 3600000, got 0"],
    ["a name that is not known", { maxRetrys: 3 }, "maxRetrys is not known, got 3: did you mean maxRetries?"],
    ["what is no boolean", { jitterEnabled: "yes" }, "jitterEnabled must be true or false, got \"yes\""],
    ["a prototype", JSON.parse(`{"__proto__":{"maxRetries":9}}`), "__proto__ is not known, got an object: there are maxRetries, initialDelayMs, backoffFactor, maxDelayMs, jitterEnabled"]
  ])
})

describe("cenkalti/backoff", () => {
  reads(ForeignPolicy.fromCenkalti, [
    ["has its own defaults", {}, {
      retry: {
        maxAttempts: 10,
        backoff: { kind: "exponential", base: "500 millis", factor: 1.5, cap: "1 minute", jitter: { proportional: 0.5 } },
        during: "15 minutes"
      }
    }],
    [
      "in nanoseconds, for ever and without randomness",
      { InitialInterval: 1_500_000, RandomizationFactor: 0, Multiplier: 2, MaxInterval: 2_000_000_000, MaxElapsedTime: 0 },
      { retry: { maxAttempts: 10, backoff: { kind: "exponential", base: "2 millis", factor: 2, cap: "2 seconds", jitter: "none" } } }
    ]
  ])
  refuses(ForeignPolicy.fromCenkalti, [
    ["a time without a unit", { MaxInterval: "60" }, "MaxInterval must be a duration of Go such as \"500ms\", or a whole number of nanoseconds, got \"60\""],
    ["a time below the ceiling of theirs and above ours", { MaxElapsedTime: "2h" }, "retry.during must be a duration from \"1 milli\" to \"1 hour\", such as \"5 seconds\", got \"2 hours\""],
    ["a factor that shrinks", { Multiplier: 0.5 }, "Multiplier must be a number from 1 to 100, got 0.5"]
  ])
})

describe("avast/retry-go", () => {
  reads(ForeignPolicy.fromRetryGo, [
    ["has its own defaults, and counts attempts", {}, {
      retry: { maxAttempts: 10, backoff: { kind: "exponential", base: "150 millis", factor: 2, jitter: { proportional: 1 / 3 } } }
    }],
    ["one attempt is one attempt", { attempts: 1, delayType: "fixed" }, {
      retry: { maxAttempts: 1, backoff: { kind: "constant", delay: "100 millis", jitter: "none" } }
    }],
    ["combined without jitter is backoff alone", { attempts: 2, delay: "1s", maxJitter: 0, maxDelay: "8s" }, {
      retry: { maxAttempts: 2, backoff: { kind: "exponential", base: "1 second", factor: 2, cap: "8 seconds", jitter: "none" } }
    }],
    ["random", { attempts: 3, delayType: "random", maxJitter: "250ms" }, {
      retry: { maxAttempts: 3, backoff: { kind: "constant", delay: "250 millis", jitter: "full" } }
    }]
  ])
  refuses(ForeignPolicy.fromRetryGo, [
    ["attempts without an end", { attempts: 0 }, "attempts must be a whole number from 1 to 10, got 0"],
    ["a delay of another kind", { delayType: "fibonacci" }, "delayType must be one of \"combined\", \"backoff\", \"fixed\", \"random\", got \"fibonacci\""]
  ])
})

describe("a gRPC service config", () => {
  const retryPolicy = {
    maxAttempts: 4,
    initialBackoff: "0.1s",
    maxBackoff: "1s",
    backoffMultiplier: 2,
    retryableStatusCodes: ["UNAVAILABLE"]
  }
  const ofMethod = (method: object, throttling: object = {}) => () =>
    Effect.flatMap(GrpcServiceConfig.decode({ methodConfig: [{ name: [{}], ...method }], ...throttling }), (config) =>
      ForeignPolicy.fromGrpc(GrpcServiceConfig.forMethod(config, "/a.B/C"), config.retryThrottling))
  const backoff = { kind: "exponential", base: "100 millis", factor: 2, cap: "1 second", jitter: { proportional: 0.2 } } as const

  for (
    const [what, reader, policy] of [
      ["with a retry policy, a timeout and tokens", ofMethod({ retryPolicy, timeout: "1.5s" }, { retryThrottling: { maxTokens: 10, tokenRatio: 0.1 } }), {
        retry: { maxAttempts: 4, backoff, byFailure: { Throttled: "none", ServerFault: "none", AttemptTimedOut: "none" } },
        budget: { kind: "throttle", maxTokens: 10, tokenRatio: 0.1 },
        deadline: "1500 millis"
      }],
      ["ends at five attempts, as the specification has it", ofMethod({ retryPolicy: { ...retryPolicy, maxAttempts: 9 } }), {
        retry: { maxAttempts: 5, backoff, byFailure: { Throttled: "none", ServerFault: "none", AttemptTimedOut: "none" } }
      }],
      ["takes a code for the kinds of failure that it stands for", ofMethod({ retryPolicy: { ...retryPolicy, retryableStatusCodes: [8, "INTERNAL"] } }), {
        retry: {
          maxAttempts: 4,
          backoff,
          byFailure: { ConnectFailure: "none", ConnectionLost: "none", Unavailable: "none", AttemptTimedOut: "none" }
        }
      }],
      ["hedges", ofMethod({ hedgingPolicy: { maxAttempts: 3, hedgingDelay: "0.05s" } }), { hedge: { delay: "50 millis", maxAttempts: 3 } }],
      ["hedges at once where no delay is given", ofMethod({ hedgingPolicy: { maxAttempts: 2 } }), { hedge: { delay: "0 millis", maxAttempts: 2 } }],
      ["that says nothing of retries has none", ofMethod({}), { retry: "none" }]
    ] as ReadonlyArray<readonly [string, Reader, Policy.Encoded]>
  ) reads(reader, [[what, undefined, policy]])
})

describe("a duration of Go", () => {
  it("is read as Go reads it, and rounded up to milliseconds", () => {
    const table: ReadonlyArray<readonly [string | number, number]> = [
      ["0", 0], ["1h15m30.918s", 4_530_918], ["1.5h", 5_400_000], ["2us", 1], ["1µs", 1], ["100ms", 100], ["0.1ms", 1], [0, 0], [1, 1], [1_000_000, 1]
    ]
    for (const [text, millis] of table) assertSome(GoDuration.millis(text), millis)
    for (const text of ["", "1", "-1s", "1 s", "1d", "s", "1e3s", ".5s", "1s2", NaN, -1, 1.5, 1e300]) assertNone(GoDuration.millis(text))
  })

  it("gives a whole number that is not negative, or nothing, whatever the text", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.double(), fc.stringMatching(/^[\d.hmsnuµ]{0,40}$/)), (text) => {
        const read = GoDuration.millis(text)
        assert.isTrue(read._tag === "None" || Number.isSafeInteger(read.value) && read.value >= 0)
      }),
      { numRuns: 2_000 }
    )
  })
})
