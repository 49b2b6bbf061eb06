import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberRef from "effect/FiberRef"
import * as FiberRefs from "effect/FiberRefs"
import { withLaunch } from "./launch.js"
import { after } from "./timer.js"

/** How long something may take, and what it then fails with. */
export interface Limit<out E> {
  readonly millis: number
  readonly onTimeout: () => E
}

/** The context of what is limited is nobody else's, and neither are the flags that it runs with. */
const isOwn = (ref: unknown): boolean => ref === FiberRef.currentContext || ref === FiberRef.currentRuntimeFlags

/**
 * What it has changed for whoever comes after it, as after `Fiber.join`. A ref that a fiber leaves alone has the very stack that it began
 * with; most leave all alone, and to look costs less than to inherit that.
 */
const inherit = (
  fiber: Fiber.RuntimeFiber<unknown, unknown>,
  before: FiberRefs.FiberRefs | undefined
): Effect.Effect<void> => {
  const refs = fiber.getFiberRefs()
  for (const [ref, stack] of refs.locals) {
    if (!isOwn(ref) && before?.locals.get(ref) !== stack) {
      return Effect.inheritFiberRefs(FiberRefs.delete(refs, FiberRef.currentContext))
    }
  }
  return Effect.void
}

/**
 * `Effect.timeoutFail` for a fraction of its cost: one fiber and one timer, where that takes three fibers and a race. What is limited gets a
 * context of its own with them.
 *
 * As there, the effect can be interrupted by its timer even where nothing else may interrupt it, and the end of that is waited for. What
 * succeeds all the same is a success.
 */
export const within = <A, E, R, E2, R2 = R>(
  self: Effect.Effect<A, E, R>,
  { millis, onTimeout }: Limit<E2>,
  contextOf: (outer: Context.Context<R2>) => Context.Context<R>
): Effect.Effect<A, E | E2, R2> =>
  Effect.uninterruptibleMask((restore) =>
    withLaunch((launch, parent, outer: Context.Context<R2>) => {
      let expired = false
      let before: FiberRefs.FiberRefs | undefined
      const launched = launch(self, contextOf(outer), (refs) => {
        before = refs
      })
      const cancel = after(Context.get(parent.currentDefaultServices, Clock.Clock), millis, () => {
        expired = true
        launched.unsafeInterruptAsFork(launched.id())
      })
      const ended = Effect.async<Exit.Exit<A, E | E2>>((resume) => {
        launched.addObserver((exit) => {
          cancel()
          resume(Effect.succeed(expired && Exit.isInterrupted(exit) ? Exit.fail(onTimeout()) : exit))
        })
      })
      return Effect.matchCauseEffect(restore(ended), {
        // whoever waits was interrupted
        onFailure: (cause) => {
          cancel()
          return Effect.zipRight(Fiber.interrupt(launched), Effect.failCause(cause))
        },
        onSuccess: (exit) => Effect.zipRight(inherit(launched, before), exit)
      })
    })
  )
