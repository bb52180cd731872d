/**
 * The demo of metrics, docs/examples/metrics.ts, as its users run it: a process of its own, which ends with its scope.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type ChildProcess, spawn } from "node:child_process"
import * as path from "node:path"

export interface Demo {
  /** Without a `/` at the end. */
  readonly url: string
  /** Asks it for what shall go wrong from now on, and gives its answer. */
  readonly trouble: (names: string) => Effect.Effect<string>
  /** What it shows Prometheus. */
  readonly metrics: Effect.Effect<string>
  /** As Ctrl-C does. */
  readonly interrupt: Effect.Effect<void>
  /** Its exit code, when it has ended. */
  readonly ended: Effect.Effect<number | null>
  /** What it has printed so far. */
  readonly printed: () => string
}

const root = path.resolve(import.meta.dirname, "../..")

const ended = (child: ChildProcess): Effect.Effect<number | null> =>
  Effect.async((resume) => {
    if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.succeed(child.exitCode))
    child.once("exit", (code) => resume(Effect.succeed(code)))
  })

const begin = (args: ReadonlyArray<string>): Effect.Effect<ChildProcess, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => spawn(process.execPath, ["--import", "tsx", "docs/examples/metrics.ts", ...args], { cwd: root, stdio: ["ignore", "pipe", "pipe"] })),
    (child) =>
      Effect.suspend(() => {
        if (child.exitCode === null) child.kill("SIGKILL")
        return ended(child)
      })
  )

const ask = (url: string, request?: RequestInit): Effect.Effect<string> =>
  Effect.promise(async (signal) => (await fetch(url, { ...request, signal })).text())

export const demo = (...args: ReadonlyArray<string>): Effect.Effect<Demo, never, Scope.Scope> =>
  Effect.flatMap(begin(["--port", "0", ...args]), (child) =>
    Effect.async<Demo>((resume) => {
      let printed = ""
      child.stderr?.on("data", (chunk: Buffer) => printed += chunk.toString())
      child.stdout?.on("data", (chunk: Buffer) => {
        printed += chunk.toString()
        const url = /metrics +(http:\S+)\/metrics/.exec(printed)?.[1]
        if (url === undefined) return
        resume(Effect.succeed({
          url,
          trouble: (names) => ask(`${url}/trouble`, { method: "PUT", body: names }),
          metrics: ask(`${url}/metrics`),
          interrupt: Effect.sync(() => void child.kill("SIGINT")),
          ended: ended(child),
          printed: () => printed
        }))
      })
      child.once("exit", (code) => resume(Effect.dieMessage(`the demo ended with ${code}: ${printed}`)))
    }))
