/**
 * One part of the bench in a process of its own: `child.js <part> <settings as JSON>`. What it found is sent to the parent.
 */
import type * as Asleep from "./asleep.ts"
import type * as Calls from "./calls.ts"
import type * as Clients from "./clients.ts"
import type * as Crowd from "./crowd.ts"
import type * as Loopback from "./loopback.ts"
import type * as Profile from "./profile.ts"
import type * as Turns from "./turns.ts"

/** Each part by what it is given and what it answers. */
export interface Parts {
  readonly calls: typeof Calls.main
  readonly asleep: typeof Asleep.main
  readonly crowd: typeof Crowd.main
  readonly loopback: typeof Loopback.main
  readonly turns: typeof Turns.main
  readonly client: typeof Clients.main
  readonly serve: typeof Loopback.serve
  readonly profile: typeof Profile.main
}

const parts: { readonly [K in keyof Parts]: () => Promise<Parts[K]> } = {
  calls: async () => (await import("./calls.ts")).main,
  asleep: async () => (await import("./asleep.ts")).main,
  crowd: async () => (await import("./crowd.ts")).main,
  loopback: async () => (await import("./loopback.ts")).main,
  turns: async () => (await import("./turns.ts")).main,
  client: async () => (await import("./clients.ts")).main,
  serve: async () => (await import("./loopback.ts")).serve,
  profile: async () => (await import("./profile.ts")).main
}

const [part, settings] = process.argv.slice(2) as [keyof Parts, string]
// The parent gives each part the settings of its type: see `inChild`.
const main = await parts[part]() as (settings: unknown) => Promise<unknown>
process.on("disconnect", () => process.exit())
const answer = await main(JSON.parse(settings))
// What serves, or waits for its turn, stays until the parent leaves.
process.send!(answer ?? null, () => {
  if (part !== "serve" && part !== "client") process.disconnect()
})
