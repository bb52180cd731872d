/**
 * Turns the text of an example into a module that asserts: `expression // => value` becomes a deep, strict comparison.
 *
 * Every line stays where it was, so that an error in the module is an error on that line of the documentation.
 */
import ts from "typescript"

export interface Rewritten {
  readonly code: string
  /** The lines with a `// =>`, counted from 1 within the block. */
  readonly comparisons: ReadonlyArray<number>
  /** Whether the example asserts anything, be it by calling `assert`. */
  readonly asserts: boolean
  /** Whether it is made of tests, which vitest has to run. */
  readonly usesVitest: boolean
}

/** `// => value` at the end of a statement, or on a line of its own below it. */
const arrow = /^([ \t]*\n)?[ \t]*\/\/[ \t]*=>([^\n]*)/

/** `assert(x)`, `assert.equal(x, y)`, `expect(x).toBe(y)`, `strictEqual(x, y)` */
const isAssertion = (node: ts.Node): boolean => {
  if (!ts.isCallExpression(node)) return false
  let callee: ts.Node = node.expression
  while (ts.isPropertyAccessExpression(callee) || ts.isCallExpression(callee)) callee = callee.expression
  return ts.isIdentifier(callee) && /^(assert|expect|deepStrictEqual$|strictEqual$)/.test(callee.text)
}

/**
 * @param id what the comparisons report under, when the module runs
 * @param same the specifier of the module that compares
 */
export const rewrite = (code: string, id: string, same: string): Rewritten => {
  const source = ts.createSourceFile("example.ts", code, ts.ScriptTarget.ES2022, true)
  const comparisons: Array<number> = []
  const edits: Array<{ readonly start: number; readonly end: number; readonly text: string }> = []
  let asserts = false
  let usesVitest = false

  const visit = (node: ts.Node): void => {
    if (isAssertion(node)) asserts = true
    if (ts.isImportDeclaration(node) && ts.isStringLiteral(node.moduleSpecifier)) {
      if (/^(@effect\/)?vitest$/.test(node.moduleSpecifier.text)) usesVitest = true
    }
    const comment = ts.isExpressionStatement(node) ? arrow.exec(code.slice(node.end)) : null
    if (ts.isExpressionStatement(node) && comment !== null) {
      const [text, newline = "", value = ""] = comment
      const end = node.end + text.length
      const line = source.getLineAndCharacterOfPosition(end).line + 1
      comparisons.push(line)
      edits.push({ start: node.getStart(), end: node.getStart(), text: `__same(${JSON.stringify(id)}, ${line}, (` })
      edits.push({ start: node.expression.end, end, text: `), ${newline}(${value.trim()}));` })
    }
    ts.forEachChild(node, visit)
  }
  visit(source)

  for (const [index, line] of code.split("\n").entries()) {
    if (/\/\/\s*=>/.test(line) && !comparisons.includes(index + 1)) {
      throw new Error(`line ${index + 1}: "// =>" must follow an expression statement`)
    }
  }

  let result = code
  for (const edit of edits.sort((a, b) => b.start - a.start)) {
    result = result.slice(0, edit.start) + edit.text + result.slice(edit.end)
  }
  return {
    code: `${result}\nimport { same as __same } from ${JSON.stringify(same)}\nexport { __same as __used }\n`,
    comparisons,
    asserts: asserts || comparisons.length > 0,
    usesVitest
  }
}
