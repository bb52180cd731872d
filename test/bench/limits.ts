/**
 * What the library costs at most, relative to the bare platform client in the same run. Where it cannot cost as little as was asked
 * for, what was asked stands beside it; docs/adr/0021 and 0022 say why, and 0041 for connections.
 */
import type { Section, Verdict } from "./report.ts"
import type { Quartiles } from "./stats.ts"

interface Limit {
  readonly section: string
  readonly row: string
  readonly measure: string
  /** What is limited, in a word. */
  readonly label: string
  readonly atMost: Bound
  /** What was asked for, where that is less. */
  readonly asked?: number
}

/** So much, or so much as it comes to in this run. */
type Bound = number | ((sections: ReadonlyArray<Section>) => number)

/** A limit, or one that stands above what was asked for. */
type AtMost = Bound | { readonly atMost: number; readonly asked: number }

const limit = (section: string, row: string, measure: string, label: string, atMost: AtMost): Limit => ({
  section,
  row,
  measure,
  label,
  ...(typeof atMost === "object" ? atMost : { atMost })
})

const measured = (sections: ReadonlyArray<Section>, section: string, row: string, measure: string): Quartiles => {
  const found = sections.find(({ name }) => name === section)?.rows.find(({ name }) => name === row)?.measures[measure]
  if (found === undefined) throw new Error(`no figure for ${section}, ${row}, ${measure}`)
  return found
}

/** What a guard may add to a call, in us: 1.5, or a quarter of the bare client, whichever is more. */
const ofGuard: Bound = (sections) => Math.max(1.5, measured(sections, "guards", "bare", "time").median / 4)

/** No more than what is measured of the same thing again. */
const noise = (section: string, again: string): Bound => (sections) =>
  Math.max(1, measured(sections, section, again, "timeRatio").q3)

const ratios = (
  sections: ReadonlyArray<string>,
  row: string,
  { bytes, time }: { readonly time: AtMost; readonly bytes?: AtMost }
): ReadonlyArray<Limit> =>
  sections.flatMap((section) => [
    limit(section, row, "timeRatio", "time", time),
    ...(bytes === undefined ? [] : [limit(section, row, "bytesRatio", "bytes", bytes)])
  ])

const limits: ReadonlyArray<Limit> = [
  ...ratios(["off"], "retry", { time: 1.15, bytes: { atMost: 1.15, asked: 1.12 } }),
  ...ratios(["on", "off-async", "on-async"], "retry", { time: 1.15, bytes: 1.12 }),
  ...ratios(["off", "off-async"], "attempt timeout", { time: 3, bytes: 2 }),
  ...ratios(["on", "on-async"], "attempt timeout", { time: 1.9, bytes: 1.4 }),
  ...ratios(["on", "on-async"], "call + attempt spans", { time: 1, bytes: 1 }),
  ...ratios(["otel"], "call + attempt spans", { time: 1.3, bytes: 1.3 }),
  ...ratios(["refused-off", "refused-on"], "retry", { time: 1.25, bytes: 1.15 }),
  ...ratios(["busy-off"], "retry", { time: { atMost: 1.75, asked: 1.25 }, bytes: { atMost: 1.5, asked: 1.15 } }),
  ...ratios(["busy-on"], "retry", { time: { atMost: 1.5, asked: 1.25 }, bytes: { atMost: 1.35, asked: 1.15 } }),
  ...ratios(["metrics"], "metrics that nobody records", { time: 1.1, bytes: 1.05 }),
  ...["circuit breaker", "bulkhead", "rate limit"].map((row) => limit("guards", row, "timeOver", "us more", ofGuard)),
  limit("budget", "retry with a budget", "timeOver", "us more", ofGuard),
  limit("keys", "10,000 keys", "timeRatio", "time", noise("keys", "one key again (null check)")),
  limit("phases", "attempt span + connection phases", "cpuRatio", "time", { atMost: 1.25, asked: 1.05 }),
  limit("phases", "attempt span + connection phases", "bytesRatio", "bytes", { atMost: 1.06, asked: 1.05 }),
  limit("everything-off", "retry, everything at hand and off", "cpuRatio", "time", 1.03),
  limit("everything-off", "retry, everything at hand and off", "bytesRatio", "bytes", 1.03),
  limit("asleep", "retry", "bytes", "bytes", 6 * 1024),
  limit("asleep", "retry, a body of 16 KB was read", "bytes", "bytes", 6 * 1024),
  limit("import", "+ ResilientClient", "clockOver", "ms", 15),
  limit("import", "+ the index", "clockOver", "ms", 15),
  limit("size", "+ ResilientClient.layer()", "over", "KB", { atMost: 18, asked: 6 }),
  limit("size", "+ a retry alone", "over", "KB", { atMost: 12.5, asked: 6 })
]

const isTime = (measure: string): boolean => measure === "timeRatio" || measure === "timeOver" || measure === "cpuRatio" || measure === "clockOver"

/** A limit on time is missed where three quarters of the measurements are over it: the machine is shared. Bytes go by the median. */
export const judge = (sections: ReadonlyArray<Section>): ReadonlyArray<Verdict> =>
  limits.flatMap((limit) => {
    if (sections.every(({ name }) => name !== limit.section)) return []
    const { median, q1 } = measured(sections, limit.section, limit.row, limit.measure)
    const value = isTime(limit.measure) ? q1 : median
    const atMost = typeof limit.atMost === "number" ? limit.atMost : limit.atMost(sections)
    return [{ ...limit, atMost, value, held: value <= atMost }]
  })
