/**
 * The store in memory counts successes beside the state of a key. What it answers is what the state alone would say.
 */
import { Effect, Option } from "effect"
import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import * as Breaker from "../../src/core/Breaker.ts"
import * as Failure from "../../src/core/Failure.ts"
import * as Outcome from "../../src/core/Outcome.ts"
import * as TripPolicy from "../../src/core/TripPolicy.ts"
import * as BreakerStore from "../../src/strategy/BreakerStore.ts"

const ratio = fc.constantFrom(0.1, 0.5, 0.9, 1)
const window = fc.oneof(
  fc.constantFrom(100, 500, 46.7).map((duration) => ({ duration })),
  fc.constantFrom(5, 8, 16, 40).map((calls) => ({ calls }))
)
const share = fc.record({ threshold: ratio, minimumCalls: fc.integer({ min: 1, max: 5 }), window })
const simple: fc.Arbitrary<TripPolicy.TripPolicy> = fc.oneof(
  fc.integer({ min: 1, max: 4 }).map(TripPolicy.consecutive),
  share.map(TripPolicy.rate),
  share.map((options) => TripPolicy.slowRate({ ...options, slowerThan: 50 }))
)
const tripPolicy = fc.oneof(simple, fc.tuple(simple, simple).map(([one, other]) => TripPolicy.anyOf(one, other)), fc.constant(TripPolicy.never))
const settings: fc.Arbitrary<Breaker.Settings> = fc.record({
  tripPolicy,
  openDuration: fc.integer({ min: 1, max: 300 }),
  successes: fc.integer({ min: 1, max: 2 }),
  rampUp: fc.constantFrom(0, 300)
}).map(Breaker.settings)

const outcome: fc.Arbitrary<Outcome.Outcome> = fc.oneof(
  { weight: 8, arbitrary: fc.constant(Outcome.success) },
  { weight: 1, arbitrary: fc.constant(Outcome.ignored) },
  { weight: 1, arbitrary: fc.constant(Outcome.failed(Failure.refused(404))) },
  { weight: 2, arbitrary: fc.constant(Outcome.failed(Failure.serverFault(500))) }
)

type Step =
  | { readonly _tag: "Time"; readonly by: number }
  | { readonly _tag: "Ask" | "Look" | "Isolate" | "Reset"; readonly key: string }
  | { readonly _tag: "End"; readonly which: number; readonly outcome: Outcome.Outcome }
const key = fc.constantFrom("a", "b")
const at = (tag: "Ask" | "Look" | "Isolate" | "Reset"): fc.Arbitrary<Step> => fc.record({ _tag: fc.constant(tag), key })
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ _tag: fc.constant("Time" as const), by: fc.integer({ min: 0, max: 20 }) }) },
  { weight: 1, arbitrary: fc.record({ _tag: fc.constant("Time" as const), by: fc.integer({ min: -300, max: 600 }) }) },
  { weight: 12, arbitrary: at("Ask") },
  { weight: 12, arbitrary: fc.record({ _tag: fc.constant("End" as const), which: fc.nat(), outcome }) },
  { weight: 1, arbitrary: fc.oneof(at("Look"), at("Isolate"), at("Reset")) }
)
const history = fc.array(step, { maxLength: 120 })

/** A call that is on its way, and its tickets from both stores. */
interface Sent {
  readonly key: string
  readonly tickets: ReadonlyArray<Breaker.Ticket>
}

/** Only what `admit` and `record` say: each state is replaced at once, and none is forgotten. */
const plainly = ({ onTransition, settings }: BreakerStore.Owner): BreakerStore.Store => {
  const states = new Map<string, Breaker.State>()
  let generation = 0
  const of = (key: string, now: number) => states.get(key) ?? Breaker.initial(settings, now, generation)
  const move = (key: string, before: Breaker.State, after: Breaker.State): BreakerStore.Transition | undefined => {
    states.set(key, after)
    if (before.generation === after.generation || before._tag === after._tag) return undefined
    const transition = {
      key, from: before._tag, to: after._tag, generation: after.generation, because: "", openFor: Option.none()
    }
    onTransition(transition)
    return transition
  }
  const anew = (key: string, now: number, after: (generation: number) => Breaker.State) => {
    const before = of(key, now)
    generation = Math.max(generation, before.generation + 1)
    return move(key, before, after(generation))
  }
  return {
    admit: (key, now) => {
      const before = of(key, now)
      const [answer, state] = Breaker.admit(settings, before, now)
      return Effect.succeed({ answer, transition: move(key, before, state) })
    },
    record: (key, ticket, outcome, now) => {
      const before = states.get(key)
      return Effect.succeed(before && move(key, before, Breaker.record(settings, before, ticket, outcome, now)))
    },
    state: (key, now) => Effect.succeed(Breaker.current(of(key, now), now)),
    isolate: (key, now) =>
      Effect.succeed(states.get(key)?._tag === "Isolated" ? undefined : anew(key, now, (generation) => Breaker.isolated(generation))),
    reset: (key, now) =>
      Effect.succeed(states.has(key) ? anew(key, now, (generation) => Breaker.initial(settings, now, generation)) : undefined)
  }
}

