/**
 * Checks examples: all are type-checked in one run of the compiler, then each that is to be run is run, in one of two child
 * processes, for five seconds at most.
 */
import { type ChildProcess, execFile, fork } from "node:child_process"
import { mkdirSync, rmSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { type Example, nameOf } from "./collect.ts"
import { type Rewritten, rewrite } from "./rewrite.ts"

/** Asked of the child. */
export interface Question {
  readonly id: string
  readonly url: string
  readonly comparisons: ReadonlyArray<number>
}

/** Answered by the child. */
export interface Answer {
  readonly id: string
  readonly failure: string | undefined
}

export interface Checked {
  readonly example: Example
  /** The module it was written to. */
  readonly path: string
  /** Made of tests: type-checked here, to be imported by vitest. */
  readonly usesVitest: boolean
  /** What is wrong with it, for its author to read. */
  readonly failure: string | undefined
}

interface Prepared extends Rewritten {
  readonly example: Example
  readonly path: string
}

const here = path.dirname(fileURLToPath(import.meta.url))
const root = path.resolve(here, "../../..")
const patienceMillis = 5_000

const prepare = (folder: string, examples: ReadonlyArray<Example>): ReadonlyArray<Prepared | Checked> =>
  examples.map((example) => {
    const file = path.join(folder, `${nameOf(example).replaceAll(/[^\w]+/g, "-")}.ts`)
    try {
      const rewritten = rewrite(example.code, nameOf(example), path.relative(folder, path.join(here, "same.ts")))
      writeFileSync(file, rewritten.code)
      return { example, path: file, ...rewritten }
    } catch (error) {
      return { example, path: file, usesVitest: false, failure: String(error) }
    }
  })

/** The errors of the compiler, by the name of the file they are in. */
const compile = (folder: string): Promise<ReadonlyMap<string, string>> =>
  new Promise((resolve, reject) => {
    const project = path.join(folder, "tsconfig.json")
    writeFileSync(project, JSON.stringify({
      extends: path.relative(folder, path.join(root, "tsconfig.json")),
      // An example may declare a thing only to show how it is declared.
      compilerOptions: { noUnusedLocals: false },
      include: ["*.ts"]
    }))
    execFile(path.join(root, "node_modules/.bin/tsc"), ["-p", project, "--pretty", "false"], { cwd: folder }, (error, output) => {
      const errors = new Map<string, string>()
      let last = ""
      for (const line of output.split("\n")) {
        const [, file, row, column, message] = /^(.+?)\((\d+),(\d+)\): (error .*)$/.exec(line) ?? []
        if (file !== undefined) last = path.resolve(folder, file)
        const text = file === undefined ? line : `line ${row}:${column} of the block: ${message}`
        if (text.trim() !== "") errors.set(last, `${errors.has(last) ? `${errors.get(last)}\n` : ""}${text}`)
      }
      // An error that belongs to no file, or a compiler that did not run, is not about one example.
      if (errors.has("")) reject(new Error(errors.get("")))
      else if (error !== null && errors.size === 0) reject(error)
      else resolve(errors)
    })
  })

/** Asks for each in turn, in one process, which is replaced when an example hangs in it or breaks it. */
const runInChild = async (folder: string, next: () => Prepared | undefined, answer: (id: string, failure: string | undefined) => void) => {
  let child: ChildProcess | undefined
  let output = ""
  /** A process that has loaded what it needs: that is no time of an example. */
  const start = () =>
    new Promise<ChildProcess>((resolve, reject) => {
      const started = fork(path.join(here, "child.ts"), {
        execArgv: ["--import", "tsx"],
        env: { ...process.env, TSX_TSCONFIG_PATH: path.join(folder, "tsconfig.json") },
        stdio: ["ignore", "pipe", "pipe", "ipc"]
      })
      started.stdout?.on("data", (chunk) => output += chunk)
      started.stderr?.on("data", (chunk) => output += chunk)
      const onExit = (code: number | null) => reject(new Error(`the process that runs examples ended with code ${code}: ${output}`))
      started.once("exit", onExit)
      started.once("message", () => {
        started.off("exit", onExit)
        resolve(started)
      })
    })
  for (let example = next(); example !== undefined; example = next()) {
    const id = nameOf(example.example)
    const question: Question = { id, url: pathToFileURL(example.path).href, comparisons: example.comparisons }
    const running = child ?? await start()
    output = ""
    const failure = await new Promise<string | undefined>((resolve) => {
      const onExit = (code: number | null) => resolve(`the process ended with code ${code}`)
      const timer = setTimeout(() => resolve(`it took more than ${patienceMillis} ms`), patienceMillis)
      running.once("exit", onExit)
      running.once("message", (message: Answer) => {
        clearTimeout(timer)
        running.off("exit", onExit)
        resolve(message.failure)
      })
      running.send(question)
    })
    if (failure === undefined || running.exitCode === null && !failure.startsWith("it took")) {
      child = running
    } else {
      running.kill("SIGKILL")
      child = undefined
    }
    answer(id, failure === undefined ? undefined : `${failure}${output === "" ? "" : `\nIt printed:\n${output}`}`)
  }
  child?.kill()
}

/**
 * Checks examples, in a folder that may be emptied. The answer has one entry for each example that is not left alone.
 */
export const check = async (folder: string, examples: ReadonlyArray<Example>): Promise<ReadonlyArray<Checked>> => {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  const prepared = prepare(folder, examples.filter((example) => example.mode !== "no-check"))
  const errors = await compile(folder)
  const queue = prepared.filter((each): each is Prepared =>
    "code" in each && each.asserts && each.example.mode === "run" && !each.usesVitest && !errors.has(each.path)
  )
  const failures = new Map<string, string | undefined>()
  const next = queue[Symbol.iterator]()
  const take = () => next.next().value
  const answer = (id: string, failure: string | undefined) => failures.set(id, failure)
  await Promise.all([runInChild(folder, take, answer), runInChild(folder, take, answer)])

  return prepared.map((each): Checked => {
    if (!("code" in each)) return each
    const { example, path, usesVitest } = each
    const failure = errors.get(path) ?? (example.mode === "run" && !each.asserts
      ? "it asserts nothing: end a line with \"// => value\", or say ```ts no-run"
      : failures.get(nameOf(example)))
    return { example, path, usesVitest: usesVitest && example.mode === "run", failure }
  })
}
