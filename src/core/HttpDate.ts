/**
 * Reads the dates of HTTP: the three forms of RFC 9110 section 5.6.7 and nothing else, always in UTC.
 *
 * `Date.parse` is no help here: it takes almost anything for a date, and reads the asctime form in the zone of the machine.
 *
 * | form | example |
 * | --- | --- |
 * | IMF-fixdate | `Sun, 06 Nov 1994 08:49:37 GMT` |
 * | RFC 850 (obsolete) | `Sunday, 06-Nov-94 08:49:37 GMT` |
 * | asctime (obsolete) | `Sun Nov  6 08:49:37 1994` |
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import type { Millis } from "./Millis.ts"

const weekdays = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

const weekday = `(?<weekday>${weekdays.join("|")})`
const longWeekday = "(?<weekday>Sunday|Monday|Tuesday|Wednesday|Thursday|Friday|Saturday)"
const month = `(?<month>${months.join("|")})`
const time = "(?<hour>[0-9]{2}):(?<minute>[0-9]{2}):(?<second>[0-9]{2})"

const forms = [
  new RegExp(`^${weekday}, (?<day>[0-9]{2}) ${month} (?<year>[0-9]{4}) ${time} GMT$`),
  new RegExp(`^${longWeekday}, (?<day>[0-9]{2})-${month}-(?<year>[0-9]{2}) ${time} GMT$`),
  new RegExp(`^${weekday} ${month} (?<day>[0-9]{2}| [0-9]) ${time} (?<year>[0-9]{4})$`)
]

const dayMillis = 86_400_000
const meanYearMillis = 365.2425 * dayMillis

/**
 * Reads an HTTP date as an instant: milliseconds since the epoch, a whole number of seconds.
 *
 * **Details**
 *
 * `now`, in milliseconds since the epoch, is only looked at for the two-digit year of RFC 850: the year is the last one with these
 * digits that is not more than 50 years after now. Case, spaces and `GMT` must be as in the grammar.
 * The weekday must be that of the date. The second may be 60 in the last minute of a day, and is then the first of the next.
 * Total: anything else is `None`.
 *
 * **Example** (One instant in three forms)
 *
 * ```ts
 * import { HttpDate } from "effect-resilience"
 * import { Option } from "effect"
 *
 * HttpDate.parse("Sun, 06 Nov 1994 08:49:37 GMT", 0) // => Option.some(784111777000)
 * HttpDate.parse("Sunday, 06-Nov-94 08:49:37 GMT", 0) // => Option.some(784111777000)
 * HttpDate.parse("Sun Nov  6 08:49:37 1994", 0) // => Option.some(784111777000)
 * HttpDate.parse("1994-11-06T08:49:37Z", 0) // => Option.none()
 * ```
 *
 * @since 0.1.0
 * @category parsing
 */
export const parse = (value: string, now: Millis): Option.Option<Millis> => {
  for (const form of forms) {
    const fields = form.exec(value)?.groups
    if (fields !== undefined) return instant(fields, now)
  }
  return Option.none()
}

const instant = (fields: Readonly<Record<string, string>>, now: Millis): Option.Option<Millis> => {
  const month = months.indexOf(fields.month) + 1
  const [day, hour, minute, second] = [Number(fields.day), Number(fields.hour), Number(fields.minute), Number(fields.second)]
  const sinceMidnight = (hour * 3600 + minute * 60 + second) * 1000
  const year = fields.year.length === 2 ? nearestYear(Number(fields.year), month, day, sinceMidnight, now) : Number(fields.year)
  const days = daysSinceEpoch(year, month, day)

  const isLeapSecond = second === 60 && minute === 59 && hour === 23
  const isTime = hour < 24 && minute < 60 && (second < 60 || isLeapSecond)
  const isYear = year >= 0 && year <= 9999
  const isDate = day >= 1 && days < daysSinceEpoch(year, month + 1, 1)
  // The epoch was a Thursday.
  const isWeekday = weekdays.indexOf(fields.weekday.slice(0, 3)) === modulo(days + 4, 7)
  return isTime && isYear && isDate && isWeekday ? Option.some(days * dayMillis + sinceMidnight) : Option.none()
}

/** The last year with these two digits in which the date is at most 50 years after now. */
const nearestYear = (digits: number, month: number, day: number, sinceMidnight: Millis, now: Millis): number => {
  // The estimate of the current year may be wrong by one: so the first candidate is never too early, perhaps a century too late.
  const latest = 1970 + Math.floor(now / meanYearMillis) + 51
  const year = latest - modulo(latest - digits, 100)
  const fiftyYearsBefore = daysSinceEpoch(year - 50, month, day) * dayMillis + sinceMidnight
  return fiftyYearsBefore > now ? year - 100 : year
}

/**
 * Days from 1970-01-01 in the proleptic Gregorian calendar. The year begins in March, so that the leap day is its last, and
 * the months from March on have 153 days in every five. A month of 13 is January of the next year.
 */
const daysSinceEpoch = (year: number, month: number, day: number): number => {
  const sinceMarch = modulo(month - 3, 12)
  const marchYear = year + Math.floor((month - 3) / 12)
  const leapDays = Math.floor(marchYear / 4) - Math.floor(marchYear / 100) + Math.floor(marchYear / 400)
  return marchYear * 365 + leapDays + Math.floor((153 * sinceMarch + 2) / 5) + day - 719_469
}

const modulo = (n: number, divisor: number): number => n - divisor * Math.floor(n / divisor)
