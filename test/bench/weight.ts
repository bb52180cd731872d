/**
 * What it costs to have the library, over the client that it wraps: time to import it in a fresh process, and bytes in a bundle.
 */
import { build } from "esbuild"
import { execFile } from "node:child_process"
import { promisify } from "node:util"
import { gzipSync } from "node:zlib"
import type { Row } from "./report.ts"
import { exactly, quartiles } from "./stats.ts"

const wrapped = ["@effect/platform/HttpClient", "effect/Effect"]

const imports: Readonly<Record<string, ReadonlyArray<string>>> = {
  "@effect/platform/HttpClient": wrapped,
  "the same again (null check)": wrapped,
  "+ ResilientClient": [...wrapped, "effect-resilience/policy/ResilientClient"],
  "+ the index": [...wrapped, "effect-resilience"]
}

interface Millis {
  readonly clock: number
  readonly cpu: number
}

const measures = ["clock", "cpu"] as const

const importing = async (specifiers: ReadonlyArray<string>, folder: string): Promise<Millis> => {
  const script = [
    "const cpu = process.cpuUsage()",
    "const clock = performance.now()",
    ...specifiers.map((each) => `await import("${each}")`),
    "const { system, user } = process.cpuUsage(cpu)",
    "console.log(JSON.stringify({ clock: performance.now() - clock, cpu: (system + user) / 1000 }))"
  ].join("\n")
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", script], { cwd: folder })
  return JSON.parse(stdout)
}

/** Fresh processes in turns, there and back again (ABCCBA); each round gives one difference to the first. */
export const imported = async (folder: string, rounds: number): Promise<ReadonlyArray<Row>> => {
  const all = Object.entries(imports)
  // The first of each reads the files from the disk.
  for (const [, specifiers] of all) await importing(specifiers, folder)
  const found: Array<ReadonlyArray<Millis>> = []
  for (let round = 0; round < rounds; round++) {
    const there: Array<Millis> = []
    for (const [, specifiers] of all) there.push(await importing(specifiers, folder))
    const back: Array<Millis> = []
    for (let i = all.length - 1; i >= 0; i--) back[i] = await importing(all[i]![1], folder)
    found.push(there.map((one, i) => ({ clock: (one.clock + back[i]!.clock) / 2, cpu: (one.cpu + back[i]!.cpu) / 2 })))
  }
  return all.map(([name], i) => ({
    name,
    measures: Object.fromEntries(measures.flatMap((measure) => [
      [measure, quartiles(found.map((round) => round[i]![measure]))],
      [`${measure}Over`, quartiles(found.map((round) => round[i]![measure] - round[0]![measure]))]
    ]))
  }))
}

const program = (imports: string, client: string): string =>
  `import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
${imports}
const text = Effect.flatMap(HttpClient.get("http://users.test/1"), (response) => response.text)
${client}
Effect.runPromise(Effect.provide(text, Live)).then(console.log)`

const plain = "const Live = Layer.suspend(() => FetchHttpClient.layer)"
const resilient = "const Live = Layer.provide(ResilientClient.layer(), FetchHttpClient.layer)"
const decorated = (client: string) =>
  `const Live = Layer.effect(
    HttpClient.HttpClient,
    Effect.map(HttpClient.HttpClient, (client) => ${client})
  ).pipe(Layer.provide(FetchHttpClient.layer))`

const bundles: Readonly<Record<string, string>> = {
  "a fetch client": program("", plain),
  "+ ResilientClient.layer()": program(
    "import * as ResilientClient from \"effect-resilience/policy/ResilientClient\"",
    resilient
  ),
  "+ the same, by way of the index": program("import { ResilientClient } from \"effect-resilience\"", resilient),
  "+ a retry alone": program(
    "import * as Resilience from \"effect-resilience/policy/Resilience\"",
    decorated("Resilience.withRetry(client)")
  ),
  "platform: retryTransient": program("", decorated("HttpClient.retryTransient(client, { times: 3 })"))
}

const minified = async (contents: string, folder: string): Promise<Uint8Array> => {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: folder },
    absWorkingDir: folder,
    bundle: true,
    minify: true,
    write: false,
    // Without the "paths" of tsconfig.json, which would take the package's name for its sources.
    tsconfigRaw: {},
    format: "esm",
    platform: "browser",
    target: "es2022",
    legalComments: "none"
  })
  return outputFiles[0]!.contents
}

const kilobyte = 1024

/** Bundles of one program, minified and gzipped. */
export const bundled = async (folder: string): Promise<ReadonlyArray<Row>> => {
  const sizes = await Promise.all(Object.entries(bundles).map(async ([name, contents]) => {
    const code = await minified(contents, folder)
    return { name, min: code.length / kilobyte, gz: gzipSync(code, { level: 9 }).length / kilobyte }
  }))
  return sizes.map(({ gz, min, name }) => ({
    name,
    measures: { min: exactly(min), gz: exactly(gz), over: exactly(gz - sizes[0]!.gz) }
  }))
}
