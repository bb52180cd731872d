/**
 * The other side: what a server does so that its callers can retry safely.
 *
 * @since 0.1.0
 */
export * as Problem from "./Problem.ts"
