/** What a run is told: `npm run bench -- [--quick] [--only <regex>] [--cpu-prof <contender>]`. */
import { parseArgs } from "node:util"

export interface Options {
  /** A small run of some minutes, whose figures are coarse. It leaves RESULTS.md alone. */
  readonly quick: boolean
  /** Only suites and contenders like this: `suite` or `suite/contender`. RESULTS.md is left alone, too. */
  readonly only: RegExp | undefined
  readonly cpuProf: string | undefined
}

export const parse = (args: ReadonlyArray<string>): Options => {
  const { values } = parseArgs({
    args: [...args],
    options: { "quick": { type: "boolean" }, "only": { type: "string" }, "cpu-prof": { type: "string" } }
  })
  return {
    quick: values.quick ?? false,
    only: values.only === undefined ? undefined : new RegExp(values.only),
    cpuProf: values["cpu-prof"]
  }
}
