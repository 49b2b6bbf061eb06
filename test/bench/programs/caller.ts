/** One contender in a process of its own: `caller <name> <base>`. */
import * as Inspector from "node:inspector/promises"
import { contenders } from "../contenders/index.js"
import { makeUndici } from "../contenders/raw.js"
import { answer } from "../lib/rpc.js"
import * as Load from "./load.js"
import { selfTimes } from "./profile.js"

const [name = "", base = "", extras] = process.argv.slice(2)
const make = contenders[name]
if (make === undefined) throw new Error(`no contender ${name}`)

/** With extras it is raw undici that calls a gateway. */
const contender = await (extras === undefined ? make(base) : makeUndici(base, JSON.parse(extras)))

const workerFor = ({ chunks }: Pick<Load.Wanted, "chunks">) => {
  const worker = chunks === 0 ? contender.complete : contender.stream
  if (worker === undefined) throw new Error(`${name} cannot stream`)
  return worker
}

const collect = () => {
  if (global.gc === undefined) throw new Error("needs --expose-gc")
  global.gc()
  global.gc()
  return process.memoryUsage().heapUsed
}

let underWay: Promise<unknown> = Promise.resolve()

/** Connections are opened a few at a time: what listens has a queue that is not endless. */
const burst = 200

const hold = async (calls: number): Promise<void> => {
  let answered = 0
  const workers: Array<Promise<void>> = []
  while (workers.length < calls) {
    let left = 1
    workers.push(contender.complete({
      next: () => left-- > 0 ? Load.prompt() : undefined,
      done: () => {
        answered++
      }
    }))
    if (workers.length % burst === 0) await new Promise((resolve) => setTimeout(resolve, 10))
  }
  underWay = Promise.all(workers).then(() => {
    if (answered !== calls) throw new Error(`${answered} of ${calls} were answered`)
  })
}

const handlers = {
  /** Each measurement has a short one before it that does not count: connections are open, the code is warm. */
  measure: async (wanted: Load.Wanted) => {
    const worker = workerFor(wanted)
    await Load.run(worker, { ...wanted, millis: wanted.millis / 4, atLeast: wanted.inFlight })
    return Load.run(worker, wanted)
  },
  /** For whoever has warmed up. */
  run: (wanted: Load.Wanted) => Load.run(workerFor(wanted), wanted),
  canStream: (_: null) => contender.stream !== undefined,
  heap: (_: null) => collect(),
  hold: (calls: number) => hold(calls),
  released: async (_: null) => {
    await underWay
  },
  profile: async (wanted: Load.Wanted) => {
    const worker = workerFor(wanted)
    await Load.run(worker, { ...wanted, millis: 3_000 })
    const session = new Inspector.Session()
    session.connect()
    await session.post("Profiler.enable")
    await session.post("Profiler.setSamplingInterval", { interval: 200 })
    await session.post("Profiler.start")
    const measured = await Load.run(worker, wanted)
    const { profile } = await session.post("Profiler.stop")
    session.disconnect()
    return { measured, profile, times: selfTimes(profile) }
  }
}

export type CallerHandlers = typeof handlers

answer(handlers)
