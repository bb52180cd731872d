import * as NodeContext from "@effect/platform-node/NodeContext"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import { assert, describe, it } from "@effect/vitest"
import { assertNone, assertSome } from "@effect/vitest/utils"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Ref from "effect/Ref"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import type { Event } from "../../src/core/Event.ts"
import * as DropIn from "../../src/http/DropIn.ts"
import * as Observer from "../../src/strategy/Observer.ts"
import type * as Policy from "../../src/policy/Policy.ts"
import * as Registry from "../../src/policy/Registry.ts"
import * as Services from "../../src/policy/Services.ts"
import * as ServicesSource from "../../src/policy/ServicesSource.ts"
import * as HttpScript from "../../src/testing/HttpScript.ts"
import * as Recorder from "../../src/testing/Recorder.ts"
import { eventually } from "../support/eventually.ts"

const url = "http://billing.test/"

/** A registry of one service. */
const one = (policy: Policy.Encoded, degraded?: "degraded") =>
  Services.make({ billing: policy }, degraded === undefined ? {} : { degraded: ["billing"] })

const made = (policy: Policy.Encoded) =>
  Effect.gen(function*() {
    const registry = yield* Registry.make(one(policy))
    const client = yield* registry.service("billing")
    const status = Effect.map(client.get(url), (response) => response.status)
    const becomes = (policy: Policy.Encoded, degraded?: "degraded") => registry.update(Effect.succeed(one(policy, degraded)))
    return { registry, client, status, becomes }
  })

const tag = <A, E extends { readonly _tag: string }>(call: Effect.Effect<A, E>) => Effect.match(call, { onFailure: ({ _tag }) => _tag, onSuccess: (value) => value })

const ofPolicies = (events: ReadonlyArray<Event>) =>
  events.flatMap((event) => event._tag === "PolicyApplied" || event._tag === "PolicyRejected" ? [event] : [])

const failing = HttpScript.layer([{ status: 500 }], { atEnd: "repeatLast" })

const breaking: Policy.Encoded = { retry: "none", circuitBreaker: { tripPolicy: { kind: "consecutive", failures: 1 }, openDuration: "1 hour" } }

describe("services", () => {
  it("a name that is not known fails, and the nearest is named", () =>
    Effect.runPromise(
      Effect.gen(function*() {
        const registry = yield* Registry.make(one({}))
        const error = yield* Effect.flip(registry.service("biling"))
        assert.strictEqual(error.message, "no service is called \"biling\"; did you mean \"billing\"?")
      }).pipe(Effect.provide(failing))
    ))

  it.effect("the clients of one share its breaker", () =>
    Effect.gen(function*() {
      const { registry, status } = yield* made(breaking)
      const other = yield* registry.service("billing")
      yield* status
      assert.strictEqual(yield* tag(other.get(url)), "CircuitOpen")
    }).pipe(Effect.provide(failing)))

  it.effect("are the application's, drop in or typed", () =>
    Effect.gen(function*() {
      const client = yield* Registry.serviceDropIn("billing")
      const registry = yield* Registry.Registry
      assert.strictEqual((yield* client.get(url)).status, 200)
      yield* registry.update(Effect.succeed(one({}, "degraded")))
      const error = yield* Effect.flip(client.get(url))
      assertSome(Option.map(DropIn.refusal(error), (refusal) => refusal._tag), "ServiceDegraded")
      assert.include(error.message, "not sent")
    }).pipe(
      Effect.provide(Registry.layer({ initial: one({}), updates: Stream.empty })),
      Effect.provide(HttpScript.layer([{ status: 200 }]))
    ))
})

