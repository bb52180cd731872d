/**
 * What it costs to have the library, over the client that it wraps: processor time to import it in a fresh process, and bytes in a
 * bundle.
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

const importMillis = async (specifiers: ReadonlyArray<string>, folder: string): Promise<number> => {
  const script = [
    "const start = process.cpuUsage()",
    ...specifiers.map((each) => `await import("${each}")`),
    "const { system, user } = process.cpuUsage(start)",
    "console.log((system + user) / 1000)"
  ].join("\n")
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", script], { cwd: folder })
  return Number(stdout)
}

/** Fresh processes in turns, there and back again (ABCCBA); each round gives one difference to the first. */
export const importing = async (folder: string, rounds: number): Promise<ReadonlyArray<Row>> => {
  const samples = Object.entries(imports).map(([name, specifiers]) => ({
    name,
    specifiers,
    own: [] as Array<number>,
    over: [] as Array<number>
  }))
  // The first of each reads the files from the disk.
  for (const { specifiers } of samples) await importMillis(specifiers, folder)
  for (let round = 0; round < rounds; round++) {
    const there: Array<number> = []
    for (const { specifiers } of samples) there.push(await importMillis(specifiers, folder))
    const back: Array<number> = []
    for (let i = samples.length - 1; i >= 0; i--) back[i] = await importMillis(samples[i]!.specifiers, folder)
    for (const [i, { over, own }] of samples.entries()) {
      own.push((there[i]! + back[i]!) / 2)
      over.push((there[i]! + back[i]! - there[0]! - back[0]!) / 2)
    }
  }
  return samples.map(({ name, over, own }) => ({ name, measures: { time: quartiles(own), over: quartiles(over) } }))
}

const program = (imported: string, client: string): string =>
  `import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
${imported}
const text = Effect.flatMap(HttpClient.get("http://users.test/1"), (response) => response.text)
${client}
Effect.runPromise(Effect.provide(text, Live)).then(console.log)`

const plain = "const Live = Layer.suspend(() => FetchHttpClient.layer)"
const resilient = "const Live = Layer.provide(ResilientClient.layer(), FetchHttpClient.layer)"

const bundles: Readonly<Record<string, string>> = {
  "a fetch client": program("", plain),
  "+ ResilientClient.layer()": program(
    "import * as ResilientClient from \"effect-resilience/policy/ResilientClient\"",
    resilient
  ),
  "+ the same, by way of the index": program("import { ResilientClient } from \"effect-resilience\"", resilient),
  "platform: retryTransient": program(
    "",
    `const Live = Layer.effect(
      HttpClient.HttpClient,
      Effect.map(HttpClient.HttpClient, (client) => HttpClient.retryTransient(client, { times: 3 }))
    ).pipe(Layer.provide(FetchHttpClient.layer))`
  )
}

const bundled = async (contents: string, folder: string): Promise<Uint8Array> => {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: folder },
    absWorkingDir: folder,
    bundle: true,
    minify: true,
    write: false,
    format: "esm",
    platform: "browser",
    target: "es2022",
    legalComments: "none"
  })
  return outputFiles[0]!.contents
}

const kilobyte = 1024

/** Bundles of one program, minified and gzipped. */
export const bundling = async (folder: string): Promise<ReadonlyArray<Row>> => {
  const sizes = await Promise.all(Object.entries(bundles).map(async ([name, contents]) => {
    const minified = await bundled(contents, folder)
    return { name, min: minified.length / kilobyte, gz: gzipSync(minified, { level: 9 }).length / kilobyte }
  }))
  return sizes.map(({ gz, min, name }) => ({
    name,
    measures: { min: exactly(min), gz: exactly(gz), over: exactly(gz - sizes[0]!.gz) }
  }))
}
