import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Metric from "effect/Metric"
import * as Runtime from "effect/Runtime"
import { nowMillis } from "./monotonic.js"

/** How long an access to a store may take: a store that is nearby answers in a few milliseconds, and a call can spare this once. */
export const defaultLimit: Duration.Duration = Duration.millis(200)

/** How long a store that failed is left alone: long enough that few calls wait for it, short enough that its return is soon seen. */
export const defaultPause: Duration.Duration = Duration.seconds(1)

export interface Options {
  /** The longest that an access may take. Default 200 milliseconds. */
  readonly limit?: Duration.Duration | undefined
  /** How long the store is not asked after a failure. Default 1 second. */
  readonly pause?: Duration.Duration | undefined
}

/**
 * An access that never fails and takes no longer than the limit: where the store fails, dies or is too slow, it gives the `fallback`,
 * and the store is not asked again for the pause. Then one access finds out whether it is back, while the others get their fallbacks.
 * `name` is the store's in the metric. The interruption of the caller is passed on to the access, and counts for nothing.
 */
export interface StoreGuard {
  <A, E>(access: Effect.Effect<A, E>, fallback: A, name: string): Effect.Effect<A>
}

/** Accesses that failed, by the tags `store` and `kind` (`timeout` or `error`). One that was not made counts for nothing. */
export const failures = Metric.counter("effect_llm_router_store_failures", {
  description: "Accesses to a store that failed or took too long, and were done without",
  incremental: true
})

type Ended<A, E> = Exit.Exit<A, E> | "timeout"

/**
 * A fiber of its own runs the access: one that cannot be interrupted is left behind. What ends at once, as in memory, needs no timer. The
 * caller need not be interruptible: it is woken by the timer.
 */
const within = <A, E>(access: Effect.Effect<A, E>, limit: Duration.Duration): Effect.Effect<Ended<A, E>> =>
  Effect.flatMap(Effect.runtime<never>(), (runtime) =>
    Effect.async<Ended<A, E>>((resume) => {
      const fiber = Runtime.runFork(runtime)(Effect.exit(Effect.interruptible(access)))
      const ended = fiber.unsafePoll()
      if (ended !== null) {
        return resume(Effect.succeed(Exit.flatten(ended)))
      }
      const timer = Runtime.runFork(runtime)(Effect.interruptible(Effect.sleep(limit)))
      const stop = Effect.sync(() => {
        fiber.unsafeInterruptAsFork(fiber.id())
        timer.unsafeInterruptAsFork(timer.id())
      })
      fiber.addObserver((exit) => resume(Effect.as(stop, Exit.flatten(exit))))
      timer.addObserver((exit) => Exit.isSuccess(exit) && resume(Effect.as(stop, "timeout" as const)))
      return stop
    }))

/** The guard of one store: made once with it, for it remembers when the store failed. */
export const guard = (options: Options = {}): StoreGuard => {
  const limit = options.limit ?? defaultLimit
  const limitMillis = Duration.toMillis(limit)
  const pauseMillis = Duration.toMillis(options.pause ?? defaultPause)
  const state = {
    /** Until when the store is not asked; `undefined` while it is in order. */
    pausedUntil: undefined as number | undefined
  }

  const failed = (name: string, kind: "timeout" | "error"): Effect.Effect<void> =>
    Effect.zipRight(
      Metric.update(Metric.tagged(Metric.tagged(failures, "store", name), "kind", kind), 1),
      Effect.map(nowMillis, (now) => {
        state.pausedUntil = now + pauseMillis
      })
    )

  return (access, fallback, name) =>
    Effect.flatMap(nowMillis, (now) => {
      if (state.pausedUntil !== undefined) {
        if (now < state.pausedUntil) {
          return Effect.succeed(fallback)
        }
        // the others do not wait with this one, and one that is interrupted says nothing
        state.pausedUntil = now + limitMillis
      }
      return Effect.flatMap(within(access, limit), (ended) => {
        if (ended !== "timeout" && Exit.isSuccess(ended)) {
          state.pausedUntil = undefined
          return Effect.succeed(ended.value)
        }
        return Effect.as(failed(name, ended === "timeout" ? ended : "error"), fallback)
      })
    })
}
