/**
 * What a scripted peer has in place of a socket: request bodies that are really run, response bodies that know what is done to
 * them.
 *
 * @since 0.1.0
 */
import type * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { InvalidOption } from "../core/InvalidOption.ts"
import type { Chunks, Respond } from "./Answer.ts"

/**
 * How far a response has come. `unread` and `reading` hold a connection; it was `read` to its end, `aborted` by its reader, or
 * `cut` by the peer.
 *
 * @since 0.1.0
 * @category models
 */
export type Transfer = "unread" | "reading" | "read" | "aborted" | "cut"

/** @since 0.1.0 @category guards */
export const isOpen = (transfer: Transfer): transfer is "unread" | "reading" => transfer === "unread" || transfer === "reading"

const encoder = new TextEncoder()

const bytesOf = (chunk: string | Uint8Array): Uint8Array => (typeof chunk === "string" ? encoder.encode(chunk) : chunk)

/**
 * Joins chunks.
 *
 * @since 0.1.0
 * @category bytes
 */
export const concat = (chunks: ReadonlyArray<Uint8Array>): Uint8Array => {
  const all = new Uint8Array(chunks.reduce((size, chunk) => size + chunk.length, 0))
  let offset = 0
  for (const chunk of chunks) {
    all.set(chunk, offset)
    offset += chunk.length
  }
  return all
}

const raw = (body: unknown): Stream.Stream<Uint8Array, unknown> => {
  if (body === undefined || body === null) return Stream.empty
  if (typeof body === "string" || body instanceof Uint8Array) return Stream.succeed(bytesOf(body))
  if (typeof body === "object" && Symbol.asyncIterator in body) {
    // All that can be asked of it: what it yields is not known before it is run.
    return Stream.map(Stream.fromAsyncIterable(body as AsyncIterable<string | Uint8Array>, (error) => error), bytesOf)
  }
  if (
    body instanceof ArrayBuffer || ArrayBuffer.isView(body) || body instanceof Blob || body instanceof URLSearchParams ||
    body instanceof FormData
  ) {
    // The web's own kinds of body; a view of shared memory, which the type leaves out, is refused by `Response` itself.
    return Stream.fromEffect(Effect.tryPromise({
      try: async () => new Uint8Array(await new Response(body as ConstructorParameters<typeof Response>[0]).arrayBuffer()),
      catch: (error) => error
    }))
  }
  return Stream.fail(new TypeError(`HttpScript: a body of type ${Object.prototype.toString.call(body)} cannot be sent`))
}

const upload = (body: HttpBody.HttpBody): Stream.Stream<Uint8Array, unknown> => {
  switch (body._tag) {
    case "Empty":
      return Stream.empty
    case "FormData":
      return raw(body.formData)
    case "Stream":
      return body.stream
    default:
      return raw(body.body)
  }
}

/**
 * Sends the body of a request. It is run anew each time: one that can be read once is empty, or fails, when it is sent again. A
 * stream that fails or dies fails the request, as it does with undici.
 *
 * @since 0.1.0
 * @category sending
 */
export const send = (
  request: HttpClientRequest.HttpClientRequest,
  tell: (chunk: Uint8Array) => void
): Effect.Effect<void, HttpClientError.RequestError> =>
  upload(request.body).pipe(
    Stream.runForEach((chunk) => Effect.sync(() => tell(chunk.slice()))),
    Effect.catchAllCause((cause) =>
      Cause.isInterruptedOnly(cause)
        ? Effect.interrupt
        : Effect.fail(new HttpClientError.RequestError({ request, reason: "Transport", cause: Cause.squash(cause) }))
    )
  )

const endlessLimit = 64 * 1024 * 1024

const piecesOf = (body: string | Uint8Array | Chunks): ReadonlyArray<Uint8Array> => {
  const chunks = typeof body === "string" || body instanceof Uint8Array ? [body] : body.chunks
  return chunks.map(bytesOf).filter((piece) => piece.length > 0)
}

