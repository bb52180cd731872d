/**
 * What the library costs beside the bare platform client: `npm run bench`.
 *
 *   -- --quick          fewer rounds, under 40 s
 *   -- --gate           exit 1 where a limit is missed
 *   -- --json           the results as JSON instead of a table
 *   -- --profile ROW    where a row allocates, such as "busy-off/retry", "on/call + attempt spans", "asleep/retry"
 */
import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { cpus, loadavg } from "node:os"
import { parseArgs } from "node:util"
import { build, type Built, inChild } from "./build.ts"
import { alone } from "./flags.ts"
import type { Kind } from "./clients.ts"
import { judge } from "./limits.ts"
import { type Column, type Section, table } from "./report.ts"
import { pool, type Result } from "./samples.ts"
import * as Weight from "./weight.ts"

const { values: options } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    gate: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    profile: { type: "string" }
  }
})

/** Rounds of each part in each process, and calls where that is what there are more or fewer of. */
const rounds = options.quick
  ? { time: 3, bytes: 1, asleep: 5_000, crowd: 20_000, loopback: 2, import: 2, callsInTurn: 500, turns: { runs: 1, rounds: 2 } }
  : { time: 3, bytes: 2, asleep: 10_000, crowd: 100_000, loopback: 7, import: 7, callsInTurn: 1_000, turns: { runs: 7, rounds: 4 } }

/** How many processes measure the same. */
const processes = options.quick ? { time: 1, bytes: 1 } : { time: 3, bytes: 2 }

const median = (measure: string, header: string, digits: number): Column => ({ measure, header, digits, shows: "median" })
const spread = (measure: string, header: string, digits: number): Column => ({ measure, header, digits, shows: "quartiles" })

/** A new space that no batch fills: nothing is collected while bytes are counted. */
const roomy = ["--expose-gc", "--min-semi-space-size=64", "--max-semi-space-size=64"]

const measured = async (built: Built, measure: "time" | "bytes"): Promise<ReadonlyArray<Result>> => {
  const results: Array<Result> = []
  for (let i = 0; i < processes[measure]; i++) {
    results.push(...await inChild(built, "calls", { measure, rounds: rounds[measure] }, measure === "bytes" ? roomy : alone))
  }
  return results
}

const calls = async (built: Built): Promise<ReadonlyArray<Section>> => {
  const time = await measured(built, "time")
  const bytes = await measured(built, "bytes")
  const titles = new Map(time.map((each) => [each.name, each.title]))
  return [...titles].map(([name, title]) => {
    const inSection = (result: Result): boolean => result.name === name
    const allocated = pool("bytes", bytes.filter(inSection))
    return {
      name,
      title,
      columns: [
        spread("time", "us/call", 1),
        spread("timeRatio", "x base", 2),
        spread("timeOver", "us more", 1),
        median("bytes", "B/call", 0),
        median("bytesRatio", "x base", 2)
      ],
      rows: pool("time", time.filter(inSection)).map((row, i) => ({
        name: row.name,
        measures: { ...row.measures, ...allocated[i]?.measures }
      })),
      notes: []
    }
  })
}

const asleep = async (built: Built): Promise<Section> => ({
  name: "asleep",
  title: "A call that waits for its next attempt after a 503, tracing off",
  columns: [median("bytes", "B held", 0)],
  rows: await inChild(built, "asleep", { calls: rounds.asleep }, ["--expose-gc"]),
  notes: []
})

const crowd = async (built: Built): Promise<Section> => ({
  name: "crowd",
  title: `One of ${rounds.crowd} calls that wait at once, tracing off`,
  columns: [median("bytes", "B held", 0)],
  rows: await inChild(built, "crowd", { calls: rounds.crowd }, ["--expose-gc", "--max-old-space-size=8192"]),
  notes: ["cockatiel and p-retry wait in a promise and a timer, without a fiber that can be interrupted and has references."]
})

const loopback = async (built: Built): Promise<Section> => ({
  name: "loopback",
  title: "Loopback: undici, one connection, 1 KB, 64 calls at once, tracing off",
  columns: [spread("rps", "calls/s", 0), spread("cpu", "client cpu us/call", 0), spread("cpuRatio", "x base", 2)],
  rows: await inChild(built, "loopback", { calls: rounds.callsInTurn, concurrency: 64, rounds: rounds.loopback }),
  notes: ["Below about 20 % a difference over a socket is noise."]
})

