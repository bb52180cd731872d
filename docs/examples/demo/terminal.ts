/**
 * The terminal: drawn in place where there is one, plain lines where there is none.
 */
import { Effect } from "effect"

const { env, stdout } = process

const isTerminal = stdout.isTTY && env["TERM"] !== "dumb"

/** What is drawn in place must not be wrapped. */
const narrowest = 60

const isLive = isTerminal && stdout.columns > narrowest

export const inColour = isTerminal && (env["NO_COLOR"] ?? "") === ""

const paint = (code: number) => (text: string): string => (inColour && text !== "" ? `\x1b[${code}m${text}\x1b[0m` : text)

export const bold = paint(1)
export const dim = paint(2)
export const red = paint(31)
export const green = paint(32)

/** How wide a picture may be. */
export const columns = (): number => Math.min(Math.max((isLive ? stdout.columns : 97) - 1, narrowest), 96)

export const print = (...lines: ReadonlyArray<string>): Effect.Effect<void> =>
  Effect.sync(() => void stdout.write(lines.map((line) => `${line}\n`).join("")))

/** Draws a picture over and over while an effect runs, and once more at its end; where there is no terminal only then. */
export const whileDrawing = (picture: Effect.Effect<ReadonlyArray<string>>) => <A, E, R>(self: Effect.Effect<A, E, R>) => {
  if (!isLive) return Effect.ensuring(self, Effect.flatMap(picture, (lines) => print(...lines)))
  let drawn = 0
  const draw = Effect.map(picture, (lines) => {
    const up = drawn > 0 ? `\x1b[${drawn}A` : ""
    stdout.write(`${up}${lines.map((line) => `${line}\x1b[K\n`).join("")}`)
    drawn = lines.length
  })
  const cursor = (visible: boolean) => Effect.sync(() => void stdout.write(visible ? "\x1b[?25h" : "\x1b[?25l"))
  const drawing = Effect.forever(Effect.delay(draw, "60 millis"))
  return Effect.acquireUseRelease(
    cursor(false),
    () => Effect.raceFirst(self, drawing),
    () => Effect.zipRight(draw, cursor(true))
  )
}
