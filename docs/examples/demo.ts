/**
 * One call to a server that has a bad night, drawn while it happens; the same with what the platform has; and the code.
 *
 * `npm run demo`. It needs no network, and checks what it says: it exits with 1 where something of it does not hold.
 */
import { HttpClient } from "@effect/platform"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Resilience, Waterfall } from "effect-resilience"
import { Effect } from "effect"
import { readFileSync } from "node:fs"
import { facts } from "./demo/facts.ts"
import { measure, rehearse } from "./demo/measure.ts"
import * as Platform from "./demo/platform.ts"
import { table } from "./demo/table.ts"
import { bold, dim, green, print, red } from "./demo/terminal.ts"

// <code>
const resilient = Effect.map(HttpClient.HttpClient, (client) =>
  client.pipe( // read downwards, from the wire to the caller
    Resilience.withAttemptTimeout("300 millis"),
    Resilience.withAttemptSpan,
    Resilience.withRetry({ maxAttempts: 6 }),
    Resilience.withDeadline("6 seconds"),
    Resilience.withCallSpan("GET /orders/42")
  ))

const fetchOrder = (url: string) =>
  Effect.flatMap(resilient, (client) => client.get(url)).pipe(
    Effect.flatMap((response) => response.json)
  )
// </code>

/** The text between the two marks above. */
const code = readFileSync(new URL(import.meta.url), "utf8").split(/^\/\/ <\/?code>\n/m)[1] ?? ""

const stillOpen = () => process.getActiveResourcesInfo()

const heading = (number: number, text: string, aside: string) => print("", ` ${bold(`${number}  ${text}`)}  ${dim(aside)}`, "")

const demo = Effect.gen(function*() {
  yield* rehearse(fetchOrder)

  yield* heading(1, "effect-resilience", "one GET; the server answers 503, hangs, 429, resets, 200")
  const ours = yield* measure({ fetch: fetchOrder, rows: ({ spans }) => Waterfall.rows(spans), horizon: 2_500 })

  yield* heading(2, "retryTransient", "times: 5, exponential jittered, Effect.timeout per attempt")
  const theirs = yield* measure({
    fetch: Platform.fetchOrder,
    rows: ({ received, spans }) => Platform.rows(spans, received),
    horizon: 6_000
  })
  yield* print("", ...table(ours, theirs))

  yield* heading(3, "the code", "docs/examples/demo.ts")
  yield* print(...code.trim().split("\n").map((line) => `   ${line}`.trimEnd()), "")

  yield* Effect.sleep("20 millis") // for the sockets that were closed last
  const all = [...facts(ours), { says: "no socket and no server left", holds: !stillOpen().some((name) => name.startsWith("TCP")) }]
  const broken = all.filter((fact) => !fact.holds)
  if (broken.length === 0) return yield* print(` ${green("✓")} ${dim(`checked: ${all.length} facts about this library hold`)}`)
  yield* print(...broken.map((fact) => ` ${red("✗")} does not hold: ${fact.says}`))
  process.exitCode = 1
})

NodeRuntime.runMain(demo)
