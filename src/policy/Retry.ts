/**
 * Tries the same target again.
 *
 * An attempt that fails is repeated when its code is listed and its class can be mended by waiting (see `Failure`). The wait is that
 * of a `Schedule`, and never shorter than what the latest answer asks for (`retry-after-ms`, `Retry-After`). A wait that is longer than
 * `maxRetryAfter`, or that would end after the deadline of the call, is not begun: the failure is passed on at once, so that a
 * fallback can act on it. So it is when the call has a budget of retries (see `RetryBudget`) and nothing is left of it, and when the
 * repeated attempt is not sent (see `RouterError.isNotSent`), which takes no token: what the target said last is passed on then.
 * Interruption is never retried.
 *
 * @since 0.1.0
 */
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as ScheduleDecision from "effect/ScheduleDecision"
import * as ScheduleIntervals from "effect/ScheduleIntervals"
import { discardWhile } from "../internal/discard.js"
import * as Route from "../Route.js"
import * as RouterError from "../RouterError.js"
import * as Routing from "../wire/Routing.js"
import * as Deadline from "./Deadline.js"
import * as Failure from "./Failure.js"
import * as HttpPolicy from "./HttpPolicy.js"
import * as RetryBudget from "./RetryBudget.js"

/**
 * Extra attempts when `count` is not given: what the published router does.
 *
 * @since 0.1.0
 * @category defaults
 */
export const defaultCount: number = Routing.defaultRetryCount

/**
 * The codes that are retried when `onCodes` is not given: the list of every published example. A timeout counts as 504, a broken
 * connection as 502.
 *
 * @since 0.1.0
 * @category defaults
 */
export const defaultOnCodes: ReadonlyArray<number> = Routing.defaultRetryCodes

/**
 * The longest wait that an answer may ask for and still be waited for on the same target: what the SDKs of the large providers
 * use.
 *
 * @since 0.1.0
 * @category defaults
 */
export const defaultMaxRetryAfter: Duration.Duration = Duration.seconds(60)

/** A wait that an answer asks for is stretched by up to this share, never shortened, so that clients do not return in step. */
const retryAfterSpread = 0.1

/** The published router's documented schedule ends at this step. */
const backoffCap = Duration.seconds(16)

/**
 * 1, 2, 4, 8, 16 s, and 16 s from then on, each ± 25 %: the schedule that the published router documents, and the default.
 *
 * @since 0.1.0
 * @category schedules
 */
export const backoff: Schedule.Schedule<unknown> = Schedule.forever.pipe(
  Schedule.addDelay((recurrence) => Duration.min(Duration.seconds(2 ** recurrence), backoffCap)),
  Schedule.jitteredWith({ min: 0.75, max: 1.25 })
)

/** The first bound of full jitter for a failure that is over in a moment. */
const transientBaseMillis = 100

/** The first bound of full jitter for a provider that asks for less traffic. */
const throttledBaseMillis = 1_000

const fullJitterCapMillis = 20_000

const throttled: ReadonlySet<number | undefined> = new Set([429, 529])

/**
 * Full jitter: between 0 and a bound that doubles from 100 ms (1 s after 429 and 529) up to 20 s. It spreads the load of many
 * clients best; `backoff` is gentler on a single one.
 *
 * @since 0.1.0
 * @category schedules
 */
export const fullJitter: Schedule.Schedule<unknown, unknown> = Schedule.identity<unknown>().pipe(
  Schedule.intersect(Schedule.forever),
  Schedule.modifyDelayEffect(([error, recurrence]) =>
    Effect.map(Random.next, (random) => {
      const base = throttled.has(Failure.of(error, 0).code) ? throttledBaseMillis : transientBaseMillis
      return Duration.millis(random * Math.min(fullJitterCapMillis, base * 2 ** recurrence))
    })
  )
)

/**
 * @since 0.1.0
 * @category models
 */
export interface Options<in out R = never> {
  /** Extra attempts after the first one, a whole number from 0. Default 3. */
  readonly count?: number | undefined
  /** The codes (100–599) that are retried. Default 429, 500, 502, 503, 504. */
  readonly onCodes?: ReadonlyArray<number> | undefined
  /** The waits between the attempts; it is given the error. It may also end the retries before `count` does. Default `backoff`. */
  readonly backoff?: Schedule.Schedule<unknown, unknown, R> | undefined
  /** The longest wait asked for by an answer that is waited for. Default 60 seconds. */
  readonly maxRetryAfter?: Duration.DurationInput | undefined
}

