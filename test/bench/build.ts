/**
 * The bench runs what is shipped: the library as `npm run build` compiles it, in a folder of its own under the package's name,
 * and the bench beside it. `tsx` would wrap every function to keep its name, and measure the wrappers.
 */
import { build as bundle } from "esbuild"
import { type ChildProcess, fork, spawn } from "node:child_process"
import { once } from "node:events"
import { copyFileSync, mkdirSync, rmSync } from "node:fs"
import * as path from "node:path"
import type { Parts } from "./child.ts"

const root = path.resolve(import.meta.dirname, "../..")

export interface Built {
  /** Modules in here import the package by its name, as an application does. */
  readonly folder: string
}

const succeeded = async (child: ChildProcess, part: string): Promise<void> => {
  const [code, signal] = await once(child, "exit")
  if (code !== 0) throw new Error(`bench: ${part} ended with ${code ?? signal}`)
}

export const build = async (): Promise<Built> => {
  const folder = path.join(root, "node_modules/.cache", `bench-${process.pid}`)
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }))
  process.on("SIGINT", () => process.exit(130))
  mkdirSync(folder, { recursive: true })
  copyFileSync(path.join(root, "package.json"), path.join(folder, "package.json"))
  const compiled = spawn(
    path.join(root, "node_modules/.bin/tsc"),
    ["-p", ".ci/tsconfig.build.json", "--outDir", path.join(folder, "dist")],
    // What it has to say is not mixed with what the bench prints.
    { cwd: root, stdio: ["ignore", process.stderr, process.stderr] }
  )
  await succeeded(compiled, "tsc")
  const bundled = spawn(path.join(root, "node_modules/.bin/tsx"), [".ci/bundle.ts", path.join(folder, "dist")], {
    cwd: root,
    stdio: ["ignore", process.stderr, process.stderr]
  })
  await succeeded(bundled, "bundle")
  await bundle({
    entryPoints: [path.join(import.meta.dirname, "child.ts")],
    outdir: folder,
    bundle: true,
    splitting: true,
    packages: "external",
    // Without the "paths" of tsconfig.json, which would take the package's name for its sources.
    tsconfigRaw: {},
    format: "esm",
    platform: "node",
    target: "node20"
  })
  return { folder }
}

/** Runs one part of the bench in a fresh process. */
export const inChild = async <K extends keyof Parts>(
  { folder }: Built,
  part: K,
  settings: Parameters<Parts[K]>[0],
  flags: ReadonlyArray<string> = []
): Promise<Awaited<ReturnType<Parts[K]>>> => {
  const child = fork(path.join(folder, "child.js"), [part, JSON.stringify(settings)], { execArgv: [...flags] })
  const [[answer]] = await Promise.all([once(child, "message"), succeeded(child, part)])
  return answer
}
