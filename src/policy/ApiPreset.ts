/**
 * Policies for real APIs, by their documented rules and what their own SDKs do.
 *
 * Each says where its numbers are from. Where the rules of an SDK would do harm, such as waiting less than it was asked to, the rules of
 * this library hold, and the preset says so.
 *
 * @since 0.1.0
 */
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Classifier from "../core/Classifier.ts"
import * as Failure from "../core/Failure.ts"
import * as Meaning from "../core/Meaning.ts"
import type { Millis } from "../core/Millis.ts"
import * as Outcome from "../core/Outcome.ts"
import * as ErrorBody from "../http/ErrorBody.ts"
import type * as Policy from "./Policy.ts"

type Response = HttpClientResponse.HttpClientResponse

/**
 * A policy to begin with.
 *
 * @since 0.1.0
 * @category models
 */
export interface Preset {
  readonly policy: Policy.Encoded
  /** What responses mean beside their statuses; it stands in front of the meaning that the policy gives them. */
  readonly classifier?: Classifier.Classifier<HttpClientResponse.HttpClientResponse> | undefined
  /** The errors whose bodies the classifier has to see. */
  readonly errorBodies?: ErrorBody.Options | undefined
}

/** What an error says in its body, to a classifier that knows what to look for. */
const onBody = (
  name: string,
  statuses: ReadonlyArray<number>,
  read: (response: Response, body: string, now: Millis) => Option.Option<Outcome.Outcome>
): Classifier.Classifier<Response> =>
  Classifier.make(name, (exit: Exit.Exit<Response, unknown>, now) => {
    if (!Exit.isSuccess(exit) || !statuses.includes(exit.value.status)) return Option.none()
    const response = exit.value
    return Option.map(
      read(response, Option.getOrElse(ErrorBody.textOf(response), () => ""), now),
      (outcome) => Outcome.pushedBack(outcome, response.headers)
    )
  })

const throttled = (status: number, retryAfter: Option.Option<Millis>) => Option.some(Outcome.failed(Failure.throttled({ status, retryAfter })))

/**
 * Stripe: three attempts from 0.5 s to 5 s, a key on each POST, 409 again, 429 only where `stripe-should-retry` says so.
 *
 * **Details**
 *
 * From stripe-node, `src/RequestSender.ts` (663942164): connections, 409 and 500 and above; delays of half to all of 0.5 s doubling up to
 * 5 s; an `Idempotency-Key` on each POST, one per call; 80 s for a request. 501 and 505 stay terminal here. A 429 that is not to be
 * retried says nothing against the service, so no breaker counts it.
 *
 * @since 0.1.0
 * @category presets
 */
export const stripe: Preset = {
  policy: {
    name: "stripe",
    statuses: { Unavailable: [409], Refused: [429] },
    attemptTimeout: "80 seconds",
    retry: { maxAttempts: 3, backoff: { kind: "exponential", base: "500 millis", cap: "5 seconds", jitter: "equal" } },
    idempotencyKey: { methods: ["POST"] },
    deadline: "5 minutes"
  }
}

const secondaryWait: Millis = 60_000

/**
 * The limits of GitHub, which come as 403 or 429: the secondary ones say so in the body.
 *
 * @since 0.1.0
 * @category classifiers
 */
export const githubLimits: Classifier.Classifier<Response> = onBody("github limits", [403, 429], (response, body, now) => {
  const hint = Meaning.hint(response, now)
  if (/\bsecondary rate\b/i.test(body)) return throttled(response.status, Option.orElse(hint, () => Option.some(secondaryWait)))
  const spent = response.headers["x-ratelimit-remaining"]?.trim() === "0"
  // By the clock of GitHub the reset has come a second after it says: octokit adds that second too.
  return spent ? throttled(response.status, Option.map(hint, (wait) => wait + 1_000)) : Option.none()
})

