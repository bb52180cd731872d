import { it } from "@effect/vitest"
import { Cause, Chunk, Deferred, Effect, Exit, Fiber, Layer, Option, Schedule, Stream, TestClock } from "effect"
import { assert, describe } from "vitest"
import type * as Breaker from "../../src/core/Breaker.ts"
import * as Classifier from "../../src/core/Classifier.ts"
import type { Event } from "../../src/core/Event.ts"
import * as Failure from "../../src/core/Failure.ts"
import * as Outcome from "../../src/core/Outcome.ts"
import * as BreakerStore from "../../src/strategy/BreakerStore.ts"
import * as CircuitBreaker from "../../src/strategy/CircuitBreaker.ts"
import * as Observer from "../../src/strategy/Observer.ts"
import * as Retry from "../../src/strategy/Retry.ts"

const options = { tripPolicy: CircuitBreaker.consecutive(2), openDuration: "1 minute" } as const

const fail = Effect.fail("no")
const tag = (breaker: CircuitBreaker.CircuitBreaker, key?: string) => Effect.map(CircuitBreaker.state(breaker, key), ({ _tag }) => _tag)

/** A breaker that has just opened. */
const opened = (more: CircuitBreaker.Options = {}) =>
  Effect.gen(function*() {
    const breaker = yield* CircuitBreaker.make({ ...options, ...more })
    for (let i = 0; i < 2; i++) yield* Effect.exit(CircuitBreaker.protect(fail, { breaker }))
    assert.strictEqual(yield* tag(breaker), "Open")
    return breaker
  })

