import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Route from "../Route.js"
import { abandon } from "./abandon.js"
import { CallScope } from "./callScope.js"
import { discardWhile } from "./discard.js"

type Response = HttpClientResponse.HttpClientResponse

/**
 * One of the exchanges that compete for a call. It has a scope, so that it can be closed whatever it had opened, and a recorder, so that
 * what it notes is not mixed with what the others do at the same time.
 */
export interface Side<out E> {
  readonly fiber: Fiber.RuntimeFiber<Response, E>
  readonly scope: Scope.CloseableScope
  readonly recorder: Route.Recorder
}

/** To be run where it cannot be interrupted; the exchange can be. */
export const launch = <E, R>(exchange: Effect.Effect<Response, E, R>): Effect.Effect<Side<E>, never, R> =>
  Effect.gen(function*() {
    const recorder = Route.makeRecorder()
    const outer = yield* Route.CurrentRecorder
    if (outer !== undefined) {
      // the wait before the call is that before its first exchange
      recorder.waitMillis = outer.waitMillis
      outer.waitMillis = 0
    }
    const call = yield* CallScope
    const scope = yield* call === undefined ? Scope.make() : Scope.fork(call, ExecutionStrategy.sequential)
    const fiber = yield* exchange.pipe(
      Effect.provideService(CallScope, scope),
      Effect.provideService(Route.CurrentRecorder, recorder),
      Effect.interruptible,
      Effect.fork
    )
    return { fiber, scope, recorder }
  })

/**
 * How a side ended: with an error on the left, or with what is final on the right: a response, a defect, an interruption. `undefined`
 * while it runs.
 */
export const outcomeOf = <E>({ fiber }: Side<E>): Either.Either<Exit.Exit<Response>, E> | undefined => {
  const exit = fiber.unsafePoll()
  return exit === null
    ? undefined
    : Exit.match(exit, {
      onSuccess: (response) => Either.right(Exit.succeed(response)),
      onFailure: (cause) => Either.map(Cause.failureOrCause(cause), (cause) => Exit.failCause(cause))
    })
}

/** Waits until one of the fibers has ended. */
export const untilOneEnds = (
  fibers: ReadonlyArray<Fiber.RuntimeFiber<unknown, unknown>>
): Effect.Effect<void> =>
  Effect.async((resume) => {
    const observer = () => resume(Effect.void)
    fibers.forEach((fiber) => fiber.addObserver(observer))
    return Effect.sync(() => fibers.forEach((fiber) => fiber.removeObserver(observer)))
  })

/** Lets go of what an exchange has left behind: a body that nobody will read. */
const discard = (exit: Exit.Exit<Response, unknown>): Effect.Effect<void> =>
  Exit.match(exit, {
    onSuccess: abandon,
    onFailure: (cause) =>
      Option.match(Cause.failureOption(cause), {
        onNone: () => Effect.void,
        onSome: (error) => discardWhile(error, Effect.yieldNow())
      })
  })

/** Interrupts a side and closes all that it had opened. To be run where it cannot be interrupted. */
export const leave = ({ fiber, recorder, scope }: Side<unknown>): Effect.Effect<void> =>
  Effect.gen(function*() {
    const exit = yield* Fiber.interrupt(fiber)
    recorder.served = undefined
    yield* Scope.close(scope, exit)
    // it races, and the loser of a race has to be interruptible
    yield* Fiber.await(yield* Effect.fork(Effect.interruptible(discard(exit))))
  })

export const leaveAll = (sides: ReadonlyArray<Side<unknown>>): Effect.Effect<void> =>
  Effect.forEach(sides, leave, { concurrency: "unbounded", discard: true })

/** Adds what the sides have noted to the record of the call, in the order in which the attempts began. */
export const merge = (sides: ReadonlyArray<Side<unknown>>, into: Route.Recorder): void => {
  const attempts = sides.flatMap(({ recorder }) => recorder.attempts)
  attempts.sort((one, other) => one.startedAtMillis - other.startedAtMillis)
  attempts.forEach((attempt) => into.attempts.push(attempt))
  for (const { recorder } of sides) {
    recorder.skipped.forEach((skip) => into.skipped.push(skip))
    into.served = recorder.served ?? into.served
    into.cache = recorder.cache === "off" ? into.cache : recorder.cache
  }
}
