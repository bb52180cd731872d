import { assertNone, assertSome, deepStrictEqual } from "@effect/vitest/utils"
import * as Option from "effect/Option"
import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import * as ContentRange from "../../src/core/ContentRange.ts"
import * as Resumption from "../../src/core/Resumption.ts"

const runs = { numRuns: 5_000 }

describe("Content-Range", () => {
  it("reads what it writes, and nothing that contradicts itself", () => {
    const n = fc.nat({ max: Number.MAX_SAFE_INTEGER })
    fc.assert(fc.property(n, n, fc.option(n, { nil: undefined }), (first, last, length) => {
      const read = ContentRange.parse(`bytes ${first}-${last}/${length ?? "*"}`)
      if (first <= last && (length === undefined || last < length)) {
        assertSome(read, { _tag: "Satisfied", first, last, length: Option.fromNullable(length) })
      } else assertNone(read)
    }), runs)
  })

  it("is total, and gives only what can be", () => {
    const likely = fc.stringMatching(/^ ?(bytes|items|bytes=)? ?[0-9*-]{0,18}-?[0-9]{0,4}\/?[0-9*]{0,18},? ?$/)
    fc.assert(fc.property(fc.oneof(fc.string(), likely), (text) => {
      const read = Option.getOrUndefined(ContentRange.parse(text))
      if (read?._tag !== "Satisfied") return
      assert.isTrue(Number.isSafeInteger(read.last) && read.first >= 0 && read.first <= read.last)
      assert.isTrue(Option.match(read.length, { onNone: () => true, onSome: (length) => read.last < length }))
    }), runs)
  })

  for (const text of ["", "bytes", "bytes */*", "bytes 1-2", "bytes 2-1/3", "bytes 0-9007199254740992/*", "bytes -1-2/3", "bytes 0-1/2, bytes 0-1/2", "items 0-1/2", "bytes 0-1/0x2", "bytes  0-1/2", "bytes 0 - 1/2"]) {
    it(`is none: ${JSON.stringify(text)}`, () => assertNone(ContentRange.parse(text)))
  }
})

describe("a strong entity tag", () => {
  for (const tag of ["\"\"", "\"a\"", " \"a\" ", "\"W/\"", "\"a,b\""]) {
    it(`is ${tag}`, () => assertSome(Resumption.strongTag({ etag: tag }), tag.trim()))
  }
  for (const tag of ["", "a", "W/\"a\"", "w/\"a\"", "\"a", "\"a\"b\"", "\"a\", \"b\"", "\"a b\"", "\"\r\n\"", `"${"a".repeat(2000)}"`]) {
    it(`is not ${JSON.stringify(tag.slice(0, 20))}`, () => assertNone(Resumption.strongTag({ etag: tag })))
  }
})

/** What a server does with one request. Its headers may be wrong; the bytes are those that its `Content-Range` names, of its version. */
interface Behaviour {
  readonly status: number
  readonly version: 0 | 1
  readonly tag: "strong" | "weak" | "other" | "none"
  readonly shift: number
  readonly lie: number
  readonly length: "told" | "star" | "wrong" | "none" | "junk"
  readonly encoding: string | undefined
  readonly acceptRanges: string | undefined
  readonly contentLength: "told" | "wrong" | "none"
  /** How many bytes come, at most; and whether one that has them all is then cut all the same. */
  readonly bytes: number
  readonly surplus: number
  readonly cut: boolean
}

const mostly = <A>(usual: A, ...others: ReadonlyArray<A>): fc.Arbitrary<A> =>
  fc.oneof({ weight: 8, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: fc.constantFrom(usual, ...others) })

const behaviour: fc.Arbitrary<Behaviour> = fc.record({
  status: mostly(0, 200, 206, 204, 203, 304, 302, 404, 412, 416, 503),
  version: mostly<0 | 1>(0, 1),
  tag: mostly<Behaviour["tag"]>("strong", "weak", "other", "none"),
  shift: mostly(0, -1, 1, 5),
  lie: mostly(0, 1, -1),
  length: mostly<Behaviour["length"]>("told", "star", "wrong", "none", "junk"),
  encoding: mostly<string | undefined>(undefined, "gzip", "identity", ""),
  acceptRanges: mostly<string | undefined>(undefined, "none", "bytes"),
  contentLength: mostly<Behaviour["contentLength"]>("told", "none", "wrong"),
  bytes: fc.oneof(fc.nat({ max: 12 }), fc.constant(1_000)),
  surplus: mostly(0, 1),
  cut: fc.boolean()
})

const whole = (version: number) => Array.from({ length: 30 + version }, (_, at) => version * 100 + at)

const tagOf = ({ tag, version }: Behaviour): Record<string, string> => {
  const strong = `"v${version}"`
  return tag === "none" ? {} : { etag: tag === "strong" ? strong : tag === "weak" ? `W/${strong}` : "\"other\"" }
}