describe("CircuitBreaker", () => {
  it.effect("returns what the effect gives, whatever it is", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker.make({ tripPolicy: CircuitBreaker.never })
      for (const exit of [Exit.succeed(1), Exit.fail("no"), Exit.die("bug"), Exit.failCause(Cause.parallel(Cause.fail("a"), Cause.die("b")))]) {
        const effect: Effect.Effect<number, string> = exit
        assert.deepStrictEqual<unknown>(yield* Effect.exit(effect.pipe(CircuitBreaker.protect({ breaker }))), exit)
      }
    }))

  it.effect("opens, rejects for 59 999 ms without beginning the effect, probes at 60 000, and closes", () =>
    Effect.gen(function*() {
      const breaker = yield* opened()
      let begun = 0
      const call = CircuitBreaker.protect(Effect.sync(() => ++begun), { breaker })
      yield* TestClock.adjust(59_999)
      const error = yield* Effect.flip(call)
      assert.deepStrictEqual([error._tag, error.key, error.because, error.retryAfter], ["CircuitOpen", "default", "Open", Option.some(1)])
      assert.strictEqual(begun, 0)
      assert.strictEqual(yield* tag(breaker), "Open")
      yield* TestClock.adjust(1)
      assert.strictEqual(yield* tag(breaker), "HalfOpen")
      assert.strictEqual(yield* call, 1)
      assert.strictEqual(yield* tag(breaker), "Closed")
    }))

  it.effect("reopens for longer after a failed probe", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker.make({ tripPolicy: CircuitBreaker.consecutive(1) })
      const call = Effect.exit(CircuitBreaker.protect(fail, { breaker }))
      yield* call
      yield* TestClock.adjust("5 seconds")
      yield* call
      const error = yield* Effect.flip(CircuitBreaker.protect(Effect.void, { breaker }))
      assert.deepStrictEqual(error.retryAfter, Option.some(10_000))
    }))

  it.effect("openDuration may be any schedule, by the number of openings in a row: its last delay lasts", () =>
    Effect.gen(function*() {
      const lengths = (openDuration: NonNullable<CircuitBreaker.Options["openDuration"]>, openings: number) =>
        Effect.gen(function*() {
          const breaker = yield* CircuitBreaker.make({ tripPolicy: CircuitBreaker.consecutive(1), openDuration })
          const seen: Array<number> = []
          while (seen.length < openings) {
            yield* Effect.exit(CircuitBreaker.protect(fail, { breaker }))
            const error = yield* Effect.flip(CircuitBreaker.protect(Effect.void, { breaker }))
            const length = Option.getOrThrow(error.retryAfter)
            seen.push(length)
            yield* TestClock.adjust(length)
          }
          return seen
        })
      const twice = Schedule.exponential("1 second").pipe(Schedule.intersect(Schedule.recurs(3)))
      assert.deepStrictEqual(yield* lengths(twice, 5), [1_000, 2_000, 4_000, 4_000, 4_000])
      assert.deepStrictEqual(yield* lengths(Schedule.spaced("2 seconds"), 3), [2_000, 2_000, 2_000])
      assert.deepStrictEqual(yield* lengths({ delays: [7, 3] }, 3), [7, 3, 3])
      for (const nonsense of [Schedule.recurs(3), Schedule.stop, { delays: [] }, { delays: [1, NaN] }]) {
        const exit = yield* Effect.exit(Effect.suspend(() => CircuitBreaker.make({ openDuration: nonsense })))
        assert.match(String(exit), /openDuration/)
      }
    }))

  it.effect("a refusal says what it is: to people, and to a classifier", () =>
    Effect.gen(function*() {
      const breaker = yield* opened()
      const error = yield* Effect.flip(CircuitBreaker.protect(Effect.void, { breaker }))
      assert.strictEqual(error.message, `not sent: the breaker of "default" says Open, for another 1m`)
      assert.deepStrictEqual(error[Failure.key], Failure.rejected("CircuitOpen", Option.some(60_000)))
    }))

  it.effect("under a retry it is not sent again", () =>
    Effect.gen(function*() {
      const breaker = yield* opened()
      const error = yield* CircuitBreaker.protect(Effect.void, { breaker }).pipe(Retry.retry({}), Effect.flip)
      assert.strictEqual(error._tag, "CircuitOpen")
    }))

  it.effect("each key has a state of its own", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker.make({ ...options, tripPolicy: CircuitBreaker.consecutive(1) })
      yield* Effect.exit(CircuitBreaker.protect(fail, { breaker, key: "a" }))
      assert.deepStrictEqual([yield* tag(breaker, "a"), yield* tag(breaker, "b"), yield* tag(breaker)], ["Open", "Closed", "Closed"])
    }))

  it.effect("asks the classifier it is given", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker.make({ ...options, tripPolicy: CircuitBreaker.consecutive(1) })
      const mine = Classifier.onError("mine", (error: string) => error === "no" ? Option.some(Outcome.success) : Option.none())
      yield* Effect.exit(CircuitBreaker.protect(fail, { breaker, classifier: mine }))
      assert.strictEqual(yield* tag(breaker), "Closed")
      yield* Effect.exit(CircuitBreaker.protect(Effect.fail("other"), { breaker, classifier: mine }))
      assert.strictEqual(yield* tag(breaker), "Open")
    }))

  it.effect("isolate rejects until reset, and what was on its way then does not count", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker.make(options)
      const gate = yield* Deferred.make<void>()
      const calls = yield* Effect.fork(
        Effect.all([1, 2, 3].map(() => Effect.exit(CircuitBreaker.protect(Effect.zipRight(Deferred.await(gate), fail), { breaker }))), {
          concurrency: "unbounded"
        })
      )
      yield* Effect.yieldNow()
      yield* CircuitBreaker.isolate(breaker)
      yield* CircuitBreaker.isolate(breaker)
      yield* TestClock.adjust("100 days")
      const error = yield* Effect.flip(CircuitBreaker.protect(Effect.void, { breaker }))
      assert.deepStrictEqual([error.because, error.retryAfter], ["Isolated", Option.none()])
      yield* CircuitBreaker.reset(breaker)
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(calls)
      assert.strictEqual(yield* tag(breaker), "Closed")
      yield* CircuitBreaker.protect(Effect.void, { breaker })
    }))

  it.effect("reset closes an open one, and begins the count anew", () =>
    Effect.gen(function*() {
      const breaker = yield* opened()
      yield* CircuitBreaker.reset(breaker)
      assert.strictEqual(yield* tag(breaker), "Closed")
      yield* Effect.exit(CircuitBreaker.protect(fail, { breaker }))
      assert.strictEqual(yield* tag(breaker), "Closed")
    }))

  it.effect("transitions: each change, in order, with its reason", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker.make(options)
      const seen = yield* breaker.transitions.pipe(Stream.take(6), Stream.runCollect, Effect.fork)
      yield* Effect.yieldNow()
      const call = Effect.exit(CircuitBreaker.protect(fail, { breaker, key: "a" }))
      yield* Effect.repeatN(call, 1)
      yield* TestClock.adjust("1 minute")
      yield* CircuitBreaker.protect(Effect.void, { breaker, key: "a" })
      yield* CircuitBreaker.isolate(breaker, "a")
      yield* CircuitBreaker.reset(breaker, "a")
      yield* Effect.repeatN(call, 1)
      const transitions = Chunk.toReadonlyArray(yield* Fiber.join(seen))
      assert.deepStrictEqual(transitions.map(({ because, from, to }) => `${from} ${to}: ${because}`), [
        "Closed Open: 2 failures in a row",
        "Open HalfOpen: its time is over",
        "HalfOpen Closed: the probes succeeded",
        "Closed Isolated: isolated",
        "Isolated Closed: reset",
        "Closed Open: 2 failures in a row"
      ])
      const generations = transitions.map(({ generation }) => generation)
      assert.deepStrictEqual(generations, [...new Set(generations)].sort((a, b) => a - b))
      assert.deepStrictEqual(transitions[0]?.openFor, Option.some(60_000))
    }))

  it.effect("events: opened, rejected, half open, closed, with key and reason", () =>
    Effect.gen(function*() {
      const events: Array<Event> = []
      const listen = Observer.observe(Observer.sync((event) => void events.push(event)))
      const breaker = yield* CircuitBreaker.make({ ...options, name: "users" })
      const call = (effect: Effect.Effect<void, string>) => Effect.exit(CircuitBreaker.protect(effect, { breaker, key: "a" })).pipe(listen)
      yield* call(fail)
      yield* call(fail)
      yield* call(fail)
      yield* TestClock.adjust("1 minute")
      yield* call(Effect.void)
      yield* listen(CircuitBreaker.isolate(breaker, "a"))
      assert.deepStrictEqual(events.map((event) => "because" in event && "key" in event ? [event._tag, event.at, event.key, event.because] : event), [
        ["BreakerOpened", 0, "a", "2 failures in a row"],
        ["BreakerRejected", 0, "a", "Open"],
        ["BreakerHalfOpened", 60_000, "a", "its time is over"],
        ["BreakerClosed", 60_000, "a", "the probes succeeded"],
        ["BreakerOpened", 60_000, "a", "isolated"]
      ])
      assert.deepStrictEqual([...new Set(events.map(({ call }) => call))], [breaker.call])
      assert.strictEqual(breaker.call.name, "users")
    }))

  it.effect("a listener that dies or hangs keeps no probe", () =>
    Effect.gen(function*() {
      for (const listener of [Observer.make(() => Effect.die("bug")), Observer.make(() => Effect.never)]) {
        const breaker = yield* opened()
        yield* TestClock.adjust("1 minute")
        const fiber = yield* CircuitBreaker.protect(Effect.never, { breaker }).pipe(Observer.observe(listener), Effect.fork)
        yield* Effect.yieldNow()
        yield* Fiber.interrupt(fiber)
        assert.strictEqual(yield* tag(breaker), "HalfOpen")
        yield* CircuitBreaker.protect(Effect.void, { breaker })
      }
    }), 5000)

  it.effect("an interrupted probe gives its place back, and the breaker stays half open", () =>
    Effect.gen(function*() {
      const breaker = yield* opened()
      yield* TestClock.adjust("1 minute")
      const probe = yield* Effect.fork(CircuitBreaker.protect(Effect.never, { breaker }))
      yield* Effect.yieldNow()
      const error = yield* Effect.flip(CircuitBreaker.protect(Effect.void, { breaker }))
      assert.strictEqual(error.because, "Probing")
      yield* Fiber.interrupt(probe)
      assert.strictEqual(yield* tag(breaker), "HalfOpen")
      yield* CircuitBreaker.protect(Effect.void, { breaker })
      assert.strictEqual(yield* tag(breaker), "Closed")
    }))

  it.effect("a probe that an inner guard rejects gives its place back", () =>
    Effect.gen(function*() {
      const breaker = yield* opened()
      const inner = yield* CircuitBreaker.make()
      yield* CircuitBreaker.isolate(inner)
      yield* TestClock.adjust("1 minute")
      yield* Effect.void.pipe(CircuitBreaker.protect({ breaker: inner }), CircuitBreaker.protect({ breaker }), Effect.exit)
      assert.strictEqual(yield* tag(breaker), "HalfOpen")
      yield* CircuitBreaker.protect(Effect.void, { breaker })
    }))

  it.effect("a defect of the effect or of the classifier comes out once, and the probe goes back", () =>
    Effect.gen(function*() {
      const buggy = Classifier.make("buggy", () => {
        throw new Error("classifier")
      })
      const breaker = yield* opened()
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual<unknown>(yield* Effect.exit(CircuitBreaker.protect(Effect.die("bug"), { breaker })), Exit.die("bug"))
      const exit = yield* Effect.exit(CircuitBreaker.protect(Effect.void, { breaker, classifier: buggy }))
      assert.isTrue(Exit.isFailure(exit) && Cause.isDie(exit.cause))
      yield* CircuitBreaker.protect(Effect.void, { breaker })
      assert.strictEqual(yield* tag(breaker), "Closed")
    }))

  it.effect("of 1000 calls at the instant it may, one is sent", () =>
    Effect.gen(function*() {
      const breaker = yield* opened()
      yield* TestClock.adjust("1 minute")
      let begun = 0
      const gate = yield* Deferred.make<void>()
      const call = Effect.exit(CircuitBreaker.protect(Effect.zipRight(Effect.sync(() => ++begun), Deferred.await(gate)), { breaker }))
      const all = yield* Effect.fork(Effect.all(Array.from({ length: 1000 }, () => call), { concurrency: "unbounded" }))
      yield* Effect.repeatN(Effect.yieldNow(), 10)
      yield* Deferred.succeed(gate, undefined)
      const exits = yield* Fiber.join(all)
      assert.strictEqual(begun, 1)
      assert.strictEqual(exits.filter(Exit.isFailure).length, 999)
    }))

  it.effect("a clock that is set back by an hour keeps it open for its minute, not for an hour", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(3_600_000)
      const breaker = yield* opened()
      yield* TestClock.setTime(0)
      const call = CircuitBreaker.protect(Effect.void, { breaker })
      assert.deepStrictEqual((yield* Effect.flip(call)).retryAfter, Option.some(60_000))
      yield* TestClock.adjust(59_999)
      yield* Effect.flip(call)
      yield* TestClock.adjust(1)
      yield* call
    }))
})

