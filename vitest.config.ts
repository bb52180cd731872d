import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"

const src = fileURLToPath(new URL("./src", import.meta.url))

export default defineConfig({
  resolve: {
    // As "paths" of tsconfig.json: the package's own name means its sources.
    alias: [
      { find: /^effect-resilience$/, replacement: `${src}/index.ts` },
      { find: /^effect-resilience\/(testing|node|server|grpc|redis|cli)$/, replacement: `${src}/$1/index.ts` },
      { find: /^effect-resilience\/(.*)$/, replacement: `${src}/$1.ts` }
    ]
  },
  test: {
    include: ["test/**/*.test.ts"],
    environment: "node",
    pool: "forks",
    // To load what a file tests takes longer than to test it, mostly: so three processes stay, and take one file after the other. What a file
    // leaves behind others will find: each gives its clients names of its own, and closes what it opens.
    // As many at least as at most: vitest 3.2 otherwise ends a process that has nothing to do twice, and with it the whole run.
    poolOptions: { forks: { isolate: false, minForks: 3, maxForks: 3 } },
    testTimeout: 15_000,
    hookTimeout: 30_000,
    teardownTimeout: 5_000,
    typecheck: {
      enabled: true,
      checker: "tsc",
      tsconfig: "./tsconfig.json",
      include: ["test/types/**/*.test-d.ts"],
      // `npm run check` judges every other file; here only the type tests count.
      ignoreSourceErrors: true
    }
  }
})