/** Answers a request that asks for the bytes from `from` on. */
const serve = (self: Behaviour, from: number) => {
  const all = whole(self.version)
  const status = self.status === 0 ? from === 0 ? 200 : 206 : self.status
  const first = status === 206 ? Math.max(0, from + self.shift) : 0
  const body = status === 200 || status === 203 || status === 206 ? all.slice(first) : []
  const last = first + body.length - 1 + self.lie
  const told = { told: all.length, star: "*", wrong: all.length + 1, none: undefined, junk: "x" }[self.length]
  const range = status === 416 ? `bytes */${told ?? ""}` : `bytes ${first}-${last}/${told ?? ""}`
  const headers: Record<string, string> = {
    ...tagOf(self),
    ...(told === undefined ? {} : { "content-range": range }),
    ...(self.encoding === undefined ? {} : { "content-encoding": self.encoding }),
    ...(self.acceptRanges === undefined ? {} : { "accept-ranges": self.acceptRanges }),
    ...(self.contentLength === "none" ? {} : { "content-length": String(body.length + (self.contentLength === "told" ? 0 : 1)) })
  }
  const sent = [...body.slice(0, self.bytes), ...(self.surplus > 0 && self.bytes >= body.length ? [999] : [])]
  // A body that stops before its end is seen to, unless nothing says where its end is.
  return { status, headers, sent, cut: self.cut || self.bytes < body.length }
}

/** A download as the shell does it, against one behaviour for each request. */
const download = (behaviours: ReadonlyArray<Behaviour>) => {
  let state = Resumption.initial
  const given: Array<number> = []
  let begun: Behaviour | undefined
  for (const behaviour of behaviours) {
    const asked = Resumption.ask(state)
    if (asked._tag === "Refuse") return { given, begun, end: asked.reason }
    const from = asked._tag === "Whole" ? 0 : Number(/^bytes=([0-9]+)-$/.exec(asked.range)?.[1])
    assert.strictEqual(from, state.received)
    if (asked._tag === "Whole") begun = behaviour
    const { cut, headers, sent, status } = serve(behaviour, from)
    const answer = Resumption.answer(state, status, headers)
    if (answer._tag === "Failed") continue
    if (answer._tag === "Complete") return { given, begun, end: "Complete" as const }
    if (answer._tag === "Refuse") return { given, begun, end: answer.reason }
    state = answer
    for (const byte of sent) {
      const taken = Resumption.take(state, 1)
      if (taken._tag === "Refuse") return { given, begun, end: taken.reason }
      state = taken
      given.push(byte)
    }
    assert.strictEqual(state.received, given.length)
    if (Resumption.isComplete(state, cut ? "cut" : "ended")) return { given, begun, end: "Complete" as const }
  }
  return { given, begun, end: "Attempts" as const }
}

describe("a body that is continued", () => {
  it("is exactly the representation that was begun, or an error: whatever servers answer, and wherever they cut", () => {
    let complete = 0
    let spliced = 0
    fc.assert(fc.property(fc.array(behaviour, { minLength: 1, maxLength: 12 }), (behaviours) => {
      const { begun, end, given } = download(behaviours)
      // One that sends more than there is, and says no length, or the wrong one, is believed.
      const isSound = begun !== undefined && begun.surplus === 0 && begun.contentLength !== "wrong"
      const isEmpty = begun !== undefined && begun.status === 204
      // An entity tag that two versions share, or a length that is wrong in each answer alike, is a lie that nobody can see.
      const isHonest = behaviours.every(({ contentLength, length, lie, surplus, tag }) =>
        tag !== "other" && length !== "wrong" && lie === 0 && contentLength !== "wrong" && surplus === 0)
      if (begun === undefined || isEmpty || !isSound || !isHonest) return
      const expected = whole(begun.version)
      assert.isTrue(given.length <= expected.length)
      deepStrictEqual(given, expected.slice(0, given.length))
      if (end !== "Complete") return
      deepStrictEqual(given, expected)
      complete++
      if (behaviours.length > 1 && behaviours[0] !== undefined && behaviours[0].bytes < expected.length) spliced++
    }), { numRuns: 20_000 })
    // Else the law would say nothing.
    assert.isAbove(complete, 500)
    assert.isAbove(spliced, 100)
  })

  it("puts no byte of another version, or of another place, behind what is there, though headers lie", () => {
    fc.assert(fc.property(fc.array(behaviour, { minLength: 2, maxLength: 12 }), (behaviours) => {
      if (behaviours.some(({ tag, surplus }) => tag === "other" || surplus > 0)) return
      const { begun, given } = download(behaviours)
      if (begun !== undefined) deepStrictEqual(given, whole(begun.version).slice(0, given.length))
    }), { numRuns: 20_000 })
  })

  it("comes to its end with an honest server, wherever that cuts", () => {
    const honest: Behaviour = {
      status: 0, version: 0, tag: "strong", shift: 0, lie: 0, length: "told", encoding: undefined, acceptRanges: "bytes",
      contentLength: "told", bytes: 1, surplus: 0, cut: true
    }
    const framing = fc.constantFrom<Behaviour["contentLength"]>("told", "none")
    fc.assert(fc.property(fc.array(fc.integer({ min: 0, max: 8 }), { maxLength: 20 }), framing, (cuts, contentLength) => {
      const last = { ...honest, contentLength, bytes: 1_000, cut: false }
      const { end, given } = download([...cuts.map((bytes) => ({ ...honest, contentLength, bytes })), last])
      // Where the last byte had come and the end had not, the server has nothing more to give: it says 416, which `end` tests.
      if (contentLength === "none" && cuts.reduce((sum, bytes) => sum + bytes, 0) >= 30) return
      assert.strictEqual(end, "Complete")
      deepStrictEqual(given, whole(0))
    }), runs)
  })
})

