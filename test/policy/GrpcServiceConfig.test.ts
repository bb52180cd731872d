import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import fc from "fast-check"
import { maxDelay } from "../../src/core/Millis.ts"
import * as RpcStatus from "../../src/core/RpcStatus.ts"
import * as GrpcServiceConfig from "../../src/policy/GrpcServiceConfig.ts"

const retryPolicy = {
  maxAttempts: 4,
  initialBackoff: ".1s",
  maxBackoff: "1s",
  backoffMultiplier: 2,
  retryableStatusCodes: ["UNAVAILABLE", "aborted", 13]
}

const hedgingPolicy = { maxAttempts: 3, hedgingDelay: "0.5s", nonFatalStatusCodes: ["INTERNAL"] }

const decode = (input: unknown) => Effect.runSync(Effect.either(GrpcServiceConfig.decode(input)))

const config = (method: object, more: object = {}) => ({ methodConfig: [{ name: [{ service: "a.B" }], ...method }], ...more })

const resending = (method: object) => GrpcServiceConfig.forMethod(Either.getOrThrow(decode(config(method))), "a.B/C").resending

/** What is wrong, as lines. */
const wrong = (input: unknown): ReadonlyArray<string> =>
  Either.match(decode(input), { onLeft: (error) => error.message.split("\n"), onRight: () => [] })

describe("a retry policy", () => {
  it("has lengths in ms and codes by name, whatever they are written as", () => {
    assert.deepStrictEqual(resending({ retryPolicy }), {
      _tag: "Retry",
      policy: {
        maxAttempts: 4,
        initialBackoff: 100,
        maxBackoff: 1000,
        backoffMultiplier: 2,
        retryableStatusCodes: ["UNAVAILABLE", "ABORTED", "INTERNAL"]
      }
    })
  })

  it("has five attempts at most, and no error about more", () => {
    for (const [asked, allowed] of [[2, 2], [5, 5], [6, 5], [1e9, 5]]) {
      const policy = resending({ retryPolicy: { ...retryPolicy, maxAttempts: asked } })
      assert.strictEqual(policy._tag === "Retry" && policy.policy.maxAttempts, allowed)
    }
  })

  const place = "methodConfig[0].retryPolicy"
  const cases: ReadonlyArray<readonly [field: object, line: string]> = [
    [{ maxAttempts: 1 }, `${place}.maxAttempts must be a whole number from 2, got 1`],
    [{ maxAttempts: 2.5 }, `${place}.maxAttempts must be a whole number from 2, got 2.5`],
    [{ maxAttempts: "4" }, `${place}.maxAttempts must be a whole number from 2, got "4"`],
    [{ initialBackoff: "0s" }, `${place}.initialBackoff must be a duration in seconds of more than 0, such as "0.5s", got "0s"`],
    [{ initialBackoff: "-1s" }, `${place}.initialBackoff must be a duration in seconds of more than 0, such as "0.5s", got "-1s"`],
    [{ maxBackoff: "100ms" }, `${place}.maxBackoff must be a duration in seconds of more than 0, such as "0.5s", got "100ms"`],
    [{ maxBackoff: 1 }, `${place}.maxBackoff must be a duration in seconds of more than 0, such as "0.5s", got 1`],
    [{ backoffMultiplier: 0 }, `${place}.backoffMultiplier must be a number above 0, got 0`],
    [{ retryableStatusCodes: [] }, `${place}.retryableStatusCodes must be a list of status codes that is not empty, got an array`],
    [{ retryableStatusCodes: ["OK"] }, `${place}.retryableStatusCodes[0] must be the name or the number of a status code other than OK, got "OK"`],
    [{ retryableStatusCodes: [0] }, `${place}.retryableStatusCodes[0] must be the name or the number of a status code other than OK, got 0`],
    [{ retryableStatusCodes: [17] }, `${place}.retryableStatusCodes[0] must be the name or the number of a status code other than OK, got 17`]
  ]
  for (const [field, line] of cases) {
    it(`with ${JSON.stringify(field)} is none`, () => {
      assert.deepStrictEqual(wrong(config({ retryPolicy: { ...retryPolicy, ...field } })), [line])
    })
  }

  it("needs all of its fields, and says all that are missing at once", () => {
    const lines = wrong(config({ retryPolicy: {} }))
    assert.strictEqual(lines.length, 5)
    for (const name of Object.keys(retryPolicy)) assert.isTrue(lines.some((line) => line.includes(`${name} is missing`)), name)
  })
})

describe("a hedging policy", () => {
  it("sends all at once where no delay is given, and has no code after which the others go on", () => {
    assert.deepStrictEqual(resending({ hedgingPolicy: { maxAttempts: 7 } }), {
      _tag: "Hedging",
      policy: { maxAttempts: 5, hedgingDelay: 0, nonFatalStatusCodes: [] }
    })
    assert.deepStrictEqual(resending({ hedgingPolicy }), {
      _tag: "Hedging",
      policy: { maxAttempts: 3, hedgingDelay: 500, nonFatalStatusCodes: ["INTERNAL"] }
    })
  })

  it("does not stand beside a retry policy", () => {
    assert.deepStrictEqual(wrong(config({ hedgingPolicy, retryPolicy })), [
      "methodConfig[0].hedgingPolicy must be left out where there is a retryPolicy, got an object"
    ])
  })
})

