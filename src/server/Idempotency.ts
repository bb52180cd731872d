/**
 * Middleware that does a request once for each idempotency key, and answers its repetitions with what came of it.
 *
 * As draft-ietf-httpapi-idempotency-key-header has it: the same request again gets the response of the first; while that is being made
 * 409, with `Retry-After`; another request under the same key 422; a key that is no key, or none where one is wanted, 400. All of these
 * are problems of RFC 9457 that link to documentation, and none of them repeats what the client has sent.
 *
 * **Example** (The same order twice)
 *
 * ```ts
 * import { HttpApp, HttpRouter, HttpServerResponse } from "@effect/platform"
 * import { IdempotencyStore } from "effect-resilience"
 * import * as Idempotency from "effect-resilience/server/Idempotency"
 * import { Effect, ManagedRuntime } from "effect"
 *
 * let orders = 0
 * const app = HttpRouter.empty.pipe(
 *   HttpRouter.post("/orders", Effect.sync(() => HttpServerResponse.text(`order ${++orders}`, { status: 201 }))),
 *   Idempotency.middleware({ caller: "shared" })
 * )
 *
 * const runtime = ManagedRuntime.make(IdempotencyStore.layerStoreMemory())
 * const handler = HttpApp.toWebHandlerRuntime(await runtime.runtime())(app)
 * const place = () => handler(new Request("http://shop.test/orders", { method: "POST", headers: { "idempotency-key": "42" } }))
 *
 * const [first, second] = [await place(), await place()]
 * await first.text() // => "order 1"
 * await second.text() // => "order 1"
 * second.headers.get("idempotent-replayed") // => "true"
 * ```
 *
 * @since 0.1.0
 */
import type * as HttpApp from "@effect/platform/HttpApp"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import type * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { Call, IdempotencyRefused } from "../core/Event.ts"
import * as HeaderField from "../core/HeaderField.ts"
import * as IdempotencyHeader from "../core/IdempotencyHeader.ts"
import type * as IdempotencyRecord from "../core/IdempotencyRecord.ts"
import { durationMillis, integerIn, InvalidOption, nonEmpty } from "../core/InvalidOption.ts"
import type { Millis } from "../core/Millis.ts"
import * as IdempotencyStore from "../strategy/IdempotencyStore.ts"
import * as Observer from "../strategy/Observer.ts"
import type { Restore } from "../strategy/Surroundings.ts"
import * as Timeout from "../strategy/Timeout.ts"
import * as BufferedRequest from "./BufferedRequest.ts"
import * as Fingerprint from "./Fingerprint.ts"
import * as Hold from "./Hold.ts"
import * as Refusals from "./IdempotencyProblem.ts"
import * as StoredResponse from "./StoredResponse.ts"

