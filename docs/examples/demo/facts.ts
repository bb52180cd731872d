/**
 * What the demo says of the library, as facts that can fail.
 */
import { Semconv, Waterfall } from "effect-resilience"
import { Recorder } from "effect-resilience/testing"
import { Array as Arr, Option } from "effect"
import type { Measured } from "./measure.ts"
import { attemptsIn, callsIn } from "./spans.ts"

export interface Fact {
  readonly says: string
  readonly holds: boolean
}

/** A timer of Node can fire a millisecond before its time. */
const oneSecond = 999

const same = Arr.getEquivalence<unknown>((one, other) => one === other)

export const facts = ({ events, held, next, received, result, spans, waited }: Measured): ReadonlyArray<Fact> => {
  const attempts = attemptsIn(spans)
  const drawn = Waterfall.rows(spans)
  const outcomes = drawn.filter((row) => row.what === "attempt").map((row) => row.note)
  const reasons = events.filter((event) => event._tag === "WaitStarted").map((event) => event.because)
  const resends = attempts.map((span) => span.attributes[Semconv.HTTP_REQUEST_RESEND_COUNT] ?? 0)
  const ends = events.filter((event) => event._tag === "CallEnded")
  return [
    { says: "the call ends with 200", holds: result === "200" && ends.length === 1 && ends[0]?.end._tag === "Succeeded" },
    { says: "outcomes in the server's order", holds: same(outcomes, ["503", "timeout", "429", "ECONNRESET", "200"]) },
    { says: "a reason for each wait", holds: same(reasons, ["Backoff", "Backoff", "RetryAfter", "Backoff"]) },
    { says: "never early", holds: Option.exists(waited, (millis) => millis >= oneSecond) },
    { says: "one call span, five attempt spans, all ended", holds:
      callsIn(spans).length === 1 && attempts.length === 5 && Recorder.open(spans).length === 0 },
    { says: "resends counted 0 to 4", holds: same(resends, [0, 1, 2, 3, 4]) },
    { says: "each traceparent on the wire is its span", holds: same(received, attempts.map((span) => span.spanId)) },
    { says: "no connection held", holds: held === 0 },
    { says: "a second call answered", holds: Option.isSome(next) }
  ]
}
