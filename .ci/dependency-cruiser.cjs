/**
 * The floors of the house, as rules: an import only goes down.
 *
 *   core < strategy < http < telemetry < policy, and beside them the edges, which no floor imports.
 */
const floors = ["core", "strategy", "http", "telemetry", "policy"]
const edges = ["node", "server", "grpc", "redis", "workflow", "testing", "cli"]

/** What of Effect is pure data and means the same in its next major version. */
const pure = [
  "Option", "Duration", "Exit", "Cause", "Function", "Pipeable", "Predicate", "Data", "Equal", "Hash", "Inspectable"
]

const folder = (...names) => `^src/(${names.join("|")})/`
/** A module of an installed package, however the resolver spells it. */
const installed = (name, module = "") => `(^|node_modules/)${name}/?${module}`

const onlyDown = floors.slice(0, -1).map((name, i) => ({
  name: `${name}-imports-nothing-above`,
  comment: `${name} stands below ${floors.slice(i + 1).join(", ")}: an import only goes down.`,
  severity: "error",
  from: { path: folder(name) },
  to: { path: folder(...floors.slice(i + 1)) }
}))

module.exports = {
  forbidden: [
    ...onlyDown,
    {
      name: "floors-import-no-edge",
      comment: "Edges (node, testing, ...) are subpaths of their own. A floor that needs one is in the wrong place.",
      severity: "error",
      from: { path: folder(...floors) },
      to: { path: folder(...edges) }
    },
    {
      name: "edges-stand-alone",
      comment: "An edge is imported by its user only, not by another edge.",
      severity: "error",
      from: { path: `^src/(${edges.join("|")})/` },
      to: { path: folder(...edges), pathNot: "^src/$1/" }
    },
    {
      name: "no-circle",
      comment: "Two modules that import each other are one.",
      severity: "error",
      from: { path: "^src/" },
      to: { circular: true }
    },
    {
      name: "no-unknown-folder",
      comment: "Every file stands on a floor or an edge.",
      severity: "error",
      from: {},
      to: { path: "^src/", pathNot: [folder(...floors, ...edges), "^src/index\\.ts$"] }
    },
    {
      name: "nobody-imports-the-index",
      comment: "src/index.ts is the door for users; inside, a module imports the module it means.",
      severity: "error",
      from: { path: "^src/", pathNot: "^src/index\\.ts$" },
      to: { path: "^src/index\\.ts$" }
    },
    {
      name: "index-imports-src-only",
      comment: "src/index.ts re-exports and does nothing else.",
      severity: "error",
      from: { path: "^src/index\\.ts$" },
      to: { pathNot: "^src/" }
    },
    {
      name: "no-barrel",
      comment: "Import the module (effect/Duration), not the package.",
      severity: "error",
      from: { path: "^src/" },
      to: { path: installed("(effect|@effect/[a-z-]+)", "dist/(dts|esm|cjs)/index\\.(d\\.ts|js)$") }
    },
    {
      name: "core-is-pure",
      comment: `core imports core and, of effect, only ${pure.join(", ")}.`,
      severity: "error",
      from: { path: folder("core") },
      to: {
        pathNot: [folder("core"), installed("effect", `dist/(dts|esm|cjs)/(${pure.join("|")})\\.(d\\.ts|js)$`)]
      }
    },
    {
      name: "strategy-knows-no-http",
      comment: "A strategy works on any Effect; what knows HTTP is in src/http.",
      severity: "error",
      from: { path: folder("strategy") },
      to: { path: installed("@effect/platform[a-z-]*") }
    },
    {
      name: "only-node-knows-node",
      comment: "Node's modules, its platform layers and OpenTelemetry are for src/node; the rest runs on any web platform.",
      severity: "error",
      from: { path: "^src/", pathNot: folder("node") },
      to: { path: [installed("@effect/(opentelemetry|platform-node[a-z-]*)"), installed("@opentelemetry/"), installed("undici")] }
    },
    {
      name: "no-node-module",
      comment: "node:* is for src/node (and the command line).",
      severity: "error",
      from: { path: "^src/", pathNot: folder("node", "cli") },
      to: { dependencyTypes: ["core"] }
    },
    {
      name: "only-peers",
      comment: "The package has peers and no dependencies of its own: nothing else may be imported.",
      severity: "error",
      from: { path: "^src/" },
      to: { pathNot: "^src/", dependencyTypesNot: ["npm-peer", "core"] }
    },
    {
      name: "resolves",
      comment: "An import that resolves to nothing cannot be judged.",
      severity: "error",
      from: { path: "^src/" },
      to: { couldNotResolve: true }
    }
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    combinedDependencies: false,
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["import", "types", "default"]
    }
  }
}
