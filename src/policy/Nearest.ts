/**
 * The known name that one which is not known was meant to be.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"

/** Longer names are not looked at any closer. */
const maxLength = 64

/** `max_attempts` and `MaxAttempts` are `maxAttempts` in another hand. */
const plain = (name: string): string => name.slice(0, maxLength).toLowerCase().replace(/[-_ ]/g, "")

/**
 * How many letters have to be added, taken away, replaced or swapped with their neighbour to make one text another: the optimal string
 * alignment distance.
 *
 * **Example** (Two letters swapped, one missing)
 *
 * ```ts
 * import { Nearest } from "effect-resilience"
 *
 * Nearest.distance("deadline", "daedline") // => 1
 * Nearest.distance("retry", "rety") // => 1
 * ```
 *
 * @since 0.1.0
 * @category arithmetic
 */
export const distance = (from: string, to: string): number => {
  let before: ReadonlyArray<number> = []
  let above = Array.from({ length: to.length + 1 }, (_, j) => j)
  for (let i = 1; i <= from.length; i++) {
    const row = [i]
    for (let j = 1; j <= to.length; j++) {
      const same = from[i - 1] === to[j - 1] ? 0 : 1
      const at = (cells: ReadonlyArray<number>, index: number) => cells[index] ?? Infinity
      const edited = Math.min(at(above, j) + 1, at(row, j - 1) + 1, at(above, j - 1) + same)
      const isSwapped = i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1]
      row.push(isSwapped ? Math.min(edited, at(before, j - 2) + 1) : edited)
    }
    before = above
    above = row
  }
  return above[to.length] ?? 0
}

/**
 * The nearest of the known names, where one is near enough: a third of its letters may differ, but not fewer than two. Of several at
 * the same distance, the first.
 *
 * **Example** (A typing error, and another word)
 *
 * ```ts
 * import { Nearest } from "effect-resilience"
 * import { Option } from "effect"
 *
 * Nearest.of("maxAttemps", ["maxAttempts", "backoff"]) // => Option.some("maxAttempts")
 * Nearest.of("colour", ["maxAttempts", "backoff"]) // => Option.none()
 * ```
 *
 * @since 0.1.0
 * @category getters
 */
export const of = (name: string, known: ReadonlyArray<string>): Option.Option<string> => {
  const given = plain(name)
  let best: string | undefined
  let least = Infinity
  for (const each of known) {
    const wanted = plain(each)
    const letters = distance(given, wanted)
    if (letters < least && letters <= Math.max(2, Math.floor(wanted.length / 3))) {
      best = each
      least = letters
    }
  }
  return Option.fromNullable(best)
}
