/**
 * Policies to begin with: five for kinds of calls, and those of real APIs by their documented rules (`ApiPreset`).
 *
 * A preset is data: print it, change a field, keep it in a file. Where an API says in its bodies what it means, a classifier stands
 * beside the data. Each is free of findings (`Lint`).
 *
 * **Example** (A preset with a field changed)
 *
 * ```ts
 * import { Policy, Preset } from "effect-resilience"
 *
 * const search = Policy.make({ ...Preset.interactive.policy, name: "search", deadline: "4 seconds" })
 *
 * search.attemptTimeout // => 1_000
 * ```
 *
 * @since 0.1.0
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Classifier from "../core/Classifier.ts"
import * as DropIn from "../http/DropIn.ts"
import * as ErrorBody from "../http/ErrorBody.ts"
import * as Middleware from "../http/Middleware.ts"
import type { Preset } from "./ApiPreset.ts"
import * as Interpreter from "./Interpreter.ts"
import * as Policy from "./Policy.ts"
import type * as PolicyClient from "./PolicyClient.ts"
import * as ResilientClient from "./ResilientClient.ts"

export type { Preset } from "./ApiPreset.ts"
export { anthropic, aws, dynamoDb, github, googleCloud, openai, slack, stripe } from "./ApiPreset.ts"

/**
 * For calls between services: three attempts in half a minute, and a breaker.
 *
 * @since 0.1.0
 * @category presets
 */
export const standard: Preset = {
  policy: {
    name: "standard",
    attemptTimeout: "9 seconds",
    circuitBreaker: {},
    retry: { maxAttempts: 3 },
    budget: { kind: "ratio" },
    deadline: "30 seconds"
  }
}

/**
 * For calls that somebody waits for: one resend, soon, or none.
 *
 * @since 0.1.0
 * @category presets
 */
export const interactive: Preset = {
  policy: {
    name: "interactive",
    attemptTimeout: "1 second",
    circuitBreaker: { tripPolicy: { kind: "rate", window: "10 seconds" } },
    bulkhead: { permits: 100 },
    retry: {
      maxAttempts: 2,
      backoff: { kind: "exponential", base: "50 millis", cap: "200 millis" },
      retryAfter: { atMost: "500 millis" }
    },
    budget: { kind: "ratio" },
    deadline: "3 seconds"
  }
}

/**
 * For jobs that nobody waits for: few calls at once, and patience.
 *
 * @since 0.1.0
 * @category presets
 */
export const background: Preset = {
  policy: {
    name: "background",
    attemptTimeout: "30 seconds",
    circuitBreaker: { tripPolicy: { kind: "rate", window: "2 minutes" } },
    bulkhead: { permits: 10, queue: 1_000, maxWait: "1 minute" },
    retry: {
      maxAttempts: 5,
      backoff: { kind: "exponential", base: "1 second", cap: "1 minute" },
      retryAfter: { atMost: "5 minutes", jitter: 0.1 }
    },
    budget: { kind: "ratio" },
    deadline: "15 minutes"
  }
}

/**
 * For sending webhooks: six attempts in half an hour, each under the same `webhook-id`, by which receivers know a message again.
 *
 * **Details**
 *
 * The header and the 15 seconds are those of Standard Webhooks. A redirect is not a delivery. What has not been taken after half an hour
 * belongs into a queue of yours that outlives the process.
 *
 * @since 0.1.0
 * @category presets
 */
export const webhookDelivery: Preset = {
  policy: {
    name: "webhook",
    statuses: { Refused: [301, 302, 303, 307, 308] },
    attemptTimeout: "15 seconds",
    bulkhead: { permits: 5, queue: 1_000, maxWait: "30 seconds" },
    retry: {
      maxAttempts: 6,
      backoff: { kind: "exponential", base: "5 seconds", factor: 4, cap: "15 minutes", jitter: "equal" },
      retryAfter: { atMost: "15 minutes" }
    },
    budget: { kind: "ratio", floorPerSecond: 5 },
    idempotencyKey: { header: "webhook-id", methods: ["POST"] },
    deadline: "30 minutes"
  }
}

/**
 * For asking whether a service is up: one attempt, soon, and the truth.
 *
 * @since 0.1.0
 * @category presets
 */
export const healthCheck: Preset = {
  policy: { name: "health", attemptTimeout: "1 second", retry: "none", deadline: "1 second" }
}

/**
 * Makes the client of a preset.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  preset: Preset
): Effect.Effect<HttpClient.HttpClient.With<PolicyClient.Failures>, never, HttpClient.HttpClient> => {
  const policy = Policy.make(preset.policy)
  const meaning = Interpreter.classifier(policy.statuses ?? {})
  const making = ResilientClient.make({
    ...Interpreter.options(policy),
    classifier: preset.classifier === undefined ? meaning : Classifier.override(meaning, preset.classifier)
  })
  const { errorBodies } = preset
  return errorBodies === undefined
    ? making
    : Effect.flatMap(HttpClient.HttpClient, (client) =>
      Effect.provideService(making, HttpClient.HttpClient, Middleware.applyTo(client, ErrorBody.middleware(errorBodies))))
}

/**
 * Replaces the client of an application by that of a preset.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (preset: Preset): Layer.Layer<HttpClient.HttpClient, never, HttpClient.HttpClient> =>
  Layer.effect(HttpClient.HttpClient, Effect.map(make(preset), DropIn.fold))
