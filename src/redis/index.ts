/**
 * Stores in Redis, for what servers share: `import { IdempotencyStore } from "effect-resilience/redis"`.
 *
 * @since 0.1.0
 */
export * as IdempotencyStore from "./IdempotencyStore.ts"
