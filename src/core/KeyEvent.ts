/**
 * What the middleware of a server tells of idempotency keys.
 *
 * @since 0.1.0
 */
import type { Base } from "./EventBase.ts"

/** What the keys of a server's middleware tell: the `call` names the middleware, and is the same for all of them. */
interface OfIdempotency extends Base {
  /** The digest of caller and key under which the store has it: it joins what is told of one key, and gives neither away. */
  readonly record: string
}

/** A request under a key that was free has begun. @since 0.1.0 @category models */
export interface IdempotencyBegan extends OfIdempotency {
  readonly _tag: "IdempotencyBegan"
}

/** A request was answered from what is known of its key, and its handler not run. @since 0.1.0 @category models */
export interface IdempotencyAnswered extends OfIdempotency {
  readonly _tag: "IdempotencyAnswered"
  readonly as: "Replayed" | "InProgress" | "Mismatch" | "NotKept"
}

/** What came of a key whose request had begun. @since 0.1.0 @category models */
export interface IdempotencySettled extends OfIdempotency {
  readonly _tag: "IdempotencySettled"
  /**
   * `Kept`: the response is stored. `NotKept`: only that there was one. `Freed`: the next request begins anew. `Lost`: another had begun
   * meanwhile. `Unreachable`: the store could not be told, and the lease will end by itself.
   */
  readonly as: "Kept" | "NotKept" | "Freed" | "Lost" | "Unreachable"
}

/** A request was refused before its key was looked up, or because that could not be done. @since 0.1.0 @category models */
export interface IdempotencyRefused extends Base {
  readonly _tag: "IdempotencyRefused"
  readonly because: "Missing" | "Malformed" | "NoCaller" | "Unreadable" | "TooLarge" | "Store"
}

/** The store could not be asked, and the handler was run without it. @since 0.1.0 @category models */
export interface IdempotencyBypassed extends OfIdempotency {
  readonly _tag: "IdempotencyBypassed"
}
