import { assert, describe, it } from "@effect/vitest"
import { assertSome, deepStrictEqual } from "@effect/vitest/utils"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import * as Classifier from "../../src/core/Classifier.ts"
import * as Failure from "../../src/core/Failure.ts"
import * as Outcome from "../../src/core/Outcome.ts"
import * as CircuitBreaker from "../../src/strategy/CircuitBreaker.ts"
import * as Fallback from "../../src/strategy/Fallback.ts"
import * as LastGood from "../../src/strategy/LastGood.ts"
import * as Observer from "../../src/strategy/Observer.ts"
import * as RetriesExhausted from "../../src/strategy/RetriesExhausted.ts"
import * as Timeout from "../../src/strategy/Timeout.ts"
import { told } from "../support/told.ts"

/** An error that carries a failure. */
class Lost extends Error {
  readonly [Failure.key]: Failure.Failure
  constructor(failure: Failure.Failure) {
    super(failure._tag)
    this[Failure.key] = failure
  }
}
const lost = (failure: Failure.Failure) => Effect.fail(new Lost(failure))

const all: ReadonlyArray<Failure.Failure> = [
  Failure.connectFailure("tcp", "ECONNREFUSED"),
  Failure.connectionLost("ECONNRESET"),
  Failure.attemptTimedOut(),
  Failure.throttled(),
  Failure.unavailable(),
  Failure.serverFault(500),
  Failure.refused(404),
  Failure.untrusted("CERT_HAS_EXPIRED"),
  Failure.malformed("url", "InvalidUrl"),
  Failure.rpcFailure("UNAVAILABLE"),
  Failure.rejected("CircuitOpen"),
  Failure.unknown("what")
]

describe("which failures", () => {
  it.effect("by default: those that say that there is no answer to be had now", () =>
    Effect.gen(function*() {
      const tags: Array<string> = []
      for (const failure of all) {
        const exit: Exit.Exit<string, Lost> = yield* Effect.exit(Fallback.fallback(lost(failure), { value: "instead" }))
        if (Exit.isSuccess(exit)) tags.push(failure._tag)
        else deepStrictEqual(Cause.failureOption(exit.cause), Option.some(new Lost(failure)))
      }
      assert.deepStrictEqual(tags, [...Fallback.outage])
    }))

  it.effect("those of the kinds that are named, and no other", () =>
    Effect.gen(function*() {
      const tags: Array<string> = []
      for (const failure of all) {
        const exit = yield* Effect.exit(Fallback.fallback(lost(failure), { on: ["Refused", "Throttled"], value: "instead" }))
        if (Exit.isSuccess(exit)) tags.push(failure._tag)
      }
      assert.deepStrictEqual(tags, ["Throttled", "Refused"])
    }))

  it.effect("of these the ones that a predicate wants", () =>
    Effect.gen(function*() {
      const isMissing = Fallback.fallback({ on: ["Refused"], where: ({ status }) => status === 404, value: "none" })
      assert.strictEqual(yield* isMissing(lost(Failure.refused(404))), "none")
      assert.strictEqual((yield* Effect.flip(isMissing(lost(Failure.refused(403))))).message, "Refused")
    }))

  it.effect("our own refusals, of whatever strategy", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker.make()
      yield* CircuitBreaker.isolate(breaker)
      const rejected = Effect.succeed("live").pipe(CircuitBreaker.protect({ breaker }), Fallback.fallback({ on: ["Rejected"], value: "without" }))
      assert.strictEqual(yield* rejected, "without")
      const late = yield* Effect.fork(Effect.never.pipe(
        Timeout.timeout("1 second"),
        Fallback.fallback({ on: ["AttemptTimedOut"], to: ({ phase }) => Effect.succeed(phase) })
      ))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* late, "headers")
      const attempts = [{ number: 1, startedAt: 0, endedAt: 0, failure: Failure.unavailable({ status: 503 }) }]
      const exhausted = Effect.fail(new RetriesExhausted.RetriesExhausted({ because: "MaxAttempts" as never, attempts }))
      assert.strictEqual(yield* Fallback.fallback(exhausted, { on: ["Unavailable"], value: "without" }), "without")
    }))

  it.effect("a value that a classifier calls a failure", () =>
    Effect.gen(function*() {
      const classifier = Classifier.make<string>("empty", (exit) =>
        Exit.isSuccess(exit) && exit.value === "" ? Option.some(Outcome.failed(Failure.unavailable())) : Option.none())
      const orElse = (text: string) => Fallback.fallback(Effect.succeed(text), { classifier, value: "instead" })
      assert.deepStrictEqual([yield* orElse(""), yield* orElse("full")], ["instead", "full"])
    }))

  it("none named is a mistake", () => {
    assert.throws(() => Fallback.fallback(Effect.void, { on: [], value: 1 }), /Fallback: on must be a list that is not empty/)
  })
})

