/**
 * What is wrong with a policy: each place, what stands there, and what may stand there.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Option from "effect/Option"
import type * as ParseResult from "effect/ParseResult"
import * as AST from "effect/SchemaAST"
import { show } from "../core/InvalidOption.ts"
import * as Field from "./Field.ts"
import * as Nearest from "./Nearest.ts"

/**
 * One thing that is wrong.
 *
 * - `Wrong`: what stands there may not
 * - `Missing`: something must stand there
 * - `Unreadable`: it is no JSON, from a place on, where that is known
 * - `Unknown`: no field has this name; `nearest` is the one that may have been meant, `known` are all that there are
 *
 * @since 0.1.0
 * @category models
 */
export type Problem =
  | { readonly _tag: "Wrong"; readonly path: Path; readonly value: unknown; readonly allowed: string }
  | { readonly _tag: "Missing"; readonly path: Path; readonly allowed: string }
  | { readonly _tag: "Unreadable"; readonly path: Path; readonly at: Option.Option<{ readonly line: number; readonly column: number }> }
  | {
    readonly _tag: "Unknown"
    readonly path: Path
    readonly value: unknown
    readonly nearest: Option.Option<string>
    readonly known: ReadonlyArray<string>
  }

/**
 * The names and places that lead to a value, from the policy on.
 *
 * @since 0.1.0
 * @category models
 */
export type Path = ReadonlyArray<PropertyKey>

/**
 * A value is no policy. All that is wrong with it is told at once, in the order of the fields.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidPolicy extends Data.TaggedError("InvalidPolicy")<{
  /** Where it was read from: a file, say. */
  readonly source: Option.Option<string>
  readonly problems: ReadonlyArray<Problem>
}> {
  override get message(): string {
    const where = Option.match(this.source, { onNone: () => "", onSome: (source) => `${source}: ` })
    return this.problems.map((problem) => `${where}${describe(problem)}`).join("\n")
  }
}

/**
 * An error of one thing.
 *
 * @since 0.1.0
 * @category errors
 */
export const of = (problem: Problem): InvalidPolicy => new InvalidPolicy({ source: Option.none(), problems: [problem] })

/**
 * The same error, with where the policy was read from.
 *
 * @since 0.1.0
 * @category errors
 */
export const from = (self: InvalidPolicy, source: string): InvalidPolicy =>
  new InvalidPolicy({ source: Option.some(source), problems: self.problems })

const longest = 60

const name = (key: PropertyKey, isFirst: boolean): string => {
  if (typeof key === "number") return `[${key}]`
  const text = String(key)
  if (/^[A-Za-z_][\w-]*$/.test(text) && text.length <= longest) return isFirst ? text : `.${text}`
  return `[${show(text)}]`
}

/**
 * Writes a path: `chaos.faults[0].rate`, and "the policy" for the whole of it.
 *
 * @since 0.1.0
 * @category rendering
 */
export const pathText = (path: Path): string =>
  path.length === 0 ? "the policy" : path.map((key, i) => name(key, i === 0)).join("")

/**
 * Says in a line what is wrong.
 *
 * **Example** (A name that is not known)
 *
 * ```ts
 * import { InvalidPolicy } from "effect-resilience"
 * import { Option } from "effect"
 *
 * const problem = { _tag: "Unknown", path: ["retry", "tries"], value: 3, nearest: Option.none(), known: ["backoff"] } as const
 *
 * InvalidPolicy.describe(problem) // => "retry.tries is not known, got 3: there are backoff"
 * ```
 *
 * @since 0.1.0
 * @category rendering
 */
export const describe = (problem: Problem): string => {
  const path = pathText(problem.path)
  switch (problem._tag) {
    case "Wrong":
      return `${path} must be ${problem.allowed}, got ${show(problem.value)}`
    case "Missing":
      return `${path} is missing: it must be ${problem.allowed}`
    case "Unreadable":
      return Option.match(problem.at, {
        onNone: () => `${path} must be JSON, and is not: its end is missing, perhaps`,
        onSome: ({ column, line }) => `${path} must be JSON, and is not from line ${line}, column ${column} on`
      })
    case "Unknown": {
      if (problem.known.length === 0) return `${path} has a name that none may have, got ${show(problem.value)}`
      const hint = Option.match(problem.nearest, {
        onNone: () => `there are ${problem.known.join(", ")}`,
        onSome: (nearest) => `did you mean ${nearest}?`
      })
      return `${path} is not known, got ${show(problem.value)}: ${hint}`
    }
  }
}