/**
 * Which requests are done once, and for how long that is remembered.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options<out E = never, out R = never> {
  /**
   * Whose keys they are: an effect that names the caller, by its account say, so that no caller is given what another was answered.
   * "shared": all callers are one, and whoever knows a key can read its response.
   */
  readonly caller: "shared" | ((request: HttpServerRequest.HttpServerRequest) => Effect.Effect<string, E, R>)
  /** For events. Default: "idempotency". */
  readonly name?: string | undefined
  /** Default: "Idempotency-Key". */
  readonly header?: string | undefined
  /** How a key may be written. Default: "any". */
  readonly format?: IdempotencyHeader.Format | undefined
  /** Default: POST and PATCH. Requests of other methods are passed on as they are. */
  readonly methods?: ReadonlyArray<string> | undefined
  /** What becomes of a request without a key: it is passed on as it is, or refused with 400. Default: "pass". */
  readonly whenMissing?: "pass" | "refuse" | undefined
  /** Which statuses are the result of a request. Default: `isResult`. */
  readonly keep?: ((status: number) => boolean) | undefined
  /** After how long a holder that has crashed has lost its key. It is renewed while the handler runs. From 1 s. Default: 30 s. */
  readonly lease?: Duration.DurationInput | undefined
  /** A handler that takes longer is interrupted, and its key is free again. Default: 10 minutes. */
  readonly runAtMost?: Duration.DurationInput | undefined
  /** For how long a result is kept. Default: 24 hours. */
  readonly ttl?: Duration.DurationInput | undefined
  /** The longest body that a request may have, in bytes: it is held in memory. Default: 1 MiB. */
  readonly requestLimit?: number | undefined
  /** The longest response that is kept, in characters of its text, which takes 4 for 3 bytes of a body. Default: 256 Ki. */
  readonly resultLimit?: number | undefined
  /** What becomes of a request when the store cannot be asked: 503, or the handler without it. Default: "fail". */
  readonly onStoreError?: "allow" | "fail" | undefined
  /** How long the store may take for an answer. Default: 2 s. */
  readonly storeTimeout?: Duration.DurationInput | undefined
  /** What becomes of the handler when the client has gone. Default: "finish", which is what the key is for. */
  readonly whenClientLeaves?: "finish" | "interrupt" | undefined
  /** When a client is told to come again that has come too early. Whole seconds are told. Default: 1 s. */
  readonly retryAfter?: Duration.DurationInput | undefined
  /** The page that problems link to. Default: the draft. */
  readonly documentation?: string | undefined
}

/** Statuses that say nothing of the request itself: the same one may well be answered otherwise a moment later. */
const passing: ReadonlySet<number> = new Set([401, 408, 425, 429, 499])

/**
 * Tells whether a status is the result of a request: 2xx, 3xx and 4xx, without 401, 408, 425, 429 and 499. A 5xx is none, so that the
 * request can be tried again.
 *
 * @since 0.1.0
 * @category guards
 */
export const isResult = (status: number): boolean => status >= 200 && status < 500 && !passing.has(status)

interface Settings<E, R> extends Pick<Options<E, R>, "caller"> {
  readonly call: Call
  readonly header: string
  readonly format: IdempotencyHeader.Format
  readonly methods: ReadonlySet<string>
  readonly whenMissing: "pass" | "refuse"
  readonly requestLimit: number
  readonly onStoreError: "allow" | "fail"
  readonly storeTimeout: Millis
  readonly refusals: Refusals.Refusals
  readonly hold: Pick<Hold.Hold, "lease" | "runAtMost" | "ttl" | "keep" | "resultLimit" | "whenClientLeaves">
}

const where = "Idempotency.middleware"
const fieldName = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/

const settingsOf = <E, R>(options: Options<E, R>): Settings<E, R> => {
  const { caller, documentation = Refusals.draft, header = "Idempotency-Key", methods = ["POST", "PATCH"] } = options
  if (!fieldName.test(header)) {
    throw new InvalidOption({ where, option: "header", value: header, requirement: "the name of a header" })
  }
  if (caller !== "shared" && typeof caller !== "function") {
    throw new InvalidOption({ where, option: "caller", value: caller, requirement: "a function, or \"shared\"" })
  }
  const positive = { minExclusive: 0 }
  return {
    caller,
    call: Observer.call(options.name ?? "idempotency"),
    header: header.toLowerCase(),
    format: options.format ?? "any",
    methods: new Set(nonEmpty(where, "methods", methods).map((method) => method.toUpperCase())),
    whenMissing: options.whenMissing ?? "pass",
    requestLimit: integerIn(where, "requestLimit", options.requestLimit ?? 1024 * 1024, { min: 0 }),
    onStoreError: options.onStoreError ?? "fail",
    storeTimeout: durationMillis(where, "storeTimeout", options.storeTimeout ?? "2 seconds", positive),
    refusals: Refusals.make(header, documentation, durationMillis(where, "retryAfter", options.retryAfter ?? "1 second")),
    hold: {
      lease: durationMillis(where, "lease", options.lease ?? "30 seconds", { min: 1000 }),
      runAtMost: durationMillis(where, "runAtMost", options.runAtMost ?? "10 minutes", positive),
      ttl: durationMillis(where, "ttl", options.ttl ?? "24 hours", { min: 1 }),
      keep: options.keep ?? isResult,
      resultLimit: integerIn(where, "resultLimit", options.resultLimit ?? 256 * 1024, { min: 0 }),
      whenClientLeaves: options.whenClientLeaves ?? "finish"
    }
  }
}

