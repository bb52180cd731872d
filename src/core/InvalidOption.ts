/**
 * What a constructor throws when it is given a number it cannot work with.
 *
 * A wrong option is a mistake in the program, so it stops the program where it is made, with the number in the message: not
 * the call that would use it later. `Duration` alone does not do that: `Duration.millis(NaN)` and
 * `Duration.millis(-1)` are silently 0, and a delay of 0 is a busy loop. So the raw input is looked at, before it is decoded.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"

/**
 * The defect of a constructor that was given an option outside its range.
 *
 * **Example** (What it says)
 *
 * ```ts
 * import { InvalidOption } from "effect-resilience"
 *
 * const error = new InvalidOption.InvalidOption({
 *   where: "Backoff.exponential",
 *   option: "factor",
 *   value: NaN,
 *   requirement: "a finite number >= 1"
 * })
 *
 * error.message // => "Backoff.exponential: factor must be a finite number >= 1, got NaN"
 * ```
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidOption extends Error {
  override readonly name = "InvalidOption"
  readonly where: string
  readonly option: string
  readonly value: unknown
  readonly requirement: string

  constructor(details: {
    readonly where: string
    readonly option: string
    readonly value: unknown
    readonly requirement: string
  }) {
    super(`${details.where}: ${details.option} must be ${details.requirement}, got ${show(details.value)}`)
    this.where = details.where
    this.option = details.option
    this.value = details.value
    this.requirement = details.requirement
  }
}

/**
 * The ends of a range of numbers. An end that is left out is open.
 *
 * @since 0.1.0
 * @category models
 */
export interface Range {
  /** The smallest number allowed. */
  readonly min?: number | undefined
  /** The number that everything allowed is above. */
  readonly minExclusive?: number | undefined
  /** The largest number allowed. */
  readonly max?: number | undefined
}

/**
 * Returns the number, or throws `InvalidOption` when it is not finite or not in the range.
 *
 * **Example** (A ratio)
 *
 * ```ts
 * import { InvalidOption } from "effect-resilience"
 *
 * InvalidOption.numberIn("RetryBudget.make", "ratio", 0.1, { minExclusive: 0, max: 1 }) // => 0.1
 * ```
 *
 * @since 0.1.0
 * @category validation
 */
export const numberIn = (where: string, option: string, input: unknown, range: Range = {}): number => {
  if (typeof input === "number" && Number.isFinite(input) && contains(range, input)) return withoutSign(input)
  throw new InvalidOption({ where, option, value: input, requirement: `a finite number${printed(range, "")}` })
}

/**
 * Returns the integer, or throws `InvalidOption` when it is not a safe integer (below 2^53) or not in the range.
 *
 * **Example** (A number of attempts)
 *
 * ```ts
 * import { InvalidOption } from "effect-resilience"
 *
 * InvalidOption.integerIn("Retry.make", "maxAttempts", 3, { min: 1, max: 10 }) // => 3
 * ```
 *
 * @since 0.1.0
 * @category validation
 */
export const integerIn = (where: string, option: string, input: unknown, range: Range = {}): number => {
  if (typeof input === "number" && Number.isSafeInteger(input) && contains(range, input)) return withoutSign(input)
  throw new InvalidOption({ where, option, value: input, requirement: `an integer${printed(range, "")}` })
}

/**
 * Returns a duration in milliseconds, or throws `InvalidOption` when it is NaN, negative, infinite, cannot be read, or is
 * not in the range.
 *
 * **Details**
 *
 * The ends of the range are milliseconds; without a lower end it is `min: 0`. Fractions stay: `"1500 micros"` is 1.5.
 *
 * **Gotchas**
 *
 * A `Duration` that was made from a negative number or from NaN is already 0 when it comes here. Only an option that does
 * not allow 0 can still see that.
 *
 * **Example** (A time limit)
 *
 * ```ts
 * import { InvalidOption } from "effect-resilience"
 *
 * InvalidOption.durationMillis("Timeout.make", "limit", "2 seconds", { minExclusive: 0 }) // => 2000
 * ```
 *
 * @since 0.1.0
 * @category validation
 */
export const durationMillis = (
  where: string,
  option: string,
  input: Duration.DurationInput,
  range: Range = {}
): number => {
  const atLeastZero: Range = range.min === undefined && range.minExclusive === undefined ? { ...range, min: 0 } : range
  const millis = isSound(input) ? Option.map(Duration.decodeUnknown(input), Duration.toMillis) : Option.none()
  if (Option.isSome(millis) && Number.isFinite(millis.value) && contains(atLeastZero, millis.value)) return millis.value
  throw new InvalidOption({ where, option, value: input, requirement: `a finite duration${printed(atLeastZero, " ms")}` })
}

/** True unless decoding would turn a NaN or a negative number into a silent 0. */
const isSound = (input: unknown): boolean => {
  switch (typeof input) {
    case "number":
      return input >= 0
    case "bigint":
      return input >= 0
    case "string":
      return !input.startsWith("-")
    default:
      return !Array.isArray(input) || input.every((part) => part >= 0)
  }
}

const contains = (range: Range, n: number): boolean =>
  n >= (range.min ?? -Infinity) && n > (range.minExclusive ?? -Infinity) && n <= (range.max ?? Infinity)

const printed = (range: Range, unit: string): string =>
  [
    range.min === undefined ? [] : [`>= ${range.min}${unit}`],
    range.minExclusive === undefined ? [] : [`> ${range.minExclusive}${unit}`],
    range.max === undefined ? [] : [`<= ${range.max}${unit}`]
  ].flat().map((end, i) => `${i === 0 ? " " : " and "}${end}`).join("")

/** -0 becomes 0: the two are equal, yet print and divide differently. */
const withoutSign = (n: number): number => n + 0

/**
 * Writes a value for a message: short, and safe, since what an object holds may be a secret and is not printed.
 *
 * @since 0.1.0
 * @category messages
 */
export const show = (value: unknown): string => {
  switch (typeof value) {
    case "string":
      return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}...` : value)
    case "bigint":
      return `${value}n`
    case "function":
      return "a function"
    case "object":
      if (Duration.isDuration(value)) return `Duration(${Duration.format(value)})`
      return value === null ? "null" : Array.isArray(value) ? "an array" : "an object"
    default:
      return String(value)
  }
}

/**
 * Returns the list, or throws `InvalidOption` when it is empty: a list that allows nothing is most often a mistake.
 *
 * @since 0.1.0
 * @category validation
 */
export const nonEmpty = <A>(where: string, option: string, input: ReadonlyArray<A>): ReadonlyArray<A> => {
  if (input.length > 0) return input
  throw new InvalidOption({ where, option, value: input, requirement: "a list that is not empty" })
}
