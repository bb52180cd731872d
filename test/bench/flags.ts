/**
 * How the processes are started whose time is measured.
 *
 * On one thread, in a new space of 64 MB: V8's helpers, which compile and collect garbage, wait for one another on the processor, and where
 * others want it too their waiting is counted.
 */
export const alone = ["--single-threaded", "--min-semi-space-size=64", "--max-semi-space-size=64"]
