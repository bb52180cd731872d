/**
 * The laws of what is read from RPC errors, whoever made them.
 */
import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import fc from "fast-check"
import * as Backoff from "../../src/core/Backoff.ts"
import * as Classifier from "../../src/core/Classifier.ts"
import * as Decision from "../../src/core/Decision.ts"
import * as Failure from "../../src/core/Failure.ts"
import * as Idempotency from "../../src/core/Idempotency.ts"
import { maxDelay } from "../../src/core/Millis.ts"
import * as Outcome from "../../src/core/Outcome.ts"
import * as RpcStatus from "../../src/core/RpcStatus.ts"
import { PushbackSchedule, RetryPushback, RpcClassifier, RpcError } from "../../src/grpc/index.ts"

const runs = { numRuns: 2_000 }

const code = fc.constantFrom(...RpcStatus.codes)

const situation: Decision.Situation = { attempt: 1, maxAttempts: 3, earlier: [], request: Idempotency.always, deadline: Option.none() }

/** Whether another attempt may follow an error. */
const follows = (error: unknown, codes?: ReadonlyArray<RpcStatus.Code>): boolean => {
  const classifier = Classifier.errors.pipe(Classifier.override(RpcClassifier.make({ codes })))
  const outcome = Classifier.run(classifier, Exit.fail(error), 0)
  return Outcome.isFailed(outcome) && Option.isNone(Decision.refuse(situation, outcome.failure))
}

describe("RpcStatus", () => {
  it("has a number and two names for each code, and takes them back", () => {
    RpcStatus.codes.forEach((each, i) => {
      assert.strictEqual(RpcStatus.toNumber(each), i + 1)
      deepStrictEqual(RpcStatus.fromNumber(i + 1), Option.some(each))
      deepStrictEqual(RpcStatus.fromName(each), Option.some(each))
      deepStrictEqual(RpcStatus.fromName(RpcStatus.toConnect(each)), Option.some(each))
      assert.isTrue(RpcStatus.toHttp(each) >= 400 && RpcStatus.toHttp(each) < 600)
    })
    for (const none of [0, 17, -1, 1.5, NaN, Infinity]) deepStrictEqual(RpcStatus.fromNumber(none), Option.none())
  })

  it("knows no other name, whatever it is", () => {
    const names = new Set<string>([...RpcStatus.codes, "CANCELED"])
    fc.assert(fc.property(fc.oneof(fc.string(), fc.constantFrom("__proto__", "constructor", "OK", "")), (name) => {
      assert.strictEqual(Option.isSome(RpcStatus.fromName(name)), names.has(name.toUpperCase()))
    }), runs)
  })

  it("has a code for each HTTP status, of which those that can pass are those of the specification", () => {
    fc.assert(fc.property(fc.oneof(fc.integer({ min: 100, max: 599 }), fc.double()), (status) => {
      const found = RpcStatus.fromHttp(status)
      assert.include(RpcStatus.codes, found)
      assert.strictEqual(RpcStatus.isRetryable(found), [429, 502, 503, 504].includes(status))
    }), runs)
  })
})

describe("RetryPushback", () => {
  it("is a wait for the integers from 0 to 2^31 - 1 as they are written, and a stop for any other text", () => {
    fc.assert(fc.property(fc.integer({ min: 0, max: maxDelay }), (delay) => {
      assert.deepStrictEqual(RetryPushback.parse(String(delay)), { _tag: "After", delay })
    }), runs)
    const text = fc.oneof(fc.string(), fc.double().map(String), fc.integer().map(String), fc.bigInt().map(String), fc.nat().map((n) => `0${n}`))
    fc.assert(fc.property(text, (text) => {
      const read = RetryPushback.parse(text)
      if (read._tag === "Stop") return
      assert.strictEqual(String(read.delay), text)
      assert.isTrue(Number.isInteger(read.delay) && read.delay >= 0 && read.delay <= maxDelay)
    }), runs)
    for (const junk of ["", " 1", "1 ", "+1", "-0", "00", "1e3", "0x10", "1,2", "٣", "2147483648", "1\n"]) {
      assert.deepStrictEqual(RetryPushback.parse(junk), { _tag: "Stop" })
    }
  })

  it("is read from three kinds of metadata, and from nothing else", () => {
    const after = Option.some({ _tag: "After", delay: 5 } as const)
    const stop = Option.some({ _tag: "Stop" } as const)
    const grpc = (...values: ReadonlyArray<unknown>) => ({ get: (key: string) => key === RetryPushback.key ? values : [] })
    const headers = new Headers([[RetryPushback.key, "5"]])
    for (const one of [grpc("5"), headers, { [RetryPushback.key]: "5" }, { [RetryPushback.key]: ["5"] }]) {
      deepStrictEqual(RetryPushback.fromMetadata(one), after)
    }
    headers.append(RetryPushback.key, "5")
    for (const one of [grpc("5", "5"), grpc(Buffer.from("5")), headers, { [RetryPushback.key]: 5 }]) {
      deepStrictEqual(RetryPushback.fromMetadata(one), stop)
    }
    const inherited = Object.create({ [RetryPushback.key]: "5" })
    for (const one of [grpc(), new Headers(), {}, inherited, undefined, null, "5", 5]) {
      deepStrictEqual(RetryPushback.fromMetadata(one), Option.none())
    }
  })
})

