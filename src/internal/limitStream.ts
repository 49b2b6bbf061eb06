import * as Cause from "effect/Cause"
import type * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"

/**
 * Ends a stream with an error after some time, whether its consumer is waiting for the next element or is busy with the last, and
 * closes what it reads from at that moment.
 *
 * One timer serves the whole stream. A pull runs in a fiber of its own, so that the timer can end it without touching the consumer.
 * Without any time left nothing is delivered.
 *
 * @internal
 */
export const limitStream = <A, E, R, E2>(
  stream: Stream.Stream<A, E, R>,
  millis: number,
  onTimeout: () => E2
): Stream.Stream<A, E | E2, R> =>
  Stream.unwrapScoped(Effect.gen(function*() {
    const source = yield* Scope.make()
    yield* Effect.addFinalizer((exit) => Scope.close(source, exit))
    const pull = yield* Scope.extend(Stream.toPull(stream), source)

    if (millis <= 0) {
      // what the source holds is let go by its finalizers, which are only there once it was begun
      yield* Effect.raceFirst(Effect.exit(pull), Effect.void)
      return Stream.fail(onTimeout())
    }

    let expired = false
    let current: Fiber.RuntimeFiber<Chunk.Chunk<A>, Option.Option<E>> | undefined

    const expire = Effect.suspend(() => {
      expired = true
      return Effect.zipRight(
        current === undefined ? Effect.void : Fiber.interrupt(current),
        Scope.close(source, Exit.void)
      )
    })
    yield* Effect.forkScoped(Effect.zipRight(Effect.sleep(millis), expire))

    type Pull = Effect.Effect<Chunk.Chunk<A>, Option.Option<E | E2>>

    const timedOut: Pull = Effect.suspend(() => Effect.fail(Option.some(onTimeout())))

    const next = Effect.suspend(() => {
      if (expired) {
        return timedOut
      }
      return Effect.flatMap(Effect.fork(pull), (fiber) => {
        current = fiber
        return Effect.onInterrupt(Fiber.await(fiber), () => Fiber.interrupt(fiber)).pipe(
          Effect.flatMap((exit): Pull => {
            current = undefined
            return expired && Exit.isFailure(exit) && Cause.isInterrupted(exit.cause) ? timedOut : exit
          })
        )
      })
    })
    return Stream.repeatEffectChunkOption(next)
  }))