/** Nothing is made before it is asked for, so an `unread` body is one that nobody has begun to read. */
const readable = (
  body: string | Uint8Array | Chunks,
  signal: AbortSignal,
  clock: Clock.Clock,
  tell: (transfer: Transfer, delivered: number) => void
): ReadableStream<Uint8Array> => {
  const pieces = piecesOf(body)
  const { ending = "complete", every } = typeof body === "object" && "chunks" in body ? body : {}
  if (ending === "endless" && pieces.length === 0) {
    throw new InvalidOption({ where: "HttpScript", option: "chunks", value: 0, requirement: "some bytes in an endless body" })
  }
  let transfer: Transfer = "unread"
  let index = 0
  let delivered = 0
  let stopPacing = (): void => {}

  const move = (to: Transfer): void => {
    transfer = to
    tell(to, delivered)
  }
  const isLast = (): boolean => ending !== "endless" && index >= pieces.length

  const deliver = (controller: ReadableStreamDefaultController<Uint8Array>): void => {
    const piece = pieces[index % pieces.length]
    // Given up while this chunk was being waited for.
    if (!isOpen(transfer) || piece === undefined) return
    if (delivered >= endlessLimit) return cut(controller, new Error("HttpScript: nobody stopped an endless body of 64 MiB"))
    index++
    delivered += piece.length
    // A copy: the reader owns what it gets, and the script may play again.
    controller.enqueue(piece.slice())
    move("reading")
    if (ending === "complete" && isLast()) complete(controller)
  }
  const complete = (controller: ReadableStreamDefaultController<Uint8Array>): void => {
    controller.close()
    move("read")
  }
  const cut = (controller: ReadableStreamDefaultController<Uint8Array>, error: Error): void => {
    controller.error(error)
    move("cut")
  }
  const abandon = (): void => {
    if (!isOpen(transfer)) return
    move("aborted")
    stopPacing()
  }
  const finish = (controller: ReadableStreamDefaultController<Uint8Array>): void | Promise<void> => {
    if (ending === "complete") return complete(controller)
    if (ending === "cut") return cut(controller, Object.assign(new Error("aborted"), { code: "ECONNRESET" }))
    return new Promise<void>(() => {})
  }

  return new ReadableStream<Uint8Array>({
    start: (controller) => {
      signal.addEventListener("abort", () => {
        if (!isOpen(transfer)) return
        abandon()
        controller.error(signal.reason)
      }, { once: true })
    },
    pull: (controller) => {
      move("reading")
      if (isLast()) return finish(controller)
      if (every === undefined) return deliver(controller)
      return new Promise<void>((resolve) => {
        stopPacing = Effect.runCallback(clock.sleep(Duration.decode(every)), {
          onExit: () => resolve(deliver(controller))
        })
      })
    },
    cancel: abandon
  }, { highWaterMark: 0 })
}

const isBodiless = (status: number): boolean => status < 200 || status === 204 || status === 304

/**
 * The response of an answer. `tell` hears of each change of its body, with the number of bytes handed out so far.
 *
 * @since 0.1.0
 * @category sending
 */
export const respond = (
  { body = "", headers, status }: Respond,
  request: HttpClientRequest.HttpClientRequest,
  signal: AbortSignal,
  clock: Clock.Clock,
  tell: (transfer: Transfer, delivered: number) => void
): HttpClientResponse.HttpClientResponse => {
  const isEmpty = request.method === "HEAD" || isBodiless(status)
  const source = new Response(readable(isEmpty ? "" : body, signal, clock, tell))
  for (const [name, values] of Object.entries(headers ?? {})) {
    for (const value of typeof values === "string" ? [values] : values) source.headers.append(name, value)
  }
  const isFramed = source.headers.has("content-length") || source.headers.has("transfer-encoding")
  if (!isFramed && !isBodiless(status) && (typeof body === "string" || body instanceof Uint8Array)) {
    source.headers.set("content-length", `${bytesOf(body).length}`)
  }
  // The constructor refuses a body with 204 and every status outside 200..599; a peer that misbehaves does not.
  return HttpClientResponse.fromWeb(request, Object.defineProperty(source, "status", { value: status }))
}