describe("RpcError", () => {
  it("reads nothing from anything, and never throws", () => {
    const ring: { cause?: unknown } = {}
    ring.cause = ring
    const client: { _tag: string; cause?: unknown } = { _tag: "RpcClientError" }
    client.cause = client
    const no = () => {
      throw new Error("no")
    }
    const hostile = [ring, client, new Proxy({}, { get: no, has: no }), { get code() { return no() } }, { code: 14, metadata: { get: no } }]
    for (const error of hostile) {
      deepStrictEqual(RpcError.status(error), Option.none())
      deepStrictEqual(RpcError.outcome(error, 0), Option.none())
      assert.isFalse(RpcError.isUnseen(error))
    }
    const shaped = fc.record({ code: fc.anything(), details: fc.anything(), metadata: fc.anything(), cause: fc.anything() }, { requiredKeys: [] })
    fc.assert(fc.property(fc.oneof(fc.anything(), shaped), (error) => {
      const status = RpcError.status(error)
      if (Option.isSome(status)) assert.include(RpcStatus.codes, status.value.code)
      RpcError.outcome(error, 0)
      assert.isBoolean(RpcError.isUnseen(error))
    }), runs)
  })

  it("finds one status in each client's errors, and below others", () => {
    const metadata = { get: () => ["7"] }
    const pushback = Option.some<RetryPushback.RetryPushback>({ _tag: "After", delay: 7 })
    const expected = Option.some<RpcError.Status>({ code: "UNAVAILABLE", pushback, details: "x" })
    const headers = new Headers({ [RetryPushback.key]: "7" })
    const errors: ReadonlyArray<unknown> = [
      Object.assign(new Error("14 UNAVAILABLE: x"), { code: 14, details: "x", metadata }),
      Object.assign(new Error("[unavailable] x"), { name: "ConnectError", code: 14, rawMessage: "x", details: [], metadata: headers }),
      { code: "unavailable", message: "x", metadata: headers },
      { code: "UNAVAILABLE", message: "x", metadata: { [RetryPushback.key]: "7" } }
    ]
    for (const error of errors) {
      deepStrictEqual(RpcError.status(error), expected)
      deepStrictEqual(RpcError.status({ message: "outer", cause: { cause: error } }), expected)
    }
  })

  it("is not found in numbers that are the codes of something else", () => {
    for (const error of [{ code: 14 }, { code: 1006, reason: "x", details: "" }, { code: 0, details: "" }, { code: "ECONNRESET" }, { code: 14n, details: "" }]) {
      deepStrictEqual(RpcError.status(error), Option.none())
    }
  })

  it("does not overrule what an error says of itself", () => {
    const error = { [Failure.key]: Failure.rejected("Mine"), cause: { code: 14, details: "" } }
    deepStrictEqual(RpcError.outcome(error, 0), Option.none())
    assert.isFalse(follows(error))
  })

  it("means what Node's error below a ConnectError means", () => {
    const cause = Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED", syscall: "connect" })
    const error = { name: "ConnectError", code: 14, rawMessage: "connect ECONNREFUSED", metadata: new Headers(), cause }
    deepStrictEqual(RpcError.outcome(error, 0), Option.some(Outcome.failed(Failure.connectFailure("tcp", "ECONNREFUSED"))))
  })

  it("means what the socket below an RpcClientError does", () => {
    const of = (reason: string, cause?: unknown) =>
      Option.map(
        RpcError.outcome({ _tag: "RpcClientError", reason: "Protocol", cause: { _tag: "SocketError", reason, cause } }, 0),
        (outcome) => Outcome.isFailed(outcome) ? outcome.failure : undefined
      )
    deepStrictEqual(of("Open"), Option.some(Failure.connectFailure("tcp", "Open")))
    deepStrictEqual(of("OpenTimeout"), Option.some(Failure.connectFailure("tcp", "OpenTimeout")))
    deepStrictEqual(of("Close"), Option.some(Failure.connectionLost("Close")))
    deepStrictEqual(of("Read", { code: "ECONNRESET" }), Option.some(Failure.connectionLost("ECONNRESET")))
    deepStrictEqual(RpcError.outcome({ _tag: "RpcClientError", reason: "Unknown" }, 0), Option.none())
    const status = { _tag: "RpcClientError", cause: { cause: { code: "aborted" } } }
    deepStrictEqual(RpcError.outcome(status, 0, ["ABORTED"]), Option.some(Outcome.failed(Failure.rpcFailure("ABORTED", Option.none(), "always"))))
  })

  it("is unseen by two words of grpc-js and one of Connect, each with its code", () => {
    const unseen = [
      { code: 14, details: "Stream refused by server" },
      { code: 13, details: "Failed to start HTTP/2 stream with error The session has been destroyed" },
      { code: 14, rawMessage: "http/2 stream closed with error code REFUSED_STREAM (0x7)" }
    ]
    for (const error of unseen) {
      assert.isTrue(RpcError.isUnseen(error))
      assert.isFalse(RpcError.isUnseen({ ...error, code: 2 }))
    }
  })
})