/**
 * GitHub: waits out both kinds of limit, ten calls at once.
 *
 * **Details**
 *
 * From its documentation ("Rate limits for the REST API") and octokit/plugin-throttling.js (`src/index.ts`): a secondary limit waits for
 * the `retry-after`, or a minute; a primary one, `x-ratelimit-remaining: 0`, for the `x-ratelimit-reset` and a second. A wait of more than 5
 * minutes is not begun: the primary quota is of an hour. Other 403 are no limits, and terminal.
 *
 * **Gotchas**
 *
 * Writes want to be a second apart, one at a time: that is a rate limit of your own, round the calls that write. And a POST is sent again
 * after a limit only, since GitHub takes no keys.
 *
 * @since 0.1.0
 * @category presets
 */
export const github: Preset = {
  policy: {
    name: "github",
    attemptTimeout: "10 seconds",
    bulkhead: { permits: 10, queue: 1_000, maxWait: "1 minute" },
    retry: {
      maxAttempts: 3,
      backoff: { kind: "exponential", base: "1 second", cap: "1 minute" },
      retryAfter: { atMost: "5 minutes", jitter: 0.1 },
      resend: "throttled"
    },
    deadline: "15 minutes"
  },
  classifier: githubLimits,
  errorBodies: { statuses: [403, 429] }
}

/** 529 is the "overloaded" of Anthropic; those from 520 are of a proxy in front. */
const generated = (name: string): Preset => ({
  policy: {
    name,
    statuses: { Unavailable: [409, 520, 521, 522, 523, 524, 529] },
    attemptTimeout: "10 minutes",
    retry: { maxAttempts: 3, backoff: { kind: "exponential", base: "500 millis", cap: "8 seconds", jitter: "equal" } },
    idempotencyKey: { methods: ["POST"] },
    deadline: "31 minutes"
  }
})

/**
 * OpenAI: two resends from 0.5 s to 8 s after 408, 409, 429 and errors of the server; `x-should-retry` and `retry-after-ms` are obeyed.
 *
 * **Details**
 *
 * From openai-node, `src/client.ts` (7b7d6ca7). It shortens delays by up to a quarter, and this by up to a half. It takes no notice of a
 * hint above a minute and comes back early; here the call is given up.
 *
 * **Gotchas**
 *
 * A POST is given a key so that it may be sent again, as the SDK does without one. A generation that was lost on the way back is paid
 * for twice.
 *
 * @since 0.1.0
 * @category presets
 */
export const openai: Preset = generated("openai")

/**
 * Anthropic: the same rules as OpenAI, and 529 when it is overloaded.
 *
 * **Details**
 *
 * From anthropic-sdk-typescript, `src/client.ts` (bfa9197f): 408, 409, 429, 500 and above, `x-should-retry`, `retry-after-ms` and then
 * `retry-after`.
 *
 * @since 0.1.0
 * @category presets
 */
export const anthropic: Preset = generated("anthropic")

/**
 * Slack: six attempts in five minutes; a 429 waits for its `retry-after`.
 *
 * **Details**
 *
 * From node-slack-sdk, `retry-policies.ts`: `fiveRetriesInFiveMinutes`, with a factor of 3.86 from 1 s. Its other policy, ten retries in half
 * an hour, is more than a policy may say.
 *
 * **Gotchas**
 *
 * A POST is sent again after a 429 only, because Slack takes no keys: read with GET, which its methods allow.
 *
 * @since 0.1.0
 * @category presets
 */
export const slack: Preset = {
  policy: {
    name: "slack",
    attemptTimeout: "10 seconds",
    retry: {
      maxAttempts: 6,
      backoff: { kind: "exponential", base: "1 second", factor: 3.86, cap: "5 minutes", jitter: "equal" },
      retryAfter: { atMost: "2 minutes", jitter: 0.1 },
      resend: "throttled"
    },
    deadline: "7 minutes"
  }
}

