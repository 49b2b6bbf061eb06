/** On what it ran, for whoever reads the table. */
import { readFileSync } from "node:fs"
import { availableParallelism, cpus, loadavg, release, totalmem } from "node:os"
import { resolve } from "node:path"
import { here } from "./install.js"
import { isPinned } from "./processes.js"

const versionOf = (name: string): string => {
  for (const folder of [here, resolve(here, "../..")]) {
    try {
      const { version } = JSON.parse(readFileSync(resolve(folder, "node_modules", name, "package.json"), "utf8"))
      return `${name} ${version}`
    } catch {
      continue
    }
  }
  return `${name} (none)`
}

const packages = [
  "effect",
  "@effect/platform",
  "@effect/platform-node",
  "@effect/experimental",
  "undici",
  "openai",
  "@orq-ai/node",
  "ai",
  "@ai-sdk/openai",
  "ai-retry",
  "@langchain/core",
  "@langchain/openai",
  "cockatiel",
  "@portkey-ai/gateway"
]

export const load = (): string => loadavg().map((one) => one.toFixed(1)).join(", ")

export const describe = (loadBefore: string): ReadonlyArray<string> => [
  `- ${new Date().toISOString().slice(0, 10)}, Node ${process.versions.node}, Linux ${release()}`.replace(
    "Linux",
    process.platform
  ),
  `- ${availableParallelism()} cores (${cpus()[0]?.model.trim() ?? "unknown"}), ${
    Math.round(totalmem() / 2 ** 30)
  } GiB; ${isPinned ? "the provider on one core, what is measured on another" : "processes not held on a core"}`,
  `- load of the machine (1, 5, 15 minutes) before: ${loadBefore}; after: ${load()}`,
  `- ${packages.map(versionOf).join(", ")}`
]
