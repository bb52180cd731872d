import type * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import { describe, expectTypeOf, it } from "vitest"
import {
  type Bulkhead,
  type CircuitBreaker,
  Classifier,
  Deadline,
  DropIn,
  type Failure,
  Middleware,
  Resilience,
  ResilientClient,
  Retry,
  RetrySchedule,
  Strategy,
  Timeout
} from "effect-resilience"

declare const client: HttpClient.HttpClient
declare const needing: RetrySchedule.RetrySchedule<"schedule">
declare const typed: HttpClient.HttpClient.With<"own error", Dependency>

class Dependency extends Context.Tag("Dependency")<Dependency, number>() {}

type With<E, R = never> = HttpClient.HttpClient.With<E, R>
type Platform = HttpClientError.HttpClientError

describe("each combinator adds exactly the errors that it can fail with", () => {
  it("nothing for a retry, and for spans", () => {
    expectTypeOf(Resilience.withRetry()(client)).toEqualTypeOf<With<Platform>>()
    expectTypeOf(Resilience.withAttemptSpan(client)).toEqualTypeOf<With<Platform>>()
    expectTypeOf(Resilience.withCallSpan("users")(client)).toEqualTypeOf<With<Platform>>()
    expectTypeOf(Resilience.withRetry()(typed)).toEqualTypeOf<With<"own error", Dependency>>()
  })

  it("its own for a limit", () => {
    expectTypeOf(Resilience.withAttemptTimeout("1 second")(typed))
      .toEqualTypeOf<With<"own error" | Timeout.AttemptTimeout, Dependency>>()
    expectTypeOf(Resilience.withDeadline("1 second")(typed))
      .toEqualTypeOf<With<"own error" | Deadline.DeadlineExceeded, Dependency>>()
    expectTypeOf(Resilience.withRetryOrFail()(typed)).toEqualTypeOf<With<"own error" | Retry.RetriesExhausted, Dependency>>()
  })

  it("the platform's for a key and for a body that is read", () => {
    expectTypeOf(Resilience.withIdempotencyKey()(typed))
      .toEqualTypeOf<With<"own error" | HttpClientError.RequestError, Dependency>>()
    expectTypeOf(Resilience.withBufferedBody()(typed))
      .toEqualTypeOf<With<"own error" | HttpClientError.ResponseError, Dependency>>()
  })

  it("all of them for a pipe", () => {
    const piped = client.pipe(
      Resilience.withAttemptTimeout("2 seconds"),
      Resilience.withAttemptSpan,
      Resilience.withRetry({ maxAttempts: 4 }),
      Resilience.withIdempotencyKey(),
      Resilience.withDeadline("10 seconds"),
      Resilience.withCallSpan("users")
    )
    expectTypeOf(piped.execute).returns.toExtend<
      Effect.Effect<
        HttpClientResponse.HttpClientResponse,
        Platform | Timeout.AttemptTimeout | Deadline.DeadlineExceeded
      >
    >()
  })
})

describe("a schedule", () => {
  const needing = Schedule.spaced("1 second").pipe(Schedule.tapOutput(() => Dependency))

  it("brings its requirements along", () => {
    expectTypeOf(Resilience.withRetry({ schedule: needing })(client)).toEqualTypeOf<With<Platform, Dependency>>()
  })

  it("may be any of Effect's, and knows the failure it is for", () => {
    Resilience.withRetry({ schedule: Schedule.exponential("100 millis") })
    Resilience.withRetry({ schedule: Schedule.recurWhile((failure: Failure.Failure) => failure._tag === "Throttled") })
    RetrySchedule.byFailure({
      Throttled: Schedule.recurWhile((failure: Failure.Throttled) => failure.status._tag === "Some")
    })
    RetrySchedule.byFailure({
      // @ts-expect-error a timeout is not a throttling
      AttemptTimedOut: Schedule.recurWhile((failure: Failure.Throttled) => failure.status._tag === "Some")
    })
    // @ts-expect-error there is no such kind of failure
    RetrySchedule.byFailure({ Tiredness: Schedule.forever })
  })

  it("that wants something else is refused", () => {
    // @ts-expect-error its input is a failure, not a number
    Resilience.withRetry({ schedule: Schedule.recurWhile((n: number) => n > 1) })
  })
})

