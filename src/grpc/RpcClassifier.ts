/**
 * What the exit of an RPC means: a classifier that goes before the default ones.
 *
 * @since 0.1.0
 */
import * as Classifier from "../core/Classifier.ts"
import { InvalidOption } from "../core/InvalidOption.ts"
import * as RpcStatus from "../core/RpcStatus.ts"
import * as RpcError from "./RpcError.ts"

/**
 * Which codes can pass.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * The codes after which the same call can succeed later. An empty list, which a retry refuses: none. Default: `UNAVAILABLE` and `RESOURCE_EXHAUSTED`. `ABORTED`
   * is for calls that hold no transaction which would have to be begun anew.
   */
  readonly codes?: ReadonlyArray<RpcStatus.Code> | undefined
}

/**
 * Makes a classifier that knows the errors of RPC clients (`RpcError`), and has no opinion on anything else.
 *
 * **When to use**
 *
 * Where the strategies of this library are used by hand, on calls that fail with such errors: put it before the default classifier.
 *
 * **Example** (Before the default, and with ABORTED)
 *
 * ```ts
 * import { Classifier, Failure, Outcome } from "effect-resilience"
 * import { RpcClassifier } from "effect-resilience/grpc"
 * import { Exit, Option } from "effect"
 *
 * const classifier = Classifier.errors.pipe(Classifier.override(RpcClassifier.make({ codes: ["UNAVAILABLE", "ABORTED"] })))
 * const aborted = Exit.fail({ code: 10, details: "conflict", metadata: {} })
 *
 * Classifier.run(classifier, aborted, 0) // => Outcome.failed(Failure.rpcFailure("ABORTED", Option.none(), "always"))
 * Classifier.run(classifier, Exit.fail({ code: "ECONNRESET" }), 0) // => Outcome.failed(Failure.connectionLost("ECONNRESET"))
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options = {}): Classifier.Classifier => {
  const codes = options.codes ?? RpcStatus.retryable
  for (const code of codes) {
    if (RpcStatus.codes.includes(code)) continue
    throw new InvalidOption({ where: "RpcClassifier", option: "codes", value: code, requirement: "names of codes, without OK" })
  }
  return Classifier.onError(`rpc ${codes.join(" ")}`.trim(), (error, now) => RpcError.outcome(error, now, codes))
}

/**
 * The default for RPCs: the errors of RPC clients, and behind them what `Classifier.errors` knows.
 *
 * @since 0.1.0
 * @category classifiers
 */
export const errors: Classifier.Classifier = Classifier.errors.pipe(Classifier.override(make()), Classifier.named("rpc"))