describe("throttling", () => {
  it("is tokens from 1 to 1000 and a ratio of which three decimals count", () => {
    const retryThrottling = { maxTokens: 10, tokenRatio: 0.1 }
    deepStrictEqual(Either.getOrThrow(decode({ retryThrottling })).retryThrottling, Option.some(retryThrottling))
    for (const [field, value] of [["maxTokens", 0], ["maxTokens", 1001], ["maxTokens", 1.5], ["tokenRatio", 0], ["tokenRatio", -1]] as const) {
      const lines = wrong({ retryThrottling: { ...retryThrottling, [field]: value } })
      assert.isTrue(lines.length === 1 && lines[0]?.startsWith(`retryThrottling.${field} must be`), lines.join())
    }
  })
})

describe("methods", () => {
  const timeout = (seconds: number) => ({ timeout: `${seconds}s` })
  const three = {
    loadBalancingConfig: [{ round_robin: {} }],
    methodConfig: [
      { name: [{ service: "a.B", method: "C" }, { service: "x.Y" }], ...timeout(1) },
      { name: [{ service: "a.B", method: "" }], ...timeout(2) },
      { name: [{ service: "" }], ...timeout(3), waitForReady: true }
    ]
  }

  it("take what is said of them, else of their service, else of all; other parts of a config are not looked at", () => {
    const decoded = Either.getOrThrow(decode(three))
    const limits = ["/a.B/C", "a.B/C", "/a.B/D", "/x.Y/C", "/z.Z/C", ""].map((path) => GrpcServiceConfig.forMethod(decoded, path).timeout)
    deepStrictEqual(limits, [1000, 1000, 2000, 1000, 3000, 3000].map(Option.some))
    deepStrictEqual(GrpcServiceConfig.forMethod(Either.getOrThrow(decode({})), "/a.B/C"), {
      timeout: Option.none(),
      resending: { _tag: "None" }
    })
  })

  it("are named once, and with their service", () => {
    const twice = { methodConfig: [{ name: [{ service: "a.B" }] }, { name: [{ service: "a.B", method: "" }] }] }
    assert.deepStrictEqual(wrong(twice), ["methodConfig[1].name[0] must be a name that stands nowhere else in the config, got an object"])
    assert.deepStrictEqual(wrong({ methodConfig: [{ name: [{ method: "C" }] }] }), [
      "methodConfig[0].name[0].method must be left out where there is no service, got \"C\""
    ])
    // A name that is the same text by accident is another one.
    assert.deepStrictEqual(wrong({ methodConfig: [{ name: [{ service: "a", method: "b" }] }, { name: [{ service: "a/b" }] }] }), [])
  })
})

describe("anything else", () => {
  it("is an error with its place, and never a defect", () => {
    fc.assert(fc.property(fc.anything(), (input) => {
      const decoded = decode(input)
      if (Either.isLeft(decoded)) assert.isAbove(decoded.left.problems.length, 0)
    }), { numRuns: 1_000 })
    fc.assert(fc.property(fc.json(), (text) => void decode({ methodConfig: [{ name: [{}], retryPolicy: JSON.parse(text) }] })), { numRuns: 1_000 })
  })

  it("a policy that decodes is within its bounds", () => {
    const length = fc.oneof(fc.nat(2_000_000_000).map((n) => `${n / 1000}s`), fc.double({ min: 0, noNaN: true }).map((n) => `${n}s`))
    const anyPolicy = fc.record({
      maxAttempts: fc.oneof(fc.integer({ min: 0, max: 20 }), fc.integer(), fc.double()),
      initialBackoff: fc.oneof({ weight: 9, arbitrary: length }, { weight: 1, arbitrary: fc.string() }),
      maxBackoff: length,
      backoffMultiplier: fc.oneof(fc.double({ min: -1, max: 10 }), fc.double()),
      retryableStatusCodes: fc.oneof(
        fc.subarray([...RpcStatus.codes]),
        fc.array(fc.oneof(fc.string(), fc.integer({ min: -1, max: 20 })))
      )
    })
    let decodedOnes = 0
    fc.assert(fc.property(anyPolicy, (given) => {
      const decoded = decode(config({ retryPolicy: given }))
      if (Either.isLeft(decoded)) return
      decodedOnes++
      const { resending } = GrpcServiceConfig.forMethod(decoded.right, "a.B/C")
      assert.isTrue(resending._tag === "Retry")
      if (resending._tag !== "Retry") return
      const { policy } = resending
      assert.isTrue(policy.maxAttempts >= 2 && policy.maxAttempts <= 5)
      for (const length of [policy.initialBackoff, policy.maxBackoff]) assert.isTrue(length > 0 && length <= maxDelay)
      assert.isTrue(policy.backoffMultiplier > 0 && Number.isFinite(policy.backoffMultiplier))
      assert.isTrue(policy.retryableStatusCodes.length > 0 && policy.retryableStatusCodes.every((code) => RpcStatus.codes.includes(code)))
    }), { numRuns: 5_000, seed: 1 })
    assert.isAtLeast(decodedOnes, 50)
  })

  it("a duration is read exactly, or not", () => {
    fc.assert(fc.property(fc.nat(1e9), fc.nat(999_999_999), (seconds, nanos) => {
      const text = `${seconds}.${String(nanos).padStart(9, "0")}s`
      deepStrictEqual(GrpcServiceConfig.duration(text), Option.some(Math.min(seconds * 1000 + nanos / 1e6, maxDelay)))
    }), { numRuns: 1_000 })
    fc.assert(fc.property(fc.string(), (text) => {
      const read = GrpcServiceConfig.duration(text)
      if (Option.isSome(read)) assert.match(text, /^(\d+\.?\d*|\.\d+)s$/)
    }), { numRuns: 2_000 })
    for (const junk of ["", "s", ".s", "1", "1S", " 1s", "1s ", "+1s", "1e3s", "1.0000000001s", "1s\n", "٣s"]) {
      deepStrictEqual(GrpcServiceConfig.duration(junk), Option.none())
    }
  })
})
