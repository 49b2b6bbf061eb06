import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

/**
 * What has happened in an attempt so far, in milliseconds of the monotonic clock. Whoever reads an answer notes it here, and the
 * watchdog of the attempt looks at it when one of its clocks is due: so a chunk costs an assignment and no timer.
 *
 * Only the time in which somebody waits for the upstream counts: a consumer that is busy with what it has does not make it idle.
 */
export class Activity {
  headersAt: number | undefined
  contentAt: number | undefined
  /** When the last bytes came, or the wait for them began. */
  bytesAt = 0
  /** When the last data came, or the headers; later by the time that nobody waited. */
  dataAt = 0
  waiting = false
  private releasedAt = 0

  constructor(private readonly outer: Activity | undefined) {}

  headers(now: number): void {
    if (this.headersAt === undefined) {
      this.headersAt =
        this.bytesAt =
        this.dataAt =
        this.releasedAt =
          now
    }
    this.outer?.headers(now)
  }

  wait(now: number): void {
    this.dataAt += now - this.releasedAt
    this.bytesAt = now
    this.waiting = true
    this.outer?.wait(now)
  }

  /** The wait is over: something came, or the end. */
  received(now: number, isData: boolean, isContent: boolean): void {
    this.waiting = false
    this.bytesAt = this.releasedAt = now
    if (isData) {
      this.dataAt = now
    }
    if (isContent) {
      this.contentAt ??= now
    }
    this.outer?.received(now, isData, isContent)
  }
}

/** The activity of the current attempt, where there is a clock that wants to know. */
export class CurrentActivity
  extends Context.Reference<CurrentActivity>()("effect-llm-router/internal/CurrentActivity", {
    defaultValue: (): Activity | undefined => undefined
  })
{}

/** Reads the monotonic clock of the current fiber, as a function. */
export const readClock: Effect.Effect<() => number> = Effect.map(
  Clock.clockWith(Effect.succeed),
  (clock) => () => Number(clock.unsafeCurrentTimeNanos()) / 1e6
)

/** Notes each run of a read. `look` says whether what was read is data, and content. */
export const noting = (
  activity: Activity | undefined,
  now: () => number
) =>
<A, E, R>(
  pull: Effect.Effect<A, E, R>,
  look: (value: A) => { readonly isData: boolean; readonly isContent: boolean }
): Effect.Effect<A, E, R> =>
  activity === undefined
    ? pull
    : Effect.suspend(() => {
      activity.wait(now())
      return Effect.map(pull, (value) => {
        const { isContent, isData } = look(value)
        activity.received(now(), isData, isContent)
        return value
      })
    })

/** Notes each read of a stream that nobody has decoded: all of it is data, and content. */
export const noteReads = <A, E, R>(
  stream: Stream.Stream<A, E, R>,
  activity: Activity,
  now: () => number
): Stream.Stream<A, E, R> =>
  Stream.unwrapScoped(
    Effect.map(Stream.toPull(stream), (pull) =>
      Stream.repeatEffectChunkOption(noting(activity, now)(pull, () => ({ isData: true, isContent: true }))))
  )

/** Notes that the headers are there. */
export const noteHeaders: Effect.Effect<void> = Effect.flatMap(
  CurrentActivity,
  (activity) => activity === undefined ? Effect.void : Effect.map(readClock, (now) => activity.headers(now()))
)
