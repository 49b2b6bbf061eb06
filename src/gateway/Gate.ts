/**
 * The requests that are under way: no more than a limit, and none left when the gateway ends.
 *
 * @since 0.1.0
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import type * as Scope from "effect/Scope"
import * as Problem from "./Problem.js"

/**
 * A request that is under way, until the last byte of its answer is handed over.
 *
 * @since 0.1.0
 * @category models
 */
export interface Passage {
  /** Set when the headers of a stream are sent: from then on it is told of an end by an event. */
  streaming: boolean
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Gate {
  readonly inFlight: () => number
  /** No more requests are let in. */
  readonly isClosing: () => boolean
  /** Those that are in are to end now. */
  readonly isOver: () => boolean
  /** Lets a request in for the rest of its scope. */
  readonly enter: Effect.Effect<Passage, Problem.Problem, Scope.Scope>
  /** Lets nobody in any more. */
  readonly close: Effect.Effect<void>
  /** `close`, and waits for those that are in: in the end it makes them leave. */
  readonly drain: Effect.Effect<void>
}

/**
 * For how long streams that are to end may go on to their next chunk, where they can say why, and how long the others may take to answer:
 * 1 second. Chunks come many times a second; who is stalled has nothing to lose.
 *
 * @since 0.1.0
 * @category defaults
 */
export const farewell: Duration.Duration = Duration.seconds(1)

/**
 * Waits, and not longer than this. It is for finalizers: what they run cannot be interrupted, so not by a timeout either, or else is
 * interrupted already. A fiber of its own is neither.
 *
 * @since 0.1.0
 * @category combinators
 */
export const atMost = (self: Effect.Effect<void>, longest: Duration.Duration): Effect.Effect<void> =>
  Effect.timeoutOption(self, longest).pipe(
    Effect.interruptible,
    Effect.forkDaemon,
    Effect.flatMap(Fiber.await),
    Effect.asVoid
  )

interface Entry extends Passage {
  readonly fiber: Fiber.RuntimeFiber<unknown, unknown>
}

const busy = Problem.make(503, "too many requests are under way", { code: "too_many_requests_in_flight" })

/**
 * `limit` is how many requests may be in, `patience` how long `drain` waits for them.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (limit: number, patience: Duration.Duration): Effect.Effect<Gate> =>
  Effect.sync(() => {
    const entries = new Set<Entry>()
    let empty = Deferred.unsafeMake<void>(FiberId.none)
    let closing = false
    let over = false

    const awaitEmpty = (longest: Duration.Duration): Effect.Effect<void> =>
      Effect.suspend(() => {
        if (entries.size === 0) {
          return Effect.void
        }
        empty = Deferred.unsafeMake<void>(FiberId.none)
        return atMost(Deferred.await(empty), longest)
      })

    const leave = (entry: Entry): void => {
      entries.delete(entry)
      if (entries.size === 0) {
        Deferred.unsafeDone(empty, Effect.void)
      }
    }

    const interrupt = (which: (entry: Entry) => boolean) =>
      Effect.sync(() => {
        over = true
        for (const entry of entries) {
          if (which(entry)) {
            entry.fiber.unsafeInterruptAsFork(FiberId.none)
          }
        }
      })

    const enter = Effect.withFiberRuntime<Entry, Problem.Problem>((fiber) => {
      if (closing) {
        return Effect.fail(Problem.shuttingDown)
      }
      if (entries.size >= limit) {
        return Effect.fail(busy)
      }
      const entry = { streaming: false, fiber }
      entries.add(entry)
      return Effect.succeed(entry)
    })

    const close = Effect.sync(() => {
      closing = true
    })

    return {
      inFlight: () => entries.size,
      isClosing: () => closing,
      isOver: () => over,
      enter: Effect.acquireRelease(enter, (entry) => Effect.sync(() => leave(entry))),
      close,
      drain: Effect.gen(function*() {
        yield* close
        yield* awaitEmpty(patience)
        yield* interrupt((entry) => !entry.streaming)
        yield* awaitEmpty(farewell)
        yield* interrupt(() => true)
        yield* awaitEmpty(farewell)
      })
    }
  })
