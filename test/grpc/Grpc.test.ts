/**
 * Against a real server of grpc-js.
 */
import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import { Metadata, status } from "@grpc/grpc-js"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as http2 from "node:http2"
import * as Backoff from "../../src/core/Backoff.ts"
import { InvalidOption } from "../../src/core/InvalidOption.ts"
import { Grpc, PushbackSchedule, RpcClassifier, ServiceConfig } from "../../src/grpc/index.ts"
import * as CircuitBreaker from "../../src/strategy/CircuitBreaker.ts"
import * as Deadline from "../../src/strategy/Deadline.ts"
import * as RetryBudget from "../../src/strategy/RetryBudget.ts"
import * as Timeout from "../../src/strategy/Timeout.ts"
import { eventually, lookAfter } from "../support/eventually.ts"
import { client, echo, fail, hang, serve, serveStreams } from "../support/grpc.ts"
import { told } from "../support/told.ts"

const soon = PushbackSchedule.fromBackoff(Backoff.constant("1 milli"))

const pushback = (millis: string) => ({ "grpc-retry-pushback-ms": millis })

const attempts = "grpc-previous-rpc-attempts"

describe("retry", () => {
  it.scopedLive("sends a call again after UNAVAILABLE, and says how many attempts came before", () =>
    Effect.gen(function*() {
      const server = yield* serve(fail(status.UNAVAILABLE), fail(status.UNAVAILABLE), echo)
      const say = yield* client(server.address)
      // Copied from an incoming call: it speaks of that one.
      const copied = new Metadata()
      copied.set(attempts, "7")
      copied.set("x-user", "ada")
      assert.strictEqual(yield* say("hello", copied).pipe(Grpc.retry({ schedule: soon }), Effect.withTracerEnabled(false)), "hello")
      assert.deepStrictEqual(server.received.map(({ metadata }) => metadata[attempts]), [undefined, "1", "2"])
      assert.deepStrictEqual(server.received.map(({ metadata }) => metadata["x-user"]), ["ada", "ada", "ada"])
      assert.deepStrictEqual(copied.getMap(), { [attempts]: "7", "x-user": "ada" })
    }))

  it.scopedLive("sends a call again after RESOURCE_EXHAUSTED, and returns the error of the last attempt as it came", () =>
    Effect.gen(function*() {
      const server = yield* serve(fail(status.RESOURCE_EXHAUSTED))
      const say = yield* client(server.address)
      const [exit, events] = yield* told("CallEnded", say("hello").pipe(Grpc.retry({ schedule: soon, maxAttempts: 3 })))
      assert.isTrue(Exit.isFailure(exit))
      assert.strictEqual(server.received.length, 3)
      assert.strictEqual(events[0]?.end._tag === "GaveUp" ? events[0].end.because : "", "AttemptsExhausted")
      const error = yield* Effect.flip(exit)
      assert.instanceOf(error, Error)
      assert.strictEqual(error.code, status.RESOURCE_EXHAUSTED)
    }))

  for (const code of [status.NOT_FOUND, status.INVALID_ARGUMENT, status.DEADLINE_EXCEEDED, status.ABORTED, status.INTERNAL]) {
    it.scopedLive(`sends nothing more after ${status[code]}`, () =>
      Effect.gen(function*() {
        const server = yield* serve(fail(code), echo)
        const say = yield* client(server.address)
        const error = yield* Effect.flip(say("hello").pipe(Grpc.retry({ schedule: soon })))
        assert.strictEqual(error.code, code)
        assert.strictEqual(server.received.length, 1)
      }))
  }

  it.scopedLive("sends a call again after ABORTED where it is told to, and then not after UNAVAILABLE", () =>
    Effect.gen(function*() {
      const server = yield* serve(fail(status.ABORTED), fail(status.UNAVAILABLE), echo)
      const say = yield* client(server.address)
      const error = yield* Effect.flip(say("hello").pipe(Grpc.retry({ schedule: soon, codes: ["ABORTED"] })))
      assert.strictEqual(error.code, status.UNAVAILABLE)
      assert.strictEqual(server.received.length, 2)
    }))

  it.scopedLive("waits as long as the server says, and begins its backoff anew", () =>
    Effect.gen(function*() {
      const busy = fail(status.UNAVAILABLE)
      const server = yield* serve(busy, fail(status.UNAVAILABLE, pushback("150")), busy, echo)
      const say = yield* client(server.address)
      const schedule = PushbackSchedule.fromBackoff(Backoff.exponential("20 millis"))
      const [exit, waits] = yield* told("WaitStarted", say("hello").pipe(Grpc.retry({ schedule, maxAttempts: 4 })))
      deepStrictEqual(exit, Exit.succeed("hello"))
      assert.deepStrictEqual(
        waits.map(({ because, delay }) => [delay, because]),
        [[20, "Backoff"], [150, "RetryAfter"], [20, "Backoff"]]
      )
      // Timers count whole ms.
      const gap = (server.received[2]?.at ?? 0) - (server.received[1]?.at ?? 0)
      assert.isAtLeast(gap, 148)
    }))

  it.scopedLive("comes back at once where the server says 0", () =>
    Effect.gen(function*() {
      const server = yield* serve(fail(status.UNAVAILABLE, pushback("0")), echo)
      const say = yield* client(server.address)
      const [exit, waits] = yield* told("WaitStarted", say("hello").pipe(Grpc.retry()))
      deepStrictEqual(exit, Exit.succeed("hello"))
      assert.deepStrictEqual(waits.map(({ delay }) => delay), [0])
    }))

  for (const said of ["-1", "soon", "2147483648", "1.5"]) {
    it.scopedLive(`sends nothing more where the server pushes back with ${said}`, () =>
      Effect.gen(function*() {
        const server = yield* serve(fail(status.UNAVAILABLE, pushback(said)), echo)
        const say = yield* client(server.address)
        const [exit, events] = yield* told("CallEnded", say("hello").pipe(Grpc.retry({ schedule: soon })))
        assert.isTrue(Exit.isFailure(exit))
        assert.strictEqual(events[0]?.end._tag === "GaveUp" ? events[0].end.because : "", "PushedBack")
        assert.strictEqual(server.received.length, 1)
      }))
  }

  it.scopedLive("gives up where the server asks for more than it is willing to wait, or than the deadline leaves", () =>
    Effect.gen(function*() {
      const server = yield* serve(fail(status.UNAVAILABLE, pushback("60001")), fail(status.UNAVAILABLE, pushback("59000")), echo)
      const say = yield* client(server.address)
      const call = say("hello").pipe(Grpc.retry(), Deadline.within("50 seconds"))
      const because = Effect.map(told("CallEnded", call), ([, [event]]) => event?.end._tag === "GaveUp" ? event.end.because : "")
      assert.strictEqual(yield* because, "RetryAfterTooLong")
      assert.strictEqual(yield* because, "DeadlineTooClose")
      assert.strictEqual(server.received.length, 2)
    }))

  it.scopedLive("does not open another gate for a wait: a code that cannot pass is final", () =>
    Effect.gen(function*() {
      const server = yield* serve(fail(status.NOT_FOUND, pushback("0")), echo)
      const say = yield* client(server.address)
      assert.isTrue(Exit.isFailure(yield* Effect.exit(say("hello").pipe(Grpc.retry()))))
      assert.strictEqual(server.received.length, 1)
    }))

  it.scopedLive("pays from a throttle, as gRPC does", () =>
    Effect.gen(function*() {
      const server = yield* serve(fail(status.UNAVAILABLE), fail(status.NOT_FOUND), fail(status.UNAVAILABLE))
      const say = yield* client(server.address)
      const budget = yield* RetryBudget.throttle({ maxTokens: 4, tokenRatio: 0.5 })
      const call = say("hello").pipe(Grpc.retry({ schedule: soon, budget, maxAttempts: 5 }))
      // 4 - 1 for the first, and nothing for the second.
      yield* Effect.exit(call)
      assert.strictEqual(yield* budget.balance, 3)
      // 3 - 1 is half of 4: nothing is sent again.
      yield* Effect.exit(call)
      assert.strictEqual(yield* budget.balance, 2)
      assert.strictEqual(server.received.length, 3)
    }))

  it.scopedLive("fails with the history where it is asked to", () =>
    Effect.gen(function*() {
      const server = yield* serve(fail(status.UNAVAILABLE))
      const say = yield* client(server.address)
      const error = yield* Effect.flip(say("hello").pipe(Grpc.retryOrFail({ schedule: soon, maxAttempts: 2 })))
      assert.isTrue("_tag" in error && error._tag === "RetriesExhausted" && error.attempts.length === 2)
    }))

  it("refuses options that mean nothing when it is built", () => {
    assert.throws(() => Grpc.retry(Effect.void, { maxAttempts: 0 }), InvalidOption)
    assert.throws(() => Grpc.retry(Effect.void, { codes: [] }), InvalidOption)
    assert.throws(() => Grpc.retryOrFail(Effect.void, { codes: [] }), InvalidOption)
    // @ts-expect-error OK is no failure
    assert.throws(() => Grpc.retry(Effect.void, { codes: ["OK"] }), InvalidOption)
    assert.throws(() => Grpc.hedge(Effect.void, { delay: 1, maxAttempts: 6 }), InvalidOption)
    assert.throws(() => PushbackSchedule.fromBackoff(Backoff.constant(1), { atMost: NaN }), InvalidOption)
  })
})

