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

/** While nobody waits for the upstream, a clock between reads cannot strike: it is looked at again when it could next. */
const betweenReads = (activity: Activity, since: number, limit: number, now: number): number =>
  activity.headersAt !== undefined && activity.waiting ? since + limit : now + limit

/** Which clock is the next that can strike, and when. */
const nextDue = (clocks: Clocks, activity: Activity, start: number, now: number): Due => {
  const dues: ReadonlyArray<Due> = [
    { at: start + clocks.call, phase: "call" },
    { at: activity.headersAt === undefined ? start + clocks.firstByte : Infinity, phase: "firstByte" },
    { at: activity.contentAt === undefined ? start + clocks.firstContent : Infinity, phase: "firstContent" },
    { at: betweenReads(activity, activity.bytesAt, clocks.idle, now), phase: "idle" },
    { at: betweenReads(activity, activity.dataAt, clocks.progress, now), phase: "progress" }
  ]
  return dues.reduce((first, due) => due.at < first.at ? due : first, never)
}

/**
 * Waits until one of the clocks strikes. It sleeps from one due time to the next, however many chunks come in between.
 */
export const untilStrike = (
  clocks: Clocks,
  activity: Activity,
  start: number,
  now: () => number
): Effect.Effect<RouterError.Timeout> =>
  Effect.suspend(() => {
    const time = now()
    const { at, phase } = nextDue(clocks, activity, start, time)
    if (at <= time) {
      return Effect.succeed(new RouterError.Timeout({ phase, limit: Duration.millis(clocks[phase]) }))
    }
    return at === Infinity
      ? Effect.never
      : Effect.zipRight(Effect.sleep(Duration.millis(at - time)), untilStrike(clocks, activity, start, now))
  })