const inTurns = async (
  built: Built,
  name: string,
  title: string,
  kinds: readonly [base: Kind, other: Kind],
  notes: ReadonlyArray<string>
): Promise<Section> => ({
  name,
  title,
  columns: [
    spread("cpu", "client cpu us/call", 0),
    spread("cpuRatio", "x base", 3),
    median("bytes", "B/call", 0),
    median("bytesRatio", "x base", 3)
  ],
  rows: await inChild(built, "turns", { kinds, calls: 1_500, concurrency: 64, ...rounds.turns }),
  notes
})

const phases = (built: Built): Promise<Section> =>
  inTurns(built, "phases", "Loopback: undici, one connection, 1 KB, 64 calls at once, each client in processes of its own", [
    "attempt span",
    "attempt span + connection phases"
  ], [`Quartiles over ${rounds.turns.runs} runs. Where the null check is more than 0.03 off 1, the times mean little: read the bytes.`])

const off = (built: Built): Promise<Section> =>
  inTurns(built, "everything-off", "The same with tracing off: what can be seen of a call, and nobody looks", [
    "retry, tracing off",
    "retry, everything at hand and off"
  ], [`Quartiles over ${rounds.turns.runs} runs. Spans, a meter, a call's name, and the edge for Node loaded, beside none of them.`])

const importing = async ({ folder }: Built): Promise<Section> => ({
  name: "import",
  title: "Import, in fresh processes",
  columns: [spread("clock", "ms", 0), spread("clockOver", "ms more", 1), spread("cpu", "cpu ms", 0), spread("cpuOver", "cpu ms more", 1)],
  rows: await Weight.imported(folder, rounds.import),
  notes: []
})

const bundling = async ({ folder }: Built): Promise<Section> => ({
  name: "size",
  title: "Bundled for the web",
  columns: [median("min", "KB min", 1), median("gz", "KB min+gz", 1), median("over", "KB more", 1)],
  rows: await Weight.bundled(folder),
  notes: []
})

const versionOf = (name: string): string =>
  `${name} ${JSON.parse(readFileSync(createRequire(import.meta.url).resolve(`${name}/package.json`), "utf8")).version}`

const spoken = (text: string) => process.stderr.isTTY && process.stderr.write(`\r\x1b[K${text}`)

const bench = async (built: Built): Promise<void> => {
  const environment = {
    node: process.version,
    cores: cpus().length,
    processor: cpus()[0]?.model.trim() ?? "unknown",
    load: loadavg()[0]!,
    versions: ["effect", "@effect/platform", "@effect/platform-node", "undici"].map(versionOf)
  }
  const parts = { calls, asleep, crowd, loopback, phases, off, importing, bundling }
  const sections: Array<Section> = []
  const seconds: Record<string, number> = {}
  for (const [name, part] of Object.entries(parts)) {
    spoken(`${name} ...`)
    const start = performance.now()
    sections.push(...[await part(built)].flat())
    seconds[name] = Math.round((performance.now() - start) / 100) / 10
  }
  spoken("")

  const verdicts = judge(sections)
  const missed = verdicts.filter((each) => !each.held)
  if (options.json) console.log(JSON.stringify({ environment, seconds, sections, verdicts }, undefined, 2))
  else {
    console.log([
      `Node ${environment.node}, ${environment.cores} x ${environment.processor}, ${environment.versions.join(", ")}`,
      "",
      "Medians, with quartiles in brackets. Every call reads its body. Each section compares with its first row, in turns (ABBA), within",
      "a process. The us are of the processor, the ms of the clock. The null check is the first row against itself: a ratio within its",
      "quartiles is noise. Bytes are steady to about 2 %. A limit on time is missed where the lower quartile is over it, one on bytes",
      "where the median is.",
      ...(environment.load > environment.cores / 2
        ? ["", `Others are at work here (load ${environment.load.toFixed(1)}): read the bytes, and take the times for rough.`]
        : []),
      "",
      table(sections, verdicts),
      "",
      missed.length === 0 ? `All ${verdicts.length} limits held.` : `${missed.length} of ${verdicts.length} limits missed:`,
      ...missed.map((each) => `  ${each.section}, ${each.row}: ${each.label} ${each.value.toFixed(2)}, at most ${Number(each.atMost.toFixed(2))}`),
      "",
      Object.entries(seconds).map(([name, each]) => `${name} ${each.toFixed(0)} s`).join(", ")
    ].join("\n"))
  }
  if (options.gate && missed.length > 0) process.exitCode = 1
}

const built = await build()
if (options.profile === undefined) await bench(built)
else console.log(await inChild(built, "profile", { target: options.profile }, roomy))
