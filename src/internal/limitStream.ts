import * as Chunk from "effect/Chunk"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { identity } from "effect/Function"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { withLaunch } from "./launch.js"

/** What is done around each read of a stream. */
interface Reading<A> {
  <E, R>(pull: Effect.Effect<Chunk.Chunk<A>, E, R>): Effect.Effect<Chunk.Chunk<A>, E, R>
}

/** Whether the answer is complete with this part of it (see `StreamResponse.Batch`); of bytes that is not known. */
const isComplete = (part: unknown): boolean => Predicate.hasProperty(part, "complete") && part.complete === true

/**
 * Ends a stream with an error after some time, whether its consumer is waiting for the next element or is busy with the last, and
 * closes what it reads from at that moment. Without any time left nothing is delivered. It is no error where the answer was complete
 * with what was delivered.
 *
 * @internal
 */
export const limitStream = <A, E, R, E2>(
  stream: Stream.Stream<A, E, R>,
  millis: number,
  onTimeout: () => E2
): Stream.Stream<A, E | E2, R> =>
  guardStream(
    stream,
    millis <= 0 ? Effect.sync(onTimeout) : Effect.zipRight(Effect.sleep(millis), Effect.sync(onTimeout))
  )

/**
 * Ends a stream with the error that `strike` gives, at the moment when it gives it; without an error where the answer was complete with
 * what was delivered.
 *
 * One fiber serves the whole stream. A pull runs in a fiber of its own, so that it can be ended without touching the consumer.
 *
 * @internal
 */
export const guardStream = <A, E, R, E2>(
  stream: Stream.Stream<A, E, R>,
  strike: Effect.Effect<E2>,
  reading: Reading<A> = identity
): Stream.Stream<A, E | E2, R> =>
  Stream.unwrapScoped(Effect.gen(function*() {
    let complete = false
    let expired: Option.Option<E2> | undefined
    let current: Fiber.RuntimeFiber<Chunk.Chunk<A>, Option.Option<E>> | undefined
    let wake: (exit: Exit.Exit<Chunk.Chunk<A>, Option.Option<E>>) => void = () => {}
    const leave = Effect.suspend(() => {
      const left = current
      current = undefined
      return left === undefined ? Effect.void : Fiber.interrupt(left)
    })

    const source = yield* Scope.make()
    yield* Effect.addFinalizer((exit) => Effect.zipRight(leave, Scope.close(source, exit)))
    const pull = reading(yield* Scope.extend(Stream.toPull(stream), source))

    // one observer a pull, for whoever waits for it last: its consumers may come and go
    const begun = (fiber: Fiber.RuntimeFiber<Chunk.Chunk<A>, Option.Option<E>>) => {
      fiber.addObserver((exit) => wake(exit))
      return fiber
    }

    // begun before the watchdog: what the source holds is let go by its finalizers, which are only there once it was begun; and not before
    // the clock was looked at
    yield* withLaunch((launch, _, context: Context.Context<R>) =>
      Effect.sync(() => {
        current = begun(launch(pull, context))
      }), { deferred: true })

    const expire = (error: E2) => {
      expired = complete ? Option.none() : Option.some(error)
      return Effect.zipRight(
        current === undefined ? Effect.void : Fiber.interrupt(current),
        Scope.close(source, Exit.void)
      )
    }
    yield* Effect.forkScoped(Effect.interruptible(Effect.flatMap(strike, expire)))

    type Pull = Effect.Effect<Chunk.Chunk<A>, Option.Option<E | E2>>

    const ended = (exit: Exit.Exit<Chunk.Chunk<A>, Option.Option<E>>): Pull => {
      current = undefined
      if (expired !== undefined) {
        return Effect.fail(expired)
      }
      if (Exit.isSuccess(exit)) {
        complete = isComplete(Option.getOrUndefined(Chunk.last(exit.value)))
      }
      return exit
    }

    // a clock ends a pull also where its consumer cannot be interrupted, as `Effect.timeout` does it; and one that nobody waits for any more
    // is there for the next who asks, or ends with the stream
    const next = withLaunch((launch, _, context: Context.Context<R>): Pull => {
      if (expired !== undefined) {
        return Effect.fail(expired)
      }
      const fiber = current ?? begun(launch(pull, context))
      const exit = fiber.unsafePoll()
      if (exit !== null) {
        return ended(exit)
      }
      current = fiber
      return Effect.async((resume) => {
        wake = (exit) => resume(Effect.suspend(() => ended(exit)))
      })
    })
    return Stream.repeatEffectChunkOption(next)
  }))
