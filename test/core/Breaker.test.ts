import { Option } from "effect"
import { assert, describe, it } from "vitest"
import * as Backoff from "../../src/core/Backoff.ts"
import * as Breaker from "../../src/core/Breaker.ts"
import * as Failure from "../../src/core/Failure.ts"
import * as Health from "../../src/core/Health.ts"
import * as Outcome from "../../src/core/Outcome.ts"
import * as TripPolicy from "../../src/core/TripPolicy.ts"

const failure = Outcome.failed(Failure.serverFault(500))
const { ignored, success } = Outcome

/** A breaker that is stepped by hand. */
const breaker = (options: Breaker.Options, start = 0) => {
  const settings = Breaker.settings(options)
  let state: Breaker.State = Breaker.initial(settings, start)
  const admit = (now: number): Breaker.Answer => {
    const [answer, next] = Breaker.admit(settings, state, now)
    state = next
    return answer
  }
  const record = (ticket: Breaker.Ticket, outcome: Outcome.Outcome, now: number) => {
    state = Breaker.record(settings, state, ticket, outcome, now)
    return state._tag
  }
  const ticket = (now: number): Breaker.Ticket => {
    const answer = admit(now)
    assert(answer._tag === "Admitted", `${JSON.stringify(answer)} at ${now}`)
    return answer.ticket
  }
  return {
    admit,
    record,
    ticket,
    call: (outcome: Outcome.Outcome, now: number, took = 0) => record(ticket(now), outcome, now + took),
    retryAfter: (now: number) => {
      const answer = admit(now)
      assert(answer._tag === "Rejected", `admitted at ${now}`)
      return Option.getOrNull(answer.retryAfter)
    },
    get state() {
      return state
    }
  }
}

const consecutive = (failures: number, more: Breaker.Options = {}) =>
  breaker({ tripPolicy: TripPolicy.consecutive(failures), openDuration: 1000, ...more })

describe("trip policies", () => {
  it("consecutive: trips at the nth failure in a row, and a success in between begins anew", () => {
    const it = consecutive(3)
    const tags = [failure, failure, success, failure, failure, ignored, failure].map((outcome) => it.call(outcome, 0))
    assert.deepStrictEqual(tags, ["Closed", "Closed", "Closed", "Closed", "Closed", "Closed", "Open"])
  })

  it("rate: says nothing below the least number of calls, and trips at the threshold", () => {
    const policy = () => breaker({ tripPolicy: TripPolicy.rate({ threshold: 0.5, minimumCalls: 4 }) })
    const below = policy()
    assert.deepStrictEqual([failure, failure, failure].map((each) => below.call(each, 0)), ["Closed", "Closed", "Closed"])
    const at = policy()
    assert.deepStrictEqual([failure, success, success, failure].map((each) => at.call(each, 0)), ["Closed", "Closed", "Closed", "Open"])
    const under = policy()
    assert.deepStrictEqual([failure, success, success, success, failure].map((each) => under.call(each, 0)).at(-1), "Closed")
  })

  it("rate: a success that makes the calls enough trips as well", () => {
    const it = breaker({ tripPolicy: TripPolicy.rate({ threshold: 0.5, minimumCalls: 4 }) })
    assert.deepStrictEqual([failure, failure, success, success].map((each) => it.call(each, 0)).at(-1), "Open")
  })

  it("rate: 3 of 30 are 0.1", () => {
    const it = breaker({ tripPolicy: TripPolicy.rate({ threshold: 0.1, minimumCalls: 30 }) })
    for (let i = 0; i < 27; i++) it.call(success, 0)
    assert.deepStrictEqual([failure, failure, failure].map((each) => it.call(each, 0)), ["Closed", "Closed", "Open"])
  })

  it("rate: over time, what is too old does not count", () => {
    const old = (now: number) => {
      const it = breaker({ tripPolicy: TripPolicy.rate({ threshold: 1, minimumCalls: 2, window: { duration: 1000 } }) })
      it.call(failure, 0)
      return it.call(failure, now)
    }
    assert.deepStrictEqual([old(999), old(1000)], ["Open", "Closed"])
  })

  it("rate: over calls, age does not matter", () => {
    const it = breaker({ tripPolicy: TripPolicy.rate({ threshold: 1, minimumCalls: 2, window: { calls: 2 } }) })
    it.call(failure, 0)
    assert.strictEqual(it.call(failure, 1e9), "Open")
  })

  it("slowRate: a call is slow above the limit, not at it, whether it failed or not", () => {
    const of = (took: number) =>
      breaker({ tripPolicy: TripPolicy.slowRate({ slowerThan: 100, threshold: 1, minimumCalls: 1 }) }).call(success, 0, took)
    assert.deepStrictEqual([of(100), of(101)], ["Closed", "Open"])
  })

  it("anyOf: trips when one does, for its reason", () => {
    const it = breaker({
      tripPolicy: TripPolicy.anyOf(TripPolicy.consecutive(2), TripPolicy.slowRate({ slowerThan: 10, threshold: 0.5, minimumCalls: 2 }))
    })
    assert.strictEqual(it.call(success, 0, 11), "Closed")
    assert.strictEqual(it.call(success, 20), "Open")
    assert(it.state._tag === "Open")
    assert.strictEqual(it.state.because, "1 of 2 calls took longer than 10ms")
  })

  it("never: never", () => {
    const it = breaker({ tripPolicy: TripPolicy.never })
    for (let i = 0; i < 1000; i++) assert.strictEqual(it.call(failure, i), "Closed")
  })

  it("the default: 50 % of at least 10 outcomes in 30 s", () => {
    const it = breaker({})
    for (let i = 0; i < 9; i++) assert.strictEqual(it.call(i % 2 === 0 ? failure : success, i), "Closed")
    assert.strictEqual(it.call(failure, 10), "Open")
  })
})

