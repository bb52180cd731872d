/**
 * A client over a real socket, in a process of its own: it is told how many calls to make, and answers with what they cost.
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { Agent } from "@effect/platform-node/Undici"
import * as Middleware from "effect-resilience/http/Middleware"
import * as Retry from "effect-resilience/http/Retry"
import * as Observer from "effect-resilience/strategy/Observer"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"

/** What a client of that name has; each loads what it needs and nothing else. */
const kinds = {
  "retry, tracing off": (bare: HttpClient.HttpClient) =>
    Effect.succeed(Middleware.applyTo(bare, Retry.middleware({ name: "bench" })).execute),
  /** All that could be seen of a call, and nobody looks: no tracer, no meter, no listener, and the layer of the phases is absent. */
  "retry, everything at hand and off": (bare: HttpClient.HttpClient) =>
    Effect.promise(async () => {
      const Meter = await import("effect-resilience/telemetry/Meter")
      const Trace = await import("effect-resilience/telemetry/Trace")
      await import("effect-resilience/node")
      const seen = Middleware.stack(Trace.attemptSpan, Meter.attempt("bench"), Retry.middleware({ name: "bench" }), Trace.callSpan("bench"))
      return Middleware.applyTo(bare, seen).execute
    }),
  "attempt span": (bare: HttpClient.HttpClient) =>
    Effect.promise(async () => {
      const Trace = await import("effect-resilience/telemetry/Trace")
      return Middleware.applyTo(bare, Trace.attemptSpan).execute
    }),
  "attempt span + connection phases": (bare: HttpClient.HttpClient) =>
    Effect.gen(function*() {
      const Trace = yield* Effect.promise(() => import("effect-resilience/telemetry/Trace"))
      const ConnectionTrace = yield* Effect.promise(() => import("effect-resilience/node/ConnectionTrace"))
      return Middleware.applyTo(bare, Middleware.stack(yield* ConnectionTrace.make(), Trace.attemptSpan)).execute
    })
} satisfies Record<string, (bare: HttpClient.HttpClient) => Effect.Effect<Middleware.Handler<unknown, never>, never, Scope.Scope>>

export type Kind = keyof typeof kinds

export interface Settings {
  readonly kind: Kind
  readonly url: string
}

/** What a client is told to do. */
export interface Task {
  readonly calls: number
  readonly concurrency: number
}

export interface Spent {
  /** Processor time of a call in microseconds, user and system, of all threads of the process. */
  readonly cpu: number
  /** What the heap grew by: what was allocated where nothing is collected meanwhile. */
  readonly bytes: number
  /** How many requests were followed on their connections. */
  readonly followed: number
}

export const main = async ({ kind, url }: Settings): Promise<void> => {
  const scope = Effect.runSync(Scope.make())
  const request = (await import("@effect/platform/HttpClientRequest")).get(url)
  const handler: Middleware.Handler<unknown, never> = await Effect.runPromise(
    Scope.extend(kinds[kind](NodeHttpClient.makeUndici(new Agent({ connections: 1 }))), scope)
  )
  let followed = 0
  const listener = Observer.sync((event) => {
    if (event._tag === "ConnectionTraced" && event.trace.phases.total > 0) followed++
  })
  const all = ({ calls, concurrency }: Task) => {
    let left = calls
    const worker = Effect.whileLoop({
      while: () => left-- > 0,
      body: () => Effect.flatMap(handler(request), (response) => response.text),
      step: () => {}
    })
    const done = Effect.all(Array.from({ length: concurrency }, () => worker), { concurrency: "unbounded", discard: true })
    return kind.startsWith("retry") ? Effect.withTracerEnabled(done, false) : Observer.observe(done, listener)
  }
  const spent = async (task: Task): Promise<Spent> => {
    // Only where the process has been given a new space that the calls do not fill.
    globalThis.gc?.({ type: "minor" })
    followed = 0
    const heap = process.memoryUsage().heapUsed
    const start = process.cpuUsage()
    await Effect.runPromise(all(task))
    const { system, user } = process.cpuUsage(start)
    return { cpu: (system + user) / task.calls, bytes: (process.memoryUsage().heapUsed - heap) / task.calls, followed }
  }
  process.on("message", (task: Task) => void spent(task).then((answer) => process.send!(answer)))
}
