import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { after } from "./timer.js"

/**
 * `Effect.timeoutFail` for a fraction of its cost: one fiber and one timer, where that takes three fibers and a race.
 *
 * As there, the effect can be interrupted by its timer even where nothing else may interrupt it, and the end of that is waited for. What
 * succeeds all the same is a success.
 */
export const within = <A, E, R, E2>(
  self: Effect.Effect<A, E, R>,
  millis: number,
  onTimeout: () => E2
): Effect.Effect<A, E | E2, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.zipWith(
      Clock.clockWith(Effect.succeed),
      Effect.fork(Effect.interruptible(self)),
      (clock, fiber) => {
        const ended = Effect.async<Exit.Exit<A, E | E2>>((resume) => {
          let expired = false
          const cancel = after(clock, millis, () => {
            expired = true
            fiber.unsafeInterruptAsFork(fiber.id())
          })
          fiber.addObserver((exit) => {
            cancel()
            resume(Effect.succeed(expired && Exit.isInterrupted(exit) ? Exit.fail(onTimeout()) : exit))
          })
          return Effect.sync(cancel)
        })
        return restore(ended).pipe(
          Effect.onInterrupt(() => Fiber.interrupt(fiber)),
          Effect.flatMap((exit) => Effect.zipRight(Fiber.inheritAll(fiber), exit))
        )
      }
    ).pipe(Effect.flatten)
  )