/** Admits as a guard does: at once where there is a ticket for it. */
const ask = (store: BreakerStore.Store, key: string, now: number): Breaker.Answer => {
  const ticket = store.passing?.admit(key, now)
  return ticket === undefined ? Effect.runSync(store.admit(key, now)).answer : { _tag: "Admitted", ticket }
}

describe("laws of the store in memory", () => {
  it("it answers, moves and looks like one that replaces its states one success at a time", () => {
    let waited = 0
    fc.assert(
      fc.property(settings, history, (settings, steps) => {
        const moved: [Array<string>, Array<string>] = [[], []]
        const told = (to: Array<string>) => ({ from, generation, key, to: state }: BreakerStore.Transition) =>
          void to.push(`${key}: ${from} -> ${state}, ${generation}`)
        const owner = (to: Array<string>): BreakerStore.Owner => ({ name: "breaker", settings, onTransition: told(to) })
        const memory = Effect.runSync(BreakerStore.memory().open(owner(moved[0])))
        const reference = plainly(owner(moved[1]))
        const look = (key: string, now: number) => [memory, reference].map((store) => Effect.runSync(store.state(key, now)))
        const out: Array<Sent> = []
        let now = 1000
        for (const step of steps) {
          switch (step._tag) {
            case "Time":
              now += step.by
              break
            case "Ask": {
              const [one, other] = [ask(memory, step.key, now), ask(reference, step.key, now)]
              assert.deepStrictEqual(one, other)
              if (one._tag === "Admitted" && other._tag === "Admitted") out.push({ key: step.key, tickets: [one.ticket, other.ticket] })
              break
            }
            case "End": {
              const ended = out.splice(step.which % Math.max(out.length, 1), 1)[0]
              if (ended === undefined) break
              const before = Effect.runSync(reference.state(ended.key, now))
              if (Breaker.canWait(settings, before, ended.tickets[1]!, step.outcome, now)) waited++
              Effect.runSync(memory.record(ended.key, ended.tickets[0]!, step.outcome, now))
              Effect.runSync(reference.record(ended.key, ended.tickets[1]!, step.outcome, now))
              break
            }
            case "Look": {
              const [one, other] = look(step.key, now)
              assert.deepStrictEqual(one, other)
              break
            }
            case "Isolate":
              for (const store of [memory, reference]) Effect.runSync(store.isolate(step.key, now))
              break
            case "Reset":
              for (const store of [memory, reference]) Effect.runSync(store.reset(step.key, now))
          }
          assert.deepStrictEqual(moved[0], moved[1])
        }
        for (const key of ["a", "b"]) {
          const [one, other] = look(key, now)
          assert.deepStrictEqual(one, other)
        }
      }),
      { numRuns: 3000 }
    )
    assert.isAbove(waited, 1000)
  })
})

describe("laws of what can wait", () => {
  it("successes that could wait and are added in the end make the state that they make one by one", () =>
    fc.assert(
      fc.property(settings, history, (settings, steps) => {
        let now = 1000
        let state: Breaker.State = Breaker.initial(settings, now)
        let [kept, waiting]: [Breaker.State, number] = [state, 0]
        for (const step of steps) {
          if (step._tag === "Time") now += step.by
          if (step._tag !== "End") continue
          const ticket: Breaker.Ticket = { generation: state.generation, startedAt: now - step.which % 100, probe: Option.none() }
          if (Breaker.canWait(settings, kept, ticket, step.outcome, now)) waiting++
          else [kept, waiting] = [Breaker.record(settings, Breaker.addSuccesses(kept, waiting), ticket, step.outcome, now), 0]
          state = Breaker.record(settings, state, ticket, step.outcome, now)
          assert.deepStrictEqual(Breaker.addSuccesses(kept, waiting), state)
        }
      }),
      { numRuns: 3000 }
    ))

  it("the success that makes enough calls of nine failures does not wait, and trips", () => {
    const settings = Breaker.settings({ tripPolicy: TripPolicy.rate({ threshold: 0.9, minimumCalls: 10 }) })
    const ticket: Breaker.Ticket = { generation: 0, startedAt: 0, probe: Option.none() }
    let state: Breaker.State = Breaker.initial(settings, 0)
    const failed = Outcome.failed(Failure.serverFault(500))
    for (let i = 0; i < 9; i++) state = Breaker.record(settings, state, ticket, failed, 0)
    assert.strictEqual(state._tag, "Closed")
    assert.isFalse(Breaker.canWait(settings, state, ticket, Outcome.success, 0))
    assert.strictEqual(Breaker.record(settings, state, ticket, Outcome.success, 0)._tag, "Open")
  })
})
