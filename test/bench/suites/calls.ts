/** What a call costs, and how many there can be. */
import { baseline, peers } from "../contenders/index.js"
import type { Options } from "../lib/options.js"
import { figure, measure, type Plan, ratio, type Results, selected, spreadOf } from "../lib/rounds.js"
import { number, percent, table, times } from "../lib/table.js"

const levels = [1, 16, 64, 256, 1000]

const plan = (inFlight: number, quick: boolean): Plan => ({
  kind: "completion",
  chunks: 0,
  inFlight,
  rounds: quick ? 2 : 3,
  millis: quick ? 250 : 500,
  atLeast: 2 * inFlight
})

const costs = (results: ReadonlyArray<Results>, names: ReadonlyArray<string>, used: ReadonlyArray<number>): string =>
  table(
    ["CPU per call, µs", ...used.flatMap((level) => [`at ${level}`, "raw"]), "spread at 16"],
    names.map((name) => [
      name,
      ...results.flatMap((result) => [
        number(figure(result, name, "cpuMicros")),
        times(ratio(result, name, baseline))
      ]),
      percent(spreadOf(results[Math.min(1, results.length - 1)]!, name))
    ])
  )

const rates = (results: ReadonlyArray<Results>, names: ReadonlyArray<string>, used: ReadonlyArray<number>): string =>
  table(
    ["calls/s; p50 / p99 in ms", ...used.flatMap((level) => [`at ${level}`, "latency"])],
    names.map((name) => [
      name,
      ...results.flatMap((result) => [
        number(figure(result, name, "perSecond")),
        `${number(figure(result, name, "p50"))} / ${number(figure(result, name, "p99"))}`
      ])
    ])
  )

export const calls = async (options: Options): Promise<string> => {
  const used = options.quick ? [1, 16, 256] : levels
  const names = selected(options, "calls", Object.keys(peers))
  if (names.length === 0) return ""
  const results = await measure(names, used.map((level) => plan(level, options.quick)), options)
  return [
    "## Calls",
    "One completion a call, by as many workers as are in flight. `raw` is the ratio to raw undici in the same round.",
    costs(results, names, used),
    rates(results, names, used)
  ].join("\n\n")
}