/** Where the reading of an issue has come to. */
interface Place {
  readonly path: Path
  /** What may stand here. */
  readonly allowed: string
  /** The fields of what stands here. */
  readonly known: ReadonlyArray<string>
}

/**
 * Reads what a schema made of `Field` has to say of a value.
 *
 * @since 0.1.0
 * @category building
 */
export const problemsOf = (issue: ParseResult.ParseIssue): ReadonlyArray<Problem> =>
  read(issue, { path: [], allowed: "an object", known: [] })

const allowedBy = (ast: AST.AST): Option.Option<string> =>
  Option.orElse(
    Option.map(Field.factsOf(ast), ({ allowed }) => allowed),
    // What tells the members of a union apart: effect/Schema makes it of the literals of all of them.
    () => {
      const literals = AST.isUnion(ast) ? ast.types.filter(AST.isLiteral) : []
      return literals.length === 0 ? Option.none() : Option.some(`one of ${literals.map(({ literal }) => show(literal)).join(", ")}`)
    }
  )

const fieldsOf = (ast: AST.AST): ReadonlyArray<string> => {
  switch (ast._tag) {
    case "TypeLiteral":
      return ast.propertySignatures.map((each) => String(each.name))
    case "Transformation":
      return fieldsOf(ast.from)
    case "Refinement":
      return fieldsOf(ast.from)
    default:
      return []
  }
}

const within = (place: Place, ast: AST.AST): Place => ({
  ...place,
  allowed: Option.getOrElse(allowedBy(ast), () => place.allowed),
  known: fieldsOf(ast)
})

const isList = <A>(u: A | ReadonlyArray<A>): u is ReadonlyArray<A> => Array.isArray(u)

const read = (issue: ParseResult.ParseIssue, place: Place): ReadonlyArray<Problem> => {
  const { path } = place
  switch (issue._tag) {
    case "Pointer": {
      const further: Path = isList(issue.path) ? issue.path : [issue.path]
      return read(issue.issue, { ...place, path: [...path, ...further] })
    }
    case "Missing":
      return [{ _tag: "Missing", path, allowed: Option.getOrElse(allowedBy(issue.ast.type), () => "there") }]
    case "Unexpected": {
      const unknown = String(path.at(-1))
      return [{ _tag: "Unknown", path, value: issue.actual, nearest: Nearest.of(unknown, place.known), known: place.known }]
    }
    case "Composite": {
      const here = within(place, issue.ast)
      const parts = (isList(issue.issues) ? issue.issues : [issue.issues]).map((each) => read(each, here))
      return isUnion(issue.ast) ? ofUnion(parts, here, issue.actual) : parts.flat()
    }
    case "Refinement":
    case "Transformation":
      return read(issue.issue, within(place, issue.ast))
    case "Type":
    case "Forbidden": {
      const { allowed } = within(place, issue.ast)
      return [{ _tag: "Wrong", path, value: issue.actual, allowed: issue.message ?? allowed }]
    }
  }
}

const isUnion = (ast: AST.AST): boolean => ast._tag === "Union" || ast._tag === "Transformation" && isUnion(ast.from)

/** Of the members of a union, what is wrong with the one that fits furthest; where none fits at all, what the union may be. */
const ofUnion = (members: ReadonlyArray<ReadonlyArray<Problem>>, place: Place, value: unknown): ReadonlyArray<Problem> => {
  const depth = (problems: ReadonlyArray<Problem>) => Math.max(...problems.map(({ path }) => path.length))
  const furthest = members.reduce<ReadonlyArray<Problem>>((best, each) => depth(each) > depth(best) ? each : best, [])
  return depth(furthest) > place.path.length ? furthest : [{ _tag: "Wrong", path: place.path, value, allowed: place.allowed }]
}

/** What a policy has at a path, as it was written: a schema may have decoded it, or may have found fault with what it is part of. */
const valueAt = (input: unknown, path: Path): unknown =>
  path.reduce<unknown>(
    (value, key) => typeof value === "object" && value !== null && Object.hasOwn(value, key) ? Reflect.get(value, key) : undefined,
    input
  )

/**
 * Makes an error of what a schema has to say of an input.
 *
 * @since 0.1.0
 * @category building
 */
export const fromIssue = (issue: ParseResult.ParseIssue, input: unknown): InvalidPolicy =>
  new InvalidPolicy({
    source: Option.none(),
    problems: problemsOf(issue).map((problem) => problem._tag === "Wrong" ? { ...problem, value: valueAt(input, problem.path) } : problem)
  })
