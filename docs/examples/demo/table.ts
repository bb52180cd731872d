/**
 * What two calls have cost, side by side.
 */
import { Option } from "effect"
import type { Measured } from "./measure.ts"
import * as Pool from "./pool.ts"
import { attemptsIn } from "./spans.ts"
import { bold, dim } from "./terminal.ts"

const seconds = (millis: number): string => `${(millis / 1000).toFixed(1)} s`

const attempts = ({ received, spans }: Measured): string => {
  const made = attemptsIn(spans).length
  return made === received.length ? `${made}` : `${made}, of which ${received.length} were sent`
}

const lines: ReadonlyArray<readonly [string, (measured: Measured) => string]> = [
  ["result", ({ millis, result }) => `${result}, ${seconds(millis)}`],
  ["attempts, where 6 are allowed", attempts],
  ["asked to wait 1 s, waited", ({ waited }) => Option.match(waited, { onNone: () => "never asked", onSome: seconds })],
  ["connections opened", ({ opened }) => `${opened}`],
  ["connections left open", ({ open }) => `${open}`],
  ["  held by answers nobody read", ({ held }) => `${held} of ${Pool.size}`],
  ["a second call, elsewhere", ({ next }) =>
    Option.match(next, { onNone: () => "no answer in 1 s", onSome: (millis) => `answered in ${millis} ms` })]
]

const widths = [32, 20, 24] as const

export const table = (ours: Measured, theirs: Measured): ReadonlyArray<string> => [
  ` ${dim("both: undici, 2 connections, 300 ms an attempt, 6 s in all, backoff from 100 ms")}`,
  "",
  ` ${"".padEnd(widths[0])}${bold("effect-resilience".padEnd(widths[1]))}${bold("retryTransient")}`,
  ` ${dim("─".repeat(widths[0] + widths[1] + widths[2]))}`,
  ...lines.map(([name, of]) => ` ${dim(name.padEnd(widths[0]))}${of(ours).padEnd(widths[1])}${of(theirs)}`),
  ...conclusion(theirs)
]

/** Said only where it was measured. */
const conclusion = ({ held, received, spans }: Measured): ReadonlyArray<string> =>
  held === Pool.size && received.length < attemptsIn(spans).length
    ? ["", ` ${dim("Two unread error pages of 64 KB hold both connections: no more can be sent.")}`]
    : []
