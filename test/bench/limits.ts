/**
 * What the library promised to cost at most, relative to the bare platform client in the same run.
 */
import type { Section, Verdict } from "./report.ts"

interface Limit {
  readonly section: string
  readonly row: string
  readonly measure: string
  /** What is limited, in a word. */
  readonly label: string
  readonly atMost: number
}

const ratios = (
  sections: ReadonlyArray<string>,
  row: string,
  { bytes, time }: { readonly time: number; readonly bytes?: number }
): ReadonlyArray<Limit> =>
  sections.flatMap((section) => [
    { section, row, measure: "timeRatio", label: "time", atMost: time },
    ...(bytes === undefined ? [] : [{ section, row, measure: "bytesRatio", label: "bytes", atMost: bytes }])
  ])

const limits: ReadonlyArray<Limit> = [
  ...ratios(["off", "on", "off-async", "on-async"], "retry", { time: 1.15, bytes: 1.12 }),
  ...ratios(["off", "off-async"], "attempt timeout", { time: 3 }),
  ...ratios(["on", "on-async"], "attempt timeout", { time: 1.9 }),
  ...ratios(["on", "on-async"], "call + attempt spans", { time: 1.2, bytes: 1.2 }),
  ...ratios(["refused-off", "refused-on", "busy-off", "busy-on"], "retry", { time: 1.25, bytes: 1.15 }),
  { section: "asleep", row: "retry", measure: "bytes", label: "bytes", atMost: 6 * 1024 },
  { section: "asleep", row: "retry, a body of 16 KB was read", measure: "bytes", label: "bytes", atMost: 6 * 1024 },
  { section: "import", row: "+ ResilientClient", measure: "clockOver", label: "ms", atMost: 15 },
  { section: "import", row: "+ the index", measure: "clockOver", label: "ms", atMost: 15 },
  { section: "size", row: "+ ResilientClient.layer()", measure: "over", label: "KB", atMost: 6 }
]

const isTime = (measure: string): boolean => measure === "timeRatio" || measure === "clockOver"

/** A limit on time is missed where three quarters of the measurements are over it: the machine is shared. Bytes go by the median. */
export const judge = (sections: ReadonlyArray<Section>): ReadonlyArray<Verdict> =>
  limits.flatMap((limit) => {
    const section = sections.find((each) => each.name === limit.section)
    if (section === undefined) return []
    const measured = section.rows.find((row) => row.name === limit.row)?.measures[limit.measure]
    if (measured === undefined) throw new Error(`no figure for the limit on ${limit.section}, ${limit.row}, ${limit.measure}`)
    const value = isTime(limit.measure) ? measured.q1 : measured.median
    return [{ ...limit, value, held: value <= limit.atMost }]
  })