/**
 * What the middleware makes of an app: it can fail as the caller's effect can, and needs a store.
 *
 * @since 0.1.0
 * @category models
 */
export interface Middleware<out EC, out RC> {
  <E, R>(
    app: HttpApp.Default<E, R>
  ): HttpApp.Default<E | EC, R | RC | IdempotencyStore.IdempotencyStore | Scope.Scope>
}

/**
 * Does each keyed request once.
 *
 * **Details**
 *
 * The body is read before anything else, at most `requestLimit` bytes of it (else 413), and the handler reads it again from memory. The key
 * is then looked up, and held under a lease while the handler runs. What that answers is stored before it goes out, if `keep` says that
 * it is a result; else, and where the handler fails, dies or is interrupted, the key is free again. A response that is too long to be kept, or a
 * stream, goes out as it is, and whoever repeats the request gets a 409 that says so: to do it again would be worse.
 *
 * **Gotchas**
 *
 * What interrupts a handler, a time limit or a deadline, belongs below it: above it the interruption is taken for one by the server, and frees
 * the key. Cookies are not part of what is kept.
 *
 * @since 0.1.0
 * @category middleware
 */
export const middleware = <EC = never, RC = never>(options: Options<EC, RC>): Middleware<EC, RC> => {
  const settings = settingsOf(options)
  return (app) =>
    Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) =>
      settings.methods.has(request.method) ? keyed(settings, request, app) : app)
}

type Response = HttpServerResponse.HttpServerResponse

const keyed = <E, R, EC, RC>(
  settings: Settings<EC, RC>,
  request: HttpServerRequest.HttpServerRequest,
  app: HttpApp.Default<E, R>
): HttpApp.Default<E | EC, R | RC | IdempotencyStore.IdempotencyStore | Scope.Scope> =>
  Effect.gen(function*() {
    const written = HeaderField.get(request.headers, settings.header)
    if (Option.isNone(written)) return yield* settings.whenMissing === "pass" ? app : refuse(settings, "Missing")
    const key = IdempotencyHeader.parse(written.value, settings.format)
    if (Option.isNone(key)) return yield* refuse(settings, "Malformed")
    const caller = settings.caller === "shared" ? undefined : yield* settings.caller(request)
    if (caller === "") return yield* refuse(settings, "NoCaller")
    const read = yield* Effect.either(BufferedRequest.read(request, settings.requestLimit))
    if (Either.isLeft(read)) return yield* refuse(settings, "Unreadable")
    const body = read.right
    if (Option.isNone(body)) return yield* refuse(settings, "TooLarge")
    const record = yield* Fingerprint.ofKey(caller, key.value)
    const fingerprint = yield* Fingerprint.ofRequest(request, body.value)
    const store = limited(yield* IdempotencyStore.IdempotencyStore, settings.storeTimeout)
    const token = globalThis.crypto.randomUUID()
    const view = BufferedRequest.withBody(request, body.value)
    // From the moment the key is held until it is settled, only `restore` is interrupted.
    return yield* Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(Effect.either(begin(store, record, { token, fingerprint, lease: settings.hold.lease })), (answer) =>
        answered(settings, record, answer, {
          bypassed: restore(Effect.provideService(app, HttpServerRequest.HttpServerRequest, view)),
          begun: Hold.run(holdOf(settings, store, record, token), view, app, restore)
        }, restore))
    )
  })

type Answer = { readonly _tag: "Begun" | "Busy" | "Mismatch" } | StoredResponse.StoredResponse

