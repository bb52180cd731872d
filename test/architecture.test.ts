/**
 * The shape of the house: what lies at the top, what `src` may hold, what the package lets out. Which floor may import
 * which is told by `npm run floors`.
 */
import { build } from "esbuild"
import { execFileSync } from "node:child_process"
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { createRequire } from "node:module"
import * as path from "node:path"
import ts from "typescript"
import { afterAll, beforeAll, describe, expect, it } from "vitest"

const root = path.resolve(import.meta.dirname, "..")
const read = (file: string) => readFileSync(path.join(root, file), "utf8")
const manifest = JSON.parse(read("package.json"))

const floors = ["core", "strategy", "http", "telemetry", "policy"]
const edges = ["node", "server", "grpc", "redis", "workflow", "testing", "cli"]

/** Every source file, as `http/Retry.ts`. */
const sources = readdirSync(path.join(root, "src"), { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".ts"))
  .sort()
const isOn = (folders: ReadonlyArray<string>) => (file: string) => folders.includes(file.split("/")[0] ?? "")
const modules = sources.filter((file) => path.basename(file) !== "index.ts")
const nameOf = (file: string) => path.basename(file, ".ts")

const parsed = new Map<string, ts.SourceFile>()
const parse = (file: string): ts.SourceFile => {
  const source = parsed.get(file) ?? ts.createSourceFile(file, read(file), ts.ScriptTarget.ES2022, true)
  parsed.set(file, source)
  return source
}
const walk = (node: ts.Node, visit: (node: ts.Node) => void): void => {
  visit(node)
  ts.forEachChild(node, (child) => walk(child, visit))
}
/** Where in the file, and what: `src/http/Retry.ts:12 Date.now` */
const at = (file: string, node: ts.Node) => {
  const { line } = node.getSourceFile().getLineAndCharacterOfPosition(node.getStart())
  return `${file}:${line + 1} ${node.getText().split("\n")[0]}`
}

describe("the top level", () => {
  it("holds these and nothing else", () => {
    const tracked = execFileSync("git", ["-c", "safe.directory=*", "ls-files"], { cwd: root, encoding: "utf8" })
    expect([...new Set(tracked.trim().split("\n").map((file) => file.split("/")[0]))].sort()).toEqual([
      ".ci",
      ".gitignore",
      "LICENSE",
      "README.md",
      "docs",
      "package-lock.json",
      "package.json",
      "src",
      "test",
      "tsconfig.json",
      "vitest.config.ts"
    ])
  })
})

describe("src", () => {
  it("has floors, edges and an index", () => {
    expect(sources.filter((file) => file !== "index.ts" && !isOn([...floors, ...edges])(file))).toEqual([])
  })

  it("has no file of more than 400 lines", () => {
    const lines = (file: string) => read(`src/${file}`).trimEnd().split("\n").length
    expect(sources.filter((file) => lines(file) > 400).map((file) => `${file}: ${lines(file)}`)).toEqual([])
  })

  it("asks Clock and Random, never the machine", () => {
    const ambient = [
      "Date", "performance", "console", "setTimeout", "setInterval", "setImmediate", "queueMicrotask"
    ]
    const found = sources.flatMap((file) => {
      const uses: Array<string> = []
      walk(parse(`src/${file}`), (node) => {
        if (!ts.isIdentifier(node)) return
        const { parent } = node
        // A name after a dot is somebody's property, except after globalThis.
        const owner = ts.isPropertyAccessExpression(parent) && parent.name === node ? parent.expression.getText() : ""
        const isProperty = ts.isPropertyAssignment(parent) || ts.isPropertySignature(parent)
        const isAmbient = ambient.includes(node.text) && (owner === "" || owner === "globalThis") && !isProperty
        if (isAmbient || (owner === "Math" && node.text === "random")) uses.push(at(`src/${file}`, parent))
      })
      return uses
    })
    expect(found).toEqual([])
  })

  it("runs effects in few, known places", () => {
    // A combinator returns effects. These run them, because a fiber of their own is what they are about.
    const known = ["src/http/Release.ts", "src/strategy/Child.ts", "src/strategy/Timeout.ts", "src/testing/Simulation.ts", "src/testing/Wire.ts"]
    const found = sources.map((file) => `src/${file}`).filter((file) => !known.includes(file)).flatMap((file) => {
      const uses: Array<string> = []
      walk(parse(file), (node) => {
        if (!ts.isPropertyAccessExpression(node)) return
        if (/^(Effect|Runtime)\.(unsafe)?run[A-Z]/i.test(node.getText())) uses.push(at(file, node))
      })
      return uses
    })
    expect(found).toEqual([])
  })
})

