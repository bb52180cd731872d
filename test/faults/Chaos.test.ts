/**
 * Calls to a peer that does anything at all, and what must hold whatever it does.
 */
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { assert, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as timers from "node:timers/promises"
import * as Backoff from "../../src/core/Backoff.ts"
import * as ResilientClient from "../../src/policy/ResilientClient.ts"
import * as Strategy from "../../src/policy/Strategy.ts"
import * as RetrySchedule from "../../src/strategy/RetrySchedule.ts"
import * as Recorder from "../../src/testing/Recorder.ts"
import { eventually } from "../support/eventually.ts"
import * as Fault from "../support/faults.ts"
import { type Handler, type Received, serve } from "../support/server.ts"
import { onEachTransport } from "../support/transports.ts"

const KB = 1024

/** Numbers from 0 to 1 that a seed decides (mulberry32). */
const chance = (seed: number) => {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}
const pick = <A>(from: readonly [A, ...ReadonlyArray<A>], draw: number): A => from[Math.floor(draw * from.length)] ?? from[0]

/** A body that can be told from every other, and from any part of itself. */
const bodyOf = ({ number, url }: Pick<Received, "number" | "url">, size: number): string =>
  `<${url} ${number} `.padEnd(Math.max(size, 20), "x") + ">"

type Sized = (size: number) => Handler

const sized = (status: number, answer: Omit<Fault.Answer, "body"> = {}): Sized => (size) => (request, response, received) =>
  Fault.status(status, { ...answer, body: bodyOf(received, size) })(request, response, received)

const faults: readonly [Sized, ...ReadonlyArray<Sized>] = [
  sized(200),
  sized(200),
  sized(200, { framing: "chunked" }),
  sized(200, { ending: { stallAfter: 10 } }),
  sized(200, { ending: { finAfter: 10 } }),
  sized(200, { framing: "chunked", ending: { resetAfter: 10 } }),
  sized(404),
  sized(429, { headers: { "retry-after-ms": "9" } }),
  sized(429, { headers: { "retry-after": "0" } }),
  sized(429, { headers: { "retry-after": "3600" } }),
  sized(500),
  sized(501),
  sized(502, { framing: "chunked" }),
  sized(503),
  sized(503),
  sized(503, { ending: "endless" }),
  sized(503, { ending: { stallAfter: 10 } }),
  sized(503, { framing: "chunked", ending: { stallAfter: 10 } }),
  sized(503, { ending: { resetAfter: 10 } }),
  () => Fault.hang,
  () => Fault.resetBeforeHeaders,
  () => Fault.finBeforeHeaders
]

/** A peer that a seed makes do one thing or another, after a while or at once. */
const anything = (seed: number): Handler => {
  const draw = chance(seed)
  return (request, response, received) => {
    const handler = pick(faults, draw())(pick([0, 1, KB, 63 * KB, 300 * KB], draw()))
    const delay = draw() < 0.5 ? 0 : Math.floor(draw() * 30)
    if (delay === 0) handler(request, response, received)
    else setTimeout(() => handler(request, response, received), delay)
  }
}

type Read = (response: HttpClientResponse.HttpClientResponse) => Effect.Effect<string, unknown>
const decode = (bytes: ArrayBuffer | Uint8Array) => new TextDecoder().decode(bytes)
const reads: readonly [Read, ...ReadonlyArray<Read>] = [
  (response) => response.text,
  (response) => Effect.map(response.arrayBuffer, decode),
  (response) => Effect.map(Stream.runCollect(response.stream), (chunks) => decode(Buffer.concat(Chunk.toReadonlyArray(chunks))))
]

const held = (): ReadonlyMap<string, number> => {
  const counts = new Map([["fibers", Fiber.unsafeRoots().length]])
  for (const name of process.getActiveResourcesInfo()) counts.set(name, (counts.get(name) ?? 0) + 1)
  return counts
}

const maxAttempts = 4
const backoff = 5
const deadline = 400
const grace = 50
const options: ResilientClient.Options = {
  attemptTimeout: { limit: 60, covers: "headers" },
  retry: { maxAttempts, schedule: RetrySchedule.fromBackoff(Backoff.constant(backoff)) },
  idempotencyKey: Strategy.idempotencyKey({ methods: ["POST"] }),
  deadline
}

onEachTransport((_, layer) => {
  for (const seed of [1, 2]) {
    it.live(`50 calls to a peer that does anything (seed ${seed}) keep what was promised, and leave nothing`, () =>
      Effect.gen(function*() {
        const before = held()
        yield* Effect.scoped(Effect.gen(function*() {
          const server = yield* serve(anything(seed))
          const recorder = yield* Recorder.make
          const draw = chance(seed)
          const late: Array<string> = []

          const call = (path: number) =>
            Effect.gen(function*() {
              const method = pick(["GET", "GET", "PUT", "POST", "PATCH"] as const, draw())
              const read = pick(reads, draw())
              const client = yield* ResilientClient.make(options)
              const request = HttpClientRequest.make(method)(`${server.url}${path}`)
              let isOver = false
              const look = timers.setTimeout(deadline + grace).then(async () => {
                for (let turn = 0; turn < 10; turn++) await timers.setImmediate()
                return isOver ? [] : [`${method} ${path}`]
              })
              const exit = yield* Effect.exit(Effect.flatMap(client.execute(request), (response) =>
                Effect.map(read(response), (text) => [response.status, text] as const)))
              isOver = true
              const made = server.stats.requests.filter(({ url }) => url === `/${path}`)
              // I1: never more attempts than are allowed, and one of what may not be sent again.
              assert.isAtMost(made.length, maxAttempts)
              if (method === "PATCH") assert.isAtMost(made.length, 1)
              const keys = new Set(made.map(({ headers }) => headers["idempotency-key"]))
              assert.isAtMost(keys.size, 1)
              if (Exit.isFailure(exit)) {
                // I6: an error that has a type and says something.
                const failure = Cause.squash(exit.cause)
                assert.isFalse(Cause.isDie(exit.cause), Cause.pretty(exit.cause))
                assert.instanceOf(failure, Error)
                assert.property(failure, "_tag")
                assert.isAbove((failure as Error).message.length, 0)
              } else {
                // I9: the body of one answer, of this call, and the whole of it.
                const [status, text] = exit.value
                const number = Number(/^<\/\d+ (\d+) x*>$/.exec(text)?.[1])
                const answer = made.find((request) => request.number === number)
                assert.isDefined(answer, `${status} ${text.slice(0, 40)}`)
                if (answer !== undefined) assert.strictEqual(text, bodyOf(answer, text.length - 1))
              }
              late.push(...(yield* Effect.promise(() => look)))
            })

          yield* Effect.gen(function*() {
            yield* Effect.forEach(Array.from({ length: 50 }, (_, index) => index), call, { concurrency: 25 })
            // I3: nobody waited longer than the deadline.
            assert.deepStrictEqual(late, [])
            // I5: nothing is open but what the pool keeps.
            yield* eventually(() => server.stats.requests.every(({ closed }) => closed !== undefined))
            yield* eventually(() => server.stats.open <= 25)
          }).pipe(Effect.provide(recorder.layer), Effect.provide(layer({ connections: 25 })))

          const calls = Recorder.calls(yield* recorder.events)
          assert.lengthOf(calls, 50)
          for (const events of calls) {
            // I8: one outcome of each call, which comes last.
            assert.deepStrictEqual(events.filter(({ _tag }) => _tag === "CallEnded"), events.slice(-1))
            // I2: the wait that was computed was waited.
            for (const [index, event] of events.entries()) {
              const next = events[index + 1]
              if (event._tag !== "WaitStarted" || next?._tag !== "AttemptStarted") continue
              assert.isAtLeast(event.delay, backoff)
              assert.isAtLeast(next.at - event.at, event.delay - 1)
            }
          }
          assert.deepStrictEqual(Recorder.open(yield* recorder.spans), [])
        }))
        yield* eventually(() => [...held()].every(([resource, count]) => count <= (before.get(resource) ?? 0)))
      }), 30_000)
  }
})
