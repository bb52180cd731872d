import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FiberRef from "effect/FiberRef"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as TestClock from "effect/TestClock"
import { InvalidOption } from "../../src/core/InvalidOption.ts"
import * as DeadlineHeader from "../../src/http/DeadlineHeader.ts"
import * as Resilience from "../../src/policy/Resilience.ts"
import * as AttemptDeadline from "../../src/strategy/AttemptDeadline.ts"
import * as Timeout from "../../src/strategy/Timeout.ts"
import * as HttpScript from "../../src/testing/HttpScript.ts"
import * as Fault from "../support/faults.ts"
import { serve } from "../support/server.ts"
import { onEachTransport } from "../support/transports.ts"

const url = "http://users.test/1"
const every = Schedule.spaced("100 millis")

type Decorate = (client: HttpClient.HttpClient) => HttpClient.HttpClient.With<unknown>

/** Makes a call in virtual time, and gives what each of its requests said. */
const said = (
  decorate: Decorate,
  steps: ReadonlyArray<HttpScript.Step>,
  name = "x-request-timeout-ms",
  request = HttpClientRequest.get(url)
) =>
  Effect.gen(function*() {
    const client = decorate(yield* HttpClient.HttpClient)
    const fiber = yield* Effect.fork(Effect.exit(client.execute(request)))
    yield* TestClock.adjust("1 hour")
    yield* Fiber.join(fiber)
    return (yield* HttpScript.requests).map(({ headers }): string | undefined => headers[name])
  }).pipe(Effect.provide(HttpScript.layer(steps, { atEnd: "repeatLast" })))

describe("DeadlineHeader", () => {
  it.effect("says with each attempt what is left of the deadline then", () =>
    Effect.gen(function*() {
      const decorate: Decorate = (client) =>
        client.pipe(
          Resilience.withDeadlineHeader(),
          Resilience.withRetry({ schedule: every, maxAttempts: 4 }),
          Resilience.withDeadline("1 second")
        )
      assert.deepStrictEqual(yield* said(decorate, [{ status: 503, after: "50 millis" }]), ["1000", "850", "700", "550"])
    }))

  it.effect("says the limit of the attempt where that is earlier, and the deadline where that is", () =>
    Effect.gen(function*() {
      const decorate: Decorate = (client) =>
        client.pipe(
          Resilience.withDeadlineHeader(),
          Resilience.withAttemptTimeout("400 millis"),
          Resilience.withRetry({ schedule: every, maxAttempts: 5 }),
          Resilience.withDeadline("1 second")
        )
      assert.deepStrictEqual(yield* said(decorate, ["hang"]), ["400", "400"])
      assert.deepStrictEqual(yield* said(decorate, [{ status: 503, after: "300 millis" }]), ["400", "400", "200"])
    }))

  it.effect("knows the limit of an attempt that covers the body, and the earlier of two", () =>
    Effect.gen(function*() {
      const covering: Decorate = (client) =>
        client.pipe(Resilience.withDeadlineHeader(), Resilience.withAttemptTimeout({ limit: 400, covers: "body" }))
      assert.deepStrictEqual(yield* said(covering, [{ status: 200 }]), ["400"])
      const nested = (inner: number, outer: number): Decorate => (client) =>
        client.pipe(Resilience.withDeadlineHeader(), Resilience.withAttemptTimeout(inner), Resilience.withAttemptTimeout(outer))
      assert.deepStrictEqual(yield* said(nested(400, 300), [{ status: 200 }]), ["300"])
      assert.deepStrictEqual(yield* said(nested(300, 400), [{ status: 200 }]), ["300"])
    }))

  it.effect("says nothing where nothing is known, and leaves what the request says", () =>
    Effect.gen(function*() {
      const bare = Resilience.withDeadlineHeader()
      assert.deepStrictEqual(yield* said(bare, [{ status: 200 }]), [undefined])
      const own = HttpClientRequest.get(url).pipe(HttpClientRequest.setHeader("x-request-timeout-ms", "7"))
      assert.deepStrictEqual(yield* said(bare, [{ status: 200 }], "x-request-timeout-ms", own), ["7"])
      const endless: Decorate = (client) => client.pipe(bare, Resilience.withAttemptTimeout(Infinity), Resilience.withDeadline(Infinity))
      assert.deepStrictEqual(yield* said(endless, [{ status: 200 }]), [undefined])
    }))

  it.effect("replaces a header that was copied from another request", () =>
    Effect.gen(function*() {
      const copied = HttpClientRequest.get(url).pipe(HttpClientRequest.setHeader("X-Request-Timeout-Ms", "99999"))
      const decorate: Decorate = (client) => client.pipe(Resilience.withDeadlineHeader(), Resilience.withDeadline("1 second"))
      assert.deepStrictEqual(yield* said(decorate, [{ status: 200 }], "x-request-timeout-ms", copied), ["1000"])
    }))

  for (const [encoding, expected] of [["grpc-timeout", "1500m"], ["x-envoy-expected-rq-timeout-ms", "1500"]] as const) {
    it.effect(`writes ${encoding} where it is asked to, and no other`, () =>
      Effect.gen(function*() {
        const decorate: Decorate = (client) =>
          client.pipe(Resilience.withDeadlineHeader({ encoding }), Resilience.withDeadline(1500))
        assert.deepStrictEqual(yield* said(decorate, [{ status: 200 }], encoding), [expected])
        assert.deepStrictEqual(yield* said(decorate, [{ status: 200 }]), [undefined])
      }))
  }

  it("refuses an encoding that there is not", () => {
    // As from JavaScript, or data.
    assert.throws(() => DeadlineHeader.middleware({ encoding: "x-timeout" as never }), InvalidOption, "x-timeout")
  })
})

