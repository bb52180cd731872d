/**
 * One trace as a picture of text: what took time as bars under one another, on one scale. For development, and for tests that fail.
 *
 * **Example** (Two attempts and the wait between them)
 *
 * ```ts
 * import { Backoff, Resilience, RetrySchedule, Waterfall } from "effect-resilience"
 * import { HttpScript, Recorder } from "effect-resilience/testing"
 * import { HttpClient } from "@effect/platform"
 * import { Effect, Fiber, TestClock, TestContext } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const users = (yield* HttpClient.HttpClient).pipe(
 *     Resilience.withAttemptSpan,
 *     Resilience.withRetry({ schedule: RetrySchedule.fromBackoff(Backoff.constant("1 second")) }),
 *     Resilience.withCallSpan("users")
 *   )
 *   const fiber = yield* Effect.fork(users.get("http://users.test/1"))
 *   yield* TestClock.adjust("1 second")
 *   yield* Fiber.join(fiber)
 *   const recorder = yield* Recorder.Recorder
 *   return Waterfall.draw(Waterfall.rows(yield* recorder.spans), { columns: 72 })
 * })
 *
 * const lines = await program.pipe(
 *   Effect.provide(HttpScript.layer([{ status: 503 }, { status: 200 }])),
 *   Effect.provide(Recorder.layer),
 *   Effect.provide(TestContext.TestContext),
 *   Effect.runPromise
 * )
 *
 * lines[1] // => " users            ━━━━━━━━━━━━━━━━━━━━━━━━ 1000 ms  200"
 * lines[2] // => " ├ GET            █                           0 ms  503"
 * lines[3] // => " │   wait         ┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄ 1000 ms  backoff 1s"
 * lines[4] // => " └ GET #2                                █    0 ms  200"
 * ```
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as InvalidOption from "../core/InvalidOption.ts"
import type { Millis } from "../core/Millis.ts"
import * as Semconv from "../core/Semconv.ts"
import * as SpanRecord from "./SpanRecord.ts"

type Span = SpanRecord.SpanRecord

/**
 * One bar. Instants are in ms since the epoch.
 *
 * @since 0.1.0
 * @category models
 */
export interface Row {
  /** `call`: a span; `attempt`: a span of kind CLIENT; `wait`: a wait between two attempts. */
  readonly what: "call" | "attempt" | "wait"
  readonly label: string
  /** How many spans stand above it. */
  readonly depth: number
  readonly from: Millis
  /** `None` while it lasts. */
  readonly to: Option.Option<Millis>
  /** What it came to, in a word or two. */
  readonly note: string
  readonly went: "well" | "badly" | "neither"
}

const endOf = ({ status }: Span): Option.Option<Millis> => status._tag === "Ended" ? Option.some(status.at) : Option.none()

const resultOf = ({ attributes, status }: Span): Pick<Row, "note" | "went"> => {
  if (status._tag === "Open") return { note: "", went: "neither" }
  const said = [attributes[Semconv.HTTP_RESPONSE_STATUS_CODE], attributes[Semconv.ERROR_TYPE]].find((each) => each !== undefined)
  const failed = Semconv.ERROR_TYPE in attributes
  if (Exit.isSuccess(status.exit)) return { note: String(said ?? ""), went: failed ? "badly" : "well" }
  if (Cause.isInterruptedOnly(status.exit.cause)) return { note: "interrupted", went: "neither" }
  const error = Cause.squash(status.exit.cause)
  return { note: String(said ?? (error instanceof Error ? error.name : "failed")), went: "badly" }
}

/** Why a wait has its length: `backoff 87ms`. */
const reasonOf = (attributes: SpanRecord.SpanEvent["attributes"], delay: Millis): string => {
  const because = String(attributes[Semconv.RESILIENCE_REASON] ?? "")
  const length = Duration.format(Duration.millis(delay))
  return because === "RetryAfter" ? `server asked for ${length}` : `${because.toLowerCase()} ${length}`.trimStart()
}

/**
 * The rows of a trace, finished or not: each span, below it its waits and the spans below it, in the order in which they began.
 *
 * @since 0.1.0
 * @category constructors
 */
