/**
 * Where the policies of services come from: a file, which is watched.
 *
 * @since 0.1.0
 */
import type * as PlatformError from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as InvalidPolicy from "./InvalidPolicy.ts"
import * as Registry from "./Registry.ts"
import * as Services from "./Services.ts"

/**
 * Reads services from a file of JSON. Errors name the file.
 *
 * @since 0.1.0
 * @category sources
 */
export const fromFile = (
  path: string
): Effect.Effect<Services.Services, InvalidPolicy.InvalidPolicy | PlatformError.PlatformError, FileSystem.FileSystem> =>
  Effect.flatMap(FileSystem.FileSystem, (files) => Effect.flatMap(files.readFileString(path), (text) => parsed(path, text)))

const parsed = (path: string, text: string) => Effect.mapError(Services.fromJson(text), (error) => InvalidPolicy.from(error, path))

/**
 * How a file is watched.
 *
 * @since 0.1.0
 * @category models
 */
export interface WatchOptions {
  /** For how long nothing must have happened to the file before it is read: who writes it may do so in pieces. Default: 50 ms. */
  readonly settle?: Duration.DurationInput | undefined
  /** How often it is looked at without having been told of: not every file system tells. Default: 30 seconds. */
  readonly poll?: Duration.DurationInput | undefined
}

/**
 * The updates of a file: one for each text that it has, the first included. It never ends.
 *
 * **Details**
 *
 * The folder is watched and not the file, so that a file that is replaced by another under its name (as editors, and ConfigMaps of Kubernetes
 * through a link, do) is seen as well. A file that cannot be read is an update that fails, once for as long as that lasts.
 *
 * @since 0.1.0
 * @category sources
 */
export const watch = (
  path: string,
  options: WatchOptions = {}
): Stream.Stream<Registry.Update, never, FileSystem.FileSystem | Path.Path> =>
  Stream.unwrap(
    Effect.map(Effect.all([FileSystem.FileSystem, Path.Path]), ([files, { dirname }]) => {
      const { poll = "30 seconds", settle = "50 millis" } = options
      // Where watching is not possible, or ends, there is still the poll.
      const told = files.watch(dirname(path)).pipe(Stream.catchAll(() => Stream.empty), Stream.debounce(settle))
      // The first look is after the watch has been set up: what happens between is seen by the one or the other.
      const looks = Stream.concat(Stream.fromEffect(Effect.sleep(settle)), Stream.fromSchedule(Schedule.spaced(poll)))
      const read = Effect.match(files.readFileString(path), {
        onFailure: (error): Read => ({ update: Effect.fail(error), seen: `! ${error.message}` }),
        onSuccess: (text): Read => ({ update: parsed(path, text), seen: `= ${text}` })
      })
      return Stream.merge(told, looks).pipe(
        Stream.mapEffect(() => read),
        Stream.changesWith((before, after) => before.seen === after.seen),
        Stream.map(({ update }) => update)
      )
    })
  )

/** A text that was read, or that it could not be. */
interface Read {
  readonly update: Registry.Update
  readonly seen: string
}

/**
 * The registry of an application from a file, which is watched. It must be there, and valid, when the application begins.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  path: string,
  options?: WatchOptions
): Layer.Layer<Registry.Registry, InvalidPolicy.InvalidPolicy | PlatformError.PlatformError, FileSystem.FileSystem | Path.Path> =>
  Layer.unwrapEffect(Effect.map(fromFile(path), (initial) => Registry.layer({ initial, updates: watch(path, options) })))