describe("bytes", () => {
  it("are taken up to the end that was announced, and not one more", () => {
    const state: Resumption.State = { ...Resumption.initial, received: 5, until: Option.some(10) }
    deepStrictEqual(Resumption.take(state, 5), { ...state, received: 10 })
    deepStrictEqual(Resumption.take(state, 6), { _tag: "Refuse", reason: "TooLong" })
    deepStrictEqual(Resumption.take({ ...state, until: Option.none() }, 1_000), { ...state, until: Option.none(), received: 1_005 })
  })
})

describe("an answer to a request for the rest", () => {
  const state: Resumption.State = { ...Resumption.initial, received: 5, total: Option.some(10), etag: Option.some("\"a\"") }
  const open: Resumption.State = { ...state, total: Option.none() }
  const etag = "\"a\""
  const rows: ReadonlyArray<readonly [string, Resumption.State, number, Record<string, string>, string]> = [
    ["the rest", state, 206, { etag, "content-range": "bytes 5-9/10" }, "State"],
    ["a part of the rest", state, 206, { etag, "content-range": "bytes 5-7/10" }, "State"],
    ["the rest of an unknown length that was known", state, 206, { etag, "content-range": "bytes 5-9/*" }, "State"],
    ["the rest of an unknown length", open, 206, { etag, "content-range": "bytes 5-9/*" }, "InvalidRange"],
    ["the rest, as it is", state, 206, { etag, "content-range": "bytes 5-9/10", "content-encoding": "identity" }, "State"],
    ["the rest of something encoded", state, 206, { etag, "content-range": "bytes 5-9/10", "content-encoding": "gzip" }, "Encoded"],
    ["a part before", state, 206, { etag, "content-range": "bytes 4-9/10" }, "InvalidRange"],
    ["a part behind", state, 206, { etag, "content-range": "bytes 6-9/10" }, "InvalidRange"],
    ["no range", state, 206, { etag }, "InvalidRange"],
    ["several ranges", state, 206, { etag, "content-type": "multipart/byteranges; boundary=x" }, "InvalidRange"],
    ["a range beyond the end", state, 206, { etag, "content-range": "bytes 5-10/*" }, "InvalidRange"],
    ["another length", state, 206, { etag, "content-range": "bytes 5-10/11" }, "LengthMismatch"],
    ["a length that is not that of the range", state, 206, { etag, "content-range": "bytes 5-9/10", "content-length": "4" }, "LengthMismatch"],
    ["another tag", state, 206, { etag: "\"b\"", "content-range": "bytes 5-9/10" }, "Changed"],
    ["a weak tag", state, 206, { etag: "W/\"a\"", "content-range": "bytes 5-9/10" }, "Changed"],
    ["no tag", state, 206, { "content-range": "bytes 5-9/10" }, "Changed"],
    ["the whole", state, 200, { etag }, "RangeIgnored"],
    ["the whole of another", state, 200, { etag: "\"b\"" }, "Changed"],
    ["that it has changed", state, 412, {}, "Changed"],
    ["that there is no more, where there is", state, 416, { etag, "content-range": "bytes */10" }, "InvalidRange"],
    ["that there is no more", open, 416, { etag, "content-range": "bytes */5" }, "Complete"],
    ["that there is less", open, 416, { etag, "content-range": "bytes */4" }, "InvalidRange"],
    ["that there is no more, of another", open, 416, { etag: "\"b\"", "content-range": "bytes */5" }, "Changed"],
    ["that there is no more, of who knows what", open, 416, { "content-range": "bytes */5" }, "Changed"],
    ["an error", state, 503, {}, "Failed"],
    ["that it is gone", state, 404, {}, "Failed"],
    ["a redirect", state, 302, {}, "Status"],
    ["nothing", state, 204, { etag }, "Status"]
  ]
  for (const [name, from, status, headers, expected] of rows) {
    it(`${name}: ${expected}`, () => {
      const answer = Resumption.answer(from, status, headers)
      assert.strictEqual(answer._tag === "Refuse" ? answer.reason : answer._tag, expected)
    })
  }
})