describe("open", () => {
  it("rejects until its time is over, and says for how long", () => {
    const it = consecutive(1)
    it.call(failure, 500)
    assert.strictEqual(it.retryAfter(500), 1000)
    assert.strictEqual(it.retryAfter(1499), 1)
    assert.strictEqual(it.admit(1500)._tag, "Admitted")
    assert.strictEqual(it.state._tag, "HalfOpen")
  })

  it("by default 5 s, 10 s, 20 s, 40 s, 60 s, 60 s when probes keep failing", () => {
    const it = breaker({ tripPolicy: TripPolicy.consecutive(1) })
    const lengths: Array<number> = []
    let now = 0
    for (let i = 0; i < 6; i++) {
      it.call(failure, now)
      const length = it.retryAfter(now) ?? NaN
      lengths.push(length)
      now += length
    }
    assert.deepStrictEqual(lengths, [5000, 10_000, 20_000, 40_000, 60_000, 60_000])
  })

  it("grows on where it was closed for less long than it had been open, and begins anew otherwise", () => {
    const after = (closedFor: number) => {
      const it = breaker({ tripPolicy: TripPolicy.consecutive(1) })
      it.call(failure, 0)
      it.call(success, 5000)
      it.call(failure, 5000 + closedFor)
      return it.retryAfter(5000 + closedFor)
    }
    assert.deepStrictEqual([after(4999), after(5000)], [10_000, 5000])
  })

  it("Retry-After lengthens it up to the cap, and never shortens it", () => {
    const hinted = (hint: number, options: Breaker.Options = {}) => {
      const it = consecutive(1, options)
      it.call(Outcome.failed(Failure.unavailable({ status: 503, retryAfter: Option.some(hint) })), 0)
      return it.retryAfter(0)
    }
    assert.deepStrictEqual([hinted(0), hinted(999), hinted(1000), hinted(1001)], [1000, 1000, 1000, 1001])
    assert.deepStrictEqual([hinted(300_000), hinted(300_001), hinted(1e300)], [300_000, 300_000, 300_000])
    assert.strictEqual(hinted(7000, { retryAfterAtMost: 0 }), 1000)
  })

  it("a clock that goes back never makes it longer than it was from then on", () => {
    const it = consecutive(1)
    it.call(failure, 3_600_000)
    assert.strictEqual(it.retryAfter(10), 1000)
    assert.strictEqual(it.retryAfter(1009), 1)
    assert.strictEqual(it.admit(1010)._tag, "Admitted")
  })

  it("a late result of before it opened changes nothing", () => {
    const it = consecutive(1)
    const late = [it.ticket(0), it.ticket(0), it.ticket(0)]
    it.call(failure, 0)
    for (const [i, outcome] of [success, failure, ignored].entries()) {
      const before = it.state
      it.record(late[i]!, outcome, 10)
      assert.strictEqual(it.state, before)
    }
  })
})

