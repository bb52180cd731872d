/**
 * From what was recorded to what is drawn: bars from spans, the outcomes of attempts and the reasons of waits from events. Nothing
 * is drawn that neither of them said.
 */
import { type Event, Failure, Outcome, Semconv } from "effect-resilience"
import { type Recorder } from "effect-resilience/testing"
import { Cause, Duration, Exit, Option } from "effect"
import type { Row } from "./waterfall.ts"

type Span = Recorder.Span

export const callsIn = (spans: ReadonlyArray<Span>): ReadonlyArray<Span> => spans.filter((span) => span.kind === "internal")

export const attemptsIn = (spans: ReadonlyArray<Span>): ReadonlyArray<Span> => spans.filter((span) => span.kind === "client")

export const endOf = ({ status }: Span): Option.Option<number> =>
  status._tag === "Ended" ? Option.some(status.at) : Option.none()

export const statusOf = ({ attributes }: Span): Option.Option<string> =>
  Option.map(Option.fromNullable(attributes[Semconv.HTTP_RESPONSE_STATUS_CODE]), String)

/** What a call came to: the status of its last answer, or the name of the error. */
export const resultOf = (exit: Exit.Exit<unknown, unknown>, spans: ReadonlyArray<Span>): string => {
  if (Exit.isSuccess(exit)) return Option.fromNullable(attemptsIn(spans).at(-1)).pipe(Option.flatMap(statusOf), Option.getOrElse(() => ""))
  const error = Cause.squash(exit.cause)
  return typeof error === "object" && error !== null && "_tag" in error ? String(error._tag) : String(error)
}

const format = (millis: number): string => Duration.format(Duration.millis(millis))

/** What an attempt came to: `429 Retry-After 1s`. */
export const outcomeOf = ({ outcome }: Event.AttemptEnded, span: Span): string => {
  if (!Outcome.isFailed(outcome)) return Option.getOrElse(statusOf(span), () => outcome._tag)
  const hint = Option.map(Failure.retryAfter(outcome.failure), (millis) => ` Retry-After ${format(millis)}`)
  return Failure.label(outcome.failure) + Option.getOrElse(hint, () => "")
}

/** Why a wait has its length: `backoff 87ms`. */
export const reasonOf = ({ because, delay }: Event.WaitStarted): string =>
  because === "RetryAfter" ? `server asked for ${format(delay)}` : `${because.toLowerCase()} ${format(delay)}`

/** A call with its attempts and waits, finished or not. */
export const rows = (spans: ReadonlyArray<Span>, events: ReadonlyArray<Event.Event>): ReadonlyArray<Row> => {
  const attempts = attemptsIn(spans)

  const call = (span: Span): Row => {
    const { from, to } = { from: span.start, to: endOf(span) }
    const result = Option.getOrElse(statusOf(span), () => String(span.attributes[Semconv.ERROR_TYPE] ?? ""))
    const went = Option.isNone(to) ? "neither" : Semconv.ERROR_TYPE in span.attributes ? "badly" : "well"
    return { what: "call", label: span.name, from, to, note: result, went }
  }

  const attempt = (span: Span, number: number): Row => {
    const ended = events.find((event) => event._tag === "AttemptEnded" && event.attempt === number)
    const row = { what: "attempt", label: `attempt ${number}`, from: span.start, to: endOf(span) } as const
    if (ended?._tag !== "AttemptEnded") return { ...row, note: "", went: "neither" }
    return { ...row, note: outcomeOf(ended, span), went: Outcome.isFailed(ended.outcome) ? "badly" : "well" }
  }

  const wait = (started: Event.WaitStarted): Row => {
    const next = Option.fromNullable(attempts[started.attempt])
    const to = Option.map(next, (span) => span.start)
    return { what: "wait", label: "wait", from: started.at, to, note: reasonOf(started), went: "neither" }
  }

  return [
    ...callsIn(spans).map(call),
    ...attempts.flatMap((span, index) => [
      attempt(span, index + 1),
      ...events.filter((event) => event._tag === "WaitStarted").filter((event) => event.attempt === index + 1).map(wait)
    ])
  ]
}