describe("a deadline", () => {
  it.scopedLive("is told to the server with each attempt, and ends the call there too", () =>
    Effect.gen(function*() {
      const server = yield* serve(fail(status.UNAVAILABLE), hang)
      const say = yield* client(server.address)
      const schedule = PushbackSchedule.fromBackoff(Backoff.constant("200 millis"))
      const error = yield* Effect.flip(say("hello").pipe(Grpc.retry({ schedule }), Deadline.within("2500 millis")))
      assert.propertyVal(error, "_tag", "DeadlineExceeded")
      yield* eventually(() => server.received.every(({ cancelled }, i) => i === 0 || cancelled), "8 seconds")
      assert.strictEqual(server.received.length, 2)
      const [first = NaN, second = NaN] = server.received.map(({ timeLeft }) => timeLeft)
      assert.isTrue(first > 0 && first <= 2500, String(first))
      assert.isTrue(second > 0 && second <= 2500 - 199, `${first} ${second}`)
    }))

  it.scopedLive("is the limit of the attempt where that is earlier: such an attempt is cut there and here, and sent again", () =>
    Effect.gen(function*() {
      const server = yield* serve(hang, echo)
      const say = yield* client(server.address)
      const call = say("hello").pipe(Timeout.timeout("1 second"), Grpc.retry({ schedule: soon }), Deadline.within("30 seconds"))
      assert.strictEqual(yield* call, "hello")
      assert.isTrue(server.received.every(({ timeLeft }) => timeLeft > 0 && timeLeft <= 1000))
      yield* eventually(() => server.received[0]?.cancelled === true, "8 seconds")
    }))

  it.scopedLive("that the server notices first is still ours", () =>
    Effect.gen(function*() {
      // It answers a moment before the time is over, as a server does whose timer is faster.
      const hasty = fail(status.DEADLINE_EXCEEDED)
      const server = yield* serve((call, reply) => void setTimeout(() => hasty(call, reply), 997), echo)
      const say = yield* client(server.address)
      const exit = yield* Effect.exit(say("hello").pipe(Timeout.timeout("1 second"), Grpc.retry({ schedule: soon })))
      deepStrictEqual(exit, Exit.succeed("hello"))
      assert.strictEqual(server.received.length, 2)
    }))

  it.scopedLive("of somebody else's is not: DEADLINE_EXCEEDED before the time is an answer", () =>
    Effect.gen(function*() {
      const server = yield* serve(fail(status.DEADLINE_EXCEEDED), echo)
      const say = yield* client(server.address)
      const error = yield* Effect.flip(say("hello").pipe(Grpc.retry({ schedule: soon }), Deadline.within("30 seconds")))
      assert.propertyVal(error, "code", status.DEADLINE_EXCEEDED)
      assert.strictEqual(server.received.length, 1)
    }))
})

