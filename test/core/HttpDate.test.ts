import { Option } from "effect"
import * as fc from "fast-check"
import { execFileSync } from "node:child_process"
import { assert, describe, it } from "vitest"
import * as HttpDate from "../../src/core/HttpDate.ts"

const longWeekdays = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"]
const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
const digits = (n: number, width = 2) => String(n).padStart(width, "0")

const parts = (instant: number) => {
  const date = new Date(instant)
  return {
    weekday: longWeekdays[date.getUTCDay()]!,
    day: date.getUTCDate(),
    month: months[date.getUTCMonth()]!,
    year: date.getUTCFullYear(),
    time: [date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds()].map((n) => digits(n)).join(":")
  }
}
const imf = (instant: number) => {
  const { day, month, time, weekday, year } = parts(instant)
  return `${weekday.slice(0, 3)}, ${digits(day)} ${month} ${digits(year, 4)} ${time} GMT`
}
const rfc850 = (instant: number) => {
  const { day, month, time, weekday, year } = parts(instant)
  return `${weekday}, ${digits(day)}-${month}-${digits(year % 100)} ${time} GMT`
}
const asctime = (instant: number) => {
  const { day, month, time, weekday, year } = parts(instant)
  return `${weekday.slice(0, 3)} ${month} ${String(day).padStart(2, " ")} ${time} ${digits(year, 4)}`
}

const at = (iso: string) => Date.parse(iso)
const now = at("2026-06-15T12:00:00Z")
const parsed = (value: string, clock = now) => Option.getOrUndefined(HttpDate.parse(value, clock))
const seconds = (from: string, to: string) =>
  fc.integer({ min: at(from) / 1000, max: at(to) / 1000 }).map((second) => second * 1000)
const runs = { numRuns: 3000 }

describe("the three forms", () => {
  it.each([
    ["Sun, 06 Nov 1994 08:49:37 GMT", "1994-11-06T08:49:37Z"],
    ["Sunday, 06-Nov-94 08:49:37 GMT", "1994-11-06T08:49:37Z"],
    ["Sun Nov  6 08:49:37 1994", "1994-11-06T08:49:37Z"],
    ["Sun Nov 06 08:49:37 1994", "1994-11-06T08:49:37Z"],
    ["Wed Nov 16 08:49:37 1994", "1994-11-16T08:49:37Z"],
    ["Thu, 01 Jan 1970 00:00:00 GMT", "1970-01-01T00:00:00Z"],
    ["Wed, 31 Dec 1969 23:59:59 GMT", "1969-12-31T23:59:59Z"],
    ["Fri, 31 Dec 9999 23:59:59 GMT", "9999-12-31T23:59:59Z"],
    ["Sat, 01 Jan 0000 00:00:00 GMT", "0000-01-01T00:00:00Z"],
    ["Thu, 29 Feb 2024 00:00:00 GMT", "2024-02-29T00:00:00Z"],
    ["Tue, 29 Feb 2000 00:00:00 GMT", "2000-02-29T00:00:00Z"],
    ["Sun, 31 Dec 2023 00:00:00 GMT", "2023-12-31T00:00:00Z"]
  ])("reads %s", (value, iso) => assert.strictEqual(parsed(value), at(iso)))

  it("reads what the platform writes, in every second of 1970 to 9999", () => {
    fc.assert(
      fc.property(seconds("1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z"), (instant) => {
        assert.strictEqual(imf(instant), new Date(instant).toUTCString())
        assert.strictEqual(parsed(imf(instant)), instant)
        assert.strictEqual(parsed(asctime(instant)), instant)
        assert.strictEqual(parsed(rfc850(instant), instant), instant)
      }),
      runs
    )
  })

  it("agrees with the calendar on every day of four centuries, and on every date there is not", () => {
    const days = Array.from({ length: 31 }, (_, i) => i + 1)
    for (let year = 1999; year < 2400; year++) {
      for (const [index, month] of months.entries()) {
        for (const day of days) {
          const date = new Date(Date.UTC(year, index, day))
          const exists = date.getUTCMonth() === index
          const value = `${longWeekdays[date.getUTCDay()]!.slice(0, 3)}, ${digits(day)} ${month} ${year} 00:00:00 GMT`
          if (parsed(value) !== (exists ? date.getTime() : undefined)) assert.fail(value)
        }
      }
    }
  })
})

