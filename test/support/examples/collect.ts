/**
 * Finds the examples of the documentation: every ts block in a doc comment of `src`, in the README and in `docs`.
 */
import { readdirSync, readFileSync } from "node:fs"
import * as path from "node:path"

export interface Example {
  readonly file: string
  /** Of the first line of code. */
  readonly line: number
  readonly code: string
  /** Run it, only type-check it, or leave it alone: what its fence says. */
  readonly mode: "run" | "no-run" | "no-check"
}

export const nameOf = (example: Example): string => `${example.file}:${example.line}`

interface Fence {
  readonly ticks: string
  readonly indent: number
  readonly info: string
  readonly line: number
}

const modeOf = (file: string, fence: Fence): Example["mode"] => {
  const words = fence.info.split(/\s+/).slice(1).join(" ")
  if (words === "") return "run"
  if (words === "no-run" || words === "no-check") return words
  throw new Error(`${file}:${fence.line}: a ts fence may add no-run or no-check, not "${words}"`)
}

/** The ts blocks of a markdown text. Throws where a fence is not closed or asks for something unknown. */
export const fromMarkdown = (file: string, markdown: string): ReadonlyArray<Example> => {
  const examples: Array<Example> = []
  let open: Fence | undefined
  let code: Array<string> = []
  for (const [index, line] of markdown.split("\n").entries()) {
    const match = /^(\s*)(`{3,})\s*([^`]*)$/.exec(line)
    if (open === undefined) {
      if (match === null) continue
      open = { ticks: match[2]!, indent: match[1]!.length, info: match[3]!.trim(), line: index + 1 }
      code = []
    } else if (match !== null && match[3] === "" && match[2]!.length >= open.ticks.length) {
      if (/^(ts|typescript)\b/.test(open.info)) {
        examples.push({ file, line: open.line + 1, code: code.join("\n"), mode: modeOf(file, open) })
      }
      open = undefined
    } else {
      code.push(line.slice(Math.min(open.indent, line.length - line.trimStart().length)))
    }
  }
  if (open !== undefined) throw new Error(`${file}:${open.line}: this fence is not closed`)
  return examples
}

/** The ts blocks in the doc comments of a source text. Throws where an example has none. */
export const fromSource = (file: string, source: string): ReadonlyArray<Example> => {
  const examples: Array<Example> = []
  for (const comment of source.matchAll(/^[ \t]*\/\*\*[^]*?\*\//gm)) {
    const above = source.slice(0, comment.index).split("\n").length - 1
    const text = comment[0].replace(/\*\/$/, "").replace(/^[ \t]*(\/\*\*|\*)[ \t]?/gm, "")
    const found = fromMarkdown(file, "\n".repeat(above) + text)
    const announced = text.match(/^(@example\b|\*\*Example\*\*)/gm) ?? []
    if (found.length < announced.length) {
      throw new Error(`${file}:${above + 1}: this comment announces ${announced.length} examples and has ${found.length} ts blocks`)
    }
    examples.push(...found)
  }
  return examples
}

const filesIn = (root: string, folder: string, ending: string, recursive = true): ReadonlyArray<string> =>
  readdirSync(path.join(root, folder), { recursive, encoding: "utf8" })
    .filter((file) => file.endsWith(ending))
    .map((file) => path.posix.join(folder, file))
    .sort()

/** All examples of the repository. */
export const collect = (root: string): ReadonlyArray<Example> => {
  const read = (file: string) => readFileSync(path.join(root, file), "utf8")
  return [
    ...filesIn(root, "src", ".ts").flatMap((file) => fromSource(file, read(file))),
    ...[...filesIn(root, ".", ".md", false), ...filesIn(root, "docs", ".md")].flatMap((file) => fromMarkdown(file, read(file)))
  ]
}