describe("interruption", () => {
  it.scopedLive("cancels the call, and the server sees it", () =>
    Effect.gen(function*() {
      const server = yield* serve(hang)
      const say = yield* client(server.address)
      const fiber = yield* Effect.fork(say("hello").pipe(Grpc.retry()))
      yield* eventually(() => server.received.length === 1, "8 seconds")
      assert.isFalse(server.received[0]?.cancelled)
      assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(fiber)))
      yield* eventually(() => server.received[0]?.cancelled === true, "8 seconds")
      assert.strictEqual(server.received.length, 1)
    }))

  it.scopedLive("during a wait sends nothing more", () =>
    Effect.gen(function*() {
      const server = yield* serve(fail(status.UNAVAILABLE, pushback("1000")), echo)
      const say = yield* client(server.address)
      const fiber = yield* Effect.fork(say("hello").pipe(Grpc.retry()))
      yield* eventually(() => server.received.length === 1, "8 seconds")
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(yield* lookAfter(1300, () => server.received.length), 1)
    }))
})

const refused = { reset: http2.constants.NGHTTP2_REFUSED_STREAM }

describe("a stream that the server refused", () => {
  it.scopedLive("is sent again once at once, which counts nowhere", () =>
    Effect.gen(function*() {
      const server = yield* serveStreams(refused, { text: "hello" })
      const say = yield* client(server.address)
      const budget = yield* RetryBudget.throttle({ maxTokens: 4, tokenRatio: 0.5 })
      assert.strictEqual(yield* say("hello").pipe(Grpc.retry({ maxAttempts: 1, budget })), "hello")
      assert.strictEqual(server.streams.length, 2)
      assert.deepStrictEqual(server.streams.map((headers) => headers[attempts]), [undefined, undefined])
      assert.strictEqual(yield* budget.balance, 4)
    }))

  it.scopedLive("is sent again once in each call, also where one effect is run for both", () =>
    Effect.gen(function*() {
      const server = yield* serveStreams(refused, { text: "1" }, refused, { text: "2" }, refused, { text: "3" }, refused, { text: "4" })
      const say = yield* client(server.address)
      for (const call of [say("hello").pipe(Grpc.retry({ maxAttempts: 1 })), say("hello").pipe(Grpc.hedge({ delay: Infinity, maxAttempts: 1 }))]) {
        yield* call
        yield* call
      }
      assert.strictEqual(server.streams.length, 8)
    }))

  it.scopedLive("is a failure like any other the second time", () =>
    Effect.gen(function*() {
      const server = yield* serveStreams(refused, refused, refused, { text: "hello" })
      const say = yield* client(server.address)
      assert.strictEqual(yield* say("hello").pipe(Grpc.retry({ schedule: soon, maxAttempts: 3 })), "hello")
      assert.deepStrictEqual(server.streams.map((headers) => headers[attempts]), [undefined, undefined, "1", "2"])
    }))

  it.scopedLive("is not sent again where nobody asks for it, nor one that was cut otherwise", () =>
    Effect.gen(function*() {
      const cut = yield* serveStreams({ reset: http2.constants.NGHTTP2_INTERNAL_ERROR }, { text: "hello" })
      const lost = yield* Effect.flip((yield* client(cut.address))("hello").pipe(Grpc.retry({ schedule: soon })))
      assert.strictEqual(lost.code, status.INTERNAL)
      assert.strictEqual(cut.streams.length, 1)
      const server = yield* serveStreams(refused, { text: "hello" })
      const call = (yield* client(server.address))("hello").pipe(Grpc.retry({ maxAttempts: 1, unseen: "never" }))
      assert.strictEqual((yield* Effect.flip(call)).code, status.UNAVAILABLE)
      assert.strictEqual(server.streams.length, 1)
    }))
})

