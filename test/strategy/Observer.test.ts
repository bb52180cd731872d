import { it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import { Deferred, Effect, Fiber, Layer, Logger, LogLevel } from "effect"
import { assert, describe } from "vitest"
import type { Event } from "../../src/core/Event.ts"
import * as Observer from "../../src/strategy/Observer.ts"

const event: Event = { _tag: "CallStarted", call: { id: 1, name: "test" }, at: 0 }

/** Listeners that write down their names, and what was heard. */
const heardBy = () => {
  const heard: Array<string> = []
  return {
    heard,
    sync: (name: string) => Observer.sync(() => void heard.push(name)),
    effect: (name: string) => Observer.make(() => Effect.sync(() => void heard.push(name))),
    slow: (name: string) => Observer.make(() => Effect.zipRight(Effect.yieldNow(), Effect.sync(() => void heard.push(name))))
  }
}

const tellCurrent = Effect.flatMap(Observer.Observer, (listener) => Observer.emit(listener, event))

describe("Observer", () => {
  it.effect("nobody listens unless told to", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* Observer.Observer, Observer.none)
      yield* Effect.withFiberRuntime<void>((fiber) => Effect.sync(() => assert.strictEqual(Observer.of(fiber), Observer.none)))
    }))

  it.effect("none is free: what it is told is Effect.void itself", () =>
    Effect.sync(() => {
      assert.strictEqual(Observer.emit(Observer.none, event), Effect.void)
      assert.strictEqual(Observer.emit(Observer.both(Observer.none, Observer.none), event), Effect.void)
      assert.strictEqual(Observer.both(Observer.none, Observer.none), Observer.none)
    }))

  it.effect("sync does its work when it is called, and is free to run", () =>
    Effect.sync(() => {
      const { heard, sync } = heardBy()
      assert.strictEqual(Observer.emit(sync("a"), event), Effect.void)
      deepStrictEqual(heard, ["a"])
      assert.strictEqual(Observer.emit(Observer.both(sync("b"), sync("c")), event), Effect.void)
      deepStrictEqual(heard, ["a", "b", "c"])
    }))

  it.effect("a listener is given the event itself", () =>
    Effect.gen(function*() {
      const seen: Array<Event> = []
      yield* Observer.emit(Observer.make((event) => Effect.sync(() => void seen.push(event))), event)
      assert.strictEqual(seen[0], event)
    }))

  it.effect("both tells the first one first, whatever kind each is", () =>
    Effect.gen(function*() {
      for (const first of ["sync", "effect", "slow"] as const) {
        for (const second of ["sync", "effect", "slow"] as const) {
          const listeners = heardBy()
          yield* Observer.emit(Observer.both(listeners[first]("first"), listeners[second]("second")), event)
          deepStrictEqual(listeners.heard, ["first", "second"], `${first}, ${second}`)
        }
      }
    }))

  it.effect("none beside another is the other", () =>
    Effect.sync(() => {
      const { sync } = heardBy()
      const a = sync("a")
      assert.strictEqual(Observer.both(a, Observer.none), a)
      assert.strictEqual(Observer.both(Observer.none, a), a)
    }))

  it.effect("observe adds to whoever listens already, the outer one first", () =>
    Effect.gen(function*() {
      const { heard, sync } = heardBy()
      yield* tellCurrent.pipe(Observer.observe(sync("inner")), Observer.observe(sync("middle")), Observer.observe(sync("outer")))
      deepStrictEqual(heard, ["outer", "middle", "inner"])
      yield* Observer.observe(tellCurrent, sync("data first"))
      assert.strictEqual(heard.at(-1), "data first")
    }))

  it.effect("observe is over when its effect is", () =>
    Effect.gen(function*() {
      const { heard, sync } = heardBy()
      yield* Effect.zipRight(tellCurrent.pipe(Observer.observe(sync("a"))), tellCurrent)
      deepStrictEqual(heard, ["a"])
    }))

  it.effect("a forked fiber has the listener of its parent", () =>
    Effect.gen(function*() {
      const { heard, sync } = heardBy()
      yield* Effect.flatMap(Effect.fork(tellCurrent), Fiber.join).pipe(Observer.observe(sync("a")))
      deepStrictEqual(heard, ["a"])
    }))

  it.effect("a layer adds to whoever listens already", () =>
    Effect.gen(function*() {
      const { effect, heard, sync } = heardBy()
      yield* tellCurrent.pipe(
        Effect.provide(Observer.layer(sync("inner layer"))),
        Effect.provide(Observer.layer(effect("outer layer"))),
        Observer.observe(sync("around"))
      )
      deepStrictEqual(heard, ["around", "outer layer", "inner layer"])
    }))

  it.effect("layers stacked with provide add up", () =>
    Effect.gen(function*() {
      const { heard, sync } = heardBy()
      const stacked = Observer.layer(sync("second")).pipe(Layer.provideMerge(Observer.layer(sync("first"))))
      yield* Effect.provide(tellCurrent, stacked)
      deepStrictEqual(heard, ["first", "second"])
    }))

  it.effect("a listener that throws changes nothing, and the next one is told", () =>
    Effect.gen(function*() {
      const { heard, sync } = heardBy()
      const throwing = Observer.sync(() => {
        throw new Error("listener")
      })
      yield* Observer.emit(throwing, event)
      yield* Observer.emit(Observer.both(throwing, sync("after")), event)
      yield* Observer.emit(Observer.both(sync("before"), throwing), event)
      yield* Observer.emit(Observer.both(Observer.make(() => Effect.yieldNow()), throwing), event)
      deepStrictEqual(heard, ["after", "before"])
    }))

  it.effect("a listener that dies changes nothing, and the next one is told", () =>
    Effect.gen(function*() {
      const { heard, sync } = heardBy()
      const dying = Observer.make(() => Effect.die("listener"))
      yield* Observer.emit(dying, event)
      yield* Observer.emit(Observer.both(dying, sync("after")), event)
      yield* Observer.emit(Observer.both(sync("before"), dying), event)
      deepStrictEqual(heard, ["after", "before"])
    }))

  it.effect("a listener that interrupts itself changes nothing, and the next one is told", () =>
    Effect.gen(function*() {
      const { heard, sync } = heardBy()
      const interrupting = Observer.make(() => Effect.interrupt)
      yield* Observer.emit(interrupting, event)
      yield* Observer.emit(Observer.both(interrupting, sync("after")), event)
      deepStrictEqual(heard, ["after"])
    }))

  it.effect("what a listener died of is logged, at debug level", () =>
    Effect.gen(function*() {
      const lines: Array<string> = []
      const logger = Logger.make(({ logLevel, message }) => void lines.push(`${logLevel.label} ${String(message)}`))
      yield* Observer.emit(Observer.sync(() => {
        throw new Error("nobody home")
      }), event).pipe(
        Effect.provide(Logger.replace(Logger.defaultLogger, logger)),
        Logger.withMinimumLogLevel(LogLevel.All)
      )
      assert.strictEqual(lines.length, 1)
      assert.match(lines[0]!, /^DEBUG .*effect-resilience: a listener died.*/)
    }))

  it.effect("a listener that hangs can be interrupted", () =>
    Effect.gen(function*() {
      const started = yield* Deferred.make<void>()
      const hanging = Observer.make(() => Effect.zipRight(Deferred.succeed(started, undefined), Effect.never))
      const fiber = yield* Effect.fork(Observer.emit(hanging, event))
      yield* Deferred.await(started)
      assert.strictEqual((yield* Fiber.interrupt(fiber))._tag, "Failure")
    }))

  it.effect("calls are numbered, each by itself", () =>
    Effect.sync(() => {
      const [one, other] = [Observer.call("a"), Observer.call("a")]
      assert.strictEqual(one.name, "a")
      assert.isAbove(other.id, one.id)
    }))
})