export const rows = (spans: ReadonlyArray<Span>): ReadonlyArray<Row> => {
  const known = new Set(spans.map(({ spanId }) => spanId))
  const below = new Map<string, Array<Span>>()
  const roots: Array<Span> = []
  for (const span of spans) {
    const parent = Option.filter(span.parent, (id) => known.has(id) && id !== span.spanId)
    if (Option.isNone(parent)) roots.push(span)
    else {
      const siblings = below.get(parent.value)
      if (siblings === undefined) below.set(parent.value, [span])
      else siblings.push(span)
    }
  }

  const rowsOf = (span: Span, depth: number): ReadonlyArray<Row> => {
    const children = below.get(span.spanId) ?? []
    const resends = span.attributes[Semconv.HTTP_REQUEST_RESEND_COUNT]
    const own: Row = {
      what: span.kind === "client" ? "attempt" : "call",
      label: typeof resends === "number" ? `${span.name} #${resends + 1}` : span.name,
      depth,
      from: span.start,
      to: endOf(span),
      ...resultOf(span)
    }
    const attempts = children.filter(({ kind }) => kind === "client")
    const waits = span.events.filter(({ name }) => name === Semconv.EVENT_WAIT).map(({ at, attributes }) => {
      const delay = Number(attributes[Semconv.RESILIENCE_DELAY]) * 1000
      // A timer may fire a ms early. As many attempts as the event says came before, also where all happens in one instant.
      const next = attempts.find(({ start }, index) => start >= at + delay - 1 && index >= Number(attributes[Semconv.RESILIENCE_ATTEMPT]))
      // Where nothing came after it, it lasted until the call ended: it may have been interrupted.
      const to = next === undefined ? endOf(span) : Option.some(next.start)
      const row: Row = { what: "wait", label: "wait", depth: depth + 1, from: at, to, note: reasonOf(attributes, delay), went: "neither" }
      return { next, row }
    })
    const before = (next: Span | undefined): ReadonlyArray<Row> => waits.filter((wait) => wait.next === next).map(({ row }) => row)
    return [own, ...children.flatMap((child) => [...before(child), ...rowsOf(child, depth + 1)]), ...before(undefined)]
  }
  return roots.flatMap((root) => rowsOf(root, 0))
}

/**
 * How a picture is drawn.
 *
 * @since 0.1.0
 * @category models
 */
export interface DrawOptions {
  /** The width of the whole picture in characters, from 60 to 400. Default: 96. */
  readonly columns?: number | undefined
  /** Where a bar that has not ended stops. Default: where the last one does that has ended. */
  readonly now?: Millis | undefined
  /** The time in ms that there is room for at least, so that a picture drawn again and again keeps its scale. Default: 0. */
  readonly horizon?: Millis | undefined
  /** Default: "none". */
  readonly colour?: "ansi" | "none" | undefined
}

const labelWidth = 16
const timeWidth = 8
const noteWidth = 20

/** What stands deeper is indented no more. */
const deepest = 5

const strokes = { call: "━", attempt: "█", wait: "┄" }

const plain = (text: string): string => text
const painted = (code: number) => (text: string): string => text === "" ? text : `\u001b[${code}m${text}\u001b[0m`
const palettes = {
  ansi: { bold: painted(1), dim: painted(2), badly: painted(31), well: painted(32), neither: plain },
  none: { bold: plain, dim: plain, badly: plain, well: plain, neither: plain }
}

/** What could steer a terminal is shown and not obeyed. */
const tame = (text: string): string => text.replace(/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu, "·")

const cut = (text: string, width: number): string => text.length <= width ? text : `${text.slice(0, width - 1)}…`

const columnsOf = (where: string, { columns = 96 }: DrawOptions): number =>
  InvalidOption.integerIn(where, "columns", columns, { min: 60, max: 400 })

/** 1, 2 or 5 times a power of 10, not less than what is given. */
const roundUp = (millis: Millis): Millis => {
  const power = 10 ** Math.floor(Math.log10(Math.max(millis, 1)))
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= millis) ?? millis
}

/** In as few digits as there is room for. */
const lengthOf = (millis: Millis): string => {
  if (millis < 99_999) return `${Math.round(millis)} ms`
  return millis < 99_999_000 ? `${Math.round(millis / 1000)} s` : `${Math.round(millis / 3_600_000)} h`
}

const mark = (at: Millis, horizon: Millis): string => horizon >= 1000 ? `${at / 1000}s` : `${at}ms`

/** Marks that stand at least seven characters apart. */
const ruler = (step: Millis, horizon: Millis, width: number): string => {
  let marks = ""
  for (let at = 0; at <= horizon; at += step) marks = `${marks.padEnd(Math.floor(at / horizon * width))}${mark(at, horizon)}`
  return marks
}