describe("hedge", () => {
  it.scopedLive("sends a call to the server once more, gives the first answer, and cancels the other", () =>
    Effect.gen(function*() {
      const server = yield* serve(hang, echo)
      const say = yield* client(server.address)
      assert.strictEqual(yield* say("hello").pipe(Grpc.hedge({ delay: "50 millis" })), "hello")
      assert.deepStrictEqual(server.received.map(({ metadata }) => metadata[attempts]), [undefined, "1"])
      yield* eventually(() => server.received[0]?.cancelled === true, "8 seconds")
    }))

  it.scopedLive("begins the next at once after a code that is not fatal, and ends with one that is", () =>
    Effect.gen(function*() {
      const server = yield* serve(fail(status.INTERNAL), fail(status.NOT_FOUND), echo)
      const say = yield* client(server.address)
      const call = say("hello").pipe(Grpc.hedge({ delay: Infinity, codes: ["INTERNAL"], maxAttempts: 3 }))
      assert.strictEqual((yield* Effect.flip(call)).code, status.NOT_FOUND)
      assert.strictEqual(server.received.length, 2)
    }))

  it.scopedLive("sends no more where the server pushes back", () =>
    Effect.gen(function*() {
      const server = yield* serve(fail(status.UNAVAILABLE, pushback("-1")), echo)
      const say = yield* client(server.address)
      const call = say("hello").pipe(Grpc.hedge({ delay: "20 seconds", maxAttempts: 3 }))
      assert.strictEqual((yield* Effect.flip(call)).code, status.UNAVAILABLE)
      assert.strictEqual(server.received.length, 1)
    }))
})

