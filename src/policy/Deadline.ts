/**
 * The moment by which the current call has to be over.
 *
 * A timeout sets it for everything inside, and a nested one can only bring it nearer. Whoever is about to wait asks first whether
 * the wait fits: a retry that would end after the deadline is not begun.
 *
 * A call that several callers share (see `ResponseCache`) is bound by none of their deadlines alone: as long as one of them has time,
 * it has. `remainingMillis` knows that.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { CallersDeadline } from "../internal/callersDeadline.js"
import { nowMillis } from "../internal/monotonic.js"

/**
 * The deadline in milliseconds of the monotonic clock (`Clock.currentTimeNanos`); `Infinity` when there is none, the default. In
 * a call that is shared it is that of the timeouts inside of it.
 *
 * @since 0.1.0
 * @category context
 */
export class CurrentDeadline
  extends Context.Reference<CurrentDeadline>()("effect-llm-router/Deadline/CurrentDeadline", {
    defaultValue: () => Infinity
  })
{}

/**
 * Brings the deadline of a context nearer, to `millis` of the monotonic clock, if it is not nearer already.
 *
 * @internal
 */
export const nearer = <R>(millis: number) => (context: Context.Context<R>): Context.Context<R> =>
  Context.add(context, CurrentDeadline, Math.min(Context.get(context, CurrentDeadline), millis))

/**
 * How many milliseconds are left: 0 when the deadline has passed, `Infinity` when there is none. In a call that is shared they are
 * those of the caller that has most, and can become more or less as callers come and go.
 *
 * @since 0.1.0
 * @category accessors
 */
export const remainingMillis: Effect.Effect<number> = Effect.flatMap(
  Effect.zipWith(CurrentDeadline, CallersDeadline, (own, callers) => Math.min(own, callers())),
  (deadline) =>
    deadline === Infinity
      ? Effect.succeed(Infinity)
      : Effect.map(nowMillis, (now) => Math.max(0, deadline - now))
)
