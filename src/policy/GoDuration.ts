/**
 * Durations as Go writes them: `1m30s`, `250ms`, or a whole number of nanoseconds, which is what `encoding/json` makes of a
 * `time.Duration`.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import type { Millis } from "../core/Millis.ts"

const units: ReadonlyMap<string, number> = new Map([
  ["ns", 1e-6],
  ["us", 1e-3],
  ["µs", 1e-3],
  ["μs", 1e-3],
  ["ms", 1],
  ["s", 1_000],
  ["m", 60_000],
  ["h", 3_600_000]
])

const part = "\\d{1,12}(?:\\.\\d{1,9})?(?:ns|us|µs|μs|ms|s|m|h)"
const whole = new RegExp(`^(?:${part}){1,8}$`)
const each = /([\d.]+)(\D+)/g

/**
 * Reads a duration as Go's `time.ParseDuration` does, except that it has a sign. What is not a whole number of milliseconds is rounded up:
 * a limit that is lost would be worse than one that is a little longer.
 *
 * **Example** (Three durations)
 *
 * ```ts
 * import { GoDuration } from "effect-resilience"
 * import { Option } from "effect"
 *
 * GoDuration.millis("1m30s") // => Option.some(90_000)
 * GoDuration.millis(500_000_000) // => Option.some(500)
 * GoDuration.millis("90") // => Option.none()
 * ```
 *
 * @since 0.1.0
 * @category parsing
 */
export const millis = (input: string | number): Option.Option<Millis> => {
  if (typeof input === "number") {
    return Number.isSafeInteger(input) && input >= 0 ? Option.some(Math.ceil(input / 1e6)) : Option.none()
  }
  if (input === "0") return Option.some(0)
  if (!whole.test(input)) return Option.none()
  let sum = 0
  for (const [, count, unit = ""] of input.matchAll(each)) sum += Number(count) * (units.get(unit) ?? 0)
  // The noise of adding decimals is below a nanosecond.
  return Option.some(Math.ceil(Math.round(sum * 1e6) / 1e6))
}
