import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DefaultServices from "effect/DefaultServices"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

const liveClock = Context.get(DefaultServices.liveServices, Clock.Clock)

/** The longest time that a timer of the platform can be set to, in milliseconds: some 24 days. What is later counts as never. */
const maxMillis = 2 ** 31 - 1

/**
 * Does something when so many milliseconds have passed on a clock, unless what it gives is called before. Of the clock that is always there
 * it takes no fiber.
 */
export const after = (clock: Clock.Clock, millis: number, task: () => void): () => void => {
  if (millis > maxMillis) {
    return () => {}
  }
  if (clock === liveClock) {
    const timer = setTimeout(task, millis)
    return () => clearTimeout(timer)
  }
  const fiber = Effect.runFork(Effect.zipRight(clock.sleep(Duration.millis(millis)), Effect.sync(task)))
  return () => fiber.unsafeInterruptAsFork(fiber.id())
}
