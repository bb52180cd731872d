/**
 * Runs one example after another in a process of their own, as the parent asks. An example may hang or crash the process:
 * the parent sees to both. It may not use the network: a socket goes to this machine or nowhere.
 */
import { Socket } from "node:net"
import type { Answer, Question } from "./check.ts"
import { comparisonsOf } from "./same.ts"

const isLocal = (host: unknown) =>
  host === undefined || host === "localhost" || host === "::1" || String(host).startsWith("127.")

const connect = Socket.prototype.connect
Socket.prototype.connect = function(this: Socket, ...args: Array<unknown>) {
  const first = Array.isArray(args[0]) ? args[0][0] : args[0]
  const host = typeof first === "object" && first !== null ? Reflect.get(first, "host") : args[1]
  if (typeof host !== "function" && !isLocal(host)) throw new Error(`an example is offline: no connection to ${String(host)}`)
  return Reflect.apply(connect, this, args)
}

const failures: Array<string> = []
const describe = (error: unknown) => error instanceof Error ? error.stack ?? error.message : String(error)
process.on("unhandledRejection", (error) => failures.push(`unhandled rejection: ${describe(error)}`))
process.on("uncaughtException", (error) => failures.push(`uncaught exception: ${describe(error)}`))

process.on("message", async ({ id, url, comparisons }: Question) => {
  failures.length = 0
  try {
    await import(url)
    // Rejections that nobody handles are reported once the queues are empty.
    await new Promise((resolve) => setTimeout(resolve, 1))
  } catch (error) {
    failures.push(describe(error))
  }
  const made = comparisonsOf(id)
  for (const { line, failure } of made) {
    // First, and once: the text of the same failure may have come as an exception too.
    if (failure !== undefined) failures.unshift(`on line ${line} of the block: ${failure}`)
  }
  const missed = comparisons.filter((line) => !made.some((each) => each.line === line))
  if (failures.length === 0 && missed.length > 0) {
    failures.push(`never reached: "// =>" on line ${missed.join(", ")} of the block. Is what holds it awaited?`)
  }
  const answer: Answer = { id, failure: failures[0] }
  process.send?.(answer)
})

// Ready, when what most examples import is loaded: that is no time of theirs.
await Promise.all([import("effect"), import("effect-resilience")])
process.send?.("ready")