/** What is stored and cannot be read is a store that cannot be asked. */
const begin = (
  store: IdempotencyStore.Store,
  record: string,
  claim: IdempotencyRecord.Claim
): Effect.Effect<Answer, IdempotencyStore.IdempotencyStoreError> =>
  Effect.flatMap(store.begin(record, claim), (answer): Effect.Effect<Answer, IdempotencyStore.IdempotencyStoreError> => {
    if (answer._tag !== "Done") return Effect.succeed(answer)
    const cause = "it holds a response that cannot be read"
    return Option.match(StoredResponse.decode(answer.result), {
      onNone: () => Effect.fail(new IdempotencyStore.IdempotencyStoreError({ operation: "begin", cause })),
      onSome: Effect.succeed
    })
  })

const answered = <A, E, R, EC, RC>(
  settings: Settings<EC, RC>,
  record: string,
  answer: Either.Either<Answer, IdempotencyStore.IdempotencyStoreError>,
  app: { readonly begun: Effect.Effect<A, E, R>; readonly bypassed: Effect.Effect<A, E, R> },
  restore: Restore
): Effect.Effect<A | Response, E, R> => {
  const { call, refusals } = settings
  const known = (as: "Replayed" | "InProgress" | "Mismatch" | "NotKept", response: Response) =>
    restore(Effect.as(Observer.tell(call, (base) => ({ _tag: "IdempotencyAnswered", ...base, record, as })), response))
  if (Either.isLeft(answer)) {
    return settings.onStoreError === "fail"
      ? restore(refuse(settings, "Store"))
      : Effect.zipRight(Observer.tell(call, (base) => ({ _tag: "IdempotencyBypassed", ...base, record })), app.bypassed)
  }
  switch (answer.right._tag) {
    case "Begun":
      return Effect.zipRight(Observer.tell(call, (base) => ({ _tag: "IdempotencyBegan", ...base, record })), app.begun)
    case "Busy":
      return known("InProgress", refusals.respond("InProgress"))
    case "Mismatch":
      return known("Mismatch", refusals.respond("Mismatch"))
    case "NotKept":
      return known("NotKept", refusals.respond("NotKept"))
    case "Kept":
      return known("Replayed", answer.right.response)
  }
}

const holdOf = <E, R>(
  { call, hold, refusals }: Settings<E, R>,
  store: IdempotencyStore.Store,
  record: string,
  token: string
): Hold.Hold => ({
  ...hold,
  record,
  token,
  store,
  onStopped: (why) => refusals.respond(why === "Lost" ? "InProgress" : "TooLong"),
  onSettled: (as) => Observer.tell(call, (base) => ({ _tag: "IdempotencySettled", ...base, record, as }))
})

/** A store that answers in time, or fails. Its operations can be interrupted wherever they are asked for. */
const limited = (store: IdempotencyStore.Store, limit: Millis): IdempotencyStore.Store => {
  const within = <A>(
    operation: IdempotencyStore.IdempotencyStoreError["operation"],
    asked: Effect.Effect<A, IdempotencyStore.IdempotencyStoreError>
  ) =>
    Timeout.within(Effect.interruptible(asked), limit, () =>
      new IdempotencyStore.IdempotencyStoreError({ operation, cause: `no answer within ${limit}ms` }))
  return {
    begin: (key, claim) => within("begin", store.begin(key, claim)),
    renew: (key, token, lease) => within("renew", store.renew(key, token, lease)),
    complete: (key, token, result, ttl) => within("complete", store.complete(key, token, result, ttl)),
    release: (key, token) => within("release", store.release(key, token))
  }
}

const refuse = <E, R>(
  { call, refusals }: Settings<E, R>,
  because: IdempotencyRefused["because"]
): Effect.Effect<Response> =>
  Effect.as(Observer.tell(call, (base) => ({ _tag: "IdempotencyRefused", ...base, because })), refusals.respond(because))
