/** What a call costs in a gateway: its own process is measured, and raw undici calls it. */
import { baseline } from "../contenders/index.js"
import type { Options } from "../lib/options.js"
import { type Running, start } from "../lib/processes.js"
import { type Caller, type Provider, selected, withProvider } from "../lib/rounds.js"
import { median, spread } from "../lib/stats.js"
import { number, percent, table } from "../lib/table.js"
import type { GatewayHandlers } from "../programs/gateway.js"
import type { Measured, Wanted } from "../programs/load.js"

const kinds = [
  { kind: "completion", chunks: 0, title: "completion" },
  { kind: "bulk-2000", chunks: 2000, title: "2,000 chunks at once" }
]

interface Candidate {
  readonly program: string
  /** What the client adds to its requests, so that there is a retry, a timeout and a second target. */
  readonly extras: (base: string) => unknown
}

/** Milliseconds. */
const timeout = 120_000

const portkeyConfig = (base: string): string => {
  const target = { provider: "openai", api_key: "sk-bench", custom_host: `${base}/v1` }
  return JSON.stringify({
    strategy: { mode: "fallback" },
    retry: { attempts: 2 },
    request_timeout: timeout,
    targets: [target, target]
  })
}

const candidates: Readonly<Record<string, Candidate>> = {
  "this gateway, lean transport": {
    program: "gateway",
    extras: () => ({
      body: {
        model: "first/bench-model",
        retry: { count: 2 },
        fallbacks: [{ model: "second/bench-model" }],
        timeout: { call_timeout: timeout }
      }
    })
  },
  "@portkey-ai/gateway": {
    program: "portkey",
    extras: (base) => ({ headers: { "x-portkey-config": portkeyConfig(base) } })
  }
}

interface Pair {
  readonly gateway: Running<GatewayHandlers>
  readonly caller: Caller
}

const open = async ({ extras, program }: Candidate, base: string): Promise<Pair> => {
  const gateway = await start<GatewayHandlers>(program, "measured", [base])
  const url = `http://127.0.0.1:${await gateway.ask("port", null)}`
  const caller: Caller = await start("caller", "other", [baseline, url, JSON.stringify(extras(base))])
  return { gateway, caller }
}

interface Figure extends Measured {
  /** Microseconds of CPU in the gateway for each call. */
  readonly gatewayMicros: number
}

const sample = async ({ caller, gateway }: Pair, wanted: Wanted): Promise<Figure> => {
  await caller.ask("run", { ...wanted, millis: wanted.millis / 2 })
  const before = await gateway.ask("cpu", null)
  const measured = await caller.ask("run", wanted)
  return { ...measured, gatewayMicros: (await gateway.ask("cpu", null) - before) / measured.calls }
}

type Figures = Array<Figure>

/** In turn, as the others. */
const rounds = async (
  provider: Provider,
  names: ReadonlyArray<string>,
  { chunks, kind }: (typeof kinds)[number],
  { quick }: Options
): Promise<ReadonlyMap<string, Figures>> => {
  const figures = new Map<string, Figures>()
  const pairs = new Map<string, Pair>()
  const wanted = { chunks, inFlight: chunks === 0 ? 16 : 2, millis: quick ? 400 : 1_500, atLeast: 32 }
  for (const name of names) pairs.set(name, await open(candidates[name]!, provider.base(kind)))
  for (let round = 0; round < (quick ? 2 : 3); round++) {
    process.stderr.write(".")
    for (const [name, pair] of pairs) {
      try {
        figures.set(name, [...figures.get(name) ?? [], await sample(pair, wanted)])
      } catch (error) {
        process.stderr.write(`${name} is left out: ${error instanceof Error ? error.message : error}\n`)
        pairs.delete(name)
        figures.delete(name)
      }
    }
  }
  for (const { caller, gateway } of pairs.values()) await Promise.all([caller.end(), gateway.end()])
  return figures
}

const cells = (figures: Figures = []): ReadonlyArray<string> => [
  number(median(figures.map(({ gatewayMicros }) => gatewayMicros))),
  percent(spread(figures.map(({ gatewayMicros }) => gatewayMicros))),
  number(median(figures.map(({ perSecond }) => perSecond))),
  number(median(figures.map(({ p50 }) => p50)))
]

export const gateway = async (options: Options): Promise<string> => {
  const names = selected(options, "gateway", Object.keys(candidates))
  if (names.length === 0) return ""
  const results = await withProvider(async (provider) => {
    const all: Array<ReadonlyMap<string, Figures>> = []
    for (const kind of kinds) all.push(await rounds(provider, names, kind, options))
    return all
  })
  process.stderr.write("\n")
  return [
    "## Gateway",
    "CPU of the gateway's process, with a retry, a timeout and a second target configured; 16 completions or 2 streams in flight.",
    table(
      ["", ...kinds.flatMap(({ title }) => [`${title}, µs`, "spread", "per second", "p50, ms"])],
      names.map((name) => [name, ...results.flatMap((result) => cells(result.get(name)))])
    )
  ].join("\n\n")
}
