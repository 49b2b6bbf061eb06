/** What each policy adds when it is the only one, and what an answer from the cache costs. */
import { cached, policies as variants } from "../contenders/index.js"
import type { Options } from "../lib/options.js"
import { figure, measure, type Plan, type Results, selected, spreadOf } from "../lib/rounds.js"
import { median } from "../lib/stats.js"
import { number, percent, table } from "../lib/table.js"

const plan = (quick: boolean): Plan => ({
  kind: "completion",
  chunks: 0,
  inFlight: 16,
  rounds: quick ? 2 : 3,
  millis: quick ? 250 : 500,
  atLeast: 32
})

/** The difference to the one without policies, in the same round. */
const added = (results: Results, name: string, bare: string): number => {
  const bases = results.get(bare) ?? []
  return median((results.get(name) ?? []).map(({ cpuMicros }, round) => cpuMicros - (bases[round]?.cpuMicros ?? NaN)))
}

const cells = (results: Results, name: string, bare: string): ReadonlyArray<string> => [
  number(figure(results, name, "cpuMicros")),
  number(added(results, name, bare)),
  percent(spreadOf(results, name))
]

export const policies = async (options: Options): Promise<string> => {
  const lean = selected(options, "policies", Object.keys(variants.lean))
  const memory = selected(options, "policies", Object.keys(variants.memory))
  if (lean.length + memory.length === 0) return ""
  const [overSockets] = lean.length === 0 ? [new Map()] : await measure(lean, [plan(options.quick)], options)
  const [inMemory] = memory.length === 0 ? [new Map()] : await measure(memory, [plan(options.quick)], options)
  const labels = Object.keys(variants.lean).map((name) => name.split(": ")[1]!)
  const isMeasured = (label: string) => lean.includes(`lean: ${label}`) || memory.includes(`memory: ${label}`)
  return [
    "## Each policy alone",
    "`create` with 16 in flight over the lean transport, and over a transport in memory, where the sockets' noise is not in the difference.",
    table(
      ["CPU per call, µs", "sockets", "added", "spread", "memory", "added", "spread"],
      labels.filter(isMeasured).map((label) => [
        label,
        ...cells(overSockets!, `lean: ${label}`, "lean: bare"),
        ...cells(inMemory!, `memory: ${label}`, "memory: bare")
      ])
    )
  ].join("\n\n")
}

export const cache = async (options: Options): Promise<string> => {
  const names = selected(options, "cache", Object.keys(cached))
  if (names.length === 0) return ""
  const [results] = await measure(names, [{ ...plan(options.quick), inFlight: 1 }], options)
  return [
    "## Answers from the cache",
    "The same `create` again and again, in one fiber. `per second` is for one core.",
    table(
      ["", "per second", "CPU per hit, µs", "spread"],
      names.map((name) => [
        name,
        number(figure(results!, name, "perSecond")),
        number(figure(results!, name, "cpuMicros")),
        percent(spreadOf(results!, name))
      ])
    )
  ].join("\n\n")
}
