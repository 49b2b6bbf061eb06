/** What a chunk of a stream costs. */
import { baseline, peers } from "../contenders/index.js"
import type { Options } from "../lib/options.js"
import { figure, measure, type Plan, ratio, type Results, selected, spreadOf } from "../lib/rounds.js"
import { number, percent, table, times } from "../lib/table.js"

interface Kind extends Pick<Plan, "kind" | "chunks" | "inFlight"> {
  readonly title: string
}

const kinds: ReadonlyArray<Kind> = [
  { kind: "bulk-2000", chunks: 2000, inFlight: 2, title: "2,000 at once" },
  { kind: "bulk-200", chunks: 200, inFlight: 4, title: "200 at once" },
  { kind: "packets-200", chunks: 200, inFlight: 8, title: "200, a packet each" }
]

/** A stream of packets takes about a second, most of which is waiting. */
const planOf = ({ title: _, ...kind }: Kind, quick: boolean): Plan => ({
  ...kind,
  rounds: quick ? 2 : 3,
  millis: quick ? 250 : 500,
  atLeast: kind.inFlight
})

/** What streams by itself: the router without policies shows what they cost. */
const names = Object.keys(peers).filter((name) => name !== "cockatiel")

const cells = (result: Results, name: string, { chunks }: Kind): ReadonlyArray<string> => [
  number(figure(result, name, "cpuMicros") / chunks),
  times(ratio(result, name, baseline)),
  percent(spreadOf(result, name))
]

export const streams = async (options: Options): Promise<string> => {
  const used = selected(options, "streams", names)
  if (used.length === 0) return ""
  const results: Array<Results> = []
  for (const kind of kinds) {
    // a process of its own for each kind, because the kind is in the address
    results.push(...await measure(used, [planOf(kind, options.quick)], options))
  }
  return [
    "## Streams",
    "At once: in one write, in frames of 16 KiB. A packet each: one every 4 ms on each of 8 streams, which is read by itself.",
    table(
      ["CPU per chunk, µs", ...kinds.flatMap(({ title }) => [title, "raw", "spread"])],
      used.map((name) => [name, ...kinds.flatMap((kind, index) => cells(results[index]!, name, kind))])
    )
  ].join("\n\n")
}
