import { deepStrictEqual } from "@effect/vitest/utils"
import { Cause, Exit, FiberId, Option } from "effect"
import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import * as Classifier from "../../src/core/Classifier.ts"
import * as Failure from "../../src/core/Failure.ts"
import * as Outcome from "../../src/core/Outcome.ts"

const runs = { numRuns: 2000 }
const now = 1_700_000_000_000

const code = fc.constantFrom(
  "ECONNREFUSED",
  "ECONNRESET",
  "ENOTFOUND",
  "ETIMEDOUT",
  "UND_ERR_SOCKET",
  "CERT_HAS_EXPIRED",
  "HPE_INVALID_CONSTANT",
  "ERR_INVALID_CHAR",
  "__proto__",
  "?"
)
/** What a stack of libraries may throw at us: errors in errors, of known and unknown kinds, and things that are no errors. */
const error: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  error: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.oneof(fc.string(), fc.integer(), fc.constantFrom(null, undefined, NaN)),
    code.map((c) => Object.assign(new Error(c), { code: c })),
    fc.tuple(code, fc.constantFrom("connect", "read", "getaddrinfo", 7)).map(([c, syscall]) =>
      Object.assign(new Error(c), { code: c, syscall })
    ),
    fc.tuple(fc.constantFrom("RequestError", "ResponseError", "TimeoutException", "Mine"), tie("error"), fc.anything()).map((
      [_tag, cause, anything]
    ) => ({ _tag, reason: anything, cause })),
    fc.tuple(
      fc.constantFrom("Transport", "Encode", "InvalidUrl", "StatusCode", "Decode", "EmptyBody"),
      fc.integer({ min: 0, max: 1000 }),
      tie("error")
    ).map(([reason, status, cause]) => ({
      _tag: reason.length > 8 || reason === "Decode" ? "ResponseError" : "RequestError",
      reason,
      cause,
      response: { status, headers: { "retry-after": "1" } }
    })),
    tie("error").map((cause) => new Error("wrapped", { cause })),
    fc.array(tie("error"), { maxLength: 4 }).map((errors) => new AggregateError(errors)),
    fc.dictionary(fc.constantFrom("code", "name", "message", "cause", "errors", "_tag", "reason", "response"), fc.anything())
  )
})).error

const response = fc.record({
  status: fc.oneof(fc.integer({ min: 0, max: 1100 }), fc.constantFrom(408, 425, 429, 500, 503, NaN)),
  headers: fc.dictionary(fc.constantFrom("retry-after", "retry-after-ms", "ratelimit-reset", "date"), fc.oneof(fc.string(), fc.nat().map(String)))
})

const cause: fc.Arbitrary<Cause.Cause<unknown>> = fc.letrec<{ readonly cause: Cause.Cause<unknown> }>((tie) => ({
  cause: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    error.map(Cause.fail),
    error.map(Cause.die),
    fc.constantFrom<Cause.Cause<unknown>>(Cause.empty, Cause.interrupt(FiberId.none)),
    fc.tuple(tie("cause"), tie("cause")).map(([left, right]) => Cause.parallel(left, right)),
    fc.tuple(tie("cause"), tie("cause")).map(([left, right]) => Cause.sequential(left, right))
  )
})).cause

const exit: fc.Arbitrary<Exit.Exit<Classifier.ResponseLike, unknown>> = fc.oneof(
  response.map((value) => Exit.succeed(value)),
  cause.map((value) => Exit.failCause(value))
)

const outcome = fc.constantFrom(
  Outcome.success,
  Outcome.ignored,
  Outcome.failed(Failure.unavailable()),
  Outcome.failed(Failure.throttled({ retryAfter: Option.some(7) })),
  Outcome.failed(Failure.unknown("?"))
)
/** A classifier of opinions that are arbitrary and yet always the same for the same exit. */
const classifier: fc.Arbitrary<Classifier.Classifier<Classifier.ResponseLike>> = fc.oneof(
  fc.constantFrom(Classifier.http, Classifier.errors, Classifier.anyError),
  fc.tuple(fc.string(), fc.func(fc.option(outcome, { nil: undefined }))).map(([name, f]) =>
    Classifier.make<Classifier.ResponseLike>(name, (exit) =>
      Option.fromNullable(f(Exit.isSuccess(exit) ? exit.value.status : Cause.isInterruptedOnly(exit.cause)))
    )
  ),
  fc.tuple(fc.array(fc.integer({ min: 400, max: 599 }), { minLength: 1 }), outcome).map(([statuses, what]) =>
    Classifier.onStatus("statuses", statuses, () => what)
  )
)

const same = (one: Classifier.Classifier<Classifier.ResponseLike>, other: Classifier.Classifier<Classifier.ResponseLike>) =>
(on: Exit.Exit<Classifier.ResponseLike, unknown>): void => {
  deepStrictEqual(one.classify(on, now), other.classify(on, now))
  deepStrictEqual(Classifier.run(one, on, now), Classifier.run(other, on, now))
}

