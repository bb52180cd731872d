/**
 * The shape of a policy as it is written, read from its schema: which fields there are, and what may stand in them.
 *
 * From it come the names of variables in the environment, the JSON Schema for editors, and the reference in the documentation.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import * as AST from "effect/SchemaAST"
import * as Field from "./Field.ts"

/**
 * What may stand at a place, as it is written: one of these.
 *
 * @since 0.1.0
 * @category models
 */
export type Members = ReadonlyArray<AST.AST>

/**
 * A field of an object.
 *
 * @since 0.1.0
 * @category models
 */
export interface Entry {
  readonly name: string
  readonly isRequired: boolean
  readonly about: string
  readonly facts: Option.Option<Field.Facts>
  readonly members: Members
}

/**
 * What a schema takes in, without what it checks.
 *
 * @since 0.1.0
 * @category getters
 */
export const membersOf = (ast: AST.AST): Members => {
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

/**
 * The fields of an object; none of anything else.
 *
 * @since 0.1.0
 * @category getters
 */
export const entriesOf = (ast: AST.AST): ReadonlyArray<Entry> =>
  AST.isTypeLiteral(ast)
    ? ast.propertySignatures.map(({ isOptional, name, type }) => ({
      name: String(name),
      isRequired: !isOptional,
      about: Field.aboutOf(type),
      facts: Field.factsOf(type),
      members: membersOf(type)
    }))
    : []

/**
 * The items of a list; nothing of anything else.
 *
 * @since 0.1.0
 * @category getters
 */
export const itemsOf = (ast: AST.AST): Members => AST.isTupleType(ast) ? ast.rest.flatMap(({ type }) => membersOf(type)) : []

type Json = Readonly<Record<string, unknown>>

const isJson = (u: unknown): u is Json => typeof u === "object" && u !== null && !Array.isArray(u)

/** What `effect/JSONSchema` leaves out of a union, or of an object that is checked as a whole. */
const annotated = (json: Json, { about, facts }: Entry): Json => ({
  ...json,
  ...(about === "" ? {} : { description: about }),
  ...Option.match(facts, { onNone: () => ({}), onSome: (facts) => facts.default === undefined ? {} : { default: facts.default } })
})

/**
 * Adds the sentences and the defaults to the JSON Schema of a shape, wherever they are not there.
 *
 * @since 0.1.0
 * @category rendering
 */
export const annotate = (json: Json, members: Members): Json => {
  const { anyOf, items, properties } = json
  if (Array.isArray(anyOf)) return { ...json, anyOf: anyOf.map((each) => isJson(each) ? annotate(each, members) : each) }
  if (isJson(items)) return { ...json, items: annotate(items, members.flatMap(itemsOf)) }
  if (!isJson(properties)) return json
  // Of the members of a union, this is the one that has these fields.
  const own = members.find((ast) => {
    const names = entriesOf(ast).map(({ name }) => name)
    return names.join() === Object.keys(properties).join() && isSameKind(ast, properties)
  })
  const entries = own === undefined ? [] : entriesOf(own)
  return {
    ...json,
    properties: Object.fromEntries(Object.entries(properties).map(([name, value]) => {
      const entry = entries.find((each) => each.name === name)
      return [name, entry === undefined || !isJson(value) ? value : annotated(annotate(value, entry.members), entry)]
    }))
  }
}

const isSameKind = (ast: AST.AST, properties: Json): boolean => {
  const kind = entriesOf(ast).find(({ name }) => name === "kind")
  const written = properties["kind"]
  if (kind === undefined || !isJson(written)) return kind === undefined
  return JSON.stringify(written["enum"]) === JSON.stringify(kind.members.map((each) => AST.isLiteral(each) ? each.literal : ""))
}
