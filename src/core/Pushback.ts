/**
 * What a server says about sending again, whatever its status: stop, or go on.
 *
 * | header | value | from |
 * | --- | --- | --- |
 * | `x-should-retry` | `true` or `false` | Anthropic, OpenAI, `server/Overload` |
 * | `stripe-should-retry` | `true` or `false` | Stripe |
 * | `x-envoy-overloaded` | anything: stop | Envoy |
 *
 * Where they disagree, it is stop. A server that says go on opens no other gate: attempts, budget, deadline and what may be sent twice
 * hold all the same.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import * as HeaderField from "./HeaderField.ts"

/**
 * What a server says.
 *
 * - `stop`: nothing more shall be sent
 * - `resend`: the same request can succeed, though its status says otherwise
 *
 * @since 0.1.0
 * @category models
 */
export type Pushback = "stop" | "resend"

/**
 * What may carry it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Answered {
  /** What the server said about sending again, beside its status. Absent: nothing. */
  readonly pushback?: Pushback | undefined
}

/**
 * Reads what a server says from the headers of its response.
 *
 * **Example** (No means no)
 *
 * ```ts
 * import { Pushback } from "effect-resilience"
 * import { Option } from "effect"
 *
 * Pushback.fromHeaders({ "x-should-retry": "false" }) // => Option.some("stop")
 * Pushback.fromHeaders({ "stripe-should-retry": "true" }) // => Option.some("resend")
 * Pushback.fromHeaders({ "x-should-retry": "true", "x-envoy-overloaded": "true" }) // => Option.some("stop")
 * Pushback.fromHeaders({ "x-should-retry": "maybe" }) // => Option.none()
 * ```
 *
 * @since 0.1.0
 * @category parsing
 */
export const fromHeaders = (headers: HeaderField.Headers): Option.Option<Pushback> => {
  let said: Option.Option<Pushback> = Option.none()
  for (const [name, read] of signals) {
    const value = HeaderField.get(headers, name)
    if (Option.isNone(value)) continue
    const one = read(value.value)
    if (one === "stop") return stop
    if (one === "resend") said = resend
  }
  return said
}

const stop = Option.some<Pushback>("stop")
const resend = Option.some<Pushback>("resend")

/** The two words, in any case. */
const answer = (value: string): Pushback | undefined => {
  switch (HeaderField.trimmed(value).toLowerCase()) {
    case "true":
      return "resend"
    case "false":
      return "stop"
    default:
      return undefined
  }
}

const signals: ReadonlyArray<readonly [name: string, read: (value: string) => Pushback | undefined]> = [
  ["x-should-retry", answer],
  ["stripe-should-retry", answer],
  ["x-envoy-overloaded", () => "stop"]
]