describe("laws of Classifier", () => {
  it("orElse is associative", () =>
    fc.assert(
      fc.property(classifier, classifier, classifier, exit, (a, b, c, on) =>
        same(Classifier.orElse(Classifier.orElse(a, b), c), Classifier.orElse(a, Classifier.orElse(b, c)))(on)
      ),
      runs
    ))

  it("a classifier without opinions is the identity of orElse, on either side", () => {
    const silent = Classifier.make<Classifier.ResponseLike>("silent", () => Option.none())
    fc.assert(
      fc.property(classifier, exit, (a, on) => {
        same(Classifier.orElse(a, silent), a)(on)
        same(Classifier.orElse(silent, a), a)(on)
      }),
      runs
    )
  })

  it("orElse is idempotent", () =>
    fc.assert(fc.property(classifier, exit, (a, on) => same(Classifier.orElse(a, a), a)(on)), runs))

  it("override is orElse the other way round", () =>
    fc.assert(
      fc.property(classifier, classifier, exit, (a, b, on) => {
        same(Classifier.override(a, b), Classifier.orElse(b, a))(on)
        same(a.pipe(Classifier.override(b)), Classifier.orElse(b, a))(on)
      }),
      runs
    ))

  it("override loses no opinion: where the new one has none, the default's holds", () =>
    fc.assert(
      fc.property(classifier, exit, (mine, on) => {
        const opinion = mine.classify(on, now)
        deepStrictEqual(
          Classifier.http.pipe(Classifier.override(mine)).classify(on, now),
          Option.isSome(opinion) ? opinion : Classifier.http.classify(on, now)
        )
      }),
      runs
    ))

  it("a name changes nothing but the name", () =>
    fc.assert(
      fc.property(classifier, fc.string(), exit, (a, name, on) => {
        const renamed = Classifier.named(a, name)
        assert.strictEqual(renamed.name, name)
        same(renamed, a)(on)
      }),
      runs
    ))
})

describe("laws of the default classifiers", () => {
  const tags = new Set(["Success", "Ignored", "Failed"])

  it("are total: every exit has a meaning, and nothing is thrown", () =>
    fc.assert(
      fc.property(fc.constantFrom(Classifier.http, Classifier.anyError), exit, (self, on) => {
        const meaning = Classifier.run(self, on, now)
        assert.isTrue(tags.has(meaning._tag))
        if (!Outcome.isFailed(meaning)) return
        // What the loop asks of a failure has an answer as well.
        Failure.label(meaning.failure)
        assert.include(["always", "once", "no"], Failure.resend(meaning.failure))
        const hint = Option.getOrElse(Failure.retryAfter(meaning.failure), () => 0)
        assert.isTrue(hint >= 0 && hint <= 2 ** 31 - 1)
      }),
      runs
    ))

  it("give the same answer to the same exit", () =>
    fc.assert(
      fc.property(exit, (on) => {
        deepStrictEqual(Classifier.run(Classifier.http, on, now), Classifier.run(Classifier.http, on, now))
      }),
      runs
    ))

  it("call a failed exit without a typed error ignored, or malformed", () =>
    fc.assert(
      fc.property(cause, (on) => {
        if (Cause.isFailure(on)) return
        const meaning = Classifier.run(Classifier.http, Exit.failCause(on), now)
        assert.isTrue(meaning._tag === "Ignored" || Outcome.isFailed(meaning) && meaning.failure._tag === "Malformed")
      }),
      runs
    ))

  it("find nothing worth another attempt where there is a defect", () =>
    fc.assert(
      fc.property(cause, (on) => {
        if (!Cause.isDie(on)) return
        for (const self of [Classifier.http, Classifier.errors]) {
          const meaning = Classifier.run(self, Exit.failCause(on), now)
          assert.isTrue(!Outcome.isFailed(meaning) || Failure.resend(meaning.failure) === "no")
        }
      }),
      runs
    ))

  it("take an interruption beside a typed error for none", () =>
    fc.assert(
      fc.property(error, (on) => {
        const alone = Classifier.run(Classifier.http, Exit.fail(on), now)
        const beside = Exit.failCause(Cause.parallel(Cause.fail(on), Cause.interrupt(FiberId.none)))
        deepStrictEqual(Classifier.run(Classifier.http, beside, now), alone)
      }),
      runs
    ))

  it("do not mind the order of two errors where resending a request that was sent is at stake", () =>
    fc.assert(
      fc.property(error, error, (one, other) => {
        const sent = (errors: readonly [unknown, unknown]) => {
          const meaning = Classifier.run(Classifier.http, Exit.failCause(Cause.parallel(Cause.fail(errors[0]), Cause.fail(errors[1]))), now)
          return Outcome.isFailed(meaning) && Failure.resend(meaning.failure) !== "no" ? Failure.sent(meaning.failure) : "not resent"
        }
        assert.strictEqual(sent([one, other]), sent([other, one]))
      }),
      runs
    ))
})
