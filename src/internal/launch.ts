import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type * as FiberRefs from "effect/FiberRefs"
import * as Runtime from "effect/Runtime"
import * as RuntimeFlags from "effect/RuntimeFlags"

/** Starts effects in fibers of their own. */
export interface Launch {
  <A, E, R>(
    effect: Effect.Effect<A, E, R>,
    context: Context.Context<R>,
    /** Told of the fiber refs that the fiber begins with. */
    onRefs?: (refs: FiberRefs.FiberRefs) => void
  ): Fiber.RuntimeFiber<A, E>
}

/**
 * Gives `f` what starts fibers with the fiber refs of the current one, but belong to nobody, can be interrupted, and have a context of their
 * own: a third of the cost of `Effect.forkDaemon`, and of a `provide` nothing. Where they are not `deferred`, they run at once until they
 * wait for something.
 */
export const withLaunch = <A, E, R, R2>(
  f: (
    launch: Launch,
    parent: Fiber.RuntimeFiber<unknown, unknown>,
    context: Context.Context<R2>
  ) => Effect.Effect<A, E, R>,
  options?: { readonly deferred?: boolean | undefined }
): Effect.Effect<A, E, R | R2> =>
  Effect.withFiberRuntime<A, E, R>((parent, { runtimeFlags }) => {
    const flags = RuntimeFlags.enable(runtimeFlags, RuntimeFlags.Interruption)
    return f(
      (effect, own, onRefs) =>
        Runtime.runFork(
          Runtime.make({ context: own, fiberRefs: parent.getFiberRefs(), runtimeFlags: flags }),
          effect,
          {
            immediate: options?.deferred !== true,
            updateRefs: onRefs && ((refs) => {
              onRefs(refs)
              return refs
            })
          }
        ),
      parent,
      // an effect that needs services is run by fibers only that have them: `Effect.context` has this cast, too
      parent.currentContext as Context.Context<R2>
    )
  })
