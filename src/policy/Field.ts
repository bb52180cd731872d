/**
 * What the fields of a policy are made of: durations, numbers, words and lists, each with its range, its default and a sentence.
 *
 * The sentence, the range and the default are annotations of the schema. From them come the message of a decode error, the JSON
 * Schema for editors, and the reference in the documentation.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import * as AST from "effect/SchemaAST"
import type { Millis } from "../core/Millis.ts"
import * as Ceiling from "./Ceiling.ts"

/**
 * What is known of a field beside its type.
 *
 * @since 0.1.0
 * @category models
 */
export interface Facts {
  /** What it may be, as the end of "must be ...". */
  readonly allowed: string
  /** What holds where it is left out, as a policy writes it. */
  readonly default?: unknown
}

const factsId: unique symbol = Symbol.for("effect-resilience/policy/Facts")

/**
 * The facts of a schema made here.
 *
 * @since 0.1.0
 * @category getters
 */
export const factsOf = (ast: AST.AST): Option.Option<Facts> => AST.getAnnotation<Facts>(ast, factsId)

/**
 * The sentence about a schema made here.
 *
 * @since 0.1.0
 * @category getters
 */
export const aboutOf = (ast: AST.AST): string => Option.getOrElse(AST.getDescriptionAnnotation(ast), () => "")

/** What is made by the first who asks for it, and once. @since 0.1.0 @category constructors */
export const once = <A>(make: () => A): () => A => {
  let made: { readonly value: A } | undefined
  return () => (made ??= { value: make() }).value
}

/**
 * A schema that is made by the first who looks into it.
 *
 * **Details**
 *
 * A policy has some hundreds of fields, and to make their schemas takes longer than to load the rest of the library. Who imports it and
 * reads no policy makes none.
 *
 * @since 0.1.0
 * @category constructors
 */
export const lazily = <A, I>(make: () => Schema.Schema<A, I>): Schema.Schema<A, I> => {
  const ast = once(() => make().ast)
  // A schema is what has an `ast`, and all else of it asks that. The one given here is never seen.
  return Object.defineProperties(Schema.make<A, I>(AST.neverKeyword), { ast: { get: ast }, toString: { value: () => String(ast()) } })
}

interface About<D> {
  /** One sentence: what the field does. */
  readonly about: string
  readonly default?: D
}

const known = <D>(allowed: string, given: About<D>, json: object) => {
  const withDefault = given.default === undefined ? {} : { default: given.default }
  return {
    description: given.about,
    [factsId]: { allowed, ...withDefault } satisfies Facts,
    // The keyword `default` of JSON Schema is the value as a policy writes it, which for a duration is a text.
    jsonSchema: { ...json, description: given.about, ...withDefault }
  }
}

/** A field that may be left out. @since 0.1.0 @category constructors */
export const optional = <A, I>(schema: Schema.Schema<A, I>) => Schema.optionalWith(schema, { exact: true })

const units: ReadonlyArray<readonly [name: string, millis: Millis]> = [
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
  ["second", 1_000],
  ["milli", 1]
]

/**
 * Writes a duration as policies have it: in the longest unit that leaves a whole number.
 *
 * **Example** (Three durations)
 *
 * ```ts
 * import { Field } from "effect-resilience"
 *
 * [500, 90_000, 3_600_000].map(Field.durationText) // => ["500 millis", "90 seconds", "1 hour"]
 * ```
 *
 * @since 0.1.0
 * @category durations
 */
export const durationText = (millis: Millis): string => {
  // 0 is a whole number of days too.
  const [name, unit] = units.find(([, unit]) => millis > 0 && millis % unit === 0) ?? ["milli", 1]
  const count = millis / unit
  return `${count} ${name}${count === 1 ? "" : "s"}`
}

const grammar = "^(\\d{1,12}(?:\\.\\d{1,3})?) (milli|second|minute|hour|day)s?$"
const parser = new RegExp(grammar)

/**
 * Reads a duration as policies have it: a number, a space, and `millis`, `seconds`, `minutes`, `hours` or `days`, with or without the
 * s. What is not a whole number of milliseconds is none.
 *
 * @since 0.1.0
 * @category durations
 */
export const durationMillis = (text: string): Option.Option<Millis> => {
  const match = parser.exec(text)
  const unit = units.find(([name]) => name === match?.[2])?.[1]
  if (match === null || unit === undefined) return Option.none()
  // Three decimals at most: as thousandths it is a whole number, which floating point keeps.
  const millis = Math.round(Number(match[1]) * 1_000) * unit / 1_000
  return Number.isSafeInteger(millis) ? Option.some(millis) : Option.none()
}

/**
 * What a duration may be, in words.
 *
 * @since 0.1.0
 * @category durations
 */
export const durationAllowed = ({ max = Ceiling.wait, min = 1 }: { readonly min?: Millis; readonly max?: Millis } = {}): string =>
  `a duration from "${durationText(min)}" to "${durationText(max)}"`

/**
 * A duration: a text such as "10 seconds", decoded to whole milliseconds.
 *
 * @since 0.1.0
 * @category constructors
 */
