/**
 * A client for each service, and one schedule for all of them.
 *
 * `npx tsx docs/examples/service-clients.ts`. The peers are a script; `NodeHttpClient.layerUndici` in its place is the whole
 * difference to production.
 */
import { HttpClient, HttpClientRequest, HttpClientResponse } from "@effect/platform"
import { Backoff, Resilience, RetrySchedule } from "effect-resilience"
import { HttpScript } from "effect-resilience/testing"
import { Effect, Schema } from "effect"
import assert from "node:assert"

/** A schedule is a value without state: any number of services can share it. */
const patient = Backoff.exponential("100 millis").pipe(
  Backoff.capped("5 seconds"),
  Backoff.fullJitter,
  RetrySchedule.fromBackoff,
  RetrySchedule.honourRetryAfter({ atMost: "60 seconds" }),
  RetrySchedule.maxAttempts(4)
)

const User = Schema.Struct({ name: Schema.String })
const Charge = Schema.Struct({ id: Schema.String })

/** Reads: short limits, and nothing that must not happen twice. Read the pipe downwards, from the wire to the caller. */
class Users extends Effect.Service<Users>()("Users", {
  effect: Effect.map(HttpClient.HttpClient, (http) => {
    const client = http.pipe(
      HttpClient.mapRequest(HttpClientRequest.prependUrl("http://users.test")),
      Resilience.withAttemptTimeout("2 seconds"),
      Resilience.withAttemptSpan,
      Resilience.withRetry({ schedule: patient }),
      Resilience.withDeadline("10 seconds"),
      Resilience.withCallSpan("users")
    )
    return {
      find: (id: number) =>
        client.get(`/users/${id}`).pipe(
          Effect.flatMap(HttpClientResponse.filterStatusOk),
          Effect.flatMap(HttpClientResponse.schemaBodyJson(User))
        )
    }
  })
}) {}

/** Writes: more time, and a key, by which the other side knows a charge that it has made already. */
class Billing extends Effect.Service<Billing>()("Billing", {
  effect: Effect.map(HttpClient.HttpClient, (http) => {
    const client = http.pipe(
      HttpClient.mapRequest(HttpClientRequest.prependUrl("http://billing.test")),
      Resilience.withAttemptTimeout("10 seconds"),
      Resilience.withAttemptSpan,
      Resilience.withRetry({ schedule: patient }),
      Resilience.withIdempotencyKey(),
      Resilience.withDeadline("30 seconds"),
      Resilience.withCallSpan("billing")
    )
    return {
      charge: (user: string, cents: number) =>
        HttpClientRequest.post("/charges").pipe(
          HttpClientRequest.bodyUnsafeJson({ user, cents }),
          client.execute,
          Effect.flatMap(HttpClientResponse.filterStatusOk),
          Effect.flatMap(HttpClientResponse.schemaBodyJson(Charge))
        )
    }
  })
}) {}

const program = Effect.gen(function*() {
  const user = yield* Effect.flatMap(Users, (users) => users.find(1))
  const charge = yield* Effect.flatMap(Billing, (billing) => billing.charge(user.name, 1_999))
  const requests = yield* HttpScript.requests
  const keys = requests.map(({ headers }) => headers["idempotency-key"])
  return {
    charge: charge.id,
    sent: requests.map(({ method, url }) => `${method} ${url}`),
    sameKey: keys[2] !== undefined && keys[2] === keys[3]
  }
})

const peers = HttpScript.layer([
  { fails: "ECONNRESET" },
  { status: 200, body: "{\"name\":\"Ada\"}" },
  { status: 503 },
  { status: 201, body: "{\"id\":\"ch_1\"}" }
])

const result = await program.pipe(
  Effect.provide([Users.Default, Billing.Default]),
  Effect.provide(peers),
  Effect.runPromise
)

assert.deepStrictEqual(result, {
  charge: "ch_1",
  sent: [
    "GET http://users.test/users/1",
    "GET http://users.test/users/1",
    "POST http://billing.test/charges",
    "POST http://billing.test/charges"
  ],
  sameKey: true
})
console.log(result)
