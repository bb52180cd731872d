/**
 * A shop that calls other services through this library and shows its metrics to Prometheus. What goes wrong is yours to choose.
 *
 * `npm run demo:metrics`, with `-- --trouble slow,leak` for what goes wrong from the start, `--seconds 60` to end by itself, and
 * `--port 0` for a free port. It uses no network but this machine's own. docs/observability/README.md says how to look at it.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { IdempotencyStore } from "effect-resilience"
import { Effect, Layer } from "effect"
import * as Flags from "./metrics/flags.ts"
import * as Loopback from "./metrics/loopback.ts"
import * as Peer from "./metrics/peer.ts"
import * as Shop from "./metrics/shop.ts"
import * as Status from "./metrics/status.ts"
import * as Telemetry from "./metrics/telemetry.ts"
import * as Trouble from "./metrics/trouble.ts"

const demo = Effect.gen(function*() {
  const { port, seconds, trouble } = yield* Flags.parse(process.argv.slice(2))
  const switches = Trouble.switches(trouble)
  const peer = yield* Loopback.listen(0)
  const page = yield* Loopback.listen(port)
  const run = Effect.gen(function*() {
    yield* peer.serve(Peer.app(switches))
    yield* page.serve(Telemetry.page(switches))
    const shop = yield* Shop.open(peer.url, switches)
    yield* Status.introduce(page.url)
    yield* Effect.raceFirst(shop, Status.tell(switches, seconds))
  }).pipe(Effect.ensuring(Status.print("", " ended")))
  yield* Effect.provide(run, Layer.merge(Telemetry.layer, IdempotencyStore.layerStoreMemory()))
}).pipe(Effect.scoped)

/** Says what is wrong in one line, and nothing of where that was found. */
const complain = (message: string) =>
  Effect.sync(() => {
    process.stderr.write(` ${message}\n`)
    process.exitCode = 1
  })

demo.pipe(
  Effect.catchTags({
    Usage: ({ message }) => complain(message),
    ServeError: ({ cause }) => complain(`${String(cause)}: --port 0 takes a free one`)
  }),
  NodeRuntime.runMain
)
