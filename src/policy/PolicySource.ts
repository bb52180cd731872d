/**
 * Where policies come from: a text of JSON, a file, the configuration of the program.
 *
 * @since 0.1.0
 */
import type * as PlatformError from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as InvalidPolicy from "./InvalidPolicy.ts"
import * as Policy from "./Policy.ts"
import * as PolicyConfig from "./PolicyConfig.ts"

/** The longest text that is read, in characters: what is longer is no policy. */
const longest = 1_048_576

const parse = (text: string): Effect.Effect<unknown, InvalidPolicy.InvalidPolicy> => {
  if (text.length > longest) {
    return InvalidPolicy.of({ _tag: "Wrong", path: [], value: text.length, allowed: `a text of at most ${longest} characters` })
  }
  return Effect.try({
    try: (): unknown => JSON.parse(text),
    catch: (error) => InvalidPolicy.of({ _tag: "Unreadable", path: [], at: placeIn(text, error) })
  })
}

/** Engines say where in their message, if at all. */
const placeIn = (text: string, error: unknown) => {
  const position = /position (\d+)/.exec(error instanceof Error ? error.message : "")?.[1]
  return Option.map(Option.fromNullable(position), (position) => {
    const lines = text.slice(0, Number(position)).split("\n")
    return { line: lines.length, column: (lines.at(-1)?.length ?? 0) + 1 }
  })
}

/**
 * Reads a policy from a text of JSON.
 *
 * @since 0.1.0
 * @category sources
 */
export const fromJson = (text: string): Effect.Effect<Policy.Policy, InvalidPolicy.InvalidPolicy> =>
  Effect.flatMap(parse(text), Policy.decode)

/**
 * Reads a policy from a file of JSON. Errors name the file.
 *
 * @since 0.1.0
 * @category sources
 */
export const fromFile = (
  path: string
): Effect.Effect<Policy.Policy, InvalidPolicy.InvalidPolicy | PlatformError.PlatformError, FileSystem.FileSystem> =>
  Effect.flatMap(FileSystem.FileSystem, (files) =>
    Effect.flatMap(files.readFileString(path), (text) =>
      Effect.mapError(fromJson(text), (error) => InvalidPolicy.from(error, path))))

/**
 * Reads a policy from the configuration of the program, under a name: from the environment, say.
 *
 * **Details**
 *
 * Each field has the path that it has in a policy, so that `retry.maxAttempts` under `payments` is `PAYMENTS_RETRY_MAX_ATTEMPTS` where the
 * provider is `ConfigProvider.constantCase(ConfigProvider.fromEnv())`. A part can be given as a
 * text of JSON as well, which is how a list of objects, or an object with nothing in it, is written: `PAYMENTS_CIRCUIT_BREAKER={}`. A
 * list of words is a text with commas. What is not there is left out of the policy.
 *
 * **Gotchas**
 *
 * An environment has many other variables, so a name that is not known is no error here, and a typing error in a name is not seen. Where
 * that matters, read a file.
 *
 * **Example** (A policy in the environment)
 *
 * ```ts
 * import { PolicySource } from "effect-resilience"
 * import { ConfigProvider, Effect } from "effect"
 *
 * const environment = new Map([
 *   ["PAYMENTS_RETRY_MAX_ATTEMPTS", "4"],
 *   ["PAYMENTS_CIRCUIT_BREAKER", "{}"],
 *   ["PAYMENTS_DEADLINE", "10 seconds"]
 * ])
 *
 * const provider = ConfigProvider.constantCase(ConfigProvider.fromMap(environment, { pathDelim: "_" }))
 *
 * Effect.runSync(Effect.withConfigProvider(PolicySource.fromConfig("payments"), provider))
 * // => { retry: { maxAttempts: 4 }, circuitBreaker: {}, deadline: 10_000 }
 * ```
 *
 * @since 0.1.0
 * @category sources
 */
export const fromConfig = (name: string): Config.Config<Policy.Policy> =>
  Config.nested(
    Config.mapOrFail(PolicyConfig.written(Policy.schema.ast), (written) =>
      Either.mapLeft(Policy.decodeEither(written ?? {}), (error) => ConfigError.InvalidData([], error.message))),
    name
  )
