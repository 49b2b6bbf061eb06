/** Makes calls, and measures what they take of this process. */
import type { Answer, Worker } from "../contenders/contender.js"
import { quantile } from "../lib/stats.js"
import * as Answers from "./answers.js"

export interface Wanted {
  /** How many workers make calls, one after the other. */
  readonly inFlight: number
  /**
   * Workers begin no call after as many milliseconds of CPU, or four times as many by the clock, unless it is among the first `atLeast`: on a
   * busy machine a run takes longer, and is not made of fewer calls.
   */
  readonly millis: number
  readonly atLeast: number
  /** How many chunks of content each answer is to have: 0 for a completion. */
  readonly chunks: number
}

export interface Measured {
  readonly calls: number
  /** Microseconds of CPU for each call: of all threads of the process, in it and in the kernel. */
  readonly cpuMicros: number
  readonly perSecond: number
  /** Milliseconds. */
  readonly p50: number
  readonly p99: number
}

let asked = 0

/** How many calls there are between two looks at the CPU time: a look costs a microsecond. */
const betweenLooks = 8

/** Says when it is enough. */
const limit = (millis: number): () => boolean => {
  const from = performance.now()
  const cpu = process.cpuUsage()
  let looks = 0
  let isOver = false
  return () => {
    if (!isOver && looks++ % betweenLooks === 0) {
      const { system, user } = process.cpuUsage(cpu)
      isOver = system + user > millis * 1000 || performance.now() - from > 4 * millis
    }
    return isOver
  }
}

/** What came is what was sent: a contender that skips work does not count. */
const check = (answer: Answer, chunks: number): void => {
  const isRight = chunks === 0
    ? answer.text === Answers.content
    : answer.chunks === chunks && answer.text.length === chunks * Answers.word.length
  if (!isRight) {
    throw new Error(
      `wrong answer: ${answer.chunks} chunks, ${answer.text.length} characters: ${answer.text.slice(0, 99)}`
    )
  }
}

export const prompt = (): string =>
  `How many attempts does call ${++asked} make when the first one of its models is down?`

export const run = async (worker: Worker, wanted: Wanted): Promise<Measured> => {
  const latencies: Array<number> = []
  let begun = 0
  const cpu = process.cpuUsage()
  const from = performance.now()
  const isOver = limit(wanted.millis)
  const job = {
    next: () => begun++ < wanted.atLeast || !isOver() ? prompt() : undefined,
    done: (answer: Answer, millis: number) => {
      check(answer, wanted.chunks)
      latencies.push(millis)
    }
  }
  await Promise.all(Array.from({ length: wanted.inFlight }, () => worker(job)))
  const { system, user } = process.cpuUsage(cpu)
  const millis = performance.now() - from
  return {
    calls: latencies.length,
    cpuMicros: (system + user) / latencies.length,
    perSecond: latencies.length / millis * 1000,
    p50: quantile(latencies, 0.5),
    p99: quantile(latencies, 0.99)
  }
}
