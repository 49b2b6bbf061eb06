import { randomInt } from "node:crypto"
import { existsSync, readFileSync } from "node:fs"
import { resolve } from "node:path"
import { fileURLToPath } from "node:url"
import { defineConfig, type Plugin } from "vitest/config"

const root = fileURLToPath(new URL(".", import.meta.url))

/** Tests import the package by its name, and get its sources: the `paths` of tsconfig.json are the only list of them. */
const tsconfigPaths = (): Plugin => {
  const { compilerOptions } = JSON.parse(readFileSync(resolve(root, "tsconfig.json"), "utf8")) as {
    readonly compilerOptions: { readonly paths: Readonly<Record<string, ReadonlyArray<string>>> }
  }
  const candidates = (id: string): ReadonlyArray<string> =>
    Object.entries(compilerOptions.paths).flatMap(([pattern, targets]) => {
      const prefix = pattern.replace(/\*$/, "")
      if (pattern === prefix) {
        return id === pattern ? targets : []
      }
      return id.startsWith(prefix) ? targets.map((target) => target.replace("*", id.slice(prefix.length))) : []
    })
  return {
    name: "tsconfig-paths",
    enforce: "pre",
    resolveId: (id) => candidates(id).map((target) => resolve(root, target)).find(existsSync)
  }
}

/**
 * Every property of a run starts from this seed, so that a run of the same code has the same outcome. With `FAST_CHECK_SEED=random` the
 * properties look elsewhere; the seed is printed, and a failing run can be repeated by it.
 */
const defaultSeed = "20261123"
const wanted = process.env.FAST_CHECK_SEED ?? defaultSeed
const seed = wanted === "random" ? String(randomInt(2 ** 31)) : wanted
process.stderr.write(`FAST_CHECK_SEED=${seed}\n`)

/** Where to write the results as JSON too, for a program that counts them. */
const jsonReport = process.env.VITEST_JSON_REPORT

export default defineConfig({
  plugins: [tsconfigPaths()],
  test: {
    setupFiles: ["./vitest.setup.ts"],
    env: { FAST_CHECK_SEED: seed },
    pool: "forks",
    minWorkers: 1,
    maxWorkers: 2,
    retry: 0,
    maxConcurrency: 2,
    testTimeout: 60_000, // milliseconds: on a busy machine the laws, at 1,000 runs each, take their time
    projects: [
      { extends: true, test: { name: "in process", include: ["test/**/*.test.ts"] } },
      // the tests of the service once more, over `ChatCompletions.layerRemote` and a gateway (see test/support/router.ts)
      {
        extends: true,
        test: { name: "hosted", include: ["test/ChatCompletions*.test.ts"], env: { ROUTER_DOOR: "hosted" } }
      }
    ],
    reporters: jsonReport === undefined ? ["default"] : ["default", ["json", { outputFile: jsonReport }]]
  }
})