describe("an update", () => {
  it.effect("holds from the next call on: the one on its way ends under the old policy", () =>
    Effect.gen(function*() {
      const { becomes, status } = yield* made({ retry: "none", attemptTimeout: "10 seconds" })
      const before = yield* Effect.fork(tag(status))
      yield* TestClock.adjust("1 second")
      yield* becomes({ retry: "none", attemptTimeout: "2 seconds" })
      const after = yield* Effect.fork(tag(status))
      yield* TestClock.adjust(1_999)
      assert.strictEqual(after.unsafePoll(), null)
      yield* TestClock.adjust(1)
      assert.strictEqual(yield* Fiber.join(after), "AttemptTimeout")
      yield* TestClock.adjust(6_999)
      assert.strictEqual(before.unsafePoll(), null)
      yield* TestClock.adjust(1)
      assert.strictEqual(yield* Fiber.join(before), "AttemptTimeout")
    }).pipe(Effect.provide(HttpScript.layer(["hang"], { atEnd: "repeatLast" }))))

  it.effect("and a call that waits for its second attempt makes it under the policy it began with", () =>
    Effect.gen(function*() {
      const waiting: Policy.Encoded = { retry: { maxAttempts: 2, backoff: { kind: "constant", delay: "10 seconds", jitter: "none" } } }
      const { becomes, status } = yield* made(waiting)
      const call = yield* Effect.fork(status)
      yield* TestClock.adjust("1 second")
      yield* becomes({ retry: "none" })
      assert.strictEqual(yield* status, 500)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(yield* Fiber.join(call), 500)
      assert.deepStrictEqual(yield* HttpScript.timeline, [0, 1_000, 10_000])
    }).pipe(Effect.provide(failing)))

  it.effect("an open breaker stays open when its part is the same, and is another when it is not", () =>
    Effect.gen(function*() {
      const { becomes, status } = yield* made(breaking)
      yield* status
      assert.strictEqual(yield* tag(status), "CircuitOpen")
      assert.isTrue(yield* becomes({ ...breaking, deadline: "7 seconds", attemptTimeout: "1 second" }))
      assert.strictEqual(yield* tag(status), "CircuitOpen")
      assert.isTrue(yield* becomes({ ...breaking, circuitBreaker: { tripPolicy: { kind: "consecutive", failures: 2 } } }))
      assert.strictEqual(yield* tag(status), 500)
    }).pipe(Effect.provide(failing)))

  it.effect("a strategy that is switched off is gone, and new when it comes back", () =>
    Effect.gen(function*() {
      const { becomes, status } = yield* made(breaking)
      yield* status
      assert.strictEqual(yield* tag(status), "CircuitOpen")
      yield* becomes({ ...breaking, circuitBreaker: "none" })
      assert.deepStrictEqual([yield* tag(status), yield* tag(status), yield* tag(status)], [500, 500, 500])
      yield* becomes(breaking)
      assert.deepStrictEqual([yield* tag(status), yield* tag(status)], [500, "CircuitOpen"])
    }).pipe(Effect.provide(failing)))

  it.effect("a budget keeps what is left of its tokens, though the retry is another", () =>
    Effect.gen(function*() {
      const budget = { kind: "quota", capacity: 3, costs: { otherwise: 1 } } as const
      const retry = { maxAttempts: 3, backoff: { kind: "constant", delay: "0 millis" } } as const
      const { becomes, status } = yield* made({ budget, retry })
      yield* status
      assert.strictEqual((yield* HttpScript.requests).length, 3)
      yield* becomes({ budget, retry: { ...retry, maxAttempts: 5 } })
      yield* status
      // One token was left.
      assert.strictEqual((yield* HttpScript.requests).length, 5)
      yield* becomes({ budget: { ...budget, capacity: 4 }, retry: { ...retry, maxAttempts: 5 } })
      yield* status
      assert.strictEqual((yield* HttpScript.requests).length, 10)
    }).pipe(Effect.provide(failing)))

  it.effect("permits that are held still count after an update of something else", () =>
    Effect.gen(function*() {
      const full: Policy.Encoded = { retry: "none", bulkhead: { permits: 1 } }
      const { becomes, status } = yield* made(full)
      const call = yield* Effect.fork(status)
      yield* TestClock.adjust(1)
      yield* becomes({ ...full, deadline: "5 seconds" })
      assert.strictEqual(yield* tag(status), "BulkheadFull")
      yield* Fiber.interrupt(call)
    }).pipe(Effect.provide(HttpScript.layer(["hang"], { atEnd: "repeatLast" }))))

  it.effect("one that fails, and one that cannot be, leave all as it was, and each is told", () =>
    Effect.gen(function*() {
      const recorder = yield* Recorder.make
      const { becomes, registry, status } = yield* made(breaking)
      yield* status
      const bad = Services.decode({ services: { billing: { deadlin: "1 second" }, search: {} } })
      assert.isFalse(yield* Effect.provide(registry.update(bad), recorder.layer))
      assert.strictEqual(yield* tag(status), "CircuitOpen")
      assert.deepStrictEqual([...(yield* registry.services).policies.keys()], ["billing"])
      assert.isTrue(yield* Effect.provide(becomes({ ...breaking, deadline: "1 second" }), recorder.layer))
      const told = ofPolicies(yield* recorder.events)
      assert.deepStrictEqual(told.map((event) => [event._tag, event.call.name, event._tag === "PolicyApplied" ? event.changed : event.because]), [
        ["PolicyRejected", "registry", "services.billing.deadlin is not known, got \"1 second\": did you mean deadline?"],
        ["PolicyApplied", "billing", ["deadline"]]
      ])
    }).pipe(Effect.provide(failing)))

  it.effect("one that no strategy can be made of changes nothing, not even of the services before it", () =>
    Effect.gen(function*() {
      const recorder = yield* Recorder.make
      const { registry, status } = yield* made(breaking)
      yield* status
      const policies = new Map<string, Policy.Policy>([["billing", { retry: "none" }], ["search", { attemptTimeout: -1 }]])
      assert.isFalse(yield* Effect.provide(registry.update(Effect.succeed({ policies, degraded: new Set<string>() })), recorder.layer))
      assert.strictEqual(yield* tag(status), "CircuitOpen")
      assert.deepStrictEqual([...(yield* registry.services).policies.keys()], ["billing"])
      assert.deepStrictEqual(ofPolicies(yield* recorder.events).map(({ _tag }) => _tag), ["PolicyRejected"])
    }).pipe(Effect.provide(failing)))

  it.effect("an update that is slow to come holds up no other, and interrupting it leaves all as it was", () =>
    Effect.gen(function*() {
      const { becomes, registry } = yield* made({})
      const slow = yield* Effect.fork(registry.update(Effect.delay(Effect.succeed(one({ deadline: "1 second" })), "1 hour")))
      yield* TestClock.adjust(1)
      assert.isTrue(yield* becomes({ deadline: "2 seconds" }))
      yield* Fiber.interrupt(slow)
      assert.strictEqual((yield* registry.services).policies.get("billing")?.deadline, 2_000)
      assert.isTrue(yield* becomes({ deadline: "3 seconds" }))
    }).pipe(Effect.provide(failing)))

  it.effect("one that says the same changes nothing, and is not told", () =>
    Effect.gen(function*() {
      const recorder = yield* Recorder.make
      const { becomes } = yield* made(breaking)
      assert.isTrue(yield* Effect.provide(becomes(breaking), recorder.layer))
      assert.deepStrictEqual(yield* recorder.events, [])
    }).pipe(Effect.provide(failing)))

  it.effect("a service that is left out keeps its policy, and a new one is there", () =>
    Effect.gen(function*() {
      const { registry, status } = yield* made(breaking)
      yield* status
      yield* registry.update(Effect.succeed(Services.make({ search: {} })))
      assert.strictEqual(yield* tag(status), "CircuitOpen")
      assert.strictEqual((yield* Effect.flatMap(registry.service("search"), (search) => search.get(url)).pipe(Effect.map(({ status }) => status), Effect.fork, Effect.zipLeft(TestClock.adjust("1 minute")), Effect.flatMap(Fiber.join))), 500)
    }).pipe(Effect.provide(failing)))
})

