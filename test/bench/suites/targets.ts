/** Whether a pick and a call cost more when there are more targets. */
import type { Options } from "../lib/options.js"
import { start } from "../lib/processes.js"
import { selected } from "../lib/rounds.js"
import { median } from "../lib/stats.js"
import { number, table } from "../lib/table.js"
import type { SubjectName, TargetsHandlers } from "../programs/targets.js"

const levels = [1, 10, 100, 1000]

const subjects: ReadonlyArray<SubjectName> = [
  "`LoadBalancer.pick`, made once",
  "`LoadBalancer.pick`, made for each",
  "call; idle providers",
  "call; idle targets with a breaker and a budget",
  "call; fallbacks in the request",
  "call; fallbacks, with a breaker and a budget",
  "call; weighted models in the request"
]

export const targets = async (options: Options): Promise<string> => {
  const names = subjects.filter((name) => selected(options, "targets", [name]).length > 0)
  if (names.length === 0) return ""
  const rounds = options.quick ? 1 : 2
  const rows = new Map(names.map((name) => [name, levels.map((): Array<number> => [])]))
  for (let round = 0; round < rounds; round++) {
    process.stderr.write(".")
    for (const name of names) {
      const program = await start<TargetsHandlers>("targets", "measured")
      const millis = options.quick ? 150 : 500
      // the compiler is done before the first of them is measured
      await program.ask("measure", { name, targets: levels[0]!, millis: 4 * millis })
      for (const [column, targets] of levels.entries()) {
        rows.get(name)![column]!.push(await program.ask("measure", { name, targets, millis }))
      }
      await program.end()
    }
  }
  process.stderr.write("\n")
  return [
    "## More targets",
    "Over a transport in memory, one after the other.",
    table(
      ["CPU, µs", ...levels.map((level) => `${level.toLocaleString("en")}`)],
      names.map((name) => [name, ...rows.get(name)!.map((column) => number(median(column)))])
    )
  ].join("\n\n")
}
