import { HttpApp, HttpRouter, HttpServerError, HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { it } from "@effect/vitest"
import { assertSome } from "@effect/vitest/utils"
import { Deferred, Effect, Exit, Fiber, Option, type Scope, Stream, TestClock } from "effect"
import * as fc from "fast-check"
import { assert, describe } from "vitest"
import type { Event } from "../../src/core/Event.ts"
import { InvalidOption } from "../../src/core/InvalidOption.ts"
import * as Idempotency from "../../src/server/Idempotency.ts"
import * as IdempotencyStore from "../../src/strategy/IdempotencyStore.ts"
import * as Observer from "../../src/strategy/Observer.ts"

const { HttpServerRequest: Current } = HttpServerRequest

interface Sent {
  readonly key?: string | undefined
  readonly body?: string | undefined
  readonly path?: string
  readonly method?: string
  readonly headers?: Record<string, string>
}

const web = ({ body, headers = {}, key, method = "POST", path = "/orders" }: Sent) =>
  new Request(`http://shop.test${path}`, {
    method,
    ...(body === undefined ? {} : { body }),
    headers: { ...headers, ...(key === undefined ? {} : { "idempotency-key": key }) }
  })

type App<E, R> = HttpApp.Default<E, R | Scope.Scope>

/** Runs an app once for a request, as a server would. */
const send = <E, R>(app: App<E, R>, sent: Sent) =>
  Effect.scoped(Effect.provideService(app, Current, HttpServerRequest.fromWeb(web(sent))))

const text = (response: HttpServerResponse.HttpServerResponse) =>
  Effect.promise(() => HttpServerResponse.toWeb(response).text())

/** Status, body, and whether it is a replay. */
const shown = <E, R>(app: App<E, R>, sent: Sent) =>
  Effect.flatMap(send(app, sent), (response) =>
    Effect.map(text(response), (body) => [response.status, body, response.headers["idempotent-replayed"] ?? "first"] as const))

const problem = <E, R>(app: App<E, R>, sent: Sent) =>
  Effect.flatMap(send(app, sent), (response) =>
    Effect.map(text(response), (body) => {
      assert.strictEqual(response.headers["content-type"], "application/problem+json")
      return { status: response.status, headers: response.headers, ...(JSON.parse(body) as { title: string; type: string }) }
    }))

/** Counts how often it is begun. */
const counter = (answer: (count: number) => HttpServerResponse.HttpServerResponse) => {
  const counted = { begun: 0 }
  return Object.assign(counted, { app: Effect.sync(() => answer(++counted.begun)) })
}

const created = (count: number) =>
  HttpServerResponse.text(`order ${count}`, { status: 201, headers: { location: `/orders/${count}`, "x-own": "kept" } })

const shared = { caller: "shared" } as const
const Memory = IdempotencyStore.layerStoreMemory()

/** What is told while an effect runs. */
const heard = (events: Array<Event>) =>
  Observer.sync((event) => {
    events.push(event)
  })
const summary = (events: ReadonlyArray<Event>) =>
  events.map((event) => `${event._tag}${"as" in event ? ` ${event.as}` : ""}${"because" in event ? ` ${String(event.because)}` : ""}`)

describe("Idempotency.middleware", () => {
  it.effect("does a request once, and gives its repetition the same status, headers and body", () =>
    Effect.gen(function*() {
      const orders = counter(created)
      const app = Idempotency.middleware(shared)(orders.app)
      const first = yield* send(app, { key: "42", body: "a" })
      const second = yield* send(app, { key: "\"42\"", body: "a" })
      assert.strictEqual(orders.begun, 1)
      for (const response of [first, second]) {
        assert.strictEqual(response.status, 201)
        assert.strictEqual(yield* text(response), "order 1")
        assert.strictEqual(response.headers["location"], "/orders/1")
        assert.strictEqual(response.headers["x-own"], "kept")
        assert.strictEqual(response.headers["content-type"], "text/plain")
        assert.strictEqual(response.headers["content-length"], "7")
      }
      assert.isUndefined(first.headers["idempotent-replayed"])
      assert.strictEqual(second.headers["idempotent-replayed"], "true")
      assert.deepStrictEqual(yield* shown(app, { key: "43", body: "a" }), [201, "order 2", "first"])
    }).pipe(Effect.provide(Memory)))

  it.effect("passes on what has another method, and what has no key", () =>
    Effect.gen(function*() {
      const orders = counter(created)
      const app = Idempotency.middleware(shared)(orders.app)
      for (const sent of [{ key: "1", method: "PUT" }, { key: "1", method: "GET" }, { body: "a" }]) {
        assert.strictEqual((yield* send(app, sent)).status, 201)
        assert.strictEqual((yield* send(app, sent)).status, 201)
      }
      assert.strictEqual(orders.begun, 6)
      const mine = Idempotency.middleware({ ...shared, methods: ["put"], header: "X-Request-Key" })(orders.app)
      for (let i = 0; i < 2; i++) yield* send(mine, { method: "PUT", headers: { "x-request-key": "1" } })
      assert.strictEqual(orders.begun, 7)
    }).pipe(Effect.provide(Memory)))

  it.effect("refuses with problems that link to the draft, and says nothing of what was sent", () =>
    Effect.gen(function*() {
      const orders = counter(created)
      const app = Idempotency.middleware({ ...shared, whenMissing: "refuse", requestLimit: 10 })(orders.app)
      const draft = "https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/"
      const table: ReadonlyArray<readonly [Sent, number, string]> = [
        [{}, 400, "Idempotency-Key is missing"],
        [{ key: "no, key" }, 400, "Idempotency-Key is not valid"],
        [{ key: "" }, 400, "Idempotency-Key is not valid"],
        [{ key: "<script>\"" }, 400, "Idempotency-Key is not valid"],
        [{ key: "big", body: "x".repeat(11) }, 413, "The content is too large"],
        [{ key: "big", body: "x".repeat(11), headers: { "content-length": "11" } }, 413, "The content is too large"]
      ]
      for (const [sent, status, title] of table) {
        const refused = yield* problem(app, sent)
        assert.deepStrictEqual([refused.status, refused.title, refused.type], [status, title, draft])
        assert.strictEqual(refused.headers["link"], `<${draft}>; rel="describedby"; type="text/html"`)
        assert.notInclude(JSON.stringify(refused), "script")
      }
      assert.strictEqual(orders.begun, 0)
      assert.strictEqual((yield* send(app, { key: "fits", body: "x".repeat(10) })).status, 201)
    }).pipe(Effect.provide(Memory)))

  it.effect("answers 422 to another body, path, query or method under the same key", () =>
    Effect.gen(function*() {
      const orders = counter(created)
      const app = Idempotency.middleware(shared)(orders.app)
      const sent = { key: "1", body: "a", path: "/orders?x=1" }
      yield* send(app, sent)
      for (const other of [{ body: "b" }, { body: "" }, { path: "/others?x=1" }, { path: "/orders?x=2" }, { method: "PATCH" }]) {
        const refused = yield* problem(app, { ...sent, ...other })
        assert.deepStrictEqual([refused.status, refused.title], [422, "Idempotency-Key is already used"])
        assert.isUndefined(refused.headers["retry-after"])
      }
      assert.deepStrictEqual(yield* shown(app, sent), [201, "order 1", "true"])
    }).pipe(Effect.provide(Memory)))

  it.effect("answers 409 with Retry-After while the first request is being worked on, however long that takes", () =>
    Effect.gen(function*() {
      const [started, go] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      const slow = Effect.zipRight(Deferred.succeed(started, undefined), Effect.as(Deferred.await(go), created(1)))
      const app = Idempotency.middleware({ ...shared, lease: "3 seconds", retryAfter: "1500 millis" })(slow)
      const first = yield* Effect.fork(send(app, { key: "1" }))
      yield* Deferred.await(started)
      for (let i = 0; i < 10; i++) {
        const busy = yield* problem(app, { key: "1" })
        assert.deepStrictEqual([busy.status, busy.title], [409, "A request is outstanding for this Idempotency-Key"])
        assert.deepStrictEqual([busy.headers["retry-after"], busy.headers["x-should-retry"]], ["2", "true"])
        yield* TestClock.adjust("1 second")
      }
      yield* Deferred.succeed(go, undefined)
      assert.strictEqual((yield* Fiber.join(first)).status, 201)
      assert.deepStrictEqual(yield* shown(app, { key: "1" }), [201, "order 1", "true"])
    }).pipe(Effect.provide(Memory)))

  it.effect("gives no caller what another was answered", () =>
    Effect.gen(function*() {
      const orders = counter(created)
      const caller = (request: HttpServerRequest.HttpServerRequest) => Effect.succeed(request.headers["x-account"] ?? "")
      const app = Idempotency.middleware({ caller })(orders.app)
      const as = (account: string, key: string) => shown(app, { key, headers: { "x-account": account } })
      assert.deepStrictEqual(yield* as("ann", "1"), [201, "order 1", "first"])
      assert.deepStrictEqual(yield* as("bob", "1"), [201, "order 2", "first"])
      assert.deepStrictEqual(yield* as("ann", "1"), [201, "order 1", "true"])
      assert.deepStrictEqual(yield* as("bob", "1"), [201, "order 2", "true"])
      // Where one of them chooses its name and key so that they look like another's.
      assert.deepStrictEqual(yield* as("3:ann", "1"), [201, "order 3", "first"])
      assert.deepStrictEqual(yield* as("an", "n:1"), [201, "order 4", "first"])
      const nobody = yield* problem(app, { key: "1" })
      assert.deepStrictEqual([nobody.status, nobody.title], [403, "The caller is not known"])
    }).pipe(Effect.provide(Memory)))

  it.effect("fails as the effect that names the caller fails, before anything is looked up", () =>
    Effect.gen(function*() {
      const orders = counter(created)
      const app = Idempotency.middleware({ caller: () => Effect.fail("who?" as const) })(orders.app)
      assert.deepStrictEqual(yield* Effect.exit(send(app, { key: "1" })), Exit.fail("who?" as const))
      assert.strictEqual(orders.begun, 0)
    }).pipe(Effect.provide(Memory)))

  it.effect("lets the handler read the body as often and in whatever way it likes", () =>
    Effect.gen(function*() {
      const body = "{\"a\":\"\u00e9\"}"
      const echo = Effect.gen(function*() {
        const request = yield* Current
        const seen = [
          yield* request.text,
          JSON.stringify(yield* request.json),
          new TextDecoder().decode(yield* request.arrayBuffer),
          yield* Stream.mkString(Stream.decodeText(request.stream)),
          yield* Stream.mkString(Stream.decodeText(request.modify({ url: "/" }).stream)),
          yield* request.text
        ]
        return HttpServerResponse.text(seen.join("|"))
      })
      const app = Idempotency.middleware(shared)(echo)
      assert.deepStrictEqual(yield* shown(app, { key: "1", body }), [200, Array(6).fill(body).join("|"), "first"])
      const form = Effect.gen(function*() {
        const parts = yield* Stream.runCollect((yield* Current).multipartStream)
        const params = yield* (yield* Current).urlParamsBody
        return HttpServerResponse.text(`${[...parts].map((part) => part.key).join()} ${params.length}`)
      })
      const multipart = "--x\r\ncontent-disposition: form-data; name=\"a\"\r\n\r\n1\r\n--x--\r\n"
      const sent = { key: "2", body: multipart, headers: { "content-type": "multipart/form-data; boundary=x" } }
      assert.deepStrictEqual((yield* shown(Idempotency.middleware(shared)(form), sent))[1], "a 1")
    }).pipe(Effect.provide(Memory)))

  it.effect("keeps 2xx, 3xx and 4xx, and frees the key after 5xx and what passes by itself", () =>
    Effect.gen(function*() {
      for (const [status, begun] of [[200, 1], [204, 1], [303, 1], [400, 1], [404, 1], [409, 1], [422, 1], [401, 2], [408, 2], [425, 2], [429, 2], [499, 2], [500, 2], [503, 2], [599, 2]] as const) {
        const handler = counter(() => HttpServerResponse.empty({ status }))
        const app = Idempotency.middleware(shared)(handler.app)
        for (let i = 0; i < 2; i++) assert.strictEqual((yield* send(app, { key: `k${status}` })).status, status)
        assert.strictEqual(handler.begun, begun, String(status))
      }
      const handler = counter(() => HttpServerResponse.empty({ status: 503 }))
      const app = Idempotency.middleware({ ...shared, keep: () => true })(handler.app)
      for (let i = 0; i < 2; i++) yield* send(app, { key: "all" })
      assert.strictEqual(handler.begun, 1)
    }).pipe(Effect.provide(Memory)))

  it.effect("keeps no header of a connection or a moment, and no cookie", () =>
    Effect.gen(function*() {
      const headers = {
        connection: "keep-alive, X-Hop", "keep-alive": "timeout=5", "x-hop": "1", date: "now", age: "1", "set-cookie": "a=b",
        upgrade: "h2c", "proxy-authenticate": "Basic", "x-kept": "\u00e9"
      }
      const handler = Effect.flatMap(
        HttpServerResponse.setCookie(HttpServerResponse.text("a", { headers }), "session", "secret"),
        Effect.succeed
      )
      const app = Idempotency.middleware(shared)(Effect.orDie(handler))
      assert.strictEqual((yield* send(app, { key: "1" })).headers["x-hop"], "1")
      const replayed = yield* send(app, { key: "1" })
      assert.deepStrictEqual({ ...replayed.headers }, {
        "content-type": "text/plain", "content-length": "1", "idempotent-replayed": "true", "x-kept": "\u00e9"
      })
      assert.strictEqual(HttpServerResponse.toWeb(replayed).headers.get("set-cookie"), null)
    }).pipe(Effect.provide(Memory)))

  it.effect("sends a response that is too long, or a stream, and does not do its request again", () =>
    Effect.gen(function*() {
      const long = (size: number) => counter(() => HttpServerResponse.uint8Array(new Uint8Array(size)))
      const fits = long(600)
      const app = Idempotency.middleware({ ...shared, resultLimit: 1000 })
      for (let i = 0; i < 2; i++) assert.strictEqual((yield* send(app(fits.app), { key: "fits" })).status, 200)
      assert.strictEqual(fits.begun, 1)
      const stream = counter(() => HttpServerResponse.stream(Stream.make(new Uint8Array([65]))))
      for (const [key, handler, size] of [["long", long(900), 900], ["longer", long(1001), 1001], ["stream", stream, 1]] as const) {
        const first = yield* send(app(handler.app), { key })
        assert.strictEqual((yield* text(first)).length, size)
        const again = yield* problem(app(handler.app), { key })
        assert.deepStrictEqual([again.status, again.title, again.headers["x-should-retry"]], [409, "The response was not kept", "false"])
        assert.isUndefined(again.headers["retry-after"])
        assert.strictEqual(handler.begun, 1)
      }
    }).pipe(Effect.provide(Memory)))

  it.effect("frees the key when the handler fails, dies or is interrupted from inside", () =>
    Effect.gen(function*() {
      for (const [key, end] of Object.entries({ fails: Effect.fail("no"), dies: Effect.die("bug"), stops: Effect.interrupt })) {
        let begun = 0
        const app = Idempotency.middleware(shared)(Effect.suspend(() => ++begun === 1 ? end : Effect.succeed(created(begun))))
        const exit = yield* Effect.exit(send(app, { key }))
        if (key === "stops") assert.isTrue(Exit.isInterrupted(exit))
        else assert.deepStrictEqual<unknown>(exit, end)
        assert.deepStrictEqual(yield* shown(app, { key }), [201, "order 2", "first"])
      }
    }).pipe(Effect.provide(Memory)))

  it.effect("keeps the response that the platform makes of a failure, where that is a result", () =>
    Effect.gen(function*() {
      let begun = 0
      const router = HttpRouter.empty.pipe(HttpRouter.post("/die", Effect.suspend(() => Effect.die(HttpServerResponse.text(`no ${++begun}`, { status: 409 })))))
      const app = Idempotency.middleware(shared)(router)
      for (let i = 0; i < 2; i++) assert.strictEqual((yield* send(app, { key: "1", path: "/nowhere" })).status, 404)
      assert.deepStrictEqual(yield* shown(app, { key: "2", path: "/die" }), [409, "no 1", "first"])
      assert.deepStrictEqual(yield* shown(app, { key: "2", path: "/die" }), [409, "no 1", "true"])
    }).pipe(Effect.provide(Memory)))
})

/** A handler that has begun, and ends when it is told to. */
const held = Effect.gen(function*() {
  const state = { begun: 0, ended: 0, interrupted: 0 }
  const [started, go] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
  const app = Effect.suspend(() => {
    state.begun++
    return Effect.zipRight(Deferred.succeed(started, undefined), Deferred.await(go)).pipe(
      Effect.onInterrupt(() => Effect.sync(() => state.interrupted++)),
      Effect.map(() => created(++state.ended))
    )
  })
  return { state, started, go, app }
})

describe("a handler", () => {
  it.effect("finishes when its client goes away, and the next one is told what came of it", () =>
    Effect.gen(function*() {
      const { app, go, started, state } = yield* held
      const once = Idempotency.middleware(shared)(app)
      const first = yield* Effect.fork(send(once, { key: "1" }))
      yield* Deferred.await(started)
      yield* Fiber.interruptAsFork(first, HttpServerError.clientAbortFiberId)
      assert.strictEqual((yield* problem(once, { key: "1" })).status, 409)
      assert.deepStrictEqual(state, { begun: 1, ended: 0, interrupted: 0 })
      yield* Deferred.succeed(go, undefined)
      assert.isTrue(Exit.isInterrupted(yield* Fiber.await(first)))
      assert.deepStrictEqual(yield* shown(once, { key: "1" }), [201, "order 1", "true"])
      assert.deepStrictEqual(state, { begun: 1, ended: 1, interrupted: 0 })
    }).pipe(Effect.provide(Memory)))

  it.effect("is interrupted when the client goes away, where it is told to be, and its key is free", () =>
    Effect.gen(function*() {
      const { app, go, started, state } = yield* held
      const once = Idempotency.middleware({ ...shared, whenClientLeaves: "interrupt" })(app)
      const first = yield* Effect.fork(send(once, { key: "1" }))
      yield* Deferred.await(started)
      yield* Fiber.interruptAs(first, HttpServerError.clientAbortFiberId)
      assert.deepStrictEqual(state, { begun: 1, ended: 0, interrupted: 1 })
      yield* Deferred.succeed(go, undefined)
      assert.deepStrictEqual(yield* shown(once, { key: "1" }), [201, "order 1", "first"])
    }).pipe(Effect.provide(Memory)))

  it.effect("is interrupted by the server, and its key is free", () =>
    Effect.gen(function*() {
      const { app, go, started, state } = yield* held
      const events: Array<Event> = []
      const once = Idempotency.middleware(shared)(app).pipe(Observer.observe(heard(events)))
      const first = yield* Effect.fork(send(once, { key: "1" }))
      yield* Deferred.await(started)
      yield* Fiber.interrupt(first)
      assert.deepStrictEqual(state, { begun: 1, ended: 0, interrupted: 1 })
      yield* Deferred.succeed(go, undefined)
      assert.deepStrictEqual(yield* shown(once, { key: "1" }), [201, "order 1", "first"])
      assert.deepStrictEqual(summary(events), [
        "IdempotencyBegan", "IdempotencySettled Freed", "IdempotencyBegan", "IdempotencySettled Kept"
      ])
    }).pipe(Effect.provide(Memory)))

  it.effect("is interrupted when it takes too long, and its key is free", () =>
    Effect.gen(function*() {
      const { app, go, started, state } = yield* held
      const once = Idempotency.middleware({ ...shared, runAtMost: "65 seconds" })(app)
      const first = yield* Effect.fork(problem(once, { key: "1" }))
      yield* Deferred.await(started)
      yield* TestClock.adjust(64_999)
      assert.strictEqual((yield* problem(once, { key: "1" })).status, 409)
      assert.strictEqual(state.interrupted, 0)
      yield* TestClock.adjust(1)
      const late = yield* Fiber.join(first)
      assert.deepStrictEqual([late.status, late.title, late.headers["retry-after"]], [503, "The request took too long", "1"])
      assert.strictEqual(state.interrupted, 1)
      yield* Deferred.succeed(go, undefined)
      assert.deepStrictEqual(yield* shown(once, { key: "1" }), [201, "order 1", "first"])
    }).pipe(Effect.provide(Memory)))

  it.effect("is interrupted when its key was lost, and answers 409 in the place of a result of its own", () =>
    Effect.gen(function*() {
      const { app, started, state } = yield* held
      const memory = yield* IdempotencyStore.memory()
      // Another has the key by the first renewal, as after a stall of this process that was longer than the lease.
      const stolen: IdempotencyStore.Store = { ...memory, renew: () => Effect.succeed(false), release: () => Effect.succeed(false) }
      const events: Array<Event> = []
      const once = Idempotency.middleware(shared)(app).pipe(Observer.observe(heard(events)))
      const first = yield* Effect.fork(Effect.provideService(problem(once, { key: "1" }), IdempotencyStore.IdempotencyStore, stolen))
      yield* Deferred.await(started)
      yield* TestClock.adjust(9999)
      assert.strictEqual(state.interrupted, 0)
      yield* TestClock.adjust(1)
      assert.strictEqual((yield* Fiber.join(first)).status, 409)
      assert.deepStrictEqual(state, { begun: 1, ended: 0, interrupted: 1 })
      assert.deepStrictEqual(summary(events), ["IdempotencyBegan", "IdempotencySettled Lost"])
    }))

  it.effect("that has lost its key cannot overwrite what another has stored", () =>
    Effect.gen(function*() {
      const memory = yield* IdempotencyStore.memory()
      const orders = counter(created)
      const lost: IdempotencyStore.Store = { ...memory, complete: () => Effect.succeed(false) }
      const app = Idempotency.middleware(shared)(orders.app)
      const refused = yield* Effect.provideService(problem(app, { key: "1" }), IdempotencyStore.IdempotencyStore, lost)
      assert.strictEqual(refused.status, 409)
    }))
})

describe("a store that cannot be asked", () => {
  const down = (operation: "begin" | "renew" | "complete" | "release") =>
    Effect.fail(new IdempotencyStore.IdempotencyStoreError({ operation, cause: "down" }))
  const dead: IdempotencyStore.Store = {
    begin: () => down("begin"),
    renew: () => down("renew"),
    complete: () => down("complete"),
    release: () => down("release")
  }
  const asking = (store: IdempotencyStore.Store) => Effect.provideService(IdempotencyStore.IdempotencyStore, store)

  it.effect("is 503 with Retry-After, and the handler is not run", () =>
    Effect.gen(function*() {
      const orders = counter(created)
      const refused = yield* problem(Idempotency.middleware(shared)(orders.app), { key: "1" })
      assert.deepStrictEqual([refused.status, refused.title, refused.headers["retry-after"]], [503, "Keys cannot be looked up", "1"])
      assert.strictEqual(orders.begun, 0)
    }).pipe(asking(dead)))

  it.effect("is gone round where that is allowed, and said so", () =>
    Effect.gen(function*() {
      const events: Array<Event> = []
      const echo = Effect.flatMap(Current, (request) => Effect.map(request.text, (body) => HttpServerResponse.text(body)))
      const app = Idempotency.middleware({ ...shared, onStoreError: "allow" })(Effect.orDie(echo))
      assert.deepStrictEqual(yield* shown(Observer.observe(app, heard(events)), { key: "1", body: "a" }), [200, "a", "first"])
      assert.deepStrictEqual(summary(events), ["IdempotencyBypassed"])
    }).pipe(asking(dead)))

  it.effect("is one that takes 2 s to answer", () =>
    Effect.gen(function*() {
      const asked = yield* Deferred.make<void>()
      const app = Idempotency.middleware(shared)(counter(created).app)
      const silent = { ...dead, begin: () => Effect.zipRight(Deferred.succeed(asked, undefined), Effect.never) }
      const first = yield* Effect.fork(problem(app, { key: "1" }).pipe(asking(silent)))
      yield* Deferred.await(asked)
      yield* TestClock.adjust(1999)
      assert.isTrue(Option.isNone(yield* Fiber.poll(first)))
      yield* TestClock.adjust(1)
      assert.strictEqual((yield* Fiber.join(first)).status, 503)
    }))

  it.effect("is one that holds what is no response", () =>
    Effect.gen(function*() {
      for (const result of ["", "null", "{}", "{\"v\":1,\"status\":99}", "[1]", "{\"v\":1,\"status\":200,\"headers\":[[\"a\\n\",\"b\"]],\"body\":\"\"}"]) {
        const store = { ...dead, begin: () => Effect.succeed({ _tag: "Done" as const, result }) }
        const refused = yield* problem(Idempotency.middleware(shared)(counter(created).app), { key: "1" }).pipe(asking(store))
        assert.strictEqual(refused.status, 503)
      }
    }))

  it.effect("keeps back no response that was given: it is told three times, and then the response goes out", () =>
    Effect.gen(function*() {
      let told = 0
      const memory = yield* IdempotencyStore.memory()
      const forgetful = {
        ...memory,
        complete: () => Effect.suspend(() => {
          told++
          return down("complete")
        })
      }
      const events: Array<Event> = []
      const done = yield* Deferred.make<void>()
      const handler = Effect.as(Deferred.succeed(done, undefined), created(1))
      const app = Idempotency.middleware(shared)(handler).pipe(Observer.observe(heard(events)))
      const first = yield* Effect.fork(shown(app, { key: "1" }).pipe(asking(forgetful)))
      yield* Deferred.await(done)
      for (let i = 0; i < 5; i++) yield* TestClock.adjust("100 millis")
      assert.deepStrictEqual(yield* Fiber.join(first), [201, "order 1", "first"])
      assert.strictEqual(told, 3)
      assert.deepStrictEqual(summary(events), ["IdempotencyBegan", "IdempotencySettled Unreachable"])
    }))
})

describe("what is told", () => {
  it.effect("names neither caller nor key, and joins what belongs to one key", () =>
    Effect.gen(function*() {
      const events: Array<Event> = []
      const app = Idempotency.middleware({ caller: () => Effect.succeed("ann-secret"), whenMissing: "refuse" })(counter(created).app)
        .pipe(Observer.observe(heard(events)))
      for (const sent of [{ key: "k-secret" }, { key: "k-secret" }, { key: "k-secret", body: "b" }, {}]) yield* send(app, sent)
      assert.deepStrictEqual(summary(events), [
        "IdempotencyBegan", "IdempotencySettled Kept", "IdempotencyAnswered Replayed", "IdempotencyAnswered Mismatch",
        "IdempotencyRefused Missing"
      ])
      assert.notInclude(JSON.stringify(events), "secret")
      const records = events.flatMap((event) => "record" in event ? [event.record] : [])
      assert.deepStrictEqual([records.length, new Set(records).size], [4, 1])
      assertSome(Option.fromNullable(/^[0-9a-f]{64}$/.exec(records[0] ?? "")?.[0]), records[0] ?? "")
    }).pipe(Effect.provide(Memory)))
})

describe("whatever a client sends", () => {
  it.effect("is answered, and nothing of it comes back from a refusal", () =>
    Effect.gen(function*() {
      const orders = counter(() => HttpServerResponse.empty())
      const app = Idempotency.middleware({ ...shared, whenMissing: "refuse", requestLimit: 32 })(orders.app)
      const runtime = yield* Effect.runtime<IdempotencyStore.IdempotencyStore>()
      const handler = HttpApp.toWebHandlerRuntime(runtime)(app)
      const latin1 = fc.stringOf(fc.integer({ min: 0x20, max: 0xff }).map((code) => String.fromCharCode(code)), { maxLength: 300 })
      const statuses = new Set<number>()
      yield* Effect.promise(() =>
        fc.assert(
          fc.asyncProperty(fc.oneof(latin1, fc.hexaString({ maxLength: 40 })), fc.oneof(fc.string({ maxLength: 20 }), fc.string({ minLength: 40 })), async (key, body) => {
            const response = await handler(web({ key, body }))
            statuses.add(response.status)
            assert.include([204, 400, 413, 422], response.status)
            const said = await response.text()
            if (key.trim().length > 8 && response.status !== 204) assert.notInclude(said, JSON.stringify(key).slice(1, -1))
          }),
          { numRuns: 1000 }
        )
      )
      assert.includeMembers([...statuses], [204, 400, 413])
    }).pipe(Effect.provide(Memory)), 30_000)
})

describe("Idempotency.middleware, given nonsense", () => {
  it("throws where it is made", () => {
    for (const options of [
      { lease: 999 }, { lease: NaN }, { lease: -1 }, { lease: Infinity }, { ttl: 0 }, { runAtMost: 0 }, { requestLimit: -1 }, { requestLimit: NaN },
      { resultLimit: 1.5 }, { storeTimeout: 0 }, { retryAfter: -1 }, { methods: [] }, { header: "a b" }, { header: "" },
      { documentation: "javascript:alert(1)" }, { documentation: "https://a/>; rel=x" }, { caller: undefined }
    ]) {
      // @ts-expect-error one of them is no option at all
      assert.throws(() => Idempotency.middleware({ ...shared, ...options }), InvalidOption)
    }
  })

  it("takes each limit that makes sense", () => {
    Idempotency.middleware({ ...shared, lease: 1000, requestLimit: 0, resultLimit: 0, retryAfter: 0, ttl: 1, documentation: "https://a.test/b?c#d" })
  })
})

