/**
 * As much of YAML as the files here need: lists, records, and strings as JSON writes them, which YAML reads.
 */
/** A text with double quotes in it is read more easily between single ones. */
const scalar = (value: unknown): string =>
  typeof value === "string" && value.includes("\"") && !/['\n\\]/.test(value) ? `'${value}'` : JSON.stringify(value)

const isScalar = (value: unknown): boolean => typeof value !== "object" || value === null || Object.keys(value).length === 0

const lines = (value: unknown): ReadonlyArray<string> => {
  if (isScalar(value)) return [scalar(value)]
  if (Array.isArray(value)) {
    return value.flatMap((each) => lines(each).map((line, i) => i === 0 ? `- ${line}` : `  ${line}`))
  }
  return Object.entries(value as object).flatMap(([name, each]) =>
    isScalar(each) ? [`${name}: ${scalar(each)}`] : [`${name}:`, ...lines(each).map((line) => `  ${line}`)]
  )
}

/** A document, under a comment. */
export const document = (comment: string, value: object): string => `# ${comment}\n${lines(value).join("\n")}\n`
