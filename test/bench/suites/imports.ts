/** What it costs to load a library. */
import type { Options } from "../lib/options.js"
import { start } from "../lib/processes.js"
import { selected } from "../lib/rounds.js"
import { median, spread } from "../lib/stats.js"
import { number, percent, table } from "../lib/table.js"
import type { ImportingHandlers } from "../programs/importing.js"

/** As seen from the programs. */
const src = (name: string): string => `../../../src/${name}.js`

const modules: Readonly<Record<string, ReadonlyArray<string>>> = {
  "undici": ["undici"],
  "effect: Schema, Stream, Layer": ["effect/Schema", "effect/Stream", "effect/Layer"],
  "this router, lean transport": [src("index"), src("Transport")],
  "… `ChatCompletions` and `Transport` alone": [src("ChatCompletions"), src("Transport")],
  "this router, platform's undici layer": [src("index"), "@effect/platform-node/NodeHttpClient"],
  "`@effect/platform-node`, all of it": ["@effect/platform-node"],
  "openai": ["openai"],
  "@orq-ai/node": ["@orq-ai/node"],
  "ai, @ai-sdk/openai, ai-retry": ["ai", "@ai-sdk/openai", "ai-retry/language-model"],
  "@langchain/openai": ["@langchain/openai"]
}

type Loaded = Awaited<ReturnType<ImportingHandlers["load"]>>

const once = async (specifiers: ReadonlyArray<string>): Promise<Loaded> => {
  const program = await start<ImportingHandlers>("importing", "measured")
  try {
    return await program.ask("load", specifiers)
  } finally {
    await program.end()
  }
}

export const imports = async (options: Options): Promise<string> => {
  const names = Object.keys(modules).filter((name) => selected(options, "imports", [name]).length > 0)
  if (names.length === 0) return ""
  const loaded = new Map(names.map((name): [string, Array<Loaded>] => [name, []]))
  for (let round = 0; round < (options.quick ? 2 : 7); round++) {
    process.stderr.write(".")
    for (const name of names) loaded.get(name)!.push(await once(modules[name]!))
  }
  process.stderr.write("\n")
  return [
    "## Loading",
    "In a fresh process each time, with the files in the cache of the system.",
    table(
      ["", "ms", "CPU, ms", "spread", "RSS, MB"],
      names.map((name) => {
        const all = loaded.get(name)!
        const cpu = all.map(({ cpuMillis }) => cpuMillis)
        return [
          name,
          number(median(all.map(({ millis }) => millis))),
          number(median(cpu)),
          percent(spread(cpu)),
          number(median(all.map(({ megabytes }) => megabytes)))
        ]
      })
    )
  ].join("\n\n")
}
