/**
 * Where a candidate allocates: bytes of a call by function, and how much more that is than in what it is compared with. Runs in a
 * process of its own.
 *
 * The heap is sampled, so small numbers are rough, and what the compiler has inlined counts for its caller. What Effect's
 * interpreter does between two functions of ours belongs to nobody.
 */
import * as Effect from "effect/Effect"
import { type HeapProfiler, Session } from "node:inspector/promises"
import { sleepers, start, stop } from "./asleep.ts"
import { batch, contests } from "./rows.ts"

export interface Settings {
  /** `section/row`, as the table has them, or `asleep/row`. */
  readonly target: string
}

/** Bytes of a call by the function that allocates, and by the nearest function of this library that called it. */
interface Sites {
  readonly functions: ReadonlyMap<string, number>
  readonly owners: ReadonlyMap<string, number>
}

const nobody = "(Effect, the platform, the bench)"

const short = (url: string): string =>
  url
    .replace(/^.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\/dist\/esm\//, "$1/")
    .replace(/^.*\/dist\//, "dist/")
    .replace(/^.*\/chunk-.*$/, "bench")

const isOurs = (url: string): boolean => /\/dist\//.test(url) && !/\/dist\/esm\//.test(url)

const sites = (profile: HeapProfiler.SamplingHeapProfile, calls: number): Sites => {
  const functions = new Map<string, number>()
  const owners = new Map<string, number>()
  const add = (to: Map<string, number>, name: string, size: number) => to.set(name, (to.get(name) ?? 0) + size / calls)
  const walk = (node: HeapProfiler.SamplingHeapProfileNode, owner: string): void => {
    const { functionName, lineNumber, url } = node.callFrame
    const name = `${functionName === "" ? "(anonymous)" : functionName} ${short(url)}:${lineNumber + 1}`
    const nearest = isOurs(url) ? name : owner
    if (node.selfSize > 0) {
      add(functions, nearest === nobody || nearest === name ? name : `${name}  <  ${nearest}`, node.selfSize)
      add(owners, nearest, node.selfSize)
    }
    for (const child of node.children) walk(child, nearest)
  }
  walk(profile.head, nobody)
  return { functions, owners }
}

const sampled = async (calls: number, work: () => Promise<unknown>, keepsDead: boolean): Promise<Sites> => {
  const session = new Session()
  session.connect()
  await session.post("HeapProfiler.startSampling", {
    samplingInterval: 1024,
    includeObjectsCollectedByMajorGC: keepsDead,
    includeObjectsCollectedByMinorGC: keepsDead
  })
  await work()
  if (!keepsDead) globalThis.gc!()
  const { profile } = await session.post("HeapProfiler.stopSampling")
  session.disconnect()
  return sites(profile, calls)
}

const ofCalls = async (section: string, row: string): Promise<readonly [own: Sites, base: Sites]> => {
  for (const tracing of ["off", "on"] as const) {
    const contest = contests(tracing).find((each) => each.name === section)
    const other = contest?.others.find((each) => each.name === row)
    if (contest === undefined || other === undefined) continue
    const calls = 10_000
    const work = (call: () => Effect.Effect<unknown, unknown>) => () => Effect.runPromise(batch({ call }, calls, tracing))
    for (const each of [contest.base, other]) await work(each.call)()
    return [await sampled(calls, work(other.call), true), await sampled(calls, work(contest.base.call), true)]
  }
  throw new Error(`there is no ${section}/${row}`)
}

const ofSleepers = async (row: string): Promise<readonly [own: Sites, base: Sites]> => {
  const calls = 5_000
  const held = async (name: string): Promise<Sites> => {
    const call = sleepers[name]
    if (call === undefined) throw new Error(`there is no asleep/${name}`)
    await stop(await start(call, calls))
    let fibers: Awaited<ReturnType<typeof start>> = []
    const found = await sampled(calls, async () => fibers = await start(call, calls), false)
    await stop(fibers)
    return found
  }
  return [await held(row), await held("a fiber asleep")]
}

const lines = (own: ReadonlyMap<string, number>, base: ReadonlyMap<string, number>): ReadonlyArray<string> =>
  [...new Set([...own.keys(), ...base.keys()])]
    .map((name) => [name, own.get(name) ?? 0, base.get(name) ?? 0] as const)
    .sort(([, a1, b1], [, a2, b2]) => (a2 - b2) - (a1 - b1))
    .filter(([, a, b]) => Math.abs(a - b) >= 16)
    .map(([name, a, b]) => line(a.toFixed(0), b.toFixed(0), (a - b).toFixed(0), name))

const line = (own: string, base: string, more: string, name: string): string =>
  `${own.padStart(8)}${base.padStart(8)}${more.padStart(8)}   ${name}`

export const main = async ({ target }: Settings): Promise<string> => {
  const slash = target.indexOf("/")
  const [section, row] = [target.slice(0, slash), target.slice(slash + 1)]
  const [own, base] = await (section === "asleep" ? ofSleepers(row) : ofCalls(section, row))
  const sum = (of: Sites) => [...of.owners.values()].reduce((total, each) => total + each, 0)
  return [
    target,
    line("B/call", "base", "more", "the nearest function of ours, with what it calls of others"),
    line(sum(own).toFixed(0), sum(base).toFixed(0), (sum(own) - sum(base)).toFixed(0), "everything"),
    ...lines(own.owners, base.owners),
    "",
    line("B/call", "base", "more", "function  <  the nearest of ours"),
    ...lines(own.functions, base.functions)
  ].join("\n")
}
