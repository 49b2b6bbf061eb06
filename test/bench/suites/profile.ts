/** Where the CPU of one contender goes: `--cpu-prof <contender>`. The profiles are left in `.build`, for a viewer. */
import { writeFileSync } from "node:fs"
import { resolve } from "node:path"
import { here } from "../lib/install.js"
import type { Options } from "../lib/options.js"
import { start } from "../lib/processes.js"
import { type Caller, withProvider } from "../lib/rounds.js"
import { number, table } from "../lib/table.js"

const kinds = [
  { kind: "completion", chunks: 0, inFlight: 16, title: "completions, 16 in flight" },
  { kind: "bulk-2000", chunks: 2000, inFlight: 2, title: "streams of 2,000 chunks at once" }
]

const shown = 15

export const profile = (name: string, { quick }: Options): Promise<string> =>
  withProvider(async (provider) => {
    const parts: Array<string> = []
    for (const { title, ...kind } of kinds) {
      const caller: Caller = await start("caller", "measured", [name, provider.base(kind.kind)])
      const wanted = { ...kind, millis: quick ? 2_000 : 6_000, atLeast: 1 }
      if (kind.chunks === 0 || await caller.ask("canStream", null)) {
        const { measured, profile, times } = await caller.ask("profile", wanted)
        const file = resolve(here, ".build", `${name.replace(/\W+/g, "-")}-${kind.kind}.cpuprofile`)
        writeFileSync(file, JSON.stringify(profile))
        parts.push(
          `## ${name}: ${title}, ${number(measured.cpuMicros)} µs of CPU each (profiled)`,
          table(
            ["self time", "part", "of"],
            times.slice(0, shown).map(({ file, name, part }) => [name, `${(100 * part).toFixed(1)} %`, file])
          )
        )
      }
      await caller.end()
    }
    return parts.join("\n\n")
  })