describe("stores", () => {
  it.effect("layerStoreMemory bounds the keys; the key that was forgotten begins anew, and its late results do not count", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker.make({ ...options, tripPolicy: CircuitBreaker.consecutive(1) })
      const gate = yield* Deferred.make<void>()
      const late = yield* Effect.fork(Effect.exit(CircuitBreaker.protect(Effect.zipRight(Deferred.await(gate), fail), { breaker, key: "a" })))
      yield* Effect.yieldNow()
      for (const key of ["b", "c", "d"]) yield* CircuitBreaker.protect(Effect.void, { breaker, key })
      yield* CircuitBreaker.protect(Effect.void, { breaker, key: "a" })
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(late)
      assert.strictEqual(yield* tag(breaker, "a"), "Closed")
    }).pipe(Effect.provide(CircuitBreaker.layerStoreMemory({ capacity: 2 }))))

  it.effect("a key that is isolated is never forgotten", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker.make(options)
      yield* CircuitBreaker.isolate(breaker, "a")
      for (let i = 0; i < 100; i++) yield* CircuitBreaker.protect(Effect.void, { breaker, key: `${i}` })
      assert.strictEqual(yield* tag(breaker, "a"), "Isolated")
    }).pipe(Effect.provide(CircuitBreaker.layerStoreMemory({ capacity: 2 }))))

  const broken = (admission: Effect.Effect<BreakerStore.Admission, BreakerStore.BreakerStoreError>) => {
    const error = Effect.fail(new BreakerStore.BreakerStoreError({ cause: "down" }))
    const store: BreakerStore.Store = {
      admit: () => admission,
      record: () => error,
      state: () => error,
      isolate: () => error,
      reset: () => error
    }
    return Layer.succeed(BreakerStore.BreakerStores, { open: () => Effect.succeed(store) })
  }
  const down = broken(Effect.fail(new BreakerStore.BreakerStoreError({ cause: "down" })))

  it.effect("a store that is down lets calls through, or fails them, as asked", () =>
    Effect.gen(function*() {
      const [allow, refuse] = [yield* CircuitBreaker.make(), yield* CircuitBreaker.make({ onStoreError: "fail" })]
      assert.strictEqual(yield* CircuitBreaker.protect(Effect.succeed(1), { breaker: allow }), 1)
      const error = yield* Effect.flip(CircuitBreaker.protect(Effect.succeed(1), { breaker: refuse }))
      assert.deepStrictEqual([error._tag, error.because], ["CircuitOpen", "Store"])
      assert.strictEqual((yield* Effect.flip(CircuitBreaker.state(allow)))._tag, "BreakerStoreError")
    }).pipe(Effect.provide(down)))

  const ticket: Breaker.Ticket = { generation: 0, startedAt: 0, probe: Option.none() }
  const slow = Effect.as(Effect.yieldNow(), { answer: { _tag: "Admitted" as const, ticket }, transition: undefined })

  it.effect("a store that answers later, and cannot record, costs no result", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker.make()
      assert.strictEqual(yield* CircuitBreaker.protect(Effect.succeed(1), { breaker }), 1)
    }).pipe(Effect.provide(broken(slow))))
})