describe("never", () => {
  const anything = Classifier.make("anything", () => Option.some(Outcome.failed(Failure.unavailable())))

  it.effect("hides a defect, whatever a classifier calls it", () =>
    Effect.gen(function*() {
      const defect = Object.assign(new Error("no"), { code: "ERR_INVALID_CHAR" })
      for (const died of [Effect.die(defect), Effect.failCause(Cause.parallel(Cause.fail("e"), Cause.die(defect)))]) {
        const [exit, events] = yield* told("FallbackUsed", Fallback.fallback(died, { classifier: anything, value: "instead" }))
        deepStrictEqual(exit, yield* Effect.exit(died))
        const [named] = yield* told("FallbackUsed", Fallback.fallback(died, { on: ["Malformed", "Unknown"], value: "instead" }))
        deepStrictEqual(named, yield* Effect.exit(died))
        assert.lengthOf(events, 0)
      }
    }))

  it.effect("hides an interruption, from within or from outside", () =>
    Effect.gen(function*() {
      const [exit] = yield* told("FallbackUsed", Fallback.fallback(Effect.interrupt, { classifier: anything, value: "instead" }))
      assert.isTrue(Exit.isInterrupted(exit))
      const fiber = yield* Effect.fork(Fallback.fallback(Effect.never, { classifier: anything, value: "instead" }))
      yield* Effect.yieldNow()
      assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(fiber)))
    }))

  it.effect("is begun where all goes well", () =>
    Effect.gen(function*() {
      const to = () => Effect.die("begun")
      const [exit, events] = yield* told("FallbackUsed", Fallback.fallback(Effect.succeed(1), { to }))
      deepStrictEqual(exit, Exit.succeed(1))
      assert.lengthOf(events, 0)
    }))
})

describe("a fallback", () => {
  it.effect("is given the failure, and what is told of it is told before it is begun", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const failure = Failure.unavailable({ status: 503 })
      yield* TestClock.adjust("5 seconds")
      yield* lost(failure).pipe(
        Fallback.fallback({ name: "replica", to: (given) => Effect.sync(() => void seen.push(`begun for ${given._tag}`)) }),
        Observer.observe(Observer.sync((event) => {
          if (event._tag !== "FallbackUsed") return
          seen.push(`${event.call.name} at ${event.at} because of ${event.because._tag}: ${event.source}`)
        }))
      )
      assert.deepStrictEqual(seen, ["replica at 5000 because of Unavailable: Effect", "begun for Unavailable"])
    }))

  it.effect("that fails: its own error comes out, and the first one stands behind it", () =>
    Effect.gen(function*() {
      const failing = lost(Failure.unavailable()).pipe(Fallback.fallback({ to: () => Effect.fail("own" as const) }))
      assert.strictEqual(yield* Effect.flip(failing), "own")
      assert.strictEqual(yield* Effect.catchAll(failing, Effect.succeed), "own")
      const exit = yield* Effect.exit(failing)
      deepStrictEqual(exit, Exit.failCause(Cause.sequential(Cause.fail("own" as const), Cause.fail(new Lost(Failure.unavailable())))))
      assert.strictEqual(Exit.isFailure(exit) && Cause.squash(exit.cause), "own")
    }))

  it.effect("that fails: an outer classifier goes by the more cautious of the two", () =>
    Effect.gen(function*() {
      const never = lost(Failure.connectFailure("tcp", "ECONNREFUSED"))
      const failing = lost(Failure.unavailable({ status: 503 })).pipe(Fallback.fallback({ to: () => never }))
      const outcome = Classifier.run(Classifier.errors, yield* Effect.exit(failing), 0)
      deepStrictEqual(outcome, Outcome.failed(Failure.unavailable({ status: 503 })))
    }))

  it.effect("that dies or is interrupted does so alone: no handler takes it for an error", () =>
    Effect.gen(function*() {
      const dies = lost(Failure.unavailable()).pipe(Fallback.fallback({ to: () => Effect.die("defect") }))
      deepStrictEqual(yield* Effect.exit(Effect.catchAll(dies, () => Effect.void)), Exit.die("defect"))
      const throws = lost(Failure.unavailable()).pipe(Fallback.fallback({
        to: (): Effect.Effect<never> => {
          throw new RangeError("thrown")
        }
      }))
      assert.isTrue(Cause.isDie((yield* Effect.sandbox(throws).pipe(Effect.flip)) as Cause.Cause<unknown>))
      const interrupted = lost(Failure.unavailable()).pipe(Fallback.fallback({ to: () => Effect.interrupt }))
      assert.isTrue(Exit.isInterrupted(yield* Effect.exit(interrupted)))
    }))

  it.effect("can be interrupted while it runs, and while a listener keeps it waiting", () =>
    Effect.gen(function*() {
      const begun = yield* Deferred.make<void>()
      const waiting = Effect.zipRight(Deferred.succeed(begun, undefined), Effect.never)
      const failing = lost(Failure.unavailable())
      const running = yield* Effect.fork(Fallback.fallback(failing, { to: () => waiting }))
      yield* Deferred.await(begun)
      assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(running)))
      const told = yield* Deferred.make<void>()
      const slow = Observer.make(() => Effect.zipRight(Deferred.succeed(told, undefined), Effect.never))
      const telling = yield* Effect.fork(Observer.observe(Fallback.fallback(failing, { to: () => Effect.die("begun") }), slow))
      yield* Deferred.await(told)
      assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(telling)))
    }))

  it.effect("takes its turn behind another one", () =>
    Effect.gen(function*() {
      const chain = lost(Failure.unavailable()).pipe(
        Fallback.fallback({ to: () => lost(Failure.throttled()) }),
        Fallback.fallback({ on: ["Unavailable", "Throttled"], value: "last" })
      )
      assert.strictEqual(yield* chain, "last")
    }))

  it.effect("a classifier or a predicate that dies is a defect of the call", () =>
    Effect.gen(function*() {
      const thrown = new Error("thrown")
      const throws = () => {
        throw thrown
      }
      const failing = lost(Failure.unavailable())
      deepStrictEqual(yield* Effect.exit(Fallback.fallback(failing, { where: throws, value: 1 })), Exit.die(thrown))
      deepStrictEqual(yield* Effect.exit(Fallback.fallback(failing, { classifier: Classifier.make("dies", throws), value: 1 })), Exit.die(thrown))
    }))
})

