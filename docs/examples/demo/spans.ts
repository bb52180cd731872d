/**
 * What the recorded spans say.
 */
import { Semconv } from "effect-resilience"
import { type Recorder } from "effect-resilience/testing"
import { Cause, Exit, Option } from "effect"

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