describe("a plain effect", () => {
  const effect: Effect.Effect<number, Error, Dependency> = Effect.fail(new Error("no"))

  it("keeps its type under a retry, piped or not", () => {
    expectTypeOf(Retry.retry(effect, { classifier: Classifier.anyError })).toEqualTypeOf<Effect.Effect<number, Error, Dependency>>()
    expectTypeOf(effect.pipe(Retry.retry({ classifier: Classifier.anyError })))
      .toEqualTypeOf<Effect.Effect<number, Error, Dependency>>()
    expectTypeOf(effect.pipe(Retry.retry({}))).toEqualTypeOf<Effect.Effect<number, Error, Dependency>>()
  })

  it("adds the errors of a limit", () => {
    expectTypeOf(effect.pipe(Retry.retryOrFail({ classifier: Classifier.anyError })))
      .toEqualTypeOf<Effect.Effect<number, Error | Retry.RetriesExhausted, Dependency>>()
    expectTypeOf(effect.pipe(Timeout.timeout("1 second")))
      .toEqualTypeOf<Effect.Effect<number, Error | Timeout.AttemptTimeout, Dependency>>()
    expectTypeOf(effect.pipe(Deadline.within("1 second")))
      .toEqualTypeOf<Effect.Effect<number, Error | Deadline.DeadlineExceeded, Dependency>>()
  })

  it("is not classified as if it were something else", () => {
    const ofNumbers = Classifier.onError("numbers", (_: number) => ({ _tag: "None" } as never))
    // @ts-expect-error the effect fails with an Error, the classifier knows numbers
    effect.pipe(Retry.retry({ classifier: ofNumbers }))
  })
})

