/** Load for `overload.ts`, and what became of it. */
import { setTimeout as sleep } from "node:timers/promises"
import type { Client } from "./overload-clients.js"

/** When each of the answered calls had its answer, in milliseconds of the monotonic clock. */
export class Answers {
  readonly #at: Array<number> = []

  add(): void {
    this.#at.push(performance.now())
  }

  /** How many came in a second, between two instants. */
  rate(fromMillis: number, toMillis: number): number {
    const answered = this.#at.filter((at) => at >= fromMillis && at < toMillis).length
    return answered / (toMillis - fromMillis) * 1_000
  }
}

const call = async (client: Client, answers: Answers): Promise<void> => {
  if (await client.call()) {
    answers.add()
  }
}

/** Callers that call again as soon as they have an answer: `calls` in all. */
export const closedLoop = async (client: Client, callers: number, calls: number): Promise<void> => {
  const answers = new Answers()
  let left = calls
  await Promise.all(Array.from({ length: callers }, async () => {
    while (left > 0) {
      left--
      await call(client, answers)
    }
  }))
}

/** Callers that call again as soon as they have an answer, for some time: how many answers came in a second, without those of the start. */
export const saturate = async (
  client: Client,
  callers: number,
  warmUpMillis: number,
  millis: number
): Promise<number> => {
  const answers = new Answers()
  const from = performance.now() + warmUpMillis
  const to = from + millis
  await Promise.all(Array.from({ length: callers }, async () => {
    while (performance.now() < to) {
      await call(client, answers)
    }
  }))
  return answers.rate(from, to)
}

/** How often it is looked whether calls are due, in milliseconds. */
const tickMillis = 2

/**
 * Calls at even distances, whatever becomes of those before: nobody waits because others do. Ends with the last call that is begun; the
 * ones that are under way then go on.
 */
export const openLoop = async (
  client: Client,
  callsPerSecond: number,
  millis: number,
  answers: Answers
): Promise<void> => {
  const from = performance.now()
  let begun = 0
  for (let now = from; now < from + millis; now = performance.now()) {
    // what a pause of this process has held up comes all at once
    const due = Math.floor((now - from) / 1_000 * callsPerSecond)
    for (; begun < due; begun++) {
      void call(client, answers)
    }
    await sleep(tickMillis)
  }
}
