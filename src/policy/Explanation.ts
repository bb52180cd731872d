/**
 * Explanations in words: of a call, attempt by attempt, and of what can be said of a policy without any.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import type * as Decision from "../core/Decision.ts"
import * as Failure from "../core/Failure.ts"
import { format } from "../core/Millis.ts"
import * as Outcome from "../core/Outcome.ts"
import * as Bounds from "./Bounds.ts"
import type { Explained, Explanation } from "./Explain.ts"
import type * as Policy from "./Policy.ts"

const outcomeText = (outcome: Outcome.Outcome): string => {
  if (Outcome.isFailed(outcome)) return Failure.label(outcome.failure)
  return outcome._tag === "Success" ? "success" : "neither success nor failure"
}

/** What the other side asked, and against what it is held where that is why nothing more is sent. */
const asked = ({ left, outcome, verdict }: Explained): string => {
  const hint = Option.flatMap(outcome, (outcome) => Outcome.isFailed(outcome) ? Failure.retryAfter(outcome.failure) : Option.none())
  if (Option.isNone(hint)) return ""
  const isTooClose = verdict._tag === "GiveUp" && verdict.because === "DeadlineTooClose"
  const held = isTooClose && Option.isSome(left) && hint.value >= left.value
    ? ` ${hint.value > left.value ? ">" : ">="} ${format(left.value)} left`
    : ""
  return `, Retry-After ${format(hint.value)}${held}`
}

const gaveUp = ({ because, wait }: Decision.GiveUp, { balance, left, outcome }: Explained): string => {
  const hint = Option.flatMap(outcome, (outcome) => Outcome.isFailed(outcome) ? Failure.retryAfter(outcome.failure) : Option.none())
  const own = Option.isSome(wait) && !Option.contains(hint, wait.value) ? ` (the wait would be ${format(wait.value)}${
    because === "DeadlineTooClose" && Option.isSome(left) ? `, and ${format(left.value)} are left` : ""
  })` : ""
  const empty = because === "BudgetExhausted" && Option.isSome(balance) ? ` (it holds ${Number(balance.value.toPrecision(3))})` : ""
  return `give up, ${because}${because === "BudgetExhausted" ? empty : own}`
}

const verdictText = (line: Explained): string => {
  switch (line.verdict._tag) {
    case "Done":
      return "done"
    case "DeadlineExceeded":
      return "DeadlineExceeded"
    case "Hedged":
      return "the hedge decides, and what its other attempts come to is not known"
    case "Resend":
      return line.verdict.delay === 0 ? "send again at once" : `wait ${format(line.verdict.delay)} (${line.verdict.because})`
    case "GiveUp":
      return gaveUp(line.verdict, line)
  }
}

const lineText = (line: Explained, startedAt: number): string => {
  const taken = format(line.endedAt - line.startedAt)
  const came = Option.match(line.outcome, {
    onNone: () => `cut off by the deadline after ${taken}`,
    onSome: (outcome) => `${outcomeText(outcome)} after ${taken}`
  })
  return `attempt ${line.attempt} at ${format(line.startedAt - startedAt)}: ${came}${asked(line)}; ${verdictText(line)}`
}

const count = (n: number, one: string): string => `${n} ${one}${n === 1 ? "" : "s"}`

/**
 * Writes an explanation, one attempt to a line. Times are those since the call began.
 *
 * @since 0.1.0
 * @category rendering
 */
export const render = (self: Explanation): string => {
  const { attempts, complete, endedAt, startedAt } = self
  const after = format(endedAt - startedAt)
  const end = complete
    ? `ended after ${after}, with ${count(attempts.length, "attempt")}`
    : attempts.at(-1)?.verdict._tag === "Hedged"
    ? `not ended after ${after}`
    : `not ended after ${after}: attempt ${attempts.length + 1} begins, and what it comes to is not known`
  return [...attempts.map((line) => lineText(line, startedAt)), end].join("\n")
}

/**
 * Writes the bounds of a policy, a line to each.
 *
 * **Example** (The defaults)
 *
 * ```ts
 * import { Explanation } from "effect-resilience"
 *
 * const [attempts, time, load] = Explanation.renderBounds({}).split("\n")
 *
 * attempts // => "at most 3 attempts"
 * time // => "at most 30s until the response; 31s 500ms without the deadline"
 * load // => "in an outage: 10 resends at once, then 1 a second"
 * ```
 *
 * @since 0.1.0
 * @category rendering
 */
export const renderBounds = (policy: Policy.Policy): string => {
  const { attempts, resendsAtOnce, resendsPerSecond, undisturbed, wallTime } = Bounds.of(policy)
  const time = Option.match(wallTime, { onNone: () => "for ever", onSome: (millis) => `at most ${format(millis)}` })
  const own = Option.match(undisturbed, { onNone: () => "for ever", onSome: format })
  const load = attempts === 1
    ? "no resends"
    : resendsPerSecond === Infinity
    ? `${attempts} requests for each call`
    : `${count(resendsAtOnce, "resend")} at once, then ${resendsPerSecond === 0 ? "none" : `${Number(resendsPerSecond.toPrecision(3))} a second`}`
  return [`at most ${count(attempts, "attempt")}`, `${time} until the response; ${own} without the deadline`, `in an outage: ${load}`].join("\n")
}
