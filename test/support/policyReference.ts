/**
 * The reference of policies, as Markdown, from the schema alone.
 */
import * as Option from "effect/Option"
import * as AST from "effect/SchemaAST"
import type * as Field from "../../src/policy/Field.ts"
import * as Policy from "../../src/policy/Policy.ts"
import * as PolicyShape from "../../src/policy/PolicyShape.ts"
import * as ResendPolicy from "../../src/policy/ResendPolicy.ts"

/** What stands in several places is told once. */
const shared: ReadonlyArray<readonly [title: string, members: PolicyShape.Members]> = [
  ["a backoff", PolicyShape.membersOf(ResendPolicy.Backoff.ast)],
  ["a case", PolicyShape.membersOf(ResendPolicy.Case.ast)]
]

const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll("\n", " ")

const code = (value: unknown): string => `\`${JSON.stringify(value)}\``

const allowedOf = (facts: Option.Option<Field.Facts>): string => Option.match(facts, { onNone: () => "", onSome: ({ allowed }) => allowed })

const leftOut = ({ facts, isRequired }: PolicyShape.Entry): string =>
  isRequired ? "an error" : Option.match(facts, { onNone: () => "", onSome: (facts) => facts.default === undefined ? "" : code(facts.default) })

const kindOf = (ast: AST.AST): ReadonlyArray<string> =>
  PolicyShape.entriesOf(ast).filter(({ name }) => name === "kind").flatMap(({ members }) =>
    members.flatMap((each) => AST.isLiteral(each) ? [String(each.literal)] : []))

const rowsOf = (path: string, members: PolicyShape.Members, isTop: boolean): ReadonlyArray<string> => {
  const same = shared.find(([, known]) => members.some((ast) => known.includes(ast)))
  if (same !== undefined && !isTop) return []
  const rest = same === undefined || isTop ? members : members.filter((ast) => !same[1].includes(ast))
  return rest.flatMap((ast) => {
    const [kind] = kindOf(ast)
    const at = kind === undefined ? path : `${path}<${kind}>`
    const items = PolicyShape.itemsOf(ast)
    const objects = items.filter((item) => PolicyShape.entriesOf(item).length > 0)
    if (objects.length > 0) return rowsOf(`${path}[]`, items, isTop)
    return PolicyShape.entriesOf(ast).filter(({ name }) => name !== "kind").flatMap((entry) => {
      const own = at === "" ? entry.name : `${at}.${entry.name}`
      return [row(own, entry), ...own === "perRequest[].use.retry" ? [] : rowsOf(own, entry.members, false)]
    })
  })
}

const row = (path: string, entry: PolicyShape.Entry): string => {
  const same = shared.find(([, known]) => entry.members.some((ast) => known.includes(ast)))
  const allowed = same === undefined ? allowedOf(entry.facts) : `${allowedOf(entry.facts)}: see "${same[0]}"`
  return `| \`${path}\` | ${cell(entry.about)} | ${cell(allowed)} | ${cell(leftOut(entry))} |`
}

const head = ["| field | what it says | may be | left out it is |", "| --- | --- | --- | --- |"]

const kinds = (members: PolicyShape.Members): ReadonlyArray<string> =>
  members.flatMap((ast) =>
    PolicyShape.entriesOf(ast).filter(({ name }) => name === "kind").map(({ about }) => `- \`${kindOf(ast).join()}\`: ${about}`))

/** The whole of it. */
export const reference = (): string => {
  const entries = PolicyShape.membersOf(Policy.schema.ast).flatMap(PolicyShape.entriesOf)
  const sections = entries.flatMap((entry) => {
    const below = rowsOf(entry.name, entry.members, false)
    if (below.length === 0) return []
    const of = kinds(entry.members)
    return [`#### ${entry.name}`, "", entry.about, "", ...of, ...(of.length === 0 ? [] : [""]), ...head, ...below, ""]
  })
  const more = shared.flatMap(([title, members]) => {
    const of = kinds(members)
    return [`#### ${title}`, "", ...of, ...(of.length === 0 ? [] : [""]), ...head, ...rowsOf("", members, true), ""]
  })
  return [...head, ...entries.map((entry) => row(entry.name, entry)), "", ...sections, ...more].join("\n").trimEnd()
}