describe("a service config", () => {
  const retryPolicy = {
    maxAttempts: 9,
    initialBackoff: "0.001s",
    maxBackoff: "0.002s",
    backoffMultiplier: 2,
    retryableStatusCodes: ["UNAVAILABLE", "INTERNAL"]
  }

  it.scopedLive("retries with its codes, and five times at most", () =>
    Effect.gen(function*() {
      const server = yield* serve(fail(status.UNAVAILABLE), fail(status.INTERNAL))
      const say = yield* client(server.address)
      const service = yield* ServiceConfig.make({ methodConfig: [{ name: [{ service: "test.Echo" }], retryPolicy }] })
      yield* Effect.flip(say("hello").pipe(service.protect("/test.Echo/Say")))
      assert.strictEqual(server.received.length, 5)
      yield* Effect.flip(say("hello").pipe(service.protect("/test.Other/Say")))
      assert.strictEqual(server.received.length, 6)
    }))

  it.scopedLive("hedges, and throttles retries and hedges with the same tokens", () =>
    Effect.gen(function*() {
      const server = yield* serve(fail(status.UNAVAILABLE))
      const say = yield* client(server.address)
      const service = yield* ServiceConfig.make({
        methodConfig: [
          { name: [{ service: "test.Echo", method: "Say" }], hedgingPolicy: { maxAttempts: 3, hedgingDelay: "20s", nonFatalStatusCodes: [14] } },
          { name: [{}], retryPolicy }
        ],
        retryThrottling: { maxTokens: 8, tokenRatio: 0.1 }
      })
      yield* Effect.flip(say("hello").pipe(service.protect("/test.Echo/Say")))
      assert.strictEqual(server.received.length, 3)
      assert.strictEqual(yield* service.budget.balance, 5)
      yield* Effect.flip(say("hello").pipe(service.protect("/test.Echo/Other")))
      assert.strictEqual(server.received.length, 4)
    }))

  it.scopedLive("takes no tokens for methods that it has no policy for, and gives some for their successes", () =>
    Effect.gen(function*() {
      const server = yield* serve(fail(status.UNAVAILABLE), fail(status.UNAVAILABLE), echo)
      const say = yield* client(server.address)
      const service = yield* ServiceConfig.make({
        methodConfig: [{ name: [{ service: "test.Echo" }], retryPolicy: { ...retryPolicy, maxAttempts: 2 } }],
        retryThrottling: { maxTokens: 8, tokenRatio: 0.5 }
      })
      yield* Effect.exit(say("hello").pipe(service.protect("/test.Other/Say")))
      assert.strictEqual(yield* service.budget.balance, 8)
      yield* say("hello").pipe(service.protect("/test.Echo/Say"))
      assert.strictEqual(yield* service.budget.balance, 7.5)
      yield* say("hello").pipe(service.protect("/test.Other/Say"))
      assert.strictEqual(yield* service.budget.balance, 8)
    }))

  it.scopedLive("gives a call its timeout", () =>
    Effect.gen(function*() {
      const server = yield* serve(hang)
      const say = yield* client(server.address)
      const service = yield* ServiceConfig.make({ methodConfig: [{ name: [{}], timeout: "0.3s" }] })
      const error = yield* Effect.flip(say("hello").pipe(service.protect("/test.Echo/Say")))
      assert.propertyVal(error, "_tag", "DeadlineExceeded")
      yield* eventually(() => server.received.every(({ cancelled }) => cancelled), "8 seconds")
    }))
})

