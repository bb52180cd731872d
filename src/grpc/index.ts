/**
 * RPCs over gRPC, Connect and `@effect/rpc`: `import { Grpc } from "effect-resilience/grpc"`.
 *
 * @since 0.1.0
 */
export * as Grpc from "./Grpc.ts"
export * as PushbackSchedule from "./PushbackSchedule.ts"
export * as RetryPushback from "./RetryPushback.ts"
export * as RpcClassifier from "./RpcClassifier.ts"
export * as RpcError from "./RpcError.ts"
export * as RpcMetadata from "./RpcMetadata.ts"
export * as ServiceConfig from "./ServiceConfig.ts"
