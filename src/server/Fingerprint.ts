/**
 * Digests by which a key and a request are known again: SHA-256, in hex.
 *
 * @since 0.1.0
 */
import type * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"

/** The platform's own cryptography: on Node from 20 on, in Bun, Deno and workers. It fails for no bytes. */
const sha256 = (bytes: Uint8Array<ArrayBuffer>): Effect.Effect<string> =>
  Effect.map(
    Effect.promise(() => globalThis.crypto.subtle.digest("SHA-256", bytes)),
    (digest) => Encoding.encodeHex(new Uint8Array(digest))
  )

const utf8 = new TextEncoder()

/**
 * The name of a record: of a caller and its key. `undefined` is all callers together, which no caller can name.
 *
 * **Details**
 *
 * Neither can be read from it, and its length is always 64, so a caller may be known by a credential, and a key may hold whatever the
 * grammar allows. The length of the caller is part of it: no two pairs are written alike.
 *
 * @since 0.1.0
 * @category digests
 */
export const ofKey = (caller: string | undefined, key: string): Effect.Effect<string> =>
  sha256(utf8.encode(caller === undefined ? `shared:${key}` : `${caller.length}:${caller}:${key}`))

/**
 * What a request is: its method, the path and query it came with, and its body, byte for byte.
 *
 * **Details**
 *
 * The host is no part of it, and no header is. The path is the one that the client asked for, whatever router has cut off since. Neither a
 * method nor a path holds a line break.
 *
 * @since 0.1.0
 * @category digests
 */
export const ofRequest = (request: HttpServerRequest.HttpServerRequest, body: Uint8Array): Effect.Effect<string> => {
  const head = utf8.encode(`${request.method}\n${pathOf(request.originalUrl)}\n`)
  const bytes = new Uint8Array(head.length + body.length)
  bytes.set(head)
  bytes.set(body, head.length)
  return sha256(bytes)
}

/** Node's requests have the path, and those of the web the whole URL. */
const pathOf = (url: string): string => /^https?:\/\/[^/?#]*([^#]*)/i.exec(url)?.[1] ?? url
