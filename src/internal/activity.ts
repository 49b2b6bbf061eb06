import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { withReference } from "./here.js"
import { unsafeNowMillis } from "./monotonic.js"

/** What a read brought. */
export interface Seen {
  readonly isData: boolean
  readonly isContent: boolean
}

const bytesOnly: Seen = { isData: false, isContent: false }

/** Of bytes that nobody decodes. */
export const everything: Seen = { isData: true, isContent: true }

/** Is told what happens in an attempt, with the time in milliseconds of the monotonic clock. */
export interface Watcher {
  readonly headers: (now: number) => void
  /** Somebody waits for the upstream. */
  readonly wait: (now: number) => void
  /** The wait is over, whatever came of it. */
  readonly released: (now: number) => void
  /** The wait is over: bytes came. */
  readonly received: (now: number, seen: Seen) => void
}

/**
 * What has happened in an attempt so far, in milliseconds of the monotonic clock. Whoever reads an answer notes it here, and the
 * watchdog of the attempt looks at it when one of its clocks is due: so a chunk costs an assignment and no timer.
 *
 * Only the time in which somebody waits for the upstream counts: a consumer that is busy with what it has does not make it idle.
 * A read that is noted twice, where it is made and where it is handed on, is one read.
 */
export class Activity implements Watcher {
  headersAt: number | undefined
  contentAt: number | undefined
  /** Since when somebody waits for the upstream. */
  waitingSince: number | undefined
  /** How many reads were noted. */
  reads = 0
  /** When the last data came, or the headers; later by the time that nobody waited. */
  dataAt = 0
  private releasedAt = 0
  private onWait: (() => void) | undefined

  constructor(private readonly outer: Watcher | undefined) {}

  headers(now: number): void {
    if (this.headersAt === undefined) {
      this.headersAt = this.dataAt = this.releasedAt = now
    }
    this.outer?.headers(now)
  }

  wait(now: number): void {
    if (this.waitingSince === undefined) {
      this.waitingSince = now
      this.dataAt += now - this.releasedAt
      this.onWait?.()
    }
    this.outer?.wait(now)
  }

  released(now: number): void {
    this.release(now)
    this.outer?.released(now)
  }

  /** An outer activity may see more, or less, in the same bytes. */
  received(now: number, seen: Seen, seenByOuter: Seen = seen): void {
    this.release(now)
    if (seen.isData) {
      this.dataAt = this.releasedAt
    }
    if (seen.isContent) {
      this.contentAt ??= now
    }
    this.outer?.received(now, seenByOuter)
  }

  /** Until somebody waits for the upstream. There is one watchdog at a time. */
  readonly untilWait: Effect.Effect<void> = Effect.async<void>((resume) => {
    if (this.waitingSince !== undefined) {
      return resume(Effect.void)
    }
    this.onWait = () => {
      this.onWait = undefined
      resume(Effect.void)
    }
  })

  /** For how long somebody has waited since the last data. */
  get waitedForData(): number {
    return this.releasedAt - this.dataAt
  }

  private release(now: number): void {
    this.reads++
    if (this.waitingSince !== undefined) {
      this.waitingSince = undefined
      this.releasedAt = now
    }
  }
}

/** The activity of the current attempt, where there is a clock that wants to know. */
export class CurrentActivity
  extends Context.Reference<CurrentActivity>()("effect-llm-router/internal/CurrentActivity", {
    defaultValue: (): Activity | undefined => undefined
  })
{}

/** The monotonic clock of a fiber. */
export const clockOf = (fiber: Fiber.RuntimeFiber<unknown, unknown>): () => number => {
  const clock = Context.get(fiber.currentDefaultServices, Clock.Clock)
  return () => unsafeNowMillis(clock)
}

/** Reads the monotonic clock of the current fiber, as a function. */
export const readClock: Effect.Effect<() => number> = Effect.withFiberRuntime((fiber) => Effect.succeed(clockOf(fiber)))

/** Notes each run of a read, and with `look` what it brought. */
export const noting = (
  activity: Activity | undefined,
  now: () => number
) =>
<A, E, R>(
  pull: Effect.Effect<A, E, R>,
  look: (value: A) => Seen,
  lookOfOuter: (value: A) => Seen = look
): Effect.Effect<A, E, R> =>
  activity === undefined
    ? pull
    : Effect.suspend(() => {
      activity.wait(now())
      return pull.pipe(
        // a read that fails or is given up: nobody waits any more
        Effect.onError(() => Effect.sync(() => activity.released(now()))),
        Effect.map((value) => {
          activity.received(now(), look(value), lookOfOuter(value))
          return value
        })
      )
    })

/** Notes each read of a stream. */
export const noteReads = <A, E, R>(
  stream: Stream.Stream<A, E, R>,
  activity: Activity,
  now: () => number,
  look: (values: Iterable<A>) => Seen
): Stream.Stream<A, E, R> =>
  Stream.unwrapScoped(
    Effect.map(
      Stream.toPull(stream),
      (pull) => Stream.repeatEffectChunkOption(noting(activity, now)(pull, look))
    )
  )

/**
 * Notes each run of a read of what nobody has decoded: all of it is data, and content. To an outer activity it is bytes, for it may see them
 * decoded.
 */
export const notingBytes =
  (activity: Activity, now: () => number) => <A, E, R>(pull: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    noting(activity, now)(pull, () => everything, () => bytesOnly)

/** Notes that the headers are there. */
export const noteHeaders: Effect.Effect<void> = withReference(
  CurrentActivity,
  (activity) => activity === undefined ? Effect.void : Effect.map(readClock, (now) => activity.headers(now()))
)
