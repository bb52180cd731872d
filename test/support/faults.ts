/**
 * What can go wrong on a wire, ready made: handlers for `serve` and `serveTls`, and connections for `serveRaw`.
 */
import type * as http from "node:http"
import type * as net from "node:net"
import type { Connection, Handler } from "./server.ts"

/** How a body ends: whole; never; or after some bytes with silence, a reset (RST) or an end of the connection (FIN). */
export type Ending =
  | "complete"
  | "endless"
  | { readonly stallAfter: number }
  | { readonly resetAfter: number }
  | { readonly finAfter: number }

export interface Answer {
  readonly headers?: http.OutgoingHttpHeaders | undefined
  /** A number is a size in bytes. Default: empty. */
  readonly body?: string | Uint8Array | number | undefined
  /** Default: "length". */
  readonly framing?: "length" | "chunked" | undefined
  /** Default: "complete". */
  readonly ending?: Ending | undefined
}

const bytesOf = (body: string | Uint8Array | number): Buffer =>
  typeof body === "number" ? Buffer.alloc(body, "x") : Buffer.from(body)

/**
 * Lets the client read what it has been sent before what comes next: however late the timer fires, the sockets have been polled
 * once more when `setImmediate` does.
 */
const soon = (f: () => void): void => {
  setTimeout(() => setImmediate(f), 5)
}

const pour = (response: http.ServerResponse, chunk: Buffer): void => {
  const more = (): void => {
    while (!response.destroyed && response.write(chunk));
  }
  response.on("drain", more)
  more()
}

/** Answers with a status, and a body that ends well or not. */
export const status = (code: number, { body = "", ending = "complete", framing = "length", headers = {} }: Answer = {}): Handler => {
  const all = bytesOf(body)
  return (request, response) => {
    response.writeHead(code, framing === "length" && ending !== "endless" ? { "content-length": all.length, ...headers } : headers)
    if (ending === "complete") return void response.end(all)
    response.flushHeaders()
    if (ending === "endless") return pour(response, all.length === 0 ? Buffer.alloc(16 * 1024, "x") : all)
    const { socket } = request
    const sent = (size: number, after: () => void): void => {
      if (size === 0) soon(after)
      else response.write(all.subarray(0, size), () => soon(after))
    }
    if ("stallAfter" in ending) sent(ending.stallAfter, () => {})
    else if ("resetAfter" in ending) sent(ending.resetAfter, () => socket.resetAndDestroy())
    else sent(ending.finAfter, () => socket.end())
  }
}

/** Receives, and never answers. */
export const hang: Handler = () => {}

/** Resets the connection (RST) before a byte of the answer. */
export const resetBeforeHeaders: Handler = (request) => void request.socket.resetAndDestroy()

/** Ends the connection (FIN) before a byte of the answer. */
export const finBeforeHeaders: Handler = (request) => void request.socket.end()

/**
 * Answers while the request's body is still coming, of which no more is read; then keeps the connection or closes it. A connection that is
 * kept does not see the client go, since that is said behind the body: it is open until the server closes.
 */
export const early = (code: number, connection: "keep" | "close" = "keep"): Handler => (request, response) => {
  request.pause()
  response.writeHead(code, { "content-length": 0, ...(connection === "close" ? { connection } : {}) })
  // Not `end`: Node would then read what is left of the request.
  response.flushHeaders()
  if (connection === "close") soon(() => request.socket.destroy())
}

/** Answers the first request with the first handler, and so on; the last one answers the rest. */
export const inTurn = (...handlers: readonly [Handler, ...ReadonlyArray<Handler>]): Handler => (request, response, received) =>
  (handlers[received.number - 1] ?? handlers[handlers.length - 1])?.(request, response, received)

/** Waits for the head of each request on a raw connection. */
export const onRequest = (f: (socket: net.Socket, head: string) => void): Connection => (socket) => {
  let head = ""
  socket.on("data", (chunk: Buffer) => {
    head += chunk.toString("latin1")
    if (!head.includes("\r\n\r\n")) return
    const whole = head
    head = ""
    f(socket, whole)
  })
}

/** Answers each request with these very bytes; then keeps the connection, ends it (FIN) or resets it (RST). */
export const raw = (bytes: string, after: "keep" | "fin" | "reset" = "keep"): Connection =>
  onRequest((socket) => {
    socket.write(bytes, "latin1", () => {
      if (after === "fin") soon(() => socket.end())
      if (after === "reset") soon(() => socket.resetAndDestroy())
    })
  })

/** Writes the answer a byte at a time, one every so many ms. */
export const trickle = (bytes: string, everyMillis: number): Connection =>
  onRequest((socket) => {
    let sent = 0
    const timer = setInterval(() => {
      if (sent < bytes.length) socket.write(bytes[sent++] ?? "", "latin1")
      else clearInterval(timer)
    }, everyMillis)
    socket.on("close", () => clearInterval(timer))
  })

/** Is no HTTP. */
export const junk: Connection = raw("garbage\r\n\r\n", "fin")

/** A head of 40,000 bytes, more than any transport takes. */
export const hugeHeaders: Connection = raw(`HTTP/1.1 200 OK\r\nx: ${"a".repeat(40_000)}\r\n\r\n`)

/** Ends in the middle of a header. */
export const cutInHeaders: Connection = raw("HTTP/1.1 200 OK\r\ncontent-", "fin")

/** Accepts and reads, and says nothing. */
export const silent: Connection = (socket) => void socket.resume()

/** Resets each connection as soon as it is accepted. */
export const resetAtOnce: Connection = (socket) => void socket.resetAndDestroy()

/** Answers, and closes the idle connection after so many ms, as any server does in the end. */
export const closeIdle = (afterMillis: number, bytes = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"): Connection =>
  onRequest((socket) => {
    socket.write(bytes, "latin1")
    const timer = setTimeout(() => socket.end(), afterMillis)
    socket.on("close", () => clearTimeout(timer))
  })