describe("the two faces of a client", () => {
  it("the typed one shows exactly what was added", () => {
    expectTypeOf(ResilientClient.make()).toEqualTypeOf<
      Effect.Effect<
        With<Platform | Timeout.AttemptTimeout | Deadline.DeadlineExceeded>,
        never,
        HttpClient.HttpClient
      >
    >()
  })

  it("the typed one shows what each strategy that is given adds, and nothing of one that is left out", () => {
    const guarded = ResilientClient.make({
      attemptTimeout: "none",
      deadline: "none",
      circuitBreaker: Strategy.circuitBreaker(),
      bulkhead: Strategy.bulkhead({ permits: 1 }),
      rateLimit: "none"
    })
    expectTypeOf(guarded).toEqualTypeOf<
      Effect.Effect<With<Platform | CircuitBreaker.CircuitOpen | Bulkhead.BulkheadFull>, never, HttpClient.HttpClient>
    >()
  })

  it("the typed one shows what a fallback, a fault and a schedule of one's own need and fail with", () => {
    const own = ResilientClient.make({
      deadline: "none",
      chaos: Strategy.chaos({ faults: [{ rate: 0, failure: () => "own error" as const }] }),
      fallback: Strategy.fallback({ to: () => Effect.zipRight(Dependency, Effect.fail(1)) }),
      retry: { schedule: needing }
    })
    expectTypeOf(own).toEqualTypeOf<
      Effect.Effect<With<Platform | Timeout.AttemptTimeout | "own error" | number, Dependency | "schedule">, never, HttpClient.HttpClient>
    >()
  })

  it("the typed one shows nothing where a constructor leaves open what it fails with and needs", () => {
    const open = ResilientClient.make({
      chaos: Strategy.chaos({ faults: [{ status: 503, rate: 0 }] }),
      fallback: Strategy.fallback({ value: { status: 200 } }),
      retry: { schedule: RetrySchedule.byFailure({ Throttled: RetrySchedule.none }) }
    })
    expectTypeOf(open).toEqualTypeOf<
      Effect.Effect<With<Platform | Timeout.AttemptTimeout | Deadline.DeadlineExceeded>, never, HttpClient.HttpClient>
    >()
    // @ts-expect-error a schedule that steps on texts knows nothing of failures
    ResilientClient.make({ retry: { schedule: Schedule.recurWhile((input: string) => input === "") } })
  })

  it("options that are not known by their literal type can fail with everything", () => {
    const options: ResilientClient.Options = {}
    expectTypeOf(ResilientClient.make(options)).toExtend<
      Effect.Effect<With<Platform | DropIn.Refusal>, never, HttpClient.HttpClient>
    >()
  })

  it("refuses a name that is no option, and a strategy in the place of another", () => {
    // @ts-expect-error there is no such option
    ResilientClient.make({ circuitBraker: Strategy.circuitBreaker() })
    // @ts-expect-error a bulkhead is no circuit breaker
    ResilientClient.make({ circuitBreaker: Strategy.bulkhead({ permits: 1 }) })
    // @ts-expect-error nor in the drop-in face
    ResilientClient.layer({ circuitBreaker: Strategy.bulkhead({ permits: 1 }) })
    // @ts-expect-error what a fallback fails with is no HttpClientError
    ResilientClient.layer({ fallback: Strategy.fallback({ to: () => Effect.fail(1) }) })
  })

  it("a service has a tag of its own, with its client and its layer", () => {
    class Users extends ResilientClient.Service<Users>()("Users", { bulkhead: Strategy.bulkhead({ permits: 1 }) }) {}
    expectTypeOf(Effect.flatMap(Users, (users) => users.get("/"))).toEqualTypeOf<
      Effect.Effect<
        HttpClientResponse.HttpClientResponse,
        Platform | Timeout.AttemptTimeout | Deadline.DeadlineExceeded | Bulkhead.BulkheadFull,
        Users
      >
    >()
    expectTypeOf(Users.layer).toEqualTypeOf<Layer.Layer<Users, never, HttpClient.HttpClient>>()
  })

  it("the drop-in one is the platform's own", () => {
    expectTypeOf(ResilientClient.makeDropIn()).toEqualTypeOf<
      Effect.Effect<HttpClient.HttpClient, never, HttpClient.HttpClient>
    >()
    expectTypeOf(ResilientClient.layer()).toEqualTypeOf<
      Layer.Layer<HttpClient.HttpClient, never, HttpClient.HttpClient>
    >()
  })

  it("the typed one does not pass for the platform's, folded it does", () => {
    const refusing = Resilience.withDeadline("1 second")(client)
    // @ts-expect-error DeadlineExceeded is not an HttpClientError
    const direct: HttpClient.HttpClient = refusing
    const folded: HttpClient.HttpClient = DropIn.fold(refusing)
    expectTypeOf(direct).toEqualTypeOf(folded)
  })

  it("only what is ours can be folded", () => {
    // @ts-expect-error an error of somebody else's would be lost
    DropIn.fold(typed)
  })
})

describe("a stack of middlewares", () => {
  it("adds what each of them adds", () => {
    const stacked = Middleware.stack(
      Timeout.middleware("1 second"),
      Retry.middleware({ schedule: Schedule.spaced("1 second").pipe(Schedule.tapOutput(() => Dependency)) }),
      Deadline.middleware("10 seconds")
    )
    expectTypeOf(Middleware.applyTo(client, stacked)).toEqualTypeOf<
      With<Platform | Timeout.AttemptTimeout | Deadline.DeadlineExceeded, Dependency>
    >()
  })

  it("of none adds nothing", () => {
    expectTypeOf(Middleware.applyTo(client, Middleware.stack())).toEqualTypeOf<With<Platform>>()
  })
})

describe("options", () => {
  it("that do not exist are refused", () => {
    // @ts-expect-error attempts are counted, not retries
    Resilience.withRetry({ times: 3 })
    // @ts-expect-error the way round is a word, not a flag
    Resilience.withRetry({ resend: true })
    // @ts-expect-error a strategy is left out by its name
    ResilientClient.layer({ retry: false })
    // @ts-expect-error there are two formats
    Resilience.withIdempotencyKey({ format: "quoted" })
  })
})
