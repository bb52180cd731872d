/**
 * What can be asked of the demo.
 */
import { Data, Effect } from "effect"
import { parseArgs } from "node:util"
import * as Trouble from "./trouble.ts"

export interface Flags {
  /** Where Prometheus finds it; 0 is a free port. */
  readonly port: number
  /** After which it ends by itself. */
  readonly seconds: number
  readonly trouble: ReadonlySet<Trouble.Trouble>
}

export class Usage extends Data.TaggedError("Usage")<{ readonly message: string }> {}

const options = {
  port: { type: "string", default: "9464" },
  seconds: { type: "string", default: "Infinity" },
  trouble: { type: "string", default: "none" }
} as const

export const parse = (args: ReadonlyArray<string>): Effect.Effect<Flags, Usage> =>
  Effect.gen(function*() {
    const { values } = yield* Effect.try({
      try: () => parseArgs({ args: [...args], options }),
      catch: (error) => new Usage({ message: error instanceof Error ? error.message : String(error) })
    })
    const trouble = yield* Effect.mapError(
      Trouble.parse(values.trouble),
      () => new Usage({ message: `--trouble is all, none, or some of ${Trouble.all.join(",")}, and not "${values.trouble}"` })
    )
    const [port, seconds] = [Number(values.port), Number(values.seconds)]
    if (!(Number.isInteger(port) && port >= 0 && port < 65_536)) {
      return yield* new Usage({ message: `--port is a number from 0 to 65535, and not "${values.port}"` })
    }
    if (!(seconds > 0)) return yield* new Usage({ message: `--seconds is a number above 0, and not "${values.seconds}"` })
    return { port, seconds, trouble }
  })
