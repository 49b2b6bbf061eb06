/**
 * The router beside its peers: `npm run bench -- [--quick] [--only <regex>] [--cpu-prof <contender>]`.
 *
 * A provider that is none, in a process of its own; each contender in a process of its own; all of it on this machine. A whole run writes
 * its tables to RESULTS.md, too.
 */
import { writeFileSync } from "node:fs"
import { resolve } from "node:path"
import { here, prepare } from "./lib/install.js"
import { describe, load } from "./lib/machine.js"
import { parse } from "./lib/options.js"
import { calls } from "./suites/calls.js"
import { gateway } from "./suites/gateway.js"
import { heap } from "./suites/heap.js"
import { imports } from "./suites/imports.js"
import { cache, policies } from "./suites/policies.js"
import { profile } from "./suites/profile.js"
import { streams } from "./suites/streams.js"
import { targets } from "./suites/targets.js"

const suites = { calls, streams, heap, cache, imports, targets, gateway, policies }

const method = [
  "Contenders are measured in turn, in several rounds, each after a warm-up that does not count; every figure is the median of the rounds.",
  "`spread` is half of the range in which the middle half of the rounds lies. CPU is that of the whole process, its kernel time and its",
  "collector included (`process.cpuUsage`). Every answer is read, parsed and checked; a contender that gives a wrong one is left out. The",
  "router makes each call with a retry, a chain of two, a weighted pick, a timeout and a cache miss, but for `router-lean-bare`; the SDKs",
  "have the retries, timeout and fallback that they offer. `platform-*` is the client of `@effect/platform` alone, over this library's",
  "lean transport, undici and fetch."
].join("\n")

const options = parse(process.argv.slice(2))
prepare()

if (options.cpuProf !== undefined) {
  console.log(await profile(options.cpuProf, options))
} else {
  const loadBefore = load()
  const parts: Array<string> = []
  for (const [name, suite] of Object.entries(suites)) {
    const from = performance.now()
    const part = await suite(options)
    if (part === "") continue
    process.stderr.write(`${name}: ${Math.round((performance.now() - from) / 1000)} s\n`)
    console.log(`${part}\n`)
    parts.push(part)
  }
  const machine = describe(loadBefore).join("\n")
  console.log(machine)
  if (!options.quick && options.only === undefined) {
    writeFileSync(resolve(here, "RESULTS.md"), `${["# Results", machine, method, ...parts].join("\n\n")}\n`)
  }
}
