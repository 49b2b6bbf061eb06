import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as RouterError from "../RouterError.js"
import type { Activity } from "./activity.js"

/** The clocks of an attempt, in milliseconds; `Infinity` is off. */
export interface Clocks {
  readonly call: number
  readonly firstByte: number
  readonly firstContent: number
  readonly idle: number
  readonly progress: number
}

interface Due {
  readonly at: number
  readonly phase: keyof Clocks
}

const never: Due = { at: Infinity, phase: "call" }

/** Which clock is the next that can strike, and when. While nobody waits for the upstream, the clocks between reads cannot. */
const nextDue = (clocks: Clocks, activity: Activity, start: number): Due => {
  const { contentAt, dataAt, headersAt, waitingSince } = activity
  const dues: ReadonlyArray<Due> = [
    { at: start + clocks.call, phase: "call" },
    { at: headersAt === undefined ? start + clocks.firstByte : Infinity, phase: "firstByte" },
    { at: contentAt === undefined ? start + clocks.firstContent : Infinity, phase: "firstContent" },
    { at: waitingSince === undefined ? Infinity : waitingSince + clocks.idle, phase: "idle" },
    { at: waitingSince === undefined ? Infinity : dataAt + clocks.progress, phase: "progress" }
  ]
  return dues.reduce((first, due) => due.at < first.at ? due : first, never)
}

/** While nobody waits: for how long the clocks between reads cannot strike, whatever happens. */
const reprieve = (clocks: Clocks, activity: Activity): number =>
  Math.min(clocks.idle, clocks.progress - activity.waitedForData)

/**
 * Waits until one of the clocks strikes.
 *
 * It sleeps from one due time to the next, however many chunks come in between. Where there was no read since it last looked, the
 * consumer is busy, maybe for long: then it sleeps until the next read.
 */
export const untilStrike = (
  clocks: Clocks,
  activity: Activity,
  start: number,
  now: () => number,
  readsBefore = 0
): Effect.Effect<RouterError.Timeout> =>
  Effect.suspend(() => {
    const time = now()
    const { at, phase } = nextDue(clocks, activity, start)
    if (at <= time) {
      return Effect.succeed(new RouterError.Timeout({ phase, limit: Duration.millis(clocks[phase]) }))
    }
    const { reads, waitingSince } = activity
    const pause = waitingSince !== undefined
      ? sleep(at - time)
      : reads === readsBefore
      ? Effect.raceFirst(sleep(at - time), activity.untilWait)
      : sleep(Math.min(at - time, reprieve(clocks, activity)))
    return Effect.zipRight(pause, untilStrike(clocks, activity, start, now, reads))
  })

const sleep = (millis: number): Effect.Effect<void> =>
  millis === Infinity ? Effect.never : Effect.sleep(Duration.millis(millis))
