/**
 * Puts the floors into one file for Node: `bundle.ts <folder that tsc has written to>`.
 *
 * To load a file costs Node about half a millisecond, and the floors are a hundred of them. The folder `bundle` is the package once
 * more, as the condition "node" of its exports shows it: one file that holds the floors, each module of theirs as a list of what it
 * takes from there, and as they are the edges, and what needs a Schema, which find the floors by the same relative paths. So there is
 * one copy of each class and of each state in a process. Whoever builds for the web takes the modules one by one, and drops what is
 * not used.
 */
import { build } from "esbuild"
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import { pathToFileURL } from "node:url"

const floors = ["core", "strategy", "http", "telemetry", "policy"]

const dist = path.resolve(process.argv[2] ?? "dist")
const folder = path.join(dist, "bundle")

/** What a module exports, by name. */
const namesOf = async (file: string): Promise<ReadonlyArray<string>> =>
  Object.keys(await import(pathToFileURL(path.join(dist, file)).href))

/** The name in the bundle of what a module exports. */
const within = (file: string, name: string): string => `${file.replace(/\.js$/, "").replace(/\W/g, "_")}$${name}`

const write = (file: string, text: string): void => {
  mkdirSync(path.dirname(path.join(folder, file)), { recursive: true })
  writeFileSync(path.join(folder, file), text)
}

rmSync(folder, { recursive: true, force: true })
const files = readdirSync(dist, { recursive: true, encoding: "utf8" })
  .map((file) => file.split(path.sep).join("/"))
  .filter((file) => file.endsWith(".js") && file !== "index.js")
const isOnFloor = (file: string): boolean => floors.includes(file.split("/")[0] ?? "")

const importsOf = (file: string): ReadonlyArray<string> =>
  Array.from(readFileSync(path.join(dist, file), "utf8").matchAll(/^(?:import|export)\b[^"']*["']([^"']+)["']/gm), ([, name]) => name ?? "")

/** Whether a module needs what costs more to load than all of ours, and what is of no use to most: it stays a file of its own. */
const isHeavy = (file: string): boolean =>
  importsOf(file).some((name) => name === "effect/Schema" || name.startsWith(".") && isHeavy(path.posix.join(path.posix.dirname(file), name)))

const isWithin = (file: string): boolean => isOnFloor(file) && !isHeavy(file)

const lists: Array<string> = []
for (const file of files.filter(isWithin)) {
  const names = await namesOf(file)
  const up = "../".repeat(file.split("/").length - 1)
  const list = (each: (name: string) => string) => names.map(each).join(", ")
  lists.push(`export { ${list((name) => `${name} as ${within(file, name)}`)} } from "./${file}"`)
  write(file, `export { ${list((name) => `${within(file, name)} as ${name}`)} } from "${up}floors.js"\n`)
}
/** The namespaces of the index: those of modules that are within are made there, where to make them loads no file. */
const namespaces = Array.from(
  readFileSync(path.join(dist, "index.js"), "utf8").matchAll(/^export \* as (\w+) from "\.\/(.+)"/gm),
  ([line, name = "", file = ""]) => ({ line, name, isWithin: isWithin(file) })
)
const [own, others] = [true, false].map((within) => namespaces.filter((each) => each.isWithin === within))
write("index.js", [
  `export { ${own?.map(({ name }) => name).join(", ")} } from "./floors.js"`,
  ...(others ?? []).map(({ line }) => line.replace(/;?$/, "")),
  ""
].join("\n"))

const common = { format: "esm", platform: "neutral", target: "es2022", sourcemap: true } as const
await build({
  ...common,
  stdin: { contents: [...lists, ...(own ?? []).map(({ line }) => line)].join("\n"), resolveDir: dist, sourcefile: "floors.js" },
  outfile: path.join(folder, "floors.js"),
  bundle: true,
  packages: "external"
})
await build({
  ...common,
  entryPoints: files.filter((file) => !isWithin(file)).map((file) => path.join(dist, file)),
  outbase: dist,
  outdir: folder
})
