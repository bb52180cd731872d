/**
 * Runs the Effect language service over `src` and fails on what it must not contain: ambient clocks, chance and timers,
 * effects that are dropped, errors and services that a type does not tell.
 *
 * The service is a plugin for editors, and is asked here as an editor asks it, file by file, of one program that holds `src` alone. Its own
 * command line makes a program of the whole repository for every fifty files, and runs rules whose findings nobody asks for: three times
 * the work for the same answer.
 *
 * It has been seen to check nothing and to pass. So it is shown one file more, which is not on disk, and has to find what is wrong there.
 * Two of its rules (missingStarInYieldEffectGen, runEffectInsideEffect) see nothing where Effect is imported as
 * `import * as Effect from "effect/Effect"`, which is our style. They are asked for all the same; what holds meanwhile is
 * that TypeScript refuses a `yield` without its star, and that test/architecture.test.ts finds any `Effect.run*` in `src`.
 */
import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import * as path from "node:path"
import ts from "typescript"

const require = createRequire(import.meta.url)
const root = path.resolve(import.meta.dirname, "..")

const wanted = [
  "globalDate",
  "globalRandom",
  "globalTimers",
  "floatingEffect",
  "missingStarInYieldEffectGen",
  "runEffectInsideEffect"
]

/** Each line breaks the rule it names. */
const wrong = {
  file: path.join(root, "src/wrong.ts"),
  text: [
    `import * as Effect from "effect/Effect"`,
    `export const now = () => Date.now() // globalDate`,
    `export const chance = () => Math.random() // globalRandom`,
    `export const later = () => setTimeout(now, 1) // globalTimers`,
    `export const lost = () => { Effect.void } // floatingEffect`,
    `export const untold: Effect.Effect<void> = Effect.fail("no") // missingEffectError`
  ].join("\n")
}

/** The wanted rules, and those that are errors unless somebody says otherwise. The others only advise, and are left out. */
const severities = (): Readonly<Record<string, "error" | "off">> => {
  // The service describes its settings to editors, as a JSON schema.
  const { definitions: { effectLanguageServicePluginDiagnosticSeverityDefinition: { properties } } } = JSON.parse(
    readFileSync(require.resolve("@effect/language-service/schema.json"), "utf8")
  ) as {
    readonly definitions: {
      readonly effectLanguageServicePluginDiagnosticSeverityDefinition: {
        readonly properties: Readonly<Record<string, { readonly default: string }>>
      }
    }
  }
  const unknown = wanted.filter((name) => !(name in properties))
  if (unknown.length > 0) throw new Error(`the Effect language service has no rule ${unknown.join(", ")}`)
  return Object.fromEntries(
    Object.entries(properties).map(([name, rule]) => [name, rule.default === "error" || wanted.includes(name) ? "error" : "off"])
  )
}

/** The sources as they are built, and the wrong one. */
const sources = (): { readonly files: ReadonlyArray<string>; readonly program: ts.Program } => {
  const project = path.join(root, ".ci/tsconfig.build.json")
  const { fileNames, options } = ts.parseJsonConfigFileContent(ts.readConfigFile(project, ts.sys.readFile).config, ts.sys, path.dirname(project))
  const host = ts.createCompilerHost(options)
  const program = ts.createProgram([...fileNames, wrong.file], options, {
    ...host,
    fileExists: (file) => file === wrong.file || host.fileExists(file),
    readFile: (file) => file === wrong.file ? wrong.text : host.readFile(file),
    getSourceFile: (file, target, ...others) =>
      file === wrong.file ? ts.createSourceFile(file, wrong.text, target) : host.getSourceFile(file, target, ...others)
  })
  return { files: fileNames, program }
}

type Plugin = (modules: { readonly typescript: typeof ts }) => {
  readonly create: (info: object) => Pick<ts.LanguageService, "getSemanticDiagnostics">
}

/** What the service finds in a file; what TypeScript itself finds is told by `npm run check`. */
const checker = (program: ts.Program): (file: string) => ReadonlyArray<ts.Diagnostic> => {
  // By its file, since its manifest names one that is not there. This is what TypeScript asks of every plugin.
  const plugin = require("@effect/language-service/index.js") as Plugin
  const service = plugin({ typescript: ts }).create({
    languageService: { getProgram: () => program, getSemanticDiagnostics: () => [] },
    project: { log: () => {} },
    config: { diagnosticSeverity: severities(), diagnosticsName: true }
  })
  return (file) => {
    if (program.getSourceFile(file) === undefined) throw new Error(`${file} has not been checked`)
    return service.getSemanticDiagnostics(file)
  }
}

const told = ({ file, messageText, start = 0 }: ts.Diagnostic): string => {
  const at = file?.getLineAndCharacterOfPosition(start) ?? { line: 0, character: 0 }
  const message = ts.flattenDiagnosticMessageText(messageText, "\n")
  return `${path.relative(root, file?.fileName ?? root)}:${at.line + 1}:${at.character + 1} ${message}`
}

const { files, program } = sources()
const check = checker(program)

const seen = check(wrong.file).map(told)
const unseen = wrong.text.split("\n").flatMap((line, i) => {
  const [, rule] = / \/\/ (\w+)$/.exec(line) ?? []
  return rule === undefined || seen.some((each) => each.startsWith(`src/wrong.ts:${i + 1}:`) && each.includes(`effect(${rule})`)) ? [] : [rule]
})
const found = files.flatMap(check).map(told)

for (const each of found) console.error(each)
for (const rule of unseen) console.error(`effect diagnostics: ${rule} does not see what it is for`)
console.log(`effect diagnostics: ${found.length} errors in ${files.length} files`)
if (files.length === 0 || found.length > 0 || unseen.length > 0) process.exitCode = 1
