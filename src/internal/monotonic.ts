import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { withClock } from "./here.js"

/** @internal */
export const unsafeNowMillis = (clock: Clock.Clock): number => Number(clock.unsafeCurrentTimeNanos()) / 1e6

/**
 * Milliseconds of the monotonic clock: jumps of the wall clock do not move it, `TestClock` does.
 *
 * @internal
 */
export const nowMillis: Effect.Effect<number> = withClock((clock) => Effect.succeed(unsafeNowMillis(clock)))

/**
 * Nanoseconds of the monotonic clock.
 *
 * @internal
 */
export const nowNanos: Effect.Effect<bigint> = withClock((clock) => Effect.succeed(clock.unsafeCurrentTimeNanos()))
