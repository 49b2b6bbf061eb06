/**
 * What the calls of a client need: built at the first of them, and released when the client is closed.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Errors from "./Errors.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface Surroundings<R> {
  readonly provide: <A>(effect: Effect.Effect<A, Errors.CallError, R>) => Effect.Effect<A, Errors.CallError>
  readonly dispose: () => Promise<void>
}

const provideWith = <R, E, A>(
  runtime: ManagedRuntime.ManagedRuntime<R, E>,
  effect: Effect.Effect<A, Errors.CallError, R>,
  onFailure: Effect.Effect<void>
): Effect.Effect<A, Errors.CallError> =>
  // a caller that is interrupted while it waits is none of the build's failures: no handler runs for it
  Effect.catchAllCause(runtime.runtimeEffect, (cause) =>
    Effect.zipRight(
      onFailure,
      Effect.fail(new Errors.UnexpectedClientError("The router could not be built", { cause: Cause.squash(cause) }))
    )).pipe(Effect.flatMap((built) => Effect.provide(effect, built)))

/**
 * A runtime that somebody else owns: it is neither built again nor disposed.
 *
 * @since 0.1.0
 * @category constructors
 */
export const borrowed = <R, E>(runtime: ManagedRuntime.ManagedRuntime<R, E>): Surroundings<R> => ({
  provide: (effect) => provideWith(runtime, effect, Effect.void),
  dispose: () => Promise.resolve()
})

/**
 * A runtime of our own. Calls at the same time share one build. One that failed is not kept: it is disposed, and when what it held is released
 * the next call builds another.
 *
 * @since 0.1.0
 * @category constructors
 */
export const owned = <R, E>(layer: Layer.Layer<R, E>): Surroundings<R> => {
  let current = ManagedRuntime.make(layer)
  let releasing: Promise<void> | undefined
  const replace = (failed: typeof current) => {
    // the first of those that waited for it does so
    if (current === failed) {
      current = ManagedRuntime.make(layer)
      // the failure of the build is what is told
      releasing = failed.dispose().catch(() => {})
    }
  }
  const released = Effect.suspend(() => {
    const waited = releasing
    return waited === undefined ? Effect.void : Effect.promise(() => waited)
  })
  return {
    provide: (effect) =>
      Effect.zipRight(
        released,
        Effect.suspend(() => {
          const runtime = current
          return provideWith(runtime, effect, Effect.sync(() => replace(runtime)))
        })
      ),
    dispose: () => Promise.all([current.dispose(), releasing]).then(() => {})
  }
}
