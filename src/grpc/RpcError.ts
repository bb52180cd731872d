/**
 * What the errors of RPC clients say, read from their shape: nothing of grpc-js, Connect or `@effect/rpc` is imported.
 *
 * | error | is known by |
 * | --- | --- |
 * | `ServiceError` of `@grpc/grpc-js`, and those of grpc-web and nice-grpc | a `code` from 1 to 16, with `details` or `metadata` |
 * | `ConnectError` of `@connectrpc/connect` | the same, with `rawMessage` |
 * | the error of a Connect response, a typed error of yours, an `RpcError` of protobuf-ts | a `code` that is the name of one: `UNAVAILABLE`, `unavailable` |
 * | `RpcClientError` of `@effect/rpc` | its tag; what it says stands in its cause |
 *
 * Each is found below other errors too, as their `cause`.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import type { Millis } from "../core/Millis.ts"
import * as Failure from "../core/Failure.ts"
import * as Meaning from "../core/Meaning.ts"
import * as Outcome from "../core/Outcome.ts"
import * as RpcStatus from "../core/RpcStatus.ts"
import * as RetryPushback from "./RetryPushback.ts"

/**
 * The error of a call, as `@grpc/grpc-js` raises it.
 *
 * @since 0.1.0
 * @category models
 */
export interface ServiceError extends Error {
  /** 1 to 16. */
  readonly code: number
  readonly details: string
  readonly metadata: { readonly get: (key: string) => ReadonlyArray<unknown> }
}

/**
 * A status, as an error says it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Status {
  readonly code: RpcStatus.Code
  readonly pushback: Option.Option<RetryPushback.RetryPushback>
  /** The text beside the code; empty where there is none. */
  readonly details: string
}

/** How deep a `cause` chain is followed: a ring must not hold a call up. */
const maxDepth = 10

type Shape = Readonly<Record<"code" | "details" | "metadata" | "rawMessage" | "message" | "cause" | "_tag" | "reason", unknown>>

/** Each property of an object can be asked for, and is not there where it is not. */
const shapeOf = (u: unknown): Option.Option<Shape> =>
  typeof u === "object" && u !== null ? Option.some(u as Shape) : Option.none()

const isObject = (u: unknown): u is object => typeof u === "object" && u !== null

const codeOf = ({ code, details, metadata, rawMessage }: Shape): Option.Option<RpcStatus.Code> => {
  if (typeof code === "string") return RpcStatus.fromName(code)
  const isStatus = typeof details === "string" || typeof rawMessage === "string" || isObject(metadata)
  return typeof code === "number" && isStatus ? RpcStatus.fromNumber(code) : Option.none()
}

const textOf = ({ details, message, rawMessage }: Shape): string =>
  [details, rawMessage, message].find((text) => typeof text === "string") ?? ""

const statusOf = (shape: Shape): Option.Option<Status> =>
  Option.map(codeOf(shape), (code) => ({
    code,
    pushback: RetryPushback.fromMetadata(shape.metadata),
    details: textOf(shape)
  }))

/** Reads the chain of causes from the outside in, to the first link that says something. One that cannot be read says nothing. */
const first = <A>(error: unknown, read: (shape: Shape) => Option.Option<A>): Option.Option<A> => {
  try {
    let link = shapeOf(error)
    for (let depth = 0; depth < maxDepth && Option.isSome(link); depth++) {
      // What an error says of itself is not overruled by what is below it.
      if (Failure.isCarrier(link.value)) return Option.none()
      const found = read(link.value)
      if (Option.isSome(found)) return found
      link = shapeOf(link.value.cause)
    }
    return Option.none()
  } catch {
    return Option.none()
  }
}

/**
 * Reads the status that an error has, or that stands below it as its `cause`.
 *
 * **Example** (An error as grpc-js has it)
 *
 * ```ts
 * import { RpcError } from "effect-resilience/grpc"
 * import { Option } from "effect"
 *
 * const error = { code: 14, details: "not now", metadata: { "grpc-retry-pushback-ms": "100" } }
 *
 * RpcError.status(error)
 * // => Option.some({ code: "UNAVAILABLE", pushback: Option.some({ _tag: "After", delay: 100 }), details: "not now" })
 * RpcError.status({ code: 1006, message: "closed" }) // => Option.none()
 * ```
 *
 * @since 0.1.0
 * @category reading
 */
export const status = (error: unknown): Option.Option<Status> => first(error, statusOf)

