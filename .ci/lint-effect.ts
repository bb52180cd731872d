/**
 * Runs the Effect language service over `src` and fails on what it must not contain: ambient clocks, chance and timers,
 * effects that are dropped, services that are missing.
 *
 * The tool has been seen to check no file at all and to pass. So this counts: every source file must have been checked.
 * Two of its rules (missingStarInYieldEffectGen, runEffectInsideEffect) see nothing where Effect is imported as
 * `import * as Effect from "effect/Effect"`, which is our style. They are asked for all the same; what holds meanwhile is
 * that TypeScript refuses a `yield` without its star, and that test/architecture.test.ts finds any `Effect.run*` in `src`.
 */
import { spawnSync } from "node:child_process"
import { readdirSync } from "node:fs"

interface Report {
  readonly diagnostics: ReadonlyArray<{
    readonly file: string
    readonly line: number
    readonly column: number
    readonly severity: string
    readonly name: string
    readonly message: string
  }>
  readonly summary: { readonly filesChecked: number }
}

const error = [
  "globalDate",
  "globalRandom",
  "globalTimers",
  "floatingEffect",
  "missingStarInYieldEffectGen",
  "runEffectInsideEffect"
]

const settings = { diagnosticSeverity: Object.fromEntries(error.map((name) => [name, "error"])) }
const project = ".ci/tsconfig.build.json"
const sources = readdirSync("src", { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts")).length

const run = spawnSync(
  "effect-language-service",
  ["diagnostics", "--project", project, "--format", "json", "--severity", "error", "--lspconfig", JSON.stringify(settings)],
  { encoding: "utf8", maxBuffer: 1 << 26 }
)

const report = ((): Report | undefined => {
  try {
    return JSON.parse(run.stdout)
  } catch {
    return undefined
  }
})()

if (report === undefined) {
  console.error(run.error ?? run.stdout + run.stderr)
  console.error("effect diagnostics: no report")
  process.exit(1)
}

for (const found of report.diagnostics) {
  console.error(`${found.file}:${found.line}:${found.column} ${found.severity} ${found.name}: ${found.message}`)
}
console.log(`effect diagnostics: ${report.diagnostics.length} errors, ${report.summary.filesChecked} of ${sources} files checked`)
if (sources === 0 || report.summary.filesChecked < sources || report.diagnostics.length > 0 || run.status !== 0) process.exit(1)
