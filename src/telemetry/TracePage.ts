/**
 * One trace as a picture for a browser: an SVG, or a page with it and all that the spans say, in one file that loads nothing.
 *
 * What spans say comes from elsewhere (addresses, headers, names), so all of it is text and none of it is markup: the page has no
 * script and no link, and a policy in it forbids both.
 *
 * **Example** (A page of what a test recorded)
 *
 * ```ts
 * import { TracePage } from "effect-resilience"
 * import { Recorder } from "effect-resilience/testing"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   yield* Effect.withSpan(Effect.void, "<b>users</b>")
 *   const recorder = yield* Recorder.Recorder
 *   return TracePage.html(yield* recorder.spans)
 * })
 *
 * const page = await program.pipe(Effect.provide(Recorder.layer), Effect.runPromise)
 *
 * page.includes("<b>users") // => false
 * page.includes("&lt;b&gt;users&lt;/b&gt;") // => true
 * ```
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import type { Millis } from "../core/Millis.ts"
import type { SpanRecord } from "./SpanRecord.ts"
import * as Waterfall from "./Waterfall.ts"

/**
 * How a picture is made.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** What the page is called. Default: the name of the first span. */
  readonly title?: string | undefined
  /** Where a bar that has not ended stops, in ms since the epoch. Default: where the last one does that has ended. */
  readonly now?: Millis | undefined
}

const entities: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", "\"": "&quot;", "'": "&#39;" }

/**
 * A text that is neither markup nor the end of an attribute, wherever in HTML or XML it stands. What XML cannot hold, and what would
 * turn the direction of what follows, is U+FFFD.
 *
 * **Example** (What comes from elsewhere)
 *
 * ```ts
 * import { TracePage } from "effect-resilience"
 *
 * TracePage.escape("</title><script>'\"&") // => "&lt;/title&gt;&lt;script&gt;&#39;&quot;&amp;"
 * ```
 *
 * @since 0.1.0
 * @category rendering
 */