/**
 * Draws rows, one line each, below a ruler.
 *
 * **Details**
 *
 * `━` is a span, `█` one of an attempt, `┄` a wait. Beside each bar stand its length in ms and what it came to. Control characters are
 * drawn as dots. Nothing is drawn of no rows.
 *
 * @since 0.1.0
 * @category rendering
 */
export const draw = (rows: ReadonlyArray<Row>, options: DrawOptions = {}): ReadonlyArray<string> => {
  const { colour = "none", horizon: room = 0 } = options
  const columns = columnsOf("Waterfall.draw", options)
  if (rows.length === 0) return []
  const { bold, dim, ...tones } = palettes[colour]
  const width = columns - labelWidth - timeWidth - noteWidth - 4
  const origin = Math.min(...rows.map(({ from }) => from))
  const now = options.now ?? Math.max(...rows.map(({ from, to }) => Option.getOrElse(to, () => from)))
  const until = ({ to, from }: Row): Millis => Math.max(Option.getOrElse(to, () => now), from)
  const longest = Math.max(room, ...rows.map((row) => until(row) - origin), 1)
  const step = roundUp(longest / (width / 7))
  const horizon = Math.ceil(longest / step) * step
  const column = (millis: Millis): number => Math.floor(millis / horizon * width)

  const bar = (row: Row): string => {
    const first = Math.min(column(row.from - origin), width - 1)
    const length = Math.max(column(until(row) - origin) - first, 1)
    const stroke = strokes[row.what].repeat(length)
    const tone = row.what === "call" ? plain : row.what === "wait" ? dim : tones[row.went]
    return " ".repeat(first) + tone(stroke) + " ".repeat(width - first - length)
  }

  const label = ({ depth, label, what }: Row, index: number): string => {
    const text = tame(label)
    if (depth === 0) return bold(cut(text, labelWidth).padEnd(labelWidth))
    const indent = "  ".repeat(Math.min(depth, deepest) - 1)
    const rest = labelWidth - indent.length - 2
    const after = rows.slice(index + 1)
    const shallower = after.findIndex((row) => row.depth < depth)
    const siblings = (shallower === -1 ? after : after.slice(0, shallower)).filter((row) => row.depth === depth && row.what !== "wait")
    const isLast = siblings.length === 0
    if (what === "wait") return dim(cut(`${indent}${isLast ? " " : "│"}   ${text}`, labelWidth).padEnd(labelWidth))
    return `${dim(`${indent}${isLast ? "└" : "├"}`)} ${cut(text, rest).padEnd(rest)}`
  }

  const note = (row: Row): string => {
    const text = cut(tame(row.note), noteWidth)
    return row.what === "wait" ? dim(text) : tones[row.went](text)
  }

  return [
    ` ${" ".repeat(labelWidth)} ${dim(ruler(step, horizon, width))}`,
    ...rows.map((row, index) => {
      const lasted = lengthOf(until(row) - row.from).padStart(timeWidth)
      return ` ${label(row, index)} ${bar(row)}${dim(lasted)}  ${note(row)}`.trimEnd()
    })
  ]
}

/**
 * Which traces are printed, how, and where.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options extends Omit<DrawOptions, "now"> {
  /** `failed`: only those in which the first span did not succeed. Default: "all". */
  readonly traces?: "all" | "failed" | undefined
  /** What is given each picture. Default: Effect's `Console`. */
  readonly print?: ((picture: string) => void) | undefined
}

const hasFailed = (spans: ReadonlyArray<Span>): boolean => {
  const status = spans[0]?.status
  return status?._tag === "Ended" && Exit.isFailure(status.exit)
}

/**
 * Prints each trace when its first span has ended. The tracer that is there goes on as before, so an exporter gets what it got.
 *
 * **When to use**
 *
 * While developing, and with `traces: "failed"` round a test, so that one that fails shows what happened.
 *
 * **Details**
 *
 * A trace begins with a span whose parent was not made below this layer. Give it after an exporter: `Layer.provideMerge(exporter)`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Options = {}): Layer.Layer<never> => {
  const columns = columnsOf("Waterfall.layer", options)
  return Layer.unwrapEffect(Effect.zipWith(Effect.tracer, Effect.consoleWith(Effect.succeed), (tracer, { unsafe }) => {
    const print = options.print ?? ((picture: string) => unsafe.log(picture))
    return Layer.setTracer(SpanRecord.keeping(tracer, (spans) => {
      if (options.traces === "failed" && !hasFailed(spans)) return
      print(draw(rows(spans), { ...options, columns }).join("\n"))
    }))
  }))
}
