/**
 * Retry over any Effect, with a classifier of your own: here a transaction, of which a deadlock is worth another attempt and a
 * violated constraint is not.
 *
 * `npx tsx docs/examples/plain-effect.ts`
 */
import { Backoff, Classifier, Failure, Observer, Outcome, Retry, RetrySchedule } from "effect-resilience"
import { Data, Effect, Option } from "effect"
import assert from "node:assert"

class SqlError extends Data.TaggedError("SqlError")<{ readonly code: string }> {}

/** Postgres: 40001 serialization failure, 40P01 deadlock. Of all other errors it says nothing, and the default one is asked. */
const transactions = Classifier.onError("transactions", (error: SqlError) =>
  error.code === "40001" || error.code === "40P01" ? Option.some(Outcome.failed(Failure.unavailable())) : Option.none())

const inTransaction = Retry.retry({
  classifier: Classifier.errors.pipe(Classifier.override(transactions)),
  schedule: RetrySchedule.fromBackoff(Backoff.exponential("10 millis").pipe(Backoff.equalJitter)),
  maxAttempts: 5,
  name: "transaction"
})

/** A database in which each attempt fails with the next code, until there is none left. */
const transaction = (...codes: ReadonlyArray<string>) => {
  let attempts = 0
  return Effect.suspend(() => {
    const code = codes[attempts++]
    return code === undefined ? Effect.succeed(`committed at attempt ${attempts}`) : Effect.fail(new SqlError({ code }))
  })
}

const story: Array<string> = []
const listener = Observer.sync((event) => {
  if (event._tag === "AttemptStarted") story.push(`attempt ${event.attempt}`)
  if (event._tag === "CallEnded") story.push(event.end._tag === "GaveUp" ? `gave up: ${event.end.because}` : event.end._tag)
})

const program = Effect.all({
  deadlock: transaction("40P01", "40001").pipe(inTransaction),
  // The error is the caller's own, as it came.
  duplicate: transaction("23505").pipe(inTransaction, Effect.flip, Effect.map((error) => `${error._tag} ${error.code}`))
})

const result = await program.pipe(Observer.observe(listener), Effect.runPromise)

assert.deepStrictEqual(result, { deadlock: "committed at attempt 3", duplicate: "SqlError 23505" })
assert.deepStrictEqual(story, [
  "attempt 1",
  "attempt 2",
  "attempt 3",
  "Succeeded",
  "attempt 1",
  "gave up: Terminal"
])
console.log(result)