export const duration = (given: About<string> & { readonly min?: Millis; readonly max?: Millis }) => {
  const { max = Ceiling.wait, min = 1 } = given
  const allowed = `${durationAllowed({ min, max })}, such as "${given.default ?? "5 seconds"}"`
  return Schema.transformOrFail(Schema.String, Schema.Int.pipe(Schema.between(min, max)), {
    strict: true,
    decode: (text, _, ast) =>
      Option.match(durationMillis(text), {
        onNone: () => ParseResult.fail(new ParseResult.Type(ast, text)),
        onSome: ParseResult.succeed
      }),
    encode: (millis) => ParseResult.succeed(durationText(millis))
  }).annotations(known(allowed, given, { type: "string", pattern: grammar }))
}

/**
 * A whole number.
 *
 * @since 0.1.0
 * @category constructors
 */
export const integer = (given: About<number> & { readonly min: number; readonly max: number }) => {
  const { max, min } = given
  return Schema.Int.pipe(
    Schema.between(min, max, known(`a whole number from ${min} to ${max}`, given, { type: "integer", minimum: min, maximum: max }))
  )
}

/**
 * A number, 0 and everything between being whole or not.
 *
 * @since 0.1.0
 * @category constructors
 */
export const number = (
  given: About<number> & { readonly min?: number; readonly above?: number; readonly below?: number; readonly max?: number }
) => {
  const { above, below, max, min } = given
  const lower = above === undefined ? `from ${min ?? 0}` : `above ${above}`
  const upper = below !== undefined ? ` and below ${below}` : max === undefined ? "" : above === undefined ? ` to ${max}` : `, up to ${max}`
  const isIn = (n: number) => n >= (min ?? -Infinity) && n <= (max ?? Infinity) && n > (above ?? -Infinity) && n < (below ?? Infinity)
  const json = {
    type: "number",
    ...(min === undefined ? {} : { minimum: min }),
    ...(max === undefined ? {} : { maximum: max }),
    ...(above === undefined ? {} : { exclusiveMinimum: above }),
    ...(below === undefined ? {} : { exclusiveMaximum: below })
  }
  return Schema.Number.pipe(Schema.filter((n) => Number.isFinite(n) && isIn(n), {
    ...known(`a number ${lower}${upper}`, given, json),
    arbitrary: () => (fc) =>
      fc.double({
        min: above ?? min ?? 0,
        max: below ?? max ?? 1e6,
        minExcluded: above !== undefined,
        maxExcluded: below !== undefined,
        noNaN: true
        // -0 is 0 to JSON.
      }).map((n) => n + 0)
  }))
}

/**
 * One of a few words.
 *
 * @since 0.1.0
 * @category constructors
 */
export const word = <const W extends readonly [string, ...ReadonlyArray<string>]>(words: W, given: About<W[number]>) =>
  Schema.Literal(...words).annotations(
    known(words.length === 1 ? JSON.stringify(words[0]) : `one of ${words.map((each) => JSON.stringify(each)).join(", ")}`, given, {
      type: "string",
      enum: words
    })
  )

/**
 * A text of a given form.
 *
 * @since 0.1.0
 * @category constructors
 */
export const text = (
  given: About<string> & { readonly allowed: string; readonly pattern?: RegExp; readonly atMost?: number }
) => {
  const { atMost = Ceiling.text, pattern = /^[^]*$/ } = given
  return Schema.String.pipe(
    Schema.maxLength(atMost),
    Schema.pattern(pattern, known(given.allowed, given, { type: "string", maxLength: atMost, pattern: pattern.source }))
  )
}

/** The name of a header, without the rarer signs that HTTP allows. @since 0.1.0 @category constructors */
export const headerName = (given: About<string>) =>
  text({ ...given, allowed: "the name of a header", pattern: /^[A-Za-z][A-Za-z0-9-]*$/, atMost: Ceiling.name })

/** The name of a method. @since 0.1.0 @category constructors */
export const method = (about: string) =>
  text({ about, allowed: "the name of a method, in capitals", pattern: /^[A-Z][A-Z-]*$/, atMost: Ceiling.name })

/**
 * A list that is not empty.
 *
 * @since 0.1.0
 * @category constructors
 */
export const list = <A, I>(item: Schema.Schema<A, I>, given: About<ReadonlyArray<I>> & { readonly atMost?: number }) => {
  const { atMost = Ceiling.entries } = given
  const withDefault = given.default === undefined ? {} : { default: given.default }
  return Schema.Array(item).pipe(Schema.minItems(1), Schema.maxItems(atMost, {
    description: given.about,
    [factsId]: { allowed: `a list of 1 to ${atMost}`, ...withDefault } satisfies Facts,
    ...(given.default === undefined ? {} : { jsonSchema: { maxItems: atMost, ...withDefault } })
  }))
}

/**
 * Says what a part of a policy is, and what holds where it is left out.
 *
 * @since 0.1.0
 * @category constructors
 */
export const part = <A, I>(schema: Schema.Schema<A, I>, given: About<unknown> & { readonly allowed?: string }): Schema.Schema<A, I> =>
  schema.annotations({
    description: given.about,
    [factsId]: {
      allowed: given.allowed ?? "an object",
      ...(given.default === undefined ? {} : { default: given.default })
    } satisfies Facts
  })
