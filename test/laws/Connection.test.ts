import { assert, describe, it } from "@effect/vitest"
import * as Option from "effect/Option"
import * as fc from "fast-check"
import * as Connection from "../../src/core/Connection.ts"

const instant = fc.bigInt({ min: 0n, max: 10n ** 12n })
const maybe = fc.option(instant, { nil: undefined })

const dial: fc.Arbitrary<Connection.Dial> = fc.record({
  started: instant,
  named: fc.boolean(),
  secure: fc.boolean(),
  split: fc.boolean(),
  looked: maybe,
  connected: maybe,
  ready: maybe
})

/** In any order, with any of them missing. */
const marks: fc.Arbitrary<Connection.Marks> = fc.record({
  created: instant,
  dial: fc.option(dial, { nil: undefined }),
  acquired: maybe,
  written: maybe,
  headers: maybe
})

/** Of a request that came to its end, in the order in which things happen. */
const completed = fc.tuple(fc.array(fc.bigInt({ min: 0n, max: 10n ** 10n }), { minLength: 9, maxLength: 9 }), fc.boolean(), fc.boolean(), fc.boolean(), fc.boolean()).map(
  ([lengths, named, secure, split, reused]): readonly [Connection.Marks, bigint] => {
    let last = 0n
    const [created, started, looked, connected, handshake, acquired, written, headers, ended] = lengths.map((length) => last += length) as [
      bigint, bigint, bigint, bigint, bigint, bigint, bigint, bigint, bigint
    ]
    const opened: Connection.Dial = {
      started,
      named,
      secure,
      split,
      ready: secure ? handshake : connected,
      ...split ? { connected, ...named ? { looked } : {} } : {}
    }
    return [{ created, acquired, written, headers, ...reused ? {} : { dial: opened } }, ended]
  }
)

const runs = { numRuns: 2_000 }

const order: ReadonlyArray<Connection.Phase> = ["pool", "dns", "tcp", "tls", "connect", "send", "firstByte", "body"]

describe("phases", () => {
  it("of a request that came to its end leave no gap: they add up to its total", () => {
    fc.assert(fc.property(completed, ([marks, ended]) => {
      const { body, connect, firstByte, pool, send, total } = Connection.phases(marks, ended)
      const sum = [pool, connect, send, firstByte, body].reduce((sum, each) => sum + Option.getOrElse(each, () => 0), 0)
      assert.closeTo(sum, total, 1e-6 * (1 + total))
    }), runs)
  })

  it("are finite and never negative, whatever the order of the marks", () => {
    fc.assert(fc.property(marks, instant, (marks, ended) => {
      const { total, ...phases } = Connection.phases(marks, ended)
      for (const each of [total, ...Object.values(phases).flatMap(Option.toArray)]) assert.isTrue(Number.isFinite(each) && each >= 0)
    }), runs)
  })

  it("of opening a connection add up to it, where they can be told apart", () => {
    fc.assert(fc.property(completed, ([marks, ended]) => {
      const { connect, dns, tcp, tls } = Connection.phases(marks, ended)
      if (marks.dial?.split !== true) return
      const sum = [dns, tcp, tls].reduce((sum, each) => sum + Option.getOrElse(each, () => 0), 0)
      assert.closeTo(sum, Option.getOrThrow(connect), 1e-6)
    }), runs)
  })
})

describe("steps", () => {
  it("come in order, none twice, and end no earlier than those before them", () => {
    fc.assert(fc.property(marks, instant, (marks, ended) => {
      const steps = Connection.steps(marks, ended)
      const places = steps.map(({ phase }) => order.indexOf(phase))
      assert.deepStrictEqual(places, [...new Set(places)].sort((a, b) => a - b))
      let last = marks.created
      for (const { at, length } of steps) {
        assert.isTrue(at >= last && length >= 0)
        last = at
      }
    }), runs)
  })
})
