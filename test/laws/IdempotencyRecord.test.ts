import { Effect } from "effect"
import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import * as IdempotencyRecord from "../../src/core/IdempotencyRecord.ts"
import * as IdempotencyStore from "../../src/strategy/IdempotencyStore.ts"
import * as Simulation from "../../src/testing/Simulation.ts"

type Step =
  | { readonly _tag: "Time"; readonly by: number }
  | { readonly _tag: "Begin"; readonly fingerprint: string; readonly lease: number }
  | { readonly _tag: "Renew" | "Complete" | "Release"; readonly token: number; readonly length: number }

const length = fc.integer({ min: 1, max: 400 })
const time = (min: number, max: number) => fc.record({ _tag: fc.constant("Time" as const), by: fc.integer({ min, max }) })
const step = (time: fc.Arbitrary<Step>): fc.Arbitrary<Step> =>
  fc.oneof(
    { weight: 3, arbitrary: time },
    {
      weight: 4,
      arbitrary: fc.record({ _tag: fc.constant("Begin" as const), fingerprint: fc.constantFrom("a", "a", "a", "b"), lease: length })
    },
    {
      weight: 4,
      arbitrary: fc.record({
        _tag: fc.constantFrom("Renew" as const, "Complete" as const, "Release" as const),
        token: fc.nat({ max: 6 }),
        length
      })
    }
  )
const history = fc.array(step(fc.oneof(time(0, 100), time(0, 100), time(-500, 500))), { maxLength: 60 })
const forwards = fc.array(step(time(0, 300)), { maxLength: 30 })

type Record = IdempotencyRecord.Record<string>
interface Seen {
  readonly step: Step
  /** The token that the step was done with; each `Begin` has a new one. */
  readonly token: string
  readonly now: number
  readonly before: Record
  readonly after: Record
  readonly answer: IdempotencyRecord.Answer<string> | boolean | undefined
}

const apply = (record: Record, step: Step, token: string, now: number): readonly [Seen["answer"], Record] => {
  switch (step._tag) {
    case "Time":
      return [undefined, record]
    case "Begin":
      return IdempotencyRecord.begin(record, { token, fingerprint: step.fingerprint, lease: step.lease }, now)
    case "Renew":
      return IdempotencyRecord.renew(record, token, step.length, now)
    case "Complete":
      return IdempotencyRecord.complete(record, token, `of ${token}`, step.length, now)
    case "Release":
      return IdempotencyRecord.release(record, token, now)
  }
}

const play = (steps: ReadonlyArray<Step>, start = 1000): ReadonlyArray<Seen> => {
  let [record, now, tokens]: [Record, number, number] = [IdempotencyRecord.absent, start, 0]
  return steps.map((step) => {
    if (step._tag === "Time") now += step.by
    // One of those that have been given, the last one most of the time.
    const token = step._tag === "Begin" ? `t${++tokens}` : `t${Math.max(0, tokens - Math.max(0, "token" in step ? step.token - 4 : 0))}`
    const [answer, after] = apply(record, step, token, now)
    const seen = { step, token, now, before: record, after, answer }
    record = after
    return seen
  })
}

const runs = { numRuns: 3000 }

