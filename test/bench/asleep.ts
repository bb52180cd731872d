/**
 * What a call holds while it waits for its next attempt. Runs in a process of its own.
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as Backoff from "effect-resilience/core/Backoff"
import * as Resilience from "effect-resilience/policy/Resilience"
import * as ResilientClient from "effect-resilience/policy/ResilientClient"
import * as RetryBudget from "effect-resilience/strategy/RetryBudget"
import * as RetrySchedule from "effect-resilience/strategy/RetrySchedule"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FiberRef from "effect/FiberRef"
import * as Runtime from "effect/Runtime"
import * as Schedule from "effect/Schedule"
import * as Noop from "./noop.ts"
import type { Row } from "./report.ts"
import { exactly } from "./stats.ts"

export interface Settings {
  readonly calls: number
}

type Call = () => Effect.Effect<unknown, unknown>

const get = (client: HttpClient.HttpClient.With<unknown>): Call => () =>
  Effect.flatMap(client.get(Noop.url), (response) => response.text)

/** Longer than all of this takes, shorter than the default deadline. */
const wait = "25 seconds"
const schedule = RetrySchedule.fromBackoff(Backoff.constant(wait))
const busy = Noop.busy()
/** Paid by all of the calls at once. */
const budget = RetryBudget.make({ floorPerSecond: 1_000_000_000 })

export const sleepers: Readonly<Record<string, Call>> = {
  "a fiber asleep": () => Effect.sleep(wait),
  "retry": get(Resilience.withRetry({ schedule })(busy)),
  "retry, a body of 16 KB was read": get(Resilience.withRetry({ schedule })(Noop.busyWithBody())),
  "ResilientClient.make()": get(
    Effect.runSync(Effect.provideService(ResilientClient.make({ retry: { schedule }, budget }), HttpClient.HttpClient, busy))
  ),
  "platform: retryTransient": get(HttpClient.retryTransient(busy, { schedule: Schedule.spaced(wait) }))
}

// Not `withTracerEnabled`, which would hold something of its own in each fiber.
const runFork = Runtime.runFork(Runtime.setFiberRef(Runtime.defaultRuntime, FiberRef.currentTracerEnabled, false))

const pause = (millis: number) => new Promise((resolve) => setTimeout(resolve, millis))

export const settledHeap = async (): Promise<number> => {
  for (let i = 0; i < 3; i++) {
    await pause(5)
    globalThis.gc!()
  }
  const { arrayBuffers, heapUsed } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

/** Starts calls, each a root fiber, and comes back when all of them are asleep. */
export const start = async (call: Call, calls: number): Promise<ReadonlyArray<Fiber.RuntimeFiber<unknown, unknown>>> => {
  const fibers = Array.from({ length: calls }, () => runFork(call()))
  await pause(100)
  return fibers
}

export const stop = (fibers: ReadonlyArray<Fiber.RuntimeFiber<unknown, unknown>>) =>
  Effect.runPromise(Fiber.interruptAll(fibers))

const measure = async (call: Call, calls: number): Promise<number> => {
  const before = await settledHeap()
  const fibers = await start(call, calls)
  const held = await settledHeap() - before
  if (fibers.some((fiber) => fiber.unsafePoll() !== null)) throw new Error("a call ended that should be waiting")
  await stop(fibers)
  return held / calls
}

export const main = async ({ calls }: Settings): Promise<ReadonlyArray<Row>> => {
  const rows: Array<Row> = []
  for (const [name, call] of Object.entries(sleepers)) {
    await stop(await start(call, calls / 5))
    rows.push({ name, measures: { bytes: exactly(await measure(call, calls)) } })
  }
  return rows
}