describe("half open", () => {
  const halfOpen = (options: Breaker.Options = {}) => {
    const it = consecutive(1, options)
    it.call(failure, 0)
    return it
  }

  it("sends as many probes at once as it may, and rejects the others", () => {
    for (const probes of [1, 3]) {
      const it = halfOpen({ probes })
      const answers = Array.from({ length: 1000 }, () => it.admit(1000)._tag)
      assert.strictEqual(answers.filter((tag) => tag === "Admitted").length, probes)
    }
  })

  it("closes with enough successes, opens with one failure", () => {
    const it = halfOpen({ successes: 2 })
    assert.deepStrictEqual([it.call(success, 1000), it.call(success, 1001)], ["HalfOpen", "Closed"])
    const other = halfOpen({ successes: 2 })
    assert.deepStrictEqual([other.call(success, 1000), other.call(failure, 1001)], ["HalfOpen", "Open"])
  })

  it("an ignored probe gives its place back and decides nothing", () => {
    const it = halfOpen()
    assert.strictEqual(it.call(ignored, 1000), "HalfOpen")
    assert.strictEqual(it.call(Outcome.failed(Failure.rejected("BulkheadFull")), 1000), "HalfOpen")
    assert.strictEqual(it.call(success, 1000), "Closed")
  })

  it("a probe that does not come back is replaced when its lease is over, and is not heard then", () => {
    const it = halfOpen({ lease: 500 })
    const lost = it.ticket(1000)
    assert.strictEqual(it.admit(1499)._tag, "Rejected")
    const second = it.ticket(1500)
    assert.strictEqual(it.record(lost, failure, 1600), "HalfOpen")
    assert.strictEqual(it.record(second, success, 1700), "Closed")
  })

  it("a probe that is late but was not replaced is heard", () => {
    const it = halfOpen({ lease: 500 })
    assert.strictEqual(it.record(it.ticket(1000), success, 9000), "Closed")
  })

  it("a clock that goes back makes no lease longer", () => {
    const it = halfOpen({ lease: 500 })
    it.ticket(1_000_000)
    assert.strictEqual(it.admit(0)._tag, "Rejected")
    assert.strictEqual(it.admit(499)._tag, "Rejected")
    assert.strictEqual(it.admit(500)._tag, "Admitted")
  })

  it("of two probes that end in the same tick the first one decides, in either order", () => {
    for (const [first, second, then] of [[success, failure, "Closed"], [failure, success, "Open"]] as const) {
      const it = halfOpen({ probes: 2 })
      const [one, other] = [it.ticket(1000), it.ticket(1000)]
      assert.strictEqual(it.record(one, first, 1000), then)
      const { generation } = it.state
      assert.strictEqual(it.record(other, second, 1000), then)
      assert.strictEqual(it.state.generation, generation)
    }
  })

  it("a result is heard once", () => {
    const it = halfOpen({ successes: 2 })
    const ticket = it.ticket(1000)
    assert.deepStrictEqual([it.record(ticket, success, 1000), it.record(ticket, success, 1000)], ["HalfOpen", "HalfOpen"])
  })

  it("a probe that succeeds too slowly has failed", () => {
    const slow = () => breaker({ tripPolicy: TripPolicy.slowRate({ slowerThan: 100, threshold: 1, minimumCalls: 1 }), openDuration: 1000 })
    const [fast, late] = [slow(), slow()]
    for (const it of [fast, late]) it.call(success, 0, 101)
    assert.deepStrictEqual([fast.call(success, 1101, 100), late.call(success, 1101, 101)], ["Closed", "Open"])
  })
})