describe("core", () => {
  it("imports itself and what Effect's major versions share", () => {
    const shared = /^effect\/(Option|Duration|Exit|Cause|Function|Pipeable|Predicate|Data|Equal|Hash|Inspectable)$/
    const found = sources.filter(isOn(["core"])).flatMap((file) => {
      const imported = ts.preProcessFile(read(`src/${file}`)).importedFiles.map((each) => each.fileName)
      return imported.filter((name) => !/^\.\/\w+\.ts$/.test(name) && !shared.test(name)).map((name) => `${file}: ${name}`)
    })
    expect(found).toEqual([])
  })
})

describe("src/index.ts", () => {
  const exported = new Map(
    [...read("src/index.ts").matchAll(/^export \* as (\w+) from "\.\/(.+)"$/gm)].map(([, name, file]) => [name, file])
  )

  it("does nothing but export namespaces", () => {
    const statements = parse("src/index.ts").statements
    expect(statements.length).toBe(exported.size)
  })

  it("exports every module of the floors under its own name; of two strategies, the one over HttpClient", () => {
    const rank = (file: string) => floors.indexOf(file.split("/")[0] ?? "")
    const expected = new Map<string, string>()
    for (const file of modules.filter(isOn(floors)).sort((a, b) => rank(a) - rank(b))) {
      const below = expected.get(nameOf(file))
      if (below !== undefined) expect([below, file]).toEqual([`strategy/${nameOf(file)}.ts`, `http/${nameOf(file)}.ts`])
      expected.set(nameOf(file), file)
    }
    expect(Object.fromEntries(exported)).toEqual(Object.fromEntries(expected))
  })
})

