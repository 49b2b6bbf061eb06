import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

/** @internal */
export const unsafeNowMillis = (clock: Clock.Clock): number => Number(clock.unsafeCurrentTimeNanos()) / 1e6

/**
 * Milliseconds of the monotonic clock: jumps of the wall clock do not move it, `TestClock` does.
 *
 * @internal
 */
export const nowMillis: Effect.Effect<number> = Effect.map(Clock.currentTimeNanos, (nanos) => Number(nanos) / 1e6)
