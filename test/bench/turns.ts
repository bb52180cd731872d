/**
 * Clients over a real socket of this machine, in turns: what each costs beside the first.
 *
 * Every client has a process of its own. Whoever listens on a diagnostics channel does so for the whole process, and what is compiled
 * while somebody listens is not what is compiled while nobody does: in one process the client that is not followed would pay for the one
 * that is, and hide what that costs. What a compiler makes of a program, and when its garbage is collected, differs from process to
 * process by more than what is measured here: so there are several of each, the ratio of a run is the middle of its rounds, and what is
 * shown is the middle of the runs. The processes of a run live together and take short turns there and back, each round the other way
 * round, so that a machine that is slow for a while is slow for all of them. They are started in another order each time.
 *
 * A turn is long enough for some collections of the new space. Of Node's own, which has 16 MB, half of what 64 calls hold survives each
 * collection, and how much of that is moved to the old space is 6 KB of a call in this process and 11 KB in the next, by chance. So a null
 * check was 3 to 20 % off; in a space of 64 MB it is 1 to 5 % off while others are at work.
 */
import { type ChildProcess, fork } from "node:child_process"
import { once } from "node:events"
import type { Kind, Settings as Client, Spent, Task } from "./clients.ts"
import { alone } from "./flags.ts"
import { inChild } from "./loopback.ts"
import type { Row } from "./report.ts"
import { nullCheck } from "./rows.ts"
import { exactly, quartiles } from "./stats.ts"

export interface Settings extends Task {
  /** The first is what the other is compared with. */
  readonly kinds: readonly [base: Kind, other: Kind]
  readonly runs: number
  readonly rounds: number
}

/** Calls that a client makes before any count, so that all is compiled. */
const warming: Task = { calls: 1_500, concurrency: 64 }
const warmings = 6

/** Calls that are counted in bytes: the new space, emptied before, holds them all. */
const counted: Task = { calls: 300, concurrency: 64 }

interface Player {
  readonly turn: (task: Task) => Promise<Spent>
  readonly leave: () => void
}

const start = async (client: Client, execArgv: ReadonlyArray<string>): Promise<Player> => {
  const child: ChildProcess = fork(process.argv[1]!, ["client", JSON.stringify(client)], { execArgv: [...execArgv] })
  await once(child, "message")
  const turn = async (task: Task): Promise<Spent> => {
    child.send(task)
    const [spent] = await once(child, "message") as [Spent]
    const expected = client.kind.endsWith("phases") ? task.calls : 0
    if (spent.followed !== expected) throw new Error(`${client.kind}: ${spent.followed} of ${expected} requests were followed`)
    return spent
  }
  return { turn, leave: () => child.disconnect() }
}

const backwards = <A>(all: ReadonlyArray<A>): ReadonlyArray<A> => all.map((_, i) => all[all.length - 1 - i]!)

/** The figures of one run: of each client those of its turns, in the order of the clients. */
const run = async (
  kinds: ReadonlyArray<Kind>,
  { execArgv, first, rounds, task }: {
    readonly first: number
    readonly execArgv: ReadonlyArray<string>
    readonly rounds: number
    readonly task: Task
  }
): Promise<ReadonlyArray<ReadonlyArray<Spent>>> => {
  const server = await inChild()
  const order = kinds.map((_, i) => (i + first) % kinds.length)
  const players: Array<Player> = []
  for (const i of order) players[i] = await start({ kind: kinds[i]!, url: server.url }, execArgv)
  for (let i = 0; i < warmings; i++) for (const each of order) await players[each]!.turn(warming)
  const spent: ReadonlyArray<Array<Spent>> = kinds.map(() => [])
  for (let round = 0; round < rounds; round++) {
    const there = round % 2 === 0 ? order : backwards(order)
    for (const i of [...there, ...backwards(there)]) spent[i]!.push(await players[i]!.turn(task))
  }
  for (const { leave } of players) leave()
  server.close()
  return spent
}

/** The ratio of a run: the middle of those of its rounds, in each of which everybody has had two turns. */
const ratioOf = (measure: "cpu" | "bytes", base: ReadonlyArray<Spent>, own: ReadonlyArray<Spent>): number => {
  const ratios: Array<number> = []
  for (let i = 0; i + 1 < base.length; i += 2) {
    ratios.push((own[i]![measure] + own[i + 1]![measure]) / (base[i]![measure] + base[i + 1]![measure]))
  }
  return quartiles(ratios).median
}

export const main = async ({ calls, concurrency, kinds: [base, other], rounds, runs }: Settings): Promise<ReadonlyArray<Row>> => {
  const kinds = [base, base, other]
  const names = [base, nullCheck, other]
  const timed: Array<ReadonlyArray<ReadonlyArray<Spent>>> = []
  for (let i = 0; i < runs; i++) timed.push(await run(kinds, { first: i, execArgv: alone, rounds, task: { calls, concurrency } }))
  const weighed = await run(kinds, { first: 0, execArgv: [...alone, "--expose-gc"], rounds: 5, task: counted })
  return names.map((name, i) => {
    const bytes = quartiles(weighed[i]!.map((each) => each.bytes))
    return {
      name,
      measures: {
        cpu: quartiles(timed.flatMap((each) => each[i]!.map(({ cpu }) => cpu))),
        cpuRatio: i === 0 ? exactly(1) : quartiles(timed.map((each) => ratioOf("cpu", each[0]!, each[i]!))),
        bytes,
        bytesRatio: i === 0 ? exactly(1) : exactly(ratioOf("bytes", weighed[0]!, weighed[i]!))
      }
    }
  })
}
