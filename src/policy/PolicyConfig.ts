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
import * as PolicyShape from "./PolicyShape.ts"

/** The fields of all members that have some. */
const fieldsOf = (members: PolicyShape.Members): ReadonlyMap<string, PolicyShape.Members> => {
  const fields = new Map<string, PolicyShape.Members>()
  for (const entry of members.flatMap(PolicyShape.entriesOf)) {
    fields.set(entry.name, [...fields.get(entry.name) ?? [], ...entry.members])
  }
  return fields
}

const isNumeric = (ast: AST.AST): boolean => AST.isNumberKeyword(ast) || AST.isLiteral(ast) && typeof ast.literal === "number"

/** Only what is written as a number is one; what is not is left for the schema to refuse. */
const number = /^-?\d{1,16}(\.\d{1,16})?$/

const wordOf = (text: string, members: PolicyShape.Members): unknown => number.test(text) && members.some(isNumeric) ? Number(text) : text

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

const valueOf = (text: string, members: PolicyShape.Members): unknown => {
  if (/^\s*[[{]/.test(text)) return parsed(text)
  const items = members.flatMap(PolicyShape.itemsOf)
  // "none" is a word also where there may be a list of words.
  const isWord = items.length === 0 || members.some((ast) => AST.isLiteral(ast) && ast.literal === text)
  if (isWord) return wordOf(text, members)
  return text.split(",").map((item) => wordOf(item.trim(), items))
}

type Written = Config.Config<unknown>

const isThere = (entry: readonly [key: string, value: unknown]): boolean => entry[1] !== undefined

const fields = (members: PolicyShape.Members): Written => {
  const each = [...fieldsOf(members)].map(([key, member]) => Config.map(Config.nested(at(member), key), (value) => [key, value] as const))
  return Config.map(Config.all(each), (entries) => {
    const found = entries.filter(isThere)
    return found.length === 0 ? undefined : Object.fromEntries(found)
  })
}

/** What stands at a path: a text, or else the fields below it. */
const at = (members: PolicyShape.Members): Written => {
  const text = Config.option(Config.string())
  const below = fieldsOf(members).size === 0 ? Config.succeed(undefined) : fields(members)
  return Config.zipWith(text, below, (text, below) => Option.match(text, { onNone: () => below, onSome: (text) => valueOf(text, members) }))
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
export const written = (ast: AST.AST): Config.Config<unknown> => at(PolicyShape.membersOf(ast))
