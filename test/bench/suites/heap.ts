/** What a call holds while it waits. */
import { peers } from "../contenders/index.js"
import type { Options } from "../lib/options.js"
import { start } from "../lib/processes.js"
import { type Caller, type Provider, selected, withProvider } from "../lib/rounds.js"
import { median, spread } from "../lib/stats.js"
import { number, percent, table } from "../lib/table.js"

/** Milliseconds until all calls are at the provider. */
const patience = 60_000

const arrived = async (provider: Provider, calls: number): Promise<void> => {
  const until = performance.now() + patience
  while ((await provider.ask("counts", null)).held < calls) {
    if (performance.now() > until) throw new Error("not all calls have come")
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** Bytes for each call. Some calls come first, so that code and caches are not counted. */
const once = async (caller: Caller, provider: Provider, calls: number): Promise<number> => {
  const round = async (calls: number) => {
    await caller.ask("hold", calls)
    await arrived(provider, calls)
    const heap = await caller.ask("heap", null)
    await provider.ask("release", null)
    await caller.ask("released", null)
    return heap
  }
  await round(50)
  const before = await caller.ask("heap", null)
  return (await round(calls) - before) / calls
}

/** A fresh process and a fresh provider each time: neither connections nor ports of another run are there. */
const sample = (name: string, calls: number): Promise<number> =>
  withProvider(async (provider) => {
    const caller: Caller = await start("caller", "measured", [name, provider.base("hold")], ["--expose-gc"])
    try {
      return await once(caller, provider, calls)
    } finally {
      await caller.end()
    }
  })

export const heap = async (options: Options): Promise<string> => {
  const names = selected(options, "heap", Object.keys(peers))
  if (names.length === 0) return ""
  const levels = options.quick ? [1_000] : [1_000, 10_000]
  const rounds = options.quick ? 1 : 2
  const samples = new Map(names.map((name) => [name, levels.map((): Array<number> => [])]))
  for (const [column, level] of levels.entries()) {
    for (let round = 0; round < rounds; round++) {
      process.stderr.write(".")
      for (const name of names) {
        try {
          samples.get(name)![column]!.push(await sample(name, level) / 1024)
        } catch (error) {
          process.stderr.write(`${name}: ${error instanceof Error ? error.message : error}\n`)
        }
      }
    }
  }
  process.stderr.write("\n")
  return [
    "## Memory",
    "What the heap has more while the calls wait for their answers, after a collection: request, connection and all.",
    table(
      ["heap per call, KB", ...levels.flatMap((level) => [`at ${level.toLocaleString("en")}`, "spread"])],
      names.map((
        name
      ) => [name, ...samples.get(name)!.flatMap((column) => [number(median(column)), percent(spread(column))])])
    )
  ].join("\n\n")
}
