/**
 * The most that a policy can ask for.
 *
 * A policy comes from a file, the environment or another machine, and whoever wrote it may have meant seconds where milliseconds
 * stood. What it asks for beyond these is an error, and never cut to size in silence. Code may go beyond them: it is reviewed.
 *
 * @since 0.1.0
 */
import type { Millis } from "../core/Millis.ts"

const second = 1_000
const minute = 60 * second
const hour = 60 * minute

/** Attempts of a call, the first included. @since 0.1.0 @category constants */
export const attempts = 10

/** Attempts of a hedged call, the first included, as in gRPC. @since 0.1.0 @category constants */
export const hedgedAttempts = 5

/** Any wait, limit or deadline, in ms: 1 hour. @since 0.1.0 @category constants */
export const wait: Millis = hour

/** Any window of the past, and how long a key or a response is remembered, in ms: 1 day. @since 0.1.0 @category constants */
export const window: Millis = 24 * hour

/** Calls of a window that counts calls. @since 0.1.0 @category constants */
export const calls = 10_000

/** Calls that wait in a line. @since 0.1.0 @category constants */
export const queue = 100_000

/** Calls on their way at once. @since 0.1.0 @category constants */
export const permits = 100_000

/** Calls in the window of a rate limit, and tokens of a budget. @since 0.1.0 @category constants */
export const rate = 1_000_000

/** Keys that something is remembered for. @since 0.1.0 @category constants */
export const keys = 100_000

/** Bytes of a body that is held in memory: 16 MiB. @since 0.1.0 @category constants */
export const bytes = 16 * 1024 * 1024

/** Entries of a list. @since 0.1.0 @category constants */
export const entries = 100

/** Characters of a name, a method or a header's name. @since 0.1.0 @category constants */
export const name = 100

/** Characters of any other text: a header's value, a URL, a body. @since 0.1.0 @category constants */
export const text = 65_536
