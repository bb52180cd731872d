import { it } from "@effect/vitest"
import { Context, Deferred, Effect, Exit, Fiber, FiberRef, Option, type Tracer } from "effect"
import { assert, describe } from "vitest"
import * as Child from "../../src/strategy/Child.ts"
import * as Surroundings from "../../src/strategy/Surroundings.ts"

/** Runs an effect in a child, to its end. */
const inChild = <A, E, R>(self: Effect.Effect<A, E, R>, change?: Surroundings.Change): Effect.Effect<A, E, R> =>
  Effect.withFiberRuntime<A, E, R>((parent, { runtimeFlags }) => {
    const child = Child.start(self, parent, runtimeFlags, change)
    return Effect.flatMap(Fiber.await(child.fiber), (exit) => Child.adopt(child, Exit.flatten(exit)))
  })

const refs = Effect.withFiberRuntime((fiber) => Effect.succeed(Surroundings.refsOf(fiber)))

class Name extends Context.Tag("Name")<Name, string>() {}

describe("Child", () => {
  it.effect("has the references of its parent, and not a copy", () =>
    Effect.gen(function*() {
      yield* FiberRef.set(FiberRef.unsafeMake(0), 1)
      const [outer, inner] = yield* Effect.all([refs, inChild(refs)])
      assert.strictEqual(inner, outer)
    }))

  it.effect("leaves the references of its parent as they are where it changes none, or changes one for a while", () =>
    Effect.gen(function*() {
      const ref = FiberRef.unsafeMake("before")
      const meanwhile: ReadonlyArray<Effect.Effect<unknown>> = [
        Effect.void,
        Effect.zipRight(Effect.yieldNow(), Effect.void),
        Effect.locally(Effect.yieldNow(), ref, "meanwhile"),
        Effect.provideService(Effect.yieldNow(), Name, "meanwhile"),
        Effect.withSpan(Effect.yieldNow(), "meanwhile"),
        Effect.fork(Effect.void)
      ]
      for (const effect of meanwhile) {
        const before = yield* refs
        yield* inChild(effect)
        assert.strictEqual(yield* refs, before)
      }
    }))

  it.effect("what it changes for good is changed in its parent", () =>
    Effect.gen(function*() {
      const [one, other] = [FiberRef.unsafeMake("before"), FiberRef.unsafeMake(0)]
      yield* FiberRef.set(other, 1)
      yield* inChild(Effect.zipRight(FiberRef.set(one, "after"), FiberRef.update(other, (n) => n + 1)))
      assert.deepStrictEqual(yield* Effect.all([FiberRef.get(one), FiberRef.get(other)]), ["after", 2])
      yield* inChild(FiberRef.set(one, "before"))
      assert.strictEqual(yield* FiberRef.get(one), "before")
    }))

  it.effect("a failure takes nothing of it along", () =>
    Effect.gen(function*() {
      const ref = FiberRef.unsafeMake("before")
      yield* Effect.exit(inChild(Effect.zipRight(FiberRef.set(ref, "after"), Effect.fail("lost"))))
      assert.strictEqual(yield* FiberRef.get(ref), "before")
    }))

  it.effect("begins with what a reference says of children, and joins as it says", () =>
    Effect.gen(function*() {
      const ref = FiberRef.unsafeMake(1, { fork: (n) => n * 10, join: (parent, child) => parent + child })
      yield* FiberRef.set(ref, 2)
      assert.strictEqual(yield* inChild(FiberRef.get(ref)), 20)
      assert.strictEqual(yield* FiberRef.get(ref), 2)
      yield* inChild(FiberRef.set(ref, 5))
      assert.strictEqual(yield* FiberRef.get(ref), 7)
    }))

  it.effect("is not interrupted because its parent is about to be", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const begun = yield* Deferred.make<void>()
      const fiber = yield* Effect.fork(Effect.uninterruptible(Effect.gen(function*() {
        yield* Deferred.succeed(begun, undefined)
        while (!(yield* Effect.withFiberRuntime((self) => Effect.succeed(isInterrupted(self))))) yield* Effect.yieldNow()
        seen.push(yield* inChild(Effect.interruptible(Effect.as(Effect.yieldNow(), "done"))))
      })))
      yield* Deferred.await(begun)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(seen, ["done"])
    }))

  it.effect("begins with the change that it is given, which its parent never sees", () =>
    Effect.gen(function*() {
      const ref = FiberRef.unsafeMake(Option.none<number>(), { join: (outer) => outer })
      const change = Surroundings.change(ref, Option.some(1))
      assert.deepStrictEqual(yield* inChild(Effect.map(FiberRef.get(ref), Option.isSome), change), true)
      assert.isTrue(Option.isNone(yield* FiberRef.get(ref)))
    }))

  it.effect("is in the span of its parent", () =>
    Effect.gen(function*() {
      const name = yield* Effect.withSpan(inChild(Effect.map(Effect.currentSpan, (span: Tracer.Span) => span.name)), "outer")
      assert.strictEqual(name, "outer")
    }))
})

const isInterrupted = (fiber: Fiber.RuntimeFiber<unknown, unknown>): boolean =>
  fiber.getFiberRef(FiberRef.interruptedCause)._tag !== "Empty"
