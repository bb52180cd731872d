import { describe, it } from "@effect/vitest"
import { assertTrue, deepStrictEqual, strictEqual } from "@effect/vitest/utils"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Differ from "effect/Differ"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberRef from "effect/FiberRef"
import * as Surroundings from "effect-resilience/strategy/Surroundings"

class Place extends Context.Reference<Place>()("test/Place", { defaultValue: () => "outside" }) {}

class Other extends Context.Reference<Other>()("test/Other", { defaultValue: () => "nothing" }) {}

const inside = <A, E, R>(effect: Effect.Effect<A, E, R>) => Surroundings.provide(effect, Place, "inside")

/** Numbers that are joined by what was added to them. */
const sums = Differ.make<number, number>({
  empty: 0,
  combine: (first, second) => first + second,
  diff: (before, after) => after - before,
  patch: (added, before) => before + added
})

const counter = FiberRef.unsafeMake(0)

/** An effect with a reference changed, and what came out of it. */
const counting = <A, E, R>(value: number, effect: Effect.Effect<A, E, R>, onExit: (exit: Exit.Exit<A, E>) => void = () => {}) =>
  Effect.withFiberRuntime<A, E, R>((fiber) =>
    Effect.uninterruptibleMask((restore) =>
      Surroundings.inside(restore, fiber, [Surroundings.change(counter, value)], effect, onExit)))

describe("what surrounds an effect", () => {
  it.effect("has the service within, beside the others, and not after it", () =>
    Effect.gen(function*() {
      const seen = yield* inside(Effect.all([Place, Other])).pipe(Effect.provideService(Other, "something"))
      deepStrictEqual(seen, ["inside", "something"])
      strictEqual(yield* Place, "outside")
    }))

  it.effect("is within each other, and the outer one is there again after the inner one", () =>
    Effect.gen(function*() {
      const seen = yield* Surroundings.provide(
        Effect.all([Place, Surroundings.provide(Place, Place, "innermost"), Place]),
        Place,
        "between"
      ).pipe(inside)
      deepStrictEqual(seen, ["between", "innermost", "between"])
    }))

  for (const [how, effect] of [
    ["fails", Effect.fail("lost")],
    ["dies", Effect.die("lost")],
    ["is interrupted from within", Effect.interrupt],
    ["has changed other references", Effect.zipRight(FiberRef.set(counter, 1), Effect.fail("lost"))]
  ] as const) {
    it.effect(`is as it was before where the effect ${how}`, () =>
      Effect.gen(function*() {
        let place = ""
        yield* Effect.exit(Effect.ensuring(inside(effect), Effect.map(Place, (now) => void (place = now))))
        strictEqual(place, "outside")
      }))
  }

  it.effect("is as it was before where the effect is interrupted while it waits, and says so once", () =>
    Effect.gen(function*() {
      const exits: Array<Exit.Exit<unknown, unknown>> = []
      const waits = yield* Deferred.make<void>()
      let after = -1
      const fiber = yield* Deferred.succeed(waits, undefined).pipe(
        Effect.zipRight(Effect.never),
        (effect) => counting(7, effect, (exit) => exits.push(exit)),
        Effect.ensuring(Effect.map(FiberRef.get(counter), (now) => void (after = now))),
        Effect.fork
      )
      yield* Deferred.await(waits)
      yield* Fiber.interrupt(fiber)
      strictEqual(after, 0)
      strictEqual(exits.length, 1)
      assertTrue(exits.every(Exit.isInterrupted))
    }))

  it.effect("keeps what the effect has changed of the rest, and nothing of what was changed for it", () =>
    Effect.gen(function*() {
      const rest = yield* FiberRef.make("before")
      const seen = yield* counting(7, Effect.zipRight(FiberRef.set(rest, "changed"), Effect.zipLeft(FiberRef.get(counter), FiberRef.set(counter, 8))))
      deepStrictEqual([seen, yield* FiberRef.get(rest), yield* FiberRef.get(counter)], [7, "changed", 0])
    }).pipe(Effect.scoped))

  it.effect("gives back the value that a reference had, and not its first one", () =>
    Effect.gen(function*() {
      yield* FiberRef.set(counter, 3)
      yield* counting(7, FiberRef.set(counter, 8))
      strictEqual(yield* FiberRef.get(counter), 3)
    }))

  it.effect("is that of a fiber forked within, and of nobody who joins it", () =>
    Effect.gen(function*() {
      const child = yield* inside(Effect.forkDaemon(Effect.zipLeft(Place, FiberRef.set(counter, 5))))
      strictEqual(yield* Fiber.join(child), "inside")
      deepStrictEqual([yield* Place, yield* FiberRef.get(counter)], ["outside", 5])
    }))

  it.effect("of a fiber that is joined is none of the one that joins it, which gets the rest", () =>
    Effect.gen(function*() {
      yield* FiberRef.set(counter, 3)
      const child = yield* Effect.fork(inside(counting(7, FiberRef.update(counter, (n) => n + 1))))
      yield* Fiber.join(child)
      strictEqual(yield* FiberRef.get(counter), 3)
      const other = yield* Effect.fork(Effect.zipRight(FiberRef.set(counter, 4), counting(7, Effect.void)))
      yield* Fiber.join(other)
      deepStrictEqual([yield* Place, yield* FiberRef.get(counter)], ["outside", 4])
    }))

  it.effect("leaves to a fiber forked within what it needs to tell what is new when a third one joins it", () =>
    Effect.gen(function*() {
      const sum = FiberRef.unsafeMakePatch(0, { differ: sums, fork: 0 })
      yield* FiberRef.set(sum, 3)
      const child = yield* Effect.fork(Effect.withFiberRuntime<Fiber.RuntimeFiber<void>>((fiber) =>
        Effect.uninterruptibleMask((restore) =>
          Surroundings.inside(restore, fiber, [Surroundings.change(sum, 7)], Effect.forkDaemon(FiberRef.update(sum, (n) => n + 1)), () => {}))))
      const grandchild = yield* Effect.flatten(Fiber.await(child))
      yield* Fiber.join(grandchild)
      // 3 was there when the first was forked, and 8 when the last ended: 5 are new.
      strictEqual(yield* FiberRef.get(sum), 8)
    }))
})