/**
 * Reads the status of a unary Connect response: the code in its JSON body or, where there is none, the code of its HTTP status.
 *
 * **Example** (A server, and a proxy before it)
 *
 * ```ts
 * import { RpcError } from "effect-resilience/grpc"
 * import { Option } from "effect"
 *
 * const code = (status: number, body: unknown) => Option.map(RpcError.fromConnect(status, body), ({ code }) => code)
 *
 * code(429, { code: "resource_exhausted", message: "later" }) // => Option.some("RESOURCE_EXHAUSTED")
 * code(502, "Bad Gateway") // => Option.some("UNAVAILABLE")
 * code(200, {}) // => Option.none()
 * ```
 *
 * @since 0.1.0
 * @category reading
 */
export const fromConnect = (httpStatus: number, body: unknown, headers: unknown = {}): Option.Option<Status> => {
  if (httpStatus === 200) return Option.none()
  const { code, message } = Option.getOrElse(shapeOf(body), (): Partial<Shape> => ({}))
  const named = typeof code === "string" ? RpcStatus.fromName(code) : Option.none()
  return Option.some({
    code: Option.getOrElse(named, () => RpcStatus.fromHttp(httpStatus)),
    pushback: RetryPushback.fromMetadata(headers),
    details: typeof message === "string" ? message : ""
  })
}

/**
 * Makes a failure of a status. `codes` are those after which the call can succeed later.
 *
 * @since 0.1.0
 * @category conversions
 */
export const toFailure = (self: Status, codes: ReadonlyArray<RpcStatus.Code> = RpcStatus.retryable): Failure.Failure => {
  const said = Option.getOrUndefined(self.pushback)
  const resend = codes.includes(self.code)
  const after = said?._tag === "After" ? Option.some(said.delay) : Option.none()
  const failure = Failure.rpcFailure(
    self.code,
    after,
    resend === RpcStatus.isRetryable(self.code) ? undefined : resend ? "always" : "no"
  )
  return said?._tag === "Stop" ? Failure.withPushback(failure, "stop") : failure
}

/**
 * Tells whether no application code on the server can have seen the call, which then may be sent again once, whatever the policy says.
 *
 * **Details**
 *
 * That is a stream that the server refused (`REFUSED_STREAM`), or one that could not be opened. grpc-js and Connect tell it in words only,
 * and these are their words. grpc-js sends such a call again by itself, unless it is made with `"grpc.enable_retries": 0`.
 *
 * @since 0.1.0
 * @category guards
 */
export const isUnseen = (error: unknown): boolean =>
  Option.exists(status(error), ({ code, details }) =>
    code === "UNAVAILABLE" && refused.includes(details) || code === "INTERNAL" && details.startsWith(notStarted))

/** grpc-js 1.14 `subchannel-call.ts`; connect-node 2 `node-error.ts`. */
const refused = ["Stream refused by server", "http/2 stream closed with error code REFUSED_STREAM (0x7)"]

/** grpc-js 1.14 `load-balancing-call.ts`. */
const notStarted = "Failed to start HTTP/2 stream with error "

/**
 * Says what an error means, where it is one of those above.
 *
 * **Details**
 *
 * A `ConnectError` that Connect made of an error of Node's means what that one does, since its code says less.
 *
 * @since 0.1.0
 * @category reading
 */
export const outcome = (
  error: unknown,
  now: Millis,
  codes: ReadonlyArray<RpcStatus.Code> = RpcStatus.retryable
): Option.Option<Outcome.Outcome> =>
  first(error, (shape) => {
    if (shape._tag === "RpcClientError") return ofRpcClient(shape, now, codes)
    const found = statusOf(shape)
    if (Option.isNone(found)) return Option.none()
    const below = typeof shape.rawMessage === "string" ? Meaning.error(shape.cause, now) : Option.none()
    return Option.orElse(below, () => Option.some(Outcome.failed(toFailure(found.value, codes))))
  })

/** What is below says it: an HTTP client's error, or that of a socket. */
const ofRpcClient = ({ cause }: Shape, now: Millis, codes: ReadonlyArray<RpcStatus.Code>): Option.Option<Outcome.Outcome> => {
  const below = Option.orElse(Meaning.error(cause, now), () =>
    Option.map(status(cause), (found) => Outcome.failed(toFailure(found, codes))))
  return Option.isSome(below) ? below : Option.flatMap(shapeOf(cause), ofSocket)
}

const ofSocket = ({ _tag, reason }: Shape): Option.Option<Outcome.Outcome> => {
  if (_tag !== "SocketError" || typeof reason !== "string") return Option.none()
  const isOpening = reason === "Open" || reason === "OpenTimeout"
  return Option.some(Outcome.failed(isOpening ? Failure.connectFailure("tcp", reason) : Failure.connectionLost(reason)))
}