describe("a circuit breaker", () => {
  it.scopedLive("with our classifier counts what speaks against the server, and its refusal is not sent again", () =>
    Effect.gen(function*() {
      const statuses = [status.NOT_FOUND, status.RESOURCE_EXHAUSTED, status.UNAVAILABLE, status.INTERNAL, status.UNAVAILABLE]
      const [first = fail(status.NOT_FOUND), ...others] = statuses.map((code) => fail(code))
      const server = yield* serve(first, ...others)
      const say = yield* client(server.address)
      const breaker = yield* CircuitBreaker.make({ tripPolicy: CircuitBreaker.consecutive(3) })
      const call = say("hello").pipe(CircuitBreaker.protect({ breaker, classifier: RpcClassifier.errors }))
      // Five answers, of which the last three count; the sixth call is not made.
      for (const _ of statuses) assert.propertyVal(yield* Effect.flip(call), "name", "Error")
      const error = yield* Effect.flip(call.pipe(Grpc.retry({ schedule: soon })))
      assert.propertyVal(error, "_tag", "CircuitOpen")
      assert.strictEqual(server.received.length, 5)
    }))
})

describe("a call that cannot be begun", () => {
  it.scopedLive("is a defect, which is not retried: its channel was closed", () =>
    Effect.gen(function*() {
      const server = yield* serve(echo)
      const say = yield* Effect.scoped(client(server.address))
      const [exit, events] = yield* told("AttemptStarted", say("hello").pipe(Grpc.retry({ schedule: soon })))
      assert.isTrue(Exit.isFailure(exit) && Cause.isDie(exit.cause))
      assert.strictEqual(events.length, 1)
    }))
})

describe("what grpc-js does by itself", () => {
  it.scopedLive("is to send a refused stream again once: ours then sees a failure like any other", () =>
    Effect.gen(function*() {
      const server = yield* serveStreams(refused, { text: "hello" })
      const say = yield* client(server.address, { "grpc.enable_retries": 1 })
      assert.strictEqual(yield* say("hello"), "hello")
      assert.strictEqual(server.streams.length, 2)
    }))

  it.scopedLive("is not known of a server that is not there: such a call is UNAVAILABLE", () =>
    Effect.gen(function*() {
      const say = yield* client("127.0.0.1:1")
      const [exit, events] = yield* told("AttemptEnded", say("hello").pipe(Grpc.retry({ schedule: Schedule.recurs(1) })))
      assert.isTrue(Exit.isFailure(exit))
      deepStrictEqual(
        events.map(({ outcome }) => outcome._tag === "Failed" ? Option.some(outcome.failure._tag) : Option.none()),
        [Option.some("RpcFailure"), Option.some("RpcFailure")]
      )
    }))
})
