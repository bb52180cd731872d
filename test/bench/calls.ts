/**
 * Time and allocation of calls in memory. Runs in processes of its own.
 *
 * Time: base and candidate take turns, ABBA, and each round gives one ratio; so a machine that is slow for a while is slow for
 * both. Processor time is counted, not the clock's, since others want the processor too. Garbage is collected as it comes: it is
 * part of the cost. Bytes: the new space is so large that nothing is collected within a batch, and what the heap grew by is what
 * was allocated.
 */
import * as Effect from "effect/Effect"
import { batch, type Candidate, type Contest, contests, type Tracing } from "./rows.ts"
import type { Result } from "./samples.ts"

export interface Settings {
  readonly measure: "time" | "bytes"
  readonly rounds: number
}

/** Lets what was put off (finalizers, timers) happen where it is not measured. */
const breathe = () => new Promise((resolve) => setImmediate(resolve))

/** Processor time of this process in microseconds, its collector and its compiler included. */
const processor = (): number => {
  const { system, user } = process.cpuUsage()
  return system + user
}

const microsOf = async (candidate: Candidate, times: number, tracing: Tracing): Promise<number> => {
  const calls = batch(candidate, times, tracing)
  const start = processor()
  await Effect.runPromise(calls)
  return (processor() - start) / times
}

const bytesOf = async (candidate: Candidate, times: number, tracing: Tracing): Promise<number> => {
  const calls = batch(candidate, times, tracing)
  // The new space only, which has to be empty: the whole would take longer than the batch.
  globalThis.gc!({ type: "minor" })
  await breathe()
  const before = process.memoryUsage().heapUsed
  await Effect.runPromise(calls)
  return (process.memoryUsage().heapUsed - before) / times
}

const batchCalls = 200

/** Runs some batches, fewer where they are long, and gives the figure of the last one. */
const warm = async (candidate: Candidate, tracing: Tracing): Promise<number> => {
  let micros = 0
  for (let spent = 0, batches = 0; batches < 12 && spent < 50_000; spent += micros * batchCalls, batches++) {
    micros = await microsOf(candidate, batchCalls, tracing)
  }
  return micros
}

/** What was found of each of the others. */
type Round = ReadonlyArray<ReadonlyArray<Figures>>

/**
 * How long a turn takes, roughly, and how often a round goes there and back. The turns are short, so that a machine that is slow for some
 * milliseconds is slow for both, and many: what is compiled, or collected, in one of them is not in the middle of them all.
 */
const turnMicros = 3_000
const turnsThereAndBack = 4

/** The most turns that do not count before those that do. */
const turnsToSettle = 40

interface Bout extends Contest {
  readonly tracing: Tracing
  /** The figures of the warming up, in microseconds of a call. */
  readonly warm: Map<Candidate, number>
}

interface Figures {
  readonly base: number
  readonly own: number
  readonly ratio: number
}

/**
 * Takes turns until three in a row were no faster than the best before them. What was compiled for a candidate when its last turn came has
 * been thrown away meanwhile, with the closures that it was compiled for: a server, which goes on with one program, does not see that.
 */
const settle = async (turn: () => Promise<number>): Promise<void> => {
  let best = Infinity
  for (let turns = 0, since = 0; turns < turnsToSettle && since < 3; turns++) {
    const micros = await turn()
    since = micros < best * 0.97 ? 0 : since + 1
    best = Math.min(best, micros)
  }
}

const roundOfTime = async ({ base, callsOfTurn = 1, others, tracing, warm }: Bout): Promise<Round> => {
  const turn = async (each: Candidate): Promise<number> => {
    const micros = await microsOf(each, Math.max(callsOfTurn, Math.ceil(turnMicros / warm.get(each)!)), tracing)
    await breathe()
    return micros
  }
  const figures: Array<ReadonlyArray<Figures>> = []
  for (const other of others) {
    await settle(() => turn(other))
    await settle(() => turn(base))
    const own: Array<Figures> = []
    for (let i = 0; i < turnsThereAndBack; i++) {
      const [a1, b1, b2, a2] = [await turn(base), await turn(other), await turn(other), await turn(base)]
      own.push({ base: (a1 + a2) / 2, own: (b1 + b2) / 2, ratio: (b1 + b2) / (a1 + a2) })
    }
    figures.push(own)
  }
  return figures
}

/** What a turn allocates, roughly: the heap is counted in pages of 256 KB, and the new space has 64 MB. */
const turnBytes = 20_000_000

const roundOfBytes = async ({ base, others, tracing }: Bout): Promise<Round> => {
  const turn = async (each: Candidate): Promise<number> =>
    bytesOf(each, Math.ceil(turnBytes / await bytesOf(each, batchCalls, tracing)), tracing)
  // All of it now and then, lest it begins within a turn. The compiled code that goes with it comes back in a turn that does not count.
  globalThis.gc!()
  await turn(base)
  const a = await turn(base)
  const figures: Array<ReadonlyArray<Figures>> = []
  for (const other of others) {
    const b = await turn(other)
    figures.push([{ base: a, own: b, ratio: b / a }])
  }
  return figures
}

const compare = async (bout: Bout, { measure, rounds }: Settings): Promise<Result> => {
  const all: Array<Round> = []
  for (let i = 0; i < rounds; i++) all.push(await (measure === "time" ? roundOfTime : roundOfBytes)(bout))
  const of = (other: number, figure: keyof Figures) => all.flatMap((round) => round[other]!.map((each) => each[figure]))
  return {
    name: bout.name,
    title: bout.title,
    base: bout.base.name,
    others: bout.others.map(({ name }, i) => ({ name, base: of(i, "base"), own: of(i, "own"), ratio: of(i, "ratio") }))
  }
}

export const main = async (settings: Settings): Promise<ReadonlyArray<Result>> => {
  const bouts = (["off", "on"] as const).flatMap((tracing) =>
    contests(tracing).map((contest): Bout => ({ ...contest, tracing, warm: new Map() }))
  )
  // All of them, and twice: what is compiled for one would be thrown away when another comes.
  for (const bout of [...bouts, ...bouts]) {
    for (const each of [bout.base, ...bout.others]) bout.warm.set(each, await warm(each, bout.tracing))
  }
  const results: Array<Result> = []
  for (const bout of bouts) results.push(await compare(bout, settings))
  return results
}
