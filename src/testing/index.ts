/**
 * A scripted peer and a recorder, for tests: `import { HttpScript, Recorder } from "effect-resilience/testing"`.
 *
 * @since 0.1.0
 */
export * as HttpScript from "./HttpScript.ts"
export * as Recorder from "./Recorder.ts"
export * as Simulation from "./Simulation.ts"
