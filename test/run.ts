/**
 * Everything that must hold: types, lint, floors, the packed package, then every test, the examples of the docs included.
 *
 * The static checks run two at a time and speak only when they fail. The tests come after them, alone on the machine,
 * because some of them measure time. The last line is the sum of both.
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

const run = (command: string, args: ReadonlyArray<string>, loud: boolean) =>
  new Promise<{ readonly ok: boolean; readonly output: string }>((resolve) => {
    let output = ""
    const child = spawn(command, args, { stdio: loud ? "inherit" : "pipe", timeout: patienceMillis })
    child.stdout?.on("data", (chunk) => output += chunk)
    child.stderr?.on("data", (chunk) => output += chunk)
    child.on("error", (error) => resolve({ ok: false, output: output + error }))
    child.on("close", (code) => resolve({ ok: code === 0, output }))
  })

/** Runs one script of package.json; what it printed is shown when it fails. */
const script = async (name: string): Promise<Sum> => {
  const start = performance.now()
  const { ok, output } = await run("npm", ["run", "--silent", name], false)
  const seconds = ((performance.now() - start) / 1000).toFixed(1)
  console.log(`${ok ? "✓" : "✗"} ${name} (${seconds} s)`)
  if (!ok) console.log(output.trimEnd())
  return { passed: ok ? 1 : 0, failed: ok ? 0 : 1, skipped: 0 }
}

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

const vitest = async (): Promise<Sum> => {
  const folder = "test/.cache"
  const file = `${folder}/vitest-${process.pid}.json`
  mkdirSync(folder, { recursive: true })
  const { ok } = await run("vitest", ["run", "--reporter=default", "--reporter=json", `--outputFile.json=${file}`], true)
  try {
    return summarise(JSON.parse(readFileSync(file, "utf8")), ok)
  } catch {
    return { passed: 0, failed: 1, skipped: 0 }
  } finally {
    rmSync(file, { force: true })
  }
}

const inOrder = async (names: ReadonlyArray<string>): Promise<ReadonlyArray<Sum>> => {
  const sums: Array<Sum> = []
  for (const name of names) sums.push(await script(name))
  return sums
}

// The package is built last: oxlint, which is done by then, looks into an earlier build where there is one.
const sums = (await Promise.all([inOrder(["check", "floors", "pack"]), inOrder(["lint"])])).flat()
sums.push(await vitest())

const total = (of: keyof Sum) => sums.reduce((sum, each) => sum + each[of], 0)
const skipped = total("skipped")
console.log(`${total("passed")} passed, ${total("failed")} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`)
// Not process.exit: what was printed to a pipe is written out first.
process.exitCode = total("failed") > 0 ? 1 : 0