describe("AttemptDeadline", () => {
  const seen = FiberRef.get(AttemptDeadline.ref)

  it.effect("is known inside an attempt, and to the fibers that it starts", () =>
    Effect.gen(function*() {
      const inside = Effect.zip(seen, Effect.flatMap(Effect.fork(seen), Fiber.join))
      const [own, child] = yield* Timeout.timeout(inside, "1 second")
      assert.deepStrictEqual([own, child].map(Option.getOrNull), [1000, 1000])
    }))

  it.scoped("never comes out of it, also where the attempt writes references of its own", () =>
    Effect.gen(function*() {
      const ref = yield* FiberRef.make("before")
      for (const work of [Effect.sleep("10 millis"), Effect.void]) {
        const attempt = Effect.zipRight(work, FiberRef.set(ref, "after"))
        const after = Effect.all([FiberRef.get(ref), seen])
        const fiber = yield* Effect.fork(Effect.zipRight(Timeout.timeout(attempt, "1 second"), after))
        yield* TestClock.adjust("10 millis")
        const [written, ends] = yield* Fiber.join(fiber)
        assert.strictEqual(written, "after")
        assert.isNull(Option.getOrNull(ends))
      }
    }))

  it.effect("is not known where the limit is not one of an attempt", () =>
    Effect.gen(function*() {
      const inside = Effect.map(seen, Option.getOrNull)
      assert.strictEqual(yield* Timeout.within(inside, 500, () => "late"), null)
    }))
})

onEachTransport((_, layer) => {
  it.scopedLive("less and less is left, as the server sees it", () =>
    Effect.gen(function*() {
      const server = yield* serve(Fault.inTurn(Fault.status(503), Fault.status(503), Fault.status(200)))
      const client = (yield* HttpClient.HttpClient).pipe(
        Resilience.withDeadlineHeader(),
        Resilience.withRetry({ schedule: Schedule.spaced("10 millis"), maxAttempts: 3 }),
        Resilience.withDeadline("20 seconds")
      )
      yield* client.get(server.url)
      const left = server.stats.requests.map(({ headers }) => Number(headers["x-request-timeout-ms"]))
      assert.strictEqual(left.length, 3)
      assert.isAtMost(left[0] ?? Infinity, 20_000)
      assert.isTrue(left.every((each, index) => index === 0 || each <= (left[index - 1] ?? 0) - 9), left.join())
    }).pipe(Effect.provide(layer())))
})
