/**
 * Notes each attempt on a target in the attempt log of the call (see `Route`), and gives it a span when somebody observes it.
 *
 * It stands inside the retry, so that every attempt is noted, and outside the timeout, so that a timeout is the outcome of its
 * attempt.
 *
 * @since 0.1.0
 */
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import { unsafeNowMillis } from "../internal/monotonic.js"
import * as Tracing from "../internal/tracing.js"
import * as Route from "../Route.js"
import * as RouterError from "../RouterError.js"
import * as Names from "../telemetry/Names.js"
import { CurrentObservation } from "../telemetry/Observation.js"
import * as ObservedAttempt from "../telemetry/ObservedAttempt.js"
import type { Server } from "../telemetry/Server.js"
import * as HttpPolicy from "./HttpPolicy.js"

const statusOf = (error: unknown): number | undefined =>
  typeof error === "object" && error !== null && "status" in error && typeof error.status === "number"
    ? error.status
    : undefined

const outcome = (
  exit: Exit.Exit<HttpClientResponse.HttpClientResponse, unknown>
): Pick<Route.Attempt, "outcome" | "status"> => {
  if (Exit.isSuccess(exit)) {
    return { outcome: "success", status: exit.value.status }
  }
  const failure = Cause.failureOption(exit.cause)
  return Option.isSome(failure)
    ? { outcome: Names.tagOf(failure.value), status: statusOf(failure.value) }
    : { outcome: Cause.isInterrupted(exit.cause) ? "interrupted" : "defect" }
}

const recordAttempt = <E, R>(
  attempt: Effect.Effect<HttpClientResponse.HttpClientResponse, E, R>,
  recorder: Route.Recorder,
  target: string,
  clock: Clock.Clock
): Effect.Effect<HttpClientResponse.HttpClientResponse, E, R> =>
  Effect.suspend(() => {
    const startedAtMillis = clock.unsafeCurrentTimeMillis()
    const start = unsafeNowMillis(clock)
    const { waitMillis } = recorder
    recorder.waitMillis = 0
    return Effect.onExit(attempt, (exit) => {
      recorder.attempts.push({
        target,
        startedAtMillis,
        durationMillis: unsafeNowMillis(clock) - start,
        waitMillis,
        ...outcome(exit)
      })
      if (Exit.isSuccess(exit)) {
        recorder.served = target
      }
      return Effect.void
    })
  })

const withTarget = (target: string) => <E>(error: E): E =>
  RouterError.isTargetError(error) && error.target === undefined
    ? RouterError.withContext(error, { target })
    : error

/**
 * Notes what happens to each request as an attempt on `target`, a `provider/model`, and names the target in errors that do not name
 * one yet. Without a `Route.CurrentRecorder` nothing is noted.
 *
 * In a call of `ChatCompletions` that is observed (see `Telemetry`), the attempt is a span of that call, and counts in the metrics; `server`
 * is what they say of where the target is. Elsewhere it has a span of its own, `attempt {target}`, when a tracer is set.
 *
 * @since 0.1.0
 * @category policies
 */
export const withAttempt = (target: string, server?: Server | undefined): HttpPolicy.HttpPolicy =>
  HttpPolicy.make(<E, R>(request: HttpClientRequest.HttpClientRequest, execute: HttpPolicy.Execute<E, R>) =>
    Effect.withFiberRuntime<HttpClientResponse.HttpClientResponse, E, R>((fiber) => {
      const recorder = Context.get(fiber.currentContext, Route.CurrentRecorder)
      const observation = Context.get(fiber.currentContext, CurrentObservation)
      const bare = Effect.mapError(execute(request), withTarget(target))
      const attempt = observation === undefined && Tracing.isTraced(fiber)
        ? Tracing.withSpan(`attempt ${target}`, { "router.target": target })(bare)
        : bare
      const recorded = recorder === undefined
        ? attempt
        : recordAttempt(attempt, recorder, target, Context.get(fiber.currentDefaultServices, Clock.Clock))
      return observation === undefined
        ? recorded
        : ObservedAttempt.observe(recorded, observation, { target, server, request, recorder })
    })
  )

const recordSkip = (target: string) => <E>(error: E): Effect.Effect<never, E> =>
  Effect.withFiberRuntime((fiber) => {
    if (RouterError.isNotSent(error)) {
      Context.get(fiber.currentContext, Route.CurrentRecorder)?.skipped.push({ target, reason: error._tag })
      Context.get(fiber.currentContext, CurrentObservation)?.skipped(target, error._tag)
    }
    return Effect.fail(withTarget(target)(error))
  })

/**
 * Notes each request that was not sent to `target`, and names the target in the error that says why. It stands outside the policies that
 * hold requests back (`CircuitBreaker`, `Concurrency`, `RateLimit`) and inside the retry.
 *
 * @since 0.1.0
 * @category policies
 */
export const withSkips = (target: string): HttpPolicy.HttpPolicy =>
  HttpPolicy.make((request, execute) => Effect.catchAll(execute(request), recordSkip(target)))