describe("degraded", () => {
  const stale: Policy.Encoded = { ...breaking, fallback: { kind: "lastGood" } }

  it.effect("nothing is sent, the fallback answers with what it remembers, and back: the breaker is as it was", () =>
    Effect.gen(function*() {
      const recorder = yield* Recorder.make
      const { becomes, client } = yield* made(stale)
      const read = Effect.flatMap(client.get(url), (response) => response.text)
      assert.strictEqual(yield* read, "good")
      yield* Effect.provide(becomes(stale, "degraded"), recorder.layer)
      assert.deepStrictEqual([yield* read, yield* read], ["good", "good"])
      assert.strictEqual((yield* HttpScript.requests).length, 1)
      yield* Effect.provide(becomes(stale), recorder.layer)
      assert.strictEqual(yield* read, "good")
      assert.strictEqual((yield* HttpScript.requests).length, 2)
      assert.deepStrictEqual(ofPolicies(yield* recorder.events).map((event) => event._tag === "PolicyApplied" ? [event.mode, event.changed] : []), [["Degraded", []], ["Normal", []]])
    }).pipe(Effect.provide(HttpScript.layer([{ status: 200, body: "good" }, { status: 500 }]))))

  it.effect("without a fallback it fails as ServiceDegraded, which no retry outside sends again", () =>
    Effect.gen(function*() {
      const { becomes, status } = yield* made({})
      yield* becomes({}, "degraded")
      assert.strictEqual(yield* tag(status), "ServiceDegraded")
      assert.deepStrictEqual(yield* HttpScript.requests, [])
    }).pipe(Effect.provide(failing)))
})

