/**
 * Everything that must hold: types, lint, floors, the packed package, then every test, the examples of the docs included.
 *
 * The static checks run two at a time and speak only when they fail. The tests come after them, alone on the machine,
 * because some of them measure time. The last line is the sum of both.
 *
 * What takes long is done once: one compiler judges the tests of types and all other files, and test/architecture.test.ts looks at the
 * package that was packed.
 */
import { spawn } from "node:child_process"
import { mkdirSync, readFileSync, rmSync } from "node:fs"

interface Sum {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
}

interface VitestReport {
  readonly numPassedTests: number
  readonly numFailedTests: number
  readonly numPendingTests: number
  readonly numTodoTests: number
  readonly testResults: ReadonlyArray<{
    readonly status: string
    readonly assertionResults: ReadonlyArray<{ readonly status: string }>
  }>
}

/** A step that takes longer than this hangs; it is ended and has failed. */
const patienceMillis = 5 * 60_000

interface Ran {
  readonly ok: boolean
  /** What it printed, unless it was loud. */
  readonly output: string
}

const run = (command: string, args: ReadonlyArray<string>, { env, loud = false }: { readonly env?: NodeJS.ProcessEnv; readonly loud?: boolean } = {}) =>
  new Promise<Ran>((resolve) => {
    let output = ""
    const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: loud ? "inherit" : "pipe", timeout: patienceMillis })
    child.stdout?.on("data", (chunk) => output += chunk)
    child.stderr?.on("data", (chunk) => output += chunk)
    child.on("error", (error) => resolve({ ok: false, output: output + error }))
    child.on("close", (code) => resolve({ ok: code === 0, output }))
  })

/** Tells of a step when it is over; what it printed is shown when it fails. */
const quietly = async <A extends Ran>(name: string, step: Promise<A>): Promise<A> => {
  const start = performance.now()
  const ran = await step
  const seconds = ((performance.now() - start) / 1000).toFixed(1)
  console.log(`${ran.ok ? "✓" : "✗"} ${name} (${seconds} s)`)
  if (!ran.ok) console.log(ran.output.trimEnd())
  return ran
}

const check = async (name: string, command: string, ...args: ReadonlyArray<string>): Promise<Sum> => {
  const { ok } = await quietly(name, run(command, args))
  return { passed: ok ? 1 : 0, failed: ok ? 0 : 1, skipped: 0 }
}

/** Runs one script of package.json. */
const script = (name: string): Promise<Sum> => check(name, "npm", "run", "--silent", name)

/**
 * A file can fail although none of its tests does: it does not load, or has a type error outside a test. Such a file
 * counts as one failure, and so does a run that fails for any other reason (an unhandled rejection, say).
 */
const summarise = (report: VitestReport, ok: boolean): Sum => {
  const silent = report.testResults.filter((file) =>
    file.status === "failed" && file.assertionResults.every((test) => test.status !== "failed")
  ).length
  const failed = report.numFailedTests + silent
  return {
    passed: report.numPassedTests,
    failed: failed === 0 && !ok ? 1 : failed,
    skipped: report.numPendingTests + report.numTodoTests
  }
}

const vitest = async (args: ReadonlyArray<string>, options: { readonly env?: NodeJS.ProcessEnv; readonly loud?: boolean } = {}) => {
  const folder = "test/.cache"
  const file = `${folder}/vitest-${process.pid}.json`
  mkdirSync(folder, { recursive: true })
  const ran = await run("vitest", ["run", ...args, "--reporter=default", "--reporter=json", `--outputFile.json=${file}`], options)
  try {
    return { ...ran, sum: summarise(JSON.parse(readFileSync(file, "utf8")), ran.ok) }
  } catch {
    return { ...ran, ok: false, sum: { passed: 0, failed: 1, skipped: 0 } }
  } finally {
    rmSync(file, { force: true })
  }
}

/** The tests of types, and with them whatever the same compiler finds in any other file. */
const types = async (): Promise<Sum> => {
  const { sum } = await quietly("types", vitest(["--typecheck.only", "--typecheck.ignoreSourceErrors=false"]))
  return sum
}

const inOrder = async (...steps: ReadonlyArray<() => Promise<Sum>>): Promise<ReadonlyArray<Sum>> => {
  const sums: Array<Sum> = []
  for (const step of steps) sums.push(await step())
  return sums
}

const src = () => check("types of src, without those of Node", "tsc", "-p", ".ci/tsconfig.src.json")

// The package is built last: oxlint, which is done by then, looks into an earlier build where there is one.
const checks = (await Promise.all([
  inOrder(() => script("lint")),
  inOrder(types, src, () => script("floors"), () => script("pack"))
])).flat()

const { name, version } = JSON.parse(readFileSync("package.json", "utf8"))
const isPacked = checks.at(-1)?.failed === 0
const tests = await vitest(["--typecheck.enabled=false"], {
  env: isPacked ? { PACKED: `test/.cache/${name}-${version}.tgz` } : {},
  loud: true
})
const sums = [...checks, tests.sum]

const total = (of: keyof Sum) => sums.reduce((sum, each) => sum + each[of], 0)
const skipped = total("skipped")
console.log(`${total("passed")} passed, ${total("failed")} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`)
// Not process.exit: what was printed to a pipe is written out first.
process.exitCode = total("failed") > 0 ? 1 : 0
