/**
 * A policy as the configuration of a program has it: many small texts, each under the path of its field.
 *
 * The schema says which paths there are and which of them are numbers. What comes out is a policy as it is written, to be decoded like
 * any other.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Option from "effect/Option"
import * as AST from "effect/SchemaAST"

/** What may stand at a path: one of these. */
type Node = ReadonlyArray<AST.AST>

/** The members of a schema as it is written, without what it checks. */
const membersOf = (ast: AST.AST): Node => {
  switch (ast._tag) {
    case "Union":
      return ast.types.flatMap(membersOf)
    case "Transformation":
    case "Refinement":
      return membersOf(ast.from)
    default:
      return [ast]
  }
}

/** The fields of all members that have some. */
const fieldsOf = (node: Node): ReadonlyMap<string, Node> => {
  const fields = new Map<string, Node>()
  for (const ast of node) {
    if (!AST.isTypeLiteral(ast)) continue
    for (const { name, type } of ast.propertySignatures) {
      const key = String(name)
      fields.set(key, [...fields.get(key) ?? [], ...membersOf(type)])
    }
  }
  return fields
}

const isNumeric = (ast: AST.AST): boolean => AST.isNumberKeyword(ast) || AST.isLiteral(ast) && typeof ast.literal === "number"

/** Only what is written as a number is one; what is not is left for the schema to refuse. */
const number = /^-?\d{1,16}(\.\d{1,16})?$/

const wordOf = (text: string, node: Node): unknown => number.test(text) && node.some(isNumeric) ? Number(text) : text

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

const valueOf = (text: string, node: Node): unknown => {
  if (/^\s*[[{]/.test(text)) return parsed(text)
  const list = node.find(AST.isTupleType)
  if (list === undefined) return wordOf(text, node)
  const items = list.rest.flatMap(({ type }) => membersOf(type))
  return text.split(",").map((item) => wordOf(item.trim(), items))
}

type Written = Config.Config<unknown>

const isThere = (entry: readonly [key: string, value: unknown]): boolean => entry[1] !== undefined

const fields = (node: Node): Written => {
  const each = [...fieldsOf(node)].map(([key, member]) => Config.map(Config.nested(at(member), key), (value) => [key, value] as const))
  return Config.map(Config.all(each), (entries) => {
    const found = entries.filter(isThere)
    return found.length === 0 ? undefined : Object.fromEntries(found)
  })
}

/** What stands at a path: a text, or else the fields below it. */
const at = (node: Node): Written => {
  const text = Config.option(Config.string())
  const below = fieldsOf(node).size === 0 ? Config.succeed(undefined) : fields(node)
  return Config.zipWith(text, below, (text, below) => Option.match(text, { onNone: () => below, onSome: (text) => valueOf(text, node) }))
}

/**
 * The value that a schema is to decode, gathered from a configuration; undefined where nothing of it is there.
 *
 * **Details**
 *
 * A text that begins with a brace or a bracket is JSON, and then it is all that is read of its part.
 *
 * @since 0.1.0
 * @category sources
 */
export const written = (ast: AST.AST): Config.Config<unknown> => at(membersOf(ast))