describe("updates", () => {
  it.scoped("of a stream are taken one after the other, bad ones passed over; its end is told where it is an error", () =>
    Effect.gen(function*() {
      const events = yield* Ref.make<ReadonlyArray<Event>>([])
      const queue = yield* Queue.unbounded<Registry.Update>()
      const failed = yield* Deferred.make<never, Error>()
      const registry = yield* Registry.make(one({}))
      const updates = Stream.merge(Stream.fromQueue(queue), Stream.fromEffect(Deferred.await(failed)))
      yield* Effect.forkScoped(Registry.followed(registry, updates)).pipe(
        Observer.observe(Observer.make((event) => Ref.update(events, (all) => [...all, event])))
      )
      yield* queue.offer(Effect.succeed(one({ deadline: "1 second" })))
      yield* queue.offer(Services.fromJson("{"))
      yield* queue.offer(Effect.succeed(one({ deadline: "2 seconds" })))
      yield* TestClock.adjust(1)
      yield* Deferred.fail(failed, new Error("the stream broke"))
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(
        ofPolicies(yield* events).map((event) => event._tag === "PolicyRejected" ? event.because : event.changed.join()),
        ["deadline", "the policy must be a text of JSON, got \"{\"", "deadline", "no more updates: the stream broke"]
      )
      assert.strictEqual((yield* registry.services).policies.get("billing")?.deadline, 2_000)
    }))

  it.scoped("that are pulled: at once, and then by the schedule", () =>
    Effect.gen(function*() {
      let deadline = 0
      const registry = yield* Registry.make(one({}))
      const update = Effect.sync(() => one({ deadline: `${++deadline} seconds` }))
      yield* Effect.forkScoped(Registry.follow(registry, Registry.pulling(update, Schedule.spaced("1 minute"))))
      const now = Effect.map(registry.services, ({ policies }) => policies.get("billing")?.deadline)
      yield* TestClock.adjust(1)
      assert.strictEqual(yield* now, 1_000)
      yield* TestClock.adjust(59_998)
      assert.strictEqual(yield* now, 1_000)
      yield* TestClock.adjust(2)
      assert.strictEqual(yield* now, 2_000)
    }))
})

