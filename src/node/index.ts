/**
 * What only Node has: pools of connections, what they do, and what keeps them waiting.
 * `import { Connections, ConnectionTrace, LeakCheck } from "effect-resilience/node"`.
 *
 * @since 0.1.0
 */
export * as Connections from "./Connections.ts"
export * as ConnectionTrace from "./ConnectionTrace.ts"
export * as Dial from "./Dial.ts"
export * as LeakCheck from "./LeakCheck.ts"
