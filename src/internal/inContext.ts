import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"

const enter = (context: Context.Context<never>): Effect.Effect<void> => FiberRef.set(FiberRef.currentContext, context)

/**
 * `Effect.mapInputContext` in half of its steps.
 *
 * @internal
 */
export const inContext = <A, E, R, R2>(
  self: Effect.Effect<A, E, R>,
  contextOf: (outer: Context.Context<R2>) => Context.Context<R>
): Effect.Effect<A, E, R2> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.withFiberRuntime<A, E>(({ currentContext: outer }) =>
      Effect.zipRight(
        // an effect that needs services is run by fibers only that have them: `Effect.context` has this cast, too
        enter(contextOf(outer as Context.Context<R2>)),
        Effect.matchCauseEffect(restore(provided(self)), {
          onFailure: (cause) => Effect.zipRight(enter(outer), Effect.failCause(cause)),
          onSuccess: (value) => Effect.as(enter(outer), value)
        })
      )
    )
  )

/** What it needs is in the context that was entered. */
const provided = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E> => self as Effect.Effect<A, E>