describe("a file", () => {
  const text = (deadline: string) => JSON.stringify({ services: { billing: { deadline } } })

  it.live("is watched: rewritten, replaced, broken, and whole again", () =>
    Effect.gen(function*() {
      const files = yield* FileSystem.FileSystem
      const { join } = yield* Path.Path
      const folder = yield* files.makeTempDirectoryScoped()
      const file = join(folder, "services.json")
      yield* files.writeFileString(file, text("1 second"))
      const events: Array<Event> = []
      const listener = Observer.layer(Observer.sync((event) => void events.push(event)))
      const layer = ServicesSource.layer(file, { settle: "10 millis", poll: "5 seconds" }).pipe(Layer.provide(listener))
      yield* Effect.gen(function*() {
        const registry = yield* Registry.Registry
        let deadline: unknown
        const becomes = (millis: number) =>
          eventually(() => {
            deadline = Effect.runSync(registry.services).policies.get("billing")?.deadline
            return deadline === millis
          }, "30 seconds")
        yield* becomes(1_000)
        yield* files.writeFileString(file, text("2 seconds"))
        yield* becomes(2_000)
        yield* files.writeFileString(`${file}.new`, text("3 seconds"))
        yield* files.rename(`${file}.new`, file)
        yield* becomes(3_000)
        yield* files.writeFileString(file, "{ \"services\": ")
        yield* eventually(() => events.some((event) => event._tag === "PolicyRejected" && event.because.includes("a text of JSON")), "30 seconds")
        yield* becomes(3_000)
        yield* files.remove(file)
        yield* eventually(() => events.some((event) => event._tag === "PolicyRejected" && event.because.includes("NotFound")), "30 seconds")
        yield* becomes(3_000)
        yield* files.writeFileString(file, text("4 seconds"))
        yield* becomes(4_000)
      }).pipe(Effect.provide(layer))
    }).pipe(Effect.scoped, Effect.provide(NodeContext.layer)), 120_000)

  it.scoped("is looked at by the schedule where the file system does not tell", () =>
    Effect.gen(function*() {
      let content = text("1 second")
      const files = FileSystem.layerNoop({ readFileString: () => Effect.sync(() => content) })
      yield* Effect.gen(function*() {
        const registry = yield* Registry.Registry
        const now = Effect.map(registry.services, ({ policies }) => policies.get("billing")?.deadline)
        yield* TestClock.adjust(50)
        content = text("2 seconds")
        yield* TestClock.adjust(29_999)
        assert.strictEqual(yield* now, 1_000)
        yield* TestClock.adjust(1)
        assert.strictEqual(yield* now, 2_000)
      }).pipe(Effect.provide(ServicesSource.layer("/etc/services.json")), Effect.provide(Layer.merge(files, Path.layer)))
    }))

  it.live("behind a link is watched too: a ConfigMap is swapped by its folder", () =>
    Effect.gen(function*() {
      const files = yield* FileSystem.FileSystem
      const { join } = yield* Path.Path
      const folder = yield* files.makeTempDirectoryScoped()
      const version = (name: string, deadline: string) =>
        Effect.zipRight(files.makeDirectory(join(folder, name)), files.writeFileString(join(folder, name, "services.json"), text(deadline)))
      yield* version("v1", "1 second")
      yield* files.symlink("v1", join(folder, "..data"))
      yield* files.symlink(join("..data", "services.json"), join(folder, "services.json"))
      yield* Effect.gen(function*() {
        const registry = yield* Registry.Registry
        yield* version("v2", "2 seconds")
        yield* files.symlink("v2", join(folder, "..data.new"))
        yield* files.rename(join(folder, "..data.new"), join(folder, "..data"))
        yield* eventually(() => Effect.runSync(registry.services).policies.get("billing")?.deadline === 2_000, "30 seconds")
      }).pipe(Effect.provide(ServicesSource.layer(join(folder, "services.json"), { settle: "10 millis", poll: "1 hour" })))
    }).pipe(Effect.scoped, Effect.provide(NodeContext.layer)), 120_000)

  it.live("must be there, and valid, when the application begins; the error names it", () =>
    Effect.gen(function*() {
      const files = yield* FileSystem.FileSystem
      const { join } = yield* Path.Path
      const file = join(yield* files.makeTempDirectoryScoped(), "services.json")
      const missing = yield* Effect.flip(Effect.provide(Registry.Registry, ServicesSource.layer(file)))
      assert.strictEqual(missing._tag, "SystemError")
      yield* files.writeFileString(file, "{ \"services\": { \"a\": { \"deadline\": 5 } } }")
      const invalid = yield* Effect.flip(Effect.provide(Registry.Registry, ServicesSource.layer(file)))
      assert.isTrue(invalid.message.startsWith(`${file}: services.a.deadline must be`))
    }).pipe(Effect.scoped, Effect.provide(NodeContext.layer)))
})

describe("the document", () => {
  const problems = (input: unknown) => Effect.runSync(Effect.map(Effect.flip(Services.decode(input)), ({ message }) => message))

  it("tells all that is wrong with it, each with its place", () => {
    assert.strictEqual(problems([]), "the policy must be an object with `services`, got an array")
    assert.strictEqual(problems({}), "services is missing: it must be an object of policies, by the names of services")
    assert.strictEqual(
      problems({ services: { a: { retry: { maxAttempts: 99 } } }, servces: {} }),
      "services.a.retry.maxAttempts must be a whole number from 1 to 10, got 99\nservces is not known, got an object: did you mean services?"
    )
    assert.strictEqual(problems({ services: { a: {} }, degraded: ["b"] }), "degraded[0] must be the name of one of the services: a, got \"b\"")
  })

  it("a service may be called __proto__, and changes nothing else", () => {
    const { policies } = Effect.runSync(Services.fromJson("{\"services\":{\"__proto__\":{\"deadline\":\"1 second\"}}}"))
    assert.strictEqual(policies.get("__proto__")?.deadline, 1_000)
    assertNone(Effect.runSync(Effect.option(Services.decode(JSON.parse("{\"__proto__\":{\"services\":{}}}")))))
    assert.strictEqual(Object.hasOwn(Object.prototype, "deadline"), false)
  })
})