/** The codes that smithy-typescript calls throttling, whatever the status. */
const throttlingCodes = [
  "BandwidthLimitExceeded",
  "EC2ThrottledException",
  "LimitExceededException",
  "PriorRequestNotComplete",
  "ProvisionedThroughputExceededException",
  "RequestLimitExceeded",
  "RequestThrottled",
  "RequestThrottledException",
  "SlowDown",
  "ThrottledException",
  "Throttling",
  "ThrottlingException",
  "TooManyRequestsException",
  "TransactionInProgressException"
]

const errorType = /"__type"\s*:\s*"(?:[^"#]*#)?([A-Za-z0-9]+)|<Code>([A-Za-z0-9]+)<\/Code>/

/**
 * The throttling of AWS, which may come as a 400: its code is in `x-amzn-errortype`, or in the body.
 *
 * @since 0.1.0
 * @category classifiers
 */
export const awsThrottling: Classifier.Classifier<Response> = onBody("aws throttling", [400, 403, 503], (response, body, now) => {
  const header = response.headers["x-amzn-errortype"]?.split(":")[0]?.split("#").at(-1)?.trim()
  const match = errorType.exec(body)
  const code = header ?? match?.[1] ?? match?.[2] ?? ""
  return throttlingCodes.includes(code) ? throttled(response.status, Meaning.hint(response, now)) : Option.none()
})

const amazon = (name: string, base: "50 millis" | "25 millis", maxAttempts: number): Preset => ({
  policy: {
    name,
    attemptHeader: { amzSdkRequest: { maxAttempts } },
    attemptTimeout: "10 seconds",
    retry: {
      maxAttempts,
      backoff: { kind: "exponential", base, cap: "20 seconds" },
      byFailure: { Throttled: { backoff: { kind: "exponential", base: "1 second", cap: "20 seconds" } } },
      retryAfter: { atMost: "20 seconds" }
    },
    budget: { kind: "quota", capacity: 500, costs: { Throttled: 5, otherwise: 14 } },
    idempotencyKey: { header: "amz-sdk-invocation-id", methods: ["POST", "PATCH"] },
    deadline: "1 minute"
  },
  classifier: awsThrottling,
  errorBodies: { statuses: [400, 403, 503] }
})

/**
 * AWS, with the numbers that are the default of its SDKs since November 2026: 50 ms, 1 s after throttling, a quota of 500 tokens.
 *
 * **Details**
 *
 * From smithy-typescript, `util-retry/src/{constants,retries-2026-config}.ts`: three attempts in full jitter up to 20 s; a resend costs 14
 * tokens, and 5 after throttling; a call that succeeds at once gives one back. The SDK lets an `x-amz-retry-after` lengthen a delay by
 * 5 s at most; here it is waited for in full, or not at all beyond 20 s.
 *
 * **Gotchas**
 *
 * As the SDKs do, it sends operations that are POSTs again. The `amz-sdk-invocation-id`, one per call, lets the service see that; not every
 * operation acts on it, so give those that create something their own client token.
 *
 * @since 0.1.0
 * @category presets
 */
export const aws: Preset = amazon("aws", "50 millis", 3)

/**
 * DynamoDB: as AWS, from 25 ms and with four attempts.
 *
 * @since 0.1.0
 * @category presets
 */
export const dynamoDb: Preset = amazon("dynamodb", "25 millis", 4)

/**
 * Google Cloud: five attempts from 1 s, doubling up to a minute, in full jitter; a minute for each.
 *
 * **Details**
 *
 * From "Retry strategy" in the documentation of Cloud Storage (408, 429, errors of the server, connections; idempotent operations alone) and
 * the `retryPolicy` of `google/storage/v2/storage_grpc_service_config.json`: 5 attempts, 1 s, 60 s, factor 2. Its "all 5xx" is here 500, 502,
 * 503 and 504.
 *
 * @since 0.1.0
 * @category presets
 */
export const googleCloud: Preset = {
  policy: {
    name: "google-cloud",
    attemptTimeout: "1 minute",
    retry: { maxAttempts: 5, backoff: { kind: "exponential", base: "1 second", cap: "1 minute" } },
    deadline: "6 minutes"
  }
}
