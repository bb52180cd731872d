import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import * as Classifier from "../../src/core/Classifier.ts"
import type { Event } from "../../src/core/Event.ts"
import * as Failure from "../../src/core/Failure.ts"
import * as Idempotency from "../../src/core/Idempotency.ts"
import * as Contest from "../../src/strategy/Contest.ts"
import * as Hedge from "../../src/strategy/Hedge.ts"
import * as Observer from "../../src/strategy/Observer.ts"
import type { RetryBudget } from "../../src/strategy/RetryBudget.ts"

/** What an attempt gives is a thing that somebody must have or let go. */
interface Thing {
  readonly attempt: number
  letGo: number
}

const failing = (failure: Failure.Failure) => ({ [Failure.key]: failure })
const kinds = {
  good: undefined,
  busy: Failure.unavailable({ status: 503 }),
  throttled: Failure.throttled({ status: 429 }),
  terminal: Failure.refused(404),
  rejected: Failure.rejected("CircuitOpen")
}
type Kind = keyof typeof kinds | "busyThing" | "dies" | "never"

const attempts = fc.array(
  fc.record({
    yields: fc.integer({ min: 0, max: 8 }),
    kind: fc.constantFrom<Kind>("good", "good", "busy", "busyThing", "busyThing", "throttled", "terminal", "rejected", "dies", "never")
  }),
  { minLength: 5, maxLength: 5 }
)

const pause = (times: number): Effect.Effect<void> => times <= 0 ? Effect.void : Effect.repeatN(Effect.yieldNow(), times - 1)

const scenario = fc.record({
  attempts,
  maxAttempts: fc.integer({ min: 1, max: 5 }),
  delay: fc.constantFrom(0, Infinity),
  /** How many times a listener yields at each event; none listens where it is negative. */
  listening: fc.integer({ min: -1, max: 2 }),
  poor: fc.boolean(),
  /** At which of the steps of the scheduler the call is interrupted. */
  interruptedAt: fc.integer({ min: 0, max: 150 }),
  opsBeforeYield: fc.constantFrom(11, 12, 13, 14, 17, 2048)
})

/** Every value that has reached its attempt's fiber's end. */
const delivered = (fibers: ReadonlyArray<Fiber.RuntimeFiber<unknown, unknown>>): ReadonlyArray<Thing> =>
  fibers.flatMap((fiber) => {
    const exit = fiber.unsafePoll()
    if (exit === null || Exit.isFailure(exit)) return []
    // An attempt's fiber gives the attempt's exit.
    const inner = exit.value as Exit.Exit<Thing, unknown>
    return Exit.isSuccess(inner) ? [inner.value] : []
  })

describe("laws of Hedge", () => {
  it("whatever the interleaving, and wherever it is interrupted: all that was given is had or let go, what was paid was sent, the call ends once", () =>
    fc.assert(
      fc.asyncProperty(scenario, async ({ attempts, delay, interruptedAt, listening, maxAttempts, opsBeforeYield, poor }) => {
        const fibers: Array<Fiber.RuntimeFiber<unknown, unknown>> = []
        const events: Array<Event> = []
        let [inFlight, mostInFlight, paid] = [0, 0, 0]
        const work: Contest.Work<null, Thing, unknown, never> = {
          attempt: () =>
            Effect.withFiberRuntime((fiber) => {
              const number = fibers.push(fiber)
              const { kind, yields } = attempts[number - 1] ?? { kind: "never", yields: 0 }
              let isIn = false
              const enter = Effect.sync(() => {
                isIn = true
                mostInFlight = Math.max(mostInFlight, ++inFlight)
              })
              const gives = (): Effect.Effect<Thing, unknown> => {
                if (kind === "never") return Effect.never
                if (kind === "dies") return Effect.die("a defect")
                if (kind === "good" || kind === "busyThing") return Effect.succeed({ attempt: number, letGo: 0 })
                return Effect.fail(failing(kinds[kind] ?? Failure.serverFault(501)))
              }
              return Effect.zipRight(enter, Effect.zipRight(pause(yields), Effect.suspend(gives))).pipe(
                Effect.ensuring(Effect.sync(() => isIn && inFlight--)),
                Effect.withMaxOpsBeforeYield(opsBeforeYield)
              )
            }),
          repeatable: () => Idempotency.always,
          spend: (lost) => Exit.isSuccess(lost) ? Effect.zipRight(Effect.yieldNow(), Effect.sync(() => void lost.value.letGo++)) : Effect.void,
          drop: (lost) => Effect.sync(() => void (Exit.isSuccess(lost) && lost.value.letGo++))
        }
        const budget: RetryBudget = {
          succeeded: () => {},
          failed: () => {},
          withdraw: () => {
            if (poor && paid > 0) return undefined
            paid++
            return { cost: 1, slot: 0 }
          },
          refund: () => void paid--,
          balance: Effect.succeed(0)
        }
        const classifier = Classifier.make<Thing, unknown>("things", (exit, now) =>
          Exit.isSuccess(exit) && attempts[exit.value.attempt - 1]?.kind === "busyThing"
            ? Option.some({ _tag: "Failed", failure: kinds.busy })
            : Classifier.errors.classify(exit, now))
        const plan = Hedge.plan<Thing, unknown>(classifier, { delay, maxAttempts, budget })
        const listener = Observer.make((event) => Effect.zipRight(Effect.sync(() => void events.push(event)), pause(listening)))
        const call = Contest.run(plan, work, null, "key").pipe(
          listening < 0 ? (effect) => effect : Observer.observe(listener)
        )

        const result = await Effect.runPromise(Effect.gen(function*() {
          const fiber = yield* Effect.fork(call)
          yield* pause(interruptedAt)
          const exit = yield* Fiber.interrupt(fiber)
          // What is let go beside the call has time to go.
          yield* pause(300)
          return exit
        }))

        assert.strictEqual(inFlight, 0, "an attempt goes on")
        assert.isAtMost(mostInFlight, maxAttempts)
        assert.isAtMost(fibers.length, maxAttempts)
        const had = Exit.isSuccess(result) ? [result.value] : []
        for (const thing of delivered(fibers)) {
          assert.strictEqual(thing.letGo, had.includes(thing) ? 0 : 1, `attempt ${thing.attempt} of ${JSON.stringify(attempts)}`)
        }
        const rejected = attempts.slice(1, fibers.length).filter(({ kind }) => kind === "rejected").length
        const sent = Math.max(0, fibers.length - 1)
        assert.isTrue(paid <= sent && paid >= sent - rejected, `${paid} paid for ${sent}`)
        const [begun, ended] = (["CallStarted", "CallEnded"] as const).map((tag) => events.filter(({ _tag }) => _tag === tag).length)
        assert.strictEqual(begun, ended)
        if (listening >= 0 && fibers.length > 0) assert.strictEqual(ended, 1)
        if (ended === 1) assert.strictEqual(events.at(-1)?._tag, "CallEnded")
      }),
      { numRuns: 2000 }
    ), 120_000)
})