export const escape = (text: string): string =>
  text
    .replace(/[^\P{Cc}\t\n\r]|[\p{Bidi_Control}\p{Surrogate}\ufffe\uffff]/gu, "\ufffd")
    .replace(/[&<>"']/g, (character) => entities[character] ?? character)

const cut = (text: string, length: number): string => text.length <= length ? text : `${text.slice(0, length - 1)}…`

/** At most so much of one value, and of one name, is shown. */
const longestValue = 2_000
const longestName = 200

const show = (value: unknown): string => cut(Array.isArray(value) ? value.map(String).join(", ") : String(value), longestValue)

/** Effect notes where a span that failed was made; that is a path on somebody's machine. */
const shown = (attributes: SpanRecord["attributes"]): ReadonlyArray<readonly [string, string]> =>
  Object.entries(attributes).filter(([key]) => key !== "code.stacktrace").map(([key, value]) => [cut(key, longestName), show(value)])

const millis = (length: Millis): string => `${Math.round(length * 10) / 10} ms`

const layout = { width: 1000, labels: 230, notes: 240, row: 24, top: 34 }

const style = `
.trace { color-scheme: light dark; font: 13px/1.4 system-ui, sans-serif; --fg: #1c1c22; --soft: #5d6068; --line: #dcdde2; --bg: #ffffff;
  --call: #59606f; --well: #1f7a45; --badly: #b3261e; --neither: #7a6a1f; background: var(--bg); color: var(--fg) }
@media (prefers-color-scheme: dark) {
  .trace { --fg: #ececf1; --soft: #a4a7b0; --line: #3a3c44; --bg: #17181c; --call: #9aa1b1; --well: #55c583; --badly: #ff8a80; --neither: #d9c35b }
}
svg.trace text { fill: var(--fg) } svg.trace .soft { fill: var(--soft) } svg.trace line { stroke: var(--line) }
svg.trace .call { fill: var(--call) } svg.trace .well { fill: var(--well) } svg.trace .badly { fill: var(--badly) } svg.trace .neither { fill: var(--neither) }
svg.trace .wait { fill: none; stroke: var(--soft); stroke-width: 2; stroke-dasharray: 3 4 }`.trim()

interface Scale {
  readonly origin: Millis
  readonly length: Millis
  readonly until: (row: Waterfall.Row) => Millis
}

const scaleOf = (rows: ReadonlyArray<Waterfall.Row>, { now }: Options): Scale => {
  const origin = rows.length === 0 ? 0 : Math.min(...rows.map(({ from }) => from))
  const latest = now ?? Math.max(origin, ...rows.map(({ from, to }) => Option.getOrElse(to, () => from)))
  const until = ({ from, to }: Waterfall.Row): Millis => Math.max(Option.getOrElse(to, () => latest), from)
  return { origin, until, length: Math.max(1, ...rows.map((row) => until(row) - origin)) }
}

const results = { well: "succeeded", badly: "failed", neither: "" }

/** What a bar says to those who do not see it. */
const said = (row: Waterfall.Row, { origin, until }: Scale): string =>
  [
    `${cut(row.label, longestName)}: from ${millis(row.from - origin)}, for ${millis(until(row) - row.from)}`,
    ...(Option.isNone(row.to) ? ["not ended"] : []),
    ...[row.what === "wait" ? "" : results[row.went], cut(row.note, longestName)].filter((each) => each !== "")
  ].join(", ")

const titleOf = (spans: ReadonlyArray<SpanRecord>, { title }: Options): string => cut(title ?? spans[0]?.name ?? "No spans", longestName)

/**
 * Draws a trace as an SVG: a bar for each span and each wait, with its length and what it came to.
 *
 * **Details**
 *
 * It has a title and a description for those who cannot see it, and each bar its own. Colours follow the reader's scheme, and no
 * meaning hangs on colour alone. It is well-formed XML, and loads nothing.
 *
 * @since 0.1.0
 * @category rendering
 */
export const svg = (spans: ReadonlyArray<SpanRecord>, options: Options = {}): string => {
  const rows = Waterfall.rows(spans)
  const scale = scaleOf(rows, options)
  const { labels, notes, row: height, top, width } = layout
  const room = width - labels - notes
  const x = (at: Millis): number => labels + (at - scale.origin) / scale.length * room
  const bottom = top + rows.length * height

  const mark = (part: number): string => {
    const at = labels + part * room
    return `<line x1="${at.toFixed(1)}" x2="${at.toFixed(1)}" y1="${top - 8}" y2="${bottom}"/>` +
      `<text class="soft" x="${at.toFixed(1)}" y="${top - 14}" text-anchor="middle">${millis(part * scale.length)}</text>`
  }

  const bar = (row: Waterfall.Row, index: number): string => {
    const y = top + index * height
    const [from, to] = [x(row.from), x(scale.until(row))]
    const shape = row.what === "wait"
      ? `<line class="wait" x1="${from.toFixed(1)}" x2="${Math.max(to, from + 2).toFixed(1)}" y1="${y + 9}" y2="${y + 9}"/>`
      : `<rect class="${row.what === "call" ? "call" : row.went}" x="${from.toFixed(1)}" y="${y + (row.what === "call" ? 6 : 2)}" ` +
        `width="${Math.max(to - from, 2).toFixed(1)}" height="${row.what === "call" ? 6 : 14}" rx="2"/>`
    const indent = 8 + Math.min(row.depth, 6) * 14
    const note = [millis(scale.until(row) - row.from), row.note].filter((each) => each !== "").join(" · ")
    return `<g><title>${escape(said(row, scale))}</title>` +
      `<text${row.what === "wait" ? " class=\"soft\"" : ""} x="${indent}" y="${y + 13}">${escape(cut(row.label, 28 - Math.min(row.depth, 6) * 2))}</text>` +
      `${shape}<text class="soft" x="${width - notes + 12}" y="${y + 13}">${escape(cut(note, 30))}</text></g>`
  }

  return `<svg xmlns="http://www.w3.org/2000/svg" class="trace" role="img" viewBox="0 0 ${width} ${bottom + 10}" width="${width}" height="${bottom + 10}">` +
    `<title>${escape(titleOf(spans, options))}</title>` +
    `<desc>${escape(rows.map((row) => said(row, scale)).join(". "))}</desc>` +
    `<style>${style}</style>` +
    [0, 0.25, 0.5, 0.75, 1].map(mark).join("") + rows.map(bar).join("") + `</svg>`
}

const list = (pairs: ReadonlyArray<readonly [string, string]>): string =>
  pairs.length === 0 ? "" : `<dl>${pairs.map(([key, value]) => `<dt>${escape(key)}</dt><dd>${escape(value)}</dd>`).join("")}</dl>`

const details = (span: SpanRecord, origin: Millis): string => {
  const [row] = Waterfall.rows([span])
  const lasted = span.status._tag === "Ended" ? millis(span.status.at - span.start) : "not ended"
  const links = span.links.length === 0 ? "" : `<p>links to ${escape(cut(span.links.map(({ spanId }) => spanId).join(", "), longestValue))}</p>`
  const events = span.events.map(({ at, attributes, name }) =>
    `<li>${millis(at - origin)} <b>${escape(cut(name, longestName))}</b>${list(shown(attributes))}</li>`)
  return `<tr><th scope="row">${escape(cut(span.name, longestName))}</th><td>${escape(span.kind)}</td><td>${millis(span.start - origin)}</td>` +
    `<td>${lasted}</td><td>${escape(cut(row?.note ?? "", longestName))}</td><td>${list(shown(span.attributes))}${links}` +
    `${events.length === 0 ? "" : `<ul>${events.join("")}</ul>`}</td></tr>`
}

const pageStyle = `
body { margin: 0; padding: 1.5rem; max-width: 70rem }
h1 { font-size: 1.3rem; overflow-wrap: anywhere } p { color: var(--soft) } svg { max-width: 100%; height: auto }
table { border-collapse: collapse; margin-top: 1.5rem; width: 100% }
td:not(:last-child) { white-space: nowrap } th, td { text-align: left; vertical-align: top; padding: .4rem .6rem; border-top: 1px solid var(--line) }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0 .8rem; margin: 0 } dt { color: var(--soft) } dd { margin: 0; overflow-wrap: anywhere }
ul { margin: .4rem 0 0; padding-left: 1.1rem }`.trim()

/**
 * A page with the picture of a trace, and a table of all that its spans say.
 *
 * **When to use**
 *
 * Write it to a file and open it: `fs.writeFileSync("trace.html", TracePage.html(spans))`.
 *
 * **Details**
 *
 * One file without scripts, links, fonts or pictures from elsewhere. Of one value 2,000 characters are shown, of a name 200.
 *
 * **Gotchas**
 *
 * It shows every attribute. What of them is secret is for `Redaction` to say, before they are written.
 *
 * @since 0.1.0
 * @category rendering
 */
export const html = (spans: ReadonlyArray<SpanRecord>, options: Options = {}): string => {
  const origin = spans.length === 0 ? 0 : Math.min(...spans.map(({ start }) => start))
  const title = escape(titleOf(spans, options))
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width">
<title>${title}</title>
<style>${pageStyle}</style>
</head>
<body class="trace">
<h1>${title}</h1>
<p>Trace ${escape(cut(spans[0]?.traceId ?? "", longestName))}, ${spans.length} span${spans.length === 1 ? "" : "s"}</p>
${svg(spans, options)}
<table>
<thead><tr><th scope="col">Span</th><th scope="col">Kind</th><th scope="col">Began</th><th scope="col">Lasted</th><th scope="col">Result</th><th scope="col">What it says</th></tr></thead>
<tbody>
${spans.map((span) => details(span, origin)).join("\n")}
</tbody>
</table>
</body>
</html>
`
}
