/**
 * Idempotency keys in Redis, for servers that share them.
 *
 * **Details**
 *
 * Each operation is one script over one key, so it works in a cluster, and Redis runs it as if nothing else were going on. A key is taken
 * with `SET NX PX`; what is changed after that is changed only where the value still begins with the token of whoever asks. All times are
 * Redis's own: a holder that has crashed loses its key when that expires, whatever the clocks of the servers say.
 *
 * The value of a key is `p:<token>:<fingerprint>` while a request is in progress, and `c:<fingerprint>:<result>` when it is finished.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as IdempotencyRecord from "../core/IdempotencyRecord.ts"
import { InvalidOption } from "../core/InvalidOption.ts"
import type { Millis } from "../core/Millis.ts"
import * as IdempotencyStore from "../strategy/IdempotencyStore.ts"

/**
 * What is needed of a client: ioredis has it. Its prefix for keys is used, and its time limits and its queue while it is not connected.
 *
 * @since 0.1.0
 * @category models
 */
export interface Client {
  readonly eval: (script: string, numberOfKeys: number, ...args: Array<string | number>) => Promise<unknown>
}

/**
 * Which Redis, and under which names.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly client: Client
  /** What the name of each key begins with. Default: "idempotency:". */
  readonly prefix?: string | undefined
}

// KEYS[1] the key, ARGV[1] the value of its holder, ARGV[2] the lease. Nothing where it is begun, else what is there, and for how long.
const begin = `
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return false end
return {redis.call('GET', KEYS[1]), redis.call('PTTL', KEYS[1])}`

// ARGV[1] what the value of the holder begins with.
const whenHeld = (change: string): string => `
local value = redis.call('GET', KEYS[1])
if not value or string.sub(value, 1, string.len(ARGV[1])) ~= ARGV[1] then return 0 end
${change}
return 1`

const renew = whenHeld("redis.call('PEXPIRE', KEYS[1], ARGV[2])")

/** The fingerprint stays that of the value before. */
const complete = whenHeld(
  "redis.call('SET', KEYS[1], 'c:' .. string.sub(value, string.len(ARGV[1]) + 1) .. ':' .. ARGV[2], 'PX', ARGV[3])"
)

const release = whenHeld("redis.call('DEL', KEYS[1])")

const holder = (token: string): string => `p:${token}:`

/** No colon may stand in what stands before one. */
const name = /^[!-9;-~]+$/

/**
 * Makes a store over a client, which stays its owner's: it is neither connected nor closed here.
 *
 * **Details**
 *
 * A `begin` that is interrupted, by the time limit of its caller say, is taken back: the client sends its commands in order, so the key that
 * it may have taken is free again when the connection is back.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = ({ client, prefix = "idempotency:" }: Options): IdempotencyStore.Store => {
  if (typeof client?.eval !== "function") {
    throw new InvalidOption({ where: "IdempotencyStore.make", option: "client", value: client, requirement: "a client with eval" })
  }
  const run = (
    operation: IdempotencyStore.IdempotencyStoreError["operation"],
    script: string,
    key: string,
    ...args: Array<string | number>
  ) =>
    Effect.tryPromise({
      try: () => client.eval(script, 1, prefix + key, ...args),
      catch: (cause) => new IdempotencyStore.IdempotencyStoreError({ operation, cause })
    })
  const held = (...args: Parameters<typeof run>) => Effect.map(run(...args), (answer) => answer === 1)
  return {
    begin: (key, { fingerprint, lease, token }) => {
      if (!name.test(token) || !name.test(fingerprint)) return malformed("a token or a fingerprint that is no name")
      const takenBack = Effect.ignore(run("release", release, key, holder(token)))
      return run("begin", begin, key, holder(token) + fingerprint, whole(lease)).pipe(
        Effect.onInterrupt(() => Effect.asVoid(Effect.forkDaemon(takenBack))),
        Effect.flatMap((answer) =>
          Option.match(read(answer, fingerprint), {
            onNone: () => malformed("it holds what it cannot read"),
            onSome: Effect.succeed
          })
        )
      )
    },
    renew: (key, token, lease) => held("renew", renew, key, holder(token), whole(lease)),
    complete: (key, token, result, ttl) => held("complete", complete, key, holder(token), result, whole(ttl)),
    release: (key, token) => held("release", release, key, holder(token))
  }
}

const malformed = (cause: string) => new IdempotencyStore.IdempotencyStoreError({ operation: "begin", cause })

/** Redis counts whole ms, and none is an error to it. */
const whole = (millis: Millis): number => Math.max(1, Math.ceil(millis))

const inProgress = /^p:[!-9;-~]+:([!-9;-~]+)$/
const completed = /^c:([!-9;-~]+):([^]*)$/

/** Redis is shared: what stands there may be anybody's. */
const read = (answer: unknown, fingerprint: string): Option.Option<IdempotencyRecord.Answer<string>> => {
  if (answer === null) return Option.some({ _tag: "Begun" })
  if (!Array.isArray(answer)) return Option.none()
  const [value, leaseEnds]: ReadonlyArray<unknown> = answer
  if (typeof value !== "string" || typeof leaseEnds !== "number") return Option.none()
  const done = completed.exec(value)
  const found = done?.[1] ?? inProgress.exec(value)?.[1]
  if (found === undefined) return Option.none()
  if (found !== fingerprint) return Option.some({ _tag: "Mismatch" })
  const result = done?.[2]
  return Option.some(result === undefined ? { _tag: "Busy", leaseEnds: Math.max(0, leaseEnds) } : { _tag: "Done", result })
}

/**
 * Keeps idempotency keys in Redis.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerStoreRedis = (options: Options): Layer.Layer<IdempotencyStore.IdempotencyStore> =>
  Layer.sync(IdempotencyStore.IdempotencyStore, () => make(options))
