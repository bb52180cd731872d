/**
 * Reads the body of a request once, up to a limit, and gives the handler a request whose body can be read again.
 *
 * @since 0.1.0
 */
import * as HttpIncomingMessage from "@effect/platform/HttpIncomingMessage"
import * as HttpServerError from "@effect/platform/HttpServerError"
import type * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as Multipart from "@effect/platform/Multipart"
import * as UrlParams from "@effect/platform/UrlParams"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as HeaderField from "../core/HeaderField.ts"
import { joined } from "../http/Buffered.ts"

type Request = HttpServerRequest.HttpServerRequest

/**
 * The bytes of a body, or `None` where there are more than the limit, or than the platform's `MaxBodySize`.
 *
 * **Details**
 *
 * A body that says that it is too long is not read at all. The reader stays open until the request's scope is closed: to close it in the
 * middle of a body closes the connection, before the answer that says why.
 *
 * **Gotchas**
 *
 * Dies where somebody has read the body before: what it was is not known then.
 *
 * @since 0.1.0
 * @category reading
 */
export const read = (
  request: Request,
  limit: number
): Effect.Effect<Option.Option<Uint8Array>, HttpServerError.RequestError, Scope.Scope> =>
  Effect.flatMap(HttpIncomingMessage.MaxBodySize, (maxBodySize) => {
    const most = Option.match(maxBodySize, { onNone: () => limit, onSome: (size) => Math.min(limit, Number(size)) })
    const length = Option.flatMap(HeaderField.get(request.headers, "content-length"), HeaderField.integer)
    if (Option.isSome(length) && length.value > most) return Effect.succeedNone
    if (isEmpty(request) || Option.contains(length, 0)) return Effect.succeedSome(new Uint8Array())
    if (Option.isNone(length)) return collect(request.stream, most)
    const whole = (bytes: Uint8Array): Option.Option<Uint8Array> => {
      if (length.value === bytes.length) return Option.some(bytes)
      throw new Error(`a body of ${length.value} bytes gave ${bytes.length}: it must not be read before`)
    }
    // A length that is known is kept by whoever frames the body: then it is read in one go, which takes a third of a stream's time.
    return isOver(request) ? Effect.sync(() => whole(new Uint8Array())) : Effect.map(request.arrayBuffer, (body) => whole(bytesOf(body)))
  })

/** A web request says so with `null`, of which the platform makes no stream. */
const isEmpty = ({ source }: Request): boolean => Predicate.hasProperty(source, "body") && source.body === null

/** Node's request, when it has been read: to wait for its end again would be for ever. */
const isOver = ({ source }: Request): boolean => Predicate.hasProperty(source, "readable") && source.readable === false

/** Node answers with a `Buffer`, in spite of the type: a part of a larger buffer, of which a slice is no copy. */
const bytesOf = (body: ArrayBuffer | Uint8Array<ArrayBuffer>): Uint8Array =>
  body instanceof Uint8Array ? new Uint8Array(body.buffer, body.byteOffset, body.byteLength) : new Uint8Array(body)

const collect = <E>(
  stream: Stream.Stream<Uint8Array, E>,
  limit: number
): Effect.Effect<Option.Option<Uint8Array>, E, Scope.Scope> =>
  Effect.flatMap(Stream.toPull(stream), (pull) => {
    const chunks: Array<Uint8Array> = []
    let size = 0
    const more: Effect.Effect<Option.Option<Uint8Array>, E> = Effect.matchEffect(pull, {
      onFailure: Option.match({
        onNone: () => Effect.succeedSome(joined(chunks, size)),
        onSome: (error) => Effect.fail(error)
      }),
      onSuccess: (pulled) => {
        for (const chunk of pulled) {
          size += chunk.length
          chunks.push(chunk)
        }
        return size > limit ? Effect.succeedNone : more
      }
    })
    return more
  })

/**
 * The same request, whose body is these bytes, as often as it is read.
 *
 * **Details**
 *
 * It stands for the original everywhere: what it does not override, the platform's own fields included, it has from there.
 *
 * **Gotchas**
 *
 * What goes round the platform to the raw request (`NodeHttpServerRequest.toIncomingMessage`) finds a body that has been read.
 *
 * @since 0.1.0
 * @category constructors
 */
export const withBody = (request: Request, bytes: Uint8Array): Request => {
  const decoding = <A>(f: () => A): Effect.Effect<A, HttpServerError.RequestError> =>
    Effect.try({ try: f, catch: (cause) => new HttpServerError.RequestError({ request: view, reason: "Decode", cause }) })
  const text = () => new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes)
  const stream = bytes.length === 0 ? Stream.empty : Stream.make(bytes)
  // Made when it is asked for: few requests are forms.
  const multipartStream = () => Stream.pipeThroughChannel(stream, Multipart.makeChannel(request.headers))
  // What is read twice is parsed once: its parts lie in files of the request's scope.
  let persisted: Multipart.Persisted | undefined
  const multipart = Effect.suspend(() =>
    persisted !== undefined ? Effect.succeed(persisted) : Effect.tap(Multipart.toPersisted(multipartStream()), (parts) =>
      Effect.sync(() => {
        persisted = parts
      })))
  const own: PropertyDescriptorMap = {
    text: { value: Effect.sync(text) },
    // As the platform has it: no body is `null`.
    json: { value: decoding((): unknown => bytes.length === 0 ? null : JSON.parse(text())) },
    urlParamsBody: { value: decoding(() => UrlParams.fromInput(new URLSearchParams(text()))) },
    arrayBuffer: { value: Effect.sync(() => bytes.slice().buffer) },
    stream: { value: stream },
    multipartStream: { get: multipartStream },
    multipart: { value: multipart },
    modify: { value: (options: Parameters<Request["modify"]>[0]) => withBody(request.modify(options), bytes) }
  }
  // Its prototype is the request: it has all of its type, and each override above is of the type of what it hides.
  const view: Request = Object.create(request, own)
  return view
}
