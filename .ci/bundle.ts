/**
 * Makes the package of what tsc has written: `bundle.ts <folder>`.
 *
 * Whoever builds for the web takes the modules one by one, and drops what is not used, which `pure.ts` lets a bundler see.
 *
 * To load a file costs Node about half a millisecond, and the floors are more than a hundred of them. The folder `bundle` is the package
 * once more, as the condition "node" of its exports shows it: the floors as three files, each module of theirs as a list of what it takes
 * from there, and the edges as they are, which find the floors by the same relative paths. So there is one copy of each class and of each
 * state in a process. The three follow from each other, and a process loads as many as it needs:
 *
 * | file | what |
 * | --- | --- |
 * | `client.js` | `ResilientClient`, and what it is made of |
 * | `floors.js` | every other strategy |
 * | `policies.js` | policies as data, which need a Schema |
 */
import { build, type Plugin } from "esbuild"
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import { pathToFileURL } from "node:url"
import { markPure } from "./pure.ts"

const floors = ["core", "strategy", "http", "telemetry", "policy"]

/** In the order in which they need each other. */
const parts = ["client", "floors", "policies"] as const
type Part = (typeof parts)[number]

const dist = path.resolve(process.argv[2] ?? "dist")
const folder = path.join(dist, "bundle")

rmSync(folder, { recursive: true, force: true })
const files = readdirSync(dist, { recursive: true, encoding: "utf8" })
  .map((file) => file.split(path.sep).join("/"))
  .filter((file) => file.endsWith(".js") && file !== "index.js")
for (const file of files) markPure(path.join(dist, file))

const importsOf = (file: string): ReadonlyArray<string> =>
  Array.from(readFileSync(path.join(dist, file), "utf8").matchAll(/^(?:import|export)\b[^"']*["']([^"']+)["']/gm), ([, name]) => name ?? "")

/** A module, and all of ours that are loaded with it. */
const closureOf = (file: string, found = new Set<string>()): ReadonlySet<string> => {
  if (found.has(file)) return found
  found.add(file)
  for (const name of importsOf(file)) if (name.startsWith(".")) closureOf(path.posix.join(path.posix.dirname(file), name), found)
  return found
}

const ofClient = closureOf("policy/ResilientClient.js")

const partOf = (file: string): Part | undefined => {
  if (!floors.includes(file.split("/")[0] ?? "")) return undefined
  if (ofClient.has(file)) return "client"
  return [...closureOf(file)].some((each) => importsOf(each).includes("effect/Schema")) ? "policies" : "floors"
}

const placed: ReadonlyMap<string, Part> = new Map(files.flatMap((file) => {
  const part = partOf(file)
  return part === undefined ? [] : [[file, part] as const]
}))

/** The name in its part of what a module exports. */
const within = (file: string, name: string): string => `${file.replace(/\.js$/, "").replace(/\W/g, "_")}$${name}`

/** What each module exports from its part, and what it takes from there. */
const lists = await Promise.all(Array.from(placed, async ([file, part]) => {
  const names = Object.keys(await import(pathToFileURL(path.join(dist, file)).href))
  const list = (each: (name: string) => string) => names.map(each).join(", ")
  const up = "../".repeat(file.split("/").length - 1)
  return {
    file,
    part,
    exported: `export { ${list((name) => `${name} as ${within(file, name)}`)} } from "./${file}"`,
    taken: `export { ${list((name) => `${within(file, name)} as ${name}`)} } from "${up}${part}.js"\n`
  }
}))
for (const { file, taken } of lists) {
  mkdirSync(path.dirname(path.join(folder, file)), { recursive: true })
  writeFileSync(path.join(folder, file), taken)
}

/** The namespaces of the index. Those of the client are made in the index itself: the client alone needs none. */
const namespaces = Array.from(
  readFileSync(path.join(dist, "index.js"), "utf8").matchAll(/^export \* as (\w+) from "\.\/(.+)"/gm),
  ([line, name = "", file = ""]) => ({ line, name, part: placed.get(file) })
)
const linesOf = (part: Part): ReadonlyArray<string> => namespaces.filter((each) => each.part === part).map(({ line }) => line)

/** A module of another part is the list of what it takes from there, and the part stays a file of its own. */
const outside = (own: Part | "index"): Plugin => ({
  name: "parts",
  setup: ({ onResolve }) => {
    onResolve({ filter: /^\./ }, ({ path: name, resolveDir }) => {
      const part = parts.find((part) => path.basename(name) === `${part}.js`)
      if (part !== undefined) return { path: `./${part}.js`, external: true }
      const file = path.relative(dist, path.resolve(resolveDir, name)).split(path.sep).join("/")
      return placed.get(file) === own ? undefined : { path: path.join(folder, file) }
    })
  }
})

const common = { format: "esm", platform: "neutral", target: "es2022", sourcemap: true } as const

const write = (name: Part | "index", lines: ReadonlyArray<string>) =>
  build({
    ...common,
    stdin: { contents: lines.join("\n"), resolveDir: dist, sourcefile: `${name}.js` },
    outfile: path.join(folder, `${name}.js`),
    bundle: true,
    packages: "external",
    plugins: [outside(name)]
  })

for (const part of parts) {
  const exported = lists.filter((each) => each.part === part).map(({ exported }) => exported)
  await write(part, part === "client" ? exported : [...exported, ...linesOf(part)])
}
await write("index", [
  ...linesOf("client"),
  ...(["floors", "policies"] as const).map((part) => {
    const names = namespaces.filter((each) => each.part === part).map(({ name }) => name)
    return `export { ${names.join(", ")} } from "./${part}.js"`
  })
])
await build({
  ...common,
  entryPoints: files.filter((file) => !placed.has(file)).map((file) => path.join(dist, file)),
  outbase: dist,
  outdir: folder
})
