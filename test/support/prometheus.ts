/**
 * A real Prometheus on 127.0.0.1, which scrapes one target and ends with its scope. What it keeps goes with it.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type ChildProcess, spawn } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import * as path from "node:path"
import { configuration } from "../../docs/observability/prometheus.ts"

export interface Sample {
  readonly metric: Readonly<Record<string, string>>
  readonly value: number
}

export interface Alert {
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  readonly state: string
}

export interface Prometheus {
  readonly query: (expr: string) => Effect.Effect<ReadonlyArray<Sample>>
  readonly alerts: Effect.Effect<ReadonlyArray<Alert>>
}

export interface Options {
  /** "127.0.0.1:9464". It is the job "test". */
  readonly target: string
  /** What stands in the file of the rules. */
  readonly rules: string
  /** As Prometheus writes it. */
  readonly interval: string
}

const end = (child: ChildProcess): Effect.Effect<void> =>
  Effect.async((resume) => {
    if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
    child.once("exit", () => resume(Effect.void))
    child.kill("SIGKILL")
  })

const begin = (folder: string): Effect.Effect<ChildProcess, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() =>
      spawn("prometheus", [
        `--config.file=${path.join(folder, "prometheus.yaml")}`,
        `--storage.tsdb.path=${path.join(folder, "data")}`,
        // A target is scraped at once, and not after 5 s.
        "--scrape.discovery-reload-interval=100ms",
        // A port that is free: it says which.
        "--web.listen-address=127.0.0.1:0"
      ], { stdio: ["ignore", "ignore", "pipe"] })
    ),
    end
  )

/** Where it listens, when it is ready. */
const ready = (child: ChildProcess): Effect.Effect<string> =>
  Effect.async((resume) => {
    let said = ""
    child.stderr?.on("data", (chunk: Buffer) => {
      said += chunk.toString()
      const address = /msg="Listening on" address=(\S+)/.exec(said)?.[1]
      if (address !== undefined && said.includes("ready to receive web requests")) resume(Effect.succeed(`http://${address}/api/v1`))
    })
    child.once("exit", (code) => resume(Effect.dieMessage(`prometheus ended with ${code}: ${said}`)))
    child.once("error", (error) => resume(Effect.die(error)))
  })

interface Answer {
  readonly data: {
    readonly result: ReadonlyArray<{ readonly metric: Readonly<Record<string, string>>; readonly value: readonly [number, string] }>
    readonly alerts: ReadonlyArray<Alert>
  }
}

const ask = (url: string): Effect.Effect<Answer["data"]> =>
  Effect.promise(async (signal) => {
    const response = await fetch(url, { signal })
    const text = await response.text()
    if (!response.ok) throw new Error(`${url}: ${text}`)
    // The shape is Prometheus' documented one.
    return (JSON.parse(text) as Answer).data
  })

export const prometheus = (options: Options): Effect.Effect<Prometheus, never, Scope.Scope> =>
  Effect.gen(function*() {
    const folder = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(path.join(tmpdir(), "prometheus-"))),
      (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
    )
    writeFileSync(path.join(folder, "prometheus.yaml"), configuration("For a test.", { ...options, job: "test", rules: "rules.yaml" }))
    writeFileSync(path.join(folder, "rules.yaml"), options.rules)
    const api = yield* Effect.flatMap(begin(folder), ready)
    return {
      query: (expr) =>
        Effect.map(ask(`${api}/query?${new URLSearchParams({ query: expr }).toString()}`), ({ result }) =>
          result.map(({ metric, value: [, value] }) => ({ metric, value: Number(value) }))),
      alerts: Effect.map(ask(`${api}/alerts`), ({ alerts }) => alerts)
    }
  })