describe("staleIfError", () => {
  it.effect("gives what was good last for a key, until it is too old, and says how old it is", () =>
    Effect.gen(function*() {
      const lastGood = yield* LastGood.make<number>({ maxAge: "1 minute" })
      const read = (source: Effect.Effect<number, Lost>, key = "EUR") => Fallback.staleIfError(source, { lastGood, key, name: "rates" })
      const down = lost(Failure.unavailable())
      assert.strictEqual((yield* Effect.flip(read(down))).message, "Unavailable")
      assert.strictEqual(yield* read(Effect.succeed(1)), 1)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(yield* read(Effect.succeed(2)), 2)
      yield* TestClock.adjust("60 seconds")
      const [exit, events] = yield* told("FallbackUsed", read(down))
      deepStrictEqual(exit, Exit.succeed(2))
      assert.strictEqual(events[0]?.source, "LastGood")
      assertSome(events[0]!.age, 60_000)
      assert.strictEqual((yield* Effect.flip(read(down, "USD"))).message, "Unavailable")
      yield* TestClock.adjust(1)
      const [tooOld, none] = yield* told("FallbackUsed", read(down))
      deepStrictEqual(tooOld, Exit.fail(new Lost(Failure.unavailable())))
      assert.lengthOf(none, 0)
    }))

  it.effect("keeps no value that a classifier calls a failure, and gives it for one", () =>
    Effect.gen(function*() {
      const lastGood = yield* LastGood.make<string>()
      const classifier = Classifier.make<string>("empty", (exit) =>
        Exit.isSuccess(exit) && exit.value === "" ? Option.some(Outcome.failed(Failure.unavailable())) : Option.none())
      const read = (text: string) => Fallback.staleIfError(Effect.succeed(text), { lastGood, classifier })
      assert.deepStrictEqual([yield* read(""), yield* read("full"), yield* read("")], ["", "full", "full"])
    }))

  it.effect("a failure that was not chosen comes out as it is", () =>
    Effect.gen(function*() {
      const lastGood = yield* LastGood.make<number>()
      const read = (source: Effect.Effect<number, Lost>) => Fallback.staleIfError(source, { lastGood })
      yield* read(Effect.succeed(1))
      assert.strictEqual((yield* Effect.flip(read(lost(Failure.refused(404))))).message, "Refused")
      deepStrictEqual(yield* Effect.exit(read(Effect.die("defect"))), Exit.die("defect"))
    }))
})
