/** A fresh process that loads something and says what it took. */
import { answer } from "../lib/rpc.js"

const mebibytes = (bytes: number): number => bytes / 2 ** 20

const handlers = {
  load: async (specifiers: ReadonlyArray<string>) => {
    const rss = process.memoryUsage().rss
    const cpu = process.cpuUsage()
    const from = performance.now()
    for (const specifier of specifiers) await import(specifier)
    const millis = performance.now() - from
    const { system, user } = process.cpuUsage(cpu)
    return { millis, cpuMillis: (system + user) / 1000, megabytes: mebibytes(process.memoryUsage().rss - rss) }
  }
}

export type ImportingHandlers = typeof handlers

answer(handlers)
