/**
 * The same call with what the platform has, in its best usual form: attempts limited, backoff exponential and jittered, a timeout
 * on each attempt and one on the whole.
 */
import { HttpClient } from "@effect/platform"
import { Classifier, Failure, Outcome, type Waterfall } from "effect-resilience"
import { type Recorder } from "effect-resilience/testing"
import { Cause, Effect, Exit, Option, Schedule } from "effect"
import { attemptsIn, callsIn, endOf, resultOf, statusOf } from "./spans.ts"

type Span = Recorder.Span
type Row = Waterfall.Row

const client = Effect.map(HttpClient.HttpClient, (client) =>
  client.pipe(
    HttpClient.transformResponse(Effect.timeout("300 millis")),
    HttpClient.retryTransient({ times: 5, schedule: Schedule.exponential("100 millis").pipe(Schedule.jittered) })
  ))

export const fetchOrder = (url: string) =>
  Effect.flatMap(client, (client) => client.get(url)).pipe(
    Effect.flatMap((response) => response.json),
    Effect.timeout("6 seconds"),
    Effect.withSpan("GET /orders/42")
  )

/**
 * All that there is to draw are the platform's spans, and which of them have reached the server. Of the waits nothing is known but
 * the gaps between the bars.
 */
export const rows = (spans: ReadonlyArray<Span>, received: ReadonlyArray<string>): ReadonlyArray<Row> => {
  const result = ({ status }: Span): Pick<Row, "note" | "went"> => {
    if (status._tag === "Open") return { note: "", went: "neither" }
    const note = resultOf(status.exit, spans)
    return { note, went: note === "200" ? "well" : "badly" }
  }

  const outcome = (span: Span): Pick<Row, "note" | "went"> => {
    if (span.status._tag === "Open") return { note: "", went: "neither" }
    const { exit } = span.status
    if (Exit.isSuccess(exit)) {
      const status = Option.getOrElse(statusOf(span), () => "")
      const hint = span.attributes["http.response.header.retry-after"]
      return { note: hint === undefined ? status : `${status} Retry-After ${String(hint)}s`, went: status === "200" ? "well" : "badly" }
    }
    // Nothing interrupts an attempt but a timeout.
    if (Cause.isInterruptedOnly(exit.cause)) {
      return { note: received.includes(span.spanId) ? "timeout" : "timeout, never sent", went: "badly" }
    }
    const meaning = Classifier.run(Classifier.errors, exit, 0)
    return { note: Outcome.isFailed(meaning) ? Failure.label(meaning.failure) : meaning._tag, went: "badly" }
  }

  return [
    ...callsIn(spans).map((span): Row => (
      { what: "call", label: span.name, depth: 0, from: span.start, to: endOf(span), ...result(span) }
    )),
    ...attemptsIn(spans).map((span, index): Row => (
      { what: "attempt", label: `attempt ${index + 1}`, depth: 1, from: span.start, to: endOf(span), ...outcome(span) }
    ))
  ]
}