describe("a record of an idempotency key", () => {
  it("is begun only where nothing is known of the key", () => {
    let begun = 0
    fc.assert(fc.property(history, (steps) => {
      for (const { after, answer, before, now, token } of play(steps)) {
        if (typeof answer !== "object") continue
        const free = IdempotencyRecord.current(before, now)._tag === "Absent"
        assert.strictEqual(answer._tag === "Begun", free)
        if (!free) continue
        begun++
        assert.strictEqual(after._tag === "InProgress" && after.token, token)
      }
    }), runs)
    assert.isAbove(begun, 500)
  })

  it("changes for nobody but its holder", () => {
    let [refused, heard] = [0, 0]
    fc.assert(fc.property(history, (steps) => {
      for (const { after, answer, before, now, token } of play(steps)) {
        if (typeof answer !== "boolean") continue
        const known = IdempotencyRecord.current(before, now)
        const holds = known._tag === "InProgress" && known.token === token
        assert.strictEqual(answer, holds)
        if (holds) heard++
        else {
          refused++
          assert.deepStrictEqual(IdempotencyRecord.current(after, now), known)
        }
      }
    }), runs)
    assert.isAbove(refused, 500)
    assert.isAbove(heard, 500)
  })

  it("gives each repetition, as long as it is kept, the result of the one that was completed", () => {
    let replayed = 0
    fc.assert(fc.property(history, (steps) => {
      let result: string | undefined
      for (const { answer, step, token } of play(steps)) {
        if (typeof answer === "object" && answer._tag === "Begun") result = undefined
        if (step._tag === "Complete" && answer === true) {
          assert.isUndefined(result)
          result = `of ${token}`
        }
        if (typeof answer === "object" && answer._tag === "Done") {
          replayed++
          assert.strictEqual(answer.result, result)
        }
      }
    }), runs)
    assert.isAbove(replayed, 100)
  })

  it("lasts no longer from any instant on than it was to last, whatever the clock does", () => {
    fc.assert(fc.property(history, (steps) => {
      for (const { after, now } of play(steps)) {
        const known = IdempotencyRecord.current(after, now)
        if (known._tag === "Absent") continue
        assert.isAbove(known.until, now)
        assert.isAtMost(known.until - now, 400)
      }
    }), runs)
  })

  it("holds for 999 ms of a lease of 1000, and is free at 1000", () => {
    const claim = { token: "1", fingerprint: "a", lease: 1000 }
    const [, held] = IdempotencyRecord.begin<string>(IdempotencyRecord.absent, claim, 5)
    const next = { ...claim, token: "2" }
    assert.deepStrictEqual(IdempotencyRecord.begin(held, next, 1004)[0], { _tag: "Busy", leaseEnds: 1 })
    assert.deepStrictEqual(IdempotencyRecord.begin(held, next, 1005)[0], { _tag: "Begun" })
    assert.deepStrictEqual(IdempotencyRecord.complete(held, "1", "late", 1, 1004)[0], true)
    assert.deepStrictEqual(IdempotencyRecord.complete(held, "1", "late", 1, 1005)[0], false)
  })

  it("tells another request so, in progress or completed", () => {
    const claim = { token: "1", fingerprint: "a", lease: 1000 }
    const other = { token: "2", fingerprint: "b", lease: 1000 }
    const [, held] = IdempotencyRecord.begin<string>(IdempotencyRecord.absent, claim, 0)
    assert.deepStrictEqual(IdempotencyRecord.begin(held, other, 0), [{ _tag: "Mismatch" }, held])
    const [, completed] = IdempotencyRecord.complete(held, "1", "done", 1000, 0)
    assert.deepStrictEqual(IdempotencyRecord.begin(completed, other, 0), [{ _tag: "Mismatch" }, completed])
  })

  it("is what the store in memory keeps for each key", () => {
    const keys = ["one", "other"]
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.constantFrom(...keys), forwards), { maxLength: 3 }), (histories) =>
        Simulation.runSync(Effect.gen(function*() {
          const store = yield* IdempotencyStore.memory()
          const records = new Map<string, Record>()
          let now = 0
          for (const [key, steps] of histories) {
            for (const { step, token } of play(steps)) {
              if (step._tag === "Time") {
                now += step.by
                yield* Effect.sleep(step.by)
                continue
              }
              const [expected, after] = apply(records.get(key) ?? IdempotencyRecord.absent, step, token, now)
              records.set(key, after)
              const answer: unknown = step._tag === "Begin"
                ? yield* store.begin(key, { token, fingerprint: step.fingerprint, lease: step.lease })
                : step._tag === "Renew"
                ? yield* store.renew(key, token, step.length)
                : step._tag === "Complete"
                ? yield* store.complete(key, token, `of ${token}`, step.length)
                : yield* store.release(key, token)
              assert.deepStrictEqual<unknown>(answer, expected)
            }
          }
        }))),
      { numRuns: 300 }
    )
  })
})
