/**
 * Resilience for calls between services, as pure combinators over Effect's HttpClient.
 *
 * @since 0.1.0
 */

// core: data and decisions
export * as Attempt from "./core/Attempt.ts"
export * as Backoff from "./core/Backoff.ts"
export * as Breaker from "./core/Breaker.ts"
export * as Budget from "./core/Budget.ts"
export * as Classifier from "./core/Classifier.ts"
export * as Decision from "./core/Decision.ts"
export * as ErrorCode from "./core/ErrorCode.ts"
export * as Event from "./core/Event.ts"
export * as Failure from "./core/Failure.ts"
export * as Gcra from "./core/Gcra.ts"
export * as Growth from "./core/Growth.ts"
export * as HeaderField from "./core/HeaderField.ts"
export * as HttpDate from "./core/HttpDate.ts"
export * as Idempotency from "./core/Idempotency.ts"
export * as InvalidOption from "./core/InvalidOption.ts"
export * as Limiter from "./core/Limiter.ts"
export * as Millis from "./core/Millis.ts"
export * as Outcome from "./core/Outcome.ts"
export * as RateLimitHeaders from "./core/RateLimitHeaders.ts"
export * as Replay from "./core/Replay.ts"
export * as ResendHeader from "./core/ResendHeader.ts"
export * as Quantile from "./core/Quantile.ts"
export * as RetryAfter from "./core/RetryAfter.ts"
export * as Semconv from "./core/Semconv.ts"
export * as ServerQuota from "./core/ServerQuota.ts"
export * as SlidingWindow from "./core/SlidingWindow.ts"
export * as StructuredField from "./core/StructuredField.ts"
export * as TimeoutHeader from "./core/TimeoutHeader.ts"
export * as TripPolicy from "./core/TripPolicy.ts"
export * as Window from "./core/Window.ts"

// strategy: over any Effect. Where http has a module of the same name, that one is exported here, and this one by its subpath.
export * as Account from "./strategy/Account.ts"
export * as AttemptDeadline from "./strategy/AttemptDeadline.ts"
export * as BreakerStore from "./strategy/BreakerStore.ts"
export * as Child from "./strategy/Child.ts"
export * as CircuitBreaker from "./strategy/CircuitBreaker.ts"
export * as CurrentAttempt from "./strategy/CurrentAttempt.ts"
export * as Guarded from "./strategy/Guarded.ts"
export * as GivenUp from "./strategy/GivenUp.ts"
export * as Keyed from "./strategy/Keyed.ts"
export * as Loop from "./strategy/Loop.ts"
export * as Observer from "./strategy/Observer.ts"
export * as RetriesExhausted from "./strategy/RetriesExhausted.ts"
export * as RetryBudget from "./strategy/RetryBudget.ts"
export * as RetrySchedule from "./strategy/RetrySchedule.ts"
export * as Surroundings from "./strategy/Surroundings.ts"

// http: over HttpClient
export * as AttemptHeader from "./http/AttemptHeader.ts"
export * as Body from "./http/Body.ts"
export * as Buffered from "./http/Buffered.ts"
export * as Deadline from "./http/Deadline.ts"
export * as DeadlineHeader from "./http/DeadlineHeader.ts"
export * as DropIn from "./http/DropIn.ts"
export * as Guard from "./http/Guard.ts"
export * as IdempotencyKey from "./http/IdempotencyKey.ts"
export * as Middleware from "./http/Middleware.ts"
export * as Release from "./http/Release.ts"
export * as Resend from "./http/Resend.ts"
export * as Retry from "./http/Retry.ts"
export * as Timeout from "./http/Timeout.ts"
export * as Work from "./http/Work.ts"
export * as Wrapped from "./http/Wrapped.ts"

// telemetry: listens to events, opens the spans
export * as Redaction from "./telemetry/Redaction.ts"
export * as Trace from "./telemetry/Trace.ts"

// policy: all of it at once
export * as Resilience from "./policy/Resilience.ts"
export * as ResilientClient from "./policy/ResilientClient.ts"
