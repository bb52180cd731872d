import { assert, describe, it } from "@effect/vitest"
import { assertNone, assertSome } from "@effect/vitest/utils"
import * as Option from "effect/Option"
import * as Connection from "../../src/core/Connection.ts"

const ms = (n: number) => BigInt(n) * 1_000_000n

const dialed: Connection.Dial = {
  started: ms(1),
  named: true,
  secure: true,
  split: true,
  looked: ms(3),
  connected: ms(6),
  ready: ms(10)
}

const whole: Connection.Marks = { created: ms(0), dial: dialed, acquired: ms(11), written: ms(12), headers: ms(20) }

/** As Dial writes them: what comes later has not happened. */
const upTo = (phase: Connection.Phase): Connection.Marks => {
  const { looked: _looked, connected: _connected, ready: _ready, ...begun } = dialed
  const sent = { created: ms(0), dial: dialed, acquired: ms(11) }
  const marks: { [K in Connection.Phase]: Connection.Marks } = {
    pool: { created: ms(0) },
    dns: { created: ms(0), dial: begun },
    tcp: { created: ms(0), dial: { ...begun, looked: ms(3) } },
    tls: { created: ms(0), dial: { ...begun, looked: ms(3), connected: ms(6) } },
    connect: { created: ms(0), dial: { ...begun, split: false } },
    send: sent,
    firstByte: { ...sent, written: ms(12) },
    body: whole
  }
  return marks[phase]
}

describe("phases", () => {
  it("are the lengths between the marks of a new connection", () => {
    const phases = Connection.phases(whole, ms(30))
    assertSome(phases.pool, 1)
    assertSome(phases.dns, 2)
    assertSome(phases.tcp, 3)
    assertSome(phases.tls, 4)
    assertSome(phases.connect, 9)
    assertSome(phases.send, 2)
    assertSome(phases.firstByte, 8)
    assertSome(phases.body, 10)
    assert.strictEqual(phases.total, 30)
  })

  it("of a reused connection are none of opening it", () => {
    const phases = Connection.phases({ created: ms(0), acquired: ms(4), written: ms(5), headers: ms(6) }, ms(7))
    assertSome(phases.pool, 4)
    for (const each of ["dns", "tcp", "tls", "connect"] as const) assertNone(phases[each])
  })

  it("of an address have no DNS, and of plain text no TLS", () => {
    const dial = { started: ms(1), named: false, secure: false, split: true, connected: ms(6), ready: ms(6) }
    const phases = Connection.phases({ created: ms(0), dial }, ms(7))
    assertNone(phases.dns)
    assertNone(phases.tls)
    assertSome(phases.tcp, 5)
    assertSome(phases.connect, 5)
  })

  it("of a connection whose parts cannot be seen are one", () => {
    const dial = { started: ms(1), named: true, secure: true, split: false, ready: ms(6) }
    const phases = Connection.phases({ created: ms(0), dial }, ms(7))
    for (const each of ["dns", "tcp", "tls"] as const) assertNone(phases[each])
    assertSome(phases.connect, 5)
    assert.deepStrictEqual(Connection.steps({ created: ms(0), dial }).map(({ phase }) => phase), ["pool", "connect"])
  })

  it("count a connection that was being opened before from the request on", () => {
    const dial = { started: ms(0), named: true, secure: false, split: true, looked: ms(2), connected: ms(9), ready: ms(9) }
    const phases = Connection.phases({ created: ms(5), dial }, ms(10))
    assertSome(phases.pool, 0)
    assertSome(phases.dns, 0)
    assertSome(phases.tcp, 4)
  })

  it("take writing for over when the headers come first", () => {
    const phases = Connection.phases({ created: ms(0), acquired: ms(1), headers: ms(3), written: ms(9) }, ms(10))
    assertSome(phases.send, 2)
    assertSome(phases.firstByte, 0)
    assertSome(phases.body, 7)
  })

  it("that have not ended are none", () => {
    const phases = Connection.phases({ created: ms(0) }, ms(10))
    assert.deepStrictEqual(Object.values(phases).filter(Option.isOption).filter(Option.isSome), [])
    assert.strictEqual(phases.total, 10)
  })
})

describe("the phase that a request is in", () => {
  for (const phase of ["pool", "dns", "tcp", "tls", "connect", "send", "firstByte", "body"] as const) {
    it(`is ${phase}`, () => assert.strictEqual(Connection.phaseOf(upTo(phase)), phase))
  }

  it("is TCP for an address that is not looked up", () => {
    assert.strictEqual(Connection.phaseOf({ created: 0n, dial: { started: 0n, named: false, secure: false, split: true } }), "tcp")
  })

  it("is writing where it has a connection", () => {
    assert.strictEqual(Connection.phaseOf({ created: 0n, acquired: 1n }), "send")
  })
})
