/**
 * What an outcome says about the health of the other side, which is what a breaker counts.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import type * as Outcome from "./Outcome.ts"

/**
 * What an outcome says about the health of the other side.
 *
 * **Details**
 *
 * It answered and is healthy: a success, a 4xx that no other tag covers, 425, and the gRPC statuses that blame the caller. Nothing
 * at all: 429 and `RESOURCE_EXHAUSTED`, which are for a limiter; our own refusals; requests that were not well formed; interruption
 * and defects. Everything else is a failure, a typed error that no classifier knows included.
 *
 * @since 0.1.0
 * @category getters
 */
export const of = (outcome: Outcome.Outcome): Outcome.Outcome["_tag"] => {
  if (outcome._tag !== "Failed") return outcome._tag
  const { failure } = outcome
  switch (failure._tag) {
    case "Refused":
      return "Success"
    case "Rejected":
      return "Ignored"
    case "Throttled":
      // A 503 that says for how long is an outage with manners.
      return Option.contains(failure.status, 503) ? "Failed" : "Ignored"
    case "Malformed":
      return failure.what === "response" ? "Failed" : "Ignored"
    case "Unavailable":
      return Option.contains(failure.status, 425) ? "Success" : "Failed"
    case "RpcFailure":
      if (failure.code === "RESOURCE_EXHAUSTED" || failure.code === "CANCELLED") return "Ignored"
      return rpcFailures.has(failure.code) ? "Failed" : "Success"
    default:
      return "Failed"
  }
}

const rpcFailures = new Set(["UNAVAILABLE", "DEADLINE_EXCEEDED", "INTERNAL", "UNKNOWN", "DATA_LOSS", "UNIMPLEMENTED"])
