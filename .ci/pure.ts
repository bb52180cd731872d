/**
 * Marks what modules make when they are loaded as pure, in the files that tsc has written, as Effect does in its own build.
 *
 * A bundler drops what nobody uses, but cannot know that to call `dual` or `Data.TaggedError` has no effect: without a mark, each schedule,
 * class and reference of a module that is taken for one of its functions stays. Whatever stands at the top of a module here is such a
 * call; one that had an effect would be an error without marks too, since package.json says that no module has any.
 */
import { readFileSync, writeFileSync } from "node:fs"
import ts from "typescript"

const mark = "/* @__PURE__ */ "

/** What is run when the module is: not the bodies of functions, and of classes what they extend. */
const visitRun = (node: ts.Node, visit: (node: ts.Node) => void): void => {
  if (ts.isFunctionLike(node)) return
  if (ts.isClassLike(node)) return node.heritageClauses?.forEach((clause) => visitRun(clause, visit))
  visit(node)
  ts.forEachChild(node, (child) => visitRun(child, visit))
}

/** Where a call begins to which no mark before it belongs: in `a(b).c(d)` one mark stands for both calls. */
const callsIn = (file: ts.SourceFile): ReadonlyArray<number> => {
  const starts = new Set<number>()
  for (const statement of file.statements) {
    if (!ts.isVariableStatement(statement) && !ts.isClassDeclaration(statement)) continue
    visitRun(statement, (node) => {
      if (ts.isCallExpression(node) || ts.isNewExpression(node)) starts.add(node.getStart(file))
    })
  }
  return [...starts].filter((start) => !file.text.slice(0, start).endsWith(mark))
}

/** Writes the marks into a file of JavaScript. The marks stand before what is called, so lines stay where a source map says they are. */
export const markPure = (path: string): void => {
  const text = readFileSync(path, "utf8")
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.ES2022)
  const calls = [0, ...callsIn(file)].sort((one, other) => one - other)
  if (calls.length > 1) writeFileSync(path, calls.map((start, i) => (i === 0 ? "" : mark) + text.slice(start, calls[i + 1])).join(""))
}
