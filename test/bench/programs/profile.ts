/** Where the time of a profile goes: by function, without what it calls. */
import type { Profiler } from "node:inspector"

export interface SelfTime {
  readonly name: string
  readonly file: string
  /** A part of the time that was not idle. */
  readonly part: number
}

const shortened = (url: string): string => url.replace(/^.*\/node_modules\//, "").replace(/^.*\/\.build\//, "")

export const selfTimes = ({ nodes, samples = [], timeDeltas = [] }: Profiler.Profile): ReadonlyArray<SelfTime> => {
  const byId = new Map(nodes.map((node) => [node.id, node]))
  const times = new Map<string, number>()
  let total = 0
  samples.forEach((id, index) => {
    const { functionName, lineNumber, url } = byId.get(id)!.callFrame
    // what the profiler itself does is the function `dispatch` of the inspector
    if (functionName === "(idle)" || (functionName === "dispatch" && url === "")) return
    const micros = timeDeltas[index] ?? 0
    total += micros
    const key = `${functionName || "(anonymous)"}\t${url === "" ? "" : `${shortened(url)}:${lineNumber + 1}`}`
    times.set(key, (times.get(key) ?? 0) + micros)
  })
  return [...times].sort(([, a], [, b]) => b - a).map(([key, micros]) => {
    const [name = "", file = ""] = key.split("\t")
    return { name, file, part: micros / total }
  })
}