describe("a year of two digits", () => {
  it("is at most 50 years after now, to the second", () => {
    const date = (year: number, rest: string) => rfc850(at(`${year}-${rest}Z`))
    // Exactly 50 years ahead is not *more* than 50 years ahead.
    assert.strictEqual(parsed(date(2076, "06-15T12:00:00")), at("2076-06-15T12:00:00Z"))
    assert.strictEqual(parsed(date(1976, "06-15T12:00:01")), at("1976-06-15T12:00:01Z"))
    // Read as the other century, the weekday is wrong.
    assert.isUndefined(parsed(date(1976, "06-15T12:00:00")))
    assert.isUndefined(parsed(date(2076, "06-15T12:00:01")))
  })

  it("is the century of now, the one before or the one after", () => {
    assert.strictEqual(parsed("Sunday, 06-Nov-94 08:49:37 GMT", at("1999-01-01")), at("1994-11-06T08:49:37Z"))
    assert.strictEqual(parsed(rfc850(at("2005-01-01")), at("1999-01-01")), at("2005-01-01"))
    assert.strictEqual(parsed(rfc850(at("1995-01-01")), at("2001-01-01")), at("1995-01-01"))
    assert.strictEqual(parsed(rfc850(at("2100-01-01")), at("2051-01-01")), at("2100-01-01"))
    assert.strictEqual(parsed(rfc850(at("1970-01-01")), 0), 0)
  })

  it("is read for any now and any date from 49 years before to 50 years after", () => {
    const instants = seconds("1970-01-01T00:00:00Z", "9899-12-31T23:59:59Z")
    fc.assert(
      fc.property(instants, fc.integer({ min: -49 * 365 * 86_400, max: 50 * 365 * 86_400 }), (clock, offset) => {
        const instant = clock + offset * 1000
        assert.strictEqual(parsed(rfc850(instant), clock), instant)
      }),
      runs
    )
  })

  it("is not in the last century just because a year is beginning or ending", () => {
    for (let year = 1971; year < 2400; year++) {
      for (const clock of [at(`${year}-01-01T00:00:00Z`), at(`${year}-12-31T23:59:59Z`)]) {
        const furthest = Date.UTC(year + 50, new Date(clock).getUTCMonth(), new Date(clock).getUTCDate(), 0, 0, 0)
        assert.strictEqual(parsed(rfc850(furthest), clock), furthest, `${year}`)
        const tooFar = clock + 1000
        const past = new Date(tooFar)
        past.setUTCFullYear(past.getUTCFullYear() - 50)
        assert.strictEqual(parsed(rfc850(past.getTime()), clock), past.getTime(), `${year}`)
      }
    }
  })

  it("stays among the years that four digits can say", () => {
    const clock = at("9999-06-15T12:00:00Z")
    assert.strictEqual(parsed(rfc850(at("9950-01-01")), clock), at("9950-01-01"))
    assert.strictEqual(parsed(rfc850(at("9999-01-01")), clock), at("9999-01-01"))
    assert.isUndefined(parsed(rfc850(at("+010000-01-01T00:00:00Z")), clock))
    const early = at("0001-06-15T12:00:00Z")
    assert.strictEqual(parsed(rfc850(at("0000-01-01")), early), at("0000-01-01"))
    assert.isUndefined(parsed(rfc850(at("-000001-12-31T00:00:00Z")), early))
  })

  it("needs a now", () => {
    for (const clock of [NaN, Infinity, -Infinity, 1e19, -1e19, 1e300]) assert.isUndefined(parsed("Sunday, 06-Nov-94 08:49:37 GMT", clock))
    assert.strictEqual(parsed("Sun, 06 Nov 1994 08:49:37 GMT", NaN), at("1994-11-06T08:49:37Z"))
  })
})

describe("a leap second", () => {
  it("is the first second of the next day", () => {
    assert.strictEqual(parsed("Sat, 31 Dec 2016 23:59:60 GMT"), at("2017-01-01T00:00:00Z"))
    assert.strictEqual(parsed("Saturday, 31-Dec-16 23:59:60 GMT"), at("2017-01-01T00:00:00Z"))
    assert.strictEqual(parsed("Sat Dec 31 23:59:60 2016"), at("2017-01-01T00:00:00Z"))
  })

  it.each(["23:59:61", "23:58:60", "22:59:60", "00:00:60"])("is not %s", (time) => {
    assert.isUndefined(parsed(`Sat, 31 Dec 2016 ${time} GMT`))
  })
})