describe("ramp", () => {
  const closed = () => {
    const it = consecutive(1, { rampUp: 1000 })
    it.call(failure, 0)
    it.call(success, 1000)
    return it
  }
  const admitted = (it: ReturnType<typeof closed>, now: number) =>
    Array.from({ length: 100 }, () => it.admit(now)).filter((answer) => answer._tag === "Admitted").length

  it("admits a tenth at first, half of them after half the time, and all of them at the end", () => {
    assert.approximately(admitted(closed(), 1000), 10, 1)
    assert.approximately(admitted(closed(), 1500), 50, 1)
    assert.approximately(admitted(closed(), 1999), 99, 1)
    assert.strictEqual(admitted(closed(), 2000), 100)
  })

  it("rejects as Ramping, and admits within eleven calls though the clock stands still or is set back", () => {
    for (const now of [1000, 0, -1e9]) {
      const it = closed()
      const answers = Array.from({ length: 11 }, () => it.admit(now))
      assert.isTrue(answers.some((answer) => answer._tag === "Admitted"))
      assert.isTrue(answers.some((answer) => answer._tag === "Rejected" && answer.because === "Ramping"))
    }
  })
})

describe("health", () => {
  it("is what the table says", () => {
    const table: ReadonlyArray<readonly [Failure.Failure, string]> = [
      [Failure.connectFailure("tcp", "ECONNREFUSED"), "Failed"],
      [Failure.connectionLost("ECONNRESET"), "Failed"],
      [Failure.attemptTimedOut(), "Failed"],
      [Failure.untrusted("CERT_HAS_EXPIRED"), "Failed"],
      [Failure.unavailable({ status: 408 }), "Failed"],
      [Failure.unavailable({ status: 425 }), "Success"],
      [Failure.unavailable({ status: 503 }), "Failed"],
      [Failure.serverFault(500), "Failed"],
      [Failure.serverFault(501), "Failed"],
      [Failure.throttled({ status: 429 }), "Ignored"],
      [Failure.throttled(), "Ignored"],
      [Failure.throttled({ status: 503, retryAfter: Option.some(1) }), "Failed"],
      [Failure.refused(404), "Success"],
      [Failure.rejected("CircuitOpen"), "Ignored"],
      [Failure.malformed("url", "InvalidUrl"), "Ignored"],
      [Failure.malformed("request", "Encode"), "Ignored"],
      [Failure.malformed("response", "Decode"), "Failed"],
      [Failure.rpcFailure("UNAVAILABLE"), "Failed"],
      [Failure.rpcFailure("NOT_FOUND"), "Success"],
      [Failure.rpcFailure("RESOURCE_EXHAUSTED"), "Ignored"],
      [Failure.unknown("?"), "Failed"]
    ]
    for (const [failure, expected] of table) assert.strictEqual(Health.of(Outcome.failed(failure)), expected, Failure.label(failure))
    assert.strictEqual(Health.of(success), "Success")
    assert.strictEqual(Health.of(ignored), "Ignored")
  })
})

describe("options", () => {
  const throws = (options: Breaker.Options, message: RegExp) => assert.throws(() => Breaker.settings(options), message)

  it("nonsense is refused where the breaker is made, with the number", () => {
    for (const n of [-1, 0, 1.5, NaN, Infinity]) {
      throws({ probes: n }, /CircuitBreaker\.make: probes must be an integer >= 1, got /)
      throws({ successes: n }, /successes/)
      assert.throws(() => TripPolicy.consecutive(n), /failures/)
      assert.throws(() => TripPolicy.rate({ minimumCalls: n }), /minimumCalls/)
    }
    for (const n of [-1, 0, NaN, Infinity]) {
      throws({ openDuration: n }, /openDuration/)
      throws({ lease: n }, /lease/)
      assert.throws(() => TripPolicy.slowRate({ slowerThan: n }), /slowerThan/)
    }
    for (const n of [-1, NaN, Infinity]) {
      throws({ retryAfterAtMost: n }, /retryAfterAtMost/)
      throws({ rampUp: n }, /rampUp/)
    }
    for (const threshold of [-1, 0, 1.1, 10, NaN]) assert.throws(() => TripPolicy.rate({ threshold }), /threshold/)
    throws({ openDuration: Backoff.constant(0) }, /openDuration must be a backoff from 1 ms on, got 0/)
    assert.throws(() => TripPolicy.rate({ minimumCalls: 11, window: { calls: 10 } }), /minimumCalls must be at most 10/)
    TripPolicy.rate({ minimumCalls: 10, window: { calls: 10 }, threshold: 1 })
    Breaker.settings({ openDuration: 1, lease: 1, probes: 1, rampUp: 0, retryAfterAtMost: 0 })
  })
})
