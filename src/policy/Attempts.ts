/**
 * Notes each attempt on a target in the attempt log of the call (see `Route`), and gives it a span when a tracer is set.
 *
 * It stands inside the retry, so that every attempt is noted, and outside the timeout, so that a timeout is the outcome of its
 * attempt.
 *
 * @since 0.1.0
 */
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import { nowMillis } from "../internal/monotonic.js"
import * as Tracing from "../internal/tracing.js"
import * as Route from "../Route.js"
import * as RouterError from "../RouterError.js"
import * as HttpPolicy from "./HttpPolicy.js"

const tagOf = (error: unknown): string =>
  typeof error === "object" && error !== null && "_tag" in error && typeof error._tag === "string"
    ? error._tag
    : "failure"

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
    ? { outcome: tagOf(failure.value), status: statusOf(failure.value) }
    : { outcome: Cause.isInterrupted(exit.cause) ? "interrupted" : "defect" }
}

const recordAttempt = (recorder: Route.Recorder, target: string) =>
<E, R>(
  attempt: Effect.Effect<HttpClientResponse.HttpClientResponse, E, R>
): Effect.Effect<HttpClientResponse.HttpClientResponse, E, R> =>
  Effect.flatMap(Effect.zip(Clock.currentTimeMillis, nowMillis), ([startedAtMillis, start]) => {
    const { waitMillis } = recorder
    recorder.waitMillis = 0
    return Effect.onExit(attempt, (exit) =>
      Effect.map(nowMillis, (end) => {
        recorder.attempts.push({ target, startedAtMillis, durationMillis: end - start, waitMillis, ...outcome(exit) })
        if (Exit.isSuccess(exit)) {
          recorder.served = target
        }
      }))
  })

const withTarget = (target: string) => <E>(error: E): E =>
  RouterError.isTargetError(error) && error.target === undefined
    ? RouterError.withContext(error, { target })
    : error

/**
 * Notes what happens to each request as an attempt on `target`, a `provider/model`, and names the target in errors that do not name
 * one yet. Without a `Route.CurrentRecorder` nothing is noted.
 *
 * @since 0.1.0
 * @category policies
 */
export const withAttempt = (target: string): HttpPolicy.HttpPolicy =>
  HttpPolicy.make((request, execute) =>
    Effect.flatMap(Route.CurrentRecorder, (recorder) => {
      const attempt = Tracing.withSpan(`attempt ${target}`, { "router.target": target })(
        Effect.mapError(execute(request), withTarget(target))
      )
      return recorder === undefined ? attempt : recordAttempt(recorder, target)(attempt)
    })
  )

const recordSkip = (target: string) => <E>(error: E): Effect.Effect<never, E> =>
  Effect.flatMap(Route.CurrentRecorder, (recorder) => {
    if (recorder !== undefined && RouterError.isNotSent(error)) {
      recorder.skipped.push({ target, reason: error._tag })
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