describe("RpcClassifier", () => {
  it("lets a call be sent again exactly after the codes it is given", () => {
    fc.assert(fc.property(code, fc.subarray([...RpcStatus.codes]), (code, codes) => {
      const error = { code: RpcStatus.toNumber(code), details: "" }
      assert.strictEqual(follows(error, codes), codes.includes(code))
      assert.strictEqual(follows(error), ["UNAVAILABLE", "RESOURCE_EXHAUSTED"].includes(code))
    }), runs)
  })

  it("never lets one be sent again where the server says stop, whatever else it says", () => {
    const said = fc.oneof(fc.string(), fc.integer({ max: -1 }).map(String)).filter((text) => RetryPushback.parse(text)._tag === "Stop")
    fc.assert(fc.property(code, said, (code, said) => {
      const error = { code, metadata: { [RetryPushback.key]: said } }
      assert.isFalse(follows(error, RpcStatus.codes))
    }), runs)
  })

  it("leaves defects, interruption and all other errors to the default", () => {
    const exits = [Exit.die({ code: 14, details: "" }), Exit.interrupt(undefined as never), Exit.fail({ code: "ECONNRESET" }), Exit.fail("x"), Exit.succeed(1)]
    for (const exit of exits) deepStrictEqual(Classifier.run(RpcClassifier.errors, exit, 0), Classifier.run(Classifier.errors, exit, 0))
  })
})

describe("PushbackSchedule", () => {
  it("waits exactly as long as asked, counts from the beginning after that, and never beyond the cap", () => {
    const failure = fc.option(fc.integer({ min: 0, max: 120_000 })).map((asked) => Failure.rpcFailure("UNAVAILABLE", Option.fromNullable(asked)))
    const backoff = Backoff.exponential("100 millis").pipe(Backoff.capped("1 second"))
    const schedule = PushbackSchedule.fromBackoff(backoff, { atMost: "1 minute" })
    fc.assert(fc.property(fc.array(failure, { minLength: 1, maxLength: 12 }), (failures) => {
      const proposals = Chunk.toReadonlyArray(Effect.runSync(Schedule.run(schedule, 0, failures)))
      let index = 0
      for (const [i, proposal] of proposals.entries()) {
        const asked = Failure.retryAfter(failures[i] ?? Failure.unavailable())
        if (Option.isSome(asked)) {
          index = 0
          deepStrictEqual(
            proposal,
            asked.value > 60_000
              ? Decision.stop("RetryAfterTooLong", asked)
              : { ...Decision.proceed(asked.value, asked.value > 0 ? "RetryAfter" : "Backoff", "honoured") }
          )
        } else deepStrictEqual(proposal, Decision.proceed(Backoff.delay(backoff, { index: index++, draw: 0 })))
      }
      const stop = failures.findIndex((each) => Option.exists(Failure.retryAfter(each), (asked) => asked > 60_000))
      assert.strictEqual(proposals.length, stop < 0 ? failures.length : stop + 1)
    }), { numRuns: 1_000 })
  })
})
