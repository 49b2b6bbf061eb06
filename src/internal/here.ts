import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"

/**
 * What a reference has where an effect runs, in one step of the fiber: `Effect.flatMap` of the reference takes three.
 *
 * @internal
 */
export const withReference = <I, S, A, E, R>(
  reference: Context.Reference<I, S>,
  use: (value: S) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.withFiberRuntime<A, E, R>((fiber) => use(Context.get(fiber.currentContext, reference)))

/**
 * The same for the clock.
 *
 * @internal
 */
export const withClock = <A, E, R>(
  use: (clock: Clock.Clock) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.withFiberRuntime<A, E, R>((fiber) => use(Context.get(fiber.currentDefaultServices, Clock.Clock)))
