/**
 * What a bench may say of repeated measurements: the middle, and how far the middle half of them lies apart.
 */

export interface Quartiles {
  readonly q1: number
  readonly median: number
  readonly q3: number
}

/** Quartiles by linear interpolation, as R and NumPy have them. */
export const quartiles = (values: ReadonlyArray<number>): Quartiles => {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (part: number): number => {
    const place = (sorted.length - 1) * part
    const low = sorted[Math.floor(place)]!
    return low + (sorted[Math.ceil(place)]! - low) * (place - Math.floor(place))
  }
  return { q1: at(0.25), median: at(0.5), q3: at(0.75) }
}

/** Something counted or computed once: there is no spread. */
export const exactly = (value: number): Quartiles => ({ q1: value, median: value, q3: value })
