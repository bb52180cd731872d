/**
 * What one of a hundred thousand waiting calls holds, in a backoff and in a queue, beside other libraries. Runs in a process of its own.
 */
import { bulkhead, ConstantBackoff, handleAll, retry } from "cockatiel"
import * as Backoff from "effect-resilience/core/Backoff"
import * as Classifier from "effect-resilience/core/Classifier"
import * as Bulkhead from "effect-resilience/strategy/Bulkhead"
import * as RateLimit from "effect-resilience/strategy/RateLimit"
import * as Retry from "effect-resilience/strategy/Retry"
import * as RetryBudget from "effect-resilience/strategy/RetryBudget"
import * as RetrySchedule from "effect-resilience/strategy/RetrySchedule"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import pRetry from "p-retry"
import { settledHeap } from "./asleep.ts"
import type { Row } from "./report.ts"
import { exactly } from "./stats.ts"

export interface Settings {
  readonly calls: number
}

/** Begins so many calls, each of which waits; ends them. */
interface Crowd {
  readonly begin: () => void
  readonly end: () => Promise<unknown>
}

const wait = 600_000
const busy = new Error("busy")

const fibers = (call: Effect.Effect<unknown, unknown>): Crowd => {
  const begun: Array<Fiber.RuntimeFiber<unknown, unknown>> = []
  return {
    begin: () => begun.push(Effect.runFork(call)),
    end: () => Effect.runPromise(Fiber.interruptAll(begun))
  }
}

const promises = (call: (signal: AbortSignal) => Promise<unknown>): Crowd => {
  const controller = new AbortController()
  return {
    begin: () => void call(controller.signal).catch(() => {}),
    end: async () => controller.abort()
  }
}

const schedule = RetrySchedule.fromBackoff(Backoff.constant(wait))
const backingOff = Retry.retry({ classifier: Classifier.anyError, schedule, maxAttempts: 3 })

const bulkheadOfOne = (calls: number) =>
  Effect.map(Bulkhead.make({ permits: 1, queue: calls, maxWait: "20 minutes" }), (bulkhead) => Bulkhead.protect(Effect.never, { bulkhead }))

/** A thousandth is let through each second: the others are in line for longer than this takes. */
const inLine = (calls: number) =>
  Effect.map(RateLimit.make({ limit: Math.ceil(calls / 1_000), window: "1 second", maxWait: "20 minutes" }), (limiter) => RateLimit.limit(Effect.never, { limiter }))

const crowds = (calls: number): Readonly<Record<string, () => Crowd>> => ({
  "a fiber asleep": () => fibers(Effect.sleep(wait)),
  "Retry, in a backoff": () => fibers(backingOff(Effect.fail(busy))),
  "Retry with a budget, in a backoff": () => {
    const budget = Effect.runSync(RetryBudget.make({ floorPerSecond: calls }))
    return fibers(Retry.retry(Effect.fail(busy), { classifier: Classifier.anyError, schedule, maxAttempts: 3, budget }))
  },
  "Bulkhead, in its queue": () => fibers(Effect.runSync(bulkheadOfOne(calls))),
  "RateLimit, in its line": () => fibers(Effect.runSync(inLine(calls))),
  "cockatiel: retry": () => {
    const policy = retry(handleAll, { maxAttempts: 2, backoff: new ConstantBackoff(wait) })
    return promises((signal) => policy.execute(() => Promise.reject(busy), signal))
  },
  "cockatiel: bulkhead": () => {
    const policy = bulkhead(1, calls)
    return promises((signal) => policy.execute(() => new Promise(() => {}), signal))
  },
  // Left to wait, because to abort it takes a time that grows with the square of the calls. Its timers do not keep the process.
  "p-retry": () => promises(() => pRetry(() => Promise.reject(busy), { retries: 2, minTimeout: wait, maxTimeout: wait, unref: true }))
})

const held = async (crowd: Crowd, calls: number): Promise<number> => {
  const before = await settledHeap()
  for (let i = 0; i < calls; i++) crowd.begin()
  await new Promise((resolve) => setTimeout(resolve, 500))
  const bytes = await settledHeap() - before
  await crowd.end()
  return bytes / calls
}

export const main = async ({ calls }: Settings): Promise<ReadonlyArray<Row>> => {
  const rows: Array<Row> = []
  for (const [name, make] of Object.entries(crowds(calls))) {
    await held(make(), 1_000)
    rows.push({ name, measures: { bytes: exactly(await held(make(), calls)) } })
  }
  return rows
}