const validated = <R>(options: Options<R>) => {
  const count = options.count ?? defaultCount
  if (!Number.isInteger(count) || count < 0) {
    throw RouterError.invalidField("count", "expected a whole number of extra attempts, 0 or more")
  }
  const onCodes = options.onCodes ?? defaultOnCodes
  const wrong = onCodes.findIndex((code) => !Number.isInteger(code) || code < 100 || code > 599)
  if (wrong !== -1) {
    throw RouterError.invalidField(`onCodes[${wrong}]`, "expected a whole number from 100 to 599")
  }
  const maxRetryAfter = options.maxRetryAfter ?? defaultMaxRetryAfter
  const decoded = Duration.decodeUnknown(maxRetryAfter)
  // decoding makes 0 of these two
  const nonsense = typeof maxRetryAfter === "number" && !(maxRetryAfter >= 0)
  if (Option.isNone(decoded) || nonsense) {
    throw RouterError.invalidField("maxRetryAfter", "expected a duration of 0 or more")
  }
  return {
    count,
    onCodes: new Set(onCodes),
    schedule: options.backoff ?? backoff,
    maxRetryAfterMillis: Duration.toMillis(decoded.value)
  }
}

/** The time that an attempt needs at least: a wait that leaves less is not begun. */
const attemptMillis = 1

/** The milliseconds to wait before the next attempt, or `undefined` when there is to be none. */
const nextWait = (
  failure: Failure.Failure,
  scheduledMillis: number,
  maxRetryAfterMillis: number
): Effect.Effect<number | undefined> => {
  const hintMillis = failure.retryAfter === undefined ? 0 : Duration.toMillis(failure.retryAfter)
  if (hintMillis > maxRetryAfterMillis) {
    return Effect.succeed(undefined)
  }
  // whole milliseconds are all that a timer knows; rounding up undercuts nobody
  const scheduled = Math.ceil(scheduledMillis)
  const wait = hintMillis === 0
    ? Effect.succeed(scheduled)
    : Effect.map(
      Random.next,
      (random) => Math.max(scheduled, Math.ceil(hintMillis) + Math.floor(hintMillis * retryAfterSpread * random))
    )
  return Effect.zipWith(
    wait,
    Deadline.remainingMillis,
    (millis, remaining) => millis < Infinity && millis + attemptMillis <= remaining ? millis : undefined
  )
}

const isRetried = (failure: Failure.Failure, onCodes: ReadonlySet<number>): boolean =>
  failure.code !== undefined && (failure.shouldRetry ?? onCodes.has(failure.code))

/** Notes the wait for the attempt that will follow it. */
const record = (millis: number): Effect.Effect<void> =>
  Effect.map(Route.CurrentRecorder, (recorder) => {
    if (recorder !== undefined) {
      recorder.waitMillis = millis
    }
  })

/**
 * Retries what the wrapped client fails with. `count` is extra attempts: `withRetry({ count: 0 })` changes nothing, and nested
 * retries multiply.
 *
 * Throws `InvalidRequest` when it is built with a count, a code or a `maxRetryAfter` out of bounds.
 *
 * ```ts
 * import { Retry } from "effect-llm-router"
 * import { Schedule } from "effect"
 *
 * const twice = Retry.withRetry({ count: 2, onCodes: [429, 503], backoff: Schedule.spaced("250 millis") })
 * ```
 *
 * @since 0.1.0
 * @category policies
 */
export const withRetry = <R2 = never>(options: Options<R2> = {}): HttpPolicy.HttpPolicy<never, R2> => {
  const { count, maxRetryAfterMillis, onCodes, schedule } = validated(options)
  if (count === 0) {
    return HttpPolicy.identity
  }
  return HttpPolicy.make<never, R2>(<E, R>(
    request: HttpClientRequest.HttpClientRequest,
    execute: HttpPolicy.Execute<E, R>
  ): Effect.Effect<HttpClientResponse.HttpClientResponse, E, R | R2> => {
    const again = (
      error: E,
      retries: number,
      state: unknown
    ): Effect.Effect<HttpClientResponse.HttpClientResponse, E, R | R2> => {
      if (retries === count) {
        return Effect.fail(error)
      }
      return Effect.flatMap(Clock.currentTimeMillis, (now) => {
        const failure = Failure.of(error, now)
        if (!isRetried(failure, onCodes)) {
          return Effect.fail(error)
        }
        return Effect.flatMap(
          schedule.step(now, error, state),
          ([nextState, , decision]) =>
            ScheduleDecision.isDone(decision)
              ? Effect.fail(error)
              : Effect.flatMap(
                nextWait(failure, ScheduleIntervals.start(decision.intervals) - now, maxRetryAfterMillis),
                (wait) =>
                  wait === undefined
                    ? Effect.fail(error)
                    : RetryBudget.withToken(
                      (begin, notSent) =>
                        discardWhile(error, Effect.sleep(Duration.millis(wait))).pipe(
                          Effect.zipRight(record(wait)),
                          Effect.zipRight(begin),
                          Effect.zipRight(execute(request)),
                          Effect.catchAll((next) =>
                            RouterError.isNotSent(next)
                              ? Effect.zipRight(notSent, Effect.fail(error))
                              : again(next, retries + 1, nextState)
                          )
                        ),
                      Effect.fail(RetryBudget.exhausted(error))
                    )
              )
        )
      })
    }

    return Effect.catchAll(execute(request), (error) => again(error, 0, schedule.initial))
  })
}