describe("malformed", () => {
  it.each([
    ["no such time", "Sun, 06 Nov 1994 25:99:99 GMT"],
    ["hour 24", "Sun, 06 Nov 1994 24:00:00 GMT"],
    ["minute 60", "Sun, 06 Nov 1994 08:60:00 GMT"],
    ["day 0", "Sun, 00 Nov 1994 08:49:37 GMT"],
    ["day 0, with the weekday of the day before", "Mon, 00 Nov 1994 08:49:37 GMT"],
    ["day 32", "Sun, 32 Dec 1994 08:49:37 GMT"],
    ["30 February", "Wed, 30 Feb 1994 08:49:37 GMT"],
    ["29 February of a common year, with the weekday of 1 March", "Wed, 29 Feb 2023 08:49:37 GMT"],
    ["29 February 2100", "Mon, 29 Feb 2100 00:00:00 GMT"],
    ["wrong weekday", "Mon, 06 Nov 1994 08:49:37 GMT"],
    ["wrong long weekday", "Monday, 06-Nov-94 08:49:37 GMT"],
    ["wrong weekday in asctime", "Mon Nov  6 08:49:37 1994"],
    ["year 10000", "Sat, 01 Jan 10000 00:00:00 GMT"],
    ["year of two digits in IMF-fixdate", "Sun, 06 Nov 94 08:49:37 GMT"],
    ["year of four digits in RFC 850", "Sunday, 06-Nov-1994 08:49:37 GMT"],
    ["one-digit day in IMF-fixdate", "Sun, 6 Nov 1994 08:49:37 GMT"],
    ["one-digit day in RFC 850", "Sunday, 6-Nov-94 08:49:37 GMT"],
    ["day with a space in IMF-fixdate", "Sun,  6 Nov 1994 08:49:37 GMT"],
    ["one-digit day without a space in asctime", "Sun Nov 6 08:49:37 1994"],
    ["short weekday in RFC 850", "Sun, 06-Nov-94 08:49:37 GMT"],
    ["long weekday in IMF-fixdate", "Sunday, 06 Nov 1994 08:49:37 GMT"],
    ["UTC", "Sun, 06 Nov 1994 08:49:37 UTC"],
    ["offset", "Sun, 06 Nov 1994 08:49:37 +0000"],
    ["no zone", "Sun, 06 Nov 1994 08:49:37"],
    ["zone on asctime", "Sun Nov  6 08:49:37 1994 GMT"],
    ["lower-case month", "Sun, 06 nov 1994 08:49:37 GMT"],
    ["lower-case weekday", "sun, 06 Nov 1994 08:49:37 GMT"],
    ["lower-case zone", "Sun, 06 Nov 1994 08:49:37 gmt"],
    ["unknown month", "Sun, 06 Foo 1994 08:49:37 GMT"],
    ["one-digit hour", "Sun, 06 Nov 1994 8:49:37 GMT"],
    ["fraction", "Sun, 06 Nov 1994 08:49:37.5 GMT"],
    ["space before", " Sun, 06 Nov 1994 08:49:37 GMT"],
    ["line feed after", "Sun, 06 Nov 1994 08:49:37 GMT\n"],
    ["two dates", "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT"],
    ["ISO 8601", "1994-11-06T08:49:37Z"],
    ["Arabic-Indic digits", "Sun, \u0660\u0666 Nov 1994 08:49:37 GMT"],
    ["full-width digits", "Sun, 06 Nov \uff11\uff19\uff19\uff14 08:49:37 GMT"],
    ["epoch", "784111777"],
    ["empty", ""]
  ])("%s", (_, value) => assert.isUndefined(parsed(value)))

  it("whatever the string is, the answer is none or a whole second", () => {
    const almost = seconds("1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z").chain((instant) =>
      fc.tuple(fc.constantFrom(imf, rfc850, asctime), fc.nat(30), fc.string({ maxLength: 3 })).map(([form, i, junk]) => {
        const value = form(instant)
        return value.slice(0, i) + junk + value.slice(i + junk.length)
      })
    )
    fc.assert(
      fc.property(fc.oneof(fc.string(), almost), fc.double(), (value, clock) => {
        const instant = parsed(value, clock)
        if (instant !== undefined) assert.isTrue(Number.isSafeInteger(instant / 1000), `${instant}`)
      }),
      runs
    )
  })
})

describe("time zones", () => {
  it("do not matter", () => {
    // In a process of its own: workers cannot change their zone. It says its offset, to show that the zone is in force.
    const script = `
      import { parse } from ${JSON.stringify(new URL("../../src/core/HttpDate.ts", import.meta.url).href)}
      const values = ["Mon, 15 Jun 2026 12:00:07 GMT", "Monday, 15-Jun-26 12:00:07 GMT", "Mon Jun 15 12:00:07 2026"]
      const zones = ["Pacific/Kiritimati", "Asia/Jerusalem", "America/St_Johns", "UTC"].map((zone) => {
        process.env.TZ = zone
        return [new Date(${now}).getTimezoneOffset(), ...values.map((value) => parse(value, ${now}).value)]
      })
      console.log(JSON.stringify(zones))
    `
    const output = execFileSync(process.execPath, ["--import", "tsx", "--input-type=module", "--eval", script], { encoding: "utf8" })
    const instant = now + 7000
    assert.deepStrictEqual(JSON.parse(output), [
      [-840, instant, instant, instant],
      [-180, instant, instant, instant],
      [150, instant, instant, instant],
      [0, instant, instant, instant]
    ])
  })
})
