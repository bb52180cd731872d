/**
 * What following each attempt on its connection costs, over a real socket: undici, one connection, a body of 1 KB, an attempt span. The
 * channels are those of the process, so whoever follows does so in its own turns only.
 */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { Agent } from "@effect/platform-node/Undici"
import * as ConnectionTrace from "effect-resilience/node/ConnectionTrace"
import * as Middleware from "effect-resilience/http/Middleware"
import * as Resilience from "effect-resilience/policy/Resilience"
import * as Observer from "effect-resilience/strategy/Observer"
import * as Effect from "effect/Effect"
import { inChild, type Settings } from "./loopback.ts"
import type { Row } from "./report.ts"
import { nullCheck } from "./rows.ts"
import { exactly, quartiles } from "./stats.ts"

export const main = async ({ calls, concurrency, rounds }: Settings): Promise<ReadonlyArray<Row>> => {
  const server = await inChild()
  const agent = new Agent({ connections: 1 })
  const bare = NodeHttpClient.makeUndici(agent)
  const turn = (followed: boolean): Promise<number> =>
    Effect.gen(function*() {
      const client = Resilience.withAttemptSpan(followed ? Middleware.applyTo(bare, yield* ConnectionTrace.make()) : bare)
      const times = (left: number) => {
        const worker = Effect.whileLoop({
          while: () => left-- > 0,
          body: () => Effect.flatMap(client.get(server.url), (response) => response.text),
          step: () => {}
        })
        return Effect.all(Array.from({ length: concurrency }, () => worker), { concurrency: "unbounded", discard: true })
      }
      yield* times(Math.ceil(calls / 4))
      const cpu = process.cpuUsage()
      yield* times(calls)
      const { system, user } = process.cpuUsage(cpu)
      return (user + system) / calls
    }).pipe(Effect.scoped, Observer.observe(Observer.sync(() => {})), Effect.runPromise)
  try {
    const rows = [{ name: nullCheck, followed: false }, { name: "+ connection phases", followed: true }]
    const base: Array<number> = []
    const samples = rows.map((row) => ({ ...row, cpu: [] as Array<number>, ratios: [] as Array<number> }))
    for (let round = 0; round <= rounds; round++) {
      for (const { cpu, followed, ratios } of samples) {
        const [a1, b1, b2, a2] = [await turn(false), await turn(followed), await turn(followed), await turn(false)]
        // In the first round everything is compiled.
        if (round === 0) continue
        base.push(a1, a2)
        cpu.push(b1, b2)
        ratios.push((b1 + b2) / (a1 + a2))
      }
    }
    return [
      { name: "attempt span", measures: { cpu: quartiles(base), cpuRatio: exactly(1) } },
      ...samples.map(({ cpu, name, ratios }) => ({ name, measures: { cpu: quartiles(cpu), cpuRatio: quartiles(ratios) } }))
    ]
  } finally {
    await agent.destroy()
    server.close()
  }
}
