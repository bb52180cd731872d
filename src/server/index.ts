/**
 * The other side: what a server does so that its callers can retry safely.
 *
 * @since 0.1.0
 */
export * as Deadline from "./Deadline.ts"
export * as Idempotency from "./Idempotency.ts"
export * as Overload from "./Overload.ts"
export * as Problem from "./Problem.ts"
export * as Propagation from "./Propagation.ts"
