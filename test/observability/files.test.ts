/**
 * The files of docs/observability are those that are generated, and Prometheus' own tool accepts and tests them.
 */
import { execFileSync } from "node:child_process"
import { readFileSync } from "node:fs"
import * as path from "node:path"
import { assert, describe, it } from "vitest"
import { dashboard, rows } from "../../docs/observability/dashboard.ts"
import { files } from "../../docs/observability/generate.ts"
import * as P from "../../docs/observability/promql.ts"
import { defaults, quick, rules, type Settings } from "../../docs/observability/rules.ts"
import * as Instrument from "../../src/core/Instrument.ts"
import { requireBinary } from "../support/debian.ts"

const folder = path.resolve(import.meta.dirname, "../../docs/observability")

describe("docs/observability", () => {
  for (const [name, text] of Object.entries(files())) {
    it(`has ${name} as it is generated`, () => {
      assert.strictEqual(readFileSync(path.join(folder, name), "utf8"), text, "run: npx tsx docs/observability/generate.ts")
    })
  }

  it("shows every metric in some panel", () => {
    const queries = rows.flatMap(({ panels }) => panels).flatMap(({ queries }) => queries).map(({ expr }) => expr).join("\n")
    const nameOf = (instrument: Instrument.Instrument) =>
      instrument.kind === "histogram" ? P.namesOf(instrument, "bucket")[0].replace(/_bucket$/, "") : P.series(instrument)
    assert.deepStrictEqual(Instrument.all.map(nameOf).filter((name) => !queries.includes(name)), [])
  })

  it("gives panels ids of their own, and places that do not overlap", () => {
    const panels = dashboard().panels as ReadonlyArray<{ readonly id: number; readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number } }>
    assert.strictEqual(new Set(panels.map(({ id }) => id)).size, panels.length)
    const cells = panels.flatMap(({ gridPos: { h, w, x, y } }) =>
      Array.from({ length: h * w }, (_, i) => `${x + i % w} ${y + Math.floor(i / w)}`))
    assert.strictEqual(new Set(cells).size, cells.length)
  })

  it("alerts the demo of the same, only sooner", () => {
    const names = (settings?: Settings) => rules(settings).alerts.map(({ alert }) => alert)
    assert.deepStrictEqual(names(quick), names())
    assert.deepStrictEqual({ ...quick, window: defaults.window, soon: defaults.soon, later: defaults.later }, defaults)
  })

  it("has an alert for each thing that an operator is woken for", () => {
    assert.deepStrictEqual(rules().alerts.map(({ alert }) => alert), [
      "ResilienceRetryRatioHigh",
      "ResilienceBudgetEmpty",
      "ResilienceBreakerOpen",
      "ResilienceGiveUps",
      "ResilienceAttemptSlow",
      "ResiliencePoolWait",
      "ResilienceResponsesUnread"
    ])
  })
})

describe.skipIf(!requireBinary("promtool", "prometheus"))("promtool", () => {
  const promtool = (...args: ReadonlyArray<string>) => execFileSync("promtool", args, { cwd: folder, encoding: "utf8", stdio: "pipe" })

  it("accepts the rules, and the configuration of the demo with its own", () => {
    assert.include(promtool("check", "rules", "rules.yaml"), "SUCCESS")
    assert.include(promtool("check", "config", "prometheus.yml"), "rules.demo.yaml\n  SUCCESS")
  })

  it("sees each alert fire on what it is for, and on nothing that is well", () => {
    assert.include(promtool("test", "rules", "rules.test.yaml"), "SUCCESS")
  })
})
