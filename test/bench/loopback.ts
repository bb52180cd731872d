/**
 * The same over a real socket of this machine: undici, one connection that is kept alive, a body of 1 KB, many calls at once.
 * The server is a process of its own; the client's processor time is this process's.
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { Agent } from "@effect/platform-node/Undici"
import * as Resilience from "effect-resilience/policy/Resilience"
import * as ResilientClient from "effect-resilience/policy/ResilientClient"
import * as Effect from "effect/Effect"
import { fork } from "node:child_process"
import { once } from "node:events"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import type { Row } from "./report.ts"
import { type Candidate, nullCheck } from "./rows.ts"
import { exactly, quartiles } from "./stats.ts"

export interface Settings {
  readonly calls: number
  readonly rounds: number
  readonly concurrency: number
}

/** The server's side of it; answers with its port. */
export const serve = (): Promise<number> => {
  const body = Buffer.alloc(1024, "x")
  const server = createServer((_, response) => {
    response.writeHead(200, { "content-type": "text/plain", "content-length": body.length })
    response.end(body)
  })
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port))
  })
}

export const inChild = async () => {
  const child = fork(process.argv[1]!, ["serve", "{}"], { execArgv: [] })
  const [port] = await once(child, "message") as [number]
  return { url: `http://127.0.0.1:${port}/`, close: () => child.disconnect() }
}

const candidates = (bare: HttpClient.HttpClient, url: string): ReadonlyArray<Candidate> => {
  const candidate = (name: string, client: HttpClient.HttpClient.With<unknown>): Candidate => ({
    name,
    call: () => Effect.flatMap(client.get(url), (response) => response.text)
  })
  const shipped = Effect.runSync(Effect.provideService(ResilientClient.make(), HttpClient.HttpClient, bare))
  return [
    candidate("bare", bare),
    candidate(nullCheck, bare),
    candidate("retry", Resilience.withRetry()(bare)),
    candidate("ResilientClient.make()", shipped),
    candidate("platform: retryTransient", HttpClient.retryTransient(bare, { times: 3 }))
  ]
}

interface Turn {
  readonly rps: number
  /** Processor time of a call in microseconds, user and system, of all threads of this process. */
  readonly cpu: number
}

const turn = async ({ call }: Candidate, { calls, concurrency }: Settings): Promise<Turn> => {
  let left = calls
  const worker = Effect.whileLoop({ while: () => left-- > 0, body: call, step: () => {} })
  const all = Effect.all(Array.from({ length: concurrency }, () => worker), { concurrency: "unbounded", discard: true })
  const cpu = process.cpuUsage()
  const start = performance.now()
  await Effect.runPromise(Effect.withTracerEnabled(all, false))
  const seconds = (performance.now() - start) / 1000
  const { system, user } = process.cpuUsage(cpu)
  return { rps: calls / seconds, cpu: (user + system) / calls }
}

export const main = async (settings: Settings): Promise<ReadonlyArray<Row>> => {
  const server = await inChild()
  const agent = new Agent({ connections: 1 })
  try {
    const [base, ...others] = candidates(NodeHttpClient.makeUndici(agent), server.url) as [Candidate, ...Array<Candidate>]
    for (const each of [base, ...others]) await turn(each, settings)
    const first: Array<Turn> = []
    const samples = others.map((other) => ({ other, turns: [] as Array<Turn>, ratios: [] as Array<number> }))
    for (let round = 0; round < settings.rounds; round++) {
      for (const { other, ratios, turns } of samples) {
        const [a1, b1, b2, a2] = [
          await turn(base, settings),
          await turn(other, settings),
          await turn(other, settings),
          await turn(base, settings)
        ]
        first.push(a1, a2)
        turns.push(b1, b2)
        ratios.push((b1.cpu + b2.cpu) / (a1.cpu + a2.cpu))
      }
    }
    const measures = (turns: ReadonlyArray<Turn>) => ({
      rps: quartiles(turns.map((each) => each.rps)),
      cpu: quartiles(turns.map((each) => each.cpu))
    })
    return [
      { name: base.name, measures: { ...measures(first), cpuRatio: exactly(1) } },
      ...samples.map(({ other, ratios, turns }) => ({
        name: other.name,
        measures: { ...measures(turns), cpuRatio: quartiles(ratios) }
      }))
    ]
  } finally {
    await agent.destroy()
    server.close()
  }
}
