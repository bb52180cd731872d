/**
 * Where a server keeps what it knows of idempotency keys.
 *
 * It stands on this floor because two edges need it: `server` asks it, `redis` is one. There is no default: a store in memory is
 * right for one process and silently wrong for two, so an application says which it wants.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as IdempotencyRecord from "../core/IdempotencyRecord.ts"
import { integerIn } from "../core/InvalidOption.ts"
import type { Millis } from "../core/Millis.ts"

/**
 * A store could not be asked, is full, or holds what it cannot read.
 *
 * @since 0.1.0
 * @category errors
 */
export class IdempotencyStoreError extends Data.TaggedError("IdempotencyStoreError")<{
  readonly operation: "begin" | "renew" | "complete" | "release"
  readonly cause: unknown
}> {
  override get message(): string {
    return `the idempotency store failed to ${this.operation}: ${
      this.cause instanceof Error ? this.cause.message : String(this.cause)
    }`
  }
}

/**
 * Records by key. Each operation is one step of `core/IdempotencyRecord`, done as if nobody else were there.
 *
 * **Details**
 *
 * Times are by the clock of the store, so that servers whose clocks differ agree. Results are texts that the store does not read.
 * `renew`, `complete` and `release` answer whether the token still held the key; where it did not, they have changed nothing.
 *
 * @since 0.1.0
 * @category models
 */
export interface Store {
  readonly begin: (
    key: string,
    claim: IdempotencyRecord.Claim
  ) => Effect.Effect<IdempotencyRecord.Answer<string>, IdempotencyStoreError>
  /** Holds the key for `lease` ms from now on. */
  readonly renew: (key: string, token: string, lease: Millis) => Effect.Effect<boolean, IdempotencyStoreError>
  /** Keeps the result for `ttl` ms. */
  readonly complete: (
    key: string,
    token: string,
    result: string,
    ttl: Millis
  ) => Effect.Effect<boolean, IdempotencyStoreError>
  /** Frees the key, as if it had never been used. */
  readonly release: (key: string, token: string) => Effect.Effect<boolean, IdempotencyStoreError>
}

/**
 * The store of the current application.
 *
 * @since 0.1.0
 * @category services
 */
export class IdempotencyStore extends Context.Tag("effect-resilience/IdempotencyStore")<IdempotencyStore, Store>() {}

/**
 * How much a store in memory holds.
 *
 * @since 0.1.0
 * @category models
 */
export interface MemoryOptions {
  /** There are never more records than these. 1 or more. Default: 10,000. */
  readonly capacity?: number | undefined
  /** The results together are never longer, in characters: about as many bytes. 1 or more. Default: 64 Mi. */
  readonly size?: number | undefined
}

/**
 * Makes a store in the memory of this process.
 *
 * **Details**
 *
 * Where there is no room, the results that were finished first are forgotten. A key in progress is never forgotten before its lease
 * ends: its request would be done twice. A store that is full of them answers `begin` with an error; a result that alone is longer
 * than `size` is answered with an error by `complete`.
 *
 * **Gotchas**
 *
 * Another process knows nothing of it, and a restart forgets everything.
 *
 * @since 0.1.0
 * @category constructors
 */
export const memory = (options: MemoryOptions = {}): Effect.Effect<Store> => {
  const { capacity = 10_000, size = 64 * 1024 * 1024 } = options
  const where = "IdempotencyStore.memory"
  const limits = [integerIn(where, "capacity", capacity, { min: 1 }), integerIn(where, "size", size, { min: 1 })] as const
  return Effect.sync(() => new Memory(...limits))
}

/**
 * Keeps records in the memory of this process: see `memory`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerStoreMemory = (options?: MemoryOptions): Layer.Layer<IdempotencyStore> =>
  Layer.effect(IdempotencyStore, memory(options))

type Record = IdempotencyRecord.Record<string>
type Completed = IdempotencyRecord.Completed<string>

class Memory implements Store {
  private readonly running = new Map<string, IdempotencyRecord.InProgress>()
  /** In the order in which they were finished. */
  private readonly finished = new Map<string, Completed>()
  private held = 0
  private readonly capacity: number
  private readonly size: number

  constructor(capacity: number, size: number) {
    this.capacity = capacity
    this.size = size
  }

  readonly begin = (key: string, claim: IdempotencyRecord.Claim): ReturnType<Store["begin"]> =>
    this.step("begin", key, (record, now) => IdempotencyRecord.begin(record, claim, now))

  readonly renew = (key: string, token: string, lease: Millis): ReturnType<Store["renew"]> =>
    this.step("renew", key, (record, now) => IdempotencyRecord.renew(record, token, lease, now))

  readonly complete = (key: string, token: string, result: string, ttl: Millis): ReturnType<Store["complete"]> =>
    this.step("complete", key, (record, now) => IdempotencyRecord.complete(record, token, result, ttl, now))

  readonly release = (key: string, token: string): ReturnType<Store["release"]> =>
    this.step("release", key, (record, now) => IdempotencyRecord.release(record, token, now))

  private step<A>(
    operation: IdempotencyStoreError["operation"],
    key: string,
    f: (record: Record, now: Millis) => readonly [A, Record]
  ): Effect.Effect<A, IdempotencyStoreError> {
    return Effect.clockWith((clock) =>
      Effect.suspend(() => {
        // Monotonic: setting the clock of the machine neither frees a key nor keeps it.
        const now = Number(clock.unsafeCurrentTimeNanos()) / 1e6
        const before = this.running.get(key) ?? this.finished.get(key) ?? IdempotencyRecord.absent
        const [answer, after] = f(before, now)
        if (after === before || this.replace(key, before, after, now)) return Effect.succeed(answer)
        return new IdempotencyStoreError({ operation, cause: operation === "begin" ? "it is full" : "the result is too long" })
      })
    )
  }

  /** Answers `false`, and changes nothing, where there is no room. */
  private replace(key: string, before: Record, after: Record, now: Millis): boolean {
    const needed = after._tag === "Completed" ? after.result.length : 0
    if (needed > this.size) return false
    if (before._tag === "Absent" && !this.makePlace(now)) return false
    this.remove(key)
    if (after._tag === "InProgress") this.running.set(key, after)
    if (after._tag === "Completed") {
      while (this.held + needed > this.size) this.forgetFirst()
      this.finished.set(key, after)
      this.held += needed
    }
    return true
  }

  private remove(key: string): void {
    this.running.delete(key)
    const record = this.finished.get(key)
    if (record === undefined) return
    this.finished.delete(key)
    this.held -= record.result.length
  }

  private forgetFirst(): void {
    for (const key of this.finished.keys()) return this.remove(key)
  }

  /** Drops what is over, as far as that is cheap to find, and if there is still no place then what was finished first. */
  private makePlace(now: Millis): boolean {
    for (const [key, record] of this.finished) {
      if (IdempotencyRecord.current(record, now)._tag !== "Absent") break
      this.remove(key)
    }
    if (this.running.size + this.finished.size < this.capacity) return true
    if (this.finished.size > 0) this.forgetFirst()
    else {
      for (const [key, record] of this.running) {
        if (IdempotencyRecord.current(record, now)._tag === "Absent") this.running.delete(key)
      }
    }
    return this.running.size + this.finished.size < this.capacity
  }
}
