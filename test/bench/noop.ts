/**
 * A transport that does nothing, so that what remains is the cost of the client. A web `Response` alone would cost more than
 * everything that is measured here.
 */
import * as Headers from "@effect/platform/Headers"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as HttpIncomingMessage from "@effect/platform/HttpIncomingMessage"
import * as Effect from "effect/Effect"

export const url = "http://users.test/v1/users/1"

const body = "{\"id\":1}"
const headers = Headers.fromInput({ "content-type": "application/json", "content-length": String(body.length) })
const text = Effect.succeed(body)
const arrayBuffer = Effect.succeed(new TextEncoder().encode(body).buffer)

/** As much of a response as the platform, a retry and a reader of text look at. */
class Answer {
  readonly [HttpClientResponse.TypeId]: HttpClientResponse.TypeId = HttpClientResponse.TypeId
  readonly [HttpIncomingMessage.TypeId]: HttpIncomingMessage.TypeId = HttpIncomingMessage.TypeId
  readonly request: HttpClientRequest.HttpClientRequest
  readonly status: number
  readonly headers = headers
  readonly text = text
  readonly arrayBuffer = arrayBuffer

  constructor(request: HttpClientRequest.HttpClientRequest, status: number) {
    this.request = request
    this.status = status
  }
}

// The fields that are left out are of readers that no row uses.
const answer = (request: HttpClientRequest.HttpClientRequest, status: number) =>
  new Answer(request, status) as unknown as HttpClientResponse.HttpClientResponse

type Result = Effect.Effect<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError>

/** Made once: to make an error with its stack costs more than to handle it. */
const refused: Result = Effect.fail(
  new HttpClientError.RequestError({
    request: HttpClientRequest.get(url),
    reason: "Transport",
    cause: Object.assign(new Error("connect ECONNREFUSED 192.0.2.1:80"), { code: "ECONNREFUSED" })
  })
)

/** Answers 200 at once. */
export const prompt = (): HttpClient.HttpClient => HttpClient.make((request) => Effect.succeed(answer(request, 200)))

/** Answers 200 a microtask later, so that the calling fiber is suspended once, as over a socket. */
export const suspending = (): HttpClient.HttpClient =>
  HttpClient.make((request) =>
    Effect.async((resume) => queueMicrotask(() => resume(Effect.succeed(answer(request, 200)))))
  )

/** Fails two times of three: as a connection that is refused, or with a 503 whose body wants to be released. */
export const failFailSucceed = (how: "refused" | "busy"): HttpClient.HttpClient => {
  let calls = 0
  return HttpClient.make((request) => {
    if (++calls % 3 === 0) return Effect.succeed(answer(request, 200))
    return how === "refused" ? refused : Effect.succeed(answer(request, 503))
  })
}

/** Always 503. */
export const busy = (): HttpClient.HttpClient => HttpClient.make((request) => Effect.succeed(answer(request, 503)))

const large = 16 * 1024
const arriving = {
  headers: Headers.set(headers, "content-length", String(large)),
  arrayBuffer: Effect.async<ArrayBuffer>((resume) => void setImmediate(() => resume(Effect.succeed(new ArrayBuffer(large)))))
}

/** Always 503, with a body of 16 KB that arrives a moment later, as over a socket. */
export const busyWithBody = (): HttpClient.HttpClient =>
  HttpClient.make((request) => Effect.succeed(Object.assign(answer(request, 503), arriving)))
