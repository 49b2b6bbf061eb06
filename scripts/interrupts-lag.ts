/**
 * For how long the event loop of this process stood still. Where client and server are in one process, an event that comes late because
 * the machine is busy looks like one that comes late because nobody cared: this tells them apart.
 */

/** Milliseconds between two looks. */
const everyMillis = 5

/** What a timer may be late on a machine that has nothing else to do, in milliseconds. */
const jitterMillis = 2

export interface Lag {
  /** How much of the time between two instants of `performance.now()` the event loop stood still, in milliseconds. */
  readonly lostMillis: (from: number, to: number) => number
  /** Forgets what was until now. */
  readonly forget: () => void
}

/** Looks at the event loop from now on, and keeps no process alive. */
export const watchLag = (): Lag => {
  const stalls: Array<readonly [from: number, to: number]> = []
  let last = performance.now()
  const look = () => {
    const now = performance.now()
    if (now - last > everyMillis + jitterMillis) {
      stalls.push([last + everyMillis, now])
    }
    last = now
  }
  setInterval(look, everyMillis).unref()
  return {
    lostMillis: (from, to) => {
      look()
      return stalls.reduce((sum, stall) => sum + Math.max(0, Math.min(to, stall[1]) - Math.max(from, stall[0])), 0)
    },
    forget: () => {
      stalls.length = 0
    }
  }
}