describe("the package", () => {
  const folder = path.join(root, `test/.cache/package-${process.pid}`)
  const require = createRequire(path.join(folder, "package.json"))

  const doors = edges.filter((edge) => sources.includes(`${edge}/index.ts`))
  const specifiers = [
    "effect-resilience",
    ...doors.map((edge) => `effect-resilience/${edge}`),
    ...modules.map((file) => `effect-resilience/${file.replace(/\.ts$/, "")}`)
  ]

  beforeAll(() => {
    mkdirSync(folder, { recursive: true })
    // `npm test` has just packed it, and says where: then that is what is looked at.
    const packed = process.env["PACKED"]
    if (packed !== undefined) {
      execFileSync("tar", ["-xzf", path.resolve(root, packed), "--strip-components=1", "-C", folder])
      return
    }
    copyFileSync(path.join(root, "package.json"), path.join(folder, "package.json"))
    execFileSync(
      path.join(root, "node_modules/.bin/tsc"),
      ["-p", ".ci/tsconfig.build.json", "--outDir", path.join(folder, "dist")],
      { cwd: root }
    )
    execFileSync(path.join(root, "node_modules/.bin/tsx"), [".ci/bundle.ts", path.join(folder, "dist")], { cwd: root })
  })

  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it("gives every module a subpath, with its types", () => {
    for (const specifier of specifiers) {
      const file = require.resolve(specifier)
      expect(existsSync(file), specifier).toBe(true)
      const types = file.replace("/dist/bundle/", "/dist/").replace(/\.js$/, ".d.ts")
      expect(existsSync(types), `types of ${specifier}`).toBe(true)
    }
    for (const door of Object.values<{ types?: string } | string | null>(manifest.exports)) {
      if (typeof door === "object" && door?.types !== undefined && !door.types.includes("*")) {
        expect(existsSync(path.join(folder, door.types)), door.types).toBe(true)
      }
    }
  })

  it("can be imported by plain Node, all of it", () => {
    const script = `for (const each of ${JSON.stringify(specifiers)}) await import(each)`
    execFileSync(process.execPath, ["--input-type=module", "-e", script], { cwd: folder, stdio: "pipe" })
  })

  it("is there once in a process, whichever way it is imported", () => {
    const modules = specifiers.filter((each) => floors.some((floor) => each.startsWith(`effect-resilience/${floor}/`)))
    const script = `
      const index = await import("effect-resilience")
      const state = await import("effect-resilience/strategy/Observer")
      if (index.Observer.none !== state.none) throw new Error("two observers")
      for (const each of ${JSON.stringify(modules)}) {
        const name = each.split("/").at(-1)
        const own = await import(each)
        const shown = index[name]
        // Of two modules of one name the index shows the one over HTTP.
        if (Object.keys(own).every((key) => key in shown) && Object.keys(own).length === Object.keys(shown).length) {
          for (const key of Object.keys(own)) if (own[key] !== shown[key]) throw new Error(each + " has another " + key)
        }
      }
    `
    execFileSync(process.execPath, ["--input-type=module", "-e", script], { cwd: folder, stdio: "pipe" })
  })

  it("exports the same to Node and to bundlers", () => {
    const files = ["index.js", ...sources.filter((file) => file !== "index.ts").map((file) => file.replace(/\.ts$/, ".js"))]
    const script = `
      for (const file of ${JSON.stringify(files)}) {
        const [bundled, single] = await Promise.all(["./dist/bundle/", "./dist/"].map((each) => import(each + file)))
        if (Object.keys(bundled).join() !== Object.keys(single).join()) throw new Error(file)
      }
    `
    execFileSync(process.execPath, ["--input-type=module", "-e", script], { cwd: folder, stdio: "pipe" })
  })

  it("loads a client in Node without other strategies, and those without policies", () => {
    const beside = (part: string) =>
      Array.from(readFileSync(path.join(folder, `dist/bundle/${part}.js`), "utf8").matchAll(/^(?:import|export)\b[^"]*"(\.[^"]+)"/gm), ([, file]) => file)
    expect(beside("client")).toEqual([])
    expect(new Set(beside("floors"))).toEqual(new Set(["./client.js"]))
    expect(new Set(beside("policies"))).toEqual(new Set(["./client.js", "./floors.js"]))
  })

  it("gives a bundle what is used: a retry brings no code of spans, policies or other strategies", async () => {
    const { metafile } = await build({
      stdin: {
        contents: "import * as Resilience from \"effect-resilience/policy/Resilience\"\nexport const retry = Resilience.withRetry",
        resolveDir: folder
      },
      absWorkingDir: folder,
      // Without the "paths" of tsconfig.json, which would take the package's name for its sources.
      tsconfigRaw: {},
      bundle: true,
      write: false,
      metafile: true,
      format: "esm"
    })
    const used = Object.values(metafile.outputs).flatMap(({ inputs }) =>
      Object.keys(inputs).filter((file) => file.startsWith("dist/") && (inputs[file]?.bytesInOutput ?? 0) > 0).map((file) => file.slice("dist/".length)))
    expect(used).toContain("strategy/Loop.js")
    expect(used.filter((file) => /^(?:telemetry|policy)\/|\/(?:Hedge|Fallback|Chaos|CircuitBreaker|Bulkhead|RateLimit|Adaptive)/.test(file)))
      .toEqual(["policy/Resilience.js"])
  })

  it("keeps its internals to itself", () => {
    expect(() => require.resolve("effect-resilience/internal/anything")).toThrow(/not defined by "exports"/)
  })

  it("has peers and no dependencies", () => {
    expect(manifest.dependencies).toBeUndefined()
    expect(Object.keys(manifest.peerDependencies).filter((name) => !(name in manifest.peerDependenciesMeta)))
      .toEqual(["@effect/platform", "effect"])
  })

  it("exports no any", () => {
    const found = sources.flatMap((file) => {
      const declarations = path.relative(root, path.join(folder, "dist", file.replace(/\.ts$/, ".d.ts")))
      const uses: Array<string> = []
      for (const statement of parse(declarations).statements) {
        const modifiers = ts.canHaveModifiers(statement) ? ts.getModifiers(statement) : undefined
        if (!modifiers?.some((modifier) => modifier.kind === ts.SyntaxKind.ExportKeyword)) continue
        walk(statement, (node) => {
          if (node.kind === ts.SyntaxKind.AnyKeyword) uses.push(at(declarations, node.parent))
        })
      }
      return uses
    })
    expect(found).toEqual([])
  })
})
