/**
 * What can be asked of the demo of metrics, and what it prints. What it shows Prometheus is seen in Prometheus.test.ts.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import * as Flags from "../../docs/examples/metrics/flags.ts"
import * as Status from "../../docs/examples/metrics/status.ts"
import * as Trouble from "../../docs/examples/metrics/trouble.ts"

const parsed = (...args: ReadonlyArray<string>) =>
  Effect.match(Flags.parse(args), {
    onFailure: ({ message }) => message,
    onSuccess: ({ port, seconds, trouble }) => [port, seconds, ...trouble]
  })

describe("docs/examples/metrics.ts", () => {
  it.effect("takes a port, a time and troubles, and says what is wrong with others", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* parsed(), [9464, Infinity])
      assert.deepStrictEqual(yield* parsed("--port", "0", "--seconds", "0.5", "--trouble", "all"), [0, 0.5, ...Trouble.all])
      assert.deepStrictEqual(yield* parsed("--trouble", "slow, leak"), [9464, Infinity, "slow", "leak"])
      for (const none of ["", "sloth", "slow,", "slow,none", "toString"]) {
        assert.strictEqual(yield* parsed("--trouble", none), `--trouble is all, none, or some of ${Trouble.all.join(",")}, and not "${none}"`)
      }
      for (const port of ["-1", "65536", "1.5", "NaN", "http"]) assert.include(yield* parsed(`--port=${port}`), "--port is a number from 0")
      for (const seconds of ["0", "-1", "NaN", "soon"]) assert.include(yield* parsed(`--seconds=${seconds}`), "--seconds is a number above 0")
      assert.include(yield* parsed("--sceonds", "1"), "--sceonds")
    }))

  it.effect("says every 5 seconds how the shop is, and ends after so many", () =>
    Effect.gen(function*() {
      const printed: Array<string> = []
      const console: Console.Console = { ...(yield* Console.consoleWith(Effect.succeed)), log: (text) => Effect.sync(() => void printed.push(String(text))) }
      const switches = Trouble.switches(new Set(["slow", "leak"]))
      const telling = yield* Effect.fork(Effect.withConsole(Status.tell(switches, 11), console))
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(printed.map((lines) => lines.split("\n")[0]), ["    5 s  slow, leak", "   10 s  slow, leak"])
      assert.match(printed[0]?.split("\n")[1] ?? "", /^ +\d+ calls, \d+ given up, .* \d+ unread responses$/)
      assert.isTrue(Option.isNone(yield* Fiber.poll(telling)))
      yield* TestClock.adjust("1 second")
      assert.isTrue(Option.isSome(yield* Fiber.poll(telling)))
    }))
})
